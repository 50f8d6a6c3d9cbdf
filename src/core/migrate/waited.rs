//! Changes that rows of other objects stood in the way of while their mapping was written: deletes of rows that others pointed
//! to, and in a revert rows that name one which was not back yet. They come when all mappings of the run are written, the last
//! mapping's first, each mapping's in a publish of its own that its own promise (in the folder `waited` of the run) and its
//! own lines of the journal tell of.
use std::path::{Path, PathBuf};

use hashbrown::HashSet;

use super::agreed::Agreed;
use super::execute::{Run, target_version};
use super::fault;
use super::history;
use super::outcome::{Outcome, Unwritten, Why, most_rows_first};
use super::picked::{pick, pick_rows};
use super::report::MappingReport;
use super::staged;
use super::waiting::{Waiting, deletes_of};
use crate::error::Result;
use crate::journal::{Crosswalk, Event, RunLog, StateDir, Waited, private_folder, rejects_file};
use crate::monitor::{Progress, WithinBatch};
use crate::plan::ops::{Changes, OPS_BATCH, OpsReader};
use crate::plan::{MappingPlan, Operation, Plan};
use crate::platform::{
    ChangeBatch, ChangeKind, Connector, ObjectVersion, Published, RowResult, TargetWriter, WriteContext,
};

/// What the journal says of the changes of one mapping that waited.
#[derive(Default)]
struct Story {
    rejects: Option<(u64, u64)>,
    intent: Option<Waited>,
    published: Option<Published>,
    told: bool,
}

impl Story {
    fn of(events: &[Event], name: &str) -> Self {
        let mut story = Self::default();
        for event in events {
            match event {
                Event::WaitedBegun { mapping, rejects } if mapping == name => {
                    // What was promised before and not kept is over.
                    story = Self { rejects: story.rejects.or(Some(*rejects)), ..Self::default() };
                }
                Event::WaitedIntent { mapping, waited } if mapping == name => story.intent = Some((**waited).clone()),
                Event::WaitedPublished { mapping, published } if mapping == name => {
                    story.published = Some(published.clone());
                }
                Event::WaitedTold { mapping } if mapping == name => story.told = true,
                _ => {}
            }
        }
        story
    }
}

/// The changes of one mapping that waited.
pub(super) struct WaitedChanges<'a> {
    pub(super) state: &'a StateDir,
    pub(super) dir: &'a Path,
    pub(super) plan: &'a Plan,
    pub(super) part: &'a MappingPlan,
    pub(super) connector: &'a dyn Connector,
    /// Their places among the plan's changes.
    pub(super) waiting: &'a [u64],
    pub(super) crosswalk: &'a mut Crosswalk,
    pub(super) log: &'a mut RunLog,
}

impl WaitedChanges<'_> {
    /// Where the writer keeps its promise.
    fn folder(&self) -> PathBuf {
        self.dir.join("waited")
    }

    fn mapping(&self) -> String {
        self.part.mapping.clone()
    }

    /// Brings changes to their end that an earlier attempt published, and tells `report`. False: they are not done.
    pub(super) fn settle(&mut self, events: &[Event], report: &mut MappingReport) -> Result<bool> {
        let story = Story::of(events, &self.part.mapping);
        let Some(waited) = story.intent else { return Ok(false) };
        let nothing = waited.counts.is_noop();
        if !nothing && !story.told && story.published.is_none() {
            let recovered = self.connector.recover(&self.part.to.object, &self.folder())?;
            if !recovered.is_some_and(|recovery| recovery.published) {
                return Ok(false);
            }
        }
        let rows = match &story.published {
            Some(published) => published.rows,
            None if nothing => report.result.counts.after,
            None => history::count(self.connector, &self.part.to.object)?,
        };
        if !story.told {
            self.tell(&waited, rows)?;
        }
        note(report, &waited, rows);
        Ok(true)
    }

    /// Does what can be done now; what still cannot is among the rejects. Answers the target's version, if a row changed.
    pub(super) fn execute(
        &mut self,
        run: &Run<'_>,
        events: &[Event],
        published: Option<&(ObjectVersion, bool)>,
        report: &mut MappingReport,
    ) -> Result<Option<ObjectVersion>> {
        run.monitor.between(0, None)?;
        private_folder(&self.folder())?;
        // An attempt that was killed may have left staged rows.
        self.connector.recover(&self.part.to.object, &self.folder())?;
        let rejects = match Story::of(events, &self.part.mapping).rejects {
            Some(known) => known,
            None => position(&rejects_file(self.dir, &self.part.mapping))?,
        };
        let mapping = self.mapping();
        self.log.write(Event::WaitedBegun { mapping, rejects })?;
        fault::point("waited-begun");
        let planned = target_version(self.part, self.connector, published)?;
        let context = WriteContext { run_dir: self.folder(), planned, columns: self.part.write_columns() };
        let mut writer = self.connector.write(&self.part.to.object, &context)?;
        writer.spare_others()?;
        if self.plan.purpose.is_revert() {
            writer.mind_parents()?;
        }
        let mut outcome = Outcome::later(self.dir, &self.part.mapping, rejects)?;
        let reader = run.operations(self.part)?;
        let (rows, others) = self.deletes(&reader)?;
        let gone = self.delete(run, writer.as_mut(), rows, &mut outcome)?;
        if others > 0 {
            self.change(run, writer.as_mut(), &reader, &mut outcome)?;
        }
        let causes = outcome.settle()?;
        let waited = Waited { counts: outcome.counts, gone, held: others, moved: outcome.moved, causes };
        self.log.write(Event::WaitedIntent { mapping: self.mapping(), waited: Box::new(waited.clone()) })?;
        fault::point("waited-intent");
        if waited.counts.is_noop() {
            drop(writer);
            self.log.write(Event::WaitedTold { mapping: self.mapping() })?;
            note(report, &waited, report.result.counts.after);
            return Ok(None);
        }
        run.monitor.check_now()?;
        let published = writer.publish(&WithinBatch(run.monitor))?;
        fault::point("waited-published");
        self.log.write(Event::WaitedPublished { mapping: self.mapping(), published: published.clone() })?;
        self.tell(&waited, published.rows)?;
        note(report, &waited, published.rows);
        Ok(Some(published.version))
    }

    /// Hands out the plan's changes with which of them waited.
    fn each(&self, reader: &OpsReader, mut take: impl FnMut(Changes, u64, &[bool]) -> Result<()>) -> Result<()> {
        let wanted: HashSet<u64> = self.waiting.iter().copied().collect();
        let mut first = 0;
        for changes in reader.changes(self.dir)? {
            let changes = changes?;
            let rows = changes.operations.len() as u64;
            let waited: Vec<bool> = (first..first + rows).map(|place| wanted.contains(&place)).collect();
            if waited.contains(&true) {
                take(changes, first, &waited)?;
            }
            first += rows;
        }
        Ok(())
    }

    /// The deletes among them, and how many others there are.
    fn deletes(&self, reader: &OpsReader) -> Result<(Vec<Waiting>, u64)> {
        let (mut rows, mut others) = (Vec::new(), 0);
        self.each(reader, |changes, first, waited| {
            let mut locators = changes.batch.locators.unwrap_or_default().into_iter();
            for (at, waited) in waited.iter().enumerate() {
                let locator = locators.next().unwrap_or_default();
                if *waited && changes.batch.kinds[at] == ChangeKind::Delete {
                    rows.push(Waiting {
                        place: first + at as u64,
                        ordinal: changes.batch.ordinals[at],
                        locator,
                        expected: changes.batch.expected[at],
                        source: changes.sources[at],
                        key: changes.keys[at].clone(),
                        identity: changes.identities[at].clone(),
                    });
                } else {
                    others += u64::from(*waited);
                }
            }
            Ok(())
        })?;
        Ok((rows, others))
    }

    fn report(&self, run: &Run<'_>, outcome: &Outcome) {
        let counts = &outcome.counts;
        run.monitor.report(Progress {
            step: format!("writing what waited to {}", self.part.to),
            done: counts.deleted + counts.updated + counts.inserted,
            total: Some(self.waiting.len() as u64),
        });
    }

    /// Last rows first, as long as some go. Answers the places of those that went.
    fn delete(
        &self,
        run: &Run<'_>,
        writer: &mut dyn TargetWriter,
        mut rows: Vec<Waiting>,
        outcome: &mut Outcome,
    ) -> Result<Vec<u64>> {
        let (columns, source) = (self.part.write_columns(), run.source_snapshot(self.part)?);
        let mut gone = Vec::new();
        rows.reverse();
        while !rows.is_empty() {
            let (before, mut refused) = (rows.len(), Vec::new());
            for part in rows.chunks(OPS_BATCH) {
                run.monitor.check()?;
                self.report(run, outcome);
                let results = writer.change(&deletes_of(&columns, part)?, &WithinBatch(run.monitor))?;
                let mut moved = Vec::new();
                for (row, result) in part.iter().zip(results) {
                    match result {
                        RowResult::Written(_) => {
                            outcome.wrote(Operation::Delete);
                            gone.push(row.place);
                        }
                        RowResult::Refused(words) => refused.push((row.clone(), words)),
                        RowResult::Moved => moved.push((Operation::Delete, row.unwritten(Why::Moved))),
                    }
                }
                outcome.lost(&source, moved)?;
                run.monitor.between(part.len() as u64, writer.holds())?;
            }
            if refused.len() == before {
                let lost =
                    refused.into_iter().map(|(row, words)| (Operation::Delete, row.unwritten(Why::Refused(words))));
                outcome.lost(&source, lost.collect())?;
                break;
            }
            rows = refused.into_iter().map(|(row, _)| row).collect();
        }
        Ok(gone)
    }

    /// Those that are no deletes, in the plan's order.
    fn change(
        &self,
        run: &Run<'_>,
        writer: &mut dyn TargetWriter,
        reader: &OpsReader,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let source = run.source_snapshot(self.part)?;
        self.each(reader, |changes, _, waited| {
            run.monitor.check()?;
            self.report(run, outcome);
            let kept: Vec<bool> =
                (0..waited.len()).map(|at| waited[at] && changes.batch.kinds[at] != ChangeKind::Delete).collect();
            let batch = ChangeBatch {
                kinds: pick(changes.batch.kinds, &kept),
                ordinals: pick(changes.batch.ordinals, &kept),
                locators: changes.batch.locators.map(|locators| pick(locators, &kept)),
                expected: pick(changes.batch.expected, &kept),
                values: pick_rows(changes.batch.values, &kept)?,
            };
            let results = writer.change(&batch, &WithinBatch(run.monitor))?;
            let (operations, sources, keys) =
                (pick(changes.operations, &kept), pick(changes.sources, &kept), pick(changes.keys, &kept));
            let mut lost = Vec::new();
            for (at, result) in results.into_iter().enumerate() {
                let why = match result {
                    RowResult::Written(_) => {
                        outcome.wrote(operations[at]);
                        continue;
                    }
                    RowResult::Moved => Why::Moved,
                    RowResult::Refused(words) => Why::Refused(words),
                };
                lost.push((operations[at], Unwritten { source: sources[at], key: keys[at].clone(), why }));
            }
            outcome.lost(&source, lost)?;
            run.monitor.between(batch.kinds.len() as u64, writer.holds())
        })
    }

    /// Tells crosswalk and ledger which rows are gone. Twice is once.
    fn tell(&mut self, waited: &Waited, rows: u64) -> Result<()> {
        let gone: HashSet<u64> = waited.gone.iter().copied().collect();
        let reader = OpsReader::open(&self.state.plan(&self.plan.id), self.part)
            .map_err(|error| error.at(&self.part.mapping))?;
        let all = self.deletes(&reader)?.0;
        let all: Vec<Waiting> = all.into_iter().filter(|row| gone.contains(&row.place)).collect();
        let ids = all.iter().filter_map(|row| row.identity.as_deref().or(row.key.as_deref()));
        staged::forget(self.dir, &self.part.mapping, &self.part.to.to_string(), ids, self.crosswalk)?;
        let keys: Vec<String> = all.iter().filter_map(|row| row.key.clone()).collect();
        let (state, run_dir, plan, part) = (self.state, self.dir, self.plan, self.part);
        Agreed { state, run_dir, plan, part, crosswalk: self.crosswalk, rows }.forget(&keys)?;
        self.log.write(Event::WaitedTold { mapping: self.mapping() })
    }
}

/// Adds to a mapping's report what became of the changes that waited; the target holds so many rows now.
fn note(report: &mut MappingReport, waited: &Waited, rows: u64) {
    let result = &mut report.result;
    let (counts, more) = (&mut result.counts, &waited.counts);
    counts.held = (counts.held + more.held).saturating_sub(waited.held);
    counts.rejected += more.rejected;
    counts.inserted += more.inserted;
    counts.updated += more.updated;
    counts.deleted += more.deleted;
    counts.after = rows;
    result.moved += waited.moved;
    result.closes = result.counts.closes();
    report.causes.extend(waited.causes.iter().cloned());
    most_rows_first(&mut report.causes);
}

/// Lines and bytes of a file.
fn position(path: &Path) -> Result<(u64, u64)> {
    let text = std::fs::read(path).map_err(|error| crate::Error::io("read", path, &error))?;
    Ok((memchr::memchr_iter(b'\n', &text).count() as u64, text.len() as u64))
}
