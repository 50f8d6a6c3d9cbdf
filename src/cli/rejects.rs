//! `rejects list|show|export|import|mend|retry`.
use std::borrow::Cow;
use std::path::Path;

use crm_core::journal::Reject;
use crm_core::map::CellStep;
use crm_core::rejects::{Entry, Group, Inbox};
use crm_core::table::export::{mask, neutralise};
use crm_core::table::text::sanitize;
use crm_core::workspace::{CorrectionsEdit, Exported, RetryRequest, Revealed, RowEdit, Workspace};
use crm_core::{Error, Result};
use serde_json::{Value, json};

use super::args::{Common, RejectsAction};
use super::output::{Output, group};
use super::project::print_plan;
use super::runs::newest_or;
use super::{DIFFERENCES, REFUSED, note_revealed};

/// Columns of an export behind those of the source.
const REASONS: [&str; 7] =
    ["reject_n", "reject_kind", "reject_line", "reject_field", "reject_step", "reject_reason", "reject_raw"];

pub(crate) fn run(common: &Common, action: &RejectsAction, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    let newest = |id: &Option<String>| newest_or(&workspace, id.as_deref());
    match action {
        RejectsAction::List { id } => list(&workspace.inbox(&newest(id)?)?, out),
        RejectsAction::Show { mapping, n, id, reveal } => {
            let inbox = workspace.inbox(&newest(id)?)?;
            match (mapping, n) {
                (Some(mapping), Some(n)) => {
                    let entry = find(&inbox, mapping, *n)?;
                    if *reveal {
                        let of = Some(inbox.of.clone());
                        let (run, plan) = if inbox.is_run { (of, None) } else { (None, of) };
                        let by = "command rejects show";
                        note_revealed(
                            &workspace,
                            mapping,
                            Revealed { by: by.into(), run, plan, ..Revealed::default() },
                        )?;
                    }
                    show(&workspace, entry, *reveal, out)
                }
                _ => rows(&inbox, mapping.as_deref(), out),
            }
        }
        RejectsAction::Export { mapping, out: file, id, safe } => {
            export(&workspace, &workspace.inbox(&newest(id)?)?, mapping, file, *safe, out)
        }
        RejectsAction::Import { mapping, file, id, apply } => {
            let edits = read_export(&workspace.inbox(&newest(id)?)?, mapping, file)?;
            let monitor = out.monitor()?;
            let edit = workspace.corrections_for(mapping, &edits, false, &monitor)?;
            monitor.done();
            corrections(&workspace, &edit, *apply, out)
        }
        RejectsAction::Mend { mapping, n, set, like, id, apply } => {
            let edits = mend(&workspace.inbox(&newest(id)?)?, mapping, *n, set, *like)?;
            let monitor = out.monitor()?;
            let edit = workspace.corrections_for(mapping, &edits, true, &monitor)?;
            monitor.done();
            corrections(&workspace, &edit, *apply, out)
        }
        RejectsAction::Retry { mappings, run, cause, rows, mended } => {
            let rows = match (mappings.as_slice(), rows.as_slice()) {
                (_, []) => Vec::new(),
                ([mapping], rows) => rows.iter().map(|n| (mapping.clone(), *n)).collect(),
                _ => return Err(Error::usage("--rows are numbers within one mapping").advise("name that mapping")),
            };
            let request = RetryRequest {
                run: newest(run)?,
                mappings: mappings.clone(),
                cause: cause.clone(),
                rows,
                mended: *mended,
            };
            retry(&workspace, &request, out)
        }
    }
}

fn find<'i>(inbox: &'i Inbox, mapping: &str, n: u64) -> Result<&'i Entry> {
    inbox.entries.iter().find(|entry| entry.mapping == mapping && entry.reject.n == n).ok_or_else(|| {
        Error::usage(format!("{} has no reject {n} in {mapping}", inbox.of))
            .advise("numbers are in `crm-console rejects show --json`")
    })
}

fn group_json(inbox: &Inbox, group: &Group) -> Value {
    let open = group.entries.iter().filter(|at| inbox.entries[**at].is_open()).count();
    let mended = group.entries.iter().filter(|at| inbox.entries[**at].mended && inbox.entries[**at].is_open()).count();
    json!({
        "mapping": group.mapping, "kind": group.kind, "cause": group.cause, "field": group.field, "step": group.step,
        "rows": group.entries.len(), "open": open, "mended": mended, "waits": group.waits(),
        "first": group.entries.first().map(|at| inbox.entries[*at].reject.n),
        "waiting": group.waiting.iter().map(|below| group_json(inbox, below)).collect::<Vec<_>>(),
    })
}

fn list(inbox: &Inbox, out: &mut Output) -> Result<u8> {
    let (rows, open) = (inbox.entries.len() as u64, inbox.open());
    if out.is_json() {
        out.json(&json!({
            "of": inbox.of, "run": inbox.is_run, "rows": rows, "open": open, "released": rows - open,
            "retries": inbox.retries, "groups": inbox.groups.iter().map(|one| group_json(inbox, one)).collect::<Vec<_>>(),
        }))?;
        return Ok(0);
    }
    if rows == 0 {
        out.line(format!("{}: no rejects", inbox.of))?;
        return Ok(0);
    }
    out.line(format!("{}: {} of {} rows are still to be carried over", inbox.of, group(open), group(rows)))?;
    if let Some(first) = inbox.groups.first().filter(|first| first.waits() > 0) {
        let (own, waits) = (first.entries.len() as u64, first.waits());
        let (all, own_rows) = (group(own + waits), group(own));
        let name = sanitize(&first.mapping);
        out.line(format!("{all} have one cause: {own_rows} {name} -> {} rows wait for them", group(waits)))?;
    }
    let mut table = Vec::new();
    for one in &inbox.groups {
        tell_group(inbox, one, 0, &mut table);
    }
    out.table(&["MAPPING", "KIND", "ROWS", "OPEN", "MENDED", "WAIT", "FIRST", "CAUSE"], &table, &[2, 3, 4, 5, 6])?;
    out.line("one of them whole: crm-console rejects show MAPPING FIRST")?;
    if inbox.is_run && open > 0 {
        out.line("once they are mended: crm-console rejects retry")?;
    }
    Ok(0)
}

fn tell_group(inbox: &Inbox, one: &Group, depth: usize, table: &mut Vec<Vec<String>>) {
    let count = |fits: &dyn Fn(&Entry) -> bool| {
        group(one.entries.iter().filter(|at| fits(&inbox.entries[**at])).count() as u64)
    };
    table.push(vec![
        format!("{}{}", "  ".repeat(depth), one.mapping),
        one.kind.clone(),
        group(one.entries.len() as u64),
        count(&Entry::is_open),
        count(&|entry| entry.is_open() && entry.mended),
        group(one.waits()),
        one.entries.first().map(|at| inbox.entries[*at].reject.n.to_string()).unwrap_or_default(),
        format!("{}{}", "  ".repeat(depth), one.cause),
    ]);
    for below in &one.waiting {
        tell_group(inbox, below, depth + 1, table);
    }
}

/// All rejects, one JSON object a line, or the numbers and reasons for people.
fn rows(inbox: &Inbox, mapping: Option<&str>, out: &mut Output) -> Result<u8> {
    let entries = inbox.entries.iter().filter(|entry| mapping.is_none_or(|mapping| entry.mapping == mapping));
    if out.is_json() {
        for entry in entries {
            let Value::Object(mut record) = json!(entry.reject) else { continue };
            record.shift_insert(0, "mapping".into(), json!(entry.mapping));
            record.insert("released".into(), json!(entry.released));
            record.insert("retried".into(), json!(entry.retried));
            record.insert("mended".into(), json!(entry.mended));
            out.json(&record)?;
        }
        return Ok(0);
    }
    let state = |entry: &Entry| match (&entry.released, entry.mended) {
        (Some(run), _) => format!("released by {run}"),
        (None, true) => "mended".to_owned(),
        (None, false) => entry.reject.kind.clone(),
    };
    let table: Vec<Vec<String>> = entries
        .map(|entry| {
            let reject = &entry.reject;
            vec![
                entry.mapping.clone(),
                reject.n.to_string(),
                reject.line.to_string(),
                state(entry),
                reject.cause.clone(),
            ]
        })
        .collect();
    out.table(&["MAPPING", "N", "LINE", "STATE", "CAUSE"], &table, &[1, 2])?;
    Ok(0)
}

fn show(workspace: &Workspace, entry: &Entry, reveal: bool, out: &mut Output) -> Result<u8> {
    let Entry { mapping: name, reject, .. } = entry;
    let mapping = workspace.project().mappings.iter().find(|mapping| mapping.name == *name);
    let trial = match mapping {
        Some(mapping) if !reject.source.is_empty() => workspace.try_row(mapping, reject, &[]).ok(),
        _ => None,
    };
    if out.is_json() {
        out.json(&json!({"mapping": name, "reject": reject, "released": entry.released, "retried": entry.retried,
            "mended": entry.mended, "trial": trial}))?;
        return Ok(0);
    }
    let pii = |column: &str| -> bool {
        let fields = mapping.into_iter().flat_map(|mapping| mapping.fields.iter().filter(|field| field.pii));
        let sources: Vec<&str> = trial
            .iter()
            .flat_map(|trial| &trial.fields)
            .filter(|field| fields.clone().any(|pii| pii.target == field.target))
            .flat_map(|field| field.sources.iter().map(String::as_str))
            .collect();
        sources.contains(&column)
    };
    let shown = |value: Option<&str>, hide: bool| match value {
        None => "-".to_owned(),
        Some(text) if hide && !reveal => mask(text),
        Some(text) => sanitize(text).into_owned(),
    };
    let place = match (reject.line, reject.row) {
        (0, Some(row)) => format!("row {}", row + 1),
        (line, _) => format!("line {line}"),
    };
    out.line(format!("{} {}, {place}: {}", sanitize(name), reject.kind, sanitize(&reject.cause)))?;
    out.line(format!("  step {}: {}", sanitize(&reject.step), sanitize(&reject.reason)))?;
    if let Some(run) = &entry.released {
        out.line(format!("  carried over by run {run}"))?;
    }
    if let Some(raw) = &reject.raw {
        out.line(format!("  {}", if reveal { sanitize(raw).into_owned() } else { mask(raw) }))?;
        out.line("  this piece is no row: mend the line in the source file, then plan again")?;
    }
    let now = |column: &str| trial.as_ref().and_then(|trial| trial.cells.iter().find(|cell| cell.0 == column));
    for (column, value) in &reject.source {
        let hide = pii(column);
        let corrected = match now(column) {
            Some((_, read, now)) if read != now => format!("  corrected to {}", shown(now.as_deref(), hide)),
            _ => String::new(),
        };
        out.line(format!("  {:<24} {}{corrected}", sanitize(column), shown(value.as_str(), hide)))?;
    }
    let Some(trial) = &trial else { return Ok(0) };
    out.line("as the mapping is now:")?;
    for field in &trial.fields {
        let hide = mapping.and_then(|mapping| mapping.field(&field.target)).is_some_and(|field| field.pii);
        let step = |step: &CellStep| match &step.failed {
            Some(reason) => format!("{}: FAILS, {}", sanitize(&step.step), sanitize(reason)),
            None => format!("{}: {}", sanitize(&step.step), shown(step.value.as_deref(), hide)),
        };
        let steps: Vec<String> = field.before.iter().map(step).collect();
        out.line(format!("  {:<24} {}", sanitize(&field.target), steps.join(" -> ")))?;
    }
    if !reveal && mapping.is_some_and(|mapping| mapping.fields.iter().any(|field| field.pii)) {
        out.line("personal data is masked; --reveal shows it")?;
    }
    Ok(0)
}

/// Writes the source columns as they were, then the reasons in columns of their own, so that the file loads again
/// through the same mapping, and comes back as corrections by `rejects import`.
fn export(
    workspace: &Workspace,
    inbox: &Inbox,
    mapping: &str,
    file: &Path,
    safe: bool,
    out: &mut Output,
) -> Result<u8> {
    let open = inbox.entries.iter().filter(|entry| entry.mapping == mapping && entry.is_open());
    let rejects: Vec<&Reject> = open.map(|entry| &entry.reject).collect();
    let columns = columns(&rejects);
    let failed = |error: csv::Error| Error::platform(format!("cannot write {}: {error}", file.display()));
    let mut writer = csv::Writer::from_path(file).map_err(failed)?;
    writer.write_record(columns.iter().map(String::as_str).chain(REASONS)).map_err(failed)?;
    for reject in &rejects {
        let cells = export_row(reject, &columns);
        let cells = cells.iter().map(|cell| if safe { neutralise(cell) } else { cell.as_str().into() });
        writer.write_record(cells.map(Cow::into_owned)).map_err(failed)?;
    }
    writer.flush().map_err(|error| Error::io("write", file, &error))?;
    workspace.note_exported(&Exported {
        what: "rejects",
        of: Some(&inbox.of),
        mapping: Some(mapping),
        file,
        rows: Some(rejects.len() as u64),
    })?;
    if out.is_json() {
        out.json(&json!({"file": file, "rows": rejects.len()}))?;
    } else {
        out.line(format!("wrote {} rows to {}", group(rejects.len() as u64), sanitize(&file.display().to_string())))?;
    }
    Ok(0)
}

/// The source's columns.
fn columns(rejects: &[&Reject]) -> Vec<String> {
    let first = rejects.iter().find(|reject| !reject.source.is_empty());
    first.map(|reject| reject.source.keys().cloned().collect()).unwrap_or_default()
}

fn export_row(reject: &Reject, columns: &[String]) -> Vec<String> {
    let mut cells: Vec<String> = columns
        .iter()
        .map(|column| reject.source.get(column).and_then(Value::as_str).unwrap_or_default().to_owned())
        .collect();
    cells.extend([
        reject.n.to_string(),
        reject.kind.clone(),
        if reject.line == 0 { String::new() } else { reject.line.to_string() },
        reject.field.clone().unwrap_or_default(),
        reject.step.clone(),
        reject.reason.clone(),
        reject.raw.clone().unwrap_or_default(),
    ]);
    cells
}

/// The edits in a file that `rejects export` wrote: cells that are another than the reject's.
fn read_export(inbox: &Inbox, mapping: &str, file: &Path) -> Result<Vec<RowEdit>> {
    let content = std::fs::read(file).map_err(|error| Error::io("read", file, &error))?;
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
    let place = |line: u64| format!("{} line {line}", file.display());
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(content);
    let header = reader.headers().map_err(|_| Error::usage("not UTF-8 text").at(place(1)))?.clone();
    let number = header.iter().position(|name| name == REASONS[0]).ok_or_else(|| {
        Error::usage(format!("there is no column {}", REASONS[0]))
            .at(place(1))
            .advise("it takes what `crm-console rejects export` wrote, edited")
    })?;
    let mut edits: Vec<RowEdit> = Vec::new();
    for record in reader.records() {
        let line = |position: Option<&csv::Position>| position.map_or(0, csv::Position::line);
        let record = record.map_err(|error| Error::usage("not UTF-8 text").at(place(line(error.position()))))?;
        let at = place(line(record.position()));
        if record.len() != header.len() {
            return Err(Error::usage(format!("{} cells where the header has {}", record.len(), header.len())).at(at));
        }
        let n = record[number].trim().parse().map_err(|_| Error::usage("reject_n is not a number").at(&at))?;
        let entry = find(inbox, mapping, n).map_err(|error| error.at(&at))?;
        if edits.iter().any(|edit| edit.n == n) {
            return Err(Error::usage(format!("reject {n} stands in the file twice")).at(at));
        }
        let mut changes = Vec::new();
        for (column, cell) in header.iter().zip(&record) {
            let Some(raw) = entry.reject.source.get(column) else { continue };
            let raw = raw.as_str().unwrap_or_default();
            // The apostrophe of a safe export is no edit, before an edited cell neither.
            if cell == raw || cell == neutralise(raw) {
                continue;
            }
            let bare = cell.strip_prefix('\'').filter(|rest| neutralise(rest) == cell).unwrap_or(cell);
            changes.push((column.to_owned(), Some(bare.to_owned())));
        }
        if !changes.is_empty() {
            edits.push(RowEdit::of(&entry.reject, changes));
        }
    }
    Ok(edits)
}

/// Edits by hand: `COLUMN=VALUE`.
fn mend(inbox: &Inbox, mapping: &str, n: u64, set: &[String], like: bool) -> Result<Vec<RowEdit>> {
    let entry = find(inbox, mapping, n)?;
    let mut changes = Vec::with_capacity(set.len());
    for text in set {
        let (column, value) = text
            .split_once('=')
            .filter(|(column, _)| entry.reject.source.contains_key(*column))
            .ok_or_else(|| Error::usage(format!("'{text}' is not COLUMN=VALUE of a column of that row")))?;
        changes.push((column.to_owned(), Some(value.to_owned())));
    }
    let alike = |other: &&Entry| {
        std::ptr::eq(*other, entry)
            || (like
                && other.is_open()
                && other.mapping == entry.mapping
                && other.reject.cause == entry.reject.cause
                && changes.iter().all(|(column, _)| other.reject.source.get(column) == entry.reject.source.get(column)))
    };
    Ok(inbox.entries.iter().filter(alike).map(|entry| RowEdit::of(&entry.reject, changes.clone())).collect())
}

/// Shows what corrections would be, and writes them if that is asked for and nothing stands against it.
fn corrections(workspace: &Workspace, edit: &CorrectionsEdit, apply: bool, out: &mut Output) -> Result<u8> {
    let write = apply && edit.conflicts.is_empty() && edit.after != edit.before;
    if write {
        workspace.write_corrections(edit)?;
    }
    if out.is_json() {
        out.json(&json!({"file": edit.path, "corrections": edit.corrections, "conflicts": edit.conflicts,
            "written": write}))?;
    } else {
        let cell = |cell: &Option<String>| cell.as_deref().map_or("-".to_owned(), |text| sanitize(text).into_owned());
        for one in &edit.corrections {
            let row = sanitize(&one.row).into_owned();
            out.line(format!("~ {row} {}: {} -> {}", sanitize(&one.column), cell(&one.from), cell(&one.to)))?;
        }
        for one in &edit.conflicts {
            let column = one.column.as_ref().map(|column| format!(" {}", sanitize(column))).unwrap_or_default();
            out.line(format!("! reject {}{column}: {}", one.n, one.why))?;
        }
        let count = group(edit.corrections.len() as u64);
        let file = sanitize(&edit.path.display().to_string()).into_owned();
        let words = if write { "written to" } else { "for" };
        out.line(format!("{count} corrections {words} {file}, {} conflicts", group(edit.conflicts.len() as u64)))?;
        if write {
            out.line("next: crm-console rejects retry --mended")?;
        }
    }
    if !edit.conflicts.is_empty() {
        return Err(Error::data("nothing was written: there are conflicts")
            .advise("export the rejects again, or take those cells out of the file"));
    }
    if !apply && !edit.corrections.is_empty() {
        if !out.is_json() {
            out.line("nothing was written; --apply writes them")?;
        }
        return Ok(REFUSED);
    }
    Ok(0)
}

fn retry(workspace: &Workspace, request: &RetryRequest, out: &mut Output) -> Result<u8> {
    let monitor = out.monitor()?;
    let retry = workspace.plan_retry(request, &monitor)?;
    monitor.done();
    let plan = &retry.plan;
    if out.is_json() {
        out.json(&json!({"rows": retry.rows, "pieces": retry.pieces, "gone": retry.gone, "plan": plan}))?;
    } else {
        out.line(format!("RETRY of {} rows of run {}", group(retry.rows), plan.purpose.about().unwrap_or_default()))?;
        if retry.gone > 0 {
            out.line(format!("  {} rows are not in the source any more", group(retry.gone)))?;
        }
        if retry.pieces > 0 {
            let pieces = group(retry.pieces);
            out.line(format!("  {pieces} pieces are no rows: mend those lines in the source, then make a full plan"))?;
        }
        print_plan(plan, out)?;
        out.line(format!("to run it: crm-console migrate --plan {} --confirm {}", plan.id, plan.confirm))?;
    }
    Ok(if plan.mappings.iter().all(|mapping| mapping.counts.is_noop()) { 0 } else { DIFFERENCES })
}
