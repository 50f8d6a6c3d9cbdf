//! Looking at one value.
use std::fmt::Write;

/// Values that stand for nothing, lower-case. Whether they do is for the operator to say: `NA` is a surname too.
const NULL_TOKENS: [&str; 16] = [
    "n/a",
    "na",
    "n.a.",
    "null",
    "none",
    "nil",
    "nan",
    "#n/a",
    "(null)",
    "(blank)",
    "(none)",
    "-",
    "--",
    "?",
    "undefined",
    "tbd",
];
const BOOLEANS: [&str; 17] =
    ["true", "false", "yes", "no", "y", "n", "t", "f", "j", "ja", "nein", "on", "off", "oui", "non", "si", "sim"];

/// True for a token that stands for nothing.
pub(crate) fn is_null_token(text: &str) -> bool {
    text.len() <= 10 && NULL_TOKENS.iter().any(|token| token.eq_ignore_ascii_case(text))
}

/// True for a word that says yes or no.
pub(crate) fn is_boolean(text: &str) -> bool {
    text.len() <= 5 && BOOLEANS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// True for the form of an address: one `@`, a domain with a dot, no blanks. Not a check of the address.
pub(crate) fn is_email(text: &str) -> bool {
    let Some((user, domain)) = text.split_once('@') else { return false };
    !user.is_empty()
        && !domain.contains('@')
        && !text.contains(char::is_whitespace)
        && domain.rsplit_once('.').is_some_and(|(host, ending)| !host.is_empty() && ending.chars().count() >= 2)
}

/// True for a web address.
pub(crate) fn is_url(text: &str) -> bool {
    let start = |prefix: &str| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    (start("http://") || start("https://") || start("www."))
        && text.contains('.')
        && !text.contains(char::is_whitespace)
}

/// True for a telephone number: 6 to 15 digits with the signs that go with them.
pub(crate) fn is_phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let number = text.split(['x', 'e']).next().unwrap_or(text);
    (6..=18).contains(&digits)
        && number.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '(' | ')' | ' ' | '.' | '/' | '\u{a0}'))
        && (number.len() == text.len()
            || text[number.len()..].chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | ' ')))
}

/// `8-4-4-4-12` hexadecimal digits.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// UTF-8 that was read as Latin-1 or Windows-1252 (`Ã¼`, `â€™`), or bytes that could not be read at all.
pub(crate) fn is_mojibake(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(next) = chars.peek().copied() else { return c == '\u{fffd}' };
        // Second bytes of UTF-8 as those two encodings show them.
        let second = matches!(next, '\u{80}'..='\u{bf}') || "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ".contains(next);
        match c {
            '\u{fffd}' => return true,
            'Ã' | 'Â' if second => return true,
            'Ä' | 'Å' if matches!(next, '\u{80}'..='\u{bf}') => return true,
            'â' if next == '€' || next == '\u{80}' => return true,
            _ => {}
        }
    }
    false
}

/// The shape: `A` and `a` for letters, `x` for letters without case, `9` for digits, the rest as it is; long runs cut, so
/// that names of any length have one shape while lengths of numbers can be told.
pub(crate) fn shape(text: &str, shape: &mut String) {
    shape.clear();
    let (mut last, mut run) = ('\0', 0_u32);
    for c in text.chars() {
        let sign = if c.is_ascii_digit() {
            '9'
        } else if c.is_alphabetic() {
            if c.is_lowercase() {
                'a'
            } else if c.is_uppercase() {
                'A'
            } else {
                'x'
            }
        } else if c.is_numeric() {
            '9'
        } else if c.is_control() {
            '␦'
        } else {
            c
        };
        run = if sign == last { run + 1 } else { 1 };
        last = sign;
        let most = match sign {
            'a' | 'x' => 3,
            'A' => 4,
            '9' => 18,
            _ => 2,
        };
        if run <= most {
            if shape.len() > 40 {
                _ = write!(shape, "…");
                return;
            }
            shape.push(sign);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_recognised() {
        assert!(is_email("a.b+c@example.co.uk") && !is_email("a@b") && !is_email("a b@c.de") && !is_email("@c.de"));
        assert!(
            is_url("https://example.com/x") && is_url("www.example.com") && !is_url("example.com") && !is_url("htt")
        );
        assert!(
            is_phone("+49 (0)30 123-456")
                && is_phone("555-123-4567 ext. 12")
                && !is_phone("12345")
                && !is_phone("12 Main St 12345")
        );
        assert!(is_uuid("123e4567-e89b-12d3-a456-426614174000") && !is_uuid("123e4567"));
        assert!(is_null_token("N/A") && is_null_token("-") && !is_null_token("Nadia"));
        assert!(is_boolean("YES") && !is_boolean("1"));
    }

    #[test]
    fn broken_encodings_are_seen_and_sound_words_are_not() {
        for text in ["MÃ¼ller", "FranÃ§ois", "Oâ€™Neil", "Â£5", "caf\u{fffd}", "\u{fffd}"] {
            assert!(is_mojibake(text), "{text}");
        }
        for text in ["Müller", "François", "Ångström", "SÃO PAULO", "Âge", "pâté", "Ärger", "日本", "100 €", "Ã"]
        {
            assert!(!is_mojibake(text), "{text}");
        }
    }

    #[test]
    fn shapes_keep_what_tells() {
        for (text, wanted) in [
            ("Anna 12-345", "Aaaa 99-999"),
            ("Alexander", "Aaaa"),
            ("ACME", "AAAA"),
            ("ACMEXYZ", "AAAA"),
            ("+49 30 1234567", "+99 99 9999999"),
            ("日本語", "xxx"),
            ("a\tb", "a␦a"),
            ("", ""),
        ] {
            let mut found = String::new();
            shape(text, &mut found);
            assert_eq!(found, wanted, "{text}");
        }
        let mut found = String::new();
        shape(&"a1".repeat(100), &mut found);
        assert!(found.chars().count() <= 43 && found.ends_with('…'));
    }
}
