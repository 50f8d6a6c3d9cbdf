//! Times as people write them. Without a zone they are UTC, as everything that the console shows and keeps.
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

use crate::error::{Error, Result};
use crate::project::parse_duration;

/// A time of which a part may be left out, in milliseconds since 1970: `2026-11-25T09:00:00+01:00`, `2026-11-25 09:00`, `09:00`
/// (the last time it was that), `-30m`, `2h ago`, `now`.
pub fn parse_moment(text: &str, now: i64) -> Result<i64> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("now") {
        return Ok(now);
    }
    let span = text.strip_prefix('-').or_else(|| text.strip_suffix("ago")).or_else(|| text.strip_suffix("AGO"));
    if let Some(ago) = span.and_then(|span| parse_duration(span.trim())) {
        return Ok(now - ago.as_millis() as i64);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp_millis());
    }
    for form in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text.trim_end_matches(['Z', 'z']).trim_end(), form) {
            return Ok(time.and_utc().timestamp_millis());
        }
    }
    if let Some(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0)) {
        return Ok(day.and_utc().timestamp_millis());
    }
    let time = ["%H:%M:%S%.f", "%H:%M"].into_iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok());
    if let (Some(time), Some(today)) = (time, DateTime::from_timestamp_millis(now)) {
        let at = today.date_naive().and_time(time).and_utc();
        let at = if at.timestamp_millis() > now { at - chrono::Days::new(1) } else { at };
        return Ok(at.timestamp_millis());
    }
    Err(Error::usage(format!("'{text}' is no time"))
        .advise("say 09:00 or 2026-11-25 09:00 (UTC), 2026-11-25T09:00:00+01:00, -30m, \"2h ago\" or now"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::journal::sync::text_of;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now = DateTime::parse_from_rfc3339("2026-11-25T09:30:00Z").unwrap().timestamp_millis();
        for (text, time) in [
            ("now", "2026-11-25 09:30:00.000"),
            ("-30m", "2026-11-25 09:00:00.000"),
            ("2h ago", "2026-11-25 07:30:00.000"),
            (" 90s ago ", "2026-11-25 09:28:30.000"),
            ("09:15", "2026-11-25 09:15:00.000"),
            ("09:15:02.5", "2026-11-25 09:15:02.500"),
            ("23:50", "2026-11-24 23:50:00.000"),
            ("2026-11-24", "2026-11-24 00:00:00.000"),
            ("2026-11-24 22:10", "2026-11-24 22:10:00.000"),
            ("2026-11-24T22:10:11Z", "2026-11-24 22:10:11.000"),
            ("2026-11-25T10:00:00+01:00", "2026-11-25 09:00:00.000"),
            ("2026-11-25T09:00Z", "2026-11-25 09:00:00.000"),
        ] {
            assert_eq!(text_of(parse_moment(text, now).unwrap()), time, "{text}");
        }
        for text in ["", "yesterday", "25:00", "-", "ago", "-5", "2026-13-01", "9", "999999999999999999999d ago"] {
            assert!(parse_moment(text, now).is_err(), "{text}");
        }
    }
}
