//! What of the state folder is kept, and for how long (`[state]` in project.toml). One place decides for plans, snapshots and
//! runs, because they need each other: a run its plan, a plan its snapshots.
//!
//! Cycles of sync loops are kept as long as the images of runs.
//!
//! Never removed: anything of a run that is at work or can be resumed, the newest run, what a run within its retention needs
//! to be taken back, the newest plans, the newest snapshots. The records of runs, the audit log, the crosswalk and the list
//! of the erased stay.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::NaiveDateTime;
use hashbrown::HashSet;
use serde::Serialize;

use super::Workspace;
use super::syncing::note_gone;
use crate::error::Result;
use crate::journal::{Entry, RunRecord, RunState, StateDir};
use crate::plan::{Purpose, store};

/// Age from which on what a killed process left half made is cleared away.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// What the kept cycles of sync loops are called.
const CYCLES: &str = "sync cycles";
/// How the name of a cycle's folder begins, and how long that is.
pub(super) const CYCLE_TIME: (&str, usize) = ("%Y%m%dT%H%M%S%.3f", "20261125T091502.120".len());

/// One kind of thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Part {
    /// `snapshots`, `plans`, `images`, …
    pub what: String,
    /// Folders or files.
    pub items: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What is (or would be) removed, and what stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Retained {
    /// By kind; kinds of which nothing goes are left out.
    pub removed: Vec<Part>,
    /// By kind, the rest included.
    pub kept: Vec<Part>,
    /// It was done.
    pub done: bool,
}

impl Workspace {
    /// Removes what `[state]` says is kept no longer; with `dry` only counts it. What cannot be removed now is next time.
    pub fn prune(&self, dry: bool) -> Result<Retained> {
        let state = StateDir::of(&self.project().root);
        let Some(control) = self.known_control()? else { return Ok(Retained { done: !dry, ..Retained::default() }) };
        let runs = control.runs()?;
        let mut sweep = Sweep { dry, removed: BTreeMap::new(), gone: HashSet::new() };
        self.runs_over(&state, &runs, &mut sweep);
        self.cycles_over(&state, &mut sweep);
        self.plans_over(&state, &runs, &mut sweep);
        self.snapshots_over(&state, &mut sweep);
        let kept = sizes(&state, &sweep.gone);
        let removed: Vec<Part> = sweep.removed.into_values().collect();
        if !dry && !removed.is_empty() {
            let words: Vec<String> =
                removed.iter().map(|part| format!("{} {} ({} bytes)", part.items, part.what, part.bytes)).collect();
            control.record(&Entry::new("pruned").detail(words.join(", ")))?;
        }
        Ok(Retained { removed, kept, done: !dry })
    }

    /// Removes old plans alone: after a new one was made. If it is not known what the runs refer to, none.
    pub(super) fn prune_plans(&self) {
        let state = StateDir::of(&self.project().root);
        let Ok(runs) = state.control().and_then(|control| control.runs()) else { return };
        let mut sweep = Sweep { dry: false, removed: BTreeMap::new(), gone: HashSet::new() };
        self.plans_over(&state, &runs, &mut sweep);
    }

    /// [`Workspace::prune`] for whoever has something better to do than to fail: after a run.
    pub(super) fn prune_quietly(&self) {
        _ = self.prune(false);
    }

    fn runs_over(&self, state: &StateDir, runs: &[RunRecord], sweep: &mut Sweep) {
        let keep = &self.project().state;
        for (place, run) in runs.iter().enumerate() {
            let dir = state.run(&run.id);
            if place == 0 || is_needed(run) {
                continue;
            }
            let age = age_of(run, &dir);
            if keep.runs.is_over(age) {
                sweep.remove("runs", &dir);
                continue;
            }
            for file in entries(&dir) {
                let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if keep.images.is_over(age) && is_image(name) {
                    sweep.remove("images", &file);
                } else if keep.rejects.is_over(age) && is_reject(name) {
                    sweep.remove("rejects", &file);
                } else if name.starts_with(".tmp") || name.starts_with(".erase-") {
                    sweep.remove("left half done", &file);
                }
            }
        }
        // A folder without a record: its run was never begun.
        let known: HashSet<PathBuf> = runs.iter().map(|run| state.run(&run.id)).collect();
        for dir in entries(&state.path().join("runs")) {
            if !known.contains(&dir) && since(&dir) > ABANDONED {
                sweep.remove("left half done", &dir);
            }
        }
    }

    /// Cycles of sync loops are kept to be taken back, so they go when the images of a run of that age would.
    fn cycles_over(&self, state: &StateDir, sweep: &mut Sweep) {
        let keep = &self.project().state;
        let lanes = entries(&state.sync().join("cycles")).into_iter().flat_map(|env| entries(&env));
        for cycle in lanes.flat_map(|lane| entries(&lane)) {
            if cycle.is_dir() && keep.images.is_over(cycle_age(&cycle)) && (sweep.dry || note_gone(&cycle).is_ok()) {
                sweep.remove(CYCLES, &cycle);
            }
        }
    }

    fn plans_over(&self, state: &StateDir, runs: &[RunRecord], sweep: &mut Sweep) {
        let keep = &self.project().state;
        let plans = state.path().join("plans");
        let mut used: HashSet<String> = runs
            .iter()
            .enumerate()
            .filter(|(place, run)| {
                *place == 0 || is_needed(run) || !keep.images.is_over(age_of(run, &state.run(&run.id)))
            })
            .map(|(_, run)| run.plan.clone())
            .collect();
        // A repair is about another plan, a retry about that of another run, and both are verified against it.
        let plan_of = |run: &str| runs.iter().find(|known| known.id == run).map(|known| known.plan.clone());
        let about = used.iter().filter_map(|id| match store::load(&plans.join(id)).ok()?.purpose {
            Purpose::Repair { plan } => Some(plan),
            Purpose::Retry { run } | Purpose::Revert { run } => plan_of(&run),
            Purpose::Migrate | Purpose::Sync | Purpose::RevertSync { .. } => None,
        });
        let about: Vec<String> = about.collect();
        used.extend(about);
        // A plan that sync holds is there to be looked at until it is decided on.
        used.extend(self.held_plans());
        let mut known: Vec<(SystemTime, String, PathBuf)> = Vec::new();
        for dir in entries(&plans) {
            let Some(name) = dir.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
            if name.starts_with('.') {
                if since(&dir) > ABANDONED {
                    sweep.remove("left half done", &dir);
                }
            } else if let Ok(modified) = dir.metadata().and_then(|metadata| metadata.modified()) {
                known.push((modified, name, dir));
            }
        }
        known.sort();
        let old = known.len().saturating_sub(keep.plans);
        for (_, _, dir) in known.iter().take(old).filter(|(_, name, _)| !used.contains(name)) {
            sweep.remove("plans", dir);
        }
    }

    fn snapshots_over(&self, state: &StateDir, sweep: &mut Sweep) {
        let root = &self.project().root;
        let used: HashSet<PathBuf> = entries(&state.path().join("plans"))
            .into_iter()
            .filter(|dir| !sweep.gone.contains(dir))
            .filter_map(|dir| store::load(&dir).ok())
            .flat_map(|plan| plan.mappings)
            .flat_map(|part| [root.join(part.source_snapshot), root.join(part.target_snapshot)])
            .collect();
        for platform in entries(&state.snapshots()) {
            // What a revert starts from belongs to its plan alone.
            let newest = if platform.ends_with("reverts") { 0 } else { self.project().state.snapshots };
            for object in entries(&platform) {
                let mut numbers: Vec<(u64, PathBuf)> = Vec::new();
                for path in entries(&object).into_iter().filter(|path| path.is_dir()) {
                    match path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok()) {
                        Some(number) => numbers.push((number, path)),
                        None if since(&path) > ABANDONED => sweep.remove("left half done", &path),
                        None => {}
                    }
                }
                numbers.sort();
                let old = numbers.len().saturating_sub(newest);
                for (number, dir) in numbers.into_iter().take(old) {
                    // One that is just being taken for a plan is in no plan yet.
                    if used.contains(&dir) || (newest == 0 && since(&dir) < ABANDONED) {
                        continue;
                    }
                    sweep.remove("snapshots", &dir);
                    for extension in ["json", "profile"] {
                        sweep.remove_beside(&object.join(format!("{number}.{extension}")));
                    }
                }
            }
        }
    }
}

/// A run that is at work, or that can go on from where it was.
fn is_needed(run: &RunRecord) -> bool {
    !run.state.is_final() || matches!(run.state, RunState::Stopped | RunState::Crashed)
}

/// Rows before and after a run.
fn is_image(name: &str) -> bool {
    name == "preimages" || name == "postimages"
}

fn is_reject(name: &str) -> bool {
    name.ends_with(".rejects.ndjson") || name.ends_with(".verify.ndjson")
}

/// Since a run ended.
fn age_of(run: &RunRecord, dir: &Path) -> Duration {
    let ended = run.ended.as_deref().and_then(|ended| chrono::DateTime::parse_from_rfc3339(ended).ok());
    match ended {
        // A clock that was set back makes nothing old.
        Some(ended) => (chrono::Utc::now() - ended.to_utc()).to_std().unwrap_or_default(),
        None => since(dir),
    }
}

/// Since a cycle of a sync loop ended: its folder says when.
pub(super) fn cycle_age(dir: &Path) -> Duration {
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let ended = name.get(..CYCLE_TIME.1).and_then(|text| NaiveDateTime::parse_from_str(text, CYCLE_TIME.0).ok());
    match ended {
        Some(ended) => (chrono::Utc::now() - ended.and_utc()).to_std().unwrap_or_default(),
        None => since(dir),
    }
}

/// Since something was changed.
fn since(path: &Path) -> Duration {
    let modified = path.metadata().and_then(|metadata| metadata.modified());
    modified.ok().and_then(|modified| modified.elapsed().ok()).unwrap_or_default()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

pub(super) fn bytes_in(path: &Path) -> u64 {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => entries(path).iter().map(|path| bytes_in(path)).sum(),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    }
}

struct Sweep {
    dry: bool,
    removed: BTreeMap<&'static str, Part>,
    gone: HashSet<PathBuf>,
}

impl Sweep {
    fn remove(&mut self, what: &'static str, path: &Path) {
        if !path.exists() {
            return;
        }
        let bytes = bytes_in(path);
        if !self.dry && !remove(path) {
            return;
        }
        self.gone.insert(path.to_owned());
        let part = self.removed.entry(what).or_insert_with(|| Part { what: what.to_owned(), ..Part::default() });
        part.items += 1;
        part.bytes += bytes;
    }
    /// A file that belongs to what was just removed.
    fn remove_beside(&mut self, path: &Path) {
        let bytes = bytes_in(path);
        if path.exists() && (self.dry || remove(path)) {
            self.gone.insert(path.to_owned());
            if let Some(part) = self.removed.get_mut("snapshots") {
                part.bytes += bytes;
            }
        }
    }
}

fn remove(path: &Path) -> bool {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.is_ok()
}

/// What is there without what is `gone`.
fn sizes(state: &StateDir, gone: &HashSet<PathBuf>) -> Vec<Part> {
    let mut parts: BTreeMap<&'static str, Part> = BTreeMap::new();
    for top in entries(state.path()) {
        let what = match top.file_name().and_then(|name| name.to_str()).unwrap_or_default() {
            "snapshots" => "snapshots",
            "plans" => "plans",
            "runs" => "runs",
            "sync" => "sync",
            _ => "crosswalk, ledgers, control",
        };
        add(&top, what, gone, &mut parts);
    }
    parts.into_values().collect()
}

fn add(path: &Path, what: &'static str, gone: &HashSet<PathBuf>, parts: &mut BTreeMap<&'static str, Part>) {
    if gone.contains(path) {
        return;
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let what = match what {
        "runs" if is_image(name) => "images",
        "runs" if is_reject(name) => "rejects",
        "sync" if name == "cycles" => CYCLES,
        // When the newest one went that is gone.
        CYCLES if name.starts_with('.') => "sync",
        what => what,
    };
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => entries(path).iter().for_each(|path| add(path, what, gone, parts)),
        Ok(metadata) => {
            let part = parts.entry(what).or_insert_with(|| Part { what: what.to_owned(), ..Part::default() });
            part.items += 1;
            part.bytes += metadata.len();
        }
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests;
