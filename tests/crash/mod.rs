//! Engines that are killed at a named point: each target is as before or fully published, never in between; the next
//! command says which, and the next run ends what is left.
mod control;
mod faults;
mod other_runs;
mod random;
mod scene;

use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::command::{Answer, folder, run, run_with};

const MAPPING: &str = "from = \"old:contacts\"\nto = \"new:contacts\"\nkey = [\"legacy_id\"]\n\n[fields]\nlegacy_id = \"ID\"\nname = \"NAME\"\n";
const OLD: &str = "ID,NAME\nC1,Ann\nC2,Ben\nC3,Cy\n";

/// Points that every run passes, in order, and whether the target is published when the engine dies there.
const POINTS: [(&str, bool); 9] = [
    ("before-batch:1", false),
    ("before-batch:2", false),
    ("before-intent", false),
    ("before-publish", false),
    ("after-publish", true),
    ("before-crosswalk", true),
    ("after-crosswalk", true),
    ("before-verify", true),
    ("before-report", true),
];

/// A target of one kind.
struct Target {
    project: &'static str,
    make: fn(&Path),
    /// All of it, in order.
    rows: fn(&Path) -> Vec<String>,
    before: &'static [&'static str],
    after: &'static [&'static str],
    points: &'static [(&'static str, bool)],
}

const CSV: Target = Target {
    project: "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"csv\"\npath = \"new\"\n",
    make: |dir| {
        std::fs::create_dir(dir.join("new")).unwrap();
        std::fs::write(dir.join("new/contacts.csv"), "legacy_id,name,memo\nC2,B,ours\nN,Nora,own\n").unwrap();
    },
    rows: |dir| std::fs::read_to_string(dir.join("new/contacts.csv")).unwrap().lines().map(str::to_owned).collect(),
    before: &["legacy_id,name,memo", "C2,B,ours", "N,Nora,own"],
    after: &["legacy_id,name,memo", "C2,Ben,ours", "N,Nora,own", "C1,Ann,", "C3,Cy,"],
    // What was promised is completed by whoever looks next.
    points: &[("after-intent", true), ("after-rename", true)],
};

const SQLITE: Target = Target {
    project: "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"sqlite\"\npath = \"new.db\"\n",
    make: |dir| {
        let sql = "CREATE TABLE contacts (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT, memo TEXT);
             INSERT INTO contacts VALUES (7, 'C2', 'B', 'ours'), (8, 'N', 'Nora', 'own');";
        Connection::open(dir.join("new.db")).unwrap().execute_batch(sql).unwrap();
    },
    rows: |dir| {
        let db = Connection::open(dir.join("new.db")).unwrap();
        let sql = "SELECT id || '|' || legacy_id || '|' || name || '|' || ifnull(memo, '-') FROM contacts ORDER BY id";
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    },
    before: &["7|C2|B|ours", "8|N|Nora|own"],
    after: &["7|C2|Ben|ours", "8|N|Nora|own", "9|C1|Ann|-", "10|C3|Cy|-"],
    points: &[("before-commit", false), ("after-commit", true)],
};

/// A project whose plan inserts two rows and updates one.
fn project(target: &Target) -> tempfile::TempDir {
    let files = [("project.toml", target.project), ("mappings/contacts.toml", MAPPING), ("old/contacts.csv", OLD)];
    let dir = folder(&files);
    (target.make)(dir.path());
    dir
}

fn migrate(dir: &Path, env: &[(&str, &str)]) -> Answer {
    run(dir, &["plan", "--out", "plan.json", "--json"]);
    run_with(dir, &["migrate", "--plan", "plan.json", "--confirm", "new", "--json"], env)
}

fn newest(dir: &Path) -> Value {
    run(dir, &["runs", "--json"]).expect(0).lines().remove(0)
}

#[track_caller]
fn dies_everywhere(target: &Target) {
    for (point, published) in POINTS.iter().chain(target.points) {
        let dir = project(target);
        let dir = dir.path();
        let fault = format!("exit-at:{point}");
        // Whoever follows the run sees the engine's end, looks after it, and says so.
        migrate(dir, &[("CRM_CONSOLE_FAULT", &fault)]).expect(4);
        let found = (target.rows)(dir);
        assert_eq!(found, if *published { target.after } else { target.before }, "{point}");
        let newest = newest(dir);
        assert_eq!(newest["state"], "crashed", "{point}");
        let note = newest["note"].as_str().unwrap();
        let words = if *published { "new:contacts: published whole" } else { "new:contacts: as it was before" };
        assert!(note.contains(words), "{point}: {note}");
        assert_eq!(newest["results"][0]["published"], *published, "{point}");
        if *published {
            let counts = &newest["results"][0]["counts"];
            assert_eq!((&counts["inserted"], &counts["updated"]), (&2.into(), &1.into()), "{point}");
            assert_eq!(newest["results"][0]["closes"], true, "{point}");
            let keys = Connection::open(dir.join(".crm-console/crosswalk/default.db")).unwrap();
            let keys: i64 = keys.query_row("SELECT count(*) FROM crosswalk", [], |row| row.get(0)).unwrap();
            assert!(keys >= 2, "{point}: the crosswalk knows what was inserted");
        }
        let left: Vec<_> = std::fs::read_dir(dir.join("new")).into_iter().flatten().flatten().collect();
        assert!(left.len() <= 1, "{point}: nothing staged stays behind: {left:?}");
        // Another attempt ends what is left, and the run after it finds nothing to do.
        let id = newest["id"].as_str().unwrap();
        let done = run(dir, &["resume", id, "--json"]).expect(0).json();
        assert_eq!((&done["state"], &done["attempt"]), (&"done".into(), &2.into()), "{point}");
        assert_eq!(
            (&done["results"][0]["counts"]["inserted"], &done["results"][0]["closes"]),
            (&2.into(), &true.into())
        );
        assert_eq!((target.rows)(dir), target.after, "{point}");
        run(dir, &["resume", id]).expect(2);
        {
            let done = migrate(dir, &[]).expect(0).json();
            assert_eq!((&done["state"], &done["results"][0]["closes"]), (&"done".into(), &true.into()), "{point}");
            assert_eq!((target.rows)(dir), target.after, "{point}");
        }
    }
}

#[test]
fn a_file_is_old_or_new() {
    dies_everywhere(&CSV);
}

#[test]
fn a_database_is_old_or_new() {
    dies_everywhere(&SQLITE);
}
