//! The inbox of rejects: what a run or a plan left out by root cause, the rows, and one row with its cells to mend.
mod row;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use crm_core::rejects::{Entry, Group, Inbox};
use crm_core::workspace::{RetryRequest, Revealed};

pub use row::OpenRow;

use super::{ScreenId, ScreenState};
use crate::app::action::Action;
use crate::app::key::Key;
use crate::app::list::ListState;
use crate::app::msg::{Answer, Lane, Request};
use crate::app::shared::{Shared, Tone, Wanted};
use crate::app::thousands;

/// What the inbox is to be opened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenInbox {
    /// Run or plan.
    pub of: String,
    /// Where `back` leads.
    pub back: ScreenId,
    /// A mapping and a cause to begin at.
    pub at: Option<(String, String)>,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A cause: indexes of the groups from the top down to it.
    Group(Vec<usize>),
    /// A row: index of the entry, and how deep it stands.
    Entry(usize, usize),
}

/// State of the inbox.
#[derive(Debug, Default)]
pub struct RejectsScreen {
    /// What it shows, once read.
    pub inbox: Option<Arc<Inbox>>,
    /// Lines of the list: causes, and the rows of those that are opened.
    pub lines: Vec<Line>,
    /// Where the list stands.
    pub list: ListState,
    /// The row that is looked at; None: the list.
    pub row: Option<OpenRow>,
    /// It could not be read.
    pub failed: bool,
    of: Option<OpenInbox>,
    opened: HashSet<Vec<usize>>,
    wanted: Wanted<(String, u64, usize)>,
}

impl RejectsScreen {
    /// The group at this place.
    pub fn group<'i>(inbox: &'i Inbox, path: &[usize]) -> Option<&'i Group> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(inbox.groups.get(*first)?, |group, at| group.waiting.get(*at))
    }
    /// The group at this place is opened.
    pub fn is_opened(&self, path: &[usize]) -> bool {
        self.opened.contains(path)
    }
    /// The entry at the cursor.
    pub fn entry(&self) -> Option<&Entry> {
        match self.lines.get(self.list.cursor)? {
            Line::Entry(at, _) => self.inbox.as_ref()?.entries.get(*at),
            Line::Group(_) => None,
        }
    }
    /// Open rows that the cursor stands for: that of the row, or all of the cause.
    fn chosen(&self) -> Vec<(String, u64)> {
        let Some(inbox) = &self.inbox else { return Vec::new() };
        let entries: Vec<usize> = match (&self.row, self.lines.get(self.list.cursor)) {
            (Some(row), _) => vec![row.at],
            (None, Some(Line::Entry(at, _))) => vec![*at],
            (None, Some(Line::Group(path))) => {
                Self::group(inbox, path).map(|group| group.entries.clone()).unwrap_or_default()
            }
            (None, None) => Vec::new(),
        };
        let open = entries.into_iter().map(|at| &inbox.entries[at]).filter(|entry| entry.is_open());
        open.map(|entry| (entry.mapping.clone(), entry.reject.n)).collect()
    }
    /// Mapping and target field that the cursor stands for.
    fn field(&self) -> Option<(String, Option<String>)> {
        let inbox = self.inbox.as_ref()?;
        if let Some(row) = &self.row {
            let entry = inbox.entries.get(row.at)?;
            return Some((entry.mapping.clone(), entry.reject.field.clone()));
        }
        match self.lines.get(self.list.cursor)? {
            Line::Entry(at, _) => {
                let entry = inbox.entries.get(*at)?;
                Some((entry.mapping.clone(), entry.reject.field.clone()))
            }
            Line::Group(path) => Self::group(inbox, path).map(|group| (group.mapping.clone(), group.field.clone())),
        }
    }
    fn lay_out(&mut self) {
        fn add(lines: &mut Vec<Line>, opened: &HashSet<Vec<usize>>, groups: &[Group], path: &mut Vec<usize>) {
            for (at, group) in groups.iter().enumerate() {
                path.push(at);
                lines.push(Line::Group(path.clone()));
                if opened.contains(path) {
                    lines.extend(group.entries.iter().map(|entry| Line::Entry(*entry, path.len())));
                }
                // What waits is seen with its cause, opened or not: it is the reason why the cause matters.
                add(lines, opened, &group.waiting, path);
                path.pop();
            }
        }
        self.lines.clear();
        if let Some(inbox) = &self.inbox {
            add(&mut self.lines, &self.opened, &inbox.groups, &mut Vec::new());
        }
    }
    fn toggle(&mut self, shared: &mut Shared) {
        match self.lines.get(self.list.cursor).cloned() {
            Some(Line::Group(path)) => {
                if !self.opened.remove(&path) {
                    self.opened.insert(path);
                }
                self.lay_out();
            }
            Some(Line::Entry(at, _)) => {
                let Some(entry) = self.inbox.as_ref().and_then(|inbox| inbox.entries.get(at)) else { return };
                if let Some(draft) = shared.drafts.iter().position(|draft| draft.name == entry.mapping) {
                    // Undo takes back what is corrected here.
                    shared.current = draft;
                }
                self.row = Some(OpenRow::new(at, entry));
            }
            None => {}
        }
    }
    fn retry(&self, mended: bool, shared: &mut Shared) {
        let Some(inbox) = &self.inbox else { return };
        if !inbox.is_run {
            shared.tell(Tone::Info, "no run has left these out yet: p plans anew with what is mended");
            return;
        }
        if shared.unsaved().next().is_some() {
            shared.tell(Tone::Bad, "a retry is of what the files say: save first (^S)");
            return;
        }
        let rows = if mended { Vec::new() } else { self.chosen() };
        if mended && !inbox.entries.iter().any(|entry| entry.is_open() && entry.mended) {
            shared.tell(Tone::Info, "nothing is mended yet: correct a row (enter), or the field (e)");
            return;
        }
        if !mended && rows.is_empty() {
            shared.tell(Tone::Info, "nothing here is left to retry");
            return;
        }
        let request = RetryRequest { run: inbox.of.clone(), rows, mended, ..RetryRequest::default() };
        shared.go(ScreenId::Diff);
        shared.ask(Lane::Plan, "planning the retry", Request::Retry(request));
    }
    fn mend_field(&self, shared: &mut Shared) {
        let Some((mapping, field)) = self.field() else { return };
        match shared.drafts.iter().position(|draft| draft.name == mapping) {
            Some(at) => {
                shared.current = at;
                shared.focus = field;
                shared.go(ScreenId::Map);
            }
            None => shared.tell(Tone::Info, format!("the project has no mapping '{mapping}' any more")),
        }
    }
    fn take(&mut self, inbox: &Arc<Inbox>) {
        let first = self.inbox.as_ref().is_none_or(|old| old.of != inbox.of);
        self.inbox = Some(Arc::clone(inbox));
        self.failed = false;
        if first {
            self.opened.clear();
            self.row = None;
            self.list.select(0);
        }
        self.lay_out();
        let at = self.of.as_mut().and_then(|of| of.at.take());
        if let Some((mapping, cause)) = at {
            let found = self.lines.iter().position(|line| match line {
                Line::Group(path) => {
                    Self::group(inbox, path).is_some_and(|group| group.mapping == mapping && group.cause == cause)
                }
                Line::Entry(..) => false,
            });
            self.list.layout(self.lines.len(), self.list.page);
            self.list.select(found.unwrap_or(0));
        }
        match &mut self.row {
            Some(row) if row.at < inbox.entries.len() => row.forget(),
            row => *row = None,
        }
    }
}

impl ScreenState for RejectsScreen {
    fn settle(&mut self, shared: &mut Shared) {
        if let Some(of) = shared.inbox.take() {
            if self.of.as_ref().is_none_or(|old| old.of != of.of) {
                self.inbox = None;
                self.row = None;
                self.lines.clear();
            }
            self.wanted.forget();
            self.of = Some(of);
        }
        if self.of.is_none() {
            let newest = shared.run.as_ref().or(shared.runs.first()).map(|run| run.id.clone());
            let newest = newest.or_else(|| shared.plan.as_ref().map(|plan| plan.id.clone()));
            self.of = newest.map(|of| OpenInbox { of, back: ScreenId::History, at: None });
        }
        let Some(of) = self.of.as_ref().map(|of| of.of.clone()) else { return };
        let ended = shared.runs.iter().filter(|run| run.state.is_final()).count();
        if self.wanted.changes((of.clone(), shared.saves, ended)) {
            shared.ask(Lane::Inbox, "reading rejects", Request::Inbox(of));
        }
        let (_, rows) = shared.body();
        self.list.layout(self.lines.len(), rows.saturating_sub(2));
        if let (Some(row), Some(inbox)) = (&mut self.row, &self.inbox) {
            row.settle(inbox, shared);
        }
    }
    fn act(&mut self, action: Action, shared: &mut Shared) -> bool {
        match action {
            Action::Retry => self.retry(false, shared),
            Action::RetryMended => self.retry(true, shared),
            Action::EditField => self.mend_field(shared),
            Action::Values => {
                self.mend_field(shared);
                shared.then_act = Some(Action::Values);
            }
            Action::Back if self.row.is_some() => self.row = None,
            Action::Cancel if self.row.is_some() && shared.notice.is_none() => self.row = None,
            Action::Back => shared.go(self.of.as_ref().map_or(ScreenId::History, |of| of.back)),
            _ => {
                if let (Some(row), Some(inbox)) = (&mut self.row, &self.inbox) {
                    return row.act(action, inbox, shared);
                }
                match action {
                    Action::Open => self.toggle(shared),
                    Action::Right if matches!(self.lines.get(self.list.cursor), Some(Line::Group(path)) if !self.opened.contains(path)) =>
                    {
                        self.toggle(shared);
                    }
                    Action::Left if matches!(self.lines.get(self.list.cursor), Some(Line::Group(path)) if self.opened.contains(path)) =>
                    {
                        self.toggle(shared);
                    }
                    Action::CorrectLike => {
                        shared.tell(Tone::Info, "open a row that is corrected, then its like follow");
                    }
                    _ => return self.list.act(action),
                }
            }
        }
        true
    }
    fn key(&mut self, key: Key, shared: &mut Shared) -> bool {
        match (&mut self.row, &self.inbox) {
            (Some(row), Some(inbox)) => row.key(key, inbox, shared),
            _ => false,
        }
    }
    fn paste(&mut self, text: &str, _: &mut Shared) {
        if let Some(row) = &mut self.row {
            row.paste(text);
        }
    }
    fn heading(&self, _: &Shared) -> String {
        let Some(inbox) = &self.inbox else { return "REJECTS".to_owned() };
        let what = if inbox.is_run { "run" } else { "plan" };
        let (open, all) = (inbox.open(), inbox.entries.len() as u64);
        let mended = inbox.entries.iter().filter(|entry| entry.is_open() && entry.mended).count() as u64;
        format!(
            "REJECTS of {what} {}  {} of {} open, {} mended, {} released",
            inbox.of,
            thousands(open),
            thousands(all),
            thousands(mended),
            thousands(all - open)
        )
    }
    fn answer(&mut self, lane: Lane, answer: &Answer, _: &mut Shared) {
        match (lane, answer) {
            (Lane::Inbox, Answer::Inbox(inbox)) => self.take(inbox),
            (Lane::Trial, Answer::Trial(trial)) => {
                if let Some(row) = &mut self.row {
                    row.trial = Some(trial.clone());
                }
            }
            _ => {}
        }
    }
    fn failed(&mut self, lane: Lane, _: &mut Shared) {
        self.failed |= lane == Lane::Inbox;
    }
    fn find(&mut self, sought: &str, forward: bool, _: &mut Shared) -> bool {
        let Some(inbox) = self.inbox.clone() else { return false };
        let sought = sought.to_lowercase();
        let fits = |at: &usize| match &self.lines[*at] {
            Line::Group(path) => Self::group(&inbox, path)
                .is_some_and(|group| format!("{} {}", group.mapping, group.cause).to_lowercase().contains(&sought)),
            Line::Entry(at, _) => {
                let key = inbox.entries[*at].reject.key.as_deref();
                key.is_some_and(|key| key.to_lowercase().contains(&sought))
            }
        };
        let (cursor, len) = (self.list.cursor, self.lines.len());
        let found = if forward { (cursor + 1..len).find(fits) } else { (0..cursor).rev().find(fits) };
        if let Some(at) = found {
            self.list.select(at);
        }
        found.is_some()
    }
    fn click(&mut self, _: usize, row: usize, _: &mut Shared) {
        if self.row.is_none() && row > 0 && self.list.top + row - 1 < self.list.len {
            self.list.select(self.list.top + row - 1);
        }
    }
    fn personal(&self, shared: &Shared) -> Revealed {
        let Some(inbox) = &self.inbox else { return Revealed::default() };
        let mut columns: Vec<String> =
            inbox.groups.iter().flat_map(|group| shared.personal.columns_of(&group.mapping)).collect();
        columns.sort_unstable();
        columns.dedup();
        let of = Some(inbox.of.clone());
        let (run, plan) = if inbox.is_run { (of, None) } else { (None, of) };
        Revealed { run, plan, columns, ..Revealed::default() }
    }
    fn command(&self, _: &Shared) -> Option<String> {
        let inbox = self.inbox.as_ref()?;
        match self.row.as_ref().map(|row| row.at).or(match self.lines.get(self.list.cursor) {
            Some(Line::Entry(at, _)) => Some(*at),
            _ => None,
        }) {
            Some(at) => {
                let entry = inbox.entries.get(at)?;
                Some(format!("rejects show {} {} --id {}", entry.mapping, entry.reject.n, inbox.of))
            }
            None => Some(format!("rejects list {}", inbox.of)),
        }
    }
    fn offers(&self, action: Action, _: &Shared) -> bool {
        let run = self.inbox.as_ref().is_some_and(|inbox| inbox.is_run && inbox.open() > 0);
        match action {
            Action::Retry | Action::RetryMended => run,
            Action::CorrectLike => self.row.is_some(),
            Action::Plan => !run,
            action => action != ScreenId::Rejects.action(),
        }
    }
}
