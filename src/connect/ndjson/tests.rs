#![allow(clippy::unwrap_used)]
use std::path::PathBuf;

use proptest::prelude::*;

use super::records::Records;
use super::*;

type Cells = Vec<Vec<Option<String>>>;
/// Names, rows, lines of the rows, rejects with their lines.
type Read = (Vec<String>, Cells, Vec<u64>, Vec<(u64, String)>);

fn read(name: &str, bytes: &[u8]) -> Result<Read> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let config = PlatformConfig { path: Some(path), ..PlatformConfig::default() };
    let connector = JsonConnector::open(&config, Path::new(""))?;
    let object = Source::Object(connector.objects()?.remove(0).name);
    let mut reader = connector.read(&object, &ReadOptions { batch_rows: 2, limit: None })?;
    let names: Vec<String> = reader.schema().names().map(str::to_string).collect();
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    while let Some(batch) = reader.next_batch()? {
        let text =
            |name: &String, row: usize| batch.frame.column(name).unwrap().str().unwrap().get(row).map(str::to_string);
        for row in 0..batch.frame.height() {
            rows.push(names.iter().map(|name| text(name, row)).collect());
            lines.push(batch.frame.column("__line").unwrap().u64().unwrap().get(row).unwrap());
        }
    }
    let rejects = reader.take_rejects().into_iter().map(|reject| (reject.line, reject.reason)).collect();
    Ok((names, rows, lines, rejects))
}

fn texts(rows: &Cells) -> Vec<Vec<&str>> {
    rows.iter().map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect()).collect()
}

#[test]
fn values_keep_their_text() {
    let text = concat!(
        "{\"id\": 007.0}\n",
        "{\"id\": 1e5, \"n\": 12345678901234567890123.10, \"s\": \"a\\u00e9\\\"\\n\", \"b\": true, \"z\": null}\n",
        "\n",
        "{\"late\": {\"k\": [1, 2.50, \"x y\"]}, \"id\": \"1e5\", \"s\": \"\"}\r\n",
    );
    let (names, rows, lines, rejects) = read("t.ndjson", text.as_bytes()).unwrap();
    assert_eq!(names, ["id", "n", "s", "b", "z", "late"]);
    assert_eq!(
        texts(&rows),
        [
            ["1e5", "12345678901234567890123.10", "aé\"\n", "true", "NULL", "NULL"],
            ["1e5", "NULL", "", "NULL", "NULL", "{\"k\":[1,2.50,\"x y\"]}"],
        ]
    );
    assert_eq!(lines, [2, 4]);
    assert_eq!(rejects.len(), 1);
    assert!(rejects[0].0 == 1 && rejects[0].1.starts_with("not JSON"), "{rejects:?}");
}

#[test]
fn broken_lines_are_rejects_and_the_others_are_kept() {
    let mut bytes = b"{\"a\":1}\n{\"a\":2\n[3]\n{\"a\":4,\"a\":5}\n{\"a\":\"".to_vec();
    bytes.extend(b"\xFF\"}\n{\"a\":\"\\ud800\"}\n{\"a\":6}");
    let (_, rows, lines, rejects) = read("t.jsonl", &bytes).unwrap();
    assert_eq!(texts(&rows), [["1"], ["6"]]);
    assert_eq!(lines, [1, 7]);
    assert_eq!(rejects.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    assert_eq!(rejects[2].1, "the key of column a occurs twice");
}

#[test]
fn arrays_and_pretty_printed_objects_are_streamed() {
    let array = "\n[\n  {\"a\": 1,\n   \"b\": [\"]\", {}]},\n  {\"a\": 2}, 5,\n  {\"b\": false}\n]\n";
    let (names, rows, lines, rejects) = read("t.json", array.as_bytes()).unwrap();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(texts(&rows), [["1", "[\"]\",{}]"], ["2", "NULL"], ["NULL", "false"]]);
    assert_eq!(lines, [3, 5, 6]);
    assert_eq!(rejects[0].0, 5);
    let (_, rows, ..) = read("t.json", b"{\n \"a\": 1\n}\n{\n \"a\": 2\n}").unwrap();
    assert_eq!(texts(&rows), [["1"], ["2"]]);
    let (_, rows, _, rejects) = read("t.json", b"[{\"a\": 1}, {\"a\": 2}").unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rejects, [(1, "the array is not closed: the file may be cut off".to_string())]);
    let (_, rows, _, rejects) = read("t.json", b"[{\"a\": 1}, {\"a\": 2, ").unwrap();
    assert_eq!((rows.len(), rejects[0].1.as_str()), (1, "a record that does not end"));
}

#[test]
fn utf16_is_read_too() {
    let bytes: Vec<u8> = "{\"name\":\"Zoë\"}\n{\"name\":\"李\"}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(texts(&read("t.ndjson", &bytes).unwrap().1), [["Zoë"], ["李"]]);
}

#[test]
fn files_without_objects_are_errors() {
    for bytes in [b"".as_slice(), b"[]", b"\n\n", b"1\n2\n", b"{}\n"] {
        assert!(read("t.json", bytes).is_err());
    }
}

#[test]
fn a_line_beyond_the_cap_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("t.ndjson");
    std::fs::write(&path, format!("{{\"a\":1}}\n{{\"a\":\"{}\"}}\n{{\"a\":2}}\n", "x".repeat(2_000_000))).unwrap();
    let mut records = Records::with_cap(&path, 1000).unwrap();
    let mut seen = Vec::new();
    while let Some(record) = records.next().unwrap() {
        let text = String::from_utf8_lossy(records.bytes(&record.range)).into_owned();
        seen.push((record.line, record.broken.is_some(), text.len()));
    }
    assert_eq!(seen.iter().map(|seen| (seen.0, seen.1)).collect::<Vec<_>>(), [(1, false), (2, true), (3, false)]);
    assert_eq!(seen[2].2, 7);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_strings_come_back(rows in prop::collection::vec((".*", any::<i64>()), 1..6)) {
        let lines: Vec<String> =
            rows.iter().map(|(text, number)| serde_json::json!({"t": text, "n": number}).to_string()).collect();
        let expected: Cells = rows.iter().map(|(text, number)| vec![Some(text.clone()), Some(number.to_string())]).collect();
        prop_assert_eq!(&read("t.ndjson", lines.join("\n").as_bytes()).unwrap().1, &expected);
        prop_assert_eq!(&read("t.json", format!("[{}]", lines.join(" ,\n")).as_bytes()).unwrap().1, &expected);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop::sample::select(b"{}[]\",:\\ 1ea\n\xFF\0".to_vec()), 1..60)) {
        let _ = read("t.json", &bytes);
    }
}
