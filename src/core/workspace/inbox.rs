//! The inbox of a run or a plan: its rejects with what became of them since, and plans that retry them.
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::corrections::frame_of;
use super::plans::PlanRequest;
use super::{Freshness, Workspace};
use crate::error::{Error, Result};
use crate::journal::{Parent, Reject, StateDir, read_rejects, rejects_file};
use crate::map::corrections::content_hash;
use crate::map::{Fate, Pipeline};
use crate::migrate::recovery::read_plan;
use crate::monitor::Monitor;
use crate::plan::{Plan, Purpose};
use crate::rejects::{Entry, Inbox};
use crate::resolve::keys::key_text;
use crate::table::Snapshot;

/// Which rejects of a run are to be retried. What waits for a chosen row is retried with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryRequest {
    /// The run.
    pub run: String,
    /// Only of these mappings; all if empty.
    pub mappings: Vec<String>,
    /// Only those whose cause has this text in it, letter case aside.
    pub cause: Option<String>,
    /// Only these: mapping and number; all if empty.
    pub rows: Vec<(String, u64)>,
    /// Only those that are mended as far as one can tell.
    pub mended: bool,
}

/// A plan that retries rejects.
#[derive(Debug, Clone)]
pub struct Retry {
    /// The plan. It is shown, confirmed and run like every other.
    pub plan: Plan,
    /// Rows in it.
    pub rows: u64,
    /// Pieces of the source that are no rows: they come back when the line is mended in the source.
    pub pieces: u64,
    /// Rows that the source has no more.
    pub gone: u64,
}

/// Which rejects a retry's plan took, kept beside it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct RetryNote {
    /// By mapping: number of the reject, ordinal in the source snapshot of the plan.
    rows: BTreeMap<String, Vec<(u64, u32)>>,
}

const NOTE: &str = "retry.json";

impl Workspace {
    /// What a run or a plan left out. Of a retry: what the run whose rejects it retried left out, with what became of it.
    pub fn inbox(&self, id: &str) -> Result<Inbox> {
        let (of, plan, is_run) = self.root_of(id)?;
        let folder = self.journal_folder(&of)?;
        let mut entries = Vec::new();
        for part in &plan.mappings {
            for reject in read_rejects(&rejects_file(&folder, &part.mapping))? {
                let mapping = part.mapping.clone();
                entries.push(Entry { mapping, reject: reject?, released: None, retried: None, mended: false });
            }
        }
        let retries = if is_run && !entries.is_empty() { self.follow_retries(&of, &mut entries)? } else { Vec::new() };
        self.look_mended(&mut entries);
        Ok(Inbox::new(of, is_run, entries, retries))
    }

    /// The run whose rejects a retry is about, or the run or plan itself; with its plan, and whether it is a run.
    fn root_of(&self, id: &str) -> Result<(String, Plan, bool)> {
        self.journal_folder(id)?;
        let state = StateDir::of(&self.project().root);
        let mut id = id.to_owned();
        let mut seen = HashSet::new();
        loop {
            let dir = state.run(&id);
            if !dir.is_dir() {
                return Ok((id.clone(), self.load_plan(&id)?, false));
            }
            let plan = read_plan(&dir)?;
            match &plan.purpose {
                Purpose::Retry { run } if state.run(run).is_dir() && seen.insert(id.clone()) => id.clone_from(run),
                _ => return Ok((id, plan, true)),
            }
        }
    }

    /// What later runs made of the rejects. Answers those runs, oldest first.
    fn follow_retries(&self, of: &str, entries: &mut [Entry]) -> Result<Vec<String>> {
        let state = StateDir::of(&self.project().root);
        let Some(control) = self.known_control()? else { return Ok(Vec::new()) };
        let mut runs = control.runs()?;
        runs.reverse();
        let mut places: HashMap<(String, u64), usize> = HashMap::new();
        for (at, entry) in entries.iter().enumerate() {
            places.insert((entry.mapping.clone(), entry.reject.n), at);
        }
        let mut retries = Vec::new();
        for run in runs.into_iter().filter(|run| run.id != of) {
            let dir = state.run(&run.id);
            let Ok(plan) = read_plan(&dir) else { continue };
            if !matches!(&plan.purpose, Purpose::Retry { run } if run == of) {
                continue;
            }
            let Some(note) = read_note(&state.plan(&plan.id).join(NOTE)) else { continue };
            retries.push(run.id.clone());
            for result in run.results.iter().filter(|result| result.published) {
                let Some(rows) = note.rows.get(&result.mapping) else { continue };
                let mut left: HashMap<u64, Reject> = HashMap::new();
                for reject in read_rejects(&rejects_file(&dir, &result.mapping))? {
                    let reject = reject?;
                    left.extend(reject.row.map(|row| (row, reject)));
                }
                for (n, ordinal) in rows {
                    let Some(at) = places.get(&(result.mapping.clone(), *n)) else { continue };
                    let entry = &mut entries[*at];
                    match left.remove(&u64::from(*ordinal)) {
                        Some(reject) => {
                            entry.reject = Reject { n: *n, ..reject };
                            entry.retried = Some(run.id.clone());
                        }
                        None => entry.released = Some(run.id.clone()),
                    }
                }
            }
        }
        Ok(retries)
    }

    /// Tries the row steps of the mappings as they are now. What cannot be known so stays unmended.
    fn look_mended(&self, entries: &mut [Entry]) {
        let names: Vec<String> = self.project().mappings.iter().map(|mapping| mapping.name.clone()).collect();
        for name in &names {
            let rows: Vec<usize> = (0..entries.len())
                .filter(|at| entries[*at].mapping == *name && entries[*at].is_open())
                .filter(|at| !entries[*at].reject.source.is_empty())
                .collect();
            if !rows.is_empty() {
                // A mapping that cannot be compiled now mends nothing.
                _ = self.look_mended_in(name, &rows, entries);
            }
        }
        let mut settled: HashSet<Parent> = HashSet::new();
        let key = |entry: &Entry| entry.reject.key.clone().map(|key| Parent { mapping: entry.mapping.clone(), key });
        loop {
            let before = settled.len();
            for entry in entries.iter_mut() {
                if let (Some(parent), true) = (&entry.reject.parent, entry.is_open()) {
                    entry.mended |= settled.contains(parent);
                }
                if entry.mended || !entry.is_open() {
                    settled.extend(key(entry));
                }
            }
            if settled.len() == before {
                return;
            }
        }
    }

    fn look_mended_in(&self, name: &str, rows: &[usize], entries: &mut [Entry]) -> Result<()> {
        let mapping = self.mapping(name)?;
        let first = &entries[rows[0]].reject.source;
        let columns: Vec<String> = first.keys().cloned().collect();
        let pipeline = Pipeline::compile(mapping, &columns, &self.project().root)
            .map_err(|found| super::plans::problems_error(&found))?;
        let cells: Vec<_> = rows.iter().map(|at| (&entries[*at].reject.source, entries[*at].reject.line)).collect();
        let frame = frame_of(&cells)?;
        let outcome = pipeline.apply(&frame)?;
        let keys: Vec<_> =
            mapping.key.iter().map(|key| Ok(outcome.mapped.column(key)?.str()?.clone())).collect::<Result<_>>()?;
        for (row, at) in rows.iter().enumerate() {
            let fate = outcome.fates[row];
            let corrected = outcome.corrected.iter().any(|hit| hit.row == row && hit.holds);
            let keyed = key_text(keys.iter().map(|key| key.get(row))).is_some();
            entries[*at].mended = match (fate, entries[*at].reject.step.as_str()) {
                (Fate::Rejected | Fate::Unknown, _) => false,
                // A set step or the platform was against it: only another row than before can be another matter.
                (Fate::Accepted, "match" | "duplicate" | "platform") => corrected && keyed,
                (Fate::Accepted, "link") => corrected && keyed && entries[*at].reject.parent.is_none(),
                (Fate::Accepted, _) => keyed,
                (Fate::Filtered | Fate::Tombstone, _) => true,
            };
        }
        Ok(())
    }

    /// Makes a plan of rejected and held rows of a run under the mappings as they are now.
    pub fn plan_retry(&self, request: &RetryRequest, monitor: &dyn Monitor) -> Result<Retry> {
        let inbox = self.inbox(&request.run)?;
        if !inbox.is_run {
            return Err(Error::usage(format!("{} is a plan: nothing of it was left out by a run yet", inbox.of))
                .advise("mend what it rejects, then plan again"));
        }
        let chosen = choose(&inbox, request);
        let pieces = chosen.iter().filter(|at| inbox.entries[**at].reject.row.is_none()).count() as u64;
        let mut note = RetryNote::default();
        let mut gone = 0;
        let root = read_plan(&StateDir::of(&self.project().root).run(&inbox.of))?;
        for mapping in self.chosen(&[])? {
            let entries: Vec<&Entry> = chosen
                .iter()
                .map(|at| &inbox.entries[*at])
                .filter(|entry| entry.mapping == mapping.name && entry.reject.row.is_some())
                .collect();
            if entries.is_empty() {
                continue;
            }
            let from = &mapping.from;
            let source = self.snapshot(&from.platform, &from.source, &from.label, Freshness::Cached, monitor)?;
            let part = root.mappings.iter().find(|part| part.mapping == mapping.name);
            let same = part.is_some_and(|part| part.source_snapshot == self.inside(source.dir()));
            let identity = self.identity_of(mapping, &source)?;
            let found = locate(&source, &identity, &entries, same, monitor)?;
            gone += (entries.len() - found.len()) as u64;
            if !found.is_empty() {
                note.rows.insert(mapping.name.clone(), found);
            }
        }
        if note.rows.is_empty() {
            let error = Error::usage(format!("nothing of run {} is left to retry by that choice", inbox.of));
            return Err(match (pieces, gone) {
                (0, 0) => error.advise("see what there is with `crm-console rejects list`"),
                (0, _) => error.advise(format!("{gone} rows are not in the source any more")),
                _ => error.advise(format!("{pieces} pieces are no rows: mend the lines in the source, then plan")),
            });
        }
        let rows: hashbrown::HashMap<String, Vec<u32>> = note
            .rows
            .iter()
            .map(|(mapping, rows)| (mapping.clone(), rows.iter().map(|(_, ordinal)| *ordinal).collect()))
            .collect();
        let count = note.rows.values().map(|rows| rows.len() as u64).sum();
        let request = PlanRequest {
            mappings: note.rows.keys().cloned().collect(),
            purpose: Purpose::Retry { run: inbox.of.clone() },
            rows,
            by: format!("rejects of run {}", inbox.of),
            ..PlanRequest::default()
        };
        let plan = self.plan_for(&request, monitor)?;
        let file = StateDir::of(&self.project().root).plan(&plan.id).join(NOTE);
        let text = serde_json::to_vec(&note).map_err(|_| Error::platform("cannot note what is retried"))?;
        std::fs::write(&file, text).map_err(|error| Error::io("write", &file, &error))?;
        Ok(Retry { plan, rows: count, pieces, gone })
    }

    fn identity_of(&self, mapping: &crate::project::Mapping, source: &Snapshot) -> Result<Vec<String>> {
        let columns: Vec<String> = source.meta().schema.names().map(str::to_owned).collect();
        let pipeline = Pipeline::compile(mapping, &columns, &self.project().root)
            .map_err(|found| super::plans::problems_error(&found))?;
        Ok(pipeline.identity().to_vec())
    }
}

fn read_note(file: &PathBuf) -> Option<RetryNote> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

/// The entries that a request asks for, and all that wait for them, in inbox order.
fn choose(inbox: &Inbox, request: &RetryRequest) -> Vec<usize> {
    let wanted = request.cause.as_ref().map(|cause| cause.to_lowercase());
    let fits = |entry: &Entry| {
        entry.is_open()
            && (request.mappings.is_empty() || request.mappings.contains(&entry.mapping))
            && wanted.as_ref().is_none_or(|cause| entry.reject.cause.to_lowercase().contains(cause))
            && (request.rows.is_empty()
                || request.rows.iter().any(|(mapping, n)| *mapping == entry.mapping && *n == entry.reject.n))
            && (!request.mended || entry.mended)
    };
    let mut chosen: Vec<bool> = inbox.entries.iter().map(fits).collect();
    let mut parents: HashSet<Parent> = HashSet::new();
    loop {
        let before = parents.len();
        for (at, entry) in inbox.entries.iter().enumerate() {
            let waits = entry.reject.parent.as_ref().is_some_and(|parent| parents.contains(parent));
            chosen[at] |= waits && entry.is_open();
            if let (true, Some(key)) = (chosen[at], &entry.reject.key) {
                parents.insert(Parent { mapping: entry.mapping.clone(), key: key.clone() });
            }
        }
        if parents.len() == before {
            break;
        }
    }
    (0..chosen.len()).filter(|at| chosen[*at]).collect()
}

/// Finds rejected rows in the source as it is now: number and ordinal of those that are there. `same`: it is the snapshot
/// that the run was planned from.
fn locate(
    source: &Snapshot,
    identity: &[String],
    entries: &[&Entry],
    same: bool,
    monitor: &dyn Monitor,
) -> Result<Vec<(u64, u32)>> {
    let mut found: Vec<(u64, u32)> = Vec::new();
    let mut content: HashMap<u64, Vec<&Entry>> = HashMap::new();
    let mut buffer = Vec::new();
    for entry in entries {
        match entry.reject.row {
            Some(row) if same && entry.retried.is_none() => found.push((entry.reject.n, row as u32)),
            _ => {
                let hash = content_hash(entry.reject.source.values().map(Value::as_str), &mut buffer);
                content.entry(hash).or_default().push(entry);
            }
        }
    }
    if content.is_empty() {
        return Ok(found);
    }
    // As it was, else by its key: a row that was edited in the source is the same row still.
    let names: Vec<String> = source.meta().schema.names().map(str::to_owned).collect();
    let key_of = |entry: &Entry| -> Option<Vec<String>> {
        let cells = identity.iter().map(|name| entry.reject.source.get(name).and_then(Value::as_str));
        cells.map(|cell| cell.filter(|cell| !cell.trim().is_empty()).map(str::to_owned)).collect()
    };
    let mut keys: HashMap<Vec<String>, Vec<u32>> =
        content.values().flatten().filter_map(|entry| key_of(entry)).map(|key| (key, Vec::new())).collect();
    let mut at = 0_u64;
    for batch in source.batches(None)? {
        monitor.check()?;
        let batch = batch?;
        let column = |name: &String| -> Result<_> { Ok(batch.column(name)?.str()?.clone()) };
        let columns: Vec<_> = names.iter().map(column).collect::<Result<_>>()?;
        let identifying: Vec<_> = identity.iter().map(column).collect::<Result<_>>()?;
        let mut parts = Vec::with_capacity(identifying.len());
        for row in 0..batch.height() {
            let ordinal = (at + row as u64) as u32;
            let hash = content_hash(columns.iter().map(|column| column.get(row)), &mut buffer);
            if let Some(waiting) = content.get_mut(&hash)
                && let Some(entry) = waiting.pop()
            {
                found.push((entry.reject.n, ordinal));
                continue;
            }
            parts.clear();
            parts.extend(identifying.iter().map(|column| column.get(row).unwrap_or_default().to_owned()));
            if let Some(rows) = keys.get_mut(parts.as_slice()) {
                rows.push(ordinal);
            }
        }
        at += batch.height() as u64;
    }
    for entry in content.into_values().flatten() {
        let rows = key_of(entry).and_then(|key| keys.get(&key));
        if let Some([ordinal]) = rows.map(Vec::as_slice) {
            found.push((entry.reject.n, *ordinal));
        }
    }
    found.sort_unstable();
    Ok(found)
}
