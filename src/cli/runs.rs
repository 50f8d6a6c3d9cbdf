//! Commands that run a plan and look at runs.
use crm_core::journal::{MappingResult, RunRecord, RunState};
use crm_core::monitor::Monitor;
use crm_core::plan::Plan;
use crm_core::score;
use crm_core::table::text::sanitize;
use crm_core::workspace::{PlanAsk, Workspace};
use crm_core::{Error, Kind, Result};
use serde_json::json;

use super::args::Common;
use super::output::{Output, bytes, group};
use super::project::print_plan;

/// A plan by file or id. A file is only the key: what is run are the stored operations with that id.
pub(crate) fn load_plan(workspace: &Workspace, text: &str) -> Result<Plan> {
    let path = std::path::Path::new(text);
    if !path.exists() {
        return workspace.load_plan(text);
    }
    let content = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
    let named: Plan = serde_json::from_slice(&content).map_err(|error| {
        Error::usage("this is not a plan")
            .at(format!("{text} line {}", error.line()))
            .advise("make one with `crm-console plan --out FILE`")
    })?;
    let stored = workspace.load_plan(&named.id)?;
    if stored == named {
        return Ok(stored);
    }
    Err(Error::refused(format!("the plan in {text} is not the one that was stored as {}", named.id))
        .advise("it was edited or comes from another project; make a new one with `crm-console plan --out FILE`"))
}

/// `migrate`.
pub(crate) fn migrate(
    common: &Common,
    ask: &PlanAsk,
    plan: Option<&str>,
    confirm: Option<&str>,
    detach: bool,
    out: &mut Output,
) -> Result<u8> {
    let workspace = super::open(common)?;
    let Some(plan) = plan else {
        // Nothing is written before a plan was shown: show it, say how to go on, write nothing.
        let monitor = out.monitor()?;
        let plan = workspace.plan_as(ask, &monitor)?;
        monitor.done();
        if out.is_json() {
            out.json(&plan)?;
        } else {
            print_plan(&plan, out)?;
        }
        return Err(Error::refused("nothing written: this plan was not confirmed")
            .advise(format!("to run it: crm-console migrate --plan {} --confirm {}", plan.id, plan.confirm)));
    };
    let plan = load_plan(&workspace, plan)?;
    let Some(confirm) = confirm else {
        return Err(Error::refused("nothing written: this plan was not confirmed")
            .advise(format!("add --confirm {}", plan.confirm)));
    };
    let id = workspace.start_run(&plan, confirm)?;
    if detach {
        if out.is_json() {
            out.json(&json!({"run": id}))?;
        } else {
            out.line(format!("run {id} goes on by itself; follow it with: crm-console runs"))?;
        }
        return Ok(0);
    }
    follow(&workspace, &id, out)
}

/// Follows a run to its end and tells how it ended; an interrupt asks it to cancel.
pub(crate) fn follow(workspace: &Workspace, id: &str, out: &mut Output) -> Result<u8> {
    let monitor = out.monitor()?;
    let mut asked = false;
    let record = workspace.follow(id, &mut |record| {
        monitor.report(record.progress.clone());
        if monitor.cancelled() && !asked {
            asked = true;
            let _ = workspace.cancel_run(id);
        }
    })?;
    monitor.done();
    print_run(&record, out)?;
    Ok(exit_code(&record))
}

/// What a run's end means for a script.
fn exit_code(record: &RunRecord) -> u8 {
    match record.state {
        RunState::Done => 0,
        RunState::Cancelled | RunState::Stopped => Kind::Stopped.exit_code(),
        _ => record.failure.unwrap_or(Kind::Platform).exit_code(),
    }
}

/// `running`, `running (pausing)`, `stopped (attempt 2)`.
fn state_word(run: &RunRecord) -> String {
    let mut beside = Vec::new();
    if let Some(asked) = run.pending() {
        beside.push(asked.to_owned());
    }
    if run.attempt > 1 {
        beside.push(format!("attempt {}", run.attempt));
    }
    let word = run.state.word();
    if beside.is_empty() { word.to_owned() } else { format!("{word} ({})", beside.join(", ")) }
}

/// A run for people or machines.
fn print_run(record: &RunRecord, out: &mut Output) -> Result<()> {
    if out.is_json() {
        return out.json(record);
    }
    out.line(format!(
        "run {} {}  {}  plan {}{}",
        record.id,
        state_word(record),
        record.purpose_words(),
        record.plan,
        record.env.as_ref().map(|env| format!("  env {}", env.to_uppercase())).unwrap_or_default()
    ))?;
    print_results(&record.results, out)?;
    if let Some(note) = &record.note {
        for line in note.lines() {
            out.line(sanitize(line))?;
        }
    }
    Ok(())
}

fn print_results(results: &[MappingResult], out: &mut Output) -> Result<()> {
    for result in results {
        let counts = &result.counts;
        out.line(format!(
            "  {}: read {} = {} inserted + {} updated + {} unchanged + {} filtered + {} merged + {} held + {} rejected",
            sanitize(&result.mapping),
            group(counts.read),
            group(counts.inserted),
            group(counts.updated),
            group(counts.unchanged),
            group(counts.filtered),
            group(counts.merged),
            group(counts.held),
            group(counts.rejected)
        ))?;
        if result.published {
            out.line(format!(
                "    {}: {} before + {} inserted - {} deleted = {} after; {}",
                sanitize(&result.to),
                group(counts.before),
                group(counts.inserted),
                group(counts.deleted),
                group(counts.after),
                if result.closes { "closes" } else { "DOES NOT CLOSE" },
            ))?;
        } else {
            out.line(format!("    {}: not published, as it was", sanitize(&result.to)))?;
        }
        if result.moved > 0 {
            out.line(format!("    {} rows moved since the plan and were left alone", group(result.moved)))?;
        }
        if let Some(tally) = result.tally {
            out.line(format!(
                "    consistency {}  ({} equal, {} different, {} missing, {} extra)",
                score::percent(tally.ratio()),
                group(tally.equal),
                group(tally.different),
                group(tally.missing),
                group(tally.extra)
            ))?;
        }
    }
    for result in results.iter().filter(|result| result.by_ledger > 0) {
        out.line(format!(
            "  {}: {} of the equal records were not read back, the ledger has them as they were left",
            sanitize(&result.mapping),
            group(result.by_ledger)
        ))?;
    }
    let tallies: Vec<_> = results.iter().filter_map(|result| result.tally).collect();
    if !tallies.is_empty() {
        let score = score::Consistency::of(&tallies);
        out.line(format!("consistency {}", score.text()))?;
    }
    Ok(())
}

/// The run or plan that a command names; the newest run if it names none.
pub(crate) fn newest_or(workspace: &Workspace, id: Option<&str>) -> Result<String> {
    match id {
        Some(id) => Ok(id.to_owned()),
        None => workspace.runs()?.first().map(|run| run.id.clone()).ok_or_else(|| {
            Error::usage("this project has no run yet")
                .advise("name a plan, or run one: crm-console plan --out plan.json")
        }),
    }
}

/// `runs`.
pub(crate) fn list(common: &Common, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    let runs = workspace.runs()?;
    if out.is_json() {
        for run in &runs {
            let mut record = json!(run);
            record["kept_bytes"] = json!(workspace.kept_bytes(&run.id));
            record["purpose"] = json!(run.purpose_words());
            out.json(&record)?;
        }
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            let sum = |pick: fn(&MappingResult) -> u64| group(run.results.iter().map(pick).sum());
            vec![
                run.id.clone(),
                state_word(run),
                run.purpose_words(),
                run.plan.clone(),
                run.env.clone().unwrap_or_default(),
                sum(|result| result.counts.inserted),
                sum(|result| result.counts.updated),
                sum(|result| result.counts.rejected),
                score::percent(run.consistency),
                bytes(workspace.kept_bytes(&run.id)),
                run.owner.clone(),
            ]
        })
        .collect();
    out.table(
        &["RUN", "STATE", "FOR", "PLAN", "ENV", "INSERTED", "UPDATED", "REJECTED", "CONSISTENCY", "KEPT", "OWNER"],
        &rows,
        &[5, 6, 7, 8, 9],
    )?;
    Ok(0)
}
