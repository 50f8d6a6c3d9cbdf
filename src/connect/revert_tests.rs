//! Runs and what takes them back, over the platforms that are files and databases: any table, any edits afterwards.
#![allow(clippy::unwrap_used)]
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;

use crm_core::journal::{RunRecord, RunState};
use crm_core::monitor::{CancelFlag, Silent};
use crm_core::plan::{Counts, Plan};
use crm_core::platform::{ReadOptions, Source};
use crm_core::workspace::Workspace;

/// Cells of `id,legacy_id,name,note`; the note is mapped by nobody.
type Row = [String; 4];

const KINDS: [&str; 3] = ["csv", "parquet", "sqlite"];

struct Place {
    dir: tempfile::TempDir,
    kind: &'static str,
}

const MAPPING: &str = "from = \"old:people\"\nto = \"new:people\"\nkey = [\"legacy_id\"]\ntarget_only = \"delete\"\n\
     scope = \"legacy_id IS NOT NULL\"\n[fields]\nlegacy_id = \"ID\"\nname = \"NAME\"\n\
     [run]\nerror_budget = \"100%\"\nmax_deletes = \"100%\"\n";

impl Place {
    fn new(kind: &'static str, source: &[(String, String)], target: &[Row]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Self { dir, kind };
        for folder in ["mappings", "old", "new"] {
            std::fs::create_dir(place.path(folder)).unwrap();
        }
        let path = if kind == "sqlite" { "new/db.sqlite" } else { "new" };
        let project = format!(
            "name = \"t\"\n[platforms.old]\nkind = \"csv\"\npath = \"old\"\n[platforms.new]\nkind = \"{kind}\"\npath = \"{path}\"\n"
        );
        std::fs::write(place.path("project.toml"), project).unwrap();
        std::fs::write(place.path("mappings/people.toml"), MAPPING).unwrap();
        let lines: Vec<String> = source.iter().map(|(id, name)| format!("{id},{name}\n")).collect();
        std::fs::write(place.path("old/people.csv"), format!("ID,NAME\n{}", lines.concat())).unwrap();
        place.write(target);
        place
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn file(&self) -> PathBuf {
        self.path(match self.kind {
            "csv" => "new/people.csv",
            "parquet" => "new/people.parquet",
            _ => "new/db.sqlite",
        })
    }
    fn open(&self) -> Workspace {
        Workspace::open(self.dir.path(), None, crate::registry()).unwrap()
    }
    fn write(&self, rows: &[Row]) {
        match self.kind {
            "sqlite" => {
                let db = rusqlite::Connection::open(self.file()).unwrap();
                db.execute_batch("CREATE TABLE people (id INTEGER PRIMARY KEY, legacy_id TEXT, name TEXT, note TEXT)")
                    .unwrap();
                let null = |cell: &String| (!cell.is_empty()).then(|| cell.clone());
                db.execute_batch("BEGIN").unwrap();
                for [id, legacy, name, note] in rows {
                    db.execute(
                        "INSERT INTO people VALUES (?1, ?2, ?3, ?4)",
                        rusqlite::params![id, null(legacy), null(name), null(note)],
                    )
                    .unwrap();
                }
                db.execute_batch("COMMIT").unwrap();
            }
            "parquet" => self.parquet(rows),
            _ => std::fs::write(self.file(), csv(rows)).unwrap(),
        }
    }
    fn parquet(&self, rows: &[Row]) {
        use polars::prelude::*;
        let column = |at: usize, name: &str| -> Column {
            let cells: Vec<Option<&str>> =
                rows.iter().map(|row| Some(row[at].as_str()).filter(|cell| !cell.is_empty())).collect();
            Series::new(name.into(), cells).into()
        };
        let mut frame = DataFrame::new(
            rows.len(),
            vec![column(0, "id"), column(1, "legacy_id"), column(2, "name"), column(3, "note")],
        )
        .unwrap();
        let file = std::fs::File::create(self.file()).unwrap();
        // Several groups, of few rows or many.
        let group = (rows.len() / 8).max(3);
        polars_io::parquet::write::ParquetWriter::new(file)
            .with_row_group_size(Some(group))
            .finish(&mut frame)
            .unwrap();
    }
    fn rows(&self) -> Vec<Vec<Option<String>>> {
        let to = self.open().connector("new").unwrap();
        let mut reader = to.read(&Source::Object("people".into()), &ReadOptions::default()).unwrap();
        let names: Vec<String> = reader.schema().names().map(str::to_owned).collect();
        let mut rows = Vec::new();
        while let Some(batch) = reader.next_batch().unwrap() {
            let columns: Vec<_> =
                names.iter().map(|name| batch.frame.column(name).unwrap().str().unwrap().clone()).collect();
            rows.extend(
                (0..batch.frame.height())
                    .map(|row| columns.iter().map(|column| column.get(row).map(str::to_owned)).collect()),
            );
        }
        rows
    }
    /// What is compared: bytes where a file is text, else rows.
    fn state(&self) -> (Vec<Vec<Option<String>>>, Vec<u8>) {
        let bytes = if self.kind == "csv" { std::fs::read(self.file()).unwrap() } else { Vec::new() };
        (self.rows(), bytes)
    }
    fn run(&self, plan: &Plan) -> RunRecord {
        let workspace = self.open();
        let record = workspace.create_run(plan, &plan.confirm).unwrap();
        let record = workspace.execute_run(&record.id, &CancelFlag::default()).unwrap();
        assert_eq!(record.state, RunState::Done, "{:?}", record.note);
        assert!(record.results.iter().all(|result| result.closes), "{:?}", record.results);
        record
    }
    fn migrate(&self) -> RunRecord {
        self.run(&self.open().plan(&[], None, &Silent).unwrap())
    }
    fn revert(&self, run: &str) -> Plan {
        let revert = self.open().revert(run, &[], &Silent).unwrap();
        let plan = revert.plan;
        assert!(plan.mappings.iter().all(|part| part.counts.closes()), "{:?}", plan.mappings[0].counts);
        assert!(plan.refusal().is_none(), "{:?}", plan.mappings[0].blocked);
        plan
    }
    /// Another program's edits: by legacy id or id, to the note.
    fn edit(&self, wanted: &dyn Fn(usize, &[Option<String>]) -> bool) -> usize {
        let rows = self.rows();
        let hits: Vec<usize> = (0..rows.len()).filter(|row| wanted(*row, &rows[*row])).collect();
        match self.kind {
            "sqlite" => {
                let db = rusqlite::Connection::open(self.file()).unwrap();
                db.execute_batch("BEGIN").unwrap();
                for row in &hits {
                    db.execute(
                        "UPDATE people SET note = coalesce(note, '') || ' edited' WHERE id = ?1",
                        [&rows[*row][0]],
                    )
                    .unwrap();
                }
                db.execute_batch("COMMIT").unwrap();
            }
            "parquet" => {
                let cell = |cell: &Option<String>| cell.clone().unwrap_or_default();
                let edited: Vec<Row> = rows
                    .iter()
                    .enumerate()
                    .map(|(at, row)| {
                        let note = if hits.contains(&at) { cell(&row[3]) + " edited" } else { cell(&row[3]) };
                        [cell(&row[0]), cell(&row[1]), cell(&row[2]), note]
                    })
                    .collect();
                self.parquet(&edited);
            }
            _ => {
                // Whoever edits a text file leaves its other lines alone: the last cell of a line grows.
                let text = std::fs::read_to_string(self.file()).unwrap();
                let mut row = 0;
                let mut out = String::new();
                for (at, line) in text.split_inclusive('\n').enumerate() {
                    let body = line.trim_end_matches(['\r', '\n']);
                    let is_row = at > 0 && !body.is_empty() && body != "broken";
                    if is_row && hits.contains(&row) {
                        out.push_str(body);
                        out.push_str(" edited");
                        out.push_str(&line[body.len()..]);
                    } else {
                        out.push_str(line);
                    }
                    row += usize::from(is_row);
                }
                std::fs::write(self.file(), out).unwrap();
            }
        }
        hits.len()
    }
}

/// A text file as people make them: some cells quoted that need not be, blank and broken lines between, no newline at the
/// end if the number of rows is even.
fn csv(rows: &[Row]) -> String {
    let mut text = "id,legacy_id,name,note\r\n".to_owned();
    for (at, [id, legacy, name, note]) in rows.iter().enumerate() {
        let name = if at % 3 == 1 { format!("\"{name}\"") } else { name.clone() };
        text.push_str(&format!("{id},{legacy},{name},{note}\r\n"));
        if at % 4 == 2 && at + 1 < rows.len() {
            text.push_str("\r\nbroken\r\n");
        }
    }
    if rows.len().is_multiple_of(2) {
        text.truncate(text.len() - 2);
    }
    text
}

fn target() -> impl Strategy<Value = Vec<Row>> {
    let key = prop::sample::select(&["", "1", "2", "3", "4", "5", "6"][..]);
    let name = prop::sample::select(&["Ann", "Bob", "Cy", "\u{e9}ve"][..]);
    let note = prop::sample::select(&["", "x", "y y"][..]);
    vec((key, name, note), 0..10).prop_map(|rows| {
        let mut seen = BTreeSet::new();
        let kept = rows.into_iter().filter(|(key, ..)| key.is_empty() || seen.insert(*key));
        let row = |(at, (key, name, note)): (usize, (&str, &str, &str))| {
            [(at + 1).to_string(), key.to_owned(), name.to_owned(), note.to_owned()]
        };
        kept.enumerate().map(row).collect()
    })
}

fn source() -> impl Strategy<Value = Vec<(String, String)>> {
    let key = prop::sample::select(&["1", "2", "3", "4", "5", "6", "7", "8"][..]);
    let name = prop::sample::select(&["Ann", "Bob", "Cy", "Dan"][..]);
    vec((key, name), 1..9).prop_map(|rows| {
        let rows: BTreeMap<&str, &str> = rows.into_iter().collect();
        rows.into_iter().map(|(key, name)| (key.to_owned(), name.to_owned())).collect()
    })
}

/// What a row is called: its key, or for rows without one its id.
fn name_of(row: &[Option<String>]) -> Option<String> {
    row[1].clone().or_else(|| Some(format!("#{}", row[0].as_deref()?)))
}

/// Rows by id, for platforms whose file rows keep it; else as they are.
fn touched(counts: &Counts) -> u64 {
    counts.inserted + counts.updated + counts.deleted
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_run_taken_back_leaves_everything_as_it_was_and_taken_back_again_as_it_became(
        source in source(), target in target(), kind in prop::sample::select(&KINDS[..]),
    ) {
        let place = Place::new(kind, &source, &target);
        let before = place.state();
        let run = place.migrate();
        if touched(&run.results[0].counts) == 0 {
            prop_assert!(place.open().revert(&run.id, &[], &Silent).is_err());
            return Ok(());
        }
        let after = place.state();
        let plan = place.revert(&run.id);
        prop_assert_eq!(place.state(), after.clone(), "planning wrote something");
        let back = place.run(&plan);
        prop_assert_eq!(back.consistency, Some(1.0), "{:?}", back.results);
        let now = place.state();
        prop_assert_eq!(&now.0, &before.0);
        prop_assert_eq!(String::from_utf8_lossy(&now.1), String::from_utf8_lossy(&before.1));
        let done = place.open().revert(&run.id, &[], &Silent).unwrap();
        prop_assert!(done.is_done() && done.held() == 0, "{:?}", done.plan.mappings);
        prop_assert_eq!(done.before.as_deref(), Some(back.id.as_str()));
        let again = place.run(&place.revert(&back.id));
        prop_assert_eq!(again.consistency, Some(1.0), "{:?}", again.results);
        let now = place.state();
        prop_assert_eq!(&now.0, &after.0);
        prop_assert_eq!(String::from_utf8_lossy(&now.1), String::from_utf8_lossy(&after.1));
    }

    /// Lines that are no rows may stand anywhere, also at the start and at an end that has no newline.
    #[test]
    fn lines_that_are_no_rows_keep_their_places_too(
        source in source(), target in target(), others in vec(0_usize..3, 11), newline in any::<bool>(),
    ) {
        let place = Place::new("csv", &source, &target);
        let mut text = "id,legacy_id,name,note\n".to_owned();
        let mut piece = 0;
        for (at, others) in others.iter().enumerate() {
            if at > 0 && let Some([id, legacy, name, note]) = target.get(at - 1) {
                text.push_str(&format!("{id},{legacy},{name},{note}\n"));
            }
            for _ in 0..*others {
                piece += 1;
                text.push_str(&if piece % 3 == 0 { "\n".to_owned() } else { format!("broken {piece}\n") });
            }
        }
        if !newline {
            text.truncate(text.len() - 1);
        }
        std::fs::write(place.file(), text).unwrap();
        let text = || String::from_utf8(std::fs::read(place.file()).unwrap()).unwrap();
        let before = text();
        let run = place.migrate();
        if touched(&run.results[0].counts) == 0 {
            return Ok(());
        }
        let after = text();
        let mut last = run.id;
        for expected in [&before, &after, &before, &after] {
            last = place.run(&place.revert(&last)).id;
            prop_assert_eq!(&text(), expected);
        }
    }

    #[test]
    fn rows_edited_since_are_kept_and_the_rest_goes_back(
        source in source(), target in target(), kind in prop::sample::select(&KINDS[..]), every in 2_usize..5,
    ) {
        let place = Place::new(kind, &source, &target);
        let before: BTreeMap<Option<String>, Vec<Option<String>>> =
            place.rows().into_iter().map(|row| (name_of(&row), row)).collect();
        let run = place.migrate();
        if touched(&run.results[0].counts) == 0 {
            return Ok(());
        }
        let after = place.rows();
        place.edit(&|at, _| at % every == 0);
        let edited = place.rows();
        let changed: BTreeMap<Option<String>, Vec<Option<String>>> = edited
            .iter()
            .zip(&after)
            .filter(|(now, then)| now != then)
            .map(|(now, _)| (name_of(now), now.clone()))
            .collect();
        let plan = place.revert(&run.id);
        let rejects = place.open().rejects(&plan.id, None).unwrap();
        let held: BTreeSet<Option<String>> = rejects.iter().map(|row| row.key.clone()).collect();
        for (key, row) in &changed {
            // A row that the run had written and that was edited since is listed.
            let written = before.get(key).is_none_or(|old| old[2] != row[2]);
            prop_assert!(!written || held.contains(key), "{:?} {:?}", key, held);
        }
        if !plan.mappings[0].counts.is_noop() {
            place.run(&plan);
        }
        let mut expected = before;
        // A row whose id the platform has given to one that stays cannot come back.
        for row in rejects.iter().filter(|row| row.reason == "another row has its key now") {
            expected.remove(&row.key);
        }
        expected.extend(changed);
        let now: BTreeMap<Option<String>, Vec<Option<String>>> =
            place.rows().into_iter().map(|row| (name_of(&row), row)).collect();
        prop_assert_eq!(now, expected);
    }
}

/// The run of many rows on a target with 50 later edits. The long form by `CRM_CONSOLE_REVERT_ROWS=100000`.
#[test]
fn many_rows_go_back_around_fifty_later_edits() {
    let rows: usize = std::env::var("CRM_CONSOLE_REVERT_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(2_000);
    for kind in KINDS {
        // A third is new, a third changes, a third of the target goes; a few rows are nobody's.
        let row = |at: usize, key: String, name: String| [at.to_string(), key, name, format!("note {at}")];
        let mut target: Vec<Row> =
            (0..rows * 2 / 3).map(|at| row(at + 1, format!("K{at}"), format!("old {at}"))).collect();
        target.extend((0..100).map(|at| row(rows + at, String::new(), format!("native {at}"))));
        let source: Vec<(String, String)> =
            (rows / 3..rows / 3 + rows * 2 / 3).map(|at| (format!("K{at}"), format!("new {at}"))).collect();
        let place = Place::new(kind, &source, &target);
        let before = place.state();
        let start = Instant::now();
        let run = place.migrate();
        let (counts, ran) = (run.results[0].counts, start.elapsed());
        assert!(touched(&counts) as usize >= rows - 3, "{counts:?}");
        let after = place.rows();
        let step = after.len() / 50;
        let edited = place.edit(&|at, _| at % step == 7 && at / step < 50);
        assert_eq!(edited, 50);
        let mut kept: BTreeMap<Vec<Option<String>>, usize> = BTreeMap::new();
        let now = place.rows();
        let natives = now.iter().zip(&after).filter(|(now, then)| now != then && now[1].is_none()).count();
        let start = Instant::now();
        let plan = place.revert(&run.id);
        let planned = start.elapsed();
        assert_eq!(plan.mappings[0].counts.held as usize, 50 - natives);
        let bytes = place.open().kept_bytes(&run.id);
        let start = Instant::now();
        place.run(&plan);
        let reverted = start.elapsed();
        for (now, then) in now.iter().zip(&after).filter(|(now, then)| now != then) {
            let _ = then;
            *kept.entry(now.clone()).or_default() += 1;
        }
        let result = place.state();
        // Without the edited rows both are alike, in order; the edited ones are all there.
        let ids: BTreeSet<Option<String>> = kept.keys().map(|row| row[1].clone().or(row[0].clone())).collect();
        let name = |row: &Vec<Option<String>>| row[1].clone().or(row[0].clone());
        let rest = |rows: &[Vec<Option<String>>]| -> Vec<Vec<Option<String>>> {
            rows.iter().filter(|row| !ids.contains(&name(row))).cloned().collect()
        };
        assert!(rest(&result.0) == rest(&before.0), "{kind}: the rest is not as before");
        for row in kept.keys() {
            assert!(result.0.contains(row), "{kind}: an edited row is gone");
        }
        if kind == "csv" {
            let lines = |bytes: &[u8]| -> Vec<String> {
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                let own = |line: &&str| {
                    let cells: Vec<&str> = line.trim_end().split(',').collect();
                    let id = cells.get(1).filter(|key| !key.is_empty()).or(cells.first()).map(|id| (*id).to_owned());
                    !ids.contains(&id)
                };
                text.split_inclusive('\n').filter(own).map(str::to_owned).collect()
            };
            let mut expected = lines(&before.1);
            // A last line without an end gets one where a row is kept behind it.
            let last = expected.last_mut().unwrap();
            if !last.ends_with('\n') && !result.1.ends_with(last.as_bytes()) {
                last.push_str("\r\n");
            }
            assert!(lines(&result.1) == expected, "the lines are not as before, byte for byte");
        }
        eprintln!(
            "{kind}: {counts:?}\n  migrate {ran:.2?}, plan of the revert {planned:.2?}, its run {reverted:.2?}, kept {bytes} bytes, held {}",
            plan.mappings[0].counts.held
        );
    }
}

#[test]
fn a_row_that_is_kept_behind_a_last_line_without_an_end_is_a_line_of_its_own() {
    let row = |id: &str, key: &str, name: &str| [id.to_owned(), key.to_owned(), name.to_owned(), "x".to_owned()];
    let source = [("1".to_owned(), "New".to_owned()), ("5".to_owned(), "Five".to_owned())];
    let place = Place::new("csv", &source, &[row("1", "1", "Old"), row("2", "", "Native")]);
    let before = std::fs::read_to_string(place.file()).unwrap();
    assert!(before.ends_with("Native\",x"), "{before:?}");
    let run = place.migrate();
    let after = std::fs::read_to_string(place.file()).unwrap();
    assert_eq!(place.edit(&|_, row| row[1].as_deref() == Some("5")), 1);
    let edited = std::fs::read_to_string(place.file()).unwrap();
    assert_ne!(edited, after);
    let plan = place.revert(&run.id);
    assert_eq!((plan.mappings[0].counts.updated, plan.mappings[0].counts.held), (1, 1));
    place.run(&plan);
    let kept = edited.split_inclusive('\n').next_back().unwrap();
    assert_eq!(std::fs::read_to_string(place.file()).unwrap(), format!("{before}\r\n{kept}"));
}

/// Lines that are no rows stand between two rows; one of those goes while another comes back at the same place.
#[test]
fn a_row_that_goes_where_another_comes_back_has_its_place_behind_the_lines_that_are_no_rows() {
    let row = |id: &str, key: &str| [id.to_owned(), key.to_owned(), "Ann".to_owned(), String::new()];
    let place =
        Place::new("csv", &[("4".into(), "Ann".into())], &[row("1", "3"), row("2", "5"), row("3", ""), row("4", "1")]);
    let before = place.state();
    let run = place.migrate();
    let after = place.state();
    let back = place.run(&place.revert(&run.id));
    assert_eq!(place.state(), before);
    place.run(&place.revert(&back.id));
    assert_eq!(String::from_utf8_lossy(&place.state().1), String::from_utf8_lossy(&after.1));
}

/// The same where the lines stand among several rows that go, or that come back.
#[test]
fn a_row_has_its_place_among_the_lines_between_rows_that_go() {
    let row = |id: &str, key: &str, note: &str| [id.to_owned(), key.to_owned(), "Ann".to_owned(), note.to_owned()];
    let place = Place::new(
        "csv",
        &[("7".into(), "Ann".into())],
        &[row("1", "", ""), row("2", "", ""), row("3", "1", ""), row("4", "2", "x")],
    );
    let before = place.state();
    let run = place.migrate();
    let after = place.state();
    let back = place.run(&place.revert(&run.id));
    assert_eq!(String::from_utf8_lossy(&place.state().1), String::from_utf8_lossy(&before.1));
    place.run(&place.revert(&back.id));
    assert_eq!(String::from_utf8_lossy(&place.state().1), String::from_utf8_lossy(&after.1));
}

/// What the crosswalk knows, of the people.
fn crosswalk(root: &Path) -> BTreeMap<String, String> {
    let state = crm_core::journal::StateDir::of(root);
    state.crosswalk(None).unwrap().load("new:people").unwrap().into_iter().collect()
}

#[test]
fn the_crosswalk_goes_back_with_the_rows() {
    for kind in KINDS {
        let row = |id: &str, key: &str, name: &str| [id.to_owned(), key.to_owned(), name.to_owned(), String::new()];
        let place = Place::new(kind, &[("1".into(), "Ann".into())], &[]);
        let first = place.migrate();
        assert_eq!(first.results[0].counts.inserted, 1);
        let known = crosswalk(place.dir.path());
        std::fs::write(place.path("old/people.csv"), "ID,NAME\n2,Bob\n").unwrap();
        let second = place.migrate();
        assert_eq!((second.results[0].counts.inserted, second.results[0].counts.deleted), (1, 1));
        assert!(!crosswalk(place.dir.path()).contains_key("1"));
        place.run(&place.revert(&second.id));
        assert_eq!(crosswalk(place.dir.path()), known, "{kind}");
        place.run(&place.revert(&first.id));
        assert!(crosswalk(place.dir.path()).is_empty(), "{kind}");
        let _ = row;
    }
}
