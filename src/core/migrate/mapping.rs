//! One mapping of a run: staged whole, published once.
use std::time::Instant;

use super::agreed;
use super::ahead::Ahead;
use super::execute::{Run, target_version};
use super::fault;
use super::links::{Later, Resolver};
use super::outcome::{Outcome, Unwritten, Why};
use super::picked::{kept, pick, pick_rows};
use super::postimages::{self, PostImage, PostImages, Wrote};
use super::preimages::PreImages;
use super::report::MappingReport;
use super::revert::reverted_folder;
use super::staged::{self, Fate, Stage};
use super::trail::{Next, Trail, links_file};
use super::waiting::{Waiting, whole_rows};
use crate::error::{Error, Kind, Result};
use crate::journal::{Crosswalk, Event, MappingResult, Pass, RunLog};
use crate::monitor::{Progress, WithinBatch};
use crate::plan::ops::{Changes, Inserts, OpsReader, PendingLink};
use crate::plan::{Cause, MappingPlan, Operation};
use crate::platform::{
    ChangeBatch, ChangeKind, Connector, ObjectVersion, Published, RowResult, TargetWriter, WriteContext,
};
use crate::table::Snapshot;

/// What the mappings before this one left.
pub(super) struct Shared<'r> {
    pub(super) crosswalk: &'r mut Crosswalk,
    pub(super) log: &'r mut RunLog,
    /// Version of this mapping's target as this run published it before, and whether rows were deleted from it.
    pub(super) published: Option<&'r (ObjectVersion, bool)>,
    /// Batches handed to writers so far.
    pub(super) batches: &'r mut u64,
    /// Where no transaction holds the target: what earlier attempts left there.
    pub(super) trail: Option<Trail>,
}

/// A mapping that was executed.
pub(super) struct Executed {
    pub(super) report: MappingReport,
    /// Version of the target now; None if nothing was to be written.
    pub(super) version: Option<ObjectVersion>,
    /// Changes that wait until the other mappings of the run are written, by their places among the plan's changes.
    pub(super) waiting: Vec<u64>,
}

/// Executes the mapping at `place` of the plan. `result` is filled in as far as it goes, also when it fails.
pub(super) fn execute(
    run: &Run<'_>,
    place: usize,
    connector: &dyn Connector,
    result: &mut MappingResult,
    shared: &mut Shared<'_>,
) -> Result<Executed> {
    let plan = &run.plan.mappings[place];
    shared.log.write(Event::Begun { mapping: plan.mapping.clone(), to: plan.to.to_string() })?;
    super::taken_back::begin(run, plan)?;
    let source = run.source_snapshot(plan)?;
    let trail = shared.trail.take();
    let planned = if trail.as_ref().is_some_and(Trail::is_begun) {
        // It has changed: by this run.
        connector.version(&plan.to.object)?
    } else {
        target_version(plan, connector, shared.published)?
    };
    let mark = trail.as_ref().and_then(|trail| trail.mark.clone());
    let mut outcome = match &mark {
        Some(mark) => Outcome::go_on(plan, run.dir, mark)?,
        None => Outcome::begin(plan, &run.state.plan(&run.plan.id), run.dir)?,
    };
    // A file whose content is as planned already is not written again, and its rows were counted by the plan.
    let nothing = plan.counts.is_noop() && planned.exists && !planned.hash.is_empty();
    let mut stage = match &mark {
        Some(mark) => Stage::go_on(run.dir, &plan.mapping, mark.crosswalk)?,
        None => Stage::create(run.dir, &plan.mapping)?,
    };
    let reader = run.operations(plan)?;
    let mut matched = 0;
    for present in reader.present().take_while(|_| mark.is_none()) {
        let present = present?;
        run.monitor.check()?;
        matched += present.keys.len() as u64;
        run.monitor.report(Progress { step: format!("noting what {} holds", plan.to), done: matched, total: None });
        for (key, id) in present.keys.iter().zip(&present.identities) {
            stage.push(key, id, Fate::Present)?;
        }
    }
    let (mut links_left, mut version, mut waiting) = (0, None, Vec::new());
    let causes;
    if nothing {
        outcome.counts.before = plan.counts.before;
        outcome.counts.after = plan.counts.before;
        stage.take_over(&run.state.plan(&run.plan.id), &plan.mapping)?;
        stage.finish()?;
        causes = outcome.settle()?;
        shared.log.write(Event::Nothing { mapping: plan.mapping.clone() })?;
    } else {
        // A pause is best made here: nothing is open yet that others wait for.
        run.monitor.between(0, None)?;
        let context = WriteContext { run_dir: run.dir.to_owned(), planned, columns: plan.write_columns() };
        let mut writer = connector.write(&plan.to.object, &context)?;
        // What other rows a delete takes along stands in no plan.
        writer.spare_others()?;
        if let Some(reverted) = reverted_folder(run.state, run.plan) {
            writer.mind_parents()?;
            if let Some(ending) = postimages::ending(&reverted, &plan.mapping)? {
                writer.set_ending(&ending);
            }
        }
        let mut writing = Writing {
            run,
            plan,
            source,
            writer,
            post: PostImages::new(run.dir, &plan.mapping)?,
            again: Vec::new(),
            stuck: Vec::new(),
            waiting: Vec::new(),
            place: 0,
            undone: Vec::new(),
            is_last: place + 1 == run.plan.mappings.len(),
            later: match (&trail, &mark) {
                (None, _) => Later::new()?,
                (Some(_), mark) => {
                    let links = mark.as_ref().map_or((0, 0), |mark| mark.links);
                    Later::at(&links_file(run.dir, &plan.mapping), links)?
                }
            },
            trail,
            resolver: Resolver::new(plan, &run.plan.mappings[place + 1..]),
            crosswalk: shared.crosswalk,
            log: shared.log,
            batches: shared.batches,
            outcome: &mut outcome,
            stage: &mut stage,
            done: 0,
            start: Instant::now(),
        };
        writing.resolver.left = mark.as_ref().map_or(0, |mark| mark.links_left);
        let published = writing.write(&reader);
        links_left = writing.resolver.left;
        let published = published.and_then(|()| writing.publish(result));
        result.counts = outcome.counts;
        result.moved = outcome.moved;
        let (published, told, left) = published?;
        (causes, waiting) = (told, left);
        outcome.counts.before = published.before;
        outcome.counts.after = published.rows;
        version = Some(published.version);
    }
    result.counts = outcome.counts;
    result.moved = outcome.moved;
    result.published = true;
    result.closes = result.counts.closes();
    let outcome_after = result.counts.after;
    run.monitor.report(Progress {
        step: format!("published; noting in the crosswalk what went into {}", plan.to),
        done: 0,
        total: None,
    });
    fault::point("before-crosswalk");
    staged::apply(run.dir, &plan.mapping, &plan.to.to_string(), shared.crosswalk)?;
    run.agree(plan, shared.crosswalk, outcome_after)?;
    shared.log.write(Event::Crosswalk { mapping: plan.mapping.clone() })?;
    fault::point("after-crosswalk");
    let report = MappingReport {
        mapping: plan.mapping.clone(),
        from: plan.from.clone(),
        planned: plan.counts,
        result: result.clone(),
        causes,
        links_left,
    };
    Ok(Executed { report, version, waiting })
}

/// A mapping while its rows are staged.
pub(super) struct Writing<'w, 'r> {
    pub(super) run: &'w Run<'r>,
    pub(super) plan: &'w MappingPlan,
    pub(super) source: Snapshot,
    pub(super) writer: Box<dyn TargetWriter>,
    pub(super) post: PostImages,
    /// Deletes that come when all other changes are made.
    pub(super) again: Vec<Waiting>,
    /// Deletes that were refused as long as there was something to do, with the platform's words.
    pub(super) stuck: Vec<(Waiting, String)>,
    /// Changes that wait for the other mappings of the run, by their places among the plan's changes.
    pub(super) waiting: Vec<u64>,
    /// Changes that were handed out so far.
    place: u64,
    /// Old keys of target rows that were to go and are there still.
    pub(super) undone: Vec<String>,
    /// No mapping of the run follows.
    pub(super) is_last: bool,
    pub(super) resolver: Resolver<'w>,
    crosswalk: &'w Crosswalk,
    pub(super) log: &'w mut RunLog,
    batches: &'w mut u64,
    pub(super) outcome: &'w mut Outcome,
    pub(super) stage: &'w mut Stage,
    pub(super) later: Later,
    pub(super) trail: Option<Trail>,
    /// Rows handed to the writer.
    pub(super) done: u64,
    start: Instant,
}

impl Writing<'_, '_> {
    /// Hands everything to the writer; nothing is published.
    fn write(&mut self, reader: &OpsReader) -> Result<()> {
        self.report();
        let mut images = PreImages::new(self.run.dir, &self.plan.mapping)?;
        let changes = reader.changes(self.run.dir)?;
        let mut target = None;
        for changes in changes {
            let target = match &target {
                Some(target) => target,
                None => target.insert(Snapshot::open(&self.run.path(&self.plan.target_snapshot))?),
            };
            let mut changes = changes?;
            // A table's rows are put back last, when all rows that may have their ids are gone.
            let restore = |kind: &ChangeKind| *kind == ChangeKind::Restore;
            let restores = changes.batch.kinds.iter().position(restore).filter(|_| changes.batch.locators.is_some());
            if let Some(first) = restores {
                if first > 0
                    && let Some(mut head) = changes.take(first)?
                {
                    self.hand(&mut head, &mut images, target)?;
                }
                self.delete_again(&mut images, Some(target))?;
            }
            self.hand(&mut changes, &mut images, target)?;
        }
        self.delete_again(&mut images, target.as_ref())?;
        let workers = || self.run.monitor.workers();
        std::thread::scope(|scope| {
            let mut ahead = Ahead::new(scope, reader.slices(), workers, |slice| reader.inserts_of(slice));
            while let Some(inserts) = ahead.next()? {
                let mut inserts = inserts;
                loop {
                    let next = self.next(Pass::Inserts);
                    let Some(piece) = inserts.take(next.rows())? else { break };
                    match next {
                        Next::Done(_) => self.skip(Pass::Inserts, piece.keys.len()),
                        _ => self.insert(piece, next)?,
                    }
                }
            }
            self.amend()
        })?;
        // Rows that named a row that goes may name another one by now.
        self.delete_again(&mut images, target.as_ref())?;
        self.give_up(&mut images, target.as_ref())?;
        images.finish()
    }

    /// Hands changes to the writer, piece by piece.
    fn hand(&mut self, changes: &mut Changes, images: &mut PreImages, target: &Snapshot) -> Result<()> {
        loop {
            let next = self.next(Pass::Changes);
            let Some(piece) = changes.take(next.rows())? else { return Ok(()) };
            match next {
                Next::Done(_) => self.skip(Pass::Changes, piece.operations.len()),
                _ => self.change(piece, images, target, next)?,
            }
        }
    }

    fn report(&self) {
        let counts = &self.plan.counts;
        let waits = self.run.monitor.waits_for(self.writer.holds());
        self.run.monitor.report(Progress {
            step: format!("writing {}{}", self.plan.to, waits.map(|waits| format!("; {waits}")).unwrap_or_default()),
            done: self.done,
            total: Some(counts.inserted + counts.updated + counts.deleted + counts.marked),
        });
    }

    /// Before a batch goes to the writer.
    pub(super) fn begin_batch(&mut self) -> Result<()> {
        self.run.monitor.check()?;
        *self.batches += 1;
        fault::counted("before-batch", *self.batches);
        Ok(())
    }

    /// After a batch.
    pub(super) fn end_batch(&mut self, rows: usize) -> Result<()> {
        self.done += rows as u64;
        self.report();
        let mark = self.mark()?;
        self.log.write(Event::Batch { mapping: self.plan.mapping.clone(), done: self.done, mark })?;
        self.run.monitor.between(rows as u64, self.writer.holds())
    }

    fn change(&mut self, changes: Changes, images: &mut PreImages, target: &Snapshot, next: Next) -> Result<()> {
        self.begin_batch()?;
        let Changes { batch, operations, sources, keys, identities, pending, originals } = changes;
        let rows = operations.len();
        let first = self.place;
        self.place += rows as u64;
        let row_of = |row: usize| (sources[row], keys[row].clone(), identities[row].clone());
        let later = self.wait_with_deletes(first, &batch, row_of);
        let resolved = self.resolver.resolve(batch.values, pending, self.crosswalk)?;
        let mut kept = kept(rows, &resolved.missing);
        for row in &later {
            kept[*row] = false;
        }
        let batch = ChangeBatch {
            kinds: pick(batch.kinds, &kept),
            ordinals: pick(batch.ordinals, &kept),
            locators: batch.locators.map(|locators| pick(locators, &kept)),
            expected: pick(batch.expected, &kept),
            values: pick_rows(resolved.values, &kept)?,
        };
        if !originals.is_empty() {
            self.writer.set_originals(pick(originals, &kept));
        }
        self.handing(Pass::Changes, rows, next)?;
        let planned = self.may_come_later().then(|| whole_rows(&batch.values, target)).transpose()?.flatten();
        let results = self.hand_changes(&batch, next)?;
        let results = self.spread(results, &kept, batch.kinds.len())?;
        let mut raw = self.writer.take_originals().into_iter();
        let mut lost = self.parentless(&resolved.missing, |row| (operations[row], sources[row], keys[row].clone()));
        let mut changed: Vec<(u64, ChangeKind)> = Vec::with_capacity(rows);
        let mut bytes: Vec<Option<Vec<u8>>> = Vec::with_capacity(rows);
        let mut post: Vec<PostImage> = Vec::with_capacity(rows);
        let mut written: Vec<Option<String>> = vec![None; rows];
        let mut handed = batch.ordinals.into_iter().zip(batch.kinds).zip(batch.expected);
        let mut locators = batch.locators.into_iter().flatten();
        for (row, outcome) in results.into_iter().enumerate() {
            let Some(outcome) = outcome else { continue };
            let (image, original, locator) = (handed.next(), raw.next().flatten(), locators.next());
            let Some(((ordinal, kind), expected)) = image else { continue };
            let why = match outcome {
                RowResult::Written(identity) => {
                    self.outcome.wrote(operations[row]);
                    // What the crosswalk knew of a row that is put back stands in the plan.
                    if kind != ChangeKind::Restore {
                        changed.push((ordinal, kind));
                        bytes.push(original);
                    }
                    if kind == ChangeKind::Delete
                        && let Some(gone) = identities[row].as_deref().or(keys[row].as_deref())
                    {
                        self.stage.push("", gone, Fate::Deleted)?;
                    }
                    let gone = kind == ChangeKind::Delete;
                    post.push(PostImage {
                        wrote: Wrote::from(kind),
                        ordinal: Some(ordinal),
                        place: None,
                        key: keys[row].clone(),
                        identity: if gone { identities[row].clone() } else { identity.clone() },
                        hash: None,
                    });
                    written[row] = identity;
                    continue;
                }
                RowResult::Refused(_) if kind == ChangeKind::Delete && self.may_wait() && locator.is_some() => {
                    let (key, identity) = (keys[row].clone(), identities[row].clone());
                    let (source, locator) = (sources[row], locator.unwrap_or_default());
                    self.again.push(Waiting {
                        place: first + row as u64,
                        ordinal,
                        locator,
                        expected,
                        source,
                        key,
                        identity,
                    });
                    continue;
                }
                RowResult::Refused(_) if self.may_come_later() => {
                    let identity = identities[row].clone().or(locator);
                    let image = self.put_off(first + row as u64, kind, (ordinal, keys[row].clone(), identity));
                    if kind == ChangeKind::Update {
                        changed.push((ordinal, kind));
                        bytes.push(None);
                    }
                    post.push(PostImage { hash: planned.as_ref().map(|hashes| hashes[row]), ..image });
                    continue;
                }
                RowResult::Moved => Why::Moved,
                RowResult::Refused(words) => Why::Refused(words),
            };
            if kind == ChangeKind::Delete {
                self.undone.extend(keys[row].clone());
            }
            lost.push((operations[row], Unwritten { source: sources[row], key: keys[row].clone(), why }));
        }
        self.took(Pass::Changes, rows);
        images.keep(target, &changed, bytes)?;
        self.post.note(post)?;
        self.outcome.lost(&self.source, lost)?;
        self.wait_for(&resolved.here, &written)?;
        self.end_batch(rows - later.len())
    }

    /// The plan takes a run back.
    pub(super) fn reverts(&self) -> bool {
        self.run.plan.purpose.is_revert()
    }

    fn insert(&mut self, inserts: Inserts, next: Next) -> Result<()> {
        self.begin_batch()?;
        let Inserts { sources, keys, values, pending } = inserts;
        let rows = keys.len();
        let resolved = self.resolver.resolve(values, pending, self.crosswalk)?;
        let kept = kept(rows, &resolved.missing);
        let values = pick_rows(resolved.values, &kept)?;
        self.handing(Pass::Inserts, rows, next)?;
        let results = self.hand_inserts(&values, next)?;
        self.took(Pass::Inserts, rows);
        let results = self.spread(results, &kept, values.height())?;
        let mut lost =
            self.parentless(&resolved.missing, |row| (Operation::Insert, Some(sources[row]), Some(keys[row].clone())));
        let mut written: Vec<Option<String>> = vec![None; rows];
        let mut post: Vec<PostImage> = Vec::with_capacity(rows);
        for (row, outcome) in results.into_iter().enumerate() {
            let Some(outcome) = outcome else { continue };
            let why = match outcome {
                RowResult::Written(identity) => {
                    self.outcome.wrote(Operation::Insert);
                    post.push(PostImage {
                        wrote: Wrote::Insert,
                        ordinal: None,
                        place: None,
                        key: Some(keys[row].clone()),
                        identity: identity.clone(),
                        hash: None,
                    });
                    // Without an identity of the platform's own the record's key is its id.
                    let id = self.plan.identity.as_ref().and(identity.as_deref()).unwrap_or(&keys[row]);
                    self.stage.push(&keys[row], id, Fate::Inserted)?;
                    written[row] = identity;
                    continue;
                }
                RowResult::Moved => Why::Moved,
                RowResult::Refused(words) => Why::Refused(words),
            };
            let row = Unwritten { source: Some(sources[row]), key: Some(keys[row].clone()), why };
            lost.push((Operation::Insert, row));
        }
        self.post.note(post)?;
        self.outcome.lost(&self.source, lost)?;
        self.wait_for(&resolved.here, &written)?;
        self.end_batch(rows)
    }

    /// Checks the error budget, promises, publishes. Answers also why rows were left out,
    /// and which deletes wait for other mappings.
    fn publish(self, result: &mut MappingResult) -> Result<(Published, Vec<Cause>, Vec<u64>)> {
        let Self { run, plan, mut writer, post, log, outcome, stage, resolver, start, trail, waiting, undone, .. } =
            self;
        let counts = outcome.counts;
        let budget = (run.budget)(&plan.mapping).of(counts.read);
        // What cannot be taken back is listed and stays; the rest goes back all the same.
        let reverts = run.plan.purpose.is_revert();
        if counts.rejected > budget && !reverts {
            return Err(Error::data(format!(
                "{} of {} rows were rejected, the error budget is {budget}; nothing was published",
                counts.rejected, counts.read
            ))
            .at(&plan.mapping)
            .advise("see why with `crm-console rejects`; mend the mapping or raise [run] error_budget"));
        }
        run.monitor.check()?;
        // Last: an id that a deleted row had may be the one of a row that is put back.
        stage.take_over(&run.state.plan(&run.plan.id), &plan.mapping)?;
        stage.finish()?;
        post.finish(writer.as_mut(), &WithinBatch(run.monitor))?;
        agreed::note_undone(run.state, run.dir, &plan.mapping, &undone)?;
        // What was left out is on disk before anything is published: a kill loses no reject.
        let causes = outcome.settle()?;
        fault::point("before-intent");
        log.write(Event::Intent {
            mapping: plan.mapping.clone(),
            to: plan.to.to_string(),
            counts,
            causes: causes.clone(),
            moved: outcome.moved,
            links_left: resolver.left,
            millis: start.elapsed().as_millis() as u64,
            waiting: waiting.clone(),
        })?;
        fault::point("before-publish");
        run.monitor.check_now()?;
        run.monitor.between(0, writer.holds())?;
        let mut published = writer.publish(&WithinBatch(run.monitor))?;
        published.before = trail.as_ref().map_or(published.before, |trail| trail.before(published.before));
        fault::point("after-publish");
        result.published = true;
        log.write(Event::Published { mapping: plan.mapping.clone(), published: published.clone() })?;
        Ok((published, causes, waiting))
    }

    /// Results by row of the whole batch; None for rows that did not go to the writer.
    fn spread(&self, results: Vec<RowResult>, kept: &[bool], handed: usize) -> Result<Vec<Option<RowResult>>> {
        if results.len() != handed {
            let said = results.len();
            return Err(Error::platform(format!("the platform answered for {said} of {handed} rows"))
                .at(&self.plan.to)
                .advise("nothing was published; this is a fault of the connector"));
        }
        let mut results = results.into_iter();
        Ok(kept.iter().map(|kept| if *kept { results.next() } else { None }).collect())
    }

    /// Rows whose parent is missing, each once.
    fn parentless(
        &self,
        missing: &[PendingLink],
        row: impl Fn(usize) -> (Operation, Option<u64>, Option<String>),
    ) -> Vec<(Operation, Unwritten)> {
        let mut lost: Vec<(Operation, Unwritten)> = Vec::new();
        let mut last = None;
        for cell in missing {
            if last.replace(cell.row) == Some(cell.row) {
                continue;
            }
            let (operation, source, key) = row(cell.row);
            let link = &self.plan.links[cell.link];
            let why = Why::Parent { field: link.column.clone(), mapping: link.mapping.clone(), key: cell.key.clone() };
            lost.push((operation, Unwritten { source, key, why }));
        }
        lost
    }
}

/// The error that says that a target is not there any more. It may come back: a disk, a share, a file moved aside.
pub(super) fn gone(plan: &MappingPlan) -> Error {
    Error::platform(format!("{} is gone; nothing was written to it", plan.to))
        .at(&plan.mapping)
        .advise("bring it back (is the disk mounted?) and resume the run; if it is gone for good, plan again")
}

/// The error that says that a target moved since the plan.
pub(super) fn moved(plan: &MappingPlan) -> Error {
    Error::new(Kind::Refused, format!("{} changed since the plan; nothing was written to it", plan.to))
        .at(&plan.mapping)
        .advise("plan again, look at what is different, and confirm that plan")
}
