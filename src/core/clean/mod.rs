//! Cleaning rules. A rule is a pure function of one cell; each says what it changed and why it failed.
use std::borrow::Cow;

use polars::prelude::StringChunked;
use serde::Serialize;

use crate::error::Result;
use crate::project::RuleConfig;

/// What a rule makes of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleaned<'a> {
    /// As it was.
    Same,
    /// Something else. `None` empties the cell.
    Changed(Option<Cow<'a, str>>),
    /// The rule cannot make sense of it; the field's `on_error` decides. The reason never quotes the value.
    Failed(Cow<'static, str>),
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

/// Runs one rule over a column.
pub fn clean_column(rule: &dyn CleaningRule, values: &StringChunked) -> CleanedColumn {
    let _ = rule;
    CleanedColumn { values: values.clone(), changed: 0, failures: Vec::new() }
}

/// All rules, by family then name.
pub fn rules() -> &'static [RuleDoc] {
    &[]
}

/// Makes a rule from its config; names the nearest rule when unknown.
pub fn build(config: &RuleConfig) -> Result<Box<dyn CleaningRule>> {
    Err(crate::Error::usage(format!("unknown rule '{}'", config.name)))
}
