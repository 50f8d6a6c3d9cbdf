//! The inbox of rejects: what a run or a plan left out, grouped by root cause, with the rows that wait for others below the
//! cause of those.
use hashbrown::HashMap;
use serde::Serialize;

use crate::journal::{Parent, Reject};

/// One row in the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Mapping.
    pub mapping: String,
    /// The reject as it was found last: a row that was retried in vain has its newest reason, under its old number.
    pub reject: Reject,
    /// The run that carried it over after all.
    pub released: Option<String>,
    /// The run that tried it last, if that was not the first one.
    pub retried: Option<String>,
    /// Under the mapping as it is now nothing that can be known of the row alone stands against it.
    pub mended: bool,
}

impl Entry {
    /// It is still to be carried over.
    pub const fn is_open(&self) -> bool {
        self.released.is_none()
    }
}

/// Rows with one cause, and those that wait for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Mapping.
    pub mapping: String,
    /// `rejected` or `held`.
    pub kind: String,
    /// Cause in words, without values.
    pub cause: String,
    /// Target field to blame.
    pub field: Option<String>,
    /// Step that failed.
    pub step: String,
    /// Indexes of its entries, in file order.
    pub entries: Vec<usize>,
    /// Those that wait for these entries.
    pub waiting: Vec<Group>,
}

impl Group {
    /// Rows below it, at any depth.
    pub fn waits(&self) -> u64 {
        self.waiting.iter().map(|group| group.entries.len() as u64 + group.waits()).sum()
    }
    /// Indexes of its entries and of all that wait for them.
    pub fn all(&self) -> Vec<usize> {
        let mut all = self.entries.clone();
        for group in &self.waiting {
            all.extend(group.all());
        }
        all
    }
}

/// What a run or a plan left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Inbox {
    /// The run or the plan. Of a retry: the run whose rejects it retried.
    pub of: String,
    /// It is a run, so its rejects can be retried.
    pub is_run: bool,
    /// All its rows, by mapping in load order.
    pub entries: Vec<Entry>,
    /// By root cause, most rows first.
    pub groups: Vec<Group>,
    /// Runs that retried some of them, oldest first.
    pub retries: Vec<String>,
}

impl Inbox {
    /// Groups the entries.
    pub fn new(of: String, is_run: bool, entries: Vec<Entry>, retries: Vec<String>) -> Self {
        let groups = tree(&entries);
        Self { of, is_run, entries, groups, retries }
    }
    /// Rows that are still to be carried over.
    pub fn open(&self) -> u64 {
        self.entries.iter().filter(|entry| entry.is_open()).count() as u64
    }
}

/// Groups by cause; an entry that waits for another one stands below that one's cause.
pub fn tree(entries: &[Entry]) -> Vec<Group> {
    let mut places: HashMap<Parent, usize> = HashMap::new();
    for (at, entry) in entries.iter().enumerate() {
        if let Some(key) = &entry.reject.key {
            places.entry(Parent { mapping: entry.mapping.clone(), key: key.clone() }).or_insert(at);
        }
    }
    let parent: Vec<Option<usize>> = entries
        .iter()
        .enumerate()
        .map(|(at, entry)| places.get(entry.reject.parent.as_ref()?).copied().filter(|parent| *parent != at))
        .collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); entries.len()];
    let mut roots: Vec<usize> = Vec::new();
    for at in 0..entries.len() {
        match parent[at] {
            Some(above) if !circles(&parent, at) => children[above].push(at),
            _ => roots.push(at),
        }
    }
    groups(entries, &roots, &children)
}

/// Going up from an entry never comes to a root.
fn circles(parent: &[Option<usize>], start: usize) -> bool {
    let (mut slow, mut fast) = (Some(start), Some(start));
    loop {
        slow = slow.and_then(|at| parent[at]);
        fast = fast.and_then(|at| parent[at]).and_then(|at| parent[at]);
        match (slow, fast) {
            (_, None) => return false,
            (slow, fast) if slow == fast => return true,
            _ => {}
        }
    }
}

fn groups(entries: &[Entry], rows: &[usize], children: &[Vec<usize>]) -> Vec<Group> {
    let mut out: Vec<Group> = Vec::new();
    let mut places: HashMap<(&str, &str, &str), usize> = HashMap::new();
    for at in rows {
        let Entry { mapping, reject, .. } = &entries[*at];
        let place = *places.entry((mapping, &reject.kind, &reject.cause)).or_insert_with(|| {
            out.push(Group {
                mapping: mapping.clone(),
                kind: reject.kind.clone(),
                cause: reject.cause.clone(),
                field: reject.field.clone(),
                step: reject.step.clone(),
                entries: Vec::new(),
                waiting: Vec::new(),
            });
            out.len() - 1
        });
        out[place].entries.push(*at);
    }
    for group in &mut out {
        let mut below: Vec<usize> = group.entries.iter().flat_map(|at| children[*at].iter().copied()).collect();
        below.sort_unstable();
        if !below.is_empty() {
            group.waiting = groups(entries, &below, children);
        }
    }
    let size = |group: &Group| group.entries.len() as u64 + group.waits();
    out.sort_by(|one, other| {
        size(other).cmp(&size(one)).then_with(|| (&one.mapping, &one.cause).cmp(&(&other.mapping, &other.cause)))
    });
    out
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// An entry without cells.
    pub(crate) fn entry(mapping: &str, key: &str, cause: &str, parent: Option<(&str, &str)>) -> Entry {
        Entry {
            mapping: mapping.into(),
            reject: Reject {
                n: 1,
                kind: "rejected".into(),
                row: Some(0),
                line: 2,
                key: Some(key.into()),
                field: None,
                step: "values".into(),
                reason: cause.into(),
                cause: cause.into(),
                source: serde_json::Map::new(),
                raw: None,
                parent: parent.map(|(mapping, key)| Parent { mapping: mapping.into(), key: key.into() }),
            },
            released: None,
            retried: None,
            mended: false,
        }
    }

    #[test]
    fn rows_that_wait_stand_below_the_cause_of_those_they_wait_for() {
        let entries = [
            entry("accounts", "a1", "bad industry", None),
            entry("accounts", "a2", "bad industry", None),
            entry("accounts", "a3", "no name", None),
            entry("contacts", "c1", "company: parent rejected (accounts)", Some(("accounts", "a1"))),
            entry("contacts", "c2", "company: parent rejected (accounts)", Some(("accounts", "a2"))),
            entry("contacts", "c3", "company: parent rejected (accounts)", Some(("accounts", "a1"))),
            entry("deals", "d1", "contact: parent rejected (contacts)", Some(("contacts", "c3"))),
            entry("contacts", "c4", "company: parent not found (accounts)", Some(("accounts", "gone"))),
        ];
        let groups = tree(&entries);
        let first = &groups[0];
        assert_eq!((first.cause.as_str(), first.entries.as_slice(), first.waits()), ("bad industry", &[0, 1][..], 4));
        assert_eq!((first.waiting[0].mapping.as_str(), first.waiting[0].entries.len()), ("contacts", 3));
        assert_eq!(first.waiting[0].waiting[0].entries, [6]);
        let mut all = first.all();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 3, 4, 5, 6]);
        assert_eq!(
            groups.iter().skip(1).map(|group| group.cause.as_str()).collect::<Vec<_>>(),
            ["no name", "company: parent not found (accounts)"]
        );
        let counted: usize = groups.iter().map(|group| group.all().len()).sum();
        assert_eq!(counted, entries.len(), "nothing is lost and nothing twice");
    }

    #[test]
    fn rows_that_wait_for_each_other_are_lost_to_nobody() {
        let entries = [
            entry("staff", "1", "boss: parent held (staff)", Some(("staff", "2"))),
            entry("staff", "2", "boss: parent held (staff)", Some(("staff", "1"))),
            entry("staff", "3", "boss: parent held (staff)", Some(("staff", "3"))),
            entry("staff", "4", "boss: parent held (staff)", Some(("staff", "1"))),
        ];
        let counted: usize = tree(&entries).iter().map(|group| group.all().len()).sum();
        assert_eq!(counted, entries.len());
    }
}
