//! What must hold for any table, any bytes, any chunks.
#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::dialect::{Overrides, detect};
use super::reader::Limits;
use super::tests::{Row, drain, file, read_with};
use super::*;

fn dialects() -> impl Strategy<Value = Dialect> {
    (
        prop::sample::select(vec![b',', b';', b'\t', b'|']),
        prop::sample::select(vec![b'"', b'\'']),
        prop::sample::select(vec![Newline::Lf, Newline::CrLf, Newline::Cr]),
    )
        .prop_map(|(delimiter, quote, newline)| Dialect {
            delimiter,
            quote: Some(quote),
            escape: Some(quote),
            newline,
            ..Dialect::default()
        })
}

fn tables() -> impl Strategy<Value = Vec<Vec<String>>> {
    let cell = prop_oneof![
        3 => "[a-z0-9 ]{0,6}",
        2 => "[,;|\t\"'\\\\\n\r aé漢🙂]{0,6}",
        1 => Just(String::new()),
    ];
    (1_usize..5)
        .prop_flat_map(move |width| prop::collection::vec(prop::collection::vec(cell.clone(), width..=width), 1..8))
}

fn write(rows: &[Vec<String>], dialect: &Dialect) -> Vec<u8> {
    let terminator = match dialect.newline {
        Newline::CrLf => ::csv::Terminator::CRLF,
        Newline::Lf => ::csv::Terminator::Any(b'\n'),
        Newline::Cr => ::csv::Terminator::Any(b'\r'),
    };
    let mut writer = ::csv::WriterBuilder::new()
        .delimiter(dialect.delimiter)
        .quote(dialect.quote.unwrap())
        .terminator(terminator)
        .from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).unwrap();
    }
    writer.into_inner().unwrap()
}

fn expected(rows: &[Vec<String>]) -> Vec<Row> {
    rows.iter().map(|row| row.iter().map(|cell| (!cell.is_empty()).then(|| cell.clone())).collect()).collect()
}

/// A table with a header of plain names before it.
fn with_header(rows: &[Vec<String>]) -> Vec<Vec<String>> {
    let names = (0..rows[0].len()).map(|index| format!("n{index}")).collect();
    std::iter::once(names).chain(rows.iter().cloned()).collect()
}

/// Strings that programs stumble over, each a cell.
const NAUGHTY: &[&str] = &[
    "undefined",
    "NULL",
    "null",
    "None",
    "NaN",
    "-0",
    "1e5",
    "0x1F",
    "007",
    "1,000.00",
    "TRUE",
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    " ",
    "\t",
    "  leading",
    "trailing  ",
    "\u{a0}",
    "\u{feff}bom",
    "\u{200b}",
    "\u{202e}olleh",
    "\u{2028}",
    "\u{85}",
    "\u{1b}[31mred\u{1b}[0m",
    "\u{7}",
    "\u{8}",
    "\u{1a}",
    "\u{7f}",
    "a\rb",
    "a\nb",
    "a\r\nb",
    "\r",
    "\n",
    "\"",
    "\"\"",
    "\"\"\"",
    "\\",
    "\\\"",
    "\\n",
    "a\\",
    "\",\"",
    "';--",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "%s%n",
    "${HOME}",
    "`ls`",
    "Ω≈ç√∫",
    "田中さん",
    "表ポあA鷗",
    "👩‍👩‍👧‍👦",
    "e\u{301}",
    "Z̤͔a̡lgo",
    "ﷺ",
    "\u{10ffff}",
    "\u{fffd}",
    "#N/A",
    "#comment",
    "a;b|c\td",
    "__line",
];

#[test]
fn naughty_strings_come_back_as_they_were() {
    for delimiter in [b',', b';', b'\t', b'|'] {
        for newline in [Newline::Lf, Newline::CrLf, Newline::Cr] {
            let dialect = Dialect { delimiter, newline, ..Dialect::default() };
            let rows: Vec<Vec<String>> = NAUGHTY
                .iter()
                .enumerate()
                .map(|(index, cell)| vec![(*cell).to_string(), index.to_string(), format!("{cell}{cell}")])
                .collect();
            let all = read_with(&write(&with_header(&rows), &dialect), &dialect, Limits::default()).unwrap();
            assert_eq!(all.bad(), []);
            assert_eq!(all.rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>(), expected(&rows));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_csv_crate_writes_is_read_back(rows in tables(), dialect in dialects()) {
        let bytes = write(&with_header(&rows), &dialect);
        let all = read_with(&bytes, &dialect, Limits::default()).unwrap();
        prop_assert_eq!(all.bad(), []);
        prop_assert_eq!(all.rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>(), expected(&rows));
    }

    #[test]
    fn what_is_written_with_commas_is_found_to_be_so(rows in tables(), crlf in any::<bool>()) {
        // A cell between apostrophes cannot be told from a quoted one.
        let bare = |cell: &String| if cell.starts_with('\'') { format!("c{cell}") } else { cell.clone() };
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(bare).collect()).collect();
        let newline = if crlf { Newline::CrLf } else { Newline::Lf };
        let written = Dialect { newline, ..Dialect::default() };
        let table: Vec<Vec<String>> = with_header(&rows).into_iter().filter(|row| row.len() > 1).collect();
        if !table.is_empty() {
            let (_dir, path) = file(&write(&table, &written));
            let found = detect(&path, &Overrides::default()).unwrap();
            prop_assert_eq!((found.delimiter, found.quote, found.header), (b',', Some(b'"'), true));
            let all = drain(CsvReader::open(&path, &found, 0, &ReadOptions::default()).unwrap());
            prop_assert_eq!(all.rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>(), expected(&rows));
        }
    }

    #[test]
    fn reading_does_not_depend_on_chunks(
        bytes in prop::collection::vec(prop::sample::select(b"ab,,\"\"\n\n\r\\\0\xE9".to_vec()), 0..80),
        read in 1_usize..90,
        dialect in dialects(),
        backslash in any::<bool>(),
    ) {
        let bytes = [b"a,b\n".as_slice(), &bytes].concat();
        let escape = if backslash { Some(b'\\') } else { dialect.escape };
        let dialect = Dialect { escape, ..dialect };
        // The smallest chunk that the source reads is 64 bytes: fill in front so that it ends everywhere.
        let bytes = [vec![b'x'; read % 64], bytes].concat();
        let one = read_with(&bytes, &dialect, Limits::default());
        let many = read_with(&bytes, &dialect, Limits { read: 1, ..Limits::default() });
        prop_assert_eq!(one.map_err(|e| e.what().to_string()), many.map_err(|e| e.what().to_string()));
    }

    #[test]
    fn a_broken_line_rejects_itself_and_keeps_all_others(
        rows in tables(),
        dialect in dialects(),
        at in any::<prop::sample::Index>(),
        kind in 0_usize..4,
    ) {
        // An open quote and a cell that begins with a newline, a delimiter or a quote can make a record together that
        // nothing tells from a good one, so here each cell begins with a letter.
        let plain = |cell: &String| if kind == 3 { format!("c{cell}") } else { cell.clone() };
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(plain).collect()).collect();
        let header = with_header(&rows);
        let width = header[0].len();
        let at = 1 + at.index(rows.len() + 1);
        let quote = char::from(dialect.quote.unwrap());
        let delimiter = char::from(dialect.delimiter);
        let newline = dialect.newline.as_str();
        let broken = match kind {
            // Surplus fields that are all empty are no harm: delimiters at the end of a line.
            0 => format!("bad{}bad", delimiter.to_string().repeat(width)),
            1 => format!("{quote}bad{quote}bad"),
            2 => format!("bad\0{}", delimiter.to_string().repeat(width - 1)),
            _ => format!("{quote}bad{}", delimiter.to_string().repeat(width)),
        };
        let mut bytes = write(&header[..at], &dialect);
        bytes.extend(format!("{broken}{newline}").bytes());
        if at < header.len() {
            bytes.extend(write(&header[at..], &dialect));
        }
        let all = read_with(&bytes, &dialect, Limits::default()).unwrap();
        prop_assert_eq!(&all.rejects.iter().map(|reject| reject.raw.as_str()).collect::<Vec<_>>(), &[broken.as_str()]);
        prop_assert_eq!(all.rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>(), expected(&rows));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 1..300)) {
        let (_dir, path) = file(&bytes);
        if let Ok(dialect) = detect(&path, &Overrides::default())
            && let Ok(reader) = CsvReader::open(&path, &dialect, 0, &ReadOptions::default())
        {
            drain(reader);
        }
    }
}
