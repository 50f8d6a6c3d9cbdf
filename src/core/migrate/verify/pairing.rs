//! Pairs expected records with target rows.
//!
//! Equal records find each other in the first pass. A record that differs takes its target row at once where nobody else
//! could want it; else it waits for a second look at what is left over, so that the order of the rows decides nothing.
use polars::prelude::StringChunked;

use super::batch::{Batch, Expected};
use super::gone::{Gone, undead};
use super::{Failure, FailureCell, KEPT_FAILURES, RecordState, Verified, Verify};
use crate::error::Result;
use crate::monitor::Progress;
use crate::plan::Operation;
use crate::plan::facts::{CrosswalkFacts, TargetFacts};
use crate::plan::ops::{OPS_BATCH, Store, ops_path};
use crate::plan::target_rows::{kept_path, read_kept};
use crate::project::WriteRule;
use crate::resolve::keys::{KeyHash, key_hash, show_key};

/// Target rows of one key that one record is compared with, cell by cell, before the first is taken.
const CANDIDATES: usize = 8;

/// See the module.
pub(super) struct Pairing<'a> {
    job: &'a Verify<'a>,
    facts: TargetFacts,
    known: CrosswalkFacts,
    /// Rows that the plan leaves as they are, by pair hash.
    kept: Vec<(KeyHash, u128)>,
    /// Two records may have the same key in the target: it keeps keys that the source would give otherwise.
    keys_move: bool,
    paired: Vec<bool>,
    /// Target rows of records that count elsewhere or not at all.
    excused: Vec<bool>,
    gone: Vec<Gone>,
    /// Places in the operations of records that wait for the second pass.
    waiting: Vec<u32>,
    out: Verified,
}

/// Target rows that may be a record.
struct Found {
    rows: Vec<u32>,
    /// By key.
    by_key: bool,
    /// By identity or key, and no other record is meant.
    sure: bool,
}

impl<'a> Pairing<'a> {
    pub(super) fn begin(job: &'a Verify<'a>) -> Result<Self> {
        let facts = TargetFacts::read(job.shape, job.target, job.monitor)?;
        let known = CrosswalkFacts::read(job.shape, &facts, job.crosswalk, &job.plan.to.to_string())?;
        // Of chosen rows nothing is said about the rest of the target.
        let mut kept = if job.partial { Vec::new() } else { read_kept(&kept_path(job.dir, &job.plan.mapping))? };
        kept.retain(|(pair, _)| *pair != KeyHash::default());
        kept.sort_unstable();
        let rows = facts.rows;
        Ok(Self {
            job,
            known,
            kept,
            keys_move: job.shape.keys.iter().any(|key| job.shape.rules[*key] != WriteRule::Always),
            paired: vec![false; rows],
            excused: vec![false; rows],
            gone: Vec::new(),
            waiting: Vec::new(),
            out: Verified { rows: rows as u64, ..Verified::default() },
            facts,
        })
    }

    pub(super) fn run(mut self) -> Result<Verified> {
        let store = Store::open(&ops_path(self.job.dir, &self.job.plan.mapping))?;
        let mut at = 0;
        let mut sources = 0;
        while at < store.rows() {
            self.job.monitor.check()?;
            let frame = store.slice(at, OPS_BATCH, None)?;
            let batch = Batch::of(self.job, &self.facts, &frame)?;
            sources += batch.rows.iter().filter(|row| row.source.is_some()).count() as u64;
            self.take(&batch, at as u32)?;
            at += frame.height() as u64;
            self.job.monitor.report(Progress {
                step: format!("verifying {}", self.job.plan.to),
                done: at,
                total: Some(store.rows()),
            });
        }
        // Pieces of the source that were no rows are records too, as far as anyone can tell.
        let by_ledger = self.job.plan.incremental.as_ref().map_or(0, |it| it.unchanged + it.filtered);
        let pieces = self.job.plan.counts.read.saturating_sub(sources + by_ledger);
        self.out.tally.missing += pieces;
        self.out.states.add(RecordState::Suspended, pieces);
        let kept = std::mem::take(&mut self.kept);
        let left = self.equal_kept(kept);
        self.second_pass(&store)?;
        self.left_kept(&left);
        self.extras()?;
        Ok(self.out)
    }

    /// The first pass over a batch, whose first row is at this place of the operations.
    fn take(&mut self, batch: &Batch, first: u32) -> Result<()> {
        let mut doubtful: Vec<(usize, Vec<u32>)> = Vec::new();
        for (row, expected) in batch.rows.iter().enumerate() {
            match expected.operation {
                // Marked or not, a target row without key and identity is nobody's record: null keys are never equal.
                Operation::Mark if expected.identity.is_none() && batch.finals[row].is_none() => {}
                Operation::Insert | Operation::Update | Operation::Unchanged | Operation::Mark => {
                    let found = self.find(batch, row);
                    match self.equal(&found.rows, batch.hashes[row], batch.waits(row)) {
                        Some(at) => {
                            self.paired[at as usize] = true;
                            self.count(RecordState::Validated);
                        }
                        None if found.rows.is_empty() => self.miss(expected),
                        None => match found.rows[..] {
                            [one] if found.sure && self.free(one) && !self.contested(one) => {
                                self.paired[one as usize] = true;
                                doubtful.push((row, vec![one]));
                            }
                            _ => self.waiting.push(first + row as u32),
                        },
                    }
                }
                Operation::Delete => {
                    let named = self.job.shape.identity.is_some();
                    let identity = expected.identity.as_deref().filter(|_| named).map(key_hash);
                    self.gone.push(Gone { pair: identity.or(batch.finals[row]), row_hash: expected.row_hash });
                }
                Operation::Filtered => self.excuse(batch, row),
                Operation::Merged => {
                    // Rows of its key are its survivor's business.
                    if !self.find(batch, row).by_key {
                        self.excuse(batch, row);
                    }
                }
                Operation::Held | Operation::Rejected => {
                    self.excuse(batch, row);
                    self.out.tally.missing += 1;
                    self.fail(failure(expected, RecordState::Suspended));
                }
            }
        }
        self.look(batch, &doubtful)
    }

    /// Records that differ and whose target row was not plain: they get what nobody found equal.
    fn second_pass(&mut self, store: &Store) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut rest = waiting.as_slice();
        while let Some(first) = rest.first() {
            self.job.monitor.check()?;
            let start = *first - *first % OPS_BATCH as u32;
            let (here, after) = rest.split_at(rest.partition_point(|at| *at < start + OPS_BATCH as u32));
            rest = after;
            let frame = store.slice(u64::from(start), OPS_BATCH, None)?;
            let batch = Batch::of(self.job, &self.facts, &frame)?;
            for at in here {
                let row = (*at - start) as usize;
                let mut rows = self.find(&batch, row).rows;
                rows.retain(|at| self.free(*at));
                rows.truncate(CANDIDATES);
                if rows.is_empty() {
                    self.miss(&batch.rows[row]);
                } else {
                    self.look(&batch, &[(row, rows)])?;
                }
            }
        }
        Ok(())
    }

    /// Target rows that may be this record: by identity, by key, by the mapping's ways of matching.
    fn find(&self, batch: &Batch, row: usize) -> Found {
        let shape = self.job.shape;
        let expected = &batch.rows[row];
        if shape.identity.is_some() {
            let given = expected.identity.as_deref().map(|id| self.facts.pair().find(key_hash(id)).rows().to_vec());
            let learned = || {
                expected.key.as_deref().and_then(|key| self.known.row(&self.facts, key_hash(key))).map(|at| vec![at])
            };
            if let Some(rows) = given.filter(|rows| !rows.is_empty()).or_else(learned) {
                return Found { rows, by_key: false, sure: true };
            }
        } else if let Some(key) = batch.finals[row] {
            let rows = self.facts.pair().find(key).rows().to_vec();
            if !rows.is_empty() {
                return Found { rows, by_key: true, sure: !self.keys_move };
            }
        }
        if self.facts.rows == 0 {
            return Found { rows: Vec::new(), by_key: false, sure: true };
        }
        let found = batch.wanted.find(shape, &self.facts, &self.known, row);
        Found { rows: found.hits.rows().to_vec(), by_key: false, sure: false }
    }

    fn free(&self, at: u32) -> bool {
        !self.paired[at as usize]
    }

    /// A free row among these that is as expected to the letter.
    fn equal(&self, rows: &[u32], hash: u128, waits: bool) -> Option<u32> {
        let equal = |at: &&u32| self.free(**at) && self.facts.cells_hash[**at as usize] == hash;
        rows.iter().find(equal).copied().filter(|_| !waits)
    }

    /// A row that the plan left alone has the same key and may want this one.
    fn contested(&self, at: u32) -> bool {
        let pair = self.facts.pair().hash_of(at);
        pair.is_some_and(|pair| self.kept.binary_search_by_key(&pair, |(kept, _)| *kept).is_ok())
    }

    fn excuse(&mut self, batch: &Batch, row: usize) {
        for at in self.find(batch, row).rows {
            self.excused[at as usize] = true;
        }
    }

    fn miss(&mut self, expected: &Expected) {
        self.out.tally.missing += 1;
        let suspended = expected.source.is_some_and(|source| self.job.unwritten.contains(&source));
        let state = if suspended { RecordState::Suspended } else { RecordState::MissingTarget };
        self.mend(expected, state);
        self.fail(failure(expected, state));
    }

    /// A record that a plan over its source row can mend.
    fn mend(&mut self, expected: &Expected, state: RecordState) {
        let mends = matches!(state, RecordState::Mismatched | RecordState::MissingTarget);
        if let Some(source) = expected.source.filter(|_| mends) {
            self.out.mend.push(source as u32);
        }
    }

    fn count(&mut self, state: RecordState) {
        if state == RecordState::Validated {
            self.out.tally.equal += 1;
        }
        self.out.states.add(state, 1);
    }

    /// Counts a record that is not as expected by its state, and keeps it; the tally is the caller's.
    fn fail(&mut self, failure: Failure) {
        self.count(failure.state);
        if self.out.failures.len() < KEPT_FAILURES {
            self.out.failures.push(failure);
        }
    }

    /// Compares records cell by cell with the target rows that each may have: it takes the first that is equal by the
    /// write rules, else the first.
    fn look(&mut self, batch: &Batch, doubtful: &[(usize, Vec<u32>)]) -> Result<()> {
        let (Some(target), false) = (self.job.target, doubtful.is_empty()) else { return Ok(()) };
        let shape = self.job.shape;
        let names = names_there(self.job);
        let ordinals: Vec<u64> = doubtful.iter().flat_map(|(_, rows)| rows).map(|at| u64::from(*at)).collect();
        let there = shape.target_cells(&target.gather(&ordinals, Some(&names))?)?;
        let mut place = 0;
        for (row, rows) in doubtful {
            let places = place..place + rows.len();
            place = places.end;
            let differing: Vec<Vec<usize>> =
                places.clone().map(|place| batch.differing(self.job, *row, &there, place)).collect();
            let taken = differing.iter().position(Vec::is_empty).unwrap_or_default();
            self.paired[rows[taken] as usize] = true;
            let columns = &differing[taken];
            if columns.is_empty() {
                self.count(RecordState::Validated);
                continue;
            }
            self.out.tally.different += 1;
            let expected = &batch.rows[*row];
            let state = if expected.source.is_some_and(|source| self.job.unwritten.contains(&source)) {
                RecordState::Suspended
            } else if columns.iter().all(|column| batch.waits_for(*row, *column)) {
                RecordState::Pending
            } else {
                RecordState::Mismatched
            };
            self.mend(expected, state);
            let mut cells = Vec::new();
            if self.out.failures.len() < self.job.values {
                let place = places.start + taken;
                cells.extend(columns.iter().map(|at| cell(&batch.cells[*at], *row, &there[*at], place)));
            }
            self.fail(Failure {
                columns: columns.iter().map(|column| shape.columns[*column].clone()).collect(),
                target: Some(u64::from(rows[taken])),
                cells,
                ..failure(expected, state)
            });
        }
        Ok(())
    }

    /// Target rows in scope without a source row, which the plan leaves as they were: those that are. Answers the others.
    fn equal_kept(&mut self, kept: Vec<(KeyHash, u128)>) -> Vec<(KeyHash, u128)> {
        let mut left = Vec::new();
        for (pair, cells) in kept {
            let found = self.equal(self.facts.pair().find(pair).rows(), cells, false);
            match found {
                Some(at) => {
                    self.paired[at as usize] = true;
                    self.count(RecordState::Validated);
                }
                None => left.push((pair, cells)),
            }
        }
        left
    }

    /// Those that are not.
    fn left_kept(&mut self, left: &[(KeyHash, u128)]) {
        for (pair, _) in left {
            let found = self.facts.pair().find(*pair).rows().iter().find(|at| self.free(**at)).copied();
            let mut failure = Failure {
                key: String::new(),
                state: RecordState::MissingTarget,
                columns: Vec::new(),
                source: None,
                target: None,
                operation: None,
                cells: Vec::new(),
            };
            match found {
                Some(at) => {
                    self.paired[at as usize] = true;
                    self.out.tally.different += 1;
                    (failure.state, failure.target) = (RecordState::Mismatched, Some(u64::from(at)));
                }
                None => self.out.tally.missing += 1,
            }
            self.fail(failure);
        }
    }

    /// Target rows in scope that nothing expects.
    fn extras(&mut self) -> Result<()> {
        if self.job.partial {
            return Ok(());
        }
        let shape = self.job.shape;
        let mut scope = std::mem::take(&mut self.facts.scope);
        if shape.scope.is_none() {
            self.known.add_to_scope(&mut scope);
        }
        let undead = undead(&self.gone, &self.facts, &self.paired, &scope, shape.identity.is_some());
        let extra: Vec<u32> = (0..self.facts.rows as u32)
            .filter(|at| {
                let named = self.facts.pair().hash_of(*at).is_some();
                let at = *at as usize;
                !self.paired[at] && (undead[at] || (scope[at] && !self.excused[at] && named))
            })
            .collect();
        self.out.tally.extra += extra.len() as u64;
        self.out.states.add(RecordState::MissingSource, extra.len() as u64);
        let room = KEPT_FAILURES.saturating_sub(self.out.failures.len());
        let shown: Vec<u64> = extra.iter().take(room).map(|at| u64::from(*at)).collect();
        let (Some(target), false) = (self.job.target, shown.is_empty()) else { return Ok(()) };
        let frame = target.gather(&shown, Some(&names_there(self.job)))?;
        let keys = shape.key_texts(&shape.target_cells(&frame)?);
        self.out.failures.extend(shown.into_iter().zip(keys).map(|(at, key)| Failure {
            key: key.as_deref().map(show_key).unwrap_or_default(),
            state: RecordState::MissingSource,
            columns: Vec::new(),
            source: None,
            target: Some(at),
            operation: None,
            cells: Vec::new(),
        }));
        Ok(())
    }
}

fn failure(expected: &Expected, state: RecordState) -> Failure {
    Failure {
        key: expected.key.as_deref().map(show_key).unwrap_or_default(),
        state,
        columns: Vec::new(),
        source: expected.source,
        target: None,
        operation: Some(expected.operation),
        cells: Vec::new(),
    }
}

fn cell(expected: &StringChunked, row: usize, found: &StringChunked, place: usize) -> FailureCell {
    FailureCell { expected: expected.get(row).map(str::to_owned), found: found.get(place).map(str::to_owned) }
}

/// Columns of the operations that the target has.
fn names_there(job: &Verify<'_>) -> Vec<String> {
    job.shape.columns.iter().filter(|name| job.shape.target.column(name).is_some()).cloned().collect()
}
