//! `revert`: the plan that takes a run back.
use crm_core::journal::Reject;
use crm_core::table::text::sanitize;
use crm_core::workspace::Revert;
use crm_core::{Error, Result};
use serde_json::json;

use super::args::Common;
use super::output::{Output, bytes, group};
use super::project::print_plan;

/// Rows that are left as they are and shown to people; all are in the plan.
const SHOWN: usize = 20;

/// `revert RUN`.
pub(crate) fn revert(common: &Common, run: &str, mappings: &[String], out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    let monitor = out.monitor()?;
    let revert = workspace.revert(run, mappings, &monitor)?;
    monitor.done();
    let held = workspace.rejects(&revert.plan.id, None)?;
    if out.is_json() {
        let rows: Vec<_> =
            held.iter().map(|row| json!({"key": row.key, "row": row.row, "reason": row.reason})).collect();
        out.json(&json!({
            "run": revert.run.id, "reverted_by": revert.before, "kept_bytes": revert.bytes,
            "nothing_to_do": revert.is_done(), "plan": revert.plan, "held": rows,
        }))?;
    } else {
        print(&revert, &held, out)?;
    }
    let plan = &revert.plan;
    if revert.is_done() {
        return Ok(0);
    }
    match plan.refusal() {
        Some(refusal) => Err(refusal),
        None => {
            Err(Error::refused("nothing written: taking a run back is a plan like any other and was not confirmed")
                .advise(format!("to run it: crm-console migrate --plan {} --confirm {}", plan.id, plan.confirm)))
        }
    }
}

fn print(revert: &Revert, held: &[Reject], out: &mut Output) -> Result<()> {
    out.line(format!("REVERT of run {}, {}: {} kept for it", revert.run.id, revert.run.started, bytes(revert.bytes)))?;
    if let Some(before) = &revert.before {
        out.line(format!("run {before} took it back before"))?;
    }
    print_plan(&revert.plan, out)?;
    for row in held.iter().take(SHOWN) {
        out.line(format!("  held {}: {}", sanitize(row.key.as_deref().unwrap_or("-")), sanitize(&row.reason)))?;
    }
    if held.len() > SHOWN {
        let more = group((held.len() - SHOWN) as u64);
        out.line(format!("  and {more} more: crm-console rejects list {}", revert.plan.id))?;
    }
    if revert.is_done() {
        let left = if revert.held() > 0 { " but for the rows that are held" } else { "" };
        out.line(format!("nothing to do: everything is as it was before that run{left}"))?;
    }
    Ok(())
}
