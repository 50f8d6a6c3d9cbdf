//! The engine process: one run, or the sync loop, in a session of its own, without a terminal.
use crm_core::journal::RunState;
use crm_core::monitor::CancelFlag;
use crm_core::workspace::SyncAsk;
use crm_core::{Error, Result};

use super::args::Common;

/// `engine --run ID --attempt N`.
pub(crate) fn run(common: &Common, run: &str, attempt: u32) -> Result<u8> {
    // Fails only where this process leads a session already, which is what is wanted.
    let _ = rustix::process::setsid();
    let stop = ended_by_signals()?;
    let record = super::open(common)?.execute_attempt(run, attempt, &stop)?;
    Ok(match record.state {
        RunState::Done => 0,
        RunState::Cancelled | RunState::Stopped => crm_core::Kind::Stopped.exit_code(),
        _ => crm_core::Kind::Data.exit_code(),
    })
}

/// `engine --sync [MAPPING…]`.
pub(crate) fn sync(common: &Common, mappings: Vec<String>) -> Result<u8> {
    let _ = rustix::process::setsid();
    let stop = ended_by_signals()?;
    super::open(common)?.run_sync(&SyncAsk { mappings, once: false }, &stop)?;
    Ok(0)
}

/// A flag that the signals set by which a process is asked to end.
fn ended_by_signals() -> Result<CancelFlag> {
    let stop = CancelFlag::default();
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, stop.shared())
            .map_err(|error| Error::platform(format!("cannot listen for signals: {error}")))?;
    }
    Ok(stop)
}
