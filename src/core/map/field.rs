//! The cell steps of one field: the same code runs a column and traces a cell.
use std::borrow::Cow;

use polars::prelude::StringChunked;

use super::CellStep;
use crate::clean::{Cleaned, CleaningRule, Rebuild, RuleFailure};
use crate::project::{OnError, OnNull};

/// The steps of a field behind its origin, in order: rules, values, datetime, type.
pub(crate) struct CellSteps {
    pub(crate) steps: Vec<Box<dyn CleaningRule>>,
    pub(crate) on_null: OnNull,
    pub(crate) on_error: OnError,
}

/// What one cell's way through the steps is reported to.
pub(crate) trait Log {
    /// A step that left the value as it is.
    fn same(&mut self, step: usize, value: Option<&str>) {
        let _ = (step, value);
    }
    /// A step made it this.
    fn changed(&mut self, step: usize, value: Option<&str>);
    /// A step failed and left this behind.
    fn failed(&mut self, step: usize, reason: Cow<'static, str>, left: Option<&str>);
    /// A step leaves out the row.
    fn dropped(&mut self, step: usize);
    /// NULL, and `on_null` rejects it.
    fn null(&mut self);
}

/// A cell behind the steps.
pub(crate) enum Cell<'a> {
    /// As it came.
    Same,
    /// This.
    New(Option<Cow<'a, str>>),
}

impl CellSteps {
    /// Whether every cell passes as it is.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.on_null == OnNull::Keep
    }

    /// One cell through all steps. A failure ends its way: `on_error` says what is left, the steps behind it do not run.
    pub(crate) fn run<'a>(&self, value: Option<&'a str>, log: &mut impl Log) -> Cell<'a> {
        let mut current: Option<Cow<'a, str>> = value.map(Cow::Borrowed);
        let mut changed = false;
        for (index, step) in self.steps.iter().enumerate() {
            let cleaned = match &current {
                None => detached(step.clean(None)),
                Some(Cow::Borrowed(text)) => step.clean(Some(text)),
                Some(Cow::Owned(text)) => detached(step.clean(Some(text))),
            };
            match cleaned {
                Cleaned::Same => log.same(index, current.as_deref()),
                Cleaned::Changed(new) => {
                    current = new;
                    changed = true;
                    log.changed(index, current.as_deref());
                }
                Cleaned::Failed(reason) => {
                    if self.on_error == OnError::Null {
                        current = None;
                        changed = true;
                    }
                    log.failed(index, reason, current.as_deref());
                    if self.on_error == OnError::Reject {
                        return cell(current, changed);
                    }
                    break;
                }
                Cleaned::DropRow => {
                    log.dropped(index);
                    return cell(current, changed);
                }
            }
        }
        if current.is_none() && self.on_null == OnNull::Reject {
            log.null();
        }
        cell(current, changed)
    }

    /// A cell whose origin failed: nothing is left of it but NULL.
    fn run_failed(&self, log: &mut impl Log) {
        if self.on_error != OnError::Reject && self.on_null == OnNull::Reject {
            log.null();
        }
    }

    /// A whole column. `failed` are the rows whose origin failed, ascending; what they hold is NULL.
    pub(crate) fn run_column(
        &self,
        values: &StringChunked,
        failed: &[RuleFailure],
        tally: &mut Tally<'_>,
    ) -> StringChunked {
        let mut rebuild = Rebuild::new(values);
        let mut failed = failed.iter().peekable();
        for (row, value) in values.iter().enumerate() {
            tally.row = row;
            if failed.next_if(|failure| failure.row == row).is_some() {
                self.run_failed(tally);
                rebuild.set(row, None);
                continue;
            }
            match self.run(value, tally) {
                Cell::Same => rebuild.same(value),
                Cell::New(new) => rebuild.set(row, new.as_deref()),
            }
        }
        rebuild.finish()
    }

    /// One cell, step by step.
    pub(crate) fn trace(&self, value: Option<&str>, origin_failed: bool) -> Vec<CellStep> {
        let mut trace = Trace { steps: &self.steps, out: Vec::new() };
        if origin_failed {
            self.run_failed(&mut trace);
        } else {
            self.run(value, &mut trace);
        }
        trace.out
    }
}

fn cell(value: Option<Cow<'_, str>>, changed: bool) -> Cell<'_> {
    if changed { Cell::New(value) } else { Cell::Same }
}

/// Cuts the tie to a text that is about to go.
fn detached<'a>(cleaned: Cleaned<'_>) -> Cleaned<'a> {
    match cleaned {
        Cleaned::Same => Cleaned::Same,
        Cleaned::Changed(new) => Cleaned::Changed(new.map(|text| Cow::Owned(text.into_owned()))),
        Cleaned::Failed(reason) => Cleaned::Failed(reason),
        Cleaned::DropRow => Cleaned::DropRow,
    }
}

/// Which of a field's steps a failure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The SQL expression.
    Origin,
    /// One of the cell steps.
    Step(usize),
    /// `on_null`.
    Null,
}

/// A failure before it is given words.
#[derive(Debug)]
pub(crate) struct RawFailure {
    pub(crate) row: usize,
    pub(crate) field: usize,
    pub(crate) place: Place,
    pub(crate) reason: Cow<'static, str>,
}

/// What a column's steps did, counted over the rows that count.
pub(crate) struct Tally<'r> {
    /// Rows that are looked at; others are mapped, but nothing is said of them.
    pub(crate) counts: &'r [bool],
    pub(crate) row: usize,
    pub(crate) field: usize,
    /// Cells changed, by step.
    pub(crate) changed: Vec<u64>,
    pub(crate) failures: Vec<RawFailure>,
    pub(crate) dropped: Vec<usize>,
}

impl Log for Tally<'_> {
    fn changed(&mut self, step: usize, _: Option<&str>) {
        if self.counts[self.row] {
            self.changed[step] += 1;
        }
    }
    fn failed(&mut self, step: usize, reason: Cow<'static, str>, _: Option<&str>) {
        if self.counts[self.row] {
            self.failures.push(RawFailure { row: self.row, field: self.field, place: Place::Step(step), reason });
        }
    }
    fn dropped(&mut self, _: usize) {
        if self.counts[self.row] {
            self.dropped.push(self.row);
        }
    }
    fn null(&mut self) {
        if self.counts[self.row] {
            let reason = Cow::Borrowed("is NULL");
            self.failures.push(RawFailure { row: self.row, field: self.field, place: Place::Null, reason });
        }
    }
}

struct Trace<'s> {
    steps: &'s [Box<dyn CleaningRule>],
    out: Vec<CellStep>,
}

impl Trace<'_> {
    fn push(&mut self, step: &str, value: Option<&str>, failed: Option<String>) {
        self.out.push(CellStep { step: step.to_owned(), value: value.map(str::to_owned), failed });
    }
}

impl Log for Trace<'_> {
    fn same(&mut self, step: usize, value: Option<&str>) {
        self.push(self.steps[step].name(), value, None);
    }
    fn changed(&mut self, step: usize, value: Option<&str>) {
        self.push(self.steps[step].name(), value, None);
    }
    fn failed(&mut self, step: usize, reason: Cow<'static, str>, left: Option<&str>) {
        self.push(self.steps[step].name(), left, Some(reason.into_owned()));
    }
    fn dropped(&mut self, step: usize) {
        self.push(self.steps[step].name(), None, Some("leaves out the row".into()));
    }
    fn null(&mut self) {
        self.push("null", None, Some("is NULL".into()));
    }
}
