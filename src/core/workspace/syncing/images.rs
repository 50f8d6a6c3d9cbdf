//! What a cycle keeps so that a span of sync can be taken back: its plan and the images of the rows it touched.
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::journal::{StateDir, private_folder, state_file_name};
use crate::plan::{MappingPlan, Plan};
use crate::workspace::Workspace;
use crate::workspace::retention::{CYCLE_TIME, cycle_age};

/// Cycles of a mapping that are kept at most; the oldest go first.
const MOST: usize = 1_000;

/// Folder of a mapping's cycles.
pub(super) fn folder(state: &StateDir, env: Option<&str>, mapping: &str) -> PathBuf {
    state.sync().join("cycles").join(state_file_name(env.unwrap_or("default"))).join(state_file_name(mapping))
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
    let name = format!("{}-{}", chrono::Utc::now().format(CYCLE_TIME.0), plan.id);
    let to = kept.join(name);
    if std::fs::rename(dir, &to).is_err() {
        _ = std::fs::remove_dir_all(dir);
        return Ok(());
    }
    let Ok(entries) = std::fs::read_dir(&kept) else { return Ok(()) };
    let mut cycles: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    cycles.sort();
    let most = cycles.len().saturating_sub(MOST);
    let is_old = |cycle: &PathBuf| workspace.project().state.images.is_over(cycle_age(cycle));
    let old = cycles.iter().enumerate().take_while(|(place, cycle)| *place < most || is_old(cycle));
    old.for_each(|(_, cycle)| _ = std::fs::remove_dir_all(cycle));
    Ok(())
}
