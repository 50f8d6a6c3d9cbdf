//! What is refused, with nothing written.
use std::path::Path;

use rusqlite::Connection;

use crate::support::command::{Answer, folder, run};

const PROJECT: &str =
    "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"csv\"\npath = \"new\"\n";
const MAPPING: &str = "from = \"old:t\"\nto = \"new:t\"\nkey = [\"id\"]\nscope = \"id IS NOT NULL\"\n\n[fields]\nid = \"id\"\nname = { from = \"name\", clean = [\"required\"] }\n";

fn project(mapping: &str, old: &str, new: &str) -> tempfile::TempDir {
    folder(&[("project.toml", PROJECT), ("mappings/t.toml", mapping), ("old/t.csv", old), ("new/t.csv", new)])
}

fn target(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("new/t.csv")).unwrap()
}

fn migrate(dir: &Path) -> Answer {
    run(dir, &["migrate", "--plan", "plan.json", "--confirm", "new"])
}

#[test]
fn nothing_runs_unconfirmed() {
    let dir = project(MAPPING, "id,name\n1,Ann\n", "id,name\n");
    let shown = run(dir.path(), &["migrate"]).expect(6);
    assert!(shown.err.contains("--confirm new"), "{}", shown.err);
    run(dir.path(), &["plan", "--out", "plan.json"]).expect(1);
    run(dir.path(), &["migrate", "--plan", "plan.json"]).expect(6);
    run(dir.path(), &["migrate", "--plan", "plan.json", "--confirm", "old"]).expect(6);
    assert_eq!(target(dir.path()), "id,name\n");
    migrate(dir.path()).expect(0);
    assert_eq!(target(dir.path()), "id,name\n1,Ann\n");
}

#[test]
fn a_file_that_moved_since_the_plan_is_not_overwritten() {
    let dir = project(MAPPING, "id,name\n1,Ann\n", "id,name\n1,Anna\n");
    run(dir.path(), &["plan", "--out", "plan.json"]).expect(1);
    std::fs::write(dir.path().join("new/t.csv"), "id,name\n1,Anna\n7,Gus\n").unwrap();
    migrate(dir.path()).expect(6);
    assert_eq!(target(dir.path()), "id,name\n1,Anna\n7,Gus\n");
}

#[test]
fn an_edited_plan_is_refused() {
    let dir = project(MAPPING, "id,name\n1,Ann\n", "id,name\n");
    run(dir.path(), &["plan", "--out", "plan.json"]).expect(1);
    let text = std::fs::read_to_string(dir.path().join("plan.json")).unwrap();
    std::fs::write(dir.path().join("plan.json"), text.replace("\"inserted\": 1", "\"inserted\": 0")).unwrap();
    migrate(dir.path()).expect(6);
    assert_eq!(target(dir.path()), "id,name\n");
}

#[test]
fn an_empty_source_deletes_nothing() {
    let mapping = MAPPING.replace("key =", "target_only = \"delete\"\nkey =");
    let dir = project(&mapping, "id,name\n", "id,name\n1,Ann\n2,Ben\n");
    let plan = run(dir.path(), &["plan", "--out", "plan.json", "--json"]).json();
    assert_eq!(plan["mappings"][0]["counts"]["deleted"], 0, "{plan}");
    migrate(dir.path());
    assert_eq!(target(dir.path()), "id,name\n1,Ann\n2,Ben\n");
}

#[test]
fn deletes_over_the_cap_are_refused() {
    let mapping = MAPPING.replace("key =", "target_only = \"delete\"\nkey =");
    let dir = project(&mapping, "id,name\n1,Ann\n", "id,name\n1,Ann\n2,Ben\n3,Cy\n");
    run(dir.path(), &["plan", "--out", "plan.json"]);
    let answer = migrate(dir.path()).expect(6);
    assert!(answer.err.contains("max_deletes"), "{}", answer.err);
    assert_eq!(target(dir.path()), "id,name\n1,Ann\n2,Ben\n3,Cy\n");
    std::fs::write(dir.path().join("mappings/t.toml"), mapping + "\n[run]\nmax_deletes = 2\n").unwrap();
    run(dir.path(), &["plan", "--out", "plan.json"]).expect(1);
    migrate(dir.path()).expect(0);
    assert_eq!(target(dir.path()), "id,name\n1,Ann\n");
}

#[test]
fn over_the_error_budget_nothing_is_published() {
    let dir = project(MAPPING, "id,name\n1,Ann\n2,\n3,\n", "id,name\n");
    run(dir.path(), &["plan", "--out", "plan.json"]);
    let answer = migrate(dir.path()).expect(3);
    assert!(answer.err.contains("error_budget") || answer.out.contains("error_budget"), "{}{}", answer.out, answer.err);
    assert_eq!(target(dir.path()), "id,name\n");
}

#[test]
fn a_target_that_is_its_own_source_is_refused() {
    let mapping = MAPPING.replace("new:t", "old:t");
    let dir = project(&mapping, "id,name\n1, Ann\n", "id,name\n");
    let answer = run(dir.path(), &["plan", "--out", "plan.json"]);
    assert!(answer.code == 6 || answer.code == 2, "{} {}", answer.out, answer.err);
    assert_eq!(std::fs::read_to_string(dir.path().join("old/t.csv")).unwrap(), "id,name\n1, Ann\n");
}

#[test]
fn duplicate_keys_are_rejected_with_both_places() {
    let dir = project(
        MAPPING.replace("[fields]", "[run]\nerror_budget = 1\n\n[fields]").as_str(),
        "id,name\n1,Ann\n1,Anna\n2,Ben\n",
        "id,name\n",
    );
    run(dir.path(), &["plan", "--out", "plan.json"]).expect(1);
    let plan = run(dir.path(), &["plan", "--json"]).json();
    let id = plan["id"].as_str().unwrap();
    let rejects = run(dir.path(), &["rejects", "show", "--id", id, "--json"]).expect(0).lines();
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0]["step"], "duplicate");
    assert_eq!(rejects[0]["source"]["name"], "Anna");
}

#[test]
fn a_typo_in_a_transform_is_shown_under_the_expression() {
    let mapping = MAPPING.replace("{ from = \"name\", clean = [\"required\"] }", "{ sql = \"upper(nmae)\" }");
    let dir = project(&mapping, "id,name\n1,Ann\n", "id,name\n");
    let answer = run(dir.path(), &["check"]).expect(2);
    assert!(answer.out.contains("    upper(nmae)\n          ^^^^"), "{}", answer.out);
    assert!(answer.out.contains("mappings/t.toml:8"), "{}", answer.out);
    run(dir.path(), &["plan", "--out", "plan.json"]).expect(2);
}

/// `id,name` lines of these numbers.
fn lines(numbers: std::ops::Range<u32>) -> String {
    let rows: Vec<String> = numbers.map(|number| format!("{number},Name {number}\n")).collect();
    format!("id,name\n{}", rows.concat())
}

#[test]
fn no_guard_on_deletes_is_weaker_in_an_incremental_plan() {
    let mapping = MAPPING.replace("key =", "target_only = \"delete\"\nkey =") + "\n[run]\nerror_budget = 3\n";
    for mode in ["full", "incremental"] {
        let dir = project(&mapping, &lines(0..20), "id,name\n");
        let plan = |code: i32| run(dir.path(), &["plan", "--mode", mode, "--out", "plan.json"]).expect(code);
        let source = |text: &str| std::fs::write(dir.path().join("old/t.csv"), text).unwrap();
        let all = lines(0..20);
        plan(1);
        migrate(dir.path()).expect(0);
        assert_eq!(target(dir.path()), all);

        source("id,name\n");
        let shown = plan(0);
        assert!(shown.out.contains("the source is empty: nothing is deleted"), "{mode}: {}", shown.out);
        migrate(dir.path());
        assert_eq!(target(dir.path()), all, "{mode}: an empty source");

        source("");
        let answer = run(dir.path(), &["plan", "--mode", mode, "--out", "none.json"]);
        assert!(answer.code >= 2, "{mode}: a file without a header: {} {}", answer.code, answer.out);
        assert!(!dir.path().join("none.json").exists());

        // The rest of the file is there and cannot be read.
        source(&(lines(0..10) + "10,Name,too,many\n"));
        let shown = plan(0);
        assert!(shown.out.contains("could not be read: nothing is deleted"), "{mode}: {}", shown.out);
        migrate(dir.path());
        assert_eq!(target(dir.path()), all, "{mode}: half of the source");

        // The file was cut at the end of a line.
        source(&lines(0..10));
        let shown = plan(1);
        let words = "10 of 20 target rows in scope would be deleted or marked, max_deletes allows 1";
        assert!(shown.out.contains(&format!("BLOCKED: {words}")), "{mode}: {}", shown.out);
        let refused = migrate(dir.path()).expect(6);
        assert!(refused.err.contains(words) && refused.err.contains("raise max_deletes"), "{mode}: {}", refused.err);
        assert_eq!(target(dir.path()), all, "{mode}: over the cap");

        source(&lines(0..19));
        plan(1);
        migrate(dir.path()).expect(0);
        assert_eq!(target(dir.path()), lines(0..19), "{mode}: within the cap");
    }
}

#[test]
fn a_table_read_by_a_cursor_deletes_by_tombstones_alone_and_within_the_cap() {
    let project = "[platforms.old]\nkind = \"sqlite\"\npath = \"old.db\"\n\n[platforms.new]\nkind = \"sqlite\"\npath = \"new.db\"\n";
    let mapping = "from = \"old:t\"\nto = \"new:t\"\nkey = [\"no\"]\nmatch = [\"crosswalk\", \"no\"]\ntarget_only = \"delete\"\n\
                   deleted = \"NAME = 'gone'\"\n\n[fields]\nno = \"NO\"\nname = \"NAME\"\n\n[run]\ncursor = \"AT\"\n";
    let dir = folder(&[("project.toml", project), ("mappings/t.toml", mapping)]);
    let sql = |file: &str, text: &str| Connection::open(dir.path().join(file)).unwrap().execute_batch(text).unwrap();
    sql("old.db", "CREATE TABLE t (NO TEXT, NAME TEXT, AT INTEGER)");
    let fill = "DELETE FROM t; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
                INSERT INTO t (rowid, NO, NAME, AT) SELECT i, 'N' || i, 'name', 100 + i FROM n;";
    sql("old.db", fill);
    sql(
        "new.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, no TEXT UNIQUE, name TEXT); INSERT INTO t (name) VALUES ('native');",
    );
    let rows = || -> i64 {
        let db = Connection::open(dir.path().join("new.db")).unwrap();
        db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    };
    let plan = |mode: &str| run(dir.path(), &["plan", "--mode", mode, "--out", "plan.json"]);
    plan("full").expect(1);
    migrate(dir.path()).expect(0);
    assert_eq!(rows(), 21);

    sql("old.db", "DELETE FROM t");
    for (mode, words) in [("full", "the source is empty: nothing is deleted"), ("incremental", "none is deleted")] {
        let shown = plan(mode).expect(0);
        assert!(shown.out.contains(words), "{mode}: {}", shown.out);
        migrate(dir.path());
        assert_eq!(rows(), 21, "{mode}");
    }
    sql("old.db", fill);

    // Half of the records are deleted in the source, later than the mark.
    sql("old.db", "UPDATE t SET NAME = 'gone', AT = 500 WHERE rowid > 10");
    for mode in ["full", "incremental"] {
        let shown = plan(mode).expect(1);
        let words = "10 of 20 target rows in scope would be deleted or marked, max_deletes allows 1";
        assert!(shown.out.contains(&format!("BLOCKED: {words}")), "{mode}: {}", shown.out);
        let figures = shown.out.lines().find(|line| line.starts_with("t ")).unwrap();
        let native = figures.split_whitespace().rev().nth(1).unwrap();
        assert_eq!(native, if mode == "full" { "1" } else { "-" }, "{mode}: {figures}");
        let refused = migrate(dir.path()).expect(6);
        assert!(refused.err.contains(words), "{mode}: {}", refused.err);
        assert_eq!(rows(), 21, "{mode}");
        let told = run(dir.path(), &["plan", "--mode", mode, "--json"]).json();
        assert_eq!(told["mappings"][0]["counts"]["native"].is_null(), mode == "incremental", "{told}");
        assert_eq!(told["mappings"][0]["incremental"]["from"].is_null(), mode == "full", "{told}");
    }
    let looser = mapping.to_owned() + "max_deletes = 10\n";
    std::fs::write(dir.path().join("mappings/t.toml"), looser).unwrap();
    plan("incremental").expect(1);
    migrate(dir.path()).expect(0);
    assert_eq!(rows(), 11);
}
