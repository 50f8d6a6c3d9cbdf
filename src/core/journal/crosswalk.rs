//! The crosswalk: per target object, which new id an old key has. It is an index kept by the console: it can be made
//! again from the runs, and a run applies its part after the target was published.
use std::collections::BTreeSet;
use std::path::Path;

use hashbrown::HashMap;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Result;

const GET: &str = "SELECT new_id FROM crosswalk WHERE object = ?1 AND old_key = ?2";

/// Takes note of what the crosswalk knew, before that changes.
pub trait Noting {
    /// An old key's entry changes; `before` is what it was, None if there was none.
    fn note(&mut self, old_key: &str, before: Option<&str>) -> Result<()>;
    /// What was noted is on disk on return: the change follows.
    fn settle(&mut self) -> Result<()>;
}

/// Old key ↔ new id of one environment.
pub struct Crosswalk {
    connection: Connection,
}

impl Crosswalk {
    /// Opens the file, made on first use.
    pub fn open(path: &Path) -> Result<Self> {
        let connection = super::control::open_store(path, &[SCHEMA, CHANGES])?;
        Ok(Self { connection })
    }
    /// The new id of an old key. `object` is the target as `platform:object`.
    pub fn get(&self, object: &str, old_key: &str) -> Result<Option<String>> {
        let mut statement = self.connection.prepare_cached(GET)?;
        Ok(statement.query_row([object, old_key], |row| row.get(0)).optional()?)
    }
    /// The new ids of many old keys, in their order.
    pub fn get_many<'k>(
        &self,
        object: &str,
        old_keys: impl IntoIterator<Item = &'k str>,
    ) -> Result<Vec<Option<String>>> {
        let mut statement = self.connection.prepare_cached(GET)?;
        let ids = old_keys.into_iter().map(|key| statement.query_row([object, key], |row| row.get(0)).optional());
        Ok(ids.collect::<rusqlite::Result<_>>()?)
    }
    /// The old keys that share a new id, ascending (several after a merge).
    pub fn old_keys(&self, object: &str, new_id: &str) -> Result<Vec<String>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT old_key FROM crosswalk WHERE object = ?1 AND new_id = ?2 ORDER BY old_key")?;
        let keys = statement.query_map([object, new_id], |row| row.get(0))?;
        Ok(keys.collect::<rusqlite::Result<_>>()?)
    }
    /// Hands out all (old key, new id) of an object, one after the other, by key.
    pub fn each(&self, object: &str, mut take: impl FnMut(&str, &str)) -> Result<()> {
        let sql = "SELECT old_key, new_id FROM crosswalk WHERE object = ?1 ORDER BY old_key";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([object])?;
        while let Some(row) = rows.next()? {
            let text = |at| row.get_ref(at).and_then(|value| Ok(value.as_str()?));
            take(text(0)?, text(1)?);
        }
        Ok(())
    }
    /// All of an object: old key → new id. For millions of rows see [`Crosswalk::each`].
    pub fn load(&self, object: &str) -> Result<HashMap<String, String>> {
        let mut map = HashMap::with_capacity(self.count(object)? as usize);
        let mut statement = self.connection.prepare("SELECT old_key, new_id FROM crosswalk WHERE object = ?1")?;
        let mut rows = statement.query([object])?;
        while let Some(row) = rows.next()? {
            map.insert(row.get(0)?, row.get(1)?);
        }
        Ok(map)
    }
    /// Entries of an object.
    pub fn count(&self, object: &str) -> Result<u64> {
        let mut statement = self.connection.prepare_cached("SELECT count(*) FROM crosswalk WHERE object = ?1")?;
        Ok(statement.query_row([object], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }
    /// Notes many (old key, new id) in one transaction; doing it again changes nothing. A key that is known gets the
    /// newer id. Answers how many entries are new or changed.
    pub fn put_many<'e>(&mut self, object: &str, entries: impl IntoIterator<Item = (&'e str, &'e str)>) -> Result<u64> {
        let transaction = self.connection.transaction()?;
        let mut written = 0;
        {
            let mut statement = transaction.prepare_cached(
                "INSERT INTO crosswalk (object, old_key, new_id) VALUES (?1, ?2, ?3)
                 ON CONFLICT (object, old_key) DO UPDATE SET new_id = excluded.new_id WHERE new_id <> excluded.new_id",
            )?;
            let mut changed = Vec::new();
            for (old_key, new_id) in entries {
                if statement.execute(params![object, old_key, new_id])? > 0 {
                    written += 1;
                    remember(&mut changed, old_key);
                }
            }
            note(&transaction, object, &changed)?;
        }
        transaction.commit()?;
        Ok(written)
    }
    /// Counts the entries of a person: by old key or new id. If `write`, removes them so that the file's bytes hold nothing
    /// of them either.
    pub(crate) fn erase(
        &mut self,
        object: &str,
        old_keys: &BTreeSet<String>,
        new_ids: &BTreeSet<String>,
        write: bool,
    ) -> Result<u64> {
        let pairs = || {
            let keys = old_keys.iter().map(|key| ("old_key", key));
            keys.chain(new_ids.iter().map(|id| ("new_id", id)))
        };
        let mut found = 0;
        self.connection.pragma_update(None, "secure_delete", "ON")?;
        let transaction = self.connection.transaction()?;
        for (column, text) in pairs() {
            let sql = format!("DELETE FROM crosswalk WHERE object = ?1 AND {column} = ?2");
            found += transaction.execute(&sql, [object, text])? as u64;
        }
        // No name stays in what was noted.
        for key in old_keys {
            let sql = "DELETE FROM changes WHERE object = ?1 AND old_key = ?2";
            found += transaction.execute(sql, [object, key])? as u64;
        }
        if found > 0 {
            // Who links to them learns that something changed.
            transaction.execute("INSERT INTO changes (object, old_key) VALUES (?1, NULL)", [object])?;
        }
        if write {
            transaction.commit()?;
            // Also after an erasure that was interrupted right here: freed pages and the log still hold what went.
            self.connection.execute_batch("VACUUM")?;
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        } else {
            transaction.rollback()?;
        }
        Ok(found)
    }
    /// [`Crosswalk::put_many`], noting what was known of each key that changes.
    pub fn put_noting<'e>(
        &mut self,
        object: &str,
        entries: impl IntoIterator<Item = (&'e str, &'e str)>,
        noting: &mut dyn Noting,
    ) -> Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut add = transaction
                .prepare_cached("INSERT OR IGNORE INTO crosswalk (object, old_key, new_id) VALUES (?1, ?2, ?3)")?;
            let mut get = transaction.prepare_cached(GET)?;
            let mut set =
                transaction.prepare_cached("UPDATE crosswalk SET new_id = ?3 WHERE object = ?1 AND old_key = ?2")?;
            let mut changed = Vec::new();
            for (old_key, new_id) in entries {
                let before = if add.execute([object, old_key, new_id])? > 0 {
                    None
                } else {
                    let before: String = get.query_row([object, old_key], |row| row.get(0))?;
                    if before == new_id {
                        continue;
                    }
                    set.execute([object, old_key, new_id])?;
                    Some(before)
                };
                noting.note(old_key, before.as_deref())?;
                remember(&mut changed, old_key);
            }
            note(&transaction, object, &changed)?;
        }
        noting.settle()?;
        transaction.commit()?;
        Ok(())
    }
    /// [`Crosswalk::forget_many`], noting the entries that go.
    pub fn forget_noting<'i>(
        &mut self,
        object: &str,
        new_ids: impl IntoIterator<Item = &'i str>,
        noting: &mut dyn Noting,
    ) -> Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut statement = transaction
                .prepare_cached("DELETE FROM crosswalk WHERE object = ?1 AND new_id = ?2 RETURNING old_key")?;
            let mut changed = Vec::new();
            for id in new_ids {
                let mut rows = statement.query([object, id])?;
                while let Some(row) = rows.next()? {
                    let key: String = row.get(0)?;
                    noting.note(&key, Some(id))?;
                    remember(&mut changed, key);
                }
            }
            note(&transaction, object, &changed)?;
        }
        noting.settle()?;
        transaction.commit()?;
        Ok(())
    }
    /// Forgets entries (old key, new id) that are still so, noting those that go.
    pub fn forget_entries<'e>(
        &mut self,
        object: &str,
        entries: impl IntoIterator<Item = (&'e str, &'e str)>,
        noting: &mut dyn Noting,
    ) -> Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut statement = transaction
                .prepare_cached("DELETE FROM crosswalk WHERE object = ?1 AND old_key = ?2 AND new_id = ?3")?;
            let mut changed = Vec::new();
            for (old_key, new_id) in entries {
                if statement.execute([object, old_key, new_id])? > 0 {
                    noting.note(old_key, Some(new_id))?;
                    remember(&mut changed, old_key);
                }
            }
            note(&transaction, object, &changed)?;
        }
        noting.settle()?;
        transaction.commit()?;
        Ok(())
    }
    /// How many changes were noted so far, of all objects: a moment to ask [`Crosswalk::changes`] about later.
    pub fn moment(&self) -> Result<i64> {
        let mut statement = self.connection.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'changes'")?;
        Ok(statement.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
    }
    /// The old keys of an object whose new id came, changed or went since that moment; None if they are too many to tell
    /// (or the moment is long past): then any of them may have.
    pub fn changes(&self, object: &str, since: i64) -> Result<Option<Vec<String>>> {
        let first: Option<i64> = self.connection.query_row("SELECT min(seq) FROM changes", [], |row| row.get(0))?;
        if since > self.moment()? || first.is_some_and(|first| since < first - 1) {
            return Ok(None);
        }
        let mut statement =
            self.connection.prepare_cached("SELECT DISTINCT old_key FROM changes WHERE seq > ?1 AND object = ?2")?;
        let keys = statement.query_map(params![since, object], |row| row.get::<_, Option<String>>(0))?;
        Ok(keys.collect::<rusqlite::Result<Vec<Option<String>>>>()?.into_iter().collect())
    }
    /// Forgets target rows that are gone, by their new ids, in one transaction.
    pub fn forget_many<'i>(&mut self, object: &str, new_ids: impl IntoIterator<Item = &'i str>) -> Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut statement = transaction
                .prepare_cached("DELETE FROM crosswalk WHERE object = ?1 AND new_id = ?2 RETURNING old_key")?;
            let mut gone: Vec<String> = Vec::new();
            for id in new_ids {
                let mut rows = statement.query([object, id])?;
                while let Some(row) = rows.next()? {
                    gone.push(row.get(0)?);
                }
            }
            note(&transaction, object, &gone)?;
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Keys of one transaction that are noted one by one; more are noted as 'many'.
const MANY: usize = 5_000;

/// Changes that are kept.
const KEPT: i64 = 200_000;

/// One more than [`MANY`] is enough to know that they are many.
fn remember<K>(changed: &mut Vec<K>, key: K) {
    if changed.len() <= MANY {
        changed.push(key);
    }
}

/// Notes which keys changed, for whoever links to them.
fn note<K: AsRef<str>>(transaction: &Connection, object: &str, keys: &[K]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut statement = transaction.prepare_cached("INSERT INTO changes (object, old_key) VALUES (?1, ?2)")?;
    if keys.len() > MANY {
        statement.execute(params![object, None::<String>])?;
    } else {
        for key in keys {
            statement.execute(params![object, key.as_ref()])?;
        }
    }
    let newest = transaction.last_insert_rowid();
    transaction.prepare_cached("DELETE FROM changes WHERE seq <= ?1")?.execute([newest - KEPT])?;
    Ok(())
}

/// What changed, in order; a key of NULL: many did.
const CHANGES: &str = "
CREATE TABLE changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, object TEXT NOT NULL, old_key TEXT);
";

const SCHEMA: &str = "
CREATE TABLE crosswalk (
  object TEXT NOT NULL,
  old_key TEXT NOT NULL,
  new_id TEXT NOT NULL,
  PRIMARY KEY (object, old_key)
) WITHOUT ROWID;
CREATE INDEX crosswalk_new_id ON crosswalk (object, new_id);
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn open(dir: &tempfile::TempDir) -> Crosswalk {
        Crosswalk::open(&dir.path().join("default.db")).unwrap()
    }

    #[test]
    fn entries_survive_and_objects_are_apart() {
        let dir = tempfile::tempdir().unwrap();
        let mut crosswalk = open(&dir);
        assert_eq!(crosswalk.put_many("nova:accounts", [("7", "107"), ("8", "108")]).unwrap(), 2);
        crosswalk.put_many("nova:contacts", [("7", "9")]).unwrap();
        drop(crosswalk);
        let crosswalk = open(&dir);
        assert_eq!(crosswalk.get("nova:accounts", "7").unwrap().as_deref(), Some("107"));
        assert_eq!(crosswalk.get("nova:contacts", "7").unwrap().as_deref(), Some("9"));
        assert_eq!(crosswalk.get("nova:contacts", "8").unwrap(), None);
        let many = crosswalk.get_many("nova:accounts", ["8", "none", "7"]).unwrap();
        assert_eq!(many, [Some("108".to_owned()), None, Some("107".to_owned())]);
        assert_eq!(crosswalk.load("nova:accounts").unwrap().len(), 2);
    }

    #[test]
    fn doing_it_again_changes_nothing_and_newer_ids_win() {
        let dir = tempfile::tempdir().unwrap();
        let mut crosswalk = open(&dir);
        crosswalk.put_many("o", [("a", "1"), ("b", "2")]).unwrap();
        assert_eq!(crosswalk.put_many("o", [("a", "1"), ("b", "2")]).unwrap(), 0);
        assert_eq!(crosswalk.put_many("o", [("b", "1")]).unwrap(), 1);
        assert_eq!(crosswalk.old_keys("o", "1").unwrap(), ["a", "b"]);
        assert_eq!(crosswalk.count("o").unwrap(), 2);
        crosswalk.forget_many("o", ["1"]).unwrap();
        assert_eq!(crosswalk.get("o", "a").unwrap(), None);
    }

    #[test]
    fn it_tells_what_changed_since() {
        let dir = tempfile::tempdir().unwrap();
        let mut crosswalk = open(&dir);
        let sorted = |crosswalk: &Crosswalk, since| {
            let mut keys = crosswalk.changes("o", since).unwrap().unwrap();
            keys.sort();
            keys
        };
        assert_eq!((crosswalk.moment().unwrap(), sorted(&crosswalk, 0).len()), (0, 0));
        crosswalk.put_many("o", [("a", "1"), ("b", "2")]).unwrap();
        crosswalk.put_many("other", [("z", "1")]).unwrap();
        let then = crosswalk.moment().unwrap();
        assert_eq!(sorted(&crosswalk, 0), ["a", "b"]);
        crosswalk.put_many("o", [("a", "1"), ("c", "3")]).unwrap();
        crosswalk.forget_many("o", ["2"]).unwrap();
        assert_eq!(sorted(&crosswalk, then), ["b", "c"], "what stays is not told");
        let many: Vec<(String, String)> = (0..=MANY).map(|n| (format!("k{n}"), n.to_string())).collect();
        crosswalk.put_many("o", many.iter().map(|(key, id)| (key.as_str(), id.as_str()))).unwrap();
        assert_eq!(crosswalk.changes("o", then).unwrap(), None, "many");
        assert_eq!(crosswalk.changes("other", then).unwrap(), Some(Vec::new()));
        assert_eq!(crosswalk.changes("other", 1 << 40).unwrap(), None, "another crosswalk's moment");
    }
}
