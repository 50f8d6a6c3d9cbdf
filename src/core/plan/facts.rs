//! Facts about a target: what one pass over its rows leaves behind to look things up in. O(rows), never O(cells).
use polars::prelude::DataFrame;

use super::lookup::{Hits, Lookup, Texts};
use super::shape::{By, Shape};
use crate::error::Result;
use crate::monitor::{Monitor, Progress};
use crate::resolve::keys::{KeyHash, KeyMap, key_hash};
use crate::table::Snapshot;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct TargetFacts {
    pub(crate) rows: usize,
    /// Of the whole row: how a writer sees that it moved.
    pub(crate) row_hash: Vec<u128>,
    /// Of the operation's columns, as they stand.
    pub(crate) cells_hash: Vec<u128>,
    /// In scope by the mapping's expression; all false if it has none.
    pub(crate) scope: Vec<bool>,
    /// By identity; where the target gives none, by key.
    pub(crate) pair: Lookup,
    /// One per matcher; empty for the crosswalk.
    pub(crate) matchers: Vec<Lookup>,
    /// Identity of each row, where the target has one.
    pub(crate) identities: Option<Texts>,
}

impl TargetFacts {
    /// One pass over the target. None: it does not exist.
    pub(crate) fn read(shape: &Shape, target: Option<&Snapshot>, monitor: &dyn Monitor) -> Result<Self> {
        let Some(target) = target else {
            return Ok(Self {
                matchers: shape.matchers.iter().map(|_| Lookup::default()).collect(),
                ..Self::default()
            });
        };
        let rows = target.meta().rows as usize;
        let mut facts = Self {
            rows,
            row_hash: Vec::with_capacity(rows),
            cells_hash: Vec::with_capacity(rows),
            scope: Vec::with_capacity(rows),
            pair: Lookup::with_capacity(rows),
            matchers: shape
                .matchers
                .iter()
                .map(|matcher| match matcher.by {
                    By::Crosswalk => Lookup::default(),
                    _ => Lookup::with_capacity(rows),
                })
                .collect(),
            identities: shape.identity.as_ref().map(|_| Texts::default()),
        };
        let names: Vec<String> = target.meta().schema.names().map(str::to_owned).collect();
        for frame in target.batches(None)? {
            monitor.check()?;
            facts.add(shape, &frame?, &names)?;
            monitor.report(Progress {
                step: format!("looking at {}", shape.mapping.to),
                done: facts.row_hash.len() as u64,
                total: Some(rows as u64),
            });
        }
        Ok(facts)
    }

    fn add(&mut self, shape: &Shape, frame: &DataFrame, names: &[String]) -> Result<()> {
        let cells = shape.target_cells(frame)?;
        self.row_hash.extend(crate::table::hash::row_hash(frame, names)?);
        self.cells_hash.extend(shape.hashes(&cells));
        match &shape.scope {
            Some(scope) => self.scope.extend(scope.eval_bool(frame)?.into_iter().map(|truth| truth == Some(true))),
            None => self.scope.extend(std::iter::repeat_n(false, frame.height())),
        }
        match (&shape.identity, &mut self.identities) {
            (Some(identity), Some(texts)) => {
                for cell in frame.column(identity)?.str()?.iter() {
                    texts.push(cell.unwrap_or_default());
                    self.pair.push(cell.filter(|cell| !cell.is_empty()).map(key_hash));
                }
            }
            _ => {
                for key in shape.key_texts(&cells) {
                    self.pair.push(key.as_deref().map(key_hash));
                }
            }
        }
        for (matcher, lookup) in shape.matchers.iter().zip(&mut self.matchers) {
            if !matches!(matcher.by, By::Crosswalk) {
                for hash in shape.match_hashes(matcher, &cells, Some(frame))? {
                    lookup.push(hash);
                }
            }
        }
        Ok(())
    }

    /// The identity of a row, where the target gives one.
    pub(crate) fn identity(&self, row: u32) -> Option<&str> {
        Some(self.identities.as_ref()?.get(row)).filter(|identity| !identity.is_empty())
    }

    /// Hash over all that was found.
    pub(crate) fn digest(&self) -> u128 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        for hash in &self.row_hash {
            hasher.update(&hash.to_le_bytes());
        }
        for in_scope in &self.scope {
            hasher.update(&[u8::from(*in_scope)]);
        }
        hasher.digest128()
    }
}

/// What the crosswalk says about a target: old key → row.
#[derive(Debug, Default)]
pub(crate) struct CrosswalkFacts {
    pub(crate) by_key: KeyMap<u32>,
    /// Entries in all, those included whose row is gone.
    pub(crate) entries: u64,
    digest: u128,
}

impl CrosswalkFacts {
    /// Takes all (old key, new id) of an object.
    pub(crate) fn read<K: AsRef<str>>(facts: &TargetFacts, entries: impl IntoIterator<Item = (K, K)>) -> Self {
        let mut out = Self::default();
        for (old, new) in entries {
            let (old, new) = (key_hash(old.as_ref()), key_hash(new.as_ref()));
            out.entries += 1;
            // Entries come in no order that means anything.
            out.digest = out.digest.wrapping_add(u128::from(old[0] ^ new[1]) << 64 | u128::from(old[1] ^ new[0]));
            if let Hits::One(row) = facts.pair.find(new) {
                out.by_key.insert(old, row);
            }
        }
        out
    }
    /// Row of an old key.
    pub(crate) fn row(&self, key: KeyHash) -> Option<u32> {
        self.by_key.get(&key).copied()
    }
    /// Hash over all entries.
    pub(crate) fn digest(&self) -> u128 {
        self.digest
    }
}

/// The target rows that one source row finds, by the first matcher that finds any.
pub(crate) struct Found<'f> {
    pub(crate) hits: Hits<'f>,
    /// Which matcher.
    pub(crate) by: usize,
}

/// What each row of a batch looks for, by matcher.
pub(crate) struct Wanted {
    keys: Vec<Option<KeyHash>>,
    by_matcher: Vec<Vec<Option<KeyHash>>>,
}

impl Wanted {
    /// `keys`: the old keys.
    pub(crate) fn of(
        shape: &Shape,
        facts: &TargetFacts,
        cells: &[polars::prelude::StringChunked],
        keys: Vec<Option<KeyHash>>,
    ) -> Result<Self> {
        let by_matcher = if facts.rows == 0 {
            Vec::new()
        } else {
            shape
                .matchers
                .iter()
                .map(|matcher| match matcher.by {
                    By::Crosswalk => Ok(Vec::new()),
                    _ => shape.match_hashes(matcher, cells, None),
                })
                .collect::<Result<_>>()?
        };
        Ok(Self { keys, by_matcher })
    }
    /// Looks a row up.
    pub(crate) fn find<'f>(
        &self,
        shape: &Shape,
        facts: &'f TargetFacts,
        crosswalk: &CrosswalkFacts,
        row: usize,
    ) -> Found<'f> {
        for (by, (matcher, hashes)) in shape.matchers.iter().zip(&self.by_matcher).enumerate() {
            let hits = match matcher.by {
                By::Crosswalk => match self.keys[row].and_then(|key| crosswalk.row(key)) {
                    Some(row) => Hits::One(row),
                    None => Hits::None,
                },
                _ => hashes[row].map_or(Hits::None, |hash| facts.matchers[by].find(hash)),
            };
            if hits != Hits::None {
                return Found { hits, by };
            }
        }
        Found { hits: Hits::None, by: 0 }
    }
}
