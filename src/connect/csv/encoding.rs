//! Which encoding a text file has, and its bytes as UTF-8, chunk by chunk.
//!
//! UTF-8 goes through untouched and is checked record by record later. Anything else passes a decoder; bytes that it
//! cannot decode become [`UNDECODABLE`], a byte that no UTF-8 text has, so the same later check finds the record.
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use crm_core::error::{Error, Result};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::files::CHUNK;

/// Stands for input bytes that the encoding does not know. Never part of UTF-8.
pub const UNDECODABLE: u8 = 0xFF;
/// How far into a file of plain ASCII the first other byte is searched, bytes.
const ASCII_SCAN: u64 = 256 * 1024 * 1024;

/// An encoding and how many bytes of byte order mark stand before the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset {
    /// As the WHATWG names it.
    pub encoding: &'static Encoding,
    /// 0, 2 or 3.
    pub bom: usize,
}

impl Charset {
    /// UTF-8 without a byte order mark.
    pub const UTF_8: Self = Self { encoding: UTF_8, bom: 0 };

    /// Lower-case name: `utf-8`, `utf-16le`, `windows-1252`, `shift_jis`, `gbk`.
    pub fn name(self) -> String {
        self.encoding.name().to_ascii_lowercase()
    }
}

/// The encoding of a name as people write it (`latin1`, `UTF8`, `cp1252`, `ansi`).
pub fn by_name(name: &str) -> Result<&'static Encoding> {
    let trimmed = name.trim();
    let label = match trimmed.to_ascii_lowercase().as_str() {
        "ansi" => "windows-1252".to_string(),
        "utf-8-sig" | "utf8-bom" | "utf-8-bom" => "utf-8".to_string(),
        "cp932" => "shift_jis".to_string(),
        "cp936" => "gbk".to_string(),
        "cp949" => "euc-kr".to_string(),
        "cp950" => "big5".to_string(),
        other => other.strip_prefix("cp").map_or_else(|| other.to_string(), |page| format!("windows-{page}")),
    };
    Encoding::for_label(label.as_bytes()).or_else(|| Encoding::for_label(trimmed.as_bytes())).ok_or_else(|| {
        Error::usage(format!("unknown encoding '{name}'")).advise(
            "use a WHATWG name: utf-8, utf-16le, utf-16be, windows-1252, iso-8859-15, shift_jis, gbk, big5, euc-kr",
        )
    })
}

/// Detects the encoding of a file from its head and, where that is plain ASCII, from around its first other byte.
/// Leaves the file's position undefined.
pub fn detect(file: &mut File, path: &Path, head: &[u8], whole: bool) -> Result<Charset> {
    if let Some(charset) = by_mark(head)? {
        return Ok(charset);
    }
    if let Some(encoding) = utf16_without_mark(head) {
        return Ok(Charset { encoding, bom: 0 });
    }
    if whole || !head.is_ascii() {
        return Ok(Charset { encoding: guess(head, whole), bom: 0 });
    }
    let failed = |error: std::io::Error| Error::io("read", path, &error);
    let mut at = file.seek(SeekFrom::Start(head.len() as u64)).map_err(failed)?;
    let mut chunk = vec![0_u8; CHUNK];
    while at < ASCII_SCAN {
        let read = read_some(file, &mut chunk).map_err(failed)?;
        if read == 0 {
            break;
        }
        if !chunk[..read].is_ascii() {
            return Ok(Charset { encoding: guess(&chunk[..read], false), bom: 0 });
        }
        at += read as u64;
    }
    Ok(Charset::UTF_8)
}

/// Fills the buffer as far as the file goes.
pub(crate) fn read_some(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn by_mark(head: &[u8]) -> Result<Option<Charset>> {
    if head.starts_with(&[0xFF, 0xFE, 0, 0]) || head.starts_with(&[0, 0, 0xFE, 0xFF]) {
        return Err(Error::data("the file is UTF-32, which is not read")
            .advise("convert it first: iconv -f UTF-32 -t UTF-8 OLD > NEW"));
    }
    Ok(Encoding::for_bom(head).map(|(encoding, bom)| Charset { encoding, bom }))
}

/// UTF-16 text of any Latin content has a NUL in every other byte, and nearly none in the others.
fn utf16_without_mark(head: &[u8]) -> Option<&'static Encoding> {
    let sample = &head[..head.len().min(64 * 1024) & !1];
    if sample.len() < 4 {
        return None;
    }
    let pairs = sample.len() / 2;
    let nul = |offset: usize| sample.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (nul(0), nul(1));
    // Text in other scripts still has ASCII delimiters and newlines: a tenth is enough where the other half has none.
    if odd * 10 >= pairs && even * 50 < odd {
        return Some(UTF_16LE);
    }
    if even * 10 >= pairs && odd * 50 < even {
        return Some(UTF_16BE);
    }
    None
}

/// UTF-8 where the bytes are valid, or nearly: a handful of broken bytes among many good sequences is UTF-8 with damage
/// (those records are rejected), not another encoding that would turn all the good ones into mojibake.
fn guess(sample: &[u8], whole: bool) -> &'static Encoding {
    let (mut good, mut bad) = (0_usize, 0_usize);
    for chunk in sample.utf8_chunks() {
        good += chunk.valid().bytes().filter(|byte| *byte >= 0xC0).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    // A sample may end inside a character; that is no damage.
    if !whole && std::str::from_utf8(sample).is_err_and(|error| error.error_len().is_none()) {
        return UTF_8;
    }
    if good >= 10 * bad {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(sample, whole);
    let guess = detector.guess(None, Utf8Detection::Deny);
    if guess.is_single_byte() && only_western_signs(sample, guess) { WINDOWS_1252 } else { guess }
}

/// Statistics of letters mislead where a file holds no letters beyond ASCII, only signs: a lone `£` before a sum is taken
/// for a Polish `Ł`. True where all bytes that Windows-1252 and the guess read differently are signs there, away from letters.
fn only_western_signs(sample: &[u8], guess: &'static Encoding) -> bool {
    let read = |encoding: &'static Encoding, byte: u8| {
        encoding.decode_without_bom_handling(&[byte]).0.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
    };
    let table: Vec<(char, char)> = (0x80..=0xFF).map(|byte| (read(WINDOWS_1252, byte), read(guess, byte))).collect();
    let letter = |at: Option<usize>| at.and_then(|at| sample.get(at)).is_some_and(u8::is_ascii_alphabetic);
    sample.iter().enumerate().filter(|(_, byte)| !byte.is_ascii()).all(|(at, byte)| {
        let (western, guessed) = table[usize::from(byte & 0x7F)];
        western == guessed || !(western.is_alphabetic() || letter(at.checked_sub(1)) || letter(Some(at + 1)))
    })
}

/// The bytes of a file as UTF-8.
pub struct Utf8Source {
    file: Box<dyn Read + Send>,
    decoder: Option<Decoder>,
    pending: Vec<u8>,
    consumed: u64,
    ended: bool,
}

impl Utf8Source {
    /// From a file whose position is the start of the text, after a byte order mark (of `charset.bom` bytes, counted as read).
    pub fn new(file: Box<dyn Read + Send>, charset: Charset) -> Self {
        let decoder = (charset.encoding != UTF_8).then(|| charset.encoding.new_decoder_without_bom_handling());
        Self { file, decoder, pending: Vec::new(), consumed: charset.bom as u64, ended: false }
    }

    /// Bytes read from the file so far.
    pub fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Appends at most about `room` bytes of text to the buffer; false once there are no more.
    pub fn fill(&mut self, buffer: &mut Vec<u8>, room: usize) -> std::io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let room = room.max(64);
        let Some(decoder) = &mut self.decoder else {
            let from = buffer.len();
            buffer.resize(from + room, 0);
            let read = read_some(&mut self.file, &mut buffer[from..]);
            buffer.truncate(from + *read.as_ref().unwrap_or(&0));
            let read = read?;
            self.consumed += read as u64;
            self.ended = read < room;
            return Ok(!self.ended);
        };
        // One byte of input becomes at most three of UTF-8.
        self.pending.resize(room / 3, 0);
        let read = read_some(&mut self.file, &mut self.pending)?;
        self.consumed += read as u64;
        let last = read < self.pending.len();
        decode(decoder, &self.pending[..read], last, buffer);
        self.ended = last;
        Ok(!last)
    }
}

/// Appends the decoded input; [`UNDECODABLE`] for each malformed sequence.
fn decode(decoder: &mut Decoder, mut input: &[u8], last: bool, buffer: &mut Vec<u8>) {
    loop {
        let from = buffer.len();
        let room = decoder.max_utf8_buffer_length_without_replacement(input.len()).unwrap_or(input.len() * 3 + 16);
        buffer.resize(from + room, 0);
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(input, &mut buffer[from..], last);
        buffer.truncate(from + written);
        input = &input[read..];
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => buffer.push(UNDECODABLE),
        }
    }
}
