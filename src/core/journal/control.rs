//! `control.db`: what runs there are, how far they are, what they are told, who did what.
//!
//! Screens read it, the engine writes it. It is small and written seldom (progress at most five times a second by the
//! one who writes), apart from everything a run reads and writes by the row.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, TransactionBehavior, params};
use serde::Serialize;

use super::command::ORDERS;
use super::{Command, Entry, RunRecord, RunState, now, who};
use crate::error::{Error, Result};
use crate::monitor::Progress;

/// How long a statement waits for another process.
const BUSY: Duration = Duration::from_secs(10);

/// An open `control.db`.
pub struct Control {
    connection: Connection,
    path: PathBuf,
}

impl Control {
    /// Opens the file, made and brought up to date on first use.
    pub fn open(path: &Path) -> Result<Self> {
        let mut connection = open_store(path, &MIGRATIONS)?;
        super::audit::chain_old_lines(&mut connection, path)?;
        Ok(Self { connection, path: path.to_owned() })
    }
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
    /// Fails unless the store is whole.
    pub fn check(&self) -> Result<()> {
        let answer: String = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if answer == "ok" {
            return Ok(());
        }
        Err(crate::Error::platform(format!("control.db is damaged: {answer}"))
            .advise("no run is going on in it any more; move it aside, the targets are not touched by that"))
    }
    /// Adds a run.
    pub fn add_run(&self, record: &RunRecord) -> Result<()> {
        self.write(record, "")
    }
    /// Writes all of a run, its progress included.
    pub fn put_run(&self, record: &RunRecord) -> Result<()> {
        self.write(record, UPDATE)
    }
    fn write(&self, record: &RunRecord, known: &str) -> Result<()> {
        let sql = format!(
            "INSERT INTO runs (id, plan, env, state, started, ended, pid, owner, step, done, total, rate, results,
             consistency, note, failure, attempt, intent)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
             {known}"
        );
        self.connection.prepare_cached(&sql)?.execute(params![
            record.id,
            record.plan,
            record.env,
            word(&record.state)?,
            record.started,
            record.ended,
            record.pid,
            record.owner,
            record.progress.step,
            record.progress.done as i64,
            record.progress.total.map(|total| total as i64),
            record.rate,
            serde_json::to_string(&record.results).map_err(|_| damaged("results"))?,
            record.consistency,
            record.note,
            record.failure.as_ref().map(word).transpose()?,
            record.attempt,
            record.intent.as_ref().map(serde_json::to_string).transpose().map_err(|_| damaged("what a run is for"))?,
        ])?;
        Ok(())
    }
    /// Notes who the engine of a run that starts is; a run that goes on already is left alone.
    pub fn set_pid(&self, id: &str, pid: u32) -> Result<()> {
        self.connection.execute("UPDATE runs SET pid = ?2 WHERE id = ?1 AND state = 'starting'", params![id, pid])?;
        Ok(())
    }
    /// Writes how far a run is.
    pub fn progress(&self, id: &str, progress: &Progress, rate: f64) -> Result<()> {
        self.connection
            .prepare_cached("UPDATE runs SET step = ?2, done = ?3, total = ?4, rate = ?5 WHERE id = ?1")?
            .execute(params![
                id,
                progress.step,
                progress.done as i64,
                progress.total.map(|total| total as i64),
                rate
            ])?;
        Ok(())
    }
    /// One run.
    pub fn run(&self, id: &str) -> Result<Option<RunRecord>> {
        let mut statement = self.connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
        statement.query_row([id], row).optional()?.transpose()
    }
    /// All runs, newest first.
    pub fn runs(&self) -> Result<Vec<RunRecord>> {
        let mut statement = self.connection.prepare_cached(&format!("{SELECT} ORDER BY started DESC, rowid DESC"))?;
        let records: Vec<Result<RunRecord>> = statement.query_map([], row)?.collect::<rusqlite::Result<_>>()?;
        records.into_iter().collect()
    }
    /// Runs that are not ended, oldest first.
    pub fn open_runs(&self) -> Result<Vec<RunRecord>> {
        let mut open = self.runs()?;
        open.retain(|record| !record.state.is_final());
        open.reverse();
        Ok(open)
    }
    /// Sets the state alone, of a run that is not ended.
    pub fn set_state(&self, id: &str, state: RunState) -> Result<()> {
        self.connection.execute(
            "UPDATE runs SET state = ?2 WHERE id = ?1 AND state NOT IN ('done', 'failed', 'cancelled', 'stopped', 'crashed')",
            params![id, word(&state)?],
        )?;
        Ok(())
    }
    /// Begins the next attempt of a run that is as `known`; orders to the one before are forgotten, settings stay. False:
    /// it is not so any more, somebody else was quicker.
    pub fn next_attempt(&self, known: &RunRecord, pid: u32) -> Result<bool> {
        let transaction = rusqlite::Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let begun = transaction.execute(
            "UPDATE runs SET state = ?4, attempt = attempt + 1, pid = ?5, ended = NULL, note = NULL, failure = NULL
             WHERE id = ?1 AND state = ?2 AND attempt = ?3",
            params![known.id, word(&known.state)?, known.attempt, word(&RunState::Starting)?, pid],
        )?;
        transaction.execute(&format!("DELETE FROM commands WHERE run = ?1 AND command IN {ORDERS}"), [&known.id])?;
        if begun == 1 {
            transaction.commit()?;
        }
        Ok(begun == 1)
    }
    /// Tells a run something, and notes it in the audit log.
    pub fn send(&self, run: &str, command: Command) -> Result<()> {
        self.connection.execute(
            "INSERT INTO commands (run, command, value, at, who) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![run, command.word(), command.value(), now(), who()],
        )?;
        let entry = Entry::new(format!("asked to {}", command.word())).run(run);
        self.record(&match command.value() {
            Some(value) => entry.detail(value.to_string()),
            None => entry,
        })
    }
    /// What a run was told after the command `after` (0: from the first on), oldest first, and the number of the last.
    pub fn told(&self, run: &str, after: i64) -> Result<(Vec<Command>, i64)> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, command, value FROM commands WHERE run = ?1 AND id > ?2 ORDER BY id")?;
        let mut rows = statement.query(params![run, after])?;
        let (mut told, mut last) = (Vec::new(), after);
        while let Some(row) = rows.next()? {
            last = row.get(0)?;
            told.extend(Command::of(&row.get::<_, String>(1)?, row.get(2)?));
        }
        Ok((told, last))
    }
}

/// A run that is known keeps its place in the order: several may start within one second.
const UPDATE: &str = "ON CONFLICT (id) DO UPDATE SET (plan, env, state, started, ended, pid, owner, step, done, total, rate, \
                      results, consistency, note, failure, attempt, intent) = (excluded.plan, excluded.env, excluded.state, \
                      excluded.started, excluded.ended, excluded.pid, excluded.owner, excluded.step, excluded.done, \
                      excluded.total, excluded.rate, excluded.results, excluded.consistency, excluded.note, \
                      excluded.failure, excluded.attempt, excluded.intent)";

const SELECT: &str = "SELECT id, plan, env, state, started, ended, pid, owner, step, done, total, rate, results, \
                      consistency, note, failure, attempt, \
   (SELECT command FROM commands WHERE run = runs.id AND command IN ('cancel', 'stop', 'pause', 'resume') \
    ORDER BY commands.id DESC LIMIT 1), \
   (SELECT value FROM commands WHERE run = runs.id AND command = 'throttle' ORDER BY commands.id DESC LIMIT 1), \
   (SELECT value FROM commands WHERE run = runs.id AND command = 'workers' ORDER BY commands.id DESC LIMIT 1), \
   intent \
   FROM runs";

fn row(row: &Row<'_>) -> rusqlite::Result<Result<RunRecord>> {
    let (state, results): (String, String) = (row.get(3)?, row.get(12)?);
    let failure: Option<String> = row.get(15)?;
    let intent: Option<String> = row.get(20)?;
    let record = RunRecord {
        id: row.get(0)?,
        plan: row.get(1)?,
        env: row.get(2)?,
        state: RunState::Crashed,
        started: row.get(4)?,
        ended: row.get(5)?,
        pid: row.get(6)?,
        owner: row.get(7)?,
        progress: Progress {
            step: row.get(8)?,
            done: row.get::<_, i64>(9)?.unsigned_abs(),
            total: row.get::<_, Option<i64>>(10)?.map(i64::unsigned_abs),
        },
        rate: row.get(11)?,
        results: Vec::new(),
        consistency: row.get(13)?,
        note: row.get(14)?,
        failure: None,
        attempt: row.get(16)?,
        asked: row.get::<_, Option<String>>(17)?.and_then(|word| Command::of(&word, None)),
        limit: row.get::<_, Option<i64>>(18)?.map(i64::unsigned_abs),
        workers: row.get(19)?,
        intent: None,
    };
    Ok((|| {
        let results = serde_json::from_str(&results).map_err(|_| damaged("results"))?;
        let failure = failure.as_deref().map(from_word).transpose()?;
        let intent =
            intent.map(|text| serde_json::from_str(&text).map_err(|_| damaged("what a run is for"))).transpose()?;
        Ok(RunRecord { state: from_word(&state)?, results, failure, intent, ..record })
    })())
}

/// The word of a value that serde writes as one.
fn word<T: Serialize>(value: &T) -> Result<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(damaged("a word")),
    }
}

fn from_word<T: serde::de::DeserializeOwned>(word: &str) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).map_err(|_| damaged(word))
}

fn damaged(what: &str) -> Error {
    Error::platform(format!("control.db holds something this version does not know ({what})"))
        .advise("it was written by another version of crm-console; use that one, or move .crm-console away")
}

/// Opens a store of the console's own: write-ahead log, patient with others, brought up to date by the `migrations`
/// that it has not seen yet (counted in `user_version`).
pub(super) fn open_store(path: &Path, migrations: &[&str]) -> Result<Connection> {
    let mut connection = Connection::open(path).map_err(|error| {
        Error::from(error).at(path.display()).advise("check that the folder is writable and not full")
    })?;
    connection.busy_timeout(BUSY)?;
    write_ahead(&connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let seen = |connection: &Connection| -> rusqlite::Result<usize> {
        Ok(connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?.unsigned_abs() as usize)
    };
    if seen(&connection)? != migrations.len() {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = seen(&transaction)?;
        if done > migrations.len() {
            return Err(Error::usage(format!("{} was written by a newer version of crm-console", path.display()))
                .advise("use that version, or move the .crm-console folder away"));
        }
        for sql in &migrations[done..] {
            transaction.execute_batch(sql)?;
        }
        transaction.pragma_update(None, "user_version", migrations.len() as i64)?;
        transaction.commit()?;
    }
    Ok(connection)
}

/// Sets the write-ahead log. While somebody else opens the same new file SQLite refuses that at once, whatever the time-out, for
/// both hold what the other one waits for.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let until = Instant::now() + BUSY;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

/// Each is applied once, in order; a shipped one never changes.
pub(super) const MIGRATIONS: [&str; 4] = ["
CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  plan TEXT NOT NULL,
  env TEXT,
  state TEXT NOT NULL,
  started TEXT NOT NULL,
  ended TEXT,
  pid INTEGER NOT NULL,
  owner TEXT NOT NULL,
  step TEXT NOT NULL,
  done INTEGER NOT NULL,
  total INTEGER,
  rate REAL NOT NULL,
  results TEXT NOT NULL,
  consistency REAL,
  note TEXT,
  failure TEXT
);
CREATE INDEX runs_started ON runs (started);
CREATE TABLE commands (id INTEGER PRIMARY KEY, run TEXT NOT NULL, command TEXT NOT NULL, at TEXT NOT NULL, who TEXT NOT NULL);
CREATE INDEX commands_run ON commands (run);
CREATE TABLE audit (id INTEGER PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, run TEXT);
", "
CREATE TABLE audit_log (
  n INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  who TEXT NOT NULL,
  what TEXT NOT NULL,
  run TEXT,
  plan TEXT,
  mapping TEXT,
  detail TEXT,
  hash TEXT NOT NULL
);
CREATE TRIGGER audit_log_fixed BEFORE UPDATE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER audit_log_kept BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
", "
ALTER TABLE runs ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;
ALTER TABLE commands ADD COLUMN value INTEGER;
", "
ALTER TABLE runs ADD COLUMN intent TEXT;
"];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::Kind;
    use crate::journal::MappingResult;

    fn record(id: &str, started: &str) -> RunRecord {
        RunRecord {
            id: id.to_owned(),
            plan: "7f3ac2000000".to_owned(),
            env: Some("sandbox".to_owned()),
            state: RunState::Starting,
            started: started.to_owned(),
            ended: None,
            pid: 7,
            owner: "anna".to_owned(),
            progress: Progress { step: "starting".to_owned(), done: 0, total: None },
            rate: 0.0,
            results: vec![MappingResult { mapping: "contacts".to_owned(), ..MappingResult::default() }],
            consistency: None,
            note: None,
            failure: None,
            attempt: 1,
            asked: None,
            limit: None,
            workers: None,
            intent: None,
        }
    }

    #[test]
    fn a_run_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.db");
        let control = Control::open(&path).unwrap();
        let mut first = record("a", "2026-11-23T09:00:00Z");
        control.add_run(&first).unwrap();
        control.add_run(&record("b", "2026-11-23T10:00:00Z")).unwrap();
        assert!(control.add_run(&first).is_err(), "a run is added once");
        control.set_pid("a", 99).unwrap();
        control.progress("a", &Progress { step: "writing".to_owned(), done: 5, total: Some(9) }, 12.5).unwrap();
        let seen = Control::open(&path).unwrap().run("a").unwrap().unwrap();
        assert_eq!((seen.pid, seen.progress.done, seen.progress.total, seen.rate), (99, 5, Some(9), 12.5));
        first.state = RunState::Failed;
        first.failure = Some(Kind::Refused);
        first.consistency = Some(0.5);
        first.intent = Some(crate::plan::Intent {
            purpose: crate::plan::Purpose::Revert { run: "b".to_owned() },
            ..crate::plan::Intent::default()
        });
        control.put_run(&first).unwrap();
        control.set_pid("a", 5).unwrap();
        assert_eq!(control.run("a").unwrap().unwrap(), first);
        let ids: Vec<String> = control.runs().unwrap().into_iter().map(|run| run.id).collect();
        assert_eq!(ids, ["b", "a"]);
        assert_eq!(control.open_runs().unwrap().len(), 1);
        assert_eq!(control.run("none").unwrap(), None);
    }

    #[test]
    fn commands_reach_their_run_and_the_audit_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let control = Control::open(&dir.path().join("control.db")).unwrap();
        control.add_run(&record("a", "2026-11-23T09:00:00Z")).unwrap();
        assert_eq!(control.told("a", 0).unwrap(), (vec![], 0));
        for command in [Command::Throttle(Some(500)), Command::Pause, Command::Workers(3), Command::Cancel] {
            control.send("a", command).unwrap();
        }
        let (told, last) = control.told("a", 0).unwrap();
        assert_eq!(told, [Command::Throttle(Some(500)), Command::Pause, Command::Workers(3), Command::Cancel]);
        assert_eq!(control.told("a", last).unwrap(), (vec![], last));
        assert_eq!(control.told("b", 0).unwrap(), (vec![], 0));
        let run = control.run("a").unwrap().unwrap();
        assert_eq!((run.asked, run.limit, run.workers), (Some(Command::Cancel), Some(500), Some(3)));
        control.note("cancelled", Some("a")).unwrap();
        control.note("opened", None).unwrap();
        let audit = control.audit(3).unwrap();
        assert_eq!(audit[2].what, "asked to cancel", "what a run is told is noted by itself");
        assert_eq!(audit.iter().take(2).map(|line| line.what.as_str()).collect::<Vec<_>>(), ["opened", "cancelled"]);
        assert_eq!(audit[1].run.as_deref(), Some("a"));
    }

    #[test]
    fn an_attempt_is_begun_once_and_keeps_the_settings() {
        let dir = tempfile::tempdir().unwrap();
        let control = Control::open(&dir.path().join("control.db")).unwrap();
        let ended =
            RunRecord { state: RunState::Stopped, note: Some("full".into()), ..record("a", "2026-11-23T09:00:00Z") };
        control.add_run(&ended).unwrap();
        control.send("a", Command::Throttle(Some(20))).unwrap();
        control.send("a", Command::Stop).unwrap();
        assert!(control.next_attempt(&ended, 8).unwrap());
        assert!(!control.next_attempt(&ended, 9).unwrap(), "somebody else was quicker");
        let run = control.run("a").unwrap().unwrap();
        assert_eq!((run.state, run.attempt, run.pid, run.note), (RunState::Starting, 2, 8, None));
        assert_eq!((run.asked, run.limit), (None, Some(20)));
        control.set_state("a", RunState::Paused).unwrap();
        assert_eq!(control.run("a").unwrap().unwrap().state, RunState::Paused);
        control.put_run(&ended).unwrap();
        control.set_state("a", RunState::Running).unwrap();
        assert_eq!(control.run("a").unwrap().unwrap().state, RunState::Stopped, "what has ended stays so");
    }

    #[test]
    fn a_newer_file_is_refused_not_harmed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.db");
        drop(Control::open(&path).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(Control::open(&path).err().unwrap().what().contains("newer version"));
    }
}
