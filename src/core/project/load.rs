//! Reading a project.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml_edit::Document;

use super::read::mapping::read_mapping;
use super::read::settings::{Settings, read_settings};
use super::read::{Reader, Section};
use super::words::did_you_mean;
use super::{
    AlertsConfig, Mapping, ObjectRef, PlatformConfig, Problem, PushConfig, StateConfig, TargetConfig, order, validate,
};
use crate::error::{Error, Result};

/// The settings file of a project.
pub const PROJECT_FILE: &str = "project.toml";
/// The folder of its mappings.
pub const MAPPINGS_DIR: &str = "mappings";

/// A project as loaded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Project {
    /// Its folder.
    pub root: PathBuf,
    /// Name, for titles.
    pub name: String,
    /// Environment in force.
    pub env: Option<String>,
    /// Names of all environments.
    pub envs: Vec<String>,
    /// Platforms by name.
    pub platforms: BTreeMap<String, PlatformConfig>,
    /// `[targets]`.
    pub targets: BTreeMap<ObjectRef, TargetConfig>,
    /// `[state]`: how long things are kept.
    pub state: StateConfig,
    /// `[push]`: how others tell of changes.
    pub push: PushConfig,
    /// `[alerts]`: whom sync tells that somebody must look.
    pub alerts: AlertsConfig,
    /// Mappings by name, in load order (parents of links first).
    pub mappings: Vec<Mapping>,
    /// Findings that did not stop the load. A mapping that cannot be read is left out and named here. One that is
    /// well-formed but does not fit the others (a link to a mapping that is not there) stays, with an error here.
    pub problems: Vec<Problem>,
}

impl Project {
    /// Loads `project.toml` and all mappings under `root`. Fails only if `project.toml` itself cannot be understood, or
    /// has no environment of that name.
    pub fn load(root: &Path, env: Option<&str>) -> Result<Self> {
        let file = root.join(PROJECT_FILE);
        let text = std::fs::read_to_string(&file).map_err(|error| no_project(root, &file, &error))?;
        let document = Document::parse(text.as_str()).map_err(|error| {
            let (line, column) =
                Reader::new(Path::new(PROJECT_FILE), &text).position(error.span().map_or(0, |s| s.start));
            Error::usage(format!("not valid TOML: {}", one_line(error.message())))
                .at(format!("{PROJECT_FILE} line {line} column {column}"))
        })?;
        let mut reader = Reader::new(Path::new(PROJECT_FILE), &text);
        let top = Section { table: document.as_table(), path: String::new(), span: Some(0..0) };
        let settings = read_settings(&mut reader, &top, env);
        if let Some(env) = env
            && !settings.envs.iter().any(|known| known == env)
        {
            let known: Vec<&str> = settings.envs.iter().map(String::as_str).collect();
            return Err(Error::usage(format!("no environment '{env}'"))
                .at(PROJECT_FILE)
                .advise(format!("{}; add [env.{env}.platforms.NAME]", did_you_mean(env, &known))));
        }
        let Settings { name, envs, platforms, targets, state, push, alerts } = settings;
        let mut project = Self {
            root: root.to_owned(),
            name: name.unwrap_or_else(|| folder_name(root)),
            env: env.map(str::to_owned),
            envs,
            platforms,
            targets,
            state,
            push,
            alerts,
            mappings: Vec::new(),
            problems: reader.problems,
        };
        let broken = project.read_mappings()?;
        validate::check_project(&mut project, &broken);
        order::sort(&mut project);
        Ok(project)
    }

    /// The mapping of that name.
    pub fn mapping(&self, name: &str) -> Option<&Mapping> {
        self.mappings.iter().find(|mapping| mapping.name == name)
    }

    /// Reads every mapping file, by name; answers the names of those that could not be read.
    fn read_mappings(&mut self) -> Result<Vec<String>> {
        let mut broken = Vec::new();
        for file in mapping_files(&self.root)? {
            let relative = Path::new(MAPPINGS_DIR).join(&file);
            let read = std::fs::read(self.root.join(&relative))
                .map_err(|error| vec![Problem::error(&relative, format!("cannot be read: {error}"))])
                .and_then(|bytes| decode(&relative, bytes))
                .and_then(|text| load_mapping_with(&self.root, &relative, &text));
            match read {
                Ok((mapping, warnings)) => {
                    self.problems.extend(warnings);
                    self.mappings.push(mapping);
                }
                Err(problems) => {
                    self.problems.extend(problems);
                    broken.push(relative.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default());
                }
            }
        }
        Ok(broken)
    }
}

/// Parses one mapping file's text. All problems at once. `path` may be relative to `root`; problems name it so.
pub fn load_mapping(root: &Path, path: &Path, text: &str) -> Result<Mapping, Vec<Problem>> {
    load_mapping_with(root, path, text).map(|(mapping, _)| mapping)
}

/// As [`load_mapping`], with the warnings beside a mapping that loads.
pub fn load_mapping_with(root: &Path, path: &Path, text: &str) -> Result<(Mapping, Vec<Problem>), Vec<Problem>> {
    let mut reader = Reader::new(path.strip_prefix(root).unwrap_or(path), text);
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            let (_, column) = reader.position(span.start);
            let message = format!("not valid TOML at column {column}: {}", one_line(error.message()));
            reader.error_at(Some(&span), "", message);
            return Err(reader.problems);
        }
    };
    let top = Section { table: document.as_table(), path: String::new(), span: Some(0..0) };
    match read_mapping(&mut reader, root, path, &top) {
        Some(mapping) if reader.clean() => Ok((mapping, reader.problems)),
        _ => Err(reader.problems),
    }
}

fn no_project(root: &Path, file: &Path, error: &std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return Error::usage(format!("no project here: {} has no {PROJECT_FILE}", root.display())).advise(
            "start one with `crm-console init OLD NEW`, look at one with `crm-console demo`, or name a folder with -C",
        );
    }
    Error::io("read", file, error)
}

fn folder_name(root: &Path) -> String {
    let full = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    full.file_name().map_or_else(|| "project".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// File names in `mappings/` that end in `.toml`, sorted; none if the folder is not there.
fn mapping_files(root: &Path) -> Result<Vec<PathBuf>> {
    let folder = root.join(MAPPINGS_DIR);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", &folder, &error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("list", &folder, &error))?;
        let name = PathBuf::from(entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.');
        if !hidden && name.extension().is_some_and(|extension| extension == "toml") {
            files.push(name);
        }
    }
    files.sort();
    Ok(files)
}

fn decode(file: &Path, bytes: Vec<u8>) -> Result<String, Vec<Problem>> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = 1 + memchr::memchr_iter(b'\n', &error.as_bytes()[..at]).count();
        vec![Problem { line, ..Problem::error(file, "is not UTF-8 text: save it as UTF-8") }]
    })
}

/// Parser messages may go over several lines; a problem is one.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
