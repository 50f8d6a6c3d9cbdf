//! What sync did within a span of time, folded into one: a folder like that of a run, with each row as it was before the first
//! cycle that touched it and as it read after the last. So a span is taken back as a run is.
//!
//! A row is followed from cycle to cycle by its name (tables), or by how it reads as a whole and else by its key (files). One
//! that reads otherwise than the cycle before left it was changed by others meanwhile: it is held. Rows that sync inserted and
//! removed again within the span are none of it.
use std::path::{Path, PathBuf};

use hashbrown::HashMap;
use polars::prelude::{Column, DataFrame, IdxCa, IdxSize, NamedFrom, Series};

use super::touched::Touched;
use crate::error::{Error, Result};
use crate::migrate::postimages::{self, PostImage, Wrote};
use crate::migrate::preimages::{self, ORDINAL};
use crate::migrate::recovery::{PLAN, read_plan};
use crate::migrate::staged::{keep_undo, undo};
use crate::migrate::write_whole;
use crate::monitor::Monitor;
use crate::plan::ops::{OPS_BATCH, Store, StoreWriter};
use crate::plan::{MappingPlan, Plan};
use crate::platform::LOCATOR;
use crate::table::hash::row_hash;

/// How no row reads: it makes one that was changed by others count as changed.
const MEDDLED: u128 = u128::MAX;

/// Folder of what was folded, in that of the plan which takes it back.
pub(crate) fn folder(plan_dir: &Path) -> PathBuf {
    plan_dir.join("span")
}

/// A row that some cycle touched.
#[derive(Default)]
struct Row {
    /// Cycle and row of the image that says how it was before the span.
    image: Option<(usize, u64)>,
    /// A cycle made it.
    inserted: bool,
    /// How it read before the span.
    before: Option<u128>,
    /// How it read after the last cycle so far.
    hash: Option<u128>,
    key: Option<String>,
    /// How the platform named it last.
    name: Option<String>,
    identity: Option<String>,
    gone: bool,
    /// Others changed it between two cycles.
    meddled: bool,
    /// The last cycle that touched it, counted from 1.
    cycle: usize,
}

/// See the module.
#[derive(Default)]
struct Fold {
    file: bool,
    rows: Vec<Row>,
    /// Tables: rows that are there, and rows that are gone, by name.
    living: HashMap<String, usize>,
    dead: HashMap<String, usize>,
    /// Files: rows that are there by how they read.
    reads: HashMap<u128, Vec<usize>>,
    /// Files: rows by key.
    keys: HashMap<String, Vec<usize>>,
    /// Files: rows that are gone, in the order in which they stood; before which row of the file as it is after the last cycle.
    gone: Vec<(u64, usize)>,
}

/// What a mapping's cycles came to.
pub(crate) struct Folded {
    /// The part of the newest of their plans.
    pub(crate) part: MappingPlan,
    /// That plan.
    pub(crate) plan: Plan,
}

/// Folds what these cycles (or runs that took cycles back) did for a mapping, oldest first, into the folder `to`. None if
/// they wrote nothing.
pub(crate) fn fold(cycles: &[PathBuf], mapping: &str, to: &Path, monitor: &dyn Monitor) -> Result<Option<Folded>> {
    let mut newest: Option<Folded> = None;
    let mut fold = Fold::default();
    let mut columns: Option<Vec<String>> = None;
    let mut known: HashMap<String, Option<String>> = HashMap::new();
    let mut ending = None;
    let mut erased = 0;
    for (at, dir) in cycles.iter().enumerate() {
        monitor.check()?;
        let plan = read_plan(dir)?;
        let Some(part) = plan.mappings.iter().find(|part| part.mapping == mapping).cloned() else { continue };
        let Some(touched) = Touched::read(dir, mapping)? else { continue };
        if let (Some(now), Some(before)) = (touched.columns(), &columns)
            && now != *before
        {
            return Err(Error::refused(format!("the columns of {} changed within that time", part.to))
                .advise("take back what came after that; mend what came before by hand"));
        }
        columns = touched.columns().or(columns);
        fold.file = !part.target_version.hash.is_empty();
        fold.cycle(at, &touched, part.here.identity.as_deref())?;
        for (key, before) in undo(dir, mapping)? {
            known.entry(key).or_insert(before);
        }
        if ending.is_none() {
            ending = postimages::ending(dir, mapping)?;
        }
        erased += touched.erased;
        newest = Some(Folded { part, plan });
    }
    let Some(newest) = newest else { return Ok(None) };
    crate::journal::private_folder(to)?;
    let rows = fold.write_images(cycles, mapping, to, monitor)?;
    postimages::write(to, mapping, &rows)?;
    keep_undo(to, mapping, &known)?;
    if let Some(ending) = ending {
        postimages::note_ending(to, mapping, &ending)?;
    }
    if erased > 0 {
        postimages::note_erased(to, mapping, erased)?;
    }
    Ok(Some(newest))
}

/// Keeps the plans of what was folded beside it, as a run has its plan: they say which columns sync writes.
pub(crate) fn keep_plan(to: &Path, parts: Vec<MappingPlan>, newest: Plan) -> Result<()> {
    // Their rows have numbers of their own here: those of no snapshot.
    let of_none = |part| MappingPlan { source_snapshot: PathBuf::new(), target_snapshot: PathBuf::new(), ..part };
    let plan = Plan { mappings: parts.into_iter().map(of_none).collect(), ..newest };
    let bytes = serde_json::to_vec(&plan).map_err(|_| Error::platform("the plan cannot be written"))?;
    write_whole(&to.join(PLAN), &bytes)
}

impl Fold {
    /// Takes in what a cycle did.
    fn cycle(&mut self, at: usize, touched: &Touched, identity: Option<&str>) -> Result<()> {
        let columns = touched.columns().unwrap_or_default();
        let mut seen = vec![false; touched.rows.len()];
        let mut linked: Vec<(usize, usize)> = Vec::new();
        let mut place = 0;
        for batch in touched.image_batches() {
            let (frame, indexes) = batch?;
            let hashes = row_hash(&frame, &columns)?;
            let names = match frame.column(identity.unwrap_or(LOCATOR)) {
                Ok(names) if !self.file => Some(names.str()?.clone()),
                _ => None,
            };
            for (row, index) in indexes.into_iter().enumerate() {
                let image = (at, place);
                place += 1;
                let Some(index) = index.map(|index| index as usize) else { continue };
                seen[index] = true;
                let name = names.as_ref().and_then(|names| names.get(row));
                let post = &touched.rows[index];
                let found = self.find(at + 1, hashes[row], name, post.key.as_deref());
                let found = found.unwrap_or_else(|| {
                    self.rows.push(Row {
                        image: Some(image),
                        before: Some(hashes[row]),
                        name: name.map(str::to_owned),
                        ..Row::default()
                    });
                    self.rows.len() - 1
                });
                self.rows[found].cycle = at + 1;
                linked.push((index, found));
            }
        }
        for (index, post) in touched.rows.iter().enumerate() {
            if post.wrote != Wrote::Insert && !seen[index] {
                // Its image is not kept any more: whoever takes the span back is told so.
                self.rows.push(Row { cycle: at + 1, ..Row::default() });
                linked.push((index, self.rows.len() - 1));
            }
        }
        let mut went: Vec<(u64, usize)> = Vec::new();
        for (index, row) in linked {
            let post = &touched.rows[index];
            self.apply(row, post);
            if post.wrote == Wrote::Delete {
                went.extend(post.ordinal.map(|ordinal| (ordinal, row)));
            }
        }
        let mut came: Vec<u64> = Vec::new();
        for post in touched.rows.iter().filter(|post| post.wrote == Wrote::Insert) {
            self.insert(at + 1, post);
            came.extend(post.place);
        }
        if self.file {
            self.shift(went, &came);
        }
        Ok(())
    }

    /// The row that a cycle found as this one, if an earlier cycle touched it.
    fn find(&mut self, cycle: usize, hash: u128, name: Option<&str>, key: Option<&str>) -> Option<usize> {
        let mut meddled = false;
        let found = if self.file {
            let rows = &self.rows;
            let free = |row: &usize| rows[*row].cycle != cycle;
            let alike = self.reads.get(&hash).map(Vec::as_slice).unwrap_or_default();
            let own = alike.iter().copied().filter(free).find(|row| rows[*row].key.as_deref() == key);
            own.or_else(|| alike.iter().copied().find(free)).or_else(|| {
                meddled = true;
                let same_key = self.keys.get(key?).map(Vec::as_slice).unwrap_or_default();
                let living = same_key.iter().copied().find(|row| free(row) && !rows[*row].gone);
                living.or_else(|| same_key.iter().copied().find(free))
            })
        } else {
            let name = name?;
            // Others may have put a row there again under a name that was free.
            self.living.get(name).or_else(|| self.dead.get(name)).copied()
        }?;
        let row = &mut self.rows[found];
        row.meddled |= meddled || row.gone || row.hash != Some(hash);
        if std::mem::replace(&mut row.gone, false) {
            self.gone.retain(|(_, other)| *other != found);
        }
        let left = row.hash;
        if let Some(alike) = left.and_then(|hash| self.reads.get_mut(&hash)) {
            alike.retain(|other| *other != found);
        }
        Some(found)
    }

    /// A row is as a cycle left it.
    fn apply(&mut self, at: usize, post: &PostImage) {
        let row = &mut self.rows[at];
        let knew_key = row.key.is_some();
        row.key = post.key.clone().or(row.key.take());
        row.gone = post.wrote == Wrote::Delete;
        row.hash = post.hash;
        if row.gone {
            row.identity = post.identity.clone().or(row.identity.take());
            if let Some(name) = &row.name {
                self.living.remove(name);
                self.dead.insert(name.clone(), at);
            }
        } else {
            row.identity.clone_from(&post.identity);
            row.name = post.identity.clone().or(row.name.take());
            if let Some(name) = row.name.clone().filter(|_| !self.file) {
                self.dead.remove(&name);
                self.living.insert(name, at);
            }
            if let Some(hash) = row.hash.filter(|_| self.file) {
                self.reads.entry(hash).or_default().push(at);
            }
        }
        if let Some(key) = self.rows[at].key.clone().filter(|_| self.file && !knew_key) {
            self.keys.entry(key).or_default().push(at);
        }
    }

    /// A cycle made a row, or made one again that was gone.
    fn insert(&mut self, cycle: usize, post: &PostImage) {
        let again = if self.file {
            let same_key = post.key.as_ref().and_then(|key| self.keys.get(key)).map(Vec::as_slice).unwrap_or_default();
            let back = |row: &&usize| self.rows[**row].gone && self.rows[**row].before == post.hash;
            same_key.iter().find(back).copied()
        } else {
            post.identity.as_ref().and_then(|name| self.dead.get(name)).copied()
        };
        let at = again.unwrap_or_else(|| {
            self.rows.push(Row { inserted: true, ..Row::default() });
            self.rows.len() - 1
        });
        self.gone.retain(|(_, other)| *other != at);
        self.rows[at].cycle = cycle;
        self.apply(at, post);
    }

    /// Moves the places of rows that are gone by what a cycle removed (ordinals before it) and put back (ordinals after it).
    fn shift(&mut self, mut went: Vec<(u64, usize)>, came: &[u64]) {
        if went.is_empty() && came.is_empty() {
            return;
        }
        went.sort_unstable();
        let ordinals: Vec<u64> = went.iter().map(|(ordinal, _)| *ordinal).collect();
        let mut all: Vec<(u64, bool, usize)> = self.gone.iter().map(|(place, row)| (*place, false, *row)).collect();
        all.extend(went.into_iter().map(|(ordinal, row)| (ordinal, true, row)));
        // Of those that stood before the same row the ones that went earlier come first.
        all.sort_by_key(|(place, new, _)| (*place, *new));
        self.gone = all
            .into_iter()
            .map(|(place, _, row)| {
                let mut now = place - ordinals.partition_point(|ordinal| *ordinal < place) as u64;
                for came in came {
                    now += u64::from(*came <= now);
                }
                (now, row)
            })
            .collect();
    }

    /// Writes the images of the rows, and answers the rows as a run would have noted them.
    fn write_images(
        &self,
        cycles: &[PathBuf],
        mapping: &str,
        to: &Path,
        monitor: &dyn Monitor,
    ) -> Result<Vec<PostImage>> {
        let places: HashMap<usize, (u64, usize)> =
            self.gone.iter().enumerate().map(|(at, (place, row))| (*row, (*place, at))).collect();
        let mut of_cycle: HashMap<usize, HashMap<u64, usize>> = HashMap::new();
        for (at, row) in self.rows.iter().enumerate() {
            if let Some((cycle, place)) = row.image {
                of_cycle.entry(cycle).or_default().insert(place, at);
            }
        }
        let mut out: Vec<PostImage> = Vec::with_capacity(self.rows.len());
        let mut writer: Option<StoreWriter> = None;
        let mut gone: Vec<(usize, usize, DataFrame)> = Vec::new();
        let mut next = 0_u64;
        for (cycle, dir) in cycles.iter().enumerate() {
            let Some(wanted) = of_cycle.get(&cycle) else { continue };
            let store = Store::open(&preimages::path(dir, mapping))?;
            let mut at = 0;
            while at < store.rows() {
                monitor.check()?;
                let frame = store.slice(at, OPS_BATCH, None)?;
                let mut dead = Vec::new();
                let mut alive = Vec::new();
                for place in 0..frame.height() {
                    if let Some(row) = wanted.get(&(at + place as u64)) {
                        if self.rows[*row].gone { &mut dead } else { &mut alive }.push((place, *row));
                    }
                }
                at += frame.height() as u64;
                for (place, row) in dead {
                    let order = places.get(&row).map_or(usize::MAX, |(_, order)| *order);
                    gone.push((order, row, frame.slice(place as i64, 1)));
                }
                out.extend(
                    alive.iter().enumerate().map(|(at, (_, row))| self.image(*row, Some(next + at as u64), None)),
                );
                let places: Vec<IdxSize> = alive.iter().map(|(place, _)| *place as IdxSize).collect();
                let rows = places.len() as u64;
                put(&mut writer, to, mapping, &frame.take(&IdxCa::from_vec("rows".into(), places))?, next)?;
                next += rows;
            }
        }
        gone.sort_by_key(|(order, row, _)| (*order, *row));
        for part in gone.chunks(OPS_BATCH) {
            let mut all = part[0].2.clone();
            for (_, _, frame) in &part[1..] {
                all.vstack_mut(frame)?;
            }
            for (at, (_, row, _)) in part.iter().enumerate() {
                out.push(self.image(*row, Some(next + at as u64), places.get(row).map(|(place, _)| *place)));
            }
            put(&mut writer, to, mapping, &all, next)?;
            next += part.len() as u64;
        }
        if let Some(writer) = writer {
            writer.finish()?;
        }
        let rest = (0..self.rows.len()).filter(|at| self.rows[*at].image.is_none());
        let rest = rest.filter(|at| !(self.rows[*at].inserted && self.rows[*at].gone));
        out.extend(rest.map(|at| self.image(at, None, None)));
        Ok(out)
    }

    fn image(&self, at: usize, ordinal: Option<u64>, place: Option<u64>) -> PostImage {
        let row = &self.rows[at];
        PostImage {
            wrote: match (row.inserted, row.gone) {
                (true, _) => Wrote::Insert,
                (false, true) => Wrote::Delete,
                (false, false) => Wrote::Update,
            },
            ordinal,
            place,
            key: row.key.clone(),
            identity: row.identity.clone(),
            hash: if row.gone {
                None
            } else if row.meddled {
                Some(MEDDLED)
            } else {
                row.hash
            },
        }
    }
}

/// Writes images under running numbers of their own.
fn put(writer: &mut Option<StoreWriter>, to: &Path, mapping: &str, frame: &DataFrame, first: u64) -> Result<()> {
    if frame.height() == 0 {
        return Ok(());
    }
    let ordinals: Vec<u64> = (first..first + frame.height() as u64).collect();
    let columns: Vec<Column> = frame
        .columns()
        .iter()
        .map(
            |column| {
                if column.name() == ORDINAL { Series::new(ORDINAL.into(), &ordinals).into() } else { column.clone() }
            },
        )
        .collect();
    let mut frame = DataFrame::new(frame.height(), columns)?;
    let writer = match writer {
        Some(writer) => writer,
        None => {
            let path = preimages::path(to, mapping);
            crate::journal::private_folder(path.parent().unwrap_or(to))?;
            writer.insert(StoreWriter::create(&path, frame.schema())?)
        }
    };
    writer.write(&mut frame)
}
