#![allow(clippy::unwrap_used)]
use crm_core::plan::{Cause, FieldChange, Purpose};
use crm_core::platform::{Capabilities, ObjectVersion};
use crm_core::project::{Mode, ObjectRef};
use crm_core::workspace::{PlanCell, PlanRow};

use super::*;
use crate::app::App;
use crate::app::msg::{Effect, Msg};
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
        native: 75,
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
