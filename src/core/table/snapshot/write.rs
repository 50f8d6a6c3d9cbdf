//! Writing a snapshot: under another name, row group by row group, renamed when whole.
use std::fs::{self, DirBuilder, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use polars::prelude::{DataFrame, DataType, Field, Schema as FrameSchema};
use polars_io::parquet::write::{BatchedWriter, ParquetCompression, ParquetWriter, StatisticsOptions};

use super::forget::Forget;
use super::{META, REJECTS, ROW_GROUP, ROWS, Snapshot, SnapshotMeta};
use crate::error::{Error, Result};
use crate::platform::{LINE, LOCATOR, ObjectVersion, ReadReject, Schema};

/// Cells of a row group at most: 5,000 columns by 8,192 rows would be a gigabyte.
const GROUP_CELLS: usize = 2 << 20;

/// Writes a snapshot row group by row group. Dropped without [`SnapshotWriter::finish`], nothing stays behind.
pub struct SnapshotWriter {
    dir: PathBuf,
    staged: PathBuf,
    meta: SnapshotMeta,
    rejects: BufWriter<File>,
    /// Made at the first rows: only they tell whether there are lines and locators.
    rows: Option<BatchedWriter<BufWriter<File>>>,
    /// Columns as written.
    columns: Vec<String>,
    group_rows: usize,
    /// Rows that do not fill a group yet.
    pending: Option<DataFrame>,
    finished: bool,
}

impl SnapshotWriter {
    /// Begins a snapshot that will be found in `dir` (must not exist yet) once it is finished.
    pub fn create(dir: &Path, label: &str, schema: Schema) -> Result<Self> {
        if dir.exists() {
            return Err(Error::platform(format!("cannot take a snapshot: {} exists", dir.display()))
                .advise("snapshots are never written over; name another folder"));
        }
        if let Some(name) = schema.names().find(|name| [LINE, LOCATOR].contains(name)) {
            return Err(Error::data(format!("the object has a column {name}, a name that the console needs itself"))
                .at(label)
                .advise("read it through a query or a view that names the column otherwise"));
        }
        let mut staged = dir.as_os_str().to_owned();
        staged.push(".tmp");
        let staged = PathBuf::from(staged);
        // Left by a process that was killed: it was never promised to anyone.
        if staged.exists() {
            fs::remove_dir_all(&staged).map_err(|error| Error::io("remove", &staged, &error))?;
        }
        // Rows are personal data: for the owner alone.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&staged)
            .map_err(|error| Error::io("make the snapshot folder", &staged, &error))?;
        let rejects = File::create_new(staged.join(REJECTS)).map_err(|error| Error::io("write", &staged, &error));
        let rejects = rejects.inspect_err(|_| _ = fs::remove_dir_all(&staged))?;
        Ok(Self {
            dir: dir.to_owned(),
            staged,
            group_rows: group_rows(schema.columns.len()),
            meta: SnapshotMeta { label: label.to_owned(), schema, ..SnapshotMeta::default() },
            rejects: BufWriter::new(rejects),
            rows: None,
            columns: Vec::new(),
            pending: None,
            finished: false,
        })
    }

    /// Rows taken so far.
    pub fn rows(&self) -> u64 {
        self.meta.rows
    }

    /// Adds rows: String columns named as in the schema, [`LINE`] and [`LOCATOR`] where there are any (in all batches or
    /// in none).
    pub fn write(&mut self, frame: &DataFrame) -> Result<()> {
        if frame.height() == 0 {
            return Ok(());
        }
        if self.rows.is_none() {
            self.begin(frame.column(LINE).is_ok(), frame.column(LOCATOR).is_ok())?;
        }
        let frame = frame.select(self.columns.iter().map(String::as_str))?;
        let fits =
            |(name, kind): (&_, &DataType)| *kind == if *name == LINE { DataType::UInt64 } else { DataType::String };
        if !frame.schema().iter().all(fits) {
            return Err(Error::platform("the platform's driver gave a column that is not text").at(&self.meta.label));
        }
        self.meta.rows += frame.height() as u64;
        let frame = match self.pending.take() {
            Some(mut pending) => {
                pending.vstack_mut(&frame)?;
                pending
            }
            None => frame,
        };
        let mut first = 0;
        while frame.height() - first >= self.group_rows {
            self.write_group(frame.slice(first as i64, self.group_rows))?;
            first += self.group_rows;
        }
        if first < frame.height() {
            self.pending = Some(frame.slice(first as i64, self.group_rows));
        }
        Ok(())
    }

    /// Adds rows as they were read, without what must not be kept.
    pub(crate) fn take(&mut self, forget: Option<&dyn Forget>, frame: DataFrame) -> Result<()> {
        let Some(forget) = forget else { return self.write(&frame) };
        let (frame, erased) = forget.forget(frame)?;
        self.write_without(&frame, &erased)
    }

    /// [`SnapshotWriter::write`] for a batch some of whose rows, counted within it, were blanked.
    pub fn write_without(&mut self, frame: &DataFrame, erased: &[u64]) -> Result<()> {
        let first = self.meta.rows;
        self.meta.erased.extend(erased.iter().map(|row| first + row));
        self.write(frame)
    }

    /// Adds pieces that are not rows.
    pub fn reject(&mut self, rejects: &[ReadReject]) -> Result<()> {
        for reject in rejects {
            serde_json::to_writer(&mut self.rejects, reject)
                .map_err(std::io::Error::from)
                .and_then(|()| self.rejects.write_all(b"\n"))
                .map_err(|error| Error::io("write the rejects of a snapshot to", &self.staged, &error))?;
        }
        self.meta.rejects += rejects.len() as u64;
        Ok(())
    }

    /// Completes it: everything is on disk under its name, or nothing is.
    pub fn finish(mut self, version: ObjectVersion) -> Result<Snapshot> {
        if let Some(rest) = self.pending.take() {
            self.write_group(rest)?;
        }
        if self.rows.is_none() {
            self.begin(false, false)?;
        }
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error: std::io::Error| Error::io("write the snapshot", &path, &error)
        };
        if let Some(rows) = self.rows.take() {
            rows.finish().map_err(|error| self.failed(error))?;
        }
        self.meta.version = version;
        self.meta.taken = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let meta = serde_json::to_vec_pretty(&self.meta).map_err(|error| io(&self.staged)(error.into()))?;
        fs::write(self.staged.join(META), meta).map_err(io(&self.staged))?;
        self.rejects.flush().map_err(io(&self.staged))?;
        // A run may rest on it: what was previewed must still be there after a power cut.
        for part in [ROWS, META, REJECTS] {
            let part = self.staged.join(part);
            File::open(&part).and_then(|file| file.sync_all()).map_err(io(&part))?;
        }
        fs::rename(&self.staged, &self.dir).map_err(io(&self.dir))?;
        self.finished = true;
        if let Some(parent) = self.dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent).and_then(|folder| folder.sync_all()).map_err(io(parent))?;
        }
        Snapshot::open(&self.dir)
    }

    fn begin(&mut self, lines: bool, locators: bool) -> Result<()> {
        self.columns = self.meta.schema.names().map(str::to_owned).collect();
        let mut fields: Vec<Field> =
            self.columns.iter().map(|name| Field::new(name.as_str().into(), DataType::String)).collect();
        for (there, name, kind) in [(lines, LINE, DataType::UInt64), (locators, LOCATOR, DataType::String)] {
            if there {
                self.columns.push(name.to_owned());
                fields.push(Field::new(name.into(), kind));
            }
        }
        let path = self.staged.join(ROWS);
        let file = File::create_new(&path).map_err(|error| Error::io("write", &path, &error))?;
        let writer = ParquetWriter::new(BufWriter::with_capacity(1 << 20, file))
            .with_compression(ParquetCompression::Lz4Raw)
            .with_statistics(StatisticsOptions::empty())
            .batched(&FrameSchema::from_iter(fields))
            .map_err(|error| self.failed(error))?;
        self.rows = Some(writer);
        Ok(())
    }

    fn write_group(&mut self, mut frame: DataFrame) -> Result<()> {
        // Each chunk would become a row group of its own.
        frame.rechunk_mut();
        let Some(rows) = self.rows.as_mut() else { return Ok(()) };
        rows.write_batch(&frame).map_err(|error| self.failed(error))
    }

    /// A write that failed, with the cause where it is the disk.
    fn failed(&self, error: polars::error::PolarsError) -> Error {
        match &error {
            polars::error::PolarsError::IO { error, .. } => Error::io("write the snapshot", &self.staged, error),
            _ => Error::from(error).at(self.meta.label.clone()),
        }
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.finished {
            self.rows = None;
            // What cannot be removed now is removed by the next snapshot of that name.
            _ = fs::remove_dir_all(&self.staged);
        }
    }
}

/// Rows to ask of a reader at a time: two groups.
pub(super) fn batch_rows(columns: usize) -> usize {
    2 * group_rows(columns)
}

/// Rows of a group in a table of so many columns.
fn group_rows(columns: usize) -> usize {
    (GROUP_CELLS / columns.max(1)).clamp(64, ROW_GROUP)
}
