//! The list of rules and how each is made from its setting.
use std::sync::LazyLock;

use super::{CleaningRule, RuleDoc, date, email, name, null, number, pattern, text};
use crate::error::{Error, Result};
use crate::project::RuleConfig;

/// A rule as the registry knows it.
pub(super) struct Entry {
    pub(super) doc: RuleDoc,
    /// Makes the rule; the error says what is wrong with the setting.
    pub(super) build: fn(Setting<'_>) -> Result<Box<dyn CleaningRule>, String>,
}

impl Entry {
    pub(super) const fn new(
        name: &'static str,
        setting: &'static str,
        doc: &'static str,
        build: fn(Setting<'_>) -> Result<Box<dyn CleaningRule>, String>,
    ) -> Self {
        Self { doc: RuleDoc { name, doc, setting }, build }
    }
}

/// The families in the order of the help page.
static FAMILIES: [&[Entry]; 7] =
    [null::ENTRIES, text::ENTRIES, name::ENTRIES, pattern::ENTRIES, email::ENTRIES, date::ENTRIES, number::ENTRIES];

fn entries() -> impl Iterator<Item = &'static Entry> {
    FAMILIES.into_iter().flatten()
}

/// All rules, by family then name.
pub fn rules() -> &'static [RuleDoc] {
    static DOCS: LazyLock<Vec<RuleDoc>> = LazyLock::new(|| entries().map(|entry| entry.doc).collect());
    &DOCS
}

/// Makes a rule from its config; names the nearest rule when unknown.
pub fn build(config: &RuleConfig) -> Result<Box<dyn CleaningRule>> {
    let Some(entry) = entries().find(|entry| entry.doc.name == config.name) else {
        let error = Error::usage(format!("unknown rule '{}'", config.name));
        let near = nearest(&config.name, entries().map(|entry| entry.doc.name));
        return Err(match near {
            Some(near) => error.advise(format!("did you mean '{near}'?")),
            None => error.advise(format!("rules: {}", entries().map(|e| e.doc.name).collect::<Vec<_>>().join(", "))),
        });
    };
    (entry.build)(Setting(config.setting.as_ref())).map_err(|what| {
        let written = match entry.doc.setting {
            "" => format!("\"{}\"", entry.doc.name),
            setting => format!("{{ {setting} }}"),
        };
        Error::usage(format!("rule '{}': {what}", config.name)).advise(format!("it is written {written}"))
    })
}

/// The name most like `wanted`, if one is near enough to be a typing error.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = wanted.to_lowercase();
    names
        .map(|name| (strsim::normalized_damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(score, _)| *score >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// A rule's setting as it came, with the usual demands on it.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a>(Option<&'a toml::Value>);

impl<'a> Setting<'a> {
    /// It must have none; `{ trim = true }` counts as none.
    pub(super) fn none(self) -> Result<(), String> {
        match self.0 {
            None | Some(toml::Value::Boolean(true)) => Ok(()),
            Some(_) => Err("takes no setting".into()),
        }
    }
    /// A text, if there is one.
    pub(super) fn optional_text(self) -> Result<Option<&'a str>, String> {
        match self.0 {
            None | Some(toml::Value::Boolean(true)) => Ok(None),
            Some(toml::Value::String(text)) => Ok(Some(text)),
            Some(_) => Err("its setting must be a text".into()),
        }
    }
    /// A text that is not empty.
    pub(super) fn text(self) -> Result<&'a str, String> {
        match self.optional_text()? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err("needs a text as its setting".into()),
        }
    }
    /// One text or a list of them, at least one.
    pub(super) fn texts(self) -> Result<Vec<&'a str>, String> {
        let wrong = || "needs a text or a list of texts as its setting".to_owned();
        match self.0 {
            Some(toml::Value::String(text)) => Ok(vec![text]),
            Some(toml::Value::Array(items)) if !items.is_empty() => {
                items.iter().map(|item| item.as_str().ok_or_else(wrong)).collect()
            }
            _ => Err(wrong()),
        }
    }
    /// The texts, or `None` without a setting.
    pub(super) fn optional_texts(self) -> Result<Option<Vec<&'a str>>, String> {
        match self.0 {
            None | Some(toml::Value::Boolean(true)) => Ok(None),
            Some(_) => self.texts().map(Some),
        }
    }
    /// A count of 1 or more.
    pub(super) fn count(self) -> Result<usize, String> {
        self.0
            .and_then(toml::Value::as_integer)
            .and_then(|count| usize::try_from(count).ok())
            .filter(|count| *count > 0)
            .ok_or_else(|| "needs a whole number above 0 as its setting".into())
    }
}
