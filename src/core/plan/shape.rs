//! A mapping made ready for planning and verifying: its pipeline, and all that the set steps need to know.
use polars::prelude::{ChunkFullNull, Column, DataFrame, IntoColumn, StringChunked, StringChunkedBuilder};

use super::PlanLink;
use crate::error::{Error, Result};
use crate::map::sql::{self, SqlExpr};
use crate::map::{Outcome, Pipeline};
use crate::platform::{Capabilities, Schema};
use crate::project::words::did_you_mean;
use crate::project::{
    DeletePolicy, Mapping, MatchBy, OnMiss, Problem, Project, Severity, TargetOnly, WriteRule, problem_at,
};
use crate::resolve::keys::{KeyHash, key_hash, key_text};

/// How one entry of `match` is looked up.
pub(crate) enum By {
    Crosswalk,
    /// Equality of these fields.
    Fields(Vec<usize>),
    /// Equality of an expression.
    Sql(Box<SqlExpr>),
}

pub(crate) struct Matcher {
    /// As in the mapping file.
    pub(crate) label: String,
    pub(crate) by: By,
}

pub(crate) struct ShapeLink {
    pub(crate) field: usize,
    pub(crate) on_miss: OnMiss,
    pub(crate) plan: PlanLink,
}

/// The field that `target_only = "mark:FIELD"` sets, as the target writes truth.
pub(crate) struct Mark {
    pub(crate) column: usize,
    pub(crate) yes: &'static str,
    pub(crate) no: &'static str,
}

/// See the module.
pub(crate) struct Shape {
    pub(crate) mapping: Mapping,
    pub(crate) pipeline: Pipeline,
    /// Target columns of the operations: the fields, and the mark behind them if no field fills it.
    pub(crate) columns: Vec<String>,
    pub(crate) rules: Vec<WriteRule>,
    pub(crate) latch: Vec<bool>,
    pub(crate) keys: Vec<usize>,
    pub(crate) links: Vec<ShapeLink>,
    pub(crate) mark: Option<Mark>,
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) scope: Option<Box<SqlExpr>>,
    /// Columns of the target; empty if it does not exist.
    pub(crate) target: Schema,
    pub(crate) here: Capabilities,
    /// Column that identifies a target row and that the target has; None: the key does.
    pub(crate) identity: Option<String>,
}

impl Shape {
    /// Compiles a mapping for its source's and target's columns. `target` is None if the target does not exist yet.
    pub(crate) fn compile(
        project: &Project,
        mapping: &Mapping,
        source: &[String],
        target: Option<&Schema>,
        here: Capabilities,
    ) -> Result<Self, Vec<Problem>> {
        let problem = |field: &str, message: String| problem_at(project, mapping, Severity::Error, field, message);
        let mut problems = Vec::new();
        let pipeline = match Pipeline::compile(mapping, source, &project.root) {
            Ok(pipeline) => Some(pipeline),
            Err(found) => {
                problems.extend(found);
                None
            }
        };
        let target = target.cloned().unwrap_or_default();
        let mut columns: Vec<String> = mapping.fields.iter().map(|field| field.target.clone()).collect();
        let mut rules: Vec<WriteRule> = mapping.fields.iter().map(|field| field.write).collect();
        let mut latch: Vec<bool> = mapping.fields.iter().map(|field| field.latch).collect();
        let place = |name: &str| mapping.fields.iter().position(|field| field.target == name);

        let keys: Vec<usize> = mapping.key.iter().filter_map(|name| place(name)).collect();
        if keys.len() != mapping.key.len() || keys.is_empty() {
            problems.push(problem("key", "each key column must be filled by a field".into()));
        }
        if !target.columns.is_empty() {
            for name in &columns {
                if target.column(name).is_none() {
                    let known: Vec<&str> = target.names().collect();
                    let near = did_you_mean(name, &known);
                    let message = format!("{} has no column '{name}': {near}", mapping.to);
                    problems.push(problem(&format!("fields.{name}"), message));
                }
            }
        }
        let mut links = Vec::new();
        for (field, config) in mapping.fields.iter().enumerate() {
            let Some(link) = &config.link else { continue };
            match project.mappings.iter().find(|other| other.name == *link) {
                Some(other) => links.push(ShapeLink {
                    field,
                    on_miss: config.on_miss,
                    plan: PlanLink { column: config.target.clone(), mapping: link.clone(), object: other.to.clone() },
                }),
                None => problems.push(problem(
                    &format!("fields.{}", config.target),
                    format!("there is no mapping '{link}' to link to"),
                )),
            }
        }
        let mark = mark_field(mapping).map(|name| {
            let number = target.column(&name).is_some_and(|column| column.declared.to_lowercase().contains("int"));
            let column = place(&name).unwrap_or_else(|| {
                columns.push(name);
                rules.push(WriteRule::Always);
                latch.push(false);
                columns.len() - 1
            });
            let (yes, no) = if number { ("1", "0") } else { ("true", "false") };
            Mark { column, yes, no }
        });
        let mut matchers = Vec::new();
        for by in &mapping.matching {
            match matcher(by, mapping, &columns, &target, &keys) {
                Ok(matcher) => matchers.push(matcher),
                Err((message, sql)) => problems.push(Problem { sql, ..problem("match", message) }),
            }
        }
        if mapping.matching.is_empty() {
            matchers.push(Matcher { label: "crosswalk".into(), by: By::Crosswalk });
            matchers.push(Matcher { label: mapping.key.join(", "), by: By::Fields(keys.clone()) });
        }
        let scope = mapping.scope.as_ref().and_then(|text| {
            let names: Vec<String> =
                if target.columns.is_empty() { columns.clone() } else { target.names().map(str::to_owned).collect() };
            let compiled = sql::compile(text, &names);
            compiled
                .map(Box::new)
                .map_err(|error| {
                    let sql = Some((text.clone(), error.span.0, error.span.1));
                    problems.push(Problem { sql, ..problem("scope", error.message) });
                })
                .ok()
        });
        let config = project.targets.get(&mapping.to);
        let identity = here
            .identity
            .clone()
            .or_else(|| config.and_then(|config| config.id.clone()))
            .filter(|name| target.column(name).is_some() || (target.columns.is_empty() && here.identity.is_some()));
        match pipeline {
            Some(pipeline) if problems.is_empty() => Ok(Self {
                mapping: mapping.clone(),
                pipeline,
                columns,
                rules,
                latch,
                keys,
                links,
                mark,
                matchers,
                scope,
                target,
                here,
                identity,
            }),
            _ => Err(problems),
        }
    }

    /// The cell as equality sees it: where the platform cannot hold NULL, the empty text is NULL.
    pub(crate) fn seen<'a>(&self, cell: Option<&'a str>) -> Option<&'a str> {
        cell.filter(|text| self.here.null || !text.is_empty())
    }
    /// Canonical form of a cell of a column.
    pub(crate) fn canonical(&self, column: usize, value: &str) -> String {
        if column < self.pipeline.fields().len() { self.pipeline.canonical(column, value) } else { value.to_owned() }
    }
    /// Two cells of a column are the same value.
    pub(crate) fn same(&self, column: usize, one: Option<&str>, other: Option<&str>) -> bool {
        match (self.seen(one), self.seen(other)) {
            (None, None) => true,
            (Some(one), Some(other)) => one == other || self.canonical(column, one) == self.canonical(column, other),
            _ => false,
        }
    }
    /// Outcome of the row steps as columns, the mark's (all NULL) behind the fields'.
    pub(crate) fn cells(&self, outcome: &Outcome) -> Result<Vec<StringChunked>> {
        let mut cells = text_columns(&outcome.mapped, &self.columns[..self.pipeline.fields().len()])?;
        if cells.len() < self.columns.len() {
            cells.push(StringChunked::full_null("mark".into(), outcome.mapped.height()));
        }
        Ok(cells)
    }
    /// A frame of target rows as columns of the operations; a column that the target lacks is all NULL.
    pub(crate) fn target_cells(&self, frame: &DataFrame) -> Result<Vec<StringChunked>> {
        self.columns
            .iter()
            .map(|name| match frame.column(name) {
                Ok(column) => Ok(column.as_materialized_series().str()?.rechunk().into_owned()),
                Err(_) => Ok(StringChunked::full_null(name.as_str().into(), frame.height())),
            })
            .collect()
    }
    /// Hash of all cells of each row, as they stand.
    pub(crate) fn hashes(&self, cells: &[StringChunked]) -> Vec<u128> {
        let rows = cells.first().map_or(0, StringChunked::len);
        let mut iterators: Vec<_> = cells.iter().map(StringChunked::iter).collect();
        let mut buffer = Vec::with_capacity(512);
        (0..rows)
            .map(|_| {
                let row = iterators.iter_mut().map(|cells| self.seen(cells.next().flatten()));
                crate::table::hash::cells_hash(row, &mut buffer)
            })
            .collect()
    }
    /// The old key of each row; None where a part of it is missing.
    pub(crate) fn key_texts(&self, cells: &[StringChunked]) -> Vec<Option<String>> {
        self.joined(cells, &self.keys)
    }
    fn joined(&self, cells: &[StringChunked], fields: &[usize]) -> Vec<Option<String>> {
        let rows = cells.first().map_or(0, StringChunked::len);
        let columns: Vec<_> = fields.iter().map(|field| self.canonical_column(*field, &cells[*field])).collect();
        (0..rows).map(|row| key_text(columns.iter().map(|column| column.get(row)))).collect()
    }
    fn canonical_column(&self, field: usize, cells: &StringChunked) -> StringChunked {
        let mut out = StringChunkedBuilder::new(self.columns[field].as_str().into(), cells.len());
        for cell in cells.iter() {
            out.append_option(cell.map(|cell| self.canonical(field, cell)));
        }
        out.finish()
    }
    /// What a matcher looks up for each row of operation columns; `extra` holds columns that no field fills (on the target's
    /// side).
    pub(crate) fn match_hashes(
        &self,
        matcher: &Matcher,
        cells: &[StringChunked],
        extra: Option<&DataFrame>,
    ) -> Result<Vec<Option<KeyHash>>> {
        let rows = cells.first().map_or(0, StringChunked::len);
        match &matcher.by {
            By::Crosswalk => Ok(vec![None; rows]),
            By::Fields(fields) => {
                Ok(self.joined(cells, fields).iter().map(|text| text.as_deref().map(key_hash)).collect())
            }
            By::Sql(expr) => {
                let mut columns: Vec<Column> = Vec::with_capacity(expr.columns.len());
                for name in &expr.columns {
                    if columns.iter().any(|known| known.name() == name.as_str()) {
                        continue;
                    }
                    columns.push(match self.columns.iter().position(|column| column == name) {
                        Some(field) => self.canonical_column(field, &cells[field]).into_column(),
                        None => match extra {
                            Some(frame) => frame.column(name)?.clone(),
                            None => return Err(Error::data(format!("no field fills '{name}', which `match` reads"))),
                        },
                    });
                }
                let (values, failed) = expr.eval_text(&DataFrame::new(rows, columns)?)?;
                let mut hashes: Vec<_> =
                    values.iter().map(|text| text.filter(|text| !text.is_empty()).map(key_hash)).collect();
                for failure in failed {
                    hashes[failure.row] = None;
                }
                Ok(hashes)
            }
        }
    }
}

/// Columns of a frame as text, each in one piece.
pub(crate) fn text_columns(frame: &DataFrame, names: &[String]) -> Result<Vec<StringChunked>> {
    names.iter().map(|name| Ok(frame.column(name)?.as_materialized_series().str()?.rechunk().into_owned())).collect()
}

/// Truth as people and programs write it.
pub(crate) fn is_true(cell: Option<&str>) -> bool {
    const WORDS: [&str; 6] = ["true", "t", "yes", "y", "1", "on"];
    cell.is_some_and(|cell| WORDS.iter().any(|word| cell.trim().eq_ignore_ascii_case(word)))
}

/// NULL or whitespace.
pub(crate) fn is_blank(cell: Option<&str>) -> bool {
    cell.is_none_or(|cell| cell.trim().is_empty())
}

/// The field that deletes are turned into, by `target_only` or `[sync] deletes`.
fn mark_field(mapping: &Mapping) -> Option<String> {
    if let TargetOnly::Mark(field) = &mapping.target_only {
        return Some(field.clone());
    }
    match &mapping.sync.deletes {
        Some(DeletePolicy::Mark(field)) if mapping.deleted.is_some() => Some(field.clone()),
        _ => None,
    }
}

/// An expression and the byte range to underline in it.
type Place = Option<(String, usize, usize)>;

fn matcher(
    by: &MatchBy,
    mapping: &Mapping,
    columns: &[String],
    target: &Schema,
    keys: &[usize],
) -> Result<Matcher, (String, Place)> {
    let text = match by {
        MatchBy::Crosswalk => return Ok(Matcher { label: "crosswalk".into(), by: By::Crosswalk }),
        MatchBy::Expression(text) => text,
    };
    if let Some(field) = columns.iter().position(|column| column == text.trim()) {
        return Ok(Matcher { label: text.clone(), by: By::Fields(vec![field]) });
    }
    // What the mapping's reader puts for a composite key.
    if text.contains(crate::resolve::KEY_SEPARATOR) {
        return Ok(Matcher { label: mapping.key.join(", "), by: By::Fields(keys.to_vec()) });
    }
    let names: Vec<String> =
        if target.columns.is_empty() { columns.to_vec() } else { target.names().map(str::to_owned).collect() };
    let expr = sql::compile(text, &names)
        .map_err(|error| (error.message, Some((text.clone(), error.span.0, error.span.1))))?;
    if let Some(name) = expr.columns.iter().find(|name| !columns.contains(name)) {
        let message =
            format!("match reads '{name}', which no field fills: add the field (with write = \"never\" perhaps)");
        return Err((message, None));
    }
    Ok(Matcher { label: text.clone(), by: By::Sql(Box::new(expr)) })
}
