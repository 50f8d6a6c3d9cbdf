//! The Clean screen, drawn.
use crm_core::map::Fate;
use crm_core::project::Field;
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::app::App;
use crate::app::screens::clean::{BESIDE, CellPair, CleanScreen, steps};
use crate::view::table::{self, Cell, Column, Selection};
use crate::view::text::{self, number, value};
use crate::view::{Look, widgets};

/// Draws the body.
pub fn draw(frame: &mut Frame, area: Rect, app: &App, screen: &CleanScreen, look: &Look) {
    let Some(mapping) = app.shared.mapping() else {
        let words = [
            " There is no mapping to clean yet.",
            " crm-console init OLD NEW writes a first one; problems of the files are on the Map screen (2).",
        ];
        for (row, words) in words.iter().enumerate() {
            widgets::put(frame, area, row + 1, words, look.theme.dim(), look);
        }
        return;
    };
    if usize::from(area.width) >= BESIDE {
        let left = area.width * 9 / 20;
        fields(frame, Rect { width: left, ..area }, &mapping.fields, screen, look);
        let right = Rect { x: area.x + left + 1, width: area.width - left - 1, ..area };
        cells(frame, right, app, &mapping.fields, screen, look);
    } else {
        let height = u16::try_from(screen.fields.page + 1).unwrap_or(area.height).min(area.height);
        fields(frame, Rect { height, ..area }, &mapping.fields, screen, look);
        let below = Rect { y: area.y + height, height: area.height - height, ..area };
        cells(frame, below, app, &mapping.fields, screen, look);
    }
}

fn selection(list: &crate::app::list::ListState, active: bool) -> Selection {
    let row = list.cursor - list.top;
    if active { Selection::Active(row) } else { Selection::Inactive(row) }
}

fn fields(frame: &mut Frame, area: Rect, all: &[Field], screen: &CleanScreen, look: &Look) {
    let name = usize::from(area.width / 4).clamp(12, 24);
    let columns = [
        Column::left("FIELD", name),
        Column::left("STEPS", usize::from(area.width).saturating_sub(name + 9 + 8 + 5)),
        Column::right("CHANGED", 9),
        Column::right("FAILED", 8),
    ];
    let rows = screen.fields.visible().filter_map(|at| all.get(at)).map(|field| {
        let (changed, failed) = screen.counts(&field.target);
        let count = |count: u64| if screen.preview.is_some() { number(count) } else { "-".into() };
        vec![
            Cell::from(field.target.clone()),
            Cell::new(steps(field), look.theme.dim()),
            Cell::new(count(changed), if changed > 0 { look.theme.changed() } else { look.theme.dim() }),
            Cell::new(count(failed), if failed > 0 { look.theme.bad() } else { look.theme.dim() }),
        ]
    });
    table::draw(frame, area, &columns, rows, selection(&screen.fields, !screen.in_cells), look);
}

fn cells(frame: &mut Frame, area: Rect, app: &App, all: &[Field], screen: &CleanScreen, look: &Look) {
    let Some(field) = screen.field(all) else { return };
    let from = screen.skip + screen.cells.cursor as u64 + 1;
    let right = if screen.preview.is_some() { format!("{}: {from}", screen.rows.word()) } else { String::new() };
    widgets::rule(frame, area, 0, &format!("{}: {}", field.target, steps(field)), &right, look);
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if !screen.problems.is_empty() {
        let mut row = 0;
        for problem in &screen.problems {
            for part in text::wrap(problem, usize::from(area.width).saturating_sub(3), look) {
                widgets::put_safe(frame, body, row, &format!(" ! {part}"), look.theme.bad());
                row += 1;
            }
        }
        widgets::put(frame, body, row + 1, " Mend it on the Map screen (enter).", look.theme.dim(), look);
        return;
    }
    let Some(preview) = &screen.preview else {
        widgets::put(frame, body, 0, " reading a sample ... (esc stops)", look.theme.dim(), look);
        return;
    };
    let reasons: Vec<String> = preview
        .reasons
        .iter()
        .filter(|(name, ..)| *name == field.target)
        .map(|(_, reason, rows)| format!("! {} rows: {reason}", number(*rows)))
        .collect();
    let shown = reasons.len().min(usize::from(body.height) / 4);
    for (row, reason) in reasons.iter().take(shown).enumerate() {
        widgets::put(frame, body, row, &format!(" {reason}"), look.theme.bad(), look);
    }
    let list = Rect { y: body.y + shown as u16, height: body.height.saturating_sub(shown as u16), ..body };
    let pairs = screen.pairs();
    if pairs.is_empty() {
        widgets::put(
            frame,
            list,
            0,
            &format!(" none: f shows other rows than {}", screen.rows.word()),
            look.theme.dim(),
            look,
        );
        return;
    }
    let room = usize::from(area.width).saturating_sub(1 + 9 + 2 + 4);
    let (before, after) = (room * 2 / 5, room - room * 2 / 5);
    let columns =
        [Column::right("ROW", 8), Column::left("", 1), Column::left("BEFORE", before), Column::left("AFTER", after)];
    let personal = app.shared.personal.target(app.shared.mapping_name(), &field.target);
    let height = usize::from(list.height).saturating_sub(1);
    let top = screen.cells.top.max((screen.cells.cursor + 1).saturating_sub(height));
    let rows = pairs.iter().skip(top).map(|pair| cell_row(pair, personal, look));
    let chosen = screen.cells.cursor.saturating_sub(top);
    let selection = if screen.in_cells { Selection::Active(chosen) } else { Selection::Inactive(chosen) };
    table::draw(frame, list, &columns, rows, selection, look);
}

fn cell_row(pair: &CellPair<'_>, personal: bool, look: &Look) -> Vec<Cell> {
    let show = |cell: Option<&str>| value(cell, personal, look);
    let (mark, style) = match (pair.failure, pair.is_changed()) {
        (Some(_), _) => ("!", look.theme.bad()),
        (None, true) => ("~", look.theme.changed()),
        (None, false) => (" ", look.theme.plain()),
    };
    let mut after = match pair.fate {
        Fate::Filtered => "(filtered)".to_owned(),
        Fate::Unknown => "(held: where is unknown)".to_owned(),
        Fate::Tombstone => "(deleted in the source)".to_owned(),
        Fate::Accepted | Fate::Rejected => show(pair.after),
    };
    if let Some(failure) = pair.failure {
        after = text::safe(&format!("{}: {}", failure.step, failure.reason), look).into_owned();
    }
    let place = pair.line.map_or_else(|| (pair.ordinal + 1).to_string(), |line| format!("L{line}"));
    vec![
        Cell::new(place, look.theme.dim()),
        Cell::new(mark, style),
        Cell::safe(show(pair.before), if pair.before.is_none() { look.theme.dim() } else { look.theme.plain() }),
        Cell::safe(after, if pair.after.is_none() && pair.failure.is_none() { look.theme.dim() } else { style }),
    ]
}

#[cfg(test)]
mod tests;
