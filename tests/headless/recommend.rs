//! The recommendation, as an operator and a script read it.
use crate::support::command::{demo, run};

#[test]
fn a_project_is_led_from_a_rehearsed_sample_to_full_runs() {
    let dir = demo();
    let root = dir.path();
    let first = run(root, &["recommend", "--json"]).expect(0).json();
    assert_eq!((&first["strategy"], &first["rehearse"]), (&"sample".into(), &"sandbox".into()));
    assert_eq!(first["command"], "--env sandbox plan --sample 20");
    assert!(!root.join(".crm-console").exists(), "looking leaves no trace");
    let text = run(root, &["recommend"]).expect(0).out;
    for words in [
        "recommended: plan a sample of 20 records first",
        "in the environment sandbox first",
        "nothing was measured here yet",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    let advice = &first["advice"][1];
    assert_eq!((&advice["mapping"], &advice["facts"]["source"]["count"]), (&"contacts".into(), &4_011.into()));
    assert_eq!(advice["facts"]["writers"], 1);

    // It is done as the command says.
    let command = first["command"].as_str().unwrap();
    let mut words: Vec<&str> = command.split(' ').collect();
    words.push("--json");
    let sample = run(root, &words).expect(1).json();
    run(root, &["--env", "sandbox", "migrate", "--plan", sample["id"].as_str().unwrap(), "--confirm", "nova-sandbox"])
        .expect(0);
    let here = run(root, &["recommend", "--json"]).expect(0).json();
    assert_eq!((&here["rehearse"], &here["command"]), (&serde_json::Value::Null, &"plan --sample 20".into()));
    let there = run(root, &["--env", "sandbox", "recommend", "--json"]).expect(0).json();
    assert_eq!(there["strategy"], "full", "the sample was run there");

    let plan = run(root, &["plan", "--json"]).expect(1).json();
    assert_eq!(plan["mappings"][0]["here"]["writers"], 1, "the plan says so, too");
    run(root, &["migrate", "--plan", plan["id"].as_str().unwrap(), "--confirm", "nova"]).expect(0);
    let after = run(root, &["recommend", "contacts", "--json"]).expect(0).json();
    let advice = &after["advice"][0];
    assert_eq!(
        (&after["strategy"], &advice["facts"]["ledger"]["there"]),
        (&"full".into(), &true.into()),
        "so few rows"
    );
    let basis = advice["facts"]["basis"].as_str().unwrap();
    assert!(basis.contains(&format!("plan {}", plan["id"].as_str().unwrap())), "measured, not assumed: {basis}");
    let hash = advice["ways"].as_array().unwrap().iter().find(|way| way["strategy"] == "hash").unwrap();
    assert_eq!(hash["not"], serde_json::Value::Null);
    run(root, &["recommend", "contact"]).expect(2);
}
