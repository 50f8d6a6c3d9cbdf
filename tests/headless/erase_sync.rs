//! A person is erased from what a sync loop keeps: its store, the cycles it keeps to be taken back; and stays away.
use std::path::Path;

use rusqlite::Connection;

use super::erase::holders;
use crate::support::command::{folder, run};

/// Planted, and nowhere afterwards.
const PLANTED: [&str; 5] =
    ["ZZKEY-77431", "Xanthippe-Quilleran", "xq.erased@planted.example", "Obelisk-Notiz-QX", "Xanthippe-Before"];

const PROJECT: &str =
    "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"KIND\"\npath = \"new\"\n";
const PEOPLE: &str = "from = \"old:people\"\nto = \"new:people\"\nkey = [\"legacy_id\"]\nscope = \"legacy_id IS NOT NULL\"\n\n[fields]\n\
    legacy_id = { from = \"ID\", clean = [\"trim\"] }\nname = \"NAME\"\nemail = { from = \"MAIL\", clean = [\"lower\"] }\n\
    stage = { from = \"STAGE\", values = { a = \"A\", b = \"B\" } }\n\n[run]\nerror_budget = \"90%\"\n\n\
    [sync]\ntrigger = \"observe\"\nevery = \"1s\"\n";

fn people(name: &str, stage: &str, round: u32) -> String {
    let mut text = String::from("ID,NAME,MAIL,STAGE,NOTE\n");
    for n in 0..20 {
        text.push_str(&format!("P{n},Person {n} {},p{n}@x.example,a,note {n}\n", if n == 1 { round } else { 0 }));
    }
    text.push_str(&format!(" ZZKEY-77431 ,{name},XQ.erased@planted.example,{stage},Obelisk-Notiz-QX\n"));
    text
}

fn change(root: &Path, name: &str, stage: &str, round: u32) {
    std::fs::write(root.join("old/people.csv"), people(name, stage, round)).unwrap();
    run(root, &["sync", "--once"]).expect(0);
}

fn store(root: &Path) -> Connection {
    Connection::open(root.join(".crm-console/sync/default.db")).unwrap()
}

fn project(kind: &str) -> tempfile::TempDir {
    let dir = folder(&[
        ("project.toml", &PROJECT.replace("KIND", kind)),
        ("mappings/people.toml", PEOPLE),
        ("old/people.csv", &people("Xanthippe-Before", "a", 0)),
    ]);
    let root = dir.path();
    if kind == "sqlite" {
        let sql = "CREATE TABLE people (id INTEGER PRIMARY KEY, legacy_id TEXT, name TEXT, email TEXT, stage TEXT)";
        Connection::open(root.join("new")).unwrap().execute_batch(sql).unwrap();
    } else {
        std::fs::create_dir(root.join("new")).unwrap();
        std::fs::write(root.join("new/people.csv"), "legacy_id,name,email,stage\n").unwrap();
    }
    let plan = run(root, &["plan", "--json"]).expect(1).json();
    run(root, &["migrate", "--plan", plan["id"].as_str().unwrap(), "--confirm", "new"]).expect(0);
    run(root, &["sync", "--once"]).expect(0);
    // Written by a cycle, then left out by one that wrote another record.
    change(root, "Xanthippe-Quilleran", "b", 1);
    change(root, "Xanthippe-Quilleran", "nobody knows", 2);
    // What a plan holds that takes all of it back.
    run(root, &["revert", "--sync", "people", "--since", "-1h"]).expect(6);
    // What two ways and pushes leave.
    let field = |name: &str| {
        format!("[{{\"field\":\"name\",\"base\":null,\"source\":\"{name}\",\"target\":\"Q\",\"take\":null}}]")
    };
    let db = store(root);
    for (key, state, name) in [
        ("ZZKEY-77431", "open", "Xanthippe-Quilleran"),
        ("ZZKEY-77431", "settled", "Xanthippe-Before"),
        ("P4", "open", "Four"),
    ] {
        let sql = "INSERT INTO conflicts (mapping, key, at, state, fields) VALUES ('people', ?1, 1, ?2, ?3)";
        db.execute(sql, [key, state, &field(name)]).unwrap();
    }
    for (record, name) in [
        ("{\"ID\":\"ZZKEY-77431\",\"NAME\":\"Xanthippe-Quilleran\"}", "one"),
        ("{\"ID\":\"P5\",\"NAME\":\"Five\"}", "two"),
        ("{}", "people/ZZKEY-77431/7"),
    ] {
        let sql = "INSERT INTO pushed (mapping, kind, record, idempotency, seen, done) VALUES ('people', 'put', ?1, ?2, 1, 2)";
        db.execute(sql, [record, name]).unwrap();
    }
    let order = "INSERT INTO orders (at, who, mapping, what) VALUES (1, 'anna', 'people', ?1)";
    db.execute(order, ["{\"do\":\"resync\",\"keys\":[\"ZZKEY-77431\",\"P6\"]}"]).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    dir
}

#[test]
fn nothing_of_an_erased_person_is_left_where_sync_keeps_things() {
    for kind in ["sqlite", "csv"] {
        let dir = project(kind);
        let root = dir.path();
        for text in ["ZZKEY-77431", "Xanthippe-Before"] {
            let found = holders(root, text);
            let places = ["sync/default.db", "sync/cycles", "/span/"];
            for place in &places[..if text == "ZZKEY-77431" { 3 } else { 2 }] {
                assert!(found.iter().any(|path| path.contains(place)), "{text} is not in {place}: {found:?} ({kind})");
            }
        }
        let shown = run(root, &["erase", "people", "ZZKEY-77431", "--json"]).expect(6).json();
        let done = run(root, &["erase", "people", "ZZKEY-77431", "--confirm", "ZZKEY-77431", "--json"]);
        let done = done.expect(0).json();
        assert_eq!(shown["removed"], done["removed"], "what was shown is what went");
        let removed = done["removed"].as_array().unwrap();
        assert!(removed.iter().any(|part| part["what"] == "events, conflicts and pushed records"), "{done}");
        for text in PLANTED {
            assert_eq!(holders(root, text), Vec::<String>::new(), "{text} ({kind})");
        }
        // What others have stays, and the times of what was done.
        let db = store(root);
        let count = |sql: &str| db.query_row::<i64, _, _>(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM conflicts WHERE key = 'P4'"), 1);
        assert_eq!(count("SELECT count(*) FROM pushed"), 1);
        assert_eq!(count("SELECT count(*) FROM events WHERE key = 'P1'"), 2);
        assert_eq!(count("SELECT count(*) FROM events WHERE key IS NULL AND done IS NOT NULL"), 1);
        assert_eq!(count("SELECT count(*) FROM orders WHERE what LIKE '%P6%' AND what LIKE '%(erased)%'"), 1);
        drop(db);
        // They change once more; the loop looks at everything and takes only the others along.
        change(root, "Xanthippe-Quilleran", "a", 3);
        run(root, &["resync", "people"]).expect(0);
        run(root, &["sync", "--once"]).expect(0);
        for text in PLANTED {
            assert_eq!(holders(root, text), Vec::<String>::new(), "{text} came back ({kind})");
        }
        let rows = run(root, &["show", "new:people", "--json"]).expect(0).out;
        assert!(rows.contains("Person 1 3"), "the others are carried over: {rows}");
        assert!(!rows.contains("\"stage\":\"nobody"), "{rows}");
    }
}
