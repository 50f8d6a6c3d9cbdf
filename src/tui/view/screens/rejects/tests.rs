use crate::app::screens::rejects::tests::{edited_row, opened_row, with_inbox};
use crate::app::tests::press;
use crate::view::tests::{plain, screen};

#[test]
fn causes_with_the_rows_that_wait_below() {
    let mut app = with_inbox();
    press(&mut app, "enter");
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    insta::assert_snapshot!(screen(&mut app, 120, 40, &plain()));
}

#[test]
fn a_row_with_its_cells_and_steps() {
    let mut app = opened_row();
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    assert!(!screen(&mut app, 80, 24, &plain()).contains("030 123456"), "masked until revealed");
    press(&mut app, "x");
    assert!(screen(&mut app, 80, 24, &plain()).contains("030 123456"));
}

#[test]
fn a_cell_under_edit_with_its_steps_before_and_after() {
    let mut app = edited_row();
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    insta::assert_snapshot!(screen(&mut app, 200, 50, &plain()));
}
