//! Searching all rows of the object, in a job.
use super::DataScreen;
use crate::app::msg::{Lane, Request};
use crate::app::shared::{Shared, Tone};

impl DataScreen {
    /// Looks for a text from the cursor on; among the objects while no object is open.
    pub(super) fn search(&mut self, sought: &str, forward: bool, shared: &mut Shared) -> bool {
        let Some(open) = self.open.clone() else { return self.search_objects(sought, forward) };
        self.sought = Some((sought.to_owned(), forward));
        shared.ask(
            Lane::DataSearch,
            format!("searching {}", open.label),
            Request::Find { object: open, text: sought.to_owned(), from: self.grid.list.cursor as u64, forward },
        );
        true
    }
    /// The job has found a row and column, or nothing.
    pub(super) fn found(&mut self, found: Option<(u64, usize)>, shared: &mut Shared) {
        match found {
            Some((row, column)) => {
                self.grid.list.select(usize::try_from(row).unwrap_or(usize::MAX));
                self.grid.column = column;
            }
            None => {
                let (text, forward) = self.sought.clone().unwrap_or_default();
                let way = if forward { "below" } else { "above" };
                shared.tell(Tone::Info, format!("no '{text}' {way} the cursor (g: first row, then n)"));
            }
        }
    }
    fn search_objects(&mut self, sought: &str, forward: bool) -> bool {
        let sought = sought.to_lowercase();
        let fits = |entry: usize| {
            let (platform, object) = self.entries[entry];
            let platform = &self.platforms[platform];
            let object = object.and_then(|object| Some(platform.objects.as_ref().ok()?.get(object)?.name.as_str()));
            format!("{}:{}", platform.platform, object.unwrap_or_default()).to_lowercase().contains(&sought)
        };
        let cursor = self.list.cursor;
        let found = if forward {
            (cursor + 1..self.entries.len()).chain(0..=cursor).find(|entry| *entry < self.entries.len() && fits(*entry))
        } else {
            (0..cursor).rev().chain((cursor..self.entries.len()).rev()).find(|entry| fits(*entry))
        };
        if let Some(entry) = found {
            self.list.select(entry);
        }
        found.is_some()
    }
}
