#![allow(clippy::unwrap_used)]
use crm_core::project::Origin;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::app::msg::Msg;
use crate::app::screens::map::tests::mapped;
use crate::app::tests::{app, parse, press};
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
fn links_that_cross_stay_apart_and_ends_out_of_sight_are_marked() {
    let mut app = mapped();
    // Crosswise: the first target reads the last column.
    press(&mut app, "g");
    app.update(Msg::Resize(120, 16));
    press(&mut app, "tab G space u");
    let fields = &mut app.screens.map.fields;
    fields[0].field.as_mut().unwrap().origin = Origin::From("PHONE1".into());
    fields[1].field.as_mut().unwrap().origin = Origin::Sql("concat(CONTACT_ID, EMAIL_ADDR)".into());
    let mut terminal = Terminal::new(TestBackend::new(120, 16)).unwrap();
    terminal.draw(|frame| crate::view::draw(frame, &app, &plain())).unwrap();
    let shown = terminal.backend().to_string();
    insta::assert_snapshot!(shown.lines().skip(3).take(4).collect::<Vec<_>>().join("\n"));
    app.screens.map.sources.top = 1;
    app.screens.map.sources.page = 2;
    terminal.draw(|frame| crate::view::draw(frame, &app, &plain())).unwrap();
    assert!(terminal.backend().to_string().contains('↑'), "{}", terminal.backend());
}

#[test]
fn a_field_under_edit_and_an_expression_with_its_error() {
    use crm_core::project::Problem;
    let mut app = mapped();
    press(&mut app, "down enter");
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    // What may come next stands below the lines; tab puts it in.
    press(&mut app, "enter o n _");
    let shown = screen(&mut app, 80, 24, &plain());
    assert!(shown.contains("\n tab on_miss =  on_null =  on_error =\n"), "{shown}");
    press(&mut app, "tab");
    assert_eq!(app.screens.map.editor.as_ref().unwrap().text.lines().last().unwrap(), "on_miss = ");
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
fn a_mapping_that_cannot_be_read_says_why_above_its_fields() {
    let mut app = mapped();
    press(&mut app, "g d");
    parse(&mut app);
    let shown = screen(&mut app, 80, 24, &plain());
    assert!(shown.contains(" ! key") && shown.contains("(u undoes)"), "{shown}");
}

#[test]
fn an_empty_field_is_edited_between_its_quotes_with_the_columns_at_hand() {
    let mut app = mapped();
    press(&mut app, "G enter");
    let shown = screen(&mut app, 80, 24, &plain());
    assert!(shown.contains(" tab CONTACT_ID  EMAIL_ADDR  PHONE1"), "{shown}");
    press(&mut app, "tab");
    assert!(screen(&mut app, 80, 24, &plain()).contains(" from = \"CONTACT_ID\""));
}

#[test]
fn states_of_the_studio_on_a_wide_screen() {
    let mut app = mapped();
    let mut all = vec![screen(&mut app, 160, 50, &plain())];
    for keys in ["down down s", "esc enter", "esc b"] {
        press(&mut app, keys);
        all.push(screen(&mut app, 160, 50, &plain()));
    }
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn states_of_the_studio_on_a_small_screen() {
    let mut app = mapped();
    let mut all = Vec::new();
    for keys in ["down down s", "esc b"] {
        press(&mut app, keys);
        all.push(screen(&mut app, 80, 24, &plain()));
    }
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn no_mapping_says_what_to_do() {
    let mut app = app(&[]);
    press(&mut app, "2");
    assert!(screen(&mut app, 80, 24, &plain()).contains("crm-console init"));
}
