//! Changes in target order, whatever order the source has.
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use polars::prelude::{BooleanChunked, DataFrame, IdxCa, IdxSize};

use super::reader::{mask, texts};
use super::{
    BEFORE, Changes, EXPECTED, IDENTITY, KEY, LOCATOR, OP, OPS_BATCH, ORIGINAL, OpsReader, SOURCE, Store, StoreWriter,
    TARGET, operation,
};
use crate::error::{Error, Result};
use crate::migrate::preimages::raw_bytes;
use crate::plan::Operation;
use crate::platform::{ChangeBatch, ChangeKind};

const CHANGES: [Operation; 3] = [Operation::Update, Operation::Delete, Operation::Mark];

/// Changes, and rows that are put back at their place.
fn changes_of(frame: &DataFrame) -> Result<BooleanChunked> {
    let changes = mask(frame, &CHANGES)?;
    Ok(match frame.column(BEFORE) {
        Ok(before) => changes | before.is_not_null(),
        Err(_) => changes,
    })
}

/// Where each row changes the target, ascending: its row, or the row that it is put back before.
fn places(frame: &DataFrame) -> Result<Vec<u32>> {
    let targets = frame.column(TARGET)?.u32()?;
    let before = frame.column(BEFORE).ok().map(|before| before.u32()).transpose()?;
    let before = |row: usize| before.and_then(|before| before.get(row));
    Ok((0..frame.height()).map(|row| before(row).or(targets.get(row)).unwrap_or_default()).collect())
}
/// Changes that are sorted in memory at a time.
pub(super) const SORT_ROWS: usize = 4 * OPS_BATCH;
/// Operations that are distributed over the buckets at a time. Each part becomes a row group of its own in each bucket, and
/// what a file says of a row group is larger than some hundred rows: so not too few.
const SPILL_ROWS: usize = 4 * OPS_BATCH;
/// Cells of such a part, so that very wide tables do not fill the memory.
const SPILL_CELLS: usize = 1 << 20;

/// See [`OpsReader::changes`].
pub struct ChangeRun {
    reader: OpsReader,
    /// Buckets by target range, ascending; each sorts in memory. Opened one after the other: what a file says of its many
    /// row groups is not small.
    buckets: VecDeque<PathBuf>,
    sorted: Option<(DataFrame, usize)>,
    /// Keeps the bucket files until the end.
    temp: Option<tempfile::TempDir>,
}

impl ChangeRun {
    pub(super) fn new(reader: OpsReader, temp: &Path) -> Result<Self> {
        Self::with_sort_rows(reader, temp, SORT_ROWS)
    }

    pub(super) fn with_sort_rows(reader: OpsReader, temp: &Path, sort_rows: usize) -> Result<Self> {
        let mut targets = Vec::new();
        let columns: Vec<String> = [OP, TARGET, BEFORE]
            .into_iter()
            .filter(|name| reader.store.columns().iter().any(|known| known == name))
            .map(str::to_owned)
            .collect();
        let mut at = 0;
        while at < reader.store.rows() {
            let frame = reader.store.slice(at, OPS_BATCH, Some(&columns))?;
            at += frame.height() as u64;
            let frame = frame.filter(&changes_of(&frame)?)?;
            targets.extend(places(&frame)?);
        }
        let mut run = Self { reader, buckets: VecDeque::new(), sorted: None, temp: None };
        if targets.len() <= sort_rows {
            let mut all: Option<DataFrame> = None;
            if !targets.is_empty() {
                run.each_slice(OPS_BATCH, |frame| {
                    match &mut all {
                        None => all = Some(frame),
                        Some(all) => {
                            all.vstack_mut(&frame)?;
                        }
                    }
                    Ok(())
                })?;
            }
            run.sorted = all.map(sort).transpose()?.map(|frame| (frame, 0));
            return Ok(run);
        }
        targets.sort_unstable();
        let starts: Vec<u32> = targets.iter().step_by(sort_rows).copied().collect();
        drop(targets);
        run.spill(&starts, temp)?;
        Ok(run)
    }

    /// Hands the changes of every slice of so many operations to `take`.
    fn each_slice(&self, rows: usize, mut take: impl FnMut(DataFrame) -> Result<()>) -> Result<()> {
        let mut at = 0;
        while at < self.reader.store.rows() {
            let frame = self.reader.store.slice(at, rows, None)?;
            at += frame.height() as u64;
            let frame = frame.filter(&changes_of(&frame)?)?;
            if frame.height() > 0 {
                take(frame)?;
            }
        }
        Ok(())
    }

    /// Distributes the changes over one file per target range that begins at `starts`.
    fn spill(&mut self, starts: &[u32], temp: &Path) -> Result<()> {
        let folder = tempfile::tempdir_in(temp).map_err(|error| Error::io("create a folder in", temp, &error))?;
        let schema = self.reader.store.slice(0, 0, None)?.schema().as_ref().clone();
        let paths: Vec<_> = (0..starts.len()).map(|at| folder.path().join(format!("{at}.parquet"))).collect();
        let mut writers = paths.iter().map(|path| StoreWriter::create(path, &schema)).collect::<Result<Vec<_>>>()?;
        let width = self.reader.store.columns().len().max(1);
        let part = (SPILL_CELLS / width).clamp(OPS_BATCH / 8, SPILL_ROWS);
        self.each_slice(part, |frame| {
            let mut rows: Vec<Vec<IdxSize>> = vec![Vec::new(); starts.len()];
            for (row, target) in places(&frame)?.into_iter().enumerate() {
                rows[starts.partition_point(|start| *start <= target).saturating_sub(1)].push(row as IdxSize);
            }
            for (rows, writer) in rows.into_iter().zip(&mut writers) {
                if !rows.is_empty() {
                    writer.write(&mut frame.take(&IdxCa::from_vec("rows".into(), rows))?)?;
                }
            }
            Ok(())
        })?;
        for writer in writers {
            writer.finish()?;
        }
        self.buckets = paths.into();
        self.temp = Some(folder);
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Changes>> {
        loop {
            if let Some((frame, at)) = &mut self.sorted
                && *at < frame.height()
            {
                let part = frame.slice(*at as i64, OPS_BATCH);
                *at += part.height();
                return self.changes(&part).map(Some);
            }
            let Some(bucket) = self.buckets.pop_front() else {
                self.temp = None;
                return Ok(None);
            };
            self.sorted = None;
            let bucket = Store::open(&bucket)?;
            self.sorted = Some((sort(bucket.slice(0, bucket.rows() as usize, None)?)?, 0));
        }
    }

    fn changes(&self, frame: &DataFrame) -> Result<Changes> {
        let operations: Vec<Operation> =
            frame.column(OP)?.u32()?.iter().filter_map(|known| operation(known?)).collect();
        let half = |name: &str| -> Result<Vec<u64>> {
            Ok(frame.column(name)?.u64()?.iter().map(Option::unwrap_or_default).collect())
        };
        let expected = half(EXPECTED[0])?
            .into_iter()
            .zip(half(EXPECTED[1])?)
            .map(|(high, low)| u128::from(high) << 64 | u128::from(low))
            .collect();
        let locators = frame.column(LOCATOR)?.str()?;
        let locators =
            (locators.null_count() == 0).then(|| locators.iter().map(|at| at.unwrap_or_default().to_owned()).collect());
        Ok(Changes {
            batch: ChangeBatch {
                kinds: operations
                    .iter()
                    .map(|known| match known {
                        Operation::Delete => ChangeKind::Delete,
                        Operation::Insert => ChangeKind::Restore,
                        _ => ChangeKind::Update,
                    })
                    .collect(),
                ordinals: places(frame)?.into_iter().map(u64::from).collect(),
                locators,
                expected,
                values: self.reader.values(frame)?,
            },
            sources: frame.column(SOURCE)?.u32()?.iter().map(|at| at.map(u64::from)).collect(),
            keys: texts(frame.column(KEY)?.str()?),
            identities: texts(frame.column(IDENTITY)?.str()?),
            pending: self.reader.pending(frame)?,
            originals: match frame.column(ORIGINAL) {
                Ok(column) => column.str()?.iter().map(|text| raw_bytes(text?)).collect(),
                Err(_) => Vec::new(),
            },
            operations,
        })
    }
}

fn sort(mut frame: DataFrame) -> Result<DataFrame> {
    frame.rechunk_mut_par();
    let places = places(&frame)?;
    // What is put back before a row comes before the row's own change; else as they came.
    let changes = frame.column(TARGET)?.is_not_null();
    let mut order: Vec<IdxSize> = (0..places.len() as IdxSize).collect();
    order.sort_by_key(|row| (places[*row as usize], changes.get(*row as usize)));
    Ok(frame.take(&IdxCa::from_vec("rows".into(), order))?)
}

impl Iterator for ChangeRun {
    type Item = Result<Changes>;
    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
