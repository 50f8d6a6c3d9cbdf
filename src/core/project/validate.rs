//! What `check` lists, and how the mappings of a project fit together.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::words::did_you_mean;
use super::{Mapping, ObjectRef, Origin, Project, TargetOnly};
use crate::platform::Source;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Blocks a plan.
    Error,
    /// Should be looked at.
    Warning,
}

/// One finding in a project file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// File, relative to the project.
    pub file: PathBuf,
    /// Line, counted from 1; 0 if it is about the whole file.
    pub line: usize,
    /// Dotted name: `fields.email.clean[1]`.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Within an SQL expression: the expression and the byte range to underline.
    pub sql: Option<(String, usize, usize)>,
}

impl Problem {
    /// An error about a whole file.
    pub fn error(file: &Path, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            line: 0,
            field: String::new(),
            message: message.into(),
            sql: None,
        }
    }
}

impl std::fmt::Display for Problem {
    /// `mappings/contacts.toml line 4, fields.email: what is wrong`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, " line {}", self.line)?;
        }
        if !self.field.is_empty() {
            write!(f, ", {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Notes what does not fit between `project.toml` and the mappings and among the mappings. `broken`: mappings that are
/// there but could not be read.
pub(super) fn check_project(project: &mut Project, broken: &[String]) {
    let mut found = Vec::new();
    for mapping in &project.mappings {
        check_platforms(project, mapping, &mut found);
        check_links(project, mapping, broken, &mut found);
    }
    check_shared_targets(project, &mut found);
    check_target_sources(project, broken, &mut found);
    project.problems.append(&mut found);
}

/// A problem at an entry of a mapping's file. The text is read again: lines are wanted only where something is wrong.
pub(crate) fn at(project: &Project, mapping: &Mapping, severity: Severity, field: &str, message: String) -> Problem {
    let line = std::fs::read_to_string(project.root.join(&mapping.path)).map_or(0, |text| line_of(&text, field));
    Problem { severity, line, field: field.to_owned(), ..Problem::error(&mapping.path, message) }
}

/// Line of a top-level key or of `fields.NAME`; 0 if it is not there.
fn line_of(text: &str, field: &str) -> usize {
    use super::read::{Reader, Section};
    let Ok(document) = toml_edit::Document::parse(text) else { return 0 };
    let mut reader = Reader::new(Path::new(""), text);
    let top = Section { table: document.as_table(), path: String::new(), span: None };
    let place = match field.split_once('.') {
        Some((section, key)) => reader.section(&top, section).and_then(|section| section.place(key)),
        None => top.place(field),
    };
    place.map_or(0, |span| reader.position(span.start).0)
}

fn check_platforms(project: &Project, mapping: &Mapping, found: &mut Vec<Problem>) {
    let known: Vec<&str> = project.platforms.keys().map(String::as_str).collect();
    for (field, platform) in [("from", &mapping.from.platform), ("to", &mapping.to.platform)] {
        if !known.contains(&platform.as_str()) {
            let message = format!("no platform '{platform}' in project.toml: {}", did_you_mean(platform, &known));
            found.push(at(project, mapping, Severity::Error, field, message));
        }
    }
    let from_object = matches!(&mapping.from.source, Source::Object(object) if *object == mapping.to.object);
    if from_object && mapping.from.platform == mapping.to.platform {
        let message = format!("{} would be written over its own source; choose another object or platform", mapping.to);
        found.push(at(project, mapping, Severity::Error, "to", message));
    }
}

fn check_links(project: &Project, mapping: &Mapping, broken: &[String], found: &mut Vec<Problem>) {
    let names: Vec<&str> = project.mappings.iter().map(|mapping| mapping.name.as_str()).collect();
    for field in &mapping.fields {
        let Some(link) = &field.link else { continue };
        if names.contains(&link.as_str()) {
            continue;
        }
        let message = if broken.contains(link) {
            format!("links to mapping '{link}', which has errors of its own: mend those first")
        } else {
            format!("there is no mapping '{link}' to link to: {}", did_you_mean(link, &names))
        };
        found.push(at(project, mapping, Severity::Error, &format!("fields.{}", field.target), message));
    }
}

/// Several mappings into one object need disjoint scopes, and a key that says where a record came from.
fn check_shared_targets(project: &Project, found: &mut Vec<Problem>) {
    let mut by_target: BTreeMap<&ObjectRef, Vec<&Mapping>> = BTreeMap::new();
    for mapping in &project.mappings {
        by_target.entry(&mapping.to).or_default().push(mapping);
    }
    for (target, mappings) in by_target {
        for (index, mapping) in mappings.iter().enumerate() {
            for earlier in &mappings[..index] {
                check_pair(project, target, earlier, mapping, found);
            }
        }
    }
}

fn check_pair(project: &Project, target: &ObjectRef, a: &Mapping, b: &Mapping, found: &mut Vec<Problem>) {
    let other = &a.name;
    match (&a.scope, &b.scope) {
        (Some(one), Some(two)) if same_sql(one, two) => found.push(at(
            project,
            b,
            Severity::Error,
            "scope",
            format!(
                "mapping '{other}' writes {target} with the same scope: give each its own rows, as in \"origin = 'eu'\""
            ),
        )),
        (Some(_), Some(_)) => {}
        _ => {
            let bare = if b.scope.is_none() { b } else { a };
            // Without a scope a mapping owns what it matched or wrote; that is only dangerous where it removes rows.
            let removes = [a, b].iter().any(|m| !matches!(m.target_only, TargetOnly::Keep | TargetOnly::List));
            let severity = if removes { Severity::Error } else { Severity::Warning };
            let others = if bare.name == b.name { &a.name } else { &b.name };
            let message =
                format!("mapping '{others}' writes {target} too: say which rows are this one's, scope = \"…\"");
            found.push(at(project, bare, severity, "to", message));
        }
    }
    if !has_origin(a, b) {
        // Two platforms count from 1 each; two objects of one platform may share a sequence.
        let severity = if a.from.platform == b.from.platform { Severity::Warning } else { Severity::Error };
        let message = format!(
            "mapping '{other}' writes {target} too, and both may have an id 1: put the origin into the key, as in \
             key = [\"origin\", \"legacy_id\"] with origin = {{ const = \"{}\" }}",
            b.from.platform
        );
        found.push(at(project, b, severity, "key", message));
    }
}

fn same_sql(a: &str, b: &str) -> bool {
    let squeezed = |sql: &str| sql.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    squeezed(a) == squeezed(b)
}

/// Some key field differs between the two by construction: other constants, or an expression of its own.
fn has_origin(a: &Mapping, b: &Mapping) -> bool {
    a.key.iter().any(|name| match (a.field(name).map(|f| &f.origin), b.field(name).map(|f| &f.origin)) {
        (Some(Origin::Const(one) | Origin::Sql(one)), Some(Origin::Const(two) | Origin::Sql(two))) => one != two,
        (Some(Origin::Sql(_)), Some(Origin::From(_))) | (Some(Origin::From(_)), Some(Origin::Sql(_))) => true,
        _ => false,
    })
}

fn check_target_sources(project: &Project, broken: &[String], found: &mut Vec<Problem>) {
    let names: Vec<&str> = project.mappings.iter().map(|mapping| mapping.name.as_str()).collect();
    for (target, config) in &project.targets {
        for source in &config.sources {
            if !names.contains(&source.as_str()) && !broken.contains(source) {
                let message = format!("there is no mapping '{source}': {}", did_you_mean(source, &names));
                found.push(Problem {
                    severity: Severity::Warning,
                    field: format!("targets.\"{target}\".sources"),
                    ..Problem::error(Path::new(super::load::PROJECT_FILE), message)
                });
            }
        }
    }
}
