#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;
use crate::monitor::Silent;
use crate::table::fixture::{Table, source};

fn described(table: &Table) -> Profile {
    let home = tempfile::tempdir().unwrap();
    let snapshot = Snapshot::take(table, &source(), "old:rows", &home.path().join("s"), None, &Silent).unwrap();
    profile(&snapshot, &Silent).unwrap()
}

/// One column of these values, each so many times.
fn column(name: &str, values: &[&str]) -> ColumnProfile {
    let table = Table {
        columns: vec![name.to_owned()],
        rows: values.iter().map(|value| vec![Some((*value).to_owned())]).collect(),
        ..Table::default()
    };
    described(&table).columns.remove(0)
}

fn warns(profile: &ColumnProfile, text: &str) -> bool {
    profile.warnings.iter().any(|warning| warning.contains(text))
}

#[test]
fn counts_are_right() {
    let table = Table {
        columns: vec!["v".into()],
        rows: [Some("b"), Some("b"), None, Some(""), Some("  "), Some("éa"), Some("Anna 12")]
            .map(|cell| vec![cell.map(str::to_owned)])
            .into(),
        ..Table::default()
    };
    let profile = described(&table);
    assert_eq!((profile.rows, profile.rejects), (7, 0));
    let column = &profile.columns[0];
    assert_eq!((column.nulls, column.blanks, column.distinct, column.distinct_estimated), (1, 2, 3, false));
    assert_eq!((column.min_length, column.max_length), (1, 7));
    assert_eq!(column.top, [("b".into(), 2), ("Anna 12".into(), 1), ("éa".into(), 1)]);
    assert_eq!(column.patterns, [("a".into(), 2), ("Aaaa 99".into(), 1), ("aa".into(), 1)]);
    assert_eq!((column.min.as_deref(), column.max.as_deref()), (Some("Anna 12"), Some("éa")));
    assert_eq!(column.r#type, "text");
}

#[test]
fn types_and_bounds_go_by_the_values() {
    for (name, values, kind, min, max) in [
        ("n", &["10", "9", "-3"][..], "integer", "-3", "10"),
        ("n", &["10.5", "9", "1,000.25"], "decimal", "9", "1,000.25"),
        ("d", &["31/01/2024", "02/02/2023"], "date", "02/02/2023", "31/01/2024"),
        ("d", &["12/31/2023", "01/02/2024"], "date", "12/31/2023", "01/02/2024"),
        ("d", &["2024-01-31 10:00", "2024-01-31 09:00"], "datetime", "2024-01-31 09:00", "2024-01-31 10:00"),
        ("b", &["yes", "No"], "boolean", "No", "yes"),
        ("is_vip", &["0", "1"], "boolean", "0", "1"),
        ("stages", &["0", "1"], "integer", "0", "1"),
        ("zip", &["01234", "99999"], "text", "01234", "99999"),
        ("long", &["9007199254740993", "12"], "text", "12", "9007199254740993"),
        ("number", &["20240101", "20240202"], "integer", "20240101", "20240202"),
        ("created", &["20240101", "20240202"], "date", "20240101", "20240202"),
    ] {
        let found = column(name, values);
        assert_eq!(found.r#type, kind, "{values:?}");
        assert_eq!((found.min.as_deref(), found.max.as_deref()), (Some(min), Some(max)), "{values:?}");
    }
    assert_eq!(column("e", &["", " "]).r#type, "empty");
    assert_eq!(column("e", &[]).r#type, "empty");
}

#[test]
fn meanings_go_by_value_and_name() {
    for (name, values, semantic) in [
        ("x", &["a@b.de", "c@d.com"][..], "email"),
        ("x", &["https://a.de", "www.b.com"], "url"),
        ("PHONE1", &["030 123456", "5551234567"], "phone"),
        ("x", &["+49 30 123456", "(555) 123-4567"], "phone"),
        ("created", &["2024-01-31"], "date"),
        ("CONTACT_ID", &["1", "2", "3"], "id"),
        ("x", &["123e4567-e89b-12d3-a456-426614174000"], "id"),
        ("x", &["€ 5", "$12.50"], "money"),
        ("annualRevenue", &["5", "12.50"], "money"),
        ("x", &["Germany", "France"], "country"),
        ("LAST_NM", &["Weiss", "O'Neil"], "name"),
        ("plz", &["01234"], "zip"),
        ("notes", &["called twice", "no answer, again"], ""),
        ("qty", &["5", "7"], ""),
    ] {
        assert_eq!(column(name, values).semantic, semantic, "{name} {values:?}");
    }
}

#[test]
fn what_an_operator_must_know_is_said() {
    assert!(warns(&column("z", &["01234", "12345"]), "leading zeros in 1 value"));
    assert!(warns(&column("i", &["900719925474099312"]), "2^53"));
    assert!(warns(
        &column("d", &["2024-01-31", "31/01/2024", "01/02/2024"]),
        "mixed date formats: DD/MM/YYYY 2, YYYY-MM-DD 1"
    ));
    assert!(warns(&column("d", &["01/02/2024", "03/04/2024"]), "day and month cannot be told apart in 2 values"));
    let both = column("d", &["31/01/2024", "01/31/2024", "01/02/2024"]);
    assert!(warns(&both, "mixed date formats") && warns(&both, "told apart in 1 value"));
    assert!(!warns(&column("d", &["31/01/2024", "01/02/2024"]), "date"));
    assert!(warns(&column("t", &[" a", "b "]), "start or end of 2 values"));
    assert!(warns(&column("t", &["N/A", "x"]), "1 value may stand for nothing"));
    assert!(warns(&column("t", &["MÃ¼ller"]), "mixed encodings in 1 value"));
    assert!(warns(&column("t", &["a\u{0}b"]), "control characters in 1 value"));
    assert!(warns(&column("t", &["Open", "OPEN", "closed"]), "1 value in several spellings"));
    assert!(warns(&column("n", &["1.234,50", "1,234.50"]), "two notations"));
    let opted = column("opt_in", &["J", "yes", "0", "1", "TRUE"]);
    assert!(opted.r#type == "boolean" && warns(&opted, "yes and no are written in 5 ways"));
    let mut ids: Vec<String> = (0..100).map(|id| format!("k{id}")).collect();
    ids.push("k7".into());
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert!(warns(&column("id", &ids), "likely a key: 1 of its values occur more than once"));
    assert_eq!(column("id", &ids[..100]).warnings, Vec::<String>::new());
    assert_eq!(column("name", &["Anna", "Łukasz", "日本"]).warnings, Vec::<String>::new());
}

#[test]
fn many_values_are_sketched() {
    let table = Table::generated(1, 60_000, |row, _| {
        Some(if row > 30_000 && row % 4 == 0 { "late".into() } else { format!("value {row}") })
    });
    let column = &described(&table).columns[0];
    assert!(column.distinct_estimated);
    assert!((49_000..56_000).contains(&column.distinct), "{}", column.distinct);
    assert_eq!(column.top[0].0, "late");
    assert_eq!(column.patterns[0].0, "aaa 99999");
    assert_eq!((column.min_length, column.max_length), (4, 11));
}

#[test]
fn a_long_text_is_described_and_not_held() {
    let long = "word ".repeat(10_000);
    let found = column("t", &[&long, &long]);
    assert_eq!((found.distinct, found.max_length), (1, 50_000));
    assert_eq!(found.top, []);
    assert!(found.max.unwrap().chars().count() <= 201);
    assert!(found.patterns.iter().all(|(pattern, _)| pattern.chars().count() < 60));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn nothing_panics(text in any::<String>(), digits in "[0-9./,: $€()+\\-eETZa-z@\u{a0}é]{0,24}") {
        for value in [text.as_str(), digits.as_str(), &format!("{digits}{text}")] {
            let mut state = ColumnState::new(Bounds::for_columns(1));
            state.add(Some(value));
            state.add(None);
            let found = state.finish(value);
            prop_assert_eq!(found.nulls, 1);
            prop_assert_eq!(found.distinct + found.blanks, 1);
        }
    }
}
