//! From a row and its target row to the expected row: what changes, what a write rule keeps.
use hashbrown::HashMap;
use polars::prelude::{DataFrame, StringChunked, StringChunkedBuilder};

use super::classify::{Blame, Classified};
use super::facts::TargetFacts;
use super::shape::{Shape, is_blank, is_true, text_columns};
use super::sides::{Sides, Verdict};
use crate::error::Result;
use crate::plan::Operation;
use crate::platform::LOCATOR;
use crate::project::WriteRule;
use crate::table::Snapshot;

/// What becomes of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// The target's stays; they are the same value.
    Same,
    /// The target's stays by rule, although they differ.
    Kept,
    /// The mapped one is written.
    Changed,
}

/// Target rows fetched for a comparison.
struct Gathered {
    cells: Vec<StringChunked>,
    frame: DataFrame,
    place: HashMap<u32, usize>,
}

/// Compares the rows of some batches that have a target row: settles update or unchanged, and the expected cells.
pub(crate) fn compare(
    shape: &Shape,
    facts: &TargetFacts,
    target: Option<&Snapshot>,
    mut sides: Option<&mut Sides<'_>>,
    batches: &mut [Classified],
) -> Result<()> {
    let Some(target) = target else {
        for batch in batches {
            settle(shape, batch, None, None)?;
        }
        return Ok(());
    };
    let mut ordinals = Vec::new();
    let mut wanted = Vec::new();
    for batch in batches.iter_mut() {
        let hashes = if batch.rows.iter().any(is_open) { shape.hashes(&batch.cells) } else { Vec::new() };
        let waits: Vec<bool> =
            (0..batch.rows.len()).map(|row| batch.pending.iter().any(|pending| pending.get(row).is_some())).collect();
        let mut open = vec![false; batch.rows.len()];
        for (row, op) in batch.rows.iter_mut().enumerate() {
            let Some(at) = op.target.filter(|_| is_open(op)) else { continue };
            let in_scope = shape.scope.is_none() || facts.scope[at as usize];
            if in_scope && !waits[row] && shape.mark.is_none() && hashes[row] == facts.cells_hash[at as usize] {
                op.operation = Some(Operation::Unchanged);
                // A locator is not needed where nothing is written.
                continue;
            }
            open[row] = true;
            ordinals.push(u64::from(at));
        }
        wanted.push(open);
    }
    ordinals.sort_unstable();
    ordinals.dedup();
    let gathered = if ordinals.is_empty() { None } else { Some(gather(shape, target, &ordinals)?) };
    for (batch, open) in batches.iter_mut().zip(wanted) {
        let found = gathered.as_ref().map(|gathered| (gathered, open.as_slice(), facts));
        settle(shape, batch, found, sides.as_deref_mut())?;
    }
    Ok(())
}

fn is_open(op: &super::ops::OpRow) -> bool {
    op.operation == Some(Operation::Update)
}

fn gather(shape: &Shape, target: &Snapshot, ordinals: &[u64]) -> Result<Gathered> {
    let mut names: Vec<String> =
        shape.columns.iter().filter(|name| shape.target.column(name).is_some()).cloned().collect();
    for name in shape.scope.iter().flat_map(|scope| &scope.columns) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let frame = target.gather(ordinals, Some(&names))?;
    let cells = shape.target_cells(&frame)?;
    let place = ordinals.iter().enumerate().map(|(place, ordinal)| (*ordinal as u32, place)).collect();
    Ok(Gathered { cells, frame, place })
}

/// Writes the expected cells of one batch. `found`: fetched target rows and which rows of the batch need them.
fn settle(
    shape: &Shape,
    batch: &mut Classified,
    found: Option<(&Gathered, &[bool], &TargetFacts)>,
    mut sides: Option<&mut Sides<'_>>,
) -> Result<()> {
    let height = batch.rows.len();
    let locators = match found {
        Some((gathered, ..)) if gathered.frame.column(LOCATOR).is_ok() => {
            text_columns(&gathered.frame, &[LOCATOR.to_owned()])?.pop()
        }
        _ => None,
    };
    // By row: place of the target row, and what becomes of each cell.
    let mut verdicts: Vec<Option<(usize, Vec<Cell>)>> = vec![None; height];
    if let Some((gathered, open, _)) = found {
        for row in (0..height).filter(|row| open[*row]) {
            let op = &mut batch.rows[row];
            let Some(place) = op.target.and_then(|at| gathered.place.get(&at).copied()) else { continue };
            let mut keeps = None;
            let mut own_mark = false;
            if let (Some(sides), Some(key)) = (sides.as_deref_mut(), &op.key) {
                let mapped: Vec<Option<&str>> = batch.cells.iter().map(|cells| cells.get(row)).collect();
                let there: Vec<Option<&str>> = gathered.cells.iter().map(|cells| cells.get(place)).collect();
                match sides.judge(shape, key, &mapped, &there)? {
                    Verdict::Rules => {}
                    Verdict::Keeps(columns) => {
                        batch.stays[row] = true;
                        keeps = Some(columns);
                    }
                    Verdict::Waits => {
                        batch.stays[row] = true;
                        hold(op, &mut batch.blames[row], "conflict", "both sides changed it since they last agreed");
                        continue;
                    }
                }
                own_mark = shape.mark.is_some() && sides.never_left(key)?;
            }
            let cells: Vec<Cell> = (0..shape.columns.len())
                .map(|column| {
                    let waits = shape
                        .links
                        .iter()
                        .position(|link| link.field == column)
                        .is_some_and(|at| batch.pending[at].get(row).is_some());
                    if keeps.as_ref().is_some_and(|keeps| keeps[column]) {
                        return Cell::Kept;
                    }
                    let is_mark =
                        |mark: &super::shape::Mark| mark.column == column && column >= shape.pipeline.fields().len();
                    if own_mark && shape.mark.as_ref().is_some_and(is_mark) {
                        return Cell::Same;
                    }
                    verdict(shape, column, batch.cells[column].get(row), gathered.cells[column].get(place), waits)
                })
                .collect();
            let is = |wanted: Cell| (0..cells.len()).filter(|at| cells[*at] == wanted).collect::<Vec<_>>();
            (op.changed, op.kept) = (is(Cell::Changed), is(Cell::Kept));
            op.operation = Some(if op.changed.is_empty() { Operation::Unchanged } else { Operation::Update });
            op.locator = locators.as_ref().and_then(|locators| locators.get(place)).map(str::to_owned);
            verdicts[row] = Some((place, cells));
        }
        leave_out_of_scope(shape, batch, found, &verdicts)?;
    }
    for (column, name) in shape.columns.iter().enumerate() {
        let never = shape.rules[column] == WriteRule::Never;
        let marks = shape.mark.as_ref().filter(|mark| mark.column == column && column >= shape.pipeline.fields().len());
        let from_target = |row: usize| matches!(&verdicts[row], Some((_, cells)) if cells[column] != Cell::Changed);
        let inserted = |row: usize| batch.rows[row].operation == Some(Operation::Insert);
        if !never && marks.is_none() && !(0..height).any(from_target) {
            continue;
        }
        let mut out = StringChunkedBuilder::new(name.as_str().into(), height);
        for (row, verdict) in verdicts.iter().enumerate() {
            let mapped = batch.cells[column].get(row);
            let value = match (verdict, found) {
                (Some((place, cells)), Some((gathered, ..))) if cells[column] != Cell::Changed => {
                    gathered.cells[column].get(*place)
                }
                _ if marks.is_some() => marks.map(|mark| mark.no),
                _ if never && inserted(row) => None,
                _ => mapped,
            };
            out.append_option(value);
        }
        batch.cells[column] = out.finish();
    }
    // A pending parent of a cell that is not written is not waited for.
    for (at, link) in shape.links.iter().enumerate() {
        let drop = |row: usize| {
            matches!(&verdicts[row], Some((_, cells)) if cells[link.field] != Cell::Changed)
                || !matches!(batch.rows[row].operation, Some(Operation::Insert | Operation::Update))
                || shape.rules[link.field] == WriteRule::Never
        };
        if (0..height).any(|row| batch.pending[at].get(row).is_some() && drop(row)) {
            let kept: StringChunked =
                batch.pending[at].iter().enumerate().map(|(row, key)| key.filter(|_| !drop(row))).collect();
            batch.pending[at] = kept;
        }
    }
    Ok(())
}

/// The row waits.
pub(super) fn hold(op: &mut super::ops::OpRow, blame: &mut Option<Blame>, step: &str, reason: &str) {
    op.operation = Some(Operation::Held);
    op.reason = Some(reason.to_owned());
    op.changed.clear();
    op.kept.clear();
    *blame = Some(Blame {
        field: None,
        step: step.to_owned(),
        reason: reason.to_owned(),
        cause: reason.to_owned(),
        parent: None,
    });
}

fn verdict(shape: &Shape, column: usize, mapped: Option<&str>, there: Option<&str>, waits: bool) -> Cell {
    if let Some(mark) = &shape.mark
        && mark.column == column
        && column >= shape.pipeline.fields().len()
    {
        // The source has the row again: it is not marked any more.
        return if is_true(there) { Cell::Changed } else { Cell::Same };
    }
    if !waits && shape.same(column, mapped, there) {
        return Cell::Same;
    }
    match shape.rules[column] {
        WriteRule::IfBlank if is_blank(there) && (waits || !is_blank(mapped)) => Cell::Changed,
        WriteRule::IfBlank if is_blank(there) => Cell::Same,
        WriteRule::IfBlank | WriteRule::Create | WriteRule::Never => Cell::Kept,
        WriteRule::Always if shape.latch[column] && is_true(there) && !is_true(mapped) => Cell::Kept,
        WriteRule::Always => Cell::Changed,
    }
}

/// A row may adopt a target row from outside the scope if it is in scope once written; else it waits.
fn leave_out_of_scope(
    shape: &Shape,
    batch: &mut Classified,
    found: Option<(&Gathered, &[bool], &TargetFacts)>,
    verdicts: &[Option<(usize, Vec<Cell>)>],
) -> Result<()> {
    let (Some(scope), Some((gathered, open, facts))) = (&shape.scope, found) else { return Ok(()) };
    let outside: Vec<usize> = (0..batch.rows.len())
        .filter(|row| open[*row] && batch.rows[*row].target.is_some_and(|at| !facts.scope[at as usize]))
        .collect();
    if outside.is_empty() {
        return Ok(());
    }
    let mut columns = Vec::new();
    for name in &scope.columns {
        let column = shape.columns.iter().position(|column| column == name);
        let theirs = text_columns(&gathered.frame, std::slice::from_ref(name))?.swap_remove(0);
        let mut out = StringChunkedBuilder::new(name.as_str().into(), outside.len());
        for row in &outside {
            let Some((place, cells)) = &verdicts[*row] else {
                out.append_null();
                continue;
            };
            out.append_option(match column {
                Some(column) if cells[column] == Cell::Changed => batch.cells[column].get(*row),
                _ => theirs.get(*place),
            });
        }
        columns.push(polars::prelude::IntoColumn::into_column(out.finish()));
    }
    let truths = scope.eval_bool(&DataFrame::new(outside.len(), columns)?)?;
    for (row, truth) in outside.into_iter().zip(truths) {
        if truth != Some(true) {
            let op = &mut batch.rows[row];
            let reason = "the target row it matches is outside the scope, and would be afterwards";
            op.operation = Some(Operation::Held);
            op.reason = Some(reason.into());
            op.changed.clear();
            op.kept.clear();
            batch.blames[row] = Some(Blame {
                field: None,
                step: "match".into(),
                reason: reason.into(),
                cause: "matched target row outside the scope".into(),
                parent: None,
            });
        }
    }
    Ok(())
}
