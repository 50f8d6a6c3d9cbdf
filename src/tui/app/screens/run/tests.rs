#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use crm_core::journal::Command;
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
    assert_eq!(app.shared.active_runs(), 1);
    assert_eq!(RunScreen::eta(app.shared.run.as_ref().unwrap()), Some(12));
    app.update(Msg::Tick);
    answer(&mut app, Lane::Runs, Ok(Answer::Runs(vec![record("20261123-091500-7f3ac2")])));
    assert_eq!(app.shared.active_runs(), 0);
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
        effects.iter().any(
            |effect| matches!(effect, Effect::Ask(_, Request::Tell(run, Command::Cancel)) if run.starts_with("2026")),
        )
    };
    assert!(!asks(&press(&mut app, "c esc")));
    assert!(asks(&press(&mut app, "c y")));
    answer(&mut app, Lane::Stop, Ok(Answer::Told("asked the engine to end".into())));
    assert!(app.shared.jobs.contains_key(&Lane::Runs), "what comes of it is looked at at once");
}

/// The command that these effects send.
fn told(effects: &[Effect]) -> Option<Command> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ask(_, Request::Tell(_, command)) => Some(*command),
        _ => None,
    })
}

#[test]
fn a_run_is_paused_stopped_and_slowed_with_single_keys() {
    let mut app = watching();
    assert_eq!(told(&press(&mut app, "P")), Some(Command::Pause));
    assert_eq!(told(&press(&mut app, "R")), None, "it is not paused");
    let run = |app: &mut App, change: &dyn Fn(&mut RunRecord)| change(app.shared.run.as_mut().unwrap());
    run(&mut app, &|run| run.asked = Some(Command::Pause));
    assert!(app.screens.run.heading(&app.shared).contains("pausing"));
    assert_eq!(told(&press(&mut app, "R")), Some(Command::Resume), "a pause that has not come yet is taken back");
    run(&mut app, &|run| run.state = RunState::Paused);
    assert!(app.screens.run.heading(&app.shared).contains("paused"));
    assert_eq!(told(&press(&mut app, "P")), None);
    assert_eq!(told(&press(&mut app, "R")), Some(Command::Resume));
    assert_eq!(told(&press(&mut app, "s")), None, "a question comes first");
    assert_eq!(told(&press(&mut app, "y")), Some(Command::Stop));
    let typed = |app: &mut App, keys: &str| told(&press(app, keys));
    assert_eq!(typed(&mut app, "t ^U 5 0 0 enter"), Some(Command::Throttle(Some(500))));
    run(&mut app, &|run| run.limit = Some(500));
    assert_eq!(typed(&mut app, "t ^U o f f enter"), Some(Command::Throttle(None)));
    assert_eq!(typed(&mut app, "t ^U 0 enter"), None);
    assert!(app.shared.notice.as_ref().unwrap().text.contains("from 1 on"));
    assert_eq!(typed(&mut app, "w 4 enter"), Some(Command::Workers(4)));
}

#[test]
fn keys_are_offered_where_they_make_sense_and_an_ended_run_goes_on() {
    let mut app = watching();
    let offered = |app: &App| {
        [Action::PauseRun, Action::ResumeRun, Action::StopRun, Action::CancelRun, Action::ThrottleRun]
            .map(|action| app.screens.run.offers(action, &app.shared))
    };
    assert_eq!(offered(&app), [true, false, true, true, true]);
    app.shared.run.as_mut().unwrap().state = RunState::Verifying;
    assert_eq!(offered(&app), [false, false, true, true, true]);
    app.shared.run.as_mut().unwrap().state = RunState::Stopped;
    assert_eq!(offered(&app), [false, true, false, false, true]);
    assert_eq!(app.screens.run.command(&app.shared).unwrap(), "resume 20261123-091500-7f3ac2");
    assert_eq!(told(&press(&mut app, "R")), Some(Command::Resume));
    app.shared.run.as_mut().unwrap().state = RunState::Done;
    assert_eq!(offered(&app), [false; 5]);
}

#[test]
fn a_run_is_told_from_any_screen() {
    let mut app = watching();
    press(&mut app, "2");
    assert_eq!(app.screen, ScreenId::Map);
    app.act(Action::PauseRun);
    let effects = app.update(Msg::Tick);
    assert_eq!((told(&effects), app.screen), (Some(Command::Pause), ScreenId::Run));
}

#[test]
fn a_run_that_somebody_else_starts_is_seen_and_takes_no_screen() {
    let mut app = app(&[("contacts", "")]);
    answer(&mut app, Lane::Runs, Ok(Answer::Runs(vec![record("old")])));
    press(&mut app, "3");
    let idle = app.watch_every();
    assert!(app.update(Msg::Tick).iter().any(|effect| matches!(effect, Effect::Ask(_, Request::Runs))));
    answer(&mut app, Lane::Runs, Ok(Answer::Runs(vec![active(), record("old")])));
    assert_eq!((app.shared.active_runs(), app.screen), (1, ScreenId::Clean));
    assert!(app.watch_every() < idle);
    press(&mut app, "5");
    assert_eq!(app.shared.run.as_ref().unwrap().id, active().id, "the one at work is shown");
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
