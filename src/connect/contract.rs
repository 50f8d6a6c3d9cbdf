//! What every connector that writes must do, checked over all of them in the same words.
#![allow(clippy::unwrap_used)]
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::{Column, DataFrame, NamedFrom, Series};
use proptest::prelude::*;

use crm_core::Kind;
use crm_core::monitor::{CancelFlag, Monitor, Progress, Silent};
use crm_core::platform::memory::{Faults, Memory};
use crm_core::platform::{
    ChangeBatch, ChangeKind, Connector, LINE, LOCATOR, Published, ReadOptions, RowResult, Source, WriteContext,
};
use crm_core::project::PlatformConfig;
use crm_core::table::hash::row_hash;

use crate::csv::CsvConnector;
use crate::parquet::ParquetConnector;

pub(crate) type Row = Vec<Option<String>>;
use ChangeKind::{Delete, Update};

/// A platform with one object `t`, which is not there at first.
pub(crate) struct Subject {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) connector: Arc<dyn Connector>,
    /// Finds the dialect out by itself, which so few rows of random text mislead.
    sniffs: bool,
}

impl Subject {
    pub(crate) fn all() -> Vec<Self> {
        let file = |name: &str, open: &dyn Fn(PathBuf) -> Arc<dyn Connector>| {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("data")).unwrap();
            let connector = open(dir.path().join("data").join(name));
            Self { dir, connector, sniffs: matches!(name, "t.csv" | "t.tsv") }
        };
        vec![
            file("t.csv", &|path| Arc::new(CsvConnector::file(&path))),
            file("t.txt", &|path| fixed_csv(path)),
            file("t.tsv", &|path| Arc::new(CsvConnector::file(&path))),
            file("t.parquet", &|path| Arc::new(ParquetConnector::file(&path))),
            #[cfg(feature = "sqlite")]
            file("t.db", &|path| Arc::new(crate::sqlite::Sqlite::new(path))),
            file("", &|_| Arc::new(Memory::new())),
        ]
    }
    /// The platform in memory, as it is handed over.
    pub(crate) fn over(memory: Memory) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), connector: Arc::new(memory), sniffs: false }
    }
    pub(crate) fn context(&self, columns: &[&str]) -> WriteContext {
        WriteContext {
            run_dir: self.dir.path().join("runs/r1"),
            planned: self.connector.version("t").unwrap(),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
    /// All rows with the console's own columns, read in batches of `batch_rows`.
    pub(crate) fn frame(&self, batch_rows: usize) -> DataFrame {
        let mut reader =
            self.connector.read(&Source::Object("t".into()), &ReadOptions { batch_rows, limit: None }).unwrap();
        let mut all: Option<DataFrame> = None;
        while let Some(batch) = reader.next_batch().unwrap() {
            match &mut all {
                None => all = Some(batch.frame),
                Some(frame) => drop(frame.vstack_mut(&batch.frame).unwrap()),
            }
        }
        assert_eq!(reader.take_rejects(), []);
        all.unwrap_or_default()
    }
    pub(crate) fn columns(&self) -> Vec<String> {
        self.connector.schema(&Source::Object("t".into())).unwrap().names().map(str::to_owned).collect()
    }
    pub(crate) fn rows(&self) -> Vec<Row> {
        let frame = self.frame(3);
        if frame.height() == 0 {
            return Vec::new();
        }
        let columns: Vec<_> =
            self.columns().iter().map(|name| frame.column(name).unwrap().str().unwrap().clone()).collect();
        (0..frame.height())
            .map(|row| columns.iter().map(|column| column.get(row).map(str::to_owned)).collect())
            .collect()
    }
    /// A cell as this platform gives it back.
    fn kept(&self, cell: Option<&String>) -> Option<String> {
        let null = self.connector.capabilities("t").unwrap().null;
        cell.filter(|cell| null || !cell.is_empty()).cloned()
    }
    pub(crate) fn kept_rows(&self, rows: &[Row]) -> Vec<Row> {
        rows.iter().map(|row| row.iter().map(|cell| self.kept(cell.as_ref())).collect()).collect()
    }
    pub(crate) fn batch(&self, columns: &[&str], changes: &[(u64, ChangeKind, Row)]) -> ChangeBatch {
        let frame = self.frame(1000);
        let hashes = row_hash(&frame, &self.columns()).unwrap();
        let locators = frame.column(LOCATOR).ok().map(|column| column.str().unwrap().clone());
        let locator =
            |ordinal: u64| locators.as_ref().map(|locators| locators.get(ordinal as usize).unwrap().to_owned());
        let values: Vec<Row> = changes
            .iter()
            .map(|(_, _, row)| if row.is_empty() { vec![None; columns.len()] } else { row.clone() })
            .collect();
        ChangeBatch {
            kinds: changes.iter().map(|(_, kind, _)| *kind).collect(),
            ordinals: changes.iter().map(|(ordinal, _, _)| *ordinal).collect(),
            locators: changes.iter().map(|(ordinal, _, _)| locator(*ordinal)).collect(),
            expected: changes.iter().map(|(ordinal, _, _)| hashes[*ordinal as usize]).collect(),
            values: frame_of(columns, &values),
        }
    }
    pub(crate) fn run(&self, columns: &[&str], changes: &[(u64, ChangeKind, Row)], inserts: &[Row]) -> Published {
        let batch = (!changes.is_empty()).then(|| self.batch(columns, changes));
        let mut writer = self.connector.write("t", &self.context(columns)).unwrap();
        if let Some(batch) = batch {
            let results = writer.change(&batch, &Silent).unwrap();
            assert!(results.iter().all(|result| matches!(result, RowResult::Written(_))), "{results:?}");
        }
        let results = writer.insert(&frame_of(columns, inserts), &Silent).unwrap();
        assert!(results.iter().all(|result| matches!(result, RowResult::Written(_))), "{results:?}");
        writer.publish(&Silent).unwrap()
    }
    /// Files beside the target, staged ones included.
    fn files(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("data")).unwrap().count()
    }
}

/// A text file of which nothing is left to detection.
fn fixed_csv(path: PathBuf) -> Arc<dyn Connector> {
    let options = "delimiter = \",\"\nquote = '\"'\nheader = true\nencoding = \"utf-8\"";
    let config = PlatformConfig {
        name: "fixed".to_owned(),
        kind: "csv".to_owned(),
        path: Some(path),
        options: toml::from_str(options).unwrap(),
    };
    CsvConnector::open(&config, Path::new("")).unwrap()
}

pub(crate) fn frame_of(columns: &[&str], rows: &[Row]) -> DataFrame {
    let column = |(index, name): (usize, &&str)| {
        Column::from(Series::new((*name).into(), rows.iter().map(|row| row[index].clone()).collect::<Vec<_>>()))
    };
    DataFrame::new(rows.len(), columns.iter().enumerate().map(column).collect()).unwrap()
}

pub(crate) fn row(cells: &[&str]) -> Row {
    cells.iter().map(|cell| (*cell != "NULL").then(|| (*cell).to_owned())).collect()
}

pub(crate) fn people() -> Vec<Row> {
    vec![
        row(&["1", "Ann", "native"]),
        row(&["2", "Bob", ""]),
        row(&["3", "Cid", "NULL"]),
        row(&["4", "Dan", "kept, \"as\" is"]),
    ]
}

pub(crate) const COLUMNS: [&str; 3] = ["id", "name", "note"];

#[test]
fn reads_back_what_was_written() {
    let rows = vec![
        row(&["007", "1e5", "NA"]),
        row(&["NULL", "", " blank "]),
        row(&["Zoë 😀", "日本語", "e\u{301}\u{200b}\u{202e}"]),
        row(&["a,b;c\td", "say \"hi\" 'x' \\", "two\nlines\r\nand\rmore"]),
        row(&["x", "\u{feff}mark", "-0.10"]),
    ];
    for subject in Subject::all() {
        let kind = subject.connector.kind();
        assert!(!subject.connector.version("t").unwrap().exists, "{kind}");
        let published = subject.run(&COLUMNS, &[], &rows);
        assert_eq!((published.before, published.rows), (0, 5), "{kind}");
        assert_eq!(published.version, subject.connector.version("t").unwrap(), "{kind}");
        assert!(published.version.exists);
        assert_eq!(subject.columns(), COLUMNS, "{kind}");
        assert_eq!(subject.rows(), subject.kept_rows(&rows), "{kind}");
        let own: Vec<_> = subject.frame(2).get_column_names().iter().map(ToString::to_string).skip(3).collect();
        assert!(own.iter().all(|name| name == LINE || name == LOCATOR), "{kind}: {own:?}");
    }
}

#[test]
fn a_mix_of_changes_keeps_natives_and_unmapped_columns() {
    for subject in Subject::all() {
        subject.run(&COLUMNS, &[], &people());
        let changes = [(1, Update, row(&["2", "Bo"])), (2, Delete, Vec::new()), (3, Update, row(&["44", "Dan"]))];
        let published = subject.run(&["id", "name"], &changes, &[row(&["5", "Eve"])]);
        assert_eq!((published.before, published.rows), (4, 4));
        let expected = [
            row(&["1", "Ann", "native"]),
            row(&["2", "Bo", ""]),
            row(&["44", "Dan", "kept, \"as\" is"]),
            row(&["5", "Eve", "NULL"]),
        ];
        assert_eq!(subject.rows(), subject.kept_rows(&expected), "{}", subject.connector.kind());
    }
}

#[test]
fn a_row_that_is_not_as_planned_is_left_alone() {
    for subject in Subject::all() {
        subject.run(&COLUMNS, &[], &people());
        let mut batch =
            subject.batch(&["name"], &[(0, Update, row(&["x"])), (1, Delete, Vec::new()), (3, Update, row(&["Don"]))]);
        batch.expected[0] ^= 1;
        batch.expected[1] ^= 1;
        let mut writer = subject.connector.write("t", &subject.context(&["name"])).unwrap();
        let results = writer.change(&batch, &Silent).unwrap();
        let kind = subject.connector.kind();
        assert_eq!(results[..2], [RowResult::Moved, RowResult::Moved], "{kind}");
        assert!(matches!(results[2], RowResult::Written(_)), "{kind}");
        writer.publish(&Silent).unwrap();
        let mut expected = people();
        expected[3][1] = Some("Don".to_owned());
        assert_eq!(subject.rows(), subject.kept_rows(&expected), "{kind}");
    }
}

#[test]
fn dropped_or_cancelled_the_target_is_as_it_was() {
    struct Operator(CancelFlag);
    impl Monitor for Operator {
        fn report(&self, _: Progress) {}
        fn cancelled(&self) -> bool {
            self.0.is_cancelled()
        }
    }
    for subject in Subject::all() {
        let kind = subject.connector.kind();
        let run_dir = subject.dir.path().join("runs/r1");
        assert_eq!(subject.connector.recover("t", &run_dir).unwrap(), None, "{kind}");
        // An object that was not there is not there again.
        let mut writer = subject.connector.write("t", &subject.context(&COLUMNS)).unwrap();
        writer.insert(&frame_of(&COLUMNS, &people()), &Silent).unwrap();
        drop(writer);
        assert!(!subject.connector.version("t").unwrap().exists, "{kind}");
        assert_eq!(subject.files(), 0, "{kind}");

        subject.run(&COLUMNS, &[], &people());
        assert!(subject.connector.recover("t", &run_dir).unwrap().is_none_or(|found| found.published), "{kind}");
        let (version, files) = (subject.connector.version("t").unwrap(), subject.files());
        let batch = subject.batch(&["name"], &[(0, Update, row(&["x"])), (1, Delete, Vec::new())]);
        let operator = Operator(CancelFlag::default());
        let mut writer = subject.connector.write("t", &subject.context(&["name"])).unwrap();
        writer.change(&batch, &operator).unwrap();
        operator.0.cancel();
        let error = writer.insert(&frame_of(&["name"], &[row(&["y"])]), &operator).unwrap_err();
        assert_eq!(error.kind(), Kind::Stopped, "{kind}");
        assert_eq!(writer.publish(&operator).unwrap_err().kind(), Kind::Stopped, "{kind}");
        assert_eq!(subject.connector.version("t").unwrap(), version, "{kind}");
        assert_eq!(subject.rows(), subject.kept_rows(&people()), "{kind}");
        assert_eq!(subject.files(), files, "{kind}");
        assert!(subject.connector.recover("t", &run_dir).unwrap().is_none_or(|found| !found.published), "{kind}");
    }
}

#[test]
fn no_rows_and_a_thousand_columns() {
    let names: Vec<String> = (0..1000).map(|index| format!("column number {index}")).collect();
    let columns: Vec<&str> = names.iter().map(String::as_str).collect();
    let wide: Vec<Row> = (0..3).map(|row| (0..1000).map(|column| Some(format!("{row}.{column}"))).collect()).collect();
    for subject in Subject::all() {
        let kind = subject.connector.kind();
        assert_eq!(subject.run(&columns, &[], &[]).rows, 0, "{kind}");
        assert_eq!(subject.rows(), Vec::<Row>::new(), "{kind}");
        assert_eq!(subject.columns().len(), 1000, "{kind}");
        let published = subject.run(&columns, &[], &wide);
        assert_eq!((published.before, published.rows), (0, 3), "{kind}");
        assert_eq!(subject.rows(), wide, "{kind}");
        let everything: Vec<_> = (0..3).map(|ordinal| (ordinal, Delete, Vec::new())).collect();
        assert_eq!(subject.run(&columns, &everything, &[]).rows, 0, "{kind}");
        assert_eq!(subject.rows(), Vec::<Row>::new(), "{kind}");
    }
}

#[test]
fn a_target_that_came_or_went_since_the_plan_is_refused() {
    for subject in Subject::all() {
        let kind = subject.connector.kind();
        let absent = subject.context(&COLUMNS);
        subject.run(&COLUMNS, &[], &people());
        assert_eq!(subject.connector.write("t", &absent).err().unwrap().kind(), Kind::Refused, "{kind}");
        let unknown = subject.context(&["id", "nme"]);
        assert_eq!(subject.connector.write("t", &unknown).err().unwrap().kind(), Kind::Usage, "{kind}");
        assert_eq!(subject.rows().len(), 4);
        let missing = Source::Object("nowhere".to_owned());
        assert!(subject.connector.read(&missing, &ReadOptions::default()).is_err(), "{kind}");
    }
}

#[test]
fn the_platform_in_memory_fails_on_demand() {
    let memory = Memory::new()
        .with("t", &["id", "name"], &[&[Some("1"), Some("Ann")], &[Some("2"), None]])
        .with_identity("t", "id");
    let subject = Subject::over(memory.clone());
    let new = frame_of(&["name"], &[row(&["Cid"]), row(&["bad"])]);
    let write = || subject.connector.write("t", &subject.context(&["name"])).unwrap();

    memory.break_with(Faults {
        refuse: Some(Arc::new(|cells| (cells[1].as_deref() == Some("bad")).then(|| "no".to_owned()))),
        ..Faults::default()
    });
    let mut writer = write();
    let results = writer.insert(&new, &Silent).unwrap();
    assert_eq!(results, [RowResult::Written(Some("3".into())), RowResult::Refused("no".into())]);
    let amended = writer.amend(&["3".into()], &frame_of(&["name"], &[row(&["Cyd"])])).unwrap();
    assert_eq!(amended, [RowResult::Written(Some("3".into()))]);
    assert!(writer.insert(&new, &Silent).is_err(), "insert after amend");
    assert_eq!(writer.publish(&Silent).unwrap().rows, 3);
    assert_eq!(memory.rows("t")[2], row(&["3", "Cyd"]));

    let batch = subject.batch(&["name"], &[(0, Update, row(&["x"])), (1, Update, row(&["y"]))]);
    assert!(memory.edit("t", 0, "name", Some("edited")));
    assert_eq!(write().change(&batch, &Silent).unwrap()[0], RowResult::Moved);

    memory.break_with(Faults { write_after: Some(1), ..Faults::default() });
    assert!(write().insert(&new, &Silent).is_err());
    memory.break_with(Faults { publish: true, ..Faults::default() });
    assert!(write().publish(&Silent).is_err());
    memory.break_with(Faults { read_after: Some(2), ..Faults::default() });
    let mut reader = memory.read(&Source::Object("t".into()), &ReadOptions { batch_rows: 2, limit: None }).unwrap();
    assert_eq!(reader.next_batch().unwrap().unwrap().frame.height(), 2);
    assert!(reader.next_batch().is_err());
    memory.break_with(Faults { lost: true, ..Faults::default() });
    assert!(memory.objects().is_err() && memory.version("t").is_err());
    assert_eq!(memory.rows("t").len(), 3);
}

fn cell() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        1 => Just(None),
        3 => "[a-z0-9]{1,4}".prop_map(Some),
        1 => "[a\",;\n\t' ä😀]{0,4}".prop_map(Some),
    ]
}

type Cell = Option<String>;
type Edits = Vec<(u8, Cell, Cell)>;

/// One run: what happens to each row (keep, update, delete), and the new rows.
fn run() -> impl Strategy<Value = (Edits, Vec<(Cell, Cell)>)> {
    (prop::collection::vec((0..4_u8, cell(), cell()), 24), prop::collection::vec((cell(), cell()), 0..6))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]
    #[test]
    fn any_runs_end_like_the_model(first in prop::collection::vec((cell(), cell()), 1..8), runs in prop::collection::vec(run(), 1..4)) {
        for subject in Subject::all().into_iter().filter(|subject| !subject.sniffs) {
            let columns = ["key", "name", "note"];
            let mut model: Vec<Row> = Vec::new();
            let mut count = 0;
            let mut fresh = |(name, note): &(Option<String>, Option<String>)| -> Row {
                count += 1;
                vec![Some(format!("row {count}")), name.clone(), note.clone()]
            };
            let rows: Vec<Row> = first.iter().map(&mut fresh).collect();
            subject.run(&columns, &[], &rows);
            model.extend(rows);
            for (edits, inserts) in &runs {
                let mut changes = Vec::new();
                let mut after = Vec::new();
                for (ordinal, old) in model.iter().enumerate() {
                    let (what, name, note) = &edits[ordinal % edits.len()];
                    match what {
                        0 => changes.push((ordinal as u64, Delete, Vec::new())),
                        1 | 2 => {
                            // Of these columns only: the key stays.
                            changes.push((ordinal as u64, Update, vec![name.clone(), note.clone()]));
                            after.push(vec![old[0].clone(), name.clone(), note.clone()]);
                        }
                        _ => after.push(old.clone()),
                    }
                }
                let published = subject.run(&columns[1..], &changes, &[]);
                prop_assert_eq!(published.rows as usize, after.len());
                let rows: Vec<Row> = inserts.iter().map(&mut fresh).collect();
                let published = subject.run(&columns, &[], &rows);
                prop_assert_eq!(published.before as usize, after.len());
                after.extend(rows);
                model = after;
            }
            prop_assert_eq!(subject.rows(), subject.kept_rows(&model), "{}", subject.connector.kind());
        }
    }
}
