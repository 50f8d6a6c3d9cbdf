//! ISO 8601 days and moments, read whole or not at all.
use chrono::{Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

/// `2024-03-31`, years 0001 to 9999.
pub(crate) fn read_date(text: &str) -> Option<NaiveDate> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = digits(&bytes[..4])?;
    if year == 0 {
        return None;
    }
    NaiveDate::from_ymd_opt(year as i32, digits(&bytes[5..7])?, digits(&bytes[8..])?)
}

/// `2024-03-31T14:05`, with seconds, fraction and distance to UTC if they are there; a space may stand for the T. A day
/// alone is its midnight.
pub(crate) fn read_moment(text: &str) -> Option<(NaiveDateTime, Option<FixedOffset>)> {
    let date = read_date(text.get(..10)?)?;
    let Some(rest) = text.get(11..) else {
        return (text.len() == 10).then(|| (date.and_time(NaiveTime::MIN), None));
    };
    if !matches!(text.as_bytes()[10], b'T' | b't' | b' ') {
        return None;
    }
    let (clock, offset) = split_offset(rest)?;
    Some((date.and_time(read_time(clock)?), offset))
}

fn read_time(clock: &str) -> Option<NaiveTime> {
    let (whole, fraction) = match clock.split_once('.') {
        Some((whole, fraction)) if whole.len() == 8 => (whole, fraction),
        Some(_) => return None,
        None => (clock, "0"),
    };
    let bytes = whole.as_bytes();
    let seconds = match bytes.len() {
        5 => 0,
        8 if bytes[5] == b':' => digits(&bytes[6..])?,
        _ => return None,
    };
    if bytes[2] != b':' || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let nanos = digits(fraction.as_bytes())? * 10_u32.pow(9 - fraction.len() as u32);
    NaiveTime::from_hms_nano_opt(digits(&bytes[..2])?, digits(&bytes[3..5])?, seconds, nanos)
}

/// Splits `Z`, `+02`, `+0200` or `+02:00` off.
fn split_offset(text: &str) -> Option<(&str, Option<FixedOffset>)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, FixedOffset::east_opt(0)));
    }
    let Some(at) = text.find(['+', '-']) else { return Some((text, None)) };
    let bytes = &text.as_bytes()[at + 1..];
    let (hours, minutes) = match bytes.len() {
        2 => (digits(bytes)?, 0),
        4 => (digits(&bytes[..2])?, digits(&bytes[2..])?),
        5 if bytes[2] == b':' => (digits(&bytes[..2])?, digits(&bytes[3..])?),
        _ => return None,
    };
    if hours > 18 || minutes > 59 {
        return None;
    }
    let seconds = (hours * 3600 + minutes * 60) as i32;
    let offset = FixedOffset::east_opt(if text.as_bytes()[at] == b'-' { -seconds } else { seconds })?;
    Some((text[..at].trim_end_matches(' '), Some(offset)))
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0_u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

/// `2024-03-31`.
pub(crate) fn write_date(out: &mut String, date: NaiveDate) {
    use std::fmt::Write as _;
    let _ = write!(out, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
}

/// `2024-03-31T14:05:00`, the fraction only as far as it is not zero, `Z` if it is UTC.
pub(crate) fn write_moment(moment: NaiveDateTime, utc: bool) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(27);
    write_date(&mut out, moment.date());
    let _ = write!(out, "T{:02}:{:02}:{:02}", moment.hour(), moment.minute(), moment.second());
    let nanos = moment.nanosecond();
    if nanos > 0 {
        let fraction = format!("{nanos:09}");
        out.push('.');
        out.push_str(fraction.trim_end_matches('0'));
    }
    if utc {
        out.push('Z');
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn round(text: &str) -> Option<String> {
        read_moment(text).map(|(moment, offset)| match offset {
            Some(offset) => write_moment(moment - offset, true),
            None => write_moment(moment, false),
        })
    }

    #[test]
    fn moments_are_read_whole_or_not_at_all() {
        for (text, iso) in [
            ("2024-03-31", "2024-03-31T00:00:00"),
            ("2024-03-31 14:05", "2024-03-31T14:05:00"),
            ("2024-03-31T14:05:06.500", "2024-03-31T14:05:06.5"),
            ("2024-03-31T14:05:06Z", "2024-03-31T14:05:06Z"),
            ("2024-03-31T00:05:06+02:00", "2024-03-30T22:05:06Z"),
            ("2024-03-31 14:05:06-0130", "2024-03-31T15:35:06Z"),
            ("2024-02-29 14:05:06 +00", "2024-02-29T14:05:06Z"),
        ] {
            assert_eq!(round(text).as_deref(), Some(iso), "{text}");
        }
        for text in [
            "",
            "2024",
            "2024-3-31",
            "2023-02-29",
            "2024-03-31T",
            "2024-03-31T14",
            "2024-03-31T24:00",
            "2024-03-31T14:05:",
            "2024-03-31T14:05:06.",
            "2024-03-31X14:05",
            " 2024-03-31",
            "2024-03-31T14:05+2",
            "0000-01-01",
            "２024-03-31",
            "2024-03-31T14:05.5",
            "2024-03-31T14:05:06.1234567890",
            "2024-03-31\u{a0}14:05",
        ] {
            assert_eq!(round(text), None, "{text}");
        }
    }
}
