//! Runs taken back, over platforms in memory.
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::bench::Bench;
use crate::error::Kind;
use crate::journal::{RunRecord, RunState};
use crate::monitor::{CancelFlag, Silent};
use crate::plan::{Operation, Plan};
use crate::workspace::Workspace;

fn run(workspace: &Workspace, plan: &Plan) -> RunRecord {
    let record = workspace.create_run(plan, &plan.confirm).unwrap();
    let record = workspace.execute_run(&record.id, &CancelFlag::default()).unwrap();
    assert_eq!(record.state, RunState::Done, "{:?}", record.note);
    record
}

const PEOPLE: &str = "from = \"old:people\"\nto = \"new:people\"\nkey = [\"legacy_id\"]\ntarget_only = \"delete\"\n\
     scope = \"legacy_id IS NOT NULL\"\n[fields]\nlegacy_id = \"ID\"\nname = \"NAME\"\n\
     boss = { from = \"BOSS\", link = \"people\", on_miss = \"null\" }\n\
     [run]\nerror_budget = \"100%\"\nmax_deletes = \"100%\"\n";

fn bench() -> Bench {
    Bench::new(&[("people", PEOPLE)])
        .old("people", "ID,NAME,BOSS\n1,Ann,3\n2,Bob,1\n3,Cid,-")
        .new_side("people", "id,legacy_id,name,boss,note\n70,2,Rob,-,n\n71,9,Old,-,o\n72,-,Native,-,p")
}

#[test]
fn rows_edited_since_are_held_the_others_go_back_and_forth() {
    let bench = bench().identity("people", "id");
    let workspace = bench.open();
    let before = bench.new.rows("people");
    let first = run(&workspace, &bench.plan());
    let after = bench.new.rows("people");
    // A native row is nobody's, a row that the run inserted is.
    let at = |key: &str| bench.new.rows("people").iter().position(|row| row[1].as_deref() == Some(key)).unwrap();
    assert!(bench.new.edit("people", at("1"), "note", Some("edited")));
    let plan = workspace.revert(&first.id, &[], &Silent).unwrap().plan;
    let part = &plan.mappings[0];
    assert_eq!(bench.new.rows("people").len(), after.len(), "planning writes nothing");
    assert!(part.counts.closes());
    let counts = (part.counts.updated, part.counts.inserted, part.counts.deleted, part.counts.held, part.counts.native);
    assert_eq!(counts, (1, 1, 1, 1, Some(1)));
    let (held, _) = workspace.plan_rows(&plan, "people", Operation::Held, None, 0, 9).unwrap();
    assert_eq!((held[0].key.as_str(), held[0].reason.as_deref()), ("1", Some("changed since the run")));
    let (changed, _) = workspace.plan_rows(&plan, "people", Operation::Update, Some("name"), 0, 9).unwrap();
    let name = changed[0].cells.iter().find(|cell| cell.column == "name").unwrap();
    assert_eq!((name.old.as_deref(), name.new.as_deref()), (Some("Bob"), Some("Rob")));
    let back = run(&workspace, &plan);
    let result = &back.results[0];
    assert!(result.closes);
    assert_eq!((result.tally.unwrap().equal, result.tally.unwrap().different), (3, 1));
    let now = bench.new.rows("people");
    let others: Vec<_> = now.iter().filter(|row| row[1].as_deref() != Some("1")).cloned().collect();
    assert_eq!(others, before);
    // Put the edit back as it was: now all of it goes.
    assert!(bench.new.edit("people", at("1"), "note", None));
    run(&workspace, &workspace.revert(&first.id, &[], &Silent).unwrap().plan);
    assert_eq!(bench.new.rows("people"), before);
    assert!(workspace.revert(&first.id, &[], &Silent).unwrap().is_done());
}

#[test]
fn a_run_at_work_is_busy_and_one_that_wrote_nothing_refused() {
    let bench = bench().identity("people", "id");
    let workspace = bench.open();
    let plan = bench.plan();
    let record = workspace.create_run(&plan, &plan.confirm).unwrap();
    assert_eq!(workspace.revert(&record.id, &[], &Silent).unwrap_err().kind(), Kind::Busy);
    workspace.execute_run(&record.id, &CancelFlag::default()).unwrap();
    let again = run(&workspace, &bench.plan());
    assert_eq!(workspace.revert(&again.id, &[], &Silent).unwrap_err().kind(), Kind::Refused);
    assert_eq!(workspace.revert("none", &[], &Silent).unwrap_err().kind(), Kind::Usage);
}

type Row = (Option<&'static str>, Option<&'static str>);

fn text(header: &str, rows: &[Row], tail: &str) -> String {
    let line = |(at, (key, name)): (usize, &Row)| {
        format!(
            "{}{},{}{tail}\n",
            if tail.is_empty() { String::new() } else { format!("{},", at + 1) },
            key.unwrap_or("-"),
            name.unwrap_or("-")
        )
    };
    format!("{header}\n{}", rows.iter().enumerate().map(line).collect::<String>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_run_on_any_table_goes_back(
        source in vec((option::of(prop::sample::select(&["1", "2", "3", "4"][..])), option::of(prop::sample::select(&["a", "b"][..]))), 1..6),
        target in vec((option::of(prop::sample::select(&["1", "2", "3", "4", "5"][..])), option::of(prop::sample::select(&["a", "b", "c"][..]))), 0..6),
        named in any::<bool>(), scoped in any::<bool>(),
    ) {
        let mapping = "from = \"old:people\"\nto = \"new:people\"\nkey = [\"legacy_id\"]\nduplicates = \"first\"\n\
            target_only = \"delete\"\n[fields]\nlegacy_id = \"ID\"\nname = \"NAME\"\n\
            [run]\nerror_budget = \"100%\"\nmax_deletes = \"100%\"\n";
        let mapping = if scoped { mapping.replace("[fields]", "scope = \"legacy_id IS NOT NULL\"\n[fields]") } else { mapping.to_owned() };
        let bench = Bench::new(&[("people", &mapping)])
            .old("people", &text("ID,NAME", &source, ""))
            .new_side("people", &text("id,legacy_id,name,note", &target, ",n"));
        let bench = if named { bench.identity("people", "id") } else { bench };
        let workspace = bench.open();
        let before = bench.new.rows("people");
        let first = run(&workspace, &bench.plan());
        let after = bench.new.rows("people");
        if first.results[0].counts.is_noop() {
            return Ok(());
        }
        let back = run(&workspace, &workspace.revert(&first.id, &[], &Silent).unwrap().plan);
        prop_assert_eq!(bench.new.rows("people"), before);
        prop_assert_eq!(back.consistency, Some(1.0));
        run(&workspace, &workspace.revert(&back.id, &[], &Silent).unwrap().plan);
        prop_assert_eq!(bench.new.rows("people"), after);
    }
}
