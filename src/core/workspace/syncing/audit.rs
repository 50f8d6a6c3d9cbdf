//! The tally of a lane: kept by delta with each look, counted from both sides at an audit.
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::SystemTime;

use super::cycle::Cycle;
use super::events::Told;
use super::lane::Lane;
use crate::error::Result;
use crate::journal::ledger::{Ledger, Secret};
use crate::journal::sync::{LogLevel, SyncStore, now_ms};
use crate::monitor::Silent;
use crate::plan::material::notes;
use crate::plan::{MappingPlan, Operation, Plan, Purpose};
use crate::platform::Source;
use crate::project::Mode;
use crate::resolve::keys::key_hash;
use crate::score::Tally;
use crate::workspace::plans::PlanRequest;

/// Keeps the tally after a look: what is in the ledger is equal, what is left out is not.
pub(super) fn follow(lane: &mut Lane, part: &MappingPlan, told: &Told) {
    let counts = &part.counts;
    let unread = part.incremental.as_ref().map_or(0, |incremental| incremental.unread_records);
    let carried = counts.inserted + counts.updated + counts.unchanged + unread;
    // Rows that could not be written although the plan wanted to count as left out, not as carried over.
    let planned_out = counts.rejected + counts.held;
    let lost = told.left_out.saturating_sub(planned_out);
    let left_out = planned_out.max(told.left_out);
    let looked_whole =
        part.incremental.as_ref().is_none_or(|incremental| incremental.from.is_none() && !incremental.asked);
    let extra = match &lane.status.tally {
        Some(tally) if !looked_whole => tally.extra,
        // A record that the source deleted and the target marks as deleted is gone on both sides.
        _ => {
            let gone = counts.deleted + counts.marked + part.marked_before;
            counts.target_only.unwrap_or_default().saturating_sub(gone)
        }
    };
    if let (Some(before), true) = (lane.status.tally, part.incremental.as_ref().is_some_and(|it| it.pushed)) {
        // Of the records that are left out nobody was asked again; what is left out now comes on top until the next look.
        lane.status.rejects = left_out.saturating_sub(told.left_alone) + told.pushed_out;
        lane.status.tally = Some(Tally {
            equal: carried.saturating_sub(lost),
            different: before.different + told.different,
            missing: before.missing + left_out.saturating_sub(told.different),
            extra,
        });
        return;
    }
    lane.status.rejects = left_out.saturating_sub(told.left_alone) + told.pushed_out;
    lane.status.left_alone = told.left_alone;
    lane.status.tally = Some(Tally {
        equal: carried.saturating_sub(lost),
        different: told.different,
        missing: left_out.saturating_sub(told.different),
        extra,
    });
}

/// Counts the records of a mapping that goes both ways: a plan of everything, whatever the ledger says, that nobody carries
/// out. What it would write is known to be different, or it is a gap.
pub(super) fn count_both(lane: &mut Lane, cycle: &Cycle<'_>) -> Result<()> {
    let request = PlanRequest {
        mappings: vec![lane.mapping.name.clone()],
        purpose: Purpose::Sync,
        mode: Some(Mode::Full),
        left_alone: cycle.left_alone(&lane.mapping.name, false)?,
        ..PlanRequest::default()
    };
    let before = states(lane, cycle)?;
    let plan = cycle.workspace.plan_for(&request, &Silent)?;
    _ = std::fs::remove_dir_all(cycle.workspace.state().plan(&plan.id));
    let Some(part) = plan.mappings.first() else { return Ok(()) };
    lane.status.audited = Some(now_ms());
    let Some(kept) = lane.status.tally.filter(|_| before == states(lane, cycle).unwrap_or_default()) else {
        // Somebody wrote meanwhile: what is different may be on its way.
        return Ok(());
    };
    let counts = &part.counts;
    let apart = counts.updated + counts.inserted + counts.held + counts.rejected;
    let gap = apart.abs_diff(kept.different + kept.missing).max(kept.equal.abs_diff(counts.unchanged));
    tell(lane, cycle.store, gap, &format!("{} of them differ, {} are missing", counts.updated, counts.inserted))
}

/// Sizes and times of the files of both sides.
fn states(lane: &Lane, cycle: &Cycle<'_>) -> Result<Vec<(u64, Option<SystemTime>)>> {
    let mut paths = Vec::new();
    if let Source::Object(object) = &lane.mapping.from.source {
        paths.extend(cycle.workspace.connector(&lane.mapping.from.platform)?.paths(object));
    }
    paths.extend(cycle.workspace.connector(&lane.mapping.to.platform)?.paths(&lane.mapping.to.object));
    // A database may have written ahead.
    let ahead = |path: &PathBuf| PathBuf::from([path.as_os_str(), "-wal".as_ref()].into_iter().collect::<OsString>());
    let paths = paths.iter().flat_map(|path| [path.clone(), ahead(path)]);
    let states = paths.filter_map(|path| path.metadata().ok()).map(|file| (file.len(), file.modified().ok()));
    Ok(states.collect())
}

/// Compares the tally that was kept with both sides as a full plan finds them, before it is carried out. What changed since the
/// look before is no gap: the ledger does not know it yet.
pub(super) fn note(lane: &mut Lane, cycle: &Cycle<'_>, plan: &Plan, part: &MappingPlan) -> Result<()> {
    let counts = &part.counts;
    lane.status.audited = Some(now_ms());
    let Some(kept) = lane.status.tally else { return Ok(()) };
    let found = Beside::of(cycle, plan, part)?;
    let whole = counts.unchanged + counts.updated + counts.inserted;
    let gap = found.gap.max((kept.equal + found.came).abs_diff(whole + found.went));
    let how = format!(
        "{} differ, {} are missing, {} too many; they are mended",
        counts.updated,
        counts.inserted,
        counts.deleted + counts.marked
    );
    tell(lane, cycle.store, gap, &how)
}

/// What a full plan finds beside what the ledger knows.
#[derive(Default)]
struct Beside {
    /// Records that are not as the ledger has them although the source is.
    gap: u64,
    /// Records that the ledger does not know: they came since.
    came: u64,
    /// Records that the ledger knows and the source has no more.
    went: u64,
}

impl Beside {
    fn of(cycle: &Cycle<'_>, plan: &Plan, part: &MappingPlan) -> Result<Self> {
        let mut found = Self::default();
        let state = cycle.workspace.state();
        let path = state.ledger(&part.mapping, cycle.workspace.project().env.as_deref());
        let Some(ledger) = Ledger::open(&path)? else { return Ok(found) };
        let dir = state.plan(&plan.id);
        for note in notes(&dir, &part.mapping)?.into_iter().flatten() {
            let note = note?;
            let writes = matches!(note.operation, Operation::Insert | Operation::Update);
            let Some(entry) = note.entry.filter(|_| writes || note.operation == Operation::Unchanged) else { continue };
            match ledger.get(&entry.key)? {
                None => found.came += 1,
                Some(known) => found.gap += u64::from(writes && known.source == entry.source),
            }
        }
        let secret = Secret::of(&state.ledgers())?;
        for key in super::events::gone_keys(part, &dir)? {
            let known = ledger.get(&secret.hide(key_hash(&key)))?;
            *if known.is_some() { &mut found.went } else { &mut found.gap } += 1;
        }
        Ok(found)
    }
}

fn tell(lane: &mut Lane, store: &SyncStore, gap: u64, how: &str) -> Result<()> {
    lane.status.audit_gap = Some(gap);
    if gap > 0 {
        let text = format!("audit: {gap} records are not as the upkeep has them ({how})");
        store.log(Some(&lane.mapping.name), LogLevel::Alarm, &text)?;
    }
    Ok(())
}
