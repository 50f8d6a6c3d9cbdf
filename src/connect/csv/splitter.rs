//! Splits text into records and fields, strictly: what is not a record is named, and reading goes on at the next
//! physical line. Works on any slice of bytes; the caller owns the buffer and reads more when asked to.
use memchr::{memchr, memchr_iter, memchr2};

use super::dialect::{Dialect, Newline};

/// One field: where its text stands in the buffer, without quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// It has escaped quotes inside: use [`Splitter::unescape`].
    pub escaped: bool,
}

/// Why a piece of text is not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// Fields found and fields expected.
    Ragged(usize, usize),
    /// A quoted field that starts on this line is not closed.
    Unclosed,
    /// Text follows a closing quote.
    AfterQuote,
    /// A NUL byte.
    Nul,
    /// Directly after a broken quote comes a line with a stray quote: the rest of the same record, most likely.
    Remainder,
    /// Longer than the cap.
    TooLong(usize),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ragged(1, expected) => write!(f, "1 field, the header has {expected}"),
            Self::Ragged(found, expected) => write!(f, "{found} fields, the header has {expected}"),
            Self::Unclosed => f.write_str("a quoted field is not closed"),
            Self::AfterQuote => f.write_str("text after a closing quote"),
            Self::Remainder => f.write_str("a stray quote right after a line with a broken quote"),
            Self::Nul => f.write_str("a NUL byte"),
            Self::TooLong(cap) => write!(f, "longer than {} KiB", cap / 1024),
        }
    }
}

/// What stands next in the buffer. Offsets are into the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// A record; its fields are in [`Splitter::fields`].
    Record {
        /// Behind its last byte, without the newline.
        end: usize,
        /// Where the next piece starts.
        next: usize,
        /// Physical lines it spans.
        lines: u64,
    },
    /// An empty line.
    Blank {
        /// Where the next piece starts.
        next: usize,
    },
    /// Text that is no record.
    Broken {
        /// Why.
        reason: Broken,
        /// Behind its last byte, without the newline.
        end: usize,
        /// Where reading goes on.
        next: usize,
        /// Physical lines it spans.
        lines: u64,
    },
    /// A line longer than the cap, of which not even the end is in the buffer: skip to the next newline.
    Endless {
        /// Why.
        reason: Broken,
    },
    /// The buffer ends inside; call again with more.
    NeedMore,
    /// Nothing is left.
    End,
}

/// Outcome of looking at one record without judging its width.
enum Scan {
    Done { end: usize, next: usize, odd: bool },
    Bad(Broken),
    NeedMore,
}

/// The splitter of one text.
#[derive(Debug, Clone)]
pub struct Splitter {
    delimiter: u8,
    quote: Option<u8>,
    backslash: Option<u8>,
    newline: Newline,
    cap: usize,
    expected: Option<usize>,
    fields: Vec<Field>,
    /// The piece before was broken by a quote.
    wary: bool,
    /// Bytes that may still be looked at twice; grows with what is read, so broken text costs no more than a multiple.
    patience: usize,
}

/// Longest record unless told otherwise, bytes.
pub const RECORD_CAP: usize = 16 * 1024 * 1024;
/// Bytes of text that broken quotes may make it read again, at first and for each byte of progress.
const PATIENCE: (usize, usize) = (256 * 1024 * 1024, 16);

impl Splitter {
    /// For a dialect; records longer than `cap` bytes are broken.
    pub fn new(dialect: &Dialect, cap: usize) -> Self {
        Self {
            delimiter: dialect.delimiter,
            quote: dialect.quote,
            backslash: dialect.escape.filter(|escape| Some(*escape) != dialect.quote),
            newline: dialect.newline,
            cap,
            expected: None,
            fields: Vec::new(),
            wary: false,
            patience: PATIENCE.0,
        }
    }

    /// From now on records have that many fields.
    pub fn expect(&mut self, fields: usize) {
        self.expected = Some(fields);
    }

    /// Fields of the record found last.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Looks at what starts at `at`. With `eof` nothing follows the buffer.
    pub fn split(&mut self, buffer: &[u8], at: usize, eof: bool) -> Piece {
        if at >= buffer.len() {
            return if eof { Piece::End } else { Piece::NeedMore };
        }
        let Some((line_end, line_next)) = self.line_end(buffer, at, eof) else {
            return if buffer.len() - at > self.cap {
                Piece::Endless { reason: Broken::TooLong(self.cap) }
            } else {
                Piece::NeedMore
            };
        };
        if line_end == at {
            return Piece::Blank { next: line_next };
        }
        let broken = |reason| Piece::Broken { reason, end: line_end, next: line_next, lines: 1 };
        if line_end - at > self.cap {
            return broken(Broken::TooLong(self.cap));
        }
        let quoted = self.quote.is_some_and(|quote| memchr(quote, &buffer[at..line_end]).is_some());
        if !quoted {
            self.split_plain(buffer, at, line_end);
            return self.judge(buffer, at, (line_end, line_next), 1, false);
        }
        let window = &buffer[..buffer.len().min(at.saturating_add(self.cap))];
        match self.scan(window, at, eof && window.len() == buffer.len()) {
            Scan::NeedMore if window.len() == buffer.len() => Piece::NeedMore,
            // The cap ends inside a quoted field: its opening quote is the one that is wrong.
            Scan::NeedMore => self.distrust(broken(Broken::Unclosed)),
            Scan::Bad(reason) => self.distrust(broken(reason)),
            Scan::Done { end, next, odd } if next <= line_next => self.judge(buffer, at, (end, next), 1, odd),
            Scan::Done { end, next, odd } => {
                let lines = 1 + self.count_lines(&buffer[line_next..next], eof && next == buffer.len());
                let ragged = self.expected.is_some_and(|expected| expected != self.fields.len());
                if !(ragged || odd) {
                    return self.judge(buffer, at, (end, next), lines, odd);
                }
                // Over several lines with the wrong width: a stray quote that swallowed good lines, or a bad record
                // with newlines inside? The lines themselves tell: where they are records, only the first is broken.
                match self.are_records(buffer, line_next, next, eof) {
                    None => Piece::NeedMore,
                    Some(true) => self.distrust(broken(Broken::Unclosed)),
                    Some(false) => {
                        let again = self.scan(window, at, eof && window.len() == buffer.len());
                        debug_assert!(matches!(again, Scan::Done { .. }), "the same text was a record before");
                        self.judge(buffer, at, (end, next), lines, odd)
                    }
                }
            }
        }
    }

    /// Remembers that a quote went wrong: the next line may be the rest of the same record.
    fn distrust(&mut self, broken: Piece) -> Piece {
        self.wary = true;
        broken
    }

    /// Text of a field with escaped quotes, appended to `into`.
    pub fn unescape(&self, field: &[u8], into: &mut Vec<u8>) {
        let quote = self.quote.unwrap_or(b'"');
        let backslash = self.backslash.unwrap_or(quote);
        let mut rest = field;
        while let Some(found) = memchr2(quote, backslash, rest) {
            let followed = rest.get(found + 1).copied();
            let skip = match followed {
                Some(byte)
                    if byte == quote || (self.backslash.is_some() && rest[found] == backslash && byte == backslash) =>
                {
                    into.extend_from_slice(&rest[..found]);
                    into.push(byte);
                    found + 2
                }
                _ => {
                    into.extend_from_slice(&rest[..=found]);
                    found + 1
                }
            };
            rest = &rest[skip..];
        }
        into.extend_from_slice(rest);
    }

    /// The fields of the record found last as text; bytes that are no text are replaced (for samples only).
    pub(super) fn texts(&self, buffer: &[u8]) -> Vec<String> {
        let mut scratch = Vec::new();
        self.fields
            .iter()
            .map(|field| {
                scratch.clear();
                let bytes = &buffer[field.start..field.end];
                if field.escaped {
                    self.unescape(bytes, &mut scratch);
                } else {
                    scratch.extend_from_slice(bytes);
                }
                String::from_utf8_lossy(&scratch).into_owned()
            })
            .collect()
    }

    /// Where the physical line ends and where the next starts; None: not in the buffer.
    pub fn line_end(&self, buffer: &[u8], at: usize, eof: bool) -> Option<(usize, usize)> {
        let text = &buffer[at..];
        match self.newline {
            Newline::Lf | Newline::CrLf => match memchr(b'\n', text) {
                Some(found) => {
                    let end = if found > 0 && text[found - 1] == b'\r' { found - 1 } else { found };
                    Some((at + end, at + found + 1))
                }
                None if eof => {
                    let torn = self.newline == Newline::CrLf && text.last() == Some(&b'\r');
                    Some((buffer.len() - usize::from(torn), buffer.len()))
                }
                None => None,
            },
            Newline::Cr => match memchr(b'\r', text) {
                Some(found) => match text.get(found + 1) {
                    Some(b'\n') => Some((at + found, at + found + 2)),
                    None if !eof => None,
                    _ => Some((at + found, at + found + 1)),
                },
                None if eof => Some((buffer.len(), buffer.len())),
                None => None,
            },
        }
    }

    fn split_plain(&mut self, buffer: &[u8], at: usize, end: usize) {
        self.fields.clear();
        let mut start = at;
        for found in memchr_iter(self.delimiter, &buffer[at..end]) {
            self.fields.push(Field { start, end: at + found, escaped: false });
            start = at + found + 1;
        }
        self.fields.push(Field { start, end, escaped: false });
    }

    /// Reads one record with quotes. `odd`: an unquoted field has a quote inside.
    fn scan(&mut self, buffer: &[u8], at: usize, eof: bool) -> Scan {
        self.fields.clear();
        let quote = self.quote.unwrap_or(b'"');
        let mut odd = false;
        let mut start = at;
        loop {
            if buffer.get(start) == Some(&quote) {
                let (close, escaped) = match self.closing_quote(buffer, start + 1, quote, eof) {
                    Ok(found) => found,
                    Err(scan) => return scan,
                };
                self.fields.push(Field { start: start + 1, end: close, escaped });
                let behind = close + 1;
                match buffer.get(behind) {
                    Some(byte) if *byte == self.delimiter => start = behind + 1,
                    None if eof => return Scan::Done { end: behind, next: behind, odd },
                    None => return Scan::NeedMore,
                    Some(b'\n' | b'\r') => match self.line_end(buffer, behind, eof) {
                        Some((end, next)) if end == behind => return Scan::Done { end, next, odd },
                        None if behind + 1 == buffer.len() => return Scan::NeedMore,
                        _ => return Scan::Bad(Broken::AfterQuote),
                    },
                    Some(_) => return Scan::Bad(Broken::AfterQuote),
                }
            } else {
                let Some((line_end, next)) = self.line_end(buffer, start, eof) else { return Scan::NeedMore };
                // Whatever of this line has no quotes is split at once.
                let quotes = memchr(quote, &buffer[start..line_end]).map_or(line_end, |found| start + found);
                let mut field = start;
                for found in memchr_iter(self.delimiter, &buffer[start..quotes]) {
                    self.fields.push(Field { start: field, end: start + found, escaped: false });
                    field = start + found + 1;
                }
                if quotes == line_end {
                    self.fields.push(Field { start: field, end: line_end, escaped: false });
                    return Scan::Done { end: line_end, next, odd };
                }
                if field == quotes {
                    start = quotes;
                    continue;
                }
                odd = true;
                let Some(found) = memchr(self.delimiter, &buffer[quotes..line_end]) else {
                    self.fields.push(Field { start: field, end: line_end, escaped: false });
                    return Scan::Done { end: line_end, next, odd };
                };
                self.fields.push(Field { start: field, end: quotes + found, escaped: false });
                start = quotes + found + 1;
            }
        }
    }

    fn closing_quote(&self, buffer: &[u8], from: usize, quote: u8, eof: bool) -> Result<(usize, bool), Scan> {
        let backslash = self.backslash.unwrap_or(quote);
        let mut escaped = false;
        let mut at = from;
        loop {
            let Some(found) = memchr2(quote, backslash, &buffer[at.min(buffer.len())..]) else {
                return Err(if eof { Scan::Bad(Broken::Unclosed) } else { Scan::NeedMore });
            };
            let mark = at + found;
            let followed = buffer.get(mark + 1).copied();
            if followed.is_none() && !eof {
                return Err(Scan::NeedMore);
            }
            if buffer[mark] == quote {
                if followed != Some(quote) {
                    return Ok((mark, escaped));
                }
                escaped = true;
                at = mark + 2;
            } else if followed.is_some_and(|byte| byte == quote || byte == backslash) {
                escaped = true;
                at = mark + 2;
            } else {
                at = mark + 1;
            }
        }
    }

    /// More fields than expected, the surplus all empty: delimiters at the end of a line, as spreadsheets leave them.
    /// Nothing is lost and nothing shifts without them.
    fn cut_empty_tail(&mut self) {
        let Some(expected) = self.expected.filter(|expected| self.fields.len() > *expected) else { return };
        if self.fields[expected..].iter().all(|field| field.start >= field.end) {
            self.fields.truncate(expected);
        }
    }

    /// Accepts what was scanned, unless its content speaks against it.
    fn judge(&mut self, buffer: &[u8], at: usize, (end, next): (usize, usize), lines: u64, odd: bool) -> Piece {
        self.patience = self.patience.saturating_add((next - at).saturating_mul(PATIENCE.1)).min(PATIENCE.0);
        self.cut_empty_tail();
        let found = self.fields.len();
        let reason = match self.expected {
            _ if memchr(0, &buffer[at..end]).is_some() => Broken::Nul,
            Some(expected) if expected != found => Broken::Ragged(found, expected),
            _ if odd && self.wary => Broken::Remainder,
            _ => {
                self.wary = false;
                return Piece::Record { end, next, lines };
            }
        };
        Piece::Broken { reason, end, next, lines }
    }

    /// Whether the lines from `at` to `until` are records of the expected width, but for one in five.
    /// None: the buffer ends inside the last one.
    fn are_records(&mut self, buffer: &[u8], mut at: usize, until: usize, eof: bool) -> Option<bool> {
        let Some(expected) = self.expected else { return Some(false) };
        if self.patience < until - at {
            return Some(false);
        }
        self.patience -= until - at;
        let (mut good, mut bad, mut last) = (0_usize, 0_usize, false);
        while at < until {
            let (line_end, line_next) = self.line_end(buffer, at, eof)?;
            if line_end == at {
                at = line_next;
                continue;
            }
            let window = &buffer[..buffer.len().min(at.saturating_add(self.cap))];
            let at_end = eof && window.len() == buffer.len();
            match self.scan(window, at, at_end) {
                Scan::NeedMore if window.len() == buffer.len() => return None,
                // A line with a stray quote is how the rest of a quoted field looks.
                Scan::Done { next, odd: false, .. } if self.fields.len() == expected => {
                    good += 1;
                    last = true;
                    at = next;
                }
                _ => {
                    bad += 1;
                    last = false;
                    at = line_next;
                }
            }
        }
        Some(last && bad * 5 <= good)
    }

    fn count_lines(&self, text: &[u8], at_end: bool) -> u64 {
        let (mark, last) = match self.newline {
            Newline::Lf | Newline::CrLf => (b'\n', b"\n".as_slice()),
            Newline::Cr => (b'\r', b"\r".as_slice()),
        };
        let closed = memchr_iter(mark, text).count() as u64;
        let open = at_end && !text.is_empty() && !text.ends_with(last) && !text.ends_with(b"\r\n");
        closed + u64::from(open)
    }
}
