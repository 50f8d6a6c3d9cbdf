//! Verify after runs, previews against plans.
use super::bench::Bench;
use crate::journal::{RunRecord, RunState};
use crate::migrate::RecordState;
use crate::monitor::{CancelFlag, Silent};
use crate::plan::{Operation, Plan};
use crate::score::Tally;
use crate::workspace::{PreviewRows, Workspace};

fn run(workspace: &Workspace, plan: &Plan) -> RunRecord {
    let record = workspace.create_run(plan, &plan.confirm).unwrap();
    workspace.execute_run(&record.id, &CancelFlag::default()).unwrap()
}

fn tally(equal: u64, different: u64, missing: u64, extra: u64) -> Tally {
    Tally { equal, different, missing, extra }
}

const ACCOUNTS: &str = r#"
from = "old:accounts"
to = "new:accounts"
key = ["legacy_id"]
[fields]
legacy_id = "NO"
name = { from = "NAME", clean = ["trim"], on_null = "reject" }
[run]
error_budget = "100%"
max_deletes = "100%"
"#;

const CONTACTS: &str = r#"
from = "old:contacts"
to = "new:contacts"
key = ["legacy_id"]
[fields]
legacy_id = "NO"
company = { from = "ACC", link = "accounts" }
boss = { from = "BOSS", link = "contacts" }
note = { from = "NOTE", write = "if_blank" }
[run]
error_budget = "100%"
"#;

fn bench() -> Bench {
    Bench::new(&[("accounts", ACCOUNTS), ("contacts", CONTACTS)])
        .old("accounts", "NO,NAME\nA1, Acme\nA2,-\nA3,Core")
        .old("contacts", "NO,ACC,BOSS,NOTE\nC1,A1,C2,n\nC2,A3,-,n\nC3,A2,-,n\nC4,A1,C1,n")
        .new_side("accounts", "id,legacy_id,name\n70,A1,acme\n71,-,native")
        .new_side("contacts", "id,legacy_id,company,boss,note\n80,C4,-,-,kept")
        .identity("accounts", "id")
        .identity("contacts", "id")
}

#[test]
fn a_run_is_proven_and_the_next_plan_finds_nothing_to_do() {
    let bench = bench();
    let workspace = bench.open();
    let plan = bench.plan();
    let before: Vec<_> = workspace.verify(&plan, &Silent).unwrap().into_iter().map(|r| r.tally.unwrap()).collect();
    assert_eq!(before, [tally(0, 1, 2, 0), tally(0, 1, 3, 0)]);
    let record = run(&workspace, &plan);
    assert_eq!(record.state, RunState::Done, "{:?}", record.note);
    let after: Vec<_> = record.results.iter().map(|result| result.tally.unwrap()).collect();
    assert_eq!(after, [tally(2, 0, 1, 0), tally(3, 0, 1, 0)], "rejected rows are missing");
    let missing = workspace.failures(&record.id, "contacts", 0, 10).unwrap();
    assert_eq!((missing.len(), missing[0].state, missing[0].key.as_str()), (1, RecordState::Suspended, "C3"));
    let contacts = bench.new.rows("contacts");
    let ids = |at: usize| contacts.iter().map(|row| row[at].clone().unwrap_or_default()).collect::<Vec<_>>();
    assert_eq!(ids(1), ["C4", "C1", "C2"]);
    let id_of = |key: &str| contacts.iter().find(|row| row[1].as_deref() == Some(key)).unwrap()[0].clone();
    assert_eq!(contacts[0][3], id_of("C1"), "the boss of C4 is C1 under its new id");
    assert_eq!(contacts[0][4].as_deref(), Some("kept"));
    let again = bench.plan();
    for part in &again.mappings {
        assert!(part.counts.is_noop(), "{:?}", part.counts);
        assert!(part.counts.closes());
    }
    assert!(bench.new.edit("contacts", 1, "company", Some("999")));
    let now: Vec<_> = workspace.verify(&plan, &Silent).unwrap().into_iter().map(|r| r.tally.unwrap()).collect();
    assert_eq!(now[1], tally(2, 1, 1, 0));
    let different = workspace.failures(&plan.id, "contacts", 0, 10).unwrap();
    assert!(different.iter().any(|one| one.state == RecordState::Mismatched && one.columns == ["company"]));
}

#[test]
fn a_mended_source_ends_at_all_of_it() {
    let bench = bench();
    run(&bench.open(), &bench.plan());
    let bench = bench.old("accounts", "NO,NAME\nA1, Acme\nA2,Bolt\nA3,Core");
    let record = run(&bench.open(), &bench.plan());
    assert_eq!(record.consistency, Some(1.0), "{:?}", record.results);
}

#[test]
fn links_are_pending_before_a_plan_and_as_planned_after() {
    let bench = bench();
    let workspace = bench.open();
    let mapping = workspace.project().mappings.iter().find(|mapping| mapping.name == "contacts").unwrap().clone();
    let look = || {
        let preview = workspace.preview(&mapping, &PreviewRows::From(0), 10, &Silent).unwrap();
        preview.after.rows.iter().map(|row| row[1].clone().unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(look(), ["pending"; 4]);
    let plan = bench.plan();
    assert_eq!(look(), ["70", "(new) accounts A3", "(not carried over) accounts A2", "70"]);
    let (rows, _) = workspace.plan_rows(&plan, "contacts", Operation::Insert, None, 0, 10).unwrap();
    assert_eq!(rows[1].cells[1].pending.as_deref(), Some("(new) accounts A3"));
}

#[test]
fn failing_and_changed_rows_are_found() {
    let bench = bench();
    let workspace = bench.open();
    let mapping = workspace.project().mappings.iter().find(|mapping| mapping.name == "accounts").unwrap().clone();
    let failing = PreviewRows::Failing { field: None, skip: 0 };
    let preview = workspace.preview(&mapping, &failing, 10, &Silent).unwrap();
    assert_eq!((preview.before.ordinals, preview.before.total), (vec![1], 1));
    assert_eq!(preview.sampled, 3);
    assert_eq!(
        preview.reasons.iter().map(|(field, _, rows)| (field.as_str(), *rows)).collect::<Vec<_>>(),
        [("name", 1)]
    );
    let changed = PreviewRows::Changed { field: Some("name".into()), skip: 0 };
    let preview = workspace.preview(&mapping, &changed, 10, &Silent).unwrap();
    assert_eq!(preview.before.ordinals, [0]);
    assert_eq!(preview.after.rows[0][1].as_deref(), Some("Acme"));
    let telling = PreviewRows::Telling { field: "name".into() };
    let told = |count: usize| workspace.preview(&mapping, &telling, count, &Silent).unwrap().before.ordinals;
    assert_eq!(told(10), [0, 1, 2], "all, where there are no more");
    assert_eq!(told(2), [0, 1], "one that fails, one that changes");
    let steps = workspace.trace_cell(&mapping, 0, "name").unwrap();
    assert_eq!(steps.last().unwrap().value.as_deref(), Some("Acme"));
}

#[test]
fn check_names_what_does_not_fit() {
    let text = ACCOUNTS.replace("name = {", "nmae = {");
    let bench = Bench::new(&[("accounts", &text)])
        .old("accounts", "NO,NAME,FAX\nA1,Acme,1")
        .new_side("accounts", "legacy_id,name");
    let problems = bench.open().check(&Silent).unwrap();
    assert!(problems.iter().any(|problem| problem.field == "fields.nmae" && problem.message.contains("'name'")));
    let text = ACCOUNTS.replace("NAME", "NAEM");
    bench.write("accounts", &text);
    let problems = bench.open().check(&Silent).unwrap();
    assert!(problems.iter().any(|problem| problem.line > 0 && problem.message.contains("NAEM")), "{problems:?}");
    bench.write("accounts", ACCOUNTS);
    let problems = bench.open().check(&Silent).unwrap();
    assert!(problems.iter().any(|problem| problem.message.contains("FAX")), "{problems:?}");
}

#[test]
fn jobs_that_need_the_same_snapshot_at_once_share_it() {
    let bench = bench();
    let workspace = bench.open();
    let mapping = workspace.project().mappings.iter().find(|mapping| mapping.name == "accounts").unwrap().clone();
    let rows: Vec<u64> = std::thread::scope(|scope| {
        let look = || workspace.preview(&mapping, &PreviewRows::From(0), 10, &Silent).map(|preview| preview.sampled);
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(look)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
    });
    assert_eq!(rows, [3; 8]);
}
