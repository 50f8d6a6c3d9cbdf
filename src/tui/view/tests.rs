//! Whole screens, drawn on a terminal in memory.
#![allow(clippy::unwrap_used)]
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::app::msg::Msg;
use crate::app::screens::ScreenId;
use crate::app::tests::{app, press};

/// What a terminal of this size shows, line by line.
pub(crate) fn screen(app: &mut App, columns: u16, rows: u16, look: &Look) -> String {
    app.update(Msg::Resize(columns, rows));
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(frame, app, look)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |row: u16| (0..columns).map(|column| buffer[(column, row)].symbol()).collect::<String>();
    (0..rows).map(|row| line(row).trim_end().to_owned() + "\n").collect()
}

/// Without colours, with UTF-8.
pub(crate) fn plain() -> Look {
    Look::new(Palette::None, false)
}

#[test]
fn a_small_terminal_is_told_what_is_needed() {
    let mut app = app(&[]);
    let shown = screen(&mut app, 40, 10, &plain());
    assert!(shown.contains("The terminal is 40 x 10.") && shown.contains("60 x 16"), "{shown}");
    screen(&mut app, 1, 1, &plain());
}

#[test]
fn every_key_bar_fits_and_shows_the_way_to_all_the_rest() {
    for id in ScreenId::ALL {
        let mut app = app(&[]);
        app.screen = *id;
        for (columns, rows) in [(60, 16), (80, 24), (200, 50)] {
            let shown = screen(&mut app, columns, rows, &plain());
            let last = shown.lines().last().unwrap();
            assert!(last.ends_with(": commands  ? help  q back"), "{id:?} at {columns}: {last}");
        }
    }
}

#[test]
fn help_lists_every_action_with_a_key_on_the_screen() {
    for id in ScreenId::ALL {
        let mut app = app(&[]);
        app.screen = *id;
        let help: Vec<String> = overlays::help_lines(&app, 200, &plain()).iter().map(ToString::to_string).collect();
        for binding in crate::app::keymap::active(&id.layers()) {
            assert!(help.iter().any(|line| line.contains(binding.action.doc().doc)), "{} on {id:?}", binding.key);
        }
        press(&mut app, "?");
        assert!(screen(&mut app, 80, 24, &plain()).contains("Help: "));
    }
}

#[test]
fn no_control_byte_is_left_in_the_buffer_whatever_a_view_forgot() {
    let mut terminal = Terminal::new(TestBackend::new(20, 2)).unwrap();
    terminal
        .draw(|frame| {
            frame.buffer_mut()[(0, 0)].set_symbol("\u{1b}");
            frame.buffer_mut()[(1, 0)].set_symbol("a\u{202e}");
            frame.buffer_mut()[(2, 0)].set_symbol("é");
            text::scrub(frame.buffer_mut(), false);
        })
        .unwrap();
    let buffer = terminal.backend().buffer();
    assert_eq!((buffer[(0, 0)].symbol(), buffer[(1, 0)].symbol(), buffer[(2, 0)].symbol()), ("?", "?", "é"));
}
