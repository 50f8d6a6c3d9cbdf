//! Rules on plain text: whitespace, case, length.
use std::borrow::Cow;

use unicode_segmentation::GraphemeCursor;

use super::registry::Entry;
use super::{Cleaned, CleaningRule};

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "trim",
        "",
        "Removes whitespace and invisible characters at both ends; nothing left is NULL.",
        |setting| {
            setting.none()?;
            Ok(Box::new(Trim))
        },
    ),
    Entry::new("squeeze", "", "Trims, and makes each run of whitespace inside one space.", |setting| {
        setting.none()?;
        Ok(Box::new(Squeeze))
    }),
    Entry::new("lower", "", "Makes all letters lower case.", |setting| {
        setting.none()?;
        Ok(Box::new(Lower))
    }),
    Entry::new("upper", "", "Makes all letters upper case.", |setting| {
        setting.none()?;
        Ok(Box::new(Upper))
    }),
    Entry::new("max_length", "max_length = 80", "Fails on more characters than that.", |setting| {
        Ok(Box::new(MaxLength {
            most: setting.count()?,
            reason: format!("longer than {} characters", setting.count()?),
        }))
    }),
    Entry::new("truncate", "truncate = 80", "Cuts off what is beyond that many characters.", |setting| {
        Ok(Box::new(Truncate { most: setting.count()? }))
    }),
    Entry::new("strip_prefix", "strip_prefix = \"CUST-\"", "Removes this text from the start, once.", |setting| {
        Ok(Box::new(StripPrefix { text: setting.text()?.to_owned() }))
    }),
    Entry::new("strip_suffix", "strip_suffix = \" (old)\"", "Removes this text from the end, once.", |setting| {
        Ok(Box::new(StripSuffix { text: setting.text()?.to_owned() }))
    }),
];

/// Whitespace, and the characters without width that stick to pasted values: zero-width space, word joiner, byte order mark.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// `value` without whitespace at its ends.
pub(crate) fn trimmed(value: &str) -> &str {
    let bytes = value.as_bytes();
    // Most cells begin and end with a visible ASCII character.
    if let (Some(first), Some(last)) = (bytes.first(), bytes.last())
        && first.is_ascii_graphic()
        && last.is_ascii_graphic()
    {
        return value;
    }
    value.trim_matches(is_space)
}

/// Borrowed text as a result; empty is NULL.
pub(super) fn shortened<'a>(before: &str, after: &'a str) -> Cleaned<'a> {
    if after.is_empty() {
        Cleaned::Changed(None)
    } else if after.len() == before.len() {
        Cleaned::Same
    } else {
        Cleaned::Changed(Some(Cow::Borrowed(after)))
    }
}

/// Owned text as a result; empty is NULL.
pub(super) fn rewritten<'a>(before: &str, after: String) -> Cleaned<'a> {
    if after.is_empty() {
        Cleaned::Changed(None)
    } else if after == before {
        Cleaned::Same
    } else {
        Cleaned::Changed(Some(Cow::Owned(after)))
    }
}

struct Trim;

impl CleaningRule for Trim {
    fn name(&self) -> &'static str {
        "trim"
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        value.map_or(Cleaned::Same, |value| shortened(value, trimmed(value)))
    }
}

struct Squeeze;

impl CleaningRule for Squeeze {
    fn name(&self) -> &'static str {
        "squeeze"
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        let Some(value) = value else { return Cleaned::Same };
        let inner = trimmed(value);
        if is_squeezed(inner) {
            return shortened(value, inner);
        }
        let mut out = String::with_capacity(inner.len());
        for word in inner.split(is_space).filter(|word| !word.is_empty()) {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(word);
        }
        rewritten(value, out)
    }
}

/// No whitespace but single plain spaces.
fn is_squeezed(value: &str) -> bool {
    let mut after_space = false;
    for c in value.chars() {
        let space = is_space(c);
        if space && (after_space || c != ' ') {
            return false;
        }
        after_space = space;
    }
    true
}

struct Lower;

impl CleaningRule for Lower {
    fn name(&self) -> &'static str {
        "lower"
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        match value {
            Some(value) if value.is_ascii() && !value.bytes().any(|b| b.is_ascii_uppercase()) => Cleaned::Same,
            Some(value) => rewritten(value, value.to_lowercase()),
            None => Cleaned::Same,
        }
    }
}

struct Upper;

impl CleaningRule for Upper {
    fn name(&self) -> &'static str {
        "upper"
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        match value {
            Some(value) if value.is_ascii() && !value.bytes().any(|b| b.is_ascii_lowercase()) => Cleaned::Same,
            Some(value) => rewritten(value, value.to_uppercase()),
            None => Cleaned::Same,
        }
    }
}

struct MaxLength {
    most: usize,
    reason: String,
}

impl CleaningRule for MaxLength {
    fn name(&self) -> &'static str {
        "max_length"
    }
    fn settings(&self) -> String {
        self.most.to_string()
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        match value {
            Some(value) if exceeds(value, self.most) => Cleaned::Failed(Cow::Owned(self.reason.clone())),
            _ => Cleaned::Same,
        }
    }
}

/// More than `most` characters.
fn exceeds(value: &str, most: usize) -> bool {
    value.len() > most && value.chars().nth(most).is_some()
}

struct Truncate {
    most: usize,
}

impl CleaningRule for Truncate {
    fn name(&self) -> &'static str {
        "truncate"
    }
    fn settings(&self) -> String {
        self.most.to_string()
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        match value {
            Some(value) if exceeds(value, self.most) => {
                let cut = value.char_indices().nth(self.most).map_or(value.len(), |(at, _)| at);
                shortened(value, value[..grapheme_boundary(value, cut)].trim_end_matches(is_space))
            }
            _ => Cleaned::Same,
        }
    }
}

/// The last boundary between user-perceived characters at or before `cut`, so that no accent or emoji is torn; `cut`
/// itself if the first one is longer than that.
fn grapheme_boundary(value: &str, cut: usize) -> usize {
    let mut cursor = GraphemeCursor::new(cut, value.len(), true);
    if cursor.is_boundary(value, 0).unwrap_or(true) {
        return cut;
    }
    match cursor.prev_boundary(value, 0) {
        Ok(Some(before)) if before > 0 => before,
        _ => cut,
    }
}

struct StripPrefix {
    text: String,
}

impl CleaningRule for StripPrefix {
    fn name(&self) -> &'static str {
        "strip_prefix"
    }
    fn settings(&self) -> String {
        self.text.clone()
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        match value.and_then(|value| Some((value, value.strip_prefix(&self.text)?))) {
            Some((value, rest)) => shortened(value, rest),
            None => Cleaned::Same,
        }
    }
}

struct StripSuffix {
    text: String,
}

impl CleaningRule for StripSuffix {
    fn name(&self) -> &'static str {
        "strip_suffix"
    }
    fn settings(&self) -> String {
        self.text.clone()
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        match value.and_then(|value| Some((value, value.strip_suffix(&self.text)?))) {
            Some((value, rest)) => shortened(value, rest),
            None => Cleaned::Same,
        }
    }
}
