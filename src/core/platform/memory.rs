//! A platform in memory, with faults on demand: for tests of everything above the connectors.
//!
//! Rows have a number of their own that is never given twice: it is their locator, as a rowid would be. A missing object is
//! made by the first run that writes it, as elsewhere. Clones share their content.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use polars::prelude::{DataFrame, IntoColumn, StringChunked, StringChunkedBuilder};

use super::{
    Batch, Capabilities, ChangeBatch, ChangeKind, ColumnInfo, Connector, Doubt, LOCATOR, ObjectInfo, ObjectVersion,
    Published, ReadOptions, ReadReject, RecordReader, Recovery, RowResult, Schema, Source, TargetWriter, WriteContext,
    WrittenRow,
};
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::table::hash::cells_hash;

/// One row's cells.
pub type Cells = Vec<Option<String>>;
/// Answers why a row is refused, if it is. Gets the row's cells in column order.
pub type Refusal = Arc<dyn Fn(&Cells) -> Option<String> + Send + Sync>;

/// What goes wrong. Nothing, by default.
#[derive(Clone, Default)]
pub struct Faults {
    /// Reading fails after that many rows.
    pub read_after: Option<u64>,
    /// Writing fails after that many rows of a run: nothing of it is published.
    pub write_after: Option<u64>,
    /// Rows that the platform does not take.
    pub refuse: Option<Refusal>,
    /// How long each row takes, read or written.
    pub slow: Option<Duration>,
    /// Publishing fails; the target stays as it was.
    pub publish: bool,
    /// The connection is lost: every call fails.
    pub lost: bool,
}

#[derive(Debug, Clone, Default)]
struct Table {
    columns: Vec<ColumnInfo>,
    rows: BTreeMap<u64, Cells>,
    /// The next row's number.
    next: u64,
    /// Column that identifies a row; filled with the row's number where an insert leaves it NULL.
    identity: Option<usize>,
    rejects: Vec<ReadReject>,
}

#[derive(Default)]
struct State {
    tables: BTreeMap<String, Table>,
    faults: Faults,
    recoveries: BTreeMap<String, Recovery>,
    /// Each row stays as soon as it is written.
    piecemeal: bool,
}

/// See the module.
#[derive(Clone, Default)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

fn lost() -> Error {
    Error::platform("the connection is lost").advise("check the network, then try again")
}

fn plain_column(name: &str) -> ColumnInfo {
    ColumnInfo { name: name.to_owned(), declared: "text".to_owned(), required: false, key: false, generated: false }
}

impl Memory {
    /// No objects, no faults.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn up(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.lock();
        if state.faults.lost { Err(lost()) } else { Ok(state) }
    }

    /// Adds (or replaces) an object. A cell that is None is NULL.
    #[must_use]
    pub fn with(self, object: &str, columns: &[&str], rows: &[&[Option<&str>]]) -> Self {
        let cells = |row: &&[Option<&str>]| row.iter().map(|cell| cell.map(str::to_owned)).collect();
        let table = Table {
            columns: columns.iter().map(|name| plain_column(name)).collect(),
            rows: (1..).zip(rows.iter().map(cells)).collect(),
            next: rows.len() as u64 + 1,
            ..Table::default()
        };
        self.lock().tables.insert(object.to_owned(), table);
        self
    }

    /// Makes a column the identity: unique, and generated (the row's number) where an insert leaves it NULL.
    #[must_use]
    pub fn with_identity(self, object: &str, column: &str) -> Self {
        if let Some(table) = self.lock().tables.get_mut(object) {
            table.identity = table.columns.iter().position(|info| info.name == column);
            if let Some(index) = table.identity {
                table.columns[index].key = true;
                table.columns[index].generated = true;
            }
        }
        self
    }

    /// Gives an object pieces that are no rows; a reader hands them out with its first batch.
    #[must_use]
    pub fn with_rejects(self, object: &str, rejects: &[ReadReject]) -> Self {
        if let Some(table) = self.lock().tables.get_mut(object) {
            table.rejects = rejects.to_vec();
        }
        self
    }

    /// From now on no transaction holds a run: each row stays as soon as it is written.
    #[must_use]
    pub fn piecemeal(self) -> Self {
        self.lock().piecemeal = true;
        self
    }

    /// Sets what goes wrong from now on.
    pub fn break_with(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// What the next [`Connector::recover`] of an object answers.
    pub fn recover_with(&self, recovery: Recovery) {
        self.lock().recoveries.insert(recovery.object.clone(), recovery);
    }

    /// The rows of an object in order, none if there is no such object.
    pub fn rows(&self, object: &str) -> Vec<Cells> {
        self.lock().tables.get(object).map_or(Vec::new(), |table| table.rows.values().cloned().collect())
    }

    /// Another program's edit: sets a cell of the row at this ordinal, past all faults. False if there is no such cell.
    pub fn edit(&self, object: &str, ordinal: usize, column: &str, value: Option<&str>) -> bool {
        let mut state = self.lock();
        let Some(table) = state.tables.get_mut(object) else { return false };
        let Some(index) = table.columns.iter().position(|info| info.name == column) else { return false };
        let Some(row) = table.rows.values_mut().nth(ordinal) else { return false };
        row[index] = value.map(str::to_owned);
        true
    }

    /// Another program's delete of the row at this ordinal, past all faults. False if there is no such row.
    pub fn remove(&self, object: &str, ordinal: usize) -> bool {
        let mut state = self.lock();
        let Some(table) = state.tables.get_mut(object) else { return false };
        let place = table.rows.keys().nth(ordinal).copied();
        place.is_some_and(|place| table.rows.remove(&place).is_some())
    }

    fn table(&self, object: &str) -> Result<Table> {
        self.up()?.tables.get(object).cloned().ok_or_else(|| Error::platform(format!("no object {object} in memory")))
    }
}

fn object_of(source: &Source) -> Result<&str> {
    match source {
        Source::Object(object) => Ok(object),
        Source::Query { .. } => Err(Error::usage("the memory platform takes no queries")),
    }
}

impl Connector for Memory {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn objects(&self) -> Result<Vec<ObjectInfo>> {
        let state = self.up()?;
        let info = |(name, table): (&String, &Table)| ObjectInfo {
            name: name.clone(),
            rows: Some(table.rows.len() as u64),
            bytes: None,
        };
        Ok(state.tables.iter().map(info).collect())
    }

    fn schema(&self, source: &Source) -> Result<Schema> {
        Ok(Schema { columns: self.table(object_of(source)?)?.columns })
    }

    fn capabilities(&self, object: &str) -> Result<Capabilities> {
        let state = self.up()?;
        let identity = state.tables.get(object).and_then(|table| Some(table.columns[table.identity?].name.clone()));
        Ok(Capabilities {
            write: true,
            atomic: !state.piecemeal,
            revertible: !state.piecemeal,
            null: true,
            identity,
            ..Capabilities::default()
        })
    }

    fn version(&self, object: &str) -> Result<ObjectVersion> {
        Ok(ObjectVersion { exists: self.up()?.tables.contains_key(object), ..ObjectVersion::default() })
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Box<dyn RecordReader>> {
        let mut table = self.table(object_of(source)?)?;
        let rejects = std::mem::take(&mut table.rejects);
        Ok(Box::new(Reader {
            schema: Schema { columns: table.columns },
            rows: table.rows.into_iter(),
            rejects,
            batch_rows: options.batch_rows.max(1),
            left: options.limit.unwrap_or(u64::MAX),
            read: 0,
            memory: self.clone(),
        }))
    }

    fn write(&self, object: &str, context: &WriteContext) -> Result<Box<dyn TargetWriter>> {
        let found = self.up()?.tables.get(object).cloned();
        if found.is_some() != context.planned.exists {
            return Err(Error::refused("the target changed since the plan").at(object).advise("plan again"));
        }
        let table = found.unwrap_or_else(|| Table {
            columns: context.columns.iter().map(|name| plain_column(name)).collect(),
            next: 1,
            ..Table::default()
        });
        let columns = columns_of(&table, &context.columns)?;
        Ok(Box::new(Writer {
            memory: self.clone(),
            object: object.to_owned(),
            before: table.rows.len() as u64,
            table,
            names: context.columns.clone(),
            columns,
            written: 0,
            last_ordinal: None,
            stage: Stage::Change,
        }))
    }

    fn recover(&self, object: &str, _run_dir: &Path) -> Result<Option<Recovery>> {
        Ok(self.up()?.recoveries.remove(object))
    }
}

fn columns_of(table: &Table, names: &[String]) -> Result<Vec<usize>> {
    let place = |name: &String| {
        let place = table.columns.iter().position(|info| info.name == *name);
        place.ok_or_else(|| Error::usage(format!("the object has no column {name}")))
    };
    names.iter().map(place).collect()
}

struct Reader {
    schema: Schema,
    rows: std::collections::btree_map::IntoIter<u64, Cells>,
    rejects: Vec<ReadReject>,
    batch_rows: usize,
    left: u64,
    read: u64,
    memory: Memory,
}

impl RecordReader for Reader {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let faults = self.memory.up()?.faults.clone();
        let names = self.schema.names().chain(std::iter::once(LOCATOR));
        let mut builders: Vec<_> = names.map(|name| StringChunkedBuilder::new(name.into(), self.batch_rows)).collect();
        let mut taken = 0;
        while taken < self.batch_rows && self.left > 0 {
            let Some((number, cells)) = self.rows.next() else { break };
            if faults.read_after.is_some_and(|rows| self.read >= rows) {
                return Err(lost());
            }
            faults.slow.inspect(|pause| std::thread::sleep(*pause));
            for (builder, cell) in builders.iter_mut().zip(cells.iter().cloned().chain([Some(number.to_string())])) {
                builder.append_option(cell);
            }
            taken += 1;
            self.read += 1;
            self.left -= 1;
        }
        if taken == 0 {
            return Ok(None);
        }
        let columns = builders.into_iter().map(|builder| builder.finish().into_column()).collect();
        Ok(Some(Batch { frame: DataFrame::new(taken, columns)? }))
    }

    fn take_rejects(&mut self) -> Vec<ReadReject> {
        std::mem::take(&mut self.rejects)
    }
}

/// Where a writer is in its order of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Change,
    Insert,
    Amend,
}

struct Writer {
    memory: Memory,
    object: String,
    before: u64,
    /// The object as it will be.
    table: Table,
    names: Vec<String>,
    columns: Vec<usize>,
    written: u64,
    last_ordinal: Option<(u64, bool)>,
    stage: Stage,
}

impl Writer {
    fn enter(&mut self, stage: Stage) -> Result<()> {
        if stage < self.stage {
            return Err(Error::usage("a writer is called in the order change, insert, amend, publish"));
        }
        self.stage = stage;
        Ok(())
    }

    /// One row's share of the faults; the reason if it is refused.
    fn row(&mut self, cells: &Cells, own: Option<u64>) -> Result<Option<String>> {
        let faults = self.memory.up()?.faults.clone();
        if faults.write_after.is_some_and(|rows| self.written >= rows) {
            return Err(lost());
        }
        faults.slow.inspect(|pause| std::thread::sleep(*pause));
        self.written += 1;
        if let Some(index) = self.table.identity
            && cells[index].is_some()
            && self.table.rows.iter().any(|(number, row)| Some(*number) != own && row[index] == cells[index])
        {
            return Ok(Some(format!("{} is taken", self.table.columns[index].name)));
        }
        Ok(faults.refuse.and_then(|refuse| refuse(cells)))
    }

    /// Where no transaction holds the run, what was done to the row is there at once.
    fn keep(&mut self, number: u64) -> Result<()> {
        let mut state = self.memory.up()?;
        if !state.piecemeal {
            return Ok(());
        }
        let columns = self.table.columns.clone();
        let table = state.tables.entry(self.object.clone()).or_insert_with(|| Table { columns, ..Table::default() });
        match self.table.rows.get(&number) {
            Some(row) => drop(table.rows.insert(number, row.clone())),
            None => drop(table.rows.remove(&number)),
        }
        table.next = self.table.next;
        Ok(())
    }

    fn identity(&self, number: u64) -> String {
        let named = self.table.identity.and_then(|index| self.table.rows.get(&number)?[index].clone());
        named.unwrap_or_else(|| number.to_string())
    }

    fn find(&self, identity: &str) -> Option<u64> {
        match self.table.identity {
            None => identity.parse().ok().filter(|number| self.table.rows.contains_key(number)),
            Some(index) => {
                let mut rows = self.table.rows.iter();
                rows.find(|(_, row)| row[index].as_deref() == Some(identity)).map(|(number, _)| *number)
            }
        }
    }

    /// Adds a row, under this number if it is free.
    fn add(&mut self, cells: &[(usize, Option<String>)], number: Option<u64>) -> Result<RowResult> {
        let mut row: Cells = vec![None; self.table.columns.len()];
        for (index, cell) in cells {
            row[*index].clone_from(cell);
        }
        let number = number.filter(|number| !self.table.rows.contains_key(number)).unwrap_or(self.table.next);
        if let Some(index) = self.table.identity
            && row[index].is_none()
        {
            row[index] = Some(number.to_string());
        }
        if let Some(reason) = self.row(&row, None)? {
            return Ok(RowResult::Refused(reason));
        }
        self.table.next = self.table.next.max(number + 1);
        self.table.rows.insert(number, row);
        self.keep(number)?;
        Ok(RowResult::Written(Some(self.identity(number))))
    }

    /// Sets cells of a row that exists.
    fn set(&mut self, number: u64, cells: &[(usize, Option<String>)]) -> Result<RowResult> {
        let Some(mut row) = self.table.rows.get(&number).cloned() else { return Ok(RowResult::Moved) };
        for (index, cell) in cells {
            row[*index].clone_from(cell);
        }
        if let Some(reason) = self.row(&row, Some(number))? {
            return Ok(RowResult::Refused(reason));
        }
        self.table.rows.insert(number, row);
        self.keep(number)?;
        Ok(RowResult::Written(Some(self.identity(number))))
    }
}

fn text_columns(frame: &DataFrame, names: &[String]) -> Result<Vec<StringChunked>> {
    names.iter().map(|name| Ok(frame.column(name)?.str()?.rechunk().into_owned())).collect()
}

fn cells_at(columns: &[usize], values: &[StringChunked], at: usize) -> Vec<(usize, Option<String>)> {
    columns.iter().copied().zip(values.iter().map(|values| values.get(at).map(str::to_owned))).collect()
}

impl TargetWriter for Writer {
    fn change(&mut self, batch: &ChangeBatch, monitor: &dyn Monitor) -> Result<Vec<RowResult>> {
        self.enter(Stage::Change)?;
        let values = text_columns(&batch.values, &self.names)?;
        let Some(locators) = &batch.locators else { return Err(Error::usage("changes in memory need locators")) };
        let mut results = Vec::with_capacity(batch.kinds.len());
        for (at, locator) in locators.iter().enumerate() {
            monitor.check()?;
            // Rows that are put back stand before the row of their ordinal.
            let order = (batch.ordinals[at], batch.kinds[at] != ChangeKind::Restore);
            if self.last_ordinal.replace(order).is_some_and(|last| last > order || (last == order && order.1)) {
                return Err(Error::usage("changes must come in the order of the target's rows"));
            }
            // What the run itself did not change is looked up where other programs may have changed it.
            let number: u64 = locator.parse().map_err(|_| Error::data("a locator names no row in memory"))?;
            if batch.kinds[at] == ChangeKind::Restore {
                results.push(self.add(&cells_at(&self.columns, &values, at), Some(number))?);
                continue;
            }
            let now = self.memory.up()?.tables.get(&self.object).and_then(|table| table.rows.get(&number).cloned());
            let planned = now
                .as_ref()
                .is_some_and(|row| cells_hash(row.iter().map(Option::as_deref), &mut Vec::new()) == batch.expected[at]);
            let result = match (now, batch.kinds[at]) {
                (Some(row), ChangeKind::Delete) if planned => {
                    let reason = self.row(&row, Some(number))?;
                    if reason.is_none() {
                        self.table.rows.remove(&number);
                        self.keep(number)?;
                    }
                    reason.map_or(RowResult::Written(None), RowResult::Refused)
                }
                (Some(_), ChangeKind::Update) if planned => self.set(number, &cells_at(&self.columns, &values, at))?,
                _ => RowResult::Moved,
            };
            results.push(result);
        }
        Ok(results)
    }

    fn insert(&mut self, rows: &DataFrame, monitor: &dyn Monitor) -> Result<Vec<RowResult>> {
        self.enter(Stage::Insert)?;
        let values = text_columns(rows, &self.names)?;
        let mut results = Vec::with_capacity(rows.height());
        for at in 0..rows.height() {
            monitor.check()?;
            results.push(self.add(&cells_at(&self.columns, &values, at), None)?);
        }
        Ok(results)
    }

    fn amend(&mut self, identities: &[String], values: &DataFrame) -> Result<Vec<RowResult>> {
        self.enter(Stage::Amend)?;
        let names: Vec<String> = values.get_column_names().iter().map(ToString::to_string).collect();
        let columns = columns_of(&self.table, &names)?;
        let values = text_columns(values, &names)?;
        let amend = |(at, identity): (usize, &String)| match self.find(identity) {
            None => Ok(RowResult::Moved),
            Some(number) => self.set(number, &cells_at(&columns, &values, at)),
        };
        identities.iter().enumerate().map(amend).collect()
    }

    fn read_back(&mut self, rows: &[WrittenRow<'_>], _monitor: &dyn Monitor) -> Result<Vec<Option<u128>>> {
        let hash = |row: &WrittenRow<'_>| {
            let cells = self.table.rows.get(&self.find(row.identity?)?)?;
            Some(cells_hash(cells.iter().map(Option::as_deref), &mut Vec::new()))
        };
        Ok(rows.iter().map(hash).collect())
    }

    fn found(&mut self, doubt: Doubt<'_>) -> Result<Vec<Option<RowResult>>> {
        match doubt {
            Doubt::Changes(batch) => {
                let values = text_columns(&batch.values, &self.names)?;
                let locators = batch.locators.iter().flatten().enumerate();
                let found = locators.map(|(at, locator)| {
                    let number: u64 = locator.parse().unwrap_or_default();
                    let row = self.table.rows.get(&number);
                    let cells = cells_at(&self.columns, &values, at);
                    match (row, batch.kinds[at]) {
                        (None, ChangeKind::Delete) => Some(RowResult::Written(None)),
                        (Some(row), ChangeKind::Update) if cells.iter().all(|(index, cell)| row[*index] == *cell) => {
                            Some(RowResult::Written(Some(self.identity(number))))
                        }
                        _ => None,
                    }
                });
                Ok(found.collect())
            }
            Doubt::Inserts(rows, key) => {
                let values = text_columns(rows, &self.names)?;
                let keys: Vec<usize> = columns_of(&self.table, key)?;
                let found = (0..rows.height()).map(|at| {
                    let cells = cells_at(&self.columns, &values, at);
                    let is_key = |(index, cell): &(usize, Option<String>), row: &Cells| {
                        !keys.contains(index) || row[*index] == *cell
                    };
                    let mut there =
                        self.table.rows.iter().filter(|(_, row)| cells.iter().all(|cell| is_key(cell, row)));
                    let (number, row) = there.next()?;
                    // A NULL identity was filled in by the platform.
                    let given =
                        |index: usize, cell: &Option<String>| self.table.identity == Some(index) && cell.is_none();
                    let own = cells.iter().all(|(index, cell)| row[*index] == *cell || given(*index, cell));
                    Some(if own { RowResult::Written(Some(self.identity(*number))) } else { RowResult::Moved })
                });
                Ok(found.collect())
            }
        }
    }

    fn publish(self: Box<Self>, monitor: &dyn Monitor) -> Result<Published> {
        monitor.check()?;
        let mut state = self.memory.up()?;
        if state.faults.publish {
            return Err(lost());
        }
        if !state.piecemeal || !state.tables.contains_key(&self.object) {
            state.tables.insert(self.object.clone(), self.table);
        }
        let rows = state.tables.get(&self.object).map_or(0, |table| table.rows.len() as u64);
        let version = ObjectVersion { exists: true, ..ObjectVersion::default() };
        Ok(Published { before: self.before, rows, version })
    }
}
