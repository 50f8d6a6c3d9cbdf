//! Mappings that go both ways: who decides where both sides changed a record, and what goes back to the source.
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::cycle::{Cycle, Ended};
use super::lane::Lane;
use super::offered::Offered;
use crate::error::{Kind, Result};
use crate::journal::sync::{
    Clock, ConflictField, ConflictRecord, EventOutcome, Held, HeldKind, LogLevel, SyncEvent, SyncStore, millis, now_ms,
};
use crate::plan::Purpose;
use crate::plan::sides::{Arbiter, Clash, Found, Offer, Only, RECORD, Values};
use crate::project::{ConflictPolicy, DeletePolicy, Direction, Mapping, Mode, Side};
use crate::resolve::keys::show_key;
use crate::sync::{Inverse, inverse};
use crate::workspace::Workspace;
use crate::workspace::plans::PlanRequest;

/// Decides by the mapping's policies and by what people decided.
#[derive(Debug)]
pub(super) struct Policies {
    mapping: Mapping,
    /// Target fields that go back.
    fields: Vec<String>,
    /// What went back since both sides last agreed.
    offered: Offered,
    /// Conflicts that are not settled, by key.
    known: HashMap<String, ConflictRecord>,
    now: i64,
}

impl Policies {
    /// Those of a mapping; None if it goes one way.
    pub(super) fn of(workspace: &Workspace, store: &SyncStore, lane: &Lane) -> Result<Option<Arc<dyn Arbiter>>> {
        let mapping = &lane.mapping;
        if mapping.sync.direction == Direction::OneWay {
            return Ok(None);
        }
        // Without a way back everything goes one way; the lane says so.
        let Ok(inverse) = inverse(&workspace.project().root, mapping) else { return Ok(None) };
        let known = store.conflicts(Some(&mapping.name))?.into_iter().map(|one| (one.key.clone(), one)).collect();
        let fields = inverse.fields.into_iter().map(|(field, _)| field).collect();
        let offered = lane.memory.offered.clone();
        Ok(Some(Arc::new(Self { mapping: mapping.clone(), fields, offered, known, now: now_ms() })))
    }

    fn policy(&self, field: &str) -> &ConflictPolicy {
        let own = self.mapping.field(field).and_then(|field| field.conflict.as_ref());
        own.unwrap_or(&self.mapping.sync.conflict)
    }

    /// What a person decided, or the side that wins because nobody did for too long.
    fn decided(&self, key: &str, field: &str) -> Option<Side> {
        let conflict = self.known.get(&show_key(key))?;
        let take = conflict.fields.iter().find(|one| one.field == field).and_then(|one| one.take);
        let whole = conflict.fields.iter().all(|one| one.take.is_some());
        take.filter(|_| whole).or_else(|| {
            let patience = self.mapping.sync.ask_after?.as_millis() as i64;
            (self.now - conflict.at >= patience).then_some(self.mapping.sync.then)
        })
    }

    /// A decision holds for what it was made on, whole or as far as it is not carried out yet: where the loop ended between
    /// the target and the source, the fields that one side won agree already.
    fn is_about(&self, key: &str, clashes: &[Clash]) -> bool {
        self.known.get(&show_key(key)).is_some_and(|conflict| {
            clashes.iter().all(|clash| {
                conflict.fields.iter().any(|one| {
                    (&one.field, &one.base, &one.source, &one.target)
                        == (&clash.field, &clash.base, &clash.source, &clash.target)
                })
            })
        })
    }
}

impl Arbiter for Policies {
    fn goes_back(&self, field: &str) -> bool {
        self.fields.iter().any(|known| known == field)
    }

    fn offered(&self, key: &str, field: &str) -> Option<&Offer> {
        self.offered.of(key, field)
    }

    fn decide(&self, key: &str, clashes: &[Clash], values: &Values<'_>) -> Vec<Option<Side>> {
        let about = self.is_about(key, clashes);
        let asked = |field: &str| if about { self.decided(key, field) } else { None };
        clashes
            .iter()
            .map(|clash| match self.policy(&clash.field) {
                ConflictPolicy::Take(side) => Some(*side),
                ConflictPolicy::Ask => asked(&clash.field),
                ConflictPolicy::Newest(field) => values(field)
                    .and_then(|(source, target)| newer(source.as_deref()?, target.as_deref()?, self.mapping.sync.skew))
                    .or_else(|| asked(&clash.field)),
            })
            .collect()
    }

    fn lost(&self, key: &str, changed: bool) -> Option<Side> {
        match (&self.mapping.sync.conflict, changed) {
            // What the target deleted stays deleted there, whether or not the source is told.
            (_, false) => Some(Side::Target),
            (ConflictPolicy::Take(side), true) => Some(*side),
            (ConflictPolicy::Ask | ConflictPolicy::Newest(_), true) => self.decided(key, RECORD),
        }
    }

    fn deletes_go_back(&self) -> bool {
        self.mapping.sync.deletes == Some(DeletePolicy::Propagate)
    }

    fn gone(&self, key: &str) -> Option<Side> {
        match &self.mapping.sync.conflict {
            ConflictPolicy::Take(side) => Some(*side),
            ConflictPolicy::Ask | ConflictPolicy::Newest(_) => self.decided(key, RECORD),
        }
    }
}

/// The side whose time is later by more than the skew; None where the times are too close or are none.
fn newer(source: &str, target: &str, skew: std::time::Duration) -> Option<Side> {
    let (source, target) = (time_of(source)?, time_of(target)?);
    let skew = skew.as_millis() as i64;
    if source - target > skew {
        Some(Side::Source)
    } else if target - source > skew {
        Some(Side::Target)
    } else {
        None
    }
}

/// Milliseconds of a time in the forms of ISO 8601; without a zone both sides are taken to mean the same one.
fn time_of(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    for form in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
            return Some(time.and_utc().timestamp_millis());
        }
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

impl Cycle<'_> {
    /// Notes the conflicts that a look found.
    pub(super) fn note_conflicts(&self, lane: &Lane, found: &Found) -> Result<()> {
        let name = &lane.mapping.name;
        for waiting in &found.waiting {
            let fields: Vec<ConflictField> = waiting
                .clashes
                .iter()
                .map(|clash| ConflictField {
                    field: clash.field.clone(),
                    base: clash.base.clone(),
                    source: clash.source.clone(),
                    target: clash.target.clone(),
                    take: None,
                })
                .collect();
            self.store.put_conflict(name, &show_key(&waiting.key), &fields)?;
        }
        Ok(())
    }

    /// Forgets the conflicts that are over: what was decided stands on both sides, so whoever sees one gone finds it written.
    pub(super) fn settle_conflicts(&self, lane: &mut Lane, found: &Found) -> Result<()> {
        let name = &lane.mapping.name;
        // A record that waits is looked at by every look.
        let still: Vec<String> = found.waiting.iter().map(|waiting| show_key(&waiting.key)).collect();
        for conflict in self.store.conflicts(Some(name))? {
            if !still.contains(&conflict.key) {
                self.store.settle_conflict(name, &conflict.key)?;
            }
        }
        let open = still.len() as u64;
        if open > lane.status.conflicts {
            let text = format!("{open} records were changed on both sides and wait for a decision");
            self.store.log(Some(name), LogLevel::Alarm, &text)?;
        }
        lane.status.conflicts = open;
        Ok(())
    }

    /// Writes what the target changed back to the source.
    pub(super) fn write_back(&self, lane: &mut Lane, found: &Found) -> Result<Ended> {
        let done = |again| Ok(Ended::Done { again });
        let Ok(way) = inverse(&self.workspace.project().root, &lane.mapping) else { return done(false) };
        let creates = lane.mapping.scope.is_some();
        if found.back.is_empty() && found.gone.is_empty() && found.made.is_empty() && !creates {
            return done(false);
        }
        let name = way.mapping.name.clone();
        let state = crate::journal::StateDir::of(&self.workspace.project().root);
        let ledger = state.ledger(&lane.mapping.name, self.workspace.project().env.as_deref());
        let only = only(&way, found, creates.then_some(ledger));
        let mut workspace = self.workspace.clone();
        workspace.set_mappings(vec![way.mapping.clone()]);
        let request = PlanRequest {
            mappings: vec![name],
            purpose: Purpose::Sync,
            mode: Some(Mode::Full),
            only: Some(Arc::new(only)),
            left_alone: self.left_alone(&lane.mapping.name, true)?,
            ..PlanRequest::default()
        };
        let plan = workspace.plan_for(&request, &crate::monitor::Silent)?;
        let plan_dir = state.plan(&plan.id);
        let Some(part) = plan.mappings.first() else { return done(false) };
        let counts = part.counts;
        let changes = counts.inserted + counts.updated + counts.deleted;
        if let Some(blocked) = part.blocked.first() {
            let why = format!(
                "what {} changed cannot go back to {}: {}; {}",
                part.from, part.to, blocked.reason, blocked.advice
            );
            let since = lane.memory.held.as_ref().map_or_else(now_ms, |held| held.since);
            let plan = Some(plan.id.clone());
            return Ok(Ended::Held(Held { kind: HeldKind::Blocked, why, plan, changes, since, columns: Vec::new() }));
        }
        if counts.is_noop() {
            _ = std::fs::remove_dir_all(&plan_dir);
            return done(false);
        }
        let fields: Vec<String> = way.fields.iter().map(|(field, _)| field.clone()).collect();
        self.note_offered(lane, found, (part, &plan_dir), &fields)?;
        let back = Cycle { workspace: &workspace, store: self.store, sign: self.sign, at: self.at, arrivals: None };
        let keys = super::events::written_keys(part, &plan_dir)?;
        match back.perform(&plan) {
            Ok((moved, dir)) => {
                lane.window.note(Instant::now(), changes);
                lane.status.written = Some(now_ms());
                if !moved {
                    self.note_landed(lane, &keys)?;
                }
                self.told_back(lane, keys)?;
                super::images::keep(&workspace, &plan, part, &dir, changes)?;
                _ = std::fs::remove_dir_all(&plan_dir);
                done(moved)
            }
            // The source moved between plan and publish: nothing was written.
            Err(error) if error.kind() == Kind::Refused => {
                _ = std::fs::remove_dir_all(&plan_dir);
                done(true)
            }
            Err(error) => Err(error),
        }
    }

    fn told_back(&self, lane: &Lane, keys: Vec<(String, &'static str)>) -> Result<()> {
        let (seen, done) = (millis(self.sign.seen), now_ms());
        let changed = self.sign.changed.map_or(seen, millis).min(seen);
        let lag = self.at.elapsed().as_millis() as u64 + (seen - changed).unsigned_abs();
        let events: Vec<SyncEvent> = keys
            .into_iter()
            .map(|(key, operation)| SyncEvent {
                mapping: lane.mapping.name.clone(),
                key: Some(key),
                operation: operation.to_owned(),
                origin: format!("{} back", self.sign.origin),
                clock: if self.sign.changed.is_some() { Clock::Platform } else { Clock::Seen },
                changed,
                seen,
                done: Some(done),
                lag: Some(lag),
                outcome: EventOutcome::Written,
                reason: None,
                cycle: None,
            })
            .collect();
        self.store.add_events(&events)
    }
}

/// What of the way back is done: fields of records, deletes, records that are made again; and, where `creates` names the
/// mapping's ledger, records that were never at the source.
fn only(way: &Inverse, found: &Found, creates: Option<PathBuf>) -> Only {
    let column = |field: &String| way.fields.iter().find(|(name, _)| name == field).map(|(_, column)| column.clone());
    let records =
        found.back.iter().map(|one| (one.key.clone(), one.fields.iter().filter_map(column).collect())).collect();
    Only { records, gone: found.gone.clone(), made: found.made.clone(), unless_known_to: creates }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_later_time_wins_beyond_the_skew() {
        let skew = Duration::from_secs(2);
        assert_eq!(newer("2026-11-25 09:00:05", "2026-11-25 09:00:01", skew), Some(Side::Source));
        assert_eq!(newer("2026-11-25T09:00:01Z", "2026-11-25T10:00:05+01:00", skew), Some(Side::Target));
        assert_eq!(newer("2026-11-25 09:00:02", "2026-11-25 09:00:01", skew), None);
        assert_eq!(newer("2026-11-25", "2026-11-24", skew), Some(Side::Source));
        assert_eq!(newer("yesterday", "2026-11-24", skew), None);
    }
}
