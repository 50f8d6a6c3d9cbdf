//! Two plain files and nothing else: suggestions, the diff, a plan, and no trace but where the program says.
use std::path::{Path, PathBuf};

use crate::support::command::folder;
use crate::support::terminal::{Start, Terminal};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn two_files_open_with_suggestions_and_leave_a_project_only_where_it_is_named() {
    let dir = folder(&[
        (
            "old.csv",
            "CONTACT_ID,FIRST_NM,LAST_NM,EMAIL_ADDR,NO_MAIL\n7,Ann,Lee,ANN@example.com,N\n8,Ben,Ray,ben@example.com,J\n",
        ),
        ("new.csv", "id,first_name,last_name,email,opt_out\n7,Ann,Lee,ann@example.com,\n"),
        ("tmp/.keep", ""),
    ]);
    let path = |name: &str| dir.path().join(name);
    let before = std::fs::read(path("new.csv")).unwrap();
    let arguments = ["old.csv", "new.csv"].map(|name| path(name).display().to_string()).to_vec();
    let temporary = path("tmp").display().to_string();
    let mut terminal = Terminal::start(&Start { arguments, size: (80, 24), env: &[("TMPDIR", &temporary)] });

    let shown = terminal.see("5 of 5 mapped");
    assert!(shown.contains("MAP old") && shown.contains("EMAIL_ADDR"), "what is sure is linked:\n{shown}");
    // One is taken back and accepted again as the suggestion that it is.
    terminal.keys("/opt_out<enter>d");
    terminal.see("NO_MAIL?");
    terminal.keys("a");
    terminal.see("5 of 5 mapped");
    terminal.keys("p");
    let shown = terminal.see("PLAN ");
    assert!(shown.contains("rows to change"), "the diff of the row that both have:\n{shown}");
    terminal.keys("<left>");
    terminal.see("rows to insert");
    assert_eq!(std::fs::read(path("new.csv")).unwrap(), before, "a plan writes nothing");
    // It ends by that key, so no frame follows.
    terminal.send(b"q");
    assert_eq!(terminal.end(), 0);
    terminal.wait_for_end();

    assert_eq!(names(dir.path()), ["new.csv", "old.csv", "tmp"]);
    let made: Vec<String> = names(&path("tmp")).into_iter().filter(|name| name != ".keep").collect();
    assert_eq!(made.len(), 1, "{made:?}");
    let project: PathBuf = path("tmp").join(&made[0]);
    let said = terminal.text().replace(['\n', ' '], "");
    assert!(said.contains(&format!("crm-console-C{}", project.display())), "{said}");
    assert!(project.join("mappings/old.toml").exists());
    assert_eq!(std::fs::read(path("new.csv")).unwrap(), before);
}
