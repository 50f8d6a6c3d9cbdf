//! Describing columns: counts, patterns, top values, a guess at type and meaning, warnings.
//!
//! Values that repeat are counted and looked at once at the end; beyond a bound, each further value is looked at as it
//! comes and only sketched. Nothing here decides what is migrated: types are for display and suggestion (DESIGN rule 2).
mod column;
mod dates;
pub(crate) mod guess;
mod numbers;
mod sketch;
pub(crate) mod value;

use polars::prelude::StringChunked;
use serde::{Deserialize, Serialize};

use self::column::{Bounds, ColumnState};
use super::Snapshot;
use crate::error::Result;
use crate::monitor::{Monitor, Progress};

/// One column, described.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// Name.
    pub name: String,
    /// Guess over the non-blank values: `integer`, `decimal`, `boolean`, `date`, `datetime`, `text`, `empty`.
    pub r#type: String,
    /// Guess at the meaning: `email`, `phone`, `date`, `id`, `money`, `country`, `name`, `url`, `zip`, or empty.
    pub semantic: String,
    /// NULL cells.
    pub nulls: u64,
    /// Cells of whitespace only or the empty text.
    pub blanks: u64,
    /// Distinct values, exact up to a bound, then an estimate.
    pub distinct: u64,
    /// `distinct` is an estimate.
    pub distinct_estimated: bool,
    /// Shortest and longest value in characters.
    pub min_length: u64,
    /// See `min_length`.
    pub max_length: u64,
    /// Smallest and largest value by the guessed type's order.
    pub min: Option<String>,
    /// See `min`.
    pub max: Option<String>,
    /// Shapes (`Aaaa 99-999`), most rows first, with counts.
    pub patterns: Vec<(String, u64)>,
    /// Most frequent values with counts.
    pub top: Vec<(String, u64)>,
    /// What an operator must know: leading zeros, mixed date formats, duplicate keys, mixed encodings …
    pub warnings: Vec<String>,
}

/// A table, described.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Rows.
    pub rows: u64,
    /// Pieces that were not rows.
    pub rejects: u64,
    /// Columns in order.
    pub columns: Vec<ColumnProfile>,
}

/// Describes a snapshot in one pass, memory bounded whatever the number of distinct values.
pub fn profile(snapshot: &Snapshot, monitor: &dyn Monitor) -> Result<Profile> {
    let names: Vec<&str> = snapshot.meta().schema.names().collect();
    let bounds = Bounds::for_columns(names.len());
    let mut columns: Vec<ColumnState> = names.iter().map(|_| ColumnState::new(bounds)).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let share = columns.len().div_ceil(threads).max(1);
    let step = format!("profiling {}", snapshot.meta().label);
    let mut done = 0;
    for frame in snapshot.batches(None)? {
        monitor.check()?;
        let frame = frame?;
        let cells: Vec<&StringChunked> =
            names.iter().map(|name| Ok(frame.column(name)?.str()?)).collect::<Result<_>>()?;
        let add = |states: &mut [ColumnState], cells: &[&StringChunked]| {
            for (state, cells) in states.iter_mut().zip(cells) {
                cells.iter().for_each(|cell| state.add(cell));
            }
        };
        std::thread::scope(|scope| {
            let mut parts = columns.chunks_mut(share).zip(cells.chunks(share));
            let own = parts.next();
            for (states, cells) in parts {
                scope.spawn(move || add(states, cells));
            }
            if let Some((states, cells)) = own {
                add(states, cells);
            }
        });
        done += frame.height() as u64;
        monitor.report(Progress { step: step.clone(), done, total: Some(snapshot.meta().rows) });
    }
    let columns = names.iter().zip(columns).map(|(name, state)| state.finish(name)).collect();
    Ok(Profile { rows: snapshot.meta().rows, rejects: snapshot.meta().rejects, columns })
}

#[cfg(test)]
mod tests;
