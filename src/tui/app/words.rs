//! Text that may hold cells: which parts are personal stays known until it is drawn, where the mask is put on or not.
use std::borrow::Cow;

use crm_core::table::export::mask;

/// A cell's value as people may see it: masked where it is personal and nobody asked to see it. The only place of the
/// screens where that is decided.
pub fn covered(value: &str, personal: bool, revealed: bool) -> Cow<'_, str> {
    if personal && !revealed { Cow::Owned(mask(value)) } else { Cow::Borrowed(value) }
}

/// A line of words and cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(Vec<(String, bool)>);

impl Words {
    /// More words: no value of a cell is among them.
    #[must_use]
    pub fn and(mut self, words: impl Into<String>) -> Self {
        self.0.push((words.into(), false));
        self
    }
    /// The value of a cell.
    #[must_use]
    pub fn cell(mut self, value: impl Into<String>, personal: bool) -> Self {
        self.0.push((value.into(), personal));
        self
    }
    /// The value of a cell in quotes, or NULL.
    #[must_use]
    pub fn quoted(self, value: Option<&str>, personal: bool) -> Self {
        match value {
            Some(value) => self.and("'").cell(value, personal).and("'"),
            None => self.and("NULL"),
        }
    }
    /// As it may be shown.
    pub fn shown(&self, revealed: bool) -> String {
        self.0.iter().map(|(text, personal)| covered(text, *personal, revealed)).collect()
    }
    /// Something in it is masked until it is revealed.
    pub fn is_personal(&self) -> bool {
        self.0.iter().any(|(_, personal)| *personal)
    }
}

impl<T: Into<String>> From<T> for Words {
    fn from(words: T) -> Self {
        Self::default().and(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_personal_parts_are_masked_and_only_until_they_are_revealed() {
        let words = Words::from("mail ").quoted(Some("ann@x.com"), true).and(" -> ").quoted(None, true);
        assert!(words.is_personal() && !Words::from("mail").is_personal());
        assert_eq!(words.shown(true), "mail 'ann@x.com' -> NULL");
        let masked = words.shown(false);
        assert!(masked.starts_with("mail '") && masked.ends_with("' -> NULL") && !masked.contains("ann@x"));
    }
}
