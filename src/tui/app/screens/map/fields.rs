//! The target fields with what is known of each.
use crm_core::project::{Field, Origin};

use super::MapScreen;
use crate::app::shared::Shared;

/// How a field stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Filled, and nothing fails on the sample.
    Fine,
    /// Filled, and cells fail.
    Failing,
    /// The mapping says something that cannot be.
    Wrong,
    /// The target demands it and nothing fills it.
    Required,
    /// Nothing fills it, something may.
    Suggested,
    /// Nothing fills it.
    Empty,
}

impl Status {
    /// Its mark, told apart without colour.
    pub const fn mark(self) -> char {
        match self {
            Self::Fine => '+',
            Self::Failing | Self::Wrong => '!',
            Self::Required => 'x',
            Self::Suggested => '?',
            Self::Empty => ' ',
        }
    }
}

/// A target field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldRow {
    /// Target column.
    pub target: String,
    /// The target demands it: NOT NULL without a default.
    pub required: bool,
    /// Part of the mapping's key.
    pub key: bool,
    /// The target's own type word.
    pub declared: String,
    /// The mapping's field.
    pub field: Option<Field>,
    /// How it stands.
    pub status: Status,
    /// Cells that fail, over the sample.
    pub fails: u64,
    /// Why it is wrong.
    pub problem: Option<String>,
}

impl FieldRow {
    /// The source column that fills it.
    pub fn source(&self) -> Option<&str> {
        match &self.field.as_ref()?.origin {
            Origin::From(column) => Some(column),
            Origin::Sql(_) | Origin::Const(_) => None,
        }
    }
    /// What fills it, in few words.
    pub fn origin(&self) -> String {
        match self.field.as_ref().map(|field| &field.origin) {
            None => "-".into(),
            Some(Origin::From(column)) => column.clone(),
            Some(Origin::Sql(sql)) => sql.split_whitespace().collect::<Vec<_>>().join(" "),
            Some(Origin::Const(value)) => format!("'{value}'"),
        }
    }
    /// The steps after the origin, in few words.
    pub fn transform(&self) -> String {
        let Some(field) = &self.field else { return "-".into() };
        let all = crate::app::screens::clean::steps(field);
        let steps = all.split_once(", ").map(|(_, steps)| steps.to_owned()).unwrap_or_default();
        match &field.origin {
            Origin::Sql(_) => {
                let rules: Vec<&str> = field.clean.iter().map(|rule| rule.name.as_str()).collect();
                if rules.is_empty() { "sql".into() } else { format!("sql, {}", rules.join(", ")) }
            }
            _ if steps.is_empty() => "-".into(),
            _ => steps,
        }
    }
}

/// Fields of the mapping in its order, then the target's columns that nothing fills.
pub(super) fn rows(screen: &MapScreen, shared: &Shared) -> Vec<FieldRow> {
    let Some(mapping) = shared.mapping() else { return Vec::new() };
    let target = screen.columns.as_ref().filter(|columns| columns.mapping == mapping.name);
    let info = |name: &str| target.and_then(|columns| columns.target.iter().find(|column| column.name == name));
    let draft_problems = shared.draft().map(|draft| draft.problems.as_slice()).unwrap_or_default();
    let problem = |name: &str| {
        let at = format!("fields.{name}");
        let concerns = |field: &str| field == at || field.starts_with(&format!("{at}."));
        draft_problems.iter().chain(&screen.problems).find(|one| concerns(&one.field)).map(|one| one.message.clone())
    };
    let fails = |name: &str| {
        let counts = screen.preview.iter().flat_map(|preview| &preview.counts);
        counts.filter(|count| count.field == name).map(|count| count.failed).sum::<u64>()
    };
    let mut rows: Vec<FieldRow> = mapping
        .fields
        .iter()
        .map(|field| {
            let (fails, problem) = (fails(&field.target), problem(&field.target));
            let status = match (&problem, fails) {
                (Some(_), _) => Status::Wrong,
                (None, 0) => Status::Fine,
                (None, _) => Status::Failing,
            };
            let info = info(&field.target);
            FieldRow {
                target: field.target.clone(),
                required: info.is_some_and(|column| column.required),
                key: mapping.key.contains(&field.target),
                declared: info.map(|column| column.declared.clone()).unwrap_or_default(),
                field: Some(field.clone()),
                status,
                fails,
                problem,
            }
        })
        .collect();
    let open = target.into_iter().flat_map(|columns| &columns.target);
    rows.extend(open.filter(|column| mapping.field(&column.name).is_none()).map(|column| FieldRow {
        target: column.name.clone(),
        required: column.required,
        key: false,
        declared: column.declared.clone(),
        field: None,
        status: if column.required {
            Status::Required
        } else if screen.proposals_for(&column.name, shared).next().is_some() {
            Status::Suggested
        } else {
            Status::Empty
        },
        fails: 0,
        problem: None,
    }));
    rows
}
