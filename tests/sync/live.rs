//! A loop as a process of its own, for tests: changes made outside, seen at the target. Nothing here waits for time to pass; it
//! waits for what it expects to see. A loop that a test started is ended when the test is.
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use rusqlite::Connection;
use serde_json::Value;
use sha2::Sha256;

use crate::support::command::{Answer, folder, run};
use crate::support::program;

/// How long a condition may take before the test fails, generous for a busy machine with a debug build.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two looks at a condition.
pub(super) const LOOK: Duration = Duration::from_millis(15);
pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Waits until it is so. `what` says what is waited for, `tell` what is there instead.
#[track_caller]
pub(super) fn until(what: &str, tell: impl Fn() -> String, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come; there is:\n{}", tell());
        std::thread::park_timeout(LOOK);
    }
}

/// Kinds of platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Csv,
    Parquet,
    Ndjson,
    Sqlite,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Ndjson => "ndjson",
            Self::Sqlite => "sqlite",
        }
    }
    /// Where the side of that name (`old`, `new`) keeps its contacts.
    pub(super) fn file(self, dir: &Path, side: &str) -> PathBuf {
        match self {
            Self::Sqlite => dir.join(format!("{side}.db")),
            _ => dir.join(side).join(format!("contacts.{}", self.word())),
        }
    }
}

/// A row: id and name.
pub(super) type Row<'a> = (&'a str, &'a str);

pub(super) fn csv_of(head: &str, rows: &[Row<'_>]) -> String {
    rows.iter().fold(format!("{head}\n"), |text, (id, name)| text + &format!("{id},{name}\n"))
}

/// A project that keeps contacts of one platform in step with those of another, confirmed by a first run.
pub(super) struct Project {
    _temp: tempfile::TempDir,
    pub(super) dir: PathBuf,
    from: Kind,
    to: Kind,
}

impl Project {
    /// `sync`: what stands in `[sync]`; `more`: settings beside the platforms'.
    pub(super) fn new(from: Kind, to: Kind, sync: &str, more: &str, rows: &[Row<'_>]) -> Self {
        let platform = |side: &str, kind: Kind| {
            let path = if kind == Kind::Sqlite { format!("{side}.db") } else { side.to_owned() };
            format!("[platforms.{side}]\nkind = \"{}\"\npath = \"{path}\"\n\n", kind.word())
        };
        let settings = platform("old", from) + &platform("new", to) + more;
        let mapping = format!(
            "from = \"old:contacts\"\nto = \"new:contacts\"\nkey = [\"legacy_id\"]\n\n[fields]\nlegacy_id = \"ID\"\nname = \"NAME\"\n\n\
             [run]\nmax_deletes = \"40%\"\n\n[sync]\n{sync}"
        );
        let temp = folder(&[("project.toml", &settings), ("mappings/contacts.toml", &mapping)]);
        let dir = temp.path().to_owned();
        for side in ["old", "new"] {
            std::fs::create_dir_all(dir.join(side)).unwrap();
        }
        let project = Self { _temp: temp, dir, from, to };
        if to == Kind::Sqlite {
            let sql = "CREATE TABLE contacts (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT)";
            Connection::open(Kind::Sqlite.file(&project.dir, "new")).unwrap().execute_batch(sql).unwrap();
        } else {
            project.put(to, "new", "legacy_id,name", &[("C0", "Zoe")]);
        }
        project.source(rows);
        run(&project.dir, &["plan", "--out", "plan.json", "--json"]);
        run(&project.dir, &["migrate", "--plan", "plan.json", "--confirm", "new", "--json"]).expect(0);
        project
    }

    /// Makes the source hold these rows.
    pub(super) fn source(&self, rows: &[Row<'_>]) {
        self.put(self.from, "old", "ID,NAME", rows);
    }

    pub(super) fn put(&self, kind: Kind, side: &str, head: &str, rows: &[Row<'_>]) {
        let rows: Vec<Vec<&str>> = rows.iter().map(|(id, name)| vec![*id, *name]).collect();
        self.put_rows(kind, side, head, &rows);
    }

    /// [`Project::put`] with any columns.
    pub(super) fn put_rows(&self, kind: Kind, side: &str, head: &str, rows: &[Vec<&str>]) {
        let path = kind.file(&self.dir, side);
        let names: Vec<&str> = head.split(',').collect();
        let lines = || rows.iter().fold(format!("{head}\n"), |text, row| text + &row.join(",") + "\n");
        match kind {
            Kind::Csv => std::fs::write(path, lines()).unwrap(),
            Kind::Ndjson => {
                let object = |row: &Vec<&str>| -> serde_json::Map<String, Value> {
                    names.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), (*cell).into())).collect()
                };
                let lines = rows.iter().map(|row| Value::Object(object(row)).to_string() + "\n");
                std::fs::write(path, lines.collect::<String>()).unwrap();
            }
            Kind::Sqlite => {
                let mut db = Connection::open(path).unwrap();
                let transaction = db.transaction().unwrap();
                let columns = names.iter().map(|name| format!("{name} TEXT")).collect::<Vec<_>>().join(", ");
                let table = format!("CREATE TABLE IF NOT EXISTS contacts ({columns})");
                transaction.execute_batch(&format!("{table}; DELETE FROM contacts")).unwrap();
                let places = vec!["?"; names.len()].join(", ");
                for row in rows {
                    let values = rusqlite::params_from_iter(row);
                    transaction.execute(&format!("INSERT INTO contacts VALUES ({places})"), values).unwrap();
                }
                transaction.commit().unwrap();
            }
            Kind::Parquet => {
                // The console makes it, out of text, and it is put in place by a rename.
                let made = folder(&[
                    (
                        "project.toml",
                        "[platforms.a]\nkind = \"csv\"\npath = \"a\"\n[platforms.b]\nkind = \"parquet\"\npath = \"b\"\n",
                    ),
                    (
                        "mappings/m.toml",
                        &format!(
                            "from = \"a:contacts\"\nto = \"b:contacts\"\nkey = [\"{}\"]\n[fields]\n{}",
                            names[0],
                            names.iter().fold(String::new(), |text, name| text + &format!("{name} = \"{name}\"\n"))
                        ),
                    ),
                    ("a/contacts.csv", &lines()),
                    ("b/none", ""),
                ]);
                run(made.path(), &["plan", "--out", "p.json", "--json"]);
                run(made.path(), &["migrate", "--plan", "p.json", "--confirm", "b", "--json"]).expect(0);
                let beside = path.with_extension("new");
                std::fs::copy(made.path().join("b/contacts.parquet"), &beside).unwrap();
                std::fs::rename(beside, path).unwrap();
            }
        }
    }

    /// What the target holds of what came from the source: `id name`, in order.
    pub(super) fn target(&self) -> Vec<String> {
        let path = self.to.file(&self.dir, "new");
        let mut rows: Vec<String> = match self.to {
            Kind::Sqlite => {
                let db = Connection::open(path).unwrap();
                db.busy_timeout(PATIENCE).unwrap();
                let mut statement = db.prepare("SELECT legacy_id || ' ' || ifnull(name, '-') FROM contacts").unwrap();
                statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
            }
            _ => {
                let shown = self.run(&["show", "new:contacts", "--json"]).expect(0).lines();
                let cell = |row: &Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
                shown.iter().map(|row| format!("{} {}", cell(row, "legacy_id"), cell(row, "name"))).collect()
            }
        };
        rows.retain(|row| !row.starts_with("C0"));
        rows.sort_unstable();
        rows
    }

    #[track_caller]
    pub(super) fn reaches(&self, rows: &[&str]) {
        let tell = || format!("{:?}\n{}", self.target(), self.run(&["status"]).out);
        until(&format!("{rows:?}"), tell, || self.target() == rows);
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Answer {
        run(&self.dir, arguments)
    }

    pub(super) fn status(&self) -> Value {
        self.run(&["status", "--json"]).json()
    }

    pub(super) fn lane(&self) -> Value {
        self.status()["lanes"][0].clone()
    }

    /// Waits until the lane is as `is` wants it; answers it.
    #[track_caller]
    pub(super) fn lane_is(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let mut lane = Value::Null;
        let tell = || self.run(&["status"]).out;
        until(what, tell, || {
            lane = self.lane();
            is(&lane)
        });
        lane
    }

    /// Events, newest first.
    pub(super) fn events(&self) -> Vec<Value> {
        self.run(&["events", "-n", "1000", "--json"]).expect(0).lines()
    }

    /// Waits until so many events are told (the write is seen first); answers them, newest first.
    #[track_caller]
    pub(super) fn told(&self, count: usize) -> Vec<Value> {
        let tell = || self.run(&["events", "-n", "1000"]).out;
        until(&format!("{count} events"), tell, || self.events().len() >= count);
        self.events()
    }

    pub(super) fn start(&self) -> Loop {
        self.start_with(&[])
    }

    pub(super) fn start_with(&self, env: &[(&str, &str)]) -> Loop {
        Loop::start(&self.dir, env)
    }
}

/// A loop at work.
pub(super) struct Loop {
    pub(super) child: Child,
}

impl Loop {
    /// Starts the loop of a project and waits until each of its lanes has looked once.
    pub(super) fn start(dir: &Path, env: &[(&str, &str)]) -> Self {
        let child = Command::new(program())
            .args(["engine", "--sync"])
            .envs(env.iter().copied())
            .env("PUSH_SECRET", SECRET)
            .env_remove("CRM_CONSOLE_ENV")
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id();
        let mut running = Self { child };
        until(
            "the loop has looked",
            || run(dir, &["status"]).out,
            || {
                assert!(running.child.try_wait().unwrap().is_none(), "the loop ended: {}", running.said());
                let status = run(dir, &["status", "--json"]).json();
                let began = status["loop"]["started"].as_i64();
                let looked = |lane: &Value| lane["state"] != "starting" && lane["since"].as_i64() >= began;
                let lanes = status["lanes"].as_array().unwrap();
                status["loop"]["pid"] == pid && !lanes.is_empty() && lanes.iter().all(looked)
            },
        );
        running
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn end(mut self) {
        self.signal(rustix::process::Signal::TERM);
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "it ends in order: {}", self.said());
    }
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
    pub(super) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }
    pub(super) fn said(&mut self) -> String {
        let mut said = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            _ = stderr.read_to_string(&mut said);
        }
        said
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            _ = self.child.kill();
            _ = self.child.wait();
        }
    }
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(super) fn sign(secret: &str, stamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{stamp}.{body}").as_bytes());
    mac.finalize().into_bytes().iter().fold("sha256=".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// Sends a request as it stands; answers the status and the body.
pub(super) fn http(address: &str, request: &[u8]) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The server may say no before it has read everything.
    _ = stream.write_all(request);
    let mut answer = Vec::new();
    _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("an answer: {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// Posts to a mapping with these headers beside the usual ones.
pub(super) fn post(address: &str, mapping: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let mut request = format!(
        "POST /push/{mapping} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    http(address, (request + "\r\n" + body).as_bytes())
}

/// Posts with a signature of now.
pub(super) fn signed(address: &str, mapping: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let stamp = now().to_string();
    let signature = sign(SECRET, &stamp, body);
    let mut all = vec![("X-Timestamp", stamp.as_str()), ("X-Signature", signature.as_str())];
    all.extend(headers);
    post(address, mapping, &all, body)
}
