//! Rules on missing values.
use hashbrown::HashSet;

use super::registry::Entry;
use super::text::trimmed;
use super::{Cleaned, CleaningRule, is_blank};

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("drop_nulls", "", "Leaves out the row when the value is NULL or blank, as pandas' dropna.", |setting| {
        setting.none()?;
        Ok(Box::new(DropNulls))
    }),
    Entry::new("required", "", "Fails when the value is NULL or blank.", |setting| {
        setting.none()?;
        Ok(Box::new(Required))
    }),
    Entry::new(
        "null_tokens",
        "null_tokens = [\"N/A\", \"-\"]",
        "Makes the usual words for nothing NULL, or those listed. Names such as Null, Nan or NA stay unless listed.",
        |setting| {
            let own = setting.optional_texts()?;
            let custom = own.is_some();
            let tokens = own.unwrap_or_else(|| USUAL_TOKENS.to_vec());
            Ok(Box::new(NullTokens {
                longest: tokens.iter().map(|token| trimmed(token).len()).max().unwrap_or(0),
                tokens: tokens.into_iter().map(|token| trimmed(token).to_owned()).collect(),
                custom,
            }))
        },
    ),
];

/// What programs and people write for nothing, compared to the letter. Left out on purpose, because they are people,
/// places or answers: `Null`, `Nan`, `Nil`, `NA` (surname, Namibia), `none`, `unknown`. A list of one's own may have them.
const USUAL_TOKENS: &[&str] = &[
    "N/A",
    "n/a",
    "N/a",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "<NA>",
    "<N/A>",
    "NULL",
    "null",
    "(null)",
    "(NULL)",
    "<null>",
    "<NULL>",
    "[null]",
    "[NULL]",
    "#NULL!",
    "#VALUE!",
    "#REF!",
    "#DIV/0!",
    "#NAME?",
    "#NUM!",
    "\\N",
    "NaN",
    "nan",
    "-NaN",
    "-nan",
    "1.#IND",
    "-1.#IND",
    "1.#QNAN",
    "-1.#QNAN",
    "NaT",
    "None",
    "undefined",
    "undef",
    "0000-00-00",
    "0000-00-00 00:00:00",
    ".",
    "-",
    "--",
    "---",
    "–",
    "—",
    "?",
    "??",
    "???",
    "n.a.",
    "N.A.",
    "not available",
    "Not available",
    "Not Available",
    "not applicable",
    "Not applicable",
    "Not Applicable",
];

struct DropNulls;

impl CleaningRule for DropNulls {
    fn name(&self) -> &'static str {
        "drop_nulls"
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        if value.is_none_or(is_blank) { Cleaned::DropRow } else { Cleaned::Same }
    }
}

struct Required;

impl CleaningRule for Required {
    fn name(&self) -> &'static str {
        "required"
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        if value.is_none_or(is_blank) { Cleaned::failed("is missing") } else { Cleaned::Same }
    }
}

struct NullTokens {
    tokens: HashSet<String>,
    longest: usize,
    custom: bool,
}

impl CleaningRule for NullTokens {
    fn name(&self) -> &'static str {
        "null_tokens"
    }
    fn settings(&self) -> String {
        if !self.custom {
            return "usual".into();
        }
        let mut tokens: Vec<_> = self.tokens.iter().map(|token| format!("{token:?}")).collect();
        tokens.sort_unstable();
        tokens.join(", ")
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        let Some(value) = value else { return Cleaned::Same };
        let inner = trimmed(value);
        if inner.is_empty() || inner.len() <= self.longest && self.tokens.contains(inner) {
            Cleaned::Changed(None)
        } else {
            Cleaned::Same
        }
    }
}
