//! Making, storing and looking into plans.
use super::Workspace;
use crate::error::Result;
use crate::journal::{Reject, read_rejects, rejects_files};
use crate::monitor::Monitor;
use crate::plan::{Operation, Plan};

/// One row of a plan's drill-down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanRow {
    /// Operation.
    pub operation: Option<Operation>,
    /// Key.
    pub key: String,
    /// Source ordinal and line.
    pub source: Option<(u64, Option<u64>)>,
    /// Target ordinal.
    pub target: Option<u64>,
    /// Cells: column, target now, expected, rule or policy that explains it.
    pub cells: Vec<PlanCell>,
    /// Reason for held, rejected, merged.
    pub reason: Option<String>,
}

/// One cell of a plan row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanCell {
    /// Target column.
    pub column: String,
    /// In the target now (None: NULL or no row).
    pub old: Option<String>,
    /// Expected.
    pub new: Option<String>,
    /// It differs and will be written.
    pub changed: bool,
    /// It differs and the write rule keeps it; `if_blank`, `create`, `never`.
    pub kept: Option<String>,
    /// `(new) accounts 4711`: known when the parent is written.
    pub pending: Option<String>,
}

impl Workspace {
    /// Makes a plan of these mappings (all if empty), stores it in the state folder.
    pub fn plan(&self, mappings: &[String], limit: Option<u64>, monitor: &dyn Monitor) -> Result<Plan> {
        let _ = (mappings, limit, monitor);
        Err(crate::Error::usage("no mappings"))
    }
    /// A stored plan by id.
    pub fn load_plan(&self, id: &str) -> Result<Plan> {
        Err(crate::Error::usage(format!("no plan {id}")))
    }
    /// Rows behind a count of a stored plan. `column`: only updates that change it. Answers the rows and how many there are.
    pub fn plan_rows(
        &self,
        plan: &Plan,
        mapping: &str,
        operation: Operation,
        column: Option<&str>,
        first: u64,
        count: usize,
    ) -> Result<(Vec<PlanRow>, u64)> {
        let _ = (plan, mapping, operation, column, first, count);
        Ok((Vec::new(), 0))
    }
    /// Rejects and held rows of a plan (`plan.id`) or a run (`run.id`).
    pub fn rejects(&self, plan_or_run: &str, mapping: Option<&str>) -> Result<Vec<Reject>> {
        let mut rejects = Vec::new();
        for file in rejects_files(&self.journal_folder(plan_or_run)?, mapping)? {
            for reject in read_rejects(&file)? {
                rejects.push(reject?);
            }
        }
        Ok(rejects)
    }
    /// Reads the targets back against a plan's expected image: the results with tallies.
    pub fn verify(&self, plan: &Plan, monitor: &dyn Monitor) -> Result<Vec<crate::journal::MappingResult>> {
        let _ = (plan, monitor);
        Ok(Vec::new())
    }
}
