#![allow(clippy::unwrap_used)]
use std::time::Duration;

use super::*;
use crate::project::Side;

fn store() -> (tempfile::TempDir, SyncStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = SyncStore::open(&dir.path().join("default.db")).unwrap();
    (dir, store)
}

fn event(key: &str, changed: i64, outcome: EventOutcome) -> SyncEvent {
    let done = outcome.is_done().then_some(changed + 40);
    SyncEvent {
        mapping: "contacts".into(),
        key: Some(key.into()),
        operation: "update".into(),
        origin: "file".into(),
        clock: Clock::Platform,
        changed,
        seen: changed + 5,
        done,
        lag: done.map(|done| (done - changed).unsigned_abs()),
        outcome,
        reason: (!outcome.is_done()).then(|| "email: not an address".into()),
        cycle: None,
    }
}

#[test]
fn an_event_keeps_the_time_of_the_change_that_waited() {
    let (_dir, store) = store();
    let now = now_ms();
    store.add_events(&[event("a", now - 10_000, EventOutcome::Rejected)]).unwrap();
    store
        .add_events(&[event("a", now - 5_000, EventOutcome::Rejected), event("b", now - 1_000, EventOutcome::Written)])
        .unwrap();
    let open = store.open_events("contacts").unwrap();
    assert_eq!(open.len(), 1, "one record waits once");
    assert_eq!(open[0].event.changed, now - 10_000);
    let timely = store.timeliness("contacts", 0, Duration::from_secs(60)).unwrap();
    assert_eq!((timely.events, timely.open), (2, 1));
    assert!(timely.oldest.unwrap() >= 10_000);
    store.add_events(&[event("a", now - 100, EventOutcome::Written)]).unwrap();
    assert!(store.open_events("contacts").unwrap().is_empty());
    let newest = &store.events(&EventFilter::default(), 1).unwrap()[0].event;
    assert_eq!((newest.changed, newest.lag), (now - 10_000, Some(9_940)), "it had been waiting since the first change");
    let found =
        |text: &str| store.events(&EventFilter { text: Some(text.into()), ..EventFilter::default() }, 9).unwrap().len();
    assert_eq!((found("A"), found("b"), found("zzz")), (1, 1, 0));
}

#[test]
fn a_decision_falls_when_the_record_moves_on() {
    let (_dir, store) = store();
    let field = |target: &str| ConflictField {
        field: "email".into(),
        base: Some("a".into()),
        source: Some("b".into()),
        target: Some(target.into()),
        take: None,
    };
    store.put_conflict("contacts", "7", &[field("c")]).unwrap();
    let id = store.conflicts(None).unwrap()[0].id;
    assert!(store.decide(id, &[("phone".into(), Side::Source)]).is_err());
    assert_eq!(store.decide(id, &[("email".into(), Side::Target)]).unwrap().state, ConflictState::Decided);
    store.put_conflict("contacts", "7", &[field("c")]).unwrap();
    assert_eq!(store.conflict_of("contacts", "7").unwrap().unwrap().state, ConflictState::Decided, "nothing moved");
    store.undecide(id).unwrap();
    assert_eq!(store.conflict(id).unwrap().state, ConflictState::Open);
    store.decide(id, &[("email".into(), Side::Target)]).unwrap();
    store.put_conflict("contacts", "7", &[field("d")]).unwrap();
    let now = store.conflict_of("contacts", "7").unwrap().unwrap();
    assert_eq!((now.state, now.fields[0].take), (ConflictState::Open, None));
    store.settle_conflict("contacts", "7").unwrap();
    assert!(store.conflicts(Some("contacts")).unwrap().is_empty());
    assert!(store.undecide(now.id).is_err());
}

#[test]
fn lanes_orders_and_scores_come_back() {
    let (_dir, store) = store();
    let lane = LaneStatus { mapping: "contacts".into(), freshness: 1_000, oldest: Some(5), ..LaneStatus::default() };
    store.put_lane(&lane).unwrap();
    store.remember("contacts", &vec![1, 2]).unwrap();
    store.put_lane(&lane).unwrap();
    assert_eq!(store.memory::<Vec<i32>>("contacts").unwrap(), [1, 2], "a new status keeps the memory");
    assert_eq!(store.lanes().unwrap(), std::slice::from_ref(&lane));
    assert_eq!(lane.alarms(2_000), ["late"]);
    store.tell(Some("contacts"), &Order::Release { plan: Some("abc".into()) }).unwrap();
    store.tell(None, &Order::Stop).unwrap();
    let orders = store.orders(0).unwrap();
    assert_eq!(orders[0].order, Order::Release { plan: Some("abc".into()) });
    assert_eq!((orders[1].mapping.as_deref(), store.orders(orders[0].id).unwrap().len()), (None, 1));
    let score = ScoreLine { at: 7, tally: None, pending: 2, timely: crate::score::Timeliness::default(), rate: 0.5 };
    store.add_score("contacts", &score).unwrap();
    assert_eq!(store.scores("contacts", 7).unwrap(), [score]);
    store.log(Some("contacts"), LogLevel::Alarm, "held").unwrap();
    store.keep_lanes(&[]).unwrap();
    assert!(store.lanes().unwrap().is_empty());
    store.prune(i64::MAX, 9).unwrap();
    assert!(store.scores("contacts", 0).unwrap().is_empty() && store.log_lines(None, 9).unwrap().is_empty());
}

#[test]
fn of_events_that_are_done_the_newest_stay_and_those_that_wait_all_do() {
    let (_dir, store) = store();
    let now = now_ms();
    for at in 0..20 {
        let outcome = if at % 10 == 0 { EventOutcome::Held } else { EventOutcome::Written };
        store.add_events(&[event(&at.to_string(), now, outcome)]).unwrap();
        store.log(None, LogLevel::Info, "x").unwrap();
    }
    store.prune(0, 5).unwrap();
    let left: Vec<String> =
        store.events(&EventFilter::default(), 99).unwrap().into_iter().filter_map(|line| line.event.key).collect();
    assert_eq!(left, ["19", "18", "17", "16", "15", "10", "0"]);
    assert_eq!(store.log_lines(None, 99).unwrap().len(), 20);
    store.prune(0, 99).unwrap();
    assert_eq!(store.events(&EventFilter::default(), 99).unwrap().len(), 7);
}

#[test]
fn lags_are_counted_by_bounds() {
    let (_dir, store) = store();
    let now = now_ms();
    store.add_events(&[event("a", now - 900, EventOutcome::Written), event("b", now - 9, EventOutcome::Held)]).unwrap();
    assert_eq!(store.lags("contacts", now - 5_000, &[10, 40, 100]).unwrap(), [0, 1, 0, 0]);
    assert_eq!(store.lags("contacts", now - 5_000, &[10]).unwrap(), [0, 1]);
    assert_eq!(store.lags("deals", 0, &[10]).unwrap(), [0, 0]);
    assert_eq!(store.lags("contacts", now + 5_000, &[100]).unwrap(), [0, 0]);
}

#[test]
fn whoever_opens_a_new_store_at_the_same_moment_waits_for_the_other() {
    for _ in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("default.db");
        let gate = std::sync::Barrier::new(6);
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    gate.wait();
                    drop(SyncStore::open(&path).unwrap());
                    SyncStore::open(&path).unwrap().log(None, LogLevel::Info, "here").unwrap();
                });
            }
        });
    }
}
