//! What a diff holds of each row: the hash of its key, the hash of the rest.
use hashbrown::{HashMap, HashTable};

use super::side::{Packed, Side};
use crate::error::Result;
use crate::monitor::Monitor;
use crate::table::hash::{cells_hash, cells_hash_64};

/// How a row of the old table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No equal row was found so far.
    Open,
    /// A row of the new table is equal.
    Equal,
    /// Its key has a NULL: nothing equals it.
    NullKey,
}

/// The old table by key. A row is meant by its ordinal, a key by the ordinal of the first row that has it.
#[derive(Default)]
pub(super) struct Index {
    keys: Vec<u128>,
    rows: Vec<u64>,
    states: Vec<State>,
    firsts: HashTable<u32>,
    /// Rows of the keys that occur more than once, in order.
    repeated: HashMap<u32, Vec<u32>>,
    /// Pieces of old that were not rows.
    rejects: u64,
}

/// What the hashes tell.
pub(super) struct Found {
    keys: Vec<u128>,
    rows: Vec<u64>,
    states: Vec<State>,
    /// Old and new ordinal of rows that changed, ascending by old.
    pub(super) pairs: Vec<(u32, u32)>,
    /// Ordinals of added rows, ascending.
    pub(super) added: Vec<u32>,
    pub(super) removed: u64,
    pub(super) unchanged: u64,
    pub(super) duplicate_keys: (u64, u64),
    pub(super) rejects: (u64, u64),
    /// Cells of the new rows that differ (of added ones the key), if they all fit.
    pub(super) held: Option<HashMap<u32, Packed>>,
}

impl Found {
    /// Old ordinals that are not equal to any row of new.
    pub(super) fn differs(&self, old: u32) -> bool {
        self.states.get(old as usize).is_some_and(|state| *state != State::Equal)
    }

    /// The row that is read now is the row that was hashed.
    pub(super) fn is_same(&self, old: u32, key: &[Option<&str>], rest: &[Option<&str>], buffer: &mut Vec<u8>) -> bool {
        let place = old as usize;
        let key_stands = match self.states[place] {
            State::NullKey => key.contains(&None),
            State::Open | State::Equal => cells_hash(key.iter().copied(), buffer) == self.keys[place],
        };
        key_stands && cells_hash_64(rest.iter().copied(), buffer) == self.rows[place]
    }

    /// Rows of old.
    pub(super) fn old_rows(&self) -> u64 {
        self.rows.len() as u64
    }
}

impl Index {
    /// First pass: reads old.
    pub(super) fn of(old: &Side<'_>, monitor: &dyn Monitor) -> Result<Self> {
        let mut index = Self::default();
        let mut buffer = Vec::new();
        let mut pass = old.read("reading")?;
        while let Some((_, batch)) = pass.next(monitor)? {
            old.rows(&batch)?.for_each(|_, key, rest| {
                let row = cells_hash_64(rest.iter().copied(), &mut buffer);
                let key = (!key.contains(&None)).then(|| cells_hash(key.iter().copied(), &mut buffer));
                index.add(key, row);
                Ok(())
            })?;
        }
        index.rejects = pass.rejects;
        Ok(index)
    }

    fn add(&mut self, key: Option<u128>, row: u64) {
        let ordinal = self.rows.len() as u32;
        self.rows.push(row);
        self.keys.push(key.unwrap_or_default());
        self.states.push(if key.is_some() { State::Open } else { State::NullKey });
        let Some(key) = key else { return };
        if let Some(first) = self.first(key) {
            self.repeated.entry(first).or_insert_with(|| vec![first]).push(ordinal);
        } else {
            let keys = &self.keys;
            self.firsts.insert_unique(key as u64, ordinal, |ordinal| keys[*ordinal as usize] as u64);
        }
    }

    fn first(&self, key: u128) -> Option<u32> {
        self.firsts.find(key as u64, |ordinal| self.keys[*ordinal as usize] == key).copied()
    }

    /// Second pass: reads new, pairs its rows with those of old.
    pub(super) fn compare(mut self, new: &Side<'_>, budget: usize, monitor: &dyn Monitor) -> Result<Found> {
        let mut equals = self.open_by_row();
        // How often a key of old was met in new: 0, 1, more.
        let mut met = vec![0_u8; self.rows.len()];
        let mut unknown: HashMap<u128, bool> = HashMap::new();
        let mut repeated_in_new = 0;
        let mut left: Vec<(u32, u32)> = Vec::new();
        let mut added: Vec<u32> = Vec::new();
        let mut unchanged = 0;
        let mut keeper = Keeper { held: Some(HashMap::new()), room: budget };
        let mut buffer = Vec::new();
        let mut pass = new.read("comparing with")?;
        while let Some((start, batch)) = pass.next(monitor)? {
            new.rows(&batch)?.for_each(|place, key, rest| {
                let ordinal = (start + place as u64) as u32;
                if key.contains(&None) {
                    added.push(ordinal);
                    keeper.keep(ordinal, key, &[]);
                    return Ok(());
                }
                let hash = cells_hash(key.iter().copied(), &mut buffer);
                let Some(first) = self.first(hash) else {
                    match unknown.get_mut(&hash) {
                        Some(repeated) => repeated_in_new += u64::from(!std::mem::replace(repeated, true)),
                        None => _ = unknown.insert(hash, false),
                    }
                    added.push(ordinal);
                    keeper.keep(ordinal, key, &[]);
                    return Ok(());
                };
                let times = &mut met[first as usize];
                repeated_in_new += u64::from(*times == 1);
                *times = (*times + 1).min(2);
                let row = cells_hash_64(rest.iter().copied(), &mut buffer);
                let equal = if self.repeated.contains_key(&first) {
                    equals.get_mut(&(first, row)).and_then(Vec::pop)
                } else {
                    let stands = self.rows[first as usize] == row && self.states[first as usize] == State::Open;
                    stands.then_some(first)
                };
                if let Some(old) = equal {
                    self.states[old as usize] = State::Equal;
                    unchanged += 1;
                } else {
                    left.push((first, ordinal));
                    keeper.keep(ordinal, key, rest);
                }
                Ok(())
            })?;
        }
        let rejects = (self.rejects, pass.rejects);
        let duplicate_keys = (self.repeated.len() as u64, repeated_in_new);
        let pairs = self.pair(left, &mut added);
        let removed = self.rows.len() as u64 - unchanged - pairs.len() as u64;
        let Self { keys, rows, states, .. } = self;
        Ok(Found { keys, rows, states, pairs, added, removed, unchanged, duplicate_keys, rejects, held: keeper.held })
    }

    /// Rows of repeated keys by content, the first of them last, so that it is popped first.
    fn open_by_row(&self) -> HashMap<(u32, u64), Vec<u32>> {
        let mut equals: HashMap<(u32, u64), Vec<u32>> = HashMap::new();
        for (first, ordinals) in &self.repeated {
            for ordinal in ordinals.iter().rev() {
                equals.entry((*first, self.rows[*ordinal as usize])).or_default().push(*ordinal);
            }
        }
        equals
    }

    /// Pairs the rows of new that found no equal one with the rows of old that did not, by key, the k-th with the k-th.
    fn pair(&self, mut left: Vec<(u32, u32)>, added: &mut Vec<u32>) -> Vec<(u32, u32)> {
        left.sort_unstable();
        let mut pairs = Vec::with_capacity(left.len());
        let open = |old: &&u32| self.states[**old as usize] == State::Open;
        for group in left.chunk_by(|one, two| one.0 == two.0) {
            let first = group[0].0;
            let alone = [first];
            let ordinals = self.repeated.get(&first).map_or(&alone[..], Vec::as_slice);
            let mut olds = ordinals.iter().filter(open);
            for (_, new) in group {
                match olds.next() {
                    Some(old) => pairs.push((*old, *new)),
                    None => added.push(*new),
                }
            }
        }
        added.sort_unstable();
        pairs.sort_unstable();
        pairs
    }
}

/// Keeps the cells of rows that differ while there is room: then new need not be read again.
struct Keeper {
    held: Option<HashMap<u32, Packed>>,
    room: usize,
}

impl Keeper {
    fn keep(&mut self, ordinal: u32, key: &[Option<&str>], rest: &[Option<&str>]) {
        let Some(held) = self.held.as_mut() else { return };
        let packed = Packed::of(&[key, rest].concat());
        match self.room.checked_sub(packed.size()) {
            Some(room) => {
                self.room = room;
                held.insert(ordinal, packed);
            }
            None => self.held = None,
        }
    }
}
