//! The versions of a mapping's text: what undo and redo walk over.
use std::path::PathBuf;

/// A value-map file that an edit changed along with, or instead of, the mapping's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEdit {
    /// Relative to the project.
    pub path: PathBuf,
    /// Its text before the edit.
    pub before: String,
    /// And after it.
    pub after: String,
}

/// One text and the edit that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    label: String,
    text: String,
    file: Option<FileEdit>,
}

/// A step of undo or redo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The edit that was taken back or done again.
    pub label: String,
    /// The file to bring along: it holds `before` and shall hold `after`.
    pub file: Option<FileEdit>,
}

/// Versions of one text, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    versions: Vec<Version>,
    at: usize,
}

/// Most versions kept.
const LIMIT: usize = 500;

impl History {
    /// Begins with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { versions: vec![Version { label: "as opened".into(), text: text.into(), file: None }], at: 0 }
    }
    /// The text now.
    pub fn text(&self) -> &str {
        &self.versions[self.at].text
    }
    /// A new version; what had been undone is gone. The same text again is no edit.
    pub fn push(&mut self, label: impl Into<String>, text: impl Into<String>) -> bool {
        let text = text.into();
        let differs = text != self.text();
        if differs {
            self.add(Version { label: label.into(), text, file: None });
        }
        differs
    }
    /// A new version with the same text: a file beside it has changed, and was written.
    pub fn push_file(&mut self, label: impl Into<String>, file: FileEdit) {
        let text = self.text().to_owned();
        self.add(Version { label: label.into(), text, file: Some(file) });
    }
    fn add(&mut self, version: Version) {
        self.versions.truncate(self.at + 1);
        self.versions.push(version);
        if self.versions.len() > LIMIT {
            self.versions.remove(0);
        }
        self.at = self.versions.len() - 1;
    }
    /// One back; answers what was taken back.
    pub fn undo(&mut self) -> Option<Step> {
        if self.at == 0 {
            return None;
        }
        let version = &self.versions[self.at];
        let file = version.file.clone().map(|file| FileEdit { before: file.after, after: file.before, ..file });
        self.at -= 1;
        Some(Step { label: version.label.clone(), file })
    }
    /// One forward; answers what was done again.
    pub fn redo(&mut self) -> Option<Step> {
        let next = self.versions.get(self.at + 1)?;
        self.at += 1;
        Some(Step { label: next.label.clone(), file: next.file.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(step: Option<Step>) -> Option<String> {
        step.map(|step| step.label)
    }

    #[test]
    fn undo_and_redo_walk_and_an_edit_cuts_the_future() {
        let mut history = History::new("a");
        assert!(history.push("two", "b") && history.push("three", "c"));
        assert!(!history.push("same", "c"));
        assert_eq!(label(history.undo()).as_deref(), Some("three"));
        assert_eq!(label(history.undo()).as_deref(), Some("two"));
        assert_eq!(history.undo(), None);
        assert_eq!(history.text(), "a");
        assert_eq!(label(history.redo()).as_deref(), Some("two"));
        assert!(history.push("other", "d"));
        assert_eq!(history.redo(), None);
        assert_eq!(history.text(), "d");
    }

    #[test]
    fn a_file_is_brought_back_and_forth_with_its_edit() {
        let mut history = History::new("a");
        let file = FileEdit { path: "maps/m.csv".into(), before: "1".into(), after: "2".into() };
        history.push_file("a value", file.clone());
        assert_eq!(history.text(), "a");
        let back = history.undo().and_then(|step| step.file);
        assert_eq!(back.map(|file| (file.before, file.after)), Some(("2".into(), "1".into())));
        assert_eq!(history.redo().and_then(|step| step.file), Some(file));
    }
}
