//! The sample project from the first plan to a target that is as it should be, without a screen.
use std::path::Path;

use rusqlite::Connection;

use crate::support::command::{demo, run};

/// All rows without a legacy id, with all their columns: after a run, those that are none of its business.
fn natives(dir: &Path) -> Vec<String> {
    let db = Connection::open(dir.join("nova.db")).unwrap();
    ["accounts", "contacts", "deals"]
        .iter()
        .flat_map(|table| {
            let mut statement =
                db.prepare(&format!("SELECT * FROM {table} WHERE legacy_id IS NULL ORDER BY id")).unwrap();
            let width = statement.column_count();
            let rows = statement.query_map([], |row| {
                let cells: rusqlite::Result<Vec<String>> =
                    (0..width).map(|at| row.get_ref(at).map(|cell| format!("{cell:?}"))).collect();
                Ok(format!("{table} {}", cells?.join("|")))
            });
            rows.unwrap().map(Result::unwrap).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn the_first_run_ends_just_below_and_the_mended_one_at_all_of_it() {
    let dir = demo();
    let root = dir.path();
    let before = natives(root);
    assert!(run(root, &["check"]).expect(0).out.contains("0 errors"));
    let plan = run(root, &["plan", "--out", "plan.json", "--json"]).expect(1).json();
    let rejected: u64 = plan["mappings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mapping| mapping["counts"]["rejected"].as_u64().unwrap())
        .sum();
    assert!((1..20).contains(&rejected), "a handful of rejects: {rejected}");
    assert_eq!(plan["confirm"], "nova");

    let first = run(root, &["migrate", "--plan", "plan.json", "--confirm", "nova", "--json"]).expect(0).json();
    let score = first["consistency"].as_f64().unwrap();
    assert!((0.99..1.0).contains(&score), "just below: {score}");
    assert!(first["results"].as_array().unwrap().iter().all(|result| result["closes"] == true), "{first}");
    run(root, &["verify"]).expect(1);
    let causes = run(root, &["rejects", "list"]).expect(0).out;
    assert!(causes.contains("stage"), "the reason is plain: {causes}");

    let mapping = root.join("mappings/deals.toml");
    let text = std::fs::read_to_string(&mapping).unwrap();
    let mended = text.replace("X = \"lost\" }", "X = \"lost\", W = \"won\" }");
    assert_ne!(mended, text);
    std::fs::write(&mapping, mended).unwrap();
    let plan = run(root, &["plan", "--out", "plan.json", "--json"]).expect(1).json();
    assert_eq!(plan["mappings"][2]["counts"]["inserted"], rejected, "only what was missing: {plan}");
    let second = run(root, &["migrate", "--plan", "plan.json", "--confirm", "nova", "--json"]).expect(0).json();
    assert_eq!(second["consistency"], 1.0);
    run(root, &["verify"]).expect(0);
    run(root, &["plan"]).expect(0);
    let after = natives(root);
    assert!(after.len() > 100);
    assert!(after.iter().all(|row| before.contains(row)), "native rows stay as they were, all their columns");
    assert_eq!(run(root, &["runs", "--json"]).expect(0).lines().len(), 2);
}

#[test]
fn the_sandbox_is_another_target() {
    let dir = demo();
    let root = dir.path();
    let live = std::fs::read(root.join("nova.db")).unwrap();
    let plan = run(root, &["--env", "sandbox", "plan", "--out", "plan.json", "--json"]).expect(1).json();
    assert_eq!(plan["confirm"], "nova-sandbox");
    run(root, &["--env", "sandbox", "migrate", "--plan", "plan.json", "--confirm", "nova"]).expect(6);
    run(root, &["--env", "sandbox", "migrate", "--plan", "plan.json", "--confirm", "nova-sandbox"]).expect(0);
    assert_eq!(std::fs::read(root.join("nova.db")).unwrap(), live, "the live CRM is not touched");
}

#[test]
fn the_same_project_gives_the_same_target() {
    let tables = || {
        let dir = demo();
        run(dir.path(), &["plan", "--out", "plan.json"]).expect(1);
        run(dir.path(), &["migrate", "--plan", "plan.json", "--confirm", "nova"]).expect(0);
        let found = run(dir.path(), &["show", "nova:contacts", "--rows", "1..", "--json"]).expect(0).out;
        // When a row was touched is the trigger's to say.
        let rows = found.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        rows.map(|mut row| {
            row.as_object_mut().unwrap().retain(|name, _| name != "updated_at");
            row
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(tables(), tables());
}
