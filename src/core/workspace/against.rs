//! A plan against an earlier one of the same mappings: which counts, causes and rows are others.
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::Workspace;
use crate::error::{Error, Result};
use crate::journal::StateDir;
use crate::monitor::Monitor;
use crate::plan::ops::{KEY, OP, OPS_BATCH, Store, operation, ops_path};
use crate::plan::{Counts, MappingPlan, Operation, Plan, store};
use crate::resolve::keys::{KeyHash, Prehashed, key_hash};
use crate::resolve::show_key;

/// Rows that are listed of each mapping; all are counted.
const LISTED: usize = 1_000;

/// A plan against an earlier one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// The plan.
    pub plan: String,
    /// The earlier plan.
    pub other: String,
    /// When that was made, RFC 3339 UTC.
    pub created: String,
    /// By mapping.
    pub mappings: Vec<AgainstMapping>,
}

/// What is other in one mapping.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AgainstMapping {
    /// Mapping.
    pub mapping: String,
    /// Counts of the earlier plan.
    pub before: Counts,
    /// Counts of the plan.
    pub now: Counts,
    /// Causes whose rows are more or fewer: cause, rows before, rows now.
    pub causes: Vec<(String, u64, u64)>,
    /// Rows that the earlier plan did not have. Rows that are unchanged count as well.
    pub appeared: u64,
    /// Rows that only the earlier plan had.
    pub vanished: u64,
    /// Rows with another operation.
    pub operation: u64,
    /// Rows with the same operation and other cells.
    pub cells: u64,
    /// The plans write other columns: their cells are not compared.
    pub columns_differ: bool,
    /// The first of those rows.
    pub rows: Vec<AgainstRow>,
}

/// A row that is other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgainstRow {
    /// Key.
    pub key: String,
    /// In the earlier plan; None: it had no such row.
    pub before: Option<Operation>,
    /// Now; None: no such row.
    pub now: Option<Operation>,
}

/// What is kept of a row of the earlier plan while the other is read.
#[derive(Clone, Copy)]
struct Known {
    operation: Operation,
    cells: u64,
    seen: bool,
}

impl Workspace {
    /// Compares a plan with the one that `with` names, or with the newest earlier one of the same mappings (`last`).
    pub fn plan_against(&self, plan: &Plan, with: &str, monitor: &dyn Monitor) -> Result<Against> {
        let other = if with == "last" { self.earlier_plan(plan)? } else { self.plan_named(with)? };
        let state = StateDir::of(&self.project().root);
        let mut mappings = Vec::with_capacity(plan.mappings.len());
        for now in &plan.mappings {
            let Some(before) = other.mappings.iter().find(|part| part.mapping == now.mapping) else { continue };
            let dirs = [state.plan(&other.id), state.plan(&plan.id)];
            mappings.push(compare(&dirs, before, now, monitor).map_err(|error| error.at(&now.mapping))?);
        }
        Ok(Against { plan: plan.id.clone(), other: other.id, created: other.created, mappings })
    }

    fn plan_named(&self, id: &str) -> Result<Plan> {
        match self.load_plan(id) {
            Ok(plan) => Ok(plan),
            Err(_) => self.load_plan(&self.run(id)?.plan),
        }
    }

    fn earlier_plan(&self, plan: &Plan) -> Result<Plan> {
        let folder = StateDir::of(&self.project().root).path().join("plans");
        let names = |plan: &Plan| plan.mappings.iter().map(|part| part.mapping.clone()).collect::<Vec<_>>();
        let wanted = names(plan);
        let entries = std::fs::read_dir(&folder).map_err(|error| Error::io("list", &folder, &error))?;
        let earlier = entries
            .flatten()
            .filter_map(|entry| store::load(&entry.path()).ok())
            .filter(|other| other.id != plan.id && other.env == plan.env && names(other) == wanted)
            .filter(|other| other.created <= plan.created)
            .max_by(|one, other| one.created.cmp(&other.created));
        earlier.ok_or_else(|| {
            Error::usage("there is no earlier plan of these mappings")
                .advise("it is the first; name another plan or run: --against ID")
        })
    }
}

fn compare(
    dirs: &[std::path::PathBuf; 2],
    before: &MappingPlan,
    now: &MappingPlan,
    monitor: &dyn Monitor,
) -> Result<AgainstMapping> {
    let mut out = AgainstMapping {
        mapping: now.mapping.clone(),
        before: before.counts,
        now: now.counts,
        columns_differ: before.columns != now.columns,
        ..AgainstMapping::default()
    };
    let mut causes: Vec<(String, u64, u64)> = Vec::new();
    for (at, list) in [&before.causes, &now.causes].into_iter().enumerate() {
        for cause in list {
            let place = causes.iter().position(|(known, ..)| *known == cause.cause).unwrap_or_else(|| {
                causes.push((cause.cause.clone(), 0, 0));
                causes.len() - 1
            });
            *if at == 0 { &mut causes[place].1 } else { &mut causes[place].2 } += cause.rows;
        }
    }
    out.causes = causes.into_iter().filter(|(_, before, now)| before != now).collect();
    // Rows of one key are told apart by how often it came.
    let mut known: HashMap<KeyHash, Known, Prehashed> = HashMap::default();
    let columns: Vec<String> = if out.columns_differ { Vec::new() } else { now.columns.clone() };
    each(&dirs[0], before, &columns, monitor, |hash, _, operation, cells| {
        known.insert(hash, Known { operation, cells, seen: false });
    })?;
    each(&dirs[1], now, &columns, monitor, |hash, key, operation, cells| {
        let row = |before| AgainstRow { key: show_key(key), before, now: Some(operation) };
        let other = match known.get_mut(&hash) {
            None => {
                out.appeared += 1;
                row(None)
            }
            Some(old) => {
                old.seen = true;
                if old.operation != operation {
                    out.operation += 1;
                } else if old.cells != cells {
                    out.cells += 1;
                } else {
                    return;
                }
                row(Some(old.operation))
            }
        };
        if out.rows.len() < LISTED {
            out.rows.push(other);
        }
    })?;
    out.vanished = known.values().filter(|old| !old.seen).count() as u64;
    if out.vanished > 0 && out.rows.len() < LISTED {
        each(&dirs[0], before, &[], monitor, |hash, key, operation, _| {
            if known.get(&hash).is_some_and(|old| !old.seen) && out.rows.len() < LISTED {
                out.rows.push(AgainstRow { key: show_key(key), before: Some(operation), now: None });
            }
        })?;
    }
    Ok(out)
}

/// Hands out the rows of a plan that have a key: hash of the key (and of how often it came), key, operation, hash of the cells.
fn each(
    dir: &std::path::Path,
    part: &MappingPlan,
    columns: &[String],
    monitor: &dyn Monitor,
    mut take: impl FnMut(KeyHash, &str, Operation, u64),
) -> Result<()> {
    let store = Store::open(&ops_path(dir, &part.mapping))?;
    let mut wanted = vec![OP.to_owned(), KEY.to_owned()];
    wanted.extend(columns.iter().cloned());
    let mut times: HashMap<KeyHash, u64, Prehashed> = HashMap::default();
    let mut at = 0;
    while at < store.rows() {
        monitor.check()?;
        let frame = store.slice(at, OPS_BATCH, Some(&wanted))?;
        at += frame.height() as u64;
        let hashes = crate::table::hash::row_hash(&frame, columns)?;
        let keys = frame.column(KEY)?.str()?;
        for (row, code) in frame.column(OP)?.u32()?.iter().enumerate() {
            let (Some(key), Some(operation)) = (keys.get(row), code.and_then(operation)) else { continue };
            let [left, right] = key_hash(key);
            let time = times.entry([left, right]).or_default();
            *time += 1;
            take([left, right.wrapping_add(*time - 1)], key, operation, hashes[row] as u64);
        }
    }
    Ok(())
}
