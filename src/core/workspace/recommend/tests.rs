#![allow(clippy::unwrap_used)]
use super::cost::{PLAN_RATE, RUN_RATE, Rate};
use super::decide::{decide, overall};
use super::facts::Found;
use super::*;
use crate::journal::RunState;
use crate::monitor::{CancelFlag, Silent};
use crate::plan::Plan;
use crate::project::Mapping;
use crate::workspace::tests::bench::{Bench, table};

const PEOPLE: &str =
    "from = \"old:people\"\nto = \"new:people\"\nkey = [\"no\"]\n[fields]\nno = \"NO\"\nname = \"NAME\"\n";

fn mapping() -> Mapping {
    crate::project::load_mapping(std::path::Path::new("."), std::path::Path::new("mappings/people.toml"), PEOPLE)
        .unwrap()
}

fn rows(count: u64) -> Rows {
    Rows { count: Some(count), exact: true, basis: "counted".into() }
}

/// A large source that was run before, on a platform that can do everything.
fn large() -> Facts {
    Facts {
        source: rows(5_000_000),
        target_exists: true,
        target: rows(5_000_000),
        ledger: LedgerFacts { there: true, records: 4_900_000, mark: true, ..LedgerFacts::default() },
        cursor: Some("UPDATED".into()),
        source_parts: true,
        target_parts: true,
        writable: true,
        atomic: true,
        revertible: true,
        limit: Some("one writer at a time".into()),
        whole_runs: 2,
        written_last: Some(40_000),
        ..Facts::default()
    }
}

fn of(facts: Facts) -> Advice {
    let updated = Candidate {
        column: "UPDATED".into(),
        kind: "time".into(),
        tells: Tells::Changes,
        empty: 0,
        seen: 100,
        whole: true,
    };
    let found = Found { facts, cursors: vec![updated], plan: Rate::assumed(PLAN_RATE), run: Rate::assumed(RUN_RATE) };
    decide(&mapping(), found, 2)
}

fn not(advice: &Advice, strategy: Strategy) -> Option<&str> {
    advice.ways.iter().find(|way| way.strategy == strategy).unwrap().not.as_deref()
}

#[test]
fn each_fact_turns_the_choice_where_it_must() {
    let best = of(large());
    assert_eq!((best.strategy, best.workers), (Strategy::Cursor, 1), "few rows are mapped");
    assert_eq!(best.ways[0].strategy, Strategy::Cursor, "the recommended way comes first");
    assert!(best.ways.iter().all(|way| way.not.is_none()));

    let never = of(Facts { whole_runs: 0, ledger: LedgerFacts::default(), ..large() });
    assert_eq!((never.strategy, never.workers), (Strategy::Sample, 2));
    assert!(never.why.iter().any(|why| why.contains("one writer at a time")), "{:?}", never.why);
    assert!(not(&never, Strategy::Hash).unwrap().contains("no ledger yet"));
    let part = of(Facts { whole_runs: 0, part_runs: 1, ledger: LedgerFacts::default(), ..large() });
    assert_eq!(part.strategy, Strategy::Full);

    let no_parts = of(Facts { source_parts: false, ..large() });
    assert_eq!(no_parts.strategy, Strategy::Hash);
    assert!(no_parts.why.iter().any(|why| why.contains("only be read whole")) && no_parts.write.is_empty());
    let unset = of(Facts { cursor: None, ..large() });
    assert_eq!(unset.strategy, Strategy::Hash);
    assert_eq!(unset.write, ["cursor = \"UPDATED\"", "overlap = \"5m\""]);
    assert_eq!(not(&unset, Strategy::Cursor), Some("no cursor is set: UPDATED may be one"));
    let deletes = of(Facts { acts_on_missing: true, ..large() });
    assert_eq!(deletes.strategy, Strategy::Hash, "a cursor does not see deletes: {:?}", deletes.why);
    for facts in [
        Facts { target_parts: false, ..large() },
        Facts { ledger: LedgerFacts { mark: false, ..large().ledger }, ..large() },
        Facts { ledger: LedgerFacts { target_moved: true, ..large().ledger }, ..large() },
    ] {
        assert_eq!(of(facts).strategy, Strategy::Hash);
    }

    let unfit = LedgerFacts { unfit: Some("the mapping's rules changed since the last run".into()), ..large().ledger };
    let unfit = of(Facts { ledger: unfit, ..large() });
    assert_eq!(
        (unfit.strategy, unfit.why[0].as_str()),
        (Strategy::Full, "the mapping's rules changed since the last run")
    );
    let small = of(Facts { source: rows(3_000), target: rows(3_000), written_last: Some(10), ..large() });
    assert_eq!((small.strategy, small.workers), (Strategy::Full, 1), "what takes a second needs no ledger");
    let broken = of(Facts { atomic: false, revertible: false, whole_runs: 0, ..large() });
    assert!(broken.why.iter().any(|why| why.contains("stays if a run is stopped")), "{:?}", broken.why);
    assert_eq!(of(Facts { writable: false, ..large() }).strategy, Strategy::Full);
}

#[test]
fn a_cost_is_of_measured_rates_and_unknown_where_a_side_is() {
    let full = |facts: Facts, plan: Rate, run: Rate| {
        let found = Found { facts, cursors: Vec::new(), plan, run };
        let advice = decide(&mapping(), found, 1);
        advice.ways.iter().find(|way| way.strategy == Strategy::Full).unwrap().cost.clone()
    };
    let assumed = || (Rate::assumed(PLAN_RATE), Rate::assumed(RUN_RATE));
    let (plan, run) = assumed();
    let cost = full(large(), plan, run.clone());
    assert_eq!((cost.reads, cost.writes, cost.seconds), (Some(10_000_000), Some(40_000), Some(100)), "{cost:?}");
    let measured = Rate::measured(1_000_000, 1_000, "plan 7f3ac2").unwrap();
    assert_eq!(full(large(), measured, run).seconds, Some(10), "ten times as fast");
    let (plan, run) = assumed();
    let file = full(Facts { target_bytes: Some(900_000_000), ..large() }, plan, run);
    assert_eq!(file.seconds, Some(200), "all of a file is written: {}", file.words);
    assert!(file.words.contains("900.0 MB is written anew"), "{}", file.words);
    let (plan, run) = assumed();
    let unknown = full(Facts { source: Rows::default(), ..large() }, plan, run);
    assert_eq!((unknown.reads, unknown.seconds), (None, None));
}

#[test]
fn one_plan_for_all_takes_first_what_was_never_run() {
    let named = |name: &str, facts| Advice { mapping: name.into(), ..of(facts) };
    let never = || named("new", Facts { whole_runs: 0, ..large() });
    let both = overall(None, &[], vec![named("old", large()), never()]);
    assert_eq!((both.strategy, both.mappings.as_slice()), (Strategy::Sample, &["new".to_owned()][..]));
    assert_eq!(both.command(), "plan new --sample 20 --workers 2");
    let all = overall(None, &[], vec![never()]);
    assert_eq!(all.ask().sample.unwrap().roots, SAMPLE);
    assert!(all.mappings.is_empty());
    let mixed = overall(None, &[], vec![named("one", large()), named("two", Facts { cursor: None, ..large() })]);
    assert_eq!(mixed.command(), "plan --mode incremental");
    let rehearsed = Recommendation { rehearse: Some("sandbox".into()), ..all };
    assert_eq!(rehearsed.command(), "--env sandbox plan --sample 20 --workers 2");
    assert!(rehearsed.lines().iter().any(|line| line.contains("in the environment sandbox first")));
}

fn run(bench: &Bench, plan: &Plan) {
    let record = bench.open().create_run(plan, &plan.confirm).unwrap();
    let record = bench.open().execute_run(&record.id, &CancelFlag::default()).unwrap();
    assert_eq!(record.state, RunState::Done, "{:?}", record.note);
}

#[test]
fn a_project_is_led_from_its_first_sample_to_its_ledger_and_looking_leaves_no_trace() {
    let bench = Bench::new(&[("people", PEOPLE)])
        .old(
            "people",
            "NO,NAME,UPDATED_AT\n1,Ann,2026-01-01 10:00:00\n2,Bob,2026-01-02 10:00:00\n3,Cid,2026-01-02 10:00:00",
        )
        .new_side("people", "no,name");
    let recommend = || bench.open().recommend(&[], &Silent).unwrap();
    let first = recommend();
    assert_eq!(first.strategy, Strategy::Sample);
    assert!(!bench.root.path().join(".crm-console").exists(), "looking leaves no trace");
    let advice = &first.advice[0];
    assert_eq!((advice.facts.source.count, advice.facts.source.exact), (Some(3), true));
    assert_eq!((advice.facts.target.count, advice.facts.target_exists), (Some(0), true));
    assert_eq!((advice.cursors[0].column.as_str(), advice.cursors[0].tells), ("UPDATED_AT", Tells::Changes));
    assert!(advice.write.is_empty(), "this platform cannot be read in parts");
    assert!(advice.facts.basis.contains("nothing was measured"), "{}", advice.facts.basis);

    run(&bench, &bench.open().plan_as(&first.ask(), &Silent).unwrap());
    let second = recommend();
    assert_eq!((second.strategy, second.advice[0].facts.part_runs), (Strategy::Full, 1));
    run(&bench, &bench.open().plan_as(&second.ask(), &Silent).unwrap());
    let third = recommend();
    let facts = &third.advice[0].facts;
    assert_eq!((facts.whole_runs, facts.ledger.there, facts.ledger.unfit.as_deref()), (1, true, None));
    assert_eq!(facts.ledger.records, 3);
    assert_eq!(third.strategy, Strategy::Full, "three rows are simply compared");
    assert!(not(&third.advice[0], Strategy::Hash).is_none());

    bench.write("people", &PEOPLE.replace("\"NAME\"", "{ from = \"NAME\", clean = [\"upper\"] }"));
    let changed = recommend();
    assert!(not(&changed.advice[0], Strategy::Hash).unwrap().contains("rules changed"), "{:?}", changed.advice[0]);
    table(bench.new.clone(), "people", "no,name\n1,Ann");
    assert!(recommend().advice[0].facts.target.count == Some(1));
    assert!(bench.open().recommend(&["peple".into()], &Silent).unwrap_err().what().contains("people"));
}
