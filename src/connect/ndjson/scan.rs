//! JSON taken apart without being interpreted: where each value of an object stands, as the text that it is.
//!
//! Validity is judged by `serde_json`; what is here only finds its way through text that is known to be valid, so numbers
//! keep their digits (`1e5`, `1.10`, twenty places) and nothing is built in memory.
use serde::de::IgnoredAny;

/// Members of the one object that `text` is: decoded key, text of the value. The error says why it is none.
pub(crate) fn members(text: &str) -> Result<Vec<(String, &str)>, String> {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return Err(format!("not JSON, from character {} of the record on", error.column()));
    }
    let bytes = text.as_bytes();
    let mut at = skip_space(bytes, 0);
    if bytes.get(at) != Some(&b'{') {
        return Err("not an object: a row must be {\"column\": value, …}".to_string());
    }
    let mut members = Vec::new();
    at = skip_space(bytes, at + 1);
    while bytes.get(at) == Some(&b'"') {
        let key_end = string_end(bytes, at).ok_or("a key is not closed")?;
        let key: String =
            serde_json::from_str(&text[at..key_end]).map_err(|_| "a key with a broken escape".to_string())?;
        at = skip_space(bytes, key_end);
        at = skip_space(bytes, at + 1);
        let end = value_end(bytes, at).ok_or("a value is not closed")?;
        members.push((key, &text[at..end]));
        at = skip_space(bytes, end);
        if bytes.get(at) == Some(&b',') {
            at = skip_space(bytes, at + 1);
        }
    }
    Ok(members)
}

/// The text of a value as a cell: strings decoded, null as None, numbers and booleans as they stand, the rest compact.
pub(crate) fn cell(value: &str) -> Result<Option<String>, String> {
    match value.as_bytes().first() {
        Some(b'"') => serde_json::from_str(value).map(Some).map_err(|_| "a string with a broken escape".to_string()),
        Some(b'{' | b'[') => Ok(Some(compact(value))),
        Some(b'n') => Ok(None),
        _ => Ok(Some(value.to_string())),
    }
}

/// Without the white space between tokens.
fn compact(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut text = String::with_capacity(value.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(bytes, at).unwrap_or(bytes.len());
                text.push_str(&value[at..end]);
                at = end;
            }
            byte if byte.is_ascii_whitespace() => at += 1,
            byte => {
                // Outside strings, JSON is ASCII.
                text.push(char::from(byte));
                at += 1;
            }
        }
    }
    text
}

/// The first byte from `at` on that is no white space.
pub(crate) fn skip_space(bytes: &[u8], at: usize) -> usize {
    bytes[at.min(bytes.len())..]
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
        .map_or(bytes.len(), |found| at + found)
}

/// Behind the closing quote of the string that starts at `at`; None: it does not end here.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut from = at + 1;
    loop {
        let found = from + memchr::memchr2(b'"', b'\\', bytes.get(from..)?)?;
        if bytes[found] == b'"' {
            return Some(found + 1);
        }
        from = found + 2;
    }
}

/// Behind the value that starts at `at`; None: it does not end here. A number or word ends where the text does.
pub(crate) fn value_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string_end(bytes, at),
        b'{' | b'[' => {
            let mut depth = 0_usize;
            let mut from = at;
            loop {
                match bytes.get(from)? {
                    b'"' => from = string_end(bytes, from)?,
                    b'{' | b'[' => {
                        depth += 1;
                        from += 1;
                    }
                    b'}' | b']' => {
                        depth -= 1;
                        from += 1;
                        if depth == 0 {
                            return Some(from);
                        }
                    }
                    _ => from += 1,
                }
            }
        }
        _ => {
            let stop = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
            Some(bytes[at..].iter().position(stop).map_or(bytes.len(), |found| at + found))
        }
    }
}
