//! JSON: one object a line (`ndjson`), or an array of objects in one file (`json`). Top-level keys are the columns.
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crm_core::error::{Error, Result};
use crm_core::platform::{
    Capabilities, Connector, ObjectInfo, ObjectVersion, ReadOptions, RecordReader, Recovery, Schema, Source,
    TargetWriter, Trigger, WriteContext,
};
use crm_core::project::PlatformConfig;

mod reader;
mod records;
pub(crate) mod scan;
#[cfg(test)]
mod tests;

use reader::{JsonReader, Keys};

use crate::files::{self, Place, file_version};
use crate::observe::FileEvents;

const NDJSON: &[&str] = &["ndjson", "jsonl", "json"];
const JSON: &[&str] = &["json", "ndjson", "jsonl"];

/// A folder of JSON files, or one such file. Read only.
pub struct JsonConnector {
    kind: &'static str,
    place: Place,
    /// Keys found, with the state of the file they were found in: finding them reads the file once.
    keys: Mutex<HashMap<PathBuf, (String, Keys)>>,
}

impl JsonConnector {
    /// Opens a platform of kind `ndjson`.
    pub fn open(config: &PlatformConfig, base: &Path) -> Result<Arc<dyn Connector>> {
        Ok(Arc::new(Self { kind: "ndjson", place: Place::of(config, base, NDJSON)?, keys: Mutex::default() }))
    }

    /// Opens a platform of kind `json`.
    pub fn open_json(config: &PlatformConfig, base: &Path) -> Result<Arc<dyn Connector>> {
        Ok(Arc::new(Self { kind: "json", place: Place::of(config, base, JSON)?, keys: Mutex::default() }))
    }

    fn keys(&self, path: &Path) -> Result<Keys> {
        let (_, metadata) = files::open_filled(path)?;
        let state = files::state(&metadata);
        let known = self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if let Some((_, keys)) = known.filter(|(seen, _)| *seen == state) {
            return Ok(keys);
        }
        let keys = Keys::of(path)?;
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_path_buf(), (state, keys.clone()));
        Ok(keys)
    }

    fn locate(&self, source: &Source) -> Result<(PathBuf, String)> {
        match source {
            Source::Object(object) => Ok((self.place.locate(object)?, object.clone())),
            Source::Query { .. } => Err(files::no_queries(self.kind)),
        }
    }
}

impl Connector for JsonConnector {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn objects(&self) -> Result<Vec<ObjectInfo>> {
        self.place.objects()
    }

    fn schema(&self, source: &Source) -> Result<Schema> {
        let (path, _) = self.locate(source)?;
        if path.exists() { Ok(self.keys(&path)?.schema()) } else { Ok(Schema::default()) }
    }

    fn capabilities(&self, _object: &str) -> Result<Capabilities> {
        Ok(Capabilities { null: true, ..Capabilities::default() })
    }

    fn version(&self, object: &str) -> Result<ObjectVersion> {
        file_version(&self.place.locate(object)?)
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Box<dyn RecordReader>> {
        let (path, object) = self.locate(source)?;
        if !path.exists() {
            return Err(self.place.missing(&object));
        }
        Ok(Box::new(JsonReader::open(&path, self.keys(&path)?, options)?))
    }

    fn observe(&self, source: &Source) -> Result<Option<Box<dyn Trigger>>> {
        Ok(Some(Box::new(FileEvents::of(&self.locate(source)?.0))))
    }

    fn write(&self, object: &str, _context: &WriteContext) -> Result<Box<dyn TargetWriter>> {
        Err(Error::usage(format!("'{object}' cannot be a target: {} files are only read", self.kind))
            .advise("use a csv, parquet or sqlite platform as the target"))
    }

    fn recover(&self, _object: &str, _run_dir: &Path) -> Result<Option<Recovery>> {
        Ok(None)
    }

    fn paths(&self, object: &str) -> Vec<PathBuf> {
        self.place.locate(object).into_iter().collect()
    }
}
