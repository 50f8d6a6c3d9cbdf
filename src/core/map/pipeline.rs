//! The compiled row steps of one mapping.
use std::borrow::Cow;
use std::path::Path;

use polars::prelude::{ChunkFull, ChunkFullNull, Column, DataFrame, DataType, IntoColumn, StringChunked};

use super::compile::{Compiled, CompiledField, CompiledOrigin, compile};
use super::corrections::{CORRECTION, Correction, CorrectionHit, Corrections};
use super::field::{Place, RawFailure, Tally};
use super::sql::{self, SqlExpr};
use super::{CellStep, Failure, Fate, Outcome, StepCount, fingerprint};
use crate::clean::RuleFailure;
use crate::error::{Error, Result};
use crate::project::{Mapping, OnError, OnNull, Problem, WriteRule};

/// A field as the set steps and writers need to know it.
#[derive(Debug, Clone)]
pub struct PipelineField {
    /// Target column.
    pub target: String,
    /// Source columns read.
    pub sources: Vec<String>,
    /// Linked mapping.
    pub link: Option<String>,
    /// Write rule.
    pub write: WriteRule,
    /// Once true it stays true.
    pub latch: bool,
}

/// The row steps of one mapping, compiled. Immutable and shared between threads.
///
/// Corrections of single cells come before everything else. Order of a field's steps: origin (`from`, `sql`, `const`), cleaning rules, `each`/`values`/`allowed`, `datetime` with
/// `zone`, `type`, `on_null`. A step that fails ends the field's steps: with `on_error = "reject"` the row is rejected, with
/// `"null"` the cell is NULL, with `"keep"` it holds the value from before the failing step.
///
/// Of a row: `deleted` decides first (true: a tombstone), then `where` (false: filtered, NULL: unknown), then `drop_nulls`
/// (filtered), then failures (rejected). What fails in rows that are left out is not reported; of a tombstone only the
/// key fields count.
pub struct Pipeline {
    fields: Vec<PipelineField>,
    compiled: Compiled,
    hash: String,
    identity: Vec<String>,
}

/// A field's cells before its steps, and the rows where there are none.
struct Origins {
    values: StringChunked,
    failed: Vec<RuleFailure>,
}

impl Pipeline {
    /// Compiles a mapping against the source's columns. `project` is the folder that value-map files are relative to.
    /// All problems at once, each with its place in the mapping file.
    pub fn compile(mapping: &Mapping, columns: &[String], project: &Path) -> Result<Self, Vec<Problem>> {
        Self::compile_with(mapping, columns, project, &[])
    }

    /// Like [`Pipeline::compile`], with corrections beside those of the mapping's file: to see what they would do.
    pub fn compile_with(
        mapping: &Mapping,
        columns: &[String],
        project: &Path,
        corrections: &[Correction],
    ) -> Result<Self, Vec<Problem>> {
        let compiled = compile(mapping, columns, project, corrections)?;
        let fields = mapping
            .fields
            .iter()
            .zip(&compiled.fields)
            .map(|(field, compiled)| PipelineField {
                target: field.target.clone(),
                sources: match &compiled.origin {
                    CompiledOrigin::Column(column) => vec![column.clone()],
                    CompiledOrigin::Const(_) => Vec::new(),
                    CompiledOrigin::Sql(expr) => expr.columns.clone(),
                },
                link: field.link.clone(),
                write: field.write,
                latch: field.latch,
            })
            .collect();
        let hash = fingerprint::of(mapping, &compiled);
        let identity = super::compile::identity(mapping, &compiled.fields);
        Ok(Self { fields, compiled, hash, identity })
    }

    /// Source columns that the key is made of.
    pub fn identity(&self) -> &[String] {
        &self.identity
    }

    /// The mapping's corrections.
    pub fn corrections(&self) -> &Corrections {
        &self.compiled.corrections
    }

    /// Fields in mapping order: the columns of [`Outcome::mapped`].
    pub fn fields(&self) -> &[PipelineField] {
        &self.fields
    }

    /// Hash of all that decides its output: rules, settings, expressions, contents of value maps. Hex.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// A field whose values have but one way of being written, as far as they are plain.
    pub fn is_text(&self, field: usize) -> bool {
        self.compiled.fields.get(field).is_some_and(|field| field.kind == super::kind::Kind::Text)
    }

    /// Source columns that decide its output, each once, sorted.
    pub fn reads(&self) -> Vec<String> {
        let conditions = [&self.compiled.filter, &self.compiled.deleted].into_iter().flatten();
        let mut columns: Vec<String> = self.fields.iter().flat_map(|field| field.sources.clone()).collect();
        columns.extend(conditions.flat_map(|condition| condition.columns.clone()));
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Runs the row steps over text columns.
    pub fn apply(&self, batch: &DataFrame) -> Result<Outcome> {
        let (batch, corrected) = self.compiled.corrections.apply(batch)?;
        let batch = &*batch;
        let mut fates = self.conditions(batch)?;
        let origins = self.origins(batch)?;
        let rows = batch.height();
        let live: Vec<bool> = fates.iter().map(|fate| *fate == Fate::Accepted).collect();
        let keyed: Vec<bool> = fates.iter().map(|fate| matches!(fate, Fate::Accepted | Fate::Tombstone)).collect();

        let mut columns = Vec::with_capacity(self.fields.len());
        let mut changed = Vec::with_capacity(self.fields.len());
        let mut failures: Vec<RawFailure> = Vec::new();
        let mut dropped = vec![false; rows];
        for (index, (field, origin)) in self.compiled.fields.iter().zip(origins).enumerate() {
            let counts = if field.is_key { &keyed } else { &live };
            let mut tally = Tally {
                counts,
                row: 0,
                field: index,
                changed: vec![0; field.cells.steps.len()],
                failures: std::mem::take(&mut failures),
                dropped: Vec::new(),
            };
            tally.failures.extend(origin.failed.iter().filter(|failure| counts[failure.row]).map(|failure| {
                RawFailure { row: failure.row, field: index, place: Place::Origin, reason: failure.reason.clone() }
            }));
            let mut values = if field.cells.is_empty() && origin.failed.is_empty() {
                origin.values
            } else {
                field.cells.run_column(&origin.values, &origin.failed, &mut tally)
            };
            values.rename(self.fields[index].target.as_str().into());
            columns.push(values.into_column());
            changed.push(tally.changed);
            failures = tally.failures;
            for row in tally.dropped {
                dropped[row] = true;
            }
        }

        failures.retain(|failure| !dropped[failure.row]);
        failures.sort_by_key(|failure| failure.row);
        let counts = self.counts(&changed, &failures, &corrected, &live);
        let failures: Vec<Failure> = failures.into_iter().map(|failure| self.describe(failure)).collect();
        for (fate, _) in fates.iter_mut().zip(&dropped).filter(|(_, dropped)| **dropped) {
            *fate = Fate::Filtered;
        }
        for failure in failures.iter().filter(|failure| failure.fatal) {
            fates[failure.row] = Fate::Rejected;
        }
        Ok(Outcome { fates, mapped: DataFrame::new(rows, columns)?, failures, counts, corrected })
    }

    /// The way of one row's cell through a field's steps.
    pub fn trace(&self, batch: &DataFrame, row: usize, field: usize) -> Result<Vec<CellStep>> {
        if row >= batch.height() {
            return Err(Error::usage("there is no such row in this batch"));
        }
        let compiled = self.compiled.fields.get(field).ok_or_else(|| Error::usage("there is no such field"))?;
        let raw = batch.slice(row as i64, 1);
        let (one, hits) = self.compiled.corrections.apply(&raw)?;
        let one = &*one;
        let exprs: Vec<&SqlExpr> = match &compiled.origin {
            CompiledOrigin::Sql(expr) => vec![expr],
            _ => Vec::new(),
        };
        let mut evaluated = sql::eval_texts(&exprs, one)?.into_iter();
        let origin = origin(compiled, one, &mut evaluated)?;
        let failed = origin.failed.into_iter().next().map(|failure| failure.reason.into_owned());
        let value = if failed.is_some() { None } else { origin.values.get(0) };
        let step = match &compiled.origin {
            CompiledOrigin::Column(column) => format!("from {column}"),
            CompiledOrigin::Const(_) => "const".into(),
            CompiledOrigin::Sql(_) => "sql".into(),
        };
        let mut steps = Vec::new();
        let applied = hits.iter().filter(|hit| hit.holds).map(|hit| &self.compiled.corrections.entries()[hit.entry]);
        let applied: Vec<_> = applied.filter(|entry| self.fields[field].sources.contains(&entry.column)).collect();
        match (&compiled.origin, applied.last()) {
            (CompiledOrigin::Column(column), Some(_)) => {
                let read = text_column(&raw, column)?;
                steps.push(CellStep { step, value: read.get(0).map(str::to_owned), failed: None });
                steps.push(CellStep { step: CORRECTION.into(), value: value.map(str::to_owned), failed: None });
            }
            _ => {
                steps.extend(applied.into_iter().map(|entry| CellStep {
                    step: format!("{CORRECTION} {}", entry.column),
                    value: entry.to.clone(),
                    failed: None,
                }));
                steps.push(CellStep { step, value: value.map(str::to_owned), failed: failed.clone() });
            }
        }
        steps.extend(compiled.cells.trace(value, failed.is_some()));
        Ok(steps)
    }

    /// The canonical form of a *target* cell of this field (declared type, NFC, scale, precision), for comparison.
    /// A cell that has none is returned as it is.
    pub fn canonical(&self, field: usize, value: &str) -> String {
        self.compiled.fields.get(field).map_or_else(|| value.to_owned(), |field| field.kind.canonical(value))
    }

    /// `deleted` and `where`.
    fn conditions(&self, batch: &DataFrame) -> Result<Vec<Fate>> {
        let mut fates = vec![Fate::Accepted; batch.height()];
        if let Some(filter) = &self.compiled.filter {
            for (fate, passes) in fates.iter_mut().zip(filter.eval_bool(batch)?) {
                *fate = match passes {
                    Some(true) => Fate::Accepted,
                    Some(false) => Fate::Filtered,
                    None => Fate::Unknown,
                };
            }
        }
        if let Some(deleted) = &self.compiled.deleted {
            for (fate, _) in fates.iter_mut().zip(deleted.eval_bool(batch)?).filter(|(_, truth)| *truth == Some(true)) {
                *fate = Fate::Tombstone;
            }
        }
        Ok(fates)
    }

    /// All fields' cells before their steps; the SQL fields are evaluated together.
    fn origins(&self, batch: &DataFrame) -> Result<Vec<Origins>> {
        let exprs: Vec<&SqlExpr> = self
            .compiled
            .fields
            .iter()
            .filter_map(|field| match &field.origin {
                CompiledOrigin::Sql(expr) => Some(&**expr),
                _ => None,
            })
            .collect();
        let mut evaluated = sql::eval_texts(&exprs, batch)?.into_iter();
        self.compiled.fields.iter().map(|field| origin(field, batch, &mut evaluated)).collect()
    }

    fn describe(&self, failure: RawFailure) -> Failure {
        let cells = &self.compiled.fields[failure.field].cells;
        let (step, fatal) = match failure.place {
            Place::Origin => ("sql", cells.on_error == OnError::Reject),
            Place::Step(step) => (cells.steps[step].name(), cells.on_error == OnError::Reject),
            Place::Null => ("null", true),
        };
        Failure {
            row: failure.row,
            field: failure.field,
            step: step.to_owned(),
            reason: failure.reason.into_owned(),
            fatal,
        }
    }

    /// One entry per step, whether it did something or not, so that the entries of batches can be added up by place.
    fn counts(
        &self,
        changed: &[Vec<u64>],
        failures: &[RawFailure],
        corrected: &[CorrectionHit],
        live: &[bool],
    ) -> Vec<StepCount> {
        let mut out = Vec::new();
        // Where each field's cell steps begin in `out`.
        let mut starts = Vec::with_capacity(self.fields.len());
        for ((field, compiled), changed) in self.fields.iter().zip(&self.compiled.fields).zip(changed) {
            let count = |step: &str, changed: u64| StepCount {
                field: field.target.clone(),
                step: step.to_owned(),
                changed,
                failed: 0,
            };
            if field.sources.iter().any(|column| self.compiled.corrections.touches(column)) {
                let entries = self.compiled.corrections.entries();
                let mine = |hit: &&CorrectionHit| hit.holds && field.sources.contains(&entries[hit.entry].column);
                let mut rows: Vec<usize> = corrected.iter().filter(mine).map(|hit| hit.row).collect();
                rows.dedup();
                out.push(count(CORRECTION, rows.into_iter().filter(|row| live[*row]).count() as u64));
            }
            if matches!(compiled.origin, CompiledOrigin::Sql(_)) {
                out.push(count("sql", 0));
            }
            starts.push(out.len());
            out.extend(compiled.cells.steps.iter().zip(changed).map(|(step, changed)| count(step.name(), *changed)));
            if compiled.cells.on_null == OnNull::Reject {
                out.push(count("null", 0));
            }
        }
        for failure in failures {
            let start = starts[failure.field];
            let at = match failure.place {
                Place::Origin => start - 1,
                Place::Step(step) => start + step,
                Place::Null => start + self.compiled.fields[failure.field].cells.steps.len(),
            };
            out[at].failed += 1;
        }
        out
    }
}

/// A field's cells before its steps. Takes the next of `evaluated` if the field is an expression.
fn origin(
    field: &CompiledField,
    batch: &DataFrame,
    evaluated: &mut impl Iterator<Item = (StringChunked, Vec<RuleFailure>)>,
) -> Result<Origins> {
    let values = match &field.origin {
        CompiledOrigin::Column(column) => text_column(batch, column)?,
        CompiledOrigin::Const(text) => match text {
            Some(text) => StringChunked::full("".into(), text, batch.height()),
            None => StringChunked::full_null("".into(), batch.height()),
        },
        CompiledOrigin::Sql(_) => {
            let (values, failed) = evaluated.next().ok_or_else(|| Error::data("an expression was not evaluated"))?;
            return Ok(Origins { values, failed });
        }
    };
    Ok(Origins { values, failed: Vec::new() })
}

/// A column of the batch as text.
pub(crate) fn text_column(batch: &DataFrame, name: &str) -> Result<StringChunked> {
    let column: &Column =
        batch.column(name).map_err(|_| Error::data(format!("the source has no column '{name}' any more")))?;
    let column: Cow<'_, Column> = match column.dtype() {
        DataType::String => Cow::Borrowed(column),
        _ => Cow::Owned(column.cast(&DataType::String)?),
    };
    Ok(column.as_materialized_series().str()?.clone())
}

#[cfg(test)]
mod tests;
