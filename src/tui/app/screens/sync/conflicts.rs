//! The inbox of conflicts: base, source and target side by side; who wins, field by field. What is decided waits here until
//! it is handed over, since sync writes at once what it is handed.
use std::collections::BTreeMap;

use crm_core::journal::sync::{ConflictRecord, ConflictState};
use crm_core::project::Side;

use crate::app::action::Action;
use crate::app::list::ListState;
use crate::app::shared::{Shared, Tone};
use crate::app::sync::SyncOrder;

/// State of the inbox of conflicts.
#[derive(Debug, Default)]
pub struct Conflicts {
    /// Conflicts that are not settled, oldest first, with what is decided here.
    pub records: Vec<ConflictRecord>,
    /// The same as the store has them.
    stored: Vec<ConflictRecord>,
    /// What is decided here and not handed over, by conflict.
    staged: BTreeMap<i64, Takes>,
    /// They have been read.
    pub loaded: bool,
    /// Where the list of conflicts stands.
    pub list: ListState,
    /// Where the fields of the chosen one stand.
    pub fields: ListState,
    /// The fields have the keys, not the list.
    pub in_fields: bool,
    /// A mapping whose first conflict is chosen when they come.
    begin: Option<String>,
    /// For undo, one entry a key: what was decided before on the conflicts it was about.
    before: Vec<Vec<(i64, Takes)>>,
}

/// Fields with the side that wins.
pub(super) type Takes = Vec<(String, Side)>;

impl Conflicts {
    /// Rows of the list of conflicts in a body of so many.
    pub fn rows_of_list(rows: usize, conflicts: usize) -> usize {
        conflicts.clamp(1, (rows / 3).max(3))
    }

    /// `decided`: what was decided before and is not handed over.
    pub(super) fn begin(at: Option<String>, decided: BTreeMap<i64, Takes>) -> Self {
        Self { begin: at, staged: decided, ..Self::default() }
    }
    /// What is decided and not handed over.
    pub(super) fn decided(&self) -> &BTreeMap<i64, Takes> {
        &self.staged
    }
    /// The chosen conflict.
    pub fn conflict(&self) -> Option<&ConflictRecord> {
        self.records.get(self.list.cursor)
    }
    /// Conflicts over the same fields of the same mapping as the chosen one, itself left out.
    pub fn like(&self) -> impl Iterator<Item = &ConflictRecord> {
        let chosen = self.conflict();
        self.records.iter().filter(move |other| {
            chosen.is_some_and(|one| one.id != other.id && one.mapping == other.mapping && names(one).eq(names(other)))
        })
    }
    /// Something is decided on it that is not handed over yet.
    pub fn is_staged(&self, id: i64) -> bool {
        self.staged.contains_key(&id)
    }
    /// Conflicts with decisions that are not handed over yet.
    pub fn staged(&self) -> usize {
        self.staged.len()
    }
    pub(super) fn lay_out(&mut self, rows: usize) {
        let list = Self::rows_of_list(rows, self.records.len());
        self.list.layout(self.records.len(), list);
        let fields = self.conflict().map_or(0, |conflict| conflict.fields.len());
        // Its own heading and rule, the list's heading, a line for what can be done.
        self.fields.layout(fields, rows.saturating_sub(list + 4));
    }
    /// They were read.
    pub(super) fn take(&mut self, stored: Vec<ConflictRecord>, shared: &Shared) {
        let chosen = self.conflict().map(|conflict| conflict.id);
        let there = |id: i64| stored.iter().any(|conflict| conflict.id == id);
        self.staged.retain(|id, _| there(*id));
        self.stored = stored;
        self.loaded = true;
        self.show(shared);
        let place = self.records.iter().position(|conflict| Some(conflict.id) == chosen);
        let begin = self.begin.take();
        let place = place.or_else(|| self.records.iter().position(|one| Some(&one.mapping) == begin.as_ref()));
        self.list.layout(self.records.len(), self.list.page);
        if let Some(place) = place {
            self.list.select(place);
        } else {
            // The one that was looked at is settled.
            self.in_fields = false;
            self.fields = ListState::default();
        }
    }
    /// What is shown: as stored, with what is being told to the store and what is decided here.
    fn show(&mut self, shared: &Shared) {
        let mut records = self.stored.clone();
        shared.telling.iter().chain(&shared.to_tell).for_each(|order| order.foresee(&mut records));
        for (id, takes) in &self.staged {
            SyncOrder::Decide(*id, takes.clone()).foresee(&mut records);
        }
        self.records = records;
    }
    /// Decides something on some conflicts.
    fn stage(&mut self, decisions: Vec<(i64, Takes)>, shared: &Shared) {
        let mut before = Vec::new();
        for (id, takes) in decisions {
            let staged = self.staged.entry(id).or_default();
            before.push((id, staged.clone()));
            staged.retain(|(field, _)| takes.iter().all(|(other, _)| other != field));
            staged.extend(takes);
        }
        self.before.push(before);
        self.show(shared);
    }
    fn decide(&mut self, side: Side, shared: &Shared) {
        let Some(conflict) = self.conflict() else { return };
        let fields = conflict.fields.iter().enumerate();
        let takes: Takes = fields
            .filter(|(at, _)| !self.in_fields || *at == self.fields.cursor)
            .map(|(_, field)| (field.field.clone(), side))
            .collect();
        let id = conflict.id;
        self.stage(vec![(id, takes)], shared);
        self.go_to_open();
    }
    /// On to the first field that is still open.
    fn go_to_open(&mut self) {
        let open = self.conflict().and_then(|conflict| conflict.fields.iter().position(|field| field.take.is_none()));
        if let Some(open) = open.filter(|_| self.in_fields) {
            self.fields.select(open);
        }
    }
    fn decide_like(&mut self, shared: &mut Shared) {
        let Some(conflict) = self.conflict() else { return };
        let takes: Takes =
            conflict.fields.iter().filter_map(|field| Some((field.field.clone(), field.take?))).collect();
        if takes.len() < conflict.fields.len() {
            return shared.tell(Tone::Info, "decide all fields of this one first, then its like follow");
        }
        let ids: Vec<i64> =
            self.like().filter(|other| other.state == ConflictState::Open).map(|other| other.id).collect();
        if ids.is_empty() {
            return shared.tell(Tone::Info, "no other open conflict is over the same fields");
        }
        shared.tell(Tone::Info, format!("{} more are decided like this one; u takes it back", ids.len()));
        self.stage(ids.into_iter().map(|id| (id, takes.clone())).collect(), shared);
    }
    fn undo(&mut self, shared: &mut Shared) {
        while let Some(before) = self.before.pop() {
            // What is settled meanwhile is not decided on any more.
            let there = |id: i64| self.stored.iter().any(|conflict| conflict.id == id);
            let before: Vec<(i64, Takes)> = before.into_iter().filter(|(id, _)| there(*id)).collect();
            if before.is_empty() {
                continue;
            }
            for (id, takes) in before {
                self.staged.remove(&id);
                if !takes.is_empty() {
                    self.staged.insert(id, takes);
                }
            }
            self.show(shared);
            return self.go_to_open();
        }
        // Nothing of this screen's: what was handed over can be taken back as long as it is not written.
        let handed = self.conflict().filter(|conflict| conflict.fields.iter().any(|field| field.take.is_some()));
        match handed.map(|conflict| conflict.id) {
            Some(id) => {
                shared.tell_sync(SyncOrder::Undecide(id));
                self.show(shared);
            }
            None => shared.tell(Tone::Info, "nothing to undo: what is written is corrected on one of the sides"),
        }
    }
    /// Hands over what is decided.
    pub(super) fn hand_over(&mut self, shared: &mut Shared) {
        if self.staged.is_empty() {
            return shared.tell(Tone::Info, "nothing is decided yet: < or > says who wins");
        }
        self.before.clear();
        for (id, takes) in std::mem::take(&mut self.staged) {
            shared.tell_sync(SyncOrder::Decide(id, takes));
        }
        self.show(shared);
        if !shared.sync.alive {
            shared.tell(Tone::Info, "sync is not running: it writes them when it is started");
        }
    }
    /// Does an action; None: it is not for the inbox.
    pub(super) fn act(&mut self, action: Action, shared: &mut Shared) -> Option<bool> {
        match action {
            Action::TakeSource => self.decide(Side::Source, shared),
            Action::TakeTarget => self.decide(Side::Target, shared),
            Action::TakeLike => self.decide_like(shared),
            Action::TakeWrite => self.hand_over(shared),
            Action::Undo => self.undo(shared),
            Action::SyncWhy => self.in_fields = self.conflict().is_some(),
            Action::NextPane => self.in_fields = !self.in_fields && self.conflict().is_some(),
            Action::Back | Action::Cancel => return None,
            Action::SyncConflicts => {}
            action if action.doc().group == crate::app::action::Group::Sync => {
                shared.tell(Tone::Info, "that is for the mappings: q leaves the conflicts");
            }
            _ if self.in_fields => return Some(self.fields.act(action)),
            _ => {
                let before = self.list.cursor;
                let moved = self.list.act(action);
                if self.list.cursor != before {
                    self.fields = ListState::default();
                }
                return Some(moved);
            }
        }
        Some(true)
    }
    pub(super) fn find(&mut self, sought: &str, forward: bool) -> bool {
        let sought = sought.to_lowercase();
        let fits = |at: &usize| {
            let conflict = &self.records[*at];
            format!("{} {}", conflict.mapping, conflict.key).to_lowercase().contains(&sought)
        };
        let (cursor, len) = (self.list.cursor, self.records.len());
        let found = if forward { (cursor + 1..len).find(fits) } else { (0..cursor).rev().find(fits) };
        if let Some(at) = found {
            self.list.select(at);
        }
        found.is_some()
    }
    pub(super) fn offers(&self, action: Action) -> bool {
        let any = self.conflict().is_some();
        match action {
            Action::TakeSource
            | Action::TakeTarget
            | Action::Undo
            | Action::Search
            | Action::Reveal
            | Action::NextPane => any,
            Action::TakeLike => self.like().next().is_some(),
            Action::TakeWrite => !self.staged.is_empty(),
            Action::Redo | Action::Save => false,
            action if action.doc().group == crate::app::action::Group::Sync => false,
            _ => true,
        }
    }
    /// The command that decides as is decided here.
    pub(super) fn command(&self) -> String {
        let Some(conflict) = self.conflict() else { return "conflicts list".to_owned() };
        let taken = |side: Side| {
            let fields: Vec<&str> = conflict
                .fields
                .iter()
                .filter(|field| field.take == Some(side))
                .map(|field| field.field.as_str())
                .collect();
            fields.join(",")
        };
        // One command decides for one side: where both win somewhere, the one for the field at the cursor.
        let side = conflict.fields.get(self.fields.cursor).and_then(|field| field.take);
        let Some(side) = side else { return format!("conflicts list {}", crate::app::quote(&conflict.mapping)) };
        let fields = taken(side);
        let all = conflict.fields.iter().all(|field| field.take == Some(side));
        let only = if all { String::new() } else { format!(" --fields {}", crate::app::quote(&fields)) };
        format!("conflicts resolve {} --take {}{only}", conflict.id, side.word())
    }
}

/// The fields of a conflict, by name.
fn names(conflict: &ConflictRecord) -> std::vec::IntoIter<&str> {
    let mut names: Vec<&str> = conflict.fields.iter().map(|field| field.field.as_str()).collect();
    names.sort_unstable();
    names.into_iter()
}
