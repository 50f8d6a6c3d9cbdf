//! `audit`.
use crm_core::journal::{AuditFilter, AuditHead};
use crm_core::table::text::sanitize;
use crm_core::{Error, Result};

use super::args::Common;
use super::output::Output;

/// `audit`. The lines come first, so that what is there can be read even when the chain is broken.
pub(crate) fn list(
    common: &Common,
    since: Option<String>,
    run: Option<String>,
    expect: Option<&str>,
    out: &mut Output,
) -> Result<u8> {
    let workspace = super::open(common)?;
    let expect = match expect {
        None => None,
        Some(text) => Some(AuditHead::parse(text).ok_or_else(|| {
            Error::usage(format!("'{text}' names no line of the log"))
                .advise("a report names it as NUMBER:HASH, the hash with 64 digits")
        })?),
    };
    for line in workspace.audit(&AuditFilter { since, run })? {
        if out.is_json() {
            out.json(&line)?;
            continue;
        }
        let parts = [("run", &line.run), ("plan", &line.plan), ("mapping", &line.mapping)];
        let about: Vec<String> =
            parts.iter().filter_map(|(word, name)| Some(format!("{word} {}", name.as_ref()?))).collect();
        let detail = line.detail.as_deref().unwrap_or_default();
        let text = format!("{:>5} {} {}: {}  {}  {detail}", line.n, line.at, line.who, line.what, about.join(", "));
        out.line(sanitize(text.trim_end()))?;
    }
    let head = workspace.check_audit(expect.as_ref())?;
    if !out.is_json() {
        out.line(match head.n {
            0 => "the audit log is empty".to_owned(),
            n => format!("{n} lines, each follows from the one before; the last is {head}"),
        })?;
    }
    Ok(0)
}
