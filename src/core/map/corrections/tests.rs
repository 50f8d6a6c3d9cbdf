#![allow(clippy::unwrap_used)]
use polars::prelude::{Column, NamedFrom, Series};
use proptest::prelude::*;

use super::*;
use crate::map::{Fate, Pipeline};
use crate::project::load_mapping;

const COLUMNS: [&str; 3] = ["ID", "NAME", "STG"];

fn columns() -> Vec<String> {
    COLUMNS.iter().map(|name| (*name).to_owned()).collect()
}

fn frame(rows: &[[Option<&str>; 3]]) -> DataFrame {
    let column = |at: usize| {
        let cells: Vec<Option<&str>> = rows.iter().map(|row| row[at]).collect();
        Column::from(Series::new(COLUMNS[at].into(), cells))
    };
    let lines: Vec<u64> = (0..rows.len() as u64).map(|row| row + 2).collect();
    let mut all: Vec<Column> = (0..3).map(column).collect();
    all.push(Column::from(Series::new(LINE.into(), lines)));
    DataFrame::new(rows.len(), all).unwrap()
}

fn load(text: &str) -> Result<Corrections, Vec<Slip>> {
    Corrections::new(read(text.as_bytes())?, vec!["ID".into()], &columns())
}

fn hash(row: [Option<&str>; 3]) -> u64 {
    content_hash(row, &mut Vec::new())
}

#[test]
fn addresses_are_written_and_read_back() {
    for address in [
        RowAddress::Key(vec!["4711".into()]),
        RowAddress::Key(vec!["a|b".into(), "#1\\".into()]),
        RowAddress::Key(vec!["line 3 ".into()]),
        RowAddress::Content { hash: 0x1f, line: None },
        RowAddress::Content { hash: u64::MAX, line: Some(17) },
    ] {
        assert_eq!(RowAddress::parse(&address.to_string()), Some(address.clone()), "{address}");
    }
    for wrong in ["", "a||b", "#12", "row 3 #00000000000000ff", "x\\", "line x #00000000000000ff"] {
        assert_eq!(RowAddress::parse(wrong), None, "{wrong}");
    }
    assert_eq!(RowAddress::key([Some("1"), Some(" ")]), None);
}

#[test]
fn a_cell_is_corrected_while_it_is_what_it_was() {
    let rows = frame(&[[Some("1"), Some("Ann"), Some("W")], [Some("2"), None, Some("L")]]);
    let corrections = load("key,column,from,to\n1,STG,W,G\n2,NAME,,Bob\n2,STG,Q,G\n9,STG,W,G\n").unwrap();
    let (corrected, hits) = corrections.apply(&rows).unwrap();
    let cells = |name: &str| -> Vec<Option<String>> {
        corrected.column(name).unwrap().str().unwrap().iter().map(|cell| cell.map(str::to_owned)).collect()
    };
    assert_eq!(cells("STG"), [Some("G".into()), Some("L".into())]);
    assert_eq!(cells("NAME"), [Some("Ann".into()), Some("Bob".into())]);
    let mut tally = CorrectionTally::default();
    tally.add(corrections.entries().len(), &hits);
    let stale = tally.stale(&corrections);
    let words: Vec<(usize, &str)> = stale.iter().map(|one| (one.line, one.why.as_str())).collect();
    assert_eq!(words[0], (4, "the source cell is another now"));
    assert_eq!(words[1].0, 5);
    assert!(words[1].1.starts_with("no row"));
}

#[test]
fn a_row_without_a_key_is_found_by_its_content_and_one_of_two_by_its_line() {
    let row = [None, Some("Ann"), Some("W")];
    let rows = frame(&[row, row, [Some("2"), Some("Ann"), Some("W")]]);
    let id = |text: &str| -> Vec<Option<String>> {
        let corrections = load(text).unwrap();
        let (corrected, _) = corrections.apply(&rows).unwrap();
        corrected.column("ID").unwrap().str().unwrap().iter().map(|cell| cell.map(str::to_owned)).collect()
    };
    let both = id(&format!("key,column,from,to\n#{:016x},ID,,7\n", hash(row)));
    assert_eq!(both, [Some("7".into()), Some("7".into()), Some("2".into())]);
    let second = id(&format!("key,column,from,to\nline 3 #{:016x},ID,,7\n", hash(row)));
    assert_eq!(second, [None, Some("7".into()), Some("2".into())]);
}

#[test]
fn slips_are_named_by_line() {
    let slips = |text: &str| load(text).unwrap_err();
    assert_eq!(slips("a,b\n1,2\n")[0].0, 1);
    assert!(slips("key,column,from,to\n1,STGG,W,G\n")[0].1.contains("STG"));
    assert!(slips("key,column,from,to\n1|2,STG,W,G\n")[0].1.contains("ID"));
    assert!(slips("key,column,from,to\n1,STG,W,G\n1,STG,W,L\n")[0].1.contains("line 2"));
    assert_eq!(slips("key,column,from,to\n1,STG\n"), [(2, "needs a key, a column, from and to".to_owned())]);
    assert!(load("").unwrap().entries().is_empty());
}

const MAPPING: &str = r#"
from = "old:deals"
to = "new:deals"
key = ["id"]
where = "STG <> 'x'"
[fields]
id = { from = "ID", clean = ["trim", "required"] }
name = { sql = "concat(NAME, '/', STG)", clean = ["trim"] }
stage = { from = "STG", values = { a = "1", b = "2" } }
"#;

/// The pipeline of [`MAPPING`] with this corrections file.
fn pipeline(dir: &Path, corrections: Option<&str>) -> Pipeline {
    let text = match corrections {
        Some(content) => {
            std::fs::write(dir.join("c.csv"), content).unwrap();
            MAPPING.replace("[fields]", "corrections = \"c.csv\"\n[fields]")
        }
        None => MAPPING.to_owned(),
    };
    let mapping = load_mapping(dir, Path::new("mappings/deals.toml"), &text).unwrap();
    Pipeline::compile(&mapping, &columns(), dir).unwrap()
}

#[test]
fn the_steps_show_the_correction_and_the_hash_knows_it() {
    let dir = tempfile::tempdir().unwrap();
    let rows = frame(&[[Some("1"), Some("Ann"), Some("W")]]);
    let plain = pipeline(dir.path(), None);
    assert_eq!(plain.apply(&rows).unwrap().fates, [Fate::Rejected]);
    let mended = pipeline(dir.path(), Some("key,column,from,to\n1,STG,W,a\n"));
    assert_ne!(plain.hash(), mended.hash());
    let outcome = mended.apply(&rows).unwrap();
    assert_eq!(outcome.fates, [Fate::Accepted]);
    let count = outcome.counts.iter().find(|one| one.field == "stage" && one.step == CORRECTION).unwrap();
    assert_eq!((count.changed, count.failed), (1, 0));
    let steps = mended.trace(&rows, 0, 2).unwrap();
    let steps: Vec<(&str, Option<&str>)> = steps.iter().map(|one| (one.step.as_str(), one.value.as_deref())).collect();
    assert_eq!(steps, [("from STG", Some("W")), ("correction", Some("a")), ("values", Some("1"))]);
    let steps = mended.trace(&rows, 0, 1).unwrap();
    assert_eq!((steps[0].step.as_str(), steps[0].value.as_deref()), ("correction STG", Some("a")));
    assert_eq!(steps[1].value.as_deref(), Some("Ann/a"));
    // An empty file says no more than none.
    assert_eq!(pipeline(dir.path(), Some("")).hash(), plain.hash());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// A correction is the same as if someone had edited that cell of the source.
    #[test]
    fn a_correction_equals_an_edited_source(
        cells in prop::collection::vec(("[ab]?", "[abx]?"), 1..12),
        edits in prop::collection::vec((0_usize..12, 1_usize..3, "[abx ,\"]{0,2}"), 0..8),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let ids: Vec<String> = (0..cells.len()).map(|row| format!("k{row}")).collect();
        let text = |cell: &str| (!cell.is_empty()).then(|| cell.to_owned());
        let mut source: Vec<[Option<String>; 3]> = cells
            .iter()
            .zip(&ids)
            .map(|((name, stage), id)| [Some(id.clone()), text(name), text(stage)])
            .collect();
        let as_frame = |rows: &[[Option<String>; 3]]| {
            frame(&rows.iter().map(|row| [row[0].as_deref(), row[1].as_deref(), row[2].as_deref()]).collect::<Vec<_>>())
        };
        let raw = as_frame(&source);
        let mut file = "key,column,from,to\n".to_owned();
        let mut done = std::collections::HashSet::new();
        for (row, column, to) in &edits {
            let row = row % source.len();
            if !done.insert((row, *column)) {
                continue;
            }
            let from = source[row][*column].clone();
            file = crate::project::edit::set_correction_in_csv(
                &file, &RowAddress::Key(vec![ids[row].clone()]).to_string(), COLUMNS[*column], from.as_deref(), text(to).as_deref(),
            ).unwrap();
            source[row][*column] = text(to);
        }
        let corrected = pipeline(dir.path(), Some(&file)).apply(&raw).unwrap();
        let edited = pipeline(dir.path(), None).apply(&as_frame(&source)).unwrap();
        prop_assert_eq!(corrected.fates, edited.fates);
        prop_assert!(corrected.mapped.equals_missing(&edited.mapped));
        prop_assert_eq!(corrected.failures, edited.failures);
    }
}
