//! Target rows that a plan deletes: are they gone?
use hashbrown::HashMap;

use crate::plan::facts::TargetFacts;
use crate::resolve::keys::KeyHash;

/// A target row that should be gone.
pub(super) struct Gone {
    /// By what it is found; None if it had no key.
    pub(super) pair: Option<KeyHash>,
    /// Hash of the whole row as planned.
    pub(super) row_hash: u128,
}

/// Marks the rows that are still there although they should be gone: one for each that was to go, and never a row that
/// another record has found. `named`: rows are found by an identity, of which there is one each.
///
/// A row of the same key that was not the one to go (a native beside it) is told apart by its content: the one to go is as it
/// was planned to go, or, if it was changed since, still in scope.
pub(super) fn undead(gone: &[Gone], facts: &TargetFacts, paired: &[bool], scope: &[bool], named: bool) -> Vec<bool> {
    let mut undead = vec![false; facts.rows];
    let mut keyless: HashMap<u128, u64> = HashMap::new();
    let mut changed: Vec<KeyHash> = Vec::new();
    for row in gone {
        let Some(pair) = row.pair else {
            *keyless.entry(row.row_hash).or_default() += 1;
            continue;
        };
        let hits = facts.pair().find(pair);
        let free = |at: &&u32| !paired[**at as usize] && !undead[**at as usize];
        let same = |at: &&u32| named || facts.row_hash[**at as usize] == row.row_hash;
        match hits.rows().iter().filter(free).find(same).copied() {
            Some(at) => undead[at as usize] = true,
            None if hits.rows().is_empty() => {}
            None => changed.push(pair),
        }
    }
    for pair in changed {
        let hits = facts.pair().find(pair);
        let free = |at: &&u32| !paired[**at as usize] && !undead[**at as usize] && scope[**at as usize];
        if let Some(at) = hits.rows().iter().find(free).copied() {
            undead[at as usize] = true;
        }
    }
    if !keyless.is_empty() {
        for at in (0..facts.rows).filter(|at| !paired[*at] && facts.pair().hash_of(*at as u32).is_none()) {
            if let Some(left) = keyless.get_mut(&facts.row_hash[at]).filter(|left| **left > 0) {
                *left -= 1;
                undead[at] = true;
            }
        }
    }
    undead
}
