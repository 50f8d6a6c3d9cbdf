//! Keys as the app knows them, free of any terminal library.
use std::fmt;
use std::str::FromStr;

/// What was pressed, without modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyCode {
    /// A character; an upper-case one stands for shift.
    Char(char),
    /// Enter.
    Enter,
    /// Escape.
    Esc,
    /// Backspace.
    Backspace,
    /// Tab.
    Tab,
    /// Shift-Tab.
    BackTab,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Delete.
    Delete,
    /// Function key.
    F(u8),
}

/// A key press.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// What was pressed.
    pub code: KeyCode,
    /// With Ctrl.
    pub ctrl: bool,
    /// With Alt.
    pub alt: bool,
}

impl Key {
    /// A key without modifiers.
    pub const fn plain(code: KeyCode) -> Self {
        Self { code, ctrl: false, alt: false }
    }
    /// A character without modifiers.
    pub const fn char(char: char) -> Self {
        Self::plain(KeyCode::Char(char))
    }
    /// Ctrl and a character.
    pub const fn ctrl(char: char) -> Self {
        Self { code: KeyCode::Char(char), ctrl: true, alt: false }
    }
    /// The character that this key types into a text, if it types one.
    pub const fn typed(self) -> Option<char> {
        match self.code {
            KeyCode::Char(char) if !self.ctrl && !self.alt => Some(char),
            _ => None,
        }
    }
}

/// Names of the keys that are not characters, as shown and as read.
const NAMES: &[(KeyCode, &str)] = &[
    (KeyCode::Enter, "enter"),
    (KeyCode::Esc, "esc"),
    (KeyCode::Backspace, "backspace"),
    (KeyCode::Tab, "tab"),
    (KeyCode::BackTab, "shift-tab"),
    (KeyCode::Up, "up"),
    (KeyCode::Down, "down"),
    (KeyCode::Left, "left"),
    (KeyCode::Right, "right"),
    (KeyCode::Home, "home"),
    (KeyCode::End, "end"),
    (KeyCode::PageUp, "pgup"),
    (KeyCode::PageDown, "pgdn"),
    (KeyCode::Delete, "del"),
    (KeyCode::Char(' '), "space"),
];

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("^")?;
        }
        if self.alt {
            f.write_str("alt-")?;
        }
        if let Some((_, name)) = NAMES.iter().find(|(code, _)| *code == self.code) {
            return f.write_str(name);
        }
        match self.code {
            KeyCode::Char(char) if self.ctrl => write!(f, "{}", char.to_ascii_uppercase()),
            KeyCode::Char(char) => write!(f, "{char}"),
            KeyCode::F(number) => write!(f, "f{number}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Key {
    type Err = String;

    /// Reads what [`Key`]'s `Display` writes: `^R`, `alt-x`, `pgdn`, `g`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (alt, rest) = match text.strip_prefix("alt-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (ctrl, rest) = match rest.strip_prefix('^') {
            Some(rest) if !rest.is_empty() => (true, rest),
            _ => (false, rest),
        };
        let code = if let Some((code, _)) = NAMES.iter().find(|(_, name)| *name == rest) {
            *code
        } else {
            let mut chars = rest.chars();
            match (chars.next(), chars.next()) {
                (Some(char), None) if ctrl => KeyCode::Char(char.to_ascii_lowercase()),
                (Some(char), None) => KeyCode::Char(char),
                (Some('f'), Some(_)) => KeyCode::F(rest[1..].parse().map_err(|_| format!("'{text}' is not a key"))?),
                _ => return Err(format!("'{text}' is not a key")),
            }
        };
        Ok(Self { code, ctrl, alt })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_read_back_as_they_are_written() {
        for text in ["^R", "alt-x", "pgdn", "g", "G", "space", "f5", "^", "?", "shift-tab"] {
            assert_eq!(text.parse::<Key>().unwrap().to_string(), text);
        }
        assert_eq!("^R".parse::<Key>().unwrap(), Key::ctrl('r'));
        assert!("nonsense".parse::<Key>().is_err());
    }
}
