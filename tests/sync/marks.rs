//! Deletes that are marked at the target, and records that are pushed, for mappings of either direction.
use super::live::{Kind, Project};
use super::{look, rows, sql};

const MARK: &str = "deletes = \"mark:gone\"\n";
const ROWS: &[(&str, &str)] = &[("1", "Ann"), ("2", "Ben"), ("3", "Cy")];

/// A csv into a table that has a column for the mark.
fn project(sync: &str) -> Project {
    let project = Project::new(Kind::Csv, Kind::Sqlite, "trigger = \"pull\"\n", "", ROWS);
    sql(&project.dir, "new.db", "ALTER TABLE contacts ADD COLUMN gone INTEGER NOT NULL DEFAULT 0");
    let path = project.dir.join("mappings/contacts.toml");
    let mapping = std::fs::read_to_string(&path).unwrap();
    let head = mapping.split("[sync]").next().unwrap().replace("40%", "90%");
    std::fs::write(path, format!("{head}[sync]\n{sync}")).unwrap();
    // The rules are others now: they are confirmed anew.
    project.run(&["plan", "--out", "plan.json"]);
    project.run(&["migrate", "--plan", "plan.json", "--confirm", "new"]).expect(0);
    look(&project.dir, 0);
    project
}

fn target(project: &Project) -> Vec<String> {
    rows(&project.dir, "new.db", "SELECT legacy_id, name, gone FROM contacts ORDER BY legacy_id")
}

fn source(project: &Project) -> String {
    std::fs::read_to_string(project.dir.join("old/contacts.csv")).unwrap()
}

#[test]
fn what_the_source_deletes_is_marked_both_ways_and_a_mark_of_the_target_is_its_own() {
    let project = project(&format!("trigger = \"pull\"\ndirection = \"two-way\"\nconflict = \"ask\"\n{MARK}"));
    assert_eq!(target(&project), ["1|Ann|0", "2|Ben|0", "3|Cy|0"]);
    // Gone at the source: marked, and its row stays as it was.
    project.source(&[("1", "Ann"), ("3", "Cy")]);
    look(&project.dir, 0);
    assert_eq!(target(&project), ["1|Ann|0", "2|Ben|1", "3|Cy|0"]);
    look(&project.dir, 0);
    assert_eq!(source(&project), "ID,NAME\n1,Ann\n3,Cy\n", "it is not made again");
    // There again: it is marked no more.
    project.source(&[("1", "Ann"), ("2", "Ben"), ("3", "Cy")]);
    look(&project.dir, 0);
    assert_eq!(target(&project), ["1|Ann|0", "2|Ben|0", "3|Cy|0"]);
    project.source(&[("1", "Ann"), ("2", "Benny"), ("3", "Cy")]);
    look(&project.dir, 0);
    look(&project.dir, 0);
    // Somebody marks a record at the target that the source has: nobody takes that back, nothing is deleted.
    sql(&project.dir, "new.db", "UPDATE contacts SET gone = 1 WHERE legacy_id = '3'");
    for _ in 0..2 {
        look(&project.dir, 0);
        assert_eq!(target(&project), ["1|Ann|0", "2|Benny|0", "3|Cy|1"]);
    }
    assert_eq!(source(&project), "ID,NAME\n1,Ann\n2,Benny\n3,Cy\n");
    // Its other fields go on both ways.
    project.source(&[("1", "Ann"), ("2", "Benny"), ("3", "Cyril")]);
    look(&project.dir, 0);
    look(&project.dir, 0);
    sql(&project.dir, "new.db", "UPDATE contacts SET name = 'Bea' WHERE legacy_id = '2'");
    look(&project.dir, 0);
    assert_eq!(target(&project), ["1|Ann|0", "2|Bea|0", "3|Cyril|1"]);
    assert_eq!(source(&project), "ID,NAME\n1,Ann\n2,Bea\n3,Cyril\n");
    // What the target deletes stays deleted there; the source keeps it.
    sql(&project.dir, "new.db", "DELETE FROM contacts WHERE legacy_id = '1'");
    look(&project.dir, 0);
    look(&project.dir, 0);
    assert_eq!(target(&project), ["2|Bea|0", "3|Cyril|1"]);
    assert!(source(&project).contains("1,Ann"));
}

fn push(project: &Project, lines: &str) {
    let file = project.dir.join("lines.ndjson");
    std::fs::write(&file, lines).unwrap();
    let done = std::process::Command::new(crate::support::program())
        .args(["push", "contacts"])
        .current_dir(&project.dir)
        .stdin(std::fs::File::open(file).unwrap())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_delete_that_is_pushed_is_marked_too() {
    let project = project(&format!("trigger = \"push\"\nevery = \"1h\"\n{MARK}"));
    push(&project, "{\"delete\": {\"ID\": \"2\"}}\n{\"ID\": \"3\", \"NAME\": \"Cyril\"}\n");
    look(&project.dir, 0);
    assert_eq!(target(&project), ["1|Ann|0", "2|Ben|1", "3|Cyril|0"]);
    look(&project.dir, 0);
    assert_eq!(target(&project), ["1|Ann|0", "2|Ben|1", "3|Cyril|0"], "the source's own rows did not change");
    push(&project, "{\"ID\": \"2\", \"NAME\": \"Benno\"}\n");
    look(&project.dir, 0);
    assert_eq!(target(&project), ["1|Ann|0", "2|Benno|0", "3|Cyril|0"], "pushed again it is there again");
}

#[test]
fn a_delete_that_is_pushed_stands_until_the_row_of_the_source_changes() {
    let project = project("trigger = \"push\"\nevery = \"1h\"\ndeletes = \"propagate\"\n");
    push(&project, "{\"delete\": {\"ID\": \"2\"}}\n");
    for _ in 0..3 {
        look(&project.dir, 0);
        assert_eq!(target(&project), ["1|Ann|0", "3|Cy|0"]);
    }
    project.source(&[("1", "Ann"), ("2", "Benno"), ("3", "Cy")]);
    look(&project.dir, 0);
    assert_eq!(target(&project), ["1|Ann|0", "2|Benno|0", "3|Cy|0"]);
}

#[test]
fn what_is_pushed_for_a_mapping_that_goes_both_ways_is_a_sign_to_look_at_both_sides() {
    let project = project("trigger = \"push\"\nevery = \"1h\"\ndirection = \"two-way\"\nconflict = \"ask\"\n");
    project.source(&[("1", "Anna"), ("2", "Ben"), ("3", "Cy")]);
    sql(&project.dir, "new.db", "UPDATE contacts SET name = 'Cyril' WHERE legacy_id = '3'");
    // What it says is not believed: who changed what only both sides can tell.
    push(&project, "{\"ID\": \"2\", \"NAME\": \"Planted-Pushed\"}\n");
    look(&project.dir, 0);
    look(&project.dir, 0);
    assert_eq!(target(&project), ["1|Anna|0", "2|Ben|0", "3|Cyril|0"]);
    assert_eq!(source(&project), "ID,NAME\n1,Anna\n2,Ben\n3,Cyril\n");
    let waiting = rows(
        &project.dir,
        ".crm-console/sync/default.db",
        "SELECT count(*) FROM pushed WHERE done IS NULL OR record <> '{}'",
    );
    assert_eq!(waiting, ["0"]);
}

#[test]
fn a_person_is_erased_from_what_was_pushed_and_not_handled() {
    let project = project("trigger = \"push\"\nevery = \"1h\"\n");
    push(
        &project,
        "{\"ID\": \"2\", \"NAME\": \"Planted-Unhandled-Qx\"}\n{\"ID\": \"3\", \"NAME\": \"Cyril\"}\n{\"delete\": {\"ID\": \"2\"}}\n",
    );
    let holds = |text: &str| !crate::headless::erase::holders(&project.dir, text).is_empty();
    assert!(holds("Planted-Unhandled-Qx"));
    let done = project.run(&["erase", "contacts", "2", "--confirm", "2", "--json"]).expect(0).json();
    let removed = done["removed"].as_array().unwrap();
    let pushed = removed.iter().find(|part| part["what"] == "events, conflicts and pushed records").unwrap();
    assert_eq!(pushed["rows"].as_u64(), Some(2), "{done}");
    assert!(!holds("Planted-Unhandled-Qx"));
    look(&project.dir, 0);
    assert_eq!(
        target(&project),
        ["1|Ann|0", "2|Ben|0", "3|Cyril|0"],
        "the others are carried over; the platform is not touched"
    );
    assert!(!holds("Planted-Unhandled-Qx"));
    // Pushed once more they are left out.
    push(&project, "{\"ID\": \"2\", \"NAME\": \"Planted-Again-Qx\"}\n");
    look(&project.dir, 0);
    assert_eq!(target(&project)[1], "2|Ben|0");
}
