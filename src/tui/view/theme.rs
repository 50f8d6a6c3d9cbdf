//! Colours by meaning. Sixteen colours at most; every meaning is told by a character or a word as well.
use ratatui::style::{Color, Modifier, Style};

/// Which colours to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Palette {
    /// On a dark ground.
    Dark,
    /// On a light ground.
    Light,
    /// None (`NO_COLOR`): reverse, bold and underline only.
    None,
}

/// Styles by meaning.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    palette: Palette,
}

impl Theme {
    /// Styles in these colours.
    pub const fn new(palette: Palette) -> Self {
        Self { palette }
    }
    fn colour(self, dark: Color, light: Color) -> Style {
        match self.palette {
            Palette::Dark => Style::new().fg(dark),
            Palette::Light => Style::new().fg(light),
            Palette::None => Style::new(),
        }
    }
    /// Ordinary text, in the terminal's own colour.
    pub fn plain(self) -> Style {
        Style::new()
    }
    /// Less important text. Never the only carrier of a meaning.
    pub fn dim(self) -> Style {
        self.colour(Color::DarkGray, Color::DarkGray)
    }
    /// Headings and column titles.
    pub fn title(self) -> Style {
        self.colour(Color::Cyan, Color::Blue).add_modifier(Modifier::BOLD)
    }
    /// The first line.
    pub fn bar(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
    /// The tab that is open.
    pub fn tab(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
    }
    /// The selected row.
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
    /// The selected row of a list that does not have the keys.
    pub fn marked(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
    }
    /// Went well, added.
    pub fn good(self) -> Style {
        self.colour(Color::Green, Color::Green)
    }
    /// Doubtful, changed.
    pub fn warn(self) -> Style {
        self.colour(Color::Yellow, Color::Magenta).add_modifier(Modifier::BOLD)
    }
    /// Failed, removed, does not close.
    pub fn bad(self) -> Style {
        self.colour(Color::LightRed, Color::Red).add_modifier(Modifier::BOLD)
    }
    /// A value that a step changed.
    pub fn changed(self) -> Style {
        self.colour(Color::Yellow, Color::Blue).add_modifier(Modifier::UNDERLINED)
    }
    /// A key in the key bar.
    pub fn key(self) -> Style {
        self.colour(Color::Cyan, Color::Blue).add_modifier(Modifier::BOLD)
    }
    /// What a search found.
    pub fn found(self) -> Style {
        self.colour(Color::Magenta, Color::Magenta).add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
    }
    /// An environment that is not the real one, written loudly.
    pub fn sandbox(self) -> Style {
        self.colour(Color::Green, Color::Green).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }
    /// The real environment.
    pub fn live(self) -> Style {
        self.colour(Color::LightRed, Color::Red).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }
    /// Styles by what happens to a row or cell, told by `+ ~ - ! ?` as well.
    pub fn mark(self, mark: char) -> Style {
        match mark {
            '+' => self.good(),
            '~' | '?' => self.warn(),
            '-' | '!' | 'x' => self.bad(),
            _ => self.plain(),
        }
    }
}
