//! Runs on bad days: no space, no permission, sources that move, odd sizes.
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{CSV, project};
use crate::support::command::{Answer, folder, run, run_with};
use crate::support::gate::Gate;
use crate::support::mounts::with_mounts;
use crate::support::program;

const PLATFORMS: &str =
    "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"csv\"\npath = \"new\"\n";

/// A project whose plan writes a file of half a megabyte into `new`, which is there with one row.
fn large() -> tempfile::TempDir {
    let rows = (0..4_000).map(|at| format!("C{at},{}\n", "name ".repeat(25))).collect::<Vec<_>>().concat();
    let mapping = "from = \"old:contacts\"\nto = \"new:contacts\"\nkey = [\"legacy_id\"]\n\n[fields]\nlegacy_id = \"ID\"\nname = \"NAME\"\n";
    let old = format!("ID,NAME\n{rows}");
    folder(&[
        ("project.toml", PLATFORMS),
        ("mappings/contacts.toml", mapping),
        ("old/contacts.csv", &old),
        ("new/contacts.csv", "legacy_id,name\nN,Nora\n"),
    ])
}

/// The JSON objects that a script printed, one a line.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
}

#[test]
fn a_full_disk_stops_the_run_and_it_goes_on_when_there_is_space() {
    let dir = large();
    let script = "
        cp new/contacts.csv before.csv
        mount -t tmpfs -o size=128k full new && cp before.csv new/contacts.csv
        $PROGRAM plan --out plan.json --json > /dev/null || test $? = 1
        code=0; $PROGRAM migrate --plan plan.json --confirm new --json || code=$?
        cmp before.csv new/contacts.csv && test $(ls -A new | wc -l) = 1
        id=$($PROGRAM runs --json | sed 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/')
        mount -o remount,size=10m new
        $PROGRAM resume $id --json
        echo $code; wc -l < new/contacts.csv";
    let Some(out) = with_mounts(dir.path(), script) else { return };
    let seen = lines(&out);
    let [stopped, done, code, rows] = &seen[..] else { panic!("{out}") };
    assert_eq!((&stopped["state"], code), (&"stopped".into(), &5.into()), "{stopped}");
    let note = stopped["note"].as_str().unwrap();
    assert!(note.contains("free space") && note.contains("crm-console resume"), "{note}");
    assert_eq!((&done["state"], rows), (&"done".into(), &4_002.into()));
}

#[test]
fn a_full_database_disk_stops_the_run_and_it_goes_on_when_there_is_space() {
    let dir = large();
    std::fs::write(
        dir.path().join("project.toml"),
        PLATFORMS.replace("\"csv\"\npath = \"new\"", "\"sqlite\"\npath = \"new/crm.db\""),
    )
    .unwrap();
    let script = "
        mount -t tmpfs -o size=128k full new
        $PROGRAM plan --out plan.json --json > /dev/null || test $? = 1
        code=0; $PROGRAM migrate --plan plan.json --confirm new --json || code=$?
        id=$($PROGRAM runs --json | sed 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/')
        mount -o remount,size=10m new
        $PROGRAM resume $id --json
        echo $code";
    let Some(out) = with_mounts(dir.path(), script) else { return };
    let seen = lines(&out);
    let [stopped, done, code] = &seen[..] else { panic!("{out}") };
    assert_eq!((&stopped["state"], code), (&"stopped".into(), &5.into()), "{stopped}");
    assert!(stopped["note"].as_str().unwrap().contains("free space"), "{stopped}");
    assert_eq!((&done["state"], &done["results"][0]["counts"]["after"]), (&"done".into(), &4_000.into()));
}

#[test]
fn a_target_that_became_read_only_stops_the_run_and_it_goes_on_when_it_can_be_written() {
    let dir = large();
    let script = "
        cp new/contacts.csv before.csv
        mount -t tmpfs -o size=10m disk new && cp before.csv new/contacts.csv
        $PROGRAM plan --out plan.json --json > /dev/null || test $? = 1
        mount -o remount,ro new
        code=0; $PROGRAM migrate --plan plan.json --confirm new --json || code=$?
        cmp before.csv new/contacts.csv
        id=$($PROGRAM runs --json | sed 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/')
        mount -o remount,rw new
        $PROGRAM resume $id --json
        echo $code";
    let Some(out) = with_mounts(dir.path(), script) else { return };
    let seen = lines(&out);
    let [stopped, done, code] = &seen[..] else { panic!("{out}") };
    assert_eq!((&stopped["state"], code), (&"stopped".into(), &5.into()), "{stopped}");
    let note = stopped["note"].as_str().unwrap();
    assert!(note.contains("read-only") || note.contains("Read-only"), "{note}");
    assert_eq!(done["state"], "done");
}

/// A limit on the size of any file that the engine writes: works for everybody, everywhere.
#[test]
fn a_file_that_may_not_grow_stops_the_run() {
    let dir = large();
    run(dir.path(), &["plan", "--out", "plan.json", "--json"]).expect(1);
    let limited = |blocks: u32| {
        // The signal that comes with it is ignored, so that the write fails instead.
        let script = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec \"$PROGRAM\" migrate --plan plan.json --confirm new --json"
        );
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(dir.path())
            .env("PROGRAM", program())
            .output()
            .unwrap();
        Answer {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    };
    // 512 KiB where blocks are 1 KiB, 256 where they are 512 bytes: more than the state needs, less than the target.
    let stopped = limited(512).expect(5).json();
    assert_eq!(stopped["state"], "stopped");
    assert_eq!(std::fs::read_to_string(dir.path().join("new/contacts.csv")).unwrap(), "legacy_id,name\nN,Nora\n");
    run(dir.path(), &["resume", stopped["id"].as_str().unwrap()]).expect(0);
    assert_eq!(std::fs::read_to_string(dir.path().join("new/contacts.csv")).unwrap().lines().count(), 4_002);
}

#[test]
fn a_source_that_moves_or_goes_is_harmless_and_told() {
    for gone in [false, true] {
        let dir = project(&CSV);
        run(dir.path(), &["plan", "--out", "plan.json", "--json"]).expect(1);
        let mut gate = Gate::new(dir.path(), "before-batch:1");
        let arguments = ["migrate", "--plan", "plan.json", "--confirm", "new", "--json"];
        let done = std::thread::scope(|scope| {
            let fault = gate.fault();
            let path = dir.path();
            let run = scope.spawn(move || run_with(path, &arguments, &[("CRM_CONSOLE_FAULT", &fault)]));
            gate.reached();
            if gone {
                std::fs::remove_file(dir.path().join("old/contacts.csv")).unwrap();
            } else {
                std::fs::write(dir.path().join("old/contacts.csv"), "ID,NAME\nC1,Other\n").unwrap();
            }
            gate.open();
            run.join().unwrap().expect(0).json()
        });
        assert_eq!((CSV.rows)(dir.path()), CSV.after, "what was previewed was run");
        let note = done["note"].as_str().unwrap();
        let words =
            if gone { "old:contacts went away since it was read" } else { "old:contacts changed since it was read" };
        assert!(note.contains(words), "{note}");
    }
}

/// A project of one mapping whose fields are the columns of its source.
fn copy_of(old: &str, columns: &[String], more: &str) -> tempfile::TempDir {
    let fields = columns.iter().map(|name| format!("{name} = \"{name}\"\n")).collect::<Vec<_>>().concat();
    let mapping =
        format!("from = \"old:rows\"\nto = \"new:rows\"\nkey = [\"{}\"]\n{more}\n[fields]\n{fields}", columns[0]);
    let dir = folder(&[("project.toml", PLATFORMS), ("mappings/rows.toml", &mapping), ("old/rows.csv", old)]);
    std::fs::create_dir(dir.path().join("new")).unwrap();
    dir
}

fn migrated(dir: &Path) -> Answer {
    run(dir, &["plan", "--out", "plan.json", "--json"]);
    run(dir, &["migrate", "--plan", "plan.json", "--confirm", "new", "--json"])
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("c{at}")).collect()
}

#[test]
fn no_row_and_one_row() {
    let none = copy_of("c0,c1\n", &names(2), "");
    // An empty source is refused unless it is known to be empty: nothing is wiped from it.
    let answer = migrated(none.path());
    assert!([0, 6].contains(&answer.code), "{}{}", answer.out, answer.err);
    let one = copy_of("c0,c1\n1,x\n", &names(2), "");
    let done = migrated(one.path()).expect(0).json();
    assert_eq!((&done["results"][0]["counts"]["inserted"], &done["consistency"]), (&1.into(), &1.0.into()));
    assert_eq!(std::fs::read_to_string(one.path().join("new/rows.csv")).unwrap(), "c0,c1\n1,x\n");
}

#[test]
fn all_rows_rejected_publishes_nothing_and_keeps_them_all() {
    let rows = (0..500).map(|at| format!("{at},x\n")).collect::<Vec<_>>().concat();
    let columns = names(2);
    let dir = copy_of(&format!("c0,c1\n{rows}"), &columns, "");
    let mapping = dir.path().join("mappings/rows.toml");
    let text = std::fs::read_to_string(&mapping).unwrap();
    std::fs::write(
        &mapping,
        text.replace("c1 = \"c1\"", "c1 = { from = \"c1\", values = { y = \"z\" }, otherwise = \"reject\" }"),
    )
    .unwrap();
    migrated(dir.path()).expect(3);
    assert_eq!(std::fs::read_dir(dir.path().join("new")).unwrap().count(), 0);
    // Where the operator says so, they are carried over as rejects, all of them.
    let text = std::fs::read_to_string(&mapping).unwrap();
    std::fs::write(&mapping, format!("{text}\n[run]\nerror_budget = \"100%\"\n")).unwrap();
    let done = migrated(dir.path()).expect(0).json();
    let result = &done["results"][0];
    assert_eq!((&result["counts"]["rejected"], &result["closes"]), (&500.into(), &true.into()));
    let rejects = run(dir.path(), &["rejects", "list", "--json"]).expect(0).out;
    assert!(rejects.contains("500"), "{rejects}");
}

#[test]
fn five_thousand_columns() {
    let columns = names(5_000);
    let row = |at: usize| (0..5_000).map(|column| format!("{at}-{column}")).collect::<Vec<_>>().join(",");
    let old = format!("{}\n{}\n{}\n", columns.join(","), row(1), row(2));
    let dir = copy_of(&old, &columns, "");
    let done = migrated(dir.path()).expect(0).json();
    assert_eq!(done["consistency"], 1.0);
    assert_eq!(std::fs::read_to_string(dir.path().join("new/rows.csv")).unwrap(), old);
}

/// Fifty megabytes in the long form; a build without optimisation takes minutes for that, so a tenth of it otherwise.
#[test]
fn a_cell_of_fifty_megabytes() {
    let megabytes = if std::env::var_os("CRM_CONSOLE_KILLS").is_some() { 50 } else { 5 };
    let cell = "x".repeat(megabytes << 20);
    let old = format!("c0,c1\n1,small\n2,{cell}\n3,small\n");
    let dir = copy_of(&old, &names(2), "[run]\nerror_budget = \"50%\"\n");
    let done = migrated(dir.path()).expect(0).json();
    let counts = &done["results"][0]["counts"];
    let new = std::fs::read_to_string(dir.path().join("new/rows.csv")).unwrap();
    // Carried over whole, or left out, counted and told: nothing in between.
    if counts["inserted"] == 3 {
        assert!(new == old, "the cell is whole");
    } else {
        assert_eq!(
            (&counts["inserted"], &counts["rejected"], new.as_str()),
            (&2.into(), &1.into(), "c0,c1\n1,small\n3,small\n")
        );
    }
}
