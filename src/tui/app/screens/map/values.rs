//! A field's value map: what each source value becomes, failing ones first.
use crm_core::project::Values;
use crm_core::workspace::FieldValue;

use super::{MapScreen, ask_text, edit};
use crate::app::action::Action;
use crate::app::list::ListState;
use crate::app::msg::{Lane, Request};
use crate::app::shared::{Shared, Tone};
use crate::app::words::Words;

/// A source value with what becomes of it.
pub type ValueRow = FieldValue;

/// A value map under edit.
#[derive(Debug, Clone, Default)]
pub struct ValuesEditor {
    /// Target field.
    pub target: String,
    /// Values, failing ones first, then by rows.
    pub rows: Vec<ValueRow>,
    /// Where the list stands.
    pub list: ListState,
    /// They have not come yet.
    pub loading: bool,
}

impl ValuesEditor {
    pub(super) fn take(&mut self, rows: &[ValueRow]) {
        self.rows = rows.to_vec();
        self.rows.sort_by(|a, b| {
            b.failed.is_some().cmp(&a.failed.is_some()).then(b.rows.cmp(&a.rows)).then(a.value.cmp(&b.value))
        });
        self.loading = false;
    }
    pub(super) fn layout(&mut self, rows: usize) {
        self.list.layout(self.rows.len(), rows.saturating_sub(2));
    }
}

/// Opens the value map of the field at the cursor.
pub(super) fn open(screen: &mut MapScreen, shared: &mut Shared) {
    let Some(row) = screen.row().filter(|row| row.field.is_some()) else {
        shared.tell(Tone::Info, "link the field first: space");
        return;
    };
    let target = row.target.clone();
    screen.values = Some(ValuesEditor { target: target.clone(), loading: true, ..ValuesEditor::default() });
    ask(&target, shared);
}

/// Counts again: the file or the mapping has changed.
pub(super) fn refresh(screen: &mut MapScreen, shared: &mut Shared) {
    if let Some(values) = &mut screen.values {
        values.loading = true;
        let target = values.target.clone();
        ask(&target, shared);
    }
}

fn ask(target: &str, shared: &mut Shared) {
    if let Some(text) = shared.draft().map(crate::app::draft::Draft::text) {
        shared.ask(
            Lane::FieldValues,
            format!("counting the values of {target}"),
            Request::Values(text, target.to_owned()),
        );
    }
}

/// Does an action on the open value map.
pub(super) fn act(screen: &mut MapScreen, action: Action, shared: &mut Shared) -> bool {
    let Some(values) = &mut screen.values else { return false };
    match action {
        Action::Back | Action::Cancel | Action::Values => {
            shared.cancel(Lane::FieldValues);
            screen.values = None;
        }
        Action::Open | Action::EditField => {
            let Some(row) = values.rows.get(values.list.cursor) else { return true };
            let Some(from) = row.looked_up.clone() else {
                shared.tell(Tone::Info, "NULL is not looked up: see on_null");
                return true;
            };
            let personal = MapScreen::is_personal_target(&values.target, shared);
            if personal && !shared.revealed {
                // What is masked must not be typed over unseen, and what it becomes is prefilled.
                shared.tell(Tone::Info, "these values are masked: X shows them, then enter sets one");
                return true;
            }
            let words = Words::default().quoted(Some(&from), personal).and(format!(" in {} rows becomes:", row.rows));
            let lines = vec![words];
            let now = row.becomes.clone().filter(|_| row.failed.is_none()).unwrap_or_default();
            ask_text(shared, format!("Value of {}", values.target), lines, &now);
        }
        _ => return values.list.act(action),
    }
    true
}

/// The operator has typed what the value at the cursor becomes.
pub(super) fn set(screen: &mut MapScreen, to: &str, shared: &mut Shared) {
    let Some(values) = &mut screen.values else { return };
    let Some(from) = values.rows.get(values.list.cursor).and_then(|row| row.looked_up.clone()) else { return };
    let target = values.target.clone();
    let map = shared.mapping().and_then(|mapping| mapping.field(&target)?.values.clone());
    if let Some(Values::File(path)) = map {
        // A file may serve several mappings: it is written at once, and undo writes it back.
        let label = format!("{target}: a value in {}", path.display());
        shared.ask(Lane::MapFile, "", Request::SetInMap { path, from, to: to.to_owned(), label });
        return;
    }
    edit::set_value(shared, &target, &from, to);
    values.loading = true;
    ask(&target, shared);
}
