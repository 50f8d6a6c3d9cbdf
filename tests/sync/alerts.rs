//! Alarms are told outside: by a real command, to a real server; the loop waits for neither.
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::live::{Kind, Project, until};
use crate::support::command::{run, run_with};

/// A server that answers with these statuses in turn, then with the last one; it keeps what it was sent.
struct Server {
    address: String,
    got: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Server {
    fn start(answers: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let got = Arc::new(Mutex::new(Vec::new()));
        let (kept, mut answers) = (Arc::clone(&got), answers.iter().copied().collect::<VecDeque<u16>>());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let status = if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() };
                kept.lock().unwrap().extend(Self::serve(stream, status.unwrap()));
            }
        });
        Self { address, got }
    }
    fn serve(mut stream: TcpStream, status: u16) -> Option<(String, Value)> {
        let mut bytes = Vec::new();
        let mut part = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length =
                    head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                if body.len() >= length.unwrap_or(0_usize) {
                    let head = head.to_owned();
                    let body = serde_json::from_str(body).ok()?;
                    stream.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes()).ok()?;
                    return Some((head, body));
                }
            }
            match stream.read(&mut part) {
                Ok(0) | Err(_) => return None,
                Ok(read) => bytes.extend_from_slice(&part[..read]),
            }
        }
    }
    fn got(&self) -> Vec<(String, Value)> {
        self.got.lock().unwrap().clone()
    }
    fn events(&self) -> Vec<String> {
        let word = |body: &Value, name: &str| body[name].as_str().unwrap_or("-").to_owned();
        self.got().iter().map(|(_, body)| format!("{} {}", word(body, "event"), word(body, "alarm"))).collect()
    }
}

/// A program that keeps what it is told in `told.txt`.
fn program(dir: &Path, text: &str) {
    let path = dir.join("tell.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn told(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("told.txt")).unwrap_or_default()
}

/// Processes of a group that are not dead.
fn living(group: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let is = |stat: &String| {
        let rest: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        rest.get(2) == Some(&group) && rest.first() != Some(&"Z")
    };
    stats.filter(is).collect()
}

const KEEP: &str = "echo \"$1 $CRM_EVENT $CRM_ALARM $CRM_MAPPING $CRM_PROJECT\" >> told.txt; cat >> told.txt";
const ROWS: &[(&str, &str)] = &[("1", "Ann Planted-Cell"), ("2", "Ben")];

fn project(alerts: &str) -> Project {
    let more = format!("[alerts]\n{alerts}\n");
    Project::new(
        Kind::Csv,
        Kind::Sqlite,
        "trigger = \"observe\"\nevery = \"1h\"\nmax_changes = \"1/10m\"\n",
        &more,
        ROWS,
    )
}

#[test]
fn an_alarm_is_told_once_by_command_and_webhook_and_its_end_once() {
    let server = Server::start(&[503, 200]);
    let project = project(&format!(
        "command = [\"./tell.sh\", \"oncall\"]\nwebhook = \"http://{}/hook\"\nheader = \"X-Token\"\nsecret_env = \"ALERT_TOKEN\"\nafter = \"0s\"",
        server.address
    ));
    program(&project.dir, KEEP);
    let running = project.start_with(&[("ALERT_TOKEN", "open sesame")]);
    project.source(&[("1", "Anna Planted-Cell"), ("2", "Benny")]);
    project.lane_is("held", |lane| lane["state"] == "held");
    until("the alert", || format!("{:?} {}", server.got(), told(&project.dir)), || server.got().len() >= 2);
    assert_eq!(server.events(), ["alert held", "alert held"], "what was answered 503 is tried again");
    let (head, body) = &server.got()[1];
    assert!(head.starts_with("POST /hook ") && head.to_lowercase().contains("x-token: open sesame"), "{head}");
    assert_eq!(
        (body["mapping"].as_str(), body["state"].as_str(), body["pending"].as_u64()),
        (Some("contacts"), Some("held"), Some(2))
    );
    assert!(body["why"].as_str().unwrap().contains("max_changes"), "{body}");
    let by_command = told(&project.dir);
    assert!(by_command.starts_with("oncall alert held contacts "), "{by_command}");
    let same: Value = serde_json::from_str(by_command.lines().nth(1).unwrap()).unwrap();
    assert_eq!(same["alarm"].as_str(), Some("held"));
    // Released, it is over; that is told once.
    run(&project.dir, &["lane", "release", "contacts"]).expect(0);
    until("the end", || format!("{:?}", server.events()), || server.events().last().unwrap() == "recovered held");
    project.reaches(&["1 Anna Planted-Cell", "2 Benny"]);
    running.end();
    assert_eq!(server.events(), ["alert held", "alert held", "recovered held"]);
    assert_eq!(told(&project.dir).matches("oncall").count(), 2);
    let log = run(&project.dir, &["events", "--log", "-n", "200"]).expect(0).out;
    for text in [
        "alert 'held' by command: done",
        "it answers 503; it is tried again",
        "alert 'held' by webhook: 200 at try 2",
        "recovered 'held' by webhook: 200",
    ] {
        assert!(log.contains(text), "{text}\n{log}");
    }
    let all = format!("{log}{:?}{}", server.got(), told(&project.dir));
    assert!(!all.contains("Planted-Cell") && !log.contains("sesame"), "no cell, no secret: {all}");
}

#[test]
fn what_is_silenced_is_not_told_and_a_loop_that_starts_again_does_not_tell_it_anew() {
    let project = project("command = [\"./tell.sh\", \"oncall\"]\nafter = \"0s\"\non = [\"held\", \"late\"]");
    program(&project.dir, KEEP);
    let running = project.start();
    run(&project.dir, &["lane", "silence", "contacts"]).expect(0);
    project.lane_is("silence", |lane| !lane["silenced"].is_null());
    project.source(&[("1", "Anna"), ("2", "Benny")]);
    project.lane_is("held", |lane| lane["state"] == "held");
    let listed = || run(&project.dir, &["alerts", "list", "--json"]).expect(0).lines();
    until("the alarm is known", || format!("{:?}", listed()), || listed().len() == 1);
    assert!(listed()[0]["told"].is_null() && told(&project.dir).is_empty());
    run(&project.dir, &["lane", "silence", "contacts", "--span", "1ms"]).expect(0);
    until("the alert", || told(&project.dir), || told(&project.dir).contains("oncall alert held"));
    until("it is noted", || format!("{:?}", listed()), || !listed()[0]["told"].is_null());
    running.end();
    let running = project.start();
    run(&project.dir, &["lane", "release", "contacts"]).expect(0);
    until("the end", || told(&project.dir), || told(&project.dir).contains("oncall recovered held"));
    running.end();
    assert_eq!(told(&project.dir).matches("oncall").count(), 2, "{}", told(&project.dir));
}

#[test]
fn a_command_that_hangs_keeps_nobody_waiting_and_is_ended() {
    let project = project("command = [\"./tell.sh\"]\nafter = \"0s\"\ntimeout = \"300ms\"");
    program(&project.dir, "echo $$ >> told.txt; sleep 600 & wait");
    let running = project.start();
    project.source(&[("1", "Anna"), ("2", "Benny")]);
    until("the command", || told(&project.dir), || !told(&project.dir).is_empty());
    // The loop goes on meanwhile.
    run(&project.dir, &["lane", "release", "contacts"]).expect(0);
    project.reaches(&["1 Anna", "2 Benny"]);
    let log = || run(&project.dir, &["events", "--log", "-n", "200"]).expect(0).out;
    until("its end", log, || log().contains("by command: not done in time: it was ended"));
    let group = told(&project.dir).lines().next().unwrap().to_owned();
    until("what it started is ended too", || format!("{:?}", living(&group)), || living(&group).is_empty());
    running.end();
}

#[test]
fn a_test_alert_says_what_came_of_each_way_and_check_says_what_is_wrong() {
    let server = Server::start(&[404, 204]);
    let project = project(&format!(
        "command = [\"./tell.sh\"]\nwebhook = \"http://{}/hook\"\nsecret_env = \"ALERT_TOKEN\"",
        server.address
    ));
    let test =
        |env: &[(&str, &str)], code| run_with(&project.dir, &["alerts", "test", "--json"], env).expect(code).lines();
    let sent = test(&[], 4);
    assert!(sent[0]["answer"].as_str().unwrap().contains("cannot be started"), "{sent:?}");
    assert!(sent[1]["answer"].as_str().unwrap().contains("ALERT_TOKEN is not set"), "{sent:?}");
    program(&project.dir, KEEP);
    let sent = test(&[("ALERT_TOKEN", "t")], 4);
    assert_eq!((sent[0]["well"].as_bool(), sent[1]["well"].as_bool()), (Some(true), Some(false)));
    assert!(sent[1]["answer"].as_str().unwrap().contains("404"), "{sent:?}");
    assert_eq!(test(&[("ALERT_TOKEN", "t")], 0)[1]["answer"].as_str(), Some("204"));
    assert_eq!(server.events(), ["test test", "test test"]);
    let settings = std::fs::read_to_string(project.dir.join("project.toml")).unwrap();
    let with = |alerts: &str| {
        let head = settings.split("[alerts]").next().unwrap();
        std::fs::write(project.dir.join("project.toml"), format!("{head}[alerts]\n{alerts}\n")).unwrap();
        run(&project.dir, &["check"]).out
    };
    for (alerts, said) in [
        ("command = []", "command is a program with its arguments"),
        ("command = [\"./none.sh\"]", "there is no program './none.sh' here"),
        ("webhook = \"hooks.example/x\"", "webhook is an address"),
        ("webhook = \"https://anna:pass@hooks.example/\"", "no secrets in project.toml"),
        ("token = \"x\"", "no secrets in project.toml"),
        ("webhok = \"x\"", "unknown key 'webhok'"),
        ("command = [\"true\"]\non = [\"stick\"]", "unknown alarm 'stick'"),
        ("command = [\"true\"]\nrepeat = \"often\"", "must be a time with its unit"),
        ("after = \"1s\"", "[alerts] tells nobody"),
        ("command = [\"true\"]\nca_file = \"none.pem\"", "there is no file none.pem"),
        ("command = [\"true\"]\nsecret_env = \"NOBODY_SET_THIS\"", "NOBODY_SET_THIS is not set here"),
    ] {
        let found = with(alerts);
        assert!(found.contains(said), "{alerts}: {found}");
    }
    assert!(!with("command = [\"true\"]\nrepeat = \"never\"\non = [\"audit-gap\", \"stuck\"]").contains("alerts"));
}

#[test]
fn a_loop_that_ends_by_an_error_says_so() {
    let project = project("command = [\"./tell.sh\", \"oncall\"]");
    program(&project.dir, KEEP);
    std::fs::write(
        project.dir.join("project.toml"),
        std::fs::read_to_string(project.dir.join("project.toml")).unwrap()
            + "[push]\nlisten = \"127.0.0.1:0\"\nsecret_env = \"NOBODY_SET_THIS\"\n",
    )
    .unwrap();
    let mapping = std::fs::read_to_string(project.dir.join("mappings/contacts.toml")).unwrap();
    std::fs::write(project.dir.join("mappings/contacts.toml"), mapping.replace("\"observe\"", "\"push\"")).unwrap();
    run(&project.dir, &["sync"]).expect(2);
    assert!(told(&project.dir).starts_with("oncall alert failed"), "{}", told(&project.dir));
    assert!(told(&project.dir).contains("NOBODY_SET_THIS is not set"));
}
