//! `trace`: the way of one record, for people and machines.
use crm_core::Result;
use crm_core::map::CellStep;
use crm_core::project::Personal;
use crm_core::table::export::mask;
use crm_core::table::text::sanitize;
use crm_core::workspace::{PlanCell, Revealed, Trace, TracedField, Workspace};
use serde_json::{Value, json};

use super::args::Common;
use super::output::Output;

/// `trace OBJECT KEY`.
pub(crate) fn trace(common: &Common, object: &str, key: &str, reveal: bool, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    let traces = workspace.trace(object, key)?;
    for (at, trace) in traces.iter().enumerate() {
        let shown = Shown::of(&workspace, trace, reveal);
        if reveal {
            let by = "command trace".to_owned();
            super::note_revealed(&workspace, &trace.mapping, Revealed { by, ..Revealed::default() })?;
        }
        if out.is_json() {
            out.json(&shown.json())?;
        } else {
            if at > 0 {
                out.line("")?;
            }
            shown.text(out)?;
        }
    }
    Ok(0)
}

/// A trace, and which of its values are personal.
struct Shown<'t> {
    trace: &'t Trace,
    /// Target fields that are masked.
    fields: Vec<String>,
    /// Source columns that are masked.
    columns: Vec<String>,
    /// The key is masked.
    key: bool,
}

impl<'t> Shown<'t> {
    fn of(workspace: &Workspace, trace: &'t Trace, reveal: bool) -> Self {
        let mut shown = Self { trace, fields: Vec::new(), columns: Vec::new(), key: false };
        if reveal {
            return shown;
        }
        let (mapping, personal) = (&trace.mapping, Personal::of(&workspace.project().mappings));
        shown.key = personal.key(mapping);
        let columns = trace.source.iter().flatten().map(|(column, _)| column);
        shown.columns.extend(columns.filter(|column| personal.source(mapping, column)).cloned());
        let fields = workspace.project().mappings.iter().filter(|one| one.name == *mapping).flat_map(|one| &one.fields);
        let fields = fields.map(|field| &field.target).filter(|field| personal.target(mapping, field));
        shown.fields.extend(fields.cloned());
        shown
    }

    fn key(&self) -> String {
        if self.key { mask(&self.trace.row.key) } else { self.trace.row.key.clone() }
    }

    fn cell(hidden: &[String], column: &str, cell: Option<&str>) -> Option<String> {
        cell.map(|cell| if hidden.iter().any(|name| name == column) { mask(cell) } else { cell.to_owned() })
    }

    fn field(&self, column: &str, cell: Option<&str>) -> Option<String> {
        Self::cell(&self.fields, column, cell)
    }

    fn source(&self) -> impl Iterator<Item = (&str, Option<String>)> {
        let cells = self.trace.source.iter().flatten();
        cells.map(|(column, cell)| (column.as_str(), Self::cell(&self.columns, column, cell.as_deref())))
    }

    /// The id in the target, unless it is the key again.
    fn id(&self) -> Option<String> {
        let id = self.trace.id.as_deref()?;
        Some(if self.key && id == self.trace.row.key { mask(id) } else { id.to_owned() })
    }

    fn json(&self) -> Value {
        let trace = self.trace;
        let row = &trace.row;
        let steps = |field: &TracedField| -> Value {
            let steps = field.steps.iter().map(|step| {
                json!({"step": step.step, "value": self.field(&field.target, step.value.as_deref()), "failed": step.failed})
            });
            json!({"to": field.target, "steps": steps.collect::<Vec<_>>()})
        };
        let cells = row.cells.iter().map(|cell| {
            json!({"column": cell.column, "old": self.field(&cell.column, cell.old.as_deref()),
                "new": self.field(&cell.column, cell.new.as_deref()), "changed": cell.changed, "kept": cell.kept,
                "pending": cell.pending})
        });
        let source = trace.source.as_ref().map(|_| {
            let cells: serde_json::Map<String, Value> =
                self.source().map(|(column, cell)| (column.to_owned(), json!(cell))).collect();
            let (row, line) = row.source.unwrap_or_default();
            json!({"row": row, "line": line, "cells": cells})
        });
        json!({
            "mapping": trace.mapping, "key": self.key(), "plan": trace.plan, "purpose": trace.purpose.word(),
            "run": trace.run.as_ref().map(|(run, _)| run), "state": trace.run.as_ref().map(|(_, state)| state.word()),
            "source": source, "fields": trace.fields.iter().map(steps).collect::<Vec<_>>(),
            "mapping_changed_since": trace.changed,
            "match": {"operation": row.operation, "target": row.target, "id": self.id(), "reason": row.reason},
            "reject": trace.reject.as_ref().map(|reject| {
                json!({"kind": reject.kind, "step": reject.step, "field": reject.field, "reason": reject.reason,
                    "cause": reject.cause})
            }),
            "cells": cells.collect::<Vec<_>>(),
            "verified": trace.verified.as_ref().map(|(state, columns)| json!({"state": state, "columns": columns})),
            "events": trace.events.iter().map(|(at, what)| json!({"at": at, "what": what})).collect::<Vec<_>>(),
        })
    }

    fn text(&self, out: &mut Output) -> Result<()> {
        let trace = self.trace;
        let row = &trace.row;
        let run = match &trace.run {
            Some((run, state)) => format!("run {run} {}, ", state.word()),
            None => "not run, ".to_owned(),
        };
        let name = sanitize(&trace.mapping);
        out.line(format!("{name} {}  {run}{} plan {}", sanitize(&self.key()), trace.purpose.word(), trace.plan))?;
        match (&trace.source, row.source) {
            (Some(_), Some((at, line))) => {
                let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
                out.line(format!("  source row {}{line}", at + 1))?;
                for (column, cell) in self.source() {
                    out.line(format!("    {:<22} {}", sanitize(column), shown(cell.as_deref())))?;
                }
            }
            _ => out.line("  the source has no such row")?,
        }
        if trace.changed {
            out.line("  the mapping was changed since: these are the steps as they are now")?;
        }
        for field in &trace.fields {
            self.steps(field, out)?;
        }
        let operation = row.operation.map_or("nothing", crm_core::plan::Operation::word);
        let place = row.target.map(|at| format!(", target row {}", at + 1)).unwrap_or_default();
        let id = self.id().map(|id| format!(", id {}", sanitize(&id))).unwrap_or_default();
        out.line(format!("  {operation}{place}{id}"))?;
        let told = trace.reject.as_ref().map(|reject| reject.cause.as_str()).or(row.reason.as_deref());
        if let Some(reason) = told {
            out.line(format!("    {}", sanitize(reason)))?;
        }
        for cell in row.cells.iter().filter(|cell| cell.changed || cell.kept.is_some() || cell.pending.is_some()) {
            self.write(cell, out)?;
        }
        if let Some((state, columns)) = &trace.verified {
            let columns: Vec<_> = columns.iter().map(|column| sanitize(column)).collect();
            let differing = if columns.is_empty() { String::new() } else { format!(": {}", columns.join(", ")) };
            out.line(format!("  verified: {}{differing}", state.word()))?;
        }
        for (at, what) in &trace.events {
            out.line(format!("  {at}  {}", sanitize(what)))?;
        }
        Ok(())
    }

    /// `email <- from EMAIL ' Ann@X ' | trim 'Ann@X' | lower 'ann@x'`, steps that change nothing left out.
    fn steps(&self, field: &TracedField, out: &mut Output) -> Result<()> {
        let mut last: Option<&CellStep> = None;
        let mut told = Vec::new();
        for step in &field.steps {
            if step.failed.is_some() || last.is_none_or(|last| last.value != step.value) {
                let end = match &step.failed {
                    Some(reason) => format!("FAILED: {}", sanitize(reason)),
                    None => shown(self.field(&field.target, step.value.as_deref()).as_deref()),
                };
                told.push(format!("{} {end}", sanitize(&step.step)));
            }
            last = Some(step);
        }
        out.line(format!("    {:<22} <- {}", sanitize(&field.target), told.join(" | ")))
    }

    fn write(&self, cell: &PlanCell, out: &mut Output) -> Result<()> {
        let show = |value: Option<&str>| shown(self.field(&cell.column, value).as_deref());
        let new = match &cell.pending {
            Some(pending) => sanitize(pending).into_owned(),
            None => show(cell.new.as_deref()),
        };
        let note = cell.kept.as_ref().map(|rule| format!("  kept by {rule}")).unwrap_or_default();
        let arrow = if cell.kept.is_some() { "= " } else { "-> " };
        out.line(format!("    {:<22} {} {arrow}{new}{note}", sanitize(&cell.column), show(cell.old.as_deref())))
    }
}

/// A cell for people; NULL is a dash.
fn shown(cell: Option<&str>) -> String {
    cell.map_or_else(|| "-".to_owned(), |cell| format!("'{}'", sanitize(cell)))
}
