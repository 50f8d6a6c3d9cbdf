//! Signals, turned into events.
use std::io;
use std::sync::mpsc::Sender;

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;

use super::Event;

/// Starts the thread that listens for signals.
pub(super) fn listen(events: Sender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGWINCH, SIGHUP, SIGTERM, SIGINT, SIGCONT])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            let event = match signal {
                SIGWINCH => match crossterm::terminal::size() {
                    Ok((columns, rows)) => Event::Resized(columns, rows),
                    Err(_) => continue,
                },
                SIGHUP => Event::Lost,
                SIGCONT => Event::Continued,
                _ => Event::Terminate,
            };
            if events.send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// Stops this process as Ctrl-Z does; comes back after `fg`.
pub(super) fn suspend() -> io::Result<()> {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP)?;
    Ok(())
}
