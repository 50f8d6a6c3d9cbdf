//! Taking runs back from the command line.
use std::path::Path;

use rusqlite::Connection;

use crate::support::command::{demo, folder, run};

const SCHEMA: &str = "
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT NOT NULL, boss INTEGER REFERENCES accounts(id), touched INTEGER NOT NULL DEFAULT 0);
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT NOT NULL,
    account_id INTEGER REFERENCES accounts(id) ON DELETE CASCADE, memo TEXT);
CREATE TRIGGER accounts_touched AFTER UPDATE OF name ON accounts BEGIN UPDATE accounts SET touched = touched + 1 WHERE id = new.id; END;
INSERT INTO accounts (id, legacy_id, name) VALUES (1, NULL, 'Native Ltd'), (2, 'A2', 'Old name'), (3, 'A9', 'Gone in the source');
INSERT INTO contacts (id, legacy_id, name, account_id, memo) VALUES (10, NULL, 'Nora Native', 1, 'ours');
";

const ACCOUNTS: &str = "from = \"old:accounts\"\nto = \"new:accounts\"\nkey = [\"legacy_id\"]\nscope = \"legacy_id IS NOT NULL\"\n\
    target_only = \"delete\"\n\n[fields]\nlegacy_id = \"ID\"\nname = \"NAME\"\nboss = { from = \"BOSS\", link = \"accounts\", on_miss = \"null\" }\n\
    [run]\nmax_deletes = \"100%\"\n";
const CONTACTS: &str = "from = \"old:contacts\"\nto = \"new:contacts\"\nkey = [\"legacy_id\"]\n\n[fields]\nlegacy_id = \"ID\"\nname = \"NAME\"\n\
    account_id = { from = \"ACC\", link = \"accounts\", on_miss = \"null\" }\n";

fn project() -> tempfile::TempDir {
    let dir = folder(&[
        (
            "project.toml",
            "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"sqlite\"\npath = \"new.db\"\n",
        ),
        ("mappings/accounts.toml", ACCOUNTS),
        ("mappings/contacts.toml", CONTACTS),
        ("old/accounts.csv", "ID,NAME,BOSS\nA1,First,A4\nA2,Second,\nA3,Third,A1\nA4,Fourth,\n"),
        ("old/contacts.csv", "ID,NAME,ACC\nC1,Ann,A1\nC2,Ben,A3\n"),
    ]);
    sql(dir.path(), SCHEMA);
    dir
}

fn sql(dir: &Path, text: &str) {
    Connection::open(dir.join("new.db")).unwrap().execute_batch(text).unwrap();
}

/// Rows of a table, cells by `|`.
fn rows(dir: &Path, file: &str, query: &str) -> Vec<String> {
    let db = Connection::open(dir.join(file)).unwrap();
    let mut statement = db.prepare(query).unwrap();
    let width = statement.column_count();
    let cells = |row: &rusqlite::Row<'_>| -> rusqlite::Result<String> {
        let cells = (0..width).map(|at| row.get::<_, rusqlite::types::Value>(at).map(|value| format!("{value:?}")));
        Ok(cells.collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
    };
    let found = statement.query_map([], cells).unwrap();
    found.map(Result::unwrap).collect()
}

/// Plans and runs everything; the run's id.
fn migrate(dir: &Path, target: &str) -> String {
    let plan = run(dir, &["plan", "--json"]).expect(1).json();
    let done =
        run(dir, &["migrate", "--plan", plan["id"].as_str().unwrap(), "--confirm", target, "--json"]).expect(0).json();
    done["id"].as_str().unwrap().to_owned()
}

/// Takes a run back; its plan and what came of it.
fn revert(dir: &Path, id: &str, target: &str) -> (serde_json::Value, serde_json::Value) {
    let shown = run(dir, &["revert", id, "--json"]).expect(6);
    let shown = shown.json();
    let plan = shown["plan"]["id"].as_str().unwrap();
    let done = run(dir, &["migrate", "--plan", plan, "--confirm", target, "--json"]).expect(0).json();
    (shown, done)
}

const ALL: [&str; 2] =
    ["SELECT id, legacy_id, name, boss FROM accounts ORDER BY id", "SELECT * FROM contacts ORDER BY id"];

#[test]
fn a_database_goes_back_row_for_row_and_again() {
    let dir = project();
    let state = || ALL.map(|query| rows(dir.path(), "new.db", query));
    let before = state();
    let id = migrate(dir.path(), "new");
    let after = state();
    assert_ne!(after, before);
    let shown = run(dir.path(), &["revert", &id]).expect(6);
    assert!(
        shown.out.contains("made to revert") && shown.err.contains("--confirm new"),
        "{}\n{}",
        shown.out,
        shown.err
    );
    assert_eq!(state(), after, "nothing is written before it is confirmed");
    let (shown, done) = revert(dir.path(), &id, "new");
    assert_eq!(state(), before);
    assert_eq!(done["consistency"], 1.0, "{done}");
    assert!(shown["kept_bytes"].as_u64().unwrap() > 0);
    assert_eq!(shown["plan"]["mappings"][0]["mapping"], "contacts", "children go first");
    let again = run(dir.path(), &["revert", &id, "--json"]).expect(0).json();
    assert_eq!((&again["nothing_to_do"], &again["reverted_by"]), (&true.into(), &done["id"]));
    let (_, again) = revert(dir.path(), done["id"].as_str().unwrap(), "new");
    assert_eq!(state(), after);
    assert_eq!(again["consistency"], 1.0, "{again}");
    let runs = run(dir.path(), &["runs", "--json"]).expect(0).lines();
    assert_eq!(runs.len(), 3);
    assert_eq!(runs[1]["purpose"], format!("revert of {id}"), "newest first: what the second run was for");
    assert_eq!(runs[1]["intent"]["for"], "revert");
    assert_eq!(runs[2]["purpose"], "migrate");
    assert!(runs.iter().all(|run| run["kept_bytes"].as_u64().unwrap() > 0));
}

#[test]
fn rows_that_others_point_to_or_changed_stay_and_are_listed() {
    let dir = project();
    let id = migrate(dir.path(), "new");
    let account = rows(dir.path(), "new.db", "SELECT id FROM accounts WHERE legacy_id = 'A3'");
    let ids = account[0].trim_start_matches("Integer(").trim_end_matches(')').to_owned();
    sql(dir.path(), &format!("INSERT INTO contacts (id, name, account_id) VALUES (99, 'Nell Native', {ids})"));
    sql(dir.path(), "UPDATE contacts SET memo = 'call back' WHERE legacy_id = 'C1'");
    let (shown, done) = revert(dir.path(), &id, "new");
    let held = shown["held"].as_array().unwrap();
    assert_eq!((held.len(), &held[0]["key"], &held[0]["reason"]), (1, &"C1".into(), &"changed since the run".into()));
    let contacts = rows(dir.path(), "new.db", "SELECT name FROM contacts ORDER BY id");
    assert_eq!(contacts, ["Text(\"Nora Native\")", "Text(\"Ann\")", "Text(\"Nell Native\")"]);
    // A3 is what Nell points to, A1 what Ann points to and A3's boss, A4 the boss of A1.
    let accounts = rows(dir.path(), "new.db", "SELECT legacy_id FROM accounts WHERE legacy_id IS NOT NULL ORDER BY 1");
    // The id of A9 was given to one of them, which stays: it cannot come back, and is listed.
    assert_eq!(accounts, ["Text(\"A1\")", "Text(\"A2\")", "Text(\"A3\")", "Text(\"A4\")"]);
    assert_eq!(rows(dir.path(), "new.db", "SELECT name FROM accounts WHERE legacy_id = 'A2'"), ["Text(\"Old name\")"]);
    assert!(rows(dir.path(), "new.db", "PRAGMA foreign_key_check").is_empty());
    let listed = run(dir.path(), &["rejects", "list", done["id"].as_str().unwrap()]).expect(0);
    assert!(listed.out.contains("point to it"), "{}", listed.out);
    assert!(done["results"].as_array().unwrap().iter().all(|result| result["closes"] == true), "{done}");
}

#[test]
fn what_cannot_be_taken_back_is_refused() {
    let dir = project();
    run(dir.path(), &["revert", "none"]).expect(2);
    let id = migrate(dir.path(), "new");
    let nothing = migrate_again(dir.path());
    let refused = run(dir.path(), &["revert", &nothing]).expect(6);
    assert!(refused.err.contains("wrote nothing"), "{}", refused.err);
    run(dir.path(), &["revert", &id, "deals"]).expect(2);
    let only = run(dir.path(), &["revert", &id, "contacts", "--json"]).expect(6).json();
    assert_eq!(only["plan"]["mappings"].as_array().unwrap().len(), 1);
    std::fs::rename(dir.path().join("new.db"), dir.path().join("away.db")).unwrap();
    let gone = run(dir.path(), &["revert", &id]).expect(6);
    assert!(gone.err.contains("gone"), "{}", gone.err);
    std::fs::rename(dir.path().join("away.db"), dir.path().join("new.db")).unwrap();
    std::fs::remove_dir_all(dir.path().join(".crm-console/runs").join(&id).join("preimages")).unwrap();
    let pruned = run(dir.path(), &["revert", &id]).expect(6);
    assert!(pruned.err.contains("not kept any more"), "{}", pruned.err);
}

/// A run that finds nothing to do.
fn migrate_again(dir: &Path) -> String {
    let plan = run(dir, &["plan", "--json"]).expect(0).json();
    let done =
        run(dir, &["migrate", "--plan", plan["id"].as_str().unwrap(), "--confirm", "new", "--json"]).expect(0).json();
    done["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_later_run_on_the_same_rows_keeps_what_it_wrote() {
    let dir = project();
    let first = migrate(dir.path(), "new");
    std::fs::write(dir.path().join("old/contacts.csv"), "ID,NAME,ACC\nC1,Anna,A1\nC2,Ben,A3\n").unwrap();
    let second = migrate(dir.path(), "new");
    let shown = run(dir.path(), &["revert", &first, "--json"]).expect(6).json();
    assert_eq!(shown["held"][0]["key"], "C1");
    // The other way round all of it goes.
    revert(dir.path(), &second, "new");
    revert(dir.path(), &first, "new");
    assert_eq!(rows(dir.path(), "new.db", "SELECT name FROM contacts"), ["Text(\"Nora Native\")"]);
}

#[test]
fn the_sample_project_goes_back() {
    let dir = demo();
    let state = || {
        ["accounts", "contacts", "deals"].map(|table| {
            let columns = rows(dir.path(), "nova.db", &format!("SELECT name FROM pragma_table_info('{table}')"));
            let columns: Vec<&str> = columns
                .iter()
                .map(|name| name.trim_start_matches("Text(\"").trim_end_matches("\")"))
                // The clock of a trigger goes on.
                .filter(|name| *name != "updated_at")
                .collect();
            rows(dir.path(), "nova.db", &format!("SELECT {} FROM {table} ORDER BY id", columns.join(", ")))
        })
    };
    let before = state();
    let id = migrate(dir.path(), "nova");
    assert_ne!(state(), before);
    let (_, done) = revert(dir.path(), &id, "nova");
    assert_eq!(done["consistency"], 1.0, "{done}");
    assert!(state() == before, "the sample is not as before");
}
