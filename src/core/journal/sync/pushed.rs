//! Records that others pushed: on disk before they are acknowledged, handled once.
use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{SyncStore, from_json, millis, now_ms, to_json};
use crate::error::Result;
use crate::platform::{Delivery, Item, Receipt};

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
    pub record: Map<String, Value>,
    /// When the change was made, where the sender says.
    pub changed: Option<i64>,
    /// When it arrived.
    pub seen: i64,
    /// Through which door.
    pub origin: String,
}

impl SyncStore {
    /// Keeps what was pushed in one transaction, on disk when this returns. What came before under the same idempotency key
    /// is not kept again.
    pub fn push(&self, delivery: &Delivery) -> Result<Receipt> {
        // Whoever pushes forgets it once it is acknowledged: the log itself must be on disk, not only in order.
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        let kept = self.keep(delivery);
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        let accepted = kept?;
        Ok(Receipt { accepted, repeated: delivery.items.len() as u64 - accepted })
    }

    fn keep(&self, delivery: &Delivery) -> Result<u64> {
        let (seen, changed) = (now_ms(), delivery.changed.map(millis));
        let transaction = self.writing()?;
        let mut new = 0;
        {
            let mut add = transaction.prepare_cached(
                "INSERT OR IGNORE INTO pushed (mapping, idempotency, kind, record, changed, seen, origin)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            let nothing = Map::new();
            for (at, item) in delivery.items.iter().enumerate() {
                let (kind, record) = match item {
                    Item::Put(record) => ("put", record),
                    Item::Delete(key) => ("delete", key),
                    Item::Look => ("look", &nothing),
                };
                let once = delivery.idempotency.as_ref().map(|key| format!("{key}\u{1f}{at}"));
                let record = to_json(record)?;
                new +=
                    add.execute(params![delivery.mapping, once, kind, record, changed, seen, delivery.origin])? as u64;
            }
        }
        transaction.commit()?;
        Ok(new)
    }

    /// The oldest records of a mapping that are not handled.
    pub fn pushed(&self, mapping: &str, most: usize) -> Result<Vec<Pushed>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, kind, record, changed, seen, origin FROM pushed WHERE mapping = ?1 AND done IS NULL ORDER BY id LIMIT ?2",
        )?;
        let rows = statement.query_map(params![mapping, most as i64], |row| {
            let kind = match row.get_ref(1)?.as_str()? {
                "put" => PushedKind::Put,
                "delete" => PushedKind::Delete,
                _ => PushedKind::Look,
            };
            Ok((row.get(0)?, kind, row.get::<_, String>(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })?;
        rows.map(|row| {
            let (id, kind, record, changed, seen, origin) = row?;
            Ok(Pushed { id, kind, record: from_json(&record)?, changed, seen, origin })
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

    /// More than `most` records of a mapping wait; counted only where it may be so.
    pub fn pushed_beyond(&self, mapping: &str, most: u64) -> Result<bool> {
        let mut span = self.connection.prepare_cached(
            "SELECT (SELECT id FROM pushed WHERE mapping = ?1 AND done IS NULL ORDER BY id DESC LIMIT 1)
                  - (SELECT id FROM pushed WHERE mapping = ?1 AND done IS NULL ORDER BY id LIMIT 1)",
        )?;
        let span: Option<i64> = span.query_row([mapping], |row| row.get(0))?;
        Ok(span.is_some_and(|span| span.unsigned_abs() >= most) && self.pushed_waiting(mapping)?.0 > most)
    }

    /// These records were handled: their cells are forgotten.
    pub fn pushed_done(&self, mapping: &str, ids: &[i64]) -> Result<()> {
        let transaction = self.writing()?;
        {
            let mut done = transaction
                .prepare_cached("UPDATE pushed SET done = ?3, record = '{}' WHERE mapping = ?1 AND id = ?2")?;
            let at = now_ms();
            for id in ids {
                done.execute(params![mapping, id, at])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn delivery(key: Option<&str>, ids: &[&str]) -> Delivery {
        let record = |id: &&str| Item::Put(Map::from_iter([("ID".to_owned(), Value::from(*id))]));
        Delivery {
            mapping: "contacts".into(),
            origin: "socket",
            idempotency: key.map(str::to_owned),
            changed: None,
            items: ids.iter().map(record).collect(),
        }
    }

    #[test]
    fn what_came_before_is_not_kept_again_and_what_is_done_has_no_cells() {
        let dir = tempfile::tempdir().unwrap();
        let store = SyncStore::open(&dir.path().join("s.db")).unwrap();
        let taken = |key, ids: &[&str]| {
            let receipt = store.push(&delivery(key, ids)).unwrap();
            (receipt.accepted, receipt.repeated)
        };
        assert_eq!(taken(Some("a"), &["1", "2"]), (2, 0));
        assert_eq!(taken(Some("a"), &["1", "2"]), (0, 2));
        assert_eq!(taken(Some("a"), &["1", "2", "3"]), (1, 2), "a longer batch under the same key");
        assert_eq!(taken(None, &["1"]), (1, 0));
        assert_eq!(taken(None, &["1"]), (1, 0), "without a key each is new");
        assert_eq!(store.pushed_waiting("contacts").unwrap().0, 5);
        assert!(store.pushed_beyond("contacts", 4).unwrap() && !store.pushed_beyond("contacts", 5).unwrap());
        let first = store.pushed("contacts", 2).unwrap();
        assert_eq!((first[0].record["ID"].as_str(), first[0].origin.as_str()), (Some("1"), "socket"));
        store.pushed_done("contacts", &[first[0].id, first[1].id]).unwrap();
        assert_eq!(store.pushed("contacts", 9).unwrap().len(), 3);
        assert_eq!(taken(Some("a"), &["1"]), (0, 1), "also after it was handled");
        let left: i64 = store
            .connection
            .query_row("SELECT count(*) FROM pushed WHERE done IS NOT NULL AND record <> '{}'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(left, 0);
    }
}
