//! The hash of all that decides a pipeline's output.
use super::compile::Compiled;
use crate::project::{Mapping, OnError, OnMiss, OnNull, Origin, Otherwise, WriteRule};

/// Raised when the meaning of settings changes, so that older hashes no longer match.
const VERSION: &str = "pipeline 1";

/// Hex of the hash. Every text goes in with its length, so that no two mappings look alike by accident; value maps go in
/// with their contents and not with the name of their file.
pub(crate) fn of(mapping: &Mapping, compiled: &Compiled) -> String {
    let mut hash = Hash(blake3::Hasher::new());
    hash.text("version", VERSION);
    hash.option("where", mapping.filter.as_deref());
    hash.option("deleted", mapping.deleted.as_deref());
    hash.list("key", mapping.key.iter().map(String::as_str));
    for (field, compiled) in mapping.fields.iter().zip(&compiled.fields) {
        hash.text("field", &field.target);
        match &field.origin {
            Origin::From(column) => hash.text("from", column),
            Origin::Sql(sql) => hash.text("sql", sql),
            Origin::Const(text) => hash.text("const", text),
        }
        // Rules go in by their configuration, since the same setting always makes the same rule.
        for rule in &field.clean {
            hash.text("rule", &rule.name);
            hash.option("setting", rule.setting.as_ref().map(ToString::to_string).as_deref());
        }
        hash.option("each", field.each.as_deref());
        hash.option("join", field.join.as_deref());
        if let Some(map) = &compiled.map {
            hash.list("values", map.pairs.iter().flat_map(|(from, to)| [from.as_str(), to.as_str()]));
        }
        if let Some(allowed) = &field.allowed {
            hash.list("allowed", allowed.iter().map(String::as_str));
        }
        if let Some(otherwise) = &field.otherwise {
            let (word, text) = match otherwise {
                Otherwise::Reject => ("reject", ""),
                Otherwise::Keep => ("keep", ""),
                Otherwise::Null => ("null", ""),
                Otherwise::Drop => ("drop", ""),
                Otherwise::Const(text) => ("const", text.as_str()),
            };
            hash.list("otherwise", [word, text].into_iter());
        }
        hash.option("datetime", field.datetime.as_deref());
        hash.option("zone", field.zone.as_deref());
        hash.option("type", field.kind.as_deref());
        hash.option("link", field.link.as_deref());
        hash.text(
            "on_miss",
            match field.on_miss {
                OnMiss::Reject => "reject",
                OnMiss::Defer => "defer",
                OnMiss::Null => "null",
            },
        );
        hash.text("on_null", if field.on_null == OnNull::Reject { "reject" } else { "keep" });
        hash.text(
            "on_error",
            match field.on_error {
                OnError::Reject => "reject",
                OnError::Keep => "keep",
                OnError::Null => "null",
            },
        );
        hash.text(
            "write",
            match field.write {
                WriteRule::Always => "always",
                WriteRule::IfBlank => "if_blank",
                WriteRule::Create => "create",
                WriteRule::Never => "never",
            },
        );
        hash.text("latch", if field.latch { "yes" } else { "no" });
    }
    let corrections = compiled.corrections.entries();
    if !corrections.is_empty() {
        hash.text("corrections", &corrections.len().to_string());
        for one in corrections {
            let (row, empty) = (one.row.to_string(), String::new());
            let [from, to] = [&one.from, &one.to].map(|cell| cell.as_ref().unwrap_or(&empty).as_str());
            hash.list("correction", [row.as_str(), one.column.as_str(), from, to].into_iter());
        }
    }
    hash.0.finalize().to_hex().to_string()
}

struct Hash(blake3::Hasher);

impl Hash {
    fn bytes(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }
    fn text(&mut self, tag: &str, text: &str) {
        self.bytes(tag);
        self.bytes(text);
    }
    fn option(&mut self, tag: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(tag, text);
        }
    }
    fn list<'t>(&mut self, tag: &str, texts: impl Iterator<Item = &'t str>) {
        let texts: Vec<_> = texts.collect();
        self.text(tag, &texts.len().to_string());
        for text in texts {
            self.bytes(text);
        }
    }
}
