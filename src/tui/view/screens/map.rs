//! The Map screen, drawn.
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::app::App;
use crate::app::screens::map::MapScreen;
use crate::view::{Look, widgets};

/// Draws the body.
pub fn draw(frame: &mut Frame, area: Rect, _: &App, screen: &MapScreen, look: &Look) {
    widgets::put(frame, area, 0, &screen.list.place(), look.theme.dim(), look);
}
