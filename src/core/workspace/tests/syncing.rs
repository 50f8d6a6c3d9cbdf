//! The watch loop over platforms in memory: its tally is that of both sides, however it came about.
use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::bench::{Bench, table};
use super::properties::config;
use crate::journal::sync::{EventFilter, LaneStatus, Order};
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
        // A record that is marked as deleted where the source deleted it is gone on both sides.
        .filter(|(key, row)| ours.contains(key) && (row[3].is_none() || source.contains_key(key)))
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
    #![proptest_config(config(12))]
    #[test]
    fn the_tally_kept_by_delta_is_the_one_that_is_counted(
        steps in steps(),
        policy in prop::sample::select(&["", "deletes = \"propagate\"\n", "deletes = \"mark:memo\"\n"][..]),
    ) {
        let mut steps = steps;
        if policy.contains("mark") {
            // Of a source without rows nobody asks which target rows bear the mark.
            for rows in &mut steps {
                rows.insert(8, (0, 0));
            }
        }
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

/// What a side holds: key → name, city.
type Side = BTreeMap<u8, (u8, u8)>;

/// A change between two looks: which side, which record, and what it becomes; None: it goes.
type Edit = (bool, u8, Option<(u8, u8)>);

fn edits() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    let record = proptest::option::weighted(0.75, (0_u8..3, 0_u8..3));
    vec(vec((any::<bool>(), 0_u8..6, record), 0..6), 1..5)
}

/// Both sides' record out of what they last agreed on, by the words of the design.
fn merged(base: Option<(u8, u8)>, sides: [Option<(u8, u8)>; 2], source_wins: bool) -> Option<(u8, u8)> {
    let field = |pick: fn((u8, u8)) -> u8, source: (u8, u8), target: (u8, u8)| {
        let (source, target) = (pick(source), pick(target));
        match base.map(pick) {
            Some(base) if base == source => target,
            Some(base) if base == target => source,
            _ if source_wins => source,
            _ => target,
        }
    };
    match (base, sides) {
        (_, [None, None]) => None,
        (_, [Some(source), Some(target)]) => Some((field(|it| it.0, source, target), field(|it| it.1, source, target))),
        (None, [one, other]) => one.or(other),
        // Deleted there: so it is here, but for a change that wins.
        (Some(base), [Some(source), None]) => (source != base && source_wins).then_some(source),
        (Some(base), [None, Some(target)]) => (target != base && !source_wins).then_some(target),
    }
}

proptest! {
    #![proptest_config(config(8))]

    /// Whatever both sides change between two looks, they end alike, as the model says, and nothing goes round.
    #[test]
    fn both_sides_of_a_mapping_end_as_the_three_way_model(steps in edits(), source_wins in any::<bool>()) {
        let mapping = format!(
            "from = \"old:people\"\nto = \"new:people\"\nkey = [\"no\"]\nscope = \"no IS NOT NULL\"\n\n[fields]\n\
             no = \"NO\"\nname = \"NAME\"\ncity = \"CITY\"\n\n[run]\nmax_deletes = \"100%\"\n\n[sync]\n\
             direction = \"two-way\"\ndeletes = \"propagate\"\nconflict = \"{}\"\n",
            if source_wins { "source" } else { "target" },
        );
        // One record stays, because an empty side deletes nothing.
        let first: Side = (0..4).chain([99]).map(|key| (key, (0, 0))).collect();
        let text = |head: &str, side: &Side, more: &str| {
            let lines = side.iter().map(|(key, (name, city))| format!("{key},n{name},c{city}{more}\n"));
            std::iter::once(format!("{head}\n")).chain(lines).collect::<String>()
        };
        let bench = Bench::new(&[("people", &mapping)])
            .old("people", &text("NO,NAME,CITY", &first, ""))
            .new_side("people", "no,name,city,memo\n-,native,-,own");
        let plan = look(&bench).held.unwrap().plan;
        bench.open().sync_store().unwrap().tell(Some("people"), &Order::Release { plan }).unwrap();
        look(&bench);
        let read = |rows: Vec<Vec<Option<String>>>| -> Side {
            let number = |cell: &Option<String>| cell.as_deref().and_then(|text| text.get(1..)?.parse().ok());
            let key = |cell: &Option<String>| cell.as_deref().and_then(|text| text.parse().ok());
            rows.iter().filter_map(|row| Some((key(&row[0])?, (number(&row[1])?, number(&row[2])?)))).collect()
        };
        let sides = || [read(bench.old.rows("people")), read(bench.new.rows("people"))];
        prop_assert_eq!(sides(), [first.clone(), first.clone()]);
        let mut base = first;
        for edits in &steps {
            let [mut source, mut target] = [base.clone(), base.clone()];
            for (at_source, key, record) in edits {
                let side = if *at_source { &mut source } else { &mut target };
                match record {
                    Some(record) => drop(side.insert(*key, *record)),
                    None => drop(side.remove(key)),
                }
            }
            _ = table(bench.old.clone(), "people", &text("NO,NAME,CITY", &source, ""));
            let native = text("no,name,city,memo", &target, ",-") + "-,native,-,own\n";
            _ = table(bench.new.clone(), "people", &native);
            let keys: BTreeSet<u8> = source.keys().chain(target.keys()).copied().collect();
            let wanted: Side = keys
                .into_iter()
                .filter_map(|key| {
                    let sides = [&source, &target].map(|side| side.get(&key).copied());
                    Some((key, merged(base.get(&key).copied(), sides, source_wins)?))
                })
                .collect();
            let mut status = look(&bench);
            for _ in 0..3 {
                status = look(&bench);
            }
            prop_assert_eq!(sides(), [wanted.clone(), wanted.clone()], "{:?} from {:?}", edits, base);
            prop_assert_eq!((status.conflicts, status.tally.unwrap().equal), (0, wanted.len() as u64), "{:?}", status);
            prop_assert_eq!(status.tally.unwrap().union(), wanted.len() as u64, "{:?}", status.tally);
            let told = bench.open().sync_events(&EventFilter::default(), 1_000).unwrap().len();
            look(&bench);
            prop_assert_eq!(bench.open().sync_events(&EventFilter::default(), 1_000).unwrap().len(), told, "no echo");
            base = wanted;
        }
        let native = bench.new.rows("people").into_iter().filter(|row| row[3].as_deref() == Some("own")).count();
        prop_assert_eq!(native, 1);
    }
}
