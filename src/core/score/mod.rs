//! Consistency and timeliness (DESIGN §4).
use serde::{Deserialize, Serialize};

/// Records of one source by how expected image and target compare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Equal.
    pub equal: u64,
    /// Same key, different.
    pub different: u64,
    /// Missing in new.
    pub missing: u64,
    /// Extra in new.
    pub extra: u64,
}

impl Tally {
    /// |Old ∪ New|.
    pub const fn union(&self) -> u64 {
        self.equal + self.different + self.missing + self.extra
    }
    /// E / U, None for ∅ ∪ ∅.
    pub fn ratio(&self) -> Option<f64> {
        (self.union() > 0).then(|| self.equal as f64 / self.union() as f64)
    }
}
