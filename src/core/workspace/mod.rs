//! The use cases, as screens and commands call them: one opened project with its platforms and state folder.
//!
//! Everything here may take long and reads or writes files: call it from jobs, never from the UI thread.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Result;
use crate::platform::{Connector, Registry};
use crate::project::Project;

mod against;
mod audit;
mod checks;
mod checks_rows;
mod control;
mod corrections;
mod crosswalk;
mod cutover;
mod erase;
mod inbox;
mod owners;
mod plans;
mod previews;
pub mod recommend;
mod repair;
mod reporting;
mod retention;
mod reverting;
mod runs;
mod samples;
mod seeking;
mod sheet;
mod snapshots;
mod sources;
mod studio;
mod syncing;
mod trace;
mod values;
mod verifying;

pub use against::{Against, AgainstMapping, AgainstRow};
pub use audit::{Exported, Revealed, note_saved};
pub use control::Resumed;
pub use corrections::{Conflict, CorrectionsEdit, FieldTrial, NewCorrection, RowEdit, RowTrial, name_corrections};
pub use crosswalk::CrosswalkImport;
pub use cutover::{Cutover, CutoverItem, CutoverState, CutoverStep};
pub use inbox::{Retry, RetryRequest};
pub use owners::{OwnerRow, OwnerState, Owners, OwnersAsk};
pub use plans::{PlanAsk, PlanCell, PlanRow};
pub use previews::{Preview, PreviewRows};
pub use recommend::Recommendation;
pub use repair::Repair;
pub use retention::{Part, Retained};
pub use reverting::Revert;
pub use samples::Sample;
pub use sheet::{SheetLine, read_sheet, sheet_csv};
pub use snapshots::Freshness;
pub use studio::{ChangeLine, MappingChange, Studio};
pub use syncing::{AlarmTold, AlertSent, KeptCycles, SyncAsk, SyncRevert, SyncStatus, parse_moment};
pub use trace::{Trace, TracedField};
pub use values::FieldValue;
pub use verifying::{Proof, VerifyRequest};

/// An opened project.
#[derive(Clone)]
pub struct Workspace {
    project: Project,
    registry: Registry,
}

impl Workspace {
    /// Opens the project in `root`. The state folder is made on first use.
    pub fn open(root: &Path, env: Option<&str>, registry: Registry) -> Result<Self> {
        Ok(Self { project: Project::load(root, env)?, registry })
    }
    /// The same project, read again: its files may have changed.
    pub fn reload(&self) -> Result<Self> {
        Self::open(&self.project.root, self.project.env.as_deref(), self.registry.clone())
    }
    /// The project.
    pub fn project(&self) -> &Project {
        &self.project
    }
    /// The same project with other mappings.
    pub(crate) fn set_mappings(&mut self, mappings: Vec<crate::project::Mapping>) {
        self.project.mappings = mappings;
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
}

#[cfg(test)]
mod tests;
