//! How a row of a table is named in snapshots and plans: its rowid in digits, or its primary key as a JSON array in which
//! numbers are INTEGER, strings TEXT, `{"real": …}` REAL and `{"blob": …}` BLOB.
use rusqlite::types::{Value, ValueRef};
use serde_json::{Value as Json, json};

use super::catalog::Address;
use super::value::{blob_of, push_text};

/// The locator out of `count` result columns from `first` on.
pub(super) fn encode(row: &rusqlite::Row<'_>, first: usize, count: usize, rowid: bool) -> rusqlite::Result<String> {
    if rowid {
        return Ok(row.get::<_, i64>(first)?.to_string());
    }
    let mut parts = Vec::with_capacity(count);
    for index in first..first + count {
        let value = row.get_ref(index)?;
        let mut text = String::new();
        push_text(value, &mut text);
        parts.push(match value {
            ValueRef::Null => Json::Null,
            ValueRef::Integer(number) => json!(number),
            ValueRef::Real(_) => json!({ "real": text }),
            ValueRef::Text(bytes) if std::str::from_utf8(bytes).is_ok() => json!(text),
            ValueRef::Text(_) | ValueRef::Blob(_) => json!({ "blob": text }),
        });
    }
    Ok(Json::Array(parts).to_string())
}

/// Back to what is bound; None if it is no locator of such a table.
pub(super) fn decode(locator: &str, address: &Address) -> Option<Vec<Value>> {
    match address {
        Address::None => None,
        Address::Rowid(_) => Some(vec![Value::Integer(locator.parse().ok()?)]),
        Address::Key(key) => {
            let parts: Vec<Json> = serde_json::from_str(locator).ok()?;
            let values: Option<Vec<Value>> = parts.iter().map(decode_part).collect();
            values.filter(|values| values.len() == key.len())
        }
    }
}

fn decode_part(part: &Json) -> Option<Value> {
    match part {
        Json::Null => Some(Value::Null),
        Json::Number(number) => number.as_i64().map(Value::Integer),
        Json::String(text) => Some(Value::Text(text.clone())),
        Json::Object(typed) => match (typed.get("real").and_then(Json::as_str), typed.get("blob")) {
            (Some(number), _) => number.parse().ok().map(Value::Real),
            (None, Some(blob)) => blob_of(blob.as_str()?).map(Value::Blob),
            (None, None) => None,
        },
        Json::Bool(_) | Json::Array(_) => None,
    }
}
