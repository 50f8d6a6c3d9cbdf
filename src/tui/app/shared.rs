//! What all screens see: the project, the mappings under edit, the plan, runs, jobs under way, and what to do next.
use std::collections::BTreeMap;
use std::sync::Arc;

use crm_core::Error;
use crm_core::journal::RunRecord;
use crm_core::journal::sync::ConflictRecord;
use crm_core::monitor::Progress;
use crm_core::plan::Plan;
use crm_core::project::{Mapping, Mode, Personal, Project, Side};
use crm_core::workspace::{PlanAsk, Revealed, SyncStatus};

use super::action::Action;
use super::draft::Draft;
use super::msg::{Effect, Lane, Request, SaveText, Ticket};
use super::overlay::Overlay;
use super::screens::ScreenId;
use super::screens::rejects::OpenInbox;
use super::sync::SyncOrder;

/// How a notice is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Good to know.
    Info,
    /// It worked.
    Good,
    /// It failed.
    Bad,
}

/// A line to the operator, above the key bar until the next key or the next notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How it is meant.
    pub tone: Tone,
    /// What happened.
    pub text: String,
    /// What to do.
    pub advice: Option<String>,
}

/// A job under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its ticket.
    pub ticket: Ticket,
    /// What it does, in words.
    pub title: String,
    /// Where it stands.
    pub progress: Progress,
}

/// What waits for a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenSaved {
    /// Leave the program.
    Quit,
    /// Plan: it is of what the files say, so that a headless plan is the same.
    Plan,
}

/// State that belongs to no single screen.
#[derive(Debug, Default)]
pub struct Shared {
    /// The project as loaded, with what is saved.
    pub project: Project,
    /// Mappings under edit, in load order, then those whose files cannot be read.
    pub drafts: Vec<Draft>,
    /// Index of the mapping at hand.
    pub current: usize,
    /// Size of the terminal: columns, rows.
    pub size: (u16, u16),
    /// The newest plan.
    pub plan: Option<Arc<Plan>>,
    /// The run that is watched.
    pub run: Option<RunRecord>,
    /// All runs, newest first.
    pub runs: Vec<RunRecord>,
    /// Jobs under way.
    pub jobs: BTreeMap<Lane, Job>,
    /// The line above the key bar.
    pub notice: Option<Notice>,
    /// What was searched for last.
    pub sought: String,
    /// Suggestions that were refused: mapping, target field, source column.
    pub refused: Vec<(String, String, String)>,
    /// What was said of suggestions and is not remembered yet: mapping, lesson.
    pub lessons: Vec<(String, super::msg::Lesson)>,
    /// Which columns are personal, of all mappings as saved and as edited.
    pub personal: Personal,
    /// Personal values are shown as they are, until another screen comes up.
    pub revealed: bool,
    /// What was shown in the clear since the masks were lifted; each is noted once.
    pub(super) seen: Vec<Revealed>,
    /// Of those: what is still to be noted in the audit log.
    pub(super) unnoted: Vec<Revealed>,
    /// Mouse reporting is on.
    pub mouse: bool,
    /// What to do once the mappings are saved.
    pub when_saved: Option<WhenSaved>,
    /// The plan that waits for a save.
    pub(super) to_plan: PlanAsk,
    /// How the plan that is being made was asked for.
    pub(super) asked: Option<PlanAsk>,
    /// Target field that the Map screen shall go to.
    pub focus: Option<String>,
    /// What to do once the screen that is gone to has settled.
    pub then_act: Option<Action>,
    /// What the inbox of rejects shall open on.
    pub inbox: Option<OpenInbox>,
    /// Counts saves and reloads: what depends on files is stale when it has moved.
    pub saves: u64,
    /// The sync loop as it was last looked at.
    pub sync: SyncStatus,
    /// Why it cannot be looked at.
    pub sync_failed: Option<String>,
    /// What the sync loop is being told.
    pub telling: Vec<SyncOrder>,
    /// What it shall be told next.
    pub to_tell: Vec<SyncOrder>,
    /// To open on top, by the next turn of the app.
    pub(super) opened: Vec<Overlay>,
    /// To switch to, by the next turn of the app.
    pub(super) goto: Option<ScreenId>,
    pub(super) effects: Vec<Effect>,
    pub(super) generation: u64,
}

impl Shared {
    /// Rows that frame and key bar take from the terminal's height.
    pub const FRAME_ROWS: u16 = 4;

    /// Columns and rows that a screen has for itself.
    pub fn body(&self) -> (usize, usize) {
        (usize::from(self.size.0), usize::from(self.size.1.saturating_sub(Self::FRAME_ROWS)))
    }
    /// The mapping at hand, under edit.
    pub fn draft(&self) -> Option<&Draft> {
        self.drafts.get(self.current)
    }
    /// See [`Shared::draft`].
    pub fn draft_mut(&mut self) -> Option<&mut Draft> {
        self.drafts.get_mut(self.current)
    }
    /// The mapping at hand, as far as it can be parsed.
    pub fn mapping(&self) -> Option<Arc<Mapping>> {
        self.draft().and_then(|draft| draft.mapping.clone())
    }
    /// Name of the mapping at hand, empty if there is none.
    pub fn mapping_name(&self) -> &str {
        self.draft().map_or("", |draft| &draft.name)
    }
    /// Mappings that differ from their files.
    pub fn unsaved(&self) -> impl Iterator<Item = &Draft> {
        self.drafts.iter().filter(|draft| draft.is_unsaved())
    }
    /// Works out anew which columns are personal.
    pub(super) fn note_personal(&mut self) {
        let edited = self.drafts.iter().filter_map(|draft| draft.mapping.as_deref());
        // A file that says pii and cannot be read has tags that nobody knows.
        let unreadable = |draft: &Draft| draft.mapping.is_none() && draft.history.text().contains("pii");
        self.personal = Personal::of(self.project.mappings.iter().chain(edited))
            .with_unreadable(self.drafts.iter().any(unreadable));
    }
    /// The personal columns of a mapping; nothing where there is no mapping.
    pub fn revealed_of(&self, mapping: &str) -> Revealed {
        if mapping.is_empty() {
            return Revealed::default();
        }
        let columns = self.personal.columns_of(mapping);
        Revealed { mapping: Some(mapping.to_owned()), columns, ..Revealed::default() }
    }
    /// The personal columns of all mappings of a run.
    pub fn revealed_of_run(&self, run: &RunRecord) -> Revealed {
        let mut columns: Vec<String> =
            run.results.iter().flat_map(|result| self.personal.columns_of(&result.mapping)).collect();
        columns.sort_unstable();
        columns.dedup();
        Revealed { run: Some(run.id.clone()), columns, ..Revealed::default() }
    }
    /// Milliseconds until a conflict is decided without anybody, and the side that wins then; None: it waits for ever.
    pub fn left_to_decide(&self, conflict: &ConflictRecord) -> Option<(u64, Side)> {
        let sync = &self.project.mapping(&conflict.mapping)?.sync;
        let until = conflict.at.saturating_add(i64::try_from(sync.ask_after?.as_millis()).ok()?);
        Some(((until - self.sync.now).max(0).unsigned_abs(), sync.then))
    }
    /// Runs whose engines are at work.
    pub fn active_runs(&self) -> usize {
        self.runs.iter().filter(|run| !run.state.is_final()).count()
    }
    /// Starts a job; an older one of the lane is dropped. `title` says what it does, in words.
    pub fn ask(&mut self, lane: Lane, title: impl Into<String>, request: Request) {
        if lane == Lane::Plan {
            // What takes a run back or retries rows was asked for in another way.
            self.asked = if let Request::Plan(ask) = &request { Some(ask.clone()) } else { None };
        }
        self.generation += 1;
        let ticket = Ticket { lane, generation: self.generation };
        self.jobs.insert(lane, Job { ticket, title: title.into(), progress: Progress::default() });
        self.effects.push(Effect::Ask(ticket, request));
    }
    /// Drops the job of a lane; true if there was one.
    pub fn cancel(&mut self, lane: Lane) -> bool {
        let found = self.jobs.remove(&lane).is_some();
        if found {
            self.effects.push(Effect::Cancel(lane));
        }
        found
    }
    /// The job that the operator sees: the first long one.
    pub fn visible_job(&self) -> Option<&Job> {
        self.jobs.iter().find(|(lane, _)| lane.is_long()).map(|(_, job)| job)
    }
    /// A new version of the mapping at hand. `label` says what the edit did, for undo.
    pub fn edit(&mut self, label: impl Into<String>, text: impl Into<String>) -> bool {
        self.draft_mut().is_some_and(|draft| draft.history.push(label, text))
    }
    /// Writes all edited mappings to their files; false if there are none.
    pub fn save(&mut self, then: Option<WhenSaved>) -> bool {
        let save = |draft: &Draft| SaveText { text: draft.text(), base: draft.saved.clone() };
        let unsaved: Vec<SaveText> = self.unsaved().map(save).collect();
        let any = !unsaved.is_empty();
        if any {
            self.when_saved = then;
            self.ask(Lane::Save, "saving", Request::Save(unsaved));
        }
        any
    }
    /// Plans all mappings as they say, saved first.
    pub fn make_plan(&mut self) {
        self.plan_as(PlanAsk::default());
    }
    /// Makes a plan, the mappings saved first.
    pub fn plan_as(&mut self, ask: PlanAsk) {
        self.go(ScreenId::Diff);
        self.to_plan = ask;
        if !self.save(Some(WhenSaved::Plan)) {
            self.plan_now();
        }
    }
    /// Makes the plan that waited for the save.
    pub(super) fn plan_now(&mut self) {
        let ask = std::mem::take(&mut self.to_plan);
        let title = match (&ask.sample, ask.mode) {
            (Some(_), _) => "planning a sample",
            (None, Some(Mode::Incremental)) => "planning what changed",
            (None, _) => "planning",
        };
        self.ask(Lane::Plan, title, Request::Plan(ask));
    }
    /// The inbox of rejects of a run or a plan.
    pub fn open_inbox(&mut self, of: &str, back: ScreenId, at: Option<(String, String)>) {
        self.inbox = Some(OpenInbox { of: of.to_owned(), back, at });
        self.go(ScreenId::Rejects);
    }
    /// Plans to take a run back; the plan is shown like every other.
    pub fn plan_revert(&mut self, run: &RunRecord) {
        if !run.state.is_final() {
            self.tell(Tone::Info, "this run is still at work: cancel it, or wait until it has ended");
            return;
        }
        self.go(ScreenId::Diff);
        self.ask(Lane::Plan, "planning to take the run back", Request::Revert(run.id.clone()));
    }
    /// Tells the sync loop something. Nothing is lost where keys come quicker than the store takes them.
    pub fn tell_sync(&mut self, order: SyncOrder) {
        self.to_tell.push(order);
    }
    /// Another screen.
    pub fn go(&mut self, screen: ScreenId) {
        self.goto = Some(screen);
    }
    /// Opens something on top.
    pub fn open(&mut self, overlay: Overlay) {
        self.opened.push(overlay);
    }
    /// Puts text into the clipboard.
    pub fn copy(&mut self, text: String) {
        self.effects.push(Effect::Copy(text));
    }
    /// Does something outside.
    pub fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
    /// Tells something.
    pub fn tell(&mut self, tone: Tone, text: impl Into<String>) {
        self.notice = Some(Notice { tone, text: text.into(), advice: None });
    }
    /// Tells what failed and what to do.
    pub fn fail(&mut self, error: &Error) {
        let text = match error.place() {
            Some(place) => format!("{place}: {}", error.what()),
            None => error.what().to_owned(),
        };
        self.notice = Some(Notice { tone: Tone::Bad, text, advice: error.advice().map(str::to_owned) });
    }
}

/// What a screen asked for last: it asks again only when it needs something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted<K>(Option<K>);

impl<K> Default for Wanted<K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: PartialEq> Wanted<K> {
    /// True, once, when `key` is not what was wanted before.
    pub fn changes(&mut self, key: K) -> bool {
        if self.0.as_ref() == Some(&key) {
            return false;
        }
        self.0 = Some(key);
        true
    }
    /// What is wanted now.
    pub fn get(&self) -> Option<&K> {
        self.0.as_ref()
    }
    /// Forgets: the next `changes` is true.
    pub fn forget(&mut self) {
        self.0 = None;
    }
}
