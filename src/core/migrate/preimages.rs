//! Pre-images: the target rows that a run changed or deleted, as they were, so that it can be taken back.
//!
//! `runs/ID/preimages/NAME.parquet`, ascending by ordinal: [`KIND`], [`ORDINAL`], [`RAW`], the columns of the target, and its
//! locator where it has one. The raw rows of text files cost the touched rows once more; keeping the whole old file instead
//! would cost all of it for each run, however little that changed.
use std::path::{Path, PathBuf};

use polars::prelude::{DataFrame, NamedFrom, Series};

use crate::error::{Error, Result};
use crate::journal::private_folder;
use crate::plan::ops::StoreWriter;
use crate::platform::{ChangeKind, LINE};
use crate::table::Snapshot;

/// Column: `update` or `delete`.
pub(super) const KIND: &str = "__kind";
/// Column: ordinal of the row in the target snapshot of the plan.
pub(super) const ORDINAL: &str = "__ordinal";
/// Column: the row byte for byte, where its cells do not say everything; by [`raw_text`].
pub(super) const RAW: &str = "__raw";

/// Bytes as text: as they are if they are UTF-8, else each byte as the character of its number.
pub(crate) fn raw_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("u{text}"),
        Err(_) => std::iter::once('b').chain(bytes.iter().map(|byte| char::from(*byte))).collect(),
    }
}

/// Reads [`raw_text`] back; None if it is none.
pub(crate) fn raw_bytes(text: &str) -> Option<Vec<u8>> {
    match text.split_at_checked(1)? {
        ("u", text) => Some(text.as_bytes().to_vec()),
        ("b", text) => text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect(),
        _ => None,
    }
}

/// The file of a mapping.
pub(crate) fn path(run_dir: &Path, mapping: &str) -> PathBuf {
    run_dir.join("preimages").join(format!("{mapping}.parquet"))
}

/// Writes the pre-images of one mapping.
pub(super) struct PreImages {
    path: PathBuf,
    writer: Option<StoreWriter>,
}

impl PreImages {
    /// Begins; the file is made with the first row.
    pub(super) fn new(run_dir: &Path, mapping: &str) -> Result<Self> {
        let folder = run_dir.join("preimages");
        private_folder(&folder)?;
        Ok(Self { path: folder.join(format!("{mapping}.parquet")), writer: None })
    }
    /// Keeps these rows of the target's snapshot, with their bytes where the platform gave them.
    pub(super) fn keep(
        &mut self,
        target: &Snapshot,
        rows: &[(u64, ChangeKind)],
        raw: Vec<Option<Vec<u8>>>,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let ordinals: Vec<u64> = rows.iter().map(|(ordinal, _)| *ordinal).collect();
        let frame = target.gather(&ordinals, None)?;
        let kinds: Vec<&str> =
            rows.iter().map(|(_, kind)| if *kind == ChangeKind::Delete { "delete" } else { "update" }).collect();
        let mut columns = vec![Series::new(KIND.into(), kinds).into(), Series::new(ORDINAL.into(), ordinals).into()];
        let mut raw: Vec<Option<String>> = raw.into_iter().map(|raw| raw.as_deref().map(raw_text)).collect();
        raw.resize(rows.len(), None);
        columns.push(Series::new(RAW.into(), raw).into());
        columns.extend(frame.columns().iter().filter(|column| column.name() != LINE).cloned());
        let mut frame = DataFrame::new(rows.len(), columns)?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(StoreWriter::create(&self.path, frame.schema())?),
        };
        writer.write(&mut frame)
    }
    /// Everything is on disk on return.
    pub(super) fn finish(self) -> Result<()> {
        let Some(writer) = self.writer else { return Ok(()) };
        writer.finish()?;
        std::fs::File::open(&self.path)
            .and_then(|file| file.sync_all())
            .map_err(|error| Error::io("write", &self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_come_back_whatever_they_are() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [&b""[..], b"a,b\r\n", "\u{e9}\u{20ac}".as_bytes(), &all, b"\xff", b"u", b"b"] {
            assert_eq!(raw_bytes(&raw_text(bytes)).as_deref(), Some(bytes));
        }
        assert_eq!(raw_bytes(""), None);
        assert_eq!(raw_bytes("x1"), None);
    }
}
