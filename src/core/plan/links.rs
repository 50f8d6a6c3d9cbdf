//! Links: what became of the records that other records name.
use std::borrow::Cow;

use hashbrown::HashSet;

use super::lookup::Texts;
use crate::error::Result;
use crate::journal::Crosswalk;
use crate::plan::Operation;
use crate::project::ObjectRef;
use crate::resolve::keys::{KeyHash, KeyMap, key_hash};

/// The planned image of a mapping's records, by old key.
#[derive(Debug, Default)]
pub(crate) struct ParentIndex {
    map: KeyMap<(Standing, u32)>,
    ids: Texts,
    /// Records whose id is not the one that the crosswalk knows.
    changed: Vec<KeyHash>,
    /// Ids of target rows that the plan deletes: what the crosswalk knows of them is true no more.
    deleted: HashSet<KeyHash>,
}

/// What a plan does with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It will be in the target, under an id that is known.
    There,
    /// It will be in the target, under an id that the platform gives when it is written.
    New,
    /// Left out by `where`.
    Filtered,
    /// Waits.
    Held,
    /// Not carried over.
    Rejected,
}

/// The new id is the old key.
const SAME: u32 = u32::MAX;

/// What a link finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parent<'a> {
    /// Its new id.
    Known(Cow<'a, str>),
    /// Inserted by this plan; its id comes then.
    New,
    /// Named, but not going to be there: the reason in a word.
    Lost(&'static str),
    /// Nobody knows it.
    Missing,
}

impl ParentIndex {
    /// Notes a record that will be in the target. `id`: None if the platform gives it later.
    pub(crate) fn accept(&mut self, key: &str, id: Option<&str>) {
        let entry = match id {
            None => (Standing::New, SAME),
            Some(id) if id == key => (Standing::There, SAME),
            Some(id) => (Standing::There, self.ids.push(id)),
        };
        self.map.insert(key_hash(key), entry);
    }
    /// Notes a target row that the plan deletes, by its id.
    pub(crate) fn delete(&mut self, id: KeyHash) {
        self.deleted.insert(id);
    }
    fn deletes(&self, id: &str) -> bool {
        !self.deleted.is_empty() && self.deleted.contains(&key_hash(id))
    }
    /// Notes that the crosswalk knows no id of a record, another one, or one that goes.
    pub(crate) fn note_changed(&mut self, key: &str) {
        self.changed.push(key_hash(key));
    }
    /// Records whose id is not the one that the crosswalk knows.
    pub(crate) fn changed(&self) -> impl Iterator<Item = KeyHash> + '_ {
        self.changed.iter().copied()
    }
    /// Notes a record that will not; one that will under the same key stays.
    pub(crate) fn lose(&mut self, key: &str, operation: Operation) {
        let standing = match operation {
            Operation::Rejected => Standing::Rejected,
            Operation::Held => Standing::Held,
            _ => Standing::Filtered,
        };
        self.map.entry(key_hash(key)).or_insert((standing, SAME));
    }
    /// A record that was thought to be accepted is not.
    pub(crate) fn revoke(&mut self, key: &str, operation: Operation) {
        self.map.remove(&key_hash(key));
        self.lose(key, operation);
    }
    fn find<'a>(&'a self, old: &'a str) -> Parent<'a> {
        match self.map.get(&key_hash(old)) {
            None => Parent::Missing,
            Some((Standing::There, SAME)) => Parent::Known(Cow::Borrowed(old)),
            Some((Standing::There, at)) => Parent::Known(Cow::Borrowed(self.ids.get(*at))),
            Some((Standing::New, _)) => Parent::New,
            Some((Standing::Filtered, _)) => Parent::Lost("left out"),
            Some((Standing::Held, _)) => Parent::Lost("held"),
            Some((Standing::Rejected, _)) => Parent::Lost("rejected"),
        }
    }
}

/// Where one link of a mapping looks.
pub(crate) struct LinkLook<'a> {
    /// The planned image, if the linked mapping was planned before (or is this one).
    pub(crate) planned: Option<&'a ParentIndex>,
    /// What earlier runs wrote.
    pub(crate) crosswalk: &'a Crosswalk,
    pub(crate) object: &'a ObjectRef,
}

impl LinkLook<'_> {
    /// The parent of this old key. What the plan writes wins; else what is there since earlier and stays.
    pub(crate) fn find<'s>(&'s self, old: &'s str) -> Result<Parent<'s>> {
        let planned = self.planned.map_or(Parent::Missing, |planned| planned.find(old));
        match planned {
            Parent::Known(_) | Parent::New => Ok(planned),
            Parent::Lost(_) | Parent::Missing => Ok(match self.crosswalk.get(&self.object.to_string(), old)? {
                Some(id) if self.planned.is_some_and(|planned| planned.deletes(&id)) => Parent::Lost("deleted"),
                Some(id) => Parent::Known(Cow::Owned(id)),
                None => planned,
            }),
        }
    }
}
