//! The Map screen.
use super::ScreenState;
use crate::app::action::Action;
use crate::app::list::ListState;
use crate::app::shared::Shared;

/// State of the Map screen.
#[derive(Debug, Default)]
pub struct MapScreen {
    /// Where its list stands.
    pub list: ListState,
}

impl ScreenState for MapScreen {
    fn settle(&mut self, shared: &mut Shared) {
        let (_, rows) = shared.body();
        self.list.layout(0, rows);
    }
    fn act(&mut self, action: Action, _: &mut Shared) -> bool {
        self.list.act(action)
    }
    fn heading(&self, _: &Shared) -> String {
        "MAP".to_owned()
    }
}
