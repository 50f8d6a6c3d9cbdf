//! `audit`, `erase`, `prune`, `report`.
use std::path::Path;

use crm_core::erase::Erasure;
use crm_core::journal::{AuditFilter, AuditHead};
use crm_core::table::text::sanitize;
use crm_core::workspace::Exported;
use crm_core::{Error, Result};
use serde_json::json;

use super::args::Common;
use super::output::{Output, group};
use super::runs::newest_or;

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

/// `erase`.
pub(crate) fn erase(common: &Common, who: &[String], confirm: Option<&str>, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    let (object, key) = match who {
        [object, key] => (Some(object.as_str()), key.as_str()),
        [key] => (None, key.as_str()),
        _ => return Err(Error::usage("erase takes a key, with the object it is a key of before it")),
    };
    let monitor = out.monitor()?;
    let erasure = match confirm {
        Some(confirm) => workspace.erase(object, key, confirm, &monitor),
        None => workspace.look_for(object, key, &monitor),
    };
    monitor.done();
    let erasure = erasure?;
    if out.is_json() {
        out.json(&erasure)?;
    } else {
        print_erasure(&erasure, out)?;
    }
    if erasure.done && !erasure.left.is_empty() {
        let left: Vec<String> = erasure.left.iter().map(|path| path.display().to_string()).collect();
        return Err(Error::data(format!("erased, but something of them was found in {}", left.join(", ")))
            .advise("look into these files and remove what is theirs; then erase again to check"));
    }
    if erasure.done {
        return Ok(0);
    }
    Err(Error::refused("nothing erased: not confirmed").advise("to do it, add --confirm and the key once more"))
}

fn print_erasure(erasure: &Erasure, out: &mut Output) -> Result<()> {
    let verb = if erasure.done { "removed" } else { "would remove" };
    out.line(sanitize(&format!("a record of {}", erasure.mappings.join(", "))))?;
    for part in &erasure.removed {
        out.line(format!("  {verb} from {}: {} in {} files", part.what, group(part.rows), group(part.files)))?;
    }
    if erasure.removed.is_empty() {
        out.line(format!("  nothing {} in the state folder", if erasure.done { "more was" } else { "is" }))?;
    }
    for dir in &erasure.whole {
        out.line(sanitize(&format!("  {verb} whole, the mappings cannot search it: {}", dir.display())))?;
    }
    if !erasure.plans.is_empty() {
        out.line(format!("  plans that can no more be run or verified: {}", erasure.plans.join(", ")))?;
    }
    out.line("  on the platforms nothing is touched: erase the record in the old and in the new CRM yourself")?;
    out.line("  exports and reports that were handed out are yours to erase, too")?;
    if erasure.done {
        out.line("  later plans count their rows as filtered, reason 'erased'")?;
    }
    Ok(())
}

/// `prune`.
pub(crate) fn prune(common: &Common, dry: bool, out: &mut Output) -> Result<u8> {
    let retained = super::open(common)?.prune(dry)?;
    if out.is_json() {
        out.json(&retained)?;
        return Ok(0);
    }
    let verb = if retained.done { "removed" } else { "would remove" };
    for part in &retained.removed {
        out.line(format!("{verb}  {:>9}  {:>6}  {}", size(part.bytes), group(part.items), part.what))?;
    }
    if retained.removed.is_empty() {
        out.line("nothing is over its time")?;
    }
    for part in &retained.kept {
        out.line(format!("kept     {:>9}  {:>6} files  {}", size(part.bytes), group(part.items), part.what))?;
    }
    Ok(0)
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1_000.0 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `report`.
pub(crate) fn report(common: &Common, run: Option<&str>, file: Option<&Path>, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    let run = newest_or(&workspace, run)?;
    let path = workspace.report(&run, file)?;
    if file.is_some() {
        let exported = Exported { what: "report", of: Some(&run), mapping: None, file: &path, rows: None };
        workspace.note_exported(&exported)?;
    }
    if out.is_json() {
        out.json(&json!({"run": run, "file": path}))?;
    } else {
        out.line(format!("wrote {}", sanitize(&path.display().to_string())))?;
    }
    Ok(0)
}
