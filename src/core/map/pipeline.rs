//! The compiled row steps of one mapping.
use std::path::Path;

use polars::prelude::DataFrame;

use super::{CellStep, Outcome};
use crate::error::Result;
use crate::project::{Mapping, Problem, WriteRule};

/// A field as the set steps and writers need to know it.
#[derive(Debug, Clone)]
pub struct PipelineField {
    /// Target column.
    pub target: String,
    /// Source columns read.
    pub sources: Vec<String>,
    /// Linked mapping.
    pub link: Option<String>,
    /// Write rule.
    pub write: WriteRule,
    /// Once true it stays true.
    pub latch: bool,
}

/// The row steps of one mapping, compiled. Immutable and shared between threads.
pub struct Pipeline {
    fields: Vec<PipelineField>,
}

impl Pipeline {
    /// Compiles a mapping against the source's columns. `project` is the folder that value-map files are relative to.
    /// All problems at once, each with its place in the mapping file.
    pub fn compile(mapping: &Mapping, columns: &[String], project: &Path) -> Result<Self, Vec<Problem>> {
        let _ = (mapping, columns, project);
        Err(Vec::new())
    }
    /// Fields in mapping order: the columns of [`Outcome::mapped`].
    pub fn fields(&self) -> &[PipelineField] {
        &self.fields
    }
    /// Hash of all that decides its output: rules, settings, expressions, contents of value maps. Hex.
    pub fn hash(&self) -> &str {
        ""
    }
    /// Runs the row steps over text columns.
    pub fn apply(&self, batch: &DataFrame) -> Result<Outcome> {
        let _ = batch;
        Err(crate::Error::data("empty pipeline"))
    }
    /// The way of one row's cell through a field's steps.
    pub fn trace(&self, batch: &DataFrame, row: usize, field: usize) -> Result<Vec<CellStep>> {
        let _ = (batch, row, field);
        Ok(Vec::new())
    }
    /// The canonical form of a *target* cell of this field (declared type, NFC, scale, precision), for comparison.
    /// A cell that has none is returned as it is.
    pub fn canonical(&self, field: usize, value: &str) -> String {
        let _ = field;
        value.to_owned()
    }
}
