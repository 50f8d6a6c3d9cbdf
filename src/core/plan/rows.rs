//! Rows behind the counts of a plan.
use std::path::Path;

use polars::prelude::{DataFrame, IdxCa, IdxSize};

use super::ops::{CHANGED, IDENTITY, KEPT, KEY, OP, OPS_BATCH, PENDING, REASON, SOURCE, Store, TARGET, code, ops_path};
use super::ops::{operation as operation_of, read_index_list};
use super::{MappingPlan, Operation};
use crate::error::{Error, Result};
use crate::platform::LINE;
use crate::project::WriteRule;
use crate::resolve::show_key;
use crate::table::Snapshot;
use crate::workspace::{PlanCell, PlanRow};

/// Both sides as planned.
pub(crate) struct Snapshots {
    pub(crate) source: Option<Snapshot>,
    pub(crate) target: Option<Snapshot>,
}

/// Rows `first..first + count` of an operation, and how many it has. `column`: only rows that change it.
pub(crate) fn rows(
    dir: &Path,
    plan: &MappingPlan,
    snapshots: &Snapshots,
    operation: Operation,
    column: Option<&str>,
    first: u64,
    count: usize,
) -> Result<(Vec<PlanRow>, u64)> {
    let field = match column {
        None => None,
        Some(name) => Some(
            plan.columns
                .iter()
                .position(|known| known == name)
                .ok_or_else(|| Error::usage(format!("the plan has no column '{name}'")))?,
        ),
    };
    let store = Store::open(&ops_path(dir, &plan.mapping))?;
    let wanted = field.map(|field| format!(",{field},"));
    let narrow: Vec<String> = [OP].into_iter().chain(wanted.is_some().then_some(CHANGED)).map(str::to_owned).collect();
    let mut total = 0_u64;
    let mut found: Vec<DataFrame> = Vec::new();
    let mut taken = 0;
    let mut at = 0;
    while at < store.rows() {
        let frame = store.slice(at, OPS_BATCH, Some(&narrow))?;
        let codes = frame.column(OP)?.u32()?.clone();
        let changed = match &wanted {
            Some(_) => Some(frame.column(CHANGED)?.str()?.clone()),
            None => None,
        };
        let hits: Vec<IdxSize> = (0..frame.height())
            .filter(|row| codes.get(*row) == Some(code(operation)))
            .filter(|row| match (&changed, &wanted) {
                (Some(changed), Some(wanted)) => changed.get(*row).is_some_and(|list| list.contains(wanted.as_str())),
                _ => true,
            })
            .map(|row| row as IdxSize)
            .collect();
        let skip = first.saturating_sub(total).min(hits.len() as u64) as usize;
        let here: Vec<IdxSize> = hits[skip..].iter().copied().take(count - taken).collect();
        total += hits.len() as u64;
        if !here.is_empty() {
            taken += here.len();
            let whole = store.slice(at, OPS_BATCH, None)?;
            found.push(whole.take(&IdxCa::from_vec("rows".into(), here))?);
        }
        at += frame.height() as u64;
    }
    let mut out = Vec::with_capacity(taken);
    for frame in found {
        describe(plan, snapshots, &frame, &mut out)?;
    }
    Ok((out, total))
}

/// Rows of any operation whose old key or id in the target is one of these, at most `count`: each with its place among the
/// operations.
pub(crate) fn rows_of(
    dir: &Path,
    plan: &MappingPlan,
    snapshots: &Snapshots,
    names: &dyn Fn(&str) -> bool,
    count: usize,
) -> Result<Vec<PlanRow>> {
    let store = Store::open(&ops_path(dir, &plan.mapping))?;
    let narrow = [KEY, IDENTITY].map(str::to_owned);
    let mut out = Vec::new();
    let mut at = 0;
    while at < store.rows() && out.len() < count {
        let frame = store.slice(at, OPS_BATCH, Some(&narrow))?;
        let (keys, ids) = (frame.column(KEY)?.str()?, frame.column(IDENTITY)?.str()?);
        let hits: Vec<IdxSize> = keys
            .iter()
            .zip(ids.iter())
            .enumerate()
            .filter(|(_, (key, id))| key.is_some_and(names) || id.is_some_and(names))
            .map(|(row, _)| row as IdxSize)
            .take(count - out.len())
            .collect();
        if !hits.is_empty() {
            let whole = store.slice(at, OPS_BATCH, None)?;
            describe(plan, snapshots, &whole.take(&IdxCa::from_vec("rows".into(), hits))?, &mut out)?;
        }
        at += frame.height() as u64;
    }
    Ok(out)
}

/// The how manieth row handed to the writer a row is, counted from 1: changes go in target order, then inserts in source
/// order. None for rows that are not written.
pub(crate) fn written_as(dir: &Path, plan: &MappingPlan, row: &PlanRow) -> Result<Option<u64>> {
    use Operation::{Delete, Insert, Mark, Update};
    let Some(operation @ (Insert | Update | Delete | Mark)) = row.operation else { return Ok(None) };
    let store = Store::open(&ops_path(dir, &plan.mapping))?;
    let narrow = [OP, SOURCE, TARGET].map(str::to_owned);
    let (mut before, mut at) = (0, 0);
    while at < store.rows() {
        let frame = store.slice(at, OPS_BATCH, Some(&narrow))?;
        let number = |name: &str| -> Result<Vec<Option<u64>>> {
            Ok(frame.column(name)?.u32()?.iter().map(|at| at.map(u64::from)).collect())
        };
        let (sources, targets) = (number(SOURCE)?, number(TARGET)?);
        for (place, known) in frame.column(OP)?.u32()?.iter().enumerate() {
            before += u64::from(match known.and_then(operation_of) {
                Some(Insert) => operation == Insert && sources[place] <= row.source.map(|(source, _)| source),
                Some(Update | Delete | Mark) => operation == Insert || targets[place] <= row.target,
                _ => false,
            });
        }
        at += frame.height() as u64;
    }
    Ok(Some(before))
}

fn describe(plan: &MappingPlan, snapshots: &Snapshots, frame: &DataFrame, out: &mut Vec<PlanRow>) -> Result<()> {
    let numbers = |name: &str| -> Result<Vec<Option<u64>>> {
        Ok(frame.column(name)?.u32()?.iter().map(|at| at.map(u64::from)).collect())
    };
    let (sources, targets) = (numbers(SOURCE)?, numbers(TARGET)?);
    let lines = lines(snapshots.source.as_ref(), &sources)?;
    let ordinals: Vec<u64> = targets.iter().flatten().copied().collect();
    let old = match &snapshots.target {
        Some(target) if !ordinals.is_empty() => {
            let names: Vec<String> =
                plan.columns.iter().filter(|name| target.meta().schema.column(name).is_some()).cloned().collect();
            Some(target.gather(&ordinals, Some(&names))?)
        }
        _ => None,
    };
    let mut place = 0;
    for row in 0..frame.height() {
        let text = |name: &str| -> Result<Option<&str>> { Ok(frame.column(name)?.str()?.get(row)) };
        let changed = read_index_list(text(CHANGED)?);
        let kept = read_index_list(text(KEPT)?);
        let operation = frame.column(OP)?.u32()?.get(row).and_then(operation_of);
        let mut cells = Vec::with_capacity(plan.columns.len());
        for (at, name) in plan.columns.iter().enumerate() {
            let now = match (&old, targets[row]) {
                (Some(old), Some(_)) => old.column(name).ok().and_then(|cells| cells.str().ok()?.get(place)),
                _ => None,
            };
            let new = text(name)?;
            let pending = match plan.links.iter().find(|link| link.column == *name) {
                Some(link) => {
                    text(&format!("{PENDING}{name}"))?.map(|key| format!("(new) {} {}", link.mapping, show_key(key)))
                }
                None => None,
            };
            let inserted = operation == Some(Operation::Insert) && (new.is_some() || pending.is_some());
            let rule = match plan.write_rules.get(at) {
                Some(WriteRule::IfBlank) => "if_blank",
                Some(WriteRule::Create) => "create",
                Some(WriteRule::Never) => "never",
                Some(WriteRule::Always) | None => "latch",
            };
            cells.push(PlanCell {
                column: name.clone(),
                old: now.map(str::to_owned),
                new: if operation == Some(Operation::Delete) { None } else { new.map(str::to_owned) },
                changed: inserted || changed.contains(&at),
                kept: kept.contains(&at).then(|| rule.to_owned()),
                pending,
            });
        }
        out.push(PlanRow {
            operation,
            key: text(KEY)?.map(show_key).unwrap_or_default(),
            source: sources[row].map(|source| (source, lines[row])),
            target: targets[row],
            cells,
            reason: text(REASON)?.map(str::to_owned),
        });
        place += usize::from(targets[row].is_some());
    }
    Ok(())
}

fn lines(source: Option<&Snapshot>, sources: &[Option<u64>]) -> Result<Vec<Option<u64>>> {
    let ordinals: Vec<u64> = sources.iter().flatten().copied().collect();
    let (Some(source), false) = (source, ordinals.is_empty()) else { return Ok(vec![None; sources.len()]) };
    let frame = source.gather(&ordinals, Some(&[]))?;
    let Ok(column) = frame.column(LINE) else { return Ok(vec![None; sources.len()]) };
    let mut found = column.u64()?.iter();
    Ok(sources.iter().map(|source| source.and_then(|_| found.next().flatten())).collect())
}
