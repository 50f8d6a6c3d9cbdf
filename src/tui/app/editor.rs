//! A text of several lines that is typed. The only file of the app that knows the text area it is built on; what it
//! hands out is plain lines and positions.
use tui_textarea::{CursorMove, Input, Key as AreaKey, TextArea};

use super::key::{Key, KeyCode};

/// Lines with a cursor, undo and word moves.
#[derive(Debug, Clone)]
pub struct Editor {
    area: TextArea<'static>,
}

impl Editor {
    /// Begins with a text, the cursor at its end.
    pub fn new(text: &str) -> Self {
        let mut area = TextArea::new(text.lines().map(str::to_owned).collect());
        area.set_tab_length(2);
        area.move_cursor(CursorMove::Bottom);
        area.move_cursor(CursorMove::End);
        Self { area }
    }
    /// The text.
    pub fn text(&self) -> String {
        let mut text = self.area.lines().join("\n");
        text.push('\n');
        text
    }
    /// Its lines.
    pub fn lines(&self) -> &[String] {
        self.area.lines()
    }
    /// Line and character of the cursor, from 0.
    pub fn cursor(&self) -> (usize, usize) {
        let cursor = self.area.cursor();
        (cursor.0, cursor.1)
    }
    /// Puts a text in at the cursor.
    pub fn insert(&mut self, text: &str) {
        self.area.insert_str(text);
    }
    /// Puts a text in for so many characters before the cursor.
    pub fn replace(&mut self, characters: usize, text: &str) {
        for _ in 0..characters {
            self.area.delete_char();
        }
        self.area.insert_str(text);
    }
    /// Handles a key; true if the text may have changed.
    pub fn key(&mut self, key: Key) -> bool {
        let code = match key.code {
            KeyCode::Char(char) => AreaKey::Char(char),
            KeyCode::Enter => AreaKey::Enter,
            KeyCode::Backspace => AreaKey::Backspace,
            KeyCode::Tab => AreaKey::Tab,
            KeyCode::Up => AreaKey::Up,
            KeyCode::Down => AreaKey::Down,
            KeyCode::Left => AreaKey::Left,
            KeyCode::Right => AreaKey::Right,
            KeyCode::Home => AreaKey::Home,
            KeyCode::End => AreaKey::End,
            KeyCode::PageUp => AreaKey::PageUp,
            KeyCode::PageDown => AreaKey::PageDown,
            KeyCode::Delete => AreaKey::Delete,
            KeyCode::F(number) => AreaKey::F(number),
            KeyCode::Esc | KeyCode::BackTab => return false,
        };
        self.area.input(Input { key: code, ctrl: key.ctrl, alt: key.alt, shift: false })
    }
}
