//! The Data screen: the objects of every platform, and the rows and columns of one of them.
mod find;
mod grid;

use std::sync::Arc;

use crm_core::platform::{ReadReject, Source};
use crm_core::table::profile::{ColumnProfile, Profile};
use crm_core::workspace::Revealed;

pub use grid::Grid;

use super::ScreenState;
use crate::app::action::Action;
use crate::app::list::ListState;
use crate::app::msg::{Answer, Lane, ObjectSpec, PlatformObjects, Request};
use crate::app::overlay::{Overlay, Picker, Question, Reply, Tag};
use crate::app::shared::{Shared, Tone, Wanted};
use crate::app::words::Words;

/// Columns from which the profile stands beside the rows instead of below them.
pub const BESIDE: usize = 140;
/// Width of the profile beside the rows.
pub const PANE_COLUMNS: usize = 52;
/// Height of the profile below the rows.
pub const PANE_ROWS: usize = 9;

/// State of the Data screen.
#[derive(Debug, Default)]
pub struct DataScreen {
    /// Platforms with what they hold.
    pub platforms: Vec<PlatformObjects>,
    /// Rows of the list of objects: platform and object, or a platform that cannot be listed.
    pub entries: Vec<(usize, Option<usize>)>,
    /// Where that list stands.
    pub list: ListState,
    /// The object that is looked at; None: the list of objects.
    pub open: Option<ObjectSpec>,
    /// Its rows.
    pub grid: Grid,
    /// Its profile.
    pub profile: Option<Arc<Profile>>,
    /// The profile of the column at the cursor is shown.
    pub describe: bool,
    listed: Wanted<u64>,
    rows: Wanted<(ObjectSpec, u64, usize, u64)>,
    profiled: Wanted<(ObjectSpec, u64)>,
    /// What is searched: text, forwards.
    sought: Option<(String, bool)>,
}

impl DataScreen {
    /// Profile of the column at the cursor.
    pub fn column_profile(&self) -> Option<&ColumnProfile> {
        self.profile.as_ref()?.columns.get(self.grid.column)
    }
    /// A column of the object that is looked at is personal.
    pub fn is_personal(&self, column: &str, shared: &Shared) -> bool {
        self.open.as_ref().is_some_and(|open| shared.personal.column(&open.platform, &open.source, column))
    }
    fn entry(&self) -> Option<ObjectSpec> {
        let (platform, object) = *self.entries.get(self.list.cursor)?;
        let platform = self.platforms.get(platform)?;
        let info = platform.objects.as_ref().ok()?.get(object?)?;
        Some(ObjectSpec {
            platform: platform.platform.clone(),
            source: Source::Object(info.name.clone()),
            label: format!("{}:{}", platform.platform, info.name),
        })
    }
    fn open(&mut self, object: ObjectSpec) {
        self.grid = Grid::default();
        self.profile = None;
        self.rows.forget();
        self.profiled.forget();
        self.open = Some(object);
    }
    fn choose_object(&self, shared: &mut Shared) {
        let items: Vec<(String, String)> = self
            .entries
            .iter()
            .filter_map(|(platform, object)| {
                let platform = &self.platforms[*platform];
                let info = platform.objects.as_ref().ok()?.get((*object)?)?;
                let rows = info.rows.map(|rows| format!("{rows} rows")).unwrap_or_default();
                Some((format!("{}:{}", platform.platform, info.name), rows))
            })
            .collect();
        shared.open(Overlay::Pick(Picker::new("Object", Tag::Object, items, 0)));
    }
    fn choose_column(&self, shared: &mut Shared) {
        let kind = |name: &String| {
            let profile = self.profile.as_ref()?.columns.iter().find(|column| column.name == *name)?;
            Some(format!("{} {}", profile.r#type, profile.semantic).trim().to_owned())
        };
        let columns = self.grid.window.columns.iter();
        let items = columns.map(|name| (name.clone(), kind(name).unwrap_or_default())).collect();
        shared.open(Overlay::Pick(Picker::new("Column", Tag::Choose("data column"), items, self.grid.column)));
    }
    fn act_on_rows(&mut self, action: Action, shared: &mut Shared) -> bool {
        match action {
            Action::Left => self.grid.move_column(-1),
            Action::Right => self.grid.move_column(1),
            Action::Open | Action::NextPane => self.describe = !self.describe,
            Action::FilterColumn => self.choose_column(shared),
            Action::GotoRow => shared.open(Overlay::Ask(Question::text("Row number", Tag::Goto, ""))),
            Action::Rejects => {
                if let Some(open) = self.open.clone() {
                    shared.ask(Lane::DataRejects, "looking up what could not be read", Request::ReadRejects(open));
                }
            }
            Action::Back => self.open = None,
            _ => return self.grid.list.act(action),
        }
        true
    }
}

impl ScreenState for DataScreen {
    fn settle(&mut self, shared: &mut Shared) {
        if self.listed.changes(shared.saves) {
            shared.ask(Lane::Objects, "listing objects", Request::Objects);
        }
        let (columns, rows) = shared.body();
        let Some(open) = self.open.clone() else {
            self.list.layout(self.entries.len(), rows.saturating_sub(1));
            return;
        };
        let beside = columns >= BESIDE;
        let pane = if self.describe && !beside { PANE_ROWS.min(rows / 2) } else { 0 };
        let room = if self.describe && beside { columns - PANE_COLUMNS } else { columns };
        self.grid.layout(room, rows.saturating_sub(1 + pane));
        let (first, count) = self.grid.wanted();
        if self.rows.changes((open.clone(), first, count, shared.saves)) {
            shared.ask(Lane::DataRows, format!("reading {}", open.label), Request::Window(open.clone(), first, count));
        }
        // A profile reads the whole object: only once it is asked for.
        if self.describe && self.profiled.changes((open.clone(), shared.saves)) {
            self.profile = None;
            shared.ask(Lane::DataProfile, format!("describing {}", open.label), Request::Profile(open));
        }
    }
    fn act(&mut self, action: Action, shared: &mut Shared) -> bool {
        if action == Action::ChooseObject {
            self.choose_object(shared);
            return true;
        }
        if self.open.is_some() {
            return self.act_on_rows(action, shared);
        }
        match action {
            Action::Open => match self.entry() {
                Some(object) => self.open(object),
                None => shared.tell(Tone::Info, "this platform cannot be listed: its reason stands beside its name"),
            },
            _ => return self.list.act(action),
        }
        true
    }
    fn heading(&self, _: &Shared) -> String {
        match &self.open {
            None => "DATA  objects of all platforms".to_owned(),
            Some(open) => {
                let place = self.grid.list.place();
                let column = self.grid.column_name().map(|name| format!("  column {name}")).unwrap_or_default();
                let rejects = self.profile.as_ref().filter(|profile| profile.rejects > 0);
                let rejects = rejects.map(|profile| format!("  {} unreadable (r)", profile.rejects));
                format!("DATA  {}  row {place}{column}{}", open.label, rejects.unwrap_or_default())
            }
        }
    }
    fn answer(&mut self, lane: Lane, answer: &Answer, shared: &mut Shared) {
        match (lane, answer) {
            (Lane::Objects, Answer::Objects(platforms)) => {
                self.platforms.clone_from(platforms);
                self.entries = entries(platforms);
            }
            (Lane::DataRows, Answer::Window(window)) => self.grid.take(window.clone()),
            (Lane::DataProfile, Answer::Profile(profile)) => self.profile = Some(Arc::clone(profile)),
            (Lane::DataRejects, Answer::ReadRejects(rejects)) => {
                // A piece that is no row has no columns: all of it is as personal as the most personal of them.
                let personal = |open: &ObjectSpec| shared.personal.any_column(&open.platform, &open.source);
                let lines = reject_lines(rejects, self.open.as_ref().is_none_or(personal));
                shared.open(Overlay::Text("Pieces that are not rows".into(), lines, 0));
            }
            (Lane::DataSearch, Answer::Found(found)) => self.found(*found, shared),
            _ => {}
        }
    }
    fn failed(&mut self, lane: Lane, _: &mut Shared) {
        // What cannot be opened is left; the list stays, and `reload` tries again.
        if lane == Lane::DataRows && self.grid.window.columns.is_empty() {
            self.open = None;
        }
    }
    fn reply(&mut self, tag: &Tag, reply: &Reply, shared: &mut Shared) {
        match (tag, reply) {
            (Tag::Object, Reply::Picked(item)) => {
                let objects: Vec<usize> =
                    (0..self.entries.len()).filter(|entry| self.entries[*entry].1.is_some()).collect();
                if let Some(entry) = objects.get(*item) {
                    self.list.select(*entry);
                    if let Some(object) = self.entry() {
                        self.open(object);
                    }
                }
            }
            (Tag::Choose("data column"), Reply::Picked(column)) => self.grid.column = *column,
            (Tag::Goto, Reply::Text(text)) => match text.trim().replace([',', '.'], "").parse::<usize>() {
                Ok(row) if row > 0 => self.grid.list.select((row - 1).min(self.grid.list.len.saturating_sub(1))),
                _ => shared.tell(Tone::Bad, "a row number is a whole number from 1 on"),
            },
            _ => {}
        }
    }
    fn find(&mut self, sought: &str, forward: bool, shared: &mut Shared) -> bool {
        self.search(sought, forward, shared)
    }
    fn click(&mut self, _: usize, row: usize, _: &mut Shared) {
        let list = if self.open.is_some() { &mut self.grid.list } else { &mut self.list };
        if row > 0 && list.top + row - 1 < list.len {
            list.select(list.top + row - 1);
        }
    }
    fn personal(&self, shared: &Shared) -> Revealed {
        let Some(open) = &self.open else { return Revealed::default() };
        let columns = self.grid.window.columns.iter().filter(|name| self.is_personal(name, shared)).cloned();
        Revealed { object: Some(open.label.clone()), columns: columns.collect(), ..Revealed::default() }
    }
    fn command(&self, _: &Shared) -> Option<String> {
        let open = self.open.as_ref()?;
        Some(if self.describe {
            format!("profile {}", open.label)
        } else {
            let first = self.grid.list.cursor + 1;
            format!("show {} --rows {first}..{}", open.label, first + self.grid.list.page.saturating_sub(1))
        })
    }
    fn offers(&self, action: Action, _: &Shared) -> bool {
        let rows_only = matches!(
            action,
            Action::FilterColumn | Action::GotoRow | Action::Reveal | Action::Rejects | Action::NextPane
        );
        !rows_only || self.open.is_some()
    }
}

fn entries(platforms: &[PlatformObjects]) -> Vec<(usize, Option<usize>)> {
    let mut entries = Vec::new();
    for (at, platform) in platforms.iter().enumerate() {
        match &platform.objects {
            Ok(objects) if !objects.is_empty() => entries.extend((0..objects.len()).map(|object| (at, Some(object)))),
            _ => entries.push((at, None)),
        }
    }
    entries
}

fn reject_lines(rejects: &[ReadReject], personal: bool) -> Vec<Words> {
    if rejects.is_empty() {
        return vec!["Everything could be read.".into()];
    }
    rejects
        .iter()
        .flat_map(|reject| {
            let raw: String = reject.raw.chars().take(200).collect();
            [format!("line {}: {}", reject.line, reject.reason).into(), Words::from("    ").cell(raw, personal)]
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;
