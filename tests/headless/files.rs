//! Commands on plain files, no project anywhere.
use serde_json::json;

use crate::support::command::{folder, run};

const PEOPLE: &str =
    "id;Name;E-Mail;Zip\n007;  Ann O'Brien ;ANN@EXAMPLE.COM;01234\n1e5;Null;;NA\n8;\"Ben;\"\"B\"\"\";ben@example;9\n";

#[test]
fn sniff_tells_the_dialect() {
    let dir = folder(&[("people.csv", PEOPLE)]);
    let sniffed = run(dir.path(), &["sniff", "people.csv", "--json"]).expect(0).json();
    assert_eq!(sniffed["delimiter"], ";");
    assert_eq!(sniffed["quote"], "\"");
    assert_eq!(sniffed["header"], true);
    let names: Vec<_> = sniffed.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["delimiter", "quote", "escape", "encoding", "newline", "header"]);
}

#[test]
fn show_keeps_text_as_it_is() {
    let dir = folder(&[("people.csv", PEOPLE)]);
    let rows = run(dir.path(), &["show", "people.csv", "--rows", "1..2", "--json"]).expect(0).lines();
    assert_eq!(
        rows,
        [
            json!({"id": "007", "Name": "  Ann O'Brien ", "E-Mail": "ANN@EXAMPLE.COM", "Zip": "01234"}),
            json!({"id": "1e5", "Name": "Null", "E-Mail": null, "Zip": "NA"}),
        ]
    );
    let rows =
        run(dir.path(), &["show", "people.csv", "--rows", "3..", "--columns", "Name", "--json"]).expect(0).lines();
    assert_eq!(rows, [json!({"Name": "Ben;\"B\""})]);
    run(dir.path(), &["show", "people.csv", "--rows", "0..2"]).expect(2);
    let wrong = run(dir.path(), &["show", "people.csv", "--columns", "Nam"]).expect(2);
    assert!(wrong.err.contains("did you mean 'Name'"), "{}", wrong.err);
}

#[test]
fn profile_counts_and_warns() {
    let dir = folder(&[("people.csv", PEOPLE)]);
    let profile = run(dir.path(), &["profile", "people.csv", "--json"]).expect(0).json();
    assert_eq!(profile["rows"], 3);
    let columns = profile["columns"].as_array().unwrap();
    assert_eq!(columns.len(), 4);
    assert_eq!(columns[2]["nulls"], 1);
    assert_eq!(columns[2]["semantic"], "email");
    let text = run(dir.path(), &["profile", "people.csv"]).expect(0).out;
    assert!(text.contains("leading zero"), "{text}");
}

#[test]
fn try_shows_what_a_rule_does() {
    let dir = folder(&[("people.csv", PEOPLE)]);
    let lines = run(dir.path(), &["try", "email", "people.csv", "--column", "E-Mail", "--json"]).expect(0).lines();
    let states: Vec<_> = lines.iter().map(|line| line["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["changed", "same", "failed"]);
    assert!(lines[2]["reason"].is_string());
    let lines = run(dir.path(), &["try", "max_length=3", "people.csv", "--column", "Name", "--json"]).expect(0).lines();
    assert_eq!(lines[1]["status"], "failed");
    let wrong = run(dir.path(), &["try", "trimm", "people.csv"]).expect(2);
    assert!(wrong.err.contains("trim"), "{}", wrong.err);
}

#[test]
fn diff_finds_rows_and_cells() {
    let dir = folder(&[
        ("old.csv", "id,name,city\n1,Ann,Bonn\n2,Ben,Rome\n3,Cy,Oslo\n"),
        ("new.csv", "id,name,city\n3,Cy,Oslo\n1,Ann,Köln\n4,Di,Bern\n"),
    ]);
    let found = run(dir.path(), &["diff", "old.csv", "new.csv", "--key", "id", "--json"]).expect(1).json();
    assert_eq!(
        found,
        json!({"added": ["4"], "removed": ["2"], "unchanged": 1, "columns_added": [], "columns_removed": [],
            "changed": [{"key": "1", "column": "city", "old": "Bonn", "new": "Köln"}]})
    );
    let found = run(dir.path(), &["diff", "old.csv", "new.csv", "--key", "id,name", "--json"]).expect(1).json();
    assert_eq!(found["removed"], json!([["2", "Ben"]]));
    let lines = run(dir.path(), &["diff", "old.csv", "new.csv", "--key", "id", "--jsonl"]).expect(1).lines();
    assert_eq!(lines.len(), 4);
    run(dir.path(), &["diff", "old.csv", "old.csv", "--key", "id"]).expect(0);
    let wrong = run(dir.path(), &["diff", "old.csv", "new.csv", "--key", "ids"]).expect(2);
    assert!(wrong.err.contains("id, name, city"), "{}", wrong.err);
}
