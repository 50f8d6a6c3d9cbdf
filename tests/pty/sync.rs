//! Sync with keys alone, at 80x24: started from the screen, a change carried over, found again by the next screen, ended.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::support::command::{demo, folder, run};
use crate::support::terminal::Terminal;

const SIZE: (u16, u16) = (80, 24);

/// Ends the loop of a project whatever becomes of the test: a loop has no terminal that could take it along.
struct SyncGuard(PathBuf);

impl Drop for SyncGuard {
    fn drop(&mut self) {
        let status = run(&self.0, &["status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&status.out).unwrap_or_default();
        if status["alive"] != true {
            return;
        }
        run(&self.0, &["sync", "--stop"]);
        let patience = Instant::now() + Duration::from_secs(20);
        while Instant::now() < patience {
            let status = run(&self.0, &["status", "--json"]);
            if !status.out.contains("\"alive\":true") && !status.out.contains("\"alive\": true") {
                return;
            }
        }
        let pid = status["loop"]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// The sample project, migrated, with accounts to be kept in sync.
fn migrated() -> (tempfile::TempDir, SyncGuard) {
    let dir = demo();
    let root = dir.path();
    let file = root.join("mappings/accounts.toml");
    let mapping = std::fs::read_to_string(&file).unwrap();
    let sync = "\n[sync]\ntrigger = \"observe\"\nfreshness = \"60s\"\nmax_changes = \"5%/10m\"\n";
    std::fs::write(&file, mapping + sync).unwrap();
    run(root, &["plan", "accounts", "--out", "plan.json"]).expect(1);
    run(root, &["migrate", "accounts", "--plan", "plan.json", "--confirm", "nova"]).expect(0);
    let guard = SyncGuard(root.to_owned());
    (dir, guard)
}

/// Two small CRMs that go both ways; both changed the same field of one record, and of another one of them.
fn clashing() -> (tempfile::TempDir, SyncGuard) {
    let project =
        "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"sqlite\"\npath = \"new.db\"\n";
    let mapping = "from = \"old:contacts\"\nto = \"new:contacts\"\nkey = [\"legacy_id\"]\n\n[fields]\nlegacy_id = \"ID\"\n\
        name = { from = \"NAME\", pii = true }\nstage = \"STG\"\n\n\
        [sync]\ntrigger = \"observe\"\ndirection = \"two-way\"\nconflict = \"ask\"\n";
    let old = "ID,NAME,STG\n1,Ann,lead\n2,Ben,lead\n3,Cy,lead\n";
    let dir = folder(&[("project.toml", project), ("mappings/contacts.toml", mapping), ("old/contacts.csv", old)]);
    let root = dir.path();
    let db = Connection::open(root.join("new.db")).unwrap();
    let schema = "CREATE TABLE contacts (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT, stage TEXT)";
    db.execute_batch(schema).unwrap();
    run(root, &["plan", "--out", "plan.json"]).expect(1);
    run(root, &["migrate", "--plan", "plan.json", "--confirm", "new"]).expect(0);
    run(root, &["sync", "--once"]).expect(0);
    let guard = SyncGuard(root.to_owned());
    let old = old.replace("1,Ann,lead", "1,Anna,won").replace("2,Ben,lead", "2,Benny,won");
    std::fs::write(root.join("old/contacts.csv"), old).unwrap();
    let there = "UPDATE contacts SET name = 'Annette', stage = 'lost' WHERE legacy_id = '1';
        UPDATE contacts SET name = 'Benjamin', stage = 'lost' WHERE legacy_id = '2';";
    db.execute_batch(there).unwrap();
    (dir, guard)
}

#[test]
fn conflicts_are_decided_by_field_and_alike_with_keys_and_written_to_both_sides() {
    let (dir, guard) = clashing();
    let root = dir.path();
    run(root, &["sync", "--detach"]).expect(0);
    let mut terminal = Terminal::open(root, SIZE);
    terminal.see("MAP contacts");
    // Wherever one is, what is wrong with sync is seen.
    terminal.wait("the alarm on another screen", |text, beside| {
        text.contains("! sync CONFLICTS") && beside.title.starts_with("crm-console sync CONFLICTS contacts")
    });
    terminal.keys("9");
    terminal.wait("the conflicts", |text, _| text.contains("! contacts") && text.contains("2 conflicts wait: c"));
    terminal.keys("c");
    let shown = terminal.wait("the inbox", |text, _| text.contains("> TARGET") && text.contains("open"));
    assert!(!shown.contains("Anna") && !shown.contains("Benny"), "names are personal:\n{shown}");
    terminal.keys("x");
    let shown = terminal.see("Anna");
    assert!(shown.contains("Annette"), "{shown}");
    // By field: the name of the one side, the stage of the other. Nothing is written before it is handed over.
    terminal.keys("<enter>");
    terminal.keys("<");
    terminal.see("1 of 2 open");
    terminal.keys(">");
    terminal.see("decided, w writes");
    terminal.keys("uu");
    terminal
        .wait("both are open again", |text, _| !text.contains("decided, w writes") && !text.contains("1 of 2 open"));
    terminal.keys("<");
    terminal.see("1 of 2 open");
    terminal.keys(">");
    terminal.see("decided, w writes");
    let db = Connection::open(root.join("new.db")).unwrap();
    db.busy_timeout(Duration::from_secs(20)).unwrap();
    let row = |id: &str| -> String {
        let sql = "SELECT name || ' ' || stage FROM contacts WHERE legacy_id = ?1";
        db.query_row(sql, [id], |row| row.get(0)).unwrap()
    };
    assert_eq!(row("1"), "Annette lost");
    terminal.keys("w");
    terminal.wait("the first is written and gone", |text, _| text.contains("Benny") && !text.contains("Annette"));
    assert_eq!(row("1"), "Anna lost");
    let old = std::fs::read_to_string(root.join("old/contacts.csv")).unwrap();
    assert!(old.contains("1,Anna,lost"), "{old}");
    // In the list a key decides the whole record.
    terminal.keys(">");
    terminal.see("decided, w writes");
    terminal.keys("w");
    terminal.wait("none is left", |text, _| text.contains("No conflict waits"));
    let old = std::fs::read_to_string(root.join("old/contacts.csv")).unwrap();
    assert!(old.contains("2,Benjamin,lost"), "{old}");
    terminal.keys("q");
    terminal.wait("all is well", |text, beside| text.contains("+ contacts") && beside.title.contains("sync ok"));
    // The bell rings where the conflicts come up after the screen.
    let strange: Vec<String> = terminal.strange().into_iter().filter(|what| what != "bell").collect();
    assert_eq!(strange, Vec::<String>::new());
    drop(guard);
}

/// The street of an account in the new CRM.
fn street(root: &Path, legacy_id: &str) -> String {
    let db = Connection::open(root.join("nova.db")).unwrap();
    db.busy_timeout(Duration::from_secs(20)).unwrap();
    db.query_row("SELECT street FROM accounts WHERE legacy_id = ?1", [legacy_id], |row| row.get(0)).unwrap()
}

/// Sets the street of the first account in the old CRM's file; answers its number and the street as it was.
fn change_source(root: &Path, to: &str) -> (String, String) {
    let file = root.join("legacy/accounts.csv");
    // A byte is a letter in that file.
    let text: String = std::fs::read(&file).unwrap().into_iter().map(char::from).collect();
    let mut lines = text.split_inclusive('\n');
    let head = lines.next().unwrap();
    let names: Vec<&str> = head.trim_end().split(';').collect();
    let place = |name: &str| names.iter().position(|one| *one == name).unwrap();
    let (number, street, status) = (place("ACCT_NO"), place("STREET"), place("STATUS"));
    // A line that reads the same with and without quotes, and is carried over.
    let line = lines
        .find(|line| {
            let cells: Vec<&str> = line.trim_end().split(';').collect();
            !line.contains('"') && cells.len() == names.len() && cells[status] == "A" && !cells[street].is_empty()
        })
        .unwrap();
    let mut cells: Vec<&str> = line.trim_end().split(';').collect();
    let (id, old) = (cells[number].trim().to_owned(), cells[street].to_owned());
    cells[street] = to;
    let end = &line[line.trim_end().len()..];
    let changed = text.replacen(line, &(cells.join(";") + end), 1);
    let temporary = root.join("legacy/accounts.new");
    let bytes: Vec<u8> = changed.chars().map(|letter| u8::try_from(letter).unwrap()).collect();
    std::fs::write(&temporary, bytes).unwrap();
    std::fs::rename(temporary, file).unwrap();
    (id, old)
}

#[test]
fn sync_is_started_watched_left_found_again_and_ended_with_keys_alone() {
    let (dir, guard) = migrated();
    let root = dir.path();
    let mut terminal = Terminal::open(root, SIZE);
    terminal.see("MAP accounts");
    terminal.keys("9");
    terminal.see("Sync was never started here");
    terminal.keys("S");
    let asked = terminal.see("Type nova to confirm");
    assert!(asked.contains("legacy:accounts -> nova:accounts, observe"), "{asked}");
    assert!(asked.contains("what is gone stays"), "{asked}");
    terminal.keys("nova<enter>");
    terminal.wait("the lane is well", |text, _| text.contains("+ accounts") && text.contains("heartbeat ok"));
    let title = terminal.title();
    assert!(title.starts_with("crm-console sync ok"), "{title}");

    let (id, old) = change_source(root, "Neue Gasse 7");
    assert_eq!(street(root, &id), old, "what was migrated");
    let shown = terminal.wait("the event", |text, _| text.contains("written") && text.contains(&id));
    assert!(shown.contains("update"), "{shown}");
    assert_eq!(street(root, &id), "Neue Gasse 7", "acknowledged is written");
    // Both scores: nothing is in flight, and the event was on time.
    let shown = terminal.wait("both scores", |text, _| text.contains("on time 100 %") && text.contains("consistent "));
    assert!(shown.contains("oldest none"), "{shown}");
    terminal.keys("<tab><enter>");
    let shown = terminal.see("after the change");
    assert!(shown.contains("outcome       written"), "{shown}");
    terminal.keys("<esc>T");
    terminal.see("Trace of accounts");
    terminal.keys("<esc>q");
    assert_eq!(terminal.strange(), Vec::<String>::new());
    // Out of the list, out of the program: the loop goes on.
    terminal.send(b"q");
    assert_eq!(terminal.end(), 0);
    drop(terminal);
    let status = run(root, &["status", "--json"]).expect(0).json();
    assert_eq!((&status["alive"], &status["lanes"][0]["state"]), (&true.into(), &"ok".into()), "{status}");
    let pid = status["loop"]["pid"].clone();

    let mut next = Terminal::open(root, SIZE);
    next.wait("the next screen begins where this one ended", |text, _| {
        text.contains("heartbeat ok") && text.contains("+ accounts") && text.contains(&id)
    });
    assert!(next.text().contains(&format!("process {pid}")), "{}", next.text());
    next.keys("p");
    next.wait("the lane is paused", |text, _| text.contains("= accounts"));
    next.keys("p");
    next.wait("the lane goes on", |text, _| text.contains("+ accounts"));
    next.keys("E");
    next.see("End sync");
    next.keys("y");
    next.wait("the loop has ended", |text, beside| {
        text.contains("not running, ended") && beside.title.contains("sync stopped")
    });
    assert_eq!(run(root, &["status", "--json"]).expect(0).json()["alive"], false);
    assert_eq!(next.strange(), Vec::<String>::new());
    drop(guard);
}

#[test]
fn a_sync_screen_at_rest_writes_little_more_than_its_clock() {
    let (dir, guard) = migrated();
    let root = dir.path();
    run(root, &["sync", "--detach"]).expect(0);
    let terminal = {
        let mut terminal = Terminal::open(root, SIZE);
        terminal.keys("9");
        terminal.wait("a lane at rest", |text, beside| {
            text.contains("SYNC 1 ok") && text.contains("consistent 100 %") && beside.title.contains("sync ok")
        });
        terminal
    };
    // The loop's own signs of life tell how much time went by, whatever the machine does meanwhile.
    let beat = || run(root, &["status", "--json"]).json()["loop"]["heartbeat"].as_i64().unwrap();
    let (patience, begun) = (Instant::now() + Duration::from_secs(120), Instant::now());
    let (from, before, written) = (beat(), terminal.text(), terminal.written());
    while beat() < from + 10_000 {
        assert!(Instant::now() < patience, "the loop lives");
        std::thread::park_timeout(Duration::from_millis(250));
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (after, written) = (terminal.text(), terminal.written() - written);
    let rate = written as f64 / seconds;
    println!("{written} bytes in {seconds:.1} s: {rate:.0} a second");
    assert!(rate < 250.0, "{rate:.0} bytes a second are more than a clock");
    let changed: Vec<(&str, &str)> = before.lines().zip(after.lines()).filter(|(one, other)| one != other).collect();
    assert!(changed.len() <= 4, "lines that changed: {changed:#?}");
    drop(terminal);
    drop(guard);
}
