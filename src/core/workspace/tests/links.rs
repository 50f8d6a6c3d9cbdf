//! A link to a record that the same plan deletes leads nowhere: in the plan, and so in the run.
use super::bench::{Bench, table};
use crate::journal::{Reject, RunState};
use crate::monitor::{CancelFlag, Silent};
use crate::plan::{Counts, Plan};
use crate::project::Mode;
use crate::workspace::Workspace;
use crate::workspace::plans::PlanRequest;

fn plan(workspace: &Workspace, mode: Mode) -> Plan {
    workspace.plan_for(&PlanRequest { mode: Some(mode), ..PlanRequest::default() }, &Silent).unwrap()
}

fn run(workspace: &Workspace, plan: &Plan) {
    let record = workspace.create_run(plan, &plan.confirm).unwrap();
    let record = workspace.execute_run(&record.id, &CancelFlag::default()).unwrap();
    assert_eq!(record.state, RunState::Done, "{:?}", record.note);
    for (result, part) in record.results.iter().zip(&plan.mappings) {
        let Counts { inserted, updated, deleted, rejected, held, .. } = part.counts;
        let done = result.counts;
        assert_eq!(
            (done.inserted, done.updated, done.deleted, done.rejected, done.held, result.moved),
            (inserted, updated, deleted, rejected, held, 0),
            "{} as planned",
            part.mapping
        );
    }
}

const TAIL: &str = "[run]\nerror_budget = \"100%\"\nmax_deletes = \"100%\"\n";

/// How a record leaves its target.
const WAYS: [(&str, &str); 2] =
    [("target_only = \"delete\"\nscope = \"no IS NOT NULL\"\n", ""), ("deleted = \"NAME = 'gone'\"\n", "gone")];

fn apart(way: &str, on_miss: &str) -> [(&'static str, String); 2] {
    [
        (
            "accounts",
            format!(
                "from = \"old:accounts\"\nto = \"new:accounts\"\nkey = [\"no\"]\n{way}[fields]\nno = \"NO\"\nname = \"NAME\"\n{TAIL}"
            ),
        ),
        (
            "people",
            format!(
                "from = \"old:people\"\nto = \"new:people\"\nkey = [\"no\"]\n[fields]\nno = \"NO\"\nname = \"NAME\"\n\
                 account = {{ from = \"ACC\", link = \"accounts\", on_miss = \"{on_miss}\" }}\n{TAIL}"
            ),
        ),
    ]
}

fn rejects(workspace: &Workspace, plan: &Plan) -> Vec<Reject> {
    workspace.rejects(&plan.id, None).unwrap()
}

/// A key and one other cell of each row, by key.
fn cells(bench: &Bench, object: &str, from_end: usize) -> Vec<(String, Option<String>)> {
    let mut rows: Vec<_> = bench
        .new
        .rows(object)
        .into_iter()
        .map(|row| {
            let no = row.iter().flatten().find(|cell| cell.starts_with(['A', 'P'])).unwrap().clone();
            (no, row[row.len() - 1 - from_end].clone())
        })
        .collect();
    rows.sort();
    rows
}

fn every_case(mut test: impl FnMut(&str, &str, &str, Mode, bool)) {
    for (way, mark) in WAYS {
        for on_miss in ["reject", "defer", "null"] {
            for mode in [Mode::Full, Mode::Incremental] {
                for identity in [false, true] {
                    test(way, mark, on_miss, mode, identity);
                }
            }
        }
    }
}

#[test]
fn a_link_to_a_record_of_another_mapping_that_goes_follows_on_miss() {
    every_case(|way, mark, on_miss, mode, identity| {
        let what = format!("{way} {on_miss} {mode:?} {identity}");
        let [accounts, people] = apart(way, on_miss);
        let bench = Bench::new(&[(accounts.0, &accounts.1), (people.0, &people.1)])
            .old("accounts", "NO,NAME\nA1,one\nA2,two")
            .old("people", "NO,NAME,ACC\nP1,ann,A1\nP2,bob,A2\nP3,cid,A2")
            .new_side("accounts", "id,no,name")
            .new_side("people", "id,no,name,account");
        let bench = if identity { bench.identity("accounts", "id").identity("people", "id") } else { bench };
        run(&bench.open(), &plan(&bench.open(), Mode::Full));
        let before = cells(&bench, "people", 0);
        let account_of = |no: &str| before.iter().find(|(key, _)| key == no).unwrap().1.clone();
        assert!(account_of("P2").is_some(), "{what}");
        // A2 goes; of those that name it one is as it was, one is new, one changed.
        let tombstone = if mark.is_empty() { String::new() } else { format!("\nA2,{mark}") };
        table(bench.old.clone(), "accounts", &format!("NO,NAME\nA1,one{tombstone}"));
        table(bench.old.clone(), "people", "NO,NAME,ACC\nP1,ann,A1\nP2,bob,A2\nP3,cyd,A2\nP4,dan,A2");
        let next = plan(&bench.open(), mode);
        let people = &next.mappings[1];
        assert_eq!(next.mappings[0].counts.deleted, 1, "{what}");
        assert_eq!(people.incremental.is_some(), mode == Mode::Incremental, "{what}");
        let counts = people.counts;
        let counted = (counts.inserted, counts.updated, counts.unchanged, counts.rejected, counts.held);
        let left_out: Vec<(String, String)> = rejects(&bench.open(), &next)
            .into_iter()
            .map(|reject| (reject.key.unwrap_or_default(), reject.reason))
            .collect();
        let reason = "its parent in accounts is deleted".to_owned();
        let lost = ["P2", "P3", "P4"].map(|key| (key.to_owned(), reason.clone())).to_vec();
        match on_miss {
            "reject" => assert_eq!((counted, left_out), ((0, 0, 1, 3, 0), lost), "{what}"),
            "defer" => assert_eq!((counted, left_out), ((0, 0, 1, 0, 3), lost), "{what}"),
            _ => assert_eq!((counted, left_out), ((1, 2, 1, 0, 0), vec![]), "{what}"),
        }
        run(&bench.open(), &next);
        let after = cells(&bench, "people", 0);
        if on_miss == "null" {
            let expected = [("P1", account_of("P1")), ("P2", None), ("P3", None), ("P4", None)];
            assert_eq!(after, expected.map(|(key, account)| (key.to_owned(), account)), "{what}");
        } else {
            assert_eq!(after, before, "{what}: what is left out stays as it is");
        }
        let again = plan(&bench.open(), Mode::Incremental);
        assert!(again.mappings.iter().all(|part| part.counts.is_noop()), "{what}: {:?}", again.mappings[1].counts);
    });
}

#[test]
fn a_link_within_a_mapping_to_a_record_that_goes_follows_on_miss_all_the_way_down() {
    every_case(|way, mark, on_miss, mode, identity| {
        let what = format!("{way} {on_miss} {mode:?} {identity}");
        let people = format!(
            "from = \"old:people\"\nto = \"new:people\"\nkey = [\"no\"]\n{way}[fields]\nno = \"NO\"\nname = \"NAME\"\n\
             boss = {{ from = \"BOSS\", link = \"people\", on_miss = \"{on_miss}\" }}\n{TAIL}"
        );
        let bench = Bench::new(&[("people", &people)])
            .old("people", "NO,NAME,BOSS\nP3,cid,P2\nP2,bob,P1\nP1,ann,-\nP4,dan,-\nP5,eve,P4")
            .new_side("people", "id,no,name,boss");
        let bench = if identity { bench.identity("people", "id") } else { bench };
        run(&bench.open(), &plan(&bench.open(), Mode::Full));
        let before = cells(&bench, "people", 0);
        // P1 goes: P2 names it and is as it was, P3 names P2, P6 is new.
        let tombstone = if mark.is_empty() { String::new() } else { format!("\nP1,{mark},-") };
        table(
            bench.old.clone(),
            "people",
            &format!("NO,NAME,BOSS\nP3,cid,P2\nP2,bob,P1{tombstone}\nP4,dan,-\nP5,eve,P4\nP6,fay,P1"),
        );
        let next = plan(&bench.open(), mode);
        let part = &next.mappings[0];
        assert_eq!(part.incremental.is_some(), mode == Mode::Incremental, "{what}");
        let counts = part.counts;
        assert_eq!((counts.deleted, counts.closes()), (1, true), "{what}");
        let counted = (counts.inserted, counts.updated, counts.unchanged, counts.rejected, counts.held);
        let words: Vec<String> = rejects(&bench.open(), &next).into_iter().map(|reject| reject.reason).collect();
        let deleted = "its parent in people is deleted";
        match on_miss {
            // What was carried over before keeps its row, so P3 finds P2 there.
            "reject" => assert_eq!((counted, words), ((0, 0, 3, 2, 0), vec![deleted.to_owned(); 2]), "{what}"),
            "defer" => assert_eq!((counted, words), ((0, 0, 3, 0, 2), vec![deleted.to_owned(); 2]), "{what}"),
            _ => assert_eq!((counted, words), ((1, 1, 3, 0, 0), vec![]), "{what}"),
        }
        run(&bench.open(), &next);
        let after = cells(&bench, "people", 0);
        let boss_of = |list: &[(String, Option<String>)], no: &str| {
            list.iter().find(|(key, _)| key == no).map(|(_, boss)| boss.clone())
        };
        assert_eq!(boss_of(&after, "P1"), None, "{what}");
        assert_eq!(boss_of(&after, "P3"), boss_of(&before, "P3"), "{what}");
        if on_miss == "null" {
            assert_eq!((boss_of(&after, "P2"), boss_of(&after, "P6")), (Some(None), Some(None)), "{what}");
        }
        let again = plan(&bench.open(), Mode::Incremental);
        assert!(again.mappings[0].counts.is_noop(), "{what}: {:?}", again.mappings[0].counts);
    });
}
