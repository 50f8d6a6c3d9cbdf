//! Verify of a revert: does the target read, row by row, as it did before the run that was taken back.
use std::path::Path;

use hashbrown::HashMap;
use polars::prelude::StringChunked;

use crate::error::Result;
use crate::migrate::verify::{Failure, RecordState, Verified};
use crate::monitor::{Monitor, Progress};
use crate::plan::ops::{IDENTITY, KEY, LOCATOR, OP, OPS_BATCH, SOURCE, Store, operation, ops_path};
use crate::plan::{MappingPlan, Operation};
use crate::platform;
use crate::resolve::keys::show_key;
use crate::table::Snapshot;
use crate::table::hash::row_hash;

/// Failures that are kept.
const KEPT: usize = 100_000;

/// What was found so far.
#[derive(Default)]
struct Found {
    verified: Verified,
}

impl Found {
    fn note(&mut self, state: RecordState, row: &Expected<'_>, columns: Vec<String>, target: Option<u32>) {
        let Verified { tally, states, failures, .. } = &mut self.verified;
        states.add(state, 1);
        match state {
            RecordState::Validated => tally.equal += 1,
            // A row that is held is there, and not as it was.
            RecordState::Mismatched | RecordState::Suspended | RecordState::Pending => tally.different += 1,
            RecordState::MissingTarget => tally.missing += 1,
            RecordState::MissingSource => tally.extra += 1,
        }
        if state != RecordState::Validated && failures.len() < KEPT {
            failures.push(Failure {
                key: row.key.map(show_key).unwrap_or_default(),
                state,
                columns,
                source: row.source,
                target: target.map(u64::from),
                operation: Some(row.operation),
                cells: Vec::new(),
            });
        }
    }
}

struct Expected<'a> {
    operation: Operation,
    source: Option<u64>,
    key: Option<&'a str>,
    name: Option<&'a str>,
}

/// Rows of the target, to be found by what they read as, or by name.
struct Now {
    hashes: Vec<u128>,
    /// Rows that read so and are not spoken for.
    alike: HashMap<u128, u64>,
    by_name: HashMap<String, u32>,
}

/// Compares the target with what a revert's plan expects. Columns that triggers may set count only where the reverted
/// run's mapping writes them (`written`).
pub(crate) fn verify(
    plan: &MappingPlan,
    dir: &Path,
    target: &Snapshot,
    written: &[String],
    monitor: &dyn Monitor,
) -> Result<Verified> {
    let triggers = plan.here.side_effects.iter().any(|effect| effect.starts_with("trigger"));
    let counted: Vec<bool> = plan.columns.iter().map(|name| !triggers || written.contains(name)).collect();
    let mut now = read(plan, target, monitor)?;
    let mut out = Found::default();
    out.verified.rows = now.hashes.len() as u64;
    let store = Store::open(&ops_path(dir, &plan.mapping))?;
    let names: Vec<String> = target.meta().schema.names().map(str::to_owned).collect();
    let file = !plan.target_version.hash.is_empty();
    let mut doomed: Vec<(u128, Option<String>, Option<String>)> = Vec::new();
    let mut at = 0;
    while at < store.rows() {
        monitor.check()?;
        let frame = store.slice(at, OPS_BATCH, None)?;
        at += frame.height() as u64;
        let (codes, sources) = (frame.column(OP)?.u32()?, frame.column(SOURCE)?.u32()?);
        let keys = frame.column(KEY)?.str()?;
        let named = if plan.here.identity.is_some() { IDENTITY } else { LOCATOR };
        let locators = frame.column(named)?.str()?;
        let halves =
            [frame.column(crate::plan::ops::EXPECTED[0])?.u64()?, frame.column(crate::plan::ops::EXPECTED[1])?.u64()?];
        let cells: Vec<StringChunked> = plan
            .columns
            .iter()
            .map(|name| Ok(frame.column(name)?.str()?.rechunk().into_owned()))
            .collect::<Result<_>>()?;
        // A column that the platform computes is part of what a file reads as, but never of a file.
        let expected = if file { row_hash(&frame, &names)? } else { Vec::new() };
        let mut doubtful: Vec<(usize, u32)> = Vec::new();
        #[allow(clippy::needless_range_loop, reason = "a file's hashes are only there for files")]
        for row in 0..frame.height() {
            let expects = Expected {
                operation: codes.get(row).and_then(operation).unwrap_or(Operation::Held),
                source: sources.get(row).map(u64::from),
                key: keys.get(row),
                name: locators.get(row),
            };
            match expects.operation {
                Operation::Insert | Operation::Update | Operation::Unchanged if expects.source.is_some() => {
                    if file {
                        let left = now.alike.get_mut(&expected[row]).filter(|left| **left > 0);
                        let state = if left.is_some() { RecordState::Validated } else { RecordState::MissingTarget };
                        if let Some(left) = left {
                            *left -= 1;
                        }
                        out.note(state, &expects, Vec::new(), None);
                        continue;
                    }
                    match expects.name.and_then(|name| now.by_name.get(name)) {
                        Some(found) => doubtful.push((row, *found)),
                        None => out.note(RecordState::MissingTarget, &expects, Vec::new(), None),
                    }
                }
                Operation::Delete => {
                    let hash = halves[0].get(row).zip(halves[1].get(row));
                    let hash = hash.map_or(0, |(high, low)| u128::from(high) << 64 | u128::from(low));
                    doomed.push((hash, expects.key.map(str::to_owned), expects.name.map(str::to_owned)));
                }
                Operation::Held => out.note(RecordState::Suspended, &expects, Vec::new(), None),
                // Removed by somebody before: nothing to look for.
                _ => out.note(RecordState::Validated, &expects, Vec::new(), None),
            }
        }
        if !doubtful.is_empty() {
            let ordinals: Vec<u64> = doubtful.iter().map(|(_, found)| u64::from(*found)).collect();
            let there = target.gather(&ordinals, Some(&plan.columns))?;
            let there: Vec<&StringChunked> =
                plan.columns.iter().map(|name| Ok(there.column(name)?.str()?)).collect::<Result<_>>()?;
            for (place, (row, found)) in doubtful.into_iter().enumerate() {
                let differs: Vec<String> = (0..cells.len())
                    .filter(|column| counted[*column] && cells[*column].get(row) != there[*column].get(place))
                    .map(|column| plan.columns[column].clone())
                    .collect();
                let expects = Expected {
                    operation: codes.get(row).and_then(operation).unwrap_or(Operation::Held),
                    source: sources.get(row).map(u64::from),
                    key: keys.get(row),
                    name: locators.get(row),
                };
                let state = if differs.is_empty() { RecordState::Validated } else { RecordState::Mismatched };
                out.note(state, &expects, differs, Some(found));
            }
        }
        monitor.report(Progress { step: format!("verifying {}", plan.to), done: at, total: Some(store.rows()) });
    }
    undead(plan, doomed, &now, &mut out);
    Ok(out.verified)
}

/// Rows that should be gone. In a file a row that reads the same may have been there besides.
fn undead(plan: &MappingPlan, doomed: Vec<(u128, Option<String>, Option<String>)>, now: &Now, out: &mut Found) {
    let file = !plan.target_version.hash.is_empty();
    let surplus = out.verified.rows.saturating_sub(plan.counts.after);
    let mut left = now.alike.clone();
    let mut seen = 0;
    for (hash, key, name) in doomed {
        let found = if file {
            let alike = left.get_mut(&hash).filter(|left| **left > 0 && seen < surplus);
            alike.map(|left| *left -= 1).is_some()
        } else {
            let there = name.as_deref().and_then(|name| now.by_name.get(name));
            there.is_some_and(|there| now.hashes[*there as usize] == hash)
        };
        let expects = Expected { operation: Operation::Delete, source: None, key: key.as_deref(), name: None };
        seen += u64::from(found);
        // Gone, as it was before the run: that is what is proven.
        let state = if found { RecordState::MissingSource } else { RecordState::Validated };
        out.note(state, &expects, Vec::new(), None);
    }
}

fn read(plan: &MappingPlan, target: &Snapshot, monitor: &dyn Monitor) -> Result<Now> {
    let names: Vec<String> = target.meta().schema.names().map(str::to_owned).collect();
    let rows = target.meta().rows as usize;
    let mut now = Now { hashes: Vec::with_capacity(rows), alike: HashMap::new(), by_name: HashMap::new() };
    let file = !plan.target_version.hash.is_empty();
    for frame in target.batches(None)? {
        monitor.check()?;
        let frame = frame?;
        let hashes = row_hash(&frame, &names)?;
        if file {
            for hash in &hashes {
                *now.alike.entry(*hash).or_default() += 1;
            }
        } else {
            let named = plan.here.identity.as_deref().unwrap_or(platform::LOCATOR);
            for (row, name) in frame.column(named)?.str()?.iter().enumerate() {
                if let Some(name) = name {
                    now.by_name.insert(name.to_owned(), (now.hashes.len() + row) as u32);
                }
            }
        }
        now.hashes.extend(hashes);
    }
    Ok(now)
}
