//! What sync loops keep of a person beside the plans and runs of people: their stores, and where their cycles lie.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::files::Sweep;
use super::person::Person;
use crate::error::Result;
use crate::journal::StateDir;
use crate::journal::erased::{Known, Sign};
use crate::journal::sync::{ConflictField, PushedChange, SyncStore, Traces};
use crate::migrate::revert::span;
use crate::resolve::show_key;
use crate::table::snapshot::forget::ERASED;

/// Folders that hold what a run holds: those of runs, of the cycles that loops keep, of the ones they have in hand, and of
/// those that are folded for a plan that takes them back.
pub(super) fn run_folders(state: &StateDir) -> Vec<PathBuf> {
    let mut found = folders(&state.path().join("runs"));
    for env in folders(&state.sync().join("cycles")) {
        for mapping in folders(&env) {
            found.extend(folders(&mapping));
        }
    }
    for env in folders(&state.sync().join("work")) {
        found.extend(folders(&env));
    }
    found.extend(folders(&state.path().join("plans")).iter().map(|plan| span::folder(plan)).filter(|dir| dir.is_dir()));
    found
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(of) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    paths.sort();
    paths
}

/// Stores of the loops of all environments.
fn stores(state: &StateDir) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(state.sync()) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|one| one == "db")).collect();
    paths.sort();
    paths
}

impl Sweep<'_> {
    /// Events, conflicts, pushed records and orders.
    pub(super) fn sync_stores(&mut self) -> Result<()> {
        let person = self.person;
        let keys = person.keys.iter().map(|(mapping, keys)| {
            let written: BTreeSet<String> = keys.iter().flat_map(|key| [key.clone(), show_key(key)]).collect();
            (mapping.clone(), written)
        });
        let traces = Traces {
            keys: keys.collect(),
            names: &|mapping, field| person.is_named_in(mapping, field),
            record: &|mapping, record, name| person.of_record(mapping, record, name),
        };
        for path in stores(self.state) {
            let Some(mut store) = SyncStore::known(&path)? else { continue };
            let lost = store.erase(&traces, self.write)?;
            self.count("events, conflicts and pushed records", lost);
        }
        Ok(())
    }
}

impl Person {
    /// A field in conflict names them, by their old key or their new id.
    fn is_named_in(&self, mapping: &str, field: &ConflictField) -> bool {
        let values = || [&field.base, &field.source, &field.target].into_iter().flatten();
        let links = self.links.get(mapping).into_iter().flatten().filter(|(column, _)| *column == field.field);
        links.into_iter().any(|(_, key)| {
            let ids = self.ids.values().flatten().chain([key]);
            ids.into_iter().any(|id| values().any(|value| value == id))
        })
    }

    /// What is to become of a record that was pushed for a mapping.
    fn of_record(&self, mapping: &str, record: &Map<String, Value>, name: &str) -> PushedChange {
        let Some(label) = self.sources.get(mapping) else { return PushedChange::Keep };
        // One that was handled holds no cells any more, but its name may be a key.
        if name.split(['/', ' ', '\u{1f}']).any(|part| self.is_piece(label, part)) {
            return PushedChange::Drop;
        }
        let fits = |sign: &Sign| {
            !sign.columns.is_empty()
                && sign.columns.iter().zip(&sign.values).all(|(column, value)| {
                    let cell = match record.get(column) {
                        Some(Value::String(text)) => text.trim().to_owned(),
                        Some(Value::Null) | None => return false,
                        Some(other) => other.to_string(),
                    };
                    cell == value.trim()
                })
        };
        let mut rest = None;
        for sign in self.signs.iter().filter(|sign| sign.of == *label && fits(sign)) {
            match sign.known {
                Known::Row => return PushedChange::Drop,
                Known::Cell => {
                    let rest = rest.get_or_insert_with(|| record.clone());
                    for column in &sign.columns {
                        rest.insert(column.clone(), ERASED.into());
                    }
                }
                Known::Key => {}
            }
        }
        rest.map_or(PushedChange::Keep, PushedChange::Replace)
    }
}
