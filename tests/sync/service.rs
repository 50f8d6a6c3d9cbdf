//! The loop as a service: both sides are counted on a timer, logs do not grow for ever.
use super::live::{Kind, Project, until};
use super::sql;

const ROWS: &[(&str, &str)] = &[("1", "Ann"), ("2", "Ben"), ("3", "Cy")];

fn log(project: &Project) -> String {
    project.run(&["events", "--log", "-n", "500"]).expect(0).out
}

#[test]
fn both_sides_are_counted_on_a_timer_and_what_the_upkeep_missed_is_an_alarm_and_mended() {
    // Nothing tells of changes at the target of a mapping that goes one way.
    let sync = "trigger = \"observe\"\nevery = \"1h\"\naudit = \"700ms\"\n";
    let project = Project::new(Kind::Csv, Kind::Sqlite, sync, "", ROWS);
    let running = project.start();
    let first = project.lane_is("a first count", |lane| lane["audited"].is_i64() && lane["audit_gap"] == 0);
    assert!(first["next_audit"].as_i64().unwrap() >= first["audited"].as_i64().unwrap() + 700, "{first}");
    sql(&project.dir, "new.db", "UPDATE contacts SET name = 'Benjamin' WHERE legacy_id = '2'");
    until("the alarm", || log(&project), || log(&project).contains("audit: 1 records are not as the upkeep has them"));
    project.reaches(&["1 Ann", "2 Ben", "3 Cy"]);
    project.lane_is("a count without a gap", |lane| lane["audit_gap"] == 0 && lane["state"] == "ok");
    running.end();
}

#[test]
fn changes_that_come_while_it_is_counted_are_no_gap() {
    let project = Project::new(Kind::Sqlite, Kind::Sqlite, "trigger = \"observe\"\naudit = \"1ms\"\n", "", ROWS);
    let running = project.start();
    let counted = |lane: &serde_json::Value| lane["audited"].as_i64().unwrap_or_default();
    let mut last = 0;
    for round in 0..12 {
        for part in 0..4 {
            let id = 100 + round * 4 + part;
            sql(
                &project.dir,
                "old.db",
                &format!(
                    "INSERT INTO contacts VALUES ('{id}', 'n{id}'); UPDATE contacts SET name = 'r{id}' WHERE ID = '2'"
                ),
            );
        }
        last = counted(&project.lane_is("another count", |lane| counted(lane) > last));
    }
    project.lane_is("all of them", |lane| lane["tally"]["equal"] == 51);
    assert!(!log(&project).contains("not as the upkeep"), "{}", log(&project));
    running.end();
}

#[test]
fn a_mapping_that_goes_both_ways_is_counted_too() {
    let sync = "trigger = \"observe\"\ndirection = \"two-way\"\nconflict = \"ask\"\naudit = \"never\"\n";
    let project = Project::new(Kind::Csv, Kind::Sqlite, sync, "", ROWS);
    let running = project.start();
    project.source(&[("1", "Anna"), ("2", "Ben"), ("3", "Cy")]);
    project.reaches(&["1 Anna", "2 Ben", "3 Cy"]);
    assert!(project.lane()["audited"].is_null() && project.lane()["next_audit"].is_null());
    project.run(&["lane", "audit", "contacts"]).expect(0);
    project.lane_is("a count", |lane| lane["audited"].is_i64() && lane["audit_gap"] == 0);
    running.end();
}

#[test]
fn the_log_of_a_detached_loop_is_rotated() {
    let state = "[state]\nlog_size = \"1kB\"\nlogs = 2\n";
    let project = Project::new(Kind::Csv, Kind::Sqlite, "trigger = \"pull\"\nevery = \"1h\"\n", state, ROWS);
    let path = |name: &str| project.dir.join(".crm-console/logs").join(name);
    std::fs::create_dir_all(path("")).unwrap();
    std::fs::write(path("sync.log"), "x".repeat(2_000)).unwrap();
    std::fs::write(path("sync.log.1"), "older").unwrap();
    project.run(&["sync", "--detach"]).expect(0);
    project.lane_is("the loop", |lane| lane["looked"].is_i64());
    project.run(&["sync", "--stop"]).expect(0);
    until("its end", || project.run(&["status"]).out, || project.status()["alive"] == false);
    assert!(path("sync.log").metadata().unwrap().len() < 1_000);
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    assert_eq!((read("sync.log.1").len(), read("sync.log.2").as_str()), (2_000, "older"));
}
