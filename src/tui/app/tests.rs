//! The frame of the app: keys, overlays, saving, jobs. Screens test themselves.
#![allow(clippy::unwrap_used)]
use std::path::PathBuf;

use crm_core::Error;
use crm_core::monitor::Progress;
use crm_core::workspace::PlanAsk;

use super::key::KeyCode;
use super::msg::{Answer, MappingText};
use super::*;

/// An app on a project with these mapping texts.
pub(crate) fn app(mappings: &[(&str, &str)]) -> App {
    let mut app = App::new(Project { name: "demo".into(), ..Project::default() }, None, Session::default());
    app.start();
    let texts = mappings.iter().map(|(name, text)| text_of(name, text)).collect();
    answer(&mut app, Lane::Project, Ok(Answer::Project(Box::default(), texts)));
    app
}

fn text_of(name: &str, text: &str) -> MappingText {
    MappingText { name: name.into(), path: PathBuf::from(format!("mappings/{name}.toml")), text: text.into() }
}

/// Answers what is asked in a lane.
pub(crate) fn answer(app: &mut App, lane: Lane, result: Result<Answer, Error>) -> Vec<Effect> {
    let ticket = app.shared.jobs[&lane].ticket;
    app.update(Msg::Answered(ticket, Box::new(result)))
}

/// Parses the mapping at hand, as the job would.
pub(crate) fn parse(app: &mut App) {
    if app.shared.jobs.contains_key(&Lane::Parse) {
        let text = app.shared.draft().unwrap().text();
        let parsed = crm_core::project::load_mapping(std::path::Path::new("."), &text.path, &text.text);
        answer(app, Lane::Parse, Ok(Answer::Parsed(text, Box::new(parsed))));
    }
}

/// Presses keys, written as in the keymap and parted by blanks.
pub(crate) fn press(app: &mut App, keys: &str) -> Vec<Effect> {
    keys.split_whitespace().flat_map(|key| app.update(Msg::Key(key.parse().unwrap()))).collect()
}

fn quits(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Quit))
}

#[test]
fn numbers_switch_screens_and_every_screen_has_a_number() {
    let mut app = app(&[]);
    for (at, id) in ScreenId::ALL.iter().enumerate() {
        press(&mut app, &(at + 1).to_string());
        assert_eq!(app.screen, *id);
    }
}

#[test]
fn the_palette_finds_an_action_and_does_it() {
    let mut app = app(&[]);
    press(&mut app, ": s c r e e n space h i s enter");
    assert_eq!(app.screen, ScreenId::History);
    assert!(app.overlays.is_empty());
    press(&mut app, "?");
    assert!(matches!(app.overlays[..], [Overlay::Help(0)]));
    press(&mut app, "down esc");
    assert!(app.overlays.is_empty());
}

#[test]
fn leaving_asks_only_when_edits_are_unsaved() {
    let mut app = app(&[("contacts", "a = 1\n")]);
    assert!(quits(&press(&mut app, "q")));
    app.shared.edit("test", "a = 2\n");
    assert!(!quits(&press(&mut app, "q")));
    assert!(matches!(app.overlays[..], [Overlay::Ask(_)]));
    assert!(!quits(&press(&mut app, "esc")));
    // Saved first, left then.
    let effects = press(&mut app, "q s");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Ask(ticket, _) if ticket.lane == Lane::Save)));
    let saved = Answer::Saved(vec![text_of("contacts", "a = 2\n")], Box::default());
    assert!(quits(&answer(&mut app, Lane::Save, Ok(saved))));
    assert!(app.session().unsaved.is_empty());
}

#[test]
fn edits_that_are_discarded_do_not_come_back_but_those_of_a_lost_terminal_do() {
    let mut app = app(&[("contacts", "a = 1\n")]);
    app.shared.edit("test", "a = 2\n");
    let session = app.session();
    assert_eq!(session.unsaved[0].text, "a = 2\n");
    assert!(quits(&press(&mut app, "q d")));
    assert!(app.session().unsaved.is_empty());

    let open = |session: Session, file: &str| {
        let mut next = App::new(Project::default(), None, session);
        next.start();
        let texts = vec![text_of("contacts", file)];
        answer(&mut next, Lane::Project, Ok(Answer::Project(Box::default(), texts)));
        next
    };
    let next = open(session.clone(), "a = 1\n");
    assert_eq!(next.shared.drafts[0].history.text(), "a = 2\n");
    // The file has changed since: it counts, and redo brings the edits.
    let mut next = open(session, "a = 3\n");
    assert_eq!(next.shared.drafts[0].history.text(), "a = 3\n");
    press(&mut next, "^R");
    assert_eq!(next.shared.drafts[0].history.text(), "a = 2\n");
}

#[test]
fn an_edit_is_parsed_and_undone() {
    let mut app = app(&[("contacts", "a = 1\n")]);
    answer(&mut app, Lane::Parse, Ok(Answer::Parsed(text_of("contacts", "a = 1\n"), Box::new(Err(Vec::new())))));
    assert!(!app.shared.jobs.contains_key(&Lane::Parse));
    app.shared.edit("link email", "a = 2\n");
    let effects = app.update(Msg::Tick);
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Ask(_, Request::Parse(text)) if &*text.text == "a = 2\n"))
    );
    press(&mut app, "u");
    assert_eq!(app.shared.notice.as_ref().unwrap().text, "undone: link email");
    assert_eq!(app.shared.drafts[0].history.text(), "a = 1\n");
}

#[test]
fn a_stale_answer_is_dropped_and_a_cancelled_job_too() {
    let mut app = app(&[]);
    app.shared.ask(Lane::Plan, "planning", Request::Plan(PlanAsk::default()));
    let old = app.shared.jobs[&Lane::Plan].ticket;
    app.shared.ask(Lane::Plan, "planning", Request::Plan(PlanAsk::default()));
    app.update(Msg::Answered(old, Box::new(Err(Error::data("old")))));
    assert!(app.shared.notice.is_none() && app.is_busy());
    let ticket = app.shared.jobs[&Lane::Plan].ticket;
    app.update(Msg::Progress(ticket, Progress { step: "reading".into(), done: 1, total: None }));
    assert_eq!(app.shared.visible_job().unwrap().progress.step, "reading");
    let effects = press(&mut app, "esc");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Cancel(Lane::Plan))));
    app.update(Msg::Answered(ticket, Box::new(Err(Error::data("late")))));
    assert_eq!(app.shared.notice.as_ref().unwrap().text, "stopped");
}

#[test]
fn an_error_shows_with_advice_and_esc_takes_it_away() {
    let mut app = app(&[]);
    app.shared.ask(Lane::Plan, "planning", Request::Plan(PlanAsk::default()));
    answer(&mut app, Lane::Plan, Err(Error::data("broken").at("line 3").advise("mend it")));
    let notice = app.shared.notice.clone().unwrap();
    assert_eq!((notice.text.as_str(), notice.advice.as_deref()), ("line 3: broken", Some("mend it")));
    app.update(Msg::Key(Key::plain(KeyCode::Esc)));
    assert!(app.shared.notice.is_none());
}

#[test]
fn a_plan_waits_for_the_save() {
    let mut app = app(&[("contacts", "a = 1\n")]);
    app.shared.edit("test", "a = 2\n");
    press(&mut app, "p");
    assert_eq!(app.screen, ScreenId::Diff);
    assert!(!app.shared.jobs.contains_key(&Lane::Plan));
    answer(&mut app, Lane::Save, Ok(Answer::Saved(vec![text_of("contacts", "a = 2\n")], Box::default())));
    assert!(app.shared.jobs.contains_key(&Lane::Plan));
}

#[test]
fn what_is_copied_is_quoted_for_a_shell() {
    assert_eq!(quote("a/b.c"), "a/b.c");
    assert_eq!(quote("it's"), r"'it'\''s'");
    assert_eq!(quote(""), "''");
}

#[test]
fn a_new_search_does_not_begin_with_the_last_and_enter_alone_repeats_it() {
    let mut app = app(&[]);
    press(&mut app, "/ o n e enter");
    assert_eq!(app.shared.sought, "one");
    press(&mut app, "/ t w o enter");
    assert_eq!(app.shared.sought, "two");
    press(&mut app, "/ enter");
    assert_eq!(app.shared.sought, "two");
}
