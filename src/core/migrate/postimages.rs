//! Post-images: which rows a run wrote, and a hash of each whole row as it reads once published, so that a later edit is
//! recognised, also in columns that the run did not write. The platform reads the rows back before it publishes them (SQL:
//! inside the transaction, after all triggers), so a run that dies right behind its publish is known as well as any other.
//!
//! `runs/ID/postimages/NAME.parquet`, in the order of writing: changed rows ascending, then inserted ones. Beside it, in
//! `NAME.ending`, what the platform did to the end of the object so that rows could follow.
use std::path::{Path, PathBuf};

use polars::prelude::{Column, DataFrame, NamedFrom, Series};

use crate::error::{Error, Result};
use crate::journal::private_folder;
use crate::monitor::Monitor;
use crate::plan::ops::{OPS_BATCH, Store, StoreWriter};
use crate::platform::{ChangeKind, TargetWriter, WrittenRow};

const KIND: &str = "__kind";
/// Column: ordinal before the run.
pub(crate) const ORDINAL: &str = "__ordinal";
const PLACE: &str = "__place";
/// Column: key as the crosswalk knows it.
pub(crate) const KEY: &str = "__key";
/// Column: how the platform names the row.
pub(crate) const IDENTITY: &str = "__identity";
const HASH: [&str; 2] = ["__hash_hi", "__hash_lo"];

/// What was done to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// It is new.
    Insert,
    /// It was there.
    Update,
    /// It is gone.
    Delete,
}

impl Wrote {
    const fn word(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
    fn of(word: &str) -> Option<Self> {
        [Self::Insert, Self::Update, Self::Delete].into_iter().find(|wrote| wrote.word() == word)
    }
}

impl From<ChangeKind> for Wrote {
    fn from(kind: ChangeKind) -> Self {
        match kind {
            ChangeKind::Update => Self::Update,
            ChangeKind::Delete => Self::Delete,
            ChangeKind::Restore => Self::Insert,
        }
    }
}

/// One row that a run wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PostImage {
    pub(crate) wrote: Wrote,
    /// Ordinal before the run; None for new rows.
    pub(crate) ordinal: Option<u64>,
    /// Ordinal after the run, as far as this mapping goes; None for rows that are gone and for those behind the old ones. Of
    /// what sync did within a span of time it says where a row that is gone stood: before the row of this ordinal now.
    pub(crate) place: Option<u64>,
    /// Key as the crosswalk knows it.
    pub(crate) key: Option<String>,
    /// What the platform said identifies the row; the planned identity of rows that are gone.
    pub(crate) identity: Option<String>,
    /// Hash of the whole row; None for rows that are gone, and where the platform could not tell.
    pub(crate) hash: Option<u128>,
}

/// Rows of one batch, column by column.
#[derive(Default)]
struct Columns {
    kinds: Vec<&'static str>,
    ordinals: Vec<Option<u64>>,
    places: Vec<Option<u64>>,
    keys: Vec<Option<String>>,
    identities: Vec<Option<String>>,
    hashes: Vec<Option<u128>>,
}

impl Columns {
    fn push(&mut self, row: PostImage) {
        self.kinds.push(row.wrote.word());
        self.ordinals.push(row.ordinal);
        self.places.push(row.place);
        self.keys.push(row.key);
        self.identities.push(row.identity);
        self.hashes.push(row.hash);
    }
    fn frame(self) -> Result<DataFrame> {
        let half = |shift: u32| -> Vec<Option<u64>> {
            self.hashes.iter().map(|hash| hash.map(|hash| (hash >> shift) as u64)).collect()
        };
        let columns: Vec<Column> = vec![
            Series::new(HASH[0].into(), half(64)).into(),
            Series::new(HASH[1].into(), half(0)).into(),
            Series::new(KIND.into(), &self.kinds).into(),
            Series::new(ORDINAL.into(), &self.ordinals).into(),
            Series::new(PLACE.into(), &self.places).into(),
            Series::new(KEY.into(), &self.keys).into(),
            Series::new(IDENTITY.into(), &self.identities).into(),
        ];
        Ok(DataFrame::new(self.kinds.len(), columns)?)
    }
}

fn folder(run_dir: &Path) -> PathBuf {
    run_dir.join("postimages")
}

/// The file of a mapping.
pub(crate) fn path(run_dir: &Path, mapping: &str) -> PathBuf {
    folder(run_dir).join(format!("{mapping}.parquet"))
}

/// Notes the rows of one mapping while they are written.
pub(super) struct PostImages {
    run_dir: PathBuf,
    mapping: String,
    writer: Option<StoreWriter>,
    removed: u64,
    restored: u64,
}

impl PostImages {
    /// Begins; what an earlier attempt left is forgotten.
    pub(super) fn new(run_dir: &Path, mapping: &str) -> Result<Self> {
        private_folder(&folder(run_dir))?;
        for path in [path(run_dir, mapping), ending_path(run_dir, mapping)] {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &path, &error));
                }
                _ => {}
            }
        }
        let (run_dir, mapping) = (run_dir.to_owned(), mapping.to_owned());
        Ok(Self { run_dir, mapping, writer: None, removed: 0, restored: 0 })
    }

    fn noted(&self) -> PathBuf {
        folder(&self.run_dir).join(format!("{}.written.parquet", self.mapping))
    }

    /// Adds rows of one batch. Changed rows (and those put back, with the ordinal they stand before) come in the order of
    /// their ordinals, inserted ones (without an ordinal) behind them.
    pub(super) fn note(&mut self, rows: impl IntoIterator<Item = PostImage>) -> Result<()> {
        let mut columns = Columns::default();
        for mut row in rows {
            let place = row.ordinal.map(|ordinal| (ordinal + self.restored).saturating_sub(self.removed));
            match row.wrote {
                Wrote::Delete => self.removed += 1,
                Wrote::Update => row.place = place,
                Wrote::Insert => {
                    row.place = place;
                    self.restored += u64::from(place.is_some());
                    row.ordinal = None;
                }
            }
            columns.push(row);
        }
        if columns.kinds.is_empty() {
            return Ok(());
        }
        let mut frame = columns.frame()?;
        let path = self.noted();
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(StoreWriter::create(&path, frame.schema())?),
        };
        writer.write(&mut frame)
    }

    /// Asks the platform how the rows read now. Everything is on disk on return.
    pub(super) fn finish(mut self, target: &mut dyn TargetWriter, monitor: &dyn Monitor) -> Result<()> {
        if let Some(ending) = target.ending(monitor)? {
            let path = ending_path(&self.run_dir, &self.mapping);
            super::write_whole(&path, ending.as_bytes())?;
        }
        let Some(writer) = self.writer.take() else { return Ok(()) };
        writer.finish()?;
        let (noted, path) = (self.noted(), path(&self.run_dir, &self.mapping));
        let store = Store::open(&noted)?;
        let mut out: Option<StoreWriter> = None;
        let (mut at, mut appended) = (0, 0);
        while at < store.rows() {
            monitor.check()?;
            let mut rows = read(&store, at)?;
            at += rows.len() as u64;
            let there: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].wrote != Wrote::Delete).collect();
            let asked: Vec<WrittenRow<'_>> = there
                .iter()
                .map(|row| {
                    let row = &rows[*row];
                    let place = row.place.unwrap_or(appended);
                    appended += u64::from(row.place.is_none());
                    WrittenRow { place, appended: row.place.is_none(), identity: row.identity.as_deref() }
                })
                .collect();
            let hashes = target.read_back(&asked, monitor)?;
            drop(asked);
            for (row, hash) in there.into_iter().zip(hashes) {
                // A row that is written later in the run is known by what it will read.
                rows[row].hash = rows[row].hash.or(hash);
            }
            let mut columns = Columns::default();
            for row in rows {
                columns.push(row);
            }
            let mut frame = columns.frame()?;
            let writer = match &mut out {
                Some(writer) => writer,
                None => out.insert(StoreWriter::create(&path, frame.schema())?),
            };
            writer.write(&mut frame)?;
        }
        if let Some(out) = out {
            out.finish()?;
            let synced = std::fs::File::open(&path).and_then(|file| file.sync_all());
            synced.map_err(|error| Error::io("write", &path, &error))?;
        }
        std::fs::remove_file(&noted).map_err(|error| Error::io("remove", &noted, &error))
    }
}

/// Writes the rows of a mapping as they are known, in this order.
pub(crate) fn write(run_dir: &Path, mapping: &str, rows: &[PostImage]) -> Result<()> {
    private_folder(&folder(run_dir))?;
    let path = path(run_dir, mapping);
    let mut out: Option<StoreWriter> = None;
    for part in rows.chunks(OPS_BATCH) {
        let mut columns = Columns::default();
        part.iter().cloned().for_each(|row| columns.push(row));
        let mut frame = columns.frame()?;
        let writer = match &mut out {
            Some(writer) => writer,
            None => out.insert(StoreWriter::create(&path, frame.schema())?),
        };
        writer.write(&mut frame)?;
    }
    out.map_or(Ok(()), |out| out.finish().map(drop))
}

/// Notes what the platform did to the end of the object, as another run was told of it.
pub(crate) fn note_ending(run_dir: &Path, mapping: &str, ending: &str) -> Result<()> {
    super::write_whole(&ending_path(run_dir, mapping), ending.as_bytes())
}

fn ending_path(run_dir: &Path, mapping: &str) -> PathBuf {
    folder(run_dir).join(format!("{mapping}.ending"))
}

/// What the platform told of the end of the object; None if nothing.
pub(crate) fn ending(run_dir: &Path, mapping: &str) -> Result<Option<String>> {
    let path = ending_path(run_dir, mapping);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", &path, &error)),
    }
}

fn erased_path(run_dir: &Path, mapping: &str) -> PathBuf {
    folder(run_dir).join(format!("{mapping}.erased"))
}

/// Rows of a mapping that were taken out because a person was erased.
pub(crate) fn erased(run_dir: &Path, mapping: &str) -> u64 {
    let text = std::fs::read_to_string(erased_path(run_dir, mapping)).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// Notes that more rows are about to be taken out because a person is erased: whoever takes the run back says so.
pub(crate) fn note_erased(run_dir: &Path, mapping: &str, rows: u64) -> Result<()> {
    let sum = erased(run_dir, mapping) + rows;
    super::write_whole(&erased_path(run_dir, mapping), sum.to_string().as_bytes())
}

/// The rows that a mapping of a run wrote, batch by batch; None if it kept none.
pub(crate) fn batches(run_dir: &Path, mapping: &str) -> Result<Option<impl Iterator<Item = Result<Vec<PostImage>>>>> {
    let path = path(run_dir, mapping);
    if !path.exists() {
        return Ok(None);
    }
    let store = Store::open(&path)?;
    let mut at = 0;
    Ok(Some(std::iter::from_fn(move || {
        if at >= store.rows() {
            return None;
        }
        let rows = read(&store, at);
        at += rows.as_ref().map_or(u64::MAX - at, |rows| rows.len() as u64);
        Some(rows)
    })))
}

fn read(store: &Store, first: u64) -> Result<Vec<PostImage>> {
    let frame = store.slice(first, OPS_BATCH, None)?;
    let kinds = frame.column(KIND)?.str()?;
    let (ordinals, places) = (frame.column(ORDINAL)?.u64()?, frame.column(PLACE)?.u64()?);
    let (keys, identities) = (frame.column(KEY)?.str()?, frame.column(IDENTITY)?.str()?);
    let (high, low) = (frame.column(HASH[0])?.u64()?, frame.column(HASH[1])?.u64()?);
    Ok((0..frame.height())
        .map(|row| PostImage {
            wrote: kinds.get(row).and_then(Wrote::of).unwrap_or(Wrote::Update),
            ordinal: ordinals.get(row),
            place: places.get(row),
            key: keys.get(row).map(str::to_owned),
            identity: identities.get(row).map(str::to_owned),
            hash: high.get(row).zip(low.get(row)).map(|(high, low)| u128::from(high) << 64 | u128::from(low)),
        })
        .collect())
}
