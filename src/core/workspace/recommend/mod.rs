//! Which strategy fits each mapping here: which, why, and what it costs, from facts at hand. Nothing is written by it.
//!
//! No side is read whole for it: rows are counted where the platform can count, taken from a snapshot that is there, or
//! estimated from the first rows; times come from earlier plans and runs of the project. What is only assumed says so.
mod cost;
mod cursors;
mod decide;
mod facts;
#[cfg(test)]
mod tests;
mod words;

use serde::{Deserialize, Serialize};

pub use cost::Cost;
pub use cursors::{Candidate, Tells};
pub use facts::{Facts, LedgerFacts, Rows};

use super::{PlanAsk, Sample, Workspace};
use crate::error::Result;
use crate::monitor::{Monitor, Progress};
use crate::project::Mode;

/// Records that a sample begins with, unless the operator says otherwise.
pub const SAMPLE: u64 = 20;

/// A way to carry a source over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Some records with all that hangs on them, to see whether the rules are right.
    Sample,
    /// Everything, compared anew.
    Full,
    /// Only what changed by the hash of its content, told by the ledger.
    Hash,
    /// Only what was written since, told by a column that grows with each change.
    Cursor,
}

impl Strategy {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Sample => "sample first",
            Self::Full => "full",
            Self::Hash => "incremental by content hash",
            Self::Cursor => "incremental by cursor",
        }
    }
    /// A plan of it looks only at what changed.
    pub const fn is_incremental(self) -> bool {
        matches!(self, Self::Hash | Self::Cursor)
    }
}

/// One way, and what it would mean here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Which.
    pub strategy: Strategy,
    /// Why it cannot be taken now; None: it can.
    pub not: Option<String>,
    /// What it costs here.
    pub cost: Cost,
}

/// What is recommended for one mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// Mapping.
    pub mapping: String,
    /// As shown: `legacy:contacts`.
    pub from: String,
    /// As shown: `nova:contacts`.
    pub to: String,
    /// Which.
    pub strategy: Strategy,
    /// Threads for cleaning and mapping.
    pub workers: usize,
    /// Why, the most telling first.
    pub why: Vec<String>,
    /// All ways, the recommended one first.
    pub ways: Vec<Way>,
    /// Columns that a cursor may go by, the best first.
    pub cursors: Vec<Candidate>,
    /// Lines to write into the mapping, where that would open a better way.
    pub write: Vec<String>,
    /// What it rests on.
    pub facts: Facts,
}

/// What is recommended for a project, or some mappings of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recommendation {
    /// Environment that it is about.
    pub env: Option<String>,
    /// The one strategy that a plan of them all begins with.
    pub strategy: Strategy,
    /// The mappings that this plan takes; all if empty.
    pub mappings: Vec<String>,
    /// Threads for cleaning and mapping.
    pub workers: usize,
    /// The environment to do it in first, where there is one that was never used.
    pub rehearse: Option<String>,
    /// By mapping, in load order.
    pub advice: Vec<Advice>,
}

impl Recommendation {
    /// The plan to make.
    pub fn ask(&self) -> PlanAsk {
        PlanAsk {
            mappings: self.mappings.clone(),
            mode: match self.strategy {
                Strategy::Sample => None,
                Strategy::Full => Some(Mode::Full),
                Strategy::Hash | Strategy::Cursor => Some(Mode::Incremental),
            },
            workers: (self.workers > 1).then_some(self.workers),
            limit: None,
            sample: (self.strategy == Strategy::Sample).then_some(Sample { roots: SAMPLE, mapping: None }),
        }
    }
    /// The command that makes that plan, without the program's name and the project.
    pub fn command(&self) -> String {
        let env = self.rehearse.as_ref().map(|env| format!("--env {env} ")).unwrap_or_default();
        format!("{env}{}", self.ask().command())
    }
    /// The choice in words: `sample of 20 records first`, `incremental`, `full`.
    pub fn words(&self) -> String {
        let what = match self.strategy {
            Strategy::Sample => format!("a sample of {SAMPLE} records first"),
            Strategy::Full => "in full".to_owned(),
            Strategy::Hash | Strategy::Cursor => "incrementally".to_owned(),
        };
        let which = if self.mappings.is_empty() { String::new() } else { format!(" of {}", self.mappings.join(", ")) };
        let workers = if self.workers > 1 { format!(", {} workers", self.workers) } else { String::new() };
        format!("{what}{which}{workers}")
    }
}

impl PlanAsk {
    /// The command that asks for the same, without the program's name and the project: `plan contacts --mode full`.
    pub fn command(&self) -> String {
        let mut words = vec!["plan".to_owned()];
        words.extend(self.mappings.iter().cloned());
        match (&self.sample, self.mode) {
            (Some(sample), _) => {
                words.push(format!("--sample {}", sample.roots));
                words.extend(sample.mapping.iter().map(|of| format!("--of {of}")));
            }
            (None, Some(Mode::Full)) => words.push("--mode full".to_owned()),
            (None, Some(Mode::Incremental)) => words.push("--mode incremental".to_owned()),
            (None, None) => {}
        }
        words.extend(self.workers.map(|workers| format!("--workers {workers}")));
        words.extend(self.limit.map(|limit| format!("--limit {limit}")));
        words.join(" ")
    }
}

impl Workspace {
    /// Recommends a strategy for each of these mappings, all if empty.
    pub fn recommend(&self, mappings: &[String], monitor: &dyn Monitor) -> Result<Recommendation> {
        let chosen = self.chosen(mappings)?;
        let history = self.history()?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut advice = Vec::with_capacity(chosen.len());
        for (at, mapping) in chosen.iter().enumerate() {
            monitor.check()?;
            monitor.report(Progress {
                step: format!("looking at {}", mapping.name),
                done: at as u64,
                total: Some(chosen.len() as u64),
            });
            let found = self.facts_of(mapping, &history, monitor).map_err(|error| error.at(&mapping.name))?;
            advice.push(decide::decide(mapping, found, cores));
        }
        let unused = |env: &&String| !history.envs.contains(&Some((*env).clone()));
        let live = self.project().env.is_none();
        let never = advice.iter().all(|one| one.strategy == Strategy::Sample);
        let rehearse = self.project().envs.iter().find(unused).filter(|_| live && never).cloned();
        Ok(Recommendation { rehearse, ..decide::overall(self.project().env.clone(), mappings, advice) })
    }
}
