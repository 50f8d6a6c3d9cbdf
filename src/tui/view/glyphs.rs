//! Characters for lines and marks, with plain stand-ins for terminals without a UTF-8 locale.
use ratatui::symbols::border;

/// A set of characters.
#[derive(Debug, Clone, Copy)]
pub struct Glyphs {
    /// Only ASCII.
    pub ascii: bool,
}

/// Borders of ASCII alone.
const ASCII_BORDER: border::Set = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

impl Glyphs {
    /// See [`super::Look::new`].
    pub const fn new(ascii: bool) -> Self {
        Self { ascii }
    }
    const fn pick(self, utf: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { utf }
    }
    /// Borders.
    pub const fn border(self) -> border::Set<'static> {
        if self.ascii { ASCII_BORDER } else { border::PLAIN }
    }
    /// Horizontal line.
    pub const fn line(self) -> &'static str {
        self.pick("─", "-")
    }
    /// Vertical line.
    pub const fn bar(self) -> &'static str {
        self.pick("│", "|")
    }
    /// Stands for what did not fit.
    pub const fn more(self) -> &'static str {
        self.pick("…", "~")
    }
    /// Comes from.
    pub const fn from(self) -> &'static str {
        self.pick("←", "<-")
    }
    /// Becomes.
    pub const fn becomes(self) -> &'static str {
        self.pick("→", "->")
    }
    /// Done part of a bar.
    pub const fn full(self) -> &'static str {
        self.pick("█", "#")
    }
    /// Open part of a bar.
    pub const fn empty(self) -> &'static str {
        self.pick("░", ".")
    }
    /// A bar of eighths, from 0 to 7, that stands beside others.
    pub const fn spark(self, level: usize) -> &'static str {
        const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
        const ASCII: [&str; 8] = ["_", "_", "-", "-", "=", "=", "#", "#"];
        let at = if level > 7 { 7 } else { level };
        if self.ascii { ASCII[at] } else { BARS[at] }
    }
    /// Nothing happened there.
    pub const fn idle(self) -> &'static str {
        self.pick("·", ".")
    }
    /// NULL, told apart from the empty text and from a text that says so.
    pub const fn null(self) -> &'static str {
        self.pick("∅", "\\N")
    }
    /// A cell of lines that leave it left (1), right (2), up (4) and down (8).
    pub const fn lines(self, directions: u8) -> &'static str {
        const LINES: [&str; 16] = [" ", "╴", "╶", "─", "╵", "┘", "└", "┴", "╷", "┐", "┌", "┬", "│", "┤", "├", "┼"];
        const ASCII: [&str; 16] = [" ", "-", "-", "-", "|", "+", "+", "+", "|", "+", "+", "+", "|", "+", "+", "+"];
        let at = (directions & 15) as usize;
        if self.ascii { ASCII[at] } else { LINES[at] }
    }
    /// The other end is out of sight, above or below.
    pub const fn beyond(self, above: bool) -> &'static str {
        match (self.ascii, above) {
            (false, true) => "↑",
            (false, false) => "↓",
            (true, true) => "^",
            (true, false) => "v",
        }
    }
}
