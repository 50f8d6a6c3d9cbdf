#![allow(clippy::unwrap_used)]
use crm_core::plan::{Cause, FieldChange, Purpose};
use crm_core::platform::{Capabilities, ObjectVersion};
use crm_core::project::{Mode, ObjectRef};
use crm_core::workspace::recommend::{Advice, Cost, Facts, LedgerFacts, Rows as Amount, Strategy, Way};
use crm_core::workspace::{Against, AgainstMapping, AgainstRow, PlanCell, PlanRow, Sample};

use super::*;
use crate::app::App;
use crate::app::msg::{Effect, Msg};
use crate::app::overlay::Overlay;
use crate::app::screens::history::tests::reject;
use crate::app::tests::{answer, app, parse, press};

const MAPPING: &str = "from = \"legacy:contacts\"\nto = \"nova:contacts\"\nkey = [\"legacy_id\"]\n\n[fields]\nlegacy_id = \"ID\"\nphone = \"PHONE1\"\n";

/// A plan of one mapping.
pub(crate) fn plan() -> Plan {
    let counts = Counts {
        read: 4_112,
        inserted: 3_706,
        updated: 142,
        unchanged: 20,
        filtered: 92,
        merged: 118,
        held: 22,
        rejected: 12,
        native: Some(75),
        before: 237,
        after: 3_943,
        ..Counts::default()
    };
    let mapping = MappingPlan {
        mapping: "contacts".into(),
        from: "legacy:contacts".into(),
        to: ObjectRef { platform: "nova".into(), object: "contacts".into() },
        source_snapshot: "s".into(),
        target_snapshot: "t".into(),
        source_version: ObjectVersion::default(),
        target_version: ObjectVersion::default(),
        pipeline_hash: String::new(),
        facts_hash: String::new(),
        ops_hash: String::new(),
        counts,
        steps: Vec::new(),
        changes: vec![FieldChange { field: "phone".into(), changed: 98, kept: 4 }],
        causes: vec![Cause {
            cause: "stage: not in the value map".into(),
            field: Some("stage".into()),
            step: "values".into(),
            rows: 12,
        }],
        left_behind: Vec::new(),
        columns: vec!["phone".into()],
        write_rules: Vec::new(),
        here: Capabilities { write: true, atomic: true, revertible: true, ..Capabilities::default() },
        latches: Vec::new(),
        warnings: Vec::new(),
        blocked: Vec::new(),
        ..MappingPlan::empty("contacts")
    };
    Plan {
        version: 1,
        id: "7f3ac2".into(),
        env: Some("sandbox".into()),
        mode: Mode::Full,
        purpose: Purpose::Migrate,
        created: "2026-11-23T09:15:00Z".into(),
        confirm: "nova-sandbox".into(),
        mappings: vec![mapping],
    }
}

pub(crate) fn row(key: &str) -> PlanRow {
    let cell = |column: &str, old: Option<&str>, new: &str| PlanCell {
        column: column.into(),
        old: old.map(str::to_owned),
        new: Some(new.into()),
        changed: true,
        ..PlanCell::default()
    };
    let mut kept = cell("mobile", Some("+49170555"), "0170 555");
    kept.changed = false;
    kept.kept = Some("if_blank".into());
    PlanRow {
        operation: Some(Operation::Update),
        key: key.into(),
        source: Some((4, Some(6))),
        target: Some(7),
        cells: vec![cell("phone", Some("030 123456"), "+4930123456"), cell("owner_id", None, "9001"), kept],
        reason: None,
    }
}

/// The Diff screen with a plan and the rows of its updates.
pub(crate) fn planned(plan: Plan) -> App {
    let mut app = app(&[("contacts", MAPPING)]);
    app.update(Msg::Resize(80, 24));
    parse(&mut app);
    press(&mut app, "4 p");
    answer(&mut app, Lane::Plan, Ok(Answer::Plan(Arc::new(plan))));
    if app.shared.jobs.contains_key(&Lane::PlanRows) {
        answer(&mut app, Lane::PlanRows, Ok(Answer::PlanRows(vec![row("10442"), row("10443")], 142)));
    }
    app
}

#[test]
fn a_plan_opens_on_what_changes_and_the_counts_lead_to_their_rows() {
    let mut app = planned(plan());
    assert_eq!(app.screens.diff.operation(), Operation::Update);
    assert_eq!(app.screens.diff.rows.rows.len(), 2);
    press(&mut app, "left");
    assert_eq!(app.screens.diff.operation(), Operation::Insert);
    assert!(app.shared.jobs.contains_key(&Lane::PlanRows), "asks for the rows behind");
}

#[test]
fn rejects_come_by_cause_and_lead_to_the_field() {
    let mut app = planned(plan());
    press(&mut app, "right right right right right");
    assert_eq!(app.screens.diff.operation(), Operation::Rejected);
    let rejects = vec![reject(0, "stage: not in the value map"), reject(1, "stage: not in the value map")];
    answer(&mut app, Lane::PlanRejects, Ok(Answer::Rejects(Arc::new(rejects))));
    assert_eq!(app.screens.diff.rows.causes[0].rows.len(), 2);
    press(&mut app, "e");
    assert_eq!(app.screen, ScreenId::Map);
    press(&mut app, "4 r");
    assert_eq!(app.screen, ScreenId::Rejects);
    press(&mut app, "q");
    assert_eq!(app.screen, ScreenId::Diff);
}

#[test]
fn whoever_confirms_sees_what_is_left_behind_with_data_in_it() {
    let mut left = plan();
    let column = |name: &str, filled| crm_core::plan::LeftBehind { column: name.into(), filled };
    left.mappings[0].left_behind = vec![column("SCORE", 1_964), column("FAX", 9), column("X1", 2), column("X2", 1)];
    let mut app = planned(left);
    press(&mut app, "M");
    let Some(Overlay::Ask(question)) = app.overlays.last() else { panic!("it asks") };
    let lines: Vec<String> = question.lines.iter().map(|line| line.shown(true)).collect();
    let wanted = "contacts leaves behind what holds data: SCORE (1,964 rows), FAX (9 rows), X1 (2 rows) and 1 more.";
    assert!(lines.contains(&wanted.to_owned()), "{lines:?}");
}

#[test]
fn migrating_takes_the_targets_name_to_the_letter() {
    let mut app = planned(plan());
    press(&mut app, "M n o v a enter");
    assert!(!app.overlays.is_empty(), "not yet");
    let effects = press(&mut app, "- s a n d b o x enter");
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Ask(_, Request::Start(_, typed)) if typed == "nova-sandbox")),
        "{effects:?}"
    );
    answer(&mut app, Lane::Start, Ok(Answer::Started("r1".into())));
    assert_eq!(app.screen, ScreenId::Run);
    assert!(app.screens.diff.stale);
}

#[test]
fn a_blocked_or_stale_plan_is_not_run() {
    let mut blocked = plan();
    blocked.mappings[0].blocked = vec![crm_core::plan::Blocked {
        data: true,
        reason: "12 rejects are over error_budget".into(),
        advice: "mend them".into(),
    }];
    let mut app = planned(blocked);
    press(&mut app, "M");
    assert!(app.overlays.is_empty());
    assert!(app.shared.notice.as_ref().unwrap().text.contains("error_budget"));
    let mut app = planned(plan());
    app.shared.edit("test", "from = \"a:c\"\n");
    press(&mut app, "M");
    assert!(app.overlays.is_empty());
    assert!(app.shared.notice.as_ref().unwrap().text.contains("changed since"));
}

/// What these effects ask to be planned.
fn asked(effects: &[Effect]) -> Option<PlanAsk> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ask(_, Request::Plan(ask)) => Some(ask.clone()),
        _ => None,
    })
}

#[test]
fn a_plan_is_made_incrementally_in_full_or_of_a_sample_and_its_command_says_so() {
    let mut app = planned(plan());
    let command = |app: &App| app.command().unwrap().replace("crm-console -C '' ", "");
    assert_eq!(command(&app), "plan; migrate --plan 7f3ac2 --confirm nova-sandbox");
    assert_eq!(asked(&press(&mut app, "F")).unwrap().mode, Some(Mode::Full));
    assert_eq!(asked(&press(&mut app, "i")).unwrap().mode, Some(Mode::Incremental));
    assert_eq!(command(&app), "plan; migrate --plan 7f3ac2 --confirm nova-sandbox", "of the plan that is shown");
    let changed = Plan { id: "aa00bb".into(), mode: Mode::Incremental, ..plan() };
    answer(&mut app, Lane::Plan, Ok(Answer::Plan(Arc::new(changed))));
    assert!(app.screens.diff.heading(&app.shared).contains("  incremental  "), "the heading says what it is");
    assert_eq!(command(&app), "plan --mode incremental; migrate --plan aa00bb --confirm nova-sandbox");

    assert!(asked(&press(&mut app, "s")).is_none(), "how many is asked first");
    let ask = asked(&press(&mut app, "^U 5 0 space c o n t a c t s enter")).unwrap();
    assert_eq!(ask.sample, Some(Sample { roots: 50, mapping: Some("contacts".into()) }));
    let by = "a sample of 50 contacts with all that links to them".to_owned();
    let mut some = plan();
    some.mappings[0].selection = crm_core::plan::Selection::Chosen { by, count: 50 };
    answer(&mut app, Lane::Plan, Ok(Answer::Plan(Arc::new(some))));
    assert!(app.screens.diff.heading(&app.shared).contains("sample of 50 contacts"));
    assert_eq!(command(&app), "plan --sample 50 --of contacts; migrate --plan 7f3ac2 --confirm nova-sandbox");
    for (typed, told) in [("^U 0", "from 1 on"), ("^U m a n y", "from 1 on"), ("^U 5 space d e a l s", "no mapping")] {
        assert!(asked(&press(&mut app, &format!("s {typed} enter"))).is_none());
        assert!(app.shared.notice.as_ref().unwrap().text.contains(told), "{typed}");
    }
}

#[test]
fn unsaved_edits_are_saved_before_an_incremental_plan_and_the_palette_makes_one_from_anywhere() {
    let mut app = planned(plan());
    press(&mut app, "2");
    app.shared.edit("test", "from = \"a:c\"\n");
    app.act(Action::PlanIncremental);
    let effects = app.update(Msg::Tick);
    assert_eq!(app.screen, ScreenId::Diff);
    assert!(asked(&effects).is_none() && app.shared.jobs.contains_key(&Lane::Save));
    let effects = answer(&mut app, Lane::Save, Ok(Answer::Saved(Vec::new(), Box::default())));
    assert_eq!(asked(&effects).unwrap().mode, Some(Mode::Incremental));
}

/// What is recommended for a mapping that was never run.
pub(crate) fn recommendation() -> Recommendation {
    let way = |strategy, not: Option<&str>, words: &str| Way {
        strategy,
        not: not.map(str::to_owned),
        cost: Cost { words: words.into(), ..Cost::default() },
    };
    let rows = |count| Amount { count: Some(count), exact: true, basis: "counted".into() };
    Recommendation {
        env: None,
        strategy: Strategy::Sample,
        mappings: Vec::new(),
        workers: 2,
        rehearse: Some("sandbox".into()),
        advice: vec![Advice {
            mapping: "contacts".into(),
            from: "legacy:contacts".into(),
            to: "nova:contacts".into(),
            strategy: Strategy::Sample,
            workers: 2,
            why: vec!["nothing of it was run here yet: a few records show whether the rules are right".into()],
            ways: vec![
                way(Strategy::Sample, None, "goes over both sides once and the source once more; about 4 s"),
                way(Strategy::Full, None, "compares both sides whole; writes 400,112 rows at most; about 10 s"),
                way(Strategy::Hash, Some("there is no ledger yet: the next run of all of it makes it"), ""),
                way(Strategy::Cursor, Some("no cursor is set: UPDATED_AT may be one"), ""),
            ],
            cursors: Vec::new(),
            write: vec!["cursor = \"UPDATED_AT\"".into(), "overlap = \"5m\"".into()],
            facts: Facts {
                source: rows(400_112),
                target: rows(4_357),
                ledger: LedgerFacts::default(),
                atomic: true,
                revertible: true,
                limit: Some("one writer, workers prepare ahead".into()),
                basis: "an assumption of 100,000 rows/s planned and 50,000 rows/s written".into(),
                ..Facts::default()
            },
        }],
    }
}

/// The Diff screen with that recommendation on top.
pub(crate) fn advised() -> App {
    let mut app = planned(plan());
    press(&mut app, "a");
    answer(&mut app, Lane::Advice, Ok(Answer::Advice(Arc::new(recommendation()))));
    app
}

#[test]
fn a_recommendation_is_taken_with_enter_or_left_for_another_way() {
    let mut app = advised();
    let Some(Overlay::Offer(offer)) = app.overlays.last() else { panic!("no offer") };
    assert_eq!(offer.choices.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ['s', 'i', 'F']);
    press(&mut app, "down x");
    assert_eq!(app.overlays.len(), 1, "a slip does not lose it");
    let ask = asked(&press(&mut app, "enter")).unwrap();
    assert_eq!((ask.sample.map(|sample| sample.roots), ask.workers), (Some(20), Some(2)));
    assert!(app.overlays.is_empty());
    let mut app = advised();
    assert_eq!(asked(&press(&mut app, "F")).unwrap(), strategy::of_mode(Mode::Full));
    let mut app = advised();
    assert!(asked(&press(&mut app, "esc")).is_none() && app.overlays.is_empty());
}

/// The Diff screen with a comparison on top.
pub(crate) fn compared() -> App {
    let mut app = planned(plan());
    press(&mut app, "d");
    let counts = plan().mappings[0].counts;
    let row = |key: &str, before, now| AgainstRow { key: key.into(), before, now };
    let part = AgainstMapping {
        mapping: "contacts".into(),
        before: Counts { inserted: 3_700, updated: 148, ..counts },
        now: counts,
        causes: vec![("stage: not in the value map".into(), 20, 12)],
        appeared: 6,
        operation: 1,
        rows: vec![
            row("10442", Some(Operation::Rejected), Some(Operation::Update)),
            row("10777", None, Some(Operation::Insert)),
        ],
        ..AgainstMapping::default()
    };
    let against = Against {
        plan: "7f3ac2".into(),
        other: "aa00bb".into(),
        created: "2026-11-22T18:00:00Z".into(),
        mappings: vec![part],
    };
    answer(&mut app, Lane::Against, Ok(Answer::Against(Box::new(against))));
    app
}

#[test]
fn what_is_other_than_in_the_plan_before_is_shown_with_its_rows() {
    let mut app = compared();
    let Some(Overlay::Text(_, lines, _)) = app.overlays.last() else { panic!("no overlay") };
    let text: Vec<String> = lines.iter().map(|line| line.shown(true)).collect();
    let has = |words: &str| text.iter().any(|line| line.contains(words));
    assert!(has("6 rows new, 0 gone, 1 with another operation") && has("20 -> 12 rows: stage"), "{text:?}");
    assert!(
        has("10442: rejected -> update") && has("10777: not there -> insert") && has("and 5 more rows"),
        "{text:?}"
    );
    press(&mut app, "esc d");
    // A comparison of a plan that is not shown any more says nothing.
    app.shared.plan = Some(Arc::new(Plan { id: "cc00dd".into(), ..plan() }));
    let late = Against { plan: "7f3ac2".into(), other: "aa00bb".into(), created: String::new(), mappings: Vec::new() };
    answer(&mut app, Lane::Against, Ok(Answer::Against(Box::new(late))));
    assert!(app.overlays.is_empty());
}
