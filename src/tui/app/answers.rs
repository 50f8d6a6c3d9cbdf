//! What the answers of jobs mean to the state that no single screen owns.
use crm_core::journal::RunRecord;
use crm_core::project::{Mapping, Project};
use crm_core::{Error, Kind};

use super::App;
use super::draft::Draft;
use super::msg::{Answer, Corrected, Effect, Lane, Lesson, MappingText, Request, Ticket};
use super::screens::ScreenId;
use super::shared::{Tone, WhenSaved};

impl App {
    pub(super) fn answered(&mut self, ticket: Ticket, result: Result<Answer, Error>) {
        if self.shared.jobs.get(&ticket.lane).is_none_or(|job| job.ticket != ticket) {
            return;
        }
        self.shared.jobs.remove(&ticket.lane);
        match result {
            Ok(answer) => {
                self.take(&answer);
                for screen in ScreenId::ALL {
                    self.screens.get_mut(*screen).answer(ticket.lane, &answer, &mut self.shared);
                }
            }
            Err(error) => {
                if ticket.lane == Lane::Sync {
                    // It is looked at again and again: the screen says what is wrong, once is enough.
                    self.shared.sync_failed = Some(error.to_string());
                } else if error.kind() == Kind::Stopped {
                    self.shared.tell(Tone::Info, "stopped");
                } else {
                    self.shared.fail(&error);
                }
                if ticket.lane == Lane::Reveal {
                    // Nothing personal is shown that nobody can know of.
                    self.shared.revealed = false;
                }
                if ticket.lane == Lane::Save {
                    self.shared.when_saved = None;
                }
                if ticket.lane == Lane::SyncOrders {
                    self.shared.telling.clear();
                }
                for screen in ScreenId::ALL {
                    self.screens.get_mut(*screen).failed(ticket.lane, &mut self.shared);
                }
            }
        }
    }

    /// What an answer means to the shared state.
    fn take(&mut self, answer: &Answer) {
        match answer {
            Answer::Project(project, texts) => {
                self.take_project(project, texts);
                self.shared.note_personal();
            }
            Answer::Made(name, project, texts) => {
                self.take_project(project, texts);
                self.shared.note_personal();
                self.shared.current = self.shared.drafts.iter().position(|draft| draft.name == *name).unwrap_or(0);
                self.shared.tell(Tone::Good, format!("mappings/{name}.toml was begun with its key"));
            }
            Answer::Parsed(text, result) => {
                for draft in self.shared.drafts.iter_mut().filter(|draft| draft.name == text.name) {
                    draft.parsed = Some(text.text.clone());
                    match &**result {
                        Ok(mapping) => {
                            draft.mapping = Some(std::sync::Arc::new(mapping.clone()));
                            draft.problems.clear();
                        }
                        Err(problems) => draft.problems.clone_from(problems),
                    }
                }
                self.shared.note_personal();
            }
            Answer::Saved(texts, project) => {
                for text in texts {
                    for draft in self.shared.drafts.iter_mut().filter(|draft| draft.name == text.name) {
                        draft.saved = text.text.to_string();
                    }
                }
                self.shared.project = (**project).clone();
                self.shared.note_personal();
                self.shared.saves += 1;
                self.remember(texts);
                let names = texts.iter().map(|text| text.name.as_str()).collect::<Vec<_>>().join(", ");
                self.shared.tell(Tone::Good, format!("saved {names}"));
                match self.shared.when_saved.take() {
                    Some(WhenSaved::Quit) => self.shared.effect(Effect::Quit),
                    Some(WhenSaved::Plan) => self.shared.plan_now(),
                    None => {}
                }
            }
            Answer::MapFile(file, edit) => {
                let name = file.path.display();
                if let Some(label) = edit {
                    self.shared.tell(Tone::Good, format!("{name} was written; u takes it back"));
                    if let Some(draft) = self.shared.draft_mut() {
                        draft.history.push_file(label, file.clone());
                    }
                }
                self.shared.saves += 1;
            }
            Answer::Corrected(done) => self.take_corrections(done),
            Answer::Plan(plan) => self.shared.plan = Some(plan.clone()),
            Answer::Runs(runs) => {
                let first = self.shared.runs.is_empty() && self.shared.run.is_none();
                let known = |run: &&RunRecord| self.shared.runs.iter().any(|one| one.id == run.id);
                // One that was not here a moment ago is what the Run screen shows next.
                let new = runs.iter().find(|run| !run.state.is_final() && !known(run));
                let watched = match &self.shared.run {
                    Some(run) if new.is_none() || !run.state.is_final() => runs.iter().find(|one| one.id == run.id),
                    _ => new.or_else(|| runs.iter().find(|run| !run.state.is_final())),
                };
                self.shared.runs.clone_from(runs);
                if let Some(run) = watched {
                    if first && !run.state.is_final() {
                        // A run goes on: that is what the operator wants to see first.
                        self.show(ScreenId::Run);
                    }
                    self.shared.run = Some(run.clone());
                }
            }
            Answer::Run(run) => self.shared.run = Some((**run).clone()),
            Answer::Sync(seen) => {
                self.shared.sync = seen.status.clone();
                self.shared.sync_failed = None;
                if self.alarms.ring(&seen.status) {
                    self.shared.effect(Effect::Bell);
                }
            }
            Answer::SyncOrders(words) => {
                self.shared.telling.clear();
                if !words.is_empty() {
                    self.shared.tell(Tone::Good, words.clone());
                }
            }
            _ => {}
        }
    }

    /// What was said of suggestions is remembered when the mapping is saved, so far as it still holds.
    fn remember(&mut self, saved: &[MappingText]) {
        let (now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.shared.lessons)
            .into_iter()
            .partition(|(mapping, _)| saved.iter().any(|text| text.name == *mapping));
        self.shared.lessons = later;
        let holds = |(mapping, lesson): &(String, Lesson)| {
            let mapping = self.shared.project.mappings.iter().find(|one| one.name == *mapping);
            let reads = mapping.and_then(|one| one.field(&lesson.to)).is_some_and(|field| field.reads(&lesson.from));
            reads == lesson.fits
        };
        let lessons: Vec<Lesson> = now.into_iter().filter(holds).map(|(_, lesson)| lesson).collect();
        if !lessons.is_empty() {
            self.shared.ask(Lane::Remember, "", Request::Remember(lessons));
        }
    }

    fn take_corrections(&mut self, done: &Corrected) {
        let changed = done.file.before != done.file.after;
        if let Some(draft) = self.shared.drafts.iter_mut().find(|draft| draft.name == done.mapping) {
            if let Some(named) = &done.named {
                // What is typed and not saved stays so; only the name of the file comes in.
                if let Ok(text) = crm_core::workspace::name_corrections(draft.history.text(), &done.mapping) {
                    draft.history.push("the file of corrections", text);
                }
                draft.saved.clone_from(named);
            }
            if changed {
                draft.history.push_file(&*done.label, done.file.clone());
            }
        }
        self.shared.project = done.project.clone();
        self.shared.saves += 1;
        match done.conflicts.first() {
            Some(first) => {
                let more = match done.conflicts.len() {
                    1 => String::new(),
                    more => format!(", and {} more", more - 1),
                };
                let text = format!("{} cells corrected; reject {}: {}{more}", done.cells, first.n, first.why);
                self.shared.tell(Tone::Bad, text);
            }
            None => {
                let name = done.file.path.display();
                self.shared.tell(Tone::Good, format!("{} cells corrected in {name}; u takes it back", done.cells));
            }
        }
    }

    fn take_project(&mut self, project: &Project, texts: &[MappingText]) {
        let find = |name: &str| -> Option<&Mapping> { project.mappings.iter().find(|mapping| mapping.name == name) };
        // Load order first, then the files that could not be read.
        let order = |text: &MappingText| {
            project.mappings.iter().position(|mapping| mapping.name == text.name).unwrap_or(usize::MAX)
        };
        let mut texts: Vec<&MappingText> = texts.iter().collect();
        texts.sort_by_key(|text| order(text));
        let mut old = std::mem::take(&mut self.shared.drafts);
        self.shared.drafts = texts
            .iter()
            .map(|text| match old.iter().position(|draft| draft.name == text.name) {
                // Read again: the file counts, what was typed stays one undo away.
                Some(at) => {
                    let mut draft = old.swap_remove(at);
                    draft.history.push("the file, read again", &*text.text);
                    draft.saved = text.text.to_string();
                    draft
                }
                None => Draft::new(text, find(&text.name).cloned()),
            })
            .collect();
        self.shared.project = project.clone();
        self.shared.saves += 1;
        let Some(session) = self.session.take() else { return };
        self.shared.current = self.shared.drafts.iter().position(|draft| draft.name == session.mapping).unwrap_or(0);
        if !session.decisions.is_empty() {
            let count = session.decisions.len();
            self.screens.sync.bring_back(session.decisions);
            let them = if count == 1 {
                "a decision on a conflict is".to_owned()
            } else {
                format!("decisions on {count} conflicts are")
            };
            self.shared.tell(Tone::Info, format!("{them} back and not written: 9, then c"));
        }
        for unsaved in session.unsaved {
            match self.shared.drafts.iter_mut().find(|draft| draft.name == unsaved.mapping) {
                Some(draft) if draft.saved == unsaved.saved => {
                    draft.history.push("edits of the last session", unsaved.text);
                    self.shared.tell(Tone::Info, format!("unsaved edits of {} are back (u undoes)", unsaved.mapping));
                }
                Some(draft) => {
                    // Kept one redo away: the file is newer, but nothing typed is lost.
                    draft.history.push("edits of the last session", unsaved.text);
                    draft.history.undo();
                    let name = unsaved.mapping;
                    self.shared.tell(
                        Tone::Bad,
                        format!("the file of {name} has changed since: ^R there brings your unsaved edits back"),
                    );
                }
                None => {}
            }
        }
    }
}
