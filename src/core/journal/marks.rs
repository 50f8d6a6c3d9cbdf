//! How far a mapping came on a platform that no transaction holds, as the journal keeps it.
use serde::{Deserialize, Serialize};

use crate::plan::{Cause, Counts};

/// The two passes over a mapping's operations that hand rows over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pass {
    /// Rows that exist.
    Changes,
    /// New rows.
    Inserts,
}

/// Rows that are about to be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handing {
    /// In which pass.
    pub pass: Pass,
    /// Rows of the pass before them.
    pub from: u64,
    /// How many.
    pub rows: u64,
}

/// How everything stood after a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Rows handed over in the first pass.
    pub changes: u64,
    /// Rows handed over in the second.
    pub inserts: u64,
    /// Counts so far.
    pub counts: Counts,
    /// Rows left alone because they moved.
    pub moved: u64,
    /// Why rows were left out so far.
    pub causes: Vec<Cause>,
    /// Links left empty for the next run so far.
    pub links_left: u64,
    /// Lines and bytes of the rejects.
    pub rejects: (u64, u64),
    /// Bytes of what the crosswalk will be told.
    pub crosswalk: u64,
    /// Lines and bytes of the links that wait for the second pass.
    pub links: (u64, u64),
}
