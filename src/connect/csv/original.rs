//! Rows byte for byte, as one run took them away or over and a later one puts them back.
//!
//! A row's original is the number of blank or broken pieces between it and the row before, a space, and its bytes with the
//! newline. It is put back only where the file's dialect still reads it as the same cells.
use std::borrow::Cow;
use std::str::FromStr;

use encoding_rs::UTF_8;

use super::dialect::Dialect;
use super::splitter::{Piece, RECORD_CAP, Splitter};

/// A row's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Original<'b> {
    /// With its newline where it has one.
    pub(super) bytes: &'b [u8],
    /// It has one.
    pub(super) newline: bool,
    /// Pieces that are no rows between it and the row before.
    pub(super) others: u64,
}

impl<'b> Original<'b> {
    /// The start of an original; the row's bytes follow.
    pub(super) fn begin(others: u64) -> Vec<u8> {
        format!("{others} ").into_bytes()
    }

    /// Reads one; None if this dialect does not read it as exactly these cells.
    pub(super) fn read(kept: &'b [u8], dialect: &Dialect, cells: &[Option<&str>]) -> Option<Self> {
        let space = kept.iter().position(|byte| *byte == b' ')?;
        let others = std::str::from_utf8(&kept[..space]).ok()?.parse().ok()?;
        let bytes = &kept[space + 1..];
        let text = decode(bytes, dialect)?;
        let mut splitter = Splitter::new(dialect, RECORD_CAP);
        splitter.expect(cells.len());
        let Piece::Record { end, next, .. } = splitter.split(text.as_bytes(), 0, true) else { return None };
        if next != text.len() {
            return None;
        }
        let same =
            splitter.texts(text.as_bytes()).iter().zip(cells).all(|(read, cell)| *read == cell.unwrap_or_default());
        (same && splitter.fields().len() == cells.len()).then_some(Self { bytes, newline: end < next, others })
    }
}

/// Bytes of a file as text, None where they are no text in its encoding.
fn decode<'b>(bytes: &'b [u8], dialect: &Dialect) -> Option<Cow<'b, str>> {
    let encoding = dialect.charset.encoding;
    if encoding == UTF_8 {
        return std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
    }
    encoding.decode_without_bom_handling_and_without_replacement(bytes)
}

/// A newline that was added to the end of a file, so that rows could follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    /// Rows that the file had.
    pub(super) rows: u64,
    /// Bytes that were added.
    pub(super) bytes: usize,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.rows, self.bytes)
    }
}

impl FromStr for Ending {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rows, bytes) = text.split_once(' ').unwrap_or((text, ""));
        Ok(Self { rows: rows.parse()?, bytes: bytes.parse()? })
    }
}
