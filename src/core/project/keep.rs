//! `[state]`: how long the console keeps what it knows.
use std::time::Duration;

const DAY: u64 = 24 * 60 * 60;

/// How long something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Until somebody removes it.
    Forever,
    /// So long.
    For(Duration),
}

impl Span {
    /// `12h`, `30d`, `8w`, `2y` or `forever`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("forever") {
            return Some(Self::Forever);
        }
        let unit = text.chars().last()?;
        let number: u64 = text[..text.len() - unit.len_utf8()].trim_end().parse().ok()?;
        let seconds = match unit {
            'h' => 60 * 60,
            'd' => DAY,
            'w' => 7 * DAY,
            'y' => 365 * DAY,
            _ => return None,
        };
        number.checked_mul(seconds).map(|seconds| Self::For(Duration::from_secs(seconds)))
    }
    /// Something of this age is kept no longer.
    pub fn is_over(self, age: Duration) -> bool {
        matches!(self, Self::For(span) if age > span)
    }
    const fn days(days: u64) -> Self {
        Self::For(Duration::from_secs(days * DAY))
    }
}

/// `[state]`, after defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateConfig {
    /// Snapshots of an object that are kept beside those that plans refer to.
    pub snapshots: usize,
    /// Plans that are kept beside those that runs refer to.
    pub plans: usize,
    /// Cycles of sync that wrote something, of each mapping and way: what taking a span of sync back needs. They go with
    /// the images of runs of their age, too.
    pub cycles: usize,
    /// Rows as they were before a run, and as it left them: what taking it back needs.
    pub images: Span,
    /// Rejects of a run, and what its verify found.
    pub rejects: Span,
    /// Events of sync that are done, newest ones; those that wait are kept beside.
    pub events: usize,
    /// Events, log and scores of sync are not kept for longer than this.
    pub history: Span,
    /// Bytes of a log of the service; then it becomes `NAME.1`.
    pub log_size: u64,
    /// Old logs that are kept.
    pub logs: usize,
    /// The rest of a run: journal, report, what it told the crosswalk.
    pub runs: Span,
}

impl Default for StateConfig {
    fn default() -> Self {
        Self {
            snapshots: 3,
            plans: 5,
            cycles: 1_000,
            images: Span::days(30),
            rejects: Span::days(90),
            events: 200_000,
            history: Span::days(7),
            log_size: 10_000_000,
            logs: 5,
            runs: Span::days(365),
        }
    }
}

/// `512kB`, `10MB`, `1GB`: bytes.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let factor = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return None,
    };
    number.checked_mul(factor).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        let hours = |hours: u64| Some(Span::For(Duration::from_secs(hours * 3600)));
        for (text, span) in [
            ("12h", hours(12)),
            ("30d", hours(720)),
            (" 8 w ", hours(8 * 7 * 24)),
            ("1y", hours(365 * 24)),
            ("0d", hours(0)),
            ("Forever", Some(Span::Forever)),
            ("30", None),
            ("d", None),
            ("-1d", None),
            ("3 months", None),
            ("99999999999999999999d", None),
            ("18446744073709551615y", None),
            ("7é", None),
            ("", None),
        ] {
            assert_eq!(Span::parse(text), span, "{text}");
        }
        for (text, size) in [
            ("512kB", Some(512_000)),
            ("10 MB", Some(10_000_000)),
            ("4096", Some(4_096)),
            ("0MB", None),
            ("MB", None),
            ("10TB", None),
            ("-1MB", None),
            ("99999999999999999999GB", None),
        ] {
            assert_eq!(parse_size(text), size, "{text}");
        }
        assert!(Span::days(1).is_over(Duration::from_secs(DAY + 1)));
        assert!(!Span::days(1).is_over(Duration::from_secs(DAY)));
        assert!(!Span::Forever.is_over(Duration::MAX));
    }
}
