//! Streams a delimited text file as batches of text columns, and what is no record as rejects.
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crm_core::error::{Error, Result};
use crm_core::platform::{Batch, LINE, ReadOptions, ReadReject, RecordReader, Schema};
use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, Series, StringChunkedBuilder};

use super::dialect::Dialect;
use super::encoding::{Charset, Utf8Source};
use super::header::unique_names;
use super::splitter::{Broken, Field, Piece, RECORD_CAP, Splitter};
use crate::files::{self, RAW, raw, reject_reason, text_schema};

/// Bytes read at a time; the buffer grows beyond only for records that are longer.
const READ: usize = 512 * 1024;
/// A batch ends early when its cells hold more than that many bytes.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// Limits of a reader; other than the default only in tests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes read at a time.
    pub(super) read: usize,
    /// Longest record, bytes.
    pub(super) record: usize,
    /// Cells of a batch, bytes.
    pub(super) batch: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { read: READ, record: RECORD_CAP, batch: BATCH_BYTES }
    }
}

/// What [`CsvReader::step`] met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A row, as a batch would hold it: its text is in [`CsvReader::record`].
    Row,
    /// A blank line, or a piece that is no record.
    Other,
    /// Nothing is left.
    End,
}

/// The text of a row, as it stands in the file (decoded).
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// Without the newline.
    pub(super) text: &'a str,
    /// What ends it; empty at the end of a file that has none there.
    pub(super) newline: &'a str,
    /// Offset of `text` in what the fields' offsets count from.
    pub(super) start: usize,
    /// Its fields.
    pub(super) fields: &'a [Field],
}

/// Reads one file.
pub struct CsvReader {
    path: PathBuf,
    source: Utf8Source,
    total: Option<u64>,
    splitter: Splitter,
    limits: Limits,
    charset: Charset,
    schema: Schema,
    buffer: Vec<u8>,
    /// Where the next piece starts in the buffer.
    at: usize,
    more: bool,
    /// Physical line of `at`, from 1.
    line: u64,
    /// A first record that is data, because the file has no header.
    first: bool,
    batch_rows: usize,
    left: u64,
    rejects: Vec<ReadReject>,
    scratch: Vec<u8>,
    /// Start, end and next piece of the row that the last step met.
    record: (usize, usize, usize),
}

impl CsvReader {
    /// Opens a file and reads its header. `skip` physical lines before the header are passed over.
    pub fn open(path: &Path, dialect: &Dialect, skip: u64, options: &ReadOptions) -> Result<Self> {
        Self::with_limits(path, dialect, skip, options, Limits::default())
    }

    pub(super) fn with_limits(
        path: &Path,
        dialect: &Dialect,
        skip: u64,
        options: &ReadOptions,
        limits: Limits,
    ) -> Result<Self> {
        let (mut file, metadata): (File, _) = files::open_filled(path)?;
        if dialect.charset.bom > 0 {
            file.seek(SeekFrom::Start(dialect.charset.bom as u64)).map_err(|error| Error::io("read", path, &error))?;
        }
        let mut reader = Self {
            path: path.to_path_buf(),
            source: Utf8Source::new(Box::new(file), dialect.charset),
            total: metadata.is_file().then_some(metadata.len()),
            splitter: Splitter::new(dialect, limits.record),
            limits,
            charset: dialect.charset,
            schema: Schema::default(),
            buffer: Vec::new(),
            at: 0,
            more: true,
            line: 1,
            first: !dialect.header,
            batch_rows: options.batch_rows.max(1),
            left: options.limit.unwrap_or(u64::MAX),
            rejects: Vec::new(),
            scratch: Vec::new(),
            record: (0, 0, 0),
        };
        reader.skip_lines(skip)?;
        reader.read_header()?;
        Ok(reader)
    }

    fn skip_lines(&mut self, lines: u64) -> Result<()> {
        for _ in 0..lines {
            self.skip_line(self.at)?;
        }
        Ok(())
    }

    fn read_header(&mut self) -> Result<()> {
        let (broken, first) = loop {
            match self.splitter.split(&self.buffer, self.at, !self.more) {
                Piece::NeedMore => self.refill()?,
                Piece::Blank { next } => self.advance(next, 1),
                Piece::Record { end, next, lines } => {
                    let first = self.first_record(end)?;
                    if !self.first {
                        self.advance(next, lines);
                    }
                    break (None, first);
                }
                Piece::Broken { reason, .. } | Piece::Endless { reason } => break (Some(reason), Vec::new()),
                Piece::End => {
                    return Err(Error::data(format!("{} has no header: all its lines are blank", self.path.display()))
                        .advise("check that the export finished"));
                }
            }
        };
        if let Some(reason) = broken {
            return Err(self.header_error(&reason.to_string()));
        }
        let names = if self.first { vec![String::new(); first.len()] } else { first };
        self.splitter.expect(names.len());
        self.schema = text_schema(unique_names(&names));
        Ok(())
    }

    fn first_record(&self, end: usize) -> Result<Vec<String>> {
        match std::str::from_utf8(&self.buffer[self.at..end]) {
            Ok(_) => Ok(self.splitter.texts(&self.buffer)),
            Err(_) if self.first => Ok(vec![String::new(); self.splitter.fields().len()]),
            Err(_) => Err(self.header_error(&self.undecodable())),
        }
    }

    fn header_error(&self, reason: &str) -> Error {
        Error::data(format!("the header cannot be read: {reason}"))
            .at(format!("{} line {}", self.path.display(), self.line))
            .advise("mend that line, or set delimiter, quote, encoding, header or skip in the platform's options")
    }

    fn undecodable(&self) -> String {
        format!("bytes that are not {}", self.charset.name())
    }

    fn advance(&mut self, next: usize, lines: u64) {
        self.at = next;
        self.line += lines;
    }

    /// Makes room and reads more behind what is not yet used.
    fn refill(&mut self) -> Result<()> {
        if self.at > 0 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        // A record that does not fit doubles the buffer, so that looking at it again stays cheap.
        let room = self.limits.read.max(self.buffer.len());
        self.more = self.source.fill(&mut self.buffer, room).map_err(|error| Error::io("read", &self.path, &error))?;
        Ok(())
    }

    /// Passes over the rest of a physical line that may be longer than any buffer, from `from` on. Returns its bytes.
    fn skip_line(&mut self, from: usize) -> Result<u64> {
        let mut seen = (from - self.at) as u64;
        self.at = from;
        loop {
            if let Some((end, next)) = self.splitter.line_end(&self.buffer, self.at, !self.more) {
                seen += (end - self.at) as u64;
                self.advance(next, 1);
                return Ok(seen);
            }
            // The last byte stays: it may be the first half of a CRLF.
            let keep = self.buffer.len().saturating_sub(1).max(self.at);
            seen += (keep - self.at) as u64;
            self.at = keep;
            self.refill()?;
        }
    }

    fn reject(&mut self, reason: &str, end: usize) {
        let bytes = &self.buffer[self.at..end];
        self.rejects.push(ReadReject {
            line: self.line,
            reason: reject_reason(reason, bytes.len() as u64),
            raw: raw(bytes),
        });
    }

    fn reject_endless(&mut self, reason: Broken) -> Result<()> {
        let start = &self.buffer[self.at..self.buffer.len().min(self.at + RAW)];
        let (line, raw) = (self.line, raw(start));
        let bytes = self.skip_line(self.at)?;
        self.rejects.push(ReadReject { line, reason: reject_reason(&reason.to_string(), bytes), raw });
        Ok(())
    }

    /// Reads up to a batch into the columns; the lines on which its rows start.
    fn collect(&mut self, columns: &mut [StringChunkedBuilder]) -> Result<Vec<u64>> {
        let mut lines_of_rows = Vec::with_capacity(self.batch_rows.min(16_384));
        let mut bytes = 0;
        // A flood of rejects ends a batch as well: they take memory too.
        while lines_of_rows.len() < self.batch_rows && bytes < self.limits.batch && self.left > 0 {
            match self.splitter.split(&self.buffer, self.at, !self.more) {
                Piece::Record { end, next, lines } => {
                    bytes += end - self.at;
                    if self.append(columns, end) {
                        lines_of_rows.push(self.line);
                        self.left -= 1;
                    } else {
                        let reason = self.undecodable();
                        self.reject(&reason, end);
                    }
                    self.advance(next, lines);
                }
                Piece::Blank { next } => self.advance(next, 1),
                Piece::Broken { reason, end, next, lines } => {
                    bytes += (end - self.at).min(RAW);
                    self.reject(&reason.to_string(), end);
                    self.advance(next, lines);
                }
                Piece::Endless { reason } => {
                    bytes += RAW;
                    self.reject_endless(reason)?;
                }
                Piece::NeedMore => self.refill()?,
                Piece::End => break,
            }
        }
        Ok(lines_of_rows)
    }

    /// One piece further, for a writer that goes through the file: rows are exactly those that batches hold. What is no
    /// record is passed over without a reject.
    pub(super) fn step(&mut self) -> Result<Step> {
        loop {
            match self.splitter.split(&self.buffer, self.at, !self.more) {
                Piece::NeedMore => self.refill()?,
                Piece::End => return Ok(Step::End),
                Piece::Record { end, next, lines } => {
                    let is_text = std::str::from_utf8(&self.buffer[self.at..end]).is_ok();
                    self.record = (self.at, end, next);
                    self.advance(next, lines);
                    return Ok(if is_text { Step::Row } else { Step::Other });
                }
                Piece::Blank { next } => {
                    self.advance(next, 1);
                    return Ok(Step::Other);
                }
                Piece::Broken { next, lines, .. } => {
                    self.advance(next, lines);
                    return Ok(Step::Other);
                }
                Piece::Endless { .. } => {
                    self.skip_line(self.at)?;
                    return Ok(Step::Other);
                }
            }
        }
    }

    /// Back before the row that the last step met, whose first line was `line`.
    pub(super) fn step_back(&mut self, line: u64) {
        self.at = self.record.0;
        self.line = line;
    }

    /// The row that the last step met; to be asked only after [`Step::Row`].
    pub(super) fn record(&self) -> Record<'_> {
        let (start, end, next) = self.record;
        let text = |from: usize, to: usize| std::str::from_utf8(&self.buffer[from..to]).unwrap_or_default();
        Record { text: text(start, end), newline: text(end, next), start, fields: self.splitter.fields() }
    }

    /// Text of a field with escaped quotes.
    pub(super) fn unescape(&self, field: &str) -> String {
        let mut text = Vec::with_capacity(field.len());
        self.splitter.unescape(field.as_bytes(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Physical line of the next piece, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Appends the record just split; false where it is no text.
    fn append(&mut self, columns: &mut [StringChunkedBuilder], end: usize) -> bool {
        let Ok(text) = std::str::from_utf8(&self.buffer[self.at..end]) else { return false };
        for (column, Field { start, end, escaped }) in columns.iter_mut().zip(self.splitter.fields()) {
            if start == end {
                column.append_null();
            } else if *escaped {
                self.scratch.clear();
                self.splitter.unescape(&self.buffer[*start..*end], &mut self.scratch);
                // Quotes and backslashes were taken out of valid text: it stays valid.
                column.append_value(String::from_utf8_lossy(&self.scratch));
            } else {
                column.append_value(&text[start - self.at..end - self.at]);
            }
        }
        true
    }
}

impl RecordReader for CsvReader {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let capacity = self.batch_rows.min(16_384).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let mut columns: Vec<StringChunkedBuilder> =
            self.schema.names().map(|name| StringChunkedBuilder::new(name.into(), capacity)).collect();
        let lines = self.collect(&mut columns)?;
        let ended = self.left == 0 || (!self.more && self.at >= self.buffer.len());
        if lines.is_empty() && ended {
            return Ok(None);
        }
        let height = lines.len();
        let mut frame: Vec<Column> = columns.into_iter().map(|column| column.finish().into_column()).collect();
        frame.push(Series::new(LINE.into(), lines).into_column());
        Ok(Some(Batch { frame: DataFrame::new(height, frame)? }))
    }

    fn take_rejects(&mut self) -> Vec<ReadReject> {
        std::mem::take(&mut self.rejects)
    }

    fn position(&self) -> (u64, Option<u64>) {
        // What was read but not yet split counts as not consumed; for decoded text this is near enough.
        let waiting = (self.buffer.len() - self.at) as u64;
        (self.source.consumed().saturating_sub(waiting), self.total)
    }
}
