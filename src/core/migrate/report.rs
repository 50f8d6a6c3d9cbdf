//! `runs/ID/report.json`: a run as it ended, for people who ask later.
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::journal::{MappingResult, RunRecord};
use crate::plan::{Cause, Counts};

/// What a run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Format of this file.
    pub version: u32,
    /// The run as it ended.
    pub run: RunRecord,
    /// By mapping, in load order; mappings that were not reached are left out.
    pub mappings: Vec<MappingReport>,
}

/// What a run did with one mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MappingReport {
    /// Mapping.
    pub mapping: String,
    /// As shown: `legacy:contacts`.
    pub from: String,
    /// What the plan said.
    pub planned: Counts,
    /// What came out.
    pub result: MappingResult,
    /// Rejects and held rows by cause, the platform's refusals included, most rows first.
    pub causes: Vec<Cause>,
    /// Links to records that are written later in the same run: empty in the target until the next run fills them.
    pub links_left: u64,
}

impl RunReport {
    /// The file in the folder of a run.
    pub fn path(run_dir: &Path) -> std::path::PathBuf {
        run_dir.join("report.json")
    }
    /// Writes it whole or not at all.
    pub fn write(&self, run_dir: &Path) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|_| Error::platform("the report cannot be written"))?;
        write_whole(&Self::path(run_dir), &bytes)
    }
    /// Reads it back.
    pub fn read(run_dir: &Path) -> Result<Self> {
        let path = Self::path(run_dir);
        let bytes = std::fs::read(&path).map_err(|error| Error::io("read the report", &path, &error))?;
        serde_json::from_slice(&bytes).map_err(|_| {
            Error::platform(format!("{} cannot be understood", path.display()))
                .advise("it was written by another version of crm-console, or changed")
        })
    }
}

/// Writes a small file of the state folder: durable, and never half.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let fail = |error: std::io::Error| Error::io("write", path, &error);
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fail)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)
}
