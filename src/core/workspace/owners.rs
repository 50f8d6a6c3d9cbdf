//! Owners: the users that records name, who they are in the new CRM, and the value map that says so.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Workspace, note_saved};
use crate::error::{Error, Result};
use crate::map::ValueMap;
use crate::monitor::Monitor;
use crate::platform::{ReadOptions, Source};
use crate::project::edit::{set_value_in_csv, write_text};
use crate::project::{Mapping, ObjectRef, Origin, Values};
use crate::suggest::owners::{OwnerCandidate, PeopleColumns, Person, is_active, match_people, people_columns};
use crate::suggest::{FieldInfo, Side, means};

/// Most users of one side: a list of customers is none of users.
const MOST: usize = 100_000;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnersAsk {
    /// Users of the old CRM, `platform:object`.
    pub old: ObjectRef,
    /// Users of the new CRM.
    pub new: ObjectRef,
    /// The column by which records of the old CRM name a user; found if left out.
    pub key: Option<String>,
    /// The value map; its path in the project.
    pub file: PathBuf,
    /// Matches below it are only shown.
    pub min_score: f64,
    /// Who stands in for those without a match, by id in the new CRM.
    pub fallback: Option<String>,
}

/// What stands for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerState {
    /// In the value map already: a decision, not touched.
    Mapped,
    /// Found for sure.
    Matched,
    /// Somebody may be meant: for a person to decide.
    Doubtful,
    /// The one who is meant has left in the new CRM.
    InactiveThere,
    /// Nobody is like them.
    Unmatched,
}

/// One user that records name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OwnerRow {
    /// As the value map sees it: after the cleaning rules of the fields that use it.
    pub from: String,
    /// Name, from the list of users; empty for one that the list does not have.
    pub name: String,
    /// Still active in the old CRM.
    pub active: Option<bool>,
    /// In the old CRM's list of users.
    pub listed: bool,
    /// Rows of all mappings that name them.
    pub rows: u64,
    /// How it stands.
    pub state: OwnerState,
    /// What the value map has or would get.
    pub to: Option<String>,
    /// Who may be meant, best first.
    pub candidates: Vec<OwnerCandidate>,
}

/// All users, those of most rows first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Owners {
    /// The value map.
    pub file: PathBuf,
    /// Fields that name users: mapping and target field.
    pub fields: Vec<(String, String)>,
    /// The users.
    pub rows: Vec<OwnerRow>,
    /// The value map's text as it would be.
    #[serde(skip)]
    pub text: String,
    /// Lines that would be added.
    pub added: usize,
}

impl Workspace {
    /// Looks who the users that records name are in the new CRM. Writes nothing: see [`Workspace::write_owners`].
    pub fn owners(&self, ask: &OwnersAsk, monitor: &dyn Monitor) -> Result<Owners> {
        let fields = self.owner_fields(&ask.file);
        let mut rows: BTreeMap<String, u64> = BTreeMap::new();
        for (mapping, field) in &fields {
            for value in self.field_values(mapping, field, monitor)? {
                if let Some(looked_up) = value.looked_up.filter(|text| !text.trim().is_empty()) {
                    *rows.entry(looked_up).or_default() += value.rows;
                }
            }
        }
        let new = self.people(&ask.new, None, monitor)?;
        let old = self.people(&ask.old, ask.key.as_deref().or(self.named_by(&ask.old, &rows)?.as_deref()), monitor)?;
        let path = self.project().root.join(&ask.file);
        let text = read(&path)?;
        let known: BTreeMap<String, String> = if text.is_empty() {
            BTreeMap::new()
        } else {
            ValueMap::load(&path).map_err(Error::data)?.pairs.into_iter().collect()
        };
        // A value map sees what the cleaning rules leave: users are found in it whatever the case.
        let folded = |text: &str| text.trim().to_lowercase();
        let as_written: BTreeMap<String, String> = rows.keys().map(|key| (folded(key), key.clone())).collect();
        let lower = !rows.is_empty() && rows.keys().all(|key| *key == key.to_lowercase());
        let mut people: Vec<(String, Person, bool)> = old
            .into_iter()
            .map(|person| {
                let written = as_written.get(&folded(&person.key)).cloned();
                let from = written.unwrap_or_else(|| if lower { folded(&person.key) } else { person.key.clone() });
                (from, person, true)
            })
            .collect();
        let listed: BTreeSet<String> = people.iter().map(|(from, ..)| from.clone()).collect();
        for key in rows.keys().filter(|key| !listed.contains(*key)) {
            // Records name them and nobody knows them: what they are named by may still be a name or an address.
            let email = if key.contains('@') { folded(key) } else { String::new() };
            let name = if key.contains(' ') { key.clone() } else { String::new() };
            people.push((key.clone(), Person { key: key.clone(), name, email, active: None }, false));
        }
        let matched = match_people(&people.iter().map(|(_, person, _)| person.clone()).collect::<Vec<_>>(), &new);
        let mut out = Vec::new();
        for ((from, person, listed), candidates) in people.into_iter().zip(matched) {
            let best = candidates.first();
            let (state, to) = match (known.get(&from), best) {
                (Some(to), _) => (OwnerState::Mapped, Some(to.clone())),
                (None, None) => (OwnerState::Unmatched, ask.fallback.clone()),
                (None, Some(best)) if best.score < ask.min_score => (OwnerState::Doubtful, ask.fallback.clone()),
                (None, Some(best)) if best.active == Some(false) => (OwnerState::InactiveThere, ask.fallback.clone()),
                (None, Some(best)) => (OwnerState::Matched, Some(best.to.clone())),
            };
            let count = rows.get(&from).copied().unwrap_or_default();
            out.push(OwnerRow {
                name: person.name,
                active: person.active,
                listed,
                rows: count,
                state,
                to,
                from,
                candidates,
            });
        }
        out.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.from.cmp(&b.from)));
        let mut after = if text.is_empty() { "from,to,name,note\n".to_owned() } else { text };
        let mut added = 0;
        for row in out.iter().filter(|row| row.state != OwnerState::Mapped) {
            if let Some(to) = &row.to {
                after = set_value_in_csv(&after, &row.from, to).map_err(|error| error.at(ask.file.display()))?;
                added += 1;
            }
        }
        let after = annotate(&after, &out, ask.fallback.as_deref());
        let fields = fields.iter().map(|(mapping, field)| (mapping.name.clone(), field.clone())).collect();
        Ok(Owners { file: ask.file.clone(), fields, rows: out, text: after, added })
    }

    /// Writes the value map as it was shown.
    pub fn write_owners(&self, owners: &Owners) -> Result<()> {
        let path = self.project().root.join(&owners.file);
        let before = read(&path)?;
        if before != owners.text {
            write_text(&path, &owners.text)?;
            note_saved(&self.project().root, &owners.file, None, before.as_bytes(), owners.text.as_bytes())?;
        }
        Ok(())
    }

    /// Fields that use the value map, or that are filled with an owner and use none yet.
    fn owner_fields(&self, file: &Path) -> Vec<(&Mapping, String)> {
        let mut found = Vec::new();
        for mapping in &self.project().mappings {
            for field in &mapping.fields {
                let uses = matches!(&field.values, Some(Values::File(path)) if path == file);
                let named = field.values.is_none() && field.link.is_none() && means(&field.target, "owner");
                if matches!(field.origin, Origin::From(_)) && (uses || named) {
                    found.push((mapping, field.target.clone()));
                }
            }
        }
        found
    }

    /// The column of a list of users that holds what records name them by.
    fn named_by(&self, users: &ObjectRef, rows: &BTreeMap<String, u64>) -> Result<Option<String>> {
        if rows.is_empty() {
            return Ok(None);
        }
        let wanted: BTreeSet<String> = rows.keys().map(|key| key.trim().to_lowercase()).collect();
        let connector = self.connector(&users.platform)?;
        let mut reader = connector.read(&Source::Object(users.object.clone()), &ReadOptions::default())?;
        let names: Vec<String> = reader.schema().names().map(str::to_owned).collect();
        let mut found: Vec<BTreeSet<String>> = vec![BTreeSet::new(); names.len()];
        while let Some(batch) = reader.next_batch()? {
            for (name, found) in names.iter().zip(&mut found) {
                let cells = batch.frame.column(name)?.str()?;
                let known = cells.iter().flatten().map(|cell| cell.trim().to_lowercase());
                found.extend(known.filter(|cell| wanted.contains(cell)));
            }
        }
        let best = names.into_iter().zip(found).max_by_key(|(_, found)| found.len());
        Ok(best.filter(|(_, found)| !found.is_empty()).map(|(name, _)| name))
    }

    /// The users of one side.
    fn people(&self, users: &ObjectRef, key: Option<&str>, monitor: &dyn Monitor) -> Result<Vec<Person>> {
        let connector = self.connector(&users.platform)?;
        let mut reader = connector.read(&Source::Object(users.object.clone()), &ReadOptions::default())?;
        let side = Side::of(reader.schema().names().map(FieldInfo::named).collect());
        if let Some(key) = key.filter(|key| side.field(key).is_none()) {
            return Err(
                Error::usage(format!("{users} has no column '{key}'")).advise("name the column that records hold")
            );
        }
        let PeopleColumns { key, name, email, active } = people_columns(&side, key);
        let mut people = Vec::new();
        while let Some(batch) = reader.next_batch()? {
            monitor.check()?;
            let cells = |name: &str| -> Result<Vec<Option<String>>> {
                Ok(batch.frame.column(name)?.str()?.iter().map(|cell| cell.map(str::to_owned)).collect())
            };
            let keys = cells(&key)?;
            let names = name.iter().map(|name| cells(name)).collect::<Result<Vec<_>>>()?;
            let emails = email.as_deref().map(cells).transpose()?;
            let actives = active.as_ref().map(|(name, _)| cells(name)).transpose()?;
            for (row, key) in keys.into_iter().enumerate() {
                let Some(key) = key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty()) else { continue };
                let parts: Vec<&str> = names.iter().filter_map(|cells| cells[row].as_deref().map(str::trim)).collect();
                let email = emails.as_ref().and_then(|cells| cells[row].as_deref()).unwrap_or_default();
                people.push(Person {
                    key,
                    name: parts.join(" ").trim().to_owned(),
                    email: email.trim().to_lowercase(),
                    active: match (&actives, &active) {
                        (Some(cells), Some((_, yes))) => is_active(cells[row].as_deref(), *yes),
                        _ => None,
                    },
                });
            }
            if people.len() > MOST {
                return Err(Error::usage(format!("{users} has more than {MOST} rows: that is no list of users"))
                    .advise("name the object that holds the users of the CRM"));
            }
        }
        Ok(people)
    }
}

/// Fills the columns `name` and `note` of lines that were added, where the file has them.
fn annotate(text: &str, rows: &[OwnerRow], fallback: Option<&str>) -> String {
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text.as_bytes());
    let mut lines: Vec<csv::StringRecord> = reader.records().flatten().collect();
    let Some(header) = lines.first().cloned() else { return text.to_owned() };
    let at = |name: &str| header.iter().position(|cell| cell.trim_start_matches('\u{feff}').trim() == name);
    let (Some(from), to, name, note) = (at("from"), at("to"), at("name"), at("note")) else { return text.to_owned() };
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let added: BTreeMap<&str, &OwnerRow> = rows
        .iter()
        .filter(|row| row.state != OwnerState::Mapped && row.to.is_some())
        .map(|row| (row.from.as_str(), row))
        .collect();
    // Lines that were there stay byte for byte; those that were added are the last ones, one line each.
    let total = lines.len();
    let kept = total.saturating_sub(added.len());
    let mut out: Vec<&str> = text.split_inclusive('\n').collect();
    let ends = out.len().saturating_sub(added.len());
    out.truncate(ends);
    let mut out = out.concat();
    for line in lines.drain(kept..) {
        let mut cells: Vec<String> = line.iter().map(str::to_owned).collect();
        if let Some(row) = line.get(from).and_then(|from| added.get(from)) {
            if let Some(at) = name {
                cells[at].clone_from(&row.name);
            }
            if let Some(at) = note {
                cells[at] = note_of(row, to.and_then(|at| line.get(at)), fallback);
            }
        }
        let quoted: Vec<String> = cells
            .iter()
            .map(|cell| {
                let plain = !cell.contains([',', '"', '\n', '\r']) && cell.trim() == cell;
                if plain { cell.clone() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
            })
            .collect();
        out.push_str(&quoted.join(","));
        out.push_str(newline);
    }
    out
}

fn note_of(row: &OwnerRow, to: Option<&str>, fallback: Option<&str>) -> String {
    match row.state {
        OwnerState::Matched => {
            row.candidates.first().map_or_else(String::new, |best| format!("{} ({:.2})", best.why, best.score))
        }
        OwnerState::InactiveThere if to == fallback => "inactive in the new CRM: stands in".to_owned(),
        OwnerState::Doubtful if to == fallback => "not sure who it is: stands in".to_owned(),
        _ if to == fallback => "not in the new CRM: stands in".to_owned(),
        _ => String::new(),
    }
}

fn read(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Error::io("read", path, &error)),
    }
}
