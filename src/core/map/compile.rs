//! From a mapping to compiled fields, with every problem named at its place.
use std::path::{Path, PathBuf};

use super::corrections::{Correction, Corrections};
use super::datetime::DatetimeStep;
use super::field::CellSteps;
use super::kind::{Kind, TypeStep};
use super::sql::{self, SqlExpr, SqlType};
use super::values::{EachStep, ValueMap, ValuesStep};
use crate::clean::{self, CleaningRule};
use crate::project::{Field, Mapping, Origin, Otherwise, Problem, Severity, Values};

/// Where a field's cells come from.
pub(crate) enum CompiledOrigin {
    Column(String),
    Const(Option<String>),
    Sql(Box<SqlExpr>),
}

/// A field ready to run.
pub(crate) struct CompiledField {
    pub(crate) origin: CompiledOrigin,
    pub(crate) cells: CellSteps,
    /// For comparison with target cells.
    pub(crate) kind: Kind,
    /// Part of the mapping's key.
    pub(crate) is_key: bool,
    /// The value map as loaded, for the hash.
    pub(crate) map: Option<ValueMap>,
}

/// A mapping ready to run.
pub(crate) struct Compiled {
    pub(crate) fields: Vec<CompiledField>,
    pub(crate) filter: Option<SqlExpr>,
    pub(crate) deleted: Option<SqlExpr>,
    pub(crate) corrections: Corrections,
}

/// Compiles all of a mapping's row steps, or names all that is wrong.
/// `more` are corrections beside those of the mapping's file; one of the same cell stands for the file's.
pub(crate) fn compile(
    mapping: &Mapping,
    columns: &[String],
    project: &Path,
    more: &[Correction],
) -> Result<Compiled, Vec<Problem>> {
    let mut compiler = Compiler { mapping, columns, project, text: None, problems: Vec::new() };
    let filter = compiler.condition("where", mapping.filter.as_deref());
    let deleted = compiler.condition("deleted", mapping.deleted.as_deref());
    let fields: Vec<_> = mapping.fields.iter().filter_map(|field| compiler.field(field)).collect();
    for (index, field) in mapping.fields.iter().enumerate() {
        if mapping.fields[..index].iter().any(|other| other.target == field.target) {
            compiler.problem(field, "", "is filled twice: keep one of the two entries".into());
        }
    }
    let corrections = compiler.corrections(&fields, more);
    if compiler.problems.is_empty() {
        Ok(Compiled { fields, filter, deleted, corrections })
    } else {
        Err(compiler.problems)
    }
}

/// Source columns that the key is made of, in order, each once.
pub(crate) fn identity(mapping: &Mapping, fields: &[CompiledField]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let key = mapping.key.iter().filter_map(|key| mapping.fields.iter().position(|field| field.target == *key));
    for field in key.filter_map(|at| fields.get(at)) {
        let columns = match &field.origin {
            CompiledOrigin::Column(column) => std::slice::from_ref(column),
            CompiledOrigin::Sql(expr) => &expr.columns,
            CompiledOrigin::Const(_) => &[],
        };
        for column in columns {
            if !names.contains(column) {
                names.push(column.clone());
            }
        }
    }
    names
}

struct Compiler<'m> {
    mapping: &'m Mapping,
    columns: &'m [String],
    project: &'m Path,
    /// The mapping file's text, read when the first problem needs a line.
    text: Option<String>,
    problems: Vec<Problem>,
}

impl Compiler<'_> {
    fn field(&mut self, field: &Field) -> Option<CompiledField> {
        let before = self.problems.len();
        let origin = self.origin(field);
        let mut steps = self.rules(field);
        let map = self.values(field, &mut steps);
        if let Some(format) = &field.datetime {
            match DatetimeStep::new(format, field.zone.as_deref()) {
                Ok(step) => steps.push(Box::new(step)),
                Err(message) => {
                    self.problem(field, if message.contains("zone") { "zone" } else { "datetime" }, message);
                }
            }
        } else if field.zone.is_some() {
            self.problem(field, "zone", "a zone needs the format of the times: datetime = \"%d/%m/%Y %H:%M\"".into());
        }
        let kind = self.kind(field, &mut steps);
        let is_key = self.mapping.key.contains(&field.target);
        let cells = CellSteps { steps, on_null: field.on_null, on_error: field.on_error };
        (self.problems.len() == before).then_some(())?;
        Some(CompiledField { origin: origin?, cells, kind, is_key, map })
    }

    fn origin(&mut self, field: &Field) -> Option<CompiledOrigin> {
        match &field.origin {
            Origin::From(column) if self.columns.contains(column) => Some(CompiledOrigin::Column(column.clone())),
            Origin::From(column) => {
                let near = sql::nearest_column(column, self.columns);
                let message = match near {
                    Some(near) => format!("the source has no column '{column}': did you mean '{near}'?"),
                    None => format!("the source has no column '{column}'"),
                };
                self.problem(field, "from", message);
                None
            }
            Origin::Const(text) => Some(CompiledOrigin::Const(Some(text.clone()).filter(|text| !text.is_empty()))),
            Origin::Sql(text) => match sql::compile(text, self.columns) {
                Ok(expr) => Some(CompiledOrigin::Sql(Box::new(expr))),
                Err(error) => {
                    self.problem(field, "sql", error.message);
                    self.point_at(text, error.span);
                    None
                }
            },
        }
    }

    fn rules(&mut self, field: &Field) -> Vec<Box<dyn CleaningRule>> {
        let mut rules = Vec::with_capacity(field.clean.len() + 3);
        for (index, config) in field.clean.iter().enumerate() {
            match clean::build(config) {
                Ok(rule) => rules.push(rule),
                Err(error) => {
                    let advice = error.advice().map(|advice| format!(": {advice}")).unwrap_or_default();
                    self.problem(field, &format!("clean[{index}]"), format!("{}{advice}", error.what()));
                }
            }
        }
        rules
    }

    fn values(&mut self, field: &Field, steps: &mut Vec<Box<dyn CleaningRule>>) -> Option<ValueMap> {
        let map = match &field.values {
            None => None,
            Some(Values::Inline(pairs)) => Some(ValueMap { pairs: pairs.clone() }),
            Some(Values::File(path)) => match ValueMap::load(&self.project.join(path)) {
                Ok(map) => Some(map),
                Err(message) => {
                    self.problem(field, "values", message);
                    return None;
                }
            },
        };
        if let Some(twice) = map.as_ref().and_then(ValueMap::duplicate) {
            self.problem(field, "values", format!("the value map lists '{twice}' twice: keep one of the two"));
        }
        let looks_up = map.is_some() || field.allowed.is_some();
        if field.otherwise.is_some() && !looks_up {
            self.problem(field, "otherwise", "belongs to values or allowed, and there is neither".into());
        }
        if field.otherwise == Some(Otherwise::Drop) && field.each.is_none() {
            self.problem(field, "otherwise", "drop is for the items of each: write \"null\" to empty the cell".into());
        }
        if field.join.is_some() && field.each.is_none() {
            self.problem(field, "join", "needs each: the text to split at".into());
        }
        let values =
            looks_up.then(|| ValuesStep::new(map.as_ref(), field.allowed.as_deref(), field.otherwise.as_ref()));
        match (&field.each, values) {
            (Some(split), _) if split.is_empty() => self.problem(field, "each", "the text to split at is empty".into()),
            (Some(split), values) => {
                let join = field.join.clone().unwrap_or_else(|| split.clone());
                steps.push(Box::new(EachStep { split: split.clone(), join, values }));
            }
            (None, Some(values)) => steps.push(Box::new(values)),
            (None, None) => {}
        }
        map
    }

    fn kind(&mut self, field: &Field, steps: &mut Vec<Box<dyn CleaningRule>>) -> Kind {
        let Some(declared) = &field.kind else {
            // Without a type the steps say what the cells look like, so that a target's own way of writing compares equal.
            return match &field.datetime {
                Some(format) if clean::DateFormat::new(format).is_ok_and(|format| format.parts().time) => {
                    Kind::Datetime
                }
                Some(_) => Kind::Date,
                None if field.clean.last().is_some_and(|rule| rule.name == "date") && field.values.is_none() => {
                    Kind::Date
                }
                None => Kind::Text,
            };
        };
        match Kind::parse(declared) {
            Ok(Kind::Text) => Kind::Text,
            Ok(kind) => {
                steps.push(Box::new(TypeStep(kind)));
                kind
            }
            Err(message) => {
                self.problem(field, "type", message);
                Kind::Text
            }
        }
    }

    /// The mapping's corrections and some more.
    fn corrections(&mut self, fields: &[CompiledField], more: &[Correction]) -> Corrections {
        if self.mapping.corrections.is_none() && more.is_empty() {
            return Corrections::default();
        }
        let identity = identity(self.mapping, fields);
        let file = self.mapping.corrections.clone();
        let read = file.as_ref().map(|file| super::corrections::load(&self.project.join(file)));
        let mut entries = match read {
            None => Vec::new(),
            Some(Ok(entries)) => entries,
            Some(Err(slips)) => {
                self.slips(slips);
                return Corrections::default();
            }
        };
        entries.retain(|old| !more.iter().any(|new| new.row == old.row && new.column == old.column));
        entries.extend_from_slice(more);
        Corrections::new(entries, identity, self.columns).unwrap_or_else(|slips| {
            self.slips(slips);
            Corrections::default()
        })
    }

    /// Slips of the corrections file as problems; what concerns the whole file stands at the mapping's setting.
    fn slips(&mut self, slips: Vec<super::corrections::Slip>) {
        for (line, message) in slips {
            let line_of_setting = self.line_of("corrections", None);
            self.push(line_of_setting, "corrections".into(), message);
            if let (Some(problem), Some(file), true) = (self.problems.last_mut(), &self.mapping.corrections, line > 0) {
                problem.file.clone_from(file);
                problem.line = line;
            }
        }
    }

    /// `where` and `deleted`.
    fn condition(&mut self, name: &str, text: Option<&str>) -> Option<SqlExpr> {
        let text = text?;
        let message = match sql::compile(text, self.columns) {
            Ok(expr) if matches!(expr.kind, SqlType::Boolean | SqlType::Text) => return Some(expr),
            Ok(_) => {
                sql::SqlError { message: "must be a condition: true, false or NULL".into(), span: (0, text.len()) }
            }
            Err(error) => error,
        };
        let line = self.line_of(name, None);
        self.push(line, name.to_owned(), message.message);
        self.point_at(text, message.span);
        None
    }

    fn point_at(&mut self, sql: &str, span: (usize, usize)) {
        if let Some(problem) = self.problems.last_mut() {
            problem.sql = Some((sql.to_owned(), span.0, span.1));
        }
    }

    fn problem(&mut self, field: &Field, part: &str, message: String) {
        let line = self.line_of(part.split('[').next().unwrap_or(part), field.span);
        let dot = if part.is_empty() { "" } else { "." };
        self.push(line, format!("fields.{}{dot}{part}", field.target), message);
    }

    fn push(&mut self, line: usize, field: String, message: String) {
        let file = self.mapping.path.strip_prefix(self.project).unwrap_or(&self.mapping.path).to_owned();
        self.problems.push(Problem { severity: Severity::Error, file, line, field, message, sql: None });
    }

    /// The line where this setting stands: in the entry at `span`, else at the start of a line of the file; 0 if the
    /// file cannot be read.
    fn line_of(&mut self, setting: &str, span: Option<(usize, usize)>) -> usize {
        let path: PathBuf = self.project.join(&self.mapping.path);
        let text = self.text.get_or_insert_with(|| std::fs::read_to_string(path).unwrap_or_default());
        let at = match span {
            // Within an entry of several lines, the setting's own.
            Some((start, end)) => {
                text.get(start..end.min(text.len())).map(|entry| start + setting_at(entry, setting).unwrap_or(0))
            }
            None => setting_at(text, setting),
        };
        at.map_or(0, |at| 1 + memchr::memchr_iter(b'\n', &text.as_bytes()[..at]).count())
    }
}

/// Where the line starts that gives this setting its value.
fn setting_at(text: &str, setting: &str) -> Option<usize> {
    let mut at = 0;
    text.split_inclusive('\n').find_map(|line| {
        let here = at;
        at += line.len();
        let rest = line.trim_start().strip_prefix(setting).filter(|_| !setting.is_empty())?;
        rest.trim_start().starts_with('=').then_some(here)
    })
}
