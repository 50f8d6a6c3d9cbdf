//! The cut-over as a checklist: freeze, delta, verify, sign-off, switch.
#[cfg(test)]
pub(crate) mod tests;

use crm_core::workspace::{Cutover, CutoverItem, CutoverState, CutoverStep};

use super::{ScreenId, ScreenState};
use crate::app::action::Action;
use crate::app::list::ListState;
use crate::app::msg::{Answer, CutoverRequest, Lane, Request};
use crate::app::overlay::{Overlay, Question, Reply, Tag};
use crate::app::shared::{Shared, Tone, Wanted};

/// State of the Cutover screen.
#[derive(Debug, Default)]
pub struct CutoverScreen {
    /// The checklist as it was looked at last.
    pub cutover: Option<Box<Cutover>>,
    /// Where the list of items stands.
    pub list: ListState,
    /// It could not be read.
    pub failed: bool,
    wanted: Wanted<(u64, usize)>,
}

impl CutoverScreen {
    /// The item at the cursor.
    pub fn item(&self) -> Option<&CutoverItem> {
        self.cutover.as_ref()?.items.get(self.list.cursor)
    }
    fn open(&self, shared: &mut Shared) {
        let (Some(item), Some(cutover)) = (self.item(), &self.cutover) else { return };
        if item.state == CutoverState::Waits {
            shared.tell(Tone::Info, "its turn comes when all before it is done");
            return;
        }
        match item.step {
            CutoverStep::Freeze => {
                let mut lines = vec![
                    "You confirm that nobody writes to the old CRM any more.".to_owned(),
                    "The state of its objects is kept, and a change in it turns this item red.".to_owned(),
                ];
                if item.state != CutoverState::Next {
                    lines.push("It was confirmed before: what was signed since is void then.".to_owned());
                }
                let choices = vec![('y', "it is read-only: freeze")];
                shared.open(Overlay::Ask(Question::choice("Freeze", Tag::Choose("freeze"), lines, choices)));
            }
            CutoverStep::Delta => shared.make_plan(),
            CutoverStep::Verify => match &cutover.run {
                Some(run) => shared.open_inbox(run, ScreenId::Cutover, None),
                None => shared.tell(Tone::Info, "there is no run to look at yet"),
            },
            CutoverStep::Signoff => {
                shared.open(Overlay::Ask(Question::text(
                    "Signed by (names, parted by commas)",
                    Tag::Type("signoff"),
                    "",
                )));
            }
            CutoverStep::Switch if item.state == CutoverState::Done => shared.tell(Tone::Good, item.detail.clone()),
            CutoverStep::Switch => {
                let mut question = Question::text("Switch", Tag::Type("switch"), "");
                question.must_be = Some(cutover.confirm.clone());
                question.danger = true;
                shared.open(Overlay::Ask(question));
                shared.tell(Tone::Info, format!("type {} to note that people work there now", cutover.confirm));
            }
        }
    }
}

impl ScreenState for CutoverScreen {
    fn settle(&mut self, shared: &mut Shared) {
        let ended = shared.runs.iter().filter(|run| run.state.is_final()).count();
        if self.wanted.changes((shared.saves, ended)) {
            shared.ask(Lane::Cutover, "looking at the cut-over", Request::Cutover(CutoverRequest::Status));
        }
        self.list.layout(self.cutover.as_ref().map_or(0, |cutover| cutover.items.len()), 5);
    }
    fn act(&mut self, action: Action, shared: &mut Shared) -> bool {
        match action {
            Action::Open => self.open(shared),
            Action::Back => shared.go(ScreenId::History),
            Action::LookAgain => {
                shared.ask(Lane::Cutover, "looking at the cut-over", Request::Cutover(CutoverRequest::Status));
            }
            _ => return self.list.act(action),
        }
        true
    }
    fn heading(&self, shared: &Shared) -> String {
        let env = shared.project.env.as_ref().map_or("LIVE".to_owned(), |env| env.to_uppercase());
        let confirm = self.cutover.as_ref().map(|cutover| format!(" -> {}", cutover.confirm)).unwrap_or_default();
        format!("CUT-OVER {env}{confirm}")
    }
    fn answer(&mut self, lane: Lane, answer: &Answer, shared: &mut Shared) {
        let (Lane::Cutover, Answer::Cutover(cutover)) = (lane, answer) else { return };
        let done = |cutover: &Cutover| cutover.items.iter().filter(|item| item.state == CutoverState::Done).count();
        if self.cutover.as_ref().is_some_and(|old| done(old) < done(cutover)) {
            shared.tell(Tone::Good, "noted, also in the audit log");
        }
        self.failed = false;
        let next = cutover.items.iter().position(|item| item.state != CutoverState::Done);
        self.list.layout(cutover.items.len(), 5);
        self.list.select(next.unwrap_or(cutover.items.len().saturating_sub(1)));
        self.cutover = Some(cutover.clone());
    }
    fn failed(&mut self, lane: Lane, _: &mut Shared) {
        self.failed |= lane == Lane::Cutover;
    }
    fn reply(&mut self, tag: &Tag, reply: &Reply, shared: &mut Shared) {
        let request = match (tag, reply) {
            (Tag::Choose("freeze"), Reply::Choice('y')) => CutoverRequest::Freeze,
            (Tag::Type("signoff"), Reply::Text(names)) => {
                CutoverRequest::Signoff(names.split(',').map(|name| name.trim().to_owned()).collect())
            }
            (Tag::Type("switch"), Reply::Text(typed)) => CutoverRequest::Switch(typed.clone()),
            _ => return,
        };
        shared.ask(Lane::Cutover, "noting", Request::Cutover(request));
    }
    fn click(&mut self, _: usize, row: usize, _: &mut Shared) {
        let at = (row / 3).min(self.list.len.saturating_sub(1));
        self.list.select(at);
    }
    fn command(&self, _: &Shared) -> Option<String> {
        Some(match self.item()?.step {
            CutoverStep::Freeze => "cutover freeze".to_owned(),
            CutoverStep::Signoff => "cutover signoff --name NAME".to_owned(),
            CutoverStep::Switch => format!("cutover switch --confirm {}", self.cutover.as_ref()?.confirm),
            CutoverStep::Delta | CutoverStep::Verify => "cutover status".to_owned(),
        })
    }
    fn offers(&self, action: Action, _: &Shared) -> bool {
        action != ScreenId::Cutover.action()
    }
}
