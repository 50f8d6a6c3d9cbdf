//! The History screen: all runs, and the results and rejects of one of them.
use crm_core::journal::RunRecord;
use crm_core::workspace::Revealed;

use super::{ScreenId, ScreenState};
use crate::app::action::Action;
use crate::app::list::ListState;
use crate::app::msg::{Answer, Lane, Request};
use crate::app::run_rejects::RunRejects;
use crate::app::shared::{Shared, Tone, Wanted};

/// State of the History screen.
#[derive(Debug)]
pub struct HistoryScreen {
    /// Where the list of runs stands.
    pub list: ListState,
    /// The run that is looked at; None: the list.
    pub open: Option<String>,
    /// What it left out.
    pub rejects: RunRejects,
    /// The run last looked at, and the bytes that are kept to take it back.
    pub kept: Option<(String, u64)>,
    listed: Wanted<u64>,
}

impl Default for HistoryScreen {
    fn default() -> Self {
        Self {
            list: ListState::default(),
            open: None,
            rejects: RunRejects::new(Lane::HistoryRejects),
            kept: None,
            listed: Wanted::default(),
        }
    }
}

impl HistoryScreen {
    /// The run that is looked at.
    pub fn run<'a>(&self, shared: &'a Shared) -> Option<&'a RunRecord> {
        let id = self.open.as_ref()?;
        shared.runs.iter().find(|run| run.id == *id)
    }
    /// Tells where the report of the run is that is looked at, or stands under the cursor.
    fn report(&self, shared: &mut Shared) {
        let Some(run) = self.run(shared).or_else(|| shared.runs.get(self.list.cursor)) else { return };
        if !run.state.is_final() {
            shared.tell(Tone::Info, "the report is made when the run has ended");
            return;
        }
        let path = shared.project.root.join(".crm-console/runs").join(&run.id).join("report.html");
        let path = path.display().to_string();
        shared.copy(path.clone());
        shared.tell(Tone::Good, format!("copied: {path}"));
    }
    /// The run that is looked at, or the one at the cursor.
    fn chosen(&self, shared: &Shared) -> Option<RunRecord> {
        if self.open.is_some() { self.run(shared).cloned() } else { shared.runs.get(self.list.cursor).cloned() }
    }
    /// Its plan to take it back.
    fn revert(&self, shared: &mut Shared) {
        match self.chosen(shared) {
            Some(run) => shared.plan_revert(&run),
            None => shared.tell(Tone::Info, "there is no run yet"),
        }
    }
}

impl ScreenState for HistoryScreen {
    fn settle(&mut self, shared: &mut Shared) {
        if self.listed.changes(shared.saves) {
            shared.ask(Lane::Runs, "listing runs", Request::Runs);
        }
        let (_, rows) = shared.body();
        self.list.layout(shared.runs.len(), rows.saturating_sub(1));
        let results = self.run(shared).map_or(0, |run| run.results.len());
        self.rejects.list.layout(self.rejects.causes.len(), rows.saturating_sub(5 + 2 * results));
        self.rejects.ask_next(shared);
    }
    fn act(&mut self, action: Action, shared: &mut Shared) -> bool {
        if action == Action::Report {
            self.report(shared);
            return true;
        }
        if action == Action::Revert {
            self.revert(shared);
            return true;
        }
        if self.open.is_none() {
            return match action {
                Action::Open => {
                    if let Some(run) = shared.runs.get(self.list.cursor).cloned() {
                        self.rejects.close();
                        self.rejects.open(&run);
                        self.kept = None;
                        shared.ask(Lane::HistoryKept, "", Request::Kept(run.id.clone()));
                        self.open = Some(run.id);
                    }
                    true
                }
                Action::Rejects => {
                    if let Some(run) = shared.runs.get(self.list.cursor).map(|run| run.id.clone()) {
                        shared.open_inbox(&run, ScreenId::History, None);
                    }
                    true
                }
                _ => self.list.act(action),
            };
        }
        match action {
            Action::Back => self.open = None,
            Action::Open => self.rejects.show(shared),
            Action::Rejects => self.rejects.open_inbox(ScreenId::History, shared),
            Action::EditField => self.rejects.mend(shared),
            _ => return self.rejects.list.act(action),
        }
        true
    }
    fn heading(&self, shared: &Shared) -> String {
        match self.run(shared) {
            None => format!("HISTORY  {} runs", shared.runs.len()),
            Some(run) => format!("HISTORY  run {}  {}  plan {}", run.id, run.state.word(), run.plan),
        }
    }
    fn answer(&mut self, lane: Lane, answer: &Answer, _: &mut Shared) {
        self.rejects.take(lane, answer);
        if let (Lane::HistoryKept, Answer::Kept(run, bytes)) = (lane, answer) {
            self.kept = Some((run.clone(), *bytes));
        }
    }
    fn find(&mut self, sought: &str, forward: bool, shared: &mut Shared) -> bool {
        let fits =
            |run: &RunRecord| format!("{} {} {} {}", run.id, run.plan, run.owner, run.purpose_words()).contains(sought);
        let cursor = self.list.cursor;
        let found = if forward {
            shared.runs.iter().enumerate().skip(cursor + 1).find(|(_, run)| fits(run))
        } else {
            shared.runs.iter().enumerate().take(cursor).rev().find(|(_, run)| fits(run))
        };
        if let Some((at, _)) = found {
            self.list.select(at);
        }
        found.is_some()
    }
    fn click(&mut self, _: usize, row: usize, _: &mut Shared) {
        if self.open.is_none() && row > 0 && self.list.top + row - 1 < self.list.len {
            self.list.select(self.list.top + row - 1);
        }
    }
    fn personal(&self, shared: &Shared) -> Revealed {
        self.run(shared).map(|run| shared.revealed_of_run(run)).unwrap_or_default()
    }
    fn command(&self, _: &Shared) -> Option<String> {
        Some(self.open.as_ref().map_or_else(|| "runs".to_owned(), |run| format!("rejects list {run}")))
    }
    fn offers(&self, action: Action, shared: &Shared) -> bool {
        match action {
            Action::EditField | Action::Reveal => self.open.is_some(),
            Action::Rejects | Action::Report | Action::Revert => !shared.runs.is_empty(),
            _ => true,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
