//! What is refused, with nothing written.
use std::path::Path;

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
