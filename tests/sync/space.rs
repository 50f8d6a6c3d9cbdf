//! A target whose disk is full, or cannot be written, under a loop at work: it says so, and goes on by itself when it can.
use super::migrate;
use crate::support::command::folder;
use crate::support::mounts::with_mounts;

const ROWS: usize = 4_000;

/// Carries a first row over into a small disk, then gets more rows than it holds.
fn fills(target: &str, path: &str, read: &str, stuck: &str) {
    let project = format!(
        "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"{target}\"\npath = \"{path}\"\n"
    );
    let mapping = "from = \"old:contacts\"\nto = \"new:contacts\"\nkey = [\"legacy_id\"]\n\n[fields]\nlegacy_id = \"ID\"\n\
                   name = \"NAME\"\n\n[sync]\ntrigger = \"observe\"\nevery = \"1h\"\n";
    let head = "ID,NAME\nC0,Ann\n";
    let more = (1..=ROWS).map(|at| format!("C{at},{}\n", "name ".repeat(25))).collect::<Vec<_>>().concat();
    let dir = folder(&[
        ("project.toml", &project),
        ("mappings/contacts.toml", mapping),
        ("old/contacts.csv", head),
        ("more.csv", &(head.to_owned() + &more)),
        ("new/none", ""),
    ]);
    migrate(dir.path(), "new");
    // In the words of the shell: until it is so, and not for ever.
    let script = format!(
        "
        until_it() {{
            for try in $(seq 1 600); do eval \"$1\" && return 0; sleep 0.1; done
            echo \"this did not come: $1\"; $PROGRAM status; $PROGRAM events --log; return 1
        }}
        count() {{ {read}; }}
        mkdir keep && cp new/* keep/
        mount -t tmpfs -o size=128k full new && cp keep/* new/
        $PROGRAM engine --sync & loop=$!
        trap 'kill -9 $loop' EXIT
        until_it '$PROGRAM status --json | grep -q \"\\\"state\\\":\\\"ok\\\"\"'
        mv more.csv old/contacts.csv
        until_it '$PROGRAM status --json | grep -q \"\\\"state\\\":\\\"stuck\\\"\"'
        $PROGRAM status --fail-on stuck > /dev/null && exit 1
        $PROGRAM status --json > stuck.json
        {stuck}
        until_it 'test \"$(count)\" = {all}'
        until_it '$PROGRAM status --fail-on stuck > /dev/null'
        $PROGRAM events --log > log
        kill $loop; wait $loop
        trap - EXIT
        cat log",
        all = ROWS + 1,
    );
    let Some(log) = with_mounts(dir.path(), &script) else { return };
    let stuck = std::fs::read_to_string(dir.path().join("stuck.json")).unwrap();
    let stuck: serde_json::Value = serde_json::from_str(&stuck).unwrap();
    let lane = &stuck["lanes"][0];
    let why = lane["why"].as_str().unwrap();
    assert!(why.contains("space") || why.contains("full"), "{why}");
    assert!(lane["next_try"].is_i64() && lane["pending"].as_u64() > Some(0), "{lane}");
    assert!(log.contains("STUCK") && log.contains("goes on: the last try went well"), "{log}");
}

/// What the target held before the disk was full is there, whole.
const SPACE: &str = "mount -o remount,size=10m new";

#[test]
fn a_full_disk_of_a_file_is_waited_for() {
    let held = format!("test \"$(wc -l < new/contacts.csv)\" = 2; {SPACE}");
    fills("csv", "new", "tail -n +2 new/contacts.csv | wc -l", &held);
}

#[test]
fn a_full_disk_of_a_database_is_waited_for() {
    let count = "$PROGRAM status --json | grep -o '\"equal\":[0-9]*' | cut -d: -f2";
    let held = format!("test \"$($PROGRAM show new:contacts --json | wc -l)\" = 1; {SPACE}");
    fills("sqlite", "new/crm.db", count, &held);
}
