#![allow(clippy::unwrap_used)]
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::Kind;
use crate::monitor::Silent;
use crate::platform::ReadReject;
use crate::table::fixture::{Cells, Table, source};

fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|name| (*name).to_owned()).collect()
}

fn diff_with(old: &Table, new: &Table, key: &[&str], chunk: usize) -> Result<(DiffSummary, Vec<Difference>)> {
    let mut differences = Vec::new();
    let mut emit = |difference| {
        differences.push(difference);
        true
    };
    let source = source();
    let summary = diff_in_chunks((old, &source), (new, &source), &names(key), &mut emit, &Silent, chunk)?;
    Ok((summary, differences))
}

fn diff(old: &str, new: &str, key: &[&str]) -> (DiffSummary, Vec<Difference>) {
    diff_with(&Table::parse(old), &Table::parse(new), key, cells::CHUNK).unwrap()
}

fn key(cells: &[&str]) -> Key {
    cells.iter().map(|cell| Some((*cell).to_owned()).filter(|cell| !cell.is_empty())).collect()
}

fn change(id: &str, column: &str, old: &str, new: &str) -> CellChange {
    let cell = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    CellChange { key: key(&[id]), column: column.into(), old: cell(old), new: cell(new) }
}

#[test]
fn each_kind_of_difference_comes_in_its_order() {
    let (summary, differences) = diff(
        "id,name,age\n1,Cleo,4\n2,Pan,2\n3,Bo,9\n4,Al,\n5,Ed,5",
        "id,age,name\n7,1,New\n4,8,Alf\n1,5,Cleo\n5,5,Ed\n6,1,Newer",
        &["id"],
    );
    assert_eq!(
        differences,
        [
            Difference::Changed(vec![change("1", "age", "4", "5")]),
            Difference::Removed(key(&["2"])),
            Difference::Removed(key(&["3"])),
            Difference::Changed(vec![change("4", "name", "Al", "Alf"), change("4", "age", "", "8")]),
            Difference::Added(key(&["7"])),
            Difference::Added(key(&["6"])),
        ]
    );
    let wanted = DiffSummary {
        added: 2,
        removed: 2,
        changed: 2,
        unchanged: 1,
        by_column: vec![("name".into(), 1), ("age".into(), 2)],
        ..DiffSummary::default()
    };
    assert_eq!(summary, wanted);
}

#[test]
fn columns_of_one_side_are_listed_and_not_compared() {
    let (summary, differences) = diff("id,a,b\n1,x,y", "id,c,a\n1,z,x", &["id"]);
    assert_eq!(differences, []);
    assert_eq!((summary.unchanged, summary.columns_added, summary.columns_removed), (1, names(&["c"]), names(&["b"])));
}

#[test]
fn null_keys_are_never_equal() {
    let (summary, differences) = diff("id,n,v\n,1,a\n2,,b\n3,3,c", "id,n,v\n,1,a\n2,,b\n3,3,c", &["id", "n"]);
    assert_eq!((summary.added, summary.removed, summary.unchanged), (2, 2, 1));
    assert_eq!(summary.duplicate_keys, (0, 0));
    assert_eq!(
        differences,
        [
            Difference::Removed(key(&["", "1"])),
            Difference::Removed(key(&["2", ""])),
            Difference::Added(key(&["", "1"])),
            Difference::Added(key(&["2", ""])),
        ]
    );
}

#[test]
fn repeated_keys_are_a_multiset() {
    // Of the key 1: b is equal whatever stands before it, a and c are the first that are left, d has no partner.
    let (summary, differences) = diff("id,v\n1,a\n1,b\n2,x", "id,v\n1,c\n1,b\n1,d\n2,x\n3,y\n3,y", &["id"]);
    assert_eq!((summary.unchanged, summary.changed, summary.added, summary.removed), (2, 1, 3, 0));
    assert_eq!(summary.duplicate_keys, (1, 2));
    assert_eq!(differences[0], Difference::Changed(vec![change("1", "v", "a", "c")]));
    assert_eq!(differences[1..], [key(&["1"]), key(&["3"]), key(&["3"])].map(Difference::Added));
}

#[test]
fn null_and_the_empty_text_differ_where_both_can_hold_them() {
    let rows = |cell: Option<&str>| vec![vec![Some("1".to_owned()), cell.map(str::to_owned)]];
    let table = |cell, no_null| Table { columns: names(&["id", "v"]), rows: rows(cell), no_null, ..Table::default() };
    let changed = |old: &Table, new: &Table| diff_with(old, new, &["id"], cells::CHUNK).unwrap().0.changed;
    assert_eq!(changed(&table(None, false), &table(Some(""), false)), 1);
    assert_eq!(changed(&table(None, false), &table(Some(""), true)), 0);
    assert_eq!(changed(&table(Some(""), true), &table(None, false)), 0);
}

#[test]
fn what_could_not_be_read_is_counted() {
    let reject = ReadReject { line: 2, reason: "open quote".into(), raw: "\"".into() };
    let broken = Table { rejects: vec![reject.clone(), reject], ..Table::parse("id,v\n1,2") };
    let (summary, _) = diff_with(&broken, &Table::parse("id,v\n1,2"), &["id"], cells::CHUNK).unwrap();
    assert_eq!((summary.unchanged, summary.rejects), (1, (2, 0)));
}

#[test]
fn the_key_must_be_there() {
    let table = Table::parse("id,v\n1,2");
    let error = diff_with(&table, &Table::parse("nr,v\n1,2"), &["id"], 1).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.what().contains("new table has no key column id"));
    assert!(error.advice().unwrap().contains("nr, v"));
    assert_eq!(diff_with(&table, &table, &[], 1).unwrap_err().kind(), Kind::Usage);
}

#[test]
fn who_has_enough_gets_no_more_and_the_counts_are_whole() {
    let old = Table::generated(2, 300, |row, column| Some(format!("{}", row + column)));
    let new = Table::generated(2, 300, |row, column| Some(format!("{}", row + 5 * column)));
    for chunk in [1, 1_000, cells::CHUNK] {
        let mut calls = 0;
        let mut emit = |_| {
            calls += 1;
            calls < 3
        };
        let source = source();
        let summary =
            diff_in_chunks((&old, &source), (&new, &source), &names(&["c0"]), &mut emit, &Silent, chunk).unwrap();
        assert_eq!(calls, 3);
        assert_eq!((summary.changed, summary.by_column), (300, vec![("c1".to_owned(), 300)]));
    }
}

#[test]
fn a_table_that_moves_while_it_is_compared_is_an_error() {
    let table = |shuffles, add: usize| Table {
        shuffles,
        ..Table::generated(2, 100, move |row, column| Some(format!("{}", row + column * add)))
    };
    let error = diff_with(&table(true, 0), &table(false, 1), &["c0"], cells::CHUNK).unwrap_err();
    assert!(error.what().contains("old table changed"), "{error}");
    // New is read twice only if its differing rows did not fit.
    let error = diff_with(&table(false, 0), &table(true, 1), &["c0"], 100).unwrap_err();
    assert!(error.what().contains("new table changed"), "{error}");
}

/// The same by the book: with maps of all rows.
fn by_the_book(old: &Table, new: &Table) -> (DiffSummary, BTreeMap<Key, (u64, u64, u64)>) {
    fn group(table: &Table) -> BTreeMap<Key, BTreeMap<Cells, u64>> {
        let mut groups: BTreeMap<Key, BTreeMap<Cells, u64>> = BTreeMap::new();
        for row in &table.rows {
            *groups.entry(row[..1].to_vec()).or_default().entry(row[1..].to_vec()).or_default() += 1;
        }
        groups
    }
    let (olds, news) = (group(old), group(new));
    let mut summary = DiffSummary::default();
    let mut by_key = BTreeMap::new();
    for key in olds.keys().chain(news.keys()).collect::<BTreeSet<_>>() {
        let (none_old, none_new) = (BTreeMap::new(), BTreeMap::new());
        let (a, b) = (olds.get(key).unwrap_or(&none_old), news.get(key).unwrap_or(&none_new));
        let (in_old, in_new) = (a.values().sum::<u64>(), b.values().sum::<u64>());
        if key == &vec![None] {
            summary.removed += in_old;
            summary.added += in_new;
            by_key.insert(key.clone(), (0, in_old, in_new));
            continue;
        }
        let equal: u64 = a.iter().map(|(row, count)| (*count).min(b.get(row).copied().unwrap_or(0))).sum();
        let changed = (in_old - equal).min(in_new - equal);
        summary.unchanged += equal;
        summary.changed += changed;
        summary.removed += in_old - equal - changed;
        summary.added += in_new - equal - changed;
        summary.duplicate_keys.0 += u64::from(in_old > 1);
        summary.duplicate_keys.1 += u64::from(in_new > 1);
        by_key.insert(key.clone(), (changed, in_old - equal - changed, in_new - equal - changed));
    }
    (summary, by_key)
}

fn table() -> impl Strategy<Value = Table> {
    let cell = |letters: &'static str| prop::option::weighted(0.9, letters);
    prop::collection::vec((cell("[a-f]"), cell("[xyz]{0,1}"), cell("[xy]")), 0..25).prop_map(|rows| Table {
        columns: names(&["k", "v", "w"]),
        rows: rows.into_iter().map(|(k, v, w)| vec![k, v, w]).collect(),
        batch: Some(4),
        ..Table::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn it_agrees_with_the_book(old in table(), new in table(), chunk in prop::sample::select(vec![1, 200, cells::CHUNK])) {
        let (mut summary, differences) = diff_with(&old, &new, &["k"], chunk).unwrap();
        let (wanted, by_key) = by_the_book(&old, &new);
        summary.by_column.clear();
        prop_assert_eq!(&summary, &wanted);
        let mut counted: BTreeMap<Key, (u64, u64, u64)> = by_key.keys().map(|key| (key.clone(), (0, 0, 0))).collect();
        for difference in &differences {
            match difference {
                Difference::Changed(cells) => {
                    prop_assert!(!cells.is_empty() && cells.iter().all(|cell| cell.old != cell.new));
                    counted.get_mut(&cells[0].key).unwrap().0 += 1;
                }
                Difference::Removed(key) => counted.get_mut(key).unwrap().1 += 1,
                Difference::Added(key) => counted.get_mut(key).unwrap().2 += 1,
            }
        }
        prop_assert_eq!(counted, by_key);
        let rank = |difference: &Difference| matches!(difference, Difference::Added(_));
        prop_assert!(differences.is_sorted_by_key(rank), "added ones come last");
    }

    #[test]
    fn a_table_equals_itself(table in table()) {
        let (summary, _) = diff_with(&table, &table, &["k"], 1).unwrap();
        let null_keys = table.rows.iter().filter(|row| row[0].is_none()).count() as u64;
        prop_assert_eq!((summary.changed, summary.added, summary.removed), (0, null_keys, null_keys));
    }
}
