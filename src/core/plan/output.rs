//! What a plan's pass over the source writes and counts.
use hashbrown::{HashMap, HashSet};
use polars::prelude::{ChunkFullNull, DataFrame, StringChunked};
use xxhash_rust::xxh3::Xxh3;

use super::build::Job;
use super::classify::{Blame, Classified, State};
use super::compare::{compare, hold};
use super::facts::{CrosswalkFacts, TargetFacts};
use super::incremental::settings_hash;
use super::judge::judge;
use super::links::ParentIndex;
use super::material::{Material, source_hashes};
use super::ops::{OpRow, OpsWriter, code, ops_path};
use super::shape::{Shape, is_blank, is_true};
use super::sides::{Lost, Sides};
use super::target_rows::TargetRows;
use super::{Cause, Counts, FieldChange, Incremental, LeftBehind, MappingPlan, Operation, PlanAgreement};
use crate::error::Result;
use crate::journal::ledger::Hidden;
use crate::journal::{Parent, Reject, RejectWriter, rejects_file};
use crate::map::Fate;
use crate::platform::LINE;
use crate::project::WriteRule;
use crate::resolve::keys::{key_hash, key_text, show_key};

/// Everything that a plan's pass writes and counts.
pub(super) struct Output {
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
    material: Material,
    /// Ledger entries that stay as they are.
    spared: HashSet<Hidden>,
    /// Target rows that stay although the source lacks them, because their going was taken back.
    pub(super) left_alone: u64,
}

impl Output {
    pub(super) fn create(job: &Job<'_>) -> Result<Self> {
        let shape = job.shape;
        let name = &shape.mapping.name;
        let links: Vec<String> = shape.links.iter().map(|link| link.plan.column.clone()).collect();
        let mut rejects = RejectWriter::create(&rejects_file(job.dir, name))?;
        let mut causes: HashMap<(String, Option<String>, String), u64> = HashMap::new();
        let pieces = job.rows.takes_pieces().then(|| job.source.rejects_iter()).transpose()?;
        for piece in pieces.into_iter().flatten() {
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
                parent: None,
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
            spared: HashSet::new(),
            left_alone: 0,
            material: Material::create(job.dir, shape, job.secret, job.looked.map(|looked| looked.own.clone()))?,
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
            first_unreadable: if job.rows.takes_pieces() { job.source.meta().rejects } else { 0 },
        })
    }

    /// True cells of latch fields in the source, before the target's are folded in.
    pub(super) fn count_latches(&mut self, job: &Job<'_>, batch: &Classified) {
        for (column, source, _) in &mut self.latches {
            debug_assert!(job.shape.latch[*column]);
            let counts = |row: usize| {
                let op = &batch.rows[row];
                op.source.is_none_or(|source| job.rows.takes(source))
                    && batch.fates[row] != Fate::Filtered
                    && op.operation != Some(Operation::Merged)
            };
            let cells = &batch.cells[*column];
            *source += (0..cells.len()).filter(|row| counts(*row) && is_true(cells.get(*row))).count() as u64;
        }
    }

    /// Compares, counts and writes the batches of a chunk.
    pub(super) fn take(
        &mut self,
        job: &Job<'_>,
        facts: &TargetFacts,
        known: &CrosswalkFacts,
        mut sides: Option<&mut Sides<'_>>,
        chunk: &mut Vec<Classified>,
    ) -> Result<()> {
        let shape = job.shape;
        if let Some(left_alone) = job.left_alone {
            for batch in chunk.iter_mut() {
                left_alone.hold(shape, job.secret, facts, batch)?;
            }
        }
        if let Some(sides) = sides.as_deref_mut() {
            for batch in chunk.iter_mut() {
                lost_in_target(job, sides, batch)?;
            }
        }
        compare(shape, facts, job.target, sides, chunk)?;
        for mut batch in chunk.drain(..) {
            self.identify(job, facts, known, &mut batch);
            let batch = batch.taken_by(job.rows)?;
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
            let hashes = shape.hashes(&batch.cells);
            self.digest(shape, &batch.rows, &hashes, &batch.pending);
            self.material.write(shape, &batch, &hashes)?;
            self.reject(&batch)?;
            self.ops.write(&batch.rows, &batch.cells, &batch.pending)?;
        }
        Ok(())
    }

    /// Notes under which id each record will be found, for links and for the crosswalk.
    fn identify(&mut self, job: &Job<'_>, facts: &TargetFacts, known: &CrosswalkFacts, batch: &mut Classified) {
        let shape = job.shape;
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
                    if known.row(facts, key_hash(&key)) != op.target {
                        image.note_changed(&key);
                    }
                }
                // Nobody writes it in this plan.
                Some(Operation::Insert) if op.source.is_some_and(|source| !job.rows.takes(source)) => {
                    let Some(image) = &mut self.image else { continue };
                    image.lose(&key, Operation::Filtered);
                }
                Some(Operation::Insert) => {
                    let Some(image) = &mut self.image else { continue };
                    image.accept(&key, future_id(shape, op, &batch.cells, row).as_deref());
                    image.note_changed(&key);
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

    fn digest(&mut self, shape: &Shape, rows: &[OpRow], values: &[u128], pending: &[StringChunked]) {
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

    pub(super) fn target_rows(&mut self, job: &Job<'_>, rows: &[OpRow], cells: &[StringChunked]) -> Result<()> {
        let shape = job.shape;
        self.count(rows);
        if let Some(image) = &mut self.image {
            let object = shape.mapping.to.to_string();
            let deletes = rows.iter().filter(|op| op.operation == Some(Operation::Delete));
            for id in deletes.filter_map(|op| op.identity.as_deref()) {
                image.delete(key_hash(id));
                job.crosswalk.old_keys(&object, id)?.iter().for_each(|key| image.note_changed(key));
            }
        }
        let pending: Vec<StringChunked> = shape
            .links
            .iter()
            .map(|link| StringChunked::full_null(link.plan.column.as_str().into(), rows.len()))
            .collect();
        self.digest(shape, rows, &shape.hashes(cells), &pending);
        self.ops.write(rows, cells, &pending)
    }

    /// The ledger's entries of these records stay as they are.
    pub(super) fn spare(&mut self, keys: Vec<Hidden>) {
        self.spared.extend(keys);
    }

    pub(super) fn finish(
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
        let mut gone: Vec<Hidden> = job.looked.map(|looked| looked.gone.clone()).unwrap_or_default();
        gone.retain(|key| !self.spared.contains(key));
        let mark = self.material.finish(job.dir, &shape.mapping.name, state.shared.iter().copied(), &gone)?;
        if let Some(looked) = job.looked {
            counts.read += looked.unchanged + looked.filtered;
            counts.unchanged += looked.unchanged;
            counts.filtered += looked.filtered;
        }
        // Of a target of which only some rows were read nobody knows what else it holds.
        let whole = job.asked.is_none();
        counts.native = whole.then_some(rows.native);
        counts.target_only = whole.then_some(rows.target_only);
        counts.before = job.asked.unwrap_or(facts.rows as u64);
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
            selection: job.rows.kept(),
            source_rows: job.source.meta().rows + job.source.meta().rejects,
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
            key: shape.mapping.key.clone(),
            links: shape.links.iter().map(|link| link.plan.clone()).collect(),
            incremental: job.looked.map(|looked| Incremental {
                looked: looked.ordinals.len() as u64,
                unchanged: looked.unchanged,
                filtered: looked.filtered,
                unread: looked.unread,
                unread_records: looked.unread_records,
                from: looked.from.clone(),
                asked: job.asked.is_some(),
                pushed: looked.pushed,
                whole: job.since.map(|since| since.agreement.whole.clone()).unwrap_or_default(),
                reasons: looked.reasons.clone(),
                since: job.since.map(|since| since.agreement.run.clone()).unwrap_or_default(),
            }),
            agreement: Some(PlanAgreement {
                settings: settings_hash(shape),
                crosswalk: job.crosswalk.moment()?,
                mark: job.looked.map_or(mark, |looked| looked.mark.clone()),
            }),
            marked_before: rows.marked_before,
            ..MappingPlan::empty(&shape.mapping.name)
        };
        if self.left_alone > 0 {
            plan.warnings.push(format!(
                "{} rows stay although the source lacks them: that they went was taken back",
                self.left_alone
            ));
        }
        judge(job, state, rows, deletes, &mut plan);
        Ok((plan, self.image.unwrap_or_default()))
    }
}

/// Records that the target had and has no more are not made again without a decision.
fn lost_in_target(job: &Job<'_>, sides: &mut Sides<'_>, batch: &mut Classified) -> Result<()> {
    if !batch.rows.iter().any(|op| op.operation == Some(Operation::Insert)) {
        return Ok(());
    }
    let sources = source_hashes(&batch.frame, &job.shape.pipeline.reads())?;
    for (row, (op, source)) in batch.rows.iter_mut().zip(sources).enumerate() {
        let Some(key) = op.key.clone().filter(|_| op.operation == Some(Operation::Insert)) else { continue };
        match sides.lost(&key, &job.secret.hide(source))? {
            Lost::Made => {}
            Lost::Left => op.operation = Some(Operation::Filtered),
            Lost::Waits => {
                batch.stays[row] = true;
                hold(op, &mut batch.blames[row], "conflict", "the target deleted it since both sides last agreed");
            }
        }
    }
    Ok(())
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
        parent: blame.parent.clone().map(|(mapping, key)| Parent { mapping, key: show_key(&key) }),
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
