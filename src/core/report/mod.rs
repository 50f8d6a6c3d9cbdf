//! The report of a run: one HTML file to hand over, read and sign. It needs no network and no script, is readable in a light
//! and a dark window and on paper, and names no personal value.
mod html;
pub(crate) use html::grouped;
mod page;

use crate::journal::{Audit, AuditHead, RunRecord};
use crate::migrate::MappingReport;
use crate::plan::{MappingPlan, Plan};
use crate::workspace::PlanRow;

pub(crate) use page::page;

/// Everything that a report says.
pub(crate) struct ReportData {
    /// Name of the project.
    pub(crate) project: String,
    pub(crate) run: RunRecord,
    /// What was confirmed; None if the run's folder has it no more.
    pub(crate) plan: Option<Plan>,
    /// What came out, by mapping; empty if the run ended before it wrote any.
    pub(crate) reports: Vec<MappingReport>,
    /// Samples by mapping, cells of personal columns already masked.
    pub(crate) samples: Vec<(String, Vec<PlanRow>)>,
    /// Why there are none, where there should be.
    pub(crate) no_samples: Option<String>,
    /// Beginnings of the hashes of the mapping files when the plan was made, as the audit log has them.
    pub(crate) files: Option<String>,
    /// Lines of the audit log about the run, oldest first.
    pub(crate) audit: Vec<Audit>,
    /// The end of the whole log, and whether its lines follow from each other.
    pub(crate) head: AuditHead,
    pub(crate) chain: Result<(), String>,
    /// When the report was made, RFC 3339 UTC.
    pub(crate) made: String,
    pub(crate) version: String,
}

impl ReportData {
    /// The plan's part for a mapping.
    fn part(&self, mapping: &str) -> Option<&MappingPlan> {
        self.plan.as_ref()?.mappings.iter().find(|part| part.mapping == mapping)
    }
}

#[cfg(test)]
mod tests;
