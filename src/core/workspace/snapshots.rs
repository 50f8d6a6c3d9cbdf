//! Snapshots and profiles, kept in the state folder: `snapshots/PLATFORM/OBJECT/N/`, the newest `N` last.
//!
//! Beside each snapshot, in `N.json`, stands what its object's version cannot say (the state of the local files behind it), so
//! that a table of a database is not read again as long as nothing was written.
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::Workspace;
use crate::error::{Error, Result};
use crate::journal::erased::ErasedList;
use crate::journal::{StateDir, private_folder, state_file_name};
use crate::monitor::Monitor;
use crate::platform::{Connector, Source};
use crate::table::Snapshot;
use crate::table::profile::{Profile, profile};
use crate::table::snapshot::Forget;

/// How fresh a snapshot must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Any that was taken from the object's present version (files: same hash or identity, size and time).
    Cached,
    /// Read again.
    Now,
}

/// Time between two looks at whether another snapshot of the same object is finished.
const LOOK: std::time::Duration = std::time::Duration::from_millis(10);

/// A local file as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FileSeen {
    path: PathBuf,
    bytes: u64,
    modified_ns: u128,
}

/// How an object looked when its snapshot was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    files: Vec<FileSeen>,
}

impl Seen {
    fn now(connector: &dyn Connector, source: &Source) -> Self {
        let object = match source {
            Source::Object(object) => object.as_str(),
            Source::Query { .. } => "",
        };
        let mut files = Vec::new();
        for path in connector.paths(object) {
            // A database writes beside its file first.
            let mut log = path.clone().into_os_string();
            log.push("-wal");
            for path in [path, PathBuf::from(log)] {
                let Ok(metadata) = path.metadata() else { continue };
                let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                files.push(FileSeen {
                    path,
                    bytes: metadata.len(),
                    modified_ns: modified.map(|at| at.as_nanos()).unwrap_or_default(),
                });
            }
        }
        Self { files }
    }
}

impl Workspace {
    /// A snapshot of an object, taken now or found.
    pub fn snapshot(
        &self,
        platform: &str,
        source: &Source,
        label: &str,
        freshness: Freshness,
        monitor: &dyn Monitor,
    ) -> Result<Snapshot> {
        let connector = self.connector(platform)?;
        self.snapshot_of(platform, connector.as_ref(), source, label, freshness, monitor)
    }

    fn snapshot_of(
        &self,
        platform: &str,
        connector: &dyn Connector,
        source: &Source,
        label: &str,
        freshness: Freshness,
        monitor: &dyn Monitor,
    ) -> Result<Snapshot> {
        let folder = self.snapshot_folder(platform, source)?;
        let _alone = alone(&folder, monitor)?;
        let numbers = taken(&folder)?;
        let seen = Seen::now(connector, source);
        if freshness == Freshness::Cached
            && let Some(found) = current(&folder, &numbers, connector, source, &seen)?
        {
            return Ok(found);
        }
        let next = numbers.last().map_or(1, |last| last + 1);
        let dir = folder.join(next.to_string());
        let erased = ErasedList::open(&StateDir::of(&self.project().root))?.and_then(|list| list.of_object(label));
        let forget = erased.as_ref().map(|erased| erased as &dyn Forget);
        let snapshot = Snapshot::take_without(forget, connector, source, label, &dir, None, monitor)?;
        let text = serde_json::to_vec(&seen).map_err(|_| Error::platform("cannot note the state of a snapshot"))?;
        let note = folder.join(format!("{next}.json"));
        std::fs::write(&note, text).map_err(|error| Error::io("write", &note, &error))?;
        self.forget_old(&folder, &numbers);
        Ok(snapshot)
    }

    /// The newest snapshot whatever happened since, else a new one: for looking at rows while a mapping is edited. Planning
    /// and running never use it.
    pub(super) fn glance(
        &self,
        platform: &str,
        source: &Source,
        label: &str,
        monitor: &dyn Monitor,
    ) -> Result<Snapshot> {
        let connector = self.connector(platform)?;
        let folder = self.snapshot_folder(platform, source)?;
        let numbers = taken(&folder)?;
        let unknowable = Seen::now(connector.as_ref(), source).files.is_empty();
        if unknowable
            && let Some(last) = numbers.last()
            && let Ok(snapshot) = Snapshot::open(&folder.join(last.to_string()))
        {
            return Ok(snapshot);
        }
        self.snapshot_of(platform, connector.as_ref(), source, label, Freshness::Cached, monitor)
    }

    /// The newest snapshot of an object that is there, and whether the files behind the object are as they were when it was
    /// taken. Reads no row and makes nothing.
    pub(in crate::workspace) fn known_snapshot(
        &self,
        platform: &str,
        connector: &dyn Connector,
        source: &Source,
    ) -> Result<Option<(Snapshot, bool)>> {
        let folder = self.snapshot_path(platform, source);
        if !folder.is_dir() {
            return Ok(None);
        }
        let Some(last) = taken(&folder)?.pop() else { return Ok(None) };
        let Ok(snapshot) = Snapshot::open(&folder.join(last.to_string())) else { return Ok(None) };
        let seen = Seen::now(connector, source);
        let same = !seen.files.is_empty() && noted(&folder, last).as_ref() == Some(&seen);
        Ok(Some((snapshot, same)))
    }

    /// The profile of an object, from the state folder if the snapshot is the same.
    pub fn profile(&self, platform: &str, source: &Source, label: &str, monitor: &dyn Monitor) -> Result<Profile> {
        let snapshot = self.snapshot(platform, source, label, Freshness::Cached, monitor)?;
        let mut file = snapshot.dir().as_os_str().to_owned();
        file.push(".profile");
        let file = PathBuf::from(file);
        if let Ok(text) = std::fs::read(&file)
            && let Ok(profile) = serde_json::from_slice(&text)
        {
            return Ok(profile);
        }
        let profile = profile(&snapshot, monitor)?;
        if let Ok(text) = serde_json::to_vec(&profile) {
            std::fs::write(&file, text).map_err(|error| Error::io("write", &file, &error))?;
        }
        Ok(profile)
    }

    fn snapshot_folder(&self, platform: &str, source: &Source) -> Result<PathBuf> {
        StateDir::of(&self.project().root).make()?;
        let folder = self.snapshot_path(platform, source);
        private_folder(&folder)?;
        Ok(folder)
    }

    fn snapshot_path(&self, platform: &str, source: &Source) -> PathBuf {
        let platform = match &self.project().env {
            Some(env) => format!("{platform}@{env}"),
            None => platform.to_owned(),
        };
        let object = match source {
            Source::Object(object) => state_file_name(object),
            Source::Query { sql, id } => {
                let text = format!("{sql}\n{}", id.as_deref().unwrap_or_default());
                format!("query.{}", &blake3::hash(text.as_bytes()).to_hex()[..16])
            }
        };
        StateDir::of(&self.project().root).snapshots().join(state_file_name(&platform)).join(object)
    }

    /// Removes old snapshots that no stored plan refers to. What cannot be removed now is next time.
    fn forget_old(&self, folder: &Path, numbers: &[u64]) {
        let old = &numbers[..numbers.len().saturating_sub(self.project().state.snapshots.saturating_sub(1))];
        if old.is_empty() {
            return;
        }
        let used = self.snapshots_in_use();
        for number in old {
            let dir = folder.join(number.to_string());
            if !used.iter().any(|one| one.ends_with(dir.strip_prefix(&self.project().root).unwrap_or(&dir))) {
                _ = std::fs::remove_dir_all(&dir);
                _ = std::fs::remove_file(folder.join(format!("{number}.json")));
                _ = std::fs::remove_file(folder.join(format!("{number}.profile")));
            }
        }
    }
}

/// Waits until nobody else, in this process or another, takes a snapshot of this object: two jobs that need the same one
/// would write the same folder. The second finds what the first took.
pub(super) fn alone(folder: &Path, monitor: &dyn Monitor) -> Result<std::fs::File> {
    let path = folder.join("lock");
    let file = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| Error::io("write", &path, &error))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => {
                monitor.check()?;
                std::thread::sleep(LOOK);
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(Error::io("lock", &path, &error)),
        }
    }
}

/// Numbers of the snapshots in a folder, ascending.
fn taken(folder: &Path) -> Result<Vec<u64>> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::io("list", folder, &error))?;
    let mut numbers: Vec<u64> = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The newest snapshot, if its object is still as it was.
fn current(
    folder: &Path,
    numbers: &[u64],
    connector: &dyn Connector,
    source: &Source,
    seen: &Seen,
) -> Result<Option<Snapshot>> {
    let Some(last) = numbers.last() else { return Ok(None) };
    let Ok(snapshot) = Snapshot::open(&folder.join(last.to_string())) else { return Ok(None) };
    let version = match source {
        Source::Object(object) => connector.version(object)?,
        Source::Query { .. } => snapshot.meta().version.clone(),
    };
    let known = &snapshot.meta().version;
    if version.exists != known.exists {
        return Ok(None);
    }
    if !version.hash.is_empty() && !known.hash.is_empty() {
        return Ok((version.hash == known.hash && version.bytes == known.bytes).then_some(snapshot));
    }
    let same =
        version.identity == known.identity && !seen.files.is_empty() && noted(folder, *last).as_ref() == Some(seen);
    Ok(same.then_some(snapshot))
}

/// How an object looked when a snapshot of it was taken, if that was noted.
fn noted(folder: &Path, number: u64) -> Option<Seen> {
    std::fs::read(folder.join(format!("{number}.json"))).ok().and_then(|text| serde_json::from_slice(&text).ok())
}
