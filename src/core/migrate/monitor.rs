//! The engine's monitor: writes progress to `control.db` and asks there what the operator wants.
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::fault;
use super::pace::{Pace, Rate};
use crate::error::{Error, Kind, Result};
use crate::journal::{Command, Control, RunState};
use crate::monitor::{CancelFlag, Monitor, Progress};

/// Time between two writes, and between two questions: five a second.
const EVERY: Duration = Duration::from_millis(200);
/// Time between two looks at the signals and the clock while nothing is to be done.
const TICK: Duration = Duration::from_millis(20);
/// A clock that goes back this far was set: what comes next would be dated before what was.
const BACKWARDS: Duration = Duration::from_secs(60);
/// Threads that prepare batches unless the operator says otherwise.
const WORKERS: u32 = 2;

/// Watches one run.
pub(crate) struct RunMonitor {
    run: String,
    /// Set by signals: end after the batch.
    stop: CancelFlag,
    /// End now.
    cancel: CancelFlag,
    state: Mutex<State>,
}

/// Why a run ends before it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The operator throws away what was not published.
    Cancelled,
    /// It can be resumed; why it ended.
    Stopped(String),
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
    pace: Pace,
    pause: bool,
    workers: u32,
    clock: (Instant, SystemTime),
    /// Why the run is to stop.
    stop: Option<String>,
}

impl RunMonitor {
    /// Watches `run`; `stop` is what signals set.
    pub(crate) fn new(control: Control, run: &str, stop: CancelFlag) -> Self {
        let now = Instant::now();
        let state = State {
            control,
            written: None,
            asked: None,
            last: 0,
            latest: Progress::default(),
            dirty: false,
            rate: Rate::default(),
            pace: Pace::new(now),
            pause: false,
            workers: WORKERS,
            clock: (now, fault::wall_clock()),
            stop: None,
        };
        Self { run: run.to_owned(), stop, cancel: CancelFlag::default(), state: Mutex::new(state) }
    }
    /// Writes what was held back. Answers the newest progress and rate.
    pub(crate) fn flush(&self) -> Result<(Progress, f64)> {
        let mut state = self.state();
        if state.dirty {
            state.control.progress(&self.run, &state.latest, state.rate.per_second)?;
            state.dirty = false;
        }
        Ok((state.latest.clone(), state.rate.per_second))
    }
    /// Why it is to end before it is done, if it is.
    pub(crate) fn ending(&self) -> Option<Ending> {
        if self.cancel.is_cancelled() {
            return Some(Ending::Cancelled);
        }
        self.state().stop.clone().map(Ending::Stopped)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears what there is to hear, at most five times a second.
    fn listen(&self, state: &mut State, now: Instant) {
        if self.stop.is_cancelled() && state.stop.is_none() {
            state.stop = Some("stopped by a signal".to_owned());
        }
        if state.asked.is_some_and(|at| now - at < EVERY) {
            return;
        }
        state.asked = Some(now);
        if let Some(back) = state.clock_went_back(now) {
            state.stop.get_or_insert(format!(
                "stopped: the clock of this machine was set back by {} s; check it (timedatectl)",
                back.as_secs()
            ));
        }
        let last = state.last;
        // Commands that cannot be read are asked for again at the next turn.
        let Ok((told, last)) = state.control.told(&self.run, last) else { return };
        state.last = last;
        for command in told {
            match command {
                Command::Cancel => self.cancel.cancel(),
                Command::Stop => {
                    state.stop.get_or_insert_with(|| "stopped by the operator".to_owned());
                }
                Command::Pause => state.pause = true,
                Command::Resume => state.pause = false,
                Command::Throttle(limit) => state.pace.set(limit),
                Command::Workers(workers) => state.workers = workers,
            }
        }
    }

    /// Tells of a pause and its end, once each.
    fn tell_pause(&self, state: &mut State, paused: bool) {
        let _ = state.control.set_state(&self.run, if paused { RunState::Paused } else { RunState::Running });
        let _ = state.control.progress(&self.run, &state.latest, 0.0);
        // Time that was waited is no time that it took.
        state.rate = Rate::default();
    }
}

impl State {
    /// How far the wall clock fell behind the time that went by, if that is no small correction.
    fn clock_went_back(&mut self, now: Instant) -> Option<Duration> {
        let (then, wall) = self.clock;
        let wall_now = fault::wall_clock();
        self.clock = (now, wall_now);
        let expected = wall + (now - then);
        expected.duration_since(wall_now).ok().filter(|back| *back > BACKWARDS)
    }
}

impl Monitor for RunMonitor {
    fn report(&self, progress: Progress) {
        let mut state = self.state();
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
    fn cancelled(&self) -> bool {
        if !self.cancel.is_cancelled() {
            self.listen(&mut self.state(), Instant::now());
        }
        self.cancel.is_cancelled()
    }
    fn check(&self) -> Result<()> {
        self.cancelled();
        match self.ending() {
            None => Ok(()),
            Some(Ending::Cancelled) => Err(Error::new(Kind::Stopped, "cancelled; nothing was published")),
            Some(Ending::Stopped(why)) => Err(Error::new(Kind::Stopped, why)),
        }
    }
    fn check_now(&self) -> Result<()> {
        self.state().asked = None;
        self.check()
    }
    fn between(&self, rows: u64, holding: Option<&str>) -> Result<()> {
        self.state().pace.wrote(rows);
        let mut paused = false;
        loop {
            let end = self.check();
            let mut state = self.state();
            let pause = end.is_ok() && state.pause && holding.is_none();
            if pause != paused {
                paused = pause;
                self.tell_pause(&mut state, paused);
            }
            end?;
            let wait = if paused { TICK } else { state.pace.wait(Instant::now()).min(TICK) };
            drop(state);
            if wait.is_zero() {
                return Ok(());
            }
            std::thread::sleep(wait);
        }
    }
    fn waits_for(&self, holding: Option<&str>) -> Option<String> {
        let state = self.state();
        holding.filter(|_| state.pause).map(|holding| format!("will pause after {holding}"))
    }
    fn piece(&self) -> usize {
        self.state().pace.rows()
    }
    fn workers(&self) -> usize {
        self.state().workers as usize
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::journal::RunRecord;

    /// A run `a` in a store, the store, and a monitor of the run.
    fn watched() -> (tempfile::TempDir, Control, RunMonitor, CancelFlag) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.db");
        let control = Control::open(&path).unwrap();
        let run = RunRecord { state: RunState::Running, ..crate::migrate::recovery::tests::record("a") };
        control.add_run(&run).unwrap();
        let stop = CancelFlag::default();
        let monitor = RunMonitor::new(Control::open(&path).unwrap(), "a", stop.clone());
        (dir, control, monitor, stop)
    }

    fn state(control: &Control) -> RunState {
        control.run("a").unwrap().unwrap().state
    }

    #[test]
    fn progress_is_held_back_and_a_signal_ends_the_work_between_batches() {
        let (_dir, control, monitor, stop) = watched();
        let report = |done| monitor.report(Progress { step: "writing".into(), done, total: None });
        (0..=1_000).for_each(report);
        let seen = || control.run("a").unwrap().unwrap().progress.done;
        assert!(seen() < 1_000, "the last of many within one moment waits");
        assert_eq!(monitor.flush().unwrap().0.done, 1_000);
        assert_eq!(seen(), 1_000);
        monitor.check().unwrap();
        stop.cancel();
        assert!(!monitor.cancelled(), "a batch is finished");
        assert_eq!(monitor.between(1, None).unwrap_err().kind(), Kind::Stopped);
        assert_eq!(monitor.ending(), Some(Ending::Stopped("stopped by a signal".into())));
    }

    #[test]
    fn a_cancel_reaches_inside_a_batch_and_a_stop_does_not() {
        let (_dir, control, monitor, _) = watched();
        control.send("a", Command::Stop).unwrap();
        assert!(!monitor.cancelled());
        assert!(monitor.check().is_err());
        control.send("a", Command::Cancel).unwrap();
        assert!(monitor.check_now().is_err());
        assert!(monitor.cancelled());
        assert_eq!(monitor.ending(), Some(Ending::Cancelled), "the harder word counts");
    }

    #[test]
    fn a_pause_waits_for_its_end_but_never_in_a_transaction() {
        let (_dir, control, monitor, _) = watched();
        control.send("a", Command::Pause).unwrap();
        monitor.between(10, Some("the transaction on new.db")).unwrap();
        assert_eq!(state(&control), RunState::Running);
        let words = monitor.waits_for(Some("the transaction on new.db"));
        assert_eq!(words.as_deref(), Some("will pause after the transaction on new.db"));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| monitor.between(10, None));
            while state(&control) != RunState::Paused {
                std::thread::yield_now();
            }
            assert!(!waiting.is_finished());
            control.send("a", Command::Resume).unwrap();
            waiting.join().unwrap().unwrap();
        });
        assert_eq!(state(&control), RunState::Running);
    }

    #[test]
    fn a_paused_run_can_be_stopped() {
        let (_dir, control, monitor, stop) = watched();
        control.send("a", Command::Pause).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| monitor.between(10, None));
            while state(&control) != RunState::Paused {
                std::thread::yield_now();
            }
            stop.cancel();
            assert!(waiting.join().unwrap().is_err());
        });
    }

    #[test]
    fn settings_are_heard() {
        let (_dir, control, monitor, _) = watched();
        assert_eq!((monitor.piece(), monitor.workers()), (usize::MAX, WORKERS as usize));
        control.send("a", Command::Throttle(Some(50))).unwrap();
        control.send("a", Command::Workers(5)).unwrap();
        monitor.check_now().unwrap();
        assert_eq!((monitor.piece(), monitor.workers()), (10, 5));
        control.send("a", Command::Throttle(None)).unwrap();
        monitor.check_now().unwrap();
        assert_eq!(monitor.piece(), usize::MAX);
    }

    #[test]
    fn a_clock_that_is_set_back_stops_the_run_and_a_small_correction_does_not() {
        let (_dir, _, monitor, _) = watched();
        let shift = |seconds: u64| monitor.state().clock.1 += Duration::from_secs(seconds);
        shift(30);
        monitor.check_now().unwrap();
        shift(3_600);
        let error = monitor.check_now().unwrap_err();
        assert!(error.what().contains("clock") && error.what().contains("timedatectl"), "{error}");
    }
}
