//! One rejected row: its cells, each field's steps, and a cell under edit with the steps as they would be.
use crm_core::project::Origin;
use crm_core::rejects::{Entry, Inbox};
use crm_core::workspace::{FieldTrial, RowEdit, RowTrial, name_corrections};

use crate::app::action::Action;
use crate::app::input::TextInput;
use crate::app::key::{Key, KeyCode};
use crate::app::list::ListState;
use crate::app::msg::{Lane, MappingText, Request, SaveText};
use crate::app::shared::{Shared, Tone, Wanted};

/// A cell that is edited: column and what it is to be.
type Edits = Vec<(String, Option<String>)>;

/// A row that is looked at.
#[derive(Debug)]
pub struct OpenRow {
    /// Index of its entry.
    pub at: usize,
    /// Columns of the source.
    pub columns: Vec<String>,
    /// Where the list of cells stands.
    pub list: ListState,
    /// The cell at the cursor, under edit.
    pub editing: Option<TextInput>,
    /// Its way through the steps; without edits, or with the one under edit.
    pub trial: Option<Box<RowTrial>>,
    field: Option<String>,
    placed: bool,
    wanted: Wanted<(usize, u64, Edits, String)>,
}

impl OpenRow {
    /// Opens a row.
    pub fn new(at: usize, entry: &Entry) -> Self {
        Self {
            at,
            columns: entry.reject.source.keys().cloned().collect(),
            list: ListState::default(),
            editing: None,
            trial: None,
            field: entry.reject.field.clone(),
            placed: false,
            wanted: Wanted::default(),
        }
    }
    /// The column at the cursor.
    pub fn column(&self) -> Option<&str> {
        self.columns.get(self.list.cursor).map(String::as_str)
    }
    /// Fields that read the column at the cursor; the one to blame first.
    pub fn fields(&self) -> Vec<&FieldTrial> {
        let (Some(trial), Some(column)) = (&self.trial, self.column()) else { return Vec::new() };
        let mut fields: Vec<&FieldTrial> =
            trial.fields.iter().filter(|field| field.sources.iter().any(|source| source == column)).collect();
        fields.sort_by_key(|field| Some(&field.target) != self.field.as_ref());
        fields
    }
    /// A cell as read, and as it is with corrections and the edit.
    pub fn cell(&self, column: &str) -> Option<(Option<&str>, Option<&str>)> {
        let cell = self.trial.as_ref()?.cells.iter().find(|cell| cell.0 == column)?;
        Some((cell.1.as_deref(), cell.2.as_deref()))
    }
    /// What is known of the row is old.
    pub(super) fn forget(&mut self) {
        self.wanted.forget();
    }
    fn edits(&self) -> Edits {
        let edit = self.editing.as_ref().zip(self.column());
        edit.map(|(input, column)| (column.to_owned(), Some(input.text().to_owned()))).into_iter().collect()
    }
    pub(super) fn settle(&mut self, inbox: &Inbox, shared: &mut Shared) {
        let (_, rows) = shared.body();
        self.list.layout(self.columns.len(), cell_rows(rows, self.columns.len()));
        let entry = &inbox.entries[self.at];
        if entry.reject.source.is_empty() {
            return;
        }
        let Some(draft) = shared.drafts.iter().find(|draft| draft.name == entry.mapping) else { return };
        if !self.placed {
            // The cell that is to blame comes first.
            self.placed = true;
            let field = draft.mapping.as_ref().zip(self.field.as_ref()).and_then(|(map, name)| map.field(name));
            if let Some(Origin::From(column)) = field.map(|field| &field.origin)
                && let Some(at) = self.columns.iter().position(|known| known == column)
            {
                self.list.select(at);
            }
        }
        let text: MappingText = draft.text();
        let edits = self.edits();
        if self.wanted.changes((self.at, shared.saves, edits.clone(), text.text.to_string())) {
            shared.ask(Lane::Trial, "", Request::Trial(text, Box::new(entry.reject.clone()), edits));
        }
    }
    pub(super) fn act(&mut self, action: Action, inbox: &Inbox, shared: &mut Shared) -> bool {
        match action {
            Action::Open => self.edit(inbox, shared),
            Action::CorrectLike => self.like(inbox, shared),
            _ => return self.list.act(action),
        }
        true
    }
    fn edit(&mut self, inbox: &Inbox, shared: &mut Shared) {
        let entry = &inbox.entries[self.at];
        if entry.reject.source.is_empty() {
            shared.tell(Tone::Info, "this piece is no row: mend the line in the source file, then plan again");
        } else if let Some(run) = &entry.released {
            shared.tell(Tone::Info, format!("run {run} has carried it over"));
        } else if let Some(column) = self.column() {
            let now = self.cell(column).and_then(|(_, now)| now).unwrap_or_default().to_owned();
            self.editing = Some(TextInput::new(now));
        }
    }
    /// While a cell is edited all keys are its own.
    pub(super) fn key(&mut self, key: Key, inbox: &Inbox, shared: &mut Shared) -> bool {
        let Some(input) = &mut self.editing else { return false };
        match key.code {
            KeyCode::Esc => self.editing = None,
            KeyCode::Enter => {
                let edits = self.edits();
                self.editing = None;
                let entry = &inbox.entries[self.at];
                let column = self.column().unwrap_or_default();
                let label = format!("correction of {column} in reject {}", entry.reject.n);
                keep(&entry.mapping, vec![RowEdit::of(&entry.reject, edits)], label, shared);
            }
            _ => {
                input.key(key);
            }
        }
        true
    }
    pub(super) fn paste(&mut self, text: &str) {
        if let Some(input) = &mut self.editing {
            input.insert(text);
        }
    }
    /// The same corrections in all open rows with this cause that hold the same there.
    fn like(&self, inbox: &Inbox, shared: &mut Shared) {
        let entry = &inbox.entries[self.at];
        let cells = self.trial.iter().flat_map(|trial| &trial.cells);
        let corrected: Edits =
            cells.filter(|(_, read, now)| read != now).map(|(column, _, now)| (column.clone(), now.clone())).collect();
        if corrected.is_empty() {
            shared.tell(Tone::Info, "nothing is corrected in this row yet: enter edits the cell");
            return;
        }
        let alike = |other: &&Entry| {
            other.is_open()
                && other.mapping == entry.mapping
                && other.reject.cause == entry.reject.cause
                && other.reject.n != entry.reject.n
                && corrected
                    .iter()
                    .all(|(column, _)| other.reject.source.get(column) == entry.reject.source.get(column))
        };
        let edits: Vec<RowEdit> =
            inbox.entries.iter().filter(alike).map(|other| RowEdit::of(&other.reject, corrected.clone())).collect();
        if edits.is_empty() {
            shared.tell(Tone::Info, "no other row of this cause holds the same");
            return;
        }
        let label = format!("correction of {} like rows", edits.len());
        keep(&entry.mapping, edits, label, shared);
    }
}

/// Rows of the list of cells: the steps below need some too.
fn cell_rows(body: usize, cells: usize) -> usize {
    cells.min(body.saturating_sub(12)).max(4)
}

/// Writes corrections to the project's files.
fn keep(mapping: &str, edits: Vec<RowEdit>, label: String, shared: &mut Shared) {
    let Some(draft) = shared.drafts.iter().find(|draft| draft.name == mapping) else { return };
    let named = draft.mapping.as_ref().is_some_and(|mapping| mapping.corrections.is_some());
    // The file is named in the mapping as it is saved: what is typed and not saved stays unsaved.
    let named = if named {
        None
    } else {
        match name_corrections(&draft.saved, mapping) {
            Ok(text) => {
                Some(SaveText { text: MappingText { text: text.into(), ..draft.text() }, base: draft.saved.clone() })
            }
            Err(error) => return shared.fail(&error),
        }
    };
    shared.ask(
        Lane::Correct,
        "writing corrections",
        Request::Correct { mapping: mapping.to_owned(), edits, named, label },
    );
}
