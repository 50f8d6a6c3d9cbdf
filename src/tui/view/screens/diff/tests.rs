use crate::app::screens::diff::tests::{plan, planned};
use crate::app::tests::{app, press};
use crate::view::tests::{plain, screen};

#[test]
fn a_plan_with_the_rows_behind_a_count() {
    let mut app = planned(plan());
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    insta::assert_snapshot!(screen(&mut app, 160, 40, &plain()));
    press(&mut app, "M");
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
}

#[test]
fn what_blocks_a_plan_and_what_does_not_close_is_said_first() {
    let mut blocked = plan();
    blocked.mappings[0].counts.read += 1;
    blocked.mappings[0].blocked =
        vec![crm_core::plan::Blocked { data: true, reason: "over error_budget".into(), advice: "mend".into() }];
    let shown = screen(&mut planned(blocked), 80, 24, &plain());
    assert!(shown.contains("BLOCKED: over error_budget") && shown.contains("DOES NOT CLOSE: contacts"), "{shown}");
}

#[test]
fn no_plan_says_how_to_make_one() {
    let mut app = app(&[]);
    press(&mut app, "4");
    assert!(screen(&mut app, 80, 24, &plain()).contains("p reads both sides"));
}
