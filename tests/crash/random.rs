//! Engines that are killed at any moment, more than once, and resumed: the end is that of the run nobody disturbed.
//!
//! A few kills a kind of target in the ordinary run; `CRM_CONSOLE_KILLS=200` names how many it shall be.
//! `CRM_CONSOLE_KILL_SEED` repeats a run whose seed was printed (the moments are the same, what the engine does in them
//! depends on the machine).
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;

use crate::support::command::{folder, run, run_with};

/// Kills a kind in the ordinary run.
const KILLS: u32 = 12;

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
struct Kind {
    name: &'static str,
    path: &'static str,
    /// Makes a target with rows of its own, where the kind can be made here.
    make: fn(&Path),
    /// All that the target holds.
    content: fn(&Path) -> Vec<String>,
}

const KINDS: [Kind; 3] = [
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
        if now && at % 13 == 5 {
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

/// A project whose target was filled by an earlier run, with a plan of what changed since; and the plan's id.
fn template(kind: &Kind) -> (tempfile::TempDir, String) {
    let project = format!(
        "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"{}\"\npath = \"{}\"\n",
        kind.name, kind.path
    );
    let dir = folder(&[
        ("project.toml", &project),
        ("mappings/accounts.toml", ACCOUNTS),
        ("mappings/contacts.toml", CONTACTS),
    ]);
    (kind.make)(dir.path());
    old_side(dir.path(), 0);
    run(dir.path(), &["plan", "--out", "plan.json", "--json"]);
    run(dir.path(), &["migrate", "--plan", "plan.json", "--confirm", "new", "--json"]).expect(0);
    old_side(dir.path(), 1);
    let plan = run(dir.path(), &["plan", "--out", "plan.json", "--json"]).json();
    let plan = plan["id"].as_str().unwrap().to_owned();
    (dir, plan)
}

fn copy(from: &Path, to: &Path) {
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

/// What a run leaves that must not depend on how often it was killed.
#[derive(Debug, PartialEq)]
struct End {
    state: Value,
    target: Vec<String>,
    rejects: BTreeMap<String, String>,
    crosswalk: Vec<String>,
    results: Value,
    consistency: Value,
    note: Value,
    report: Value,
}

fn end(dir: &Path, kind: &Kind, id: &str) -> End {
    let run = newest(dir);
    assert_eq!(run["id"], id);
    let folder = dir.join(".crm-console/runs").join(id);
    let rejects = files(&folder, ".rejects.ndjson");
    let report: Value = serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap();
    let db = Connection::open(dir.join(".crm-console/crosswalk/default.db")).unwrap();
    let mut statement =
        db.prepare("SELECT object || ' ' || old_key || ' ' || new_id FROM crosswalk ORDER BY 1").unwrap();
    let crosswalk = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    End {
        state: run["state"].clone(),
        target: (kind.content)(dir),
        rejects,
        crosswalk,
        results: without(run["results"].clone(), &["millis"]),
        consistency: run["consistency"].clone(),
        note: run["note"].clone(),
        report: without(report["mappings"].clone(), &["millis"]),
    }
}

fn newest(dir: &Path) -> Value {
    run(dir, &["runs", "--json"]).expect(0).lines().remove(0)
}

/// Numbers that look random: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

#[track_caller]
fn is_as_if_undisturbed(kind: &Kind) {
    let seed = number("CRM_CONSOLE_KILL_SEED").unwrap_or_else(|| RandomState::new().hash_one(kind.name));
    let wanted = number("CRM_CONSOLE_KILLS").map_or(KILLS, |kills| kills as u32);
    println!("{}: CRM_CONSOLE_KILL_SEED={seed}, {wanted} kills", kind.name);
    let mut random = Random(seed);
    let (template, plan) = template(kind);
    let migrate = ["migrate", "--plan", &plan, "--confirm", "new", "--json"];

    let undisturbed = tempfile::tempdir().unwrap();
    copy(template.path(), undisturbed.path());
    let start = Instant::now();
    run(undisturbed.path(), &migrate).expect(0);
    let mut span = start.elapsed().as_micros() as u64;
    let id = newest(undisturbed.path())["id"].as_str().unwrap().to_owned();
    let expected = end(undisturbed.path(), kind, &id);
    assert_eq!(expected.state, "done");
    let results = expected.results.as_array().unwrap();
    for what in ["inserted", "updated", "deleted", "rejected"] {
        assert!(results.iter().any(|result| result["counts"][what].as_u64().unwrap() > 0), "no row is {what}");
    }

    let (mut kills, mut trials, mut attempts) = (0, 0, BTreeMap::<u64, u32>::new());
    let mut found = BTreeMap::<String, u32>::new();
    let patience = Instant::now();
    while kills < wanted {
        trials += 1;
        assert!(trials < 10 * wanted + 20, "the kills come too late: {kills} of {trials} hit, span {span} us");
        let dir = tempfile::tempdir().unwrap();
        copy(template.path(), dir.path());
        let mut more = 1 + random.below(3);
        let fault = |micros: u64| format!("kill-after:{micros}");
        run_with(dir.path(), &migrate, &[("CRM_CONSOLE_FAULT", &fault(random.below(span)))]);
        let mut run_now = newest(dir.path());
        let id = run_now["id"].as_str().unwrap().to_owned();
        while run_now["state"] != "done" {
            assert_eq!(run_now["state"], "crashed", "{run_now}");
            kills += 1;
            for result in run_now["results"].as_array().unwrap() {
                let published = if result["published"] == true { "published" } else { "as before" };
                *found.entry(format!("{} {published}", result["mapping"].as_str().unwrap())).or_default() += 1;
            }
            more -= 1;
            let resume = ["resume", &id, "--json"];
            if more > 0 {
                run_with(dir.path(), &resume, &[("CRM_CONSOLE_FAULT", &fault(random.below(span)))]);
            } else {
                run(dir.path(), &resume).expect(0);
            }
            run_now = newest(dir.path());
        }
        let attempt = run_now["attempt"].as_u64().unwrap();
        // Kills shall fall into the run, all over it.
        span = if attempt == 1 { span * 9 / 10 } else { span * 101 / 100 }.max(1_000);
        *attempts.entry(attempt).or_default() += 1;
        let came_to = end(dir.path(), kind, &id);
        assert!(came_to == expected, "seed {seed}, trial {trials}:\n{came_to:#?}\nundisturbed:\n{expected:#?}");
    }
    let seconds = patience.elapsed().max(Duration::from_millis(1)).as_secs_f64();
    println!(
        "{}: {kills} kills in {trials} runs, {seconds:.0} s; runs by attempts {attempts:?}; found after kills {found:?}",
        kind.name
    );
}

#[test]
fn killed_at_any_moment_and_resumed_a_csv_target_is_byte_for_byte_the_same() {
    is_as_if_undisturbed(&KINDS[0]);
}

#[test]
fn killed_at_any_moment_and_resumed_a_parquet_target_is_row_for_row_the_same() {
    is_as_if_undisturbed(&KINDS[1]);
}

#[test]
fn killed_at_any_moment_and_resumed_a_sqlite_target_is_row_for_row_the_same() {
    is_as_if_undisturbed(&KINDS[2]);
}
