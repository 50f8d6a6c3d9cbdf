//! A mapping under edit: its text in versions, what is saved, and what it parses to.
use std::path::PathBuf;
use std::sync::Arc;

use crm_core::project::{Mapping, Problem};

use super::history::History;
use super::msg::MappingText;

/// A mapping's text and what is known of it.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Mapping.
    pub name: String,
    /// Its file, relative to the project.
    pub path: PathBuf,
    /// Versions.
    pub history: History,
    /// What the file holds.
    pub saved: String,
    /// The newest text that could be parsed, parsed.
    pub mapping: Option<Arc<Mapping>>,
    /// Why the text now cannot be parsed; empty if it can.
    pub problems: Vec<Problem>,
    /// The text that `mapping` or `problems` belong to.
    pub parsed: Option<Arc<str>>,
}

impl Draft {
    /// As read from its file.
    pub fn new(text: &MappingText, mapping: Option<Mapping>) -> Self {
        Self {
            name: text.name.clone(),
            path: text.path.clone(),
            history: History::new(&*text.text),
            saved: text.text.to_string(),
            parsed: mapping.is_some().then(|| text.text.clone()),
            mapping: mapping.map(Arc::new),
            problems: Vec::new(),
        }
    }
    /// The text now.
    pub fn text(&self) -> MappingText {
        MappingText { name: self.name.clone(), path: self.path.clone(), text: self.history.text().into() }
    }
    /// It differs from the file.
    pub fn is_unsaved(&self) -> bool {
        self.history.text() != self.saved
    }
    /// The text has changed since it was parsed.
    pub fn is_stale(&self) -> bool {
        self.parsed.as_deref() != Some(self.history.text())
    }
}
