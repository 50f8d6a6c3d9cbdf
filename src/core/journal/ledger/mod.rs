//! The ledger of a mapping: which records both sides agreed on when it was last run, by hashes alone.
//!
//! `ledger/MAPPING[.ENV].db`, one file a mapping, apart from `control.db`: loading a million records must not keep a control
//! write waiting. An entry says how the source row looked, which target row stands for it and how that looked; a row that
//! has no entry (rejected, held, a tombstone, one of several with a key) is looked at again by every plan. A plan that
//! finds an entry as it is now need not run the row steps, the match and the comparison again.
//!
//! Hashes are keyed by a secret of the project, so the file alone does not tell whether a person is in it.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::resolve::keys::KeyHash;

mod load;
mod secret;

pub use load::Loader;
pub(crate) use load::{read_entry, write_entry};
pub use secret::Secret;

/// A keyed hash as it is stored.
pub type Hidden = [u8; 16];

/// What stands in the ledger for one source row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The record's key; of a row that `where` leaves out its source hash.
    pub key: Hidden,
    /// Hash of the source cells that the mapping reads.
    pub source: Hidden,
    /// Identity (or key) of its target row. None: `where` left the row out.
    pub target: Option<Hidden>,
    /// Hash of the target row's mapped cells as last agreed. None: they were not known when the entry was made. Without a
    /// target it says that the record's delete was pushed.
    pub cells: Option<Hidden>,
    /// How the source's platform finds the row again.
    pub locator: Option<String>,
    /// Keys of the records it links to, in the order of the mapping's links; 0 where it links to none.
    pub links: Vec<u64>,
    /// The mapped cells as both sides last agreed on them, in the order of the mapping's fields. Kept for mappings that go both
    /// ways, whose changes are told apart by it; empty elsewhere.
    pub base: Vec<Option<String>>,
}

/// How far a source was read by its cursor column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Source column.
    pub column: String,
    /// The greatest value read.
    pub value: String,
    /// Form of all values read, by which they sort as they follow in time. Empty: there was none, or they have several.
    pub form: String,
    /// Values of several forms were read.
    #[serde(default)]
    pub mixed: bool,
}

impl Mark {
    /// No value was read.
    pub fn is_nothing(&self) -> bool {
        self.value.is_empty() && !self.mixed
    }
}

/// What all entries have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Hash of the row steps.
    pub pipeline: String,
    /// Hash of everything else in the mapping and on both sides that decides what becomes of a row.
    pub settings: String,
    /// Hash of the facts of the last plan.
    pub facts: String,
    /// The last run that changed it.
    pub run: String,
    /// When it ended, RFC 3339 UTC.
    pub at: String,
    /// When all records were last planned in full, RFC 3339 UTC.
    pub whole: String,
    /// Per linked target object: how far its crosswalk's changes were seen.
    #[serde(default)]
    pub crosswalk: BTreeMap<String, i64>,
    /// How far the source was read.
    #[serde(default)]
    pub mark: Option<Mark>,
    /// Rows that the target held after the last run.
    #[serde(default)]
    pub rows: u64,
    /// Entries of records; kept by the ledger itself.
    #[serde(default)]
    pub records: u64,
    /// Entries of rows that `where` left out; kept by the ledger itself.
    #[serde(default)]
    pub filtered: u64,
}

/// An open ledger.
pub struct Ledger {
    connection: Connection,
}

/// File of a mapping's ledger in its folder.
pub fn ledger_path(folder: &Path, mapping: &str, env: Option<&str>) -> PathBuf {
    let name = super::state_file_name(mapping);
    folder.join(match env {
        Some(env) => format!("{name}.{}.db", super::state_file_name(env)),
        None => format!("{name}.db"),
    })
}

impl Ledger {
    /// Opens a ledger; None if there is none, or none that this version can read (then everything is planned anew).
    pub fn open(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let connection = Connection::open(path).map_err(|error| Error::from(error).at(path.display()))?;
        connection.busy_timeout(Duration::from_secs(30))?;
        // What is forgotten is not left behind in free pages: a locator may be a person's key.
        connection.pragma_update(None, "secure_delete", "ON")?;
        let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
        Ok((version == Ok(VERSION)).then_some(Self { connection }))
    }
    /// Removes a ledger, if there is one, with the journal that a killed writer left: it belongs to no other file.
    pub fn remove(path: &Path) -> Result<()> {
        let mut journal = path.to_owned().into_os_string();
        journal.push("-journal");
        for file in [path, Path::new(&journal)] {
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", file, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }
    /// What all entries have in common.
    pub fn agreement(&self) -> Result<Agreement> {
        let text: Option<String> = self
            .connection
            .query_row("SELECT value FROM meta WHERE name = 'agreement'", [], |row| row.get(0))
            .optional()?;
        text.and_then(|text| serde_json::from_str(&text).ok()).ok_or_else(|| {
            Error::platform("the ledger does not say what it is about").advise("plan in full: it is made again")
        })
    }
    /// Entries.
    pub fn count(&self) -> Result<u64> {
        Ok(self.connection.query_row("SELECT count(*) FROM entries", [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }
    /// The entry of a key.
    pub fn get(&self, key: &Hidden) -> Result<Option<Entry>> {
        let mut statement = self.connection.prepare_cached(&format!("{SELECT} WHERE key = ?1"))?;
        Ok(statement.query_row([key.as_slice()], entry).optional()?)
    }
    /// Hands out all entries, ascending by key.
    pub fn each(&self, mut take: impl FnMut(Entry) -> Result<()>) -> Result<()> {
        let mut statement = self.connection.prepare(&format!("{SELECT} ORDER BY key"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            take(entry(row)?)?;
        }
        Ok(())
    }
    /// Hands out of each entry what tells whether its row is looked at: the source hash, and whether `where` left it out or
    /// its delete was pushed.
    pub fn each_source(&self, mut take: impl FnMut(KeyHash, Left)) -> Result<()> {
        let mut statement = self.connection.prepare("SELECT source, target IS NULL, cells IS NULL FROM entries")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let left = match (row.get(1)?, row.get(2)?) {
                (false, _) => Left::No,
                (true, true) => Left::Filtered,
                (true, false) => Left::Deleted,
            };
            take(halves(&blob(row, 0)?.unwrap_or_default()), left);
        }
        Ok(())
    }
    /// The entry of a source row, by its locator. Only where the ledger was loaded to be looked into (see
    /// [`Loader::create`]).
    pub fn by_locator(&self, locator: &str) -> Result<Option<Entry>> {
        let mut statement = self.connection.prepare_cached(&format!("{SELECT} WHERE locator = ?1"))?;
        Ok(statement.query_row([locator], entry).optional()?)
    }
    /// Entries that link to a record, by the hash of its key as in [`Entry::links`]. Only where the ledger was loaded to
    /// be looked into (see [`Loader::create`]).
    pub fn children(&self, parent: u64) -> Result<Vec<Entry>> {
        let sql = format!("{SELECT} WHERE key IN (SELECT child FROM parents WHERE parent = ?1)");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let children = statement.query_map([parent as i64], entry)?;
        Ok(children.collect::<rusqlite::Result<_>>()?)
    }
    /// Locators of the source rows that have no entry and must be looked at by every plan.
    pub fn open_rows(&self) -> Result<Vec<String>> {
        let mut statement = self.connection.prepare("SELECT locator FROM open ORDER BY locator")?;
        let locators = statement.query_map([], |row| row.get(0))?;
        Ok(locators.collect::<rusqlite::Result<_>>()?)
    }
    /// Changes some entries in one transaction: `gone` go first, then `entries` come (or replace those of their key).
    /// `opened` and `closed`: locators of rows that have no entry, or have one (or are gone). Twice is once.
    pub fn update(&mut self, agreement: &Agreement, change: &Change) -> Result<()> {
        let parents = self.has_parents()?;
        let known = self.agreement()?;
        let (mut records, mut filtered) = (known.records, known.filtered);
        let transaction = self.connection.transaction()?;
        {
            let mut forget = transaction.prepare("DELETE FROM entries WHERE key = ?1 RETURNING target IS NULL")?;
            let mut orphan = transaction.prepare("DELETE FROM parents WHERE parent = ?1 AND child = ?2")?;
            let mut links = transaction.prepare("SELECT links FROM entries WHERE key = ?1")?;
            let mut put = transaction.prepare(&INSERT.replace("INSERT", "INSERT OR REPLACE"))?;
            let mut adopt = transaction.prepare("INSERT OR REPLACE INTO parents (parent, child) VALUES (?1, ?2)")?;
            let gone = change.gone.iter().chain(change.entries.iter().map(|entry| &entry.key));
            for key in gone {
                if parents {
                    let old: Option<Option<Vec<u8>>> =
                        links.query_row([key.as_slice()], |row| row.get(0)).optional()?;
                    for parent in numbers(old.flatten().as_deref()) {
                        orphan.execute(params![parent as i64, key.as_slice()])?;
                    }
                }
                match forget.query_row([key.as_slice()], |row| row.get(0)).optional()? {
                    Some(true) => filtered = filtered.saturating_sub(1),
                    Some(false) => records = records.saturating_sub(1),
                    None => {}
                }
            }
            for entry in &change.entries {
                insert(&mut put, entry)?;
                *if entry.target.is_some() { &mut records } else { &mut filtered } += 1;
                for parent in entry.links.iter().filter(|parent| parents && **parent != 0) {
                    adopt.execute(params![*parent as i64, entry.key.as_slice()])?;
                }
            }
            let mut close = transaction.prepare("DELETE FROM open WHERE locator = ?1")?;
            change.closed.iter().try_for_each(|locator| close.execute([locator]).map(drop))?;
            let mut open = transaction.prepare("INSERT OR REPLACE INTO open (locator) VALUES (?1)")?;
            change.opened.iter().try_for_each(|locator| open.execute([locator]).map(drop))?;
            put_agreement(&transaction, &Agreement { records, filtered, ..agreement.clone() })?;
        }
        transaction.commit()?;
        Ok(())
    }
    /// Forgets records, by the hashes of their old keys: the next plan looks at them again. A run that was taken back and
    /// the erasing of a person end here.
    /// `locators`: rows without an entry that are not asked for any more.
    pub fn forget(
        &mut self,
        secret: &Secret,
        keys: impl IntoIterator<Item = KeyHash>,
        locators: Vec<String>,
    ) -> Result<()> {
        let agreement = self.agreement()?;
        let gone = keys.into_iter().map(|key| secret.hide(key)).collect();
        self.update(&agreement, &Change { gone, closed: locators, ..Change::default() })
    }
    fn has_parents(&self) -> Result<bool> {
        let word: Option<String> = self
            .connection
            .query_row("SELECT value FROM meta WHERE name = 'parents'", [], |row| row.get(0))
            .optional()?;
        Ok(word.as_deref() == Some("yes"))
    }
}

/// Whether the row of an entry is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It is a record.
    No,
    /// By `where`.
    Filtered,
    /// Others said that the record is gone, although the source has it.
    Deleted,
}

/// What [`Ledger::update`] changes.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Keys whose entries do not hold any more.
    pub gone: Vec<Hidden>,
    /// Entries that hold now.
    pub entries: Vec<Entry>,
    /// Locators of rows without an entry.
    pub opened: Vec<String>,
    /// Locators of rows that are not open any more.
    pub closed: Vec<String>,
}

/// The halves of a hash, as tables in memory take them.
pub fn halves(hidden: &[u8]) -> KeyHash {
    let half = |at: usize| hidden.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
    [half(0), half(8)]
}

/// The other way round.
pub fn whole(hash: KeyHash) -> Hidden {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&hash[0].to_be_bytes());
    bytes[8..].copy_from_slice(&hash[1].to_be_bytes());
    bytes
}

const VERSION: i64 = 2;
const SELECT: &str = "SELECT key, source, target, cells, locator, links, base FROM entries";
const INSERT: &str = "INSERT INTO entries (key, source, target, cells, locator, links, base) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const SCHEMA: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entries (
  key BLOB PRIMARY KEY,
  source BLOB NOT NULL,
  target BLOB,
  cells BLOB,
  locator TEXT,
  links BLOB,
  base TEXT
) WITHOUT ROWID;
CREATE TABLE parents (parent INTEGER NOT NULL, child BLOB NOT NULL, PRIMARY KEY (parent, child)) WITHOUT ROWID;
CREATE TABLE open (locator TEXT PRIMARY KEY) WITHOUT ROWID;
";

fn put_agreement(connection: &Connection, agreement: &Agreement) -> Result<()> {
    let text = serde_json::to_string(agreement).map_err(|_| Error::platform("the ledger cannot be written"))?;
    connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('agreement', ?1)", [text])?;
    Ok(())
}

fn insert(statement: &mut rusqlite::Statement<'_>, entry: &Entry) -> rusqlite::Result<usize> {
    statement.execute(params![
        entry.key.as_slice(),
        entry.source.as_slice(),
        entry.target.as_ref().map(<[u8; 16]>::as_slice),
        entry.cells.as_ref().map(<[u8; 16]>::as_slice),
        entry.locator,
        bytes(&entry.links),
        text_of(&entry.base),
    ])
}

/// None for no number at all.
fn bytes(numbers: &[u64]) -> Option<Vec<u8>> {
    let out: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    (!out.is_empty()).then_some(out)
}

/// None for no cell at all.
fn text_of(cells: &[Option<String>]) -> Option<String> {
    if cells.is_empty() { None } else { serde_json::to_string(cells).ok() }
}

fn numbers(bytes: Option<&[u8]>) -> Vec<u64> {
    let parts = bytes.unwrap_or_default().chunks_exact(8);
    parts.map(|part| u64::from_le_bytes(part.try_into().unwrap_or_default())).collect()
}

fn blob(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Option<Hidden>> {
    let bytes = row.get_ref(at)?.as_blob_or_null()?;
    Ok(bytes.and_then(|bytes| bytes.try_into().ok()))
}

fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<Entry> {
    let list = |at: usize| -> rusqlite::Result<Vec<u64>> { Ok(numbers(row.get_ref(at)?.as_blob_or_null()?)) };
    Ok(Entry {
        key: blob(row, 0)?.unwrap_or_default(),
        source: blob(row, 1)?.unwrap_or_default(),
        target: blob(row, 2)?,
        cells: blob(row, 3)?,
        locator: row.get(4)?,
        links: list(5)?,
        base: match row.get_ref(6)?.as_str_or_null()? {
            Some(text) => serde_json::from_str(text).unwrap_or_default(),
            None => Vec::new(),
        },
    })
}

#[cfg(test)]
mod tests;
