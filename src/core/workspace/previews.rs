//! What mappings do to rows before anything is planned: problems, rows before and after, one cell's way.
mod telling;

use hashbrown::HashMap;
use polars::prelude::{DataFrame, StringChunked};

use super::Workspace;
use crate::error::{Error, Result};
use crate::journal::StateDir;
use crate::map::{CellStep, Failure, Fate, Outcome, Pipeline, StepCount};
use crate::monitor::{Monitor, Progress};
use crate::plan::ops::{CHANGED, OP, PENDING, Store, operation, ops_path, read_index_list};
use crate::plan::shape::text_columns;
use crate::plan::{MappingPlan, Selection};
use crate::plan::{Operation, store};
use crate::project::Mapping;
use crate::resolve::show_key;
use crate::table::{RowSource, Snapshot, Window};

/// Rows before and after the row steps, side by side.
#[derive(Debug, Clone, Default)]
pub struct Preview {
    /// Source rows.
    pub before: Window,
    /// The same rows mapped; a link field shows `(new) accounts 4711`, the new id, or `pending` before facts exist.
    pub after: Window,
    /// Per row.
    pub fates: Vec<Fate>,
    /// Failures, `row` relative to the window.
    pub failures: Vec<Failure>,
    /// For each target field: the first source column it reads, to show before and after in pairs.
    pub sources: Vec<Option<String>>,
    /// Counts by step over the rows looked at.
    pub counts: Vec<StepCount>,
    /// Failures by field and reason over the rows looked at.
    pub reasons: Vec<(String, String, u64)>,
    /// Rows that `counts` and `reasons` are over.
    pub sampled: u64,
}

/// Which rows a preview shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreviewRows {
    /// By position.
    From(u64),
    /// Rows that fail in this target field (any field if None), skipping the first `skip`.
    Failing {
        /// Target field.
        field: Option<String>,
        /// Rows to skip.
        skip: u64,
    },
    /// Rows whose cell of this target field changes.
    Changed {
        /// Target field.
        field: Option<String>,
        /// Rows to skip.
        skip: u64,
    },
    /// Rows that tell most about this target field, of the first 20,000: different ones that fail, that change, that are NULL,
    /// the longest, and others.
    Telling {
        /// Target field.
        field: String,
    },
}

/// Rows that counts and reasons of a preview are taken from.
const SAMPLE_ROWS: usize = 20_000;
/// Stored plans that are looked at for resolved links, newest first.
const PLANS_LOOKED_AT: usize = 8;

impl Workspace {
    /// Rows before and after a mapping's row steps. `mapping` need not be saved: the editor hands in what is typed.
    /// For failing and changed rows the windows' `total` is what was found: one more than asked for if there are more.
    pub fn preview(
        &self,
        mapping: &Mapping,
        rows: &PreviewRows,
        count: usize,
        monitor: &dyn Monitor,
    ) -> Result<Preview> {
        let (snapshot, pipeline) = self.compiled(mapping, monitor)?;
        let sample = snapshot.slice(0, SAMPLE_ROWS, None)?;
        let sampled = pipeline.apply(&sample)?;
        let (ordinals, total) = match rows {
            PreviewRows::From(first) => {
                let end = first.saturating_add(count as u64).min(snapshot.len());
                ((*first..end.max(*first)).collect(), snapshot.len())
            }
            PreviewRows::Failing { field, skip } => {
                let wanted = field_index(&pipeline, field.as_deref())?;
                find(&snapshot, &pipeline, *skip, count, monitor, &|outcome, _, hits| {
                    let failing = outcome.failures.iter().filter(|f| wanted.is_none_or(|field| f.field == field));
                    failing.for_each(|failure| hits[failure.row] = true);
                    Ok(())
                })?
            }
            PreviewRows::Changed { field, skip } => {
                let wanted = field_index(&pipeline, field.as_deref())?;
                find(&snapshot, &pipeline, *skip, count, monitor, &|outcome, frame, hits| {
                    changed_rows(&pipeline, outcome, frame, wanted, hits)
                })?
            }
            PreviewRows::Telling { field } => {
                let field = field_index(&pipeline, Some(field))?.unwrap_or_default();
                (telling::rows(&pipeline, &sample, &sampled, field, count)?, snapshot.len())
            }
        };
        let ordinals: Vec<u64> = ordinals;
        let frame = snapshot.gather(&ordinals, None)?;
        let mut outcome = pipeline.apply(&frame)?;
        // People who were erased are left out, whatever the row steps make of their empty rows.
        let erased = &snapshot.meta().erased;
        let gone = |row: usize| erased.binary_search(&ordinals[row]).is_ok();
        (0..ordinals.len()).filter(|row| gone(*row)).for_each(|row| outcome.fates[row] = Fate::Filtered);
        outcome.failures.retain(|failure| !gone(failure.row));
        let mut before = snapshot.rows(&ordinals)?;
        before.total = total;
        let mut cells = text_columns(&outcome.mapped, &names(&pipeline))?;
        self.show_links(mapping, &pipeline, &snapshot, &ordinals, &mut cells)?;
        let after = Window {
            columns: names(&pipeline),
            first: before.first,
            rows: (0..ordinals.len())
                .map(|row| cells.iter().map(|column| column.get(row).map(str::to_owned)).collect())
                .collect(),
            ordinals: before.ordinals.clone(),
            lines: before.lines.clone(),
            total,
        };
        monitor.check()?;
        Ok(Preview {
            before,
            after,
            fates: outcome.fates,
            failures: outcome.failures,
            sources: pipeline.fields().iter().map(|field| field.sources.first().cloned()).collect(),
            reasons: reasons(&pipeline, &sampled),
            counts: sampled.counts,
            sampled: sample.height() as u64,
        })
    }

    /// One row's cell through a field's steps.
    pub fn trace_cell(&self, mapping: &Mapping, row: u64, field: &str) -> Result<Vec<CellStep>> {
        let (snapshot, pipeline) = self.compiled(mapping, &crate::monitor::Silent)?;
        let place = field_index(&pipeline, Some(field))?.unwrap_or_default();
        let frame = snapshot.slice(row, 1, None)?;
        if frame.height() == 0 {
            return Err(Error::usage(format!("{} has {} rows", mapping.from.label, snapshot.len())));
        }
        pipeline.trace(&frame, 0, place)
    }

    fn compiled(&self, mapping: &Mapping, monitor: &dyn Monitor) -> Result<(Snapshot, Pipeline)> {
        let from = &mapping.from;
        let snapshot = self.glance(&from.platform, &from.source, &from.label, monitor)?;
        let columns = snapshot.columns();
        let pipeline = Pipeline::compile(mapping, &columns, &self.project().root)
            .map_err(|found| super::plans::problems_error(&found))?;
        Ok((snapshot, pipeline))
    }

    /// Shows in link columns what the newest plan of the same pipeline and source resolved; else what the crosswalk knows;
    /// else `pending`.
    fn show_links(
        &self,
        mapping: &Mapping,
        pipeline: &Pipeline,
        snapshot: &Snapshot,
        ordinals: &[u64],
        cells: &mut [StringChunked],
    ) -> Result<()> {
        let links: Vec<usize> =
            (0..pipeline.fields().len()).filter(|at| pipeline.fields()[*at].link.is_some()).collect();
        if links.is_empty() || ordinals.is_empty() {
            return Ok(());
        }
        let state = StateDir::of(&self.project().root);
        let crosswalk = state.crosswalk(self.project().env.as_deref())?;
        let plan = self.plan_of(mapping, pipeline, snapshot);
        let planned = match &plan {
            Some((dir, plan)) => planned_links(dir, plan, ordinals)?,
            None => HashMap::new(),
        };
        for at in links {
            let field = &pipeline.fields()[at];
            let parent = field.link.as_deref().unwrap_or_default();
            let object =
                self.project().mappings.iter().find(|other| other.name == parent).map(|other| other.to.to_string());
            let mut shown = Vec::with_capacity(ordinals.len());
            for (row, ordinal) in ordinals.iter().enumerate() {
                let Some(old) = cells[at].get(row).filter(|old| !old.is_empty()) else {
                    shown.push(None);
                    continue;
                };
                let known = match planned.get(&(*ordinal, field.target.as_str())) {
                    Some(Link::Id(id)) => Some(id.clone()),
                    Some(Link::New(key)) => Some(Some(format!("(new) {parent} {}", show_key(key)))),
                    Some(Link::Lost) => Some(Some(format!("(not carried over) {parent} {}", show_key(old)))),
                    None => None,
                };
                shown.push(match (known, &object) {
                    (Some(known), _) => known,
                    (None, Some(object)) => Some(crosswalk.get(object, old)?.unwrap_or_else(|| "pending".into())),
                    (None, None) => Some("pending".into()),
                });
            }
            cells[at] = shown.into_iter().collect();
        }
        Ok(())
    }

    /// The newest stored plan whose facts hold for this pipeline and source.
    fn plan_of(
        &self,
        mapping: &Mapping,
        pipeline: &Pipeline,
        snapshot: &Snapshot,
    ) -> Option<(std::path::PathBuf, MappingPlan)> {
        let plans = StateDir::of(&self.project().root).path().join("plans");
        let mut dirs: Vec<_> = std::fs::read_dir(plans)
            .ok()?
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        dirs.sort_by(|one, other| other.cmp(one));
        dirs.into_iter().take(PLANS_LOOKED_AT).find_map(|(_, dir)| {
            let plan = store::load(&dir).ok()?;
            let same = |part: &MappingPlan| {
                part.mapping == mapping.name
                    && part.pipeline_hash == pipeline.hash()
                    && snapshot.dir().ends_with(&part.source_snapshot)
                    // Its operations are found by the ordinals of their rows.
                    && !matches!(part.selection, Selection::Chosen { .. })
                    && plan.env == self.project().env
            };
            let part = plan.mappings.iter().find(|part| same(part))?.clone();
            Some((dir, part))
        })
    }
}

/// What a plan made of a link cell.
enum Link {
    Id(Option<String>),
    New(String),
    Lost,
}

/// Link cells of source rows as planned; cells that a write rule keeps are left out.
fn planned_links<'p>(
    dir: &std::path::Path,
    plan: &'p MappingPlan,
    ordinals: &[u64],
) -> Result<HashMap<(u64, &'p str), Link>> {
    let store = Store::open(&ops_path(dir, &plan.mapping))?;
    let mut columns = vec![OP.to_owned(), CHANGED.to_owned()];
    for link in &plan.links {
        columns.push(link.column.clone());
        columns.push(format!("{PENDING}{}", link.column));
    }
    let mut out = HashMap::new();
    let mut at = 0;
    while at < ordinals.len() {
        // Neighbours are read together.
        let run = ordinals[at..].windows(2).take_while(|pair| pair[1] == pair[0] + 1).count() + 1;
        let frame = store.slice(ordinals[at], run, Some(&columns))?;
        for row in 0..frame.height() {
            let ordinal = ordinals[at + row];
            let operation = frame.column(OP)?.u32()?.get(row).and_then(operation);
            let changed = read_index_list(frame.column(CHANGED)?.str()?.get(row));
            for link in &plan.links {
                let cell = frame.column(&link.column)?.str()?.get(row);
                let new = frame.column(&format!("{PENDING}{}", link.column))?.str()?.get(row);
                let place = plan.columns.iter().position(|column| *column == link.column);
                let writes = place.is_some_and(|place| changed.contains(&place));
                let found = match operation {
                    _ if new.is_some() => Link::New(new.unwrap_or_default().to_owned()),
                    Some(Operation::Insert) => Link::Id(cell.map(str::to_owned)),
                    Some(Operation::Update) if writes => Link::Id(cell.map(str::to_owned)),
                    Some(Operation::Rejected | Operation::Held) => Link::Lost,
                    _ => continue,
                };
                out.insert((ordinal, link.column.as_str()), found);
            }
        }
        at += run;
    }
    Ok(out)
}

fn names(pipeline: &Pipeline) -> Vec<String> {
    pipeline.fields().iter().map(|field| field.target.clone()).collect()
}

fn field_index(pipeline: &Pipeline, field: Option<&str>) -> Result<Option<usize>> {
    let Some(name) = field else { return Ok(None) };
    match pipeline.fields().iter().position(|field| field.target == name) {
        Some(at) => Ok(Some(at)),
        None => Err(Error::usage(format!("the mapping has no field '{name}'"))),
    }
}

/// Marks the rows of a batch that are looked for.
type Mark<'a> = &'a dyn Fn(&Outcome, &DataFrame, &mut [bool]) -> Result<()>;

/// Ordinals of rows that `mark` marks, `skip` of them left out, and how many were found up to one more than are asked for.
fn find(
    snapshot: &Snapshot,
    pipeline: &Pipeline,
    skip: u64,
    count: usize,
    monitor: &dyn Monitor,
    mark: Mark<'_>,
) -> Result<(Vec<u64>, u64)> {
    let enough = skip + count as u64 + 1;
    let (mut ordinals, mut found, mut at) = (Vec::new(), 0_u64, 0_u64);
    for frame in snapshot.batches(None)? {
        monitor.check()?;
        let frame = frame?;
        let outcome = pipeline.apply(&frame)?;
        let mut hits = vec![false; frame.height()];
        mark(&outcome, &frame, &mut hits)?;
        for row in (0..hits.len()).filter(|row| hits[*row] && outcome.fates[*row] != Fate::Filtered) {
            found += 1;
            if found > skip && ordinals.len() < count {
                ordinals.push(at + row as u64);
            }
        }
        at += frame.height() as u64;
        monitor.report(Progress { step: "looking for rows".into(), done: at, total: Some(snapshot.len()) });
        if found >= enough {
            break;
        }
    }
    Ok((ordinals, found.min(enough)))
}

/// Rows with a cell that is another than the source column it is filled from.
fn changed_rows(
    pipeline: &Pipeline,
    outcome: &Outcome,
    frame: &DataFrame,
    wanted: Option<usize>,
    hits: &mut [bool],
) -> Result<()> {
    for (at, field) in pipeline.fields().iter().enumerate() {
        let Some(source) = field.sources.first().filter(|_| wanted.is_none_or(|wanted| wanted == at)) else { continue };
        let (before, after) = (frame.column(source)?.str()?, outcome.mapped.column(&field.target)?.str()?);
        for (hit, (before, after)) in hits.iter_mut().zip(before.iter().zip(after.iter())) {
            *hit |= before != after;
        }
    }
    Ok(())
}

/// Failures by field and reason, most first.
fn reasons(pipeline: &Pipeline, outcome: &Outcome) -> Vec<(String, String, u64)> {
    let mut counts: HashMap<(usize, &str), u64> = HashMap::new();
    for failure in &outcome.failures {
        *counts.entry((failure.field, failure.reason.as_str())).or_default() += 1;
    }
    let mut out: Vec<(String, String, u64)> = counts
        .into_iter()
        .map(|((field, reason), rows)| (pipeline.fields()[field].target.clone(), reason.to_owned(), rows))
        .collect();
    out.sort_by(|one, other| other.2.cmp(&one.2).then_with(|| (&one.0, &one.1).cmp(&(&other.0, &other.1))));
    out
}
