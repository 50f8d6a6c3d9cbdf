//! Erasing a person from the state folder.
use std::collections::{BTreeSet, HashSet};

use super::Workspace;
use super::snapshots::alone;
use crate::erase::check::{holders, only_theirs};
use crate::erase::{Erasure, Person, Removed, Sweep, search};
use crate::error::{Error, Result};
use crate::journal::erased::ErasedList;
use crate::journal::{Entry, StateDir};
use crate::map::corrections::{self, content_hash};
use crate::map::{Correction, RowAddress};
use crate::migrate::{Owner, TargetLocks};
use crate::monitor::Monitor;
use crate::project::Mapping;
use crate::project::edit::{set_correction_in_csv, write_private_text};
use crate::resolve::KEY_SEPARATOR;
use crate::table::{RowSource, Snapshot};

impl Workspace {
    /// What the state folder, all environments together, knows of the person whose record `key` names in `object` (a mapping,
    /// a source or a target object; without it, in the one mapping that has such a record).
    pub fn look_for(&self, object: Option<&str>, key: &str, monitor: &dyn Monitor) -> Result<Erasure> {
        let (chosen, person) = self.find_person(object, key, monitor)?;
        drop(chosen);
        let state = StateDir::of(&self.project().root);
        let corrections = self.sweep_corrections(&person, false)?;
        let mut erasure = Sweep::new(&self.project().root, &state, &person, false).run()?;
        erasure.removed.extend(corrections);
        Ok(erasure)
    }

    /// Corrections of the person's rows, and those that name them in other rows: lines of the project's own files.
    fn sweep_corrections(&self, person: &Person, write: bool) -> Result<Option<Removed>> {
        let (mut files, mut rows) = (0, 0);
        for mapping in &self.project().mappings {
            let Some(path) = mapping.corrections.as_ref().map(|file| self.project().root.join(file)) else { continue };
            if !path.exists() {
                continue;
            }
            let entries = corrections::load(&path).map_err(|slips| {
                Error::usage(slips.first().map_or("it cannot be read", |slip| &slip.1))
                    .at(path.display())
                    .advise("mend the file, then erase again: it may hold the person's data")
            })?;
            let mut theirs: HashSet<u64> = HashSet::new();
            for (dir, ordinals) in &person.rows {
                let Ok(snapshot) = Snapshot::open(dir) else { continue };
                if snapshot.meta().label != mapping.from.label {
                    continue;
                }
                let ordinals: Vec<u64> = ordinals.iter().copied().collect();
                let mut buffer = Vec::new();
                for row in snapshot.rows(&ordinals)?.rows {
                    theirs.insert(content_hash(row.iter().map(Option::as_deref), &mut buffer));
                }
            }
            let named = person.named.get(&mapping.name);
            let is_theirs = |entry: &Correction| {
                let names = |cell: &Option<String>| {
                    let cell = cell.clone().map(|cell| (entry.column.clone(), cell));
                    cell.is_some_and(|cell| named.is_some_and(|named| named.contains(&cell)))
                };
                let row = match &entry.row {
                    RowAddress::Key(parts) => {
                        let joined = |parts: Vec<&str>| parts.join(&KEY_SEPARATOR.to_string());
                        person.is_key(&mapping.name, &joined(parts.iter().map(String::as_str).collect()))
                            || person.is_key(&mapping.name, &joined(parts.iter().map(|part| part.trim()).collect()))
                    }
                    RowAddress::Content { hash, .. } => theirs.contains(hash),
                };
                row || names(&entry.from) || names(&entry.to)
            };
            let text = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))?;
            let (mut new, before) = (text, rows);
            for entry in entries.iter().filter(|entry| is_theirs(entry)) {
                let from = entry.from.as_deref();
                new = set_correction_in_csv(&new, &entry.row.to_string(), &entry.column, from, from)?;
                rows += 1;
            }
            if rows > before {
                files += 1;
                if write {
                    write_private_text(&path, &new)?;
                }
            }
        }
        Ok((files > 0).then(|| Removed { what: "corrections".to_owned(), files, rows }))
    }

    /// Removes what [`Workspace::look_for`] finds and puts the person on the list of the erased, so that later plans leave
    /// them out. `confirm` is the key once more. Nothing on a platform is touched.
    pub fn erase(&self, object: Option<&str>, key: &str, confirm: &str, monitor: &dyn Monitor) -> Result<Erasure> {
        if confirm != key {
            return Err(Error::refused("not confirmed: nothing was erased")
                .advise("confirm by the key once more: --confirm KEY"));
        }
        // Brings dead runs to their end first: what they promised is in files that are about to lose rows.
        self.runs()?;
        let state = StateDir::of(&self.project().root);
        state.make()?;
        let (chosen, person) = self.find_person(object, key, monitor)?;
        let _held = self.hold(&state, &person)?;
        let mut folders: BTreeSet<_> = person.rows.keys().chain(person.cells.keys()).chain(&person.lost).collect();
        folders.retain(|dir| dir.parent().is_some_and(std::path::Path::is_dir));
        let folders: BTreeSet<_> = folders.into_iter().filter_map(|dir| dir.parent()).collect();
        let _alone = folders.into_iter().map(|folder| alone(folder, monitor)).collect::<Result<Vec<_>>>()?;
        let theirs = only_theirs(&person, monitor)?;
        // From now on nothing of them is read again; what is there goes next.
        ErasedList::add(&state, &person.signs)?;
        // Before the snapshots lose the rows by which some corrections are known.
        let corrections = self.sweep_corrections(&person, true)?;
        let mut erasure = Sweep::new(&self.project().root, &state, &person, true).run()?;
        erasure.removed.extend(corrections);
        erasure.left = holders(&state, &theirs, monitor)?;
        let counts: Vec<String> = erasure.removed.iter().map(|part| format!("{} {}", part.what, part.rows)).collect();
        let name = match chosen.first() {
            Some(mapping) => ErasedList::pseudonym(&state, &mapping.to.to_string(), key)?,
            None => String::new(),
        };
        self.note(&Entry::new("erased").mapping(&erasure.mappings.join(", ")).detail(format!(
            "a person known as {name}: {}; {} files left",
            counts.join(", "),
            erasure.left.len()
        )))?;
        Ok(erasure)
    }

    /// The person, and the mappings that the object names.
    fn find_person(&self, object: Option<&str>, key: &str, monitor: &dyn Monitor) -> Result<(Vec<&Mapping>, Person)> {
        let project = self.project();
        let named: Vec<&Mapping> = match object {
            None => project.mappings.iter().collect(),
            Some(object) => {
                let is = |mapping: &&Mapping| {
                    mapping.name == object || mapping.from.label == object || mapping.to.to_string() == object
                };
                project.mappings.iter().filter(is).collect()
            }
        };
        if named.is_empty() {
            return Err(Error::usage("no mapping reads or writes this object")
                .advise("name a mapping, its source or its target: crm-console check lists them"));
        }
        let identity = |mapping: &Mapping| {
            let platform = self.connector(&mapping.to.platform).and_then(|to| to.capabilities(&mapping.to.object));
            let given = platform.ok().and_then(|here| here.identity);
            given.or_else(|| project.targets.get(&mapping.to).and_then(|target| target.id.clone()))
        };
        if object.is_some() {
            let person = search(project, &named, key, &identity, monitor)?;
            return Ok((named, person));
        }
        let mut found: Vec<(&Mapping, Person)> = Vec::new();
        for mapping in named {
            let Ok(person) = search(project, &[mapping], key, &identity, monitor) else {
                monitor.check()?;
                continue;
            };
            let known =
                person.rows.values().any(|rows| !rows.is_empty()) || person.ids.values().any(|ids| !ids.is_empty());
            if known && !found.iter().any(|(_, other)| other.keys.contains_key(&mapping.name)) {
                found.push((mapping, person));
            }
        }
        match found.len() {
            1 => Ok(found.pop().map(|(mapping, person)| (vec![mapping], person)).unwrap_or_default()),
            0 => Err(Error::usage("no mapping has a record of this key")
                .advise("name the object to keep the person out all the same: crm-console erase OBJECT KEY")),
            _ => {
                let names: Vec<&str> = found.iter().map(|(mapping, _)| mapping.name.as_str()).collect();
                Err(Error::usage(format!("{} have a record of this key", names.join(" and ")))
                    .advise(format!("say which: crm-console erase {} KEY", names[0])))
            }
        }
    }

    /// No engine may be at work on what is about to lose rows, in any environment.
    fn hold(&self, state: &StateDir, person: &Person) -> Result<Vec<TargetLocks>> {
        let concerned = |mapping: &&Mapping| {
            person.keys.contains_key(&mapping.name)
                || person.links.contains_key(&mapping.name)
                || person.objects.values().any(|object| *object == mapping.to.to_string())
        };
        let mappings: Vec<&Mapping> = self.project().mappings.iter().filter(concerned).collect();
        let targets: Vec<String> = mappings.iter().map(|mapping| mapping.to.to_string()).collect();
        let envs = std::iter::once(None).chain(self.project().envs.iter().map(|env| Some(env.as_str())));
        envs.map(|env| {
            let names = mappings.iter().map(|mapping| mapping.name.as_str());
            let names = names.chain(targets.iter().map(String::as_str));
            TargetLocks::take(state, env, names, &Owner::of_run("erase"))
        })
        .collect()
    }
}
