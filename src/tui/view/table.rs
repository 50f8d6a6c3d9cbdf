//! A table of the rows on screen. The caller hands in only what is visible; widths are the caller's too.
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::text::{fit, fit_right, fit_safe, fit_safe_right, value};
use super::{Look, widgets};

/// A column of a table.
#[derive(Debug, Clone)]
pub struct Column {
    /// Heading.
    pub title: String,
    /// Cells wide.
    pub width: usize,
    /// Flush right.
    pub right: bool,
}

impl Column {
    /// Flush left.
    pub fn left(title: impl Into<String>, width: usize) -> Self {
        Self { title: title.into(), width, right: false }
    }
    /// Flush right, for numbers.
    pub fn right(title: impl Into<String>, width: usize) -> Self {
        Self { title: title.into(), width, right: true }
    }
    fn fit_cell(&self, cell: &Cell, look: &Look) -> String {
        match (cell.safe, self.right) {
            (false, _) => self.fit(&cell.text, look),
            (true, false) => fit_safe(&cell.text, self.width, look),
            (true, true) => fit_safe_right(&cell.text, self.width, look),
        }
    }
    fn fit(&self, text: &str, look: &Look) -> String {
        if self.right { fit_right(text, self.width, look) } else { fit(text, self.width, look) }
    }
}

/// One cell: text and its style.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Text.
    pub text: String,
    /// It is safe already; otherwise it is made safe when drawn.
    pub safe: bool,
    /// Style.
    pub style: Style,
}

impl Cell {
    /// Text in a style.
    pub fn new(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style, safe: false }
    }
    /// A cell's value in a style, told apart from NULL and from all other values; masked where it is personal.
    pub fn value(cell: Option<&str>, personal: bool, style: Style, look: &Look) -> Self {
        Self { text: value(cell, personal, look), style, safe: true }
    }
    /// Text that is safe already.
    pub fn safe(text: String, style: Style) -> Self {
        Self { text, style, safe: true }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), style: Style::new(), safe: false }
    }
}

/// How the selected row of a table is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// No row is.
    None,
    /// This one of the rows handed in; the table has the keys.
    Active(usize),
    /// This one; another part of the screen has the keys.
    Inactive(usize),
}

/// Draws headings in the first row of `area` and the rows below, a cell apart, each with a mark for the selected one.
pub fn draw(
    frame: &mut Frame,
    area: Rect,
    columns: &[Column],
    rows: impl Iterator<Item = Vec<Cell>>,
    selection: Selection,
    look: &Look,
) {
    let mut heading = vec![Span::raw(" ")];
    for column in columns {
        heading.push(Span::styled(column.fit(&column.title, look), look.theme.title()));
        heading.push(Span::raw(" "));
    }
    widgets::line(frame, area, 0, Line::from(heading));
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    draw_rows(frame, body, columns, rows, selection, look);
}

/// Like [`draw`], without headings.
pub fn draw_rows(
    frame: &mut Frame,
    area: Rect,
    columns: &[Column],
    rows: impl Iterator<Item = Vec<Cell>>,
    selection: Selection,
    look: &Look,
) {
    for (at, cells) in rows.take(usize::from(area.height)).enumerate() {
        let chosen = match selection {
            Selection::Active(row) if row == at => Some(look.theme.selected()),
            Selection::Inactive(row) if row == at => Some(look.theme.marked()),
            _ => None,
        };
        let mut spans = vec![Span::raw(if chosen.is_some() { ">" } else { " " })];
        for (column, cell) in columns.iter().zip(cells) {
            spans.push(Span::styled(column.fit_cell(&cell, look), cell.style));
            spans.push(Span::raw(" "));
        }
        if let Some(style) = chosen {
            let used: usize = columns.iter().map(|column| column.width + 1).sum::<usize>() + 1;
            spans.push(Span::raw(" ".repeat(usize::from(area.width).saturating_sub(used))));
            for span in &mut spans {
                span.style = span.style.patch(style);
            }
        }
        widgets::line(frame, area, at, Line::from(spans));
    }
}
