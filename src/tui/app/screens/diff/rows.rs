//! What stands behind one count of the plan: rows with their cells, or rejects by cause. Fetched in chunks by jobs.
use std::sync::Arc;

use crm_core::journal::Reject;
use crm_core::plan::{Operation, Plan};
use crm_core::project::Personal;
use crm_core::workspace::{PlanCell, PlanRow};

use crate::app::action::Action;
use crate::app::causes::CauseRow;
use crate::app::list::ListState;
use crate::app::msg::{Lane, Request};
use crate::app::shared::{Shared, Wanted};
use crate::app::words::Words;

/// Rows of one request.
pub const CHUNK: usize = 100;

/// One line of the list: a row takes as many as it has cells to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Index of the row in [`Rows::rows`].
    pub row: usize,
    /// Index of the cell in the row; None: the row has none to show.
    pub cell: Option<usize>,
    /// First line of its row.
    pub first: bool,
}

/// Rows or causes behind a count.
#[derive(Debug, Default)]
pub struct Rows {
    /// Rows at hand.
    pub rows: Vec<PlanRow>,
    /// Ordinal of the first of them among all.
    pub first: u64,
    /// Rows behind the count.
    pub total: u64,
    /// Cursor over the rows at hand, or the causes.
    pub list: ListState,
    /// Only updates that change this column.
    pub column: Option<String>,
    /// Causes, where the count is of held or rejected rows.
    pub causes: Vec<CauseRow>,
    /// They have not come yet.
    pub loading: bool,
    /// They cannot be had.
    pub failed: bool,
    rejects: Arc<Vec<Reject>>,
    wanted: Wanted<(String, String, Operation, Option<String>, u64)>,
}

impl Rows {
    /// Forgets what it has: the next settle asks again.
    pub(super) fn forget(&mut self) {
        self.wanted.forget();
        self.column = None;
    }
    /// Asks for what stands behind this count, if it is not at hand.
    pub(super) fn settle(
        &mut self,
        plan: &Arc<Plan>,
        mapping: &str,
        operation: Operation,
        total: u64,
        shared: &mut Shared,
    ) {
        let same = self
            .wanted
            .get()
            .is_some_and(|(id, name, wanted, ..)| *id == plan.id && name == mapping && *wanted == operation);
        if !same {
            self.first = 0;
            self.list = ListState::default();
            self.rows.clear();
            self.causes.clear();
        }
        if operation != Operation::Update {
            self.column = None;
        }
        self.total = total;
        let key = (plan.id.clone(), mapping.to_owned(), operation, self.column.clone(), self.first);
        if self.wanted.changes(key) {
            self.failed = false;
            self.loading = total > 0;
            let mapping = mapping.to_owned();
            if total == 0 {
                self.rows.clear();
            } else if matches!(operation, Operation::Held | Operation::Rejected) {
                let request = Request::Rejects { of: plan.id.clone(), mapping: Some(mapping) };
                shared.ask(Lane::PlanRejects, "reading rejects", request);
            } else {
                let (plan, column, first) = (Arc::clone(plan), self.column.clone(), self.first);
                let request = Request::PlanRows { plan, mapping, operation, column, first, count: CHUNK };
                shared.ask(Lane::PlanRows, "reading rows", request);
            }
        }
        let count = if self.causes.is_empty() { self.rows.len() } else { self.causes.len() };
        let (_, rows) = shared.body();
        self.list.layout(count, (rows / 2).max(3));
    }
    pub(super) fn take(&mut self, rows: Vec<PlanRow>) {
        self.rows = rows;
        self.causes.clear();
        self.loading = false;
    }
    pub(super) fn take_rejects(&mut self, rejects: Arc<Vec<Reject>>, operation: Operation) {
        self.causes = super::causes_of(&rejects, operation);
        self.rejects = rejects;
        self.rows.clear();
        self.loading = false;
    }
    /// Moves; at the ends of a chunk the next one is fetched.
    pub(super) fn act(&mut self, action: Action) -> bool {
        let last = self.list.cursor + 1 >= self.list.len;
        let more = self.causes.is_empty() && self.rows.len() == CHUNK;
        match action {
            Action::Down | Action::PageDown if last && more => {
                self.first += CHUNK as u64;
                self.list.cursor = 0;
            }
            Action::Up | Action::PageUp if self.list.cursor == 0 && self.first > 0 => {
                self.first = self.first.saturating_sub(CHUNK as u64);
                self.list.cursor = CHUNK - 1;
            }
            Action::First if self.first > 0 => {
                self.first = 0;
                self.list.cursor = 0;
            }
            _ => return self.list.act(action),
        }
        self.list.top = 0;
        true
    }
    /// The cause at the cursor.
    pub(super) fn cause(&self) -> Option<&CauseRow> {
        self.causes.get(self.list.cursor)
    }
    /// The row or cause of a mapping at the cursor, whole: heading and lines.
    pub(super) fn whole(&self, mapping: &str, personal: &Personal) -> Option<(Words, Vec<Words>)> {
        if let Some(cause) = self.cause() {
            let lines = super::reject_lines(&self.rejects, &cause.rows, mapping, personal);
            return Some((cause.cause.clone().into(), lines));
        }
        let row = self.rows.get(self.list.cursor)?;
        let mut text: Vec<Words> = Vec::new();
        if let Some((ordinal, line)) = row.source {
            let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
            text.push(format!("source row {}{line}", ordinal + 1).into());
        }
        text.extend(row.target.map(|target| format!("target row {}", target + 1).into()));
        text.extend(row.reason.clone().map(Words::from));
        text.push(Words::default());
        let cell = |cell: &PlanCell| whole_cell(cell, row.target.is_some(), personal.target(mapping, &cell.column));
        text.extend(row.cells.iter().map(cell));
        Some((Words::from("record ").cell(&row.key, personal.key(mapping)), text))
    }
    /// Places of `(key, cells)` that hold a text, at hand.
    pub(super) fn find(&mut self, sought: &str, forward: bool) -> bool {
        let sought = sought.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&sought);
        let cell_has = |cell: &PlanCell| {
            cell.new.as_deref().is_some_and(has) || cell.old.as_deref().is_some_and(has) || has(&cell.column)
        };
        let fits = |at: &usize| match self.causes.get(*at) {
            Some(cause) => has(&cause.cause),
            None => self.rows.get(*at).is_some_and(|row| has(&row.key) || row.cells.iter().any(cell_has)),
        };
        let (cursor, len) = (self.list.cursor, self.list.len);
        let found = if forward { (cursor + 1..len).find(fits) } else { (0..cursor).rev().find(fits) };
        if let Some(at) = found {
            self.list.select(at);
        }
        found.is_some()
    }
    /// Lines of the list from the row at the top on: for updates the cells that change or are kept, for the others the
    /// cells that hold something, all of them only for the row at the cursor.
    pub fn lines(&self, operation: Operation, room: usize) -> Vec<Line> {
        let mut start = self.list.cursor;
        let mut heights = 0;
        // As many rows before the cursor as leave room for the row at it.
        let own = self.shown(self.list.cursor, operation).len().max(1);
        while start > 0 {
            let height = self.shown(start - 1, operation).len().max(1);
            if heights + height + own > room {
                break;
            }
            heights += height;
            start -= 1;
        }
        let mut lines = Vec::new();
        for row in start..self.rows.len() {
            if lines.len() >= room {
                break;
            }
            let cells = self.shown(row, operation);
            if cells.is_empty() {
                lines.push(Line { row, cell: None, first: true });
            }
            for (at, cell) in cells.into_iter().enumerate() {
                lines.push(Line { row, cell: Some(cell), first: at == 0 });
            }
        }
        lines.truncate(room);
        lines
    }
    fn shown(&self, row: usize, operation: Operation) -> Vec<usize> {
        let Some(found) = self.rows.get(row) else { return Vec::new() };
        let tells = |cell: &PlanCell| match operation {
            Operation::Update | Operation::Mark => cell.changed || cell.kept.is_some() || cell.pending.is_some(),
            _ => cell.new.is_some() || cell.pending.is_some() || (operation == Operation::Delete && cell.old.is_some()),
        };
        let cells = (0..found.cells.len()).filter(|at| tells(&found.cells[*at]));
        // A new row has many cells: two say which it is, all are shown where the cursor stands.
        let brief = !matches!(operation, Operation::Update | Operation::Mark) && row != self.list.cursor;
        cells.take(if brief { 1 } else { usize::MAX }).collect()
    }
}

fn whole_cell(cell: &PlanCell, in_target: bool, personal: bool) -> Words {
    let mark = if cell.changed { '~' } else { ' ' };
    let mut words = Words::from(format!("{mark} {:<24} ", cell.column));
    if in_target && (cell.changed || cell.kept.is_some()) {
        words = words.quoted(cell.old.as_deref(), personal).and(" -> ");
    }
    words = match &cell.pending {
        Some(pending) => words.cell(pending, personal),
        None => words.quoted(cell.new.as_deref(), personal),
    };
    match &cell.kept {
        Some(rule) => words.and(format!("  (kept: write {rule})")),
        None => words,
    }
}
