//! The audit log: who did what, when, to which plan, run or mapping. Each line carries a hash over its content and the hash
//! of the line before it, so that a line cannot be changed, left out or slipped in without all that follow showing it.
//!
//! The hash is plain blake3, not keyed: a key would lie in the same folder as the log, in reach of whoever can write it,
//! and would keep anyone else from checking lines that were handed out. What a chain alone cannot show is a tail that was
//! cut off, so each head (`number hash`) is also written to `audit.heads` beside the database. Whoever can write both can
//! still make up a whole log of their own: against that help only heads that have left the folder. Every report carries the
//! head of its time, and [`Control::check_audit`] compares a head that is handed to it.
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

use super::control::Control;
use super::{now, who};
use crate::error::{Error, Result};

/// The hash before the first line.
const BEGINNING: &str = "";

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Its number, from 1 without gaps.
    pub n: u64,
    /// RFC 3339 UTC.
    pub at: String,
    /// OS user, with the SSH client where there is one.
    pub who: String,
    /// What was done, in a few words: `planned`, `asked to cancel`, `ended: done`, …
    pub what: String,
    /// The run, where it is about one.
    pub run: Option<String>,
    /// The plan, where it is about one.
    pub plan: Option<String>,
    /// The mapping, where it is about one.
    pub mapping: Option<String>,
    /// More, without values: hashes, counts, names.
    pub detail: Option<String>,
    /// Hash over all of the above and the hash of the line before.
    pub hash: String,
}

/// What is to be noted. Never holds a cell's value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    what: String,
    run: Option<String>,
    plan: Option<String>,
    mapping: Option<String>,
    detail: Option<String>,
}

impl Entry {
    /// What was done.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }
    /// It is about this run.
    #[must_use]
    pub fn run(mut self, run: &str) -> Self {
        self.run = Some(run.to_owned());
        self
    }
    /// It is about this plan.
    #[must_use]
    pub fn plan(mut self, plan: &str) -> Self {
        self.plan = Some(plan.to_owned());
        self
    }
    /// It is about this mapping.
    #[must_use]
    pub fn mapping(mut self, mapping: &str) -> Self {
        self.mapping = Some(mapping.to_owned());
        self
    }
    /// More, without values.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// Which lines are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Not older than this time, RFC 3339 UTC or the beginning of one: `2026-11-25`.
    pub since: Option<String>,
    /// About this run, or about the plan that it executes.
    pub run: Option<String>,
}

/// The end of the log: what a report takes along.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Number of the last line; 0 for an empty log.
    pub n: u64,
    /// Its hash.
    pub hash: String,
}

impl AuditHead {
    /// Reads `NUMBER:HASH` as [`std::fmt::Display`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let (n, hash) = text.trim().split_once(':')?;
        let hash = hash.to_lowercase();
        let is_hash = hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit());
        Some(Self { n: n.parse().ok().filter(|n| *n > 0)?, hash }).filter(|_| is_hash)
    }
}

impl std::fmt::Display for AuditHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.n, self.hash)
    }
}

impl Control {
    /// Notes in the audit log what was done, now, by who runs this process.
    pub fn note(&self, what: &str, run: Option<&str>) -> Result<()> {
        self.record(&Entry { run: run.map(str::to_owned), ..Entry::new(what) })
    }

    /// [`Control::note`] with more to say.
    pub fn record(&self, entry: &Entry) -> Result<()> {
        let line = Audit {
            n: 0,
            at: now(),
            who: who(),
            what: entry.what.clone(),
            run: entry.run.clone(),
            plan: entry.plan.clone(),
            mapping: entry.mapping.clone(),
            detail: entry.detail.clone(),
            hash: String::new(),
        };
        // Whoever is first writes first: two lines never follow the same one.
        let transaction = Transaction::new_unchecked(self.connection(), TransactionBehavior::Immediate)?;
        let head = append(&transaction, line)?;
        transaction.commit()?;
        write_head(self.path(), &head)
    }

    /// The newest lines of the audit log, newest first.
    pub fn audit(&self, count: usize) -> Result<Vec<Audit>> {
        let mut statement = self.connection().prepare_cached(&format!("{SELECT} ORDER BY n DESC LIMIT ?1"))?;
        let lines = statement.query_map([count as i64], row)?;
        Ok(lines.collect::<rusqlite::Result<_>>()?)
    }

    /// The lines that a filter lets through, oldest first.
    pub fn audit_lines(&self, filter: &AuditFilter) -> Result<Vec<Audit>> {
        let plan: Option<String> = match &filter.run {
            None => None,
            Some(run) => self
                .connection()
                .prepare_cached("SELECT plan FROM runs WHERE id = ?1")?
                .query_row([run], |row| row.get(0))
                .optional()?,
        };
        let mut statement = self.connection().prepare_cached(&format!(
            "{SELECT} WHERE at >= ?1 AND (?2 IS NULL OR run = ?2 OR (run IS NULL AND plan = ?3)) ORDER BY n"
        ))?;
        let since = filter.since.as_deref().unwrap_or_default();
        let lines = statement.query_map(params![since, filter.run, plan], row)?;
        Ok(lines.collect::<rusqlite::Result<_>>()?)
    }

    /// The end of the log as it is now.
    pub fn audit_head(&self) -> Result<AuditHead> {
        Ok(head(self.connection())?)
    }

    /// Goes through the whole log: every line must follow from the one before it, and the heads that were kept beside it
    /// (and `known`, one that was handed out) must be in it. Answers its end; an error names the line that is not right.
    pub fn check_audit(&self, known: Option<&AuditHead>) -> Result<AuditHead> {
        let mut heads = read_heads(self.path())?;
        let kept = !heads.is_empty();
        let mut statement = self.connection().prepare(&format!("{SELECT} ORDER BY n"))?;
        let mut rows = statement.query([])?;
        let mut last = AuditHead::default();
        let mut known = known;
        while let Some(found) = rows.next()? {
            let line = row(found)?;
            let next = last.n + 1;
            if line.n != next {
                return Err(broken(next, "it is missing"));
            }
            let before = if last.n == 0 { BEGINNING } else { &last.hash };
            if line_hash(before, &line) != line.hash {
                return Err(broken(next, "it was changed, or the line before it was"));
            }
            if heads.remove(&next).is_some_and(|kept| kept != line.hash) {
                return Err(broken(next, "audit.heads remembers another line"));
            }
            if known.is_some_and(|known| known.n == next && known.hash != line.hash) {
                return Err(broken(next, "it is not the line that the report names"));
            }
            known = known.filter(|known| known.n != next);
            last = AuditHead { n: next, hash: line.hash };
        }
        if let Some(gone) = heads.keys().next() {
            return Err(broken(*gone, "audit.heads remembers it, and it is gone"));
        }
        if let Some(known) = known {
            return Err(broken(known.n, "the report names it, and it is gone"));
        }
        // The first line may have been written by a process that died right after it.
        if !kept && last.n > 1 {
            return Err(Error::platform("audit.heads is gone: a cut end of the audit log would not be noticed")
                .advise(
                    "compare the log with the heads in reports that were handed out: crm-console audit --expect N:HASH",
                ));
        }
        Ok(last)
    }
}

/// Brings lines of the time before there was a chain into it, oldest first. Done once: their table is dropped with it.
pub(super) fn chain_old_lines(connection: &mut Connection, path: &Path) -> Result<()> {
    let there = |connection: &Connection| -> rusqlite::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'audit')";
        connection.query_row(sql, [], |row| row.get(0))
    };
    if !there(connection)? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut last = head(&transaction)?;
    // Another process may have been quicker. Lines that turn up beside a chain that has begun are nobody's.
    if there(&transaction)? && last.n == 0 {
        let old: Vec<(String, String, String, Option<String>)> = transaction
            .prepare("SELECT at, who, what, run FROM audit ORDER BY id")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (at, who, what, run) in old {
            let line = Audit { n: 0, at, who, what, run, plan: None, mapping: None, detail: None, hash: String::new() };
            last = append(&transaction, line)?;
        }
        transaction.execute_batch("DROP TABLE audit")?;
    }
    transaction.commit()?;
    if last.n > 0 { write_head(path, &last) } else { Ok(()) }
}

/// Adds a line; its number and hash are set here.
fn append(transaction: &Transaction<'_>, mut line: Audit) -> Result<AuditHead> {
    let last = head(transaction)?;
    line.n = last.n + 1;
    line.hash = line_hash(if last.n == 0 { BEGINNING } else { &last.hash }, &line);
    transaction
        .prepare_cached(
            "INSERT INTO audit_log (n, at, who, what, run, plan, mapping, detail, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            line.n as i64,
            line.at,
            line.who,
            line.what,
            line.run,
            line.plan,
            line.mapping,
            line.detail,
            line.hash
        ])?;
    Ok(AuditHead { n: line.n, hash: line.hash })
}

fn head(connection: &Connection) -> rusqlite::Result<AuditHead> {
    let found = connection
        .prepare_cached("SELECT n, hash FROM audit_log ORDER BY n DESC LIMIT 1")?
        .query_row([], |row| Ok(AuditHead { n: row.get::<_, i64>(0)?.unsigned_abs(), hash: row.get(1)? }))
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Hash of a line after the line with the hash `before`: parts with their lengths, so that none runs into the next.
fn line_hash(before: &str, line: &Audit) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut put = |part: Option<&str>| match part {
        None => _ = hasher.update(&[0]),
        Some(text) => _ = hasher.update(&[1]).update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes()),
    };
    let n = line.n.to_string();
    for part in [before, &n, &line.at, &line.who, &line.what] {
        put(Some(part));
    }
    for part in [&line.run, &line.plan, &line.mapping, &line.detail] {
        put(part.as_deref());
    }
    hasher.finalize().to_hex().to_string()
}

const SELECT: &str = "SELECT n, at, who, what, run, plan, mapping, detail, hash FROM audit_log";

fn row(row: &Row<'_>) -> rusqlite::Result<Audit> {
    Ok(Audit {
        n: row.get::<_, i64>(0)?.unsigned_abs(),
        at: row.get(1)?,
        who: row.get(2)?,
        what: row.get(3)?,
        run: row.get(4)?,
        plan: row.get(5)?,
        mapping: row.get(6)?,
        detail: row.get(7)?,
        hash: row.get(8)?,
    })
}

fn heads_path(database: &Path) -> PathBuf {
    database.with_file_name("audit.heads")
}

/// Keeps a head beside the database. One write of one line: lines of several processes do not mix.
fn write_head(database: &Path, head: &AuditHead) -> Result<()> {
    let path = heads_path(database);
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| {
            // A line that a crash cut must not take the next one with it.
            file.write_all(format!("\n{} {}", head.n, head.hash).as_bytes())?;
            file.sync_data()
        })
        .map_err(|error| Error::io("write", &path, &error))
}

/// The heads that were kept, by number. A line that a crash cut is left out.
fn read_heads(database: &Path) -> Result<BTreeMap<u64, String>> {
    let path = heads_path(database);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(Error::io("read", &path, &error)),
    };
    let head = |line: &str| {
        let (n, hash) = line.split_once(' ')?;
        (hash.len() == 64).then_some((n.parse().ok()?, hash.to_owned()))
    };
    Ok(text.lines().filter_map(head).collect())
}

fn broken(line: u64, why: &str) -> Error {
    Error::platform(format!("the audit log is broken at line {line}: {why}"))
        .at("control.db")
        .advise("nothing in it after that line can be trusted; keep a copy of the folder and ask who had access to it")
}

#[cfg(test)]
mod tests;
