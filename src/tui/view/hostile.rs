//! Hostile text everywhere a screen shows text: nothing that moves, hides or controls may get through any view.
#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use crm_core::map::CellStep;
use crm_core::plan::Operation;
use crm_core::platform::ReadReject;
use crm_core::project::Personal;
use crm_core::table::profile::{ColumnProfile, Profile};
use crm_core::workspace::{Against, AgainstMapping, AgainstRow, FieldValue, PlanCell};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::app::editor::Editor;
use crate::app::msg::{Answer, Lane, Msg, Request};
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
use crate::app::screens::sync::tests::{seen, troubled, with as sync_with, with_conflicts};
use crate::app::shared::Tone;
use crate::app::sync::SyncTraced;
use crate::app::tests::{answer, press};
use crate::app::words::Words;

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

/// Every screen and pop-up with `cell` wherever a value of the data is shown, and `text` in every other place that data,
/// files and platforms can reach.
pub(super) fn screens(cell: &str, text: &str) -> Vec<App> {
    let own = || text.to_owned();
    let value = || Some(cell.to_owned());
    let mut data = opened();
    let window = &mut data.screens.data.grid.window;
    window.columns.iter_mut().for_each(|name| *name = own());
    window.rows.iter_mut().flatten().for_each(|cell| *cell = value());

    let mut clean = cleaned();
    let mut preview = (**clean.screens.clean.preview.as_ref().unwrap()).clone();
    preview.before.rows.iter_mut().chain(&mut preview.after.rows).flatten().for_each(|cell| *cell = value());
    preview.failures.iter_mut().for_each(|failure| failure.reason = own());
    clean.screens.clean.preview = Some(Arc::new(preview));

    let mut map = mapped();
    let columns = map.screens.map.columns.as_mut().unwrap();
    columns.source[2].name = own();
    columns.sample.rows.iter_mut().flatten().for_each(|cell| *cell = value());
    map.screens.map.fields[1].problem = Some(own());
    map.screens.map.fields[2].target = own();
    map.shared.drafts[0].name = own();

    let mut editor = mapped();
    press(&mut editor, "down enter");
    editor.screens.map.editor.as_mut().unwrap().text = Editor::new(text);
    let tried = Arc::clone(editor.screens.map.preview.as_ref().unwrap());
    let mut tried = (*tried).clone();
    tried.before.rows.iter_mut().chain(&mut tried.after.rows).flatten().for_each(|cell| *cell = value());
    answer(&mut editor, Lane::MapPreview, Ok(Answer::Preview(Ok(Arc::new(tried)))));

    let mut changed = plan();
    changed.confirm = own();
    changed.mappings[0].from = own();
    changed.mappings[0].here.side_effects = vec![own()];
    let mut diff = planned(changed);
    let mut rows = vec![row(cell)];
    rows[0].cells.iter_mut().for_each(|cell| {
        (cell.column, cell.old, cell.new) = (own(), value(), value());
    });
    rows[0].cells.push(PlanCell { column: own(), changed: true, pending: value(), ..PlanCell::default() });
    diff.screens.diff.rows.rows = rows;

    let mut run = mapped();
    run.shared.personal = unknown();
    let mut seen = record("r");
    (seen.owner, seen.note) = (own(), Some(own()));
    seen.results[0].mapping = own();
    run.shared.run = Some(seen);
    press(&mut run, "5");
    let mut left = reject(0, text);
    (left.reason, left.key, left.raw) = (own(), value(), value());
    left.source.values_mut().for_each(|other| *other = serde_json::Value::from(cell));
    left.source.insert(own(), serde_json::Value::from(cell));
    answer(&mut run, Lane::RunRejects, Ok(Answer::Rejects(Arc::new(vec![left]))));

    let mut cause = with_inbox();
    press(&mut cause, "enter");
    hostile_inbox(&mut cause, cell, text);
    let mut broken = edited_row();
    hostile_inbox(&mut broken, cell, text);
    let row = broken.screens.rejects.row.as_mut().unwrap();
    row.columns.iter_mut().for_each(|column| *column = own());
    let trial = row.trial.as_mut().unwrap();
    trial.cells.iter_mut().for_each(|cell| *cell = (own(), value(), None));
    trial.failures = vec![(own(), own())];
    for field in &mut trial.fields {
        (field.target, field.sources) = (own(), vec![own()]);
        for step in field.before.iter_mut().chain(&mut field.after) {
            (step.step, step.value) = (own(), value());
        }
    }
    let mut list = with_checklist(2);
    let cutover = list.screens.cutover.cutover.as_mut().unwrap();
    cutover.items.iter_mut().for_each(|item| (item.detail, item.advice) = (own(), Some(own())));
    (cutover.others, cutover.confirm) = (vec![(own(), own())], own());

    let mut reading = mapped();
    press(&mut reading, "6");
    let mut pictures = popped(cell, text);
    run.shared.project.name = own();
    let mut apps = vec![data, clean, map, editor, diff, run, reading];
    // One of each kind of overlay lies over a screen.
    press(&mut apps[5], "enter");
    apps[5].shared.project.env = Some(own());
    let picker = Picker::new(text, Tag::Object, vec![(own(), own())], 0);
    apps[6].overlays = vec![Overlay::Pick(picker)];
    apps[6].shared.tell(Tone::Bad, text);
    let mut question = Question::text(text, Tag::Search, text);
    question.lines = vec![own().into(), Words::default().cell(cell, true)];
    let mut asked = mapped();
    asked.overlays = vec![Overlay::Ask(question)];
    apps.extend(vec![asked, cause, broken, list]);
    apps.append(&mut pictures);
    apps.append(&mut synced(cell, text));
    apps
}

/// Sync with this cell as the key of its events and in its conflicts, and this text wherever files and platforms reach.
pub(crate) fn synced(cell: &str, text: &str) -> Vec<App> {
    let own = || text.to_owned();
    let value = || Some(cell.to_owned());
    let hostile = |mut app: App| {
        app.shared.personal = unknown();
        let record = app.shared.sync.record.as_mut().unwrap();
        (record.owner, record.note, record.listens) = (own(), Some(own()), Some(own()));
        for lane in &mut app.shared.sync.lanes {
            (lane.mapping, lane.from, lane.to) = (own(), own(), own());
            (lane.watching, lane.why, lane.silenced) = (own(), own(), Some((own(), i64::MAX)));
            lane.held.iter_mut().for_each(|held| (held.columns, held.plan) = (vec![own()], Some(own())));
        }
        let sync = &mut app.screens.sync;
        for line in &mut sync.events {
            let event = &mut line.event;
            (event.mapping, event.operation, event.origin) = (own(), own(), own());
            (event.key, event.reason, event.cycle) = (value(), Some(own()), Some(own()));
        }
        sync.log.iter_mut().for_each(|line| (line.mapping, line.text) = (Some(own()), own()));
        sync.filter.text = Some(own());
        if let Some(inbox) = &mut sync.inbox {
            for conflict in &mut inbox.records {
                (conflict.mapping, conflict.key, conflict.who) = (own(), cell.to_owned(), Some(own()));
                for field in &mut conflict.fields {
                    (field.field, field.base, field.source, field.target) = (own(), value(), value(), value());
                }
            }
        }
        app
    };
    let events = hostile(sync_with(seen(troubled())));
    let mut log = hostile(sync_with(seen(troubled())));
    log.screens.sync.show_log = true;
    let mut event = hostile(sync_with(seen(troubled())));
    event.screens.sync.in_list = true;
    press(&mut event, "enter");
    let mut again = hostile(sync_with(seen(troubled())));
    again.screens.sync.in_list = true;
    press(&mut again, "R");
    let mut traced = hostile(sync_with(seen(troubled())));
    let events_of = traced.screens.sync.events.clone();
    traced.shared.ask(Lane::SyncTrace, "", Request::SyncTrace(own(), own()));
    let found = SyncTraced { mapping: own(), key: cell.to_owned(), events: events_of, trace: None };
    answer(&mut traced, Lane::SyncTrace, Ok(Answer::SyncTrace(Box::new(found))));
    let mut broken = hostile(sync_with(seen(troubled())));
    broken.shared.sync_failed = Some(own());
    vec![events, log, event, again, traced, broken, hostile(with_conflicts())]
}

/// This cell and this text wherever a reject shows any.
fn hostile_inbox(app: &mut App, cell: &str, text: &str) {
    let own = || text.to_owned();
    let mut inbox = (**app.screens.rejects.inbox.as_ref().unwrap()).clone();
    for entry in &mut inbox.entries {
        let reject = &mut entry.reject;
        (entry.mapping, entry.retried) = (own(), Some(own()));
        (reject.cause, reject.reason, reject.step) = (own(), own(), own());
        (reject.key, reject.field) = (Some(cell.to_owned()), Some(own()));
        reject.source.values_mut().for_each(|other| *other = serde_json::Value::from(cell));
        reject.source.insert(own(), serde_json::Value::from(cell));
    }
    for group in &mut inbox.groups {
        (group.mapping, group.cause) = (own(), own());
    }
    app.screens.rejects.inbox = Some(Arc::new(inbox));
}

/// Tags that cannot be read: all is personal.
fn unknown() -> Personal {
    Personal::default().with_unreadable(true)
}

/// What opens over or beside the screens: profile, pieces that are no rows, value map, pickers with samples, a cell's
/// steps, a row and a reject of the plan.
fn popped(cell: &str, text: &str) -> Vec<App> {
    let own = || text.to_owned();
    let value = || Some(cell.to_owned());
    let top = || vec![(cell.to_owned(), 3)];
    let column = |name: &str| ColumnProfile {
        name: name.into(),
        top: top(),
        min: value(),
        max: value(),
        warnings: vec![own()],
        patterns: vec![(own(), 1)],
        ..ColumnProfile::default()
    };

    let mut profiled = opened();
    press(&mut profiled, "tab");
    let profile = Profile { rows: 3, rejects: 1, columns: ["ID", "NAME", "FLAG"].map(column).into() };
    answer(&mut profiled, Lane::DataProfile, Ok(Answer::Profile(Arc::new(profile))));
    let window = &mut profiled.screens.data.grid.window;
    window.rows.iter_mut().flatten().for_each(|cell| *cell = value());

    let mut unread = opened();
    unread.shared.personal = unknown();
    unread.screens.data.grid.window.rows.clear();
    press(&mut unread, "r");
    let pieces = vec![ReadReject { line: 3, reason: own(), raw: cell.to_owned() }];
    answer(&mut unread, Lane::DataRejects, Ok(Answer::ReadRejects(Arc::new(pieces))));

    let on_map = || {
        let mut map = mapped();
        map.shared.personal = unknown();
        let sample = &mut map.screens.map.columns.as_mut().unwrap().sample;
        sample.rows.iter_mut().flatten().for_each(|cell| *cell = value());
        let mut preview = (**map.screens.map.preview.as_ref().unwrap()).clone();
        preview.before.rows.iter_mut().chain(&mut preview.after.rows).flatten().for_each(|cell| *cell = value());
        map.screens.map.preview = Some(Arc::new(preview));
        map
    };
    let mut values = on_map();
    press(&mut values, "down v");
    let rows = vec![
        FieldValue { value: value(), looked_up: value(), rows: 2, becomes: value(), failed: None },
        FieldValue { value: value(), looked_up: value(), rows: 2, becomes: None, failed: Some(own()) },
    ];
    answer(&mut values, Lane::FieldValues, Ok(Answer::Values(rows)));
    let mut linked = on_map();
    press(&mut linked, "down space");
    let mut left = on_map();
    let profile = Profile { rows: 3, rejects: 0, columns: ["PHONE1", "FAX"].map(column).into() };
    left.screens.map.profile = Some(Arc::new(profile));
    press(&mut left, "b");
    let mut suggested = on_map();
    press(&mut suggested, "down down");

    let mut traced = cleaned();
    traced.shared.personal = unknown();
    press(&mut traced, "down tab enter");
    let step = |failed| CellStep { step: own(), value: value(), failed };
    answer(&mut traced, Lane::Trace, Ok(Answer::Trace(vec![step(None), step(Some(own()))])));
    traced.screens.clean.preview = None;

    let mut whole = planned(plan());
    whole.screens.diff.rows.rows = vec![row(cell)];
    for cell in &mut whole.screens.diff.rows.rows[0].cells {
        (cell.old, cell.new) = (value(), value());
    }
    whole.screens.diff.in_rows = true;
    whole.shared.personal = unknown();
    press(&mut whole, "enter");
    let mut cause = planned(plan());
    cause.shared.personal = unknown();
    press(&mut cause, "right right right right right");
    let mut lost = reject(0, text);
    (lost.key, lost.raw) = (value(), value());
    lost.source.values_mut().for_each(|other| *other = serde_json::Value::from(cell));
    answer(&mut cause, Lane::PlanRejects, Ok(Answer::Rejects(Arc::new(vec![lost]))));
    press(&mut cause, "enter enter");

    let mut other = planned(plan());
    other.shared.personal = unknown();
    press(&mut other, "d");
    let rows = vec![AgainstRow { key: cell.to_owned(), before: None, now: Some(Operation::Insert) }];
    let causes = vec![(own(), 1, 2)];
    let part = AgainstMapping { mapping: own(), causes, appeared: 1, rows, ..AgainstMapping::default() };
    let against = Against { plan: "7f3ac2".into(), other: own(), created: own(), mappings: vec![part] };
    answer(&mut other, Lane::Against, Ok(Answer::Against(Box::new(against))));

    vec![profiled, unread, values, linked, left, suggested, traced, whole, cause, other]
}

fn check(text: &str) {
    for (number, mut app) in screens(text, text).into_iter().enumerate() {
        // A mask would hide what is to be seen here.
        app.shared.revealed = true;
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
    let seen: Vec<ScreenId> = screens("x", "x").iter().map(|app| app.screen).collect();
    for id in ScreenId::ALL {
        assert!(seen.contains(id), "{id:?}");
    }
    // The window really holds it.
    let mut app = screens("needle", "needle").remove(0);
    app.update(Msg::Resize(80, 24));
    assert!(tests::screen(&mut app, 80, 24, &tests::plain()).contains("needle"));
}

/// A screen's picture as one text.
fn picture(app: &mut App, columns: u16, rows: u16) -> String {
    app.update(Msg::Resize(columns, rows));
    tests::screen(app, columns, rows, &tests::plain())
}

#[test]
fn personal_values_are_on_no_screen_and_in_no_pop_up_until_they_are_revealed() {
    let needle = "Xq7needle";
    for (columns, rows) in [(80, 24), (130, 40), (200, 50)] {
        for number in 0..screens(needle, "word").len() {
            let mut app = screens(needle, "word").remove(number);
            app.shared.personal = unknown();
            let masked = picture(&mut app, columns, rows);
            assert!(!masked.contains("q7need"), "screen {number} at {columns}x{rows}:\n{masked}");
        }
    }
}

#[test]
fn what_is_masked_is_there_once_it_is_revealed() {
    let needle = "Xq7needle";
    // Pop-ups that show a value: each must, or the test above would prove nothing.
    let mut blind = Vec::new();
    for number in 0..screens(needle, "word").len() {
        let mut app = screens(needle, "word").remove(number);
        app.shared.personal = unknown();
        // Pickers hold their text since they were opened; the checklist holds no value.
        let other = app.overlays.iter().any(|overlay| matches!(overlay, Overlay::Pick(_)))
            || app.screen == ScreenId::Cutover
            || app.screens.sync.show_log
            || app.shared.sync_failed.is_some();
        app.shared.revealed = true;
        if !picture(&mut app, 200, 50).contains(needle) && !other {
            blind.push((number, picture(&mut app, 200, 50)));
        }
    }
    let shown: Vec<String> = blind.iter().map(|(number, text)| format!("{number}:\n{text}")).collect();
    assert!(blind.is_empty(), "{}", shown.join("\n"));
}
