//! Value maps and lists of allowed values, for a whole cell or for each of its items.
use std::borrow::Cow;
use std::path::Path;

use hashbrown::{HashMap, HashSet};

use crate::clean::{Cleaned, CleaningRule, trimmed};
use crate::project::Otherwise;

/// A value map as loaded.
#[derive(Debug, Clone, Default)]
pub(crate) struct ValueMap {
    /// In file order, for the hash and for messages.
    pub(crate) pairs: Vec<(String, String)>,
}

impl ValueMap {
    /// Reads a CSV file with the columns `from` and `to`. The error names the line.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path)
            .map_err(|error| crate::Error::io("read the value map", path, &error).what().to_string())?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
        let shown = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let not_text = |line: u64| format!("value map {shown} line {line}: not UTF-8 text");
        let headers = reader.headers().map_err(|_| not_text(1))?.clone();
        let column = |name: &str| headers.iter().position(|header| header.trim() == name);
        let (Some(from), Some(to)) = (column("from"), column("to")) else {
            return Err(format!("value map {shown}: its first line must be from,to"));
        };
        let mut pairs = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| not_text(error.position().map_or(0, csv::Position::line)))?;
            let line = record.position().map_or(0, csv::Position::line);
            let (Some(from), Some(to)) = (record.get(from), record.get(to)) else {
                return Err(format!("value map {shown} line {line}: has too few columns"));
            };
            pairs.push((from.to_owned(), to.to_owned()));
        }
        Ok(Self { pairs })
    }

    /// The first value that is mapped twice, if there is one.
    pub(crate) fn duplicate(&self) -> Option<&str> {
        let mut seen = HashSet::new();
        self.pairs.iter().map(|(from, _)| from.as_str()).find(|from| !seen.insert(*from))
    }
}

/// The step that looks values up.
pub(crate) struct ValuesStep {
    /// What becomes of a listed value; empty is NULL.
    listed: HashMap<String, String>,
    /// Values that stay.
    allowed: HashSet<String>,
    otherwise: Otherwise,
    name: &'static str,
}

impl ValuesStep {
    /// Of a value map, of the values that stay, or of both.
    pub(crate) fn new(values: Option<&ValueMap>, allowed: Option<&[String]>, otherwise: Option<&Otherwise>) -> Self {
        let default = if values.is_some() { Otherwise::Reject } else { Otherwise::Null };
        Self {
            listed: values.map(|map| map.pairs.iter().cloned().collect()).unwrap_or_default(),
            allowed: allowed.unwrap_or_default().iter().cloned().collect(),
            otherwise: otherwise.cloned().unwrap_or(default),
            name: if values.is_some() { "values" } else { "allowed" },
        }
    }

    /// One value; `None` is NULL.
    fn look_up<'s>(&'s self, value: Option<&str>) -> Found<'s> {
        let listed = self.listed.get(value.unwrap_or(""));
        match (listed, value) {
            (Some(to), _) => Found::New(Some(to.as_str()).filter(|to| !to.is_empty())),
            (None, None) => Found::Same,
            (None, Some(value)) if self.allowed.contains(value) => Found::Same,
            (None, Some(_)) => match &self.otherwise {
                Otherwise::Keep => Found::Same,
                Otherwise::Null => Found::New(None),
                Otherwise::Const(text) => Found::New(Some(text.as_str()).filter(|text| !text.is_empty())),
                Otherwise::Drop => Found::Drop,
                Otherwise::Reject if self.name == "allowed" => Found::Missing("is none of the allowed values"),
                Otherwise::Reject => Found::Missing("is not in the value map"),
            },
        }
    }
}

enum Found<'s> {
    Same,
    New(Option<&'s str>),
    Drop,
    Missing(&'static str),
}

impl CleaningRule for ValuesStep {
    fn name(&self) -> &'static str {
        self.name
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        match self.look_up(value) {
            Found::Same => Cleaned::Same,
            Found::New(new) if new == value => Cleaned::Same,
            Found::New(new) => Cleaned::Changed(new.map(|new| Cow::Owned(new.to_owned()))),
            Found::Drop => Cleaned::Changed(None),
            Found::Missing(reason) => Cleaned::failed(reason),
        }
    }
}

/// The step that splits a cell, looks each item up and joins what is left.
pub(crate) struct EachStep {
    pub(crate) split: String,
    pub(crate) join: String,
    /// `None` if the items are only split and joined again.
    pub(crate) values: Option<ValuesStep>,
}

impl CleaningRule for EachStep {
    fn name(&self) -> &'static str {
        self.values.as_ref().map_or("each", |values| values.name)
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        let Some(value) = value else {
            return self.values.as_ref().map_or(Cleaned::Same, |values| values.clean(None));
        };
        let mut out = String::with_capacity(value.len());
        for item in value.split(self.split.as_str()).map(trimmed).filter(|item| !item.is_empty()) {
            let item = match self.values.as_ref().map_or(Found::Same, |values| values.look_up(Some(item))) {
                Found::Same => item,
                Found::New(Some(new)) => new,
                Found::New(None) | Found::Drop => continue,
                Found::Missing(reason) => return Cleaned::failed(reason),
            };
            if !out.is_empty() {
                out.push_str(&self.join);
            }
            out.push_str(item);
        }
        if out.is_empty() {
            Cleaned::Changed(None)
        } else if out == value {
            Cleaned::Same
        } else {
            Cleaned::Changed(Some(Cow::Owned(out)))
        }
    }
}
