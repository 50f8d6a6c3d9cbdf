#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use crm_core::monitor::Progress;

use super::*;
use crate::app::App;
use crate::app::msg::{Effect, Msg};
use crate::app::screens::history::tests::{record, reject};
use crate::app::tests::{answer, app, press};

/// A run at work.
pub(crate) fn active() -> RunRecord {
    let mut run = record("20261123-091500-7f3ac2");
    run.state = RunState::Running;
    run.ended = None;
    run.consistency = None;
    run.results.clear();
    run.progress = Progress { step: "writing nova:contacts".into(), done: 12_000, total: Some(60_000) };
    run.rate = 4_000.0;
    run
}

/// The console opened while that run is at work.
pub(crate) fn watching() -> App {
    let mut app = app(&[]);
    answer(&mut app, Lane::Runs, Ok(Answer::Runs(vec![active()])));
    app
}

#[test]
fn opening_while_a_run_is_at_work_shows_it_and_follows_it_to_its_end() {
    let mut app = watching();
    assert_eq!(app.screen, ScreenId::Run);
    assert!(app.watches());
    assert_eq!(RunScreen::eta(app.shared.run.as_ref().unwrap()), Some(12));
    app.update(Msg::Tick);
    answer(&mut app, Lane::Runs, Ok(Answer::Runs(vec![record("20261123-091500-7f3ac2")])));
    assert!(!app.watches());
    let told = app.shared.notice.as_ref().unwrap();
    assert!(told.text.contains("2 rows were left out"), "{}", told.text);
    let rejects = vec![reject(0, "stage: not in the value map"), reject(1, "stage: not in the value map")];
    answer(&mut app, Lane::RunRejects, Ok(Answer::Rejects(Arc::new(rejects))));
    assert_eq!(app.screens.run.rejects.causes[0].1.rows.len(), 2);
    // The end is told once.
    press(&mut app, "down");
    assert!(app.shared.notice.is_none());
}

#[test]
fn a_run_is_cancelled_only_after_a_question() {
    let mut app = watching();
    let asks = |effects: &[Effect]| {
        effects.iter().any(|effect| matches!(effect, Effect::Ask(_, Request::Stop(run)) if run.starts_with("2026")))
    };
    assert!(!asks(&press(&mut app, "c esc")));
    assert!(asks(&press(&mut app, "c y")));
    assert!(app.screens.run.stopping);
    answer(&mut app, Lane::Stop, Ok(Answer::Stopping));
}

#[test]
fn a_cause_leads_to_its_field_on_the_map() {
    let mut app = app(&[("contacts", "")]);
    app.shared.run = Some(record("r"));
    press(&mut app, "5");
    answer(&mut app, Lane::RunRejects, Ok(Answer::Rejects(Arc::new(vec![reject(0, "stage: not in the value map")]))));
    press(&mut app, "enter");
    assert!(matches!(app.overlays[..], [Overlay::Text(..)]));
    press(&mut app, "esc e");
    assert_eq!(app.screen, ScreenId::Map);
}

#[test]
fn the_newest_run_is_shown_when_none_is_at_work() {
    let mut app = app(&[]);
    answer(&mut app, Lane::Runs, Ok(Answer::Runs(vec![record("new"), record("old")])));
    assert_eq!(app.screen, ScreenId::Map, "a run that has ended takes nobody's screen");
    press(&mut app, "5");
    assert_eq!(app.shared.run.as_ref().unwrap().id, "new");
    // A run was just started: not the old one, while the new one is asked for.
    app.shared.run = None;
    app.shared.ask(Lane::Run, "", Request::Run("newest".into()));
    app.update(Msg::Tick);
    assert!(app.shared.run.is_none());
}
