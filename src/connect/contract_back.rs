//! What a writer tells so that its run can be taken back or gone on with, checked over all connectors in the same words.
#![allow(clippy::unwrap_used)]
use crm_core::monitor::Silent;
use crm_core::platform::memory::{Faults, Memory};
use crm_core::platform::{ChangeKind, Doubt, RowResult, WrittenRow};
use crm_core::table::hash::row_hash;

use crate::contract::{COLUMNS, Row, Subject, frame_of, people, row};

use ChangeKind::{Delete, Update};

impl Subject {
    /// The bytes of a text file; None where the object is none.
    fn text(&self) -> Option<Vec<u8>> {
        let path = self.connector.paths("t").into_iter().next()?;
        (self.connector.kind() == "csv").then(|| std::fs::read(path).unwrap())
    }
    fn put_text(&self, text: &[u8]) {
        std::fs::write(&self.connector.paths("t")[0], text).unwrap();
    }
}

fn identity(result: &RowResult) -> Option<&str> {
    match result {
        RowResult::Written(identity) => identity.as_deref(),
        other => panic!("not written: {other:?}"),
    }
}

#[test]
fn rows_read_back_before_the_publish_are_as_they_read_after_it() {
    for subject in Subject::all() {
        let kind = subject.connector.kind();
        subject.run(&COLUMNS, &[], &people());
        let changes = [
            (0, Update, row(&["1", "Ann-Marie", "a,b \"c\""])),
            (1, Delete, Vec::new()),
            (3, Update, row(&["4", "NULL", ""])),
        ];
        let batch = subject.batch(&COLUMNS, &changes);
        let mut writer = subject.connector.write("t", &subject.context(&COLUMNS)).unwrap();
        let changed = writer.change(&batch, &Silent).unwrap();
        let new = frame_of(&COLUMNS, &[row(&["5", "Eve", "NULL"]), row(&["6", "e\u{301}", "two\nlines"])]);
        let inserted = writer.insert(&new, &Silent).unwrap();
        let written = |place, appended, result| WrittenRow { place, appended, identity: identity(result) };
        let asked = [
            written(0, false, &changed[0]),
            written(2, false, &changed[2]),
            written(0, true, &inserted[0]),
            written(1, true, &inserted[1]),
        ];
        let told = writer.read_back(&asked, &Silent).unwrap();
        writer.publish(&Silent).unwrap();
        let frame = subject.frame(1_000);
        let hashes = row_hash(&frame, &subject.columns()).unwrap();
        assert_eq!(hashes.len(), 5, "{kind}");
        let wanted: Vec<Option<u128>> = [0, 2, 3, 4].iter().map(|at| Some(hashes[*at])).collect();
        assert_eq!(told, wanted, "{kind}");
    }
}

#[test]
fn changed_rows_go_back_byte_for_byte_where_they_are_text() {
    // Text files of tabs have the writer of the others.
    for subject in Subject::all().into_iter().filter(|subject| subject.connector.kind() != "tsv") {
        let kind = subject.connector.kind();
        subject.run(&COLUMNS, &[], &people());
        // Written by somebody with habits of their own.
        let odd = subject.text().map(|text| {
            let odd = String::from_utf8(text).unwrap().replace("Bob", "\"Bob\"").replace("Cid", "\"Cid\"");
            subject.put_text(odd.as_bytes());
            odd.into_bytes()
        });
        let before = subject.rows();
        let change = [(1, Update, row(&["2", "Bo", "x"])), (2, Update, row(&["3", "Cy", "y"]))];
        let batch = subject.batch(&COLUMNS, &change);
        let mut writer = subject.connector.write("t", &subject.context(&COLUMNS)).unwrap();
        writer.change(&batch, &Silent).unwrap();
        let originals = writer.take_originals();
        assert_eq!(writer.take_originals(), Vec::<Option<Vec<u8>>>::new(), "{kind}: they are handed out once");
        writer.publish(&Silent).unwrap();
        assert_eq!(originals.iter().flatten().count(), if odd.is_some() { 2 } else { 0 }, "{kind}");

        // One goes back as it was, the other is written with a value that its bytes do not fit.
        let back: Vec<_> = [1, 2].map(|at| (at as u64, Update, before[at].clone())).to_vec();
        let batch = subject.batch(&COLUMNS, &back);
        let mut writer = subject.connector.write("t", &subject.context(&COLUMNS)).unwrap();
        writer.set_originals(originals.clone());
        let results = writer.change(&batch, &Silent).unwrap();
        assert!(results.iter().all(|result| matches!(result, RowResult::Written(_))), "{kind}: {results:?}");
        writer.publish(&Silent).unwrap();
        assert_eq!(subject.rows(), before, "{kind}");
        assert_eq!(subject.text(), odd, "{kind}");

        let batch = subject.batch(&COLUMNS, &[(1, Update, row(&["2", "Robert", ""]))]);
        let mut writer = subject.connector.write("t", &subject.context(&COLUMNS)).unwrap();
        writer.set_originals(originals.into_iter().take(1).collect());
        writer.change(&batch, &Silent).unwrap();
        writer.publish(&Silent).unwrap();
        assert_eq!(subject.rows()[1][1].as_deref(), Some("Robert"), "{kind}: what is asked for wins over old bytes");
    }
}

/// Deletes the last `count` rows with what an earlier run told of the end.
fn take_back(subject: &Subject, rows: std::ops::Range<u64>, ending: Option<&str>) {
    let changes: Vec<(u64, ChangeKind, Row)> = rows.map(|at| (at, Delete, Vec::new())).collect();
    let batch = subject.batch(&COLUMNS, &changes);
    let mut writer = subject.connector.write("t", &subject.context(&COLUMNS)).unwrap();
    if let Some(ending) = ending {
        writer.set_ending(ending);
    }
    writer.change(&batch, &Silent).unwrap();
    writer.publish(&Silent).unwrap();
}

#[test]
fn an_end_that_was_closed_is_open_again_unless_others_added_rows() {
    for subject in Subject::all() {
        let kind = subject.connector.kind();
        subject.run(&COLUMNS, &[], &people());
        let open = subject.text().map(|mut text| {
            assert_eq!(text.pop(), Some(b'\n'));
            subject.put_text(&text);
            text
        });
        let before = subject.rows();
        let add = |id: &str| {
            let mut writer = subject.connector.write("t", &subject.context(&COLUMNS)).unwrap();
            writer.insert(&frame_of(&COLUMNS, &[row(&[id, "Eve", "NULL"])]), &Silent).unwrap();
            let ending = writer.ending(&Silent).unwrap();
            writer.publish(&Silent).unwrap();
            ending
        };
        let ending = add("5");
        assert_eq!(ending.is_some(), open.is_some(), "{kind}");
        take_back(&subject, 4..5, ending.as_deref());
        assert_eq!((subject.rows(), subject.text()), (before.clone(), open.clone()), "{kind}");

        // Somebody adds a row behind: it stays a row of its own.
        let ending = add("5");
        add("6");
        take_back(&subject, 4..5, ending.as_deref());
        let rows = subject.rows();
        assert_eq!((rows.len(), rows[4][0].as_deref()), (5, Some("6")), "{kind}");
        assert_eq!(rows[..4], before[..], "{kind}");
        // A word that no writer of this platform said changes nothing.
        take_back(&subject, 4..5, Some("nonsense"));
        assert_eq!(subject.rows(), before, "{kind}");
    }
}

#[test]
fn told_to_spare_others_a_delete_that_would_take_them_along_is_refused() {
    for subject in Subject::all() {
        let kind = subject.connector.kind();
        subject.run(&COLUMNS, &[], &people());
        #[cfg(feature = "sqlite")]
        let others = |sql: &str| -> i64 {
            let db = rusqlite::Connection::open(&subject.connector.paths("t")[0]).unwrap();
            db.execute_batch(sql).unwrap();
            db.query_row("SELECT count(*) FROM visits", [], |row| row.get(0)).unwrap()
        };
        #[cfg(feature = "sqlite")]
        if kind == "sqlite" {
            others(
                "CREATE UNIQUE INDEX t_id ON t(id);
                 CREATE TABLE visits (who TEXT REFERENCES t(id) ON DELETE CASCADE);
                 INSERT INTO visits VALUES ('2'), ('2'), ('3');",
            );
        }
        let delete = |spare: bool, ordinals: &[u64]| {
            let changes: Vec<(u64, ChangeKind, Row)> = ordinals.iter().map(|at| (*at, Delete, Vec::new())).collect();
            let batch = subject.batch(&COLUMNS, &changes);
            let mut writer = subject.connector.write("t", &subject.context(&COLUMNS)).unwrap();
            if spare {
                writer.spare_others().unwrap();
            }
            let results = writer.change(&batch, &Silent).unwrap();
            writer.publish(&Silent).unwrap();
            results
        };
        let spared = delete(true, &[0, 1]);
        assert_eq!(spared[0], RowResult::Written(None), "{kind}");
        assert_eq!(matches!(spared[1], RowResult::Refused(_)), kind == "sqlite", "{kind}: {:?}", spared[1]);
        #[cfg(feature = "sqlite")]
        if kind == "sqlite" {
            assert_eq!(others(""), 3, "nobody else lost a row");
            // The next writer was told nothing of the kind.
            assert!(matches!(delete(false, &[0])[0], RowResult::Written(_)));
            assert_eq!(others(""), 1);
        }
    }
}

#[test]
fn rows_in_doubt_are_told_apart_where_a_run_does_not_appear_whole() {
    for subject in Subject::all().into_iter().filter(|subject| subject.connector.kind() != "memory") {
        let kind = subject.connector.kind();
        subject.run(&COLUMNS, &[], &people());
        assert!(subject.connector.capabilities("t").unwrap().atomic, "{kind}");
        let new = frame_of(&COLUMNS, &[row(&["5", "Eve", "NULL"])]);
        let mut writer = subject.connector.write("t", &subject.context(&COLUMNS)).unwrap();
        let error = writer.found(Doubt::Inserts(&new, &["id".to_owned()])).unwrap_err();
        assert!(error.advice().is_some_and(|advice| advice.contains("plan again")), "{kind}: {error}");
    }
    let rows: Vec<Vec<Option<&str>>> =
        [["1", "Ann"], ["2", "Bob"], ["3", "Cid"], ["4", "Dan"]].map(|row| row.map(Some).to_vec()).to_vec();
    let rows: Vec<&[Option<&str>]> = rows.iter().map(Vec::as_slice).collect();
    let memory = Memory::new().with("t", &["id", "name"], &rows).with_identity("t", "id").piecemeal();
    let subject = Subject::over(memory.clone());
    let columns = ["id", "name"];
    assert!(!subject.connector.capabilities("t").unwrap().atomic);
    let write = || subject.connector.write("t", &subject.context(&columns)).unwrap();
    let changes = [
        (0, Update, row(&["1", "Anna"])),
        (1, Delete, Vec::new()),
        (2, Update, row(&["3", "Cy"])),
        (3, Delete, Vec::new()),
    ];
    let batch = subject.batch(&columns, &changes);
    // The connection is lost after two rows: the answer was never heard, the rows stay.
    memory.break_with(Faults { write_after: Some(2), ..Faults::default() });
    assert!(write().change(&batch, &Silent).is_err());
    memory.break_with(Faults::default());
    let found = write().found(Doubt::Changes(&batch)).unwrap();
    assert_eq!(found, [Some(RowResult::Written(Some("1".into()))), Some(RowResult::Written(None)), None, None]);

    let new = frame_of(&columns, &[row(&["5", "Eve"]), row(&["6", "Fay"]), row(&["7", "Gus"])]);
    memory.break_with(Faults { write_after: Some(2), ..Faults::default() });
    assert!(write().insert(&new, &Silent).is_err());
    memory.break_with(Faults::default());
    let place = memory.rows("t").iter().position(|row| row[0].as_deref() == Some("6")).unwrap();
    assert!(memory.edit("t", place, "name", Some("edited by somebody")));
    let found = write().found(Doubt::Inserts(&new, &["id".to_owned()])).unwrap();
    assert_eq!(found, [Some(RowResult::Written(Some("5".into()))), Some(RowResult::Moved), None]);
}
