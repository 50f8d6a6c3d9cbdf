//! What an operator taught the project: own synonyms, pairs that were confirmed or refused. A text file, comments kept.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use super::pairs::evidence;
use super::score::plain;
use super::{Evidence, EvidenceKind, Vocabulary};
use crate::error::{Error, Result};
use crate::project::edit::write_text;

/// The file, in the project's folder.
pub const MEMORY_FILE: &str = "suggest.toml";

const HEADING: &str = "\
# What this project taught the suggestions; the next mapping begins from it. Edit it freely.
# [same]       other names of a thing: job_title = [\"Dienstgrad\"]
# [words]      short forms: knd = \"customer\"
# [confirmed]  source field = the target fields that it fills
# [refused]    source field = the target fields that it does not fill

";

/// The file's content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Memory {
    /// Meaning (of the console's vocabulary, or any name) → other names of it.
    pub same: BTreeMap<String, Vec<String>>,
    /// Short form → what it stands for.
    pub words: BTreeMap<String, String>,
    /// Source field → target fields that were accepted for it.
    pub confirmed: BTreeMap<String, Vec<String>>,
    /// Source field → target fields that were refused for it.
    pub refused: BTreeMap<String, Vec<String>>,
}

/// Pairs by plain names, ready to look up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    confirmed: BTreeSet<(String, String)>,
    refused: BTreeSet<(String, String)>,
}

impl Remembered {
    /// What is left of a pair's score by what was said of it before.
    pub(super) fn judge(&self, from: &str, to: &str, score: &mut f64, found: &mut Vec<Evidence>) {
        if self.confirmed.is_empty() && self.refused.is_empty() {
            return;
        }
        let pair = (from.to_owned(), to.to_owned());
        if self.refused.contains(&pair) {
            found.clear();
            *score = 0.0;
        } else if self.confirmed.contains(&pair) {
            let words = "confirmed in this project before".to_owned();
            found.insert(0, evidence(EvidenceKind::Memory, 0.99 - *score, words));
            *score = 0.99;
        }
    }
}

impl Memory {
    /// Reads the project's file; a project without one remembers nothing.
    pub fn load(root: &Path) -> Result<Self> {
        let path = root.join(MEMORY_FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::io("read", &path, &error)),
        };
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            Error::usage(format!("it cannot be read: {}", error.message()))
                .at(format!("{MEMORY_FILE} line {line}"))
                .advise("it has the sections [same], [words], [confirmed] and [refused]")
        })
    }

    /// The console's vocabulary with this project's words.
    pub fn vocabulary(&self) -> Option<Vocabulary> {
        (!self.same.is_empty() || !self.words.is_empty()).then(|| Vocabulary::with(&self.same, &self.words))
    }

    /// The pairs, ready to look up.
    pub fn remembered(&self) -> Remembered {
        let pairs = |map: &BTreeMap<String, Vec<String>>| {
            map.iter().flat_map(|(from, list)| list.iter().map(|to| (plain(from), plain(to)))).collect()
        };
        Remembered { confirmed: pairs(&self.confirmed), refused: pairs(&self.refused) }
    }

    /// Notes pairs (source, target) as confirmed or refused; what was said of them before is taken back. Answers how many
    /// are new. Only entries that change are touched.
    pub fn note(root: &Path, pairs: &[(String, String)], confirmed: bool) -> Result<usize> {
        let path = root.join(MEMORY_FILE);
        // What cannot be read is not written over.
        let before = Self::load(root)?;
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => HEADING.to_owned(),
            Err(error) => return Err(Error::io("read", &path, &error)),
        };
        let mut document: DocumentMut = text
            .parse()
            .map_err(|error: toml_edit::TomlError| Error::usage(error.message().to_owned()).at(MEMORY_FILE))?;
        let (here, there) = if confirmed { ("confirmed", "refused") } else { ("refused", "confirmed") };
        let known = if confirmed { &before.confirmed } else { &before.refused };
        let mut new = 0;
        for (from, to) in pairs {
            take(&mut document, there, from, to);
            if known.get(from).is_some_and(|list| list.contains(to)) {
                continue;
            }
            new += 1;
            add(&mut document, here, from, to);
        }
        let after = document.to_string();
        if after != text {
            write_text(&path, &after)?;
        }
        Ok(new)
    }
}

fn add(document: &mut DocumentMut, section: &str, from: &str, to: &str) {
    let item = document.entry(section).or_insert_with(|| {
        let mut table = Table::new();
        table.decor_mut().set_prefix("\n");
        Item::Table(table)
    });
    let Some(table) = item.as_table_like_mut() else { return };
    match table.get_mut(from).and_then(Item::as_array_mut) {
        Some(list) => list.push(to),
        None => {
            table.insert(from, Item::Value(Value::Array([to].into_iter().collect::<Array>())));
        }
    }
}

fn take(document: &mut DocumentMut, section: &str, from: &str, to: &str) {
    let Some(table) = document.get_mut(section).and_then(Item::as_table_like_mut) else { return };
    let Some(list) = table.get_mut(from).and_then(Item::as_array_mut) else { return };
    list.retain(|value| value.as_str() != Some(to));
    if list.is_empty() {
        table.remove(from);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    }

    #[test]
    fn what_was_said_is_kept_with_comments_and_can_be_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Memory::load(dir.path()).unwrap(), Memory::default());
        assert_eq!(Memory::note(dir.path(), &pairs(&[("X7", "favourite"), ("FAX", "phone")]), true).unwrap(), 2);
        let path = dir.path().join(MEMORY_FILE);
        let text = std::fs::read_to_string(&path).unwrap().replace("FAX =", "# asked Anna\nFAX =");
        std::fs::write(&path, format!("{text}\n[same]\njob_title = [\"Dienstgrad\"] # in the army\n")).unwrap();
        assert_eq!(Memory::note(dir.path(), &pairs(&[("X7", "favourite")]), true).unwrap(), 0);
        assert_eq!(Memory::note(dir.path(), &pairs(&[("FAX", "mobile"), ("X7", "favourite")]), false).unwrap(), 2);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("# asked Anna\nFAX = [\"phone\"]") && text.contains("# in the army"), "{text}");
        let memory = Memory::load(dir.path()).unwrap();
        assert_eq!(memory.confirmed.keys().collect::<Vec<_>>(), ["FAX"]);
        assert_eq!(memory.refused["X7"], ["favourite"]);
        assert!(memory.vocabulary().is_some());
        let remembered = memory.remembered();
        let judged = |from: &str, to: &str| {
            let (mut score, mut found) = (0.5, Vec::new());
            remembered.judge(&plain(from), &plain(to), &mut score, &mut found);
            (score, found.len())
        };
        assert_eq!(judged("fax", "Phone"), (0.99, 1), "names count, not how they are written");
        assert_eq!(judged("X7", "favourite"), (0.0, 0));
        assert_eq!(judged("X8", "favourite"), (0.5, 0));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_said_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(MEMORY_FILE);
        std::fs::write(&path, "[same]\nx = [1\n").unwrap();
        assert!(Memory::load(dir.path()).unwrap_err().to_string().contains("suggest.toml line"));
        assert!(Memory::note(dir.path(), &pairs(&[("a", "b")]), true).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[same]\nx = [1\n");
        std::fs::write(&path, "[sane]\n").unwrap();
        assert!(Memory::load(dir.path()).unwrap_err().to_string().contains("sane"));
    }
}
