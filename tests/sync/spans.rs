//! A span of sync is taken back like a run, and stays taken back.
use std::path::Path;

use super::live::{Kind, Project, until};
use super::{events, look, migrate, rows, sql};
use crate::support::command::{folder, run};

const OLD: &str = "ID,NAME,STG\n1,Ann,L\n2,Ben,Q\n3,Cy,L\n4,Dee,L\n";
const NEW: &str = "legacy_id,name,stage,memo\n1,Ann,L,\"a, b\"\n2,Ben,Q,\n3,Cy,L, kept \n4,Dee,L,\n";

fn mapping(sync: &str) -> String {
    format!(
        "from = \"old:contacts\"\nto = \"new:contacts\"\nkey = [\"legacy_id\"]\n\n[fields]\nlegacy_id = \"ID\"\nname = \"NAME\"\n\
         stage = \"STG\"\n\n[run]\nmax_deletes = \"100%\"\n\n[sync]\ntrigger = \"observe\"\n{sync}"
    )
}

/// A csv into a csv, or into a database.
fn project(database: bool, sync: &str) -> tempfile::TempDir {
    let target = if database { "kind = \"sqlite\"\npath = \"new.db\"" } else { "kind = \"csv\"\npath = \"new\"" };
    let settings = format!("[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\n{target}\n");
    let mapping = mapping(sync);
    let mut files =
        vec![("project.toml", settings.as_str()), ("mappings/contacts.toml", &mapping), ("old/contacts.csv", OLD)];
    if !database {
        files.push(("new/contacts.csv", NEW));
    }
    let dir = folder(&files);
    if database {
        let schema =
            "CREATE TABLE contacts (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT, stage TEXT, memo TEXT);
            INSERT INTO contacts (id, legacy_id, name, memo) VALUES (100, NULL, 'Nora Native', 'own');";
        sql(dir.path(), "new.db", schema);
        migrate(dir.path(), "new");
    } else {
        let plan = run(dir.path(), &["plan", "--json"]).expect(0).json();
        run(dir.path(), &["migrate", "--plan", plan["id"].as_str().unwrap(), "--confirm", "new"]).expect(0);
    }
    look(dir.path(), 0);
    dir
}

fn write(dir: &Path, text: &str) {
    std::fs::write(dir.join("old/contacts.csv"), text).unwrap();
}

fn old(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("old/contacts.csv")).unwrap()
}

fn target(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("new/contacts.csv")).unwrap()
}

fn table(dir: &Path) -> Vec<String> {
    rows(dir, "new.db", "SELECT legacy_id, name, stage FROM contacts WHERE legacy_id IS NOT NULL ORDER BY legacy_id")
}

/// Now, as an argument.
fn now() -> String {
    crm_core::journal::sync::text_of(crm_core::journal::sync::now_ms()).replace(' ', "T")
}

/// Plans to take back what sync did since then, runs it. Answers the run's id.
#[track_caller]
fn take_back(dir: &Path, since: &str, until: Option<&str>, confirm: &str) -> String {
    let file = dir.join("back.json");
    let mut words = vec!["revert", "--sync", "contacts", "--since", since, "--out", file.to_str().unwrap()];
    words.extend(until.iter().flat_map(|until| ["--until", until]));
    run(dir, &words).expect(6);
    let done = run(dir, &["migrate", "--plan", file.to_str().unwrap(), "--confirm", confirm, "--json"]).expect(0);
    done.json()["id"].as_str().unwrap().to_owned()
}

fn status(dir: &Path) -> serde_json::Value {
    run(dir, &["status", "--json"]).expect(0).json()["lanes"][0].clone()
}

#[test]
fn a_file_is_byte_for_byte_as_before_the_span_and_only_new_changes_flow() {
    let dir = project(false, "deletes = \"propagate\"\n");
    let dir = dir.path();
    let before = target(dir);
    write(dir, &OLD.replace("1,Ann", "1,Anna"));
    look(dir, 0);
    let kept = target(dir);
    let since = now();
    // Several cycles: changed twice, deleted, inserted, inserted and deleted again.
    write(dir, "ID,NAME,STG\n1,Annie,L\n2,Ben,Q\n3,Cy,L\n4,Dee,L\n5,Eve,L\n6,Flo,L\n");
    look(dir, 0);
    write(dir, "ID,NAME,STG\n1,Annika,L\n2,Ben,Q\n4,Dora,L\n5,Eve,L\n");
    look(dir, 0);
    write(dir, "ID,NAME,STG\n1,Annika,L\n4,Dora,L\n5,Eva,L\n");
    look(dir, 0);
    assert_ne!(target(dir), kept);
    let after = old(dir);
    let back = run(dir, &["revert", "--sync", "contacts", "--since", &since, "--json"]).expect(6).json();
    assert_eq!(back["cycles"].as_u64(), Some(3));
    let counts = &back["plan"]["mappings"][0]["counts"];
    let count = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!(["updated", "inserted", "deleted", "held"].map(count), [2, 2, 1, 0], "{counts}");
    let id = take_back(dir, &since, None, "new");
    assert_eq!(target(dir), kept, "as it was before the span, the rows at their places");
    let runs = run(dir, &["runs"]).expect(0).out;
    assert!(runs.contains("revert of sync contacts"), "{runs}");
    // The source still holds all of it: nothing of it comes again, and the score says so.
    for _ in 0..2 {
        look(dir, 0);
        assert_eq!(target(dir), kept);
    }
    run(dir, &["lane", "audit", "contacts"]).expect(0);
    look(dir, 0);
    assert_eq!((target(dir), old(dir)), (kept.clone(), after.clone()), "a count of both sides mends it no more");
    let lane = status(dir);
    assert_eq!(lane["state"].as_str(), Some("ok"));
    let tally = |name: &str| lane["tally"][name].as_u64().unwrap();
    assert_eq!(["equal", "different", "missing", "extra"].map(tally), [0, 2, 1, 2], "{lane}");
    // Nobody waits for them: nothing of it is late, and nothing is left out beside them.
    assert_eq!(
        (lane["left_alone"].as_u64(), lane["rejects"].as_u64(), lane["oldest"].as_i64()),
        (Some(3), Some(0), None),
        "{lane}"
    );
    assert!(run(dir, &["events", "--open", "--json"]).expect(0).lines().is_empty());
    // A record that changes again is sync's again.
    write(dir, &after.replace("Annika", "Anneliese"));
    look(dir, 0);
    assert_eq!(target(dir), kept.replace("1,Anna,", "1,Anneliese,"));
    // And what somebody asks for comes all the same.
    run(dir, &["resync", "contacts"]).expect(0);
    look(dir, 0);
    assert_eq!(status(dir)["tally"]["equal"].as_u64(), Some(3));
    assert!(!target(dir).contains("Cy") && target(dir).contains("5,Eva"), "{}", target(dir));
    assert_ne!(target(dir), before);
    run(dir, &["verify", &id]).expect(1);
}

#[test]
fn in_a_table_rows_of_others_stay_and_what_was_changed_since_is_held() {
    let dir = project(true, "deletes = \"propagate\"\n");
    let dir = dir.path();
    let before = table(dir);
    let since = now();
    write(dir, "ID,NAME,STG\n1,Anna,L\n2,Benny,Q\n4,Dee,L\n5,Eve,L\n");
    look(dir, 0);
    sql(dir, "new.db", "UPDATE contacts SET memo = 'by hand' WHERE legacy_id = '2'");
    write(dir, "ID,NAME,STG\n1,Anne,L\n2,Benjamin,Q\n4,Dee,L\n5,Eva,L\n");
    look(dir, 0);
    let id = take_back(dir, &since, None, "new");
    let held = run(dir, &["rejects", "list", &id]).expect(0).out;
    assert!(held.contains("changed by others meanwhile or since"), "{held}");
    let mut now = table(dir);
    assert_eq!(now.remove(1), "2|Benjamin|Q", "somebody changed it between two cycles");
    let mut then = before.clone();
    then.remove(1);
    assert_eq!(now, then);
    assert_eq!(rows(dir, "new.db", "SELECT name, memo FROM contacts WHERE id = 100"), ["Nora Native|own"]);
    for _ in 0..2 {
        look(dir, 0);
    }
    assert_eq!(table(dir), ["1|Ann|L", "2|Benjamin|Q", "3|Cy|L", "4|Dee|L"]);
    run(dir, &["resync", "contacts", "5"]).expect(0);
    look(dir, 0);
    assert_eq!(table(dir).last().unwrap(), "5|Eva|L");
    // The revert is a run: it is taken back like one.
    let again = run(dir, &["revert", &id, "--json"]).expect(6).json();
    assert_eq!(again["plan"]["mappings"][0]["counts"]["updated"].as_u64(), Some(1), "{again}");
}

#[test]
fn a_span_in_the_middle_takes_back_what_nobody_touched_since_and_a_second_span_reaches_behind_a_first() {
    let dir = project(true, "");
    let dir = dir.path();
    let [first, ..] = [now()];
    write(dir, &OLD.replace("Ann", "Anna").replace("Ben", "Benny"));
    look(dir, 0);
    let middle = now();
    write(dir, &OLD.replace("Ann", "Annie").replace("Ben", "Benny"));
    look(dir, 0);
    let back =
        run(dir, &["revert", "--sync", "contacts", "--since", &first, "--until", &middle, "--json"]).expect(6).json();
    let counts = &back["plan"]["mappings"][0]["counts"];
    assert_eq!((counts["updated"].as_u64(), counts["held"].as_u64()), (Some(1), Some(1)));
    take_back(dir, &middle, None, "new");
    assert_eq!(table(dir)[..2], ["1|Anna|L", "2|Benny|Q"]);
    take_back(dir, &first, None, "new");
    assert_eq!(table(dir)[..2], ["1|Ann|L", "2|Ben|Q"]);
    let back = run(dir, &["revert", "--sync", "contacts", "--since", &first, "--json"]).expect(0).json();
    assert_eq!((back["nothing_to_do"].as_bool(), back["runs"].as_array().unwrap().len()), (Some(true), 2));
}

#[test]
fn what_was_written_back_is_taken_back_at_the_source_and_stays_there() {
    let dir = project(true, "direction = \"two-way\"\ndeletes = \"propagate\"\n");
    let dir = dir.path();
    let since = now();
    write(dir, &OLD.replace("1,Ann", "1,Anna"));
    sql(dir, "new.db", "UPDATE contacts SET stage = 'Q' WHERE legacy_id IN ('3', '4')");
    look(dir, 0);
    look(dir, 0);
    assert_eq!(old(dir), "ID,NAME,STG\n1,Anna,L\n2,Ben,Q\n3,Cy,Q\n4,Dee,Q\n");
    let back = run(dir, &["revert", "--sync", "contacts", "--since", &since, "--json"]).expect(6).json();
    assert_eq!(back["plan"]["confirm"].as_str(), Some("new+old"));
    take_back(dir, &since, None, "new+old");
    let source = "ID,NAME,STG\n1,Anna,L\n2,Ben,Q\n3,Cy,L\n4,Dee,L\n";
    let target = ["1|Ann|L", "2|Ben|Q", "3|Cy|Q", "4|Dee|Q"];
    for _ in 0..3 {
        look(dir, 0);
        assert_eq!(old(dir), source, "each side keeps its own change");
        assert_eq!(table(dir), target);
    }
    assert_eq!(status(dir)["conflicts"].as_u64(), Some(0));
    // The side that holds a change changes it again: it flows. Where the other one was changed too, somebody decides.
    sql(dir, "new.db", "UPDATE contacts SET stage = 'X' WHERE legacy_id = '3'");
    look(dir, 0);
    let waiting = run(dir, &["conflicts", "list", "--json"]).expect(0).lines();
    assert_eq!(waiting.len(), 1, "nobody knows the base of it any more");
    run(dir, &["conflicts", "resolve", &waiting[0]["id"].to_string(), "--take", "target"]).expect(0);
    look(dir, 0);
    look(dir, 0);
    assert_eq!(old(dir), source.replace("3,Cy,L", "3,Cy,X"));
}

#[test]
fn a_span_beyond_what_is_kept_is_refused_and_says_from_when_on_it_is() {
    let dir = project(true, "");
    let dir = dir.path();
    let settings = std::fs::read_to_string(dir.join("project.toml")).unwrap() + "\n[state]\ncycles = 2\n";
    std::fs::write(dir.join("project.toml"), settings).unwrap();
    let since = now();
    for name in ["Anna", "Annie", "Anne"] {
        write(dir, &OLD.replace("Ann", name));
        look(dir, 0);
    }
    let refused = run(dir, &["revert", "--sync", "contacts", "--since", &since, "--json"]).expect(6);
    let error = serde_json::from_str::<serde_json::Value>(&refused.err).unwrap();
    assert!(error["error"]["what"].as_str().unwrap().contains("not kept any more"), "{error}");
    let advice = error["error"]["advice"].as_str().unwrap();
    let from = advice.split("--since ").nth(1).unwrap().split(';').next().unwrap();
    let back = run(dir, &["revert", "--sync", "contacts", "--since", from, "--json"]).expect(6).json();
    assert_eq!((back["cycles"].as_u64(), back["kept"]["cycles"].as_u64()), (Some(2), Some(2)));
    assert!(back["kept"]["bytes"].as_u64().unwrap() > 0);
    take_back(dir, from, None, "new");
    assert_eq!(table(dir)[0], "1|Anna|L");
    for (words, what) in
        [(vec!["--since", "soon"], "is no time"), (vec!["--since", "now", "--until", "-1h"], "ends before it begins")]
    {
        let mut all = vec!["revert", "--sync", "contacts"];
        all.extend(words);
        let error = run(dir, &all).expect(2).err;
        assert!(error.contains(what), "{error}");
    }
    assert!(events(dir).len() >= 3);
}

#[test]
fn a_loop_goes_on_while_what_it_did_is_taken_back_and_does_not_do_it_again() {
    let rows = [("1", "Ann"), ("2", "Ben"), ("3", "Cy")];
    for to in [Kind::Csv, Kind::Sqlite] {
        let project = Project::new(Kind::Csv, to, "trigger = \"observe\"\nevery = \"1h\"\n", "", &rows);
        let running = project.start();
        let since = now();
        project.source(&[("1", "Anna"), ("2", "Benny"), ("3", "Cy")]);
        project.reaches(&["1 Anna", "2 Benny", "3 Cy"]);
        // Its images are in their place a moment after the write is seen.
        let words = ["revert", "--sync", "contacts", "--since", &since, "--json"];
        until(
            "a cycle that is kept",
            || project.run(&words).err,
            || project.run(&words).code == 6 && !project.run(&words).out.is_empty(),
        );
        take_back(&project.dir, &since, None, "new");
        assert_eq!(project.target(), ["1 Ann", "2 Ben", "3 Cy"]);
        project.lane_is("two records that are left alone", |lane| lane["left_alone"] == 2 && lane["state"] == "ok");
        project.source(&[("1", "Anna"), ("2", "Benjamin"), ("3", "Cyril")]);
        project.reaches(&["1 Ann", "2 Benjamin", "3 Cyril"]);
        let log = project.run(&["events", "--log", "--json"]).expect(0).lines();
        let alarms: Vec<_> = log.iter().filter(|line| line["level"] == "alarm").collect();
        assert!(alarms.is_empty(), "{alarms:?}");
        running.end();
    }
}
