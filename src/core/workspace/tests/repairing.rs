//! Repair: a plan that mends what verify found, and nothing else.
use super::bench::{Bench, table};
use crate::journal::{RunRecord, RunState};
use crate::migrate::RecordState;
use crate::monitor::{CancelFlag, Silent};
use crate::plan::{Plan, Purpose, Selection};
use crate::workspace::plans::PlanRequest;
use crate::workspace::{Repair, VerifyRequest, Workspace};

const ACCOUNTS: &str = "from = \"old:accounts\"\nto = \"new:accounts\"\nkey = [\"legacy_id\"]\n[fields]\nlegacy_id = \"NO\"\n\
                        name = \"NAME\"\n";
const CONTACTS: &str = "from = \"old:contacts\"\nto = \"new:contacts\"\nkey = [\"legacy_id\"]\n[fields]\nlegacy_id = \"NO\"\n\
                        name = { from = \"NAME\", on_null = \"reject\" }\ncompany = { from = \"ACC\", link = \"accounts\" }\n\
                        [run]\nerror_budget = \"100%\"\n";

fn bench() -> Bench {
    Bench::new(&[("accounts", ACCOUNTS), ("contacts", CONTACTS)])
        .old("accounts", "NO,NAME\nA1,Acme\nA2,Bolt")
        .old("contacts", "NO,NAME,ACC\nC1,Ann,A1\nC2,Ben,A2\nC3,Cyd,A1\nC4,-,A1\nC5,Eve,A2")
        .new_side("accounts", "id,legacy_id,name,memo\n70,-,native,-")
        .new_side("contacts", "id,legacy_id,name,company,memo\n80,-,native,70,-")
        .identity("accounts", "id")
        .identity("contacts", "id")
}

fn run(workspace: &Workspace, plan: &Plan) -> RunRecord {
    let record = workspace.create_run(plan, &plan.confirm).unwrap();
    let record = workspace.execute_run(&record.id, &CancelFlag::default()).unwrap();
    assert_eq!(record.state, RunState::Done, "{:?}", record.note);
    record
}

fn repair(workspace: &Workspace, plan: &Plan, run: &RunRecord) -> Repair {
    let request = VerifyRequest { run: Some(&run.id), ..VerifyRequest::default() };
    workspace.repair(plan, request, &Silent).unwrap()
}

fn row(bench: &Bench, key: &str) -> Vec<String> {
    let rows = bench.new.rows("contacts");
    let row = rows.into_iter().find(|row| row[1].as_deref() == Some(key)).unwrap();
    row.into_iter().skip(1).map(|cell| cell.unwrap_or_else(|| "-".into())).collect()
}

#[test]
fn damaged_and_lost_rows_are_mended_and_all_else_stays() {
    let bench = bench();
    let workspace = bench.open();
    let plan = bench.plan();
    let record = run(&workspace, &plan);
    let clean = repair(&workspace, &plan, &record);
    assert!(clean.plan.is_none(), "a rejected row is suspended, not missing");
    let good = bench.new.rows("contacts");
    let place = |key: &str| good.iter().position(|row| row[1].as_deref() == Some(key)).unwrap();
    // One is damaged, with a note of somebody's beside it; one is lost; one only has a note.
    assert!(bench.new.edit("contacts", place("C1"), "name", Some("???")));
    assert!(bench.new.edit("contacts", place("C1"), "memo", Some("called on Monday")));
    assert!(bench.new.edit("contacts", place("C3"), "memo", Some("on leave")));
    assert!(bench.new.edit("contacts", place("C5"), "company", None));
    bench.new.remove("contacts", place("C2"));
    // The source has moved on meanwhile: a repair makes what was agreed.
    table(bench.old.clone(), "contacts", "NO,NAME,ACC\nC1,Changed,A1\nC9,New,A1");

    let found = repair(&workspace, &plan, &record);
    let states = found.proofs[1].result.states.unwrap();
    assert_eq!((states.mismatched, states.missing_target, states.suspended, found.beyond), (2, 1, 1, 0));
    let mend = found.plan.unwrap();
    assert_eq!(mend.purpose, Purpose::Repair { plan: plan.id.clone() });
    assert_eq!(mend.mappings.len(), 1, "accounts are as they should be");
    let part = &mend.mappings[0];
    assert!(matches!(part.selection, Selection::Chosen { count: 3, .. }));
    assert_eq!((part.counts.inserted, part.counts.updated, part.counts.deleted), (1, 2, 0));
    let before = bench.new.rows("contacts");
    assert!(workspace.create_run(&mend, "something else").is_err(), "a repair is confirmed like every plan");
    assert_eq!(bench.new.rows("contacts"), before);

    let mended = run(&workspace, &mend);
    assert_eq!(mended.consistency, Some(1.0), "its own records, and they alone");
    assert_eq!(row(&bench, "C1")[1..], ["Ann", &row(&bench, "C3")[2], "called on Monday"]);
    assert_eq!(row(&bench, "C2")[1], "Ben");
    assert_eq!(row(&bench, "C3")[3], "on leave");
    assert_eq!(row(&bench, "C5")[2], row(&bench, "C2")[2], "both at A2");
    let again = repair(&workspace, &plan, &record);
    assert!(again.plan.is_none());
    let states = again.proofs[1].result.states.unwrap();
    assert_eq!((states.validated, states.suspended, states.mismatched + states.missing_target), (4, 1, 0));
    // What is verified by default is the run that the repair belongs to.
    let (verified, by) = workspace.to_verify(None, &Silent).unwrap();
    assert_eq!((verified.id, by.unwrap().id), (plan.id, record.id));
}

#[test]
fn a_lost_parent_and_its_children_are_mended_in_turn() {
    let bench = bench();
    let workspace = bench.open();
    let plan = bench.plan();
    let record = run(&workspace, &plan);
    let accounts = bench.new.rows("accounts");
    bench.new.remove("accounts", accounts.iter().position(|row| row[1].as_deref() == Some("A1")).unwrap());
    let mend = repair(&workspace, &plan, &record).plan.unwrap();
    assert_eq!(mend.mappings.iter().map(|part| part.mapping.as_str()).collect::<Vec<_>>(), ["accounts"]);
    run(&workspace, &mend);
    // The parent is back under another id: its children name the old one.
    let second = repair(&workspace, &plan, &record);
    assert_eq!(second.proofs[1].result.states.unwrap().mismatched, 2);
    run(&workspace, &second.plan.unwrap());
    let last = repair(&workspace, &plan, &record);
    assert!(last.plan.is_none());
    assert_eq!(last.proofs[1].result.states.unwrap().validated, 4);
    let parent = bench.new.rows("accounts").into_iter().find(|row| row[1].as_deref() == Some("A1")).unwrap();
    assert_eq!(Some(row(&bench, "C1")[2].as_str()), parent[0].as_deref());
}

#[test]
fn rows_that_the_source_lacks_are_listed_and_left() {
    let mapping = ACCOUNTS.replace("[fields]", "scope = \"legacy_id IS NOT NULL\"\n[fields]");
    let bench = Bench::new(&[("accounts", &mapping)])
        .old("accounts", "NO,NAME\nA1,Acme")
        .new_side("accounts", "legacy_id,name\nB1,kept as it is");
    let workspace = bench.open();
    let plan = bench.plan();
    let record = run(&workspace, &plan);
    table(bench.new.clone(), "accounts", "legacy_id,name\nA1,Acme\nB1,somebody's hand\nB2,new");
    let found = repair(&workspace, &plan, &record);
    assert!(found.plan.is_none());
    assert_eq!(found.beyond, 2);
    let states: Vec<_> = found.proofs[0].failures.iter().map(|failure| failure.state).collect();
    assert_eq!(states, [RecordState::Mismatched, RecordState::MissingSource]);
    assert_eq!(workspace.failures(&record.id, "accounts", 0, 10).unwrap(), found.proofs[0].failures);
}

#[test]
fn rows_that_were_mended_and_retried_are_missing_no_more() {
    let bench = bench();
    let workspace = bench.open();
    let record = run(&workspace, &bench.plan());
    assert!(record.consistency < Some(1.0));
    bench.write("contacts", &CONTACTS.replace("on_null = \"reject\"", "on_null = \"keep\""));
    let workspace = workspace.reload().unwrap();
    let request = PlanRequest {
        purpose: Purpose::Retry { run: record.id },
        rows: [("contacts".to_owned(), vec![3])].into_iter().collect(),
        by: "a test".into(),
        ..PlanRequest::default()
    };
    let retry = workspace.plan_for(&request, &Silent).unwrap();
    run(&workspace, &retry);
    // Rows that are not carried over yet are no failure of what was.
    table(bench.old.clone(), "contacts", "NO,NAME,ACC\nC9,New,A1");
    let (plan, by) = workspace.to_verify(None, &Silent).unwrap();
    assert!(by.is_none());
    let proofs = workspace.prove(&plan, VerifyRequest::default(), &Silent).unwrap();
    let states = proofs[1].result.states.unwrap();
    assert_eq!((states.validated, proofs[1].result.tally.unwrap().union()), (5, 5), "{states:?}");
}
