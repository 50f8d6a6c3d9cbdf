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
        Self { origin, changed: None, seen: crate::migrate::fault::wall_clock() }
    }
    /// It says that records wait that were pushed, and nothing about the source.
    pub fn is_push(&self) -> bool {
        matches!(self.origin, "webhook" | "socket" | "stdin")
    }
    /// Another sign came before this one was dealt with: both become one, with the time of the first.
    pub fn join(&mut self, other: &Self) {
        // A change whose time is known may be older than the first one seen.
        self.changed = [self.changed, other.changed].into_iter().flatten().min();
        if self.is_push() && !other.is_push() {
            // A look at the source is more than one at what was pushed.
            self.origin = other.origin;
        }
    }
}

/// Waits for signs of change at one object. It has a thread of its own.
pub trait Trigger: Send {
    /// What it does here, in words: `file events on legacy/contacts.csv`, `every 30s`.
    fn words(&self) -> String;
    /// Waits for the next sign, at most so long. None: there was none. An error is told, and it is asked again later.
    fn wait(&mut self, most: Duration) -> Result<Option<Sign>>;
}
