#![allow(clippy::unwrap_used)]

use crm_core::map::{Failure, Fate, StepCount};
use crm_core::platform::{ColumnInfo, ObjectInfo};
use crm_core::project::RuleConfig;
use crm_core::table::Window;
use crm_core::table::profile::ColumnProfile;

use super::*;
use crate::app::App;
use crate::app::history::FileEdit;
use crate::app::msg::{Effect, Lesson, Msg, PlatformObjects};
use crate::app::tests::{answer, app, parse, press};

const MAPPING: &str = "# people\nfrom = \"legacy:contacts\"\nto = \"nova:contacts\"\nkey = [\"legacy_id\"]\n\n[fields]\nlegacy_id = \"CONTACT_ID\"\nemail = { from = \"EMAIL_ADDR\", clean = [\"trim\", \"lower\", \"email\"] }\n";

fn column(name: &str, required: bool) -> ColumnInfo {
    ColumnInfo { name: name.into(), declared: "TEXT".into(), required, key: false, generated: false }
}

fn window(columns: &[&str], rows: &[&[&str]]) -> Window {
    Window {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows: rows.iter().map(|row| row.iter().map(|cell| Some((*cell).to_owned())).collect()).collect(),
        ordinals: (0..rows.len() as u64).collect(),
        lines: vec![None; rows.len()],
        total: 4_000,
        first: 0,
    }
}

fn preview() -> Preview {
    Preview {
        before: window(&["CONTACT_ID", "EMAIL_ADDR"], &[&["007", " ANN@X.COM"], &["8", "ben@x"]]),
        after: window(&["legacy_id", "email"], &[&["007", "ann@x.com"], &["8", "ben@x"]]),
        fates: vec![Fate::Accepted, Fate::Rejected],
        failures: vec![Failure {
            row: 1,
            field: 1,
            step: "email".into(),
            reason: "no top-level domain".into(),
            fatal: true,
        }],
        sources: vec![Some("CONTACT_ID".into()), Some("EMAIL_ADDR".into())],
        counts: vec![StepCount { field: "email".into(), step: "email".into(), changed: 1, failed: 1 }],
        reasons: Vec::new(),
        sampled: 2,
    }
}

/// The Map screen on a mapping of two fields; the target has two more columns.
pub(crate) fn mapped() -> App {
    let mut app = app(&[("contacts", MAPPING)]);
    app.update(Msg::Resize(80, 24));
    press(&mut app, "2");
    parse(&mut app);
    let columns = Columns {
        mapping: "contacts".into(),
        source: vec![column("CONTACT_ID", false), column("EMAIL_ADDR", false), column("PHONE1", false)],
        target: vec![
            column("legacy_id", true),
            column("email", false),
            column("phone", false),
            column("owner_id", true),
        ],
        sample: window(
            &["CONTACT_ID", "EMAIL_ADDR", "PHONE1"],
            &[&["007", " ANN@X.COM", "030 123"], &["8", "ben@x", "0171 5"]],
        ),
        target_rows: Some(75),
    };
    answer(&mut app, Lane::Columns, Ok(Answer::Columns(Box::new(columns))));
    answer(&mut app, Lane::MapPreview, Ok(Answer::Preview(Ok(Arc::new(preview())))));
    let described = |name: &str, nulls| ColumnProfile { name: name.into(), nulls, ..ColumnProfile::default() };
    let columns = vec![described("CONTACT_ID", 0), described("EMAIL_ADDR", 1_000), described("PHONE1", 3_999)];
    let profile = Profile { rows: 4_000, rejects: 0, columns };
    answer(&mut app, Lane::SourceProfile, Ok(Answer::Profile(Arc::new(profile))));
    let proposal = |from: &str, score| Proposal {
        to: "phone".into(),
        from: from.into(),
        score,
        reasons: vec!["the names mean the same".into()],
        field: Field {
            clean: vec![RuleConfig { name: "trim".into(), setting: None }],
            ..Field::new("phone", Origin::From(from.into()))
        },
        kind: Some("clean"),
        tried: Some((100, 3)),
    };
    let proposals = vec![proposal("PHONE1", 0.93), proposal("CONTACT_ID", 0.41)];
    answer(&mut app, Lane::Suggest, Ok(Answer::Proposals(Arc::new(proposals))));
    app
}

fn text(app: &App) -> String {
    app.shared.draft().unwrap().history.text().to_owned()
}

#[test]
fn fields_of_the_mapping_come_first_then_what_the_target_has_beside() {
    let app = mapped();
    let rows: Vec<_> = app.screens.map.fields.iter().map(|row| (row.target.as_str(), row.status)).collect();
    assert_eq!(
        rows,
        [
            ("legacy_id", Status::Fine),
            ("email", Status::Failing),
            ("phone", Status::Suggested),
            ("owner_id", Status::Required)
        ]
    );
}

#[test]
fn a_suggestion_is_accepted_undone_and_refused() {
    let mut app = mapped();
    press(&mut app, "down down a");
    parse(&mut app);
    assert!(text(&app).contains("phone = { from = \"PHONE1\", clean = [\"trim\"] }"), "{}", text(&app));
    assert!(text(&app).starts_with("# people\n"), "comments stay");
    press(&mut app, "u");
    parse(&mut app);
    assert_eq!(text(&app), MAPPING);
    press(&mut app, "A");
    parse(&mut app);
    assert!(text(&app).contains("PHONE1"));
    press(&mut app, "u");
    parse(&mut app);
    press(&mut app, "x");
    assert_eq!(app.screens.map.proposal(&app.shared).unwrap().from, "CONTACT_ID");
    press(&mut app, "x");
    assert!(app.screens.map.proposal(&app.shared).is_none());
}

#[test]
fn all_suggestions_of_a_field_are_shown_with_why_and_one_is_picked() {
    let mut app = mapped();
    press(&mut app, "down down x s");
    let Some(Overlay::Pick(picker)) = app.overlays.last() else { panic!("a list opens") };
    assert_eq!(picker.items[0].0, "PHONE1, clean, 3 of 100 fail");
    assert_eq!(picker.items[0].1, "0.93 refused before; the names mean the same");
    press(&mut app, "down enter");
    parse(&mut app);
    assert!(text(&app).contains("phone = { from = \"CONTACT_ID\", clean = [\"trim\"] }"), "{}", text(&app));
}

#[test]
fn what_was_said_of_suggestions_is_remembered_with_the_saved_mapping() {
    let mut app = mapped();
    press(&mut app, "down down x a");
    parse(&mut app);
    assert!(app.shared.jobs.keys().all(|lane| *lane != Lane::Remember), "nothing before it is saved");
    press(&mut app, "^S");
    let saved = app.shared.draft().unwrap().text();
    let mapping = crm_core::project::load_mapping(std::path::Path::new("."), &saved.path, &saved.text).unwrap();
    let project = crm_core::project::Project { mappings: vec![mapping], ..Default::default() };
    let effects = answer(&mut app, Lane::Save, Ok(Answer::Saved(vec![saved], Box::new(project))));
    let lessons = effects.into_iter().find_map(|effect| match effect {
        Effect::Ask(_, Request::Remember(lessons)) => Some(lessons),
        _ => None,
    });
    let lesson = |from: &str, fits| Lesson { from: from.into(), to: "phone".into(), fits };
    assert_eq!(lessons.unwrap(), [lesson("PHONE1", false), lesson("CONTACT_ID", true)]);
    assert!(app.shared.lessons.is_empty());
}

#[test]
fn fields_that_nothing_fills_are_walked_through() {
    let mut app = mapped();
    press(&mut app, "N");
    assert_eq!(app.screens.map.row().unwrap().target, "phone");
    press(&mut app, "a");
    parse(&mut app);
    press(&mut app, "N N");
    assert_eq!(app.screens.map.row().unwrap().target, "owner_id");
}

#[test]
fn a_mapping_is_begun_between_two_objects_of_different_platforms() {
    let mut app = app(&[]);
    app.update(Msg::Resize(80, 24));
    press(&mut app, "2 +");
    let platform = |name: &str, objects: &[&str]| PlatformObjects {
        platform: name.into(),
        kind: "csv".into(),
        objects: Ok(objects.iter().map(|name| ObjectInfo { name: (*name).into(), rows: None, bytes: None }).collect()),
    };
    let platforms = vec![platform("old", &["people", "firms"]), platform("new", &["contacts"])];
    answer(&mut app, Lane::NewMapping, Ok(Answer::Objects(platforms)));
    let effects = press(&mut app, "enter enter");
    let asked = effects.into_iter().find_map(|effect| match effect {
        Effect::Ask(_, Request::NewMapping(from, to)) => Some((from, to)),
        _ => None,
    });
    let place = |platform: &str, object: &str| (platform.to_owned(), object.to_owned());
    assert_eq!(asked.unwrap(), (place("old", "people"), place("new", "contacts")));
}

#[test]
fn problems_are_walked_through() {
    let mut app = mapped();
    press(&mut app, "n");
    assert_eq!(app.screens.map.row().unwrap().target, "email");
    press(&mut app, "n");
    assert_eq!(app.screens.map.row().unwrap().target, "owner_id");
}

#[test]
fn a_column_is_linked_through_the_picker_or_between_the_lists() {
    let mut app = mapped();
    press(&mut app, "G space P H O N enter");
    parse(&mut app);
    assert!(text(&app).contains("owner_id = \"PHONE1\""), "{}", text(&app));
    press(&mut app, "d");
    parse(&mut app);
    assert!(!text(&app).contains("owner_id"));
    app.update(Msg::Resize(120, 40));
    press(&mut app, "tab down down tab space");
    parse(&mut app);
    let target = app.screens.map.row().unwrap().target.clone();
    assert!(text(&app).contains(&format!("{target} = \"PHONE1\"")), "{}", text(&app));
}

#[test]
fn a_field_is_edited_with_its_result_beside_it() {
    let mut app = mapped();
    press(&mut app, "down enter");
    let editor = app.screens.map.editor.as_ref().unwrap();
    assert_eq!(editor.text.text(), "from = \"EMAIL_ADDR\"\nclean = [\"trim\", \"lower\", \"email\"]\n");
    press(&mut app, "enter");
    // Typing asks for a result; what cannot be is said and not asked.
    let effects: Vec<Effect> =
        "on_error = \"null\"".chars().flat_map(|char| app.update(Msg::Key(Key::char(char)))).collect();
    assert!(app.screens.map.editor.as_ref().unwrap().problem.is_none());
    let tried = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Ask(_, Request::Preview(text, ..)) if text.text.contains("on_error")));
    assert!(tried);
    press(&mut app, "^S");
    parse(&mut app);
    assert!(app.screens.map.editor.is_none());
    assert!(text(&app).contains("on_error = \"null\""), "{}", text(&app));
    press(&mut app, "enter x");
    assert!(app.screens.map.editor.as_ref().unwrap().problem.is_some());
    press(&mut app, "^S");
    assert!(app.screens.map.editor.is_some(), "what is no field is not taken over");
    press(&mut app, "esc");
    assert!(app.screens.map.editor.is_none());
}

#[test]
fn a_missing_value_is_mended_in_the_value_map() {
    let mapping =
        MAPPING.to_owned() + "stage = { from = \"STG\", values = { L = \"lead\" }, otherwise = \"reject\" }\n";
    let mut app = app(&[("contacts", &mapping)]);
    app.update(Msg::Resize(80, 24));
    press(&mut app, "2");
    parse(&mut app);
    press(&mut app, "down down v");
    let value = |value: &str, becomes: Option<&str>| ValueRow {
        value: Some(value.into()),
        looked_up: Some(value.into()),
        becomes: becomes.map(str::to_owned),
        failed: becomes.is_none().then(|| "not in the value map".into()),
        rows: 7,
    };
    answer(&mut app, Lane::FieldValues, Ok(Answer::Values(vec![value("L", Some("lead")), value("W", None)])));
    assert_eq!(app.screens.map.values.as_ref().unwrap().rows[0].value.as_deref(), Some("W"), "failing first");
    press(&mut app, "enter w o n enter");
    assert!(text(&app).contains("W = \"won\""), "{}", text(&app));
    press(&mut app, "q");
    assert!(app.screens.map.values.is_none());
}

#[test]
fn options_are_picked() {
    let mut app = mapped();
    press(&mut app, "down o w r i t e space i f enter");
    assert!(text(&app).contains("write = \"if_blank\""), "{}", text(&app));
}

#[test]
fn a_value_in_a_file_is_written_and_undo_writes_it_back() {
    let mapping = MAPPING.to_owned() + "owner = { from = \"OWNER\", values = \"maps/owners.csv\" }\n";
    let mut app = app(&[("contacts", &mapping)]);
    app.update(Msg::Resize(80, 24));
    press(&mut app, "2");
    parse(&mut app);
    press(&mut app, "down down v");
    let value = ValueRow {
        value: Some("jm".into()),
        looked_up: Some("jm".into()),
        becomes: None,
        failed: Some("not in the value map".into()),
        rows: 7,
    };
    answer(&mut app, Lane::FieldValues, Ok(Answer::Values(vec![value])));
    let effects = press(&mut app, "enter 9 enter");
    let asked = effects.iter().find_map(|effect| match effect {
        Effect::Ask(_, Request::SetInMap { path, from, to, label }) => Some((path, from, to, label)),
        _ => None,
    });
    let (path, from, to, label) = asked.unwrap();
    assert_eq!((path.to_str(), from.as_str(), to.as_str()), (Some("maps/owners.csv"), "jm", "9"));
    let file = FileEdit { path: path.clone(), before: "from,to\n".into(), after: "from,to\njm,9\n".into() };
    answer(&mut app, Lane::MapFile, Ok(Answer::MapFile(file.clone(), Some(label.clone()))));
    assert!(app.shared.jobs.contains_key(&Lane::FieldValues), "counted again");
    let effects = press(&mut app, "q u");
    let back = FileEdit { path: file.path.clone(), before: file.after, after: file.before };
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Ask(_, Request::WriteMap(file)) if *file == back)));
}

#[test]
fn a_column_that_was_left_behind_is_placed_or_left_on_purpose() {
    let mut app = mapped();
    let left = app.screens.map.left_behind(&app.shared);
    assert_eq!(left.iter().map(|(column, rows)| (column.name.as_str(), *rows)).collect::<Vec<_>>(), [("PHONE1", 1)]);
    press(&mut app, "b enter o w n e r enter");
    assert!(text(&app).contains("owner_id"), "{}", text(&app));
    press(&mut app, "u b enter enter");
    assert!(text(&app).contains("ignore = [\"PHONE1\"]"), "{}", text(&app));
    parse(&mut app);
    press(&mut app, "b");
    assert!(app.overlays.is_empty());
    assert!(app.shared.notice.as_ref().unwrap().text.starts_with("nothing is left behind"));
}

#[test]
fn personal_values_are_masked_until_revealed() {
    let personal = MAPPING.replace("clean = [\"trim\"", "pii = true, clean = [\"trim\"");
    let mut app = app(&[("contacts", &personal)]);
    app.update(Msg::Resize(80, 24));
    press(&mut app, "2");
    parse(&mut app);
    assert!(MapScreen::is_personal_source("EMAIL_ADDR", &app.shared));
    assert!(!MapScreen::is_personal_source("CONTACT_ID", &app.shared));
    // Nothing reads it and nobody said what it is, but its name does; who lifts the mask is noted.
    assert!(MapScreen::is_personal_source("PHONE1", &app.shared));
    let shown = mapped();
    assert_eq!(shown.screens.map.personal(&shown.shared).columns, ["PHONE1"]);
    press(&mut app, "X");
    assert!(app.shared.revealed);
    press(&mut app, "3 2");
    assert!(!app.shared.revealed, "who comes back finds the masks on");
}

#[test]
fn what_is_revealed_is_noted_once_and_covered_again_if_it_cannot_be() {
    let personal = MAPPING.replace("clean = [\"trim\"", "pii = true, clean = [\"trim\"");
    let mut app = app(&[("contacts", &personal), ("deals", "from = \"a:deals\"\nto = \"b:deals\"\n")]);
    press(&mut app, "2");
    parse(&mut app);
    let noted = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Ask(_, Request::Revealed(shown)) => Some(shown),
            _ => None,
        })
    };
    let shown = noted(press(&mut app, "X")).unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!((shown[0].by.as_str(), shown[0].mapping.as_deref()), ("screen Map", Some("contacts")));
    assert_eq!(shown[0].columns, ["email"]);
    answer(&mut app, Lane::Reveal, Ok(Answer::Noted));
    assert!(noted(press(&mut app, "down up")).is_none(), "the same is noted once");
    assert!(noted(press(&mut app, "X X")).is_some(), "but each time that masks are lifted");
    answer(&mut app, Lane::Reveal, Err(crm_core::Error::platform("control.db cannot be written")));
    assert!(!app.shared.revealed && app.shared.notice.is_some());
}
