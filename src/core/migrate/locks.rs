//! Locks: one engine per mapping, environment and target object. A lock is held by the operating system for as long as
//! the process lives, so a dead owner needs no clearing up; the text in the file only says who it is.
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::journal::{StateDir, now, state_file_name, who};

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// Process.
    pub(crate) pid: u32,
    /// OS user, with the SSH client where there is one.
    pub(crate) user: String,
    /// RFC 3339 UTC.
    pub(crate) since: String,
    /// Run.
    pub(crate) run: String,
}

impl Owner {
    /// This process, for a run.
    pub(crate) fn of_run(run: &str) -> Self {
        Self { pid: std::process::id(), user: who(), since: now(), run: run.to_owned() }
    }
}

/// An open lock file. The lock goes with it.
struct LockFile {
    path: PathBuf,
    file: File,
}

impl LockFile {
    fn open(path: PathBuf) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| Error::io("open the lock", &path, &error))?;
        Ok(Self { path, file })
    }
    /// False: another process has it.
    fn try_lock(&self) -> Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", &self.path, &error)),
        }
    }
    fn set_owner(&mut self, owner: &Owner) -> Result<()> {
        let text = serde_json::to_vec(owner).map_err(std::io::Error::from);
        text.and_then(|text| {
            self.file.set_len(0)?;
            self.file.rewind()?;
            self.file.write_all(&text)
        })
        .map_err(|error| Error::io("write the lock", &self.path, &error))
    }
    /// None while the owner is just writing it.
    fn owner(&mut self) -> Option<Owner> {
        let mut text = String::new();
        self.file.rewind().ok()?;
        self.file.read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// The locks on the mappings and target objects of a run, held until dropped.
pub(crate) struct TargetLocks {
    _held: Vec<LockFile>,
}

impl TargetLocks {
    /// Takes all of them or none. Busy: [`Kind::Busy`] naming who has it.
    pub(crate) fn take<'n>(
        state: &StateDir,
        env: Option<&str>,
        names: impl IntoIterator<Item = &'n str>,
        owner: &Owner,
    ) -> Result<Self> {
        // In one order for all, so that two engines never wait crosswise; sorted and each once.
        let names: std::collections::BTreeSet<&str> = names.into_iter().collect();
        let mut held = Vec::new();
        for name in names {
            let file = format!("{}.{}.lock", state_file_name(env.unwrap_or("default")), state_file_name(name));
            let mut lock = LockFile::open(state.locks().join(file))?;
            if !lock.try_lock()? {
                return Err(busy(name, lock.owner()));
            }
            lock.set_owner(owner)?;
            held.push(lock);
        }
        Ok(Self { _held: held })
    }
}

/// Time between two tries to take locks that somebody has.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(10);

impl TargetLocks {
    /// [`TargetLocks::take`], where others have them for moments only: they are waited for so long.
    pub(crate) fn take_within(
        state: &StateDir,
        env: Option<&str>,
        names: &[&str],
        owner: &Owner,
        patience: std::time::Duration,
    ) -> Result<Self> {
        let until = std::time::Instant::now() + patience;
        loop {
            match Self::take(state, env, names.iter().copied(), owner) {
                Err(error) if error.kind() == Kind::Busy && std::time::Instant::now() < until => {
                    std::thread::sleep(AGAIN);
                }
                taken => return taken,
            }
        }
    }
}

fn busy(name: &str, owner: Option<Owner>) -> Error {
    let what = match owner {
        Some(Owner { pid, user, since, run }) => {
            format!("{name} is being migrated by {user} since {since} (run {run}, process {pid})")
        }
        None => format!("{name} is being migrated by another engine"),
    };
    Error::new(Kind::Busy, what).advise("wait until that run is done (crm-console runs), or cancel it")
}

/// `runs/ID/engine.lock`: held while the engine of the run lives, and by whoever looks after a dead one.
pub(crate) struct EngineLock {
    _lock: LockFile,
}

impl EngineLock {
    /// Takes it, waiting for somebody who is only looking whether the engine lives.
    pub(crate) fn wait(run_dir: &Path) -> Result<Self> {
        let lock = Self::file(run_dir)?;
        lock.file.lock().map_err(|error| Error::io("lock", &lock.path, &error))?;
        Ok(Self { _lock: lock })
    }
    /// None: the engine lives, or another process is just looking after it.
    pub(crate) fn if_free(run_dir: &Path) -> Result<Option<Self>> {
        let lock = Self::file(run_dir)?;
        Ok(lock.try_lock()?.then_some(Self { _lock: lock }))
    }
    fn file(run_dir: &Path) -> Result<LockFile> {
        LockFile::open(run_dir.join("engine.lock"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_engine_holds_a_mapping_and_the_other_learns_who() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::of(root.path());
        state.make().unwrap();
        let take = |env: Option<&str>, names: &[&str], run: &str| {
            TargetLocks::take(&state, env, names.iter().copied(), &Owner::of_run(run))
        };
        let first = take(None, &["contacts", "nova:contacts"], "run-1").unwrap();
        let error = take(None, &["accounts", "nova:contacts"], "run-2").err().unwrap();
        assert_eq!(error.kind(), Kind::Busy);
        assert!(error.what().contains("run-1") && error.what().contains(&std::process::id().to_string()), "{error}");
        take(None, &["accounts"], "run-2").unwrap();
        take(Some("sandbox"), &["contacts"], "run-3").unwrap();
        drop(first);
        // What the first wrote is still in the file: stale text of an owner that is gone.
        take(None, &["contacts"], "run-4").unwrap();
    }

    #[test]
    fn an_engine_lock_tells_whether_somebody_holds_it() {
        let run = tempfile::tempdir().unwrap();
        let held = EngineLock::wait(run.path()).unwrap();
        assert!(EngineLock::if_free(run.path()).unwrap().is_none());
        drop(held);
        assert!(EngineLock::if_free(run.path()).unwrap().is_some());
    }
}
