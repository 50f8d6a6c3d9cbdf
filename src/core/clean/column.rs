//! Rules over whole columns.
use polars::prelude::{PlSmallStr, StringChunked, StringChunkedBuilder};

use super::{Cleaned, CleanedColumn, CleaningRule, RuleFailure};

/// Builds a column that is mostly another one: nothing is copied until the first cell differs.
pub(crate) struct Rebuild<'a> {
    source: &'a StringChunked,
    builder: Option<StringChunkedBuilder>,
}

impl<'a> Rebuild<'a> {
    /// Starts at the first row of `source`.
    pub(crate) fn new(source: &'a StringChunked) -> Self {
        Self { source, builder: None }
    }

    /// The next row is as in the source, where it holds `value`.
    #[inline]
    pub(crate) fn same(&mut self, value: Option<&str>) {
        if let Some(builder) = &mut self.builder {
            builder.append_option(value);
        }
    }

    /// The next row, number `row`, is `value`.
    #[inline]
    pub(crate) fn set(&mut self, row: usize, value: Option<&str>) {
        self.builder.get_or_insert_with(|| copy_head(self.source, row)).append_option(value);
    }

    /// The column; all rows must have been given.
    pub(crate) fn finish(self) -> StringChunked {
        self.builder.map_or_else(|| self.source.clone(), StringChunkedBuilder::finish)
    }
}

/// A builder that holds the first `rows` rows already.
#[cold]
fn copy_head(source: &StringChunked, rows: usize) -> StringChunkedBuilder {
    let name: PlSmallStr = source.name().clone();
    let mut builder = StringChunkedBuilder::new(name, source.len());
    for value in source.iter().take(rows) {
        builder.append_option(value);
    }
    builder
}

/// Runs one rule over a column.
pub fn clean_column(rule: &dyn CleaningRule, values: &StringChunked) -> CleanedColumn {
    let mut rebuild = Rebuild::new(values);
    let mut changed = 0;
    let mut failures = Vec::new();
    let mut dropped = Vec::new();
    for (row, value) in values.iter().enumerate() {
        match rule.clean(value) {
            Cleaned::Same => rebuild.same(value),
            Cleaned::Changed(new) => {
                changed += 1;
                rebuild.set(row, new.as_deref());
            }
            Cleaned::Failed(reason) => {
                failures.push(RuleFailure { row, reason });
                rebuild.same(value);
            }
            Cleaned::DropRow => {
                dropped.push(row);
                rebuild.same(value);
            }
        }
    }
    CleanedColumn { values: rebuild.finish(), changed, failures, dropped }
}
