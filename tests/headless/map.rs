//! Mappings made and reviewed without the screen: suggestions accepted, refused and taken back, sheets, owners.
use serde_json::Value;

use crate::support::command::{demo, folder, run};

fn project() -> tempfile::TempDir {
    folder(&[
        (
            "project.toml",
            "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n[platforms.new]\nkind = \"csv\"\npath = \"new\"\n",
        ),
        (
            "old/people.csv",
            "ID,FIRST_NM,LAST_NM,EMAIL_ADDR,BORN,X7,FAX,JUNK\n\
             1,Ann ,Lee, ANN@example.com,31/12/1980,k1,,a\n2,Ben,Ray,ben@example.com,01/02/1990,k2,,b\n",
        ),
        ("new/people.csv", "id,first_name,last_name,email,birth_date,favourite,phone\n"),
        (
            "mappings/people.toml",
            "# made by hand\nfrom = \"old:people\"\nto = \"new:people\"\nkey = [\"id\"]\n\n[fields]\nid = \"ID\" # the key\n",
        ),
    ])
}

fn text(dir: &tempfile::TempDir, file: &str) -> String {
    std::fs::read_to_string(dir.path().join(file)).unwrap()
}

#[test]
fn suggestions_are_accepted_remembered_and_taken_back() {
    let dir = project();
    let before = text(&dir, "mappings/people.toml");
    let shown = run(dir.path(), &["map", "show", "people", "--json"]).expect(0).json();
    let email = shown["fields"].as_array().unwrap().iter().find(|field| field["to"] == "email").unwrap().clone();
    assert_eq!(
        (email["status"].as_str(), email["suggestions"][0]["from"].as_str()),
        (Some("suggested"), Some("EMAIL_ADDR"))
    );
    run(dir.path(), &["map", "accept", "--dry-run"]).expect(0);
    assert_eq!(text(&dir, "mappings/people.toml"), before);
    let accepted = run(dir.path(), &["map", "accept", "people", "--min-score", "0.8", "--json"]).expect(0).json();
    assert_eq!(accepted[0]["accepted"].as_array().unwrap().len(), 4, "{accepted}");
    let after = text(&dir, "mappings/people.toml");
    assert!(after.starts_with("# made by hand") && after.contains("# the key"), "{after}");
    assert!(after.contains("date = [\"%d/%m/%Y\"]") && after.contains("\"lower\", \"email\""), "{after}");
    assert!(text(&dir, "suggest.toml").contains("EMAIL_ADDR = [\"email\"]"));
    let undone = run(dir.path(), &["map", "undo", "people"]).expect(0).out;
    assert!(undone.contains("- email"), "{undone}");
    assert_eq!(text(&dir, "mappings/people.toml"), before, "to the byte");
    run(dir.path(), &["map", "undo", "people"]).expect(2);
    // What was edited by hand since is not taken back.
    run(dir.path(), &["map", "accept", "people"]).expect(0);
    std::fs::write(dir.path().join("mappings/people.toml"), &before).unwrap();
    run(dir.path(), &["map", "undo", "people"]).expect(6);
    assert_eq!(text(&dir, "mappings/people.toml"), before);
}

#[test]
fn what_is_refused_is_not_suggested_again() {
    let dir = project();
    run(dir.path(), &["map", "accept", "people", "--field", "email"]).expect(0);
    run(dir.path(), &["map", "refuse", "people", "email"]).expect(0);
    assert!(!text(&dir, "mappings/people.toml").contains("email"));
    assert!(
        text(&dir, "suggest.toml").contains("[refused]\nEMAIL_ADDR = [\"email\"]"),
        "{}",
        text(&dir, "suggest.toml")
    );
    let shown = run(dir.path(), &["map", "show", "people", "--json"]).expect(0).json();
    let email = shown["fields"].as_array().unwrap().iter().find(|field| field["to"] == "email").unwrap().clone();
    assert!(email["suggestions"].as_array().unwrap().iter().all(|item| item["from"] != "EMAIL_ADDR"), "{email}");
    run(dir.path(), &["map", "refuse", "people", "favourite", "NOPE"]).expect(2);
}

#[test]
fn own_words_and_old_decisions_count_in_the_next_mapping() {
    let dir = project();
    std::fs::write(
        dir.path().join("suggest.toml"),
        "[same]\nfavourite = [\"x7\"] # asked Ben\n[confirmed]\nJUNK = [\"phone\"]\n",
    )
    .unwrap();
    run(dir.path(), &["map", "accept", "people", "--min-score", "0.9"]).expect(0);
    let mapping = text(&dir, "mappings/people.toml");
    assert!(mapping.contains("\"X7\"") && mapping.contains("\"JUNK\""), "{mapping}");
    assert!(text(&dir, "suggest.toml").contains("# asked Ben"));
    std::fs::write(dir.path().join("suggest.toml"), "[same\n").unwrap();
    let failed = run(dir.path(), &["map", "show", "people"]).expect(2);
    assert!(failed.err.contains("suggest.toml line 1"), "{}", failed.err);
}

#[test]
fn a_sheet_goes_out_is_edited_and_comes_back_checked() {
    let dir = project();
    run(dir.path(), &["map", "accept", "people", "--field", "first_name,email"]).expect(0);
    let before = text(&dir, "mappings/people.toml");
    run(dir.path(), &["map", "export", "people", "--out", "sheet.csv"]).expect(0);
    let sheet = text(&dir, "sheet.csv");
    assert!(sheet.contains("last_name,,text,LAST_NM") && sheet.contains("JUNK") && !sheet.contains("k1"), "{sheet}");
    run(dir.path(), &["map", "export", "people", "--out", "sheet.xlsx"]).expect(0);
    let book = run(dir.path(), &["map", "import", "people", "sheet.xlsx", "--json"]).expect(0).json();
    assert_eq!(book["changes"].as_array().unwrap().len(), 0, "{book}");
    // As it came, it changes nothing.
    let same = run(dir.path(), &["map", "import", "people", "sheet.csv", "--json"]).expect(0).json();
    assert_eq!(same["changes"].as_array().unwrap().len(), 0, "{same}");
    let edited: String = sheet
        .lines()
        .map(|line| match line.split(',').next().unwrap() {
            "last_name" => "last_name,,,LAST_NM,,ok,,,,".to_owned(),
            "first_name" => "first_name,,,,,open,,,,".to_owned(),
            "favourite" => "favourite,,,X7,\"{ from = \"\"X7\"\", clean = [\"\"upper\"\"] }\",ok,,,,".to_owned(),
            "" if line.contains("JUNK") => ",,,JUNK,,ignored,,,,".to_owned(),
            _ => line.to_owned(),
        })
        .map(|line| line + "\n")
        .collect();
    std::fs::write(dir.path().join("sheet.csv"), &edited).unwrap();
    let shown = run(dir.path(), &["map", "import", "people", "sheet.csv"]).expect(1).out;
    for wanted in
        ["+ last_name = \"LAST_NM\"", "- first_name", "+ favourite = { from = \"X7\", clean = [\"upper\"] }", "+ JUNK"]
    {
        assert!(shown.contains(wanted), "{shown}");
    }
    assert_eq!(text(&dir, "mappings/people.toml"), before, "nothing before --write");
    run(dir.path(), &["map", "import", "people", "sheet.csv", "--write"]).expect(0);
    let after = text(&dir, "mappings/people.toml");
    assert!(
        after.contains("ignore = [\"JUNK\"]") && after.contains("[\"upper\"]") && !after.contains("first_name"),
        "{after}"
    );
    run(dir.path(), &["map", "undo", "people"]).expect(0);
    assert_eq!(text(&dir, "mappings/people.toml"), before);
    // What is wrong is said with its line, all at once, and nothing is written.
    let wrong = "target,source,field,status\nlast_name,NOPE,,ok\nnone,ID,,ok\nemail,EMAIL_ADDR,{ nonsense,ok\nemail,ID,,ok\nid,,,open\n";
    std::fs::write(dir.path().join("sheet.csv"), wrong).unwrap();
    let failed = run(dir.path(), &["map", "import", "people", "sheet.csv", "--write"]).expect(2).err;
    for wanted in ["line 2", "line 3", "line 4", "line 5", "is the key"] {
        assert!(failed.contains(wanted), "{failed}");
    }
    assert_eq!(text(&dir, "mappings/people.toml"), before);
}

#[test]
fn cells_of_a_sheet_are_no_formulas() {
    let dir = project();
    let rows = "ID,=cmd|x\n1,a\n";
    std::fs::write(dir.path().join("old/people.csv"), rows).unwrap();
    run(dir.path(), &["map", "export", "people", "--out", "sheet.csv"]).expect(0);
    let sheet = text(&dir, "sheet.csv");
    assert!(sheet.contains(",'=cmd|x,"), "{sheet}");
    let edited = sheet.replace("left behind", "ignored");
    std::fs::write(dir.path().join("sheet.csv"), edited).unwrap();
    run(dir.path(), &["map", "import", "people", "sheet.csv", "--write"]).expect(0);
    assert!(
        text(&dir, "mappings/people.toml").contains("ignore = [\"=cmd|x\"]"),
        "{}",
        text(&dir, "mappings/people.toml")
    );
}

#[test]
fn owners_of_the_sample_project_are_found_and_kept() {
    let demo = demo();
    let dir = demo.path();
    let map = dir.join("maps/owners.csv");
    let known = std::fs::read_to_string(&map).unwrap();
    let truth: std::collections::BTreeMap<String, String> = known
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>())
        .map(|cells| (cells[0].clone(), cells[1].clone()))
        .collect();
    // With the map as it is nothing is open and nothing changes.
    let all = run(dir, &["map", "owners", "legacy:owners", "nova:users", "--write", "--json"]).expect(0).json();
    assert_eq!(all["added"], 0, "{all}");
    assert_eq!(std::fs::read_to_string(&map).unwrap(), known);
    // From nothing.
    std::fs::write(&map, "from,to\n").unwrap();
    let found = run(dir, &["map", "owners", "legacy:owners", "nova:users", "--json"]).expect(0).json();
    let rows = found["rows"].as_array().unwrap();
    let matched: Vec<&Value> = rows.iter().filter(|row| row["state"] == "matched").collect();
    assert!(matched.len() >= 30, "{}", matched.len());
    for row in &matched {
        assert_eq!(truth.get(row["from"].as_str().unwrap()).map(String::as_str), row["to"].as_str(), "{row}");
    }
    assert!(rows.iter().any(|row| row["rows"].as_u64().unwrap() > 0));
    let open: u64 = rows.iter().filter(|row| row["to"].is_null()).count() as u64;
    assert!(open > 0, "those who left have nobody");
    assert_eq!(std::fs::read_to_string(&map).unwrap(), "from,to\n", "nothing before --write");
    run(dir, &["map", "owners", "legacy:owners", "nova:users", "--write", "--fallback", "900"]).expect(0);
    let written = std::fs::read_to_string(&map).unwrap();
    let count = written.lines().filter(|line| line.ends_with(",900")).count() as u64;
    assert_eq!(count, open, "{written}");
    run(dir, &["check"]).expect(0);
    run(dir, &["map", "owners", "legacy", "nova:users"]).expect(2);
}
