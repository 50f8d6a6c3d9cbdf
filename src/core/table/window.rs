//! A screenful of rows. Views and reports never hold the table, only a window of it.
use crate::error::Result;

/// Some rows of a table, as text. Cells are raw: whoever shows them goes through [`super::text::sanitize`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// Column names.
    pub columns: Vec<String>,
    /// Ordinal of the first row.
    pub first: u64,
    /// Cells by row, then column; None is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// Ordinal of each row in its table (differs from `first + i` when filtered or sorted).
    pub ordinals: Vec<u64>,
    /// Physical line of each row, where the source has lines.
    pub lines: Vec<Option<u64>>,
    /// Rows in the whole table (after a filter: that pass it).
    pub total: u64,
}

/// Anything that can show rows by ordinal. Called from jobs, not from the UI thread.
pub trait RowSource: Send + Sync {
    /// Column names.
    fn columns(&self) -> Vec<String>;
    /// Rows in all.
    fn len(&self) -> u64;
    /// True when there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Rows `first .. first + count`, cut at the end.
    fn window(&self, first: u64, count: usize) -> Result<Window>;
    /// These rows, in this order.
    fn rows(&self, ordinals: &[u64]) -> Result<Window>;
}
