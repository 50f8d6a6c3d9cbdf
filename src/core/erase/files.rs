//! Going through the files of the state folder, kind by kind.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use polars::prelude::{Column, DataFrame, IntoColumn, UInt32Chunked, UInt64Chunked};
use serde_json::Value;

use super::lists::{Change, lines, list};
use super::person::Person;
use super::search::{crosswalks, ledgers, plans, snapshots};
use super::sync::run_folders;
use super::tables::{rewrite, within};
use super::{Erasure, Removed};
use crate::error::{Error, Result};
use crate::journal::ledger::{Ledger, Secret};
use crate::journal::{Crosswalk, Reject, StateDir, rejects_file, state_file_name};
use crate::migrate::postimages;
use crate::migrate::recovery::read_plan;
use crate::migrate::write_whole;
use crate::plan::ops::{EXPECTED, IDENTITY, KEY, LOCATOR, PENDING, REASON, SOURCE, TARGET, ops_path};
use crate::plan::target_rows::{kept_path, read_kept};
use crate::plan::{MappingPlan, material, store};
use crate::resolve::keys::{key_hash, key_text};
use crate::sync::is_way_back;
use crate::table::Snapshot;
use crate::table::snapshot::forget::{ERASED, blank_rows, set_cells};

/// Column of the pre-images: ordinal in the plan's target snapshot.
const ORDINAL: &str = "__ordinal";

/// One pass over the state folder. The same code counts and removes, so that what is shown is what goes.
pub(crate) struct Sweep<'s> {
    root: &'s Path,
    pub(super) state: &'s StateDir,
    pub(super) person: &'s Person,
    /// False: only count.
    pub(super) write: bool,
    found: BTreeMap<&'static str, (u64, u64)>,
    touched: BTreeSet<String>,
}

impl<'s> Sweep<'s> {
    /// `root`: the project's folder.
    pub(crate) fn new(root: &'s Path, state: &'s StateDir, person: &'s Person, write: bool) -> Self {
        Self { root, state, person, write, found: BTreeMap::new(), touched: BTreeSet::new() }
    }

    /// Goes through everything. What leads to other places goes last, so that an interrupted erasure finds the rest again.
    pub(crate) fn run(mut self) -> Result<Erasure> {
        let plans = plans(self.state);
        // A plan that loses rows must not be run from the moment on in which the first row goes.
        for (dir, plan) in &plans {
            let loses = |part: &MappingPlan| {
                [&part.source_snapshot, &part.target_snapshot].into_iter().any(|snapshot| {
                    let snapshot = self.root.join(snapshot);
                    self.person.rows.contains_key(&snapshot)
                        || self.person.cells.contains_key(&snapshot)
                        || self.person.lost.contains(&snapshot)
                })
            };
            if plan.mappings.iter().any(loses) {
                self.touch(dir, &plan.id)?;
            }
        }
        self.snapshots()?;
        self.runs()?;
        for (dir, plan) in &plans {
            for part in &plan.mappings {
                self.rejects(&rejects_file(dir, &part.mapping), part)?;
                self.lists(dir, part)?;
                self.kept(dir, part)?;
                self.notes(dir, part)?;
                if self.operations(dir, part)? {
                    self.touch(dir, &plan.id)?;
                }
            }
        }
        self.unfinished()?;
        self.sync_stores()?;
        self.ledgers()?;
        self.crosswalks()?;
        let kinds = self.found.into_iter().filter(|(_, (files, _))| *files > 0);
        Ok(Erasure {
            mappings: self.person.keys.keys().filter(|name| !is_way_back(name)).cloned().collect(),
            removed: kinds.map(|(what, (files, rows))| Removed { what: what.to_owned(), files, rows }).collect(),
            plans: self.touched.into_iter().collect(),
            whole: self.person.lost.iter().cloned().collect(),
            left: Vec::new(),
            done: self.write,
        })
    }

    pub(super) fn count(&mut self, what: &'static str, rows: u64) {
        if rows > 0 {
            let (files, sum) = self.found.entry(what).or_default();
            *files += 1;
            *sum += rows;
        }
    }

    fn touch(&mut self, dir: &Path, plan: &str) -> Result<()> {
        if self.touched.insert(plan.to_owned()) && self.write {
            store::mark_erased(dir)?;
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, what: &'static str, path: &Path) -> Result<()> {
        if !path.exists() {
            return Ok(());
        }
        self.count(what, 1);
        if !self.write {
            return Ok(());
        }
        let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        removed.map_err(|error| Error::io("remove", path, &error))
    }

    fn snapshots(&mut self) -> Result<()> {
        let person = self.person;
        for dir in snapshots(self.state)? {
            let beside = |extension: &str| {
                let mut path = dir.clone().into_os_string();
                path.push(extension);
                PathBuf::from(path)
            };
            if person.lost.contains(&dir) {
                self.remove("snapshots removed whole", &dir)?;
                self.remove("profiles", &beside(".profile"))?;
                self.remove("notes of snapshots", &beside(".json"))?;
                continue;
            }
            let Ok(snapshot) = Snapshot::open(&dir) else { continue };
            let label = snapshot.meta().label.clone();
            let (rows, cells) = (person.rows.get(&dir), person.cells.get(&dir));
            let known: BTreeSet<u64> = snapshot.meta().erased.iter().copied().collect();
            drop(snapshot);
            if rows.is_some() || cells.is_some() {
                if let Some(rows) = rows.filter(|_| self.write) {
                    Snapshot::note_erased(&dir, rows)?;
                }
                // A row that was blanked before is found by its place again: it holds nothing any more.
                let fresh: BTreeSet<u64> =
                    rows.map(|rows| rows.difference(&known).copied().collect()).unwrap_or_default();
                let lost = rewrite(&dir.join("rows.parquet"), self.write, |frame, first| {
                    let here = within(&fresh, first, frame.height());
                    let mut marked = 0;
                    for (column, ordinals) in cells.into_iter().flatten() {
                        let here = within(ordinals, first, frame.height());
                        marked += here.len() as u64;
                        set_cells(frame, column, &here, Some(ERASED))?;
                    }
                    blank_rows(frame, &here)?;
                    Ok(here.len() as u64 + marked)
                })?;
                self.count("snapshots", lost);
                self.remove("profiles", &beside(".profile"))?;
            }
            let pieces = lines(&dir.join("rejects.ndjson"), self.write, |line| {
                let raw = line.get("raw").and_then(Value::as_str).unwrap_or_default();
                if !person.is_piece(&label, raw) {
                    return Change::Keep;
                }
                line["raw"] = ERASED.into();
                Change::Replace
            })?;
            self.count("unreadable lines", pieces);
        }
        Ok(())
    }

    fn runs(&mut self) -> Result<()> {
        for dir in run_folders(self.state) {
            let Ok(plan) = read_plan(&dir) else { continue };
            let before: u64 = self.found.values().map(|(_, rows)| rows).sum();
            for part in &plan.mappings {
                self.rejects(&rejects_file(&dir, &part.mapping), part)?;
                for path in images(&dir, &part.mapping) {
                    self.images(&path, part)?;
                }
                self.lists(&dir, part)?;
            }
            let lost = self.found.values().map(|(_, rows)| rows).sum::<u64>() > before;
            if lost || self.touched.contains(&plan.id) {
                // It can be made again, without them.
                self.remove("reports", &dir.join("report.html"))?;
            }
        }
        Ok(())
    }

    /// Rejects keep their numbers and lose what they held.
    fn rejects(&mut self, path: &Path, part: &MappingPlan) -> Result<()> {
        let person = self.person;
        let snapshot = self.root.join(&part.source_snapshot);
        let named = person.named.get(&part.mapping);
        let lost = lines(path, self.write, |line| {
            let Ok(mut reject) = serde_json::from_value::<Reject>(line.clone()) else { return Change::Keep };
            let theirs = reject.key.as_deref().is_some_and(|key| person.is_key(&part.mapping, key))
                || person.is_row(&snapshot, reject.row)
                || reject.raw.as_deref().is_some_and(|raw| person.is_piece(&part.from, raw));
            let holds = |reject: &Reject| {
                let cells = reject.source.values().any(|cell| !cell.is_null());
                cells || reject.key.is_some() || reject.raw.as_deref().is_some_and(|raw| raw != ERASED)
            };
            if theirs && holds(&reject) {
                reject.key = None;
                reject.raw = reject.raw.map(|_| ERASED.to_owned());
                reject.parent = None;
                reject.source.values_mut().for_each(|cell| *cell = Value::Null);
                // A platform's own words may quote the row.
                ERASED.clone_into(&mut reject.reason);
            } else {
                let waits = reject.parent.as_ref().is_some_and(|parent| person.is_key(&parent.mapping, &parent.key));
                let mut names = waits;
                if waits {
                    reject.parent = None;
                }
                for (column, cell) in named.into_iter().flatten() {
                    if reject.source.get(column).and_then(Value::as_str) == Some(cell) {
                        reject.source.insert(column.clone(), ERASED.into());
                        names = true;
                    }
                }
                if !names {
                    return Change::Keep;
                }
            }
            match serde_json::to_value(&reject) {
                Ok(value) => {
                    // Keys that this version does not know stay.
                    if let (Value::Object(line), Value::Object(new)) = (&mut *line, value) {
                        line.remove("parent");
                        line.extend(new);
                    }
                    Change::Replace
                }
                Err(_) => Change::Drop,
            }
        })?;
        self.count("rejects", lost);
        Ok(())
    }

    /// Rows as they were before a run, and as it left them.
    fn images(&mut self, path: &Path, part: &MappingPlan) -> Result<()> {
        let rows = self.person.rows_of(&self.root.join(&part.target_snapshot)).cloned().unwrap_or_default();
        let (to, identity) = (part.to.to_string(), part.identity.clone());
        let person = self.person;
        let theirs = |frame: &mut DataFrame, _: u64| {
            let text = |name: &str| frame.column(name).ok().and_then(|column| column.str().ok().cloned());
            let (keys, names) = (text(KEY), text(IDENTITY));
            let ordinals = frame.column(ORDINAL).ok().and_then(|column| column.u64().ok().cloned());
            let ids = identity.as_ref().and_then(|name| frame.column(name).ok()?.str().ok().cloned());
            // A cycle's snapshot may be gone: the row itself says whose it is.
            let parts: Option<Vec<_>> = part.key.iter().map(|name| text(name)).collect();
            let own_key = |row: usize| key_text(parts.as_ref()?.iter().map(|part| part.get(row).map(str::trim)));
            let theirs = |row: usize| {
                ordinals.as_ref().and_then(|ordinals| ordinals.get(row)).is_some_and(|at| rows.contains(&at))
                    || keys.as_ref().and_then(|keys| keys.get(row)).is_some_and(|key| person.is_key(&part.mapping, key))
                    || own_key(row).is_some_and(|key| person.is_key(&part.mapping, &key))
                    || [&ids, &names]
                        .into_iter()
                        .filter_map(|ids| ids.as_ref()?.get(row))
                        .any(|id| person.is_id(&to, id))
            };
            let keep: Vec<bool> = (0..frame.height()).map(|row| !theirs(row)).collect();
            let lost = keep.iter().filter(|keep| !**keep).count() as u64;
            if lost > 0 {
                let mask = keep.into_iter().collect::<polars::prelude::BooleanChunked>();
                *frame = frame.filter(&mask)?;
            }
            Ok(lost)
        };
        let lost = rewrite(path, false, theirs)?;
        if lost > 0 && self.write {
            if let Some(run) = path.parent().filter(|folder| folder.ends_with("postimages")).and_then(Path::parent) {
                postimages::note_erased(run, &part.mapping, lost)?;
            }
            rewrite(path, true, theirs)?;
        }
        self.count("images before and after runs", lost);
        Ok(())
    }

    /// Other lists beside a plan or in a run: what is noted under a key or an id of theirs goes.
    fn lists(&mut self, dir: &Path, part: &MappingPlan) -> Result<()> {
        let person = self.person;
        let to = part.to.to_string();
        let theirs = |entry: &Value| match entry {
            Value::Object(entry) => ["key", "old_key"]
                .iter()
                .filter_map(|name| entry.get(*name)?.as_str())
                .any(|key| person.is_key(&part.mapping, key)),
            // Old key, new id, fate.
            Value::Array(entry) => {
                match (entry.first().and_then(Value::as_str), entry.get(1).and_then(Value::as_str)) {
                    (Some(key), id) => person.is_key(&part.mapping, key) || id.is_some_and(|id| person.is_id(&to, id)),
                    _ => false,
                }
            }
            _ => false,
        };
        let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
        let prefix = format!("{}.", part.mapping);
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(kind) = name.strip_prefix(&prefix).filter(|kind| *kind != "rejects.ndjson") else { continue };
            let lost = if kind.ends_with(".ndjson") || kind == "ndjson" {
                lines(&path, self.write, |line| if theirs(line) { Change::Drop } else { Change::Keep })?
            } else if kind.ends_with("json") {
                list(&path, self.write, &theirs)?
            } else {
                0
            };
            self.count("run journals and verify results", lost);
        }
        Ok(())
    }

    /// Hashes of target rows that a plan leaves as they are.
    fn kept(&mut self, dir: &Path, part: &MappingPlan) -> Result<()> {
        let path = kept_path(dir, &part.mapping);
        if !path.exists() {
            return Ok(());
        }
        let person = self.person;
        let empty = BTreeSet::new();
        let keys = person.keys.get(&part.mapping).unwrap_or(&empty).iter();
        let ids = person.ids.get(&part.to.to_string()).unwrap_or(&empty).iter();
        let hashes: Vec<_> = keys.chain(ids).map(|text| key_hash(text)).collect();
        let places: Vec<usize> = read_kept(&path)?
            .iter()
            .enumerate()
            .filter(|(_, (pair, _))| hashes.contains(pair))
            .map(|(place, _)| place)
            .collect();
        self.count("plans", places.len() as u64);
        if places.is_empty() || !self.write {
            return Ok(());
        }
        let bytes = std::fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
        let rest = bytes.chunks(32).enumerate().filter(|(place, _)| !places.contains(place));
        write_whole(&path, &rest.flat_map(|(_, row)| row.to_vec()).collect::<Vec<u8>>())
    }

    /// What a plan notes for the ledger: hashes, and how the source names a row, which may be a key.
    fn notes(&mut self, dir: &Path, part: &MappingPlan) -> Result<()> {
        let person = self.person;
        let source = self.root.join(&part.source_snapshot);
        let empty = BTreeSet::new();
        let locators = person.locators.get(&part.mapping).unwrap_or(&empty);
        let lost = material::forget(dir, &part.mapping, self.write, |note| {
            let locator = note.locator.as_ref().or_else(|| note.entry.as_ref()?.locator.as_ref());
            person.is_row(&source, Some(u64::from(note.source))) || locator.is_some_and(|one| locators.contains(one))
        })?;
        self.count("plans", lost);
        Ok(())
    }

    /// True: the plan lost something.
    fn operations(&mut self, dir: &Path, part: &MappingPlan) -> Result<bool> {
        let path = ops_path(dir, &part.mapping);
        if !path.exists() {
            return Ok(false);
        }
        let person = self.person;
        let [source, target] = [&part.source_snapshot, &part.target_snapshot].map(|path| self.root.join(path));
        let links = person.links.get(&part.mapping);
        let lost = rewrite(&path, self.write, |frame, _| {
            let keys = frame.column(KEY)?.str()?.clone();
            let (sources, targets) = (frame.column(SOURCE)?.u32()?.clone(), frame.column(TARGET)?.u32()?.clone());
            let reasons = frame.column(REASON)?.str()?.clone();
            let at = |column: &UInt32Chunked, row: usize| column.get(row).map(u64::from);
            let theirs: BTreeSet<usize> = (0..frame.height())
                .filter(|row| keys.get(*row).is_some() || reasons.get(*row) != Some(ERASED))
                .filter(|row| {
                    keys.get(*row).is_some_and(|key| person.is_key(&part.mapping, key))
                        || person.is_row(&source, at(&sources, *row))
                        || person.is_row(&target, at(&targets, *row))
                })
                .collect();
            let mut lost = theirs.len() as u64;
            for (column, key) in links.into_iter().flatten() {
                for name in [column.clone(), format!("{PENDING}{column}")] {
                    let Ok(cells) = frame.column(&name) else { continue };
                    let cells = cells.str()?;
                    let here: BTreeSet<usize> =
                        (0..cells.len()).filter(|row| cells.get(*row) == Some(key.as_str())).collect();
                    lost += here.len() as u64;
                    set_cells(frame, &name, &here, None)?;
                }
            }
            if !theirs.is_empty() {
                blank_operations(frame, &theirs)?;
            }
            Ok(lost)
        })?;
        self.count("plans", lost);
        Ok(lost > 0)
    }

    fn crosswalks(&mut self) -> Result<()> {
        for path in crosswalks(self.state) {
            let mut crosswalk = Crosswalk::open(&path)?;
            let mut lost = 0;
            for (mapping, keys) in &self.person.keys {
                let Some(to) = self.person.objects.get(mapping) else { continue };
                let ids = self.person.ids.get(to).cloned().unwrap_or_default();
                lost += crosswalk.erase(to, keys, &ids, self.write)?;
            }
            self.count("crosswalk", lost);
        }
        Ok(())
    }

    /// Entries of ledgers hold hashes alone; they go so that the next plan looks at the person's rows again.
    fn ledgers(&mut self) -> Result<()> {
        let paths = ledgers(self.state);
        if paths.is_empty() {
            return Ok(());
        }
        let secret = Secret::of(&self.state.ledgers())?;
        for path in paths {
            let Some(mut ledger) = Ledger::open(&path)? else { continue };
            let keys: Vec<_> = self.person.keys.values().flatten().map(|key| key_hash(key)).collect();
            let mut lost = 0;
            for key in &keys {
                lost += u64::from(ledger.get(&secret.hide(*key))?.is_some());
            }
            // How the source names their rows, which may be a key of theirs.
            let file = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            let of_file = |mapping: &str| {
                let rest = file.strip_prefix(&state_file_name(mapping));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let locators = self.person.locators.iter().filter(|(mapping, _)| of_file(mapping));
            let known = ledger.open_rows()?;
            let locators: Vec<String> =
                locators.flat_map(|(_, locators)| locators).filter(|one| known.contains(one)).cloned().collect();
            lost += locators.len() as u64;
            if self.write && lost > 0 {
                ledger.forget(&secret, keys, locators)?;
            }
            self.count("ledger", lost);
        }
        Ok(())
    }
}

/// Table files of a mapping in the folders of a run.
fn images(run: &Path, mapping: &str) -> Vec<PathBuf> {
    let Ok(folders) = std::fs::read_dir(run) else { return Vec::new() };
    let files = folders.flatten().filter_map(|entry| std::fs::read_dir(entry.path()).ok()).flatten().flatten();
    let of_mapping = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_prefix(mapping).is_some_and(|rest| rest.starts_with('.'))
            && path.extension().is_some_and(|extension| extension == "parquet")
    };
    let mut paths: Vec<PathBuf> = files.map(|entry| entry.path()).filter(of_mapping).collect();
    paths.sort();
    paths
}

/// Operations keep their kind and their places, nothing else.
fn blank_operations(frame: &mut DataFrame, rows: &BTreeSet<usize>) -> Result<()> {
    use crate::plan::ops::{CHANGED, KEPT};
    let numbers: Vec<(&str, UInt64Chunked)> =
        EXPECTED.iter().map(|name| Ok((*name, frame.column(name)?.u64()?.clone()))).collect::<Result<_>>()?;
    for (name, cells) in numbers {
        let cells = cells.iter().enumerate().map(|(row, cell)| cell.filter(|_| !rows.contains(&row)));
        let column: Column = cells.collect::<UInt64Chunked>().with_name(name.into()).into_column();
        frame.replace(name, column)?;
    }
    let fixed = [KEPT, CHANGED];
    let names: Vec<String> = frame.get_column_names().iter().map(ToString::to_string).collect();
    debug_assert!([KEY, IDENTITY, LOCATOR].iter().all(|name| names.iter().any(|known| known == name)));
    for name in names.iter().filter(|name| !fixed.contains(&name.as_str())) {
        if frame.column(name)?.str().is_ok() {
            set_cells(frame, name, rows, (name == REASON).then_some(ERASED))?;
        }
    }
    Ok(())
}
