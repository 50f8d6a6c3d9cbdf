//! Decides on each row of a run, and writes the operations of the plan that takes it back.
use hashbrown::{HashMap, HashSet};
use polars::prelude::{DataFrame, IdxCa, IdxSize, NewChunkedArray, StringChunked};
use xxhash_rust::xxh3::Xxh3;

use super::entries;
use super::pairs::Pairs;
use super::touched::Touched;
use super::{Job, NO_POST_IMAGE, NO_PRE_IMAGE, TAKEN};
use crate::error::Result;
use crate::journal::{Reject, RejectWriter, rejects_file};
use crate::migrate::postimages::{PostImage, Wrote};
use crate::migrate::preimages::RAW;
use crate::monitor::Progress;
use crate::plan::ops::{OPS_BATCH, OpRow, OpsWriter, code, ops_path};
use crate::plan::{Cause, Counts, FieldChange, MappingPlan, Operation, Selection};
use crate::platform::{LOCATOR, ObjectVersion};
use crate::project::WriteRule;
use crate::resolve::keys::{key_text, show_key};
use crate::table::hash::row_hash;
use crate::table::snapshot::SnapshotWriter;

/// What is written while the rows of the run are gone through.
struct Output<'a> {
    job: &'a Job<'a>,
    columns: Vec<String>,
    ops: OpsWriter,
    /// Rows as they were (or are, for those that are held): the source of the plan.
    rows: SnapshotWriter,
    rejects: RejectWriter,
    digest: Xxh3,
    counts: Counts,
    changed: Vec<u64>,
    causes: HashMap<&'static str, u64>,
    kept: Kept,
    /// Target rows that are rows put back before, under a name that the run had given away.
    back: HashSet<u32>,
}

/// Rows that are not taken back: what the crosswalk knows of them stays.
#[derive(Default)]
pub(super) struct Kept {
    /// Old keys of rows that are held.
    pub(super) keys: HashSet<String>,
    /// Ids of removed rows that are not put back.
    pub(super) ids: HashSet<String>,
    /// Old key and id of inserted rows that somebody has removed.
    pub(super) gone: Vec<(String, String)>,
}

/// Writes the operations; answers the plan without warnings.
pub(super) fn write(job: &Job<'_>, touched: &Touched, pairs: &Pairs) -> Result<MappingPlan> {
    let columns = job.columns();
    let name = &job.part.mapping;
    let label = format!("{} before {}", job.part.to, job.what);
    let mut out = Output {
        ops: OpsWriter::create_revert(&ops_path(job.dir, name), &columns)?,
        // Labelled as what they are, rows of the target: so they are found when a person is erased.
        rows: SnapshotWriter::create(&job.rows_dir, &job.part.to.to_string(), job.target.meta().schema.clone())?,
        rejects: RejectWriter::create(&rejects_file(job.dir, name))?,
        digest: Xxh3::new(),
        counts: Counts::default(),
        changed: vec![0; columns.len()],
        causes: HashMap::new(),
        kept: Kept::default(),
        back: HashSet::new(),
        columns,
        job,
    };
    out.there_before(touched, pairs)?;
    out.inserted(touched, pairs)?;
    out.without_image(touched, pairs)?;
    let Output { columns, ops, rows, rejects, digest, mut counts, changed, causes, kept, .. } = out;
    ops.finish()?;
    rejects.finish()?;
    entries::write(job, &kept)?;
    let version =
        ObjectVersion { exists: true, identity: job.what.to_owned(), hash: String::new(), ..ObjectVersion::default() };
    let source = rows.finish(version.clone())?;
    counts.before = pairs.hashes.len() as u64;
    counts.after = (counts.before + counts.inserted).saturating_sub(counts.deleted);
    counts.native = Some(counts.before.saturating_sub(pairs.count()));
    counts.target_only = Some(0);
    let mut causes: Vec<Cause> = causes
        .into_iter()
        .map(|(cause, rows)| Cause { cause: cause.to_owned(), field: None, step: "revert".to_owned(), rows })
        .collect();
    causes.sort_by(|one, other| other.rows.cmp(&one.rows).then_with(|| one.cause.cmp(&other.cause)));
    let mut facts = Xxh3::new();
    for hash in &pairs.hashes {
        facts.update(&hash.to_le_bytes());
    }
    Ok(MappingPlan {
        from: label,
        selection: Selection::All,
        to: job.part.to.clone(),
        source_snapshot: source.dir().to_owned(),
        target_snapshot: job.target.dir().to_owned(),
        source_version: version,
        target_version: job.target.meta().version.clone(),
        facts_hash: format!("{:032x}", facts.digest128()),
        ops_hash: format!("{:032x}", digest.digest128()),
        counts,
        changes: columns
            .iter()
            .zip(&changed)
            .map(|(field, changed)| FieldChange { field: field.clone(), changed: *changed, kept: 0 })
            .collect(),
        causes,
        write_rules: vec![WriteRule::Always; columns.len()],
        columns,
        here: job.here.clone(),
        identity: job.part.identity.clone(),
        key: job.part.key.clone(),
        ..MappingPlan::empty(name)
    })
}

/// What becomes of one row.
enum Decision {
    Do(Operation),
    Hold(&'static str),
}

impl Output<'_> {
    /// Rows that were there before the run: each goes back to its pre-image.
    fn there_before(&mut self, touched: &Touched, pairs: &Pairs) -> Result<()> {
        let names: Vec<String> = self.job.target.meta().schema.names().map(str::to_owned).collect();
        let mut places = pairs.places();
        for batch in touched.image_batches() {
            self.job.monitor.check()?;
            let (frame, indexes) = batch?;
            // Others than now: the plan is blocked, and says so.
            if names.iter().any(|name| frame.column(name).is_err()) {
                continue;
            }
            let known: Vec<IdxSize> =
                (0..frame.height()).filter(|row| indexes[*row].is_some()).map(|row| row as IdxSize).collect();
            let frame = frame.take(&IdxCa::from_vec("rows".into(), known))?;
            let indexes: Vec<u32> = indexes.into_iter().flatten().collect();
            let before = row_hash(&frame, &names)?;
            let texts = |name: &str| -> Result<Option<StringChunked>> {
                frame.column(name).ok().map(|column| Ok(column.str()?.clone())).transpose()
            };
            let (locators, raw) = (texts(LOCATOR)?, texts(RAW)?);
            let identities = self.job.identity().map(&texts).transpose()?.flatten();
            let keys = self.job.part.key.iter().map(|name| texts(name)).collect::<Result<Vec<_>>>()?;
            let cell = |column: &Option<StringChunked>, row: usize| {
                column.as_ref().and_then(|column| column.get(row)).map(str::to_owned)
            };
            let mut rows = Vec::with_capacity(frame.height());
            for (row, index) in indexes.iter().enumerate() {
                let image = &touched.rows[*index as usize];
                let mut op = OpRow {
                    key: image.key.clone(),
                    locator: cell(&locators, row),
                    original: cell(&raw, row),
                    ..OpRow::default()
                };
                let decision = if image.wrote == Wrote::Delete {
                    let name = cell(&identities, row).or_else(|| cell(&locators, row));
                    let own_key =
                        key_text(keys.iter().map(|column| column.as_ref().and_then(|column| column.get(row))));
                    let found = match name.as_deref().filter(|_| !pairs.is_file()) {
                        Some(name) => pairs.named(name),
                        None => own_key.as_deref().and_then(|key| pairs.with_key(key)),
                    };
                    // A platform may have given the name to a row of the run itself, which goes; and a row number that
                    // another row was given since is no reason: this one gets a new one.
                    let found = found.filter(|found| {
                        let there = *found as usize;
                        let same = pairs.hashes[there] == before[row];
                        !pairs.going[there] && (identities.is_some() || pairs.is_file() || same)
                    });
                    op.target = found;
                    op.identity = cell(&identities, row);
                    match found {
                        None => {
                            op.before = Some(match image.place {
                                Some(place) => pairs.behind_going(place),
                                None => places.of(image.ordinal.unwrap_or_default()),
                            });
                            Decision::Do(Operation::Insert)
                        }
                        Some(found) if pairs.hashes[found as usize] == before[row] => {
                            self.back.insert(found);
                            Decision::Do(Operation::Unchanged)
                        }
                        Some(_) => Decision::Hold(TAKEN),
                    }
                } else {
                    let found = pairs.row(*index as usize);
                    op.target = found;
                    op.identity.clone_from(&image.identity);
                    match found {
                        None => Decision::Hold(self.job.gone()),
                        Some(found) => {
                            changed_row(image, pairs.hashes[found as usize], before[row], self.job.changed())
                        }
                    }
                };
                if matches!(decision, Decision::Do(Operation::Unchanged) | Decision::Hold(_)) {
                    op.original = None;
                }
                self.note(&mut op, &decision, pairs);
                if image.wrote == Wrote::Delete
                    && let Decision::Hold(_) = decision
                {
                    self.kept.ids.extend(op.identity.clone().or_else(|| op.key.clone()));
                }
                rows.push((op, decision));
            }
            self.put(rows, &frame, None)?;
        }
        Ok(())
    }

    /// Rows that the run inserted: each is deleted.
    fn inserted(&mut self, touched: &Touched, pairs: &Pairs) -> Result<()> {
        let inserts: Vec<usize> =
            (0..touched.rows.len()).filter(|row| touched.rows[*row].wrote == Wrote::Insert).collect();
        let is_there = |row: &usize| pairs.row(*row).is_some_and(|found| !self.back.contains(&found));
        let (there, gone): (Vec<usize>, Vec<usize>) = inserts.into_iter().partition(is_there);
        for part in there.chunks(OPS_BATCH) {
            self.job.monitor.check()?;
            let targets: Vec<u64> = part.iter().filter_map(|row| pairs.row(*row)).map(u64::from).collect();
            let frame = self.job.target.gather(&targets, None)?;
            let locators = frame.column(LOCATOR).ok().map(|column| column.str()).transpose()?.cloned();
            let mut rows = Vec::with_capacity(part.len());
            for (row, index) in part.iter().enumerate() {
                let image = &touched.rows[*index];
                let target = pairs.row(*index).unwrap_or_default();
                let mut op = OpRow {
                    key: image.key.clone(),
                    identity: self.id_of(image),
                    locator: locators.as_ref().and_then(|locators| locators.get(row)).map(str::to_owned),
                    target: Some(target),
                    ..OpRow::default()
                };
                let decision = match image.hash {
                    None => Decision::Hold(NO_POST_IMAGE),
                    Some(hash) if hash == pairs.hashes[target as usize] => Decision::Do(Operation::Delete),
                    Some(_) => Decision::Hold(self.job.changed()),
                };
                self.note(&mut op, &decision, pairs);
                rows.push((op, decision));
            }
            self.put(rows, &frame, Some(()))?;
        }
        for part in gone.chunks(OPS_BATCH) {
            let mut rows = Vec::with_capacity(part.len());
            for index in part {
                let image = &touched.rows[*index];
                self.kept.gone.extend(image.key.clone().and_then(|key| Some((key, self.id_of(image)?))));
                let mut op = OpRow { key: image.key.clone(), ..OpRow::default() };
                let decision = Decision::Do(Operation::Unchanged);
                self.note(&mut op, &decision, pairs);
                rows.push(op);
            }
            self.bare(&rows)?;
        }
        Ok(())
    }

    /// Rows whose pre-image is not kept any more.
    fn without_image(&mut self, touched: &Touched, pairs: &Pairs) -> Result<()> {
        let mut lost: HashSet<u32> =
            (0..touched.rows.len() as u32).filter(|row| touched.rows[*row as usize].wrote != Wrote::Insert).collect();
        for batch in touched.image_batches() {
            for row in batch?.1.into_iter().flatten() {
                lost.remove(&row);
            }
        }
        let mut lost: Vec<u32> = lost.into_iter().collect();
        lost.sort_unstable();
        for part in lost.chunks(OPS_BATCH) {
            let mut rows = Vec::with_capacity(part.len());
            for index in part {
                let image = &touched.rows[*index as usize];
                let mut op = OpRow { key: image.key.clone(), target: pairs.row(*index as usize), ..OpRow::default() };
                let decision = Decision::Hold(NO_PRE_IMAGE);
                self.note(&mut op, &decision, pairs);
                self.reject(&op, NO_PRE_IMAGE, serde_json::Map::new())?;
                self.kept.ids.extend(image.identity.clone().or_else(|| image.key.clone()));
                rows.push(op);
            }
            self.bare(&rows)?;
        }
        Ok(())
    }

    /// The id by which the crosswalk knows a row that the run inserted.
    fn id_of(&self, image: &PostImage) -> Option<String> {
        self.job.part.identity.as_ref().and(image.identity.clone()).or_else(|| image.key.clone())
    }

    /// Counts a decision and fills in what follows from it.
    fn note(&mut self, op: &mut OpRow, decision: &Decision, pairs: &Pairs) {
        let (operation, reason) = match decision {
            Decision::Do(operation) => (*operation, None),
            Decision::Hold(reason) => (Operation::Held, Some(*reason)),
        };
        op.operation = Some(operation);
        op.reason = reason.map(str::to_owned);
        op.expected = op.target.map(|target| pairs.hashes[target as usize]);
        let counts = &mut self.counts;
        counts.read += u64::from(operation != Operation::Delete);
        match operation {
            Operation::Insert => counts.inserted += 1,
            Operation::Update => counts.updated += 1,
            Operation::Delete => counts.deleted += 1,
            Operation::Held => counts.held += 1,
            _ => counts.unchanged += 1,
        }
        if let Some(reason) = reason {
            *self.causes.entry(reason).or_default() += 1;
            self.kept.keys.extend(op.key.clone());
        }
    }

    /// Writes rows with their cells. `now`: the frame holds target rows as they are now, and only held ones are kept.
    fn put(&mut self, rows: Vec<(OpRow, Decision)>, frame: &DataFrame, now: Option<()>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut kept: Vec<IdxSize> = Vec::with_capacity(rows.len());
        let mut out: Vec<OpRow> = Vec::with_capacity(rows.len());
        let cells = cells_of(frame, &self.columns)?;
        let held_frame = |row: usize| row_map(&self.columns, &cells, row);
        let mut rejects = Vec::new();
        for (row, (mut op, decision)) in rows.into_iter().enumerate() {
            if now.is_none() || matches!(decision, Decision::Hold(_)) {
                op.source = Some((self.rows.rows() + kept.len() as u64) as u32);
                kept.push(row as IdxSize);
            }
            if let Decision::Hold(reason) = decision {
                rejects.push((op.clone(), reason, held_frame(row)));
            }
            out.push(op);
        }
        for (op, reason, cells) in rejects {
            self.reject(&op, reason, cells)?;
        }
        if now.is_none() {
            self.compare(&mut out, &cells)?;
        }
        if !kept.is_empty() {
            // Rows as they were have no line of their own any more.
            let own: Vec<&str> = self.job.target.meta().schema.names().collect();
            let rows = frame.select(own)?.take(&IdxCa::from_vec("rows".into(), kept))?;
            self.rows.write(&rows)?;
        }
        self.digest(&out, &cells);
        self.ops.write(&out, &cells, &[])
    }

    /// Notes which cells of rows that are there differ from what they were.
    fn compare(&mut self, rows: &mut [OpRow], cells: &[StringChunked]) -> Result<()> {
        let compared: Vec<usize> = (0..rows.len())
            .filter(|row| rows[*row].target.is_some())
            .filter(|row| matches!(rows[*row].operation, Some(Operation::Update | Operation::Held)))
            .collect();
        if compared.is_empty() {
            return Ok(());
        }
        let ordinals: Vec<u64> = compared.iter().filter_map(|row| rows[*row].target).map(u64::from).collect();
        let now = cells_of(&self.job.target.gather(&ordinals, Some(&self.columns))?, &self.columns)?;
        for (place, row) in compared.into_iter().enumerate() {
            rows[row].changed =
                (0..cells.len()).filter(|column| cells[*column].get(row) != now[*column].get(place)).collect();
            if rows[row].operation == Some(Operation::Update) {
                for column in &rows[row].changed {
                    self.changed[*column] += 1;
                }
            }
        }
        Ok(())
    }

    /// Writes rows of which no cells are known.
    fn bare(&mut self, rows: &[OpRow]) -> Result<()> {
        let cells: Vec<StringChunked> = self
            .columns
            .iter()
            .map(|name| StringChunked::from_iter_options(name.as_str().into(), rows.iter().map(|_| None::<&str>)))
            .collect();
        self.digest(rows, &cells);
        self.ops.write(rows, &cells, &[])
    }

    fn digest(&mut self, rows: &[OpRow], cells: &[StringChunked]) {
        let mut buffer = Vec::new();
        for (at, op) in rows.iter().enumerate() {
            self.digest.update(&code(op.operation.unwrap_or(Operation::Rejected)).to_le_bytes());
            self.digest.update(&op.target.unwrap_or(u32::MAX).to_le_bytes());
            self.digest.update(&op.before.unwrap_or(u32::MAX).to_le_bytes());
            self.digest.update(&op.expected.unwrap_or_default().to_le_bytes());
            let hash = crate::table::hash::cells_hash(cells.iter().map(|column| column.get(at)), &mut buffer);
            self.digest.update(&hash.to_le_bytes());
            self.digest.update(op.reason.as_deref().unwrap_or_default().as_bytes());
            self.digest.update(op.key.as_deref().unwrap_or_default().as_bytes());
        }
        self.job.monitor.report(Progress {
            step: format!("planning to revert {}", self.job.part.to),
            done: self.counts.read + self.counts.deleted,
            total: None,
        });
    }

    fn reject(
        &mut self,
        op: &OpRow,
        reason: &'static str,
        source: serde_json::Map<String, serde_json::Value>,
    ) -> Result<()> {
        self.rejects.push(Reject {
            n: 0,
            kind: "held".to_owned(),
            row: op.source.map(u64::from),
            line: 0,
            key: op.key.as_deref().map(show_key),
            field: None,
            step: "revert".to_owned(),
            reason: reason.to_owned(),
            cause: reason.to_owned(),
            source,
            raw: None,
            parent: None,
        })
    }
}

/// A row that the run updated, by its hash now and before the run.
fn changed_row(image: &PostImage, now: u128, before: u128, changed: &'static str) -> Decision {
    if now == before {
        return Decision::Do(Operation::Unchanged);
    }
    match image.hash {
        Some(hash) if hash == now => Decision::Do(Operation::Update),
        Some(_) => Decision::Hold(changed),
        None => Decision::Hold(NO_POST_IMAGE),
    }
}

fn cells_of(frame: &DataFrame, columns: &[String]) -> Result<Vec<StringChunked>> {
    columns.iter().map(|name| Ok(frame.column(name)?.str()?.rechunk().into_owned())).collect()
}

/// A row as it is kept with what is held.
fn row_map(columns: &[String], cells: &[StringChunked], row: usize) -> serde_json::Map<String, serde_json::Value> {
    let cell = |column: &StringChunked| {
        column.get(row).map_or(serde_json::Value::Null, |cell| serde_json::Value::String(cell.to_owned()))
    };
    columns.iter().cloned().zip(cells.iter().map(cell)).collect()
}
