//! What a run is told while it goes on, and what it makes of it: stop, pause, resume, rate, workers, signals.
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{CSV, SQLITE, Target, project};
use crate::support::command::{run, run_with};
use crate::support::gate::Gate;

/// A run of a plan that waits at a point of its engine: the folder, the run's id, the gate.
struct Held {
    dir: tempfile::TempDir,
    id: String,
    gate: Gate,
}

impl Held {
    fn at(target: &Target, point: &str) -> Self {
        Self::of(project(target), point)
    }
    fn of(dir: tempfile::TempDir, point: &str) -> Self {
        run(dir.path(), &["plan", "--out", "plan.json", "--json"]);
        let mut gate = Gate::new(dir.path(), point);
        let arguments = ["migrate", "--plan", "plan.json", "--confirm", "new", "--detach", "--json"];
        let started = run_with(dir.path(), &arguments, &[("CRM_CONSOLE_FAULT", &gate.fault())]).expect(0).json();
        gate.reached();
        Self { id: started["run"].as_str().unwrap().to_owned(), dir, gate }
    }
    fn path(&self) -> &Path {
        self.dir.path()
    }
    /// A control command over this run.
    #[track_caller]
    fn tell(&self, command: &str, more: &[&str]) -> Value {
        let arguments: Vec<&str> = [command, &self.id, "--json"].into_iter().chain(more.iter().copied()).collect();
        run(self.path(), &arguments).expect(0).json()
    }
    fn record(&self) -> Value {
        run(self.path(), &["runs", "--json"])
            .expect(0)
            .lines()
            .into_iter()
            .find(|run| run["id"] == self.id.as_str())
            .unwrap()
    }
    /// Waits until the run is in this state.
    #[track_caller]
    fn is(&self, state: &str) -> Value {
        let patience = Instant::now() + Duration::from_secs(120);
        loop {
            let record = self.record();
            if record["state"] == state {
                return record;
            }
            assert!(Instant::now() < patience, "the run does not become {state}: {record}");
        }
    }
}

#[test]
fn a_stopped_run_goes_on_where_it_was() {
    for target in [&CSV, &SQLITE] {
        let mut held = Held::at(target, "before-batch:1");
        held.tell("stop", &[]);
        assert_eq!(held.record()["asked"], "stop");
        held.gate.open();
        let stopped = held.is("stopped");
        assert!(stopped["note"].as_str().unwrap().contains(&format!("crm-console resume {}", held.id)), "{stopped}");
        assert_eq!((target.rows)(held.path()), target.before);
        let done = run(held.path(), &["resume", &held.id, "--json"]).expect(0).json();
        assert_eq!((&done["state"], &done["attempt"]), (&"done".into(), &2.into()));
        assert_eq!((target.rows)(held.path()), target.after);
        let refused = run(held.path(), &["stop", &held.id]).expect(2);
        assert!(refused.err.contains("has ended"), "{}", refused.err);
    }
}

#[test]
fn a_signal_finishes_the_batch_and_the_run_can_be_resumed() {
    let mut held = Held::at(&SQLITE, "before-batch:2");
    let pid = held.record()["pid"].as_i64().unwrap();
    kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::TERM).unwrap();
    held.gate.open();
    let stopped = held.is("stopped");
    assert!(stopped["note"].as_str().unwrap().starts_with("stopped by a signal"), "{stopped}");
    assert_eq!((SQLITE.rows)(held.path()), SQLITE.before, "the transaction was rolled back");
    run(held.path(), &["resume", &held.id]).expect(0);
    assert_eq!((SQLITE.rows)(held.path()), SQLITE.after);
}

#[test]
fn a_file_is_staged_with_pauses_and_is_whole_in_the_end() {
    let mut held = Held::at(&CSV, "before-batch:1");
    held.tell("pause", &[]);
    held.gate.open();
    held.is("paused");
    assert_eq!((CSV.rows)(held.path()), CSV.before);
    // A setting is heard in a pause too.
    let set = held.tell("throttle", &["1000", "--workers", "3"]);
    assert_eq!((&set["limit"], &set["workers"]), (&1000.into(), &3.into()));
    assert_eq!(held.tell("resume", &["--detach"])["asked"], "resume");
    let done = held.is("done");
    assert_eq!((&done["attempt"], &done["limit"], &done["workers"]), (&1.into(), &1000.into(), &3.into()));
    assert_eq!((CSV.rows)(held.path()), CSV.after);
}

#[test]
fn a_pause_waits_for_an_open_transaction_and_says_so() {
    let mut held = Held::at(&SQLITE, "before-batch:2");
    held.tell("pause", &[]);
    let listed = run(held.path(), &["runs"]).expect(0).out;
    assert!(listed.contains("running (pausing)"), "{listed}");
    held.gate.open();
    // One mapping, one transaction: it is ended, and nothing that could wait is left.
    let done = held.is("done");
    assert_eq!(done["attempt"], 1);
    assert_eq!((SQLITE.rows)(held.path()), SQLITE.after);
}

#[test]
fn a_throttled_run_takes_its_time_until_it_is_let_go() {
    // So many that the engine asks for its orders before it is through, however fast the machine is.
    let rows = (0..60_000).map(|at| format!("C{at},name {at}\n")).collect::<Vec<_>>().concat();
    let dir = project(&CSV);
    std::fs::write(dir.path().join("old/contacts.csv"), format!("ID,NAME\n{rows}")).unwrap();
    let mut held = Held::of(dir, "before-batch:1");
    held.tell("throttle", &["1"]);
    held.gate.open();
    // A row a second: it would take hours, so a stop is heard in time, however slow the machine is.
    held.tell("stop", &[]);
    held.is("stopped");
    assert_eq!((CSV.rows)(held.path()), CSV.before);
    held.tell("throttle", &["off"]);
    run(held.path(), &["resume", &held.id]).expect(0);
    assert!((CSV.rows)(held.path()).len() > 60_000);
    for wrong in [
        &["throttle", "R", "0"][..],
        &["throttle", "R", "much"],
        &["throttle", "R"],
        &["throttle", "R", "--workers", "0"],
    ] {
        let arguments: Vec<&str> = wrong.iter().map(|word| if *word == "R" { &held.id } else { *word }).collect();
        run(held.path(), &arguments).expect(2);
    }
}

#[test]
fn a_clock_that_is_set_back_stops_the_run_and_says_what_to_do() {
    let dir = project(&CSV);
    run(dir.path(), &["plan", "--out", "plan.json", "--json"]);
    let arguments = ["migrate", "--plan", "plan.json", "--confirm", "new", "--json"];
    let stopped = run_with(dir.path(), &arguments, &[("CRM_CONSOLE_FAULT", "clock-back:3600")]).expect(5).json();
    let note = stopped["note"].as_str().unwrap();
    assert!(note.contains("set back") && note.contains("timedatectl") && note.contains("resume"), "{note}");
    assert_eq!((CSV.rows)(dir.path()), CSV.before);
    run(dir.path(), &["resume", stopped["id"].as_str().unwrap()]).expect(0);
    assert_eq!((CSV.rows)(dir.path()), CSV.after);
}

#[test]
fn two_engines_cannot_hold_one_mapping() {
    let mut first = Held::at(&SQLITE, "before-batch:1");
    let arguments = ["migrate", "--plan", "plan.json", "--confirm", "new"];
    let busy = run(first.path(), &arguments).expect(7);
    for part in [&first.id, "is being migrated by", "process"] {
        assert!(busy.out.contains(part), "the owner is named ({part}): {}", busy.out);
    }
    first.gate.open();
    first.is("done");
    assert_eq!((SQLITE.rows)(first.path()), SQLITE.after);
    // The other one may try again, and finds every row changed since its plan.
    let second = run(first.path(), &["runs", "--json"]).expect(0).lines().remove(0);
    let again = run(first.path(), &["resume", second["id"].as_str().unwrap(), "--json"]);
    assert_eq!((SQLITE.rows)(first.path()), SQLITE.after, "{}", again.out);
}

#[test]
fn a_run_whose_target_went_away_is_resumed_when_it_is_back() {
    let mut held = Held::at(&CSV, "before-publish");
    let (there, away) = (held.path().join("new"), held.path().join("away"));
    std::fs::rename(&there, &away).unwrap();
    held.gate.open();
    let stopped = held.is("stopped");
    assert!(stopped["note"].as_str().unwrap().contains("is gone"), "{stopped}");
    let still = run(held.path(), &["resume", &held.id, "--json"]).expect(5).json();
    assert!(still["note"].as_str().unwrap().contains("is gone"), "{still}");
    std::fs::rename(&away, &there).unwrap();
    run(held.path(), &["resume", &held.id]).expect(0);
    assert_eq!((CSV.rows)(held.path()), CSV.after);
    assert_eq!(std::fs::read_dir(&there).unwrap().count(), 1, "nothing staged stays behind");
}

#[test]
fn any_number_of_workers_makes_the_same_bytes() {
    let rows = (0..20_000).map(|at| format!("C{at},name {at}\n")).collect::<Vec<_>>().concat();
    let mut made = Vec::new();
    for workers in ["1", "2", "7"] {
        let dir = project(&CSV);
        std::fs::write(dir.path().join("old/contacts.csv"), format!("ID,NAME\n{rows}")).unwrap();
        let mut held = Held::of(dir, "before-batch:1");
        held.tell("throttle", &["--workers", workers]);
        held.gate.open();
        let done = held.is("done");
        assert_eq!(done["workers"].to_string(), workers);
        made.push(std::fs::read(held.path().join("new/contacts.csv")).unwrap());
    }
    assert!(made[0].len() > 200_000);
    assert!(made.iter().all(|bytes| *bytes == made[0]));
}
