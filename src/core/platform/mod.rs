//! Platforms: the trait every one of them implements, and what it can promise.
//!
//! A connector is blocking; it is called from jobs and from the engine process, never from the UI thread. Everything
//! crosses this border as text: a [`Batch`] is a polars frame of String columns, NULL is polars' null.
use std::path::PathBuf;

use polars::prelude::DataFrame;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::monitor::Monitor;

mod door;
pub mod memory;
mod post;
mod registry;
mod trigger;
pub use door::{Delivery, Desk, Door, Item, OpenDoors, Receipt, Refusal};
pub use post::{Call, Post};
pub use registry::{Factory, Registry};
pub use trigger::{Sign, Trigger};

/// Names that begin so are the console's own columns in snapshots; a platform's column may not.
pub const RESERVED_PREFIX: &str = "__";
/// Snapshot column: physical line (text files) on which the row starts, counted from 1.
pub const LINE: &str = "__line";
/// Snapshot column: how the platform finds this row again (rowid, primary key). Absent for files: there it is the ordinal.
pub const LOCATOR: &str = "__locator";

/// What to read from a platform.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// A table, file, sheet, collection by name.
    Object(String),
    /// A saved query, by its text, and the column that identifies a row.
    Query {
        /// SQL of the platform.
        sql: String,
        /// Identifying column of the result.
        id: Option<String>,
    },
}

/// One column as the platform declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnInfo {
    /// Name, unique within the object.
    pub name: String,
    /// The platform's own type word (`VARCHAR(80)`, `INTEGER`), `text` for text files.
    pub declared: String,
    /// Must be filled on insert: NOT NULL without a default, and not generated.
    pub required: bool,
    /// Part of the primary key.
    pub key: bool,
    /// The platform fills it itself on insert (autoincrement, generated).
    pub generated: bool,
}

/// Columns of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// In the platform's order.
    pub columns: Vec<ColumnInfo>,
}

impl Schema {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnInfo> {
        self.columns.iter().find(|column| column.name == name)
    }
    /// All names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }
}

/// An object as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectInfo {
    /// Name to use after `platform:`.
    pub name: String,
    /// Rows, where the platform knows them without counting.
    pub rows: Option<u64>,
    /// Bytes, where known.
    pub bytes: Option<u64>,
}

/// What a platform can and cannot promise for one object: the plan's "here" line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Can be written at all.
    pub write: bool,
    /// A run appears whole or not at all.
    pub atomic: bool,
    /// The run can be taken back from pre-images.
    pub revertible: bool,
    /// Holds NULL apart from the empty text; where false, equality takes NULL = ''.
    pub null: bool,
    /// Side effects to expect, in words: `triggers fire on insert`.
    pub side_effects: Vec<String>,
    /// Column whose value identifies a row and is given back on insert (`id`); None: the mapping's key does.
    pub identity: Option<String>,
    /// How many may write at once, where the platform sets a limit: more workers than that only prepare what is written.
    #[serde(default)]
    pub writers: Option<u32>,
}

impl Capabilities {
    /// What the limit of writers means for workers, in words; None where there is no limit.
    pub fn limit_words(&self) -> Option<String> {
        match self.writers? {
            1 => Some("one writer, workers prepare ahead".to_owned()),
            most => Some(format!("{most} writers at once, more workers prepare ahead")),
        }
    }
}

/// The state of an object at one moment, to see later whether it moved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectVersion {
    /// The object existed.
    pub exists: bool,
    /// Bytes (files), 0 elsewhere.
    pub bytes: u64,
    /// Modification time, milliseconds since 1970 (files).
    pub modified_ms: i64,
    /// Device and inode, or the like (files).
    pub identity: String,
    /// blake3 of the content, hex (files); empty where each touched row is hashed instead.
    pub hash: String,
}

/// A run of rows as read.
#[derive(Debug, Clone)]
pub struct Batch {
    /// String columns in schema order; for text files also [`LINE`] (UInt64), for SQL also [`LOCATOR`] (String), last.
    pub frame: DataFrame,
}

/// A piece of input that is not a row of the object, kept whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadReject {
    /// Physical line, counted from 1; 0 where the platform has no lines.
    pub line: u64,
    /// Why: `3 fields, the header has 5`.
    pub reason: String,
    /// The text as it stands (decoded, at most 64 KiB, the rest counted).
    pub raw: String,
}

/// How to read.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Most rows of one batch.
    pub batch_rows: usize,
    /// Stop after that many rows.
    pub limit: Option<u64>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { batch_rows: 16_384, limit: None }
    }
}

/// A part of an object's rows, for platforms that can find it without reading all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Rows in which a column (or [`LOCATOR`]) holds one of these texts. Rows that only nearly do may come too.
    Holding {
        /// Column.
        column: String,
        /// Texts, as they were read from the platform or as they are mapped.
        values: Vec<String>,
    },
    /// Rows that changed: from a cursor's value on, all that have none or one of another form, and some more.
    Since {
        /// Cursor column.
        column: String,
        /// From here on, this value included. Empty: all of them.
        value: String,
        /// Values are whole numbers; else texts that sort as they follow in time.
        number: bool,
        /// Locators of rows that are read in any case.
        also: Vec<String>,
    },
    /// All rows, these columns of them.
    Columns(Vec<String>),
}

/// Streams the rows of an object, memory bounded by the batch.
pub trait RecordReader: Send {
    /// Columns that each batch has, without the console's own.
    fn schema(&self) -> &Schema;
    /// The next rows, None at the end.
    fn next_batch(&mut self) -> Result<Option<Batch>>;
    /// Rejects met since the last call.
    fn take_rejects(&mut self) -> Vec<ReadReject>;
    /// Bytes consumed and bytes in all, for progress.
    fn position(&self) -> (u64, Option<u64>) {
        (0, None)
    }
}

/// What happens to one row that the target already has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Set the mapped columns.
    Update,
    /// Remove the row.
    Delete,
    /// Put a row back that was removed: before the row of that ordinal (files), under its locator where that is free
    /// (tables). All columns have values; `expected` is not looked at.
    Restore,
}

/// Changes to rows that exist, ascending by ordinal over the whole run.
#[derive(Debug, Clone)]
pub struct ChangeBatch {
    /// One a row.
    pub kinds: Vec<ChangeKind>,
    /// Ordinal of the target row within the target snapshot.
    pub ordinals: Vec<u64>,
    /// Locator as read into the snapshot; None for files.
    pub locators: Option<Vec<String>>,
    /// [`crate::table::hash::row_hash`] of the whole target row (all its columns, snapshot order) as planned.
    pub expected: Vec<u128>,
    /// New values, mapped columns only, text; for deletes the row is ignored.
    pub values: DataFrame,
}

/// What became of one row handed to a writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowResult {
    /// Written; with the identity the platform gave, where it gives one.
    Written(Option<String>),
    /// The target row is not as planned any more: left alone.
    Moved,
    /// The platform refused the row, in its own words.
    Refused(String),
}

/// A row that was written, for [`TargetWriter::read_back`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenRow<'r> {
    /// Its place: among all rows, or if `appended` among those that were inserted.
    pub place: u64,
    /// It was inserted.
    pub appended: bool,
    /// What the writer answered in [`RowResult::Written`].
    pub identity: Option<&'r str>,
}

/// How a publish ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Rows that the object held when staging began, counted at the target.
    pub before: u64,
    /// Rows that the object holds now, counted at the target.
    pub rows: u64,
    /// Its version now.
    pub version: ObjectVersion,
}

/// Where a writer may keep what it stages and what it has promised.
#[derive(Debug, Clone)]
pub struct WriteContext {
    /// Folder of this run: the writer's intent journal goes here, fsynced before publishing.
    pub run_dir: PathBuf,
    /// Version of the target that the plan saw; a file target that moved is refused.
    pub planned: ObjectVersion,
    /// Columns that will be written, in order.
    pub columns: Vec<String>,
}

/// Rows of a batch that an earlier attempt handed over without hearing the answer.
#[derive(Debug, Clone, Copy)]
pub enum Doubt<'b> {
    /// Changes of rows that exist.
    Changes(&'b ChangeBatch),
    /// New rows, and the columns among theirs that tell them apart.
    Inserts(&'b DataFrame, &'b [String]),
}

/// Stages changes of one object and publishes them. Call order: `change` (ascending ordinals, unless it asks for
/// [`TargetWriter::deletes_last`]) → `insert` → `amend` → `publish`.
/// Dropped without `publish`, the target stays as it was.
pub trait TargetWriter {
    /// Updates and deletes rows that exist.
    fn change(&mut self, batch: &ChangeBatch, monitor: &dyn Monitor) -> Result<Vec<RowResult>>;
    /// Adds rows (text; columns as in [`WriteContext::columns`]).
    fn insert(&mut self, rows: &DataFrame, monitor: &dyn Monitor) -> Result<Vec<RowResult>>;
    /// Second pass: sets columns of rows written before in this run, by identity (self and cyclic links).
    fn amend(&mut self, identities: &[String], values: &DataFrame) -> Result<Vec<RowResult>>;
    /// Which rows of a broken batch are written: as this run writes them (Written), as somebody else left them (Moved: they
    /// are not touched), or not yet (None: they are handed over). Only asked where a run does not appear whole.
    fn found(&mut self, _doubt: Doubt<'_>) -> Result<Vec<Option<RowResult>>> {
        Err(crate::Error::platform("this platform cannot tell which rows of the batch that was broken off it holds")
            .advise("plan again: what is written is matched, and the new plan has the rest"))
    }
    /// What others have to wait for while this writer is open, in words (`the transaction on new.db`); None: nothing, it may
    /// stay open as long as it likes.
    fn holds(&self) -> Option<&str> {
        None
    }
    /// The rows that the last [`TargetWriter::change`] updated or deleted, byte for byte as they were, where their cells do
    /// not say everything (text files). Only this platform understands them; empty, or one a row of the batch.
    fn take_originals(&mut self) -> Vec<Option<Vec<u8>>> {
        Vec::new()
    }
    /// What the rows of the next [`TargetWriter::change`] shall be byte for byte, as an earlier run's writer gave them. Where
    /// they do not fit the values (any more), the values are written.
    fn set_originals(&mut self, _originals: Vec<Option<Vec<u8>>>) {}
    /// What was done to the end of the object so that rows could follow; asked after the last amend. Only this platform
    /// understands it.
    fn ending(&mut self, _monitor: &dyn Monitor) -> Result<Option<String>> {
        Ok(None)
    }
    /// Takes back what an earlier run's writer told by [`TargetWriter::ending`], if nobody added rows since.
    fn set_ending(&mut self, _ending: &str) {}
    /// A row of this object may name another one of it, and deleting that one would change or delete the row that names it,
    /// or be refused: deletes come after all other changes then, last rows first, those that are refused again as long as
    /// some go.
    fn deletes_last(&self) -> bool {
        false
    }
    /// From now on a delete is refused as long as other rows, of this object or another one, point to the row: it would remove
    /// or change them.
    fn spare_others(&mut self) -> Result<()> {
        Ok(())
    }
    /// From now on an update or a row that is put back is refused as long as a row of another object that it would name is not
    /// there: it would break the publish.
    fn mind_parents(&mut self) -> Result<()> {
        Ok(())
    }
    /// Hash of whole rows ([`crate::table::hash::row_hash`], schema order) as they will read once published; None: not there,
    /// or the platform cannot tell. Asked after the last amend, in the order of the places; nothing is written after it.
    fn read_back(&mut self, rows: &[WrittenRow<'_>], _monitor: &dyn Monitor) -> Result<Vec<Option<u128>>> {
        Ok(vec![None; rows.len()])
    }
    /// Makes it visible: fsync, journal, rename or commit.
    fn publish(self: Box<Self>, monitor: &dyn Monitor) -> Result<Published>;
}

/// What a start found left over from a run that was killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The object.
    pub object: String,
    /// True: the publish had been promised and was completed now (or before); false: the target is as it was before.
    pub published: bool,
    /// In words, for the operator.
    pub note: String,
}

/// One platform: an old or new CRM, or a store.
pub trait Connector: Send + Sync {
    /// Kind word as in `project.toml`: `csv`, `sqlite`.
    fn kind(&self) -> &'static str;
    /// Objects that can be named here.
    fn objects(&self) -> Result<Vec<ObjectInfo>>;
    /// Columns of an object or query.
    fn schema(&self, source: &Source) -> Result<Schema>;
    /// What can be promised for an object as target.
    fn capabilities(&self, object: &str) -> Result<Capabilities>;
    /// The object's state now.
    fn version(&self, object: &str) -> Result<ObjectVersion>;
    /// Streams rows.
    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Box<dyn RecordReader>>;
    /// Streams a part of an object's rows, in the order in which [`Connector::read`] gives them. None: this platform can only
    /// read all of them.
    fn read_part(&self, _object: &str, _part: &Part, _options: &ReadOptions) -> Result<Option<Box<dyn RecordReader>>> {
        Ok(None)
    }
    /// Rows of an object, counted without reading them. None: this platform cannot.
    fn count(&self, _object: &str) -> Result<Option<u64>> {
        Ok(None)
    }
    /// The platform's own signs of change at an object: file events, a change counter. None: it gives none, so the object's
    /// version is looked at.
    fn observe(&self, _source: &Source) -> Result<Option<Box<dyn Trigger>>> {
        Ok(None)
    }
    /// Begins to stage changes.
    fn write(&self, object: &str, context: &WriteContext) -> Result<Box<dyn TargetWriter>>;
    /// Completes or undoes what a killed run left in `run_dir` for this object.
    fn recover(&self, object: &str, run_dir: &std::path::Path) -> Result<Option<Recovery>>;
    /// The local files behind an object, to refuse a target that is its own source.
    fn paths(&self, _object: &str) -> Vec<PathBuf> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_limit_of_writers_is_said_and_promises_of_an_earlier_version_have_none() {
        let words = |writers| Capabilities { writers, ..Capabilities::default() }.limit_words();
        assert_eq!(words(None), None);
        assert_eq!(words(Some(1)).as_deref(), Some("one writer, workers prepare ahead"));
        assert!(words(Some(4)).unwrap().starts_with("4 writers at once"));
        let old = r#"{"write":true,"atomic":true,"revertible":true,"null":true,"side_effects":[],"identity":null}"#;
        assert_eq!(serde_json::from_str::<Capabilities>(old).unwrap().writers, None);
    }
}
