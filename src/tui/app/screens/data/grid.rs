//! Rows of the Data screen: a window that is fetched around the cursor, a column cursor, and which columns fit.
use crm_core::table::Window;
use crm_core::table::text::width;

use crate::app::list::ListState;

/// Widest a column is drawn, in cells.
const WIDEST: usize = 28;
/// Narrowest, so that a heading can be told.
const NARROWEST: usize = 4;

/// A window of a table with its cursor.
#[derive(Debug, Clone, Default)]
pub struct Grid {
    /// Rows at hand.
    pub window: Window,
    /// Cursor over all rows of the table.
    pub list: ListState,
    /// Column of the cursor.
    pub column: usize,
    /// Columns to draw, the first one always, with their widths.
    pub shown: Vec<(usize, usize)>,
    /// First scrolled column: those before it, but for the frozen first, are out of sight at the left.
    left: usize,
    loaded: bool,
}

impl Grid {
    /// Rows have come.
    pub fn take(&mut self, window: Window) {
        self.window = window;
        self.loaded = true;
    }
    /// No rows have come yet.
    pub fn is_loading(&self) -> bool {
        !self.loaded
    }
    /// Name of the column at the cursor.
    pub fn column_name(&self) -> Option<&str> {
        self.window.columns.get(self.column).map(String::as_str)
    }
    /// Cells of a row of the table, if they are at hand.
    pub fn cells(&self, row: usize) -> Option<&[Option<String>]> {
        let at = (row as u64).checked_sub(self.window.first)?;
        self.window.rows.get(at as usize).map(Vec::as_slice)
    }
    /// To the left or right.
    pub fn move_column(&mut self, by: isize) {
        let last = self.window.columns.len().saturating_sub(1);
        self.column = self.column.saturating_add_signed(by).min(last);
    }
    /// Width of the row numbers.
    pub fn number_width(&self) -> usize {
        self.window.total.max(1).to_string().len().max(3)
    }
    /// Lays rows and columns out for `columns` by `rows` cells.
    pub fn layout(&mut self, columns: usize, rows: usize) {
        let total = usize::try_from(self.window.total).unwrap_or(usize::MAX);
        // Until the first rows come, the cursor stays where it was sent.
        self.list.layout(if self.loaded { total } else { self.list.len }, rows);
        let room = columns.saturating_sub(self.number_width() + 3);
        let widths: Vec<usize> = (0..self.window.columns.len()).map(|column| self.column_width(column)).collect();
        self.column = self.column.min(widths.len().saturating_sub(1));
        self.left = self.left.clamp(1, self.column.max(1));
        let frozen = widths.first().map_or(0, |width| width + 1);
        while self.left < self.column && frozen + span(&widths, self.left, self.column) > room {
            self.left += 1;
        }
        self.shown.clear();
        let mut used = 0;
        for column in std::iter::once(0).chain(self.left..widths.len()).take(widths.len()) {
            let Some(left) = room.checked_sub(used).filter(|left| *left >= NARROWEST) else { break };
            let width = widths[column].min(left);
            self.shown.push((column, width));
            used += width + 1;
        }
    }
    /// The rows that should be at hand: some screens around what is visible, so that paging seldom waits.
    pub fn wanted(&self) -> (u64, usize) {
        let page = self.list.page.max(1);
        let count = page * 5;
        // In steps of a screen, so that a row up or down asks for nothing new.
        let first = (self.list.top / page).saturating_sub(2) * page;
        (first as u64, count)
    }
    fn column_width(&self, column: usize) -> usize {
        let name = &self.window.columns[column];
        let cells = self.window.rows.iter().filter_map(|row| row.get(column)?.as_deref());
        // No cell is measured further than it is drawn.
        let widest = cells.map(|cell| width(cell.get(..WIDEST * 4).unwrap_or(cell))).max().unwrap_or(0);
        widest.max(width(name)).clamp(NARROWEST, WIDEST)
    }
}

fn span(widths: &[usize], from: usize, to: usize) -> usize {
    widths[from..=to].iter().map(|width| width + 1).sum()
}
