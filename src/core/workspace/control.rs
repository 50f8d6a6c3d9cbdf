//! Telling a run what to do while it goes on, and going on with one that ended early.
use std::path::Path;

use super::Workspace;
use crate::error::{Error, Result};
use crate::journal::{Command, Entry, RunRecord, RunState};
use crate::migrate::{engine_program, spawn_engine};

/// How a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// It was paused: the same engine goes on.
    GoesOn,
    /// It had ended: another engine goes on where it was, in this attempt.
    Attempt(u32),
}

impl Workspace {
    /// Asks a run to end before it publishes anything more. What it staged is thrown away.
    pub fn cancel_run(&self, id: &str) -> Result<()> {
        self.tell(id, Command::Cancel)
    }
    /// Asks a run to end after the batch that it is writing, so that it can be resumed.
    pub fn stop_run(&self, id: &str) -> Result<()> {
        self.tell(id, Command::Stop)
    }
    /// Asks a run to wait. It never waits in an open transaction: what is open is ended first.
    pub fn pause_run(&self, id: &str) -> Result<()> {
        if self.run(id)?.state == RunState::Verifying {
            return Err(Error::usage(format!("run {id} has written everything; it is reading the target back"))
                .advise("there is nothing left to pause; it can be stopped"));
        }
        self.tell(id, Command::Pause)
    }
    /// Sets how many rows a second a run may write at most; None: as many as it can. Holds for later attempts too.
    pub fn throttle_run(&self, id: &str, rows: Option<u64>) -> Result<()> {
        self.set(id, Command::Throttle(rows))
    }
    /// Sets how many threads prepare what a run writes. Holds for later attempts too.
    pub fn set_workers(&self, id: &str, workers: u32) -> Result<()> {
        if !(1..=MOST_WORKERS).contains(&workers) {
            return Err(Error::usage(format!("{workers} workers are not possible"))
                .advise(format!("name a number from 1 to {MOST_WORKERS}")));
        }
        self.set(id, Command::Workers(workers))
    }

    /// Goes on with a paused run, or with one that ended early: in another attempt of the same plan, whose engine is this
    /// program or the one that `CRM_CONSOLE_BIN` names.
    pub fn resume_run(&self, id: &str) -> Result<Resumed> {
        self.resume_run_by(&engine_program()?, id)
    }

    /// [`Workspace::resume_run`] with the program that is to be the engine.
    pub fn resume_run_by(&self, program: &Path, id: &str) -> Result<Resumed> {
        let record = self.run(id)?;
        if !record.state.is_final() {
            if record.state == RunState::Paused || record.asked == Some(Command::Pause) {
                self.tell(id, Command::Resume)?;
                return Ok(Resumed::GoesOn);
            }
            return Err(Error::usage(format!("run {id} goes on already")).advise("see how far with `crm-console runs`"));
        }
        let attempt = self.begin_attempt(&record)?;
        let control = self.state().control()?;
        let dir = self.state().run(id);
        match spawn_engine(program, &self.root()?, record.env.as_deref(), (id, attempt), &dir) {
            Ok(pid) => control.set_pid(id, pid)?,
            Err(error) => {
                // As it was: nothing came of this attempt.
                control.put_run(&RunRecord { attempt, note: Some(error.to_string()), ..record })?;
                return Err(error);
            }
        }
        Ok(Resumed::Attempt(attempt))
    }

    /// Notes that another attempt of a run begins, without an engine yet.
    pub(super) fn begin_attempt(&self, record: &RunRecord) -> Result<u32> {
        let id = &record.id;
        if !record.resumable() {
            let error = Error::usage(format!("run {id} is {}, not to be resumed", record.state.word()));
            return Err(error.advise(match record.state {
                RunState::Done => "it is done: make a new plan for what changed since",
                _ => "its plan or the data is at fault: mend that and plan again",
            }));
        }
        let control = self.state().control()?;
        if !control.next_attempt(record, std::process::id())? {
            return Err(Error::usage(format!("run {id} is being resumed by somebody else"))
                .advise("see how far with `crm-console runs`"));
        }
        let attempt = record.attempt + 1;
        let resumed = Entry::new("resumed").run(id).plan(&record.plan);
        control.record(&resumed.detail(format!("attempt {attempt}")))?;
        Ok(attempt)
    }

    /// Tells the engine of a run something.
    fn tell(&self, id: &str, command: Command) -> Result<()> {
        let record = self.run(id)?;
        if record.state.is_final() {
            let error = Error::usage(format!("run {id} has ended: {}", record.state.word()));
            return Err(error.advise(if record.resumable() {
                format!("go on with it: crm-console resume {id}")
            } else {
                "see how with `crm-console runs`".to_owned()
            }));
        }
        self.state().control()?.send(id, command)
    }

    /// Changes a setting of a run that goes on or may go on again.
    fn set(&self, id: &str, command: Command) -> Result<()> {
        if !self.run(id)?.resumable() {
            return self.tell(id, command);
        }
        self.state().control()?.send(id, command)
    }
}

/// More threads than this only wait for each other.
const MOST_WORKERS: u32 = 64;
