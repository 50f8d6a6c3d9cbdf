#![allow(clippy::unwrap_used)]
use super::*;
use crate::resolve::keys::key_hash;

fn secret(dir: &tempfile::TempDir) -> Secret {
    Secret::of(dir.path()).unwrap()
}

fn entry(secret: &Secret, key: &str, source: &str, parent: Option<&str>) -> Entry {
    Entry {
        key: secret.hide(key_hash(key)),
        source: secret.hide(key_hash(source)),
        target: Some(secret.hide(key_hash(key))),
        cells: None,
        locator: Some(format!("row {key}")),
        links: parent.iter().map(|parent| secret.link(key_hash(parent))).collect(),
        base: vec![Some(source.to_owned()), None, Some(String::new())],
    }
}

fn load(path: &Path, entries: &[Entry]) -> Ledger {
    let mut loader = Loader::create(path, true).unwrap();
    for entry in entries {
        loader.push(entry).unwrap();
    }
    loader.open("row 99".to_owned());
    loader.finish(&Agreement { pipeline: "p".into(), ..Agreement::default() }).unwrap();
    Ledger::open(path).unwrap().unwrap()
}

#[test]
fn what_is_hidden_can_be_shown_and_differs_from_project_to_project() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hash = key_hash("anna@example.org");
    assert_eq!(secret(&one).show(&secret(&one).hide(hash)), hash);
    assert_eq!(secret(&one), secret(&one), "made once");
    assert_ne!(secret(&one).hide(hash), secret(&other).hide(hash));
}

#[test]
fn entries_come_back_by_key_and_by_parent() {
    let dir = tempfile::tempdir().unwrap();
    let secret = secret(&dir);
    let path = ledger_path(dir.path(), "contacts", Some("sandbox"));
    let entries: Vec<Entry> = (0..500)
        .map(|n| entry(&secret, &n.to_string(), &format!("s{n}"), Some(if n % 2 == 0 { "A" } else { "B" })))
        .collect();
    let ledger = load(&path, &entries);
    assert_eq!(ledger.count().unwrap(), 500);
    for entry in &entries {
        assert_eq!(ledger.get(&entry.key).unwrap().as_ref(), Some(entry));
    }
    assert_eq!(ledger.children(secret.link(key_hash("A"))).unwrap().len(), 250);
    let mut last = None;
    ledger
        .each(|entry| {
            assert!(last.replace(entry.key).is_none_or(|last| last < entry.key), "sorted by key");
            Ok(())
        })
        .unwrap();
    assert_eq!(ledger.agreement().unwrap().pipeline, "p");
    assert_eq!(ledger.open_rows().unwrap(), ["row 99"]);
}

#[test]
fn an_update_twice_is_once_and_what_is_forgotten_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let secret = secret(&dir);
    let path = ledger_path(dir.path(), "m", None);
    let mut ledger = load(&path, &[entry(&secret, "1", "a", Some("A")), entry(&secret, "2", "b", Some("A"))]);
    let change = Change {
        gone: vec![secret.hide(key_hash("2"))],
        entries: vec![entry(&secret, "1", "changed", Some("B")), entry(&secret, "3", "c", None)],
        opened: vec!["row 2".into()],
        closed: vec!["row 99".into()],
    };
    let agreement = Agreement { pipeline: "q".into(), ..Agreement::default() };
    for _ in 0..2 {
        ledger.update(&agreement, &change).unwrap();
        assert_eq!(ledger.count().unwrap(), 2);
        assert_eq!(ledger.get(&secret.hide(key_hash("1"))).unwrap(), Some(change.entries[0].clone()));
        assert!(ledger.children(secret.link(key_hash("A"))).unwrap().is_empty(), "nobody links to it any more");
        assert_eq!(ledger.open_rows().unwrap(), ["row 2"]);
    }
    ledger.forget(&secret, [key_hash("1")], Vec::new()).unwrap();
    assert_eq!((ledger.count().unwrap(), ledger.agreement().unwrap().pipeline.as_str()), (1, "q"));
}

#[test]
fn a_loader_that_is_given_up_leaves_the_old_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let secret = secret(&dir);
    let path = ledger_path(dir.path(), "m", None);
    drop(load(&path, &[entry(&secret, "1", "a", None)]));
    let mut loader = Loader::create(&path, false).unwrap();
    loader.push(&entry(&secret, "2", "b", None)).unwrap();
    drop(loader);
    assert!(Ledger::open(&path).unwrap().unwrap().get(&secret.hide(key_hash("1"))).unwrap().is_some());
    assert!(Ledger::open(&dir.path().join("none.db")).unwrap().is_none());
}

/// Peak memory of this process in MB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
}

fn middle(mut times: Vec<std::time::Duration>, share: f64) -> std::time::Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share) as usize]
}

/// What a ledger costs, printed; nothing is said about time by failing. Run it alone and optimised:
/// `cargo test --release --lib -p crm-core what_a_ledger_costs -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn what_a_ledger_costs() {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    let dir = tempfile::tempdir().unwrap();
    let secret = secret(&dir);
    let numbered = |n: u64, source: u64| Entry {
        base: Vec::new(),
        cells: Some(secret.hide(key_hash(&format!("cells {source}")))),
        ..entry(&secret, &n.to_string(), &format!("source {source}"), None)
    };
    for records in [10_000_u64, 100_000, 1_000_000] {
        let path = ledger_path(dir.path(), &format!("m{records}"), None);
        let entries: Vec<Entry> = (0..records).map(|n| numbered(n, n)).collect();
        let finished = AtomicBool::new(false);
        let (control_path, sync_path) = (dir.path().join("control.db"), dir.path().join("sync.db"));
        let control = crate::journal::Control::open(&control_path).unwrap();
        let sync = crate::journal::sync::SyncStore::open(&sync_path).unwrap();
        let (took, writes) = std::thread::scope(|scope| {
            // An operator tells a run and the loop something all the while.
            let done = &finished;
            let teller = scope.spawn(move || {
                let mut writes = Vec::new();
                while !done.load(Ordering::Relaxed) || writes.len() < 10 {
                    let begun = Instant::now();
                    control.send("run", crate::journal::Command::Pause).unwrap();
                    sync.tell(None, &crate::journal::sync::Order::Look).unwrap();
                    writes.push(begun.elapsed());
                    std::thread::park_timeout(std::time::Duration::from_millis(5));
                }
                writes
            });
            let begun = Instant::now();
            let mut loader = Loader::create(&path, false).unwrap();
            for entry in &entries {
                loader.push(entry).unwrap();
            }
            loader.finish(&Agreement::default()).unwrap();
            let took = begun.elapsed();
            done.store(true, Ordering::Relaxed);
            (took, teller.join().unwrap())
        });
        let mut ledger = Ledger::open(&path).unwrap().unwrap();
        assert_eq!(ledger.count().unwrap(), records);
        let (mut looks, mut updates) = (Vec::new(), Vec::new());
        for at in 0..200 {
            let key = at * (records / 200);
            let begun = Instant::now();
            let known = ledger.get(&secret.hide(key_hash(&key.to_string()))).unwrap().unwrap();
            looks.push(begun.elapsed());
            let begun = Instant::now();
            let change = Change { entries: vec![numbered(key, key + 1)], ..Change::default() };
            ledger.update(&Agreement::default(), &change).unwrap();
            updates.push(begun.elapsed());
            assert_ne!(ledger.get(&known.key).unwrap().unwrap().source, known.source);
        }
        let begun = Instant::now();
        let mut seen = 0;
        ledger.each_source(|_, _| seen += 1).unwrap();
        let whole = begun.elapsed();
        assert_eq!(seen, records);
        println!(
            "{records} records: built in {took:.2?}, {:.0} records/s, {} MB on disk; {} control writes meanwhile: p50 {:.1?}, most {:.1?}; \
             an entry found in {:.1?}, changed in {:.1?} (p95 {:.1?}); all gone over in {whole:.2?}; peak {} MB",
            records as f64 / took.as_secs_f64(),
            path.metadata().unwrap().len() >> 20,
            writes.len(),
            middle(writes.clone(), 0.5),
            middle(writes.clone(), 1.0),
            middle(looks, 0.5),
            middle(updates.clone(), 0.5),
            middle(updates, 0.95),
            peak(),
        );
    }
}
