//! What mappings do to rows before anything is planned: problems, rows before and after, one cell's way.
use super::Workspace;
use crate::error::Result;
use crate::map::{CellStep, Failure, Fate, StepCount};
use crate::monitor::Monitor;
use crate::project::{Mapping, Problem};
use crate::table::Window;

/// Rows before and after the row steps, side by side.
#[derive(Debug, Clone, Default)]
pub struct Preview {
    /// Source rows.
    pub before: Window,
    /// The same rows mapped; a link field shows `(new) accounts 4711`, the new id, or `pending` before facts exist.
    pub after: Window,
    /// Per row.
    pub fates: Vec<Fate>,
    /// Failures, `row` relative to the window.
    pub failures: Vec<Failure>,
    /// For each target field: the first source column it reads, to show before and after in pairs.
    pub sources: Vec<Option<String>>,
    /// Counts by step over the rows looked at.
    pub counts: Vec<StepCount>,
    /// Failures by field and reason over the rows looked at.
    pub reasons: Vec<(String, String, u64)>,
    /// Rows that `counts` and `reasons` are over.
    pub sampled: u64,
}

/// Which rows a preview shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreviewRows {
    /// By position.
    From(u64),
    /// Rows that fail in this target field (any field if None), skipping the first `skip`.
    Failing {
        /// Target field.
        field: Option<String>,
        /// Rows to skip.
        skip: u64,
    },
    /// Rows whose cell of this target field changes.
    Changed {
        /// Target field.
        field: Option<String>,
        /// Rows to skip.
        skip: u64,
    },
}

impl Workspace {
    /// Everything `check` finds: files, columns, expressions, value maps, scopes.
    pub fn check(&self, monitor: &dyn Monitor) -> Result<Vec<Problem>> {
        let _ = monitor;
        Ok(Vec::new())
    }
    /// Rows before and after a mapping's row steps. `mapping` need not be saved: the editor hands in what is typed.
    pub fn preview(
        &self,
        mapping: &Mapping,
        rows: &PreviewRows,
        count: usize,
        monitor: &dyn Monitor,
    ) -> Result<Preview> {
        let _ = (mapping, rows, count, monitor);
        Ok(Preview::default())
    }
    /// One row's cell through a field's steps.
    pub fn trace_cell(&self, mapping: &Mapping, row: u64, field: &str) -> Result<Vec<CellStep>> {
        let _ = (mapping, row, field);
        Ok(Vec::new())
    }
}
