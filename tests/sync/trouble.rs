//! Bad input and faults: each has its defined answer, and when the trouble is over it goes on by itself.
use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::Value;

use super::live::*;
use crate::support::command::run;
use crate::support::gate::Gate;
use crate::support::program;

const ROWS: &[Row<'static>] = &[
    ("C1", "Ann"),
    ("C2", "Ben"),
    ("C3", "Cy"),
    ("C4", "Dee"),
    ("C5", "Eve"),
    ("C6", "Fay"),
    ("C7", "Gil"),
    ("C8", "Hal"),
];
const ALL: &[&str] = &["C1 Ann", "C2 Ben", "C3 Cy", "C4 Dee", "C5 Eve", "C6 Fay", "C7 Gil", "C8 Hal"];

fn observed(from: Kind, sync: &str) -> Project {
    let sync = format!("trigger = \"observe\"\nevery = \"1h\"\ndeletes = \"propagate\"\n{sync}");
    Project::new(from, Kind::Sqlite, &sync, "", ROWS)
}

/// The loop said that it lives since: whatever it was about to do it has begun.
fn goes_on(project: &Project) {
    let beat = |project: &Project| project.status()["loop"]["heartbeat"].as_i64().unwrap();
    let before = beat(project);
    until("a sign of life", || project.run(&["status"]).out, || beat(project) > before + 1_000);
}

fn no_deletes(project: &Project) {
    let deletes: Vec<Value> = project.events().into_iter().filter(|event| event["operation"] == "delete").collect();
    assert!(deletes.is_empty(), "{deletes:?}");
}

#[test]
fn a_source_that_is_written_anew_slowly_deletes_nothing() {
    let project = observed(Kind::Csv, "");
    let running = project.start();
    let text = csv_of("ID,NAME", ROWS).replace("C1,Ann", "C1,Anna");
    let mut file = File::create(Kind::Csv.file(&project.dir, "old")).unwrap();
    // As many rows are missing as a plan may delete.
    let cut = text.find("C7,").unwrap();
    file.write_all(&text.as_bytes()[..cut]).unwrap();
    goes_on(&project);
    assert_eq!(project.target(), ALL, "half of it is not looked at while its writer has it open");
    file.write_all(&text.as_bytes()[cut..]).unwrap();
    drop(file);
    let mut after = ALL.to_vec();
    after[0] = "C1 Anna";
    project.reaches(&after);
    no_deletes(&project);
    running.end();
}

#[test]
fn a_source_that_is_half_written_when_it_is_looked_at_by_the_clock_deletes_nothing() {
    for kind in [Kind::Csv, Kind::Ndjson] {
        let sync = "trigger = \"pull\"\nevery = \"50ms\"\ndeletes = \"propagate\"\n";
        let project = Project::new(kind, Kind::Sqlite, sync, "", ROWS);
        let running = project.start();
        let path = kind.file(&project.dir, "old");
        let text = std::fs::read_to_string(&path).unwrap().replace("Ann", "Anna");
        let mut file = File::create(&path).unwrap();
        let cut = text.find("C7").map(|at| text[..at].rfind('\n').unwrap() + 1).unwrap();
        file.write_all(&text.as_bytes()[..cut]).unwrap();
        // Ticks go by meanwhile.
        goes_on(&project);
        assert_eq!(project.target(), ALL, "{kind:?}");
        file.write_all(&text.as_bytes()[cut..]).unwrap();
        drop(file);
        let mut after = ALL.to_vec();
        after[0] = "C1 Anna";
        project.reaches(&after);
        no_deletes(&project);
        if kind == Kind::Csv {
            // What really is shorter is believed when it has come to rest.
            project.source(&ROWS[..7]);
            project.reaches(&ALL[..7]);
        }
        running.end();
    }
}

#[test]
fn a_source_that_is_cut_off_or_changed_while_it_is_read_is_read_again() {
    for kind in [Kind::Csv, Kind::Ndjson] {
        let project = observed(kind, "");
        let path = kind.file(&project.dir, "old");
        let whole = std::fs::read_to_string(&path).unwrap().replace("Ann", "Anna");
        std::fs::write(&path, &whole).unwrap();
        let mut gate = Gate::new(&project.dir, "reading");
        let mut child = Command::new(program())
            .args(["engine", "--sync"])
            .env("CRM_CONSOLE_FAULT", gate.fault())
            .current_dir(&project.dir)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        gate.reached();
        let cut = whole.rfind("C7").map(|at| whole[..at].rfind('\n').unwrap() + 1).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(cut as u64).unwrap();
        gate.open();
        let lane = project.lane_is("a stuck lane", |lane| lane["state"] == "stuck");
        assert!(lane["why"].as_str().unwrap().contains("changed while it was read"), "{}", lane["why"]);
        assert_eq!(project.target(), ALL, "{kind:?}: nothing of it was carried over");
        std::fs::write(&path, &whole).unwrap();
        let mut after = ALL.to_vec();
        after[0] = "C1 Anna";
        project.reaches(&after);
        project.lane_is("a lane that goes on", |lane| lane["state"] == "ok" && lane["tries"] == 0);
        no_deletes(&project);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn an_empty_source_deletes_nothing_and_says_why() {
    for kind in [Kind::Csv, Kind::Ndjson] {
        let project = observed(kind, "");
        let running = project.start();
        std::fs::write(kind.file(&project.dir, "old"), "").unwrap();
        let lane = project.lane_is("a stuck lane", |lane| lane["state"] == "stuck");
        assert!(lane["why"].as_str().unwrap().contains("empty"), "{}", lane["why"]);
        assert_eq!(project.target(), ALL);
        project.source(&ROWS[..7]);
        project.reaches(&ALL[..7]);
        project.lane_is("a lane that goes on", |lane| lane["state"] == "ok");
        running.end();
    }
    // A header, or a table, without rows can be read, and is held.
    for kind in [Kind::Csv, Kind::Sqlite] {
        let project = observed(kind, "");
        let running = project.start();
        project.source(&[]);
        goes_on(&project);
        assert_eq!(project.target(), ALL, "{kind:?}");
        project.source(&ROWS[..7]);
        project.reaches(&ALL[..7]);
        project.lane_is("a lane that goes on", |lane| lane["state"] == "ok");
        running.end();
    }
}

#[test]
fn more_deletes_than_allowed_are_held_and_let_go_when_the_rows_are_back() {
    let project = observed(Kind::Sqlite, "");
    let running = project.start();
    project.source(&ROWS[..4]);
    let lane = project.lane_is("a held lane", |lane| lane["state"] == "held");
    assert!(lane["why"].as_str().unwrap().contains("delete"), "{}", lane["why"]);
    assert_eq!(project.target(), ALL);
    project.source(ROWS);
    project.lane_is("a lane that goes on", |lane| lane["state"] == "ok");
    assert_eq!(project.target(), ALL);
    running.end();
}

#[test]
fn a_source_that_is_replaced_or_goes_and_comes_back() {
    for kind in [Kind::Csv, Kind::Parquet, Kind::Ndjson, Kind::Sqlite] {
        let project = observed(kind, "");
        let running = project.start();
        let path = kind.file(&project.dir, "old");
        let aside = project.dir.join("aside");
        std::fs::rename(&path, &aside).unwrap();
        project.lane_is("a stuck lane", |lane| lane["state"] == "stuck" && lane["tries"].as_u64() > Some(0));
        assert_eq!(project.target(), ALL, "{kind:?}: it is gone, its rows are not");
        std::fs::rename(&aside, &path).unwrap();
        project.lane_is("a lane that goes on", |lane| lane["state"] == "ok");
        // Replaced by another file of that name.
        std::fs::copy(&path, &aside).unwrap();
        project.source(&ROWS[..7]);
        project.reaches(&ALL[..7]);
        std::fs::rename(&aside, &path).unwrap();
        project.reaches(ALL);
        running.end();
    }
}

#[test]
fn columns_in_another_order_are_the_same_columns() {
    for kind in [Kind::Csv, Kind::Parquet, Kind::Ndjson, Kind::Sqlite] {
        let project = observed(kind, "");
        let running = project.start();
        let mut turned: Vec<Vec<&str>> = ROWS.iter().map(|(id, name)| vec![*name, *id]).collect();
        turned[0][0] = "Anna";
        if kind == Kind::Sqlite {
            // Another table bears the name from one moment to the next.
            let db = Connection::open(kind.file(&project.dir, "old")).unwrap();
            let rows = turned.iter().map(|row| format!("('{}', '{}')", row[0], row[1])).collect::<Vec<_>>().join(", ");
            db.execute_batch(&format!(
                "BEGIN; DROP TABLE contacts; CREATE TABLE contacts (NAME TEXT, ID TEXT); INSERT INTO contacts VALUES {rows}; COMMIT;"
            ))
            .unwrap();
        } else {
            project.put_rows(kind, "old", "NAME,ID", &turned);
        }
        let mut after = ALL.to_vec();
        after[0] = "C1 Anna";
        project.reaches(&after);
        assert_eq!(project.lane()["held"], Value::Null, "{kind:?}");
        assert_eq!(project.told(1).len(), 1, "{kind:?}");
        running.end();
    }
}

#[test]
fn a_column_that_is_gone_holds_that_mapping_and_no_other() {
    let project = observed(Kind::Csv, "");
    let second = std::fs::read_to_string(project.dir.join("mappings/contacts.toml")).unwrap();
    let second = second.replace(":contacts", ":deals");
    std::fs::write(project.dir.join("mappings/deals.toml"), second).unwrap();
    std::fs::write(project.dir.join("old/deals.csv"), csv_of("ID,NAME", &[("D1", "One")])).unwrap();
    let db = Connection::open(Kind::Sqlite.file(&project.dir, "new")).unwrap();
    db.execute_batch("CREATE TABLE deals (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT)").unwrap();
    run(&project.dir, &["plan", "--out", "plan.json", "--json"]);
    run(&project.dir, &["migrate", "--plan", "plan.json", "--confirm", "new", "--json"]).expect(0);
    let running = project.start();
    let contacts = |status: &Value| {
        status["lanes"].as_array().unwrap().iter().find(|lane| lane["mapping"] == "contacts").unwrap().clone()
    };
    std::fs::write(Kind::Csv.file(&project.dir, "old"), "ID,FULL\nC1,Ann\n").unwrap();
    until("a held lane", || project.run(&["status"]).out, || contacts(&project.status())["state"] == "held");
    let lane = contacts(&project.status());
    assert_eq!(lane["held"]["kind"], "drift");
    assert!(lane["held"]["columns"][0].as_str().unwrap().contains("NAME -> FULL"), "{}", lane["held"]);
    std::fs::write(project.dir.join("old/deals.csv"), csv_of("ID,NAME", &[("D1", "Uno")])).unwrap();
    let deal = || db.query_row("SELECT name FROM deals", [], |row| row.get::<_, String>(0)).unwrap();
    until("the other mapping", || project.run(&["status"]).out, || deal() == "Uno");
    assert_eq!(project.target(), ALL);
    project.source(&ROWS[..7]);
    project.reaches(&ALL[..7]);
    running.end();
}

#[test]
fn a_target_that_another_program_locks_is_waited_for() {
    let project = observed(Kind::Csv, "");
    let running = project.start();
    let db = Connection::open(Kind::Sqlite.file(&project.dir, "new")).unwrap();
    db.execute_batch("BEGIN EXCLUSIVE").unwrap();
    project.source(&ROWS[..7]);
    let lane = project.lane_is("a stuck lane", |lane| lane["state"] == "stuck");
    assert!(lane["why"].as_str().unwrap().contains("locked"), "the platform's own words: {}", lane["why"]);
    assert!(lane["pending"].as_u64() > Some(0) && lane["next_try"].is_i64(), "{lane}");
    assert_eq!(run(&project.dir, &["status", "--fail-on", "stuck"]).code, 1);
    db.execute_batch("COMMIT").unwrap();
    project.reaches(&ALL[..7]);
    project.lane_is("a lane that goes on", |lane| lane["state"] == "ok" && lane["tries"] == 0);
    running.end();
}

#[test]
fn two_loops_on_one_mapping_are_one_too_many() {
    let project = observed(Kind::Csv, "");
    let running = project.start();
    for arguments in [&["sync"][..], &["sync", "--once"], &["sync", "--detach"], &["engine", "--sync"]] {
        let second = run(&project.dir, arguments).expect(7);
        assert!(second.err.contains(&running.child.id().to_string()), "it is told which: {}", second.err);
    }
    project.source(&ROWS[..7]);
    project.reaches(&ALL[..7]);
    running.end();
}

#[test]
fn a_clock_that_is_set_back_loses_nothing_and_makes_no_lag_negative() {
    let project = observed(Kind::Csv, "");
    let running = project.start_with(&[("CRM_CONSOLE_FAULT", "clock-back:3600")]);
    for rows in [7, 8, 6, 8] {
        project.source(&ROWS[..rows]);
        project.reaches(&ALL[..rows]);
    }
    let events = project.told(6);
    assert_eq!(events.len(), 6, "1 gone, 1 back, 2 gone, 2 back: {events:?}");
    for event in &events {
        assert!(event["outcome"] == "written" && event["lag"].as_u64().unwrap() < 3_600_000, "{event}");
    }
    running.end();
}

#[test]
fn a_loop_that_was_killed_starts_where_it_was() {
    let project = observed(Kind::Csv, "");
    let running = project.start();
    running.kill();
    assert_eq!(run(&project.dir, &["status", "--fail-on", "dead"]).code, 1);
    project.source(&ROWS[..7]);
    let running = project.start();
    project.reaches(&ALL[..7]);
    running.end();
    let detached = run(&project.dir, &["sync", "--detach", "--json"]).expect(0).json();
    until("the loop lives", || project.run(&["status"]).out, || project.status()["alive"] == true);
    assert_eq!(project.status()["loop"]["pid"], detached["pid"]);
    run(&project.dir, &["sync", "--stop"]).expect(0);
    until("the loop ended", || project.run(&["status"]).out, || project.status()["alive"] == false);
}
