//! Rules on patterns of characters.
use std::borrow::Cow;

use regex::Regex;

use super::registry::{Entry, Setting};
use super::text::{rewritten, shortened};
use super::{Cleaned, CleaningRule};

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "regex",
        "regex = [\"[^0-9]+\", \"\"]",
        "Replaces every match of a regular expression; $1 in the replacement is the first group.",
        |setting| {
            let (pattern, replacement) = pair(setting)?;
            let regex =
                Regex::new(pattern).map_err(|error| format!("the pattern is not a regular expression: {error}"))?;
            Ok(Box::new(RegexReplace { regex, replacement: replacement.to_owned() }))
        },
    ),
    Entry::new("replace", "replace = [\"&amp;\", \"&\"]", "Replaces every occurrence of a text.", |setting| {
        let (from, to) = pair(setting)?;
        if from.is_empty() {
            return Err("the text to look for is empty".into());
        }
        Ok(Box::new(Replace { from: from.to_owned(), to: to.to_owned() }))
    }),
    Entry::new("digits", "", "Keeps the digits 0 to 9 and drops all else.", |setting| {
        setting.none()?;
        Ok(Box::new(Digits))
    }),
];

fn pair(setting: Setting<'_>) -> Result<(&str, &str), String> {
    match setting.texts().ok().as_deref() {
        Some([from, to]) => Ok((from, to)),
        _ => Err("needs a list of two texts: what to look for and what to put in its place".into()),
    }
}

struct RegexReplace {
    regex: Regex,
    replacement: String,
}

impl CleaningRule for RegexReplace {
    fn name(&self) -> &'static str {
        "regex"
    }
    fn settings(&self) -> String {
        format!("{:?} -> {:?}", self.regex.as_str(), self.replacement)
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        let Some(value) = value else { return Cleaned::Same };
        match self.regex.replace_all(value, self.replacement.as_str()) {
            Cow::Borrowed(rest) => shortened(value, rest),
            Cow::Owned(new) => rewritten(value, new),
        }
    }
}

struct Replace {
    from: String,
    to: String,
}

impl CleaningRule for Replace {
    fn name(&self) -> &'static str {
        "replace"
    }
    fn settings(&self) -> String {
        format!("{:?} -> {:?}", self.from, self.to)
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        match value {
            Some(value) if value.contains(&self.from) => rewritten(value, value.replace(&self.from, &self.to)),
            _ => Cleaned::Same,
        }
    }
}

struct Digits;

impl CleaningRule for Digits {
    fn name(&self) -> &'static str {
        "digits"
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        match value {
            Some(value) if !value.bytes().all(|b| b.is_ascii_digit()) => {
                rewritten(value, value.chars().filter(char::is_ascii_digit).collect())
            }
            _ => Cleaned::Same,
        }
    }
}
