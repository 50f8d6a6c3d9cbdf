//! Finding what the state folder knows of a person.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use polars::prelude::{DataFrame, StringChunked};

use super::person::Person;
use crate::error::{Error, Result};
use crate::journal::erased::{Known, Sign};
use crate::journal::{Crosswalk, StateDir};
use crate::map::Pipeline;
use crate::monitor::{Monitor, Progress};
use crate::plan::ops::{IDENTITY, KEY, OPS_BATCH, SOURCE, Store, TARGET, ops_path};
use crate::plan::{Plan, store};
use crate::platform::LOCATOR;
use crate::project::{Direction, Field, Mapping, Project};
use crate::resolve::KEY_SEPARATOR;
use crate::resolve::keys::key_text;
use crate::sync::way_back_name;
use crate::table::Snapshot;

/// Searches for the record that `key` names in these mappings. `identity` names the column that identifies a row of a
/// mapping's target, where there is one.
pub(crate) fn search(
    project: &Project,
    chosen: &[&Mapping],
    key: &str,
    identity: &dyn Fn(&Mapping) -> Option<String>,
    monitor: &dyn Monitor,
) -> Result<Person> {
    let state = StateDir::of(&project.root);
    let search =
        Search { project, state: &state, identity, monitor, plans: plans(&state), snapshots: snapshots(&state)? };
    let mut person = Person::default();
    for mapping in chosen {
        let parts = split(mapping, key)?;
        let text =
            key_text(parts.iter().map(|part| Some(part.as_str()))).ok_or_else(|| Error::usage("a key is not empty"))?;
        Search::add_key(&mut person, mapping, &text);
        Search::sign_by_parts(&mut person, mapping, &parts);
    }
    // A key may lead to rows, rows that are shared with another mapping lead to its key, and so on.
    let mut known = 0;
    while known != size(&person) {
        known = size(&person);
        for mapping in &project.mappings {
            search.siblings(&mut person, mapping)?;
            if person.keys.contains_key(&mapping.name) {
                search.crosswalks(&mut person, mapping)?;
                search.operations(&mut person, mapping)?;
                search.source_rows(&mut person, mapping)?;
                search.target_rows(&mut person, mapping)?;
            }
        }
    }
    for mapping in &project.mappings {
        search.links(&mut person, mapping)?;
        Search::way_back(&mut person, mapping);
        person.sources.insert(mapping.name.clone(), mapping.from.label.clone());
    }
    Ok(person)
}

/// What the search goes by; it ends when nothing is added.
fn size(person: &Person) -> usize {
    let keys: usize = person.keys.values().map(BTreeSet::len).sum();
    let ids: usize = person.ids.values().map(BTreeSet::len).sum();
    let rows: usize = person.rows.values().map(BTreeSet::len).sum();
    keys + ids + rows + person.lost.len()
}

/// A key as typed, by its parts.
fn split(mapping: &Mapping, key: &str) -> Result<Vec<String>> {
    let wanted = mapping.key.len();
    let parts: Vec<String> = match wanted {
        1 => vec![key.trim().to_owned()],
        _ if key.contains(KEY_SEPARATOR) => key.split(KEY_SEPARATOR).map(str::to_owned).collect(),
        _ => key.split(',').map(|part| part.trim().to_owned()).collect(),
    };
    if parts.len() == wanted && parts.iter().all(|part| !part.is_empty()) {
        return Ok(parts);
    }
    Err(Error::usage(format!("the key of {} has {wanted} parts: {}", mapping.name, mapping.key.join(", ")))
        .advise("give them in that order, separated by commas"))
}

/// Stored plans with their folders. What cannot be read as a plan is looked at file by file elsewhere.
pub(super) fn plans(state: &StateDir) -> Vec<(PathBuf, Plan)> {
    let Ok(entries) = std::fs::read_dir(state.path().join("plans")) else { return Vec::new() };
    let dirs = entries.flatten().map(|entry| entry.path());
    dirs.filter_map(|dir| store::load(&dir).ok().map(|plan| (dir, plan))).collect()
}

/// Folders of all snapshots.
pub(super) fn snapshots(state: &StateDir) -> Result<Vec<PathBuf>> {
    let list = |folder: &Path| -> Result<Vec<PathBuf>> {
        match std::fs::read_dir(folder) {
            Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::io("list", folder, &error)),
        }
    };
    let mut found = Vec::new();
    for platform in list(&state.snapshots())? {
        for object in list(&platform)? {
            found.extend(list(&object)?);
        }
    }
    // What was read for one plan alone lies in its folder.
    for plan in list(&state.path().join("plans"))? {
        found.extend(list(&plan)?.into_iter().filter(|folder| folder.join("meta.json").exists()));
    }
    found.sort();
    Ok(found)
}

struct Search<'s> {
    project: &'s Project,
    state: &'s StateDir,
    identity: &'s dyn Fn(&Mapping) -> Option<String>,
    monitor: &'s dyn Monitor,
    plans: Vec<(PathBuf, Plan)>,
    snapshots: Vec<PathBuf>,
}

impl Search<'_> {
    fn add_key(person: &mut Person, mapping: &Mapping, key: &str) {
        let to = mapping.to.to_string();
        person.keys.entry(mapping.name.clone()).or_default().insert(key.to_owned());
        person.objects.insert(mapping.name.clone(), to.clone());
        person.signs.insert(Sign {
            known: Known::Key,
            of: to.clone(),
            columns: Vec::new(),
            values: vec![key.to_owned()],
        });
        // In the target the record bears its key in the key's columns.
        let values: Vec<String> = key.split(KEY_SEPARATOR).map(str::to_owned).collect();
        person.signs.insert(Sign { known: Known::Row, of: to, columns: mapping.key.clone(), values });
    }

    fn add_id(&self, person: &mut Person, mapping: &Mapping, id: &str) {
        let to = mapping.to.to_string();
        if id.is_empty() || !person.ids.entry(to.clone()).or_default().insert(id.to_owned()) {
            return;
        }
        if let Some(column) = (self.identity)(mapping) {
            let (columns, values) = (vec![column], vec![id.to_owned()]);
            person.signs.insert(Sign { known: Known::Row, of: to, columns, values });
        }
    }

    /// The source may hold the key as it was typed, whether or not it was ever read.
    fn sign_by_parts(person: &mut Person, mapping: &Mapping, parts: &[String]) {
        let mut columns = Vec::new();
        let mut values = Vec::new();
        for (name, part) in mapping.key.iter().zip(parts) {
            match mapping.field(name).map(|field| &field.origin) {
                Some(crate::project::Origin::From(column)) => {
                    columns.push(column.clone());
                    values.push(part.clone());
                }
                Some(crate::project::Origin::Const(_)) => {}
                _ => return,
            }
        }
        Self::sign_row(person, mapping, columns, values);
    }

    fn sign_row(person: &mut Person, mapping: &Mapping, columns: Vec<String>, values: Vec<String>) {
        if columns.is_empty() {
            return;
        }
        let label = mapping.from.label.clone();
        if let [value] = values.as_slice() {
            person.tokens.entry(label.clone()).or_default().insert(value.trim().to_owned());
        }
        person.signs.insert(Sign { known: Known::Row, of: label, columns, values });
    }

    /// What a mapping that goes both ways writes back is known by the same key, as an object of its own.
    fn way_back(person: &mut Person, mapping: &Mapping) {
        let Some(keys) = person.keys.get(&mapping.name).filter(|_| mapping.sync.direction != Direction::OneWay) else {
            return;
        };
        let (name, source) = (way_back_name(&mapping.name), mapping.from.label.clone());
        let keys = keys.clone();
        person.ids.entry(source.clone()).or_default().extend(keys.iter().cloned());
        person.objects.insert(name.clone(), source);
        person.keys.insert(name, keys);
    }

    /// Snapshots of an object, as labelled, that are not given up.
    fn snapshots_of(&self, person: &mut Person, label: &str) -> Vec<Snapshot> {
        let mut found = Vec::new();
        for dir in &self.snapshots {
            match Snapshot::open(dir) {
                Ok(snapshot) if snapshot.meta().label == label => found.push(snapshot),
                Ok(_) => {}
                // Nobody can say what is in it.
                Err(_) => _ = person.lost.insert(dir.clone()),
            }
        }
        found.retain(|snapshot| !person.lost.contains(snapshot.dir()));
        found
    }

    /// Rows of a target object as they were before a run, from which it is taken back.
    fn snapshots_before_runs(&self, person: &Person, to: &str) -> Vec<Snapshot> {
        let known = self.snapshots.iter().filter(|dir| !person.lost.contains(*dir));
        let opened = known.filter_map(|dir| Snapshot::open(dir).ok());
        let of_it = |snapshot: &Snapshot| {
            snapshot.meta().label.strip_prefix(to).is_some_and(|rest| rest.starts_with(" before run "))
        };
        opened.filter(of_it).collect()
    }

    fn crosswalks(&self, person: &mut Person, mapping: &Mapping) -> Result<()> {
        let keys: Vec<String> = person.keys[&mapping.name].iter().cloned().collect();
        for path in crosswalks(self.state) {
            let crosswalk = Crosswalk::open(&path)?;
            for key in &keys {
                if let Some(id) = crosswalk.get(&mapping.to.to_string(), key)? {
                    self.add_id(person, mapping, &id);
                }
            }
        }
        Ok(())
    }

    /// What plans know: rows on both sides, and the id.
    fn operations(&self, person: &mut Person, mapping: &Mapping) -> Result<()> {
        for (dir, plan) in &self.plans {
            for part in plan.mappings.iter().filter(|part| part.mapping == mapping.name) {
                self.monitor.check()?;
                let Ok(store) = Store::open(&ops_path(dir, &part.mapping)) else { continue };
                let columns = [KEY, IDENTITY, SOURCE, TARGET].map(str::to_owned);
                let mut at = 0;
                while at < store.rows() {
                    let frame = store.slice(at, OPS_BATCH, Some(&columns))?;
                    at += frame.height() as u64;
                    let keys = frame.column(KEY)?.str()?;
                    for row in 0..frame.height() {
                        if !keys.get(row).is_some_and(|key| person.is_key(&mapping.name, key)) {
                            continue;
                        }
                        if let Some(id) = frame.column(IDENTITY)?.str()?.get(row) {
                            self.add_id(person, mapping, id);
                        }
                        for (column, snapshot) in [(SOURCE, &part.source_snapshot), (TARGET, &part.target_snapshot)] {
                            if let Some(ordinal) = frame.column(column)?.u32()?.get(row) {
                                let dir = self.project.root.join(snapshot);
                                person.rows.entry(dir).or_default().insert(u64::from(ordinal));
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn source_rows(&self, person: &mut Person, mapping: &Mapping) -> Result<()> {
        for snapshot in self.snapshots_of(person, &mapping.from.label) {
            let Some(reader) =
                Narrow::of(self.project, mapping, &snapshot, |field| mapping.key.contains(&field.target))
            else {
                person.lost.insert(snapshot.dir().to_owned());
                continue;
            };
            let mut first = 0;
            for frame in snapshot.batches(None)? {
                self.monitor.check()?;
                let frame = frame?;
                let keys = reader.keys(mapping, &frame)?;
                for (row, key) in keys.iter().enumerate() {
                    if !key.as_deref().is_some_and(|key| person.is_key(&mapping.name, key)) {
                        continue;
                    }
                    let ordinal = first + row as u64;
                    person.rows.entry(snapshot.dir().to_owned()).or_default().insert(ordinal);
                    if let Some(locator) = frame.column(LOCATOR).ok().and_then(|column| column.str().ok()?.get(row)) {
                        person.locators.entry(mapping.name.clone()).or_default().insert(locator.to_owned());
                    }
                    let values = reader.raw(&frame, row)?;
                    if let Some(values) = values.into_iter().collect::<Option<Vec<String>>>() {
                        Self::sign_row(person, mapping, reader.sources.clone(), values);
                    }
                }
                first += frame.height() as u64;
                self.report(&snapshot, first);
            }
        }
        Ok(())
    }

    /// Keys of another mapping that reads the same rows.
    fn siblings(&self, person: &mut Person, mapping: &Mapping) -> Result<()> {
        for snapshot in self.snapshots_of(person, &mapping.from.label) {
            let Some(rows) = person.rows_of(snapshot.dir()).cloned() else { continue };
            let Some(reader) =
                Narrow::of(self.project, mapping, &snapshot, |field| mapping.key.contains(&field.target))
            else {
                continue;
            };
            let ordinals: Vec<u64> = rows.into_iter().filter(|row| *row < snapshot.meta().rows).collect();
            let frame = snapshot.gather(&ordinals, None)?;
            for key in reader.keys(mapping, &frame)?.into_iter().flatten() {
                Self::add_key(person, mapping, &key);
            }
        }
        Ok(())
    }

    fn target_rows(&self, person: &mut Person, mapping: &Mapping) -> Result<()> {
        let to = mapping.to.to_string();
        let identity = (self.identity)(mapping);
        let mut snapshots = self.snapshots_of(person, &to);
        snapshots.extend(self.snapshots_before_runs(person, &to));
        for snapshot in snapshots {
            let schema = &snapshot.meta().schema;
            let has_key = mapping.key.iter().all(|name| schema.column(name).is_some());
            let identity = identity.as_ref().filter(|name| schema.column(name).is_some());
            if !has_key && identity.is_none() {
                person.lost.insert(snapshot.dir().to_owned());
                continue;
            }
            let names: Vec<String> = mapping
                .key
                .iter()
                .chain(identity)
                .filter(|name| schema.column(name).is_some())
                .cloned()
                .collect::<BTreeSet<String>>()
                .into_iter()
                .collect();
            let mut first = 0;
            for frame in snapshot.batches(Some(&names))? {
                self.monitor.check()?;
                let frame = frame?;
                for row in 0..frame.height() {
                    let cell = |name: &String| -> Result<Option<&str>> { Ok(frame.column(name)?.str()?.get(row)) };
                    let by_id = match identity {
                        Some(name) => cell(name)?.is_some_and(|id| person.is_id(&to, id)),
                        None => false,
                    };
                    let by_key = has_key && {
                        let cells: Vec<Option<&str>> = mapping.key.iter().map(&cell).collect::<Result<_>>()?;
                        let key = key_text(cells.iter().map(|cell| cell.map(str::trim)));
                        key.is_some_and(|key| person.is_key(&mapping.name, &key))
                    };
                    if by_id || by_key {
                        person.rows.entry(snapshot.dir().to_owned()).or_default().insert(first + row as u64);
                    }
                    if let (true, Some(name)) = (by_key, identity)
                        && let Some(id) = cell(name)?.map(str::to_owned)
                    {
                        self.add_id(person, mapping, &id);
                    }
                }
                first += frame.height() as u64;
                self.report(&snapshot, first);
            }
        }
        Ok(())
    }

    /// Records of this mapping that name the person.
    fn links(&self, person: &mut Person, mapping: &Mapping) -> Result<()> {
        let fields = mapping.fields.iter().filter_map(|field| Some((field, field.link.as_ref()?)));
        for (field, parent) in fields {
            let Some(keys) = person.keys.get(parent).cloned() else { continue };
            let links = person.links.entry(mapping.name.clone()).or_default();
            links.extend(keys.iter().map(|key| (field.target.clone(), key.clone())));
            for snapshot in self.snapshots_of(person, &mapping.from.label) {
                let Some(reader) = Narrow::of(self.project, mapping, &snapshot, |one| one.target == field.target)
                else {
                    person.lost.insert(snapshot.dir().to_owned());
                    continue;
                };
                let mut first = 0;
                for frame in snapshot.batches(Some(&reader.sources))? {
                    self.monitor.check()?;
                    let frame = frame?;
                    let values = reader.mapped(&frame)?;
                    let values = &values[0];
                    for row in (0..frame.height()).filter(|row| values.get(*row).is_some_and(|key| keys.contains(key)))
                    {
                        for (column, cell) in reader.sources.iter().zip(reader.raw(&frame, row)?) {
                            let cells = person.cells.entry(snapshot.dir().to_owned()).or_default();
                            cells.entry(column.clone()).or_default().insert(first + row as u64);
                            let Some(cell) = cell else { continue };
                            let named = person.named.entry(mapping.name.clone()).or_default();
                            named.insert((column.clone(), cell.clone()));
                            person.signs.insert(Sign {
                                known: Known::Cell,
                                of: mapping.from.label.clone(),
                                columns: vec![column.clone()],
                                values: vec![cell],
                            });
                        }
                    }
                    first += frame.height() as u64;
                }
            }
        }
        Ok(())
    }

    fn report(&self, snapshot: &Snapshot, done: u64) {
        let meta = snapshot.meta();
        self.monitor.report(Progress { step: format!("searching {}", meta.label), done, total: Some(meta.rows) });
    }
}

/// Files of the crosswalks of all environments.
pub(super) fn crosswalks(state: &StateDir) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(state.path().join("crosswalk")) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "db")).collect()
}

/// Files of the ledgers of all mappings and environments.
pub(super) fn ledgers(state: &StateDir) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(state.ledgers()) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "db")).collect()
}

/// A mapping cut down to some of its fields: what else is wrong with it does not matter here.
struct Narrow {
    pipeline: Pipeline,
    /// Source columns that these fields read, each once.
    sources: Vec<String>,
}

impl Narrow {
    /// None if the fields do not fit the snapshot's columns, or read none of them.
    fn of(project: &Project, mapping: &Mapping, snapshot: &Snapshot, takes: impl Fn(&Field) -> bool) -> Option<Self> {
        let mut narrow = mapping.clone();
        narrow.fields.retain(|field| takes(field));
        narrow.filter = None;
        narrow.deleted = None;
        let columns: Vec<String> = snapshot.meta().schema.names().map(str::to_owned).collect();
        let pipeline = Pipeline::compile(&narrow, &columns, &project.root).ok()?;
        let mut sources: Vec<String> = Vec::new();
        for column in pipeline.fields().iter().flat_map(|field| &field.sources) {
            if !sources.contains(column) {
                sources.push(column.clone());
            }
        }
        (!sources.is_empty()).then_some(Self { pipeline, sources })
    }

    fn mapped(&self, frame: &DataFrame) -> Result<Vec<StringChunked>> {
        let outcome = self.pipeline.apply(frame)?;
        let names: Vec<String> = self.pipeline.fields().iter().map(|field| field.target.clone()).collect();
        crate::plan::shape::text_columns(&outcome.mapped, &names)
    }

    /// The key of each row, as plans have it.
    fn keys(&self, mapping: &Mapping, frame: &DataFrame) -> Result<Vec<Option<String>>> {
        let cells = self.mapped(frame)?;
        let places: Vec<usize> = mapping
            .key
            .iter()
            .filter_map(|name| self.pipeline.fields().iter().position(|field| field.target == *name))
            .collect();
        Ok((0..frame.height())
            .map(|row| {
                let parts: Vec<Option<String>> = places
                    .iter()
                    .map(|at| cells[*at].get(row).map(|cell| self.pipeline.canonical(*at, cell)))
                    .collect();
                key_text(parts.iter().map(Option::as_deref))
            })
            .collect())
    }

    /// The cells that the fields read.
    fn raw(&self, frame: &DataFrame, row: usize) -> Result<Vec<Option<String>>> {
        self.sources.iter().map(|name| Ok(frame.column(name)?.str()?.get(row).map(str::to_owned))).collect()
    }
}
