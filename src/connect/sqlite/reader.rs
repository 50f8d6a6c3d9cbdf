//! Streams rows out of SQLite, in one read transaction: the rows of one moment, whoever writes meanwhile.
//!
//! A thread of its own owns the connection and is one batch ahead. Dropping the reader interrupts it and waits for it,
//! so the database is free again afterwards.
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use polars::prelude::{DataFrame, IntoColumn, StringChunkedBuilder};
use rusqlite::{Connection, InterruptHandle};

use crm_core::error::{Error, Result};
use crm_core::platform::{
    Batch, ColumnInfo, LOCATOR, Part, RESERVED_PREFIX, ReadOptions, ReadReject, RecordReader, Schema, Source,
};

use super::catalog::{Address, Table};
use super::locator;
use super::value::RowText;
use super::{failed, open_for_reading};

/// What to select, and how its locator is made.
struct Selection {
    sql: String,
    schema: Schema,
    /// Result columns that make the locator: they follow the data, or (a query's id) are one of them.
    locator: Option<LocatorColumns>,
    /// What is bound to its parameters.
    bound: Vec<String>,
}

enum LocatorColumns {
    /// From this result column on, so many; `true`: a rowid, plain digits.
    Typed(usize, usize, bool),
    /// The text of a data column.
    Text(usize),
}

/// See the module.
pub(super) struct SqliteReader {
    schema: Schema,
    batches: Option<Receiver<Result<Batch>>>,
    interrupt: InterruptHandle,
    pump: Option<JoinHandle<()>>,
}

impl SqliteReader {
    pub(super) fn open(path: &Path, source: &Source, options: &ReadOptions) -> Result<Self> {
        let connection = open_for_reading(path)?;
        connection.execute_batch("BEGIN").map_err(|error| failed("read", path, &error))?;
        let selection = select(&connection, path, source)?;
        Self::start(connection, path, selection, options)
    }

    /// A part of a table's rows; None if SQL cannot tell it.
    pub(super) fn open_part(path: &Path, object: &str, part: &Part, options: &ReadOptions) -> Result<Option<Self>> {
        let connection = open_for_reading(path)?;
        let fail = |error: rusqlite::Error| failed("read", path, &error);
        connection.execute_batch("BEGIN").map_err(fail)?;
        // What reading all of it refuses is refused here too.
        select(&connection, path, &Source::Object(object.to_owned()))?;
        let table = Table::load(&connection, object).map_err(fail)?;
        let table = table.ok_or_else(|| super::no_table(&connection, path, object))?;
        let Some((condition, bound)) = super::part::condition(&table, part) else { return Ok(None) };
        let columns = match part {
            Part::Columns(names) => Some(names.as_slice()),
            _ => None,
        };
        let Some(selection) = select_part(&table, columns, &condition, bound) else { return Ok(None) };
        Self::start(connection, path, selection, options).map(Some)
    }

    fn start(connection: Connection, path: &Path, selection: Selection, options: &ReadOptions) -> Result<Self> {
        let fail = |error: rusqlite::Error| failed("read", path, &error);
        // The transaction's moment is its first read, the preparation above is not one.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(fail)?;
        let interrupt = connection.get_interrupt_handle();
        let schema = selection.schema.clone();
        let (sender, batches) = sync_channel(1);
        let (path, options) = (path.to_owned(), options.clone());
        let pump = std::thread::Builder::new()
            .name("sqlite-reader".to_owned())
            .spawn(move || {
                if let Err(error) = pump(&connection, &path, &selection, &options, &sender) {
                    // Nobody listens any more: then nobody needs the error either.
                    let _ = sender.send(Err(error));
                }
            })
            .map_err(|error| Error::platform(format!("cannot start a reading thread: {error}")))?;
        Ok(Self { schema, batches: Some(batches), interrupt, pump: Some(pump) })
    }
}

/// Columns of an object or a query.
pub(super) fn schema(connection: &Connection, path: &Path, source: &Source) -> Result<Schema> {
    Ok(select(connection, path, source)?.schema)
}

fn select(connection: &Connection, path: &Path, source: &Source) -> Result<Selection> {
    let selection = match source {
        Source::Object(object) => {
            let table = Table::load(connection, object)
                .map_err(|error| failed("read", path, &error))?
                .ok_or_else(|| super::no_table(connection, path, object))?;
            select_table(&table)
        }
        Source::Query { sql, id } => select_query(connection, sql, id.as_deref())?,
    };
    let mut seen = std::collections::HashSet::new();
    for name in selection.schema.names() {
        if name.starts_with(RESERVED_PREFIX) {
            return Err(Error::usage(format!("column {name}: names that begin with {RESERVED_PREFIX} are taken"))
                .advise("read it through a query that gives it another name"));
        }
        if !seen.insert(name) {
            return Err(Error::usage(format!("two columns are called {name}"))
                .advise("give one of them another name in the query: SELECT a.id, b.id AS b_id"));
        }
    }
    Ok(selection)
}

fn select_table(table: &Table) -> Selection {
    let width = table.columns.len();
    let address = table.address_list();
    let list = std::iter::once(table.select_list()).chain(address.iter().cloned()).collect::<Vec<_>>().join(", ");
    let order = if address.is_empty() { String::new() } else { format!(" ORDER BY {}", address.join(", ")) };
    let sql = format!("SELECT {list} FROM {}{order}", super::catalog::quote(&table.name));
    let bound = Vec::new();
    let locator = match table.address {
        Address::None => None,
        Address::Rowid(_) => Some(LocatorColumns::Typed(width, 1, true)),
        Address::Key(_) => Some(LocatorColumns::Typed(width, address.len(), false)),
    };
    Selection { sql, schema: table.schema(), locator, bound }
}

/// Some columns (all if None) of the rows for which a condition holds. None: a column is not there, or rows cannot be told
/// apart.
fn select_part(table: &Table, columns: Option<&[String]>, condition: &str, bound: Vec<String>) -> Option<Selection> {
    let places: Vec<usize> = match columns {
        None => (0..table.columns.len()).collect(),
        Some(names) => names.iter().map(|name| table.find(name)).collect::<Option<_>>()?,
    };
    let address = table.address_list();
    let rowid = match table.address {
        Address::None => return None,
        Address::Rowid(_) => true,
        Address::Key(_) => false,
    };
    let names = places.iter().map(|place| super::catalog::quote(&table.columns[*place].info.name));
    let list = names.chain(address.iter().cloned()).collect::<Vec<_>>().join(", ");
    let filter = if condition.is_empty() { String::new() } else { format!(" WHERE {condition}") };
    let order = address.join(", ");
    let sql = format!("SELECT {list} FROM {}{filter} ORDER BY {order}", super::catalog::quote(&table.name));
    let locator = Some(LocatorColumns::Typed(places.len(), address.len(), rowid));
    let schema = Schema { columns: places.iter().map(|place| table.columns[*place].info.clone()).collect() };
    Some(Selection { sql, schema, locator, bound })
}

fn select_query(connection: &Connection, sql: &str, id: Option<&str>) -> Result<Selection> {
    let wrong = |error: rusqlite::Error| {
        Error::usage(format!("SQLite does not take the query: {}", super::words(&error)))
            .advise("try it with the sqlite3 program; only one SELECT is allowed")
    };
    let statement = connection.prepare(sql).map_err(wrong)?;
    if !statement.readonly() || statement.column_count() == 0 {
        return Err(Error::usage("the query must be one SELECT").advise("a source is only read, never changed"));
    }
    let named = |name: &str| ColumnInfo {
        name: name.to_owned(),
        declared: String::new(),
        required: false,
        key: id == Some(name),
        generated: false,
    };
    let schema = Schema { columns: statement.column_names().map(named).collect() };
    let locator = match id {
        None => None,
        Some(id) => {
            let index = schema.names().position(|name| name == id).ok_or_else(|| {
                Error::usage(format!("the query has no column {id}, which shall identify its rows"))
                    .advise(format!("its columns: {}", schema.names().collect::<Vec<_>>().join(", ")))
            })?;
            Some(LocatorColumns::Text(index))
        }
    };
    Ok(Selection { sql: sql.to_owned(), schema, locator, bound: Vec::new() })
}

fn pump(
    connection: &Connection,
    path: &Path,
    selection: &Selection,
    options: &ReadOptions,
    sender: &SyncSender<Result<Batch>>,
) -> Result<()> {
    let fail = |error: rusqlite::Error| failed("read", path, &error);
    let mut statement = connection.prepare(&selection.sql).map_err(fail)?;
    let mut rows = statement.query(rusqlite::params_from_iter(&selection.bound)).map_err(fail)?;
    let width = selection.schema.columns.len();
    let batch_rows = options.batch_rows.max(1);
    let mut left = options.limit.unwrap_or(u64::MAX);
    let mut text = RowText::default();
    loop {
        let most = batch_rows.min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut builders: Vec<StringChunkedBuilder> = selection
            .schema
            .names()
            .chain(selection.locator.is_some().then_some(LOCATOR))
            .map(|name| StringChunkedBuilder::new(name.into(), most.min(1024)))
            .collect();
        let mut taken = 0;
        while taken < most {
            let Some(row) = rows.next().map_err(fail)? else { break };
            text.fill(row, width).map_err(fail)?;
            for (builder, cell) in builders.iter_mut().zip(text.cells()) {
                builder.append_option(cell);
            }
            match &selection.locator {
                None => {}
                Some(LocatorColumns::Text(index)) => builders[width].append_option(text.cell(*index)),
                Some(LocatorColumns::Typed(first, count, rowid)) => {
                    let locator = locator::encode(row, *first, *count, *rowid).map_err(fail)?;
                    builders[width].append_value(locator);
                }
            }
            taken += 1;
        }
        if taken == 0 {
            return Ok(());
        }
        left -= taken as u64;
        let columns = builders.into_iter().map(|builder| builder.finish().into_column()).collect();
        let frame = DataFrame::new(taken, columns)?;
        if sender.send(Ok(Batch { frame })).is_err() {
            return Ok(());
        }
    }
}

impl RecordReader for SqliteReader {
    fn schema(&self) -> &Schema {
        &self.schema
    }
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        if let Some(Ok(batch)) = self.batches.as_ref().map(Receiver::recv) {
            return batch.map(Some);
        }
        // The sender is gone: the end, unless the thread died.
        self.batches = None;
        match self.pump.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(Error::platform("the reading thread ended without a word")),
            _ => Ok(None),
        }
    }
    fn take_rejects(&mut self) -> Vec<ReadReject> {
        Vec::new()
    }
}

impl Drop for SqliteReader {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(pump) = self.pump.take() {
            self.interrupt.interrupt();
            let _ = pump.join();
        }
    }
}
