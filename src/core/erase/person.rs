//! What is known of a person: by which keys and ids, and where.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::journal::erased::Sign;
use crate::resolve::show_key;

/// Column → ordinals of the rows whose cell names the person.
pub(crate) type Cells = BTreeMap<String, BTreeSet<u64>>;

/// Everything that the state folder was searched for and found to be of one person.
#[derive(Debug, Default)]
pub(crate) struct Person {
    /// By mapping: their old keys.
    pub(crate) keys: BTreeMap<String, BTreeSet<String>>,
    /// By mapping: its target object.
    pub(crate) objects: BTreeMap<String, String>,
    /// By mapping, of the whole project: its source as snapshots are labelled.
    pub(crate) sources: BTreeMap<String, String>,
    /// By target object: their new ids.
    pub(crate) ids: BTreeMap<String, BTreeSet<String>>,
    /// By snapshot: ordinals of their rows.
    pub(crate) rows: BTreeMap<PathBuf, BTreeSet<u64>>,
    /// By mapping: how the source's platform names their rows.
    pub(crate) locators: BTreeMap<String, BTreeSet<String>>,
    /// By snapshot: cells of other records that name them.
    pub(crate) cells: BTreeMap<PathBuf, Cells>,
    /// By mapping: target columns that name them by old key.
    pub(crate) links: BTreeMap<String, BTreeSet<(String, String)>>,
    /// By mapping and source column: cells that name them, as they stand in the source.
    pub(crate) named: BTreeMap<String, BTreeSet<(String, String)>>,
    /// Source objects of which pieces were no rows; what in them gives the person away.
    pub(crate) tokens: BTreeMap<String, BTreeSet<String>>,
    /// Snapshots that cannot be searched.
    pub(crate) lost: BTreeSet<PathBuf>,
    /// What goes on the list of the erased.
    pub(crate) signs: BTreeSet<Sign>,
}

impl Person {
    /// A key of the person in a mapping, in its own form or as people see it.
    pub(crate) fn is_key(&self, mapping: &str, text: &str) -> bool {
        self.keys.get(mapping).is_some_and(|keys| keys.iter().any(|key| key == text || show_key(key) == text))
    }
    /// An id of the person in a target object.
    pub(crate) fn is_id(&self, object: &str, text: &str) -> bool {
        self.ids.get(object).is_some_and(|ids| ids.contains(text))
    }
    /// Their rows in a snapshot.
    pub(crate) fn rows_of(&self, snapshot: &Path) -> Option<&BTreeSet<u64>> {
        self.rows.get(snapshot).filter(|rows| !rows.is_empty())
    }
    /// A row of a snapshot is theirs.
    pub(crate) fn is_row(&self, snapshot: &Path, row: Option<u64>) -> bool {
        row.is_some_and(|row| self.rows.get(snapshot).is_some_and(|rows| rows.contains(&row)))
    }
    /// A raw line of a source gives them away.
    pub(crate) fn is_piece(&self, label: &str, raw: &str) -> bool {
        self.tokens
            .get(label)
            .is_some_and(|known| crate::table::snapshot::forget::tokens(raw).any(|token| known.contains(token)))
    }
}
