//! The screens: one file each, one row each.
use crm_core::workspace::Revealed;

use super::action::Action;
use super::key::Key;
use super::keymap::Layer;
use super::msg::{Answer, Lane};
use super::overlay::{Reply, Tag};
use super::shared::Shared;

pub mod clean;
pub mod cutover;
pub mod data;
pub mod diff;
pub mod history;
pub mod map;
pub mod rejects;
pub mod run;
pub mod sync;

/// Hands all screens to a macro, one row each: variant, module in `app/screens` and `view/screens`, state, the action
/// that switches to it. The order is that of the tabs; the layer of the keymap has the variant's name.
macro_rules! for_each_screen {
    ($apply:ident) => {
        $apply! {
            Data data DataScreen ScreenData;
            Map map MapScreen ScreenMap;
            Clean clean CleanScreen ScreenClean;
            Diff diff DiffScreen ScreenDiff;
            Run run RunScreen ScreenRun;
            History history HistoryScreen ScreenHistory;
            Rejects rejects RejectsScreen ScreenRejects;
            Cutover cutover CutoverScreen ScreenCutover;
            Sync sync SyncScreen ScreenSync;
        }
    };
}
pub(crate) use for_each_screen;

/// What a screen is to the app. All of it is pure: long work is asked for through [`Shared::ask`].
pub trait ScreenState {
    /// Brings itself up to date with `shared`: lays its lists out for the size, asks for what it lacks. Called after every
    /// turn while it is visible, so it must ask only when its needs have changed (see [`super::shared::Wanted`]).
    fn settle(&mut self, shared: &mut Shared);
    /// Does an action; false leaves it to the app.
    fn act(&mut self, action: Action, shared: &mut Shared) -> bool;
    /// The second line of the screen: what is looked at.
    fn heading(&self, shared: &Shared) -> String;
    /// A job has ended. Every screen hears of every answer.
    fn answer(&mut self, lane: Lane, answer: &Answer, shared: &mut Shared) {
        let _ = (lane, answer, shared);
    }
    /// A job has failed; the app has told the operator.
    fn failed(&mut self, lane: Lane, shared: &mut Shared) {
        let _ = (lane, shared);
    }
    /// A question that this screen opened was answered.
    fn reply(&mut self, tag: &Tag, reply: &Reply, shared: &mut Shared) {
        let _ = (tag, reply, shared);
    }
    /// Takes a key before the keymap does: while a text is edited. True if it took it.
    fn key(&mut self, key: Key, shared: &mut Shared) -> bool {
        let _ = (key, shared);
        false
    }
    /// Takes pasted text, while a text is edited.
    fn paste(&mut self, text: &str, shared: &mut Shared) {
        let _ = (text, shared);
    }
    /// A click at column, row of the body.
    fn click(&mut self, column: usize, row: usize, shared: &mut Shared) {
        let _ = (column, row, shared);
    }
    /// Finds `sought` from the cursor on, forwards or back; false if it is not there.
    fn find(&mut self, sought: &str, forward: bool, shared: &mut Shared) -> bool {
        let _ = (sought, forward, shared);
        false
    }
    /// The headless command that does the same, without program name and project: `preview contacts`.
    fn command(&self, shared: &Shared) -> Option<String> {
        let _ = shared;
        None
    }
    /// The command that comes after [`ScreenState::command`], where it takes two: run the plan that it made.
    fn then(&self, shared: &Shared) -> Option<String> {
        let _ = shared;
        None
    }
    /// What is shown of which personal columns, for the audit log when the masks are lifted. The screen's name is the app's.
    fn personal(&self, shared: &Shared) -> Revealed {
        shared.revealed_of(shared.mapping_name())
    }
    /// Actions that make sense right now but not always; the key bar leaves the others out.
    fn offers(&self, action: Action, shared: &Shared) -> bool {
        let _ = (action, shared);
        true
    }
}

macro_rules! screens {
    ($($variant:ident $module:ident $state:ident $action:ident;)*) => {
        /// One of the screens.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ScreenId {
            $(#[doc = concat!("See [`", stringify!($module), "`].")] $variant,)*
        }

        impl ScreenId {
            /// All, in the order of the tabs.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Name, as in the session file and on the tab.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
            /// Its own layer of the keymap.
            pub const fn layer(self) -> Layer {
                match self { $(Self::$variant => Layer::$variant,)* }
            }
            /// The action that switches to it.
            pub const fn action(self) -> Action {
                match self { $(Self::$variant => Action::$action,)* }
            }
        }

        /// The states of all screens.
        #[derive(Debug, Default)]
        pub struct Screens {
            $(#[doc = concat!("See [`", stringify!($module), "`].")] pub $module: $module::$state,)*
        }

        impl Screens {
            /// A screen's state.
            pub fn get(&self, id: ScreenId) -> &dyn ScreenState {
                match id { $(ScreenId::$variant => &self.$module,)* }
            }
            /// See [`Screens::get`].
            pub fn get_mut(&mut self, id: ScreenId) -> &mut dyn ScreenState {
                match id { $(ScreenId::$variant => &mut self.$module,)* }
            }
        }
    };
}
for_each_screen!(screens);

impl ScreenId {
    /// It has a tab of its own; the others are reached from these, and have one while they are shown.
    pub const fn has_tab(self) -> bool {
        !matches!(self, Self::Rejects | Self::Cutover)
    }
    /// Its tab is there on a terminal of so many columns while `shown` is the visible screen: on a narrow one the place is
    /// needed for the environment.
    pub fn is_in_tabs(self, shown: Self, columns: u16) -> bool {
        self == shown || (self.has_tab() && (self != Self::Sync || columns >= 80))
    }
    /// By name, letter case aside.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|id| id.name().eq_ignore_ascii_case(name))
    }
    /// The layers of the keymap that hold on it, innermost first.
    pub const fn layers(self) -> [Layer; 3] {
        [self.layer(), Layer::List, Layer::Global]
    }
}
