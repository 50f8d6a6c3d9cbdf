//! One file of `mappings/`.
use std::path::Path;

use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::field::read_fields;
use super::{Reader, Section, article};
use crate::platform::Source;
use crate::project::words::{did_you_mean, nearest};
use crate::project::{Bound, Budget, FromRef, Mapping, MatchBy, ObjectRef, Origin, Overlap, RunConfig, TargetOnly};

/// Every key at the top of a mapping file, in the order in which they are written.
pub(in crate::project) const MAPPING_KEYS: &[&str] = &[
    "from",
    "to",
    "key",
    "match",
    "scope",
    "target_only",
    "where",
    "deleted",
    "duplicates",
    "ignore",
    "corrections",
    "unfinished",
    "split",
    "fields",
    "run",
    "sync",
];

const RUN_KEYS: &[&str] = &["mode", "cursor", "overlap", "workers", "error_budget", "max_deletes", "left_behind"];

/// Most workers that a mapping may ask for.
const MAX_WORKERS: i64 = 64;

/// Reads a mapping. What is wrong is in `reader`; None if no mapping came out at all.
pub(in crate::project) fn read_mapping(
    reader: &mut Reader,
    root: &Path,
    path: &Path,
    top: &Section<'_>,
) -> Option<Mapping> {
    reader.only_known(top, MAPPING_KEYS);
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let from = read_from(reader, root, top);
    let to = required(reader, top, "to").then(|| reader.filled(top, "to")).flatten();
    let to = to.and_then(|text| read_object(reader, top, "to", &text));
    let key = if required(reader, top, "key") { reader.texts(top, "key").unwrap_or_default() } else { Vec::new() };
    let fields = if let Some(section) = reader.section(top, "fields") {
        if section.table.is_empty() {
            reader.error(top, "fields", "is empty: map at least the key");
        }
        read_fields(reader, &section)
    } else {
        if top.get("fields").is_none() {
            reader.error(top, "", "there is no [fields]: map at least the key");
        }
        Vec::new()
    };
    // A split's mappings say their common name; each is planned on its own.
    let _ = reader.text(top, "split");
    let mut mapping = Mapping {
        name,
        path: path.to_owned(),
        matching: Vec::new(),
        scope: reader.filled(top, "scope"),
        target_only: read_target_only(reader, top),
        filter: reader.filled(top, "where"),
        deleted: reader.filled(top, "deleted"),
        duplicates: reader.word(top, "duplicates"),
        ignore: reader.texts(top, "ignore").unwrap_or_default(),
        corrections: reader.filled(top, "corrections").map(std::path::PathBuf::from),
        unfinished: reader.texts(top, "unfinished").unwrap_or_default(),
        run: read_run(reader, top),
        sync: super::sync::read_sync(reader, top),
        from: from?,
        to: to?,
        key,
        fields,
    };
    check_key(reader, top, &mapping);
    mapping.matching = read_match(reader, top, &mapping);
    if let Some(scope) = &mapping.scope {
        check_target_sql(reader, top, "scope", "scope", scope);
    }
    Some(mapping)
}

fn required(reader: &mut Reader, top: &Section<'_>, key: &str) -> bool {
    let there = top.get(key).is_some();
    if !there {
        let hint = match key {
            "from" => "from = \"platform:object\" says where rows are read",
            "to" => "to = \"platform:object\" says where rows are written",
            _ => "key = [\"field\"] says which target fields identify a record",
        };
        reader.error(top, "", format!("'{key}' is missing: {hint}"));
    }
    there
}

fn read_object(reader: &mut Reader, section: &Section<'_>, key: &str, text: &str) -> Option<ObjectRef> {
    let object = ObjectRef::parse(text);
    if object.is_none() {
        reader.error(section, key, format!("'{text}' must be platform:object, as in \"legacy:contacts\""));
    }
    object
}

fn read_from(reader: &mut Reader, root: &Path, top: &Section<'_>) -> Option<FromRef> {
    if !required(reader, top, "from") {
        return None;
    }
    let item = top.get("from")?;
    if let Some(text) = item.as_str() {
        let object = read_object(reader, top, "from", text)?;
        return Some(FromRef {
            label: object.to_string(),
            platform: object.platform,
            source: Source::Object(object.object),
        });
    }
    if !item.is_table_like() {
        let found = article(item.type_name());
        reader.error(
            top,
            "from",
            format!("must be \"platform:object\" or {{ on = \"platform\", query = \"queries/x.sql\" }}, not {found}"),
        );
        return None;
    }
    let from = reader.section(top, "from")?;
    reader.only_known(&from, &["on", "query", "id"]);
    for key in ["on", "query"] {
        if from.get(key).is_none() {
            reader.error(&from, "", format!("'{key}' is missing"));
        }
    }
    let platform = reader.filled(&from, "on");
    let query = reader.filled(&from, "query")?;
    let id = reader.filled(&from, "id");
    let file = root.join(&query);
    let sql = match std::fs::read_to_string(&file) {
        Ok(sql) if sql.trim().is_empty() => {
            reader.error(&from, "query", format!("the query file {query} is empty"));
            return None;
        }
        Ok(sql) => sql,
        Err(error) => {
            reader.error(&from, "query", format!("cannot read the query file {query}: {error}"));
            return None;
        }
    };
    let platform = platform?;
    Some(FromRef { label: format!("{platform}:{query}"), platform, source: Source::Query { sql, id } })
}

fn read_target_only(reader: &mut Reader, top: &Section<'_>) -> TargetOnly {
    let Some(text) = reader.filled(top, "target_only") else { return TargetOnly::default() };
    match text.as_str() {
        "keep" => TargetOnly::Keep,
        "list" => TargetOnly::List,
        "delete" => TargetOnly::Delete,
        other => match other.strip_prefix("mark:").map(str::trim) {
            Some("") => {
                reader.error(top, "target_only", "'mark:' needs the target field to set, as in mark:is_deleted");
                TargetOnly::Keep
            }
            Some(field) => TargetOnly::Mark(field.to_owned()),
            None => {
                reader.unknown_word(top, "target_only", other, &["keep", "list", "mark:FIELD", "delete"]);
                TargetOnly::Keep
            }
        },
    }
}

fn read_run(reader: &mut Reader, top: &Section<'_>) -> RunConfig {
    let defaults = RunConfig::default();
    let Some(run) = reader.section(top, "run") else { return defaults };
    reader.only_known(&run, RUN_KEYS);
    let workers = run.get("workers").map_or(defaults.workers, |item| match item.as_integer() {
        Some(workers) if (1..=MAX_WORKERS).contains(&workers) => workers as usize,
        _ => {
            reader.error(&run, "workers", format!("must be an integer from 1 to {MAX_WORKERS}"));
            defaults.workers
        }
    });
    RunConfig {
        mode: reader.word(&run, "mode"),
        cursor: reader.filled(&run, "cursor"),
        overlap: read_overlap(reader, &run),
        workers,
        error_budget: read_budget(reader, &run).unwrap_or(defaults.error_budget),
        max_deletes: read_bound(reader, &run, "max_deletes").unwrap_or(defaults.max_deletes),
        left_behind: reader.word(&run, "left_behind"),
    }
}

/// `"1%"`, `50`, or both in a list.
fn read_budget(reader: &mut Reader, run: &Section<'_>) -> Option<Budget> {
    let item = run.get("error_budget")?;
    let mut budget = Budget::default();
    let Some(list) = item.as_array() else {
        budget.add(read_bound(reader, run, "error_budget")?);
        return Some(budget);
    };
    let bounds: Option<Vec<Bound>> = list
        .iter()
        .map(|value| match (value.as_integer(), value.as_str()) {
            (Some(rows), _) => u64::try_from(rows).ok().map(Bound::Count),
            (_, Some(text)) => Bound::parse(text),
            _ => None,
        })
        .collect();
    let fits = bounds.is_some_and(|bounds| !bounds.is_empty() && bounds.into_iter().all(|bound| budget.add(bound)));
    if !fits {
        reader.error(run, "error_budget", "as a list it holds one share and one number of rows: [\"1%\", 50]");
        return None;
    }
    Some(budget)
}

fn read_overlap(reader: &mut Reader, run: &Section<'_>) -> Overlap {
    let Some(item) = run.get("overlap") else { return Overlap::default() };
    let overlap = match (item.as_integer(), item.as_str()) {
        (Some(units), _) => u64::try_from(units).ok().map(|units| Overlap { seconds: 0, units }),
        (_, Some(text)) => Overlap::parse(text),
        _ => None,
    };
    if run.get("cursor").is_none() {
        reader.warn(run, "overlap", "has no meaning without a cursor");
    }
    overlap.unwrap_or_else(|| {
        reader.error(run, "overlap", "must be a time such as \"5m\", or a number for a cursor that counts");
        Overlap::default()
    })
}

pub(super) fn read_bound(reader: &mut Reader, run: &Section<'_>, key: &str) -> Option<Bound> {
    let item = run.get(key)?;
    let bound = match (item.as_integer(), item.as_str()) {
        (Some(rows), _) => u64::try_from(rows).ok().map(Bound::Count),
        (_, Some(text)) => Bound::parse(text),
        _ => None,
    };
    if bound.is_none() {
        reader.error(run, key, "must be a share of the rows or a number of rows: \"1%\" or 200");
    }
    bound
}

fn check_key(reader: &mut Reader, top: &Section<'_>, mapping: &Mapping) {
    if top.get("key").is_some_and(|item| item.as_array().is_some_and(toml_edit::Array::is_empty)) {
        reader.error(top, "key", "is empty: name the target fields that identify a record");
    }
    let targets: Vec<&str> = mapping.fields.iter().map(|field| field.target.as_str()).collect();
    for (index, name) in mapping.key.iter().enumerate() {
        if mapping.key[..index].contains(name) {
            reader.error(top, "key", format!("'{name}' is named twice"));
        } else if !targets.contains(&name.as_str()) && !field_is_there(top, name) {
            reader.error(top, "key", format!("'{name}' is not in [fields]: {}", did_you_mean(name, &targets)));
        }
    }
    let constant = |name: &String| mapping.field(name).is_some_and(|field| matches!(field.origin, Origin::Const(_)));
    if !mapping.key.is_empty() && mapping.key.iter().all(constant) {
        reader.error(top, "key", "is made of fixed values alone, so every row would be the same record");
    }
}

/// A field with errors of its own is missing from the model, but not from the file.
fn field_is_there(top: &Section<'_>, name: &str) -> bool {
    top.get("fields").and_then(|item| item.as_table_like()).is_some_and(|fields| fields.contains_key(name))
}

fn read_match(reader: &mut Reader, top: &Section<'_>, mapping: &Mapping) -> Vec<MatchBy> {
    let Some(ways) = reader.texts(top, "match") else { return default_match(&mapping.key) };
    if ways.is_empty() {
        reader.error(top, "match", "is empty: leave it out for the default, the crosswalk and then the key");
    }
    let mut matching = Vec::with_capacity(ways.len());
    for (index, way) in ways.into_iter().enumerate() {
        let field = format!("match[{index}]");
        let by = if way == "crosswalk" { MatchBy::Crosswalk } else { MatchBy::Expression(way.clone()) };
        if matching.contains(&by) {
            reader.warn(top, "match", format!("'{way}' is listed twice"));
            continue;
        }
        if let MatchBy::Expression(sql) = &by {
            for column in check_target_sql(reader, top, "match", &field, sql) {
                if mapping.field(&column).is_none() && !field_is_there(top, &column) {
                    let names = mapping.fields.iter().map(|field| field.target.as_str()).chain(["crosswalk"]);
                    let near = nearest(&column, names);
                    let hint = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
                    reader.error(
                        top,
                        "match",
                        format!("'{column}' is not in [fields], so nothing can match by it{hint}"),
                    );
                }
            }
        }
        matching.push(by);
    }
    matching
}

/// The crosswalk, then equality of the whole key.
pub(crate) fn default_match(key: &[String]) -> Vec<MatchBy> {
    let quoted: Vec<String> = key.iter().map(|name| quote_identifier(name)).collect();
    let mut matching = vec![MatchBy::Crosswalk];
    if !quoted.is_empty() {
        // `||` with NULL is NULL: a key with a gap matches nothing.
        matching.push(MatchBy::Expression(quoted.join(" || '\u{1f}' || ")));
    }
    matching
}

/// A column name as SQL: bare where it is a plain word.
pub(crate) fn quote_identifier(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Checks the form of an expression over target columns and answers the columns that it names.
fn check_target_sql(reader: &mut Reader, top: &Section<'_>, key: &str, field: &str, sql: &str) -> Vec<String> {
    let parsed = Parser::new(&GenericDialect {}).try_with_sql(sql).and_then(|mut parser| {
        let expr = parser.parse_expr()?;
        parser.expect_token(&Token::EOF)?;
        Ok(expr)
    });
    match parsed {
        Ok(expr) => column_names(&expr),
        Err(error) => {
            let message = error.to_string().replace("sql parser error: ", "");
            reader.error(top, key, format!("{field} is not an SQL expression: {message}"));
            Vec::new()
        }
    }
}

fn column_names(expr: &sqlparser::ast::Expr) -> Vec<String> {
    use sqlparser::ast::{Expr, visit_expressions};
    let mut names: Vec<String> = Vec::new();
    let _ = visit_expressions(expr, |expr| {
        if let Expr::Identifier(name) = expr
            && !names.contains(&name.value)
        {
            names.push(name.value.clone());
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
    names
}
