//! Deaths on demand, for tests: `CRM_CONSOLE_FAULT=exit-at:POINT` aborts the process at a named point, as `kill -9` or a
//! power cut would. Without the variable nothing here does anything.
//!
//! Points of a run, in order: `before-batch:N` (before the N-th batch of the run goes to the writer), `before-intent`,
//! `before-publish`, `after-publish`, `before-crosswalk`, `after-crosswalk`, `before-verify`, `before-report`. Connectors
//! add their own between `before-publish` and `after-publish`, such as `after-intent`, `after-rename`, `before-commit`,
//! `after-commit`.
//!
//! `hold-at:POINT=PIPE` waits at the point until whoever holds the other end of the named pipe lets go; `kill-after:MICROS`
//! ends the process by SIGKILL that long after it began to execute a run; `clock-back:SECONDS` sets the clock back that far
//! when the first batch is written.
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// Name of the environment variable.
pub const VARIABLE: &str = "CRM_CONSOLE_FAULT";

/// What was asked for.
enum Fault {
    Exit(String),
    Hold(String, PathBuf),
    KillAfter(Duration),
    ClockBack(Duration),
}

/// The first batch is on its way.
static WRITING: AtomicBool = AtomicBool::new(false);

/// Ends the process without a word, or waits, if this is the point that was asked for.
pub fn point(name: &str) {
    match asked() {
        Some(Fault::Exit(point)) if point == name => std::process::abort(),
        Some(Fault::Hold(point, pipe)) if point == name => drop(std::fs::read(pipe)),
        _ => {}
    }
}

/// [`point`] with a running number: `before-batch:3`.
pub fn counted(name: &str, number: u64) {
    if asked().is_some() {
        WRITING.store(true, Ordering::Relaxed);
        point(&format!("{name}:{number}"));
    }
}

/// The engine begins: from here `kill-after` counts.
pub fn begin() {
    if let Some(Fault::KillAfter(after)) = asked() {
        std::thread::spawn(move || {
            std::thread::sleep(*after);
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        });
    }
}

/// The time of day.
pub fn wall_clock() -> SystemTime {
    match asked() {
        Some(Fault::ClockBack(back)) if WRITING.load(Ordering::Relaxed) => SystemTime::now() - *back,
        _ => SystemTime::now(),
    }
}

/// The fault asked for; read once.
fn asked() -> Option<&'static Fault> {
    static FAULT: OnceLock<Option<Fault>> = OnceLock::new();
    FAULT.get_or_init(|| parse(&std::env::var(VARIABLE).ok()?)).as_ref()
}

fn parse(text: &str) -> Option<Fault> {
    let (kind, rest) = text.split_once('-').and_then(|(kind, rest)| Some((kind, rest.split_once(':')?.1)))?;
    match kind {
        "exit" => Some(Fault::Exit(rest.to_owned())),
        "hold" => rest.split_once('=').map(|(point, pipe)| Fault::Hold(point.to_owned(), pipe.into())),
        "clock" => rest.parse().ok().map(|seconds| Fault::ClockBack(Duration::from_secs(seconds))),
        "kill" => rest.parse().ok().map(|micros| Fault::KillAfter(Duration::from_micros(micros))),
        _ => None,
    }
}
