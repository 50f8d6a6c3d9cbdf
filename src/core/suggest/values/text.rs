//! Looking at one value: what it may be.
use std::collections::BTreeSet;

use chrono::{NaiveDate, NaiveDateTime};

use super::Meaning;
use crate::table::profile::guess::is_country;
use crate::table::profile::value::{self, is_email, is_phone, is_url, is_uuid};

pub(in crate::suggest) use value::is_null_token;

/// What a value may be; several where it cannot be told alone (`N` is no yes-or-no word if all others are names).
pub(super) fn meanings(text: &str, mut take: impl FnMut(Meaning)) {
    let first = text.as_bytes().first().copied().unwrap_or_default();
    if text.contains('@') && is_email(text) {
        return take(Meaning::Email);
    }
    if matches!(first, b'h' | b'H' | b'w' | b'W') && is_url(text) {
        return take(Meaning::Url);
    }
    if text.len() == 36 && is_uuid(text) {
        return take(Meaning::Uuid);
    }
    if boolean_word(text).is_some() {
        take(Meaning::Boolean);
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0 {
        if is_country(text) {
            take(Meaning::Country);
        }
        return;
    }
    if is_date(text) {
        return take(Meaning::Date);
    }
    if number_of(text).is_some() {
        take(Meaning::Number);
    }
    // A bare row of digits is as well an id: only what is written as a number to be dialled says phone.
    let bare = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits >= 7 && is_phone(text) && (!bare || (first == b'0' && digits >= 9)) {
        take(Meaning::Phone);
    }
}

/// Words for yes and for no in the usual languages; `1` and `0` too.
pub(in crate::suggest) fn boolean_word(text: &str) -> Option<bool> {
    const YES: &[&str] = &["true", "yes", "y", "t", "j", "ja", "on", "oui", "si", "sí", "sim", "wahr", "1", "x"];
    const NO: &[&str] = &["false", "no", "n", "f", "nein", "off", "non", "não", "nao", "falsch", "0"];
    if text.len() > 6 {
        return None;
    }
    let is = |list: &[&str]| list.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(YES) {
        Some(true)
    } else if is(NO) {
        Some(false)
    } else {
        None
    }
}

/// The number that a text stands for, whatever sign, unit or notation goes with it: near enough to compare distributions.
pub(in crate::suggest) fn number_of(text: &str) -> Option<f64> {
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then_some(number);
    }
    if text.len() > 40 {
        return None;
    }
    let core = text.trim_matches(|c: char| !c.is_ascii_digit());
    let (before, after) = text.split_once(core)?;
    // A currency, a unit or a bracket; not a street, a code or a sentence.
    let aside =
        |part: &str| part.chars().filter(|c| !c.is_whitespace()).count() <= 4 && !part.contains(['/', ':', '#', '@']);
    // `A-12` is a code, `EUR -12` is not.
    let code = before.ends_with('-') && before.contains(|c: char| c.is_ascii_alphabetic()) && !before.contains(' ');
    if core.is_empty() || code || !aside(before) || !aside(after) {
        return None;
    }
    if !core.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b',' | b' ' | b'\'')) {
        return None;
    }
    let last = core.rfind(['.', ',']);
    let decimals = last.filter(|at| {
        let mark = core.as_bytes()[*at];
        let again = core.bytes().filter(|b| *b == mark).count() > 1;
        !again && (core.len() - at - 1 != 3 || core.bytes().any(|b| matches!(b, b'.' | b',') && b != mark))
    });
    let digits: String = core
        .char_indices()
        .filter_map(|(at, c)| if Some(at) == decimals { Some('.') } else { c.is_ascii_digit().then_some(c) })
        .collect();
    let number: f64 = digits.parse().ok()?;
    Some(if before.contains(['-', '(']) { -number } else { number })
}

const ISO: &str = "%Y-%m-%d";

/// Formats in which dates are written, with and without a time.
const FORMATS: &[&str] = &[
    ISO,
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%B %d, %Y",
    "%Y%m%d",
    "%d.%m.%y",
    "%m/%d/%y",
    "%d/%m/%y",
];
const TIMES: &[&str] = &[
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M %p",
    "%Y/%m/%d %H:%M:%S",
];

/// Dates of nothing, as some products write them.
pub(in crate::suggest) const ZERO_DATES: &[&str] =
    &["0000-00-00", "00/00/0000", "00.00.0000", "0000-00-00 00:00:00", "0"];

/// Long enough and with the signs of a date: spares most values the attempt.
fn may_be_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    (8..=32).contains(&bytes.len())
        && bytes.iter().filter(|b| b.is_ascii_digit()).count() >= 5
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'/' | b'.' | b':' | b' ' | b',' | b'+'))
}

fn is_date(text: &str) -> bool {
    may_be_date(text)
        && (text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()))
        && (is_iso_time(text)
            || FORMATS.iter().any(|format| fits(text, format))
            || TIMES.iter().any(|format| fits(text, format)))
}

/// ISO 8601 with or without a zone: the console reads and writes it as it is.
fn is_iso_time(text: &str) -> bool {
    let text = text.strip_suffix('Z').unwrap_or(text);
    text.get(..10).is_some_and(|day| fits(day, ISO))
        && (text.len() == 10
            || (matches!(text.as_bytes()[10], b'T' | b' ')
                && text[11..].bytes().all(|b| b.is_ascii_digit() || b":.+-".contains(&b))))
}

fn fits(text: &str, format: &str) -> bool {
    let full = format.contains("%Y");
    let year = |year: String| !full || year.starts_with(['1', '2']);
    if format.contains("%H") || format.contains("%I") {
        NaiveDateTime::parse_from_str(text, format).is_ok_and(|time| year(time.format("%Y").to_string()))
    } else {
        NaiveDate::parse_from_str(text, format).is_ok_and(|date| {
            // Years of two digits would be read as the first century; and four digits do not fit a year of two.
            year(date.format("%Y").to_string()) && (full || text.len() <= 8)
        })
    }
}

/// How dates are written: the formats that explain them with fewest, those that fit most first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::suggest) struct DateFormats {
    /// chrono formats.
    pub(in crate::suggest) formats: Vec<&'static str>,
    /// They have a time of day.
    pub(in crate::suggest) times: bool,
    /// All are ISO already.
    pub(in crate::suggest) iso: bool,
}

/// The formats in which these dates are written; None if they are none, or day and month cannot be told apart. Values for
/// nothing and the zero dates are left out.
pub(in crate::suggest) fn date_formats(samples: &[String]) -> Option<DateFormats> {
    let values: Vec<&str> = samples
        .iter()
        .map(|value| value.trim())
        .filter(|value| !value.is_empty() && !ZERO_DATES.contains(value) && !is_null_token(value))
        .collect();
    if values.is_empty() {
        return None;
    }
    if values.iter().all(|value| is_iso_time(value)) {
        return Some(DateFormats { formats: vec![], times: values.iter().any(|value| value.len() > 10), iso: true });
    }
    for (list, times) in [(FORMATS, false), (TIMES, true)] {
        let fitting: Vec<BTreeSet<usize>> = values
            .iter()
            .map(|value| {
                (0..list.len())
                    .filter(|at| (may_be_date(value) || value.len() >= 6) && fits(value, list[*at]))
                    .collect()
            })
            .collect();
        let known = fitting.iter().filter(|formats| !formats.is_empty()).count();
        if (known as f64) < 0.8 * values.len() as f64 {
            continue;
        }
        // Only what fits one format alone decides; the rest must follow from that.
        let decided: BTreeSet<usize> = fitting.iter().filter(|formats| formats.len() == 1).flatten().copied().collect();
        let mut counts = vec![0_usize; list.len()];
        for formats in fitting.iter().filter(|formats| !formats.is_empty()) {
            let open: Vec<usize> = formats.intersection(&decided).copied().collect();
            match open.as_slice() {
                [one] => counts[*one] += 1,
                _ => return None,
            }
        }
        let mut formats: Vec<usize> = (0..list.len()).filter(|at| counts[*at] > 0).collect();
        formats.sort_by_key(|at| (std::cmp::Reverse(counts[*at]), *at));
        return Some(DateFormats { formats: formats.into_iter().map(|at| list[at]).collect(), times, iso: false });
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;

    fn owned(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    fn formats(values: &[&str]) -> Option<Vec<&'static str>> {
        date_formats(&owned(values)).map(|found| found.formats)
    }

    #[test]
    fn formats_are_named_only_if_they_can_be_told() {
        assert_eq!(formats(&["31/01/2024", "01/02/2024"]).unwrap(), ["%d/%m/%Y"]);
        assert_eq!(formats(&["01/02/2024"]), None);
        assert_eq!(formats(&["31.01.2024", "2024-01-31", "00/00/0000", "n/a"]).unwrap(), ["%Y-%m-%d", "%d.%m.%Y"]);
        assert_eq!(formats(&["03/01/2024", "31/12/2023", "05.06.1999"]).unwrap(), ["%d/%m/%Y", "%d.%m.%Y"]);
        assert_eq!(formats(&["27/02/2014 15:43", "01/02/2020 06:59"]).unwrap(), ["%d/%m/%Y %H:%M"]);
        assert!(date_formats(&owned(&["2024-01-31", "2024-01-31T10:00:00Z"])).unwrap().iso);
        assert_eq!(formats(&[]), None);
        assert_eq!(formats(&["Bonn", "Rome"]), None);
    }

    #[test]
    fn numbers_are_read_whatever_goes_with_them() {
        for (text, number) in [
            ("12", 12.0),
            ("84.268.439,09 €", 84_268_439.09),
            ("$1,234.50", 1234.5),
            ("(12.50)", -12.5),
            ("60%", 60.0),
            ("1.234", 1.234),
            ("1,234", 1234.0),
            ("12 kg", 12.0),
        ] {
            assert_eq!(number_of(text), Some(number), "{text}");
        }
        for text in ["", "Main St 12", "A-12", "12/13", "k.A.", "10:30", "€"] {
            assert_eq!(number_of(text), None, "{text}");
        }
    }

    #[test]
    fn one_value_may_be_several_things() {
        let of = |text: &str| {
            let mut found = Vec::new();
            meanings(text, |meaning| found.push(meaning));
            found
        };
        assert_eq!(of("a@b.com"), [Meaning::Email]);
        assert_eq!(of("www.b.com"), [Meaning::Url]);
        assert_eq!(of("1999-12-01"), [Meaning::Date]);
        assert_eq!(of("+49 30 1234567"), [Meaning::Number, Meaning::Phone], "by itself it may be either");
        assert_eq!(of("+49 (30) 123-4567"), [Meaning::Phone]);
        assert_eq!(of("Y"), [Meaning::Boolean]);
        assert_eq!(of("Germany"), [Meaning::Country]);
        assert_eq!(of("3.5"), [Meaning::Number]);
        assert!(of("Ann").is_empty() && of("").is_empty());
    }
}
