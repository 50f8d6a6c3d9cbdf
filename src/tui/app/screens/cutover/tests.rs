#![allow(clippy::unwrap_used)]
use super::*;
use crate::app::App;
use crate::app::msg::{Effect, Msg};
use crate::app::tests::{answer, app, press};

/// A checklist whose first `done` items are done.
pub(crate) fn checklist(done: usize) -> Cutover {
    let details = [
        "confirmed 2026-11-25T09:00:00Z by ops, nothing changed since",
        "run 20261125-090200-7f3ac2: 8,011 read, 12 inserted, 31 updated, 0 deleted",
        "consistency 100 %, balance closes, 0 rows left out",
        "nobody yet",
        "not yet",
    ];
    let items = CutoverStep::ALL.into_iter().enumerate().map(|(at, step)| CutoverItem {
        step,
        state: match at.cmp(&done) {
            std::cmp::Ordering::Less => CutoverState::Done,
            std::cmp::Ordering::Equal => CutoverState::Next,
            std::cmp::Ordering::Greater => CutoverState::Waits,
        },
        detail: details[at].to_owned(),
        advice: (at == done).then(|| "what to do next stands here".to_owned()),
    });
    Cutover {
        env: None,
        items: items.collect(),
        run: Some("20261125-090200-7f3ac2".into()),
        confirm: "nova".into(),
        others: vec![("sandbox".into(), "signed off 2026-11-24 16:00 by Anna Weiss".into())],
    }
}

/// The screen with a checklist.
pub(crate) fn with_checklist(done: usize) -> App {
    let mut app = app(&[("contacts", "from = \"a:b\"\n")]);
    app.update(Msg::Resize(80, 24));
    press(&mut app, "8");
    answer(&mut app, Lane::Cutover, Ok(Answer::Cutover(Box::new(checklist(done)))));
    app
}

fn asked(effects: &[Effect]) -> Option<&CutoverRequest> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ask(_, Request::Cutover(request)) => Some(request),
        _ => None,
    })
}

#[test]
fn the_cursor_stands_at_what_is_next_and_freezing_asks() {
    let mut app = with_checklist(0);
    assert_eq!(app.screens.cutover.item().unwrap().step, CutoverStep::Freeze);
    assert!(asked(&press(&mut app, "enter")).is_none(), "asks first");
    assert_eq!(asked(&press(&mut app, "y")), Some(&CutoverRequest::Freeze));
}

#[test]
fn the_switch_takes_the_targets_name_to_the_letter_and_waits_for_its_turn() {
    let mut app = with_checklist(3);
    press(&mut app, "down enter");
    assert!(app.overlays.is_empty() && app.shared.notice.is_some(), "its turn has not come");
    press(&mut app, "up enter");
    let effects = press(&mut app, "A n n a , space B e n enter");
    assert_eq!(asked(&effects), Some(&CutoverRequest::Signoff(vec!["Anna".into(), "Ben".into()])));
    let mut app = with_checklist(4);
    press(&mut app, "enter n o v");
    assert!(asked(&press(&mut app, "enter")).is_none());
    assert_eq!(asked(&press(&mut app, "a enter")), Some(&CutoverRequest::Switch("nova".into())));
}

#[test]
fn what_is_left_out_is_opened_from_the_checklist_and_leads_back() {
    let mut app = with_checklist(2);
    press(&mut app, "enter");
    assert_eq!(app.screen, ScreenId::Rejects);
    press(&mut app, "q");
    assert_eq!(app.screen, ScreenId::Cutover);
}
