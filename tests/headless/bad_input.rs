//! Bad input gets a clear error that says what to do, the right exit code, and nothing written.
use crate::support::command::{folder, run};

#[test]
fn files_that_cannot_be_read() {
    let dir = folder(&[("empty.csv", ""), ("header.csv", "id,name\n"), ("sub/x.csv", "id\n1\n")]);
    let missing = run(dir.path(), &["show", "nothere.csv"]);
    assert!(missing.code == 4 || missing.code == 2, "{}", missing.code);
    assert!(missing.err.contains("nothere.csv"), "{}", missing.err);
    let folder = run(dir.path(), &["sniff", "sub"]);
    assert_ne!(folder.code, 0);
    assert!(folder.err.contains("folder") || folder.err.contains("directory"), "{}", folder.err);
    let empty = run(dir.path(), &["show", "empty.csv"]);
    assert_ne!(empty.code, 0);
    assert!(empty.err.contains("empty"), "{}", empty.err);
    // A header alone is a table without rows, not an error.
    assert_eq!(run(dir.path(), &["show", "header.csv", "--json"]).expect(0).out, "");
}

#[test]
fn ragged_lines_become_rejects_and_nothing_shifts() {
    let dir = folder(&[("r.csv", "id,name,city\n1,Ann,Bonn\n2,Ben\n3,Cy,Oslo,extra\n4,Di,Bern\n5,Ed,Rome,,\n")]);
    let shown = run(dir.path(), &["show", "r.csv", "--json"]).expect(0);
    // Delimiters at the end of a line lose nothing and shift nothing.
    assert_eq!(shown.lines().len(), 3);
    assert!(shown.err.contains("line 3"), "{}", shown.err);
    assert!(shown.err.contains("line 4"), "{}", shown.err);
    // Places, never contents.
    assert!(!shown.err.contains("Cy"), "{}", shown.err);
}

#[test]
fn usage_errors_name_the_nearest() {
    let dir = folder(&[("project.toml", "[platforms.old]\nkind = \"csvv\"\npath = \"old\"\n")]);
    let wrong = run(dir.path(), &["check"]);
    assert_eq!(wrong.code, 2, "{}{}", wrong.out, wrong.err);
    assert!(format!("{}{}", wrong.out, wrong.err).contains("csv"), "{}{}", wrong.out, wrong.err);
    let none = tempfile::tempdir().unwrap();
    let wrong = run(none.path(), &["check"]).expect(2);
    assert!(wrong.err.contains("project.toml"), "{}", wrong.err);
}
