//! What lies on top of a screen.
use ratatui::Frame;
use ratatui::text::{Line, Span};

use super::text::{cut, fit, width, wrap, wrap_line};
use super::{Look, widgets};
use crate::app::App;
use crate::app::action::{ACTIONS, Action, Group};
use crate::app::keymap;
use crate::app::overlay::{Offer, Overlay, Picker, Question};
use crate::app::words::Words;

/// Draws one overlay.
pub fn draw(frame: &mut Frame, app: &App, overlay: &Overlay, look: &Look) {
    match overlay {
        Overlay::Help(top) => help(frame, app, *top, look),
        Overlay::Palette(picker, actions) => pick(frame, picker, Some((app, actions)), look),
        Overlay::Pick(picker) => pick(frame, picker, None, look),
        Overlay::Ask(question) => ask(frame, question, look),
        Overlay::Offer(offer) => self::offer(frame, offer, look),
        Overlay::Text(title, lines, top) => {
            let room = usize::from(frame.area().width).saturating_sub(8).min(96);
            let hint = if lines.iter().any(Words::is_personal) {
                let key = keymap::key_of(&app.screen.layers(), Action::Reveal).map(|key| key.to_string());
                let word = if look.revealed { "masks" } else { "shows" };
                key.map(|key| format!("{key} {word} personal values; ")).unwrap_or_default()
            } else {
                String::new()
            };
            let shown = lines.iter().map(|line| line.shown(look.revealed));
            let lines: Vec<Line> = shown.flat_map(|line| wrap_line(&line, room, look)).map(Line::raw).collect();
            read(frame, &title.shown(look.revealed), lines, *top, &hint, look);
        }
    }
}

/// Cells that keys take in the help.
const KEYS: usize = 14;

/// The lines of the help for the visible screen: from the registry, so nothing can be missing.
pub fn help_lines(app: &App, room: usize, look: &Look) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let active = keymap::active(&app.screen.layers());
    for group in [Group::Look, Group::Edit, Group::Migrate, Group::Sync, Group::Move, Group::Program] {
        let mut rows = Vec::new();
        for doc in ACTIONS.iter().filter(|doc| doc.group == group) {
            let keys: Vec<String> = active
                .iter()
                .filter(|binding| binding.action == doc.action)
                .map(|binding| binding.key.to_string())
                .collect();
            if keys.is_empty() {
                continue;
            }
            let mark = if doc.dangerous {
                " (asks first)"
            } else if doc.undoable {
                " (u undoes)"
            } else {
                ""
            };
            let text = format!("{}{mark}", doc.doc);
            let mut keys = keys.join(" ");
            for part in wrap(&text, room.saturating_sub(KEYS).max(20), look) {
                rows.push(Line::from(vec![Span::styled(fit(&keys, KEYS, look), look.theme.key()), Span::raw(part)]));
                keys.clear();
            }
        }
        if !rows.is_empty() {
            lines.push(Line::styled(group.title(), look.theme.title()));
            lines.append(&mut rows);
        }
    }
    lines.push(Line::styled("Marks", look.theme.title()));
    for (mark, meaning) in [
        ('+', "fine, added"),
        ('~', "changed"),
        ('?', "doubtful"),
        ('!', "fails"),
        ('x', "empty, must not be"),
        ('-', "removed"),
    ] {
        lines.push(Line::from(vec![
            Span::styled(fit(&mark.to_string(), KEYS, look), look.theme.mark(mark)),
            Span::raw(meaning),
        ]));
    }
    lines
}

fn help(frame: &mut Frame, app: &App, top: usize, look: &Look) {
    read(
        frame,
        &format!("Help: {}", app.screen.name()),
        help_lines(app, usize::from(frame.area().width).saturating_sub(4).min(100), look),
        top,
        "",
        look,
    );
}

fn read(frame: &mut Frame, title: &str, lines: Vec<Line>, top: usize, hint: &str, look: &Look) {
    let columns = lines.iter().map(Line::width).max().unwrap_or(0).max(40);
    let rows = lines.len() + 1;
    let area = widgets::dialog(frame, title, columns, rows, false, look);
    let page = usize::from(area.height).saturating_sub(1);
    let top = top.min(lines.len().saturating_sub(page));
    let more = lines.len() > top + page;
    for (at, line) in lines.into_iter().skip(top).take(page).enumerate() {
        widgets::line(frame, area, at, line);
    }
    let more = if more { "down: more; " } else { "" };
    widgets::put(frame, area, page, &format!("{more}{hint}esc closes"), look.theme.dim(), look);
}

/// A long text with the choices below it.
fn offer(frame: &mut Frame, offer: &Offer, look: &Look) {
    let room = usize::from(frame.area().width).saturating_sub(6).min(100);
    let mut lines = Vec::new();
    for line in &offer.lines {
        let line = line.shown(look.revealed);
        let blanks = line.len() - line.trim_start_matches(' ').len();
        for (at, part) in wrap_line(&line[blanks..], room.saturating_sub(blanks + 2), look).into_iter().enumerate() {
            lines.push(format!("{}{part}", " ".repeat(blanks + if at > 0 { 2 } else { 0 })));
        }
    }
    let area = widgets::dialog(frame, &offer.title, room, lines.len() + 2, false, look);
    let page = usize::from(area.height).saturating_sub(2);
    let top = offer.top.min(lines.len().saturating_sub(page));
    for (at, line) in lines.iter().skip(top).take(page).enumerate() {
        widgets::put_safe(frame, area, at, line, look.theme.plain());
    }
    let left = lines.len().saturating_sub(top + page);
    let more = if left > 0 { format!("down: {left} more lines") } else { String::new() };
    widgets::put(frame, area, page, &more, look.theme.dim(), look);
    let mut spans = Vec::new();
    for (at, (key, label)) in offer.choices.iter().enumerate() {
        let key = if at == 0 { "enter".to_owned() } else { key.to_string() };
        spans.push(Span::styled(key, look.theme.key()));
        spans.push(Span::raw(format!(" {}  ", cut(label, 36, look))));
    }
    spans.push(Span::styled("esc", look.theme.key()));
    spans.push(Span::raw(" no"));
    widgets::line(frame, area, page + 1, Line::from(spans));
}

fn pick(frame: &mut Frame, picker: &Picker, keys_of: Option<(&App, &[Action])>, look: &Look) {
    let page = picker.list.page.max(1);
    let area = widgets::dialog(frame, &picker.title, 92, page + 2, false, look);
    widgets::input(frame, area, 0, &picker.input, look);
    let room = usize::from(area.width);
    let label_room = picker.items.iter().map(|(label, _)| width(label)).max().unwrap_or(0).clamp(8, room / 2);
    let key_of = |item: usize| {
        let (app, actions) = keys_of?;
        keymap::key_of(&app.screen.layers(), *actions.get(item)?)
    };
    for (at, place) in picker.list.visible().enumerate() {
        let Some(item) = picker.shown.get(place) else { break };
        let (label, detail) = &picker.items[*item];
        let key = key_of(*item).map_or(String::new(), |key| key.to_string());
        let mut spans = vec![Span::raw(if place == picker.list.cursor { "> " } else { "  " })];
        spans.push(Span::raw(fit(label, label_room, look)));
        spans.push(Span::raw(" "));
        if keys_of.is_some() {
            spans.push(Span::styled(fit(&key, 9, look), look.theme.key()));
            spans.push(Span::raw(" "));
        }
        let used: usize = spans.iter().map(|span| width(&span.content)).sum();
        spans.push(Span::styled(fit(detail, room.saturating_sub(used), look), look.theme.dim()));
        if place == picker.list.cursor {
            for span in &mut spans {
                span.style = look.theme.selected();
            }
        }
        widgets::line(frame, area, at + 1, Line::from(spans));
    }
    let hint = if picker.shown.is_empty() {
        "nothing fits; backspace".to_owned()
    } else {
        format!("{}  enter takes it, esc closes", picker.list.place())
    };
    widgets::put(frame, area, page + 1, &hint, look.theme.dim(), look);
}

fn ask(frame: &mut Frame, question: &Question, look: &Look) {
    let room = usize::from(frame.area().width).saturating_sub(8).min(72);
    let lines: Vec<String> =
        question.lines.iter().flat_map(|line| wrap_line(&line.shown(look.revealed), room, look)).collect();
    let rows = lines.len() + usize::from(question.input.is_some()) + 1;
    let area = widgets::dialog(frame, &question.title, room, rows, question.danger, look);
    for (at, line) in lines.iter().enumerate() {
        widgets::put_safe(frame, area, at, line, look.theme.plain());
    }
    let mut row = lines.len();
    if let Some(input) = &question.input {
        widgets::input(frame, area, row, input, look);
        row += 1;
        let (hint, style) = match (&question.must_be, question.fits()) {
            (Some(_), true) => ("enter: do it; esc: no", look.theme.bad()),
            (Some(_), false) => ("type it to the letter; esc: no", look.theme.dim()),
            (None, _) => ("enter takes it, esc closes", look.theme.dim()),
        };
        widgets::put(frame, area, row, hint, style, look);
    } else {
        let mut spans = Vec::new();
        for (key, label) in &question.choices {
            spans.push(Span::styled(key.to_string(), look.theme.key()));
            spans.push(Span::raw(format!(" {}   ", cut(label, 40, look))));
        }
        spans.push(Span::styled("esc", look.theme.key()));
        spans.push(Span::raw(" no"));
        widgets::line(frame, area, row, Line::from(spans));
    }
}
