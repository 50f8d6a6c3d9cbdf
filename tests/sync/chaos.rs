//! Inserts, updates and deletes on both sides at random, clashes among them, while the engine is killed and started again and
//! again under a clock that is wrong by another span each time: in the end both sides hold what the model holds.
//! `CRM_CONSOLE_CHAOS=1800` runs for so many seconds; `CRM_CONSOLE_CHAOS_SEED` repeats.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{look, migrate, rows, sql};
use crate::support::command::{folder, run};
use crate::support::program;

const PROJECT: &str = "[platforms.old]\nkind = \"sqlite\"\npath = \"old.db\"\n\n[platforms.new]\nkind = \"sqlite\"\npath = \"new.db\"\n\n\
    [platforms.files]\nkind = \"csv\"\npath = \"files\"\n";
/// Names are the source's to change, notes and stages the target's, cities anybody's.
const PEOPLE: &str = "from = \"old:people\"\nto = \"new:contacts\"\nkey = [\"legacy_id\"]\nscope = \"legacy_id IS NOT NULL\"\n\n\
    [fields]\nlegacy_id = \"ID\"\nname = \"NAME\"\ncity = \"CITY\"\nnote = { from = \"NOTE\", conflict = \"target\" }\n\
    stage = { from = \"STG\", values = { L = \"lead\", Q = \"qualified\", W = \"won\" }, conflict = \"target\" }\n\n\
    [run]\nmax_deletes = \"100%\"\n\n\
    [sync]\ntrigger = \"observe\"\nevery = \"1s\"\ndirection = \"two-way\"\nconflict = \"source\"\ndeletes = \"propagate\"\n";
/// The same source goes into a file beside.
const COPY: &str = "from = \"old:people\"\nto = \"files:people\"\nkey = [\"id\"]\n\n[fields]\nid = \"ID\"\nname = \"NAME\"\n\
    note = \"NOTE\"\n\n[run]\nmax_deletes = \"100%\"\n\n\
    [sync]\ntrigger = \"observe\"\nevery = \"1s\"\ndeletes = \"propagate\"\n";
/// Each side writes down what was ever written into a field of the other's.
const OLD: &str = "PRAGMA journal_mode = WAL;
    CREATE TABLE people (ID TEXT PRIMARY KEY, NAME TEXT, CITY TEXT, NOTE TEXT, STG TEXT);
    CREATE TABLE log (n INTEGER PRIMARY KEY, id TEXT, value TEXT);
    CREATE TRIGGER noted AFTER UPDATE ON people WHEN new.NOTE IS NOT old.NOTE
        BEGIN INSERT INTO log (id, value) VALUES (new.ID, new.NOTE); END;";
const NEW: &str = "PRAGMA journal_mode = WAL;
    CREATE TABLE contacts (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT, city TEXT, note TEXT, stage TEXT, memo TEXT);
    CREATE TABLE log (n INTEGER PRIMARY KEY, id TEXT, value TEXT);
    CREATE TRIGGER named AFTER UPDATE ON contacts WHEN new.name IS NOT old.name
        BEGIN INSERT INTO log (id, value) VALUES (new.legacy_id, new.name); END;
    INSERT INTO contacts (name, memo) VALUES ('Nora Native', 'own');";

const STAGES: [(&str, &str); 3] = [("L", "lead"), ("Q", "qualified"), ("W", "won")];

/// xorshift64*, for moments and choices.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % most
    }
    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

/// What both sides must hold of a record.
#[derive(Debug, Clone, Default)]
struct Record {
    name: String,
    note: String,
    stage: usize,
    /// What each side wrote into the field that both change, and whether the source did last: then its value stands. If the
    /// target did, the source's may have been written before the target's was known, and stands all the same.
    city: [String; 2],
    source_last: bool,
    /// Made at the target.
    foreign: bool,
    /// Deleted where that may have met a change of the other side: gone on both sides, or alike on both.
    loose: bool,
}

type Model = BTreeMap<String, Record>;

/// Both sides, and what is done to them.
struct World {
    dir: PathBuf,
    model: Model,
    next: u64,
    changes: u64,
}

impl World {
    fn changed(&self, file: &str, text: &str) -> bool {
        let db = Connection::open(self.dir.join(file)).unwrap();
        db.busy_timeout(Duration::from_secs(20)).unwrap();
        db.execute(text, []).unwrap() > 0
    }

    /// One change of one side.
    fn change(&mut self, dice: &mut Dice) {
        self.changes += 1;
        let at = self.changes;
        let keys: Vec<String> =
            self.model.iter().filter(|(_, record)| !record.loose).map(|(key, _)| key.clone()).collect();
        let key = dice.of(&keys).clone();
        let of_source = format!("WHERE ID = '{key}'");
        let of_target = format!("WHERE legacy_id = '{key}'");
        let Some(mut record) = self.model.get(&key).cloned() else { return };
        match dice.below(16) {
            0 | 1 => return self.make(at, false),
            2 => return self.make(at, true),
            // What the target made need not have arrived.
            3 if keys.len() > 5 => {
                if self.changed("old.db", &format!("DELETE FROM people {of_source}")) {
                    if record.foreign {
                        record.loose = true;
                    } else {
                        self.model.remove(&key);
                        return;
                    }
                }
            }
            4 if keys.len() > 5 => {
                record.loose = self.changed("new.db", &format!("DELETE FROM contacts {of_target}"));
            }
            3..=7 => {
                let name = format!("name {at}");
                if self.changed("old.db", &format!("UPDATE people SET NAME = '{name}' {of_source}")) {
                    record.name = name;
                }
            }
            8..=11 => {
                let (note, stage) = (format!("note {at}"), dice.below(3) as usize);
                let word = STAGES[stage].1;
                if self.changed("new.db", &format!("UPDATE contacts SET note = '{note}', stage = '{word}' {of_target}"))
                {
                    (record.note, record.stage) = (note, stage);
                }
            }
            12 | 13 => {
                let city = format!("city {at}");
                if self.changed("old.db", &format!("UPDATE people SET CITY = '{city}' {of_source}")) {
                    (record.city[0], record.source_last) = (city, true);
                }
            }
            _ => {
                let city = format!("city {at}");
                if self.changed("new.db", &format!("UPDATE contacts SET city = '{city}' {of_target}")) {
                    (record.city[1], record.source_last) = (city, false);
                }
            }
        }
        self.model.insert(key, record);
    }

    /// A new record, made at one of the sides.
    fn make(&mut self, at: u64, foreign: bool) {
        self.next += 1;
        let key = format!("{}{:05}", if foreign { "T" } else { "S" }, self.next);
        let (name, note, city) = (format!("name {at}"), format!("note {at}"), format!("city {at}"));
        let (file, text) = if foreign {
            (
                "new.db",
                format!(
                    "INSERT INTO contacts (legacy_id, name, city, note, stage) VALUES ('{key}', '{name}', '{city}', '{note}', 'lead')"
                ),
            )
        } else {
            ("old.db", format!("INSERT INTO people VALUES ('{key}', '{name}', '{city}', '{note}', 'L')"))
        };
        self.changed(file, &text);
        let city = [city.clone(), city];
        let record = Record { name, note, stage: 0, city, source_last: !foreign, foreign, loose: false };
        self.model.insert(key, record);
    }

    /// The rows of both sides, cells by `|`.
    fn sides(&self) -> [Vec<String>; 2] {
        [
            rows(&self.dir, "old.db", "SELECT ID, NAME, CITY, NOTE, STG FROM people ORDER BY ID"),
            rows(
                &self.dir,
                "new.db",
                "SELECT legacy_id, name, city, note, stage FROM contacts WHERE legacy_id IS NOT NULL ORDER BY legacy_id",
            ),
        ]
    }

    /// What is not as it must be; empty: both sides hold what the model holds.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let read = |rows: &[String]| -> BTreeMap<String, Vec<String>> {
            let cells = rows.iter().map(|row| row.split('|').map(str::to_owned).collect::<Vec<_>>());
            cells.map(|cells| (cells[0].clone(), cells)).collect()
        };
        let [source, target] = self.sides().map(|rows| read(&rows));
        for key in source.keys().chain(target.keys()).filter(|key| !self.model.contains_key(*key)) {
            wrong.push(format!("{key}: deleted, and there"));
        }
        for (key, record) in &self.model {
            let (one, other) = match (source.get(key), target.get(key)) {
                (None, None) if record.loose => continue,
                (Some(one), Some(other)) => (one, other),
                (one, other) => {
                    wrong.push(format!("{key}: {one:?} and {other:?}, not {record:?}"));
                    continue;
                }
            };
            let (code, word) = STAGES[record.stage];
            let city = one[2] == record.city[0] || one[2] == record.city[1] && !record.source_last;
            let own = one[1] == record.name && one[3] == record.note && one[4] == code && other[4] == word;
            let same = one[..4] == other[..4] && STAGES.contains(&(one[4].as_str(), other[4].as_str()));
            // One that came back is as the source had it when the target let go of it.
            if !(same && (record.loose || own && city)) {
                wrong.push(format!("{key}: {one:?} and {other:?}, not {record:?}"));
            }
        }
        let file = std::fs::read_to_string(self.dir.join("files/people.csv")).unwrap();
        let lines: BTreeMap<&str, &str> = file.lines().skip(1).filter_map(|line| line.split_once(',')).collect();
        let copy = source.iter().map(|(key, cells)| (key.as_str(), format!("{},{}", cells[1], cells[3])));
        let copy: BTreeMap<&str, String> = copy.collect();
        if lines.len() != copy.len() || copy.iter().any(|(key, rest)| lines.get(key) != Some(&rest.as_str())) {
            wrong.push("the file is not the source".to_owned());
        }
        wrong
    }

    /// Values of one key never go back to an earlier one: nothing was carried over twice, or in another order.
    fn order(&self) {
        for (file, what) in [("new.db", "names at the target"), ("old.db", "notes at the source")] {
            let mut last: BTreeMap<String, u64> = BTreeMap::new();
            for row in rows(&self.dir, file, "SELECT id, value FROM log WHERE id IS NOT NULL ORDER BY n") {
                let (key, value) = row.split_once('|').unwrap();
                if self.model.get(key).is_none_or(|record| record.loose) {
                    continue;
                }
                let number: u64 = value.rsplit_once(' ').unwrap().1.parse().unwrap();
                let before = last.insert(key.to_owned(), number);
                assert!(before.is_none_or(|before| before < number), "{what}: {key} went from {before:?} to {number}");
            }
        }
    }
}

fn engine(dir: &Path, fault: &str) -> Child {
    let mut command = Command::new(program());
    command.args(["engine", "--sync", "-C"]).arg(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env("CRM_CONSOLE_FAULT", fault).spawn().unwrap()
}

/// Ends a loop whatever happens.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn both_sides_end_as_the_model_whatever_is_killed() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("CRM_CONSOLE_CHAOS").unwrap_or(60);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = number("CRM_CONSOLE_CHAOS_SEED").unwrap_or(now) | 1;
    println!("CRM_CONSOLE_CHAOS_SEED={seed}");
    let mut dice = Dice(seed);
    let files = [
        ("project.toml", PROJECT),
        ("mappings/people.toml", PEOPLE),
        ("mappings/copy.toml", COPY),
        ("files/people.csv", "id,name,note\n"),
    ];
    let temp = folder(&files);
    let dir = temp.path();
    sql(dir, "old.db", OLD);
    sql(dir, "new.db", NEW);
    let mut world = World { dir: dir.to_owned(), model: Model::new(), next: 0, changes: 0 };
    for at in 0..40 {
        world.make(at, false);
    }
    migrate(dir, "files+new");
    look(dir, 0);
    let (mut kills, mut skews) = (0, Vec::new());
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        let life = 20_000 + dice.below(1_500_000);
        // Right, a bit off, hours off, days off.
        let most = *dice.of(&[0, 2, 7_200, 400_000]);
        let skew = dice.below(2 * most + 1).cast_signed() - most.cast_signed();
        skews.push(skew);
        let mut loop_ = Guard(engine(dir, &format!("kill-after:{life},skew-by:{skew}")));
        for _ in 0..dice.below(14) {
            world.change(&mut dice);
        }
        loop_.0.wait().unwrap();
        kills += 1;
    }
    let _loop = Guard(engine(dir, "skew-by:-5"));
    let patience = Instant::now() + Duration::from_secs(90);
    while !world.wrong().is_empty() && Instant::now() < patience {
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let wrong = world.wrong();
    if !wrong.is_empty() {
        println!("{}", run(dir, &["events", "--log", "-n", "40"]).out);
        for line in &wrong {
            let key = line.split(':').next().unwrap_or_default();
            println!("{line}\n{}", run(dir, &["events", "--find", key, "-n", "40"]).out);
        }
    }
    let told = format!("seed {seed}, {kills} kills, {} changes", world.changes);
    assert!(wrong.is_empty(), "{told}: {wrong:#?}");
    world.order();
    assert_eq!(rows(dir, "new.db", "SELECT name, memo FROM contacts WHERE legacy_id IS NULL"), ["Nora Native|own"]);
    let alive = || run(dir, &["status", "--json"]).json()["alive"].as_bool().unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while !alive() {
        assert!(Instant::now() < patience, "the loop starts");
    }
    run(dir, &["sync", "--stop"]).expect(0);
    while alive() {
        assert!(Instant::now() < patience, "the loop ends when it is told");
    }
    let status = look(dir, 0);
    let records = world.sides()[0].len() as u64;
    for lane in status["lanes"].as_array().unwrap() {
        let tally = &lane["tally"];
        let counts = ["equal", "different", "missing", "extra"].map(|name| tally[name].as_u64().unwrap());
        assert_eq!(counts, [records, 0, 0, 0], "{told}: {lane}");
        assert_eq!((&lane["rejects"], &lane["conflicts"]), (&0.into(), &0.into()), "{told}: {lane}");
    }
    let open = run(dir, &["events", "--open", "--json"]).expect(0).out;
    assert!(open.is_empty(), "{told}: {open}");
    let far = skews.iter().filter(|skew| skew.abs() > 60).count();
    println!("{told}, {records} records, clock off by more than a minute {far} times");
}
