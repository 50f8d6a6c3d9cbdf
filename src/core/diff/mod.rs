//! Keyed row and cell diff of two tables, streaming: hashes of key and row are held, cells only of what differs.
mod cells;
mod index;
mod side;

use hashbrown::HashSet;
use serde::{Deserialize, Serialize};

use self::index::Index;
use self::side::Side;
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::platform::{Connector, Schema, Source};

/// A key: one text per key column; None is NULL.
pub type Key = Vec<Option<String>>;

/// One cell that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellChange {
    /// Key of the row.
    pub key: Key,
    /// Column.
    pub column: String,
    /// In the old table.
    pub old: Option<String>,
    /// In the new table.
    pub new: Option<String>,
}

/// Something a diff found, streamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Only in the new table.
    Added(Key),
    /// Only in the old table.
    Removed(Key),
    /// In both with other cells: all of them at once.
    Changed(Vec<CellChange>),
}

/// Counts of a diff.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffSummary {
    /// Rows only in new.
    pub added: u64,
    /// Rows only in old.
    pub removed: u64,
    /// Rows in both that differ.
    pub changed: u64,
    /// Rows alike.
    pub unchanged: u64,
    /// Changed cells by column.
    pub by_column: Vec<(String, u64)>,
    /// Columns only in new.
    pub columns_added: Vec<String>,
    /// Columns only in old.
    pub columns_removed: Vec<String>,
    /// Keys that occur more than once, in old and in new.
    pub duplicate_keys: (u64, u64),
    /// Pieces of old and of new that are not rows and so were not compared.
    pub rejects: (u64, u64),
}

/// Diffs two objects by `key` columns. `emit` is called for each difference: changed and removed in old order, then
/// added in new order; it answers false to stop early (the summary still counts all).
///
/// Compared are the columns that both have, by name. Rows of one key are a multiset: as many as possible are paired with
/// an equal row, the rest in order of occurrence. A key with a NULL in it equals no other. Where one of the two platforms
/// cannot hold NULL, NULL and the empty text are the same.
///
/// Some 45 bytes are held for each old row, 20 for each row that differs, and a bounded number of cells. Old is read twice
/// and new once; new is read again for each [`cells::CHUNK`] bytes of changed rows when there are more than that.
pub fn diff_objects(
    old: (&dyn Connector, &Source),
    new: (&dyn Connector, &Source),
    key: &[String],
    emit: &mut dyn FnMut(Difference) -> bool,
    monitor: &dyn Monitor,
) -> Result<DiffSummary> {
    diff_in_chunks(old, new, key, emit, monitor, cells::CHUNK)
}

fn diff_in_chunks(
    old: (&dyn Connector, &Source),
    new: (&dyn Connector, &Source),
    key: &[String],
    emit: &mut dyn FnMut(Difference) -> bool,
    monitor: &dyn Monitor,
    chunk: usize,
) -> Result<DiffSummary> {
    if key.is_empty() {
        return Err(Error::usage("a diff needs a key").advise("name the columns that identify a row: --key ID[,ID]"));
    }
    let columns = [old, new].map(|(connector, source)| connector.schema(source).map(names));
    let [old_columns, new_columns] = columns;
    let (old_columns, new_columns) = (old_columns?, new_columns?);
    for (side, columns) in [("old", &old_columns), ("new", &new_columns)] {
        if let Some(missing) = key.iter().find(|name| !columns.contains(name)) {
            return Err(Error::usage(format!("the {side} table has no key column {missing}"))
                .advise(format!("its columns are: {}", columns.join(", "))));
        }
    }
    let in_new: HashSet<&String> = new_columns.iter().collect();
    let in_old: HashSet<&String> = old_columns.iter().collect();
    let compared: Vec<String> =
        old_columns.iter().filter(|name| in_new.contains(name) && !key.contains(name)).cloned().collect();
    let blank_is_null = !(holds_null(old) && holds_null(new));
    let side = |(connector, source), name| Side { connector, source, name, key, compared: &compared, blank_is_null };
    let (old, new) = (side(old, "old"), side(new, "new"));

    let index = Index::of(&old, monitor)?;
    let mut found = index.compare(&new, chunk, monitor)?;
    let mut summary = DiffSummary {
        added: found.added.len() as u64,
        removed: found.removed,
        changed: found.pairs.len() as u64,
        unchanged: found.unchanged,
        columns_added: new_columns.iter().filter(|name| !in_old.contains(name)).cloned().collect(),
        columns_removed: old_columns.iter().filter(|name| !in_new.contains(name)).cloned().collect(),
        duplicate_keys: found.duplicate_keys,
        rejects: found.rejects,
        ..DiffSummary::default()
    };
    let counts = cells::emit_differences(&old, &new, &mut found, chunk, emit, monitor)?;
    summary.by_column = compared.iter().cloned().zip(counts).filter(|(_, count)| *count > 0).collect();
    Ok(summary)
}

fn names(schema: Schema) -> Vec<String> {
    schema.columns.into_iter().map(|column| column.name).collect()
}

/// Whether a platform tells NULL from the empty text. A query's result can.
fn holds_null((connector, source): (&dyn Connector, &Source)) -> bool {
    match source {
        Source::Object(object) => connector.capabilities(object).is_ok_and(|capabilities| capabilities.null),
        Source::Query { .. } => true,
    }
}

#[cfg(test)]
mod tests;
