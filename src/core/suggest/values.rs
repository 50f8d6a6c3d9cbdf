//! What sampled values look like, and in which format dates are written.
use chrono::NaiveDate;

/// Share of the values that must look so.
const MOST: f64 = 0.8;
/// Most values that are looked at.
const LOOKED_AT: usize = 200;

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Email,
    Url,
    Date,
    Number,
    Boolean,
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
        }
    }
    /// Few fields of an object hold it, so that it says much.
    pub(super) const fn is_telling(self) -> bool {
        matches!(self, Self::Email | Self::Url)
    }
}

/// What most of the non-blank values are; None for plain text or nothing.
pub(super) fn meaning(samples: &[String]) -> Option<Meaning> {
    let values: Vec<&str> =
        samples.iter().map(|value| value.trim()).filter(|value| !value.is_empty()).take(LOOKED_AT).collect();
    if values.is_empty() {
        return None;
    }
    let most =
        |test: fn(&str) -> bool| values.iter().filter(|value| test(value)).count() as f64 >= MOST * values.len() as f64;
    if most(is_email) {
        Some(Meaning::Email)
    } else if most(is_url) {
        Some(Meaning::Url)
    } else if most(is_boolean) {
        Some(Meaning::Boolean)
    } else if most(|value| FORMATS.iter().any(|format| is_date(value, format))) {
        Some(Meaning::Date)
    } else if most(|value| value.parse::<f64>().is_ok_and(f64::is_finite)) {
        Some(Meaning::Number)
    } else {
        None
    }
}

fn is_email(value: &str) -> bool {
    value
        .split_once('@')
        .is_some_and(|(user, domain)| !user.is_empty() && domain.contains('.') && !value.contains(char::is_whitespace))
}

fn is_url(value: &str) -> bool {
    let value = value.to_lowercase();
    !value.contains(char::is_whitespace)
        && (value.starts_with("http://") || value.starts_with("https://") || value.starts_with("www."))
}

fn is_boolean(value: &str) -> bool {
    ["true", "false", "yes", "no", "y", "n", "t", "f"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

const ISO: &str = "%Y-%m-%d";
const FORMATS: &[&str] = &[ISO, "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y"];

fn is_date(value: &str, format: &str) -> bool {
    // Years of two digits would be read as the first century.
    NaiveDate::parse_from_str(value, format).is_ok_and(|date| date.format("%Y").to_string().starts_with(['1', '2']))
}

/// The one format in which all dates are written: None if they are ISO, mixed, or could be read in two ways.
pub(super) fn date_format(samples: &[String]) -> Option<&'static str> {
    let values: Vec<&str> = samples.iter().map(|value| value.trim()).filter(|value| !value.is_empty()).collect();
    let mut fitting = FORMATS.iter().filter(|format| !values.is_empty() && values.iter().all(|v| is_date(v, format)));
    let first = fitting.next()?;
    (fitting.next().is_none() && *first != ISO).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn values_tell_what_they_are() {
        assert_eq!(meaning(&owned(&["a@b.com", "", "c@d.org"])), Some(Meaning::Email));
        assert_eq!(meaning(&owned(&["https://a.com", "www.b.com"])), Some(Meaning::Url));
        assert_eq!(meaning(&owned(&["2024-01-31", "1999-12-01"])), Some(Meaning::Date));
        assert_eq!(meaning(&owned(&["12", "3.5", "-1"])), Some(Meaning::Number));
        assert_eq!(meaning(&owned(&["Y", "n"])), Some(Meaning::Boolean));
        assert_eq!(meaning(&owned(&["Ann", "Ben"])), None);
        assert_eq!(meaning(&owned(&["  "])), None);
    }

    #[test]
    fn a_format_is_named_only_if_it_is_the_only_one() {
        assert_eq!(date_format(&owned(&["31/01/2024", "01/02/2024"])), Some("%d/%m/%Y"));
        assert_eq!(date_format(&owned(&["01/02/2024"])), None);
        assert_eq!(date_format(&owned(&["2024-01-31"])), None);
        assert_eq!(date_format(&owned(&["31.01.2024", "2024-01-31"])), None);
        assert_eq!(date_format(&[]), None);
    }
}
