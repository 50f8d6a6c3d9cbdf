//! What lies on top of a screen: help, palette, pickers, questions, messages. The topmost gets the keys.
use super::action::{ACTIONS, Action, ActionDoc, Group};
use super::fuzzy;
use super::input::TextInput;
use super::key::{Key, KeyCode};
use super::keymap::{self, Layer};
use super::list::ListState;
use super::words::Words;

/// What a question was asked for: its answer comes back with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// Leave with unsaved edits.
    Quit,
    /// Choose the mapping.
    Mapping,
    /// Find on the screen.
    Search,
    /// Confirm a migration by the target's name.
    Migrate,
    /// Stop the run.
    CancelRun,
    /// Choose a column to filter by.
    Column,
    /// Choose an object.
    Object,
    /// Go to a row.
    Goto,
    /// Choose one of something that only the screen knows.
    Choose(&'static str),
    /// Type something that only the screen knows.
    Type(&'static str),
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A key of the choices.
    Choice(char),
    /// What was typed.
    Text(String),
    /// Index of the item that was picked.
    Picked(usize),
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Heading.
    pub title: String,
    /// What the operator must know.
    pub lines: Vec<Words>,
    /// A text to type; None: one of the choices.
    pub input: Option<TextInput>,
    /// The text that must be typed, to the letter.
    pub must_be: Option<String>,
    /// Keys and what they mean. The key is also the first letter shown.
    pub choices: Vec<(char, &'static str)>,
    /// It writes or throws away.
    pub danger: bool,
    /// What for.
    pub tag: Tag,
}

/// A list to pick from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picker {
    /// Heading.
    pub title: String,
    /// Label and detail.
    pub items: Vec<(String, String)>,
    /// Filter.
    pub input: TextInput,
    /// Items that pass the filter, best first.
    pub shown: Vec<usize>,
    /// Position in `shown`.
    pub list: ListState,
    /// What for.
    pub tag: Tag,
}

/// A layer over the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// What every key does; first visible line.
    Help(usize),
    /// Any action by name; the actions of its items.
    Palette(Picker, Vec<Action>),
    /// A list.
    Pick(Picker),
    /// A question.
    Ask(Question),
    /// Something to read: title, lines, first visible line.
    Text(Words, Vec<Words>, usize),
    /// Something to read that ends in a choice.
    Offer(Offer),
}

/// Something to read that ends in a choice: enter takes the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Heading.
    pub title: String,
    /// What the operator must know; blanks at the beginning of a line are kept.
    pub lines: Vec<Words>,
    /// First visible line.
    pub top: usize,
    /// Keys and what they mean.
    pub choices: Vec<(char, String)>,
    /// What for.
    pub tag: Tag,
}

impl Offer {
    fn key(&mut self, key: Key) -> Outcome {
        let reply = |choice: char| Outcome::Reply(self.tag.clone(), Reply::Choice(choice));
        match (key.code, key.typed()) {
            (KeyCode::Esc, _) | (_, Some('q')) => return Outcome::Close,
            _ if key == Key::ctrl('c') => return Outcome::Close,
            (KeyCode::Enter, _) => return self.choices.first().map_or(Outcome::Close, |(choice, _)| reply(*choice)),
            (_, Some(typed)) if self.choices.iter().any(|(choice, _)| *choice == typed) => return reply(typed),
            _ => {}
        }
        // What is no answer leaves it open: it is long, and a slip must not lose it.
        scroll(&mut self.top, key);
        Outcome::Stay
    }
}

/// Moves the first visible line; false if the key is none that moves.
fn scroll(top: &mut usize, key: Key) -> bool {
    match key.code {
        KeyCode::Up | KeyCode::Char('k') => *top = top.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => *top += 1,
        KeyCode::PageUp => *top = top.saturating_sub(10),
        KeyCode::PageDown | KeyCode::Char(' ') => *top += 10,
        KeyCode::Home | KeyCode::Char('g') => *top = 0,
        _ => return false,
    }
    true
}

/// The last line that may be the first visible one, lines being wrapped to the terminal. Breaking at words takes more lines
/// than counting cells says: a few too many are allowed for.
fn last_top(lines: &[Words], (columns, rows): (usize, usize)) -> usize {
    let room = columns.saturating_sub(8).clamp(20, 96) * 4 / 5;
    let wrapped: usize = lines.iter().map(|line| line.shown(false).chars().count().div_ceil(room).max(1)).sum();
    wrapped.saturating_sub(rows.saturating_sub(8))
}

/// What a key did to an overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It stays.
    Stay,
    /// It is closed.
    Close,
    /// It is closed with this answer.
    Reply(Tag, Reply),
    /// It is closed and this is to be done.
    Act(Action),
}

impl Question {
    /// A text to type.
    pub fn text(title: impl Into<String>, tag: Tag, typed: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lines: Vec::new(),
            input: Some(TextInput::new(typed)),
            must_be: None,
            choices: Vec::new(),
            danger: false,
            tag,
        }
    }
    /// One of some keys.
    pub fn choice(title: impl Into<String>, tag: Tag, lines: Vec<String>, choices: Vec<(char, &'static str)>) -> Self {
        let lines = lines.into_iter().map(Words::from).collect();
        Self { title: title.into(), lines, input: None, must_be: None, choices, danger: false, tag }
    }
    /// What is typed is what must be typed, or anything will do.
    pub fn fits(&self) -> bool {
        match (&self.must_be, &self.input) {
            (Some(wanted), Some(input)) => wanted == input.text(),
            _ => true,
        }
    }
    fn key(&mut self, key: Key) -> Outcome {
        if key.code == KeyCode::Esc || key == Key::ctrl('c') {
            return Outcome::Close;
        }
        if key.code == KeyCode::Enter {
            return match &self.input {
                Some(input) if self.fits() => Outcome::Reply(self.tag.clone(), Reply::Text(input.text().to_owned())),
                _ => Outcome::Stay,
            };
        }
        if let Some(input) = &mut self.input {
            input.key(key);
            return Outcome::Stay;
        }
        match key.typed() {
            Some(char) if self.choices.iter().any(|(one, _)| *one == char) => {
                Outcome::Reply(self.tag.clone(), Reply::Choice(char))
            }
            Some('n' | 'q') => Outcome::Close,
            _ => Outcome::Stay,
        }
    }
}

impl Picker {
    /// All items, the cursor on `selected`.
    pub fn new(title: impl Into<String>, tag: Tag, items: Vec<(String, String)>, selected: usize) -> Self {
        let shown = (0..items.len()).collect::<Vec<_>>();
        let mut list = ListState::default();
        list.layout(shown.len(), 10);
        list.select(selected.min(shown.len().saturating_sub(1)));
        Self { title: title.into(), items, input: TextInput::default(), shown, list, tag }
    }
    fn key(&mut self, key: Key) -> Outcome {
        match key.code {
            KeyCode::Esc => return Outcome::Close,
            _ if key == Key::ctrl('c') => return Outcome::Close,
            KeyCode::Enter => {
                return match self.shown.get(self.list.cursor) {
                    Some(item) => Outcome::Reply(self.tag.clone(), Reply::Picked(*item)),
                    None => Outcome::Stay,
                };
            }
            KeyCode::Up => drop(self.list.act(Action::Up)),
            KeyCode::Down => drop(self.list.act(Action::Down)),
            KeyCode::PageUp => drop(self.list.act(Action::PageUp)),
            KeyCode::PageDown => drop(self.list.act(Action::PageDown)),
            _ => {
                if self.input.key(key) {
                    self.filter();
                }
            }
        }
        Outcome::Stay
    }
    fn filter(&mut self) {
        let texts: Vec<String> = self.items.iter().map(|(label, detail)| format!("{label} {detail}")).collect();
        self.shown = fuzzy::matches(self.input.text(), texts.iter().map(String::as_str));
        self.list.cursor = 0;
        self.list.layout(self.shown.len(), self.list.page);
    }
}

impl Overlay {
    /// The palette over all actions, those of the screen's own layer first, movements last.
    pub fn palette(layers: &[Layer]) -> Self {
        let rank = |doc: &ActionDoc| {
            let layer = keymap::active(layers).into_iter().find(|binding| binding.action == doc.action);
            let place = layer.and_then(|binding| layers.iter().position(|layer| *layer == binding.layer));
            (doc.group == Group::Move, place.unwrap_or(layers.len()))
        };
        let mut docs: Vec<&ActionDoc> = ACTIONS.iter().collect();
        docs.sort_by_key(|doc| rank(doc));
        let items = docs.iter().map(|doc| (doc.name.replace('_', " "), doc.doc.to_owned())).collect();
        let actions = docs.iter().map(|doc| doc.action).collect();
        Self::Palette(Picker::new("Commands", Tag::Choose("action"), items, 0), actions)
    }
    /// Handles a key.
    pub fn key(&mut self, key: Key) -> Outcome {
        match self {
            Self::Help(top) | Self::Text(_, _, top) => {
                if scroll(top, key) {
                    Outcome::Stay
                } else {
                    Outcome::Close
                }
            }
            Self::Offer(offer) => offer.key(key),
            Self::Palette(picker, actions) => match picker.key(key) {
                Outcome::Reply(_, Reply::Picked(item)) => {
                    actions.get(item).map_or(Outcome::Close, |action| Outcome::Act(*action))
                }
                other => other,
            },
            Self::Pick(picker) => picker.key(key),
            Self::Ask(question) => question.key(key),
        }
    }
    /// Text was pasted.
    pub fn paste(&mut self, text: &str) {
        match self {
            Self::Ask(Question { input: Some(input), .. }) => input.insert(text),
            Self::Palette(picker, _) | Self::Pick(picker) => {
                picker.input.insert(text);
                picker.filter();
            }
            _ => {}
        }
    }
    /// Tells how large the screen is: columns, rows.
    pub fn layout(&mut self, size: (usize, usize)) {
        let rows = size.1;
        match self {
            Self::Palette(picker, _) | Self::Pick(picker) => {
                picker.list.layout(picker.shown.len(), rows.saturating_sub(8).clamp(3, 14));
            }
            Self::Text(_, lines, top) => *top = (*top).min(last_top(lines, size)),
            Self::Offer(offer) => offer.top = offer.top.min(last_top(&offer.lines, size)),
            _ => {}
        }
    }
}
