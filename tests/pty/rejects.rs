//! Rejects with keys alone: the demo is run, three rejects are corrected in the inbox, replayed, and the rest follows.
use rusqlite::Connection;

use crate::support::command::{demo, run};
use crate::support::terminal::Terminal;

const SIZE: (u16, u16) = (80, 24);

#[test]
fn three_rejects_are_mended_and_replayed_with_keys_alone() {
    let dir = demo();
    let dir = dir.path();
    let mut terminal = Terminal::open(dir, SIZE);
    terminal.see("MAP accounts");
    terminal.keys("p");
    terminal.see("PLAN ");
    terminal.keys("M");
    terminal.see("Type nova to confirm");
    terminal.keys("nova<enter>");
    terminal.see("consistency 99.88 %");
    terminal.see("is not in the value map");

    // The inbox: one cause. Its first three rows are corrected cell by cell.
    terminal.keys("r");
    terminal.see("REJECTS of run");
    let text = terminal.see("9 of 9 open");
    assert!(text.contains("stage: is not in the value map"), "{text}");
    terminal.keys("<enter>");
    for n in 1..=3 {
        terminal.keys("<down><enter>");
        terminal.see("steps of the fields that read STG");
        terminal.see("values fails");
        terminal.keys("<enter>");
        terminal.see("STG becomes");
        terminal.keys("<bs>G");
        terminal.see("the row passes all its steps so");
        terminal.keys("<enter>");
        terminal.see(&format!("{n} mended"));
        terminal.keys("q");
        terminal.see("what waits for it");
    }
    // One correction too many is taken back.
    terminal.keys("<down><enter>");
    terminal.see("steps of the fields that read STG");
    terminal.see("values fails");
    terminal.keys("<enter>");
    terminal.see("STG becomes");
    terminal.keys("<bs>P<enter>");
    terminal.see("4 mended");
    terminal.keys("u");
    terminal.see("3 mended");
    terminal.keys("q");
    terminal.see("what waits for it");

    // Replay what is mended: a plan like every other, of three rows.
    terminal.keys("T");
    terminal.see("retry of");
    terminal.keys("M");
    terminal.see("Type nova to confirm");
    terminal.keys("nova<enter>");
    terminal.see("consistency 100 %");
    terminal.keys("r");
    terminal.see("6 of 9 open");
    terminal.see("3 released");

    // The rest: the same correction to all that are like one.
    terminal.keys("<home><enter>");
    terminal.see("released");
    terminal.keys("<down><down><down><down><enter>");
    terminal.see("steps of the fields that read STG");
    terminal.see("values fails");
    terminal.keys("<enter>");
    terminal.see("STG becomes");
    terminal.keys("<bs>G<enter>");
    terminal.see("1 mended");
    terminal.keys("a");
    terminal.see("6 mended");
    terminal.keys("T");
    terminal.see("retry of");
    terminal.keys("M");
    terminal.see("Type nova to confirm");
    terminal.keys("nova<enter>");
    terminal.see("consistency 100 %");
    terminal.keys("r");
    terminal.see("0 of 9 open");
    terminal.see("nothing is left");
    assert_eq!(terminal.strange(), Vec::<String>::new());
    drop(terminal);

    let corrections = std::fs::read_to_string(dir.join("maps/deals.corrections.csv")).unwrap();
    assert_eq!(corrections.lines().count(), 10, "{corrections}");
    assert!(corrections.lines().skip(1).all(|line| line.ends_with(",STG,W,G")), "{corrections}");
    let won: i64 = Connection::open(dir.join("nova.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM deals WHERE legacy_id IS NOT NULL AND stage = 'won'", [], |row| row.get(0))
        .unwrap();
    // Without a screen the same files say the same: nothing is left to do.
    run(dir, &["plan"]).expect(0);
    let fresh = demo();
    let fresh = fresh.path();
    for file in ["mappings/deals.toml", "maps/deals.corrections.csv"] {
        std::fs::copy(dir.join(file), fresh.join(file)).unwrap();
    }
    run(fresh, &["plan", "--out", "plan.json"]).expect(1);
    let headless = run(fresh, &["migrate", "--plan", "plan.json", "--confirm", "nova", "--json"]).expect(0).json();
    assert_eq!(headless["consistency"], 1.0);
    let same: i64 = Connection::open(fresh.join("nova.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM deals WHERE legacy_id IS NOT NULL AND stage = 'won'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(won, same);
}
