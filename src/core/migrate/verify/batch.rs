//! One batch of a plan's operations, as expected in the target.
use polars::prelude::{DataFrame, StringChunked};

use super::Verify;
use crate::error::Result;
use crate::plan::Operation;
use crate::plan::facts::{TargetFacts, Wanted};
use crate::plan::ops::{EXPECTED, IDENTITY, KEY, OP, PENDING, SOURCE, operation};
use crate::plan::shape::{is_blank, text_columns};
use crate::project::WriteRule;
use crate::resolve::keys::{KeyHash, key_hash};

/// See the module.
pub(super) struct Batch {
    pub(super) rows: Vec<Expected>,
    pub(super) cells: Vec<StringChunked>,
    /// Cells whose parent has no new id: (row, column), ascending.
    unresolved: Vec<(usize, usize)>,
    pub(super) hashes: Vec<u128>,
    pub(super) wanted: Wanted,
    /// Hash of the key as the target should hold it.
    pub(super) finals: Vec<Option<KeyHash>>,
}

/// What is known of one record beside its cells.
pub(super) struct Expected {
    pub(super) operation: Operation,
    pub(super) source: Option<u64>,
    pub(super) key: Option<String>,
    pub(super) identity: Option<String>,
    /// Hash of the whole target row as planned.
    pub(super) row_hash: u128,
}

impl Batch {
    pub(super) fn of(job: &Verify<'_>, facts: &TargetFacts, frame: &DataFrame) -> Result<Self> {
        let shape = job.shape;
        let mut cells = text_columns(frame, &shape.columns)?;
        let mut unresolved = Vec::new();
        for link in &shape.links {
            let waiting = frame.column(&format!("{PENDING}{}", link.plan.column))?.str()?;
            if waiting.null_count() == waiting.len() {
                continue;
            }
            let object = link.plan.object.to_string();
            let mut new: Vec<Option<String>> = Vec::with_capacity(frame.height());
            for (row, (cell, old)) in cells[link.field].iter().zip(waiting.iter()).enumerate() {
                let Some(old) = old else {
                    new.push(cell.map(str::to_owned));
                    continue;
                };
                let id = job.crosswalk.get(&object, old)?;
                if id.is_none() {
                    unresolved.push((row, link.field));
                }
                new.push(id);
            }
            cells[link.field] = new.into_iter().collect();
        }
        unresolved.sort_unstable();
        let (codes, sources) = (frame.column(OP)?.u32()?, frame.column(SOURCE)?.u32()?);
        let (keys, identities) = (frame.column(KEY)?.str()?, frame.column(IDENTITY)?.str()?);
        let halves = (frame.column(EXPECTED[0])?.u64()?, frame.column(EXPECTED[1])?.u64()?);
        let half = |half: Option<u64>| u128::from(half.unwrap_or_default());
        let rows: Vec<Expected> = (0..frame.height())
            .map(|row| Expected {
                operation: codes.get(row).and_then(operation).unwrap_or(Operation::Rejected),
                source: sources.get(row).map(u64::from),
                key: keys.get(row).map(str::to_owned),
                identity: identities.get(row).map(str::to_owned),
                row_hash: half(halves.0.get(row)) << 64 | half(halves.1.get(row)),
            })
            .collect();
        let old = rows.iter().map(|row| row.key.as_deref().map(key_hash)).collect();
        let wanted = Wanted::of(shape, facts, &cells, old)?;
        let finals = shape.key_texts(&cells).iter().map(|key| key.as_deref().map(key_hash)).collect();
        Ok(Self { hashes: shape.hashes(&cells), wanted, finals, rows, cells, unresolved })
    }

    /// A cell of the row waits for its parent.
    pub(super) fn waits(&self, row: usize) -> bool {
        self.unresolved.binary_search_by_key(&row, |(waiting, _)| *waiting).is_ok()
    }

    /// The row's cell of that column waits for its parent.
    pub(super) fn waits_for(&self, row: usize, column: usize) -> bool {
        self.unresolved.binary_search(&(row, column)).is_ok()
    }

    /// Columns in which a record differs from a target row, by their write rules. `there`: the target's cells by column.
    pub(super) fn differing(&self, job: &Verify<'_>, row: usize, there: &[StringChunked], place: usize) -> Vec<usize> {
        let shape = job.shape;
        let differs = |column: &usize| {
            let (wanted, found) = (self.cells[*column].get(row), there[*column].get(place));
            match shape.rules[*column] {
                WriteRule::Create | WriteRule::Never => false,
                _ if self.waits_for(row, *column) => true,
                WriteRule::IfBlank => is_blank(found) && !is_blank(wanted),
                WriteRule::Always => !shape.same(*column, wanted, found),
            }
        };
        (0..shape.columns.len()).filter(differs).collect()
    }
}
