//! The inbox of rejects, drawn.
use crm_core::map::CellStep;
use crm_core::rejects::{Entry, Inbox};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::App;
use crate::app::screens::rejects::{Line as Row, OpenRow, RejectsScreen};
use crate::app::words::covered;
use crate::view::table::{self, Cell, Column, Selection};
use crate::view::text::{cut, fit, fit_safe, number, value, width, wrap};
use crate::view::{Look, widgets};

/// Draws the body.
pub fn draw(frame: &mut Frame, area: Rect, app: &App, screen: &RejectsScreen, look: &Look) {
    let Some(inbox) = &screen.inbox else {
        let words = if screen.failed { " The rejects cannot be read." } else { " Reading ..." };
        widgets::put(frame, area, 1, words, look.theme.dim(), look);
        return;
    };
    match &screen.row {
        Some(row) => one(frame, area, app, inbox, row, look),
        None if inbox.entries.is_empty() => {
            widgets::put(frame, area, 1, " None: every row was carried over.", look.theme.good(), look);
        }
        None => list(frame, area, app, screen, inbox, look),
    }
}

/// Marks of a row or a cause: released, mended, or still to do.
fn state(released: bool, mended: bool) -> (char, &'static str) {
    match (released, mended) {
        (true, _) => ('+', "released"),
        (false, true) => ('~', "mended"),
        (false, false) => ('!', "open"),
    }
}

fn list(frame: &mut Frame, area: Rect, app: &App, screen: &RejectsScreen, inbox: &Inbox, look: &Look) {
    let room = usize::from(area.width).saturating_sub(12 + 6 + 10 + 5);
    let columns = [
        Column::left("MAPPING", 12),
        Column::right("ROWS", 6),
        Column::left("STATE", 10),
        Column::left("CAUSE, below it what waits for it", room),
    ];
    let rows = screen.list.visible().filter_map(|at| screen.lines.get(at)).map(|line| match line {
        Row::Group(path) => group_cells(screen, inbox, path, look),
        Row::Entry(at, depth) => entry_cells(app, &inbox.entries[*at], *depth, look),
    });
    let cursor = screen.list.cursor.saturating_sub(screen.list.top);
    table::draw(frame, area, &columns, rows, Selection::Active(cursor), look);
    let hint = match (inbox.open(), inbox.is_run) {
        (0, _) => " nothing is left: all of them were carried over".to_owned(),
        (_, true) => {
            format!(" enter opens, e mends the field, t retries, T all that is mended   {}", screen.list.place())
        }
        (_, false) => {
            format!(" enter opens, e mends the field; p plans anew with what is mended   {}", screen.list.place())
        }
    };
    widgets::put(frame, area, usize::from(area.height).saturating_sub(1), &hint, look.theme.dim(), look);
}

fn group_cells(screen: &RejectsScreen, inbox: &Inbox, path: &[usize], look: &Look) -> Vec<Cell> {
    let Some(group) = RejectsScreen::group(inbox, path) else { return Vec::new() };
    let count = |fits: &dyn Fn(&Entry) -> bool| group.entries.iter().filter(|at| fits(&inbox.entries[**at])).count();
    let (open, mended) = (count(&Entry::is_open), count(&|entry| entry.is_open() && entry.mended));
    let (mark, _) = state(open == 0, open > 0 && mended == open);
    let words = match (open, mended) {
        (0, _) => "released".to_owned(),
        (open, 0) => format!("{} open", number(open as u64)),
        (open, mended) if open == mended => "mended".to_owned(),
        (_, mended) => format!("{} mended", number(mended as u64)),
    };
    let fold = if screen.is_opened(path) { "-" } else { "+" };
    let waits = match group.waits() {
        0 => String::new(),
        more => format!(" -> {} wait", number(more)),
    };
    let indent = "  ".repeat(path.len() - 1);
    let held = if group.kind == "held" { "held: " } else { "" };
    vec![
        Cell::from(format!("{indent}{}", group.mapping)),
        Cell::from(number(group.entries.len() as u64)),
        Cell::new(words, look.theme.mark(mark)),
        Cell::from(format!("{indent}{fold} {held}{}{waits}", group.cause)),
    ]
}

fn entry_cells(app: &App, entry: &Entry, depth: usize, look: &Look) -> Vec<Cell> {
    let (mark, word) = state(!entry.is_open(), entry.mended);
    let reject = &entry.reject;
    let place = match (reject.line, reject.row) {
        (0, Some(row)) => format!("row {}", row + 1),
        (line, _) => format!("line {line}"),
    };
    let key = match &reject.key {
        Some(key) => format!("  key {}", covered(key, app.shared.personal.key(&entry.mapping), look.revealed)),
        None => String::new(),
    };
    let after = match (&entry.released, &entry.retried) {
        (Some(run), _) => format!("  by run {run}"),
        (None, Some(run)) => format!("  still, in run {run}: {}", reject.reason),
        (None, None) => String::new(),
    };
    vec![
        Cell::from(String::new()),
        Cell::new(number(reject.n), look.theme.dim()),
        Cell::new(word, look.theme.mark(mark)),
        Cell::from(format!("{}{place}{key}{after}", "  ".repeat(depth))),
    ]
}

fn one(frame: &mut Frame, area: Rect, app: &App, inbox: &Inbox, row: &OpenRow, look: &Look) {
    let Some(entry) = inbox.entries.get(row.at) else { return };
    let reject = &entry.reject;
    let room = usize::from(area.width).saturating_sub(2);
    let (mark, word) = state(!entry.is_open(), entry.mended);
    let place = match (reject.line, reject.row) {
        (0, Some(row)) => format!("row {}", row + 1),
        (line, _) => format!("line {line}"),
    };
    let by = entry.released.as_ref().map(|run| format!(" by run {run}")).unwrap_or_default();
    let first = format!(" {} {}, {place}: {word}{by}", entry.mapping, reject.n);
    widgets::put(frame, area, 0, &first, look.theme.mark(mark), look);
    let why = format!("step {}: {}", reject.step, reject.reason);
    widgets::put(frame, area, 1, &format!(" {}", fit(&why, room, look)), look.theme.plain(), look);
    let mut at = 2;
    if row.columns.is_empty() {
        let raw = reject.raw.as_deref().unwrap_or_default();
        let raw = covered(raw, app.shared.personal.any_source(&entry.mapping), look.revealed);
        for line in wrap(&raw, room, look).into_iter().take(usize::from(area.height).saturating_sub(5)) {
            widgets::put_safe(frame, area, at, &format!(" {line}"), look.theme.plain());
            at += 1;
        }
        let words = " This piece of the source is no row, so there is no cell to correct: mend the line in the file.";
        widgets::put(frame, area, at + 1, words, look.theme.warn(), look);
        return;
    }
    let body = Rect { y: area.y + 2, height: area.height.saturating_sub(2), ..area };
    cells(frame, body, app, entry, row, look);
    at += row.list.page.min(row.columns.len()) + 1;
    let column = row.column().unwrap_or_default();
    if let Some(input) = &row.editing {
        widgets::rule(frame, area, at, &format!("{column} becomes"), "enter keeps it, esc does not", look);
        widgets::input(frame, area, at + 1, input, look);
        at += 2;
    }
    widgets::rule(frame, area, at, &format!("steps of the fields that read {column}"), &row.list.place(), look);
    at += 1;
    if row.trial.is_none() {
        widgets::put(frame, area, at, " ...", look.theme.dim(), look);
        return;
    }
    let fields = row.fields();
    if fields.is_empty() {
        widgets::put(frame, area, at, " no field reads this column", look.theme.dim(), look);
        at += 1;
    }
    for field in fields {
        let hidden = app.shared.personal.target(&entry.mapping, &field.target);
        let lines: &[(&str, &[CellStep])] = if field.after.is_empty() {
            &[("", &field.before)]
        } else {
            &[("before ", &field.before), ("after  ", &field.after)]
        };
        for (at_line, (label, steps)) in lines.iter().enumerate() {
            let name = if at_line == 0 { field.target.as_str() } else { "" };
            for line in steps_lines(name, label, steps, hidden, usize::from(area.width), look) {
                widgets::line(frame, area, at, line);
                at += 1;
            }
        }
    }
    if let Some(trial) = row.trial.as_ref().filter(|_| row.editing.is_some()) {
        let (words, style) = match trial.failures.first() {
            None => (" the row passes all its steps so".to_owned(), look.theme.good()),
            Some((field, reason)) => (format!(" still: {field}: {reason}"), look.theme.bad()),
        };
        widgets::put(frame, area, at, &words, style, look);
    }
}

fn cells(frame: &mut Frame, area: Rect, app: &App, entry: &Entry, row: &OpenRow, look: &Look) {
    let half = usize::from(area.width).saturating_sub(22) / 2;
    let columns =
        [Column::left("COLUMN", 18), Column::left("AS READ", half), Column::left("CORRECTED", half.saturating_sub(1))];
    let rows = row.list.visible().filter_map(|at| row.columns.get(at)).map(|column| {
        let hidden = app.shared.personal.source(&entry.mapping, column);
        let read = entry.reject.source.get(column).and_then(serde_json::Value::as_str);
        let corrected = row.cell(column).filter(|(read, now)| read != now).map(|(_, now)| now);
        vec![
            Cell::from(column.clone()),
            Cell::value(read, hidden, look.theme.plain(), look),
            corrected
                .map_or_else(|| Cell::from(String::new()), |now| Cell::value(now, hidden, look.theme.changed(), look)),
        ]
    });
    let selection = row.list.cursor.saturating_sub(row.list.top);
    let selection = if row.editing.is_some() { Selection::Inactive(selection) } else { Selection::Active(selection) };
    table::draw(frame, area, &columns, rows, selection, look);
}

/// `stage  before  from STG W > trim W > values fails: …`, over as many lines as it needs.
fn steps_lines(
    name: &str,
    label: &str,
    steps: &[CellStep],
    hidden: bool,
    room: usize,
    look: &Look,
) -> Vec<Line<'static>> {
    let lead = 18;
    let mut lines: Vec<Vec<Span<'static>>> = Vec::new();
    let mut used = room;
    for (at, step) in steps.iter().enumerate() {
        let cell = value(step.value.as_deref(), hidden, look);
        let most = room.saturating_sub(lead + 12);
        let (text, style) = match &step.failed {
            Some(reason) => (cut(&format!("{} fails: {reason}", step.step), most, look), look.theme.bad()),
            None => {
                let text = format!("{} {cell}", cut(&step.step, most / 2, look));
                (if width(&text) > most { fit_safe(&text, most, look) } else { text }, look.theme.plain())
            }
        };
        let wide = width(&text) + 3;
        if used + wide > room {
            let head = if at == 0 { format!(" {}", fit(name, lead - 2, look)) } else { " ".repeat(lead - 1) };
            let label = if at == 0 { label.to_owned() } else { " ".repeat(label.len()) };
            used = lead + label.len();
            lines.push(vec![
                Span::styled(head, look.theme.title()),
                Span::styled(format!(" {label}"), look.theme.dim()),
            ]);
        } else {
            lines.last_mut().into_iter().for_each(|line| line.push(Span::styled(" > ", look.theme.dim())));
        }
        used += wide;
        lines.last_mut().into_iter().for_each(|line| line.push(Span::styled(text.clone(), style)));
    }
    lines.into_iter().map(Line::from).collect()
}

#[cfg(test)]
mod tests;
