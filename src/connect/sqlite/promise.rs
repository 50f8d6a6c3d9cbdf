//! What a writer promises before it commits, and how a start after a kill finds out whether it came true.
//!
//! SQLite itself rolls an unfinished transaction back. Whether the commit happened is read off the data: the promise names
//! a few rows with their hashes before and after; one of them in its new state proves the transaction, for it is atomic.
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use crm_core::error::{Error, Result};
use crm_core::platform::Recovery;
use crm_core::table::hash::cells_hash;

use super::catalog::{Table, quote};
use super::value::RowText;
use super::{failed, locator, open_for_reading};
use crate::intent::{self, State};

/// Most rows of one sort that a promise names: the first ones and the last.
const SAMPLES: usize = 3;

/// A row that the transaction wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sample {
    locator: String,
    /// Hash of the row before, hex; None: it was not there.
    before: Option<String>,
    /// Hash of the row after; None: it is not there any more.
    after: Option<String>,
}

/// Rows that may prove the commit, collected while writing.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<Sample>);

impl Samples {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Takes note of a row, as it was before. Cheap: only the first few and the last are kept.
    pub(super) fn note(&mut self, locator: impl FnOnce() -> String, before: Option<u128>) {
        let sample = || Sample { locator: locator(), before: before.map(hex), after: None };
        if self.0.len() > SAMPLES {
            self.0.pop();
        }
        self.0.push(sample());
    }
    /// Hashes the rows as they are now, inside the transaction; those that did not change prove nothing.
    pub(super) fn settle(self, connection: &Connection, table: &Table) -> rusqlite::Result<Vec<Sample>> {
        let mut settled = Vec::new();
        for mut sample in self.0 {
            sample.after = row_now(connection, table, &sample.locator)?.map(hex);
            if sample.after != sample.before {
                settled.push(sample);
            }
        }
        Ok(settled)
    }
}

fn hex(hash: u128) -> String {
    format!("{hash:032x}")
}

/// Hash of a row as it stands, None if it is not there.
pub(super) fn row_now(connection: &Connection, table: &Table, row: &str) -> rusqlite::Result<Option<u128>> {
    let Some(key) = locator::decode(row, &table.address) else { return Ok(None) };
    let sql =
        format!("SELECT {} FROM {} WHERE {}", table.select_list(), quote(&table.name), table.address_condition(1));
    let mut text = RowText::default();
    connection
        .prepare_cached(&sql)?
        .query_row(rusqlite::params_from_iter(key), |row| {
            text.fill(row, table.columns.len())?;
            Ok(cells_hash(text.cells(), &mut Vec::new()))
        })
        .optional()
}

/// The intent journal of one object of one run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Promise {
    pub(super) state: State,
    pub(super) run: String,
    pub(super) path: PathBuf,
    pub(super) object: String,
    /// The run made the database file.
    pub(super) created_file: bool,
    /// The run made the table.
    pub(super) created_table: bool,
    pub(super) samples: Vec<Sample>,
}

/// Where the promise of an object stands.
pub(super) fn file(path: &Path, object: &str, run_dir: &Path) -> PathBuf {
    intent::file(run_dir, path, object)
}

/// See [`crm_core::platform::Connector::recover`].
pub(super) fn recover(path: &Path, object: &str, run_dir: &Path) -> Result<Option<Recovery>> {
    recover_by(path, &file(path, object, run_dir), object)
}

/// As [`recover`], the promise's file being given.
pub(super) fn recover_by(path: &Path, file: &Path, object: &str) -> Result<Option<Recovery>> {
    let found = |published: bool, note: &str| {
        Ok(Some(Recovery { object: object.to_owned(), published, note: note.to_owned() }))
    };
    let Some(mut promise) = intent::read::<Promise>(file)? else {
        let mut journal = path.as_os_str().to_owned();
        journal.push("-journal");
        let hot = std::fs::metadata(&journal).is_ok_and(|metadata| metadata.len() > 0);
        if !hot || !path.exists() {
            return Ok(None);
        }
        open_for_reading(path)?;
        return found(false, "the transaction had not been committed; SQLite rolled it back, the table is as before");
    };
    match promise.state {
        State::Done => found(true, "the transaction had been committed before the stop"),
        State::Undone => found(false, "the transaction had not been committed; the table is as before"),
        State::Begun | State::Promised => {
            let proven = promise.state == State::Promised && path.exists() && proven(path, &promise)?;
            if !proven && promise.created_file {
                remove_empty(path)?;
            }
            promise.state = if proven { State::Done } else { State::Undone };
            intent::write(file, &promise)?;
            if proven {
                found(true, "the transaction was committed just before the stop")
            } else {
                found(false, "the transaction had not been committed; SQLite rolled it back, the table is as before")
            }
        }
    }
}

fn proven(path: &Path, promise: &Promise) -> Result<bool> {
    let connection = open_for_reading(path)?;
    let check = || -> rusqlite::Result<bool> {
        let Some(table) = Table::load(&connection, &promise.object)? else { return Ok(false) };
        if promise.created_table || promise.samples.is_empty() {
            // A table that is there now and was not before; or nothing was to be written at all.
            return Ok(true);
        }
        for sample in &promise.samples {
            if row_now(&connection, &table, &sample.locator)?.map(hex) == sample.after {
                return Ok(true);
            }
        }
        Ok(false)
    };
    check().map_err(|error| failed("read", path, &error))
}

/// Removes a database that a run made and did not publish: a file without a single table.
pub(super) fn remove_empty(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let tables: i64 = open_for_reading(path)?
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| failed("read", path, &error))?;
    if tables > 0 {
        return Ok(());
    }
    std::fs::remove_file(path).map_err(|error| Error::io("remove", path, &error))
}
