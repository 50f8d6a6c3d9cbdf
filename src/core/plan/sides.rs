//! Mappings that go both ways: which side changed which field since both last agreed, and who wins where both did.
//!
//! The base is the ledger's. A field that only the source changed is written as ever; one that only the target changed is
//! kept there and noted as going back; one that both changed to the same value is agreed on. Where they clash an arbiter
//! decides, and as long as it does not the whole record waits.
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::shape::Shape;
use crate::error::{Error, Result};
use crate::journal::ledger::{Entry, Hidden, Ledger, Secret};
use crate::project::{Side, WriteRule};
use crate::resolve::keys::key_hash;

/// A field that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Clash {
    /// Target field.
    pub(crate) field: String,
    pub(crate) base: Option<String>,
    /// As mapped from the source.
    pub(crate) source: Option<String>,
    pub(crate) target: Option<String>,
}

/// Looks a field's two values up: the mapped one and the target's.
pub(crate) type Values<'a> = dyn Fn(&str) -> Option<(Option<String>, Option<String>)> + 'a;

/// Who decides.
pub(crate) trait Arbiter: Debug + Send + Sync {
    /// Target fields whose changes go back.
    fn goes_back(&self, field: &str) -> bool;
    /// What of a field went back to the source since both sides last agreed.
    fn offered(&self, key: &str, field: &str) -> Option<&Offer>;
    /// Who wins each of these clashes; None: nobody knows yet.
    fn decide(&self, key: &str, clashes: &[Clash], values: &Values<'_>) -> Vec<Option<Side>>;
    /// Who wins where the target lost the record: `Some(Source)` makes it again. `changed`: the source changed it since.
    fn lost(&self, key: &str, changed: bool) -> Option<Side>;
    /// What the target deletes is deleted at the source, too.
    fn deletes_go_back(&self) -> bool;
    /// Who wins where the source lost a record that the target changed: `Some(Source)` deletes it there.
    fn gone(&self, key: &str) -> Option<Side>;
}

/// Values of a field that went back to the source and are not agreed on yet: what the source holds of them it has from the
/// target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offer {
    /// It is not known whether they were written.
    pub(crate) tried: Vec<Option<String>>,
    /// The last one that was; one or none.
    pub(crate) landed: Vec<Option<String>>,
}

/// A record whose target row changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Back {
    /// Old key.
    pub(crate) key: String,
    /// Target fields whose values go back to the source.
    pub(crate) fields: Vec<String>,
    /// These values.
    #[serde(default)]
    pub(crate) values: Vec<Option<String>>,
}

/// A record that waits for a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    /// Old key.
    pub(crate) key: String,
    pub(crate) clashes: Vec<Clash>,
}

/// What of a plan is done, all else being left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Only {
    /// Key → columns that are written.
    pub(crate) records: HashMap<String, Vec<String>>,
    /// Keys of the records that are deleted.
    pub(crate) gone: Vec<String>,
    /// Keys of the records that are made again where they are not there any more.
    pub(crate) made: Vec<String>,
    /// Records that are not there yet are made, unless this ledger (of the mapping that goes the other way) knows them: then
    /// they were there, and went. None: none is made.
    pub(crate) unless_known_to: Option<PathBuf>,
}

/// What a plan found out about both sides; beside the operations as `NAME.sides.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) back: Vec<Back>,
    pub(crate) waiting: Vec<Waiting>,
    /// Keys of the records that the target deleted and the source shall delete.
    #[serde(default)]
    pub(crate) gone: Vec<String>,
    /// Keys of the records that the source deleted and shall have again, because the target's change wins.
    #[serde(default)]
    pub(crate) made: Vec<String>,
    /// Records of which an arbiter decided something: nobody needs to be asked about them any more.
    pub(crate) decided: Vec<String>,
}

impl Found {
    fn path(plan_dir: &Path, mapping: &str) -> PathBuf {
        plan_dir.join(format!("{mapping}.sides.json"))
    }
    /// What a plan of this mapping found out.
    pub(crate) fn read(plan_dir: &Path, mapping: &str) -> Result<Self> {
        let path = Self::path(plan_dir, mapping);
        match std::fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|_| Error::data(format!("{} is damaged", path.display())))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::io("read", &path, &error)),
        }
    }
    fn write(&self, plan_dir: &Path, mapping: &str) -> Result<()> {
        let path = Self::path(plan_dir, mapping);
        let bytes = serde_json::to_vec(self).map_err(|_| Error::platform("the plan cannot be written"))?;
        std::fs::write(&path, bytes).map_err(|error| Error::io("write", &path, &error))
    }
}

/// What becomes of one field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nobody changed it, or both to the same.
    None,
    /// The source's value goes to the target.
    Source,
    /// The target's value goes to the source.
    Target,
    /// Both changed it.
    Both,
}

/// Who changed a value: base, source, target as equality sees them.
pub(crate) fn three_way(same: impl Fn(Option<&str>, Option<&str>) -> bool, values: [Option<&str>; 3]) -> Change {
    let [base, source, target] = values;
    if same(source, target) {
        return Change::None;
    }
    match (same(base, source), same(base, target)) {
        (true, _) => Change::Target,
        (false, true) => Change::Source,
        (false, false) => Change::Both,
    }
}

/// What becomes of a record.
pub(crate) enum Verdict {
    /// The write rules decide, as ever.
    Rules,
    /// These columns keep the target's cell, which goes back.
    Keeps(Vec<bool>),
    /// It waits for a decision.
    Waits,
}

#[derive(Clone, Copy)]
enum Way<'a> {
    /// Three-way, by the ledger.
    Both(&'a dyn Arbiter, &'a Ledger),
    /// Of the way back a part.
    Only(&'a Only),
}

/// What becomes of a record without a target row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It is made.
    Made,
    /// It waits for a decision, or stays deleted.
    Waits,
    /// It is none of this plan's business.
    Left,
}

/// Tells the sides of a mapping's records apart while it is planned.
pub(crate) struct Sides<'a> {
    way: Way<'a>,
    secret: Secret,
    /// Of a part: the ledger of the mapping that goes the other way.
    known: Option<Ledger>,
    /// By column: its changes go back.
    columns: Vec<bool>,
    found: Found,
    spared: Vec<Hidden>,
    /// Entries that were looked up for the batch at hand.
    entries: HashMap<String, Option<Entry>>,
}

impl<'a> Sides<'a> {
    pub(crate) fn new(arbiter: &'a dyn Arbiter, ledger: &'a Ledger, secret: Secret, shape: &Shape) -> Self {
        let goes = |(column, name): (usize, &String)| {
            shape.rules[column] == WriteRule::Always
                && !shape.latch[column]
                && !shape.keys.contains(&column)
                && arbiter.goes_back(name)
        };
        let columns = shape.columns.iter().enumerate().map(goes).collect();
        Self::by(Way::Both(arbiter, ledger), secret, columns)
    }

    /// A part of a plan.
    pub(crate) fn only(only: &'a Only, secret: Secret) -> Result<Self> {
        let known = only.unless_known_to.as_deref().map(Ledger::open).transpose()?.flatten();
        Ok(Self { known, ..Self::by(Way::Only(only), secret, Vec::new()) })
    }

    fn by(way: Way<'a>, secret: Secret, columns: Vec<bool>) -> Self {
        Self { way, secret, columns, known: None, found: Found::default(), spared: Vec::new(), entries: HashMap::new() }
    }

    fn entry(&mut self, ledger: &Ledger, key: &str) -> Result<Option<&Entry>> {
        if !self.entries.contains_key(key) {
            // One record is asked about a few times at most, one after the other.
            self.entries.clear();
            let entry = ledger.get(&self.secret.hide(key_hash(key)))?;
            self.entries.insert(key.to_owned(), entry);
        }
        Ok(self.entries.get(key).and_then(Option::as_ref))
    }

    /// What becomes of a record that has its target row: its mapped cells and the target's, by column.
    pub(crate) fn judge(
        &mut self,
        shape: &Shape,
        key: &str,
        mapped: &[Option<&str>],
        there: &[Option<&str>],
    ) -> Result<Verdict> {
        let (arbiter, ledger) = match self.way {
            Way::Both(arbiter, ledger) => (arbiter, ledger),
            Way::Only(only) => {
                let written = only.records.get(key);
                let is_written = |name: &String| written.is_some_and(|columns| columns.contains(name));
                return Ok(Verdict::Keeps(shape.columns.iter().map(|name| !is_written(name)).collect()));
            }
        };
        let base = self.entry(ledger, key)?.map(|entry| entry.base.clone()).filter(|base| base.len() == mapped.len());
        let mut keeps = vec![false; mapped.len()];
        let mut clashes = Vec::new();
        let mut places = Vec::new();
        for column in (0..mapped.len()).filter(|column| self.columns[*column]) {
            let same = |one: Option<&str>, other: Option<&str>| shape.same(column, one, other);
            let offer = arbiter.offered(key, &shape.columns[column]);
            let from_there = offer.is_some_and(|offer| {
                offer.tried.iter().chain(&offer.landed).any(|value| same(value.as_deref(), mapped[column]))
            });
            let landed = offer.and_then(|offer| offer.landed.first());
            let change = match (&base, landed) {
                // It came from the target, where it may have changed since: no change of the source's own.
                _ if from_there && same(mapped[column], there[column]) => Change::None,
                _ if from_there => Change::Target,
                // The source had that, and changed it since.
                (_, Some(landed)) => three_way(same, [landed.as_deref(), mapped[column], there[column]]),
                (Some(base), None) => three_way(same, [base[column].as_deref(), mapped[column], there[column]]),
                // Both sides have the record and never agreed on it.
                (None, None) if same(mapped[column], there[column]) => Change::None,
                (None, None) => Change::Both,
            };
            match change {
                Change::None | Change::Source => {}
                Change::Target => keeps[column] = true,
                Change::Both => {
                    places.push(column);
                    clashes.push(Clash {
                        field: shape.columns[column].clone(),
                        base: base.as_ref().and_then(|base| base[column].clone()),
                        source: mapped[column].map(str::to_owned),
                        target: there[column].map(str::to_owned),
                    });
                }
            }
        }
        if !clashes.is_empty() {
            let values = |field: &str| {
                let column = shape.columns.iter().position(|column| column == field)?;
                Some((mapped[column].map(str::to_owned), there[column].map(str::to_owned)))
            };
            let decided = arbiter.decide(key, &clashes, &values);
            if decided.iter().any(Option::is_none) || decided.len() != clashes.len() {
                self.spare(key);
                self.found.waiting.push(Waiting { key: key.to_owned(), clashes });
                return Ok(Verdict::Waits);
            }
            for (column, side) in places.into_iter().zip(decided) {
                keeps[column] = side == Some(Side::Target);
            }
            self.found.decided.push(key.to_owned());
        }
        if !keeps.contains(&true) {
            return Ok(Verdict::Rules);
        }
        self.spare(key);
        let back: Vec<usize> = (0..keeps.len()).filter(|column| keeps[*column]).collect();
        self.found.back.push(Back {
            key: key.to_owned(),
            fields: back.iter().map(|column| shape.columns[*column].clone()).collect(),
            values: back.iter().map(|column| there[*column].map(str::to_owned)).collect(),
        });
        Ok(Verdict::Keeps(keeps))
    }

    /// Both sides agreed on the record before: it never left the source, so a mark of that is the target's own.
    pub(crate) fn never_left(&mut self, key: &str) -> Result<bool> {
        let Way::Both(_, ledger) = self.way else { return Ok(false) };
        Ok(self.entry(ledger, key)?.is_some())
    }

    /// What becomes of a record that has no target row, though it may have had one.
    pub(crate) fn lost(&mut self, key: &str, source: &Hidden) -> Result<Lost> {
        let (arbiter, ledger) = match self.way {
            Way::Both(arbiter, ledger) => (arbiter, ledger),
            Way::Only(only) if only.made.iter().any(|made| made == key) => return Ok(Lost::Made),
            Way::Only(_) => {
                // Without that ledger nobody knows what was there.
                let Some(ledger) = &self.known else { return Ok(Lost::Left) };
                let known = ledger.get(&self.secret.hide(key_hash(key)))?.is_some();
                return Ok(if known { Lost::Left } else { Lost::Made });
            }
        };
        let Some(entry) = self.entry(ledger, key)? else { return Ok(Lost::Made) };
        if entry.target.is_none() {
            return Ok(Lost::Made);
        }
        let changed = entry.source != *source;
        let waits = match arbiter.lost(key, changed) {
            Some(Side::Source) => false,
            Some(Side::Target) => {
                if arbiter.deletes_go_back() {
                    self.found.gone.push(key.to_owned());
                }
                true
            }
            None => {
                let source = if changed { "changed" } else { "there" };
                self.ask(key, Some(source), None);
                true
            }
        };
        if waits {
            self.spare(key);
        }
        Ok(if waits { Lost::Waits } else { Lost::Made })
    }

    /// Asks about a record that one side lost.
    fn ask(&mut self, key: &str, source: Option<&str>, target: Option<&str>) {
        let clash = Clash {
            field: RECORD.into(),
            base: Some("there".into()),
            source: source.map(str::to_owned),
            target: target.map(str::to_owned),
        };
        self.found.waiting.push(Waiting { key: key.to_owned(), clashes: vec![clash] });
    }

    /// A target row whose record the source has no more: true if it may go. `cells`: as the target has them now.
    pub(crate) fn may_go(&mut self, key: &str, cells: u128) -> Result<bool> {
        let Way::Both(arbiter, ledger) = self.way else { return Ok(true) };
        let cells = self.secret.hide_wide(cells);
        // Both sides never agreed on it: the target made it, under a key that was there before perhaps.
        let Some(entry) = self.entry(ledger, key)? else { return Ok(false) };
        if entry.cells == Some(cells) {
            return Ok(true);
        }
        match arbiter.gone(key) {
            Some(Side::Source) => return Ok(true),
            Some(Side::Target) => self.found.made.push(key.to_owned()),
            None => self.ask(key, None, Some("changed")),
        }
        self.spare(key);
        Ok(false)
    }

    /// The ledger's entry of this record stays as it is.
    fn spare(&mut self, key: &str) {
        self.spared.push(self.secret.hide(key_hash(key)));
    }

    /// Writes what was found out. Answers the keys whose entries stay.
    pub(crate) fn finish(self, plan_dir: &Path, mapping: &str) -> Result<Vec<Hidden>> {
        self.found.write(plan_dir, mapping)?;
        Ok(self.spared)
    }
}

/// Stands for the record itself where one side lost it.
pub(crate) const RECORD: &str = "(record)";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn change(base: &str, source: &str, target: &str) -> Change {
        three_way(|one, other| one == other, [Some(base), Some(source), Some(target)])
    }

    #[test]
    fn who_changed_it_is_told_by_the_base() {
        assert_eq!(change("a", "a", "a"), Change::None);
        assert_eq!(change("a", "b", "a"), Change::Source);
        assert_eq!(change("a", "a", "b"), Change::Target);
        assert_eq!(change("a", "b", "b"), Change::None, "both changed it to the same");
        assert_eq!(change("a", "b", "c"), Change::Both);
        assert_eq!(three_way(|one, other| one == other, [None, Some("b"), None]), Change::Source);
    }

    proptest! {
        /// The two sides are treated alike.
        #[test]
        fn it_is_symmetric(base in 0_u8..4, source in 0_u8..4, target in 0_u8..4) {
            let [base, source, target] = [base, source, target].map(|value| value.to_string());
            let there = change(&base, &source, &target);
            let back = change(&base, &target, &source);
            let turned = match there {
                Change::Source => Change::Target,
                Change::Target => Change::Source,
                other => other,
            };
            prop_assert_eq!(back, turned);
        }
    }
}
