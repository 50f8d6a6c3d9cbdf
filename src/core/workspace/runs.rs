//! Starting, executing and watching runs.
use super::Workspace;
use crate::error::Result;
use crate::journal::RunRecord;
use crate::monitor::CancelFlag;
use crate::plan::Plan;

impl Workspace {
    /// Starts the engine process on a stored plan. `confirm` must be [`Plan::confirm`]. Answers the run's id at once.
    pub fn start_run(&self, plan: &Plan, confirm: &str) -> Result<String> {
        let _ = (plan, confirm);
        Err(crate::Error::refused("not confirmed"))
    }
    /// The engine process: executes a run that [`Workspace::start_run`] created. Only `crm-console engine` calls it.
    /// `cancel` is what the process's signals set: it ends the run before anything more is published.
    pub fn execute_run(&self, run: &str, cancel: &CancelFlag) -> Result<RunRecord> {
        let _ = cancel;
        Err(crate::Error::usage(format!("no run {run}")))
    }
    /// Runs, newest first. Recognises engines that died and recovers what they left.
    pub fn runs(&self) -> Result<Vec<RunRecord>> {
        Ok(Vec::new())
    }
    /// Follows a run to its end: `seen` is called with the record a few times a second. Answers the final record.
    pub fn follow(&self, id: &str, seen: &mut dyn FnMut(&RunRecord)) -> Result<RunRecord> {
        let record = self.run(id)?;
        seen(&record);
        Ok(record)
    }
    /// One run.
    pub fn run(&self, id: &str) -> Result<RunRecord> {
        Err(crate::Error::usage(format!("no run {id}")))
    }
    /// Asks a running engine to stop before it publishes.
    pub fn cancel_run(&self, id: &str) -> Result<()> {
        Err(crate::Error::usage(format!("no run {id}")))
    }
}
