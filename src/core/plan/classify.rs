//! From source rows to decisions: row steps, keys, duplicates, links, matching. What is left open is only whether a row
//! that has its target row differs from it.
use hashbrown::{HashMap, HashSet};
use polars::prelude::{
    BooleanChunked, ChunkFilter, ChunkFullNull, DataFrame, NewChunkedArray, StringChunked, StringChunkedBuilder,
};

use super::Rows;
use super::facts::{CrosswalkFacts, TargetFacts, Wanted};
use super::links::{LinkLook, Parent, ParentIndex};
use super::lookup::Hits;
use super::ops::OpRow;
use super::shape::Shape;
use crate::error::Result;
use crate::journal::Crosswalk;
use crate::journal::erased::ErasedKeys;
use crate::map::corrections::CorrectionTally;
use crate::map::{Fate, Outcome, StepCount};
use crate::plan::Operation;
use crate::project::OnMiss;
use crate::resolve::keys::{KeyDuplicates, KeyHash, Role, key_hash};

/// Why a row is rejected or held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blame {
    pub(crate) field: Option<String>,
    pub(crate) step: String,
    pub(crate) reason: String,
    pub(crate) cause: String,
    /// Mapping and old key of the record that it waits for.
    pub(crate) parent: Option<(String, String)>,
}

impl Blame {
    fn new(field: Option<&str>, step: &str, reason: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            field: field.map(str::to_owned),
            step: step.to_owned(),
            reason: reason.into(),
            cause: cause.into(),
            parent: None,
        }
    }
}

/// A batch with its decisions.
pub(crate) struct Classified {
    pub(crate) frame: DataFrame,
    /// One per column of the operations, links resolved.
    pub(crate) cells: Vec<StringChunked>,
    /// One per link.
    pub(crate) pending: Vec<StringChunked>,
    /// One per link: the old keys that are named.
    pub(crate) named: Vec<StringChunked>,
    /// Accepted rows are inserts if they have no target row, else updates, subject to comparison.
    pub(crate) rows: Vec<OpRow>,
    pub(crate) blames: Vec<Option<Blame>>,
    pub(crate) fates: Vec<Fate>,
    /// The row finds a target row, whatever becomes of it.
    pub(crate) finds: Vec<bool>,
    /// Its ledger entry stays as it is: the target's changes are still to go back, or a decision is missing.
    pub(crate) stays: Vec<bool>,
}

impl Classified {
    /// Without the rows that a selection leaves out.
    pub(crate) fn taken_by(mut self, selection: &Rows) -> Result<Self> {
        let takes: Vec<bool> =
            self.rows.iter().map(|op| op.source.is_none_or(|source| selection.takes(source))).collect();
        if takes.iter().all(|takes| *takes) {
            return Ok(self);
        }
        let mask = BooleanChunked::from_iter_values("takes".into(), takes.iter().copied());
        self.frame = self.frame.filter(&mask)?;
        for column in self.cells.iter_mut().chain(&mut self.pending).chain(&mut self.named) {
            *column = column.filter(&mask)?;
        }
        pick(&mut self.rows, &takes);
        pick(&mut self.blames, &takes);
        pick(&mut self.fates, &takes);
        pick(&mut self.finds, &takes);
        pick(&mut self.stays, &takes);
        Ok(self)
    }
}

/// Keeps the items whose row is taken.
fn pick<T>(items: &mut Vec<T>, takes: &[bool]) {
    let mut takes = takes.iter();
    items.retain(|_| takes.next().is_some_and(|takes| *takes));
}

/// Stands for a source row that was not read.
const UNSEEN: u32 = u32::MAX;

/// What the rows seen so far leave behind.
pub(crate) struct State {
    pub(crate) duplicates: KeyDuplicates,
    /// Keys that several accepted rows have.
    pub(crate) shared: HashSet<KeyHash>,
    /// Source row + 1 that has taken a target row; 0 = free.
    taken: Vec<u32>,
    /// Target rows that some source row found, whatever became of it.
    pub(crate) touched: Vec<bool>,
    /// Target rows to remove because of a tombstone.
    pub(crate) tombstones: Vec<u32>,
    /// Rows whose key cannot be computed.
    pub(crate) keyless: u64,
    pub(crate) steps: Vec<StepCount>,
    /// Links that wait for a mapping that is planned later.
    pub(crate) later: u64,
    /// What became of the corrections.
    pub(crate) corrections: CorrectionTally,
}

impl State {
    /// A source row that is not looked at holds the target row.
    pub(crate) fn settle(&mut self, target: u32, source: u32) {
        self.taken[target as usize] = source + 1;
        self.touched[target as usize] = true;
    }
    /// A record whose source row was not read holds the target row.
    pub(crate) fn settle_unseen(&mut self, target: u32) {
        self.taken[target as usize] = UNSEEN;
        self.touched[target as usize] = true;
    }
    /// An accepted row has taken the target row.
    pub(crate) fn is_taken(&self, target: u32) -> bool {
        self.taken.get(target as usize).is_some_and(|taken| *taken > 0)
    }
    pub(crate) fn new(duplicates: KeyDuplicates, facts: &TargetFacts) -> Self {
        Self {
            duplicates,
            shared: HashSet::new(),
            taken: vec![0; facts.rows],
            touched: vec![false; facts.rows],
            tombstones: Vec::new(),
            keyless: 0,
            steps: Vec::new(),
            later: 0,
            corrections: CorrectionTally::default(),
        }
    }
}

/// How the links of a mapping are looked up.
pub(crate) enum LinkMode<'a> {
    /// By the planned image of a mapping planned before, and the crosswalk.
    Planned(&'a ParentIndex),
    /// By the crosswalk only: the linked mapping is not part of the plan.
    Crosswalk,
    /// The linked mapping is planned later (a cycle): what the crosswalk does not know waits for the next plan.
    Later,
    /// Not at all: self links, while it is found out what the mapping's own rows become.
    Skip,
}

/// What classification looks things up in.
pub(crate) struct Context<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) facts: &'a TargetFacts,
    pub(crate) known: &'a CrosswalkFacts,
    pub(crate) crosswalk: &'a Crosswalk,
    /// One per link of the shape.
    pub(crate) links: Vec<LinkMode<'a>>,
    /// Who was erased.
    pub(crate) erased: Erased<'a>,
}

/// Rows of people who were erased: blanked in the snapshot, or known by their key.
#[derive(Clone, Copy)]
pub(crate) struct Erased<'a> {
    /// Ordinals, ascending.
    pub(crate) rows: &'a [u64],
    pub(crate) keys: Option<&'a ErasedKeys>,
}

impl Erased<'_> {
    fn has(&self, ordinal: u32, key: Option<&str>) -> bool {
        self.rows.binary_search(&u64::from(ordinal)).is_ok()
            || key.is_some_and(|key| self.keys.is_some_and(|keys| keys.has(key)))
    }
}

impl Context<'_> {
    /// Decides on the rows of a batch by what the row steps made of them; `ordinals` are theirs, ascending.
    pub(crate) fn classify(
        &self,
        state: &mut State,
        ordinals: &[u32],
        frame: DataFrame,
        mut outcome: Outcome,
    ) -> Result<Classified> {
        let shape = self.shape;
        add_steps(&mut state.steps, &outcome.counts);
        state.corrections.add(shape.pipeline.corrections().entries().len(), &outcome.corrected);
        let mut cells = shape.cells(&outcome)?;
        let height = frame.height();
        let mut keys = shape.key_texts(&cells);
        let mut fatal: HashMap<usize, usize> = HashMap::new();
        for (at, failure) in outcome.failures.iter().enumerate().filter(|(_, failure)| failure.fatal) {
            fatal.entry(failure.row).or_insert(at);
            if shape.keys.contains(&failure.field) {
                keys[failure.row] = None;
            }
        }
        let hashes: Vec<Option<KeyHash>> = keys.iter().map(|key| key.as_deref().map(key_hash)).collect();
        let wanted = Wanted::of(shape, self.facts, &cells, hashes.clone())?;

        let mut rows: Vec<OpRow> = Vec::with_capacity(height);
        let mut finds: Vec<bool> = Vec::with_capacity(height);
        let mut blames: Vec<Option<Blame>> = vec![None; height];
        let mut links = LinkCells::new(height);
        for row in 0..height {
            let ordinal = ordinals[row];
            let mut op = OpRow { source: Some(ordinal), key: keys[row].take(), ..OpRow::default() };
            let erased = self.erased.has(ordinal, op.key.as_deref());
            if erased {
                outcome.fates[row] = Fate::Filtered;
            }
            let fate = outcome.fates[row];
            let found = wanted.find(shape, self.facts, self.known, row);
            finds.push(found.hits != Hits::None);
            for hit in found.hits.rows() {
                state.touched[*hit as usize] = true;
            }
            if op.key.is_none() && !matches!(fate, Fate::Filtered) {
                state.keyless += 1;
            }
            let one = if let Hits::One(target) = found.hits { Some(target) } else { None };
            let decision = match fate {
                Fate::Filtered => Decision::Leave(Operation::Filtered, erased.then(|| "erased".into())),
                Fate::Tombstone => {
                    state.tombstones.extend(one);
                    Decision::Leave(Operation::Filtered, Some("deleted in the source".into()))
                }
                Fate::Unknown => Decision::blame(
                    Operation::Held,
                    Blame::new(None, "where", "the condition is neither true nor false (NULL)", "where: unknown"),
                ),
                Fate::Rejected => {
                    let failure = fatal.get(&row).map(|at| &outcome.failures[*at]);
                    let field = failure.map(|failure| shape.columns[failure.field].as_str());
                    let (step, reason) = failure.map_or(("rule", "a rule failed"), |f| (&f.step, &f.reason));
                    let cause = field.map_or_else(|| reason.to_owned(), |field| format!("{field}: {reason}"));
                    Decision::blame(Operation::Rejected, Blame::new(field, step, reason, cause))
                }
                Fate::Accepted => match (&op.key, hashes[row]) {
                    (Some(_), Some(hash)) => {
                        self.accept(state, &mut links, &cells, row, ordinal, hash, &found.hits, found.by)?
                    }
                    _ => {
                        let field = shape.keys.first().map(|key| shape.columns[*key].as_str());
                        let cause = format!("{}: the key is empty", field.unwrap_or("key"));
                        Decision::blame(Operation::Rejected, Blame::new(field, "key", "the key is empty", cause))
                    }
                },
            };
            match decision {
                Decision::Insert => op.operation = Some(Operation::Insert),
                Decision::Compare(target) => {
                    op.operation = Some(Operation::Update);
                    op.target = Some(target);
                }
                Decision::Leave(operation, reason) => {
                    op.operation = Some(operation);
                    op.reason = reason;
                    op.target = one;
                    links.rows[row].clear();
                }
                Decision::Blame(operation, blame) => {
                    op.operation = Some(operation);
                    op.reason = Some(blame.reason.clone());
                    op.target = one;
                    blames[row] = Some(*blame);
                    links.rows[row].clear();
                }
            }
            if let Some(target) = op.target {
                op.expected = self.facts.row_hash.get(target as usize).copied();
                op.identity = self.facts.identity(target).map(str::to_owned);
            }
            rows.push(op);
        }
        state.later += links.later;
        let named = shape.links.iter().map(|link| cells[link.field].clone()).collect();
        let pending = links.write(shape, &mut cells);
        Ok(Classified {
            frame,
            cells,
            pending,
            named,
            rows,
            blames,
            fates: outcome.fates,
            finds,
            stays: vec![false; height],
        })
    }

    /// A row that the row steps accepted and that has a key.
    #[allow(clippy::too_many_arguments, reason = "the pieces of one row, taken apart once")]
    fn accept(
        &self,
        state: &mut State,
        links: &mut LinkCells,
        cells: &[StringChunked],
        row: usize,
        ordinal: u32,
        key: KeyHash,
        hits: &Hits<'_>,
        by: usize,
    ) -> Result<Decision> {
        let shape = self.shape;
        match state.duplicates.role(key, ordinal) {
            Role::Survivor => {}
            Role::Merged => {
                state.shared.insert(key);
                return Ok(Decision::Leave(Operation::Merged, Some("another row with this key stands for it".into())));
            }
            Role::Duplicate => {
                state.shared.insert(key);
                let reason = "an earlier row has the same key";
                return Ok(Decision::blame(
                    Operation::Rejected,
                    Blame::new(None, "duplicate", reason, "duplicate key in the source"),
                ));
            }
        }
        for (at, link) in shape.links.iter().enumerate() {
            let Some(old) = cells[link.field].get(row).filter(|old| !old.is_empty()) else { continue };
            let planned = match &self.links[at] {
                LinkMode::Planned(planned) => Some(*planned),
                LinkMode::Crosswalk | LinkMode::Later => None,
                LinkMode::Skip => continue,
            };
            let look = LinkLook { planned, crosswalk: self.crosswalk, object: &link.plan.object };
            let lost = match look.find(old)? {
                Parent::Known(id) => {
                    links.set(row, at, if id == old { LinkCell::Same } else { LinkCell::Id(id.into_owned()) });
                    continue;
                }
                Parent::New => {
                    links.set(row, at, LinkCell::Pending(old.to_owned()));
                    continue;
                }
                Parent::Missing if matches!(self.links[at], LinkMode::Later) => {
                    links.later += 1;
                    links.set(row, at, LinkCell::Null);
                    continue;
                }
                Parent::Lost(word) => word,
                Parent::Missing => "not found",
            };
            let operation = match link.on_miss {
                OnMiss::Null => {
                    links.set(row, at, LinkCell::Null);
                    continue;
                }
                OnMiss::Reject => Operation::Rejected,
                OnMiss::Defer => Operation::Held,
            };
            let blame = lost_parent(&link.plan.column, &link.plan.mapping, lost);
            let parent = Some((link.plan.mapping.clone(), old.to_owned()));
            return Ok(Decision::blame(operation, Blame { parent, ..blame }));
        }
        match hits {
            Hits::None => Ok(Decision::Insert),
            Hits::Many(rows) => {
                let label = &shape.matchers[by].label;
                let reason = format!("{} target rows match by {label}", rows.len());
                let cause = format!("several target rows match by {label}");
                Ok(Decision::blame(Operation::Held, Blame::new(None, "match", reason, cause)))
            }
            Hits::One(target) => {
                let taken = &mut state.taken[*target as usize];
                if *taken > 0 {
                    let reason = match *taken {
                        UNSEEN => "its target row is already taken by another record".to_owned(),
                        row => format!("its target row is already taken by row {row}"),
                    };
                    let cause = format!("target row already taken, by {}", shape.matchers[by].label);
                    return Ok(Decision::blame(Operation::Held, Blame::new(None, "match", reason, cause)));
                }
                *taken = ordinal + 1;
                Ok(Decision::Compare(*target))
            }
        }
    }
}

/// Why a row whose parent is not there goes nowhere.
pub(crate) fn lost_parent(column: &str, mapping: &str, word: &str) -> Blame {
    Blame::new(
        Some(column),
        "link",
        format!("its parent in {mapping} is {word}"),
        format!("{column}: parent {word} ({mapping})"),
    )
}

enum Decision {
    Insert,
    Compare(u32),
    Leave(Operation, Option<String>),
    Blame(Operation, Box<Blame>),
}

impl Decision {
    fn blame(operation: Operation, blame: Blame) -> Self {
        Self::Blame(operation, Box::new(blame))
    }
}

/// A link cell that is another than the row steps left it.
enum LinkCell {
    Same,
    Id(String),
    Pending(String),
    Null,
}

/// Link cells of a batch.
struct LinkCells {
    rows: Vec<Vec<(usize, LinkCell)>>,
    later: u64,
}

impl LinkCells {
    fn new(height: usize) -> Self {
        Self { rows: (0..height).map(|_| Vec::new()).collect(), later: 0 }
    }
    fn set(&mut self, row: usize, link: usize, cell: LinkCell) {
        self.rows[row].push((link, cell));
    }
    /// Replaces the link columns by new ids; answers the old keys of parents whose id comes later, one column per link.
    fn write(&self, shape: &Shape, cells: &mut [StringChunked]) -> Vec<StringChunked> {
        let height = self.rows.len();
        shape
            .links
            .iter()
            .enumerate()
            .map(|(at, link)| {
                let find = |row: usize| self.rows[row].iter().find(|(known, _)| *known == at).map(|(_, cell)| cell);
                let other = |row: usize| !matches!(find(row), None | Some(LinkCell::Same));
                let name = shape.columns[link.field].as_str();
                if !(0..height).any(other) {
                    return StringChunked::full_null(name.into(), height);
                }
                let mut values = StringChunkedBuilder::new(name.into(), height);
                let mut pending = StringChunkedBuilder::new(name.into(), height);
                for (row, old) in cells[link.field].iter().enumerate() {
                    let (value, wait) = match find(row) {
                        None | Some(LinkCell::Same) => (old, None),
                        Some(LinkCell::Id(id)) => (Some(id.as_str()), None),
                        Some(LinkCell::Pending(key)) => (None, Some(key.as_str())),
                        Some(LinkCell::Null) => (None, None),
                    };
                    values.append_option(value);
                    pending.append_option(wait);
                }
                cells[link.field] = values.finish();
                pending.finish()
            })
            .collect()
    }
}

/// Adds step counts up, by place: each batch has the same steps in the same order.
pub(crate) fn add_steps(sum: &mut Vec<StepCount>, counts: &[StepCount]) {
    for (at, count) in counts.iter().enumerate() {
        match sum.get_mut(at) {
            Some(known) if known.field == count.field && known.step == count.step => {
                known.changed += count.changed;
                known.failed += count.failed;
            }
            _ => match sum.iter_mut().find(|known| known.field == count.field && known.step == count.step) {
                Some(known) => {
                    known.changed += count.changed;
                    known.failed += count.failed;
                }
                None => sum.push(count.clone()),
            },
        }
    }
}
