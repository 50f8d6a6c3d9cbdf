#![allow(clippy::unwrap_used)]
use crm_core::journal::sync::{EventOutcome, LoopState};
use crm_core::project::load_mapping;
use crm_core::workspace::SyncStatus;

use crate::app::App;
use crate::app::screens::sync::tests::{NOW, event, lane, seen, status, troubled, with, with_conflicts};
use crate::app::sync::SyncSeen;
use crate::app::tests::press;
use crate::view::tests::{plain, screen};
use crate::view::{Look, Palette};

/// The screen at both sizes, and in ASCII without colour.
fn pictures(name: &str, app: &mut App) {
    for (columns, rows) in [(80, 24), (120, 40)] {
        insta::assert_snapshot!(format!("{name}_{columns}"), screen(app, columns, rows, &plain()));
    }
    let ascii = Look { ascii_text: true, ..Look::new(Palette::None, true) };
    let shown = screen(app, 80, 24, &ascii);
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!(format!("{name}_ascii"), shown);
}

#[test]
fn never_started() {
    let none = SyncStatus { now: NOW, ..SyncStatus::default() };
    let mut app = with(SyncSeen { status: none, ..SyncSeen::default() });
    assert!(screen(&mut app, 80, 24, &plain()).contains("add a [sync] section"));
    let text = "from = \"legacy:contacts\"\nto = \"nova:contacts\"\nkey = [\"id\"]\n[fields]\nid = \"ID\"\n\
                [sync]\ntrigger = \"observe\"\n";
    app.shared.project.mappings =
        vec![load_mapping(std::path::Path::new("."), "mappings/contacts.toml".as_ref(), text).unwrap()];
    pictures("never", &mut app);
}

#[test]
fn all_is_well() {
    pictures("well", &mut with(seen(status(vec![lane("contacts"), lane("deals"), lane("accounts")]))));
}

#[test]
fn stuck_held_and_late() {
    let mut app = with(seen(troubled()));
    pictures("troubled", &mut app);
    insta::assert_snapshot!("troubled_200", screen(&mut app, 200, 50, &plain()));
    // All that is not told by colours alone: the glyph before the mapping, the state's word.
    let shown = screen(&mut app, 60, 16, &plain());
    assert!(shown.contains("! contact") && shown.contains("STUCK") && shown.contains("HELD"), "{shown}");
    press(&mut app, "down L");
    insta::assert_snapshot!("held_log_80", screen(&mut app, 80, 24, &plain()));
}

#[test]
fn the_loop_is_dead() {
    let mut app = with(seen(SyncStatus { alive: false, ..troubled() }));
    pictures("dead", &mut app);
    let mut failed = troubled();
    failed.alive = false;
    let record = failed.record.as_mut().unwrap();
    (record.state, record.note) = (LoopState::Failed, Some("nova.db: it is gone".into()));
    let shown = screen(&mut with(seen(failed)), 80, 24, &plain());
    assert!(shown.contains("!! FAILED") && shown.contains("it is gone"), "{shown}");
    let mut hung = troubled();
    hung.record.as_mut().unwrap().heartbeat = NOW - 95_000;
    assert!(screen(&mut with(seen(hung)), 80, 24, &plain()).contains("NO HEARTBEAT for 1m35s"));
}

#[test]
fn conflicts_wait() {
    let mut app = with_conflicts();
    press(&mut app, "enter >");
    // Tags are known to be none here.
    app.shared.revealed = true;
    pictures("conflicts", &mut app);
    app.shared.revealed = false;
    assert!(!screen(&mut app, 80, 24, &plain()).contains("from legacy"), "a mapping without its tags is masked");
}

#[test]
fn a_conflict_says_when_it_is_decided_without_anybody() {
    let mut app = with_conflicts();
    let text = "from = \"legacy:contacts\"\nto = \"nova:contacts\"\nkey = [\"id\"]\n[fields]\nid = \"ID\"\n\
                [sync]\ntrigger = \"observe\"\ndirection = \"two-way\"\nask_after = \"4h\"\nthen = \"target\"\n";
    let mapping = load_mapping(std::path::Path::new("."), "mappings/contacts.toml".as_ref(), text).unwrap();
    app.shared.project.mappings = vec![mapping];
    let shown = screen(&mut app, 80, 24, &plain());
    assert!(shown.contains("LEFT") && shown.contains("3h57m"), "{shown}");
    assert!(shown.contains("in 3h57m the target wins"), "{shown}");
    press(&mut app, ">");
    let shown = screen(&mut app, 80, 24, &plain());
    assert!(!shown.lines().find(|line| line.contains("decided, w writes")).unwrap().contains("3h57m"), "{shown}");
}

#[test]
fn an_idle_screen_changes_nothing_but_the_clock() {
    let idle = || {
        let mut idle = status(vec![lane("contacts"), lane("deals")]);
        for lane in &mut idle.lanes {
            (lane.recent, lane.rate) = (crm_core::score::Timeliness::default(), 0.0);
        }
        idle
    };
    let events = || Some(vec![event(1, "10442", EventOutcome::Written)]);
    let mut one = with(SyncSeen { events: events(), ..seen(idle()) });
    let later = SyncStatus { now: NOW + 3_000, ..idle() };
    let mut other = with(SyncSeen { status: later, events: events(), ..seen(idle()) });
    // The process lives: it beats.
    other.shared.sync.record.as_mut().unwrap().heartbeat += 2_000;
    let (before, after) = (screen(&mut one, 80, 24, &plain()), screen(&mut other, 80, 24, &plain()));
    let differing: Vec<(&str, &str)> = before.lines().zip(after.lines()).filter(|(one, other)| one != other).collect();
    assert_eq!(differing.len(), 1, "{differing:?}");
    assert_eq!(differing[0].0.replace("02:41:07", "02:41:10"), differing[0].1);
}
