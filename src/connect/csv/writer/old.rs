//! The target file as it is, read row by row on its way into the staged file.
use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

use crm_core::error::{Error, Result};
use crm_core::monitor::Monitor;
use crm_core::platform::ReadOptions;

use super::super::dialect::Dialect;
use super::super::reader::{CsvReader, Step};
use super::super::text::RawLines;
use super::CHECK_ROWS;

/// The target as it is, on its way into the staged file.
pub(super) struct Old {
    pub(super) path: PathBuf,
    pub(super) reader: CsvReader,
    pub(super) raw: RawLines,
    /// Lines that were read and shall be copied, but are not yet.
    pub(super) pending: u64,
    /// Ordinal of the next row.
    pub(super) ordinal: u64,
    /// Pieces that are no rows since the last row, one that was put back included.
    pub(super) others: u64,
    /// The same since the last row of the old file.
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
            pending,
            ordinal: 0,
            others: 0,
            between: 0,
            others_before: 0,
        })
    }

    /// Goes to the row of that ordinal; the lines it spans, which are not pending. None: the file has no such row.
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
                Step::Other => {
                    self.pending += self.reader.line() - line;
                    self.others += 1;
                    self.between += 1;
                }
                Step::Row => {
                    let lines = self.reader.line() - line;
                    self.ordinal += 1;
                    self.others = 0;
                    self.others_before = std::mem::take(&mut self.between);
                    if self.ordinal - 1 == ordinal {
                        return Ok(Some(lines));
                    }
                    self.pending += lines;
                }
            }
        }
    }

    /// Goes to the place before the row of that ordinal, behind `others` pieces that are no rows, if there are so many.
    pub(super) fn seek_place(&mut self, ordinal: u64, others: u64, monitor: &dyn Monitor) -> Result<()> {
        if let Some(before) = ordinal.checked_sub(1).filter(|before| *before >= self.ordinal)
            && let Some(lines) = self.seek(before, monitor)?
        {
            self.pending += lines;
        }
        while self.others < others {
            let line = self.reader.line();
            match self.reader.step()? {
                Step::Other => {
                    self.pending += self.reader.line() - line;
                    self.others += 1;
                    self.between += 1;
                }
                Step::Row => {
                    self.reader.step_back(line);
                    break;
                }
                Step::End => break,
            }
        }
        Ok(())
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
