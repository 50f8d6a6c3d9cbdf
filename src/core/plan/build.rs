//! One mapping's plan: the pass over its source, written as operations.
use std::path::Path;

use hashbrown::HashMap;
use xxhash_rust::xxh3::Xxh3;

use super::applied::{Numbered, each_applied};
use super::classify::{Classified, Context, Erased, LinkMode, State};
use super::facts::{CrosswalkFacts, TargetFacts};
use super::incremental::{Looked, Since, look};
use super::links::ParentIndex;
use super::lookup::Hits;
use super::output::Output;
use super::probe::probe;
use super::shape::Shape;
use super::sides::{Arbiter, Only, Sides};
use super::taken_back::LeftAlone;
use super::target_rows::{TargetRows, kept_path};
use super::{MappingPlan, Rows};
use crate::error::Result;
use crate::journal::Crosswalk;
use crate::journal::erased::ErasedKeys;
use crate::journal::ledger::Secret;
use crate::map::Fate;
use crate::monitor::{Monitor, Progress};
use crate::resolve::keys::KeyDuplicates;
use crate::table::Snapshot;
use crate::table::snapshot::ROW_GROUP;

/// Rows whose target rows are fetched together, so that a target in another order is read a few times, not once a batch.
const COMPARE_ROWS: usize = 4 * ROW_GROUP;
/// Row groups of the target that one batch may touch and still count as being in the target's order.
const ORDERLY_GROUPS: usize = 4;

/// What one mapping's plan is made from.
#[derive(Clone, Copy)]
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
    /// Which source rows.
    pub(crate) rows: &'a Rows,
    /// Most rows of a batch; [`ROW_GROUP`] at most.
    pub(crate) batch_rows: usize,
    /// Keys of people who were erased.
    pub(crate) erased: Option<&'a ErasedKeys>,
    /// Threads for the row steps.
    pub(crate) workers: usize,
    /// What the last run left in the ledger, if the plan relies on it.
    pub(crate) since: Option<&'a Since>,
    /// The rows that are looked at; None: all.
    pub(crate) looked: Option<&'a Looked>,
    /// Only the target rows that are asked for were read, out of so many.
    pub(crate) asked: Option<u64>,
    /// Only the source rows from a cursor's value on were read.
    pub(crate) cursor: bool,
    /// Keys the hashes of the ledger.
    pub(crate) secret: Secret,
    /// Rejected rows do not stop the others, however many they are: a sync loop tells of each.
    pub(crate) tolerant: bool,
    /// Decides where both sides changed a record; None: changes go one way.
    pub(crate) arbiter: Option<&'a dyn Arbiter>,
    /// What of the plan is done; None: all of it.
    pub(crate) only: Option<&'a Only>,
    /// Records that are left alone because sync's work on them was taken back.
    pub(crate) left_alone: Option<&'a LeftAlone>,
    pub(crate) monitor: &'a dyn Monitor,
}

impl Job<'_> {
    /// Who was erased.
    pub(crate) fn erased(&self) -> Erased<'_> {
        Erased { rows: &self.source.meta().erased, keys: self.erased }
    }
    /// Target rows may be deleted or marked: the whole source was seen, and each row of it has a key. `done`: rows that
    /// were looked at.
    pub(super) fn may_delete(&self, done: u64, state: &State) -> bool {
        let meta = self.source.meta();
        let read = self.looked.map_or(done, |_| meta.rows);
        read > 0 && meta.rejects == 0 && state.keyless == 0 && self.rows.is_all()
    }
    /// The source's rows that are looked at, by batch, with their ordinals.
    pub(crate) fn batches(&self) -> Result<Box<dyn Iterator<Item = Result<Numbered>> + '_>> {
        let Some(looked) = self.looked else { return Ok(Box::new(self.all_batches()?)) };
        let size = self.batch_rows.clamp(1, ROW_GROUP);
        Ok(Box::new(looked.ordinals.chunks(size).map(|ordinals| {
            let wide: Vec<u64> = ordinals.iter().map(|ordinal| u64::from(*ordinal)).collect();
            Ok((ordinals.to_vec(), self.source.gather(&wide, None)?))
        })))
    }
    fn all_batches(&self) -> Result<impl Iterator<Item = Result<Numbered>> + use<>> {
        let limit = self.rows.end();
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
                        let end = at + part.height() as u64;
                        parts.push(Ok(((at as u32..end as u32).collect(), part)));
                        at = end;
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
    let known = CrosswalkFacts::read(shape, &facts, job.crosswalk, &object)?;
    let looked = match job.since.filter(|_| job.looked.is_none()) {
        Some(since) => Some(look(job, &facts, &known, since)?),
        None => None,
    };
    let job = &Job { looked: job.looked.or(looked.as_ref()), ..*job };
    let mut duplicates = KeyDuplicates::new(shape.mapping.duplicates);
    let own = probe(job, &facts, &known, &mut duplicates)?;
    let links = link_modes(job, own.as_ref());
    let context =
        Context { shape, facts: &facts, known: &known, crosswalk: job.crosswalk, links, erased: job.erased() };
    let mut state = State::new(duplicates, &facts);
    for (target, source) in job.looked.iter().flat_map(|looked| &looked.settled) {
        state.settle(*target, *source);
    }
    for target in job.looked.iter().flat_map(|looked| &looked.others) {
        if let Hits::One(row) = facts.pair().find(job.secret.show(target)) {
            state.settle_unseen(row);
        }
    }
    let mut out = Output::create(job)?;
    let mut sides = match (job.arbiter, job.since, job.only) {
        (_, _, Some(only)) => Some(Sides::only(only, job.secret)?),
        (Some(arbiter), Some(since), None) => Some(Sides::new(arbiter, &since.ledger, job.secret, shape)),
        _ => None,
    };

    let mut chunk: Vec<Classified> = Vec::new();
    let mut held_rows = 0;
    let mut done = 0;
    each_applied(job, |ordinals, frame, mut outcome| {
        job.monitor.check()?;
        for (row, ordinal) in ordinals.iter().enumerate() {
            if job.looked.is_some_and(|looked| looked.deleted.binary_search(ordinal).is_ok()) {
                outcome.fates[row] = Fate::Tombstone;
            }
        }
        let height = frame.height();
        let classified = context.classify(&mut state, &ordinals, frame, outcome)?;
        out.count_latches(job, &classified);
        let orderly = is_orderly(&classified);
        chunk.push(classified);
        held_rows += height;
        done += height as u64;
        if orderly || held_rows >= COMPARE_ROWS {
            out.take(job, &facts, &known, sides.as_mut(), &mut chunk)?;
            held_rows = 0;
        }
        job.monitor.report(Progress {
            step: format!("planning {}", shape.mapping.name),
            done,
            total: Some(
                job.looked.map_or_else(|| job.rows.end().min(job.source.meta().rows), |it| it.ordinals.len() as u64),
            ),
        });
        Ok(())
    })?;
    out.take(job, &facts, &known, sides.as_mut(), &mut chunk)?;

    if let Some(only) = job.only {
        state.tombstones.extend(only.gone.iter().filter_map(|key| facts.row_of_key(shape, &known, key)));
    }
    let deletes = job.may_delete(done, &state);
    let mut rows = TargetRows::decide(shape, &facts, &known, &state, deletes, job.asked.is_some());
    if let (Some(left_alone), Some(target)) = (job.left_alone, job.target) {
        let before = rows.changes();
        rows.ask(shape, target, |key, _| Ok(left_alone.may_go(job.secret, key)))?;
        out.left_alone = before - rows.changes();
    }
    if let (Some(sides), Some(target)) = (&mut sides, job.target) {
        rows.ask(shape, target, |key, row| sides.may_go(key, facts.cells_hash[row as usize]))?;
    }
    if let Some(target) = job.target {
        rows.write(shape, &facts, target, |ops, cells| out.target_rows(job, &ops, &cells))?;
    }
    let settled = job.looked.iter().flat_map(|looked| &looked.settled).map(|(target, _)| *target);
    rows.keep(settled);
    rows.note_kept(&facts, &kept_path(job.dir, &shape.mapping.name))?;
    let mut digest = Xxh3::new();
    digest.update(&facts.digest().to_le_bytes());
    digest.update(&known.digest().to_le_bytes());
    digest.update(shape.mapping.to.to_string().as_bytes());
    let facts_hash = format!("{:032x}", digest.digest128());
    if let Some(sides) = sides {
        out.spare(sides.finish(job.dir, &shape.mapping.name)?);
    }
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
