//! What is sent, as items: values become the text that they are, so that numbers keep all their digits.
use std::time::SystemTime;

use chrono::DateTime;
use crm_core::platform::{Delivery, Item};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::ndjson::scan::{cell, members, skip_space, value_end};

/// Items of one request at most.
const MOST: usize = 10_000;

/// The items of a body: one object, or an array of them. Each is a record, `{"delete": {key}}` or `{"look": true}`.
pub(super) fn items(text: &str) -> Result<Vec<Item>, String> {
    valid(text)?;
    let bytes = text.as_bytes();
    let start = skip_space(bytes, 0);
    if bytes.get(start) != Some(&b'[') {
        return Ok(vec![item(text.trim()).map_err(|why| format!("record 1: {why}"))?]);
    }
    let mut items = Vec::new();
    let mut at = skip_space(bytes, start + 1);
    while let Some(byte) = bytes.get(at).filter(|byte| **byte != b']') {
        if *byte == b',' {
            at = skip_space(bytes, at + 1);
            continue;
        }
        let end = value_end(bytes, at).ok_or("a record is not closed")?;
        let number = items.len() + 1;
        if number > MOST {
            return Err(format!("more than {MOST} records in one request: send them in several"));
        }
        items.push(item(&text[at..end]).map_err(|why| format!("record {number}: {why}"))?);
        at = skip_space(bytes, end);
    }
    if items.is_empty() {
        return Err("no records".to_owned());
    }
    Ok(items)
}

/// A line of the socket or of standard input: `{"mapping": …, "record": {…}}` or with `"delete": {…}` or `"look": true`, and
/// with `idempotency` and `changed` where there are such. Where `mapping` is given, a line may also be the record itself.
pub fn line(text: &str, origin: &'static str, mapping: Option<&str>) -> Result<Delivery, String> {
    valid(text)?;
    let mut delivery = Delivery {
        mapping: mapping.unwrap_or_default().to_owned(),
        origin,
        idempotency: None,
        changed: None,
        items: Vec::new(),
    };
    let members = members(text)?;
    let wrapped = members.iter().any(|(name, value)| name == "record" && value.starts_with('{'));
    if mapping.is_some() && !wrapped {
        delivery.items.push(item(text.trim())?);
        return Ok(delivery);
    }
    for (name, value) in members {
        let word = || cell(value).ok().flatten().ok_or_else(|| format!("'{name}' must be a text"));
        match name.as_str() {
            "mapping" => {
                let word = word()?;
                if mapping.is_some_and(|known| known != word) {
                    return Err("another mapping than the one that was named".to_owned());
                }
                delivery.mapping = word;
            }
            "idempotency" => delivery.idempotency = Some(key(&word()?)?),
            "changed" => delivery.changed = Some(time(&word()?)?),
            "record" => delivery.items.push(Item::Put(record(value)?)),
            "delete" => delivery.items.push(Item::Delete(record(value)?)),
            "look" => delivery.items.extend((value == "true").then_some(Item::Look)),
            _ => return Err("a line has mapping, record (or delete, or look), idempotency and changed".to_owned()),
        }
    }
    if delivery.mapping.is_empty() {
        return Err("'mapping' is missing".to_owned());
    }
    if delivery.items.len() != 1 {
        return Err("a line has one of record, delete and look".to_owned());
    }
    Ok(delivery)
}

/// An idempotency key.
pub(super) fn key(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.len() <= 200 && text.chars().all(|c| c.is_ascii_graphic());
    if fits { Ok(text.to_owned()) } else { Err("an idempotency key is 1 to 200 visible ASCII characters".to_owned()) }
}

/// A moment, RFC 3339.
pub(super) fn time(text: &str) -> Result<SystemTime, String> {
    DateTime::parse_from_rfc3339(text)
        .map(SystemTime::from)
        .map_err(|_| "the time of the change must be as in 2026-11-25T09:15:02.120Z (RFC 3339)".to_owned())
}

/// Where it is no JSON; the parser's words may quote what it read, so only the place is told.
fn valid(text: &str) -> Result<(), String> {
    serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|error| {
        let why = if error.is_eof() { "it ends too soon" } else { "not JSON" };
        format!("{why}: line {} column {}", error.line(), error.column())
    })
}

fn item(text: &str) -> Result<Item, String> {
    let members = members(text)?;
    match members.as_slice() {
        [] => Err("an empty record".to_owned()),
        // Columns of these names hold no objects and no bare true, so a record of theirs is not taken for one of these.
        [(name, value)] if name == "delete" && value.starts_with('{') => Ok(Item::Delete(record(value)?)),
        [(name, value)] if name == "look" && *value == "true" => Ok(Item::Look),
        _ => Ok(Item::Put(record(text)?)),
    }
}

fn record(text: &str) -> Result<Map<String, Value>, String> {
    let mut record = Map::new();
    for (place, (name, value)) in members(text)?.into_iter().enumerate() {
        let value = cell(value).map_err(|why| format!("column {}: {why}", place + 1))?;
        if record.insert(name, value.map_or(Value::Null, Value::from)).is_some() {
            return Err(format!("column {} is there twice", place + 1));
        }
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn put(item: &Item) -> String {
        let Item::Put(record) = item else { panic!("a record: {item:?}") };
        serde_json::to_string(record).unwrap()
    }

    #[test]
    fn values_keep_their_digits() {
        let items = items(r#"[ {"ID": 12345678901234567890123, "A":1.10,"B":true,"C":null,"D":"x\ny","E":[1, 2]} , {"look":true},{"delete":{"ID":"7"}}]"#).unwrap();
        assert_eq!(
            put(&items[0]),
            r#"{"ID":"12345678901234567890123","A":"1.10","B":"true","C":null,"D":"x\ny","E":"[1,2]"}"#
        );
        assert_eq!(items[1], Item::Look);
        assert!(matches!(&items[2], Item::Delete(key) if key["ID"] == "7"));
        assert_eq!(put(&super::items(r#"{"look":"true"}"#).unwrap()[0]), r#"{"look":"true"}"#, "a column of that name");
    }

    #[test]
    fn errors_name_the_place_and_not_the_content() {
        for (text, words) in [
            ("{\"a\": secret}", "not JSON: line 1 column 7"),
            ("[{\"a\": 1},\n {\"a\": ", "it ends too soon: line 2 column 7"),
            ("[]", "no records"),
            ("[{\"a\":1}, 5]", "record 2: not an object"),
            ("{}", "record 1: an empty record"),
            ("{\"a\":1,\"a\":2}", "record 1: column 2 is there twice"),
        ] {
            let error = items(text).unwrap_err();
            assert!(error.contains(words) && !error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn a_line_says_for_which_mapping() {
        let text = r#"{"mapping":"contacts","record":{"ID":"1"},"idempotency":"k-1","changed":"2026-11-25T09:15:02Z"}"#;
        let delivery = line(text, "socket", None).unwrap();
        assert_eq!((delivery.mapping.as_str(), delivery.idempotency.as_deref()), ("contacts", Some("k-1")));
        assert!(delivery.changed.is_some());
        assert_eq!(put(&line(r#"{"ID":"1"}"#, "stdin", Some("contacts")).unwrap().items[0]), r#"{"ID":"1"}"#);
        assert_eq!(line(r#"{"record":{"ID":"1"},"idempotency":"a"}"#, "stdin", Some("c")).unwrap().mapping, "c");
        for text in [
            r#"{"record":{"ID":"1"}}"#,
            r#"{"mapping":"c"}"#,
            r#"{"mapping":"c","record":{"ID":"1"},"look":true}"#,
            r#"{"mapping":"c","record":{"ID":"1"},"idempotency":"a b"}"#,
            r#"{"mapping":"c","record":{"ID":"1"},"changed":"yesterday"}"#,
            r#"{"mapping":"c","rec":{"ID":"1"}}"#,
            "7",
        ] {
            assert!(line(text, "socket", None).is_err(), "{text}");
        }
    }
}
