//! The values that a field reads, with what its steps make of each.
use std::collections::HashMap;

use polars::prelude::{Column, DataFrame, NamedFrom, Series};

use super::{Freshness, Workspace};
use crate::error::{Error, Result};
use crate::map::Pipeline;
use crate::monitor::{Monitor, Progress};
use crate::project::{Mapping, Origin};

/// Most different values that are kept; a column with more is no list of values.
const MOST: usize = 5_000;

/// A value that a field reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldValue {
    /// As it is in the source; None: NULL.
    pub value: Option<String>,
    /// As the value map sees it, after the cleaning rules; None where it is not looked up.
    pub looked_up: Option<String>,
    /// What it becomes.
    pub becomes: Option<String>,
    /// Why it fails, if it does; without the value.
    pub failed: Option<String>,
    /// Rows that have it.
    pub rows: u64,
}

impl Workspace {
    /// Counts the values of the source column that a field reads, over the whole source, and says what each becomes.
    /// Fails where the field reads no single column, or one with too many different values to be a list.
    pub fn field_values(&self, mapping: &Mapping, field: &str, monitor: &dyn Monitor) -> Result<Vec<FieldValue>> {
        let at = mapping.fields.iter().position(|one| one.target == field);
        let Some((at, Origin::From(column))) = at.map(|at| (at, &mapping.fields[at].origin)) else {
            return Err(Error::usage(format!("{field} reads no single column")).advise("edit its lines with enter"));
        };
        let from = &mapping.from;
        let snapshot = self.snapshot(&from.platform, &from.source, &from.label, Freshness::Cached, monitor)?;
        let names: Vec<String> = snapshot.meta().schema.names().map(str::to_owned).collect();
        let pipeline = Pipeline::compile(mapping, &names, &self.project().root)
            .map_err(|problems| Error::usage(problems.first().map_or("the mapping is wrong", |one| &one.message)))?;
        let mut counts: HashMap<Option<String>, u64> = HashMap::new();
        let total = snapshot.meta().rows;
        let mut done = 0;
        for batch in snapshot.batches(Some(std::slice::from_ref(column)))? {
            monitor.check()?;
            let batch = batch?;
            for value in batch.column(column)?.str()?.iter() {
                match counts.get_mut(&value.map(str::to_owned)) {
                    Some(count) => *count += 1,
                    None => {
                        counts.insert(value.map(str::to_owned), 1);
                    }
                }
            }
            if counts.len() > MOST {
                return Err(Error::usage(format!("{column} has more than {MOST} different values"))
                    .advise("a value map is for lists; edit the field's lines with enter"));
            }
            done += batch.height() as u64;
            monitor.report(Progress { step: format!("counting values of {column}"), done, total: Some(total) });
        }
        let mut counts: Vec<(Option<String>, u64)> = counts.into_iter().collect();
        counts.sort();
        let frame = frame_of(&names, column, counts.iter().map(|(value, _)| value.as_deref()))?;
        let outcome = pipeline.apply(&frame)?;
        let mapped = outcome.mapped.column(field)?.str()?.clone();
        counts
            .into_iter()
            .enumerate()
            .map(|(row, (value, rows))| {
                let failure = outcome.failures.iter().find(|failure| failure.row == row && failure.field == at);
                let steps = pipeline.trace(&frame, row, at)?;
                let map =
                    steps.iter().position(|step| step.step.starts_with("values") || step.step.starts_with("allowed"));
                let looked_up = map
                    .map_or_else(|| value.clone(), |map| map.checked_sub(1).and_then(|last| steps[last].value.clone()));
                Ok(FieldValue {
                    looked_up,
                    becomes: mapped.get(row).map(str::to_owned),
                    failed: failure.map(|failure| failure.reason.clone()),
                    value,
                    rows,
                })
            })
            .collect()
    }
}

/// A frame with all columns of the source, NULL but for one.
fn frame_of<'v>(names: &[String], column: &str, values: impl Iterator<Item = Option<&'v str>>) -> Result<DataFrame> {
    let values: Vec<Option<&str>> = values.collect();
    let empty: Vec<Option<&str>> = vec![None; values.len()];
    let columns: Vec<Column> = names
        .iter()
        .map(|name| Series::new(name.as_str().into(), if name == column { &values } else { &empty }).into())
        .collect();
    Ok(DataFrame::new(values.len(), columns)?)
}
