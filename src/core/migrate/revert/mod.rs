//! Taking a run back: a plan of its own that makes the rows which a run wrote what they were before it.
//!
//! What the run changed goes back to its pre-image, what it inserted is deleted, what it deleted is put back: in files at
//! its place and byte for byte, in tables under its old id. A row is touched only if it still reads as it did right after
//! the run (its post-image, the whole row); any other is held and listed. Rows that are as before already are unchanged.
use std::path::{Path, PathBuf};

mod entries;
mod pairs;
pub(crate) mod span;
mod touched;
mod verify;
mod write;

pub(crate) use self::verify::verify;

use self::pairs::Pairs;
use self::touched::Touched;
use crate::error::Result;
use crate::journal::{Crosswalk, StateDir};
use crate::monitor::Monitor;
use crate::plan::{Blocked, MappingPlan, Plan, Purpose};
use crate::platform::{Capabilities, Schema};
use crate::table::Snapshot;

/// Why a row that the run (or sync) wrote is left alone.
const CHANGED: [&str; 2] = ["changed since the run", "changed by others meanwhile or since"];
const GONE: [&str; 2] = ["removed since the run", "removed by others meanwhile or since"];
const TAKEN: &str = "another row has its key now";
const NO_PRE_IMAGE: &str = "its pre-image is not kept any more";
const NO_POST_IMAGE: &str = "how it read after the run is not known";

/// What one mapping of a revert is planned from.
pub(crate) struct Job<'a> {
    /// What is taken back, in words: `run 20261125-…`, `sync 09:00:00..09:30:00`.
    pub(crate) what: &'a str,
    /// Its folder.
    pub(crate) run_dir: &'a Path,
    /// It is what sync did within a span of time.
    pub(crate) span: bool,
    /// Its plan for this mapping.
    pub(crate) part: &'a MappingPlan,
    /// The target as that run found it, if it is still there: it tells the places of removed rows.
    pub(crate) before: Option<&'a Snapshot>,
    /// The target now.
    pub(crate) target: &'a Snapshot,
    /// Columns of the target, as the platform knows them.
    pub(crate) schema: &'a Schema,
    pub(crate) here: &'a Capabilities,
    pub(crate) crosswalk: &'a Crosswalk,
    /// Folder of the plan that is made.
    pub(crate) dir: &'a Path,
    /// Where the rows as they were are kept for this plan (must not exist).
    pub(crate) rows_dir: PathBuf,
    pub(crate) monitor: &'a dyn Monitor,
}

/// Folder of what a plan takes back: of a run, or what sync did within a span of time, folded. None: it takes nothing back.
pub(crate) fn reverted_folder(state: &StateDir, plan: &Plan) -> Option<PathBuf> {
    match &plan.purpose {
        Purpose::Revert { run } => Some(state.run(run)),
        Purpose::RevertSync { .. } => Some(span::folder(&state.plan(&plan.id))),
        Purpose::Migrate | Purpose::Retry { .. } | Purpose::Repair { .. } | Purpose::Sync => None,
    }
}

impl Job<'_> {
    const fn changed(&self) -> &'static str {
        CHANGED[self.span as usize]
    }
    const fn gone(&self) -> &'static str {
        GONE[self.span as usize]
    }
    /// Columns that can be written, in order: all but those that the platform computes.
    fn columns(&self) -> Vec<String> {
        let written = |name: &&str| self.schema.column(name).is_none_or(|column| !column.generated || column.key);
        self.target.meta().schema.names().filter(written).map(str::to_owned).collect()
    }
    /// The column by which the platform names a row, where it has one.
    fn identity(&self) -> Option<&str> {
        self.here.identity.as_deref().filter(|name| self.target.meta().schema.column(name).is_some())
    }
}

/// Plans one mapping into `job.dir`; None if the run wrote nothing there.
pub(crate) fn plan_mapping(job: &Job<'_>) -> Result<Option<MappingPlan>> {
    let Some(touched) = Touched::read(job.run_dir, &job.part.mapping)? else { return Ok(None) };
    let pairs = Pairs::find(job, &touched)?;
    let mut plan = write::write(job, &touched, &pairs)?;
    judge(job, &touched, &pairs, &mut plan);
    Ok(Some(plan))
}

/// Warnings, and reasons not to run.
fn judge(job: &Job<'_>, touched: &Touched, pairs: &Pairs, plan: &mut MappingPlan) {
    let counts = plan.counts;
    if !job.part.target_version.exists {
        plan.warnings.push(format!("{} made {}: it stays, without those rows", job.what, plan.to));
    }
    if counts.deleted > 0 {
        plan.warnings.push(format!("deletes {} rows that {} had inserted", counts.deleted, job.what));
    }
    if counts.held > 0 {
        plan.warnings.push(format!("{} rows are left as they are, see why: they are listed as held", counts.held));
    }
    if touched.erased > 0 {
        let rows = if touched.erased == 1 { "1 row".to_owned() } else { format!("{} rows", touched.erased) };
        plan.warnings.push(format!(
            "{rows} of the run not known any more, because a person was erased: what it did there stays as it is"
        ));
    }
    if pairs.is_file() && job.before.is_none() && counts.inserted > 0 && !job.span {
        plan.warnings.push("where the removed rows stood is not known any more: they go to the end".into());
    }
    if plan.here.side_effects.iter().any(|effect| effect.starts_with("trigger")) {
        plan.warnings.push("triggers fire again: columns that they set get new values".into());
    }
    let mut block = |reason: String, advice: &str| {
        plan.blocked.push(Blocked { data: false, reason, advice: advice.to_owned() });
    };
    let to = &job.part.to;
    if let Some(columns) = touched.columns()
        && !columns.iter().map(String::as_str).eq(job.target.meta().schema.names())
    {
        block(
            format!("the columns of {to} are others than before the run"),
            "rows cannot be compared any more; bring the columns back, or mend the rows by hand",
        );
    }
    if !job.here.write || !job.here.revertible {
        block(format!("{to} cannot be written, or not be taken back"), "mend the rows by hand");
    }
}
