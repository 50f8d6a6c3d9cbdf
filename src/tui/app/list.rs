//! Where a list stands: cursor, first visible row, rows that fit.
use super::action::Action;

/// Cursor and scroll position over `len` rows. `layout` keeps the cursor visible; drawing only reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListState {
    /// Selected row.
    pub cursor: usize,
    /// First visible row.
    pub top: usize,
    /// Rows that fit on the screen.
    pub page: usize,
    /// Rows in all.
    pub len: usize,
}

impl ListState {
    /// Tells how many rows there are and how many fit. Keeps the cursor in range and visible.
    pub fn layout(&mut self, len: usize, page: usize) {
        self.len = len;
        self.page = page.max(1);
        self.cursor = self.cursor.min(len.saturating_sub(1));
        if self.cursor < self.top {
            self.top = self.cursor;
        } else if self.cursor >= self.top + self.page {
            self.top = self.cursor + 1 - self.page;
        }
        self.top = self.top.min(len.saturating_sub(self.page));
    }
    /// Moves by an action; false if it is no movement up or down.
    pub fn act(&mut self, action: Action) -> bool {
        let last = self.len.saturating_sub(1);
        self.cursor = match action {
            Action::Up => self.cursor.saturating_sub(1),
            Action::Down => (self.cursor + 1).min(last),
            Action::PageUp => self.cursor.saturating_sub(self.page.max(1)),
            Action::PageDown => (self.cursor + self.page.max(1)).min(last),
            Action::First => 0,
            Action::Last => last,
            _ => return false,
        };
        self.layout(self.len, self.page);
        true
    }
    /// Puts the cursor on a row.
    pub fn select(&mut self, row: usize) {
        self.cursor = row;
        self.layout(self.len.max(row + 1), self.page);
    }
    /// The visible rows.
    pub fn visible(&self) -> std::ops::Range<usize> {
        self.top..(self.top + self.page).min(self.len)
    }
    /// `3/41`, for headings.
    pub fn place(&self) -> String {
        if self.len == 0 { "0/0".into() } else { format!("{}/{}", self.cursor + 1, self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_visible_and_in_range() {
        let mut list = ListState::default();
        list.layout(100, 10);
        list.act(Action::Last);
        assert_eq!((list.cursor, list.top), (99, 90));
        list.act(Action::PageUp);
        assert_eq!((list.cursor, list.top), (89, 89));
        list.layout(5, 10);
        assert_eq!((list.cursor, list.top, list.visible()), (4, 0, 0..5));
        list.layout(0, 10);
        assert!(list.act(Action::Down) && list.cursor == 0);
        assert!(!list.act(Action::Help));
    }
}
