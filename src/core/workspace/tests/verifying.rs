//! Verify record by record: which state each is in, and records that share a key.
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::bench::{Bench, table};
use super::properties::config;
use crate::migrate::{RecordState, States};
use crate::monitor::{CancelFlag, Silent};
use crate::plan::Plan;
use crate::score::Tally;
use crate::workspace::{VerifyRequest, Workspace};

const PEOPLE: &str = "from = \"old:people\"\nto = \"new:people\"\nkey = [\"id\"]\nscope = \"city = 'x'\"\n\
                      target_only = \"delete\"\n[fields]\nid = \"ID\"\nname = \"NAME\"\n[run]\nmax_deletes = \"100%\"\n";

fn run(workspace: &Workspace, plan: &Plan) -> Tally {
    let record = workspace.create_run(plan, &plan.confirm).unwrap();
    let record = workspace.execute_run(&record.id, &CancelFlag::default()).unwrap();
    record.results[0].tally.unwrap_or_else(|| panic!("{:?}", record.note))
}

#[test]
fn a_native_that_shares_the_key_of_a_deleted_row_is_not_extra() {
    // The same cells in all mapped columns, other cells, and a row without a key.
    let target = "id,name,city\n1,a,x\n1,a,y\n2,b,x\n2,c,z\n-,d,x\n-,d,y\n9,i,x";
    let bench = Bench::new(&[("people", PEOPLE)]).old("people", "ID,NAME\n9,i").new_side("people", target);
    let plan = bench.plan();
    assert_eq!(plan.mappings[0].counts.deleted, 3);
    let before = bench.open().verify(&plan, &Silent).unwrap()[0].tally.unwrap();
    assert_eq!((before.equal, before.extra), (1, 3), "they are extra as long as they are there");
    assert_eq!(run(&bench.open(), &plan), Tally { equal: 1, ..Tally::default() });
    // One that comes back is extra again, its native neighbours are not.
    table(bench.new.clone(), "people", "id,name,city\n1,a,y\n2,c,z\n-,d,y\n9,i,x\n1,a,x");
    let after = bench.open().verify(&plan, &Silent).unwrap()[0].tally.unwrap();
    assert_eq!((after.equal, after.extra), (1, 1));
}

#[test]
fn each_record_has_a_state_and_tells_only_the_columns_that_differ() {
    let mapping = "from = \"old:people\"\nto = \"new:people\"\nkey = [\"id\"]\nscope = \"id IS NOT NULL\"\n[fields]\nid = \"ID\"\n\
                   name = { from = \"NAME\", on_null = \"reject\" }\ncity = \"CITY\"\n[run]\nerror_budget = \"100%\"\n";
    let bench = Bench::new(&[("people", mapping)])
        .old("people", "ID,NAME,CITY\n1,a,x\n2,b,x\n3,c,x\n4,-,x")
        .new_side("people", "id,name,city");
    let plan = bench.plan();
    let tally = run(&bench.open(), &plan);
    assert_eq!((tally.equal, tally.missing), (3, 1));
    table(bench.new.clone(), "people", "id,name,city\n1,a,x\n3,c,elsewhere\n7,q,q");
    let request = VerifyRequest { values: 1, ..VerifyRequest::default() };
    let proof = bench.open().prove(&plan, request, &Silent).unwrap().remove(0);
    let wanted =
        States { validated: 1, mismatched: 1, missing_target: 1, missing_source: 1, suspended: 1, ..States::default() };
    assert_eq!(proof.result.states, Some(wanted));
    let find = |state| proof.failures.iter().find(|failure| failure.state == state).unwrap();
    assert_eq!(find(RecordState::MissingTarget).key, "2");
    assert_eq!(find(RecordState::MissingSource).key, "7");
    assert_eq!(find(RecordState::Suspended).key, "4");
    let different = find(RecordState::Mismatched);
    assert_eq!((different.key.as_str(), &different.columns[..]), ("3", &["city".to_owned()][..]));
    // What is kept holds no cells.
    let kept = bench.open().failures(&plan.id, "people", 0, 10).unwrap();
    assert_eq!(kept.len(), proof.failures.len());
    assert!(kept.iter().all(|failure| failure.cells.is_empty()));
    let text = std::fs::read_to_string(
        bench.root.path().join(".crm-console/plans").join(&plan.id).join("people.verify.ndjson"),
    );
    assert!(!text.unwrap().contains("elsewhere"));
    assert_eq!(bench.open().failures(&plan.id, "people", 1, 1).unwrap(), kept[1..2]);
}

#[test]
fn cells_are_told_where_they_are_asked_for() {
    let mapping =
        "from = \"old:people\"\nto = \"new:people\"\nkey = [\"id\"]\n[fields]\nid = \"ID\"\nname = \"NAME\"\n";
    let bench = Bench::new(&[("people", mapping)])
        .old("people", "ID,NAME\n1,a\n2,b")
        .new_side("people", "id,name\n1,wrong\n2,-");
    let plan = bench.plan();
    let request = VerifyRequest { values: 1, ..VerifyRequest::default() };
    let failures = bench.open().prove(&plan, request, &Silent).unwrap().remove(0).failures;
    let cell = &failures[0].cells[0];
    assert_eq!((cell.expected.as_deref(), cell.found.as_deref()), (Some("a"), Some("wrong")));
    assert!(failures[1].cells.is_empty());
}

type Row = [Option<&'static str>; 3];

fn row(keys: &'static [&'static str]) -> impl Strategy<Value = Row> {
    let key = option::weighted(0.9, prop::sample::select(keys));
    let name = prop::sample::select(&["a", "b"][..]);
    (key, name).prop_map(|(key, name)| [key, Some(name), Some("x")])
}

fn text(header: &str, rows: &[Row]) -> String {
    let line = |row: &Row| row.iter().map(|cell| cell.unwrap_or("-")).collect::<Vec<_>>().join(",");
    std::iter::once(header.to_owned()).chain(rows.iter().map(line)).collect::<Vec<_>>().join("\n")
}

/// Two bags of rows by key, compared as the design says: union += max(a, b), equal += Σ over rows of min.
fn model(expected: &[Row], found: &[Row]) -> Tally {
    let mut keys: BTreeMap<&str, (Vec<Row>, Vec<Row>)> = BTreeMap::new();
    for row in expected {
        keys.entry(row[0].unwrap()).or_default().0.push(*row);
    }
    for row in found.iter().filter(|row| row[0].is_some()) {
        keys.entry(row[0].unwrap()).or_default().1.push(*row);
    }
    let mut tally = Tally::default();
    for (mut expected, mut found) in keys.into_values() {
        expected.retain(|row| match found.iter().position(|other| other == row) {
            Some(at) => {
                found.remove(at);
                tally.equal += 1;
                false
            }
            None => true,
        });
        let (left, more) = (expected.len() as u64, found.len() as u64);
        tally.different += left.min(more);
        tally.missing += left.saturating_sub(more);
        tally.extra += more.saturating_sub(left);
    }
    tally
}

proptest! {
    #![proptest_config(config(24))]

    /// Keys that several rows of the target share, whatever happens to them after the run.
    #[test]
    fn records_of_one_key_are_a_multiset(
        source in vec(row(&["1", "2", "3"]), 0..5),
        target in vec(row(&["3", "4", "5", "5"]), 0..8),
        damaged in vec(row(&["1", "2", "3", "4", "5", "6"]), 0..10),
    ) {
        let mapping = "from = \"old:people\"\nto = \"new:people\"\nkey = [\"id\"]\nduplicates = \"first\"\n\
                       scope = \"id IS NOT NULL\"\nwhere = \"ID IS NOT NULL\"\n\
                       [fields]\nid = \"ID\"\nname = \"NAME\"\n[run]\nerror_budget = \"100%\"\n";
        let source: Vec<Row> = source.into_iter().filter(|row| row[0].is_some()).collect();
        let target: Vec<Row> = {
            // A key of the source finds one row at most: two would be held.
            let mut threes = 0;
            target.into_iter().filter(|row| row[0] != Some("3") || { threes += 1; threes == 1 }).collect()
        };
        let bench = Bench::new(&[("people", mapping)])
            .old("people", &text("ID,NAME,CITY", &source))
            .new_side("people", &text("id,name,city", &target));
        let workspace = bench.open();
        let plan = bench.plan();
        let record = workspace.create_run(&plan, &plan.confirm).unwrap();
        workspace.execute_run(&record.id, &CancelFlag::default()).unwrap();
        let mut expected: Vec<Row> = target.iter().copied().filter(|row| row[0].is_some()).collect();
        for (at, row) in source.iter().enumerate() {
            if source[..at].iter().any(|other| other[0] == row[0]) {
                continue;
            }
            match expected.iter_mut().find(|known| known[0] == row[0]) {
                Some(known) => known[1] = row[1],
                None => expected.push(*row),
            }
        }
        // The city is not mapped: of no interest.
        for row in &mut expected {
            row[2] = Some("x");
        }
        table(bench.new.clone(), "people", &text("id,name,city", &damaged));
        let proof = workspace.prove(&plan, VerifyRequest::default(), &Silent).unwrap().remove(0);
        let tally = proof.result.tally.unwrap();
        prop_assert_eq!(tally, model(&expected, &damaged));
        let states = proof.result.states.unwrap();
        prop_assert_eq!(
            (states.validated, states.mismatched, states.missing_target, states.missing_source),
            (tally.equal, tally.different, tally.missing, tally.extra)
        );
    }
}
