//! `suggest`: which source column fills which target field.
use crm_core::Result;
use crm_core::suggest::{self, Knowledge, Suggestion};
use crm_core::table::text::sanitize;

use super::args::Common;
use super::object::Object;
use super::output::Output;

/// Most fields that are told one by one where they are joined.
const PARTS: usize = 3;

/// `suggest SOURCE TARGET`.
pub(crate) fn suggest(common: &Common, source: &str, target: &str, out: &mut Output) -> Result<u8> {
    let monitor = out.monitor()?;
    let side = |text: &str| {
        let object = Object::resolve(common, text)?;
        suggest::sample_or_list(&*object.connector, &object.source, &monitor)
    };
    let knowledge = Knowledge::of_project(&common.project)?;
    let found = suggest::propose(&side(source)?, &side(target)?, &knowledge);
    monitor.done();
    if out.is_json() {
        // The two or three parts of a name each have their line, with the same rank and transform. The lines of an address
        // do not: they fill nothing by themselves, and stand in the transform.
        let parts = |item: &Suggestion| {
            let sources = item.sources();
            let several = if sources.len() <= PARTS { sources.len() } else { 1 };
            sources[..several].iter().map(|from| (*from).to_owned()).collect::<Vec<_>>()
        };
        let lines: Vec<Suggestion> = found
            .iter()
            .flat_map(|item| {
                parts(item).into_iter().map(|from| Suggestion { from, ..item.clone() }).collect::<Vec<_>>()
            })
            .collect();
        out.json(&lines)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|item| {
            let rank = if item.rank == 1 { "+".to_owned() } else { item.rank.to_string() };
            let score = format!("{:.2}", item.score);
            let from = item.sources().join(" + ");
            let why = item.reasons.join(", ");
            let cells =
                [&item.to, &from, &super::map::transform_words(item), &why].map(|text| sanitize(text).into_owned());
            [rank, score].into_iter().chain(cells).collect()
        })
        .collect();
    out.table(&["RANK", "SCORE", "TARGET", "SOURCE", "TRANSFORM", "WHY"], &rows, &[1])?;
    Ok(0)
}
