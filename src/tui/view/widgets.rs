//! Small things that every screen draws: lines of styled text, rules with a heading, boxes, bars.
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear};
use unicode_segmentation::UnicodeSegmentation;

use super::text::{cut, fit, width};
use super::{Look, text};

/// Writes text at a row of `area`, cut to its width.
pub fn put(frame: &mut Frame, area: Rect, row: usize, text: &str, style: Style, look: &Look) {
    line(frame, area, row, Line::styled(cut(text, usize::from(area.width), look), style));
}

/// Writes text that is safe already at a row of `area`.
pub fn put_safe(frame: &mut Frame, area: Rect, row: usize, text: &str, style: Style) {
    line(frame, area, row, Line::styled(text.to_owned(), style));
}

/// Writes a line of spans at a row of `area`. The spans must have been made safe.
// Lines are made where they are written; a reference would only add noise there.
#[allow(clippy::needless_pass_by_value)]
pub fn line(frame: &mut Frame, area: Rect, row: usize, line: Line) {
    if let Some(row) = u16::try_from(row).ok().filter(|row| *row < area.height) {
        frame.buffer_mut().set_line(area.x, area.y + row, &line, area.width);
    }
}

/// A rule across a row of `area` with a heading at its left and a word at its right.
pub fn rule(frame: &mut Frame, area: Rect, row: usize, left: &str, right: &str, look: &Look) {
    let room = usize::from(area.width);
    let right = if right.is_empty() {
        String::new()
    } else {
        format!(" {} {}", cut(right, room / 2, look), look.glyphs.line())
    };
    let left = cut(left, room.saturating_sub(width(&right) + 4), look);
    let fill = room.saturating_sub(width(&left) + width(&right) + 3);
    let spans = vec![
        Span::styled(format!("{} ", look.glyphs.line()), look.theme.dim()),
        Span::styled(left, look.theme.title()),
        Span::styled(format!(" {}", look.glyphs.line().repeat(fill)), look.theme.dim()),
        Span::styled(right, look.theme.dim()),
    ];
    line(frame, area, row, Line::from(spans));
}

/// An empty box in the middle of the screen, at most `columns` by `rows`; answers its inside.
pub fn dialog(frame: &mut Frame, title: &str, columns: usize, rows: usize, danger: bool, look: &Look) -> Rect {
    let screen = frame.area();
    let columns = u16::try_from(columns + 4).unwrap_or(u16::MAX).min(screen.width);
    let rows = u16::try_from(rows + 2).unwrap_or(u16::MAX).min(screen.height);
    let area = Rect::new(screen.x + (screen.width - columns) / 2, screen.y + (screen.height - rows) / 2, columns, rows);
    frame.render_widget(Clear, area);
    let style = if danger { look.theme.bad() } else { look.theme.title() };
    let title = format!(" {} ", cut(title, usize::from(columns).saturating_sub(6), look));
    let block = Block::bordered().border_set(look.glyphs.border()).border_style(style).title(title).title_style(style);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
}

/// A typed line with its cursor, scrolled so that the cursor is seen.
pub fn input(frame: &mut Frame, area: Rect, row: usize, input: &crate::app::input::TextInput, look: &Look) {
    let room = usize::from(area.width).saturating_sub(3);
    let (before, after) = input.parts();
    let before = text::safe(before, look);
    // From the cursor back, so that a long paste costs no more than what is seen of it.
    let (mut start, mut used) = (before.len(), 0);
    for (at, grapheme) in before.grapheme_indices(true).rev() {
        used += width(grapheme);
        if used > room {
            break;
        }
        start = at;
    }
    let shown = &before[start..];
    let rest = cut(after, room.saturating_sub(width(shown)), look);
    let line_ = Line::from(vec![Span::styled("> ", look.theme.key()), Span::raw(shown.to_owned()), Span::raw(rest)]);
    line(frame, area, row, line_);
    if let Some(row) = u16::try_from(row).ok().filter(|row| *row < area.height) {
        let column = u16::try_from(2 + width(shown)).unwrap_or(0);
        frame.set_cursor_position((area.x + column.min(area.width.saturating_sub(1)), area.y + row));
    }
}

/// A bar of `room` cells that is filled to `share` (0 to 1).
pub fn bar(share: f64, room: usize, look: &Look) -> String {
    let done = ((share.clamp(0.0, 1.0) * room as f64).floor() as usize).min(room);
    format!("{}{}", look.glyphs.full().repeat(done), look.glyphs.empty().repeat(room - done))
}

/// What a job does and how far it is, in one line.
pub fn progress(progress: &crm_core::monitor::Progress, title: &str, room: usize, look: &Look) -> String {
    let step = if progress.step.is_empty() { title } else { &progress.step };
    let (done, share) = match progress.total {
        Some(total) if total > 0 => (
            format!("{} of {}", text::number(progress.done), text::number(total)),
            Some(progress.done as f64 / total as f64),
        ),
        _ if progress.done > 0 => (text::number(progress.done), None),
        _ => (String::new(), None),
    };
    let bar = share.map_or(String::new(), |share| format!(" {} {}", bar(share, 16, look), text::percent(share)));
    fit(&format!("{step} {done}{bar}"), room, look)
}
