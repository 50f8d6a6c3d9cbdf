//! The report that a run leaves behind, as the person reads it who has to sign.
use crate::support::command::{demo, run};

#[test]
fn a_run_leaves_a_report_without_personal_values() {
    let dir = demo();
    let root = dir.path();
    let plan = run(root, &["plan", "--out", "plan.json", "--json"]).expect(1).json();
    let record = run(root, &["migrate", "--plan", "plan.json", "--confirm", "nova", "--json"]).expect(0).json();
    let id = record["id"].as_str().unwrap();
    let left = std::fs::read_to_string(root.join(".crm-console/runs").join(id).join("report.html")).unwrap();
    for words in [
        plan["id"].as_str().unwrap(),
        plan["mappings"][0]["ops_hash"].as_str().unwrap(),
        plan["mappings"][0]["source_version"]["hash"].as_str().unwrap(),
        "The balance closes.",
        "not in the value map",
        "confirmed and started",
        "ended: done",
        "Accepted by",
        "****",
    ] {
        assert!(left.contains(words), "{words}");
    }
    // Addresses of people are tagged pii, so none is in it; what is not tagged is shown.
    assert!(!left.contains("@birkenau42.example") && left.contains("Immergr"), "masked, and only what is tagged");
    let head = left.split("--expect ").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    run(root, &["audit", "--expect", head]).expect(0);

    let made = run(root, &["report", "--out", "handed-out.html", "--json"]).expect(0).json();
    assert_eq!(made["run"], id);
    assert!(std::fs::read_to_string(root.join("handed-out.html")).unwrap().contains("Sign-off"));
    run(root, &["report", "no-such-run"]).expect(2);
}

#[test]
fn old_things_go_after_a_run_when_the_project_says_so() {
    let dir = demo();
    let root = dir.path();
    let project = root.join("project.toml");
    let text = std::fs::read_to_string(&project).unwrap();
    std::fs::write(&project, format!("[state]\nimages = \"never\"\n{text}")).unwrap();
    assert!(run(root, &["check"]).out.contains("'never' is no time"));
    let text = format!("{text}\n[state]\nimages = \"0h\"\nrejects = \"0h\"\nruns = \"0h\"\nplans = 1\nsnapshots = 1\n");
    std::fs::write(&project, text).unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        run(root, &["plan", "accounts", "--out", "plan.json"]);
        let record = run(root, &["migrate", "--plan", "plan.json", "--confirm", "nova", "--json"]).expect(0).json();
        ids.push(record["id"].as_str().unwrap().to_owned());
    }
    let runs = root.join(".crm-console/runs");
    assert!(!runs.join(&ids[0]).exists() && runs.join(&ids[1]).join("report.html").exists(), "the newest stays");
    assert_eq!(run(root, &["runs", "--json"]).expect(0).lines().len(), 2, "records stay");
    let shown = run(root, &["prune", "--dry-run", "--json"]).expect(0).json();
    assert_eq!(shown["removed"].as_array().unwrap().len(), 0, "{shown}");
    assert!(run(root, &["audit"]).expect(0).out.contains("pruned"));
    run(root, &["verify"]).expect(0);
}
