//! What a mapping will tell the crosswalk: kept in the run's folder before the publish, applied after it. A start that
//! finds the publish done and the crosswalk not applies it again: that changes nothing where it was applied already.
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::journal::Crosswalk;

/// Lines of one transaction.
const LINES: usize = 50_000;

/// What became of a target row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fate {
    /// It was there: matched by the plan.
    #[serde(rename = "p")]
    Present,
    /// Inserted by this run.
    #[serde(rename = "i")]
    Inserted,
    /// Deleted by this run.
    #[serde(rename = "d")]
    Deleted,
}

/// Old key, new id, fate: one line of the file, as a JSON list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line(String, String, Fate);

/// Writes the file of one mapping.
pub(super) struct Stage {
    path: PathBuf,
    file: BufWriter<File>,
}

/// The file of a mapping in the folder of its run.
fn path_of(run_dir: &Path, mapping: &str) -> PathBuf {
    run_dir.join(format!("{mapping}.crosswalk.ndjson"))
}

impl Stage {
    /// Begins anew.
    pub(super) fn create(run_dir: &Path, mapping: &str) -> Result<Self> {
        let path = path_of(run_dir, mapping);
        let file = File::create(&path).map_err(|error| Error::io("create", &path, &error))?;
        Ok(Self { path, file: BufWriter::with_capacity(1 << 16, file) })
    }
    /// Adds a row.
    pub(super) fn push(&mut self, old_key: &str, new_id: &str, fate: Fate) -> Result<()> {
        serde_json::to_writer(&mut self.file, &(old_key, new_id, fate))
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|error| Error::io("write", &self.path, &error))
    }
    /// Everything is on disk on return.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .map_err(|error| Error::io("write", &self.path, &error))
    }
}

fn lines(run_dir: &Path, mapping: &str) -> Result<impl Iterator<Item = Result<Line>>> {
    let path = path_of(run_dir, mapping);
    let file = File::open(&path).map_err(|error| Error::io("read", &path, &error))?;
    Ok(BufReader::with_capacity(1 << 16, file).lines().map(move |line| {
        let line = line.map_err(|error| Error::io("read", &path, &error))?;
        serde_json::from_str(&line).map_err(|_| {
            Error::platform(format!("{} was changed or cut", path.display()))
                .advise("plan again: the crosswalk learns what is there by matching")
        })
    }))
}

/// New ids of the rows that this run inserted, for those of the old keys in `wanted` that are found.
pub(super) fn inserted_ids(run_dir: &Path, mapping: &str, wanted: &mut HashMap<String, Option<String>>) -> Result<()> {
    for line in lines(run_dir, mapping)? {
        let Line(key, id, fate) = line?;
        if fate != Fate::Deleted
            && let Some(slot) = wanted.get_mut(&key)
        {
            *slot = Some(id);
        }
    }
    Ok(())
}

/// Tells the crosswalk.
pub(super) fn apply(run_dir: &Path, mapping: &str, object: &str, crosswalk: &mut Crosswalk) -> Result<()> {
    let mut batch: Vec<Line> = Vec::new();
    let mut deleted = false;
    for line in lines(run_dir, mapping)? {
        let line = line?;
        let deletes = line.2 == Fate::Deleted;
        if deletes != deleted || batch.len() == LINES {
            apply_batch(&batch, deleted, object, crosswalk)?;
            batch.clear();
        }
        deleted = deletes;
        batch.push(line);
    }
    apply_batch(&batch, deleted, object, crosswalk)
}

fn apply_batch(batch: &[Line], deleted: bool, object: &str, crosswalk: &mut Crosswalk) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    if deleted {
        return crosswalk.forget_many(object, batch.iter().map(|line| line.1.as_str()));
    }
    crosswalk.put_many(object, batch.iter().map(|line| (line.0.as_str(), line.1.as_str())))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_crosswalk_learns_in_order_and_twice_is_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut crosswalk = Crosswalk::open(&dir.path().join("default.db")).unwrap();
        crosswalk.put_many("o", [("old", "5"), ("stays", "6")]).unwrap();
        let mut stage = Stage::create(dir.path(), "m").unwrap();
        stage.push("a", "1", Fate::Present).unwrap();
        stage.push("old", "5", Fate::Deleted).unwrap();
        // The platform gives the id of a deleted row away again.
        stage.push("b", "5", Fate::Inserted).unwrap();
        stage.finish().unwrap();
        for _ in 0..2 {
            apply(dir.path(), "m", "o", &mut crosswalk).unwrap();
            let mut all: Vec<_> = crosswalk.load("o").unwrap().into_iter().collect();
            all.sort();
            let all: Vec<_> = all.iter().map(|(key, id)| (key.as_str(), id.as_str())).collect();
            assert_eq!(all, [("a", "1"), ("b", "5"), ("stays", "6")]);
        }
        let mut wanted = HashMap::from([("b".to_owned(), None), ("x".to_owned(), None), ("old".to_owned(), None)]);
        inserted_ids(dir.path(), "m", &mut wanted).unwrap();
        assert_eq!(wanted["b"].as_deref(), Some("5"));
        assert_eq!((&wanted["x"], &wanted["old"]), (&None, &None));
    }
}
