//! Changes go from the source to the target; what nobody looked at is held.
use super::{events, look, migrate, rows, sql};
use crate::support::command::{folder, run};

const PROJECT: &str =
    "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"sqlite\"\npath = \"new.db\"\n";
const MAPPING: &str = "from = \"old:contacts\"\nto = \"new:contacts\"\nkey = [\"legacy_id\"]\n\n[fields]\nlegacy_id = \"ID\"\nname = \"NAME\"\n\
    email = { from = \"MAIL\", clean = [\"email\"] }\n\n[run]\nmax_deletes = \"70%\"\n\n[sync]\ntrigger = \"observe\"\nevery = \"1s\"\n";

fn project(more: &str) -> tempfile::TempDir {
    let dir = folder(&[
        ("project.toml", PROJECT),
        ("mappings/contacts.toml", &format!("{MAPPING}{more}")),
        ("old/contacts.csv", "ID,NAME,MAIL\n1,Ann,a@x.org\n2,Ben,b@x.org\n3,Cy,c@x.org\n4,Dee,d@x.org\n"),
    ]);
    let schema =
        "CREATE TABLE contacts (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT, email TEXT, memo TEXT);
        INSERT INTO contacts (id, legacy_id, name, memo) VALUES (100, NULL, 'Nora Native', 'own');";
    sql(dir.path(), "new.db", schema);
    dir
}

fn write(dir: &tempfile::TempDir, text: &str) {
    std::fs::write(dir.path().join("old/contacts.csv"), text).unwrap();
}

const ALL: &str = "SELECT legacy_id, name, email FROM contacts ORDER BY id";

#[test]
fn what_nobody_confirmed_is_held_until_it_is_released() {
    let dir = project("");
    let status = look(dir.path(), 6);
    let lane = &status["lanes"][0];
    assert_eq!((lane["state"].as_str(), lane["held"]["kind"].as_str()), (Some("held"), Some("unseen")));
    assert_eq!((lane["held"]["changes"].as_u64(), rows(dir.path(), "new.db", ALL).len()), (Some(4), 1));
    let plan = lane["held"]["plan"].as_str().unwrap().to_owned();
    assert_eq!(run(dir.path(), &["status", "--fail-on", "held"]).code, 1);
    run(dir.path(), &["lane", "release", "contacts", "--plan", &plan]).expect(0);
    look(dir.path(), 0);
    assert_eq!(rows(dir.path(), "new.db", ALL).len(), 5);
    assert_eq!(rows(dir.path(), "new.db", "SELECT name, memo FROM contacts WHERE id = 100"), ["Nora Native|own"]);
    assert_eq!(run(dir.path(), &["status", "--fail-on", "held,stuck"]).code, 0);
}

#[test]
fn a_change_goes_over_and_a_poisoned_one_stops_nobody() {
    let dir = project("");
    migrate(dir.path(), "new");
    look(dir.path(), 0);
    assert!(events(dir.path()).is_empty(), "nothing changed since the run");
    write(&dir, "ID,NAME,MAIL\n1,Anna,a@x.org\n2,Ben,not an address\n3,Cy,c@x.org\n4,Dee,d@x.org\n5,Eve,e@x.org\n");
    let status = look(dir.path(), 0);
    let mut seen = events(dir.path());
    seen.sort();
    assert_eq!(seen, ["1 update written", "2 write rejected", "5 insert written"]);
    let lane = &status["lanes"][0];
    assert_eq!((lane["rejects"].as_u64(), lane["tally"]["equal"].as_u64()), (Some(1), Some(4)));
    assert_eq!(lane["tally"]["different"].as_u64(), Some(1), "it is there, and not as it should be");
    assert_eq!(rows(dir.path(), "new.db", "SELECT name FROM contacts WHERE legacy_id IN ('1', '5')"), ["Anna", "Eve"]);
    // Mended, it goes over, and its event is done with the time of the first change.
    write(&dir, "ID,NAME,MAIL\n1,Anna,a@x.org\n2,Ben,ben@x.org\n3,Cy,c@x.org\n4,Dee,d@x.org\n5,Eve,e@x.org\n");
    let status = look(dir.path(), 0);
    assert_eq!(status["lanes"][0]["tally"]["equal"].as_u64(), Some(5));
    assert!(run(dir.path(), &["events", "--open", "--json"]).expect(0).out.is_empty());
    let again = events(dir.path());
    look(dir.path(), 0);
    assert_eq!(events(dir.path()), again, "a look without a change tells of nothing");
}

#[test]
fn deletes_follow_the_policy_and_an_empty_source_deletes_nothing() {
    let dir = project("deletes = \"propagate\"\n");
    migrate(dir.path(), "new");
    look(dir.path(), 0);
    write(&dir, "ID,NAME,MAIL\n1,Ann,a@x.org\n2,Ben,b@x.org\n4,Dee,d@x.org\n");
    look(dir.path(), 0);
    assert_eq!(
        rows(dir.path(), "new.db", "SELECT legacy_id FROM contacts WHERE id <> 100 ORDER BY id"),
        ["1", "2", "4"]
    );
    assert_eq!(events(dir.path()), ["3 delete written"]);
    write(&dir, "ID,NAME,MAIL\n");
    look(dir.path(), 0);
    assert_eq!(rows(dir.path(), "new.db", ALL).len(), 4, "an empty source never deletes");
    write(&dir, "ID,NAME,MAIL\n1,Ann,a@x.org\n");
    let status = look(dir.path(), 0);
    assert_eq!(status["lanes"][0]["state"].as_str(), Some("ok"), "two of three are within the cap");
    let dir = project("deletes = \"propagate\"\n");
    migrate(dir.path(), "new");
    look(dir.path(), 0);
    write(&dir, "ID,NAME,MAIL\n1,Ann,a@x.org\n");
    let status = look(dir.path(), 6);
    assert_eq!(status["lanes"][0]["held"]["kind"].as_str(), Some("blocked"), "three of four are beyond it");
    assert_eq!(rows(dir.path(), "new.db", ALL).len(), 5);
}

#[test]
fn too_many_changes_and_other_columns_are_held_with_their_diff() {
    let dir = project("max_changes = \"2/1h\"\n");
    migrate(dir.path(), "new");
    look(dir.path(), 0);
    write(&dir, "ID,NAME,MAIL\n1,A,a@x.org\n2,B,b@x.org\n3,C,c@x.org\n4,Dee,d@x.org\n");
    let status = look(dir.path(), 6);
    let held = &status["lanes"][0]["held"];
    assert_eq!((held["kind"].as_str(), held["changes"].as_u64()), (Some("cap"), Some(3)));
    let plan = held["plan"].as_str().unwrap().to_owned();
    run(dir.path(), &["lane", "release", "contacts", "--plan", "000000000000"]).expect(0);
    look(dir.path(), 6);
    run(dir.path(), &["lane", "release", "contacts", "--plan", &plan]).expect(0);
    look(dir.path(), 0);
    assert_eq!(
        rows(dir.path(), "new.db", "SELECT name FROM contacts WHERE legacy_id IS NOT NULL ORDER BY id"),
        ["A", "B", "C", "Dee"]
    );
    write(&dir, "ID,NAME,EMAIL\n1,A,a@x.org\n2,B,b@x.org\n3,C,c@x.org\n4,Dee,d@x.org\n");
    let status = look(dir.path(), 6);
    let held = &status["lanes"][0]["held"];
    assert_eq!(held["kind"].as_str(), Some("drift"));
    assert_eq!(held["columns"][0].as_str(), Some("source > MAIL -> EMAIL (renamed?)"));
    // Columns in another order are no drift.
    write(&dir, "MAIL,ID,NAME\na@x.org,1,A\nb@x.org,2,B\nc@x.org,3,C\nd@x.org,4,Dora\n");
    look(dir.path(), 0);
    assert_eq!(rows(dir.path(), "new.db", "SELECT name FROM contacts WHERE legacy_id = '4'"), ["Dora"]);
}
