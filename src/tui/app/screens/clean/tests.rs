#![allow(clippy::unwrap_used)]
use crm_core::map::StepCount;
use crm_core::table::Window;

use super::*;
use crate::app::App;
use crate::app::msg::Msg;
use crate::app::tests::{answer, app, parse, press};

const MAPPING: &str = "from = \"legacy:contacts\"\nto = \"nova:contacts\"\nkey = [\"id\"]\n\n[fields]\nid = \"ID\"\nemail = { from = \"MAIL\", clean = [\"trim\", \"lower\", \"email\"] }\nsource = { const = \"legacy\" }\n";

fn cell(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The Clean screen on a mapping with three rows, one of which fails.
pub(crate) fn cleaned() -> App {
    let mut app = app(&[("contacts", MAPPING)]);
    press(&mut app, "3");
    app.update(Msg::Resize(80, 24));
    parse(&mut app);
    let window = |columns: &[&str], rows: &[[&str; 3]]| Window {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows: rows.iter().map(|row| row.iter().map(|text| cell(text)).take(columns.len()).collect()).collect(),
        ordinals: (0..rows.len() as u64).collect(),
        lines: (0..rows.len() as u64).map(|row| Some(row + 2)).collect(),
        total: rows.len() as u64,
        first: 0,
    };
    let preview = Preview {
        before: window(&["ID", "MAIL"], &[["007", " ANN@X.com", ""], ["8", "ben@x", ""], ["9", "", ""]]),
        after: window(
            &["id", "email", "source"],
            &[["007", "ann@x.com", "legacy"], ["8", "ben@x", "legacy"], ["9", "", "legacy"]],
        ),
        fates: vec![Fate::Accepted, Fate::Rejected, Fate::Accepted],
        failures: vec![Failure {
            row: 1,
            field: 1,
            step: "email".into(),
            reason: "no top-level domain".into(),
            fatal: true,
        }],
        sources: vec![Some("ID".into()), Some("MAIL".into()), None],
        counts: vec![
            StepCount { field: "email".into(), step: "trim".into(), changed: 1, failed: 0 },
            StepCount { field: "email".into(), step: "email".into(), changed: 0, failed: 1 },
        ],
        reasons: vec![("email".into(), "no top-level domain".into(), 1)],
        sampled: 3,
    };
    answer(&mut app, Lane::CleanPreview, Ok(Answer::Preview(Ok(Arc::new(preview)))));
    app
}

#[test]
fn a_field_shows_its_cells_before_and_after() {
    let mut app = cleaned();
    press(&mut app, "down");
    let screen = &app.screens.clean;
    let pairs = screen.pairs();
    assert_eq!((pairs[0].before, pairs[0].after), (Some(" ANN@X.com"), Some("ann@x.com")));
    assert!(pairs[0].is_changed() && !pairs[2].is_changed());
    assert!(pairs[1].failure.is_some());
    assert_eq!(screen.counts("email"), (1, 1));
}

#[test]
fn the_filter_asks_for_the_rows_of_the_field() {
    let mut app = cleaned();
    press(&mut app, "down");
    assert!(!app.shared.jobs.contains_key(&Lane::CleanPreview), "all rows hold all fields");
    let effects = press(&mut app, "f f");
    let asked = effects.iter().rev().find_map(|effect| match effect {
        crate::app::msg::Effect::Ask(_, Request::Preview(_, rows, _)) => Some(rows.clone()),
        _ => None,
    });
    assert_eq!(asked, Some(PreviewRows::Failing { field: Some("email".into()), skip: 0 }));
}

#[test]
fn the_next_problem_is_found_and_enter_goes_to_the_map() {
    let mut app = cleaned();
    press(&mut app, "n");
    assert_eq!(app.screens.clean.fields.cursor, 1);
    press(&mut app, "enter");
    assert_eq!(app.screen, ScreenId::Map);
}

#[test]
fn a_cell_is_followed_through_its_steps() {
    let mut app = cleaned();
    press(&mut app, "down tab enter");
    let step = |step: &str, value: &str| CellStep { step: step.into(), value: cell(value), failed: None };
    answer(
        &mut app,
        Lane::Trace,
        Ok(Answer::Trace(vec![step("from MAIL", " A"), step("trim", "A"), step("upper", "A")])),
    );
    let Some(Overlay::Text(title, lines, _)) = app.overlays.last() else { panic!("no overlay") };
    assert_eq!(title.shown(false), "email of row 1");
    assert_eq!(lines[1].shown(false).chars().next(), Some('~'));
    assert_eq!(lines[2].shown(false).chars().next(), Some(' '));
}
