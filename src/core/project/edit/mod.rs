//! Edits in place: comments, order and formatting stay. An edit goes from text to text, so undo keeps texts.
use toml_edit::{Array, Document, DocumentMut, InlineTable, Item, Key, Table, TableLike, Value};

use super::Field;
use super::read::Reader;
use crate::error::{Error, Result};

mod corrections;
mod field;
#[cfg(test)]
mod tests;
mod values;
mod write;

pub use corrections::set_correction_in_csv;
pub use field::field_text;
pub use values::set_value_in_csv;
pub use write::{write_private_text, write_text};

/// Lines are kept under this many columns where that is feasible.
const MAX_COLUMNS: usize = 99;

/// The text of a mapping file, being edited.
#[derive(Debug, Clone)]
pub struct MappingEdit {
    document: DocumentMut,
}

impl std::fmt::Display for MappingEdit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.document.fmt(f)
    }
}

impl MappingEdit {
    /// Takes up a mapping's text. It must be TOML; it may have errors as a mapping.
    pub fn parse(text: &str) -> Result<Self> {
        match Document::parse(text) {
            Ok(document) => Ok(Self { document: document.into_mut() }),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let (line, column) = Reader::new(std::path::Path::new(""), text).position(at);
                Err(Error::usage(format!("not valid TOML: {}", error.message()))
                    .at(format!("line {line} column {column}"))
                    .advise("mend the file in an editor first: nothing was changed"))
            }
        }
    }

    /// The text of a new mapping with no fields yet.
    pub fn new(from: &str, to: &str, key: &[String]) -> Self {
        let mut edit = Self { document: DocumentMut::new() };
        edit.set_text("from", Some(from));
        edit.set_text("to", Some(to));
        edit.set_texts("key", Some(key));
        edit
    }

    /// Adds a field, or changes the one of that target: only what differs is touched, and keys that a [`Field`] does
    /// not know stay. A new field stands behind the others; one that does not fit a line becomes `[fields.NAME]`.
    pub fn set_field(&mut self, field: &Field) {
        field::set(self.fields(), field);
        self.finish(&field.target);
    }

    /// Takes a column that is filled now off the list of those that wait for it.
    fn finish(&mut self, target: &str) {
        let Some(list) = self.document.get_mut("unfinished").and_then(Item::as_array_mut) else { return };
        list.retain(|value| value.as_str() != Some(target));
        if list.is_empty() {
            self.document.remove("unfinished");
        }
    }

    /// Adds or changes several fields.
    pub fn set_fields(&mut self, fields: &[Field]) {
        for field in fields {
            self.set_field(field);
        }
    }

    /// Removes a field with the comment that stands right above it; false if there is none.
    pub fn remove_field(&mut self, target: &str) -> bool {
        let Some(fields) = self.document.get_mut("fields").and_then(Item::as_table_like_mut) else { return false };
        let orphan = fields.key(target).and_then(|key| far_comment(key.leaf_decor().prefix()?.as_str()?));
        let names: Vec<String> = fields.iter().map(|(name, _)| name.to_owned()).collect();
        if fields.remove(target).is_none() {
            return false;
        }
        // A comment that stands apart is a heading for what follows: it moves there.
        let next = names.iter().skip_while(|name| *name != target).nth(1);
        if let (Some(comment), Some(mut key)) = (orphan, next.and_then(|name| fields.key_mut(name))) {
            let decor = key.leaf_decor_mut();
            let prefix = decor.prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned();
            decor.set_prefix(format!("{comment}{prefix}"));
        }
        if let Some(inline) = self.document.get_mut("fields").and_then(Item::as_inline_table_mut) {
            inline.fmt();
        }
        true
    }

    /// Gives a field another target, in its place, and follows in `key` and in plain `match` entries.
    pub fn rename_field(&mut self, target: &str, new: &str) -> Result<()> {
        if target == new {
            return Ok(());
        }
        if new.trim().is_empty() {
            return Err(Error::usage("a field needs the name of a target column"));
        }
        let fields = self.document.get_mut("fields").and_then(Item::as_table_like_mut);
        let Some(fields) = fields.filter(|fields| fields.contains_key(target)) else {
            return Err(Error::usage(format!("there is no field '{target}'")));
        };
        if fields.contains_key(new) {
            return Err(Error::usage(format!("there is a field '{new}' already"))
                .advise("each target is filled once: remove that field first"));
        }
        rename_key(fields, target, new);
        for list in ["key", "match"] {
            if let Some(array) = self.document.get_mut(list).and_then(Item::as_array_mut) {
                for value in array.iter_mut().filter(|value| value.as_str() == Some(target)) {
                    let decor = value.decor().clone();
                    *value = Value::from(new);
                    *value.decor_mut() = decor;
                }
            }
        }
        Ok(())
    }

    /// Adds a value to a field's inline value map, or changes what it stands for. For a map in a file see
    /// [`set_value_in_csv`].
    pub fn set_value(&mut self, target: &str, from: &str, to: &str) -> Result<()> {
        let field = self.document.get_mut("fields").and_then(|fields| fields.get_mut(target));
        let Some(field) = field else { return Err(Error::usage(format!("there is no field '{target}'"))) };
        field::set_value(field, from, to).map_err(|error| error.at(format!("fields.{target}")))?;
        field::refit(self.fields(), target);
        Ok(())
    }

    /// Sets a text at the top (`from`, `to`, `where`, `scope`, `deleted`, `target_only`, `duplicates`,
    /// `corrections`); None removes it.
    pub fn set_text(&mut self, key: &str, text: Option<&str>) {
        set_entry(self.document.as_table_mut(), key, text.map(Value::from));
    }

    /// Sets a list at the top (`key`, `match`, `ignore`, `unfinished`); None removes it.
    pub fn set_texts(&mut self, key: &str, texts: Option<&[String]>) {
        let list = texts.map(|texts| {
            let array: Array = texts.iter().map(String::as_str).collect();
            fit_array(array, key.len() + 3)
        });
        set_entry(self.document.as_table_mut(), key, list);
    }

    /// Sets an entry of `[run]` or `[sync]`; None removes it.
    pub fn set_in(&mut self, section: &str, key: &str, value: Option<&toml::Value>) {
        let item = self.document.entry(section).or_insert_with(|| {
            let mut table = Table::new();
            table.decor_mut().set_prefix("\n");
            Item::Table(table)
        });
        match item.as_table_like_mut() {
            Some(table) => set_entry(table, key, value.map(field::value_of)),
            None => *item = Item::Table(Table::from_iter(value.map(|value| (key.to_owned(), field::value_of(value))))),
        }
    }

    /// `[fields]`, made if it is not there.
    fn fields(&mut self) -> &mut dyn TableLike {
        let item = self.document.entry("fields").or_insert_with(new_fields);
        if !item.is_table_like() {
            *item = new_fields();
        }
        item.as_table_like_mut().expect("made a table just now")
    }
}

fn new_fields() -> Item {
    let mut table = Table::new();
    table.decor_mut().set_prefix("\n");
    Item::Table(table)
}

/// Sets, replaces or removes an entry; a replaced one keeps its place and its comment, an equal one is not touched.
fn set_entry(table: &mut dyn TableLike, key: &str, value: Option<Value>) {
    let Some(mut value) = value else {
        table.remove(key);
        return;
    };
    if let Some(Item::Value(old)) = table.get_mut(key) {
        if super::read::plain_value(old) != super::read::plain_value(&value) {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        return;
    }
    table.insert(key, Item::Value(value));
}

/// A list in one line while it fits behind `indent` columns, else one item a line.
fn fit_array(mut array: Array, indent: usize) -> Value {
    array.fmt();
    if indent + columns(&array.to_string()) > MAX_COLUMNS {
        for item in array.iter_mut() {
            item.decor_mut().set_prefix("\n  ");
            item.decor_mut().set_suffix("");
        }
        array.set_trailing("\n");
        array.set_trailing_comma(true);
    }
    Value::Array(array)
}

/// Widest line of a text, in terminal columns.
fn columns(text: &str) -> usize {
    text.lines().map(unicode_width::UnicodeWidthStr::width).max().unwrap_or(0)
}

/// The part of a comment above an entry that a blank line separates from it.
fn far_comment(prefix: &str) -> Option<String> {
    let at = prefix.rfind("\n\n")? + 2;
    let far = &prefix[..at];
    far.contains('#').then(|| far.to_owned())
}

/// Renames an entry in its place: entries are taken out and put back in order.
fn rename_key(table: &mut dyn TableLike, old: &str, new: &str) {
    let width = field::aligned_width(table);
    let names: Vec<String> = table.iter().map(|(name, _)| name.to_owned()).collect();
    let mut entries = Vec::with_capacity(names.len());
    for name in names {
        let Some(key) = table.key(&name).cloned() else { continue };
        let Some(item) = table.remove(&name) else { continue };
        entries.push((key, item));
    }
    for (key, item) in entries {
        let key = if key.get() == old { renamed(&key, new, width.filter(|_| item.is_value())) } else { key };
        table.entry_format(&key).or_insert(item);
    }
}

/// A key of another name with the comments of the old one, its `=` in the column of the others if they share one.
fn renamed(old: &Key, new: &str, width: Option<usize>) -> Key {
    let mut key = Key::new(new).with_leaf_decor(old.leaf_decor().clone()).with_dotted_decor(old.dotted_decor().clone());
    if let Some(width) = width {
        let padding = width.saturating_sub(columns(&key.display_repr())).max(1);
        key.leaf_decor_mut().set_suffix(" ".repeat(padding));
    }
    key
}

/// An inline table in the usual spacing.
fn tidy(table: &mut InlineTable) {
    let plain = |text: Option<&toml_edit::RawString>| {
        text.and_then(|raw| raw.as_str()).is_none_or(|text| text.chars().all(|c| c == ' '))
    };
    let simple = table.iter().all(|(name, value)| {
        plain(value.decor().prefix())
            && plain(value.decor().suffix())
            && table.key(name).is_none_or(|key| plain(key.leaf_decor().prefix()) && plain(key.leaf_decor().suffix()))
    });
    if simple {
        table.fmt();
        table.set_trailing("");
        table.set_trailing_comma(false);
    }
}
