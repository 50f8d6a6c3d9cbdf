//! A line of text that is typed: searches, names, filters.
use unicode_segmentation::UnicodeSegmentation;

use super::key::{Key, KeyCode};

/// One line with a cursor. The cursor is a byte offset and stands on a grapheme border.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextInput {
    text: String,
    cursor: usize,
}

impl TextInput {
    /// A line that holds `text`, the cursor at its end.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cursor: text.len(), text }
    }
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// Text before and after the cursor.
    pub fn parts(&self) -> (&str, &str) {
        self.text.split_at(self.cursor)
    }
    /// Puts text in at the cursor; line breaks become spaces.
    pub fn insert(&mut self, text: &str) {
        for char in text.chars().map(|char| if char == '\n' || char == '\r' || char == '\t' { ' ' } else { char }) {
            if !char.is_control() {
                self.text.insert(self.cursor, char);
                self.cursor += char.len_utf8();
            }
        }
    }
    /// Handles an editing key; false if it is none.
    pub fn key(&mut self, key: Key) -> bool {
        if let Some(char) = key.typed() {
            self.insert(char.encode_utf8(&mut [0; 4]));
            return true;
        }
        match (key.code, key.ctrl) {
            (KeyCode::Backspace, false) | (KeyCode::Char('h'), true) => {
                let start = self.before();
                self.text.replace_range(start..self.cursor, "");
                self.cursor = start;
            }
            (KeyCode::Delete, false) => {
                let end = self.after();
                self.text.replace_range(self.cursor..end, "");
            }
            (KeyCode::Left, false) => self.cursor = self.before(),
            (KeyCode::Right, false) => self.cursor = self.after(),
            (KeyCode::Home, false) | (KeyCode::Char('a'), true) => self.cursor = 0,
            (KeyCode::End, false) | (KeyCode::Char('e'), true) => self.cursor = self.text.len(),
            (KeyCode::Char('u'), true) => {
                self.text.replace_range(..self.cursor, "");
                self.cursor = 0;
            }
            (KeyCode::Char('w'), true) => {
                let head = self.text[..self.cursor].trim_end();
                let start = head.rfind(' ').map_or(0, |at| at + 1);
                self.text.replace_range(start..self.cursor, "");
                self.cursor = start;
            }
            _ => return false,
        }
        true
    }
    fn before(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }
    fn after(&self) -> usize {
        self.text[self.cursor..].graphemes(true).next().map_or(self.cursor, |one| self.cursor + one.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_by_grapheme() {
        let mut line = TextInput::new("ab");
        line.insert("e\u{301}\n");
        assert_eq!(line.text(), "abe\u{301} ");
        line.key(Key::plain(KeyCode::Backspace));
        line.key(Key::plain(KeyCode::Backspace));
        assert_eq!(line.text(), "ab");
        line.key(Key::plain(KeyCode::Left));
        line.key(Key::char('x'));
        assert_eq!(line.parts(), ("ax", "b"));
        line.key(Key::ctrl('u'));
        assert_eq!(line.text(), "b");
        assert!(!line.key(Key::plain(KeyCode::Enter)));
    }
}
