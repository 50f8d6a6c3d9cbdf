//! The target file as it is, read row by row on its way into the staged file.
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crm_core::error::{Error, Result};
use crm_core::monitor::Monitor;
use crm_core::platform::ReadOptions;

use super::super::dialect::Dialect;
use super::super::reader::{CsvReader, Step};
use super::super::text::RawLines;
use super::CHECK_ROWS;

/// The target as it is, on its way into the staged file.
///
/// What waits to be copied comes in this order: pieces set aside, pending lines, loose pieces.
pub(super) struct Old {
    pub(super) path: PathBuf,
    pub(super) reader: CsvReader,
    raw: RawLines,
    /// Pieces that are no rows, from among rows that go.
    aside: Aside,
    /// Rows may be put back: what stands among rows that go is set aside, for their places are counted in it.
    pub(super) places: bool,
    /// Lines that were read and shall be copied, up to the last row that stays.
    pending: u64,
    /// Lines of each piece that is no row behind the last row.
    loose: VecDeque<u64>,
    /// Ordinal of the next row.
    pub(super) ordinal: u64,
    /// Pieces that are no rows since the last row of the old file.
    between: u64,
    /// Of those, how many stood before the row that was sought last.
    pub(super) others_before: u64,
}

impl Old {
    pub(super) fn open(path: &Path, dialect: &Dialect, skip: u64) -> Result<Self> {
        let reader = CsvReader::open(path, dialect, skip, &ReadOptions::default())?;
        let file = File::open(path).map_err(|error| Error::io("open", path, &error))?;
        let pending = reader.line() - 1;
        Ok(Self {
            path: path.to_owned(),
            reader,
            raw: RawLines::new(file, dialect),
            aside: Aside::default(),
            places: false,
            pending,
            loose: VecDeque::new(),
            ordinal: 0,
            between: 0,
            others_before: 0,
        })
    }

    /// Goes to the row of that ordinal; the lines it spans, of which nothing is decided. None: the file has no such row.
    pub(super) fn seek(&mut self, ordinal: u64, monitor: &dyn Monitor) -> Result<Option<u64>> {
        let mut steps = 0_usize;
        loop {
            if steps.is_multiple_of(CHECK_ROWS) {
                monitor.check()?;
            }
            steps += 1;
            let line = self.reader.line();
            match self.reader.step()? {
                Step::End => return Ok(None),
                Step::Other => self.other(line),
                Step::Row => {
                    let lines = self.reader.line() - line;
                    self.ordinal += 1;
                    self.others_before = std::mem::take(&mut self.between);
                    if self.ordinal - 1 == ordinal {
                        return Ok(Some(lines));
                    }
                    self.keep(lines);
                }
            }
        }
    }

    /// The reader met a piece that is no row.
    fn other(&mut self, line: u64) {
        self.loose.push_back(self.reader.line() - line);
        self.between += 1;
    }

    /// The row that was sought stays.
    pub(super) fn keep(&mut self, lines: u64) {
        self.pending += self.loose.drain(..).sum::<u64>() + lines;
    }

    /// Goes to the place before the row of that ordinal, where `others` pieces that are no rows stand before it, if there
    /// are so many.
    pub(super) fn seek_place(&mut self, ordinal: u64, others: u64, monitor: &dyn Monitor) -> Result<()> {
        if let Some(before) = ordinal.checked_sub(1).filter(|before| *before >= self.ordinal)
            && let Some(lines) = self.seek(before, monitor)?
        {
            self.keep(lines);
        }
        while self.free() < others {
            let line = self.reader.line();
            match self.reader.step()? {
                Step::Other => self.other(line),
                Step::Row => {
                    self.reader.step_back(line);
                    break;
                }
                Step::End => break,
            }
        }
        Ok(())
    }

    /// Pieces that wait behind the last row that stays.
    fn free(&self) -> u64 {
        let aside = if self.pending == 0 { self.aside.ends.len() } else { 0 };
        (aside + self.loose.len()) as u64
    }

    /// Something waits to be copied.
    pub(super) fn waits(&self) -> bool {
        self.stays() || !self.loose.is_empty() || self.free() > 0
    }

    /// A row waits that stays.
    pub(super) fn stays(&self) -> bool {
        self.pending > 0
    }

    /// Copies what waits, of the pieces behind the last row that stays no more than that many.
    pub(super) fn copy_before(&mut self, others: u64, out: &mut dyn Write) -> std::io::Result<()> {
        if self.stays() {
            self.aside.pass(usize::MAX, out)?;
            self.raw.pass(std::mem::take(&mut self.pending), Some(out))?;
        }
        let others = usize::try_from(others).unwrap_or(usize::MAX);
        let loose = others.saturating_sub(self.aside.pass(others, out)?).min(self.loose.len());
        self.raw.pass(self.loose.drain(..loose).sum(), Some(out))
    }

    /// Sets the pieces aside that stand before the row that was sought; no row waits that stays.
    pub(super) fn set_aside(&mut self) -> std::io::Result<()> {
        while let Some(lines) = self.loose.pop_front() {
            self.raw.pass(lines, Some(&mut self.aside.bytes))?;
            self.aside.ends.push_back(self.aside.bytes.len());
        }
        Ok(())
    }

    /// The bytes of the row that was sought, behind those of `original`. It does not stay as it is; nothing waits before it.
    pub(super) fn take(&mut self, lines: u64, original: &mut Vec<u8>) -> Result<()> {
        self.raw.pass(lines, Some(original)).map_err(|error| Error::io("read", &self.path, &error))
    }
}

/// Pieces that are no rows, taken from the old file and not yet written.
#[derive(Default)]
struct Aside {
    bytes: Vec<u8>,
    /// Of these, those that were written.
    written: usize,
    /// End of each piece that waits.
    ends: VecDeque<usize>,
}

impl Aside {
    /// Writes the first pieces; how many it were.
    fn pass(&mut self, most: usize, out: &mut dyn Write) -> std::io::Result<usize> {
        let pieces = most.min(self.ends.len());
        if let Some(end) = self.ends.drain(..pieces).next_back() {
            out.write_all(&self.bytes[self.written..end])?;
            self.written = end;
        }
        if self.ends.is_empty() {
            self.bytes.clear();
            self.written = 0;
        }
        Ok(pieces)
    }
}

/// The cells of the row that the reader just met; NULL where the file has nothing.
pub(super) fn cells(reader: &CsvReader) -> Vec<Option<Cow<'_, str>>> {
    let record = reader.record();
    let cell = |field: &super::super::splitter::Field| {
        let text = &record.text[field.start - record.start..field.end - record.start];
        let unescape = || if field.escaped { reader.unescape(text).into() } else { text.into() };
        (!text.is_empty()).then(unescape)
    };
    record.fields.iter().map(cell).collect()
}

/// The reader at its next row; false at the end.
pub(super) fn next_row(reader: &mut CsvReader) -> Result<bool> {
    loop {
        match reader.step()? {
            Step::Row => return Ok(true),
            Step::Other => {}
            Step::End => return Ok(false),
        }
    }
}
