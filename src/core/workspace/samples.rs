//! A sample that hangs together: some records of one mapping, all that links to them, and all that those link to.
//!
//! Which ones is decided by the hash of their keys: the same project gives the same sample. The plan takes their operations
//! out of the full plan and changes none.
use hashbrown::{HashMap, HashSet};

use super::Workspace;
use super::plans::{PlanRequest, problems_error};
use crate::error::{Error, Result};
use crate::map::Fate;
use crate::monitor::{Monitor, Progress};
use crate::plan::Plan;
use crate::project::Mapping;
use crate::resolve::keys::{KeyHash, key_hash};

/// A sample, as it is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// How many records to begin with.
    pub roots: u64,
    /// Of which mapping; None: of the first that others link to.
    pub mapping: Option<String>,
}

/// Keys and links of one mapping's rows, by hash.
#[derive(Default)]
struct Rows {
    keys: Vec<Option<KeyHash>>,
    accepted: Vec<bool>,
    /// Linked mapping and key, by row.
    links: Vec<Vec<(usize, KeyHash)>>,
    by_key: HashMap<KeyHash, Vec<u32>>,
}

impl Workspace {
    /// Plans a sample of some mappings (all if empty).
    pub(super) fn plan_sample(&self, sample: &Sample, request: PlanRequest, monitor: &dyn Monitor) -> Result<Plan> {
        let chosen = self.chosen(&request.mappings)?;
        let root = match &sample.mapping {
            Some(name) => chosen.iter().position(|mapping| mapping.name == *name).ok_or_else(|| {
                Error::usage(format!("no mapping '{name}' to take a sample of")).advise("name one that is planned too")
            })?,
            None => {
                let linked =
                    |mapping: &Mapping| chosen.iter().any(|other| other.links().any(|link| link == mapping.name));
                chosen.iter().position(|mapping| linked(mapping)).unwrap_or(0)
            }
        };
        let mut rows = Vec::with_capacity(chosen.len());
        for mapping in &chosen {
            rows.push(self.sample_rows(mapping, &chosen, monitor).map_err(|error| error.at(&mapping.name))?);
        }
        let taken = hang_together(&rows, root, sample.roots);
        let by = format!(
            "a sample of {} {} with all that links to them and that they link to",
            sample.roots, chosen[root].name
        );
        let ordinals = chosen.iter().zip(taken).map(|(mapping, taken)| (mapping.name.clone(), taken)).collect();
        self.plan_for(&PlanRequest { rows: ordinals, by, ..request }, monitor)
    }

    fn sample_rows(&self, mapping: &Mapping, chosen: &[&Mapping], monitor: &dyn Monitor) -> Result<Rows> {
        let from = &mapping.from;
        let source = self.snapshot(&from.platform, &from.source, &from.label, super::Freshness::Cached, monitor)?;
        let columns: Vec<String> = source.meta().schema.names().map(str::to_owned).collect();
        let pipeline = crate::map::Pipeline::compile(mapping, &columns, &self.project().root)
            .map_err(|found| problems_error(&found))?;
        let place = |name: &str| chosen.iter().position(|other| other.name == name);
        let links: Vec<(usize, usize)> = mapping
            .fields
            .iter()
            .enumerate()
            .filter_map(|(field, config)| Some((field, place(config.link.as_deref()?)?)))
            .collect();
        let keys: Vec<usize> =
            mapping.key.iter().filter_map(|key| mapping.fields.iter().position(|field| field.target == *key)).collect();
        let mut out = Rows::default();
        for frame in source.batches(None)? {
            monitor.check()?;
            let outcome = pipeline.apply(&frame?)?;
            let cells = crate::plan::shape::text_columns(
                &outcome.mapped,
                &mapping.fields.iter().map(|field| field.target.clone()).collect::<Vec<_>>(),
            )?;
            for row in 0..outcome.fates.len() {
                let parts: Vec<Option<String>> =
                    keys.iter().map(|key| cells[*key].get(row).map(|cell| pipeline.canonical(*key, cell))).collect();
                let key = crate::resolve::keys::key_text(parts.iter().map(Option::as_deref)).map(|key| key_hash(&key));
                if let Some(key) = key {
                    out.by_key.entry(key).or_default().push(out.keys.len() as u32);
                }
                out.keys.push(key);
                out.accepted.push(outcome.fates[row] == Fate::Accepted);
                let named = links.iter().filter_map(|(field, other)| {
                    let cell = cells[*field].get(row).filter(|cell| !cell.is_empty())?;
                    Some((*other, key_hash(cell)))
                });
                out.links.push(named.collect());
            }
            monitor.report(Progress {
                step: format!("looking for a sample in {}", mapping.from.label),
                done: out.keys.len() as u64,
                total: Some(source.meta().rows),
            });
        }
        Ok(out)
    }
}

/// Ordinals by mapping: `roots` records of one, what links to them, again what links to those, then what all of them link to.
fn hang_together(rows: &[Rows], root: usize, roots: u64) -> Vec<Vec<u32>> {
    let mut taken: Vec<HashSet<u32>> = rows.iter().map(|_| HashSet::new()).collect();
    let mut candidates: Vec<KeyHash> = rows[root]
        .by_key
        .iter()
        .filter(|(_, ordinals)| ordinals.iter().any(|at| rows[root].accepted[*at as usize]))
        .map(|(key, _)| *key)
        .collect();
    candidates.sort_unstable();
    candidates.truncate(usize::try_from(roots).unwrap_or(usize::MAX));
    let mut children: HashMap<(usize, KeyHash), Vec<(usize, u32)>> = HashMap::new();
    for (mapping, rows) in rows.iter().enumerate() {
        for (row, links) in rows.links.iter().enumerate() {
            for link in links {
                children.entry(*link).or_default().push((mapping, row as u32));
            }
        }
    }
    // Down: whoever links to a record that is taken.
    let mut queue: Vec<(usize, KeyHash)> = candidates.into_iter().map(|key| (root, key)).collect();
    let mut seen: HashSet<(usize, KeyHash)> = queue.iter().copied().collect();
    while let Some((mapping, key)) = queue.pop() {
        taken[mapping].extend(rows[mapping].by_key.get(&key).into_iter().flatten());
        for (child, row) in children.get(&(mapping, key)).into_iter().flatten() {
            taken[*child].insert(*row);
            if let Some(key) = rows[*child].keys[*row as usize]
                && seen.insert((*child, key))
            {
                queue.push((*child, key));
            }
        }
    }
    // Up: what they link to, whole chains of it, but not what else links to those.
    let mut queue: Vec<(usize, u32)> =
        taken.iter().enumerate().flat_map(|(mapping, rows)| rows.iter().map(move |row| (mapping, *row))).collect();
    while let Some((mapping, row)) = queue.pop() {
        for (parent, key) in &rows[mapping].links[row as usize] {
            for row in rows[*parent].by_key.get(key).into_iter().flatten() {
                if taken[*parent].insert(*row) {
                    queue.push((*parent, *row));
                }
            }
        }
    }
    taken
        .into_iter()
        .map(|rows| {
            let mut rows: Vec<u32> = rows.into_iter().collect();
            rows.sort_unstable();
            rows
        })
        .collect()
}
