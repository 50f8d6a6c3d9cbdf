//! Commands below a command.
use std::path::PathBuf;

use clap::Subcommand;

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

#[derive(Debug, Subcommand)]
pub(crate) enum CrosswalkAction {
    /// Write it as CSV for machines, with the columns object, old_key, new_id.
    Export {
        /// Of this mapping or target object; of all if left out.
        object: Option<String>,
        /// File to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Take such a file in, whole or not at all: what contradicts itself or what is known is told with its line. Exit code
    /// 6 then.
    Import {
        /// The file.
        file: PathBuf,
        /// Let the file win over what is known.
        #[arg(long)]
        replace: bool,
    },
}
