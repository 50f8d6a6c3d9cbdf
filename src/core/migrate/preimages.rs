//! Pre-images: the target rows that a run changed or deleted, as they were, so that it can be taken back.
//!
//! `runs/ID/preimages/NAME.parquet`: [`KIND`], [`ORDINAL`], the columns of the target, and its locator where it has one.
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
    /// Keeps these rows of the target's snapshot.
    pub(super) fn keep(&mut self, target: &Snapshot, rows: &[(u64, ChangeKind)]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let ordinals: Vec<u64> = rows.iter().map(|(ordinal, _)| *ordinal).collect();
        let frame = target.gather(&ordinals, None)?;
        let kinds: Vec<&str> =
            rows.iter().map(|(_, kind)| if *kind == ChangeKind::Delete { "delete" } else { "update" }).collect();
        let mut columns = vec![Series::new(KIND.into(), kinds).into(), Series::new(ORDINAL.into(), ordinals).into()];
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
