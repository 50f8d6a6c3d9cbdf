//! The way to the new CRM as a checklist: rehearsed in the sandbox, then for real.
use std::path::Path;

use serde_json::Value;

use crate::support::command::{demo, run};

fn status(root: &Path, env: &[&str], code: i32) -> Value {
    let arguments: Vec<&str> = env.iter().chain(&["cutover", "status", "--json"]).copied().collect();
    run(root, &arguments).expect(code).json()
}

fn states(cutover: &Value) -> Vec<String> {
    let items = cutover["items"].as_array().unwrap();
    items.iter().map(|item| format!("{} {}", item["step"].as_str().unwrap(), item["state"].as_str().unwrap())).collect()
}

fn migrate(root: &Path, env: &[&str], confirm: &str) {
    let with = |rest: &[&str]| -> Vec<String> { env.iter().chain(rest).map(|word| (*word).to_owned()).collect() };
    let call = |rest: &[&str]| {
        let words = with(rest);
        run(root, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    call(&["plan", "--out", "plan.json"]);
    call(&["migrate", "--plan", "plan.json", "--confirm", confirm]).expect(0);
}

/// A value map that knows all codes: nothing is rejected.
fn mend(root: &Path) {
    let mapping = root.join("mappings/deals.toml");
    let text = std::fs::read_to_string(&mapping).unwrap();
    std::fs::write(&mapping, text.replace("X = \"lost\" }", "X = \"lost\", W = \"won\" }")).unwrap();
}

#[test]
fn a_rehearsal_and_the_real_one_go_through_the_checklist() {
    let dir = demo();
    let root = dir.path();
    let sandbox = ["--env", "sandbox"];
    let live = std::fs::read(root.join("nova.db")).unwrap();
    assert_eq!(
        states(&status(root, &sandbox, 1)),
        ["freeze next", "delta waits", "verify waits", "signoff waits", "switch waits"]
    );
    // Nothing goes before its turn.
    run(root, &["--env", "sandbox", "cutover", "signoff", "--name", "Anna"]).expect(6);
    run(root, &["--env", "sandbox", "cutover", "switch", "--confirm", "nova-sandbox"]).expect(6);
    run(root, &["--env", "sandbox", "cutover", "freeze"]).expect(0);
    assert_eq!(states(&status(root, &sandbox, 1))[..2], ["freeze done", "delta next"]);
    migrate(root, &sandbox, "nova-sandbox");
    let left = status(root, &sandbox, 1);
    assert_eq!(states(&left)[1..4], ["delta done", "verify red", "signoff waits"]);
    assert!(left["items"][2]["detail"].as_str().unwrap().contains("9 rows left out"), "{left}");
    // What was left out is mended and retried: the checklist knows.
    mend(root);
    let plan = run(root, &["--env", "sandbox", "rejects", "retry", "--json"]).expect(1).json();
    let id = plan["plan"]["id"].as_str().unwrap().to_owned();
    run(root, &["--env", "sandbox", "migrate", "--plan", &id, "--confirm", "nova-sandbox"]).expect(0);
    assert_eq!(states(&status(root, &sandbox, 1))[2..], ["verify done", "signoff next", "switch waits"]);
    run(root, &["--env", "sandbox", "cutover", "signoff", "--name", "Anna Weiss", "--note", "rehearsal"]).expect(0);
    let signed = status(root, &sandbox, 1)["items"][3]["detail"].as_str().unwrap().to_owned();
    let report = signed.rsplit_once("; report ").unwrap().1;
    assert!(std::fs::read_to_string(root.join(report)).unwrap().contains("<html"), "{signed}");
    run(root, &["--env", "sandbox", "cutover", "switch", "--confirm", "nova"]).expect(6);
    run(root, &["--env", "sandbox", "cutover", "switch", "--confirm", "nova-sandbox"]).expect(0);
    assert!(states(&status(root, &sandbox, 0)).iter().all(|state| state.ends_with("done")));
    assert_eq!(std::fs::read(root.join("nova.db")).unwrap(), live, "the live CRM is not touched by the rehearsal");

    // For real: its own checklist, that names the rehearsal.
    let begun = status(root, &[], 1);
    assert_eq!(states(&begun)[0], "freeze next");
    assert_eq!(begun["others"][0][0], "sandbox");
    assert!(begun["others"][0][1].as_str().unwrap().starts_with("switched"), "{begun}");
    migrate(root, &[], "nova");
    run(root, &["cutover", "freeze"]).expect(0);
    assert_eq!(states(&status(root, &[], 1))[1], "delta next", "a run before the freeze is not the delta");
    migrate(root, &[], "nova");
    let delta = status(root, &[], 1);
    assert_eq!(states(&delta)[1..4], ["delta done", "verify done", "signoff next"]);
    assert!(delta["items"][1]["detail"].as_str().unwrap().contains(" 0 inserted, 0 updated"), "{delta}");
    run(root, &["cutover", "signoff", "--name", "Anna Weiss", "--name", "Ben Roth"]).expect(0);

    // Someone writes to the old CRM after all: red, and no switch.
    let contacts = root.join("legacy/contacts.csv");
    let mut more = std::fs::read(&contacts).unwrap();
    more.extend_from_slice(b"9999999,Late,Comer,,,,,,mwagner,,,,01/01/2022 10:00,,\n");
    std::fs::write(&contacts, &more).unwrap();
    let red = status(root, &[], 1);
    assert_eq!(states(&red)[0], "freeze red");
    assert!(red["items"][0]["detail"].as_str().unwrap().contains("legacy:contacts"), "{red}");
    run(root, &["cutover", "switch", "--confirm", "nova"]).expect(6);
    // Frozen again, carried over again, signed again.
    run(root, &["cutover", "freeze"]).expect(0);
    assert_eq!(states(&status(root, &[], 1))[1..], ["delta next", "verify waits", "signoff waits", "switch waits"]);
    migrate(root, &[], "nova");
    run(root, &["cutover", "signoff", "--name", "Anna Weiss"]).expect(0);
    run(root, &["cutover", "switch", "--confirm", "nova"]).expect(0);
    let log = run(root, &["audit", "--json"]).expect(0).out;
    for words in ["cut-over: the old CRM is frozen", "cut-over: signed off", "cut-over: switched"] {
        assert!(log.contains(words), "{words} is not in the audit log");
    }
}
