//! The records of a JSON file one after the other, memory bounded by the longest: one a line, or the elements of an array.
use std::io::{Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crm_core::error::{Error, Result};
use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE};
use memchr::{memchr, memchr_iter};
use serde::de::IgnoredAny;

use super::scan::{skip_space, value_end};
use crate::csv::encoding::{Charset, Utf8Source, detect, read_some};
use crate::csv::splitter::RECORD_CAP;
use crate::files;

/// Bytes looked at to find encoding and layout.
const HEAD: usize = 256 * 1024;
/// Bytes read at a time.
const READ: usize = 512 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// One record a line.
    Lines,
    /// Values one after the other, across lines.
    Values,
    /// The same inside one array.
    Array,
    /// After the end of the array.
    Closed,
}

/// One piece of the file.
pub(super) struct Record {
    /// Physical line it starts on, from 1.
    pub(super) line: u64,
    /// Where it stands in [`Records::text`].
    pub(super) range: Range<usize>,
    /// Why it cannot be a row, where that is known already; the range is then its beginning.
    pub(super) broken: Option<String>,
}

/// Walks through a file.
pub(super) struct Records {
    path: PathBuf,
    source: Utf8Source,
    total: u64,
    layout: Layout,
    buffer: Vec<u8>,
    at: usize,
    more: bool,
    line: u64,
    cap: usize,
}

impl Records {
    pub(super) fn open(path: &Path) -> Result<Self> {
        Self::with_cap(path, RECORD_CAP)
    }

    pub(super) fn with_cap(path: &Path, cap: usize) -> Result<Self> {
        let (mut file, metadata) = files::open_filled(path)?;
        let mut head = vec![0; HEAD];
        let read = read_some(&mut file, &mut head).map_err(|error| Error::io("read", path, &error))?;
        head.truncate(read);
        // JSON is Unicode by its standard: other bytes are damage, not another encoding to be guessed.
        let found = detect(&mut file, path, &head, read < HEAD)?;
        let unicode = [UTF_8, UTF_16LE, UTF_16BE].contains(&found.encoding);
        let charset = if unicode { found } else { Charset::UTF_8 };
        file.seek(SeekFrom::Start(charset.bom as u64)).map_err(|error| Error::io("read", path, &error))?;
        let mut records = Self {
            path: path.to_path_buf(),
            source: Utf8Source::new(Box::new(file), charset),
            total: metadata.len(),
            layout: Layout::Lines,
            buffer: Vec::new(),
            at: 0,
            more: true,
            line: 1,
            cap,
        };
        records.refill()?;
        records.layout = layout(&records.buffer);
        if records.layout == Layout::Array {
            let start = skip_space(&records.buffer, 0);
            records.line += memchr_iter(b'\n', &records.buffer[..start]).count() as u64;
            records.at = start + 1;
        }
        Ok(records)
    }

    /// The bytes that ranges are of, until the next call of [`Self::next`].
    pub(super) fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.buffer[range.clone()]
    }

    /// Bytes consumed and in all.
    pub(super) fn position(&self) -> (u64, Option<u64>) {
        let waiting = (self.buffer.len() - self.at) as u64;
        (self.source.consumed().saturating_sub(waiting), Some(self.total))
    }

    /// True at the end.
    pub(super) fn ended(&self) -> bool {
        !self.more && self.at >= self.buffer.len()
    }

    /// The next record, blank lines left out.
    pub(super) fn next(&mut self) -> Result<Option<Record>> {
        if self.layout == Layout::Lines { self.next_line() } else { self.next_value() }
    }

    fn refill(&mut self) -> Result<()> {
        if self.at > 0 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        let room = READ.max(self.buffer.len());
        self.more = self.source.fill(&mut self.buffer, room).map_err(|error| Error::io("read", &self.path, &error))?;
        Ok(())
    }

    fn next_line(&mut self) -> Result<Option<Record>> {
        loop {
            let (end, next) = match memchr(b'\n', &self.buffer[self.at..]) {
                Some(found) => (self.at + found, self.at + found + 1),
                None if self.more && self.buffer.len() - self.at <= self.cap => {
                    self.refill()?;
                    continue;
                }
                None if self.more => return self.endless().map(Some),
                None if self.at >= self.buffer.len() => return Ok(None),
                None => (self.buffer.len(), self.buffer.len()),
            };
            let (start, line) = (self.at, self.line);
            self.at = next;
            self.line += 1;
            let end = start + self.buffer[start..end].trim_ascii_end().len();
            if skip_space(&self.buffer[..end], start) < end {
                let broken = (end - start > self.cap).then(|| self.too_long());
                return Ok(Some(Record { line, range: start..end, broken }));
            }
        }
    }

    fn too_long(&self) -> String {
        format!("longer than {} KiB", self.cap / 1024)
    }

    /// A line beyond the cap: its beginning is kept, the rest passed over.
    fn endless(&mut self) -> Result<Record> {
        let line = self.line;
        let head = self.buffer[self.at..].to_vec();
        self.at = self.buffer.len();
        while self.more {
            self.refill()?;
            if let Some(found) = memchr(b'\n', &self.buffer) {
                self.at = found + 1;
                self.line += 1;
                break;
            }
            self.at = self.buffer.len();
        }
        // The beginning goes back in front of what is not yet read, so that the range has something to stand on.
        let kept = head.len().min(self.cap);
        let rest = self.buffer.split_off(self.at);
        self.buffer.clear();
        self.buffer.extend_from_slice(&head[..kept]);
        self.buffer.extend_from_slice(&rest);
        self.at = kept;
        Ok(Record { line, range: 0..kept, broken: Some(self.too_long()) })
    }

    fn next_value(&mut self) -> Result<Option<Record>> {
        loop {
            let start = skip_space(&self.buffer, self.at);
            self.line += memchr_iter(b'\n', &self.buffer[self.at..start]).count() as u64;
            self.at = start;
            let Some(first) = self.buffer.get(start).copied() else {
                if self.more {
                    self.refill()?;
                    continue;
                }
                if self.layout == Layout::Array {
                    return self.rest("the array is not closed: the file may be cut off").map(Some);
                }
                return Ok(None);
            };
            match (self.layout, first) {
                (Layout::Array, b',') => self.at += 1,
                (Layout::Array, b']') => {
                    self.layout = Layout::Closed;
                    self.at += 1;
                }
                (Layout::Closed, _) => return self.rest("text after the end of the array").map(Some),
                _ => match value_end(&self.buffer, start) {
                    Some(end) if end < self.buffer.len() || !self.more => {
                        // A stray bracket is a value of no length: take it as one byte, so that reading goes on.
                        let end = end.max(start + 1);
                        let line = self.line;
                        self.line += memchr_iter(b'\n', &self.buffer[start..end]).count() as u64;
                        self.at = end;
                        let broken = (end - start > self.cap).then(|| self.too_long());
                        return Ok(Some(Record { line, range: start..end, broken }));
                    }
                    _ if self.more && self.buffer.len() - start <= self.cap => self.refill()?,
                    _ => return self.rest("a record that does not end").map(Some),
                },
            }
        }
    }

    /// Everything that is left, as one broken record.
    fn rest(&mut self, reason: &str) -> Result<Record> {
        let line = self.line;
        let head = self.buffer[self.at..].to_vec();
        while self.more {
            self.at = self.buffer.len();
            self.refill()?;
        }
        self.layout = Layout::Closed;
        self.buffer = head;
        self.at = self.buffer.len();
        Ok(Record { line, range: 0..self.at, broken: Some(reason.to_string()) })
    }
}

fn layout(head: &[u8]) -> Layout {
    let start = skip_space(head, 0);
    if head.get(start) == Some(&b'[') {
        return Layout::Array;
    }
    let line = &head[start..];
    let line = &line[..memchr(b'\n', line).unwrap_or(line.len())];
    // An object over several lines does not close on its first.
    let opens = line.first() == Some(&b'{');
    if opens && serde_json::from_slice::<IgnoredAny>(line).is_err_and(|error| error.is_eof()) {
        Layout::Values
    } else {
        Layout::Lines
    }
}
