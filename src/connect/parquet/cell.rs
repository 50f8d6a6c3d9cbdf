//! Typed values as text and back.
//!
//! | type | as text |
//! |---|---|
//! | integers, decimals | digits; a decimal with all places of its scale: `12.50` |
//! | floats | the shortest decimal that gives the same number back; `NaN`, `inf`, `-inf` |
//! | booleans | `true`, `false` |
//! | dates, times | `2024-01-31`, `13:05:00`, with the fraction of the second only where there is one |
//! | timestamps | `2024-01-31T13:05:00.25`; with a zone, in UTC with `Z` |
//! | durations | whole units of the column |
//! | binary | hex digits |
use std::fmt::Write as _;

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use polars::prelude::{
    ChunkedArray, Column, DataType, Int128Chunked, IntoColumn, IntoSeries, NamedFrom, NewChunkedArray, PlSmallStr,
    PolarsNumericType, Series, StringChunked, StringChunkedBuilder, TimeUnit,
};

use crm_core::error::{Error, Result};

/// Why a text is no value of a column's type, without the text.
pub(super) type Reason = &'static str;

/// A value in the form that a column is built from: ticks, days and unscaled decimals are integers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Types that can be read and written.
pub(super) fn is_supported(dtype: &DataType) -> bool {
    use DataType as T;
    matches!(
        dtype,
        T::Boolean | T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt32 | T::UInt64 | T::Float32 | T::Float64
    ) || matches!(
        dtype,
        T::Decimal(..) | T::String | T::Binary | T::Date | T::Datetime(..) | T::Duration(_) | T::Time | T::Null
    )
}

fn ticks_per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Milliseconds => 1_000,
        TimeUnit::Microseconds => 1_000_000,
        TimeUnit::Nanoseconds => 1_000_000_000,
    }
}

/// A column as text.
pub(super) fn to_text(column: &Column) -> Result<StringChunked> {
    let series = column.as_materialized_series().rechunk();
    let physical = series.to_physical_repr();
    let physical = physical.as_ref();
    let name = series.name().clone();
    Ok(match series.dtype() {
        DataType::String => series.str()?.clone(),
        DataType::Null => Series::full_null(name, series.len(), &DataType::String).str()?.clone(),
        DataType::Boolean => built(name, physical.bool()?.iter(), |value, out| {
            out.push_str(if value { "true" } else { "false" });
        }),
        DataType::Int8 => numbers(name, physical.i8()?),
        DataType::Int16 => numbers(name, physical.i16()?),
        DataType::Int32 => numbers(name, physical.i32()?),
        DataType::Int64 | DataType::Duration(_) => numbers(name, physical.i64()?),
        DataType::UInt32 => numbers(name, physical.u32()?),
        DataType::UInt64 => numbers(name, physical.u64()?),
        DataType::Float32 => numbers(name, physical.f32()?),
        DataType::Float64 => numbers(name, physical.f64()?),
        DataType::Decimal(_, scale) => {
            built(name, physical.i128()?.iter(), |value, out| push_decimal(value, *scale, out))
        }
        DataType::Date => built(name, physical.i32()?.iter(), |days, out| match date(days) {
            Some(date) => push(out, &date.format("%Y-%m-%d")),
            None => push(out, &days),
        }),
        DataType::Time => built(name, physical.i64()?.iter(), |nanos, out| {
            let time = u32::try_from(nanos / 1_000_000_000).ok().and_then(|seconds| {
                NaiveTime::from_num_seconds_from_midnight_opt(seconds, (nanos % 1_000_000_000) as u32)
            });
            match time {
                Some(time) => push_time(time, out),
                None => push(out, &nanos),
            }
        }),
        DataType::Datetime(unit, zone) => {
            let per_second = ticks_per_second(*unit);
            built(name, physical.i64()?.iter(), |ticks, out| {
                let nanos = ticks.rem_euclid(per_second) * (1_000_000_000 / per_second);
                match DateTime::from_timestamp(ticks.div_euclid(per_second), nanos as u32) {
                    Some(moment) => {
                        push(out, &moment.format("%Y-%m-%dT"));
                        push_time(moment.time(), out);
                        if zone.is_some() {
                            out.push('Z');
                        }
                    }
                    None => push(out, &ticks),
                }
            })
        }
        DataType::Binary => built(name, physical.binary()?.iter(), |bytes, out| {
            for byte in bytes {
                let _ = write!(out, "{byte:02x}");
            }
        }),
        other => return Err(unsupported(&name, other)),
    })
}

/// The error for a column whose type has no text form.
pub(super) fn unsupported(column: &str, dtype: &dyn std::fmt::Debug) -> Error {
    let word = format!("{dtype:?}");
    let word: String = word.chars().take_while(|letter| letter.is_alphanumeric()).collect();
    Error::platform(format!("column {column} has type {word}, which has no form as one text cell"))
        .advise("flatten nested columns, and cast categories and small unsigned integers, before the file is read here")
}

fn push(out: &mut String, value: &dyn std::fmt::Display) {
    let _ = write!(out, "{value}");
}

fn push_time(time: NaiveTime, out: &mut String) {
    push(out, &time.format("%H:%M:%S"));
    let nanos = time.nanosecond();
    if nanos > 0 {
        let digits = format!("{nanos:09}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
}

fn push_decimal(value: i128, scale: usize, out: &mut String) {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    if value < 0 {
        out.push('-');
    }
    let (whole, places) = digits.split_at(digits.len() - scale);
    out.push_str(whole);
    if scale > 0 {
        out.push('.');
        out.push_str(places);
    }
}

fn date(days: i32) -> Option<NaiveDate> {
    NaiveDate::default().checked_add_signed(Duration::days(i64::from(days)))
}

fn built<T>(
    name: PlSmallStr,
    values: impl ExactSizeIterator<Item = Option<T>>,
    mut text: impl FnMut(T, &mut String),
) -> StringChunked {
    let mut builder = StringChunkedBuilder::new(name, values.len());
    let mut buffer = String::new();
    for value in values {
        match value {
            None => builder.append_null(),
            Some(value) => {
                buffer.clear();
                text(value, &mut buffer);
                builder.append_value(&buffer);
            }
        }
    }
    builder.finish()
}

fn numbers<T: PolarsNumericType>(name: PlSmallStr, values: &ChunkedArray<T>) -> StringChunked
where
    T::Native: std::fmt::Display,
{
    built(name, values.iter(), |value, out| push(out, &value))
}

/// What a text means in a column of that type.
pub(super) fn parse(text: &str, dtype: &DataType) -> Result<Value, Reason> {
    let int = |least: i128, most: i128| {
        let value = whole(text)?;
        if (least..=most).contains(&value) {
            Ok(Value::Int(value))
        } else {
            Err("is a number out of the column's range")
        }
    };
    match dtype {
        DataType::String => Ok(Value::Text(text.to_owned())),
        DataType::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(Value::Bool(true)),
            "false" | "0" => Ok(Value::Bool(false)),
            _ => Err("is not true or false"),
        },
        DataType::Int8 => int(i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => int(i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => int(i32::MIN.into(), i32::MAX.into()),
        DataType::Int64 | DataType::Duration(_) => int(i64::MIN.into(), i64::MAX.into()),
        DataType::UInt32 => int(0, u32::MAX.into()),
        DataType::UInt64 => int(0, u64::MAX.into()),
        DataType::Float32 => float(text, text.parse::<f32>().map(f64::from).ok()),
        DataType::Float64 => float(text, text.parse::<f64>().ok()),
        DataType::Decimal(precision, scale) => decimal(text, *precision, *scale).map(Value::Int),
        DataType::Date => {
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| "is not a date like 2024-01-31")?;
            Ok(Value::Int((date - NaiveDate::default()).num_days().into()))
        }
        DataType::Time => {
            let time = ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok());
            let time = time.ok_or("is not a time like 13:05:00")?;
            let seconds = i128::from(time.num_seconds_from_midnight());
            Ok(Value::Int(seconds * 1_000_000_000 + i128::from(time.nanosecond())))
        }
        DataType::Datetime(unit, zone) => moment(text, *unit, zone.is_some()).map(Value::Int),
        DataType::Binary => bytes(text).map(Value::Bytes).ok_or("is not hex digits in pairs"),
        DataType::Null => Err("is filled, and the column holds only NULL"),
        _ => Err("is of a type that is not written"),
    }
}

/// A whole number; `5.0` is one.
fn whole(text: &str) -> Result<i128, Reason> {
    let digits = text.split_once('.').filter(|(_, places)| places.bytes().all(|digit| digit == b'0'));
    digits.map_or(text, |(digits, _)| digits).parse().map_err(|_| "is not a whole number")
}

fn float(text: &str, value: Option<f64>) -> Result<Value, Reason> {
    let value = value.ok_or("is not a number")?;
    let named = !value.is_finite();
    if named && !matches!(text, "NaN" | "inf" | "-inf") {
        return Err("is not a number, or beyond the column's range");
    }
    Ok(Value::Float(value))
}

fn decimal(text: &str, precision: usize, scale: usize) -> Result<i128, Reason> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, places) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
    if !digits(whole) || !digits(places) || (whole.is_empty() && places.is_empty()) {
        return Err("is not a decimal number");
    }
    let places = places.trim_end_matches('0');
    if places.len() > scale {
        return Err("has more decimal places than the column");
    }
    let unscaled: i128 = format!("0{whole}{places:0<scale$}").parse().map_err(|_| "has more digits than the column")?;
    if unscaled.checked_ilog10().is_some_and(|digits| digits as usize >= precision) {
        return Err("has more digits than the column");
    }
    Ok(if text.starts_with('-') { -unscaled } else { unscaled })
}

fn moment(text: &str, unit: TimeUnit, zoned: bool) -> Result<i128, Reason> {
    let naive = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
    let moment = match (naive, DateTime::parse_from_rfc3339(text)) {
        (Some(naive), _) if !zoned => naive,
        (Some(_), _) => return Err("has no zone, and the column's times have one"),
        (None, Ok(moment)) if zoned => moment.naive_utc(),
        (None, Ok(_)) => return Err("has a zone, and the column's times have none"),
        (None, Err(_)) => return Err("is not a time like 2024-01-31T13:05:00"),
    };
    let per_second = i128::from(ticks_per_second(unit));
    let nanos = i128::from(moment.and_utc().timestamp_subsec_nanos());
    let per_tick = 1_000_000_000 / per_second;
    if nanos % per_tick != 0 {
        return Err("is finer than the column's unit of time");
    }
    let ticks = i128::from(moment.and_utc().timestamp()) * per_second + nanos / per_tick;
    i64::try_from(ticks).map(i128::from).map_err(|_| "is a time out of the column's range")
}

/// Hex digits, bare or as `x'00ff'`.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let bare = text.strip_prefix("x'").and_then(|rest| rest.strip_suffix('\'')).unwrap_or(text);
    if !bare.len().is_multiple_of(2) || !bare.is_ascii() {
        return None;
    }
    (0..bare.len()).step_by(2).map(|at| u8::from_str_radix(&bare[at..at + 2], 16).ok()).collect()
}

/// A column of values that [`parse`] gave for this very type.
pub(super) fn column(name: &str, values: &[Option<Value>], dtype: &DataType) -> Result<Column> {
    let name = PlSmallStr::from(name);
    let ints = || values.iter().map(|value| if let Some(Value::Int(value)) = value { Some(*value) } else { None });
    let series = match dtype {
        DataType::String => built(
            name,
            values.iter().map(|value| match value {
                Some(Value::Text(text)) => Some(text.as_str()),
                _ => None,
            }),
            |text, out| out.push_str(text),
        )
        .into_series(),
        DataType::Boolean => Series::new(
            name,
            values
                .iter()
                .map(|value| if let Some(Value::Bool(value)) = value { Some(*value) } else { None })
                .collect::<Vec<_>>(),
        ),
        DataType::Float32 | DataType::Float64 => Series::new(
            name,
            values
                .iter()
                .map(|value| if let Some(Value::Float(value)) = value { Some(*value) } else { None })
                .collect::<Vec<_>>(),
        )
        .cast(dtype)?,
        DataType::Binary => Series::new(
            name,
            values
                .iter()
                .map(|value| if let Some(Value::Bytes(bytes)) = value { Some(bytes.as_slice()) } else { None })
                .collect::<Vec<_>>(),
        ),
        DataType::Null => Series::full_null(name, values.len(), &DataType::Null),
        DataType::Decimal(precision, scale) => {
            Int128Chunked::from_iter_options(name, ints()).into_decimal(*precision, *scale)?.into_series()
        }
        DataType::UInt64 | DataType::UInt32 => {
            Series::new(name, ints().map(|value| value.map(|value| value as u64)).collect::<Vec<_>>()).cast(dtype)?
        }
        DataType::Date => {
            Series::new(name, ints().map(|value| value.map(|value| value as i32)).collect::<Vec<_>>()).cast(dtype)?
        }
        _ => Series::new(name, ints().map(|value| value.map(|value| value as i64)).collect::<Vec<_>>()).cast(dtype)?,
    };
    Ok(series.into_column())
}
