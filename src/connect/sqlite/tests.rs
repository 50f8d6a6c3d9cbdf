#![allow(clippy::unwrap_used)]
use std::path::Path;

use polars::prelude::{Column, DataFrame, NamedFrom, Series};
use rusqlite::Connection;

use crm_core::Kind;
use crm_core::monitor::Silent;
use crm_core::platform::{
    ChangeBatch, ChangeKind, Connector, LOCATOR, ReadOptions, RowResult, Source, TargetWriter, WriteContext,
};
use crm_core::table::hash::row_hash;

use super::Sqlite;

struct Fixture {
    dir: tempfile::TempDir,
    sqlite: Sqlite,
}

type Cells = Vec<Option<String>>;

fn cells(row: &[&str]) -> Cells {
    row.iter().map(|cell| (*cell != "NULL").then(|| (*cell).to_owned())).collect()
}

impl Fixture {
    fn new(sql: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crm.db");
        if !sql.is_empty() {
            Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        }
        Self { sqlite: Sqlite::new(path), dir }
    }
    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("crm.db")
    }
    fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
    fn run_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("runs/r1")
    }
    fn context(&self, object: &str, columns: &[&str]) -> WriteContext {
        WriteContext {
            run_dir: self.run_dir(),
            planned: self.sqlite.version(object).unwrap(),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
    fn writer(&self, object: &str, columns: &[&str]) -> Box<dyn TargetWriter> {
        self.sqlite.write(object, &self.context(object, columns)).unwrap()
    }
    fn frame(&self, source: &Source) -> DataFrame {
        let mut reader = self.sqlite.read(source, &ReadOptions { batch_rows: 3, limit: None }).unwrap();
        let mut all: Option<DataFrame> = None;
        while let Some(batch) = reader.next_batch().unwrap() {
            match &mut all {
                None => all = Some(batch.frame),
                Some(frame) => drop(frame.vstack_mut(&batch.frame).unwrap()),
            }
        }
        all.unwrap_or_default()
    }
    fn table(&self, object: &str) -> DataFrame {
        self.frame(&Source::Object(object.to_owned()))
    }
    fn rows(&self, object: &str) -> Vec<Cells> {
        rows(&self.table(object))
    }
    /// One change a row of the snapshot: (ordinal, kind, new values of the mapped columns).
    fn batch(&self, object: &str, columns: &[&str], changes: &[(u64, ChangeKind, &[&str])]) -> ChangeBatch {
        let snapshot = self.table(object);
        let names: Vec<String> =
            self.sqlite.schema(&Source::Object(object.into())).unwrap().names().map(Into::into).collect();
        let hashes = row_hash(&snapshot, &names).unwrap();
        let locators = snapshot.column(LOCATOR).unwrap().str().unwrap().clone();
        let at = |ordinal: u64| locators.get(ordinal as usize).unwrap().to_owned();
        let values: Vec<Vec<&str>> = changes.iter().map(|(_, _, values)| values.to_vec()).collect();
        ChangeBatch {
            kinds: changes.iter().map(|(_, kind, _)| *kind).collect(),
            ordinals: changes.iter().map(|(ordinal, _, _)| *ordinal).collect(),
            locators: Some(changes.iter().map(|(ordinal, _, _)| at(*ordinal)).collect()),
            expected: changes.iter().map(|(ordinal, _, _)| hashes[*ordinal as usize]).collect(),
            values: frame(columns, &values),
        }
    }
}

fn frame(columns: &[&str], rows: &[Vec<&str>]) -> DataFrame {
    let column = |(index, name): (usize, &&str)| {
        let cells: Vec<Option<&str>> =
            rows.iter().map(|row| row.get(index).copied().filter(|cell| *cell != "NULL")).collect();
        Column::from(Series::new((*name).into(), cells))
    };
    DataFrame::new(rows.len(), columns.iter().enumerate().map(column).collect()).unwrap()
}

fn rows(frame: &DataFrame) -> Vec<Cells> {
    (0..frame.height())
        .map(|row| frame.columns().iter().map(|column| column.str().unwrap().get(row).map(str::to_owned)).collect())
        .collect()
}

fn written(identity: &str) -> RowResult {
    RowResult::Written(Some(identity.to_owned()))
}

fn reason(result: &RowResult) -> &str {
    match result {
        RowResult::Refused(reason) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

const CRM: &str = "
CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT NOT NULL, revenue REAL, code TEXT DEFAULT 'none');
CREATE TABLE contacts (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT NOT NULL, age INTEGER,
    account_id INTEGER REFERENCES accounts(id) ON DELETE CASCADE, note TEXT,
    label TEXT GENERATED ALWAYS AS (name || '!') STORED);
CREATE INDEX contacts_name ON contacts (name);
CREATE TABLE audit (what TEXT, id INTEGER);
CREATE TRIGGER contacts_logged AFTER UPDATE ON contacts BEGIN INSERT INTO audit VALUES ('update', new.id); END;
CREATE VIEW names AS SELECT name FROM contacts;
INSERT INTO accounts (id, name, revenue) VALUES (1, 'Acme', 1054.04), (2, 'Böhm', 100.0);
INSERT INTO contacts (id, legacy_id, name, age, account_id, note) VALUES
    (1, 'A', 'Ann', 40, 1, 'native'), (2, 'B', 'Bob', NULL, 2, ''), (5, 'C', 'Cid', 7, NULL, NULL);
";

#[test]
fn reads_every_kind_of_value_as_text() {
    let fixture = Fixture::new(
        "CREATE TABLE v (a, b);
         INSERT INTO v VALUES (1, '007'), (1.5, NULL), (100.0, ''), (1e300, x'00ff'), (-9223372036854775808, 'äß'),
                              (0.1, CAST(x'ff41' AS TEXT)), (9e999, -0.0);",
    );
    let expected: Vec<Cells> = [
        ["1", "007", "1"],
        ["1.5", "NULL", "2"],
        ["100", "", "3"],
        ["1e300", "x'00ff'", "4"],
        ["-9223372036854775808", "äß", "5"],
        ["0.1", "x'ff41'", "6"],
        ["Inf", "0", "7"],
    ]
    .iter()
    .map(|row| cells(row))
    .collect();
    assert_eq!(fixture.rows("v"), expected);
}

#[test]
fn schema_and_capabilities_come_from_the_catalog() {
    let fixture = Fixture::new(CRM);
    let schema = fixture.sqlite.schema(&Source::Object("contacts".into())).unwrap();
    let flags: Vec<_> = schema
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.declared.as_str(), column.required, column.key, column.generated))
        .collect();
    assert_eq!(
        flags,
        [
            ("id", "INTEGER", false, true, true),
            ("legacy_id", "TEXT", false, false, false),
            ("name", "TEXT", true, false, false),
            ("age", "INTEGER", false, false, false),
            ("account_id", "INTEGER", false, false, false),
            ("note", "TEXT", false, false, false),
            ("label", "TEXT", false, false, true),
        ]
    );
    let contacts = fixture.sqlite.capabilities("contacts").unwrap();
    assert!(contacts.write && contacts.atomic && contacts.revertible && contacts.null);
    assert_eq!(contacts.identity.as_deref(), Some("id"));
    assert_eq!(contacts.side_effects, ["trigger contacts_logged fires on update"]);
    let accounts = fixture.sqlite.capabilities("accounts").unwrap();
    assert_eq!(
        accounts.side_effects,
        ["a delete waits for rows of contacts (account_id) that point to it, and takes none along"]
    );
    assert!(!fixture.sqlite.capabilities("names").unwrap().write);
    let names: Vec<String> = fixture.sqlite.objects().unwrap().into_iter().map(|object| object.name).collect();
    assert_eq!(names, ["accounts", "audit", "contacts", "names"]);
}

#[test]
fn reads_a_query_with_its_id_and_refuses_one_that_writes() {
    let fixture = Fixture::new(CRM);
    let query = |sql: &str, id: Option<&str>| Source::Query { sql: sql.into(), id: id.map(Into::into) };
    let frame =
        fixture.frame(&query("SELECT legacy_id, upper(name) AS n FROM contacts ORDER BY id DESC", Some("legacy_id")));
    assert_eq!(rows(&frame)[0], cells(&["C", "CID", "C"]));
    for (sql, id) in [
        ("DELETE FROM contacts", None),
        ("SELECT 1; DELETE FROM contacts", None),
        ("SELECT nme FROM contacts", None),
        ("SELECT name FROM contacts", Some("id")),
        ("SELECT name, name FROM contacts", None),
    ] {
        let error = fixture.sqlite.read(&query(sql, id), &ReadOptions::default()).err().unwrap();
        assert_eq!(error.kind(), Kind::Usage, "{sql}: {error}");
    }
    assert_eq!(fixture.rows("contacts").len(), 3);
}

#[test]
fn a_reader_sees_one_moment_and_leaves_the_database_free() {
    let fixture = Fixture::new("PRAGMA journal_mode = WAL; CREATE TABLE t (a TEXT);");
    let connection = fixture.raw();
    connection.execute_batch("INSERT INTO t VALUES ('1'), ('2'), ('3'), ('4'), ('5')").unwrap();
    let options = ReadOptions { batch_rows: 1, limit: None };
    let mut reader = fixture.sqlite.read(&Source::Object("t".into()), &options).unwrap();
    reader.next_batch().unwrap();
    connection.execute_batch("INSERT INTO t VALUES ('6')").unwrap();
    let mut count = 1;
    while reader.next_batch().unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 5);
    let limited = ReadOptions { batch_rows: 2, limit: Some(3) };
    let mut reader = fixture.sqlite.read(&Source::Object("t".into()), &limited).unwrap();
    let mut heights = Vec::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        heights.push(batch.frame.height());
    }
    assert_eq!(heights, [2, 1]);
    // One that is dropped half way holds no lock.
    drop(fixture.sqlite.read(&Source::Object("t".into()), &options).unwrap());
    connection.execute_batch("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE; COMMIT").unwrap();
}

#[test]
fn changes_in_place_and_keeps_natives_indexes_triggers_and_unmapped_columns() {
    let fixture = Fixture::new(CRM);
    let schema_before: String =
        fixture.raw().query_row("SELECT group_concat(sql) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    let columns = ["legacy_id", "name", "age"];
    let batch = fixture.batch(
        "contacts",
        &columns,
        &[
            (0, ChangeKind::Update, &["A", "Anna", "040"]),
            (1, ChangeKind::Update, &["B", "Bob", "NULL"]),
            (2, ChangeKind::Delete, &[]),
        ],
    );
    let mut writer = fixture.writer("contacts", &columns);
    let results = writer.change(&batch, &Silent).unwrap();
    assert_eq!(results, [written("1"), written("2"), RowResult::Written(None)]);
    let results = writer
        .insert(
            &frame(
                &columns,
                &[vec!["D", "Dee", "12"], vec!["E", "Eve", "old"], vec!["A", "Twin", "1"], vec!["F", "NULL", "1"]],
            ),
            &Silent,
        )
        .unwrap();
    assert_eq!(results[0], written("3"));
    assert_eq!(reason(&results[1]), "age: not a number, and the column is declared INTEGER");
    assert_eq!(reason(&results[2]), "UNIQUE constraint failed: contacts.legacy_id");
    assert_eq!(reason(&results[3]), "NOT NULL constraint failed: contacts.name");
    let results = writer.amend(&["3".into(), "99".into()], &frame(&["account_id"], &[vec!["2"], vec!["2"]])).unwrap();
    assert_eq!(results[0], written("3"));
    // No row of that identity: nothing was changed.
    assert!(!matches!(results[1], RowResult::Written(_)));
    let published = writer.publish(&Silent).unwrap();
    assert_eq!((published.before, published.rows), (3, 3));
    assert_eq!(
        fixture.rows("contacts"),
        [
            cells(&["1", "A", "Anna", "40", "1", "native", "Anna!", "1"]),
            cells(&["2", "B", "Bob", "NULL", "2", "", "Bob!", "2"]),
            cells(&["3", "D", "Dee", "12", "2", "NULL", "Dee!", "3"]),
        ]
    );
    // The second row was already as wanted: its trigger did not fire.
    let fired: Vec<Cells> = fixture.rows("audit").into_iter().map(|row| row[..2].to_vec()).collect();
    assert_eq!(fired, [cells(&["update", "1"]), cells(&["update", "3"])]);
    let schema_after: String =
        fixture.raw().query_row("SELECT group_concat(sql) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(schema_before, schema_after);
}

#[test]
fn a_row_that_moved_is_left_alone() {
    let fixture = Fixture::new(CRM);
    let columns = ["name"];
    let changes: &[(u64, ChangeKind, &[&str])] =
        &[(0, ChangeKind::Update, &["x"]), (1, ChangeKind::Delete, &[]), (2, ChangeKind::Update, &["Cyd"])];
    let batch = fixture.batch("contacts", &columns, changes);
    fixture
        .raw()
        .execute_batch("UPDATE contacts SET note = 'edited' WHERE id = 1; DELETE FROM contacts WHERE id = 2")
        .unwrap();
    let mut writer = fixture.writer("contacts", &columns);
    let results = writer.change(&batch, &Silent).unwrap();
    assert_eq!(results, [RowResult::Moved, RowResult::Moved, written("5")]);
    writer.publish(&Silent).unwrap();
    let names: Vec<_> = fixture.rows("contacts").into_iter().map(|mut row| row.swap_remove(2).unwrap()).collect();
    assert_eq!(names, ["Ann", "Cyd"]);
}

#[test]
fn text_is_stored_by_the_columns_affinity_and_never_changed_silently() {
    let fixture = Fixture::new(
        "CREATE TABLE t (i INTEGER, r REAL, n DECIMAL(10,2), d DATE, s STRING, b BOOLEAN, t VARCHAR(9), x BLOB);",
    );
    let columns = ["i", "r", "n", "d", "s", "b", "t", "x"];
    let mut writer = fixture.writer("t", &columns);
    let mut put = |row: Vec<&str>| writer.insert(&frame(&columns, &[row]), &Silent).unwrap().remove(0);
    assert_eq!(put(vec!["007", "1e2", "1.50", "2024-01-31", "abc", "true", "007", "x'00ff'"]), written("1"));
    assert_eq!(put(vec!["-9223372036854775808", "0.1", "5.0", "NULL", "12", "0", "1e5", "plain"]), written("2"));
    for (place, value, why) in [
        (0, "abc", "not a number"),
        (0, "", "empty text"),
        (0, "12345678901234567890", "too long"),
        (0, "nan", "not a number"),
        (0, "0x10", "not a number"),
        (1, "1e999", "too long"),
        (2, "1,50", "not a number"),
        (4, "007", "changes how it reads"),
        (5, "yes", "not a number"),
    ] {
        let mut row = vec!["NULL"; columns.len()];
        row[place] = value;
        let result = put(row);
        assert!(reason(&result).contains(why), "{value}: {result:?}");
        assert!(value.len() < 5 || !reason(&result).contains(value), "a reason quotes the value");
    }
    writer.publish(&Silent).unwrap();
    let types: String = fixture
        .raw()
        .query_row(
            "SELECT typeof(i)||typeof(r)||typeof(n)||typeof(d)||typeof(s)||typeof(b)||typeof(t)||typeof(x) FROM t",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(types, "integerrealrealtexttextintegertextblob");
    assert_eq!(fixture.rows("t")[0], cells(&["7", "100", "1.5", "2024-01-31", "abc", "1", "007", "x'00ff'", "1"]));
    assert_eq!(
        fixture.rows("t")[1],
        cells(&["-9223372036854775808", "0.1", "5", "NULL", "12", "0", "1e5", "plain", "2"])
    );
}

#[test]
fn tables_without_rowid_and_with_other_keys() {
    let fixture = Fixture::new(
        "CREATE TABLE pair (a TEXT, b INTEGER, v TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID;
         CREATE TABLE code (id TEXT PRIMARY KEY, v TEXT);
         CREATE TABLE made (id TEXT PRIMARY KEY DEFAULT (printf('k%d', 7)), v TEXT);
         CREATE TABLE taken (rowid TEXT, oid TEXT, v TEXT);
         INSERT INTO pair VALUES ('x', 2, 'second'), ('y''s \"', 1, 'first');
         INSERT INTO code VALUES ('k1', 'one'); INSERT INTO taken VALUES ('r', 'o', 'v');",
    );
    assert_eq!(fixture.rows("pair")[0], cells(&["y's \"", "1", "first", "[1,\"y's \\\"\"]"]));
    let batch = fixture.batch("pair", &["v"], &[(0, ChangeKind::Update, &["1st"]), (1, ChangeKind::Delete, &[])]);
    let mut writer = fixture.writer("pair", &["v"]);
    let locator = "[1,\"y's \\\"\"]";
    assert_eq!(writer.change(&batch, &Silent).unwrap(), [written(locator), RowResult::Written(None)]);
    assert_eq!(writer.amend(&[locator.into()], &frame(&["v"], &[vec!["uno"]])).unwrap(), [written(locator)]);
    writer.publish(&Silent).unwrap();
    assert_eq!(fixture.rows("pair"), [cells(&["y's \"", "1", "uno", locator])]);
    let mut writer = fixture.writer("pair", &["a", "b"]);
    assert_eq!(writer.insert(&frame(&["a", "b"], &[vec!["n", "03"]]), &Silent).unwrap(), [written("[3,\"n\"]")]);
    drop(writer);

    let mut writer = fixture.writer("code", &["id", "v"]);
    assert_eq!(writer.insert(&frame(&["id", "v"], &[vec!["k2", "two"]]), &Silent).unwrap(), [written("k2")]);
    assert_eq!(
        writer.amend(&["k2".into(), "k9".into()], &frame(&["v"], &[vec!["zwei"], vec!["x"]])).unwrap(),
        [written("k2"), RowResult::Moved]
    );
    writer.publish(&Silent).unwrap();
    assert_eq!(fixture.rows("code")[1], cells(&["k2", "zwei", "2"]));

    let mut writer = fixture.writer("made", &["v"]);
    assert_eq!(writer.insert(&frame(&["v"], &[vec!["x"]]), &Silent).unwrap(), [written("k7")]);
    drop(writer);
    assert_eq!(fixture.rows("taken"), [cells(&["r", "o", "v", "1"])]);
}

#[test]
fn dropped_writers_and_refused_targets_leave_everything_as_it_was() {
    let fixture = Fixture::new(CRM);
    let before = std::fs::read(fixture.path()).unwrap();
    let batch = fixture.batch("contacts", &["name"], &[(0, ChangeKind::Delete, &[])]);
    let mut writer = fixture.writer("contacts", &["name"]);
    writer.change(&batch, &Silent).unwrap();
    drop(writer);
    assert_eq!(std::fs::read(fixture.path()).unwrap(), before);
    let refused = |object: &str, context: &WriteContext| fixture.sqlite.write(object, context).err().unwrap();
    assert_eq!(refused("names", &fixture.context("names", &["name"])).kind(), Kind::Refused);
    assert_eq!(refused("contacts", &fixture.context("new", &["name"])).kind(), Kind::Refused);
    assert_eq!(refused("new", &fixture.context("contacts", &["name"])).kind(), Kind::Refused);
    assert_eq!(refused("contacts", &fixture.context("contacts", &["nam"])).kind(), Kind::Usage);
    assert_eq!(refused("contacts", &fixture.context("contacts", &["label"])).kind(), Kind::Usage);
    let context = fixture.context("contacts", &["name"]);
    fixture.raw().execute_batch("ALTER TABLE contacts ADD COLUMN more TEXT").unwrap();
    assert_eq!(refused("contacts", &context).kind(), Kind::Refused);
    assert_eq!(std::fs::read_dir(fixture.run_dir()).unwrap().count(), 0, "a promise was left behind");
}

#[test]
fn a_missing_table_or_database_is_made_and_unmade() {
    let fixture = Fixture::new("");
    assert_eq!(fixture.sqlite.objects().unwrap(), []);
    assert!(!fixture.sqlite.version("new").unwrap().exists);
    assert!(fixture.sqlite.capabilities("new").unwrap().write);
    drop(fixture.writer("new", &["a b", "\"c"]));
    assert!(!fixture.path().exists());
    let mut writer = fixture.writer("new", &["a b", "\"c"]);
    assert_eq!(writer.insert(&frame(&["a b", "\"c"], &[vec!["007", "NULL"]]), &Silent).unwrap(), [written("1")]);
    assert_eq!(writer.publish(&Silent).unwrap().rows, 1);
    assert_eq!(fixture.rows("new"), [cells(&["007", "NULL", "1"])]);
    let error = fixture.sqlite.schema(&Source::Object("nwe".into())).unwrap_err();
    assert!(error.advice().unwrap().contains("new"), "{error}");
}

#[test]
fn triggers_that_refuse_ignore_or_roll_back() {
    let fixture = Fixture::new(
        "CREATE TABLE t (a TEXT); CREATE TABLE log (a TEXT);
         CREATE TRIGGER one AFTER INSERT ON t BEGIN
            INSERT INTO log VALUES (new.a);
            SELECT RAISE(FAIL, 'not on Sundays') WHERE new.a = 'fail';
            SELECT RAISE(ABORT, new.a) WHERE new.a = 'secret';
         END;
         CREATE TRIGGER two BEFORE INSERT ON t WHEN new.a = 'ignore' BEGIN SELECT RAISE(IGNORE); END;
         CREATE TRIGGER three AFTER INSERT ON t WHEN new.a = 'rollback' BEGIN SELECT RAISE(ROLLBACK, 'all of it'); END;",
    );
    let mut writer = fixture.writer("t", &["a"]);
    let results =
        writer.insert(&frame(&["a"], &[vec!["1"], vec!["fail"], vec!["secret"], vec!["ignore"]]), &Silent).unwrap();
    assert_eq!(results[0], written("1"));
    assert_eq!(reason(&results[1]), "trigger one refused the row: not on Sundays");
    assert_eq!(reason(&results[2]), "a trigger refused the row");
    assert_eq!(reason(&results[3]), "a trigger ignored the insert");
    writer.publish(&Silent).unwrap();
    // What the failing trigger had written before it failed is gone, too.
    assert_eq!(fixture.rows("log"), [cells(&["1", "1"])]);
    let mut writer = fixture.writer("t", &["a"]);
    let error = writer.insert(&frame(&["a"], &[vec!["2"], vec!["rollback"]]), &Silent).unwrap_err();
    assert_eq!(error.kind(), Kind::Platform);
    drop(writer);
    assert_eq!(fixture.rows("t").len(), 1);
}

#[test]
fn a_tables_own_conflict_clause_replaces_no_native_row() {
    let fixture = Fixture::new(
        "CREATE TABLE t (a TEXT UNIQUE ON CONFLICT REPLACE, b TEXT); INSERT INTO t VALUES ('k', 'native');",
    );
    let mut writer = fixture.writer("t", &["a", "b"]);
    let results = writer.insert(&frame(&["a", "b"], &[vec!["k", "new"]]), &Silent).unwrap();
    assert_eq!(reason(&results[0]), "UNIQUE constraint failed: t.a");
    writer.publish(&Silent).unwrap();
    assert_eq!(fixture.rows("t"), [cells(&["k", "native", "1"])]);
}

#[test]
fn foreign_keys_hold_at_once_or_at_the_commit() {
    let fixture = Fixture::new(
        "CREATE TABLE p (id INTEGER PRIMARY KEY);
         CREATE TABLE c (p INTEGER REFERENCES p(id));
         CREATE TABLE d (p INTEGER REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED);",
    );
    let mut writer = fixture.writer("c", &["p"]);
    let results = writer.insert(&frame(&["p"], &[vec!["9"], vec!["NULL"]]), &Silent).unwrap();
    assert_eq!(reason(&results[0]), "FOREIGN KEY constraint failed");
    drop(writer);
    let mut writer = fixture.writer("d", &["p"]);
    assert_eq!(writer.insert(&frame(&["p"], &[vec!["9"]]), &Silent).unwrap(), [written("1")]);
    let error = writer.publish(&Silent).unwrap_err();
    assert!(error.what().contains("1 rows of d without their row of p"), "{error}");
    assert_eq!(fixture.rows("d"), Vec::<Cells>::new());
    assert!(!fixture.sqlite.recover("d", &fixture.run_dir()).unwrap().unwrap().published);
}

#[test]
fn locked_full_foreign_and_missing_files_give_clear_errors() {
    let fixture = Fixture::new(CRM);
    let mut writer =
        super::writer::SqliteWriter::open(&fixture.path(), "accounts", &fixture.context("accounts", &["name"]))
            .unwrap();
    writer.limit_pages(0);
    let big = "x".repeat(9000);
    let error = writer.insert(&frame(&["name"], &[vec![&big]]), &Silent).unwrap_err();
    assert!(error.advice().unwrap().contains("free space"), "{error}");
    // SQLite may have ended the transaction by itself: nothing more goes through this writer.
    assert!(writer.insert(&frame(&["name"], &[vec!["small"]]), &Silent).is_err());
    drop(writer);
    // A second writer waits for the lock of the first, then says why.
    let writer = fixture.writer("accounts", &["name"]);
    let locked = fixture.sqlite.write("accounts", &fixture.context("accounts", &["name"])).err().unwrap();
    assert!(locked.advice().unwrap().contains("another program"), "{locked}");
    drop(writer);
    assert_eq!(fixture.rows("accounts").len(), 2);

    let text = fixture.dir.path().join("text.db");
    std::fs::write(&text, "a,b\n1,2\n".repeat(500)).unwrap();
    let error = Sqlite::new(&text).objects().unwrap_err();
    assert!(error.advice().unwrap().contains("not a SQLite 3 database"), "{error}");
    let missing = Sqlite::new(fixture.dir.path().join("none.db")).schema(&Source::Object("t".into())).unwrap_err();
    assert!(missing.advice().unwrap().contains("check the path"), "{missing}");
    assert!(Sqlite::new(fixture.dir.path()).objects().is_err());
}

/// Leaves the files as a kill would: copies database, journal and run folder while the writer is alive.
fn killed(fixture: &Fixture, at: &Path) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    for name in ["crm.db", "crm.db-journal"] {
        if at.join(name).exists() {
            std::fs::copy(at.join(name), dir.path().join(name)).unwrap();
        }
    }
    std::fs::create_dir_all(dir.path().join("runs/r1")).unwrap();
    for entry in std::fs::read_dir(fixture.run_dir()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), dir.path().join("runs/r1").join(entry.file_name())).unwrap();
    }
    Fixture { sqlite: Sqlite::new(dir.path().join("crm.db")), dir }
}

/// The name of a promise holds the path of its database, that of the original.
fn recover_copy(copy: &Fixture, original: &Fixture, object: &str) -> crm_core::platform::Recovery {
    let file = super::promise::file(&original.path(), object, &copy.run_dir());
    super::promise::recover_by(&copy.path(), &file, object).unwrap().unwrap()
}

#[test]
fn recovery_tells_from_the_rows_whether_the_commit_happened() {
    let fixture = Fixture::new(CRM);
    assert_eq!(fixture.sqlite.recover("contacts", &fixture.run_dir()).unwrap(), None);
    let batch =
        fixture.batch("contacts", &["name"], &[(0, ChangeKind::Update, &["Anna"]), (2, ChangeKind::Delete, &[])]);
    let before = fixture.rows("contacts");
    let mut writer =
        super::writer::SqliteWriter::open(&fixture.path(), "contacts", &fixture.context("contacts", &["name"]))
            .unwrap();
    writer.change(&batch, &Silent).unwrap();
    let staged = killed(&fixture, fixture.dir.path());
    writer.promise_only().unwrap();
    let promised = killed(&fixture, fixture.dir.path());
    writer.commit_only().unwrap();
    let committed = killed(&fixture, fixture.dir.path());
    for (state, published) in [(&staged, false), (&promised, false), (&committed, true)] {
        // A second start gives the same answer.
        for _ in 0..2 {
            let recovery = recover_copy(state, &fixture, "contacts");
            assert_eq!(recovery.published, published);
        }
        assert_eq!(state.rows("contacts") == before, !published);
    }
}

#[test]
fn a_database_that_a_killed_run_made_is_removed() {
    let fixture = Fixture::new("");
    let mut writer = fixture.writer("new", &["a"]);
    writer.insert(&frame(&["a"], &[vec!["1"]]), &Silent).unwrap();
    std::mem::forget(writer);
    // The forgotten writer still holds its locks here, as no dead process would; a copy does not.
    let copy = killed(&fixture, fixture.dir.path());
    let recovery = recover_copy(&copy, &fixture, "new");
    assert!(!recovery.published);
    assert!(!copy.path().exists());
}

#[test]
fn cancel_reaches_inside_a_batch() {
    struct Cancelled;
    impl crm_core::monitor::Monitor for Cancelled {
        fn report(&self, _: crm_core::monitor::Progress) {}
        fn cancelled(&self) -> bool {
            true
        }
    }
    let fixture = Fixture::new(CRM);
    let mut writer = fixture.writer("accounts", &["name"]);
    let error = writer.insert(&frame(&["name"], &[vec!["x"]]), &Cancelled).unwrap_err();
    assert_eq!(error.kind(), Kind::Stopped);
    drop(writer);
    assert_eq!(fixture.rows("accounts").len(), 2);
}
