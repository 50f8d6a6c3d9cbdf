//! Text on its way out: masks for personal data, cells that a spreadsheet does not run.
use std::borrow::Cow;

/// Hides a cell tagged `pii`: the first letter and the class of the length stay, so that rows can be told apart by eye
/// (`a****@***.com`) while the value cannot be read. Not injective, and not meant to be.
pub fn mask(text: &str) -> String {
    mask_with(text, '*')
}

/// [`mask`] with the sign to use: `*` on terminals without UTF-8.
pub fn mask_with(text: &str, sign: char) -> String {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return String::new();
    }
    if let Some((user, domain)) =
        trimmed.split_once('@').filter(|(user, domain)| !user.is_empty() && domain.contains('.'))
    {
        let ending = domain.rsplit('.').next().unwrap_or_default();
        // A top-level domain says little; anything else behind the last dot may say all.
        let ending =
            if ending.len() <= 6 && ending.bytes().all(|byte| byte.is_ascii_alphabetic()) { ending } else { "" };
        return format!("{}@{}.{ending}", hide(user, sign), signs(3, sign));
    }
    hide(trimmed, sign)
}

/// First letter or digit, then as many signs as the length's class has.
fn hide(text: &str, sign: char) -> String {
    let length = text.chars().count();
    let first = text.chars().next().filter(|c| length > 2 && c.is_alphanumeric());
    let class = match length {
        0..=2 => 2,
        3..=8 => 4,
        9..=20 => 8,
        _ => 12,
    };
    first.into_iter().chain(signs(class, sign).chars()).collect()
}

fn signs(count: usize, sign: char) -> String {
    std::iter::repeat_n(sign, count).collect()
}

/// A cell of a CSV file for people (DESIGN rule 10): what a spreadsheet would run as a formula gets an apostrophe in
/// front. Numbers (`-12.5`), phone numbers without operators (`+49 30 123`) and handles (`@anna`) stay as they are.
pub fn neutralise(cell: &str) -> Cow<'_, str> {
    if is_formula(cell) { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

/// True when a spreadsheet may take the cell for more than text.
fn is_formula(cell: &str) -> bool {
    // Tab and line breaks in front are dropped by spreadsheets, other blanks and invisible characters by some.
    let text =
        cell.trim_start_matches(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}' | '\u{feff}'));
    let mut chars = text.chars();
    let rest = match chars.next() {
        Some('=' | '＝' | '＋' | '－' | '＠') => return true,
        Some('+') => return !is_plain_number(chars.as_str(), true),
        Some('-' | '−') => return !is_plain_number(chars.as_str(), false),
        Some('@') => chars.as_str(),
        // The call of another program by its old name needs no sign in front.
        Some('d' | 'D') => {
            let name: String = text.chars().take(3).collect();
            return name.eq_ignore_ascii_case("dde") && text[3..].trim_start().starts_with('(');
        }
        _ => return false,
    };
    rest.is_empty() || !rest.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
}

/// Digits with separators, behind the sign. A phone number may have blanks and brackets, but no operator: `+49-30-12` is
/// a subtraction to a spreadsheet.
fn is_plain_number(text: &str, phone: bool) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0 {
        return false;
    }
    let plain =
        text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',') || (phone && matches!(c, ' ' | '(' | ')')));
    plain || is_money(text) || is_exponent(text)
}

/// `1,234.50 €`, `$12`, `12 %`.
fn is_money(text: &str) -> bool {
    let sign = |c: char| matches!(c, '€' | '$' | '£' | '¥' | '%' | ' ' | '\u{a0}' | '\u{202f}' | '\'');
    let inner = text.trim_matches(sign);
    !inner.is_empty()
        && text.chars().filter(|c| sign(*c)).count() <= 6
        && inner.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '\u{a0}' | '\u{202f}' | ' '))
}

/// `1.5e-7`.
fn is_exponent(text: &str) -> bool {
    text.split_once(['e', 'E']).is_some_and(|(mantissa, exponent)| {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let point = mantissa.replacen('.', "", 1);
        digits(&point) && digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn masks_tell_rows_apart_and_no_more() {
        for (text, masked) in [
            ("anna.weiss@example.com", "a********@***.com"),
            ("bob@x.co.uk", "b****@***.uk"),
            ("Anna", "A****"),
            ("Li", "**"),
            ("+49 30 123456", "********"),
            ("4111 1111 1111 1111", "4********"),
            ("", ""),
            ("  ", ""),
            ("Ödön", "Ö****"),
            ("a@b.secretword1", "**@***."),
        ] {
            assert_eq!(mask(text), masked, "{text}");
        }
        assert_eq!(mask_with("Anna", '*'), "A****");
    }

    #[test]
    fn formulas_are_neutralised() {
        for cell in [
            "=1+1",
            "+1+1",
            "-1+1",
            "@SUM(1,1)",
            "\t=1+1",
            "\r=1",
            "\n=1+1",
            " =1+1",
            "＝1+1",
            "＠SUM(A1)",
            "-2+3+cmd|' /C calc'!A0",
            "+cmd|' /C calc'!A0",
            "-",
            "@",
            "+",
            "=",
            "DDE (\"cmd\";\"/C calc\")",
            "dde(\"x\")",
            "\u{feff}=1",
            "-@SUM(1)",
            "+49-30-1234",
            "−1+cmd",
            "-1e5+A1",
        ] {
            assert_eq!(neutralise(cell), format!("'{cell}"), "{cell:?}");
        }
    }

    #[test]
    fn harmless_cells_stay() {
        for cell in [
            "",
            "Anna",
            "-5",
            "-12.5",
            "-1.5",
            "-1,234.50",
            "+4712345678",
            "+49 30 123456",
            "+49 (0) 30 12345",
            "@handle",
            "@anna.weiss",
            "a=b",
            "1-2",
            "'quoted",
            "-12,50 €",
            "-$12",
            "-1.5e-7",
            "dd",
            "DDE",
            "Déjà",
            "ddé",
            "d\u{200b}",
            "-12 %",
        ] {
            assert!(matches!(neutralise(cell), Cow::Borrowed(_)), "{cell:?}");
        }
    }
}
