//! `[sync]` of a mapping file.
use std::time::Duration;

use super::{Reader, Section};
use crate::project::words::Words;
use crate::project::{
    ChangeCap, ConflictPolicy, DeletePolicy, Direction, Side, SyncConfig, TriggerKind, parse_duration,
};

const SYNC_KEYS: &[&str] = &[
    "trigger",
    "every",
    "freshness",
    "direction",
    "conflict",
    "ask_after",
    "then",
    "skew",
    "deletes",
    "max_changes",
    "audit",
];

/// What is wrong is in `reader`; without the section everything is at its default and the mapping takes no part.
pub(super) fn read_sync(reader: &mut Reader, top: &Section<'_>) -> SyncConfig {
    let defaults = SyncConfig::default();
    let Some(sync) = reader.section(top, "sync") else { return defaults };
    reader.only_known(&sync, SYNC_KEYS);
    let ask_after = read_span(reader, &sync, "ask_after", false);
    let then = sync.get("then").map(|_| reader.word::<Then>(&sync, "then").0);
    if ask_after.is_some() != then.is_some() {
        let key = if ask_after.is_some() { "ask_after" } else { "then" };
        reader.error(
            &sync,
            key,
            "ask_after and then belong together: how long to wait, and which side wins after that",
        );
    }
    SyncConfig {
        on: true,
        trigger: reader.word(&sync, "trigger"),
        every: read_span(reader, &sync, "every", false).unwrap_or(defaults.every),
        freshness: read_span(reader, &sync, "freshness", false).unwrap_or(defaults.freshness),
        direction: reader.word(&sync, "direction"),
        conflict: read_conflict(reader, &sync).unwrap_or_default(),
        ask_after,
        then: then.unwrap_or(defaults.then),
        skew: read_span(reader, &sync, "skew", true).unwrap_or(defaults.skew),
        deletes: read_deletes(reader, &sync),
        max_changes: read_cap(reader, &sync),
        audit: {
            // To count the source would undo what was pushed and is not in it.
            let pushed = reader.word::<TriggerKind>(&sync, "trigger") == TriggerKind::Push;
            read_audit(reader, &sync, defaults.audit.filter(|_| !pushed))
        },
    }
}

/// `conflict` of `[sync]` or of a field.
pub(super) fn read_conflict(reader: &mut Reader, section: &Section<'_>) -> Option<ConflictPolicy> {
    let text = reader.text(section, "conflict")?;
    let policy = ConflictPolicy::parse(&text);
    if policy.is_none() {
        reader.unknown_word(section, "conflict", &text, &["source", "target", "newest:FIELD", "ask"]);
    }
    policy
}

fn read_deletes(reader: &mut Reader, sync: &Section<'_>) -> Option<DeletePolicy> {
    let text = reader.text(sync, "deletes")?;
    let policy = DeletePolicy::parse(&text);
    if policy.is_none() {
        reader.unknown_word(sync, "deletes", &text, &["ignore", "propagate", "mark:FIELD"]);
    }
    policy
}

fn read_cap(reader: &mut Reader, sync: &Section<'_>) -> Option<ChangeCap> {
    let text = reader.text(sync, "max_changes")?;
    let cap = ChangeCap::parse(&text);
    if cap.is_none() {
        reader.error(sync, "max_changes", "must be a share or a number of rows within a time: \"5%/10m\", \"200/1h\"");
    }
    cap
}

/// A time, or `never`.
fn read_audit(reader: &mut Reader, sync: &Section<'_>, default: Option<Duration>) -> Option<Duration> {
    match sync.get("audit").map(|_| reader.text(sync, "audit")) {
        None => default,
        Some(Some(text)) if text.trim().eq_ignore_ascii_case("never") => None,
        Some(_) => read_span(reader, sync, "audit", false).or(default),
    }
}

fn read_span(reader: &mut Reader, sync: &Section<'_>, key: &str, zero: bool) -> Option<Duration> {
    let text = reader.text(sync, key)?;
    let span = parse_duration(&text).filter(|span| zero || !span.is_zero());
    if span.is_none() {
        reader.error(
            sync,
            key,
            format!("'{text}' must be a time with its unit: \"250ms\", \"30s\", \"5m\", \"4h\", \"1d\""),
        );
    }
    span
}

impl Words for TriggerKind {
    const WORDS: &'static [(&'static str, Self)] =
        &[("pull", Self::Pull), ("push", Self::Push), ("observe", Self::Observe)];
}

impl Words for Direction {
    const WORDS: &'static [(&'static str, Self)] = &[("one-way", Self::OneWay), ("two-way", Self::TwoWay)];
}

/// A side, source if nothing is said.
#[derive(Clone, Copy, PartialEq)]
struct Then(Side);

impl Default for Then {
    fn default() -> Self {
        Self(Side::Source)
    }
}

impl Words for Then {
    const WORDS: &'static [(&'static str, Self)] = &[("source", Self(Side::Source)), ("target", Self(Side::Target))];
}
