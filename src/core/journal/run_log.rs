//! `runs/ID/journal.ndjson`: what a run did, each line on disk before the next step is taken.
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Handing, Mark, RunState, now};
use crate::error::{Error, Result};
use crate::plan::{Cause, Counts};
use crate::platform::{ObjectVersion, Published};

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An engine began to execute the run.
    Attempt {
        /// Counted from 1.
        number: u32,
        /// Process of the engine.
        pid: u32,
    },
    /// An engine ended the run, well or not, and let go of it.
    Ended {
        /// The attempt.
        number: u32,
        /// How.
        state: RunState,
    },
    /// A mapping begins.
    Begun {
        /// Mapping.
        mapping: String,
        /// Target as `platform:object`.
        to: String,
    },
    /// Rows were handed to the writer. Nothing is published by that.
    Batch {
        /// Mapping.
        mapping: String,
        /// Rows of the mapping handed over so far.
        done: u64,
        /// How everything stands, where the platform keeps each batch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<Box<Mark>>,
    },
    /// Rows are about to be handed over to a platform that keeps each batch.
    Handing {
        /// Mapping.
        mapping: String,
        /// Which.
        rows: Handing,
    },
    /// All rows are staged and everything that recovery needs is on disk: the publish follows.
    Intent {
        /// Mapping.
        mapping: String,
        /// Target as `platform:object`.
        to: String,
        /// Counts as the writer reported them; `after` is not known yet.
        counts: Counts,
        /// Rejects and held rows by cause, most rows first.
        #[serde(default)]
        causes: Vec<Cause>,
        /// Rows left alone because the target moved since the plan.
        #[serde(default)]
        moved: u64,
        /// Links left empty for the next run.
        #[serde(default)]
        links_left: u64,
        /// Milliseconds of work so far.
        #[serde(default)]
        millis: u64,
        /// Changes that wait until the other mappings of the run are written, by their places among the plan's changes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        waiting: Vec<u64>,
    },
    /// The target holds the new rows.
    Published {
        /// Mapping.
        mapping: String,
        /// How it ended, as the platform counted.
        published: Published,
    },
    /// The crosswalk knows what the mapping wrote.
    Crosswalk {
        /// Mapping.
        mapping: String,
    },
    /// The changes of a mapping that waited for the other mappings come now.
    WaitedBegun {
        /// Mapping.
        mapping: String,
        /// Lines and bytes of its rejects without these.
        rejects: (u64, u64),
    },
    /// They are staged: their publish follows.
    WaitedIntent {
        /// Mapping.
        mapping: String,
        /// What became of them.
        waited: Box<Waited>,
    },
    /// The target holds them.
    WaitedPublished {
        /// Mapping.
        mapping: String,
        /// How it ended, as the platform counted.
        published: Published,
    },
    /// Crosswalk and ledger know it.
    WaitedTold {
        /// Mapping.
        mapping: String,
    },
    /// A mapping had nothing to write.
    Nothing {
        /// Mapping.
        mapping: String,
    },
    /// A later start looked after what a killed engine had left.
    Recovered {
        /// Mapping.
        mapping: String,
        /// True: the target was published.
        published: bool,
        /// Version of the target then, if it was.
        #[serde(default)]
        version: Option<ObjectVersion>,
        /// Rows of the target then, if they were counted: what waited for other mappings changes them later.
        #[serde(default)]
        rows: Option<u64>,
    },
}

/// What became of changes that waited for the other mappings of their run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// As the writer reported them.
    pub counts: Counts,
    /// Which of the plan's changes deleted a row, by their places among its changes.
    pub gone: Vec<u64>,
    /// Changes among them that were no deletes: counted as held as long as they waited.
    pub held: u64,
    /// Rows that changed since the plan: left alone.
    pub moved: u64,
    /// Why others were not done, most rows first.
    pub causes: Vec<Cause>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    at: String,
    #[serde(flatten)]
    event: Event,
}

/// Appends to a run's journal.
pub struct RunLog {
    path: PathBuf,
    file: File,
}

impl RunLog {
    /// Opens the journal of the run in `run_dir` for appending.
    pub fn append(run_dir: &Path) -> Result<Self> {
        let path = run_dir.join("journal.ndjson");
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|error| Error::io("open the journal", &path, &error))?;
        Ok(Self { path, file })
    }
    /// Adds an event; it is on disk on return.
    pub fn write(&mut self, event: Event) -> Result<()> {
        let fail = |error: std::io::Error| Error::io("write the journal", &self.path, &error);
        let mut line = serde_json::to_vec(&Line { at: now(), event }).map_err(|error| fail(error.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).and_then(|()| self.file.sync_data()).map_err(fail)
    }
    /// The events of the run in `run_dir`, oldest first. A last line that was cut by a crash is left out.
    pub fn read(run_dir: &Path) -> Result<Vec<Event>> {
        Ok(Self::read_timed(run_dir)?.into_iter().map(|(_, event)| event).collect())
    }
    /// [`RunLog::read`] with when each happened, RFC 3339 UTC.
    pub fn read_timed(run_dir: &Path) -> Result<Vec<(String, Event)>> {
        let path = run_dir.join("journal.ndjson");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read the journal", &path, &error)),
        };
        let mut events = Vec::new();
        for line in BufReader::new(file).lines() {
            let line = line.map_err(|error| Error::io("read the journal", &path, &error))?;
            if let Ok(line) = serde_json::from_str::<Line>(&line) {
                events.push((line.at, line.event));
            }
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn events_come_back_and_a_cut_line_does_not_hurt() {
        let dir = tempfile::tempdir().unwrap();
        assert!(RunLog::read(dir.path()).unwrap().is_empty());
        let begun = Event::Begun { mapping: "contacts".into(), to: "nova:contacts".into() };
        let published =
            Event::Published { mapping: "contacts".into(), published: Published { rows: 3, ..Published::default() } };
        let mut log = RunLog::append(dir.path()).unwrap();
        log.write(begun.clone()).unwrap();
        log.write(published.clone()).unwrap();
        let path = dir.path().join("journal.ndjson");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"at\":\"2026");
        std::fs::write(&path, text).unwrap();
        assert_eq!(RunLog::read(dir.path()).unwrap(), [begun, published]);
    }
}
