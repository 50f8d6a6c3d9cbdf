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

#[test]
fn what_is_revealed_and_what_is_handed_out_is_in_the_log() {
    let dir = demo();
    let root = dir.path();
    // Addresses that cannot be one leave their person out here, so that there is something to hand out.
    let file = root.join("mappings/contacts.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("on_error = \"null\"", "on_error = \"reject\"")).unwrap();
    let plan = run(root, &["plan", "accounts", "contacts", "--json"]).expect(1).json();
    let id = plan["id"].as_str().unwrap();
    run(root, &["preview", "contacts"]).expect(0);
    run(root, &["preview", "contacts", "--reveal"]).expect(0);
    run(root, &["rejects", "export", "contacts", "--id", id, "--out", &root.join("out.csv").display().to_string()])
        .expect(0);
    let rejects = run(root, &["rejects", "show", "contacts", "--id", id, "--json"]).expect(0).lines();
    let n = rejects[0]["n"].to_string();
    run(root, &["rejects", "show", "contacts", &n, "--id", id]).expect(0);
    run(root, &["rejects", "show", "contacts", &n, "--id", id, "--reveal"]).expect(0);
    let accounts = run(root, &["plan", "accounts", "--json"]).expect(1).json();
    let accounts = accounts["id"].as_str().unwrap();
    let done = run(root, &["migrate", "--plan", accounts, "--confirm", "nova", "--json"]).expect(0).json();
    let done = done["id"].as_str().unwrap();
    run(root, &["report", done]).expect(0);
    run(root, &["report", done, "--out", &root.join("out.html").display().to_string()]).expect(0);
    let lines = run(root, &["audit", "--json"]).expect(0).lines();
    let of = |what: &str| lines.iter().filter(|line| line["what"] == what).collect::<Vec<_>>();
    let revealed = of("pii revealed");
    let details: Vec<&str> = revealed.iter().map(|line| line["detail"].as_str().unwrap()).collect();
    assert_eq!(details.len(), 2, "only where it was asked for: {details:?}");
    assert!(details[0].starts_with("command preview: columns ") && details[0].contains("email"), "{details:?}");
    assert!(details[1].starts_with("command rejects show: columns "), "{details:?}");
    assert_eq!((&revealed[1]["plan"], &revealed[1]["mapping"]), (&plan["id"], &"contacts".into()));
    let [rejects] = of("exported rejects")[..] else { panic!("{lines:?}") };
    assert_eq!((&rejects["plan"], &rejects["mapping"]), (&plan["id"], &"contacts".into()));
    assert!(
        rejects["detail"].as_str().unwrap().contains("rows to ")
            && rejects["detail"].as_str().unwrap().contains("out.csv ")
    );
    let [report] = of("exported report")[..] else {
        panic!("a report in the state folder is not handed out: {lines:?}")
    };
    assert_eq!(report["run"], done);
    assert!(report["detail"].as_str().unwrap().contains("out.html "), "{report}");
    let text = run(root, &["audit"]).expect(0).out;
    let handed_out: Vec<csv::StringRecord> =
        csv::Reader::from_path(root.join("out.csv")).unwrap().into_records().map(Result::unwrap).collect();
    let mails: Vec<&str> = handed_out.iter().flatten().filter(|cell| cell.contains('@')).collect();
    assert!(!mails.is_empty() && mails.iter().all(|mail| !text.contains(mail)), "no value is in the log: {text}");
}
