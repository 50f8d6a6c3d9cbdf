//! What a plan's pass leaves for the ledger: one note for each source row that was looked at, in source order. A run turns the
//! notes of the rows that it carried over into entries once its target is published.
//!
//! Files beside the operations: `NAME.ledger` (the notes), `NAME.shared` (keys that several source rows have: none of them
//! gets an entry, so each plan looks at all of them), `NAME.gone` (entries that do not hold any more).
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use hashbrown::HashMap;
use polars::prelude::StringChunked;

use super::Operation;
use super::classify::Classified;
use super::ops::{code, operation};
use super::shape::Shape;
use crate::error::{Error, Result};
use crate::journal::ledger::{Entry, Hidden, Mark, Secret, read_entry, write_entry};
use crate::map::Fate;
use crate::platform::LOCATOR;
use crate::project::Direction;
use crate::resolve::keys::{KeyHash, key_hash};

mod mark;
pub(crate) use mark::{Marker, NUMBER, compare, fits, form_of};

/// What is noted of one source row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) operation: Operation,
    /// Ordinal in the source snapshot.
    pub(crate) source: u32,
    /// The entry, if the row is carried over; its target is not known yet where the platform gives the id. None: no entry.
    pub(crate) entry: Option<Entry>,
    /// Locator of a row without an entry.
    pub(crate) locator: Option<String>,
}

pub(crate) fn notes_path(plan_dir: &Path, mapping: &str) -> PathBuf {
    plan_dir.join(format!("{mapping}.ledger"))
}

fn shared_path(plan_dir: &Path, mapping: &str) -> PathBuf {
    plan_dir.join(format!("{mapping}.shared"))
}

fn gone_path(plan_dir: &Path, mapping: &str) -> PathBuf {
    plan_dir.join(format!("{mapping}.gone"))
}

/// Writes the notes of one mapping.
pub(super) struct Material {
    path: PathBuf,
    file: BufWriter<File>,
    secret: Secret,
    reads: Vec<String>,
    /// The cells that both sides agree on are kept.
    base: bool,
    marker: Option<Marker>,
    /// By key: hash and locator of the source's own row, where other rows than the source's are planned.
    own: HashMap<Hidden, (Hidden, Option<String>)>,
    buffer: Vec<u8>,
}

impl Material {
    pub(super) fn create(
        dir: &Path,
        shape: &Shape,
        secret: Secret,
        own: Option<HashMap<Hidden, (Hidden, Option<String>)>>,
    ) -> Result<Self> {
        let path = notes_path(dir, &shape.mapping.name);
        let file = File::create(&path).map_err(|error| Error::io("create", &path, &error))?;
        Ok(Self {
            path,
            file: BufWriter::with_capacity(1 << 18, file),
            secret,
            reads: shape.pipeline.reads(),
            base: shape.mapping.sync.direction == Direction::TwoWay,
            marker: shape.mapping.run.cursor.clone().map(Marker::new),
            own: own.unwrap_or_default(),
            buffer: Vec::with_capacity(512),
        })
    }

    /// Notes the rows of a batch. `hashes`: of the expected cells of each row.
    pub(super) fn write(&mut self, shape: &Shape, batch: &Classified, hashes: &[u128]) -> Result<()> {
        let sources = source_hashes(&batch.frame, &self.reads)?;
        let locators = batch.frame.column(LOCATOR).ok().map(|column| column.str().cloned()).transpose()?;
        let agreed: Vec<&StringChunked> = if self.base { batch.cells.iter().collect() } else { Vec::new() };
        if let Some(marker) = &mut self.marker {
            marker.see(&batch.frame)?;
        }
        for (row, op) in batch.rows.iter().enumerate() {
            let (Some(source), Some(operation)) = (op.source, op.operation) else { continue };
            let locator = locators.as_ref().and_then(|cells| cells.get(row)).map(str::to_owned);
            if batch.stays[row] {
                continue;
            }
            let carried = matches!(operation, Operation::Insert | Operation::Update | Operation::Unchanged);
            let hidden = self.secret.hide(sources[row]);
            let waits = batch.pending.iter().any(|pending| pending.get(row).is_some());
            let own = op.key.as_ref().and_then(|key| self.own.get(&self.secret.hide(key_hash(key))));
            let (hidden, locator) = own.map_or((hidden, locator), |(source, locator)| (*source, locator.clone()));
            let entry = match &op.key {
                Some(key) if carried => Some(Entry {
                    key: self.secret.hide(key_hash(key)),
                    source: hidden,
                    target: op.identity.as_ref().map(|id| self.secret.hide(key_hash(id))),
                    cells: (!waits).then(|| self.secret.hide_wide(hashes[row])),
                    locator: locator.clone(),
                    links: self.links(shape, batch, row),
                    base: agreed.iter().map(|cells| cells.get(row).map(str::to_owned)).collect(),
                }),
                // One that finds a target row keeps it from counting as one that the source lacks: it is looked at.
                // One that was erased is left out for a reason of its own, which may go.
                _ if batch.fates[row] == Fate::Filtered && !batch.finds[row] && op.reason.is_none() => {
                    Some(Entry { key: hidden, source: hidden, locator: locator.clone(), ..Entry::default() })
                }
                Some(_) if batch.fates[row] == Fate::Tombstone && own.is_some() => Some(Entry {
                    key: hidden,
                    source: hidden,
                    cells: Some(hidden),
                    locator: locator.clone(),
                    ..Entry::default()
                }),
                _ => None,
            };
            let locator = if entry.is_none() { locator } else { None };
            let note = Note { operation, source, entry, locator };
            write_note(&mut self.file, &note).map_err(|error| Error::io("write", &self.path, &error))?;
        }
        self.buffer.clear();
        Ok(())
    }

    fn links(&self, shape: &Shape, batch: &Classified, row: usize) -> Vec<u64> {
        let named = shape.links.iter().zip(&batch.named);
        named
            .map(|(_, cells)| {
                cells.get(row).filter(|key| !key.is_empty()).map_or(0, |key| self.secret.link(key_hash(key)))
            })
            .collect()
    }

    /// Completes the files. Answers how far the source was read by its cursor.
    pub(super) fn finish(
        mut self,
        dir: &Path,
        mapping: &str,
        shared: impl Iterator<Item = KeyHash>,
        gone: &[Hidden],
    ) -> Result<Option<Mark>> {
        self.file.flush().map_err(|error| Error::io("write", &self.path, &error))?;
        write_keys(&shared_path(dir, mapping), shared.map(|key| self.secret.hide(key)))?;
        write_keys(&gone_path(dir, mapping), gone.iter().copied())?;
        Ok(self.marker.map(Marker::mark))
    }
}

/// Hash of the cells that a mapping reads, of each row of a frame.
pub(super) fn source_hashes(frame: &polars::prelude::DataFrame, reads: &[String]) -> Result<Vec<KeyHash>> {
    let hashes = crate::table::hash::row_hash(frame, reads)?;
    Ok(hashes.into_iter().map(|hash| [(hash >> 64) as u64, hash as u64]).collect())
}

/// Writes hidden keys.
pub(crate) fn write_keys(path: &Path, keys: impl Iterator<Item = Hidden>) -> Result<()> {
    let fail = |error: std::io::Error| Error::io("write", path, &error);
    let mut file = BufWriter::new(File::create(path).map_err(fail)?);
    for key in keys {
        file.write_all(&key).map_err(fail)?;
    }
    file.flush().map_err(fail)
}

/// Reads hidden keys; where there is no file there are none.
pub(crate) fn read_keys(path: &Path) -> Result<Vec<Hidden>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(bytes.chunks_exact(16).filter_map(|key| key.try_into().ok()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("read", path, &error)),
    }
}

/// Keys that several source rows have.
pub(crate) fn read_shared(plan_dir: &Path, mapping: &str) -> Result<Vec<Hidden>> {
    read_keys(&shared_path(plan_dir, mapping))
}

/// Entries that do not hold any more.
pub(crate) fn read_gone(plan_dir: &Path, mapping: &str) -> Result<Vec<Hidden>> {
    read_keys(&gone_path(plan_dir, mapping))
}

fn write_note(out: &mut impl Write, note: &Note) -> std::io::Result<()> {
    let kind = if note.entry.is_some() { 1 } else { u8::from(note.locator.is_some()) << 1 };
    out.write_all(&[code(note.operation) as u8, kind])?;
    out.write_all(&note.source.to_le_bytes())?;
    if let Some(entry) = &note.entry {
        write_entry(out, entry)?;
    } else if let Some(locator) = &note.locator {
        out.write_all(&(locator.len() as u32).to_le_bytes())?;
        out.write_all(locator.as_bytes())?;
    }
    Ok(())
}

/// The notes of a plan, in source order. None: the plan left none.
pub(crate) fn notes(plan_dir: &Path, mapping: &str) -> Result<Option<impl Iterator<Item = Result<Note>>>> {
    let path = notes_path(plan_dir, mapping);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", &path, &error)),
    };
    let mut file = BufReader::with_capacity(1 << 18, file);
    Ok(Some(std::iter::from_fn(move || {
        read_note(&mut file).map_err(|error| Error::io("read", &path, &error)).transpose()
    })))
}

/// Takes the notes of some rows out of a plan's, because a person is erased; answers how many. `write`: else they are only
/// counted.
pub(crate) fn forget(plan_dir: &Path, mapping: &str, write: bool, theirs: impl Fn(&Note) -> bool) -> Result<u64> {
    let Some(all) = notes(plan_dir, mapping)? else { return Ok(0) };
    let mut lost = 0;
    for note in all {
        lost += u64::from(theirs(&note?));
    }
    let path = notes_path(plan_dir, mapping);
    let fail = |error: std::io::Error| Error::io("write", &path, &error);
    if let (true, Some(all)) = (lost > 0 && write, notes(plan_dir, mapping)?) {
        let temp = tempfile::Builder::new().prefix(".erase-").tempfile_in(plan_dir).map_err(fail)?;
        let mut file = BufWriter::new(temp);
        for note in all {
            let note = note?;
            if !theirs(&note) {
                write_note(&mut file, &note).map_err(fail)?;
            }
        }
        let temp = file.into_inner().map_err(|error| fail(error.into_error()))?;
        temp.as_file().sync_all().map_err(fail)?;
        temp.persist(&path).map_err(|error| fail(error.error))?;
        File::open(plan_dir).and_then(|folder| folder.sync_all()).map_err(fail)?;
    }
    Ok(lost)
}

fn read_note(file: &mut impl Read) -> std::io::Result<Option<Note>> {
    let mut head = [0; 6];
    if file.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    file.read_exact(&mut head[1..])?;
    let damaged = || std::io::Error::new(std::io::ErrorKind::InvalidData, "a note is damaged");
    let mut note = Note {
        operation: operation(u32::from(head[0])).ok_or_else(damaged)?,
        source: u32::from_le_bytes([head[2], head[3], head[4], head[5]]),
        entry: None,
        locator: None,
    };
    match head[1] {
        1 => note.entry = Some(read_entry(file)?.ok_or_else(damaged)?),
        2 => {
            let mut length = [0; 4];
            file.read_exact(&mut length)?;
            let mut text = vec![0; u32::from_le_bytes(length) as usize];
            file.read_exact(&mut text)?;
            note.locator = Some(String::from_utf8(text).map_err(|_| damaged())?);
        }
        _ => {}
    }
    Ok(Some(note))
}
