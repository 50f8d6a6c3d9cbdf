//! Deletes that come when all other changes are made: rows that name each other.
use polars::prelude::{ChunkFullNull, DataFrame, IntoColumn, StringChunked};

use super::mapping::Writing;
use super::outcome::{Unwritten, Why};
use super::postimages::{PostImage, Wrote};
use super::preimages::PreImages;
use super::staged::Fate;
use crate::error::Result;
use crate::monitor::WithinBatch;
use crate::plan::Operation;
use crate::platform::{ChangeBatch, ChangeKind, RowResult};
use crate::table::Snapshot;

/// A delete that waits for other rows of its mapping, or was refused because of them.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) ordinal: u64,
    pub(super) locator: String,
    pub(super) expected: u128,
    pub(super) source: Option<u64>,
    pub(super) key: Option<String>,
    pub(super) identity: Option<String>,
}

impl Writing<'_, '_> {
    /// Rows of a table that name each other: those that are to name another one, or none, do so before the one that they
    /// name is deleted, for the table may change or delete them for it, or refuse. Answers which rows of the batch wait.
    pub(super) fn wait_with_deletes(
        &mut self,
        batch: &ChangeBatch,
        row_of: impl Fn(usize) -> (Option<u64>, Option<String>, Option<String>),
    ) -> Vec<usize> {
        let wait = self.writer.deletes_last() && self.trail.is_none() && !self.reverts();
        let Some(locators) = batch.locators.as_ref().filter(|_| wait) else { return Vec::new() };
        let deletes: Vec<usize> = (0..batch.kinds.len()).filter(|at| batch.kinds[*at] == ChangeKind::Delete).collect();
        self.again.extend(deletes.iter().map(|at| {
            let (source, key, identity) = row_of(*at);
            let (ordinal, locator, expected) = (batch.ordinals[*at], locators[*at].clone(), batch.expected[*at]);
            Waiting { ordinal, locator, expected, source, key, identity }
        }));
        deletes
    }

    /// Deletes that waited for rows of the same mapping, or were refused because they pointed there: last first, as long as
    /// some go.
    pub(super) fn delete_again(&mut self, images: &mut PreImages, target: Option<&Snapshot>) -> Result<()> {
        let mut waiting = std::mem::take(&mut self.again);
        waiting.reverse();
        while let Some(target) = target.filter(|_| !waiting.is_empty()) {
            let (before, mut refused) = (waiting.len(), Vec::new());
            for part in std::mem::take(&mut waiting).chunks(crate::plan::ops::OPS_BATCH) {
                self.begin_batch()?;
                let columns = self.plan.write_columns();
                let nulls = columns.iter().map(|name| StringChunked::full_null(name.as_str().into(), part.len()));
                let batch = ChangeBatch {
                    kinds: vec![ChangeKind::Delete; part.len()],
                    ordinals: part.iter().map(|row| row.ordinal).collect(),
                    locators: Some(part.iter().map(|row| row.locator.clone()).collect()),
                    expected: part.iter().map(|row| row.expected).collect(),
                    values: DataFrame::new(part.len(), nulls.map(IntoColumn::into_column).collect())?,
                };
                let results = self.writer.change(&batch, &WithinBatch(self.run.monitor))?;
                let (mut gone, mut lost, mut post) = (Vec::new(), Vec::new(), Vec::new());
                for (row, result) in part.iter().zip(results) {
                    match result {
                        RowResult::Written(_) => {
                            self.outcome.wrote(Operation::Delete);
                            gone.push((row.ordinal, ChangeKind::Delete));
                            if let Some(id) = row.identity.as_deref().or(row.key.as_deref()) {
                                self.stage.push("", id, Fate::Deleted)?;
                            }
                            post.push(PostImage {
                                wrote: Wrote::Delete,
                                ordinal: Some(row.ordinal),
                                place: None,
                                key: row.key.clone(),
                                identity: row.identity.clone(),
                                hash: None,
                            });
                        }
                        RowResult::Refused(words) => refused.push((row.clone(), words)),
                        RowResult::Moved => lost.push((
                            Operation::Delete,
                            Unwritten { source: row.source, key: row.key.clone(), why: Why::Moved },
                        )),
                    }
                }
                gone.sort_by_key(|(ordinal, _)| *ordinal);
                images.keep(target, &gone, Vec::new())?;
                self.post.note(post)?;
                self.outcome.lost(&self.source, lost)?;
                self.end_batch(part.len())?;
            }
            if refused.len() == before {
                let lost = refused.into_iter().map(|(row, words)| {
                    (Operation::Delete, Unwritten { source: row.source, key: row.key, why: Why::Refused(words) })
                });
                let lost = lost.collect();
                self.outcome.lost(&self.source, lost)?;
                break;
            }
            waiting = refused.into_iter().map(|(row, _)| row).collect();
        }
        Ok(())
    }
}
