//! Dates as people write them: enough to name the format, not to convert (that is a rule's work, with a declared format).

/// How a date is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Format {
    /// `2024-03-31`, with its separator.
    YearFirst(char),
    /// `31/03/2024`: the first number cannot be a month.
    DayFirst(char, Years),
    /// `03/31/2024`: the second number cannot be a month.
    MonthFirst(char, Years),
    /// `03/04/2024`.
    Either(char, Years),
    /// `20240331`.
    Compact,
    /// `31 Mar 2024`.
    DayName,
    /// `Mar 31, 2024`.
    NameDay,
}

/// Digits of the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Years {
    Four,
    Two,
}

impl Format {
    /// `DD/MM/YYYY`.
    pub(super) fn label(self) -> String {
        let years = |years| if years == Years::Four { "YYYY" } else { "YY" };
        match self {
            Self::YearFirst(sign) => format!("YYYY{sign}MM{sign}DD"),
            Self::DayFirst(sign, digits) => format!("DD{sign}MM{sign}{}", years(digits)),
            Self::MonthFirst(sign, digits) => format!("MM{sign}DD{sign}{}", years(digits)),
            Self::Either(sign, digits) => format!("DD{sign}MM{sign}{0} or MM{sign}DD{sign}{0}", years(digits)),
            Self::Compact => "YYYYMMDD".into(),
            Self::DayName => "DD Mon YYYY".into(),
            Self::NameDay => "Mon DD, YYYY".into(),
        }
    }
}

/// A date with what its writing tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date<'a> {
    pub(super) format: Format,
    /// Year, month, day; where both readings fit, the day first.
    pub(super) ymd: (u32, u32, u32),
    /// Time of day as written, empty if there is none.
    pub(super) time: &'a str,
}

/// Reads a date, with or without a time of day.
pub(super) fn date(text: &str) -> Option<Date<'_>> {
    // Times of day and zone names make it longer; a sentence is no date.
    if text.len() < 6 || text.len() > 40 || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let first = text.as_bytes()[0];
    if first.is_ascii_digit() { numeric(text).or_else(|| day_name(text)) } else { name_day(text) }
}

fn numeric(text: &str) -> Option<Date<'_>> {
    let (one, rest) = digits(text)?;
    if one.len() == 8 {
        let ymd = (one[..4].parse().ok()?, one[4..6].parse().ok()?, one[6..].parse().ok()?);
        return build(Format::Compact, ymd, rest).filter(|date| (1900..2100).contains(&date.ymd.0));
    }
    let sign = rest.chars().next().filter(|sign| matches!(sign, '-' | '/' | '.'))?;
    let (two, rest) = digits(&rest[1..])?;
    let (three, rest) = digits(rest.strip_prefix(sign)?)?;
    let [a, b, c]: [u32; 3] = [one.parse().ok()?, two.parse().ok()?, three.parse().ok()?];
    match (one.len(), two.len(), three.len()) {
        (4, 1 | 2, 1 | 2) => build(Format::YearFirst(sign), (a, b, c), rest),
        (1 | 2, 1 | 2, 4 | 2) => {
            let (years, year) = if three.len() == 4 {
                (Years::Four, c)
            } else {
                (Years::Two, if c < 70 { 2000 + c } else { 1900 + c })
            };
            match (a, b) {
                (13.., _) => build(Format::DayFirst(sign, years), (year, b, a), rest),
                (_, 13..) => build(Format::MonthFirst(sign, years), (year, a, b), rest),
                _ => build(Format::Either(sign, years), (year, b, a), rest),
            }
        }
        _ => None,
    }
}

fn day_name(text: &str) -> Option<Date<'_>> {
    let (day, rest) = digits(text)?;
    let rest = rest.trim_start_matches(['.', ' ', '-']);
    let (month, rest) = month(rest)?;
    let (year, rest) = digits(rest.trim_start_matches(['.', ' ', '-', ',']))?;
    (year.len() == 4).then_some(())?;
    build(Format::DayName, (year.parse().ok()?, month, day.parse().ok()?), rest)
}

fn name_day(text: &str) -> Option<Date<'_>> {
    let (month, rest) = month(text)?;
    let (day, rest) = digits(rest.trim_start_matches(['.', ' ']))?;
    let rest = ["st", "nd", "rd", "th"].iter().find_map(|end| rest.strip_prefix(end)).unwrap_or(rest);
    let (year, rest) = digits(rest.trim_start_matches([',', ' ']))?;
    (year.len() == 4).then_some(())?;
    build(Format::NameDay, (year.parse().ok()?, month, day.parse().ok()?), rest)
}

fn build(format: Format, (year, month, day): (u32, u32, u32), rest: &str) -> Option<Date<'_>> {
    let time = rest.trim_start_matches(['T', ' ', ',']);
    let has_time = time.split_once(':').is_some_and(|(hour, after)| {
        matches!(hour.len(), 1 | 2)
            && hour.bytes().all(|byte| byte.is_ascii_digit())
            && after.starts_with(|c: char| c.is_ascii_digit())
    });
    let fits = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (rest.is_empty() || (has_time && time.len() < rest.len()));
    fits.then_some(Date { format, ymd: (year, month, day), time })
}

fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    (end > 0).then(|| text.split_at(end))
}

/// A month by name, English, German, French or Spanish, by its first letters.
fn month(text: &str) -> Option<(u32, &str)> {
    const MONTHS: [&[&str]; 12] = [
        &["jan", "ene"],
        &["feb", "fév", "fev"],
        &["mar", "mär", "mrz"],
        &["apr", "avr", "abr"],
        &["may", "mai"],
        &["jun", "juin"],
        &["jul", "juil"],
        &["aug", "aoû", "aou", "ago"],
        &["sep", "set"],
        &["oct", "okt"],
        &["nov"],
        &["dec", "dez", "déc", "dic"],
    ];
    let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let count = word.chars().count();
    if !(3..=10).contains(&count) {
        return None;
    }
    let word = word.to_lowercase();
    let place = MONTHS.iter().position(|names| names.iter().any(|name| word.starts_with(name)))?;
    Some((place as u32 + 1, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_named() {
        for (text, label, ymd) in [
            ("2024-03-31", "YYYY-MM-DD", (2024, 3, 31)),
            ("2024/3/1", "YYYY/MM/DD", (2024, 3, 1)),
            ("31/03/2024", "DD/MM/YYYY", (2024, 3, 31)),
            ("03/31/2024", "MM/DD/YYYY", (2024, 3, 31)),
            ("03/04/2024", "DD/MM/YYYY or MM/DD/YYYY", (2024, 4, 3)),
            ("31.3.99", "DD.MM.YY", (1999, 3, 31)),
            ("20240331", "YYYYMMDD", (2024, 3, 31)),
            ("31 Mar 2024", "DD Mon YYYY", (2024, 3, 31)),
            ("1. März 2024", "DD Mon YYYY", (2024, 3, 1)),
            ("March 3rd, 2024", "Mon DD, YYYY", (2024, 3, 3)),
            ("2024-03-31T10:11:12Z", "YYYY-MM-DD", (2024, 3, 31)),
        ] {
            assert_eq!(date(text).map(|date| (date.format.label(), date.ymd)), Some((label.to_owned(), ymd)), "{text}");
        }
        assert_eq!(date("31/03/2024 10:15").map(|date| date.time), Some("10:15"));
        for text in [
            "",
            "12345678",
            "99/99/2024",
            "2024-13-01",
            "1.2.3",
            "555-123-4567",
            "2024-03-31x",
            "Marc 12",
            "maybe 3",
            "é2024-01-01",
            "12-é",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
