#![allow(clippy::unwrap_used)]
use super::*;

fn open(dir: &tempfile::TempDir) -> Control {
    Control::open(&dir.path().join("control.db")).unwrap()
}

fn filled(dir: &tempfile::TempDir) -> Control {
    let control = open(dir);
    for what in ["planned", "confirmed", "started", "ended: done"] {
        control.record(&Entry::new(what).run("r").plan("p").mapping("contacts").detail("on nova")).unwrap();
    }
    control
}

/// Changes the database behind the console's back.
fn tamper(dir: &tempfile::TempDir, sql: &str) {
    let connection = Connection::open(dir.path().join("control.db")).unwrap();
    connection.execute_batch("DROP TRIGGER audit_log_fixed; DROP TRIGGER audit_log_kept").unwrap();
    connection.execute_batch(sql).unwrap();
}

#[test]
fn a_whole_log_is_found_whole_and_lines_come_back() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(open(&dir).check_audit(None).unwrap(), AuditHead::default());
    let control = filled(&dir);
    let head = control.check_audit(None).unwrap();
    assert_eq!((head.n, &head), (4, &control.audit_head().unwrap()));
    assert_eq!(AuditHead::parse(&head.to_string()).unwrap(), head);
    assert_eq!(control.check_audit(Some(&head)).unwrap(), head);
    let lines = control.audit_lines(&AuditFilter::default()).unwrap();
    assert_eq!(lines.iter().map(|line| line.n).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(lines[1].what, "confirmed");
    assert_eq!(lines[1].detail.as_deref(), Some("on nova"));
    let later = AuditFilter { since: Some("9999".into()), run: None };
    assert!(control.audit_lines(&later).unwrap().is_empty());
    let other = AuditFilter { since: None, run: Some("other".into()) };
    assert!(control.audit_lines(&other).unwrap().is_empty());
}

#[test]
fn the_line_that_was_touched_is_named() {
    for (sql, line, why) in [
        ("UPDATE audit_log SET who = 'someone else' WHERE n = 2", 2, "changed"),
        ("UPDATE audit_log SET detail = NULL WHERE n = 4", 4, "changed"),
        ("DELETE FROM audit_log WHERE n = 3", 3, "missing"),
        ("DELETE FROM audit_log WHERE n = 1", 1, "missing"),
        ("DELETE FROM audit_log WHERE n >= 3", 3, "gone"),
        ("DELETE FROM audit_log", 1, "gone"),
        ("DELETE FROM audit_log WHERE n = 2; UPDATE audit_log SET n = n - 1 WHERE n > 2", 2, "changed"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        drop(filled(&dir));
        tamper(&dir, sql);
        let error = open(&dir).check_audit(None).unwrap_err();
        assert!(error.what().contains(&format!("at line {line}:")) && error.what().contains(why), "{sql}: {error}");
    }
}

#[test]
fn a_log_made_up_anew_is_given_away_by_a_head_that_left_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let handed_out = filled(&dir).audit_head().unwrap();
    // Everything the attacker can write: the whole log and the heads.
    for name in ["control.db", "control.db-wal", "control.db-shm", "audit.heads"] {
        _ = std::fs::remove_file(dir.path().join(name));
    }
    let control = filled(&dir);
    control.note("one more", None).unwrap();
    control.check_audit(None).unwrap();
    // Same words, but the times or the chain differ; where not even those do, there is nothing to find.
    tamper(&dir, "DELETE FROM audit_log");
    std::fs::remove_file(dir.path().join("audit.heads")).unwrap();
    control.note("only this", None).unwrap();
    assert!(control.check_audit(None).is_ok());
    let error = control.check_audit(Some(&handed_out)).unwrap_err();
    assert!(error.what().contains("line 4"), "{error}");
}

#[test]
fn lost_heads_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let control = filled(&dir);
    std::fs::remove_file(dir.path().join("audit.heads")).unwrap();
    assert!(control.check_audit(None).unwrap_err().what().contains("audit.heads is gone"));
    // A crash between a line and its head, or within a head, is no damage.
    control.note("again", None).unwrap();
    let path = dir.path().join("audit.heads");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 20]).unwrap();
    control.note("after the crash", None).unwrap();
    assert!(control.check_audit(None).is_ok());
}

#[test]
fn the_log_is_only_ever_added_to() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(&dir));
    let connection = Connection::open(dir.path().join("control.db")).unwrap();
    assert!(connection.execute("UPDATE audit_log SET what = 'x'", []).is_err());
    assert!(connection.execute("DELETE FROM audit_log", []).is_err());
}

#[test]
fn many_writers_make_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let dir = &dir;
            scope.spawn(move || {
                let control = open(dir);
                for n in 0..15 {
                    control.note(&format!("{writer} {n}"), None).unwrap();
                }
            });
        }
    });
    assert_eq!(open(&dir).check_audit(None).unwrap().n, 60);
}

#[test]
fn lines_from_before_the_chain_are_chained_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.db");
    {
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(crate::journal::control::MIGRATIONS[0]).unwrap();
        connection
            .execute_batch(
                "INSERT INTO audit (at, who, what, run) VALUES ('2026-11-01T00:00:00Z', 'anna', 'started', 'r');
                 INSERT INTO audit (at, who, what, run) VALUES ('2026-11-01T00:01:00Z', 'ben', 'recovered', NULL);",
            )
            .unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
    }
    let control = Control::open(&path).unwrap();
    control.note("planned", None).unwrap();
    let lines = control.audit_lines(&AuditFilter::default()).unwrap();
    assert_eq!(lines.iter().map(|line| line.who.as_str()).take(2).collect::<Vec<_>>(), ["anna", "ben"]);
    assert_eq!(control.check_audit(None).unwrap().n, 3);
    drop(control);
    assert_eq!(Control::open(&path).unwrap().check_audit(None).unwrap().n, 3);
}
