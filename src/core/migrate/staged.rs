//! What a mapping will tell the crosswalk: kept in the run's folder before the publish, applied after it. A start that
//! finds the publish done and the crosswalk not applies it again: that changes nothing where it was applied already.
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::trail;
use crate::error::{Error, Result};
use crate::journal::{Crosswalk, Noting};

/// Lines of one transaction.
const LINES: usize = 50_000;

/// What became of a target row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fate {
    /// It was there: matched by the plan.
    #[serde(rename = "p")]
    Present,
    /// Inserted by this run.
    #[serde(rename = "i")]
    Inserted,
    /// Deleted by this run.
    #[serde(rename = "d")]
    Deleted,
    /// An entry that an earlier run brought and that goes: of this old key, if it still has this id.
    #[serde(rename = "f")]
    Forgotten,
}

/// Old key, new id, fate: one line of the file, as a JSON list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line(pub(crate) String, pub(crate) String, pub(crate) Fate);

/// Writes the file of one mapping.
pub(crate) struct Stage {
    path: PathBuf,
    file: BufWriter<File>,
}

/// The file of a mapping in the folder of its run.
fn path_of(run_dir: &Path, mapping: &str) -> PathBuf {
    run_dir.join(format!("{mapping}.crosswalk.ndjson"))
}

impl Stage {
    /// Begins anew.
    pub(crate) fn create(run_dir: &Path, mapping: &str) -> Result<Self> {
        let path = path_of(run_dir, mapping);
        let file = File::create(&path).map_err(|error| Error::io("create", &path, &error))?;
        Ok(Self { path, file: BufWriter::with_capacity(1 << 16, file) })
    }
    /// Goes on where an earlier attempt was.
    pub(super) fn go_on(run_dir: &Path, mapping: &str, bytes: u64) -> Result<Self> {
        let path = path_of(run_dir, mapping);
        let file = trail::reopen(&path, Some(bytes))?;
        Ok(Self { path, file: BufWriter::with_capacity(1 << 16, file) })
    }
    /// Bytes so far; they are on disk on return.
    pub(super) fn position(&mut self) -> Result<u64> {
        self.finish()?;
        self.file.get_mut().stream_position().map_err(|error| Error::io("write", &self.path, &error))
    }
    /// Adds a row.
    pub(crate) fn push(&mut self, old_key: &str, new_id: &str, fate: Fate) -> Result<()> {
        serde_json::to_writer(&mut self.file, &(old_key, new_id, fate))
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|error| Error::io("write", &self.path, &error))
    }
    /// Adds what the plan of a revert noted, if there is anything.
    pub(super) fn take_over(&mut self, plan_dir: &Path, mapping: &str) -> Result<()> {
        if !path_of(plan_dir, mapping).exists() {
            return Ok(());
        }
        for line in lines(plan_dir, mapping)? {
            let Line(key, id, fate) = line?;
            self.push(&key, &id, fate)?;
        }
        Ok(())
    }
    /// Everything is on disk on return.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .map_err(|error| Error::io("write", &self.path, &error))
    }
}

/// What a mapping told (or will tell) the crosswalk.
pub(crate) fn lines(run_dir: &Path, mapping: &str) -> Result<impl Iterator<Item = Result<Line>>> {
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
        if matches!(fate, Fate::Present | Fate::Inserted)
            && let Some(slot) = wanted.get_mut(&key)
        {
            *slot = Some(id);
        }
    }
    Ok(())
}

/// Hands out old key and new id of each row that this run inserted.
pub(super) fn each_inserted(run_dir: &Path, mapping: &str, mut take: impl FnMut(&str, &str)) -> Result<()> {
    for line in lines(run_dir, mapping)? {
        let Line(key, id, fate) = line?;
        if fate == Fate::Inserted {
            take(&key, &id);
        }
    }
    Ok(())
}

/// Tells the crosswalk, and notes what it knew before: [`undo`].
pub(super) fn apply(run_dir: &Path, mapping: &str, object: &str, crosswalk: &mut Crosswalk) -> Result<()> {
    let mut undo = Undo::open(run_dir, mapping)?;
    let mut batch: Vec<Line> = Vec::new();
    let mut last = Fate::Present;
    for line in lines(run_dir, mapping)? {
        let line = line?;
        if line.2 != last || batch.len() == LINES {
            apply_batch(&batch, last, object, crosswalk, &mut undo)?;
            batch.clear();
        }
        last = line.2;
        batch.push(line);
    }
    apply_batch(&batch, last, object, crosswalk, &mut undo)
}

/// Tells the crosswalk of rows that went after the others, by id, and notes what it knew of them.
pub(super) fn forget<'i>(
    run_dir: &Path,
    mapping: &str,
    object: &str,
    ids: impl IntoIterator<Item = &'i str>,
    crosswalk: &mut Crosswalk,
) -> Result<()> {
    crosswalk.forget_noting(object, ids, &mut Undo::open(run_dir, mapping)?)
}

fn apply_batch(batch: &[Line], fate: Fate, object: &str, crosswalk: &mut Crosswalk, undo: &mut Undo) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    match fate {
        Fate::Deleted => crosswalk.forget_noting(object, batch.iter().map(|line| line.1.as_str()), undo),
        Fate::Forgotten => {
            crosswalk.forget_entries(object, batch.iter().map(|line| (line.0.as_str(), line.1.as_str())), undo)
        }
        Fate::Present | Fate::Inserted => {
            let entries = batch.iter().map(|line| (line.0.as_str(), line.1.as_str()));
            // An inserted row goes with its entry: of that only what it replaced is worth a note.
            undo.news = fate == Fate::Present;
            crosswalk.put_noting(object, entries, undo)
        }
    }
}

/// `NAME.undo.ndjson`: what the crosswalk knew of each old key before the run changed it. On disk before the crosswalk
/// changes; noted again where a start repeats it, and then the first line of a key is the true one.
struct Undo {
    path: PathBuf,
    file: BufWriter<File>,
    /// Keys of which nothing was known are noted.
    news: bool,
}

fn undo_path(run_dir: &Path, mapping: &str) -> PathBuf {
    run_dir.join(format!("{mapping}.undo.ndjson"))
}

impl Undo {
    fn open(run_dir: &Path, mapping: &str) -> Result<Self> {
        let path = undo_path(run_dir, mapping);
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(|error| Error::io("write", &path, &error))?;
        Ok(Self { path, file: BufWriter::with_capacity(1 << 16, file), news: true })
    }
}

impl Noting for Undo {
    fn note(&mut self, old_key: &str, before: Option<&str>) -> Result<()> {
        if before.is_none() && !self.news {
            return Ok(());
        }
        serde_json::to_writer(&mut self.file, &(old_key, before))
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|error| Error::io("write", &self.path, &error))
    }
    fn settle(&mut self) -> Result<()> {
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_data())
            .map_err(|error| Error::io("write", &self.path, &error))
    }
}

/// What the crosswalk knew before a mapping of a run changed it: old key → new id, None if it knew nothing.
pub(crate) fn undo(run_dir: &Path, mapping: &str) -> Result<HashMap<String, Option<String>>> {
    let path = undo_path(run_dir, mapping);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(Error::io("read", &path, &error)),
    };
    let mut known = HashMap::new();
    for line in BufReader::with_capacity(1 << 16, file).lines() {
        let line = line.map_err(|error| Error::io("read", &path, &error))?;
        // A last line that a crash cut was not settled: the crosswalk did not change by it.
        let Ok((key, before)) = serde_json::from_str::<(String, Option<String>)>(&line) else { continue };
        known.entry(key).or_insert(before);
    }
    Ok(known)
}

/// Keeps what [`undo`] answers in another folder: of several runs that are taken back together.
pub(crate) fn keep_undo(run_dir: &Path, mapping: &str, known: &HashMap<String, Option<String>>) -> Result<()> {
    let mut known: Vec<_> = known.iter().collect();
    known.sort();
    let mut undo = Undo::open(run_dir, mapping)?;
    for (key, before) in known {
        undo.note(key, before.as_deref())?;
    }
    undo.settle()
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
