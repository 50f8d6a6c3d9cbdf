#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use crm_core::journal::{MappingResult, Reject, RunState};
use crm_core::monitor::Progress;
use crm_core::plan::{Counts, Intent, Purpose};
use crm_core::score::Tally;

use super::*;
use crate::app::App;
use crate::app::msg::Msg;
use crate::app::overlay::Overlay;
use crate::app::screens::ScreenId;
use crate::app::tests::{answer, app, press};

/// A finished run of one mapping with two rejects.
pub(crate) fn record(id: &str) -> RunRecord {
    let counts = Counts {
        read: 10,
        inserted: 7,
        unchanged: 1,
        rejected: 2,
        before: 3,
        after: 10,
        native: Some(2),
        ..Counts::default()
    };
    RunRecord {
        id: id.into(),
        plan: "7f3ac2".into(),
        env: Some("sandbox".into()),
        state: RunState::Done,
        started: "2026-11-23T09:15:00Z".into(),
        ended: Some("2026-11-23T09:15:04Z".into()),
        pid: 4_711,
        owner: "ops from 10.0.0.7".into(),
        progress: Progress::default(),
        rate: 0.0,
        results: vec![MappingResult {
            mapping: "contacts".into(),
            to: "nova:contacts".into(),
            counts,
            closes: true,
            published: true,
            moved: 0,
            tally: Some(Tally { equal: 8, missing: 2, ..Tally::default() }),
            millis: 4_000,
            ..MappingResult::default()
        }],
        consistency: Some(0.8),
        failure: None,
        note: None,
        attempt: 1,
        asked: None,
        limit: None,
        workers: None,
        intent: Some(Intent::default()),
    }
}

pub(crate) fn reject(n: u64, cause: &str) -> Reject {
    Reject {
        n,
        kind: "rejected".into(),
        row: Some(n),
        line: n + 2,
        key: Some("C7".into()),
        field: Some("stage".into()),
        step: "values".into(),
        reason: "not in the value map".into(),
        cause: cause.into(),
        source: serde_json::from_str(r#"{"STG": "W", "NOTE": null}"#).unwrap(),
        raw: None,
        parent: None,
    }
}

/// The History screen with two runs.
pub(crate) fn with_runs() -> App {
    let mut app = app(&[("contacts", "from = \"a:b\"\n")]);
    press(&mut app, "6");
    app.update(Msg::Resize(80, 24));
    let mut runs = vec![record("20261123-091500-7f3ac2"), record("20261122-180000-aa00bb")];
    let taken_back = Purpose::Revert { run: "20261122-170000-0c0ffe".into() };
    runs[0].intent = Some(Intent { purpose: taken_back, ..Intent::default() });
    answer(&mut app, Lane::Runs, Ok(Answer::Runs(runs)));
    app
}

#[test]
fn a_run_is_opened_with_its_rejects_by_cause() {
    let mut app = with_runs();
    press(&mut app, "down enter");
    assert_eq!(app.screens.history.open.as_deref(), Some("20261122-180000-aa00bb"));
    let rejects =
        vec![reject(0, "stage: not in the value map"), reject(1, "stage: not in the value map"), reject(2, "other")];
    answer(&mut app, Lane::HistoryRejects, Ok(Answer::Rejects(Arc::new(rejects))));
    assert_eq!(app.screens.history.rejects.causes.len(), 2);
    assert_eq!(app.screens.history.rejects.causes[0].1.rows, [0, 1]);
    press(&mut app, "enter");
    let Some(Overlay::Text(title, lines, _)) = app.overlays.last() else { panic!("no overlay") };
    let lines: Vec<String> = lines.iter().map(|line| line.shown(true)).collect();
    assert!(title.shown(true).contains("stage") && lines.iter().any(|line| line.contains("(NULL)")), "{lines:?}");
    press(&mut app, "esc e");
    assert_eq!(app.screen, ScreenId::Map, "the field is mended on the map");
    press(&mut app, "6 q");
    assert!(app.screens.history.open.is_none());
}

#[test]
fn the_report_of_a_run_is_named_and_copied() {
    let mut app = with_runs();
    press(&mut app, "down R");
    let notice = app.shared.notice.as_ref().unwrap();
    assert!(notice.text.ends_with(".crm-console/runs/20261122-180000-aa00bb/report.html"), "{}", notice.text);
    app.shared.runs[0].state = RunState::Running;
    press(&mut app, "up R");
    assert!(app.shared.notice.as_ref().unwrap().text.contains("when the run has ended"));
}

#[test]
fn a_run_is_taken_back_by_a_plan_that_says_so_and_is_confirmed() {
    use crm_core::plan::{MappingPlan, Plan};
    let mut app = with_runs();
    press(&mut app, "down U");
    assert_eq!(app.screen, ScreenId::Diff);
    assert!(app.shared.jobs.contains_key(&Lane::Plan));
    let run = "20261122-180000-aa00bb".to_owned();
    let counts = Counts { read: 1, updated: 1, deleted: 2, before: 3, after: 1, ..Counts::default() };
    let plan = Plan {
        version: 1,
        id: "aa00bb112233".into(),
        env: None,
        mode: crm_core::project::Mode::Full,
        purpose: Purpose::Revert { run: run.clone() },
        created: "2026-11-23T10:00:00Z".into(),
        confirm: "nova".into(),
        mappings: vec![MappingPlan { counts, ..MappingPlan::empty("contacts") }],
    };
    answer(&mut app, Lane::Plan, Ok(Answer::Plan(Arc::new(plan))));
    let heading = app.screens.diff.heading(&app.shared);
    assert!(heading.starts_with(&format!("REVERT of run {run} -> nova")) && heading.len() < 80, "{heading}");
    let command = app.screens.diff.command(&app.shared).unwrap();
    assert_eq!(command, "migrate --plan aa00bb112233 --confirm nova");
    press(&mut app, "M");
    let Some(Overlay::Ask(question)) = app.overlays.last() else { panic!("no question") };
    assert_eq!(question.must_be.as_deref(), Some("nova"));
    let said = |line: usize| question.lines[line].shown(true);
    assert!(said(0).contains(&run) && said(1).contains("2 deletes"), "{:?}", question.lines);
}

#[test]
fn what_is_kept_to_take_a_run_back_is_told() {
    let mut app = with_runs();
    press(&mut app, "enter");
    assert!(app.shared.jobs.contains_key(&Lane::HistoryKept));
    answer(&mut app, Lane::HistoryKept, Ok(Answer::Kept("20261123-091500-7f3ac2".into(), 1_400_000)));
    assert_eq!(app.screens.history.kept, Some(("20261123-091500-7f3ac2".into(), 1_400_000)));
}
