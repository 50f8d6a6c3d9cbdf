//! Writing to a platform that keeps each batch: noting before and after where everything stands, and going on after what
//! an earlier attempt wrote there.
use polars::prelude::{BooleanChunked, DataFrame, NewChunkedArray};

use super::mapping::Writing;
use super::trail::Next;
use crate::error::{Error, Result};
use crate::journal::{Event, Handing, Mark, Pass};
use crate::monitor::WithinBatch;
use crate::platform::{ChangeBatch, ChangeKind, Doubt, RowResult};

impl Writing<'_, '_> {
    /// What to do with the next rows of a pass.
    pub(super) fn next(&self, pass: Pass) -> Next {
        let most = self.run.monitor.piece();
        self.trail.as_ref().map_or(Next::New(most), |trail| trail.next(pass, most))
    }

    /// Rows that an earlier attempt wrote.
    pub(super) fn skip(&mut self, pass: Pass, rows: usize) {
        self.done += rows as u64;
        self.took(pass, rows);
    }

    /// Rows of a pass were taken.
    pub(super) fn took(&mut self, pass: Pass, rows: usize) {
        if let Some(trail) = &mut self.trail {
            trail.take(pass, rows);
        }
    }

    /// Before rows are handed over: should the answer not be heard, they are in doubt.
    pub(super) fn handing(&mut self, pass: Pass, rows: usize, next: Next) -> Result<()> {
        match (&self.trail, next) {
            (Some(trail), Next::New(_)) => {
                let rows = Handing { pass, from: trail.at(pass), rows: rows as u64 };
                self.log.write(Event::Handing { mapping: self.plan.mapping.clone(), rows })
            }
            _ => Ok(()),
        }
    }

    /// After a batch: how everything stands, all of it on disk. Nothing where the target appears whole.
    pub(super) fn mark(&mut self) -> Result<Option<Box<Mark>>> {
        let Some(trail) = &self.trail else { return Ok(None) };
        let mut mark = Mark {
            changes: trail.at(Pass::Changes),
            inserts: trail.at(Pass::Inserts),
            links_left: self.resolver.left,
            crosswalk: self.stage.position()?,
            links: self.later.position()?,
            ..Mark::default()
        };
        self.outcome.mark(&mut mark)?;
        self.within_budget()?;
        Ok(Some(Box::new(mark)))
    }

    /// What is written stays: too many rejects end the run at once, not before a publish.
    fn within_budget(&self) -> Result<()> {
        let counts = &self.outcome.counts;
        let budget = (self.run.budget)(&self.plan.mapping).of(counts.read);
        if counts.rejected <= budget {
            return Ok(());
        }
        let what = format!("{} rows were rejected so far, the error budget is {budget}", counts.rejected);
        Err(Error::data(what).at(&self.plan.mapping).advise(
            "what was written before stays; see why with `crm-console rejects`, mend the mapping and plan again",
        ))
    }

    /// Hands changes over; of a batch in doubt only what is not written yet.
    pub(super) fn hand_changes(&mut self, batch: &ChangeBatch, next: Next) -> Result<Vec<RowResult>> {
        let monitor = WithinBatch(self.run.monitor);
        if !matches!(next, Next::Doubtful(_)) {
            return self.writer.change(batch, &monitor);
        }
        let found = self.writer.found(Doubt::Changes(batch))?;
        let open = self.open(&found, batch.kinds.len())?;
        let keep = |at: &usize| open[*at];
        let rows: Vec<usize> = (0..open.len()).filter(keep).collect();
        let rest = ChangeBatch {
            kinds: rows.iter().map(|at| batch.kinds[*at]).collect(),
            ordinals: rows.iter().map(|at| batch.ordinals[*at]).collect(),
            locators: batch.locators.as_ref().map(|all| rows.iter().map(|at| all[*at].clone()).collect()),
            expected: rows.iter().map(|at| batch.expected[*at]).collect(),
            values: filter(&batch.values, &open)?,
        };
        let gone = found
            .iter()
            .zip(&batch.kinds)
            .filter(|(found, kind)| matches!(found, Some(RowResult::Written(_))) && **kind == ChangeKind::Delete);
        let gone = gone.count() as u64;
        let written = if rows.is_empty() { Vec::new() } else { self.writer.change(&rest, &monitor)? };
        if let Some(trail) = &mut self.trail {
            trail.found(0, gone);
        }
        self.together(found, written)
    }

    /// Hands new rows over; of a batch in doubt only what is not written yet.
    pub(super) fn hand_inserts(&mut self, values: &DataFrame, next: Next) -> Result<Vec<RowResult>> {
        let monitor = WithinBatch(self.run.monitor);
        if !matches!(next, Next::Doubtful(_)) {
            return self.writer.insert(values, &monitor);
        }
        let found = self.writer.found(Doubt::Inserts(values, &self.plan.key))?;
        let open = self.open(&found, values.height())?;
        let there = found.iter().filter(|found| matches!(found, Some(RowResult::Written(_)))).count() as u64;
        let rest = filter(values, &open)?;
        let written = if rest.height() == 0 { Vec::new() } else { self.writer.insert(&rest, &monitor)? };
        if let Some(trail) = &mut self.trail {
            trail.found(there, 0);
        }
        self.together(found, written)
    }

    /// Rows about which the platform knows nothing.
    fn open(&self, found: &[Option<RowResult>], rows: usize) -> Result<Vec<bool>> {
        if found.len() != rows {
            return Err(Error::platform(format!("the platform answered for {} of {rows} rows", found.len()))
                .at(&self.plan.to)
                .advise("nothing was written by that; this is a fault of the connector"));
        }
        Ok(found.iter().map(Option::is_none).collect())
    }

    /// What was found and what was written now, by row.
    fn together(&self, found: Vec<Option<RowResult>>, written: Vec<RowResult>) -> Result<Vec<RowResult>> {
        let mut written = written.into_iter();
        let all: Option<Vec<RowResult>> = found.into_iter().map(|found| found.or_else(|| written.next())).collect();
        all.ok_or_else(|| {
            Error::platform("the platform answered for too few rows")
                .at(&self.plan.to)
                .advise("this is a fault of the connector")
        })
    }
}

fn filter(frame: &DataFrame, rows: &[bool]) -> Result<DataFrame> {
    Ok(frame.filter(&BooleanChunked::from_iter_values("rows".into(), rows.iter().copied()))?)
}
