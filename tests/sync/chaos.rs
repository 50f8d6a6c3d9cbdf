//! Inserts, updates and deletes on both sides at random, while the engine is killed and started again and again: in the end
//! both sides hold what the model holds. `CRM_CONSOLE_CHAOS=1800` runs for so many seconds; `CRM_CONSOLE_CHAOS_SEED` repeats.
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{look, migrate, rows, sql};
use crate::support::command::{folder, run};
use crate::support::program;

const PROJECT: &str =
    "[platforms.old]\nkind = \"sqlite\"\npath = \"old.db\"\n\n[platforms.new]\nkind = \"sqlite\"\npath = \"new.db\"\n";
const MAPPING: &str = "from = \"old:people\"\nto = \"new:contacts\"\nkey = [\"legacy_id\"]\n\n[fields]\nlegacy_id = \"ID\"\nname = \"NAME\"\n\
    stage = { from = \"STG\", values = { L = \"lead\", Q = \"qualified\", W = \"won\" } }\n\n[run]\nmax_deletes = \"100%\"\n\n\
    [sync]\ntrigger = \"observe\"\nevery = \"1s\"\ndirection = \"two-way\"\nconflict = \"source\"\ndeletes = \"propagate\"\n";

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
}

/// What both sides must hold: key → name, stage. The source owns names, rows and deletes; the target owns stages.
type Model = BTreeMap<String, (String, usize)>;

fn engine(dir: &Path, fault: Option<&str>) -> Child {
    let mut command = Command::new(program());
    command.args(["engine", "--sync", "-C"]).arg(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(fault) = fault {
        command.env("CRM_CONSOLE_FAULT", fault);
    }
    command.spawn().unwrap()
}

/// Ends a loop whatever happens.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn sides(dir: &Path) -> (Vec<String>, Vec<String>) {
    (
        rows(dir, "old.db", "SELECT ID, NAME, STG FROM people ORDER BY ID"),
        rows(
            dir,
            "new.db",
            "SELECT legacy_id, name, stage FROM contacts WHERE legacy_id IS NOT NULL ORDER BY legacy_id",
        ),
    )
}

#[test]
fn both_sides_end_as_the_model_whatever_is_killed() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("CRM_CONSOLE_CHAOS").unwrap_or(20);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = number("CRM_CONSOLE_CHAOS_SEED").unwrap_or(now) | 1;
    println!("CRM_CONSOLE_CHAOS_SEED={seed}");
    let mut dice = Dice(seed);
    let dir = folder(&[("project.toml", PROJECT), ("mappings/people.toml", MAPPING)]);
    let dir = dir.path();
    sql(dir, "old.db", "PRAGMA journal_mode = WAL; CREATE TABLE people (ID TEXT PRIMARY KEY, NAME TEXT, STG TEXT);");
    sql(
        dir,
        "new.db",
        "PRAGMA journal_mode = WAL;
         CREATE TABLE contacts (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT, stage TEXT, memo TEXT);
         INSERT INTO contacts (name, memo) VALUES ('Nora Native', 'own');",
    );
    let mut model = Model::new();
    for n in 0..40 {
        model.insert(format!("{n:04}"), (format!("name {n}"), 0));
        sql(dir, "old.db", &format!("INSERT INTO people VALUES ('{n:04}', 'name {n}', 'L')"));
    }
    migrate(dir, "new");
    look(dir, 0);
    let (mut kills, mut changes, mut next) = (0, 0, 40);
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        let life = 20_000 + dice.below(1_500_000);
        let mut loop_ = Guard(engine(dir, Some(&format!("kill-after:{life}"))));
        for _ in 0..dice.below(12) {
            changes += 1;
            let keys: Vec<String> = model.keys().cloned().collect();
            let key = keys[dice.below(keys.len() as u64) as usize].clone();
            match dice.below(10) {
                0 | 1 => {
                    let key = format!("{next:04}");
                    sql(dir, "old.db", &format!("INSERT INTO people VALUES ('{key}', 'new {next}', 'Q')"));
                    model.insert(key, (format!("new {next}"), 1));
                    next += 1;
                }
                2 if keys.len() > 5 => {
                    sql(dir, "old.db", &format!("DELETE FROM people WHERE ID = '{key}'"));
                    model.remove(&key);
                }
                3..=6 => {
                    let name = format!("name {changes}");
                    sql(dir, "old.db", &format!("UPDATE people SET NAME = '{name}' WHERE ID = '{key}'"));
                    model.get_mut(&key).unwrap().0 = name;
                }
                _ => {
                    // Only where the row has arrived there can anybody change it.
                    let there = rows(dir, "new.db", &format!("SELECT 1 FROM contacts WHERE legacy_id = '{key}'"));
                    if !there.is_empty() {
                        let stage = dice.below(3) as usize;
                        let word = STAGES[stage].1;
                        sql(dir, "new.db", &format!("UPDATE contacts SET stage = '{word}' WHERE legacy_id = '{key}'"));
                        model.get_mut(&key).unwrap().1 = stage;
                    }
                }
            }
        }
        loop_.0.wait().unwrap();
        kills += 1;
    }
    let wanted = |stage: fn(&(&'static str, &'static str)) -> &'static str| -> Vec<String> {
        model.iter().map(|(key, (name, at))| format!("{key}|{name}|{}", stage(&STAGES[*at]))).collect()
    };
    let wanted = (wanted(|stage| stage.0), wanted(|stage| stage.1));
    let _loop = Guard(engine(dir, None));
    let patience = Instant::now() + Duration::from_secs(60);
    while sides(dir) != wanted && Instant::now() < patience {
        std::thread::yield_now();
    }
    let (old, new) = sides(dir);
    if (&old, &new) != (&wanted.0, &wanted.1) {
        println!("{}", run(dir, &["events", "--log", "-n", "40"]).out);
        let different = |have: &[String], want: &[String]| -> Vec<String> {
            have.iter().filter(|row| !want.contains(row)).cloned().collect()
        };
        for row in [different(&old, &wanted.0), different(&new, &wanted.1)].concat() {
            let key = row.split('|').next().unwrap_or_default();
            println!("{row}\n{}", run(dir, &["events", "--find", key, "-n", "40"]).out);
        }
    }
    assert_eq!(old, wanted.0, "the source; seed {seed}, {kills} kills, {changes} changes");
    assert_eq!(new, wanted.1, "the target; seed {seed}, {kills} kills, {changes} changes");
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
    let tally = &status["lanes"][0]["tally"];
    assert_eq!(tally["equal"].as_u64(), Some(model.len() as u64), "{tally}");
    assert_eq!(
        (tally["different"].as_u64(), tally["missing"].as_u64(), tally["extra"].as_u64()),
        (Some(0), Some(0), Some(0))
    );
    println!("{kills} kills, {changes} changes, {} records", model.len());
}
