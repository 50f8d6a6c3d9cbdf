//! A mapping as a sheet for people who review in spreadsheets, and back: each line checked before anything is written.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Workspace;
use super::studio::{MappingChange, Studio};
use crate::error::{Error, Result};
use crate::platform::{Connector, ReadOptions, Source};
use crate::project::edit::field_text;
use crate::project::{Field, Mapping, Origin, load_mapping};
use crate::table::export::neutralise;

const COLUMNS: &[&str] =
    &["target", "required", "type", "source", "field", "status", "score", "fails", "reasons", "rows_with_data"];
/// A target that a reviewer wants left open, and a source column that stays behind on purpose.
const LEFT: &str = "left behind";
const IGNORED: &str = "ignored";
/// A suggestion that nobody decided on yet: importing it changes nothing.
const SUGGESTED: &str = "suggested";

/// One line of a sheet, by column; the line it stands on.
#[derive(Debug, Clone, Default)]
pub struct SheetLine {
    /// Line in the file.
    pub line: u64,
    /// Cells by the name of their column.
    pub cells: BTreeMap<String, String>,
}

impl SheetLine {
    fn cell(&self, name: &str) -> &str {
        self.cells.get(name).map_or("", String::as_str)
    }
}

/// Reads the lines of a sheet. A quote that was put in front of a cell for spreadsheets is taken off again.
pub fn read_sheet(connector: &dyn Connector, source: &Source) -> Result<Vec<SheetLine>> {
    let mut reader = connector.read(source, &ReadOptions::default())?;
    let names: Vec<String> = reader.schema().names().map(str::to_owned).collect();
    for needed in ["target", "source", "field", "status"] {
        if !names.iter().any(|name| name == needed) {
            return Err(Error::usage(format!("the sheet has no column '{needed}'"))
                .advise("begin from `crm-console map export`; the columns target, source, field and status are read"));
        }
    }
    let mut lines = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        for row in 0..batch.frame.height() {
            let mut line = SheetLine { line: lines.len() as u64 + 2, ..SheetLine::default() };
            for name in &names {
                let cell = batch.frame.column(name)?.str()?.get(row).unwrap_or_default();
                let plain = cell.strip_prefix('\'').filter(|rest| neutralise(rest) != *rest).unwrap_or(cell);
                line.cells.insert(name.clone(), plain.trim().to_owned());
            }
            lines.push(line);
        }
    }
    let broken = reader.take_rejects();
    if let Some(first) = broken.first() {
        return Err(Error::data(format!("line {} is no row: {}", first.line, first.reason))
            .advise("mend the line: nothing was changed"));
    }
    Ok(lines)
}

impl Workspace {
    /// The sheet of a mapping: a line for each target field, then one for each source column that nothing reads. No cell of
    /// the data is in it. The first row names the columns.
    pub fn sheet(&self, mapping: &Mapping, studio: &Studio) -> Vec<Vec<String>> {
        let mut rows = vec![COLUMNS.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()];
        let mut line = |cells: &[String]| rows.push(cells.to_vec());
        let mut targets: Vec<(&str, Option<&str>)> =
            studio.target.fields.iter().map(|field| (field.name.as_str(), field.kind.as_deref())).collect();
        for field in &mapping.fields {
            if !targets.iter().any(|(name, _)| *name == field.target) {
                targets.push((&field.target, None));
            }
        }
        for (name, kind) in targets {
            let found = studio.for_target(name);
            let best = found.first().filter(|item| item.rank == 1);
            let required = if studio.required.iter().any(|one| one == name) { "yes" } else { "" };
            let (field, status) = match (mapping.field(name), best) {
                (Some(field), _) => (Some(field.clone()), "mapped"),
                (None, Some(item)) => (Some(item.field()), SUGGESTED),
                (None, None) => (None, "open"),
            };
            let same = best.filter(|item| field.as_ref().is_some_and(|field| field.reads(&item.from)));
            let source = field.as_ref().map(|field| source_of(field, studio)).unwrap_or_default();
            let rule = field.as_ref().filter(|field| field_text(field) != plain_text(&source));
            let trial = same.and_then(|item| item.transform.as_ref()?.trial.as_ref()).filter(|trial| trial.failed > 0);
            line(&[
                name.to_owned(),
                required.to_owned(),
                kind.unwrap_or_default().to_owned(),
                source,
                rule.map(field_text).unwrap_or_default(),
                status.to_owned(),
                same.map(|item| format!("{:.2}", item.score)).unwrap_or_default(),
                trial.map(|trial| format!("{} of {}", trial.failed, trial.rows)).unwrap_or_default(),
                same.map(|item| item.reasons.join("; ")).unwrap_or_default(),
                String::new(),
            ]);
        }
        for field in &studio.source.fields {
            let read = mapping.fields.iter().any(|one| one.reads(&field.name));
            let suggested = studio.open(mapping, 0.0).iter().any(|item| item.sources().contains(&field.name.as_str()));
            if read || suggested {
                continue;
            }
            let status = if mapping.ignore.contains(&field.name) { IGNORED } else { LEFT };
            let filled = field.look.as_ref().map_or(0, |look| look.filled);
            let mut cells = vec![String::new(); COLUMNS.len()];
            cells[2] = field.kind.clone().unwrap_or_default();
            cells[3].clone_from(&field.name);
            status.clone_into(&mut cells[5]);
            cells[9] = filled.to_string();
            line(&cells);
        }
        rows
    }

    /// The edit that a sheet comes to. Every line is checked; all that is wrong is said at once.
    ///
    /// Of a line with a target, `field` is what counts if it reads `source`; a source that was changed alone takes its place.
    /// Status `open` takes the field out; `suggested` is left for later; anything else (`mapped`, `ok`) takes it in.
    /// Of a line without a target, status `ignored` leaves the source column behind on purpose.
    pub fn import_sheet(&self, mapping: &Mapping, studio: &Studio, lines: &[SheetLine]) -> Result<MappingChange> {
        let mut wrong = Vec::new();
        let mut fields = Vec::new();
        let mut gone = Vec::new();
        let mut ignore: Vec<String> = mapping.ignore.clone();
        let mut seen = BTreeSet::new();
        for line in lines {
            let (target, source, status) =
                (line.cell("target"), line.cell("source"), line.cell("status").to_lowercase());
            let mut say = |what: String| wrong.push(format!("line {}: {what}", line.line));
            if target.is_empty() {
                if source.is_empty() {
                    continue;
                }
                if studio.source.field(source).is_none() {
                    say(format!("{} has no column '{source}'", mapping.from.label));
                } else if status == IGNORED {
                    if !ignore.iter().any(|name| name == source) {
                        ignore.push(source.to_owned());
                    }
                } else if status == LEFT {
                    ignore.retain(|name| name != source);
                } else {
                    say(format!("status '{status}' must be '{IGNORED}' or '{LEFT}' where there is no target"));
                }
                continue;
            }
            if !seen.insert(target.to_owned()) {
                say(format!("'{target}' stands twice: each target is filled once"));
                continue;
            }
            let known = studio.target.field(target).is_some() || mapping.field(target).is_some();
            if !known && !studio.target.fields.is_empty() {
                say(format!("{} has no field '{target}'", mapping.to));
                continue;
            }
            match status.as_str() {
                SUGGESTED => continue,
                "open" => {
                    if mapping.field(target).is_some() {
                        gone.push(target.to_owned());
                    }
                    continue;
                }
                _ => {}
            }
            match read_field(target, source, line.cell("field"), studio) {
                Ok(Some(field)) => fields.push(field),
                Ok(None) if mapping.field(target).is_some() => gone.push(target.to_owned()),
                Ok(None) => {}
                Err(what) => say(what),
            }
        }
        if let Some(key) = mapping.key.iter().find(|key| gone.contains(*key)) {
            wrong.push(format!("'{key}' is the key: it cannot be left open"));
        }
        if !wrong.is_empty() {
            return Err(Error::usage(wrong.join("; ")).advise("mend the sheet: nothing was changed"));
        }
        self.edit_mapping(mapping, |edit| {
            for target in &gone {
                edit.remove_field(target);
            }
            for field in &fields {
                let same = mapping.field(&field.target).is_some_and(|old| field_text(old) == field_text(field));
                if !same {
                    edit.set_field(field);
                }
            }
            if ignore != mapping.ignore {
                edit.set_texts("ignore", Some(&ignore).filter(|list| !list.is_empty()).map(Vec::as_slice));
            }
        })
    }
}

/// The source as the sheet shows it: a column, several, or nothing for a constant.
fn source_of(field: &Field, studio: &Studio) -> String {
    let names = studio.source.fields.iter().map(|one| one.name.as_str());
    match &field.origin {
        Origin::From(name) => name.clone(),
        _ => names.filter(|name| field.reads(name)).collect::<Vec<_>>().join(" + "),
    }
}

/// A field that does nothing but copy.
fn plain_text(source: &str) -> String {
    field_text(&Field::new("x", Origin::From(source.to_owned())))
}

/// The field that a line says; None where it says nothing.
fn read_field(target: &str, source: &str, rule: &str, studio: &Studio) -> Result<Option<Field>, String> {
    let column = |name: &str| match studio.source.field(name) {
        Some(_) => Ok(()),
        None => Err(format!("the source has no column '{name}'")),
    };
    if rule.is_empty() {
        if source.is_empty() {
            return Ok(None);
        }
        column(source)?;
        return Ok(Some(Field::new(target, Origin::From(source.to_owned()))));
    }
    let key = toml_edit::Key::new(target);
    let text =
        format!("from = \"a:b\"\nto = \"a:b\"\nkey = [\"x\"]\n[fields]\nx = \"x\"\n{} = {rule}\n", key.display_repr());
    let text = if target == "x" { text.replacen("x = \"x\"\n", "", 1) } else { text };
    let mapping = load_mapping(Path::new(""), Path::new("sheet.toml"), &text).map_err(|problems| {
        let first = problems.first().map_or_else(String::new, |problem| problem.message.clone());
        format!("field: {first}")
    })?;
    let mut field = mapping.fields.into_iter().find(|field| field.target == target).ok_or("field: is no field")?;
    field.span = None;
    if let Origin::From(from) = &field.origin
        && !source.is_empty()
        && from != source
    {
        // The reviewer wrote another source and left the rest as it was.
        field.origin = Origin::From(source.to_owned());
    }
    if let Origin::From(from) = &field.origin {
        column(from)?;
    }
    Ok(Some(field))
}

/// A sheet as CSV, safe to open in a spreadsheet.
pub fn sheet_csv(rows: &[Vec<String>]) -> String {
    let line =
        |row: &Vec<String>| row.iter().map(|cell| quoted(&neutralise(cell))).collect::<Vec<_>>().join(",") + "\n";
    rows.iter().map(line).collect()
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}
