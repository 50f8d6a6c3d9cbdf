//! The Run screen: the migration at work, its proof, and what it left out.
use crm_core::journal::{RunRecord, RunState};
use crm_core::score::percent;

use super::{ScreenId, ScreenState};
use crate::app::action::Action;
use crate::app::msg::{Answer, Lane, Request};
use crate::app::overlay::{Overlay, Question, Reply, Tag};
use crate::app::run_rejects::RunRejects;
use crate::app::shared::{Shared, Tone};

/// State of the Run screen. The run itself is [`Shared::run`].
#[derive(Debug)]
pub struct RunScreen {
    /// What it left out, once it has ended.
    pub rejects: RunRejects,
    /// The operator asked it to stop.
    pub stopping: bool,
    /// Seen at work: its end is told.
    seen: Option<String>,
}

impl Default for RunScreen {
    fn default() -> Self {
        Self { rejects: RunRejects::new(Lane::RunRejects), stopping: false, seen: None }
    }
}

impl RunScreen {
    /// Seconds to go in this step, where rate and total are known.
    pub fn eta(run: &RunRecord) -> Option<u64> {
        let left = run.progress.total?.checked_sub(run.progress.done)?;
        (run.rate > 0.5 && !run.state.is_final()).then(|| (left as f64 / run.rate).ceil() as u64)
    }
    fn tell_end(&mut self, run: &RunRecord, shared: &mut Shared) {
        if !run.state.is_final() {
            self.seen = Some(run.id.clone());
            return;
        }
        if self.seen.take().is_none_or(|seen| seen != run.id) {
            return;
        }
        self.stopping = false;
        let rejected: u64 = run.results.iter().map(|result| result.counts.rejected + result.counts.held).sum();
        match run.state {
            RunState::Done if rejected == 0 => {
                shared.tell(Tone::Good, format!("done and verified, consistency {}", percent(run.consistency)));
            }
            RunState::Done => shared.tell(
                Tone::Info,
                format!("done and verified, consistency {}; {rejected} rows were left out", percent(run.consistency)),
            ),
            state => shared.tell(Tone::Bad, format!("the run ended: {}", state.word())),
        }
    }
    fn ask_cancel(shared: &mut Shared) {
        match &shared.run {
            Some(run) if !run.state.is_final() => {
                let mut question = Question::choice(
                    "Cancel the run",
                    Tag::CancelRun,
                    vec![
                        format!("Run {} stops before it publishes what is under way.", run.id),
                        "Objects that are published stay so; the others stay as they were.".to_owned(),
                    ],
                    vec![('y', "cancel it")],
                );
                question.danger = true;
                shared.open(Overlay::Ask(question));
            }
            _ => shared.tell(Tone::Info, "no run is at work here"),
        }
    }
}

impl ScreenState for RunScreen {
    fn settle(&mut self, shared: &mut Shared) {
        if shared.run.is_none() && !shared.jobs.contains_key(&Lane::Run) {
            shared.run = shared.runs.first().cloned();
        }
        let Some(run) = shared.run.clone() else { return };
        if run.state.is_final() {
            self.rejects.open(&run);
            self.rejects.ask_next(shared);
        } else {
            self.rejects.close();
        }
        let (_, rows) = shared.body();
        let notes = run.note.as_ref().map_or(0, |note| note.lines().count());
        self.rejects
            .list
            .layout(self.rejects.causes.len(), rows.saturating_sub(5 + 2 * run.results.len() + notes).max(1));
    }
    fn act(&mut self, action: Action, shared: &mut Shared) -> bool {
        match action {
            Action::CancelRun => Self::ask_cancel(shared),
            Action::Open => self.rejects.show(shared),
            Action::Rejects => self.rejects.open_inbox(ScreenId::Run, shared),
            Action::EditField => self.rejects.mend(shared),
            _ => return self.rejects.list.act(action),
        }
        true
    }
    fn heading(&self, shared: &Shared) -> String {
        let Some(run) = &shared.run else { return "RUN  none yet".to_owned() };
        let word = if self.stopping && !run.state.is_final() { "stopping" } else { run.state.word() };
        let env = run.env.as_ref().map(|env| format!("  env {}", env.to_uppercase())).unwrap_or_default();
        format!("RUN {}  {word}  plan {}{env}", run.id, run.plan)
    }
    fn answer(&mut self, lane: Lane, answer: &Answer, shared: &mut Shared) {
        self.rejects.take(lane, answer);
        if let (Lane::Run | Lane::Runs, Some(run)) = (lane, shared.run.clone()) {
            self.tell_end(&run, shared);
        }
        if let (Lane::Stop, Answer::Stopping) = (lane, answer) {
            shared.tell(Tone::Info, "asked the engine to stop");
        }
    }
    fn failed(&mut self, lane: Lane, _: &mut Shared) {
        if lane == Lane::Stop {
            self.stopping = false;
        }
    }
    fn reply(&mut self, tag: &Tag, reply: &Reply, shared: &mut Shared) {
        if let (Tag::CancelRun, Reply::Choice('y'), Some(run)) = (tag, reply, shared.run.clone()) {
            self.stopping = true;
            shared.ask(Lane::Stop, "", Request::Stop(run.id));
        }
    }
    fn command(&self, shared: &Shared) -> Option<String> {
        let run = shared.run.as_ref()?;
        Some(if run.state.is_final() { format!("rejects list {}", run.id) } else { format!("cancel {}", run.id) })
    }
    fn offers(&self, action: Action, shared: &Shared) -> bool {
        let active = shared.run.as_ref().is_some_and(|run| !run.state.is_final());
        match action {
            Action::CancelRun => active,
            Action::Open | Action::Rejects | Action::EditField => !self.rejects.causes.is_empty(),
            action => action != ScreenId::Run.action(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
