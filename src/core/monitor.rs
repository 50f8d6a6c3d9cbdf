//! How long work tells what it is doing, and how it is told to stop.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Kind, Result};

/// Where a long piece of work stands.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    /// What is going on, in words: `reading legacy:contacts`, `planning contacts`, `writing nova:contacts`.
    pub step: String,
    /// Rows done in this step.
    pub done: u64,
    /// Rows in this step, where known.
    pub total: Option<u64>,
}

/// Watches long work. Called once a batch, from the thread that works.
pub trait Monitor: Send + Sync {
    /// Takes note of the progress. Must be quick: implementations throttle.
    fn report(&self, progress: Progress);
    /// True once the work shall end. It is asked inside batches too.
    fn cancelled(&self) -> bool;
    /// Like [`Monitor::check`], but asks anew, however lately it was asked: right before what cannot be taken back.
    fn check_now(&self) -> Result<()> {
        self.check()
    }
    /// Between two pieces of writing, `rows` having been written since the last time: waits while the work shall pause or
    /// be slower, fails with [`Kind::Stopped`] where it shall end. `holding` names what others would have to wait for
    /// meanwhile, such as an open transaction: there is no pause then.
    fn between(&self, _rows: u64, _holding: Option<&str>) -> Result<()> {
        self.check()
    }
    /// A pause that was asked for and cannot be made while this is held, in words.
    fn waits_for(&self, _holding: Option<&str>) -> Option<String> {
        None
    }
    /// Most rows to write until [`Monitor::between`] is called again.
    fn piece(&self) -> usize {
        usize::MAX
    }
    /// Threads that may prepare what is to be written.
    fn workers(&self) -> usize {
        1
    }
    /// Fails with [`Kind::Stopped`] when cancelled, so that `?` unwinds the work.
    fn check(&self) -> Result<()> {
        if self.cancelled() { Err(Error::new(Kind::Stopped, "cancelled; nothing was published")) } else { Ok(()) }
    }
}

/// Watches the writing of a batch: a stop waits for its end, a cancel does not.
pub struct WithinBatch<'m>(pub &'m dyn Monitor);

impl Monitor for WithinBatch<'_> {
    fn report(&self, progress: Progress) {
        self.0.report(progress);
    }
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

/// A monitor that listens to nobody: for tests and short work.
#[derive(Debug, Default)]
pub struct Silent;

impl Monitor for Silent {
    fn report(&self, _: Progress) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// A flag shared between who works and who may cancel.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Asks the work to end.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
    /// The flag itself, for whoever can only set a shared boolean (signal handlers).
    pub fn shared(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }
    /// True once asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
