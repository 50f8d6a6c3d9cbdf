//! The state folder `.crm-console` (mode 0700): `control.db` (runs, progress, control, audit), `runs/ID/` (journal,
//! rejects, pre-images), `plans/ID/`, `snapshots/`, `crosswalk/ENV.db`.
mod audit;
mod command;
mod control;
mod crosswalk;
pub(crate) mod erased;
pub mod ledger;
mod marks;
mod rejects;
mod rotate;
mod run_log;
mod state;
pub mod sync;
mod who;

pub use audit::{Audit, AuditFilter, AuditHead, Entry};
pub use command::Command;
pub use control::Control;
pub use crosswalk::{Crosswalk, Noting};
pub use marks::{Handing, Mark, Pass};
pub use rejects::{RejectWriter, read_rejects, rejects_file, rejects_files};
pub use run_log::{Event, RunLog, Waited};
pub use state::StateDir;
pub use who::{now, who};

pub(crate) use rotate::rotate;
pub(crate) use state::{file_name as state_file_name, private_folder};

use serde::{Deserialize, Serialize};

use crate::error::Kind;
use crate::migrate::States;
use crate::monitor::Progress;
use crate::plan::{Counts, Intent};
use crate::score::Tally;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Created, its engine not yet heard of.
    Starting,
    /// Writing.
    Running,
    /// Reading the target back.
    Verifying,
    /// Its engine waits until it is told to go on.
    Paused,
    /// Ended well: published, balance closed.
    Done,
    /// Ended with an error; nothing more is written.
    Failed,
    /// Ended by the operator.
    Cancelled,
    /// Ended between two batches (a signal, a full disk, a target that went away): resuming goes on from there.
    Stopped,
    /// Its engine is gone without a word (killed, power cut); recovery says what the target holds.
    Crashed,
}

impl RunState {
    /// Its word, as in lists and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Verifying => "verifying",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Stopped => "stopped",
            Self::Crashed => "crashed",
        }
    }
    /// No engine is at work any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled | Self::Stopped | Self::Crashed)
    }
}

/// One mapping's result within a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MappingResult {
    /// Mapping.
    pub mapping: String,
    /// Target object as `platform:object`.
    pub to: String,
    /// Counts as they came out, counted at the target.
    pub counts: Counts,
    /// The balance closes.
    pub closes: bool,
    /// The target was published.
    pub published: bool,
    /// Rows left alone because the target moved since the plan.
    pub moved: u64,
    /// Of the equal ones: records that verify did not read back, since an incremental plan left them to the ledger.
    #[serde(default)]
    pub by_ledger: u64,
    /// Verify's tally; None before it.
    pub tally: Option<Tally>,
    /// Verify's records by state; None before it.
    #[serde(default)]
    pub states: Option<States>,
    /// Milliseconds of work.
    pub millis: u64,
}

/// A run as control.db knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// `20261123-091500-7f3ac2`.
    pub id: String,
    /// Plan id.
    pub plan: String,
    /// Environment.
    pub env: Option<String>,
    /// State.
    pub state: RunState,
    /// Which attempt this is, counted from 1: resuming is another attempt of the same run.
    #[serde(default = "first_attempt")]
    pub attempt: u32,
    /// RFC 3339 UTC; of the first attempt.
    pub started: String,
    /// RFC 3339 UTC.
    pub ended: Option<String>,
    /// Process of the engine.
    pub pid: u32,
    /// OS user, with the SSH client where there is one.
    pub owner: String,
    /// Newest progress.
    pub progress: Progress,
    /// Rows a second, smoothed.
    pub rate: f64,
    /// Results by mapping, in load order.
    pub results: Vec<MappingResult>,
    /// Mean consistency over sources; None before verify or where n/a.
    pub consistency: Option<f64>,
    /// Error or what recovery found.
    pub note: Option<String>,
    /// Class of the error that ended it: decides the exit code. None unless failed or cancelled.
    pub failure: Option<Kind>,
    /// The newest order to this attempt: an engine may not have come to it yet.
    #[serde(default)]
    pub asked: Option<Command>,
    /// Rows a second that it may write at most.
    #[serde(default)]
    pub limit: Option<u64>,
    /// Threads that prepare batches, where the operator set them.
    #[serde(default)]
    pub workers: Option<u32>,
    /// What it was for; None in runs of an earlier version whose plan is not there any more.
    #[serde(default)]
    pub intent: Option<Intent>,
}

const fn first_attempt() -> u32 {
    1
}

impl RunRecord {
    /// What it was told and has not come to yet: `stopping`, `pausing`.
    pub fn pending(&self) -> Option<&'static str> {
        match (self.asked?, self.state) {
            (_, state) if state.is_final() => None,
            (Command::Cancel, _) => Some("cancelling"),
            (Command::Stop, _) => Some("stopping"),
            (Command::Pause, RunState::Starting | RunState::Running) => Some("pausing"),
            (Command::Resume, RunState::Paused) => Some("going on"),
            _ => None,
        }
    }
    /// What it was for, in words; empty where that is not known.
    pub fn purpose_words(&self) -> String {
        self.intent.as_ref().map(Intent::words).unwrap_or_default()
    }
    /// Another attempt can go on where this one ended: what failed was not the data nor the plan.
    pub fn resumable(&self) -> bool {
        match self.state {
            RunState::Stopped | RunState::Crashed | RunState::Cancelled => true,
            RunState::Failed => matches!(self.failure, Some(Kind::Platform | Kind::Busy | Kind::Stopped)),
            _ => false,
        }
    }
}

/// A source row that could not be carried over, kept whole. One line of `NAME.rejects.ndjson`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// Running number within the file.
    pub n: u64,
    /// `rejected` or `held`.
    pub kind: String,
    /// Ordinal in the source snapshot; None for pieces that were not rows.
    pub row: Option<u64>,
    /// Physical line in the source file, 0 if it has none.
    pub line: u64,
    /// Key of the record as far as it could be computed, joined by `, `.
    pub key: Option<String>,
    /// Target field to blame.
    pub field: Option<String>,
    /// Step: rule name, `sql`, `values`, `link`, `match`, `duplicate`, `where`, `read`, `platform`.
    pub step: String,
    /// Why, without the value.
    pub reason: String,
    /// Root cause that groups rejects: see [`crate::plan::Cause::cause`].
    pub cause: String,
    /// The source row, column → value.
    pub source: serde_json::Map<String, serde_json::Value>,
    /// Text of a piece that was not a row.
    pub raw: Option<String>,
    /// The record that it waits for, where it is left out for a parent that is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
}

/// A record of another mapping that a row names by a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Parent {
    /// The linked mapping.
    pub mapping: String,
    /// The record's key, as [`Reject::key`] has it.
    pub key: String,
}
