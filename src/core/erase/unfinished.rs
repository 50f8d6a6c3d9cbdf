//! What killed processes left half done in the state folder.
use std::path::Path;

use super::files::Sweep;
use super::sync::run_folders;
use crate::error::Result;

impl Sweep<'_> {
    /// What killed processes left half done: nobody will ask for it, and it may hold anything.
    pub(super) fn unfinished(&mut self) -> Result<()> {
        for folder in ["plans", "runs"] {
            let Ok(entries) = std::fs::read_dir(self.state.path().join(folder)) else { continue };
            for path in entries.flatten().map(|entry| entry.path()) {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
                if name.starts_with(".making-") || name.starts_with(".old-") {
                    self.remove("left half done", &path)?;
                    continue;
                }
                let Ok(inner) = std::fs::read_dir(&path) else { continue };
                for inner in inner.flatten().map(|entry| entry.path()) {
                    if is_temporary(&inner) {
                        self.remove("left half done", &inner)?;
                    }
                }
            }
        }
        for folder in run_folders(self.state).iter().filter(|folder| folder.starts_with(self.state.sync())) {
            let Ok(inner) = std::fs::read_dir(folder) else { continue };
            for path in inner.flatten().map(|entry| entry.path()).filter(|path| is_temporary(path)) {
                self.remove("left half done", &path)?;
            }
        }
        let Ok(platforms) = std::fs::read_dir(self.state.snapshots()) else { return Ok(()) };
        for object in platforms.flatten().filter_map(|entry| std::fs::read_dir(entry.path()).ok()).flatten().flatten() {
            let Ok(entries) = std::fs::read_dir(object.path()) else { continue };
            for path in entries.flatten().map(|entry| entry.path()) {
                if path.extension().is_some_and(|extension| extension == "tmp") {
                    self.remove("left half done", &path)?;
                }
            }
        }
        Ok(())
    }
}

/// What a process was writing when it was killed.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    path.extension().is_some_and(|extension| extension == "tmp")
        || name.starts_with(".tmp")
        || name.starts_with(".erase-")
}
