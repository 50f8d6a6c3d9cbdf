//! `sync/ENV.db`: what a sync loop is doing and has done. The loop writes, any number of screens read; what a loop is told
//! stands here too. Apart from `control.db`, so that a flood of events keeps no control write waiting.
//!
//! Times are milliseconds since 1970 in UTC. Keys of records stand in events and conflicts, cells in conflicts alone: the
//! file is as private as the rest of the state folder, and erasing a person reaches it.
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::control::open_store;
use crate::error::{Error, Result};

mod conflicts;
mod erase;
mod events;
mod lanes;
mod orders;
mod pushed;
mod taken_back;
#[cfg(test)]
mod tests;

pub(crate) use erase::{PushedChange, Traces};

pub use conflicts::{ConflictField, ConflictRecord, ConflictState};
pub use events::{Clock, EventFilter, EventLine, EventOutcome, LogLevel, LogLine, ScoreLine, SyncEvent};
pub use lanes::{Held, HeldKind, LaneState, LaneStatus, LoopRecord, LoopState};
pub use orders::{Order, OrderLine};
pub use pushed::{Pushed, PushedKind};
pub use taken_back::{Held as HeldBack, TakenBack};

/// The store of one environment's sync loop.
pub struct SyncStore {
    connection: Connection,
}

/// File of an environment's store in the state folder.
pub fn sync_path(state: &Path, env: Option<&str>) -> PathBuf {
    state.join("sync").join(format!("{}.db", super::state_file_name(env.unwrap_or("default"))))
}

/// Names of handled pushes that are kept, so that one that comes again is known.
const MOST_PUSHED: usize = 1_000_000;
/// Lines of the log.
const MOST_LINES: usize = 50_000;
/// Bytes that the write-ahead log has at rest.
const MOST_AHEAD: i64 = 16 << 20;

impl SyncStore {
    /// Opens the store, made on first use; its folder must be there.
    pub fn open(path: &Path) -> Result<Self> {
        let connection = open_store(path, &MIGRATIONS)?;
        // A lost tail of events is seen again by the next look: only what is told and decided must be on disk at once, and
        // those writes ask for it themselves.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        // Whoever is gone from a table is gone from its file, too.
        connection.pragma_update(None, "secure_delete", "ON")?;
        connection.query_row(&format!("PRAGMA journal_size_limit = {MOST_AHEAD}"), [], |_| Ok(()))?;
        Ok(Self { connection })
    }
    /// Opens the store if there is one: looking leaves no trace.
    pub fn known(path: &Path) -> Result<Option<Self>> {
        if path.exists() { Self::open(path).map(Some) } else { Ok(None) }
    }
    /// A transaction that writes. It is the writer from its first step: one that reads first and then finds that somebody
    /// else wrote meanwhile would fail at once, however long it may wait.
    fn writing(&self) -> Result<Transaction<'_>> {
        Ok(Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?)
    }
    /// Waits until everything written so far is on disk.
    fn settle(&self) -> Result<()> {
        self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(())
    }
    /// Forgets events, log lines and scores that ended before `before`, and of the events that are done all but the newest
    /// `events`.
    pub fn prune(&self, before: i64, events: usize) -> Result<()> {
        self.connection.execute("DELETE FROM events WHERE done IS NOT NULL AND done < ?1", [before])?;
        for table in ["log", "scores"] {
            self.connection.execute(&format!("DELETE FROM {table} WHERE at < ?1"), [before])?;
        }
        self.connection.execute("DELETE FROM orders WHERE at < ?1", [before])?;
        self.connection.execute("DELETE FROM pushed WHERE done IS NOT NULL AND done < ?1", [before])?;
        for (table, most) in [("events", events), ("pushed", events.max(MOST_PUSHED)), ("log", MOST_LINES)] {
            let done = if table == "log" { "" } else { "done IS NOT NULL AND" };
            let newest = format!("SELECT id FROM {table} ORDER BY id DESC LIMIT 1 OFFSET ?1");
            self.connection.execute(&format!("DELETE FROM {table} WHERE {done} id <= ({newest})"), [most as i64])?;
        }
        Ok(())
    }
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    millis(crate::migrate::fault::wall_clock())
}

/// A time in milliseconds since 1970.
pub fn millis(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// A time as people read it: `2026-11-25 09:15:02.120`, UTC.
pub fn text_of(millis: i64) -> String {
    chrono::DateTime::from_timestamp_millis(millis)
        .map_or_else(|| "-".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S%.3f").to_string())
}

fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|_| Error::platform("the sync store cannot be written"))
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| {
        Error::platform("the sync store holds something that this version does not know").advise(
            "it was written by another version of crm-console; stop that loop, then move .crm-console/sync away",
        )
    })
}

/// Each is applied once, in order; a shipped one never changes.
const MIGRATIONS: [&str; 4] = [
    "
CREATE TABLE loops (id INTEGER PRIMARY KEY CHECK (id = 1), record TEXT NOT NULL);
CREATE TABLE lanes (mapping TEXT PRIMARY KEY, status TEXT NOT NULL, memory TEXT NOT NULL DEFAULT '{}') WITHOUT ROWID;
CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  mapping TEXT NOT NULL,
  key TEXT,
  operation TEXT NOT NULL,
  origin TEXT NOT NULL,
  clock TEXT NOT NULL,
  changed INTEGER NOT NULL,
  seen INTEGER NOT NULL,
  done INTEGER,
  lag INTEGER,
  outcome TEXT NOT NULL,
  reason TEXT,
  cycle TEXT
);
CREATE INDEX events_done ON events (done);
CREATE INDEX events_open ON events (mapping, key) WHERE done IS NULL;
CREATE TABLE log (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, mapping TEXT, level TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE scores (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, mapping TEXT NOT NULL, line TEXT NOT NULL);
CREATE INDEX scores_at ON scores (mapping, at);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  mapping TEXT,
  what TEXT NOT NULL
);
CREATE TABLE conflicts (
  id INTEGER PRIMARY KEY,
  mapping TEXT NOT NULL,
  key TEXT NOT NULL,
  at INTEGER NOT NULL,
  state TEXT NOT NULL,
  fields TEXT NOT NULL,
  who TEXT,
  decided INTEGER
);
CREATE UNIQUE INDEX conflicts_open ON conflicts (mapping, key) WHERE state IN ('open', 'decided');
CREATE TABLE pushed (
  id INTEGER PRIMARY KEY,
  mapping TEXT NOT NULL,
  idempotency TEXT,
  kind TEXT NOT NULL,
  record TEXT NOT NULL,
  changed INTEGER,
  seen INTEGER NOT NULL,
  done INTEGER
);
CREATE UNIQUE INDEX pushed_once ON pushed (mapping, idempotency) WHERE idempotency IS NOT NULL;
CREATE INDEX pushed_open ON pushed (mapping, id) WHERE done IS NULL;
CREATE INDEX pushed_done ON pushed (done);
",
    "ALTER TABLE pushed ADD COLUMN origin TEXT NOT NULL DEFAULT 'webhook';
",
    "
CREATE TABLE taken_back (
  mapping TEXT NOT NULL,
  key BLOB NOT NULL,
  side TEXT NOT NULL,
  held TEXT NOT NULL,
  hash BLOB,
  run TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (mapping, key)
) WITHOUT ROWID;
",
    "CREATE TABLE alarms (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);
",
];
