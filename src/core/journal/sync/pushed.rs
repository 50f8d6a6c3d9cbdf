//! Records that others pushed: on disk before they are acknowledged, handled once.
use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{SyncStore, from_json, now_ms, to_json};
use crate::error::Result;

/// What a pushed record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushedKind {
    /// The record is as given, new or changed.
    Put,
    /// The record is gone.
    Delete,
    /// Something changed: look.
    Look,
}

/// A pushed record of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Running number.
    pub id: i64,
    /// What it says.
    pub kind: PushedKind,
    /// Source column → value; None: NULL.
    pub record: serde_json::Map<String, serde_json::Value>,
    /// When the change was made, where the sender says.
    pub changed: Option<i64>,
    /// When it arrived.
    pub seen: i64,
}

impl SyncStore {
    /// Keeps pushed records in one transaction, on disk when this returns. A record whose idempotency key came before is
    /// not kept again. Answers how many were new.
    pub fn push(
        &self,
        mapping: &str,
        idempotency: Option<&str>,
        records: &[(PushedKind, serde_json::Map<String, serde_json::Value>, Option<i64>)],
    ) -> Result<u64> {
        let seen = now_ms();
        let transaction = self.connection.unchecked_transaction()?;
        let mut new = 0;
        {
            let mut add = transaction.prepare_cached(
                "INSERT OR IGNORE INTO pushed (mapping, idempotency, kind, record, changed, seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for (at, (kind, record, changed)) in records.iter().enumerate() {
                let kind = match kind {
                    PushedKind::Put => "put",
                    PushedKind::Delete => "delete",
                    PushedKind::Look => "look",
                };
                let once =
                    idempotency.map(|key| if records.len() == 1 { key.to_owned() } else { format!("{key}\u{1f}{at}") });
                new += add.execute(params![mapping, once, kind, to_json(record)?, changed, seen])? as u64;
            }
        }
        transaction.commit()?;
        self.settle()?;
        Ok(new)
    }
    /// The oldest records of a mapping that are not handled.
    pub fn pushed(&self, mapping: &str, most: usize) -> Result<Vec<Pushed>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, kind, record, changed, seen FROM pushed WHERE mapping = ?1 AND done IS NULL ORDER BY id LIMIT ?2",
        )?;
        let rows = statement.query_map(params![mapping, most as i64], |row| {
            let kind = match row.get_ref(1)?.as_str()? {
                "put" => PushedKind::Put,
                "delete" => PushedKind::Delete,
                _ => PushedKind::Look,
            };
            Ok((row.get(0)?, kind, row.get::<_, String>(2)?, row.get(3)?, row.get(4)?))
        })?;
        rows.map(|row| {
            let (id, kind, record, changed, seen) = row?;
            Ok(Pushed { id, kind, record: from_json(&record)?, changed, seen })
        })
        .collect()
    }
    /// How many records of a mapping wait, and when the oldest came.
    pub fn pushed_waiting(&self, mapping: &str) -> Result<(u64, Option<i64>)> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT count(*), min(seen) FROM pushed WHERE mapping = ?1 AND done IS NULL")?;
        Ok(statement.query_row([mapping], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?)))?)
    }
    /// Records up to a number were handled.
    pub fn pushed_done(&self, mapping: &str, ids: &[i64]) -> Result<()> {
        let mut done = self
            .connection
            .prepare_cached("UPDATE pushed SET done = ?3, record = '{}' WHERE mapping = ?1 AND id = ?2")?;
        let at = now_ms();
        for id in ids {
            done.execute(params![mapping, id, at])?;
        }
        Ok(())
    }
}
