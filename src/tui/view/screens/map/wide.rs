//! Two lists with the links drawn between them, from 100 columns on.
use crm_core::project::Origin;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{status_style, status_text};
use crate::app::App;
use crate::app::screens::map::MapScreen;
use crate::view::Look;
use crate::view::table::{self, Cell, Column, Selection};
use crate::view::text::number;

/// Cells between the lists, where the links run.
const GUTTER: u16 = 16;

/// Draws both lists and the links.
pub(super) fn draw(frame: &mut Frame, area: Rect, app: &App, screen: &MapScreen, look: &Look) {
    let height = (screen.targets.page as u16 + 1).min(area.height);
    let left = (area.width - GUTTER) * 2 / 5;
    let sources = Rect { width: left, height, ..area };
    let gutter = Rect { x: area.x + left, width: GUTTER, height, ..area };
    let targets = Rect { x: gutter.x + GUTTER, width: area.width - left - GUTTER, height, ..area };
    draw_sources(frame, sources, screen, look);
    draw_targets(frame, targets, app, screen, look);
    draw_links(frame, gutter, screen, look);
}

fn draw_sources(frame: &mut Frame, area: Rect, screen: &MapScreen, look: &Look) {
    let name = usize::from(area.width) * 2 / 5;
    let columns =
        [Column::left("SOURCE", name), Column::left("SAMPLE", usize::from(area.width).saturating_sub(name + 3))];
    let Some(sides) = &screen.columns else { return };
    let rows = screen.sources.visible().filter_map(|at| sides.source.get(at)).map(|column| {
        let used = reads(screen, &column.name).next().is_some();
        let samples = screen.samples(&column.name).join(" | ");
        vec![
            Cell::new(column.name.clone(), if used { look.theme.plain() } else { look.theme.warn() }),
            Cell::new(samples, look.theme.dim()),
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
            (None, Some(proposal)) => format!("{}?", proposal.from),
            (Some(field), _) => match &field.origin {
                Origin::From(_) => row.transform(),
                Origin::Sql(_) | Origin::Const(_) => row.origin(),
            },
            (None, None) => "-".into(),
        };
        vec![
            Cell::new(row.status.mark().to_string(), style),
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
fn reads<'a>(screen: &'a MapScreen, column: &'a str) -> impl Iterator<Item = usize> + 'a {
    screen.fields.iter().enumerate().filter_map(move |(at, row)| {
        let field = row.field.as_ref()?;
        let reads = match &field.origin {
            Origin::From(name) => name == column,
            // A preview knows exactly; until there is one, a name within the expression is as good a guess.
            Origin::Sql(sql) => sql.contains(column),
            Origin::Const(_) => false,
        };
        reads.then_some(at)
    })
}

/// Draws each link whose both ends are in sight: out of the source, along a lane of its own, into the target. The
/// links of the row at the cursor come last, so that they lie on top.
fn draw_links(frame: &mut Frame, area: Rect, screen: &MapScreen, look: &Look) {
    let Some(sides) = &screen.columns else { return };
    let mut links: Vec<(usize, usize, bool)> = Vec::new();
    for (at, column) in sides.source.iter().enumerate().skip(screen.sources.top).take(screen.sources.page) {
        for target in reads(screen, &column.name) {
            if screen.targets.visible().contains(&target) {
                let chosen =
                    if screen.in_sources { at == screen.sources.cursor } else { target == screen.targets.cursor };
                links.push((at - screen.sources.top, target - screen.targets.top, chosen));
            }
        }
    }
    links.sort_by_key(|(_, _, chosen)| *chosen);
    let lanes = usize::from(GUTTER) - 4;
    for (number, (from, to, chosen)) in links.into_iter().enumerate() {
        let style = if chosen { look.theme.key() } else { look.theme.dim() };
        let lane = 2 + (number * 5) % lanes;
        draw_link(frame, area, (from + 1, to + 1), lane, style, look);
    }
}

fn draw_link(frame: &mut Frame, area: Rect, (from, to): (usize, usize), lane: usize, style: Style, look: &Look) {
    let [down_from, up_from, down_to, up_to, _] = look.glyphs.link();
    let mut put = |column: usize, row: usize, symbol: &str| {
        let (Ok(x), Ok(y)) = (u16::try_from(column), u16::try_from(row)) else { return };
        if x < area.width && y < area.height {
            frame.buffer_mut().set_string(area.x + x, area.y + y, symbol, style);
        }
    };
    let last = usize::from(area.width) - 1;
    for column in 0..lane {
        put(column, from, look.glyphs.line());
    }
    for column in lane + 1..last {
        put(column, to, look.glyphs.line());
    }
    put(last, to, ">");
    if from == to {
        put(lane, from, look.glyphs.line());
        return;
    }
    for row in from.min(to) + 1..from.max(to) {
        put(lane, row, look.glyphs.bar());
    }
    put(lane, from, if to > from { down_from } else { up_from });
    put(lane, to, if to > from { down_to } else { up_to });
}
