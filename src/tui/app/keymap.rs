//! Which key does what, in which layer. One table feeds the dispatcher, the key bar, the help and the palette.
use std::sync::LazyLock;

use super::action::Action;
use super::key::Key;

/// Where a binding holds. A key is looked up in the layers of the screen, first hit wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Everywhere.
    Global,
    /// Lists and tables.
    List,
    /// The Data screen.
    Data,
    /// The Map screen.
    Map,
    /// The Clean screen.
    Clean,
    /// The Diff screen.
    Diff,
    /// The Run screen.
    Run,
    /// The History screen.
    History,
    /// The inbox of rejects.
    Rejects,
    /// The Cutover screen.
    Cutover,
    /// The Sync screen.
    Sync,
}

/// Key, action. In each layer in order of importance: the key bar shows the first that fit.
type Row = (&'static str, Action);

const GLOBAL: &[Row] = &[
    ("u", Action::Undo),
    ("y", Action::CopyCommand),
    (":", Action::Palette),
    ("?", Action::Help),
    ("q", Action::Back),
    ("^R", Action::Redo),
    ("^S", Action::Save),
    ("1", Action::ScreenData),
    ("2", Action::ScreenMap),
    ("3", Action::ScreenClean),
    ("4", Action::ScreenDiff),
    ("5", Action::ScreenRun),
    ("6", Action::ScreenHistory),
    ("m", Action::Mapping),
    ("esc", Action::Cancel),
    ("[", Action::PreviousMapping),
    ("]", Action::NextMapping),
    ("f2", Action::Mouse),
    ("^Z", Action::Suspend),
    ("f5", Action::Reload),
    ("^L", Action::Repaint),
    ("^C", Action::Quit),
    ("7", Action::ScreenRejects),
    ("8", Action::ScreenCutover),
    ("9", Action::ScreenSync),
];
const LIST: &[Row] = &[
    ("/", Action::Search),
    ("up", Action::Up),
    ("k", Action::Up),
    ("down", Action::Down),
    ("j", Action::Down),
    ("left", Action::Left),
    ("h", Action::Left),
    ("right", Action::Right),
    ("l", Action::Right),
    ("pgup", Action::PageUp),
    ("^B", Action::PageUp),
    ("pgdn", Action::PageDown),
    ("^F", Action::PageDown),
    ("g", Action::First),
    ("home", Action::First),
    ("G", Action::Last),
    ("end", Action::Last),
    ("n", Action::SearchNext),
    ("N", Action::SearchPrevious),
];
const DATA: &[Row] = &[
    ("enter", Action::Open),
    ("o", Action::ChooseObject),
    ("f", Action::FilterColumn),
    ("#", Action::GotoRow),
    ("r", Action::Rejects),
    ("x", Action::Reveal),
    ("tab", Action::NextPane),
];
const MAP: &[Row] = &[
    ("enter", Action::EditField),
    ("a", Action::Accept),
    ("A", Action::AcceptAll),
    ("x", Action::Refuse),
    ("n", Action::NextProblem),
    ("v", Action::Values),
    ("space", Action::Link),
    ("d", Action::Unlink),
    ("p", Action::Plan),
    ("b", Action::LeftBehind),
    ("N", Action::NextOpen),
    ("tab", Action::NextPane),
    ("s", Action::OtherSuggestion),
    ("o", Action::FieldOptions),
    ("X", Action::Reveal),
    ("+", Action::NewMapping),
];
const CLEAN: &[Row] = &[
    ("enter", Action::Open),
    ("tab", Action::NextPane),
    ("f", Action::FilterRows),
    ("n", Action::NextProblem),
    ("e", Action::EditField),
    ("p", Action::Plan),
    ("x", Action::Reveal),
];
const DIFF: &[Row] = &[
    ("p", Action::Plan),
    ("M", Action::Migrate),
    ("enter", Action::Open),
    ("r", Action::Rejects),
    // What it recommends can be taken there: the ways to plan need not all be in the bar.
    ("a", Action::Recommend),
    ("d", Action::Against),
    ("x", Action::Reveal),
    ("H", Action::SyncHeld),
    ("i", Action::PlanIncremental),
    ("s", Action::PlanSample),
    ("f", Action::FilterColumn),
    ("F", Action::PlanFull),
    ("e", Action::EditField),
    ("tab", Action::NextPane),
];
const RUN: &[Row] = &[
    ("P", Action::PauseRun),
    ("R", Action::ResumeRun),
    ("s", Action::StopRun),
    ("c", Action::CancelRun),
    ("t", Action::ThrottleRun),
    ("w", Action::RunWorkers),
    ("enter", Action::Open),
    ("e", Action::EditField),
    ("r", Action::Rejects),
    ("p", Action::Plan),
    ("U", Action::Revert),
    ("x", Action::Reveal),
];
const HISTORY: &[Row] = &[
    ("enter", Action::Open),
    ("U", Action::Revert),
    ("p", Action::Plan),
    ("e", Action::EditField),
    ("r", Action::Rejects),
    ("x", Action::Reveal),
    ("R", Action::Report),
];
const REJECTS: &[Row] = &[
    ("enter", Action::Open),
    ("a", Action::CorrectLike),
    ("e", Action::EditField),
    ("v", Action::Values),
    ("t", Action::Retry),
    ("T", Action::RetryMended),
    ("p", Action::Plan),
    ("x", Action::Reveal),
];

const CUTOVER: &[Row] = &[("enter", Action::Open), ("p", Action::Plan), ("r", Action::LookAgain)];

const SYNC: &[Row] = &[
    ("S", Action::SyncStart),
    ("enter", Action::SyncWhy),
    ("<", Action::TakeSource),
    ("left", Action::TakeSource),
    (">", Action::TakeTarget),
    ("right", Action::TakeTarget),
    ("w", Action::TakeWrite),
    ("a", Action::TakeLike),
    ("c", Action::SyncConflicts),
    ("r", Action::SyncRejects),
    ("H", Action::SyncHeld),
    ("p", Action::SyncPause),
    ("R", Action::SyncResync),
    ("U", Action::SyncUndo),
    ("T", Action::SyncTrace),
    ("A", Action::SyncAudit),
    ("s", Action::SyncSilence),
    ("L", Action::SyncLog),
    ("o", Action::SyncOpenOnly),
    ("D", Action::SyncDiff),
    ("x", Action::Reveal),
    ("tab", Action::NextPane),
    ("E", Action::SyncEnd),
];

/// A key bound in a layer.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// Where.
    pub layer: Layer,
    /// Key.
    pub key: Key,
    /// What it does.
    pub action: Action,
}

static BINDINGS: LazyLock<Vec<Binding>> = LazyLock::new(|| {
    [
        (Layer::Data, DATA),
        (Layer::Map, MAP),
        (Layer::Clean, CLEAN),
        (Layer::Diff, DIFF),
        (Layer::Run, RUN),
        (Layer::History, HISTORY),
        (Layer::Rejects, REJECTS),
        (Layer::Cutover, CUTOVER),
        (Layer::Sync, SYNC),
        (Layer::List, LIST),
        (Layer::Global, GLOBAL),
    ]
    .into_iter()
    .flat_map(|(layer, rows)| {
        rows.iter().map(move |(key, action)| Binding {
            layer,
            key: key.parse().expect("keys of the table are keys: a test reads them all"),
            action: *action,
        })
    })
    .collect()
});

/// All bindings, in order of importance within each layer.
pub fn bindings() -> &'static [Binding] {
    &BINDINGS
}

/// What a key does in these layers.
pub fn lookup(layers: &[Layer], key: Key) -> Option<Action> {
    layers.iter().find_map(|layer| {
        bindings().iter().find(|binding| binding.layer == *layer && binding.key == key).map(|binding| binding.action)
    })
}

/// The bindings that hold in these layers: a key that an earlier layer takes is left out of the later ones.
pub fn active(layers: &[Layer]) -> Vec<Binding> {
    let mut active: Vec<Binding> = Vec::new();
    for layer in layers {
        for binding in bindings().iter().filter(|binding| binding.layer == *layer) {
            if active.iter().all(|other| other.key != binding.key) {
                active.push(*binding);
            }
        }
    }
    active
}

/// The first key of an action in these layers.
pub fn key_of(layers: &[Layer], action: Action) -> Option<Key> {
    active(layers).into_iter().find(|binding| binding.action == action).map(|binding| binding.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::action::ACTIONS;

    #[test]
    fn every_action_has_a_key_somewhere_and_no_layer_binds_a_key_twice() {
        for doc in ACTIONS {
            assert!(bindings().iter().any(|binding| binding.action == doc.action), "{} has no key", doc.name);
        }
        for (at, one) in bindings().iter().enumerate() {
            for other in &bindings()[at + 1..] {
                assert!(one.layer != other.layer || one.key != other.key, "{} twice in {:?}", one.key, one.layer);
            }
        }
    }

    #[test]
    fn a_screen_takes_a_key_before_the_list_does() {
        assert_eq!(lookup(&[Layer::Map, Layer::List], Key::char('n')), Some(Action::NextProblem));
        assert_eq!(lookup(&[Layer::List], Key::char('n')), Some(Action::SearchNext));
        let active = active(&[Layer::Map, Layer::List]);
        assert!(active.iter().all(|binding| binding.action != Action::SearchNext));
    }
}
