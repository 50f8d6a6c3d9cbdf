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
