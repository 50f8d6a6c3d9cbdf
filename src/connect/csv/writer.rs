//! Writes a delimited text file: what does not change keeps its bytes, changed rows are written in the file's own dialect,
//! new ones are appended.
//!
//! Two hands go through the file: the strict reader, which knows the rows, and [`RawLines`], which holds the bytes; they
//! are kept level by the count of physical lines, whatever the encoding.
use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE};
use polars::prelude::{DataFrame, StringChunked};

use crm_core::error::{Error, Result};
use crm_core::monitor::Monitor;
use crm_core::platform::{
    ChangeBatch, ChangeKind, ObjectVersion, Published, ReadOptions, RecordReader, RowResult, TargetWriter, WriteContext,
};
use crm_core::table::hash::cells_hash;

use super::dialect::{Dialect, Newline, Overrides, detect};
use super::reader::{CsvReader, Record, Step};
use super::splitter::RECORD_CAP;
use super::text::{RawLines, Reason, encode, finish_record, push_cell, push_record};
use crate::publish::Staged;

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
    deleted: u64,
}

/// The target as it is, on its way into the staged file.
struct Old {
    path: PathBuf,
    reader: CsvReader,
    raw: RawLines,
    /// Lines that were read and shall be copied, but are not yet.
    pending: u64,
    /// Ordinal of the next row.
    ordinal: u64,
}

impl Old {
    fn open(path: &Path, dialect: &Dialect, skip: u64) -> Result<Self> {
        let reader = CsvReader::open(path, dialect, skip, &ReadOptions::default())?;
        let file = File::open(path).map_err(|error| Error::io("open", path, &error))?;
        let pending = reader.line() - 1;
        Ok(Self { path: path.to_owned(), reader, raw: RawLines::new(file, dialect), pending, ordinal: 0 })
    }

    fn copy_pending(&mut self, staged: &mut Staged) -> Result<()> {
        let lines = std::mem::take(&mut self.pending);
        self.raw.pass(lines, Some(&mut *staged)).map_err(|error| staged.failed(&error))
    }

    /// Goes to the row of that ordinal; the lines it spans, which are not pending. None: the file has no such row.
    fn seek(&mut self, ordinal: u64, monitor: &dyn Monitor) -> Result<Option<u64>> {
        let mut steps = 0_usize;
        loop {
            if steps.is_multiple_of(CHECK_ROWS) {
                monitor.check()?;
            }
            steps += 1;
            let line = self.reader.line();
            match self.reader.step()? {
                Step::End => return Ok(None),
                Step::Other => self.pending += self.reader.line() - line,
                Step::Row => {
                    let lines = self.reader.line() - line;
                    self.ordinal += 1;
                    if self.ordinal - 1 == ordinal {
                        return Ok(Some(lines));
                    }
                    self.pending += lines;
                }
            }
        }
    }
}

/// The cells of the row that the reader just met; NULL where the file has nothing.
fn cells(reader: &CsvReader) -> Vec<Option<Cow<'_, str>>> {
    let record = reader.record();
    let cell = |field: &super::splitter::Field| {
        let text = &record.text[field.start - record.start..field.end - record.start];
        let unescape = || if field.escaped { reader.unescape(text).into() } else { text.into() };
        (!text.is_empty()).then(unescape)
    };
    record.fields.iter().map(cell).collect()
}

/// The reader at its next row; false at the end.
fn next_row(reader: &mut CsvReader) -> Result<bool> {
    loop {
        match reader.step()? {
            Step::Row => return Ok(true),
            Step::Other => {}
            Step::End => return Ok(false),
        }
    }
}

/// What to do with the row that was sought.
enum Edit {
    Keep,
    Drop,
    /// The whole record with its newline, encoded.
    Replace(Vec<u8>),
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
            deleted: 0,
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
            Ok(record) => (Edit::Replace(record), RowResult::Written(None)),
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
        let Some(mut old) = self.old.take() else { return Ok(()) };
        while old.seek(u64::MAX, monitor)?.is_some() {}
        old.copy_pending(&mut self.staged)?;
        self.before = old.ordinal;
        Ok(())
    }

    /// Ends a last line that has no newline, so that another can follow.
    fn end_line(&mut self) -> Result<()> {
        let ([first, last], bytes) = self.staged.tail();
        if bytes == 0 {
            return Ok(());
        }
        let encoding = self.dialect.charset.encoding;
        let letter = match (encoding == UTF_16LE, encoding == UTF_16BE) {
            (true, _) => u16::from_le_bytes([first, last]),
            (_, true) => u16::from_be_bytes([first, last]),
            _ => u16::from(last),
        };
        let newline = match (self.dialect.newline, letter) {
            (Newline::Lf | Newline::CrLf, 10) | (Newline::Cr, 10 | 13) => return Ok(()),
            (Newline::CrLf, 13) => "\n",
            (Newline::Lf, 13) => {
                return Err(Error::data("the last line of the target ends in a stray carriage return")
                    .at(self.staged.target().display())
                    .advise("end that line with a newline, so that rows can follow; nothing was written"));
            }
            (newline, _) => newline.as_str(),
        };
        self.put(newline)
    }

    fn append(&mut self, rows: &mut String) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.end_line()?;
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

    fn reader(&self, path: &Path, dialect: &Dialect) -> Result<CsvReader> {
        CsvReader::open(path, dialect, self.overrides.skip, &ReadOptions::default())
    }

    /// Rows that the staged file holds, counted by reading it as any reader of the target will.
    fn count_staged(&mut self, monitor: &dyn Monitor) -> Result<u64> {
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
}

fn text_columns(frame: &DataFrame, names: &[String]) -> Result<Vec<StringChunked>> {
    names.iter().map(|name| Ok(frame.column(name)?.str()?.rechunk().into_owned())).collect()
}

impl TargetWriter for CsvWriter {
    fn change(&mut self, batch: &ChangeBatch, monitor: &dyn Monitor) -> Result<Vec<RowResult>> {
        let values = text_columns(&batch.values, &self.names)?;
        let mut results = Vec::with_capacity(batch.kinds.len());
        for (at, ((kind, ordinal), expected)) in
            batch.kinds.iter().zip(&batch.ordinals).zip(&batch.expected).enumerate()
        {
            let Some(old) = self.old.as_mut().filter(|old| old.ordinal <= *ordinal) else {
                return Err(Error::usage("changes must come in the order of the target's rows, before inserts"));
            };
            let Some(lines) = old.seek(*ordinal, monitor)? else {
                results.push(RowResult::Moved);
                continue;
            };
            let (edit, result) = self.edit(*kind, *expected, &values, at);
            results.push(result);
            let Some(old) = self.old.as_mut() else { continue };
            if let Edit::Keep = edit {
                old.pending += lines;
                continue;
            }
            old.copy_pending(&mut self.staged)?;
            old.raw.pass(lines, None).map_err(|error| Error::io("read", &old.path, &error))?;
            match edit {
                Edit::Replace(record) => {
                    self.staged.write_all(&record).map_err(|error| self.staged.failed(&error))?;
                }
                Edit::Drop | Edit::Keep => self.deleted += 1,
            }
        }
        Ok(results)
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
        self.finish_old(monitor)?;
        let rows = self.count_staged(monitor)?;
        let expected = self.before + self.inserted - self.deleted;
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
