//! Pure state: what the console shows and how it answers to keys and to jobs. [`App::update`] is the only door.
use std::time::Duration;

use crm_core::project::Project;
use crm_core::workspace::Revealed;

pub mod action;
mod answers;
pub mod causes;
pub mod draft;
pub mod editor;
pub mod fuzzy;
pub mod history;
pub mod input;
pub mod key;
pub mod keymap;
pub mod list;
pub mod msg;
pub mod overlay;
pub mod run_rejects;
pub mod screens;
pub mod session;
pub mod shared;
pub mod sync;
#[cfg(test)]
pub(crate) mod tests;
pub mod words;

use action::{Action, Group};
use draft::Draft;
use key::Key;
use msg::{Effect, Lane, Mouse, Msg, Request};
use overlay::{Outcome, Overlay, Picker, Question, Reply, Tag};
use screens::{ScreenId, Screens};
use session::{Session, Unsaved};
use shared::{Shared, Tone, WhenSaved};
use sync::{Alarms, SyncLook};

/// Smallest terminal that can be worked on: columns, rows.
pub const SMALLEST: (u16, u16) = (60, 16);

/// Between two looks at runs that are at work.
const WATCH: Duration = Duration::from_millis(500);
/// Between two looks whether there is one.
const IDLE: Duration = Duration::from_secs(3);
/// Between two looks at the sync loop while its screen is shown.
const SYNC: Duration = Duration::from_millis(500);
/// The same from any other screen: for the title and the bell.
const SYNC_ELSEWHERE: Duration = Duration::from_secs(5);

/// The whole of the screen's state.
#[derive(Debug)]
pub struct App {
    /// What no single screen owns.
    pub shared: Shared,
    /// The screens.
    pub screens: Screens,
    /// The visible one.
    pub screen: ScreenId,
    /// What lies on top, topmost last.
    pub overlays: Vec<Overlay>,
    /// What an earlier program left; taken when the project has been read.
    session: Option<Session>,
    /// Alarms of sync that were rung for.
    alarms: Alarms,
    /// Time since runs and the sync loop were last looked at.
    since: (Duration, Duration),
}

impl App {
    /// Opens on a project. `session` is what an earlier program left behind.
    pub fn new(project: Project, screen: Option<ScreenId>, session: Session) -> Self {
        let shared = Shared {
            project,
            size: (80, 24),
            mouse: session.mouse,
            refused: session.refused.clone(),
            lessons: Vec::new(),
            ..Shared::default()
        };
        let screen = screen.or_else(|| ScreenId::named(&session.screen)).unwrap_or(ScreenId::Map);
        Self {
            shared,
            screens: Screens::default(),
            screen,
            overlays: Vec::new(),
            session: Some(session),
            alarms: Alarms::default(),
            since: Default::default(),
        }
    }

    /// What to do at the start.
    pub fn start(&mut self) -> Vec<Effect> {
        self.shared.ask(Lane::Project, "reading the project", Request::Project);
        self.shared.ask(Lane::Runs, "", Request::Runs);
        self.shared.ask(Lane::Sync, "", Request::Sync(SyncLook::default()));
        if self.shared.mouse {
            self.shared.effect(Effect::Mouse(true));
        }
        std::mem::take(&mut self.shared.effects)
    }

    /// Something happened: the state moves on, and these things are to be done.
    pub fn update(&mut self, msg: Msg) -> Vec<Effect> {
        match msg {
            Msg::Key(key) => self.key(key),
            Msg::Paste(text) => match self.overlays.last_mut() {
                Some(overlay) => overlay.paste(&text),
                None => self.screens.get_mut(self.screen).paste(&text, &mut self.shared),
            },
            Msg::Mouse(mouse) => self.mouse(mouse),
            Msg::Resize(columns, rows) => self.shared.size = (columns, rows),
            Msg::Answered(ticket, result) => self.answered(ticket, *result),
            Msg::Progress(ticket, progress) => {
                if let Some(job) = self.shared.jobs.get_mut(&ticket.lane).filter(|job| job.ticket == ticket) {
                    job.progress = progress;
                }
            }
            Msg::Tick => self.tick(),
        }
        self.settle();
        std::mem::take(&mut self.shared.effects)
    }

    /// What goes on outside is looked at this often, with [`Msg::Tick`]: closely while a run is at work or sync is shown,
    /// now and then to see whether somebody else started something.
    pub fn watch_every(&self) -> Duration {
        let (runs, sync) = self.looks_every();
        runs.min(sync)
    }

    /// Time between two looks at runs, and at the sync loop.
    fn looks_every(&self) -> (Duration, Duration) {
        let runs = if self.shared.active_runs() > 0 { WATCH } else { IDLE };
        (runs, if self.screen == ScreenId::Sync { SYNC } else { SYNC_ELSEWHERE })
    }

    /// The window's title: the program, and the worst that is to be said of sync.
    pub fn title(&self) -> String {
        let worst = sync::worst(&self.shared.sync).map(|worst| format!(" {worst}")).unwrap_or_default();
        format!("crm-console{worst}")
    }

    /// Jobs that the operator, or a test, waits for. What only watches is not counted.
    pub fn is_busy(&self) -> bool {
        self.shared.jobs.keys().any(|lane| !matches!(lane, Lane::Run | Lane::Runs | Lane::Sync))
    }

    /// What the next program shall pick up.
    pub fn session(&self) -> Session {
        let unsaved = self.shared.drafts.iter().filter(|draft| draft.is_unsaved()).map(|draft| Unsaved {
            mapping: draft.name.clone(),
            saved: draft.saved.clone(),
            text: draft.history.text().to_owned(),
        });
        Session {
            screen: self.screen.name().to_owned(),
            mapping: self.shared.mapping_name().to_owned(),
            unsaved: unsaved.collect(),
            refused: self.shared.refused.clone(),
            mouse: self.shared.mouse,
            decisions: self.screens.sync.decisions(),
        }
    }

    /// The headless command that does what the screen shows.
    pub fn command(&self) -> Option<String> {
        let screen = self.screens.get(self.screen);
        let rest = screen.command(&self.shared)?;
        let mut command = format!("crm-console -C {}", quote(&self.shared.project.root.display().to_string()));
        if let Some(env) = &self.shared.project.env {
            command = format!("{command} --env {}", quote(env));
        }
        let then = screen.then(&self.shared).map(|then| format!("; {command} {then}")).unwrap_or_default();
        Some(format!("{command} {rest}{then}"))
    }

    fn settle(&mut self) {
        if let Some(screen) = self.shared.goto.take() {
            self.show(screen);
        }
        self.overlays.append(&mut self.shared.opened);
        self.parse_what_is_stale();
        self.screens.get_mut(self.screen).settle(&mut self.shared);
        if !self.shared.to_tell.is_empty() && !self.shared.jobs.contains_key(&Lane::SyncOrders) {
            self.shared.telling = std::mem::take(&mut self.shared.to_tell);
            let orders = self.shared.telling.clone();
            self.shared.ask(Lane::SyncOrders, "", Request::SyncOrders(orders));
        }
        if let Some(action) = self.shared.then_act.take_if(|_| self.shared.focus.is_none()) {
            self.act(action);
        }
        // A screen may open or switch while it settles.
        self.overlays.append(&mut self.shared.opened);
        self.note_what_is_revealed();
        for overlay in &mut self.overlays {
            overlay.layout((usize::from(self.shared.size.0), usize::from(self.shared.size.1)));
        }
    }

    /// What is shown in the clear is noted: the first time, and whenever something else comes into sight.
    fn note_what_is_revealed(&mut self) {
        if self.shared.revealed {
            let by = format!("screen {}", self.screen.name());
            let shown = Revealed { by, ..self.screens.get(self.screen).personal(&self.shared) };
            if !shown.columns.is_empty() && !self.shared.seen.contains(&shown) {
                self.shared.seen.push(shown.clone());
                self.shared.unnoted.push(shown);
            }
        } else {
            self.shared.seen.clear();
        }
        if !self.shared.unnoted.is_empty() && !self.shared.jobs.contains_key(&Lane::Reveal) {
            let shown = std::mem::take(&mut self.shared.unnoted);
            self.shared.ask(Lane::Reveal, "", Request::Revealed(shown));
        }
    }

    /// Another screen comes up; what was revealed on the last one is covered again.
    fn show(&mut self, screen: ScreenId) {
        if self.screen != screen {
            self.shared.revealed = false;
        }
        self.screen = screen;
    }

    fn parse_what_is_stale(&mut self) {
        let stale = self.shared.drafts.iter().find(|draft| draft.is_stale()).map(Draft::text);
        if let (Some(text), false) = (stale, self.shared.jobs.contains_key(&Lane::Parse)) {
            self.shared.ask(Lane::Parse, "", Request::Parse(text));
        }
    }

    fn key(&mut self, key: Key) {
        if let Some(overlay) = self.overlays.last_mut() {
            // Masks can be lifted where there is something to read; elsewhere the key is typed.
            let reveals = keymap::lookup(&self.screen.layers(), key) == Some(Action::Reveal);
            if reveals && matches!(overlay, Overlay::Text(..)) {
                return self.reveal();
            }
            let outcome = overlay.key(key);
            if outcome != Outcome::Stay {
                self.overlays.pop();
            }
            match outcome {
                Outcome::Reply(tag, reply) => self.reply(&tag, &reply),
                Outcome::Act(action) => self.act(action),
                Outcome::Stay | Outcome::Close => {}
            }
            return;
        }
        if self.screens.get_mut(self.screen).key(key, &mut self.shared) {
            return;
        }
        if let Some(action) = keymap::lookup(&self.screen.layers(), key) {
            self.act(action);
        }
    }

    /// Does an action, as if its key had been pressed.
    pub fn act(&mut self, action: Action) {
        let cancelling = action == Action::Cancel && self.shared.notice.is_some();
        if !matches!(action, Action::Cancel) {
            self.shared.notice = None;
        }
        if self.screens.get_mut(self.screen).act(action, &mut self.shared) {
            return;
        }
        match action {
            Action::Help => self.overlays.push(Overlay::Help(0)),
            Action::Palette => self.overlays.push(Overlay::palette(&self.screen.layers())),
            Action::Back => self.leave(),
            Action::Quit => self.shared.effect(Effect::Quit),
            Action::Cancel if cancelling => self.shared.notice = None,
            Action::Cancel => self.cancel(),
            Action::Undo | Action::Redo => self.undo(action == Action::Undo),
            Action::Save => {
                if !self.shared.save(None) {
                    self.shared.tell(Tone::Info, "all mappings are saved");
                }
            }
            Action::Plan => self.shared.make_plan(),
            Action::CancelRun
            | Action::StopRun
            | Action::PauseRun
            | Action::ResumeRun
            | Action::ThrottleRun
            | Action::RunWorkers => {
                // From wherever: what comes of it is seen on the Run screen.
                self.screen = ScreenId::Run;
                self.screens.get_mut(ScreenId::Run).settle(&mut self.shared);
                self.screens.get_mut(ScreenId::Run).act(action, &mut self.shared);
            }
            Action::PlanIncremental | Action::PlanSample | Action::PlanFull | Action::Recommend | Action::Against => {
                self.show(ScreenId::Diff);
                self.screens.get_mut(ScreenId::Diff).settle(&mut self.shared);
                self.screens.get_mut(ScreenId::Diff).act(action, &mut self.shared);
            }
            action if action.doc().group == Group::Sync && self.screen != ScreenId::Sync => {
                self.show(ScreenId::Sync);
                self.screens.get_mut(ScreenId::Sync).settle(&mut self.shared);
                self.screens.get_mut(ScreenId::Sync).act(action, &mut self.shared);
            }
            Action::Reload => self.shared.ask(Lane::Project, "reading the project", Request::Project),
            Action::Search => {
                let mut question = Question::text("Find", Tag::Search, String::new());
                if !self.shared.sought.is_empty() {
                    question.lines.push(format!("enter alone finds '{}' again", self.shared.sought).into());
                }
                self.overlays.push(Overlay::Ask(question));
            }
            Action::SearchNext | Action::SearchPrevious => self.find(action == Action::SearchNext),
            Action::Mapping => self.pick_mapping(),
            Action::NextMapping | Action::PreviousMapping => {
                let count = self.shared.drafts.len();
                if count > 0 {
                    let step = if action == Action::NextMapping { 1 } else { count - 1 };
                    self.shared.current = (self.shared.current + step) % count;
                }
            }
            Action::CopyCommand => match self.command() {
                Some(command) => {
                    self.shared.copy(command.clone());
                    self.shared.tell(Tone::Good, format!("copied: {command}"));
                }
                None => self.shared.tell(Tone::Info, "there is no command for what is shown here"),
            },
            Action::Mouse => {
                self.shared.mouse = !self.shared.mouse;
                let on = self.shared.mouse;
                self.shared.effect(Effect::Mouse(on));
                self.shared.tell(Tone::Info, if on { "mouse on" } else { "mouse off: the terminal selects text" });
            }
            Action::Reveal => self.reveal(),
            Action::Suspend => self.shared.effect(Effect::Suspend),
            Action::Repaint => self.shared.effect(Effect::Repaint),
            _ => {
                if let Some(screen) = ScreenId::ALL.iter().find(|screen| screen.action() == action) {
                    self.show(*screen);
                }
            }
        }
    }

    fn reveal(&mut self) {
        self.shared.revealed = !self.shared.revealed;
        let words = if self.shared.revealed {
            "personal values are shown until you leave this screen"
        } else {
            "personal values are masked"
        };
        self.shared.tell(Tone::Info, words);
    }

    fn leave(&mut self) {
        let names = self.shared.unsaved().map(|draft| draft.name.as_str()).collect::<Vec<_>>().join(", ");
        if names.is_empty() {
            return self.shared.effect(Effect::Quit);
        }
        self.overlays.push(Overlay::Ask(Question::choice(
            "Unsaved edits",
            Tag::Quit,
            vec![format!("Not saved yet: {names}.")],
            vec![('s', "save and leave"), ('d', "discard and leave")],
        )));
    }

    fn cancel(&mut self) {
        let lane = self.shared.visible_job().map(|job| job.ticket.lane);
        if let Some(lane) = lane
            && self.shared.cancel(lane)
        {
            self.shared.tell(Tone::Info, "stopped");
            self.screens.get_mut(self.screen).failed(lane, &mut self.shared);
        }
    }

    fn undo(&mut self, back: bool) {
        let step =
            self.shared.draft_mut().and_then(|draft| if back { draft.history.undo() } else { draft.history.redo() });
        match (&step, back) {
            (Some(step), true) => self.shared.tell(Tone::Info, format!("undone: {}", step.label)),
            (Some(step), false) => self.shared.tell(Tone::Info, format!("done again: {}", step.label)),
            (None, true) => self.shared.tell(Tone::Info, "nothing to undo"),
            (None, false) => self.shared.tell(Tone::Info, "nothing to do again"),
        }
        if let Some(file) = step.and_then(|step| step.file) {
            self.shared.ask(Lane::MapFile, "", Request::WriteMap(file));
        }
    }

    fn pick_mapping(&mut self) {
        let items = self.shared.drafts.iter().map(|draft| {
            let detail = match &draft.mapping {
                Some(mapping) => format!("{} -> {}", mapping.from.label, mapping.to),
                None => "cannot be read".to_owned(),
            };
            (draft.name.clone(), detail)
        });
        let picker = Picker::new("Mapping", Tag::Mapping, items.collect(), self.shared.current);
        self.overlays.push(Overlay::Pick(picker));
    }

    fn find(&mut self, forward: bool) {
        let sought = self.shared.sought.clone();
        if sought.is_empty() {
            self.shared.tell(Tone::Info, "nothing was searched for yet (/)");
        } else if !self.screens.get_mut(self.screen).find(&sought, forward, &mut self.shared) {
            self.shared.tell(Tone::Info, format!("'{sought}' is not here"));
        }
    }

    fn reply(&mut self, tag: &Tag, reply: &Reply) {
        match (tag, reply) {
            (Tag::Quit, Reply::Choice('s')) => {
                self.shared.save(Some(WhenSaved::Quit));
            }
            (Tag::Quit, Reply::Choice(_)) => {
                // What is thrown away on purpose must not come back with the session.
                for draft in &mut self.shared.drafts {
                    let saved = draft.saved.clone();
                    draft.history.push("discarded", saved);
                }
                self.shared.effect(Effect::Quit);
            }
            (Tag::Mapping, Reply::Picked(item)) => self.shared.current = *item,
            (Tag::Search, Reply::Text(text)) => {
                if !text.is_empty() {
                    self.shared.sought.clone_from(text);
                }
                self.find(true);
            }
            _ => self.screens.get_mut(self.screen).reply(tag, reply, &mut self.shared),
        }
    }

    fn mouse(&mut self, mouse: Mouse) {
        match mouse {
            Mouse::WheelUp | Mouse::WheelDown => {
                let key = if mouse == Mouse::WheelUp { key::KeyCode::Up } else { key::KeyCode::Down };
                for _ in 0..3 {
                    self.key(Key::plain(key));
                }
            }
            Mouse::Press(column, 0) if self.overlays.is_empty() => {
                // The tabs are drawn as ` 1 Data 2 Map …` from column 0.
                let mut start = 1;
                for id in ScreenId::ALL.iter().filter(|id| id.is_in_tabs(self.screen, self.shared.size.0)) {
                    let end = start + id.name().len() + 2;
                    if (start..end).contains(&usize::from(column)) {
                        return self.act(id.action());
                    }
                    start = end + 1;
                }
            }
            Mouse::Press(column, row) if self.overlays.is_empty() => {
                let (_, rows) = self.shared.body();
                if let Some(row) = usize::from(row).checked_sub(2).filter(|row| *row < rows) {
                    self.screens.get_mut(self.screen).click(usize::from(column), row, &mut self.shared);
                }
            }
            Mouse::Press(..) => {}
        }
    }

    fn tick(&mut self) {
        let (every, gone) = (self.looks_every(), self.watch_every());
        self.since = (self.since.0 + gone, self.since.1 + gone);
        if self.since.0 >= every.0 && !self.shared.jobs.contains_key(&Lane::Runs) {
            self.since.0 = Duration::ZERO;
            self.shared.ask(Lane::Runs, "", Request::Runs);
        }
        if self.since.1 >= every.1 && !self.shared.jobs.contains_key(&Lane::Sync) {
            self.since.1 = Duration::ZERO;
            let look = if self.screen == ScreenId::Sync { self.screens.sync.look() } else { SyncLook::default() };
            self.shared.ask(Lane::Sync, "", Request::Sync(look));
        }
    }
}

/// Quotes a word for a POSIX shell where it needs it.
pub fn quote(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_./:=,@%+".contains(char);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A number with its thousands parted: `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
