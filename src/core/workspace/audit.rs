//! What is noted in the audit log from outside a run, and looking at it.
use std::path::Path;

use super::Workspace;
use crate::error::Result;
use crate::journal::{Audit, AuditFilter, AuditHead, Entry, StateDir};
use crate::plan::Plan;

/// Hex digits of a file's hash that are enough to tell its versions apart.
const DIGITS: usize = 16;

/// Columns that were masked and are shown, and where that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revealed {
    /// `screen Data`, `command trace`.
    pub by: String,
    /// The run that is looked at.
    pub run: Option<String>,
    /// The plan that is looked at.
    pub plan: Option<String>,
    /// The mapping that is looked at.
    pub mapping: Option<String>,
    /// The object that is looked at, as `platform:object`.
    pub object: Option<String>,
    /// Names of the columns.
    pub columns: Vec<String>,
}

/// Columns that a line about revealed ones names; the rest is counted.
const NAMED: usize = 20;

/// A file with rows or results that leaves the state folder.
#[derive(Debug, Clone, Copy)]
pub struct Exported<'a> {
    /// What it holds: `rejects`, `report`, `crosswalk`.
    pub what: &'a str,
    /// The run or plan that it is from.
    pub of: Option<&'a str>,
    /// The mapping that it is from.
    pub mapping: Option<&'a str>,
    /// The file.
    pub file: &'a Path,
    /// Rows in it, where it has rows.
    pub rows: Option<u64>,
}

impl Workspace {
    /// Notes that personal columns are shown in the clear to who runs this process.
    pub fn note_revealed(&self, revealed: &Revealed) -> Result<()> {
        let mut entry = Entry::new("pii revealed");
        for (name, set) in [
            (&revealed.run, Entry::run as fn(Entry, &str) -> Entry),
            (&revealed.plan, Entry::plan),
            (&revealed.mapping, Entry::mapping),
        ] {
            if let Some(name) = name {
                entry = set(entry, name);
            }
        }
        let mut detail = vec![revealed.by.clone()];
        detail.extend(revealed.object.clone());
        let mut columns: Vec<&str> = revealed.columns.iter().map(String::as_str).collect();
        let more = columns.len().saturating_sub(NAMED);
        columns.truncate(NAMED);
        if !columns.is_empty() {
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            detail.push(format!("columns {}{more}", columns.join(", ")));
        }
        self.note(&entry.detail(detail.join(": ")))
    }

    /// Notes that a file was handed out, with the beginning of its hash.
    pub fn note_exported(&self, exported: &Exported<'_>) -> Result<()> {
        let mut entry = Entry::new(format!("exported {}", exported.what));
        if let Some(of) = exported.of {
            entry = if StateDir::of(&self.project().root).run(of).is_dir() { entry.run(of) } else { entry.plan(of) };
        }
        if let Some(mapping) = exported.mapping {
            entry = entry.mapping(mapping);
        }
        let rows = exported.rows.map(|rows| format!("{rows} rows ")).unwrap_or_default();
        let hash = file_hash(exported.file).unwrap_or_else(|| "-".to_owned());
        self.note(&entry.detail(format!("{rows}to {} {hash}", exported.file.display())))
    }

    /// Notes a decision. Without values: the log outlives everything else.
    pub fn note(&self, entry: &Entry) -> Result<()> {
        StateDir::of(&self.project().root).control()?.record(entry)
    }

    /// Lines of the audit log, oldest first. None are there in a project that was never worked on.
    pub fn audit(&self, filter: &AuditFilter) -> Result<Vec<Audit>> {
        match self.known_control()? {
            Some(control) => control.audit_lines(filter),
            None => Ok(Vec::new()),
        }
    }

    /// Goes through the audit log; see [`crate::journal::Control::check_audit`].
    pub fn check_audit(&self, known: Option<&AuditHead>) -> Result<AuditHead> {
        match self.known_control()? {
            None if known.is_none() => Ok(AuditHead::default()),
            _ => StateDir::of(&self.project().root).control()?.check_audit(known),
        }
    }

    /// Notes that a plan was made, and from which mapping files: an edit made outside the console shows by its hash.
    pub(super) fn note_planned(&self, plan: &Plan) -> Result<()> {
        let files = plan.mappings.iter().map(|part| {
            let file = self.project().mappings.iter().find(|mapping| mapping.name == part.mapping);
            let hash = file.and_then(|mapping| file_hash(&self.project().root.join(&mapping.path)));
            format!("{} {}", part.mapping, hash.as_deref().unwrap_or("-"))
        });
        let files: Vec<String> = files.collect();
        self.note(&Entry::new("planned").plan(&plan.id).detail(files.join(", ")))
    }
}

/// Notes that the text of a mapping, or a file it uses, was replaced through the console. `file` is its path in the project.
pub fn note_saved(root: &Path, file: &Path, mapping: Option<&str>, before: &[u8], after: &[u8]) -> Result<()> {
    let mut entry = Entry::new("saved");
    if let Some(mapping) = mapping {
        entry = entry.mapping(mapping);
    }
    let entry = entry.detail(format!("{} {} -> {}", file.display(), text_hash(before), text_hash(after)));
    StateDir::of(root).control()?.record(&entry)
}

/// The beginning of a file's hash; None if it cannot be read.
pub(crate) fn file_hash(path: &Path) -> Option<String> {
    std::fs::read(path).ok().map(|bytes| text_hash(&bytes))
}

fn text_hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..DIGITS].to_owned()
}
