//! Starting, executing and watching runs.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{VerifyRequest, Workspace};
use crate::error::{Error, Kind, Result};
use crate::journal::{Control, Entry, Event, RunLog, RunRecord, RunState, StateDir, now, private_folder, who};
use crate::migrate::recovery::{PLAN, Patience, look_after, read_plan, resume_advice};
use crate::migrate::{
    Ending, EngineLock, MappingReport, Owner, Run, RunMonitor, RunReport, TargetLocks, engine_program, fault,
    spawn_engine, write_whole,
};
use crate::monitor::{CancelFlag, Monitor, Progress};
use crate::plan::{MappingPlan, Plan, Purpose};
use crate::project::{Bound, Budget, RunConfig};
use crate::score::{Consistency, Tally};

/// Time between two looks at a run that is followed.
const LOOK: Duration = Duration::from_millis(150);
/// How long a run that goes between two cycles of a sync loop waits for the one that is being written.
const CYCLE: Duration = Duration::from_secs(60);

impl Workspace {
    /// Starts the engine process on a stored plan. `confirm` must be [`Plan::confirm`]. Answers the run's id at once.
    /// The engine is this program, or the one that `CRM_CONSOLE_BIN` names.
    pub fn start_run(&self, plan: &Plan, confirm: &str) -> Result<String> {
        self.start_run_by(&engine_program()?, plan, confirm)
    }

    /// [`Workspace::start_run`] with the program that is to be the engine.
    pub fn start_run_by(&self, program: &Path, plan: &Plan, confirm: &str) -> Result<String> {
        let record = self.create_run(plan, confirm)?;
        let control = self.state().control()?;
        let dir = self.state().run(&record.id);
        match spawn_engine(program, &self.root()?, plan.env.as_deref(), (&record.id, record.attempt), &dir) {
            Ok(pid) => {
                control.set_pid(&record.id, pid)?;
                Ok(record.id)
            }
            Err(error) => {
                control.put_run(&failed(record, &error))?;
                Err(error)
            }
        }
    }

    /// Notes a run of a stored plan, without an engine yet: for who executes it in its own process.
    pub fn create_run(&self, plan: &Plan, confirm: &str) -> Result<RunRecord> {
        if let Some(error) = plan.refusal() {
            return Err(error);
        }
        if confirm != plan.confirm {
            return Err(Error::refused("not confirmed: nothing was written")
                .advise(format!("confirm by the name of the target: {}", plan.confirm)));
        }
        let state = self.state();
        let control = state.control()?;
        crate::plan::store::refuse_erased(&state.plan(&plan.id))?;
        let id = new_run_folder(&state, &plan.id)?;
        let bytes = serde_json::to_vec_pretty(plan).map_err(|_| Error::platform("the plan cannot be written"))?;
        write_whole(&state.run(&id).join(PLAN), &bytes)?;
        let record = RunRecord {
            id,
            plan: plan.id.clone(),
            env: plan.env.clone(),
            state: RunState::Starting,
            started: now(),
            ended: None,
            // Until there is an engine: if this process dies first, there never will be one.
            pid: std::process::id(),
            owner: who(),
            progress: Progress { step: "starting".to_owned(), ..Progress::default() },
            rate: 0.0,
            results: Vec::new(),
            consistency: None,
            note: None,
            failure: None,
            attempt: 1,
            asked: None,
            limit: None,
            workers: None,
            intent: Some(plan.intent()),
        };
        control.add_run(&record)?;
        let confirmed = Entry::new("confirmed and started").run(&record.id).plan(&plan.id);
        control.record(&confirmed.detail(format!("on {}", plan.confirm)))?;
        Ok(record)
    }

    /// The engine process: executes a run that [`Workspace::start_run`] created. Only `crm-console engine` calls it.
    /// `stop` is what the process's signals set: the run ends after the batch, and can be resumed.
    ///
    /// The record says how the run ended, failures included; an error means that not even that could be kept.
    pub fn execute_run(&self, run: &str, stop: &CancelFlag) -> Result<RunRecord> {
        self.execute_attempt(run, 1, stop)
    }

    /// [`Workspace::execute_run`] for another attempt, as [`Workspace::resume_run`] begins it.
    pub fn execute_attempt(&self, run: &str, attempt: u32, stop: &CancelFlag) -> Result<RunRecord> {
        let state = self.state();
        let control = state.control()?;
        let dir = state.run(run);
        let known = control.run(run)?.ok_or_else(|| unknown(run))?;
        if !dir.is_dir() {
            return Err(unknown(run));
        }
        let _alive = EngineLock::wait(&dir)?;
        fault::begin();
        let mut record = control.run(run)?.unwrap_or(known);
        if record.state != RunState::Starting || record.attempt != attempt {
            return Err(Error::usage(format!("attempt {attempt} of run {run} has been executed")).advise(format!(
                "see how it ended with `crm-console runs`; crm-console resume {run} goes on with it"
            )));
        }
        record.pid = std::process::id();
        let monitor = RunMonitor::new(state.control()?, run, stop.clone());
        let mut record = match self.engine(&control, &mut record, &monitor) {
            Ok(()) => record,
            Err(error) => failed(record, &error),
        };
        if let Ok(mut log) = RunLog::append(&dir) {
            // For those who read the journal; what counts is the record.
            let _ = log.write(Event::Ended { number: attempt, state: record.state });
        }
        let (progress, _) = monitor.flush()?;
        if !progress.step.is_empty() {
            record.progress = progress;
        }
        record.rate = 0.0;
        record.ended = Some(now());
        fault::point("before-report");
        control.note(&format!("ended: {:?}", record.state).to_lowercase(), Some(run))?;
        // Before anybody sees that the run has ended, so that all is in its place then. The report can be made again at any
        // time, so the run does not fail for it.
        _ = self.write_report(&record, None);
        self.prune_quietly();
        control.put_run(&record)?;
        Ok(record)
    }

    /// The work of [`Workspace::execute_run`]. An error becomes the record's.
    fn engine(&self, control: &Control, record: &mut RunRecord, monitor: &RunMonitor) -> Result<()> {
        let state = self.state();
        let dir = state.run(&record.id);
        let plan = read_plan(&dir)?;
        let targets: Vec<String> = plan.mappings.iter().map(|mapping| mapping.to.to_string()).collect();
        let _held = self.lock(&plan, &targets, &record.id, monitor)?;
        self.recover_others(control, &record.id, &plan)?;
        record.state = RunState::Running;
        control.put_run(record)?;
        // Of a selection only a part of the rows is read, but the budget is one of the whole source.
        let rows =
            |name: &str| plan.mappings.iter().find(|part| part.mapping == name).map_or(0, MappingPlan::budget_rows);
        let budget = |name: &str| Bound::Count(self.error_budget(name).of(rows(name)));
        let connect = |platform: &str| self.connector(platform);
        let run = Run {
            state: &state,
            dir: &dir,
            plan: &plan,
            connect: &connect,
            budget: &budget,
            monitor,
            attempt: record.attempt,
        };
        let ended = run.execute(&mut |results| {
            record.results = results.to_vec();
            (record.progress, record.rate) = monitor.flush()?;
            control.put_run(record)
        });
        record.results = ended.results;
        let moved = ended.moved || record.results.iter().any(|result| result.moved > 0);
        let fresh = if moved { self.fresh_plan(&plan, monitor) } else { None };
        let mut error = ended.error;
        if error.is_none() {
            record.state = RunState::Verifying;
            control.put_run(record)?;
            fault::point("before-verify");
            error = self.verified(&plan, record, monitor).err();
        }
        let mut notes = Vec::new();
        match &error {
            None => record.state = RunState::Done,
            Some(error) => {
                record.failure = Some(error.kind());
                record.state = end_of(error, monitor.ending().as_ref());
                // What was published is told by target, and some may have been before the end.
                notes.push(match monitor.ending() {
                    Some(Ending::Cancelled) if error.kind() == Kind::Stopped => "cancelled".to_owned(),
                    Some(Ending::Stopped(why)) if error.kind() == Kind::Stopped => why,
                    _ => error.to_string(),
                });
                notes.push(published_so_far(&plan, record));
                if record.state == RunState::Stopped {
                    notes.push(resume_advice(&record.id));
                }
            }
        }
        notes.extend(left_over(record, &ended.reports));
        notes.extend(self.sources_since(&plan));
        notes.extend(fresh);
        record.note = (!notes.is_empty()).then(|| notes.join("\n"));
        let mut mappings = ended.reports;
        for (report, result) in mappings.iter_mut().zip(&record.results) {
            report.result = result.clone();
        }
        (record.progress, record.rate) = monitor.flush()?;
        let ended = RunRecord { ended: Some(now()), rate: 0.0, ..record.clone() };
        RunReport { version: 1, run: ended, mappings }.write(&dir)
    }

    /// The locks of a run. One that takes back what sync did goes in between two cycles of a loop that holds the mapping.
    fn lock(&self, plan: &Plan, targets: &[String], run: &str, monitor: &dyn Monitor) -> Result<TargetLocks> {
        let (state, owner) = (self.state(), Owner::of_run(run));
        let between = matches!(plan.purpose, Purpose::RevertSync { .. });
        let names = plan.mappings.iter().map(|mapping| mapping.mapping.as_str()).filter(|_| !between);
        let names: Vec<&str> = names.chain(targets.iter().map(String::as_str)).collect();
        let until = Instant::now() + CYCLE;
        loop {
            match TargetLocks::take(&state, plan.env.as_deref(), names.iter().copied(), &owner) {
                Err(error) if between && error.kind() == Kind::Busy && Instant::now() < until => {
                    monitor.check()?;
                    std::thread::sleep(LOOK / 10);
                }
                taken => return taken,
            }
        }
    }

    /// Brings dead runs to their end before anything new is written, those on the same targets above all.
    fn recover_others(&self, control: &Control, own: &str, plan: &Plan) -> Result<()> {
        let state = self.state();
        for other in control.open_runs()? {
            if other.id == own || other.env != plan.env {
                continue;
            }
            // Its targets are locked by this run now, so no engine of it can be at work on them.
            let shares = read_plan(&state.run(&other.id)).is_ok_and(|theirs| {
                theirs
                    .mappings
                    .iter()
                    .any(|one| plan.mappings.iter().any(|mine| mine.to == one.to || mine.mapping == one.mapping))
            });
            let patience = if shares { Patience::Wait } else { Patience::None };
            let looked = look_after(&state, control, other, &|platform| self.connector(platform), patience);
            if shares {
                looked?;
            }
        }
        Ok(())
    }

    /// Reads the targets back; fills in tallies and consistency.
    fn verified(&self, plan: &Plan, record: &mut RunRecord, monitor: &dyn Monitor) -> Result<()> {
        let request = VerifyRequest { run: Some(&record.id), values: 0 };
        let proofs = self.prove(plan, request, monitor).map_err(|error| error.at("verify"))?;
        for result in &mut record.results {
            let proof = proofs.iter().map(|proof| &proof.result).find(|one| one.mapping == result.mapping);
            (result.tally, result.states) = proof.map_or((None, None), |one| (one.tally, one.states));
            result.by_ledger = proof.map_or(0, |one| one.by_ledger);
        }
        let tallies: Vec<Tally> = record.results.iter().filter_map(|result| result.tally).collect();
        record.consistency = Consistency::of(&tallies).mean;
        Ok(())
    }

    /// Plans anew what moved since the plan; answers what to say about it.
    fn fresh_plan(&self, plan: &Plan, monitor: &dyn Monitor) -> Option<String> {
        let names: Vec<String> = plan.mappings.iter().map(|mapping| mapping.mapping.clone()).collect();
        let fresh = match &plan.purpose {
            Purpose::Revert { run } => self.revert(run, &names, monitor).ok()?.plan,
            Purpose::RevertSync { mapping, since, until } => {
                self.revert_sync(mapping, *since, *until, monitor).ok()?.plan
            }
            _ => self.plan(&names, None, monitor).ok()?,
        };
        Some(format!("a fresh plan was made of what the target holds now: {}", fresh.id))
    }

    /// Runs, newest first. Recognises engines that died and recovers what they left.
    pub fn runs(&self) -> Result<Vec<RunRecord>> {
        let Some(control) = self.known_control()? else { return Ok(Vec::new()) };
        control.runs()?.into_iter().map(|record| Ok(self.looked_after(&control, record))).collect()
    }

    /// One run. Recognises that its engine died and recovers what it left.
    pub fn run(&self, id: &str) -> Result<RunRecord> {
        let control = self.known_control()?.ok_or_else(|| unknown(id))?;
        let record = control.run(id)?.ok_or_else(|| unknown(id))?;
        Ok(self.looked_after(&control, record))
    }

    /// A run whose targets cannot be looked at now stays open, and says why.
    fn looked_after(&self, control: &Control, mut record: RunRecord) -> RunRecord {
        if record.intent.is_none() {
            // Noted by an earlier version: its plan says what it was for.
            record.intent = read_plan(&self.state().run(&record.id)).ok().map(|plan| plan.intent());
        }
        let looked =
            look_after(&self.state(), control, record.clone(), &|platform| self.connector(platform), Patience::None);
        looked.unwrap_or_else(|error| RunRecord { note: Some(error.to_string()), ..record })
    }

    /// Follows a run to its end: `seen` is called with the record a few times a second. Answers the final record.
    pub fn follow(&self, id: &str, seen: &mut dyn FnMut(&RunRecord)) -> Result<RunRecord> {
        loop {
            let record = self.run(id)?;
            seen(&record);
            if record.state.is_final() {
                return Ok(record);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Folder of a run, or of a plan, by id.
    pub(super) fn journal_folder(&self, id: &str) -> Result<PathBuf> {
        let named = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let folders = [self.state().run(id), self.state().plan(id)];
        folders
            .into_iter()
            .find(|folder| named && folder.is_dir())
            .ok_or_else(|| Error::usage(format!("no run or plan {id}")).advise("see the runs with `crm-console runs`"))
    }

    pub(super) fn state(&self) -> StateDir {
        StateDir::of(&self.project.root)
    }

    /// `control.db` where there is one: looking at a project leaves no trace in it.
    pub(super) fn known_control(&self) -> Result<Option<Control>> {
        let state = self.state();
        if !state.path().join("control.db").exists() {
            return Ok(None);
        }
        state.control().map(Some)
    }

    /// The project folder as any process can find it.
    pub(super) fn root(&self) -> Result<PathBuf> {
        let root = &self.project.root;
        let named = if root.as_os_str().is_empty() { std::path::Path::new(".") } else { root };
        std::path::absolute(named).map_err(|error| Error::io("find", root, &error))
    }

    fn error_budget(&self, mapping: &str) -> Budget {
        let mapping = self.project.mappings.iter().find(|one| one.name == mapping);
        mapping.map_or_else(|| RunConfig::default().error_budget, |mapping| mapping.run.error_budget)
    }
}

/// `20261123-091500-7f3ac2`, with a number behind it where there is one of that second already.
fn new_run_folder(state: &StateDir, plan: &str) -> Result<String> {
    let short: String = plan.chars().filter(char::is_ascii_alphanumeric).take(6).collect();
    let base = format!("{}-{short}", chrono::Utc::now().format("%Y%m%d-%H%M%S"));
    for number in 1..1_000 {
        let id = if number == 1 { base.clone() } else { format!("{base}-{number}") };
        let dir = state.run(&id);
        match std::fs::create_dir(&dir) {
            Ok(()) => return private_folder(&dir).map(|()| id),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("make the folder", &dir, &error)),
        }
    }
    Err(Error::platform("too many runs were started in this second").advise("try again"))
}

fn unknown(run: &str) -> Error {
    Error::usage(format!("no run {run}")).advise("see them with `crm-console runs`")
}

/// How a run ends by an error. What a platform does not let happen now it may let happen later: such a run can be resumed.
fn end_of(error: &Error, ending: Option<&Ending>) -> RunState {
    match (error.kind(), ending) {
        (Kind::Stopped, Some(Ending::Stopped(_))) | (Kind::Platform, _) => RunState::Stopped,
        (Kind::Stopped, _) => RunState::Cancelled,
        _ => RunState::Failed,
    }
}

fn failed(record: RunRecord, error: &Error) -> RunRecord {
    let state = if error.kind() == Kind::Stopped { RunState::Cancelled } else { RunState::Failed };
    RunRecord { state, ended: Some(now()), note: Some(error.to_string()), failure: Some(error.kind()), ..record }
}

/// What the targets of a run that ended early hold.
fn published_so_far(plan: &Plan, record: &RunRecord) -> String {
    let words: Vec<String> = plan
        .mappings
        .iter()
        .map(|mapping| {
            let result = record.results.iter().find(|one| one.mapping == mapping.mapping);
            let words = match result {
                Some(result) if result.published => "published",
                // Only where the platform keeps each batch does anything count as written before the end.
                Some(result) if !result.counts.is_noop() => "written in part",
                _ => "as it was before",
            };
            format!("{}: {words}", mapping.to)
        })
        .collect();
    words.join("; ")
}

/// What a run left to do.
fn left_over(record: &RunRecord, reports: &[MappingReport]) -> Vec<String> {
    let mut notes = Vec::new();
    for result in record.results.iter().filter(|result| result.moved > 0) {
        notes.push(format!("{}: {} rows changed since the plan and were left alone", result.to, result.moved));
    }
    for report in reports.iter().filter(|report| report.links_left > 0) {
        let to = &report.result.to;
        notes.push(format!("{to}: {} links are empty until the next run, which knows the new ids", report.links_left));
    }
    notes
}

#[cfg(test)]
mod tests;
