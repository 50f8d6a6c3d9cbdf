//! The way of one record: source row → steps → match → write → verify, with times.
use super::{PlanRow, Workspace};
use crate::error::{Error, Result};
use crate::journal::{Event, Reject, RunLog, RunState, StateDir, read_rejects, rejects_file};
use crate::map::{CellStep, Pipeline};
use crate::migrate::{Failure, RecordState};
use crate::plan::rows::{self, Snapshots};
use crate::plan::{MappingPlan, Plan, Purpose};
use crate::project::Mapping;
use crate::resolve::show_key;
use crate::table::RowSource;

/// Rows of one key that are told of one run.
const ROWS: usize = 20;
/// Failures of a verify that are looked through.
const FAILURES: usize = 100_000;

/// One record in one run, or in a plan that was not run.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Mapping.
    pub mapping: String,
    /// Plan.
    pub plan: String,
    /// What the plan was made for.
    pub purpose: Purpose,
    /// The run, and how it ended.
    pub run: Option<(String, RunState)>,
    /// The source row as it was read: column, cell. None: the source has no such row.
    pub source: Option<Vec<(String, Option<String>)>>,
    /// Each field's cell after each step.
    pub fields: Vec<TracedField>,
    /// The steps are those of the mapping as it is now, which is another than the plan's.
    pub changed: bool,
    /// What the plan makes of it, with the target's cells.
    pub row: PlanRow,
    /// Its id in the target, as the crosswalk knows it now.
    pub id: Option<String>,
    /// Why it was left out, where it was.
    pub reject: Option<Reject>,
    /// What happened when, RFC 3339 UTC.
    pub events: Vec<(String, String)>,
    /// What the run's last verify said; None if there was none.
    pub verified: Option<(RecordState, Vec<String>)>,
}

/// One field's way through its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedField {
    /// Target column.
    pub target: String,
    /// Its steps in order, the first being where it comes from.
    pub steps: Vec<CellStep>,
}

impl Workspace {
    /// The records of a key in the runs over an object, newest first; in the newest plan if there is no run. `object` is the
    /// target (or the source) as `platform:object`, or a mapping; `key` the old key as lists show it, or the new id.
    pub fn trace(&self, object: &str, key: &str) -> Result<Vec<Trace>> {
        let about: Vec<&Mapping> = self
            .project()
            .mappings
            .iter()
            .filter(|mapping| {
                mapping.name == object || mapping.to.to_string() == object || mapping.from.label == object
            })
            .collect();
        if about.is_empty() {
            return Err(Error::usage(format!("no mapping reads or fills '{object}'"))
                .advise("name an object as platform:object, or a mapping; `crm-console check` lists them"));
        }
        let mut traces = Vec::new();
        let runs = self.runs()?;
        for run in &runs {
            // Plans of other versions, or that were cleared away, tell nothing any more.
            let Ok(plan) = self.load_plan(&run.plan) else { continue };
            self.trace_plan(&plan, Some((&run.id, run.state)), &about, key, &mut traces)?;
        }
        if traces.is_empty() {
            for plan in self.plans_by_age() {
                self.trace_plan(&plan, None, &about, key, &mut traces)?;
                if !traces.is_empty() {
                    break;
                }
            }
        }
        if traces.is_empty() {
            return Err(Error::usage(format!("no run or plan over {object} has a record with this key")).advise(
                "give the key as `plan`, `rejects` and `verify` show it, parts joined by ', ', or the new id",
            ));
        }
        Ok(traces)
    }

    /// Stored plans, newest first.
    fn plans_by_age(&self) -> Vec<Plan> {
        let folder = StateDir::of(&self.project().root).path().join("plans");
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let mut plans: Vec<Plan> =
            entries.flatten().filter_map(|entry| self.load_plan(entry.file_name().to_str()?).ok()).collect();
        plans.sort_by(|one, other| other.created.cmp(&one.created));
        plans
    }

    fn trace_plan(
        &self,
        plan: &Plan,
        run: Option<(&str, RunState)>,
        about: &[&Mapping],
        key: &str,
        traces: &mut Vec<Trace>,
    ) -> Result<()> {
        let state = StateDir::of(&self.project().root);
        let crosswalk = state.crosswalk(plan.env.as_deref())?;
        let dir = state.plan(&plan.id);
        for part in &plan.mappings {
            let Some(mapping) = about.iter().find(|mapping| mapping.name == part.mapping && mapping.to == part.to)
            else {
                continue;
            };
            let to = part.to.to_string();
            let old = crosswalk.old_keys(&to, key)?;
            let names = |text: &str| text == key || show_key(text) == key || old.iter().any(|old| old == text);
            let snapshots = Snapshots {
                source: self.open_snapshot(&part.source_snapshot)?,
                target: self.open_snapshot(&part.target_snapshot)?,
            };
            for row in rows::rows_of(&dir, part, &snapshots, &names, ROWS)? {
                let (source, fields, changed) = self.trace_row(mapping, part, &snapshots, &row)?;
                let id = match crosswalk.get(&to, &row.key)? {
                    Some(id) => Some(id),
                    None => crosswalk.get(&to, &row.key.replace(", ", &crate::resolve::KEY_SEPARATOR.to_string()))?,
                };
                let folder = run.map_or_else(|| dir.clone(), |(run, _)| state.run(run));
                let mut events = vec![(plan.created.clone(), format!("planned as {}", word(&row)))];
                let mut verified = None;
                if let Some((run, _)) = run {
                    events.extend(events_of(&state.run(run), part, rows::written_as(&dir, part, &row)?)?);
                    verified = self.state_in(run, part, &row)?;
                }
                traces.push(Trace {
                    mapping: part.mapping.clone(),
                    plan: plan.id.clone(),
                    purpose: plan.purpose.clone(),
                    run: run.map(|(run, state)| (run.to_owned(), state)),
                    source,
                    fields,
                    changed,
                    id,
                    reject: reject_of(&folder, part, &row)?,
                    events,
                    verified,
                    row,
                });
            }
        }
        Ok(())
    }

    /// The source row, its way through the steps, and whether the mapping is another than the plan's.
    #[allow(clippy::type_complexity, reason = "three things of one row, taken apart once")]
    fn trace_row(
        &self,
        mapping: &Mapping,
        part: &MappingPlan,
        snapshots: &Snapshots,
        row: &PlanRow,
    ) -> Result<(Option<Vec<(String, Option<String>)>>, Vec<TracedField>, bool)> {
        let (Some(snapshot), Some((ordinal, _))) = (&snapshots.source, row.source) else {
            return Ok((None, Vec::new(), false));
        };
        let columns = snapshot.columns();
        let cells = snapshot.rows(&[ordinal])?.rows.pop().unwrap_or_default();
        let source = columns.iter().cloned().zip(cells).collect();
        // A mapping that does not compile any more has no steps to show.
        let Ok(pipeline) = Pipeline::compile(mapping, &columns, &self.project().root) else {
            return Ok((Some(source), Vec::new(), true));
        };
        let frame = snapshot.slice(ordinal, 1, None)?;
        let fields =
            pipeline.fields().iter().enumerate().map(|(at, field)| {
                Ok(TracedField { target: field.target.clone(), steps: pipeline.trace(&frame, 0, at)? })
            });
        Ok((Some(source), fields.collect::<Result<_>>()?, pipeline.hash() != part.pipeline_hash))
    }

    /// What the last verify of a run said of a record.
    fn state_in(&self, run: &str, part: &MappingPlan, row: &PlanRow) -> Result<Option<(RecordState, Vec<String>)>> {
        let record = self.run(run)?;
        let verified = record.results.iter().any(|result| result.mapping == part.mapping && result.states.is_some());
        if !verified || row.source.is_none() {
            return Ok(None);
        }
        let source = row.source.map(|(source, _)| source);
        let is_it = |failure: &Failure| failure.source == source;
        let failure = self.failures(run, &part.mapping, 0, FAILURES)?.into_iter().find(is_it);
        let counted = matches!(row.operation, Some(crate::plan::Operation::Filtered | crate::plan::Operation::Merged));
        Ok(match failure {
            Some(failure) => Some((failure.state, failure.columns)),
            None if counted => None,
            None => Some((RecordState::Validated, Vec::new())),
        })
    }
}

fn word(row: &PlanRow) -> &'static str {
    row.operation.map_or("nothing", crate::plan::Operation::word)
}

/// Why the row was left out, by the rejects of a run or a plan.
fn reject_of(folder: &std::path::Path, part: &MappingPlan, row: &PlanRow) -> Result<Option<Reject>> {
    let file = rejects_file(folder, &part.mapping);
    let Some((source, _)) = row.source.filter(|_| file.exists()) else { return Ok(None) };
    for reject in read_rejects(&file)? {
        let reject = reject?;
        if reject.row == Some(source) {
            return Ok(Some(reject));
        }
    }
    Ok(None)
}

/// What a run's journal says of a mapping, and of the batch that the row was in.
fn events_of(run_dir: &std::path::Path, part: &MappingPlan, written_as: Option<u64>) -> Result<Vec<(String, String)>> {
    let mut waits = written_as;
    let mut out = Vec::new();
    for (at, event) in RunLog::read_timed(run_dir)? {
        let own = |mapping: &String| *mapping == part.mapping;
        let what = match &event {
            Event::Begun { mapping, .. } if own(mapping) => {
                // Each attempt hands everything over anew.
                waits = written_as;
                Some("the run began with the mapping".to_owned())
            }
            Event::Batch { mapping, done, .. } if own(mapping) && waits.is_some_and(|place| place <= *done) => {
                waits = None;
                Some(format!("handed to {} with a batch", part.to))
            }
            Event::Intent { mapping, .. } if own(mapping) => Some("everything was staged".to_owned()),
            Event::Published { mapping, .. } if own(mapping) => Some(format!("{} was published", part.to)),
            Event::Crosswalk { mapping } if own(mapping) => Some("noted in the crosswalk".to_owned()),
            Event::Nothing { mapping } if own(mapping) => Some("nothing was to be written".to_owned()),
            Event::Recovered { mapping, published, .. } if own(mapping) => Some(if *published {
                "recovered after a crash: published".to_owned()
            } else {
                "recovered after a crash: not published".to_owned()
            }),
            _ => None,
        };
        out.extend(what.map(|what| (at, what)));
    }
    Ok(out)
}
