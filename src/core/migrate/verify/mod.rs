//! Verify: the target as it is now against the expected image of a plan, record by record (DESIGN §4).
//!
//! Records are paired by identity, by key, then by the mapping's own ways of matching. A pair is equal if each mapped field
//! is, by its write rule. Rows whose hash is as expected are not looked at again, so memory and time go with what differs.
//!
//! Records of one key are a multiset: those that are equal find each other first, and only then is what is left over paired.
use std::path::Path;

mod batch;
mod gone;
mod pairing;
mod records;

use hashbrown::HashSet;
use serde::{Deserialize, Serialize};

pub(crate) use self::records::{keep_failures, read_failures};
use crate::error::Result;
use crate::journal::Crosswalk;
use crate::monitor::Monitor;
use crate::plan::shape::Shape;
use crate::plan::{MappingPlan, Operation};
use crate::score::Tally;
use crate::table::Snapshot;

/// Failures that are kept for display and hand-over; all are counted.
const KEPT_FAILURES: usize = 100_000;

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// Cannot be told yet: it names a parent whose new id nobody knows.
    Pending,
    /// As expected.
    Validated,
    /// Same record, other cells.
    Mismatched,
    /// In the target, not expected.
    MissingSource,
    /// Expected, not in the target.
    MissingTarget,
    /// Rejected or held: it was not carried over.
    Suspended,
}

impl RecordState {
    /// In words, as in lists.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Validated => "validated",
            Self::Mismatched => "mismatched",
            Self::MissingSource => "missing source",
            Self::MissingTarget => "missing target",
            Self::Suspended => "suspended",
        }
    }
}

/// How many records of a mapping are in which state. Together they are the union that the score divides by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct States {
    /// See [`RecordState::Pending`].
    pub pending: u64,
    /// See [`RecordState::Validated`].
    pub validated: u64,
    /// See [`RecordState::Mismatched`].
    pub mismatched: u64,
    /// See [`RecordState::MissingSource`].
    pub missing_source: u64,
    /// See [`RecordState::MissingTarget`].
    pub missing_target: u64,
    /// See [`RecordState::Suspended`].
    pub suspended: u64,
}

impl States {
    /// With their words, in the order in which they are shown.
    pub const fn list(&self) -> [(RecordState, u64); 6] {
        [
            (RecordState::Validated, self.validated),
            (RecordState::Mismatched, self.mismatched),
            (RecordState::MissingTarget, self.missing_target),
            (RecordState::MissingSource, self.missing_source),
            (RecordState::Suspended, self.suspended),
            (RecordState::Pending, self.pending),
        ]
    }
    pub(crate) fn add(&mut self, state: RecordState, records: u64) {
        *match state {
            RecordState::Pending => &mut self.pending,
            RecordState::Validated => &mut self.validated,
            RecordState::Mismatched => &mut self.mismatched,
            RecordState::MissingSource => &mut self.missing_source,
            RecordState::MissingTarget => &mut self.missing_target,
            RecordState::Suspended => &mut self.suspended,
        } += records;
    }
}

/// A record that is not as expected. What is kept of it on disk holds its key and the names of columns, never their cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its key; empty if it has none.
    pub key: String,
    /// How it stands.
    pub state: RecordState,
    /// Target columns that differ.
    pub columns: Vec<String>,
    /// Ordinal in the source snapshot of the plan.
    pub source: Option<u64>,
    /// Ordinal in the target as read back.
    pub target: Option<u64>,
    /// What the plan did with it: `rejected`, `held`, `insert` …; None where it knows of no such record.
    pub operation: Option<Operation>,
    /// The cells of `columns`, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<FailureCell>,
}

/// One cell that differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCell {
    /// What the plan expects.
    pub expected: Option<String>,
    /// What the target holds.
    pub found: Option<String>,
}

/// What verifying one mapping found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) tally: Tally,
    pub(crate) states: States,
    /// Records that were not read back: the ledger has them as they were left.
    pub(crate) by_ledger: u64,
    /// Rows of the target now.
    pub(crate) rows: u64,
    /// The first failures.
    pub(crate) failures: Vec<Failure>,
    /// Source ordinals of the mismatched and missing records that a plan over them can mend.
    pub(crate) mend: Vec<u32>,
}

/// What one mapping is verified by.
pub(crate) struct Verify<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) plan: &'a MappingPlan,
    /// Folder of the plan.
    pub(crate) dir: &'a Path,
    /// The target read back; None if it is not there.
    pub(crate) target: Option<&'a Snapshot>,
    pub(crate) crosswalk: &'a Crosswalk,
    /// The plan is over some rows of the source only: nothing is said about the rest of the target.
    pub(crate) partial: bool,
    /// Source rows that the run could not write, whatever the plan said.
    pub(crate) unwritten: &'a HashSet<u64>,
    /// Failures whose cells are wanted, the first ones.
    pub(crate) values: usize,
    pub(crate) monitor: &'a dyn Monitor,
}

impl Verify<'_> {
    /// Compares.
    pub(crate) fn run(&self) -> Result<Verified> {
        pairing::Pairing::begin(self)?.run()
    }
}
