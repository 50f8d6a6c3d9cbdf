//! Directions: one source into several targets, several sources into one object, and a hub that several platforms share.
use std::path::Path;

use serde_json::Value;

use super::live::{Loop, until};
use super::{migrate, rows, sql};
use crate::support::command::{folder, run};

/// Several mappings under one loop.
struct Net {
    temp: tempfile::TempDir,
}

impl Net {
    fn new(files: &[(&str, &str)], databases: &[(&str, &str)]) -> Self {
        let temp = folder(files);
        for (file, schema) in databases {
            sql(temp.path(), file, schema);
        }
        Self { temp }
    }
    fn dir(&self) -> &Path {
        self.temp.path()
    }
    fn sql(&self, file: &str, text: &str) {
        sql(self.dir(), file, text);
    }
    fn status(&self) -> Value {
        run(self.dir(), &["status", "--json"]).json()
    }
    fn lanes(&self) -> Vec<Value> {
        self.status()["lanes"].as_array().unwrap().clone()
    }
    fn lane(&self, mapping: &str) -> Value {
        self.lanes().into_iter().find(|lane| lane["mapping"] == mapping).unwrap()
    }
    /// What there is, for a condition that does not come.
    fn tell(&self) -> String {
        run(self.dir(), &["status"]).out
            + &run(self.dir(), &["events", "-n", "60"]).out
            + &run(self.dir(), &["events", "--log", "-n", "30"]).out
    }
    /// Waits until a query answers these rows.
    #[track_caller]
    fn holds(&self, file: &str, query: &str, wanted: &[&str]) {
        let tell = || format!("{file}: {:?}\n{}", rows(self.dir(), file, query), self.tell());
        until(&format!("{file}: {wanted:?}"), tell, || rows(self.dir(), file, query) == wanted);
    }
    /// Events that are done, oldest first, as `mapping key operation`.
    fn written(&self) -> Vec<String> {
        let lines = run(self.dir(), &["events", "-n", "1000", "--json"]).expect(0).lines();
        let text = |line: &Value, name: &str| line[name].as_str().unwrap_or("-").to_owned();
        let done = lines.iter().rev().filter(|line| line["outcome"] == "written");
        done.map(|line| ["mapping", "key", "operation"].map(|name| text(line, name)).join(" ")).collect()
    }
    /// Waits until the loop is at rest, and sees that each lane looks once more without finding anything to do: nothing that
    /// was carried over comes back. Answers what was written since `before` lines, sorted.
    #[track_caller]
    fn rests(&self, before: usize, events: usize) -> Vec<String> {
        let quiet = |lane: &Value| lane["state"] == "ok" && lane["pending"] == 0;
        let tell = || self.tell();
        until(&format!("{events} events"), tell, || self.written().len() >= before + events);
        until("quiet lanes", tell, || self.lanes().iter().all(quiet));
        let seen = self.written();
        // Twice, so that what the first look might set going is seen by the second.
        for _ in 0..2 {
            let looked: Vec<(String, i64)> = self
                .lanes()
                .iter()
                .map(|lane| (lane["mapping"].as_str().unwrap().to_owned(), lane["looked"].as_i64().unwrap()))
                .collect();
            for (mapping, at) in looked {
                run(self.dir(), &["lane", "resume", &mapping]).expect(0);
                until("another look", tell, || {
                    let lane = self.lane(&mapping);
                    lane["looked"].as_i64() > Some(at) && quiet(&lane)
                });
            }
        }
        until("quiet lanes", tell, || self.lanes().iter().all(quiet));
        assert_eq!(self.written(), seen, "an echo is no event");
        let mut new = seen[before..].to_vec();
        new.sort();
        new
    }
    /// Nothing that a lane did not get over: waiting for another's lock is no alarm.
    #[track_caller]
    fn no_alarms(&self) {
        let log = run(self.dir(), &["events", "--log", "-n", "1000"]).expect(0).out;
        assert!(!log.contains("STUCK") && !log.contains("HELD"), "{log}");
    }
}

fn sqlite(name: &str) -> String {
    format!("[platforms.{name}]\nkind = \"sqlite\"\npath = \"{name}.db\"\n\n")
}

const PEOPLE: &str = "PRAGMA journal_mode = WAL; CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT, city TEXT);";

#[test]
fn one_source_reaches_several_targets_and_a_target_in_trouble_stops_no_other() {
    let mapping = |to: &str, more: &str| {
        format!(
            "from = \"old:people\"\nto = \"{to}\"\nkey = [\"id\"]\n{more}\n[fields]\nid = \"ID\"\nname = \"NAME\"\n\n\
             [run]\nmax_deletes = \"70%\"\n\n[sync]\ntrigger = \"observe\"\nevery = \"1h\"\ndeletes = \"propagate\"\n"
        )
    };
    let table = "CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT);";
    let files = "[platforms.files]\nkind = \"csv\"\npath = \"files\"\n";
    let net = Net::new(
        &[
            ("project.toml", &(sqlite("old") + &sqlite("east") + &sqlite("west") + files)),
            ("mappings/east.toml", &mapping("east:people", "where = \"REGION = 'E'\"\n")),
            ("mappings/west.toml", &mapping("west:people", "where = \"REGION = 'W'\"\n")),
            ("mappings/all.toml", &mapping("files:people", "")),
            ("files/people.csv", "id,name\n"),
        ],
        &[
            (
                "old.db",
                "CREATE TABLE people (ID TEXT PRIMARY KEY, NAME TEXT, REGION TEXT);
                 INSERT INTO people VALUES ('1', 'Ann', 'E'), ('2', 'Ben', 'W'), ('3', 'Cy', 'E');",
            ),
            ("east.db", table),
            ("west.db", table),
        ],
    );
    migrate(net.dir(), "files+east+west");
    let file = || {
        let text = std::fs::read_to_string(net.dir().join("files/people.csv")).unwrap();
        let mut lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let running = Loop::start(net.dir(), &[]);
    // West is locked for as long as its owner likes: east and the file get what is theirs all the same.
    let west = rusqlite::Connection::open(net.dir().join("west.db")).unwrap();
    west.execute_batch("BEGIN EXCLUSIVE").unwrap();
    net.sql(
        "old.db",
        "BEGIN; UPDATE people SET NAME = 'Anna' WHERE ID = '1'; UPDATE people SET NAME = 'Benno' WHERE ID = '2';
         INSERT INTO people VALUES ('4', 'Dee', 'W'); DELETE FROM people WHERE ID = '3'; COMMIT;",
    );
    let all = "SELECT id, name FROM people ORDER BY id";
    net.holds("east.db", all, &["1|Anna"]);
    until("the file", || format!("{:?}", file()), || file() == ["1,Anna", "2,Benno", "4,Dee"]);
    until("a stuck lane", || net.tell(), || net.lane("west")["state"] == "stuck");
    assert_eq!(net.lane("east")["state"], "ok");
    west.execute_batch("COMMIT").unwrap();
    net.holds("west.db", all, &["2|Benno", "4|Dee"]);
    let new = net.rests(0, 8);
    assert_eq!(
        new,
        [
            "all 1 update",
            "all 2 update",
            "all 3 delete",
            "all 4 insert",
            "east 1 update",
            "east 3 delete",
            "west 2 update",
            "west 4 insert"
        ]
    );
    // A record that moves from one part to the other: a row that `where` leaves out is left as it is.
    net.sql("old.db", "UPDATE people SET REGION = 'W' WHERE ID = '1'");
    net.holds("west.db", all, &["1|Anna", "2|Benno", "4|Dee"]);
    assert_eq!(net.rests(8, 1), ["west 1 insert"]);
    assert_eq!(rows(net.dir(), "east.db", all), ["1|Anna"]);
    for lane in net.lanes() {
        let tally = &lane["tally"];
        assert_eq!((&tally["different"], &tally["missing"]), (&0.into(), &0.into()), "{lane}");
    }
    running.end();
}

#[test]
fn several_sources_share_an_object_and_none_touches_the_rows_of_another() {
    let mapping = |from: &str| {
        format!(
            "from = \"{from}:people\"\nto = \"crm:people\"\nkey = [\"origin\", \"legacy_id\"]\nscope = \"origin = '{from}'\"\n\n\
             [fields]\norigin = {{ const = \"{from}\" }}\nlegacy_id = \"ID\"\nname = \"NAME\"\n\n\
             [run]\nmax_deletes = \"70%\"\n\n[sync]\ntrigger = \"observe\"\nevery = \"1h\"\ndeletes = \"propagate\"\n"
        )
    };
    let eu = "[platforms.eu]\nkind = \"csv\"\npath = \"eu\"\n\n";
    let net = Net::new(
        &[
            ("project.toml", &(eu.to_owned() + &sqlite("us") + &sqlite("crm"))),
            ("mappings/eu.toml", &mapping("eu")),
            ("mappings/us.toml", &mapping("us")),
            ("eu/people.csv", "ID,NAME\n1,Ann\n2,Ben\n3,Cy\n"),
        ],
        &[
            (
                "us.db",
                "CREATE TABLE people (ID TEXT PRIMARY KEY, NAME TEXT);
                 INSERT INTO people VALUES ('1', 'Sam'), ('2', 'Sue'), ('3', 'Stan');",
            ),
            (
                "crm.db",
                "CREATE TABLE people (no INTEGER PRIMARY KEY, origin TEXT, legacy_id TEXT, name TEXT);
                 INSERT INTO people VALUES (1, NULL, NULL, 'Nora Native');",
            ),
        ],
    );
    let all = "SELECT origin, legacy_id, name FROM people WHERE origin IS NOT NULL ORDER BY origin, legacy_id";
    run(net.dir(), &["check"]).expect(0);
    migrate(net.dir(), "crm");
    let running = Loop::start(net.dir(), &[]);
    net.holds("crm.db", all, &["eu|1|Ann", "eu|2|Ben", "eu|3|Cy", "us|1|Sam", "us|2|Sue", "us|3|Stan"]);
    // The same ids at once on both sides, and each loses one.
    std::fs::write(net.dir().join("eu/people.csv"), "ID,NAME\n1,Anna\n3,Cy\n4,Dee\n").unwrap();
    net.sql(
        "us.db",
        "BEGIN; UPDATE people SET NAME = 'Samuel' WHERE ID = '1'; DELETE FROM people WHERE ID = '3'; COMMIT;",
    );
    net.holds("crm.db", all, &["eu|1|Anna", "eu|3|Cy", "eu|4|Dee", "us|1|Samuel", "us|2|Sue"]);
    assert_eq!(
        net.rests(0, 5),
        ["eu eu, 1 update", "eu eu, 2 delete", "eu eu, 4 insert", "us us, 1 update", "us us, 3 delete"]
    );
    for (mapping, equal) in [("eu", 3), ("us", 2)] {
        let tally = net.lane(mapping)["tally"].clone();
        let other = ["different", "missing", "extra"].map(|name| tally[name].as_u64().unwrap());
        assert_eq!((tally["equal"].as_u64(), other), (Some(equal), [0; 3]), "{mapping}: its own rows and no other");
    }
    // An audit of one counts the same.
    for mapping in ["eu", "us"] {
        run(net.dir(), &["lane", "audit", mapping]).expect(0);
        until("an audit", || net.tell(), || net.lane(mapping)["audited"].is_i64());
        assert_eq!(net.lane(mapping)["audit_gap"], 0, "{mapping}");
    }
    assert_eq!(rows(net.dir(), "crm.db", "SELECT name FROM people WHERE origin IS NULL"), ["Nora Native"]);
    net.no_alarms();
    running.end();
}

/// A hub and three platforms around it. The hub is the source of each mapping; `scope` says which rows of a platform take
/// part, so that what a platform makes comes to the hub, and from there to the others.
fn hub(conflict: &str) -> Net {
    let mapping = |to: &str| {
        format!(
            "from = \"hub:people\"\nto = \"{to}:people\"\nkey = [\"id\"]\nscope = \"id IS NOT NULL\"\n\n\
             [fields]\nid = \"id\"\nname = \"name\"\ncity = \"city\"\n\n[run]\nmax_deletes = \"70%\"\n\n\
             [sync]\ntrigger = \"observe\"\nevery = \"1h\"\ndirection = \"two-way\"\ndeletes = \"propagate\"\n\
             conflict = \"{conflict}\"\n"
        )
    };
    let first = "INSERT INTO people VALUES ('1', 'Ann', 'Ulm'), ('2', 'Ben', 'Bonn'), ('3', 'Cy', 'Kiel'), ('4', 'Dee', 'Jena');";
    let net = Net::new(
        &[
            ("project.toml", &["hub", "a", "b", "c"].map(sqlite).concat()),
            ("mappings/a.toml", &mapping("a")),
            ("mappings/b.toml", &mapping("b")),
            ("mappings/c.toml", &mapping("c")),
        ],
        &[("hub.db", &(PEOPLE.to_owned() + first)), ("a.db", PEOPLE), ("b.db", PEOPLE), ("c.db", PEOPLE)],
    );
    run(net.dir(), &["check"]).expect(0);
    migrate(net.dir(), "a+b+c");
    net
}

const HUB: &str = "SELECT id, name, city FROM people ORDER BY id";

impl Net {
    #[track_caller]
    fn all_hold(&self, wanted: &[&str]) {
        for file in ["hub.db", "a.db", "b.db", "c.db"] {
            self.holds(file, HUB, wanted);
        }
    }
}

#[test]
fn what_one_platform_of_a_hub_changes_reaches_each_other_once_and_nothing_goes_round() {
    let net = hub("ask");
    let running = Loop::start(net.dir(), &[]);
    net.sql("a.db", "UPDATE people SET name = 'Anna' WHERE id = '1'");
    net.all_hold(&["1|Anna|Ulm", "2|Ben|Bonn", "3|Cy|Kiel", "4|Dee|Jena"]);
    // Back to the hub through its own mapping, on to the two others through theirs.
    assert_eq!(net.rests(0, 3), ["a 1 update", "b 1 update", "c 1 update"]);
    // The hub's own change goes to three.
    net.sql("hub.db", "UPDATE people SET city = 'Trier' WHERE id = '2'");
    net.all_hold(&["1|Anna|Ulm", "2|Ben|Trier", "3|Cy|Kiel", "4|Dee|Jena"]);
    assert_eq!(net.rests(3, 3), ["a 2 update", "b 2 update", "c 2 update"]);
    // Two platforms change different fields of one record at once: both stand.
    net.sql("b.db", "UPDATE people SET name = 'Cyril' WHERE id = '3'");
    net.sql("c.db", "UPDATE people SET city = 'Bremen' WHERE id = '3'");
    net.all_hold(&["1|Anna|Ulm", "2|Ben|Trier", "3|Cyril|Bremen", "4|Dee|Jena"]);
    net.rests(6, 4);
    // A record that one platform makes, and one that another deletes.
    let before = net.written().len();
    net.sql("b.db", "INSERT INTO people VALUES ('5', 'Eve', 'Worms')");
    net.all_hold(&["1|Anna|Ulm", "2|Ben|Trier", "3|Cyril|Bremen", "4|Dee|Jena", "5|Eve|Worms"]);
    assert_eq!(net.rests(before, 3), ["a 5 insert", "b 5 insert", "c 5 insert"]);
    net.sql("c.db", "DELETE FROM people WHERE id = '4'");
    net.all_hold(&["1|Anna|Ulm", "2|Ben|Trier", "3|Cyril|Bremen", "5|Eve|Worms"]);
    assert_eq!(net.rests(before + 3, 3), ["a 4 delete", "b 4 delete", "c 4 delete"]);
    // What came from the hub and is changed where it came to goes back like any other.
    net.sql("c.db", "UPDATE people SET name = 'Eva' WHERE id = '5'");
    net.all_hold(&["1|Anna|Ulm", "2|Ben|Trier", "3|Cyril|Bremen", "5|Eva|Worms"]);
    assert_eq!(net.rests(before + 6, 3), ["a 5 update", "b 5 update", "c 5 update"]);
    for lane in net.lanes() {
        assert_eq!((&lane["tally"]["equal"], &lane["conflicts"]), (&4.into(), &0.into()), "{lane}");
    }
    net.no_alarms();
    running.end();
}

#[test]
fn what_two_platforms_of_a_hub_change_at_once_is_asked_or_decided_by_policy() {
    let net = hub("ask");
    let change = |net: &Net| {
        net.sql("a.db", "UPDATE people SET name = 'from a' WHERE id = '1'");
        net.sql("b.db", "UPDATE people SET name = 'from b' WHERE id = '1'");
    };
    // Both changed before anybody looked.
    change(&net);
    let running = Loop::start(net.dir(), &[]);
    let open = || run(net.dir(), &["conflicts", "list", "--json"]).expect(0).lines();
    until("a conflict", || net.tell(), || open().len() == 1);
    let conflict = open().remove(0);
    // Whoever came first is in the hub; the other is asked about, and keeps its own until then.
    let asked = conflict["mapping"].as_str().unwrap().to_owned();
    let (first, second) = if asked == "b" { ("a", "b") } else { ("b", "a") };
    let name = |file: &str| rows(net.dir(), &format!("{file}.db"), "SELECT name FROM people WHERE id = '1'").join("");
    until(
        "the first at the hub and at c",
        || net.tell(),
        || ["hub", "c", first].iter().all(|file| name(file) == format!("from {first}")),
    );
    assert_eq!(name(second), format!("from {second}"));
    let field = &conflict["fields"][0];
    assert_eq!((&field["field"], &field["base"]), (&"name".into(), &"Ann".into()), "{conflict}");
    // It is decided for the one that waited: that reaches everybody.
    run(net.dir(), &["conflicts", "resolve", &conflict["id"].to_string(), "--take", "target"]).expect(0);
    until("no conflict", || net.tell(), || open().is_empty());
    for file in ["hub", "a", "b", "c"] {
        until(file, || net.tell(), || name(file) == format!("from {second}"));
    }
    net.rests(0, 5);
    net.no_alarms();
    running.end();

    // Where a policy decides nobody is asked, and all end alike.
    for policy in ["source", "target"] {
        let net = hub(policy);
        change(&net);
        let running = Loop::start(net.dir(), &[]);
        let names = || {
            ["hub", "a", "b", "c"]
                .map(|file| rows(net.dir(), &format!("{file}.db"), "SELECT name FROM people WHERE id = '1'").join(""))
        };
        until(
            &format!("{policy}: one name"),
            || format!("{:?}\n{}", names(), net.tell()),
            || {
                let names = names();
                names[0].starts_with("from ") && names.iter().all(|name| *name == names[0])
            },
        );
        net.rests(0, 3);
        assert!(names().iter().all(|name| *name == names()[0]), "{policy}: {:?}", names());
        assert!(run(net.dir(), &["conflicts", "list", "--json"]).expect(0).out.is_empty());
        net.no_alarms();
        running.end();
    }
}
