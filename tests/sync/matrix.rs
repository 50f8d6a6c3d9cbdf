//! Each trigger on each kind of source, and each kind of target.
use super::live::*;

const BEFORE: &[Row<'static>] = &[("C1", "Ann"), ("C2", "Ben"), ("C3", "Cy")];
const AFTER: &[Row<'static>] = &[("C1", "Ann"), ("C2", "Benjamin"), ("C4", "Dee"), ("C3", "Cy")];
const REACHED: &[&str] = &["C1 Ann", "C2 Benjamin", "C3 Cy", "C4 Dee"];

/// The source is changed; the target has to follow.
#[track_caller]
fn follows(trigger: &str, from: Kind, to: Kind, origins: &[&str]) {
    let project =
        Project::new(from, to, &format!("trigger = \"{trigger}\"\nevery = \"{}\"\n", every(trigger)), "", BEFORE);
    let running = project.start();
    project.source(AFTER);
    project.reaches(REACHED);
    let events = project.told(2);
    let lane = project.lane_is("a quiet lane", |lane| lane["state"] == "ok" && lane["pending"] == 0);
    assert_eq!(lane["trigger"], trigger);
    assert_eq!(events.len(), 2, "one insert, one update: {events:?}");
    for event in &events {
        let origin = event["origin"].as_str().unwrap();
        assert!(origins.contains(&origin) && event["outcome"] == "written" && event["lag"].is_u64(), "{event}");
    }
    running.end();
    assert_eq!(project.status()["loop"]["state"], "stopped");
}

/// Looks by the clock alone must come soon; where there are signs they must not help.
fn every(trigger: &str) -> &'static str {
    if trigger == "pull" { "200ms" } else { "1h" }
}

#[test]
fn pull_csv_into_sqlite() {
    follows("pull", Kind::Csv, Kind::Sqlite, &["pull", "start"]);
}

#[test]
fn pull_parquet_into_sqlite() {
    follows("pull", Kind::Parquet, Kind::Sqlite, &["pull", "start"]);
}

#[test]
fn pull_ndjson_into_sqlite() {
    follows("pull", Kind::Ndjson, Kind::Sqlite, &["pull", "start"]);
}

#[test]
fn pull_sqlite_into_sqlite() {
    follows("pull", Kind::Sqlite, Kind::Sqlite, &["pull", "start"]);
}

#[test]
fn observe_csv_into_sqlite() {
    follows("observe", Kind::Csv, Kind::Sqlite, &["file"]);
}

#[test]
fn observe_parquet_into_sqlite() {
    follows("observe", Kind::Parquet, Kind::Sqlite, &["file"]);
}

#[test]
fn observe_ndjson_into_sqlite() {
    follows("observe", Kind::Ndjson, Kind::Sqlite, &["file"]);
}

#[test]
fn observe_sqlite_into_sqlite() {
    follows("observe", Kind::Sqlite, Kind::Sqlite, &["sqlite"]);
}

#[test]
fn observe_sqlite_into_csv() {
    follows("observe", Kind::Sqlite, Kind::Csv, &["sqlite"]);
}

#[test]
fn observe_csv_into_parquet() {
    follows("observe", Kind::Csv, Kind::Parquet, &["file"]);
}

/// The source is left as it is; records are pushed, and the target has to follow them.
#[track_caller]
fn follows_push(from: Kind, to: Kind, door: &str) {
    let more = "[push]\nlisten = \"127.0.0.1:0\"\nsecret_env = \"PUSH_SECRET\"\n";
    let project = Project::new(from, to, "trigger = \"push\"\nevery = \"1h\"\n", more, BEFORE);
    let running = project.start();
    let records = [r#"{"ID": "C2", "NAME": "Benjamin"}"#, r#"{"ID": "C4", "NAME": "Dee"}"#];
    match door {
        "webhook" => {
            let address = project.status()["loop"]["listens"].as_str().unwrap().to_owned();
            let (status, answer) = signed(&address, "contacts", &[], &format!("[{}]", records.join(",")));
            assert_eq!((status, &answer["accepted"]), (202, &2.into()), "{answer}");
        }
        "socket" => {
            let lines = records.map(|record| format!(r#"{{"mapping": "contacts", "record": {record}}}"#));
            for answer in super::push::socket(&project, &lines) {
                assert_eq!(answer["accepted"], 1, "{answer}");
            }
        }
        _ => {
            let answer = super::push::stdin(&project, &(records.join("\n") + "\n"));
            assert_eq!(answer.expect(0).json()["accepted"], 2);
        }
    }
    project.reaches(REACHED);
    let events = project.told(2);
    project.lane_is("a quiet lane", |lane| lane["state"] == "ok" && lane["pending"] == 0);
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events.iter().all(|event| event["origin"] == door && event["outcome"] == "written"), "{events:?}");
    running.end();
}

#[test]
fn push_csv_into_sqlite() {
    follows_push(Kind::Csv, Kind::Sqlite, "webhook");
}

#[test]
fn push_parquet_into_sqlite() {
    follows_push(Kind::Parquet, Kind::Sqlite, "socket");
}

#[test]
fn push_ndjson_into_sqlite() {
    follows_push(Kind::Ndjson, Kind::Sqlite, "stdin");
}

#[test]
fn push_sqlite_into_sqlite() {
    follows_push(Kind::Sqlite, Kind::Sqlite, "webhook");
}

#[test]
fn push_csv_into_csv() {
    follows_push(Kind::Csv, Kind::Csv, "socket");
}
