//! Incremental runs over real platforms end where full runs end.
#![allow(clippy::unwrap_used)]
use std::path::Path;

use crm_core::journal::{RunRecord, RunState};
use crm_core::monitor::{CancelFlag, Silent};
use crm_core::plan::Plan;
use crm_core::project::Mode;
use crm_core::workspace::{PlanAsk, Workspace};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rusqlite::{Connection, params};

/// One row of a source table: row number, NO, NAME, PARENT, BOSS, AT.
#[derive(Debug, Clone)]
struct Row {
    number: i64,
    no: Option<String>,
    name: Option<String>,
    parent: Option<String>,
    boss: Option<String>,
    at: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// With a cursor in the mapping.
    Cursor,
    /// Tables, compared by hash.
    Tables,
    /// Files.
    Files,
}

#[derive(Debug, Clone)]
struct Edit {
    people: bool,
    /// Which row is changed or deleted; beyond the end: a new row.
    at: usize,
    delete: bool,
    no: Option<usize>,
    name: Option<usize>,
    parent: Option<usize>,
    boss: Option<usize>,
    /// Committed with an earlier time.
    late: bool,
}

#[derive(Debug, Clone)]
struct Step {
    edits: Vec<Edit>,
    incremental: bool,
    /// Other rules from here on.
    rules: Option<(bool, &'static str)>,
}

fn edit() -> impl Strategy<Value = Edit> {
    (
        (any::<bool>(), 0_usize..9, prop::bool::weighted(0.15), prop::bool::weighted(0.2)),
        (option::weighted(0.95, 0_usize..6), option::weighted(0.9, 0_usize..5)),
        (option::weighted(0.6, 0_usize..5), option::weighted(0.3, 0_usize..6)),
    )
        .prop_map(|((people, at, delete, late), (no, name), (parent, boss))| Edit {
            people,
            at,
            delete,
            no,
            name,
            parent,
            boss,
            late,
        })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rules = option::weighted(0.2, (any::<bool>(), prop::sample::select(&["first", "last", "reject"][..])));
    let later = (vec(edit(), 0..5), prop::bool::weighted(0.8), rules).prop_map(|(edits, incremental, rules)| Step {
        edits,
        incremental,
        rules,
    });
    (vec(edit(), 4..14), vec(later, 2..5)).prop_map(|(edits, later)| {
        let first = Step { edits, incremental: false, rules: None };
        std::iter::once(first).chain(later).collect()
    })
}

fn mapping(kind: Kind, object: &str, trim: bool, duplicates: &str) -> String {
    let links = match object {
        "people" => {
            "account = { from = \"PARENT\", link = \"accounts\", on_miss = \"null\" }\n\
             boss = { from = \"BOSS\", link = \"people\", on_miss = \"defer\" }\n"
        }
        _ => "",
    };
    let cursor = if kind == Kind::Cursor { "cursor = \"AT\"\noverlap = 1\n" } else { "" };
    let clean = if trim { ", clean = [\"trim\", \"upper\"]" } else { "" };
    format!(
        "from = \"old:{object}\"\nto = \"new:{object}\"\nkey = [\"no\"]\nduplicates = \"{duplicates}\"\n\
         match = [\"crosswalk\", \"no\", \"lower(name)\"]\nwhere = \"NAME <> 'left'\"\ndeleted = \"NAME = 'dead'\"\n\
         ignore = [\"AT\", \"PARENT\", \"BOSS\"]\n[fields]\nno = \"NO\"\nname = {{ from = \"NAME\"{clean} }}\n{links}\
         [run]\nerror_budget = \"100%\"\nmax_deletes = \"100%\"\n{cursor}"
    )
}

struct Side {
    root: tempfile::TempDir,
    kind: Kind,
}

impl Side {
    fn new(kind: Kind) -> Self {
        let root = tempfile::tempdir().unwrap();
        let (word, old, new) = match kind {
            Kind::Files => ("csv", "old", "new"),
            _ => ("sqlite", "old.db", "new.db"),
        };
        let text = format!(
            "name = \"t\"\n[platforms.old]\nkind = \"{word}\"\npath = \"{old}\"\n[platforms.new]\nkind = \"{word}\"\npath = \"{new}\"\n"
        );
        std::fs::write(root.path().join("project.toml"), text).unwrap();
        std::fs::create_dir(root.path().join("mappings")).unwrap();
        let side = Self { root, kind };
        side.rules(false, "reject");
        match kind {
            Kind::Files => {
                std::fs::create_dir(side.path("old")).unwrap();
                std::fs::create_dir(side.path("new")).unwrap();
                std::fs::write(side.path("new/accounts.csv"), "no,name\nA9,eve\nA1,bob\n").unwrap();
                std::fs::write(side.path("new/people.csv"), "no,name,account,boss\nP9,eve,,\nP2,zoe,,\n").unwrap();
            }
            _ => {
                let columns = "(NO TEXT, NAME TEXT, PARENT TEXT, BOSS TEXT, AT INTEGER)";
                let sql = format!("CREATE TABLE accounts {columns}; CREATE TABLE people {columns};");
                Connection::open(side.path("old.db")).unwrap().execute_batch(&sql).unwrap();
                let sql = "CREATE TABLE accounts (id INTEGER PRIMARY KEY AUTOINCREMENT, no TEXT, name TEXT);
                    CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, no TEXT, name TEXT, account INTEGER, boss INTEGER);
                    INSERT INTO accounts (no, name) VALUES ('A9', 'eve'), (NULL, 'ann'), ('A1', 'bob');
                    INSERT INTO people (no, name) VALUES ('P9', 'eve'), (NULL, 'ann'), ('P2', 'zoe');";
                Connection::open(side.path("new.db")).unwrap().execute_batch(sql).unwrap();
            }
        }
        side
    }
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join(name)
    }
    fn rules(&self, trim: bool, duplicates: &str) {
        for object in ["accounts", "people"] {
            let file = self.path("mappings").join(format!("{object}.toml"));
            std::fs::write(file, mapping(self.kind, object, trim, duplicates)).unwrap();
        }
    }
    fn fill(&self, object: &str, rows: &[Row]) {
        if self.kind == Kind::Files {
            let show = |cell: &Option<String>| cell.clone().unwrap_or_default();
            let mut text = "NO,NAME,PARENT,BOSS,AT\n".to_owned();
            for row in rows {
                let at = row.at.map(|at| at.to_string()).unwrap_or_default();
                text +=
                    &format!("{},{},{},{},{at}\n", show(&row.no), show(&row.name), show(&row.parent), show(&row.boss));
            }
            std::fs::write(self.path("old").join(format!("{object}.csv")), text).unwrap();
            return;
        }
        let mut connection = Connection::open(self.path("old.db")).unwrap();
        let transaction = connection.transaction().unwrap();
        transaction.execute(&format!("DELETE FROM {object}"), []).unwrap();
        for row in rows {
            let sql =
                format!("INSERT INTO {object} (rowid, NO, NAME, PARENT, BOSS, AT) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
            transaction.execute(&sql, params![row.number, row.no, row.name, row.parent, row.boss, row.at]).unwrap();
        }
        transaction.commit().unwrap();
    }
    fn open(&self) -> Workspace {
        Workspace::open(self.root.path(), None, crate::registry()).unwrap()
    }
    fn plan(&self, mode: Mode) -> Plan {
        self.open().plan_as(&PlanAsk { mode: Some(mode), ..PlanAsk::default() }, &Silent).unwrap()
    }
    fn run(&self, plan: &Plan) -> RunRecord {
        // The engine is this process: the program that is started does nothing.
        let workspace = self.open();
        let run = workspace.start_run_by(Path::new("/bin/true"), plan, &plan.confirm).unwrap();
        workspace.execute_run(&run, &CancelFlag::default()).unwrap()
    }
    /// All that the target holds.
    fn target(&self) -> Vec<String> {
        if self.kind == Kind::Files {
            return ["accounts", "people"]
                .map(|name| std::fs::read_to_string(self.path("new").join(format!("{name}.csv"))).unwrap())
                .to_vec();
        }
        let connection = Connection::open(self.path("new.db")).unwrap();
        let mut rows = Vec::new();
        for sql in ["SELECT id, no, name, NULL, NULL FROM accounts", "SELECT id, no, name, account, boss FROM people"] {
            let mut statement = connection.prepare(sql).unwrap();
            let found = statement
                .query_map([], |row| {
                    let cells: Vec<rusqlite::types::Value> = (0..5).map(|at| row.get(at)).collect::<Result<_, _>>()?;
                    Ok(format!("{cells:?}"))
                })
                .unwrap();
            rows.extend(found.map(Result::unwrap));
        }
        rows
    }
}

fn apply(rows: &mut Vec<Row>, edit: &Edit, clock: i64, next: &mut i64) {
    let name = |at: usize| ["ann", "bob", "cid", "left", "dead"][at].to_owned();
    let letter = if edit.people { 'P' } else { 'A' };
    if edit.delete {
        if edit.at < rows.len() {
            rows.remove(edit.at);
        }
        return;
    }
    let row = Row {
        number: rows.get(edit.at).map_or(*next, |row| row.number),
        no: edit.no.map(|no| format!("{letter}{no}")),
        name: edit.name.map(name),
        parent: edit.parent.map(|no| format!("A{no}")),
        boss: edit.boss.map(|no| format!("P{no}")),
        // Some rows of a moment come after the others of it were read, some have no time at all.
        at: (edit.name != Some(2)).then_some(clock - i64::from(edit.late)),
    };
    match rows.get_mut(edit.at) {
        Some(old) => *old = row,
        None => {
            *next += 1;
            rows.push(row);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_target_after_incremental_runs_is_as_after_full_runs(
        steps in steps(), kind in prop::sample::select(&[Kind::Cursor, Kind::Cursor, Kind::Tables, Kind::Files][..]),
    ) {
        let (one, other) = (Side::new(kind), Side::new(kind));
        let (mut accounts, mut people, mut next) = (Vec::new(), Vec::new(), 1);
        for (at, step) in steps.iter().enumerate() {
            for edit in &step.edits {
                let rows = if edit.people { &mut people } else { &mut accounts };
                apply(rows, edit, 100 + at as i64, &mut next);
            }
            let mut plans = Vec::new();
            for (side, mode) in [(&one, if step.incremental { Mode::Incremental } else { Mode::Full }), (&other, Mode::Full)] {
                if let Some((trim, duplicates)) = step.rules {
                    side.rules(trim, duplicates);
                }
                side.fill("accounts", &accounts);
                side.fill("people", &people);
                plans.push(side.plan(mode));
            }
            let told = || plans[0].mappings.iter().map(|part| (&part.counts, &part.incremental, &part.warnings)).collect::<Vec<_>>();
            for (some, all) in plans[0].mappings.iter().zip(&plans[1].mappings) {
                prop_assert!(some.counts.closes(), "step {}: {:?}", at, told());
                let written = |part: &crm_core::plan::MappingPlan| {
                    (part.counts.inserted, part.counts.updated, part.counts.deleted, part.counts.before, part.counts.after)
                };
                prop_assert_eq!(written(some), written(all), "step {} {}: {:?}", at, some.mapping, told());
            }
            let (some, all) = (one.run(&plans[0]), other.run(&plans[1]));
            prop_assert_eq!(some.state, all.state, "step {}: {:?} {:?}", at, some.note, all.note);
            prop_assert!(some.state == RunState::Done, "step {}: {:?}", at, some.note);
            prop_assert_eq!(one.target(), other.target(), "step {}: {:?}", at, told());
            prop_assert!(some.results.iter().all(|result| result.closes));
        }
    }
}

fn filled(kind: Kind, people: i64) -> (Side, Vec<Row>) {
    let side = Side::new(kind);
    let row = |number: i64| Row {
        number,
        no: Some(format!("N{number}")),
        name: Some(format!("name {number}")),
        parent: None,
        boss: None,
        at: Some(100),
    };
    let rows: Vec<Row> = (1..=people).map(row).collect();
    side.fill("accounts", &[]);
    side.fill("people", &rows);
    assert_eq!(side.run(&side.plan(Mode::Full)).state, RunState::Done);
    (side, rows)
}

#[test]
fn a_cursor_reads_what_is_at_its_mark_or_after_and_asks_for_the_rows_it_may_have() {
    let (side, mut rows) = filled(Kind::Cursor, 50);
    for row in &mut rows[..50] {
        row.at = Some(90);
    }
    // One with the mark's own time, one late within the overlap, one without a time.
    rows[3] = Row { name: Some("changed".into()), at: Some(100), ..rows[3].clone() };
    rows[4] = Row { name: Some("late".into()), at: Some(99), ..rows[4].clone() };
    rows[5] = Row { name: Some("timeless".into()), at: None, ..rows[5].clone() };
    side.fill("people", &rows);
    let plan = side.plan(Mode::Incremental);
    let part = plan.mappings.iter().find(|part| part.mapping == "people").unwrap();
    let incremental = part.incremental.as_ref().unwrap();
    assert_eq!(incremental.from, Some(("AT".to_owned(), "99".to_owned())), "{:?}", part.warnings);
    assert_eq!((part.counts.read, part.counts.updated, incremental.unread), (3, 3, 47));
    assert!(incremental.asked && part.counts.closes());
    assert_eq!((part.counts.native, part.counts.target_only), (None, None), "nobody looked at them");
    assert_eq!(part.counts.before, 53);
    let record = side.run(&plan);
    let result = record.results.iter().find(|result| result.mapping == "people").unwrap();
    let tally = result.tally.unwrap();
    assert_eq!((tally.equal, tally.union(), result.by_ledger), (50, 50, 47), "{:?}", record.note);
    let again = side.plan(Mode::Incremental);
    let part = again.mappings.iter().find(|part| part.mapping == "people").unwrap();
    assert!(part.counts.is_noop());
    assert_eq!((part.counts.read, part.counts.unchanged), (3, 3), "read again, known by their hashes");
    assert_eq!(part.incremental.as_ref().unwrap().looked, 0);
}

#[test]
fn rows_that_all_have_the_mark_of_the_cursor_are_compared_and_the_next_plan_reads_few() {
    let (side, mut rows) = filled(Kind::Cursor, 1_100);
    let people = |plan: &Plan| plan.mappings.iter().find(|part| part.mapping == "people").unwrap().clone();
    rows[6] = Row { name: Some("changed".into()), at: Some(200), ..rows[6].clone() };
    side.fill("people", &rows);
    let plan = side.plan(Mode::Incremental);
    let (part, all) = (people(&plan), people(&side.plan(Mode::Full)));
    let incremental = part.incremental.as_ref().unwrap();
    assert!(part.warnings.iter().any(|text| text.contains("at the cursor's mark")), "{:?}", part.warnings);
    assert_eq!((incremental.from.as_ref(), incremental.looked, incremental.asked), (None, 1, true));
    assert_eq!((part.counts.read, part.counts.updated, part.counts.unchanged), (1_100, 1, 1_099));
    assert_eq!((all.counts.read, all.counts.updated), (1_100, 1));
    assert_eq!(side.run(&plan).state, RunState::Done);
    rows[7] = Row { name: Some("changed".into()), at: Some(300), ..rows[7].clone() };
    side.fill("people", &rows);
    let part = people(&side.plan(Mode::Incremental));
    let incremental = part.incremental.as_ref().unwrap();
    assert_eq!(incremental.from, Some(("AT".to_owned(), "199".to_owned())), "{:?}", part.warnings);
    assert_eq!((part.counts.read, part.counts.updated, incremental.unread), (2, 1, 1_098));
}

#[test]
fn a_ledger_that_a_sample_began_is_one_that_a_cursor_looks_into() {
    let side = Side::new(Kind::Cursor);
    let row = |number: i64, no: &str, parent: &str, at: i64| Row {
        number,
        no: Some(no.into()),
        name: Some(format!("name of {no}")),
        parent: Some(parent.into()),
        boss: None,
        at: Some(at),
    };
    side.fill("accounts", &[row(1, "A7", "", 100)]);
    side.fill("people", &[row(1, "P6", "A7", 100), row(2, "P7", "A8", 100)]);
    let sample = PlanAsk { mode: Some(Mode::Full), limit: Some(1), ..PlanAsk::default() };
    let sample = side.open().plan_as(&sample, &Silent).unwrap();
    assert_eq!(side.run(&sample).state, RunState::Done);
    let rest = side.plan(Mode::Incremental);
    assert_eq!(rest.mappings.iter().map(|part| part.counts.inserted).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(rest.mappings[1].incremental.as_ref().unwrap().from, None, "a sample is no mark");
    assert_eq!(side.run(&rest).state, RunState::Done);
    // The account that P7 waits for comes; the row of P7 stays as it is.
    side.fill("accounts", &[row(1, "A7", "", 100), row(2, "A8", "", 200)]);
    let plan = side.plan(Mode::Incremental);
    let people = &plan.mappings[1];
    assert!(people.incremental.as_ref().unwrap().from.is_some(), "{:?}", people.warnings);
    assert_eq!((plan.mappings[0].counts.inserted, people.counts.updated), (1, 1), "{:?}", people.incremental);
}

#[test]
fn a_target_that_lost_rows_since_is_read_whole() {
    let (side, _) = filled(Kind::Tables, 20);
    Connection::open(side.path("new.db")).unwrap().execute("DELETE FROM people WHERE no = 'N7'", []).unwrap();
    let plan = side.plan(Mode::Incremental);
    let part = plan.mappings.iter().find(|part| part.mapping == "people").unwrap();
    assert!(part.warnings.iter().any(|text| text.contains("more or fewer rows")), "{:?}", part.warnings);
    assert_eq!((part.counts.inserted, part.counts.unchanged), (1, 19));
    assert!(!part.incremental.as_ref().unwrap().asked);
}
