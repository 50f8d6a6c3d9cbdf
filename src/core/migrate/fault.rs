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
//! when the first batch is written; `skew-by:SECONDS` has it wrong by so much from the start, behind where negative. Several
//! stand with commas between them.
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
    Skew(i64),
}

/// The first batch is on its way.
static WRITING: AtomicBool = AtomicBool::new(false);

/// Ends the process without a word, or waits, if this is the point that was asked for.
pub fn point(name: &str) {
    for fault in asked() {
        match fault {
            Fault::Exit(point) if point == name => std::process::abort(),
            Fault::Hold(point, pipe) if point == name => drop(std::fs::read(pipe)),
            _ => {}
        }
    }
}

/// [`point`] with a running number: `before-batch:3`.
pub fn counted(name: &str, number: u64) {
    if !asked().is_empty() {
        WRITING.store(true, Ordering::Relaxed);
        point(&format!("{name}:{number}"));
    }
}

/// The engine begins: from here `kill-after` counts.
pub fn begin() {
    for fault in asked() {
        let Fault::KillAfter(after) = fault else { continue };
        std::thread::spawn(move || {
            std::thread::sleep(*after);
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        });
    }
}

/// The time of day.
pub fn wall_clock() -> SystemTime {
    let mut now = SystemTime::now();
    for fault in asked() {
        match fault {
            Fault::ClockBack(back) if WRITING.load(Ordering::Relaxed) => now -= *back,
            Fault::Skew(seconds) if *seconds < 0 => now -= Duration::from_secs(seconds.unsigned_abs()),
            Fault::Skew(seconds) => now += Duration::from_secs(seconds.unsigned_abs()),
            _ => {}
        }
    }
    now
}

/// The faults asked for; read once.
fn asked() -> &'static [Fault] {
    static FAULTS: OnceLock<Vec<Fault>> = OnceLock::new();
    FAULTS.get_or_init(|| std::env::var(VARIABLE).unwrap_or_default().split(',').filter_map(parse).collect())
}

fn parse(text: &str) -> Option<Fault> {
    let (kind, rest) = text.split_once('-').and_then(|(kind, rest)| Some((kind, rest.split_once(':')?.1)))?;
    match kind {
        "exit" => Some(Fault::Exit(rest.to_owned())),
        "hold" => rest.split_once('=').map(|(point, pipe)| Fault::Hold(point.to_owned(), pipe.into())),
        "clock" => rest.parse().ok().map(|seconds| Fault::ClockBack(Duration::from_secs(seconds))),
        "skew" => rest.parse().ok().map(Fault::Skew),
        "kill" => rest.parse().ok().map(|micros| Fault::KillAfter(Duration::from_micros(micros))),
        _ => None,
    }
}
