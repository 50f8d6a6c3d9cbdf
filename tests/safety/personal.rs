//! Personal data of the sample project: masked on every screen and pop-up until it is revealed, in no log and no error.
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::support::command::{demo, run};
use crate::support::terminal::Terminal;

/// What is planted, and what of it nobody may see. No mask shows more than a first letter and a top-level domain.
const FIRST: &str = "Qwillibald";
const LAST: &str = "Xanthippos";
const PHONE: &str = "+4930777123977";
const FAX: &str = "+49 30 777123988";
const HIDDEN: [&str; 9] = [
    "willibald",
    "anthippos",
    "qzmail",
    "planted-domain",
    "777123977",
    "777 123977",
    "1977-07-17",
    "17/07/1977",
    "17.07.1977",
];

/// The sample project with distinctive values in every personal column of both sides, a contact that is rejected and a
/// line that is no row.
fn planted() -> tempfile::TempDir {
    let dir = demo();
    let file = dir.path().join("legacy/contacts.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut contacts = text.lines().next().unwrap().to_owned() + "\n";
    for (at, line) in text.lines().skip(1).take(400).enumerate() {
        let id = line.split(',').next().unwrap();
        let _ = writeln!(
            contacts,
            "{id},{FIRST},{LAST},qzmail{at}@planted-domain.example,{PHONE},{PHONE},Clerk,,mwagner,vip,N,17/07/1977,12/10/2021 12:37,,1"
        );
    }
    let _ = writeln!(contacts, ",{FIRST},{LAST},qzmail@planted-domain.example,{PHONE},,,,,,,,,,");
    let _ = writeln!(contacts, "9,{FIRST},{LAST},qzmail@planted-domain.example");
    std::fs::write(&file, contacts).unwrap();

    // The accounts' file is not UTF-8: its bytes stay, the seventh cell is set.
    let file = dir.path().join("legacy/accounts.csv");
    let bytes = std::fs::read(&file).unwrap();
    let mut accounts = Vec::new();
    for (at, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let mut cells: Vec<&[u8]> = line.split(|byte| *byte == b';').collect();
        if at > 0 && cells.len() > 7 {
            cells[6] = PHONE.as_bytes();
        }
        accounts.extend(cells.join(&b';'));
    }
    std::fs::write(&file, accounts).unwrap();

    let nova = rusqlite::Connection::open(dir.path().join("nova.db")).unwrap();
    nova.execute_batch(&format!(
        "UPDATE contacts SET full_name = '{FIRST} {LAST}', email = 'qzmail' || (id - (SELECT min(id) FROM contacts)) || '@planted-domain.example',
           phone = '{PHONE}', mobile = '{PHONE}', birth_date = '1977-07-17';
         UPDATE accounts SET phone = '{PHONE}';"
    ))
    .unwrap();
    dir
}

#[track_caller]
fn masked(terminal: &Terminal, after: &str) {
    let text = terminal.text();
    for hidden in HIDDEN {
        assert!(!text.contains(hidden), "{hidden:?} after {after}:\n{text}");
    }
}

/// Each key of a screen's row is pressed; what must be seen for the walk to be worth something stands behind `=`.
const WALK: &[&str] = &[
    // Data: objects of both sides, rows, columns, profiles, pieces that are no rows, choosing columns and objects.
    "1",
    "<down>",
    "<enter>=FIRST_NM",
    "<right>",
    "<tab>=top",
    "<right>",
    "<right>",
    "<right>",
    "<right>",
    "<right>",
    "<tab>",
    "r=not rows",
    "<esc>",
    "f",
    "<esc>",
    "<pgdn>",
    "q",
    "o",
    "nova:contacts<enter>=full_name",
    "<tab>=top",
    "<right>",
    "<right>",
    "<right>",
    "<right>",
    "<right>",
    "<tab>",
    "q",
    // Map: every field's evidence, links, options, editors, value maps, columns left behind.
    "2",
    "]=MAP contacts",
    "<down>",
    "<down>",
    "<down>",
    "<down>",
    "<down>",
    "<down>",
    "g",
    "narrow:<space>=What fills",
    "narrow:<esc>",
    "<enter>=on real rows",
    "<esc>",
    "/email<enter>",
    "<enter>=on real rows",
    "<esc>",
    "v=SOURCE VALUE",
    "<enter>=masked",
    "q",
    "b=Left behind",
    "<esc>",
    "o",
    "<esc>",
    // Clean: each field's cells and one cell's steps.
    "3",
    "g",
    "<down>",
    "<down>",
    "<down>",
    "<down>",
    "/email<enter>",
    "<tab>",
    "<enter>=of row",
    "<esc>",
    "<down>",
    "<enter>=of row",
    "<esc>",
    "<tab>",
    "f",
    "f",
    "f",
    // Diff: the rows behind every count, whole, and rejects.
    "p=PLAN ",
    "<down>",
    "<tab>",
    "<enter>=record",
    "<esc>",
    "<tab>",
    "<left>",
    "<left>",
    "<tab>",
    "<enter>=record",
    "<esc>",
    "<tab>",
    "<right>",
    "<right>",
    "<tab>",
    "<down>",
    "<enter>",
    "<esc>",
    "<tab>",
    "r=REJECTS",
    "<enter>=line",
    "<down>",
    "<enter>=step",
    "<esc>",
    "<down>",
    "<enter>=step",
    "<esc>",
];

#[test]
fn planted_values_are_on_no_screen_until_they_are_revealed_and_in_no_log() {
    let dir = planted();
    let dir = dir.path();
    for size in [(80, 24), (160, 45)] {
        let session = dir.join(".crm-console/session.json");
        if session.exists() {
            std::fs::remove_file(&session).unwrap();
        }
        let mut terminal = Terminal::open(dir, size);
        terminal.see("MAP accounts");
        for step in WALK {
            // Where both lists are shown, this key links at once: nothing is to be picked.
            let step = match step.strip_prefix("narrow:") {
                Some(_) if size.0 >= 100 => continue,
                other => other.unwrap_or(step),
            };
            let (keys, seen) = step.split_once('=').unwrap_or((step, ""));
            terminal.keys(keys);
            terminal.see(seen);
            masked(&terminal, step);
        }
        // What is revealed is there: the walk would prove nothing otherwise. Another screen covers it again.
        // The inbox left another mapping at hand.
        terminal.keys("2[");
        terminal.see("1 fails");
        terminal.keys("/email<enter>X");
        terminal.see("planted-domain");
        terminal.keys("32");
        terminal.see("MAP contacts");
        masked(&terminal, "coming back");
    }

    let mut terminal = Terminal::open(dir, (80, 24));
    terminal.keys("4");
    terminal.see("PLAN");
    terminal.keys("p");
    terminal.see("PLAN ");
    terminal.keys("M");
    terminal.see("Type nova to confirm");
    terminal.keys("nova<enter>");
    terminal.see("rejects and held rows by cause");
    masked(&terminal, "the run");
    for keys in ["<enter>", "<esc>", "<down>", "<enter>", "<esc>", "<down>", "<enter>"] {
        terminal.keys(keys);
        masked(&terminal, keys);
    }
    terminal.keys("<esc>6<enter>");
    terminal.see("rejects and held rows by cause");
    for keys in ["<down>", "<enter>"] {
        terminal.keys(keys);
        masked(&terminal, keys);
    }
    drop(terminal);

    // Headless: what tells of rows without being asked for them.
    for arguments in [
        &["check"][..],
        &["plan"],
        &["plan", "--json"],
        &["runs", "--json"],
        &["verify"],
        &["preview"],
        &["rejects", "list"],
        &["doctor"],
        &["rejects", "show", "contacts", "999"],
        &["show", "legacy/contacts.csv", "--columns", "NONE"],
    ] {
        let answer = run(dir, arguments);
        for (stream, text) in [("stdout", &answer.out), ("stderr", &answer.err)] {
            for hidden in HIDDEN.iter().chain(&[FAX]) {
                assert!(!text.contains(hidden), "{hidden:?} in {stream} of {arguments:?}:\n{text}");
            }
        }
    }
    let logs = logs(&dir.join(".crm-console"));
    assert!(!logs.is_empty(), "there are logs to look at");
    for log in logs {
        let text = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
        for hidden in HIDDEN {
            assert!(!text.contains(hidden), "{hidden:?} in {}", log.display());
        }
    }
}

/// Logs, plans and reports of a state folder; snapshots, rejects and images of rows hold data on purpose.
fn logs(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let kind = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(logs(&path));
        } else if ["log", "html", "jsonl"].contains(&kind.as_str())
            || name.starts_with("control.db")
            || name == "plan.json"
        {
            found.push(path);
        }
    }
    found
}
