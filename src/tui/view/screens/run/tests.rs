#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use crm_core::journal::RunState;
use crm_core::monitor::Progress;

use crate::app::App;
use crate::app::msg::{Answer, Lane, Msg};
use crate::app::screens::history::tests::{record, reject};
use crate::app::screens::run::tests::watching;
use crate::app::tests::{answer, app, press};
use crate::view::tests::{plain, screen};

#[test]
fn a_run_at_work_and_its_end() {
    let mut app = watching();
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    insta::assert_snapshot!(screen(&mut app, 120, 40, &plain()));
    app.shared.run = Some(record("20261123-091500-7f3ac2"));
    press(&mut app, "down");
    let rejects = vec![reject(0, "stage: not in the value map"), reject(1, "company: parent rejected (accounts)")];
    answer(&mut app, Lane::RunRejects, Ok(Answer::Rejects(Arc::new(rejects))));
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
}

#[test]
fn no_run_says_what_to_do() {
    let mut app = app(&[]);
    press(&mut app, "5");
    assert!(screen(&mut app, 80, 24, &plain()).contains("p makes a plan"));
    assert_eq!([super::duration(59), super::duration(187), super::duration(3_720)], ["59s", "3m07s", "1h02m"]);
}

/// A run in a state, after so many of its mappings.
fn in_state(state: RunState, note: Option<&str>, published: bool) -> App {
    let mut app = watching();
    let mut run = record("20261123-091500-7f3ac2");
    run.state = state;
    run.note = note.map(str::to_owned);
    run.results[0].published = published;
    if !published {
        run.results[0].tally = None;
        run.consistency = None;
    }
    if !state.is_final() {
        run.ended = None;
    }
    let rejects = run.results.len();
    app.update(Msg::Tick);
    answer(&mut app, Lane::Runs, Ok(Answer::Runs(vec![run])));
    for _ in 0..rejects {
        if app.shared.jobs.contains_key(&Lane::RunRejects) {
            answer(&mut app, Lane::RunRejects, Ok(Answer::Rejects(Arc::default())));
        }
    }
    app
}

/// Each of these words stands on a screen of 80 by 24.
#[track_caller]
fn tells(app: &mut App, words: &[&str]) {
    let shown = screen(app, 80, 24, &plain());
    for word in words {
        assert!(shown.contains(word), "{word:?} is missing:\n{shown}");
    }
}

#[test]
fn a_run_that_is_being_verified() {
    let mut app = in_state(RunState::Verifying, None, true);
    let run = app.shared.run.as_mut().unwrap();
    run.progress = Progress { step: "verifying nova:contacts".into(), done: 500, total: Some(4_000) };
    tells(&mut app, &["verifying nova:contacts", "500 of 4,000", "12.50 %", "c cancel"]);
}

#[test]
fn a_run_that_failed_says_why_and_what_to_do() {
    let note = "nova.db: the database cannot be written: no space left on device\nmake room, then run the plan again";
    let mut app = in_state(RunState::Failed, Some(note), false);
    tells(&mut app, &["failed", "no space left on device", "make room", "not published, as it was"]);
}

#[test]
fn a_run_that_was_cancelled_and_one_whose_engine_died() {
    let cancelled = "cancelled\nnothing was published";
    let mut app = in_state(RunState::Cancelled, Some(cancelled), false);
    tells(&mut app, &[RunState::Cancelled.word(), "nothing was published", "not published, as it was"]);
    let crashed = "the engine ended without a word\nnova:contacts is as it was before";
    let mut app = in_state(RunState::Crashed, Some(crashed), false);
    tells(&mut app, &[RunState::Crashed.word(), "the engine ended without a word", "is as it was before"]);
}
