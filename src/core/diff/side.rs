//! One of the two tables of a diff, as a stream of keys and compared cells.
use polars::prelude::StringChunked;

use super::Key;
use crate::error::{Error, Result};
use crate::monitor::{Monitor, Progress};
use crate::platform::{Batch, Connector, ReadOptions, RecordReader, Source};

/// Where rows come from and which of their columns count.
pub(super) struct Side<'a> {
    pub(super) connector: &'a dyn Connector,
    pub(super) source: &'a Source,
    /// `old` or `new`.
    pub(super) name: &'static str,
    pub(super) key: &'a [String],
    pub(super) compared: &'a [String],
    pub(super) blank_is_null: bool,
}

impl Side<'_> {
    pub(super) fn read(&self, doing: &str) -> Result<Pass> {
        let reader = self.connector.read(self.source, &ReadOptions::default())?;
        Ok(Pass { reader, first: 0, rejects: 0, step: format!("{doing} {}", self.name) })
    }

    /// The columns that count: key first, then compared ones.
    pub(super) fn rows<'b>(&self, batch: &'b Batch) -> Result<Rows<'b>> {
        let columns = self
            .key
            .iter()
            .chain(self.compared)
            .map(|name| Ok(batch.frame.column(name)?.str()?))
            .collect::<Result<Vec<_>>>()?;
        Ok(Rows { columns, keys: self.key.len(), height: batch.frame.height(), blank_is_null: self.blank_is_null })
    }

    /// Rows moved while the diff was on.
    pub(super) fn moved(&self) -> Error {
        Error::data(format!("the {} table changed while it was compared", self.name))
            .advise("wait until whoever writes it is done, then compare again")
    }
}

/// One reading of a side.
pub(super) struct Pass {
    reader: Box<dyn RecordReader>,
    first: u64,
    /// Pieces that were not rows, so far.
    pub(super) rejects: u64,
    step: String,
}

impl Pass {
    /// The next rows with the ordinal of the first.
    pub(super) fn next(&mut self, monitor: &dyn Monitor) -> Result<Option<(u64, Batch)>> {
        monitor.check()?;
        let batch = self.reader.next_batch()?;
        self.rejects += self.reader.take_rejects().len() as u64;
        let Some(batch) = batch else { return Ok(None) };
        let first = self.first;
        self.first += batch.frame.height() as u64;
        if self.first >= u64::from(u32::MAX) {
            return Err(Error::data("a diff holds up to 4 billion rows").advise("compare by parts, through a query"));
        }
        let total = match self.reader.position() {
            (consumed, Some(all)) if consumed > 0 && all >= consumed => {
                Some((self.first as f64 * all as f64 / consumed as f64) as u64)
            }
            _ => None,
        };
        monitor.report(Progress { step: self.step.clone(), done: self.first, total });
        Ok(Some((first, batch)))
    }
}

/// The cells of a batch that count.
pub(super) struct Rows<'a> {
    columns: Vec<&'a StringChunked>,
    keys: usize,
    pub(super) height: usize,
    blank_is_null: bool,
}

impl<'a> Rows<'a> {
    /// Calls for each row with its place, key cells and compared cells.
    pub(super) fn for_each(
        &self,
        mut row: impl FnMut(usize, &[Option<&'a str>], &[Option<&'a str>]) -> Result<()>,
    ) -> Result<()> {
        let mut cells: Vec<_> = self.columns.iter().map(|column| column.iter()).collect();
        let mut here = vec![None; cells.len()];
        for place in 0..self.height {
            for (cell, column) in here.iter_mut().zip(&mut cells) {
                *cell = self.canonical(column.next().flatten());
            }
            let (key, compared) = here.split_at(self.keys);
            row(place, key, compared)?;
        }
        Ok(())
    }

    /// The cells of one row, key first.
    pub(super) fn row(&self, place: usize) -> Vec<Option<&'a str>> {
        self.columns.iter().map(|column| self.canonical(column.get(place))).collect()
    }

    fn canonical(&self, cell: Option<&'a str>) -> Option<&'a str> {
        cell.filter(|text| !(self.blank_is_null && text.is_empty()))
    }
}

/// Cells in few bytes.
pub(super) struct Packed(Box<[u8]>);

impl Packed {
    pub(super) fn of(cells: &[Option<&str>]) -> Self {
        let size = cells.iter().map(|cell| 4 + cell.map_or(0, str::len)).sum();
        let mut bytes = Vec::with_capacity(size);
        for cell in cells {
            // No cell of a frame is as long as the sign for NULL says.
            bytes.extend_from_slice(&cell.map_or(u32::MAX, |text| text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(cell.unwrap_or_default().as_bytes());
        }
        Self(bytes.into_boxed_slice())
    }

    /// Bytes held, its owner's bookkeeping included.
    pub(super) fn size(&self) -> usize {
        self.0.len() + 64
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = Option<&str>> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let length = u32::from_le_bytes(*length);
            if length == u32::MAX {
                rest = after;
                return Some(None);
            }
            let (text, after) = after.split_at_checked(length as usize)?;
            rest = after;
            Some(std::str::from_utf8(text).ok())
        })
    }

    pub(super) fn key(&self, cells: usize) -> Key {
        self.cells().take(cells).map(|cell| cell.map(str::to_owned)).collect()
    }
}
