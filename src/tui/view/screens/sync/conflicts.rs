//! The inbox of conflicts, drawn: the list, and the fields of the chosen one with base, source and target side by side.
use crm_core::journal::sync::{ConflictRecord, ConflictState};
use crm_core::project::Side;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::below;
use crate::app::App;
use crate::app::screens::sync::Conflicts;
use crate::app::sync::{clock, short};
use crate::app::words::covered;
use crate::view::table::{self, Cell, Column, Selection};
use crate::view::text::number;
use crate::view::{Look, widgets};

pub(super) fn draw(frame: &mut Frame, area: Rect, app: &App, inbox: &Conflicts, look: &Look) {
    if inbox.records.is_empty() {
        let (words, style) = if inbox.loaded {
            (" No conflict waits for a decision. q goes back.", look.theme.good())
        } else {
            (" Looking ...", look.theme.dim())
        };
        return widgets::put(frame, area, 1, words, style, look);
    }
    let rows = Conflicts::rows_of_list(usize::from(area.height), inbox.records.len());
    list(frame, below(area, 0, rows + 1), app, inbox, look);
    let body = below(area, rows + 1, usize::from(area.height).saturating_sub(rows + 2));
    if let Some(conflict) = inbox.conflict() {
        fields(frame, body, app, inbox, conflict, look);
    }
    let like = inbox.like().filter(|other| other.state == ConflictState::Open).count();
    let like = if like > 0 { format!("  a decides {like} more like it") } else { String::new() };
    let hint = format!(" < source wins  > target wins{like}  w writes  u undo");
    widgets::put(frame, area, usize::from(area.height).saturating_sub(1), &hint, look.theme.dim(), look);
}

fn list(frame: &mut Frame, area: Rect, app: &App, inbox: &Conflicts, look: &Look) {
    let now = app.shared.sync.now;
    // Only where some are decided without anybody after a time.
    let timed = inbox.records.iter().any(|conflict| app.shared.left_to_decide(conflict).is_some());
    let key = if timed { 12 } else { 18 };
    let mut columns = vec![
        Column::left("", 1),
        Column::right("ID", 5),
        Column::left("MAPPING", 12),
        Column::left("KEY", key),
        Column::right("SINCE", if timed { 6 } else { 7 }),
    ];
    if timed {
        columns.push(Column::right("LEFT", 6));
    }
    columns.push(Column::left("STATE", 17));
    let used: usize = columns.iter().map(|column| column.width + 1).sum();
    columns.push(Column::left("FIELDS", usize::from(area.width).saturating_sub(used + 1)));
    let rows = inbox.list.visible().filter_map(|at| inbox.records.get(at)).map(|conflict| {
        let open = conflict.fields.iter().filter(|field| field.take.is_none()).count();
        let (mark, state, style) = match (conflict.state, open) {
            (ConflictState::Open, open) if open < conflict.fields.len() => {
                ("~", format!("{open} of {} open", conflict.fields.len()), look.theme.warn())
            }
            (ConflictState::Open, _) => ("!", "open".to_owned(), look.theme.bad()),
            (ConflictState::Decided, _) if inbox.is_staged(conflict.id) => {
                ("+", "decided, w writes".to_owned(), look.theme.good())
            }
            (ConflictState::Decided, _) => ("+", "decided, unwritten".to_owned(), look.theme.good()),
            (ConflictState::Settled, _) => ("=", "settled".to_owned(), look.theme.plain()),
        };
        let fields: Vec<&str> = conflict.fields.iter().map(|field| field.field.as_str()).collect();
        let hidden = app.shared.personal.key(&conflict.mapping);
        let mut cells = vec![
            Cell::new(mark, style),
            Cell::from(number(conflict.id.unsigned_abs())),
            Cell::from(conflict.mapping.clone()),
            Cell::from(covered(&conflict.key, hidden, look.revealed).into_owned()),
            Cell::from(short((now - conflict.at).max(0).unsigned_abs())),
        ];
        if timed {
            let left = app.shared.left_to_decide(conflict).filter(|_| open > 0);
            cells.push(Cell::from(left.map_or_else(|| "-".to_owned(), |(left, _)| short(left))));
        }
        cells.extend([Cell::new(state, style), Cell::from(fields.join(", "))]);
        cells
    });
    let at = inbox.list.cursor.saturating_sub(inbox.list.top);
    let selection = if inbox.in_fields { Selection::Inactive(at) } else { Selection::Active(at) };
    table::draw(frame, area, &columns, rows, selection, look);
}

fn fields(frame: &mut Frame, area: Rect, app: &App, inbox: &Conflicts, conflict: &ConflictRecord, look: &Look) {
    let hidden = app.shared.personal.key(&conflict.mapping);
    let key = covered(&conflict.key, hidden, look.revealed);
    let who = match (&conflict.who, conflict.decided, app.shared.left_to_decide(conflict)) {
        (Some(who), Some(at), _) => format!("decided {} by {who}", clock(at, app.shared.sync.now)),
        (.., Some((left, side))) => format!("in {} the {} wins", short(left), side.word()),
        _ => inbox.fields.place(),
    };
    widgets::rule(frame, area, 0, &format!("{} {key}", conflict.mapping), &who, look);
    let body = below(area, 1, usize::from(area.height).saturating_sub(1));
    let room = usize::from(area.width).saturating_sub(2 + 15 + 9 + 3);
    let third = room / 3;
    let columns = [
        Column::left("FIELD", 14),
        Column::left("BASE", third),
        Column::left("< SOURCE", third),
        Column::left("> TARGET", third),
        Column::left("WINS", 8),
    ];
    let rows = inbox.fields.visible().filter_map(|at| conflict.fields.get(at)).map(|field| {
        let hidden = app.shared.personal.target(&conflict.mapping, &field.field);
        let cell = |side: Option<Side>, value: &Option<String>| {
            let wins = side.is_some() && field.take == side;
            let style = if wins { look.theme.changed() } else { look.theme.plain() };
            Cell::value(value.as_deref(), hidden, style, look)
        };
        let wins = field.take.map_or_else(|| "?".to_owned(), |side| side.word().to_owned());
        let style = if field.take.is_some() { look.theme.good() } else { look.theme.bad() };
        vec![
            Cell::from(field.field.clone()),
            cell(None, &field.base),
            cell(Some(Side::Source), &field.source),
            cell(Some(Side::Target), &field.target),
            Cell::new(wins, style),
        ]
    });
    let at = inbox.fields.cursor.saturating_sub(inbox.fields.top);
    let selection = if inbox.in_fields { Selection::Active(at) } else { Selection::None };
    table::draw(frame, body, &columns, rows, selection, look);
}
