use crate::app::screens::diff::tests::{advised, compared, plan, planned};
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
fn a_plan_over_the_delete_cap_says_so_in_full_on_a_small_screen() {
    let mut over = plan();
    let words = "20431 of 300215 target rows in scope would be deleted or marked, max_deletes allows 15010";
    over.mappings[0].counts.deleted = 20_431;
    over.mappings[0].blocked = vec![crm_core::plan::Blocked {
        data: false,
        reason: words.into(),
        advice: "look at them, then raise max_deletes under [run] of the mapping if they shall go".into(),
    }];
    over.mappings[0].counts.native = None;
    over.mappings[0].counts.before = 300_290;
    over.mappings[0].counts.after = 300_290 + 3_706 - 20_431;
    over.mappings[0].incremental = Some(crm_core::plan::Incremental {
        looked: 4_112,
        unchanged: 295_000,
        asked: true,
        ..crm_core::plan::Incremental::default()
    });
    over.mode = crm_core::project::Mode::Incremental;
    insta::assert_snapshot!(screen(&mut planned(over.clone()), 80, 24, &plain()));
    let wide = screen(&mut planned(over), 160, 40, &plain());
    let mut figures = wide.lines().filter(|line| line.starts_with(">contacts"));
    assert!(figures.any(|line| line.trim_end().ends_with(" -")), "natives that nobody looked at are not 0: {wide}");
}

#[test]
fn no_plan_says_how_to_make_one() {
    let mut app = app(&[]);
    press(&mut app, "4");
    assert!(screen(&mut app, 80, 24, &plain()).contains("p reads both sides"));
}

#[test]
fn what_is_recommended_and_what_is_other_than_before() {
    let mut app = advised();
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    press(&mut app, "pgdn pgdn pgdn");
    let last = screen(&mut app, 80, 24, &plain());
    assert!(last.contains("overlap = \"5m\"") && !last.contains("more lines"), "the end can be reached: {last}");
    insta::assert_snapshot!(screen(&mut app, 120, 40, &plain()));
    let mut app = compared();
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    insta::assert_snapshot!(screen(&mut app, 120, 40, &plain()));
}

#[test]
fn the_number_of_a_sample_is_asked_and_the_limit_of_writers_is_told() {
    let mut limited = plan();
    limited.mappings[0].here.writers = Some(1);
    let mut app = planned(limited);
    press(&mut app, "s");
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    press(&mut app, "esc");
    assert!(screen(&mut app, 120, 40, &plain()).contains("; one writer, workers prepare ahead"));
}
