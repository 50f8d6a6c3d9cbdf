//! The History screen, drawn.
use crm_core::score::percent;
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::app::App;
use crate::app::screens::history::HistoryScreen;
use crate::view::table::{self, Cell, Column, Selection};
use crate::view::text::{number, size};
use crate::view::{Look, results, widgets};

/// Cells for what a run was for: a word (`incremental`), or with what it is about (`revert of 20261123-091500-7f3ac2`).
const WORD: usize = 11;
const ABOUT: usize = 32;
/// Cells that are worth beginning with who ran it.
const LEAST_BY: usize = 8;

/// Draws the body.
pub fn draw(frame: &mut Frame, area: Rect, app: &App, screen: &HistoryScreen, look: &Look) {
    if screen.open.is_some() {
        one(frame, area, app, screen, look);
    } else if app.shared.runs.is_empty() {
        let words = [" No runs yet.", " p makes a plan; from the plan M starts the first run."];
        for (row, words) in words.iter().enumerate() {
            widgets::put(frame, area, row + 1, words, look.theme.dim(), look);
        }
    } else {
        list(frame, area, app, screen, look);
    }
}

fn list(frame: &mut Frame, area: Rect, app: &App, screen: &HistoryScreen, look: &Look) {
    // What is left beside the columns that are always there; the last cell needs no gap behind it.
    let room = usize::from(area.width).saturating_sub(1 + 23 + 10 + 12 + 8 + 10 + 9 + 7);
    // Where there is room, a run says which run or plan it was about; else only what it did with it.
    let whole = room >= ABOUT - WORD + LEAST_BY;
    let by = if whole { room - (ABOUT - WORD) } else { room };
    let mut columns = vec![
        Column::left("RUN", 22),
        Column::left("STATE", 9),
        Column::left("FOR", if whole { ABOUT } else { WORD }),
        Column::left("ENV", 7),
        Column::right("WRITTEN", 9),
        Column::right("REJECTED", 8),
        Column::right("SCORE", 7),
    ];
    if by >= LEAST_BY {
        columns.push(Column::left("BY", by - 1));
    }
    let rows = screen.list.visible().filter_map(|at| app.shared.runs.get(at)).map(|run| {
        let sum =
            |pick: fn(&crm_core::plan::Counts) -> u64| run.results.iter().map(|result| pick(&result.counts)).sum();
        let written: u64 = sum(|counts| counts.inserted + counts.updated + counts.deleted + counts.marked);
        let rejected: u64 = sum(|counts| counts.rejected + counts.held);
        vec![
            Cell::from(run.id.clone()),
            Cell::new(run.state.word(), results::state_style(run.state, look)),
            Cell::from(match &run.intent {
                Some(_) if whole => run.purpose_words(),
                Some(intent) => intent.word().to_owned(),
                None => String::new(),
            }),
            Cell::from(run.env.clone().unwrap_or_default()),
            Cell::from(number(written)),
            Cell::new(number(rejected), if rejected > 0 { look.theme.warn() } else { look.theme.plain() }),
            Cell::from(percent(run.consistency)),
            Cell::new(run.owner.clone(), look.theme.dim()),
        ]
    });
    table::draw(frame, area, &columns, rows, Selection::Active(screen.list.cursor - screen.list.top), look);
}

fn one(frame: &mut Frame, area: Rect, app: &App, screen: &HistoryScreen, look: &Look) {
    let Some(run) = screen.run(&app.shared) else { return };
    let ended = run.ended.as_ref().map(|ended| format!(" to {ended}")).unwrap_or_default();
    let kept = screen.kept.as_ref().filter(|(id, bytes)| *id == run.id && *bytes > 0);
    let kept = kept.map(|(_, bytes)| format!("  {} kept to revert it", size(*bytes))).unwrap_or_default();
    let purpose = run.purpose_words();
    let purpose = if purpose.is_empty() { "not known".to_owned() } else { purpose };
    widgets::put(frame, area, 0, &format!(" For: {purpose}"), look.theme.plain(), look);
    widgets::put(frame, area, 1, &format!(" {}{ended}{kept}  by {}", run.started, run.owner), look.theme.dim(), look);
    results::draw(frame, area, 2, run, &screen.rejects, look);
}

#[cfg(test)]
mod tests;
