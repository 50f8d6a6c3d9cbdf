//! `map`: suggestions accepted and refused, sheets for review, owners.
use std::collections::BTreeSet;
use std::path::Path;

use crm_core::project::{Mapping, ObjectRef};
use crm_core::suggest::{Suggestion, TransformKind};
use crm_core::table::text::sanitize;
use crm_core::workspace::{MappingChange, OwnerState, OwnersAsk, Studio, Workspace, read_sheet, sheet_csv};
use crm_core::{Error, Result};
use serde_json::json;

use super::DIFFERENCES;
use super::args::{Common, MapAction, OwnersArgs};
use super::object::Object;
use super::output::{Output, group};

/// `map …`.
pub(crate) fn map(common: &Common, action: &MapAction, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    match action {
        MapAction::Show { mapping, min_score } => show(&workspace, mapping, *min_score, out),
        MapAction::Accept { mappings, min_score, field, dry_run } => {
            accept(&workspace, mappings, *min_score, field, *dry_run, out)
        }
        MapAction::Refuse { mapping, target, source } => refuse(&workspace, mapping, target, source.as_deref(), out),
        MapAction::Undo { mapping } => undo(&workspace, mapping, out),
        MapAction::Export { mapping, out: file } => export(&workspace, mapping, file, out),
        MapAction::Import { mapping, file, write } => import(common, &workspace, mapping, file, *write, out),
        MapAction::Owners(args) => owners(&workspace, args, out),
    }
}

/// A suggestion's transform in few words: `date, 2 of 100 rows fail`.
pub(super) fn transform_words(item: &Suggestion) -> String {
    let Some(transform) = &item.transform else { return String::new() };
    let trial = transform.trial.as_ref().filter(|trial| trial.rows > 0);
    let fails = trial.map_or_else(String::new, |trial| match trial.failed {
        0 => String::new(),
        failed => format!(", {} of {} rows fail", group(failed), group(trial.rows)),
    });
    format!("{}{fails}", transform.kind.word())
}

fn looked(workspace: &Workspace, name: &str, out: &Output) -> Result<(Mapping, Studio)> {
    let mapping = workspace.mapping(name)?.clone();
    let monitor = out.monitor()?;
    let studio = workspace.studio(&mapping, &monitor)?;
    monitor.done();
    Ok((mapping, studio))
}

fn show(workspace: &Workspace, name: &str, min_score: f64, out: &mut Output) -> Result<u8> {
    let (mapping, studio) = looked(workspace, name, out)?;
    let mut rows = Vec::new();
    let mut list = Vec::new();
    for target in &studio.target.fields {
        let mapped = mapping.field(&target.name);
        let found = studio.for_target(&target.name);
        let found: Vec<&&Suggestion> = found.iter().filter(|item| item.score >= min_score).collect();
        let required = studio.required.contains(&target.name);
        let best = found.first();
        let status = match (mapped, best.filter(|item| item.rank == 1), required) {
            (Some(_), ..) => "mapped",
            (None, Some(_), _) => "suggested",
            (None, None, true) => "REQUIRED",
            (None, None, false) => "open",
        };
        list.push(json!({"to": target.name, "required": required, "status": status,
            "mapped": mapped.map(crm_core::project::edit::field_text), "suggestions": found}));
        let from = match (mapped, best) {
            (Some(field), _) => crm_core::project::edit::field_text(field),
            (None, Some(item)) => item.sources().join(" + "),
            (None, None) => String::new(),
        };
        let score = if mapped.is_some() { None } else { best.map(|item| format!("{:.2}", item.score)) };
        let mark = if required { "*" } else { "" };
        let words = best.filter(|_| mapped.is_none()).map_or_else(String::new, |item| transform_words(item));
        let cut: String = sanitize(&from).chars().take(44).collect();
        rows.push(vec![
            status.to_owned(),
            format!("{}{mark}", sanitize(&target.name)),
            score.unwrap_or_default(),
            cut,
            words,
        ]);
    }
    if out.is_json() {
        out.json(&json!({"mapping": name, "fields": list}))?;
    } else {
        out.table(&["STATUS", "TARGET", "SCORE", "SOURCE", "TRANSFORM"], &rows, &[2])?;
    }
    Ok(0)
}

/// What an edit changes, for people.
fn print_change(change: &MappingChange, out: &mut Output) -> Result<()> {
    out.line(format!("{}: {} changes", sanitize(&change.mapping), change.lines.len()))?;
    for line in &change.lines {
        let field = sanitize(&line.field);
        let text = match (&line.before, &line.after) {
            (Some(before), Some(after)) => format!("  ~ {field} = {}  (was {})", sanitize(after), sanitize(before)),
            (None, Some(after)) => format!("  + {field} = {}", sanitize(after)),
            (before, None) => format!("  - {field} = {}", sanitize(before.as_deref().unwrap_or_default())),
        };
        out.line(text)?;
    }
    Ok(())
}

fn pairs_of(items: &[&Suggestion]) -> Vec<(String, String)> {
    let pairs = |item: &&Suggestion| {
        item.sources().iter().map(|from| ((*from).to_owned(), item.to.clone())).collect::<Vec<_>>()
    };
    // A join is made of fields that each alone do not fill the target.
    let alone = |item: &&&Suggestion| {
        item.transform.as_ref().is_none_or(|one| !matches!(one.kind, TransformKind::Join | TransformKind::Split))
    };
    items.iter().filter(alone).flat_map(pairs).collect()
}

fn accept(
    workspace: &Workspace,
    names: &[String],
    min_score: f64,
    fields: &[String],
    dry_run: bool,
    out: &mut Output,
) -> Result<u8> {
    if !(0.0..=1.0).contains(&min_score) {
        return Err(Error::usage("--min-score must be from 0 to 1"));
    }
    let all: Vec<String> = workspace.project().mappings.iter().map(|mapping| mapping.name.clone()).collect();
    let names = if names.is_empty() { &all } else { names };
    let mut list = Vec::new();
    for name in names {
        let (mapping, studio) = looked(workspace, name, out)?;
        let items: Vec<&Suggestion> = if fields.is_empty() {
            studio.open(&mapping, min_score)
        } else {
            studio.open(&mapping, 0.0).into_iter().filter(|item| fields.contains(&item.to)).collect()
        };
        let change = workspace.accept(&mapping, &items)?;
        if !dry_run {
            workspace.write_change(&change)?;
            workspace.remember(&pairs_of(&items), true)?;
        }
        if out.is_json() {
            let accepted: Vec<_> = items
                .iter()
                .map(|item| {
                    json!({"to": item.to, "from": item.sources(), "score": item.score,
                    "transform": item.transform})
                })
                .collect();
            list.push(json!({"mapping": name, "accepted": accepted, "changes": change.lines, "written": !dry_run}));
        } else {
            print_change(&change, out)?;
            for item in &items {
                if let Some(trial) = item.transform.as_ref().and_then(|transform| transform.trial.as_ref())
                    && trial.failed > 0
                {
                    out.line(format!("  ! {}: {}", sanitize(&item.to), sanitize(&transform_words(item))))?;
                }
            }
        }
    }
    if out.is_json() {
        out.json(&list)?;
    } else if !dry_run {
        out.line("next: crm-console check; `crm-console map undo MAPPING` takes the edit back")?;
    }
    Ok(0)
}

fn refuse(workspace: &Workspace, name: &str, target: &str, source: Option<&str>, out: &mut Output) -> Result<u8> {
    let (mapping, studio) = looked(workspace, name, out)?;
    let mapped = mapping.field(target);
    let suggested = studio.for_target(target).first().map(|item| item.from.clone());
    let read = mapped.and_then(|field| studio.source.fields.iter().find(|one| field.reads(&one.name)));
    let from = source.map(str::to_owned).or_else(|| read.map(|one| one.name.clone())).or(suggested);
    let Some(from) = from else {
        return Err(Error::usage(format!("nothing is suggested for '{target}'"))
            .advise(format!("see what there is with `crm-console map show {name}`")));
    };
    if studio.source.field(&from).is_none() {
        return Err(Error::usage(format!("{} has no field '{from}'", mapping.from.label)));
    }
    let gone: BTreeSet<String> =
        mapped.filter(|field| field.reads(&from)).map(|_| target.to_owned()).into_iter().collect();
    let change = workspace.drop_fields(&mapping, &gone)?;
    workspace.write_change(&change)?;
    let new = workspace.remember(&[(from.clone(), target.to_owned())], false)?;
    if out.is_json() {
        out.json(&json!({"mapping": name, "to": target, "from": from, "new": new > 0, "changes": change.lines}))?;
    } else {
        out.line(format!("{} is not suggested for {} again", sanitize(&from), sanitize(target)))?;
        if !change.lines.is_empty() {
            print_change(&change, out)?;
        }
    }
    Ok(0)
}

fn undo(workspace: &Workspace, name: &str, out: &mut Output) -> Result<u8> {
    let change = workspace.undo(name)?;
    workspace.write_undo(&change)?;
    if out.is_json() {
        out.json(&json!({"mapping": name, "changes": change.lines}))?;
    } else {
        print_change(&change, out)?;
    }
    Ok(0)
}

fn export(workspace: &Workspace, name: &str, file: &Path, out: &mut Output) -> Result<u8> {
    let (mapping, studio) = looked(workspace, name, out)?;
    let rows = workspace.sheet(&mapping, &studio);
    if file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xlsx")) {
        crm_connect::write_workbook(file, &rows)?;
    } else {
        crm_core::project::edit::write_text(file, &sheet_csv(&rows))?;
    }
    let lines = rows.len() - 1;
    if out.is_json() {
        out.json(&json!({"mapping": name, "file": file, "lines": lines}))?;
    } else {
        out.line(format!("wrote {}; back with: crm-console map import {name} {}", file.display(), file.display()))?;
    }
    Ok(0)
}

fn import(
    common: &Common,
    workspace: &Workspace,
    name: &str,
    file: &Path,
    write: bool,
    out: &mut Output,
) -> Result<u8> {
    let (mapping, studio) = looked(workspace, name, out)?;
    let path = file.to_str().ok_or_else(|| Error::usage("the file's name is not UTF-8"))?;
    let object = Object::resolve(common, path)?;
    let lines = read_sheet(&*object.connector, &object.source)?;
    let change = workspace.import_sheet(&mapping, &studio, &lines).map_err(|error| error.at(file.display()))?;
    if write {
        workspace.write_change(&change)?;
    }
    let waits = !write && !change.lines.is_empty();
    if out.is_json() {
        out.json(&json!({"mapping": name, "changes": change.lines, "written": write && !change.lines.is_empty()}))?;
    } else {
        print_change(&change, out)?;
        if waits {
            out.line("nothing is written yet: add --write")?;
        }
    }
    Ok(if waits { DIFFERENCES } else { 0 })
}

fn owners(workspace: &Workspace, args: &OwnersArgs, out: &mut Output) -> Result<u8> {
    let object = |text: &str| {
        ObjectRef::parse(text)
            .ok_or_else(|| Error::usage(format!("'{text}' must be PLATFORM:OBJECT, as in legacy:users")))
    };
    let ask = OwnersAsk {
        old: object(&args.old)?,
        new: object(&args.new)?,
        key: args.key.clone(),
        file: args.file.clone(),
        min_score: args.min_score,
        fallback: args.fallback.clone(),
    };
    let monitor = out.monitor()?;
    let owners = workspace.owners(&ask, &monitor)?;
    monitor.done();
    if args.write {
        workspace.write_owners(&owners)?;
    }
    if out.is_json() {
        out.json(&owners)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = owners
        .rows
        .iter()
        .map(|row| {
            let state = match row.state {
                OwnerState::Mapped => "mapped",
                OwnerState::Matched => "matched",
                OwnerState::Doubtful => "doubtful",
                OwnerState::InactiveThere => "INACTIVE there",
                OwnerState::Unmatched => "UNMATCHED",
            };
            let best = row.candidates.first();
            let who = best.map_or_else(String::new, |best| format!("{} {:.2} {}", best.name, best.score, best.why));
            let active = match (row.listed, row.active) {
                (false, _) => "not listed",
                (true, Some(false)) => "left",
                (true, _) => "",
            };
            let cells = [state, &row.from, &row.name, active, row.to.as_deref().unwrap_or("?"), &who];
            let mut cells: Vec<String> = cells.iter().map(|cell| sanitize(cell).into_owned()).collect();
            cells.insert(4, group(row.rows));
            cells
        })
        .collect();
    out.table(&["STATE", "FROM", "NAME", "OLD", "ROWS", "TO", "WHO IS MEANT"], &rows, &[4])?;
    let open = owners.rows.iter().filter(|row| row.to.is_none());
    let (count, open_rows) = open.fold((0, 0), |(count, rows), row| (count + 1, rows + row.rows));
    let file = owners.file.display();
    out.line(format!("{} users, {count} open with {} rows", owners.rows.len(), group(open_rows)))?;
    if args.write {
        out.line(format!("{} lines added to {file}", owners.added))?;
    } else if owners.added > 0 {
        out.line(format!("{} lines would be added to {file}: add --write", owners.added))?;
    }
    if owners.fields.is_empty() {
        out.line(format!("no field uses it yet: owner_id = {{ from = \"…\", values = \"{file}\" }}"))?;
    }
    Ok(0)
}
