//! An incremental plan ends where a full plan ends.
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::bench::{Bench, table};
use crate::journal::{RunRecord, RunState};
use crate::monitor::{CancelFlag, Silent};
use crate::plan::{Operation, Plan, Selection};
use crate::project::Mode;
use crate::workspace::plans::PlanRequest;
use crate::workspace::{PlanAsk, Sample, Workspace};

fn plan(workspace: &Workspace, mode: Mode) -> Plan {
    let request = PlanRequest { mode: Some(mode), ..PlanRequest::default() };
    workspace.plan_for(&request, &Silent).unwrap()
}

fn run(workspace: &Workspace, plan: &Plan) -> RunRecord {
    let record = workspace.create_run(plan, &plan.confirm).unwrap();
    workspace.execute_run(&record.id, &CancelFlag::default()).unwrap()
}

/// Mappings of one step.
#[derive(Debug, Clone)]
struct Rules {
    duplicates: &'static str,
    target_only: &'static str,
    scoped: bool,
    filtered: bool,
    tombstones: bool,
    write: &'static str,
    on_miss: &'static str,
    by_name: bool,
    upper: bool,
}

/// NO, NAME, PARENT, BOSS.
type Row = [Option<&'static str>; 4];

#[derive(Debug, Clone)]
struct Step {
    rules: Option<Rules>,
    accounts: Vec<Row>,
    people: Vec<Row>,
    incremental: bool,
    /// Another program's edit of the target: row, value.
    edit: Option<(usize, &'static str)>,
}

fn row(keys: &'static [&'static str]) -> impl Strategy<Value = Row> {
    (
        option::weighted(0.95, prop::sample::select(keys)),
        option::weighted(0.9, prop::sample::select(&["ann", "bob", "cid", "dan"][..])),
        option::weighted(0.6, prop::sample::select(&["A1", "A2", "A3", "A4"][..])),
        option::weighted(0.3, prop::sample::select(&["P1", "P2", "P3", "P4"][..])),
    )
        .prop_map(|(key, name, parent, boss)| [key, name, parent, boss])
}

fn rules() -> impl Strategy<Value = Rules> {
    (
        prop::sample::select(&["reject", "first", "last"][..]),
        prop::sample::select(&["keep", "list", "delete", "mark:gone"][..]),
        (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
        prop::sample::select(&["always", "if_blank", "create"][..]),
        prop::sample::select(&["reject", "defer", "null"][..]),
    )
        .prop_map(|(duplicates, target_only, (scoped, filtered, tombstones, by_name, upper), write, on_miss)| {
            Rules { duplicates, target_only, scoped, filtered, tombstones, write, on_miss, by_name, upper }
        })
}

fn step() -> impl Strategy<Value = Step> {
    const ACCOUNTS: &[&str] = &["A1", "A2", "A3", "A4"];
    const PEOPLE: &[&str] = &["P1", "P2", "P3", "P4", "P5", "P6"];
    (
        option::weighted(0.2, rules()),
        vec(row(ACCOUNTS), 0..6),
        vec(row(PEOPLE), 0..8),
        any::<bool>(),
        option::weighted(0.3, (0_usize..6, prop::sample::select(&["ann", "bob", "eve"][..]))),
    )
        .prop_map(|(rules, accounts, people, incremental, edit)| Step {
            rules,
            accounts,
            people,
            incremental,
            edit,
        })
}

/// Edits: of the earlier rows some stay as they are, so that there is something to skip.
fn steps() -> impl Strategy<Value = (Rules, Vec<Step>)> {
    (rules(), vec((step(), vec(0_u8..4, 8)), 2..5)).prop_map(|(rules, steps)| {
        let mut out: Vec<Step> = Vec::new();
        for (mut step, keep) in steps {
            if let Some(last) = out.last() {
                step.accounts = blend(&last.accounts, &step.accounts, &keep);
                step.people = blend(&last.people, &step.people, &keep);
            }
            out.push(step);
        }
        (rules, out)
    })
}

fn blend(old: &[Row], new: &[Row], keep: &[u8]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for at in 0..old.len().max(new.len()) {
        match (keep.get(at), old.get(at), new.get(at)) {
            // As it was; gone; changed; another one before it.
            (Some(0 | 1), Some(old), _) => rows.push(*old),
            (Some(3), Some(old), Some(new)) => rows.extend([*new, *old]),
            (_, _, Some(new)) => rows.push(*new),
            _ => {}
        }
    }
    rows
}

fn text(header: &str, rows: &[Row]) -> String {
    let line = |row: &Row| row.iter().map(|cell| cell.unwrap_or("-")).collect::<Vec<_>>().join(",");
    std::iter::once(header.to_owned()).chain(rows.iter().map(line)).collect::<Vec<_>>().join("\n")
}

fn mappings(rules: &Rules) -> [(&'static str, String); 2] {
    let when = |on: bool, text: &str| if on { text.to_owned() } else { String::new() };
    let head = |object: &str| {
        format!(
            "from = \"old:{object}\"\nto = \"new:{object}\"\nkey = [\"no\"]\nduplicates = \"{}\"\ntarget_only = \"{}\"\n{}{}{}{}",
            rules.duplicates,
            rules.target_only,
            when(rules.scoped, "scope = \"no IS NOT NULL\"\n"),
            when(rules.filtered, "where = \"NAME <> 'cid'\"\n"),
            when(rules.tombstones, "deleted = \"NAME = 'dan'\"\n"),
            when(rules.by_name, "match = [\"crosswalk\", \"no\", \"lower(name)\"]\n"),
        )
    };
    let name = format!(
        "name = {{ from = \"NAME\", write = \"{}\"{} }}\n",
        rules.write,
        when(rules.upper, ", clean = [\"upper\"]")
    );
    let tail = "[run]\nerror_budget = \"100%\"\nmax_deletes = \"100%\"\n";
    let accounts = format!("{}[fields]\nno = \"NO\"\n{name}{tail}", head("accounts"));
    let people = format!(
        "{}[fields]\nno = \"NO\"\n{name}account = {{ from = \"PARENT\", link = \"accounts\", on_miss = \"{}\" }}\n\
         boss = {{ from = \"BOSS\", link = \"people\", on_miss = \"{}\" }}\n{tail}",
        head("people"),
        rules.on_miss,
        rules.on_miss,
    );
    [("accounts", accounts), ("people", people)]
}

fn bench(rules: &Rules, identity: bool) -> Bench {
    let [accounts, people] = mappings(rules);
    let bench = Bench::new(&[(accounts.0, &accounts.1), (people.0, &people.1)])
        .new_side("accounts", "id,no,name,gone\n50,A9,eve,-\n51,-,ann,-\n52,A1,bob,-")
        .new_side("people", "id,no,name,account,boss,gone\n60,P9,eve,-,-,-\n61,-,ann,-,-,-\n62,P2,-,52,-,-");
    if identity { bench.identity("accounts", "id").identity("people", "id") } else { bench }
}

fn apply(bench: &Bench, step: &Step) {
    if let Some(rules) = &step.rules {
        for (name, text) in mappings(rules) {
            bench.write(name, &text);
        }
    }
    table(bench.old.clone(), "accounts", &text("NO,NAME,PARENT,BOSS", &step.accounts));
    table(bench.old.clone(), "people", &text("NO,NAME,PARENT,BOSS", &step.people));
    if let Some((row, name)) = step.edit {
        bench.new.edit("people", row, "name", Some(name));
    }
}

/// Links of records that the plan carried over which lead to no row.
fn dangling(bench: &Bench, plan: &Plan, identity: bool) -> Vec<String> {
    let id = usize::from(!identity);
    let ids = |object: &str| -> Vec<String> {
        bench.new.rows(object).into_iter().filter_map(|mut row| row.swap_remove(id)).collect()
    };
    let (accounts, people) = (ids("accounts"), ids("people"));
    let mut carried = Vec::new();
    for operation in [Operation::Insert, Operation::Update, Operation::Unchanged] {
        carried.extend(bench.open().plan_rows(plan, "people", operation, None, 0, 100).unwrap().0);
    }
    let mut found = Vec::new();
    for row in bench.new.rows("people") {
        if carried.iter().any(|one| Some(&one.key) == row[1].as_ref()) {
            let lost = |to: &[String], cell: &Option<String>| cell.as_ref().is_some_and(|id| !to.contains(id));
            if lost(&accounts, &row[3]) || lost(&people, &row[4]) {
                found.push(format!("{row:?}"));
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_target_after_incremental_runs_is_as_after_full_runs((rules, steps) in steps(), identity in any::<bool>()) {
        let (one, other) = (bench(&rules, identity), bench(&rules, identity));
        for (at, step) in steps.iter().enumerate() {
            apply(&one, step);
            apply(&other, step);
            let mode = if step.incremental { Mode::Incremental } else { Mode::Full };
            let (some, whole) = (plan(&one.open(), mode), plan(&other.open(), Mode::Full));
            for (some, all) in some.mappings.iter().zip(&whole.mappings) {
                prop_assert!(some.counts.closes());
                prop_assert_eq!(some.counts, all.counts, "step {} {}: {:?} {:?}", at, some.mapping, some.incremental, some.warnings);
            }
            let (some, all) = (run(&one.open(), &some), run(&other.open(), &whole));
            prop_assert_eq!(some.state, all.state, "step {}: {:?} {:?}", at, some.note, all.note);
            for object in ["accounts", "people"] {
                prop_assert_eq!(one.new.rows(object), other.new.rows(object), "step {} {}", at, object);
            }
            if all.state == RunState::Done {
                prop_assert_eq!(dangling(&other, &whole, identity), Vec::<String>::new(), "step {} {:?}", at, rules);
            }
            for (some, all) in some.results.iter().zip(&all.results) {
                prop_assert_eq!(some.tally, all.tally, "step {} {}", at, some.mapping);
                prop_assert!(some.closes);
            }
        }
    }
}

const PEOPLE: &str =
    "from = \"old:people\"\nto = \"new:people\"\nkey = [\"no\"]\n[fields]\nno = \"NO\"\nname = \"NAME\"\n";

#[test]
fn rows_that_are_as_they_were_are_not_looked_at() {
    let bench =
        Bench::new(&[("people", PEOPLE)]).old("people", "NO,NAME\n1,Ann\n2,Bob\n3,Cid").new_side("people", "no,name");
    let first = plan(&bench.open(), Mode::Incremental);
    assert!(first.mappings[0].incremental.is_none());
    assert!(
        first.mappings[0].warnings.iter().any(|text| text.contains("no ledger yet")),
        "{:?}",
        first.mappings[0].warnings
    );
    assert_eq!(run(&bench.open(), &first).state, RunState::Done);
    let bench = bench.old("people", "NO,NAME\n1,Ann\n2,Rob\n3,Cid\n4,Dan");
    let second = plan(&bench.open(), Mode::Incremental);
    let part = &second.mappings[0];
    let incremental = part.incremental.as_ref().unwrap();
    assert_eq!((incremental.looked, incremental.unchanged), (2, 2));
    assert_eq!((part.counts.read, part.counts.inserted, part.counts.updated, part.counts.unchanged), (4, 1, 1, 2));
    assert_eq!(second.mode, Mode::Incremental);
    let record = run(&bench.open(), &second);
    assert_eq!((record.state, record.consistency), (RunState::Done, Some(1.0)), "{:?}", record.note);
    let third = plan(&bench.open(), Mode::Incremental);
    assert_eq!(third.mappings[0].incremental.as_ref().unwrap().looked, 0);
    assert!(third.mappings[0].counts.is_noop());
    // Another rule makes all of it new.
    bench.write("people", &PEOPLE.replace("\"NAME\"", "{ from = \"NAME\", clean = [\"upper\"] }"));
    let fourth = plan(&bench.open(), Mode::Incremental);
    assert!(fourth.mappings[0].incremental.is_none());
    assert_eq!(fourth.mappings[0].counts.updated, 4);
    assert!(fourth.mappings[0].warnings.iter().any(|text| text.contains("rules changed")));
}

#[test]
fn an_empty_source_and_the_cap_hold_in_incremental_plans_too() {
    let text = format!("target_only = \"delete\"\nscope = \"no IS NOT NULL\"\n{PEOPLE}[run]\nmax_deletes = 1\n");
    let bench =
        Bench::new(&[("people", &text)]).old("people", "NO,NAME\n1,Ann\n2,Bob\n3,Cid").new_side("people", "no,name");
    let first = plan(&bench.open(), Mode::Full);
    assert_eq!(run(&bench.open(), &first).state, RunState::Done);
    for mode in [Mode::Full, Mode::Incremental] {
        table(bench.old.clone(), "people", "NO,NAME");
        let empty = plan(&bench.open(), mode);
        assert_eq!(empty.mappings[0].incremental.is_some(), mode == Mode::Incremental);
        assert_eq!((empty.mappings[0].counts.deleted, empty.mappings[0].counts.target_only), (0, Some(3)));
        assert!(empty.mappings[0].warnings.iter().any(|text| text.contains("nothing is deleted")));
        table(bench.old.clone(), "people", "NO,NAME\n1,Ann");
        let capped = plan(&bench.open(), mode);
        assert_eq!(capped.mappings[0].counts.deleted, 2);
        assert!(capped.refusal().unwrap().what().contains("max_deletes"), "{mode:?}");
        table(bench.old.clone(), "people", "NO,NAME\n1,Ann\n3,Cid");
        let fine = plan(&bench.open(), mode);
        assert_eq!((fine.mappings[0].counts.deleted, fine.refusal().is_none()), (1, true));
    }
}

#[test]
fn a_retry_or_a_sample_leaves_the_rest_of_the_ledger_alone() {
    let bench =
        Bench::new(&[("people", PEOPLE)]).old("people", "NO,NAME\n1,Ann\n2,Bob\n3,Cid").new_side("people", "no,name");
    run(&bench.open(), &plan(&bench.open(), Mode::Full));
    let bench = bench.old("people", "NO,NAME\n1,Eve\n2,Rob\n3,Cid");
    let request = PlanRequest {
        rows: [("people".to_owned(), vec![1])].into_iter().collect(),
        by: "a test".into(),
        ..PlanRequest::default()
    };
    let some = bench.open().plan_for(&request, &Silent).unwrap();
    assert!(matches!(some.mappings[0].selection, Selection::Chosen { count: 1, .. }));
    run(&bench.open(), &some);
    let rest = plan(&bench.open(), Mode::Incremental);
    assert_eq!(rest.mappings[0].incremental.as_ref().unwrap().looked, 1, "row 1 is what is left");
    assert_eq!(rest.mappings[0].counts.updated, 1);
}

#[test]
fn a_plan_does_not_depend_on_its_workers() {
    let rows: Vec<String> = (0..40_000).map(|n| format!("{n},name {n}")).collect();
    let bench = Bench::new(&[("people", PEOPLE)])
        .old("people", &format!("NO,NAME\n{}", rows.join("\n")))
        .new_side("people", "no,name\n7,x");
    let ids: Vec<String> = [1, 2, 3, 7]
        .into_iter()
        .map(|workers| {
            let request = PlanRequest { workers: Some(workers), batch_rows: 1_000, ..PlanRequest::default() };
            bench.open().plan_for(&request, &Silent).unwrap().id
        })
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn a_sample_hangs_together_and_a_plan_tells_what_is_other_than_in_the_last() {
    let accounts = "from = \"old:accounts\"\nto = \"new:accounts\"\nkey = [\"no\"]\n[fields]\nno = \"NO\"\n";
    let people = "from = \"old:people\"\nto = \"new:people\"\nkey = [\"no\"]\n[fields]\nno = \"NO\"\nname = \"NAME\"\n\
                  account = { from = \"PARENT\", link = \"accounts\" }\nboss = { from = \"BOSS\", link = \"people\" }\n";
    let bench = Bench::new(&[("accounts", accounts), ("people", people)])
        .old("accounts", "NO\nA1\nA2\nA3")
        .old("people", "NO,NAME,PARENT,BOSS\nP1,ann,A1,P3\nP2,bob,A2,-\nP3,cid,A2,-\nP4,dan,A3,P1")
        .new_side("accounts", "no")
        .new_side("people", "no,name,account,boss");
    let ask = |roots| PlanAsk { sample: Some(Sample { roots, mapping: None }), ..PlanAsk::default() };
    let one = bench.open().plan_as(&ask(1), &Silent).unwrap();
    assert_eq!(bench.open().plan_as(&ask(1), &Silent).unwrap().id, one.id, "the same each time");
    // Whatever the root is: no row of a sample lacks its parent.
    assert!(one.mappings.iter().all(|part| part.counts.rejected == 0 && part.counts.closes()), "{one:?}");
    assert!(one.mappings[0].counts.inserted >= 1 && one.mappings[1].counts.inserted >= 1);
    assert!(
        matches!(&one.mappings[1].selection, Selection::Chosen { by, .. } if by.contains("a sample of 1 accounts"))
    );
    let all = bench.open().plan_as(&ask(3), &Silent).unwrap();
    assert_eq!(all.mappings.iter().map(|part| part.counts.inserted).collect::<Vec<_>>(), [3, 4]);

    let whole = plan(&bench.open(), Mode::Full);
    let bench = bench.old("people", "NO,NAME,PARENT,BOSS\nP1,eve,A1,P3\nP2,bob,A9,-\nP3,cid,A2,-\nP5,new,A1,-");
    let next = plan(&bench.open(), Mode::Full);
    let against = bench.open().plan_against(&next, &whole.id, &Silent).unwrap();
    let people = &against.mappings[1];
    assert_eq!((people.appeared, people.vanished, people.operation, people.cells), (1, 1, 1, 1));
    let keys: Vec<&str> = people.rows.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(keys, ["P1", "P2", "P5", "P4"]);
    assert_eq!(people.causes.len(), 1);
    assert_eq!(against.mappings[0].rows, []);
    assert_eq!(bench.open().plan_against(&next, "last", &Silent).unwrap().plan, next.id);
}
