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
    assert_eq!(names, ["to", "from", "score", "rank", "reasons", "evidence", "transform"]);
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

#[test]
fn init_writes_a_project_that_checks_and_plans() {
    let dir = folder(&[
        (
            "old.csv",
            "CONTACT_ID,FIRST_NM,LAST_NM,EMAIL_ADDR,BORN,X7\n\
             7,Ann ,Lee, ANN@example.com,31/12/1980,k1\n8,Ben,Ray,ben@example.com,01/02/1990,k2\n",
        ),
        ("new.csv", "id,first_name,last_name,email,birth_date,favourite\n7,Ann,Lee,ann@example.com,1980-12-31,red\n"),
    ]);
    let files = run(dir.path(), &["init", "old.csv", "new.csv", "--json"]).expect(0).json();
    assert_eq!(files["files"].as_array().unwrap().len(), 2);
    let text = std::fs::read_to_string(dir.path().join("mappings/old.toml")).unwrap();
    assert!(text.contains("key = [\"id\"]") && text.contains("\"CONTACT_ID\""), "{text}");
    assert!(text.contains("\"lower\", \"email\"") && text.contains("# left out: favourite"), "{text}");
    assert!(text.contains("# left behind: X7"), "{text}");
    let settings = std::fs::read_to_string(dir.path().join("project.toml")).unwrap();
    assert!(settings.contains("path = \"old.csv\""), "{settings}");
    run(dir.path(), &["check"]).expect(0);
    let plan = run(dir.path(), &["plan", "--json"]).expect(1).json();
    let counts = &plan["mappings"][0]["counts"];
    assert_eq!((counts["read"].as_u64(), counts["inserted"].as_u64()), (Some(2), Some(1)), "{counts}");
    let again = run(dir.path(), &["init", "old.csv", "new.csv"]).expect(6);
    assert!(again.err.contains("project.toml"), "{}", again.err);
}

#[test]
fn init_pairs_the_objects_of_folders() {
    let dir = folder(&[
        ("in/accounts.csv", "ACCT_NO,NAME\n1,Acme\n"),
        ("in/persons.csv", "ID,SURNAME\n1,Lee\n"),
        ("in/zzz.csv", "ID\n1\n"),
        ("out/Accounts.csv", "account_number,name\n"),
        ("out/person.csv", "id,last_name\n"),
    ]);
    run(dir.path(), &["init", "in", "out", "-C", "p"]).expect(0);
    let project = dir.path().join("p");
    let accounts = std::fs::read_to_string(project.join("mappings/accounts.toml")).unwrap();
    assert!(accounts.contains("to = \"new:Accounts\""), "{accounts}");
    assert!(project.join("mappings/persons.toml").exists());
    let settings = std::fs::read_to_string(project.join("project.toml")).unwrap();
    assert!(settings.contains("# no counterpart in new: zzz"), "{settings}");
    run(dir.path(), &["check", "-C", "p"]).expect(0);
}

#[test]
fn init_on_the_sample_data_checks_keys_by_ids_and_says_what_is_unfinished() {
    let demo = crate::support::command::demo();
    let dir = demo.path().join("p");
    let (old, new) = (demo.path().join("legacy"), demo.path().join("nova.db"));
    std::fs::create_dir(&dir).unwrap();
    run(&dir, &["init", old.to_str().unwrap(), new.to_str().unwrap()]).expect(0);
    let text = |name: &str| std::fs::read_to_string(dir.join(format!("mappings/{name}.toml"))).unwrap();
    for (name, id) in [("accounts", "ACCT_NO"), ("contacts", "CONTACT_ID"), ("deals", "DEAL_NO")] {
        let mapping = text(name);
        assert!(mapping.contains("key = [\"legacy_id\"]"), "{mapping}");
        let line = mapping.lines().find(|line| line.starts_with("legacy_id")).unwrap_or_default();
        assert!(line.contains(&format!("\"{id}\"")), "{mapping}");
    }
    // Contacts were exported twice: said, and not decided for the operator. Values of people are tagged.
    let contacts = text("contacts");
    assert!(contacts.contains("rows repeat the key") && !contacts.contains("\nduplicates"), "{contacts}");
    // What the sample project has by hand comes by itself: values, notations, dates, names in two pieces.
    let accounts = text("accounts");
    for wanted in ["A = \"active\"", "money = \"de\"", "\"%d/%m/%Y\"", "EDV = \"technology\"", "GER = \"DE\""] {
        assert!(accounts.contains(wanted), "{wanted}: {accounts}");
    }
    assert!(!accounts.contains("city.values"), "a town is none of a list: {accounts}");
    assert!(contacts.contains("concat_ws(' ', trim("), "{contacts}");
    assert!(contacts.contains("link = \"accounts\"") && contacts.matches("pii = true").count() >= 4, "{contacts}");
    assert!(text("deals").contains("link = \"contacts\""), "{}", text("deals"));

    let checked = run(&dir, &["check", "--json"]).expect(0).json();
    assert_eq!(checked["errors"], 0, "{checked}");
    let plan = run(&dir, &["plan", "--json"]).json();
    for mapping in plan["mappings"].as_array().unwrap() {
        let name = mapping["mapping"].as_str().unwrap();
        let unfinished: Vec<String> = match text(name).parse::<toml::Table>().unwrap().get("unfinished") {
            Some(list) => list.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
            None => Vec::new(),
        };
        let blocked = mapping["blocked"].to_string();
        for column in unfinished {
            assert!(blocked.contains(&column), "{name} would write rows without {column}: {blocked}");
        }
    }
}

#[test]
fn a_required_column_is_an_error_until_it_is_filled_or_listed_as_unfinished() {
    let mapping =
        |more: &str| format!("from = \"old:a\"\nto = \"new:a\"\nkey = [\"id\"]\n{more}\n[fields]\nid = \"ID\"\n");
    let dir = folder(&[
        (
            "project.toml",
            "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n[platforms.new]\nkind = \"sqlite\"\npath = \"new.db\"\n",
        ),
        ("old/a.csv", "ID\n1\n"),
        ("mappings/a.toml", &mapping("")),
    ]);
    let db = rusqlite::Connection::open(dir.path().join("new.db")).unwrap();
    db.execute_batch("CREATE TABLE a (id TEXT PRIMARY KEY, name TEXT NOT NULL)").unwrap();
    let failed = run(dir.path(), &["check"]).expect(2);
    assert!(failed.out.contains("requires 'name'"), "{}", failed.out);
    std::fs::write(dir.path().join("mappings/a.toml"), mapping("unfinished = [\"name\"]")).unwrap();
    let warned = run(dir.path(), &["check"]).expect(0);
    assert!(warned.out.contains("requires 'name'") && warned.out.contains("0 errors"), "{}", warned.out);
    let plan = run(dir.path(), &["plan", "--json"]).json();
    assert!(plan["mappings"][0]["blocked"].to_string().contains("name"), "{plan}");
    std::fs::write(dir.path().join("mappings/a.toml"), mapping("unfinished = [\"name\", \"id\"]")).unwrap();
    assert!(run(dir.path(), &["check"]).expect(0).out.contains("'id' is filled"));
}

#[test]
fn init_takes_a_target_that_is_not_there_yet() {
    let dir = folder(&[("old.csv", "id,Ünïcode name,b\n1,x,y\n2,x,y\n")]);
    run(dir.path(), &["init", "old.csv", "new.csv"]).expect(0);
    let text = std::fs::read_to_string(dir.path().join("mappings/old.toml")).unwrap();
    assert!(text.contains("to = \"new:new\"") && !text.contains("left"), "{text}");
    run(dir.path(), &["check"]).expect(0);
    assert!(!dir.path().join("new.csv").exists());
}

#[test]
fn init_says_what_cannot_be() {
    let dir = folder(&[("old.csv", "id\n1\n"), ("new.json", "[{\"id\":1}]")]);
    run(dir.path(), &["init", "none.csv", "new.csv"]).expect(4);
    run(dir.path(), &["init", "old.csv", "old.csv"]).expect(2);
    run(dir.path(), &["init", "old.csv", "new.json"]).expect(2);
    run(dir.path(), &["old.csv"]).expect(2);
    let screen = run(dir.path(), &["old.csv", "new.csv"]).expect(2);
    assert!(screen.err.contains("terminal"), "{}", screen.err);
    assert!(!dir.path().join("project.toml").exists());
}
