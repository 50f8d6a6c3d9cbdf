//! The audit log as an operator and an auditor see it.
use rusqlite::Connection;

use crate::support::command::{demo, run};

#[test]
fn every_decision_is_in_the_log_and_a_touched_line_is_named() {
    let dir = demo();
    let root = dir.path();
    assert_eq!(run(root, &["audit", "--json"]).expect(0).lines().len(), 0);
    let plan = run(root, &["plan", "accounts", "--out", "plan.json", "--json"]).expect(1).json();
    let run_record = run(root, &["migrate", "--plan", "plan.json", "--confirm", "nova", "--json"]).expect(0).json();
    let lines = run(root, &["audit", "--json"]).expect(0).lines();
    let whats: Vec<&str> = lines.iter().map(|line| line["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["planned", "confirmed and started", "ended: done"]);
    assert_eq!(lines[1]["plan"], plan["id"]);
    assert_eq!(lines[1]["run"], run_record["id"]);
    assert_eq!(lines[1]["detail"], "on nova");
    assert!(lines[0]["detail"].as_str().unwrap().starts_with("accounts "), "the mapping file's hash: {}", lines[0]);
    let of_run = run(root, &["audit", "--run", run_record["id"].as_str().unwrap(), "--json"]).expect(0).lines();
    assert_eq!(of_run.len(), 3, "the making of its plan included");
    assert_eq!(run(root, &["audit", "--since", "9999", "--json"]).expect(0).lines().len(), 0);
    let head = format!("3:{}", lines[2]["hash"].as_str().unwrap());
    run(root, &["audit", "--expect", &head]).expect(0);
    run(root, &["audit", "--expect", "nonsense"]).expect(2);
    assert!(run(root, &["doctor"]).out.contains("3 audit lines"));

    let db = Connection::open(root.join(".crm-console/control.db")).unwrap();
    db.execute_batch("DROP TRIGGER audit_log_fixed; UPDATE audit_log SET who = 'nobody' WHERE n = 2").unwrap();
    let doctor = run(root, &["doctor"]).expect(4);
    assert!(doctor.out.contains("broken at line 2"), "{}", doctor.out);
    let audit = run(root, &["audit"]).expect(4);
    assert!(audit.out.contains("nobody") && audit.err.contains("line 2"), "the lines are shown all the same");
}
