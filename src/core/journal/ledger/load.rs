//! Making a whole ledger: entries in any order, sorted in parts, loaded in the order of their keys into a new file that
//! takes the place of the old one when it is whole.
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::{Agreement, Entry, INSERT, SCHEMA, VERSION, insert, put_agreement};
use crate::error::{Error, Result};

/// Parts that are sorted one by one: a million records of some hundred bytes make parts of a few megabytes.
const PARTS: usize = 16;

/// See the module. Dropped without [`Loader::finish`], the old ledger stays.
pub struct Loader {
    path: PathBuf,
    parts: Vec<BufWriter<File>>,
    open: Vec<String>,
    /// Entries can be found by locator and by parent.
    seekable: bool,
    entries: u64,
}

impl Loader {
    /// Begins a ledger at `path`. `seekable`: entries can be found by locator and by the records they link to.
    pub fn create(path: &Path, seekable: bool) -> Result<Self> {
        let part = || {
            tempfile::tempfile()
                .map(|file| BufWriter::with_capacity(1 << 16, file))
                .map_err(|error| Error::platform(format!("cannot create a temporary file: {error}")))
        };
        let parts = (0..PARTS).map(|_| part()).collect::<Result<_>>()?;
        Ok(Self { path: path.to_owned(), parts, open: Vec::new(), seekable, entries: 0 })
    }
    /// Adds an entry. Of two with one key the later one counts.
    pub fn push(&mut self, entry: &Entry) -> Result<()> {
        self.entries += 1;
        let part = &mut self.parts[usize::from(entry.key[0] >> 4)];
        write_entry(part, entry).map_err(|error| Error::platform(format!("cannot write a temporary file: {error}")))
    }
    /// Adds the locator of a row without an entry.
    pub fn open(&mut self, locator: String) {
        self.open.push(locator);
    }
    /// Puts the ledger in place. Answers the entries handed in.
    pub fn finish(self, agreement: &Agreement) -> Result<u64> {
        let mut made = self.path.clone().into_os_string();
        made.push(".new");
        let made = PathBuf::from(made);
        super::Ledger::remove(&made)?;
        let entries = self.entries;
        let path = self.path.clone();
        self.fill(&made, agreement).inspect_err(|_| _ = std::fs::remove_file(&made))?;
        File::open(&made).and_then(|file| file.sync_all()).map_err(|error| Error::io("write", &made, &error))?;
        // A journal that a killed writer left belongs to the old file, which goes first: no ledger is better than a mixed one.
        super::Ledger::remove(&path)?;
        std::fs::rename(&made, &path).map_err(|error| Error::io("write", &path, &error))?;
        if let Some(folder) = path.parent() {
            File::open(folder).and_then(|file| file.sync_all()).map_err(|error| Error::io("write", folder, &error))?;
        }
        Ok(entries)
    }
    fn fill(self, made: &Path, agreement: &Agreement) -> Result<()> {
        let mut connection = Connection::open(made).map_err(|error| Error::from(error).at(made.display()))?;
        // Nobody sees the file before it is whole, and it is synced then.
        connection.pragma_update(None, "page_size", 8_192)?;
        connection.pragma_update(None, "journal_mode", "OFF")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.execute_batch(SCHEMA)?;
        let transaction = connection.transaction()?;
        let mut links: Vec<(u64, super::Hidden)> = Vec::new();
        let (mut records, mut filtered) = (0, 0);
        {
            let mut put = transaction.prepare(&INSERT.replace("INSERT", "INSERT OR REPLACE"))?;
            for part in self.parts {
                let mut entries = read(part)
                    .map_err(|error| Error::platform(format!("cannot read a temporary file back: {error}")))?;
                // Of two with one key the later one stays.
                entries.reverse();
                entries.sort_by_key(|entry| entry.key);
                entries.dedup_by(|later, first| later.key == first.key);
                for entry in &entries {
                    insert(&mut put, entry)?;
                    *if entry.target.is_some() { &mut records } else { &mut filtered } += 1;
                    if self.seekable {
                        links.extend(entry.links.iter().filter(|link| **link != 0).map(|link| (*link, entry.key)));
                    }
                }
            }
            links.sort_unstable_by_key(|(link, key)| (*link as i64, *key));
            let mut adopt = transaction.prepare("INSERT OR IGNORE INTO parents (parent, child) VALUES (?1, ?2)")?;
            for (parent, child) in links {
                adopt.execute(params![parent as i64, child.as_slice()])?;
            }
            let mut open = transaction.prepare("INSERT OR IGNORE INTO open (locator) VALUES (?1)")?;
            for locator in &self.open {
                open.execute([locator])?;
            }
            let word = if self.seekable { "yes" } else { "no" };
            transaction.execute("INSERT INTO meta (name, value) VALUES ('parents', ?1)", [word])?;
            put_agreement(&transaction, &Agreement { records, filtered, ..agreement.clone() })?;
            if self.seekable {
                transaction.execute_batch("CREATE INDEX entries_locator ON entries (locator)")?;
            }
        }
        transaction.commit()?;
        connection.pragma_update(None, "user_version", VERSION)?;
        Ok(())
    }
}

/// An entry as bytes, for files of our own.
pub(crate) fn write_entry(out: &mut impl Write, entry: &Entry) -> std::io::Result<()> {
    let flags = u8::from(entry.target.is_some())
        | u8::from(entry.cells.is_some()) << 1
        | u8::from(entry.locator.is_some()) << 2;
    out.write_all(&[flags])?;
    out.write_all(&entry.key)?;
    out.write_all(&entry.source)?;
    for hash in [entry.target, entry.cells].into_iter().flatten() {
        out.write_all(&hash)?;
    }
    if let Some(locator) = &entry.locator {
        out.write_all(&(locator.len() as u32).to_le_bytes())?;
        out.write_all(locator.as_bytes())?;
    }
    out.write_all(&(entry.links.len() as u32).to_le_bytes())?;
    for number in &entry.links {
        out.write_all(&number.to_le_bytes())?;
    }
    out.write_all(&(entry.base.len() as u32).to_le_bytes())?;
    for cell in &entry.base {
        // One more than the length; 0 is NULL.
        let length = cell.as_ref().map_or(0, |cell| cell.len() as u32 + 1);
        out.write_all(&length.to_le_bytes())?;
        out.write_all(cell.as_deref().unwrap_or_default().as_bytes())?;
    }
    Ok(())
}

fn read(part: BufWriter<File>) -> std::io::Result<Vec<Entry>> {
    let mut file = part.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.rewind()?;
    let mut file = BufReader::with_capacity(1 << 16, file);
    let mut entries = Vec::new();
    while let Some(entry) = read_entry(&mut file)? {
        entries.push(entry);
    }
    Ok(entries)
}

/// The next entry of a file; None at its end.
pub(crate) fn read_entry(file: &mut impl Read) -> std::io::Result<Option<Entry>> {
    let mut flags = [0];
    if file.read(&mut flags)? == 0 {
        return Ok(None);
    }
    let flags = flags[0];
    let hash = |file: &mut dyn Read| -> std::io::Result<super::Hidden> {
        let mut hash = [0; 16];
        file.read_exact(&mut hash)?;
        Ok(hash)
    };
    let length = |file: &mut dyn Read| -> std::io::Result<usize> {
        let mut bytes = [0; 4];
        file.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes) as usize)
    };
    let mut entry = Entry { key: hash(file)?, source: hash(file)?, ..Entry::default() };
    if flags & 1 != 0 {
        entry.target = Some(hash(file)?);
    }
    if flags & 2 != 0 {
        entry.cells = Some(hash(file)?);
    }
    if flags & 4 != 0 {
        let mut text = vec![0; length(file)?];
        file.read_exact(&mut text)?;
        entry.locator = Some(String::from_utf8_lossy(&text).into_owned());
    }
    for _ in 0..length(file)? {
        let mut bytes = [0; 8];
        file.read_exact(&mut bytes)?;
        entry.links.push(u64::from_le_bytes(bytes));
    }
    for _ in 0..length(file)? {
        let cell = match length(file)? {
            0 => None,
            more => {
                let mut text = vec![0; more - 1];
                file.read_exact(&mut text)?;
                Some(String::from_utf8_lossy(&text).into_owned())
            }
        };
        entry.base.push(cell);
    }
    Ok(Some(entry))
}
