//! Reading operations back, as a run needs them.
use std::path::Path;

use polars::prelude::{BooleanChunked, DataFrame, NewChunkedArray, StringChunked};

use super::{BEFORE, ChangeRun, IDENTITY, KEY, OP, OPS_BATCH, PENDING, SOURCE, Store, code, ops_path};
use crate::error::Result;
use crate::plan::{MappingPlan, Operation, PlanLink};
use crate::platform::ChangeBatch;

/// A cell that waits for its parent's new id. Its cell in the values is NULL until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLink {
    /// Row within the batch.
    pub row: usize,
    /// Index into [`MappingPlan::links`].
    pub link: usize,
    /// Old key of the parent: ask the crosswalk of the link's object for its new id.
    pub key: String,
}

/// Target rows to change, ascending by ordinal.
#[derive(Debug, Clone)]
pub struct Changes {
    /// What the writer gets; marks are updates there. Columns of `values`: [`MappingPlan::write_columns`].
    pub batch: ChangeBatch,
    /// The plan's operation of each row: update, delete or mark.
    pub operations: Vec<Operation>,
    /// Source ordinal of each row; None for rows that the source lacks.
    pub sources: Vec<Option<u64>>,
    /// Old key of each row.
    pub keys: Vec<Option<String>>,
    /// Identity of each target row as planned.
    pub identities: Vec<Option<String>>,
    /// Cells that wait for a parent.
    pub pending: Vec<PendingLink>,
    /// Reverts: the rows byte for byte, where the platform once gave them; else empty.
    pub originals: Vec<Option<Vec<u8>>>,
}

/// Rows to insert, in source order.
#[derive(Debug, Clone)]
pub struct Inserts {
    /// Source ordinal of each row.
    pub sources: Vec<u64>,
    /// Old key of each row.
    pub keys: Vec<String>,
    /// Values, columns as [`MappingPlan::write_columns`].
    pub values: DataFrame,
    /// Cells that wait for a parent.
    pub pending: Vec<PendingLink>,
}

/// Rows of the source whose target row is there already (updated or unchanged): what the crosswalk learns by matching.
#[derive(Debug, Clone, Default)]
pub struct Present {
    /// Old key of each row.
    pub keys: Vec<String>,
    /// Identity of its target row.
    pub identities: Vec<String>,
}

/// Reads a mapping's operations.
#[derive(Clone)]
pub struct OpsReader {
    pub(super) store: Store,
    pub(super) columns: Vec<String>,
    pub(super) links: Vec<PlanLink>,
}

impl OpsReader {
    /// Opens the operations of a mapping of a plan kept in `plan_dir`.
    pub fn open(plan_dir: &Path, mapping: &MappingPlan) -> Result<Self> {
        let store = Store::open(&ops_path(plan_dir, &mapping.mapping))?;
        Ok(Self { store, columns: mapping.write_columns(), links: mapping.links.clone() })
    }
    /// The table behind it.
    pub fn store(&self) -> &Store {
        &self.store
    }
    /// Updates, deletes and marks, ascending by target ordinal over the whole run. Memory is bounded: many changes in
    /// another order are sorted through files in `temp` (an existing folder; they are removed on drop).
    pub fn changes(&self, temp: &Path) -> Result<ChangeRun> {
        ChangeRun::new(self.clone(), temp)
    }
    /// Inserts in source order.
    pub fn inserts(&self) -> InsertRun {
        InsertRun { reader: self.clone(), at: 0 }
    }
    /// Slices of [`OPS_BATCH`] operations.
    pub fn slices(&self) -> u64 {
        self.store.rows().div_ceil(OPS_BATCH as u64)
    }
    /// The inserts of one slice, which may have none.
    pub fn inserts_of(&self, slice: u64) -> Result<Inserts> {
        let frame = self.store.slice(slice * OPS_BATCH as u64, OPS_BATCH, None)?;
        let mut inserts = mask(&frame, &[Operation::Insert])?;
        // What is put back at its place is a change.
        if let Ok(before) = frame.column(BEFORE) {
            inserts = inserts & before.is_null();
        }
        let frame = frame.filter(&inserts)?;
        Ok(Inserts {
            sources: frame.column(SOURCE)?.u32()?.iter().map(|at| u64::from(at.unwrap_or_default())).collect(),
            keys: frame.column(KEY)?.str()?.iter().map(|key| key.unwrap_or_default().to_owned()).collect(),
            values: self.values(&frame)?,
            pending: self.pending(&frame)?,
        })
    }
    /// Rows that the target has already, in source order.
    pub fn present(&self) -> PresentRun {
        PresentRun { reader: self.clone(), at: 0 }
    }

    pub(super) fn pending(&self, frame: &DataFrame) -> Result<Vec<PendingLink>> {
        let mut pending = Vec::new();
        for (link, field) in self.links.iter().enumerate() {
            let column = frame.column(&format!("{PENDING}{}", field.column))?.str()?;
            if column.null_count() == column.len() {
                continue;
            }
            for (row, key) in column.iter().enumerate() {
                if let Some(key) = key {
                    pending.push(PendingLink { row, link, key: key.to_owned() });
                }
            }
        }
        pending.sort_by_key(|cell| (cell.row, cell.link));
        Ok(pending)
    }
    pub(super) fn values(&self, frame: &DataFrame) -> Result<DataFrame> {
        Ok(frame.select(self.columns.iter().map(String::as_str))?)
    }
}

/// Rows whose operation is one of these.
pub(super) fn mask(frame: &DataFrame, operations: &[Operation]) -> Result<BooleanChunked> {
    let codes: Vec<u32> = operations.iter().map(|operation| code(*operation)).collect();
    let column = frame.column(OP)?.u32()?;
    Ok(BooleanChunked::from_iter_values(
        "mask".into(),
        column.iter().map(|known| known.is_some_and(|known| codes.contains(&known))),
    ))
}

pub(super) fn texts(column: &StringChunked) -> Vec<Option<String>> {
    column.iter().map(|cell| cell.map(str::to_owned)).collect()
}

/// See [`OpsReader::inserts`].
pub struct InsertRun {
    reader: OpsReader,
    at: u64,
}

impl InsertRun {
    fn step(&mut self) -> Result<Option<Inserts>> {
        while self.at < self.reader.slices() {
            let inserts = self.reader.inserts_of(self.at)?;
            self.at += 1;
            if !inserts.keys.is_empty() {
                return Ok(Some(inserts));
            }
        }
        Ok(None)
    }
}

impl Iterator for InsertRun {
    type Item = Result<Inserts>;
    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// See [`OpsReader::present`].
pub struct PresentRun {
    reader: OpsReader,
    at: u64,
}

impl PresentRun {
    fn step(&mut self) -> Result<Option<Present>> {
        let columns = [OP, KEY, IDENTITY].map(str::to_owned);
        while self.at < self.reader.store.rows() {
            let frame = self.reader.store.slice(self.at, OPS_BATCH, Some(&columns))?;
            self.at += frame.height() as u64;
            let frame = frame.filter(&mask(&frame, &[Operation::Update, Operation::Unchanged])?)?;
            let mut present = Present::default();
            for (key, identity) in frame.column(KEY)?.str()?.iter().zip(frame.column(IDENTITY)?.str()?.iter()) {
                if let (Some(key), Some(identity)) = (key, identity) {
                    present.keys.push(key.to_owned());
                    present.identities.push(identity.to_owned());
                }
            }
            if !present.keys.is_empty() {
                return Ok(Some(present));
            }
        }
        Ok(None)
    }
}

impl Iterator for PresentRun {
    type Item = Result<Present>;
    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
