//! The plan: what a run would do, row by row, with the proof that it adds up. Nothing is written before one was shown.
//!
//! Files of a plan, in `.crm-console/plans/ID/`: `plan.json` ([`Plan`]), and per mapping `NAME.ops.parquet` (one row per
//! source row in source order, then one per target row without a source that changes) and `NAME.rejects.ndjson`.
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

mod applied;
mod build;
mod classify;
mod compare;
pub(crate) mod facts;
pub(crate) mod incremental;
mod intent;
mod judge;
pub(crate) mod links;
pub(crate) mod lookup;
pub(crate) mod material;
pub mod ops;
mod output;
mod probe;
pub mod rows;
mod selection;
pub(crate) mod shape;
pub(crate) mod sides;
pub(crate) mod store;
pub(crate) mod taken_back;
pub(crate) mod target_rows;

pub(crate) use build::{Job, plan_mapping};
pub use intent::{Intent, span_words};
pub(crate) use selection::Rows;
pub use selection::{Purpose, Selection};

use crate::error::Error;
use crate::map::StepCount;
use crate::platform::{Capabilities, ObjectVersion};
use crate::project::{Mode, ObjectRef};

/// What the plan does with one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// New in the target.
    Insert,
    /// Changes cells of a target row.
    Update,
    /// The target has it already, cell for cell.
    Unchanged,
    /// Left out by `where`.
    Filtered,
    /// Stands behind its survivor.
    Merged,
    /// Waits: `where` unknown, two matches, a parent that is missing.
    Held,
    /// Could not be carried over.
    Rejected,
    /// Removes a target row (`target_only`, tombstones).
    Delete,
    /// A target row in scope without a source row, marked by policy (counts as an update at the target).
    Mark,
}

impl Operation {
    /// Its word, as in lists and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Unchanged => "unchanged",
            Self::Filtered => "filtered",
            Self::Merged => "merged",
            Self::Held => "held",
            Self::Rejected => "rejected",
            Self::Delete => "delete",
            Self::Mark => "mark",
        }
    }
}

/// Rows by what becomes of them. The balance (DESIGN rule 3) is made of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows read from the source, unreadable ones included.
    pub read: u64,
    /// To insert.
    pub inserted: u64,
    /// To update.
    pub updated: u64,
    /// Already there.
    pub unchanged: u64,
    /// Left out by `where`.
    pub filtered: u64,
    /// Behind a survivor.
    pub merged: u64,
    /// Waiting.
    pub held: u64,
    /// Not carried over.
    pub rejected: u64,
    /// Target rows deleted.
    pub deleted: u64,
    /// Target rows marked by `target_only = "mark:…"`.
    pub marked: u64,
    /// Target rows that are none of this mapping's business. None: they were not looked at.
    #[serde(default)]
    pub native: Option<u64>,
    /// Target rows in scope that the source lacks, whatever happens to them. None: they were not looked at.
    #[serde(default)]
    pub target_only: Option<u64>,
    /// Target rows before.
    pub before: u64,
    /// Target rows after.
    pub after: u64,
}

impl Counts {
    /// Both lines of the balance hold.
    pub fn closes(&self) -> bool {
        self.read
            == self.inserted + self.updated + self.unchanged + self.filtered + self.merged + self.held + self.rejected
            && self.before + self.inserted == self.after + self.deleted
    }
    /// Nothing would be written.
    pub fn is_noop(&self) -> bool {
        self.inserted + self.updated + self.deleted + self.marked == 0
    }
}

/// A cause and how many rows have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// In words, without values: `stage: not in the value map`, `company: parent rejected (accounts)`.
    pub cause: String,
    /// Target field, where one is to blame.
    pub field: Option<String>,
    /// Step that failed.
    pub step: String,
    /// Rows.
    pub rows: u64,
}

/// A source column that holds data and goes nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftBehind {
    /// Source column.
    pub column: String,
    /// Rows with something in it.
    pub filled: u64,
}

/// What an update changes, by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Target field.
    pub field: String,
    /// Rows whose cell changes.
    pub changed: u64,
    /// Cells kept by the write rule although the source differs.
    pub kept: u64,
}

/// Why a plan may be shown but not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// The data is at fault (error budget, balance): exit code 3. Otherwise the plan is refused: exit code 6.
    pub data: bool,
    /// What is wrong, without a full stop.
    pub reason: String,
    /// What to do about it.
    pub advice: String,
}

impl Blocked {
    /// As an error of the class that decides the exit code.
    pub fn error(&self) -> Error {
        let error = if self.data { Error::data(&self.reason) } else { Error::refused(&self.reason) };
        error.advise(&self.advice)
    }
}

/// One mapping's part of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MappingPlan {
    /// Mapping.
    pub mapping: String,
    /// As shown.
    pub from: String,
    /// Which rows of the source.
    #[serde(default)]
    pub selection: Selection,
    /// Rows of the source in all, pieces that were no rows included.
    #[serde(default)]
    pub source_rows: u64,
    /// Target object.
    pub to: ObjectRef,
    /// Folder of the source snapshot.
    pub source_snapshot: PathBuf,
    /// Folder of the target snapshot.
    pub target_snapshot: PathBuf,
    /// Version of the source when it was read.
    pub source_version: ObjectVersion,
    /// Version of the target when it was read.
    pub target_version: ObjectVersion,
    /// Hash of the row steps.
    pub pipeline_hash: String,
    /// Hash of the facts the set steps looked up.
    pub facts_hash: String,
    /// Hash over all operations: same plan, same hash.
    pub ops_hash: String,
    /// The balance.
    pub counts: Counts,
    /// Step counts.
    pub steps: Vec<StepCount>,
    /// Changes by field.
    pub changes: Vec<FieldChange>,
    /// Rejects and held rows by cause, most rows first.
    pub causes: Vec<Cause>,
    /// Columns left behind, most data first.
    pub left_behind: Vec<LeftBehind>,
    /// Target columns of the operations, in order.
    pub columns: Vec<String>,
    /// Of those: written with rule, in the same order (`always`, `if_blank`, `create`, `never`).
    pub write_rules: Vec<crate::project::WriteRule>,
    /// The here line.
    pub here: Capabilities,
    /// True-valued cells of latch fields in the source and in the expected image, by field.
    pub latches: Vec<(String, u64, u64)>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
    /// Reasons why this mapping may not be run; empty if it may.
    pub blocked: Vec<Blocked>,
    /// Target column that identifies a row and is known only once the row is written (or read); None: the key does.
    pub identity: Option<String>,
    /// Key columns of the target.
    #[serde(default)]
    pub key: Vec<String>,
    /// Link fields: target column, linked mapping, its target object. Pending cells are resolved through the crosswalk
    /// of that object.
    pub links: Vec<PlanLink>,
    /// What an incremental plan did not look at; None: the plan looked at all of the source.
    #[serde(default)]
    pub incremental: Option<Incremental>,
    /// What a run of it writes into the ledger beside the entries.
    #[serde(default)]
    pub agreement: Option<PlanAgreement>,
    /// Milliseconds that it took to make, reading included. Not part of the id.
    #[serde(default)]
    pub millis: u64,
    /// Target rows in scope that the source lacks and that bear the mark of that already.
    #[serde(default)]
    pub marked_before: u64,
}

impl MappingPlan {
    /// A plan of a mapping over nothing.
    pub fn empty(mapping: &str) -> Self {
        Self {
            mapping: mapping.to_owned(),
            from: String::new(),
            selection: Selection::All,
            source_rows: 0,
            to: ObjectRef { platform: String::new(), object: String::new() },
            source_snapshot: PathBuf::new(),
            target_snapshot: PathBuf::new(),
            source_version: ObjectVersion::default(),
            target_version: ObjectVersion::default(),
            pipeline_hash: String::new(),
            facts_hash: String::new(),
            ops_hash: String::new(),
            counts: Counts::default(),
            steps: Vec::new(),
            changes: Vec::new(),
            causes: Vec::new(),
            left_behind: Vec::new(),
            columns: Vec::new(),
            write_rules: Vec::new(),
            here: Capabilities::default(),
            latches: Vec::new(),
            warnings: Vec::new(),
            blocked: Vec::new(),
            identity: None,
            key: Vec::new(),
            links: Vec::new(),
            incremental: None,
            agreement: None,
            millis: 0,
            marked_before: 0,
        }
    }
    /// The rows that a share of the error budget is a share of: of chosen rows those of the whole source, because that is
    /// what the operator set it for.
    pub fn budget_rows(&self) -> u64 {
        match self.selection {
            Selection::Chosen { .. } => self.source_rows.max(self.counts.read),
            Selection::All | Selection::First { .. } => self.counts.read,
        }
    }
    /// Columns to hand to a writer: all but those with [`crate::project::WriteRule::Never`].
    pub fn write_columns(&self) -> Vec<String> {
        let never = crate::project::WriteRule::Never;
        self.columns
            .iter()
            .zip(&self.write_rules)
            .filter(|(_, rule)| **rule != never)
            .map(|(name, _)| name.clone())
            .collect()
    }
}

/// Why an incremental plan looks at a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LookReason {
    /// It is new, changed, or was not carried over by the last run.
    Changed,
    /// Another row has its key.
    Key,
    /// Its target row changed, or another row finds it too.
    Target,
    /// A record that it links to came, changed its id or went.
    Parent,
}

impl LookReason {
    /// In words, behind a number of rows.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Changed => "new, changed or left out before",
            Self::Key => "share a key with another row",
            Self::Target => "target row changed or wanted by another row",
            Self::Parent => "a record they link to changed",
        }
    }
}

/// What an incremental plan looked at, and what it left to the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incremental {
    /// Rows looked at.
    pub looked: u64,
    /// Rows read that are as the ledger says, records: counted as unchanged.
    pub unchanged: u64,
    /// Rows read that are as the ledger says, left out by `where`: counted as filtered.
    pub filtered: u64,
    /// Entries of the ledger whose rows were not read (by a cursor). They are no part of the balance.
    #[serde(default)]
    pub unread: u64,
    /// Of those: records.
    #[serde(default)]
    pub unread_records: u64,
    /// Where reading began: cursor column and value. None: all of the source was compared with the ledger.
    #[serde(default)]
    pub from: Option<(String, String)>,
    /// Only the target rows that the rows looked at may have were read.
    #[serde(default)]
    pub asked: bool,
    /// Only records that were pushed were looked at; nothing of the source was read.
    #[serde(default)]
    pub pushed: bool,
    /// When all records were last planned in full, RFC 3339 UTC.
    #[serde(default)]
    pub whole: String,
    /// Why rows were looked at.
    pub reasons: Vec<(LookReason, u64)>,
    /// The run that the ledger is from.
    pub since: String,
}

impl Incremental {
    /// In words: how much was looked at and why, and what the rest rests on.
    pub fn words(&self) -> String {
        let reasons: Vec<String> =
            self.reasons.iter().map(|(reason, rows)| format!("{rows} {}", reason.words())).collect();
        let why = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        let rest = self.unchanged + self.filtered;
        let mut text = match &self.from {
            None if self.pushed => "incremental, only records that were pushed".to_owned(),
            None => "incremental, the whole source compared with the ledger".to_owned(),
            Some((column, value)) => format!("incremental, read from {column} {value} on (deletes are not seen)"),
        };
        text.push_str(&format!(": {} rows looked at{why}; {rest} are as run {} left them", self.looked, self.since));
        if self.unread > 0 {
            text.push_str(&format!(", {} were not read", self.unread));
        }
        if self.asked {
            text.push_str("; of the target only the rows they may have were read");
        }
        text
    }
}

/// What a plan knows of the ledger's next state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanAgreement {
    /// Hash of everything beside the row steps that decides what becomes of a row.
    pub settings: String,
    /// The crosswalk's moment when the plan was made.
    pub crosswalk: i64,
    /// How far the source was read.
    pub mark: Option<crate::journal::ledger::Mark>,
}

/// A link field of a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanLink {
    /// Target column.
    pub column: String,
    /// Linked mapping.
    pub mapping: String,
    /// Target object of the linked mapping: whose crosswalk knows the new ids.
    pub object: ObjectRef,
}

/// A plan over one or more mappings, in load order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Format of this file.
    pub version: u32,
    /// First 12 hex digits of the hash over its mappings' hashes.
    pub id: String,
    /// Environment.
    pub env: Option<String>,
    /// Full or incremental.
    pub mode: Mode,
    /// What it is made for.
    #[serde(default)]
    pub purpose: Purpose,
    /// Made at, RFC 3339, UTC. Not part of the id.
    pub created: String,
    /// The name to type: the target platform, with the environment: `nova`, `nova-sandbox`; several joined by `+`.
    pub confirm: String,
    /// Mappings in load order.
    pub mappings: Vec<MappingPlan>,
}

impl Plan {
    /// The first reason why it may not be run, as an error; None if it may.
    pub fn refusal(&self) -> Option<Error> {
        self.mappings.iter().find_map(|mapping| Some(mapping.blocked.first()?.error().at(&mapping.mapping)))
    }
}
