//! Table files of the state folder, written anew group by group.
use std::collections::BTreeSet;
use std::path::Path;

use polars::prelude::DataFrame;

use crate::error::{Error, Result};
use crate::plan::ops::{Store, StoreWriter};

/// Hands each row group with the ordinal of its first row to `change`, which answers how many rows of it lost something.
/// If `write` and any did, the file is replaced by what `change` left. Answers their number.
pub(super) fn rewrite(
    path: &Path,
    write: bool,
    mut change: impl FnMut(&mut DataFrame, u64) -> Result<u64>,
) -> Result<u64> {
    let store = Store::open(path)?;
    // First without writing: most files hold nothing of the person.
    let mut lost = 0;
    let mut at = 0;
    for rows in store.groups() {
        let mut frame = store.slice(at, rows, None)?;
        lost += change(&mut frame, at)?;
        at += rows as u64;
    }
    if lost == 0 || !write {
        return Ok(lost);
    }
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let fail = |error: std::io::Error| Error::io("write", path, &error);
    let temp = tempfile::Builder::new().prefix(".erase-").tempfile_in(folder).map_err(fail)?.into_temp_path();
    let schema = store.slice(0, 0, None)?.schema().as_ref().clone();
    let mut writer = StoreWriter::create(&temp, &schema)?;
    let mut at = 0;
    for rows in store.groups() {
        let mut frame = store.slice(at, rows, None)?;
        change(&mut frame, at)?;
        at += rows as u64;
        writer.write(&mut frame)?;
    }
    writer.finish()?;
    std::fs::File::open(&temp).and_then(|file| file.sync_all()).map_err(fail)?;
    temp.persist(path).map_err(|error| fail(error.error))?;
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)?;
    Ok(lost)
}

/// Those of the ordinals that lie in a group, counted from its first row.
pub(super) fn within(rows: &BTreeSet<u64>, first: u64, height: usize) -> BTreeSet<usize> {
    rows.range(first..first + height as u64).map(|row| (row - first) as usize).collect()
}
