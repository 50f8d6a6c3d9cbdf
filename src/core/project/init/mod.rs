//! Beginning a project between two files, folders or databases: platforms, and a suggested mapping for each pair of objects.
pub(crate) mod begin;
mod evidence;
mod key;
mod links;
mod origin;
mod scenario;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::edit::{MappingEdit, write_text};
use super::{Field, MAPPINGS_DIR, PROJECT_FILE, PlatformConfig, Project};
use crate::error::{Error, Result};
use crate::monitor::Silent;
use crate::platform::{Connector, Registry, Schema, Source};
use crate::suggest::{self, FieldInfo, Knowledge, Side as Fields, Suggestion};
use crate::table::text::sanitize;
use evidence::Evidence;
use key::{Key, Sides};
use scenario::{Choice, choose};
pub use scenario::{InitAsk, InitDone, Recommended, Scenario};

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
    /// [`Project::init_for`] between two places, for no occasion in particular.
    pub fn init(root: &Path, old: &Path, new: &Path, registry: &Registry) -> Result<Vec<PathBuf>> {
        let ask = InitAsk { old: vec![old.to_owned()], new: vec![new.to_owned()], ..InitAsk::default() };
        Ok(Self::init_for(root, &ask, registry)?.files)
    }

    /// Writes `project.toml` with the platforms, and one suggested mapping for each pair of objects whose names are the same
    /// or near. Relative paths start from the current folder; a target that does not exist yet gets the source's names.
    /// Refuses where there is a project already.
    pub fn init_for(root: &Path, ask: &InitAsk, registry: &Registry) -> Result<InitDone> {
        let file = root.join(PROJECT_FILE);
        if file.exists() {
            return Err(Error::refused(format!("{} exists already", file.display()))
                .advise("name another folder with -C, or add a mapping to that project"));
        }
        counts_fit(ask)?;
        let root_path = full(root)?;
        let open = |word: &str, paths: &[PathBuf]| -> Result<Vec<Side>> {
            let name = |at: usize| if paths.len() == 1 { word.to_owned() } else { format!("{word}{}", at + 1) };
            paths.iter().enumerate().map(|(at, path)| side(&name(at), path, &root_path, registry)).collect()
        };
        let (olds, news) = (open("old", &ask.old)?, open("new", &ask.new)?);
        for (old, new) in olds.iter().flat_map(|old| news.iter().map(move |new| (old, new))) {
            if old.path == new.path {
                return Err(Error::usage("old and new are the same place")
                    .advise("name two files or folders: a target is never its own source"));
            }
        }
        if let Some(old) = olds.iter().find(|old| old.objects.is_empty()) {
            return Err(Error::data(format!("{} holds no table", old.path.display()))
                .advise("check that it is the right file or folder"));
        }
        let knowledge = Knowledge::of_project(root)?;
        let mut files: Vec<(PathBuf, String)> = Vec::new();
        let mut names = BTreeSet::new();
        let (mut groups, mut alone) = (Vec::new(), Vec::new());
        for (old, new) in olds.iter().flat_map(|old| news.iter().enumerate().map(move |(at, new)| (old, (at, new)))) {
            let (at, new) = new;
            let (pairs, left) = pairs(old, new)?;
            alone.extend(left.into_iter().map(|name| (new.config.name.clone(), name)));
            let mut drafts = Vec::new();
            for (from, to) in &pairs {
                let capabilities = new.connector.capabilities(to)?;
                if !capabilities.write {
                    return Err(Error::usage(format!("{} cannot be written by this program", new.config.kind))
                        .at(new.path.display())
                        .advise("choose a csv, parquet or sqlite target"));
                }
                let stem = match (olds.len() > 1, news.len() > 1) {
                    (false, false) => from.clone(),
                    (true, _) => format!("{}_{from}", old.config.name),
                    (false, true) => format!("{}_{from}", new.config.name),
                };
                let path = root.join(MAPPINGS_DIR).join(format!("{}.toml", file_name(&stem, &mut names)));
                if path.exists() {
                    return Err(Error::refused(format!("{} exists already", path.display()))
                        .advise("move it away, or name another folder with -C"));
                }
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let mut draft = draft(name, (old, from), (new, to), capabilities.identity.as_deref(), &knowledge)?;
                draft.part = ask.parts.get(at).cloned();
                drafts.push((path, draft));
            }
            let (paths, mut drafts): (Vec<PathBuf>, Vec<Draft>) = drafts.into_iter().unzip();
            links::add(&mut drafts);
            if olds.len() > 1 {
                origin::add(&mut drafts, &old.config.name);
            }
            groups.push((paths, drafts));
        }
        let rows = groups.iter().flat_map(|(_, drafts)| drafts).map(|draft| draft.old.rows()).sum();
        let kinds: Vec<&str> = olds.iter().map(|old| old.config.kind.as_str()).collect();
        let choice = ask.scenario.map(|scenario| choose(ask, scenario, &kinds, rows));
        for (paths, drafts) in groups {
            let texts: Vec<String> = drafts.iter().map(|draft| draft.text(choice.as_ref())).collect();
            files.extend(paths.into_iter().zip(texts));
        }
        // Last: while it is missing, the folder is not taken for a project.
        let sides: Vec<&Side> = olds.iter().chain(&news).collect();
        files.push((file, settings(&sides, &alone, ask.scenario, choice.as_ref())?));
        for (path, text) in &files {
            write_text(path, text)?;
        }
        let recommended = choice.map(|choice| choice.recommended).unwrap_or_default();
        Ok(InitDone { files: files.into_iter().map(|(path, _)| path).collect(), recommended })
    }
}

/// It can be read as an expression; whether the columns are there shows with each object.
fn is_condition(sql: &str) -> bool {
    use sqlparser::{dialect::GenericDialect, parser::Parser, tokenizer::Token};
    let parsed = Parser::new(&GenericDialect {}).try_with_sql(sql).and_then(|mut parser| {
        parser.parse_expr()?;
        parser.expect_token(&Token::EOF)
    });
    parsed.is_ok()
}

/// The places and conditions that an occasion needs.
fn counts_fit(ask: &InitAsk) -> Result<()> {
    let (old, new) = (ask.old.len(), ask.new.len());
    let wrong = |what: &str, advice: &str| Err(Error::usage(what).advise(advice));
    match ask.scenario {
        _ if old == 0 || new == 0 => wrong("an old and a new place are needed", "crm-console init OLD NEW"),
        Some(Scenario::Merge) if old < 2 || new != 1 => {
            wrong("a merge has several old CRMs and one new one", "name the others with --and")
        }
        Some(Scenario::Split) if new < 2 || old != 1 => {
            wrong("a split has one old CRM and several new ones", "name the others with --and")
        }
        Some(Scenario::Split) if ask.parts.len() != new => wrong(
            "a split needs a condition for each of the new CRMs",
            "say once for each, in their order: --part \"REGION = 'north'\"",
        ),
        Some(Scenario::Split) => {
            let broken = ask.parts.iter().find(|part| !is_condition(part));
            match broken {
                Some(part) => {
                    Err(Error::usage(format!("'{part}' is no condition")).advise("as in --part \"REGION = 'north'\""))
                }
                None => Ok(()),
            }
        }
        Some(Scenario::Merge) if ask.parts.is_empty() => Ok(()),
        _ if !ask.parts.is_empty() => wrong("--part belongs to a split", "add --scenario split"),
        _ if old > 1 || new > 1 => {
            wrong("--and belongs to a merge or a split", "add --scenario merge or --scenario split")
        }
        _ => Ok(()),
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
    if name.starts_with("old") && !path.exists() {
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

fn settings(
    sides: &[&Side],
    alone: &[(String, String)],
    scenario: Option<Scenario>,
    choice: Option<&Choice>,
) -> Result<String> {
    let mut text = String::new();
    if let (Some(scenario), Some(choice)) = (scenario, choice) {
        text.push_str(&format!("# {}: what was recommended, and why.\n", scenario.word()));
        for one in &choice.recommended {
            text.push_str(&wrapped(&format!("{}: {}. {}", one.about, one.choice, one.why)));
        }
        text.push('\n');
    }
    for side in sides {
        let path = side.config.path.as_deref().and_then(Path::to_str).ok_or_else(|| {
            Error::usage(format!("{} is not a path in UTF-8", side.path.display())).advise("rename the file or folder")
        })?;
        let path = toml_edit::Value::from(path);
        let (name, kind) = (&side.config.name, &side.config.kind);
        text.push_str(&format!("[platforms.{name}]\nkind = \"{kind}\"\npath = {path}\n\n"));
    }
    for (side, object) in alone {
        text.push_str(&format!("# no counterpart in {side}: {}\n", sanitize(object)));
    }
    Ok(text.trim_end().to_owned() + "\n")
}

/// A comment in lines that fit.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 96;
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push("#  ".to_owned());
        }
        let last = lines.len() - 1;
        lines[last].push(' ');
        lines[last].push_str(word);
    }
    lines.join("\n") + "\n"
}

/// A suggested mapping.
struct Draft {
    name: String,
    /// Platforms of both sides.
    platforms: (String, String),
    from: String,
    to: String,
    /// Which rows of the source are its own, for a split.
    part: Option<String>,
    /// Which rows of the target are its own, for a merge.
    scope: Option<String>,
    /// Columns of both sides in their order.
    source: Vec<String>,
    target: Vec<String>,
    /// Target columns that must be filled.
    required: Vec<String>,
    /// Target columns that the target fills itself.
    generated: Vec<String>,
    /// The source's rows.
    old: Evidence,
    found: Vec<Suggestion>,
    fields: Vec<Field>,
    key: Key,
}

/// Suggests a mapping between two objects.
fn draft(
    name: String,
    (old, from): (&Side, &str),
    (new, to): (&Side, &str),
    identity: Option<&str>,
    knowledge: &Knowledge,
) -> Result<Draft> {
    let source = suggest::sample(&*old.connector, &Source::Object(from.to_owned()), &Silent)?;
    let (target, schema, rows) = if new.objects.iter().any(|object| object == to) {
        let object = Source::Object(to.to_owned());
        let fields = suggest::sample(&*new.connector, &object, &Silent)?;
        (fields, new.connector.schema(&object)?, Evidence::of(&*new.connector, to)?)
    } else {
        // What does not exist yet gets the source's names.
        let fields = source.fields.iter().map(|field| FieldInfo::named(&field.name)).collect();
        (Fields::of(fields), Schema::default(), Evidence::default())
    };
    let evidence = Evidence::of(&*old.connector, from)?;
    let found = suggest::propose(&source, &target, knowledge);
    let mut written: Vec<&Suggestion> = found.iter().filter(|item| item.rank == 1 && item.score >= WRITTEN).collect();
    let place = |name: &str| target.fields.iter().position(|field| field.name == name);
    written.sort_by_key(|item| place(&item.to));
    // An id that the target gives out is not written from outside: the crosswalk knows which record has which.
    let given = |name: &str| schema.column(name).is_some_and(|column| column.generated) || identity == Some(name);
    let mut fields: Vec<Field> = written.iter().filter(|item| !given(&item.to)).map(|item| item.field()).collect();
    let sides = Sides {
        source: &source.fields,
        target: &target.fields,
        schema: &schema,
        identity,
        found: &found,
        old: &evidence,
        new: &rows,
    };
    let Some(key) = key::choose(&sides, &mut fields) else {
        return Err(Error::data(format!("no field of {from} fits any of {to}"))
            .advise("check that the two belong together; a mapping can be written by hand in mappings/"));
    };
    let names = |fields: &[FieldInfo]| fields.iter().map(|field| field.name.clone()).collect();
    let columns = || schema.columns.iter();
    Ok(Draft {
        name,
        platforms: (old.config.name.clone(), new.config.name.clone()),
        part: None,
        scope: None,
        from: from.to_owned(),
        to: to.to_owned(),
        source: names(&source.fields),
        target: names(&target.fields),
        required: columns().filter(|one| one.required && !one.generated).map(|one| one.name.clone()).collect(),
        generated: target.fields.iter().map(|field| field.name.clone()).filter(|name| given(name)).collect(),
        old: evidence,
        found,
        fields,
        key,
    })
}

impl Draft {
    /// A condition reads nothing but columns of the source.
    fn has_columns_of(&self, condition: &str) -> bool {
        crate::map::sql::compile(condition, &self.source).is_ok()
    }

    /// The text of the mapping: nothing in it is invented. What the target demands and nothing fills is listed under
    /// `unfinished`: `check` warns of it, and no plan inserts before it is mapped.
    fn text(&self, choice: Option<&Choice>) -> String {
        let mut edit = MappingEdit::new(
            &format!("{}:{}", self.platforms.0, self.from),
            &format!("{}:{}", self.platforms.1, self.to),
            std::slice::from_ref(&self.key.target),
        );
        if let Some(scope) = &self.scope {
            edit.set_text("scope", Some(scope));
        }
        let mut notes = Vec::new();
        if let Some(part) = &self.part {
            // An object that does not have the column goes whole until somebody says which of its rows are meant.
            if self.has_columns_of(part) {
                edit.set_text("where", Some(part));
            } else {
                notes.push(format!("# split: {part} names a column that {} does not have: say which", self.from));
                notes.push("# of its rows are meant, where = \"…\"".to_owned());
            }
            edit.set_text("split", Some(&self.from));
        }
        let filled = |name: &str| self.fields.iter().any(|field| field.target == name);
        let open: Vec<String> = self.required.iter().filter(|name| !filled(name)).cloned().collect();
        if !open.is_empty() {
            edit.set_texts("unfinished", Some(&open));
        }
        edit.set_fields(&self.fields);
        if let Some(choice) = choice {
            edit.set_in("run", "left_behind", Some(&toml::Value::from("block")));
            if choice.incremental {
                edit.set_in("run", "mode", Some(&toml::Value::from("incremental")));
            }
            if let Some(trigger) = choice.trigger {
                edit.set_in("sync", "trigger", Some(&toml::Value::from(trigger)));
                if choice.both_ways {
                    edit.set_in("sync", "direction", Some(&toml::Value::from("two-way")));
                }
            }
        }
        let mut text = edit.to_string();
        if self.key.repeats > 0 {
            notes
                .push(format!("# key: {} rows repeat the key of an earlier one; they are rejected,", self.key.repeats));
            notes.push("# or left to the first of them by: duplicates = \"first\"".to_owned());
        }
        if !self.key.proven {
            notes.push(format!(
                "# key: {} is not filled or not unique in every row; look for a better one",
                self.key.target
            ));
        }
        for name in self.target.iter().filter(|name| !filled(name)) {
            if self.generated.contains(name) {
                notes.push(format!("# left out: {name}, the target fills it"));
                continue;
            }
            let guess = self.found.iter().filter(|item| item.to == *name).max_by(|a, b| a.score.total_cmp(&b.score));
            let guess = guess.map_or("no guess".to_owned(), |item| {
                format!("best guess {} {}", item.from, format!("{:.2}", item.score).trim_start_matches('0'))
            });
            notes.push(format!("# left out: {name}, {guess}"));
        }
        let used = |name: &str| self.fields.iter().any(|field| field.reads(name));
        notes.extend(self.source.iter().filter(|name| !used(name)).map(|name| format!("# left behind: {name}")));
        if !notes.is_empty() {
            text.push('\n');
        }
        for note in notes {
            // Names come from outside: no control character may end a comment.
            text.push_str(&sanitize(&note).replace(['\n', '\r'], " "));
            text.push('\n');
        }
        text
    }
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
}
