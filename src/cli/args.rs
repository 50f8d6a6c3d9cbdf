//! The command line, as `--help`, the man page and the completions show it.
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod actions;
mod map;
mod options;
mod sync;

pub(crate) use actions::{CrosswalkAction, CutoverAction, RejectsAction};
pub(crate) use map::{InitArgs, MapAction, OwnersArgs, ScenarioName, yes_or_no};
pub(crate) use options::{How, Pace, RevertArgs, VerifyArgs, Which};
pub(crate) use sync::{
    AlertsAction, ConflictsAction, EventsArgs, FailOn, LaneAction, PushArgs, StatusArgs, SyncArgs, TakeSide,
};

/// Move CRM data from an old CRM to a new one, see every change before it happens, and prove that it arrived.
///
/// Without a command the screen opens on the project in the current folder; with two files it opens a suggested mapping
/// between them.
#[derive(Debug, Parser)]
#[command(name = "crm-console", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Two data files, old and new: opens a suggested mapping between them, no project needed.
    #[arg(num_args = 0..=2, value_name = "OLD NEW")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) screen: ScreenArgs,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Project folder.
    #[arg(short = 'C', long = "project", value_name = "DIR", global = true, default_value = ".")]
    pub(crate) project: PathBuf,
    /// Environment of the project, such as sandbox.
    #[arg(long, global = true, env = "CRM_CONSOLE_ENV", value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Machine-readable output on stdout; the value is the version of the format.
    #[arg(long, global = true, value_name = "VERSION", num_args = 0..=1, require_equals = true, default_missing_value = "1",
          value_parser = clap::value_parser!(u32).range(1..=1))]
    pub(crate) json: Option<u32>,
    /// How progress is told on stderr.
    #[arg(long, global = true, value_enum, default_value_t = ProgressStyle::Auto, value_name = "STYLE")]
    pub(crate) progress: ProgressStyle,
    /// Plain lines only: no colour, no moving progress line.
    #[arg(long, global = true)]
    pub(crate) plain: bool,
}

/// How progress is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressStyle {
    /// One moving line on a terminal, a line every few seconds elsewhere.
    Auto,
    /// JSON lines.
    Json,
    /// Nothing.
    None,
}

/// Settings of the screen.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ScreenArgs {
    /// Draw with ASCII only.
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Colours for a light or a dark terminal.
    #[arg(long, value_enum)]
    pub(crate) theme: Option<ThemeName>,
    /// Let the mouse be the console's instead of the terminal's.
    #[arg(long)]
    pub(crate) mouse: bool,
}

/// Theme of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ThemeName {
    /// For light backgrounds.
    Light,
    /// For dark backgrounds.
    Dark,
    /// Bold, underline and reverse only.
    Mono,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the sample project and open it.
    Demo {
        /// Where to; a fresh temporary folder if left out.
        dir: Option<PathBuf>,
        /// Only write it.
        #[arg(long)]
        no_open: bool,
        #[command(flatten)]
        screen: ScreenArgs,
    },
    /// Tell a text file's dialect, encoding and header.
    Sniff {
        /// A csv or other delimited file.
        file: PathBuf,
    },
    /// Show rows as they are read.
    Show {
        /// A file, or PLATFORM:OBJECT.
        object: String,
        /// Rows A to B, counted from 1, both included: 1..20, 500.., ..10.
        #[arg(long, default_value = "..20", value_name = "A..B")]
        rows: String,
        /// Only these columns, separated by commas.
        #[arg(long, value_delimiter = ',', value_name = "C,...")]
        columns: Vec<String>,
    },
    /// Describe every column: fill, types, patterns, top values, warnings.
    Profile {
        /// A file, or PLATFORM:OBJECT.
        object: String,
    },
    /// Try one cleaning rule on one column.
    Try {
        /// Rule with its setting: trim, max_length=80, date=%d/%m/%Y.
        rule: String,
        /// A file, or PLATFORM:OBJECT.
        object: String,
        /// Column; the first one if left out.
        #[arg(long)]
        column: Option<String>,
    },
    /// Suggest which source column fills which target field.
    Suggest {
        /// A data file, PLATFORM:OBJECT, or a field list (csv with field,label,type).
        source: String,
        /// The same.
        target: String,
    },
    /// Compare two tables by key. Exit code 1 when they differ.
    Diff {
        /// The old table: a file, or PLATFORM:OBJECT.
        old: String,
        /// The new table.
        new: String,
        /// Key columns, separated by commas.
        #[arg(long, value_delimiter = ',', required = true, value_name = "K,...")]
        key: Vec<String>,
        /// Counts only.
        #[arg(long)]
        summary: bool,
        /// Show at most that many differing rows (all are counted).
        #[arg(long, value_name = "N")]
        max_diffs: Option<u64>,
        /// Stream one JSON object a difference.
        #[arg(long)]
        jsonl: bool,
    },
    /// Begin a project between two files or folders, with suggested mappings. With an occasion it recommends how to carry
    /// over and what triggers the sync, with reasons; on a terminal it asks what was not said.
    Init(InitArgs),
    /// Make mappings: accept and refuse suggestions, review them as a sheet, match owners.
    Map {
        /// What to do.
        #[command(subcommand)]
        action: MapAction,
    },
    /// Check the project: every mapping, column, expression and value map; and what the rows say: what fails, what stays
    /// behind, links to nobody, fields in doubt.
    Check {
        /// Read no rows.
        #[arg(long)]
        quick: bool,
    },
    /// Show rows of a mapping before and after cleaning, with counts by rule and reason.
    Preview {
        #[command(flatten)]
        which: Which,
        /// Only rows that fail (in FIELD, if given).
        #[arg(long, value_name = "FIELD", num_args = 0..=1, default_missing_value = "")]
        failing: Option<String>,
        /// Show pii as it is (JSON always does).
        #[arg(long)]
        reveal: bool,
    },
    /// Make a plan: what a run would insert, update, delete, reject. Exit code 1 when it has changes.
    Plan {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        how: How,
        /// Also compare it with an earlier plan or run, by id; `last`: the newest of the same mappings.
        #[arg(long, value_name = "last|ID")]
        against: Option<String>,
        /// Also write the plan to this file, for `migrate --plan`.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Recommend for each mapping how to carry it over (a sample first, in full, incrementally, with how many workers):
    /// which, why, and what it costs here. Reads no side whole and writes nothing.
    Recommend {
        /// Mappings; all if left out.
        #[arg(value_name = "MAPPING")]
        mappings: Vec<String>,
    },
    /// Run a plan that was shown.
    Migrate {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        how: How,
        /// The plan: a file from `plan --out`, or its id.
        #[arg(long, value_name = "FILE|ID")]
        plan: Option<String>,
        /// The target's name as the plan gives it.
        #[arg(long, value_name = "TARGET")]
        confirm: Option<String>,
        /// Print the run's id and return; the engine goes on by itself.
        #[arg(long)]
        detach: bool,
    },
    /// Read the targets back and compare with what the plan expects. Exit code 1 when they differ.
    Verify(VerifyArgs),
    /// The way of one record: source row, steps, match, write, verify, with times.
    Trace {
        /// The object as PLATFORM:OBJECT, or a mapping.
        object: String,
        /// Old key as lists show it (parts joined by ', '), or the new id.
        key: String,
        /// Show pii as it is.
        #[arg(long)]
        reveal: bool,
    },
    /// Rows that could not be carried over.
    Rejects {
        #[command(subcommand)]
        action: RejectsAction,
    },
    /// Which new id each old key has, as a file: out and in.
    Crosswalk {
        /// What to do.
        #[command(subcommand)]
        action: CrosswalkAction,
    },
    /// List runs, newest first.
    Runs,
    /// The way to the new CRM as a checklist: freeze, delta, verify, sign-off, switch. Exit code 1 while it is not done.
    Cutover {
        #[command(subcommand)]
        action: CutoverAction,
    },
    /// Plan to take a run back: rows that it wrote become what they were, unless somebody changed them since. Nothing is
    /// written before that plan is confirmed with `migrate --plan`.
    ///
    /// With --sync it is what sync wrote for a mapping within a span of time, at both of its sides; the loop need not be
    /// stopped. From then on sync leaves those records alone until the side that still holds the change changes again;
    /// `resync MAPPING [KEY...]` carries the change over all the same.
    Revert(RevertArgs),
    /// Ask a run to stop before it publishes.
    Cancel {
        /// Run id.
        run: String,
    },
    /// Ask a run to stop after the batch that it is writing; it can be resumed.
    Stop {
        /// Run id.
        run: String,
    },
    /// Ask a run to wait; it never waits in an open transaction.
    Pause {
        /// Run id.
        run: String,
    },
    /// Go on with a run: one that is paused, or one that ended early (stopped, cancelled, crashed), where it was.
    Resume {
        /// Run id.
        run: String,
        /// Return at once; the engine goes on by itself.
        #[arg(long)]
        detach: bool,
    },
    /// Set how fast a run writes, also while it goes on.
    Throttle {
        /// Run id.
        run: String,
        #[command(flatten)]
        pace: Pace,
    },
    /// List the audit log: who did what, when. Exit code 4 if its lines do not follow from each other.
    Audit {
        /// Not older than this time (UTC) or its beginning: 2026-11-25, 2026-11-25T09:00.
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Only lines about this run and its plan.
        #[arg(long, value_name = "RUN")]
        run: Option<String>,
        /// Fail unless the log holds this line, as a report that was handed out names it.
        #[arg(long, value_name = "N:HASH")]
        expect: Option<String>,
    },
    /// Remove every trace of a person from the console's own state and keep them out of later plans. Nothing on a platform
    /// is touched. Shows what it would remove; exit code 6 without --confirm.
    Erase {
        /// Their key, behind the mapping, source or target object it is a key of; the object may be left out where only one
        /// mapping knows the key.
        #[arg(num_args = 1..=2, required = true, value_names = ["OBJECT", "KEY"])]
        who: Vec<String>,
        /// The key once more.
        #[arg(long, value_name = "KEY")]
        confirm: Option<String>,
    },
    /// Remove old snapshots, plans, rejects and pre-images, as [state] in project.toml says; done after every run, too.
    Prune {
        /// Only show what would go, and what is kept.
        #[arg(long)]
        dry_run: bool,
    },
    /// Make the report of a run: one HTML file to hand over and sign. Every run leaves one in its folder.
    Report {
        /// Run id; the newest run if left out.
        run: Option<String>,
        /// File to write; in the run's folder if left out.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check the installation, the project, its platforms and its state folder.
    Doctor,
    /// Print completions for a shell.
    Completions {
        /// Shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page.
    Man,
    /// Watch the sources of all mappings with a [sync] section and carry changes over as they come, until it is told to stop.
    ///
    /// What nobody confirmed yet, and what goes beyond the caps of a mapping, is held until it was looked at and released.
    /// Exit code with --once: 4 where a mapping is stuck, 6 where one is held.
    Sync(SyncArgs),
    /// How sync stands: state, lag, consistency and timeliness of each mapping.
    Status(StatusArgs),
    /// Events of sync, newest first.
    Events(EventsArgs),
    /// Tell sync what to do with a mapping.
    Lane {
        /// What.
        #[command(subcommand)]
        action: LaneAction,
    },
    /// Push records of a mapping's source from standard input: JSON lines, each a record, {"delete": {KEY}} or {"look": true}.
    ///
    /// With `{"record": {...}, "idempotency": "KEY", "changed": "TIME"}` a line is taken once however often it is sent. Sync
    /// carries them over at once, or when it is started.
    Push(PushArgs),
    /// Whom sync tells of alarms: `[alerts]` in project.toml.
    Alerts {
        /// What.
        #[command(subcommand)]
        action: AlertsAction,
    },
    /// Compare both sides again whatever the ledger says, and mend what differs: a mapping, or records of it.
    Resync {
        /// Mapping.
        mapping: String,
        /// Keys of records; everything if left out.
        keys: Vec<String>,
    },
    /// Records that both sides changed.
    Conflicts {
        /// What to do.
        #[command(subcommand)]
        action: ConflictsAction,
    },
    /// The engine process of one run or of sync; started by the screen, `migrate` and `sync --detach`.
    #[command(hide = true)]
    Engine {
        /// Run id.
        #[arg(long, required_unless_present = "sync")]
        run: Option<String>,
        /// Which attempt of the run this is.
        #[arg(long, default_value_t = 1)]
        attempt: u32,
        /// Be the sync loop.
        #[arg(long, conflicts_with = "run")]
        sync: bool,
        /// Mappings of the loop.
        mappings: Vec<String>,
    },
}
