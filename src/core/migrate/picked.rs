//! Rows that go to the writer, picked from a batch.
use polars::prelude::{BooleanChunked, DataFrame, NewChunkedArray};

use crate::error::Result;
use crate::plan::ops::PendingLink;

/// Rows that go to the writer: all but those whose parent is missing.
pub(super) fn kept(rows: usize, missing: &[PendingLink]) -> Vec<bool> {
    let mut kept = vec![true; rows];
    for cell in missing {
        kept[cell.row] = false;
    }
    kept
}

pub(super) fn pick<T>(items: Vec<T>, kept: &[bool]) -> Vec<T> {
    items.into_iter().zip(kept).filter_map(|(item, kept)| kept.then_some(item)).collect()
}

pub(super) fn pick_rows(frame: DataFrame, kept: &[bool]) -> Result<DataFrame> {
    if kept.iter().all(|kept| *kept) {
        return Ok(frame);
    }
    Ok(frame.filter(&BooleanChunked::from_iter_values("kept".into(), kept.iter().copied()))?)
}
