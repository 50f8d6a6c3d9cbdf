//! Deaths on demand, for tests: `CRM_CONSOLE_FAULT=exit-at:POINT` aborts the process at a named point, as `kill -9` or a
//! power cut would. Without the variable nothing here does anything.
//!
//! Points of a run, in order: `before-batch:N` (before the N-th batch of the run goes to the writer), `before-intent`,
//! `before-publish`, `after-publish`, `before-crosswalk`, `after-crosswalk`, `before-verify`, `before-report`. Connectors
//! add their own between `before-publish` and `after-publish`, such as `after-intent`, `after-rename`, `before-commit`,
//! `after-commit`.
use std::sync::OnceLock;

/// Name of the environment variable.
pub const VARIABLE: &str = "CRM_CONSOLE_FAULT";

/// Ends the process without a word if this is the point that was asked for.
pub fn point(name: &str) {
    if asked().is_some_and(|asked| asked == name) {
        std::process::abort();
    }
}

/// [`point`] with a running number: `before-batch:3`.
pub fn counted(name: &str, number: u64) {
    if asked().is_some_and(|asked| asked.strip_prefix(name) == Some(&format!(":{number}"))) {
        std::process::abort();
    }
}

/// The point asked for; read once.
fn asked() -> Option<&'static str> {
    static POINT: OnceLock<Option<String>> = OnceLock::new();
    POINT.get_or_init(|| Some(std::env::var(VARIABLE).ok()?.strip_prefix("exit-at:")?.to_owned())).as_deref()
}
