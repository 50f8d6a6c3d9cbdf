//! Source columns that hold data and go nowhere: placed, or left behind on purpose.
use std::cmp::Reverse;

use crm_core::table::profile::ColumnProfile;

use super::{MapScreen, edit};
use crate::app::overlay::{Overlay, Picker, Tag};
use crate::app::shared::{Shared, Tone};
use crate::app::words::covered;

impl MapScreen {
    /// Source columns with data that go nowhere, with the rows that have something in them, most first. Empty until
    /// the source has been described.
    pub fn left_behind(&self, shared: &Shared) -> Vec<(&ColumnProfile, u64)> {
        let (Some(profile), Some(mapping)) = (&self.profile, shared.mapping()) else { return Vec::new() };
        let goes = |name: &str| {
            mapping.ignore.iter().any(|one| one == name) || mapping.fields.iter().any(|field| field.reads(name))
        };
        let filled = |column: &ColumnProfile| profile.rows.saturating_sub(column.nulls + column.blanks);
        let columns = profile.columns.iter().map(|column| (column, filled(column)));
        let mut left: Vec<_> = columns.filter(|(column, filled)| *filled > 0 && !goes(&column.name)).collect();
        left.sort_by_key(|(_, filled)| Reverse(*filled));
        left
    }
    pub(super) fn show_left_behind(&self, shared: &mut Shared) {
        if self.profile.is_none() {
            shared.tell(Tone::Info, "the source is still being read");
            return;
        }
        let left = self.left_behind(shared);
        if left.is_empty() {
            shared.tell(Tone::Good, "nothing is left behind: every column with data goes somewhere, or is in ignore");
            return;
        }
        let all = left.len();
        let items = left.iter().map(|(column, filled)| {
            let personal = Self::is_personal_source(&column.name, shared);
            let top = column.top.iter().take(4).map(|(value, _)| covered(value, personal, shared.revealed));
            let top = top.collect::<Vec<_>>().join(" | ");
            (column.name.clone(), format!("{filled:>9} filled  {top}"))
        });
        let mut items: Vec<(String, String)> = items.collect();
        if all > 1 {
            items.push((format!("leave all {all} behind on purpose"), "lists them in ignore = [...]".to_owned()));
        }
        let picker = Picker::new("Left behind, with data", Tag::Choose("left behind"), items, 0);
        shared.open(Overlay::Pick(picker));
    }
    /// A column that was left behind was picked: where to?
    pub(super) fn ask_where(&mut self, item: usize, shared: &mut Shared) {
        let left: Vec<String> = self.left_behind(shared).iter().map(|(column, _)| column.name.clone()).collect();
        if item > 0 && item == left.len() {
            return edit::ignore_all(shared, &left);
        }
        let Some(column) = left.get(item).cloned() else { return };
        let ignore = ("leave it behind on purpose".to_owned(), "lists it in ignore = [...]".to_owned());
        let fields = self.fields.iter().filter(|row| row.field.is_none());
        let items = std::iter::once(ignore).chain(fields.map(|row| (row.target.clone(), row.declared.clone())));
        let picker = Picker::new(format!("Where does {column} go?"), Tag::Choose("where"), items.collect(), 0);
        shared.open(Overlay::Pick(picker));
        self.placing = Some(column);
    }
    pub(super) fn place(&mut self, item: usize, shared: &mut Shared) {
        let Some(column) = self.placing.take() else { return };
        let mut open = self.fields.iter().filter(|row| row.field.is_none());
        match item.checked_sub(1) {
            None => edit::ignore(shared, &column),
            Some(item) => {
                if let Some(row) = open.nth(item) {
                    edit::link(shared, &row.target, &column);
                }
            }
        }
    }
}
