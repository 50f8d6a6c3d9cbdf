//! Parquet files: `parquet`. Columns keep their types; see `cell.rs` for how values read as text.
//!
//! Nested columns are refused by name. A file that is written keeps columns, order and types; its row groups are those of
//! the old file, new rows come in groups of their own. A new file has text columns.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crm_core::error::Result;
use crm_core::platform::{
    Capabilities, Connector, ObjectInfo, ObjectVersion, ReadOptions, RecordReader, Recovery, Schema, Source,
    TargetWriter, Trigger, WriteContext,
};
use crm_core::project::PlatformConfig;

use crate::files::{self, Place, file_version};
use crate::observe::FileEvents;
use crate::publish;

mod cell;
mod file;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

const KIND: &str = "parquet";
const EXTENSIONS: &[&str] = &["parquet", "pq"];

/// A folder of Parquet files, or one such file.
#[derive(Debug, Clone)]
pub struct ParquetConnector {
    place: Place,
}

impl ParquetConnector {
    /// From `[platforms.NAME]`.
    pub fn open(config: &PlatformConfig, base: &Path) -> Result<Arc<dyn Connector>> {
        Ok(Arc::new(Self { place: Place::of(config, base, EXTENSIONS)? }))
    }

    /// One file as a platform; its only object is its stem.
    pub fn file(path: &Path) -> Self {
        Self { place: Place::file(path, EXTENSIONS) }
    }

    /// The file of an object, None where it does not exist.
    fn found(&self, source: &Source) -> Result<Option<PathBuf>> {
        match source {
            Source::Query { .. } => Err(files::no_queries(KIND)),
            Source::Object(object) => Ok(Some(self.place.locate(object)?).filter(|path| path.exists())),
        }
    }
}

impl Connector for ParquetConnector {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn objects(&self) -> Result<Vec<ObjectInfo>> {
        self.place.objects()
    }

    fn schema(&self, source: &Source) -> Result<Schema> {
        Ok(match self.found(source)? {
            None => Schema::default(),
            Some(path) => file::ParquetFile::open(&path)?.schema(),
        })
    }

    fn capabilities(&self, _object: &str) -> Result<Capabilities> {
        Ok(Capabilities {
            write: true,
            atomic: true,
            revertible: true,
            null: true,
            // A file is written from its beginning to its end.
            writers: Some(1),
            ..Capabilities::default()
        })
    }

    fn version(&self, object: &str) -> Result<ObjectVersion> {
        file_version(&self.place.locate(object)?)
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Box<dyn RecordReader>> {
        let path = self.found(source)?.ok_or_else(|| match source {
            Source::Object(object) => self.place.missing(object),
            Source::Query { .. } => files::no_queries(KIND),
        })?;
        Ok(Box::new(reader::Reader::open(&path, options)?))
    }

    fn observe(&self, source: &Source) -> Result<Option<Box<dyn Trigger>>> {
        match source {
            Source::Object(object) => Ok(Some(Box::new(FileEvents::of(&self.place.locate(object)?)))),
            Source::Query { .. } => Err(files::no_queries(KIND)),
        }
    }

    fn write(&self, object: &str, context: &WriteContext) -> Result<Box<dyn TargetWriter>> {
        Ok(Box::new(writer::Writer::open(object, &self.place.locate(object)?, context)?))
    }

    fn recover(&self, object: &str, run_dir: &Path) -> Result<Option<Recovery>> {
        publish::recover(object, &self.place.locate(object)?, run_dir)
    }

    fn paths(&self, object: &str) -> Vec<PathBuf> {
        self.place.locate(object).into_iter().collect()
    }
}
