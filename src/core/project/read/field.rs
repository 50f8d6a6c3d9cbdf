//! One entry of `[fields]`.
use std::path::PathBuf;

use chrono::format::{Item as TimeItem, StrftimeItems};
use toml_edit::Value;

use super::{Reader, Section, article, plain_value};
use crate::project::words::nearest;
use crate::project::{Field, Origin, Otherwise, RuleConfig, Values};

/// Every key that a field may have, in the order in which they are written.
pub(in crate::project) const FIELD_KEYS: &[&str] = &[
    "from",
    "sql",
    "const",
    "each",
    "clean",
    "values",
    "allowed",
    "otherwise",
    "join",
    "datetime",
    "zone",
    "type",
    "link",
    "on_miss",
    "on_null",
    "on_error",
    "write",
    "latch",
    "pii",
    "direction",
    "conflict",
];

/// Words for a declared type; `decimal` takes precision and scale.
const TYPES: &[&str] = &["text", "integer", "decimal(14,2)", "boolean", "date", "datetime"];

/// Words of `otherwise`, beside `{ const = "…" }`.
const OTHERWISE: &[(&str, Otherwise)] =
    &[("reject", Otherwise::Reject), ("keep", Otherwise::Keep), ("null", Otherwise::Null), ("drop", Otherwise::Drop)];

/// All of `[fields]`, in file order.
pub(super) fn read_fields(reader: &mut Reader, fields: &Section<'_>) -> Vec<Field> {
    fields.keys().into_iter().filter_map(|target| read_field(reader, fields, target)).collect()
}

fn read_field(reader: &mut Reader, fields: &Section<'_>, target: &str) -> Option<Field> {
    if target.trim().is_empty() {
        reader.error(fields, target, "a field needs the name of a target column");
        return None;
    }
    let span = fields.entry_span(target).map(|span| (span.start, span.end));
    let item = fields.get(target)?;
    if let Some(column) = item.as_str() {
        if column.is_empty() {
            reader.error(fields, target, "must name a source column");
            return None;
        }
        return Some(Field { span, ..Field::new(target, Origin::From(column.to_owned())) });
    }
    if !item.is_table_like() {
        let found = article(item.type_name());
        reader.error(
            fields,
            target,
            format!("must be a source column in quotes or a table like {{ from = \"COLUMN\" }}, not {found}"),
        );
        return None;
    }
    let section = reader.section(fields, target)?;
    reader.only_known(&section, FIELD_KEYS);
    let origin = read_origin(reader, &section);
    let mut field = Field {
        span,
        clean: read_clean(reader, &section),
        each: read_separator(reader, &section, "each"),
        join: reader.text(&section, "join"),
        values: read_values(reader, &section),
        allowed: reader.texts(&section, "allowed"),
        otherwise: read_otherwise(reader, &section),
        datetime: reader.filled(&section, "datetime"),
        zone: reader.filled(&section, "zone"),
        kind: read_type(reader, &section),
        link: reader.filled(&section, "link"),
        on_miss: reader.word(&section, "on_miss"),
        on_null: reader.word(&section, "on_null"),
        on_error: reader.word(&section, "on_error"),
        write: reader.word(&section, "write"),
        latch: reader.flag(&section, "latch"),
        pii: reader.flag(&section, "pii"),
        direction: section.get("direction").map(|_| reader.word(&section, "direction")),
        conflict: super::sync::read_conflict(reader, &section),
        ..Field::new(target, Origin::Const(String::new()))
    };
    check_together(reader, &section, &field);
    field.origin = origin?;
    Some(field)
}

fn read_origin(reader: &mut Reader, section: &Section<'_>) -> Option<Origin> {
    let given: Vec<&str> = ["from", "sql", "const"].into_iter().filter(|key| section.get(key).is_some()).collect();
    match given.as_slice() {
        [] => {
            reader.error(section, "", "nothing fills it: say one of from = \"COLUMN\", sql = \"…\", const = \"…\"");
            None
        }
        ["from"] => reader.filled(section, "from").map(Origin::From),
        ["sql"] => reader.filled(section, "sql").map(Origin::Sql),
        ["const"] => reader.text(section, "const").map(Origin::Const),
        [.., last] => {
            reader.error(section, last, format!("only one of {} can fill a field", given.join(" and ")));
            None
        }
    }
}

fn read_clean(reader: &mut Reader, section: &Section<'_>) -> Vec<RuleConfig> {
    let Some(item) = section.get("clean") else { return Vec::new() };
    let Some(array) = item.as_array() else {
        let found = article(item.type_name());
        reader.error(
            section,
            "clean",
            format!("must be a list of rules: [\"trim\", {{ max_length = 80 }}], not {found}"),
        );
        return Vec::new();
    };
    let mut rules = Vec::with_capacity(array.len());
    for (index, value) in array.iter().enumerate() {
        let problem = match value {
            Value::String(name) if !name.value().trim().is_empty() => {
                rules.push(RuleConfig { name: name.value().clone(), setting: None });
                continue;
            }
            Value::String(_) => "a rule needs a name".to_owned(),
            Value::InlineTable(table) => {
                let mut entries = table.iter();
                if let (Some((name, setting)), None) = (entries.next(), entries.next()) {
                    rules.push(RuleConfig { name: name.to_owned(), setting: Some(plain_value(setting)) });
                    continue;
                }
                "a rule with a setting has one key: { max_length = 80 }".to_owned()
            }
            other => format!(
                "must be a rule's name in quotes or a table like {{ max_length = 80 }}, not {}",
                article(other.type_name())
            ),
        };
        reader.error_at(value.span().as_ref(), &format!("{}[{index}]", section.dotted("clean")), problem);
    }
    rules
}

fn read_separator(reader: &mut Reader, section: &Section<'_>, key: &str) -> Option<String> {
    let text = reader.text(section, key)?;
    if text.is_empty() {
        reader.error(section, key, "must not be empty: name the text between the items, as in each = \";\"");
        return None;
    }
    Some(text)
}

fn read_values(reader: &mut Reader, section: &Section<'_>) -> Option<Values> {
    let item = section.get("values")?;
    if let Some(path) = item.as_str() {
        if path.trim().is_empty() {
            reader.error(section, "values", "must name a CSV file of the project, as in \"maps/owners.csv\"");
            return None;
        }
        return Some(Values::File(PathBuf::from(path)));
    }
    let Some(table) = item.as_table_like() else {
        let found = article(item.type_name());
        reader.error(
            section,
            "values",
            format!("must be a table {{ L = \"lead\" }} or a file \"maps/stage.csv\", not {found}"),
        );
        return None;
    };
    let inner = Section { table, path: section.dotted("values"), span: section.place("values") };
    let mut values = Vec::new();
    for key in inner.keys() {
        if let Some(text) = reader.text(&inner, key) {
            values.push((key.to_owned(), text));
        }
    }
    Some(Values::Inline(values))
}

fn read_otherwise(reader: &mut Reader, section: &Section<'_>) -> Option<Otherwise> {
    let item = section.get("otherwise")?;
    if item.is_table_like() {
        let inner = reader.section(section, "otherwise")?;
        reader.only_known(&inner, &["const"]);
        if inner.get("const").is_none() {
            reader.error(section, "otherwise", "a table here says { const = \"…\" }");
        }
        return reader.text(&inner, "const").map(Otherwise::Const);
    }
    let text = reader.text(section, "otherwise")?;
    let known = OTHERWISE.iter().find(|(word, _)| *word == text).map(|(_, otherwise)| otherwise.clone());
    if known.is_none() {
        let near = nearest(&text, OTHERWISE.iter().map(|(word, _)| *word));
        let hint = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        reader.error(
            section,
            "otherwise",
            format!("'{text}' is not one of reject, keep, null, drop, {{ const = \"{text}\" }}{hint}"),
        );
    }
    known
}

/// The declared type in its normal spelling (`decimal(14,2)`).
fn read_type(reader: &mut Reader, section: &Section<'_>) -> Option<String> {
    let text = reader.filled(section, "type")?;
    let spelled: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    if matches!(spelled.as_str(), "text" | "integer" | "boolean" | "date" | "datetime") {
        return Some(spelled);
    }
    if let Some(arguments) = spelled.strip_prefix("decimal") {
        let numbers = arguments.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or_default();
        let parsed = numbers.split_once(',').and_then(|(p, s)| Some((p.parse::<u32>().ok()?, s.parse::<u32>().ok()?)));
        match parsed {
            Some((precision, scale)) if (1..=38).contains(&precision) && scale <= precision => return Some(spelled),
            _ => reader.error(
                section,
                "type",
                "decimal says its digits and those behind the point: decimal(14,2), at most 38",
            ),
        }
        return None;
    }
    reader.unknown_word(section, "type", &text, TYPES);
    None
}

/// What only makes sense together.
fn check_together(reader: &mut Reader, section: &Section<'_>, field: &Field) {
    if field.join.is_some() && field.each.is_none() {
        reader.error(section, "join", "joins what each = \"…\" split, and there is no each");
    }
    if field.otherwise.is_some() && field.values.is_none() && field.allowed.is_none() {
        reader.error(section, "otherwise", "is for values that a list lacks, and there is neither values nor allowed");
    }
    if field.otherwise == Some(Otherwise::Drop) && field.each.is_none() {
        reader.error(section, "otherwise", "'drop' leaves out one item of a list: it needs each = \"…\"");
    }
    if section.get("on_miss").is_some() && field.link.is_none() {
        reader.error(section, "on_miss", "is for a link that finds nothing, and there is no link");
    }
    if let Some(format) = &field.datetime
        && StrftimeItems::new(format).any(|item| matches!(item, TimeItem::Error))
    {
        reader.error(section, "datetime", "is not a date format: %d day, %m month, %Y year, %H:%M:%S time");
    }
    if let Some(zone) = &field.zone {
        if field.datetime.is_none() {
            reader.error(section, "zone", "belongs to a time that datetime = \"…\" reads");
        }
        if zone.parse::<chrono_tz::Tz>().is_err() {
            let near = nearest(zone, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
            let hint = near.map_or(String::from("as in 'Europe/Berlin'"), |near| format!("did you mean '{near}'?"));
            reader.error(section, "zone", format!("unknown time zone '{zone}': {hint}"));
        }
    }
    if field.latch && section.get("write").is_some() {
        reader.warn(section, "write", "a latch decides by itself: once true it stays true, whatever write says");
    }
    if let Some(Values::Inline(values)) = &field.values
        && values.is_empty()
    {
        reader.warn(section, "values", "is empty: every value goes to otherwise");
    }
}
