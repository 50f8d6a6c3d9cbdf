//! A project whose runs are disturbed, for each kind of target; and what a run leaves that must not depend on how often it
//! was killed.
use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use super::newest;
use crate::support::command::{folder, run};

const ACCOUNTS: &str = r#"from = "old:accounts"
to = "new:accounts"
key = ["legacy_id"]
scope = "legacy_id IS NOT NULL"
target_only = "delete"
where = "KIND <> 'x'"

[fields]
legacy_id = "ID"
name = { from = "NAME", clean = ["trim", "required"] }
parent = { from = "PARENT", link = "accounts", on_miss = "null", on_null = "keep" }

[run]
error_budget = "50%"
max_deletes = "50%"
"#;

const CONTACTS: &str = r#"from = "old:contacts"
to = "new:contacts"
key = ["legacy_id"]
scope = "legacy_id IS NOT NULL"
target_only = "delete"
duplicates = "first"

[fields]
legacy_id = "ID"
name = { from = "NAME", clean = ["trim", "upper"] }
stage = { from = "STAGE", values = { a = "lead", b = "customer" }, otherwise = "reject" }
account = { from = "ACCOUNT", link = "accounts", on_miss = "reject", on_null = "keep" }

[run]
error_budget = "50%"
max_deletes = "50%"
"#;

/// A kind of target.
pub(super) struct Kind {
    pub(super) name: &'static str,
    path: &'static str,
    /// Makes a target with rows of its own, where the kind can be made here.
    make: fn(&Path),
    /// All that the target holds.
    pub(super) content: fn(&Path) -> Vec<String>,
}

pub(super) const KINDS: [Kind; 3] = [
    Kind {
        name: "csv",
        path: "new",
        make: |dir| {
            std::fs::create_dir(dir.join("new")).unwrap();
            let accounts = "legacy_id,name,parent,memo\r\n,\"Native, Ltd\",,ours\r\nA3,old name,,\"kept \"\r\n";
            std::fs::write(dir.join("new/accounts.csv"), accounts).unwrap();
            std::fs::write(dir.join("new/contacts.csv"), "legacy_id;name;stage;account\n;Nora;own;\n").unwrap();
        },
        // Byte for byte.
        content: |dir| files(&dir.join("new"), "").into_iter().map(|(name, text)| format!("{name}\n{text}")).collect(),
    },
    Kind {
        name: "parquet",
        path: "new",
        make: |dir| std::fs::create_dir(dir.join("new")).unwrap(),
        content: |dir| {
            let rows = |object| run(dir, &["show", object, "--json"]).expect(0).out;
            let names = files(&dir.join("new"), "").into_keys();
            names.chain(["new:accounts", "new:contacts"].map(rows)).collect()
        },
    },
    Kind {
        name: "sqlite",
        path: "new.db",
        make: |dir| {
            let sql = "CREATE TABLE accounts (id INTEGER PRIMARY KEY AUTOINCREMENT, legacy_id TEXT UNIQUE, name TEXT,
                    parent INTEGER REFERENCES accounts(id) ON DELETE SET NULL, touched INTEGER NOT NULL DEFAULT 0);
                CREATE TABLE contacts (id INTEGER PRIMARY KEY AUTOINCREMENT, legacy_id TEXT UNIQUE, name TEXT, stage TEXT,
                    account INTEGER REFERENCES accounts(id) ON DELETE SET NULL, memo TEXT DEFAULT 'new');
                CREATE TRIGGER touch AFTER UPDATE OF name ON accounts
                    BEGIN UPDATE accounts SET touched = touched + 1 WHERE id = new.id; END;
                INSERT INTO accounts (id, name) VALUES (40, 'Native Ltd');
                INSERT INTO contacts (id, name, stage, account) VALUES (90, 'Nora', 'own', 40);";
            Connection::open(dir.join("new.db")).unwrap().execute_batch(sql).unwrap();
        },
        // Ids that the database gave and its counters included.
        content: |dir| {
            ["accounts", "contacts", "sqlite_sequence"].iter().flat_map(|table| table_text(dir, table)).collect()
        },
    },
];

/// The files of a folder whose names end so, by name.
fn files(dir: &Path, end: &str) -> BTreeMap<String, String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let text = |name: &String| String::from_utf8_lossy(&std::fs::read(dir.join(name)).unwrap()).into_owned();
    names.filter(|name| name.ends_with(end)).map(|name| (name.clone(), text(&name))).collect()
}

fn table_text(dir: &Path, table: &str) -> Vec<String> {
    let db = Connection::open(dir.join("new.db")).unwrap();
    let mut statement = db.prepare(&format!("SELECT * FROM {table} ORDER BY rowid")).unwrap();
    let width = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cells = (0..width).map(|at| Ok(format!("{:?}", row.get_ref(at)?)));
        Ok(format!("{table} {}", cells.collect::<rusqlite::Result<Vec<_>>>()?.join("|")))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// The old side as it was (0) and as it is now (1): rows that changed, went, came; some that cannot be carried over.
fn old_side(dir: &Path, version: u32) {
    let (mut accounts, mut contacts) = ("ID,NAME,PARENT,KIND\n".to_owned(), "ID,NAME,STAGE,ACCOUNT\n".to_owned());
    let now = version == 1;
    for at in 0..if now { 260 } else { 200 } {
        if now && at % 11 == 3 {
            continue;
        }
        let parent = if at % 3 == 0 { format!("A{}", at * 7 % 250) } else { String::new() };
        let kind = if at % 17 == 0 { "x" } else { "y" };
        let name = if now && at % 5 == 0 { format!("Account {at} renamed") } else { format!(" Account {at}") };
        accounts.push_str(&format!("A{at},{name},{parent},{kind}\n"));
    }
    for at in 0..if now { 700 } else { 520 } {
        // Some go alone, some with their account; others stay and name an account that goes.
        if now && (at % 13 == 5 || at * 3 % 270 % 22 == 14) {
            continue;
        }
        let stage = if now && at % 29 == 7 { "q" } else { ["a", "b"][at % 2] };
        let name = if now && at % 4 == 0 { format!("name {at} now") } else { format!("name {at}") };
        contacts.push_str(&format!("C{at},{name},{stage},A{}\n", at * 3 % 270));
        if at % 41 == 0 {
            contacts.push_str(&format!("C{at},twice {at},a,\n"));
        }
    }
    std::fs::create_dir_all(dir.join("old")).unwrap();
    std::fs::write(dir.join("old/accounts.csv"), accounts).unwrap();
    std::fs::write(dir.join("old/contacts.csv"), contacts).unwrap();
}

/// What the disturbed run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Carries over what changed since the first run, found by looking at everything.
    Full,
    /// The same, found by the ledger.
    Incremental,
    /// Takes back the run that did.
    Revert,
}

/// A project with a plan that nobody ran yet.
pub(super) struct Scene {
    pub(super) dir: tempfile::TempDir,
    pub(super) plan: String,
    /// The target before the run that is taken back.
    pub(super) before: Vec<String>,
}

impl Scene {
    /// A project whose target was filled by an earlier run, with a plan for this task.
    pub(super) fn new(kind: &Kind, task: Task) -> Self {
        let project = format!(
            "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"{}\"\npath = \"{}\"\n",
            kind.name, kind.path
        );
        let dir = folder(&[
            ("project.toml", &project),
            ("mappings/accounts.toml", ACCOUNTS),
            ("mappings/contacts.toml", CONTACTS),
        ]);
        let root = dir.path();
        (kind.make)(root);
        old_side(root, 0);
        let plan = |arguments: &[&str]| {
            let plan = run(root, &[&["plan", "--json"], arguments].concat()).expect(1).json();
            let looked = plan["mappings"].as_array().unwrap().iter().all(|part| part["incremental"].is_object());
            assert_eq!(looked, arguments.contains(&"incremental"), "{plan}");
            plan["id"].as_str().unwrap().to_owned()
        };
        let migrate = |plan: &str| run(root, &["migrate", "--plan", plan, "--confirm", "new", "--json"]).expect(0);
        migrate(&plan(&[]));
        old_side(root, 1);
        let before = (kind.content)(root);
        let plan = match task {
            Task::Full => plan(&[]),
            Task::Incremental => plan(&["--mode", "incremental"]),
            Task::Revert => {
                migrate(&plan(&["--mode", "incremental"]));
                assert!(ledgers(root).len() == 2, "there is something to forget");
                let id = newest(root)["id"].as_str().unwrap().to_owned();
                let shown = run(root, &["revert", &id, "--json"]).expect(6).json();
                assert_eq!(shown["held"], serde_json::json!([]), "{shown}");
                shown["plan"]["id"].as_str().unwrap().to_owned()
            }
        };
        Self { dir, plan, before }
    }

    /// The project once more, in a folder of its own.
    pub(super) fn again(&self) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        copy(self.dir.path(), dir.path());
        dir
    }

    /// The arguments that run the plan.
    pub(super) fn migrate(&self) -> [&str; 6] {
        ["migrate", "--plan", &self.plan, "--confirm", "new", "--json"]
    }

    /// The end of a run of it that nobody disturbs.
    pub(super) fn undisturbed(&self, kind: &Kind, task: Task) -> End {
        let dir = self.again();
        run(dir.path(), &self.migrate()).expect(0);
        let expected = end(dir.path(), kind, newest(dir.path())["id"].as_str().unwrap());
        assert_eq!(expected.state, "done");
        let results = expected.results.as_array().unwrap();
        for what in ["inserted", "updated", "deleted"] {
            assert!(results.iter().any(|result| result["counts"][what].as_u64().unwrap() > 0), "no row is {what}");
        }
        match task {
            Task::Full | Task::Incremental => {
                assert!(expected.ledger.len() == 2 && expected.next["incremental"] == true, "{:?}", expected.next);
                assert!(results.iter().all(|result| result["moved"] == 0), "{results:?}");
                // A database keeps an account that a contact names which could not be carried over; each plan shows it again.
                let left = &expected.next["counts"][0]["deleted"];
                assert_eq!(&expected.next["writes"], left, "{:?}", expected.next);
                assert_eq!(*left != 0, kind.name == "sqlite", "{:?}", expected.next);
                let journal = newest_journal(dir.path());
                assert_eq!(journal.contains("\"waited_published\""), kind.name == "sqlite", "{journal}");
            }
            Task::Revert => {
                assert_eq!(expected.ledger, BTreeMap::new(), "the ledger is forgotten");
                // A database's counters and what its triggers set go on.
                if kind.name != "sqlite" {
                    assert_eq!(expected.target, self.before);
                }
            }
        }
        expected
    }
}

/// The journal of the newest run.
fn newest_journal(dir: &Path) -> String {
    let id = newest(dir)["id"].as_str().unwrap().to_owned();
    std::fs::read_to_string(dir.join(format!(".crm-console/runs/{id}/journal.ndjson"))).unwrap()
}

pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn without(mut value: Value, names: &[&str]) -> Value {
    match &mut value {
        Value::Object(map) => {
            map.retain(|name, _| !names.contains(&name.as_str()));
            for (_, inner) in map.iter_mut() {
                *inner = without(inner.take(), names);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without(item.take(), names)),
        _ => {}
    }
    value
}

/// The ledgers of a project; no journal of a killed writer may lie beside them.
fn ledgers(dir: &Path) -> BTreeMap<String, Vec<String>> {
    let folder = dir.join(".crm-console/ledger");
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).into_iter().flatten().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        assert!(!name.ends_with("-journal") && !name.contains("tmp"), "{name} stays behind");
        let Some(mapping) = name.strip_suffix(".db") else { continue };
        let db = Connection::open(entry.path()).unwrap();
        let mut lines = Vec::new();
        for table in ["entries", "parents", "open"] {
            let mut statement = db
                .prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))
                .unwrap_or_else(|_| db.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap());
            let width = statement.column_count();
            let rows = statement.query_map([], |row| {
                let cells = (0..width).map(|at| Ok(format!("{:?}", row.get_ref(at)?)));
                Ok(format!("{table} {}", cells.collect::<rusqlite::Result<Vec<_>>>()?.join("|")))
            });
            lines.extend(rows.unwrap().map(Result::unwrap));
        }
        let agreement: String =
            db.query_row("SELECT value FROM meta WHERE name = 'agreement'", [], |row| row.get(0)).unwrap();
        let agreement: Value = serde_json::from_str(&agreement).unwrap();
        lines.push(without(agreement, &["run", "at", "whole", "crosswalk"]).to_string());
        found.insert(mapping.to_owned(), lines);
    }
    found
}

/// What an incremental plan would do now.
fn next(dir: &Path) -> Value {
    let plan = run(dir, &["plan", "--mode", "incremental", "--json"]).json();
    let parts = plan["mappings"].as_array().unwrap();
    let count = |name: &str| parts.iter().map(|part| part["counts"][name].as_u64().unwrap()).sum::<u64>();
    serde_json::json!({
        "writes": count("inserted") + count("updated") + count("deleted"),
        "incremental": parts.iter().all(|part| part["incremental"].is_object()),
        "counts": parts.iter().map(|part| &part["counts"]).collect::<Vec<_>>(),
        "looked_at": parts.iter().map(|part| without(part["incremental"].clone(), &["since", "whole"])).collect::<Vec<_>>(),
    })
}

/// What a run leaves that must not depend on how often it was killed.
#[derive(Debug, PartialEq)]
pub(super) struct End {
    pub(super) state: Value,
    pub(super) target: Vec<String>,
    rejects: BTreeMap<String, String>,
    crosswalk: Vec<String>,
    /// By mapping: all entries, and what they have in common but for times and names of runs.
    ledger: BTreeMap<String, Vec<String>>,
    /// What the next incremental plan would do.
    next: Value,
    results: Value,
    consistency: Value,
    note: Value,
    report: Value,
}

pub(super) fn end(dir: &Path, kind: &Kind, id: &str) -> End {
    let run = newest(dir);
    assert_eq!(run["id"], id);
    let folder = dir.join(".crm-console/runs").join(id);
    let rejects = files(&folder, ".rejects.ndjson");
    let report: Value = serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap();
    let db = Connection::open(dir.join(".crm-console/crosswalk/default.db")).unwrap();
    let mut statement =
        db.prepare("SELECT object || ' ' || old_key || ' ' || new_id FROM crosswalk ORDER BY 1").unwrap();
    let crosswalk = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let (target, ledger) = ((kind.content)(dir), ledgers(dir));
    End {
        state: run["state"].clone(),
        target,
        rejects,
        crosswalk,
        ledger,
        next: next(dir),
        results: without(run["results"].clone(), &["millis"]),
        consistency: run["consistency"].clone(),
        note: run["note"].clone(),
        report: without(report["mappings"].clone(), &["millis"]),
    }
}

impl End {
    /// Fails with what is other than in the run that nobody disturbed.
    #[track_caller]
    pub(super) fn is(&self, expected: &Self, what: &str) {
        if self == expected {
            return;
        }
        let [found, wanted] = [self, expected].map(|end| format!("{end:#?}"));
        let only = |one: &str, other: &str| {
            let other: std::collections::HashSet<&str> = other.lines().collect();
            let lines = one.lines().filter(|line| !other.contains(line)).take(20);
            lines.map(|line| line.chars().take(2_000).collect::<String>() + "\n").collect::<String>()
        };
        panic!("{what}: it came to\n{}instead of\n{}", only(&found, &wanted), only(&wanted, &found));
    }
}
