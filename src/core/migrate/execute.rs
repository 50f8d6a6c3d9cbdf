//! One run: its mappings one after the other, in load order.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashMap;

use super::agreed::{self, Agreed};
use super::history::{History, Settled};
use super::mapping::{self, Executed, Shared};
use super::report::MappingReport;
use super::staged;
use super::trail::Trail;
use super::waited::WaitedChanges;
use crate::error::{Error, Kind, Result};
use crate::journal::{Crosswalk, Event, MappingResult, RunLog, StateDir};
use crate::monitor::Monitor;
use crate::plan::ops::OpsReader;
use crate::plan::{Counts, MappingPlan, Plan};
use crate::platform::{Connector, ObjectVersion};
use crate::project::{Bound, ObjectRef};
use crate::table::Snapshot;

/// A run and what it needs from the outside.
pub(crate) struct Run<'r> {
    /// State folder.
    pub(crate) state: &'r StateDir,
    /// Folder of the run.
    pub(crate) dir: &'r Path,
    /// What was confirmed.
    pub(crate) plan: &'r Plan,
    /// Opens a platform by name.
    pub(crate) connect: &'r dyn Fn(&str) -> Result<Arc<dyn Connector>>,
    /// A mapping's error budget.
    pub(crate) budget: &'r dyn Fn(&str) -> Bound,
    /// Watches.
    pub(crate) monitor: &'r dyn Monitor,
    /// Which attempt of the run this is, from 1 on.
    pub(crate) attempt: u32,
}

/// How far a run came.
pub(crate) struct Ended {
    /// Mappings that ended well.
    pub(crate) reports: Vec<MappingReport>,
    /// All mappings that were begun, the one that failed last.
    pub(crate) results: Vec<MappingResult>,
    /// Why it ended early.
    pub(crate) error: Option<Error>,
    /// The target of the mapping that failed is not as planned any more.
    pub(crate) moved: bool,
}

impl Run<'_> {
    /// Executes the mappings. `seen` is told the results after each.
    pub(crate) fn execute(&self, seen: &mut dyn FnMut(&[MappingResult]) -> Result<()>) -> Ended {
        let mut ended = Ended { reports: Vec::new(), results: Vec::new(), error: None, moved: false };
        if let Err(error) = self.mappings(&mut ended, seen) {
            ended.error = Some(error);
        }
        ended
    }

    fn mappings(&self, ended: &mut Ended, seen: &mut dyn FnMut(&[MappingResult]) -> Result<()>) -> Result<()> {
        let mut crosswalk = self.state.crosswalk(self.plan.env.as_deref())?;
        let events = RunLog::read(self.dir)?;
        agreed::begin(self.dir, &crosswalk)?;
        let mut log = RunLog::append(self.dir)?;
        log.write(Event::Attempt { number: self.attempt, pid: std::process::id() })?;
        let mut versions: HashMap<&ObjectRef, (ObjectVersion, bool)> = HashMap::new();
        let mut batches = 0;
        let mut waiting: Vec<Vec<u64>> = Vec::new();
        for (place, plan) in self.plan.mappings.iter().enumerate() {
            self.monitor.check()?;
            let start = std::time::Instant::now();
            let connector = (self.connect)(&plan.to.platform)?;
            let here = connector.capabilities(&plan.to.object);
            let atomic = here.as_ref().map_or(true, |here| here.atomic);
            let history = History::of(&events, &plan.mapping);
            if history.begun
                && let Some(Settled { report, version, waiting: left }) = history
                    .settle((self.state, self.plan), self.dir, plan, connector.as_ref(), &mut crosswalk, &mut log)
                    .map_err(|error| or_gone(error, plan, connector.as_ref()))?
            {
                note_version(&mut versions, &plan.to, version, report.result.counts.deleted > 0);
                ended.results.push(report.result.clone());
                seen(&ended.results)?;
                let closed = closed(plan, &report.result);
                waiting.push(left);
                ended.reports.push(report);
                closed?;
                continue;
            }
            let mut result =
                MappingResult { mapping: plan.mapping.clone(), to: plan.to.to_string(), ..MappingResult::default() };
            let mut shared = Shared {
                crosswalk: &mut crosswalk,
                log: &mut log,
                published: versions.get(&plan.to),
                batches: &mut batches,
                trail: (!atomic).then(|| Trail::new(history.mark, history.doubt)),
            };
            let executed =
                here.and_then(|_| mapping::execute(self, place, connector.as_ref(), &mut result, &mut shared));
            result.millis = start.elapsed().as_millis() as u64;
            let executed = executed.or_else(|error| {
                // The platform knows better than the error whether anything became visible.
                let recovered = connector.recover(&plan.to.object, self.dir).ok().flatten();
                if !result.published && recovered.is_some_and(|recovery| recovery.published) {
                    result.published = true;
                    staged::apply(self.dir, &plan.mapping, &result.to, &mut crosswalk)?;
                    self.agree(plan, &crosswalk, result.counts.after)?;
                    let version = connector.version(&plan.to.object).ok();
                    log.write(Event::Recovered {
                        mapping: plan.mapping.clone(),
                        published: true,
                        version,
                        rows: None,
                    })?;
                }
                if !result.published && atomic {
                    // Staged is not written.
                    result.counts = Counts { inserted: 0, updated: 0, deleted: 0, marked: 0, ..result.counts };
                }
                let now = connector.version(&plan.to.object).ok().filter(|_| !result.published);
                ended.moved =
                    now.is_some_and(|now| !fits(&plan.target_version, &now)) && !versions.contains_key(&plan.to);
                ended.moved &= !is_gone(plan, connector.as_ref());
                Err(or_gone(error, plan, connector.as_ref()))
            });
            ended.results.push(result.clone());
            seen(&ended.results)?;
            let Executed { mut report, version, waiting: left } = executed?;
            waiting.push(left);
            report.result.millis = result.millis;
            note_version(&mut versions, &plan.to, version, result.counts.deleted > 0);
            ended.reports.push(report);
            closed(plan, &result)?;
        }
        // Last first: what others pointed to goes when they are gone (and in a revert comes when those are there that it
        // points to).
        for (place, waiting) in waiting.iter().enumerate().rev().filter(|(_, waiting)| !waiting.is_empty()) {
            let part = &self.plan.mappings[place];
            let connector = (self.connect)(&part.to.platform)?;
            let report = &mut ended.reports[place];
            let (state, dir, plan, connector) = (self.state, self.dir, self.plan, connector.as_ref());
            let mut waited =
                WaitedChanges { state, dir, plan, part, connector, waiting, crosswalk: &mut crosswalk, log: &mut log };
            if !waited.settle(&events, report)? {
                let start = std::time::Instant::now();
                let version = waited.execute(self, &events, versions.get(&part.to), report);
                let version = version.map_err(|error| or_gone(error, part, connector))?;
                report.result.millis += start.elapsed().as_millis() as u64;
                note_version(&mut versions, &part.to, version, true);
            }
            ended.results[place] = report.result.clone();
            seen(&ended.results)?;
            closed(part, &ended.results[place])?;
        }
        Ok(())
    }

    /// Tells the ledger what the mapping carried over.
    pub(super) fn agree(&self, part: &MappingPlan, crosswalk: &Crosswalk, rows: u64) -> Result<()> {
        Agreed { state: self.state, run_dir: self.dir, plan: self.plan, part, crosswalk, rows }.apply()
    }

    /// A path of the plan; relative ones start from the project.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.state.path().parent().unwrap_or_else(|| Path::new(".")).join(path)
    }

    /// The operations of a mapping.
    pub(super) fn operations(&self, plan: &MappingPlan) -> Result<OpsReader> {
        OpsReader::open(&self.state.plan(&self.plan.id), plan).map_err(|error| error.at(&plan.mapping))
    }

    /// The source snapshot, if it is the one that was planned from.
    pub(super) fn source_snapshot(&self, plan: &MappingPlan) -> Result<Snapshot> {
        let refused = |what: &str| {
            Error::refused(format!("the snapshot of {} {what}", plan.from))
                .at(&plan.mapping)
                .advise("plan again: what is run is what was shown")
        };
        crate::plan::store::refuse_erased(&self.state.plan(&self.plan.id)).map_err(|error| error.at(&plan.mapping))?;
        let snapshot = Snapshot::open(&self.path(&plan.source_snapshot)).map_err(|_| refused("is gone or damaged"))?;
        if snapshot.meta().version != plan.source_version {
            return Err(refused("is another than the one planned from"));
        }
        Ok(snapshot)
    }
}

/// What a mapping made of its target, for the mappings after it that write there too.
fn note_version<'p>(
    versions: &mut HashMap<&'p ObjectRef, (ObjectVersion, bool)>,
    to: &'p ObjectRef,
    version: Option<ObjectVersion>,
    deleted: bool,
) {
    if let Some(version) = version {
        let before = versions.get(to).is_some_and(|(_, deleted)| *deleted);
        versions.insert(to, (version, deleted || before));
    }
}

/// Fails where the balance of a mapping does not close.
fn closed(plan: &MappingPlan, result: &MappingResult) -> Result<()> {
    if result.closes {
        return Ok(());
    }
    Err(Error::data(format!("the balance of {} does not close", plan.to))
        .at(&plan.mapping)
        .advise("the target was published; compare it with the plan: `crm-console verify`, `crm-console report`"))
}

/// The target was there when the plan was made and is not now.
fn is_gone(plan: &MappingPlan, connector: &dyn Connector) -> bool {
    plan.target_version.exists && connector.version(&plan.to.object).is_ok_and(|now| !now.exists)
}

/// Whatever failed first: where the target is gone, that is why.
fn or_gone(error: Error, plan: &MappingPlan, connector: &dyn Connector) -> Error {
    if error.kind() == Kind::Platform && is_gone(plan, connector) { mapping::gone(plan) } else { error }
}

/// The version that a writer must find: the planned one, or what this run made of it before.
pub(super) fn target_version(
    plan: &MappingPlan,
    connector: &dyn Connector,
    published: Option<&(ObjectVersion, bool)>,
) -> Result<ObjectVersion> {
    let now = connector.version(&plan.to.object)?;
    if !now.exists && published.map_or(plan.target_version.exists, |(version, _)| version.exists) {
        return Err(mapping::gone(plan));
    }
    match published {
        // Rows are found again by their place in the file, and places move when rows before them go.
        Some((version, true)) if !version.hash.is_empty() => {
            Err(Error::refused(format!("{} lost rows to an earlier mapping of this run", plan.to))
                .at(&plan.mapping)
                .advise("run the mappings into one file one by one: plan and migrate each alone"))
        }
        Some((version, _)) if fits(version, &now) => Ok(version.clone()),
        None if fits(&plan.target_version, &now) => Ok(plan.target_version.clone()),
        _ => Err(mapping::moved(plan)),
    }
}

/// An object is still as it was: files by content, others by their shape (their rows are checked one by one when written).
pub(super) fn fits(planned: &ObjectVersion, now: &ObjectVersion) -> bool {
    if planned.exists != now.exists {
        return false;
    }
    if planned.hash.is_empty() || now.hash.is_empty() {
        return planned.identity == now.identity;
    }
    (planned.bytes, &planned.hash) == (now.bytes, &now.hash)
}
