//! Signs of change at a database: SQLite counts what other connections commit.
//!
//! To ask for the counter is to read, and a reader keeps a writer that does not wait from committing. So the times and sizes
//! of the files are looked at first, and the counter is only asked for when they moved, or for a while after that: the
//! clock of a file system is coarse, and two commits may bear the same time.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, ErrorCode};

use crm_core::error::{Error, Result};
use crm_core::platform::{Sign, Trigger};

use super::{failed, open_for_reading};
use crate::files;

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(40);
/// After a change of the files the counter is asked for at each look, so long.
const FRESH: Duration = Duration::from_millis(120);
/// The counter is asked for after this time in any case.
const IN_ANY_CASE: Duration = Duration::from_secs(1);

/// Bytes and times of the database file and of its log.
type Files = [Option<(u64, Option<SystemTime>)>; 2];

struct Opened {
    connection: Connection,
    identity: String,
    version: i64,
}

/// Watches a database.
pub(super) struct Counter {
    path: PathBuf,
    log: PathBuf,
    opened: Option<Opened>,
    files: Files,
    /// When the files were last seen to have moved.
    moved: Instant,
    asked: Instant,
    /// The newest time of the files when the last sign was given.
    told: Option<SystemTime>,
}

impl Counter {
    pub(super) fn of(path: &Path) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let now = Instant::now();
        let mut counter = Self {
            path: path.to_owned(),
            log: log.into(),
            opened: None,
            files: Files::default(),
            moved: now,
            asked: now,
            told: None,
        };
        // From here on each commit counts. One that cannot be opened yet is told of when it can be.
        counter.files = counter.look();
        counter.opened = counter.open().ok();
        counter.told = newest(&counter.files);
        counter
    }

    fn look(&self) -> Files {
        [&self.path, &self.log].map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.len(), metadata.modified().ok()))
        })
    }

    fn identity(&self) -> Result<String> {
        let metadata = std::fs::metadata(&self.path).map_err(|error| Error::io("look at", &self.path, &error))?;
        Ok(files::identity(&metadata))
    }

    fn open(&self) -> Result<Opened> {
        let identity = self.identity()?;
        let connection = open_for_reading(&self.path)?;
        // Who writes is not waited for: the next look comes soon.
        connection.busy_timeout(Duration::ZERO).map_err(|error| failed("open", &self.path, &error))?;
        let version = version(&connection).map_err(|error| failed("read", &self.path, &error))?;
        Ok(Opened { connection, identity, version })
    }

    /// Whether something was committed since the last look.
    fn moved(&mut self) -> Result<bool> {
        let identity = self.identity().inspect_err(|_| self.opened = None)?;
        let now = Instant::now();
        if self.opened.as_ref().is_none_or(|opened| opened.identity != identity) {
            // Another file bears the name: what it holds is news.
            self.opened = None;
            self.files = self.look();
            self.opened = Some(self.open()?);
            return Ok(true);
        }
        let files = self.look();
        if files != self.files {
            (self.files, self.moved) = (files, now);
        }
        if now - self.moved > FRESH && now - self.asked < IN_ANY_CASE {
            return Ok(false);
        }
        let Some(opened) = &mut self.opened else { return Ok(false) };
        self.asked = now;
        match version(&opened.connection) {
            Ok(version) => Ok(std::mem::replace(&mut opened.version, version) != version),
            Err(error)
                if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) =>
            {
                self.moved = now;
                Ok(false)
            }
            Err(error) => {
                let error = failed("read", &self.path, &error);
                self.opened = None;
                Err(error)
            }
        }
    }
}

/// SQLite's counter of what others committed.
fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0))
}

fn newest(files: &Files) -> Option<SystemTime> {
    files.iter().flatten().filter_map(|(_, modified)| *modified).max()
}

impl Trigger for Counter {
    fn words(&self) -> String {
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        format!("commits to {name}, every {}ms", EVERY.as_millis())
    }

    fn wait(&mut self, most: Duration) -> Result<Option<Sign>> {
        let end = Instant::now() + most;
        loop {
            if self.moved()? {
                let newest = newest(&self.files);
                let changed = newest.filter(|at| self.told.is_none_or(|told| told < *at));
                self.told = self.told.max(newest);
                return Ok(Some(Sign { changed, ..Sign::now("sqlite") }));
            }
            let now = Instant::now();
            if now >= end {
                return Ok(None);
            }
            std::thread::sleep(EVERY.min(end - now));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn next(counter: &mut Counter) -> Sign {
        let begun = Instant::now();
        loop {
            if let Ok(Some(sign)) = counter.wait(Duration::from_millis(100)) {
                return sign;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "a sign comes");
        }
    }

    fn commits(mode: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let db = Connection::open(&path).unwrap();
        db.pragma_update(None, "journal_mode", mode).unwrap();
        db.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)").unwrap();
        let mut counter = Counter::of(&path);
        assert_eq!(counter.wait(Duration::ZERO).unwrap(), None, "as it was found");
        for id in 2..6 {
            db.execute("INSERT INTO t VALUES (?1)", [id]).unwrap();
            let sign = next(&mut counter);
            assert_eq!(sign.origin, "sqlite");
            assert_eq!(counter.wait(Duration::ZERO).unwrap(), None, "once");
        }
        db.execute_batch("BEGIN EXCLUSIVE; INSERT INTO t VALUES (9)").unwrap();
        assert_eq!(counter.wait(FRESH).unwrap(), None, "not committed, and locked");
        db.execute_batch("COMMIT").unwrap();
        next(&mut counter);
    }

    #[test]
    fn each_commit_is_a_sign() {
        commits("DELETE");
        commits("WAL");
    }

    #[test]
    fn a_database_that_is_replaced_or_goes_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a.db"), dir.path().join("b.db"));
        let make = |path: &Path| {
            let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)";
            Connection::open(path).unwrap().execute_batch(sql).unwrap();
        };
        let mut counter = Counter::of(&path);
        assert!(counter.wait(Duration::ZERO).is_err(), "it is not there");
        make(&path);
        next(&mut counter);
        make(&other);
        std::fs::rename(&other, &path).unwrap();
        next(&mut counter);
        Connection::open(&path).unwrap().execute("INSERT INTO t VALUES (2)", []).unwrap();
        next(&mut counter);
        std::fs::remove_file(&path).unwrap();
        assert!(counter.wait(Duration::ZERO).is_err());
        make(&path);
        next(&mut counter);
    }
}
