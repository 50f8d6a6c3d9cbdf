//! Two lists with the links drawn between them, from 100 columns on.
use crm_core::project::Origin;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{mark, samples, status_style, status_text};
use crate::app::App;
use crate::app::screens::map::MapScreen;
use crate::view::Look;
use crate::view::table::{self, Cell, Column, Selection};
use crate::view::text::number;

/// Cells between the lists, where the links run: more where there is room.
fn gutter_of(width: u16) -> u16 {
    (width / 7).clamp(16, 32)
}

/// Draws both lists and the links.
pub(super) fn draw(frame: &mut Frame, area: Rect, app: &App, screen: &MapScreen, look: &Look) {
    let height = (screen.targets.page as u16 + 1).min(area.height);
    let between = gutter_of(area.width);
    let left = (area.width - between) * 2 / 5;
    let sources = Rect { width: left, height, ..area };
    let gutter = Rect { x: area.x + left, width: between, height, ..area };
    let targets = Rect { x: gutter.x + between, width: area.width - left - between, height, ..area };
    draw_sources(frame, sources, app, screen, look);
    draw_targets(frame, targets, app, screen, look);
    draw_links(frame, gutter, screen, look);
}

fn draw_sources(frame: &mut Frame, area: Rect, app: &App, screen: &MapScreen, look: &Look) {
    let name = usize::from(area.width) * 2 / 5;
    let columns = [
        Column::left("SOURCE", name),
        Column::right("FILL", 5),
        Column::left("SAMPLE", usize::from(area.width).saturating_sub(name + 9)),
    ];
    let Some(sides) = &screen.columns else { return };
    let rows = screen.sources.visible().filter_map(|at| sides.source.get(at)).map(|column| {
        let used = sources_of(screen, &column.name).next().is_some();
        let fill = screen.fill(&column.name).map_or(String::new(), |fill| format!("{:.0} %", (fill * 100.0).floor()));
        vec![
            Cell::new(column.name.clone(), if used { look.theme.plain() } else { look.theme.warn() }),
            Cell::from(fill),
            Cell::new(samples(&column.name, app, screen, look), look.theme.dim()),
        ]
    });
    let row = screen.sources.cursor - screen.sources.top;
    let selection = if screen.in_sources { Selection::Active(row) } else { Selection::Inactive(row) };
    table::draw(frame, area, &columns, rows, selection, look);
}

fn draw_targets(frame: &mut Frame, area: Rect, app: &App, screen: &MapScreen, look: &Look) {
    let room = usize::from(area.width);
    let name = (room / 3).clamp(14, 28);
    let columns = [
        Column::left("", 1),
        Column::left("TARGET (*=required)", name),
        Column::left("TRANSFORM", room.saturating_sub(name + 1 + 7 + 8 + 6)),
        Column::right("FAILS", 7),
        Column::left("STATUS", 8),
    ];
    let rows = screen.targets.visible().filter_map(|at| screen.fields.get(at)).map(|row| {
        let style = status_style(row, look);
        let star = if row.required { " *" } else { "" };
        let proposal = screen.proposals_for(&row.target, &app.shared).next();
        let transform = match (&row.field, proposal) {
            (None, Some(proposal)) => format!("{}? {}", proposal.from, proposal.kind.unwrap_or_default()),
            (Some(field), _) => match &field.origin {
                Origin::From(_) => row.transform(),
                Origin::Sql(_) | Origin::Const(_) => row.origin(),
            },
            (None, None) => "-".into(),
        };
        vec![
            Cell::new(mark(row, proposal), style),
            Cell::from(format!("{}{star}", row.target)),
            Cell::new(transform, look.theme.dim()),
            Cell::new(if row.fails > 0 { number(row.fails) } else { String::new() }, look.theme.warn()),
            Cell::new(status_text(row, app, screen), style),
        ]
    });
    let row = screen.targets.cursor - screen.targets.top;
    let selection = if screen.in_sources { Selection::Inactive(row) } else { Selection::Active(row) };
    table::draw(frame, area, &columns, rows, selection, look);
}

/// Target fields, by index, that read a source column.
fn sources_of<'a>(screen: &'a MapScreen, column: &'a str) -> impl Iterator<Item = usize> + 'a {
    let fields = screen.fields.iter().enumerate();
    fields.filter(move |(_, row)| row.field.as_ref().is_some_and(|field| field.reads(column))).map(|(at, _)| at)
}

/// Directions that a line leaves a cell in.
const LEFT: u8 = 1;
const RIGHT: u8 = 2;
const UP: u8 = 4;
const DOWN: u8 = 8;

/// A link between a row of the sources and one of the targets, both counted from the top of the lists; a source out of
/// sight is above or below.
struct LinkLine {
    from: Option<usize>,
    above: bool,
    to: usize,
    chosen: bool,
}

impl LinkLine {
    fn rows(&self) -> (usize, usize) {
        let from = self.from.unwrap_or(self.to);
        (from.min(self.to), from.max(self.to))
    }
}

/// Draws each link whose target is in sight: out of the source, along a lane, into the target. The links of the row at
/// the cursor lie on top.
fn draw_links(frame: &mut Frame, area: Rect, screen: &MapScreen, look: &Look) {
    let Some(sides) = &screen.columns else { return };
    let seen = screen.sources.visible();
    let mut links = Vec::new();
    for (at, column) in sides.source.iter().enumerate() {
        for target in sources_of(screen, &column.name).filter(|target| screen.targets.visible().contains(target)) {
            let chosen = if screen.in_sources { at == screen.sources.cursor } else { target == screen.targets.cursor };
            links.push(LinkLine {
                from: seen.contains(&at).then(|| at - screen.sources.top),
                above: at < screen.sources.top,
                to: target - screen.targets.top,
                chosen,
            });
        }
    }
    let width = usize::from(area.width);
    let height = usize::from(area.height);
    let mut grid = vec![(0u8, false); width * height];
    links.sort_by_key(|link| (link.chosen, std::cmp::Reverse(link.rows().1 - link.rows().0)));
    let mut arrows = Vec::new();
    for (link, lane) in links.iter().zip(lanes(&links, width.saturating_sub(4).max(1))) {
        arrows.extend(trace(link, lane + 1, &mut grid, width));
    }
    for (at, (lines, chosen)) in grid.iter().enumerate().filter(|(_, (lines, _))| *lines != 0) {
        let style = if *chosen { look.theme.key() } else { look.theme.dim() };
        put(frame, area, at % width, at / width, look.glyphs.lines(*lines), style);
    }
    for (column, row, above, chosen) in arrows {
        let style = if chosen { look.theme.key() } else { look.theme.dim() };
        put(frame, area, column, row, look.glyphs.beyond(above), style);
    }
    for link in &links {
        let style = if link.chosen { look.theme.key() } else { look.theme.dim() };
        put(frame, area, width - 1, link.to + 1, ">", style);
    }
}

/// A lane for each link. On a row where one link leaves to the left and another arrives at the right, the one that
/// leaves turns first: otherwise both would lie on the same cells. Links that share no row share a lane.
fn lanes(links: &[LinkLine], count: usize) -> Vec<usize> {
    let first = |one: &LinkLine, other: &LinkLine| one.from == Some(other.to) && one.from != Some(one.to);
    let mut lanes: Vec<Option<usize>> = vec![None; links.len()];
    for _ in links {
        // The next one whose predecessors have their lanes; where they wait for each other in a circle, any.
        let open = || (0..links.len()).filter(|at| lanes[*at].is_none());
        let ready = |at: &usize| open().all(|other| other == *at || !first(&links[other], &links[*at]));
        let Some(at) = open().find(ready).or_else(|| open().next()) else { break };
        let (top, bottom) = links[at].rows();
        let placed = || lanes.iter().enumerate().filter_map(|(other, lane)| Some((&links[other], (*lane)?)));
        let after = placed().filter(|(other, _)| first(other, &links[at])).map(|(_, lane)| lane + 1).max().unwrap_or(0);
        let free = |lane: &usize| {
            placed()
                .filter(|(_, taken)| taken == lane)
                .all(|(other, _)| other.rows().1 < top || other.rows().0 > bottom)
        };
        let lane = (after..count).find(free).or_else(|| (0..count).find(free)).unwrap_or(at % count);
        lanes[at] = Some(lane);
    }
    lanes.into_iter().map(Option::unwrap_or_default).collect()
}

/// Lays a link into the grid; answers the mark of a source that is out of sight: column, row, above, chosen.
fn trace(link: &LinkLine, lane: usize, grid: &mut [(u8, bool)], width: usize) -> Option<(usize, usize, bool, bool)> {
    // The first row of the area holds the headings.
    let to = link.to + 1;
    let mut add = |column: usize, row: usize, lines: u8| {
        if let Some(cell) = grid.get_mut(row * width + column) {
            // What lies on top hides what it crosses only in colour: the crossing stays a crossing.
            *cell = (cell.0 | lines, link.chosen);
        }
    };
    for column in lane + 1..width - 1 {
        add(column, to, LEFT | RIGHT);
    }
    let Some(from) = link.from.map(|from| from + 1) else {
        return Some((lane, to, link.above, link.chosen));
    };
    for column in 0..lane {
        add(column, from, LEFT | RIGHT);
    }
    if from == to {
        add(lane, to, LEFT | RIGHT);
    } else {
        add(lane, from, LEFT | if to > from { DOWN } else { UP });
        add(lane, to, RIGHT | if to > from { UP } else { DOWN });
        for row in from.min(to) + 1..from.max(to) {
            add(lane, row, UP | DOWN);
        }
    }
    None
}

fn put(frame: &mut Frame, area: Rect, column: usize, row: usize, symbol: &str, style: Style) {
    let (Ok(x), Ok(y)) = (u16::try_from(column), u16::try_from(row)) else { return };
    if x < area.width && y < area.height {
        frame.buffer_mut().set_string(area.x + x, area.y + y, symbol, style);
    }
}

#[cfg(test)]
mod tests {
    use super::{LinkLine, lanes};

    #[test]
    fn what_leaves_a_row_turns_before_what_arrives_there() {
        let link = |from, to| LinkLine { from: Some(from), above: false, to, chosen: false };
        // A circle of two, a chain, and one that shares no row with the chain's first.
        let links = [link(0, 3), link(3, 5), link(5, 8), link(0, 0), link(10, 11)];
        let lanes = lanes(&links, 8);
        assert!(lanes[1] < lanes[0] && lanes[2] < lanes[1], "{lanes:?}");
        assert_eq!(lanes[4], 0);
        let circle = super::lanes(&[link(1, 2), link(2, 1)], 4);
        assert_ne!(circle[0], circle[1]);
        assert!(super::lanes(&(0..20).map(|at| link(at, 20 - at)).collect::<Vec<_>>(), 3).iter().all(|lane| *lane < 3));
    }
}
