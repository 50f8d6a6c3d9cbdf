//! Files are published whole: staged beside the target, promised in the run's journal, then renamed over it.
//!
//! Order: temp file written and synced → intent (hashes of old and new) synced → the target is still the planned version →
//! rename → folder synced → intent marked done. A kill at any point leaves the target old or new, and [`recover`] completes
//! what was promised: without an intent the temp file is dropped, with one the rename is made up for.
use std::fs::{File, OpenOptions, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crm_core::error::{Error, Result};
use crm_core::migrate::fault;
use crm_core::platform::{ObjectVersion, Recovery};

use crate::files::{file_version, identity, modified_ms};
use crate::intent::{self, State, sync_folder};

/// Bytes between two writes to the disk.
const BUFFER: usize = 256 * 1024;
/// Bytes held back until the end: the longest newline, CRLF in two-byte characters.
const HELD: usize = 4;
/// Longest part of the target's name that goes into the temp file's name, bytes: names end at 255.
const NAME: usize = 120;

/// What is promised about one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Intent {
    state: State,
    run: String,
    object: String,
    target: PathBuf,
    temp: PathBuf,
    /// blake3 of the target before, hex; None: it did not exist.
    old: Option<String>,
    /// blake3 of what replaces it.
    new: String,
}

/// Writes and hashes at once.
struct Hashing {
    file: File,
    hasher: blake3::Hasher,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// The new content of a file while it grows. Dropped unpublished, it leaves nothing behind.
pub(crate) struct Staged {
    object: String,
    /// Where the target really is: behind symbolic links.
    target: PathBuf,
    temp: PathBuf,
    /// None once sealed.
    out: Option<BufWriter<Hashing>>,
    /// Hash of the sealed content.
    hash: String,
    /// The last bytes, not yet written: a newline that may have to go again.
    held: Vec<u8>,
    /// The last two bytes written.
    tail: [u8; 2],
    bytes: u64,
    run: String,
    intent: PathBuf,
    published: bool,
}

/// The file behind symbolic links; a link that leads nowhere is an error.
fn resolve(target: &Path) -> Result<PathBuf> {
    let link = std::fs::symlink_metadata(target).is_ok_and(|metadata| metadata.is_symlink());
    if !link {
        return Ok(target.to_owned());
    }
    std::fs::canonicalize(target).map_err(|error| Error::io("follow the link", target, &error))
}

fn folder(target: &Path) -> &Path {
    target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// `.NAME.crm-console-RUN.tmp` in the target's folder: the same for every attempt of a run.
fn temp_of(target: &Path, run: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let mut end = name.len().min(NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    folder(target).join(format!(".{}.crm-console-{run}.tmp", &name[..end]))
}

fn remove_if_there(path: &Path) -> Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("remove", path, &error)),
    }
}

fn moved(target: &Path) -> Error {
    Error::refused("the target changed since the plan")
        .at(target.display())
        .advise("plan again; nothing was written, the target is as the other program left it")
}

fn gone(target: &Path) -> Error {
    Error::platform(format!("{} is gone; nothing was written", target.display()))
        .advise("bring it back (is the disk mounted?) and resume the run; if it is gone for good, plan again")
}

/// Fails unless the file is the planned version. The content decides where its hash is known: a file that was only
/// touched, or replaced by an equal one, has not moved.
fn check_planned(target: &Path, planned: &ObjectVersion) -> Result<ObjectVersion> {
    let now = file_version(target)?;
    if planned.exists && !now.exists {
        return Err(gone(target));
    }
    let same = if planned.hash.is_empty() || !now.exists {
        now.exists == planned.exists
            && (now.bytes, now.modified_ms, &now.identity) == (planned.bytes, planned.modified_ms, &planned.identity)
    } else {
        planned.exists && now.hash == planned.hash
    };
    // Somebody who writes while the content is hashed shows in the time or size.
    let still = match std::fs::metadata(target) {
        Ok(metadata) => {
            (metadata.len(), modified_ms(&metadata), identity(&metadata))
                == (now.bytes, now.modified_ms, now.identity.clone())
        }
        Err(_) => !now.exists,
    };
    if same && still { Ok(now) } else { Err(moved(target)) }
}

impl Staged {
    /// Begins to stage the new content of `target`. Fails at once where the folder cannot be written, or the target is
    /// already seen to be another than planned.
    pub(crate) fn begin(object: &str, target: &Path, run_dir: &Path, planned: &ObjectVersion) -> Result<Self> {
        let intent = intent::file(run_dir, target, object);
        let target = resolve(target)?;
        let now = std::fs::metadata(&target).ok();
        if let Some(metadata) = &now
            && !metadata.is_file()
        {
            return Err(Error::platform(format!("{} is no plain file", target.display()))
                .advise("a folder, device or pipe cannot be replaced; name a file"));
        }
        if planned.exists && now.is_none() {
            return Err(gone(&target));
        }
        if now.is_some() != planned.exists || now.as_ref().is_some_and(|metadata| metadata.len() != planned.bytes) {
            return Err(moved(&target));
        }
        let run = intent::run_name(run_dir);
        let temp = temp_of(&target, &run);
        let failed = |error: std::io::Error| Error::io("write beside", &target, &error);
        // What an earlier attempt of this run left; and never through a link that somebody put there.
        remove_if_there(&temp)?;
        remove_if_there(&intent)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        if now.is_some() {
            // Nobody may read it who could not read the target.
            options.mode(0o600);
        }
        let file = options.open(&temp).map_err(failed)?;
        let mut staged = Self {
            object: object.to_owned(),
            target: target.clone(),
            temp,
            out: None,
            hash: String::new(),
            held: Vec::new(),
            tail: [0; 2],
            bytes: 0,
            run,
            intent,
            published: false,
        };
        if let Some(metadata) = now {
            // Only the superuser can give a file away; for anybody else the owner is the same already.
            let _ = std::os::unix::fs::fchown(&file, Some(metadata.uid()), Some(metadata.gid()));
            file.set_permissions(Permissions::from_mode(metadata.mode() & 0o7777)).map_err(failed)?;
        }
        let out = BufWriter::with_capacity(BUFFER, Hashing { file, hasher: blake3::Hasher::new() });
        staged.out = Some(out);
        Ok(staged)
    }

    /// The target behind links.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The last two bytes written so far, and how many there are.
    pub(crate) fn tail(&self) -> ([u8; 2], u64) {
        (self.tail, self.bytes)
    }

    /// Takes back the last bytes written: a newline at most.
    pub(crate) fn take_back(&mut self, bytes: usize) {
        self.held.truncate(self.held.len().saturating_sub(bytes));
        self.bytes = self.bytes.saturating_sub(bytes as u64);
    }

    /// The error for a failed write to this file.
    pub(crate) fn failed(&self, error: &std::io::Error) -> Error {
        Error::io("write the new content of", &self.target, error)
    }

    /// Ends writing: everything is on the disk. The staged file can be read at the path that is returned.
    pub(crate) fn seal(&mut self) -> Result<&Path> {
        if let Some(mut out) = self.out.take() {
            let failed = |error: &std::io::Error| Error::io("write the new content of", &self.target, error);
            out.write_all(&self.held).map_err(|error| failed(&error))?;
            let hashing = out.into_inner().map_err(|error| failed(error.error()))?;
            hashing.file.sync_all().map_err(|error| failed(&error))?;
            self.hash = hashing.hasher.finalize().to_hex().to_string();
        }
        Ok(&self.temp)
    }

    /// Puts the staged content in the target's place, if the target is still as planned.
    pub(crate) fn publish(mut self, planned: &ObjectVersion) -> Result<ObjectVersion> {
        self.seal()?;
        let mut intent = self.promise(planned)?;
        fault::point("after-intent");
        if let Err(error) = check_planned(&self.target, planned) {
            intent.state = State::Undone;
            intent::write(&self.intent, &intent)?;
            return Err(error);
        }
        self.rename()?;
        intent.state = State::Done;
        // The target is published whatever happens to this note; without it, recovery compares the hashes.
        let _ = intent::write(&self.intent, &intent);
        let metadata = std::fs::metadata(&self.target).map_err(|error| Error::io("look at", &self.target, &error))?;
        Ok(ObjectVersion {
            exists: true,
            bytes: metadata.len(),
            modified_ms: modified_ms(&metadata),
            identity: identity(&metadata),
            hash: std::mem::take(&mut self.hash),
        })
    }

    fn promise(&self, planned: &ObjectVersion) -> Result<Intent> {
        let old = match (planned.exists, planned.hash.is_empty()) {
            (false, _) => None,
            (true, false) => Some(planned.hash.clone()),
            (true, true) => Some(file_version(&self.target)?.hash),
        };
        let intent = Intent {
            state: State::Promised,
            run: self.run.clone(),
            object: self.object.clone(),
            target: std::path::absolute(&self.target).unwrap_or_else(|_| self.target.clone()),
            temp: std::path::absolute(&self.temp).unwrap_or_else(|_| self.temp.clone()),
            old,
            new: self.hash.clone(),
        };
        intent::write(&self.intent, &intent)?;
        Ok(intent)
    }

    fn rename(&mut self) -> Result<()> {
        std::fs::rename(&self.temp, &self.target)
            .map_err(|error| Error::io("put the new content in place of", &self.target, &error))?;
        self.published = true;
        fault::point("after-rename");
        sync_folder(folder(&self.target)).map_err(|error| Error::io("sync the folder of", &self.target, &error))
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &mut self.out {
            Some(out) => {
                // Whatever is longer than what is held back pushes that out; the last bytes of it are held instead.
                let from_held = (self.held.len() + bytes.len()).saturating_sub(HELD).min(self.held.len());
                out.write_all(&self.held[..from_held])?;
                self.held.drain(..from_held);
                let through = bytes.len().saturating_sub(HELD);
                out.write_all(&bytes[..through])?;
                self.held.extend_from_slice(&bytes[through..]);
                match *bytes {
                    [] => {}
                    [last] => self.tail = [self.tail[1], last],
                    [.., first, last] => self.tail = [first, last],
                }
                self.bytes += bytes.len() as u64;
                Ok(bytes.len())
            }
            None => Err(std::io::Error::other("the staged file is sealed")),
        }
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.out.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            self.out = None;
            let _ = std::fs::remove_file(&self.temp);
        }
    }
}

/// Completes or undoes what a killed run left of `target` (see [`crm_core::platform::Connector::recover`]).
pub(crate) fn recover(object: &str, target: &Path, run_dir: &Path) -> Result<Option<Recovery>> {
    let file = intent::file(run_dir, target, object);
    let target = resolve(target)?;
    let temp = temp_of(&target, &intent::run_name(run_dir));
    let found = |published: bool, note: &str| {
        Ok(Some(Recovery { object: object.to_owned(), published, note: note.to_owned() }))
    };
    let Some(mut intent) = intent::read::<Intent>(&file)? else {
        return if remove_if_there(&temp)? {
            found(false, "the run was stopped while it staged; the staged file was removed, the target is as before")
        } else {
            Ok(None)
        };
    };
    let (state, published, note) = match intent.state {
        State::Done => (State::Done, true, "the target had been published before the stop"),
        State::Undone | State::Begun => (State::Undone, false, "nothing had been published; the target is as before"),
        State::Promised => {
            let now = file_version(&target)?;
            let current = now.exists.then_some(now.hash);
            if current.as_deref() == Some(intent.new.as_str()) {
                (State::Done, true, "the target had been published just before the stop")
            } else if current == intent.old && file_version(&temp)?.hash == intent.new {
                std::fs::rename(&temp, &target)
                    .map_err(|error| Error::io("put the new content in place of", &target, &error))?;
                (State::Done, true, "everything had been staged and promised: the target was published now")
            } else if current == intent.old {
                (State::Undone, false, "the staged file is gone or damaged; the target is as before")
            } else {
                let note =
                    "the target was changed by another program; it was left as it is, the staged file was removed";
                (State::Undone, false, note)
            }
        }
    };
    remove_if_there(&temp)?;
    sync_folder(folder(&target)).map_err(|error| Error::io("sync the folder of", &target, &error))?;
    if intent.state != state {
        intent.state = state;
        intent::write(&file, &intent)?;
    }
    found(published, note)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crm_core::Kind;

    struct Place {
        dir: tempfile::TempDir,
    }

    impl Place {
        fn new(old: Option<&str>) -> Self {
            let place = Self { dir: tempfile::tempdir().unwrap() };
            std::fs::create_dir(place.dir.path().join("data")).unwrap();
            if let Some(old) = old {
                std::fs::write(place.target(), old).unwrap();
            }
            place
        }
        fn target(&self) -> PathBuf {
            self.dir.path().join("data/contacts.csv")
        }
        fn run_dir(&self) -> PathBuf {
            self.dir.path().join("runs/r1")
        }
        fn staged(&self) -> Result<Staged> {
            let planned = file_version(&self.target()).unwrap();
            let mut staged = Staged::begin("contacts", &self.target(), &self.run_dir(), &planned)?;
            staged.write_all(b"new").unwrap();
            Ok(staged)
        }
        fn recover(&self) -> Option<Recovery> {
            recover("contacts", &self.target(), &self.run_dir()).unwrap()
        }
        /// Content of the target, and names of the files beside it.
        fn state(&self) -> (Option<String>, usize) {
            let files = std::fs::read_dir(self.dir.path().join("data")).unwrap().count();
            (std::fs::read_to_string(self.target()).ok(), files)
        }
    }

    #[test]
    fn publishes_whole_and_keeps_permission_bits() {
        for (old, mode) in [(Some("old"), 0o640), (None, 0)] {
            let place = Place::new(old);
            if old.is_some() {
                std::fs::set_permissions(place.target(), Permissions::from_mode(mode)).unwrap();
            }
            let planned = file_version(&place.target()).unwrap();
            let staged = place.staged().unwrap();
            assert_eq!(place.state().0.as_deref(), old);
            let version = staged.publish(&planned).unwrap();
            assert_eq!(version, file_version(&place.target()).unwrap());
            assert_eq!(place.state(), (Some("new".into()), 1));
            if old.is_some() {
                assert_eq!(std::fs::metadata(place.target()).unwrap().mode() & 0o7777, mode);
            }
            assert!(place.recover().unwrap().published);
        }
    }

    #[test]
    fn follows_links_and_refuses_what_is_no_file() {
        let place = Place::new(Some("old"));
        let link = place.dir.path().join("link.csv");
        std::os::unix::fs::symlink(place.target(), &link).unwrap();
        let planned = file_version(&link).unwrap();
        let mut staged = Staged::begin("contacts", &link, &place.run_dir(), &planned).unwrap();
        staged.write_all(b"new").unwrap();
        staged.publish(&planned).unwrap();
        assert_eq!(place.state(), (Some("new".into()), 1));
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        let planned = ObjectVersion::default();
        assert!(Staged::begin("x", place.dir.path(), &place.run_dir(), &planned).is_err());
        let lost = place.dir.path().join("lost.csv");
        std::os::unix::fs::symlink(place.dir.path().join("nowhere"), &lost).unwrap();
        assert!(Staged::begin("x", &lost, &place.run_dir(), &planned).is_err());
        let nowhere = place.dir.path().join("no/folder/x.csv");
        assert!(Staged::begin("x", &nowhere, &place.run_dir(), &planned).is_err());
    }

    #[test]
    fn a_target_that_moved_is_refused_and_left_alone() {
        let place = Place::new(Some("old"));
        let planned = file_version(&place.target()).unwrap();
        let staged = place.staged().unwrap();
        std::fs::write(place.target(), "own").unwrap();
        let error = staged.publish(&planned).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert_eq!(place.state(), (Some("own".into()), 1));
        assert!(!place.recover().unwrap().published);
        assert_eq!(place.state(), (Some("own".into()), 1));
        // Appeared, gone, grown: seen before anything is staged.
        let target = place.target();
        let begin = |planned: &ObjectVersion| {
            Staged::begin("contacts", &target, &place.run_dir(), planned).err().unwrap().kind()
        };
        assert_eq!(begin(&ObjectVersion::default()), Kind::Refused);
        assert_eq!(begin(&ObjectVersion { bytes: 9, ..planned.clone() }), Kind::Refused);
        // What is gone may come back: that is no other content.
        std::fs::remove_file(place.target()).unwrap();
        assert_eq!(begin(&planned), Kind::Platform);
    }

    #[test]
    fn a_file_that_was_only_touched_has_not_moved() {
        let place = Place::new(Some("old"));
        let planned = file_version(&place.target()).unwrap();
        let staged = place.staged().unwrap();
        std::fs::remove_file(place.target()).unwrap();
        std::fs::write(place.target(), "old").unwrap();
        staged.publish(&planned).unwrap();
        assert_eq!(place.state().0.as_deref(), Some("new"));
    }

    #[test]
    fn recovers_from_a_kill_at_every_point() {
        for old in [Some("old"), None] {
            let before = old.map(str::to_owned);
            let beside = usize::from(old.is_some());
            let planned = |place: &Place| file_version(&place.target()).unwrap();

            let place = Place::new(old);
            assert_eq!(place.recover(), None);

            let staged = place.staged().unwrap();
            drop(staged);
            assert_eq!(place.state(), (before.clone(), beside), "a dropped writer leaves nothing");
            assert_eq!(place.recover(), None);

            // Killed while staging.
            std::mem::forget(place.staged().unwrap());
            assert!(!place.recover().unwrap().published);
            assert_eq!(place.state(), (before.clone(), beside));

            // Killed between the promise and the rename: rolled forward.
            let mut staged = place.staged().unwrap();
            staged.seal().unwrap();
            staged.promise(&planned(&place)).unwrap();
            std::mem::forget(staged);
            for _ in 0..2 {
                assert!(place.recover().unwrap().published);
                assert_eq!(place.state(), (Some("new".into()), 1));
            }

            // Killed between the rename and the note.
            let place = Place::new(old);
            let mut staged = place.staged().unwrap();
            staged.seal().unwrap();
            staged.promise(&planned(&place)).unwrap();
            staged.rename().unwrap();
            std::mem::forget(staged);
            assert!(place.recover().unwrap().published);
            assert_eq!(place.state(), (Some("new".into()), 1));

            // Promised, then the staged file was damaged, or another program wrote the target.
            for (damage, after) in [(true, before.clone()), (false, Some("own".to_owned()))] {
                let place = Place::new(old);
                let mut staged = place.staged().unwrap();
                staged.seal().unwrap();
                staged.promise(&planned(&place)).unwrap();
                std::fs::write(if damage { staged.temp.clone() } else { place.target() }, "own").unwrap();
                std::mem::forget(staged);
                assert!(!place.recover().unwrap().published);
                assert_eq!(place.state(), (after.clone(), usize::from(after.is_some())));
            }
        }
    }
}
