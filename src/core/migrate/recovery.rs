//! Looking after runs whose engine died: what does each target hold, and does the crosswalk know it.
//!
//! Whoever does it holds the run's engine lock, so two screens never do it at once, and no engine lives meanwhile.
use std::path::Path;
use std::sync::Arc;

use super::execute::fits;
use super::{EngineLock, staged};
use crate::error::Result;
use crate::journal::{Control, Crosswalk, Event, MappingResult, RunLog, RunRecord, RunState, StateDir, now};
use crate::plan::{Counts, MappingPlan, Plan};
use crate::platform::{Connector, ReadOptions, Source};

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
            format!("{what}: nothing was written; {} may say why", log.display())
        }
        Ok(found) => format!("the engine died; {}", found.join("; ")),
        // What could not be looked after now is looked after at the next start.
        Err(error) => return Err(error.at(format!("looking after run {}", record.id))),
    });
    control.put_run(&record)?;
    control.note("recovered", Some(&record.id))?;
    Ok(record)
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
    if events.is_empty() {
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
        let (result, words) = one(&dir, mapping, &history, connector.as_ref(), &mut crosswalk, &mut log)?;
        found.push(format!("{}: {words}", mapping.to));
        record.results.push(result);
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

/// What the journal says of one mapping.
#[derive(Default)]
struct History {
    begun: bool,
    intent: Option<Counts>,
    published: Option<crate::platform::Published>,
    nothing: bool,
    crosswalk: bool,
}

impl History {
    fn of(events: &[Event], name: &str) -> Self {
        let mut history = Self::default();
        for event in events {
            match event {
                Event::Begun { mapping, .. } if mapping == name => history.begun = true,
                Event::Intent { mapping, counts, .. } if mapping == name => history.intent = Some(*counts),
                Event::Published { mapping, published } if mapping == name => {
                    history.published = Some(published.clone());
                }
                Event::Nothing { mapping } if mapping == name => history.nothing = true,
                Event::Crosswalk { mapping } if mapping == name => history.crosswalk = true,
                _ => {}
            }
        }
        history
    }
}

/// One mapping: its result, and in words what its target holds.
fn one(
    dir: &Path,
    plan: &MappingPlan,
    history: &History,
    connector: &dyn Connector,
    crosswalk: &mut Crosswalk,
    log: &mut RunLog,
) -> Result<(MappingResult, String)> {
    let mut result =
        MappingResult { mapping: plan.mapping.clone(), to: plan.to.to_string(), ..MappingResult::default() };
    // The platform is asked even where the journal knows: it also clears away what was staged.
    let recovery = connector.recover(&plan.to.object, dir)?;
    result.published = history.published.is_some()
        || history.nothing
        || match &recovery {
            Some(recovery) => recovery.published,
            // Nothing left over, but promised: files show by their content whether it came to it.
            None => {
                history.intent.is_some()
                    && !plan.target_version.hash.is_empty()
                    && !fits(&plan.target_version, &connector.version(&plan.to.object)?)
            }
        };
    if !result.published {
        log.write(Event::Recovered { mapping: plan.mapping.clone(), published: false })?;
        return Ok((result, "as it was before".to_owned()));
    }
    if history.nothing {
        result.counts = plan.counts;
    } else if let Some(counts) = history.intent {
        let (before, after) = match &history.published {
            Some(published) => (published.before, published.rows),
            None => (plan.counts.before, count(connector, &plan.to.object)?),
        };
        result.counts = Counts { before, after, ..counts };
    }
    result.closes = result.counts.closes();
    if !history.crosswalk {
        staged::apply(dir, &plan.mapping, &result.to, crosswalk)?;
        log.write(Event::Crosswalk { mapping: plan.mapping.clone() })?;
    }
    if history.published.is_none() && !history.nothing {
        log.write(Event::Recovered { mapping: plan.mapping.clone(), published: true })?;
    }
    let words = if history.nothing { "as planned, nothing was to be written" } else { "published whole" };
    Ok((result, words.to_owned()))
}

/// Rows of an object, counted by reading it.
fn count(connector: &dyn Connector, object: &str) -> Result<u64> {
    let mut reader = connector.read(&Source::Object(object.to_owned()), &ReadOptions::default())?;
    let mut rows = 0;
    while let Some(batch) = reader.next_batch()? {
        rows += batch.frame.height() as u64;
    }
    Ok(rows)
}

#[cfg(test)]
pub(super) mod tests;
