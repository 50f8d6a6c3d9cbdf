//! Each trigger on each kind of source, into each kind of target. The table here is the one of the README.
use super::live::*;

const BEFORE: &[Row<'static>] = &[("C1", "Ann"), ("C2", "Ben"), ("C3", "Cy")];
const AFTER: &[Row<'static>] = &[("C1", "Ann"), ("C2", "Benjamin"), ("C4", "Dee"), ("C3", "Cy")];
const REACHED: &[&str] = &["C1 Ann", "C2 Benjamin", "C3 Cy", "C4 Dee"];

use Kind::{Csv, Ndjson, Parquet, Sqlite};

/// How a change is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Hash,
    Cursor,
    Observe,
    Webhook,
    Socket,
    Stdin,
}

use Way::{Cursor, Hash, Observe, Socket, Stdin, Webhook};

/// Ways, with their heads in the README.
const WAYS: [(Way, &str); 6] = [
    (Hash, "`pull` by content"),
    (Cursor, "`pull` by cursor"),
    (Observe, "`observe`"),
    (Webhook, "webhook"),
    (Socket, "socket"),
    (Stdin, "standard input"),
];
const SOURCES: [Kind; 4] = [Csv, Parquet, Ndjson, Sqlite];

/// The targets with which a way is tested on a source.
const fn targets(way: Way, from: Kind) -> &'static [Kind] {
    match (way, from) {
        (Hash, Csv) | (Webhook, Ndjson) | (Stdin, Sqlite) => &[Sqlite, Parquet],
        (Hash, Parquet) | (Cursor | Webhook, Sqlite) | (Observe, Ndjson) | (Socket, Csv) => &[Sqlite, Csv],
        (Observe, Csv | Sqlite) => &[Sqlite, Csv, Parquet],
        _ => &[Sqlite],
    }
}

/// Both sides can be asked for single rows, so that a source is read from a cursor's value on; all others are compared whole,
/// cursor or not.
const fn has_cursor(from: Kind, to: Kind) -> bool {
    matches!((from, to), (Sqlite, Sqlite))
}

fn each(way: Way) {
    for from in SOURCES {
        for to in targets(way, from) {
            println!("{way:?}: {from:?} into {to:?}");
            match way {
                Hash => follows("pull", from, *to, &["pull", "start"]),
                Cursor => follows_cursor(from, *to),
                Observe => follows("observe", from, *to, &[if from == Sqlite { "sqlite" } else { "file" }]),
                Webhook => follows_push(from, *to, "webhook"),
                Socket => follows_push(from, *to, "socket"),
                Stdin => follows_push(from, *to, "stdin"),
            }
        }
    }
}

#[test]
fn pull_by_content() {
    each(Hash);
}

#[test]
fn pull_by_cursor() {
    each(Cursor);
}

#[test]
fn observe() {
    each(Observe);
}

#[test]
fn push_by_webhook() {
    each(Webhook);
}

#[test]
fn push_by_socket() {
    each(Socket);
}

#[test]
fn push_by_standard_input() {
    each(Stdin);
}

#[test]
fn the_readme_says_what_is_tested() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let heads = WAYS.map(|(_, head)| head).join(" | ");
    let mut lines = vec![format!("| source | {heads} |"), format!("|{}", "---|".repeat(WAYS.len() + 1))];
    for from in SOURCES {
        let cell = |(way, _): (Way, &str)| {
            let word = |to: &Kind| match way {
                Cursor if !has_cursor(from, *to) => format!("{} (by content)", to.word()),
                _ => to.word().to_owned(),
            };
            targets(way, from).iter().map(word).collect::<Vec<_>>().join(", ")
        };
        lines.push(format!("| {} | {} |", from.word(), WAYS.map(cell).join(" | ")));
    }
    let table = lines.join("\n");
    assert!(readme.contains(&table), "the README has to hold this table:\n{table}");
}

/// The source is changed; the target has to follow.
#[track_caller]
fn follows(trigger: &str, from: Kind, to: Kind, origins: &[&str]) {
    let sync = format!("trigger = \"{trigger}\"\nevery = \"{}\"\n", every(trigger));
    let project = Project::new(from, to, &sync, "", BEFORE);
    let running = project.start();
    project.source(AFTER);
    project.reaches(REACHED);
    ends(&project, trigger, origins);
    running.end();
    assert_eq!(project.status()["loop"]["state"], "stopped");
}

/// What both end with: one event a record, a quiet lane, and every record equal.
#[track_caller]
fn ends(project: &Project, trigger: &str, origins: &[&str]) {
    let events = project.told(2);
    let lane = project.lane_is("a quiet lane", |lane| {
        lane["state"] == "ok" && lane["pending"] == 0 && lane["tally"]["equal"] == REACHED.len()
    });
    assert_eq!(lane["trigger"], trigger);
    assert_eq!(events.len(), 2, "one insert, one update: {events:?}");
    for event in &events {
        let origin = event["origin"].as_str().unwrap();
        assert!(origins.contains(&origin) && event["outcome"] == "written" && event["lag"].is_u64(), "{event}");
    }
}

/// Looks by the clock alone must come soon; where there are signs they must not help.
fn every(trigger: &str) -> &'static str {
    if trigger == "pull" { "200ms" } else { "1h" }
}

/// The source is read from a cursor's value on, where it can be: what does not move the cursor is not seen then.
#[track_caller]
fn follows_cursor(from: Kind, to: Kind) {
    let project = Project::new(from, to, "trigger = \"pull\"\nevery = \"200ms\"\n", "", BEFORE);
    let with_time = |rows: &[(&'static str, &'static str, &'static str)]| {
        let rows: Vec<Vec<&str>> = rows.iter().map(|(id, name, at)| vec![*id, *name, *at]).collect();
        if from == Sqlite {
            let db = rusqlite::Connection::open(Sqlite.file(&project.dir, "old")).unwrap();
            // Only where it has not the column yet.
            _ = db.execute_batch("ALTER TABLE contacts ADD COLUMN AT TEXT");
        }
        project.put_rows(from, "old", "ID,NAME,AT", &rows);
    };
    let (long_ago, day, next) = ("2026-02-01 10:00:00", "2026-03-01 10:00:00", "2026-03-02 10:00:00");
    with_time(&[("C1", "Ann", long_ago), ("C2", "Ben", day), ("C3", "Cy", day)]);
    let mapping = project.dir.join("mappings/contacts.toml");
    let text = std::fs::read_to_string(&mapping).unwrap();
    std::fs::write(&mapping, text.replace("[run]\n", "[run]\ncursor = \"AT\"\n")).unwrap();
    project.run(&["plan", "--out", "plan.json", "--json"]);
    project.run(&["migrate", "--plan", "plan.json", "--confirm", "new", "--json"]).expect(0);
    let running = project.start();
    // One changes without a trace in the cursor.
    with_time(&[("C1", "Anna", long_ago), ("C2", "Benjamin", next), ("C4", "Dee", next), ("C3", "Cy", day)]);
    if has_cursor(from, to) {
        project.reaches(REACHED);
        ends(&project, "pull", &["pull", "start"]);
    } else {
        project.reaches(&["C1 Anna", "C2 Benjamin", "C3 Cy", "C4 Dee"]);
        assert_eq!(project.told(3).len(), 3);
    }
    running.end();
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
    ends(&project, "push", &[door]);
    running.end();
}
