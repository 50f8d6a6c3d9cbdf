//! A SQLite target that lives: foreign keys, triggers, indexes, unmapped columns, rows of its own.
use std::path::Path;

use rusqlite::Connection;

use crate::support::command::{folder, run};

const SCHEMA: &str = "
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT NOT NULL, rating INTEGER DEFAULT 3, touched INTEGER NOT NULL DEFAULT 0);
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT NOT NULL, email TEXT,
    account_id INTEGER REFERENCES accounts(id) ON DELETE CASCADE, memo TEXT);
CREATE INDEX contacts_email ON contacts(email);
CREATE TRIGGER accounts_touched AFTER UPDATE OF name ON accounts BEGIN UPDATE accounts SET touched = touched + 1 WHERE id = new.id; END;
INSERT INTO accounts (id, legacy_id, name, rating) VALUES (1, NULL, 'Native Ltd', 5), (2, 'A2', 'Old name', 4);
INSERT INTO contacts (id, legacy_id, name, email, account_id, memo) VALUES
    (10, NULL, 'Nora Native', 'nora@example.com', 1, 'ours'),
    (11, 'C2', 'Ben B', 'ben@example.com', 2, 'keep me');
";

const ACCOUNTS: &str = "from = \"old:accounts\"\nto = \"new:accounts\"\nkey = [\"legacy_id\"]\n\n[fields]\nlegacy_id = \"ID\"\nname = { from = \"NAME\", clean = [\"trim\", \"required\"] }\n";
const CONTACTS: &str = "from = \"old:contacts\"\nto = \"new:contacts\"\nkey = [\"legacy_id\"]\n\n[fields]\nlegacy_id = \"ID\"\nname = { from = \"NAME\", clean = [\"trim\"] }\nemail = { from = \"MAIL\", write = \"if_blank\" }\naccount_id = { from = \"ACC\", link = \"accounts\", on_miss = \"null\" }\n";

fn project() -> tempfile::TempDir {
    let dir = folder(&[
        (
            "project.toml",
            "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"sqlite\"\npath = \"new.db\"\n",
        ),
        ("mappings/accounts.toml", ACCOUNTS),
        ("mappings/contacts.toml", CONTACTS),
        ("old/accounts.csv", "ID,NAME\nA1, First \nA2,Second\nA3,Third\n"),
        ("old/contacts.csv", "ID,NAME,MAIL,ACC\nC1,Ann,ann@example.com,A1\nC2,Ben,other@example.com,A3\nC3,Cy,,A9\n"),
    ]);
    Connection::open(dir.path().join("new.db")).unwrap().execute_batch(SCHEMA).unwrap();
    dir
}

fn rows(dir: &Path, sql: &str) -> Vec<String> {
    let db = Connection::open(dir.join("new.db")).unwrap();
    let mut statement = db.prepare(sql).unwrap();
    let width = statement.column_count();
    let found = statement
        .query_map([], |row| {
            (0..width)
                .map(|at| {
                    row.get_ref(at).map(|value| match value {
                        rusqlite::types::ValueRef::Null => "-".to_owned(),
                        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                        rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                        other => format!("{other:?}"),
                    })
                })
                .collect::<Result<Vec<_>, _>>()
                .map(|cells| cells.join("|"))
        })
        .unwrap();
    found.map(Result::unwrap).collect()
}

fn plan(dir: &Path) -> serde_json::Value {
    run(dir, &["plan", "--out", "plan.json", "--json"]).expect(1).json()
}

#[test]
fn everything_that_is_not_mapped_stays() {
    let dir = project();
    let schema = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name";
    let before = rows(dir.path(), schema);
    plan(dir.path());
    run(dir.path(), &["migrate", "--plan", "plan.json", "--confirm", "new"]).expect(0);
    assert_eq!(rows(dir.path(), schema), before, "tables, indexes and triggers");
    assert_eq!(
        rows(dir.path(), "SELECT id, legacy_id, name, rating, touched FROM accounts ORDER BY id"),
        ["1|-|Native Ltd|5|0", "2|A2|Second|4|1", "3|A1|First|3|0", "4|A3|Third|3|0"]
    );
    assert_eq!(
        rows(
            dir.path(),
            "SELECT c.legacy_id, c.name, c.email, a.legacy_id, c.memo FROM contacts c LEFT JOIN accounts a ON a.id = c.account_id ORDER BY c.id"
        ),
        [
            "-|Nora Native|nora@example.com|-|ours",
            "C2|Ben|ben@example.com|A3|keep me",
            "C1|Ann|ann@example.com|A1|-",
            "C3|Cy|-|-|-"
        ]
    );
    assert_eq!(rows(dir.path(), "PRAGMA foreign_key_check"), Vec::<String>::new());
    // A second time there is nothing to do, links included.
    run(dir.path(), &["plan"]).expect(0);
    run(dir.path(), &["verify"]).expect(0);
}

#[test]
fn a_row_that_was_edited_since_the_plan_is_left_alone_and_planned_anew() {
    let dir = project();
    plan(dir.path());
    Connection::open(dir.path().join("new.db"))
        .unwrap()
        .execute("UPDATE contacts SET memo = 'edited on Friday night' WHERE id = 11", [])
        .unwrap();
    let answer = run(dir.path(), &["migrate", "--plan", "plan.json", "--confirm", "new", "--json"]);
    let run_record = answer.json();
    let contacts = &run_record["results"][1];
    assert_eq!(contacts["mapping"], "contacts");
    assert_eq!(contacts["moved"], 1, "{run_record}");
    assert_eq!(contacts["closes"], true, "{run_record}");
    assert_eq!(
        rows(dir.path(), "SELECT name, memo FROM contacts WHERE id = 11"),
        ["Ben B|edited on Friday night"],
        "not overwritten"
    );
    // The next plan holds the row again, with the edit under it.
    let next = run(dir.path(), &["plan", "--out", "next.json", "--json"]).expect(1).json();
    assert_eq!(next["mappings"][1]["counts"]["updated"], 1, "{next}");
    run(dir.path(), &["migrate", "--plan", "next.json", "--confirm", "new"]).expect(0);
    assert_eq!(rows(dir.path(), "SELECT name, memo FROM contacts WHERE id = 11"), ["Ben|edited on Friday night"]);
}
