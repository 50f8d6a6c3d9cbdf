//! The Cutover screen, drawn.
use crm_core::workspace::CutoverState;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::App;
use crate::app::screens::cutover::CutoverScreen;
use crate::view::text::{fit, width, wrap_line};
use crate::view::{Look, widgets};

/// Draws the body.
pub fn draw(frame: &mut Frame, area: Rect, _: &App, screen: &CutoverScreen, look: &Look) {
    let Some(cutover) = &screen.cutover else {
        let words = if screen.failed { " The checklist cannot be read." } else { " Looking ..." };
        widgets::put(frame, area, 1, words, look.theme.dim(), look);
        return;
    };
    let room = usize::from(area.width);
    let mut row = 0;
    for (at, item) in cutover.items.iter().enumerate() {
        let (mark, style) = match item.state {
            CutoverState::Done => ("+", look.theme.good()),
            CutoverState::Red => ("!", look.theme.bad()),
            CutoverState::Next => (">", look.theme.warn()),
            CutoverState::Waits => (" ", look.theme.dim()),
        };
        let title = format!("{} {:<8} {:<6}", at + 1, item.step.word(), item.state.word());
        let mut spans = vec![
            Span::raw(if at == screen.list.cursor { ">" } else { " " }),
            Span::styled(format!(" {mark} "), style),
            Span::styled(title, style),
        ];
        let used: usize = spans.iter().map(|span| width(&span.content)).sum();
        let lines = wrap_line(&item.detail, room.saturating_sub(used + 2), look);
        let first = lines.first().cloned().unwrap_or_default();
        spans.push(Span::raw(format!(" {first}")));
        if at == screen.list.cursor {
            let used: usize = spans.iter().map(|span| width(&span.content)).sum();
            spans.push(Span::raw(" ".repeat(room.saturating_sub(used))));
            for span in &mut spans {
                span.style = span.style.patch(look.theme.selected());
            }
        }
        widgets::line(frame, area, row, Line::from(spans));
        row += 1;
        let indent = " ".repeat(used + 1);
        for line in lines.iter().skip(1) {
            widgets::put_safe(frame, area, row, &format!("{indent}{line}"), look.theme.plain());
            row += 1;
        }
        for line in item.advice.iter().flat_map(|advice| wrap_line(advice, room.saturating_sub(used + 2), look)) {
            widgets::put_safe(frame, area, row, &format!("{indent}{line}"), look.theme.dim());
            row += 1;
        }
    }
    if !cutover.others.is_empty() {
        widgets::rule(frame, area, row + 1, "the other environments", "", look);
        for (at, (env, words)) in cutover.others.iter().enumerate() {
            let line = format!(" {} {words}", fit(&env.to_uppercase(), 10, look));
            widgets::put(frame, area, row + 2 + at, &line, look.theme.plain(), look);
        }
    }
}

#[cfg(test)]
mod tests;
