//! The words that a setting may have, in one place: for reading, writing, completion and help.
use super::{Duplicates, LeftBehindRule, Mode, OnError, OnMiss, OnNull, WriteRule};

/// A setting that is one of a few words.
pub trait Words: Copy + PartialEq + Default + 'static {
    /// Every word with what it stands for, the default first.
    const WORDS: &'static [(&'static str, Self)];

    /// The word as the files spell it.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| *word)
    }

    /// What a word stands for.
    fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
    }
}

impl Words for OnError {
    const WORDS: &'static [(&'static str, Self)] =
        &[("reject", Self::Reject), ("keep", Self::Keep), ("null", Self::Null)];
}

impl Words for OnMiss {
    const WORDS: &'static [(&'static str, Self)] =
        &[("reject", Self::Reject), ("defer", Self::Defer), ("null", Self::Null)];
}

impl Words for OnNull {
    const WORDS: &'static [(&'static str, Self)] = &[("keep", Self::Keep), ("reject", Self::Reject)];
}

impl Words for WriteRule {
    const WORDS: &'static [(&'static str, Self)] =
        &[("always", Self::Always), ("if_blank", Self::IfBlank), ("create", Self::Create), ("never", Self::Never)];
}

impl Words for Duplicates {
    const WORDS: &'static [(&'static str, Self)] =
        &[("reject", Self::Reject), ("first", Self::First), ("last", Self::Last)];
}

impl Words for LeftBehindRule {
    const WORDS: &'static [(&'static str, Self)] = &[("list", Self::List), ("block", Self::Block)];
}

impl Words for Mode {
    const WORDS: &'static [(&'static str, Self)] = &[("full", Self::Full), ("incremental", Self::Incremental)];
}

/// The name among `known` that `word` was most likely meant to be, if any is near.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&lower, &name.to_lowercase()), name))
        .filter(|(score, _)| *score >= 0.75)
        // Of equals the first wins: `max_by` would take the last.
        .fold(None, |best: Option<(f64, &str)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            _ => Some(next),
        })
        .map(|(_, name)| name)
}

/// The end of a message about an unknown word: the nearest one, else all of them.
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None if known.is_empty() => "there is none to choose from".to_owned(),
        None => format!("known: {}", known.join(", ")),
    }
}
