//! Taking a run back: its plan, what stands against it, what it costs to be able to.
use std::path::{Path, PathBuf};

use super::{Freshness, Workspace};
use crate::error::{Error, Kind, Result};
use crate::journal::{RunRecord, RunState, StateDir, state_file_name};
use crate::migrate::recovery::read_plan;
use crate::migrate::revert::{Job, plan_mapping};
use crate::migrate::{postimages, preimages};
use crate::monitor::Monitor;
use crate::plan::{MappingPlan, Plan, Purpose};
use crate::platform::Source;
use crate::project::Mode;

/// What taking a run back would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Revert {
    /// The run.
    pub run: RunRecord,
    /// The plan; it may have nothing to do.
    pub plan: Plan,
    /// The run that took it back before, the newest one.
    pub before: Option<String>,
    /// Bytes kept for it: pre-images and post-images.
    pub bytes: u64,
}

impl Revert {
    /// Rows are as they were before the run, but for those that are held.
    pub fn is_done(&self) -> bool {
        is_done(&self.plan)
    }
    /// Rows that are left as they are.
    pub fn held(&self) -> u64 {
        self.plan.mappings.iter().map(|part| part.counts.held).sum()
    }
}

/// A plan has nothing to write.
pub(super) fn is_done(plan: &Plan) -> bool {
    plan.mappings.iter().all(|part| part.counts.is_noop())
}

/// What is taken back.
pub(super) struct What<'a> {
    /// In words.
    pub(super) words: &'a str,
    /// The folder of a run, or one like it.
    pub(super) dir: &'a Path,
    /// It is what sync did within a span of time.
    pub(super) span: bool,
}

impl Workspace {
    /// Makes the plan that takes a run back: of these mappings, all if empty. Nothing is written; it is run like every plan,
    /// once it is confirmed.
    pub fn revert(&self, run: &str, mappings: &[String], monitor: &dyn Monitor) -> Result<Revert> {
        let record = self.run(run)?;
        let state = StateDir::of(&self.project().root);
        let dir = state.run(&record.id);
        if !record.state.is_final() {
            let what = format!("run {} is still at work ({})", record.id, record.state.word());
            return Err(Error::new(Kind::Busy, what).advise("wait until it has ended, or cancel it; then revert"));
        }
        if record.env != self.project().env {
            let env = record.env.as_deref().map_or("no environment".to_owned(), |env| format!("environment {env}"));
            let advice = record.env.as_deref().map_or("leave out --env".to_owned(), |env| format!("add --env {env}"));
            return Err(Error::usage(format!("run {} was made in {env}", record.id)).advise(advice));
        }
        let plan = read_plan(&dir).map_err(|_| not_kept(&record.id, "its plan is"))?;
        if let Some(name) = mappings.iter().find(|name| !plan.mappings.iter().any(|part| part.mapping == **name)) {
            return Err(Error::usage(format!("run {} has no mapping '{name}'", record.id)));
        }
        let parts = self.published(&record, &plan, mappings)?;
        let made = self.new_plan_folder()?;
        let mut out: Vec<MappingPlan> = Vec::new();
        for part in parts {
            monitor.check()?;
            let what = What { words: &format!("run {}", record.id), dir: &dir, span: false };
            let rows = rows_folder(&state, &record.id, &part.mapping)?;
            let planned = self.revert_mapping(&what, part, made.path(), rows, monitor);
            let planned = planned.map_err(|error| error.at(format!("mapping {}", part.mapping)))?;
            out.extend(planned);
        }
        let plan = self.store_plan(made, &Purpose::Revert { run: record.id.clone() }, Mode::Full, out)?;
        let before = self.reverted_by(&record.id)?;
        let bytes = self.kept_bytes(&record.id);
        Ok(Revert { run: record, plan, before, bytes })
    }

    /// The mappings of a run that wrote something, in the order in which they are taken back: the last one first, so that
    /// children go before the parents they name. Those that are put back wait for their parents.
    fn published<'p>(&self, record: &RunRecord, plan: &'p Plan, mappings: &[String]) -> Result<Vec<&'p MappingPlan>> {
        let dir = StateDir::of(&self.project().root).run(&record.id);
        let mut parts: Vec<&MappingPlan> = Vec::new();
        for part in plan.mappings.iter().rev() {
            let result = record.results.iter().find(|result| result.mapping == part.mapping);
            let Some(result) = result.filter(|result| result.published && !result.counts.is_noop()) else { continue };
            if !mappings.is_empty() && !mappings.contains(&part.mapping) {
                continue;
            }
            let counts = &result.counts;
            let images =
                counts.updated + counts.deleted + counts.marked == 0 || preimages::path(&dir, &part.mapping).exists();
            if !images || !postimages::path(&dir, &part.mapping).exists() {
                return Err(not_kept(&record.id, &format!("the rows of {} before and after it are", part.to)));
            }
            // Rows of a file are found by their place, and places move with the first of them that is taken back.
            let file = !part.target_version.hash.is_empty();
            if let Some(other) = parts.iter().find(|other| file && other.to == part.to) {
                return Err(Error::refused(format!(
                    "{} and {} both wrote into {}",
                    part.mapping, other.mapping, part.to
                ))
                .advise(format!(
                    "take them back one by one: crm-console revert {} {}, run that plan, then {}",
                    record.id, other.mapping, part.mapping
                )));
            }
            parts.push(part);
        }
        if parts.is_empty() {
            return Err(Error::refused(format!("run {} wrote nothing: there is nothing to take back", record.id))
                .advise("see what the runs did with `crm-console runs`"));
        }
        Ok(parts)
    }

    pub(super) fn revert_mapping(
        &self,
        what: &What<'_>,
        part: &MappingPlan,
        dir: &Path,
        rows_dir: PathBuf,
        monitor: &dyn Monitor,
    ) -> Result<Option<MappingPlan>> {
        let to = self.connector(&part.to.platform)?;
        if !to.version(&part.to.object)?.exists {
            return Err(Error::refused(format!("{} is gone", part.to))
                .advise("bring it back first; what was changed in it is still kept"));
        }
        let object = Source::Object(part.to.object.clone());
        let target = self.snapshot(&part.to.platform, &object, &part.to.to_string(), Freshness::Now, monitor)?;
        // Of several cycles each found another one.
        let before = if what.span { None } else { self.open_snapshot(&part.target_snapshot).ok().flatten() };
        let before = before.filter(|before| before.meta().version == part.target_version);
        let state = StateDir::of(&self.project().root);
        let mut planned = plan_mapping(&Job {
            what: what.words,
            run_dir: what.dir,
            span: what.span,
            part,
            before: before.as_ref(),
            target: &target,
            schema: &to.schema(&object)?,
            here: &to.capabilities(&part.to.object)?,
            crosswalk: &state.crosswalk(self.project().env.as_deref())?,
            dir,
            rows_dir,
            monitor,
        })?;
        if let Some(plan) = &mut planned {
            plan.source_snapshot = self.inside(&plan.source_snapshot);
            plan.target_snapshot = self.inside(&plan.target_snapshot);
        }
        Ok(planned)
    }

    /// The newest run that took this one back and ended well.
    pub fn reverted_by(&self, run: &str) -> Result<Option<String>> {
        let state = StateDir::of(&self.project().root);
        let reverts = |record: &RunRecord| {
            let purpose = read_plan(&state.run(&record.id)).ok().map(|plan| plan.purpose);
            matches!(purpose, Some(Purpose::Revert { run: reverted }) if reverted == run)
        };
        let runs = self.runs()?;
        Ok(runs.iter().find(|record| record.state == RunState::Done && reverts(record)).map(|record| record.id.clone()))
    }

    /// Bytes that are kept so that a run can be taken back; 0 if it cannot be any more.
    pub fn kept_bytes(&self, run: &str) -> u64 {
        let dir = StateDir::of(&self.project().root).run(run);
        ["preimages", "postimages"].iter().map(|folder| bytes_in(&dir.join(folder))).sum()
    }
}

/// Bytes of the files in a folder.
fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

fn not_kept(run: &str, what: &str) -> Error {
    Error::refused(format!("run {run} cannot be taken back: {what} not kept any more"))
        .advise("the retention removed it, or an older version of the console made the run; mend the rows by hand")
}

/// A new folder for rows as they were before a run.
pub(super) fn rows_folder(state: &StateDir, run: &str, mapping: &str) -> Result<PathBuf> {
    let folder = state.snapshots().join("reverts").join(state_file_name(&format!("{run}.{mapping}")));
    crate::journal::private_folder(&folder)?;
    let taken = |number: &u32| folder.join(number.to_string()).exists();
    let number = (1..u32::MAX).find(|number| !taken(number)).unwrap_or(1);
    Ok(folder.join(number.to_string()))
}
