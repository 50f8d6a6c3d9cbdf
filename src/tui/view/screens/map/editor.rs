//! A field's lines under edit with their result on real rows, and its value map.
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::sample_cells;
use crate::app::App;
use crate::app::screens::map::{FieldEditor, ValuesEditor};
use crate::view::table::{self, Cell, Column, Selection};
use crate::view::text::{number, safe, width, wrap};
use crate::view::{Look, widgets};

/// Draws the lines, the problem under them, and cells before and after.
pub(super) fn draw_field(frame: &mut Frame, area: Rect, app: &App, editing: &FieldEditor, look: &Look) {
    let lines = editing.text.lines();
    let height = (lines.len() + 1).clamp(4, usize::from(area.height) * 2 / 5);
    widgets::rule(frame, area, 0, &format!("edit {}", editing.target), "^S accepts, esc leaves", look);
    let (row, column) = editing.text.cursor();
    let top = (row + 1).saturating_sub(height);
    let room = usize::from(area.width).saturating_sub(2);
    for (at, line) in lines.iter().enumerate().skip(top).take(height) {
        // A line longer than the screen is shifted so that the cursor is seen.
        let shift = if at == row { column.saturating_sub(room.saturating_sub(1)) } else { 0 };
        let shown: String = line.chars().skip(shift).collect();
        widgets::put(frame, area, at - top + 1, &format!(" {shown}"), look.theme.plain(), look);
        if at == row {
            let before: String = line.chars().skip(shift).take(column - shift).collect();
            let x = area.x + 1 + (width(&safe(&before, look)) as u16).min(area.width - 2);
            frame.set_cursor_position((x, area.y + (at - top + 1) as u16));
        }
    }
    draw_completion(frame, area, height + 1, editing, look);
    let used = (height + 2) as u16;
    let below = Rect { y: area.y + used, height: area.height.saturating_sub(used), ..area };
    let mut at = 1;
    match &editing.problem {
        Some(problem) => {
            widgets::rule(frame, below, 0, "this cannot be", "the field stays as it was", look);
            if let Some((sql, from, to)) = &problem.sql {
                at += draw_sql(frame, below, at, sql, (*from, *to), look);
            }
            let place = if problem.line > 0 && problem.sql.is_none() {
                format!("line {}: ", problem.line)
            } else {
                String::new()
            };
            for part in wrap(&format!("{place}{}", problem.message), room, look) {
                widgets::put_safe(frame, below, at, &format!(" {part}"), look.theme.bad());
                at += 1;
            }
        }
        None => {
            let fails = editing.preview.as_ref().map(|preview| {
                let counts = preview.counts.iter().filter(|count| count.field == editing.target);
                (counts.map(|count| count.failed).sum::<u64>(), preview.sampled)
            });
            let right = match fails {
                Some((fails, of)) => format!("{} of {} fail", number(fails), number(of)),
                None => "trying ...".to_owned(),
            };
            widgets::rule(frame, below, 0, "on real rows: failing first, then changed", &right, look);
        }
    }
    let Some(preview) = &editing.preview else { return };
    let personal = editing.is_personal(&app.shared);
    let half = usize::from(area.width) / 2 - 4;
    let columns = [Column::left("", 1), Column::left("", half), Column::left("", 2), Column::left("", half)];
    let rows = sample_cells(preview, &editing.target).into_iter().map(|(mark, before, after)| {
        let style = match mark {
            '!' => look.theme.bad(),
            '~' => look.theme.changed(),
            _ => look.theme.dim(),
        };
        vec![
            Cell::new(mark.to_string(), style),
            Cell::value(before.as_deref(), personal, look.theme.plain(), look),
            Cell::new(look.glyphs.becomes().trim().to_owned(), look.theme.dim()),
            // Why a cell failed holds no value.
            Cell::value(after.as_deref(), personal && mark != '!', style, look),
        ]
    });
    let rest = Rect { y: below.y + at as u16, height: below.height.saturating_sub(at as u16), ..below };
    table::draw_rows(frame, rest, &columns, rows, Selection::None, look);
}

/// What tab puts in, what that means, and what comes after it. The line is there always, so that nothing jumps.
fn draw_completion(frame: &mut Frame, area: Rect, at: usize, editing: &FieldEditor, look: &Look) {
    let completion = &editing.completion;
    let Some(next) = completion.found.get(completion.at) else { return };
    let doc = if next.doc.is_empty() { String::new() } else { format!(" ({})", safe(&next.doc, look)) };
    let mut spans = vec![
        Span::styled(" tab ", look.theme.dim()),
        Span::styled(safe(next.word.trim_end(), look).into_owned(), look.theme.key()),
        Span::styled(doc, look.theme.dim()),
    ];
    let count = completion.found.len();
    for other in (1..count.min(12)).map(|step| &completion.found[(completion.at + step) % count]) {
        spans.push(Span::styled(format!("  {}", safe(other.word.trim_end(), look)), look.theme.dim()));
    }
    widgets::line(frame, area, at, Line::from(spans));
}

/// The expression with the wrong part underlined; answers the rows it took.
fn draw_sql(frame: &mut Frame, area: Rect, at: usize, sql: &str, (from, to): (usize, usize), look: &Look) -> usize {
    let flat: String = sql.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    let before = flat.get(..from).map_or(0, width);
    let marked = flat.get(from..to.max(from + 1).min(flat.len())).map_or(1, width).max(1);
    let room = usize::from(area.width).saturating_sub(4);
    // The part before the place gives way where the expression is too long.
    let shift = (before + marked).saturating_sub(room);
    let shown: String = flat.chars().skip(shift).collect();
    widgets::put(frame, area, at, &format!("  {shown}"), look.theme.plain(), look);
    let pad = " ".repeat(before.saturating_sub(shift) + 2);
    let line = Line::from(vec![Span::raw(pad), Span::styled("^".repeat(marked.min(room)), look.theme.bad())]);
    widgets::line(frame, area, at + 1, line);
    2
}

/// Draws the value map.
pub(super) fn draw_values(frame: &mut Frame, area: Rect, values: &ValuesEditor, personal: bool, look: &Look) {
    let left = format!("values of {}: failing first", values.target);
    widgets::rule(frame, area, 0, &left, &format!("{}  enter sets, q closes", values.list.place()), look);
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if values.rows.is_empty() {
        let words = if values.loading { " counting ... (esc stops)" } else { " no values" };
        widgets::put(frame, body, 0, words, look.theme.dim(), look);
        return;
    }
    let room = usize::from(area.width).saturating_sub(1 + 10 + 6);
    let half = room / 2;
    let columns = [
        Column::left("", 1),
        Column::left("SOURCE VALUE", half),
        Column::right("ROWS", 9),
        Column::left("BECOMES", room - half),
    ];
    let rows = values.list.visible().filter_map(|at| values.rows.get(at)).map(|row| {
        let (mark, style) = match (&row.failed, row.value == row.becomes) {
            (Some(_), _) => ("!", look.theme.bad()),
            (None, false) => ("~", look.theme.changed()),
            (None, true) => (" ", look.theme.plain()),
        };
        let becomes = match &row.failed {
            Some(why) => Cell::new(why.clone(), style),
            None => Cell::value(row.becomes.as_deref(), personal, style, look),
        };
        vec![
            Cell::new(mark, style),
            Cell::value(row.value.as_deref(), personal, look.theme.plain(), look),
            Cell::from(number(row.rows)),
            becomes,
        ]
    });
    table::draw(frame, body, &columns, rows, Selection::Active(values.list.cursor - values.list.top), look);
}
