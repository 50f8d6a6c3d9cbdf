//! Links to records that go with the same plan: what the plan shows is what is written, with and without foreign keys.
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::command::{folder, run};

const ACCOUNTS: &str = r#"from = "old:accounts"
to = "new:accounts"
key = ["legacy_id"]
scope = "legacy_id IS NOT NULL"
target_only = "delete"

[fields]
legacy_id = "ID"
name = "NAME"
parent = { from = "PARENT", link = "accounts", on_miss = "null" }

[run]
error_budget = "100%"
max_deletes = "100%"
"#;

const CONTACTS: &str = r#"from = "old:contacts"
to = "new:contacts"
key = ["legacy_id"]

[fields]
legacy_id = "ID"
name = "NAME"
account = { from = "ACC", link = "accounts", on_miss = "reject" }

[run]
error_budget = "100%"
"#;

/// A project whose target was filled; then A2 is gone from the old side, and rows of both kinds name it still.
fn project(kind: &str, path: &str, make: impl FnOnce(&Path)) -> tempfile::TempDir {
    let project = format!(
        "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"{kind}\"\npath = \"{path}\"\n"
    );
    let dir = folder(&[
        ("project.toml", &project),
        ("mappings/accounts.toml", ACCOUNTS),
        ("mappings/contacts.toml", CONTACTS),
        ("old/accounts.csv", "ID,NAME,PARENT\nA2,Two,\nA1,One,A2\nA3,Three,A1\nA4,Four,A2\n"),
        ("old/contacts.csv", "ID,NAME,ACC\nC1,Ann,A1\nC2,Ben,A2\nC3,Cy,A2\n"),
    ]);
    make(dir.path());
    migrate(dir.path(), "full");
    let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    file("old/accounts.csv", "ID,NAME,PARENT\nA1,One,A2\nA3,Three,A1\nA4,Fourth,A2\nA5,Five,A2\n");
    file("old/contacts.csv", "ID,NAME,ACC\nC1,Ann,A1\nC2,Ben,A2\nC3,Cyd,A2\nC4,Dan,A2\n");
    dir
}

/// Plans and runs; what was planned is what was done.
fn migrate(dir: &Path, mode: &str) -> Value {
    let plan = run(dir, &["plan", "--mode", mode, "--json"]).expect(1).json();
    let id = plan["id"].as_str().unwrap();
    let done = run(dir, &["migrate", "--plan", id, "--confirm", "new", "--json"]).expect(0).json();
    for (part, result) in plan["mappings"].as_array().unwrap().iter().zip(done["results"].as_array().unwrap()) {
        for count in ["inserted", "updated", "unchanged", "deleted", "rejected", "held"] {
            assert_eq!(part["counts"][count], result["counts"][count], "{count} as planned: {result}");
        }
        assert_eq!((&result["moved"], &result["closes"]), (&0.into(), &true.into()), "{result}");
    }
    plan
}

/// The second run: counts of both mappings, reasons of the rejects.
#[track_caller]
fn goes_as_planned(dir: &Path, mode: &str) {
    let plan = migrate(dir, mode);
    let counts = |at: usize, names: [&str; 4]| names.map(|name| plan["mappings"][at]["counts"][name].as_u64().unwrap());
    assert_eq!(counts(0, ["inserted", "updated", "unchanged", "deleted"]), [1, 2, 1, 1], "{plan}");
    assert_eq!(counts(1, ["inserted", "updated", "unchanged", "rejected"]), [0, 0, 1, 3], "{plan}");
    let causes = &plan["mappings"][1]["causes"];
    assert_eq!(causes[0]["cause"], "account: parent deleted (accounts)", "{causes}");
    assert_eq!(causes[0]["rows"], 3, "{causes}");
    // What was left out waits; nothing else is to do, by the ledger or by looking at everything.
    for mode in ["incremental", "full"] {
        let next = run(dir, &["plan", "--mode", mode, "--json"]).expect(0).json();
        assert_eq!(next["mappings"][1]["counts"]["rejected"], 3, "{next}");
    }
}

fn database(path: &Path, on_delete: &str) {
    let sql = format!(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT,
            parent INTEGER REFERENCES accounts(id) {on_delete});
         CREATE TABLE contacts (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT,
            account INTEGER REFERENCES accounts(id) ON DELETE SET NULL);"
    );
    Connection::open(path).unwrap().execute_batch(&sql).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let db = Connection::open(dir.join("new.db")).unwrap();
    let mut statement = db
        .prepare(
            "SELECT a.legacy_id || ' ' || a.name || ' ' || ifnull(p.legacy_id, '-')
             FROM accounts a LEFT JOIN accounts p ON p.id = a.parent ORDER BY 1",
        )
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_database_whose_keys_act_holds_what_was_planned() {
    // A row that names the one that goes would be emptied, deleted with it, or keep it from going.
    for on_delete in ["ON DELETE SET NULL", "ON DELETE CASCADE", "ON DELETE RESTRICT"] {
        for mode in ["full", "incremental"] {
            let dir = project("sqlite", "new.db", |dir| database(&dir.join("new.db"), on_delete));
            goes_as_planned(dir.path(), mode);
            assert_eq!(
                names(dir.path()),
                ["A1 One -", "A3 Three A1", "A4 Fourth -", "A5 Five -"],
                "{on_delete} {mode}"
            );
            let db = Connection::open(dir.path().join("new.db")).unwrap();
            let broken: i64 =
                db.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0)).unwrap();
            assert_eq!(broken, 0, "{on_delete} {mode}");
        }
    }
}

#[test]
fn a_file_gets_no_link_to_a_row_that_goes() {
    for mode in ["full", "incremental"] {
        let dir = project("csv", "new", |dir| {
            std::fs::create_dir(dir.join("new")).unwrap();
            std::fs::write(dir.join("new/accounts.csv"), "legacy_id,name,parent\n").unwrap();
            std::fs::write(dir.join("new/contacts.csv"), "legacy_id,name,account\n").unwrap();
        });
        goes_as_planned(dir.path(), mode);
        let text = |name: &str| std::fs::read_to_string(dir.path().join("new").join(name)).unwrap();
        assert_eq!(
            text("accounts.csv"),
            "legacy_id,name,parent\nA1,One,\nA3,Three,A1\nA4,Fourth,\nA5,Five,\n",
            "{mode}"
        );
        // Rows that are left out stay as they are.
        assert_eq!(text("contacts.csv"), "legacy_id,name,account\nC1,Ann,A1\nC2,Ben,A2\nC3,Cy,A2\n", "{mode}");
    }
}
