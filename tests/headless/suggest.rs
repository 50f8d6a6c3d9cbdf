//! Suggestions for a mapping, and projects made from them.
use serde_json::Value;

use crate::support::command::{folder, run};

fn best<'a>(found: &'a Value, to: &str) -> Option<&'a str> {
    let items = found.as_array().unwrap();
    items.iter().find(|item| item["to"] == to && item["rank"] == 1).and_then(|item| item["from"].as_str())
}

#[test]
fn suggest_finds_the_usual_names_by_name_and_value() {
    let dir = folder(&[
        ("old.csv", "CONTACT_ID,FIRST_NM,SURNAME,EMAIL_ADDR,X7\n1,Ann,Lee,ann@example.com,k1\n"),
        ("new.csv", "id,first_name,last_name,email\n"),
    ]);
    let found = run(dir.path(), &["suggest", "old.csv", "new.csv", "--json"]).expect(0).json();
    assert_eq!(best(&found, "email"), Some("EMAIL_ADDR"));
    assert_eq!(best(&found, "first_name"), Some("FIRST_NM"));
    assert_eq!(best(&found, "last_name"), Some("SURNAME"));
    let names: Vec<_> = found[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["to", "from", "score", "rank", "reasons", "transform"]);
    let text = run(dir.path(), &["suggest", "old.csv", "new.csv"]).expect(0).out;
    assert!(text.contains("EMAIL_ADDR"), "{text}");
    run(dir.path(), &["suggest", "old.csv", "none.csv"]).expect(4);
}

#[test]
fn suggest_takes_lists_of_fields() {
    let dir = folder(&[
        ("old.csv", "field,label,type\nfld_1,Postal Code,text\nfld_2,Close Date,date\n"),
        ("new.csv", "field,label,type\nzip,,text\nclosing_date,,date\n"),
    ]);
    let found = run(dir.path(), &["suggest", "old.csv", "new.csv", "--json"]).expect(0).json();
    assert_eq!(best(&found, "zip"), Some("fld_1"));
    assert_eq!(best(&found, "closing_date"), Some("fld_2"));
}
