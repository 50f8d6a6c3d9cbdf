//! How a platform tells that something changed.
use std::time::{Duration, SystemTime};

use crate::error::Result;

/// A sign that something may have changed. It says when, not what: what changed is found by comparing with the ledger, so
/// a sign too many costs a look and a sign too few is made up for by the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// What told of it, in a word: `pull`, `file`, `sqlite`, `webhook`.
    pub origin: &'static str,
    /// When the change was made, by the platform's own clock; None: nobody says.
    pub changed: Option<SystemTime>,
    /// When it was first seen here.
    pub seen: SystemTime,
}

impl Sign {
    /// Seen now, by whom.
    pub fn now(origin: &'static str) -> Self {
        Self { origin, changed: None, seen: SystemTime::now() }
    }
}

/// Waits for signs of change at one object. It has a thread of its own.
pub trait Trigger: Send {
    /// What it does here, in words: `file events on legacy/contacts.csv`, `every 30s`.
    fn words(&self) -> String;
    /// Waits for the next sign, at most so long. None: there was none. An error is told, and it is asked again later.
    fn wait(&mut self, most: Duration) -> Result<Option<Sign>>;
}
