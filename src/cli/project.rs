//! Commands on a project before anything is run: check, preview, plan.
use std::path::Path;

use crm_core::map::Fate;
use crm_core::plan::{MappingPlan, Plan};
use crm_core::project::{Mapping, Personal, Severity};
use crm_core::table::export::mask;
use crm_core::table::text::sanitize;
use crm_core::workspace::{Against, PlanAsk, PreviewRows, Revealed, Workspace};
use crm_core::{Error, Result};
use serde_json::{Value, json};

use super::DIFFERENCES;
use super::args::{Common, Which};
use super::output::{Output, group};

/// `check`.
pub(crate) fn check(common: &Common, quick: bool, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    let monitor = out.monitor()?;
    let problems = if quick { workspace.check(&monitor)? } else { workspace.check_rows(&monitor)? };
    monitor.done();
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    if out.is_json() {
        out.json(&json!({"errors": errors, "warnings": problems.len() - errors, "problems": problems}))?;
    } else {
        for problem in &problems {
            let mark = if problem.severity == Severity::Error { '!' } else { '-' };
            let line = if problem.line > 0 { format!(":{}", problem.line) } else { String::new() };
            let field = if problem.field.is_empty() { String::new() } else { format!(" {}", problem.field) };
            out.line(sanitize(&format!("{mark} {}{line}{field}: {}", problem.file.display(), problem.message)))?;
            if let Some((sql, from, to)) = &problem.sql {
                let width = sql.get(*from..*to).map_or(1, |part| part.chars().count()).max(1);
                let before = sql.get(..*from).map_or(0, |part| part.chars().count());
                out.line(format!("    {}", sanitize(sql)))?;
                out.line(format!("    {}{}", " ".repeat(before), "^".repeat(width)))?;
            }
        }
        let mappings = workspace.project().mappings.len();
        out.line(format!("{mappings} mappings, {errors} errors, {} warnings", problems.len() - errors))?;
    }
    Ok(if errors > 0 { Error::usage("").kind().exit_code() } else { 0 })
}

/// The mappings that a command names, all if it names none.
fn chosen<'a>(workspace: &'a Workspace, names: &[String]) -> Result<Vec<&'a Mapping>> {
    let all = &workspace.project().mappings;
    if let Some(name) = names.iter().find(|name| all.iter().all(|mapping| mapping.name != **name)) {
        let error = Error::usage(format!("no mapping '{name}'"));
        return Err(match crm_core::project::words::nearest(name, all.iter().map(|mapping| mapping.name.as_str())) {
            Some(near) => error.advise(format!("did you mean '{near}'?")),
            None => error.advise("run `crm-console check` to see what the project has"),
        });
    }
    Ok(all.iter().filter(|mapping| names.is_empty() || names.contains(&mapping.name)).collect())
}

/// `preview`.
pub(crate) fn preview(
    common: &Common,
    which: &Which,
    failing: Option<&str>,
    reveal: bool,
    out: &mut Output,
) -> Result<u8> {
    let workspace = super::open(common)?;
    let monitor = out.monitor()?;
    let count = which.limit.unwrap_or(20) as usize;
    let rows = match failing {
        None => PreviewRows::From(0),
        Some(field) => PreviewRows::Failing { field: (!field.is_empty()).then(|| field.to_owned()), skip: 0 },
    };
    let personal = Personal::of(&workspace.project().mappings);
    for mapping in chosen(&workspace, &which.mappings)? {
        let preview = workspace.preview(mapping, &rows, count, &monitor)?;
        monitor.done();
        if reveal {
            let by = "command preview".to_owned();
            super::note_revealed(&workspace, &mapping.name, Revealed { by, ..Revealed::default() })?;
        }
        let sources = &preview.sources;
        if !out.is_json() {
            out.line(format!(
                "{}: {} -> {}",
                sanitize(&mapping.name),
                sanitize(&mapping.from.label),
                sanitize(&mapping.to.to_string())
            ))?;
        }
        for (row, after) in preview.after.rows.iter().enumerate() {
            let failures: Vec<_> = preview.failures.iter().filter(|failure| failure.row == row).collect();
            let fate = preview.fates.get(row).copied().unwrap_or(Fate::Accepted);
            if out.is_json() {
                let record: serde_json::Map<String, Value> =
                    preview.after.columns.iter().cloned().zip(after.iter().map(|cell| json!(cell))).collect();
                let failures: Vec<Value> = failures
                    .iter()
                    .map(|failure| {
                        json!({"field": preview.after.columns.get(failure.field), "step": failure.step,
                            "reason": failure.reason, "fatal": failure.fatal})
                    })
                    .collect();
                out.json(&json!({"mapping": mapping.name, "row": preview.before.ordinals.get(row).map(|n| n + 1),
                    "line": preview.before.lines.get(row), "fate": fate, "record": record, "failures": failures}))?;
                continue;
            }
            let ordinal = preview.before.ordinals.get(row).map_or(0, |ordinal| ordinal + 1);
            out.line(format!("row {ordinal}  {}", format!("{fate:?}").to_lowercase()))?;
            for (field, value) in after.iter().enumerate() {
                let name = &preview.after.columns[field];
                let before = sources.get(field).and_then(Option::as_ref).and_then(|source| {
                    let column = preview.before.columns.iter().position(|name| name == source)?;
                    preview.before.rows.get(row)?.get(column)?.as_deref()
                });
                let masked = !reveal && personal.target(&mapping.name, name);
                let show = |cell: Option<&str>| match cell {
                    Some(cell) if masked => sanitize(&mask(cell)).into_owned(),
                    Some(cell) => sanitize(cell).into_owned(),
                    None => "-".into(),
                };
                let failed = failures.iter().find(|failure| failure.field == field);
                if before == value.as_deref() && failed.is_none() {
                    continue;
                }
                let note = failed
                    .map(|failure| format!("  ! {}: {}", sanitize(&failure.step), sanitize(&failure.reason)))
                    .unwrap_or_default();
                out.line(format!("  {:<20} {} -> {}{note}", sanitize(name), show(before), show(value.as_deref())))?;
            }
        }
        if !out.is_json() {
            out.line(format!("over the first {} rows:", group(preview.sampled)))?;
            for step in preview.counts.iter().filter(|step| step.changed + step.failed > 0) {
                out.line(format!(
                    "  {:<20} {:<14} {:>9} changed {:>7} failed",
                    sanitize(&step.field),
                    sanitize(&step.step),
                    group(step.changed),
                    group(step.failed)
                ))?;
            }
            for (field, reason, rows) in &preview.reasons {
                out.line(format!("  ! {:<18} {:>9} rows: {}", sanitize(field), group(*rows), sanitize(reason)))?;
            }
        }
    }
    Ok(0)
}

/// `plan`.
pub(crate) fn plan(
    common: &Common,
    ask: &PlanAsk,
    against: Option<&str>,
    file: Option<&Path>,
    out: &mut Output,
) -> Result<u8> {
    let workspace = super::open(common)?;
    chosen(&workspace, &ask.mappings)?;
    let monitor = out.monitor()?;
    let plan = workspace.plan_as(ask, &monitor)?;
    let against = against.map(|with| workspace.plan_against(&plan, with, &monitor)).transpose()?;
    monitor.done();
    if let Some(file) = file {
        write_plan(&plan, file)?;
    }
    if out.is_json() {
        match &against {
            Some(against) => out.json(&json!({"plan": plan, "against": against}))?,
            None => out.json(&plan)?,
        }
    } else {
        print_plan(&plan, out)?;
        if let Some(against) = &against {
            print_against(against, out)?;
        }
        if plan.mappings.iter().all(|mapping| mapping.blocked.is_empty()) {
            let name = file.map_or_else(|| plan.id.clone(), |file| file.display().to_string());
            out.line(format!("to run it: crm-console migrate --plan {} --confirm {}", sanitize(&name), plan.confirm))?;
        }
    }
    Ok(if plan.mappings.iter().all(|mapping| mapping.counts.is_noop()) { 0 } else { DIFFERENCES })
}

/// Writes a plan to a file, for `migrate --plan`.
pub(crate) fn write_plan(plan: &Plan, file: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(plan)
        .map_err(|error| Error::platform(format!("cannot write the plan as JSON: {error}")))?;
    std::fs::write(file, text + "\n").map_err(|error| Error::io("write", file, &error))
}

/// A plan against an earlier one, for people.
fn print_against(against: &Against, out: &mut Output) -> Result<()> {
    out.line(format!("against plan {} of {}:", against.other, against.created))?;
    for part in &against.mappings {
        let differ = part.appeared + part.vanished + part.operation + part.cells;
        out.line(format!(
            "  {}: {} rows new, {} gone, {} with another operation, {} with other cells{}",
            sanitize(&part.mapping),
            group(part.appeared),
            group(part.vanished),
            group(part.operation),
            group(part.cells),
            if part.columns_differ { " (other columns: cells not compared)" } else { "" }
        ))?;
        let counts = |counts: &crm_core::plan::Counts| {
            [
                ("read", counts.read),
                ("insert", counts.inserted),
                ("update", counts.updated),
                ("same", counts.unchanged),
                ("filter", counts.filtered),
                ("merge", counts.merged),
                ("held", counts.held),
                ("reject", counts.rejected),
                ("delete", counts.deleted),
                ("mark", counts.marked),
            ]
        };
        for ((word, before), (_, now)) in counts(&part.before).into_iter().zip(counts(&part.now)) {
            if before != now {
                out.line(format!("    {word:<8} {:>12} -> {:>12}", group(before), group(now)))?;
            }
        }
        for (cause, before, now) in &part.causes {
            out.line(format!("    {:>7} -> {:>7}  {}", group(*before), group(*now), sanitize(cause)))?;
        }
        let word =
            |operation: Option<crm_core::plan::Operation>| operation.map_or("-", crm_core::plan::Operation::word);
        for row in part.rows.iter().take(20) {
            out.line(format!("    {}  {} -> {}", sanitize(&row.key), word(row.before), word(row.now)))?;
        }
        if differ > 20 {
            out.line(format!("    and {} more rows (--json lists up to 1,000)", group(differ - 20)))?;
        }
    }
    Ok(())
}

/// A plan for people.
pub(crate) fn print_plan(plan: &Plan, out: &mut Output) -> Result<()> {
    out.line(format!(
        "PLAN {} -> {}{}",
        plan.id,
        plan.confirm,
        plan.env.as_ref().map(|env| format!("  env {}", env.to_uppercase())).unwrap_or_default()
    ))?;
    if let Some(about) = plan.purpose.about() {
        out.line(format!("  made to {} {about}", plan.purpose.word()))?;
    }
    let rows: Vec<Vec<String>> = plan
        .mappings
        .iter()
        .map(|mapping| {
            let counts = &mapping.counts;
            let mut row = vec![mapping.mapping.clone()];
            row.extend(
                [
                    counts.read,
                    counts.inserted,
                    counts.updated,
                    counts.unchanged,
                    counts.filtered,
                    counts.merged,
                    counts.held,
                    counts.rejected,
                    counts.deleted,
                ]
                .map(group),
            );
            row.push(counts.native.map_or_else(|| "-".to_owned(), group));
            row.push(group(counts.after));
            row
        })
        .collect();
    out.table(
        &[
            "MAPPING", "READ =", "INSERT +", "UPDATE +", "SAME +", "FILTER +", "MERGE +", "HELD +", "REJECT",
            "| DELETE", "NATIVE", "AFTER",
        ],
        &rows,
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    )?;
    for mapping in &plan.mappings {
        print_mapping(mapping, out)?;
    }
    Ok(())
}

fn print_mapping(mapping: &MappingPlan, out: &mut Output) -> Result<()> {
    let balance = if mapping.counts.closes() { "closes" } else { "DOES NOT CLOSE" };
    out.line(format!(
        "{}: {} -> {}, balance {balance}",
        sanitize(&mapping.mapping),
        sanitize(&mapping.from),
        sanitize(&mapping.to.to_string())
    ))?;
    for change in mapping.changes.iter().filter(|change| change.changed + change.kept > 0) {
        out.line(format!(
            "  ~ {}: {} change, {} kept",
            sanitize(&change.field),
            group(change.changed),
            group(change.kept)
        ))?;
    }
    for cause in &mapping.causes {
        out.line(format!("  ! {} rows: {}", group(cause.rows), sanitize(&cause.cause)))?;
    }
    if !mapping.left_behind.is_empty() {
        let columns: Vec<String> = mapping
            .left_behind
            .iter()
            .map(|column| format!("{} {}", sanitize(&column.column), group(column.filled)))
            .collect();
        out.line(format!("  left behind, with data: {}", columns.join(", ")))?;
    }
    for (field, source, expected) in &mapping.latches {
        out.line(format!(
            "  {}: {} set in the source, {} expected",
            sanitize(field),
            group(*source),
            group(*expected)
        ))?;
    }
    let here = &mapping.here;
    let word = |is: bool, yes: &'static str, no: &'static str| if is { yes } else { no };
    let mut promises = vec![
        word(here.atomic, "atomic on its own", "NOT atomic").to_owned(),
        word(here.revertible, "revertible", "NOT revertible").to_owned(),
    ];
    promises.extend(here.limit_words());
    promises.extend(here.side_effects.iter().map(|effect| sanitize(effect).into_owned()));
    out.line(format!("  here: {}", promises.join(", ")))?;
    if let Some(incremental) = &mapping.incremental {
        out.line(format!("  {}", incremental.words()))?;
    }
    for warning in &mapping.warnings {
        out.line(format!("  - {}", sanitize(warning)))?;
    }
    for reason in &mapping.blocked {
        out.line(format!("  BLOCKED: {}", sanitize(&reason.reason)))?;
        out.line(format!("           {}", sanitize(&reason.advice)))?;
    }
    Ok(())
}
