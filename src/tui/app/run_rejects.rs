//! What a run left out, by mapping and cause, with the way to its rows and to the field that is to blame.
use std::sync::Arc;

use crm_core::journal::{Reject, RunRecord};

use super::causes::{CauseRow, by_cause, lines};
use super::list::ListState;
use super::msg::{Answer, Lane, Request};
use super::overlay::Overlay;
use super::screens::ScreenId;
use super::shared::{Shared, Tone, Wanted};
use super::words::Words;

/// Rows of a cause that are shown whole.
const MOST: usize = 20;

/// The rejects of one run, read mapping by mapping.
#[derive(Debug)]
pub struct RunRejects {
    /// By mapping and cause, most rows first.
    pub causes: Vec<(String, CauseRow)>,
    /// Where the list of causes stands.
    pub list: ListState,
    /// All have come.
    pub loaded: bool,
    lane: Lane,
    run: Option<String>,
    rejects: Arc<Vec<Reject>>,
    wanted: Wanted<(String, String)>,
    pending: Vec<String>,
}

impl RunRejects {
    /// None yet; `lane` is where they are asked for.
    pub fn new(lane: Lane) -> Self {
        Self {
            causes: Vec::new(),
            list: ListState::default(),
            loaded: false,
            lane,
            run: None,
            rejects: Arc::default(),
            wanted: Wanted::default(),
            pending: Vec::new(),
        }
    }
    /// Turns to a run; the one at hand stays.
    pub fn open(&mut self, run: &RunRecord) {
        if self.run.as_deref() != Some(&run.id) {
            *self = Self {
                run: Some(run.id.clone()),
                pending: run.results.iter().map(|result| result.mapping.clone()).collect(),
                ..Self::new(self.lane)
            };
        }
    }
    /// Forgets the run.
    pub fn close(&mut self) {
        *self = Self::new(self.lane);
    }
    /// Asks for what has not come yet.
    pub fn ask_next(&mut self, shared: &mut Shared) {
        let Some(run) = self.run.clone() else { return };
        match self.pending.first().cloned() {
            Some(mapping) => {
                if self.wanted.changes((run.clone(), mapping.clone())) {
                    shared.ask(self.lane, "reading rejects", Request::Rejects { of: run, mapping: Some(mapping) });
                }
            }
            None => self.loaded = true,
        }
    }
    /// Takes an answer of its lane.
    pub fn take(&mut self, lane: Lane, answer: &Answer) {
        if let (true, Answer::Rejects(found), false) = (lane == self.lane, answer, self.pending.is_empty()) {
            let mapping = self.pending.remove(0);
            let first = self.rejects.len();
            Arc::make_mut(&mut self.rejects).extend(found.iter().cloned());
            for mut cause in by_cause(found) {
                for row in &mut cause.rows {
                    *row += first;
                }
                self.causes.push((mapping.clone(), cause));
            }
            self.causes.sort_by_key(|(_, cause)| std::cmp::Reverse(cause.rows.len()));
        }
    }
    /// Shows the rows of the cause at the cursor.
    pub fn show(&self, shared: &mut Shared) {
        let Some((mapping, cause)) = self.causes.get(self.list.cursor) else { return };
        let mut text = Vec::new();
        for row in cause.rows.iter().take(MOST) {
            if let Some(reject) = self.rejects.get(*row) {
                text.extend(lines(reject, mapping, &shared.personal));
                text.push(Words::default());
            }
        }
        if cause.rows.len() > MOST {
            text.push(format!("and {} more: crm-console rejects list --json", cause.rows.len() - MOST).into());
        }
        shared.open(Overlay::Text(format!("{mapping}: {}", cause.cause).into(), text, 0));
    }
    /// Opens the inbox at the cause at the cursor.
    pub fn open_inbox(&self, back: ScreenId, shared: &mut Shared) {
        let at = self.causes.get(self.list.cursor).map(|(mapping, cause)| (mapping.clone(), cause.cause.clone()));
        if let Some(run) = self.run.clone() {
            shared.open_inbox(&run, back, at);
        }
    }
    /// Goes to the field that is to blame.
    pub fn mend(&self, shared: &mut Shared) {
        let Some((mapping, cause)) = self.causes.get(self.list.cursor) else { return };
        if let Some(at) = shared.drafts.iter().position(|draft| draft.name == *mapping) {
            shared.current = at;
            shared.focus.clone_from(&cause.field);
            shared.go(ScreenId::Map);
        } else {
            shared.tell(Tone::Info, format!("the project has no mapping '{mapping}' any more"));
        }
    }
}
