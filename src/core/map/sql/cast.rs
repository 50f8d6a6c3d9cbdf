//! From one kind to another: what can be read, what is out of range, and the one way each kind is written.
use std::borrow::Cow;
use std::fmt::Write as _;

use chrono::{DateTime, Datelike, Duration, NaiveDate};

use super::SqlType;
use super::number::{pow10, rescale};
use super::value::{Reason, Value};
use crate::map::{iso, kind};

/// Decimals of a number that is read from text without a declared scale.
pub(super) const NUMBER_SCALE: usize = 10;

/// What a cast is to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) kind: SqlType,
    /// Most digits of a decimal, most characters of a text.
    pub(super) size: Option<usize>,
    /// Written as a cast: decimals beyond the scale are rounded as SQL does. Else they fail.
    pub(super) explicit: bool,
}

impl Target {
    /// For an operand that must become this kind.
    pub(super) fn implied(kind: SqlType) -> Self {
        Self { kind, size: None, explicit: false }
    }
    /// The type's name in messages.
    fn name(self) -> String {
        match (self.kind, self.size) {
            (SqlType::Text, _) => "TEXT".into(),
            (SqlType::Integer, _) => "INTEGER".into(),
            (SqlType::Double, _) => "DOUBLE".into(),
            (SqlType::Decimal(scale), Some(size)) => format!("DECIMAL({size},{scale})"),
            (SqlType::Decimal(_) | SqlType::Number(_), _) => "a number".into(),
            (SqlType::Boolean, _) => "BOOLEAN".into(),
            (SqlType::Date, _) => "DATE".into(),
            (SqlType::Timestamp, _) => "TIMESTAMP".into(),
        }
    }
    /// Whether a value of this kind may fail to become the target.
    pub(super) fn may_fail(self, from: SqlType) -> bool {
        use SqlType as T;
        match (from, self.kind) {
            (_, T::Text) | (T::Date | T::Timestamp, T::Date | T::Timestamp) => false,
            (from, to) if from == to && self.size.is_none() => false,
            (T::Integer | T::Decimal(_) | T::Number(_), T::Double) | (T::Boolean, T::Integer) => false,
            // A 64-bit integer has 19 digits.
            (T::Integer, T::Decimal(scale) | T::Number(scale)) => self.size.is_some() || scale > 19,
            _ => true,
        }
    }
    /// Whether there is such a cast at all.
    pub(super) fn exists(self, from: SqlType) -> bool {
        use SqlType as T;
        let number = |kind| matches!(kind, T::Integer | T::Decimal(_) | T::Number(_) | T::Double);
        match (from, self.kind) {
            (T::Text, _)
            | (_, T::Text)
            | (T::Date | T::Timestamp, T::Date | T::Timestamp)
            | (T::Boolean, T::Boolean) => true,
            (T::Boolean, T::Integer) | (T::Integer, T::Boolean) => self.explicit,
            (from, to) => number(from) && number(to),
        }
    }
    /// Makes it.
    pub(super) fn cast(self, value: Value<'_>, from: SqlType) -> Result<Value<'_>, Reason> {
        let unreadable = || Reason::Owned(format!("cannot be read as {}", self.name()));
        let out_of_range = || Reason::Owned(format!("is out of range of {}", self.name()));
        let cast = match (value, self.kind) {
            (Value::Null, _) => Value::Null,
            (value, SqlType::Text) => {
                let text = to_text(value, from);
                match self.size {
                    Some(size) => Value::Text(shortened(text, size)),
                    None => Value::Text(text),
                }
            }
            (Value::Text(text), kind) => return self.read(&text, kind).map_err(|()| unreadable()),
            (Value::Integer(value), SqlType::Boolean) => Value::Boolean(value != 0),
            (Value::Boolean(value), SqlType::Integer) => Value::Integer(i64::from(value)),
            (Value::Integer(value), SqlType::Double) => Value::Double(value as f64),
            (Value::Integer(value), SqlType::Decimal(_) | SqlType::Number(_)) => {
                Value::Decimal(self.sized(rescale(i128::from(value), 0, self.kind.scale())).ok_or_else(out_of_range)?)
            }
            (Value::Decimal(value), SqlType::Decimal(_) | SqlType::Number(_)) => {
                Value::Decimal(self.sized(rescale(value, from.scale(), self.kind.scale())).ok_or_else(out_of_range)?)
            }
            (Value::Decimal(value), SqlType::Integer) => {
                let whole = rescale(value, from.scale(), 0).and_then(|whole| i64::try_from(whole).ok());
                Value::Integer(whole.ok_or_else(out_of_range)?)
            }
            // Through text: the nearest double of a decimal, not a quotient of two.
            (Value::Decimal(value), SqlType::Double) => {
                Value::Double(decimal_text(value, from.scale(), false).parse().map_err(|_| out_of_range())?)
            }
            (Value::Double(value), SqlType::Integer) => {
                let rounded = value.round();
                // Both bounds are exact in a double; the upper one is outside.
                if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded) {
                    return Err(out_of_range());
                }
                Value::Integer(rounded as i64)
            }
            (Value::Double(value), SqlType::Decimal(_) | SqlType::Number(_)) => {
                let read = parse_decimal(&value.to_string(), self.kind.scale(), true);
                Value::Decimal(self.sized(read).ok_or_else(out_of_range)?)
            }
            (Value::Date(days), SqlType::Timestamp) => Value::Timestamp(i64::from(days) * DAY),
            (Value::Timestamp(micros), SqlType::Date) => Value::Date(micros.div_euclid(DAY) as i32),
            // The same kind; there is nothing else, `exists` sees to it.
            (value, _) => value,
        };
        Ok(cast)
    }

    fn read<'a>(self, text: &str, kind: SqlType) -> Result<Value<'a>, ()> {
        let text = text.trim();
        let value = match kind {
            SqlType::Integer => text.parse().ok().map(Value::Integer),
            SqlType::Double => parse_double(text).map(Value::Double),
            SqlType::Decimal(scale) | SqlType::Number(scale) => {
                self.sized(parse_decimal(text, scale, self.explicit)).map(Value::Decimal)
            }
            SqlType::Boolean => kind::boolean(text).map(Value::Boolean),
            SqlType::Date => iso::read_moment(text)
                .filter(|(_, offset)| offset.is_none())
                .map(|(moment, _)| Value::Date(days_of(moment.date()))),
            SqlType::Timestamp => iso::read_moment(text)
                .filter(|(_, offset)| offset.is_none())
                .map(|(moment, _)| Value::Timestamp(moment.and_utc().timestamp_micros())),
            SqlType::Text => None,
        };
        value.ok_or(())
    }

    /// Checks the digits of a decimal.
    fn sized(self, value: Option<i128>) -> Option<i128> {
        let most = pow10(self.size.unwrap_or(super::value::DIGITS))?;
        value.filter(|value| value.unsigned_abs() < most.unsigned_abs())
    }
}

const DAY: i64 = 86_400_000_000;

/// Days since 1970.
pub(super) fn days_of(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - 719_163
}

/// The day, if chrono's calendar has it.
pub(super) fn date_of(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(719_163)?)
}

/// Finite numbers only, as people and programs write them.
fn parse_double(text: &str) -> Option<f64> {
    if text.bytes().any(|b| b.is_ascii_alphabetic() && !matches!(b, b'e' | b'E')) {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Plain decimal notation, in units of the last of `scale` decimals. What is beyond them is rounded half away from zero,
/// or fails.
pub(super) fn parse_decimal(text: &str, scale: usize, round: bool) -> Option<i128> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let (kept, beyond) = fraction.split_at(fraction.len().min(scale));
    let mut sum: i128 = 0;
    for byte in whole.bytes().chain(kept.bytes()) {
        sum = sum.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
    }
    sum = sum.checked_mul(pow10(scale - kept.len())?)?;
    if beyond.bytes().any(|b| b != b'0') {
        if !round {
            return None;
        }
        if beyond.as_bytes()[0] >= b'5' {
            sum = sum.checked_add(1)?;
        }
    }
    Some(if negative { -sum } else { sum })
}

/// The one way a value is written.
pub(super) fn to_text(value: Value<'_>, kind: SqlType) -> Cow<'_, str> {
    match value {
        Value::Text(text) => text,
        Value::Null => Cow::Borrowed(""),
        Value::Integer(value) => Cow::Owned(value.to_string()),
        // Zero has no sign, and there are no exponents.
        Value::Double(value) => Cow::Owned((value + 0.0).to_string()),
        Value::Decimal(value) => Cow::Owned(decimal_text(value, kind.scale(), matches!(kind, SqlType::Number(_)))),
        Value::Boolean(value) => Cow::Borrowed(if value { "true" } else { "false" }),
        Value::Date(days) => {
            let mut out = String::with_capacity(10);
            if let Some(date) = date_of(days) {
                iso::write_date(&mut out, date);
            }
            Cow::Owned(out)
        }
        Value::Timestamp(micros) => {
            let moment = DateTime::UNIX_EPOCH.naive_utc().checked_add_signed(Duration::microseconds(micros));
            Cow::Owned(moment.map(|moment| iso::write_moment(moment, false)).unwrap_or_default())
        }
    }
}

fn decimal_text(value: i128, scale: usize, trim: bool) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len().max(scale) + 3);
    if value < 0 {
        out.push('-');
    }
    if scale == 0 {
        out.push_str(&digits);
        return out;
    }
    let _ = match digits.len().checked_sub(scale) {
        Some(whole @ 1..) => write!(out, "{}.{}", &digits[..whole], &digits[whole..]),
        _ => write!(out, "0.{digits:0>scale$}"),
    };
    if trim {
        let len = out.trim_end_matches('0').trim_end_matches('.').len();
        out.truncate(len);
    }
    out
}

fn shortened(text: Cow<'_, str>, size: usize) -> Cow<'_, str> {
    match text.char_indices().nth(size).map(|(end, _)| end) {
        None => text,
        Some(end) => match text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
            Cow::Owned(mut text) => {
                text.truncate(end);
                Cow::Owned(text)
            }
        },
    }
}
