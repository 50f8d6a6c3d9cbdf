//! Writes a delimited text file: what does not change keeps its bytes, changed rows are written in the file's own dialect,
//! new ones are appended.
//!
//! Two hands go through the file: the strict reader, which knows the rows, and [`RawLines`], which holds the bytes; they
//! are kept level by the count of physical lines, whatever the encoding.
use std::io::Write;
use std::path::Path;

use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE};
use polars::prelude::{DataFrame, StringChunked};

use crm_core::error::{Error, Result};
use crm_core::monitor::Monitor;
use crm_core::platform::{
    ChangeBatch, ChangeKind, ObjectVersion, Published, RecordReader, RowResult, TargetWriter, WriteContext, WrittenRow,
};
use crm_core::table::hash::cells_hash;

use super::dialect::{Dialect, Newline, Overrides};
use super::original::{Ending, Original};
use super::reader::{CsvReader, Record};
use super::splitter::RECORD_CAP;
use super::text::{Reason, encode, finish_record, push_cell, push_record};
use crate::publish::Staged;

mod back;
mod old;
use old::{Old, cells};

/// Pieces or rows between two questions whether to stop.
const CHECK_ROWS: usize = 4096;
/// Bytes of new rows that are encoded and written at once.
const FLUSH: usize = 256 * 1024;
const TOO_LONG: Reason = "the row is longer than a text file's may be";
const UNENCODABLE: Reason = "holds a character that the file's encoding lacks";

/// See the module.
pub(super) struct CsvWriter {
    staged: Staged,
    dialect: Dialect,
    overrides: Overrides,
    planned: ObjectVersion,
    old: Option<Old>,
    /// Mapped columns, as indexes into the file's.
    mapped: Vec<usize>,
    names: Vec<String>,
    /// Columns of the file.
    width: usize,
    /// Rows of the old file.
    before: u64,
    inserted: u64,
    restored: u64,
    deleted: u64,
    /// Bytes of the rows changed by the last batch.
    originals: Vec<Option<Vec<u8>>>,
    /// Bytes that the rows of the next batch shall have.
    wanted: Vec<Option<Vec<u8>>>,
    /// What was written last has no newline, and may need one.
    open_end: bool,
    /// A newline was added so that a row could follow.
    closed_end: bool,
    /// What is to be taken back at the end.
    ending: Option<Ending>,
    /// The staged file, read back, and the place of the reader's next row.
    back: Option<(CsvReader, u64)>,
}

/// What to do with the row that was sought.
enum Edit {
    Keep,
    Drop,
    /// The whole record, encoded, with its newline where it has one.
    Replace(Vec<u8>, bool),
}

impl CsvWriter {
    pub(super) fn open(
        object: &str,
        path: &Path,
        dialect: &Dialect,
        overrides: &Overrides,
        context: &WriteContext,
    ) -> Result<Self> {
        let staged = Staged::begin(object, path, &context.run_dir, &context.planned)?;
        let mut writer = Self {
            staged,
            dialect: *dialect,
            overrides: overrides.clone(),
            planned: context.planned.clone(),
            old: None,
            mapped: Vec::new(),
            names: context.columns.clone(),
            width: 0,
            before: 0,
            inserted: 0,
            restored: 0,
            deleted: 0,
            originals: Vec::new(),
            wanted: Vec::new(),
            open_end: false,
            closed_end: false,
            ending: None,
            back: None,
        };
        if context.planned.exists {
            let old = Old::open(writer.staged.target(), dialect, overrides.skip)?;
            let schema = old.reader.schema();
            writer.width = schema.columns.len();
            let place = |name: &String| {
                schema.names().position(|known| known == name).ok_or_else(|| {
                    Error::usage(format!("{} has no column {name}", path.display()))
                        .advise(format!("its columns: {}", schema.names().collect::<Vec<_>>().join(", ")))
                })
            };
            writer.mapped = context.columns.iter().map(place).collect::<Result<_>>()?;
            writer.old = Some(old);
        } else {
            writer.write_header(path)?;
        }
        Ok(writer)
    }

    fn write_header(&mut self, path: &Path) -> Result<()> {
        if self.names.is_empty() {
            return Err(Error::usage(format!("{} would have no columns", path.display())));
        }
        self.width = self.names.len();
        self.mapped = (0..self.width).collect();
        if !self.dialect.header {
            return Ok(());
        }
        let mut line = String::new();
        push_record(self.names.iter().map(String::as_str), &self.dialect, &mut line).map_err(|(index, reason)| {
            Error::usage(format!("the name of column {} {reason}", index + 1)).at(path.display())
        })?;
        line.push_str(self.dialect.newline.as_str());
        let bytes = encode(&line, self.dialect.charset.encoding).ok_or_else(|| {
            Error::usage(format!("a column's name cannot be written in {}", self.dialect.charset.name()))
                .at(path.display())
        })?;
        self.staged.write_all(&bytes).map_err(|error| self.staged.failed(&error))
    }

    /// Copies what waits.
    fn copy_pending(&mut self) -> Result<()> {
        self.copy_before(u64::MAX)
    }

    /// Copies what waits, of the pieces behind the last row that stays no more than that many.
    fn copy_before(&mut self, others: u64) -> Result<()> {
        if self.old.as_ref().is_some_and(|old| old.stays() || (others > 0 && old.waits())) {
            self.close_end()?;
        }
        let Some(old) = &mut self.old else { return Ok(()) };
        old.copy_before(others, &mut self.staged).map_err(|error| self.staged.failed(&error))
    }

    /// Deals with what stands before the row that was sought and does not stay as it is. Where rows may be put back, the
    /// pieces before a row that goes wait: one may have its place among them.
    fn copy_around(&mut self, edit: &Edit) -> Result<()> {
        let aside = matches!(edit, Edit::Drop) && self.old.as_ref().is_some_and(|old| old.places);
        if !aside {
            return self.copy_pending();
        }
        if self.old.as_ref().is_some_and(Old::stays) {
            self.copy_before(0)?;
        }
        let Some(old) = &mut self.old else { return Ok(()) };
        old.set_aside().map_err(|error| Error::io("read", &old.path, &error))
    }

    /// Before something follows a record that was put back without a newline.
    fn close_end(&mut self) -> Result<()> {
        if std::mem::take(&mut self.open_end) { self.end_line().map(drop) } else { Ok(()) }
    }

    /// Writes a whole record; without its newline it may stand at the end only.
    fn write_record(&mut self, record: &[u8], newline: bool) -> Result<()> {
        self.close_end()?;
        self.staged.write_all(record).map_err(|error| self.staged.failed(&error))?;
        self.open_end = !newline;
        Ok(())
    }

    /// Puts a row back before the row of that ordinal.
    fn restore(
        &mut self,
        ordinal: u64,
        wanted: Option<&[u8]>,
        values: &[StringChunked],
        at: usize,
        monitor: &dyn Monitor,
    ) -> Result<RowResult> {
        let mut cells: Vec<Option<&str>> = vec![None; self.width];
        for (index, values) in self.mapped.iter().zip(values) {
            cells[*index] = values.get(at).filter(|cell| !cell.is_empty());
        }
        let original = wanted.and_then(|wanted| Original::read(wanted, &self.dialect, &cells));
        let (bytes, newline, others) = match original {
            Some(Original { bytes, newline, others }) => (bytes.to_vec(), newline, others),
            None => {
                let mut text = String::new();
                let columns: Vec<Option<&StringChunked>> = (0..self.width)
                    .map(|index| Some(&values[self.mapped.iter().position(|mapped| *mapped == index)?]))
                    .collect();
                if let Err((index, reason)) = self.push_row(&columns, at, &mut text) {
                    let name = self.mapped.iter().position(|mapped| *mapped == index).map(|place| &self.names[place]);
                    return Ok(RowResult::Refused(name.map_or(reason.to_owned(), |name| format!("{name}: {reason}"))));
                }
                (encode(&text, self.dialect.charset.encoding).unwrap_or_default().into_owned(), true, 0)
            }
        };
        if let Some(old) = &mut self.old {
            old.seek_place(ordinal, others, monitor)?;
        }
        self.copy_before(others)?;
        // What stands before may be the last line of a file that has no newline there.
        if self.end_line()? {
            self.closed_end = true;
        }
        self.write_record(&bytes, newline)?;
        self.restored += 1;
        Ok(RowResult::Written(None))
    }

    /// What becomes of the row just sought.
    fn edit(&self, kind: ChangeKind, expected: u128, values: &[StringChunked], at: usize) -> (Edit, RowResult) {
        let Some(old) = &self.old else { return (Edit::Keep, RowResult::Moved) };
        let cells = cells(&old.reader);
        if cells_hash(cells.iter().map(Option::as_deref), &mut Vec::new()) != expected {
            return (Edit::Keep, RowResult::Moved);
        }
        if kind == ChangeKind::Delete {
            return (Edit::Drop, RowResult::Written(None));
        }
        if let Some(Some(wanted)) = self.wanted.get(at) {
            let mut cells: Vec<Option<&str>> = cells.iter().map(Option::as_deref).collect();
            for (index, values) in self.mapped.iter().zip(values) {
                cells[*index] = values.get(at).filter(|cell| !cell.is_empty());
            }
            if let Some(original) = Original::read(wanted, &self.dialect, &cells) {
                return (Edit::Replace(original.bytes.to_vec(), original.newline), RowResult::Written(None));
            }
        }
        let mut new: Vec<Option<&str>> = vec![None; self.width];
        for (index, values) in self.mapped.iter().zip(values) {
            let value = values.get(at).unwrap_or_default();
            if value != cells[*index].as_deref().unwrap_or_default() {
                new[*index] = Some(value);
            }
        }
        if new.iter().all(Option::is_none) {
            return (Edit::Keep, RowResult::Written(None));
        }
        match self.rewrite(&old.reader.record(), &new) {
            Ok(record) => {
                let newline = !old.reader.record().newline.is_empty();
                (Edit::Replace(record, newline), RowResult::Written(None))
            }
            Err((index, reason)) => {
                let name = &old.reader.schema().columns[index].name;
                (Edit::Keep, RowResult::Refused(format!("{name}: {reason}")))
            }
        }
    }

    /// The record with some cells replaced, its newline included; the other cells keep their text, quotes included.
    fn rewrite(&self, record: &Record<'_>, new: &[Option<&str>]) -> Result<Vec<u8>, (usize, Reason)> {
        let mut out = String::with_capacity(record.text.len() + 32);
        let mut from = 0;
        for (index, field) in record.fields.iter().enumerate() {
            let (start, end) = (field.start - record.start, field.end - record.start);
            // A field whose text starts one byte later than it could is quoted.
            let raw_end = end + usize::from(start > from);
            if index > 0 {
                out.push(char::from(self.dialect.delimiter));
            }
            match new[index] {
                Some(cell) => {
                    push_cell(cell, &self.dialect, &mut out).map_err(|reason| (index, reason))?;
                    self.check_encodable(cell).map_err(|reason| (index, reason))?;
                }
                None => out.push_str(&record.text[from..raw_end]),
            }
            from = raw_end + 1;
        }
        finish_record(&mut out, 0, &self.dialect).map_err(|reason| (0, reason))?;
        if out.len() >= RECORD_CAP {
            return Err((0, TOO_LONG));
        }
        out.push_str(record.newline);
        let bytes = encode(&out, self.dialect.charset.encoding).ok_or((0, UNENCODABLE))?;
        Ok(bytes.into_owned())
    }

    fn check_encodable(&self, cell: &str) -> Result<(), Reason> {
        let fine = cell.is_ascii() || encode(cell, self.dialect.charset.encoding).is_some();
        if fine { Ok(()) } else { Err(UNENCODABLE) }
    }

    /// Copies what is left of the old file.
    fn finish_old(&mut self, monitor: &dyn Monitor) -> Result<()> {
        let Some(old) = &mut self.old else { return Ok(()) };
        while old.seek(u64::MAX, monitor)?.is_some() {}
        self.before = old.ordinal;
        self.copy_pending()?;
        self.old = None;
        Ok(())
    }

    /// Everything is staged.
    fn finish_all(&mut self, monitor: &dyn Monitor) -> Result<()> {
        self.finish_old(monitor)?;
        let rows = self.before + self.restored + self.inserted - self.deleted;
        if let Some(ending) = self.ending.take().filter(|ending| ending.rows == rows && self.inserted == 0)
            && self.ends_line()? == Some(true)
        {
            self.staged.take_back(ending.bytes);
        }
        Ok(())
    }

    /// Ends a last line that has no newline, so that another can follow. True: it had none.
    fn end_line(&mut self) -> Result<bool> {
        let Some(newline) = self.missing_newline()? else { return Ok(false) };
        self.put(newline)?;
        Ok(true)
    }

    /// What has been written ends in a newline; None: nothing has been written.
    fn ends_line(&self) -> Result<Option<bool>> {
        let (_, bytes) = self.staged.tail();
        if bytes == 0 { Ok(None) } else { Ok(Some(self.missing_newline()?.is_none())) }
    }

    /// What has to be added so that another line can follow.
    fn missing_newline(&self) -> Result<Option<&'static str>> {
        let ([first, last], bytes) = self.staged.tail();
        if bytes == 0 {
            return Ok(None);
        }
        let encoding = self.dialect.charset.encoding;
        let letter = match (encoding == UTF_16LE, encoding == UTF_16BE) {
            (true, _) => u16::from_le_bytes([first, last]),
            (_, true) => u16::from_be_bytes([first, last]),
            _ => u16::from(last),
        };
        let newline = match (self.dialect.newline, letter) {
            (Newline::Lf | Newline::CrLf, 10) | (Newline::Cr, 10 | 13) => return Ok(None),
            (Newline::CrLf, 13) => "\n",
            (Newline::Lf, 13) => {
                return Err(Error::data("the last line of the target ends in a stray carriage return")
                    .at(self.staged.target().display())
                    .advise("end that line with a newline, so that rows can follow; nothing was written"));
            }
            (newline, _) => newline.as_str(),
        };
        Ok(Some(newline))
    }

    fn append(&mut self, rows: &mut String) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.open_end = false;
        if self.end_line()? {
            self.closed_end = true;
        }
        self.put(rows)?;
        rows.clear();
        Ok(())
    }

    fn put(&mut self, text: &str) -> Result<()> {
        // Cells were checked one by one, newlines and delimiters are in every encoding.
        let bytes = encode(text, self.dialect.charset.encoding).unwrap_or_default();
        self.staged.write_all(&bytes).map_err(|error| self.staged.failed(&error))
    }

    /// Appends one new row to the text; a refused one leaves no trace there.
    fn push_row(&self, cells: &[Option<&StringChunked>], at: usize, text: &mut String) -> Result<(), (usize, Reason)> {
        let start = text.len();
        let texts = || cells.iter().map(|values| values.and_then(|values| values.get(at)).unwrap_or_default());
        let mut push = || {
            push_record(texts(), &self.dialect, text)?;
            if text.len() - start >= RECORD_CAP {
                return Err((0, TOO_LONG));
            }
            let plain = self.dialect.charset.encoding == UTF_8 || text[start..].is_ascii();
            if !plain {
                for (index, cell) in texts().enumerate() {
                    self.check_encodable(cell).map_err(|reason| (index, reason))?;
                }
            }
            Ok(())
        };
        let pushed = push();
        match pushed {
            Ok(()) => text.push_str(self.dialect.newline.as_str()),
            Err(_) => text.truncate(start),
        }
        pushed
    }
}

fn text_columns(frame: &DataFrame, names: &[String]) -> Result<Vec<StringChunked>> {
    names.iter().map(|name| Ok(frame.column(name)?.str()?.rechunk().into_owned())).collect()
}

impl TargetWriter for CsvWriter {
    fn change(&mut self, batch: &ChangeBatch, monitor: &dyn Monitor) -> Result<Vec<RowResult>> {
        let values = text_columns(&batch.values, &self.names)?;
        let mut results = Vec::with_capacity(batch.kinds.len());
        self.originals = vec![None; batch.kinds.len()];
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.resize(batch.kinds.len(), None);
        self.wanted = wanted;
        for (at, ((kind, ordinal), expected)) in
            batch.kinds.iter().zip(&batch.ordinals).zip(&batch.expected).enumerate()
        {
            if *kind == ChangeKind::Restore {
                let wanted = self.wanted[at].take();
                results.push(self.restore(*ordinal, wanted.as_deref(), &values, at, monitor)?);
                continue;
            }
            let Some(old) = self.old.as_mut().filter(|old| old.ordinal <= *ordinal) else {
                return Err(Error::usage("changes must come in the order of the target's rows, before inserts"));
            };
            let Some(lines) = old.seek(*ordinal, monitor)? else {
                results.push(RowResult::Moved);
                continue;
            };
            let others = old.others_before;
            let (edit, result) = self.edit(*kind, *expected, &values, at);
            results.push(result);
            if let Edit::Keep = edit {
                if let Some(old) = &mut self.old {
                    old.keep(lines);
                }
                continue;
            }
            self.copy_around(&edit)?;
            let mut original = Original::begin(others);
            if let Some(old) = &mut self.old {
                old.take(lines, &mut original)?;
            }
            self.originals[at] = Some(original);
            match edit {
                Edit::Replace(record, newline) => self.write_record(&record, newline)?,
                Edit::Drop | Edit::Keep => self.deleted += 1,
            }
        }
        self.wanted.clear();
        Ok(results)
    }

    fn take_originals(&mut self) -> Vec<Option<Vec<u8>>> {
        std::mem::take(&mut self.originals)
    }

    fn set_originals(&mut self, originals: Vec<Option<Vec<u8>>>) {
        self.wanted = originals;
        if let Some(old) = &mut self.old {
            old.places = true;
        }
    }

    fn ending(&mut self, monitor: &dyn Monitor) -> Result<Option<String>> {
        self.finish_old(monitor)?;
        let bytes = encode(self.dialect.newline.as_str(), self.dialect.charset.encoding).map_or(0, |bytes| bytes.len());
        Ok(self.closed_end.then(|| Ending { rows: self.before, bytes }.to_string()))
    }

    fn set_ending(&mut self, ending: &str) {
        self.ending = ending.parse().ok();
    }

    fn read_back(&mut self, rows: &[WrittenRow<'_>], monitor: &dyn Monitor) -> Result<Vec<Option<u128>>> {
        self.hashes_of(rows, monitor)
    }

    fn insert(&mut self, rows: &DataFrame, monitor: &dyn Monitor) -> Result<Vec<RowResult>> {
        let values = text_columns(rows, &self.names)?;
        self.finish_old(monitor)?;
        let mut cells: Vec<Option<&StringChunked>> = vec![None; self.width];
        for (index, values) in self.mapped.iter().zip(&values) {
            cells[*index] = Some(values);
        }
        let mut text = String::with_capacity(FLUSH + FLUSH / 4);
        let mut results = Vec::with_capacity(rows.height());
        for at in 0..rows.height() {
            if at.is_multiple_of(CHECK_ROWS) {
                monitor.check()?;
            }
            results.push(match self.push_row(&cells, at, &mut text) {
                Ok(()) => {
                    self.inserted += 1;
                    RowResult::Written(None)
                }
                Err((index, reason)) => {
                    let name = self.mapped.iter().position(|mapped| *mapped == index).map(|place| &self.names[place]);
                    RowResult::Refused(name.map_or(reason.to_owned(), |name| format!("{name}: {reason}")))
                }
            });
            if text.len() >= FLUSH {
                self.append(&mut text)?;
            }
        }
        self.append(&mut text)?;
        Ok(results)
    }

    fn amend(&mut self, identities: &[String], _values: &DataFrame) -> Result<Vec<RowResult>> {
        if identities.is_empty() {
            return Ok(Vec::new());
        }
        Err(Error::usage("a file gives its rows no identity, so they cannot be amended")
            .advise("links within a file are resolved by key before it is written"))
    }

    fn publish(mut self: Box<Self>, monitor: &dyn Monitor) -> Result<Published> {
        self.finish_all(monitor)?;
        let rows = self.count_staged(monitor)?;
        let expected = self.before + self.restored + self.inserted - self.deleted;
        if rows != expected {
            return Err(Error::data(format!("the new content would read as {rows} rows instead of {expected}"))
                .at(self.staged.target().display())
                .advise("a line of the target with a broken quote swallows what follows it: mend that line first"));
        }
        monitor.check()?;
        let version = self.staged.publish(&self.planned)?;
        Ok(Published { before: self.before, rows, version })
    }
}
