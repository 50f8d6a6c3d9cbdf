//! Reading the staged file back: what is published must be what was written.
use std::path::Path;

use crm_core::error::{Error, Result};
use crm_core::monitor::Monitor;
use crm_core::platform::{ReadOptions, RecordReader, WrittenRow};
use crm_core::table::hash::cells_hash;

use super::old::{cells, next_row};
use super::{CHECK_ROWS, CsvWriter};
use crate::csv::dialect::{Dialect, detect};
use crate::csv::reader::CsvReader;

impl CsvWriter {
    fn reader(&self, path: &Path, dialect: &Dialect) -> Result<CsvReader> {
        CsvReader::open(path, dialect, self.overrides.skip, &ReadOptions::default())
    }

    /// Rows that the staged file holds, counted by reading it as any reader of the target will.
    pub(super) fn count_staged(&mut self, monitor: &dyn Monitor) -> Result<u64> {
        let (_, bytes) = self.staged.tail();
        let temp = self.staged.seal()?.to_owned();
        if bytes == 0 {
            return Ok(0);
        }
        let mut reader = self.reader(&temp, &self.dialect)?;
        let found = detect(&temp, &self.overrides)?;
        let mut other = if found == self.dialect { None } else { Some(self.reader(&temp, &found)?) };
        if let Some(other) = &other {
            self.check_alike(other.schema() == reader.schema())?;
        }
        let mut rows = 0_u64;
        loop {
            if rows.is_multiple_of(CHECK_ROWS as u64) {
                monitor.check()?;
            }
            let more = next_row(&mut reader)?;
            if let Some(other) = &mut other {
                let alike = next_row(other)? == more && (!more || cells(other) == cells(&reader));
                self.check_alike(alike)?;
            }
            if !more {
                return Ok(rows);
            }
            rows += 1;
        }
    }

    /// What is published must read back as it was written, also by who has to find out the dialect first.
    fn check_alike(&self, alike: bool) -> Result<()> {
        if alike {
            return Ok(());
        }
        Err(Error::data("the new content would be taken for another dialect when it is read back")
            .at(self.staged.target().display())
            .advise("set delimiter, quote, encoding and header in the platform's options; nothing was published"))
    }

    /// Hashes of rows as they will read, asked for in the order of their places.
    pub(super) fn hashes_of(&mut self, rows: &[WrittenRow<'_>], monitor: &dyn Monitor) -> Result<Vec<Option<u128>>> {
        if self.back.is_none() {
            self.finish_all(monitor)?;
            if self.staged.tail().1 == 0 {
                return Ok(vec![None; rows.len()]);
            }
            let temp = self.staged.seal()?.to_owned();
            self.back = Some((self.reader(&temp, &self.dialect)?, 0));
        }
        let base = self.before + self.restored - self.deleted;
        let Some((reader, next)) = &mut self.back else { return Ok(vec![None; rows.len()]) };
        let mut hashes = Vec::with_capacity(rows.len());
        let mut buffer = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            if at.is_multiple_of(CHECK_ROWS) {
                monitor.check()?;
            }
            let place = if row.appended { base + row.place } else { row.place };
            let mut there = true;
            while there && *next <= place {
                there = next_row(reader)?;
                *next += 1;
            }
            let found = there && *next == place + 1;
            hashes.push(found.then(|| cells_hash(cells(reader).iter().map(Option::as_deref), &mut buffer)));
        }
        Ok(hashes)
    }
}
