use crate::app::msg::{Answer, Lane};
use crate::app::screens::data::tests::{listed, opened};
use crate::app::tests::{answer, press};
use crate::view::tests::{plain, screen};

#[test]
fn objects_are_listed_and_what_cannot_be_listed_says_why() {
    insta::assert_snapshot!(screen(&mut listed(), 80, 24, &plain()));
}

#[test]
fn rows_are_shown_safely_with_null_apart() {
    let mut app = opened();
    press(&mut app, "right");
    let shown = screen(&mut app, 80, 24, &plain());
    assert!(!shown.contains('\u{1b}'));
    insta::assert_snapshot!(shown);
    insta::assert_snapshot!(screen(&mut app, 120, 40, &plain()));
}

#[test]
fn a_column_is_described_below_or_beside_its_rows() {
    use crm_core::table::profile::{ColumnProfile, Profile};
    let mut app = opened();
    press(&mut app, "tab");
    let column = ColumnProfile {
        name: "ID".into(),
        r#type: "integer".into(),
        semantic: "id".into(),
        distinct: 4_000,
        min_length: 4,
        max_length: 4,
        min: Some("0000".into()),
        max: Some("3999".into()),
        patterns: vec![("9999".into(), 4_000)],
        top: vec![("0000".into(), 1)],
        warnings: vec!["leading zeros: 1,000 values would lose them as numbers".into()],
        ..ColumnProfile::default()
    };
    let profile = Profile { rows: 4_000, rejects: 2, columns: vec![column] };
    answer(&mut app, Lane::DataProfile, Ok(Answer::Profile(std::sync::Arc::new(profile))));
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    let wide = screen(&mut app, 200, 50, &plain());
    assert!(wide.contains("leading zeros") && wide.contains("2 unreadable"), "{wide}");
}
