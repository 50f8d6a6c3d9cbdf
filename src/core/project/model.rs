//! What the text files say, after defaults. Field names are those of the files.
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::sync::{ConflictPolicy, Direction, SyncConfig};
use crate::platform::Source;

/// `[platforms.NAME]`, an environment's overrides folded in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlatformConfig {
    /// Name in the project.
    pub name: String,
    /// Kind word, key of the registry.
    pub kind: String,
    /// File or folder, as written (relative to the project).
    pub path: Option<PathBuf>,
    /// Anything else the kind understands (`delimiter`, `encoding`, `url`, …).
    pub options: toml::Table,
}

/// `[targets."platform:object"]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetConfig {
    /// Column that identifies a row; default: the platform's own, else the mapping's key.
    pub id: Option<String>,
    /// Order of sources when several mappings fill it.
    pub sources: Vec<String>,
}

/// `platform:object`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Platform name.
    pub platform: String,
    /// Object on it.
    pub object: String,
}

impl ObjectRef {
    /// `platform:object`; None if one half is missing. The object may hold colons itself.
    pub fn parse(text: &str) -> Option<Self> {
        let (platform, object) = text.split_once(':')?;
        let (platform, object) = (platform.trim(), object.trim());
        (!platform.is_empty() && !object.is_empty())
            .then(|| Self { platform: platform.to_owned(), object: object.to_owned() })
    }
}

impl std::fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.platform, self.object)
    }
}

/// Where a mapping reads from: platform and object or saved query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromRef {
    /// Platform name.
    pub platform: String,
    /// Object or query text (query files are loaded).
    pub source: Source,
    /// As shown: `legacy:contacts` or `legacy:queries/contacts.sql`.
    pub label: String,
}

/// One way of finding a record's target row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatchBy {
    /// By the crosswalk.
    Crosswalk,
    /// By equality of this SQL expression over target columns (`legacy_id`, `lower(email)`); NULL never matches.
    Expression(String),
}

/// Rows in scope that the source lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TargetOnly {
    /// Left alone.
    #[default]
    Keep,
    /// Left alone and listed.
    List,
    /// This field is set to true.
    Mark(String),
    /// Deleted, under the cap.
    Delete,
}

impl TargetOnly {
    /// Rows are changed by it.
    pub const fn acts(&self) -> bool {
        matches!(self, Self::Mark(_) | Self::Delete)
    }
}

/// What a failed cell becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The row is rejected.
    #[default]
    Reject,
    /// The value before the failing rule stays.
    Keep,
    /// The cell becomes NULL.
    Null,
}

/// What an update may do to a field that the target already has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteRule {
    /// Set it.
    #[default]
    Always,
    /// Only where the target is NULL or whitespace.
    IfBlank,
    /// Only on insert.
    Create,
    /// Never, not even on insert.
    Never,
}

/// A link whose parent is not to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnMiss {
    /// The row is rejected; its root cause is the parent's, where the parent was rejected.
    #[default]
    Reject,
    /// The row is held until the parent arrives.
    Defer,
    /// The cell becomes NULL.
    Null,
}

/// A NULL value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNull {
    /// NULL it stays.
    #[default]
    Keep,
    /// The row is rejected.
    Reject,
}

/// A value that a value map does not list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Otherwise {
    /// The row is rejected (through `on_error`).
    #[default]
    Reject,
    /// As it is.
    Keep,
    /// NULL.
    Null,
    /// This value.
    Const(String),
    /// Within `each`: the item is dropped.
    Drop,
}

/// A value map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// `{ L = "lead" }`, in file order.
    Inline(Vec<(String, String)>),
    /// A CSV file of the project with columns `from,to`.
    File(PathBuf),
}

/// What fills a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A source column.
    From(String),
    /// A standard SQL scalar expression over source columns.
    Sql(String),
    /// A fixed value.
    Const(String),
}

/// One entry of a field's `clean` list: `"trim"` or `{ max_length = 80 }`.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleConfig {
    /// Rule name.
    pub name: String,
    /// Its setting, if it has one.
    pub setting: Option<toml::Value>,
}

/// One target field.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Target column.
    pub target: String,
    /// What fills it.
    pub origin: Origin,
    /// Rules in order.
    pub clean: Vec<RuleConfig>,
    /// Split on this text, handle each item alone, join again.
    pub each: Option<String>,
    /// Text to join by; default: as `each`.
    pub join: Option<String>,
    /// Value map.
    pub values: Option<Values>,
    /// Listed values stay, others become what `otherwise` says (default here: NULL).
    pub allowed: Option<Vec<String>>,
    /// For values not listed.
    pub otherwise: Option<Otherwise>,
    /// chrono format of the source's date and time; the result is ISO 8601.
    pub datetime: Option<String>,
    /// Time zone of the source's local times; the result is then UTC with `Z`.
    pub zone: Option<String>,
    /// Declared type: `text`, `integer`, `decimal(p,s)`, `boolean`, `date`, `datetime`.
    pub kind: Option<String>,
    /// Mapping whose record this value names.
    pub link: Option<String>,
    /// For a link that finds nothing.
    pub on_miss: OnMiss,
    /// For NULL.
    pub on_null: OnNull,
    /// For failures.
    pub on_error: OnError,
    /// For updates.
    pub write: WriteRule,
    /// Once true it stays true.
    pub latch: bool,
    /// Masked on screen.
    pub pii: bool,
    /// Which way its changes go, where it is not as `[sync]` says.
    pub direction: Option<Direction>,
    /// Who wins where both sides changed it, where it is not as `[sync]` says.
    pub conflict: Option<ConflictPolicy>,
    /// Byte range of the whole `name = …` entry in the mapping file, to point at it.
    pub span: Option<(usize, usize)>,
}

impl Field {
    /// A field that is filled from `origin`, everything else at its default.
    pub fn new(target: impl Into<String>, origin: Origin) -> Self {
        Self {
            target: target.into(),
            origin,
            clean: Vec::new(),
            each: None,
            join: None,
            values: None,
            allowed: None,
            otherwise: None,
            datetime: None,
            zone: None,
            kind: None,
            link: None,
            on_miss: OnMiss::default(),
            on_null: OnNull::default(),
            on_error: OnError::default(),
            write: WriteRule::default(),
            latch: false,
            pii: false,
            direction: None,
            conflict: None,
            span: None,
        }
    }
}

/// How much of the source a run looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All of it.
    #[default]
    Full,
    /// What changed since the last run.
    Incremental,
}

/// Source columns that hold data, are read by nothing and are not listed under `ignore`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftBehindRule {
    /// The plan lists them.
    #[default]
    List,
    /// Nothing is run until each is mapped or listed under `ignore`.
    Block,
}

/// A bound as written: `"5%"` or `200`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Bound {
    /// Share of the rows, 0 to 1.
    Share(f64),
    /// Rows.
    Count(u64),
}

impl Bound {
    /// `5%`, `0.5%` or `200`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent: f64 = percent.trim_end().parse().ok()?;
                (0.0..=100.0).contains(&percent).then_some(Self::Share(percent / 100.0))
            }
            None => text.parse().ok().map(Self::Count),
        }
    }
    /// Most rows out of `total`.
    pub fn of(self, total: u64) -> u64 {
        match self {
            Self::Share(share) => (share * total as f64).floor() as u64,
            Self::Count(count) => count,
        }
    }
}

/// How many rows may be rejected: a share, a count, or both, of which the smaller holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Share of the rows, 0 to 1.
    pub share: Option<f64>,
    /// Rows.
    pub count: Option<u64>,
}

impl Budget {
    /// A share alone.
    pub const fn of_share(share: f64) -> Self {
        Self { share: Some(share), count: None }
    }
    /// Takes a bound in; false if there is one of its kind already.
    pub(in crate::project) fn add(&mut self, bound: Bound) -> bool {
        match bound {
            Bound::Share(share) => self.share.replace(share).is_none(),
            Bound::Count(count) => self.count.replace(count).is_none(),
        }
    }
    /// Most rows out of `total`.
    pub fn of(self, total: u64) -> u64 {
        let share = self.share.map(|share| Bound::Share(share).of(total));
        [share, self.count].into_iter().flatten().min().unwrap_or(total)
    }
}

impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.share, self.count) {
            (Some(share), Some(count)) => write!(f, "{}% and {count} rows", share * 100.0),
            (Some(share), None) => write!(f, "{}%", share * 100.0),
            (None, Some(count)) => write!(f, "{count} rows"),
            (None, None) => f.write_str("none"),
        }
    }
}

/// Source rows with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// All but the first are rejected.
    #[default]
    Reject,
    /// The first stands for all, the others are merged into it.
    First,
    /// The last stands for all.
    Last,
}

/// How far an incremental plan reads back: `"5m"`, or units of a numeric cursor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Seconds, for times.
    pub seconds: u64,
    /// Units, for numbers.
    pub units: u64,
}

impl Overlap {
    /// `90s`, `5m`, `2h`, `1d`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let unit = match text.chars().last()? {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let number: u64 = text[..text.len() - 1].trim_end().parse().ok()?;
        Some(Self { seconds: number.checked_mul(unit)?, units: 0 })
    }
}

/// `[run]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RunConfig {
    /// Full or incremental.
    pub mode: Mode,
    /// Source column that grows with each change: an incremental plan reads from where the last one ended.
    pub cursor: Option<String>,
    /// How far before that it begins, so that rows committed late are not lost.
    pub overlap: Overlap,
    /// Workers for the chunks of a run.
    pub workers: usize,
    /// Most rejected rows before nothing is published.
    pub error_budget: Budget,
    /// Most deleted rows.
    pub max_deletes: Bound,
    /// What becomes of columns with data that nothing reads.
    pub left_behind: LeftBehindRule,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Full,
            cursor: None,
            overlap: Overlap::default(),
            workers: 1,
            error_budget: Budget::of_share(0.01),
            max_deletes: Bound::Share(0.05),
            left_behind: LeftBehindRule::List,
        }
    }
}

/// One mapping file.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// File stem: `contacts`.
    pub name: String,
    /// The file, as given.
    pub path: PathBuf,
    /// Read from.
    pub from: FromRef,
    /// Written to.
    pub to: ObjectRef,
    /// Target fields that identify a record.
    pub key: Vec<String>,
    /// How a record finds its target row, in order. Default: crosswalk, then the key.
    pub matching: Vec<MatchBy>,
    /// SQL over target columns: rows it may change, delete and be scored on.
    pub scope: Option<String>,
    /// Rows in scope that the source lacks.
    pub target_only: TargetOnly,
    /// SQL over source columns.
    pub filter: Option<String>,
    /// SQL over source columns: a tombstone.
    pub deleted: Option<String>,
    /// Duplicate keys in the source.
    pub duplicates: Duplicates,
    /// Target fields in file order.
    pub fields: Vec<Field>,
    /// Source columns left behind on purpose.
    pub ignore: Vec<String>,
    /// A CSV file of the project with columns `key,column,from,to`: cells of single source rows that were mended.
    pub corrections: Option<PathBuf>,
    /// Target columns that must be filled and are not yet: `check` warns instead of failing; plans that would insert
    /// stay blocked all the same.
    pub unfinished: Vec<String>,
    /// Run defaults.
    pub run: RunConfig,
    /// How it is kept in sync.
    pub sync: SyncConfig,
}

impl Mapping {
    /// The field that fills a target column.
    pub fn field(&self, target: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.target == target)
    }
    /// Mappings that must be run before this one, itself excluded.
    pub fn links(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().filter_map(|field| field.link.as_deref()).filter(|link| *link != self.name)
    }
}
