//! The way back to bytes: cells in a file's dialect, text in its encoding, and its untouched lines as they are.
use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Write};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use memchr::memchr;

use super::dialect::{Dialect, Newline};

/// Why a cell cannot be written, without the cell.
pub(super) type Reason = &'static str;

/// Appends a cell, quoted where it must be. NULL is the empty text.
pub(super) fn push_cell(cell: &str, dialect: &Dialect, out: &mut String) -> Result<(), Reason> {
    if cell.contains('\0') {
        return Err("holds a NUL character, which a text file cannot");
    }
    let special = |byte: u8| byte == dialect.delimiter || byte == b'\n' || byte == b'\r' || Some(byte) == dialect.quote;
    // A mark at the start of a file would be taken for its byte order mark.
    if !cell.bytes().any(special) && !cell.starts_with('\u{feff}') {
        out.push_str(cell);
        return Ok(());
    }
    let Some(quote) = dialect.quote else {
        return Err("holds a delimiter or newline, and this file knows no quotes");
    };
    let escape = dialect.escape.unwrap_or(quote);
    let (quote, escape) = (char::from(quote), char::from(escape));
    out.push(quote);
    for letter in cell.chars() {
        if letter == quote || letter == escape {
            out.push(escape);
        }
        out.push(letter);
    }
    out.push(quote);
    Ok(())
}

/// Appends a record without its newline. The error is the index of the cell that cannot be written, and why.
pub(super) fn push_record<'a>(
    cells: impl Iterator<Item = &'a str>,
    dialect: &Dialect,
    out: &mut String,
) -> Result<(), (usize, Reason)> {
    let start = out.len();
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.push(char::from(dialect.delimiter));
        }
        push_cell(cell, dialect, out).map_err(|reason| (index, reason))?;
    }
    finish_record(out, start, dialect).map_err(|reason| (0, reason))
}

/// A record of one empty cell would be a blank line: quotes tell them apart.
pub(super) fn finish_record(out: &mut String, start: usize, dialect: &Dialect) -> Result<(), Reason> {
    if out.len() > start {
        return Ok(());
    }
    let quote = char::from(dialect.quote.ok_or("an empty row cannot be told from a blank line in this file")?);
    out.push(quote);
    out.push(quote);
    Ok(())
}

/// Text in an encoding; None if it has characters that the encoding lacks.
pub(super) fn encode<'a>(text: &'a str, encoding: &'static Encoding) -> Option<Cow<'a, [u8]>> {
    if encoding == UTF_8 {
        return Some(text.as_bytes().into());
    }
    if encoding == UTF_16LE {
        return Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>().into());
    }
    if encoding == UTF_16BE {
        return Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>().into());
    }
    let (bytes, _, lossy) = encoding.encode(text);
    (!lossy).then_some(bytes)
}

/// How wide a character of the newline is, and where its significant byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    One,
    Little,
    Big,
}

/// The physical lines of a file, as bytes. Newlines are found without decoding: in none of the encodings that are read is
/// their byte a part of another character.
pub(super) struct RawLines {
    file: File,
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
    unit: Unit,
    newline: Newline,
}

const CHUNK: usize = 256 * 1024;

impl RawLines {
    pub(super) fn new(file: File, dialect: &Dialect) -> Self {
        let encoding = dialect.charset.encoding;
        let unit = if encoding == UTF_16LE {
            Unit::Little
        } else if encoding == UTF_16BE {
            Unit::Big
        } else {
            Unit::One
        };
        Self { file, buffer: Vec::new(), at: 0, ended: false, unit, newline: dialect.newline }
    }

    /// Behind the next character `wanted` (ASCII) at or after `from`.
    fn behind(&self, wanted: u8, from: usize) -> Option<usize> {
        if self.unit == Unit::One {
            return memchr(wanted, &self.buffer[from..]).map(|found| from + found + 1);
        }
        let (significant, other) = if self.unit == Unit::Little { (0, 1) } else { (1, 0) };
        let pair = |pair: &[u8]| pair.len() == 2 && pair[significant] == wanted && pair[other] == 0;
        self.buffer[from..].chunks(2).position(pair).map(|index| from + index * 2 + 2)
    }

    /// Behind the line that starts at `from`; None: its end is not in the buffer.
    fn line_end(&self, from: usize) -> Option<usize> {
        if self.newline != Newline::Cr {
            return self.behind(b'\n', from);
        }
        let end = self.behind(b'\r', from)?;
        let width = if self.unit == Unit::One { 1 } else { 2 };
        if end + width > self.buffer.len() && !self.ended {
            return None;
        }
        let followed = end + width <= self.buffer.len() && self.behind(b'\n', end) == Some(end + width);
        Some(if followed { end + width } else { end })
    }

    /// Passes over that many lines, writing them to `out` where there is one. The end of the file ends a line.
    pub(super) fn pass(&mut self, lines: u64, mut out: Option<&mut dyn Write>) -> std::io::Result<()> {
        let mut left = lines;
        while left > 0 {
            let mut end = self.at;
            while left > 0 {
                let Some(next) = self.line_end(end) else { break };
                end = next;
                left -= 1;
            }
            if left > 0 && self.ended {
                end = self.buffer.len();
                left = 0;
            }
            if let Some(out) = &mut out {
                out.write_all(&self.buffer[self.at..end])?;
            }
            self.at = end;
            if left > 0 {
                self.refill()?;
            }
        }
        Ok(())
    }

    fn refill(&mut self) -> std::io::Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let from = self.buffer.len();
        // Doubled for a line that does not fit; even, so that two-byte characters stay whole.
        let room = CHUNK.max(from & !1);
        self.buffer.resize(from + room, 0);
        let mut filled = from;
        while filled < self.buffer.len() {
            match self.file.read(&mut self.buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.ended = filled < self.buffer.len();
        self.buffer.truncate(filled);
        Ok(())
    }
}
