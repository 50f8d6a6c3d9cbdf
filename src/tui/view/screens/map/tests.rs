#![allow(clippy::unwrap_used)]
use crate::app::screens::map::tests::mapped;
use crate::app::tests::{app, press};
use crate::view::tests::{plain, screen};

#[test]
fn the_list_with_the_evidence_of_a_field() {
    let mut app = mapped();
    press(&mut app, "down");
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
}

#[test]
fn two_lists_with_the_links_between_them() {
    let mut app = mapped();
    insta::assert_snapshot!(screen(&mut app, 120, 30, &plain()));
}

#[test]
fn a_field_under_edit_and_an_expression_with_its_error() {
    use crm_core::project::Problem;
    let mut app = mapped();
    press(&mut app, "down enter");
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    let mut problem = Problem::error(
        std::path::Path::new("mappings/contacts.toml"),
        "no column 'EMAIL_ADR'; did you mean 'EMAIL_ADDR'?",
    );
    problem.field = "fields.email.sql".into();
    problem.sql = Some(("lower(trim(EMAIL_ADR))".into(), 11, 20));
    app.screens.map.editor.as_mut().unwrap().problem = Some(problem);
    let shown = screen(&mut app, 80, 24, &plain());
    assert!(shown.contains("  lower(trim(EMAIL_ADR))\n             ^^^^^^^^^\n"), "{shown}");
}

#[test]
fn no_mapping_says_what_to_do() {
    let mut app = app(&[]);
    press(&mut app, "2");
    assert!(screen(&mut app, 80, 24, &plain()).contains("crm-console init"));
}
