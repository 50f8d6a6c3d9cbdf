//! Functions of text. They count characters, and where products differ they do as PostgreSQL does.
#![allow(clippy::unnecessary_wraps)] // All are kernels, of one type, whether they can fail or not.
use std::borrow::Cow;

use super::value::{Reason, Value};

type Answer<'a> = Result<Value<'a>, Reason>;

/// Longest text that padding and repeating may make.
const LONGEST: i64 = 1_000_000;

const TOO_LONG: Reason = Reason::Borrowed("the result is too long");

fn text<'a, 'v>(value: &'v Value<'a>) -> &'v Cow<'a, str> {
    const EMPTY: &Cow<'static, str> = &Cow::Borrowed("");
    match value {
        Value::Text(text) => text,
        // Arguments were cast to the kinds that the function declares.
        _ => EMPTY,
    }
}

fn integer(value: &Value<'_>) -> i64 {
    if let Value::Integer(value) = value { *value } else { 0 }
}

/// Part of a text, borrowed where it is.
fn part<'a>(whole: &Cow<'a, str>, from: usize, to: usize) -> Value<'a> {
    Value::Text(match whole {
        Cow::Borrowed(whole) => Cow::Borrowed(&whole[from..to]),
        Cow::Owned(whole) => Cow::Owned(whole[from..to].to_owned()),
    })
}

fn owned<'a>(text: String) -> Answer<'a> {
    Ok(Value::Text(Cow::Owned(text)))
}

fn count(text: &str) -> i64 {
    (if text.is_ascii() { text.len() } else { text.chars().count() }) as i64
}

/// Byte offset of a character, or the end.
fn offset(text: &str, chars: i64) -> usize {
    let Ok(chars) = usize::try_from(chars) else { return 0 };
    if text.is_ascii() {
        return chars.min(text.len());
    }
    text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at)
}

pub(super) fn lower<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    owned(text(&arguments[0]).to_lowercase())
}

pub(super) fn upper<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    owned(text(&arguments[0]).to_uppercase())
}

pub(super) fn initcap<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    let whole = text(&arguments[0]);
    let mut out = String::with_capacity(whole.len());
    let mut inside = false;
    for c in whole.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric();
    }
    owned(out)
}

pub(super) fn length<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    Ok(Value::Integer(count(text(&arguments[0]))))
}

pub(super) fn left<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    let (whole, chars) = (text(&arguments[0]), integer(&arguments[1]));
    // A negative count leaves that many out at the other end.
    let chars = if chars < 0 { (count(whole) + chars.max(-LONGEST * 1000)).max(0) } else { chars };
    Ok(part(whole, 0, offset(whole, chars)))
}

pub(super) fn right<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    let (whole, chars) = (text(&arguments[0]), integer(&arguments[1]));
    let skipped = if chars < 0 { chars.checked_neg().unwrap_or(i64::MAX) } else { (count(whole) - chars).max(0) };
    Ok(part(whole, offset(whole, skipped), whole.len()))
}

pub(super) fn substring<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    let (whole, from) = (text(&arguments[0]), integer(&arguments[1]));
    let start = offset(whole, from.saturating_sub(1));
    let end = match arguments.get(2) {
        None => whole.len(),
        Some(length) if integer(length) < 0 => return Err(Reason::Borrowed("the length of a substring is negative")),
        // The part before the first character counts.
        Some(length) => offset(whole, from.saturating_add(integer(length)).saturating_sub(1)),
    };
    Ok(part(whole, start, end.max(start)))
}

/// Place of the second argument in the first, from 1; 0 if it is not there.
pub(super) fn position<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    let (whole, wanted) = (text(&arguments[0]), text(&arguments[1]));
    Ok(Value::Integer(whole.find(wanted.as_ref()).map_or(0, |at| count(&whole[..at]) + 1)))
}

pub(super) fn replace<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    let (whole, from) = (text(&arguments[0]), text(&arguments[1]));
    if from.is_empty() || !whole.contains(from.as_ref()) {
        return Ok(arguments[0].clone());
    }
    owned(whole.replace(from.as_ref(), text(&arguments[2])))
}

pub(super) fn split_part<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    let (whole, at, index) = (text(&arguments[0]), text(&arguments[1]), integer(&arguments[2]));
    if index == 0 {
        return Err(Reason::Borrowed("parts are counted from 1"));
    }
    let index = usize::try_from(index.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let found = if at.is_empty() {
        (index == 0).then_some(whole.as_ref())
    } else if integer(&arguments[2]) > 0 {
        whole.split(at.as_ref()).nth(index)
    } else {
        whole.rsplit(at.as_ref()).nth(index)
    };
    owned(found.unwrap_or("").to_owned())
}

fn pad<'a>(arguments: &[Value<'a>], before: bool) -> Answer<'a> {
    let (whole, length) = (text(&arguments[0]), integer(&arguments[1]).max(0));
    if length > LONGEST {
        return Err(TOO_LONG);
    }
    let filler = arguments.get(2).map_or(" ", |filler| text(filler));
    let missing = length - count(whole);
    if missing <= 0 || filler.is_empty() {
        return Ok(part(whole, 0, offset(whole, length)));
    }
    let padding = filler.chars().cycle().take(missing as usize);
    let mut out = String::with_capacity(whole.len() + missing as usize);
    if before {
        out.extend(padding);
        out.push_str(whole);
    } else {
        out.push_str(whole);
        out.extend(padding);
    }
    owned(out)
}

pub(super) fn lpad<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    pad(arguments, true)
}

pub(super) fn rpad<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    pad(arguments, false)
}

fn trim<'a>(arguments: &[Value<'a>], start: bool, end: bool) -> Answer<'a> {
    let whole = text(&arguments[0]);
    let set = arguments.get(1).map_or(" ", |set| text(set));
    let inside = |c: char| set.contains(c);
    let from = if start { whole.len() - whole.trim_start_matches(inside).len() } else { 0 };
    let to = if end { whole.trim_end_matches(inside).len().max(from) } else { whole.len() };
    Ok(part(whole, from, to))
}

pub(super) fn btrim<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    trim(arguments, true, true)
}

pub(super) fn ltrim<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    trim(arguments, true, false)
}

pub(super) fn rtrim<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    trim(arguments, false, true)
}

pub(super) fn reverse<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    owned(text(&arguments[0]).chars().rev().collect())
}

pub(super) fn starts_with<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    Ok(Value::Boolean(text(&arguments[0]).starts_with(text(&arguments[1]).as_ref())))
}

/// `||`: NULL if one of them is.
pub(super) fn join<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    let mut out = String::with_capacity(arguments.iter().map(|argument| text(argument).len()).sum());
    for argument in arguments {
        out.push_str(text(argument));
    }
    owned(out)
}

/// Leaves NULLs out; nothing but NULLs is NULL.
pub(super) fn concat<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    if arguments.iter().all(Value::is_null) { Ok(Value::Null) } else { join(arguments) }
}

/// The first argument goes between the others; NULLs are left out, nothing but NULLs is NULL.
pub(super) fn concat_ws<'a>(arguments: &[Value<'a>]) -> Answer<'a> {
    let Some((separator, items)) = arguments.split_first() else { return Ok(Value::Null) };
    let mut items = items.iter().filter(|item| !item.is_null());
    let (false, Some(first)) = (separator.is_null(), items.next()) else { return Ok(Value::Null) };
    let mut out = text(first).clone().into_owned();
    for item in items {
        out.push_str(text(separator));
        out.push_str(text(item));
    }
    owned(out)
}

/// A LIKE pattern, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Like {
    parts: Vec<Part>,
    fold: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `%`
    Any,
    /// `_`
    One,
    Char(char),
}

impl Like {
    /// `fold` is ILIKE. Fails if the escape character stands at the end.
    pub(super) fn new(pattern: &str, escape: Option<char>, fold: bool) -> Result<Self, Reason> {
        let pattern: Cow<'_, str> = if fold { Cow::Owned(pattern.to_lowercase()) } else { Cow::Borrowed(pattern) };
        let mut parts = Vec::with_capacity(pattern.len());
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                c if Some(c) == escape => Part::Char(
                    chars.next().ok_or(Reason::Borrowed("the pattern of LIKE ends with its escape character"))?,
                ),
                '%' if parts.last() == Some(&Part::Any) => continue,
                '%' => Part::Any,
                '_' => Part::One,
                c => Part::Char(c),
            });
        }
        Ok(Self { parts, fold })
    }
    /// Whether the whole of `value` fits. Linear but for the last `%`, which is tried again.
    pub(super) fn fits(&self, value: &str) -> bool {
        let folded = if self.fold { Cow::Owned(value.to_lowercase()) } else { Cow::Borrowed(value) };
        let (mut rest, mut part) = (folded.chars(), 0);
        let mut retry: Option<(std::str::Chars<'_>, usize)> = None;
        loop {
            let mut ahead = rest.clone();
            let next = ahead.next();
            let fits = match (self.parts.get(part), next) {
                (Some(Part::Any), _) => {
                    part += 1;
                    retry = Some((rest.clone(), part));
                    continue;
                }
                (None, None) => return true,
                (Some(Part::One), Some(_)) => true,
                (Some(Part::Char(wanted)), Some(c)) => *wanted == c,
                _ => false,
            };
            if fits {
                rest = ahead;
                part += 1;
                continue;
            }
            // Let the last % swallow one more character.
            let Some((from, behind)) = &mut retry else { return false };
            if from.next().is_none() {
                return false;
            }
            rest = from.clone();
            part = *behind;
        }
    }
}

/// A text argument by its place; empty if it is none.
pub(super) fn argument<'v>(arguments: &'v [Value<'_>], index: usize) -> &'v str {
    arguments.get(index).map_or("", |value| text(value))
}
