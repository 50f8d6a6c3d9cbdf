//! The list of the erased: keyed hashes by which a person who was erased is known again, and nothing else of them.
//!
//! `erased.ndjson` has a line for each way of knowing them: the cells of some columns of an object (their row is blanked
//! whenever that object is read, and so are cells of other records that name them), and their key in a target object (their
//! record is left out of every plan). The key of the hashes is in `erased.key` (mode 0600), made with the first line: who
//! has the list alone cannot try out names. Who has both can, one guess at a time.
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::PathBuf;

use hashbrown::HashSet;
use polars::prelude::{DataFrame, StringChunked};
use serde::{Deserialize, Serialize};

use super::{StateDir, now};
use crate::error::{Error, Result};
use crate::migrate::write_whole;
use crate::platform::ReadReject;
use crate::table::snapshot::forget::{ERASED, Forget, blank_rows, set_cells, tokens};

/// Bytes of a hash.
const BYTES: usize = 16;
type Hash = [u8; BYTES];

/// How something of a person is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Known {
    /// Their row in an object.
    Row,
    /// A cell of another record that names them.
    Cell,
    /// Their key in a target object.
    Key,
}

/// One thing to know a person by. The values are hashed when it is added to the list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sign {
    pub(crate) known: Known,
    /// The object as snapshots are labelled, or the target object of a key.
    pub(crate) of: String,
    /// Columns, none for a key.
    pub(crate) columns: Vec<String>,
    /// Their cells, or the key.
    pub(crate) values: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    at: String,
    known: Known,
    of: String,
    columns: Vec<String>,
    hash: String,
}

/// The list, read.
pub(crate) struct ErasedList {
    key: [u8; 32],
    lines: Vec<Line>,
}

impl ErasedList {
    /// Reads the list of a project; None if nobody was erased.
    pub(crate) fn open(state: &StateDir) -> Result<Option<Self>> {
        let (path, key_path) = paths(state);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &path, &error)),
        };
        let key = read_key(&key_path)?.ok_or_else(|| {
            Error::platform("erased.key is gone: people who were erased would come back unnoticed")
                .at(key_path.display())
                .advise("put it back from a copy of the state folder")
        })?;
        let lines: Vec<Line> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>().map_err(|_| {
            Error::platform("a line of the list of the erased cannot be understood")
                .at(path.display())
                .advise("put the file back from a copy of the state folder")
        })?;
        Ok((!lines.is_empty()).then_some(Self { key, lines }))
    }

    /// Adds signs; those that are on the list already change nothing.
    pub(crate) fn add(state: &StateDir, signs: &BTreeSet<Sign>) -> Result<()> {
        state.make()?;
        let (path, key_path) = paths(state);
        let key = make_key(&key_path)?;
        let mut list = Self::open(state)?.unwrap_or(Self { key, lines: Vec::new() });
        for sign in signs {
            let columns: Vec<&str> = sign.columns.iter().map(String::as_str).collect();
            let hash = hash(&list.key, sign.known, &sign.of, &columns, sign.values.iter().map(String::as_str));
            let hash = to_hex(&hash);
            if !list.lines.iter().any(|line| line.hash == hash) {
                let (of, columns) = (sign.of.clone(), sign.columns.clone());
                list.lines.push(Line { at: now(), known: sign.known, of, columns, hash });
            }
        }
        let mut text = Vec::new();
        for line in &list.lines {
            serde_json::to_writer(&mut text, line).map_err(|_| Error::platform("the list cannot be written"))?;
            text.push(b'\n');
        }
        write_whole(&path, &text)
    }

    /// What of an object must not be kept; None if nobody of it was erased.
    pub(crate) fn of_object(&self, label: &str) -> Option<Forgotten> {
        let mut groups: Vec<Group> = Vec::new();
        for line in self.lines.iter().filter(|line| line.of == label && line.known != Known::Key) {
            let Some(hash) = from_hex(&line.hash) else { continue };
            match groups.iter_mut().find(|group| group.known == line.known && group.columns == line.columns) {
                Some(group) => _ = group.hashes.insert(hash),
                None => groups.push(Group {
                    known: line.known,
                    columns: line.columns.clone(),
                    hashes: HashSet::from_iter([hash]),
                }),
            }
        }
        (!groups.is_empty()).then(|| Forgotten { key: self.key, label: label.to_owned(), groups })
    }

    /// The keys of a target object that are left out of every plan; None if there are none.
    pub(crate) fn keys_of(&self, object: &str) -> Option<ErasedKeys> {
        let lines = self.lines.iter().filter(|line| line.of == object && line.known == Known::Key);
        let hashes: HashSet<Hash> = lines.filter_map(|line| from_hex(&line.hash)).collect();
        (!hashes.is_empty()).then(|| ErasedKeys { key: self.key, object: object.to_owned(), hashes })
    }

    /// A short name for a key that tells nobody what it is, for the audit log.
    pub(crate) fn pseudonym(state: &StateDir, object: &str, key: &str) -> Result<String> {
        let secret = make_key(&paths(state).1)?;
        Ok(to_hex(&hash(&secret, Known::Key, object, &[], [key]))[..16].to_owned())
    }
}

/// Keys of a target object that were erased.
pub(crate) struct ErasedKeys {
    key: [u8; 32],
    object: String,
    hashes: HashSet<Hash>,
}

impl ErasedKeys {
    /// The record of this key was erased.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.hashes.contains(&hash(&self.key, Known::Key, &self.object, &[], [key]))
    }
}

/// What of one object must not be kept.
pub(crate) struct Forgotten {
    key: [u8; 32],
    label: String,
    groups: Vec<Group>,
}

struct Group {
    known: Known,
    columns: Vec<String>,
    hashes: HashSet<Hash>,
}

impl Forgotten {
    /// Rows of a frame that a group knows.
    fn rows(&self, group: &Group, frame: &DataFrame) -> Result<BTreeSet<usize>> {
        if group.columns.iter().any(|name| frame.column(name).is_err()) {
            return Ok(BTreeSet::new());
        }
        let cells: Vec<&StringChunked> =
            group.columns.iter().map(|name| Ok(frame.column(name)?.str()?)).collect::<Result<_>>()?;
        let columns: Vec<&str> = group.columns.iter().map(String::as_str).collect();
        let mut iterators: Vec<_> = cells.iter().map(|cells| cells.iter()).collect();
        Ok((0..frame.height())
            .filter(|_| {
                let row: Vec<&str> = iterators.iter_mut().filter_map(|cells| cells.next().flatten()).collect();
                row.len() == columns.len()
                    && group.hashes.contains(&hash(&self.key, group.known, &self.label, &columns, row))
            })
            .collect())
    }
}

impl Forget for Forgotten {
    fn forget(&self, mut frame: DataFrame) -> Result<(DataFrame, Vec<u64>)> {
        let mut gone = BTreeSet::new();
        for group in &self.groups {
            let rows = self.rows(group, &frame)?;
            match group.known {
                Known::Row => gone.extend(rows),
                _ => group.columns.iter().try_for_each(|name| set_cells(&mut frame, name, &rows, Some(ERASED)))?,
            }
        }
        if !gone.is_empty() {
            blank_rows(&mut frame, &gone)?;
        }
        Ok((frame, gone.into_iter().map(|row| row as u64).collect()))
    }

    fn forget_piece(&self, piece: &mut ReadReject) {
        let theirs = self.groups.iter().filter(|group| group.columns.len() == 1).any(|group| {
            let columns = [group.columns[0].as_str()];
            tokens(&piece.raw)
                .any(|token| group.hashes.contains(&hash(&self.key, group.known, &self.label, &columns, [token])))
        });
        if theirs {
            ERASED.clone_into(&mut piece.raw);
        }
    }
}

/// Blanks around a cell do not make another person.
fn hash<'v>(
    key: &[u8; 32],
    known: Known,
    of: &str,
    columns: &[&str],
    values: impl IntoIterator<Item = &'v str>,
) -> Hash {
    let mut hasher = blake3::Hasher::new_keyed(key);
    let mut put = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    put(match known {
        Known::Row => "row",
        Known::Cell => "cell",
        Known::Key => "key",
    });
    put(of);
    for column in columns {
        put(column);
    }
    put("");
    for value in values {
        put(value.trim());
    }
    let mut out = [0; BYTES];
    out.copy_from_slice(&hasher.finalize().as_bytes()[..BYTES]);
    out
}

fn paths(state: &StateDir) -> (PathBuf, PathBuf) {
    (state.path().join("erased.ndjson"), state.path().join("erased.key"))
}

fn read_key(path: &std::path::Path) -> Result<Option<[u8; 32]>> {
    let damaged = || Error::platform(format!("{} is not a key", path.display())).advise("put it back from a copy");
    match std::fs::read(path) {
        Ok(bytes) => bytes.try_into().map(Some).map_err(|_| damaged()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, &error)),
    }
}

/// The key, made if there is none. Temporary files are private to their owner; whoever comes second takes the first's.
fn make_key(path: &std::path::Path) -> Result<[u8; 32]> {
    if let Some(key) = read_key(path)? {
        return Ok(key);
    }
    let fail = |error: std::io::Error| Error::io("write", path, &error);
    let mut key = [0; 32];
    let mut random = std::fs::File::open("/dev/urandom").map_err(fail)?;
    random.read_exact(&mut key).map_err(fail)?;
    let folder = path.parent().unwrap_or_else(|| std::path::Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fail)?;
    file.write_all(&key).and_then(|()| file.as_file().sync_all()).map_err(fail)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(key),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            read_key(path)?.ok_or_else(|| fail(error.error))
        }
        Err(error) => Err(fail(error.error)),
    }
}

fn to_hex(hash: &Hash) -> String {
    use std::fmt::Write;
    hash.iter().fold(String::with_capacity(2 * BYTES), |mut text, byte| {
        // Writing into a String cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<Hash> {
    let mut out = [0; BYTES];
    if text.len() != 2 * BYTES {
        return None;
    }
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use polars::prelude::{Column, NamedFrom, Series};

    use super::*;

    fn sign(known: Known, columns: &[&str], values: &[&str]) -> Sign {
        let text = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Sign { known, of: "legacy:contacts".into(), columns: text(columns), values: text(values) }
    }

    fn frame() -> DataFrame {
        let column = |name: &str, cells: [Option<&str>; 3]| -> Column { Series::new(name.into(), cells).into() };
        let columns = vec![
            column("ID", [Some("7"), Some(" 8 "), None]),
            column("NAME", [Some("Anna"), Some("Ben"), Some("8")]),
            column("BOSS", [Some("8"), None, Some("9")]),
        ];
        DataFrame::new(3, columns).unwrap()
    }

    #[test]
    fn who_was_erased_is_known_again_and_nobody_else() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::of(root.path());
        assert!(ErasedList::open(&state).unwrap().is_none());
        let signs = BTreeSet::from([
            sign(Known::Row, &["ID"], &["8"]),
            sign(Known::Cell, &["BOSS"], &["8"]),
            sign(Known::Key, &[], &["8"]),
        ]);
        ErasedList::add(&state, &signs).unwrap();
        ErasedList::add(&state, &signs).unwrap();
        let list = ErasedList::open(&state).unwrap().unwrap();
        assert_eq!(list.lines.len(), 3, "twice is once");
        assert!(list.of_object("legacy:deals").is_none() && list.keys_of("nova:contacts").is_none());
        let forgotten = list.of_object("legacy:contacts").unwrap();
        let (frame, rows) = forgotten.forget(frame()).unwrap();
        assert_eq!(rows, [1]);
        let cells = |name: &str| -> Vec<Option<String>> {
            frame.column(name).unwrap().str().unwrap().iter().map(|cell| cell.map(str::to_owned)).collect()
        };
        assert_eq!(cells("NAME"), [Some("Anna".to_owned()), None, Some("8".to_owned())]);
        assert_eq!(cells("BOSS"), [Some(ERASED.to_owned()), None, Some("9".to_owned())]);
        let keys = list.keys_of("legacy:contacts").unwrap();
        assert!(keys.has("8") && !keys.has("7"));
        let mut piece = ReadReject { line: 3, reason: String::new(), raw: "\"8\",Ben,x,y".into() };
        forgotten.forget_piece(&mut piece);
        assert_eq!(piece.raw, ERASED);
        let mut piece = ReadReject { line: 3, reason: String::new(), raw: "88,Carl".into() };
        forgotten.forget_piece(&mut piece);
        assert_eq!(piece.raw, "88,Carl");
    }

    #[test]
    fn the_list_tells_nothing_and_needs_its_key() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::of(root.path());
        ErasedList::add(&state, &BTreeSet::from([sign(Known::Row, &["MAIL"], &["anna@x.test"])])).unwrap();
        let (list, key) = paths(&state);
        assert!(!std::fs::read_to_string(&list).unwrap().contains("anna"));
        for path in [&list, &key] {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        }
        std::fs::remove_file(&key).unwrap();
        let error = ErasedList::open(&state).err().unwrap();
        assert!(error.what().contains("erased.key is gone"), "{error}");
    }
}
