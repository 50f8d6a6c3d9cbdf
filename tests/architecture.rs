//! The walls that crates cannot keep: who may know whom within a crate, and what no source file may hold.
use std::path::{Path, PathBuf};

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

/// Code lines: comments may name what code may not.
fn offenders(folder: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources(folder) {
        for (at, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            found.extend(
                words
                    .iter()
                    .filter(|word| code.contains(**word))
                    .map(|word| format!("{}:{} has '{word}'", path.display(), at + 1)),
            );
        }
    }
    found
}

#[test]
fn the_state_of_the_screen_knows_no_terminal_and_no_table_engine() {
    let words = ["ratatui", "crossterm", "polars", "std::fs", "std::thread", "Instant::now", "SystemTime"];
    assert_eq!(offenders("src/tui/app", &words), Vec::<String>::new());
}

#[test]
fn drawing_reads_state_and_nothing_else() {
    let words = ["polars", "std::fs", "std::thread", "Workspace", "crossterm", ".lazy()", "Connector"];
    assert_eq!(offenders("src/tui/view", &words), Vec::<String>::new());
}

#[test]
fn the_core_knows_no_screen_and_prints_nothing() {
    let words = ["ratatui", "crossterm", "println!", "eprintln!", "print!(", "stdout()", "stderr()", "dbg!"];
    // Tests may say which seed they run on, and what they measured.
    let is_test = |line: &String| line.contains("/tests/") || line.contains("/tests.rs:");
    let found: Vec<String> = offenders("src/core", &words).into_iter().filter(|line| !is_test(line)).collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn connectors_know_no_screen_and_print_nothing() {
    let words = ["ratatui", "crossterm", "println!", "eprintln!", "crm_tui", "dbg!"];
    // Tests may say what they leave out and on which seed they run.
    let found: Vec<String> =
        offenders("src/connect", &words).into_iter().filter(|line| !line.contains("tests.rs")).collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn nothing_is_left_undone_in_the_sources() {
    let words = ["todo!(", "unimplemented!(", "unsafe {"];
    assert_eq!(offenders("src", &words), Vec::<String>::new());
}

#[test]
fn files_have_one_duty() {
    let long: Vec<String> = sources("src")
        .into_iter()
        .filter(|(path, _)| !path.to_string_lossy().contains("tests"))
        .map(|(path, text)| {
            // Tests at the end of a file are beside its duty.
            let code = text.split("#[cfg(test)]").next().unwrap_or_default().lines().count();
            (path, code)
        })
        .filter(|(_, lines)| *lines > 600)
        .map(|(path, lines)| format!("{} has {lines} lines", path.display()))
        .collect();
    assert_eq!(long, Vec::<String>::new());
}
