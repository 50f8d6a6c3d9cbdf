//! Signs of change at a file: events of its folder, so that a file that is replaced by a rename, or that goes and comes back,
//! is seen as well as one that is written in place.
//!
//! A sign is given when the file has come to rest. A file that is being written anew is waited for until its writer closes
//! it, so that nobody reads the half of it; one that only grows is looked at while it grows.
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crm_core::error::Result;
use crm_core::platform::{Sign, Trigger};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use crate::files;

/// Time without an event, after which a file has come to rest.
const SETTLE: Duration = Duration::from_millis(50);
/// A file that goes on growing is looked at after this time all the same.
const GROWING: Duration = Duration::from_millis(500);
/// A writer that truncated the file and went silent with the file open is waited for so long.
const HALF_WRITTEN: Duration = Duration::from_secs(10);
/// Time between two looks at the file where there are no events.
const POLL: Duration = Duration::from_millis(250);
/// Time after which it is tried again to get events.
const AGAIN: Duration = Duration::from_secs(60);

/// A file as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    identity: String,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl State {
    /// None: it is not there.
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { identity: files::identity(&metadata), bytes: metadata.len(), modified: metadata.modified().ok() })
    }
}

/// What events said since the last sign; it does not grow with their number.
#[derive(Debug, Default)]
struct Rung {
    /// When the first and the last event came.
    span: Option<(Instant, Instant)>,
    /// Somebody wrote and did not close the file yet.
    writing: bool,
    /// The fewest bytes that the file had meanwhile.
    least: Option<u64>,
}

#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<Rung>,
    news: Condvar,
}

impl Bell {
    fn rung(&self) -> MutexGuard<'_, Rung> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, change: impl FnOnce(&mut Rung)) {
        let now = Instant::now();
        let mut rung = self.rung();
        rung.span = Some((rung.span.map_or(now, |(first, _)| first), now));
        change(&mut rung);
        drop(rung);
        self.news.notify_all();
    }

    /// An event of the folder.
    fn hear(&self, path: &Path, event: notify::Result<notify::Event>) {
        let Ok(event) = event else { return self.ring(|_| {}) };
        if event.need_rescan() {
            return self.ring(|_| {});
        }
        if !event.paths.iter().any(|one| one == path) {
            return;
        }
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => self.ring(|rung| rung.writing = false),
            // Reading is no change, and the console's own looks are such.
            EventKind::Access(_) => {}
            EventKind::Modify(ModifyKind::Data(_)) => {
                let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
                self.ring(|rung| {
                    rung.writing = true;
                    rung.least = Some(rung.least.map_or(bytes, |least| least.min(bytes)));
                });
            }
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) | EventKind::Remove(_) => {
                // Another file bears the name now, or none: who writes the old one is of no interest.
                self.ring(|rung| (rung.writing, rung.least) = (false, None));
            }
            _ => self.ring(|_| {}),
        }
    }
}

/// Watches one file.
pub(crate) struct FileEvents {
    path: PathBuf,
    bell: Arc<Bell>,
    /// None: there are no events, the file is looked at every so often.
    watcher: Option<RecommendedWatcher>,
    /// Why there are none.
    without: Option<String>,
    tried: Instant,
    /// The folder as it was when it was last tried to watch it; None: it was not there.
    folder: Option<String>,
    /// The file as the last sign told of it.
    known: Option<State>,
    /// The file as it was a moment ago.
    probe: Option<(Instant, Option<State>)>,
}

impl FileEvents {
    /// Watches a file, whether it is there or not.
    pub(crate) fn of(path: &Path) -> Self {
        // Events name files as the watched folder was named.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut events = Self {
            known: None,
            path,
            bell: Arc::default(),
            watcher: None,
            without: None,
            tried: Instant::now(),
            folder: None,
            probe: None,
        };
        events.watch();
        // What happens from here on rings the bell.
        events.known = State::of(&events.path);
        events
    }

    fn folder_of(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new("/"))
    }

    fn watch(&mut self) {
        self.tried = Instant::now();
        self.watcher = None;
        let folder = self.folder_of().to_owned();
        self.folder = std::fs::metadata(&folder).ok().map(|metadata| files::identity(&metadata));
        let (bell, path) = (Arc::clone(&self.bell), self.path.clone());
        let watching = notify::recommended_watcher(move |event| bell.hear(&path, event)).and_then(|mut watcher| {
            watcher.watch(&folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        match watching {
            Ok(watcher) => (self.watcher, self.without) = (Some(watcher), None),
            Err(error) => {
                self.without = Some(match error.kind {
                    notify::ErrorKind::MaxFilesWatch => {
                        "the system's limit of watches is reached: fs.inotify.max_user_watches".to_owned()
                    }
                    notify::ErrorKind::PathNotFound => "its folder is not there".to_owned(),
                    notify::ErrorKind::Io(error) => error.to_string(),
                    _ => "the system gives no file events".to_owned(),
                });
            }
        }
    }

    /// The folder is the one that is watched; else it is watched anew, and what was missed meanwhile is looked at.
    fn keep_watching(&mut self) {
        let identity = std::fs::metadata(self.folder_of()).ok().map(|metadata| files::identity(&metadata));
        if identity != self.folder || self.watcher.is_none() && self.tried.elapsed() >= AGAIN {
            self.watch();
            self.bell.ring(|rung| (rung.writing, rung.least) = (false, None));
        }
    }

    /// Whether the file is to be looked at now; else when to ask again.
    fn is_due(&mut self, now: Instant) -> std::result::Result<Option<State>, Instant> {
        let (span, writing, least) = {
            let rung = self.bell.rung();
            (rung.span, rung.writing, rung.least)
        };
        let Some((first, last)) = span else {
            self.probe = None;
            return Err(now + POLL);
        };
        let state = State::of(&self.path);
        let rested = match &self.probe {
            Some((at, before)) if *before == state => now - *at >= SETTLE && now - last >= SETTLE,
            _ => {
                self.probe = Some((now, state.clone()));
                false
            }
        };
        let grows = match (&self.known, &state) {
            (Some(known), Some(state)) => {
                known.identity == state.identity
                    && state.bytes >= known.bytes
                    && least.is_none_or(|least| least >= known.bytes)
            }
            _ => false,
        };
        if rested && (!writing || grows || now - last >= HALF_WRITTEN) || grows && now - first >= GROWING {
            return Ok(state);
        }
        let wake = (last + SETTLE).max(self.probe.as_ref().map_or(now, |(at, _)| *at + SETTLE));
        Err(if wake > now { wake } else { now + SETTLE })
    }

    fn sign(&mut self, state: Option<State>) -> Sign {
        *self.bell.rung() = Rung::default();
        self.probe = None;
        let before = self.known.as_ref().and_then(|known| known.modified);
        let changed =
            state.as_ref().and_then(|state| state.modified).filter(|at| before.is_none_or(|before| before < *at));
        self.known = state;
        Sign { changed, ..Sign::now("file") }
    }

    /// Looks at the file where there are no events.
    fn poll(&mut self) {
        let state = State::of(&self.path);
        let moved = self.probe.as_ref().map_or(state != self.known, |(_, before)| *before != state);
        if moved {
            let bytes = state.as_ref().map_or(0, |state| state.bytes);
            self.bell.ring(|rung| rung.least = Some(rung.least.map_or(bytes, |least| least.min(bytes))));
        }
    }
}

impl Trigger for FileEvents {
    fn words(&self) -> String {
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let file = format!("{}/{}", name(self.folder_of()), name(&self.path));
        match &self.without {
            None => format!("file events on {file}"),
            Some(why) => format!("the state of {file}, every {}ms ({why})", POLL.as_millis()),
        }
    }

    fn wait(&mut self, most: Duration) -> Result<Option<Sign>> {
        let end = Instant::now() + most;
        loop {
            self.keep_watching();
            if self.watcher.is_none() {
                self.poll();
            }
            let now = Instant::now();
            let until = match self.is_due(now) {
                Ok(state) => return Ok(Some(self.sign(state))),
                Err(until) => until.min(end),
            };
            if now >= end {
                return Ok(None);
            }
            let bell = Arc::clone(&self.bell);
            let rung = bell.rung();
            // An event that only puts off when the file has come to rest need not wake anybody.
            if rung.span.is_none() {
                drop(bell.news.wait_timeout_while(rung, until - now, |rung| rung.span.is_none()));
            } else {
                drop(rung);
                std::thread::sleep(until - now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::File;
    use std::io::Write;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn next(events: &mut FileEvents) -> Sign {
        let begun = Instant::now();
        loop {
            if let Some(sign) = events.wait(Duration::from_millis(250)).unwrap() {
                return sign;
            }
            assert!(begun.elapsed() < PATIENCE, "a sign comes");
        }
    }

    /// All signs of a while are taken, until there is none.
    fn quiet(events: &mut FileEvents) {
        while events.wait(SETTLE * 4).unwrap().is_some() {}
    }

    #[test]
    fn written_renamed_removed_and_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::write(&path, "ID\n1\n").unwrap();
        let mut events = FileEvents::of(&path);
        assert!(events.words().starts_with("file events on "), "{}", events.words());
        assert_eq!(events.wait(Duration::ZERO).unwrap(), None, "as it was found");
        std::fs::read(&path).unwrap();
        std::fs::write(dir.path().join("b.csv"), "ID\n").unwrap();
        assert_eq!(events.wait(SETTLE * 4).unwrap(), None, "reading, and another file, are no change");

        std::fs::write(&path, "ID\n1\n2\n").unwrap();
        let sign = next(&mut events);
        assert_eq!((sign.origin, sign.changed), ("file", path.metadata().unwrap().modified().ok()));
        quiet(&mut events);
        std::fs::rename(dir.path().join("b.csv"), &path).unwrap();
        next(&mut events);
        quiet(&mut events);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(next(&mut events).changed, None);
        quiet(&mut events);
        std::fs::write(&path, "ID\n3\n").unwrap();
        next(&mut events);
    }

    #[test]
    fn a_file_that_is_written_anew_is_waited_for_and_one_that_grows_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::write(&path, "ID\n1\n2\n3\n").unwrap();
        let mut events = FileEvents::of(&path);
        let mut half = File::create(&path).unwrap();
        half.write_all(b"ID\n1\n").unwrap();
        assert_eq!(events.wait(GROWING * 2).unwrap(), None, "its writer has it open");
        half.write_all(b"2\n3\n4\n").unwrap();
        assert_eq!(events.wait(GROWING * 2).unwrap(), None, "longer than before, and still being written");
        drop(half);
        next(&mut events);
        quiet(&mut events);
        let mut log = File::options().append(true).open(&path).unwrap();
        log.write_all(b"5\n").unwrap();
        next(&mut events);
        drop(log);
    }

    #[test]
    fn a_folder_that_goes_and_comes_back_is_watched_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("old");
        let path = folder.join("a.csv");
        let mut events = FileEvents::of(&path);
        assert!(events.words().contains("its folder is not there"), "{}", events.words());
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&path, "ID\n1\n").unwrap();
        next(&mut events);
        quiet(&mut events);
        std::fs::remove_dir_all(&folder).unwrap();
        next(&mut events);
        quiet(&mut events);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&path, "ID\n2\n").unwrap();
        next(&mut events);
    }
}
