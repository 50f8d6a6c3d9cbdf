//! `trace`: one record from the source to the target.
use serde_json::json;

use crate::support::command::{folder, run};

const PEOPLE: &str = "from = \"old:people\"\nto = \"new:people\"\nkey = [\"id\"]\n\n[fields]\nid = \"ID\"\n\
                      name = { from = \"NAME\", clean = [\"trim\", \"required\"] }\n\
                      mail = { from = \"MAIL\", clean = [\"trim\", \"lower\"], pii = true }\n\
                      memo = { from = \"NOTE\", write = \"if_blank\" }\n\n[run]\nerror_budget = \"50%\"\n";

fn project() -> tempfile::TempDir {
    let platforms =
        "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"csv\"\npath = \"new\"\n";
    folder(&[
        ("project.toml", platforms),
        ("mappings/people.toml", PEOPLE),
        (
            "old/people.csv",
            "ID,NAME,MAIL,NOTE\n1, Ann ,Ann@Example.com ,first\n2,,ben@example.com,\n3,Cyd,cyd@example.com,\n",
        ),
        ("new/people.csv", "id,name,mail,memo\n1,Anne,,ours\n"),
    ])
}

#[test]
fn a_record_is_followed_from_its_source_row_to_the_verified_target() {
    let dir = project();
    run(dir.path(), &["plan", "--out", "plan.json"]).expect(1);
    let planned = run(dir.path(), &["trace", "new:people", "1", "--json"]).expect(0).json();
    assert_eq!((&planned["run"], &planned["match"]["operation"]), (&json!(null), &json!("update")));
    run(dir.path(), &["migrate", "--plan", "plan.json", "--confirm", "new"]).expect(0);

    let ann = run(dir.path(), &["trace", "new:people", "1", "--json"]).expect(0).json();
    assert_eq!((&ann["source"]["line"], &ann["source"]["cells"]["NAME"]), (&json!(2), &json!(" Ann ")));
    let steps = |field: usize| ann["fields"][field]["steps"].as_array().unwrap().clone();
    assert_eq!(steps(1)[0], json!({"step": "from NAME", "value": " Ann ", "failed": null}));
    assert_eq!(steps(1)[1], json!({"step": "trim", "value": "Ann", "failed": null}));
    assert_eq!(
        ann["cells"][1],
        json!({"column": "name", "old": "Anne", "new": "Ann", "changed": true, "kept": null, "pending": null})
    );
    assert_eq!(ann["cells"][3]["kept"], "if_blank");
    assert_eq!(ann["verified"]["state"], "validated");
    assert!(!ann.to_string().to_lowercase().contains("ann@example.com"), "pii is masked: {ann}");
    let events: Vec<&str> =
        ann["events"].as_array().unwrap().iter().map(|event| event["what"].as_str().unwrap()).collect();
    let order = [
        "planned as update",
        "the run began",
        "handed to",
        "everything was staged",
        "was published",
        "in the crosswalk",
    ];
    let mut at = 0;
    for event in &events {
        at += usize::from(order.get(at).is_some_and(|word| event.contains(word)));
    }
    assert_eq!(at, order.len(), "{events:?}");
    let times: Vec<&str> =
        ann["events"].as_array().unwrap().iter().map(|event| event["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");

    let revealed = run(dir.path(), &["trace", "people", "1", "--reveal"]).expect(0).out;
    assert!(
        revealed.contains("<- from MAIL 'Ann@Example.com ' | trim 'Ann@Example.com' | lower 'ann@example.com'"),
        "{revealed}"
    );
    let ben = run(dir.path(), &["trace", "old:people", "2"]).expect(0).out;
    assert!(
        ben.contains("required FAILED") && ben.contains("rejected") && ben.contains("verified: suspended"),
        "{ben}"
    );
    assert!(!ben.contains("handed to"), "it was never handed over: {ben}");

    let unknown = run(dir.path(), &["trace", "new:people", "77"]).expect(2);
    assert!(unknown.err.contains("no run or plan"), "{}", unknown.err);
    assert!(run(dir.path(), &["trace", "new:nothing", "1"]).expect(2).err.contains("platform:object"));
}
