#![allow(clippy::unwrap_used)]
use std::fs;

use super::*;
use crate::monitor::Progress;
use crate::plan::Plan;
use crate::platform::Registry;
use crate::project::{Mode, Project, Span, StateConfig};

struct Bench {
    _root: tempfile::TempDir,
    workspace: Workspace,
    state: StateDir,
}

fn bench(config: StateConfig) -> Bench {
    let root = tempfile::tempdir().unwrap();
    let project = Project { root: root.path().to_owned(), state: config, ..Project::default() };
    let state = StateDir::of(root.path());
    state.make().unwrap();
    Bench { _root: root, workspace: Workspace { project, registry: Registry::default() }, state }
}

impl Bench {
    /// A run with all that a run leaves; `days` ago.
    fn run(&self, id: &str, plan: &str, state: RunState, days: i64) {
        let at = (chrono::Utc::now() - chrono::TimeDelta::days(days)).to_rfc3339();
        let record = RunRecord {
            id: id.to_owned(),
            plan: plan.to_owned(),
            env: None,
            state,
            started: at.clone(),
            ended: state.is_final().then_some(at),
            pid: 1,
            owner: "anna".to_owned(),
            progress: Progress::default(),
            rate: 0.0,
            results: Vec::new(),
            consistency: None,
            note: None,
            failure: None,
            attempt: 1,
            asked: None,
            limit: None,
            workers: None,
            intent: None,
        };
        self.state.control().unwrap().add_run(&record).unwrap();
        let dir = self.state.run(id);
        fs::create_dir_all(dir.join("preimages")).unwrap();
        for file in ["preimages/a.parquet", "a.rejects.ndjson", "a.verify.ndjson", "journal.ndjson", "report.json"] {
            fs::write(dir.join(file), "0123456789").unwrap();
        }
    }
    /// A plan over snapshot `number`, made `days` ago.
    fn plan(&self, id: &str, number: u32, days: u64) {
        let mut part = crate::plan::MappingPlan::empty("a");
        part.source_snapshot = format!(".crm-console/snapshots/p/o/{number}").into();
        let plan = Plan {
            version: store::VERSION,
            id: id.to_owned(),
            env: None,
            mode: Mode::Full,
            purpose: Purpose::Migrate,
            created: String::new(),
            confirm: "nova".to_owned(),
            mappings: vec![part],
        };
        let dir = self.state.plan(id);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("plan.json"), serde_json::to_vec(&plan).unwrap()).unwrap();
        let at = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
        fs::File::open(&dir).unwrap().set_modified(at).unwrap();
    }
    fn snapshot(&self, number: u32) {
        let dir = self.state.snapshots().join("p/o").join(number.to_string());
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("rows.parquet"), "x").unwrap();
        for extension in ["json", "profile"] {
            fs::write(dir.with_extension(extension), "{}").unwrap();
        }
    }
    fn has(&self, path: &str) -> bool {
        self.state.path().join(path).exists()
    }
}

fn config() -> StateConfig {
    StateConfig { snapshots: 2, plans: 2, ..StateConfig::default() }
}

#[test]
fn each_thing_goes_in_its_time_and_nothing_before() {
    let bench = bench(config());
    for (id, days) in [("r-new", 0), ("r-40", 40), ("r-100", 100), ("r-400", 400)] {
        bench.run(id, id, RunState::Done, days);
    }
    let shown = bench.workspace.prune(true).unwrap();
    assert!(bench.has("runs/r-400/report.json") && bench.has("runs/r-40/preimages"), "only counted");
    let done = bench.workspace.prune(false).unwrap();
    assert_eq!((&shown.removed, &shown.kept), (&done.removed, &done.kept), "what was shown is what went");
    assert!(bench.has("runs/r-new/preimages/a.parquet") && bench.has("runs/r-new/a.rejects.ndjson"));
    assert!(!bench.has("runs/r-40/preimages") && bench.has("runs/r-40/a.rejects.ndjson"));
    assert!(!bench.has("runs/r-100/a.rejects.ndjson") && !bench.has("runs/r-100/a.verify.ndjson"));
    assert!(bench.has("runs/r-100/journal.ndjson") && !bench.has("runs/r-400"));
    let bytes: u64 = done.removed.iter().map(|part| part.bytes).sum();
    assert_eq!(bytes, 10 + 30 + 50, "pre-images of one, those and rejects of the next, all of the last");
    assert_eq!(bench.state.control().unwrap().runs().unwrap().len(), 4, "records stay");
    assert!(bench.workspace.prune(false).unwrap().removed.is_empty());
    let audit = bench.state.control().unwrap().audit(10).unwrap();
    assert_eq!(audit.iter().filter(|line| line.what == "pruned").count(), 1);
}

#[test]
fn runs_that_can_go_on_and_the_newest_keep_everything() {
    let over = Span::For(Duration::ZERO);
    let bench = bench(StateConfig { images: over, rejects: over, runs: over, ..config() });
    let states = [RunState::Running, RunState::Paused, RunState::Stopped, RunState::Crashed, RunState::Starting];
    for (place, state) in states.into_iter().enumerate() {
        bench.run(&format!("r-{}", state.word()), "p", state, 900 + place as i64);
    }
    bench.run("r-newest", "p", RunState::Failed, 800);
    bench.run("r-done", "p", RunState::Done, 950);
    bench.workspace.prune(false).unwrap();
    for run in states.iter().map(|state| state.word()).chain(["newest"]) {
        assert!(bench.has(&format!("runs/r-{run}/preimages/a.parquet")), "{run}");
    }
    assert!(!bench.has("runs/r-done"));
}

#[test]
fn plans_and_snapshots_stay_as_long_as_somebody_needs_them() {
    let bench = bench(config());
    for number in 1..=8 {
        bench.snapshot(number);
    }
    bench.plan("stopped", 1, 500);
    bench.plan("revertible", 2, 20);
    bench.plan("unused", 3, 400);
    bench.plan("old", 4, 399);
    bench.plan("newer", 5, 2);
    bench.plan("newest", 6, 1);
    bench.run("r-1", "newest", RunState::Done, 0);
    bench.run("r-2", "revertible", RunState::Done, 10);
    bench.run("r-3", "old", RunState::Done, 60);
    bench.run("r-4", "stopped", RunState::Stopped, 500);
    bench.workspace.prune(false).unwrap();
    for plan in ["stopped", "revertible", "newer", "newest"] {
        assert!(bench.has(&format!("plans/{plan}/plan.json")), "{plan}");
    }
    assert!(!bench.has("plans/unused") && !bench.has("plans/old"));
    let left: Vec<u32> = (1..=8).filter(|number| bench.has(&format!("snapshots/p/o/{number}/rows.parquet"))).collect();
    assert_eq!(left, [1, 2, 5, 6, 7, 8], "those of plans, and the newest two");
    assert!(!bench.has("snapshots/p/o/3.json") && !bench.has("snapshots/p/o/3.profile"));
    assert!(bench.has("snapshots/p/o/8.json"));
}

#[test]
fn what_was_left_half_done_goes_after_a_day() {
    let bench = bench(config());
    bench.run("r-1", "p", RunState::Done, 0);
    let folders = ["plans/.making-1", "plans/.old-x-1", "snapshots/p/o/9.tmp", "runs/r-lost"];
    let age = |folder: &str, hours: u64| {
        let path = bench.state.path().join(folder);
        fs::create_dir_all(&path).unwrap();
        let at = SystemTime::now() - Duration::from_secs(hours * 60 * 60);
        fs::File::open(&path).unwrap().set_modified(at).unwrap();
    };
    for folder in folders {
        age(folder, 1);
    }
    bench.workspace.prune(false).unwrap();
    assert!(folders.iter().all(|folder| bench.has(folder)), "somebody may be at it");
    for folder in folders {
        age(folder, 25);
    }
    bench.workspace.prune(false).unwrap();
    assert!(folders.iter().all(|folder| !bench.has(folder)));
}

#[test]
fn cycles_of_sync_loops_go_when_images_of_their_age_do() {
    let bench = bench(StateConfig { images: Span::For(Duration::from_secs(10 * 86_400)), ..StateConfig::default() });
    let lane = bench.state.sync().join("cycles/default/people");
    let cycle = |days: i64| {
        let at = chrono::Utc::now() - chrono::TimeDelta::days(days);
        let dir = lane.join(format!("{}-abc", at.format(CYCLE_TIME.0)));
        fs::create_dir_all(dir.join("preimages")).unwrap();
        fs::write(dir.join("preimages/people.parquet"), "0123456789").unwrap();
        dir
    };
    let (old, new) = (cycle(11), cycle(9));
    bench.state.control().unwrap();
    let is = |list: &[Part], items: u64| {
        let found = list.iter().find(|part| part.what == "sync cycles").unwrap();
        assert_eq!((found.items, found.bytes), (items, 10 * items));
    };
    for dry in [true, false] {
        let retained = bench.workspace.prune(dry).unwrap();
        is(&retained.removed, 1);
        is(&retained.kept, 1);
        assert_eq!((old.exists(), new.exists()), (dry, true));
    }
}
