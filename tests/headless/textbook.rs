//! The textbook job: what a data engineer would do in pandas with `read_csv`, `dropna`, keep listed values, `to_csv`.
//!
//! ```python
//! frame = pandas.read_csv("old/people.csv", dtype=str)
//! frame = frame.dropna(subset=["email"])
//! frame["stage"] = frame["stage"].where(frame["stage"].isin(["lead", "customer"]), None)
//! frame.to_csv("new/people.csv", index=False)
//! ```
use crate::support::command::{folder, run};

const OLD: &str = "id,name,email,stage,note\n\
    007,Ann,ann@example.com,lead,\"said \"\"hi\"\", left\"\n\
    8,Ben,,customer,\n\
    9,\"Cy, Jr\",cy@example.com,prospect,\"two\nlines\"\n\
    1e5,Di,N/A,lead,x\n\
    11,Null,null@example.com,,Zoë  \n\
    12, Ed ,ed@example.com,customer,NULL\n";

/// What pandas 3 writes for it.
const NEW: &str = "id,name,email,stage,note\n\
    007,Ann,ann@example.com,lead,\"said \"\"hi\"\", left\"\n\
    9,\"Cy, Jr\",cy@example.com,,\"two\nlines\"\n\
    11,Null,null@example.com,,Zoë  \n\
    12, Ed ,ed@example.com,customer,\n";

/// pandas takes some texts for missing by itself; a CRM has people called so, and here it has to be said.
const MAPPING: &str = r#"
from = "old:people"
to   = "new:people"
key  = ["id"]

[fields]
id    = "id"
name  = { from = "name", clean = [{ null_tokens = ["N/A", "NA", "NULL"] }] }
email = { from = "email", clean = [{ null_tokens = ["N/A", "NA", "NULL"] }, "drop_nulls"] }
stage = { from = "stage", allowed = ["lead", "customer"] }
note  = { from = "note", clean = [{ null_tokens = ["N/A", "NA", "NULL"] }] }
"#;

#[test]
fn the_output_equals_pandas_cell_for_cell() {
    let dir = folder(&[
        (
            "project.toml",
            "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"csv\"\npath = \"new\"\n",
        ),
        ("mappings/people.toml", MAPPING),
        ("old/people.csv", OLD),
        ("new/.keep", ""),
    ]);
    run(dir.path(), &["check"]).expect(0);
    let plan = run(dir.path(), &["plan", "--out", "plan.json", "--json"]).expect(1).json();
    let counts = &plan["mappings"][0]["counts"];
    assert_eq!((&counts["read"], &counts["inserted"], &counts["filtered"]), (&6.into(), &4.into(), &2.into()));
    run(dir.path(), &["migrate", "--plan", "plan.json", "--confirm", plan["confirm"].as_str().unwrap()]).expect(0);
    assert_eq!(std::fs::read_to_string(dir.path().join("new/people.csv")).unwrap(), NEW);
    run(dir.path(), &["verify"]).expect(0);
}
