//! The versions of a mapping's text: what undo and redo walk over.

/// One text and the edit that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    label: String,
    text: String,
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
        Self { versions: vec![Version { label: "as opened".into(), text: text.into() }], at: 0 }
    }
    /// The text now.
    pub fn text(&self) -> &str {
        &self.versions[self.at].text
    }
    /// A new version; what had been undone is gone. The same text again is no edit.
    pub fn push(&mut self, label: impl Into<String>, text: impl Into<String>) -> bool {
        let text = text.into();
        if text == self.text() {
            return false;
        }
        self.versions.truncate(self.at + 1);
        self.versions.push(Version { label: label.into(), text });
        if self.versions.len() > LIMIT {
            self.versions.remove(0);
        }
        self.at = self.versions.len() - 1;
        true
    }
    /// One back; answers what was taken back.
    pub fn undo(&mut self) -> Option<&str> {
        let label = (self.at > 0).then(|| self.versions[self.at].label.as_str())?;
        self.at -= 1;
        Some(label)
    }
    /// One forward; answers what was done again.
    pub fn redo(&mut self) -> Option<&str> {
        let next = self.versions.get(self.at + 1)?;
        self.at += 1;
        Some(&next.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undo_and_redo_walk_and_an_edit_cuts_the_future() {
        let mut history = History::new("a");
        assert!(history.push("two", "b") && history.push("three", "c"));
        assert!(!history.push("same", "c"));
        assert_eq!(history.undo(), Some("three"));
        assert_eq!(history.undo(), Some("two"));
        assert_eq!(history.undo(), None);
        assert_eq!(history.text(), "a");
        assert_eq!(history.redo(), Some("two"));
        assert!(history.push("other", "d"));
        assert_eq!(history.redo(), None);
        assert_eq!(history.text(), "d");
    }
}
