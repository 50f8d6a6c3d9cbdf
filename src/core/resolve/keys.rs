//! Keys as text, as hashes, and what happens to source rows that share one.
use std::hash::{BuildHasher, Hasher};

use hashbrown::{HashMap, HashSet};

use crate::project::Duplicates;

/// Stands between the parts of a composite key in its text form (ASCII unit separator: not in CRM data).
pub const KEY_SEPARATOR: char = '\u{1f}';

/// A key's text: the cell itself, or the cells joined by [`KEY_SEPARATOR`]. None if a part is NULL or empty: such a record
/// has no key.
pub fn key_text<'a>(cells: impl IntoIterator<Item = Option<&'a str>>) -> Option<String> {
    let mut text = String::new();
    for (at, cell) in cells.into_iter().enumerate() {
        let cell = cell.filter(|cell| !cell.is_empty())?;
        if at > 0 {
            text.push(KEY_SEPARATOR);
        }
        text.push_str(cell);
    }
    (!text.is_empty()).then_some(text)
}

/// A key's text for people: parts joined by `, `.
pub fn show_key(key: &str) -> String {
    key.replace(KEY_SEPARATOR, ", ")
}

/// Hash of a text by which records are found. Two halves, so that tables of it need no 16-byte alignment.
pub type KeyHash = [u64; 2];

/// 128-bit hash of a key's text.
pub fn key_hash(text: &str) -> KeyHash {
    let hash = xxhash_rust::xxh3::xxh3_128(text.as_bytes());
    [(hash >> 64) as u64, hash as u64]
}

/// Takes a [`KeyHash`] as it is: it is one already.
#[derive(Debug, Clone, Copy, Default)]
pub struct Prehashed(u64);

impl Hasher for Prehashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, half: u64) {
        self.0 = self.0.rotate_left(32) ^ half;
    }
    fn write_usize(&mut self, _length: usize) {}
}

impl BuildHasher for Prehashed {
    type Hasher = Self;
    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

/// Map by key hash.
pub type KeyMap<V> = HashMap<KeyHash, V, Prehashed>;

/// What a row with a key is among those that share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Stands for the key.
    Survivor,
    /// Stands behind the survivor.
    Merged,
    /// One too many.
    Duplicate,
}

/// Finds duplicates in one pass over the rows in order, by a mapping's policy.
#[derive(Debug, Default)]
pub struct KeyDuplicates {
    policy: Duplicates,
    seen: HashSet<KeyHash, Prehashed>,
    /// For `last`: the ordinal of the last row of each key, found beforehand.
    last: KeyMap<u32>,
}

impl KeyDuplicates {
    /// For `Last`, feed all rows to [`KeyDuplicates::foresee`] first.
    pub fn new(policy: Duplicates) -> Self {
        Self { policy, ..Self::default() }
    }
    /// A pass over all rows is needed before the first [`KeyDuplicates::role`].
    pub fn needs_foresight(&self) -> bool {
        self.policy == Duplicates::Last
    }
    /// Notes that this row has the key, in row order.
    pub fn foresee(&mut self, key: KeyHash, row: u32) {
        self.last.insert(key, row);
    }
    /// The row's role. Call it once a row, in order.
    pub fn role(&mut self, key: KeyHash, row: u32) -> Role {
        match self.policy {
            Duplicates::Last if self.last.get(&key).is_none_or(|last| *last == row) => Role::Survivor,
            Duplicates::Last => Role::Merged,
            _ if self.seen.insert(key) => Role::Survivor,
            Duplicates::First => Role::Merged,
            Duplicates::Reject => Role::Duplicate,
        }
    }
    /// Forgets which rows were seen, for another pass.
    pub fn rewind(&mut self) {
        self.seen.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use Role::{Duplicate, Merged, Survivor};

    use super::*;

    #[test]
    fn a_key_with_a_gap_is_none() {
        assert_eq!(key_text([Some("a")]).as_deref(), Some("a"));
        assert_eq!(show_key(&key_text([Some("a"), Some("b")]).unwrap()), "a, b");
        assert_eq!(key_text([Some("a"), None]), None);
        assert_eq!(key_text([Some("")]), None);
    }

    #[test]
    fn one_row_of_a_key_survives_by_policy() {
        let rows = ["a", "b", "a", "a"].map(key_hash);
        let roles = |policy| {
            let mut duplicates = KeyDuplicates::new(policy);
            if duplicates.needs_foresight() {
                for (row, key) in rows.iter().enumerate() {
                    duplicates.foresee(*key, row as u32);
                }
            }
            rows.iter().enumerate().map(|(row, key)| duplicates.role(*key, row as u32)).collect::<Vec<_>>()
        };
        assert_eq!(roles(Duplicates::Reject), [Survivor, Survivor, Duplicate, Duplicate]);
        assert_eq!(roles(Duplicates::First), [Survivor, Survivor, Merged, Merged]);
        assert_eq!(roles(Duplicates::Last), [Merged, Survivor, Merged, Survivor]);
    }
}
