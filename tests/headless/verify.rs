//! `verify` and its repair, on published files and databases that somebody damaged.
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::command::{Answer, folder, run};

const MAPPING: &str = "from = \"old:people\"\nto = \"new:people\"\nkey = [\"id\"]\n\n[fields]\nid = \"ID\"\n\
                       name = { from = \"NAME\", clean = [\"trim\", \"required\"] }\nmail = { from = \"MAIL\", pii = true }\n\n\
                       [run]\nerror_budget = \"50%\"\n";
const OLD: &str = "ID,NAME,MAIL\n1, Ann ,ann@example.com\n2,Ben,ben@example.com\n3,Cyd,cyd@example.com\n4,,nobody@example.com\n5,Eve,eve@example.com\n";

fn project(target: &str) -> tempfile::TempDir {
    let platforms = format!("[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\n{target}\n");
    folder(&[("project.toml", &platforms), ("mappings/people.toml", MAPPING), ("old/people.csv", OLD)])
}

fn migrate(dir: &Path) {
    run(dir, &["plan", "--out", "plan.json"]).expect(1);
    run(dir, &["migrate", "--plan", "plan.json", "--confirm", "new"]).expect(0);
}

fn states(answer: &Value) -> [u64; 5] {
    let states = &answer["results"][0]["states"];
    ["validated", "mismatched", "missing_target", "missing_source", "suspended"]
        .map(|word| states[word].as_u64().unwrap())
}

fn failure<'v>(answer: &'v Value, key: &str) -> &'v Value {
    let failures = answer["results"][0]["failures"].as_array().unwrap();
    failures.iter().find(|failure| failure["key"] == key).unwrap_or_else(|| panic!("{key} in {answer}"))
}

/// Runs the repair that `answer` shows.
fn mend(dir: &Path, answer: &Answer) {
    let plan = answer.json()["repair"]["plan"]["id"].as_str().unwrap().to_owned();
    run(dir, &["migrate", "--plan", &plan]).expect(6);
    run(dir, &["migrate", "--plan", &plan, "--confirm", "new"]).expect(0);
}

#[test]
fn a_damaged_file_is_told_record_by_record_and_mended() {
    let dir = project("kind = \"csv\"\npath = \"new\"");
    std::fs::create_dir(dir.path().join("new")).unwrap();
    let target = dir.path().join("new/people.csv");
    std::fs::write(&target, "id,name,mail,memo\n2,x,x,old friend\n9,Nora,nora@example.com,native\n").unwrap();
    migrate(dir.path());
    let clean = run(dir.path(), &["verify", "--json"]).expect(1).json();
    assert_eq!(states(&clean), [4, 0, 0, 0, 1], "{clean}");
    assert_eq!(failure(&clean, "4")["state"], "suspended");
    // Ben's name and mail are wrong, Cyd's line is lost, somebody took a note beside Ann; the native changed.
    let published = std::fs::read_to_string(&target).unwrap();
    let damaged = published
        .replace("2,Ben,ben@example.com,old friend", "2,Bob,,old friend")
        .replace("3,Cyd,cyd@example.com,\n", "")
        .replace("1,Ann,ann@example.com,", "1,Ann,ann@example.com,met in May")
        .replace("9,Nora", "9,Norah");
    assert_ne!(damaged, published);
    std::fs::write(&target, &damaged).unwrap();
    let found = run(dir.path(), &["verify", "--json", "--values"]).expect(1).json();
    assert_eq!(states(&found), [2, 1, 1, 0, 1], "{found}");
    let ben = failure(&found, "2");
    assert_eq!((&ben["columns"][0], &ben["columns"][1]), (&"name".into(), &"mail".into()));
    assert_eq!(ben["cells"][0]["found"], "Bob");
    assert!(!ben.to_string().contains("ben@example.com"), "pii is masked: {ben}");
    let shown = run(dir.path(), &["verify", "--json", "--values", "--reveal"]).expect(1).json();
    assert_eq!(failure(&shown, "2")["cells"][1]["expected"], "ben@example.com");
    let text = run(dir.path(), &["verify"]).expect(1).out;
    assert!(text.contains("! 2  mismatched: name, mail") && text.contains("! 3  missing target"), "{text}");
    assert!(!text.contains("Bob"), "values are told only when asked for: {text}");

    let repair = run(dir.path(), &["verify", "--repair", "--json"]).expect(6);
    assert_eq!(std::fs::read_to_string(&target).unwrap(), damaged, "nothing is written before it is confirmed");
    mend(dir.path(), &repair);
    let mended = std::fs::read_to_string(&target).unwrap();
    for line in
        ["1,Ann,ann@example.com,met in May", "2,Ben,ben@example.com,old friend", "3,Cyd,cyd@example.com,", "9,Norah,"]
    {
        assert!(mended.lines().any(|known| known.starts_with(line)), "{line} in {mended}");
    }
    assert_eq!(mended.lines().count(), 6, "{mended}");
    let clean = run(dir.path(), &["verify", "--json"]).expect(1).json();
    assert_eq!(states(&clean), [4, 0, 0, 0, 1]);
    let nothing = run(dir.path(), &["verify", "--repair"]).expect(1).out;
    assert!(nothing.contains("nothing to repair"), "{nothing}");
}

#[test]
fn a_damaged_table_is_mended_and_what_is_not_mapped_stays() {
    let dir = project("kind = \"sqlite\"\npath = \"new.db\"");
    let db = Connection::open(dir.path().join("new.db")).unwrap();
    db.execute_batch(
        "CREATE TABLE people (no INTEGER PRIMARY KEY, id TEXT UNIQUE, name TEXT NOT NULL, mail TEXT, memo TEXT, seen INTEGER DEFAULT 0);
         CREATE TRIGGER seen AFTER UPDATE OF name ON people BEGIN UPDATE people SET seen = seen + 1 WHERE no = new.no; END;
         INSERT INTO people (no, id, name, memo) VALUES (7, NULL, 'Native', 'ours');",
    )
    .unwrap();
    migrate(dir.path());
    db.execute_batch(
        "UPDATE people SET name = 'Bob', memo = 'wrong name?' WHERE id = '2';
         UPDATE people SET mail = NULL WHERE id = '5';
         UPDATE people SET memo = 'met in May' WHERE id = '1';
         UPDATE people SET name = 'Still native' WHERE no = 7;
         DELETE FROM people WHERE id = '3';",
    )
    .unwrap();
    let repair = run(dir.path(), &["verify", "--repair", "--json"]).expect(6);
    let found = repair.json();
    assert_eq!(states(&found), [1, 2, 1, 0, 1], "{found}");
    assert_eq!(failure(&found, "5")["columns"], serde_json::json!(["mail"]));
    let counts = &found["repair"]["plan"]["mappings"][0]["counts"];
    assert_eq!((&counts["inserted"], &counts["updated"], &counts["deleted"]), (&1.into(), &2.into(), &0.into()));
    mend(dir.path(), &repair);
    let rows: Vec<String> = db
        .prepare("SELECT coalesce(id, '-'), name, coalesce(mail, '-'), coalesce(memo, '-') FROM people ORDER BY id")
        .unwrap()
        .query_map([], |row| Ok((0..4).map(|at| row.get::<_, String>(at)).collect::<Result<Vec<_>, _>>()?.join("|")))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        rows,
        [
            "-|Still native|-|ours",
            "1|Ann|ann@example.com|met in May",
            "2|Ben|ben@example.com|wrong name?",
            "3|Cyd|cyd@example.com|-",
            "5|Eve|eve@example.com|-",
        ]
    );
    let clean = run(dir.path(), &["verify", "--json"]).expect(1).json();
    assert_eq!(states(&clean), [4, 0, 0, 0, 1]);
    // A column that is gone is no reason to fail, nor to write: the mapping cannot be verified any more, and that is said.
    db.execute_batch("DROP TRIGGER seen; ALTER TABLE people DROP COLUMN mail").unwrap();
    let refused = run(dir.path(), &["verify", "--repair"]).expect(2);
    assert!(refused.err.contains("mail"), "{}", refused.err);
}
