#![allow(clippy::unwrap_used)]
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::Kind;
use crate::monitor::Silent;
use crate::platform::LOCATOR;
use crate::table::fixture::{Cells, Table, source};

fn cell(row: usize, column: usize) -> Option<String> {
    match (row + column) % 7 {
        0 => None,
        1 => Some(String::new()),
        2 => Some(format!("a longer cell that is not inlined, {row} {column} – é")),
        _ => Some(format!("{row}:{column}")),
    }
}

fn take(table: &Table, dir: &Path) -> Result<Snapshot> {
    Snapshot::take(table, &source(), "old:rows", dir, None, &Silent)
}

fn taken(table: &Table) -> (tempfile::TempDir, Snapshot) {
    let home = tempfile::tempdir().unwrap();
    let snapshot = take(table, &home.path().join("snap")).unwrap();
    (home, snapshot)
}

fn cells(frame: &DataFrame, columns: &[String]) -> Vec<Cells> {
    (0..frame.height())
        .map(|row| {
            columns.iter().map(|name| frame.column(name).unwrap().str().unwrap().get(row).map(str::to_owned)).collect()
        })
        .collect()
}

#[test]
fn rows_come_back_as_they_were() {
    // Batches that never fall on the edges of row groups.
    let table = Table { lines: true, locators: true, batch: Some(3_001), ..Table::generated(3, 20_000, cell) };
    let (_home, snapshot) = taken(&table);
    let names = snapshot.columns();
    assert_eq!(snapshot.len(), 20_000);
    let mut all = Vec::new();
    for frame in snapshot.batches(None).unwrap() {
        let frame = frame.unwrap();
        assert!(frame.height() <= ROW_GROUP);
        assert_eq!(frame.column(LINE).unwrap().u64().unwrap().get(0), Some(all.len() as u64 + 2));
        assert_eq!(frame.column(LOCATOR).unwrap().str().unwrap().get(0), Some(format!("id{}", all.len()).as_str()));
        all.extend(cells(&frame, &names));
    }
    assert_eq!(all, table.rows);
    let again = Snapshot::open(snapshot.dir()).unwrap();
    assert_eq!(again.meta(), snapshot.meta());
    assert_eq!(again.rows.groups(), 3);
}

#[test]
fn slices_cross_row_groups_and_end_with_the_table() {
    let table = Table { lines: true, ..Table::generated(3, 20_000, cell) };
    let (_home, snapshot) = taken(&table);
    for (first, count) in [(0, 1), (8_190, 5), (8_191, 8_194), (19_990, 50), (20_000, 10), (30_000, 1), (5, 0)] {
        let window = snapshot.window(first, count).unwrap();
        let from = (first as usize).min(20_000);
        let end = (from + count).min(20_000);
        assert_eq!(window.rows, table.rows[from..end], "{first} {count}");
        assert_eq!(window.first, first);
        assert_eq!(window.ordinals, (from as u64..end as u64).collect::<Vec<_>>());
        assert_eq!(window.lines, (from..end).map(|row| Some(row as u64 + 2)).collect::<Vec<_>>());
        assert_eq!(window.total, 20_000);
    }
    let one = vec!["c1".to_owned()];
    let frame = snapshot.slice(8_000, 300, Some(&one)).unwrap();
    assert_eq!(frame.get_column_names(), ["c1", LINE]);
    assert_eq!(
        cells(&frame, &one),
        table.rows[8_000..8_300].iter().map(|row| vec![row[1].clone()]).collect::<Vec<_>>()
    );
}

#[test]
fn rows_are_found_by_ordinal_in_any_order() {
    let table = Table { lines: true, locators: true, ..Table::generated(2, 20_000, cell) };
    let (_home, snapshot) = taken(&table);
    for ordinals in [vec![], vec![7], vec![19_999, 3, 3, 8_192, 8_191, 0], vec![1, 2, 9_000, 17_000]] {
        let window = RowSource::rows(&snapshot, &ordinals).unwrap();
        let wanted: Vec<Cells> = ordinals.iter().map(|row| table.rows[*row as usize].clone()).collect();
        assert_eq!(window.rows, wanted);
        assert_eq!(window.ordinals, ordinals);
        assert_eq!(window.lines, ordinals.iter().map(|row| Some(row + 2)).collect::<Vec<_>>());
        let frame = snapshot.gather(&ordinals, Some(&["c1".into()])).unwrap();
        assert_eq!(frame.get_column_names(), ["c1", LINE, LOCATOR]);
        assert_eq!(frame.height(), ordinals.len());
    }
    assert_eq!(snapshot.gather(&[20_000], None).unwrap_err().kind(), Kind::Data);
    assert!(snapshot.slice(0, 1, Some(&["nope".into()])).unwrap_err().what().contains("nope"));
}

#[test]
fn an_empty_object_has_columns_and_no_rows() {
    let (_home, snapshot) = taken(&Table::generated(2, 0, cell));
    assert!(snapshot.is_empty());
    assert_eq!(snapshot.batches(None).unwrap().count(), 0);
    assert_eq!(snapshot.slice(0, 10, None).unwrap().get_column_names(), ["c0", "c1"]);
    assert_eq!(snapshot.window(0, 10).unwrap().rows, Vec::<Cells>::new());
    assert_eq!(snapshot.gather(&[], None).unwrap().width(), 2);
}

#[test]
fn an_object_without_columns_is_a_snapshot_too() {
    let (_home, snapshot) = taken(&Table::default());
    assert_eq!(snapshot.len(), 0);
    assert_eq!(snapshot.window(0, 10).unwrap().columns, Vec::<String>::new());
    assert_eq!(snapshot.batches(None).unwrap().count(), 0);
}

#[test]
fn five_thousand_columns_work() {
    let table = Table::generated(5_000, 430, |row, column| Some(format!("{}", row * column)));
    let (_home, snapshot) = taken(&table);
    assert!(snapshot.rows.groups() > 1, "a group of 430 rows would be too large");
    assert_eq!(snapshot.window(415, 8).unwrap().rows, table.rows[415..423]);
    assert_eq!(RowSource::rows(&snapshot, &[429]).unwrap().rows[0], table.rows[429]);
}

#[test]
fn rejects_are_kept_whole() {
    let rejects = vec![
        ReadReject { line: 3, reason: "3 fields, the header has 2".into(), raw: "a,b,c\n\u{0}é".into() },
        ReadReject { line: 9, reason: "open quote".into(), raw: "\"".into() },
    ];
    let (_home, snapshot) = taken(&Table { rejects: rejects.clone(), ..Table::parse("a,b\n1,2") });
    assert_eq!(snapshot.rejects().unwrap(), rejects);
    assert_eq!(snapshot.meta().rejects, 2);
    let (_home, clean) = taken(&Table::parse("a,b\n1,2"));
    assert_eq!(clean.rejects().unwrap(), []);
}

#[test]
fn a_limit_ends_the_reading() {
    let home = tempfile::tempdir().unwrap();
    let table = Table::generated(1, 100, cell);
    let snapshot = Snapshot::take(&table, &source(), "old:rows", &home.path().join("s"), Some(10), &Silent).unwrap();
    assert_eq!(snapshot.len(), 10);
}

/// Cancels once the first batch is in.
struct Cancels(AtomicBool);
impl Monitor for Cancels {
    fn report(&self, _: Progress) {
        self.0.store(true, Ordering::Relaxed);
    }
    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn nothing_stays_behind_when_it_fails() {
    let home = tempfile::tempdir().unwrap();
    let left = || std::fs::read_dir(home.path()).unwrap().count();
    let dir = home.path().join("s");
    let broken = Table { fails_at: Some(4_000), batch: Some(1_000), ..Table::generated(1, 9_000, cell) };
    assert_eq!(take(&broken, &dir).unwrap_err().kind(), Kind::Platform);
    assert_eq!(left(), 0);
    let restless = Table { restless: true, ..Table::generated(1, 10, cell) };
    let error = take(&restless, &dir).unwrap_err();
    assert_eq!(error.kind(), Kind::Data);
    assert!(error.to_string().contains("changed while it was read"));
    assert_eq!(left(), 0);
    let table = Table { batch: Some(10), ..Table::generated(1, 100, cell) };
    let cancels = Cancels(AtomicBool::new(false));
    let error = Snapshot::take(&table, &source(), "old:rows", &dir, None, &cancels).unwrap_err();
    assert_eq!(error.kind(), Kind::Stopped);
    assert_eq!(left(), 0);
    // A killed process left its unfinished folder: it is in nobody's way.
    std::fs::create_dir(home.path().join("s.tmp")).unwrap();
    take(&table, &dir).unwrap();
    assert!(take(&table, &dir).unwrap_err().what().contains("exists"));
    assert_eq!(left(), 1);
}

#[test]
fn a_damaged_snapshot_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("s");
    assert_eq!(Snapshot::open(&dir).unwrap_err().kind(), Kind::Platform);
    let good = take(&Table::generated(2, 20_000, cell), &dir).unwrap();
    drop(good);
    let rows = dir.join(ROWS);
    let bytes = std::fs::read(&rows).unwrap();
    for size in [0, 3, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&rows, &bytes[..size]).unwrap();
        assert_eq!(Snapshot::open(&dir).unwrap_err().kind(), Kind::Data, "{size}");
    }
    std::fs::write(&rows, &bytes).unwrap();
    std::fs::write(dir.join(META), "{").unwrap();
    assert!(Snapshot::open(&dir).unwrap_err().what().contains("damaged"));
}

#[test]
fn own_column_names_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let error = take(&Table::parse("a,__line\n1,2"), &home.path().join("s")).unwrap_err();
    assert!(error.what().contains("__line"));
}
