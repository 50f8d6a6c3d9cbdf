//! Snapshots: an immutable Parquet copy of an object as it was read, with what could not be read beside it.
//!
//! A folder: `rows.parquet` (row groups of 8,192 rows, fewer in very wide tables; lz4), `meta.json` ([`SnapshotMeta`]),
//! `rejects.ndjson` (one [`ReadReject`] a line). It is written under another name and renamed when whole.
mod cache;
pub(crate) mod forget;
mod read;
mod write;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::DataFrame;
use serde::{Deserialize, Serialize};

pub use self::forget::Forget;
use self::read::Rows;
pub use self::write::SnapshotWriter;
use super::{RowSource, Window};
use crate::error::{Error, Result};
use crate::monitor::{Monitor, Progress};
use crate::platform::{Connector, LINE, ObjectVersion, Part, ReadOptions, ReadReject, Schema, Source};

/// Rows of a row group: what one window read decodes.
pub const ROW_GROUP: usize = 8_192;

const ROWS: &str = "rows.parquet";
const META: &str = "meta.json";
const REJECTS: &str = "rejects.ndjson";

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
    /// Ordinals of rows whose cells are all NULL because the person was erased, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<u64>,
}

/// A snapshot on disk. Clones share the open file, its metadata and the cache of decoded columns.
#[derive(Debug, Clone)]
pub struct Snapshot {
    dir: PathBuf,
    meta: SnapshotMeta,
    rows: Arc<Rows>,
}

/// A part of an object that is to be read.
#[derive(Clone, Copy)]
pub struct PartWanted<'a> {
    /// Object.
    pub object: &'a str,
    /// Which of its rows.
    pub part: &'a Part,
    /// The object as it is shown.
    pub label: &'a str,
    /// Rows at most; a part that has more is not worth being read by itself.
    pub most: u64,
}

/// How reading a part ended.
#[derive(Debug)]
pub enum PartTaken {
    /// It was read.
    Taken(Box<Snapshot>),
    /// It has more rows than were wanted; nothing is kept of it.
    More,
    /// The platform can only read all of the object.
    Unable,
}

impl Snapshot {
    /// Reads an object into `dir` (made; must not exist). On error or cancel nothing stays behind. An object that changed
    /// while it was read is an error of kind data: a snapshot shows one moment.
    pub fn take(
        connector: &dyn Connector,
        source: &Source,
        label: &str,
        dir: &Path,
        limit: Option<u64>,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        Self::take_without(None, connector, source, label, dir, limit, monitor)
    }

    /// [`Snapshot::take`] without what must not be kept.
    pub fn take_without(
        forget: Option<&dyn Forget>,
        connector: &dyn Connector,
        source: &Source,
        label: &str,
        dir: &Path,
        limit: Option<u64>,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let version = || match source {
            Source::Object(object) => connector.version(object),
            Source::Query { .. } => Ok(ObjectVersion { exists: true, ..ObjectVersion::default() }),
        };
        let before = version()?;
        let batch_rows = write::batch_rows(connector.schema(source)?.columns.len());
        let mut reader = connector.read(source, &ReadOptions { batch_rows, limit })?;
        let mut writer = SnapshotWriter::create(dir, label, reader.schema().clone())?;
        let step = format!("reading {label}");
        loop {
            monitor.check()?;
            let batch = reader.next_batch()?;
            let mut pieces = reader.take_rejects();
            if let Some(forget) = forget {
                for piece in &mut pieces {
                    forget.forget_piece(piece);
                }
            }
            writer.reject(&pieces)?;
            let Some(batch) = batch else { break };
            writer.take(forget, batch.frame)?;
            crate::migrate::fault::point("reading");
            let done = writer.rows();
            let total = expected_rows(done, reader.position()).map(|rows| limit.map_or(rows, |limit| rows.min(limit)));
            monitor.report(Progress { step: step.clone(), done, total });
        }
        drop(reader);
        let after = version()?;
        if moved(&before, &after) {
            return Err(Error::data("the object changed while it was read")
                .at(label)
                .advise("wait until whoever writes it is done (or let it write a copy), then read again"));
        }
        writer.finish(after)
    }

    /// Reads a part of an object into `dir`, without what must not be kept.
    pub fn take_part(
        forget: Option<&dyn Forget>,
        connector: &dyn Connector,
        wanted: &PartWanted<'_>,
        dir: &Path,
        monitor: &dyn Monitor,
    ) -> Result<PartTaken> {
        let PartWanted { object, part, label, most } = *wanted;
        let version = connector.version(object)?;
        let Some(mut reader) = connector.read_part(object, part, &ReadOptions::default())? else {
            return Ok(PartTaken::Unable);
        };
        let mut writer = SnapshotWriter::create(dir, label, reader.schema().clone())?;
        loop {
            monitor.check()?;
            let batch = reader.next_batch()?;
            let mut pieces = reader.take_rejects();
            if let Some(forget) = forget {
                for piece in &mut pieces {
                    forget.forget_piece(piece);
                }
            }
            writer.reject(&pieces)?;
            let Some(batch) = batch else { break };
            if writer.rows() + batch.frame.height() as u64 > most {
                return Ok(PartTaken::More);
            }
            writer.take(forget, batch.frame)?;
            monitor.report(Progress {
                step: format!("reading of {label} what changed"),
                done: writer.rows(),
                total: None,
            });
        }
        Ok(PartTaken::Taken(Box::new(writer.finish(version)?)))
    }

    /// Keeps rows that came from elsewhere than a platform's object.
    pub(crate) fn of_frame(frame: &DataFrame, label: &str, dir: &Path) -> Result<Self> {
        let column = |name: &polars::prelude::PlSmallStr| crate::platform::ColumnInfo {
            name: name.to_string(),
            declared: "text".to_owned(),
            required: false,
            key: false,
            generated: false,
        };
        let schema = Schema { columns: frame.get_column_names().into_iter().map(column).collect() };
        let mut writer = SnapshotWriter::create(dir, label, schema)?;
        writer.write(frame)?;
        writer.finish(ObjectVersion { exists: true, ..ObjectVersion::default() })
    }

    /// Opens one that was taken.
    pub fn open(dir: &Path) -> Result<Self> {
        let meta_path = dir.join(META);
        let text =
            std::fs::read_to_string(&meta_path).map_err(|error| Error::io("open the snapshot", &meta_path, &error))?;
        let meta: SnapshotMeta = serde_json::from_str(&text).map_err(|_| damaged(dir, "meta.json cannot be read"))?;
        let rows = Rows::open(&dir.join(ROWS), &meta.schema).map_err(|error| match error.kind() {
            crate::Kind::Data => damaged(dir, error.what()),
            _ => error,
        })?;
        if rows.len() != meta.rows {
            return Err(damaged(dir, "it holds another number of rows than it says"));
        }
        Ok(Self { dir: dir.to_owned(), meta, rows: Arc::new(rows) })
    }

    /// Notes in a snapshot's description that these rows were blanked because the person was erased.
    pub(crate) fn note_erased(dir: &Path, rows: &std::collections::BTreeSet<u64>) -> Result<()> {
        let mut meta = Self::open(dir)?.meta;
        meta.erased.extend(rows);
        meta.erased.sort_unstable();
        meta.erased.dedup();
        let text = serde_json::to_vec_pretty(&meta).map_err(|_| damaged(dir, "meta.json cannot be written"))?;
        crate::migrate::write_whole(&dir.join(META), &text)
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What it knows of itself.
    pub fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }

    /// Its platform tells how each row is found again.
    pub fn has_locators(&self) -> bool {
        self.meta.rows == 0 || self.rows.has(crate::platform::LOCATOR)
    }

    /// Pieces that were not rows. All at once; [`Snapshot::rejects_iter`] for many.
    pub fn rejects(&self) -> Result<Vec<ReadReject>> {
        self.rejects_iter()?.collect()
    }

    /// Pieces that were not rows, one after the other.
    pub fn rejects_iter(&self) -> Result<impl Iterator<Item = Result<ReadReject>> + Send + use<>> {
        let path = self.dir.join(REJECTS);
        let file = File::open(&path).map_err(|error| Error::io("open", &path, &error))?;
        let dir = self.dir.clone();
        Ok(BufReader::new(file).lines().map(move |line| {
            let line = line.map_err(|error| Error::io("read", &path, &error))?;
            serde_json::from_str(&line).map_err(|_| damaged(&dir, "a line of rejects.ndjson cannot be read"))
        }))
    }

    /// Streams the rows in order, in frames of at most [`ROW_GROUP`] rows: only `columns` (all data columns if None),
    /// plus [`crate::platform::LINE`] and [`crate::platform::LOCATOR`] where the snapshot has them.
    pub fn batches(&self, columns: Option<&[String]>) -> Result<Box<dyn Iterator<Item = Result<DataFrame>> + Send>> {
        let projection = self.rows.projection(columns)?;
        let rows = Arc::clone(&self.rows);
        // Past the cache: a scan would only push out what windows need.
        Ok(Box::new((0..rows.groups()).map(move |group| rows.decode(group, &projection))))
    }

    /// Rows `first..first+count` as a frame, cut at the end, same columns as [`Snapshot::batches`].
    pub fn slice(&self, first: u64, count: usize, columns: Option<&[String]>) -> Result<DataFrame> {
        self.rows.slice(first, count, &self.rows.projection(columns)?)
    }

    /// These rows in this order (repeats allowed), same columns as [`Snapshot::batches`]. Row groups are decoded once each
    /// when the ordinals ascend, and for any order within the call; the frame owns its text, so a few rows of each group
    /// do not keep all of them in memory.
    pub fn gather(&self, ordinals: &[u64], columns: Option<&[String]>) -> Result<DataFrame> {
        self.rows.gather(ordinals, &self.rows.projection(columns)?)
    }

    /// A window over some columns only.
    pub fn window_of(&self, first: u64, count: usize, columns: &[String]) -> Result<Window> {
        let frame = self.slice(first, count, Some(columns))?;
        let ordinals = (first..first + frame.height() as u64).collect();
        self.to_window(&frame, ordinals, columns)
    }

    fn to_window(&self, frame: &DataFrame, ordinals: Vec<u64>, columns: &[String]) -> Result<Window> {
        let mut rows: Vec<Vec<Option<String>>> =
            (0..frame.height()).map(|_| Vec::with_capacity(columns.len())).collect();
        for name in columns {
            for (row, cell) in rows.iter_mut().zip(frame.column(name)?.str()?.iter()) {
                row.push(cell.map(str::to_owned));
            }
        }
        let lines = match frame.column(LINE) {
            Ok(column) => column.u64()?.iter().collect(),
            Err(_) => vec![None; frame.height()],
        };
        let first = ordinals.first().copied().unwrap_or_default();
        Ok(Window { columns: columns.to_vec(), first, rows, ordinals, lines, total: self.meta.rows })
    }
}

impl RowSource for Snapshot {
    fn columns(&self) -> Vec<String> {
        self.meta.schema.names().map(str::to_owned).collect()
    }
    fn len(&self) -> u64 {
        self.meta.rows
    }
    fn window(&self, first: u64, count: usize) -> Result<Window> {
        let mut window = self.window_of(first, count, &self.columns())?;
        window.first = first;
        Ok(window)
    }
    fn rows(&self, ordinals: &[u64]) -> Result<Window> {
        let frame = self.gather(ordinals, None)?;
        self.to_window(&frame, ordinals.to_vec(), &self.columns())
    }
}

/// Rows to expect in all, from the share of the bytes that were read.
fn expected_rows(done: u64, (consumed, all): (u64, Option<u64>)) -> Option<u64> {
    let all = all.filter(|all| consumed > 0 && *all >= consumed)?;
    Some(((done as f64) * (all as f64) / (consumed as f64)) as u64).map(|rows| rows.max(done))
}

/// Where the platform hashes the content, the hash decides; elsewhere a read is one moment of the platform's own, and only
/// another object under the same name counts.
fn moved(before: &ObjectVersion, after: &ObjectVersion) -> bool {
    before.exists != after.exists
        || before.hash != after.hash
        || (before.hash.is_empty() && before.identity != after.identity)
}

fn damaged(dir: &Path, what: &str) -> Error {
    Error::data(format!("the snapshot is damaged: {what}"))
        .at(dir.display())
        .advise("remove that folder and read the object again")
}

#[cfg(test)]
mod tests;
