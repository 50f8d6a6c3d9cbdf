//! Commands that need no project: sniff, show, profile, try, diff.
use std::path::Path;

use crm_core::clean::{self, Cleaned};
use crm_core::diff::{DiffSummary, Difference, Key, diff_objects};
use crm_core::monitor::Monitor;
use crm_core::platform::ReadOptions;
use crm_core::project::RuleConfig;
use crm_core::table::text::sanitize;
use crm_core::{Error, Result};
use serde_json::{Map, Value, json};

use super::DIFFERENCES;
use super::args::Common;
use super::object::Object;
use super::output::{Output, group};

/// `sniff FILE`.
pub(crate) fn sniff(file: &Path, out: &mut Output) -> Result<u8> {
    let sniffed = crm_connect::csv::sniff(file)?;
    if out.is_json() {
        out.json(&sniffed)?;
        return Ok(0);
    }
    let Value::Object(fields) = serde_json::to_value(&sniffed).unwrap_or_default() else { return Ok(0) };
    for (name, value) in fields {
        let value = match value {
            Value::String(text) => sanitize(&text).into_owned(),
            Value::Null => "none".into(),
            other => other.to_string(),
        };
        out.line(format!("{name:<10} {value}"))?;
    }
    Ok(0)
}

/// Rows `A..B`, counted from 1, both ends included and either left out.
fn parse_rows(text: &str) -> Result<(u64, Option<u64>)> {
    let wrong = || Error::usage(format!("'{text}' is not a range of rows")).advise("write --rows 1..20, 500.. or ..10");
    let number = |part: &str| part.trim().parse::<u64>().map_err(|_| wrong());
    let (first, last) = match text.split_once("..") {
        None => (number(text)?, Some(number(text)?)),
        Some((first, last)) => (
            if first.trim().is_empty() { 1 } else { number(first)? },
            if last.trim().is_empty() { None } else { Some(number(last)?) },
        ),
    };
    if first == 0 || last.is_some_and(|last| last < first) { Err(wrong()) } else { Ok((first, last)) }
}

/// `show FILE`: streamed, so the end of a large file costs its reading and no memory.
pub(crate) fn show(common: &Common, object: &str, rows: &str, columns: &[String], out: &mut Output) -> Result<u8> {
    let (first, last) = parse_rows(rows)?;
    let object = Object::resolve(common, object)?;
    let monitor = out.monitor()?;
    let mut reader = object.connector.read(&object.source, &ReadOptions { limit: last, ..ReadOptions::default() })?;
    let all: Vec<String> = reader.schema().names().map(str::to_owned).collect();
    for column in columns {
        if !all.contains(column) {
            return Err(unknown_column(column, &all));
        }
    }
    let wanted = if columns.is_empty() { all } else { columns.to_vec() };
    let mut table = Vec::new();
    let mut seen = 0;
    while let Some(batch) = reader.next_batch()? {
        monitor.check()?;
        let frame = batch.frame;
        let cells: Vec<_> =
            wanted.iter().map(|name| Ok(frame.column(name)?.str()?.clone())).collect::<Result<Vec<_>>>()?;
        for row in 0..frame.height() {
            seen += 1;
            if seen < first || last.is_some_and(|last| seen > last) {
                continue;
            }
            if out.is_json() {
                let record: Map<String, Value> =
                    wanted.iter().zip(&cells).map(|(name, cells)| (name.clone(), cell(cells.get(row)))).collect();
                out.json(&record)?;
            } else {
                let mut line = vec![seen.to_string()];
                line.extend(cells.iter().map(|cells| cells.get(row).unwrap_or("-").to_owned()));
                table.push(line);
                if table.len() == 1_000 {
                    print_rows(&wanted, &std::mem::take(&mut table), out)?;
                }
            }
        }
    }
    if !out.is_json() {
        print_rows(&wanted, &table, out)?;
    }
    report_rejects(&reader.take_rejects(), &object.label, out);
    Ok(0)
}

fn print_rows(columns: &[String], rows: &[Vec<String>], out: &mut Output) -> Result<()> {
    let mut head = vec!["#"];
    let names: Vec<String> = columns.iter().map(|name| sanitize(name).into_owned()).collect();
    head.extend(names.iter().map(String::as_str));
    out.table(&head, rows, &[0])
}

/// Pieces that are not rows are told on stderr, with line and reason and without their text.
fn report_rejects(rejects: &[crm_core::platform::ReadReject], label: &str, out: &mut Output) {
    for reject in rejects.iter().take(20) {
        out.aside(format!("{} line {}: not a row: {}", sanitize(label), reject.line, sanitize(&reject.reason)));
    }
    if rejects.len() > 20 {
        out.aside(format!("… and {} more", rejects.len() - 20));
    }
}

fn cell(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| Value::String(text.to_owned()))
}

/// A column that is not there, with the nearest that is.
fn unknown_column(name: &str, all: &[String]) -> Error {
    let error = Error::usage(format!("no column '{name}'"));
    match crm_core::project::words::nearest(name, all.iter().map(String::as_str)) {
        Some(near) => error.advise(format!("did you mean '{near}'?")),
        None => error.advise(format!("columns: {}", all.join(", "))),
    }
}

/// `profile FILE`.
pub(crate) fn profile(common: &Common, object: &str, out: &mut Output) -> Result<u8> {
    let object = Object::resolve(common, object)?;
    let monitor = out.monitor()?;
    let (_dir, snapshot) = object.snapshot(&monitor)?;
    let profile = crm_core::table::profile::profile(&snapshot, &monitor)?;
    monitor.done();
    if out.is_json() {
        out.json(&profile)?;
        return Ok(0);
    }
    out.line(format!(
        "{}: {} rows, {} unreadable pieces",
        sanitize(&object.label),
        group(profile.rows),
        profile.rejects
    ))?;
    let rows: Vec<Vec<String>> = profile
        .columns
        .iter()
        .map(|column| {
            let empty = column.nulls + column.blanks;
            vec![
                column.name.clone(),
                if column.semantic.is_empty() {
                    column.r#type.clone()
                } else {
                    format!("{} {}", column.r#type, column.semantic)
                },
                (profile.rows - empty.min(profile.rows))
                    .saturating_mul(100)
                    .checked_div(profile.rows)
                    .map_or_else(|| "-".into(), |share| format!("{share} %")),
                format!("{}{}", if column.distinct_estimated { "~" } else { "" }, group(column.distinct)),
                format!("{}..{}", column.min_length, column.max_length),
                column.top.first().map(|(value, count)| format!("{value} ({})", group(*count))).unwrap_or_default(),
            ]
        })
        .collect();
    out.table(&["COLUMN", "TYPE", "FILLED", "DISTINCT", "LENGTH", "MOST FREQUENT"], &rows, &[2, 3])?;
    for column in &profile.columns {
        for warning in &column.warnings {
            out.line(format!("! {}: {}", sanitize(&column.name), sanitize(warning)))?;
        }
    }
    Ok(0)
}

/// `trim`, `max_length=80`, `{ regex = ["a", "b"] }`.
fn parse_rule(text: &str) -> RuleConfig {
    let text = text.trim();
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    let Some((name, setting)) = inner.split_once('=') else {
        return RuleConfig { name: inner.trim().to_owned(), setting: None };
    };
    let (name, setting) = (name.trim(), setting.trim());
    // A setting that is no TOML value is taken as text, so that a shell needs no second pair of quotes.
    let setting = format!("v = {setting}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| toml::Value::String(setting.to_owned()));
    RuleConfig { name: name.to_owned(), setting: Some(setting) }
}

/// `try RULE FILE`.
pub(crate) fn try_rule(
    common: &Common,
    rule: &str,
    object: &str,
    column: Option<&str>,
    out: &mut Output,
) -> Result<u8> {
    let rule = clean::build(&parse_rule(rule))?;
    let object = Object::resolve(common, object)?;
    let monitor = out.monitor()?;
    let mut reader = object.connector.read(&object.source, &ReadOptions::default())?;
    let all: Vec<String> = reader.schema().names().map(str::to_owned).collect();
    let column = match column {
        Some(name) if !all.iter().any(|other| other == name) => return Err(unknown_column(name, &all)),
        Some(name) => name.to_owned(),
        None => all.first().cloned().ok_or_else(|| Error::data("the file has no columns").at(&object.label))?,
    };
    let (mut same, mut changed, mut failed) = (0_u64, 0_u64, 0_u64);
    while let Some(batch) = reader.next_batch()? {
        monitor.check()?;
        for input in batch.frame.column(&column)?.str()?.iter() {
            let (output, status, reason) = match rule.clean(input) {
                Cleaned::Same => (input.map(str::to_owned), "same", None),
                Cleaned::Changed(value) => (value.map(std::borrow::Cow::into_owned), "changed", None),
                Cleaned::DropRow => (None, "changed", Some("the row is filtered".to_owned())),
                Cleaned::Failed(reason) => (None, "failed", Some(reason.into_owned())),
            };
            match status {
                "same" => same += 1,
                "changed" => changed += 1,
                _ => failed += 1,
            }
            if out.is_json() {
                out.json(&json!({"input": input, "output": output, "status": status, "reason": reason}))?;
            } else if status != "same" {
                let show = |text: Option<&str>| text.map_or("-".into(), |text| sanitize(text).into_owned());
                let reason = reason.map(|reason| format!("  ({reason})")).unwrap_or_default();
                let mark = if status == "failed" { '!' } else { '~' };
                out.line(format!("{mark} {} -> {}{reason}", show(input), show(output.as_deref())))?;
            }
        }
    }
    if !out.is_json() {
        out.line(format!(
            "{}: {} changed, {} failed, {} as they were",
            sanitize(&column),
            group(changed),
            group(failed),
            group(same)
        ))?;
    }
    Ok(0)
}

/// How `diff` prints.
pub(crate) struct DiffOptions {
    pub(crate) summary: bool,
    pub(crate) max_diffs: Option<u64>,
    pub(crate) jsonl: bool,
}

/// A key as the JSON forms show it: text, or an array if composite.
fn key_value(key: &Key) -> Value {
    match key.as_slice() {
        [single] => cell(single.as_deref()),
        parts => Value::Array(parts.iter().map(|part| cell(part.as_deref())).collect()),
    }
}

fn key_text(key: &Key) -> String {
    let parts: Vec<_> = key.iter().map(|part| part.as_deref().map_or("NULL".into(), sanitize)).collect();
    parts.join(", ")
}

/// `diff OLD NEW --key K`.
pub(crate) fn diff(
    common: &Common,
    tables: [&str; 2],
    key: &[String],
    options: &DiffOptions,
    out: &mut Output,
) -> Result<u8> {
    let old = Object::resolve(common, tables[0])?;
    let new = Object::resolve(common, tables[1])?;
    let monitor = out.monitor()?;
    let whole = out.is_json() && !options.jsonl;
    let (mut added, mut removed, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    let mut shown = 0;
    let mut failure = None;
    let mut emit = |difference: Difference| {
        if options.summary || options.max_diffs.is_some_and(|most| shown >= most) {
            return false;
        }
        shown += 1;
        if whole {
            match difference {
                Difference::Added(key) => added.push(key_value(&key)),
                Difference::Removed(key) => removed.push(key_value(&key)),
                Difference::Changed(cells) => changed.extend(cells.into_iter().map(
                    |cell| json!({"key": key_value(&cell.key), "column": cell.column, "old": cell.old, "new": cell.new}),
                )),
            }
            return true;
        }
        let printed = if options.jsonl { print_line(&difference, out) } else { print_text(&difference, out) };
        failure = printed.err();
        failure.is_none()
    };
    let summary =
        diff_objects((&*old.connector, &old.source), (&*new.connector, &new.source), key, &mut emit, &monitor)?;
    monitor.done();
    if let Some(error) = failure {
        return Err(error);
    }
    if options.jsonl {
        out.json(&json!({"summary": summary}))?;
    } else if out.is_json() && options.summary {
        out.json(&summary)?;
    } else if out.is_json() {
        out.json(&json!({"added": added, "removed": removed, "changed": changed, "unchanged": summary.unchanged,
            "columns_added": summary.columns_added, "columns_removed": summary.columns_removed}))?;
    } else {
        print_summary(&summary, out)?;
    }
    let differs = summary.added + summary.removed + summary.changed > 0
        || !summary.columns_added.is_empty()
        || !summary.columns_removed.is_empty();
    Ok(if differs { DIFFERENCES } else { 0 })
}

fn print_line(difference: &Difference, out: &mut Output) -> Result<()> {
    match difference {
        Difference::Added(key) => out.json(&json!({"op": "added", "key": key_value(key)})),
        Difference::Removed(key) => out.json(&json!({"op": "removed", "key": key_value(key)})),
        Difference::Changed(cells) => cells.iter().try_for_each(|cell| {
            out.json(&json!({"op": "changed", "key": key_value(&cell.key), "column": cell.column,
                "old": cell.old, "new": cell.new}))
        }),
    }
}

fn print_text(difference: &Difference, out: &mut Output) -> Result<()> {
    match difference {
        Difference::Added(key) => out.line(format!("+ {}", key_text(key))),
        Difference::Removed(key) => out.line(format!("- {}", key_text(key))),
        Difference::Changed(cells) => cells.iter().try_for_each(|cell| {
            let show =
                |text: &Option<String>| text.as_deref().map_or("NULL".into(), |text| sanitize(text).into_owned());
            out.line(format!(
                "~ {}  {}: {} -> {}",
                key_text(&cell.key),
                sanitize(&cell.column),
                show(&cell.old),
                show(&cell.new)
            ))
        }),
    }
}

fn print_summary(summary: &DiffSummary, out: &mut Output) -> Result<()> {
    out.line(format!(
        "{} added, {} removed, {} changed, {} unchanged",
        group(summary.added),
        group(summary.removed),
        group(summary.changed),
        group(summary.unchanged)
    ))?;
    for (column, cells) in &summary.by_column {
        out.line(format!("  {}: {} cells", sanitize(column), group(*cells)))?;
    }
    for (word, columns) in [("added", &summary.columns_added), ("removed", &summary.columns_removed)] {
        if !columns.is_empty() {
            let names: Vec<_> = columns.iter().map(|name| sanitize(name)).collect();
            out.line(format!("  columns {word}: {}", names.join(", ")))?;
        }
    }
    if summary.duplicate_keys != (0, 0) {
        out.line(format!(
            "  keys that occur more than once: {} in old, {} in new",
            group(summary.duplicate_keys.0),
            group(summary.duplicate_keys.1)
        ))?;
    }
    Ok(())
}
