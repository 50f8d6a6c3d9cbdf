//! The tally of a lane: kept by delta with each look, counted from both sides at an audit.
use super::events::Told;
use super::lane::Lane;
use crate::error::Result;
use crate::journal::sync::{LogLevel, SyncStore, now_ms};
use crate::plan::MappingPlan;
use crate::score::Tally;

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
        lane.status.rejects = left_out + told.pushed_out;
        lane.status.tally = Some(Tally {
            equal: carried.saturating_sub(lost),
            different: before.different + told.different,
            missing: before.missing + left_out.saturating_sub(told.different),
            extra,
        });
        return;
    }
    lane.status.rejects = left_out + told.pushed_out;
    lane.status.tally = Some(Tally {
        equal: carried.saturating_sub(lost),
        different: told.different,
        missing: left_out.saturating_sub(told.different),
        extra,
    });
}

/// Compares the tally that was kept with both sides as a full plan finds them, before it is carried out.
pub(super) fn note(lane: &mut Lane, store: &SyncStore, part: &MappingPlan) -> Result<()> {
    let counts = &part.counts;
    lane.status.audited = Some(now_ms());
    let Some(kept) = lane.status.tally else { return Ok(()) };
    let found = counts.updated + counts.inserted + counts.deleted + counts.marked;
    let unchanged = kept.equal.abs_diff(counts.unchanged + counts.updated + counts.inserted);
    let gap = found.max(unchanged);
    lane.status.audit_gap = Some(gap);
    if gap > 0 {
        let text = format!(
            "audit: {gap} records are not as the upkeep has them ({} differ, {} are missing, {} too many); they are mended",
            counts.updated,
            counts.inserted,
            counts.deleted + counts.marked
        );
        store.log(Some(&lane.mapping.name), LogLevel::Alarm, &text)?;
    }
    Ok(())
}
