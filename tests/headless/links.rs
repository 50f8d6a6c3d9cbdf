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
fn a_database_whose_keys_act_loses_no_row_and_no_link_that_the_plan_did_not_show() {
    // A row that names the one that goes would be emptied, deleted with it, or keep it from going.
    for on_delete in ["ON DELETE SET NULL", "ON DELETE CASCADE", "ON DELETE RESTRICT"] {
        for mode in ["full", "incremental"] {
            let dir = project("sqlite", "new.db", |dir| database(&dir.join("new.db"), on_delete));
            let dir = dir.path();
            let plan = run(dir, &["plan", "--mode", mode, "--json"]).expect(1).json();
            let done = run(dir, &["migrate", "--plan", plan["id"].as_str().unwrap(), "--confirm", "new", "--json"]);
            let done = done.expect(0).json();
            assert_eq!(plan["mappings"][0]["counts"]["deleted"], 1, "{plan}");
            // Two contacts that could not be carried over name it still, and they stay as they are.
            let counts = &done["results"][0]["counts"];
            assert_eq!(
                (&counts["deleted"], &counts["updated"], &counts["inserted"]),
                (&0.into(), &2.into(), &1.into())
            );
            assert_eq!(done["results"][0]["closes"], true);
            assert_eq!(
                names(dir),
                ["A1 One -", "A2 Two -", "A3 Three A1", "A4 Fourth -", "A5 Five -"],
                "{on_delete} {mode}"
            );
            assert_eq!(contacts(dir), ["C1 Ann A1", "C2 Ben A2", "C3 Cy A2"], "{on_delete} {mode}");
            let id = done["id"].as_str().unwrap();
            let rejects = run(dir, &["rejects", "list", id, "--json"]).expect(0).out;
            assert!(rejects.contains("platform: rows of contacts point to it"), "{rejects}");
            assert_unbroken(dir);
            // Every plan shows it again, and when nothing points to it any more it goes.
            for mode in ["incremental", "full"] {
                let next = run(dir, &["plan", "--mode", mode, "--json"]).expect(1).json();
                assert_eq!(next["mappings"][0]["counts"]["deleted"], 1, "{next}");
            }
            let db = Connection::open(dir.join("new.db")).unwrap();
            db.execute_batch("UPDATE contacts SET account = NULL WHERE legacy_id IN ('C2', 'C3')").unwrap();
            migrate(dir, mode);
            assert_eq!(names(dir), ["A1 One -", "A3 Three A1", "A4 Fourth -", "A5 Five -"], "{on_delete} {mode}");
        }
    }
}

const ACTIONS: [&str; 5] =
    ["ON DELETE CASCADE", "ON DELETE SET NULL", "ON DELETE RESTRICT", "", "DEFERRABLE INITIALLY DEFERRED"];

/// Accounts, contacts and visits of an old CRM in which one account was dissolved: one of its contacts went with it, one
/// moved to another account. All are in the new CRM as they were before.
fn dissolved(action: &str) -> tempfile::TempDir {
    let project =
        "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"sqlite\"\npath = \"new.db\"\n";
    let contacts = CONTACTS.replace("key = [", "scope = \"legacy_id IS NOT NULL\"\ntarget_only = \"delete\"\nkey = [");
    let contacts = contacts.replace("[run]\n", "[run]\nmax_deletes = \"100%\"\n");
    let visits = contacts
        .replace("contacts", "visits")
        .replace("account = { from = \"ACC\", link = \"accounts\"", "contact = { from = \"CON\", link = \"contacts\"");
    let dir = folder(&[
        ("project.toml", project),
        ("mappings/accounts.toml", ACCOUNTS),
        ("mappings/contacts.toml", &contacts),
        ("mappings/visits.toml", &visits),
        ("old/accounts.csv", "ID,NAME,PARENT\nA1,One,\nA2,Two,\n"),
        ("old/contacts.csv", "ID,NAME,ACC\nC1,Ann,A1\nC2,Ben,A2\nC3,Cy,A2\n"),
        ("old/visits.csv", "ID,NAME,CON\nV1,first,C2\nV2,second,C1\n"),
    ]);
    let root = dir.path();
    let sql = format!(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT, parent INTEGER REFERENCES accounts(id));
         CREATE TABLE contacts (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT, memo TEXT,
            account INTEGER REFERENCES accounts(id) {action});
         CREATE TABLE visits (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT,
            contact INTEGER REFERENCES contacts(id) {action});"
    );
    Connection::open(root.join("new.db")).unwrap().execute_batch(&sql).unwrap();
    migrate(root, "full");
    let file = |name: &str, text: &str| std::fs::write(root.join(name), text).unwrap();
    file("old/accounts.csv", "ID,NAME,PARENT\nA1,One,\n");
    file("old/contacts.csv", "ID,NAME,ACC\nC1,Ann,A1\nC3,Cy,A1\n");
    file("old/visits.csv", "ID,NAME,CON\nV2,second,C1\n");
    dir
}

#[test]
fn parents_and_children_that_go_together_go_in_one_run() {
    for action in ACTIONS {
        for mode in ["full", "incremental"] {
            let dir = dissolved(action);
            let dir = dir.path();
            // As planned, every one of them; and nothing is left to do.
            let plan = migrate(dir, mode);
            let deleted = |at: usize| plan["mappings"][at]["counts"]["deleted"].as_u64().unwrap();
            assert_eq!([deleted(0), deleted(1), deleted(2)], [1, 1, 1], "{plan}");
            assert_eq!(names(dir), ["A1 One -"], "{action} {mode}");
            assert_eq!(contacts(dir), ["C1 Ann A1", "C3 Cy A1"], "{action} {mode}");
            assert_unbroken(dir);
            for mode in ["incremental", "full"] {
                run(dir, &["plan", "--mode", mode]).expect(0);
            }
            let score = run(dir, &["verify", "--json"]).expect(0).json();
            assert_eq!(score["consistency"], 1.0, "{score}");
        }
    }
}

#[test]
fn what_went_together_comes_back_together() {
    for action in ACTIONS {
        let dir = dissolved(action);
        let dir = dir.path();
        let db = Connection::open(dir.join("new.db")).unwrap();
        db.execute_batch("UPDATE contacts SET memo = 'likes tea' WHERE legacy_id = 'C2'").unwrap();
        migrate(dir, "full");
        let done = take_back(dir);
        assert_eq!(names(dir), ["A1 One -", "A2 Two -"], "{action}: {done}");
        assert_eq!(contacts(dir), ["C1 Ann A1", "C2 Ben A2", "C3 Cy A2"], "{action}: {done}");
        let memo = "SELECT memo FROM contacts WHERE legacy_id = 'C2'";
        assert_eq!(db.query_row(memo, [], |row| row.get::<_, String>(0)).unwrap(), "likes tea");
        assert_unbroken(dir);
        // Taking it back is a run that can be taken back, too.
        let done = take_back(dir);
        assert_eq!(names(dir), ["A1 One -"], "{action}: {done}");
        assert_eq!(contacts(dir), ["C1 Ann A1", "C3 Cy A1"], "{action}: {done}");
        assert_unbroken(dir);
    }
}

/// Takes the newest run back.
fn take_back(dir: &Path) -> Value {
    let id = run(dir, &["runs", "--json"]).expect(0).lines().remove(0)["id"].as_str().unwrap().to_owned();
    let plan = run(dir, &["revert", &id, "--json"]).expect(6).json();
    let plan = plan["plan"]["id"].as_str().unwrap();
    run(dir, &["migrate", "--plan", plan, "--confirm", "new", "--json"]).expect(0).json()
}

#[test]
fn a_row_that_only_the_new_crm_has_is_not_taken_along() {
    for action in ACTIONS {
        let dir = dissolved(action);
        let dir = dir.path();
        let db = Connection::open(dir.join("new.db")).unwrap();
        let native =
            "INSERT INTO contacts (name, memo, account) SELECT 'Nora', 'ours', id FROM accounts WHERE legacy_id = 'A2'";
        db.execute_batch(native).unwrap();
        let plan = run(dir, &["plan", "--json"]).expect(1).json();
        let here = plan["mappings"][0]["here"]["side_effects"].to_string();
        assert!(here.contains("a delete waits for rows of contacts (account)"), "{here}");
        let id = plan["id"].as_str().unwrap();
        let done = run(dir, &["migrate", "--plan", id, "--confirm", "new", "--json"]).expect(0).json();
        let counts = |at: usize| done["results"][at]["counts"]["deleted"].as_u64().unwrap();
        assert_eq!([counts(0), counts(1), counts(2)], [0, 1, 1], "{action}: {done}");
        assert_eq!(names(dir), ["A1 One -", "A2 Two -"], "{action}");
        let nora = "SELECT a.legacy_id FROM contacts c JOIN accounts a ON a.id = c.account WHERE c.memo = 'ours'";
        assert_eq!(db.query_row(nora, [], |row| row.get::<_, String>(0)).unwrap(), "A2", "{action}");
    }
}

/// Contacts of the new CRM that came from the old one, with their accounts.
fn contacts(dir: &Path) -> Vec<String> {
    let db = Connection::open(dir.join("new.db")).unwrap();
    let mut statement = db
        .prepare(
            "SELECT c.legacy_id || ' ' || c.name || ' ' || ifnull(a.legacy_id, '-')
             FROM contacts c LEFT JOIN accounts a ON a.id = c.account WHERE c.legacy_id IS NOT NULL ORDER BY 1",
        )
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[track_caller]
fn assert_unbroken(dir: &Path) {
    let db = Connection::open(dir.join("new.db")).unwrap();
    let broken: i64 = db.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0)).unwrap();
    assert_eq!(broken, 0);
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
