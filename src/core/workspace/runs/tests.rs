#![allow(clippy::unwrap_used)]
use super::*;
use crate::plan::{Blocked, MappingPlan, Purpose};
use crate::platform::Registry;
use crate::project::{Mode, ObjectRef, Project};

fn workspace(root: &Path) -> Workspace {
    let project = Project { root: root.to_owned(), ..Project::default() };
    Workspace { project, registry: Registry::new() }
}

fn plan() -> Plan {
    let to = ObjectRef { platform: "nova".into(), object: "contacts".into() };
    Plan {
        version: 1,
        id: "7f3ac2012345".into(),
        env: None,
        mode: Mode::Full,
        purpose: Purpose::Migrate,
        created: now(),
        confirm: "nova".into(),
        mappings: vec![MappingPlan { to, ..MappingPlan::empty("contacts") }],
    }
}

#[test]
fn looking_leaves_no_trace() {
    let root = tempfile::tempdir().unwrap();
    let workspace = workspace(root.path());
    assert!(workspace.runs().unwrap().is_empty());
    assert_eq!(workspace.run("x").unwrap_err().kind(), Kind::Usage);
    assert_eq!(workspace.cancel_run("x").unwrap_err().kind(), Kind::Usage);
    assert_eq!(workspace.rejects("../x", None).unwrap_err().kind(), Kind::Usage);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn nothing_starts_unconfirmed_or_blocked() {
    let root = tempfile::tempdir().unwrap();
    let workspace = workspace(root.path());
    let program = Path::new("/nowhere/crm-console");
    let start = |plan: &Plan, confirm| workspace.start_run_by(program, plan, confirm).unwrap_err();
    let error = start(&plan(), "nova-sandbox");
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.advice().unwrap().ends_with("nova"));
    let mut blocked = plan();
    let block = |data| Blocked { data, reason: "over the cap".into(), advice: "look".into() };
    blocked.mappings[0].blocked = vec![block(false)];
    assert_eq!(start(&blocked, "nova").kind(), Kind::Refused);
    blocked.mappings[0].blocked = vec![block(true)];
    assert_eq!(start(&blocked, "nova").kind(), Kind::Data);
    assert!(workspace.runs().unwrap().is_empty());
}

#[test]
fn a_program_that_cannot_be_started_is_told_and_kept() {
    let root = tempfile::tempdir().unwrap();
    let workspace = workspace(root.path());
    let error = workspace.start_run_by(Path::new("/nowhere/crm-console"), &plan(), "nova").unwrap_err();
    assert!(error.what().contains("/nowhere/crm-console"), "{error}");
    let runs = workspace.runs().unwrap();
    assert_eq!((runs.len(), runs[0].state, runs[0].failure), (1, RunState::Failed, Some(Kind::Platform)));
}

#[test]
fn an_engine_that_dies_at_once_is_seen_as_dead() {
    let root = tempfile::tempdir().unwrap();
    let workspace = workspace(root.path());
    let id = workspace.start_run_by(Path::new("/bin/false"), &plan(), "nova").unwrap();
    let mut looks = 0;
    let record = workspace.follow(&id, &mut |_| looks += 1).unwrap();
    assert!(looks >= 1);
    assert_eq!(record.state, RunState::Crashed);
    let note = record.note.unwrap();
    assert!(note.contains("did not start") && note.contains("engine.log"), "{note}");
    assert!(workspace.cancel_run(&id).is_err(), "it has ended");
}

#[test]
fn two_runs_of_one_second_have_their_own_folders() {
    let root = tempfile::tempdir().unwrap();
    let state = StateDir::of(root.path());
    state.make().unwrap();
    let ids: std::collections::BTreeSet<String> =
        (0..5).map(|_| new_run_folder(&state, "7f3ac2012345").unwrap()).collect();
    assert_eq!(ids.len(), 5);
    assert!(ids.iter().all(|id| id.contains("-7f3ac2")));
}

#[test]
fn a_held_mapping_is_busy_and_the_run_says_by_whom() {
    let root = tempfile::tempdir().unwrap();
    let workspace = workspace(root.path());
    let record = workspace.create_run(&plan(), "nova").unwrap();
    let owner = Owner::of_run("20261123-080000-aaaaaa");
    let _held = TargetLocks::take(&workspace.state(), None, ["contacts"], &owner).unwrap();
    let ended = workspace.execute_run(&record.id, &CancelFlag::default()).unwrap();
    assert_eq!((ended.state, ended.failure), (RunState::Failed, Some(Kind::Busy)));
    assert!(ended.note.as_deref().unwrap().contains("20261123-080000-aaaaaa"));
    assert_eq!(workspace.run(&record.id).unwrap(), ended);
    let again = workspace.execute_run(&record.id, &CancelFlag::default()).unwrap_err();
    assert_eq!(again.kind(), Kind::Usage, "an attempt is executed once");
}

#[test]
fn a_cancel_before_the_first_row_ends_the_run() {
    let root = tempfile::tempdir().unwrap();
    let workspace = workspace(root.path());
    let record = workspace.create_run(&plan(), "nova").unwrap();
    workspace.cancel_run(&record.id).unwrap();
    let ended = workspace.execute_run(&record.id, &CancelFlag::default()).unwrap();
    assert_eq!((ended.state, ended.failure), (RunState::Cancelled, Some(Kind::Stopped)));
    assert_eq!(ended.note.as_deref(), Some("cancelled\nnova:contacts: as it was before"));
    let report = RunReport::read(&workspace.state().run(&record.id)).unwrap();
    assert_eq!((report.run.state, report.mappings.len()), (RunState::Cancelled, 0));
    let audit = workspace.state().control().unwrap().audit(10).unwrap();
    assert!(audit.iter().any(|line| line.what == "asked to cancel" && line.run.as_deref() == Some(&record.id)));
}
