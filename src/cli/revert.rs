//! `revert`: the plan that takes a run back, or what sync did within a span of time.
use std::path::Path;

use crm_core::journal::Reject;
use crm_core::journal::sync::{now_ms, text_of};
use crm_core::plan::Plan;
use crm_core::table::text::sanitize;
use crm_core::workspace::{Revert, SyncRevert, Workspace, parse_moment};
use crm_core::{Error, Result};
use serde_json::json;

use super::args::{Common, RevertArgs};
use super::output::{Output, bytes, group};
use super::project::{print_plan, write_plan};

/// Rows that are left as they are and shown to people; all are in the plan.
const SHOWN: usize = 20;

/// `revert RUN`, `revert --sync MAPPING`.
pub(crate) fn revert(common: &Common, arguments: &RevertArgs, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    if let Some(mapping) = &arguments.sync {
        return of_sync(&workspace, mapping, arguments, out);
    }
    let monitor = out.monitor()?;
    let revert = workspace.revert(arguments.run.as_deref().unwrap_or_default(), &arguments.mappings, &monitor)?;
    monitor.done();
    let held = workspace.rejects(&revert.plan.id, None)?;
    if out.is_json() {
        out.json(&json!({
            "run": revert.run.id, "reverted_by": revert.before, "kept_bytes": revert.bytes,
            "nothing_to_do": revert.is_done(), "plan": revert.plan, "held": held_rows(&held),
        }))?;
    } else {
        print(&revert, &held, out)?;
    }
    unconfirmed(&revert.plan, revert.is_done(), "a run", arguments.out.as_deref())
}

fn of_sync(workspace: &Workspace, mapping: &str, arguments: &RevertArgs, out: &mut Output) -> Result<u8> {
    let now = now_ms();
    let since = parse_moment(arguments.since.as_deref().unwrap_or_default(), now)?;
    let until = arguments.until.as_deref().map_or(Ok(now), |until| parse_moment(until, now))?;
    let monitor = out.monitor()?;
    let revert = workspace.revert_sync(mapping, since, until, &monitor)?;
    monitor.done();
    let held = workspace.rejects(&revert.plan.id, None)?;
    if out.is_json() {
        out.json(&json!({
            "sync": revert.mapping, "since": revert.since, "until": revert.until, "cycles": revert.cycles,
            "runs": revert.runs, "kept": revert.kept, "nothing_to_do": revert.is_done(), "plan": revert.plan,
            "held": held_rows(&held),
        }))?;
    } else {
        print_sync(&revert, &held, out)?;
    }
    unconfirmed(&revert.plan, revert.is_done(), "what sync did", arguments.out.as_deref())
}

fn held_rows(held: &[Reject]) -> Vec<serde_json::Value> {
    held.iter().map(|row| json!({"key": row.key, "row": row.row, "reason": row.reason})).collect()
}

/// Nothing was written: how to have it written.
fn unconfirmed(plan: &Plan, done: bool, what: &str, file: Option<&Path>) -> Result<u8> {
    if let Some(file) = file {
        write_plan(plan, file)?;
    }
    if done {
        return Ok(0);
    }
    if let Some(refusal) = plan.refusal() {
        return Err(refusal);
    }
    let name = file.map_or_else(|| plan.id.clone(), |file| file.display().to_string());
    Err(Error::refused(format!("nothing written: taking {what} back is a plan like any other and was not confirmed"))
        .advise(format!("to run it: crm-console migrate --plan {name} --confirm {}", plan.confirm)))
}

fn print(revert: &Revert, held: &[Reject], out: &mut Output) -> Result<()> {
    out.line(format!("REVERT of run {}, {}: {} kept for it", revert.run.id, revert.run.started, bytes(revert.bytes)))?;
    if let Some(before) = &revert.before {
        out.line(format!("run {before} took it back before"))?;
    }
    print_plan(&revert.plan, out)?;
    print_held(&revert.plan, held, out)?;
    if revert.is_done() {
        let left = if revert.held() > 0 { " but for the rows that are held" } else { "" };
        out.line(format!("nothing to do: everything is as it was before that run{left}"))?;
    }
    Ok(())
}

fn print_sync(revert: &SyncRevert, held: &[Reject], out: &mut Output) -> Result<()> {
    let kept = &revert.kept;
    let first = kept.first.map(|first| format!(" from {} on", text_of(first))).unwrap_or_default();
    out.line(format!(
        "REVERT of sync {}, {} (UTC): {} cycles",
        revert.mapping,
        revert.words(),
        group(revert.cycles as u64)
    ))?;
    out.line(format!("kept: {} cycles{first}, {}", group(kept.cycles as u64), bytes(kept.bytes)))?;
    for run in &revert.runs {
        out.line(format!("run {run} took some of it back then"))?;
    }
    print_plan(&revert.plan, out)?;
    print_held(&revert.plan, held, out)?;
    if revert.is_done() {
        let left = if revert.held() > 0 { " but for the rows that are held" } else { "" };
        out.line(format!("nothing to do: everything is as it was before{left}"))?;
    } else {
        out.line(format!(
            "Once taken back, sync leaves these records alone until the other side changes them again; \
             crm-console resync {} KEY... carries them over all the same",
            revert.mapping
        ))?;
    }
    Ok(())
}

fn print_held(plan: &Plan, held: &[Reject], out: &mut Output) -> Result<()> {
    for row in held.iter().take(SHOWN) {
        out.line(format!("  held {}: {}", sanitize(row.key.as_deref().unwrap_or("-")), sanitize(&row.reason)))?;
    }
    if held.len() > SHOWN {
        let more = group((held.len() - SHOWN) as u64);
        out.line(format!("  and {more} more: crm-console rejects list {}", plan.id))?;
    }
    Ok(())
}
