//! Rejects from the first run to the last of them carried over, without a screen.
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::command::{Answer, demo, folder, run};

/// All deals without what differs between two ways to the same end: ids by order of coming, the trigger's clock.
fn deals(dir: &Path) -> Vec<String> {
    let db = Connection::open(dir.join("nova.db")).unwrap();
    let mut statement = db
        .prepare(
            "SELECT d.legacy_id, d.name, d.stage, d.amount, d.currency, d.close_date, d.owner_id, a.legacy_id, c.legacy_id
             FROM deals d LEFT JOIN accounts a ON a.id = d.account_id LEFT JOIN contacts c ON c.id = d.contact_id
             ORDER BY 1, 2",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        let cells: rusqlite::Result<Vec<String>> =
            (0..9).map(|at| row.get_ref(at).map(|cell| format!("{cell:?}"))).collect();
        Ok(cells?.join("|"))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn migrate(dir: &Path) -> Value {
    run(dir, &["plan", "--out", "plan.json"]).expect(1);
    run(dir, &["migrate", "--plan", "plan.json", "--confirm", "nova", "--json"]).expect(0).json()
}

fn retry(dir: &Path, more: &[&str]) -> Value {
    let arguments: Vec<&str> = ["rejects", "retry", "--json"].iter().chain(more).copied().collect();
    run(dir, &arguments).expect(1).json()
}

fn confirm(dir: &Path, plan: &Value) -> Value {
    let id = plan["plan"]["id"].as_str().unwrap();
    run(dir, &["migrate", "--plan", id, "--confirm", "nova", "--json"]).expect(0).json()
}

fn list(dir: &Path) -> Value {
    run(dir, &["rejects", "list", "--json"]).expect(0).json()
}

#[test]
fn three_rejects_are_mended_and_replayed_and_the_rest_by_a_value_map() {
    let dir = demo();
    let root = dir.path();
    let first = migrate(root);
    assert!(first["consistency"].as_f64().unwrap() < 1.0);
    let inbox = list(root);
    let all = inbox["open"].as_u64().unwrap();
    assert!(all > 3 && inbox["released"] == 0, "{inbox}");

    // Three by hand: a code that the value map does not know is what the operator says it is.
    for n in ["1", "2", "3"] {
        run(root, &["rejects", "mend", "deals", n, "--set", "STG=G"]).expect(6);
        let answer = run(root, &["rejects", "mend", "deals", n, "--set", "STG=G", "--apply"]).expect(0);
        assert!(answer.out.contains("1 corrections written to maps/deals.corrections.csv"), "{}", answer.out);
    }
    let file = root.join("maps/deals.corrections.csv");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(run(root, &["check"]).expect(0).out.contains("0 errors"));
    assert_eq!(list(root)["groups"][0]["mended"], 3);
    let plan = retry(root, &["--mended"]);
    assert_eq!((plan["rows"].as_u64(), plan["plan"]["mappings"].as_array().unwrap().len()), (Some(3), 1));
    let second = confirm(root, &plan);
    assert_eq!(second["consistency"], 1.0, "{second}");
    let left = list(root);
    assert_eq!(
        (left["of"].clone(), left["open"].as_u64(), left["released"].as_u64()),
        (first["id"].clone(), Some(all - 3), Some(3))
    );

    // The rest by the rule.
    let mapping = root.join("mappings/deals.toml");
    let text = std::fs::read_to_string(&mapping).unwrap();
    assert!(text.contains("corrections = \"maps/deals.corrections.csv\""), "{text}");
    std::fs::write(&mapping, text.replace("X = \"lost\" }", "X = \"lost\", W = \"won\" }")).unwrap();
    let plan = retry(root, &[]);
    assert_eq!(plan["rows"].as_u64(), Some(all - 3));
    assert_eq!(confirm(root, &plan)["consistency"], 1.0);
    assert_eq!(list(root)["open"], 0);
    run(root, &["rejects", "retry"]).expect(2);
    run(root, &["plan"]).expect(0);

    // The same as all of it in one run from scratch, corrections and rule in place.
    let fresh = demo();
    std::fs::copy(&mapping, fresh.path().join("mappings/deals.toml")).unwrap();
    std::fs::copy(&file, fresh.path().join("maps/deals.corrections.csv")).unwrap();
    assert_eq!(migrate(fresh.path())["consistency"], 1.0);
    let (retried, whole) = (deals(root), deals(fresh.path()));
    assert!(whole.len() > 1_000);
    assert!(retried == whole, "the way does not matter");
}

const ACCOUNTS: &str = r#"
from = "old:accounts"
to = "new:accounts"
key = ["id"]
[fields]
id = { from = "NO", clean = ["trim", "required"] }
name = { from = "NAME", clean = ["required"] }
kind = { from = "KIND", values = { a = "one" } }
[run]
error_budget = ["90%", 9]
"#;

const CONTACTS: &str = r#"
from = "old:contacts"
to = "new:contacts"
key = ["id"]
[fields]
id = "ID"
company = { from = "ACC", link = "accounts" }
[run]
error_budget = "90%"
"#;

/// A project on files: accounts that fail, contacts that wait for them, a broken line.
fn project() -> tempfile::TempDir {
    folder(&[
        (
            "project.toml",
            "name = \"t\"\n[platforms.old]\nkind = \"csv\"\npath = \"old\"\n[platforms.new]\nkind = \"csv\"\npath = \"new\"\n",
        ),
        ("mappings/accounts.toml", ACCOUNTS),
        ("mappings/contacts.toml", CONTACTS),
        (
            "old/accounts.csv",
            "NO,NAME,KIND\nA1,Acme,a\nA2,\"Bcme, \"\"the\"\" firm\",z\nA3,=1+1,z\n,Dome,a\n,Eme,a\nA6,Fme,a,x\n",
        ),
        ("old/contacts.csv", "ID,ACC\nC1,A1\nC2,A2\nC3,A2\nC4,A3\n"),
        ("new/accounts.csv", "id,name,kind\n"),
        ("new/contacts.csv", "id,company\n"),
    ])
}

fn run_all(root: &Path) -> Value {
    run(root, &["plan", "--out", "plan.json"]).expect(1);
    run(root, &["migrate", "--plan", "plan.json", "--confirm", "new", "--json"]).expect(0).json()
}

#[test]
fn the_list_is_a_tree_and_an_edited_export_comes_back_as_corrections() {
    let dir = project();
    let root = dir.path();
    let first = run_all(root);
    let inbox = list(root);
    assert_eq!((inbox["rows"].as_u64(), inbox["run"].as_bool()), (Some(8), Some(true)), "{inbox}");
    let top = &inbox["groups"][0];
    assert_eq!(
        (top["mapping"].as_str(), top["rows"].as_u64(), top["waits"].as_u64()),
        (Some("accounts"), Some(2), Some(3))
    );
    assert_eq!(
        (top["waiting"][0]["mapping"].as_str(), top["waiting"][0]["rows"].as_u64()),
        (Some("contacts"), Some(3))
    );
    let people = run(root, &["rejects", "list"]).expect(0).out;
    assert!(people.contains("5 have one cause: 2 accounts -> 3 rows wait for them"), "{people}");

    // An export loads again through the mapping, and unedited it comes back as nothing.
    for safe in [&[][..], &["--safe"][..]] {
        let arguments: Vec<&str> =
            ["rejects", "export", "accounts", "--out", "x.csv"].iter().chain(safe).copied().collect();
        run(root, &arguments).expect(0);
        let nothing = run(root, &["rejects", "import", "accounts", "x.csv", "--json"]).expect(0).json();
        assert_eq!((nothing["corrections"].as_array().unwrap().len(), nothing["written"].as_bool()), (0, Some(false)));
    }
    run(root, &["rejects", "export", "accounts", "--out", "x.csv"]).expect(0);
    let exported = std::fs::read_to_string(root.join("x.csv")).unwrap();
    let again = folder(&[
        ("project.toml", &std::fs::read_to_string(root.join("project.toml")).unwrap()),
        ("mappings/accounts.toml", &ACCOUNTS.replace("90%", "100%")),
        ("old/accounts.csv", &exported),
        ("new/accounts.csv", "id,name,kind\n"),
    ]);
    let plan = run(again.path(), &["plan", "--json"]).json();
    let causes = |plan: &Value| -> Vec<(String, u64)> {
        let causes = plan["mappings"][0]["causes"].as_array().unwrap().clone();
        let pair = |one: &Value| (one["cause"].as_str().unwrap().to_owned(), one["rows"].as_u64().unwrap());
        causes.iter().map(pair).filter(|(cause, _)| !cause.starts_with("cannot be read")).collect()
    };
    let whole: Value = serde_json::from_slice(&std::fs::read(root.join("plan.json")).unwrap()).unwrap();
    // The broken line has no cells; among the rest the same rows fail for the same reasons.
    let mut reloaded = causes(&plan);
    for cause in &mut reloaded {
        if cause.0.starts_with("id:") {
            cause.1 -= 1;
        }
    }
    assert_eq!(reloaded, causes(&whole));

    let edited = exported
        .replace("firm\",z", "firm\",a")
        .replace("=1+1,z", "=1+1,a")
        .replace(",Dome", "A4,Dome")
        .replace(",Eme", "A5,Eme");
    assert_ne!(edited, exported);
    std::fs::write(root.join("x.csv"), &edited).unwrap();
    let shown = run(root, &["rejects", "import", "accounts", "x.csv", "--json"]).expect(6).json();
    assert_eq!(shown["corrections"].as_array().unwrap().len(), 4, "{shown}");
    assert!(!root.join("maps").exists(), "shown is not written");
    run(root, &["rejects", "import", "accounts", "x.csv", "--apply"]).expect(0);
    let file = std::fs::read_to_string(root.join("maps/accounts.corrections.csv")).unwrap();
    assert!(file.starts_with("key,column,from,to\nA2,KIND,z,a\nA3,KIND,z,a\n#"), "{file}");

    let plan = run(root, &["rejects", "retry", "--mended", "--json"]).expect(1).json();
    assert_eq!(plan["rows"], 7, "four accounts and three contacts that waited for two of them: {plan}");
    let id = plan["plan"]["id"].as_str().unwrap();
    let second = run(root, &["migrate", "--plan", id, "--confirm", "new", "--json"]).expect(0).json();
    assert_eq!(second["consistency"], 1.0, "{second}");
    let left = list(root);
    assert_eq!((left["of"].clone(), left["open"].as_u64()), (first["id"].clone(), Some(1)));
    let accounts = std::fs::read_to_string(root.join("new/accounts.csv")).unwrap();
    assert!(accounts.contains("A4,Dome,one") && accounts.contains("A5,Eme,one"), "{accounts}");

    // Someone else says something else of the same cell: told, and nothing is written.
    let other = edited.replace("firm\",a", "firm\",b");
    std::fs::write(root.join("x.csv"), other).unwrap();
    let conflict = run(root, &["rejects", "import", "accounts", "x.csv", "--apply", "--json"]);
    assert_eq!(conflict.code, 3, "{}{}", conflict.out, conflict.err);
}

#[test]
fn conflicts_are_listed_and_nothing_is_written() {
    let dir = project();
    let root = dir.path();
    run_all(root);
    run(root, &["rejects", "mend", "accounts", "2", "--set", "KIND=a", "--apply"]).expect(0);
    let before = std::fs::read(root.join("maps/accounts.corrections.csv")).unwrap();
    run(root, &["rejects", "export", "accounts", "--out", "x.csv"]).expect(0);
    let exported = std::fs::read_to_string(root.join("x.csv")).unwrap();
    std::fs::write(root.join("x.csv"), exported.replace("firm\",z", "firm\",b").replace("=1+1,z", "=1+1,a")).unwrap();
    std::fs::write(root.join("old/accounts.csv"), "NO,NAME,KIND\nA2,Bcme,z\nA3,=1+1,y\n").unwrap();
    let Answer { code, out, .. } = run(root, &["rejects", "import", "accounts", "x.csv", "--apply", "--json"]);
    assert_eq!(code, 3);
    let answer: Value = serde_json::from_str(&out).unwrap();
    let whys: Vec<&str> =
        answer["conflicts"].as_array().unwrap().iter().map(|one| one["why"].as_str().unwrap()).collect();
    assert_eq!(whys, ["it is corrected to something else already", "the source cell is another now"]);
    assert_eq!(std::fs::read(root.join("maps/accounts.corrections.csv")).unwrap(), before);
    run(root, &["rejects", "import", "accounts", "old/accounts.csv"]).expect(2);
}

#[test]
fn personal_data_of_a_reject_is_masked_until_it_is_asked_for() {
    let dir = project();
    let root = dir.path();
    let mapping = ACCOUNTS.replace("clean = [\"required\"] }", "clean = [\"required\"], pii = true }");
    std::fs::write(root.join("mappings/accounts.toml"), mapping).unwrap();
    run_all(root);
    let masked = run(root, &["rejects", "show", "accounts", "2"]).expect(0).out;
    assert!(!masked.contains("Bcme") && masked.contains("values: FAILS, is not in the value map"), "{masked}");
    let shown = run(root, &["rejects", "show", "accounts", "2", "--reveal"]).expect(0).out;
    assert!(shown.contains("Bcme"), "{shown}");
}

#[test]
fn over_the_budget_as_share_or_as_count_nothing_is_published() {
    for (budget, words) in [("\"10%\"", "(10%)"), ("1", "(1 rows)"), ("[\"90%\", 2]", "(90% and 2 rows)")] {
        let dir = project();
        let root = dir.path();
        std::fs::write(root.join("mappings/accounts.toml"), ACCOUNTS.replace("[\"90%\", 9]", budget)).unwrap();
        run(root, &["plan", "--out", "plan.json"]);
        let answer = run(root, &["migrate", "--plan", "plan.json", "--confirm", "new"]).expect(3);
        assert!(answer.err.contains(words), "{budget}: {}", answer.err);
        assert_eq!(std::fs::read_to_string(root.join("new/accounts.csv")).unwrap(), "id,name,kind\n");
    }
}

#[test]
fn an_erased_person_has_no_correction_left() {
    let dir = project();
    let root = dir.path();
    run_all(root);
    for (n, set) in [("2", "NAME=Someone"), ("3", "KIND=a"), ("4", "NO=A4")] {
        run(root, &["rejects", "mend", "accounts", n, "--set", set, "--apply"]).expect(0);
    }
    let file = root.join("maps/accounts.corrections.csv");
    assert!(std::fs::read_to_string(&file).unwrap().contains("Someone"));
    let shown = run(root, &["erase", "accounts", "A2", "--json"]);
    assert!(shown.out.contains("corrections"), "{}{}", shown.out, shown.err);
    run(root, &["erase", "accounts", "A2", "--confirm", "A2"]).expect(0);
    let left = std::fs::read_to_string(&file).unwrap();
    assert!(!left.contains("A2") && !left.contains("Someone"), "{left}");
    assert_eq!(left.lines().count(), 3, "the others stay: {left}");
}
