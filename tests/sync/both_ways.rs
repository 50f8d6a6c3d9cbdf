//! Changes of both sides meet: each goes to the other side, and where they clash somebody decides.
use super::{events, look, migrate, rows, sql};
use crate::support::command::{folder, run, run_with};

const PROJECT: &str =
    "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"sqlite\"\npath = \"new.db\"\n";
const MAPPING: &str = "from = \"old:contacts\"\nto = \"new:contacts\"\nkey = [\"legacy_id\"]\n\n[fields]\nlegacy_id = \"ID\"\nname = \"NAME\"\n\
    stage = { from = \"STG\", values = { L = \"lead\", Q = \"qualified\" } }\nupdated = { from = \"UPD\", direction = \"one-way\" }\n\n\
    [sync]\ntrigger = \"observe\"\ndirection = \"two-way\"\n";
const OLD: &str =
    "ID,NAME,STG,UPD,NOTE\n1,Ann,L,2026-01-01,\"a, b\"\n2,Ben,Q,2026-01-01,\n3,Cy,L,2026-01-01,\n4,Dee,L,2026-01-01,\n";

fn project(more: &str) -> tempfile::TempDir {
    let dir = folder(&[
        ("project.toml", PROJECT),
        ("mappings/contacts.toml", &format!("{MAPPING}{more}")),
        ("old/contacts.csv", OLD),
    ]);
    let schema = "CREATE TABLE contacts (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT, stage TEXT, updated TEXT, memo TEXT);
        INSERT INTO contacts (id, legacy_id, name, memo) VALUES (100, NULL, 'Nora Native', 'own');";
    sql(dir.path(), "new.db", schema);
    migrate(dir.path(), "new");
    look(dir.path(), 0);
    dir
}

fn old(dir: &tempfile::TempDir) -> String {
    std::fs::read_to_string(dir.path().join("old/contacts.csv")).unwrap()
}

fn replace(dir: &tempfile::TempDir, from: &str, to: &str) {
    let text = old(dir);
    assert!(text.contains(from), "{text}");
    std::fs::write(dir.path().join("old/contacts.csv"), text.replacen(from, to, 1)).unwrap();
}

fn new(dir: &tempfile::TempDir, key: &str) -> String {
    rows(dir.path(), "new.db", &format!("SELECT name, stage FROM contacts WHERE legacy_id = '{key}'")).join(";")
}

#[test]
fn each_side_learns_what_the_other_changed_and_nothing_echoes() {
    let dir = project("");
    replace(&dir, "1,Ann,L", "1,Anna,L");
    sql(dir.path(), "new.db", "UPDATE contacts SET stage = 'qualified' WHERE legacy_id IN ('1', '3')");
    look(dir.path(), 0);
    assert_eq!((new(&dir, "1").as_str(), new(&dir, "3").as_str()), ("Anna|qualified", "Cy|qualified"));
    // The rest of the file is as it was, byte for byte.
    assert_eq!(old(&dir), OLD.replace("1,Ann,L", "1,Anna,Q").replace("3,Cy,L", "3,Cy,Q"));
    let seen = events(dir.path());
    let mut sorted = seen.clone();
    sorted.sort();
    assert_eq!(sorted, ["1 update written", "1 update written", "3 update written"]);
    for _ in 0..2 {
        look(dir.path(), 0);
    }
    assert_eq!(events(dir.path()), seen, "what was written back is not news");
    assert_eq!(rows(dir.path(), "new.db", "SELECT name, memo FROM contacts WHERE id = 100"), ["Nora Native|own"]);
    let status = run(dir.path(), &["status", "--json"]).expect(0).json();
    assert_eq!(status["lanes"][0]["tally"]["equal"].as_u64(), Some(4));
}

#[test]
fn a_clash_waits_for_a_decision_and_the_others_go_on() {
    let dir = project("conflict = \"ask\"\n");
    replace(&dir, "2,Ben,Q", "2,Benny,Q");
    replace(&dir, "4,Dee,L", "4,Dora,L");
    sql(dir.path(), "new.db", "UPDATE contacts SET name = 'Benjamin' WHERE legacy_id = '2'");
    sql(dir.path(), "new.db", "UPDATE contacts SET name = 'Dora' WHERE legacy_id = '4'");
    let status = look(dir.path(), 0);
    assert_eq!(status["lanes"][0]["conflicts"].as_u64(), Some(1));
    assert_eq!((new(&dir, "2").as_str(), new(&dir, "4").as_str()), ("Benjamin|qualified", "Dora|lead"));
    let conflict = run(dir.path(), &["conflicts", "list", "--json"]).expect(0).lines().remove(0);
    let field = &conflict["fields"][0];
    let cell = |name: &str| field[name].as_str().unwrap_or_default().to_owned();
    assert_eq!([cell("field"), cell("base"), cell("source"), cell("target")], ["name", "Ben", "Benny", "Benjamin"]);
    let id = conflict["id"].to_string();
    run(dir.path(), &["conflicts", "resolve", &id, "--take", "target"]).expect(0);
    run(dir.path(), &["conflicts", "undo", &id]).expect(0);
    look(dir.path(), 0);
    assert!(old(&dir).contains("2,Benny,"), "a decision that was taken back is none");
    run(dir.path(), &["conflicts", "resolve", &id, "--take", "target"]).expect(0);
    look(dir.path(), 0);
    assert!(old(&dir).contains("2,Benjamin,Q"), "{}", old(&dir));
    let status = look(dir.path(), 0);
    assert_eq!(status["lanes"][0]["conflicts"].as_u64(), Some(0));
    assert!(run(dir.path(), &["conflicts", "list", "--json"]).expect(0).out.is_empty());
    assert_eq!(run(dir.path(), &["conflicts", "resolve", &id, "--take", "source"]).code, 2);
}

#[test]
fn policies_decide_by_side_and_by_time() {
    let dir = project("conflict = \"newest:updated\"\n");
    replace(&dir, "1,Ann,L,2026-01-01", "1,Anna,L,2026-03-01");
    replace(&dir, "2,Ben,Q,2026-01-01", "2,Benny,Q,2026-02-01");
    sql(dir.path(), "new.db", "UPDATE contacts SET name = 'Annie', updated = '2026-02-01' WHERE legacy_id = '1'");
    sql(dir.path(), "new.db", "UPDATE contacts SET name = 'Benjamin', updated = '2026-03-01' WHERE legacy_id = '2'");
    look(dir.path(), 0);
    look(dir.path(), 0);
    assert_eq!((new(&dir, "1").as_str(), new(&dir, "2").as_str()), ("Anna|lead", "Benjamin|qualified"));
    assert!(old(&dir).contains("1,Anna,L") && old(&dir).contains("2,Benjamin,Q"), "{}", old(&dir));
    let dir = project("conflict = \"target\"\n");
    replace(&dir, "1,Ann,L", "1,Anna,L");
    sql(dir.path(), "new.db", "UPDATE contacts SET name = 'Annie' WHERE legacy_id = '1'");
    look(dir.path(), 0);
    assert!(old(&dir).contains("1,Annie,L"), "{}", old(&dir));
    // A value that the map does not know cannot go back, and is not lost.
    sql(dir.path(), "new.db", "UPDATE contacts SET stage = 'won' WHERE legacy_id = '2'");
    look(dir.path(), 0);
    assert_eq!(new(&dir, "2"), "Ben|won");
    assert!(old(&dir).contains("2,Ben,Q"));
}

#[test]
fn rows_that_the_target_makes_in_scope_come_back_and_those_that_it_deletes_stay_deleted() {
    let dir = project("");
    let mapping = dir.path().join("mappings/contacts.toml");
    let text = std::fs::read_to_string(&mapping).unwrap();
    std::fs::write(&mapping, format!("scope = \"legacy_id IS NOT NULL\"\n{text}")).unwrap();
    let plan = run(dir.path(), &["plan", "--json"]).json();
    run(dir.path(), &["migrate", "--plan", plan["id"].as_str().unwrap(), "--confirm", "new"]).expect(0);
    sql(dir.path(), "new.db", "INSERT INTO contacts (legacy_id, name, stage) VALUES ('77', 'Zoe', 'lead')");
    sql(dir.path(), "new.db", "DELETE FROM contacts WHERE legacy_id = '3'");
    look(dir.path(), 0);
    look(dir.path(), 0);
    assert!(old(&dir).ends_with("77,Zoe,L,,\n"), "{}", old(&dir));
    assert!(new(&dir, "3").is_empty(), "what was deleted there is not made again");
    assert!(old(&dir).contains("3,Cy,L"), "and the source is not told, by its policy");
    let before = (old(&dir), events(dir.path()));
    look(dir.path(), 0);
    assert_eq!((old(&dir), events(dir.path())), before);
}

#[test]
fn deletes_go_both_ways_and_never_over_a_change() {
    let dir = project("conflict = \"ask\"\ndeletes = \"propagate\"\n");
    let mapping = dir.path().join("mappings/contacts.toml");
    let text = std::fs::read_to_string(&mapping).unwrap();
    std::fs::write(&mapping, text.replace("[sync]", "[run]\nmax_deletes = 2\n\n[sync]")).unwrap();
    sql(dir.path(), "new.db", "DELETE FROM contacts WHERE legacy_id = '3'");
    replace(&dir, "1,Ann,L,2026-01-01,\"a, b\"\n", "");
    look(dir.path(), 0);
    look(dir.path(), 0);
    assert_eq!(old(&dir), "ID,NAME,STG,UPD,NOTE\n2,Ben,Q,2026-01-01,\n4,Dee,L,2026-01-01,\n");
    assert_eq!(rows(dir.path(), "new.db", "SELECT legacy_id FROM contacts WHERE id <> 100"), ["2", "4"]);
    // Deleted there and changed here, and the other way round: somebody decides.
    sql(dir.path(), "new.db", "DELETE FROM contacts WHERE legacy_id = '2'");
    replace(&dir, "2,Ben", "2,Benny");
    sql(dir.path(), "new.db", "UPDATE contacts SET name = 'Dora' WHERE legacy_id = '4'");
    replace(&dir, "4,Dee,L,2026-01-01,\n", "");
    for _ in 0..2 {
        let status = look(dir.path(), 0);
        assert_eq!(status["lanes"][0]["conflicts"].as_u64(), Some(2));
    }
    assert_eq!((new(&dir, "2").as_str(), new(&dir, "4").as_str()), ("", "Dora|lead"));
    for conflict in run(dir.path(), &["conflicts", "list", "--json"]).expect(0).lines() {
        run(dir.path(), &["conflicts", "resolve", &conflict["id"].to_string(), "--take", "source"]).expect(0);
    }
    look(dir.path(), 0);
    let status = look(dir.path(), 0);
    assert_eq!(status["lanes"][0]["conflicts"].as_u64(), Some(0));
    assert_eq!((new(&dir, "2").as_str(), new(&dir, "4").as_str()), ("Benny|qualified", ""));
}

#[test]
fn the_id_of_a_row_that_is_gone_means_nobody_else() {
    let dir = project("conflict = \"source\"\ndeletes = \"propagate\"\n");
    let mapping = dir.path().join("mappings/contacts.toml");
    let text = std::fs::read_to_string(&mapping).unwrap();
    std::fs::write(
        &mapping,
        format!("scope = \"legacy_id IS NOT NULL\"\n{}", text.replace("[sync]", "[run]\nmax_deletes = 2\n\n[sync]")),
    )
    .unwrap();
    let plan = run(dir.path(), &["plan", "--json"]).json();
    run(dir.path(), &["migrate", "--plan", plan["id"].as_str().unwrap(), "--confirm", "new"]).expect(0);
    let id = rows(dir.path(), "new.db", "SELECT id FROM contacts WHERE legacy_id = '4'").remove(0);
    assert_eq!(
        rows(dir.path(), "new.db", "SELECT max(id) FROM contacts"),
        [id.as_str()],
        "the next row gets that one again"
    );
    sql(
        dir.path(),
        "new.db",
        "DELETE FROM contacts WHERE legacy_id = '4'; INSERT INTO contacts (legacy_id, name, stage) VALUES ('77', 'Zoe', 'lead')",
    );
    assert_eq!(rows(dir.path(), "new.db", "SELECT id FROM contacts WHERE legacy_id = '77'"), [id]);
    for _ in 0..3 {
        look(dir.path(), 0);
    }
    assert_eq!((new(&dir, "77").as_str(), new(&dir, "4").as_str()), ("Zoe|lead", ""));
    assert!(
        old(&dir).contains("77,Zoe,L") && !old(&dir).contains("4,Dee") && !old(&dir).contains("4,Zoe"),
        "{}",
        old(&dir)
    );
}

#[test]
fn what_goes_back_is_no_change_of_the_sources_own_whenever_the_target_changes_again() {
    // Killed when it is written at the source and nothing is noted yet.
    for point in ["sync-written", "sync-planned", "after-rename"] {
        let dir = project("conflict = \"source\"\n");
        sql(dir.path(), "new.db", "UPDATE contacts SET name = 'Annie' WHERE legacy_id = '1'");
        let killed = run_with(dir.path(), &["sync", "--once"], &[("CRM_CONSOLE_FAULT", &format!("exit-at:{point}"))]);
        assert_ne!(killed.code, 0, "{point}");
        // The source has it, or not; the target has another by now.
        sql(dir.path(), "new.db", "UPDATE contacts SET name = 'Anna Maria' WHERE legacy_id = '1'");
        for _ in 0..3 {
            look(dir.path(), 0);
        }
        assert!(old(&dir).contains("1,Anna Maria,L"), "{point}: {}", old(&dir));
        assert_eq!(new(&dir, "1"), "Anna Maria|lead", "{point}");
        assert_eq!(std::fs::read_dir(dir.path().join("old")).unwrap().count(), 1, "{point}: nothing is left beside it");
        let work = dir.path().join(".crm-console/sync/work/default");
        assert_eq!(std::fs::read_dir(work).map_or(0, Iterator::count), 0, "{point}: nothing is left to be done");
    }
    // The same for a record that the target makes and changes before both sides agreed on it.
    let dir = project("conflict = \"source\"\n");
    let mapping = dir.path().join("mappings/contacts.toml");
    let text = std::fs::read_to_string(&mapping).unwrap();
    std::fs::write(&mapping, format!("scope = \"legacy_id IS NOT NULL\"\n{text}")).unwrap();
    let plan = run(dir.path(), &["plan", "--json"]).json();
    run(dir.path(), &["migrate", "--plan", plan["id"].as_str().unwrap(), "--confirm", "new"]).expect(0);
    sql(dir.path(), "new.db", "INSERT INTO contacts (legacy_id, name, stage) VALUES ('77', 'Zoe', 'lead')");
    look(dir.path(), 0);
    assert!(old(&dir).contains("77,Zoe,L"));
    sql(dir.path(), "new.db", "UPDATE contacts SET name = 'Zora', stage = 'qualified' WHERE legacy_id = '77'");
    for _ in 0..2 {
        look(dir.path(), 0);
    }
    assert!(old(&dir).contains("77,Zora,Q"), "{}", old(&dir));
    assert_eq!(new(&dir, "77"), "Zora|qualified");
    // What the source changes on top of it is its own.
    sql(dir.path(), "new.db", "UPDATE contacts SET name = 'Zo' WHERE legacy_id = '77'");
    look(dir.path(), 0);
    replace(&dir, "77,Zo,Q", "77,Zoë,Q");
    for _ in 0..2 {
        look(dir.path(), 0);
    }
    assert_eq!(new(&dir, "77"), "Zoë|qualified");
}
