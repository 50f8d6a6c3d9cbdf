//! People who are erased between the runs of a mapping: the ledger forgets them, incremental plans do not bring them back,
//! and a run that wrote them is taken back without them.
use std::path::Path;

use crm_core::plan::ops::{Store, StoreWriter};
use rusqlite::Connection;
use serde_json::Value;

use super::erase::holders;
use crate::support::command::{folder, run};

const KEY: &str = "ZZKEY-77431";
/// What is planted, and must be nowhere in the state folder afterwards.
const PLANTED: [&str; 5] =
    [KEY, "Xanthippe-Quilleran", "xq.erased@planted.example", "Quilleran-Before", "Quilleran-Memo"];

/// What the run did with the erased person's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Did {
    Insert,
    Update,
    Delete,
}

const NATIVE: &str = "|Nora|nora@own.example|ours";

/// The target before the run.
fn before(did: Did) -> Vec<String> {
    let theirs = (did != Did::Insert).then_some("ZZKEY-77431|Quilleran-Before||Quilleran-Memo");
    let rows =
        [Some(NATIVE), Some("P2|two before||kept"), theirs, Some("P50|Gone|gone@x.example|"), Some("P7|seven||")];
    rows.into_iter().flatten().map(str::to_owned).collect()
}

/// The source, in a state that is told by a number.
fn people(theirs: bool, state: u32) -> Vec<[String; 4]> {
    let row = |id: &str, name: String| [id.to_owned(), name, format!("{}@x.example", id.to_lowercase()), String::new()];
    let mut rows: Vec<_> = (1..=8).map(|n| row(&format!("P{n}"), format!("Person {n}"))).collect();
    if theirs {
        rows.insert(3, [KEY, "Xanthippe-Quilleran", "xq.erased@planted.example", ""].map(str::to_owned));
    }
    for row in rows.iter_mut().take(state as usize) {
        row[1] = format!("Person renamed {state}");
        row[3] = format!("2026-01-0{}T00:00:00Z", state + 1);
    }
    for row in &mut rows {
        if row[3].is_empty() {
            "2026-01-01T00:00:00Z".clone_into(&mut row[3]);
        }
    }
    rows
}

struct Place {
    dir: tempfile::TempDir,
    kind: &'static str,
    cursor: bool,
}

impl Place {
    /// `cursor`: the source is a database that is read from a cursor's value on, else a text file.
    fn new(kind: &'static str, cursor: bool, did: Did) -> Self {
        let target = if kind == "sqlite" { "nova.db" } else { "nova" };
        let source =
            if cursor { "kind = \"sqlite\"\npath = \"legacy.db\"" } else { "kind = \"csv\"\npath = \"legacy\"" };
        let project =
            format!("[platforms.legacy]\n{source}\n[platforms.nova]\nkind = \"{kind}\"\npath = \"{target}\"\n");
        let more = if cursor { "cursor = \"CHANGED\"\n" } else { "" };
        let mapping = format!(
            "from = \"legacy:people\"\nto = \"nova:people\"\nkey = [\"legacy_id\"]\nscope = \"legacy_id IS NOT NULL\"\n\
             target_only = \"delete\"\n[fields]\nlegacy_id = \"ID\"\nname = \"NAME\"\nemail = {{ from = \"MAIL\", clean = [\"required\"] }}\n[run]\n\
             error_budget = \"90%\"\nmax_deletes = \"90%\"\n{more}"
        );
        let dir = folder(&[("project.toml", &project), ("mappings/people.toml", &mapping)]);
        std::fs::create_dir_all(dir.path().join("legacy")).unwrap();
        std::fs::create_dir_all(dir.path().join("nova")).unwrap();
        let place = Self { dir, kind, cursor };
        place.target(&before(did));
        place.source(did != Did::Delete, 0);
        place
    }
    fn root(&self) -> &Path {
        self.dir.path()
    }
    fn source(&self, theirs: bool, state: u32) {
        let rows = people(theirs, state);
        if self.cursor {
            let db = Connection::open(self.root().join("legacy.db")).unwrap();
            db.execute_batch(
                "CREATE TABLE IF NOT EXISTS people (ID TEXT PRIMARY KEY, NAME TEXT, MAIL TEXT, CHANGED TEXT) WITHOUT ROWID;",
            )
            .unwrap();
            for row in rows {
                db.execute("INSERT OR REPLACE INTO people VALUES (?1, ?2, ?3, ?4)", row).unwrap();
            }
        } else {
            let lines: String = rows.iter().map(|row| row.join(",") + "\n").collect();
            std::fs::write(self.root().join("legacy/people.csv"), format!("ID,NAME,MAIL,CHANGED\n{lines}")).unwrap();
        }
    }
    fn target(&self, rows: &[String]) {
        let cells: Vec<Vec<&str>> = rows.iter().map(|row| row.split('|').collect()).collect();
        match self.kind {
            "csv" => {
                let lines: String = cells.iter().map(|row| row.join(",") + "\n").collect();
                std::fs::write(self.root().join("nova/people.csv"), format!("legacy_id,name,email,memo\n{lines}"))
                    .unwrap();
            }
            "parquet" => {
                use polars::prelude::*;
                let column = |at: usize, name: &str| -> Column {
                    let cells: Vec<Option<&str>> =
                        cells.iter().map(|row| Some(row[at]).filter(|cell| !cell.is_empty())).collect();
                    Series::new(name.into(), cells).into()
                };
                let columns = vec![column(0, "legacy_id"), column(1, "name"), column(2, "email"), column(3, "memo")];
                let mut frame = DataFrame::new(rows.len(), columns).unwrap();
                let mut writer = StoreWriter::create(&self.root().join("nova/people.parquet"), frame.schema()).unwrap();
                writer.write(&mut frame).unwrap();
                writer.finish().unwrap();
            }
            _ => {
                let db = Connection::open(self.root().join("nova.db")).unwrap();
                db.execute_batch(
                    "CREATE TABLE people (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT, email TEXT, memo TEXT);",
                )
                .unwrap();
                for row in cells {
                    let cells: Vec<Option<&str>> =
                        row.into_iter().map(|cell| Some(cell).filter(|cell| !cell.is_empty())).collect();
                    let sql = "INSERT INTO people (legacy_id, name, email, memo) VALUES (?1, ?2, ?3, ?4)";
                    db.execute(sql, rusqlite::params_from_iter(cells)).unwrap();
                }
            }
        }
    }
    /// The rows of the target as its own platform has them.
    fn rows(&self) -> Vec<String> {
        match self.kind {
            "csv" => {
                let text = std::fs::read_to_string(self.root().join("nova/people.csv")).unwrap();
                text.lines().skip(1).map(|line| line.replace(',', "|")).collect()
            }
            "parquet" => {
                let store = Store::open(&self.root().join("nova/people.parquet")).unwrap();
                let frame = store.slice(0, store.rows() as usize, None).unwrap();
                let columns: Vec<_> = frame.columns().iter().map(|column| column.str().unwrap()).collect();
                let row = |at: usize| columns.iter().map(|column| column.get(at).unwrap_or("")).collect::<Vec<_>>();
                (0..frame.height()).map(|at| row(at).join("|")).collect()
            }
            _ => {
                let db = Connection::open(self.root().join("nova.db")).unwrap();
                let sql =
                    "SELECT ifnull(legacy_id, '') || '|' || ifnull(name, '') || '|' || ifnull(email, '') || '|' ||
                    ifnull(memo, '') FROM people ORDER BY id";
                let mut statement = db.prepare(sql).unwrap();
                let rows = statement.query_map([], |row| row.get(0)).unwrap();
                rows.map(Result::unwrap).collect()
            }
        }
    }
    fn plan(&self, mode: &str) -> Value {
        let plan = run(self.root(), &["plan", "--mode", mode, "--json"]);
        assert!([0, 1].contains(&plan.code), "{}{}", plan.out, plan.err);
        plan.json()
    }
    fn migrate(&self, plan: &Value) -> Value {
        let arguments = ["migrate", "--plan", plan["id"].as_str().unwrap(), "--confirm", "nova", "--json"];
        let done = run(self.root(), &arguments).expect(0).json();
        assert!(done["results"].as_array().unwrap().iter().all(|result| result["closes"] == true), "{done}");
        done
    }
    fn erase(&self) {
        assert!(!holders(self.root(), KEY).is_empty(), "{KEY} was planted and is nowhere: the test is blind");
        run(self.root(), &["erase", "people", KEY, "--confirm", KEY]).expect(0);
        self.nothing_left("erased");
    }
    #[track_caller]
    fn nothing_left(&self, when: &str) {
        for text in PLANTED {
            assert_eq!(holders(self.root(), text), Vec::<String>::new(), "{text}, {when} ({})", self.kind);
        }
    }
    fn entries(&self) -> i64 {
        let db = Connection::open(self.root().join(".crm-console/ledger/people.db")).unwrap();
        db.query_row("SELECT count(*) FROM entries", [], |row| row.get(0)).unwrap()
    }
    fn theirs(&self) -> Vec<String> {
        self.rows().into_iter().filter(|row| row.starts_with(KEY)).collect()
    }
}

#[test]
fn an_incremental_plan_does_not_bring_an_erased_person_back() {
    for (kind, cursor) in [("csv", false), ("sqlite", false), ("sqlite", true)] {
        let place = Place::new(kind, cursor, Did::Update);
        place.migrate(&place.plan("full"));
        place.source(true, 2);
        let plan = place.plan("incremental");
        assert!(plan["mappings"][0]["incremental"].is_object(), "{plan}");
        place.migrate(&plan);
        let (known, theirs) = (place.entries(), place.theirs());
        assert_eq!((known, theirs.len()), (9, 1), "{kind}");
        place.erase();
        assert_eq!(place.entries(), known - 1, "{kind}: the ledger forgets them");
        // Once as it is, once with changes around them and of themselves.
        for state in [2, 4] {
            place.source(true, state);
            for when in if state == 2 { &["first"][..] } else { &["first", "again"] } {
                let plan = place.plan("incremental");
                let part = &plan["mappings"][0];
                let what = format!("{kind}, cursor {cursor}, state {state}, {when}: {part}");
                assert!(part["incremental"].is_object(), "{what}");
                for name in ["inserted", "deleted", "rejected", "held"] {
                    assert_eq!(part["counts"][name], 0, "{name}: {what}");
                }
                let changed = if state == 4 && *when == "first" { 3 } else { 0 };
                assert_eq!(part["counts"]["updated"], changed, "{what}");
                place.migrate(&plan);
                place.nothing_left(&what);
                assert_eq!(place.theirs(), theirs, "{what}");
            }
        }
        // All of it looked at says the same.
        let plan = place.plan("full");
        let counts = &plan["mappings"][0]["counts"];
        assert_eq!((&counts["filtered"], &counts["unchanged"]), (&1.into(), &8.into()), "{kind}: {counts}");
        place.migrate(&plan);
        assert_eq!(place.theirs(), theirs, "{kind}");
        place.nothing_left("planned in full");
    }
}

#[test]
fn the_name_of_a_row_that_was_rejected_goes_from_the_ledger() {
    let place = Place::new("sqlite", true, Did::Update);
    let db = Connection::open(place.root().join("legacy.db")).unwrap();
    db.execute("UPDATE people SET MAIL = NULL WHERE ID = ?1", [KEY]).unwrap();
    let done = place.migrate(&place.plan("full"));
    assert_eq!(done["results"][0]["counts"]["rejected"], 1, "{done}");
    let ledger = ".crm-console/ledger/people.db".to_owned();
    assert!(holders(place.root(), KEY).contains(&ledger), "the row is noted there, to be read again");
    place.erase();
    for mode in ["incremental", "full"] {
        let plan = place.plan(mode);
        assert_eq!(plan["mappings"][0]["counts"]["rejected"], 0, "{plan}");
        place.migrate(&plan);
        place.nothing_left(mode);
    }
}

#[test]
fn a_run_is_taken_back_without_the_erased_and_says_so() {
    for kind in ["csv", "parquet", "sqlite"] {
        for did in [Did::Insert, Did::Update, Did::Delete] {
            let place = Place::new(kind, false, did);
            assert_eq!(place.rows(), before(did), "{kind}");
            let done = place.migrate(&place.plan("full"));
            let id = done["id"].as_str().unwrap();
            let theirs = place.theirs();
            assert_eq!(theirs.len(), usize::from(did != Did::Delete), "{kind} {did:?}");
            // A revert that was planned before they were erased is no more to be run.
            let early = run(place.root(), &["revert", id, "--json"]).expect(6).json();
            place.erase();
            let early = early["plan"]["id"].as_str().unwrap();
            let refused = run(place.root(), &["migrate", "--plan", early, "--confirm", "nova"]).expect(6);
            assert!(refused.err.contains("erased"), "{kind} {did:?}: {}", refused.err);

            let shown = run(place.root(), &["revert", id]).expect(6);
            let words = "1 row of the run not known any more";
            assert!(shown.out.contains(words), "{kind} {did:?}: {}\n{}", shown.out, shown.err);
            let shown = run(place.root(), &["revert", id, "--json"]).expect(6).json();
            let warnings = shown["plan"]["mappings"][0]["warnings"].to_string();
            assert!(warnings.contains(words), "{kind} {did:?}: {warnings}");
            place.migrate(&shown["plan"]);

            // All as before, but for them: what the run left of them stays as it is.
            let mut wanted: Vec<String> = before(did).into_iter().filter(|row| !row.starts_with(KEY)).collect();
            let mut found = place.rows();
            assert_eq!(place.theirs(), theirs, "{kind} {did:?}");
            if did == Did::Update && kind != "sqlite" {
                assert_eq!(found.iter().position(|row| row.starts_with(KEY)), Some(2), "{kind}: in its place");
            }
            found.retain(|row| !row.starts_with(KEY));
            if kind == "sqlite" {
                wanted.sort();
                found.sort();
            }
            assert_eq!(found, wanted, "{kind} {did:?}");
            place.nothing_left(&format!("taken back, {did:?}"));
        }
    }
}
