//! The keys of the Run screen over a run that is at work: each is pressed, the screen says so, and the run obeys.
use std::path::Path;

use crate::support::command::{folder, run};
use crate::support::gate::Gate;
use crate::support::terminal::{Start, Terminal};

const PROJECT: &str =
    "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"csv\"\npath = \"new\"\n";
const MAPPING: &str = "from = \"old:contacts\"\nto = \"new:contacts\"\nkey = [\"legacy_id\"]\n\n[fields]\nlegacy_id = \"ID\"\nname = \"NAME\"\n";
const BEFORE: &str = "legacy_id,name\nN,Nora\n";

/// A project with rows enough for a run of hours at a row a second.
fn project() -> tempfile::TempDir {
    let rows = (0..20_000).map(|at| format!("C{at},name {at}\n")).collect::<Vec<_>>().concat();
    let old = format!("ID,NAME\n{rows}");
    folder(&[
        ("project.toml", PROJECT),
        ("mappings/contacts.toml", MAPPING),
        ("old/contacts.csv", &old),
        ("new/contacts.csv", BEFORE),
    ])
}

fn newest(dir: &Path) -> serde_json::Value {
    run(dir, &["runs", "--json"]).expect(0).lines().remove(0)
}

fn target(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("new/contacts.csv")).unwrap()
}

/// A screen on a run that stands before its first batch, throttled to a row a second by key `t`, and then let go.
fn at_work() -> (tempfile::TempDir, Terminal) {
    let dir = project();
    let mut gate = Gate::new(dir.path(), "before-batch:1");
    let fault = gate.fault();
    let arguments = vec!["-C".to_owned(), dir.path().display().to_string()];
    let mut terminal = Terminal::start(&Start { arguments, size: (80, 24), env: &[("CRM_CONSOLE_FAULT", &fault)] });
    terminal.see("MAP contacts");
    terminal.keys("p");
    terminal.see("PLAN ");
    terminal.keys("M");
    terminal.see("Type new to confirm");
    terminal.keys("new<enter>");
    terminal.see("1 run active");
    gate.reached();
    terminal.keys("t");
    terminal.see("Rows a second at most");
    clear(&mut terminal, "off");
    terminal.keys("1<enter>");
    gate.open();
    terminal.see("limit 1");
    (dir, terminal)
}

/// Takes what a question suggests out of its field.
fn clear(terminal: &mut Terminal, suggested: &str) {
    terminal.keys(&"<bs>".repeat(suggested.len()));
}

#[test]
fn pause_resume_workers_rate_and_stop_are_obeyed_and_shown() {
    let (dir, mut terminal) = at_work();
    let dir = dir.path();
    terminal.keys("P");
    terminal.see("paused, R goes on");
    assert_eq!(newest(dir)["state"], "paused");
    // A setting is heard in a pause too.
    terminal.keys("w");
    terminal.see("Workers");
    let now = newest(dir)["workers"].as_u64().map_or(String::new(), |workers| workers.to_string());
    clear(&mut terminal, &now);
    terminal.keys("3<enter>");
    terminal.see("3 workers");
    assert_eq!(newest(dir)["workers"], 3);
    for wrong in ["none", "0"] {
        terminal.keys("t");
        terminal.see("Rows a second at most");
        clear(&mut terminal, "1");
        terminal.keys(&format!("{wrong}<enter>"));
        terminal.see("name rows a second from 1 on");
    }
    assert_eq!(newest(dir)["limit"], 1, "what is no rate changes none");
    terminal.keys("R");
    terminal.wait("the run at work", |text, beside| !text.contains("paused") && beside.title.contains("idle"));
    assert_eq!(newest(dir)["state"], "running");

    // Asked first: escape changes nothing.
    terminal.keys("s");
    terminal.see("Stop the run");
    terminal.keys("<esc>");
    let record = newest(dir);
    assert!(record["state"] == "running" && record["asked"] != "stop", "{record}");
    terminal.keys("s");
    terminal.see("Stop the run");
    terminal.keys("y");
    terminal.see("R goes on where it was");
    assert_eq!(newest(dir)["state"], "stopped");
    assert_eq!(target(dir), BEFORE, "nothing of it is published");

    // The rate holds for the next attempt; let go, it ends.
    terminal.keys("t");
    terminal.see("Rows a second at most");
    clear(&mut terminal, "1");
    terminal.keys("off<enter>");
    terminal.wait("no limit", |text, beside| !text.contains("limit 1") && beside.title.contains("idle"));
    terminal.keys("R");
    terminal.see("consistency 100 %");
    let done = newest(dir);
    assert_eq!((&done["state"], &done["attempt"], &done["workers"]), (&"done".into(), &2.into(), &3.into()));
    assert_eq!(target(dir).lines().count(), 20_002);
    // Keys that are not for a run that has ended say so and do nothing.
    for key in ["P", "R", "s", "c", "w", "t"] {
        terminal.keys(key);
        terminal.see("that is not for this run as it is now");
    }
    assert_eq!(terminal.strange(), Vec::<String>::new());
}

#[test]
fn a_throttled_run_is_cancelled_and_a_second_one_is_told_who_holds_the_mapping() {
    let (dir, mut terminal) = at_work();
    let dir = dir.path();
    let first = newest(dir);
    let id = first["id"].as_str().unwrap();

    // Without a screen: exit code 7, and the owner by name.
    run(dir, &["plan", "--out", "plan.json"]).expect(1);
    let busy = run(dir, &["migrate", "--plan", "plan.json", "--confirm", "new"]).expect(7);
    let pid = first["pid"].to_string();
    for part in ["is being migrated by", id, pid.as_str()] {
        assert!(busy.out.contains(part) || busy.err.contains(part), "{part}: {}{}", busy.out, busy.err);
    }
    // From another screen the same.
    let mut other = Terminal::open(dir, (80, 24));
    other.see("1 run active");
    other.keys("4p");
    other.see("PLAN ");
    other.keys("M");
    other.see("Type new to confirm");
    other.keys("new<enter>");
    let told = other.see("is being migrated by");
    assert!(told.contains(id), "{told}");
    assert_eq!(other.strange(), Vec::<String>::new());
    drop(other);

    // The first one is still at work, and ends when it is told so.
    let still = run(dir, &["runs", "--json"]).expect(0).lines().into_iter().find(|run| run["id"] == id).unwrap();
    assert_eq!(still["state"], "running");
    terminal.keys("c");
    terminal.see("Cancel the run");
    terminal.keys("y");
    terminal.see("cancelled");
    let ended = run(dir, &["runs", "--json"]).expect(0).lines().into_iter().find(|run| run["id"] == id).unwrap();
    assert_eq!(ended["state"], "cancelled");
    assert_eq!(target(dir), BEFORE);
    assert_eq!(std::fs::read_dir(dir.join("new")).unwrap().count(), 1, "nothing staged stays behind");
    // What it held is free again.
    run(dir, &["plan", "--out", "plan.json"]).expect(1);
    run(dir, &["migrate", "--plan", "plan.json", "--confirm", "new"]).expect(0);
    assert_eq!(target(dir).lines().count(), 20_002);
}
