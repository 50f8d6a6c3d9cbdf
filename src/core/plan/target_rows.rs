//! Target rows without a source row: left alone, marked or deleted; and the rows of tombstones.
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use polars::prelude::{StringChunked, StringChunkedBuilder};

use super::classify::State;
use super::facts::{CrosswalkFacts, TargetFacts};
use super::ops::{OPS_BATCH, OpRow};
use super::shape::{Shape, is_true, text_columns};
use crate::error::{Error, Result};
use crate::plan::Operation;
use crate::platform::LOCATOR;
use crate::project::{DeletePolicy, Direction, TargetOnly};
use crate::resolve::keys::KeyHash;
use crate::table::Snapshot;

/// What happens to target rows that no accepted source row takes.
#[derive(Debug, Default)]
pub(crate) struct TargetRows {
    /// To delete or mark, ascending.
    changes: Vec<(u32, Operation, &'static str)>,
    /// In scope, without a source row, left as they are, ascending.
    kept: Vec<u32>,
    /// In scope without a source row, whatever happens to them.
    pub(crate) target_only: u64,
    /// Of those: rows that bear the mark of it already.
    pub(crate) marked_before: u64,
    /// None of this mapping's business.
    pub(crate) native: u64,
}

impl TargetRows {
    /// Decides on all target rows. `deletes`: the plan may delete and mark. `asked`: only some target rows were read, so
    /// nothing is said about those without a source row.
    pub(crate) fn decide(
        shape: &Shape,
        facts: &TargetFacts,
        known: &CrosswalkFacts,
        state: &State,
        deletes: bool,
        asked: bool,
    ) -> Self {
        let mut out = Self::default();
        let mut scope = facts.scope.clone();
        if shape.scope.is_none() {
            known.add_to_scope(&mut scope);
        }
        let tombstone = tombstones_are(shape);
        let lacking = match &shape.mapping.target_only {
            TargetOnly::Keep | TargetOnly::List => None,
            TargetOnly::Mark(_) => Some(Operation::Mark),
            TargetOnly::Delete => Some(Operation::Delete),
        };
        // A row that the target made is nothing that the source deleted.
        let mut ours = vec![shape.mapping.sync.direction == Direction::OneWay; facts.rows];
        known.add_to_scope(&mut ours);
        let mut dead = state.tombstones.clone();
        dead.sort_unstable();
        dead.dedup();
        let mut dead = dead.into_iter().filter(|row| !state.is_taken(*row)).peekable();
        for row in 0..facts.rows as u32 {
            if dead.next_if_eq(&row).is_some() {
                if let Some(operation) = tombstone.filter(|_| deletes) {
                    out.changes.push((row, operation, "deleted in the source"));
                }
            } else if !asked && !state.touched[row as usize] {
                if !scope[row as usize] {
                    out.native += 1;
                    continue;
                }
                out.target_only += 1;
                match lacking.filter(|_| deletes && ours[row as usize]) {
                    Some(operation) => out.changes.push((row, operation, "not in the source")),
                    None => out.kept.push(row),
                }
            }
        }
        out
    }

    /// Takes back what was decided on rows that the source lacks where `may_go` says so.
    pub(crate) fn ask(
        &mut self,
        shape: &Shape,
        target: &Snapshot,
        mut may_go: impl FnMut(&str, u32) -> Result<bool>,
    ) -> Result<()> {
        let names: Vec<String> =
            shape.columns.iter().filter(|name| shape.target.column(name).is_some()).cloned().collect();
        let mut changes = Vec::with_capacity(self.changes.len());
        for part in self.changes.chunks(OPS_BATCH) {
            let ordinals: Vec<u64> = part.iter().map(|(row, ..)| u64::from(*row)).collect();
            let cells = shape.target_cells(&target.gather(&ordinals, Some(&names))?)?;
            for (change, key) in part.iter().zip(shape.key_texts(&cells)) {
                if key.as_deref().map_or(Ok(true), |key| may_go(key, change.0))? {
                    changes.push(*change);
                } else {
                    self.kept.push(change.0);
                }
            }
        }
        self.changes = changes;
        self.kept.sort_unstable();
        Ok(())
    }

    /// Target rows that the policies would delete or mark.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.len() as u64
    }

    /// Target rows that the policies would delete.
    pub(crate) fn deletes(&self) -> u64 {
        self.deleted().count() as u64
    }

    /// The same, one by one.
    pub(crate) fn deleted(&self) -> impl Iterator<Item = u32> + '_ {
        let deletes = self.changes.iter().filter(|(_, operation, _)| *operation == Operation::Delete);
        deletes.map(|(row, ..)| *row)
    }

    /// Hands the operations to `write`, by batch: rows and expected cells. Rows that bear the mark already are kept.
    pub(crate) fn write(
        &mut self,
        shape: &Shape,
        facts: &TargetFacts,
        target: &Snapshot,
        mut write: impl FnMut(Vec<OpRow>, Vec<StringChunked>) -> Result<()>,
    ) -> Result<()> {
        let names: Vec<String> =
            shape.columns.iter().filter(|name| shape.target.column(name).is_some()).cloned().collect();
        let mut kept = Vec::new();
        for part in self.changes.chunks(OPS_BATCH) {
            let ordinals: Vec<u64> = part.iter().map(|(row, ..)| u64::from(*row)).collect();
            let frame = target.gather(&ordinals, Some(&names))?;
            let cells = shape.target_cells(&frame)?;
            let keys = shape.key_texts(&cells);
            let locators = match frame.column(LOCATOR) {
                Ok(_) => text_columns(&frame, &[LOCATOR.to_owned()])?.pop(),
                Err(_) => None,
            };
            let mut rows = Vec::new();
            let mut places = Vec::new();
            for (place, (row, operation, reason)) in part.iter().enumerate() {
                let mark = shape.mark.as_ref().filter(|_| *operation == Operation::Mark);
                if mark.is_some_and(|mark| is_true(cells[mark.column].get(place))) {
                    kept.push(*row);
                    continue;
                }
                places.push(place);
                rows.push(OpRow {
                    operation: Some(*operation),
                    target: Some(*row),
                    expected: facts.row_hash.get(*row as usize).copied(),
                    identity: facts.identity(*row).map_or_else(|| keys[place].clone(), |id| Some(id.to_owned())),
                    key: keys[place].clone(),
                    locator: locators.as_ref().and_then(|locators| locators.get(place)).map(str::to_owned),
                    reason: Some((*reason).to_owned()),
                    changed: mark.map(|mark| mark.column).into_iter().collect(),
                    ..OpRow::default()
                });
            }
            let cells = cells
                .iter()
                .enumerate()
                .map(|(column, old)| {
                    let mut out = StringChunkedBuilder::new(shape.columns[column].as_str().into(), places.len());
                    for (place, row) in places.iter().zip(&rows) {
                        let yes = shape.mark.as_ref().filter(|mark| mark.column == column).map(|mark| mark.yes);
                        let marked = yes.filter(|_| row.operation == Some(Operation::Mark));
                        out.append_option(marked.or_else(|| old.get(*place)));
                    }
                    out.finish()
                })
                .collect();
            if !rows.is_empty() {
                write(rows, cells)?;
            }
        }
        self.marked_before = kept.len() as u64;
        self.kept.extend(kept);
        self.kept.sort_unstable();
        Ok(())
    }

    /// Rows of records that the plan does not look at: they are expected to stay as they are.
    pub(crate) fn keep(&mut self, rows: impl Iterator<Item = u32>) {
        self.kept.extend(rows);
        self.kept.sort_unstable();
    }

    /// Keeps a note of the rows that are expected to stay as they are, for [`read_kept`].
    pub(crate) fn note_kept(&self, facts: &TargetFacts, path: &Path) -> Result<()> {
        let fail = |error: std::io::Error| Error::io("write", path, &error);
        let mut file = BufWriter::new(File::create(path).map_err(fail)?);
        for row in &self.kept {
            let pair = facts.pair().hash_of(*row).unwrap_or_default();
            let cells = facts.cells_hash[*row as usize];
            for bytes in [pair[0].to_le_bytes(), pair[1].to_le_bytes()] {
                file.write_all(&bytes).map_err(fail)?;
            }
            file.write_all(&cells.to_le_bytes()).map_err(fail)?;
        }
        file.flush().map_err(fail)
    }
}

/// What tombstones do to their target rows.
pub(crate) fn tombstones_are(shape: &Shape) -> Option<Operation> {
    match &shape.mapping.sync.deletes {
        Some(DeletePolicy::Ignore) => None,
        Some(DeletePolicy::Mark(_)) => Some(Operation::Mark),
        Some(DeletePolicy::Propagate) | None => Some(Operation::Delete),
    }
}

/// File of the rows that a plan expects to stay as they are.
pub(crate) fn kept_path(plan_dir: &Path, mapping: &str) -> PathBuf {
    plan_dir.join(format!("{mapping}.kept"))
}

/// Pair hash and hash of the cells of each row that was noted.
pub(crate) fn read_kept(path: &Path) -> Result<Vec<(KeyHash, u128)>> {
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
    let half = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    Ok(bytes
        .chunks_exact(32)
        .map(|row| {
            let cells = u128::from(half(&row[24..32])) << 64 | u128::from(half(&row[16..24]));
            ([half(&row[..8]), half(&row[8..16])], cells)
        })
        .collect())
}
