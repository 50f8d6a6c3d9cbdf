//! The Map screen: which column fills which field, by which steps, and what comes of it on real rows.
mod begin;
mod behind;
mod complete;
mod edit;
mod fields;
mod suggestions;
mod values;

use std::sync::Arc;

use crm_core::project::{Field, Origin, Problem};
use crm_core::table::profile::Profile;
use crm_core::workspace::{Preview, PreviewRows, Revealed};

pub use complete::{Candidate, Completion};
pub use edit::FieldEditor;
pub use fields::{FieldRow, Status};
pub use values::{ValueRow, ValuesEditor};

use begin::Begin;

use super::ScreenState;
use crate::app::action::Action;
use crate::app::key::Key;
use crate::app::list::ListState;
use crate::app::msg::{Answer, Columns, Lane, MappingText, ObjectSpec, Proposal, Request};
use crate::app::overlay::{Overlay, Picker, Question, Reply, Tag};
use crate::app::shared::{Shared, Tone, Wanted};
use crate::app::thousands;
use crate::app::words::{Words, covered};

/// Columns from which both lists are shown with the links between them.
pub const WIDE: usize = 100;
/// Rows of a preview: enough to find some that fail.
pub const SAMPLE: usize = 200;
/// Score from which suggestions are accepted in one go.
pub const SURE: f64 = 0.9;

/// State of the Map screen.
#[derive(Debug, Default)]
pub struct MapScreen {
    /// Columns of both sides.
    pub columns: Option<Box<Columns>>,
    /// Target fields: those of the mapping in its order, then the target's others.
    pub fields: Vec<FieldRow>,
    /// Where their list stands.
    pub targets: ListState,
    /// Where the list of source columns stands.
    pub sources: ListState,
    /// The source columns have the keys; only where both lists are shown.
    pub in_sources: bool,
    /// A sample of rows before and after.
    pub preview: Option<Arc<Preview>>,
    /// What is wrong with the mapping.
    pub problems: Vec<Problem>,
    /// Suggestions, best first.
    pub proposals: Arc<Vec<Proposal>>,
    /// The field under edit.
    pub editor: Option<FieldEditor>,
    /// The value map under edit.
    pub values: Option<ValuesEditor>,
    /// The column that a target is being chosen for.
    placing: Option<String>,
    /// The mapping that is being begun.
    begin: Begin,
    /// The source, described: how full its columns are.
    pub profile: Option<Arc<Profile>>,
    wanted_columns: Wanted<(String, String, String, u64)>,
    wanted_preview: Wanted<(MappingText, u64)>,
}

impl MapScreen {
    /// The target field at the cursor.
    pub fn row(&self) -> Option<&FieldRow> {
        self.fields.get(self.targets.cursor)
    }
    /// The source column at the cursor.
    pub fn source(&self) -> Option<&str> {
        self.columns.as_ref()?.source.get(self.sources.cursor).map(|column| column.name.as_str())
    }
    /// First values of a source column.
    pub fn samples(&self, column: &str) -> Vec<&str> {
        let Some(columns) = &self.columns else { return Vec::new() };
        let Some(at) = columns.sample.columns.iter().position(|name| name == column) else { return Vec::new() };
        columns.sample.rows.iter().filter_map(|row| row.get(at)?.as_deref()).take(5).collect()
    }
    /// Mapped, failing, required and empty, and with a suggestion: for the heading.
    pub fn tally(&self, shared: &Shared) -> (usize, usize, usize, usize) {
        let count = |status: &dyn Fn(&FieldRow) -> bool| self.fields.iter().filter(|row| status(row)).count();
        (
            count(&|row| row.field.is_some()),
            count(&|row| row.status == Status::Failing || row.status == Status::Wrong),
            count(&|row| row.status == Status::Required),
            count(&|row| row.field.is_none() && self.proposals_for(&row.target, shared).next().is_some()),
        )
    }
    fn focus(&mut self, target: &str) {
        if let Some(at) = self.fields.iter().position(|row| row.target == target) {
            self.targets.select(at);
            self.in_sources = false;
        }
    }
    fn ask_for_what_lacks(&mut self, shared: &mut Shared) {
        let Some(mapping) = shared.mapping() else { return };
        let Some(text) = shared.draft().map(crate::app::draft::Draft::text) else { return };
        let key = (mapping.name.clone(), mapping.from.label.clone(), mapping.to.to_string(), shared.saves);
        if self.wanted_columns.changes(key) {
            if self.columns.as_ref().is_some_and(|columns| columns.mapping != mapping.name) {
                self.columns = None;
                self.preview = None;
                self.proposals = Arc::default();
                self.profile = None;
                self.targets = ListState::default();
                self.sources = ListState::default();
            }
            shared.ask(Lane::Columns, "reading the columns of both sides", Request::Columns(text.clone()));
        }
        if self.wanted_preview.changes((text.clone(), shared.saves)) {
            shared.ask(Lane::MapPreview, "trying the mapping", Request::Preview(text, PreviewRows::From(0), SAMPLE));
        }
    }
    fn link(&mut self, shared: &mut Shared) {
        let (columns, _) = shared.body();
        let Some(target) = self.row().map(|row| row.target.clone()) else { return };
        if columns >= WIDE {
            if let Some(source) = self.source().map(str::to_owned) {
                edit::link(shared, &target, &source);
            }
            return;
        }
        let Some(sides) = &self.columns else { return };
        let shown = |column: &str| {
            let personal = Self::is_personal_source(column, shared);
            let samples = self.samples(column).into_iter();
            samples.map(|value| covered(value, personal, shared.revealed)).collect::<Vec<_>>().join(" | ")
        };
        let items = sides.source.iter().map(|column| (column.name.clone(), shown(&column.name))).collect();
        let now = self.row().and_then(FieldRow::source);
        let at = sides.source.iter().position(|column| Some(column.name.as_str()) == now).unwrap_or(0);
        shared.open(Overlay::Pick(Picker::new(
            format!("What fills {target}?"),
            Tag::Choose("source column"),
            items,
            at,
        )));
    }
    /// To the next field that nothing fills.
    fn next_open(&mut self, shared: &mut Shared) {
        let count = self.fields.len();
        let mut order = (1..=count).map(|step| (self.targets.cursor + step) % count.max(1));
        match order.find(|at| self.fields[*at].field.is_none()) {
            Some(at) => self.targets.select(at),
            None => shared.tell(Tone::Good, "every field is filled"),
        }
    }
    fn next_problem(&mut self, shared: &mut Shared) {
        let count = self.fields.len();
        let next = (1..=count).map(|step| (self.targets.cursor + step) % count.max(1)).find(|at| {
            let row = &self.fields[*at];
            matches!(row.status, Status::Failing | Status::Required | Status::Wrong)
        });
        match next {
            Some(at) => self.targets.select(at),
            None => shared.tell(Tone::Good, "no field has a problem"),
        }
    }
    /// Share of a source column's rows that have something in them, once the source has been described.
    pub fn fill(&self, column: &str) -> Option<f64> {
        let profile = self.profile.as_ref().filter(|profile| profile.rows > 0)?;
        let found = profile.columns.iter().find(|one| one.name == column)?;
        Some(profile.rows.saturating_sub(found.nulls + found.blanks) as f64 / profile.rows as f64)
    }
    /// Values of a source column of the mapping at hand are personal: as its fields say, or as its name says where nobody has
    /// said anything of it yet.
    pub fn is_personal_source(column: &str, shared: &Shared) -> bool {
        let said = shared.mapping().is_some_and(|mapping| mapping.fields.iter().any(|field| field.reads(column)));
        shared.personal.source(shared.mapping_name(), column) || !said && crm_core::suggest::is_personal(column)
    }
    /// Values of a target field of the mapping at hand are personal.
    pub fn is_personal_target(target: &str, shared: &Shared) -> bool {
        shared.personal.target(shared.mapping_name(), target)
    }
    fn choose_option(&self, shared: &mut Shared) {
        let Some(field) = self.row().and_then(|row| row.field.clone()) else {
            shared.tell(Tone::Info, "link the field first: space");
            return;
        };
        let items =
            edit::OPTIONS.iter().map(|(name, value, doc)| (format!("{name} = {value}"), (*doc).to_owned())).collect();
        let title = format!("Options of {}", field.target);
        shared.open(Overlay::Pick(Picker::new(title, Tag::Choose("field option"), items, 0)));
    }
    fn open_editor(&mut self, shared: &mut Shared) {
        let Some(row) = self.row() else { return };
        let field = row.field.clone().or_else(|| self.proposal(shared).map(|proposal| proposal.field.clone()));
        let field = field.unwrap_or_else(|| Field::new(row.target.clone(), Origin::From(String::new())));
        self.editor = Some(FieldEditor::new(&field));
        self.complete(shared);
        self.try_edited(shared);
    }
    /// Looks for what fits at the cursor of the edited field.
    fn complete(&mut self, shared: &Shared) {
        let source = self.columns.iter().flat_map(|columns| &columns.source);
        let columns: Vec<String> = source.map(|column| column.name.clone()).collect();
        let mappings: Vec<String> = shared.drafts.iter().map(|draft| draft.name.clone()).collect();
        if let Some(editor) = &mut self.editor {
            editor.complete(complete::Names { columns: &columns, mappings: &mappings });
        }
    }
    /// Asks what the edited field makes of real rows.
    fn try_edited(&mut self, shared: &mut Shared) {
        let (Some(editor), Some(draft)) = (&mut self.editor, shared.draft()) else { return };
        if let Some(candidate) = editor.candidate(&draft.text()) {
            let rows = PreviewRows::Telling { field: editor.target.clone() };
            shared.ask(Lane::MapPreview, "trying it", Request::Preview(candidate, rows, SAMPLE));
        }
    }
    fn edit_key(&mut self, key: Key, shared: &mut Shared) {
        let Some(editor) = &mut self.editor else { return };
        match edit::key(editor, key) {
            edit::Pressed::Typed => {
                self.complete(shared);
                self.try_edited(shared);
            }
            edit::Pressed::Completed => self.try_edited(shared),
            edit::Pressed::Nothing => {}
            edit::Pressed::Leave => {
                self.editor = None;
                self.wanted_preview.forget();
            }
            edit::Pressed::Accept => {
                if editor.accept(shared) {
                    let target = editor.target.clone();
                    self.editor = None;
                    self.wanted_preview.forget();
                    shared.focus = Some(target);
                }
            }
        }
    }
    fn answer_preview(&mut self, answer: &Result<Arc<Preview>, Vec<Problem>>) {
        match (&mut self.editor, answer) {
            (Some(editor), Ok(preview)) => editor.tried(Arc::clone(preview)),
            (Some(editor), Err(problems)) => editor.failed(problems),
            (None, Ok(preview)) => {
                self.preview = Some(Arc::clone(preview));
                self.problems.clear();
            }
            (None, Err(problems)) => self.problems.clone_from(problems),
        }
    }
}

impl ScreenState for MapScreen {
    fn settle(&mut self, shared: &mut Shared) {
        if self.editor.is_none() {
            self.ask_for_what_lacks(shared);
        }
        // The cursor stays on its field, wherever an edit has put it.
        let at = self.row().map(|row| row.target.clone());
        self.fields = fields::rows(self, shared);
        if let Some(target) = at {
            let sources = self.in_sources;
            self.focus(&target);
            self.in_sources = sources;
        }
        if let Some(target) = shared.focus.take_if(|_| !self.fields.is_empty()) {
            self.focus(&target);
        }
        let (columns, rows) = shared.body();
        let wide = columns >= WIDE;
        self.in_sources &= wide;
        // Two lines of tally and headings above, a rule and the evidence below.
        let list = rows.saturating_sub(if wide { 8 } else { 7 }).max(3);
        self.targets.layout(self.fields.len(), list);
        self.sources.layout(self.columns.as_ref().map_or(0, |columns| columns.source.len()), list);
        if let Some(values) = &mut self.values {
            values.layout(rows);
        }
    }
    fn act(&mut self, action: Action, shared: &mut Shared) -> bool {
        if self.values.is_some() {
            return values::act(self, action, shared);
        }
        match action {
            Action::EditField | Action::Open => self.open_editor(shared),
            Action::NextPane | Action::Left | Action::Right => {
                let wide = shared.body().0 >= WIDE;
                self.in_sources = wide
                    && match action {
                        Action::Left => true,
                        Action::Right => false,
                        _ => !self.in_sources,
                    };
            }
            Action::Link => self.link(shared),
            Action::Unlink => match self.row().filter(|row| row.field.is_some()).map(|row| row.target.clone()) {
                Some(target) => edit::unlink(shared, &target),
                None => shared.tell(Tone::Info, "nothing fills this field"),
            },
            Action::Accept => self.accept(shared),
            Action::AcceptAll => self.accept_all(shared),
            Action::Refuse => self.refuse(shared),
            Action::OtherSuggestion => self.show_others(shared),
            Action::NextOpen => self.next_open(shared),
            Action::NewMapping => {
                shared.ask(Lane::NewMapping, "listing the objects of all platforms", Request::Objects);
            }
            Action::NextProblem => self.next_problem(shared),
            Action::LeftBehind => self.show_left_behind(shared),
            Action::FieldOptions => self.choose_option(shared),
            Action::Values => values::open(self, shared),
            Action::Plan => shared.make_plan(),
            _ if self.in_sources => return self.sources.act(action),
            _ => return self.targets.act(action),
        }
        true
    }
    fn heading(&self, shared: &Shared) -> String {
        match shared.mapping() {
            Some(mapping) => {
                // Not known yet is not 0.
                let rows = self.columns.as_ref().map(|columns| format!(" {}", thousands(columns.sample.total)));
                let target = self.columns.as_ref().and_then(|columns| columns.target_rows);
                let target = target.map(|rows| format!(" {}", thousands(rows))).unwrap_or_default();
                let rows = rows.unwrap_or_default();
                format!("MAP {}  {}{rows} -> {}{target}", mapping.name, mapping.from.label, mapping.to)
            }
            None if shared.drafts.is_empty() => "MAP  no mapping yet".to_owned(),
            None => format!("MAP {}  cannot be read", shared.mapping_name()),
        }
    }
    fn answer(&mut self, lane: Lane, answer: &Answer, shared: &mut Shared) {
        match (lane, answer) {
            (Lane::Columns, Answer::Columns(columns)) => {
                self.columns = Some(columns.clone());
                if let Some(text) = shared.draft().map(crate::app::draft::Draft::text) {
                    shared.ask(Lane::Suggest, "looking for what fits", Request::Suggest(text));
                }
                if let Some(mapping) = shared.mapping() {
                    let from = &mapping.from;
                    let object = ObjectSpec {
                        platform: from.platform.clone(),
                        source: from.source.clone(),
                        label: from.label.clone(),
                    };
                    shared.ask(Lane::SourceProfile, format!("describing {}", object.label), Request::Profile(object));
                }
            }
            (Lane::MapPreview, Answer::Preview(preview)) => self.answer_preview(preview),
            (Lane::Suggest, Answer::Proposals(proposals)) => self.proposals = Arc::clone(proposals),
            (Lane::NewMapping, Answer::Objects(platforms)) => self.begin.choose(platforms, shared),
            (Lane::SourceProfile, Answer::Profile(profile)) => self.profile = Some(Arc::clone(profile)),
            (Lane::MapFile, _) => values::refresh(self, shared),
            (Lane::FieldValues, Answer::Values(rows)) => {
                if let Some(values) = &mut self.values {
                    values.take(rows);
                }
            }
            _ => {}
        }
    }
    fn failed(&mut self, lane: Lane, _: &mut Shared) {
        if lane == Lane::FieldValues {
            self.values = None;
        }
    }
    fn reply(&mut self, tag: &Tag, reply: &Reply, shared: &mut Shared) {
        match (tag, reply) {
            (Tag::Choose("source column"), Reply::Picked(item)) => {
                let source = self.columns.as_ref().and_then(|columns| columns.source.get(*item));
                if let (Some(source), Some(row)) = (source.map(|column| column.name.clone()), self.row()) {
                    edit::link(shared, &row.target, &source);
                }
            }
            (Tag::Choose("suggestion"), Reply::Picked(item)) => {
                let target = self.row().map(|row| row.target.clone()).unwrap_or_default();
                let found = self.proposals.iter().filter(|proposal| proposal.to == target).nth(*item).cloned();
                if let Some(proposal) = found {
                    edit::link_all(shared, &[proposal]);
                }
            }
            (Tag::Choose("new from" | "new to"), Reply::Picked(item)) => self.begin.picked(*item, shared),
            (Tag::Choose("left behind"), Reply::Picked(item)) => self.ask_where(*item, shared),
            (Tag::Choose("where"), Reply::Picked(item)) => self.place(*item, shared),
            (Tag::Choose("field option"), Reply::Picked(item)) => {
                if let Some(field) = self.row().and_then(|row| row.field.clone()) {
                    edit::set_option(shared, &field, *item);
                }
            }
            (Tag::Type("value"), Reply::Text(to)) => values::set(self, to, shared),
            _ => {}
        }
    }
    fn key(&mut self, key: Key, shared: &mut Shared) -> bool {
        if self.editor.is_none() {
            return false;
        }
        self.edit_key(key, shared);
        true
    }
    fn paste(&mut self, text: &str, shared: &mut Shared) {
        if let Some(editor) = &mut self.editor {
            editor.insert(text);
            self.complete(shared);
            self.try_edited(shared);
        }
    }
    fn click(&mut self, column: usize, row: usize, shared: &mut Shared) {
        let wide = shared.body().0 >= WIDE;
        let left = wide && column < shared.body().0 / 3;
        let list = if left { &mut self.sources } else { &mut self.targets };
        if let Some(at) = row.checked_sub(2).map(|row| list.top + row).filter(|at| *at < list.len) {
            list.select(at);
            self.in_sources = left;
        }
    }
    fn find(&mut self, sought: &str, forward: bool, _: &mut Shared) -> bool {
        let sought = sought.to_lowercase();
        let fits = |row: &FieldRow| {
            row.target.to_lowercase().contains(&sought)
                || row.source().is_some_and(|source| source.to_lowercase().contains(&sought))
        };
        let (cursor, count) = (self.targets.cursor, self.fields.len());
        let mut order: Vec<usize> = (1..=count).map(|step| (cursor + step) % count.max(1)).collect();
        if !forward {
            order.reverse();
        }
        let found = order.into_iter().find(|at| fits(&self.fields[*at]));
        if let Some(at) = found {
            self.targets.select(at);
        }
        found.is_some()
    }
    fn offers(&self, action: Action, _: &Shared) -> bool {
        match (&self.editor, &self.values) {
            (Some(_), _) => action == Action::Save,
            (None, Some(_)) => matches!(action, Action::Open | Action::EditField | Action::Undo | Action::Save),
            _ => true,
        }
    }
    fn personal(&self, shared: &Shared) -> Revealed {
        let mut shown = shared.revealed_of(shared.mapping_name());
        let source = self.columns.iter().flat_map(|columns| &columns.source).map(|column| &column.name);
        // What only its name says is masked here, and so it is lifted here.
        let named = source.filter(|name| {
            Self::is_personal_source(name, shared) && !shared.personal.source(shared.mapping_name(), name)
        });
        shown.columns.extend(named.cloned());
        shown
    }
    fn command(&self, shared: &Shared) -> Option<String> {
        let mapping = shared.mapping()?;
        Some(match self.row().filter(|row| row.status == Status::Failing) {
            Some(row) => format!("preview {} --failing={}", mapping.name, row.target),
            None => "check".to_owned(),
        })
    }
}

/// Asks for a text that only the Map screen knows.
fn ask_text(shared: &mut Shared, title: String, lines: Vec<Words>, typed: &str) {
    let mut question = Question::text(title, Tag::Type("value"), typed);
    question.lines = lines;
    shared.open(Overlay::Ask(question));
}

#[cfg(test)]
pub(crate) mod tests;
