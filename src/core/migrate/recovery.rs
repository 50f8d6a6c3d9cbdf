//! Looking after runs whose engine died: what does each target hold, and does the crosswalk know it.
//!
//! Whoever does it holds the run's engine lock, so two screens never do it at once, and no engine lives meanwhile.
use std::path::Path;
use std::sync::Arc;

use super::EngineLock;
use super::history::History;
use super::waited::WaitedChanges;
use crate::error::Result;
use crate::journal::{Control, Event, MappingResult, RunLog, RunRecord, RunState, StateDir, now};
use crate::plan::Plan;
use crate::platform::Connector;

/// Opens a platform by name.
pub(crate) type Connect<'c> = &'c dyn Fn(&str) -> Result<Arc<dyn Connector>>;

/// File of the plan in the folder of a run: what was confirmed.
pub(crate) const PLAN: &str = "plan.json";

/// How long to wait for a run's engine lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Not at all: if it is held, the engine lives or somebody is looking after it.
    None,
    /// Until it is free: the caller knows that no engine can live (it holds the mapping).
    Wait,
}

/// Looks whether the engine of a run that is not ended lives, and if not, brings the run to its end. Answers the record
/// as it is then.
pub(crate) fn look_after(
    state: &StateDir,
    control: &Control,
    record: RunRecord,
    connect: Connect<'_>,
    patience: Patience,
) -> Result<RunRecord> {
    let dir = state.run(&record.id);
    if record.state.is_final() {
        return Ok(record);
    }
    let _lock = match patience {
        _ if !dir.is_dir() => None,
        Patience::Wait => Some(EngineLock::wait(&dir)?),
        Patience::None => match EngineLock::if_free(&dir)? {
            Some(lock) => Some(lock),
            None => return Ok(record),
        },
    };
    // As it is now: the engine may have ended the run before it let go of the lock.
    let Some(mut record) = control.run(&record.id)? else { return Ok(record) };
    if record.state.is_final() || (record.state == RunState::Starting && lives(record.pid)) {
        return Ok(record);
    }
    let started = record.state != RunState::Starting;
    record.state = RunState::Crashed;
    record.ended = Some(now());
    record.rate = 0.0;
    record.note = Some(match recover(state, &mut record, connect) {
        Ok(found) if found.is_empty() => {
            let log = dir.join("engine.log");
            let what = if started { "the engine died before it wrote anything" } else { "the engine did not start" };
            format!("{what}: nothing was written; {} may say why\n{}", log.display(), resume_advice(&record.id))
        }
        Ok(found) => format!("the engine died; {}\n{}", found.join("; "), resume_advice(&record.id)),
        // What could not be looked after now is looked after at the next start.
        Err(error) => return Err(error.at(format!("looking after run {}", record.id))),
    });
    control.put_run(&record)?;
    control.note("recovered", Some(&record.id))?;
    Ok(record)
}

/// How to go on with a run that ended early.
pub(crate) fn resume_advice(run: &str) -> String {
    format!("go on with it: crm-console resume {run}")
}

/// A process of that id is there.
fn lives(pid: u32) -> bool {
    i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .is_some_and(|pid| !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
}

/// What each begun target holds, in words; fills in the results.
fn recover(state: &StateDir, record: &mut RunRecord, connect: Connect<'_>) -> Result<Vec<String>> {
    let dir = state.run(&record.id);
    let events = RunLog::read(&dir)?;
    if !events.iter().any(|event| matches!(event, Event::Begun { .. } | Event::Nothing { .. })) {
        return Ok(Vec::new());
    }
    let plan = read_plan(&dir)?;
    let mut crosswalk = state.crosswalk(plan.env.as_deref())?;
    let mut log = RunLog::append(&dir)?;
    let mut found = Vec::new();
    record.results.clear();
    for mapping in &plan.mappings {
        let history = History::of(&events, &mapping.mapping);
        if !history.begun {
            found.push(format!("{}: not begun", mapping.to));
            continue;
        }
        let connector = connect(&mapping.to.platform)?;
        let settled = history.settle((state, &plan), &dir, mapping, connector.as_ref(), &mut crosswalk, &mut log)?;
        let words = match settled {
            Some(mut settled) => {
                let waiting = &settled.waiting;
                let done = waiting.is_empty()
                    || WaitedChanges {
                        state,
                        dir: &dir,
                        plan: &plan,
                        part: mapping,
                        connector: connector.as_ref(),
                        waiting,
                        crosswalk: &mut crosswalk,
                        log: &mut log,
                    }
                    .settle(&events, &mut settled.report)?;
                record.results.push(settled.report.result);
                match (history.nothing, done) {
                    (true, _) => "as planned, nothing was to be written",
                    (false, true) => "published whole",
                    (false, false) => "published, but for changes that wait for the other mappings",
                }
            }
            None => {
                let (mapping, to) = (mapping.mapping.clone(), mapping.to.to_string());
                let counts = history.mark.as_ref().map(|mark| mark.counts).unwrap_or_default();
                record.results.push(MappingResult { mapping, to, counts, ..MappingResult::default() });
                if history.mark.is_some() || history.doubt.is_some() { "written in part" } else { "as it was before" }
            }
        };
        found.push(format!("{}: {words}", mapping.to));
    }
    Ok(found)
}

/// The plan of the run in `run_dir`.
pub(crate) fn read_plan(run_dir: &Path) -> Result<Plan> {
    let path = run_dir.join(PLAN);
    let bytes = std::fs::read(&path).map_err(|error| crate::Error::io("read the plan", &path, &error))?;
    serde_json::from_slice(&bytes).map_err(|_| {
        crate::Error::platform(format!("{} cannot be understood", path.display()))
            .advise("it was written by another version of crm-console, or changed")
    })
}

#[cfg(test)]
pub(super) mod tests;
