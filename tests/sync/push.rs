//! What is pushed: the contract of the webhook, the socket and standard input; effect once, in order.
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::Value;

use super::live::*;
use crate::support::command::{Answer, run};
use crate::support::program;

const ROWS: &[Row<'static>] = &[("C1", "Ann"), ("C2", "Ben"), ("C3", "Cy"), ("C4", "Dee")];

/// A project that takes pushes, and the settings of its `[sync]` beside.
fn taking(sync: &str) -> Project {
    let more = "[push]\nlisten = \"127.0.0.1:0\"\nsecret_env = \"PUSH_SECRET\"\n";
    let sync = format!("trigger = \"push\"\nevery = \"1h\"\n{sync}");
    Project::new(Kind::Csv, Kind::Sqlite, &sync, more, ROWS)
}

fn address(project: &Project) -> String {
    project.status()["loop"]["listens"].as_str().unwrap().to_owned()
}

/// Sends lines to the socket; answers one answer a line.
pub(super) fn socket(project: &Project, lines: &[String]) -> Vec<Value> {
    let mut stream = UnixStream::connect(project.dir.join(".crm-console/sync/push.sock")).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut all = Vec::new();
    for line in lines {
        writeln!(stream, "{line}").unwrap();
        all.push(serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap());
    }
    all
}

/// Sends text to `push`.
pub(super) fn stdin(project: &Project, text: &str) -> Answer {
    let mut child = Command::new(program())
        .args(["push", "contacts", "--json"])
        .env_remove("CRM_CONSOLE_ENV")
        .current_dir(&project.dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Answer {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn the_webhook_says_why_it_does_not_take_something() {
    let project = taking("");
    let running = project.start();
    let address = address(&project);
    let good = r#"{"ID": "C2", "NAME": "Benjamin"}"#;
    let stamp = now().to_string();
    let signature = sign(SECRET, &stamp, good);
    let says = |answer: (u16, Value), status: u16, words: &str| {
        let text = answer.1.to_string();
        assert!(answer.0 == status && text.contains(words), "{status} {words}: {} {text}", answer.0);
        assert!(!text.contains("Benjamin") && !text.contains("hush"), "no content in an answer: {text}");
    };
    let headers = |stamp: &'static str, signature: &'static str| [("X-Timestamp", stamp), ("X-Signature", signature)];
    says(post(&address, "contacts", &[], good), 400, "X-Timestamp is missing");
    says(post(&address, "contacts", &headers("soon", "sha256=00"), good), 400, "seconds since 1970");
    says(post(&address, "contacts", &[("X-Timestamp", &stamp)], good), 401, "X-Signature is missing");
    says(
        post(&address, "contacts", &[("X-Timestamp", &stamp), ("X-Signature", "sha256=zz")], good),
        401,
        "hexadecimal",
    );
    let other = sign("another secret, as long as this", &stamp, good);
    says(post(&address, "contacts", &[("X-Timestamp", &stamp), ("X-Signature", &other)], good), 401, "does not fit");
    let changed = r#"{"ID": "C2", "NAME": "hush"}"#;
    says(
        post(&address, "contacts", &[("X-Timestamp", &stamp), ("X-Signature", &signature)], changed),
        401,
        "does not fit",
    );
    for far in [now() - 400, now() + 400] {
        let far = far.to_string();
        let signature = sign(SECRET, &far, good);
        says(post(&address, "contacts", &[("X-Timestamp", &far), ("X-Signature", &signature)], good), 408, "300 s");
    }
    says(signed(&address, "nobody", &[], good), 404, "no mapping of that name");
    says(signed(&address, "contacts", &[], "{\"ID\": \"C2\", \"NAME\": hush}"), 400, "line 1 column 22");
    says(signed(&address, "contacts", &[], r#"{"ID": "C2", "NAME": "hush""#), 400, "it ends too soon");
    says(
        signed(&address, "contacts", &[], r#"[{"ID": "C2", "NAME": "x"}, {"ID": "C2", "NAME": "x", "TOWN": "x"}]"#),
        400,
        "record 2 has columns that the source has not: TOWN; it has: ID, NAME",
    );
    says(signed(&address, "contacts", &[], r#"{"ID": "C2"}"#), 400, "lacks columns that the mapping reads: NAME");
    says(signed(&address, "contacts", &[], r#"{"delete": {"NAME": "hush"}}"#), 400, "lacks columns of the key: ID");
    says(signed(&address, "contacts", &[("X-Changed", "hush")], good), 400, "RFC 3339");
    says(signed(&address, "contacts", &[("Idempotency-Key", "a b")], good), 400, "visible ASCII");
    assert_eq!(http(&address, b"GET /push/contacts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").0, 405);
    assert_eq!(project.target(), ["C1 Ann", "C2 Ben", "C3 Cy", "C4 Dee"], "nothing of that was taken");
    running.end();
}

#[test]
fn a_body_of_a_gigabyte_is_refused_unread() {
    let project = taking("");
    let running = project.start();
    let address = address(&project);
    let (status, _) = http(
        &address,
        b"POST /push/contacts HTTP/1.1\r\nHost: x\r\nX-Timestamp: 1\r\nContent-Length: 1000000000\r\n\r\n",
    );
    assert_eq!(status, 413, "by what it says of its length");
    // Without a length it is read up to the limit: the sender cannot get rid of more than what the sockets hold.
    let mut stream = TcpStream::connect(&address).unwrap();
    let stamp = now().to_string();
    let head = format!(
        "POST /push/contacts HTTP/1.1\r\nHost: x\r\nX-Timestamp: {stamp}\r\nX-Signature: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        sign(SECRET, &stamp, "")
    );
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    let sent = (0..16_384).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(sent < 2_048, "{sent} of 16,384 chunks could be sent");
    let memory = std::fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
    let peak = memory.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 600_000, "peak memory of the loop: {peak} kB");
    let (status, _) = signed(&address, "contacts", &[], r#"{"ID": "C2", "NAME": "Benjamin"}"#);
    assert_eq!(status, 202, "it goes on");
    project.reaches(&["C1 Ann", "C2 Benjamin", "C3 Cy", "C4 Dee"]);
    running.end();
}

#[test]
fn what_is_sent_again_is_taken_once_and_the_last_of_a_key_wins() {
    let project = taking("");
    let running = project.start();
    let address = address(&project);
    let taken = |answer: (u16, Value)| {
        assert_eq!(answer.0, 202, "{}", answer.1);
        (answer.1["accepted"].as_u64().unwrap(), answer.1["repeated"].as_u64().unwrap())
    };
    let batch = r#"[{"ID": "C2", "NAME": "B1"}, {"ID": "C5", "NAME": "Eve"}, {"ID": "C2", "NAME": "B2"}]"#;
    assert_eq!(taken(signed(&address, "contacts", &[("Idempotency-Key", "k-1")], batch)), (3, 0));
    project.reaches(&["C1 Ann", "C2 B2", "C3 Cy", "C4 Dee", "C5 Eve"]);
    // The same key again, whatever it holds.
    assert_eq!(taken(signed(&address, "contacts", &[("Idempotency-Key", "k-1")], batch)), (0, 3));
    // The very same request again, under another key: the key is not signed, the request is.
    let (stamp, body) = (now().to_string(), r#"{"ID": "C3", "NAME": "Cyril"}"#);
    let signature = sign(SECRET, &stamp, body);
    let sent = |key: &str| {
        let headers = [("X-Timestamp", stamp.as_str()), ("X-Signature", signature.as_str()), ("Idempotency-Key", key)];
        taken(post(&address, "contacts", &headers, body))
    };
    assert_eq!((sent("k-2"), sent("k-3")), ((1, 0), (0, 1)));
    project.reaches(&["C1 Ann", "C2 B2", "C3 Cyril", "C4 Dee", "C5 Eve"]);
    let outcomes = |project: &Project| {
        let mut all: Vec<String> = project
            .told(4)
            .iter()
            .map(|event| format!("{} {}", event["key"].as_str().unwrap(), event["outcome"].as_str().unwrap()))
            .collect();
        all.sort_unstable();
        all
    };
    assert_eq!(outcomes(&project), ["C2 replaced", "C2 written", "C3 written", "C5 written"]);
    running.end();
}

#[test]
fn a_time_that_the_sender_gives_is_the_time_of_the_change() {
    let project = taking("");
    let running = project.start();
    let address = address(&project);
    let changed = moment(now() - 30);
    let body = r#"{"ID": "C2", "NAME": "Benjamin"}"#;
    assert_eq!(signed(&address, "contacts", &[("X-Changed", &changed)], body).0, 202);
    project.reaches(&["C1 Ann", "C2 Benjamin", "C3 Cy", "C4 Dee"]);
    let event = &project.told(1)[0];
    assert_eq!((&event["clock"], &event["origin"]), (&"platform".into(), &"webhook".into()));
    let lag = event["lag"].as_u64().unwrap();
    assert!((29_000..150_000).contains(&lag), "{lag}");
    running.end();
}

/// RFC 3339 in UTC.
fn moment(seconds: u64) -> String {
    let sql = "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', ?1, 'unixepoch')";
    Connection::open_in_memory().unwrap().query_row(sql, [seconds as i64], |row| row.get(0)).unwrap()
}

#[test]
fn deletes_follow_the_policy() {
    for (policy, left) in [
        ("", &["C1 Ann", "C3 Cy", "C4 Dee"][..]),
        ("deletes = \"propagate\"\n", &["C1 Ann", "C3 Cy", "C4 Dee"][..]),
        ("deletes = \"ignore\"\n", &["C1 Ann", "C2 Ben", "C3 Cy", "C4 Deedee"][..]),
    ] {
        let project = taking(policy);
        let running = project.start();
        let address = address(&project);
        let body = r#"[{"delete": {"ID": "C2"}}, {"delete": {"ID": "C9"}}]"#;
        assert_eq!(signed(&address, "contacts", &[], body).0, 202);
        if policy.contains("ignore") {
            assert_eq!(signed(&address, "contacts", &[], r#"{"ID": "C4", "NAME": "Deedee"}"#).0, 202);
        }
        project.reaches(left);
        running.end();
    }
}

#[test]
fn a_look_that_is_pushed_compares_the_source() {
    let project = taking("");
    let running = project.start();
    project.source(&[("C1", "Anna"), ("C2", "Ben"), ("C3", "Cy"), ("C4", "Dee")]);
    assert_eq!(signed(&address(&project), "contacts", &[], r#"{"look": true}"#).0, 202);
    project.reaches(&["C1 Anna", "C2 Ben", "C3 Cy", "C4 Dee"]);
    running.end();
}

#[test]
fn the_socket_is_its_owners_and_answers_each_line() {
    use std::os::unix::fs::PermissionsExt;
    let project = taking("");
    let running = project.start();
    let path = project.dir.join(".crm-console/sync/push.sock");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let line = r#"{"mapping": "contacts", "record": {"ID": "C2", "NAME": "Benjamin"}, "idempotency": "a"}"#.to_owned();
    let lines = [line.clone(), "{".into(), r#"{"mapping": "x", "record": {"ID": "1"}}"#.into(), line];
    let answers = socket(&project, &lines);
    assert_eq!((&answers[0]["accepted"], &answers[3]["repeated"]), (&1.into(), &1.into()), "{answers:?}");
    assert!(answers[1]["error"].as_str().unwrap().contains("ends too soon"), "{answers:?}");
    assert!(answers[2]["error"].as_str().unwrap().contains("no mapping of that name"), "{answers:?}");
    project.reaches(&["C1 Ann", "C2 Benjamin", "C3 Cy", "C4 Dee"]);
    running.end();
    assert!(!path.exists(), "it goes with the loop");
}

#[test]
fn records_wait_for_a_loop_that_is_not_running() {
    let project = taking("");
    let answer = stdin(&project, "{\"ID\": \"C2\", \"NAME\": \"Benjamin\"}\n\n{\"ID\": 7, \"NAME\": null}\n");
    assert_eq!(answer.expect(0).json()["accepted"], 2);
    let broken = stdin(&project, "{\"ID\": \"C3\", \"NAME\": \"Cyril\"}\n{\"ID\"\n").expect(3);
    assert!(
        broken.err.contains("line 2: it ends too soon") && broken.err.contains("1 records before it"),
        "{}",
        broken.err
    );
    let running = project.start();
    project.reaches(&["7 -", "C1 Ann", "C2 Benjamin", "C3 Cyril", "C4 Dee"]);
    running.end();
    let unknown = run(&project.dir, &["push", "nobody"]);
    assert_eq!(unknown.code, 0, "nothing on standard input: nothing to say");
}

#[test]
fn what_is_killed_between_writing_and_noting_it_has_its_effect_once() {
    for point in ["sync-planned", "sync-written", "sync-told", "sync-pushed"] {
        let project = taking("");
        stdin(&project, "{\"ID\": \"C2\", \"NAME\": \"Benjamin\"}\n{\"ID\": \"C5\", \"NAME\": \"Eve\"}\n").expect(0);
        let fault = format!("exit-at:{point}");
        let mut child = Command::new(program())
            .args(["engine", "--sync"])
            .env("CRM_CONSOLE_FAULT", &fault)
            .env("PUSH_SECRET", SECRET)
            .current_dir(&project.dir)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        assert!(!child.wait().unwrap().success(), "{point}");
        let running = project.start();
        project.reaches(&["C1 Ann", "C2 Benjamin", "C3 Cy", "C4 Dee", "C5 Eve"]);
        project.lane_is("a quiet lane", |lane| lane["state"] == "ok" && lane["pending"] == 0);
        running.end();
        let events = project.events();
        let written = events.iter().filter(|event| event["outcome"] == "written").count();
        assert!(written <= 2, "{point}: {written} writes of two records: {events:#?}");
    }
}

#[test]
fn a_pushed_record_that_cannot_be_carried_over_stays_told_until_it_is_pushed_again() {
    let project = taking("");
    let file = project.dir.join("mappings/contacts.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("name = \"NAME\"", "name = { from = \"NAME\", clean = [\"required\"] }"))
        .unwrap();
    run(&project.dir, &["plan", "--out", "plan.json", "--json"]);
    run(&project.dir, &["migrate", "--plan", "plan.json", "--confirm", "new", "--json"]).expect(0);
    let running = project.start();
    let address = address(&project);
    let batch = r#"[{"ID": "C2", "NAME": null}, {"ID": "C3", "NAME": "Cyril"}]"#;
    assert_eq!(signed(&address, "contacts", &[], batch).0, 202);
    project.reaches(&["C1 Ann", "C2 Ben", "C3 Cyril", "C4 Dee"]);
    let open = || project.run(&["events", "--open", "--json"]).lines();
    until("an open event", || project.run(&["events"]).out, || open().len() == 1);
    // A look at the source has nothing to say about it.
    assert_eq!(signed(&address, "contacts", &[], r#"{"look": true}"#).0, 202);
    project.source(&[("C1", "Anna"), ("C2", "Ben"), ("C3", "Cy"), ("C4", "Dee")]);
    assert_eq!(signed(&address, "contacts", &[], r#"{"look": true}"#).0, 202);
    project.reaches(&["C1 Anna", "C2 Ben", "C3 Cyril", "C4 Dee"]);
    project.lane_is("a reject", |lane| lane["rejects"] == 1);
    assert_eq!((&open()[0]["key"], &open()[0]["outcome"]), (&"C2".into(), &"rejected".into()));
    assert_eq!(signed(&address, "contacts", &[], r#"{"ID": "C2", "NAME": "Benjamin"}"#).0, 202);
    project.reaches(&["C1 Anna", "C2 Benjamin", "C3 Cyril", "C4 Dee"]);
    until("no open event", || project.run(&["events"]).out, || open().is_empty());
    project.lane_is("no reject", |lane| lane["rejects"] == 0);
    running.end();
}

#[test]
fn what_was_pushed_stands_until_the_sources_own_row_changes() {
    let project = taking("");
    let running = project.start();
    let address = address(&project);
    let sent = |body: &str| assert_eq!(signed(&address, "contacts", &[], body).0, 202);
    sent(r#"[{"ID": "C2", "NAME": "Benjamin"}, {"delete": {"ID": "C3"}}, {"ID": "C9", "NAME": "Ida"}]"#);
    project.reaches(&["C1 Ann", "C2 Benjamin", "C4 Dee", "C9 Ida"]);
    // Another row changes at the source; these do not.
    project.source(&[("C1", "Anna"), ("C2", "Ben"), ("C3", "Cy"), ("C4", "Dee")]);
    sent(r#"{"look": true}"#);
    project.reaches(&["C1 Anna", "C2 Benjamin", "C4 Dee", "C9 Ida"]);
    project.source(&[("C1", "Anna"), ("C2", "Benno"), ("C3", "Cyra"), ("C4", "Dee")]);
    sent(r#"{"look": true}"#);
    project.reaches(&["C1 Anna", "C2 Benno", "C3 Cyra", "C4 Dee", "C9 Ida"]);
    running.end();
}
