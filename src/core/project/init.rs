//! Beginning a project between two files, folders or databases: platforms, and a suggested mapping for each pair of objects.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::edit::{MappingEdit, write_text};
use super::{Field, MAPPINGS_DIR, Origin, PROJECT_FILE, PlatformConfig, Project, RuleConfig};
use crate::error::{Error, Result};
use crate::monitor::Silent;
use crate::platform::{Connector, Registry, Schema, Source};
use crate::suggest::{self, FieldInfo, Suggestion};
use crate::table::text::sanitize;

/// Suggestions below it are not written, only named in a comment.
const WRITTEN: f64 = 0.5;

/// One side of the project.
struct Side {
    config: PlatformConfig,
    connector: Arc<dyn Connector>,
    objects: Vec<String>,
    path: PathBuf,
}

impl Project {
    /// Writes `project.toml` with the platforms `old` and `new`, and one suggested mapping for each pair of objects whose
    /// names are the same or near; answers the files written. Relative paths of `old` and `new` start from the current
    /// folder; a target that does not exist yet gets the source's names. Refuses where there is a project already.
    pub fn init(root: &Path, old: &Path, new: &Path, registry: &Registry) -> Result<Vec<PathBuf>> {
        let file = root.join(PROJECT_FILE);
        if file.exists() {
            return Err(Error::refused(format!("{} exists already", file.display()))
                .advise("name another folder with -C, or add a mapping to that project"));
        }
        let root_path = full(root)?;
        let (old, new) = (side("old", old, &root_path, registry)?, side("new", new, &root_path, registry)?);
        if old.path == new.path {
            return Err(Error::usage("old and new are the same place")
                .advise("name two files or folders: a target is never its own source"));
        }
        if old.objects.is_empty() {
            return Err(Error::data(format!("{} holds no table", old.path.display()))
                .advise("check that it is the right file or folder"));
        }
        let (pairs, alone) = pairs(&old, &new)?;
        let mut files: Vec<(PathBuf, String)> = Vec::new();
        let mut names = BTreeSet::new();
        for (from, to) in &pairs {
            let capabilities = new.connector.capabilities(to)?;
            if !capabilities.write {
                return Err(Error::usage(format!("{} cannot be written by this program", new.config.kind))
                    .at(new.path.display())
                    .advise("choose a csv, parquet or sqlite target"));
            }
            let path = root.join(MAPPINGS_DIR).join(format!("{}.toml", file_name(from, &mut names)));
            if path.exists() {
                return Err(Error::refused(format!("{} exists already", path.display()))
                    .advise("move it away, or name another folder with -C"));
            }
            files.push((path, mapping(&old, from, &new, to)?));
        }
        // Last: while it is missing, the folder is not taken for a project.
        files.push((file, settings(&old, &new, &alone)?));
        for (path, text) in &files {
            write_text(path, text)?;
        }
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }
}

/// An absolute path without links, also for what does not exist yet.
fn full(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path).map_err(|error| Error::io("find", path, &error))?;
    let mut missing = Vec::new();
    let mut there = path.as_path();
    loop {
        if let Ok(real) = there.canonicalize() {
            return Ok(missing.iter().rev().fold(real, |path, part| path.join(part)));
        }
        let (Some(parent), Some(name)) = (there.parent(), there.file_name()) else { return Ok(path) };
        missing.push(name.to_owned());
        there = parent;
    }
}

fn side(name: &str, path: &Path, root: &Path, registry: &Registry) -> Result<Side> {
    let path = full(path)?;
    if name == "old" && !path.exists() {
        return Err(Error::platform(format!("{} does not exist", path.display()))
            .advise("the first of the two is the old CRM: a file or a folder of files"));
    }
    let inside = path.strip_prefix(root).unwrap_or(&path);
    let shown = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
    let kind = kind_of(&path)?;
    let config = PlatformConfig {
        name: name.to_owned(),
        kind: kind.to_owned(),
        path: Some(shown.to_owned()),
        ..PlatformConfig::default()
    };
    let connector = registry.open(&config, root)?;
    let objects =
        if path.exists() { connector.objects()?.into_iter().map(|object| object.name).collect() } else { Vec::new() };
    Ok(Side { config, connector, objects, path })
}

/// The kind by a file's extension; of a folder, the kind that most of its files have.
fn kind_of(path: &Path) -> Result<&'static str> {
    if !path.is_dir() {
        return match path.extension() {
            None if !path.exists() => Ok("csv"),
            _ => Ok(kind_of_name(path).unwrap_or("csv")),
        };
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in std::fs::read_dir(path).map_err(|error| Error::io("list", path, &error))? {
        let file = entry.map_err(|error| Error::io("list", path, &error))?.path();
        if let Some(kind) = kind_of_name(&file).filter(|_| file.is_file()) {
            *counts.entry(kind).or_default() += 1;
        }
    }
    // A database or a workbook in a folder is a platform of its own, not an object of one.
    counts.retain(|kind, _| !matches!(*kind, "sqlite" | "excel"));
    let best = counts.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0)));
    Ok(best.map_or("csv", |(kind, _)| kind))
}

fn kind_of_name(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    Some(match extension.as_str() {
        "csv" | "txt" => "csv",
        "tsv" | "tab" => "tsv",
        "ndjson" | "jsonl" => "ndjson",
        "json" => "json",
        "parquet" | "pq" => "parquet",
        "xlsx" | "xlsm" | "xlsb" | "xls" | "ods" => "excel",
        "sqlite" | "sqlite3" | "db" | "db3" => "sqlite",
        _ => return None,
    })
}

/// Pairs of objects, old and new.
type Pairs = Vec<(String, String)>;

/// Pairs of objects, and the old ones without a counterpart.
fn pairs(old: &Side, new: &Side) -> Result<(Pairs, Vec<String>)> {
    if let ([from], [to]) = (old.objects.as_slice(), new.objects.as_slice()) {
        return Ok((vec![(from.clone(), to.clone())], Vec::new()));
    }
    if new.objects.is_empty() {
        let to_file = !new.path.is_dir() && new.path.extension().is_some() && new.config.kind != "sqlite";
        let Some(stem) = new.path.file_stem().filter(|_| to_file) else {
            return Ok((old.objects.iter().map(|name| (name.clone(), name.clone())).collect(), Vec::new()));
        };
        return match old.objects.as_slice() {
            [from] => Ok((vec![(from.clone(), stem.to_string_lossy().into_owned())], Vec::new())),
            _ => Err(Error::usage(format!("{} objects cannot go into one new file", old.objects.len()))
                .advise("name a folder or a database as the new side")),
        };
    }
    let mut found: BTreeMap<&String, &String> = BTreeMap::new();
    for from in &old.objects {
        if let Some(to) = new.objects.iter().find(|to| to.eq_ignore_ascii_case(from)) {
            found.insert(from, to);
        }
    }
    let named = |names: Vec<&String>| names.into_iter().map(|name| FieldInfo::named(name)).collect::<Vec<_>>();
    let left = named(old.objects.iter().filter(|name| !found.contains_key(name)).collect());
    let free = named(new.objects.iter().filter(|name| !found.values().any(|taken| taken == name)).collect());
    for item in suggest::suggest(&left, &free) {
        let from = old.objects.iter().find(|name| **name == item.from);
        let to = new.objects.iter().find(|name| **name == item.to);
        if let (true, Some(from), Some(to)) = (item.rank == 1 && item.score >= WRITTEN, from, to) {
            found.insert(from, to);
        }
    }
    let alone = old.objects.iter().filter(|name| !found.contains_key(name)).cloned().collect();
    Ok((found.into_iter().map(|(from, to)| (from.clone(), to.clone())).collect(), alone))
}

/// A name for the mapping's file: letters, digits, `-` and `_`, used once.
fn file_name(object: &str, used: &mut BTreeSet<String>) -> String {
    let plain: String = object.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let plain = if plain.is_empty() { "mapping".to_owned() } else { plain };
    let mut name = plain.clone();
    let mut count = 2;
    while !used.insert(name.to_lowercase()) {
        name = format!("{plain}_{count}");
        count += 1;
    }
    name
}

fn settings(old: &Side, new: &Side, alone: &[String]) -> Result<String> {
    let mut text = String::new();
    for side in [old, new] {
        let path = side.config.path.as_deref().and_then(Path::to_str).ok_or_else(|| {
            Error::usage(format!("{} is not a path in UTF-8", side.path.display())).advise("rename the file or folder")
        })?;
        let path = toml_edit::Value::from(path);
        let (name, kind) = (&side.config.name, &side.config.kind);
        text.push_str(&format!("[platforms.{name}]\nkind = \"{kind}\"\npath = {path}\n\n"));
    }
    for object in alone {
        text.push_str(&format!("# no counterpart in new: {}\n", sanitize(object)));
    }
    Ok(text.trim_end().to_owned() + "\n")
}

/// The text of a mapping between two objects.
fn mapping(old: &Side, from: &str, new: &Side, to: &str) -> Result<String> {
    let source = suggest::fields_of(&*old.connector, &Source::Object(from.to_owned()), &Silent)?;
    let (target, schema) = if new.objects.iter().any(|object| object == to) {
        let object = Source::Object(to.to_owned());
        (suggest::fields_of(&*new.connector, &object, &Silent)?, new.connector.schema(&object)?)
    } else {
        (source.iter().map(|field| FieldInfo::named(&field.name)).collect(), Schema::default())
    };
    let found = suggest::suggest(&source, &target);
    let mut written: Vec<&Suggestion> = found.iter().filter(|item| item.rank == 1 && item.score >= WRITTEN).collect();
    let place = |name: &str| target.iter().position(|field| field.name == name);
    written.sort_by_key(|item| place(&item.to));
    let mut fields: Vec<Field> = written.iter().map(|item| field(item)).collect();
    let key = key(&source, &target, &schema, &mut fields);
    let Some(key) = key else {
        return Err(Error::data(format!("no field of {from} fits any of {to}"))
            .advise("check that the two belong together; a mapping can be written by hand in mappings/"));
    };
    let mut edit = MappingEdit::new(&format!("old:{from}"), &format!("new:{to}"), &[key]);
    edit.set_fields(&fields);
    let mut text = edit.to_string();
    let filled = |name: &str| fields.iter().any(|field| field.target == name);
    let used = |name: &str| fields.iter().any(|field| matches!(&field.origin, Origin::From(from) if from == name));
    let mut notes = Vec::new();
    for field in target.iter().filter(|field| !filled(&field.name)) {
        let guess = found.iter().filter(|item| item.to == field.name).max_by(|a, b| a.score.total_cmp(&b.score));
        let guess = guess.map_or("no guess".to_owned(), |item| {
            format!("best guess {} {}", item.from, format!("{:.2}", item.score).trim_start_matches('0'))
        });
        notes.push(format!("# left out: {}, {guess}", field.name));
    }
    notes.extend(source.iter().filter(|field| !used(&field.name)).map(|f| format!("# left behind: {}", f.name)));
    if !notes.is_empty() {
        text.push('\n');
    }
    for note in notes {
        // Names come from outside: no control character may end a comment.
        text.push_str(&sanitize(&note).replace(['\n', '\r'], " "));
        text.push('\n');
    }
    Ok(text)
}

fn field(item: &Suggestion) -> Field {
    let mut field = Field::new(&item.to, Origin::From(item.from.clone()));
    field.clean = item.transform.iter().filter_map(|rule| rule_of(rule)).collect();
    field
}

/// `trim`, or `date = ["%d/%m/%Y"]`.
fn rule_of(text: &str) -> Option<RuleConfig> {
    if !text.contains('=') {
        return Some(RuleConfig { name: text.to_owned(), setting: None });
    }
    let (name, setting) = text.parse::<toml::Table>().ok()?.into_iter().next()?;
    Some(RuleConfig { name, setting: Some(setting) })
}

/// The target field that identifies a record: the most id-like one whose source is unique. Where no field is, an id that
/// the names did not bring together is added. None if there are no fields at all.
fn key(source: &[FieldInfo], target: &[FieldInfo], schema: &Schema, fields: &mut Vec<Field>) -> Option<String> {
    let unique: Vec<&FieldInfo> = source.iter().filter(|field| is_unique(&field.samples)).collect();
    let from = |field: &Field| match &field.origin {
        Origin::From(name) => name.clone(),
        _ => String::new(),
    };
    let rank = |field: &Field| {
        let declared = schema.column(&field.target).is_some_and(|column| column.key);
        (u8::from(declared) * 4).max(suggest::id_likeness(&from(field))).max(suggest::id_likeness(&field.target))
    };
    let mut best: Option<(u8, String)> = None;
    for field in fields.iter().filter(|field| unique.iter().any(|unique| unique.name == from(field))) {
        if best.as_ref().is_none_or(|(old, _)| rank(field) > *old) {
            best = Some((rank(field), field.target.clone()));
        }
    }
    if best.as_ref().is_some_and(|(rank, _)| *rank >= 2) {
        return best.map(|(_, name)| name);
    }
    let is_free = |name: &str| {
        fields.iter().all(|field| field.target != name) && schema.column(name).is_none_or(|column| !column.generated)
    };
    let identity = unique
        .iter()
        .filter(|unique| suggest::id_likeness(&unique.name) >= 3 && fields.iter().all(|f| from(f) != unique.name))
        .max_by_key(|unique| suggest::id_likeness(&unique.name));
    let place = target.iter().filter(|to| suggest::id_likeness(&to.name) >= 3 && is_free(&to.name));
    let place = place.max_by_key(|to| suggest::id_likeness(&to.name)).map(|to| to.name.clone());
    if let (Some(identity), Some(place)) = (identity, place) {
        fields.insert(0, Field::new(&place, Origin::From(identity.name.clone())));
        return Some(place);
    }
    best.map(|(_, name)| name).or_else(|| fields.first().map(|field| field.target.clone()))
}

/// All filled, all different. A column without rows counts, for want of anything against it.
fn is_unique(samples: &[String]) -> bool {
    let mut seen = BTreeSet::new();
    samples.iter().all(|value| !value.trim().is_empty() && seen.insert(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn kinds_are_guessed_from_names() {
        let dir = tempfile::tempdir().unwrap();
        for (name, kind) in [("a.csv", "csv"), ("a.DB", "sqlite"), ("a.xlsx", "excel"), ("a.dat", "csv")] {
            assert_eq!(kind_of(&dir.path().join(name)).unwrap(), kind, "{name}");
        }
        assert_eq!(kind_of(dir.path()).unwrap(), "csv");
        for name in ["a.parquet", "b.parquet", "c.csv", "d.db"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        assert_eq!(kind_of(dir.path()).unwrap(), "parquet");
    }

    #[test]
    fn files_of_mappings_have_safe_names_used_once() {
        let mut used = BTreeSet::new();
        assert_eq!(file_name("../a b", &mut used), "___a_b");
        assert_eq!(file_name("People", &mut used), "People");
        assert_eq!(file_name("people", &mut used), "people_2");
    }

    #[test]
    fn an_id_that_names_do_not_bring_together_becomes_the_key() {
        let field = |name: &str, samples: &[&str]| FieldInfo {
            samples: samples.iter().map(|value| (*value).to_owned()).collect(),
            ..FieldInfo::named(name)
        };
        let source = [field("CONTACT_ID", &["1", "2"]), field("CITY", &["Bonn", "Bonn"])];
        let target = [FieldInfo::named("id"), FieldInfo::named("city")];
        let mut fields = vec![Field::new("city", Origin::From("CITY".into()))];
        assert_eq!(key(&source, &target, &Schema::default(), &mut fields).as_deref(), Some("id"));
        assert_eq!(fields[0].target, "id");
        assert_eq!(key(&[], &[], &Schema::default(), &mut Vec::new()), None);
    }
}
