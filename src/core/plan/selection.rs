//! What a plan is made for, and which rows of the source it takes.
//!
//! A selection says which operations of the full plan are taken; it never changes what an operation is. So the rows of a
//! sample or of a retry become exactly what they become when all rows are planned.
use serde::{Deserialize, Serialize};

/// What a plan is made for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "lowercase")]
pub enum Purpose {
    /// To carry the source over.
    #[default]
    Migrate,
    /// To carry over rows that a run had left out, after they were mended.
    Retry {
        /// The run that left them out.
        run: String,
    },
    /// To make target rows again what a plan had made them.
    Repair {
        /// That plan.
        plan: String,
    },
    /// To carry changes over as they come: by a sync loop, under the caps of the mapping.
    Sync,
    /// To take a run back.
    Revert {
        /// The run.
        run: String,
    },
    /// To take back what sync wrote within a span of time, at both sides of a mapping.
    #[serde(rename = "revert_sync")]
    RevertSync {
        /// The mapping.
        mapping: String,
        /// From then on, milliseconds since 1970.
        since: i64,
        /// Up to then.
        until: i64,
    },
}

impl Purpose {
    /// In a word, as in lists.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Migrate => "migrate",
            Self::Retry { .. } => "retry",
            Self::Repair { .. } => "repair",
            Self::Sync => "sync",
            Self::Revert { .. } | Self::RevertSync { .. } => "revert",
        }
    }
    /// The run or plan that it is about.
    pub fn about(&self) -> Option<&str> {
        match self {
            Self::Migrate | Self::Sync | Self::RevertSync { .. } => None,
            Self::Retry { run } | Self::Revert { run } => Some(run),
            Self::Repair { plan } => Some(plan),
        }
    }
    /// It takes something back.
    pub const fn is_revert(&self) -> bool {
        matches!(self, Self::Revert { .. } | Self::RevertSync { .. })
    }
}

/// Which rows of a source a plan took, as it is kept with the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "rows", rename_all = "lowercase")]
pub enum Selection {
    /// All.
    #[default]
    All,
    /// The first ones.
    First {
        /// How many.
        count: u64,
    },
    /// Some.
    Chosen {
        /// By what, in words: `rejects of run …`, `a sample of 20 accounts`.
        by: String,
        /// How many.
        count: u64,
    },
}

/// The rows of a source that a plan is to take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Rows {
    /// All.
    #[default]
    All,
    /// The first ones.
    First(u64),
    /// These.
    Chosen {
        /// By what, in words.
        by: String,
        /// Ordinals in the source snapshot, ascending, each once.
        ordinals: Vec<u32>,
    },
}

impl Rows {
    /// These ordinals, in whatever order.
    pub(crate) fn chosen(by: impl Into<String>, mut ordinals: Vec<u32>) -> Self {
        ordinals.sort_unstable();
        ordinals.dedup();
        Self::Chosen { by: by.into(), ordinals }
    }
    /// The first `limit` rows, all if None.
    pub(crate) fn first(limit: Option<u64>) -> Self {
        limit.map_or(Self::All, Self::First)
    }
    /// Rows from which on nothing is read.
    pub(crate) const fn end(&self) -> u64 {
        match self {
            Self::First(count) => *count,
            Self::All | Self::Chosen { .. } => u64::MAX,
        }
    }
    /// Every row, and with them what the source lacks.
    pub(crate) const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
    /// The row is taken.
    pub(crate) fn takes(&self, ordinal: u32) -> bool {
        match self {
            Self::All => true,
            Self::First(count) => u64::from(ordinal) < *count,
            Self::Chosen { ordinals, .. } => ordinals.binary_search(&ordinal).is_ok(),
        }
    }
    /// Pieces of the source that are no rows belong to the plan.
    pub(crate) const fn takes_pieces(&self) -> bool {
        !matches!(self, Self::Chosen { .. })
    }
    /// As it is kept.
    pub(crate) fn kept(&self) -> Selection {
        match self {
            Self::All => Selection::All,
            Self::First(count) => Selection::First { count: *count },
            Self::Chosen { by, ordinals } => Selection::Chosen { by: by.clone(), count: ordinals.len() as u64 },
        }
    }
}
