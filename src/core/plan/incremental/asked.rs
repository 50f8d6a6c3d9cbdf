//! Target rows asked for one by one, instead of reading all of the target: by the ids that the crosswalk knows, and for
//! records that it does not know by what the mapping matches on.
use std::path::Path;

use hashbrown::HashSet;
use polars::prelude::{BooleanChunked, ChunkFilter, DataFrame, NewChunkedArray, StringChunked};

use crate::error::Result;
use crate::journal::Crosswalk;
use crate::journal::erased::{ErasedList, Forgotten};
use crate::plan::shape::{By, Shape, text_columns};
use crate::platform::{Connector, LOCATOR, Part, ReadOptions, RecordReader};
use crate::resolve::keys::KeyHash;
use crate::table::Snapshot;
use crate::table::snapshot::SnapshotWriter;
use crate::table::snapshot::forget::Forget;

/// Values of one question.
const ASKED: usize = 8_192;

/// A target's rows can be asked for one by one.
pub(crate) fn askable(target: &dyn Connector, shape: &Shape) -> Result<bool> {
    Ok(none_of(target, shape)?.is_some())
}

/// The column by which a target is asked, and a reader that asked for nothing; None: it cannot be asked.
fn none_of(target: &dyn Connector, shape: &Shape) -> Result<Option<(String, Box<dyn RecordReader>)>> {
    let Some(by) = column_of_id(shape) else { return Ok(None) };
    let none = Part::Holding { column: by.clone(), values: Vec::new() };
    let reader = target.read_part(&shape.mapping.to.object, &none, &ReadOptions::default())?;
    Ok(reader.map(|reader| (by, reader)))
}

/// See the module.
pub(crate) struct Asked<'a> {
    target: &'a dyn Connector,
    shape: &'a Shape,
    crosswalk: &'a Crosswalk,
    object: String,
    /// Who was erased from the target's object: their rows are not kept.
    forget: Option<Forgotten>,
    writer: SnapshotWriter,
    /// Column by which a row with a known id is found.
    by: String,
    locators: HashSet<String>,
    ids: HashSet<String>,
}

impl<'a> Asked<'a> {
    /// Begins; the rows will be a snapshot in `dir`. None: this target cannot be asked so.
    pub(crate) fn begin(
        target: &'a dyn Connector,
        shape: &'a Shape,
        crosswalk: &'a Crosswalk,
        erased: Option<&ErasedList>,
        dir: &Path,
    ) -> Result<Option<Self>> {
        let Some((by, reader)) = none_of(target, shape)? else { return Ok(None) };
        let writer = SnapshotWriter::create(dir, &shape.mapping.to.to_string(), reader.schema().clone())?;
        Ok(Some(Self {
            target,
            shape,
            crosswalk,
            object: shape.mapping.to.to_string(),
            forget: erased.and_then(|list| list.of_object(&shape.mapping.to.to_string())),
            writer,
            by,
            locators: HashSet::new(),
            ids: HashSet::new(),
        }))
    }

    /// Fetches the target rows that these source rows may have. Answers the old keys of all records that own one of them.
    pub(crate) fn fetch(&mut self, keys: &[Option<String>], cells: &[StringChunked]) -> Result<Vec<String>> {
        let known = self.crosswalk.get_many(&self.object, keys.iter().map(|key| key.as_deref().unwrap_or_default()))?;
        let ids: Vec<String> = known.iter().flatten().filter(|id| !self.ids.contains(*id)).cloned().collect();
        let mut owners = self.ask(&self.by.clone(), &ids)?;
        // Rows whose id leads to no row, or who have none, are looked for by the other ways of matching.
        let open: Vec<bool> = known.iter().map(|id| id.as_ref().is_none_or(|id| !self.ids.contains(id))).collect();
        if open.iter().any(|open| *open) {
            let mask = BooleanChunked::from_iter_values("open".into(), open.iter().copied());
            let cells: Vec<StringChunked> = cells.iter().map(|cells| cells.filter(&mask)).collect::<Result<_, _>>()?;
            for at in 0..self.shape.matchers.len() {
                owners.extend(self.match_by(at, &cells)?);
            }
        }
        Ok(owners)
    }

    /// A record has an id, and its row is among those fetched.
    pub(crate) fn holds(&self, key: &str) -> Result<bool> {
        Ok(self.crosswalk.get(&self.object, key)?.is_some_and(|id| self.ids.contains(&id)))
    }

    /// The rows fetched, as a snapshot.
    pub(crate) fn finish(self) -> Result<Snapshot> {
        let version = self.target.version(&self.shape.mapping.to.object)?;
        self.writer.finish(version)
    }

    fn match_by(&mut self, at: usize, cells: &[StringChunked]) -> Result<Vec<String>> {
        let shape = self.shape;
        let matcher = &shape.matchers[at];
        match &matcher.by {
            By::Crosswalk => Ok(Vec::new()),
            By::Fields(fields) => {
                // As it stands only where there is but one way of writing a value.
                if let [field] = fields.as_slice()
                    && shape.pipeline.is_text(*field)
                    && cells[*field].iter().flatten().all(str::is_ascii)
                {
                    let values: HashSet<&str> =
                        cells[*field].iter().flatten().filter(|text| !text.is_empty()).collect();
                    let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
                    return self.ask(&shape.columns[*field], &values);
                }
                let columns = fields.iter().map(|field| shape.columns[*field].clone()).collect();
                self.scan(at, cells, columns)
            }
            By::Sql(expr) => self.scan(at, cells, expr.columns.clone()),
        }
    }

    /// Reads a few columns of all rows for a way of matching that cannot be asked for, then the rows that match.
    fn scan(&mut self, at: usize, cells: &[StringChunked], mut columns: Vec<String>) -> Result<Vec<String>> {
        let shape = self.shape;
        let matcher = &shape.matchers[at];
        let wanted: HashSet<KeyHash> = shape.match_hashes(matcher, cells, None)?.into_iter().flatten().collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        columns.sort_unstable();
        columns.dedup();
        let mut found = Vec::new();
        let object = &shape.mapping.to.object;
        if let Some(mut reader) = self.target.read_part(object, &Part::Columns(columns), &ReadOptions::default())? {
            while let Some(batch) = reader.next_batch()? {
                let hashes = shape.match_hashes(matcher, &shape.target_cells(&batch.frame)?, Some(&batch.frame))?;
                let locators = batch.frame.column(LOCATOR)?.str()?;
                let hits = hashes.iter().zip(locators.iter());
                found.extend(hits.filter_map(|(hash, locator)| {
                    locator.filter(|_| hash.is_some_and(|hash| wanted.contains(&hash))).map(str::to_owned)
                }));
            }
        }
        self.ask(LOCATOR, &found)
    }

    /// Fetches rows by the values of a column; answers the old keys of the records that own them.
    fn ask(&mut self, column: &str, values: &[String]) -> Result<Vec<String>> {
        let mut owners = Vec::new();
        for values in values.chunks(ASKED) {
            let part = Part::Holding { column: column.to_owned(), values: values.to_vec() };
            let object = &self.shape.mapping.to.object;
            let Some(mut reader) = self.target.read_part(object, &part, &ReadOptions::default())? else { continue };
            while let Some(batch) = reader.next_batch()? {
                for id in self.keep(&batch.frame)? {
                    owners.extend(self.crosswalk.old_keys(&self.object, &id)?);
                    self.ids.insert(id);
                }
            }
        }
        Ok(owners)
    }

    /// Keeps rows that are not kept yet; answers the ids of all.
    fn keep(&mut self, frame: &DataFrame) -> Result<Vec<String>> {
        let locators = frame.column(LOCATOR)?.str()?;
        let new: Vec<bool> =
            locators.iter().map(|locator| locator.is_some_and(|one| self.locators.insert(one.to_owned()))).collect();
        if new.iter().any(|new| *new) {
            let new = frame.filter(&BooleanChunked::from_iter_values("new".into(), new.into_iter()))?;
            self.writer.take(self.forget.as_ref().map(|forget| forget as &dyn Forget), new)?;
        }
        if self.shape.identity.is_some() {
            let ids = text_columns(frame, std::slice::from_ref(&self.by))?.swap_remove(0);
            return Ok(ids.iter().flatten().map(str::to_owned).collect());
        }
        Ok(self.shape.key_texts(&self.shape.target_cells(frame)?).into_iter().flatten().collect())
    }
}

/// The column by which a target row is found again by its id; None where the id is no single column as it stands.
pub(crate) fn column_of_id(shape: &Shape) -> Option<String> {
    match (&shape.identity, shape.keys.as_slice()) {
        (Some(identity), _) => Some(identity.clone()),
        (None, [key]) if shape.pipeline.is_text(*key) => Some(shape.columns[*key].clone()),
        (None, _) => None,
    }
}

/// Fetches the rows of these ids into a snapshot in `dir`; None: this target cannot be asked so.
pub(crate) fn rows_of_ids(
    target: &dyn Connector,
    shape: &Shape,
    crosswalk: &Crosswalk,
    erased: Option<&ErasedList>,
    ids: impl Iterator<Item = Result<Vec<String>>>,
    dir: &Path,
) -> Result<Option<Snapshot>> {
    let Some(mut asked) = Asked::begin(target, shape, crosswalk, erased, dir)? else { return Ok(None) };
    let by = asked.by.clone();
    for ids in ids {
        asked.ask(&by, &ids?)?;
    }
    asked.finish().map(Some)
}
