//! The Sync screen, drawn.
mod charts;
mod conflicts;
mod lanes;
#[cfg(test)]
mod tests;

use crm_core::journal::sync::{EventLine, LogLevel, LogLine, LoopState};
use crm_core::score::{Consistency, Tally, Timeliness, percent};
use crm_core::workspace::SyncStatus;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::app::App;
use crate::app::screens::sync::{Parts, SyncScreen, Weight, lane_lines};
use crate::app::sync::{BEAT_LATE, clock, in_sync, short};
use crate::app::words::covered;
use crate::view::table::{self, Cell, Column, Selection};
use crate::view::text::{cut, number, width, wrap};
use crate::view::{Look, widgets};

/// Draws the body.
pub fn draw(frame: &mut Frame, area: Rect, app: &App, screen: &SyncScreen, look: &Look) {
    if let Some(inbox) = &screen.inbox {
        return conflicts::draw(frame, area, app, inbox, look);
    }
    if let Some(why) = &app.shared.sync_failed {
        let room = usize::from(area.width).saturating_sub(2);
        widgets::put(frame, area, 1, " The state of sync cannot be read:", look.theme.bad(), look);
        for (row, line) in wrap(why, room, look).iter().enumerate() {
            widgets::put_safe(frame, area, row + 2, &format!(" {line}"), look.theme.plain());
        }
        return;
    }
    if app.shared.sync.record.is_none() {
        return never(frame, area, app, screen, look);
    }
    let parts = Parts::of((usize::from(area.width), usize::from(area.height)), app.shared.sync.lanes.len());
    head(frame, area, &app.shared.sync, look);
    let lanes = below(area, Parts::HEAD, parts.lanes + 1);
    lanes::draw(frame, lanes, app, screen, look);
    let at = Parts::HEAD + 1 + parts.lanes;
    detail(frame, below(area, at, parts.detail + 1), app, screen, look);
    let list = below(area, at + 1 + parts.detail, parts.list + 2);
    if screen.show_log { log(frame, list, app, screen, look) } else { events(frame, list, app, screen, look) }
}

/// So many rows of an area from one on.
fn below(area: Rect, from: usize, rows: usize) -> Rect {
    let from = u16::try_from(from).unwrap_or(u16::MAX).min(area.height);
    let rows = u16::try_from(rows).unwrap_or(u16::MAX).min(area.height - from);
    Rect { y: area.y + from, height: rows, ..area }
}

/// There was never a loop: what it would do, and how it is started.
fn never(frame: &mut Frame, area: Rect, app: &App, screen: &SyncScreen, look: &Look) {
    if !screen.loaded {
        return widgets::put(frame, area, 1, " Looking ...", look.theme.dim(), look);
    }
    let room = usize::from(area.width).saturating_sub(2);
    let mappings = in_sync(&app.shared.project.mappings);
    widgets::put(frame, area, 1, " Sync was never started here.", look.theme.title(), look);
    let mut lines = Vec::new();
    if mappings.is_empty() {
        lines.push("No mapping takes part in it yet: add a [sync] section to its file, as in".to_owned());
        lines.extend(["", "  [sync]", "  trigger = \"observe\"", "  freshness = \"60s\""].map(str::to_owned));
        lines.extend(["", "then f5 reads the files again."].map(str::to_owned));
    } else {
        lines.push("S starts it, for these mappings; it goes on without this screen:".to_owned());
        lines.extend(mappings.iter().map(|mapping| {
            let (from, to, by) = (&mapping.from.label, &mapping.to, mapping.sync.trigger.word());
            format!("  {}: {from} {} {to}, {by}", mapping.name, look.glyphs.becomes())
        }));
        lines.push(String::new());
        lines.push("Without a screen: crm-console sync --detach".to_owned());
    }
    for (row, line) in lines.iter().enumerate() {
        widgets::put(frame, area, row + 2, &format!(" {}", cut(line, room, look)), look.theme.plain(), look);
    }
}

/// The scores of all lanes, and the loop itself with the time.
fn head(frame: &mut Frame, area: Rect, status: &SyncStatus, look: &Look) {
    let room = usize::from(area.width);
    let mut spans = Vec::new();
    for (text, style) in scores(status, room, look) {
        spans.push(Span::styled(format!(" {text}"), style));
    }
    widgets::line(frame, area, 0, Line::from(spans));
    let now = format!("{} UTC", clock(status.now, status.now));
    let (text, style) = life(status, look);
    let text = cut(&text, room.saturating_sub(width(&now) + 3), look);
    let gap = room.saturating_sub(width(&text) + width(&now) + 2);
    let spans =
        vec![Span::styled(format!(" {text}"), style), Span::raw(" ".repeat(gap)), Span::styled(now, look.theme.dim())];
    widgets::line(frame, area, 1, Line::from(spans));
}

/// The headline's parts, the most important first, as many as there is room for.
fn scores(status: &SyncStatus, room: usize, look: &Look) -> Vec<(String, Style)> {
    let recent = together(status.lanes.iter().map(|lane| &lane.recent));
    let session = together(status.lanes.iter().map(|lane| &lane.session));
    let mut parts = Vec::new();
    let trend = match (recent.1, session.1) {
        (Some(now), Some(all)) if now < all - 0.005 => " down",
        (Some(now), Some(all)) if now > all + 0.005 => " up",
        _ => "",
    };
    let on_time = recent.1.map_or_else(|| "idle".to_owned(), |share| percent(Some(share)));
    let style = match recent.1 {
        Some(share) if share < charts::ON_TIME_GOAL => look.theme.bad(),
        Some(_) => look.theme.good(),
        None => look.theme.plain(),
    };
    parts.push((format!("on time {on_time}{trend}"), style));
    let late = status.lanes.iter().any(|lane| lane.is_late(status.now));
    let oldest = status.lanes.iter().filter_map(|lane| lane.oldest).min();
    let oldest = oldest.map_or_else(|| "none".to_owned(), |at| short((status.now - at).max(0).unsigned_abs()));
    parts.push((format!("oldest {oldest}"), if late { look.theme.bad() } else { look.theme.plain() }));
    let (text, whole) = consistency(status);
    parts.push((format!("consistent {text}"), if whole { look.theme.good() } else { look.theme.warn() }));
    let mean = |mean: Option<f64>| mean.map_or_else(|| "idle".to_owned(), |mean| format!("{mean:.2}"));
    parts.push((format!("timely {}/{}", mean(recent.0), mean(session.0)), look.theme.plain()));
    let audited: Option<i64> = status.lanes.iter().map(|lane| lane.audited).min().flatten();
    let gap: u64 = status.lanes.iter().filter_map(|lane| lane.audit_gap).sum();
    let audit = audited.map_or_else(
        || "no audit".to_owned(),
        |at| format!("audit {} gap {}", clock(at, status.now).chars().take(5).collect::<String>(), number(gap)),
    );
    parts.push((audit, if gap > 0 { look.theme.bad() } else { look.theme.plain() }));
    let mut used = 0;
    parts.retain(|(text, _)| {
        let fits = used + width(text) + 2 <= room;
        used += if fits { width(text) + 2 } else { 0 };
        fits
    });
    parts.into_iter().map(|(text, style)| (format!("{text} "), style)).collect()
}

/// Mean and share on time over several windows, each weighed by its events; nothing where nothing happened.
fn together<'t>(windows: impl Iterator<Item = &'t Timeliness>) -> (Option<f64>, Option<f64>) {
    let (mut events, mut mean, mut on_time) = (0.0, 0.0, 0.0);
    for window in windows {
        if let (Some(one), Some(share)) = (window.mean, window.on_time) {
            events += window.events as f64;
            mean += one * window.events as f64;
            on_time += share * window.events as f64;
        }
    }
    let of = |sum: f64| (events > 0.0).then(|| (sum / events).clamp(0.0, 1.0));
    (of(mean), of(on_time))
}

/// `99.41..99.58 %`: what is in flight counts as unequal first, as equal then. Whether all is equal.
fn consistency(status: &SyncStatus) -> (String, bool) {
    let upper: Vec<Tally> = status.lanes.iter().filter_map(|lane| lane.tally).collect();
    let in_flight = |tally: Tally, pending: u64| {
        let open = pending.min(tally.equal);
        Tally { equal: tally.equal - open, different: tally.different + open, ..tally }
    };
    let lower: Vec<Tally> = status.lanes.iter().filter_map(|lane| Some(in_flight(lane.tally?, lane.pending))).collect();
    let (lower, upper) = (Consistency::of(&lower), Consistency::of(&upper));
    let (low, high) = (percent(lower.mean), percent(upper.mean));
    let text = if low == high { high } else { format!("{}..{high}", low.trim_end_matches(" %")) };
    let some = if upper.counted < status.lanes.len() {
        format!(" ({} of {} sources)", upper.counted, status.lanes.len())
    } else {
        String::new()
    };
    (format!("{text}{some}"), lower.mean == Some(1.0))
}

/// Whether the loop lives.
fn life(status: &SyncStatus, look: &Look) -> (String, Style) {
    let Some(record) = &status.record else { return (String::new(), look.theme.plain()) };
    let time = |at: i64| clock(at, status.now);
    let note = record.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    match (record.state, status.alive) {
        (LoopState::Running, true) => {
            let age = status.now - record.heartbeat;
            let listens = record.listens.as_ref().map(|at| format!(", listens on {at}")).unwrap_or_default();
            let beat = if age > BEAT_LATE {
                format!("! NO HEARTBEAT for {}: it hangs", short(age.unsigned_abs()))
            } else {
                "heartbeat ok".to_owned()
            };
            let style = if age > BEAT_LATE { look.theme.bad() } else { look.theme.plain() };
            (
                format!("{beat}, process {} by {} since {}{listens}", record.pid, record.owner, time(record.started)),
                style,
            )
        }
        (LoopState::Running, false) => (
            format!("!! DEAD: process {} is gone since {}; S starts it again", record.pid, time(record.heartbeat)),
            look.theme.bad(),
        ),
        (LoopState::Failed, _) => {
            (format!("!! FAILED {}{note}; S starts it again", time(record.heartbeat)), look.theme.bad())
        }
        (LoopState::Stopped, true) => ("starting ...".to_owned(), look.theme.plain()),
        (LoopState::Stopped, false) => {
            (format!("not running, ended {}; S starts it", time(record.heartbeat)), look.theme.warn())
        }
    }
}

pub(super) fn weight(weight: Weight, look: &Look) -> Style {
    match weight {
        Weight::Bad => look.theme.bad(),
        Weight::Warn => look.theme.warn(),
        Weight::Plain => look.theme.plain(),
        Weight::Dim => look.theme.dim(),
    }
}

/// The chosen mapping: in words, and in pictures where there is room.
fn detail(frame: &mut Frame, area: Rect, app: &App, screen: &SyncScreen, look: &Look) {
    let Some(lane) = screen.lane(&app.shared) else { return };
    let since = format!("since {}", clock(lane.since, app.shared.sync.now));
    widgets::rule(frame, area, 0, &format!("{}: {}", lane.mapping, lanes::state_word(lane)), &since, look);
    let inner = below(area, 1, usize::from(area.height).saturating_sub(1));
    let (words, pictures) = if inner.width >= 110 && inner.height >= 8 {
        let half = inner.width / 2;
        (Rect { width: half, ..inner }, Some(Rect { x: inner.x + half, width: inner.width - half, ..inner }))
    } else if inner.height >= 16 {
        let rows = inner.height - charts::ROWS;
        (below(inner, 0, usize::from(rows)), Some(below(inner, usize::from(rows), usize::from(charts::ROWS))))
    } else {
        (inner, None)
    };
    let room = usize::from(words.width).saturating_sub(2);
    // A line that is long leaves room for those after it: enter shows all.
    let most = if words.height >= 8 { 3 } else { 2 };
    let mut row = 0;
    for (line, heavy) in lane_lines(lane, screen, &app.shared) {
        let parts = wrap(&line, room, look);
        let left = parts.len() > most;
        for (at, part) in parts.into_iter().take(most).enumerate() {
            let more = if left && at + 1 == most { look.glyphs.more() } else { "" };
            widgets::put_safe(frame, words, row, &format!(" {part}{more}"), weight(heavy, look));
            row += 1;
        }
    }
    if let Some(pictures) = pictures {
        charts::draw(frame, pictures, lane, screen, app.shared.sync.now, look);
    }
}

fn selection(screen: &SyncScreen) -> Selection {
    let at = screen.list.cursor.saturating_sub(screen.list.top);
    if screen.in_list { Selection::Active(at) } else { Selection::None }
}

fn events(frame: &mut Frame, area: Rect, app: &App, screen: &SyncScreen, look: &Look) {
    let filter = &screen.filter;
    let mut what = vec![if filter.open { "events that wait" } else { "events" }.to_owned()];
    what.extend(filter.mapping.as_ref().map(|mapping| format!("of {mapping}")));
    what.extend(filter.text.as_ref().map(|text| format!("with '{text}'")));
    what.push(if screen.is_filtered() { "(esc: all)" } else { "(~ time first seen)" }.to_owned());
    let place = if screen.in_list { screen.list.place() } else { "tab".to_owned() };
    widgets::rule(frame, area, 0, &what.join(" "), &place, look);
    let body = below(area, 1, usize::from(area.height).saturating_sub(1));
    let room = usize::from(area.width);
    let wide = room >= 110;
    let key = if wide { 24 } else { 14 };
    let mut columns = vec![
        Column::left("CHANGED", 9),
        Column::left("MAPPING", 10),
        Column::left("KEY", key),
        Column::left("DID", 7),
        Column::left("OUTCOME", 8),
        Column::right("LAG", 7),
    ];
    if wide {
        columns.push(Column::left("BY", 9));
    }
    let used: usize = columns.iter().map(|column| column.width + 1).sum();
    columns.push(Column::left("REASON", room.saturating_sub(used + 2)));
    let rows = screen.list.visible().filter_map(|at| screen.events.get(at)).map(|line| event(app, line, wide, look));
    table::draw(frame, body, &columns, rows, selection(screen), look);
    if screen.events.is_empty() && screen.loaded {
        let words = if screen.is_filtered() { " none" } else { " none yet: nothing has changed" };
        widgets::put(frame, body, 1, words, look.theme.dim(), look);
    }
}

fn event(app: &App, line: &EventLine, wide: bool, look: &Look) -> Vec<Cell> {
    let (event, now) = (&line.event, app.shared.sync.now);
    let seen = if event.clock == crm_core::journal::sync::Clock::Seen { "~" } else { "" };
    let time = clock(event.changed, now);
    // Of another day: the date is what tells it apart.
    let time = if time.len() > 8 { time.chars().take(8).collect() } else { time };
    let hidden = app.shared.personal.key(&event.mapping);
    let key = event.key.as_deref().unwrap_or_default();
    let style = if event.outcome.is_done() { look.theme.plain() } else { look.theme.warn() };
    let lag = match event.lag {
        Some(lag) => short(lag),
        None => format!("{}+", short((now - event.changed).max(0).unsigned_abs())),
    };
    let mut cells = vec![
        Cell::from(format!("{time}{seen}")),
        Cell::from(event.mapping.clone()),
        Cell::from(covered(key, hidden, look.revealed).into_owned()),
        Cell::from(event.operation.clone()),
        Cell::new(event.outcome.word(), style),
        Cell::new(lag, style),
    ];
    if wide {
        cells.push(Cell::from(event.origin.clone()));
    }
    cells.push(Cell::new(event.reason.clone().unwrap_or_default(), style));
    cells
}

fn log(frame: &mut Frame, area: Rect, app: &App, screen: &SyncScreen, look: &Look) {
    let place = if screen.in_list { screen.list.place() } else { "tab".to_owned() };
    widgets::rule(frame, area, 0, "log of the loop and its mappings (L: events)", &place, look);
    let body = below(area, 1, usize::from(area.height).saturating_sub(1));
    let room = usize::from(area.width).saturating_sub(11 + 2 + 12 + 3);
    let columns =
        [Column::left("AT", 11), Column::left("", 1), Column::left("MAPPING", 12), Column::left("WHAT", room)];
    let rows = screen.list.visible().filter_map(|at| screen.log.get(at)).map(|line| log_line(app, line, look));
    table::draw(frame, body, &columns, rows, selection(screen), look);
}

fn log_line(app: &App, line: &LogLine, look: &Look) -> Vec<Cell> {
    let (mark, style) = match line.level {
        LogLevel::Info => (" ", look.theme.plain()),
        LogLevel::Warn => ("?", look.theme.warn()),
        LogLevel::Alarm => ("!", look.theme.bad()),
    };
    vec![
        Cell::new(clock(line.at, app.shared.sync.now), look.theme.dim()),
        Cell::new(mark, style),
        Cell::from(line.mapping.clone().unwrap_or_else(|| "(loop)".to_owned())),
        Cell::new(line.text.clone(), style),
    ]
}
