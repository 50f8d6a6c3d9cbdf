//! Drawing. Everything here only reads an [`App`]; nothing is kept between frames.
// A look is handed down by reference everywhere: it is small today and may grow (keymaps, themes from files).
#![allow(clippy::trivially_copy_pass_by_ref)]
use ratatui::Frame;
use ratatui::layout::Rect;

pub mod frame;
pub mod glyphs;
pub mod overlays;
pub mod results;
pub mod screens;
pub mod table;
pub mod text;
pub mod theme;
pub mod widgets;

#[cfg(test)]
pub(crate) mod hostile;
#[cfg(test)]
pub(crate) mod tests;

use crate::app::{App, SMALLEST};
pub use glyphs::Glyphs;
pub use theme::{Palette, Theme};

/// How things look on this terminal.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Colours.
    pub theme: Theme,
    /// Characters.
    pub glyphs: Glyphs,
    /// Text too is ASCII alone: the rest is written as escapes. For locales that are not UTF-8, where a terminal may
    /// take the bytes of a letter for controls.
    pub ascii_text: bool,
    /// Personal values are shown as they are.
    pub revealed: bool,
}

impl Look {
    /// A look; `ascii` for borders and marks of ASCII alone.
    pub const fn new(palette: Palette, ascii: bool) -> Self {
        Self { theme: Theme::new(palette), glyphs: Glyphs::new(ascii), ascii_text: false, revealed: false }
    }
}

/// Draws the whole screen.
pub fn draw(frame: &mut Frame, app: &App, look: &Look) {
    paint(frame, app, look);
    text::scrub(frame.buffer_mut(), look.ascii_text);
}

/// Draws the whole screen without the last gate: tests see what a view let through.
fn paint(frame: &mut Frame, app: &App, look: &Look) {
    let look = &Look { revealed: app.shared.revealed, ..*look };
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        draw_too_small(frame, area, look);
    } else {
        frame::draw(frame, app, look);
        for overlay in &app.overlays {
            overlays::draw(frame, app, overlay, look);
        }
    }
}

fn draw_too_small(frame: &mut Frame, area: Rect, look: &Look) {
    let lines = [
        format!("The terminal is {} x {}.", area.width, area.height),
        format!("The console needs {} x {}:", SMALLEST.0, SMALLEST.1),
        "make the window larger, or the letters smaller.".to_owned(),
        "^C leaves; runs go on.".to_owned(),
    ];
    for (row, line) in lines.iter().enumerate() {
        let Ok(row) = u16::try_from(row) else { return };
        if row < area.height {
            let line = text::fit(line, usize::from(area.width), look);
            frame.buffer_mut().set_string(0, row, line, look.theme.plain());
        }
    }
}
