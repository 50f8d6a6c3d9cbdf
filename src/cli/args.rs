//! The command line, as `--help`, the man page and the completions show it.
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// Begin a project between two files or folders, with suggested mappings.
    Init {
        /// Old CRM: a file, a folder of files or a database file.
        old: PathBuf,
        /// New CRM: the same; it need not exist yet.
        new: PathBuf,
    },
    /// Check the project: every mapping, column, expression and value map.
    Check,
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
    /// List runs, newest first.
    Runs,
    /// The way to the new CRM as a checklist: freeze, delta, verify, sign-off, switch. Exit code 1 while it is not done.
    Cutover {
        #[command(subcommand)]
        action: CutoverAction,
    },
    /// Plan to take a run back: rows that it wrote become what they were, unless somebody changed them since. Nothing is
    /// written before that plan is confirmed with `migrate --plan`.
    Revert {
        /// Run id.
        run: String,
        /// Only these mappings of it; all if left out.
        mappings: Vec<String>,
    },
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
    /// The engine process of one run; started by the screen and by `migrate`.
    #[command(hide = true)]
    Engine {
        /// Run id.
        #[arg(long)]
        run: String,
        /// Which attempt of the run this is.
        #[arg(long, default_value_t = 1)]
        attempt: u32,
    },
}

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

#[derive(Debug, Subcommand)]
pub(crate) enum CutoverAction {
    /// How the checklist stands; each item is looked at anew.
    Status,
    /// Confirm that the old CRM is read-only now; changes in it are seen from here on.
    Freeze,
    /// Sign for the run, once it is verified.
    Signoff {
        /// Who answers for it; may be given several times.
        #[arg(long = "name", value_name = "NAME", required = true)]
        names: Vec<String>,
        /// A word beside it.
        #[arg(long)]
        note: Option<String>,
    },
    /// Note that the new CRM is the one that is worked with.
    Switch {
        /// The target's name as the checklist gives it.
        #[arg(long, value_name = "TARGET")]
        confirm: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RejectsAction {
    /// Causes with their counts; below a cause the rows that wait for those rows.
    List {
        /// Plan or run; the newest run if left out.
        id: Option<String>,
    },
    /// One reject whole, with each step; without a number all of them, one a line.
    Show {
        /// Mapping.
        mapping: Option<String>,
        /// Its number in the list or the export.
        n: Option<u64>,
        /// Plan or run; the newest run if left out.
        #[arg(long)]
        id: Option<String>,
        /// Show personal data in the clear.
        #[arg(long)]
        reveal: bool,
    },
    /// The raw rows as CSV that can be loaded again, with the reasons beside.
    Export {
        /// Mapping.
        mapping: String,
        /// File to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Plan or run; the newest run if left out.
        #[arg(long)]
        id: Option<String>,
        /// For people and spreadsheets: neutralise cells that a spreadsheet would run as a formula.
        #[arg(long)]
        safe: bool,
    },
    /// Take an edited export back as corrections of the source's cells. Shows them; --apply writes them.
    Import {
        /// Mapping.
        mapping: String,
        /// The edited file.
        file: PathBuf,
        /// Plan or run that was exported; the newest run if left out.
        #[arg(long)]
        id: Option<String>,
        /// Write the corrections.
        #[arg(long)]
        apply: bool,
    },
    /// Correct cells of one rejected row. Shows the correction; --apply writes it.
    Mend {
        /// Mapping.
        mapping: String,
        /// The reject's number.
        n: u64,
        /// Source column and what the cell is to be (nothing: NULL; as it was: take the correction away).
        #[arg(long, value_name = "COLUMN=VALUE", required = true)]
        set: Vec<String>,
        /// Also in all rows with the same cause and the same cells there.
        #[arg(long)]
        like: bool,
        /// Plan or run; the newest run if left out.
        #[arg(long)]
        id: Option<String>,
        /// Write the corrections.
        #[arg(long)]
        apply: bool,
    },
    /// Make a plan of only the rejected and held rows, under the mappings as they are now. What waits for a row comes with it.
    Retry {
        /// Mappings; all if left out.
        #[arg(value_name = "MAPPING")]
        mappings: Vec<String>,
        /// Run; the newest one if left out.
        #[arg(long)]
        run: Option<String>,
        /// Only rows whose cause has this text in it.
        #[arg(long, value_name = "TEXT")]
        cause: Option<String>,
        /// Only these numbers of the one mapping named.
        #[arg(long, value_name = "N,...", value_delimiter = ',')]
        rows: Vec<u64>,
        /// Only rows that are mended as far as one can tell.
        #[arg(long)]
        mended: bool,
    },
}
