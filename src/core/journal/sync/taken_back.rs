//! Records of which sync's work was taken back: the side that still holds the change, and how it looked then. The loop leaves
//! them alone until that side changes again, or until somebody asks for them.
use std::collections::HashMap;

use rusqlite::{Row, params};

use super::{SyncStore, now_ms};
use crate::error::Result;
use crate::journal::ledger::Hidden;
use crate::plan::taken_back::Seen;
use crate::project::Side;

/// How the side that still holds a change looked when the other one was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The hash of its row: of the cells that the mapping reads (source), of the mapped cells (target).
    Row(Hidden),
    /// It had no row: the change was that it went.
    Gone,
    /// Nobody knew: it is left alone whatever it is.
    Any,
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenBack {
    /// The side that still holds the change.
    pub side: Side,
    /// As it was.
    pub held: Held,
}

impl SyncStore {
    /// Notes records that are about to be taken back by a run, on disk when this returns. One that the same run noted before
    /// stays as it was noted: by then nobody knows any more how it looked.
    pub fn take_back(&self, mapping: &str, run: &str, records: &[(Hidden, TakenBack)]) -> Result<()> {
        let transaction = self.writing()?;
        {
            let mut add = transaction.prepare_cached(
                "INSERT INTO taken_back (mapping, key, side, held, hash, run, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (mapping, key) DO UPDATE SET side = excluded.side, held = excluded.held,
                   hash = excluded.hash, run = excluded.run, at = excluded.at WHERE run <> excluded.run",
            )?;
            let at = now_ms();
            for (key, record) in records {
                let (held, hash) = match &record.held {
                    Held::Row(hash) => ("row", Some(hash.as_slice())),
                    Held::Gone => ("gone", None),
                    Held::Any => ("any", None),
                };
                add.execute(params![mapping, key.as_slice(), record.side.word(), held, hash, run, at])?;
            }
        }
        transaction.commit()?;
        self.settle()
    }
    /// The records of a mapping that are left alone, by the hash of their key.
    pub fn taken_back(&self, mapping: &str) -> Result<HashMap<Hidden, TakenBack>> {
        let mut statement =
            self.connection.prepare_cached("SELECT key, side, held, hash FROM taken_back WHERE mapping = ?1")?;
        let rows = statement.query_map([mapping], row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
    /// A run that took records back has ended: from now on it is looked whether both sides agree again.
    pub fn took_back(&self, mapping: &str, run: &str) -> Result<()> {
        self.connection.execute(
            "UPDATE taken_back SET at = ?3 WHERE mapping = ?1 AND run = ?2",
            params![mapping, run, now_ms()],
        )?;
        Ok(())
    }
    /// How the rows look of records of which nobody knew, and which records are sync's again. One that was noted after
    /// `before` stays: what is being taken back may look as if both sides agreed until it is done.
    pub(crate) fn look_at_taken_back(&self, mapping: &str, seen: &Seen, before: i64) -> Result<()> {
        let transaction = self.writing()?;
        {
            let mut row = transaction.prepare_cached(
                "UPDATE taken_back SET held = 'row', hash = ?3 WHERE mapping = ?1 AND key = ?2 AND held = 'any'",
            )?;
            for (key, hash) in &seen.rows {
                row.execute(params![mapping, key.as_slice(), hash.as_slice()])?;
            }
            let mut over =
                transaction.prepare_cached("DELETE FROM taken_back WHERE mapping = ?1 AND key = ?2 AND at < ?3")?;
            for key in &seen.over {
                over.execute(params![mapping, key.as_slice(), before])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
    /// These records are sync's again; all of the mapping if none is named.
    pub fn give_back(&self, mapping: &str, keys: &[Hidden]) -> Result<()> {
        if keys.is_empty() {
            self.connection.execute("DELETE FROM taken_back WHERE mapping = ?1", [mapping])?;
            return Ok(());
        }
        let transaction = self.writing()?;
        for key in keys {
            transaction
                .prepare_cached("DELETE FROM taken_back WHERE mapping = ?1 AND key = ?2")?
                .execute(params![mapping, key.as_slice()])?;
        }
        transaction.commit()?;
        Ok(())
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<(Hidden, TakenBack)> {
    let blob = |at: usize| -> rusqlite::Result<Option<Hidden>> {
        Ok(row.get_ref(at)?.as_blob_or_null()?.and_then(|bytes| bytes.try_into().ok()))
    };
    let side = if row.get_ref(1)?.as_str()? == "source" { Side::Source } else { Side::Target };
    let held = match (row.get_ref(2)?.as_str()?, blob(3)?) {
        ("row", Some(hash)) => Held::Row(hash),
        ("gone", _) => Held::Gone,
        _ => Held::Any,
    };
    Ok((blob(0)?.unwrap_or_default(), TakenBack { side, held }))
}
