//! A person is erased: no file of the state folder holds anything of them, and they do not come back.
use std::path::{Path, PathBuf};

use crm_core::plan::ops::Store;
use rusqlite::Connection;

use crate::support::command::{folder, run};

/// What is planted, and must be nowhere afterwards. Distinct enough that nothing else can look like it.
const PLANTED: [&str; 6] = [
    "ZZKEY-77431",
    "Xanthippe-Quilleran",
    "xq.erased@planted.example",
    "+4999955512399",
    "Obelisk-Notiz-QX",
    "Raw-QX-Zeile",
];

const PROJECT: &str = "
[platforms.legacy]
kind = \"csv\"
path = \"legacy\"
[platforms.nova]
kind = \"sqlite\"
path = \"nova.db\"
[targets.\"nova:people\"]
id = \"id\"
[targets.\"nova:orders\"]
id = \"id\"
";
const PEOPLE: &str = "
from = \"legacy:people\"
to = \"nova:people\"
key = [\"legacy_id\"]
scope = \"legacy_id IS NOT NULL\"
[run]
error_budget = \"90%\"
[fields]
legacy_id = { from = \"ID\", clean = [\"trim\"] }
name = { from = \"NAME\" }
email = { from = \"MAIL\", clean = [\"lower\"] }
phone = { from = \"PHONE\" }
stage = { from = \"STAGE\", values = { a = \"A\", b = \"B\" } }
";
const ORDERS: &str = "
from = \"legacy:orders\"
to = \"nova:orders\"
key = [\"no\"]
[run]
error_budget = \"90%\"
[fields]
no = \"NO\"
person_id = { from = \"WHO\", link = \"people\", on_miss = \"defer\" }
what = \"WHAT\"
";

fn people(stage: &str) -> String {
    let mut text = String::from("ID,NAME,MAIL,PHONE,STAGE,NOTE\n");
    for n in 0..40 {
        text.push_str(&format!("P{n},Person {n},p{n}@x.example,+49{n},a,note {n}\n"));
    }
    text.push_str(&format!(
        " ZZKEY-77431 ,Xanthippe-Quilleran,XQ.erased@planted.example,+4999955512399,{stage},Obelisk-Notiz-QX\n"
    ));
    // A line that is no row, and names them.
    text.push_str("ZZKEY-77431,Raw-QX-Zeile\nP40,Person 40,p40@x.example,,a,\n");
    text
}

fn project(stage: &str) -> tempfile::TempDir {
    let dir = folder(&[
        ("project.toml", PROJECT),
        ("mappings/people.toml", PEOPLE),
        ("mappings/orders.toml", ORDERS),
        ("legacy/people.csv", &people(stage)),
        ("legacy/orders.csv", "NO,WHO,WHAT\n1,P1,tea\n2,ZZKEY-77431,coffee\n3,P3,milk\n4,P4,cocoa\n"),
    ]);
    let db = Connection::open(dir.path().join("nova.db")).unwrap();
    db.execute_batch(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, legacy_id TEXT, name TEXT, email TEXT, phone TEXT, stage TEXT);
         CREATE TABLE orders (id INTEGER PRIMARY KEY, no TEXT, person_id INTEGER, what TEXT);
         INSERT INTO people (legacy_id, name, email) VALUES ('P5', 'old', 'old@x.example');
         INSERT INTO people (legacy_id, name, phone) VALUES ('ZZKEY-77431', 'Xanthippe-Quilleran', 'before');",
    )
    .unwrap();
    dir
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Files of the state folder that hold the text: their bytes, and what table files hold when they are read.
pub(crate) fn holders(root: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut all = Vec::new();
    files(&root.join(".crm-console"), &mut all);
    for path in all {
        let bytes = std::fs::read(&path).unwrap();
        let lower = bytes.to_ascii_lowercase();
        let mut holds = lower.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()));
        if path.extension().is_some_and(|extension| extension == "parquet") {
            let store = Store::open(&path).unwrap();
            let frame = store.slice(0, store.rows() as usize, None).unwrap();
            for column in frame.columns() {
                let Ok(cells) = column.str() else { continue };
                holds |= cells.iter().flatten().any(|cell| cell.to_lowercase().contains(&text.to_lowercase()));
            }
        }
        if holds {
            found.push(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
    found
}

fn plan_and_run(root: &Path) -> serde_json::Value {
    let plan = run(root, &["plan", "--json"]).json();
    let id = plan["id"].as_str().unwrap();
    run(root, &["migrate", "--plan", id, "--confirm", "nova", "--json"]).expect(0).json()
}

#[test]
fn nothing_of_an_erased_person_is_left_in_any_file() {
    // Once carried over, once rejected.
    for stage in ["b", "nobody knows"] {
        let dir = project(stage);
        let root = dir.path();
        let first = plan_and_run(root);
        let carried = stage == "b";
        run(root, &["profile", "legacy:people"]).expect(0);
        run(root, &["profile", "nova:people"]).expect(0);
        run(root, &["verify"]);
        run(root, &["rejects", "list"]).expect(0);
        // Something of them changes, so that there are two snapshots and a second plan.
        let changed = people(stage).replace("P40,Person 40", "P40,Person Forty");
        std::fs::write(root.join("legacy/people.csv"), changed).unwrap();
        let stale = run(root, &["plan", "--json"]).json();
        for text in PLANTED {
            assert!(!holders(root, text).is_empty(), "{text} was planted and is nowhere: the test is blind");
        }

        let shown = run(root, &["erase", "people", "ZZKEY-77431", "--json"]).expect(6);
        let shown = shown.json();
        assert_eq!(shown["done"], false);
        assert!(!holders(root, "Xanthippe-Quilleran").is_empty(), "without consent nothing goes");
        run(root, &["erase", "people", "ZZKEY-77431", "--confirm", "other"]).expect(6);
        let done = run(root, &["erase", "ZZKEY-77431", "--confirm", "ZZKEY-77431", "--json"]).expect(0).json();
        assert_eq!(shown["removed"], done["removed"], "what was shown is what went");
        for text in PLANTED {
            assert_eq!(holders(root, text), Vec::<String>::new(), "{text} ({stage})");
        }
        assert!(!holders(root, "Person 7").is_empty(), "others stay");

        // What was planned from their rows is not run any more, and says why.
        let stale = stale["id"].as_str().unwrap();
        let refused = run(root, &["migrate", "--plan", stale, "--confirm", "nova"]).expect(6);
        assert!(refused.err.contains("erased"), "{}", refused.err);
        run(root, &["verify", first["id"].as_str().unwrap()]).expect(6);

        // They are still in the old CRM and, in the new one, untouched; the console reads both again and keeps neither.
        let plan = run(root, &["plan", "--json"]).json();
        let counts = &plan["mappings"][0]["counts"];
        assert_eq!(counts["filtered"], 1, "{counts}");
        assert_eq!(counts["deleted"], 0);
        let again = plan_and_run(root);
        assert!(again["results"].as_array().unwrap().iter().all(|result| result["closes"] == true), "{again}");
        run(root, &["verify"]);
        run(root, &["profile", "legacy:people"]).expect(0);
        for text in PLANTED {
            assert_eq!(holders(root, text), Vec::<String>::new(), "{text} came back ({stage})");
        }
        let db = Connection::open(root.join("nova.db")).unwrap();
        let phone: String =
            db.query_row("SELECT phone FROM people WHERE legacy_id = 'ZZKEY-77431'", [], |row| row.get(0)).unwrap();
        assert_eq!(phone, if carried { "+4999955512399" } else { "before" }, "the platform keeps what it has");
        let audit = run(root, &["audit"]).expect(0).out;
        assert!(audit.contains("erased") && !audit.contains("ZZKEY"), "{audit}");
    }
}

#[test]
fn a_key_that_is_not_clear_is_asked_about() {
    let dir = project("b");
    let root = dir.path();
    std::fs::write(root.join("legacy/orders.csv"), "NO,WHO,WHAT\nP7,P1,tea\n").unwrap();
    run(root, &["plan"]).expect(1);
    let unclear = run(root, &["erase", "P7"]).expect(2);
    assert!(unclear.err.contains("people") && unclear.err.contains("orders"), "{}", unclear.err);
    run(root, &["erase", "nobody"]).expect(2);
    run(root, &["erase", "nothing", "P7"]).expect(2);
    run(root, &["erase", "legacy:people", "P7"]).expect(6);
    // Somebody who was never seen can be kept out beforehand.
    run(root, &["erase", "people", "P99", "--confirm", "P99"]).expect(0);
    let mut text = std::fs::read_to_string(root.join("legacy/people.csv")).unwrap();
    text.push_str("P99,Late Person,late@x.example,,a,\n");
    std::fs::write(root.join("legacy/people.csv"), text).unwrap();
    let plan = run(root, &["plan", "people", "--json"]).expect(1).json();
    assert_eq!(plan["mappings"][0]["counts"]["filtered"], 1);
    assert_eq!(holders(root, "late@x.example"), Vec::<String>::new());
}

#[test]
fn nobody_is_erased_under_an_engine_at_work() {
    let dir = project("b");
    let root = dir.path();
    plan_and_run(root);
    // What an engine does for as long as it lives.
    let lock = std::fs::File::options().write(true).open(root.join(".crm-console/locks/default.people.lock")).unwrap();
    lock.lock().unwrap();
    run(root, &["erase", "people", "ZZKEY-77431", "--confirm", "ZZKEY-77431"]).expect(7);
    assert!(!holders(root, "Xanthippe-Quilleran").is_empty(), "nothing went");
    drop(lock);
    run(root, &["erase", "people", "ZZKEY-77431", "--confirm", "ZZKEY-77431"]).expect(0);
    assert_eq!(holders(root, "Xanthippe-Quilleran"), Vec::<String>::new());
}

#[test]
fn what_was_not_found_by_its_place_is_found_by_what_it_says() {
    let dir = project("b");
    let root = dir.path();
    plan_and_run(root);
    // A file that nobody thought of.
    let copy = root.join(".crm-console/logs/copy.txt");
    std::fs::write(&copy, "for later: XQ.erased@planted.example, nothing else").unwrap();
    let erased = run(root, &["erase", "people", "ZZKEY-77431", "--confirm", "ZZKEY-77431"]).expect(3);
    assert!(erased.err.contains("copy.txt") && !erased.err.contains("XQ.erased"), "{}", erased.err);
    std::fs::remove_file(&copy).unwrap();
    run(root, &["erase", "people", "ZZKEY-77431", "--confirm", "ZZKEY-77431"]).expect(0);
}
