//! Values of SQLite as text, and text as what SQLite stores.
//!
//! | stored | as text |
//! |---|---|
//! | NULL | NULL |
//! | INTEGER | decimal digits |
//! | REAL | the shortest decimal that gives the same number back: `12.5`, `100`, `1e300`, `Inf` |
//! | TEXT | exactly as stored |
//! | BLOB, and TEXT that is not UTF-8 | `x'00ff'` |
//!
//! The way back goes by the column's affinity, and never changes a value silently: what does not fit is refused.
use std::fmt::Write as _;
use std::ops::Range;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

/// What SQLite does with a value on its way into a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affinity {
    Integer,
    Real,
    Numeric,
    Text,
    Blob,
}

/// What a column takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ColumnKind {
    /// SQLite's rule for the column.
    pub(super) affinity: Affinity,
    /// The declared word says that it holds numbers: other text is a mistake.
    number: bool,
    /// The declared word says that it holds truth values.
    boolean: bool,
    /// The declared word, for reasons.
    declared: String,
}

impl ColumnKind {
    /// From the declared type (SQLite's own five rules, in their order).
    pub(super) fn of(declared: &str, strict: bool) -> Self {
        let upper = declared.to_ascii_uppercase();
        let has = |word: &str| upper.contains(word);
        let affinity = if has("INT") {
            Affinity::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Affinity::Text
        } else if has("BLOB") || upper.is_empty() || (strict && upper == "ANY") {
            Affinity::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Affinity::Real
        } else {
            Affinity::Numeric
        };
        let boolean = affinity == Affinity::Numeric && has("BOOL");
        let number = match affinity {
            Affinity::Integer | Affinity::Real => true,
            Affinity::Numeric => boolean || has("NUM") || has("DEC") || has("MONEY") || has("CURRENCY"),
            Affinity::Text | Affinity::Blob => false,
        };
        Self { affinity, number, boolean, declared: declared.to_owned() }
    }

    /// What to bind so that the column holds this text. The error is a reason without the value.
    pub(super) fn bind<'a>(&self, text: &'a str) -> Result<Bound<'a>, String> {
        match self.affinity {
            Affinity::Text => Ok(Bound::Text(text)),
            Affinity::Blob => Ok(blob_of(text).map_or(Bound::Text(text), Bound::Blob)),
            Affinity::Integer | Affinity::Real | Affinity::Numeric => self.bind_number(text),
        }
    }

    fn bind_number<'a>(&self, text: &'a str) -> Result<Bound<'a>, String> {
        if self.boolean {
            if text.eq_ignore_ascii_case("true") {
                return Ok(Bound::Integer(1));
            }
            if text.eq_ignore_ascii_case("false") {
                return Ok(Bound::Integer(0));
            }
        }
        let word = &self.declared;
        match parse_number(text) {
            Number::Integer(value) if self.number || value.to_string() == text => Ok(Bound::Integer(value)),
            Number::Real(value) if self.number || real_text(value) == text => Ok(Bound::Real(value)),
            Number::Integer(_) | Number::Real(_) => Err(format!(
                "a column declared {word} makes a number of this text and changes how it reads; declare it TEXT"
            )),
            Number::TooLong => Err(format!("the number is too long for a column declared {word}")),
            Number::Not if !self.number => Ok(Bound::Text(text)),
            Number::Not if text.is_empty() => Err(format!("empty text in a column declared {word}")),
            Number::Not => Err(format!("not a number, and the column is declared {word}")),
        }
    }
}

/// A value ready to bind.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bound<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Blob(Vec<u8>),
}

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Bound<'_> {
    /// How the value will read once stored in a column of that affinity.
    pub(super) fn text(&self, affinity: Affinity) -> Option<String> {
        let mut out = String::new();
        let value = match self {
            Self::Null => return None,
            Self::Integer(value) if affinity == Affinity::Real => ValueRef::Real(*value as f64),
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(text) => return Some((*text).to_owned()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        };
        push_text(value, &mut out);
        Some(out)
    }
}

/// Appends a value's text form; false for NULL.
pub(super) fn push_text(value: ValueRef<'_>, out: &mut String) -> bool {
    match value {
        ValueRef::Null => return false,
        ValueRef::Integer(number) => {
            let _ = write!(out, "{number}");
        }
        ValueRef::Real(number) => push_real(number, out),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => out.push_str(text),
            Err(_) => push_blob(bytes, out),
        },
        ValueRef::Blob(bytes) => push_blob(bytes, out),
    }
    true
}

fn push_blob(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() * 2 + 3);
    out.push_str("x'");
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out.push('\'');
}

fn push_real(number: f64, out: &mut String) {
    let size = number.abs();
    let _ = if number.is_infinite() {
        write!(out, "{}", if number > 0.0 { "Inf" } else { "-Inf" })
    } else if size == 0.0 {
        write!(out, "0")
    } else if (1e-5..1e17).contains(&size) {
        write!(out, "{number}")
    } else {
        write!(out, "{number:e}")
    };
}

fn real_text(number: f64) -> String {
    let mut out = String::new();
    push_real(number, &mut out);
    out
}

/// The bytes of `x'00ff'`.
pub(super) fn blob_of(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("x'")?.strip_suffix('\'')?.as_bytes();
    if digits.len() % 2 != 0 {
        return None;
    }
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    digits.chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

enum Number {
    Integer(i64),
    Real(f64),
    /// A whole number whose digits would be lost, or beyond a float's range.
    TooLong,
    Not,
}

/// Reads a number as SQLite's affinity does (blanks around it, sign, point, exponent), but exactly.
fn parse_number(text: &str) -> Number {
    let text = text.trim_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let shaped = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent));
    if !shaped {
        return Number::Not;
    }
    let whole_number = exponent.is_none() && !mantissa.contains('.');
    if whole_number && let Ok(value) = text.parse::<i64>() {
        return Number::Integer(value);
    }
    match text.parse::<f64>() {
        Ok(value) if !value.is_finite() => Number::TooLong,
        Ok(value) if whole_number && format!("{:.0}", value.abs()) != whole.trim_start_matches('0') => Number::TooLong,
        Ok(value) => Number::Real(value),
        Err(_) => Number::Not,
    }
}

/// One row's text forms, its buffers used again for the next row.
#[derive(Debug, Default)]
pub(super) struct RowText {
    text: String,
    cells: Vec<Option<Range<usize>>>,
}

impl RowText {
    /// Takes the first `width` columns of a result row.
    pub(super) fn fill(&mut self, row: &rusqlite::Row<'_>, width: usize) -> rusqlite::Result<()> {
        self.text.clear();
        self.cells.clear();
        for index in 0..width {
            let start = self.text.len();
            let present = push_text(row.get_ref(index)?, &mut self.text);
            self.cells.push(present.then_some(start..self.text.len()));
        }
        Ok(())
    }
    /// The cells in order.
    pub(super) fn cells(&self) -> impl Iterator<Item = Option<&str>> {
        self.cells.iter().map(|cell| cell.clone().map(|range| &self.text[range]))
    }
    /// One cell.
    pub(super) fn cell(&self, index: usize) -> Option<&str> {
        self.cells[index].clone().map(|range| &self.text[range])
    }
}
