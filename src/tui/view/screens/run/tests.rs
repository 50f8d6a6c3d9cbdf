use std::sync::Arc;

use crate::app::msg::{Answer, Lane};
use crate::app::screens::history::tests::{record, reject};
use crate::app::screens::run::tests::watching;
use crate::app::tests::{answer, app, press};
use crate::view::tests::{plain, screen};

#[test]
fn a_run_at_work_and_its_end() {
    let mut app = watching();
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    insta::assert_snapshot!(screen(&mut app, 120, 40, &plain()));
    app.shared.run = Some(record("20261123-091500-7f3ac2"));
    press(&mut app, "down");
    let rejects = vec![reject(0, "stage: not in the value map"), reject(1, "company: parent rejected (accounts)")];
    answer(&mut app, Lane::RunRejects, Ok(Answer::Rejects(Arc::new(rejects))));
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
}

#[test]
fn no_run_says_what_to_do() {
    let mut app = app(&[]);
    press(&mut app, "5");
    assert!(screen(&mut app, 80, 24, &plain()).contains("p makes a plan"));
    assert_eq!([super::duration(59), super::duration(187), super::duration(3_720)], ["59s", "3m07s", "1h02m"]);
}
