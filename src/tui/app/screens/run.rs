//! The Run screen: the migration at work, its proof, and what it left out.
use crm_core::journal::{Command, RunRecord, RunState};
use crm_core::score::percent;
use crm_core::workspace::Revealed;

use super::{ScreenId, ScreenState};
use crate::app::action::Action;
use crate::app::msg::{Answer, Lane, Request};
use crate::app::overlay::{Overlay, Question, Reply, Tag};
use crate::app::run_rejects::RunRejects;
use crate::app::shared::{Shared, Tone};

/// Questions of this screen.
const STOP: &str = "stop the run";
const RATE: &str = "rate";
const WORKERS: &str = "workers";

/// State of the Run screen. The run itself is [`Shared::run`].
#[derive(Debug)]
pub struct RunScreen {
    /// What it left out, once it has ended.
    pub rejects: RunRejects,
    /// Seen at work: its end is told.
    seen: Option<String>,
}

impl Default for RunScreen {
    fn default() -> Self {
        Self { rejects: RunRejects::new(Lane::RunRejects), seen: None }
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
        let rejected: u64 = run.results.iter().map(|result| result.counts.rejected + result.counts.held).sum();
        match run.state {
            RunState::Done if rejected == 0 => {
                shared.tell(Tone::Good, format!("done and verified, consistency {}", percent(run.consistency)));
            }
            RunState::Done => shared.tell(
                Tone::Info,
                format!("done and verified, consistency {}; {rejected} rows were left out", percent(run.consistency)),
            ),
            state if run.resumable() => {
                shared.tell(Tone::Bad, format!("the run ended: {}; R goes on where it was", state.word()));
            }
            state => shared.tell(Tone::Bad, format!("the run ended: {}", state.word())),
        }
    }
    /// Whether an action over the run makes sense now.
    fn takes(action: Action, run: &RunRecord) -> bool {
        let active = !run.state.is_final();
        let pausing = run.state == RunState::Paused || run.pending() == Some("pausing");
        match action {
            Action::CancelRun | Action::StopRun => active,
            Action::PauseRun => matches!(run.state, RunState::Starting | RunState::Running) && !pausing,
            Action::ResumeRun => pausing || run.resumable(),
            Action::ThrottleRun | Action::RunWorkers => active || run.resumable(),
            _ => false,
        }
    }
    /// Asks before what ends a run, asks for numbers, and does the rest at once.
    fn control(action: Action, shared: &mut Shared) {
        let Some(run) = shared.run.clone().filter(|run| Self::takes(action, run)) else {
            return shared.tell(Tone::Info, "that is not for this run as it is now");
        };
        match action {
            Action::PauseRun => Self::tell(&run, Command::Pause, shared),
            Action::ResumeRun => Self::tell(&run, Command::Resume, shared),
            Action::CancelRun | Action::StopRun => {
                let (title, first, tag, yes) = if action == Action::CancelRun {
                    let first = format!("Run {} ends before it publishes what is under way.", run.id);
                    ("Cancel the run", first, Tag::CancelRun, "cancel it")
                } else {
                    let first = format!("Run {} ends after this batch; R goes on where it was.", run.id);
                    ("Stop the run", first, Tag::Choose(STOP), "stop it")
                };
                let lines = vec![first, "Objects that are published stay so; the others stay as they were.".to_owned()];
                let mut question = Question::choice(title, tag, lines, vec![('y', yes)]);
                question.danger = true;
                shared.open(Overlay::Ask(question));
            }
            Action::ThrottleRun => {
                let now = run.limit.map_or("off".to_owned(), |limit| limit.to_string());
                let mut question = Question::text("Rows a second at most", Tag::Type(RATE), now);
                question.lines.push("A number, or off. It holds for later attempts of the run too.".into());
                shared.open(Overlay::Ask(question));
            }
            _ => {
                let now = run.workers.map_or(String::new(), |workers| workers.to_string());
                let mut question = Question::text("Workers", Tag::Type(WORKERS), now);
                question.lines.push("Threads that prepare batches. The result is the same for any number.".into());
                shared.open(Overlay::Ask(question));
            }
        }
    }
    fn tell(run: &RunRecord, command: Command, shared: &mut Shared) {
        shared.ask(Lane::Stop, "", Request::Tell(run.id.clone(), command));
    }
    /// A rate or a number of workers was typed.
    fn set(tag: &'static str, text: &str, run: &RunRecord, shared: &mut Shared) {
        let text = text.trim().replace([',', '_'], "");
        let command = match tag {
            RATE if text == "off" || text.is_empty() => Some(Command::Throttle(None)),
            RATE => text.parse().ok().filter(|rows| *rows > 0).map(|rows| Command::Throttle(Some(rows))),
            _ => text.parse().ok().map(Command::Workers),
        };
        match command {
            Some(command) => Self::tell(run, command, shared),
            None if tag == RATE => shared.tell(Tone::Bad, "name rows a second from 1 on, or off; P pauses the run"),
            None => shared.tell(Tone::Bad, "name a number of threads from 1 on"),
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
            Action::CancelRun
            | Action::StopRun
            | Action::PauseRun
            | Action::ResumeRun
            | Action::ThrottleRun
            | Action::RunWorkers => Self::control(action, shared),
            Action::Open => self.rejects.show(shared),
            Action::Rejects => self.rejects.open_inbox(ScreenId::Run, shared),
            Action::EditField => self.rejects.mend(shared),
            Action::Revert => match shared.run.clone() {
                Some(run) => shared.plan_revert(&run),
                None => shared.tell(Tone::Info, "there is no run yet"),
            },
            _ => return self.rejects.list.act(action),
        }
        true
    }
    fn heading(&self, shared: &Shared) -> String {
        let Some(run) = &shared.run else { return "RUN  none yet".to_owned() };
        let word = run.pending().unwrap_or(run.state.word());
        let attempt = if run.attempt > 1 { format!("  attempt {}", run.attempt) } else { String::new() };
        let env = run.env.as_ref().map(|env| format!("  env {}", env.to_uppercase())).unwrap_or_default();
        format!("RUN {}  {word}{attempt}  plan {}{env}", run.id, run.plan)
    }
    fn answer(&mut self, lane: Lane, answer: &Answer, shared: &mut Shared) {
        self.rejects.take(lane, answer);
        if let (Lane::Run | Lane::Runs, Some(run)) = (lane, shared.run.clone()) {
            self.tell_end(&run, shared);
        }
        if let (Lane::Stop, Answer::Told(words)) = (lane, answer) {
            shared.tell(Tone::Info, words.clone());
            shared.ask(Lane::Runs, "", Request::Runs);
        }
    }
    fn reply(&mut self, tag: &Tag, reply: &Reply, shared: &mut Shared) {
        let Some(run) = shared.run.clone() else { return };
        match (tag, reply) {
            (Tag::CancelRun, Reply::Choice('y')) => Self::tell(&run, Command::Cancel, shared),
            (Tag::Choose(STOP), Reply::Choice('y')) => Self::tell(&run, Command::Stop, shared),
            (Tag::Type(tag @ (RATE | WORKERS)), Reply::Text(text)) => Self::set(tag, text, &run, shared),
            _ => {}
        }
    }
    fn personal(&self, shared: &Shared) -> Revealed {
        shared.run.as_ref().map(|run| shared.revealed_of_run(run)).unwrap_or_default()
    }
    fn command(&self, shared: &Shared) -> Option<String> {
        let run = shared.run.as_ref()?;
        Some(match run.state {
            RunState::Paused => format!("resume {}", run.id),
            state if !state.is_final() => format!("pause {}", run.id),
            _ if run.resumable() => format!("resume {}", run.id),
            _ => format!("rejects list {}", run.id),
        })
    }
    fn offers(&self, action: Action, shared: &Shared) -> bool {
        match action {
            Action::CancelRun
            | Action::StopRun
            | Action::PauseRun
            | Action::ResumeRun
            | Action::ThrottleRun
            | Action::RunWorkers => shared.run.as_ref().is_some_and(|run| Self::takes(action, run)),
            Action::Open | Action::Rejects | Action::EditField | Action::Reveal => !self.rejects.causes.is_empty(),
            Action::Revert => shared.run.as_ref().is_some_and(|run| run.state.is_final()),
            action => action != ScreenId::Run.action(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
