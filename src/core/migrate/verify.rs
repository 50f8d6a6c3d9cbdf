//! Verify: the target as it is now against the expected image of a plan, record by record (DESIGN §4).
//!
//! Records are paired by identity, by key, then by the mapping's own ways of matching. A pair is equal if each mapped field
//! is, by its write rule. Rows whose hash is as expected are not looked at again, so memory and time go with what differs.
use std::path::{Path, PathBuf};

use polars::prelude::{DataFrame, StringChunked};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::journal::Crosswalk;
use crate::monitor::{Monitor, Progress};
use crate::plan::facts::{CrosswalkFacts, TargetFacts, Wanted};
use crate::plan::ops::{IDENTITY, KEY, OP, OPS_BATCH, PENDING, SOURCE, Store, operation, ops_path};
use crate::plan::shape::{Shape, is_blank, text_columns};
use crate::plan::target_rows::{kept_path, read_kept};
use crate::plan::{MappingPlan, Operation};
use crate::project::WriteRule;
use crate::resolve::keys::{KeyHash, key_hash, show_key};
use crate::score::Tally;
use crate::table::Snapshot;

/// Mismatches that are kept for display.
const KEPT_MISMATCHES: usize = 1_000;

/// How a record is not equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MismatchKind {
    /// Same key, other cells.
    Different,
    /// Expected, not in the target.
    Missing,
    /// In the target, not expected.
    Extra,
}

/// A record that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// Its key; empty if it has none.
    pub key: String,
    /// How.
    pub kind: MismatchKind,
    /// Target columns that differ.
    pub columns: Vec<String>,
    /// Ordinal in the source snapshot of the plan.
    pub source: Option<u64>,
    /// Ordinal in the target as read back.
    pub target: Option<u64>,
    /// What the plan did with it, for missing ones: `rejected`, `held`, `insert` …
    pub operation: Option<Operation>,
}

/// What verifying one mapping found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) tally: Tally,
    /// Rows of the target now.
    pub(crate) rows: u64,
    /// The first mismatches.
    pub(crate) mismatches: Vec<Mismatch>,
}

/// What one mapping is verified by.
pub(crate) struct Verify<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) plan: &'a MappingPlan,
    pub(crate) dir: &'a Path,
    /// The target read back; None if it is not there.
    pub(crate) target: Option<&'a Snapshot>,
    pub(crate) crosswalk: &'a Crosswalk,
    pub(crate) monitor: &'a dyn Monitor,
}

/// File of a plan's mismatches by its last verify.
pub(crate) fn mismatches_path(plan_dir: &Path, mapping: &str) -> PathBuf {
    plan_dir.join(format!("{mapping}.verify.json"))
}

/// One batch of operations, as expected in the target.
struct Batch {
    rows: Vec<Expected>,
    cells: Vec<StringChunked>,
    /// Cells whose parent has no new id: (row, column).
    unresolved: Vec<(usize, usize)>,
    hashes: Vec<u128>,
    wanted: Wanted,
    /// Hash of the key as the target should hold it.
    finals: Vec<Option<KeyHash>>,
}

struct Expected {
    operation: Operation,
    source: Option<u64>,
    key: Option<String>,
    identity: Option<String>,
}

struct Pairing<'a> {
    job: &'a Verify<'a>,
    facts: TargetFacts,
    known: CrosswalkFacts,
    paired: Vec<bool>,
    /// Target rows of records that count elsewhere or not at all.
    excused: Vec<bool>,
    /// Target rows that should be gone.
    undead: Vec<bool>,
    out: Verified,
}

impl Verify<'_> {
    /// Compares.
    pub(crate) fn run(&self) -> Result<Verified> {
        let facts = TargetFacts::read(self.shape, self.target, self.monitor)?;
        let known = CrosswalkFacts::read(&facts, self.crosswalk, &self.plan.to.to_string())?;
        let rows = facts.rows;
        let mut pairing = Pairing {
            job: self,
            facts,
            known,
            paired: vec![false; rows],
            excused: vec![false; rows],
            undead: vec![false; rows],
            out: Verified { rows: rows as u64, ..Verified::default() },
        };
        let store = Store::open(&ops_path(self.dir, &self.plan.mapping))?;
        let mut at = 0;
        let mut sources = 0;
        while at < store.rows() {
            self.monitor.check()?;
            let frame = store.slice(at, OPS_BATCH, None)?;
            at += frame.height() as u64;
            let batch = self.batch(&pairing.facts, &frame)?;
            sources += batch.rows.iter().filter(|row| row.source.is_some()).count() as u64;
            pairing.take(&batch)?;
            self.monitor.report(Progress {
                step: format!("verifying {}", self.plan.to),
                done: at,
                total: Some(store.rows()),
            });
        }
        // Pieces of the source that were no rows are records too, as far as anyone can tell.
        pairing.out.tally.missing += self.plan.counts.read.saturating_sub(sources);
        pairing.kept(&read_kept(&kept_path(self.dir, &self.plan.mapping))?);
        pairing.extras()?;
        Ok(pairing.out)
    }

    fn batch(&self, facts: &TargetFacts, frame: &DataFrame) -> Result<Batch> {
        let shape = self.shape;
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
                let id = self.crosswalk.get(&object, old)?;
                if id.is_none() {
                    unresolved.push((row, link.field));
                }
                new.push(id);
            }
            cells[link.field] = new.into_iter().collect();
        }
        let (codes, sources) = (frame.column(OP)?.u32()?, frame.column(SOURCE)?.u32()?);
        let (keys, identities) = (frame.column(KEY)?.str()?, frame.column(IDENTITY)?.str()?);
        let rows: Vec<Expected> = (0..frame.height())
            .map(|row| Expected {
                operation: codes.get(row).and_then(operation).unwrap_or(Operation::Rejected),
                source: sources.get(row).map(u64::from),
                key: keys.get(row).map(str::to_owned),
                identity: identities.get(row).map(str::to_owned),
            })
            .collect();
        let old = rows.iter().map(|row| row.key.as_deref().map(key_hash)).collect();
        let wanted = Wanted::of(shape, facts, &cells, old)?;
        let finals = shape.key_texts(&cells).iter().map(|key| key.as_deref().map(key_hash)).collect();
        Ok(Batch { hashes: shape.hashes(&cells), wanted, finals, rows, cells, unresolved })
    }
}

impl Pairing<'_> {
    fn take(&mut self, batch: &Batch) -> Result<()> {
        let mut doubtful: Vec<(usize, u32)> = Vec::new();
        for (row, expected) in batch.rows.iter().enumerate() {
            match expected.operation {
                Operation::Insert | Operation::Update | Operation::Unchanged | Operation::Mark => {
                    let waits = batch.unresolved.iter().any(|(waiting, _)| *waiting == row);
                    match self.pair(batch, row) {
                        None => self.miss(expected),
                        Some(at) => {
                            self.paired[at as usize] = true;
                            if !waits && self.facts.cells_hash[at as usize] == batch.hashes[row] {
                                self.out.tally.equal += 1;
                            } else {
                                doubtful.push((row, at));
                            }
                        }
                    }
                }
                Operation::Delete => {
                    for at in self.hits(batch, row) {
                        self.undead[at as usize] = true;
                    }
                }
                Operation::Filtered | Operation::Merged => self.excuse(batch, row),
                Operation::Held | Operation::Rejected => {
                    self.excuse(batch, row);
                    self.miss(expected);
                }
            }
        }
        self.look(batch, &doubtful)
    }

    /// Target rows that may be this record: by identity, by key, by the mapping's ways of matching.
    fn hits(&self, batch: &Batch, row: usize) -> Vec<u32> {
        let shape = self.job.shape;
        let expected = &batch.rows[row];
        if shape.identity.is_some() {
            let given = expected.identity.as_deref().map(|id| self.facts.pair().find(key_hash(id)).rows().to_vec());
            let learned = || {
                expected.key.as_deref().and_then(|key| self.known.row(&self.facts, key_hash(key))).map(|at| vec![at])
            };
            if let Some(rows) = given.filter(|rows| !rows.is_empty()).or_else(learned) {
                return rows;
            }
        } else if let Some(key) = batch.finals[row] {
            let rows = self.facts.pair().find(key).rows().to_vec();
            if !rows.is_empty() {
                return rows;
            }
        }
        if self.facts.rows == 0 {
            return Vec::new();
        }
        batch.wanted.find(shape, &self.facts, &self.known, row).hits.rows().to_vec()
    }

    /// The target row of a record: among several, one that is as expected, else the first that is free.
    fn pair(&self, batch: &Batch, row: usize) -> Option<u32> {
        let hits = self.hits(batch, row);
        let free = |at: &&u32| !self.paired[**at as usize];
        let equal = hits.iter().filter(free).find(|at| self.facts.cells_hash[**at as usize] == batch.hashes[row]);
        equal.or_else(|| hits.iter().find(free)).copied()
    }

    fn excuse(&mut self, batch: &Batch, row: usize) {
        for at in self.hits(batch, row) {
            self.excused[at as usize] = true;
        }
    }

    fn miss(&mut self, expected: &Expected) {
        self.out.tally.missing += 1;
        self.note(Mismatch {
            key: expected.key.as_deref().map(show_key).unwrap_or_default(),
            kind: MismatchKind::Missing,
            columns: Vec::new(),
            source: expected.source,
            target: None,
            operation: Some(expected.operation),
        });
    }

    fn note(&mut self, mismatch: Mismatch) {
        if self.out.mismatches.len() < KEPT_MISMATCHES {
            self.out.mismatches.push(mismatch);
        }
    }

    /// Compares pairs cell by cell.
    fn look(&mut self, batch: &Batch, doubtful: &[(usize, u32)]) -> Result<()> {
        let (Some(target), false) = (self.job.target, doubtful.is_empty()) else { return Ok(()) };
        let shape = self.job.shape;
        let names: Vec<String> =
            shape.columns.iter().filter(|name| shape.target.column(name).is_some()).cloned().collect();
        let ordinals: Vec<u64> = doubtful.iter().map(|(_, at)| u64::from(*at)).collect();
        let there = shape.target_cells(&target.gather(&ordinals, Some(&names))?)?;
        for (place, (row, at)) in doubtful.iter().enumerate() {
            let differs = |column: usize| {
                let (wanted, found) = (batch.cells[column].get(*row), there[column].get(place));
                match shape.rules[column] {
                    WriteRule::Create | WriteRule::Never => false,
                    _ if batch.unresolved.contains(&(*row, column)) => true,
                    WriteRule::IfBlank => is_blank(found) && !is_blank(wanted),
                    WriteRule::Always => !shape.same(column, wanted, found),
                }
            };
            let columns: Vec<String> = (0..shape.columns.len())
                .filter(|column| differs(*column))
                .map(|column| shape.columns[column].clone())
                .collect();
            if columns.is_empty() {
                self.out.tally.equal += 1;
                continue;
            }
            self.out.tally.different += 1;
            let expected = &batch.rows[*row];
            self.note(Mismatch {
                key: expected.key.as_deref().map(show_key).unwrap_or_default(),
                kind: MismatchKind::Different,
                columns,
                source: expected.source,
                target: Some(u64::from(*at)),
                operation: Some(expected.operation),
            });
        }
        Ok(())
    }

    /// Target rows in scope without a source row, which the plan leaves as they were.
    fn kept(&mut self, kept: &[(KeyHash, u128)]) {
        for (pair, cells) in kept.iter().filter(|(pair, _)| *pair != KeyHash::default()) {
            let hits = self.facts.pair().find(*pair).rows().to_vec();
            let free = |at: &&u32| !self.paired[**at as usize];
            let equal = hits.iter().filter(free).find(|at| self.facts.cells_hash[**at as usize] == *cells);
            match equal.or_else(|| hits.iter().find(free)).copied() {
                Some(at) => {
                    self.paired[at as usize] = true;
                    if self.facts.cells_hash[at as usize] == *cells {
                        self.out.tally.equal += 1;
                    } else {
                        self.out.tally.different += 1;
                    }
                }
                None => self.out.tally.missing += 1,
            }
        }
    }

    /// Target rows in scope that nothing expects.
    fn extras(&mut self) -> Result<()> {
        let mut scope = std::mem::take(&mut self.facts.scope);
        if self.job.shape.scope.is_none() {
            self.known.add_to_scope(&mut scope);
        }
        let extra: Vec<u32> = (0..self.facts.rows as u32)
            .filter(|at| {
                let at = *at as usize;
                let named = self.facts.pair().hash_of(at as u32).is_some();
                !self.paired[at] && (self.undead[at] || (scope[at] && !self.excused[at] && named))
            })
            .collect();
        self.out.tally.extra += extra.len() as u64;
        let room = KEPT_MISMATCHES.saturating_sub(self.out.mismatches.len());
        let shown: Vec<u64> = extra.iter().take(room).map(|at| u64::from(*at)).collect();
        let (Some(target), false) = (self.job.target, shown.is_empty()) else { return Ok(()) };
        let shape = self.job.shape;
        let names: Vec<String> =
            shape.columns.iter().filter(|name| shape.target.column(name).is_some()).cloned().collect();
        let keys = shape.key_texts(&shape.target_cells(&target.gather(&shown, Some(&names))?)?);
        for (at, key) in shown.into_iter().zip(keys) {
            self.note(Mismatch {
                key: key.as_deref().map(show_key).unwrap_or_default(),
                kind: MismatchKind::Extra,
                columns: Vec::new(),
                source: None,
                target: Some(at),
                operation: None,
            });
        }
        Ok(())
    }
}

/// Keeps what a verify found beside its plan.
pub(crate) fn keep_mismatches(dir: &Path, mapping: &str, mismatches: &[Mismatch]) -> Result<()> {
    let path = mismatches_path(dir, mapping);
    let text = serde_json::to_vec(mismatches).map_err(|_| Error::platform("mismatches cannot be written"))?;
    std::fs::write(&path, text).map_err(|error| Error::io("write", &path, &error))
}

/// Reads [`keep_mismatches`] back; none if there was no verify.
pub(crate) fn read_mismatches(dir: &Path, mapping: &str) -> Result<Vec<Mismatch>> {
    let path = mismatches_path(dir, mapping);
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|_| Error::platform(format!("{} cannot be understood", path.display())).advise("verify again")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("read", &path, &error)),
    }
}
