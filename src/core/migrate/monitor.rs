//! The engine's monitor: writes progress to `control.db` and asks there whether to stop.
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::journal::{Command, Control};
use crate::monitor::{CancelFlag, Monitor, Progress};

/// Time between two writes, and between two questions: five a second.
const EVERY: Duration = Duration::from_millis(200);
/// Time over which the rate is smoothed.
const SMOOTHING: Duration = Duration::from_secs(3);

/// Watches one run.
pub(crate) struct RunMonitor {
    run: String,
    cancel: CancelFlag,
    state: Mutex<State>,
}

struct State {
    control: Control,
    written: Option<Instant>,
    asked: Option<Instant>,
    /// Number of the last command that was heard.
    last: i64,
    latest: Progress,
    /// Progress not written yet.
    dirty: bool,
    rate: Rate,
}

impl RunMonitor {
    /// Watches `run`; `cancel` is what signals set.
    pub(crate) fn new(control: Control, run: &str, cancel: CancelFlag) -> Self {
        let state = State {
            control,
            written: None,
            asked: None,
            last: 0,
            latest: Progress::default(),
            dirty: false,
            rate: Rate::default(),
        };
        Self { run: run.to_owned(), cancel, state: Mutex::new(state) }
    }
    /// Writes what was held back. Answers the newest progress and rate.
    pub(crate) fn flush(&self) -> Result<(Progress, f64)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.dirty {
            state.control.progress(&self.run, &state.latest, state.rate.per_second)?;
            state.dirty = false;
        }
        Ok((state.latest.clone(), state.rate.per_second))
    }
}

impl Monitor for RunMonitor {
    fn report(&self, progress: Progress) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let same_step = progress.step == state.latest.step;
        state.rate.note(same_step, progress.done, now);
        state.latest = progress;
        state.dirty = true;
        if state.written.is_none_or(|at| now - at >= EVERY) {
            // Progress is for looking at: a run does not fail because it could not be written.
            let _ = state.control.progress(&self.run, &state.latest, state.rate.per_second);
            state.written = Some(now);
            state.dirty = false;
        }
    }
    fn check_now(&self) -> Result<()> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).asked = None;
        self.check()
    }
    fn cancelled(&self) -> bool {
        if self.cancel.is_cancelled() {
            return true;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.asked.is_some_and(|at| now - at < EVERY) {
            return false;
        }
        state.asked = Some(now);
        // A command that cannot be read is asked for again at the next turn.
        let last = state.last;
        let Ok((told, last)) = state.control.told(&self.run, last) else { return false };
        state.last = last;
        if told.iter().any(|command| matches!(command, Command::Cancel | Command::Stop)) {
            self.cancel.cancel();
        }
        self.cancel.is_cancelled()
    }
}

/// Rows a second, exponentially smoothed; each step begins anew.
#[derive(Debug, Default)]
struct Rate {
    per_second: f64,
    last: Option<(u64, Instant)>,
}

impl Rate {
    fn note(&mut self, same_step: bool, done: u64, now: Instant) {
        let Some((before, at)) = self.last.filter(|(before, _)| same_step && *before <= done) else {
            *self = Self { per_second: 0.0, last: Some((done, now)) };
            return;
        };
        let seconds = (now - at).as_secs_f64();
        if seconds < 0.02 {
            return;
        }
        let current = (done - before) as f64 / seconds;
        let weight = if self.per_second == 0.0 { 1.0 } else { 1.0 - (-seconds / SMOOTHING.as_secs_f64()).exp() };
        self.per_second += weight * (current - self.per_second);
        self.last = Some((done, now));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_rate_follows_slowly_and_begins_anew_with_a_step() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut rate = Rate::default();
        rate.note(false, 0, at(0));
        rate.note(true, 1_000, at(1));
        assert!((rate.per_second - 1_000.0).abs() < 1e-9);
        rate.note(true, 1_000, at(2));
        assert!(rate.per_second > 600.0 && rate.per_second < 800.0, "{}", rate.per_second);
        rate.note(false, 0, at(3));
        assert!(rate.per_second.abs() < f64::EPSILON);
    }

    #[test]
    fn progress_is_held_back_and_a_signal_is_seen_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.db");
        let control = Control::open(&path).unwrap();
        control.add_run(&crate::migrate::recovery::tests::record("a")).unwrap();
        let cancel = CancelFlag::default();
        let monitor = RunMonitor::new(Control::open(&path).unwrap(), "a", cancel.clone());
        let report = |done| monitor.report(Progress { step: "writing".into(), done, total: None });
        (0..=1_000).for_each(report);
        let seen = || control.run("a").unwrap().unwrap().progress.done;
        assert!(seen() < 1_000, "the last of many within one moment waits");
        assert_eq!(monitor.flush().unwrap().0.done, 1_000);
        assert_eq!(seen(), 1_000);
        assert!(!monitor.cancelled());
        cancel.cancel();
        assert!(monitor.cancelled());
    }

    #[test]
    fn a_cancel_command_is_heard() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.db");
        let control = Control::open(&path).unwrap();
        control.send("a", Command::Cancel).unwrap();
        let monitor = RunMonitor::new(control, "a", CancelFlag::default());
        assert!(monitor.cancelled());
        assert!(monitor.check().is_err());
    }
}
