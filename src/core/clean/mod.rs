//! Cleaning rules. A rule is a pure function of one cell; each says what it changed and why it failed.
//!
//! A new rule is one type with its row in the `ENTRIES` of its family; help, completion and docs are made from those.
use std::borrow::Cow;

use polars::prelude::StringChunked;
use serde::Serialize;

mod column;
mod date;
mod email;
mod name;
mod null;
mod number;
mod pattern;
mod registry;
mod text;

pub use column::clean_column;
pub use registry::{build, rules};

pub(crate) use column::Rebuild;
pub(crate) use date::DateFormat;
pub(crate) use registry::nearest;
pub(crate) use text::trimmed;

/// What a rule makes of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleaned<'a> {
    /// As it was.
    Same,
    /// Something else. `None` empties the cell.
    Changed(Option<Cow<'a, str>>),
    /// The rule cannot make sense of it; the field's `on_error` decides. The reason never quotes the value.
    Failed(Cow<'static, str>),
    /// The whole row is left out, as `where` would (`drop_nulls`).
    DropRow,
}

impl Cleaned<'_> {
    /// A failure with a fixed reason.
    pub const fn failed(reason: &'static str) -> Self {
        Self::Failed(Cow::Borrowed(reason))
    }
}

/// One rule with its settings.
pub trait CleaningRule: Send + Sync {
    /// Name as in a mapping file.
    fn name(&self) -> &'static str;
    /// Settings as text, for the pipeline's hash and for screens; empty if it has none.
    fn settings(&self) -> String {
        String::new()
    }
    /// One cell; `None` is NULL. Most rules answer `Same` to NULL.
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a>;
}

/// A cell that a rule could not clean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFailure {
    /// Row within the batch.
    pub row: usize,
    /// Why, without the value.
    pub reason: Cow<'static, str>,
}

/// A column after one rule.
#[derive(Debug, Clone)]
pub struct CleanedColumn {
    /// The values; a failed cell is as it came.
    pub values: StringChunked,
    /// Cells that the rule changed.
    pub changed: usize,
    /// Cells that it failed on, ascending by row.
    pub failures: Vec<RuleFailure>,
    /// Rows that it leaves out (`drop_nulls`), ascending.
    pub dropped: Vec<usize>,
}

/// What kinds of rule there are, for help, completion and docs.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RuleDoc {
    /// Name as in a mapping file.
    pub name: &'static str,
    /// One line.
    pub doc: &'static str,
    /// How its setting is written, empty if it has none: `max_length = 80`.
    pub setting: &'static str,
}

/// Empty or nothing but whitespace and invisible characters.
pub(crate) fn is_blank(value: &str) -> bool {
    value.chars().all(text::is_space)
}

#[cfg(test)]
mod tests;
