//! The watch loop over platforms in memory: its tally is that of both sides, however it came about.
use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::bench::{Bench, table};
use crate::journal::sync::{LaneStatus, Order};
use crate::monitor::CancelFlag;
use crate::workspace::SyncAsk;

const MAPPING: &str = "from = \"old:people\"\nto = \"new:people\"\nkey = [\"no\"]\n\n[fields]\nno = \"NO\"\nname = \"NAME\"\n\
    stage = { from = \"STG\", values = { L = \"lead\", Q = \"qualified\" } }\n\n[run]\nmax_deletes = \"100%\"\n\n[sync]\n";

/// Key, name, stage.
type Rows = BTreeMap<u8, (u8, u8)>;

fn text(rows: &Rows) -> String {
    let stage = |stage: u8| ["L", "Q", "unknown"][stage as usize];
    let lines = rows.iter().map(|(key, (name, at))| format!("{key},n{name},{}\n", stage(*at)));
    std::iter::once("NO,NAME,STG\n".to_owned()).chain(lines).collect()
}

/// One look at everything.
fn look(bench: &Bench) -> LaneStatus {
    let ask = SyncAsk { once: true, ..SyncAsk::default() };
    bench.open().run_sync(&ask, &CancelFlag::default()).unwrap().remove(0)
}

/// Records that are equal, and all of either side: counted from the two sides alone. `ours`: keys that came from the source.
fn counted(bench: &Bench, source: &Rows, ours: &BTreeSet<u8>) -> (u64, u64) {
    let there: BTreeMap<u8, Vec<Option<String>>> = bench
        .new
        .rows("people")
        .into_iter()
        .filter_map(|row| Some((row[0].as_ref()?.parse().ok()?, row)))
        .filter(|(key, _)| ours.contains(key))
        .collect();
    let mut equal = 0;
    for (key, (name, stage)) in source {
        let Some(row) = there.get(key) else { continue };
        let stage = ["lead", "qualified", "?"][*stage as usize];
        equal += u64::from(row[1].as_deref() == Some(&format!("n{name}")) && row[2].as_deref() == Some(stage));
    }
    let union: BTreeSet<u8> = source.keys().chain(there.keys()).copied().collect();
    (equal, union.len() as u64)
}

fn steps() -> impl Strategy<Value = Vec<Rows>> {
    let row = (0_u8..9, (0_u8..3, prop::sample::select(&[0_u8, 0, 1, 1, 2][..])));
    vec(vec(row, 0..9).prop_map(|rows| rows.into_iter().collect::<Rows>()), 2..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn the_tally_kept_by_delta_is_the_one_that_is_counted(
        steps in steps(),
        policy in prop::sample::select(&["", "deletes = \"propagate\"\n"][..]),
    ) {
        let bench = Bench::new(&[("people", &format!("{MAPPING}{policy}"))])
            .old("people", &text(&steps[0]))
            .new_side("people", "no,name,stage,memo\n-,native,-,own\n50,other,lead,own");
        let held = look(&bench);
        if let Some(held) = &held.held {
            let store = bench.open().sync_store().unwrap();
            store.tell(Some("people"), &Order::Release { plan: held.plan.clone() }).unwrap();
        }
        let mut ours: BTreeSet<u8> = BTreeSet::new();
        for rows in &steps {
            _ = table(bench.old.clone(), "people", &text(rows));
            let mut status = look(&bench);
            // What was released is done first; what came since needs a release of its own only where nobody confirmed yet.
            while let Some(held) = status.held.clone() {
                bench.open().sync_store().unwrap().tell(Some("people"), &Order::Release { plan: held.plan }).unwrap();
                status = look(&bench);
            }
            ours.extend(rows.iter().filter(|(_, (_, stage))| *stage < 2).map(|(key, _)| *key));
            let tally = status.tally.unwrap_or_default();
            let (equal, union) = counted(&bench, rows, &ours);
            prop_assert_eq!((tally.equal, tally.union()), (equal, union), "{:?} {:?}", rows, tally);
            bench.open().sync_store().unwrap().tell(Some("people"), &Order::Audit).unwrap();
            let audited = look(&bench);
            prop_assert_eq!(audited.audit_gap, Some(0));
            prop_assert_eq!(audited.tally, Some(tally), "an audit changes nothing");
            let bad = rows.values().filter(|(_, stage)| *stage == 2).count() as u64;
            prop_assert_eq!(audited.rejects, bad);
            let native: Vec<_> = bench.new.rows("people").into_iter().filter(|row| row[3].as_deref() == Some("own")).collect();
            prop_assert_eq!(native.len(), 2, "rows of the target's own stay");
        }
    }
}

#[test]
fn an_audit_finds_and_mends_what_somebody_changed_at_the_target() {
    let rows: Rows = (0..6).map(|key| (key, (key, 0))).collect();
    let bench = Bench::new(&[("people", MAPPING)]).old("people", &text(&rows)).new_side("people", "no,name,stage,memo");
    let plan = look(&bench).held.unwrap().plan;
    let tell = |order: &Order| bench.open().sync_store().unwrap().tell(Some("people"), order).unwrap();
    tell(&Order::Release { plan });
    assert_eq!(look(&bench).tally.unwrap().equal, 6);
    assert!(bench.new.edit("people", 2, "name", Some("somebody else")));
    tell(&Order::Audit);
    let status = look(&bench);
    assert_eq!(bench.new.rows("people")[2][1].as_deref(), Some("n2"));
    assert_eq!(status.tally.unwrap().equal, 6);
}

#[test]
fn a_platform_that_is_lost_is_stuck_and_goes_on_by_itself() {
    let rows: Rows = (0..3).map(|key| (key, (key, 0))).collect();
    let bench = Bench::new(&[("people", MAPPING)]).old("people", &text(&rows)).new_side("people", "no,name,stage,memo");
    let plan = look(&bench).held.unwrap().plan;
    bench.open().sync_store().unwrap().tell(Some("people"), &Order::Release { plan }).unwrap();
    look(&bench);
    let more: Rows = (0..4).map(|key| (key, (key, 1))).collect();
    _ = table(bench.old.clone(), "people", &text(&more));
    bench.new.break_with(crate::platform::memory::Faults { lost: true, ..Default::default() });
    let status = look(&bench);
    assert_eq!((status.state, status.tries), (crate::journal::sync::LaneState::Stuck, 1));
    assert!(status.why.contains("connection is lost"), "{}", status.why);
    bench.new.break_with(crate::platform::memory::Faults::default());
    let status = look(&bench);
    assert_eq!((status.state, status.tally.unwrap().equal), (crate::journal::sync::LaneState::Ok, 4));
}
