//! Reading targets back against what a plan expects.
use std::path::{Path, PathBuf};

use hashbrown::HashSet;

use super::plans::problems_error;
use super::{Freshness, Workspace};
use crate::error::{Error, Result};
use crate::journal::{Crosswalk, MappingResult, StateDir, read_rejects, rejects_file};
use crate::migrate::recovery::read_plan;
use crate::migrate::revert;
use crate::migrate::verify::{self, Verified, Verify};
use crate::migrate::{Failure, RecordState};
use crate::monitor::Monitor;
use crate::plan::shape::Shape;
use crate::plan::store::refuse_erased;
use crate::plan::{MappingPlan, Plan, Selection};
use crate::platform::{Connector, Source};
use crate::project::Mapping;
use crate::table::Snapshot;

/// What is verified and how much is told of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct VerifyRequest<'a> {
    /// The run of the plan: rows that it could not write count as suspended, and what fails is kept in its folder, in
    /// the plan's if None.
    pub run: Option<&'a str>,
    /// Failures of each mapping that are told with their cells, the first ones.
    pub values: usize,
}

/// What verifying one mapping found.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// Counts, tally, states.
    pub result: MappingResult,
    /// Records that are not as expected, the first ones.
    pub failures: Vec<Failure>,
    /// Source ordinals of the records that a repair can mend.
    pub(crate) mend: Vec<u32>,
    /// The target as it was read back; None if it is not there.
    pub(crate) target: Option<PathBuf>,
}

impl Workspace {
    /// Reads the targets back against a plan's expected image: the results with tallies. What differs is kept for
    /// [`Workspace::failures`].
    pub fn verify(&self, plan: &Plan, monitor: &dyn Monitor) -> Result<Vec<MappingResult>> {
        let proofs = self.prove(plan, VerifyRequest::default(), monitor)?;
        Ok(proofs.into_iter().map(|proof| proof.result).collect())
    }

    /// [`Workspace::verify`] with the records that fail.
    pub fn prove(&self, plan: &Plan, request: VerifyRequest<'_>, monitor: &dyn Monitor) -> Result<Vec<Proof>> {
        let state = StateDir::of(&self.project().root);
        refuse_erased(&state.plan(&plan.id))?;
        let crosswalk = state.crosswalk(plan.env.as_deref())?;
        let keep = request.run.map_or_else(|| state.plan(&plan.id), |run| state.run(run));
        let mut proofs = Vec::with_capacity(plan.mappings.len());
        for (at, part) in plan.mappings.iter().enumerate() {
            monitor.check()?;
            let start = std::time::Instant::now();
            let unwritten = match request.run {
                Some(run) => unwritten(&state.run(run), &part.mapping)?,
                None => HashSet::new(),
            };
            let job = Read { plan: part, dir: &state.plan(&plan.id), crosswalk: &crosswalk, unwritten: &unwritten };
            let verified = match revert::reverted_folder(&state, plan) {
                Some(reverted) => self.verify_revert(part, &state.plan(&plan.id), &reverted, monitor),
                None => self.verify_mapping(&job, request.values, monitor),
            };
            let (verified, target) = verified.map_err(|error| error.at(format!("mapping {}", part.mapping)))?;
            verify::keep_failures(&keep, &part.mapping, &verified.failures)?;
            let mut counts = part.counts;
            if !plan.mappings[at + 1..].iter().any(|later| later.to == part.to) {
                counts.after = verified.rows;
            }
            let result = MappingResult {
                mapping: part.mapping.clone(),
                to: part.to.to_string(),
                counts,
                closes: counts.closes(),
                published: true,
                moved: 0,
                tally: Some(verified.tally),
                states: Some(verified.states),
                by_ledger: verified.by_ledger,
                millis: start.elapsed().as_millis() as u64,
            };
            proofs.push(Proof { result, failures: verified.failures, mend: verified.mend, target });
        }
        Ok(proofs)
    }

    /// Records that the last verify of a run or a plan found not as expected: key, state and the columns that differ.
    pub fn failures(&self, plan_or_run: &str, mapping: &str, first: usize, count: usize) -> Result<Vec<Failure>> {
        let dir = self.journal_folder(plan_or_run)?;
        Ok(verify::read_failures(&dir, mapping, first, count)?.unwrap_or_default())
    }

    /// Does the target read as it did before the run that was taken back.
    fn verify_revert(
        &self,
        part: &MappingPlan,
        dir: &Path,
        reverted: &Path,
        monitor: &dyn Monitor,
    ) -> Result<(Verified, Option<PathBuf>)> {
        let to = self.connector(&part.to.platform)?;
        if !to.version(&part.to.object)?.exists {
            return Err(Error::refused(format!("{} is gone", part.to)).advise("bring it back, then verify again"));
        }
        let object = Source::Object(part.to.object.clone());
        let target = self.snapshot(&part.to.platform, &object, &part.to.to_string(), Freshness::Now, monitor)?;
        // A revert writes all columns; what counts is what the run wrote that it all began with.
        let mut first = read_plan(reverted).ok();
        let state = StateDir::of(&self.project().root);
        while let Some(reverted) = first.as_ref().and_then(|plan| revert::reverted_folder(&state, plan)) {
            first = read_plan(&reverted).ok();
        }
        let written = first.and_then(|plan| {
            let mapping = plan.mappings.into_iter().find(|mapping| mapping.mapping == part.mapping)?;
            Some(mapping.write_columns())
        });
        let verified = revert::verify(part, dir, &target, &written.unwrap_or_default(), monitor)?;
        Ok((verified, Some(target.dir().to_owned())))
    }

    fn verify_mapping(
        &self,
        job: &Read<'_>,
        values: usize,
        monitor: &dyn Monitor,
    ) -> Result<(Verified, Option<PathBuf>)> {
        let part = job.plan;
        let changed = |what: &str| {
            Error::usage(format!("{what} since the plan was made")).advise("plan again, then verify that plan")
        };
        let project = self.project();
        let mapping = project
            .mappings
            .iter()
            .find(|mapping| mapping.name == part.mapping && mapping.to == part.to)
            .ok_or_else(|| changed("the mapping went"))?;
        let source = self.open_snapshot(&part.source_snapshot)?.ok_or_else(|| changed("the source snapshot went"))?;
        let to = self.connector(&part.to.platform)?;
        let object = Source::Object(part.to.object.clone());
        let asked = part.incremental.as_ref().is_some_and(|incremental| incremental.asked);
        if asked && let Some(proof) = self.verify_own(job, mapping, &source, to.as_ref(), values, monitor)? {
            return Ok(proof);
        }
        let target: Option<Snapshot> = if to.version(&part.to.object)?.exists {
            Some(self.snapshot(&part.to.platform, &object, &part.to.to_string(), Freshness::Now, monitor)?)
        } else {
            None
        };
        let schema = target.as_ref().map(|target| target.meta().schema.clone());
        let columns: Vec<String> = source.meta().schema.names().map(str::to_owned).collect();
        let here = to.capabilities(&part.to.object)?;
        let shape = Shape::compile(project, mapping, &columns, schema.as_ref(), here)
            .map_err(|found| problems_error(&found))?;
        if shape.pipeline.hash() != part.pipeline_hash || shape.columns != part.columns {
            return Err(changed("the mapping was changed"));
        }
        let verified = Verify {
            shape: &shape,
            plan: part,
            dir: job.dir,
            target: target.as_ref(),
            crosswalk: job.crosswalk,
            partial: matches!(part.selection, Selection::Chosen { .. }),
            unwritten: job.unwritten,
            values,
            monitor,
        }
        .run()?;
        Ok((verified, target.map(|target| target.dir().to_owned())))
    }
}

impl Workspace {
    /// The verify of a plan that asked for target rows: its own records are read back, the rest is as the ledger has it.
    fn verify_own(
        &self,
        job: &Read<'_>,
        mapping: &Mapping,
        source: &Snapshot,
        to: &dyn Connector,
        values: usize,
        monitor: &dyn Monitor,
    ) -> Result<Option<(Verified, Option<PathBuf>)>> {
        let part = job.plan;
        let (Some(incremental), Some(rows)) = (&part.incremental, to.count(&part.to.object)?) else { return Ok(None) };
        let schema = to.schema(&Source::Object(part.to.object.clone()))?;
        let columns: Vec<String> = source.meta().schema.names().map(str::to_owned).collect();
        let here = to.capabilities(&part.to.object)?;
        let shape = Shape::compile(self.project(), mapping, &columns, Some(&schema), here)
            .map_err(|found| problems_error(&found))?;
        if shape.pipeline.hash() != part.pipeline_hash || shape.columns != part.columns {
            return Err(Error::usage("the mapping was changed since the plan was made")
                .advise("plan again, then verify that plan"));
        }
        let dir = job.dir.join(format!("{}.verified", part.mapping));
        let Some(target) = self.own_rows(part, &shape, to, job.crosswalk, job.dir, &dir)? else { return Ok(None) };
        let mut verified = Verify {
            shape: &shape,
            plan: part,
            dir: job.dir,
            target: Some(&target),
            crosswalk: job.crosswalk,
            partial: true,
            unwritten: job.unwritten,
            values,
            monitor,
        }
        .run()?;
        verified.rows = rows;
        let by_ledger = incremental.unchanged + incremental.unread_records;
        verified.by_ledger = by_ledger;
        verified.tally.equal += by_ledger;
        verified.states.validated += by_ledger;
        Ok(Some((verified, Some(target.dir().to_owned()))))
    }
}

/// What the verify of one mapping reads.
struct Read<'a> {
    plan: &'a MappingPlan,
    /// Folder of the plan.
    dir: &'a Path,
    crosswalk: &'a Crosswalk,
    unwritten: &'a HashSet<u64>,
}

/// Source rows that a run left out, whatever its plan said.
fn unwritten(run_dir: &Path, mapping: &str) -> Result<HashSet<u64>> {
    let file = rejects_file(run_dir, mapping);
    if !file.exists() {
        return Ok(HashSet::new());
    }
    read_rejects(&file)?.filter_map(|reject| reject.map(|reject| reject.row).transpose()).collect()
}

impl Failure {
    /// In words for a list: its state and the columns that differ.
    pub fn words(&self) -> String {
        match (self.state, self.operation) {
            (RecordState::Mismatched | RecordState::Pending, _) if !self.columns.is_empty() => {
                format!("{}: {}", self.state.word(), self.columns.join(", "))
            }
            (RecordState::Suspended, Some(operation)) => format!("{} ({})", self.state.word(), operation.word()),
            _ => self.state.word().to_owned(),
        }
    }
}
