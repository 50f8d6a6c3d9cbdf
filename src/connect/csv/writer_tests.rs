#![allow(clippy::unwrap_used)]
use std::path::PathBuf;

use polars::prelude::{Column, DataFrame, NamedFrom, Series};

use crm_core::Kind;
use crm_core::monitor::Silent;
use crm_core::platform::{
    ChangeBatch, ChangeKind, Connector, LINE, Published, ReadOptions, RowResult, Source, WriteContext,
};
use crm_core::table::hash::row_hash;

use super::CsvConnector;

struct Fixture {
    dir: tempfile::TempDir,
    csv: CsvConnector,
}

type Change<'a> = (u64, ChangeKind, &'a [&'a str]);

fn frame(columns: &[&str], rows: &[&[&str]]) -> DataFrame {
    let column = |(index, name): (usize, &&str)| {
        let cells: Vec<Option<&str>> =
            rows.iter().map(|row| row.get(index).copied().filter(|cell| *cell != "NULL")).collect();
        Column::from(Series::new((*name).into(), cells))
    };
    DataFrame::new(rows.len(), columns.iter().enumerate().map(column).collect()).unwrap()
}

impl Fixture {
    fn new(bytes: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let fixture = Self { csv: CsvConnector::file(&dir.path().join("data/t.csv")), dir };
        if !bytes.is_empty() {
            std::fs::write(fixture.path(), bytes).unwrap();
        }
        fixture
    }
    fn path(&self) -> PathBuf {
        self.dir.path().join("data/t.csv")
    }
    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap()
    }
    fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }
    fn context(&self, columns: &[&str]) -> WriteContext {
        WriteContext {
            run_dir: self.dir.path().join("runs/r1"),
            planned: self.csv.version("t").unwrap(),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
    fn rows(&self) -> DataFrame {
        let mut reader = self.csv.read(&Source::Object("t".into()), &ReadOptions::default()).unwrap();
        let mut all: Option<DataFrame> = None;
        while let Some(batch) = reader.next_batch().unwrap() {
            match &mut all {
                None => all = Some(batch.frame),
                Some(frame) => drop(frame.vstack_mut(&batch.frame).unwrap()),
            }
        }
        all.unwrap_or_default()
    }
    fn batch(&self, columns: &[&str], changes: &[Change<'_>]) -> ChangeBatch {
        let rows = self.rows();
        let names: Vec<String> =
            rows.get_column_names().iter().map(ToString::to_string).filter(|name| name != LINE).collect();
        let hashes = row_hash(&rows, &names).unwrap();
        let values: Vec<&[&str]> = changes.iter().map(|(_, _, values)| *values).collect();
        ChangeBatch {
            kinds: changes.iter().map(|(_, kind, _)| *kind).collect(),
            ordinals: changes.iter().map(|(ordinal, _, _)| *ordinal).collect(),
            locators: None,
            expected: changes.iter().map(|(ordinal, _, _)| hashes[*ordinal as usize]).collect(),
            values: frame(columns, &values),
        }
    }
    fn run(&self, columns: &[&str], changes: &[Change<'_>], inserts: &[&[&str]]) -> (Vec<RowResult>, Published) {
        let mut writer = self.csv.write("t", &self.context(columns)).unwrap();
        let mut results = Vec::new();
        if !changes.is_empty() {
            results.extend(writer.change(&self.batch(columns, changes), &Silent).unwrap());
        }
        results.extend(writer.insert(&frame(columns, inserts), &Silent).unwrap());
        (results, writer.publish(&Silent).unwrap())
    }
}

use ChangeKind::{Delete, Update};

#[test]
fn untouched_rows_keep_their_bytes_and_changed_ones_their_other_fields() {
    let old = "\u{feff}\"id\"; name;note\r\n1;\"Ann\";\"a;b\"\r\n\r\n2;Bob;  x \r\nbroken;line\r\n3;\"C\r\nd\";\"say \"\"hi\"\"\"\r\n\"4\";Dan;\n5;Eve;e";
    let fixture = Fixture::new(old.as_bytes());
    let columns = ["id", " name"];
    let changes: &[Change<'_>] =
        &[(0, Update, &["1", "An;na"]), (2, Update, &["3", "Cid"]), (3, Delete, &[]), (4, Update, &["5", "Eva"])];
    let (results, published) = fixture.run(&columns, changes, &[&["6", "Fay\nF"], &["7", "NULL"]]);
    assert_eq!(results, vec![RowResult::Written(None); 6]);
    assert_eq!((published.before, published.rows), (5, 6));
    assert_eq!(
        fixture.text(),
        "\u{feff}\"id\"; name;note\r\n1;\"An;na\";\"a;b\"\r\n\r\n2;Bob;  x \r\nbroken;line\r\n3;Cid;\"say \"\"hi\"\"\"\r\n5;Eva;e\r\n6;\"Fay\nF\";\r\n7;;\r\n"
    );
    assert_eq!(published.version, fixture.csv.version("t").unwrap());
}

#[test]
fn nothing_to_do_leaves_every_byte() {
    for old in ["a,b\n1,\"2\"\n\n,\n3,4", "a,b", "a,b\r1,2\r3,4\r", "a\tb\n\"x\ny\"\t1\n"] {
        let fixture = Fixture::new(old.as_bytes());
        let (_, published) = fixture.run(&["a"], &[], &[]);
        assert_eq!(published.before, published.rows);
        assert_eq!(fixture.text(), old);
    }
    // An update to what is there already, too.
    let fixture = Fixture::new(b"a,b\n\"1\",2\n");
    let (results, _) = fixture.run(&["a"], &[(0, Update, &["1"])], &[]);
    assert_eq!(results, [RowResult::Written(None)]);
    assert_eq!(fixture.text(), "a,b\n\"1\",2\n");
}

#[test]
fn a_last_line_without_newline_can_be_changed_dropped_and_followed() {
    type Case<'a> = (&'a str, &'a [Change<'a>], &'a [&'a [&'a str]], &'a str);
    let cases: [Case<'_>; 6] = [
        ("a,b\n1,2\n3,4", &[(1, Update, &["9"])], &[], "a,b\n1,2\n9,4"),
        ("a,b\n1,2\n3,4", &[(1, Delete, &[])], &[], "a,b\n1,2\n"),
        ("a,b\n1,2\n3,4", &[(1, Delete, &[])], &[&["5"]], "a,b\n1,2\n5,\n"),
        ("a,b\n1,2\n3,4", &[], &[&["5"]], "a,b\n1,2\n3,4\n5,\n"),
        ("a,b", &[], &[&["5"]], "a,b\n5,\n"),
        ("a,b\r1,2", &[], &[&["5"]], "a,b\r1,2\r5,\r"),
    ];
    for (old, changes, inserts, new) in cases {
        let fixture = Fixture::new(old.as_bytes());
        fixture.run(&["a"], changes, inserts);
        assert_eq!(fixture.text(), new, "{old:?}");
    }
}

#[test]
fn a_new_file_has_the_mapped_columns_and_minimal_quotes() {
    let fixture = Fixture::new(b"");
    let rows: &[&[&str]] = &[&["007", "plain"], &["a,b", "say \"x\""], &["two\nlines", " kept "], &["NULL", ""]];
    let (_, published) = fixture.run(&["id", "x y"], &[], rows);
    assert_eq!((published.before, published.rows), (0, 4));
    assert_eq!(fixture.text(), "id,x y\n007,plain\n\"a,b\",\"say \"\"x\"\"\"\n\"two\nlines\", kept \n,\n");
    let single = Fixture::new(b"");
    single.run(&["only"], &[], &[&["NULL"], &["x"]]);
    assert_eq!(single.text(), "only\n\"\"\nx\n");
    let none = Fixture::new(b"");
    assert_eq!(none.run(&["only"], &[], &[]).1.rows, 0);
    assert_eq!(none.text(), "only\n");
}

#[test]
fn other_encodings_keep_their_bytes_and_refuse_what_they_lack() {
    // 0x81 is a hole in Windows-1252: it comes back as it was.
    let fixture = Fixture::new(b"id,name\n1,M\xfcller Stra\xdfe\n2,caf\xe9 \x81\n3,gr\xfc\xdfe f\xfcr \xd6l\n");
    let (results, _) = fixture.run(
        &["id", "name"],
        &[(0, Update, &["1", "Łódź"]), (2, Update, &["3", "Öl"])],
        &[&["4", "für"], &["5", "日本"]],
    );
    let lacks = |result: &RowResult| matches!(result, RowResult::Refused(reason) if reason.starts_with("name: ") && !reason.contains('日'));
    assert!(lacks(&results[0]) && lacks(&results[3]), "{results:?}");
    assert_eq!(fixture.bytes(), b"id,name\n1,M\xfcller Stra\xdfe\n2,caf\xe9 \x81\n3,\xd6l\n4,f\xfcr\n");

    for (big, mark) in [(false, [0xff, 0xfe]), (true, [0xfe, 0xff])] {
        let encode = |text: &str| -> Vec<u8> {
            let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            mark.into_iter().chain(text.encode_utf16().flat_map(unit)).collect()
        };
        // U+0A0A and U+0D0A hold the bytes of newlines.
        let fixture = Fixture::new(&encode("id,name\r\n1,ਊ\u{d0a}x\r\n2,\"b\r\nc\"\r\n3,日本"));
        let (results, published) = fixture.run(&["id", "name"], &[(1, Update, &["2", "😀"])], &[&["4", "ਊ"]]);
        assert_eq!(results, vec![RowResult::Written(None); 2]);
        assert_eq!(published.rows, 4);
        assert_eq!(fixture.bytes(), encode("id,name\r\n1,ਊ\u{d0a}x\r\n2,😀\r\n3,日本\r\n4,ਊ\r\n"));
    }
}

#[test]
fn rows_that_moved_and_cells_that_do_not_fit() {
    let fixture = Fixture::new(b"a,b\n1,2\n3,4\n");
    let mut batch = fixture.batch(&["a"], &[(0, Update, &["9"]), (1, Update, &["x\0y"])]);
    batch.expected[0] ^= 1;
    batch.ordinals.push(7);
    batch.kinds.push(Delete);
    batch.expected.push(0);
    batch.values = frame(&["a"], &[&["9"], &["x\0y"], &["NULL"]]);
    let mut writer = fixture.csv.write("t", &fixture.context(&["a"])).unwrap();
    let results = writer.change(&batch, &Silent).unwrap();
    assert_eq!(results[0], RowResult::Moved);
    assert!(matches!(&results[1], RowResult::Refused(reason) if reason.starts_with("a: holds a NUL")));
    assert_eq!(results[2], RowResult::Moved);
    writer.publish(&Silent).unwrap();
    assert_eq!(fixture.text(), "a,b\n1,2\n3,4\n");
}

#[test]
fn refuses_unknown_columns_moved_files_and_broken_ends() {
    let fixture = Fixture::new(b"a,b\n1,2\n");
    assert_eq!(fixture.csv.write("t", &fixture.context(&["c"])).err().unwrap().kind(), Kind::Usage);
    let mut writer = fixture.csv.write("t", &fixture.context(&["a"])).unwrap();
    writer.insert(&frame(&["a"], &[&["3"]]), &Silent).unwrap();
    std::fs::write(fixture.path(), "a,b\n9,9\n").unwrap();
    assert_eq!(writer.publish(&Silent).unwrap_err().kind(), Kind::Refused);
    assert_eq!(fixture.text(), "a,b\n9,9\n");
    assert_eq!(std::fs::read_dir(fixture.dir.path().join("data")).unwrap().count(), 1);

    // The open quote would take the new rows in, were they not counted before the file is published.
    let open = Fixture::new(b"a,b\n1,2\n3,\"x\n");
    let mut writer = open.csv.write("t", &open.context(&["a", "b"])).unwrap();
    writer.insert(&frame(&["a", "b"], &[&["5", "6\"\n,"]]), &Silent).unwrap();
    match writer.publish(&Silent) {
        Err(error) => assert_eq!(error.kind(), Kind::Data),
        Ok(published) => assert_eq!(published.rows as usize, open.rows().height()),
    }
}

#[test]
fn a_file_without_header_or_with_skipped_lines() {
    let open = |options: &str| {
        let fixture = Fixture::new(b"# export\n1,2\n3,4\n");
        let config = crm_core::project::PlatformConfig {
            name: "p".into(),
            kind: "csv".into(),
            path: Some("data/t.csv".into()),
            options: toml::from_str(options).unwrap(),
        };
        let csv = CsvConnector::open(&config, fixture.dir.path()).unwrap();
        (fixture, csv)
    };
    let (fixture, csv) = open("header = false\nskip = 1");
    let context = fixture.context(&["column_2"]);
    let mut writer = csv.write("t", &context).unwrap();
    writer.insert(&frame(&["column_2"], &[&["5"]]), &Silent).unwrap();
    assert_eq!(writer.publish(&Silent).unwrap().rows, 3);
    assert_eq!(fixture.text(), "# export\n1,2\n3,4\n,5\n");
    let (fixture, csv) = open("header = true\nskip = 1");
    let mut writer = csv.write("t", &fixture.context(&["1"])).unwrap();
    writer.insert(&frame(&["1"], &[&["5"]]), &Silent).unwrap();
    assert_eq!(writer.publish(&Silent).unwrap().rows, 2);
    assert_eq!(fixture.text(), "# export\n1,2\n3,4\n5,\n");
}

mod random {
    use super::*;
    use crm_core::platform::{RecordReader, TargetWriter};
    use proptest::prelude::*;

    fn cell() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => "[a-z0-9]{0,4}",
            1 => "[a,;\"\\\\\n\r\t '\u{feff}ä]{0,5}",
        ]
    }

    /// Nothing is left to detection: so few rows of such cells would mislead it.
    fn fixed() -> super::super::Overrides {
        let config = crm_core::project::PlatformConfig {
            options: toml::from_str("delimiter = \",\"\nquote = '\"'\nheader = true\nencoding = \"utf-8\"").unwrap(),
            ..Default::default()
        };
        super::super::Overrides::of(&config).unwrap()
    }

    fn row() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec(cell(), 3)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]
        #[test]
        fn a_mix_of_changes_equals_the_model(
            old in prop::collection::vec(row(), 1..12),
            edits in prop::collection::vec((0..3_u8, row()), 12),
            new in prop::collection::vec(row(), 0..5),
        ) {
            let columns = ["alpha", "beta", "gamma"];
            let text = |rows: &[Vec<String>]| -> Vec<Vec<Option<String>>> {
                rows.iter().map(|row| row.iter().map(|cell| (!cell.is_empty()).then(|| cell.clone())).collect()).collect()
            };
            let cells = |rows: &[Vec<String>]| -> DataFrame {
                let column = |index: usize| {
                    let cells: Vec<&str> = rows.iter().map(|row| row[index].as_str()).collect();
                    Column::from(Series::new(columns[index].into(), cells))
                };
                DataFrame::new(rows.len(), (0..3).map(column).collect()).unwrap()
            };
            let dialect = super::super::Dialect::default();
            let fixture = Fixture::new(b"");
            let open = |planned: &Fixture| super::super::writer::CsvWriter::open("t", &planned.path(), &dialect, &fixed(), &planned.context(&columns)).unwrap();
            let mut writer = open(&fixture);
            writer.insert(&cells(&old), &Silent).unwrap();
            prop_assert_eq!(Box::new(writer).publish(&Silent).unwrap().rows as usize, old.len());
            let read = || {
                let mut reader = super::super::CsvReader::open(&fixture.path(), &dialect, 0, &ReadOptions::default()).unwrap();
                let frame = reader.next_batch().unwrap().map(|batch| batch.frame);
                assert_eq!(reader.take_rejects(), []);
                frame
            };
            let rows = |frame: Option<DataFrame>| -> Vec<Vec<Option<String>>> {
                frame.map_or(Vec::new(), |frame| (0..frame.height())
                    .map(|row| (0..3).map(|at| frame.columns()[at].str().unwrap().get(row).map(str::to_owned)).collect())
                    .collect())
            };
            let before = read();
            prop_assert_eq!(rows(before.clone()), text(&old));
            let hashes = row_hash(&before.unwrap(), &columns.map(String::from)).unwrap();
            let mut model = Vec::new();
            let (mut kinds, mut ordinals, mut values) = (Vec::new(), Vec::new(), Vec::new());
            for (index, row) in old.iter().enumerate() {
                match &edits[index] {
                    (0, _) => model.push(row.clone()),
                    (1, new) => {
                        model.push(new.clone());
                        kinds.push(Update);
                        ordinals.push(index as u64);
                        values.push(new.clone());
                    }
                    _ => {
                        kinds.push(Delete);
                        ordinals.push(index as u64);
                        values.push(row.clone());
                    }
                }
            }
            let batch = ChangeBatch {
                kinds, expected: ordinals.iter().map(|ordinal| hashes[*ordinal as usize]).collect(),
                ordinals, locators: None, values: cells(&values),
            };
            model.extend(new.clone());
            let mut writer = open(&fixture);
            let results = writer.change(&batch, &Silent).unwrap();
            prop_assert!(results.iter().all(|result| *result == RowResult::Written(None)));
            writer.insert(&cells(&new), &Silent).unwrap();
            prop_assert_eq!(Box::new(writer).publish(&Silent).unwrap().rows as usize, model.len());
            prop_assert_eq!(rows(read()), text(&model));
        }
    }
}

#[test]
fn content_that_detection_would_misread_is_not_published() {
    let fixture = Fixture::new(b"");
    let mut writer = fixture.csv.write("t", &fixture.context(&["a", "b"])).unwrap();
    let rows: &[&[&str]] = &[&["a", "1"], &["a", "2"], &["b", "3"], &["a", "4"]];
    writer.insert(&frame(&["a", "b"], rows), &Silent).unwrap();
    match writer.publish(&Silent) {
        Err(error) => {
            assert_eq!(error.kind(), Kind::Data);
            assert!(!fixture.path().exists());
        }
        Ok(published) => assert_eq!(published.rows as usize, fixture.rows().height()),
    }
}
