//! `rejects list|show|export`.
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use crm_core::journal::Reject;
use crm_core::table::export::neutralise;
use crm_core::table::text::sanitize;
use crm_core::workspace::Workspace;
use crm_core::{Error, Result};
use serde_json::{Value, json};

use super::args::{Common, RejectsAction};
use super::output::{Output, group};
use super::runs::newest_or;

pub(crate) fn run(common: &Common, action: &RejectsAction, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    match action {
        RejectsAction::List { id } => list(&workspace, &newest_or(&workspace, id.as_deref())?, out),
        RejectsAction::Show { mapping, n, id } => {
            show(&workspace, &newest_or(&workspace, id.as_deref())?, mapping, *n, out)
        }
        RejectsAction::Export { mapping, out: file, id, safe } => {
            export(&workspace, &newest_or(&workspace, id.as_deref())?, mapping, file, *safe, out)
        }
    }
}

fn list(workspace: &Workspace, id: &str, out: &mut Output) -> Result<u8> {
    if out.is_json() {
        for mapping in &workspace.project().mappings {
            for reject in workspace.rejects(id, Some(&mapping.name))? {
                let Value::Object(mut record) = json!(reject) else { continue };
                record.shift_insert(0, "mapping".into(), json!(mapping.name));
                out.json(&record)?;
            }
        }
        return Ok(0);
    }
    let mut rows = Vec::new();
    for mapping in &workspace.project().mappings {
        let mut causes: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
        for reject in workspace.rejects(id, Some(&mapping.name))? {
            let entry = causes.entry((reject.kind, reject.cause)).or_insert((0, reject.n));
            entry.0 += 1;
        }
        let mut causes: Vec<_> = causes.into_iter().collect();
        causes.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        rows.extend(causes.into_iter().map(|((kind, cause), (count, first))| {
            vec![mapping.name.clone(), kind, group(count), first.to_string(), cause]
        }));
    }
    if rows.is_empty() {
        out.line(format!("{id}: no rejects"))?;
    } else {
        out.table(&["MAPPING", "KIND", "ROWS", "FIRST", "CAUSE"], &rows, &[2, 3])?;
        out.line("one of them whole: crm-console rejects show MAPPING FIRST")?;
    }
    Ok(0)
}

fn show(workspace: &Workspace, id: &str, mapping: &str, n: u64, out: &mut Output) -> Result<u8> {
    let rejects = workspace.rejects(id, Some(mapping))?;
    let reject = rejects.iter().find(|reject| reject.n == n).ok_or_else(|| {
        Error::usage(format!("{id} has no reject {n} in {mapping}"))
            .advise("numbers are in `crm-console rejects list --json`")
    })?;
    if out.is_json() {
        out.json(reject)?;
        return Ok(0);
    }
    let place = match (reject.line, reject.row) {
        (0, Some(row)) => format!("row {}", row + 1),
        (line, _) => format!("line {line}"),
    };
    out.line(format!("{} {}, {place}: {}", mapping, reject.kind, sanitize(&reject.cause)))?;
    out.line(format!("  step {}: {}", sanitize(&reject.step), sanitize(&reject.reason)))?;
    if let Some(raw) = &reject.raw {
        out.line(format!("  {}", sanitize(raw)))?;
    }
    for (column, value) in &reject.source {
        out.line(format!("  {:<24} {}", sanitize(column), value.as_str().map_or("-".into(), sanitize)))?;
    }
    Ok(0)
}

/// Writes the source columns as they were, then the reasons in columns of their own, so that the file loads again
/// through the same mapping.
fn export(workspace: &Workspace, id: &str, mapping: &str, file: &Path, safe: bool, out: &mut Output) -> Result<u8> {
    const REASONS: [&str; 6] =
        ["reject_kind", "reject_line", "reject_field", "reject_step", "reject_reason", "reject_raw"];
    let rejects = workspace.rejects(id, Some(mapping))?;
    let columns: Vec<String> = rejects
        .iter()
        .find(|reject| !reject.source.is_empty())
        .map(|reject| reject.source.keys().cloned().collect())
        .unwrap_or_default();
    let failed = |error: csv::Error| Error::platform(format!("cannot write {}: {error}", file.display()));
    let mut writer = csv::Writer::from_path(file).map_err(failed)?;
    writer.write_record(columns.iter().map(String::as_str).chain(REASONS)).map_err(failed)?;
    for reject in &rejects {
        let cells = export_row(reject, &columns);
        let cells = cells.iter().map(|cell| if safe { neutralise(cell) } else { cell.as_str().into() });
        writer.write_record(cells.map(Cow::into_owned)).map_err(failed)?;
    }
    writer.flush().map_err(|error| Error::io("write", file, &error))?;
    if out.is_json() {
        out.json(&json!({"file": file, "rows": rejects.len()}))?;
    } else {
        out.line(format!("wrote {} rows to {}", group(rejects.len() as u64), sanitize(&file.display().to_string())))?;
    }
    Ok(0)
}

fn export_row(reject: &Reject, columns: &[String]) -> Vec<String> {
    let mut cells: Vec<String> = columns
        .iter()
        .map(|column| reject.source.get(column).and_then(Value::as_str).unwrap_or_default().to_owned())
        .collect();
    cells.extend([
        reject.kind.clone(),
        if reject.line == 0 { String::new() } else { reject.line.to_string() },
        reject.field.clone().unwrap_or_default(),
        reject.step.clone(),
        reject.reason.clone(),
        reject.raw.clone().unwrap_or_default(),
    ]);
    cells
}
