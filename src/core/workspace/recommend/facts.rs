//! What is known of a mapping and its two sides without reading either whole.
use serde::{Deserialize, Serialize};

use super::super::Workspace;
use super::super::plans::problems_error;
use super::cost::{PLAN_RATE, RUN_RATE, Rate, basis};
use super::cursors::{Candidate, Search};
use crate::error::Result;
use crate::journal::ledger::{Agreement, Ledger};
use crate::journal::{MappingResult, RunRecord, RunState, StateDir};
use crate::monitor::Monitor;
use crate::plan::incremental::askable;
use crate::plan::shape::Shape;
use crate::plan::{Purpose, Selection, store};
use crate::platform::{Connector, ObjectInfo, Part, ReadOptions, Source};
use crate::project::Mapping;
use crate::table::Snapshot;
use crate::table::snapshot::ROW_GROUP;

/// Rows that are read of a source of which no snapshot is there.
const FIRST: u64 = 10_000;

/// How many rows an object has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// How many; None: not known.
    pub count: Option<u64>,
    /// It is exact; otherwise an estimate, or how many there were.
    pub exact: bool,
    /// How that is known, in words.
    pub basis: String,
}

impl Rows {
    fn exact(count: u64, basis: &str) -> Self {
        Self { count: Some(count), exact: true, basis: basis.to_owned() }
    }
    fn about(count: u64, basis: impl Into<String>) -> Self {
        Self { count: Some(count), exact: false, basis: basis.into() }
    }
    fn unknown() -> Self {
        Self { count: None, exact: false, basis: "nothing tells how many".to_owned() }
    }
}

/// What the ledger of a mapping is good for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerFacts {
    /// There is one.
    pub there: bool,
    /// Why a plan cannot rely on it; None: it can.
    pub unfit: Option<String>,
    /// Records in it.
    pub records: u64,
    /// When all records were last planned in full, RFC 3339 UTC.
    pub whole: Option<String>,
    /// It says how far the source was read by the cursor that is set.
    pub mark: bool,
    /// The target has more or fewer rows than the last run left.
    pub target_moved: bool,
}

/// What a recommendation rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Rows of the source.
    pub source: Rows,
    /// Bytes of the source, where it is a file.
    pub source_bytes: Option<u64>,
    /// The target is there.
    pub target_exists: bool,
    /// Rows of the target.
    pub target: Rows,
    /// Bytes of the target, where it is a file: then each run writes all of it anew.
    pub target_bytes: Option<u64>,
    /// The ledger.
    pub ledger: LedgerFacts,
    /// `[run] cursor`.
    pub cursor: Option<String>,
    /// The source can be read from a cursor's value on.
    pub source_parts: bool,
    /// The target can be asked for single rows.
    pub target_parts: bool,
    /// The target can be written at all.
    pub writable: bool,
    /// A run appears in the target whole or not at all.
    pub atomic: bool,
    /// A run can be taken back.
    pub revertible: bool,
    /// How many may write the target at once, where there is a limit.
    pub writers: Option<u32>,
    /// What the limit means for workers, in words.
    pub limit: Option<String>,
    /// `target_only` deletes or marks rows that the source lacks.
    pub acts_on_missing: bool,
    /// Runs of the whole source that ended well in this environment.
    pub whole_runs: u64,
    /// Runs of a part of it (a sample, the first rows) that ended well in this environment.
    pub part_runs: u64,
    /// Rows that the newest run of the whole source wrote.
    pub written_last: Option<u64>,
    /// What times are estimated from, in words.
    pub basis: String,
}

/// Facts, and what is not for show.
pub(super) struct Found {
    pub(super) facts: Facts,
    pub(super) cursors: Vec<Candidate>,
    pub(super) plan: Rate,
    pub(super) run: Rate,
}

/// How long a plan of a whole source took.
struct Planned {
    id: String,
    mapping: String,
    created: String,
    rows: u64,
    millis: u64,
}

/// Earlier plans and runs of the project.
pub(super) struct History {
    runs: Vec<RunRecord>,
    planned: Vec<Planned>,
    /// Environments in which something was run.
    pub(super) envs: Vec<Option<String>>,
}

impl Workspace {
    pub(super) fn history(&self) -> Result<History> {
        let runs = self.runs()?;
        let mut planned = Vec::new();
        for entry in std::fs::read_dir(StateDir::of(&self.project().root).path().join("plans")).into_iter().flatten() {
            // What cannot be read says nothing here.
            let Some(plan) = entry.ok().and_then(|entry| store::load(&entry.path()).ok()) else { continue };
            let whole = |part: &&crate::plan::MappingPlan| {
                plan.purpose == Purpose::Migrate && part.selection == Selection::All && part.incremental.is_none()
            };
            planned.extend(plan.mappings.iter().filter(whole).map(|part| Planned {
                id: plan.id.clone(),
                mapping: part.mapping.clone(),
                created: plan.created.clone(),
                rows: part.counts.read + part.counts.before,
                millis: part.millis,
            }));
        }
        planned.sort_by(|one, other| other.created.cmp(&one.created));
        let mut envs: Vec<Option<String>> = runs.iter().map(|run| run.env.clone()).collect();
        envs.sort_unstable();
        envs.dedup();
        Ok(History { runs, planned, envs })
    }

    pub(super) fn facts_of(&self, mapping: &Mapping, history: &History, monitor: &dyn Monitor) -> Result<Found> {
        let from = self.connector(&mapping.from.platform)?;
        let to = self.connector(&mapping.to.platform)?;
        let object = Source::Object(mapping.to.object.clone());
        let target_exists = to.version(&mapping.to.object)?.exists;
        let schema = if target_exists { Some(to.schema(&object)?) } else { None };
        let columns: Vec<String> = from.schema(&mapping.from.source)?.names().map(str::to_owned).collect();
        let here = to.capabilities(&mapping.to.object)?;
        let shape = Shape::compile(self.project(), mapping, &columns, schema.as_ref(), here.clone())
            .map_err(|found| problems_error(&found))?;

        let (source, cursors) = self.look_at_source(mapping, from.as_ref(), &columns, monitor)?;
        let target = if target_exists {
            self.rows_of(&mapping.to.platform, to.as_ref(), &object)?
        } else {
            Rows::exact(0, "it is not there yet")
        };
        let column = mapping.run.cursor.as_ref().or(cursors.first().map(|one| &one.column)).or(columns.first());
        let source_parts = match (&mapping.from.source, column) {
            (Source::Object(object), Some(column)) => {
                let since =
                    Part::Since { column: column.clone(), value: String::new(), number: false, also: Vec::new() };
                from.read_part(object, &since, &ReadOptions { limit: Some(1), ..ReadOptions::default() })?.is_some()
            }
            _ => false,
        };
        let (ledger, agreement) = self.ledger_facts(mapping, &shape, &target)?;
        let target_parts = target_exists && to.count(&mapping.to.object)?.is_some() && askable(to.as_ref(), &shape)?;
        let target_bytes = info(to.as_ref(), &mapping.to.object).and_then(|info| info.bytes);
        let source_bytes = match &mapping.from.source {
            Source::Object(object) => info(from.as_ref(), object).and_then(|info| info.bytes),
            Source::Query { .. } => None,
        };
        let runs = history.runs_of(mapping, self.project().env.as_deref());
        let (plan, run) = (history.plan_rate(mapping), history.run_rate(mapping, target_bytes.is_some()));
        // A target that nothing else tells of has what the last run left.
        let target = match (target.count, agreement) {
            (None, Some(agreement)) => Rows::about(agreement.rows, format!("as run {} left it", agreement.run)),
            _ => target,
        };
        let facts = Facts {
            source,
            source_bytes,
            target_exists,
            target,
            target_bytes,
            ledger,
            cursor: mapping.run.cursor.clone(),
            source_parts,
            target_parts,
            writable: here.write,
            atomic: here.atomic,
            revertible: here.revertible,
            writers: here.writers,
            limit: here.limit_words(),
            acts_on_missing: mapping.target_only.acts(),
            whole_runs: runs.iter().filter(|(whole, _)| *whole).count() as u64,
            part_runs: runs.iter().filter(|(whole, _)| !*whole).count() as u64,
            written_last: runs.iter().find(|(whole, _)| *whole).map(|(_, result)| written(result)),
            basis: basis(&plan, &run),
        };
        Ok(Found { facts, cursors, plan, run })
    }

    fn ledger_facts(
        &self,
        mapping: &Mapping,
        shape: &Shape,
        target: &Rows,
    ) -> Result<(LedgerFacts, Option<Agreement>)> {
        let path = StateDir::of(&self.project().root).ledger(&mapping.name, self.project().env.as_deref());
        let Some(ledger) = Ledger::open(&path)? else { return Ok((LedgerFacts::default(), None)) };
        let agreement = ledger.agreement()?;
        drop(ledger);
        let unfit = self.since(shape)?.err().map(str::to_owned);
        let mark = agreement.mark.as_ref().is_some_and(|mark| {
            !mark.mixed && !mark.value.is_empty() && mapping.run.cursor.as_ref() == Some(&mark.column)
        });
        let facts = LedgerFacts {
            there: true,
            unfit,
            records: agreement.records,
            whole: Some(agreement.whole.clone()).filter(|whole| !whole.is_empty()),
            mark,
            target_moved: target.exact && target.count.is_some_and(|count| count != agreement.rows),
        };
        Ok((facts, Some(agreement)))
    }

    /// Rows of an object, by whatever tells without reading it.
    fn rows_of(&self, platform: &str, connector: &dyn Connector, source: &Source) -> Result<Rows> {
        let known = self.known_snapshot(platform, connector, source)?;
        Ok(Self::told_rows(known.as_ref(), connector, source)?.unwrap_or_else(|| {
            known.map_or_else(Rows::unknown, |(snapshot, _)| {
                let meta = snapshot.meta();
                Rows::about(meta.rows + meta.rejects, format!("as it was read at {}", meta.taken))
            })
        }))
    }

    fn told_rows(known: Option<&(Snapshot, bool)>, connector: &dyn Connector, source: &Source) -> Result<Option<Rows>> {
        if let Some((snapshot, true)) = known {
            return Ok(Some(Rows::exact(snapshot.meta().rows + snapshot.meta().rejects, "read before and unchanged")));
        }
        let Source::Object(object) = source else { return Ok(None) };
        if let Some(count) = connector.count(object)? {
            return Ok(Some(Rows::exact(count, "counted")));
        }
        let rows = info(connector, object).and_then(|info| info.rows);
        Ok(rows.map(|rows| Rows::exact(rows, "the platform says so")))
    }

    /// Rows of the source, and its columns that a cursor may go by.
    fn look_at_source(
        &self,
        mapping: &Mapping,
        from: &dyn Connector,
        columns: &[String],
        monitor: &dyn Monitor,
    ) -> Result<(Rows, Vec<Candidate>)> {
        let source = &mapping.from.source;
        let known = self.known_snapshot(&mapping.from.platform, from, source)?;
        let told = Self::told_rows(known.as_ref(), from, source)?;
        if let Some((snapshot, current)) = &known {
            let names: Vec<&str> =
                snapshot.meta().schema.names().filter(|name| columns.iter().any(|one| one == name)).collect();
            let mut search = Search::new(names.into_iter());
            search.see(&snapshot.slice(0, ROW_GROUP, None)?)?;
            // Most columns are out after the first rows; the others are looked at in all of them.
            let open = search.open();
            let mut search = Search::new(open.iter().map(String::as_str));
            for frame in snapshot.batches(Some(&open))? {
                monitor.check()?;
                search.see(&frame?)?;
            }
            let meta = snapshot.meta();
            let rows = told
                .unwrap_or_else(|| Rows::about(meta.rows + meta.rejects, format!("as it was read at {}", meta.taken)));
            return Ok((rows, search.finish(*current)));
        }
        let mut reader = from.read(source, &ReadOptions { limit: Some(FIRST), ..ReadOptions::default() })?;
        let mut search = Search::new(columns.iter().map(String::as_str));
        let mut seen = 0;
        while let Some(batch) = reader.next_batch()? {
            monitor.check()?;
            search.see(&batch.frame)?;
            seen += batch.frame.height() as u64;
        }
        let pieces = reader.take_rejects().len() as u64;
        let all = seen < FIRST;
        let rows = match (told, reader.position()) {
            (Some(told), _) => told,
            (None, _) if all => Rows::exact(seen + pieces, "read just now"),
            (None, (consumed, Some(total))) if consumed > 0 => {
                let estimate = (seen + pieces) as f64 * total as f64 / consumed as f64;
                // Two digits: lines differ in length.
                let unit = 10_f64.powf((estimate.log10().floor() - 1.0).max(0.0));
                let estimate = ((estimate / unit).round() * unit) as u64;
                Rows::about(estimate, format!("by its size and its first {}", super::cost::rows(seen)))
            }
            (None, _) => Rows { count: None, exact: false, basis: format!("more than {}", super::cost::rows(seen)) },
        };
        Ok((rows, search.finish(all)))
    }
}

impl History {
    /// Runs of a mapping that ended well in an environment, newest first: whether of the whole source, and how.
    fn runs_of(&self, mapping: &Mapping, env: Option<&str>) -> Vec<(bool, &MappingResult)> {
        let of = |run: &RunRecord| {
            let intent = run.intent.clone().unwrap_or_default();
            (intent.purpose == Purpose::Migrate).then_some(intent.selection == Selection::All)
        };
        self.runs
            .iter()
            .filter(|run| run.env.as_deref() == env && run.state == RunState::Done)
            .filter_map(|run| {
                let result = run.results.iter().find(|one| one.mapping == mapping.name && one.published)?;
                Some((of(run)?, result))
            })
            .collect()
    }

    fn plan_rate(&self, mapping: &Mapping) -> Rate {
        let measured = |own: bool| {
            self.planned.iter().filter(|one| (one.mapping == mapping.name) == own).find_map(|one| {
                let of = if own { String::new() } else { format!(" with {}", one.mapping) };
                Rate::measured(one.rows, one.millis, format!("plan {}{of}", one.id))
            })
        };
        measured(true).or_else(|| measured(false)).unwrap_or(Rate::assumed(PLAN_RATE))
    }

    fn run_rate(&self, mapping: &Mapping, rewritten: bool) -> Rate {
        let platform = format!("{}:", mapping.to.platform);
        let results = || self.runs.iter().flat_map(|run| run.results.iter().map(move |result| (run, result)));
        let measured = |own: bool| {
            results()
                .filter(|(_, result)| result.published && result.to.starts_with(&platform))
                .filter(|(_, result)| (result.mapping == mapping.name) == own)
                .find_map(|(run, result)| {
                    let rows = if rewritten { result.counts.after } else { written(result) };
                    let of = if own { String::new() } else { format!(" with {}", result.mapping) };
                    Rate::measured(rows, result.millis, format!("run {}{of}", run.id))
                })
        };
        measured(true).or_else(|| measured(false)).unwrap_or(Rate::assumed(RUN_RATE))
    }
}

fn written(result: &MappingResult) -> u64 {
    let counts = &result.counts;
    counts.inserted + counts.updated + counts.deleted + counts.marked
}

/// What the platform lists of an object.
fn info(connector: &dyn Connector, object: &str) -> Option<ObjectInfo> {
    connector.objects().ok()?.into_iter().find(|info| info.name == object)
}
