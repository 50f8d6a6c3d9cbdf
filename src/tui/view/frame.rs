//! What stands around every screen: tabs, heading, status and key bar.
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::text::{cut, fit, width};
use super::{Look, screens, widgets};
use crate::app::App;
use crate::app::action::Action;
use crate::app::keymap;
use crate::app::screens::ScreenId;
use crate::app::shared::{Shared, Tone};

/// Draws tabs, heading, the visible screen, and key bar.
pub fn draw(frame: &mut Frame, app: &App, look: &Look) {
    let area = frame.area();
    tabs(frame, app, look);
    heading(frame, app, look);
    let body = Rect { y: area.y + 2, height: area.height - Shared::FRAME_ROWS, ..area };
    screens::draw(app.screen, frame, body, app, look);
    footer(frame, app, look);
}

fn tabs(frame: &mut Frame, app: &App, look: &Look) {
    let area = frame.area();
    let mut spans = vec![Span::raw(" ")];
    for (at, id) in ScreenId::ALL.iter().enumerate().filter(|(_, id)| id.is_in_tabs(app.screen, area.width)) {
        let style = if *id == app.screen { look.theme.tab() } else { look.theme.plain() };
        spans.push(Span::raw(format!("{} ", at + 1)));
        spans.push(Span::styled(id.name(), style));
        spans.push(Span::raw(" "));
    }
    let used: usize = spans.iter().map(|span| width(&span.content)).sum();
    let env = app.shared.project.env.as_deref();
    let env_text = match env {
        Some(env) => format!(" {} ", env.to_uppercase()),
        None => " LIVE ".to_owned(),
    };
    let env_style = if env.is_some() { look.theme.sandbox() } else { look.theme.live() };
    let runs = match app.shared.active_runs() {
        0 => String::new(),
        1 => "1 run active ".to_owned(),
        more => format!("{more} runs active "),
    };
    // What is wrong with sync is seen from every screen, as far as there is room.
    let alarm = match crate::app::sync::worst(&app.shared.sync) {
        Some(worst) if !app.shared.sync.alarms().is_empty() && app.screen != ScreenId::Sync => format!("! {worst} "),
        _ => String::new(),
    };
    let room = usize::from(area.width).saturating_sub(used + width(&env_text) + width(&runs) + 2);
    let alarm = if room < 12 { String::new() } else { cut(&alarm, room, look) };
    let room = room.saturating_sub(width(&alarm));
    let project = cut(&app.shared.project.name, room, look);
    let gap = room.saturating_sub(width(&project)) + 1;
    spans.push(Span::raw(" ".repeat(gap)));
    spans.push(Span::styled(alarm, look.theme.bad()));
    spans.push(Span::styled(runs, look.theme.warn()));
    spans.push(Span::raw(format!("{project} ")));
    for span in &mut spans {
        span.style = look.theme.bar().patch(span.style);
    }
    // The environment stands apart from the bar in every palette.
    spans.push(Span::styled(cut(&env_text, 16, look), env_style.remove_modifier(ratatui::style::Modifier::REVERSED)));
    widgets::line(frame, area, 0, Line::from(spans));
}

fn heading(frame: &mut Frame, app: &App, look: &Look) {
    let area = frame.area();
    let unsaved = app.shared.unsaved().count();
    let (saved, style) = match (app.shared.drafts.is_empty(), unsaved) {
        (true, _) => (String::new(), look.theme.dim()),
        (false, 0) => ("saved".to_owned(), look.theme.dim()),
        (false, count) => (format!("{count} unsaved *"), look.theme.warn()),
    };
    let room = usize::from(area.width).saturating_sub(width(&saved) + 3);
    let text = fit(&app.screens.get(app.screen).heading(&app.shared), room, look);
    let spans =
        vec![Span::raw(" "), Span::styled(text, look.theme.title()), Span::raw(" "), Span::styled(saved, style)];
    widgets::line(frame, area, 1, Line::from(spans));
}

fn footer(frame: &mut Frame, app: &App, look: &Look) {
    let area = frame.area();
    let status = status(app, usize::from(area.width), look);
    let first = usize::from(area.height) - 2;
    let bar = key_bar(app, usize::from(area.width), if status.is_some() { 1 } else { 2 }, look);
    for (at, line) in status.into_iter().chain(bar).enumerate() {
        widgets::line(frame, area, first + at, line);
    }
}

fn status(app: &App, room: usize, look: &Look) -> Option<Line<'static>> {
    if let Some(notice) = &app.shared.notice {
        let (mark, style) = match notice.tone {
            Tone::Info => ("i ", look.theme.title()),
            Tone::Good => ("+ ", look.theme.good()),
            Tone::Bad => ("! ", look.theme.bad()),
        };
        let text = match &notice.advice {
            Some(advice) => format!("{}: {advice}", notice.text),
            None => notice.text.clone(),
        };
        return Some(Line::styled(fit(&format!(" {mark}{text}"), room, look), style));
    }
    let job = app.shared.visible_job()?;
    let text = widgets::progress(&job.progress, &job.title, room.saturating_sub(14), look);
    Some(Line::from(vec![
        Span::styled(format!(" {text} "), look.theme.title()),
        Span::styled("esc", look.theme.key()),
        Span::raw(" stops it"),
    ]))
}

/// `key label` pairs from the keymap, the most important first, over `rows` lines.
fn key_bar(app: &App, room: usize, rows: usize, look: &Look) -> Vec<Line<'static>> {
    let layers = app.screen.layers();
    let screen = app.screens.get(app.screen);
    let mut seen: Vec<Action> = Vec::new();
    let mut items: Vec<(String, &'static str)> = Vec::new();
    for binding in keymap::active(&layers) {
        let obvious = matches!(binding.layer, keymap::Layer::List) && binding.action != Action::Search;
        if obvious || seen.contains(&binding.action) || !screen.offers(binding.action, &app.shared) {
            continue;
        }
        seen.push(binding.action);
        items.push((binding.key.to_string(), binding.action.doc().label));
    }
    // The way to all the rest is always there, last.
    let always = [Action::Palette, Action::Help, Action::Back];
    let is_always = |label: &str| always.iter().any(|action| action.doc().label == label);
    let tail: Vec<_> = items.iter().filter(|(_, label)| is_always(label)).cloned().collect();
    let tail_width: usize = tail.iter().map(|(key, label)| width(key) + width(label) + 3).sum();
    items.retain(|(_, label)| !is_always(label));
    let mut lines = Vec::new();
    let mut items = items.into_iter().peekable();
    for row in 0..rows {
        let last = row + 1 == rows;
        let mut left = room.saturating_sub(if last { tail_width + 1 } else { 1 });
        let mut spans = vec![Span::raw(" ")];
        let push = |key: String, label: &str, spans: &mut Vec<Span<'static>>| {
            spans.push(Span::styled(key, look.theme.key()));
            spans.push(Span::raw(format!(" {label}  ")));
        };
        while let Some((key, label)) = items.next_if(|(key, label)| width(key) + width(label) + 3 <= left) {
            left -= width(&key) + width(label) + 3;
            push(key, label, &mut spans);
        }
        if last {
            for (key, label) in &tail {
                push(key.clone(), label, &mut spans);
            }
        }
        lines.push(Line::from(spans));
    }
    lines
}
