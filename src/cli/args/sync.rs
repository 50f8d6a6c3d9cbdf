//! Arguments of the sync commands.
use clap::{Args, Subcommand, ValueEnum};

/// `sync`.
#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// Mappings; all with a [sync] section if left out.
    #[arg(value_name = "MAPPING")]
    pub(crate) mappings: Vec<String>,
    /// Look at everything once and end.
    #[arg(long)]
    pub(crate) once: bool,
    /// Start it as a process of its own and return.
    #[arg(long, conflicts_with = "once")]
    pub(crate) detach: bool,
    /// End the loop that runs, after what it is writing.
    #[arg(long, conflicts_with_all = ["once", "detach"])]
    pub(crate) stop: bool,
}

/// `push`.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// Mapping; its trigger is push.
    pub(crate) mapping: String,
}

/// What makes `status` fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// The oldest change that waits is older than the freshness budget.
    Late,
    /// The last try failed.
    Stuck,
    /// It waits for a decision.
    Held,
    /// A conflict waits for a decision.
    Conflicts,
    /// The loop is not running.
    Dead,
}

/// `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// One line.
    #[arg(long)]
    pub(crate) line: bool,
    /// In the text form of Prometheus.
    #[arg(long, conflicts_with = "line")]
    pub(crate) metrics: bool,
    /// Exit code 1 if one of these is so.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT,...")]
    pub(crate) fail_on: Vec<FailOn>,
}

/// `events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Mapping; all if left out.
    pub(crate) mapping: Option<String>,
    /// Only those that wait.
    #[arg(long)]
    pub(crate) open: bool,
    /// Only those whose key or reason holds this text.
    #[arg(long, value_name = "TEXT")]
    pub(crate) find: Option<String>,
    /// How many.
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
    pub(crate) count: usize,
    /// What happened to the mappings instead: held, stuck, released.
    #[arg(long)]
    pub(crate) log: bool,
}

/// `lane`.
#[derive(Debug, Subcommand)]
pub(crate) enum LaneAction {
    /// Write nothing until resumed.
    Pause {
        /// Mapping.
        mapping: String,
    },
    /// Go on.
    Resume {
        /// Mapping.
        mapping: String,
    },
    /// Do what the mapping is held with.
    Release {
        /// Mapping.
        mapping: String,
        /// The plan that was looked at: another one is not released by it.
        #[arg(long, value_name = "ID")]
        plan: Option<String>,
    },
    /// Throw away what the mapping is held with, and look anew.
    Refuse {
        /// Mapping.
        mapping: String,
    },
    /// Count both sides and compare with the tally that was kept.
    Audit {
        /// Mapping.
        mapping: String,
    },
    /// Be quiet about the alarms of a mapping.
    Silence {
        /// Mapping.
        mapping: String,
        /// For how long: 30m, 4h.
        #[arg(long, default_value = "30m", value_name = "TIME")]
        span: String,
    },
}

/// `alerts`.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertsAction {
    /// The alarms that are there, and when each was told.
    List,
    /// Tell by every way that this is a test. Exit code 4 where one does not take it.
    Test,
}

/// `conflicts`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConflictsAction {
    /// Those that are not settled.
    List {
        /// Mapping; all if left out.
        mapping: Option<String>,
        /// Show cells of personal columns.
        #[arg(long)]
        reveal: bool,
    },
    /// Decide who wins; sync writes it with its next look.
    Resolve {
        /// Number of the conflict.
        id: i64,
        /// Who wins.
        #[arg(long, value_enum)]
        take: TakeSide,
        /// Only in these fields.
        #[arg(long, value_delimiter = ',', value_name = "FIELD,...")]
        fields: Vec<String>,
    },
    /// Take a decision back that is not written yet.
    Undo {
        /// Number of the conflict.
        id: i64,
    },
}

/// A side of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TakeSide {
    /// The mapping's `from`.
    Source,
    /// The mapping's `to`.
    Target,
}
