//! The state folder and where things are in it.
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Control, Crosswalk};
use crate::error::{Error, Result};

/// `.crm-console` of a project. Naming a path in it touches nothing; [`StateDir::make`] makes the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    path: PathBuf,
}

impl StateDir {
    /// The state folder of the project in `root`.
    pub fn of(root: &Path) -> Self {
        Self { path: root.join(".crm-console") }
    }
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Makes the folder and those in it, readable by the owner alone. Harmless if they exist.
    pub fn make(&self) -> Result<()> {
        for folder in ["", "plans", "runs", "snapshots", "logs", "crosswalk", "ledger", "locks", "sync"] {
            private_folder(&self.path.join(folder))?;
        }
        Ok(())
    }
    /// Folder of a plan.
    pub fn plan(&self, id: &str) -> PathBuf {
        self.path.join("plans").join(id)
    }
    /// Folder of a run.
    pub fn run(&self, id: &str) -> PathBuf {
        self.path.join("runs").join(id)
    }
    /// Folder of the snapshots.
    pub fn snapshots(&self) -> PathBuf {
        self.path.join("snapshots")
    }
    /// Folder of the logs.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }
    /// Folder of the ledgers.
    pub fn ledgers(&self) -> PathBuf {
        self.path.join("ledger")
    }
    /// File of a mapping's ledger.
    pub fn ledger(&self, mapping: &str, env: Option<&str>) -> PathBuf {
        super::ledger::ledger_path(&self.ledgers(), mapping, env)
    }
    /// Folder of the sync loops.
    pub fn sync(&self) -> PathBuf {
        self.path.join("sync")
    }
    /// Opens the store of an environment's sync loop, made on first use.
    pub fn sync_store(&self, env: Option<&str>) -> Result<super::sync::SyncStore> {
        self.make()?;
        super::sync::SyncStore::open(&super::sync::sync_path(&self.path, env))
    }
    /// Folder of the locks.
    pub fn locks(&self) -> PathBuf {
        self.path.join("locks")
    }
    /// Looks the folder over: that nobody else can read it and that its stores are whole. Answers what there is, in words.
    pub fn health(&self) -> Result<String> {
        let metadata = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok("not made yet".into()),
            Err(error) => return Err(Error::io("look at", &self.path, &error)),
        };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::platform(format!("{} can be read by others (mode {mode:o})", self.path.display()))
                .advise("it holds customer data: chmod 700 it"));
        }
        let control = self.control()?;
        control.check()?;
        let lines = control.check_audit(None)?.n;
        let (runs, open) = (control.runs()?.len(), control.open_runs()?.len());
        Ok(format!("{runs} runs, {open} at work, control.db is whole, {lines} audit lines follow from each other"))
    }
    /// Opens `control.db`, made on first use.
    pub fn control(&self) -> Result<Control> {
        self.make()?;
        Control::open(&self.path.join("control.db"))
    }
    /// Opens the crosswalk of an environment, made on first use.
    pub fn crosswalk(&self, env: Option<&str>) -> Result<Crosswalk> {
        self.make()?;
        Crosswalk::open(&self.path.join("crosswalk").join(format!("{}.db", file_name(env.unwrap_or("default")))))
    }
}

/// Makes a folder with mode 0700, and takes rights away from others where it exists with more.
pub(crate) fn private_folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Error::io("make the folder", path, &error))?;
    let metadata = path.metadata().map_err(|error| Error::io("look at the folder", path, &error))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
            .map_err(|error| Error::io("make private the folder", path, &error))?;
    }
    Ok(())
}

/// A name as part of a file name: unique whatever characters it has, readable where they allow it.
pub(crate) fn file_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.len() <= 60 && name.chars().all(plain) {
        return name.to_owned();
    }
    let readable: String = name.chars().take(40).map(|c| if plain(c) { c } else { '_' }).collect();
    format!("{readable}.{}", &blake3::hash(name.as_bytes()).to_hex()[..8])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_folder_is_private_even_if_it_was_not() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::of(root.path());
        std::fs::create_dir(state.path()).unwrap();
        std::fs::set_permissions(state.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        state.make().unwrap();
        for folder in ["", "runs", "crosswalk", "locks"] {
            let mode = state.path().join(folder).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{folder}");
        }
    }

    #[test]
    fn names_never_leave_the_folder_nor_meet() {
        assert_eq!(file_name("sandbox"), "sandbox");
        for odd in ["../x", "a/b", "", "a.b", "é"] {
            assert!(!file_name(odd).contains(['/', '\\']), "{odd}");
            assert_ne!(file_name(odd), "..");
        }
        assert_ne!(file_name("a/b"), file_name("a.b"));
    }
}
