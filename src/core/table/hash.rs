//! Hashes of keys and rows: 128-bit xxh3 over length-prefixed cells, so ("a", "bc") and ("ab", "c") differ, and so do
//! NULL and the empty text.
use polars::prelude::{DataFrame, StringChunked};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::error::Result;

/// Hash of some cells in order.
pub fn cells_hash<'a>(cells: impl IntoIterator<Item = Option<&'a str>>, buffer: &mut Vec<u8>) -> u128 {
    encode(cells, buffer);
    xxh3_128(buffer)
}

/// Half as long, for comparing rows that already have one key: two of them, not all with all.
pub(crate) fn cells_hash_64<'a>(cells: impl IntoIterator<Item = Option<&'a str>>, buffer: &mut Vec<u8>) -> u64 {
    encode(cells, buffer);
    xxh3_64(buffer)
}

/// The bytes that are hashed: two lists of cells never have the same.
fn encode<'a>(cells: impl IntoIterator<Item = Option<&'a str>>, buffer: &mut Vec<u8>) {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use polars::prelude::{Column, NamedFrom, Series};
    use proptest::prelude::*;

    use super::*;

    fn frame(cells: &[Vec<Option<String>>], width: usize) -> DataFrame {
        let columns = (0..width)
            .map(|place| {
                let cells: Vec<Option<&str>> = cells.iter().map(|row| row[place].as_deref()).collect();
                Column::from(Series::new(format!("c{place}").into(), cells))
            })
            .collect();
        DataFrame::new(cells.len(), columns).unwrap()
    }

    fn row() -> impl Strategy<Value = Vec<Option<String>>> {
        // Short cells of few letters, the encoding's own bytes among them: what could run into each other.
        prop::collection::vec(prop::option::of("[ab\u{0}\u{1}]{0,3}"), 0..4)
    }

    proptest! {
        #[test]
        fn no_two_rows_are_encoded_alike(one in row(), two in row()) {
            let bytes = |row: &[Option<String>]| {
                let mut buffer = Vec::new();
                encode(row.iter().map(Option::as_deref), &mut buffer);
                buffer
            };
            prop_assert_eq!(bytes(&one) == bytes(&two), one == two);
        }

        #[test]
        fn chunks_do_not_matter(
            rows in prop::collection::vec(prop::collection::vec(prop::option::of("[a-c]{0,20}"), 3), 1..20), cut in 0_usize..20,
        ) {
            let names: Vec<String> = (0..3).map(|place| format!("c{place}")).collect();
            let cut = cut.min(rows.len());
            let mut chunked = frame(&rows[..cut], 3);
            chunked.vstack_mut(&frame(&rows[cut..], 3)).unwrap();
            prop_assert_eq!(row_hash(&chunked, &names).unwrap(), row_hash(&frame(&rows, 3), &names).unwrap());
        }
    }

    #[test]
    fn null_is_not_the_empty_text_and_borders_count() {
        let mut buffer = Vec::new();
        let mut hash = |cells: &[Option<&str>]| cells_hash(cells.iter().copied(), &mut buffer);
        assert_ne!(hash(&[None]), hash(&[Some("")]));
        assert_ne!(hash(&[Some("a"), Some("bc")]), hash(&[Some("ab"), Some("c")]));
        assert_ne!(hash(&[None, Some("a")]), hash(&[Some("a"), None]));
        // Plans on disk hold it: the value itself must not change from one version to the next.
        assert_eq!(hash(&[Some("4711"), None]), 80_951_379_943_327_083_441_799_953_450_032_761_232);
    }

    #[test]
    fn the_order_of_columns_counts_and_unknown_ones_fail() {
        let rows = frame(&[vec![Some("a".into()), Some("b".into())]], 2);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_ne!(row_hash(&rows, &names(&["c0", "c1"])).unwrap(), row_hash(&rows, &names(&["c1", "c0"])).unwrap());
        assert!(row_hash(&rows, &names(&["nope"])).unwrap_err().what().contains("nope"));
    }
}
