//! `recommend`: which strategy fits here, why, and what it costs.
use crm_core::Result;
use crm_core::table::text::sanitize;

use super::args::Common;
use super::output::Output;

/// `recommend [MAPPING…]`.
pub(crate) fn recommend(common: &Common, mappings: &[String], out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    let monitor = out.monitor()?;
    let found = workspace.recommend(mappings, &monitor)?;
    monitor.done();
    if out.is_json() {
        let mut document = serde_json::json!(found);
        document["command"] = serde_json::json!(found.command());
        out.json(&document)?;
        return Ok(0);
    }
    for line in found.lines() {
        out.line(sanitize(&line))?;
    }
    Ok(0)
}
