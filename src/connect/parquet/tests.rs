#![allow(clippy::unwrap_used)]
use std::path::PathBuf;

use polars::prelude::{
    Column, DataFrame, DataType, Int128Chunked, IntoSeries, NamedFrom, NewChunkedArray, Series, TimeUnit,
};
use polars_io::parquet::write::ParquetWriter;

use crm_core::Kind;
use crm_core::monitor::Silent;
use crm_core::platform::{ChangeBatch, ChangeKind, Connector, ReadOptions, RowResult, Source, WriteContext};
use crm_core::table::hash::row_hash;

use super::ParquetConnector;

struct Fixture {
    dir: tempfile::TempDir,
    parquet: ParquetConnector,
}

fn typed() -> DataFrame {
    let ints =
        |values: [Option<i64>; 4], dtype: &DataType| Series::new("x".into(), values.to_vec()).cast(dtype).unwrap();
    let day = 86_400_i64;
    let columns: Vec<(&str, Series)> = vec![
        ("id", ints([Some(1), Some(2), Some(3), Some(4)], &DataType::Int64)),
        ("small", ints([Some(-7), None, Some(0), Some(127)], &DataType::Int8)),
        ("big", Series::new("x".into(), vec![Some(u64::MAX), None, Some(0), Some(5)])),
        ("float", Series::new("x".into(), vec![Some(0.1), Some(100.0), None, Some(f64::NAN)])),
        ("single", Series::new("x".into(), vec![Some(0.1_f32), None, Some(1.5), Some(2.0)])),
        ("flag", Series::new("x".into(), vec![Some(true), Some(false), None, Some(true)])),
        (
            "money",
            Int128Chunked::from_iter_options("x".into(), [Some(1250_i128), Some(-5), None, Some(0)].into_iter())
                .into_decimal(10, 2)
                .unwrap()
                .into_series(),
        ),
        ("born", ints([Some(19_753), Some(-1), None, Some(0)], &DataType::Int32).cast(&DataType::Date).unwrap()),
        (
            "seen",
            ints([Some(1_706_706_300_250_000), None, Some(-1), Some(day * 1_000_000)], &DataType::Int64)
                .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
                .unwrap(),
        ),
        (
            "utc",
            ints([Some(1_706_706_300_000), None, None, Some(0)], &DataType::Int64)
                .cast(&DataType::Datetime(TimeUnit::Milliseconds, Some(polars::prelude::TimeZone::UTC)))
                .unwrap(),
        ),
        (
            "at",
            ints([Some(47_100_000_000_000), None, Some(1), Some(0)], &DataType::Int64).cast(&DataType::Time).unwrap(),
        ),
        ("raw", Series::new("x".into(), vec![Some(&[0_u8, 255][..]), None, Some(&[]), Some(b"a")])),
        ("note", Series::new("x".into(), vec![Some("native"), Some(""), None, Some("ä😀")])),
    ];
    let columns = columns.into_iter().map(|(name, series)| Column::from(series.with_name(name.into()))).collect();
    DataFrame::new(4, columns).unwrap()
}

fn text(columns: &[&str], rows: &[&[&str]]) -> DataFrame {
    let column = |(index, name): (usize, &&str)| {
        let cells: Vec<Option<&str>> =
            rows.iter().map(|row| row.get(index).copied().filter(|cell| *cell != "NULL")).collect();
        Column::from(Series::new((*name).into(), cells))
    };
    DataFrame::new(rows.len(), columns.iter().enumerate().map(column).collect()).unwrap()
}

impl Fixture {
    /// The rows in row groups of so many.
    fn new(frame: Option<DataFrame>, group: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let fixture = Self { parquet: ParquetConnector::file(&dir.path().join("t.parquet")), dir };
        if let Some(mut frame) = frame {
            let file = std::fs::File::create(fixture.path()).unwrap();
            ParquetWriter::new(file).with_row_group_size(Some(group)).finish(&mut frame).unwrap();
        }
        fixture
    }
    fn path(&self) -> PathBuf {
        self.dir.path().join("t.parquet")
    }
    fn context(&self, columns: &[&str]) -> WriteContext {
        WriteContext {
            run_dir: self.dir.path().join("runs/r1"),
            planned: self.parquet.version("t").unwrap(),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
    fn frame(&self, batch_rows: usize, limit: Option<u64>) -> DataFrame {
        let mut reader = self.parquet.read(&Source::Object("t".into()), &ReadOptions { batch_rows, limit }).unwrap();
        let mut all: Option<DataFrame> = None;
        while let Some(batch) = reader.next_batch().unwrap() {
            assert!(batch.frame.height() <= batch_rows);
            match &mut all {
                None => all = Some(batch.frame),
                Some(frame) => drop(frame.vstack_mut(&batch.frame).unwrap()),
            }
        }
        all.unwrap_or_default()
    }
    fn rows(&self) -> Vec<String> {
        rows(&self.frame(3, None))
    }
    fn batch(&self, columns: &[&str], changes: &[(u64, ChangeKind, &[&str])]) -> ChangeBatch {
        let frame = self.frame(100, None);
        let names: Vec<String> = frame.get_column_names().iter().map(ToString::to_string).collect();
        let hashes = row_hash(&frame, &names).unwrap();
        let values: Vec<&[&str]> = changes.iter().map(|(_, _, values)| *values).collect();
        ChangeBatch {
            kinds: changes.iter().map(|(_, kind, _)| *kind).collect(),
            ordinals: changes.iter().map(|(ordinal, _, _)| *ordinal).collect(),
            locators: None,
            expected: changes.iter().map(|(ordinal, _, _)| hashes[*ordinal as usize]).collect(),
            values: text(columns, &values),
        }
    }
}

fn rows(frame: &DataFrame) -> Vec<String> {
    (0..frame.height())
        .map(|row| {
            let cell = |column: &Column| column.str().unwrap().get(row).unwrap_or("NULL").to_owned();
            frame.columns().iter().map(cell).collect::<Vec<_>>().join("|")
        })
        .collect()
}

const ROWS: [&str; 4] = [
    "1|-7|18446744073709551615|0.1|0.1|true|12.50|2024-01-31|2024-01-31T13:05:00.25|2024-01-31T13:05:00Z|13:05:00|00ff|native",
    "2|NULL|NULL|100|NULL|false|-0.05|1969-12-31|NULL|NULL|NULL|NULL|",
    "3|0|0|NULL|1.5|NULL|NULL|NULL|1969-12-31T23:59:59.999999|NULL|00:00:00.000000001||NULL",
    "4|127|5|NaN|2|true|0.00|1970-01-01|1970-01-02T00:00:00|1970-01-01T00:00:00Z|00:00:00|61|ä😀",
];

#[test]
fn every_type_reads_as_text_by_row_group() {
    for group in [1, 2, 100] {
        let fixture = Fixture::new(Some(typed()), group);
        assert_eq!(fixture.rows(), ROWS);
        assert_eq!(rows(&fixture.frame(2, Some(3))), ROWS[..3]);
    }
}

#[test]
fn keeps_types_and_untouched_values_and_converts_what_is_new() {
    let fixture = Fixture::new(Some(typed()), 2);
    let schema = fixture.parquet.schema(&Source::Object("t".into())).unwrap();
    let columns = ["id", "small", "big", "float", "single", "flag", "money", "born", "seen", "utc", "at", "raw"];
    let update: &[&str] = &[
        "20",
        "5",
        "7",
        "1e3",
        "2.5",
        "1",
        "3.5",
        "2000-02-29",
        "2001-01-01 10:00",
        "2001-01-01T10:00:00+02:00",
        "10:00",
        "0a",
    ];
    let wrong: &[&str] = &["x"; 12];
    let batch = fixture.batch(
        &columns,
        &[(0, ChangeKind::Delete, &[]), (1, ChangeKind::Update, update), (3, ChangeKind::Update, wrong)],
    );
    let mut writer = fixture.parquet.write("t", &fixture.context(&columns)).unwrap();
    let results = writer.change(&batch, &Silent).unwrap();
    assert_eq!(results[..2], [RowResult::Written(None), RowResult::Written(None)]);
    assert_eq!(results[2], RowResult::Refused("id: is not a whole number".into()));
    let nulls: &[&str] = &["NULL"; 12];
    let results = writer.insert(&text(&columns, &[nulls, wrong, update]), &Silent).unwrap();
    assert!(matches!(results[1], RowResult::Refused(_)));
    let published = writer.publish(&Silent).unwrap();
    assert_eq!((published.before, published.rows), (4, 5));
    let changed = "20|5|7|1000|2.5|true|3.50|2000-02-29|2001-01-01T10:00:00|2001-01-01T08:00:00Z|10:00:00|0a|";
    let inserted = [["NULL"; 13].join("|"), format!("{changed}NULL")];
    assert_eq!(fixture.rows(), [changed, ROWS[2], ROWS[3], &inserted[0], &inserted[1]]);
    assert_eq!(fixture.parquet.schema(&Source::Object("t".into())).unwrap(), schema);
    assert_eq!(published.version, fixture.parquet.version("t").unwrap());
}

#[test]
fn values_that_do_not_fit_are_refused_with_a_reason() {
    let fixture = Fixture::new(Some(typed()), 100);
    for (column, value, why) in [
        ("small", "128", "out of the column's range"),
        ("big", "-1", "out of the column's range"),
        ("id", "1.5", "not a whole number"),
        ("float", "1e999", "beyond the column's range"),
        ("float", "infinity", "not a number"),
        ("flag", "yes", "not true or false"),
        ("money", "1.234", "more decimal places"),
        ("money", "123456789.00", "more digits"),
        ("born", "31.01.2024", "not a date"),
        ("born", "2023-02-29", "not a date"),
        ("seen", "2024-01-31T00:00:00Z", "has a zone"),
        ("utc", "2024-01-31T00:00:00", "has no zone"),
        ("utc", "2024-01-31T00:00:00.0001Z", "finer"),
        ("raw", "0g", "hex"),
    ] {
        let mut writer = fixture.parquet.write("t", &fixture.context(&[column])).unwrap();
        let results = writer.insert(&text(&[column], &[&[value]]), &Silent).unwrap();
        assert!(matches!(&results[0], RowResult::Refused(reason) if reason.contains(why)), "{value}: {results:?}");
    }
    assert_eq!(fixture.rows(), ROWS);
    assert_eq!(std::fs::read_dir(fixture.dir.path()).unwrap().count(), 1, "a staged file was left behind");
}

#[test]
fn a_new_file_has_text_columns_and_may_be_empty() {
    let fixture = Fixture::new(None, 1);
    let writer = fixture.parquet.write("t", &fixture.context(&["a", "b"])).unwrap();
    assert_eq!(writer.publish(&Silent).unwrap().rows, 0);
    assert_eq!(fixture.rows(), Vec::<String>::new());
    let mut writer = fixture.parquet.write("t", &fixture.context(&["b"])).unwrap();
    writer.insert(&text(&["b"], &[&["007"], &["NULL"]]), &Silent).unwrap();
    writer.insert(&text(&["b"], &[&[""]]), &Silent).unwrap();
    assert_eq!(writer.publish(&Silent).unwrap().rows, 3);
    assert_eq!(fixture.rows(), ["NULL|007", "NULL|NULL", "NULL|"]);
}

#[test]
fn rows_and_files_that_moved() {
    let fixture = Fixture::new(Some(typed()), 2);
    let mut batch = fixture.batch(&["note"], &[(1, ChangeKind::Delete, &[]), (2, ChangeKind::Delete, &[])]);
    batch.expected[0] ^= 1;
    batch.ordinals[1] = 9;
    let mut writer = fixture.parquet.write("t", &fixture.context(&["note"])).unwrap();
    assert_eq!(writer.change(&batch, &Silent).unwrap(), [RowResult::Moved, RowResult::Moved]);
    Fixture::new(Some(typed().head(Some(3))), 2);
    let other = Fixture::new(Some(typed().head(Some(3))), 2);
    std::fs::copy(other.path(), fixture.path()).unwrap();
    assert_eq!(writer.publish(&Silent).unwrap_err().kind(), Kind::Refused);
    assert_eq!(fixture.rows(), ROWS[..3]);
}

#[test]
fn what_is_no_parquet_or_nested_is_refused() {
    let fixture = Fixture::new(None, 1);
    std::fs::write(fixture.path(), "a,b\n1,2\n").unwrap();
    let error = fixture.parquet.schema(&Source::Object("t".into())).unwrap_err();
    assert!(error.what().contains("not a Parquet file"), "{error}");
    let lists = Series::new("tags".into(), [Series::new("".into(), [1_i64, 2])]);
    let nested = Fixture::new(Some(DataFrame::new(1, vec![Column::from(lists)]).unwrap()), 1);
    let error = nested.parquet.schema(&Source::Object("t".into())).unwrap_err();
    assert!(error.what().contains("column tags"), "{error}");
    let columns = fixture.parquet.write("t", &fixture.context(&["a"])).err().unwrap();
    assert_eq!(columns.kind(), Kind::Platform);
}
