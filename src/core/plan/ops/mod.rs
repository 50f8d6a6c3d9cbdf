//! The operations of a mapping on disk: `NAME.ops.parquet`, row `i` for source row `i`, then one row per target row
//! without a source that changes (deletes and marks, ascending by target ordinal).
//!
//! Who runs a plan reads it with [`OpsReader`]: [`OpsReader::changes`] in target order, [`OpsReader::inserts`] in source
//! order, [`OpsReader::present`] for rows that are there already. Memory is bounded by the batch.
use std::path::{Path, PathBuf};

mod changes;
mod pieces;
mod reader;
mod store;
mod writer;

pub use changes::ChangeRun;
pub use reader::{Changes, InsertRun, Inserts, OpsReader, PendingLink, Present, PresentRun};
pub use store::{Store, StoreWriter};
pub use writer::{OpRow, OpsWriter};

use super::Operation;

/// Rows of a batch and of a row group.
pub const OPS_BATCH: usize = 8_192;

/// Column: the operation, by [`code`].
pub const OP: &str = "__op";
/// Column: ordinal of the source row.
pub const SOURCE: &str = "__source";
/// Column: ordinal of the target row.
pub const TARGET: &str = "__target";
/// Columns: hash of the whole target row as planned, upper and lower half.
pub const EXPECTED: [&str; 2] = ["__expected_hi", "__expected_lo"];
/// Column: old key, as the crosswalk knows it.
pub const KEY: &str = "__key";
/// Column: identity of the target row, where there is one already.
pub const IDENTITY: &str = "__identity";
/// Column: how the platform finds the target row again.
pub const LOCATOR: &str = "__locator";
/// Column: why held, rejected, merged, filtered, deleted.
pub const REASON: &str = "__reason";
/// Column: indexes of the fields that differ and are kept, as `,3,7,`.
pub const KEPT: &str = "__kept";
/// Column: indexes of the fields that change, as `,3,7,`.
pub const CHANGED: &str = "__changed";
/// Prefix of columns with the old keys of parents whose new id is not known yet.
pub const PENDING: &str = "__pending_";

/// Column of reverts: an insert puts a row back before the target row of this ordinal.
pub const BEFORE: &str = "__before";
/// Column of reverts: the row byte for byte, as the platform once gave it.
pub const ORIGINAL: &str = "__original";

/// Operations by their code in [`OP`].
const CODES: [Operation; 9] = [
    Operation::Insert,
    Operation::Update,
    Operation::Unchanged,
    Operation::Filtered,
    Operation::Merged,
    Operation::Held,
    Operation::Rejected,
    Operation::Delete,
    Operation::Mark,
];

/// An operation's code.
pub fn code(operation: Operation) -> u32 {
    CODES.iter().position(|known| *known == operation).map_or(0, |at| at as u32)
}

/// The operation of a code.
pub fn operation(code: u32) -> Option<Operation> {
    CODES.get(code as usize).copied()
}

/// File of a mapping's operations.
pub fn ops_path(plan_dir: &Path, mapping: &str) -> PathBuf {
    plan_dir.join(format!("{mapping}.ops.parquet"))
}

/// File of a mapping's rejects.
pub fn rejects_path(plan_dir: &Path, mapping: &str) -> PathBuf {
    plan_dir.join(format!("{mapping}.rejects.ndjson"))
}

/// Field indexes as the text of [`KEPT`] and [`CHANGED`]; None for no field.
pub fn index_list(fields: &[usize]) -> Option<String> {
    if fields.is_empty() {
        return None;
    }
    let mut text = String::with_capacity(1 + fields.len() * 3);
    text.push(',');
    for field in fields {
        text.push_str(&field.to_string());
        text.push(',');
    }
    Some(text)
}

/// Reads [`index_list`] back.
pub fn read_index_list(text: Option<&str>) -> Vec<usize> {
    text.map(|text| text.split(',').filter_map(|part| part.parse().ok()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
