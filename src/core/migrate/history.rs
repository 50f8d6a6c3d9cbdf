//! What the journal of a run says of one mapping, over all attempts, and what became of it: a mapping whose target was
//! published is done, whoever was there to see it; any other is begun anew.
use std::path::Path;

use super::agreed::Agreed;
use super::outcome::most_rows_first;
use super::report::MappingReport;
use super::staged;
use crate::error::Result;
use crate::journal::{Crosswalk, Event, Handing, MappingResult, Mark, RunLog, StateDir};
use crate::plan::{Cause, Counts, MappingPlan, Plan};
use crate::platform::{Connector, ObjectVersion, Published, ReadOptions, Source};

/// What was promised before the publish.
struct Intent {
    counts: Counts,
    causes: Vec<Cause>,
    moved: u64,
    links_left: u64,
    millis: u64,
    waiting: Vec<u64>,
}

/// What a later start found published.
#[derive(Default)]
struct Recovered {
    /// Version of the target then.
    version: Option<ObjectVersion>,
    /// Rows of the target then.
    rows: Option<u64>,
}

/// What the journal says of one mapping.
#[derive(Default)]
pub(super) struct History {
    /// An attempt came to it.
    pub(super) begun: bool,
    /// It had nothing to write.
    pub(super) nothing: bool,
    intent: Option<Intent>,
    published: Option<Published>,
    /// A later start found it published.
    recovered: Option<Recovered>,
    crosswalk: bool,
    /// How everything stood after the last batch, where the platform keeps each.
    pub(super) mark: Option<Mark>,
    /// A batch that was handed over and not answered.
    pub(super) doubt: Option<Handing>,
}

/// A mapping whose target was published (or had not to be).
pub(super) struct Settled {
    pub(super) report: MappingReport,
    /// Version of the target then; None if nothing was to be written.
    pub(super) version: Option<ObjectVersion>,
    /// Changes that wait until the other mappings of the run are written, by their places among the plan's changes.
    pub(super) waiting: Vec<u64>,
}

impl History {
    /// Of the mapping of that name.
    pub(super) fn of(events: &[Event], name: &str) -> Self {
        let mut history = Self::default();
        for event in events {
            match event {
                // Only a mapping that was not published is begun again: what was said of it before is over.
                Event::Begun { mapping, .. } if mapping == name => {
                    let (mark, doubt) = (history.mark.take(), history.doubt.take());
                    history = Self { begun: true, mark, doubt, ..Self::default() };
                }
                Event::Intent { mapping, counts, causes, moved, links_left, millis, waiting, .. }
                    if mapping == name =>
                {
                    let (causes, counts, waiting) = (causes.clone(), *counts, waiting.clone());
                    let (moved, links_left, millis) = (*moved, *links_left, *millis);
                    history.intent = Some(Intent { counts, causes, moved, links_left, millis, waiting });
                }
                Event::Published { mapping, published } if mapping == name => {
                    history.published = Some(published.clone());
                }
                Event::Recovered { mapping, published: true, version, rows } if mapping == name => {
                    history.recovered = Some(Recovered { version: version.clone(), rows: *rows });
                }
                Event::Handing { mapping, rows } if mapping == name => history.doubt = Some(*rows),
                Event::Batch { mapping, mark: Some(mark), .. } if mapping == name => {
                    (history.mark, history.doubt) = (Some((**mark).clone()), None);
                }
                Event::Nothing { mapping } if mapping == name => history.nothing = true,
                Event::Crosswalk { mapping } if mapping == name => history.crosswalk = true,
                _ => {}
            }
        }
        history
    }

    /// The platform holds what the mapping wrote.
    fn is_published(&self, plan: &MappingPlan, connector: &dyn Connector, dir: &Path) -> Result<bool> {
        if self.published.is_some() || self.recovered.is_some() || self.nothing {
            return Ok(true);
        }
        // Where the platform knows of no promise, none was made. That the target is not as planned any more proves nothing:
        // another program may have been there, or it went away.
        Ok(connector.recover(&plan.to.object, dir)?.is_some_and(|recovery| recovery.published))
    }

    /// Finds out what became of the mapping and brings it to its end: staged leavings are cleared away, a promise is kept,
    /// the crosswalk told. None: its target is as it was. Doing it again changes nothing.
    pub(super) fn settle(
        &self,
        (state, whole): (&StateDir, &Plan),
        dir: &Path,
        plan: &MappingPlan,
        connector: &dyn Connector,
        crosswalk: &mut Crosswalk,
        log: &mut RunLog,
    ) -> Result<Option<Settled>> {
        let mapping = || plan.mapping.clone();
        if !self.is_published(plan, connector, dir)? {
            log.write(Event::Recovered { mapping: mapping(), published: false, version: None, rows: None })?;
            return Ok(None);
        }
        let version = match (&self.published, &self.recovered) {
            _ if self.nothing => None,
            (Some(published), _) => Some(published.version.clone()),
            (None, Some(recovered)) => recovered.version.clone(),
            (None, None) => Some(connector.version(&plan.to.object)?),
        };
        let mut result =
            MappingResult { mapping: mapping(), to: plan.to.to_string(), published: true, ..MappingResult::default() };
        let (mut causes, mut links_left) = (plan.causes.clone(), 0);
        let counted = self.recovered.as_ref().and_then(|recovered| recovered.rows);
        let rows = match (&self.published, counted) {
            _ if self.nothing => None,
            (Some(published), _) => Some(published.rows),
            (None, Some(rows)) => Some(rows),
            (None, None) => Some(count(connector, &plan.to.object)?),
        };
        if self.nothing {
            result.counts = Counts { after: plan.counts.before, ..plan.counts };
        } else if let Some(intent) = &self.intent {
            let before = self.published.as_ref().map_or(plan.counts.before, |published| published.before);
            let after = rows.unwrap_or_default();
            result.counts = Counts { before, after, ..intent.counts };
            (result.moved, result.millis) = (intent.moved, intent.millis);
            (causes, links_left) = (intent.causes.clone(), intent.links_left);
        }
        if !self.nothing && self.published.is_none() && counted.is_none() {
            // Only now: what could not be counted has to be looked at again.
            log.write(Event::Recovered { mapping: mapping(), published: true, version: version.clone(), rows })?;
        }
        most_rows_first(&mut causes);
        result.closes = result.counts.closes();
        if !self.crosswalk {
            staged::apply(dir, &plan.mapping, &result.to, crosswalk)?;
            let rows = result.counts.after;
            Agreed { state, run_dir: dir, plan: whole, part: plan, crosswalk, rows }.apply()?;
            log.write(Event::Crosswalk { mapping: mapping() })?;
        }
        let (mapping, from, planned) = (mapping(), plan.from.clone(), plan.counts);
        let waiting = self.intent.as_ref().map(|intent| intent.waiting.clone()).unwrap_or_default();
        let report = MappingReport { mapping, from, planned, result, causes, links_left };
        Ok(Some(Settled { report, version, waiting }))
    }
}

/// Rows of an object, counted by reading it.
pub(super) fn count(connector: &dyn Connector, object: &str) -> Result<u64> {
    let mut reader = connector.read(&Source::Object(object.to_owned()), &ReadOptions::default())?;
    let mut rows = 0;
    while let Some(batch) = reader.next_batch()? {
        rows += batch.frame.height() as u64;
    }
    Ok(rows)
}
