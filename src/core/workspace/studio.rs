//! Mapping by suggestion: what may fill a mapping's fields, accepting and refusing it, and taking an edit back.
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::{Workspace, note_saved};
use crate::error::{Error, Result};
use crate::journal::private_folder;
use crate::monitor::Monitor;
use crate::platform::{ReadOptions, Source};
use crate::project::edit::{MappingEdit, field_text, write_text};
use crate::project::init::begin::{Place, begin};
use crate::project::{Field, Mapping, Origin, load_mapping};
use crate::suggest::{FieldInfo, Knowledge, LookBuilder, Memory, ParentKeys, Side, Suggestion, propose, sample};

/// Rows of a parent's key that are looked at.
const KEYS: u64 = 200_000;
/// Edits of a mapping that can be taken back.
const KEPT: usize = 50;

/// Both sides of a mapping with what may fill each target.
#[derive(Debug, Clone)]
pub struct Studio {
    /// Source fields with a look at their values.
    pub source: Side,
    /// Target fields that can be filled from outside.
    pub target: Side,
    /// Target fields that must be filled.
    pub required: Vec<String>,
    /// Suggestions, best first; see [`Studio::for_target`].
    pub found: Vec<Suggestion>,
}

impl Studio {
    /// Suggestions for a target, by rank.
    pub fn for_target(&self, to: &str) -> Vec<&Suggestion> {
        let mut list: Vec<&Suggestion> = self.found.iter().filter(|item| item.to == to).collect();
        list.sort_by_key(|item| item.rank);
        list
    }

    /// What may be accepted: the first suggestions of at least this score for targets that nothing fills. A source that
    /// stays behind on purpose is not asked about again.
    pub fn open(&self, mapping: &Mapping, min_score: f64) -> Vec<&Suggestion> {
        let left = |item: &Suggestion| item.sources().iter().any(|name| mapping.ignore.iter().any(|one| one == name));
        let open = self.found.iter().filter(|item| {
            item.rank == 1 && item.score >= min_score && mapping.field(&item.to).is_none() && !left(item)
        });
        open.collect()
    }
}

impl Suggestion {
    /// The field of a mapping that it comes to.
    pub fn field(&self) -> Field {
        let mut field = match &self.transform {
            Some(transform) => transform.field.clone(),
            None => Field::new(&self.to, Origin::From(self.from.clone())),
        };
        field.pii = crate::suggest::is_personal(&self.to) || crate::suggest::is_personal(&self.from);
        field
    }
}

/// An edit of a mapping file, not yet written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingChange {
    /// Mapping.
    pub mapping: String,
    /// Its file.
    pub path: PathBuf,
    /// Text as it is.
    pub before: String,
    /// Text as it would be.
    pub after: String,
    /// What changes, a line each.
    pub lines: Vec<ChangeLine>,
}

/// What becomes of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeLine {
    /// Target field, or the source column that stays behind.
    pub field: String,
    /// As the mapping has it; None: not at all.
    pub before: Option<String>,
    /// As it would have it.
    pub after: Option<String>,
}

impl Workspace {
    /// What may fill the fields of a mapping, with transforms tried on its source's rows.
    pub fn studio(&self, mapping: &Mapping, monitor: &dyn Monitor) -> Result<Studio> {
        let from = self.connector(&mapping.from.platform)?;
        let source = sample(&*from, &mapping.from.source, monitor)?;
        let to = self.connector(&mapping.to.platform)?;
        let object = Source::Object(mapping.to.object.clone());
        let (mut target, schema) = if to.version(&mapping.to.object)?.exists {
            (sample(&*to, &object, monitor)?, Some(to.schema(&object)?))
        } else {
            // What does not exist yet has the fields of the mapping.
            (Side::of(mapping.fields.iter().map(|field| FieldInfo::named(&field.target)).collect()), None)
        };
        // An id that the target gives out, and what it fills itself, is not written from outside.
        let identity = to.capabilities(&mapping.to.object)?.identity;
        let column = |name: &str| schema.as_ref().and_then(|schema| schema.column(name));
        target.fields.retain(|field| {
            identity.as_ref() != Some(&field.name) && !column(&field.name).is_some_and(|column| column.generated)
        });
        let required = schema.iter().flat_map(|schema| &schema.columns);
        let required = required.filter(|one| one.required && !one.generated).map(|one| one.name.clone()).collect();
        let mut knowledge = Knowledge::of_project(&self.project().root)?;
        knowledge.parents = self.parent_keys(mapping, monitor)?;
        let found = propose(&source, &target, &knowledge);
        Ok(Studio { source, target, required, found })
    }

    /// Keys of the other mappings that are filled from one column.
    fn parent_keys(&self, child: &Mapping, monitor: &dyn Monitor) -> Result<Vec<ParentKeys>> {
        let mut found = Vec::new();
        for mapping in self.project().mappings.iter().filter(|one| one.name != child.name) {
            let [key] = mapping.key.as_slice() else { continue };
            let Some(Origin::From(column)) = mapping.field(key).map(|field| &field.origin) else { continue };
            let options = ReadOptions { limit: Some(KEYS), ..ReadOptions::default() };
            let mut reader = self.connector(&mapping.from.platform)?.read(&mapping.from.source, &options)?;
            if reader.schema().column(column).is_none() {
                continue;
            }
            let mut look = LookBuilder::default();
            while let Some(batch) = reader.next_batch()? {
                monitor.check()?;
                batch.frame.column(column)?.str()?.iter().for_each(|cell| look.push(cell));
            }
            let old = match &mapping.from.source {
                Source::Object(name) => vec![name.clone()],
                Source::Query { .. } => Vec::new(),
            };
            found.push(ParentKeys {
                mapping: mapping.name.clone(),
                objects: old.into_iter().chain([mapping.to.object.clone(), mapping.name.clone()]).collect(),
                key: column.clone(),
                look: Arc::new(look.finish()),
            });
        }
        Ok(found)
    }

    /// The edit that takes suggestions into a mapping.
    pub fn accept(&self, mapping: &Mapping, items: &[&Suggestion]) -> Result<MappingChange> {
        self.edit_mapping(mapping, |edit| {
            for item in items {
                edit.set_field(&item.field());
            }
        })
    }

    /// The edit that takes fields out of a mapping which read one of these columns: what a refusal comes to.
    pub fn drop_fields(&self, mapping: &Mapping, targets: &BTreeSet<String>) -> Result<MappingChange> {
        self.edit_mapping(mapping, |edit| {
            for target in targets {
                edit.remove_field(target);
            }
        })
    }

    /// An edit of a mapping's text, with what changes in its fields; nothing is written.
    pub fn edit_mapping(&self, mapping: &Mapping, edit: impl FnOnce(&mut MappingEdit)) -> Result<MappingChange> {
        let path = self.project().root.join(&mapping.path);
        let before = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))?;
        let mut text = MappingEdit::parse(&before).map_err(|error| error.at(mapping.path.display()))?;
        edit(&mut text);
        let after = text.to_string();
        let new = load_mapping(&self.project().root, &mapping.path, &after).map_err(|problems| {
            let first =
                problems.first().map_or_else(String::new, |problem| format!("{}: {}", problem.field, problem.message));
            Error::usage(format!("the mapping would be wrong: {first}")).at(mapping.path.display())
        })?;
        let lines = changes(mapping, &new);
        Ok(MappingChange { mapping: mapping.name.clone(), path: mapping.path.clone(), before, after, lines })
    }

    /// Writes an edit, keeps what was there to take it back, and notes it in the audit log. False if nothing changes.
    pub fn write_change(&self, change: &MappingChange) -> Result<bool> {
        if change.before == change.after {
            return Ok(false);
        }
        let path = self.project().root.join(&change.path);
        let now = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))?;
        if now != change.before {
            return Err(Error::refused("it was changed meanwhile: nothing was written")
                .at(change.path.display())
                .advise("look at it and try again"));
        }
        let folder = self.edits(&change.mapping)?;
        let numbers = numbers(&folder)?;
        let next = numbers.last().map_or(1, |last| last + 1);
        write_text(&folder.join(format!("{next}.toml")), &change.before)?;
        write_text(&folder.join(format!("{next}.after")), blake3::hash(change.after.as_bytes()).to_hex().as_str())?;
        for old in numbers.iter().rev().skip(KEPT - 1) {
            for ending in ["toml", "after"] {
                _ = std::fs::remove_file(folder.join(format!("{old}.{ending}")));
            }
        }
        write_text(&path, &change.after)?;
        let (before, after) = (change.before.as_bytes(), change.after.as_bytes());
        note_saved(&self.project().root, &change.path, Some(&change.mapping), before, after)?;
        Ok(true)
    }

    /// The edit that takes the last one of a mapping back. Refuses where the file was changed since by somebody else.
    pub fn undo(&self, name: &str) -> Result<MappingChange> {
        let mapping = self.mapping(name)?;
        let folder = self.edits(name)?;
        let Some(last) = numbers(&folder)?.pop() else {
            return Err(Error::usage(format!("no edit of '{name}' is left to take back")));
        };
        let read = |path: PathBuf| std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error));
        let before = read(self.project().root.join(&mapping.path))?;
        let after = read(folder.join(format!("{last}.toml")))?;
        let known = read(folder.join(format!("{last}.after")))?;
        if known != blake3::hash(before.as_bytes()).to_hex().as_str() {
            return Err(Error::refused("the mapping was changed since the last edit: nothing was taken back")
                .at(mapping.path.display())
                .advise("take the change back in an editor; the text before the edit is in .crm-console/edits"));
        }
        let old = load_mapping(&self.project().root, &mapping.path, &after);
        let lines = old.map_or_else(|_| Vec::new(), |old| changes(mapping, &old));
        Ok(MappingChange { mapping: name.to_owned(), path: mapping.path.clone(), before, after, lines })
    }

    /// Writes what [`Workspace::undo`] answered.
    pub fn write_undo(&self, change: &MappingChange) -> Result<()> {
        let folder = self.edits(&change.mapping)?;
        write_text(&self.project().root.join(&change.path), &change.after)?;
        if let Some(last) = numbers(&folder)?.pop() {
            for ending in ["toml", "after"] {
                _ = std::fs::remove_file(folder.join(format!("{last}.{ending}")));
            }
        }
        let (before, after) = (change.before.as_bytes(), change.after.as_bytes());
        note_saved(&self.project().root, &change.path, Some(&change.mapping), before, after)
    }

    /// Begins a mapping between two objects, each named by platform and object, with the key that fits best. Answers its
    /// name; the project has to be read again.
    pub fn begin_mapping(&self, from: (&str, &str), to: (&str, &str)) -> Result<String> {
        let place = |(platform, object)| -> Result<Place<'_>> {
            Ok(Place { platform, object, connector: self.connector(platform)? })
        };
        let name = begin(self.project(), &place(from)?, &place(to)?)?;
        let path = std::path::Path::new(crate::project::MAPPINGS_DIR).join(format!("{name}.toml"));
        let after = std::fs::read(self.project().root.join(&path)).map_err(|error| Error::io("read", &path, &error))?;
        note_saved(&self.project().root, &path, Some(&name), b"", &after)?;
        Ok(name)
    }

    /// Remembers pairs (source, target) for the next mapping; answers how many are new.
    pub fn remember(&self, pairs: &[(String, String)], confirmed: bool) -> Result<usize> {
        Memory::note(&self.project().root, pairs, confirmed)
    }

    fn edits(&self, mapping: &str) -> Result<PathBuf> {
        let folder = self.state_dir().join("edits");
        for folder in [&self.state_dir(), &folder, &folder.join(mapping)] {
            private_folder(folder)?;
        }
        Ok(folder.join(mapping))
    }
}

/// Numbers of the edits that are kept, ascending.
fn numbers(folder: &std::path::Path) -> Result<Vec<u64>> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::io("list", folder, &error))?;
    let mut numbers: Vec<u64> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".after")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// What differs between the fields of two states of a mapping, in the order of the new one.
fn changes(before: &Mapping, after: &Mapping) -> Vec<ChangeLine> {
    let plain = |field: &Field| field_text(&Field { span: None, ..field.clone() });
    let mut lines = Vec::new();
    for field in &after.fields {
        let (old, new) = (before.field(&field.target).map(plain), plain(field));
        if old.as_ref() != Some(&new) {
            lines.push(ChangeLine { field: field.target.clone(), before: old, after: Some(new) });
        }
    }
    for field in before.fields.iter().filter(|field| after.field(&field.target).is_none()) {
        lines.push(ChangeLine { field: field.target.clone(), before: Some(plain(field)), after: None });
    }
    let ignored = |mapping: &Mapping| mapping.ignore.iter().cloned().collect::<BTreeSet<_>>();
    let (old, new) = (ignored(before), ignored(after));
    let word = || Some("left behind on purpose".to_owned());
    lines.extend(new.difference(&old).map(|name| ChangeLine { field: name.clone(), before: None, after: word() }));
    lines.extend(old.difference(&new).map(|name| ChangeLine { field: name.clone(), before: word(), after: None }));
    lines
}
