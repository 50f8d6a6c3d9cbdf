//! Which rows of a source an incremental plan looks at, so that it ends where a full plan would end.
//!
//! A row need not be looked at if its ledger entry holds: the cells that the mapping reads are as they were, its target row
//! is there as it was left, nothing that it links to changed, no other row of the source has its key or wants its target
//! row. Everything else goes through the row steps, the match and the comparison as in a full plan, in the source's order.
use hashbrown::{HashMap, HashSet};

use super::build::Job;
use super::facts::{CrosswalkFacts, TargetFacts, Wanted};
use super::links::ParentIndex;
use super::lookup::Hits;
use super::material::{Marker, source_hashes};
use super::shape::{By, Shape};
use super::target_rows::tombstones_are;
use super::{LookReason, Operation};
use crate::error::Result;
use crate::journal::Crosswalk;
use crate::journal::ledger::{Agreement, Hidden, Ledger, Left, Mark, Secret, halves};
use crate::map::Fate;
use crate::monitor::{Monitor, Progress};
use crate::project::TargetOnly;
use crate::resolve::keys::{KeyHash, KeyMap, key_hash};
use crate::table::Snapshot;

mod asked;
mod cursor;
mod orphans;
mod pushed;
mod settings;
pub(crate) use asked::{Asked, askable, rows_of_ids};
pub(crate) use cursor::{begin, extend};
pub(crate) use pushed::{Pushed, look_pushed};
pub(crate) use settings::settings_hash;

/// Rows that are taken through the row steps together while it is found out what hangs on them.
const CHUNK: usize = 8_192;

/// What both sides agreed on before.
pub(crate) struct Since {
    pub(crate) ledger: Ledger,
    pub(crate) agreement: Agreement,
}

/// What of the source is looked at.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// Ordinals of the rows to look at, ascending.
    pub(crate) ordinals: Vec<u32>,
    /// Rows whose entries hold: records.
    pub(crate) unchanged: u64,
    /// Rows whose entries hold: left out by `where`.
    pub(crate) filtered: u64,
    /// Target row and source row of the records whose entries hold.
    pub(crate) settled: Vec<(u32, u32)>,
    /// Keys of entries that do not hold.
    pub(crate) gone: Vec<Hidden>,
    /// Why rows are looked at, and how many.
    pub(crate) reasons: Vec<(LookReason, u64)>,
    /// How far the source was read by its cursor.
    pub(crate) mark: Option<Mark>,
    /// Entries whose rows were not read, and how many of them are records.
    pub(crate) unread: u64,
    pub(crate) unread_records: u64,
    /// Where reading began: cursor column and value.
    pub(crate) from: Option<(String, String)>,
    /// They were pushed; nothing of the source was read.
    pub(crate) pushed: bool,
    /// Of those: rows that say by their key alone that the record is gone, ascending.
    pub(crate) deleted: Vec<u32>,
    /// Of those that the ledger knows, by key: hash and locator of the source's own row as it was last read. They stay in
    /// the entry, so that what was pushed stands until the source's row changes.
    pub(crate) own: HashMap<Hidden, (Hidden, Option<String>)>,
    /// Target rows of records that are not looked at, by their ids as the ledger has them: nobody else takes them.
    pub(crate) others: Vec<Hidden>,
}

/// Why the entries of a mapping cannot be relied on; None if they can.
pub(crate) fn unfit(shape: &Shape, since: &Since) -> Option<&'static str> {
    if since.agreement.pipeline != shape.pipeline.hash() {
        return Some("the mapping's rules changed since the last run");
    }
    if since.agreement.settings != settings_hash(shape) {
        return Some("the mapping, its source's columns or its target changed since the last run");
    }
    None
}

/// Why this mapping can never be planned incrementally; None if it can.
pub(crate) fn unable(shape: &Shape) -> Option<&'static str> {
    // Else a record may find another row although neither it nor its row changed.
    let by_crosswalk = shape.matchers.first().is_some_and(|matcher| matches!(matcher.by, By::Crosswalk));
    (!by_crosswalk).then_some("`match` does not begin with \"crosswalk\"")
}

/// A row of the source that the ledger knows.
#[derive(Clone, Copy)]
struct Slot {
    /// Ordinal + 1; 0: not seen.
    at: u32,
    left: Left,
}

/// What the search goes over.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) source: &'a Snapshot,
    pub(crate) crosswalk: &'a Crosswalk,
    /// Planned images of the mappings planned before.
    pub(crate) parents: &'a HashMap<String, ParentIndex>,
    pub(crate) since: &'a Since,
    pub(crate) secret: Secret,
    pub(crate) monitor: &'a dyn Monitor,
}

/// Where target rows are looked up.
enum Side<'a> {
    /// All of them were read.
    Whole {
        facts: &'a TargetFacts,
        known: &'a CrosswalkFacts,
        /// Source ordinal + 1 by target row.
        owner: Vec<u32>,
        /// Target rows that a row looked at finds.
        hit: Vec<bool>,
    },
    /// The platform is asked for those that dirty rows may have.
    Asked(Box<Asked<'a>>),
}

struct Search<'a> {
    ground: Ground<'a>,
    side: Side<'a>,
    /// Only the rows from a cursor's value on are there.
    cursor: bool,
    slots: KeyMap<Slot>,
    /// By ordinal.
    dirty: Vec<bool>,
    /// Dirty rows that nobody looked at yet.
    queue: Vec<u32>,
    reasons: HashMap<LookReason, u64>,
    /// Own rows by the record of this mapping they link to.
    children: HashMap<u64, Vec<u32>>,
    /// Keys of entries of dirty rows that a cursor read.
    stale: Vec<Hidden>,
    /// Locators of rows that must be read too.
    more: Vec<String>,
    /// Locators of the rows that a cursor read.
    read: HashSet<String>,
    /// Of those: rows that were asked for because something hangs on them.
    forced: HashSet<String>,
    /// Rows read whose entries hold as far as their source goes: ordinal, key, left out by `where`.
    held: Vec<(u32, Hidden, bool)>,
}

/// How a search ended.
pub(crate) enum Found {
    /// These rows are looked at, and these target rows they may have.
    Looked(Box<Looked>, Box<Snapshot>),
    /// These rows of the source must be read too.
    More(Vec<String>),
    /// So much changed that looking at everything is less.
    Much(&'static str),
}

/// Finds out what is looked at, all of both sides being read.
pub(crate) fn look(job: &Job<'_>, facts: &TargetFacts, known: &CrosswalkFacts, since: &Since) -> Result<Looked> {
    let ground = Ground {
        shape: job.shape,
        source: job.source,
        crosswalk: job.crosswalk,
        parents: job.parents,
        since,
        secret: job.secret,
        monitor: job.monitor,
    };
    let side = Side::Whole { facts, known, owner: vec![0; facts.rows], hit: vec![false; facts.rows] };
    let mut search = Search::new(ground, side, false)?;
    let mark = search.sources()?;
    search.entries()?;
    search.follow()?;
    if search.orphans() {
        search.follow()?;
    }
    if search.hidden_owners() {
        search.follow()?;
    }
    Ok(Looked { mark, ..search.settle()?.0 })
}

/// Finds out what is looked at, the target being asked for the rows that those may have. `cursor`: of the source only the
/// rows from a cursor's value on are there, and those of the locators `forced`.
pub(crate) fn seek<'a>(ground: Ground<'a>, asked: Asked<'a>, cursor: bool, forced: &[String]) -> Result<Found> {
    let mut search = Search::new(ground, Side::Asked(Box::new(asked)), cursor)?;
    search.forced = forced.iter().cloned().collect();
    let mark = if cursor { search.rows_read()? } else { search.sources()? };
    if !cursor && search.queue.len() as u64 > much(&ground.since.agreement) {
        return Ok(Found::Much("more than an eighth of the source changed"));
    }
    if cursor {
        if !search.changed_children()? {
            return Ok(Found::Much("too many of the records that it links to changed"));
        }
    } else {
        search.entries()?;
    }
    search.follow()?;
    if !search.more.is_empty() {
        return Ok(Found::More(search.more));
    }
    let (looked, side) = if cursor { search.settle_read() } else { search.settle()? };
    let Side::Asked(asked) = side else { return Ok(Found::Much("the target was read whole")) };
    Ok(Found::Looked(Box::new(Looked { mark, ..looked }), Box::new(asked.finish()?)))
}

/// Rows that may be asked for one by one; for more of them it costs less to go over all.
pub(crate) fn much(agreement: &Agreement) -> u64 {
    1_000.max(agreement.records / 8)
}

impl<'a> Search<'a> {
    fn new(ground: Ground<'a>, side: Side<'a>, cursor: bool) -> Result<Self> {
        let entries = if cursor { 0 } else { ground.since.ledger.count()? as usize };
        Ok(Self {
            ground,
            side,
            cursor,
            slots: KeyMap::with_capacity_and_hasher(entries, crate::resolve::keys::Prehashed::default()),
            dirty: vec![false; ground.source.meta().rows as usize],
            queue: Vec::new(),
            reasons: HashMap::new(),
            children: HashMap::new(),
            stale: Vec::new(),
            more: Vec::new(),
            read: HashSet::new(),
            forced: HashSet::new(),
            held: Vec::new(),
        })
    }

    fn mark(&mut self, ordinal: u32, reason: LookReason) {
        if !std::mem::replace(&mut self.dirty[ordinal as usize], true) {
            self.queue.push(ordinal);
            *self.reasons.entry(reason).or_default() += 1;
        }
    }

    /// One pass of hashing over the source: rows that the ledger does not know as they are.
    fn sources(&mut self) -> Result<Option<Mark>> {
        let ground = self.ground;
        // Rows that `where` leaves out keep their target row from being taken for one that the source lacks.
        let touching = matches!(ground.shape.mapping.target_only, TargetOnly::Mark(_) | TargetOnly::Delete);
        let slots = &mut self.slots;
        ground.since.ledger.each_source(|source, left| {
            if left != Left::Filtered || !touching {
                slots.insert(source, Slot { at: 0, left });
            }
        })?;
        let reads = ground.shape.pipeline.reads();
        let cursor = ground.shape.mapping.run.cursor.clone();
        let mut columns = reads.clone();
        columns.extend(cursor.clone().filter(|cursor| !reads.contains(cursor)));
        let mut marker = cursor.map(Marker::new);
        let mut first = 0_u32;
        for frame in ground.source.batches(Some(&columns))? {
            ground.monitor.check()?;
            let frame = frame?;
            if let Some(marker) = &mut marker {
                marker.see(&frame)?;
            }
            for (row, hash) in source_hashes(&frame, &reads)?.into_iter().enumerate() {
                let ordinal = first + row as u32;
                match self.slots.get_mut(&halves(&ground.secret.hide(hash))) {
                    None => self.mark(ordinal, LookReason::Changed),
                    Some(slot) if slot.at == 0 || slot.left != Left::No => slot.at = ordinal + 1,
                    // The same row twice: they share a key.
                    Some(slot) => {
                        let other = slot.at - 1;
                        self.mark(other, LookReason::Key);
                        self.mark(ordinal, LookReason::Key);
                    }
                }
            }
            first += frame.height() as u32;
            ground.monitor.report(Progress {
                step: format!("comparing {} with the ledger", ground.shape.mapping.from.label),
                done: u64::from(first),
                total: Some(ground.source.meta().rows),
            });
        }
        Ok(marker.map(Marker::mark))
    }

    /// Entries whose target row is not as it was left, or whose parents changed.
    fn entries(&mut self) -> Result<()> {
        let parents = self.changed_parents()?;
        let own: Vec<usize> = self.own_links();
        let (ledger, secret) = (&self.ground.since.ledger, self.ground.secret);
        ledger.each(|entry| {
            let Some(ordinal) = self.seen(&entry.source) else { return Ok(()) };
            let Some(target) = entry.target else { return Ok(()) };
            let mut moved = false;
            if let Side::Whole { facts, owner, .. } = &mut self.side {
                moved = match facts.pair().find(secret.show(&target)) {
                    Hits::One(row) => {
                        owner[row as usize] = ordinal + 1;
                        entry.cells != Some(secret.hide_wide(facts.cells_hash[row as usize]))
                    }
                    Hits::None | Hits::Many(_) => true,
                };
            }
            if moved {
                self.mark(ordinal, LookReason::Target);
            }
            let any = |(link, parents): (&u64, &Option<HashSet<u64>>)| {
                *link != 0 && parents.as_ref().is_none_or(|parents| parents.contains(link))
            };
            if entry.links.iter().zip(&parents).any(any) {
                self.mark(ordinal, LookReason::Parent);
            }
            for link in &own {
                if let Some(parent) = entry.links.get(*link).filter(|parent| **parent != 0) {
                    self.children.entry(*parent).or_default().push(ordinal);
                }
            }
            Ok(())
        })
    }

    fn own_links(&self) -> Vec<usize> {
        let shape = self.ground.shape;
        (0..shape.links.len()).filter(|at| shape.links[*at].plan.mapping == shape.mapping.name).collect()
    }

    /// Per link, the records whose new id came, changed or went since the last run; None: any may have.
    fn changed_parents(&self) -> Result<Vec<Option<HashSet<u64>>>> {
        let Ground { shape, since, crosswalk, secret, parents, .. } = self.ground;
        shape
            .links
            .iter()
            .map(|link| {
                let object = link.plan.object.to_string();
                let Some(moment) = since.agreement.crosswalk.get(&object) else { return Ok(None) };
                let Some(keys) = crosswalk.changes(&object, *moment)? else { return Ok(None) };
                let mut changed: HashSet<u64> = keys.iter().map(|key| secret.link(key_hash(key))).collect();
                if let Some(parent) = parents.get(&link.plan.mapping) {
                    changed.extend(parent.changed().map(|key| secret.link(key)));
                }
                Ok(Some(changed))
            })
            .collect()
    }

    /// The ordinal of the row that an entry is about, if it is as it was.
    fn seen(&self, source: &Hidden) -> Option<u32> {
        self.slots.get(&halves(source)).and_then(|slot| slot.at.checked_sub(1))
    }

    /// What hangs on the rows that are looked at: rows of the same key, owners of the target rows they find, rows that
    /// link to them.
    fn follow(&mut self) -> Result<()> {
        while !self.queue.is_empty() {
            self.ground.monitor.check()?;
            let mut part: Vec<u32> = self.queue.split_off(self.queue.len().saturating_sub(CHUNK));
            part.sort_unstable();
            let ordinals: Vec<u64> = part.iter().map(|ordinal| u64::from(*ordinal)).collect();
            let frame = self.ground.source.gather(&ordinals, None)?;
            let shape = self.ground.shape;
            let outcome = shape.pipeline.apply(&frame)?;
            let cells = shape.cells(&outcome)?;
            let texts = shape.key_texts(&cells);
            let keys: Vec<Option<KeyHash>> = texts.iter().map(|key| key.as_deref().map(key_hash)).collect();
            let mut owners = Vec::new();
            let mut old_keys = Vec::new();
            match &mut self.side {
                Side::Whole { facts, known, owner, hit } => {
                    let wanted = Wanted::of(shape, facts, &cells, keys.clone())?;
                    for row in 0..keys.len() {
                        let found = wanted.find(shape, facts, known, row);
                        for row in found.hits.rows() {
                            hit[*row as usize] = true;
                            owners.extend(owner[*row as usize].checked_sub(1));
                        }
                    }
                }
                Side::Asked(asked) => old_keys = asked.fetch(&texts, &cells)?,
            }
            for owner in owners {
                self.mark(owner, LookReason::Target);
            }
            for key in old_keys {
                self.same_key(key_hash(&key), LookReason::Target)?;
            }
            let tombstones_go = tombstones_are(shape) == Some(Operation::Delete);
            for (row, (key, text)) in keys.iter().zip(&texts).enumerate() {
                if let (Some(key), Some(text)) = (key, text) {
                    self.same_key(*key, LookReason::Key)?;
                    self.children_of(*key, text, tombstones_go && outcome.fates[row] == Fate::Tombstone)?;
                }
            }
        }
        Ok(())
    }

    /// The row of an entry is looked at: it is here, or must be read.
    fn take(&mut self, entry: &crate::journal::ledger::Entry, reason: LookReason) {
        if let Some(ordinal) = self.seen(&entry.source) {
            self.mark(ordinal, reason);
        } else if self.cursor
            && let Some(locator) =
                entry.locator.clone().filter(|locator| !self.is_read(locator) && !self.forced.contains(locator))
        {
            self.more.push(locator);
        }
    }

    fn same_key(&mut self, key: KeyHash, reason: LookReason) -> Result<()> {
        if let Some(entry) = self.ground.since.ledger.get(&self.ground.secret.hide(key))? {
            self.take(&entry, reason);
        }
        Ok(())
    }

    /// A record that keeps its id, whatever becomes of it, is no news for those that link to it. `goes`: it is deleted.
    fn children_of(&mut self, key: KeyHash, text: &str, goes: bool) -> Result<()> {
        let link = self.ground.secret.link(key);
        if if self.cursor { self.own_links().is_empty() } else { !self.children.contains_key(&link) } {
            return Ok(());
        }
        let stays = match &self.side {
            Side::Whole { facts, known, .. } => known.row(facts, key).is_some(),
            Side::Asked(asked) => asked.holds(text)?,
        };
        if stays && !goes {
            return Ok(());
        }
        if self.cursor {
            for child in self.ground.since.ledger.children(link)? {
                self.take(&child, LookReason::Parent);
            }
        }
        for child in self.children.remove(&link).unwrap_or_default() {
            self.mark(child, LookReason::Parent);
        }
        Ok(())
    }

    /// What is left holds.
    fn settle(self) -> Result<(Looked, Side<'a>)> {
        let mut looked = Looked::default();
        let secret = self.ground.secret;
        self.ground.since.ledger.each(|entry| {
            let Some(ordinal) = self.seen(&entry.source).filter(|at| !self.dirty[*at as usize]) else {
                looked.gone.push(entry.key);
                return Ok(());
            };
            let Some(target) = entry.target else { return Ok(()) };
            if let Side::Whole { facts, .. } = &self.side
                && let Hits::One(row) = facts.pair().find(secret.show(&target))
            {
                looked.settled.push((row, ordinal));
            }
            looked.unchanged += 1;
            Ok(())
        })?;
        let side = self.fill(&mut looked);
        Ok((looked, side))
    }

    fn fill(self, looked: &mut Looked) -> Side<'a> {
        looked.ordinals = (0..self.dirty.len() as u32).filter(|at| self.dirty[*at as usize]).collect();
        looked.filtered = self.dirty.len() as u64 - looked.ordinals.len() as u64 - looked.unchanged;
        looked.reasons = self.reasons.into_iter().collect();
        looked.reasons.sort_unstable_by_key(|(reason, _)| *reason);
        self.side
    }
}
