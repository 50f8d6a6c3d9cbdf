//! What the rows of an object say of its columns: which are filled and never repeat, and which values they hold.
use std::collections::HashMap;

use hashbrown::HashSet;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Result;
use crate::platform::{Connector, ReadOptions, Source};

/// Rows that are looked at: more would say the same.
const MOST: u64 = 200_000;

/// One column, by its rows.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// No row is without a value.
    pub(super) filled: bool,
    /// Rows looked at.
    pub(super) rows: u64,
    /// Rows whose value an earlier one has.
    pub(super) repeats: u64,
    /// All values are whole numbers without leading zeros.
    pub(super) integers: bool,
    /// Hashes of the values, as far as they are worth keeping: of what may be a key all, else some.
    values: HashSet<u64>,
}

/// The columns of an object.
#[derive(Debug, Clone, Default)]
pub(super) struct Evidence {
    columns: HashMap<String, Column>,
}

impl Default for Column {
    fn default() -> Self {
        Self { filled: true, rows: 0, repeats: 0, integers: true, values: HashSet::new() }
    }
}

impl Column {
    /// Values of a column that repeats are a sample of this many.
    const SAMPLE: usize = 2_000;

    /// Each row has a value of its own, but for some that were exported twice.
    pub(super) const fn is_key(&self) -> bool {
        self.filled && self.repeats * 20 <= self.rows
    }
    fn push(&mut self, cell: Option<&str>) {
        self.rows += 1;
        let Some(value) = cell.map(str::trim).filter(|value| !value.is_empty()) else {
            self.filled = false;
            return;
        };
        let digits = value.strip_prefix('-').unwrap_or(value);
        self.integers &= digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'))
            && digits.len() < 19;
        // One in ten: a column that repeats early may still turn out to be a key, to nobody's harm.
        if self.repeats * 10 <= self.rows || self.values.len() < Self::SAMPLE {
            self.repeats += u64::from(!self.values.insert(xxh3_64(value.as_bytes())));
        }
    }
    /// Share of this column's values that the other one holds; 0 where there are too few to say.
    pub(super) fn within(&self, other: &Self) -> f64 {
        const FEW: usize = 3;
        if self.values.len() < FEW {
            return 0.0;
        }
        let found = self.values.iter().filter(|value| other.values.contains(*value)).count();
        found as f64 / self.values.len() as f64
    }
}

impl Evidence {
    /// Reads an object.
    pub(super) fn of(connector: &dyn Connector, object: &str) -> Result<Self> {
        let options = ReadOptions { limit: Some(MOST), ..ReadOptions::default() };
        let mut reader = connector.read(&Source::Object(object.to_owned()), &options)?;
        let names: Vec<String> = reader.schema().names().map(str::to_owned).collect();
        let mut columns: HashMap<String, Column> = names.iter().map(|name| (name.clone(), Column::default())).collect();
        while let Some(batch) = reader.next_batch()? {
            for (name, column) in &mut columns {
                for cell in batch.frame.column(name)?.str()?.iter() {
                    column.push(cell);
                }
            }
        }
        Ok(Self { columns })
    }
    /// Rows looked at.
    pub(super) fn rows(&self) -> u64 {
        self.columns.values().map(|column| column.rows).max().unwrap_or_default()
    }
    /// What is known of a column.
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.get(name)
    }
    /// Of these rows, for tests.
    #[cfg(test)]
    pub(super) fn from_rows(names: &[&str], rows: &[&[&str]]) -> Self {
        let mut columns: Vec<Column> = names.iter().map(|_| Column::default()).collect();
        for row in rows {
            for (column, cell) in columns.iter_mut().zip(*row) {
                column.push(Some(cell));
            }
        }
        Self { columns: names.iter().map(|name| (*name).to_owned()).zip(columns).collect() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_tell_what_may_be_a_key_and_what_points_to_one() {
        let people = Evidence::from_rows(
            &["id", "mail", "zip", "boss"],
            &[&["1", "a@x", "01", "9"], &["2", "", "01", "1"], &["3", "c@x", "02", "2"], &["9", "d@x", "2", "3"]],
        );
        let column = |name: &str| people.column(name).unwrap();
        assert!(column("id").is_key() && column("id").repeats == 0 && column("id").integers);
        assert!(!column("mail").is_key() && column("mail").repeats == 0);
        assert!(column("zip").filled && !column("zip").is_key() && !column("zip").integers);
        assert!((column("boss").within(column("id")) - 1.0).abs() < f64::EPSILON);
        assert!(column("id").within(column("mail")) < f64::EPSILON);
    }
}
