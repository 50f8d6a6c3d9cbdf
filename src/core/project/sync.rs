//! `[sync]` of a mapping: how changes are noticed, how far they may go, who wins where both sides changed.
use std::time::Duration;

use super::model::Bound;

/// How changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TriggerKind {
    /// The console looks by itself, every so often.
    #[default]
    Pull,
    /// Others tell it: webhook, socket, standard input.
    Push,
    /// It is told by the platform's own signs: file events, a database's change counter.
    Observe,
}

impl TriggerKind {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Observe => "observe",
        }
    }
}

/// Which way changes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, serde::Serialize, serde::Deserialize)]
pub enum Direction {
    /// From the source to the target.
    #[default]
    #[serde(rename = "one-way")]
    OneWay,
    /// Both ways.
    #[serde(rename = "two-way")]
    TwoWay,
}

/// One of the two platforms of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The mapping's `from`.
    Source,
    /// The mapping's `to`.
    Target,
}

impl Side {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Source => Self::Target,
            Self::Target => Self::Source,
        }
    }
}

/// Who wins where both sides changed a field since they last agreed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConflictPolicy {
    /// This side.
    Take(Side),
    /// The side whose row has the later time in this target field; within the skew it is asked.
    Newest(String),
    /// A person decides.
    #[default]
    Ask,
}

impl ConflictPolicy {
    /// `source`, `target`, `newest:FIELD`, `ask`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "source" => Some(Self::Take(Side::Source)),
            "target" => Some(Self::Take(Side::Target)),
            "ask" => Some(Self::Ask),
            other => {
                let field = other.strip_prefix("newest:")?.trim();
                (!field.is_empty()).then(|| Self::Newest(field.to_owned()))
            }
        }
    }
    /// As it is written.
    pub fn word(&self) -> String {
        match self {
            Self::Take(side) => side.word().to_owned(),
            Self::Newest(field) => format!("newest:{field}"),
            Self::Ask => "ask".to_owned(),
        }
    }
}

/// What a delete at the source does to the target row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeletePolicy {
    /// Nothing.
    Ignore,
    /// It is deleted too, under the cap of `[run] max_deletes`.
    Propagate,
    /// This target field becomes true.
    Mark(String),
}

impl DeletePolicy {
    /// `ignore`, `propagate`, `mark:FIELD`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "ignore" => Some(Self::Ignore),
            "propagate" => Some(Self::Propagate),
            other => {
                let field = other.strip_prefix("mark:")?.trim();
                (!field.is_empty()).then(|| Self::Mark(field.to_owned()))
            }
        }
    }
}

/// Most changes within a span of time: `"5%/10m"`, `"200/1h"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangeCap {
    /// Share of the target's rows, or rows.
    pub bound: Bound,
    /// Within this time.
    pub span: Duration,
}

impl ChangeCap {
    /// A bound and a span with a slash between them.
    pub fn parse(text: &str) -> Option<Self> {
        let (bound, span) = text.split_once('/')?;
        let span = parse_duration(span)?;
        (!span.is_zero()).then_some(())?;
        Some(Self { bound: Bound::parse(bound)?, span })
    }
}

impl std::fmt::Display for ChangeCap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.bound {
            Bound::Share(share) => write!(f, "{}%/{}", share * 100.0, words_of(self.span)),
            Bound::Count(count) => write!(f, "{count}/{}", words_of(self.span)),
        }
    }
}

/// `[sync]` after defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncConfig {
    /// The section is there: the mapping takes part in `crm-console sync`.
    pub on: bool,
    /// How changes are noticed.
    pub trigger: TriggerKind,
    /// Time between two looks of a pull; with the other triggers, time after which it is looked in any case.
    pub every: Duration,
    /// The budget that timeliness is measured against.
    pub freshness: Duration,
    /// Which way changes go.
    pub direction: Direction,
    /// Who wins.
    pub conflict: ConflictPolicy,
    /// How long a person is waited for; None: for ever.
    pub ask_after: Option<Duration>,
    /// Who wins after that.
    pub then: Side,
    /// Times of the two sides that are closer than this are not compared.
    pub skew: Duration,
    /// Deletes; None: nothing is said, so tombstones (`deleted`) are carried over as deletes, and rows that are simply gone
    /// are let be.
    pub deletes: Option<DeletePolicy>,
    /// Beyond this the mapping is held.
    pub max_changes: Option<ChangeCap>,
    /// Time between two counts of both sides; None: only when somebody asks, as where records are pushed and nothing is said.
    pub audit: Option<Duration>,
}

impl Default for SyncConfig {
    fn default() -> Self {
        Self {
            on: false,
            trigger: TriggerKind::default(),
            every: Duration::from_secs(30),
            freshness: Duration::from_secs(60),
            direction: Direction::default(),
            conflict: ConflictPolicy::default(),
            ask_after: None,
            then: Side::Source,
            skew: Duration::from_secs(2),
            deletes: None,
            max_changes: None,
            audit: Some(Duration::from_secs(3_600)),
        }
    }
}

/// `250ms`, `30s`, `5m`, `4h`, `1d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let millis = match text[digits..].trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// A span as it is written in mapping files: the greatest unit that divides it.
pub fn words_of(span: Duration) -> String {
    let millis = span.as_millis();
    for (unit, word) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if millis >= unit && millis.is_multiple_of(unit) {
            return format!("{}{word}", millis / unit);
        }
    }
    format!("{millis}ms")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_are_read_and_written() {
        for text in ["5%/10m", "200/1h", "0.5%/90s"] {
            assert_eq!(ChangeCap::parse(text).unwrap().to_string(), text);
        }
        for text in ["5%", "5%/", "x/10m", "5%/0s", "5%/10"] {
            assert_eq!(ChangeCap::parse(text), None, "{text}");
        }
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("4h"), Some(Duration::from_secs(14_400)));
        assert_eq!((parse_duration("4"), parse_duration("h"), parse_duration("-4h")), (None, None, None));
        for text in ["source", "target", "ask", "newest:updated_at"] {
            assert_eq!(ConflictPolicy::parse(text).unwrap().word(), text);
        }
        assert_eq!((ConflictPolicy::parse("newest:"), ConflictPolicy::parse("mine")), (None, None));
        assert_eq!(DeletePolicy::parse("mark:gone"), Some(DeletePolicy::Mark("gone".into())));
        assert_eq!(DeletePolicy::parse("mark:"), None);
    }
}
