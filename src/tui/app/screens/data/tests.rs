#![allow(clippy::unwrap_used)]
use crm_core::platform::ObjectInfo;
use crm_core::table::Window;

use crate::app::App;
use crate::app::msg::{Answer, Lane, Msg, PlatformObjects};
use crate::app::tests::{answer, app, press};

/// The Data screen with one platform that has two objects and one that cannot be listed.
pub(crate) fn listed() -> App {
    let mut app = app(&[]);
    press(&mut app, "1");
    app.update(Msg::Resize(80, 24));
    let info = |name: &str, rows| ObjectInfo { name: name.into(), rows, bytes: Some(2_048) };
    let objects = vec![
        PlatformObjects {
            platform: "legacy".into(),
            kind: "csv".into(),
            objects: Ok(vec![info("accounts", None), info("contacts", Some(4_000))]),
        },
        PlatformObjects {
            platform: "nova".into(),
            kind: "sqlite".into(),
            objects: Err(crm_core::Error::platform("cannot open nova.db").advise("check the path")),
        },
    ];
    answer(&mut app, Lane::Objects, Ok(Answer::Objects(objects)));
    app
}

/// Rows `first ..` of a table with three columns.
pub(crate) fn window(first: u64, count: u64, total: u64) -> Window {
    let rows = (first..(first + count).min(total)).map(|row| {
        vec![Some(format!("{row:04}")), Some(format!("Name {row}\u{1b}[31m")), (row % 2 == 0).then(|| "x".to_owned())]
    });
    Window {
        columns: vec!["ID".into(), "NAME".into(), "FLAG".into()],
        first,
        rows: rows.collect(),
        ordinals: (first..first + count).collect(),
        lines: vec![None; count as usize],
        total,
    }
}

/// The second object, opened.
pub(crate) fn opened() -> App {
    let mut app = listed();
    press(&mut app, "down enter");
    answer(&mut app, Lane::DataRows, Ok(Answer::Window(window(0, 100, 4_000))));
    app
}

#[test]
fn an_object_is_opened_and_left_again() {
    let mut app = opened();
    assert_eq!(app.screens.data.open.as_ref().unwrap().label, "legacy:contacts");
    assert_eq!(app.screens.data.grid.list.len, 4_000);
    press(&mut app, "q");
    assert!(app.screens.data.open.is_none());
    assert_eq!(app.screens.data.list.cursor, 1, "the list stays where it was");
}

#[test]
fn only_a_move_out_of_the_window_asks_for_rows() {
    let mut app = opened();
    assert!(!app.shared.jobs.contains_key(&Lane::DataRows));
    press(&mut app, "down down pgdn");
    assert!(!app.shared.jobs.contains_key(&Lane::DataRows), "two screens below are at hand");
    press(&mut app, "G");
    assert!(app.shared.jobs.contains_key(&Lane::DataRows));
    assert_eq!(app.screens.data.grid.list.cursor, 3_999);
    assert!(app.screens.data.grid.cells(3_999).is_none(), "not at hand yet, and nothing waits for it");
    answer(&mut app, Lane::DataRows, Ok(Answer::Window(window(3_920, 80, 4_000))));
    assert!(app.screens.data.grid.cells(3_999).is_some());
    assert_eq!(app.screens.data.grid.list.cursor, 3_999);
}

#[test]
fn a_row_is_gone_to_by_its_number_and_found_by_its_text() {
    let mut app = opened();
    press(&mut app, "# 3 9 9 enter");
    assert_eq!(app.screens.data.grid.list.cursor, 398);
    press(&mut app, "/ x enter");
    assert!(app.shared.jobs.contains_key(&Lane::DataSearch));
    answer(&mut app, Lane::DataSearch, Ok(Answer::Found(Some((1_200, 2)))));
    assert_eq!((app.screens.data.grid.list.cursor, app.screens.data.grid.column), (1_200, 2));
    press(&mut app, "n");
    answer(&mut app, Lane::DataSearch, Ok(Answer::Found(None)));
    assert!(app.shared.notice.as_ref().unwrap().text.contains("no 'x' below"));
}

#[test]
fn the_column_cursor_scrolls_and_the_first_column_stays() {
    let mut app = opened();
    app.update(Msg::Resize(60, 20));
    press(&mut app, "right right right right");
    assert_eq!(app.screens.data.grid.column, 2);
    assert_eq!(app.screens.data.grid.shown[0].0, 0);
    press(&mut app, "left");
    assert_eq!(app.screens.data.grid.column, 1);
}

#[test]
fn a_profile_is_asked_for_only_when_it_is_looked_at() {
    let mut app = opened();
    assert!(!app.shared.jobs.contains_key(&Lane::DataProfile));
    press(&mut app, "tab");
    assert!(app.shared.jobs.contains_key(&Lane::DataProfile));
    press(&mut app, "tab tab");
    assert!(app.screens.data.describe);
}
