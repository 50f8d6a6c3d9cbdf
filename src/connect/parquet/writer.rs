//! Writes a Parquet file anew, row group by row group: rows that do not change are carried over in their own types, changed
//! cells and new rows are converted to the column's type.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;

use polars::prelude::{Column, DataFrame, DataType, IdxSize, PlSmallStr, Schema as TypedSchema, StringChunked};
use polars_io::parquet::write::{BatchedWriter, ParquetWriter};

use crm_core::error::{Error, Result};
use crm_core::monitor::Monitor;
use crm_core::platform::{
    ChangeBatch, ChangeKind, ObjectVersion, Published, RowResult, TargetWriter, WriteContext, WrittenRow,
};
use crm_core::table::hash::cells_hash;

use super::cell::{self, Value};
use super::file::ParquetFile;
use crate::publish::Staged;

/// Rows of a row group of new rows.
const GROUP: usize = 65_536;
/// Rows between two questions whether to stop.
const CHECK_ROWS: usize = 4096;

/// The staged file, shared with the encoder. Keeps the disk's own error, of which the encoder tells only the class.
#[derive(Clone)]
struct Out(Rc<RefCell<(Staged, Option<std::io::Error>)>>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let (staged, failure) = &mut *self.0.borrow_mut();
        staged.write(bytes).map_err(|error| {
            let copy = std::io::Error::from(error.kind());
            *failure = Some(error);
            copy
        })
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.0.borrow_mut().0.flush()
    }
}

impl Out {
    /// The error of the disk behind one of the encoder.
    fn failed(&self, error: polars::error::PolarsError) -> Error {
        let (staged, failure) = &mut *self.0.borrow_mut();
        failure.take().map_or_else(|| Error::from(error).at(staged.target().display()), |error| staged.failed(&error))
    }
}

/// A row group of the old file and what shall change in it.
struct Group {
    frame: DataFrame,
    /// All columns as text.
    text: Vec<StringChunked>,
    /// Ordinal of its first row.
    first: u64,
    /// By row: None, it goes; or the index of its new cells.
    edits: BTreeMap<usize, Option<usize>>,
    /// Rows put back: before which row, and the index of their cells.
    restored: Vec<(usize, usize)>,
    /// By mapped column: new cells of the changed rows and of those put back.
    cells: Vec<Vec<Option<Value>>>,
}

impl Group {
    /// Adds the new cells of a row; answers their index. The error is why they do not fit.
    fn push(&mut self, mapped: &[usize], values: &[StringChunked], at: usize) -> Result<usize, String> {
        let mut cells = Vec::with_capacity(mapped.len());
        for (index, values) in mapped.iter().zip(values) {
            let column = &self.frame.columns()[*index];
            match values.get(at).map(|text| cell::parse(text, column.dtype())).transpose() {
                Ok(cell) => cells.push(cell),
                Err(reason) => return Err(format!("{}: {reason}", column.name())),
            }
        }
        let index = self.cells.first().map_or(0, Vec::len);
        for (column, cell) in self.cells.iter_mut().zip(cells) {
            column.push(cell);
        }
        Ok(index)
    }
}

/// See the module.
pub(super) struct Writer {
    out: Out,
    encoder: BatchedWriter<Out>,
    planned: ObjectVersion,
    types: TypedSchema,
    names: Vec<String>,
    /// Mapped columns, as indexes into the file's.
    mapped: Vec<usize>,
    old: Option<ParquetFile>,
    group: Option<Group>,
    /// Rows of the old file that were passed.
    passed: u64,
    /// New rows that do not fill a row group yet.
    waiting: Option<DataFrame>,
    before: u64,
    inserted: u64,
    restored: u64,
    deleted: u64,
    /// The encoder has written its end.
    finished: bool,
    /// The staged file, read back.
    back: Option<Back>,
}

/// A staged file on its way through [`TargetWriter::read_back`].
struct Back {
    file: ParquetFile,
    /// Columns of the row group at hand.
    text: Vec<StringChunked>,
    /// Place of its first row, and of the next group's.
    places: (u64, u64),
}

impl Writer {
    pub(super) fn open(object: &str, path: &Path, context: &WriteContext) -> Result<Self> {
        let staged = Staged::begin(object, path, &context.run_dir, &context.planned)?;
        let old = context.planned.exists.then(|| ParquetFile::open(staged.target())).transpose()?;
        let types = match &old {
            Some(old) => old.types.clone(),
            None if context.columns.is_empty() => {
                return Err(Error::usage(format!("{} would have no columns", path.display())));
            }
            None => context.columns.iter().map(|name| (PlSmallStr::from(name.as_str()), DataType::String)).collect(),
        };
        let place = |name: &String| {
            types.index_of(name).ok_or_else(|| {
                let known: Vec<_> = types.iter_names().map(PlSmallStr::as_str).collect();
                Error::usage(format!("{} has no column {name}", path.display()))
                    .advise(format!("its columns: {}", known.join(", ")))
            })
        };
        let mapped = context.columns.iter().map(place).collect::<Result<_>>()?;
        let before = old.as_ref().map_or(0, ParquetFile::rows);
        let out = Out(Rc::new(RefCell::new((staged, None))));
        let encoder = ParquetWriter::new(out.clone()).set_parallel(false).batched(&types);
        let encoder = encoder.map_err(|error| out.failed(error))?;
        Ok(Self {
            out,
            encoder,
            planned: context.planned.clone(),
            types,
            names: context.columns.clone(),
            mapped,
            old,
            group: None,
            passed: 0,
            waiting: None,
            before,
            inserted: 0,
            restored: 0,
            deleted: 0,
            finished: false,
            back: None,
        })
    }

    fn encode(&mut self, mut frame: DataFrame) -> Result<()> {
        if frame.height() == 0 {
            return Ok(());
        }
        frame.rechunk_mut();
        self.encoder.write_batch(&frame).map_err(|error| self.out.failed(error))
    }

    /// Goes to the row group that holds the row of that ordinal; false where the file has no such row.
    fn seek(&mut self, ordinal: u64, monitor: &dyn Monitor) -> Result<bool> {
        loop {
            if let Some(group) = &self.group {
                if ordinal < group.first + group.frame.height() as u64 {
                    return Ok(ordinal >= group.first);
                }
                self.flush_group()?;
            }
            monitor.check()?;
            let Some(old) = &mut self.old else { return Ok(false) };
            let Some(frame) = old.next_group()? else {
                self.old = None;
                return Ok(false);
            };
            let first = self.passed;
            self.passed += frame.height() as u64;
            if ordinal >= self.passed {
                self.encode(frame)?;
                continue;
            }
            let text = frame.columns().iter().map(cell::to_text).collect::<Result<_>>()?;
            let cells = vec![Vec::new(); self.mapped.len()];
            self.group = Some(Group { frame, text, first, edits: BTreeMap::new(), restored: Vec::new(), cells });
        }
    }

    /// Writes the row group at hand with its changes.
    fn flush_group(&mut self) -> Result<()> {
        let Some(group) = self.group.take() else { return Ok(()) };
        if group.edits.is_empty() && group.restored.is_empty() {
            return self.encode(group.frame);
        }
        let height = group.frame.height();
        let count = group.cells.first().map_or(0, Vec::len);
        // Where each row of the new group comes from, in columns with new cells behind the old ones, and in others.
        let (mut changed, mut untouched): (Vec<IdxSize>, Vec<IdxSize>) = (Vec::new(), Vec::new());
        let mut restored = group.restored.iter().peekable();
        for row in 0..=height {
            while let Some((_, cells)) = restored.next_if(|(before, _)| *before <= row) {
                changed.push((height + cells) as IdxSize);
                untouched.push((height + cells) as IdxSize);
            }
            if row < height && group.edits.get(&row) != Some(&None) {
                changed.push(group.edits.get(&row).copied().flatten().map_or(row, |cells| height + cells) as IdxSize);
                untouched.push(row as IdxSize);
            }
        }
        let mut columns = Vec::with_capacity(group.frame.width());
        for (index, column) in group.frame.columns().iter().enumerate() {
            let new = match self.mapped.iter().position(|mapped| *mapped == index) {
                Some(place) if !group.cells[place].is_empty() => {
                    let mut both = column.clone();
                    both.append_owned(cell::column(column.name(), &group.cells[place], column.dtype())?)?;
                    both.take_slice(&changed)?
                }
                _ if group.restored.is_empty() => column.take_slice(&untouched)?,
                _ => {
                    let mut both = column.clone();
                    both.append_owned(Column::full_null(column.name().clone(), count, column.dtype()))?;
                    both.take_slice(&untouched)?
                }
            };
            columns.push(new);
        }
        self.encode(DataFrame::new(changed.len(), columns)?)
    }

    /// Writes what is left of the old file.
    fn finish_old(&mut self, monitor: &dyn Monitor) -> Result<()> {
        self.seek(u64::MAX, monitor).map(drop)
    }

    fn change_row(
        &mut self,
        row: usize,
        kind: ChangeKind,
        expected: u128,
        values: &[StringChunked],
        at: usize,
    ) -> RowResult {
        let Some(group) = &mut self.group else { return RowResult::Moved };
        if cells_hash(group.text.iter().map(|column| column.get(row)), &mut Vec::new()) != expected {
            return RowResult::Moved;
        }
        if kind == ChangeKind::Delete {
            group.edits.insert(row, None);
            self.deleted += 1;
            return RowResult::Written(None);
        }
        match group.push(&self.mapped, values, at) {
            Ok(cells) => drop(group.edits.insert(row, Some(cells))),
            Err(reason) => return RowResult::Refused(reason),
        }
        RowResult::Written(None)
    }

    /// Puts a row back before the row of that ordinal.
    fn restore(
        &mut self,
        ordinal: u64,
        values: &[StringChunked],
        at: usize,
        monitor: &dyn Monitor,
    ) -> Result<RowResult> {
        if !self.seek(ordinal, monitor)? && self.group.is_none() {
            // Behind the last row.
            let frame = DataFrame::empty_with_schema(&self.types);
            let text = frame.columns().iter().map(cell::to_text).collect::<Result<_>>()?;
            let cells = vec![Vec::new(); self.mapped.len()];
            let (edits, restored) = (BTreeMap::new(), Vec::new());
            self.group = Some(Group { frame, text, first: self.passed, edits, restored, cells });
        }
        let Some(group) = &mut self.group else { return Ok(RowResult::Moved) };
        let before = ordinal.saturating_sub(group.first) as usize;
        Ok(match group.push(&self.mapped, values, at) {
            Ok(cells) => {
                group.restored.push((before.min(group.frame.height()), cells));
                self.restored += 1;
                RowResult::Written(None)
            }
            Err(reason) => RowResult::Refused(reason),
        })
    }

    /// Everything is in the staged file.
    fn finish_all(&mut self, monitor: &dyn Monitor) -> Result<()> {
        self.finish_old(monitor)?;
        if let Some(waiting) = self.waiting.take() {
            self.encode(waiting)?;
        }
        if !std::mem::replace(&mut self.finished, true) {
            self.encoder.finish().map_err(|error| self.out.failed(error))?;
        }
        Ok(())
    }

    /// New rows in the file's types, and what became of each.
    fn typed(&self, rows: &DataFrame) -> Result<(DataFrame, Vec<RowResult>)> {
        let height = rows.height();
        let mut results = vec![RowResult::Written(None); height];
        let mut parsed: Vec<Option<Vec<Option<Value>>>> = Vec::with_capacity(self.mapped.len());
        for (name, index) in self.names.iter().zip(&self.mapped) {
            let Some((_, dtype)) = self.types.get_at_index(*index) else { continue };
            if *dtype == DataType::String {
                parsed.push(None);
                continue;
            }
            let mut cells = Vec::with_capacity(height);
            for (row, text) in rows.column(name)?.str()?.iter().enumerate() {
                match text.map(|text| cell::parse(text, dtype)).transpose() {
                    Ok(cell) => cells.push(cell),
                    Err(reason) => {
                        cells.push(None);
                        results[row] = RowResult::Refused(format!("{name}: {reason}"));
                    }
                }
            }
            parsed.push(Some(cells));
        }
        let mut columns = Vec::with_capacity(self.types.len());
        for (index, (name, dtype)) in self.types.iter().enumerate() {
            let place = self.mapped.iter().position(|mapped| *mapped == index);
            columns.push(match place.map(|place| (place, &parsed[place])) {
                None => Column::full_null(name.clone(), height, dtype),
                Some((place, None)) => rows.column(&self.names[place])?.clone().with_name(name.clone()),
                Some((_, Some(cells))) => cell::column(name, cells, dtype)?,
            });
        }
        let good: Vec<IdxSize> = (0..height)
            .filter(|row| matches!(results[*row], RowResult::Written(_)))
            .map(|row| row as IdxSize)
            .collect();
        if good.len() < height {
            columns = columns.iter().map(|column| Ok(column.take_slice(&good)?)).collect::<Result<_>>()?;
        }
        Ok((DataFrame::new(good.len(), columns)?, results))
    }
}

impl TargetWriter for Writer {
    fn change(&mut self, batch: &ChangeBatch, monitor: &dyn Monitor) -> Result<Vec<RowResult>> {
        let values: Vec<StringChunked> = self
            .names
            .iter()
            .map(|name| Ok(batch.values.column(name)?.str()?.rechunk().into_owned()))
            .collect::<Result<_>>()?;
        let mut results = Vec::with_capacity(batch.kinds.len());
        for (at, ((kind, ordinal), expected)) in
            batch.kinds.iter().zip(&batch.ordinals).zip(&batch.expected).enumerate()
        {
            if at.is_multiple_of(CHECK_ROWS) {
                monitor.check()?;
            }
            if *kind == ChangeKind::Restore {
                results.push(self.restore(*ordinal, &values, at, monitor)?);
                continue;
            }
            results.push(if self.seek(*ordinal, monitor)? {
                let first = self.group.as_ref().map_or(0, |group| group.first);
                self.change_row((*ordinal - first) as usize, *kind, *expected, &values, at)
            } else {
                RowResult::Moved
            });
        }
        Ok(results)
    }

    fn insert(&mut self, rows: &DataFrame, monitor: &dyn Monitor) -> Result<Vec<RowResult>> {
        monitor.check()?;
        self.finish_old(monitor)?;
        let (frame, results) = self.typed(rows)?;
        self.inserted += frame.height() as u64;
        let waiting = match self.waiting.take() {
            None => frame,
            Some(mut waiting) => {
                waiting.vstack_mut(&frame)?;
                waiting
            }
        };
        if waiting.height() >= GROUP {
            self.encode(waiting)?;
        } else {
            self.waiting = Some(waiting);
        }
        Ok(results)
    }

    fn amend(&mut self, identities: &[String], _values: &DataFrame) -> Result<Vec<RowResult>> {
        if identities.is_empty() {
            return Ok(Vec::new());
        }
        Err(Error::usage("a file gives its rows no identity, so they cannot be amended")
            .advise("links within a file are resolved by key before it is written"))
    }

    fn read_back(&mut self, rows: &[WrittenRow<'_>], monitor: &dyn Monitor) -> Result<Vec<Option<u128>>> {
        self.finish_all(monitor)?;
        let base = self.before + self.restored - self.deleted;
        let back = match &mut self.back {
            Some(back) => back,
            None => {
                let file = ParquetFile::open(self.out.0.borrow_mut().0.seal()?)?;
                self.back.insert(Back { file, text: Vec::new(), places: (0, 0) })
            }
        };
        let mut hashes = Vec::with_capacity(rows.len());
        for row in rows {
            let place = if row.appended { base + row.place } else { row.place };
            while place >= back.places.1 {
                monitor.check()?;
                let Some(frame) = back.file.next_group()? else { break };
                back.places = (back.places.1, back.places.1 + frame.height() as u64);
                back.text = frame.columns().iter().map(cell::to_text).collect::<Result<_>>()?;
            }
            let found = (back.places.0..back.places.1).contains(&place);
            let at = place.saturating_sub(back.places.0) as usize;
            let cells = || back.text.iter().map(|column| column.get(at));
            hashes.push(found.then(|| cells_hash(cells(), &mut Vec::new())));
        }
        Ok(hashes)
    }

    fn publish(mut self: Box<Self>, monitor: &dyn Monitor) -> Result<Published> {
        self.finish_all(monitor)?;
        self.back = None;
        let Self { out, encoder, planned, before, inserted, restored, deleted, .. } = *self;
        drop(encoder);
        let (mut staged, _) = Rc::into_inner(out.0)
            .map(RefCell::into_inner)
            .ok_or_else(|| Error::platform("the encoder did not let go of the staged file"))?;
        let rows = ParquetFile::open(staged.seal()?)?.rows();
        let expected = before + restored + inserted - deleted;
        if rows != expected {
            return Err(Error::data(format!("the new content would read as {rows} rows instead of {expected}"))
                .at(staged.target().display()));
        }
        monitor.check()?;
        let version = staged.publish(&planned)?;
        Ok(Published { before, rows, version })
    }
}
