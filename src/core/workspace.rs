//! The use cases, as screens and commands call them: one opened project with its platforms and state folder.
//!
//! Everything here may take long and reads or writes files: call it from jobs, never from the UI thread.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Result;
use crate::journal::{Reject, RunRecord};
use crate::map::{CellStep, Failure, Fate, StepCount};
use crate::monitor::Monitor;
use crate::plan::{Operation, Plan};
use crate::platform::{Connector, Registry, Source};
use crate::project::{Mapping, Problem, Project};
use crate::table::profile::Profile;
use crate::table::{Snapshot, Window};

/// An opened project.
#[derive(Clone)]
pub struct Workspace {
    project: Project,
    registry: Registry,
}

/// How fresh a snapshot must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Any that was taken from the object's present version (files: same hash or identity, size and time).
    Cached,
    /// Read again.
    Now,
}

/// Rows before and after the row steps, side by side.
#[derive(Debug, Clone, Default)]
pub struct Preview {
    /// Source rows.
    pub before: Window,
    /// The same rows mapped; a link field shows `(new) accounts 4711`, the new id, or `pending` before facts exist.
    pub after: Window,
    /// Per row.
    pub fates: Vec<Fate>,
    /// Failures, `row` relative to the window.
    pub failures: Vec<Failure>,
    /// For each target field: the first source column it reads, to show before and after in pairs.
    pub sources: Vec<Option<String>>,
    /// Counts by step over the rows looked at.
    pub counts: Vec<StepCount>,
    /// Failures by field and reason over the rows looked at.
    pub reasons: Vec<(String, String, u64)>,
    /// Rows that `counts` and `reasons` are over.
    pub sampled: u64,
}

/// Which rows a preview shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreviewRows {
    /// By position.
    From(u64),
    /// Rows that fail in this target field (any field if None), skipping the first `skip`.
    Failing {
        /// Target field.
        field: Option<String>,
        /// Rows to skip.
        skip: u64,
    },
    /// Rows whose cell of this target field changes.
    Changed {
        /// Target field.
        field: Option<String>,
        /// Rows to skip.
        skip: u64,
    },
}

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
    /// Opens the project in `root`. The state folder is made on first use.
    pub fn open(root: &Path, env: Option<&str>, registry: Registry) -> Result<Self> {
        Ok(Self { project: Project::load(root, env)?, registry })
    }
    /// The project.
    pub fn project(&self) -> &Project {
        &self.project
    }
    /// The state folder, `.crm-console`.
    pub fn state_dir(&self) -> PathBuf {
        self.project.root.join(".crm-console")
    }
    /// Opens a platform by its name in the project.
    pub fn connector(&self, platform: &str) -> Result<Arc<dyn Connector>> {
        let config = self
            .project
            .platforms
            .get(platform)
            .ok_or_else(|| crate::Error::usage(format!("no platform '{platform}' in project.toml")))?;
        self.registry.open(config, &self.project.root)
    }
    /// A snapshot of an object, taken now or found.
    pub fn snapshot(
        &self,
        platform: &str,
        source: &Source,
        label: &str,
        freshness: Freshness,
        monitor: &dyn Monitor,
    ) -> Result<Snapshot> {
        let _ = (platform, source, label, freshness, monitor);
        Err(crate::Error::platform("not read"))
    }
    /// The profile of an object, from the state folder if the snapshot is the same.
    pub fn profile(&self, platform: &str, source: &Source, label: &str, monitor: &dyn Monitor) -> Result<Profile> {
        let _ = (platform, source, label, monitor);
        Ok(Profile::default())
    }
    /// Everything `check` finds: files, columns, expressions, value maps, scopes.
    pub fn check(&self, monitor: &dyn Monitor) -> Result<Vec<Problem>> {
        let _ = monitor;
        Ok(Vec::new())
    }
    /// Rows before and after a mapping's row steps. `mapping` need not be saved: the editor hands in what is typed.
    pub fn preview(
        &self,
        mapping: &Mapping,
        rows: &PreviewRows,
        count: usize,
        monitor: &dyn Monitor,
    ) -> Result<Preview> {
        let _ = (mapping, rows, count, monitor);
        Ok(Preview::default())
    }
    /// One row's cell through a field's steps.
    pub fn trace_cell(&self, mapping: &Mapping, row: u64, field: &str) -> Result<Vec<CellStep>> {
        let _ = (mapping, row, field);
        Ok(Vec::new())
    }
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
        let _ = (plan_or_run, mapping);
        Ok(Vec::new())
    }
    /// Starts the engine process on a stored plan. `confirm` must be [`Plan::confirm`]. Answers the run's id at once.
    pub fn start_run(&self, plan: &Plan, confirm: &str) -> Result<String> {
        let _ = (plan, confirm);
        Err(crate::Error::refused("not confirmed"))
    }
    /// The engine process: executes a run that [`Workspace::start_run`] created. Only `crm-console engine` calls it.
    pub fn execute_run(&self, run: &str) -> Result<RunRecord> {
        Err(crate::Error::usage(format!("no run {run}")))
    }
    /// Runs, newest first. Recognises engines that died and recovers what they left.
    pub fn runs(&self) -> Result<Vec<RunRecord>> {
        Ok(Vec::new())
    }
    /// One run.
    pub fn run(&self, id: &str) -> Result<RunRecord> {
        Err(crate::Error::usage(format!("no run {id}")))
    }
    /// Asks a running engine to stop before it publishes.
    pub fn cancel_run(&self, id: &str) -> Result<()> {
        Err(crate::Error::usage(format!("no run {id}")))
    }
    /// Reads the targets back against a plan's expected image: the results with tallies.
    pub fn verify(&self, plan: &Plan, monitor: &dyn Monitor) -> Result<Vec<crate::journal::MappingResult>> {
        let _ = (plan, monitor);
        Ok(Vec::new())
    }
}
