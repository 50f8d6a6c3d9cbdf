//! The watch loop: changes are carried over as they come, by small incremental plans and runs of the same making as those an
//! operator confirms. A process of its own (`engine --sync`) runs it; commands and screens read its store and tell it things.
//!
//! One *lane* a mapping. Lanes into the same platform share a worker, in load order, so that a platform that is stuck stops
//! none but its own. Each lane has a trigger with a thread of its own, which only says that it is time to look.
use std::path::Path;
use std::time::Duration;

use super::Workspace;
use crate::error::{Error, Kind, Result};
use crate::journal::sync::{
    ConflictRecord, EventFilter, EventLine, LaneState, LaneStatus, LogLine, LoopRecord, LoopState, Order, ScoreLine,
    SyncStore, now_ms, sync_path,
};
use crate::journal::{Entry, private_folder, rotate};
use crate::migrate::{engine_program, spawn_loop};
use crate::project::{DeletePolicy, Mapping, Side, TargetOnly};

mod alerting;
mod audit;
mod both;
mod cycle;
mod events;
mod half;
mod images;
mod lane;
mod looping;
mod metrics;
mod moment;
mod offered;
mod push;
mod seen;
mod spans;

pub use alerting::{AlarmTold, AlertSent};
pub use images::KeptCycles;
pub(super) use images::note_gone;
pub use moment::parse_moment;
pub use spans::SyncRevert;

/// A sync loop to be run.
#[derive(Debug, Clone, Default)]
pub struct SyncAsk {
    /// Mappings; all that have a `[sync]` section if empty.
    pub mappings: Vec<String>,
    /// Look once at everything and end.
    pub once: bool,
}

/// The loop and its lanes as they are now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SyncStatus {
    /// The newest loop; None: there never was one.
    pub record: Option<LoopRecord>,
    /// Its process lives.
    pub alive: bool,
    /// Its lanes, in load order.
    pub lanes: Vec<LaneStatus>,
    /// Now, milliseconds since 1970.
    pub now: i64,
}

impl SyncStatus {
    /// The lanes' alarms, the loop's own death first: `(mapping, alarm)`; no mapping: the loop.
    pub fn alarms(&self) -> Vec<(Option<&str>, &'static str)> {
        let mut alarms = Vec::new();
        let died = self.record.as_ref().is_some_and(|record| record.state == LoopState::Running) && !self.alive;
        if died {
            alarms.push((None, "dead"));
        }
        if self.record.as_ref().is_some_and(|record| record.state == LoopState::Failed) {
            alarms.push((None, "failed"));
        }
        for lane in &self.lanes {
            for alarm in lane.alarms(self.now) {
                alarms.push((Some(lane.mapping.as_str()), alarm));
            }
        }
        alarms
    }
    /// One line for a prompt or a status bar: `sync: 2 ok, 1 STUCK contacts, 1 HELD deals`.
    pub fn line(&self) -> String {
        let Some(record) = &self.record else { return "sync: never started".to_owned() };
        let mut words = Vec::new();
        for (state, loud) in [
            (LaneState::Stuck, true),
            (LaneState::Held, true),
            (LaneState::Paused, false),
            (LaneState::Starting, false),
            (LaneState::Ok, false),
        ] {
            let names: Vec<&str> =
                self.lanes.iter().filter(|lane| lane.state == state).map(|lane| lane.mapping.as_str()).collect();
            match (names.len(), loud) {
                (0, _) => {}
                (count, false) => words.push(format!("{count} {}", state.word())),
                (count, true) => words.push(format!("{count} {} {}", state.word().to_uppercase(), names.join(" "))),
            }
        }
        let late = self.lanes.iter().filter(|lane| lane.is_late(self.now)).count();
        if late > 0 {
            words.push(format!("{late} late"));
        }
        let life = match (record.state, self.alive) {
            (LoopState::Running, true) => String::new(),
            (LoopState::Running, false) => "DEAD; ".to_owned(),
            (LoopState::Stopped, _) => "not running; ".to_owned(),
            (LoopState::Failed, _) => "FAILED; ".to_owned(),
        };
        format!("sync: {life}{}", words.join(", "))
    }
}

impl Workspace {
    /// The store of the sync loop, if there ever was one.
    fn known_sync(&self) -> Result<Option<SyncStore>> {
        SyncStore::known(&sync_path(self.state().path(), self.project().env.as_deref()))
    }
    /// Plans that lanes are held with.
    pub(super) fn held_plans(&self) -> Vec<String> {
        let Ok(Some(store)) = self.known_sync() else { return Vec::new() };
        let lanes = store.lanes().unwrap_or_default();
        lanes.into_iter().filter_map(|lane| lane.held?.plan).collect()
    }
    /// The store of the sync loop.
    pub(crate) fn sync_store(&self) -> Result<SyncStore> {
        self.state().sync_store(self.project().env.as_deref())
    }
    /// The mappings that take part in sync, in load order.
    pub fn sync_mappings(&self, names: &[String]) -> Result<Vec<&Mapping>> {
        let chosen = self.chosen(names)?;
        let lanes: Vec<&Mapping> =
            chosen.into_iter().filter(|mapping| mapping.sync.on || names.contains(&mapping.name)).collect();
        if lanes.is_empty() {
            return Err(Error::usage("no mapping takes part in sync")
                .advise("add a [sync] section to a mapping, with trigger = \"pull\", \"observe\" or \"push\""));
        }
        Ok(lanes)
    }
    /// The loop and its lanes as they are now.
    pub fn sync_status(&self) -> Result<SyncStatus> {
        let Some(store) = self.known_sync()? else { return Ok(SyncStatus { now: now_ms(), ..SyncStatus::default() }) };
        let mut lanes = store.lanes()?;
        let order: Vec<&str> = self.project().mappings.iter().map(|mapping| mapping.name.as_str()).collect();
        lanes.sort_by_key(|lane| order.iter().position(|name| *name == lane.mapping).unwrap_or(usize::MAX));
        let alive = looping::is_alive(&self.state(), self.project().env.as_deref());
        Ok(SyncStatus { record: store.the_loop()?, alive, lanes, now: now_ms() })
    }
    /// Events, newest first.
    pub fn sync_events(&self, filter: &EventFilter, count: usize) -> Result<Vec<EventLine>> {
        self.known_sync()?.map_or_else(|| Ok(Vec::new()), |store| store.events(filter, count))
    }
    /// What happened to lanes, newest first.
    pub fn sync_log(&self, mapping: Option<&str>, count: usize) -> Result<Vec<LogLine>> {
        self.known_sync()?.map_or_else(|| Ok(Vec::new()), |store| store.log_lines(mapping, count))
    }
    /// Scores of a lane over the last `span`, oldest first.
    pub fn sync_scores(&self, mapping: &str, span: Duration) -> Result<Vec<ScoreLine>> {
        let from = now_ms() - span.as_millis() as i64;
        self.known_sync()?.map_or_else(|| Ok(Vec::new()), |store| store.scores(mapping, from))
    }
    /// The lags of a lane's events of the last `span`, counted by `bounds` in milliseconds; the last number is of those beyond
    /// all bounds.
    pub fn sync_lags(&self, mapping: &str, span: Duration, bounds: &[u64]) -> Result<Vec<u64>> {
        let from = now_ms() - span.as_millis() as i64;
        let none = || Ok(vec![0; bounds.len() + 1]);
        self.known_sync()?.map_or_else(none, |store| store.lags(mapping, from, bounds))
    }
    /// Conflicts that are not settled.
    pub fn conflicts(&self, mapping: Option<&str>) -> Result<Vec<ConflictRecord>> {
        self.known_sync()?.map_or_else(|| Ok(Vec::new()), |store| store.conflicts(mapping))
    }
    /// Decides fields of a conflict; the loop writes it with its next look.
    pub fn decide_conflict(&self, id: i64, takes: &[(String, Side)]) -> Result<ConflictRecord> {
        let store = self.sync_store()?;
        let conflict = store.decide(id, takes)?;
        let sides: Vec<String> = takes.iter().map(|(field, side)| format!("{field}: {}", side.word())).collect();
        self.note(&Entry::new("decided a conflict").mapping(&conflict.mapping).detail(sides.join(", ")))?;
        store.tell(Some(&conflict.mapping), &Order::Look)?;
        Ok(conflict)
    }
    /// Takes a decision back, as long as it is not written.
    pub fn undecide_conflict(&self, id: i64) -> Result<()> {
        self.sync_store()?.undecide(id)
    }
    /// Tells the loop, or the lane of a mapping, something.
    pub fn tell_sync(&self, mapping: Option<&str>, order: &Order) -> Result<()> {
        if let Some(mapping) = mapping {
            self.chosen(&[mapping.to_owned()])?;
        }
        let entry = Entry::new(format!("told sync to {}", order.word()));
        self.note(&match mapping {
            Some(mapping) => entry.mapping(mapping),
            None => entry,
        })?;
        self.sync_store()?.tell(mapping, order)
    }
    /// Starts the loop as a process of its own, this program or the one that `CRM_CONSOLE_BIN` names. Answers its pid.
    pub fn start_sync(&self, mappings: &[String]) -> Result<u32> {
        self.sync_mappings(mappings)?;
        let state = self.state();
        state.make()?;
        if looping::is_alive(&state, self.project().env.as_deref()) {
            return Err(busy(&self.sync_status()?));
        }
        private_folder(&state.logs())?;
        let log = looping::sync_log(&state);
        rotate(&log, self.project().state.log_size, self.project().state.logs)?;
        let pid = spawn_loop(&engine_program()?, &self.root()?, self.project().env.as_deref(), mappings, &log)?;
        self.note(&Entry::new("started sync"))?;
        Ok(pid)
    }
    /// The project as the loop plans with it: rows that are gone at the source follow the delete policy of `[sync]`.
    fn for_sync(&self) -> Self {
        let mut workspace = self.clone();
        for mapping in &mut workspace.project.mappings {
            if mapping.target_only.acts() {
                continue;
            }
            match &mapping.sync.deletes {
                Some(DeletePolicy::Propagate) => mapping.target_only = TargetOnly::Delete,
                Some(DeletePolicy::Mark(field)) => mapping.target_only = TargetOnly::Mark(field.clone()),
                Some(DeletePolicy::Ignore) | None => {}
            }
        }
        workspace
    }
}

/// Who runs the loop already.
fn busy(status: &SyncStatus) -> Error {
    let who = status
        .record
        .as_ref()
        .map_or_else(|| "another process".to_owned(), |record| format!("{} (process {})", record.owner, record.pid));
    Error::new(Kind::Busy, format!("a sync loop runs already: {who}"))
        .advise("watch it with `crm-console status`; end it with `crm-console sync --stop`")
}

/// Folder in which a lane's cycle works.
fn work_folder(sync: &Path, env: Option<&str>) -> std::path::PathBuf {
    sync.join("work").join(crate::journal::state_file_name(env.unwrap_or("default")))
}
