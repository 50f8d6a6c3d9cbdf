#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use crm_core::journal::{Parent, Reject};
use crm_core::map::{CellStep, Fate};
use crm_core::plan::{Plan, Purpose};
use crm_core::project::load_mapping;
use crm_core::workspace::{FieldTrial, RowTrial};

use super::*;
use crate::app::App;
use crate::app::history::FileEdit;
use crate::app::msg::{Corrected, Effect, Msg};
use crate::app::screens::history::tests::record;
use crate::app::tests::{answer, app, press};

const ACCOUNTS: &str = "from = \"a:accounts\"\nto = \"b:accounts\"\nkey = [\"legacy_id\"]\n[fields]\nlegacy_id = \"NO\"\n\
     kind = { from = \"KIND\", values = { a = \"1\" } }\nphone = { from = \"PHONE\", pii = true }\n";
const CONTACTS: &str = "from = \"a:contacts\"\nto = \"b:contacts\"\nkey = [\"legacy_id\"]\n[fields]\nlegacy_id = \"ID\"\n\
     email = { from = \"EMAIL\", pii = true }\ncompany = { from = \"ACC\", link = \"accounts\" }\n";

fn entry(mapping: &str, n: u64, cause: &str, cells: &str, parent: Option<&str>) -> Entry {
    let source: serde_json::Map<String, serde_json::Value> = serde_json::from_str(cells).unwrap();
    let key = source.values().next().and_then(|cell| cell.as_str()).map(str::to_owned);
    Entry {
        mapping: mapping.into(),
        reject: Reject {
            n,
            kind: "rejected".into(),
            row: Some(n),
            line: n + 10,
            key,
            field: cause.split_once(':').map(|(field, _)| field.to_owned()),
            step: if parent.is_some() { "link" } else { "values" }.into(),
            reason: cause.split_once(": ").unwrap().1.into(),
            cause: cause.into(),
            source,
            raw: None,
            parent: parent.map(|key| Parent { mapping: "accounts".into(), key: key.into() }),
        },
        released: None,
        retried: None,
        mended: false,
    }
}

const VALUES: &str = "kind: is not in the value map";

fn inbox() -> Inbox {
    let waits = "company: parent rejected (accounts)";
    let mut entries = vec![
        entry("accounts", 1, VALUES, r#"{"NO": "A1", "KIND": "z", "PHONE": "030 123456"}"#, None),
        entry("accounts", 2, VALUES, r#"{"NO": "A2", "KIND": "z", "PHONE": null}"#, None),
        entry("accounts", 3, "phone: is too long", r#"{"NO": "A3", "KIND": "a", "PHONE": "1"}"#, None),
        entry("contacts", 1, waits, r#"{"ID": "C1", "EMAIL": "ann@acme.example", "ACC": "A1"}"#, Some("A1")),
        entry("contacts", 2, waits, r#"{"ID": "C2", "EMAIL": null, "ACC": "A1"}"#, Some("A1")),
    ];
    entries[2].released = Some("20261124-080000-bb22cc".into());
    Inbox::new("20261123-091500-7f3ac2".into(), true, entries, Vec::new())
}

/// The inbox of the run that History shows.
pub(crate) fn with_inbox() -> App {
    let mut app = app(&[("accounts", ACCOUNTS), ("contacts", CONTACTS)]);
    for (at, (name, text)) in [("accounts", ACCOUNTS), ("contacts", CONTACTS)].into_iter().enumerate() {
        let path = std::path::PathBuf::from(format!("mappings/{name}.toml"));
        let mapping = load_mapping(std::path::Path::new(""), &path, text).unwrap();
        app.shared.drafts[at].mapping = Some(Arc::new(mapping));
        app.shared.drafts[at].parsed = Some(text.into());
    }
    app.shared.note_personal();
    press(&mut app, "6");
    app.update(Msg::Resize(80, 24));
    answer(&mut app, Lane::Runs, Ok(Answer::Runs(vec![record("20261123-091500-7f3ac2")])));
    press(&mut app, "r");
    assert_eq!(app.screen, ScreenId::Rejects);
    answer(&mut app, Lane::Inbox, Ok(Answer::Inbox(Arc::new(inbox()))));
    app
}

fn step(step: &str, value: &str, failed: Option<&str>) -> CellStep {
    CellStep {
        step: step.into(),
        value: (!value.is_empty()).then(|| value.to_owned()),
        failed: failed.map(str::to_owned),
    }
}

/// What becomes of the first account; `edit` is what KIND is to be.
fn trial(edit: Option<&str>) -> RowTrial {
    let read = |text: &str| Some(text.to_owned());
    let after = match edit {
        None => Vec::new(),
        Some("a") => vec![step("from KIND", "z", None), step("correction", "a", None), step("values", "1", None)],
        Some(other) => vec![
            step("from KIND", "z", None),
            step("correction", other, None),
            step("values", "", Some("is not in the value map")),
        ],
    };
    RowTrial {
        cells: vec![
            ("NO".into(), read("A1"), read("A1")),
            ("KIND".into(), read("z"), read(edit.unwrap_or("z"))),
            ("PHONE".into(), read("030 123456"), read("030 123456")),
        ],
        fields: vec![
            FieldTrial {
                target: "legacy_id".into(),
                sources: vec!["NO".into()],
                before: vec![step("from NO", "A1", None)],
                after: Vec::new(),
            },
            FieldTrial {
                target: "kind".into(),
                sources: vec!["KIND".into()],
                before: vec![step("from KIND", "z", None), step("values", "", Some("is not in the value map"))],
                after,
            },
        ],
        fate: if edit == Some("a") { Fate::Accepted } else { Fate::Rejected },
        failures: if edit == Some("a") { Vec::new() } else { vec![("kind".into(), "is not in the value map".into())] },
    }
}

/// The first row of the first cause, opened.
pub(crate) fn opened_row() -> App {
    let mut app = with_inbox();
    press(&mut app, "enter down enter");
    answer(&mut app, Lane::Trial, Ok(Answer::Trial(Box::new(trial(None)))));
    app
}

/// The row with an edit under way that mends it.
pub(crate) fn edited_row() -> App {
    let mut app = opened_row();
    press(&mut app, "enter backspace a");
    answer(&mut app, Lane::Trial, Ok(Answer::Trial(Box::new(trial(Some("a"))))));
    app
}

/// A correction of the first account was written.
fn corrected() -> Corrected {
    Corrected {
        mapping: "accounts".into(),
        file: FileEdit { path: "maps/accounts.corrections.csv".into(), before: String::new(), after: "x".into() },
        label: "correction of KIND".into(),
        named: Some(crm_core::workspace::name_corrections(ACCOUNTS, "accounts").unwrap()),
        project: crm_core::project::Project::default(),
        cells: 1,
        conflicts: Vec::new(),
    }
}

fn asked(effects: &[Effect], lane: Lane) -> Option<&Request> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ask(ticket, request) if ticket.lane == lane => Some(request),
        _ => None,
    })
}

#[test]
fn causes_fold_and_what_waits_stands_below() {
    let mut app = with_inbox();
    let lines = app.screens.rejects.lines.clone();
    assert_eq!(lines, [Line::Group(vec![0]), Line::Group(vec![0, 0]), Line::Group(vec![1])]);
    press(&mut app, "enter");
    assert_eq!(app.screens.rejects.lines.len(), 5);
    press(&mut app, "left");
    assert_eq!(app.screens.rejects.lines.len(), 3);
    press(&mut app, "q");
    assert_eq!(app.screen, ScreenId::History);
}

#[test]
fn a_cell_is_edited_with_its_steps_tried_at_each_key() {
    let mut app = opened_row();
    assert_eq!(app.screens.rejects.row.as_ref().unwrap().column(), Some("KIND"), "the cell to blame comes first");
    let effects = press(&mut app, "enter backspace a");
    let Some(Request::Trial(text, _, edits)) = asked(&effects, Lane::Trial) else { panic!("not tried") };
    assert_eq!(text.name, "accounts");
    assert!(edits.len() == 1 && edits[0].0 == "KIND");
    let effects = press(&mut app, "enter");
    let Some(Request::Correct { mapping, edits, named, .. }) = asked(&effects, Lane::Correct) else {
        panic!("not kept")
    };
    assert_eq!(
        (mapping.as_str(), edits[0].changes.as_slice()),
        ("accounts", &[("KIND".to_owned(), Some("a".to_owned()))][..])
    );
    let named = named.clone().unwrap();
    assert!(named.text.text.contains("corrections = \"maps/accounts.corrections.csv\""));
    assert_eq!(named.base, ACCOUNTS);
}

#[test]
fn what_was_kept_is_undone_and_unsaved_edits_stay_unsaved() {
    let mut app = opened_row();
    app.shared.edit("a comment", format!("# typed\n{ACCOUNTS}"));
    press(&mut app, "enter backspace a enter");
    answer(&mut app, Lane::Correct, Ok(Answer::Corrected(Box::new(corrected()))));
    let draft = &app.shared.drafts[0];
    assert!(draft.history.text().starts_with("# typed") && draft.history.text().contains("corrections ="));
    assert!(draft.is_unsaved() && !draft.saved.contains("# typed"));
    let effects = press(&mut app, "u");
    let Some(Request::WriteMap(file)) = asked(&effects, Lane::MapFile) else { panic!("the file is not taken back") };
    assert_eq!((file.before.as_str(), file.after.as_str()), ("x", ""));
}

#[test]
fn the_same_correction_goes_to_the_like_and_to_no_other() {
    let mut app = opened_row();
    let none = press(&mut app, "a");
    assert!(asked(&none, Lane::Correct).is_none(), "nothing is corrected yet");
    press(&mut app, "enter backspace a enter");
    answer(&mut app, Lane::Correct, Ok(Answer::Corrected(Box::new(corrected()))));
    answer(&mut app, Lane::Trial, Ok(Answer::Trial(Box::new(trial(Some("a"))))));
    let effects = press(&mut app, "a");
    let Some(Request::Correct { edits, .. }) = asked(&effects, Lane::Correct) else { panic!("not kept") };
    assert_eq!(edits.iter().map(|edit| edit.n).collect::<Vec<_>>(), [2]);
}

#[test]
fn the_value_map_of_the_field_to_blame_is_one_key_away() {
    let mut app = with_inbox();
    let effects = press(&mut app, "v");
    assert_eq!(app.screen, ScreenId::Map);
    let Some(Request::Values(text, field)) = asked(&effects, Lane::FieldValues) else { panic!("no values asked for") };
    assert_eq!((text.name.as_str(), field.as_str()), ("accounts", "kind"));
}

#[test]
fn a_retry_is_a_plan_that_diff_shows() {
    let mut app = with_inbox();
    let none = press(&mut app, "T");
    assert!(asked(&none, Lane::Plan).is_none(), "nothing is mended");
    let effects = press(&mut app, "t");
    let Some(Request::Retry(request)) = asked(&effects, Lane::Plan) else { panic!("not planned") };
    assert_eq!(request.rows, [("accounts".to_owned(), 1), ("accounts".to_owned(), 2)]);
    assert_eq!(request.run, "20261123-091500-7f3ac2");
    assert_eq!(app.screen, ScreenId::Diff);
    let plan =
        Plan { purpose: Purpose::Retry { run: request.run.clone() }, ..crate::app::screens::diff::tests::plan() };
    answer(&mut app, Lane::Plan, Ok(Answer::Plan(Arc::new(plan))));
    assert!(app.screens.diff.heading(&app.shared).contains("retry"), "{}", app.screens.diff.heading(&app.shared));
}

#[test]
fn a_piece_that_is_no_row_says_what_to_do() {
    let mut app = with_inbox();
    let mut entry = entry("accounts", 4, "read: cannot be read", "{}", None);
    entry.reject.raw = Some("broken;line".into());
    let inbox = Inbox::new("run".into(), true, vec![entry], Vec::new());
    app.screens.rejects.take(&Arc::new(inbox));
    press(&mut app, "enter down enter enter");
    assert!(app.screens.rejects.row.as_ref().unwrap().editing.is_none());
    assert!(app.shared.notice.as_ref().unwrap().text.contains("source file"));
}
