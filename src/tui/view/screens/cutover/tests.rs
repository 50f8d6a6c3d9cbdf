use crate::app::screens::cutover::tests::with_checklist;
use crate::view::tests::{plain, screen};

#[test]
fn the_checklist_with_what_is_next() {
    let mut app = with_checklist(3);
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    insta::assert_snapshot!(screen(&mut app, 200, 50, &plain()));
}
