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
use crate::table::hash::row_hash;

/// A delete that waits for other rows of its mapping, or was refused because of them.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    /// Its place among the plan's changes.
    pub(super) place: u64,
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
        first: u64,
        batch: &ChangeBatch,
        row_of: impl Fn(usize) -> (Option<u64>, Option<String>, Option<String>),
    ) -> Vec<usize> {
        let wait = self.writer.deletes_last() && self.trail.is_none() && !self.reverts();
        let Some(locators) = batch.locators.as_ref().filter(|_| wait) else { return Vec::new() };
        let deletes: Vec<usize> = (0..batch.kinds.len()).filter(|at| batch.kinds[*at] == ChangeKind::Delete).collect();
        self.again.extend(deletes.iter().map(|at| {
            let (source, key, identity) = row_of(*at);
            let (ordinal, locator, expected) = (batch.ordinals[*at], locators[*at].clone(), batch.expected[*at]);
            Waiting { place: first + *at as u64, ordinal, locator, expected, source, key, identity }
        }));
        deletes
    }

    /// A refused delete may go when other rows are written.
    pub(super) fn may_wait(&self) -> bool {
        self.trail.is_none() || self.reverts()
    }

    /// Deletes that waited for rows of the same mapping, or were refused because they pointed there: last first, as long as
    /// some go.
    pub(super) fn delete_again(&mut self, images: &mut PreImages, target: Option<&Snapshot>) -> Result<()> {
        let mut waiting: Vec<Waiting> = std::mem::take(&mut self.stuck).into_iter().map(|(row, _)| row).collect();
        waiting.extend(std::mem::take(&mut self.again).into_iter().rev());
        while let Some(target) = target.filter(|_| !waiting.is_empty()) {
            let (before, mut refused) = (waiting.len(), Vec::new());
            for part in std::mem::take(&mut waiting).chunks(crate::plan::ops::OPS_BATCH) {
                self.begin_batch()?;
                let batch = deletes_of(&self.plan.write_columns(), part)?;
                let results = self.writer.change(&batch, &WithinBatch(self.run.monitor))?;
                let (mut gone, mut lost) = (Vec::new(), Vec::new());
                for (row, result) in part.iter().zip(results) {
                    match result {
                        RowResult::Written(_) => {
                            self.outcome.wrote(Operation::Delete);
                            if let Some(id) = row.identity.as_deref().or(row.key.as_deref()) {
                                self.stage.push("", id, Fate::Deleted)?;
                            }
                            gone.push(row);
                        }
                        RowResult::Refused(words) => refused.push((row.clone(), words)),
                        RowResult::Moved => {
                            self.undone.extend(row.key.clone());
                            lost.push((Operation::Delete, row.unwritten(Why::Moved)));
                        }
                    }
                }
                self.note_gone(gone, images, target)?;
                self.outcome.lost(&self.source, lost)?;
                self.end_batch(part.len())?;
            }
            if refused.len() == before {
                self.stuck = refused;
                break;
            }
            waiting = refused.into_iter().map(|(row, _)| row).collect();
        }
        Ok(())
    }

    /// Keeps what rows were that go.
    fn note_gone(&mut self, mut rows: Vec<&Waiting>, images: &mut PreImages, target: &Snapshot) -> Result<()> {
        rows.sort_by_key(|row| row.ordinal);
        let gone: Vec<(u64, ChangeKind)> = rows.iter().map(|row| (row.ordinal, ChangeKind::Delete)).collect();
        images.keep(target, &gone, Vec::new())?;
        self.post.note(rows.into_iter().map(|row| PostImage {
            wrote: Wrote::Delete,
            ordinal: Some(row.ordinal),
            place: None,
            key: row.key.clone(),
            identity: row.identity.clone(),
            hash: None,
        }))
    }

    /// A refused change of a revert may be one that names a row which is put back later in the same run.
    pub(super) fn may_come_later(&self) -> bool {
        self.reverts() && !self.is_last && self.trail.is_none()
    }

    /// Lets a change wait for the other mappings of the run ([`super::waited`]). Answers how its row is known; its hash is
    /// what it will read then.
    pub(super) fn put_off(
        &mut self,
        place: u64,
        kind: ChangeKind,
        (ordinal, key, identity): (u64, Option<String>, Option<String>),
    ) -> PostImage {
        self.waiting.push(place);
        self.outcome.counts.held += 1;
        PostImage { wrote: Wrote::from(kind), ordinal: Some(ordinal), place: None, key, identity, hash: None }
    }

    /// Deletes that do not go now wait for the other mappings of the run ([`super::waited`]), as long as there are any; else they are told of. What they were is kept already: a row that stays after all is no different from what it
    /// was, so whoever takes the run back lets it be.
    pub(super) fn give_up(&mut self, images: &mut PreImages, target: Option<&Snapshot>) -> Result<()> {
        let stuck = std::mem::take(&mut self.stuck);
        let Some(target) = target.filter(|_| !stuck.is_empty()) else { return Ok(()) };
        self.undone.extend(stuck.iter().filter_map(|(row, _)| row.key.clone()));
        if self.is_last || self.trail.is_some() {
            let lost = stuck.into_iter().map(|(row, words)| (Operation::Delete, row.unwritten(Why::Refused(words))));
            return self.outcome.lost(&self.source, lost.collect());
        }
        self.waiting.extend(stuck.iter().map(|(row, _)| row.place));
        self.note_gone(stuck.iter().map(|(row, _)| row).collect(), images, target)
    }
}

impl Waiting {
    /// It was not deleted.
    pub(super) fn unwritten(&self, why: Why) -> Unwritten {
        Unwritten { source: self.source, key: self.key.clone(), why }
    }
}

/// Hashes of the rows as they will read once these values are written; None where they are not all of a row's cells.
pub(super) fn whole_rows(values: &DataFrame, target: &Snapshot) -> Result<Option<Vec<u128>>> {
    let names: Vec<String> = target.meta().schema.names().map(str::to_owned).collect();
    if names.iter().any(|name| values.column(name).is_err()) {
        return Ok(None);
    }
    row_hash(values, &names).map(Some)
}

/// A batch of deletes.
pub(super) fn deletes_of(columns: &[String], rows: &[Waiting]) -> Result<ChangeBatch> {
    let nulls = columns.iter().map(|name| StringChunked::full_null(name.as_str().into(), rows.len()));
    Ok(ChangeBatch {
        kinds: vec![ChangeKind::Delete; rows.len()],
        ordinals: rows.iter().map(|row| row.ordinal).collect(),
        locators: Some(rows.iter().map(|row| row.locator.clone()).collect()),
        expected: rows.iter().map(|row| row.expected).collect(),
        values: DataFrame::new(rows.len(), nulls.map(IntoColumn::into_column).collect())?,
    })
}
