//! The Sync screen: the watch loop and its lanes, how consistent and how timely they are, and what waits for a decision.
mod conflicts;
mod orders;
mod span;
#[cfg(test)]
pub(crate) mod tests;
mod why;

use std::collections::BTreeMap;

use crm_core::journal::sync::{EventFilter, EventLine, LaneState, LaneStatus, LogLine, LoopState, ScoreLine};
use crm_core::workspace::{PlanAsk, Revealed};

pub use conflicts::Conflicts;
pub use why::{Weight, event_lines, lane_lines};

use super::{ScreenId, ScreenState};
use crate::app::action::Action;
use crate::app::list::ListState;
use crate::app::msg::{Answer, Lane, Request};
use crate::app::overlay::{Overlay, Question, Reply, Tag};
use crate::app::shared::{Shared, Tone, Wanted};
use crate::app::sync::{SyncLook, SyncOrder, SyncSeen, silent_until};
use crate::app::words::Words;

/// Looks between two readings of the scores' history, which grows by a line in 10 seconds.
const SCORES_EVERY: u32 = 10;

/// Questions of this screen.
pub(super) const START: &str = "start sync";
pub(super) const END: &str = "end sync";
pub(super) const HELD: &str = "what is held";
pub(super) const RESYNC: &str = "resync";
pub(super) const UNDO: &str = "undo a span";
const DECISIONS: &str = "decisions";

/// How the rows of the screen are shared out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts {
    /// Rows of the table of mappings, its heading aside.
    pub lanes: usize,
    /// Lines about the chosen mapping, its rule aside.
    pub detail: usize,
    /// Rows of events or of the log, their heading and rule aside.
    pub list: usize,
}

impl Parts {
    /// Lines above the table.
    pub const HEAD: usize = 2;

    /// For a body of this size and so many mappings.
    pub fn of((columns, rows): (usize, usize), lanes: usize) -> Self {
        let lanes = lanes.clamp(1, (rows / 4).max(3));
        // The heads of the three parts, and the two lines on top.
        let rest = rows.saturating_sub(Self::HEAD + 1 + lanes + 1 + 2);
        let wanted = match (columns, rows) {
            (110.., _) => 14,
            (_, 36..) => 18,
            _ => 6,
        };
        let detail = wanted.min(rest - rest / 2);
        Self { lanes, detail, list: rest - detail }
    }
}

/// State of the Sync screen. How the loop stands is [`Shared::sync`].
#[derive(Debug, Default)]
pub struct SyncScreen {
    /// Where the table of mappings stands.
    pub lanes: ListState,
    /// The events, or the log, have the keys, not the table.
    pub in_list: bool,
    /// Where the events, or the log, stand.
    pub list: ListState,
    /// The log is shown, not the events.
    pub show_log: bool,
    /// Which events are shown.
    pub filter: EventFilter,
    /// Events, newest first.
    pub events: Vec<EventLine>,
    /// What happened to mappings, newest first.
    pub log: Vec<LogLine>,
    /// Lags of a mapping's last 5 minutes by [`crate::app::sync::LAGS`].
    pub lags: Option<(String, Vec<u64>)>,
    /// Scores of the last hour, oldest first.
    pub scores: BTreeMap<String, Vec<ScoreLine>>,
    /// The inbox of conflicts, while it is open.
    pub inbox: Option<Conflicts>,
    /// Decisions on conflicts that are not handed over, while the inbox is closed.
    decided: BTreeMap<i64, conflicts::Takes>,
    /// It has been looked at.
    pub loaded: bool,
    /// The mapping of which a span is asked for.
    undoing: Option<String>,
    looks: u32,
    wanted: Wanted<(EventFilter, Option<String>, bool)>,
}

impl SyncScreen {
    /// The mapping at the cursor.
    pub fn lane<'a>(&self, shared: &'a Shared) -> Option<&'a LaneStatus> {
        shared.sync.lanes.get(self.lanes.cursor)
    }
    /// The event at the cursor, where the events have the keys.
    pub fn event(&self) -> Option<&EventLine> {
        self.events.get(self.list.cursor).filter(|_| self.in_list && !self.show_log)
    }
    /// Rows of the list that is shown.
    fn listed(&self) -> usize {
        if self.show_log { self.log.len() } else { self.events.len() }
    }
    /// The loop says that it runs, and its process is gone.
    pub fn is_dead(shared: &Shared) -> bool {
        !shared.sync.alive && shared.sync.record.as_ref().is_some_and(|record| record.state == LoopState::Running)
    }
    /// Decisions on conflicts that are not handed over, for the next program.
    pub(in crate::app) fn decisions(&self) -> Vec<(i64, conflicts::Takes)> {
        let decided = self.inbox.as_ref().map_or(&self.decided, Conflicts::decided);
        decided.iter().map(|(id, takes)| (*id, takes.clone())).collect()
    }
    /// Takes up what an earlier program left.
    pub(in crate::app) fn bring_back(&mut self, decisions: Vec<(i64, conflicts::Takes)>) {
        self.decided = decisions.into_iter().collect();
    }
    /// Conflicts with decisions that are not handed over.
    pub fn undelivered(&self) -> usize {
        self.decided.len()
    }
    /// What is to be looked at now.
    pub(in crate::app) fn look(&mut self) -> SyncLook {
        let scores = self.looks.is_multiple_of(SCORES_EVERY);
        self.looks = self.looks.wrapping_add(1);
        let lags_of = self.wanted.get().and_then(|(_, mapping, _)| mapping.clone());
        SyncLook { events: Some(self.filter.clone()), lags_of, scores, conflicts: self.inbox.is_some() }
    }
    fn take(&mut self, seen: &SyncSeen, shared: &Shared) {
        self.loaded = true;
        if let Some(events) = &seen.events {
            // The cursor stays on its event while others come in above it, and on the newest where it is there.
            let id = self.events.get(self.list.cursor).map(|event| event.id);
            let stays = !self.show_log && self.list.cursor > 0;
            self.events.clone_from(events);
            if let Some(at) = events.iter().position(|event| Some(event.id) == id).filter(|_| stays) {
                self.list.layout(events.len(), self.list.page);
                self.list.select(at);
            }
        }
        if let Some(log) = &seen.log {
            self.log.clone_from(log);
        }
        if let Some(scores) = &seen.scores {
            self.scores.clone_from(scores);
        }
        if seen.lags.is_some() {
            self.lags.clone_from(&seen.lags);
        }
        if let (Some(inbox), Some(conflicts)) = (&mut self.inbox, &seen.conflicts) {
            inbox.take(conflicts.clone(), shared);
        }
    }
    /// Something of the filter is set.
    pub fn is_filtered(&self) -> bool {
        self.filter != EventFilter::default()
    }
    fn why(&self, shared: &mut Shared) {
        if let Some(event) = self.event() {
            let (title, lines) = event_lines(event, shared);
            return shared.open(Overlay::Text(title, lines, 0));
        }
        let Some(lane) = self.lane(shared) else {
            return shared.tell(Tone::Info, "sync was never started here: S starts it");
        };
        let lines: Vec<Words> = lane_lines(lane, self, shared).into_iter().map(|(line, _)| Words::from(line)).collect();
        shared.open(Overlay::Text(format!("{}: {}", lane.mapping, lane.state.word()).into(), lines, 0));
    }
    fn toggle_rejects(&mut self, shared: &mut Shared) {
        let Some(name) = self.lane(shared).map(|lane| lane.mapping.clone()) else { return };
        if self.filter.open && self.filter.mapping.as_ref() == Some(&name) {
            self.filter = EventFilter::default();
            self.in_list = false;
        } else {
            self.filter = EventFilter { mapping: Some(name), open: true, ..EventFilter::default() };
            self.show_log = false;
            self.in_list = true;
        }
        self.list.select(0);
    }
    fn trace(&self, shared: &mut Shared) {
        let found = self.event().and_then(|line| Some((line.event.mapping.clone(), line.event.key.clone()?)));
        match found {
            Some((mapping, key)) => {
                shared.ask(Lane::SyncTrace, "looking for the record", Request::SyncTrace(mapping, key));
            }
            None => shared.tell(Tone::Info, "choose an event that has a key: tab goes to the events"),
        }
    }
    /// Leaves what is open, the innermost first; false if nothing is.
    fn step_out(&mut self, shared: &mut Shared) -> bool {
        if let Some(inbox) = &mut self.inbox {
            if std::mem::take(&mut inbox.in_fields) {
                return true;
            }
            if inbox.staged() == 0 {
                self.inbox = None;
                return true;
            }
            let lines = vec![format!("Decisions on {} conflicts are not handed over yet.", inbox.staged())];
            let choices = vec![('w', "write them and leave"), ('k', "keep them for later"), ('d', "discard and leave")];
            shared.open(Overlay::Ask(Question::choice("Decisions", Tag::Choose(DECISIONS), lines, choices)));
        } else if self.is_filtered() {
            self.filter = EventFilter::default();
            self.list.select(0);
        } else if self.show_log {
            self.show_log = false;
            self.list.select(0);
        } else if self.in_list {
            self.in_list = false;
        } else {
            return false;
        }
        true
    }
}

impl ScreenState for SyncScreen {
    fn settle(&mut self, shared: &mut Shared) {
        let parts = Parts::of(shared.body(), shared.sync.lanes.len());
        self.lanes.layout(shared.sync.lanes.len(), parts.lanes);
        self.list.layout(self.listed(), parts.list);
        if let Some(inbox) = &mut self.inbox {
            inbox.lay_out(shared.body().1);
        }
        let mapping = self.lane(shared).map(|lane| lane.mapping.clone());
        if self.wanted.changes((self.filter.clone(), mapping, self.inbox.is_some())) {
            self.looks = 0;
            let look = self.look();
            shared.ask(Lane::Sync, "", Request::Sync(look));
        }
    }
    fn act(&mut self, action: Action, shared: &mut Shared) -> bool {
        if let Some(inbox) = &mut self.inbox
            && let Some(taken) = inbox.act(action, shared)
        {
            return taken;
        }
        match action {
            Action::Back => return self.step_out(shared),
            Action::Cancel => return shared.notice.is_none() && self.step_out(shared),
            Action::SyncStart => orders::ask_start(shared),
            Action::SyncEnd => orders::ask_end(shared),
            Action::SyncWhy => self.why(shared),
            Action::SyncConflicts => {
                let at = self.lane(shared).filter(|lane| lane.conflicts > 0).map(|lane| lane.mapping.clone());
                self.inbox = Some(Conflicts::begin(at, std::mem::take(&mut self.decided)));
            }
            Action::TakeSource | Action::TakeTarget | Action::TakeLike | Action::TakeWrite => {
                shared.tell(Tone::Info, "c opens the conflicts, to decide who wins");
            }
            Action::SyncRejects => self.toggle_rejects(shared),
            Action::SyncHeld => orders::held(self.lane(shared).cloned(), shared),
            Action::SyncPause => orders::pause(self.lane(shared).cloned(), shared),
            Action::SyncAudit => orders::audit(self.lane(shared).cloned(), shared),
            Action::SyncSilence => orders::silence(self.lane(shared).cloned(), shared),
            Action::SyncResync => orders::ask_resync(self.lane(shared).cloned(), self.event().cloned(), shared),
            Action::SyncTrace => self.trace(shared),
            Action::SyncDiff => {
                if let Some(name) = self.lane(shared).map(|lane| lane.mapping.clone()) {
                    let mode = Some(crm_core::project::Mode::Full);
                    shared.plan_as(PlanAsk { mappings: vec![name], mode, ..PlanAsk::default() });
                }
            }
            Action::SyncUndo => span::begin(self.lane(shared).cloned(), shared),
            Action::SyncLog => {
                self.show_log = !self.show_log;
                self.list.select(0);
            }
            Action::SyncOpenOnly => {
                self.filter.open = !self.filter.open;
                self.show_log = false;
                self.list.select(0);
            }
            Action::NextPane => self.in_list = !self.in_list,
            Action::NextMapping => return self.lanes.act(Action::Down),
            Action::PreviousMapping => return self.lanes.act(Action::Up),
            _ if self.in_list => return self.list.act(action),
            _ => return self.lanes.act(action),
        }
        true
    }
    fn heading(&self, shared: &Shared) -> String {
        let line = shared.sync.line();
        let line = line.strip_prefix("sync: ").unwrap_or(&line);
        if self.inbox.is_some() { format!("SYNC conflicts  {line}") } else { format!("SYNC {line}") }
    }
    fn answer(&mut self, lane: Lane, answer: &Answer, shared: &mut Shared) {
        match (lane, answer) {
            (Lane::Sync, Answer::Sync(seen)) => self.take(seen, shared),
            (Lane::SyncOrders, Answer::SyncOrders(_)) => self.wanted.forget(),
            (Lane::SyncKept, Answer::SyncKept(mapping, kept)) => {
                let at = self.event().filter(|line| line.event.mapping == *mapping).map(|line| line.event.changed);
                self.undoing = span::ask(mapping, kept, at, shared).then(|| mapping.clone());
            }
            (Lane::SyncTrace, Answer::SyncTrace(traced)) => {
                let (title, lines) = why::trace_lines(traced, shared);
                shared.open(Overlay::Text(title, lines, 0));
            }
            _ => {}
        }
    }
    fn failed(&mut self, lane: Lane, _: &mut Shared) {
        if lane == Lane::SyncOrders {
            // What was foreseen did not come: look how it stands.
            self.wanted.forget();
        }
    }
    fn reply(&mut self, tag: &Tag, reply: &Reply, shared: &mut Shared) {
        match (tag, reply) {
            (Tag::Type(START), Reply::Text(_)) => shared.tell_sync(SyncOrder::Start),
            (Tag::Type(UNDO), Reply::Text(typed)) => {
                if let Some(mapping) = self.undoing.take() {
                    span::plan(&mapping, typed, shared);
                }
            }
            (Tag::Choose(END), Reply::Choice('y')) => orders::end(shared),
            (Tag::Choose(DECISIONS), Reply::Choice(key)) => {
                if let Some(mut inbox) = self.inbox.take() {
                    match key {
                        'w' => inbox.hand_over(shared),
                        'k' => self.decided.clone_from(inbox.decided()),
                        _ => {}
                    }
                }
            }
            (Tag::Choose(HELD), Reply::Choice(key)) => orders::decide_held(*key, self.lane(shared).cloned(), shared),
            (Tag::Choose(RESYNC), Reply::Choice(key)) => {
                orders::resync(*key, self.lane(shared).cloned(), self.event().cloned(), shared);
            }
            _ => {}
        }
    }
    fn find(&mut self, sought: &str, forward: bool, _: &mut Shared) -> bool {
        if let Some(inbox) = &mut self.inbox {
            return inbox.find(sought, forward);
        }
        if self.show_log {
            let fits = |at: &usize| {
                let line = &self.log[*at];
                let text = format!("{} {}", line.mapping.as_deref().unwrap_or_default(), line.text);
                text.to_lowercase().contains(&sought.to_lowercase())
            };
            let (cursor, len) = (self.list.cursor, self.log.len());
            let found = if forward { (cursor + 1..len).find(fits) } else { (0..cursor).rev().find(fits) };
            self.in_list = true;
            if let Some(at) = found {
                self.list.select(at);
            }
            return found.is_some();
        }
        // Among events the store looks, through all that it keeps: what does not fit goes, n and N walk what is left.
        if self.filter.text.as_deref() == Some(sought) {
            self.list.act(if forward { Action::Down } else { Action::Up });
        } else {
            self.filter.text = Some(sought.to_owned());
            self.list.select(0);
        }
        self.in_list = true;
        true
    }
    fn click(&mut self, _: usize, row: usize, shared: &mut Shared) {
        let parts = Parts::of(shared.body(), shared.sync.lanes.len());
        let first = Parts::HEAD + 1;
        let list = first + parts.lanes + 1 + parts.detail + 2;
        if self.inbox.is_some() {
            return;
        }
        if (first..first + parts.lanes).contains(&row) && self.lanes.top + row - first < self.lanes.len {
            self.lanes.select(self.lanes.top + row - first);
            self.in_list = false;
        } else if row >= list && self.list.top + row - list < self.list.len {
            self.list.select(self.list.top + row - list);
            self.in_list = true;
        }
    }
    fn personal(&self, shared: &Shared) -> Revealed {
        if let Some(inbox) = &self.inbox {
            return inbox.conflict().map(|conflict| shared.revealed_of(&conflict.mapping)).unwrap_or_default();
        }
        self.lane(shared).map(|lane| shared.revealed_of(&lane.mapping)).unwrap_or_default()
    }
    fn command(&self, shared: &Shared) -> Option<String> {
        if let Some(inbox) = &self.inbox {
            return Some(inbox.command());
        }
        if !shared.sync.alive {
            return Some("sync --detach".to_owned());
        }
        let lane = self.lane(shared);
        if self.in_list || self.is_filtered() || self.show_log {
            return Some(self.events_command());
        }
        Some(match lane {
            Some(lane) if lane.state == LaneState::Held => {
                let plan = lane.held.as_ref().and_then(|held| held.plan.as_ref());
                let plan = plan.map(|plan| format!(" --plan {plan}")).unwrap_or_default();
                format!("lane release {}{plan}", crate::app::quote(&lane.mapping))
            }
            Some(lane) if lane.state == LaneState::Paused => {
                format!("lane resume {}", crate::app::quote(&lane.mapping))
            }
            _ => "status".to_owned(),
        })
    }
    fn offers(&self, action: Action, shared: &Shared) -> bool {
        let lane = self.lane(shared);
        if let Some(inbox) = &self.inbox {
            return inbox.offers(action);
        }
        match action {
            Action::SyncStart => !shared.sync.alive,
            Action::SyncEnd => shared.sync.alive,
            Action::SyncConflicts => shared.sync.lanes.iter().any(|lane| lane.conflicts > 0),
            Action::SyncHeld => lane.is_some_and(|lane| lane.held.is_some()),
            Action::SyncUndo => lane.is_some_and(|lane| lane.written.is_some()),
            Action::SyncTrace => self.event().is_some_and(|line| line.event.key.is_some()),
            Action::SyncPause | Action::SyncAudit | Action::SyncResync => shared.sync.alive && lane.is_some(),
            Action::SyncSilence => lane.is_some_and(|lane| {
                shared.sync.alive
                    && (!lane.alarms(shared.sync.now).is_empty() || silent_until(lane, shared.sync.now).is_some())
            }),
            Action::SyncRejects => lane.is_some_and(|lane| lane.rejects > 0) || self.is_filtered(),
            Action::SyncDiff
            | Action::SyncWhy
            | Action::SyncLog
            | Action::SyncOpenOnly
            | Action::Search
            | Action::NextPane => lane.is_some(),
            Action::TakeSource
            | Action::TakeTarget
            | Action::TakeLike
            | Action::TakeWrite
            | Action::Undo
            | Action::Redo
            | Action::Save => false,
            Action::Reveal => !self.events.is_empty(),
            action => action != ScreenId::Sync.action(),
        }
    }
}

impl SyncScreen {
    fn events_command(&self) -> String {
        let mut words = vec!["events".to_owned()];
        words.extend(self.filter.mapping.as_deref().map(crate::app::quote));
        if self.show_log {
            words.push("--log".to_owned());
        } else {
            words.extend(self.filter.open.then(|| "--open".to_owned()));
            words.extend(self.filter.text.as_deref().map(|text| format!("--find {}", crate::app::quote(text))));
        }
        words.join(" ")
    }
}
