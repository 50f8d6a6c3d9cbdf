//! Drawing of the screens: one file each, found through the same rows as their states.
use ratatui::Frame;
use ratatui::layout::Rect;

use super::Look;
use crate::app::App;
use crate::app::screens::{ScreenId, for_each_screen};

pub mod clean;
pub mod cutover;
pub mod data;
pub mod diff;
pub mod history;
pub mod map;
pub mod rejects;
pub mod run;
pub mod sync;

macro_rules! views {
    ($($variant:ident $module:ident $state:ident $action:ident;)*) => {
        /// Draws a screen's body.
        pub fn draw(screen: ScreenId, frame: &mut Frame, area: Rect, app: &App, look: &Look) {
            match screen { $(ScreenId::$variant => $module::draw(frame, area, app, &app.screens.$module, look),)* }
        }
    };
}
for_each_screen!(views);
