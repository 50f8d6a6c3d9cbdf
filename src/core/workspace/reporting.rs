//! The report of a run, made from what is kept of it.
use std::path::{Path, PathBuf};

use super::{PlanRow, Workspace};
use crate::error::{Error, Result};
use crate::journal::{AuditFilter, RunRecord, StateDir, now};
use crate::migrate::recovery::read_plan;
use crate::migrate::{RunReport, write_whole};
use crate::plan::store::refuse_erased;
use crate::plan::{Operation, Plan};
use crate::project::{Personal, Severity};
use crate::report::{ReportData, page};

/// Rows of each kind of operation that a report shows.
const SAMPLES: usize = 3;

/// What stands for a personal value: always the same, so that it tells nothing, not even a length.
const MASK: &str = "****";

impl Workspace {
    /// Makes the report of a run and writes it to `out`, or into the run's folder. Answers where it is.
    pub fn report(&self, run: &str, out: Option<&Path>) -> Result<PathBuf> {
        self.write_report(&self.run(run)?, out)
    }

    /// [`Workspace::report`] of a run that is at hand.
    pub(super) fn write_report(&self, record: &RunRecord, out: Option<&Path>) -> Result<PathBuf> {
        let state = StateDir::of(&self.project().root);
        let dir = state.run(&record.id);
        let path = match out {
            Some(path) => std::path::absolute(path).map_err(|error| Error::io("find", path, &error))?,
            None if dir.is_dir() => Self::report_path(&dir),
            None => {
                return Err(Error::usage(format!("the folder of run {} is not kept any more", record.id))
                    .advise("name a file to write with --out: what control.db still knows goes into it"));
            }
        };
        write_whole(&path, self.report_html(record.clone())?.as_bytes())?;
        Ok(path)
    }

    /// Where the report of a run is kept, if it was made.
    pub fn report_of(&self, run: &str) -> Option<PathBuf> {
        let path = Self::report_path(&StateDir::of(&self.project().root).run(run));
        path.is_file().then_some(path)
    }

    fn report_path(dir: &Path) -> PathBuf {
        dir.join("report.html")
    }

    fn report_html(&self, run: RunRecord) -> Result<String> {
        let state = StateDir::of(&self.project().root);
        let dir = state.run(&run.id);
        let plan = read_plan(&dir).ok();
        let reports = RunReport::read(&dir).map(|report| report.mappings).unwrap_or_default();
        let audit = self.audit(&AuditFilter { run: Some(run.id.clone()), since: None })?;
        let files =
            audit.iter().filter(|line| line.what == "planned").filter_map(|line| line.detail.clone()).next_back();
        let (head, chain) = match self.check_audit(None) {
            Ok(head) => (head, Ok(())),
            Err(error) => (state.control()?.audit_head()?, Err(error.to_string())),
        };
        let (samples, no_samples) = match plan.as_ref().map(|plan| self.samples(&state, plan)) {
            Some(Ok(samples)) => (samples, None),
            Some(Err(_)) => (
                Vec::new(),
                Some("The rows of the plan are not kept any more, or a person was erased from it.".to_owned()),
            ),
            None => (Vec::new(), None),
        };
        Ok(page(&ReportData {
            project: self.project().name.clone(),
            run,
            plan,
            reports,
            samples,
            no_samples,
            files,
            audit,
            head,
            chain,
            made: now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    /// Some rows of each mapping, without personal values.
    fn samples(&self, state: &StateDir, plan: &Plan) -> Result<Vec<(String, Vec<PlanRow>)>> {
        refuse_erased(&state.plan(&plan.id))?;
        let project = self.project();
        let unreadable = project.problems.iter().any(|problem| problem.severity == Severity::Error);
        let personal = Personal::of(&project.mappings).with_unreadable(unreadable);
        plan.mappings
            .iter()
            .map(|part| {
                let mut rows = Vec::new();
                for operation in [Operation::Insert, Operation::Update, Operation::Delete] {
                    rows.extend(self.plan_rows(plan, &part.mapping, operation, None, 0, SAMPLES)?.0);
                }
                for row in &mut rows {
                    Self::mask(&personal, &part.mapping, row);
                }
                Ok((part.mapping.clone(), rows))
            })
            .collect()
    }

    /// Masks what is tagged as personal; of a mapping that is gone everything, for its tags are gone too.
    fn mask(personal: &Personal, mapping: &str, row: &mut PlanRow) {
        let cover = |cell: &mut Option<String>| {
            if let Some(cell) = cell.as_mut().filter(|cell| !cell.is_empty()) {
                MASK.clone_into(cell);
            }
        };
        for cell in row.cells.iter_mut().filter(|cell| personal.target(mapping, &cell.column)) {
            cover(&mut cell.old);
            cover(&mut cell.new);
            cover(&mut cell.pending);
        }
        if personal.key(mapping) {
            MASK.clone_into(&mut row.key);
        }
    }
}
