//! Whether the project's text files changed since they were read.
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::super::Workspace;
use crate::project::{MAPPINGS_DIR, PROJECT_FILE};

/// The files as they were: path, bytes, time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen(Vec<(PathBuf, u64, Option<SystemTime>)>);

impl Seen {
    pub(super) fn now(workspace: &Workspace) -> Self {
        let root = &workspace.project().root;
        let mut files = vec![root.join(PROJECT_FILE)];
        for folder in [MAPPINGS_DIR, "maps", "queries"] {
            files.extend(list(&root.join(folder)));
        }
        files.sort();
        let state = |path: PathBuf| {
            let metadata = path.metadata().ok();
            let bytes = metadata.as_ref().map_or(0, std::fs::Metadata::len);
            (path, bytes, metadata.and_then(|metadata| metadata.modified().ok()))
        };
        Self(files.into_iter().map(state).collect())
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}
