//! A [`Field`] as TOML, and the least change that makes an entry say it.
use toml_edit::{Array, InlineTable, Item, Key, Table, TableLike, Value};

use super::{MAX_COLUMNS, columns, fit_array, set_entry, tidy};
use crate::error::{Error, Result};
use crate::project::read::field::FIELD_KEYS;
use crate::project::read::{plain_item, plain_value};
use crate::project::words::Words;
use crate::project::{ConflictPolicy, Field, Origin, Otherwise, RuleConfig, Values};

/// What one key of a field should be.
enum Wanted {
    /// It says this.
    Value(Value),
    /// It is not there, or says the default if the operator wrote that out.
    Default(Value),
    /// It is not there.
    Nothing,
    /// The field does not know it: it stays as it is.
    Stays,
}

/// A TOML value of the plain kind with default formatting.
pub(super) fn value_of(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::from(*number),
        toml::Value::Boolean(flag) => Value::from(*flag),
        toml::Value::Datetime(time) => Value::from(*time),
        toml::Value::Array(items) => Value::Array(items.iter().map(value_of).collect()),
        toml::Value::Table(table) => Value::InlineTable(table.iter().map(|(k, v)| (k.as_str(), value_of(v))).collect()),
    }
}

fn wanted(field: &Field, key: &str) -> Wanted {
    let text = |text: &Option<String>| text.as_deref().map_or(Wanted::Nothing, |text| Wanted::Value(Value::from(text)));
    match (key, &field.origin) {
        ("from", Origin::From(text)) | ("sql", Origin::Sql(text)) | ("const", Origin::Const(text)) => {
            Wanted::Value(Value::from(text.as_str()))
        }
        ("clean", _) if field.clean.is_empty() => Wanted::Default(Value::Array(Array::new())),
        ("clean", _) => Wanted::Value(Value::Array(field.clean.iter().map(rule_value).collect())),
        ("each", _) => text(&field.each),
        ("join", _) => text(&field.join),
        ("values", _) => match &field.values {
            None => Wanted::Nothing,
            Some(Values::File(path)) => Wanted::Value(Value::from(path.to_string_lossy().as_ref())),
            Some(Values::Inline(pairs)) => Wanted::Value(Value::InlineTable(
                pairs.iter().map(|(from, to)| (from.as_str(), Value::from(to.as_str()))).collect(),
            )),
        },
        ("allowed", _) => field
            .allowed
            .as_ref()
            .map_or(Wanted::Nothing, |list| Wanted::Value(Value::Array(list.iter().map(String::as_str).collect()))),
        ("otherwise", _) => field.otherwise.as_ref().map_or(Wanted::Nothing, |other| Wanted::Value(otherwise(other))),
        ("datetime", _) => text(&field.datetime),
        ("zone", _) => text(&field.zone),
        ("type", _) => text(&field.kind),
        ("link", _) => text(&field.link),
        // Without a link the word has no meaning and would be an error.
        ("on_miss", _) if field.link.is_none() => Wanted::Nothing,
        ("on_miss", _) => word(field.on_miss),
        ("on_null", _) => word(field.on_null),
        ("on_error", _) => word(field.on_error),
        ("write", _) => word(field.write),
        ("latch", _) => flag(field.latch),
        ("pii", _) => flag(field.pii),
        ("direction", _) => {
            field.direction.map_or(Wanted::Nothing, |direction| Wanted::Value(Value::from(direction.word())))
        }
        ("conflict", _) => text(&field.conflict.as_ref().map(ConflictPolicy::word)),
        ("from" | "sql" | "const", _) => Wanted::Nothing,
        _ => Wanted::Stays,
    }
}

fn word<W: Words>(setting: W) -> Wanted {
    let value = Value::from(setting.word());
    if setting == W::default() { Wanted::Default(value) } else { Wanted::Value(value) }
}

fn flag(set: bool) -> Wanted {
    if set { Wanted::Value(Value::from(true)) } else { Wanted::Default(Value::from(false)) }
}

fn rule_value(rule: &RuleConfig) -> Value {
    match &rule.setting {
        None => Value::from(rule.name.as_str()),
        Some(setting) => {
            let mut table = InlineTable::new();
            table.insert(rule.name.as_str(), value_of(setting));
            Value::InlineTable(table)
        }
    }
}

fn otherwise(otherwise: &Otherwise) -> Value {
    match otherwise {
        Otherwise::Reject => Value::from("reject"),
        Otherwise::Keep => Value::from("keep"),
        Otherwise::Null => Value::from("null"),
        Otherwise::Drop => Value::from("drop"),
        Otherwise::Const(text) => Value::InlineTable([("const", Value::from(text.as_str()))].into_iter().collect()),
    }
}

/// Makes the entry of `field.target` say what `field` says.
pub(super) fn set(fields: &mut dyn TableLike, field: &Field) {
    let Some(item) = fields.get_mut(&field.target) else {
        insert(fields, field);
        return;
    };
    if let Item::Value(Value::String(column)) = item
        && matches!(&field.origin, Origin::From(from) if from == column.value())
        && is_short(field)
    {
        return;
    }
    if item.is_table_like() {
        if let Some(table) = item.as_table_like_mut() {
            merge(table, field);
        }
        if let Item::Value(Value::InlineTable(inline)) = item {
            // Nothing but the column is left: back to the short form.
            if is_short(field) && inline.len() == 1 {
                let decor = inline.decor().clone();
                let mut value = entry_value(field);
                *value.decor_mut() = decor;
                *item = Item::Value(value);
            }
        }
    } else {
        let mut value = entry_value(field);
        if let Item::Value(old) = item {
            *value.decor_mut() = old.decor().clone();
        }
        *item = Item::Value(value);
    }
    refit(fields, &field.target);
}

/// The field says no more than `target = "COLUMN"`.
fn is_short(field: &Field) -> bool {
    FIELD_KEYS.iter().all(|key| *key == "from" || !matches!(wanted(field, key), Wanted::Value(_)))
}

fn entry_value(field: &Field) -> Value {
    match &field.origin {
        Origin::From(column) if is_short(field) => Value::from(column.as_str()),
        _ => Value::InlineTable(
            FIELD_KEYS
                .iter()
                .filter_map(|key| match wanted(field, key) {
                    Wanted::Value(value) => Some((*key, value)),
                    _ => None,
                })
                .collect(),
        ),
    }
}

/// A field as it is written behind the `=` in a mapping file, in one line.
pub fn field_text(field: &Field) -> String {
    entry_value(field).to_string().trim().to_owned()
}

fn insert(fields: &mut dyn TableLike, field: &Field) {
    let mut key = Key::new(&field.target);
    if let Some(width) = aligned_width(fields) {
        let padding = width.saturating_sub(columns(&key.display_repr())).max(1);
        key.leaf_decor_mut().set_suffix(" ".repeat(padding));
    }
    fields.entry_format(&key).or_insert(Item::Value(entry_value(field)));
    refit(fields, &field.target);
}

/// Column of the `=` if all entries that are values have it in the same one.
pub(super) fn aligned_width(fields: &dyn TableLike) -> Option<usize> {
    let mut widths = fields.iter().filter(|(_, item)| item.is_value()).filter_map(|(name, _)| {
        let key = fields.key(name)?;
        let suffix = key.leaf_decor().suffix().and_then(|suffix| suffix.as_str()).unwrap_or(" ");
        Some(columns(&key.display_repr()) + suffix.len())
    });
    let first = widths.next()?;
    widths.all(|width| width == first).then_some(first)
}

/// Changes the keys of an entry that differ.
fn merge(table: &mut dyn TableLike, field: &Field) {
    let rank = |key: &str| FIELD_KEYS.iter().position(|known| *known == key).unwrap_or(usize::MAX);
    let before: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
    let in_order = before.windows(2).all(|pair| rank(&pair[0]) <= rank(&pair[1]));
    for key in FIELD_KEYS {
        let present = table.get(key).and_then(plain_item);
        match wanted(field, key) {
            Wanted::Stays => {}
            Wanted::Nothing => {
                table.remove(key);
            }
            Wanted::Default(value) => {
                if present.is_some_and(|present| present != plain_value(&value)) {
                    table.remove(key);
                }
            }
            Wanted::Value(value)
                if present.as_ref() == Some(&plain_value(&value)) && same_order(table, key, &value) => {}
            Wanted::Value(Value::InlineTable(pairs)) if merge_pairs(table, key, &pairs) => {}
            Wanted::Value(value) => {
                if table.get(key).is_some_and(|item| !item.is_value()) {
                    table.remove(key);
                }
                set_entry(table, key, Some(value));
            }
        }
    }
    let after: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
    if in_order && after != before {
        sort(table, rank);
    }
}

/// TOML tables are equal whatever their order; a value map keeps the order it was given.
fn same_order(table: &dyn TableLike, key: &str, value: &Value) -> bool {
    match (table.get(key).and_then(Item::as_table_like), value) {
        (Some(old), Value::InlineTable(new)) => old.iter().map(|(key, _)| key).eq(new.iter().map(|(key, _)| key)),
        _ => true,
    }
}

/// Changes a table entry by entry, so that comments in it stay. False if it is none, or the order would change.
fn merge_pairs(table: &mut dyn TableLike, key: &str, pairs: &InlineTable) -> bool {
    let Some(old) = table.get_mut(key).and_then(Item::as_table_like_mut) else { return false };
    let stay: Vec<&str> = old.iter().map(|(key, _)| key).filter(|key| pairs.contains_key(key)).collect();
    if !pairs.iter().map(|(key, _)| key).take(stay.len()).eq(stay.iter().copied()) {
        return false;
    }
    let gone: Vec<String> = old.iter().map(|(key, _)| key.to_owned()).filter(|key| !pairs.contains_key(key)).collect();
    for key in gone {
        old.remove(&key);
    }
    for (key, value) in pairs {
        set_entry(old, key, Some(value.clone()));
    }
    if let Some(Item::Value(Value::InlineTable(inline))) = table.get_mut(key) {
        tidy(inline);
    }
    true
}

fn sort(table: &mut dyn TableLike, rank: impl Fn(&str) -> usize) {
    let mut entries = Vec::new();
    let names: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
    for name in names {
        let Some(key) = table.key(&name).cloned() else { continue };
        let Some(item) = table.remove(&name) else { continue };
        entries.push((key, item));
    }
    entries.sort_by_key(|(key, _)| rank(key.get()));
    for (key, item) in entries {
        table.entry_format(&key).or_insert(item);
    }
}

/// Adds or changes one value of an inline value map.
pub(super) fn set_value(field: &mut Item, from: &str, to: &str) -> Result<()> {
    if let Some(column) = field.as_str().map(str::to_owned) {
        let decor = field.as_value().map(|value| value.decor().clone()).unwrap_or_default();
        let mut table = InlineTable::new();
        table.insert("from", Value::from(column));
        *table.decor_mut() = decor;
        *field = Item::Value(Value::InlineTable(table));
    }
    let table = field.as_table_like_mut().ok_or_else(|| Error::usage("is not a field"))?;
    match table.get_mut("values") {
        None => {
            let map: InlineTable = [(from, Value::from(to))].into_iter().collect();
            table.insert("values", Item::Value(Value::InlineTable(map)));
        }
        Some(item) => {
            if let Some(file) = item.as_str() {
                return Err(Error::usage(format!("its values are in the file {file}")).advise("add the value there"));
            }
            let map = item.as_table_like_mut().ok_or_else(|| Error::usage("its values are not a table"))?;
            set_entry(map, from, Some(Value::from(to)));
            if let Item::Value(Value::InlineTable(inline)) = item {
                tidy(inline);
            }
        }
    }
    Ok(())
}

/// Tidies an inline entry, and makes it a table of its own if its line is too long.
pub(super) fn refit(fields: &mut dyn TableLike, target: &str) {
    let Some(key) = fields.key(target).cloned() else { return };
    // Where [fields] itself is written inline there is no room for a table.
    let may_grow = fields.iter().next().is_none() || fields_are_a_table(fields);
    let Some(item) = fields.get_mut(target) else { return };
    match item {
        Item::Value(Value::InlineTable(inline)) => {
            tidy(inline);
            let bare = Value::InlineTable(inline.clone()).decorated("", "").to_string();
            let suffix = key.leaf_decor().suffix().and_then(|s| s.as_str()).map_or(1, str::len);
            let width = columns(&key.display_repr()) + suffix + 2 + columns(&bare);
            if may_grow && (width > MAX_COLUMNS || bare.contains('\n')) {
                let table = grow(&key, inline);
                let header = Key::new(target);
                // Taken out and put behind, so that no value follows a table.
                fields.remove(target);
                fields.entry_format(&header).or_insert(Item::Table(table));
            }
        }
        Item::Table(table) => fit_table(table),
        _ => {}
    }
}

fn fields_are_a_table(fields: &dyn TableLike) -> bool {
    // Only an inline table cannot hold tables; its items are all values and its keys carry inline spacing.
    !fields.iter().any(|(name, _)| {
        fields.key(name).is_some_and(|key| {
            key.leaf_decor().prefix().and_then(|prefix| prefix.as_str()).is_some_and(|prefix| prefix == " ")
        })
    })
}

/// An inline entry as `[fields.NAME]`, with its comments.
fn grow(key: &Key, inline: &InlineTable) -> Table {
    let above = key.leaf_decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    let behind = inline.decor().suffix().and_then(|suffix| suffix.as_str()).unwrap_or_default();
    let mut table = Table::new();
    for (name, value) in inline {
        table.insert(name, Item::Value(value.clone().decorated(" ", "")));
    }
    table.decor_mut().set_prefix(if above.starts_with('\n') { above.to_owned() } else { format!("\n{above}") });
    table.decor_mut().set_suffix(behind.to_owned());
    fit_table(&mut table);
    table
}

/// Breaks the lines of a table's entries that are too long.
fn fit_table(table: &mut Table) {
    let long: Vec<String> = table
        .iter()
        .filter(|(name, item)| {
            matches!(item, Item::Value(Value::Array(_) | Value::InlineTable(_)))
                && item.as_value().is_some_and(|value| {
                    let bare = value.clone().decorated("", "").to_string();
                    !bare.contains('\n') && name.len() + 3 + columns(&bare) > MAX_COLUMNS
                })
        })
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in long {
        match table.get_mut(&name) {
            Some(Item::Value(value @ Value::Array(_))) => {
                let decor = value.decor().clone();
                if let Value::Array(array) = value {
                    *value = fit_array(array.clone(), name.len() + 3);
                }
                *value.decor_mut() = decor;
            }
            Some(item @ Item::Value(Value::InlineTable(_))) => {
                if let Item::Value(Value::InlineTable(inline)) = item {
                    let mut inner = Table::new();
                    for (name, value) in inline.iter() {
                        inner.insert(name, Item::Value(value.clone().decorated(" ", "")));
                    }
                    *item = Item::Table(inner);
                }
            }
            _ => {}
        }
    }
}
