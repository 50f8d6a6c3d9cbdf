use crate::app::screens::clean::tests::cleaned;
use crate::app::tests::{app, press};
use crate::view::tests::{plain, screen};

#[test]
fn fields_above_their_cells() {
    let mut app = cleaned();
    press(&mut app, "down");
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    insta::assert_snapshot!(screen(&mut app, 160, 30, &plain()));
}

#[test]
fn no_mapping_says_what_to_do() {
    let mut app = app(&[]);
    press(&mut app, "3");
    assert!(screen(&mut app, 80, 24, &plain()).contains("crm-console init"));
}
