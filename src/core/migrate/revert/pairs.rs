//! Which target row each row of a run is now.
//!
//! Tables name their rows, so the name decides. Files do not: there a row is found by what it reads as a whole, the first of
//! several alike for the first of them. What is not found so was edited or removed; its key tells which.
use hashbrown::HashMap;
use polars::prelude::{DataFrame, StringChunked};

use super::Job;
use super::touched::Touched;
use crate::error::Result;
use crate::migrate::postimages::Wrote;
use crate::monitor::Progress;
use crate::plan::lookup::{Hits, Lookup};
use crate::platform::LOCATOR;
use crate::resolve::keys::{KeyHash, key_hash, key_text};
use crate::table::hash::row_hash;

/// No row.
const NONE: u32 = u32::MAX;

/// See the module.
pub(super) struct Pairs {
    /// Hash of each target row.
    pub(super) hashes: Vec<u128>,
    /// By row of the run: its target row.
    rows: Vec<u32>,
    /// Target rows by what they read as (files), or by name (tables).
    names: Lookup,
    /// Target rows by key.
    keys: Lookup,
    file: bool,
    /// Files: target row of each row that was there before the run.
    now: Vec<u32>,
    /// Target rows that a row of the run (files: or any row of then) is now.
    taken: Vec<bool>,
    /// Target rows that the run inserted and nobody changed since: they go with this plan, and so do their names.
    pub(super) going: Vec<bool>,
}

/// Hash of a row as a lookup takes it.
fn halves(hash: u128) -> KeyHash {
    [(hash >> 64) as u64, hash as u64]
}

/// Text columns of a frame, those that it has.
fn columns_of<'f>(frame: &'f DataFrame, names: &[String]) -> Result<Vec<&'f StringChunked>> {
    names.iter().map(|name| Ok(frame.column(name)?.str()?)).collect()
}

impl Pairs {
    /// Reads the target through and finds the pairs.
    pub(super) fn find(job: &Job<'_>, touched: &Touched) -> Result<Self> {
        let mut pairs = Self::read(job)?;
        if pairs.file {
            pairs.by_reading(job, touched)?;
        } else {
            pairs.by_name(touched);
        }
        pairs.going = vec![false; pairs.hashes.len()];
        for (at, image) in touched.rows.iter().enumerate().filter(|(_, image)| image.wrote == Wrote::Insert) {
            if let Some(row) = pairs.row(at).map(|row| row as usize) {
                pairs.going[row] = image.hash == Some(pairs.hashes[row]);
            }
        }
        Ok(pairs)
    }

    /// The target is a file: its rows have places and no names.
    pub(super) fn is_file(&self) -> bool {
        self.file
    }

    fn read(job: &Job<'_>) -> Result<Self> {
        let rows = job.target.meta().rows as usize;
        let names: Vec<String> = job.target.meta().schema.names().map(str::to_owned).collect();
        let key: Vec<String> = job.part.key.iter().filter(|name| names.contains(name)).cloned().collect();
        let mut pairs = Self {
            hashes: Vec::with_capacity(rows),
            rows: Vec::new(),
            names: Lookup::with_capacity(rows),
            keys: Lookup::with_capacity(rows),
            // Files are told by their content, tables by each row.
            file: !job.target.meta().version.hash.is_empty(),
            now: Vec::new(),
            taken: vec![false; rows],
            going: Vec::new(),
        };
        for frame in job.target.batches(None)? {
            job.monitor.check()?;
            let frame = frame?;
            let hashes = row_hash(&frame, &names)?;
            let by = if pairs.file { None } else { Some(job.identity().unwrap_or(LOCATOR)) };
            match by {
                None => hashes.iter().for_each(|hash| pairs.names.push(Some(halves(*hash)))),
                Some(name) => frame.column(name)?.str()?.iter().for_each(|cell| pairs.names.push(cell.map(key_hash))),
            }
            let cells = columns_of(&frame, &key)?;
            for row in 0..frame.height() {
                let text = (!cells.is_empty()).then(|| key_text(cells.iter().map(|cells| cells.get(row)))).flatten();
                pairs.keys.push(text.as_deref().map(key_hash));
            }
            pairs.hashes.extend(hashes);
            job.monitor.report(Progress {
                step: format!("looking at {}", job.part.to),
                done: pairs.hashes.len() as u64,
                total: Some(rows as u64),
            });
        }
        Ok(pairs)
    }

    fn by_name(&mut self, touched: &Touched) {
        for row in &touched.rows {
            let name = row.identity.as_deref().filter(|_| row.wrote != Wrote::Delete);
            let found = match name.map(|name| self.names.find(key_hash(name))) {
                Some(Hits::One(found)) => found,
                _ => NONE,
            };
            if found != NONE {
                self.taken[found as usize] = true;
            }
            self.rows.push(found);
        }
    }

    /// Pairs the file as it was right after the run with the file as it is, row by row.
    fn by_reading(&mut self, job: &Job<'_>, touched: &Touched) -> Result<()> {
        self.rows = vec![NONE; touched.rows.len()];
        let mut used: HashMap<u32, usize> = HashMap::new();
        // Rows that were put back have their places among the old ones.
        let mut placed = touched.rows.iter().enumerate().filter(|(_, row)| row.wrote == Wrote::Insert);
        let mut next_placed = placed.next();
        let mut place = 0_u64;
        let mut ordinal = 0_u64;
        if let Some(before) = job.before {
            let names: Vec<String> = before.meta().schema.names().map(str::to_owned).collect();
            self.now = Vec::with_capacity(before.meta().rows as usize);
            for frame in before.batches(None)? {
                job.monitor.check()?;
                for hash in row_hash(&frame?, &names)? {
                    let row = touched.at(ordinal);
                    ordinal += 1;
                    if row.is_some_and(|row| touched.rows[row as usize].wrote == Wrote::Delete) {
                        self.now.push(NONE);
                        continue;
                    }
                    while let Some((at, back)) = next_placed.filter(|(_, row)| row.place == Some(place)) {
                        self.rows[at] = self.take(back.hash, &mut used);
                        place += 1;
                        next_placed = placed.next();
                    }
                    let found = match row {
                        Some(row) => {
                            let found = self.take(touched.rows[row as usize].hash, &mut used);
                            self.rows[row as usize] = found;
                            found
                        }
                        None => self.take(Some(hash), &mut used),
                    };
                    self.now.push(found);
                    place += 1;
                }
            }
        } else {
            for (at, row) in touched.rows.iter().enumerate().filter(|(_, row)| row.wrote == Wrote::Update) {
                self.rows[at] = self.take(row.hash, &mut used);
            }
        }
        while let Some((at, row)) = next_placed {
            self.rows[at] = self.take(row.hash, &mut used);
            next_placed = placed.next();
        }
        // What was edited since has its key, if that was not edited.
        for (at, row) in touched.rows.iter().enumerate() {
            if self.rows[at] != NONE || row.wrote == Wrote::Delete {
                continue;
            }
            let Some(key) = row.key.as_deref().map(key_hash) else { continue };
            let found = self.keys.find(key).rows().iter().copied().find(|found| !self.taken[*found as usize]);
            if let Some(found) = found {
                self.taken[found as usize] = true;
                self.rows[at] = found;
                if let Some(now) = row.ordinal.and_then(|ordinal| self.now.get_mut(ordinal as usize)) {
                    *now = found;
                }
            }
        }
        Ok(())
    }

    /// The first row that reads so and is not taken yet.
    fn take(&mut self, hash: Option<u128>, used: &mut HashMap<u32, usize>) -> u32 {
        let Some(hash) = hash else { return NONE };
        let found = match self.names.find(halves(hash)) {
            Hits::None => return NONE,
            Hits::One(row) => row,
            Hits::Many(rows) => {
                let next = used.entry(rows[0]).or_default();
                let Some(row) = rows.get(*next) else { return NONE };
                *next += 1;
                *row
            }
        };
        if std::mem::replace(&mut self.taken[found as usize], true) { NONE } else { found }
    }

    /// The target row that a row of the run is now.
    pub(super) fn row(&self, touched: usize) -> Option<u32> {
        self.rows.get(touched).copied().filter(|row| *row != NONE)
    }

    /// The target row of this name, in tables.
    pub(super) fn named(&self, name: &str) -> Option<u32> {
        if self.file {
            return None;
        }
        self.names.find(key_hash(name)).rows().first().copied()
    }

    /// A target row of this key that no other row is now.
    pub(super) fn with_key(&self, key: &str) -> Option<u32> {
        self.keys.find(key_hash(key)).rows().iter().copied().find(|row| !self.taken[*row as usize])
    }

    /// The target row before which a row is put back that stood before this one, behind the rows that go from there.
    pub(super) fn behind_going(&self, place: u64) -> u32 {
        let mut place = (place as usize).min(self.hashes.len());
        while self.going.get(place) == Some(&true) {
            place += 1;
        }
        place as u32
    }

    /// For rows that were there before the run, in the order of their ordinals: before which target row each is put back.
    pub(super) fn places(&self) -> Places<'_> {
        Places { pairs: self, at: 0, behind: 0 }
    }

    /// Target rows that are rows of the run.
    pub(super) fn count(&self) -> u64 {
        self.rows.iter().filter(|row| **row != NONE).count() as u64
    }
}

/// See [`Pairs::places`].
pub(super) struct Places<'p> {
    pairs: &'p Pairs,
    at: usize,
    behind: u32,
}

impl Places<'_> {
    /// The target row before which the row of this ordinal is put back: behind the nearest row before it that is still
    /// there, and behind the rows of the run that go from there. Lines of a file that are no rows may stand among those, and
    /// its place is counted in them. In tables, and where nobody knows any more, the end.
    pub(super) fn of(&mut self, ordinal: u64) -> u32 {
        if !self.pairs.file || self.pairs.now.is_empty() {
            return self.pairs.hashes.len() as u32;
        }
        if (ordinal as usize) < self.at {
            (self.at, self.behind) = (0, 0);
        }
        while self.at < (ordinal as usize).min(self.pairs.now.len()) {
            let now = self.pairs.now[self.at];
            if now != NONE {
                self.behind = now + 1;
            }
            self.at += 1;
        }
        self.behind = self.pairs.behind_going(u64::from(self.behind));
        self.behind
    }
}
