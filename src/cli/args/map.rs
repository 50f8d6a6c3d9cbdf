//! `init` and `map`: making and reviewing mappings without the screen.
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum MapAction {
    /// What may fill each target field of a mapping, with score, reasons and transform; and what is left to do.
    Show {
        /// Mapping.
        mapping: String,
        /// Only suggestions of at least this score.
        #[arg(long, value_name = "S", default_value_t = 0.0)]
        min_score: f64,
    },
    /// Take suggestions into mappings, for target fields that nothing fills; remembered for the next mapping.
    Accept {
        /// Mappings; all if left out.
        #[arg(value_name = "MAPPING")]
        mappings: Vec<String>,
        /// Take those of at least this score, 0 to 1.
        #[arg(long, value_name = "S", default_value_t = 0.9)]
        min_score: f64,
        /// Only these target fields, whatever the score.
        #[arg(long, value_delimiter = ',', value_name = "F,...")]
        field: Vec<String>,
        /// Only show what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// Say that a source field does not fill a target field: it is not suggested again, and taken out where it is mapped so.
    Refuse {
        /// Mapping.
        mapping: String,
        /// Target field.
        target: String,
        /// Source field; the one that is suggested or mapped if left out.
        source: Option<String>,
    },
    /// Take the last edit of a mapping back.
    Undo {
        /// Mapping.
        mapping: String,
    },
    /// Write a mapping with its suggestions as a sheet, for people who review in spreadsheets.
    Export {
        /// Mapping.
        mapping: String,
        /// File to write: CSV, or a workbook if it ends in .xlsx.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Read such a sheet back: each line is checked, and what changes is shown. Exit code 1 while it waits for --write.
    Import {
        /// Mapping.
        mapping: String,
        /// CSV or xlsx file.
        file: PathBuf,
        /// Change the mapping; without it only shows.
        #[arg(long)]
        write: bool,
    },
    /// Match users of the old CRM with those of the new one, and keep who is who as a value map.
    Owners(OwnersArgs),
}

/// `map owners`.
#[derive(Debug, Args)]
pub(crate) struct OwnersArgs {
    /// Users of the old CRM, as PLATFORM:OBJECT.
    pub(crate) old: String,
    /// Users of the new CRM.
    pub(crate) new: String,
    /// Column by which records name a user; found by what records hold if left out.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) key: Option<String>,
    /// The value map, in the project.
    #[arg(long, value_name = "FILE", default_value = "maps/owners.csv")]
    pub(crate) file: PathBuf,
    /// Matches below it are for a person to decide.
    #[arg(long, value_name = "S", default_value_t = 0.9)]
    pub(crate) min_score: f64,
    /// Who stands in for those without a match, by id in the new CRM.
    #[arg(long, value_name = "ID")]
    pub(crate) fallback: Option<String>,
    /// Write the value map; lines that are there stay. Without it only shows.
    #[arg(long)]
    pub(crate) write: bool,
}

/// `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Old CRM: a file, a folder of files or a database file.
    pub(crate) old: PathBuf,
    /// New CRM: the same; it need not exist yet.
    pub(crate) new: PathBuf,
    /// The occasion.
    #[arg(long, value_enum)]
    pub(crate) scenario: Option<ScenarioName>,
    /// One more: an old CRM of a merge, a new one of a split. May be given several times.
    #[arg(long = "and", value_name = "PATH")]
    pub(crate) more: Vec<PathBuf>,
    /// For a split, once for each new CRM in their order: which rows of the old one are its own, as in "REGION = 'north'".
    #[arg(long, value_name = "SQL")]
    pub(crate) part: Vec<String>,
    /// Minutes in which nobody needs to work with the old CRM.
    #[arg(long, value_name = "MINUTES")]
    pub(crate) downtime: Option<u64>,
    /// Whether both sides are worked with for a while.
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    pub(crate) live: Option<bool>,
    /// Changes of the new CRM go back, too.
    #[arg(long)]
    pub(crate) both_ways: bool,
}

/// Why data moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScenarioName {
    /// The old CRM is outgrown; teams move one after the other.
    Growth,
    /// The same company on newer technology.
    Upgrade,
    /// Several old CRMs become one.
    Merge,
    /// One old CRM becomes several.
    Split,
}

/// What a person types for yes and no.
pub(crate) fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.trim().to_lowercase().as_str() {
        "yes" | "y" | "true" => Ok(true),
        "no" | "n" | "false" => Ok(false),
        _ => Err("say yes or no".to_owned()),
    }
}
