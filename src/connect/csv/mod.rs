//! Delimited text: `csv` and `tsv`.
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crm_core::error::Result;
use crm_core::platform::{
    Capabilities, Connector, ObjectInfo, ObjectVersion, ReadOptions, RecordReader, Recovery, Schema, Source,
    TargetWriter, Trigger, WriteContext,
};
use crm_core::project::PlatformConfig;

pub mod dialect;
pub mod encoding;
mod header;
mod original;
#[cfg(test)]
mod properties;
mod reader;
pub mod splitter;
#[cfg(test)]
mod tests;
mod text;
mod writer;
#[cfg(test)]
mod writer_tests;

pub use dialect::{Dialect, Newline, Overrides, Sniffed, sniff};
pub use header::unique_names;
pub use reader::CsvReader;

use crate::files::{self, Place, file_version};
use crate::observe::FileEvents;
use crate::publish;

const CSV: &[&str] = &["csv", "tsv", "txt"];
const TSV: &[&str] = &["tsv", "csv", "txt"];

/// A folder of delimited text files, or one such file.
pub struct CsvConnector {
    kind: &'static str,
    place: Place,
    overrides: Overrides,
    /// Dialects found, with the state of the file they were found in.
    dialects: Mutex<HashMap<PathBuf, (String, Dialect)>>,
}

impl CsvConnector {
    /// Opens a platform of kind `csv`.
    pub fn open(config: &PlatformConfig, base: &Path) -> Result<Arc<dyn Connector>> {
        Ok(Arc::new(Self::new("csv", Place::of(config, base, CSV)?, Overrides::of(config)?)))
    }

    /// Opens a platform of kind `tsv`: files that are created are tab separated.
    pub fn open_tsv(config: &PlatformConfig, base: &Path) -> Result<Arc<dyn Connector>> {
        Ok(Arc::new(Self::new("tsv", Place::of(config, base, TSV)?, Overrides::of(config)?)))
    }

    /// One file as a platform; its only object is its stem.
    pub fn file(path: &Path) -> Self {
        let tsv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tsv"));
        let (kind, extensions) = if tsv { ("tsv", TSV) } else { ("csv", CSV) };
        Self::new(kind, Place::file(path, extensions), Overrides::default())
    }

    fn new(kind: &'static str, place: Place, overrides: Overrides) -> Self {
        Self { kind, place, overrides, dialects: Mutex::default() }
    }

    /// How the file of an object is written: found in the file, or for one that does not exist yet what the options say,
    /// with commas (tabs for `tsv`) and RFC 4180 quotes in UTF-8.
    pub fn dialect(&self, object: &str) -> Result<Dialect> {
        let path = self.place.locate(object)?;
        let Ok(metadata) = std::fs::metadata(&path) else {
            return Ok(self.new_dialect(&path));
        };
        let state = files::state(&metadata);
        let known = self.dialects.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        if let Some((_, dialect)) = known.filter(|(seen, _)| *seen == state) {
            return Ok(dialect);
        }
        let dialect = dialect::detect(&path, &self.overrides)?;
        self.dialects.lock().unwrap_or_else(PoisonError::into_inner).insert(path, (state, dialect));
        Ok(dialect)
    }

    fn new_dialect(&self, path: &Path) -> Dialect {
        let tabs = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tsv"));
        let quote = self.overrides.quote.unwrap_or(Some(b'"'));
        Dialect {
            delimiter: self.overrides.delimiter.unwrap_or(if tabs { b'\t' } else { b',' }),
            quote,
            escape: self.overrides.escape.or(quote),
            charset: encoding::Charset { encoding: self.overrides.encoding.unwrap_or(encoding_rs::UTF_8), bom: 0 },
            newline: Newline::Lf,
            header: self.overrides.header.unwrap_or(true),
        }
    }

    fn object<'a>(&self, source: &'a Source) -> Result<&'a str> {
        match source {
            Source::Object(object) => Ok(object),
            Source::Query { .. } => Err(files::no_queries(self.kind)),
        }
    }

    fn reader(&self, object: &str, options: &ReadOptions) -> Result<CsvReader> {
        let path = self.place.locate(object)?;
        if !path.exists() {
            return Err(self.place.missing(object));
        }
        CsvReader::open(&path, &self.dialect(object)?, self.overrides.skip, options)
    }
}

impl Connector for CsvConnector {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn objects(&self) -> Result<Vec<ObjectInfo>> {
        self.place.objects()
    }

    fn schema(&self, source: &Source) -> Result<Schema> {
        let object = self.object(source)?;
        if !self.place.locate(object)?.exists() {
            return Ok(Schema::default());
        }
        Ok(self.reader(object, &ReadOptions { limit: Some(0), ..ReadOptions::default() })?.schema().clone())
    }

    fn capabilities(&self, _object: &str) -> Result<Capabilities> {
        Ok(Capabilities {
            write: true,
            atomic: true,
            revertible: true,
            // A file is written from its beginning to its end.
            writers: Some(1),
            ..Capabilities::default()
        })
    }

    fn version(&self, object: &str) -> Result<ObjectVersion> {
        file_version(&self.place.locate(object)?)
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Box<dyn RecordReader>> {
        Ok(Box::new(self.reader(self.object(source)?, options)?))
    }

    fn observe(&self, source: &Source) -> Result<Option<Box<dyn Trigger>>> {
        Ok(Some(Box::new(FileEvents::of(&self.place.locate(self.object(source)?)?))))
    }

    fn write(&self, object: &str, context: &WriteContext) -> Result<Box<dyn TargetWriter>> {
        let path = self.place.locate(object)?;
        Ok(Box::new(writer::CsvWriter::open(object, &path, &self.dialect(object)?, &self.overrides, context)?))
    }

    fn recover(&self, object: &str, run_dir: &Path) -> Result<Option<Recovery>> {
        publish::recover(object, &self.place.locate(object)?, run_dir)
    }

    fn paths(&self, object: &str) -> Vec<PathBuf> {
        self.place.locate(object).into_iter().collect()
    }
}
