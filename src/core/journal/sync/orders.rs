//! What a loop is told, by any screen or command.
use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{SyncStore, from_json, now_ms, to_json};
use crate::error::Result;
use crate::journal::who;

/// An order to a loop or to one of its lanes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Order {
    /// End the loop after what is being written.
    Stop,
    /// Write nothing until resumed.
    Pause,
    /// Go on.
    Resume,
    /// Look at both sides now.
    Look,
    /// Records were pushed: handle them.
    Pushed,
    /// Compare everything, or the records of these keys alone, whatever the ledger says.
    Resync {
        /// Keys; empty: everything.
        keys: Vec<String>,
    },
    /// Count both sides.
    Audit,
    /// Do what the lane is held with, by its plan; for a drift: go on with the columns as they are now.
    Release {
        /// The plan that was looked at; another one is not released by it.
        plan: Option<String>,
    },
    /// Throw away what the lane is held with and look anew; it is held again if it still is too much.
    Refuse,
    /// Be quiet about the lane's alarms.
    Silence {
        /// Until then.
        until: i64,
    },
}

impl Order {
    /// In a word or two, as in the audit log.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Look => "look",
            Self::Pushed => "push",
            Self::Resync { .. } => "resync",
            Self::Audit => "audit",
            Self::Release { .. } => "release",
            Self::Refuse => "refuse",
            Self::Silence { .. } => "silence",
        }
    }
}

/// An order as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLine {
    /// Running number.
    pub id: i64,
    /// Who gave it.
    pub who: String,
    /// To which lane; None: to all, or to the loop.
    pub mapping: Option<String>,
    /// What.
    pub order: Order,
}

impl SyncStore {
    /// Tells the loop something. It hears it at once if it is at work, else when it starts (but for a stop).
    pub fn tell(&self, mapping: Option<&str>, order: &Order) -> Result<()> {
        self.connection.execute(
            "INSERT INTO orders (at, who, mapping, what) VALUES (?1, ?2, ?3, ?4)",
            params![now_ms(), who(), mapping, to_json(order)?],
        )?;
        self.settle()
    }
    /// Orders after number `after`, oldest first.
    pub fn orders(&self, after: i64) -> Result<Vec<OrderLine>> {
        let mut statement =
            self.connection.prepare_cached("SELECT id, who, mapping, what FROM orders WHERE id > ?1 ORDER BY id")?;
        let rows = statement
            .query_map([after], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, String>(3)?)))?;
        rows.map(|row| {
            let (id, who, mapping, what) = row?;
            Ok(OrderLine { id, who, mapping, order: from_json(&what)? })
        })
        .collect()
    }
    /// Number of the newest order, 0 if there is none.
    pub fn last_order(&self) -> Result<i64> {
        Ok(self.connection.query_row("SELECT coalesce(max(id), 0) FROM orders", [], |row| row.get(0))?)
    }
}
