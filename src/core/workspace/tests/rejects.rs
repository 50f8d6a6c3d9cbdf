//! Corrections, the inbox, and retries.
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::bench::{Bench, table};
use crate::journal::RunRecord;
use crate::monitor::{CancelFlag, Silent};
use crate::plan::{Operation, Plan, Purpose};
use crate::workspace::{PlanRow, RetryRequest, RowEdit, Workspace};

const ACCOUNTS: &str = r#"
from = "old:accounts"
to = "new:accounts"
key = ["legacy_id"]
scope = "legacy_id IS NOT NULL"
[fields]
legacy_id = "NO"
name = { from = "NAME", on_null = "reject" }
kind = { from = "KIND", values = { a = "1", b = "2" } }
[run]
error_budget = "100%"
"#;

const CONTACTS: &str = r#"
from = "old:contacts"
to = "new:contacts"
key = ["legacy_id"]
scope = "legacy_id IS NOT NULL"
[fields]
legacy_id = { from = "NO", clean = ["trim", "required"] }
company = { from = "ACC", link = "accounts" }
boss = { from = "BOSS", link = "contacts", on_miss = "defer" }
[run]
error_budget = "100%"
"#;

/// One account without a name, one of a kind nobody knows; contacts of both; one contact without a key.
fn bench() -> Bench {
    Bench::new(&[("accounts", ACCOUNTS), ("contacts", CONTACTS)])
        .old("accounts", "NO,NAME,KIND\nA1,Acme,a\nA2,-,b\nA3,Core,z\nA4,Dome,z")
        .old("contacts", "NO,ACC,BOSS\nC1,A1,-\nC2,A2,-\nC3,A2,C2\nC4,A3,-\n-,A1,-\nC6,A1,C3\nC7,-,-\n-,A1,-")
        .new_side("accounts", "id,legacy_id,name,kind\n70,A1,Acme,1\n71,-,native,-")
        .new_side("contacts", "id,legacy_id,company,boss\n80,C7,-,-\n81,-,-,-")
        .identity("accounts", "id")
        .identity("contacts", "id")
}

fn run(workspace: &Workspace, plan: &Plan) -> RunRecord {
    let record = workspace.create_run(plan, &plan.confirm).unwrap();
    workspace.execute_run(&record.id, &CancelFlag::default()).unwrap()
}

fn edit(workspace: &Workspace, id: &str, mapping: &str, n: u64, column: &str, to: &str) -> RowEdit {
    let inbox = workspace.inbox(id).unwrap();
    let entry = inbox.entries.iter().find(|entry| entry.mapping == mapping && entry.reject.n == n).unwrap();
    RowEdit::of(&entry.reject, vec![(column.to_owned(), Some(to.to_owned()))])
}

fn correct(workspace: &Workspace, mapping: &str, edits: &[RowEdit]) -> Workspace {
    let edit = workspace.corrections_for(mapping, edits, true, &Silent).unwrap();
    assert_eq!(edit.conflicts, []);
    workspace.write_corrections(&edit).unwrap()
}

/// Operations by key, without what says where a row stands.
fn operations(workspace: &Workspace, plan: &Plan, mapping: &str) -> Vec<(Operation, PlanRow)> {
    let all = [Operation::Insert, Operation::Update, Operation::Unchanged, Operation::Held, Operation::Rejected];
    let mut out = Vec::new();
    for operation in all {
        let (rows, _) = workspace.plan_rows(plan, mapping, operation, None, 0, 1_000).unwrap();
        out.extend(rows.into_iter().map(|row| (operation, row)));
    }
    out.sort_by_key(|(_, row)| row.source);
    out
}

#[test]
fn causes_stand_as_a_tree_with_those_that_wait_below() {
    let bench = bench();
    let workspace = bench.open();
    let plan = bench.plan();
    let inbox = workspace.inbox(&plan.id).unwrap();
    let shown: Vec<(String, usize, u64)> =
        inbox.groups.iter().map(|group| (group.cause.clone(), group.entries.len(), group.waits())).collect();
    assert_eq!(shown[0], ("name: is NULL".to_owned(), 1, 3), "{shown:?}");
    assert_eq!(shown[1], ("kind: is not in the value map".to_owned(), 2, 1));
    assert!(!inbox.is_run && inbox.open() == 9 && inbox.entries.iter().all(|entry| !entry.mended));
    let waiting = &inbox.groups[0].waiting[0];
    assert_eq!((waiting.mapping.as_str(), waiting.entries.len(), waiting.waits()), ("contacts", 2, 1));
}

#[test]
fn rows_are_mended_by_corrections_and_retried_until_nothing_is_left() {
    let bench = bench();
    let workspace = bench.open();
    let first = run(&workspace, &bench.plan());
    assert_eq!(first.results[0].counts.rejected, 2 + 1);
    // Only the account without a name; what waits for it comes along.
    let workspace = correct(&workspace, "accounts", &[edit(&workspace, &first.id, "accounts", 1, "NAME", "Bcme")]);
    let inbox = workspace.inbox(&first.id).unwrap();
    let mended: Vec<&str> =
        inbox.entries.iter().filter(|one| one.mended).filter_map(|one| one.reject.key.as_deref()).collect();
    assert_eq!(mended, ["A2", "C2", "C3", "C6"]);
    let request = RetryRequest { run: first.id.clone(), cause: Some("NAME:".into()), ..RetryRequest::default() };
    let retry = workspace.plan_retry(&request, &Silent).unwrap();
    assert_eq!(retry.plan.purpose, Purpose::Retry { run: first.id.clone() });
    assert_eq!((retry.rows, retry.pieces, retry.gone), (4, 0, 0));
    assert!(retry.plan.mappings.iter().all(|part| part.blocked.is_empty()));
    let counts: Vec<(u64, u64)> = retry.plan.mappings.iter().map(|p| (p.counts.read, p.counts.inserted)).collect();
    assert_eq!(counts, [(1, 1), (3, 3)], "parents before children");
    let second = run(&workspace, &retry.plan);
    assert_eq!(second.consistency, Some(1.0), "{second:?}");
    let inbox = workspace.inbox(&first.id).unwrap();
    assert_eq!((inbox.open(), inbox.retries.as_slice()), (5, std::slice::from_ref(&second.id)));
    assert!(inbox.entries.iter().filter(|one| !one.is_open()).all(|one| one.released.as_deref() == Some(&second.id)));

    // The rest: a value map, a correction of a key, one row that stays as it is.
    bench.write(
        "accounts",
        &std::fs::read_to_string(bench.root.path().join("mappings/accounts.toml"))
            .unwrap()
            .replace("b = \"2\" }", "b = \"2\", z = \"3\" }"),
    );
    let workspace = workspace.reload().unwrap();
    let keyless = inbox.entries.iter().find(|one| one.reject.key.is_none()).unwrap();
    let twice = workspace
        .corrections_for(
            "contacts",
            &[RowEdit::of(&keyless.reject, vec![("NO".into(), Some("C5".into()))])],
            true,
            &Silent,
        )
        .unwrap();
    assert!(
        twice.conflicts[0].why.contains("several times"),
        "two rows without key are one to the platform: {twice:?}"
    );
    let retry =
        workspace.plan_retry(&RetryRequest { run: second.id.clone(), ..RetryRequest::default() }, &Silent).unwrap();
    assert_eq!((retry.rows, &retry.plan.purpose), (5, &Purpose::Retry { run: first.id.clone() }));
    let third = run(&workspace, &retry.plan);
    let inbox = workspace.inbox(&third.id).unwrap();
    assert_eq!((inbox.of.as_str(), inbox.open()), (first.id.as_str(), 2));
    assert!(inbox.entries.iter().filter(|one| one.is_open()).all(|one| one.retried.as_deref() == Some(&third.id)));
    // With the source edited instead, a full plan finds all the rest done.
    let full = workspace.plan(&[], None, &Silent).unwrap();
    let counts = full.mappings.iter().map(|part| (part.counts.inserted, part.counts.updated, part.counts.rejected));
    assert_eq!(counts.collect::<Vec<_>>(), [(0, 0, 0), (0, 0, 2)]);
    let file = bench.root.path().join("maps/accounts.corrections.csv");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "key,column,from,to\nA2,NAME,,Bcme\n");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_retry_takes_operations_of_the_full_plan_and_changes_none() {
    let bench = bench();
    let workspace = bench.open();
    let first = run(&workspace, &bench.plan());
    let workspace = correct(&workspace, "accounts", &[edit(&workspace, &first.id, "accounts", 2, "KIND", "a")]);
    let retry = workspace.plan_retry(&RetryRequest { run: first.id, ..RetryRequest::default() }, &Silent).unwrap();
    let full = workspace.plan(&[], None, &Silent).unwrap();
    for mapping in ["accounts", "contacts"] {
        let retried = operations(&workspace, &retry.plan, mapping);
        let all = operations(&workspace, &full, mapping);
        assert!(!retried.is_empty());
        for row in &retried {
            assert!(all.contains(row), "{mapping}: {row:?} is not in {all:#?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]
    /// Whatever was left out: its retry is the full plan restricted to it, and takes all of it.
    #[test]
    fn a_retry_is_the_full_plan_restricted(
        accounts in prop::collection::vec((any::<bool>(), "[abz]"), 1..6),
        contacts in prop::collection::vec((0_usize..8, 0_usize..8, any::<bool>()), 1..8),
    ) {
        let mut old = "NO,NAME,KIND\n".to_owned();
        for (at, (named, kind)) in accounts.iter().enumerate() {
            old.push_str(&format!("A{at},{},{kind}\n", if *named { "Acme" } else { "-" }));
        }
        let mut people = "NO,ACC,BOSS\n".to_owned();
        for (at, (account, boss, keyed)) in contacts.iter().enumerate() {
            let boss = if boss % 2 == 0 { "-".to_owned() } else { format!("C{boss}") };
            people.push_str(&format!("{},A{account},{boss}\n", if *keyed { format!("C{at}") } else { "-".to_owned() }));
        }
        let bench = Bench::new(&[("accounts", ACCOUNTS), ("contacts", CONTACTS)])
            .old("accounts", &old)
            .old("contacts", &people)
            .new_side("accounts", "id,legacy_id,name,kind\n70,A1,Acme,1")
            .new_side("contacts", "id,legacy_id,company,boss\n80,-,-,-")
            .identity("accounts", "id")
            .identity("contacts", "id");
        let workspace = bench.open();
        let first = run(&workspace, &bench.plan());
        let left = workspace.inbox(&first.id).unwrap().entries;
        bench.write("accounts", &ACCOUNTS.replace("b = \"2\" }", "b = \"2\", z = \"3\" }"));
        let workspace = workspace.reload().unwrap();
        let request = RetryRequest { run: first.id, ..RetryRequest::default() };
        if left.is_empty() {
            prop_assert!(workspace.plan_retry(&request, &Silent).is_err());
            return Ok(());
        }
        let retry = workspace.plan_retry(&request, &Silent).unwrap();
        let full = workspace.plan(&[], None, &Silent).unwrap();
        for part in &retry.plan.mappings {
            let mut all = operations(&workspace, &full, &part.mapping);
            let wanted: Vec<u64> =
                left.iter().filter(|one| one.mapping == part.mapping).filter_map(|one| one.reject.row).collect();
            all.retain(|(_, row)| row.source.is_some_and(|(ordinal, _)| wanted.contains(&ordinal)));
            prop_assert_eq!(operations(&workspace, &retry.plan, &part.mapping), all);
        }
        prop_assert_eq!(retry.rows, left.len() as u64);
    }
}

#[test]
fn what_does_not_hold_any_more_is_told_and_never_applied() {
    let bench = bench();
    let workspace = bench.open();
    let first = run(&workspace, &bench.plan());
    let edits = [
        edit(&workspace, &first.id, "accounts", 1, "NAME", "Bcme"),
        edit(&workspace, &first.id, "accounts", 2, "KIND", "a"),
    ];
    let workspace = correct(&workspace, "accounts", &edits);
    assert!(workspace.check(&Silent).unwrap().iter().all(|problem| !problem.message.contains("any more")));
    // The source moves on: one cell is filled there, one row is gone.
    table(bench.old.clone(), "accounts", "NO,NAME,KIND\nA1,Acme,a\nA2,Else,b\nA4,Dome,z");
    let workspace = workspace.reload().unwrap();
    let plan = workspace.plan(&["accounts".into()], None, &Silent).unwrap();
    let warnings: Vec<&String> =
        plan.mappings[0].warnings.iter().filter(|one| one.contains("corrections.csv")).collect();
    assert!(warnings[0].contains("line 2 (NAME): the source cell is another now"), "{warnings:?}");
    assert!(warnings[1].contains("line 3 (KIND): no row"), "{warnings:?}");
    let (inserted, _) = workspace.plan_rows(&plan, "accounts", Operation::Insert, None, 0, 10).unwrap();
    assert_eq!(inserted[0].cells[1].new.as_deref(), Some("Else"));
    let problems = workspace.check(&Silent).unwrap();
    let stale: Vec<(usize, &str)> = problems
        .iter()
        .filter(|problem| problem.file.ends_with("accounts.corrections.csv"))
        .map(|problem| (problem.line, problem.field.as_str()))
        .collect();
    assert_eq!(stale, [(2, "NAME"), (3, "KIND")]);
    let late = workspace.corrections_for("accounts", &edits, true, &Silent).unwrap();
    assert_eq!(late.conflicts.len(), 2);
    assert!(late.corrections.is_empty() && late.after == late.before);
}

#[test]
fn an_edit_is_tried_on_the_row_before_it_is_kept() {
    let bench = bench();
    let workspace = bench.open();
    let plan = bench.plan();
    let inbox = workspace.inbox(&plan.id).unwrap();
    let reject = &inbox.entries.iter().find(|one| one.reject.key.as_deref() == Some("A3")).unwrap().reject;
    let mapping = workspace.project().mappings.iter().find(|one| one.name == "accounts").unwrap();
    let trial = workspace.try_row(mapping, reject, &[("KIND".into(), Some("b".into()))]).unwrap();
    assert_eq!(trial.fate, crate::map::Fate::Accepted);
    let kind = trial.fields.iter().find(|field| field.target == "kind").unwrap();
    assert!(kind.before.last().unwrap().failed.is_some());
    let steps: Vec<&str> = kind.after.iter().map(|step| step.step.as_str()).collect();
    assert_eq!(steps, ["from KIND", "correction", "values"]);
    assert_eq!(kind.after.last().unwrap().value.as_deref(), Some("2"));
    let cell = trial.cells.iter().find(|(column, _, _)| column == "KIND").unwrap();
    assert_eq!((cell.1.as_deref(), cell.2.as_deref()), (Some("z"), Some("b")));
    let still = workspace.try_row(mapping, reject, &[("KIND".into(), Some("q".into()))]).unwrap();
    assert_eq!(still.failures[0].0, "kind");
}

#[test]
fn the_error_budget_is_a_share_a_count_or_the_smaller_of_both() {
    let budget = |text: &str| {
        let accounts = ACCOUNTS.replace("error_budget = \"100%\"", &format!("error_budget = {text}"));
        let bench = Bench::new(&[("accounts", &accounts)])
            .old("accounts", "NO,NAME,KIND\nA1,Acme,a\nA2,-,b\nA3,Core,a\nA4,-,a");
        let plan = bench.plan();
        plan.mappings[0].blocked.first().map(|one| one.reason.clone())
    };
    for open in ["\"50%\"", "2", "\"2\"", "[\"50%\", 2]"] {
        assert_eq!(budget(open), None, "{open}");
    }
    for (shut, words) in
        [("\"49%\"", "49%"), ("1", "1 rows"), ("[\"50%\", 1]", "50% and 1 rows"), ("[\"49%\", 9]", "49% and 9 rows")]
    {
        let reason = budget(shut).unwrap();
        assert!(reason.contains("2 of 4 rows are rejected") && reason.contains(words), "{shut}: {reason}");
    }
}
