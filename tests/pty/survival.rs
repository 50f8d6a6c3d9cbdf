//! A run outlives its screen; a screen lives with whatever terminal it is given.
use std::path::{Path, PathBuf};

use crate::support::command::{demo, run};
use crate::support::gate::Gate;
use crate::support::terminal::{Start, Terminal};

fn open_with(dir: &Path, size: (u16, u16), env: &[(&str, &str)]) -> Terminal {
    let arguments = vec!["-C".to_owned(), dir.display().to_string()];
    Terminal::start(&Start { arguments, size, env })
}

/// A screen on the sample project with a run that stands right before its first publish.
fn with_a_run() -> (tempfile::TempDir, Terminal, Gate) {
    let dir = demo();
    let mut gate = Gate::new(dir.path(), "before-publish");
    let fault = gate.fault();
    let mut terminal = open_with(dir.path(), (80, 24), &[("CRM_CONSOLE_FAULT", &fault)]);
    terminal.see("MAP accounts");
    terminal.keys("p");
    terminal.see("PLAN ");
    terminal.keys("Mnova<enter>");
    terminal.see("1 run active");
    gate.reached();
    (dir, terminal, gate)
}

fn newest(dir: &Path) -> serde_json::Value {
    run(dir, &["runs", "--json"]).expect(0).lines().remove(0)
}

/// The next screen begins with the run that is at work, and sees it end as if nothing had happened.
fn goes_on(dir: &Path, mut gate: Gate) {
    assert_eq!(newest(dir)["state"], "running");
    let next = Terminal::open(dir, (80, 24));
    next.see("1 run active");
    next.wait("the run on the screen", |text, _| text.contains("RUN "));
    gate.open();
    next.see("consistency 99.88 %");
    let ended = newest(dir);
    assert_eq!(ended["state"], "done");
    assert!(ended["results"].as_array().unwrap().iter().all(|result| result["closes"] == true));
}

#[test]
fn a_killed_screen_changes_nothing_for_the_run() {
    let (dir, mut terminal, gate) = with_a_run();
    terminal.kill();
    goes_on(dir.path(), gate);
}

#[test]
fn a_lost_terminal_ends_the_screen_with_129_and_leaves_the_run() {
    let (dir, mut terminal, gate) = with_a_run();
    assert_eq!(terminal.hang_up(), 129);
    goes_on(dir.path(), gate);
}

#[test]
fn a_cancelled_run_leaves_the_target_as_it_was() {
    let (dir, mut terminal, mut gate) = with_a_run();
    let before = std::fs::read(dir.path().join("nova-sandbox.db")).unwrap();
    terminal.keys("c");
    terminal.see("Cancel the run");
    terminal.keys("y");
    terminal.see("cancelling");
    gate.open();
    terminal.see("cancelled");
    assert_eq!(newest(dir.path())["state"], "cancelled");
    let db = rusqlite::Connection::open(dir.path().join("nova.db")).unwrap();
    let count: i64 = db.query_row("SELECT count(*) FROM accounts", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 90);
    assert!(before == std::fs::read(dir.path().join("nova-sandbox.db")).unwrap());
}

#[test]
fn any_size_will_do_at_any_time() {
    let (_dir, mut terminal, mut gate) = with_a_run();
    let head = |terminal: &Terminal| terminal.wait("tabs", |text, _| text.contains("1 Data 2 Map"));
    for (columns, rows) in [(200, 50), (61, 17), (100, 30)] {
        terminal.resize(columns, rows);
        head(&terminal);
        for screen in ["1", "2", "3", "4", "5", "6"] {
            terminal.keys(screen);
        }
    }
    terminal.resize(30, 8);
    terminal.wait("words about the size", |text, _| text.contains("60") && text.contains("16"));
    terminal.keys("?<esc>");
    terminal.resize(1, 1);
    terminal.resize(80, 24);
    head(&terminal);
    gate.open();
    terminal.keys("5");
    terminal.see("consistency 99.88 %");
    assert_eq!(terminal.strange(), Vec::<String>::new());
}

/// Visits every screen, help and palette, and hands each screen's text to a look.
fn tour(terminal: &mut Terminal, mut look: impl FnMut(&Terminal)) {
    terminal.see("MAP accounts");
    for keys in ["1", "2", "3", "4", "p", "5", "6", "?", "<esc>", ":", "<esc>"] {
        terminal.keys(keys);
        look(terminal);
    }
}

#[test]
fn no_color_keeps_the_selection_visible() {
    let dir = demo();
    let mut terminal = open_with(dir.path(), (80, 24), &[("NO_COLOR", "1")]);
    tour(&mut terminal, |terminal| {
        let marked = terminal.screen(|screen| {
            let mut marked = false;
            for row in 0..24 {
                for column in 0..80 {
                    let Some(cell) = screen.cell(row, column) else { continue };
                    let plain = vt100::Color::Default;
                    assert_eq!((cell.fgcolor(), cell.bgcolor()), (plain, plain), "a colour at {row}, {column}");
                    marked |= cell.inverse() || cell.bold();
                }
            }
            marked
        });
        assert!(marked, "nothing shows what is selected:\n{}", terminal.text());
    });
}

#[test]
fn a_terminal_without_utf8_gets_ascii_alone() {
    let dir: tempfile::TempDir = demo();
    let mut terminal = open_with(dir.path(), (80, 24), &[("LANG", "C")]);
    tour(&mut terminal, |terminal| {
        // Cells of the data itself may be anything; the objects here are shown by frames and headings.
        let text = terminal.text();
        let frame: PathBuf = dir.path().to_path_buf();
        let strange: String = text.chars().filter(|char| !char.is_ascii()).collect();
        assert!(strange.is_empty(), "{strange:?} in {}:\n{text}", frame.display());
    });
}

#[test]
fn suspended_the_shell_has_its_terminal_back_and_fg_brings_the_screen() {
    let dir = demo();
    let mut terminal = Terminal::shell((80, 24));
    terminal.wait("the shell", |text, _| text.contains("shell> "));
    terminal.send(format!("{} -C {}\r", crate::support::program(), dir.path().display()).as_bytes());
    terminal.see("MAP accounts");
    for sum in [42, 43] {
        terminal.send(b"\x1a");
        terminal.wait("the prompt", |text, _| text.trim_end().ends_with("shell>") && !text.contains("MAP accounts"));
        assert!(!terminal.screen(vt100::Screen::hide_cursor), "the shell has its cursor");
        // What is typed is echoed and run: the terminal is in its ordinary mode again.
        terminal.send(format!("echo $(({} + 2))\r", sum - 2).as_bytes());
        terminal.wait("the shell's answer", |text, _| text.lines().any(|line| line.trim() == sum.to_string()));
        terminal.send(b"fg\r");
        terminal.wait("the screen", |text, _| text.contains("MAP accounts"));
    }
    terminal.send(b"1");
    terminal.wait("the Data screen", |text, _| text.contains("objects of all platforms"));
    assert_eq!(terminal.strange(), Vec::<String>::new());
    terminal.send(b"q");
    terminal.wait("the prompt", |text, _| text.trim_end().ends_with("shell>"));
}
