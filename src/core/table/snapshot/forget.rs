//! Rows that a snapshot must not keep: those of people who were erased.
use std::collections::BTreeSet;

use polars::prelude::{DataFrame, DataType, IntoColumn, StringChunkedBuilder};

use crate::error::Result;
use crate::platform::ReadReject;

/// Stands where a cell of another record named an erased one. It is no key, so the link finds nobody.
pub(crate) const ERASED: &str = "(erased)";

/// Takes erased people out of what is read, before it reaches the disk.
pub trait Forget {
    /// The batch without them: all cells of their rows are NULL, so that rows keep their places. Answers which rows.
    fn forget(&self, frame: DataFrame) -> Result<(DataFrame, Vec<u64>)>;
    /// A piece that is not a row, without its text if it may be theirs.
    fn forget_piece(&self, piece: &mut ReadReject);
}

/// Makes all text cells of some rows NULL.
pub(crate) fn blank_rows(frame: &mut DataFrame, rows: &BTreeSet<usize>) -> Result<()> {
    let names: Vec<String> = frame
        .columns()
        .iter()
        .filter(|column| *column.dtype() == DataType::String)
        .map(|column| column.name().to_string())
        .collect();
    names.iter().try_for_each(|name| set_cells(frame, name, rows, None))
}

/// Sets some cells of a text column.
pub(crate) fn set_cells(
    frame: &mut DataFrame,
    column: &str,
    rows: &BTreeSet<usize>,
    value: Option<&str>,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let cells = frame.column(column)?.str()?;
    let mut out = StringChunkedBuilder::new(column.into(), cells.len());
    for (row, cell) in cells.iter().enumerate() {
        out.append_option(if rows.contains(&row) { value } else { cell });
    }
    let new = out.finish().into_column();
    frame.replace(column, new)?;
    Ok(())
}

/// The pieces of a raw line that may be cells: what stands between delimiters and quotes, trimmed.
pub(crate) fn tokens(raw: &str) -> impl Iterator<Item = &str> {
    raw.split([',', ';', '\t', '|', '"', '\n', '\r', ':', '{', '}', '[', ']']).map(str::trim).filter(|t| !t.is_empty())
}
