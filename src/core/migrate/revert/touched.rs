//! The rows that a run wrote, as it kept them.
use std::path::Path;

use hashbrown::HashMap;

use crate::error::Result;
use crate::migrate::postimages::{self, PostImage, Wrote};
use crate::migrate::preimages::{self, KIND, ORDINAL, RAW};
use crate::plan::ops::{OPS_BATCH, Store};
use crate::platform::LOCATOR;

/// See the module. O(rows) of the run, cells stay on disk.
pub(super) struct Touched {
    /// In the order of writing.
    pub(super) rows: Vec<PostImage>,
    /// Row by ordinal before the run: those that were there.
    by_ordinal: HashMap<u64, u32>,
    /// Rows as they were; None if the run changed and removed none (or they are gone).
    pub(super) images: Option<Store>,
    /// Rows of the run that are not among these because a person was erased.
    pub(super) erased: u64,
}

impl Touched {
    /// Reads them; None if the mapping wrote no row.
    pub(super) fn read(run_dir: &Path, mapping: &str) -> Result<Option<Self>> {
        let Some(batches) = postimages::batches(run_dir, mapping)? else { return Ok(None) };
        let mut rows = Vec::new();
        for batch in batches {
            rows.extend(batch?);
        }
        let by_ordinal = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.wrote != Wrote::Insert)
            .filter_map(|(at, row)| Some((row.ordinal?, at as u32)))
            .collect();
        let path = preimages::path(run_dir, mapping);
        let images = if path.exists() { Some(Store::open(&path)?) } else { None };
        Ok(Some(Self { rows, by_ordinal, images, erased: postimages::erased(run_dir, mapping) }))
    }

    /// The row of an ordinal before the run, if the run wrote it.
    pub(super) fn at(&self, ordinal: u64) -> Option<u32> {
        self.by_ordinal.get(&ordinal).copied()
    }

    /// The target's columns before the run, where a pre-image tells them.
    pub(super) fn columns(&self) -> Option<Vec<String>> {
        let own = |name: &&String| ![KIND, ORDINAL, RAW, LOCATOR].contains(&name.as_str());
        Some(self.images.as_ref()?.columns().iter().filter(own).cloned().collect())
    }

    /// The pre-images batch by batch: their frame, and the index of each in [`Touched::rows`].
    pub(super) fn image_batches(
        &self,
    ) -> impl Iterator<Item = Result<(polars::prelude::DataFrame, Vec<Option<u32>>)>> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            let store = self.images.as_ref().filter(|store| at < store.rows())?;
            let batch = store.slice(at, OPS_BATCH, None).and_then(|frame| {
                let ordinals = frame.column(ORDINAL)?.u64()?;
                let rows = ordinals.iter().map(|ordinal| self.at(ordinal?)).collect();
                Ok((frame, rows))
            });
            at = batch.as_ref().map_or(u64::MAX, |(frame, _)| at + frame.height() as u64);
            Some(batch)
        })
    }
}
