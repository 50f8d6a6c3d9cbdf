//! What a plan, and the run that executes it, is for: in a few words, as lists of runs say it.
use serde::{Deserialize, Serialize};

use super::{Plan, Purpose, Selection};
use crate::project::Mode;

/// Purpose, mode and selection of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// What it was made for.
    #[serde(flatten)]
    pub purpose: Purpose,
    /// Full or incremental.
    pub mode: Mode,
    /// Which rows: of several mappings the first that is not taken whole.
    #[serde(flatten)]
    pub selection: Selection,
}

impl Intent {
    /// In one word: `migrate`, `incremental`, `sample`, `part`, `retry`, `repair`, `revert`.
    pub const fn word(&self) -> &'static str {
        match (&self.purpose, &self.selection, self.mode) {
            (Purpose::Migrate, Selection::Chosen { .. }, _) => "sample",
            (Purpose::Migrate, Selection::First { .. }, _) => "part",
            (Purpose::Migrate, Selection::All, Mode::Incremental) => "incremental",
            (purpose, ..) => purpose.word(),
        }
    }
    /// In words: `revert of 20261125-…`, `sample of 20 accounts`, `first 100 rows`, `incremental`, `migrate`.
    pub fn words(&self) -> String {
        if let Some(about) = self.purpose.about() {
            return format!("{} of {about}", self.purpose.word());
        }
        if let Purpose::RevertSync { mapping, since, until } = &self.purpose {
            return format!("revert of sync {mapping} {}", span_words(*since, *until));
        }
        match &self.selection {
            // Said at length for plans: `a sample of 20 accounts with all that …`.
            Selection::Chosen { by, .. } => {
                let short = by.split(" with all ").next().unwrap_or(by);
                short.strip_prefix("a ").unwrap_or(short).to_owned()
            }
            Selection::First { count: 1 } => "first row".to_owned(),
            Selection::First { count } => format!("first {count} rows"),
            Selection::All => self.word().to_owned(),
        }
    }
}

/// A span of time in UTC: `11-25 09:00:00..09:30:00`; the day again where it is another one.
pub fn span_words(since: i64, until: i64) -> String {
    let at = |millis: i64, form: &str| {
        chrono::DateTime::from_timestamp_millis(millis).map_or_else(|| "?".to_owned(), |at| at.format(form).to_string())
    };
    let same = at(since, "%F") == at(until, "%F");
    format!("{}..{}", at(since, "%m-%d %T"), at(until, if same { "%T" } else { "%m-%d %T" }))
}

impl Plan {
    /// What it is for.
    pub fn intent(&self) -> Intent {
        let part = self.mappings.iter().map(|mapping| &mapping.selection).find(|one| **one != Selection::All);
        Intent { purpose: self.purpose.clone(), mode: self.mode, selection: part.cloned().unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_intent_is_said_in_a_word_and_in_words_and_comes_back_from_json() {
        let of = |purpose, mode, selection| Intent { purpose, mode, selection };
        let chosen = |by: &str| Selection::Chosen { by: by.to_owned(), count: 3 };
        let sample = "a sample of 20 accounts with all that links to them and that they link to";
        let run = || "20261125-090000-7f3ac2".to_owned();
        for (intent, word, words) in [
            (of(Purpose::Migrate, Mode::Full, Selection::All), "migrate", "migrate"),
            (of(Purpose::Migrate, Mode::Incremental, Selection::All), "incremental", "incremental"),
            (of(Purpose::Migrate, Mode::Full, chosen(sample)), "sample", "sample of 20 accounts"),
            (of(Purpose::Migrate, Mode::Full, Selection::First { count: 100 }), "part", "first 100 rows"),
            (
                of(Purpose::Retry { run: run() }, Mode::Full, chosen("rejects")),
                "retry",
                "retry of 20261125-090000-7f3ac2",
            ),
            (
                of(Purpose::Revert { run: run() }, Mode::Full, Selection::All),
                "revert",
                "revert of 20261125-090000-7f3ac2",
            ),
            (
                of(
                    Purpose::RevertSync {
                        mapping: "contacts".into(),
                        since: 1_764_061_200_000,
                        until: 1_764_063_000_000,
                    },
                    Mode::Full,
                    Selection::All,
                ),
                "revert",
                "revert of sync contacts 11-25 09:00:00..09:30:00",
            ),
            (of(Purpose::Repair { plan: "7f3ac2".into() }, Mode::Full, chosen("x")), "repair", "repair of 7f3ac2"),
        ] {
            assert_eq!((intent.word(), intent.words().as_str()), (word, words));
            let text = serde_json::to_string(&intent).unwrap();
            assert_eq!(serde_json::from_str::<Intent>(&text).unwrap(), intent, "{text}");
        }
    }
}
