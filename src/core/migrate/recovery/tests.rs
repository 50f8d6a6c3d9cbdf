#![allow(clippy::unwrap_used)]
use super::*;
use crate::monitor::Progress;

/// A run that starts.
pub(crate) fn record(id: &str) -> RunRecord {
    RunRecord {
        id: id.to_owned(),
        plan: "7f3ac2000000".to_owned(),
        env: None,
        state: RunState::Starting,
        started: now(),
        ended: None,
        pid: std::process::id(),
        owner: "anna".to_owned(),
        progress: Progress::default(),
        rate: 0.0,
        results: Vec::new(),
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
