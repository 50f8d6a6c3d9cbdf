//! Columns that come, go, change their type or their place.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::platform::Schema;

/// The columns of one side as a lane last worked with them: name → declared type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Columns(BTreeMap<String, String>);

impl Columns {
    pub(crate) fn of(schema: &Schema) -> Self {
        Self(schema.columns.iter().map(|column| (column.name.clone(), column.declared.clone())).collect())
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is different between the columns of before and those of now. Their order is not: they are found by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Drift {
    /// One line a column: `+ CITY TEXT`, `- FAX`, `~ REV INTEGER -> TEXT`, `> MAIL -> EMAIL (renamed?)`.
    pub(crate) lines: Vec<String>,
}

impl Drift {
    /// `side`: what the lines begin with, `source` or `target`.
    pub(crate) fn between(before: &Columns, now: &Columns, side: &str) -> Self {
        let gone: Vec<&String> = before.0.keys().filter(|name| !now.0.contains_key(*name)).collect();
        let come: Vec<&String> = now.0.keys().filter(|name| !before.0.contains_key(*name)).collect();
        let mut lines = Vec::new();
        if let ([old], [new]) = (gone.as_slice(), come.as_slice())
            && before.0[*old] == now.0[*new]
        {
            lines.push(format!("{side} > {old} -> {new} (renamed?)"));
        } else {
            lines.extend(gone.iter().map(|name| format!("{side} - {name}")));
            lines.extend(come.iter().map(|name| format!("{side} + {name} {}", now.0[*name])));
        }
        for (name, old) in &before.0 {
            if let Some(new) = now.0.get(name).filter(|new| *new != old) {
                lines.push(format!("{side} ~ {name} {old} -> {new}"));
            }
        }
        Self { lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[(&str, &str)]) -> Columns {
        Columns(names.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect())
    }

    #[test]
    fn columns_are_found_by_name() {
        let before = columns(&[("ID", "INTEGER"), ("MAIL", "TEXT"), ("FAX", "TEXT")]);
        let lines = |now: &[(&str, &str)]| Drift::between(&before, &columns(now), "source").lines;
        assert!(lines(&[("FAX", "TEXT"), ("MAIL", "TEXT"), ("ID", "INTEGER")]).is_empty(), "another order is none");
        assert_eq!(
            lines(&[("ID", "INTEGER"), ("EMAIL", "TEXT"), ("FAX", "TEXT")]),
            ["source > MAIL -> EMAIL (renamed?)"]
        );
        assert_eq!(lines(&[("ID", "TEXT"), ("MAIL", "TEXT")]), ["source - FAX", "source ~ ID INTEGER -> TEXT"]);
        assert_eq!(
            lines(&[("ID", "INTEGER"), ("MAIL", "TEXT"), ("FAX", "TEXT"), ("CITY", "TEXT")]),
            ["source + CITY TEXT"]
        );
    }
}
