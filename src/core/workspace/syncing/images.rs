//! What a cycle keeps so that a span of sync can be taken back: its plan and the images of the rows it touched.
use std::path::{Path, PathBuf};

use chrono::NaiveDateTime;

use crate::error::Result;
use crate::journal::{StateDir, private_folder, state_file_name};
use crate::plan::{MappingPlan, Plan};
use crate::workspace::Workspace;
use crate::workspace::retention::{CYCLE_TIME, bytes_in, cycle_age};

/// File beside a mapping's cycles: when the newest one ended that is not kept any more.
const GONE: &str = ".gone";

/// Folder of a mapping's cycles.
pub(super) fn folder(state: &StateDir, env: Option<&str>, mapping: &str) -> PathBuf {
    state.sync().join("cycles").join(state_file_name(env.unwrap_or("default"))).join(state_file_name(mapping))
}

/// A mapping's cycles that are kept, oldest first, with when each ended.
pub(super) fn cycles(folder: &Path) -> Vec<(i64, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut cycles: Vec<(i64, PathBuf)> = paths.filter_map(|path| Some((ended(&path)?, path))).collect();
    cycles.sort();
    cycles
}

/// When a cycle ended, by the name of its folder.
fn ended(cycle: &Path) -> Option<i64> {
    let name = cycle.file_name()?.to_str()?.get(..CYCLE_TIME.1)?;
    Some(NaiveDateTime::parse_from_str(name, CYCLE_TIME.0).ok()?.and_utc().timestamp_millis())
}

/// What is kept of a mapping's cycles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct KeptCycles {
    /// Cycles.
    pub cycles: usize,
    /// Their bytes.
    pub bytes: u64,
    /// When the oldest of them ended, milliseconds since 1970.
    pub first: Option<i64>,
    /// The newest.
    pub last: Option<i64>,
    /// When the newest one ended that is not kept any more. None: none was removed.
    pub gone: Option<i64>,
}

impl KeptCycles {
    pub(super) fn of(folders: impl Iterator<Item = PathBuf>) -> Self {
        let mut kept = Self::default();
        for folder in folders {
            for (at, path) in cycles(&folder) {
                kept.cycles += 1;
                kept.bytes += bytes_in(&path);
                kept.first = Some(kept.first.map_or(at, |first| first.min(at)));
                kept.last = kept.last.max(Some(at));
            }
            kept.gone = kept.gone.max(gone(&folder));
        }
        kept
    }
}

fn gone(folder: &Path) -> Option<i64> {
    std::fs::read_to_string(folder.join(GONE)).ok()?.trim().parse().ok()
}

/// Notes that a cycle goes, before it goes: a span that reaches back to it cannot be taken back.
pub(in crate::workspace) fn note_gone(cycle: &Path) -> Result<()> {
    let (Some(folder), Some(at)) = (cycle.parent(), ended(cycle)) else { return Ok(()) };
    if gone(folder).is_some_and(|known| known >= at) {
        return Ok(());
    }
    crate::migrate::write_whole(&folder.join(GONE), at.to_string().as_bytes())
}

/// Moves a cycle's folder to those that are kept if it wrote something, else removes it.
pub(super) fn keep(workspace: &Workspace, plan: &Plan, part: &MappingPlan, dir: &Path, made: u64) -> Result<()> {
    let state = &StateDir::of(&workspace.project().root);
    let kept = folder(state, plan.env.as_deref(), &part.mapping);
    if made == 0 {
        _ = std::fs::remove_dir_all(dir);
        return Ok(());
    }
    private_folder(&kept)?;
    let name = format!(
        "{}-{}",
        chrono::DateTime::<chrono::Utc>::from(crate::migrate::fault::wall_clock()).format(CYCLE_TIME.0),
        plan.id
    );
    let to = kept.join(name);
    if std::fs::rename(dir, &to).is_err() {
        _ = std::fs::remove_dir_all(dir);
        return Ok(());
    }
    let config = &workspace.project().state;
    let cycles = cycles(&kept);
    let most = cycles.len().saturating_sub(config.cycles);
    let is_old = |cycle: &Path| config.images.is_over(cycle_age(cycle));
    for (_, cycle) in
        cycles.iter().enumerate().take_while(|(at, (_, cycle))| *at < most || is_old(cycle)).map(|it| it.1)
    {
        note_gone(cycle)?;
        _ = std::fs::remove_dir_all(cycle);
    }
    Ok(())
}
