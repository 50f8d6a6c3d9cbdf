//! Numbers as people write them.

/// Which sign stands before the decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notation {
    /// Digits only.
    Whole,
    /// `1,234.5`
    Point,
    /// `1.234,5`
    Comma,
    /// `1,234`: thousands, or three decimals.
    Either,
}

/// A number with what its writing tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    pub(super) value: f64,
    pub(super) notation: Notation,
    /// With a currency sign or code.
    pub(super) currency: bool,
    /// `007`.
    pub(super) leading_zero: bool,
    /// A whole number that a 64-bit float cannot hold.
    pub(super) beyond_float: bool,
}

/// Reads a number: digits with signs for thousands and decimals, a sign, a currency, an exponent.
pub(super) fn number(text: &str) -> Option<Number> {
    if text.len() > 60 || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (bare, currency) = without_currency(text);
    let (bare, negative) = match bare.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => (inner, true),
        None => match bare.strip_prefix(['-', '+', '−']) {
            Some(rest) => (rest.trim_start(), !bare.starts_with('+')),
            None => (bare, false),
        },
    };
    let (bare, more) = if negative || !currency { without_currency(bare) } else { (bare, false) };
    let bare = bare.trim();
    if bare.bytes().all(|byte| byte.is_ascii_digit()) && !bare.is_empty() {
        let value: f64 = bare.parse().ok()?;
        return Some(Number {
            value: if negative { -value } else { value },
            notation: Notation::Whole,
            currency: currency || more,
            leading_zero: bare.len() > 1 && bare.starts_with('0') && !negative,
            beyond_float: bare.parse::<u128>().map_or(true, |whole| whole > 1 << 53),
        });
    }
    let notation = notation(bare)?;
    let plain: String = match notation {
        Notation::Comma => {
            bare.chars().filter(|c| *c != '.' && !is_gap(*c)).map(|c| if c == ',' { '.' } else { c }).collect()
        }
        _ => bare.chars().filter(|c| *c != ',' && !is_gap(*c)).collect(),
    };
    let value: f64 = plain.parse().ok().filter(|value: &f64| value.is_finite())?;
    Some(Number {
        value: if negative { -value } else { value },
        notation,
        currency: currency || more,
        leading_zero: false,
        beyond_float: false,
    })
}

fn is_gap(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’')
}

fn without_currency(text: &str) -> (&str, bool) {
    let text = text.trim();
    for sign in ["€", "$", "£", "¥", "USD", "EUR", "GBP", "CHF", "US$", "JPY"] {
        let inner = text.strip_prefix(sign).or_else(|| text.strip_suffix(sign));
        if let Some(inner) = inner {
            return (inner.trim(), true);
        }
    }
    (text, false)
}

/// Digits in groups: which sign groups them, which one stands before the decimals.
fn notation(text: &str) -> Option<Notation> {
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    let has_exponent = mantissa.len() < text.len();
    if !mantissa.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == ',')
        || !mantissa.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ',' || is_gap(c))
    {
        return None;
    }
    let (last_point, last_comma) = (mantissa.rfind('.'), mantissa.rfind(','));
    let grouped = |whole: &str, sign: char| {
        let mut groups = whole.split(|c| c == sign || is_gap(c));
        groups.next().is_some_and(|first| (1..=3).contains(&first.len()) || !whole.contains([sign, ' ', '\'']))
            && groups.all(|group| group.len() == 3)
    };
    let found = match (last_point, last_comma) {
        (None, None) if has_exponent => Notation::Point,
        (None, None) => grouped(mantissa, ' ').then_some(Notation::Whole)?,
        (Some(point), Some(comma)) if point > comma => grouped(&mantissa[..point], ',').then_some(Notation::Point)?,
        (Some(_), Some(comma)) => grouped(&mantissa[..comma], '.').then_some(Notation::Comma)?,
        (Some(point), None) if mantissa.matches('.').count() == 1 => {
            grouped(&mantissa[..point], ' ').then_some(Notation::Point)?
        }
        (Some(_), None) => grouped(mantissa, '.').then_some(Notation::Comma)?,
        (None, Some(_)) if mantissa.matches(',').count() > 1 => grouped(mantissa, ',').then_some(Notation::Point)?,
        (None, Some(comma)) if mantissa.len() - comma == 4 && comma <= 3 && comma > 0 => Notation::Either,
        (None, Some(comma)) => grouped(&mantissa[..comma], ' ').then_some(Notation::Comma)?,
    };
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notations_are_told_apart() {
        for (text, value, notation) in [
            ("12", 12.0, Notation::Whole),
            ("-12.5", -12.5, Notation::Point),
            ("1,234.50", 1234.5, Notation::Point),
            ("1.234,50", 1234.5, Notation::Comma),
            ("1,234,567", 1_234_567.0, Notation::Point),
            ("1.234.567", 1_234_567.0, Notation::Comma),
            ("12,5", 12.5, Notation::Comma),
            ("1,234", 1234.0, Notation::Either),
            ("1 234,5", 1234.5, Notation::Comma),
            ("1'234.50", 1234.5, Notation::Point),
            ("€ 1.000,00", 1000.0, Notation::Comma),
            ("$1,000.00", 1000.0, Notation::Point),
            ("(12.00)", -12.0, Notation::Point),
            ("-$5", -5.0, Notation::Whole),
            ("1e5", 100_000.0, Notation::Point),
        ] {
            let read = number(text);
            assert_eq!(read.map(|number| (number.value, number.notation)), Some((value, notation)), "{text}");
        }
        for text in
            ["", "-", "abc", "1-2", "1.2.3", "12a", "1,23,4", "+", ".", ",", "e5", "1e", "NaN", "inf", "12 12", "٣"]
        {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_float_would_lose_is_seen() {
        assert!(number("007").is_some_and(|number| number.leading_zero));
        assert!(number("0").is_some_and(|number| !number.leading_zero));
        assert!(number("0.5").is_some_and(|number| !number.leading_zero));
        assert!(number("9007199254740993").is_some_and(|number| number.beyond_float));
        assert!(number("9007199254740992").is_some_and(|number| !number.beyond_float));
        assert!(number(&"9".repeat(50)).is_some_and(|number| number.beyond_float));
    }
}
