//! The Map screen, drawn.
mod editor;
mod wide;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::app::App;
use crate::app::msg::Proposal;
use crate::app::screens::map::{FieldRow, MapScreen, SURE, Status, WIDE};
use crate::app::words::covered;
use crate::view::table::{self, Cell, Column, Selection};
use crate::view::text::{number, wrap};
use crate::view::{Look, widgets};

/// Draws the body.
pub fn draw(frame: &mut Frame, area: Rect, app: &App, screen: &MapScreen, look: &Look) {
    if app.shared.mapping().is_none() {
        return unreadable(frame, area, app, look);
    }
    if let Some(editing) = &screen.editor {
        return editor::draw_field(frame, area, app, editing, look);
    }
    if let Some(values) = &screen.values {
        return editor::draw_values(
            frame,
            area,
            values,
            MapScreen::is_personal_target(&values.target, &app.shared),
            look,
        );
    }
    tally(frame, area, app, screen, look);
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if usize::from(area.width) >= WIDE {
        wide::draw(frame, below, app, screen, look);
    } else {
        list(frame, below, app, screen, look);
    }
    let used = screen.targets.page as u16 + 2;
    let rest = Rect { y: area.y + used, height: area.height.saturating_sub(used), ..area };
    evidence(frame, rest, app, screen, look);
}

fn unreadable(frame: &mut Frame, area: Rect, app: &App, look: &Look) {
    let Some(draft) = app.shared.draft() else {
        let words = [
            " This project has no mapping yet.",
            " + begins one between two objects; crm-console init OLD NEW writes a whole project.",
        ];
        for (row, words) in words.iter().enumerate() {
            widgets::put(frame, area, row + 1, words, look.theme.dim(), look);
        }
        return;
    };
    let mut row = 1;
    for problem in &draft.problems {
        let text = format!("{}:{} {}: {}", problem.file.display(), problem.line, problem.field, problem.message);
        for part in wrap(&text, usize::from(area.width).saturating_sub(3), look) {
            widgets::put_safe(frame, area, row, &format!(" ! {part}"), look.theme.bad());
            row += 1;
        }
    }
    widgets::put(frame, area, row + 1, " Mend the file, then f5 reads it again.", look.theme.dim(), look);
}

fn tally(frame: &mut Frame, area: Rect, app: &App, screen: &MapScreen, look: &Look) {
    // A text that cannot be read shows the fields as they were: why stands above them.
    if let Some(problem) = app.shared.draft().and_then(|draft| draft.problems.first()) {
        let text = format!(" ! {}: {} (u undoes)", problem.field, problem.message);
        return widgets::put(frame, area, 0, &text, look.theme.bad(), look);
    }
    let (mapped, failing, required, suggested) = screen.tally(&app.shared);
    let left = screen.left_behind(&app.shared).len();
    let rest = match (&screen.columns, &screen.profile) {
        (None, _) => ", reading the columns ...".to_owned(),
        (_, Some(_)) => format!(", {left} left behind"),
        (_, None) => String::new(),
    };
    let text = format!(
        " {mapped} of {} mapped, {failing} failing, {required} required empty, {suggested} suggested{rest}",
        screen.fields.len()
    );
    let style = if failing + required > 0 { look.theme.warn() } else { look.theme.good() };
    widgets::put(frame, area, 0, &text, style, look);
}

/// Mark of a suggestion, told apart without colour: sure enough to be accepted with the others, or to be looked at.
fn sureness(score: f64) -> char {
    if score >= SURE { '*' } else { '?' }
}

/// Mark of a field in the lists.
fn mark(row: &FieldRow, proposal: Option<&Proposal>) -> String {
    match (row.status, proposal) {
        (Status::Suggested, Some(proposal)) => sureness(proposal.score),
        (status, _) => status.mark(),
    }
    .to_string()
}

/// Style of a field's status.
fn status_style(row: &FieldRow, look: &Look) -> ratatui::style::Style {
    match row.status {
        Status::Fine => look.theme.good(),
        Status::Failing => look.theme.warn(),
        Status::Wrong | Status::Required => look.theme.bad(),
        Status::Suggested => look.theme.changed(),
        Status::Empty => look.theme.dim(),
    }
}

/// A field's status in a word or a number.
fn status_text(row: &FieldRow, app: &App, screen: &MapScreen) -> String {
    let proposal = || screen.proposals_for(&row.target, &app.shared).next();
    match row.status {
        Status::Fine if row.key => "key".into(),
        Status::Fine => "ok".into(),
        Status::Failing => "fails".into(),
        Status::Wrong => "WRONG".into(),
        Status::Required => "REQUIRED".into(),
        Status::Suggested => proposal().map(|one| format!("{:.2}", one.score)).unwrap_or_default(),
        Status::Empty => "-".into(),
    }
}

fn list(frame: &mut Frame, area: Rect, app: &App, screen: &MapScreen, look: &Look) {
    let room = usize::from(area.width);
    let target = (room / 4).clamp(14, 24);
    let source = (room / 4).clamp(14, 26);
    let columns = [
        Column::left("", 1),
        Column::left("TARGET (*=required)", target),
        Column::left("", 2),
        Column::left("SOURCE", source),
        Column::left("TRANSFORM", room.saturating_sub(target + source + 1 + 2 + 6 + 8 + 8)),
        Column::right("FAILS", 6),
        Column::left("STATUS", 8),
    ];
    let rows = screen.targets.visible().filter_map(|at| screen.fields.get(at)).map(|row| {
        let style = status_style(row, look);
        let star = if row.required { " *" } else { "" };
        let proposal = screen.proposals_for(&row.target, &app.shared).next();
        let (from, dim) = match (&row.field, proposal) {
            (None, Some(proposal)) => (format!("{}?", proposal.from), true),
            _ => (row.origin(), row.field.is_none()),
        };
        let transform = match (&row.field, proposal.and_then(|one| one.kind)) {
            (None, Some(kind)) => format!("{kind}?"),
            _ => row.transform(),
        };
        vec![
            Cell::new(mark(row, proposal), style),
            Cell::from(format!("{}{star}", row.target)),
            Cell::new(if row.field.is_some() { "<-" } else { "" }, look.theme.dim()),
            Cell::new(from, if dim { look.theme.dim() } else { look.theme.plain() }),
            Cell::new(transform, look.theme.dim()),
            Cell::new(if row.fails > 0 { number(row.fails) } else { String::new() }, look.theme.warn()),
            Cell::new(status_text(row, app, screen), style),
        ]
    });
    let selection = Selection::Active(screen.targets.cursor - screen.targets.top);
    table::draw(frame, area, &columns, rows, selection, look);
}

/// What is known of the field at the cursor: its problem, its suggestion, its cells before and after.
fn evidence(frame: &mut Frame, area: Rect, app: &App, screen: &MapScreen, look: &Look) {
    let Some(row) = screen.row() else { return };
    let kind = if row.declared.is_empty() { String::new() } else { format!(" {}", row.declared) };
    widgets::rule(frame, area, 0, &format!("{}{kind}", row.target), &screen.targets.place(), look);
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let mut at = 0;
    if let Some(problem) = &row.problem {
        for part in wrap(problem, usize::from(area.width).saturating_sub(3), look) {
            widgets::put_safe(frame, body, at, &format!(" ! {part}"), look.theme.bad());
            at += 1;
        }
    }
    if row.field.is_none() {
        match screen.proposal(&app.shared) {
            Some(proposal) => {
                let count = screen.proposals_for(&row.target, &app.shared).count();
                let more = if count > 1 { format!("  (s: {} others)", count - 1) } else { String::new() };
                let (words, why) = (proposal.words(), proposal.reasons.join(", "));
                let text = format!(" {} {words} {:.2}: {why}{more}", sureness(proposal.score), proposal.score);
                widgets::put(frame, body, at, &text, look.theme.changed(), look);
                let samples = samples(&proposal.from, app, screen, look);
                widgets::put(frame, body, at + 1, &format!("   {samples}"), look.theme.dim(), look);
            }
            None => widgets::put(frame, body, at, " nothing fills it: space links a column", look.theme.dim(), look),
        }
        return;
    }
    let personal = MapScreen::is_personal_target(&row.target, &app.shared);
    for (mark, before, after) in cells(screen, row).into_iter().take(usize::from(body.height).saturating_sub(at)) {
        let half = usize::from(area.width) / 2 - 4;
        let columns = [Column::left("", 1), Column::left("", half), Column::left("", 2), Column::left("", half)];
        let style = match mark {
            '!' => look.theme.bad(),
            '~' => look.theme.changed(),
            _ => look.theme.dim(),
        };
        let cells = vec![
            Cell::new(mark.to_string(), style),
            Cell::value(before.as_deref(), personal, look.theme.plain(), look),
            Cell::new(look.glyphs.becomes().trim().to_owned(), look.theme.dim()),
            // Why a cell failed holds no value.
            Cell::value(after.as_deref(), personal && mark != '!', style, look),
        ];
        let line = Rect { y: body.y + at as u16, height: 1, ..body };
        table::draw_rows(frame, line, &columns, std::iter::once(cells), Selection::None, look);
        at += 1;
    }
}

/// Cells of a field before and after, over the sample: failing ones first, then changed ones, each value once.
fn cells(screen: &MapScreen, row: &FieldRow) -> Vec<(char, Option<String>, Option<String>)> {
    screen.preview.as_ref().map_or_else(Vec::new, |preview| sample_cells(preview, &row.target))
}

/// See [`cells`].
fn sample_cells(preview: &crm_core::workspace::Preview, target: &str) -> Vec<(char, Option<String>, Option<String>)> {
    let Some(field) = preview.after.columns.iter().position(|name| name == target) else { return Vec::new() };
    let source = preview.sources.get(field).and_then(Option::as_deref);
    let before = source.and_then(|source| preview.before.columns.iter().position(|name| name == source));
    let mut seen = std::collections::HashSet::new();
    let mut cells = Vec::new();
    for (at, after) in preview.after.rows.iter().enumerate() {
        let old = before.and_then(|column| preview.before.rows.get(at)?.get(column)?.clone());
        let new = after.get(field).cloned().flatten();
        let failure = preview.failures.iter().find(|failure| failure.row == at && failure.field == field);
        if !seen.insert((old.clone(), new.clone(), failure.is_some())) {
            continue;
        }
        match failure {
            Some(failure) => cells.push((0, '!', old, Some(format!("{}: {}", failure.step, failure.reason)))),
            None if old != new => cells.push((1, '~', old, new)),
            None => cells.push((2, ' ', old, new)),
        }
    }
    cells.sort_by_key(|(order, ..)| *order);
    cells.into_iter().map(|(_, mark, old, new)| (mark, old, new)).collect()
}

/// First values of a source column in a line, masked where they are personal.
fn samples(column: &str, app: &App, screen: &MapScreen, look: &Look) -> String {
    let personal = MapScreen::is_personal_source(column, &app.shared);
    let samples = screen.samples(column).into_iter().map(|value| covered(value, personal, look.revealed));
    samples.collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests;
