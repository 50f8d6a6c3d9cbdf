#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use crm_core::Error;
use crm_core::journal::sync::{
    Clock, ConflictField, ConflictRecord, ConflictState, EventOutcome, Held, HeldKind, LogLevel, LoopRecord, Order,
    SyncEvent,
};
use crm_core::plan::{Counts, MappingPlan, Plan, Purpose};
use crm_core::project::{Direction, Side, TriggerKind};
use crm_core::score::{Tally, Timeliness};
use crm_core::workspace::SyncStatus;

use super::*;
use crate::app::App;
use crate::app::msg::{Effect, Msg};
use crate::app::tests::{answer, app, press};

/// 2026-11-25 02:41:07 UTC.
pub(crate) const NOW: i64 = 1_795_574_467_000;
const MINUTE: i64 = 60_000;

/// A lane that is well.
pub(crate) fn lane(mapping: &str) -> LaneStatus {
    let timely = Timeliness {
        mean: Some(0.99),
        on_time: Some(1.0),
        events: 630,
        p50: Some(180),
        p95: Some(410),
        p99: Some(800),
        max: Some(2_300),
        ..Timeliness::default()
    };
    LaneStatus {
        mapping: mapping.into(),
        from: format!("legacy:{mapping}"),
        to: format!("nova:{mapping}"),
        trigger: TriggerKind::Observe,
        watching: format!("file events on legacy/{mapping}.csv"),
        state: LaneState::Ok,
        since: NOW - 90 * MINUTE,
        looked: Some(NOW - 800),
        written: Some(NOW - 1_200),
        cycle_ms: 42,
        tally: Some(Tally { equal: 60_004, different: 2, missing: 1, extra: 0 }),
        audited: Some(NOW - 31 * MINUTE),
        audit_gap: Some(0),
        freshness: 60_000,
        recent: timely,
        session: timely,
        rate: 2.1,
        ..LaneStatus::default()
    }
}

/// A loop at work over these lanes.
pub(crate) fn status(lanes: Vec<LaneStatus>) -> SyncStatus {
    let record = LoopRecord {
        pid: 4_711,
        owner: "ops from 10.0.0.7".into(),
        started: NOW - 90 * MINUTE,
        heartbeat: NOW - 900,
        state: LoopState::Running,
        mappings: lanes.iter().map(|lane| lane.mapping.clone()).collect(),
        listens: None,
        note: None,
    };
    SyncStatus { record: Some(record), alive: true, lanes, now: NOW }
}

pub(crate) fn event(id: i64, key: &str, outcome: EventOutcome) -> EventLine {
    let done = outcome.is_done().then_some(NOW - 2_000 - id * 1_000);
    EventLine {
        id,
        event: SyncEvent {
            mapping: "contacts".into(),
            key: Some(key.into()),
            operation: "update".into(),
            origin: "file".into(),
            clock: if id % 2 == 0 { Clock::Platform } else { Clock::Seen },
            changed: NOW - 2_400 - id * 1_000,
            seen: NOW - 2_300 - id * 1_000,
            done,
            lag: done.map(|_| 400),
            outcome,
            reason: (!outcome.is_done()).then(|| "email: not an address".into()),
            cycle: Some("contacts-7f3ac2".into()),
        },
    }
}

fn log(id: i64, at: i64, mapping: Option<&str>, level: LogLevel, text: &str) -> LogLine {
    LogLine { id, at, mapping: mapping.map(str::to_owned), level, text: text.into() }
}

/// Scores of an hour that went well and then did not.
fn hour() -> Vec<ScoreLine> {
    (0..360_u32)
        .map(|at| {
            let mean = if at < 200 { 0.98 } else { (0.98 - f64::from(at - 200) * 0.006).max(0.0) };
            ScoreLine {
                at: NOW - 3_600_000 + i64::from(at) * 10_000,
                tally: None,
                pending: if at < 200 { 0 } else { u64::from(at) * 4 },
                timely: Timeliness { mean: Some(mean), ..Timeliness::default() },
                rate: if (72..200).contains(&at) { 30.0 } else { 2.0 },
            }
        })
        .collect()
}

pub(crate) fn seen(status: SyncStatus) -> SyncSeen {
    let scores = status.lanes.iter().map(|lane| (lane.mapping.clone(), hour())).collect();
    SyncSeen {
        events: Some(vec![
            event(9, "10442", EventOutcome::Written),
            event(8, "10443", EventOutcome::Rejected),
            event(7, "10444", EventOutcome::Written),
        ]),
        log: Some(vec![
            log(5, NOW - 38 * MINUTE, Some("contacts"), LogLevel::Alarm, "STUCK: nova.db: the disk is full"),
            log(4, NOW - 39 * MINUTE, Some("contacts"), LogLevel::Info, "the mapping changed: it is read again"),
            log(3, NOW - 40 * MINUTE, Some("deals"), LogLevel::Info, "resumed by ops"),
            log(1, NOW - 90 * MINUTE, None, LogLevel::Info, "started by ops for contacts, deals, accounts"),
        ]),
        lags: Some(("contacts".into(), vec![0, 14, 60, 420, 110, 20, 6, 0, 0])),
        scores: Some(scores),
        conflicts: None,
        status,
    }
}

/// The Sync screen with what was seen.
pub(crate) fn with(seen: SyncSeen) -> App {
    let mut app = app(&[("contacts", "from = \"a:b\"\n")]);
    app.update(Msg::Resize(80, 24));
    press(&mut app, "9");
    answer(&mut app, Lane::Sync, Ok(Answer::Sync(Arc::new(seen))));
    // The lanes are known now: the first one's lags are asked for.
    if app.shared.jobs.contains_key(&Lane::Sync) {
        let status = app.shared.sync.clone();
        answer(&mut app, Lane::Sync, Ok(Answer::Sync(Arc::new(SyncSeen { status, ..SyncSeen::default() }))));
    }
    app
}

/// One stuck, one held and late, one well.
pub(crate) fn troubled() -> SyncStatus {
    let bad = Timeliness { mean: Some(0.38), on_time: Some(0.41), p95: Some(9_100), ..lane("x").recent };
    let stuck = LaneStatus {
        state: LaneState::Stuck,
        since: NOW - 38 * MINUTE,
        why: "nova.db: the database cannot be written: no space left on device: make room, it is tried again".into(),
        tries: 14,
        next_try: Some(NOW + 3 * MINUTE),
        pending: 1_204,
        oldest: Some(NOW - 38 * MINUTE),
        conflicts: 17,
        rejects: 3,
        recent: bad,
        rate: 0.0,
        direction: Direction::TwoWay,
        ..lane("contacts")
    };
    let why = "31870 changes, and 12 made within the time before: max_changes = 5%/10m allows 20005";
    let held = LaneStatus {
        state: LaneState::Held,
        since: NOW - 4 * MINUTE,
        why: why.into(),
        held: Some(Held {
            kind: HeldKind::Cap,
            why: why.into(),
            plan: Some("7f3ac2aabbcc".into()),
            changes: 31_870,
            since: NOW - 4 * MINUTE,
            columns: Vec::new(),
        }),
        pending: 31_870,
        oldest: Some(NOW - 4 * MINUTE),
        ..lane("deals")
    };
    status(vec![stuck, held, lane("accounts")])
}

fn field(name: &str, base: Option<&str>, source: Option<&str>, target: Option<&str>) -> ConflictField {
    let own = |text: Option<&str>| text.map(str::to_owned);
    ConflictField { field: name.into(), base: own(base), source: own(source), target: own(target), take: None }
}

pub(crate) fn conflict(id: i64, key: &str, fields: &[&str]) -> ConflictRecord {
    ConflictRecord {
        id,
        mapping: "contacts".into(),
        key: key.into(),
        at: NOW - id * MINUTE,
        state: ConflictState::Open,
        fields: fields.iter().map(|name| field(name, Some("old"), Some("from legacy"), None)).collect(),
        who: None,
        decided: None,
    }
}

/// The inbox of conflicts with three, of which two are alike.
pub(crate) fn with_conflicts() -> App {
    let mut app = with(seen(troubled()));
    press(&mut app, "c");
    let conflicts = vec![
        conflict(3, "10442", &["phone", "stage"]),
        conflict(2, "10443", &["stage", "phone"]),
        conflict(1, "10444", &["stage"]),
    ];
    let found = SyncSeen { conflicts: Some(conflicts), ..seen(troubled()) };
    answer(&mut app, Lane::Sync, Ok(Answer::Sync(Arc::new(found))));
    app
}

/// What the effects tell the loop.
fn told(effects: &[Effect]) -> Vec<SyncOrder> {
    let orders = effects.iter().filter_map(|effect| match effect {
        Effect::Ask(_, Request::SyncOrders(orders)) => Some(orders.clone()),
        _ => None,
    });
    orders.flatten().collect()
}

fn lane_told(effects: &[Effect]) -> Vec<(String, Order)> {
    let orders = told(effects).into_iter().filter_map(|order| match order {
        SyncOrder::Tell(mapping, order) => Some((mapping.unwrap_or_default(), order)),
        _ => None,
    });
    orders.collect()
}

fn rings(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Bell))
}

fn done(app: &mut App) -> Vec<Effect> {
    answer(app, Lane::SyncOrders, Ok(Answer::SyncOrders("told".into())))
}

fn look_again(app: &mut App, status: SyncStatus) -> Vec<Effect> {
    app.shared.ask(Lane::Sync, "", Request::Sync(SyncLook::default()));
    answer(app, Lane::Sync, Ok(Answer::Sync(Arc::new(SyncSeen { status, ..SyncSeen::default() }))))
}

fn notice(app: &App) -> &str {
    app.shared.notice.as_ref().map_or("", |notice| &notice.text)
}

#[test]
fn sync_is_started_by_the_targets_name_after_all_that_it_will_do_was_said() {
    let mut app = with(SyncSeen { status: SyncStatus { now: NOW, ..SyncStatus::default() }, ..SyncSeen::default() });
    press(&mut app, "S");
    assert!(notice(&app).contains("no mapping takes part"), "{}", notice(&app));
    let text = "from = \"legacy:contacts\"\nto = \"nova:contacts\"\nkey = [\"id\"]\n[fields]\nid = \"ID\"\n\
                [sync]\ntrigger = \"observe\"\ndeletes = \"propagate\"\nmax_changes = \"5%/10m\"\n";
    let mapping = crm_core::project::load_mapping(std::path::Path::new("."), "mappings/contacts.toml".as_ref(), text);
    app.shared.project.mappings = vec![mapping.unwrap()];
    app.shared.project.env = Some("sandbox".into());
    press(&mut app, "S");
    let Some(Overlay::Ask(question)) = app.overlays.last() else { panic!("no question") };
    let said: Vec<String> = question.lines.iter().map(|line| line.shown(true)).collect();
    assert_eq!(
        said[0],
        "contacts: legacy:contacts -> nova:contacts, observe; what is gone is DELETED (at most 5%); held above 5%/10m"
    );
    assert_eq!(question.must_be.as_deref(), Some("nova-sandbox"));
    let both = |conflict: &str| {
        let text = format!("{text}direction = \"two-way\"\n{conflict}");
        let mapping = crm_core::project::load_mapping(".".as_ref(), "mappings/contacts.toml".as_ref(), &text);
        orders::standing(&mapping.unwrap())
    };
    let asked = both("conflict = \"ask\"\nask_after = \"4h\"\nthen = \"target\"\n");
    assert!(asked.contains("legacy:contacts <-> nova:contacts"), "{asked}");
    assert!(asked.ends_with("; conflicts are asked about, after 4h the target wins"), "{asked}");
    assert!(both("conflict = \"source\"\n").ends_with("; in a conflict the source WINS"));
    assert!(told(&press(&mut app, "n o v a enter")).is_empty(), "that is not the name");
    assert_eq!(told(&press(&mut app, "- s a n d b o x enter")), [SyncOrder::Start]);
    assert_eq!(app.command().unwrap(), "crm-console -C '' --env sandbox sync --detach");
}

#[test]
fn a_lane_is_told_with_single_keys_and_the_loop_ends_after_a_question() {
    let mut app = with(seen(troubled()));
    let tell = |name: &str, order: Order| vec![(name.to_owned(), order)];
    assert_eq!(lane_told(&press(&mut app, "p")), tell("contacts", Order::Pause));
    // While that is under way the next ones wait, and none is lost.
    assert!(told(&press(&mut app, "A down A")).is_empty());
    let next = lane_told(&done(&mut app));
    assert_eq!(next, [("contacts".to_owned(), Order::Audit), ("deals".to_owned(), Order::Audit)]);
    done(&mut app);
    assert_eq!(told(&press(&mut app, "s")), [SyncOrder::Silence("deals".into(), 30)]);
    done(&mut app);
    let mut paused = troubled();
    paused.lanes[1].state = LaneState::Paused;
    paused.lanes[1].silenced = Some(("ops".into(), NOW + MINUTE));
    look_again(&mut app, paused);
    assert_eq!(lane_told(&press(&mut app, "p")), tell("deals", Order::Resume));
    done(&mut app);
    assert_eq!(told(&press(&mut app, "s")), [SyncOrder::Silence("deals".into(), 0)], "again ends it");
    done(&mut app);
    assert!(told(&press(&mut app, "E esc")).is_empty());
    assert_eq!(told(&press(&mut app, "E y")), [SyncOrder::Tell(None, Order::Stop)]);
}

#[test]
fn a_loop_that_does_not_run_is_told_nothing() {
    let dead = SyncStatus { alive: false, ..troubled() };
    let mut app = with(seen(dead));
    assert!(SyncScreen::is_dead(&app.shared));
    assert!(app.screens.sync.heading(&app.shared).contains("DEAD"));
    for keys in ["p", "A", "s", "R", "E"] {
        assert!(told(&press(&mut app, keys)).is_empty(), "{keys}");
        assert!(app.overlays.is_empty() && notice(&app).contains("not running"), "{keys}");
    }
    assert!(app.screens.sync.offers(Action::SyncStart, &app.shared));
    assert_eq!(app.title(), "crm-console sync DEAD");
}

#[test]
fn all_of_a_mapping_or_one_record_is_compared_again_after_a_question() {
    let mut app = with(seen(troubled()));
    press(&mut app, "R");
    assert!(told(&press(&mut app, "k")).is_empty(), "there is no event to choose");
    assert_eq!(lane_told(&press(&mut app, "y")), [("contacts".to_owned(), Order::Resync { keys: vec![] })]);
    done(&mut app);
    press(&mut app, "tab down R");
    let orders = lane_told(&press(&mut app, "k"));
    assert_eq!(orders, [("contacts".to_owned(), Order::Resync { keys: vec!["10443".into()] })]);
}

#[test]
fn what_differs_is_shown_by_field_and_row_on_the_diff_screen() {
    let mut app = with(seen(troubled()));
    let effects = press(&mut app, "D");
    let asked = effects.into_iter().find_map(|effect| match effect {
        Effect::Ask(_, Request::Plan(ask)) => Some(ask),
        _ => None,
    });
    let asked = asked.unwrap();
    assert_eq!((asked.mappings, asked.mode), (vec!["contacts".to_owned()], Some(crm_core::project::Mode::Full)));
    assert_eq!(app.screen, ScreenId::Diff);
}

#[test]
fn what_is_held_is_looked_at_as_a_plan_and_released_by_the_targets_name() {
    let mut app = with(seen(troubled()));
    press(&mut app, "H");
    assert!(notice(&app).contains("not held"));
    let effects = press(&mut app, "down H");
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Ask(_, Request::LoadPlan(id)) if id == "7f3ac2aabbcc"))
    );
    assert_eq!(app.screen, ScreenId::Diff);
    let counts = Counts { read: 31_870, updated: 31_870, before: 400_100, after: 400_100, ..Counts::default() };
    let plan = Plan {
        version: 1,
        id: "7f3ac2aabbcc".into(),
        env: None,
        mode: crm_core::project::Mode::Incremental,
        purpose: Purpose::Sync,
        created: "2026-11-25T02:37:00Z".into(),
        confirm: "nova".into(),
        mappings: vec![MappingPlan { counts, ..MappingPlan::empty("deals") }],
    };
    answer(&mut app, Lane::Plan, Ok(Answer::Plan(Arc::new(plan))));
    let heading = app.screens.diff.heading(&app.shared);
    assert!(heading.starts_with("HELD deals -> nova") && heading.len() < 78, "{heading}");
    assert_eq!(app.screens.diff.command(&app.shared).unwrap(), "lane release deals --plan 7f3ac2aabbcc");
    assert!(told(&press(&mut app, "M enter")).is_empty(), "the name is not typed yet");
    let release = Order::Release { plan: Some("7f3ac2aabbcc".into()) };
    assert_eq!(lane_told(&press(&mut app, "n o v a enter")), [("deals".to_owned(), release)]);
    assert_eq!(app.screen, ScreenId::Sync);
    done(&mut app);
    press(&mut app, "4 H");
    assert_eq!(lane_told(&press(&mut app, "x")), [("deals".to_owned(), Order::Refuse)]);
    done(&mut app);
    // Somebody was quicker.
    look_again(&mut app, status(vec![lane("contacts"), lane("deals")]));
    assert!(told(&press(&mut app, "4 M")).is_empty());
    assert!(notice(&app).contains("not held with this plan any more"), "{}", notice(&app));
}

#[test]
fn a_drift_is_decided_where_it_is_seen() {
    let mut drifted = troubled();
    drifted.lanes[1].held = Some(Held {
        kind: HeldKind::Drift,
        why: "columns are not as before".into(),
        plan: None,
        changes: 0,
        since: NOW,
        columns: vec!["source + CITY TEXT".into()],
    });
    let mut app = with(seen(drifted));
    press(&mut app, "down H");
    let Some(Overlay::Ask(question)) = app.overlays.last() else { panic!("no question") };
    assert_eq!(question.lines[1].shown(true), "  source + CITY TEXT");
    assert_eq!(lane_told(&press(&mut app, "g")), [("deals".to_owned(), Order::Release { plan: None })]);
}

#[test]
fn events_are_found_filtered_and_kept_under_the_cursor() {
    let mut app = with(seen(troubled()));
    let filter = |effects: &[Effect]| {
        effects.iter().rev().find_map(|effect| match effect {
            Effect::Ask(_, Request::Sync(look)) => look.events.clone(),
            _ => None,
        })
    };
    let open = filter(&press(&mut app, "r")).unwrap();
    assert_eq!((open.mapping.as_deref(), open.open), (Some("contacts"), true));
    assert_eq!(filter(&press(&mut app, "r")).unwrap(), EventFilter::default(), "again shows all");
    assert!(filter(&press(&mut app, "o")).unwrap().open);
    let found = filter(&press(&mut app, "/ 1 0 4 enter")).unwrap();
    assert_eq!((found.text.as_deref(), found.open), (Some("104"), true));
    assert_eq!(app.screens.sync.command(&app.shared).unwrap(), "events --open --find 104");
    assert_eq!(filter(&press(&mut app, "esc")).unwrap(), EventFilter::default());
    // One more event comes in above: the cursor stays on its own.
    press(&mut app, "down");
    let chosen = app.screens.sync.event().unwrap().id;
    let mut events = app.screens.sync.events.clone();
    events.insert(0, event(10, "1", EventOutcome::Written));
    app.shared.ask(Lane::Sync, "", Request::Sync(SyncLook::default()));
    let more = SyncSeen { events: Some(events), ..seen(troubled()) };
    answer(&mut app, Lane::Sync, Ok(Answer::Sync(Arc::new(more))));
    assert_eq!(app.screens.sync.event().unwrap().id, chosen);
    press(&mut app, "enter");
    assert!(matches!(app.overlays[..], [Overlay::Text(..)]));
    press(&mut app, "esc L");
    assert!(app.screens.sync.show_log);
    press(&mut app, "/ r e s u m e d enter");
    assert_eq!(app.screens.sync.list.cursor, 2);
    assert_eq!(app.screens.sync.command(&app.shared).unwrap(), "events --log");
}

#[test]
fn q_steps_out_of_what_is_open_before_it_leaves() {
    let mut app = with(seen(troubled()));
    press(&mut app, "c");
    let quits = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Quit));
    assert!(!quits(&press(&mut app, "q")) && app.screens.sync.inbox.is_none());
    press(&mut app, "tab o");
    assert!(!quits(&press(&mut app, "q")) && !app.screens.sync.is_filtered());
    assert!(!quits(&press(&mut app, "q")) && !app.screens.sync.in_list);
    assert!(quits(&press(&mut app, "q")));
}

#[test]
fn a_conflict_is_decided_by_field_its_like_follow_and_u_takes_it_back() {
    let mut app = with_conflicts();
    let decide = |id: i64, takes: &[(&str, Side)]| {
        SyncOrder::Decide(id, takes.iter().map(|(name, side)| ((*name).to_owned(), *side)).collect())
    };
    let state = |app: &App, at: usize| app.screens.sync.inbox.as_ref().unwrap().records[at].state;
    press(&mut app, "a");
    assert!(notice(&app).contains("decide all fields"), "{}", notice(&app));
    press(&mut app, "w");
    assert!(notice(&app).contains("nothing is decided"), "{}", notice(&app));
    // A field, then the cursor is on the next that is open. Nothing is handed over before w.
    assert!(told(&press(&mut app, "enter > left")).is_empty());
    assert_eq!((state(&app, 0), state(&app, 1)), (ConflictState::Decided, ConflictState::Open));
    assert_eq!(app.screens.sync.command(&app.shared).unwrap(), "conflicts resolve 3 --take source --fields stage");
    assert!(told(&press(&mut app, "a")).is_empty());
    assert_eq!(state(&app, 1), ConflictState::Decided, "over the same fields");
    assert_eq!(state(&app, 2), ConflictState::Open, "the third is over other fields");
    press(&mut app, "u");
    assert_eq!((state(&app, 0), state(&app, 1)), (ConflictState::Decided, ConflictState::Open));
    press(&mut app, "u");
    assert_eq!(state(&app, 0), ConflictState::Open, "the stage is open again");
    press(&mut app, "< a");
    let both = [("phone", Side::Target), ("stage", Side::Source)];
    assert_eq!(told(&press(&mut app, "w")), [decide(2, &both), decide(3, &both)]);
    done(&mut app);
    // Handed over, and not written yet: the one at the cursor can be taken back.
    let mut handed = vec![conflict(3, "10442", &["phone", "stage"]), conflict(1, "10444", &["stage"])];
    decide(3, &both).foresee(&mut handed);
    app.shared.ask(Lane::Sync, "", Request::Sync(SyncLook::default()));
    let found = SyncSeen { conflicts: Some(handed), ..seen(troubled()) };
    answer(&mut app, Lane::Sync, Ok(Answer::Sync(Arc::new(found))));
    assert_eq!(told(&press(&mut app, "u")), [SyncOrder::Undecide(3)]);
    done(&mut app);
    // In the list a key decides the whole of it.
    press(&mut app, "q down <");
    assert_eq!(state(&app, 1), ConflictState::Decided);
    assert!(told(&press(&mut app, "p")).is_empty() && notice(&app).contains("q leaves"), "{}", notice(&app));
}

#[test]
fn decisions_that_are_not_handed_over_are_asked_about_before_they_are_left() {
    let mut app = with_conflicts();
    press(&mut app, "down down > q");
    let Some(Overlay::Ask(question)) = app.overlays.last() else { panic!("no question") };
    assert!(question.lines[0].shown(true).contains("1 conflicts"));
    press(&mut app, "esc");
    assert_eq!(app.screens.sync.inbox.as_ref().unwrap().staged(), 1);
    let takes = vec![("stage".to_owned(), Side::Target)];
    assert_eq!(told(&press(&mut app, "q w")), [SyncOrder::Decide(1, takes)]);
    assert!(app.screens.sync.inbox.is_none());
    let mut app = with_conflicts();
    assert!(told(&press(&mut app, "> q d")).is_empty());
    assert!(app.screens.sync.inbox.is_none() && app.session().decisions.is_empty());
}

#[test]
fn decisions_that_are_kept_for_later_survive_the_screen_and_the_program() {
    let mut app = with_conflicts();
    assert!(told(&press(&mut app, "> q k")).is_empty());
    assert!(app.screens.sync.inbox.is_none());
    let lane = app.shared.sync.lanes[0].clone();
    let lines = lane_lines(&lane, &app.screens.sync, &app.shared);
    assert!(lines.iter().any(|(line, _)| line.contains("decisions on 1 conflicts are not written")), "{lines:?}");
    let open = app.session().decisions;
    assert_eq!(open.len(), 1);
    // Also those of an inbox that is open when the program ends, however it ends.
    press(&mut app, "c");
    assert_eq!(app.session().decisions, open);
    let text = serde_json::to_string(&app.session()).unwrap();
    assert!(!text.contains("from legacy"), "no cell: {text}");
    let mut next = App::new(app.shared.project.clone(), Some(ScreenId::Sync), serde_json::from_str(&text).unwrap());
    next.start();
    answer(&mut next, Lane::Project, Ok(Answer::Project(Box::default(), Vec::new())));
    assert!(notice(&next).contains("not written"), "{}", notice(&next));
    look_again(&mut next, app.shared.sync.clone());
    press(&mut next, "c");
    let conflicts = Some(vec![conflict(open[0].0, "10442", &["phone", "stage"])]);
    let found = SyncSeen { conflicts, ..seen(app.shared.sync.clone()) };
    answer(&mut next, Lane::Sync, Ok(Answer::Sync(Arc::new(found))));
    assert_eq!(next.screens.sync.inbox.as_ref().unwrap().staged(), 1);
    let takes = open[0].1.clone();
    assert_eq!(told(&press(&mut next, "w")), [SyncOrder::Decide(open[0].0, takes)]);
    assert!(next.session().decisions.is_empty());
}

#[test]
fn a_conflict_that_is_written_meanwhile_goes_and_what_is_under_way_stays_seen() {
    let mut app = with_conflicts();
    press(&mut app, "down > w");
    // A look from before the decision must not take it off the screen.
    app.shared.ask(Lane::Sync, "", Request::Sync(SyncLook::default()));
    let found = vec![conflict(3, "10442", &["phone", "stage"]), conflict(2, "10443", &["stage", "phone"])];
    let old = SyncSeen { conflicts: Some(found), ..seen(troubled()) };
    answer(&mut app, Lane::Sync, Ok(Answer::Sync(Arc::new(old))));
    let inbox = app.screens.sync.inbox.as_ref().unwrap();
    assert_eq!((inbox.records.len(), inbox.conflict().unwrap().id), (2, 2));
    assert_eq!(inbox.records[1].state, ConflictState::Decided);
    answer(&mut app, Lane::SyncOrders, Err(Error::refused("conflict 2 is settled")));
    assert!(app.shared.telling.is_empty() && notice(&app).contains("settled"));
    press(&mut app, "<");
    app.shared.ask(Lane::Sync, "", Request::Sync(SyncLook::default()));
    let none = SyncSeen { conflicts: Some(Vec::new()), ..seen(troubled()) };
    answer(&mut app, Lane::Sync, Ok(Answer::Sync(Arc::new(none))));
    assert_eq!(app.screens.sync.inbox.as_ref().unwrap().staged(), 0, "what it was about is gone");
}

#[test]
fn the_title_says_the_worst_and_the_bell_rings_once_an_alarm() {
    let mut app = app(&[]);
    let well = || status(vec![lane("contacts"), lane("deals")]);
    assert_eq!(app.title(), "crm-console");
    assert!(!rings(&look_again(&mut app, well())));
    assert_eq!(app.title(), "crm-console sync ok");
    let stuck = |until: Option<i64>| {
        let mut status = well();
        status.lanes[1].state = LaneState::Stuck;
        status.lanes[1].silenced = until.map(|until| ("ops".into(), until));
        status
    };
    assert!(rings(&look_again(&mut app, stuck(None))), "it is new");
    assert_eq!(app.title(), "crm-console sync STUCK deals");
    assert!(!rings(&look_again(&mut app, stuck(None))), "it is known");
    // It goes and comes again: at once it is the same one, later it is new.
    look_again(&mut app, well());
    assert!(!rings(&look_again(&mut app, stuck(None))));
    look_again(&mut app, SyncStatus { now: NOW + 2 * MINUTE, ..well() });
    let later = |until| SyncStatus { now: NOW + 2 * MINUTE, ..stuck(until) };
    assert!(!rings(&look_again(&mut app, later(Some(NOW + 3 * MINUTE)))), "it is silenced");
    assert!(rings(&look_again(&mut app, SyncStatus { now: NOW + 4 * MINUTE, ..stuck(Some(NOW + 3 * MINUTE)) })));
    // What is there when the screen opens is seen without a bell.
    let mut fresh = crate::app::tests::app(&[]);
    assert!(!rings(&look_again(&mut fresh, stuck(None))));
    assert!(rings(&look_again(&mut fresh, SyncStatus { alive: false, ..stuck(None) })));
}

#[test]
fn sync_is_looked_at_closely_on_its_screen_and_now_and_then_elsewhere() {
    let mut app = with(seen(status(vec![lane("contacts")])));
    let looks = |app: &mut App| {
        let effects = app.update(Msg::Tick);
        let look = effects.iter().find_map(|effect| match effect {
            Effect::Ask(_, Request::Sync(look)) => Some(look.clone()),
            _ => None,
        });
        if app.shared.jobs.contains_key(&Lane::Sync) {
            answer(app, Lane::Sync, Ok(Answer::Sync(Arc::new(seen(status(vec![lane("contacts")]))))));
        }
        look
    };
    assert!(app.watch_every() <= std::time::Duration::from_millis(500));
    let look = looks(&mut app).unwrap();
    assert!(look.events.is_some() && look.lags_of.as_deref() == Some("contacts"));
    app.shared.jobs.clear();
    app.shared.ask(Lane::Sync, "", Request::Sync(look));
    assert!(!app.is_busy(), "nobody waits for a look");
    press(&mut app, "2");
    let until = app.watch_every() * 20;
    let mut times = Vec::new();
    let mut gone = std::time::Duration::ZERO;
    while gone < until {
        gone += app.watch_every();
        times.extend(looks(&mut app).map(|look| (gone, look)));
    }
    assert!(times.iter().all(|(_, look)| *look == SyncLook::default()), "elsewhere only the state is read");
    let apart = until / u32::try_from(times.len()).unwrap();
    assert!(apart.as_secs() >= 5 && apart.as_secs() < 10, "{apart:?}");
}

#[test]
fn a_store_that_cannot_be_read_is_told_on_the_screen_and_not_over_and_over() {
    let mut app = with(seen(troubled()));
    app.shared.ask(Lane::Sync, "", Request::Sync(SyncLook::default()));
    answer(&mut app, Lane::Sync, Err(Error::platform("the sync store is from another version")));
    assert!(app.shared.notice.is_none());
    assert!(app.shared.sync_failed.as_ref().unwrap().contains("another version"));
    look_again(&mut app, troubled());
    assert!(app.shared.sync_failed.is_none());
}

#[test]
fn what_changed_just_before_is_told_of_what_went_wrong() {
    let app = with(seen(troubled()));
    let sync = &app.screens.sync;
    let lines = |at: usize| -> Vec<String> {
        lane_lines(&app.shared.sync.lanes[at], sync, &app.shared).into_iter().map(|(line, _)| line).collect()
    };
    let stuck = lines(0).join("\n");
    assert!(stuck.contains("14 tries since 02:03:07, next 02:44:07"), "{stuck}");
    assert!(
        stuck.contains("just before 02:03:07: 02:02:07 the mapping changed: it is read again; changes "),
        "{stuck}"
    );
    assert!(!stuck.contains("resumed by ops"), "that was another mapping");
    let held = lines(1).join("\n");
    assert!(held.contains("31,870 changes in plan 7f3ac2aabbcc; H shows it"), "{held}");
    assert!(!lines(2).join("\n").contains("just before"), "nothing is wrong there");
    let mut both = app.shared.sync.lanes[2].clone();
    both.goes_back = vec!["name".into(), "stage".into()];
    both.stays = vec![("updated".into(), "one-way".into())];
    let told: Vec<String> = lane_lines(&both, sync, &app.shared).into_iter().map(|(line, _)| line).collect();
    assert!(told.contains(&"back to legacy:accounts: name, stage".to_owned()), "{told:?}");
    assert!(told.contains(&"does not go back: updated (one-way)".to_owned()), "{told:?}");
}

fn asked(effects: &[Effect]) -> impl Iterator<Item = &Request> {
    effects.iter().filter_map(|effect| if let Effect::Ask(_, request) = effect { Some(request) } else { None })
}

#[test]
fn a_span_is_asked_for_with_what_is_kept_and_its_plan_is_shown() {
    use crm_core::workspace::KeptCycles;
    let mut app = with(seen(status(vec![lane("contacts")])));
    let effects = press(&mut app, "U");
    assert!(asked(&effects).any(|request| matches!(request, Request::SyncKept(mapping) if mapping == "contacts")));
    let none = Answer::SyncKept("contacts".into(), KeptCycles::default());
    answer(&mut app, Lane::SyncKept, Ok(none));
    assert!(app.overlays.is_empty() && app.shared.notice.as_ref().unwrap().text.contains("nothing that sync wrote"));
    let kept = KeptCycles {
        cycles: 1_000,
        bytes: 14_250_000,
        first: Some(NOW - 90 * MINUTE),
        last: Some(NOW - MINUTE),
        gone: Some(NOW - 91 * MINUTE),
    };
    press(&mut app, "U");
    answer(&mut app, Lane::SyncKept, Ok(Answer::SyncKept("contacts".into(), kept)));
    let Some(Overlay::Ask(question)) = app.overlays.last() else { panic!("it asks for the span") };
    let said: Vec<String> = question.lines.iter().map(|line| line.shown(true)).collect();
    assert!(said[0].contains("1,000 cycles, 01:11:07 to 02:40:07, 14.2 MB"), "{said:?}");
    assert!(said[1].contains("up to 01:10:07 is not kept"), "{said:?}");
    assert_eq!(question.input.as_ref().unwrap().text(), "-30m");
    let effects = press(&mut app, "enter");
    assert_eq!(app.screen, ScreenId::Diff);
    let from = NOW - 30 * MINUTE;
    assert!(asked(&effects).any(|request| matches!(request, Request::RevertSync(_, since, None) if *since == from)));
}

#[test]
fn a_span_begins_at_the_event_under_the_cursor_and_what_is_no_time_is_told() {
    use crm_core::workspace::KeptCycles;
    let events = Some(vec![event(1, "10442", EventOutcome::Written)]);
    let mut app = with(SyncSeen { events, ..seen(status(vec![lane("contacts")])) });
    let kept = KeptCycles { cycles: 1, bytes: 9, first: Some(NOW - 9), last: Some(NOW - 9), gone: None };
    press(&mut app, "tab");
    for (typed, wanted) in [(None, true), (Some("02:30..02:40"), true), (Some("soon"), false)] {
        press(&mut app, "9 U");
        answer(&mut app, Lane::SyncKept, Ok(Answer::SyncKept("contacts".into(), kept)));
        let Some(Overlay::Ask(question)) = app.overlays.last_mut() else { panic!("it asks for the span") };
        let input = question.input.as_mut().unwrap();
        assert!(input.text().starts_with("02:4"), "{}", input.text());
        if let Some(typed) = typed {
            *input = crate::app::input::TextInput::new(typed);
        }
        let effects = press(&mut app, "enter");
        assert_eq!(app.screen == ScreenId::Diff, wanted);
        if typed.is_some() && wanted {
            let ten = |request: &Request| matches!(request, Request::RevertSync(_, since, Some(until)) if until - since == 10 * MINUTE);
            assert!(asked(&effects).any(ten));
        }
    }
    assert!(app.shared.notice.as_ref().unwrap().text.contains("is no time"));
}
