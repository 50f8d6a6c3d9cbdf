//! Small pictures in characters: sparklines over time, gauges with their thresholds, the histogram of lags.
use crm_core::journal::sync::{LaneStatus, ScoreLine};
use crm_core::project::words_of;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::screens::sync::SyncScreen;
use crate::app::sync::{LAGS, short};
use crate::view::text::{fit, number, percent};
use crate::view::{Look, widgets};

/// Share on time below which it is marked.
pub(super) const ON_TIME_GOAL: f64 = 0.95;
/// Rows of all of it.
pub(super) const ROWS: u16 = 14;
/// Windows of the sparklines, in milliseconds.
pub(super) const HOUR: i64 = 3_600_000;
const FIVE: i64 = 300_000;
/// Cells of a label.
const LABEL: usize = 17;

/// A piece of a sparkline.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Piece {
    /// Nothing was noted.
    Unknown,
    /// Nothing happened.
    Idle,
    /// The worst number that was noted.
    Noted(f64),
}

/// The last `span` in `room` pieces: of each the worst number by `pick`. `worse` says which of two is worse.
fn pieces(
    scores: &[ScoreLine],
    (now, span): (i64, i64),
    room: usize,
    pick: impl Fn(&ScoreLine) -> Option<f64>,
    worse: fn(f64, f64) -> f64,
) -> Vec<Piece> {
    let mut found = vec![Piece::Unknown; room];
    for line in scores {
        let age = now - line.at;
        if !(0..span).contains(&age) || room == 0 {
            continue;
        }
        let at = room - 1 - ((age as f64 / span as f64) * room as f64) as usize;
        found[at] = match (found[at], pick(line)) {
            (Piece::Noted(old), Some(new)) => Piece::Noted(worse(old, new)),
            (_, Some(new)) => Piece::Noted(new),
            (Piece::Unknown, None) => Piece::Idle,
            (old, None) => old,
        };
    }
    found
}

/// A sparkline: a blank where nothing was noted, a dot where nothing happened.
fn spark(pieces: &[Piece], most: f64, look: &Look) -> String {
    let bar = |value: f64| look.glyphs.spark(((value / most).clamp(0.0, 1.0) * 7.0).round() as usize);
    let one = |piece: &Piece| match piece {
        Piece::Unknown => " ",
        Piece::Idle => look.glyphs.idle(),
        Piece::Noted(value) => bar(*value),
    };
    pieces.iter().map(one).collect()
}

/// Timeliness over a span, the worst of each piece.
pub(super) fn timely(scores: &[ScoreLine], now: i64, span: i64, room: usize, look: &Look) -> String {
    spark(&pieces(scores, (now, span), room, |line| line.timely.mean, f64::min), 1.0, look)
}

/// A bar filled to `share` with a mark at `limit`, both of 0 to 1.
pub(super) fn gauge(share: f64, limit: f64, room: usize, look: &Look) -> String {
    let done = ((share.clamp(0.0, 1.0) * room as f64).floor() as usize).min(room);
    let mark = ((limit.clamp(0.0, 1.0) * room as f64).round() as usize).min(room.saturating_sub(1));
    (0..room)
        .map(|at| match at {
            at if at == mark => look.glyphs.bar(),
            at if at < done => look.glyphs.full(),
            _ => look.glyphs.empty(),
        })
        .collect()
}

/// Draws all of a mapping's pictures.
pub(super) fn draw(frame: &mut Frame, area: Rect, lane: &LaneStatus, screen: &SyncScreen, now: i64, look: &Look) {
    let scores = screen.scores.get(&lane.mapping).map(Vec::as_slice).unwrap_or_default();
    let room = usize::from(area.width).saturating_sub(LABEL + 14).min(72);
    let mut row = 0;
    let mut put = |frame: &mut Frame, label: &str, picture: &str, words: &str, style: Style| {
        widgets::put_safe(frame, area, row, &format!(" {}{picture} {words}", fit(label, LABEL, look)), style);
        row += 1;
    };
    let plain = look.theme.plain();
    let goal = lane.recent.on_time;
    let style = if goal.is_some_and(|share| share < ON_TIME_GOAL) { look.theme.bad() } else { plain };
    let words = goal.map_or_else(|| "idle".to_owned(), percent);
    let bar = gauge(goal.unwrap_or(0.0), ON_TIME_GOAL, room, look);
    put(frame, &format!("on time > {:.0} %", ON_TIME_GOAL * 100.0), &bar, &words, style);
    // Three quarters of the bar are the budget: what is beyond it can be seen.
    let age = lane.oldest.map_or(0, |oldest| (now - oldest).max(0));
    let share = if lane.freshness == 0 { 0.0 } else { age as f64 / lane.freshness as f64 * 0.75 };
    let style = if lane.is_late(now) { look.theme.bad() } else { plain };
    let words = lane.oldest.map_or_else(|| "none".to_owned(), |_| short(age.unsigned_abs()));
    put(
        frame,
        &format!("oldest < {}", words_of(std::time::Duration::from_millis(lane.freshness))),
        &gauge(share, 0.75, room, look),
        &words,
        style,
    );
    let mean = |mean: Option<f64>| mean.map_or_else(|| "idle".to_owned(), |mean| format!("{mean:.2}"));
    put(frame, "timely 5 min", &timely(scores, now, FIVE, room.min(30), look), &mean(lane.recent.mean), plain);
    let lowest = scores.iter().filter_map(|line| line.timely.mean).min_by(f64::total_cmp);
    let words = lowest.map_or_else(|| "idle".to_owned(), |low| format!("low {low:.2}"));
    put(frame, "timely 1 h", &timely(scores, now, HOUR, room, look), &words, plain);
    let most = |pick: fn(&ScoreLine) -> f64| scores.iter().map(pick).fold(0.0_f64, f64::max);
    let rate = |line: &ScoreLine| line.rate;
    let top = most(rate);
    let found = pieces(scores, (now, HOUR), room, |line| (line.rate > 0.0).then_some(line.rate), f64::max);
    put(frame, "events/s 1 h", &spark(&found, top.max(0.1), look), &format!("max {top:.1}"), plain);
    let waits = |line: &ScoreLine| line.pending as f64;
    let top = most(waits);
    let pick = |line: &ScoreLine| (line.pending > 0).then_some(line.pending as f64);
    let found = pieces(scores, (now, HOUR), room, pick, f64::max);
    put(frame, "pending 1 h", &spark(&found, top.max(1.0), look), &format!("max {}", number(top as u64)), plain);
    let Some((_, counts)) = screen.lags.as_ref().filter(|(mapping, _)| *mapping == lane.mapping) else { return };
    let all: u64 = counts.iter().sum();
    if all == 0 {
        return put(frame, "lags 5 min", "none: nothing was written", "", look.theme.dim());
    }
    let top = counts.iter().copied().max().unwrap_or(1).max(1);
    // Only from the first to the last that holds any.
    let first = counts.iter().position(|count| *count > 0).unwrap_or(0);
    let last = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
    for (at, count) in counts.iter().enumerate().take(last + 1).skip(first) {
        let label = match LAGS.get(at) {
            Some(bound) => format!("lag <= {}", short(*bound)),
            None => format!("lag > {}", LAGS.last().map_or_else(String::new, |bound| short(*bound))),
        };
        let cells = if *count == 0 { 0 } else { ((*count as f64 / top as f64) * room as f64).ceil() as usize };
        let bar = format!("{:<room$}", look.glyphs.full().repeat(cells));
        put(frame, &label, &bar, &number(*count), plain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Palette;

    fn line(at: i64, mean: Option<f64>) -> ScoreLine {
        let timely = crm_core::score::Timeliness { mean, ..crm_core::score::Timeliness::default() };
        ScoreLine { at, tally: None, pending: 0, timely, rate: 0.0 }
    }

    #[test]
    fn a_sparkline_shows_the_worst_of_each_piece_and_tells_idle_from_unknown() {
        let look = Look::new(Palette::None, true);
        let now = 1_000;
        let scores =
            [line(0, Some(1.0)), line(610, None), line(810, Some(1.0)), line(990, Some(0.0)), line(995, Some(1.0))];
        assert_eq!(timely(&scores, now, 1_000, 5, &look), "   ._");
        assert_eq!(timely(&[line(900, Some(1.0))], now, 1_000, 5, &look), "    #");
        assert_eq!(timely(&scores, now, 1_000, 0, &look), "");
    }

    #[test]
    fn a_gauge_has_its_threshold_whatever_its_share() {
        let look = Look::new(Palette::None, true);
        assert_eq!(gauge(0.5, 0.75, 8, &look), "####..|.");
        assert_eq!(gauge(7.0, 0.75, 8, &look), "######|#");
        assert_eq!(gauge(0.0, 1.0, 4, &look), "...|");
    }
}
