//! What a run did, mapping by mapping: shared by the screens that show runs.
use crm_core::journal::{MappingResult, RunRecord, RunState};
use crm_core::migrate::{RecordState, States};
use crm_core::score::{Consistency, percent};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::table::{self, Cell, Column, Selection};
use super::text::{number, wrap};
use super::{Look, widgets};
use crate::app::run_rejects::RunRejects;

/// Draws what a run did, what it says, and what it left out, from a row of `area` on.
pub fn draw(frame: &mut Frame, area: Rect, row: usize, run: &RunRecord, rejects: &RunRejects, look: &Look) {
    let mut row = row;
    for (line, style) in lines(run, look) {
        widgets::put(frame, area, row, &line, style, look);
        row += 1;
    }
    for line in run.note.iter().flat_map(|note| note.lines()) {
        for part in wrap(line, usize::from(area.width).saturating_sub(2), look) {
            widgets::put_safe(frame, area, row, &format!(" {part}"), look.theme.warn());
            row += 1;
        }
    }
    if !run.state.is_final() {
        return;
    }
    widgets::rule(frame, area, row, "rejects and held rows by cause", &rejects.list.place(), look);
    let below = u16::try_from(row + 1).unwrap_or(area.height).min(area.height);
    let body = Rect { y: area.y + below, height: area.height - below, ..area };
    if rejects.causes.is_empty() {
        let words = if rejects.loaded { " none: every row was carried over" } else { " reading ..." };
        widgets::put(frame, body, 0, words, look.theme.dim(), look);
        return;
    }
    let room = usize::from(area.width).saturating_sub(14 + 9 + 9 + 5);
    let columns = [
        Column::left("MAPPING", 14),
        Column::left("KIND", 9),
        Column::right("ROWS", 8),
        Column::left("CAUSE  (enter: rows, e: mend on the map)", room),
    ];
    let rows = rejects.list.visible().filter_map(|at| rejects.causes.get(at)).map(|(mapping, cause)| {
        vec![
            Cell::from(mapping.clone()),
            Cell::new(cause.kind.clone(), look.theme.warn()),
            Cell::from(number(cause.rows.len() as u64)),
            Cell::from(cause.cause.clone()),
        ]
    });
    let selection = Selection::Active(rejects.list.cursor - rejects.list.top);
    table::draw(frame, body, &columns, rows, selection, look);
}

/// Two lines a mapping (what was read and became of it; the target's side and the score), a third if verify found records
/// that are not as planned, then the whole.
pub fn lines(run: &RunRecord, look: &Look) -> Vec<(String, Style)> {
    let mut lines: Vec<(String, Style)> = run.results.iter().flat_map(|result| mapping(result, look)).collect();
    let tallies: Vec<_> = run.results.iter().filter_map(|result| result.tally).collect();
    if !tallies.is_empty() {
        let score = Consistency::of(&tallies);
        let style = if score.mean == Some(1.0) { look.theme.good() } else { look.theme.warn() };
        lines.push((format!(" consistency {}", score.text()), style));
    }
    lines
}

fn mapping(result: &MappingResult, look: &Look) -> Vec<(String, Style)> {
    let counts = &result.counts;
    let parts = [
        (counts.inserted, "inserted"),
        (counts.updated, "updated"),
        (counts.unchanged, "same"),
        (counts.filtered, "filtered"),
        (counts.merged, "merged"),
        (counts.held, "held"),
        (counts.rejected, "rejected"),
    ];
    let shown: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", number(*count)))
        .collect();
    let sum = if shown.is_empty() { "nothing".to_owned() } else { shown.join(" + ") };
    let first = format!(" {}: read {} = {sum}", result.mapping, number(counts.read));
    let score = result.tally.map(|tally| format!(", as planned {}", percent(tally.ratio()))).unwrap_or_default();
    let moved =
        if result.moved > 0 { format!(", {} moved and left alone", number(result.moved)) } else { String::new() };
    let (closes, style) = match (result.published, result.closes) {
        (false, _) => ("not published, as it was", look.theme.warn()),
        (true, true) => ("closes", look.theme.good()),
        (true, false) => ("DOES NOT CLOSE", look.theme.bad()),
    };
    let deleted = if counts.deleted > 0 { format!(" - {} gone", number(counts.deleted)) } else { String::new() };
    let second = format!(
        "   {} {} + {} new{deleted} = {}, {closes}{score}{moved}",
        result.to,
        number(counts.before),
        number(counts.inserted),
        number(counts.after)
    );
    let mut lines = vec![(first, look.theme.plain()), (second, style)];
    lines.extend(result.states.and_then(|states| failing(&states)).map(|line| (line, look.theme.warn())));
    lines
}

/// Records that verify found not as planned, by state; None if there are none.
fn failing(states: &States) -> Option<String> {
    let parts: Vec<String> = states
        .list()
        .into_iter()
        .filter(|(state, records)| *state != RecordState::Validated && *records > 0)
        .map(|(state, records)| format!("{} {}", number(records), state.word()))
        .collect();
    (!parts.is_empty()).then(|| format!("   {} validated, {}", number(states.validated), parts.join(", ")))
}

/// The style of a run's state.
pub fn state_style(state: RunState, look: &Look) -> Style {
    match state {
        RunState::Done => look.theme.good(),
        RunState::Failed | RunState::Crashed => look.theme.bad(),
        RunState::Cancelled | RunState::Stopped | RunState::Paused => look.theme.warn(),
        RunState::Starting | RunState::Running | RunState::Verifying => look.theme.changed(),
    }
}
