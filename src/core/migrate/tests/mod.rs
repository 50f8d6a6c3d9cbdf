#![allow(clippy::unwrap_used)]
mod crash;
mod fixture;
mod piecemeal;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::fixture::{Fixture, Spec, table, text_of};
use crate::error::Kind;
use crate::journal::{Event, Reject, RunLog, read_rejects, rejects_file};
use crate::monitor::{Monitor, Progress, Silent};
use crate::platform::Connector;
use crate::platform::memory::{Faults, Memory};
use crate::project::Bound;
use crate::table::Snapshot;

const ACCOUNTS: Spec = Spec { name: "accounts", columns: &["legacy_id", "name"], links: &[], deletes: false };
const CONTACTS: Spec = Spec {
    name: "contacts",
    columns: &["legacy_id", "name", "company"],
    links: &[("company", "accounts")],
    deletes: true,
};

/// Accounts: one there and other, one there and alike, one new, one native. Contacts: three new, one to delete.
fn fixture() -> Fixture {
    let legacy = table(Memory::new(), "accounts", "legacy_id name\nA1 Acme\nA2 Bolt\nA3 Core");
    let legacy = table(legacy, "contacts", "legacy_id name company\nC1 Ann A3\nC2 Bob A1\nC3 Cyd -");
    let nova = table(Memory::new(), "accounts", "id legacy_id name\n70 A1 acme\n71 A2 Bolt\n72 - native");
    let nova = table(nova, "contacts", "id legacy_id name company\n5 C9 Old 70");
    Fixture::new(legacy, nova.with_identity("accounts", "id").with_identity("contacts", "id"))
}

#[test]
fn a_run_writes_what_was_planned_and_the_crosswalk_learns() {
    let fixture = fixture();
    let plan = fixture.plan("p1", &[ACCOUNTS, CONTACTS]);
    let done = fixture.run("r1", &plan);
    assert!(done.ended.error.is_none(), "{:?}", done.ended.error);
    assert_eq!(text_of(&fixture.nova, "accounts"), ["70 A1 Acme", "71 A2 Bolt", "72 - native", "4 A3 Core"]);
    assert_eq!(text_of(&fixture.nova, "contacts"), ["2 C1 Ann 4", "3 C2 Bob 70", "4 C3 Cyd -"]);
    for (result, planned) in done.ended.results.iter().zip(&plan.mappings) {
        assert!(result.closes && result.published);
        assert_eq!(result.counts, planned.counts);
    }
    let crosswalk = fixture.state.crosswalk(None).unwrap();
    let ids = crosswalk.get_many("nova:accounts", ["A1", "A2", "A3"]).unwrap();
    assert_eq!(ids, [Some("70".into()), Some("71".into()), Some("4".into())]);
    assert_eq!(crosswalk.count("nova:contacts").unwrap(), 3);
    let events = RunLog::read(&done.dir).unwrap();
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| match event {
            Event::Begun { .. } => "begun",
            Event::Batch { .. } => "batch",
            Event::Intent { .. } => "intent",
            Event::Published { .. } => "published",
            Event::Crosswalk { .. } => "crosswalk",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds[1..7], ["begun", "batch", "batch", "intent", "published", "crosswalk"]);
}

#[test]
fn the_same_again_changes_nothing() {
    let fixture = fixture();
    fixture.run("r1", &fixture.plan("p1", &[ACCOUNTS, CONTACTS]));
    let before = (text_of(&fixture.nova, "accounts"), text_of(&fixture.nova, "contacts"));
    let plan = fixture.plan("p2", &[ACCOUNTS, CONTACTS]);
    assert!(plan.mappings.iter().all(|mapping| mapping.counts.is_noop()));
    let done = fixture.run("r2", &plan);
    assert!(done.ended.error.is_none());
    assert!(done.ended.results.iter().all(|result| result.closes && result.counts.unchanged == result.counts.read));
    assert_eq!((text_of(&fixture.nova, "accounts"), text_of(&fixture.nova, "contacts")), before);
}

#[test]
fn a_row_that_moved_is_held_and_never_overwritten() {
    let fixture = fixture();
    let plan = fixture.plan("p1", &[ACCOUNTS]);
    assert!(fixture.nova.edit("accounts", 0, "name", Some("edited")));
    let done = fixture.run("r1", &plan);
    let result = &done.ended.results[0];
    assert!(done.ended.error.is_none() && result.closes);
    assert_eq!((result.moved, result.counts.held, result.counts.updated, result.counts.inserted), (1, 1, 0, 1));
    assert_eq!(text_of(&fixture.nova, "accounts")[0], "70 A1 edited");
    let rejects = outcome_rejects(&done.dir, "accounts");
    assert_eq!((rejects.len(), rejects[0].kind.as_str(), rejects[0].key.as_deref()), (1, "held", Some("A1")));
    assert_eq!(done.ended.reports[0].causes[0].cause, "changed since the plan");
}

#[test]
fn a_target_that_is_gone_or_new_is_refused() {
    let fixture = fixture();
    let mut plan = fixture.plan("p1", &[ACCOUNTS]);
    plan.mappings[0].target_version.exists = false;
    let done = fixture.run("r1", &plan);
    assert_eq!(done.ended.error.unwrap().kind(), Kind::Refused);
    assert!(done.ended.moved);
    assert_eq!(text_of(&fixture.nova, "accounts").len(), 3);
}

#[test]
fn another_source_snapshot_is_refused() {
    let fixture = fixture();
    let plan = fixture.plan("p1", &[ACCOUNTS]);
    std::fs::remove_dir_all(&plan.mappings[0].source_snapshot).unwrap();
    let done = fixture.run("r1", &plan);
    assert_eq!(done.ended.error.unwrap().kind(), Kind::Refused);
    assert_eq!(text_of(&fixture.nova, "accounts").len(), 3);
}

fn outcome_rejects(dir: &std::path::Path, mapping: &str) -> Vec<Reject> {
    read_rejects(&rejects_file(dir, mapping)).unwrap().collect::<crate::Result<_>>().unwrap()
}

fn refusing(name: &'static str) -> Faults {
    let refuse = move |row: &Vec<Option<String>>| {
        row.contains(&Some(name.to_owned())).then(|| format!("UNIQUE constraint failed: '{name}'"))
    };
    Faults { refuse: Some(Arc::new(refuse)), ..Faults::default() }
}

#[test]
fn refused_rows_are_kept_whole_and_take_their_children_with_them() {
    let fixture = fixture();
    let plan = fixture.plan("p1", &[ACCOUNTS, CONTACTS]);
    fixture.nova.break_with(refusing("Core"));
    let nova: Arc<dyn Connector> = Arc::new(fixture.nova.clone());
    let done = fixture.run_with("r1", &plan, &Silent, Bound::Count(1), &nova);
    assert!(done.ended.error.is_none(), "{:?}", done.ended.error);
    let (accounts, contacts) = (&done.ended.results[0], &done.ended.results[1]);
    assert_eq!((accounts.counts.rejected, accounts.counts.inserted, accounts.closes), (1, 0, true));
    assert_eq!((contacts.counts.rejected, contacts.counts.inserted, contacts.closes), (1, 2, true));
    let reject = &outcome_rejects(&done.dir, "accounts")[0];
    assert_eq!(
        (reject.row, reject.step.as_str(), reject.cause.as_str()),
        (Some(2), "platform", "platform: UNIQUE constraint failed: '…'")
    );
    assert_eq!(reject.source["name"], "Core");
    let reject = &outcome_rejects(&done.dir, "contacts")[0];
    assert_eq!(
        (reject.field.as_deref(), reject.cause.as_str()),
        (Some("company"), "company: parent rejected (accounts)")
    );
    assert_eq!(text_of(&fixture.nova, "contacts"), ["2 C2 Bob 70", "3 C3 Cyd -"]);
}

#[test]
fn over_the_error_budget_nothing_is_published() {
    let fixture = fixture();
    let before = text_of(&fixture.nova, "accounts");
    let plan = fixture.plan("p1", &[ACCOUNTS, CONTACTS]);
    fixture.nova.break_with(refusing("Core"));
    let done = fixture.run("r1", &plan);
    assert_eq!(done.ended.error.as_ref().unwrap().kind(), Kind::Data);
    assert_eq!(done.ended.results.len(), 1);
    let result = &done.ended.results[0];
    assert!(!result.published && !result.closes);
    assert_eq!((result.counts.rejected, result.counts.updated), (1, 0));
    assert_eq!(text_of(&fixture.nova, "accounts"), before);
    assert_eq!(fixture.state.crosswalk(None).unwrap().count("nova:accounts").unwrap(), 0);
}

/// Cancels at the n-th question.
struct CancelsAt(AtomicU64);

impl Monitor for CancelsAt {
    fn report(&self, _: Progress) {}
    fn cancelled(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(1))) == Ok(0)
    }
}

#[test]
fn a_cancel_leaves_each_target_old_or_new() {
    let fixture = fixture();
    let (accounts, contacts) = (text_of(&fixture.nova, "accounts"), text_of(&fixture.nova, "contacts"));
    let mut seen = std::collections::BTreeSet::new();
    for at in 0.. {
        let fixture = self::fixture();
        let plan = fixture.plan("p1", &[ACCOUNTS, CONTACTS]);
        let monitor = CancelsAt(AtomicU64::new(at));
        let nova: Arc<dyn Connector> = Arc::new(fixture.nova.clone());
        let done = fixture.run_with("r1", &plan, &monitor, Bound::Count(0), &nova);
        let now = (text_of(&fixture.nova, "accounts"), text_of(&fixture.nova, "contacts"));
        let published = done.ended.results.iter().filter(|result| result.published).count();
        seen.insert(published);
        match published {
            0 => assert_eq!(now, (accounts.clone(), contacts.clone())),
            1 => assert_eq!((now.0.len(), &now.1), (4, &contacts)),
            _ => assert_eq!((now.0.len(), now.1.len()), (4, 3)),
        }
        let Some(error) = done.ended.error else { break };
        assert_eq!(error.kind(), Kind::Stopped);
        assert!(at < 1_000);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn links_within_a_mapping_are_amended() {
    const PEOPLE: Spec =
        Spec { name: "people", columns: &["legacy_id", "boss"], links: &[("boss", "people")], deletes: false };
    let legacy = table(Memory::new(), "people", "legacy_id boss\nP1 P3\nP2 P1\nP3 -\nP4 P9");
    let nova = table(Memory::new(), "people", "id legacy_id boss\n40 P2 -");
    let fixture = Fixture::new(legacy, nova.with_identity("people", "id"));
    let plan = fixture.plan("p1", &[PEOPLE]);
    let done = fixture.run("r1", &plan);
    assert!(done.ended.error.is_none(), "{:?}", done.ended.error);
    assert_eq!(text_of(&fixture.nova, "people"), ["40 P2 2", "2 P1 3", "3 P3 -", "4 P4 -"]);
    assert_eq!(done.ended.reports[0].links_left, 1, "P9 was never there");
}

#[test]
fn links_that_go_round_are_filled_by_the_next_run() {
    const A: Spec = Spec { name: "a", columns: &["legacy_id", "b"], links: &[("b", "b")], deletes: false };
    const B: Spec = Spec { name: "b", columns: &["legacy_id", "a"], links: &[("a", "a")], deletes: false };
    let legacy = table(table(Memory::new(), "a", "legacy_id b\n1 1"), "b", "legacy_id a\n1 1");
    let nova = table(table(Memory::new(), "a", "id legacy_id b"), "b", "id legacy_id a\n9 x -");
    let fixture = Fixture::new(legacy, nova.with_identity("a", "id").with_identity("b", "id"));
    let done = fixture.run("r1", &fixture.plan("p1", &[A, B]));
    assert!(done.ended.error.is_none());
    assert_eq!(done.ended.reports[0].links_left, 1);
    assert_eq!(text_of(&fixture.nova, "a"), ["1 1 -"]);
    fixture.run("r2", &fixture.plan("p2", &[A, B]));
    assert_eq!(
        (text_of(&fixture.nova, "a"), text_of(&fixture.nova, "b")),
        (vec!["1 1 2".to_owned()], vec!["9 x -".to_owned(), "2 1 1".to_owned()])
    );
}

#[test]
fn pre_images_hold_the_rows_as_they_were() {
    let fixture = fixture();
    let done = fixture.run("r1", &fixture.plan("p1", &[ACCOUNTS, CONTACTS]));
    let read = |name: &str| {
        let path = done.dir.join("preimages").join(format!("{name}.parquet"));
        let store = crate::plan::ops::Store::open(&path).unwrap();
        let frame = store.slice(0, 10, None).unwrap();
        let cell = |column: &str| frame.column(column).unwrap().str().unwrap().get(0).unwrap().to_owned();
        (frame.height(), cell(super::preimages::KIND), cell("id"), cell("name"))
    };
    assert_eq!(read("accounts"), (1, "update".into(), "70".into(), "acme".into()));
    assert_eq!(read("contacts"), (1, "delete".into(), "5".into(), "Old".into()));
    assert!(Snapshot::open(&done.dir).is_err());
}

#[test]
fn a_lost_platform_ends_the_run_and_the_target_is_as_it_was() {
    let fixture = fixture();
    let before = text_of(&fixture.nova, "accounts");
    let plan = fixture.plan("p1", &[ACCOUNTS, CONTACTS]);
    for (id, faults) in [
        ("r1", Faults { publish: true, ..Faults::default() }),
        ("r2", Faults { write_after: Some(1), ..Faults::default() }),
        ("r3", Faults { lost: true, ..Faults::default() }),
    ] {
        fixture.nova.break_with(faults);
        let done = fixture.run(id, &plan);
        assert_eq!(done.ended.error.unwrap().kind(), Kind::Platform);
        assert!(!done.ended.results[0].published);
        assert_eq!(text_of(&fixture.nova, "accounts"), before);
    }
}
