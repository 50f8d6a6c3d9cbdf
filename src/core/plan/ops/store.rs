//! Table files of the console's own, written by batch and read by slices.
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::{DataFrame, Schema, StatisticsOptions};
use polars_io::SerReader;
use polars_io::parquet::read::{FileMetadata, ParallelStrategy, ParquetReader};
use polars_io::parquet::write::{BatchedWriter, ParquetCompression, ParquetWriter};

use crate::error::{Error, Result};

/// A table file opened for reading.
#[derive(Clone)]
pub struct Store {
    path: PathBuf,
    metadata: Arc<FileMetadata>,
    columns: Vec<String>,
}

impl Store {
    /// Opens a file that [`StoreWriter`] finished.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io("open", path, &error))?;
        let mut reader = ParquetReader::new(file);
        let metadata = reader.get_metadata().map_err(|_| damaged(path))?.clone();
        let columns =
            reader.schema().map_err(|_| damaged(path))?.iter_names().map(std::string::ToString::to_string).collect();
        Ok(Self { path: path.to_owned(), metadata, columns })
    }
    /// Rows.
    pub fn rows(&self) -> u64 {
        self.metadata.num_rows as u64
    }
    /// Rows of each row group, in order.
    pub(crate) fn groups(&self) -> Vec<usize> {
        let mut rows = Vec::with_capacity(self.metadata.row_groups.len());
        for group in &self.metadata.row_groups {
            rows.push(group.num_rows());
        }
        rows
    }
    /// Column names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }
    /// Rows `first..first + count`, cut at the end; all columns if None.
    pub fn slice(&self, first: u64, count: usize, columns: Option<&[String]>) -> Result<DataFrame> {
        let file = File::open(&self.path).map_err(|error| Error::io("open", &self.path, &error))?;
        let mut reader = ParquetReader::new(file);
        reader.set_metadata(self.metadata.clone());
        let first = first.min(self.rows());
        let count = count.min((self.rows() - first) as usize);
        let mut frame = reader
            .with_slice(Some((first as usize, count)))
            .with_columns(columns.map(<[String]>::to_vec))
            .read_parallel(ParallelStrategy::None)
            .finish()?;
        frame.rechunk_mut_par();
        Ok(frame)
    }
}

fn damaged(path: &Path) -> Error {
    Error::platform(format!("{} cannot be understood", path.display()))
        .advise("it belongs to the console's state; make the plan again")
}

/// Writes a table file by batches.
pub struct StoreWriter {
    path: PathBuf,
    writer: BatchedWriter<BufWriter<File>>,
}

impl StoreWriter {
    /// Creates the file.
    pub fn create(path: &Path, schema: &Schema) -> Result<Self> {
        let file = File::create(path).map_err(|error| Error::io("create", path, &error))?;
        let writer = ParquetWriter::new(BufWriter::with_capacity(1 << 18, file))
            .with_compression(ParquetCompression::Lz4Raw)
            .with_statistics(StatisticsOptions::empty())
            .set_parallel(false)
            .batched(schema)?;
        Ok(Self { path: path.to_owned(), writer })
    }
    /// Adds rows as one row group.
    pub fn write(&mut self, frame: &mut DataFrame) -> Result<()> {
        if frame.height() == 0 {
            return Ok(());
        }
        frame.rechunk_mut_par();
        self.writer.write_batch(frame).map_err(|_| {
            Error::platform(format!("cannot write {}", self.path.display()))
                .advise("check the space on that disk (df -h); nothing was published, the target is as it was")
        })
    }
    /// Writes the footer.
    pub fn finish(self) -> Result<()> {
        self.writer.finish().map_err(|_| {
            Error::platform(format!("cannot write {}", self.path.display()))
                .advise("check the space on that disk (df -h); nothing was published, the target is as it was")
        })?;
        Ok(())
    }
}
