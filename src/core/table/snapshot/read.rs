//! Reading rows back: one row group at a time, chosen columns only.
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, PlSmallStr, Series, StringChunkedBuilder};
use polars_io::SerReader;
use polars_io::parquet::read::{FileMetadata, ParallelStrategy, ParquetReader};

use super::cache::Cache;
use crate::error::{Error, Result};
use crate::platform::{LINE, LOCATOR, Schema};

/// Decoded columns kept for windows and gathers, in bytes.
const CACHE_BYTES: usize = 32 << 20;

/// Row groups that one gather may leave in the cache. One that sweeps over more would only push out what windows need.
const GATHER_CACHED: usize = 16;

/// The rows of a snapshot: open file, parsed metadata, cache.
pub(super) struct Rows {
    path: PathBuf,
    file: File,
    metadata: FileMetadata,
    /// First ordinal of each row group, and the number of rows at the end.
    starts: Vec<u64>,
    /// Columns in file order.
    names: Vec<PlSmallStr>,
    places: HashMap<PlSmallStr, usize>,
    cache: Mutex<Cache>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("path", &self.path).field("rows", &self.len()).finish_non_exhaustive()
    }
}

impl Rows {
    /// Opens the file; its columns must be those of `schema`, with [`LINE`] and [`LOCATOR`] behind them or not.
    pub(super) fn open(path: &Path, schema: &Schema) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io("open the snapshot", path, &error))?;
        let mut reader = ParquetReader::new(BufReader::new(&file));
        let names: Vec<PlSmallStr> = reader.schema()?.iter_names().cloned().collect();
        let metadata = FileMetadata::clone(reader.get_metadata()?);
        let data = schema.columns.len();
        if !names.iter().take(data).map(PlSmallStr::as_str).eq(schema.names())
            || names.iter().skip(data).any(|name| name != LINE && name != LOCATOR)
        {
            return Err(Error::data("its columns are not those that it says"));
        }
        let mut starts = Vec::with_capacity(metadata.row_groups.len() + 1);
        let mut rows = 0_u64;
        starts.push(0);
        for group in &metadata.row_groups {
            rows += group.num_rows() as u64;
            starts.push(rows);
        }
        let places = names.iter().enumerate().map(|(place, name)| (name.clone(), place)).collect();
        drop(reader);
        let cache = Mutex::new(Cache::new(CACHE_BYTES));
        Ok(Self { path: path.to_owned(), file, metadata, starts, names, places, cache })
    }

    pub(super) fn len(&self) -> u64 {
        self.starts.last().copied().unwrap_or_default()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    pub(super) fn groups(&self) -> usize {
        self.metadata.row_groups.len()
    }

    /// Places of these columns (all data columns if None) and of the console's own.
    pub(super) fn projection(&self, columns: Option<&[String]>) -> Result<Vec<usize>> {
        let Some(columns) = columns else { return Ok((0..self.names.len()).collect()) };
        let own = [LINE, LOCATOR].iter().filter_map(|name| self.places.get(*name).copied());
        let mut places = columns
            .iter()
            .map(|name| {
                self.places.get(name.as_str()).copied().ok_or_else(|| Error::data(format!("column not found: {name}")))
            })
            .collect::<Result<Vec<usize>>>()?;
        for place in own {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        Ok(places)
    }

    /// Columns of one row group, from the file.
    pub(super) fn decode(&self, group: usize, places: &[usize]) -> Result<DataFrame> {
        // The reader would walk all groups in front; it is shown this one only. Byte ranges count from the file's start.
        let one = self.metadata.row_groups[group].clone();
        let metadata = FileMetadata {
            version: self.metadata.version,
            num_rows: one.num_rows(),
            max_row_group_height: one.num_rows(),
            created_by: None,
            row_groups: vec![one],
            key_value_metadata: self.metadata.key_value_metadata.clone(),
            schema_descr: self.metadata.schema_descr.clone(),
            column_orders: None,
            footer_buf: self.metadata.footer_buf.clone(),
        };
        let mut reader = ParquetReader::new(BufReader::with_capacity(0, &self.file))
            .read_parallel(ParallelStrategy::Columns)
            .with_projection(Some(places.to_vec()));
        reader.set_metadata(Arc::new(metadata));
        let mut frame = reader.finish().map_err(|_| self.unreadable())?;
        frame.rechunk_mut();
        Ok(frame)
    }

    /// Columns of one row group, from the cache where they are in it; what was not is put there if `keep`.
    fn cached(&self, group: usize, places: &[usize], keep: bool) -> Result<Vec<Column>> {
        let mut found: Vec<Option<Column>> = {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            places.iter().map(|place| cache.get((group, *place))).collect()
        };
        let missing: Vec<usize> =
            places.iter().zip(&found).filter(|(_, column)| column.is_none()).map(|(place, _)| *place).collect();
        if !missing.is_empty() {
            // Decoded outside the lock: two that want the same both decode it, neither waits.
            let frame = self.decode(group, &missing)?;
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            let gaps = found.iter_mut().filter(|column| column.is_none());
            for ((gap, place), column) in gaps.zip(missing).zip(frame.columns()) {
                if keep {
                    cache.put((group, place), column.clone());
                }
                *gap = Some(column.clone());
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    pub(super) fn slice(&self, first: u64, count: usize, places: &[usize]) -> Result<DataFrame> {
        let end = first.saturating_add(count as u64).min(self.len());
        if first >= end {
            return self.empty(places);
        }
        let mut whole: Option<DataFrame> = None;
        for group in self.group_of(first)..=self.group_of(end - 1) {
            let from = first.max(self.starts[group]);
            let rows = (end.min(self.starts[group + 1]) - from) as usize;
            let offset = (from - self.starts[group]) as i64;
            let columns =
                self.cached(group, places, true)?.into_iter().map(|column| column.slice(offset, rows)).collect();
            let part = DataFrame::new(rows, columns)?;
            match whole.as_mut() {
                Some(whole) => _ = whole.vstack_mut(&part)?,
                None => whole = Some(part),
            }
        }
        whole.map_or_else(|| self.empty(places), Ok)
    }

    pub(super) fn gather(&self, ordinals: &[u64], places: &[usize]) -> Result<DataFrame> {
        if ordinals.iter().any(|ordinal| *ordinal >= self.len()) {
            return Err(Error::data(format!("the snapshot has {} rows, one behind them was asked for", self.len())));
        }
        if ordinals.is_sorted() {
            return self.gather_sorted(ordinals, places);
        }
        let mut order: Vec<usize> = (0..ordinals.len()).collect();
        order.sort_unstable_by_key(|index| ordinals[*index]);
        let sorted: Vec<u64> = order.iter().map(|index| ordinals[*index]).collect();
        let frame = self.gather_sorted(&sorted, places)?;
        let mut back = vec![0; ordinals.len()];
        for (place, index) in order.into_iter().enumerate() {
            back[index] = place as polars::prelude::IdxSize;
        }
        Ok(frame.take(&polars::prelude::IdxCa::from_vec(PlSmallStr::EMPTY, back))?)
    }

    fn gather_sorted(&self, ordinals: &[u64], places: &[usize]) -> Result<DataFrame> {
        let mut picks: Vec<Picked> = places.iter().map(|place| self.picked(*place, ordinals.len())).collect();
        let keep = match (ordinals.first(), ordinals.last()) {
            (Some(first), Some(last)) => self.group_of(*last) - self.group_of(*first) < GATHER_CACHED,
            _ => false,
        };
        let mut rest = ordinals;
        while let Some(first) = rest.first() {
            let group = self.group_of(*first);
            let end = self.starts[group + 1];
            let (here, after) = rest.split_at(rest.partition_point(|ordinal| *ordinal < end));
            rest = after;
            let start = self.starts[group];
            for (pick, column) in picks.iter_mut().zip(self.cached(group, places, keep)?) {
                pick.add(&column, here.iter().map(|ordinal| (*ordinal - start) as usize))?;
            }
        }
        Ok(DataFrame::new(ordinals.len(), picks.into_iter().map(Picked::finish).collect())?)
    }

    fn picked(&self, place: usize, rows: usize) -> Picked {
        let name = self.names[place].clone();
        if name == LINE {
            Picked::Numbers(name, Vec::with_capacity(rows))
        } else {
            Picked::Texts(StringChunkedBuilder::new(name, rows))
        }
    }

    fn empty(&self, places: &[usize]) -> Result<DataFrame> {
        let kind = |name: &PlSmallStr| if name == LINE { DataType::UInt64 } else { DataType::String };
        let columns = places
            .iter()
            .map(|place| Column::new_empty(self.names[*place].clone(), &kind(&self.names[*place])))
            .collect();
        Ok(DataFrame::new(0, columns)?)
    }

    /// The row group of a row that is there.
    fn group_of(&self, ordinal: u64) -> usize {
        self.starts.partition_point(|start| *start <= ordinal).saturating_sub(1)
    }

    fn unreadable(&self) -> Error {
        Error::data("the snapshot is damaged: its rows cannot be decoded")
            .at(self.path.display())
            .advise("remove that folder and read the object again")
    }
}

/// One column of a gather as it grows.
enum Picked {
    Texts(StringChunkedBuilder),
    Numbers(PlSmallStr, Vec<Option<u64>>),
}

impl Picked {
    fn add(&mut self, column: &Column, indexes: impl Iterator<Item = usize>) -> Result<()> {
        match self {
            Self::Texts(builder) => {
                let cells = column.str()?;
                indexes.for_each(|index| builder.append_option(cells.get(index)));
            }
            Self::Numbers(_, numbers) => {
                let cells = column.u64()?;
                numbers.extend(indexes.map(|index| cells.get(index)));
            }
        }
        Ok(())
    }

    fn finish(self) -> Column {
        match self {
            Self::Texts(builder) => builder.finish().into_column(),
            Self::Numbers(name, numbers) => Series::new(name, numbers).into_column(),
        }
    }
}
