//! What values say of a field: a look at a column, and how alike two looks are.
mod alike;
mod look;
mod text;

pub(super) use alike::compare;
pub use look::{Look, LookBuilder};
pub(super) use text::{ZERO_DATES, boolean_word, date_formats, is_null_token, number_of};

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// E-mail addresses.
    Email,
    /// Web addresses.
    Url,
    /// Dates, with or without a time.
    Date,
    /// Numbers, with or without a currency or a unit.
    Number,
    /// Yes or no.
    Boolean,
    /// Telephone numbers, written as such.
    Phone,
    /// Countries, by name or code of three letters.
    Country,
    /// Identifiers of 32 hexadecimal digits.
    Uuid,
}

impl Meaning {
    /// In words, for reasons.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Email => "e-mail addresses",
            Self::Url => "web addresses",
            Self::Date => "dates",
            Self::Number => "numbers",
            Self::Boolean => "yes or no",
            Self::Phone => "telephone numbers",
            Self::Country => "countries",
            Self::Uuid => "UUIDs",
        }
    }
    /// Few fields of an object hold it, so that it says much.
    pub(super) const fn is_telling(self) -> bool {
        matches!(self, Self::Email | Self::Url | Self::Phone | Self::Country | Self::Uuid)
    }
}
