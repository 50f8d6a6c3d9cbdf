//! Hashes of keys and rows: 128-bit xxh3 over length-prefixed cells, so ("a", "bc") and ("ab", "c") differ, and so do
//! NULL and the empty text.
use polars::prelude::{DataFrame, StringChunked};
use xxhash_rust::xxh3::xxh3_128;

use crate::error::Result;

/// Hash of some cells in order.
pub fn cells_hash<'a>(cells: impl IntoIterator<Item = Option<&'a str>>, buffer: &mut Vec<u8>) -> u128 {
    buffer.clear();
    for cell in cells {
        match cell {
            None => buffer.push(0),
            Some(text) => {
                buffer.push(1);
                buffer.extend_from_slice(&(text.len() as u64).to_le_bytes());
                buffer.extend_from_slice(text.as_bytes());
            }
        }
    }
    xxh3_128(buffer)
}

/// One hash a row over the named text columns, in the order given.
pub fn row_hash(frame: &DataFrame, columns: &[String]) -> Result<Vec<u128>> {
    let columns: Vec<&StringChunked> =
        columns.iter().map(|name| Ok(frame.column(name)?.str()?)).collect::<Result<_>>()?;
    let mut iterators: Vec<_> = columns.iter().map(|column| column.iter()).collect();
    let mut buffer = Vec::with_capacity(256);
    Ok((0..frame.height())
        .map(|_| cells_hash(iterators.iter_mut().map(|cells| cells.next().flatten()), &mut buffer))
        .collect())
}
