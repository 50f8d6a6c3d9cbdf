//! Looking whether anything is left: every file of the state folder is searched for what only that person had.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hashbrown::HashSet;

use super::person::Person;
use crate::error::{Error, Result};
use crate::journal::StateDir;
use crate::monitor::Monitor;
use crate::plan::ops::Store;
use crate::table::Snapshot;

/// Shorter cells are found in anything.
const SHORTEST: usize = 6;
/// A single word must be longer than most words of the console's own.
const LONG_WORD: usize = 12;

/// A cell that tells of a person wherever it is found: `before` does not, `anna@x.example` and `4711-0815` do.
fn tells(cell: &str) -> bool {
    let length = cell.chars().count();
    length >= LONG_WORD || (length >= SHORTEST && !cell.chars().all(|c| c.is_alphabetic() || c == '_' || c == '-'))
}

/// The value stands in these bytes, and not within a longer word or number.
fn stands_in(bytes: &[u8], value: &str) -> bool {
    let inner = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    memchr::memmem::find_iter(bytes, value.as_bytes())
        .any(|at| !inner(at.checked_sub(1)) && !inner(Some(at + value.len())))
}

/// Cells of their rows that no other row of the same snapshots has.
pub(crate) fn only_theirs(person: &Person, monitor: &dyn Monitor) -> Result<HashSet<String>> {
    let mut values: HashSet<String> = HashSet::new();
    let mut snapshots: Vec<(Snapshot, &BTreeSet<u64>)> = Vec::new();
    for (dir, rows) in &person.rows {
        let Ok(snapshot) = Snapshot::open(dir) else { continue };
        let ordinals: Vec<u64> = rows.iter().copied().filter(|row| *row < snapshot.meta().rows).collect();
        let frame = snapshot.gather(&ordinals, None)?;
        for column in frame.columns() {
            let Ok(cells) = column.str() else { continue };
            let long = cells.iter().flatten().map(str::trim).filter(|cell| tells(cell));
            values.extend(long.map(str::to_owned));
        }
        snapshots.push((snapshot, rows));
    }
    for (snapshot, rows) in &snapshots {
        let mut first = 0;
        for frame in snapshot.batches(None)? {
            monitor.check()?;
            let frame = frame?;
            for column in frame.columns() {
                let Ok(cells) = column.str() else { continue };
                for (row, cell) in cells.iter().enumerate() {
                    let Some(cell) = cell.map(str::trim).filter(|cell| cell.len() >= SHORTEST) else { continue };
                    if values.contains(cell) && !rows.contains(&(first + row as u64)) {
                        values.remove(cell);
                    }
                }
            }
            first += frame.height() as u64;
        }
    }
    Ok(values)
}

/// Files of the state folder that hold one of these values.
pub(crate) fn holders(state: &StateDir, values: &HashSet<String>, monitor: &dyn Monitor) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !values.is_empty() {
        walk(state.path(), &mut |path| {
            monitor.check()?;
            if holds(path, values)? {
                found.push(path.to_owned());
            }
            Ok(())
        })?;
    }
    Ok(found)
}

fn walk(folder: &Path, look: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|error| Error::io("list", folder, &error))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { walk(&path, look)? } else { look(&path)? }
    }
    Ok(())
}

fn holds(path: &Path, values: &HashSet<String>) -> Result<bool> {
    if path.extension().is_some_and(|extension| extension == "parquet")
        && let Ok(store) = Store::open(path)
    {
        let mut at = 0;
        for rows in store.groups() {
            let frame = store.slice(at, rows, None)?;
            at += rows as u64;
            for column in frame.columns() {
                let Ok(cells) = column.str() else { continue };
                if cells.iter().flatten().any(|cell| values.contains(cell.trim())) {
                    return Ok(true);
                }
            }
        }
        return Ok(false);
    }
    match std::fs::read(path) {
        Ok(bytes) => Ok(values.iter().any(|value| stands_in(&bytes, value))),
        // Somebody cleared it away meanwhile.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("read", path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_words_and_parts_of_numbers_are_nobodys() {
        for (cell, is) in [
            ("before", false),
            ("rejected", false),
            ("missing_target", true),
            ("10042", false),
            ("0010042", true),
            ("a@b.example", true),
            ("Anna Weiss", true),
        ] {
            assert_eq!(tells(cell), is, "{cell}");
        }
        assert!(stands_in(b"{\"key\":\"0010042\"}", "0010042"));
        assert!(!stands_in(b"ab0010042cd 100100420", "0010042"));
        assert!(stands_in(b"0010042", "0010042"));
    }
}
