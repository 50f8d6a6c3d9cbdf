//! The loop itself and its lanes: one lane a mapping.
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::{SyncStore, from_json, now_ms, to_json};
use crate::error::Result;
use crate::project::{Direction, TriggerKind};
use crate::score::{Tally, Timeliness};

/// Where a loop stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoopState {
    /// At work, or waiting for changes.
    Running,
    /// Ended: told to, or by a signal.
    Stopped,
    /// Ended by an error.
    Failed,
}

/// One sync loop of an environment: the newest one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopRecord {
    /// Process.
    pub pid: u32,
    /// OS user, with the SSH client where there is one.
    pub owner: String,
    /// When it began.
    pub started: i64,
    /// When it last said that it lives.
    pub heartbeat: i64,
    /// State as it last said; a running one whose process is gone was killed.
    pub state: LoopState,
    /// Mappings in load order.
    pub mappings: Vec<String>,
    /// Where it listens for pushes, where it does: `127.0.0.1:7777`.
    pub listens: Option<String>,
    /// Why it ended.
    pub note: Option<String>,
}

/// Where a lane stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LaneState {
    /// Nothing was looked at yet.
    #[default]
    Starting,
    /// Everything that was seen is applied, or being applied.
    Ok,
    /// The last try failed; it is tried again.
    Stuck,
    /// It waits for a decision.
    Held,
    /// An operator paused it.
    Paused,
}

impl LaneState {
    /// Its word, as in lists and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ok => "ok",
            Self::Stuck => "stuck",
            Self::Held => "held",
            Self::Paused => "paused",
        }
    }
}

/// Why a lane is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeldKind {
    /// Nobody confirmed a run of this mapping as it is now, so nobody saw what it does.
    Unseen,
    /// More changes within a time than `max_changes` allows.
    Cap,
    /// The plan is blocked: too many deletes, an empty source, a required column without a field.
    Blocked,
    /// The columns of a side are not those of before.
    Drift,
}

impl HeldKind {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unseen => "unseen",
            Self::Cap => "cap",
            Self::Blocked => "blocked",
            Self::Drift => "drift",
        }
    }
}

/// What a held lane waits with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Why.
    pub kind: HeldKind,
    /// In words.
    pub why: String,
    /// The plan to look at; None for a drift.
    pub plan: Option<String>,
    /// Changes that wait.
    pub changes: u64,
    /// Since when.
    pub since: i64,
    /// For a drift: one line a column, `+ CITY`, `- FAX`, `~ REV INTEGER -> TEXT`.
    #[serde(default)]
    pub columns: Vec<String>,
}

/// A lane as screens and commands show it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LaneStatus {
    /// Mapping.
    pub mapping: String,
    /// As shown.
    pub from: String,
    /// As shown.
    pub to: String,
    /// How changes are noticed.
    pub trigger: TriggerKind,
    /// What the trigger does here, in words: `file events on legacy/contacts.csv`.
    pub watching: String,
    /// Which way changes go.
    pub direction: Direction,
    /// Of a mapping that goes both ways: the fields whose changes go back to the source.
    #[serde(default)]
    pub goes_back: Vec<String>,
    /// The fields that do not, and why; the first alone, without a name, where none does.
    #[serde(default)]
    pub stays: Vec<(String, String)>,
    /// State.
    pub state: LaneState,
    /// Since when.
    pub since: i64,
    /// Why it is as it is, in words; empty where there is nothing to say.
    pub why: String,
    /// Tries that failed one after the other.
    pub tries: u32,
    /// When the next one is made.
    pub next_try: Option<i64>,
    /// What it waits with.
    pub held: Option<Held>,
    /// Changes seen and not yet applied, as far as they are known.
    pub pending: u64,
    /// When the oldest of them was made.
    pub oldest: Option<i64>,
    /// Conflicts that wait for a decision.
    pub conflicts: u64,
    /// Rows that are left out.
    pub rejects: u64,
    /// Records that are left alone because what sync did with them was taken back.
    #[serde(default)]
    pub left_alone: u64,
    /// When both sides were last compared as far as the trigger asked for.
    pub looked: Option<i64>,
    /// When something was last written.
    pub written: Option<i64>,
    /// Milliseconds of the last cycle.
    pub cycle_ms: u64,
    /// Records by how both sides compare, kept by delta.
    pub tally: Option<Tally>,
    /// When the tally was last counted from both sides.
    pub audited: Option<i64>,
    /// When it is counted next; None: only when somebody asks.
    #[serde(default)]
    pub next_audit: Option<i64>,
    /// By how many records the upkeep was off at that audit.
    pub audit_gap: Option<u64>,
    /// The freshness budget in milliseconds.
    pub freshness: u64,
    /// Timeliness of the last 5 minutes.
    pub recent: Timeliness,
    /// Timeliness since the loop began.
    pub session: Timeliness,
    /// Events a second over the last 5 minutes.
    pub rate: f64,
    /// Somebody saw the alarm: who, and until when it is silent.
    pub silenced: Option<(String, i64)>,
}

impl LaneStatus {
    /// The oldest open change is older than the budget.
    pub fn is_late(&self, now: i64) -> bool {
        self.oldest.is_some_and(|oldest| now - oldest > self.freshness as i64)
    }
    /// Something that somebody must look at: `stuck`, `held`, `late`, `conflicts`, `audit gap`; most urgent first.
    pub fn alarms(&self, now: i64) -> Vec<&'static str> {
        let mut alarms = Vec::new();
        for (state, word) in [(LaneState::Stuck, "stuck"), (LaneState::Held, "held")] {
            if self.state == state {
                alarms.push(word);
            }
        }
        if self.is_late(now) && self.state != LaneState::Paused {
            alarms.push("late");
        }
        if self.conflicts > 0 {
            alarms.push("conflicts");
        }
        if self.audit_gap.is_some_and(|gap| gap > 0) {
            alarms.push("audit gap");
        }
        alarms
    }
}

impl SyncStore {
    /// Notes the loop, as it is now.
    pub fn put_loop(&self, record: &LoopRecord) -> Result<()> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO loops (id, record) VALUES (1, ?1)")?
            .execute([to_json(record)?])?;
        Ok(())
    }
    /// The newest loop.
    pub fn the_loop(&self) -> Result<Option<LoopRecord>> {
        let mut statement = self.connection.prepare_cached("SELECT record FROM loops WHERE id = 1")?;
        let text: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
        text.as_deref().map(from_json).transpose()
    }
    /// Notes how a lane stands.
    pub fn put_lane(&self, status: &LaneStatus) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO lanes (mapping, status) VALUES (?1, ?2)
                 ON CONFLICT (mapping) DO UPDATE SET status = excluded.status",
            )?
            .execute(params![status.mapping, to_json(status)?])?;
        Ok(())
    }
    /// All lanes that were ever noted, by name.
    pub fn lanes(&self) -> Result<Vec<LaneStatus>> {
        let mut statement = self.connection.prepare_cached("SELECT status FROM lanes ORDER BY mapping")?;
        let texts: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        texts.iter().map(|text| from_json(text)).collect()
    }
    /// What a lane keeps for itself from one loop to the next.
    pub fn memory<T: serde::de::DeserializeOwned + Default>(&self, mapping: &str) -> Result<T> {
        let mut statement = self.connection.prepare_cached("SELECT memory FROM lanes WHERE mapping = ?1")?;
        let text: Option<String> = statement.query_row([mapping], |row| row.get(0)).optional()?;
        text.filter(|text| text != "{}").as_deref().map_or_else(|| Ok(T::default()), from_json)
    }
    /// Notes what a lane keeps for itself; it must have been noted by [`SyncStore::put_lane`].
    pub fn remember(&self, mapping: &str, memory: &impl Serialize) -> Result<()> {
        self.connection
            .prepare_cached("UPDATE lanes SET memory = ?2 WHERE mapping = ?1")?
            .execute(params![mapping, to_json(memory)?])?;
        self.settle()
    }
    /// Forgets lanes of mappings that are gone.
    pub fn keep_lanes(&self, mappings: &[String]) -> Result<()> {
        for lane in self.lanes()? {
            if !mappings.contains(&lane.mapping) {
                self.connection.execute("DELETE FROM lanes WHERE mapping = ?1", [&lane.mapping])?;
            }
        }
        Ok(())
    }
    /// The alarms that were there when they were last looked at, and what of them was told.
    pub(crate) fn alarms<T: serde::de::DeserializeOwned + Default>(&self) -> Result<T> {
        let text: Option<String> =
            self.connection.query_row("SELECT state FROM alarms WHERE id = 1", [], |row| row.get(0)).optional()?;
        text.as_deref().map_or_else(|| Ok(T::default()), from_json)
    }
    /// Notes them.
    pub(crate) fn put_alarms(&self, alarms: &impl Serialize) -> Result<()> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO alarms (id, state) VALUES (1, ?1)")?
            .execute([to_json(alarms)?])?;
        Ok(())
    }
    /// Notes that the loop lives.
    pub fn beat(&self, record: &mut LoopRecord) -> Result<()> {
        record.heartbeat = now_ms();
        self.put_loop(record)
    }
}
