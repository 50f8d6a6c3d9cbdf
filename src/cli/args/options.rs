//! Options that several commands share, or that one command has many of.
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How fast a run goes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Pace {
    /// Rows a second at most, or off.
    #[arg(value_name = "ROWS_PER_S|off")]
    pub(crate) rows: Option<String>,
    /// Threads that prepare what is written.
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<u32>,
}

/// What `verify` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct VerifyArgs {
    /// Plan or run; the newest run that carried a source over if left out.
    pub(crate) id: Option<String>,
    /// Records that are not as expected to tell of each mapping; all are counted.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) failures: usize,
    /// Tell the cells that differ too; those tagged pii are masked.
    #[arg(long)]
    pub(crate) values: bool,
    /// Show pii as it is.
    #[arg(long)]
    pub(crate) reveal: bool,
    /// Make the plan that mends what is mismatched or missing. It is shown and run like every plan.
    #[arg(long)]
    pub(crate) repair: bool,
}

/// What `revert` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct RevertArgs {
    /// Run id.
    #[arg(required_unless_present = "sync")]
    pub(crate) run: Option<String>,
    /// Only these mappings of it; all if left out.
    pub(crate) mappings: Vec<String>,
    /// Instead of a run: what sync wrote for this mapping.
    #[arg(long, value_name = "MAPPING", conflicts_with_all = ["run", "mappings"], requires = "since")]
    pub(crate) sync: Option<String>,
    /// From then on: 09:00 or 2026-11-25 09:00 (UTC, as `events` shows it), 2026-11-25T09:00:00+01:00, -30m, "2h ago".
    #[arg(long, value_name = "TIME", requires = "sync", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,
    /// Up to then; now if left out.
    #[arg(long, value_name = "TIME", requires = "sync", allow_hyphen_values = true)]
    pub(crate) until: Option<String>,
    /// Also write the plan to this file, for `migrate --plan`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// How a plan is made.
#[derive(Debug, Clone, Args)]
pub(crate) struct How {
    /// All of the source, or what changed since the last run; as each mapping says if left out.
    #[arg(long, value_enum)]
    pub(crate) mode: Option<ModeWord>,
    /// Threads for cleaning and mapping; as each mapping says if left out. The plan is the same.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) workers: Option<u64>,
    /// Only a sample that hangs together: N records with all that links to them and that they link to.
    #[arg(long, value_name = "N", conflicts_with_all = ["limit", "mode"])]
    pub(crate) sample: Option<u64>,
    /// The mapping of the sample's records; the first that others link to if left out.
    #[arg(long, value_name = "MAPPING", requires = "sample")]
    pub(crate) of: Option<String>,
}

/// How much of the source is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeWord {
    /// All of it.
    Full,
    /// What changed since the last run.
    Incremental,
}

impl How {
    /// With the part of the project that it is about.
    pub(crate) fn ask(&self, which: &Which) -> crm_core::workspace::PlanAsk {
        use crm_core::project::Mode;
        crm_core::workspace::PlanAsk {
            mappings: which.mappings.clone(),
            mode: self.mode.map(|mode| match mode {
                ModeWord::Full => Mode::Full,
                ModeWord::Incremental => Mode::Incremental,
            }),
            workers: self.workers.map(|workers| workers as usize),
            limit: which.limit,
            sample: self.sample.map(|roots| crm_core::workspace::Sample { roots, mapping: self.of.clone() }),
        }
    }
}

/// Which part of a project.
#[derive(Debug, Clone, Args)]
pub(crate) struct Which {
    /// Mappings; all if left out.
    #[arg(value_name = "MAPPING")]
    pub(crate) mappings: Vec<String>,
    /// Only the first N source rows.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}
