//! A platform that no transaction holds: what is written stays, and another attempt goes on after it.
use std::sync::Arc;

use super::fixture::{Fixture, text_of};
use super::{ACCOUNTS, CONTACTS, fixture};
use crate::error::Result;
use crate::journal::{MappingResult, Reject, read_rejects, rejects_file};
use crate::migrate::execute::{Ended, Run};
use crate::monitor::{Monitor, Progress};
use crate::plan::Plan;
use crate::platform::Connector;
use crate::platform::memory::Faults;
use crate::project::Bound;

/// Lets two rows be written at once.
struct Slow;

impl Monitor for Slow {
    fn report(&self, _: Progress) {}
    fn cancelled(&self) -> bool {
        false
    }
    fn piece(&self) -> usize {
        2
    }
}

fn piecemeal() -> Fixture {
    let fixture = fixture();
    drop(fixture.nova.clone().piecemeal());
    fixture
}

/// One attempt of run `r1`, in which writing fails after that many rows of an object.
fn attempt(fixture: &Fixture, plan: &Plan, number: u32, write_after: Option<u64>) -> Ended {
    let refuse = |cells: &crate::platform::memory::Cells| {
        cells.iter().any(|cell| cell.as_deref() == Some("Cyd")).then(|| "no Cyd here".to_owned())
    };
    fixture.nova.break_with(Faults { write_after, refuse: Some(Arc::new(refuse)), ..Faults::default() });
    let dir = fixture.state.run("r1");
    if number == 1 {
        fixture.begin("r1", plan);
    }
    let nova: Arc<dyn Connector> = Arc::new(fixture.nova.clone());
    let connect = |_: &str| -> Result<Arc<dyn Connector>> { Ok(nova.clone()) };
    let budget = |_: &str| Bound::Count(10);
    let (state, monitor) = (&fixture.state, &Slow);
    let run = Run { state, dir: &dir, plan, connect: &connect, budget: &budget, monitor, attempt: number };
    run.execute(&mut |_| Ok(()))
}

/// All that a run leaves.
/// Target, results, rejects, crosswalk.
type End = (Vec<Vec<String>>, Vec<MappingResult>, Vec<Vec<Reject>>, Vec<String>);

fn end(fixture: &Fixture, ended: &Ended) -> End {
    let results = ended.results.iter().map(|result| MappingResult { millis: 0, ..result.clone() }).collect();
    let rejects = |name: &str| {
        read_rejects(&rejects_file(&fixture.state.run("r1"), name)).unwrap().collect::<Result<Vec<_>>>().unwrap()
    };
    let crosswalk = fixture.state.crosswalk(None).unwrap();
    let mut ids = Vec::new();
    for object in ["nova:accounts", "nova:contacts"] {
        crosswalk.each(object, |key, id| ids.push(format!("{object} {key} {id}"))).unwrap();
    }
    (
        ["accounts", "contacts"].map(|name| text_of(&fixture.nova, name)).to_vec(),
        results,
        ["accounts", "contacts"].map(rejects).to_vec(),
        ids,
    )
}

#[test]
fn broken_off_after_any_row_and_resumed_the_end_is_the_same() {
    let undisturbed = piecemeal();
    let plan = undisturbed.plan("p1", &[ACCOUNTS, CONTACTS]);
    let ended = attempt(&undisturbed, &plan, 1, None);
    assert!(ended.error.is_none(), "{:?}", ended.error);
    let expected = end(&undisturbed, &ended);
    assert!(expected.1.iter().all(|result| result.closes && result.published));
    assert_eq!(expected.2[1].len(), 1, "one row is refused");
    let mut broken = 0;
    // Two attempts that are broken off, each after any number of rows, and one that is not.
    for first in 0..6 {
        for second in 0..4 {
            let fixture = piecemeal();
            let plan = fixture.plan("p1", &[ACCOUNTS, CONTACTS]);
            let ended = attempt(&fixture, &plan, 1, Some(first));
            broken += u32::from(ended.error.is_some());
            attempt(&fixture, &plan, 2, Some(second));
            let ended = attempt(&fixture, &plan, 3, None);
            assert!(ended.error.is_none(), "{first}, {second}: {:?}", ended.error);
            assert_eq!(end(&fixture, &ended), expected, "{first}, {second}");
        }
    }
    assert!(broken >= 12, "{broken}");
}

#[test]
fn what_is_written_is_counted_while_the_run_is_broken_off() {
    let fixture = piecemeal();
    let plan = fixture.plan("p1", &[ACCOUNTS]);
    let before = text_of(&fixture.nova, "accounts");
    let ended = attempt(&fixture, &plan, 1, Some(1));
    assert!(ended.error.is_some() && !ended.results[0].published);
    assert_ne!(text_of(&fixture.nova, "accounts"), before, "it stays");
    assert_eq!((ended.results[0].counts.updated, ended.results[0].counts.inserted), (1, 0));
}

#[test]
fn rows_that_somebody_changed_meanwhile_are_never_overwritten() {
    // The update is in doubt, or known to be written: either way the other program's word stands.
    for broken_after in [0, 1] {
        let fixture = piecemeal();
        let plan = fixture.plan("p1", &[ACCOUNTS]);
        attempt(&fixture, &plan, 1, Some(broken_after));
        assert!(fixture.nova.edit("accounts", 0, "name", Some("theirs")));
        let ended = attempt(&fixture, &plan, 2, None);
        assert!(ended.error.is_none(), "{:?}", ended.error);
        assert_eq!(text_of(&fixture.nova, "accounts")[0], "70 A1 theirs");
        assert_eq!(ended.results[0].counts.inserted, 1);
        assert_eq!(ended.results[0].moved, u64::from(broken_after == 0), "{broken_after}");
    }
    // A new row of the batch in doubt that somebody has changed since.
    let fixture = piecemeal();
    let plan = fixture.plan("p1", &[ACCOUNTS, CONTACTS]);
    attempt(&fixture, &plan, 1, None);
    let all = text_of(&fixture.nova, "contacts").len();
    let fixture = piecemeal();
    let plan = fixture.plan("p1", &[ACCOUNTS, CONTACTS]);
    // One row of contacts is deleted, then two are handed over: the second of them fails.
    attempt(&fixture, &plan, 1, Some(2));
    let there = text_of(&fixture.nova, "contacts");
    assert_eq!(there, ["2 C1 Ann 4"], "one of two was written");
    assert!(fixture.nova.edit("contacts", 0, "name", Some("theirs")));
    let ended = attempt(&fixture, &plan, 2, None);
    assert!(ended.error.is_none(), "{:?}", ended.error);
    let now = text_of(&fixture.nova, "contacts");
    assert_eq!((now.len(), now[0].as_str()), (all, "2 C1 theirs 4"));
    assert_eq!(ended.results[1].moved, 1);
}
