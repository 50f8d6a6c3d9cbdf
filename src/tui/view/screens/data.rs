//! The Data screen, drawn.
use crm_core::table::profile::ColumnProfile;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::App;
use crate::app::screens::data::{BESIDE, DataScreen, PANE_COLUMNS, PANE_ROWS};
use crate::view::table::{self, Cell, Column, Selection};
use crate::view::text::{self, fit, fit_right, fit_safe, fit_safe_right};
use crate::view::{Look, widgets};

/// Draws the body.
pub fn draw(frame: &mut Frame, area: Rect, app: &App, screen: &DataScreen, look: &Look) {
    if screen.open.is_none() {
        return objects(frame, area, screen, look);
    }
    if !screen.describe {
        return rows(frame, area, app, screen, look);
    }
    if usize::from(area.width) >= BESIDE {
        let pane = u16::try_from(PANE_COLUMNS).unwrap_or(0);
        rows(frame, Rect { width: area.width - pane, ..area }, app, screen, look);
        describe(frame, Rect { x: area.x + area.width - pane, width: pane, ..area }, app, screen, look);
    } else {
        let pane = u16::try_from(PANE_ROWS).unwrap_or(0).min(area.height / 2);
        rows(frame, Rect { height: area.height - pane, ..area }, app, screen, look);
        describe(frame, Rect { y: area.y + area.height - pane, height: pane, ..area }, app, screen, look);
    }
}

fn objects(frame: &mut Frame, area: Rect, screen: &DataScreen, look: &Look) {
    if screen.entries.is_empty() {
        widgets::put(frame, area, 1, " listing the objects of all platforms ...", look.theme.dim(), look);
        return;
    }
    let room = usize::from(area.width).saturating_sub(16 + 10 + 13 + 13 + 6);
    let columns = [
        Column::left("PLATFORM", 16),
        Column::left("KIND", 10),
        Column::left("OBJECT", room),
        Column::right("ROWS", 13),
        Column::right("BYTES", 13),
    ];
    let number = |number: Option<u64>| number.map_or_else(|| "-".into(), text::number);
    let lines = screen.list.visible().filter_map(|entry| screen.entries.get(entry)).map(|(platform, object)| {
        let platform = &screen.platforms[*platform];
        let mut cells: Vec<Cell> = vec![platform.platform.clone().into(), platform.kind.clone().into()];
        match (&platform.objects, object) {
            (Ok(objects), Some(object)) => {
                let info = &objects[*object];
                cells.push(info.name.clone().into());
                cells.push(number(info.rows).into());
                cells.push(number(info.bytes).into());
            }
            // Why it cannot be listed is written across the columns below.
            (Err(_), _) => {}
            (Ok(_), None) => cells.push(Cell::new("nothing in it yet", look.theme.dim())),
        }
        cells
    });
    let selection = Selection::Active(screen.list.cursor - screen.list.top);
    table::draw(frame, area, &columns, lines, selection, look);
    for (row, entry) in screen.list.visible().enumerate() {
        let platform = screen.entries.get(entry).map(|(platform, _)| &screen.platforms[*platform]);
        if let Some(Err(error)) = platform.map(|platform| &platform.objects) {
            let words: Vec<&str> = error.what().lines().chain(error.advice()).map(str::trim).collect();
            let right = area.width.min(29);
            let place = Rect { x: area.x + right, width: area.width - right, ..area };
            widgets::put(frame, place, row + 1, &words.join(": "), look.theme.bad(), look);
        }
    }
}

fn rows(frame: &mut Frame, area: Rect, app: &App, screen: &DataScreen, look: &Look) {
    let grid = &screen.grid;
    if grid.is_loading() {
        widgets::put(frame, area, 1, " reading ... (esc stops)", look.theme.dim(), look);
        return;
    }
    if grid.window.total == 0 {
        widgets::put(frame, area, 1, " no rows: the object has its columns only", look.theme.dim(), look);
    }
    let names = &grid.window.columns;
    let personal: Vec<bool> =
        grid.shown.iter().map(|(column, _)| screen.is_personal(&names[*column], &app.shared)).collect();
    let numbers = grid.number_width();
    let mut heading = vec![Span::raw(format!(" {} ", " ".repeat(numbers)))];
    for (column, width) in &grid.shown {
        let style = if *column == grid.column { look.theme.selected() } else { look.theme.title() };
        heading.push(Span::styled(fit(&names[*column], *width, look), style));
        heading.push(Span::raw(" "));
    }
    widgets::line(frame, area, 0, Line::from(heading));
    for (at, row) in grid.list.visible().enumerate() {
        let chosen = row == grid.list.cursor;
        let mark = if chosen { ">" } else { " " };
        let mut spans = vec![
            Span::raw(mark),
            Span::styled(fit_right(&(row + 1).to_string(), numbers, look), look.theme.dim()),
            Span::raw(" "),
        ];
        match grid.cells(row) {
            None => spans.push(Span::styled("...", look.theme.dim())),
            Some(cells) => {
                for (&(column, width), personal) in grid.shown.iter().zip(&personal) {
                    let cell = cells.get(column).and_then(Option::as_deref);
                    let value = text::value(cell, *personal, look);
                    let mut style = if cell.is_none() { look.theme.dim() } else { look.theme.plain() };
                    if chosen && column == grid.column {
                        style = style.patch(look.theme.selected());
                    } else if chosen {
                        style = style.patch(look.theme.marked());
                    }
                    let number = screen
                        .profile
                        .as_ref()
                        .and_then(|profile| profile.columns.get(column))
                        .is_some_and(|profile| matches!(profile.r#type.as_str(), "integer" | "decimal"));
                    let text = if number { fit_safe_right(&value, width, look) } else { fit_safe(&value, width, look) };
                    spans.push(Span::styled(text, style));
                    spans.push(Span::raw(" "));
                }
            }
        }
        widgets::line(frame, area, at + 1, Line::from(spans));
    }
}

fn describe(frame: &mut Frame, area: Rect, app: &App, screen: &DataScreen, look: &Look) {
    let name = screen.grid.column_name().unwrap_or_default();
    widgets::rule(frame, area, 0, &format!("column {name}"), "tab closes", look);
    let Some(profile) = screen.column_profile() else {
        widgets::put(frame, area, 1, " describing ... (esc stops)", look.theme.dim(), look);
        return;
    };
    let personal = screen.is_personal(name, &app.shared);
    let rows = screen.profile.as_ref().map_or(0, |all| all.rows);
    let lines = profile_lines(profile, rows, personal, usize::from(area.width), look);
    for (row, (warning, line)) in lines.into_iter().enumerate().take(usize::from(area.height).saturating_sub(1)) {
        let style = if warning { look.theme.warn() } else { look.theme.plain() };
        widgets::put_safe(frame, area, row + 1, &line, style);
    }
}

/// A column's profile as lines, warnings first: they are why an operator looks.
fn profile_lines(profile: &ColumnProfile, rows: u64, personal: bool, room: usize, look: &Look) -> Vec<(bool, String)> {
    let show = |value: &str| text::value(Some(value), personal, look);
    let mut lines: Vec<(bool, String)> = Vec::new();
    for warning in &profile.warnings {
        for part in text::wrap(warning, room.saturating_sub(4), look) {
            lines.push((true, format!(" ! {part}")));
        }
    }
    let meaning =
        if profile.semantic.is_empty() { String::new() } else { format!(", looks like {}", profile.semantic) };
    let empty = profile.nulls + profile.blanks;
    let filled = if rows == 0 { 0.0 } else { (rows - empty.min(rows)) as f64 / rows as f64 };
    lines.push((false, format!(" {}{meaning}", profile.r#type)));
    lines.push((
        false,
        format!(
            " filled {}   NULL {}   blank {}",
            text::percent(filled),
            text::number(profile.nulls),
            text::number(profile.blanks)
        ),
    ));
    let about = if profile.distinct_estimated { "about " } else { "" };
    lines.push((
        false,
        format!(
            " distinct {about}{}   length {}..{}",
            text::number(profile.distinct),
            profile.min_length,
            profile.max_length
        ),
    ));
    if let (Some(min), Some(max)) = (&profile.min, &profile.max) {
        lines.push((false, format!(" from {} to {}", show(min), show(max))));
    }
    let list = |items: &[(String, u64)], show: &dyn Fn(&str) -> String| -> String {
        items
            .iter()
            .map(|(value, count)| format!("{} ({})", show(value), text::number(*count)))
            .collect::<Vec<_>>()
            .join("  ")
    };
    lines.push((false, format!(" top      {}", list(&profile.top, &show))));
    lines.push((
        false,
        format!(" patterns {}", list(&profile.patterns, &|pattern| text::value(Some(pattern), false, look))),
    ));
    lines
}

#[cfg(test)]
mod tests;
