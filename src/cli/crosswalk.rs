//! `crosswalk`: old keys and new ids, as a file.
use crm_core::Result;
use serde_json::json;

use super::args::{Common, CrosswalkAction};
use super::output::{Output, group};

/// `crosswalk …`.
pub(crate) fn crosswalk(common: &Common, action: &CrosswalkAction, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    let monitor = out.monitor()?;
    match action {
        CrosswalkAction::Export { object, out: file } => {
            let entries = workspace.export_crosswalk(file, object.as_deref(), &monitor)?;
            monitor.done();
            if out.is_json() {
                out.json(&json!({"file": file, "entries": entries}))?;
            } else {
                out.line(format!("wrote {} entries to {}", group(entries), file.display()))?;
            }
        }
        CrosswalkAction::Import { file, replace } => {
            let done = workspace.import_crosswalk(file, *replace, &monitor)?;
            monitor.done();
            if out.is_json() {
                out.json(&done)?;
            } else {
                out.line(format!(
                    "{} lines: {} new, {} known, {} replaced",
                    group(done.lines),
                    group(done.new),
                    group(done.same),
                    group(done.replaced)
                ))?;
            }
        }
    }
    Ok(0)
}
