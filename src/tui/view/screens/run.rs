//! The Run screen, drawn.
use crm_core::journal::{RunRecord, RunState};
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::app::App;
use crate::app::screens::run::RunScreen;
use crate::view::text::{number, percent};
use crate::view::{Look, results, widgets};

/// Draws the body.
pub fn draw(frame: &mut Frame, area: Rect, app: &App, screen: &RunScreen, look: &Look) {
    let Some(run) = &app.shared.run else {
        let words = [" No run yet.", " p makes a plan; from the plan M starts a run. It goes on without this screen."];
        for (row, words) in words.iter().enumerate() {
            widgets::put(frame, area, row + 1, words, look.theme.dim(), look);
        }
        return;
    };
    let ended = run.ended.as_ref().map(|ended| format!(" to {ended}")).unwrap_or_default();
    widgets::put(frame, area, 0, &format!(" {}{ended}  by {}", run.started, run.owner), look.theme.dim(), look);
    let first = if run.state.is_final() {
        let style = results::state_style(run.state, look);
        widgets::put(frame, area, 1, &format!(" {}", run.state.word()), style, look);
        2
    } else {
        progress(frame, area, run, look);
        4
    };
    results::draw(frame, area, first, run, &screen.rejects, look);
}

fn progress(frame: &mut Frame, area: Rect, run: &RunRecord, look: &Look) {
    let progress = &run.progress;
    let total = progress.total.map(|total| format!(" of {}", number(total))).unwrap_or_default();
    let paused = if run.state == RunState::Paused { "paused, R goes on: " } else { "" };
    let line = format!(" {paused}{}  {}{total}", progress.step, number(progress.done));
    widgets::put(frame, area, 1, &line, look.theme.title(), look);
    let share = progress.total.filter(|total| *total > 0).map(|total| progress.done as f64 / total as f64);
    let room = usize::from(area.width).saturating_sub(44);
    let bar = share.map_or(String::new(), |share| format!("{} {}", widgets::bar(share, room, look), percent(share)));
    let rate = if run.rate > 0.0 { format!("  {} rows/s", number(run.rate as u64)) } else { String::new() };
    let limit = run.limit.map(|limit| format!("  limit {}", number(limit))).unwrap_or_default();
    let workers = run.workers.map(|workers| format!("  {workers} workers")).unwrap_or_default();
    let rate = format!("{rate}{limit}{workers}");
    let eta = RunScreen::eta(run).map_or(String::new(), |eta| format!("  {} to go", duration(eta)));
    widgets::put(frame, area, 2, &format!(" {bar}{rate}{eta}"), look.theme.plain(), look);
}

/// `1h02m`, `3m07s`, `12s`.
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests;
