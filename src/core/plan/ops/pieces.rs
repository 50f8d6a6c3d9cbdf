//! Taking batches of operations in pieces: a run that may write a hundred rows a second does not write eight thousand at once.
use super::{Changes, Inserts, PendingLink};
use crate::error::Result;
use crate::platform::ChangeBatch;

/// The first `rows` of a list; the rest stays.
fn head<T>(items: &mut Vec<T>, rows: usize) -> Vec<T> {
    let rest = items.split_off(rows.min(items.len()));
    std::mem::replace(items, rest)
}

/// The links of the first `rows`; those of the rest stay, counted from their own first row.
fn head_links(pending: &mut Vec<PendingLink>, rows: usize) -> Vec<PendingLink> {
    let first = head(pending, pending.partition_point(|cell| cell.row < rows));
    for cell in pending {
        cell.row -= rows;
    }
    first
}

impl Changes {
    /// Takes the first rows off, at most so many; None: nothing is left.
    pub fn take(&mut self, rows: usize) -> Result<Option<Self>> {
        let all = self.operations.len();
        let rows = rows.clamp(1, all.max(1)).min(all);
        if rows == 0 {
            return Ok(None);
        }
        let batch = ChangeBatch {
            kinds: head(&mut self.batch.kinds, rows),
            ordinals: head(&mut self.batch.ordinals, rows),
            locators: self.batch.locators.as_mut().map(|locators| head(locators, rows)),
            expected: head(&mut self.batch.expected, rows),
            values: self.batch.values.slice(0, rows),
        };
        self.batch.values = self.batch.values.slice(rows as i64, all - rows);
        Ok(Some(Self {
            batch,
            operations: head(&mut self.operations, rows),
            sources: head(&mut self.sources, rows),
            keys: head(&mut self.keys, rows),
            identities: head(&mut self.identities, rows),
            originals: head(&mut self.originals, rows),
            pending: head_links(&mut self.pending, rows),
        }))
    }
}

impl Inserts {
    /// Takes the first rows off, at most so many; None: nothing is left.
    pub fn take(&mut self, rows: usize) -> Result<Option<Self>> {
        let all = self.keys.len();
        let rows = rows.clamp(1, all.max(1)).min(all);
        if rows == 0 {
            return Ok(None);
        }
        let values = self.values.slice(0, rows);
        self.values = self.values.slice(rows as i64, all - rows);
        Ok(Some(Self {
            sources: head(&mut self.sources, rows),
            keys: head(&mut self.keys, rows),
            values,
            pending: head_links(&mut self.pending, rows),
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use polars::prelude::df;

    use super::*;

    fn link(row: usize) -> PendingLink {
        PendingLink { row, link: 0, key: row.to_string() }
    }

    #[test]
    fn pieces_are_the_batch_in_order() {
        for size in [1, 2, 3, 4, 5, usize::MAX] {
            let mut inserts = Inserts {
                sources: vec![0, 1, 2, 3, 4],
                keys: (0..5).map(|row| format!("k{row}")).collect(),
                values: df!("a" => ["0", "1", "2", "3", "4"]).unwrap(),
                pending: vec![link(1), link(3), link(4)],
            };
            let (mut keys, mut links) = (Vec::new(), Vec::new());
            while let Some(piece) = inserts.take(size).unwrap() {
                assert!(piece.keys.len() <= size && piece.values.height() == piece.keys.len());
                let cells = piece.values.column("a").unwrap().str().unwrap();
                assert_eq!(cells.get(0).map(|cell| format!("k{cell}")), Some(piece.keys[0].clone()));
                links.extend(piece.pending.iter().map(|cell| (piece.keys[cell.row].clone(), cell.key.clone())));
                keys.extend(piece.keys);
            }
            assert_eq!(keys, ["k0", "k1", "k2", "k3", "k4"], "{size}");
            let wanted = ["1", "3", "4"].map(|row| (format!("k{row}"), row.to_owned()));
            assert_eq!(links, wanted, "{size}");
        }
    }

    #[test]
    fn nothing_has_no_pieces() {
        let mut none = Inserts { sources: vec![], keys: vec![], values: df!("a" => [""; 0]).unwrap(), pending: vec![] };
        assert!(none.take(10).unwrap().is_none());
    }
}
