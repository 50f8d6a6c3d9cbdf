//! The Clean screen: each field's steps with their counts, and cells before and after.
use std::sync::Arc;

use crm_core::map::{CellStep, Failure, Fate};
use crm_core::project::{Field, Origin};
use crm_core::workspace::{Preview, PreviewRows};

use super::{ScreenId, ScreenState};
use crate::app::action::Action;
use crate::app::list::ListState;
use crate::app::msg::{Answer, Lane, MappingText, Request};
use crate::app::overlay::Overlay;
use crate::app::shared::{Shared, Wanted};
use crate::app::words::Words;

/// Rows that one preview brings: several screens of them.
pub const CHUNK: usize = 200;
/// Columns from which fields and cells stand side by side.
pub const BESIDE: usize = 150;

/// Which rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rows {
    /// All, in order.
    #[default]
    All,
    /// Those whose cell the field's steps change.
    Changed,
    /// Those that fail in the field.
    Failing,
}

impl Rows {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::All => "all rows",
            Self::Changed => "changed rows",
            Self::Failing => "failing rows",
        }
    }
    const fn next(self) -> Self {
        match self {
            Self::All => Self::Changed,
            Self::Changed => Self::Failing,
            Self::Failing => Self::All,
        }
    }
}

/// One cell before and after a field's steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellPair<'a> {
    /// Ordinal of the source row.
    pub ordinal: u64,
    /// Physical line, where the source has lines.
    pub line: Option<u64>,
    /// Before: the first source column that the field reads; None: NULL, or the field reads none.
    pub before: Option<&'a str>,
    /// After.
    pub after: Option<&'a str>,
    /// What the row steps decided about the row.
    pub fate: Fate,
    /// Why the cell failed, if it did.
    pub failure: Option<&'a Failure>,
}

impl CellPair<'_> {
    /// The steps changed the cell.
    pub fn is_changed(&self) -> bool {
        self.before != self.after
    }
}

/// State of the Clean screen.
#[derive(Debug, Default)]
pub struct CleanScreen {
    /// Fields of the mapping at hand.
    pub fields: ListState,
    /// Cells of the field at the cursor.
    pub cells: ListState,
    /// The cells have the keys, not the fields.
    pub in_cells: bool,
    /// Which rows.
    pub rows: Rows,
    /// Rows skipped before those at hand.
    pub skip: u64,
    /// Rows before and after.
    pub preview: Option<Arc<Preview>>,
    /// Why there are none: the mapping's problems.
    pub problems: Vec<String>,
    wanted: Wanted<(MappingText, Rows, Option<String>, u64, u64)>,
    /// What is being followed: field and row.
    traced: Option<(String, u64)>,
}

impl CleanScreen {
    /// The field at the cursor.
    pub fn field<'a>(&self, fields: &'a [Field]) -> Option<&'a Field> {
        fields.get(self.fields.cursor)
    }
    /// Cell pairs of the field at the cursor, one a row at hand.
    pub fn pairs(&self) -> Vec<CellPair<'_>> {
        let Some(preview) = &self.preview else { return Vec::new() };
        let field = self.fields.cursor;
        let source = preview.sources.get(field).and_then(Option::as_deref);
        let before = source.and_then(|source| preview.before.columns.iter().position(|name| name == source));
        (0..preview.after.rows.len())
            .map(|row| CellPair {
                ordinal: preview.before.ordinals.get(row).copied().unwrap_or_default(),
                line: preview.before.lines.get(row).copied().flatten(),
                before: before.and_then(|column| preview.before.rows.get(row)?.get(column)?.as_deref()),
                after: preview.after.rows[row].get(field).and_then(Option::as_deref),
                fate: preview.fates.get(row).copied().unwrap_or(Fate::Accepted),
                failure: preview.failures.iter().find(|failure| failure.row == row && failure.field == field),
            })
            .collect()
    }
    /// Changed and failed cells of a field over the sample.
    pub fn counts(&self, field: &str) -> (u64, u64) {
        let steps = self.preview.iter().flat_map(|preview| &preview.counts).filter(|count| count.field == field);
        steps.fold((0, 0), |sum, count| (sum.0 + count.changed, sum.1 + count.failed))
    }
    fn next_chunk(&mut self, forward: bool) {
        if forward {
            self.skip += CHUNK as u64;
            self.cells.cursor = 0;
        } else {
            self.skip = self.skip.saturating_sub(CHUNK as u64);
            self.cells.cursor = CHUNK - 1;
        }
        self.cells.top = 0;
    }
    fn act_on_cells(&mut self, action: Action) -> bool {
        let full = self.cells.len == CHUNK;
        match action {
            Action::Down | Action::PageDown if full && self.cells.cursor + 1 == self.cells.len => self.next_chunk(true),
            Action::Up | Action::PageUp if self.cells.cursor == 0 && self.skip > 0 => self.next_chunk(false),
            _ => return self.cells.act(action),
        }
        true
    }
    fn trace(&mut self, shared: &mut Shared) {
        let Some(mapping) = shared.mapping() else { return };
        let Some(ordinal) = self.pairs().get(self.cells.cursor).map(|pair| pair.ordinal) else { return };
        let (Some(field), Some(draft)) = (self.field(&mapping.fields), shared.draft()) else { return };
        let text = draft.text();
        self.traced = Some((field.target.clone(), ordinal));
        shared.ask(Lane::Trace, "following the cell", Request::Trace(text, ordinal, field.target.clone()));
    }
}

impl ScreenState for CleanScreen {
    fn settle(&mut self, shared: &mut Shared) {
        let (columns, rows) = shared.body();
        let Some(mapping) = shared.mapping() else { return };
        let count = mapping.fields.len();
        let (fields, cells) = if columns >= BESIDE {
            (rows.saturating_sub(1), rows.saturating_sub(2))
        } else {
            let fields = (count + 1).min(rows * 2 / 5).max(4);
            (fields - 1, rows.saturating_sub(fields + 2))
        };
        self.fields.layout(count, fields);
        let at_hand = self.preview.as_ref().map_or(0, |preview| preview.after.rows.len());
        self.cells.layout(at_hand, cells.saturating_sub(1));
        let field = self.field(&mapping.fields).map(|field| field.target.clone());
        // All rows hold all fields; the other two are of one field.
        let of = if self.rows == Rows::All { None } else { field };
        let Some(text) = shared.draft().map(crate::app::draft::Draft::text) else { return };
        if self.wanted.changes((text.clone(), self.rows, of.clone(), self.skip, shared.saves)) {
            let wanted = match self.rows {
                Rows::All => PreviewRows::From(self.skip),
                Rows::Changed => PreviewRows::Changed { field: of, skip: self.skip },
                Rows::Failing => PreviewRows::Failing { field: of, skip: self.skip },
            };
            let title = format!("cleaning a sample of {}", mapping.from.label);
            shared.ask(Lane::CleanPreview, title, Request::Preview(text, wanted, CHUNK));
        }
    }
    fn act(&mut self, action: Action, shared: &mut Shared) -> bool {
        match action {
            Action::NextPane => self.in_cells = !self.in_cells,
            Action::FilterRows => {
                self.rows = self.rows.next();
                self.skip = 0;
                self.cells = ListState { page: self.cells.page, ..ListState::default() };
            }
            Action::Open if self.in_cells => self.trace(shared),
            Action::Open | Action::EditField => {
                let field = shared.mapping().and_then(|mapping| Some(self.field(&mapping.fields)?.target.clone()));
                shared.focus = field;
                shared.go(ScreenId::Map);
            }
            Action::NextProblem => {
                let Some(mapping) = shared.mapping() else { return true };
                let count = mapping.fields.len();
                let next = (1..=count)
                    .map(|step| (self.fields.cursor + step) % count.max(1))
                    .find(|field| self.counts(&mapping.fields[*field].target).1 > 0);
                if let Some(field) = next {
                    self.fields.select(field);
                    self.skip = 0;
                }
            }
            _ if self.in_cells => return self.act_on_cells(action),
            _ => {
                let moved = self.fields.act(action);
                if moved && self.rows != Rows::All {
                    self.skip = 0;
                    self.cells.cursor = 0;
                }
                return moved;
            }
        }
        true
    }
    fn heading(&self, shared: &Shared) -> String {
        let Some(mapping) = shared.mapping() else { return "CLEAN  no mapping yet".to_owned() };
        let over = self.preview.as_ref().map(|preview| format!("  over {} rows", preview.sampled)).unwrap_or_default();
        format!("CLEAN {}  {} -> {}{over}", mapping.name, mapping.from.label, mapping.to)
    }
    fn answer(&mut self, lane: Lane, answer: &Answer, shared: &mut Shared) {
        match (lane, answer) {
            (Lane::CleanPreview, Answer::Preview(Ok(preview))) => {
                self.preview = Some(Arc::clone(preview));
                self.problems.clear();
            }
            (Lane::CleanPreview, Answer::Preview(Err(problems))) => {
                self.preview = None;
                self.problems = problems
                    .iter()
                    .map(|problem| {
                        format!("{}:{} {}: {}", problem.file.display(), problem.line, problem.field, problem.message)
                    })
                    .collect();
            }
            (Lane::Trace, Answer::Trace(steps)) => {
                let Some((field, ordinal)) = self.traced.take() else { return };
                let personal = shared.personal.target(shared.mapping_name(), &field);
                let title = format!("{field} of row {}", ordinal + 1).into();
                shared.open(Overlay::Text(title, trace_lines(steps, personal), 0));
            }
            _ => {}
        }
    }
    fn find(&mut self, sought: &str, forward: bool, shared: &mut Shared) -> bool {
        let Some(mapping) = shared.mapping() else { return false };
        let sought = sought.to_lowercase();
        let fits = |field: &usize| mapping.fields[*field].target.to_lowercase().contains(&sought);
        let (cursor, count) = (self.fields.cursor, mapping.fields.len());
        let mut order: Vec<usize> = (1..=count).map(|step| (cursor + step) % count.max(1)).collect();
        if !forward {
            order.reverse();
        }
        let found = order.into_iter().find(fits);
        if let Some(field) = found {
            self.fields.select(field);
        }
        found.is_some()
    }
    fn click(&mut self, _: usize, row: usize, _: &mut Shared) {
        if row > 0 && self.fields.top + row - 1 < self.fields.len.min(self.fields.top + self.fields.page) {
            self.fields.select(self.fields.top + row - 1);
            self.in_cells = false;
        }
    }
    fn command(&self, shared: &Shared) -> Option<String> {
        let mapping = shared.mapping()?;
        let failing = match (self.rows, self.field(&mapping.fields)) {
            (Rows::Failing, Some(field)) => format!(" --failing={}", field.target),
            _ => String::new(),
        };
        Some(format!("preview {}{failing}", mapping.name))
    }
}

/// A field's steps in a line: `EMAIL_ADDR, trim, lower, email`.
pub fn steps(field: &Field) -> String {
    let mut steps = vec![match &field.origin {
        Origin::From(column) => column.clone(),
        Origin::Sql(sql) => format!("sql {}", sql.split_whitespace().collect::<Vec<_>>().join(" ")),
        Origin::Const(value) => format!("always '{value}'"),
    }];
    steps.extend(field.clean.iter().map(|rule| rule.name.clone()));
    if let Some(each) = &field.each {
        steps.push(format!("each '{each}'"));
    }
    if field.values.is_some() {
        steps.push("values".into());
    }
    if field.allowed.is_some() {
        steps.push("allowed".into());
    }
    if let Some(format) = &field.datetime {
        steps.push(format!("datetime {format}"));
    }
    steps.extend(field.zone.iter().map(|zone| format!("zone {zone}")));
    steps.extend(field.kind.clone());
    steps.extend(field.link.iter().map(|link| format!("link {link}")));
    steps.join(", ")
}

fn trace_lines(steps: &[CellStep], personal: bool) -> Vec<Words> {
    let mut before: Option<&str> = None;
    let mut lines = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let value = step.value.as_deref();
        let mark = match (&step.failed, at > 0 && value == before) {
            (Some(_), _) => '!',
            (None, true) => ' ',
            (None, false) => '~',
        };
        lines.push(Words::from(format!("{mark} {:<24} ", step.step)).quoted(value, personal));
        lines.extend(step.failed.iter().map(|reason| format!("    {reason}").into()));
        before = value;
    }
    lines
}

#[cfg(test)]
pub(crate) mod tests;
