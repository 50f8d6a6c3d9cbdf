//! Finding target rows by the hash of a text, without holding the text.
use hashbrown::{HashMap, HashTable};

use crate::resolve::keys::KeyHash;

/// What a lookup found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hits<'a> {
    /// No row.
    None,
    /// One row.
    One(u32),
    /// Several rows, ascending.
    Many(&'a [u32]),
}

impl Hits<'_> {
    /// The rows.
    pub(crate) fn rows(&self) -> &[u32] {
        match self {
            Self::None => &[],
            Self::One(row) => std::slice::from_ref(row),
            Self::Many(rows) => rows,
        }
    }
}

/// Hash of a text → rows. 21 to 26 bytes a row.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    /// By row; zero halves where the row has no such text.
    hashes: Vec<KeyHash>,
    table: HashTable<u32>,
    /// All rows of a text that several rows have, by the first of them.
    several: HashMap<u32, Vec<u32>>,
}

const NOTHING: KeyHash = [0, 0];

impl Lookup {
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self { hashes: Vec::with_capacity(rows), table: HashTable::with_capacity(rows), several: HashMap::new() }
    }
    /// Adds the next row.
    pub(crate) fn push(&mut self, hash: Option<KeyHash>) {
        let row = self.hashes.len() as u32;
        self.hashes.push(hash.unwrap_or(NOTHING));
        let Some(hash) = hash else { return };
        let hashes = &self.hashes;
        match self.table.entry(hash[1], |known| hashes[*known as usize] == hash, |known| hashes[*known as usize][1]) {
            hashbrown::hash_table::Entry::Occupied(first) => {
                let first = *first.get();
                self.several.entry(first).or_insert_with(|| vec![first]).push(row);
            }
            hashbrown::hash_table::Entry::Vacant(place) => {
                place.insert(row);
            }
        }
    }
    /// Rows with this hash.
    pub(crate) fn find(&self, hash: KeyHash) -> Hits<'_> {
        match self.table.find(hash[1], |known| self.hashes[*known as usize] == hash) {
            None => Hits::None,
            Some(first) => match self.several.get(first) {
                None => Hits::One(*first),
                Some(rows) => Hits::Many(rows),
            },
        }
    }
    /// The hash of a row.
    pub(crate) fn hash_of(&self, row: u32) -> Option<KeyHash> {
        self.hashes.get(row as usize).copied().filter(|hash| *hash != NOTHING)
    }
}

/// Many short texts in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    bytes: String,
    ends: Vec<usize>,
}

impl Texts {
    pub(crate) fn push(&mut self, text: &str) -> u32 {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        self.ends.len() as u32 - 1
    }
    pub(crate) fn get(&self, at: u32) -> &str {
        let at = at as usize;
        let start = if at == 0 { 0 } else { self.ends.get(at - 1).copied().unwrap_or_default() };
        self.ends.get(at).and_then(|end| self.bytes.get(start..*end)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::resolve::keys::key_hash;

    #[test]
    fn finds_one_several_or_none() {
        let mut lookup = Lookup::default();
        for text in [Some("a"), None, Some("b"), Some("a"), Some("a")] {
            lookup.push(text.map(key_hash));
        }
        assert_eq!(lookup.find(key_hash("b")), Hits::One(2));
        assert_eq!(lookup.find(key_hash("a")), Hits::Many(&[0, 3, 4]));
        assert_eq!(lookup.find(key_hash("c")), Hits::None);
        assert_eq!(lookup.hash_of(1), None);
    }

    #[test]
    fn texts_come_back() {
        let mut texts = Texts::default();
        let at = ["one", "", "three"].map(|text| texts.push(text));
        assert_eq!(at.map(|at| texts.get(at).to_owned()), ["one", "", "three"]);
    }
}
