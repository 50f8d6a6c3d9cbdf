//! One mapping's plan: the pass over its source, written as operations.
use std::path::Path;

use hashbrown::HashMap;
use polars::prelude::{ChunkFullNull, DataFrame, StringChunked};
use xxhash_rust::xxh3::Xxh3;

use super::classify::{Blame, Classified, Context, LinkMode, State};
use super::compare::compare;
use super::facts::{CrosswalkFacts, TargetFacts};
use super::links::ParentIndex;
use super::ops::{OpRow, OpsWriter, code, ops_path};
use super::probe::probe;
use super::shape::{Shape, is_blank, is_true};
use super::target_rows::{TargetRows, kept_path};
use super::{Blocked, Cause, Counts, FieldChange, LeftBehind, MappingPlan, Operation};
use crate::error::Result;
use crate::journal::{Crosswalk, Reject, RejectWriter, rejects_file};
use crate::map::Fate;
use crate::monitor::{Monitor, Progress};
use crate::platform::LINE;
use crate::project::WriteRule;
use crate::resolve::keys::{KeyDuplicates, key_text, show_key};
use crate::table::Snapshot;
use crate::table::snapshot::ROW_GROUP;

/// Rows whose target rows are fetched together, so that a target in another order is read a few times, not once a batch.
const COMPARE_ROWS: usize = 4 * ROW_GROUP;
/// Row groups of the target that one batch may touch and still count as being in the target's order.
const ORDERLY_GROUPS: usize = 4;

/// What one mapping's plan is made from.
pub(crate) struct Job<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) source: &'a Snapshot,
    /// None: the target does not exist yet.
    pub(crate) target: Option<&'a Snapshot>,
    pub(crate) crosswalk: &'a Crosswalk,
    /// Planned images of the mappings planned before.
    pub(crate) parents: &'a HashMap<String, ParentIndex>,
    /// Mappings of the plan that come later.
    pub(crate) later: &'a [String],
    /// Folder of the plan.
    pub(crate) dir: &'a Path,
    /// Other mappings of the plan link to this one.
    pub(crate) linked: bool,
    /// Only that many source rows.
    pub(crate) limit: Option<u64>,
    /// Most rows of a batch; [`ROW_GROUP`] at most.
    pub(crate) batch_rows: usize,
    pub(crate) monitor: &'a dyn Monitor,
}

impl Job<'_> {
    /// The source's rows by batch, with the ordinal of the first.
    pub(crate) fn batches(&self) -> Result<impl Iterator<Item = Result<(u32, DataFrame)>>> {
        let limit = self.limit.unwrap_or(u64::MAX);
        let size = self.batch_rows.clamp(1, ROW_GROUP);
        let mut at = 0_u64;
        Ok(self.source.batches(None)?.flat_map(move |frame| {
            let mut parts = Vec::new();
            match frame {
                Err(error) => parts.push(Err(error)),
                Ok(frame) => {
                    let rows = frame.height().min((limit - at.min(limit)) as usize);
                    let mut from = 0;
                    while from < rows {
                        let part = frame.slice(from as i64, size.min(rows - from));
                        from += part.height();
                        parts.push(Ok((at as u32, part.clone())));
                        at += part.height() as u64;
                    }
                }
            }
            parts
        }))
    }
}

/// Plans one mapping into `job.dir`. Answers its part of the plan and its planned image.
pub(crate) fn plan_mapping(job: &Job<'_>) -> Result<(MappingPlan, ParentIndex)> {
    let shape = job.shape;
    let facts = TargetFacts::read(shape, job.target, job.monitor)?;
    let object = shape.mapping.to.to_string();
    let known = CrosswalkFacts::read(&facts, job.crosswalk, &object)?;
    let mut duplicates = KeyDuplicates::new(shape.mapping.duplicates);
    let own = probe(job, &facts, &known, &mut duplicates)?;
    let links = link_modes(job, own.as_ref());
    let context = Context { shape, facts: &facts, known: &known, crosswalk: job.crosswalk, links };
    let mut state = State::new(duplicates, &facts);
    let mut out = Output::create(job)?;

    let mut chunk: Vec<Classified> = Vec::new();
    let mut held_rows = 0;
    let mut done = 0;
    for batch in job.batches()? {
        job.monitor.check()?;
        let (first, frame) = batch?;
        let height = frame.height();
        let classified = context.classify(&mut state, frame, first)?;
        out.count_latches(shape, &classified);
        let orderly = is_orderly(&classified);
        chunk.push(classified);
        held_rows += height;
        done += height as u64;
        if orderly || held_rows >= COMPARE_ROWS {
            out.take(shape, &facts, job.target, &mut chunk)?;
            held_rows = 0;
        }
        job.monitor.report(Progress {
            step: format!("planning {}", shape.mapping.name),
            done,
            total: Some(job.limit.unwrap_or(u64::MAX).min(job.source.meta().rows)),
        });
    }
    out.take(shape, &facts, job.target, &mut chunk)?;

    let unreadable = job.source.meta().rejects;
    let deletes = done > 0 && unreadable == 0 && state.keyless == 0 && job.limit.is_none();
    let mut rows = TargetRows::decide(shape, &facts, &known, &state, deletes);
    if let Some(target) = job.target {
        rows.write(shape, &facts, target, |ops, cells| out.target_rows(shape, &ops, &cells))?;
    }
    rows.note_kept(&facts, &kept_path(job.dir, &shape.mapping.name))?;
    let mut digest = Xxh3::new();
    digest.update(&facts.digest().to_le_bytes());
    digest.update(&known.digest().to_le_bytes());
    digest.update(shape.mapping.to.to_string().as_bytes());
    let facts_hash = format!("{:032x}", digest.digest128());
    out.finish(job, &facts, &state, &rows, deletes, facts_hash)
}

/// The target rows of a batch lie together: fetching them for this batch alone reads little.
fn is_orderly(batch: &Classified) -> bool {
    let mut groups: Vec<u32> = Vec::new();
    for target in batch.rows.iter().filter_map(|op| op.target) {
        let group = target / ROW_GROUP as u32;
        if !groups.contains(&group) {
            groups.push(group);
            if groups.len() > ORDERLY_GROUPS {
                return false;
            }
        }
    }
    true
}

fn link_modes<'a>(job: &Job<'a>, own: Option<&'a ParentIndex>) -> Vec<LinkMode<'a>> {
    job.shape
        .links
        .iter()
        .map(|link| {
            let name = &link.plan.mapping;
            if *name == job.shape.mapping.name {
                own.map_or(LinkMode::Crosswalk, LinkMode::Planned)
            } else if let Some(parent) = job.parents.get(name) {
                LinkMode::Planned(parent)
            } else if job.later.contains(name) {
                LinkMode::Later
            } else {
                LinkMode::Crosswalk
            }
        })
        .collect()
}

/// Everything that a plan's pass writes and counts.
struct Output {
    ops: OpsWriter,
    rejects: RejectWriter,
    digest: Xxh3,
    counts: Counts,
    changed: Vec<u64>,
    kept: Vec<u64>,
    causes: HashMap<(String, Option<String>, String), u64>,
    /// Source columns that nothing reads, with the rows that have something in them.
    unread: Vec<(String, u64)>,
    latches: Vec<(usize, u64, u64)>,
    /// None: nobody asks.
    image: Option<ParentIndex>,
    first_unreadable: u64,
}

impl Output {
    fn create(job: &Job<'_>) -> Result<Self> {
        let shape = job.shape;
        let name = &shape.mapping.name;
        let links: Vec<String> = shape.links.iter().map(|link| link.plan.column.clone()).collect();
        let mut rejects = RejectWriter::create(&rejects_file(job.dir, name))?;
        let mut causes: HashMap<(String, Option<String>, String), u64> = HashMap::new();
        for piece in job.source.rejects_iter()? {
            let piece = piece?;
            let cause = format!("cannot be read: {}", general(&piece.reason));
            *causes.entry((cause.clone(), None, "read".into())).or_default() += 1;
            rejects.push(Reject {
                n: 0,
                kind: "rejected".into(),
                row: None,
                line: piece.line,
                key: None,
                field: None,
                step: "read".into(),
                reason: piece.reason,
                cause,
                source: serde_json::Map::new(),
                raw: Some(piece.raw),
            })?;
        }
        let read =
            |column: &&str| shape.pipeline.fields().iter().any(|field| field.sources.iter().any(|s| s == column));
        let columns = job.source.meta().schema.names();
        let unread = columns
            .filter(|column| !read(column) && !shape.mapping.ignore.iter().any(|ignored| ignored == column))
            .map(|column| (column.to_owned(), 0))
            .collect();
        Ok(Self {
            ops: OpsWriter::create(&ops_path(job.dir, name), &shape.columns, &links)?,
            rejects,
            digest: Xxh3::new(),
            counts: Counts::default(),
            changed: vec![0; shape.columns.len()],
            kept: vec![0; shape.columns.len()],
            causes,
            unread,
            latches: shape.latch.iter().enumerate().filter(|(_, latch)| **latch).map(|(at, _)| (at, 0, 0)).collect(),
            image: job.linked.then(ParentIndex::default),
            first_unreadable: job.source.meta().rejects,
        })
    }

    /// True cells of latch fields in the source.
    fn count_latches(&mut self, shape: &Shape, batch: &Classified) {
        for (column, source, _) in &mut self.latches {
            debug_assert!(shape.latch[*column]);
            let counts =
                |row: usize| batch.fates[row] != Fate::Filtered && batch.rows[row].operation != Some(Operation::Merged);
            let cells = &batch.cells[*column];
            *source += (0..cells.len()).filter(|row| counts(*row) && is_true(cells.get(*row))).count() as u64;
        }
    }

    /// Compares, counts and writes the batches of a chunk.
    fn take(
        &mut self,
        shape: &Shape,
        facts: &TargetFacts,
        target: Option<&Snapshot>,
        chunk: &mut Vec<Classified>,
    ) -> Result<()> {
        compare(shape, facts, target, chunk)?;
        for mut batch in chunk.drain(..) {
            self.identify(shape, &mut batch);
            for (column, filled) in &mut self.unread {
                let cells = batch.frame.column(column)?.str()?;
                *filled += cells.iter().filter(|cell| !is_blank(*cell)).count() as u64;
            }
            for (column, _, expected) in &mut self.latches {
                let cells = &batch.cells[*column];
                let there = |row: usize| {
                    use Operation::{Insert, Unchanged, Update};
                    matches!(batch.rows[row].operation, Some(Insert | Update | Unchanged))
                };
                *expected += (0..cells.len()).filter(|row| there(*row) && is_true(cells.get(*row))).count() as u64;
            }
            self.count(&batch.rows);
            self.digest(shape, &batch.rows, &batch.cells, &batch.pending);
            self.reject(&batch)?;
            self.ops.write(&batch.rows, &batch.cells, &batch.pending)?;
        }
        Ok(())
    }

    /// Notes under which id each record will be found, for links and for the crosswalk.
    fn identify(&mut self, shape: &Shape, batch: &mut Classified) {
        for row in 0..batch.rows.len() {
            let op = &mut batch.rows[row];
            let Some(key) = op.key.clone() else { continue };
            match op.operation {
                Some(Operation::Update | Operation::Unchanged) => {
                    if shape.identity.is_none() {
                        op.identity = key_of_target(shape, &batch.cells, row).or_else(|| Some(key.clone()));
                    }
                    let Some(image) = &mut self.image else { continue };
                    let id = future_id(shape, op, &batch.cells, row);
                    image.accept(&key, Some(id.as_deref().unwrap_or(&key)));
                }
                Some(Operation::Insert) => {
                    let Some(image) = &mut self.image else { continue };
                    image.accept(&key, future_id(shape, op, &batch.cells, row).as_deref());
                }
                Some(Operation::Merged) | None => {}
                Some(operation) => {
                    let Some(image) = &mut self.image else { continue };
                    image.lose(&key, operation);
                }
            }
        }
    }

    fn count(&mut self, rows: &[OpRow]) {
        let counts = &mut self.counts;
        for op in rows {
            let place = match op.operation.unwrap_or(Operation::Rejected) {
                Operation::Insert => &mut counts.inserted,
                Operation::Update => &mut counts.updated,
                Operation::Unchanged => &mut counts.unchanged,
                Operation::Filtered => &mut counts.filtered,
                Operation::Merged => &mut counts.merged,
                Operation::Held => &mut counts.held,
                Operation::Rejected => &mut counts.rejected,
                Operation::Delete => &mut counts.deleted,
                Operation::Mark => &mut counts.marked,
            };
            *place += 1;
            counts.read += u64::from(op.source.is_some());
            for field in &op.changed {
                self.changed[*field] += 1;
            }
            for field in &op.kept {
                self.kept[*field] += 1;
            }
        }
    }

    fn digest(&mut self, shape: &Shape, rows: &[OpRow], cells: &[StringChunked], pending: &[StringChunked]) {
        let values = shape.hashes(cells);
        let waits = if pending.is_empty() { Vec::new() } else { shape.hashes(pending) };
        for (at, op) in rows.iter().enumerate() {
            self.digest.update(&code(op.operation.unwrap_or(Operation::Rejected)).to_le_bytes());
            for ordinal in [op.source, op.target] {
                self.digest.update(&ordinal.map_or(u64::MAX, u64::from).to_le_bytes());
            }
            self.digest.update(&op.expected.unwrap_or_default().to_le_bytes());
            self.digest.update(&values[at].to_le_bytes());
            if let Some(waits) = waits.get(at) {
                self.digest.update(&waits.to_le_bytes());
            }
            self.digest.update(op.reason.as_deref().unwrap_or_default().as_bytes());
        }
    }

    fn reject(&mut self, batch: &Classified) -> Result<()> {
        for (row, blame) in batch.blames.iter().enumerate() {
            let Some(blame) = blame else { continue };
            let op = &batch.rows[row];
            *self.causes.entry((blame.cause.clone(), blame.field.clone(), blame.step.clone())).or_default() += 1;
            self.rejects.push(reject(op, blame, &batch.frame, row)?)?;
        }
        Ok(())
    }

    fn target_rows(&mut self, shape: &Shape, rows: &[OpRow], cells: &[StringChunked]) -> Result<()> {
        self.count(rows);
        let pending: Vec<StringChunked> = shape
            .links
            .iter()
            .map(|link| StringChunked::full_null(link.plan.column.as_str().into(), rows.len()))
            .collect();
        self.digest(shape, rows, cells, &pending);
        self.ops.write(rows, cells, &pending)
    }

    fn finish(
        mut self,
        job: &Job<'_>,
        facts: &TargetFacts,
        state: &State,
        rows: &TargetRows,
        deletes: bool,
        facts_hash: String,
    ) -> Result<(MappingPlan, ParentIndex)> {
        let shape = job.shape;
        self.ops.finish()?;
        self.rejects.finish()?;
        let counts = &mut self.counts;
        counts.read += self.first_unreadable;
        counts.rejected += self.first_unreadable;
        counts.native = rows.native;
        counts.target_only = rows.target_only;
        counts.before = facts.rows as u64;
        counts.after = (counts.before + counts.inserted).saturating_sub(counts.deleted);
        let mut causes: Vec<Cause> =
            self.causes.into_iter().map(|((cause, field, step), rows)| Cause { cause, field, step, rows }).collect();
        causes.sort_by(|one, other| other.rows.cmp(&one.rows).then_with(|| one.cause.cmp(&other.cause)));
        let mut left_behind: Vec<LeftBehind> = self
            .unread
            .into_iter()
            .filter(|(_, filled)| *filled > 0)
            .map(|(column, filled)| LeftBehind { column, filled })
            .collect();
        left_behind.sort_by_key(|one| std::cmp::Reverse(one.filled));
        let changes = shape
            .columns
            .iter()
            .zip(self.changed.iter().zip(&self.kept))
            .map(|(field, (changed, kept))| FieldChange { field: field.clone(), changed: *changed, kept: *kept })
            .collect();
        let mut plan = MappingPlan {
            from: shape.mapping.from.label.clone(),
            to: shape.mapping.to.clone(),
            source_snapshot: job.source.dir().to_owned(),
            target_snapshot: job.target.map(|target| target.dir().to_owned()).unwrap_or_default(),
            source_version: job.source.meta().version.clone(),
            target_version: job.target.map(|target| target.meta().version.clone()).unwrap_or_default(),
            pipeline_hash: shape.pipeline.hash().to_owned(),
            facts_hash,
            ops_hash: format!("{:032x}", self.digest.digest128()),
            counts: self.counts,
            steps: state.steps.clone(),
            changes,
            causes,
            left_behind,
            columns: shape.columns.clone(),
            write_rules: shape.rules.clone(),
            here: shape.here.clone(),
            latches: self
                .latches
                .iter()
                .map(|(column, source, expected)| (shape.columns[*column].clone(), *source, *expected))
                .collect(),
            identity: shape.identity.clone(),
            links: shape.links.iter().map(|link| link.plan.clone()).collect(),
            ..MappingPlan::empty(&shape.mapping.name)
        };
        judge(job, state, rows, deletes, &mut plan);
        Ok((plan, self.image.unwrap_or_default()))
    }
}

/// The key as the target's row holds it, in canonical form.
fn key_of_target(shape: &Shape, cells: &[StringChunked], row: usize) -> Option<String> {
    let parts: Vec<Option<String>> =
        shape.keys.iter().map(|key| cells[*key].get(row).map(|cell| shape.canonical(*key, cell))).collect();
    key_text(parts.iter().map(Option::as_deref))
}

/// The id by which a record will be found in the target: the identity of its row, or its key as it is written there.
/// None if the platform gives it when the row is written.
pub(super) fn future_id(shape: &Shape, op: &OpRow, cells: &[StringChunked], row: usize) -> Option<String> {
    let by_key = || match shape.keys.as_slice() {
        [key] => cells[*key].get(row).map(str::to_owned),
        _ => key_of_target(shape, cells, row),
    };
    let Some(identity) = &shape.identity else { return by_key() };
    if op.target.is_some() {
        return op.identity.clone().or_else(by_key);
    }
    let filled = shape
        .columns
        .iter()
        .position(|column| column == identity)
        .filter(|column| shape.rules[*column] != WriteRule::Never)
        .and_then(|column| cells[column].get(row));
    match filled {
        Some(id) => Some(id.to_owned()),
        None if shape.here.identity.is_some() => None,
        None => by_key(),
    }
}

/// Warnings, and reasons not to run.
fn judge(job: &Job<'_>, state: &State, rows: &TargetRows, deletes: bool, plan: &mut MappingPlan) {
    let shape = job.shape;
    let run = &shape.mapping.run;
    let counts = plan.counts;
    if counts.read == 0 {
        plan.warnings.push("the source is empty".into());
    }
    if !deletes && job.limit.is_none() && (rows.target_only > 0 || !state.tombstones.is_empty()) {
        let why = if counts.read == 0 {
            "the source is empty".to_owned()
        } else if state.keyless > 0 {
            format!("{} rows have no key", state.keyless)
        } else {
            "pieces of the source could not be read".to_owned()
        };
        plan.warnings.push(format!("{why}: nothing is deleted or marked in {}", plan.to));
    }
    if job.limit.is_some() {
        plan.warnings.push("only the first rows were planned: nothing is deleted or marked".into());
    }
    if state.later > 0 {
        plan.warnings
            .push(format!("{} links name records that are planned later: the next plan fills them", state.later));
    }
    let required: Vec<&str> = shape
        .target
        .columns
        .iter()
        .filter(|column| column.required && !column.generated)
        .map(|column| column.name.as_str())
        .filter(|name| {
            !plan.columns.iter().zip(&plan.write_rules).any(|(known, rule)| known == name && *rule != WriteRule::Never)
        })
        .collect();
    if counts.inserted > 0 && !required.is_empty() {
        plan.blocked.push(Blocked {
            data: false,
            reason: format!("{} requires {}, which no field fills", plan.to, required.join(", ")),
            advice: format!("add the fields to {}", shape.mapping.path.display()),
        });
    }
    if !shape.here.write && !counts.is_noop() {
        plan.blocked.push(Blocked {
            data: false,
            reason: format!("{} cannot be written", plan.to),
            advice: "choose another target".into(),
        });
    }
    let budget = run.error_budget.of(counts.read);
    if counts.rejected > budget {
        plan.blocked.push(Blocked {
            data: true,
            reason: format!(
                "{} of {} rows are rejected, the error budget allows {budget}",
                counts.rejected, counts.read
            ),
            advice: "mend them (crm-console rejects show), or raise error_budget under [run] of the mapping".into(),
        });
    }
    let cap = run.max_deletes.of(counts.before);
    if counts.deleted + counts.marked > cap {
        plan.blocked.push(Blocked {
            data: false,
            reason: format!(
                "{} of {} target rows would be deleted or marked, max_deletes allows {cap}",
                counts.deleted + counts.marked,
                counts.before
            ),
            advice: "look at them, then raise max_deletes under [run] of the mapping if they shall go".into(),
        });
    }
    if !counts.closes() {
        plan.blocked.push(Blocked {
            data: true,
            reason: "the balance does not close".into(),
            advice: "this is a defect of the console; please report it".into(),
        });
    }
    debug_assert_eq!(rows.deletes(), counts.deleted);
}

fn reject(op: &OpRow, blame: &Blame, frame: &DataFrame, row: usize) -> Result<Reject> {
    let mut source = serde_json::Map::new();
    let mut line = 0;
    for column in frame.columns() {
        let name = column.name().as_str();
        if name == LINE {
            line = column.u64()?.get(row).unwrap_or_default();
        } else if !name.starts_with(crate::platform::RESERVED_PREFIX) {
            let cell = column.str()?.get(row).map_or(serde_json::Value::Null, |cell| cell.to_owned().into());
            source.insert(name.to_owned(), cell);
        }
    }
    Ok(Reject {
        n: 0,
        kind: if op.operation == Some(Operation::Held) { "held" } else { "rejected" }.into(),
        row: op.source.map(u64::from),
        line,
        key: op.key.as_deref().map(show_key),
        field: blame.field.clone(),
        step: blame.step.clone(),
        reason: blame.reason.clone(),
        cause: blame.cause.clone(),
        source,
        raw: None,
    })
}

/// A reason without the figures that differ from piece to piece, to group by.
fn general(reason: &str) -> String {
    let mut out = String::with_capacity(reason.len());
    for c in reason.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with('N') {
            out.push('N');
        }
    }
    out
}
