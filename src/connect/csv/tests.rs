#![allow(clippy::unwrap_used)]
use std::path::PathBuf;

use crm_core::platform::{LINE, ReadOptions, ReadReject, RecordReader};

use super::dialect::{Overrides, detect};
use super::reader::Limits;
use super::*;

pub(super) type Row = Vec<Option<String>>;

/// What a file was read as.
#[derive(Debug, PartialEq, Clone)]
pub(super) struct Read {
    pub(super) names: Vec<String>,
    pub(super) rows: Vec<(u64, Row)>,
    pub(super) rejects: Vec<ReadReject>,
}

impl Read {
    pub(super) fn cells(&self) -> Vec<Vec<&str>> {
        self.rows.iter().map(|(_, row)| row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect()).collect()
    }
    pub(super) fn bad(&self) -> Vec<(u64, &str)> {
        self.rejects.iter().map(|reject| (reject.line, reject.reason.as_str())).collect()
    }
}

pub(super) fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.csv");
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

pub(super) fn drain(mut reader: CsvReader) -> Read {
    let names: Vec<String> = reader.schema().names().map(str::to_string).collect();
    let (mut rows, mut rejects) = (Vec::new(), Vec::new());
    while let Some(batch) = reader.next_batch().unwrap() {
        let lines = batch.frame.column(LINE).unwrap().u64().unwrap().clone();
        for index in 0..batch.frame.height() {
            let cell = |name: &String| batch.frame.column(name).unwrap().str().unwrap().get(index).map(str::to_string);
            rows.push((lines.get(index).unwrap(), names.iter().map(cell).collect()));
        }
        rejects.append(&mut reader.take_rejects());
    }
    rejects.append(&mut reader.take_rejects());
    Read { names, rows, rejects }
}

pub(super) fn read_with(bytes: &[u8], dialect: &Dialect, limits: Limits) -> Result<Read> {
    let (_dir, path) = file(bytes);
    let options = ReadOptions { batch_rows: 3, limit: None };
    CsvReader::with_limits(&path, dialect, 0, &options, limits).map(drain)
}

fn read(text: &str) -> Read {
    read_with(text.as_bytes(), &Dialect::default(), Limits::default()).unwrap()
}

pub(super) fn sniffed(bytes: &[u8]) -> Sniffed {
    let (_dir, path) = file(bytes);
    sniff(&path).unwrap()
}

pub(super) fn auto(bytes: &[u8]) -> Read {
    let (_dir, path) = file(bytes);
    let dialect = detect(&path, &Overrides::default()).unwrap();
    drain(CsvReader::open(&path, &dialect, 0, &ReadOptions::default()).unwrap())
}

#[test]
fn values_are_kept_as_they_stand() {
    let all = read(
        "id,name,note\n007, Ann ,1e5\n\"2\",\"O\"\"Neil, \"\"Bo\"\"\",\"two\r\nlines\"\n3,,\"\"\nNA,5\" pipe,null\n",
    );
    assert_eq!(all.names, ["id", "name", "note"]);
    assert_eq!(
        all.cells(),
        [
            vec!["007", " Ann ", "1e5"],
            vec!["2", "O\"Neil, \"Bo\"", "two\r\nlines"],
            vec!["3", "NULL", "NULL"],
            vec!["NA", "5\" pipe", "null"],
        ]
    );
    assert_eq!(all.rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 5, 6]);
    assert!(all.rejects.is_empty());
}

#[test]
fn ragged_lines_nul_and_bad_bytes_become_rejects_with_their_line() {
    let mut bytes = b"a,b,c\n1,2\n\n1,2,3,4\nx,\0,y\n1,".to_vec();
    bytes.extend(b"\xE9,3\nok,ok,ok");
    let all = read_with(&bytes, &Dialect::default(), Limits::default()).unwrap();
    assert_eq!(all.cells(), [vec!["ok", "ok", "ok"]]);
    assert_eq!(all.rows[0].0, 7);
    assert_eq!(
        all.bad(),
        [
            (2, "2 fields, the header has 3"),
            (4, "4 fields, the header has 3"),
            (5, "a NUL byte"),
            (6, "bytes that are not utf-8"),
        ]
    );
    assert_eq!(all.rejects[1].raw, "1,2,3,4");
}

#[test]
fn an_unclosed_quote_costs_its_own_line_only() {
    let all = read("a,b\n1,\"oops\n2,fine\n3,\"quoted\"\n4,\", then\"\n5,x\n");
    assert_eq!(all.bad(), [(2, "text after a closing quote")]);
    assert_eq!(all.cells(), [["2", "fine"], ["3", "quoted"], ["4", ", then"], ["5", "x"]]);

    let all = read("a,b\n1,\"oops\n2,fine\n3,fine\n");
    assert_eq!(all.bad(), [(2, "a quoted field is not closed")]);
    assert_eq!(all.cells(), [["2", "fine"], ["3", "fine"]]);

    // The next quoted field begins with a comma: the stray quote finds a partner and the width tells.
    let all = read("a,b\n1,\"oops\n2,\", then\"\n3,fine\n");
    assert_eq!(all.bad(), [(2, "a quoted field is not closed")]);
    assert_eq!(all.cells(), [["2", ", then"], ["3", "fine"]]);
}

#[test]
fn the_rest_of_a_broken_record_is_not_taken_for_a_row() {
    let all = read("a,b\n1,\"say \"hi\" there\nx,more\"\n2,fine\n");
    assert_eq!(
        all.bad(),
        [(2, "text after a closing quote"), (3, "a stray quote right after a line with a broken quote")]
    );
    assert_eq!(all.cells(), [["2", "fine"]]);
}

#[test]
fn a_ragged_record_with_newlines_inside_is_one_reject() {
    let all = read("a,b\n1,2,\"x\ny,z\"\n3,4\n");
    assert_eq!(all.bad(), [(2, "3 fields, the header has 2")]);
    assert_eq!(all.rejects[0].raw, "1,2,\"x\ny,z\"");
    assert_eq!(all.rows[0].0, 4);
}

#[test]
fn a_line_beyond_the_cap_is_one_reject_and_reading_goes_on() {
    let long = "x".repeat(300_000);
    for text in
        [format!("a,b\n1,{long}\n2,y\n"), format!("a,b\n1,\"{long}\n2,y\n"), format!("a,b\n1,\"{long}\"\n2,y\n")]
    {
        let limits = Limits { read: 1000, record: 100_000, ..Limits::default() };
        let all = read_with(text.as_bytes(), &Dialect::default(), limits).unwrap();
        assert_eq!(all.cells(), [["2", "y"]]);
        assert_eq!(all.rejects.len(), 1);
        assert_eq!(all.rejects[0].line, 2);
        assert!(all.rejects[0].reason.starts_with("longer than 97 KiB; 3000"), "{}", all.rejects[0].reason);
        assert_eq!(all.rejects[0].raw.len(), 65_536);
        assert_eq!(all.rows[0].0, 3);
    }
}

#[test]
fn lines_are_counted_for_each_kind_of_newline() {
    for newline in ["\n", "\r\n", "\r"] {
        let text = "a,b\n\n\"x\ny\",1\n1\n2,2".replace('\n', newline);
        let all = auto(text.as_bytes());
        assert_eq!(sniffed(text.as_bytes()).newline, newline);
        assert_eq!(all.rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 6], "{newline:?}");
        assert_eq!(all.bad(), [(5, "1 field, the header has 2")]);
        assert_eq!(all.rows[0].1[0], Some(format!("x{newline}y")));
    }
}

#[test]
fn names_are_made_unique_and_leave_the_reserved_prefix() {
    let raw = ["a", "", "a", "__line", "line", "a_2", "", "__"].map(str::to_string);
    let names = unique_names(&raw);
    assert_eq!(names, ["a", "column_2", "a_3", "line_2", "line", "a_2", "column_7", "column_8"]);
}

#[test]
fn header_only_has_no_rows_and_empty_is_an_error() {
    let all = read("a,b\n");
    assert_eq!((all.names.len(), all.rows.len()), (2, 0));
    let (_dir, path) = file(b"");
    assert!(sniff(&path).unwrap_err().to_string().contains("is empty"));
    assert!(sniff(path.parent().unwrap()).unwrap_err().to_string().contains("is a folder"));
    assert!(sniff(&path.with_extension("nope")).unwrap_err().advice().is_some());
    let (_dir, path) = file(b"\n\n\n");
    assert!(CsvReader::open(&path, &Dialect::default(), 0, &ReadOptions::default()).is_err());
}

#[test]
fn limit_and_batches() {
    let (_dir, path) = file(b"a\n1\n2\n3\n4\n5\n");
    let open = |limit| CsvReader::open(&path, &Dialect::default(), 0, &ReadOptions { batch_rows: 2, limit }).unwrap();
    assert_eq!(drain(open(Some(3))).rows.len(), 3);
    let mut reader = open(None);
    let heights: Vec<_> = std::iter::from_fn(|| reader.next_batch().unwrap()).map(|b| b.frame.height()).collect();
    assert_eq!(heights, [2, 2, 1]);
    assert_eq!(reader.position(), (12, Some(12)));
}

#[test]
fn encodings_are_found_and_decoded() {
    let text = "id;name;city\n1;Ünal;Köln\n2;Žofia;Malmö\n3;Łukasz;Århus\n";
    let latin = "id;name;city\n1;Ünal;Köln\n2;Jörg;Malmö\n3;Bjørn;Århus\n4;André;Besançon\n";
    let utf16 = |le: bool, bom: bool| {
        let units = bom.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if le { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect::<Vec<u8>>()
    };
    let cases: Vec<(Vec<u8>, &str, &str)> = vec![
        (text.into(), "utf-8", text),
        ([b"\xEF\xBB\xBF", text.as_bytes()].concat(), "utf-8", text),
        (utf16(true, true), "utf-16le", text),
        (utf16(false, true), "utf-16be", text),
        (utf16(true, false), "utf-16le", text),
        (utf16(false, false), "utf-16be", text),
        (encoding_rs::WINDOWS_1252.encode(latin).0.into_owned(), "windows-1252", latin),
    ];
    for (bytes, encoding, text) in cases {
        assert_eq!(sniffed(&bytes).encoding, encoding);
        let all = auto(&bytes);
        assert_eq!(all.names, ["id", "name", "city"], "{encoding}");
        let want: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(';').collect()).collect();
        assert_eq!(all.cells(), want, "{encoding}");
    }
}

#[test]
fn asian_encodings_are_found() {
    let japanese = "番号,名前,都市,備考\n1,山田太郎,東京都千代田区,お客様からの問い合わせ\n2,鈴木花子,大阪市北区,契約を更新しました\n";
    let chinese =
        "编号,姓名,城市,备注\n1,王小明,北京市朝阳区,客户已经确认合同\n2,李美丽,上海市浦东新区,请尽快联系他们\n";
    for (encoding, text) in
        [(encoding_rs::SHIFT_JIS, japanese), (encoding_rs::EUC_JP, japanese), (encoding_rs::GBK, chinese)]
    {
        let bytes = encoding.encode(text).0.into_owned();
        assert_eq!(sniffed(&bytes).encoding, encoding.name().to_lowercase());
        let want: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
        assert_eq!(auto(&bytes).cells(), want);
    }
}

#[test]
fn a_text_byte_far_behind_the_head_still_decides_the_encoding() {
    let mut bytes = b"a,b\n".to_vec();
    while bytes.len() < 600_000 {
        bytes.extend(b"plain,ascii\n");
    }
    bytes.extend(b"caf\xE9,Z\xFCrich\n");
    assert_eq!(sniffed(&bytes).encoding, "windows-1252");
    assert_eq!(auto(&bytes).cells().last().unwrap(), &["café", "Zürich"]);
}

#[test]
fn undecodable_bytes_reject_their_record_and_no_other() {
    let mut bytes = encoding_rs::SHIFT_JIS.encode("a,b\n山田,1\n").0.into_owned();
    bytes.extend(b"\x81\xFF,2\n");
    bytes.extend(encoding_rs::SHIFT_JIS.encode("東京,3\n").0.iter());
    let charset = encoding::Charset { encoding: encoding_rs::SHIFT_JIS, bom: 0 };
    let all = read_with(&bytes, &Dialect { charset, ..Dialect::default() }, Limits::default()).unwrap();
    assert_eq!(all.cells(), [["山田", "1"], ["東京", "3"]]);
    assert_eq!(all.bad(), [(3, "bytes that are not shift_jis")]);
    // Damage in one line of a UTF-8 file does not turn the others into another encoding.
    let mut bytes = format!("a,b\n{}", "Müller,1\n".repeat(40)).into_bytes();
    bytes.extend(b"M\xFCller,x\n");
    assert_eq!(sniffed(&bytes).encoding, "utf-8");
    assert_eq!(auto(&bytes).bad(), [(42, "bytes that are not utf-8")]);
}

#[test]
fn backslash_escapes_are_found_where_they_are_used() {
    let text = "id,note\n1,\"say \\\"hi\\\", then\"\n2,\"C:\\\\dir\\new\"\n3,plain\n";
    assert_eq!(sniffed(text.as_bytes()).escape.as_deref(), Some("\\"));
    assert_eq!(auto(text.as_bytes()).cells(), [["1", "say \"hi\", then"], ["2", "C:\\dir\\new"], ["3", "plain"]]);
    let text = "id,path\n1,\"C:\\\"\n2,\"say \"\"hi\"\"\"\n3,\"D:\\\"\n";
    assert_eq!(sniffed(text.as_bytes()).escape.as_deref(), Some("\""));
}

#[test]
fn headers_are_told_from_data() {
    let header = |text: &str| sniffed(text.as_bytes()).header;
    assert!(header("id,name,joined\n1,Ann,2020-01-02\n2,Bo,2021-01-02\n"));
    assert!(header("name,city\nAnn,Rome\nBo,Oslo\n"));
    assert!(header("name,email\nAnn,ann@example.org\nBo,bo@example.org\n"));
    assert!(header("country,2019,2020\nIT,1,2\nNO,3,4\n"));
    assert!(header("id,name\n"));
    assert!(!header("1,Ann,2020-01-02\n2,Bo,2021-01-02\n3,Cy,2022-01-02\n"));
    assert!(!header("Ann,ann@example.org\nBo,bo@example.org\n"));
}

#[test]
fn lists_are_not_split_at_spaces_and_apostrophes_are_no_quotes() {
    let names = format!("Full Name\n{}", "Ann O'Neil\nBo Smith\nEva Lee\n".repeat(50));
    let found = sniffed(names.as_bytes());
    assert_eq!((found.delimiter.as_str(), found.quote.as_deref(), found.header), (",", Some("\""), true));
    let quoted = format!("\"Note\"\n{}", "\"don't call, he's away\"\n\"see 'Foo' & Bar\"\n".repeat(20));
    let found = sniffed(quoted.as_bytes());
    assert_eq!((found.delimiter.as_str(), found.quote.as_deref()), (",", Some("\"")));
    let single = "id;name\n1;'Smith; John'\n2;'Lee; Ann'\n3;'Bo; X'\n";
    assert_eq!(sniffed(single.as_bytes()).quote.as_deref(), Some("'"));
}

#[test]
fn a_lone_pound_sign_is_western() {
    let text = b"name,sum (\xA3)\nAnn,\xA3100\nBo,\xA325\n";
    assert_eq!(sniffed(text).encoding, "windows-1252");
    let polish = "imię,miasto\nŁukasz,Łódź\nPaweł,Kraków\nGrażyna,Częstochowa\nMałgorzata,Wrocław\nStanisław,Poznań\n";
    let polish = encoding_rs::WINDOWS_1250.encode(polish).0.into_owned();
    assert!(["windows-1250", "iso-8859-2"].contains(&sniffed(&polish).encoding.as_str()));
    assert!(auto(&polish).cells().contains(&vec!["Paweł", "Kraków"]));
}

#[test]
fn options_override_what_is_found() {
    let (dir, _path) = file(b"x;y\n# made by export\n1,'a;b'\n");
    let mut config = PlatformConfig {
        name: "old".into(),
        kind: "csv".into(),
        path: Some("t.csv".into()),
        options: toml::from_str("delimiter = ';'\nquote = ''\nheader = false\nencoding = 'latin1'").unwrap(),
    };
    let connector = CsvConnector::open(&config, dir.path()).unwrap();
    let object = Source::Object("t".into());
    assert_eq!(connector.schema(&object).unwrap().names().collect::<Vec<_>>(), ["column_1", "column_2"]);
    assert!(connector.version("t").unwrap().exists);
    assert_eq!(connector.version("t").unwrap().hash.len(), 64);
    config.options = toml::from_str("skip = 2\nheader = false\ndelimiter = ','\nquote = \"'\"").unwrap();
    let connector = CsvConnector::open(&config, dir.path()).unwrap();
    let mut reader = connector.read(&object, &ReadOptions::default()).unwrap();
    let frame = reader.next_batch().unwrap().unwrap().frame;
    assert_eq!(frame.column("column_2").unwrap().str().unwrap().get(0), Some("a;b"));
    assert_eq!(frame.column(LINE).unwrap().u64().unwrap().get(0), Some(3));
    for wrong in ["delimiter = 'ab'", "header = 'yes'", "encoding = 'klingon'", "delimiter = 3", "skip = -1"] {
        config.options = toml::from_str(wrong).unwrap();
        let error = CsvConnector::open(&config, dir.path()).err().unwrap();
        assert!(error.place().unwrap().contains("platforms.old"), "{error}");
    }
}

#[test]
fn a_folder_is_a_platform_and_its_files_are_objects() {
    let dir = tempfile::tempdir().unwrap();
    let files = [("a.csv", "x\n1\n"), ("b.TSV", "x\ty\n1\t2\n"), ("c.csv", "x\n"), ("c.txt", "x\n"), ("d.md", "")];
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let config = PlatformConfig { path: Some(".".into()), ..PlatformConfig::default() };
    let connector = CsvConnector::open(&config, dir.path()).unwrap();
    let names: Vec<String> = connector.objects().unwrap().into_iter().map(|object| object.name).collect();
    assert_eq!(names, ["a", "b", "c.csv", "c.txt"]);
    let schema = |name: &str| connector.schema(&Source::Object(name.into()));
    assert_eq!(schema("b").unwrap().columns.len(), 2);
    assert_eq!(schema("c.txt").unwrap().columns.len(), 1);
    assert!(schema("c").unwrap_err().advice().unwrap().contains("c.txt"));
    // A target may not exist yet; a source must.
    assert_eq!(schema("new").unwrap(), Schema::default());
    assert!(!connector.version("new").unwrap().exists);
    assert!(connector.paths("new")[0].ends_with("new.csv"));
    let error = connector.read(&Source::Object("new".into()), &ReadOptions::default()).err().unwrap();
    assert!(error.advice().unwrap().contains("a, b"), "{error}");
    for outside in ["../a", "/etc/passwd", "", ".hidden", "a/b"] {
        assert!(schema(outside).is_err(), "{outside}");
    }
    let query = Source::Query { sql: "select 1".into(), id: None };
    assert!(connector.read(&query, &ReadOptions::default()).is_err());
}
