//! The Diff screen, drawn.
use crm_core::plan::{Counts, Incremental, MappingPlan, Operation, Plan};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::App;
use crate::app::screens::diff::{CHUNK, DiffScreen, OPERATIONS, count, word};
use crate::app::words::covered;
use crate::view::table::{self, Cell, Column, Selection};
use crate::view::text::{self, fit, fit_right, fit_safe, number, value};
use crate::view::{Look, widgets};

/// Draws the body.
pub fn draw(frame: &mut Frame, area: Rect, app: &App, screen: &DiffScreen, look: &Look) {
    let Some(plan) = &app.shared.plan else {
        let words = [
            " No plan yet. p reads both sides and shows every change before it happens;",
            " nothing is written by it. a says which way fits here and what it costs.",
        ];
        for (row, words) in words.iter().enumerate() {
            widgets::put(frame, area, row + 1, words, look.theme.dim(), look);
        }
        return;
    };
    let used = counts(frame, area, plan, screen, look);
    let Some(mapping) = screen.mapping(plan) else { return };
    let notes = notes(plan, mapping, usize::from(area.width), look);
    let most = usize::from(area.height) / 3;
    let mut row = used;
    // Where they are too many the last line says how many more there are.
    let shown = if notes.len() > most { most.saturating_sub(1) } else { notes.len() };
    for (text, style) in notes.iter().take(shown) {
        widgets::put(frame, area, row, text, *style, look);
        row += 1;
    }
    if notes.len() > shown {
        let words = format!(" and {} more lines of notes", notes.len() - shown);
        widgets::put(frame, area, row, &words, look.theme.dim(), look);
        row += 1;
    }
    let below = u16::try_from(row).unwrap_or(area.height).min(area.height);
    let rest = Rect { y: area.y + below, height: area.height - below, ..area };
    behind(frame, rest, app, mapping, screen, look);
}

/// Widths of the table of counts.
struct Layout {
    name: usize,
    read: usize,
    /// Index in [`OPERATIONS`] and width.
    widths: Vec<(usize, usize)>,
    after: usize,
    native: usize,
    /// With thousands parted.
    parted: bool,
}

impl Layout {
    /// Columns that give way where it is tight, first ones first, as long as all their counts are 0.
    const RARE: &[Operation] =
        &[Operation::Mark, Operation::Merged, Operation::Held, Operation::Filtered, Operation::Delete];

    /// The widest layout that fits.
    fn of(plan: &Plan, screen: &DiffScreen, room: usize) -> Self {
        let wide = room >= 120;
        let mut last = None;
        for parted in [true, false] {
            for hidden in 0..=Self::RARE.len() {
                if wide && hidden > 0 {
                    break;
                }
                let layout = Self::with(plan, screen, wide, parted, &Self::RARE[..hidden]);
                if layout.total() < room {
                    return layout;
                }
                last = Some(layout);
            }
        }
        last.unwrap_or_else(|| Self::with(plan, screen, wide, false, Self::RARE))
    }

    fn with(plan: &Plan, screen: &DiffScreen, wide: bool, parted: bool, hidden: &[Operation]) -> Self {
        let counts = || plan.mappings.iter().map(|mapping| &mapping.counts);
        let digits = |count: u64| if parted { number(count).len() } else { count.to_string().len() };
        let widest = |heading: &str, pick: &dyn Fn(&Counts) -> u64| {
            let least = if wide { 10 } else { 0 };
            counts().map(|counts| digits(pick(counts))).max().unwrap_or(0).max(title(heading, wide).len()).max(least)
                + 1
        };
        let empty = |operation| counts().all(|counts| count(counts, operation) == 0);
        let shown = OPERATIONS.iter().enumerate().filter(|(at, (operation, _))| {
            let gives_way = hidden.contains(operation) && empty(*operation);
            *at == screen.operation || !gives_way
        });
        let names = plan.mappings.iter().map(|mapping| text::width(&mapping.mapping)).max().unwrap_or(0);
        Self {
            name: names.clamp(8, if wide { 24 } else { 12 }),
            read: widest("READ =", &|counts| counts.read),
            widths: shown
                .map(|(at, (operation, heading))| (at, widest(heading, &|counts| count(counts, *operation))))
                .collect(),
            after: widest("AFTER", &|counts| counts.after),
            native: if wide { widest("| NATIVE", &|counts| counts.native.unwrap_or_default()) } else { 0 },
            parted,
        }
    }

    fn total(&self) -> usize {
        let widths: usize = self.widths.iter().map(|(_, width)| width).sum();
        self.name + self.read + widths + self.after + self.native + 1
    }

    fn figure(&self, count: u64) -> String {
        if self.parted { number(count) } else { count.to_string() }
    }
}

/// The table of counts; answers the rows it took.
fn counts(frame: &mut Frame, area: Rect, plan: &Plan, screen: &DiffScreen, look: &Look) -> usize {
    let wide = usize::from(area.width) >= 120;
    let layout = Layout::of(plan, screen, usize::from(area.width));
    let Layout { name, widths, .. } = &layout;
    let name = *name;
    let figure = |count: u64| layout.figure(count);
    let mut heading = vec![Span::styled(format!(" {}", fit("OBJECT", name, look)), look.theme.title())];
    heading.push(Span::styled(fit_right(&title("READ =", wide), layout.read, look), look.theme.title()));
    for (at, width) in widths {
        let style = if *at == screen.operation { look.theme.key() } else { look.theme.title() };
        heading.push(Span::styled(fit_right(&title(OPERATIONS[*at].1, wide), *width, look), style));
    }
    heading.push(Span::styled(fit_right("AFTER", layout.after, look), look.theme.title()));
    if wide {
        heading.push(Span::styled(fit_right("| NATIVE", layout.native, look), look.theme.title()));
    }
    widgets::line(frame, area, 0, Line::from(heading));
    let mut row = 1;
    for at in screen.mappings.visible() {
        let Some(mapping) = plan.mappings.get(at) else { break };
        let chosen = at == screen.mappings.cursor;
        let base = if chosen { look.theme.marked() } else { look.theme.plain() };
        let mut spans = vec![
            Span::styled(if chosen { ">" } else { " " }, base),
            Span::styled(fit(&mapping.mapping, name, look), base),
            Span::styled(fit_right(&figure(mapping.counts.read), layout.read, look), base),
        ];
        for (at, width) in widths {
            let operation = OPERATIONS[*at].0;
            let found = count(&mapping.counts, operation);
            let mut style = match operation {
                Operation::Rejected | Operation::Delete if found > 0 => look.theme.bad(),
                Operation::Held | Operation::Mark if found > 0 => look.theme.warn(),
                Operation::Insert if found > 0 => look.theme.good(),
                Operation::Update if found > 0 => look.theme.changed(),
                _ if found == 0 => look.theme.dim(),
                _ => look.theme.plain(),
            };
            if chosen {
                style = style.patch(if *at == screen.operation && !screen.in_rows {
                    look.theme.selected()
                } else {
                    look.theme.marked()
                });
            }
            spans.push(Span::styled(fit_right(&figure(found), *width, look), style));
        }
        spans.push(Span::styled(fit_right(&figure(mapping.counts.after), layout.after, look), base));
        if wide {
            let native = mapping.counts.native.map_or_else(|| "-".to_owned(), figure);
            spans.push(Span::styled(fit_right(&native, layout.native, look), base));
        }
        widgets::line(frame, area, row, Line::from(spans));
        row += 1;
    }
    row
}

/// How much an incremental plan looked at, in a line.
fn incremental_words(incremental: &Incremental) -> String {
    let looked = number(incremental.looked);
    let rest = number(incremental.unchanged + incremental.filtered);
    match &incremental.from {
        None => format!(" Incremental, all compared: {looked} looked at, {rest} as the last run left them"),
        Some((column, value)) => {
            let unread = number(incremental.unread);
            format!(" Incremental from {column} {value} on: {looked} looked at, {rest} as before, {unread} not read")
        }
    }
}

/// A heading, closer where it is tight: `ADD+`.
fn title(heading: &str, wide: bool) -> String {
    if wide { heading.to_owned() } else { heading.replace(' ', "") }
}

/// What an operator must know of a mapping's plan, the most pressing first.
fn notes(plan: &Plan, mapping: &MappingPlan, room: usize, look: &Look) -> Vec<(String, ratatui::style::Style)> {
    let mut notes = Vec::new();
    if let Some(what) = DiffScreen::reverts(plan) {
        notes.push((format!(" REVERT: makes rows what they were before {what}"), look.theme.title()));
    }
    for blocked in &mapping.blocked {
        // Figures at the end of the reason and what to do about it must not fall behind the edge.
        let reason = text::wrap_line(&format!("BLOCKED: {}", blocked.reason), room.saturating_sub(2), look);
        let advice = text::wrap_line(&blocked.advice, room.saturating_sub(4), look);
        notes.extend(reason.into_iter().map(|line| (format!(" {line}"), look.theme.bad())));
        notes.extend(advice.into_iter().map(|line| (format!("   {line}"), look.theme.warn())));
    }
    let counts = &mapping.counts;
    let open: Vec<&str> = plan
        .mappings
        .iter()
        .filter(|mapping| !mapping.counts.closes())
        .map(|mapping| mapping.mapping.as_str())
        .collect();
    notes.push(if open.is_empty() {
        let text = format!(
            " Closes. DELETES {}. {}. Before {}, after {}.",
            number(plan.mappings.iter().map(|mapping| mapping.counts.deleted).sum()),
            counts.native.map_or_else(
                || "Native: not looked at".to_owned(),
                |native| format!("Native rows, untouched: {}", number(native))
            ),
            number(counts.before),
            number(counts.after)
        );
        (text, look.theme.good())
    } else {
        (format!(" DOES NOT CLOSE: {}", open.join(", ")), look.theme.bad())
    });
    notes.extend(here(mapping, look));
    if let Some(incremental) = &mapping.incremental {
        notes.push((incremental_words(incremental), look.theme.plain()));
    }
    if let Some(cause) = mapping.causes.first() {
        let left = counts.rejected + counts.held;
        notes.push((
            format!(" {} of {} left out: {}  (r)", number(cause.rows), number(left), cause.cause),
            look.theme.warn(),
        ));
    }
    for warning in &mapping.warnings {
        notes.push((format!(" ! {warning}"), look.theme.warn()));
    }
    if !mapping.left_behind.is_empty() {
        let columns: Vec<String> =
            mapping.left_behind.iter().map(|column| format!("{} {}", column.column, number(column.filled))).collect();
        notes.push((format!(" Left behind, with data: {}", columns.join(", ")), look.theme.warn()));
    }
    for (field, source, expected) in &mapping.latches {
        notes.push((
            format!(" {field}: {} set in the source, {} expected", number(*source), number(*expected)),
            look.theme.plain(),
        ));
    }
    let changes: Vec<String> = mapping
        .changes
        .iter()
        .filter(|change| change.changed > 0)
        .map(|change| format!("{} {}", change.field, number(change.changed)))
        .collect();
    if !changes.is_empty() {
        notes.push((format!(" Changes: {}", changes.join(", ")), look.theme.changed()));
    }
    notes
}

/// What the platform can and cannot promise, and below it what happens there beside what is written.
fn here(mapping: &MappingPlan, look: &Look) -> Vec<(String, ratatui::style::Style)> {
    let here = &mapping.here;
    let mut promises = vec![
        if here.atomic { "atomic per object" } else { "NOT atomic" }.to_owned(),
        if here.revertible { "pre-images are kept" } else { "cannot be taken back" }.to_owned(),
    ];
    promises.extend(here.limit_words());
    let style = if here.atomic { look.theme.dim() } else { look.theme.warn() };
    let mut lines = vec![(format!(" Here: {}", promises.join("; ")), style)];
    if !here.side_effects.is_empty() {
        lines.push((format!(" Here: {}", here.side_effects.join("; ")), style));
    }
    lines
}

fn behind(frame: &mut Frame, area: Rect, app: &App, mapping: &MappingPlan, screen: &DiffScreen, look: &Look) {
    let operation = screen.operation();
    let rows = &screen.rows;
    let word = word(operation);
    let by = rows.column.as_ref().map(|column| format!(" of {column}")).unwrap_or_default();
    let place = if rows.causes.is_empty() && rows.total > 0 {
        format!("{}/{}", number(rows.first + rows.list.cursor as u64 + 1), number(rows.total))
    } else {
        rows.list.place()
    };
    widgets::rule(frame, area, 0, &format!("{}: {word}{by}", mapping.mapping), &place, look);
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let words = match (rows.failed, rows.loading, rows.total) {
        (true, ..) => Some(" they cannot be read: see the message below"),
        (_, true, _) => Some(" reading ..."),
        (_, _, 0) => Some(" none"),
        _ => None,
    };
    if let Some(words) = words {
        widgets::put(frame, body, 0, words, look.theme.dim(), look);
        return;
    }
    if !rows.causes.is_empty() {
        let columns = [
            Column::right("ROWS", 9),
            Column::left("CAUSE  (enter: rows, e: mend on the map)", usize::from(area.width) - 12),
        ];
        let page = usize::from(body.height).saturating_sub(1).max(1);
        let top = (rows.list.cursor + 1).saturating_sub(page);
        let lines = rows.causes.iter().skip(top).map(|cause| {
            vec![Cell::new(number(cause.rows.len() as u64), look.theme.warn()), Cell::from(cause.cause.clone())]
        });
        let chosen = rows.list.cursor - top;
        let selection = if screen.in_rows { Selection::Active(chosen) } else { Selection::Inactive(chosen) };
        table::draw(frame, body, &columns, lines, selection, look);
        return;
    }
    cells(frame, body, app, mapping, screen, operation, look);
    if rows.rows.len() == CHUNK && rows.list.cursor + 1 == CHUNK {
        let last = usize::from(body.height).saturating_sub(1);
        widgets::put(frame, body, last, " down: the next rows", look.theme.dim(), look);
    }
}

fn cells(
    frame: &mut Frame,
    area: Rect,
    app: &App,
    mapping: &MappingPlan,
    screen: &DiffScreen,
    operation: Operation,
    look: &Look,
) {
    let rows = &screen.rows;
    let room = usize::from(area.width);
    let key = (room / 6).clamp(10, 24);
    let column = (room / 6).clamp(12, 24);
    let personal = &app.shared.personal;
    let project = app.shared.project.mappings.iter().find(|one| one.name == mapping.mapping);
    for (at, line) in rows.lines(operation, usize::from(area.height)).into_iter().enumerate() {
        let row = &rows.rows[line.row];
        let chosen = line.row == rows.list.cursor;
        let base = match (chosen, screen.in_rows) {
            (true, true) => look.theme.selected(),
            (true, false) => look.theme.marked(),
            _ => look.theme.plain(),
        };
        let label = if line.first {
            fit(&covered(&row.key, personal.key(&mapping.mapping), look.revealed), key, look)
        } else {
            " ".repeat(key)
        };
        let mut spans = vec![
            Span::styled(if chosen && line.first { ">" } else { " " }, base),
            Span::styled(label, base),
            Span::raw(" "),
        ];
        let Some(cell) = line.cell.map(|cell| &row.cells[cell]) else {
            let reason = row.reason.clone().unwrap_or_default();
            spans.push(Span::styled(fit(&reason, room.saturating_sub(key + 2), look), look.theme.dim()));
            widgets::line(frame, area, at, Line::from(spans));
            continue;
        };
        let field = project.and_then(|mapping| mapping.field(&cell.column));
        let masked = personal.target(&mapping.mapping, &cell.column);
        let show = |cell: Option<&str>| value(cell, masked, look);
        let why = match (&cell.kept, field) {
            (Some(rule), _) => format!("kept: {rule}"),
            (None, Some(field)) if cell.changed => field.clean.last().map(|rule| rule.name.clone()).unwrap_or_default(),
            _ => String::new(),
        };
        let left = room.saturating_sub(key + column + 4 + 14);
        spans.push(Span::styled(fit(&cell.column, column, look), look.theme.dim()));
        spans.push(Span::raw(" "));
        let new = match &cell.pending {
            Some(pending) => show(Some(pending)),
            None => show(cell.new.as_deref()),
        };
        let style = if cell.changed { look.theme.changed() } else { look.theme.plain() };
        if matches!(operation, Operation::Update | Operation::Mark) {
            let (before, after) = (left / 2 - 2, left - left / 2 - 2);
            spans.push(Span::styled(fit_safe(&show(cell.old.as_deref()), before, look), look.theme.plain()));
            let arrow =
                if cell.kept.is_some() { " = ".to_owned() } else { format!(" {} ", look.glyphs.becomes().trim()) };
            spans.push(Span::styled(arrow, look.theme.dim()));
            spans.push(Span::styled(
                fit_safe(&new, after, look),
                if cell.kept.is_some() { look.theme.dim() } else { style },
            ));
        } else {
            let shown = if operation == Operation::Delete { show(cell.old.as_deref()) } else { new };
            let mark = match operation {
                Operation::Insert => "+ ",
                Operation::Delete => "- ",
                _ => "  ",
            };
            spans.push(Span::styled(mark, style));
            spans.push(Span::styled(fit_safe(&shown, left.saturating_sub(2), look), look.theme.plain()));
        }
        spans.push(Span::raw(" "));
        spans.push(Span::styled(why, look.theme.dim()));
        widgets::line(frame, area, at, Line::from(spans));
    }
}

#[cfg(test)]
mod tests;
