//! Declared types of target fields: what a value must look like, and its one canonical form.
use std::borrow::Cow;

use chrono::NaiveTime;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::iso;
use crate::clean::{Cleaned, CleaningRule, is_blank};

/// A declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number of any length.
    Integer,
    /// A number with at most `precision` digits, `scale` of them behind the point.
    Decimal {
        /// Digits in all.
        precision: usize,
        /// Digits behind the point.
        scale: usize,
    },
    /// `true` or `false`.
    Boolean,
    /// `2024-03-31`.
    Date,
    /// `2024-03-31T14:05:00`, with `Z` if it is UTC.
    Datetime,
}

impl Kind {
    /// Reads a type as a mapping file writes it; the error says what there is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let word = text.trim().to_ascii_lowercase();
        match word.as_str() {
            "text" | "string" | "varchar" => return Ok(Self::Text),
            "integer" | "int" | "bigint" => return Ok(Self::Integer),
            "boolean" | "bool" => return Ok(Self::Boolean),
            "date" => return Ok(Self::Date),
            "datetime" | "timestamp" => return Ok(Self::Datetime),
            _ => {}
        }
        let sizes = word
            .strip_prefix("decimal")
            .or_else(|| word.strip_prefix("numeric"))
            .and_then(|rest| rest.trim().strip_prefix('(')?.strip_suffix(')'));
        if let Some(sizes) = sizes {
            let sizes: Option<Vec<usize>> = sizes.split(',').map(|size| size.trim().parse().ok()).collect();
            let (precision, scale) = match sizes.as_deref() {
                Some([precision]) => (*precision, 0),
                Some([precision, scale]) => (*precision, *scale),
                _ => (0, 0),
            };
            if (1..=1000).contains(&precision) && scale <= precision {
                return Ok(Self::Decimal { precision, scale });
            }
            return Err(format!(
                "type '{text}': write decimal(14,2): digits in all, and how many of them behind the point"
            ));
        }
        Err(format!("unknown type '{text}': text, integer, decimal(14,2), boolean, date or datetime"))
    }
}

impl Kind {
    /// The canonical form of a value, or why it has none. `None` is NULL: what is blank has no other value here.
    pub fn read(self, value: &str) -> Result<Option<Cow<'_, str>>, &'static str> {
        if self == Self::Text {
            return Ok(Some(Cow::Borrowed(value)));
        }
        if is_blank(value) {
            return Ok(None);
        }
        let inner = value.trim();
        match self {
            Self::Text => Ok(Cow::Borrowed(value)),
            Self::Integer => decimal(inner, usize::MAX, 0).map_err(|wrong| match wrong {
                WrongNumber::NotANumber => "is not a whole number",
                WrongNumber::TooManyDecimals => "has decimals, but the type is integer",
                WrongNumber::TooManyDigits => "has too many digits",
            }),
            Self::Decimal { precision, scale } => {
                decimal(inner, precision - scale, scale).map_err(|wrong| match wrong {
                    WrongNumber::NotANumber => "is not a decimal number",
                    WrongNumber::TooManyDecimals => "has more decimals than the type allows",
                    WrongNumber::TooManyDigits => "has more digits than the type allows",
                })
            }
            Self::Boolean => boolean(inner)
                .map(|truth| Cow::Borrowed(if truth { "true" } else { "false" }))
                .ok_or("is not true or false"),
            Self::Date => date(inner),
            Self::Datetime => {
                let (moment, offset) =
                    iso::read_moment(inner).ok_or("is not a date and time like 2024-03-31T14:05:00")?;
                let text = match offset {
                    Some(offset) => {
                        iso::write_moment(moment.checked_sub_offset(offset).ok_or("is out of range")?, true)
                    }
                    None => iso::write_moment(moment, false),
                };
                Ok(unless_same(inner, text))
            }
        }
        .map(Some)
    }

    /// The form for comparison: canonical if it has one, in composed characters if it is text, else as it is.
    pub fn canonical(self, value: &str) -> String {
        match self {
            Self::Text => composed(value).into_owned(),
            _ => match self.read(value) {
                Ok(canonical) => canonical.map(Cow::into_owned).unwrap_or_default(),
                Err(_) => value.to_owned(),
            },
        }
    }
}

/// Unicode NFC: two ways of writing the same accent are equal.
pub(crate) fn composed(value: &str) -> Cow<'_, str> {
    if value.is_ascii() || is_nfc_quick(value.chars()) == IsNormalized::Yes {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(value.nfc().collect())
    }
}

/// The words for true and false that people and programs write.
pub(crate) fn boolean(value: &str) -> Option<bool> {
    const TRUE: &[&str] = &["true", "t", "yes", "y", "1", "on"];
    const FALSE: &[&str] = &["false", "f", "no", "n", "0", "off"];
    let is = |word: &&str| value.eq_ignore_ascii_case(word);
    if TRUE.iter().any(is) {
        Some(true)
    } else if FALSE.iter().any(is) {
        Some(false)
    } else {
        None
    }
}

fn date(value: &str) -> Result<Cow<'_, str>, &'static str> {
    if iso::read_date(value).is_some() {
        return Ok(Cow::Borrowed(value));
    }
    match iso::read_moment(value) {
        Some((moment, None)) if moment.time() == NaiveTime::MIN => Ok(Cow::Borrowed(&value[..10])),
        Some(_) => Err("has a time of day, but the type is date"),
        None => Err("is not a date like 2024-03-31"),
    }
}

fn unless_same(value: &str, text: String) -> Cow<'_, str> {
    if text == value { Cow::Borrowed(value) } else { Cow::Owned(text) }
}

enum WrongNumber {
    NotANumber,
    TooManyDigits,
    TooManyDecimals,
}

/// Plain decimal notation to exactly `scale` decimals, at most `whole_digits` before the point.
fn decimal(value: &str, whole_digits: usize, scale: usize) -> Result<Cow<'_, str>, WrongNumber> {
    let (negative, unsigned) = match value.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, value.strip_prefix('+').unwrap_or(value)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || whole.len() + fraction.len() == 0 {
        return Err(WrongNumber::NotANumber);
    }
    let significant = fraction.trim_end_matches('0');
    if significant.len() > scale {
        return Err(WrongNumber::TooManyDecimals);
    }
    let digits = whole.trim_start_matches('0');
    if digits.len() > whole_digits {
        return Err(WrongNumber::TooManyDigits);
    }
    let negative = negative && !(digits.is_empty() && significant.is_empty());
    let digits = if digits.is_empty() { "0" } else { digits };
    let point = usize::from(scale > 0);
    // Sign, digits, point and decimals are all there and nothing else: it is canonical already.
    if fraction.len() == scale && value.len() == usize::from(negative) + digits.len() + point + scale {
        return Ok(Cow::Borrowed(value));
    }
    let mut out = String::with_capacity(digits.len() + scale + 2);
    if negative {
        out.push('-');
    }
    out.push_str(digits);
    if scale > 0 {
        out.push('.');
        out.push_str(significant);
        out.extend(std::iter::repeat_n('0', scale - significant.len()));
    }
    Ok(Cow::Owned(out))
}

/// The step that holds a field's values to its type.
pub(crate) struct TypeStep(pub(crate) Kind);

impl CleaningRule for TypeStep {
    fn name(&self) -> &'static str {
        "type"
    }
    fn settings(&self) -> String {
        format!("{:?}", self.0)
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        let Some(value) = value else { return Cleaned::Same };
        match self.0.read(value) {
            Ok(Some(canonical)) if canonical == value => Cleaned::Same,
            Ok(canonical) => Cleaned::Changed(canonical),
            Err(reason) => Cleaned::failed(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(kind: &str, value: &str) -> Option<String> {
        Kind::parse(kind).unwrap().read(value).ok().map(|text| text.map_or("NULL".into(), Cow::into_owned))
    }

    #[test]
    fn types_are_parsed_or_explained() {
        assert_eq!(Kind::parse("decimal(14,2)"), Ok(Kind::Decimal { precision: 14, scale: 2 }));
        assert_eq!(Kind::parse("DECIMAL( 6 )"), Ok(Kind::Decimal { precision: 6, scale: 0 }));
        for wrong in ["decimal", "decimal(2,3)", "decimal(a,2)", "decimal(1,2,3)", "decimal(0,0)", "float", ""] {
            assert!(Kind::parse(wrong).unwrap_err().contains("decimal(14,2)"), "{wrong}");
        }
    }

    #[test]
    fn values_take_the_canonical_form_of_their_type_or_fail() {
        for (kind, value, expected) in [
            ("integer", "007", Some("7")),
            ("integer", "+12", Some("12")),
            ("integer", "-0", Some("0")),
            ("integer", "12.00", Some("12")),
            ("integer", "12.5", None),
            ("integer", "1e5", None),
            ("integer", "1,000", None),
            ("integer", "123456789012345678901234567890", Some("123456789012345678901234567890")),
            ("integer", "  ", Some("NULL")),
            ("decimal(14,2)", "12.5", Some("12.50")),
            ("decimal(14,2)", "-.5", Some("-0.50")),
            ("decimal(14,2)", "12.500", Some("12.50")),
            ("decimal(14,2)", "12.505", None),
            ("decimal(4,2)", "99.99", Some("99.99")),
            ("decimal(4,2)", "100", None),
            ("decimal(4,2)", "0099.9", Some("99.90")),
            ("decimal(4,2)", "-0.00", Some("0.00")),
            ("decimal(4,2)", ".", None),
            ("decimal(4,2)", "1.2.3", None),
            ("boolean", "YES", Some("true")),
            ("boolean", "0", Some("false")),
            ("boolean", "maybe", None),
            ("date", "2024-02-29", Some("2024-02-29")),
            ("date", "2024-02-29 00:00:00", Some("2024-02-29")),
            ("date", "2024-02-29 10:00:00", None),
            ("date", "29.02.2024", None),
            ("datetime", "2024-02-29 10:00", Some("2024-02-29T10:00:00")),
            ("datetime", "2024-02-29T10:00:00+01:00", Some("2024-02-29T09:00:00Z")),
            ("datetime", "noon", None),
            ("text", " as is ", Some(" as is ")),
        ] {
            assert_eq!(read(kind, value).as_deref(), expected, "{kind} of {value:?}");
        }
    }

    #[test]
    fn canonical_forms_compare_equal() {
        let kind = |text: &str| Kind::parse(text).unwrap();
        assert_eq!(kind("decimal(14,2)").canonical("12.5"), kind("decimal(14,2)").canonical("12.50"));
        assert_eq!(kind("text").canonical("Mu\u{308}ller"), "M\u{fc}ller");
        assert_eq!(kind("boolean").canonical("1"), "true");
        assert_eq!(kind("integer").canonical("n/a"), "n/a");
    }
}
