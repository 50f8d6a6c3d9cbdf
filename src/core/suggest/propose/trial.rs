//! Trying transforms: fields of one rank become one mapping, which is compiled and applied to the rows as a run would.
use std::path::Path;

use polars::prelude::{DataFrame, StringChunked};

use super::super::Suggestion;
use super::Trial;
use crate::map::Pipeline;
use crate::project::edit::MappingEdit;
use crate::project::{Field, load_mapping};

/// Examples that are kept.
const EXAMPLES: usize = 3;

/// Tries all transforms on these rows; one that does not compile is taken away.
pub(super) fn run(rows: &DataFrame, found: &mut [Suggestion]) {
    let deepest = found.iter().map(|item| item.rank).max().unwrap_or_default();
    for rank in 1..=deepest {
        let mut places: Vec<usize> =
            (0..found.len()).filter(|at| found[*at].rank == rank && found[*at].transform.is_some()).collect();
        // Each target is filled once in a mapping.
        places.sort_by_key(|at| found[*at].to.clone());
        places.dedup_by_key(|at| found[*at].to.clone());
        if places.is_empty() {
            continue;
        }
        let field = |at: &usize| found[*at].transform.as_ref().map(|transform| transform.field.clone());
        let fields: Vec<Field> = places.iter().filter_map(field).collect();
        let trials: Vec<Option<Trial>> = match attempt(rows, &fields) {
            Some(trials) => trials.into_iter().map(Some).collect(),
            // One of them spoils the mapping: alone it shows which.
            None => fields
                .iter()
                .map(|field| attempt(rows, std::slice::from_ref(field)).and_then(|mut trials| trials.pop()))
                .collect(),
        };
        for (at, trial) in places.into_iter().zip(trials) {
            if trial.is_none() {
                found[at].transform = None;
            } else if let Some(transform) = &mut found[at].transform {
                transform.trial = trial;
            }
        }
    }
}

/// Applies fields to rows; None if they do not compile.
fn attempt(rows: &DataFrame, fields: &[Field]) -> Option<Vec<Trial>> {
    let mut edit = MappingEdit::new("source:rows", "target:rows", &[fields.first()?.target.clone()]);
    // A link is looked up by a set step; here only its row steps are tried.
    let plain: Vec<Field> = fields.iter().map(|field| Field { link: None, ..field.clone() }).collect();
    edit.set_fields(&plain);
    let root = Path::new("");
    let mapping = load_mapping(root, Path::new("trial.toml"), &edit.to_string()).ok()?;
    let columns: Vec<String> = rows.get_column_names().iter().map(ToString::to_string).collect();
    let pipeline = Pipeline::compile(&mapping, &columns, root).ok()?;
    let outcome = pipeline.apply(rows).ok()?;
    fields
        .iter()
        .map(|field| {
            let at = mapping.fields.iter().position(|one| one.target == field.target)?;
            let sources: Vec<&StringChunked> =
                pipeline.fields()[at].sources.iter().filter_map(|name| rows.column(name).ok()?.str().ok()).collect();
            let after = outcome.mapped.columns().get(at)?.str().ok()?;
            let blank =
                |row: usize| sources.iter().all(|cells| cells.get(row).is_none_or(|cell| cell.trim().is_empty()));
            let mut trial =
                Trial { rows: (0..rows.height()).filter(|row| !blank(*row)).count() as u64, ..Trial::default() };
            for failure in outcome.failures.iter().filter(|failure| failure.field == at && !blank(failure.row)) {
                trial.failed += 1;
                let reason = format!("{}: {}", failure.step, failure.reason);
                match trial.reasons.iter_mut().find(|(known, _)| *known == reason) {
                    Some((_, rows)) => *rows += 1,
                    None => trial.reasons.push((reason, 1)),
                }
            }
            trial.reasons.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
            trial.reasons.truncate(EXAMPLES);
            for row in 0..rows.height() {
                let before = sources.first().and_then(|cells| cells.get(row));
                let (before, after) = (before.map(str::to_owned), after.get(row).map(str::to_owned));
                if !blank(row)
                    && after.is_some()
                    && before != after
                    && !trial.examples.iter().any(|(one, _)| *one == before)
                {
                    trial.examples.push((before, after));
                }
                if trial.examples.len() == EXAMPLES {
                    break;
                }
            }
            Some(trial)
        })
        .collect::<Option<Vec<_>>>()
}
