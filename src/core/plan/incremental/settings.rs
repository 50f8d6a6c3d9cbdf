//! The hash of what decides a row's fate beside the row steps: entries made under another hash say nothing.
use crate::plan::shape::Shape;
use crate::platform::Source;

/// Raised when the meaning of settings changes.
const VERSION: &str = "settings 2";

/// Hex. The columns of both sides go in: a new one may be mapped by nothing, but a row's hash is made of some of them.
pub(crate) fn settings_hash(shape: &Shape) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut put = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    let mapping = &shape.mapping;
    put(VERSION);
    put(&mapping.from.platform);
    match &mapping.from.source {
        Source::Object(object) => put(object),
        Source::Query { sql, id } => {
            put(sql);
            put(id.as_deref().unwrap_or_default());
        }
    }
    put(&mapping.to.to_string());
    put(&format!("{:?}", mapping.duplicates));
    put(mapping.scope.as_deref().unwrap_or_default());
    put(&format!("{:?} {:?}", mapping.sync.deletes, mapping.sync.direction));
    put(mapping.run.cursor.as_deref().unwrap_or_default());
    put(shape.identity.as_deref().unwrap_or_default());
    put(if shape.here.null { "null" } else { "no null" });
    for matcher in &shape.matchers {
        put(&matcher.label);
    }
    for link in &shape.links {
        put(&format!("{} {}", link.plan.mapping, link.plan.object));
    }
    for column in &shape.columns {
        put(column);
        put(if shape.target.columns.is_empty() || shape.target.column(column).is_some() {
            "there"
        } else {
            "not there"
        });
    }
    for column in shape.pipeline.reads() {
        put(&column);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}
