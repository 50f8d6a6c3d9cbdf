//! Events, the log of what happened to lanes, and the history of scores.
use std::time::Duration;

use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use super::{SyncStore, from_json, now_ms, to_json};
use crate::error::Result;
use crate::score::{Tally, Timeliness};

/// Which clock says when a change was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// The platform's own: the file's time, a time that came with the record.
    Platform,
    /// Nobody says: the moment that first saw it.
    #[default]
    Seen,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventOutcome {
    /// Written and acknowledged by the target.
    Written,
    /// The target had it already.
    Same,
    /// Left out by `where`.
    Filtered,
    /// It waits for its parent or for a decision.
    Held,
    /// It could not be carried over.
    Rejected,
    /// Both sides changed it; a person decides.
    Conflict,
    /// A later event of the same record took its place.
    Replaced,
}

impl EventOutcome {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Same => "same",
            Self::Filtered => "filtered",
            Self::Held => "held",
            Self::Rejected => "rejected",
            Self::Conflict => "conflict",
            Self::Replaced => "replaced",
        }
    }
    /// Its write was acknowledged, or none is needed.
    pub const fn is_done(self) -> bool {
        !matches!(self, Self::Held | Self::Rejected | Self::Conflict)
    }
}

/// One change seen by sync, from trigger to acknowledged write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncEvent {
    /// Mapping.
    pub mapping: String,
    /// Key of the record; None where it has none.
    pub key: Option<String>,
    /// `insert`, `update`, `delete`, `mark`, `read`.
    pub operation: String,
    /// What told of it: `pull`, `file`, `sqlite`, `webhook`, `socket`, `resync`, and from which side.
    pub origin: String,
    /// Which clock `changed` is from.
    pub clock: Clock,
    /// When the change was made.
    pub changed: i64,
    /// When it was first seen here.
    pub seen: i64,
    /// When it was acknowledged; None: it is open.
    pub done: Option<i64>,
    /// From change to acknowledgement, milliseconds.
    pub lag: Option<u64>,
    /// What became of it.
    pub outcome: EventOutcome,
    /// Why it is open.
    pub reason: Option<String>,
    /// The cycle that handled it.
    pub cycle: Option<String>,
}

/// An event with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLine {
    /// Running number.
    pub id: i64,
    /// The event.
    #[serde(flatten)]
    pub event: SyncEvent,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this mapping.
    pub mapping: Option<String>,
    /// Only those that are not done.
    pub open: bool,
    /// Key or reason holds this text.
    pub text: Option<String>,
    /// Before this number (0: from the newest on).
    pub before: i64,
}

/// How grave a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Good to know.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Somebody must look.
    Alarm,
}

/// Something that happened to a lane or the loop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Running number.
    pub id: i64,
    /// When.
    pub at: i64,
    /// Lane; None: the loop.
    pub mapping: Option<String>,
    /// How grave.
    pub level: LogLevel,
    /// What, in words, without cells.
    pub text: String,
}

/// The scores of a lane at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreLine {
    /// When.
    pub at: i64,
    /// Records by how both sides compare.
    pub tally: Option<Tally>,
    /// Changes seen and not yet applied.
    pub pending: u64,
    /// Timeliness of the 5 minutes before.
    pub timely: Timeliness,
    /// Events a second over the 5 minutes before.
    pub rate: f64,
}

const COLUMNS: &str =
    "id, mapping, key, operation, origin, clock, changed, seen, done, lag, outcome, reason, cycle FROM events";

impl SyncStore {
    /// Notes events in one transaction. An event of a record that has an open one takes its place: it keeps the time of the
    /// first change, since that is how long the record has been waiting.
    pub fn add_events(&self, events: &[SyncEvent]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let transaction = self.writing()?;
        {
            let mut oldest = transaction
                .prepare_cached("SELECT min(changed) FROM events WHERE mapping = ?1 AND key IS ?2 AND done IS NULL")?;
            let mut replace =
                transaction.prepare_cached("DELETE FROM events WHERE mapping = ?1 AND key IS ?2 AND done IS NULL")?;
            let mut add = transaction.prepare_cached(
                "INSERT INTO events (mapping, key, operation, origin, clock, changed, seen, done, lag, outcome, reason, cycle)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?;
            for event in events {
                let (mut changed, mut lag) = (event.changed, event.lag);
                if event.key.is_some() {
                    let waiting: Option<i64> = oldest.query_row(params![event.mapping, event.key], |row| row.get(0))?;
                    if let Some(first) = waiting.filter(|first| *first < changed) {
                        lag = lag.map(|lag| lag + (changed - first).unsigned_abs());
                        changed = first;
                    }
                    replace.execute(params![event.mapping, event.key])?;
                }
                add.execute(params![
                    event.mapping,
                    event.key,
                    event.operation,
                    event.origin,
                    if event.clock == Clock::Platform { "platform" } else { "seen" },
                    changed,
                    event.seen,
                    event.done,
                    lag.map(|lag| lag as i64),
                    event.outcome.word(),
                    event.reason,
                    event.cycle,
                ])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
    /// Takes back the open events of records that are not left out any more, without a write of their own.
    pub fn close_events(&self, mapping: &str, keys: &[String], outcome: EventOutcome) -> Result<()> {
        let at = now_ms();
        let mut close = self.connection.prepare_cached(
            "UPDATE events SET done = ?3, lag = max(0, ?3 - changed), outcome = ?4 WHERE mapping = ?1 AND key = ?2 AND done IS NULL",
        )?;
        for key in keys {
            close.execute(params![mapping, key, at, outcome.word()])?;
        }
        Ok(())
    }
    /// Events, newest first.
    pub fn events(&self, filter: &EventFilter, count: usize) -> Result<Vec<EventLine>> {
        let sql = format!(
            "SELECT {COLUMNS} WHERE (?1 IS NULL OR mapping = ?1) AND (NOT ?2 OR done IS NULL) AND (?3 = 0 OR id < ?3)
               AND (?4 IS NULL OR instr(lower(coalesce(key, '') || ' ' || coalesce(reason, '')), lower(?4)) > 0)
             ORDER BY id DESC LIMIT ?5"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement
            .query_map(params![filter.mapping, filter.open, filter.before, filter.text, count as i64], line)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
    /// What a cycle did is told already.
    pub fn knows_cycle(&self, mapping: &str, cycle: &str) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM events WHERE mapping = ?1 AND cycle = ?2)";
        Ok(self.connection.query_row(sql, [mapping, cycle], |row| row.get(0))?)
    }
    /// Number of the newest event.
    pub fn last_event(&self) -> Result<i64> {
        Ok(self.connection.query_row("SELECT coalesce(max(id), 0) FROM events", [], |row| row.get(0))?)
    }
    /// Keys of a mapping's open events with their outcomes.
    pub fn open_events(&self, mapping: &str) -> Result<Vec<EventLine>> {
        self.events(
            &EventFilter { mapping: Some(mapping.to_owned()), open: true, ..EventFilter::default() },
            usize::MAX >> 1,
        )
    }
    /// Timeliness of a mapping's events that were acknowledged after `from`, and of those that are open.
    pub fn timeliness(&self, mapping: &str, from: i64, budget: Duration) -> Result<Timeliness> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT lag FROM events WHERE mapping = ?1 AND done >= ?2 AND lag IS NOT NULL")?;
        let lags = statement.query_map(params![mapping, from], |row| row.get::<_, i64>(0))?;
        let span = |millis: i64| Duration::from_millis(millis.max(0).unsigned_abs());
        let done: Vec<(Duration, Duration)> =
            lags.map(|lag| Ok((span(lag?), budget))).collect::<rusqlite::Result<_>>()?;
        let now = now_ms();
        let mut statement =
            self.connection.prepare_cached("SELECT changed FROM events WHERE mapping = ?1 AND done IS NULL")?;
        let ages = statement.query_map([mapping], |row| row.get::<_, i64>(0))?;
        let open: Vec<(Duration, Duration)> =
            ages.map(|changed| Ok((span(now - changed?), budget))).collect::<rusqlite::Result<_>>()?;
        Ok(Timeliness::of(&done, &open))
    }
    /// How many of a mapping's events that were acknowledged after `from` had a lag of at most each of `bounds` milliseconds
    /// (and more than the bound before); the last number is of those beyond all bounds.
    pub fn lags(&self, mapping: &str, from: i64, bounds: &[u64]) -> Result<Vec<u64>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT lag FROM events WHERE mapping = ?1 AND done >= ?2 AND lag IS NOT NULL")?;
        let lags = statement.query_map(params![mapping, from], |row| row.get::<_, i64>(0))?;
        let mut counts = vec![0_u64; bounds.len() + 1];
        for lag in lags {
            let lag = lag?.max(0).unsigned_abs();
            counts[bounds.partition_point(|bound| *bound < lag)] += 1;
        }
        Ok(counts)
    }
    /// Notes what happened.
    pub fn log(&self, mapping: Option<&str>, level: LogLevel, text: &str) -> Result<()> {
        let level = match level {
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Alarm => "alarm",
        };
        self.connection
            .prepare_cached("INSERT INTO log (at, mapping, level, text) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![now_ms(), mapping, level, text])?;
        Ok(())
    }
    /// Log lines, newest first.
    pub fn log_lines(&self, mapping: Option<&str>, count: usize) -> Result<Vec<LogLine>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, at, mapping, level, text FROM log WHERE ?1 IS NULL OR mapping = ?1 ORDER BY id DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![mapping, count as i64], |row| {
            Ok(LogLine {
                id: row.get(0)?,
                at: row.get(1)?,
                mapping: row.get(2)?,
                level: match row.get_ref(3)?.as_str()? {
                    "info" => LogLevel::Info,
                    "warn" => LogLevel::Warn,
                    _ => LogLevel::Alarm,
                },
                text: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
    /// Notes the scores of a lane.
    pub fn add_score(&self, mapping: &str, line: &ScoreLine) -> Result<()> {
        self.connection
            .prepare_cached("INSERT INTO scores (at, mapping, line) VALUES (?1, ?2, ?3)")?
            .execute(params![line.at, mapping, to_json(line)?])?;
        Ok(())
    }
    /// Scores of a lane from a moment on, oldest first.
    pub fn scores(&self, mapping: &str, from: i64) -> Result<Vec<ScoreLine>> {
        let mut statement =
            self.connection.prepare_cached("SELECT line FROM scores WHERE mapping = ?1 AND at >= ?2 ORDER BY at")?;
        let texts: Vec<String> =
            statement.query_map(params![mapping, from], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        texts.iter().map(|text| from_json(text)).collect()
    }
}

fn line(row: &Row<'_>) -> rusqlite::Result<EventLine> {
    let outcome = match row.get_ref(10)?.as_str()? {
        "written" => EventOutcome::Written,
        "same" => EventOutcome::Same,
        "filtered" => EventOutcome::Filtered,
        "held" => EventOutcome::Held,
        "conflict" => EventOutcome::Conflict,
        "replaced" => EventOutcome::Replaced,
        _ => EventOutcome::Rejected,
    };
    Ok(EventLine {
        id: row.get(0)?,
        event: SyncEvent {
            mapping: row.get(1)?,
            key: row.get(2)?,
            operation: row.get(3)?,
            origin: row.get(4)?,
            clock: if row.get_ref(5)?.as_str()? == "platform" { Clock::Platform } else { Clock::Seen },
            changed: row.get(6)?,
            seen: row.get(7)?,
            done: row.get(8)?,
            lag: row.get::<_, Option<i64>>(9)?.map(i64::unsigned_abs),
            outcome,
            reason: row.get(11)?,
            cycle: row.get(12)?,
        },
    })
}
