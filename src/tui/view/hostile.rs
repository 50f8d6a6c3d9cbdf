//! Hostile text everywhere a screen shows text: nothing that moves, hides or controls may get through any view.
#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::app::editor::Editor;
use crate::app::msg::{Answer, Lane, Msg};
use crate::app::overlay::Overlay;
use crate::app::overlay::{Picker, Question, Tag};
use crate::app::screens::ScreenId;
use crate::app::screens::clean::tests::cleaned;
use crate::app::screens::cutover::tests::with_checklist;
use crate::app::screens::data::tests::opened;
use crate::app::screens::diff::tests::{plan, planned, row};
use crate::app::screens::history::tests::{record, reject};
use crate::app::screens::map::tests::mapped;
use crate::app::screens::rejects::tests::{edited_row, with_inbox};
use crate::app::shared::Tone;
use crate::app::tests::{answer, press};

/// Escape sequences, bidi and zero-width tricks, wide and joined characters, beside whatever proptest thinks of.
const NAUGHTY: &[&str] = &[
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "\u{9b}31m",
    "a\u{202e}b\u{2066}c",
    "zero\u{200b}width\u{feff}",
    "tab\there\r\nnext\u{0}",
    "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{1f1e9}\u{1f1ea}",
    "日本語\u{ad}テキスト",
    "=cmd|' /C calc'!A0",
    "\u{e0041}\u{fe0f}\u{2028}",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![proptest::sample::select(NAUGHTY).prop_map(str::to_owned), any::<String>()]
}

/// Every screen with this text in every place that data, files and platforms can reach.
fn screens(text: &str) -> Vec<App> {
    let own = || text.to_owned();
    let mut data = opened();
    let window = &mut data.screens.data.grid.window;
    window.columns.iter_mut().for_each(|name| *name = own());
    window.rows.iter_mut().flatten().for_each(|cell| *cell = Some(own()));

    let mut clean = cleaned();
    let mut preview = (**clean.screens.clean.preview.as_ref().unwrap()).clone();
    preview.before.rows.iter_mut().chain(&mut preview.after.rows).flatten().for_each(|cell| *cell = Some(own()));
    preview.failures.iter_mut().for_each(|failure| failure.reason = own());
    clean.screens.clean.preview = Some(Arc::new(preview));

    let mut map = mapped();
    let columns = map.screens.map.columns.as_mut().unwrap();
    columns.source[2].name = own();
    columns.sample.rows.iter_mut().flatten().for_each(|cell| *cell = Some(own()));
    map.screens.map.fields[1].problem = Some(own());
    map.screens.map.fields[2].target = own();
    map.shared.drafts[0].name = own();

    let mut editor = mapped();
    press(&mut editor, "down enter");
    editor.screens.map.editor.as_mut().unwrap().text = Editor::new(text);

    let mut changed = plan();
    changed.confirm = own();
    changed.mappings[0].from = own();
    changed.mappings[0].here.side_effects = vec![own()];
    let mut diff = planned(changed);
    let mut rows = vec![row(text)];
    rows[0].cells.iter_mut().for_each(|cell| {
        (cell.column, cell.old, cell.new) = (own(), Some(own()), Some(own()));
    });
    diff.screens.diff.rows.rows = rows;

    let mut run = mapped();
    let mut seen = record("r");
    (seen.owner, seen.note) = (own(), Some(own()));
    seen.results[0].mapping = own();
    run.shared.run = Some(seen);
    press(&mut run, "5");
    let mut left = reject(0, text);
    (left.reason, left.key, left.raw) = (own(), Some(own()), Some(own()));
    left.source.insert(own(), serde_json::Value::from(text));
    answer(&mut run, Lane::RunRejects, Ok(Answer::Rejects(Arc::new(vec![left]))));

    let mut cause = with_inbox();
    press(&mut cause, "enter");
    hostile_inbox(&mut cause, text);
    let mut broken = edited_row();
    hostile_inbox(&mut broken, text);
    let row = broken.screens.rejects.row.as_mut().unwrap();
    row.columns.iter_mut().for_each(|column| *column = own());
    let trial = row.trial.as_mut().unwrap();
    trial.cells.iter_mut().for_each(|cell| *cell = (own(), Some(own()), None));
    trial.failures = vec![(own(), own())];
    for field in &mut trial.fields {
        (field.target, field.sources) = (own(), vec![own()]);
        for step in field.before.iter_mut().chain(&mut field.after) {
            (step.step, step.value) = (own(), Some(own()));
        }
    }
    let mut list = with_checklist(2);
    let cutover = list.screens.cutover.cutover.as_mut().unwrap();
    cutover.items.iter_mut().for_each(|item| (item.detail, item.advice) = (own(), Some(own())));
    (cutover.others, cutover.confirm) = (vec![(own(), own())], own());

    let mut reading = mapped();
    press(&mut reading, "6");
    run.shared.project.name = own();
    let mut apps = vec![data, clean, map, editor, diff, run, reading];
    // One of each kind of overlay lies over a screen.
    press(&mut apps[5], "enter");
    apps[5].shared.project.env = Some(own());
    let picker = Picker::new(text, Tag::Object, vec![(own(), own())], 0);
    apps[6].overlays = vec![Overlay::Pick(picker)];
    apps[6].shared.tell(Tone::Bad, text);
    let mut question = Question::text(text, Tag::Search, text);
    question.lines = vec![own()];
    let mut asked = mapped();
    asked.overlays = vec![Overlay::Ask(question)];
    apps.extend([asked, cause, broken, list]);
    apps
}

/// This text wherever a reject shows any.
fn hostile_inbox(app: &mut App, text: &str) {
    let own = || text.to_owned();
    let mut inbox = (**app.screens.rejects.inbox.as_ref().unwrap()).clone();
    for entry in &mut inbox.entries {
        let reject = &mut entry.reject;
        (entry.mapping, entry.retried) = (own(), Some(own()));
        (reject.cause, reject.reason, reject.step) = (own(), own(), own());
        (reject.key, reject.field) = (Some(own()), Some(own()));
        reject.source.insert(own(), serde_json::Value::from(text));
    }
    for group in &mut inbox.groups {
        (group.mapping, group.cause) = (own(), own());
    }
    app.screens.rejects.inbox = Some(Arc::new(inbox));
}

fn check(text: &str) {
    for (number, mut app) in screens(text).into_iter().enumerate() {
        for (columns, rows) in [(80, 24), (130, 40)] {
            app.shared.size = (columns, rows);
            for ascii_text in [false, true] {
                let look = Look { ascii_text, ..Look::new(Palette::None, ascii_text) };
                let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
                terminal.draw(|frame| paint(frame, &app, &look)).unwrap();
                for cell in &terminal.backend().buffer().content {
                    let symbol = cell.symbol();
                    assert!(!symbol.chars().any(text::is_unsafe), "{symbol:?} on screen {number}");
                    assert!(!ascii_text || symbol.is_ascii(), "{symbol:?} on screen {number}");
                }
            }
        }
    }
}

#[test]
fn naughty_strings_reach_no_screen() {
    for text in NAUGHTY {
        check(text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_reaches_a_screen_unsafe(text in text()) {
        check(&text);
    }
}

#[test]
fn every_screen_is_among_the_hostile_ones() {
    let seen: Vec<ScreenId> = screens("x").iter().map(|app| app.screen).collect();
    for id in ScreenId::ALL {
        assert!(seen.contains(id), "{id:?}");
    }
    // The window really holds it.
    let mut app = screens("needle").remove(0);
    app.update(Msg::Resize(80, 24));
    assert!(tests::screen(&mut app, 80, 24, &tests::plain()).contains("needle"));
}
