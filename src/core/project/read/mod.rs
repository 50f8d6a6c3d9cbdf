//! Reading TOML with spans: every finding is collected with its line and dotted name, none stops the reading.
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml_edit::{Item, TableLike, Value};

use super::words::{Words, did_you_mean};
use super::{Problem, Severity};

mod alerts;
pub(super) mod field;
pub(super) mod mapping;
pub(super) mod settings;
mod sync;

/// A file's text and what was found wrong with it so far.
pub(super) struct Reader {
    file: PathBuf,
    /// Byte offsets at which lines start.
    starts: Vec<usize>,
    pub(super) problems: Vec<Problem>,
}

/// A table, with its dotted name and its place.
#[derive(Clone)]
pub(super) struct Section<'d> {
    pub(super) table: &'d dyn TableLike,
    pub(super) path: String,
    pub(super) span: Option<Range<usize>>,
}

impl<'d> Section<'d> {
    /// The dotted name of a key in here.
    pub(super) fn dotted(&self, key: &str) -> String {
        let key = if key.is_empty() || key.contains(['.', '"', ' ']) { format!("\"{key}\"") } else { key.to_owned() };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// The item of that name.
    pub(super) fn get(&self, key: &str) -> Option<&'d Item> {
        self.table.get(key)
    }

    /// Where the entry stands: its key, else its value.
    pub(super) fn place(&self, key: &str) -> Option<Range<usize>> {
        let (key, item) = self.table.get_key_value(key)?;
        key.span().or_else(|| item.span()).or_else(|| self.span.clone())
    }

    /// Bytes of the whole entry, from its key to the end of its value, sub-tables included.
    pub(super) fn entry_span(&self, key: &str) -> Option<Range<usize>> {
        let (key, item) = self.table.get_key_value(key)?;
        let table_header = item.as_table().filter(|table| !table.is_dotted()).and_then(toml_edit::Table::span);
        let start = table_header.map_or_else(|| key.span(), Some)?.start;
        Some(start..end_of(item).unwrap_or(start))
    }

    /// Keys in file order.
    pub(super) fn keys(&self) -> Vec<&'d str> {
        self.table.iter().map(|(key, _)| key).collect()
    }
}

/// Last byte that belongs to an item.
fn end_of(item: &Item) -> Option<usize> {
    let own = item.span().map(|span| span.end);
    match item {
        Item::Table(table) => table.iter().filter_map(|(_, item)| end_of(item)).chain(own).max(),
        _ => own,
    }
}

impl Reader {
    pub(super) fn new(file: &Path, text: &str) -> Self {
        let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        Self { file: file.to_owned(), starts, problems: Vec::new() }
    }

    /// Line and column of a byte offset, counted from 1; the column in bytes of the line.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        (line, offset - self.starts[line - 1] + 1)
    }

    fn add(&mut self, severity: Severity, span: Option<&Range<usize>>, field: &str, message: String) {
        let line = span.map_or(0, |span| self.position(span.start).0);
        self.problems.push(Problem {
            severity,
            file: self.file.clone(),
            line,
            field: field.to_owned(),
            message,
            sql: None,
        });
    }

    /// Notes an error about a key of a section (about the section itself if it has no such key).
    pub(super) fn error(&mut self, section: &Section<'_>, key: &str, message: impl Into<String>) {
        self.note(Severity::Error, section, key, message.into());
    }

    /// Notes a warning, as [`Reader::error`] does an error.
    pub(super) fn warn(&mut self, section: &Section<'_>, key: &str, message: impl Into<String>) {
        self.note(Severity::Warning, section, key, message.into());
    }

    fn note(&mut self, severity: Severity, section: &Section<'_>, key: &str, message: String) {
        let span = section.place(key).or_else(|| section.span.clone());
        let field = if key.is_empty() { section.path.clone() } else { section.dotted(key) };
        self.add(severity, span.as_ref(), &field, message);
    }

    /// Notes an error at a place of its own.
    pub(super) fn error_at(&mut self, span: Option<&Range<usize>>, field: &str, message: impl Into<String>) {
        self.add(Severity::Error, span, field, message.into());
    }

    /// True if nothing found so far is an error.
    pub(super) fn clean(&self) -> bool {
        self.problems.iter().all(|problem| problem.severity != Severity::Error)
    }

    /// Every key that is not known is an error that offers the nearest one.
    pub(super) fn only_known(&mut self, section: &Section<'_>, known: &[&str]) {
        for key in section.keys() {
            if !known.contains(&key) {
                self.error(section, key, format!("unknown key '{key}': {}", did_you_mean(key, known)));
            }
        }
    }

    fn wrong_type(&mut self, section: &Section<'_>, key: &str, wanted: &str, item: &Item) {
        let found = item.type_name();
        self.error(section, key, format!("must be {wanted}, not {}", article(found)));
    }

    /// A text.
    pub(super) fn text(&mut self, section: &Section<'_>, key: &str) -> Option<String> {
        let item = section.get(key)?;
        let text = item.as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong_type(section, key, "a text in quotes", item);
        }
        text
    }

    /// A text that is not empty.
    pub(super) fn filled(&mut self, section: &Section<'_>, key: &str) -> Option<String> {
        let text = self.text(section, key)?;
        if text.trim().is_empty() {
            self.error(section, key, "must not be empty");
            return None;
        }
        Some(text)
    }

    /// `true` or `false`; absent is false.
    pub(super) fn flag(&mut self, section: &Section<'_>, key: &str) -> bool {
        let Some(item) = section.get(key) else { return false };
        item.as_bool().unwrap_or_else(|| {
            self.wrong_type(section, key, "true or false", item);
            false
        })
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, section: &Section<'_>, key: &str) -> Option<Vec<String>> {
        let item = section.get(key)?;
        let Some(array) = item.as_array() else {
            self.wrong_type(section, key, "a list of texts: [\"a\", \"b\"]", item);
            return None;
        };
        let mut texts = Vec::with_capacity(array.len());
        for (index, value) in array.iter().enumerate() {
            match value.as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => self.error_at(
                    value.span().as_ref(),
                    &format!("{}[{index}]", section.dotted(key)),
                    format!("must be a text in quotes, not {}", article(value.type_name())),
                ),
            }
        }
        Some(texts)
    }

    /// One of the words of a setting; the default if absent or wrong.
    pub(super) fn word<W: Words>(&mut self, section: &Section<'_>, key: &str) -> W {
        let Some(text) = self.text(section, key) else { return W::default() };
        W::from_word(&text).unwrap_or_else(|| {
            let known: Vec<&str> = W::WORDS.iter().map(|(word, _)| *word).collect();
            self.unknown_word(section, key, &text, &known);
            W::default()
        })
    }

    /// Says that a word is none of the known ones.
    pub(super) fn unknown_word(&mut self, section: &Section<'_>, key: &str, word: &str, known: &[&str]) {
        let near = super::words::nearest(word, known.iter().copied());
        let hint = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        self.error(section, key, format!("'{word}' is not one of {}{hint}", known.join(", ")));
    }

    /// A table in a table.
    pub(super) fn section<'d>(&mut self, section: &Section<'d>, key: &str) -> Option<Section<'d>> {
        let item = section.get(key)?;
        let Some(table) = item.as_table_like() else {
            self.wrong_type(section, key, "a table", item);
            return None;
        };
        Some(Section { table, path: section.dotted(key), span: section.place(key).or_else(|| item.span()) })
    }
}

/// `a text`, `an array`: type names of TOML in a sentence.
pub(super) fn article(type_name: &str) -> String {
    match type_name {
        "string" => "a text".to_owned(),
        "integer" => "an integer".to_owned(),
        "array" => "a list".to_owned(),
        "inline table" => "a table".to_owned(),
        "array of tables" => "a list of tables ([[…]])".to_owned(),
        other => format!("a {other}"),
    }
}

/// A TOML value without its formatting.
pub(super) fn plain_value(value: &Value) -> toml::Value {
    match value {
        Value::String(text) => toml::Value::String(text.value().clone()),
        Value::Integer(number) => toml::Value::Integer(*number.value()),
        Value::Float(number) => toml::Value::Float(*number.value()),
        Value::Boolean(flag) => toml::Value::Boolean(*flag.value()),
        Value::Datetime(time) => toml::Value::Datetime(*time.value()),
        Value::Array(array) => toml::Value::Array(array.iter().map(plain_value).collect()),
        Value::InlineTable(table) => toml::Value::Table(plain_table(table)),
    }
}

/// An item without its formatting.
pub(super) fn plain_item(item: &Item) -> Option<toml::Value> {
    match item {
        Item::None => None,
        Item::Value(value) => Some(plain_value(value)),
        Item::Table(table) => Some(toml::Value::Table(plain_table(table))),
        Item::ArrayOfTables(tables) => {
            Some(toml::Value::Array(tables.iter().map(|table| toml::Value::Table(plain_table(table))).collect()))
        }
    }
}

/// A table without its formatting.
pub(super) fn plain_table(table: &dyn TableLike) -> toml::Table {
    table.iter().filter_map(|(key, item)| Some((key.to_owned(), plain_item(item)?))).collect()
}
