//! What a plan warns of, and why it may not be run.
use super::build::Job;
use super::classify::State;
use super::target_rows::TargetRows;
use super::{Blocked, MappingPlan, Selection};
use crate::project::{LeftBehindRule, WriteRule};

/// Stale corrections that are named one by one; `check` names all.
const STALE_SHOWN: usize = 5;
/// Columns that are left behind and named one by one.
const LEFT_SHOWN: usize = 12;

/// Warnings, and reasons not to run.
pub(super) fn judge(job: &Job<'_>, state: &State, rows: &TargetRows, deletes: bool, plan: &mut MappingPlan) {
    let shape = job.shape;
    let run = &shape.mapping.run;
    let counts = plan.counts;
    if counts.read == 0 && !job.cursor {
        plan.warnings.push("the source is empty".into());
    }
    if !deletes && job.rows.is_all() && (rows.target_only > 0 || !state.tombstones.is_empty()) {
        let why = if counts.read == 0 {
            "the source is empty".to_owned()
        } else if state.keyless > 0 {
            format!("{} rows have no key", state.keyless)
        } else {
            "pieces of the source could not be read".to_owned()
        };
        plan.warnings.push(format!("{why}: nothing is deleted or marked in {}", plan.to));
    }
    match &plan.selection {
        Selection::All => {}
        Selection::First { .. } => {
            plan.warnings.push("only the first rows were planned: nothing is deleted or marked".into());
        }
        Selection::Chosen { by, count } => {
            plan.warnings.push(format!("only {count} rows were planned ({by}): nothing is deleted or marked"));
        }
    }
    // Only once the whole source was seen it is known what no row has any more: an incremental plan looks at what changed.
    if job.rows.end() == u64::MAX && plan.incremental.is_none() {
        let corrections = shape.pipeline.corrections();
        let file = shape.mapping.corrections.clone().unwrap_or_default();
        let stale = state.corrections.stale(corrections);
        for one in stale.iter().take(STALE_SHOWN) {
            plan.warnings.push(format!("{} line {} ({}): {}", file.display(), one.line, one.column, one.why));
        }
        if stale.len() > STALE_SHOWN {
            let more = stale.len() - STALE_SHOWN;
            plan.warnings.push(format!("{}: {more} more corrections do not hold as they stand", file.display()));
        }
    }
    if state.later > 0 {
        plan.warnings
            .push(format!("{} links name records that are planned later: the next plan fills them", state.later));
    }
    let required: Vec<&str> = shape
        .target
        .columns
        .iter()
        .filter(|column| column.required && !column.generated)
        .map(|column| column.name.as_str())
        .filter(|name| {
            !plan.columns.iter().zip(&plan.write_rules).any(|(known, rule)| known == name && *rule != WriteRule::Never)
        })
        .collect();
    if counts.inserted > 0 && !required.is_empty() {
        plan.blocked.push(Blocked {
            data: false,
            reason: format!("{} requires {}, which no field fills", plan.to, required.join(", ")),
            advice: format!("add the fields to {}", shape.mapping.path.display()),
        });
    }
    if !shape.here.write && !counts.is_noop() {
        plan.blocked.push(Blocked {
            data: false,
            reason: format!("{} cannot be written", plan.to),
            advice: "choose another target".into(),
        });
    }
    let left: Vec<String> = plan
        .left_behind
        .iter()
        .filter(|one| run.cursor.as_ref() != Some(&one.column))
        .map(|one| format!("{} ({} rows)", one.column, one.filled))
        .collect();
    if run.left_behind == LeftBehindRule::Block && !left.is_empty() && !counts.is_noop() {
        let more = left.len().saturating_sub(LEFT_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        plan.blocked.push(Blocked {
            data: false,
            reason: format!("data would be left behind: {}{more}", left[..left.len().min(LEFT_SHOWN)].join(", ")),
            advice: format!(
                "map the columns, or list those that may stay behind under ignore in {}",
                shape.mapping.path.display()
            ),
        });
    }
    let budget = run.error_budget.of(plan.budget_rows());
    if counts.rejected > budget && !job.tolerant {
        plan.blocked.push(Blocked {
            data: true,
            reason: format!(
                "{} of {} rows are rejected, the error budget allows {budget} ({})",
                counts.rejected, counts.read, run.error_budget
            ),
            advice: "mend them (crm-console rejects show), or raise error_budget under [run] of the mapping".into(),
        });
    }
    let scope = in_scope(plan);
    let cap = run.max_deletes.of(scope);
    if counts.deleted + counts.marked > cap {
        plan.blocked.push(Blocked {
            data: false,
            reason: format!(
                "{} of {scope} target rows in scope would be deleted or marked, max_deletes allows {cap}",
                counts.deleted + counts.marked,
            ),
            advice: "look at them, then raise max_deletes under [run] of the mapping if they shall go".into(),
        });
    }
    if !counts.closes() {
        plan.blocked.push(Blocked {
            data: true,
            reason: "the balance does not close".into(),
            advice: "this is a defect of the console; please report it".into(),
        });
    }
    debug_assert_eq!(rows.deletes(), counts.deleted);
}

/// Target rows that a share of deletes is a share of: rows native to the target are nobody's to delete, so many of them must
/// not raise the cap. Where nobody looked at them, the rows of the records that are known.
fn in_scope(plan: &MappingPlan) -> u64 {
    let counts = &plan.counts;
    match counts.native {
        Some(native) => counts.before.saturating_sub(native),
        None => {
            let unread = plan.incremental.as_ref().map_or(0, |incremental| incremental.unread_records);
            counts.before.min(unread + counts.updated + counts.unchanged + counts.deleted + counts.marked)
        }
    }
}
