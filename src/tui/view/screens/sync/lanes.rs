//! The table of mappings: one row each, more columns where there is room.
use crm_core::journal::sync::{LaneState, LaneStatus};
use crm_core::project::Direction;
use crm_core::score::percent;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::charts;
use crate::app::App;
use crate::app::screens::sync::SyncScreen;
use crate::app::sync::{clock, short, silent_until};
use crate::view::Look;
use crate::view::table::{self, Cell, Column, Selection};
use crate::view::text::number;

/// A column beyond the ones that are always there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum More {
    OnTime,
    Consistent,
    P50,
    P99,
    Max,
    Audit,
    Cycle,
    Trigger,
}

/// In the order in which they are added, with their widths.
const MORE: [(More, &str, usize); 8] = [
    (More::OnTime, "ON TIME", 8),
    (More::Consistent, "CONSIST.", 8),
    (More::P99, "p99", 6),
    (More::P50, "p50", 6),
    (More::Max, "max", 6),
    (More::Audit, "AUDIT", 11),
    (More::Cycle, "CYCLE", 6),
    (More::Trigger, "TRIGGER", 42),
];
/// Cells that the history is given before columns are added.
const SPARK: usize = 9;

pub(super) fn draw(frame: &mut Frame, area: Rect, app: &App, screen: &SyncScreen, look: &Look) {
    let room = usize::from(area.width);
    let names = app.shared.sync.lanes.iter().map(|lane| lane.mapping.chars().count()).max().unwrap_or(0);
    let name = if room < 72 { 8 } else { names.clamp(10, 10 + room.saturating_sub(80) / 4) };
    let mut columns = vec![
        Column::left("", 1),
        Column::left("MAPPING", name),
        Column::left("DIR", 3),
        Column::left("STATE", 8),
        Column::right("OLDEST", 6),
        Column::right("p95", 6),
        Column::right("/s", 4),
        Column::right("PEND", 6),
        Column::right("CONF", 4),
        Column::right("REJ", 4),
        Column::right("TIMELY", 6),
    ];
    if room < 72 {
        // What is left out is told below the table, and by the glyph.
        columns.truncate(8);
    }
    let used = |columns: &[Column]| columns.iter().map(|column| column.width + 1).sum::<usize>() + 1;
    let mut more = Vec::new();
    for (which, title, wide) in MORE {
        if used(&columns) + wide + 1 + SPARK < room {
            more.push(which);
            columns.push(if which == More::Trigger { Column::left(title, wide) } else { Column::right(title, wide) });
        }
    }
    let spark = room.saturating_sub(used(&columns) + 1).min(60);
    if spark >= 6 {
        columns.push(Column::left("last 1 h", spark));
    }
    let always = columns.len() - more.len() - usize::from(spark >= 6);
    let now = app.shared.sync.now;
    let rows = screen.lanes.visible().filter_map(|at| app.shared.sync.lanes.get(at)).map(|lane| {
        let mut cells = row(lane, now, SyncScreen::is_dead(&app.shared), look);
        cells.truncate(always);
        cells.extend(more.iter().map(|which| extra(*which, lane, now)));
        let scores = screen.scores.get(&lane.mapping).map(Vec::as_slice).unwrap_or_default();
        cells.push(Cell::from(charts::timely(scores, now, charts::HOUR, spark, look)));
        cells
    });
    let at = screen.lanes.cursor.saturating_sub(screen.lanes.top);
    let selection = if screen.in_list { Selection::Inactive(at) } else { Selection::Active(at) };
    table::draw(frame, area, &columns, rows, selection, look);
}

/// A state's word, loud where somebody must look.
pub(super) fn state_word(lane: &LaneStatus) -> String {
    match lane.state {
        LaneState::Stuck | LaneState::Held => lane.state.word().to_uppercase(),
        state => state.word().to_owned(),
    }
}

/// What is to be seen without a colour: `!` an alarm, `z` one that is silenced, `x` the loop is dead, `=` paused, `+` well.
fn glyph(lane: &LaneStatus, now: i64, dead: bool, look: &Look) -> (&'static str, Style) {
    let alarm = !lane.alarms(now).is_empty();
    match (dead, alarm, lane.state) {
        (true, ..) => ("x", look.theme.bad()),
        (_, true, _) if silent_until(lane, now).is_some() => ("z", look.theme.warn()),
        (_, true, _) => ("!", look.theme.bad()),
        (_, _, LaneState::Paused) => ("=", look.theme.warn()),
        (_, _, LaneState::Starting) => (" ", look.theme.plain()),
        _ => ("+", look.theme.good()),
    }
}

fn row(lane: &LaneStatus, now: i64, dead: bool, look: &Look) -> Vec<Cell> {
    let (mark, style) = glyph(lane, now, dead, look);
    let span = |millis: Option<u64>| millis.map_or_else(|| "-".to_owned(), short);
    let oldest = lane.oldest.map(|oldest| (now - oldest).max(0).unsigned_abs());
    let flag = |count: u64, style: Style| Cell::new(number(count), if count > 0 { style } else { look.theme.plain() });
    let late = if lane.is_late(now) { look.theme.bad() } else { look.theme.plain() };
    vec![
        Cell::new(mark, style),
        Cell::from(lane.mapping.clone()),
        Cell::from(if lane.direction == Direction::TwoWay { "<>" } else { "->" }),
        Cell::new(state_word(lane), style),
        Cell::new(span(oldest), late),
        Cell::from(span(lane.recent.p95)),
        Cell::from(format!("{:.1}", lane.rate)),
        Cell::from(number(lane.pending)),
        flag(lane.conflicts, look.theme.warn()),
        flag(lane.rejects, look.theme.warn()),
        Cell::from(lane.recent.mean.map_or_else(|| "idle".to_owned(), |mean| format!("{mean:.2}"))),
    ]
}

fn extra(which: More, lane: &LaneStatus, now: i64) -> Cell {
    let span = |millis: Option<u64>| millis.map_or_else(|| "-".to_owned(), short);
    Cell::from(match which {
        More::OnTime => lane.recent.on_time.map_or_else(|| "idle".to_owned(), |share| percent(Some(share))),
        More::Consistent => percent(lane.tally.and_then(|tally| tally.ratio())),
        More::P50 => span(lane.recent.p50),
        More::P99 => span(lane.recent.p99),
        More::Max => span(lane.recent.max),
        More::Audit => lane.audited.map_or_else(|| "-".to_owned(), |at| clock(at, now)),
        More::Cycle => short(lane.cycle_ms),
        More::Trigger => format!("{}: {}", lane.trigger.word(), lane.watching),
    })
}
