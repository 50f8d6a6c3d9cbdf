//! What is noted in the audit log from outside a run, and looking at it.
use std::path::Path;

use super::Workspace;
use crate::error::Result;
use crate::journal::{Audit, AuditFilter, AuditHead, Entry, StateDir};
use crate::plan::Plan;

/// Hex digits of a file's hash that are enough to tell its versions apart.
const DIGITS: usize = 16;

impl Workspace {
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
