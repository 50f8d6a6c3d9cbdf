//! Taking a person out of the store of a sync loop.
use std::collections::BTreeSet;

use rusqlite::{Transaction, TransactionBehavior, params};
use serde_json::{Map, Value};

use super::{ConflictField, Order, SyncStore, from_json, to_json};
use crate::error::Result;
use crate::table::snapshot::forget::ERASED;

/// What became of a pushed record when it was looked through.
pub(crate) enum PushedChange {
    /// It is somebody else's.
    Keep,
    /// It is theirs.
    Drop,
    /// It names them: this is what is left of it.
    Replace(Map<String, Value>),
}

/// Says of a record of a mapping, and of the name of its push, what becomes of it.
type OfRecord<'p> = dyn Fn(&str, &Map<String, Value>, &str) -> PushedChange + 'p;

/// How a person is told from others in the store.
pub(crate) struct Traces<'p> {
    /// Their keys by mapping, as they may be written.
    pub(crate) keys: Vec<(String, BTreeSet<String>)>,
    /// A value of a field of a mapping names them.
    pub(crate) names: &'p dyn Fn(&str, &ConflictField) -> bool,
    /// A pushed record of a mapping's source, with the name that its sender gave the push.
    pub(crate) record: &'p OfRecord<'p>,
}

impl SyncStore {
    /// Counts what the store holds of a person. If `write`, removes it so that the file's bytes hold nothing of it either.
    ///
    /// Events that are done keep their times, because scores are made of them; open ones go, for nothing will end them.
    pub(crate) fn erase(&mut self, traces: &Traces<'_>, write: bool) -> Result<u64> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut found = 0;
        for (mapping, keys) in &traces.keys {
            for key in keys {
                let each = params![mapping, key];
                found += transaction
                    .execute("DELETE FROM events WHERE mapping = ?1 AND key = ?2 AND done IS NULL", each)?
                    as u64;
                let blank = "UPDATE events SET key = NULL, reason = NULL WHERE mapping = ?1 AND key = ?2";
                found += transaction.execute(blank, each)? as u64;
                found += transaction.execute("DELETE FROM conflicts WHERE mapping = ?1 AND key = ?2", each)? as u64;
            }
        }
        found += conflicts_naming(&transaction, traces)?;
        found += pushed(&transaction, traces)?;
        found += offered(&transaction, traces)?;
        found += orders(&transaction, traces)?;
        if write {
            transaction.commit()?;
            // Also after an erasure that was interrupted right here: freed pages and the log still hold what went.
            self.connection.execute_batch("VACUUM")?;
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        } else {
            transaction.rollback()?;
        }
        Ok(found)
    }
}

/// Conflicts of other records about a field that names the person: what is still to be decided is found anew.
fn conflicts_naming(transaction: &Transaction<'_>, traces: &Traces<'_>) -> Result<u64> {
    let mut statement = transaction.prepare("SELECT id, mapping, fields FROM conflicts")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?)))?;
    let mut found = 0;
    for (id, mapping, fields) in rows.collect::<rusqlite::Result<Vec<(i64, String, String)>>>()? {
        let fields: Vec<ConflictField> = from_json(&fields)?;
        if fields.iter().any(|field| (traces.names)(&mapping, field)) {
            found += transaction.execute("DELETE FROM conflicts WHERE id = ?1", [id])? as u64;
        }
    }
    Ok(found)
}

fn pushed(transaction: &Transaction<'_>, traces: &Traces<'_>) -> Result<u64> {
    let mut statement = transaction.prepare("SELECT id, mapping, record, coalesce(idempotency, '') FROM pushed")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let mut found = 0;
    for (id, mapping, record, name) in rows.collect::<rusqlite::Result<Vec<(i64, String, String, String)>>>()? {
        found += match (traces.record)(&mapping, &from_json(&record)?, &name) {
            PushedChange::Keep => 0,
            PushedChange::Drop => transaction.execute("DELETE FROM pushed WHERE id = ?1", [id])?,
            PushedChange::Replace(rest) => {
                let rest = to_json(&rest)?;
                transaction.execute("UPDATE pushed SET record = ?2 WHERE id = ?1", params![id, rest])?
            }
        } as u64;
    }
    Ok(found)
}

/// Values of theirs that went back to a source and are not agreed on yet.
fn offered(transaction: &Transaction<'_>, traces: &Traces<'_>) -> Result<u64> {
    let mut statement = transaction.prepare("SELECT mapping, memory FROM lanes")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut found = 0;
    for (mapping, memory) in rows.collect::<rusqlite::Result<Vec<(String, String)>>>()? {
        let mut memory: Value = from_json(&memory)?;
        let Some(offered) = memory.get_mut("offered").and_then(Value::as_object_mut) else { continue };
        let before = offered.len();
        for (_, keys) in traces.keys.iter().filter(|(name, _)| *name == mapping) {
            offered.retain(|key, _| !keys.contains(key));
        }
        let gone = before - offered.len();
        if gone > 0 {
            found += gone as u64;
            let memory = to_json(&memory)?;
            transaction.execute("UPDATE lanes SET memory = ?2 WHERE mapping = ?1", params![mapping, memory])?;
        }
    }
    Ok(found)
}

/// Orders that name them. An order keeps its number and its place: loops go by them.
fn orders(transaction: &Transaction<'_>, traces: &Traces<'_>) -> Result<u64> {
    let mut statement = transaction.prepare("SELECT id, mapping, what FROM orders")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?)))?;
    let mut found = 0;
    for (id, mapping, what) in rows.collect::<rusqlite::Result<Vec<(i64, Option<String>, String)>>>()? {
        let Order::Resync { keys } = from_json(&what)? else { continue };
        let theirs = |key: &String| {
            let mut of = traces.keys.iter().filter(|(name, _)| mapping.as_ref().is_none_or(|mapping| mapping == name));
            of.any(|(_, keys)| keys.contains(key))
        };
        if !keys.iter().any(theirs) {
            continue;
        }
        // Never none: that would be an order to compare everything.
        let keys = keys.into_iter().map(|key| if theirs(&key) { ERASED.to_owned() } else { key }).collect();
        let what = to_json(&Order::Resync { keys })?;
        found += transaction.execute("UPDATE orders SET what = ?2 WHERE id = ?1", params![id, what])? as u64;
    }
    Ok(found)
}
