use std::sync::Arc;

use crate::app::msg::{Answer, Lane};
use crate::app::screens::history::tests::{reject, with_runs};
use crate::app::tests::{answer, app, press};
use crate::view::tests::{plain, screen};

#[test]
fn runs_and_the_results_of_one() {
    let mut app = with_runs();
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    press(&mut app, "enter");
    let rejects = vec![reject(0, "stage: not in the value map"), reject(1, "stage: not in the value map")];
    answer(&mut app, Lane::HistoryRejects, Ok(Answer::Rejects(Arc::new(rejects))));
    insta::assert_snapshot!(screen(&mut app, 80, 24, &plain()));
    insta::assert_snapshot!(screen(&mut app, 120, 40, &plain()));
}

#[test]
fn no_runs_say_what_to_do() {
    let mut app = app(&[]);
    press(&mut app, "6");
    assert!(screen(&mut app, 80, 24, &plain()).contains("p makes a plan"));
}
