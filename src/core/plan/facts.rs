//! Facts about a target: what one pass over its rows leaves behind to look things up in. O(rows), never O(cells).
use polars::prelude::DataFrame;

use super::lookup::{Hits, Lookup, Texts};
use super::shape::{By, Shape};
use crate::error::Result;
use crate::journal::Crosswalk;
use crate::monitor::{Monitor, Progress};
use crate::project::{Direction, WriteRule};
use crate::resolve::keys::{KeyHash, KeyMap, key_hash};
use crate::sync::is_way_back;
use crate::table::Snapshot;

/// Target rows that are looked up in the crosswalk one by one.
const FEW: usize = 1_000;

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
    /// By identity; empty if the target has none, or if a matcher looks up the same.
    pair: Lookup,
    /// The matcher by which rows are paired, if one looks up the key and there is no identity.
    pair_matcher: Option<usize>,
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
        let by_key = |by: &By| matches!(by, By::Fields(fields) if *fields == shape.keys);
        let pair_matcher = shape.matchers.iter().position(|matcher| by_key(&matcher.by));
        let pair_matcher = pair_matcher.filter(|_| shape.identity.is_none());
        let mut facts = Self {
            rows,
            row_hash: Vec::with_capacity(rows),
            cells_hash: Vec::with_capacity(rows),
            scope: Vec::with_capacity(rows),
            pair: if pair_matcher.is_some() { Lookup::default() } else { Lookup::with_capacity(rows) },
            pair_matcher,
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
        // A blanked row is nobody's: a condition that NULL fulfils must not bring it into scope.
        for row in &target.meta().erased {
            if let Some(scope) = facts.scope.get_mut(*row as usize) {
                *scope = false;
            }
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
            _ if self.pair_matcher.is_some() => {}
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

    /// By identity; where the target gives none, by key.
    pub(crate) fn pair(&self) -> &Lookup {
        self.pair_matcher.map_or(&self.pair, |matcher| &self.matchers[matcher])
    }

    /// The row of a record, by its key; None: there is none, or several.
    pub(crate) fn row_of_key(&self, shape: &Shape, known: &CrosswalkFacts, key: &str) -> Option<u32> {
        let hash = key_hash(key);
        let by_key = |by: &By| matches!(by, By::Fields(fields) if *fields == shape.keys);
        let matcher = shape.matchers.iter().position(|matcher| by_key(&matcher.by));
        let found = matcher.map(|matcher| self.matchers[matcher].find(hash));
        match found {
            Some(Hits::One(row)) => Some(row),
            Some(Hits::Many(_)) => None,
            Some(Hits::None) | None => known.row(self, hash),
        }
    }

    /// Keys that rows bear, where they decide which record a row is whatever the crosswalk says: of mappings that go both ways
    /// anybody makes and deletes rows, and some platforms give the id of a row that is gone to the next one.
    fn keys_that_count(&self, shape: &Shape) -> Option<&Lookup> {
        let both = shape.mapping.sync.direction == Direction::TwoWay || is_way_back(&shape.mapping.name);
        if !both || shape.identity.is_none() || shape.keys.iter().any(|key| shape.rules[*key] != WriteRule::Always) {
            return None;
        }
        let by_key = |by: &By| matches!(by, By::Fields(fields) if *fields == shape.keys);
        shape.matchers.iter().position(|matcher| by_key(&matcher.by)).map(|matcher| &self.matchers[matcher])
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
    /// Rows whose new id is their old key: the target's own lookup finds them.
    same: Vec<bool>,
    by_key: KeyMap<u32>,
    digest: u128,
}

impl CrosswalkFacts {
    /// Takes all entries of an object. A target without rows needs none.
    pub(crate) fn read(shape: &Shape, facts: &TargetFacts, crosswalk: &Crosswalk, object: &str) -> Result<Self> {
        let mut out = Self { same: vec![false; facts.rows], ..Self::default() };
        if facts.rows == 0 {
            return Ok(out);
        }
        let keys = facts.keys_that_count(shape);
        let mut take = |old: &str, new: &str| {
            let (old, new) = (key_hash(old), key_hash(new));
            // Entries come in no order that means anything.
            out.digest = out.digest.wrapping_add(u128::from(old[0] ^ new[1]) << 64 | u128::from(old[1] ^ new[0]));
            match facts.pair().find(new) {
                // The id was given again: that row bears the key of another record.
                Hits::One(row) if keys.and_then(|keys| keys.hash_of(row)).is_some_and(|key| key != old) => {}
                Hits::One(row) if old == new => out.same[row as usize] = true,
                Hits::One(row) => _ = out.by_key.insert(old, row),
                Hits::None | Hits::Many(_) => {}
            }
        };
        match &facts.identities {
            // Few rows are asked about one by one, however many the crosswalk knows.
            Some(identities) if facts.rows <= FEW => {
                for row in 0..facts.rows as u32 {
                    let new = identities.get(row);
                    crosswalk.old_keys(object, new)?.iter().for_each(|old| take(old, new));
                }
            }
            _ => crosswalk.each(object, take)?,
        }
        Ok(out)
    }
    /// Row of an old key.
    pub(crate) fn row(&self, facts: &TargetFacts, key: KeyHash) -> Option<u32> {
        match facts.pair().find(key) {
            Hits::One(row) if self.same[row as usize] => Some(row),
            _ => self.by_key.get(&key).copied(),
        }
    }
    /// Old keys of rows, with the row.
    pub(crate) fn owners<'f>(&'f self, facts: &'f TargetFacts) -> impl Iterator<Item = (KeyHash, u32)> + 'f {
        let same = self.same.iter().enumerate().filter(|(_, same)| **same);
        let same = same.filter_map(|(row, _)| Some((facts.pair().hash_of(row as u32)?, row as u32)));
        self.by_key.iter().map(|(key, row)| (*key, *row)).chain(same)
    }
    /// Rows that earlier runs wrote or matched are in scope where the mapping does not say what is.
    pub(crate) fn add_to_scope(&self, scope: &mut [bool]) {
        for (in_scope, same) in scope.iter_mut().zip(&self.same) {
            *in_scope |= same;
        }
        for row in self.by_key.values() {
            scope[*row as usize] = true;
        }
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
                By::Crosswalk => match self.keys[row].and_then(|key| crosswalk.row(facts, key)) {
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
