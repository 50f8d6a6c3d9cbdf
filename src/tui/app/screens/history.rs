//! The History screen: all runs, and the results and rejects of one of them.
use std::sync::Arc;

use crm_core::journal::{Reject, RunRecord};

use super::{ScreenId, ScreenState};
use crate::app::action::Action;
use crate::app::causes::{CauseRow, by_cause, lines};
use crate::app::list::ListState;
use crate::app::msg::{Answer, Lane, Request};
use crate::app::overlay::Overlay;
use crate::app::shared::{Shared, Tone, Wanted};

/// State of the History screen.
#[derive(Debug, Default)]
pub struct HistoryScreen {
    /// Where the list of runs stands.
    pub list: ListState,
    /// The run that is looked at; None: the list.
    pub open: Option<String>,
    /// Its rejects by mapping and cause.
    pub causes: Vec<(String, CauseRow)>,
    /// Where the list of causes stands.
    pub cause_list: ListState,
    /// The rejects have come.
    pub loaded: bool,
    rejects: Arc<Vec<Reject>>,
    wanted: Wanted<(String, String)>,
    pending: Vec<String>,
    listed: Wanted<u64>,
}

impl HistoryScreen {
    /// The run that is looked at.
    pub fn run<'a>(&self, shared: &'a Shared) -> Option<&'a RunRecord> {
        let id = self.open.as_ref()?;
        shared.runs.iter().find(|run| run.id == *id)
    }
    fn ask_next(&mut self, shared: &mut Shared) {
        let Some(run) = self.open.clone() else { return };
        match self.pending.first().cloned() {
            Some(mapping) => {
                if self.wanted.changes((run.clone(), mapping.clone())) {
                    shared.ask(
                        Lane::HistoryRejects,
                        "reading rejects",
                        Request::Rejects { of: run, mapping: Some(mapping) },
                    );
                }
            }
            None => self.loaded = true,
        }
    }
    fn show_cause(&self, shared: &mut Shared) {
        let Some((mapping, cause)) = self.causes.get(self.cause_list.cursor) else { return };
        let mut text = Vec::new();
        for row in cause.rows.iter().take(20) {
            if let Some(reject) = self.rejects.get(*row) {
                text.extend(lines(reject));
                text.push(String::new());
            }
        }
        if cause.rows.len() > 20 {
            text.push(format!("and {} more: crm-console rejects list --json", cause.rows.len() - 20));
        }
        shared.open(Overlay::Text(format!("{mapping}: {}", cause.cause), text, 0));
    }
    fn mend(&self, shared: &mut Shared) {
        let Some((mapping, cause)) = self.causes.get(self.cause_list.cursor) else { return };
        if let Some(at) = shared.drafts.iter().position(|draft| draft.name == *mapping) {
            shared.current = at;
            shared.focus.clone_from(&cause.field);
            shared.go(ScreenId::Map);
        } else {
            shared.tell(Tone::Info, format!("the project has no mapping '{mapping}' any more"));
        }
    }
    fn open(&mut self, run: &RunRecord) {
        self.open = Some(run.id.clone());
        self.pending = run.results.iter().map(|result| result.mapping.clone()).collect();
        self.rejects = Arc::default();
        self.causes.clear();
        self.cause_list = ListState::default();
        self.loaded = false;
        self.wanted.forget();
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
        self.cause_list.layout(self.causes.len(), rows.saturating_sub(4 + 2 * results));
        self.ask_next(shared);
    }
    fn act(&mut self, action: Action, shared: &mut Shared) -> bool {
        if self.open.is_none() {
            return match action {
                Action::Open => {
                    if let Some(run) = shared.runs.get(self.list.cursor).cloned() {
                        self.open(&run);
                    }
                    true
                }
                _ => self.list.act(action),
            };
        }
        match action {
            Action::Back => self.open = None,
            Action::Open | Action::Rejects => self.show_cause(shared),
            Action::EditField => self.mend(shared),
            _ => return self.cause_list.act(action),
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
        if let (Lane::HistoryRejects, Answer::Rejects(found)) = (lane, answer)
            && !self.pending.is_empty()
        {
            let mapping = self.pending.remove(0);
            let first = self.rejects.len();
            let all = Arc::make_mut(&mut self.rejects);
            all.extend(found.iter().cloned());
            for mut cause in by_cause(found) {
                for row in &mut cause.rows {
                    *row += first;
                }
                self.causes.push((mapping.clone(), cause));
            }
            self.causes.sort_by_key(|(_, cause)| std::cmp::Reverse(cause.rows.len()));
        }
    }
    fn find(&mut self, sought: &str, forward: bool, shared: &mut Shared) -> bool {
        let fits = |run: &RunRecord| format!("{} {} {}", run.id, run.plan, run.owner).contains(sought);
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
    fn command(&self, _: &Shared) -> Option<String> {
        Some(self.open.as_ref().map_or_else(|| "runs".to_owned(), |run| format!("rejects list {run}")))
    }
    fn offers(&self, action: Action, _: &Shared) -> bool {
        !matches!(action, Action::Rejects | Action::EditField) || self.open.is_some()
    }
}

#[cfg(test)]
pub(crate) mod tests;
