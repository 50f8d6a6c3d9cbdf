//! Reverts and incremental runs that are killed at a named point, and resumed: the end is that of the run nobody disturbed.
use super::newest;
use super::scene::{KINDS, Kind, Scene, Task, end};
use crate::support::command::{run, run_with};

/// Points that every run passes.
const POINTS: [&str; 7] = [
    "before-batch:1",
    "before-intent",
    "before-publish",
    "after-publish",
    "after-crosswalk",
    "before-verify",
    "before-report",
];

#[track_caller]
fn dies_and_ends_the_same(kind: &Kind, task: Task, points: &[&str]) {
    let scene = Scene::new(kind, task);
    let expected = scene.undisturbed(kind, task);
    for point in points {
        let dir = scene.again();
        let dir = dir.path();
        run_with(dir, &scene.migrate(), &[("CRM_CONSOLE_FAULT", &format!("exit-at:{point}"))]).expect(4);
        let died = newest(dir);
        assert_eq!(died["state"], "crashed", "{} {task:?} {point}: {died}", kind.name);
        let id = died["id"].as_str().unwrap();
        run(dir, &["resume", id, "--json"]).expect(0);
        end(dir, kind, id).is(&expected, &format!("{} {task:?} {point}", kind.name));
    }
}

#[test]
fn a_revert_of_a_file_goes_on_wherever_it_was_killed() {
    let files = [&POINTS[..], &["after-intent", "after-rename"]].concat();
    dies_and_ends_the_same(&KINDS[0], Task::Revert, &files);
    dies_and_ends_the_same(&KINDS[1], Task::Revert, &["after-intent", "after-rename", "after-crosswalk"]);
}

#[test]
fn a_revert_of_a_database_goes_on_wherever_it_was_killed() {
    let points = [&POINTS[..], &["before-commit", "after-commit"]].concat();
    dies_and_ends_the_same(&KINDS[2], Task::Revert, &points);
}

#[test]
fn an_incremental_run_goes_on_wherever_it_was_killed() {
    dies_and_ends_the_same(&KINDS[0], Task::Incremental, &["after-intent", "after-rename", "after-crosswalk"]);
    let points = ["before-commit", "after-commit", "after-publish", "after-crosswalk", "before-report"];
    let deletes = ["waited-begun", "waited-intent", "waited-published"];
    let points = [&points[..], &deletes].concat();
    dies_and_ends_the_same(&KINDS[2], Task::Incremental, &points);
}
