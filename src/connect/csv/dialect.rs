//! How a delimited text file is written: delimiter, quote, escape, newline, header; and how that is found out.
use std::fs::File;
use std::path::Path;

use crm_core::error::{Error, Result};
use crm_core::project::PlatformConfig;
use encoding_rs::Encoding;
use serde::{Deserialize, Serialize};

use super::encoding::{self, Charset, Utf8Source, read_some};
use super::header::has_header;
use super::splitter::{Broken, Piece, Splitter};
use crate::files;

/// Bytes of the file that detection looks at.
const SAMPLE: usize = 256 * 1024;

/// What ends a physical line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Newline {
    /// `\n`; a `\r` before it belongs to it.
    #[default]
    Lf,
    /// `\r\n`; a lone `\n` ends a line too.
    CrLf,
    /// `\r` alone, as old Macs wrote it.
    Cr,
}

impl Newline {
    /// The characters themselves.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
        }
    }

    /// The one used most in a text.
    pub fn of(text: &[u8]) -> Self {
        let crlf = memchr::memmem::find_iter(text, b"\r\n").count();
        let lf = memchr::memchr_iter(b'\n', text).count() - crlf;
        let cr = memchr::memchr_iter(b'\r', text).count() - crlf;
        if crlf > 0 && crlf >= lf {
            Self::CrLf
        } else if cr > 0 && lf == 0 {
            Self::Cr
        } else {
            Self::Lf
        }
    }
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Between fields.
    pub delimiter: u8,
    /// Around fields; None: quotes mean nothing.
    pub quote: Option<u8>,
    /// Before a quote inside quotes: the quote itself (doubled) or a backslash.
    pub escape: Option<u8>,
    /// Encoding and byte order mark.
    pub charset: Charset,
    /// End of lines.
    pub newline: Newline,
    /// The first record names the columns.
    pub header: bool,
}

impl Default for Dialect {
    /// RFC 4180 with LF.
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: Some(b'"'),
            escape: Some(b'"'),
            charset: Charset::UTF_8,
            newline: Newline::Lf,
            header: true,
        }
    }
}

/// A dialect in words, as `sniff --json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sniffed {
    /// One character: `,`.
    pub delimiter: String,
    /// One character: `"`; null where quotes mean nothing.
    pub quote: Option<String>,
    /// `"` (doubled) or `\`.
    pub escape: Option<String>,
    /// `utf-8`, `utf-16le`, `windows-1252`, `shift_jis`, `gbk`, …
    pub encoding: String,
    /// The characters that end a line: `\n`, `\r\n` or `\r`.
    pub newline: String,
    /// The first record names the columns.
    pub header: bool,
}

impl From<Dialect> for Sniffed {
    fn from(dialect: Dialect) -> Self {
        let text = |byte: u8| char::from(byte).to_string();
        Self {
            delimiter: text(dialect.delimiter),
            quote: dialect.quote.map(text),
            escape: dialect.escape.map(text),
            encoding: dialect.charset.name(),
            newline: dialect.newline.as_str().to_string(),
            header: dialect.header,
        }
    }
}

/// What a project says about a file's dialect; what it leaves open is detected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Option `delimiter`.
    pub delimiter: Option<u8>,
    /// Option `quote`; `""` switches quotes off.
    pub quote: Option<Option<u8>>,
    /// Option `escape`.
    pub escape: Option<u8>,
    /// Option `encoding`.
    pub encoding: Option<&'static Encoding>,
    /// Option `header`.
    pub header: Option<bool>,
    /// Option `skip`: physical lines before the header that are not part of the table.
    pub skip: u64,
}

impl Overrides {
    /// From the options of a platform.
    pub fn of(config: &PlatformConfig) -> Result<Self> {
        let place = format!("project.toml platforms.{}", config.name);
        let text = |key: &str| match config.options.get(key) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or_else(|| {
                Error::usage(format!("{key} must be text")).at(&place).advise(format!("write {key} = \",\""))
            }),
        };
        let byte = |key: &str, word: &str| match word {
            "tab" | "\\t" => Ok(b'\t'),
            _ => match word.as_bytes() {
                [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(*byte),
                _ => Err(Error::usage(format!("{key} must be one ASCII character"))
                    .at(&place)
                    .advise("for example \",\", \";\", \"|\" or \"tab\"")),
            },
        };
        let mut overrides = Self::default();
        if let Some(word) = text("delimiter")? {
            overrides.delimiter = Some(byte("delimiter", word)?);
        }
        if let Some(word) = text("quote")? {
            overrides.quote = Some(if word.is_empty() { None } else { Some(byte("quote", word)?) });
        }
        if let Some(word) = text("escape")? {
            overrides.escape = Some(byte("escape", word)?);
        }
        if let Some(word) = text("encoding")? {
            overrides.encoding = Some(encoding::by_name(word).map_err(|error| error.at(&place))?);
        }
        if let Some(value) = config.options.get("header") {
            overrides.header = Some(value.as_bool().ok_or_else(|| {
                Error::usage("header must be true or false").at(&place).advise("write header = true")
            })?);
        }
        if let Some(value) = config.options.get("skip") {
            overrides.skip = value
                .as_integer()
                .and_then(|lines| u64::try_from(lines).ok())
                .ok_or_else(|| Error::usage("skip must be a number of lines").at(&place).advise("write skip = 3"))?;
        }
        if overrides.delimiter.is_some() && overrides.delimiter == overrides.quote.flatten() {
            return Err(Error::usage("delimiter and quote are the same character").at(&place));
        }
        Ok(overrides)
    }
}

/// Detects how a file is written.
pub fn sniff(path: &Path) -> Result<Sniffed> {
    Ok(detect(path, &Overrides::default())?.into())
}

/// As [`sniff`], with what is known already.
pub fn detect(path: &Path, known: &Overrides) -> Result<Dialect> {
    let (mut file, metadata) = files::open_filled(path)?;
    let mut head = vec![0; SAMPLE];
    let read = read_some(&mut file, &mut head).map_err(|error| Error::io("read", path, &error))?;
    if read == 0 {
        return Err(files::empty(path));
    }
    head.truncate(read);
    let whole = read < SAMPLE || metadata.len() == read as u64;
    let charset = charset(&mut file, path, &head, whole, known.encoding)?;
    let text = sample_text(&head, charset, whole);
    let text = skip_lines(&text, known.skip);
    Ok(detect_text(text, charset, whole, known))
}

fn charset(
    file: &mut File,
    path: &Path,
    head: &[u8],
    whole: bool,
    known: Option<&'static Encoding>,
) -> Result<Charset> {
    match known {
        None => encoding::detect(file, path, head, whole),
        Some(encoding) => {
            let bom = Encoding::for_bom(head).filter(|(marked, _)| *marked == encoding).map_or(0, |(_, bom)| bom);
            Ok(Charset { encoding, bom })
        }
    }
}

/// The head as UTF-8, cut after its last whole line unless it is the whole file.
fn sample_text(head: &[u8], charset: Charset, whole: bool) -> Vec<u8> {
    let bytes = std::io::Cursor::new(head[charset.bom..].to_vec());
    let mut source = Utf8Source::new(Box::new(bytes), charset);
    let mut text = Vec::new();
    // Reading from memory cannot fail.
    while source.fill(&mut text, SAMPLE).unwrap_or(false) {}
    if !whole && let Some(last) = memchr::memrchr2(b'\n', b'\r', &text) {
        text.truncate(last + 1);
    }
    text
}

fn skip_lines(text: &[u8], lines: u64) -> &[u8] {
    let splitter = Splitter::new(&Dialect { newline: Newline::of(text), ..Dialect::default() }, usize::MAX);
    let mut at = 0;
    for _ in 0..lines {
        match splitter.line_end(text, at, true) {
            Some((_, next)) => at = next,
            None => break,
        }
    }
    &text[at..]
}

/// Detects the dialect of a decoded sample.
fn detect_text(text: &[u8], charset: Charset, whole: bool, known: &Overrides) -> Dialect {
    let newline = newline_of(text);
    let (delimiter, quote) = delimiter_and_quote(text, newline, known);
    let mut dialect = Dialect { delimiter, quote, escape: quote, charset, newline, header: true };
    dialect.escape = match known.escape {
        Some(escape) => Some(escape),
        None => detect_escape(text, &dialect, whole),
    };
    dialect.header = known.header.unwrap_or_else(|| has_header(&sample_records(text, &dialect, whole, 200)));
    dialect
}

fn delimiter_and_quote(text: &[u8], newline: Newline, known: &Overrides) -> (u8, Option<u8>) {
    let mut sniffer = csv_nose::Sniffer::new();
    if let Some(delimiter) = known.delimiter {
        sniffer.delimiter(delimiter);
        if let Some(quote) = known.quote {
            sniffer.quote(quote.map_or(csv_nose::Quote::None, csv_nose::Quote::Some));
        }
    }
    let found = sniffer.sniff_bytes(text).ok().map(|found| found.dialect);
    let delimiter = known
        .delimiter
        .unwrap_or_else(|| plausible_delimiter(text, newline, found.as_ref().map(|found| found.delimiter)));
    let quote = known.quote.unwrap_or_else(|| {
        plausible_quote(text, newline, delimiter, found.map_or(Some(b'"'), |dialect| dialect.quote.char()))
    });
    (delimiter, quote)
}

/// Delimiters that exports are really written with.
const COMMON: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Statistics find a space in every list of full names. A delimiter that is not one of the common four must make a
/// proper table: three columns or more, nearly all lines alike. Else the common one with the most lines alike.
fn plausible_delimiter(text: &[u8], newline: Newline, found: Option<u8>) -> u8 {
    // Few rows of rich text mislead the statistics; a reading in which every line fits does not lie.
    let perfect = |delimiter: u8| is_perfect(regular(text, delimiter, newline));
    if let Some(found) = found.filter(u8::is_ascii) {
        if COMMON.contains(&found) {
            let better = if perfect(found) { None } else { COMMON.into_iter().find(|other| perfect(*other)) };
            return better.unwrap_or(found);
        }
        let (alike, width) = regular(text, found, newline);
        if width >= 3 && alike >= 0.95 {
            return found;
        }
    }
    let mut best = (b',', (0.0, 0));
    for delimiter in COMMON {
        let regular = regular(text, delimiter, newline);
        if regular.1 >= 2 && regular > best.1 {
            best = (delimiter, regular);
        }
    }
    best.0
}

/// Every line has the same two fields or more.
fn is_perfect((alike, width): (f64, usize)) -> bool {
    alike >= 1.0 && width >= 2
}

/// The newline of a text. Where lone `\r` and `\n` are mixed, `\r` ends the records only if that alone makes a table of it.
fn newline_of(text: &[u8]) -> Newline {
    let newline = Newline::of(text);
    let lone = memchr::memchr_iter(b'\r', text).filter(|at| text.get(at + 1) != Some(&b'\n')).take(2).count();
    let table = |newline| COMMON.into_iter().any(|delimiter| is_perfect(regular(text, delimiter, newline)));
    if newline != Newline::Cr && lone == 2 && table(Newline::Cr) && !table(newline) { Newline::Cr } else { newline }
}

fn regular(text: &[u8], delimiter: u8, newline: Newline) -> (f64, usize) {
    regularity(text, &Dialect { delimiter, newline, ..Dialect::default() })
}

/// Share of records that have the most common width, and that width.
fn regularity(text: &[u8], dialect: &Dialect) -> (f64, usize) {
    let mut splitter = Splitter::new(dialect, usize::MAX);
    let (mut widths, mut broken, mut at) = (Vec::new(), 0_usize, 0);
    while widths.len() + broken < 500 {
        match splitter.split(text, at, true) {
            Piece::Record { next, .. } => {
                widths.push(splitter.fields().len());
                at = next;
            }
            Piece::Blank { next } => at = next,
            Piece::Broken { next, .. } => {
                broken += 1;
                at = next;
            }
            Piece::Endless { .. } | Piece::NeedMore | Piece::End => break,
        }
    }
    let count = |width: usize| widths.iter().filter(|other| **other == width).count();
    let most = widths.iter().copied().max_by_key(|width| (count(*width), *width)).unwrap_or(0);
    (count(most) as f64 / (widths.len() + broken).max(1) as f64, most)
}

/// An apostrophe is a quote only where more fields stand between two of them than between `"`, and the lines fit no worse
/// for it; and no quote at all is believed only where fields begin with one that is never closed.
fn plausible_quote(text: &[u8], newline: Newline, delimiter: u8, found: Option<u8>) -> Option<u8> {
    let edge = |byte: Option<&u8>| byte.is_none_or(|byte| *byte == delimiter || matches!(byte, b'\n' | b'\r'));
    let fields = |quote: u8| {
        memchr::memchr_iter(quote, text).fold((0_usize, 0_usize), |(opened, closed), at| {
            let before = edge(at.checked_sub(1).and_then(|at| text.get(at)));
            let behind = edge(text.get(at + 1));
            (opened + usize::from(before), closed + usize::from(behind))
        })
    };
    let (opened, closed) = fields(b'"');
    match found {
        Some(b'"') => found,
        None if opened.min(closed) * 2 >= opened => Some(b'"'),
        Some(other) => {
            let (other_opened, other_closed) = fields(other);
            let dialect = Dialect { delimiter, newline, ..Dialect::default() };
            let fits = |quote| regularity(text, &Dialect { quote: Some(quote), escape: Some(quote), ..dialect }).0;
            let more = other_opened.min(other_closed) > opened.min(closed).max(1);
            Some(if more && fits(other) >= fits(b'"') { other } else { b'"' })
        }
        None => None,
    }
}

/// Doubled quotes, unless the sample reads better with a backslash.
fn detect_escape(text: &[u8], dialect: &Dialect, whole: bool) -> Option<u8> {
    let quote = dialect.quote?;
    if memchr::memmem::find(text, &[b'\\', quote]).is_none() {
        return Some(quote);
    }
    let damage = |escape: u8| {
        let mut splitter = Splitter::new(&Dialect { escape: Some(escape), ..*dialect }, usize::MAX);
        let mut broken = 0_usize;
        let mut at = 0;
        loop {
            match splitter.split(text, at, true) {
                Piece::Record { next, .. } => {
                    if at == 0 {
                        splitter.expect(splitter.fields().len());
                    }
                    at = next;
                }
                Piece::Blank { next } => at = next,
                // The sample may end inside a quoted field.
                Piece::Broken { reason: Broken::Unclosed, next, .. } if !whole && next == text.len() => return broken,
                Piece::Broken { next, .. } => {
                    broken += 1;
                    at = next;
                }
                Piece::Endless { .. } | Piece::NeedMore | Piece::End => return broken,
            }
        }
    };
    Some(if damage(b'\\') < damage(quote) { b'\\' } else { quote })
}

/// The first records of a sample as text, undecodable bytes replaced.
fn sample_records(text: &[u8], dialect: &Dialect, whole: bool, most: usize) -> Vec<Vec<String>> {
    let mut splitter = Splitter::new(dialect, usize::MAX);
    let mut records = Vec::new();
    let mut at = 0;
    while records.len() < most {
        match splitter.split(text, at, whole) {
            Piece::Record { next, .. } => {
                records.push(splitter.texts(text));
                at = next;
            }
            // A first line that is broken is no data: where it can be told at all, it is a header.
            Piece::Broken { .. } if records.is_empty() => break,
            Piece::Blank { next } | Piece::Broken { next, .. } => at = next,
            Piece::Endless { .. } | Piece::NeedMore | Piece::End => break,
        }
    }
    records
}
