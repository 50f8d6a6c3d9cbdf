//! Mapping: fields compiled to one [`Pipeline`] that preview, run and sync all call.
//!
//! Row steps (filter, fields, cleaning, value maps, types) are pure functions of the row and live here. Set steps
//! (duplicates, match, link) look up facts and live in [`crate::plan`].
use polars::prelude::DataFrame;
use serde::{Deserialize, Serialize};

mod compile;
pub mod corrections;
mod datetime;
mod field;
mod fingerprint;
mod iso;
mod kind;
pub mod pipeline;
pub mod sql;
mod values;

pub use corrections::{Correction, RowAddress, Stale};
pub use kind::Kind;
pub use pipeline::Pipeline;
pub(crate) use values::ValueMap;

/// What the row steps decided about a source row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Goes on to the set steps.
    Accepted,
    /// `where` is false, or `drop_nulls` left it out.
    Filtered,
    /// `where` is NULL: held, listed as 'unknown'.
    Unknown,
    /// `deleted` is true.
    Tombstone,
    /// A failure with `on_error = "reject"`, or NULL with `on_null = "reject"`.
    Rejected,
}

/// A cell that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Row within the batch.
    pub row: usize,
    /// Index of the field in [`Pipeline::fields`].
    pub field: usize,
    /// Step that failed: a rule's name, `sql`, `values`, `allowed`, `type`, `datetime`, `null`.
    pub step: String,
    /// Why, without the value.
    pub reason: String,
    /// True if it rejects the row; false if `on_error` kept or emptied the cell.
    pub fatal: bool,
}

/// How often a step changed cells of a field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCount {
    /// Target field.
    pub field: String,
    /// Step: a rule's name, `values`, …
    pub step: String,
    /// Cells it changed.
    pub changed: u64,
    /// Cells it failed on.
    pub failed: u64,
}

/// One batch after the row steps.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Per row.
    pub fates: Vec<Fate>,
    /// One String column per field of the pipeline, one row per input row whatever its fate. A link field still holds
    /// the old id.
    pub mapped: DataFrame,
    /// Ascending by row.
    pub failures: Vec<Failure>,
    /// By field and step, in pipeline order: one entry per step in every batch, those that did nothing included. Rows
    /// that `where` or `deleted` left out are not counted.
    pub counts: Vec<StepCount>,
    /// Rows that a correction names.
    pub corrected: Vec<corrections::CorrectionHit>,
}

/// One cell's way through a field's steps, for the editor and `trace`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CellStep {
    /// `from EMAIL_ADDR`, `trim`, `values`, …
    pub step: String,
    /// Value after the step.
    pub value: Option<String>,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}
