//! The History screen, drawn.
use crm_core::score::percent;
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::app::App;
use crate::app::screens::history::HistoryScreen;
use crate::view::table::{self, Cell, Column, Selection};
use crate::view::text::{number, size};
use crate::view::{Look, results, widgets};

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
    let room = usize::from(area.width).saturating_sub(23 + 9 + 8 + 9 + 9 + 9 + 9);
    let columns = [
        Column::left("RUN", 22),
        Column::left("STATE", 9),
        Column::left("ENV", 8),
        Column::right("WRITTEN", 9),
        Column::right("REJECTED", 8),
        Column::right("SCORE", 8),
        Column::left("BY", room),
    ];
    let rows = screen.list.visible().filter_map(|at| app.shared.runs.get(at)).map(|run| {
        let sum =
            |pick: fn(&crm_core::plan::Counts) -> u64| run.results.iter().map(|result| pick(&result.counts)).sum();
        let written: u64 = sum(|counts| counts.inserted + counts.updated + counts.deleted + counts.marked);
        let rejected: u64 = sum(|counts| counts.rejected + counts.held);
        vec![
            Cell::from(run.id.clone()),
            Cell::new(run.state.word(), results::state_style(run.state, look)),
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
    widgets::put(frame, area, 0, &format!(" {}{ended}{kept}  by {}", run.started, run.owner), look.theme.dim(), look);
    results::draw(frame, area, 1, run, &screen.rejects, look);
}

#[cfg(test)]
mod tests;
