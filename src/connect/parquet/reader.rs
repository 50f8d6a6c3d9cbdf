//! Streams a Parquet file as text, memory bounded by its row groups.
use std::path::Path;

use polars::prelude::DataFrame;

use crm_core::error::Result;
use crm_core::platform::{Batch, ReadOptions, ReadReject, RecordReader, Schema};

use super::file::{ParquetFile, text_frame};

/// See the module.
pub(super) struct Reader {
    file: ParquetFile,
    schema: Schema,
    /// The row group at hand, and how much of it was handed out.
    group: Option<(DataFrame, usize)>,
    batch_rows: usize,
    left: u64,
}

impl Reader {
    pub(super) fn open(path: &Path, options: &ReadOptions) -> Result<Self> {
        let file = ParquetFile::open(path)?;
        let schema = file.schema();
        let left = options.limit.unwrap_or(u64::MAX);
        Ok(Self { file, schema, group: None, batch_rows: options.batch_rows.max(1), left })
    }
}

impl RecordReader for Reader {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn next_batch(&mut self) -> Result<Option<Batch>> {
        if self.left == 0 {
            return Ok(None);
        }
        let (group, at) = match self.group.take() {
            Some(group) => group,
            None => match self.file.next_group()? {
                Some(group) => (group, 0),
                None => return Ok(None),
            },
        };
        let most = self.batch_rows.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let frame = text_frame(&group.slice(at as i64, most))?;
        let next = at + frame.height();
        self.left -= frame.height() as u64;
        if next < group.height() {
            self.group = Some((group, next));
        }
        Ok(Some(Batch { frame }))
    }

    fn take_rejects(&mut self) -> Vec<ReadReject> {
        Vec::new()
    }

    fn position(&self) -> (u64, Option<u64>) {
        let (done, total) = self.file.position();
        (done, Some(total))
    }
}
