//! Which rows tell most about what a field's steps do.
use std::collections::HashSet;

use polars::prelude::{DataFrame, StringChunked};

use crate::error::Result;
use crate::map::{Fate, Outcome, Pipeline};

/// Rows of the longest results that are shown.
const LONGEST: usize = 3;

/// Ordinals of at most `count` rows of a frame, ascending: half of them may fail, a third change, one is NULL, some are the
/// longest; what is left over is filled up in that order. Rows that read and become the same are shown once.
pub(super) fn rows(
    pipeline: &Pipeline,
    frame: &DataFrame,
    outcome: &Outcome,
    field: usize,
    count: usize,
) -> Result<Vec<u64>> {
    let definition = &pipeline.fields()[field];
    let text = |frame: &DataFrame, name: &str| -> Result<StringChunked> { Ok(frame.column(name)?.str()?.clone()) };
    let before = definition.sources.first().map(|source| text(frame, source)).transpose()?;
    let after = text(&outcome.mapped, &definition.target)?;
    let failing: HashSet<usize> =
        outcome.failures.iter().filter(|failure| failure.field == field).map(|failure| failure.row).collect();
    let mut seen = HashSet::new();
    let (mut failed, mut changed, mut null, mut plain) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut longest: Vec<(usize, u64)> = Vec::new();
    for row in (0..frame.height()).filter(|row| outcome.fates[*row] != Fate::Filtered) {
        let (old, new) = (before.as_ref().and_then(|cells| cells.get(row)), after.get(row));
        if !seen.insert((old, new, failing.contains(&row))) {
            continue;
        }
        let place = row as u64;
        match new {
            _ if failing.contains(&row) => failed.push(place),
            None => null.push(place),
            Some(_) if old != new => changed.push(place),
            Some(_) => plain.push(place),
        }
        let length = new.or(old).map_or(0, |text| text.chars().count());
        if longest.len() < LONGEST || longest.last().is_some_and(|(least, _)| length > *least) {
            longest.push((length, place));
            longest.sort_by_key(|(length, place)| (std::cmp::Reverse(*length), *place));
            longest.truncate(LONGEST);
        }
    }
    let mut chosen: Vec<u64> = Vec::with_capacity(count);
    let mut taken = HashSet::new();
    let mut take = |rows: &mut dyn Iterator<Item = u64>| {
        for row in rows {
            if chosen.len() < count && taken.insert(row) {
                chosen.push(row);
            }
        }
    };
    take(&mut failed.iter().copied().take(count / 2));
    take(&mut changed.iter().copied().take(count / 3));
    take(&mut null.iter().copied().take(1));
    take(&mut longest.iter().map(|(_, row)| *row));
    take(&mut failed.into_iter().chain(changed).chain(plain).chain(null));
    chosen.sort_unstable();
    Ok(chosen)
}
