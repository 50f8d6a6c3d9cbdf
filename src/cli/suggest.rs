//! `suggest`: which source column fills which target field.
use crm_core::Result;
use crm_core::suggest;
use crm_core::table::text::sanitize;

use super::args::Common;
use super::object::Object;
use super::output::Output;

/// `suggest SOURCE TARGET`.
pub(crate) fn suggest(common: &Common, source: &str, target: &str, out: &mut Output) -> Result<u8> {
    let monitor = out.monitor()?;
    let fields = |text: &str| {
        let object = Object::resolve(common, text)?;
        suggest::fields_or_list(&*object.connector, &object.source, &monitor)
    };
    let found = suggest::suggest(&fields(source)?, &fields(target)?);
    monitor.done();
    if out.is_json() {
        out.json(&found)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|item| {
            let rank = if item.rank == 1 { "+".to_owned() } else { item.rank.to_string() };
            let score = format!("{:.2}", item.score);
            vec![rank, score, item.to.clone(), item.from.clone(), sanitize(&item.reasons.join(", ")).into_owned()]
        })
        .collect();
    out.table(&["RANK", "SCORE", "TARGET", "SOURCE", "WHY"], &rows, &[1])?;
    Ok(0)
}
