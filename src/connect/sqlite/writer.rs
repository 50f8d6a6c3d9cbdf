//! Writes into a table in place, in one transaction.
use std::path::{Path, PathBuf};

use polars::prelude::{DataFrame, StringChunked};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};

use crm_core::error::{Error, Result};
use crm_core::migrate::fault;
use crm_core::monitor::Monitor;
use crm_core::platform::{ChangeBatch, Published, RowResult, TargetWriter, WriteContext, WrittenRow};
use crm_core::table::hash::cells_hash;

use super::begin::{begin, columns_of, count};
use super::catalog::{Address, Table, quote};
use super::foreign::{self, Child, Parent};
use super::promise::{self, Promise, Samples};
use super::statements::Statements;
use super::value::{Bound, RowText};
use super::{failed, locator, open, version_of, words};
use crate::intent::{self, State};

mod change;

/// Rows between two questions whether to stop.
const CHECK_ROWS: usize = 512;
/// Statements kept prepared: an update needs one for each set of columns that changes together.
const STATEMENTS: usize = 128;
/// SQLite's extended code for an error that a trigger raised.
const CONSTRAINT_TRIGGER: i32 = 1811;
/// … for a foreign key, and for a deferred one at commit.
const CONSTRAINT_FOREIGN_KEY: i32 = 787;

/// See the module.
pub(super) struct SqliteWriter {
    /// None once published or dropped.
    connection: Option<Connection>,
    path: PathBuf,
    intent: PathBuf,
    promise: Promise,
    table: Table,
    /// Mapped columns, as indexes into the table's.
    columns: Vec<usize>,
    names: Vec<String>,
    sql: Statements,
    /// What others wait for until it is committed.
    holds: String,
    /// One savepoint a row: a trigger may have written before the row fails.
    guarded: bool,
    samples: Samples,
    /// Rows when the transaction began.
    before: u64,
    row: RowText,
    buffer: Vec<u8>,
    /// Rows of other tables that a delete would take along or change: a delete that finds one is refused.
    children: Vec<Child>,
    parents: Vec<Parent>,
    /// Rows of the table may point to others of it.
    names_itself: bool,
}

impl SqliteWriter {
    pub(super) fn open(path: &Path, object: &str, context: &WriteContext) -> Result<Self> {
        let intent = promise::file(path, object, &context.run_dir);
        let mut promise = Promise {
            state: State::Begun,
            run: intent::run_name(&context.run_dir),
            path: path.to_owned(),
            object: object.to_owned(),
            created_file: !path.exists(),
            created_table: false,
            samples: Vec::new(),
        };
        // Also replaces what an earlier attempt of the same run has left.
        intent::write(&intent, &promise)?;
        let opened = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE);
        let begun = opened.and_then(|connection| {
            let table = begin(&connection, path, object, context, &mut promise)?;
            let columns = columns_of(&table, &context.columns)?;
            let fail = |error| failed("read", path, &error);
            let before = count(&connection, &table).map_err(fail)?;
            let names_itself = foreign::names_itself(&connection, &table).map_err(fail)?;
            Ok((connection, table, columns, before, names_itself))
        });
        let (connection, table, columns, before, names_itself) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                if promise.created_file {
                    let _ = promise::remove_empty(path);
                }
                let _ = std::fs::remove_file(&intent);
                return Err(error);
            }
        };
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self {
            connection: Some(connection),
            holds: format!("the transaction on {}", path.file_name().unwrap_or_default().to_string_lossy()),
            path: path.to_owned(),
            intent,
            promise,
            sql: Statements::of(&table, &columns),
            guarded: !table.triggers.is_empty(),
            table,
            names: context.columns.clone(),
            columns,
            samples: Samples::default(),
            before,
            row: RowText::default(),
            buffer: Vec::new(),
            children: Vec::new(),
            parents: Vec::new(),
            names_itself,
        })
    }

    fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("a writer has its connection until it is published or dropped")
    }

    /// Fails once SQLite has ended the transaction by itself: a later statement would be published on its own.
    fn in_transaction(&self) -> Result<()> {
        if self.connection().is_autocommit() {
            return Err(Error::platform("the transaction was rolled back by an earlier error; nothing was published")
                .at(self.path.display()));
        }
        Ok(())
    }

    fn fail(&self, error: &rusqlite::Error) -> Error {
        failed("write", &self.path, error)
    }

    /// Runs one row's statement. The inner error is a refusal of that row alone, the transaction goes on.
    fn attempt<T>(&self, run: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<Result<T, String>> {
        let connection = self.connection();
        let point = |sql: &str| -> Result<()> {
            if self.guarded {
                let done = connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
                done.map_err(|error| self.fail(&error))?;
            }
            Ok(())
        };
        point("SAVEPOINT crm_console_row")?;
        match run(connection) {
            Ok(value) => {
                point("RELEASE crm_console_row")?;
                Ok(Ok(value))
            }
            Err(error) if connection.is_autocommit() => Err(match error.sqlite_error_code() {
                Some(ErrorCode::ConstraintViolation) => Error::platform("the table rolled the whole transaction back")
                    .at(format!("{}, table {}", self.path.display(), self.table.name))
                    .advise("a trigger or conflict clause says ROLLBACK for one of the rows; nothing was published"),
                _ => self.fail(&error),
            }),
            Err(error) => match refusal(&self.table, &error) {
                Some(reason) => {
                    point("ROLLBACK TO crm_console_row")?;
                    point("RELEASE crm_console_row")?;
                    Ok(Err(reason))
                }
                None => Err(self.fail(&error)),
            },
        }
    }

    fn insert_row(&mut self, values: &[StringChunked], at: usize) -> Result<RowResult> {
        let mut bounds: Vec<Bound<'_>> = Vec::with_capacity(values.len());
        for (column, values) in self.columns.iter().zip(values) {
            match bind(&self.table, *column, values.get(at)) {
                Ok(bound) => bounds.push(bound),
                Err(reason) => return Ok(RowResult::Refused(reason)),
            }
        }
        let (table, sql) = (&self.table, &self.sql);
        let done = self.attempt(|connection| {
            let mut statement = connection.prepare_cached(&sql.insert)?;
            for (place, bound) in bounds.iter().enumerate() {
                statement.raw_bind_parameter(place + 1, bound)?;
            }
            if !sql.returning {
                return Ok((statement.raw_execute()? > 0).then_some((None, None)));
            }
            let mut rows = statement.raw_query();
            let mut back = None;
            while let Some(row) = rows.next()? {
                let address = table.address_list().len();
                let rowid = matches!(table.address, Address::Rowid(_));
                let mut text = String::new();
                let identity = match table.identity {
                    Some(_) => super::value::push_text(row.get_ref(address)?, &mut text).then_some(text),
                    None => None,
                };
                back = Some((Some(locator::encode(row, 0, address, rowid)?), identity));
            }
            Ok(back)
        })?;
        let (row, identity) = match done {
            Err(reason) => return Ok(RowResult::Refused(reason)),
            Ok(None) => return Ok(RowResult::Refused("a trigger ignored the insert".to_owned())),
            Ok(Some(back)) => back,
        };
        let rowid = self.connection().last_insert_rowid();
        let identity = identity.or_else(|| match self.table.identity {
            Some(index) if self.table.rowid_column == Some(index) => Some(rowid.to_string()),
            Some(index) => {
                let place = self.columns.iter().position(|column| *column == index)?;
                bounds[place].text(self.table.columns[index].kind.affinity)
            }
            None => Some(row.clone().unwrap_or_else(|| rowid.to_string())),
        });
        self.samples.note(|| row.unwrap_or_else(|| rowid.to_string()), None);
        Ok(RowResult::Written(identity))
    }

    fn amend_row(&mut self, identity: &str, columns: &[(usize, StringChunked)], at: usize) -> Result<RowResult> {
        let mut bounds = Vec::with_capacity(columns.len() + 1);
        for (column, values) in columns {
            match bind(&self.table, *column, values.get(at)) {
                Ok(bound) => bounds.push(bound),
                Err(reason) => return Ok(RowResult::Refused(reason)),
            }
        }
        let Some(row) = self.locate(identity)? else { return Ok(RowResult::Moved) };
        let address = locator::decode(&row, &self.table.address).unwrap_or_default();
        if self.samples.is_empty() {
            let before = promise::row_now(self.connection(), &self.table, &row).map_err(|error| self.fail(&error))?;
            self.samples.note(|| row.clone(), before);
        }
        let changed: Vec<usize> = columns.iter().map(|(column, _)| *column).collect();
        let sql = self.sql.update(&self.table, &changed).to_owned();
        let done = self.attempt(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            for (place, bound) in bounds.iter().enumerate() {
                statement.raw_bind_parameter(place + 1, bound)?;
            }
            for (place, part) in address.iter().enumerate() {
                statement.raw_bind_parameter(bounds.len() + place + 1, part)?;
            }
            statement.raw_execute()
        })?;
        Ok(match done {
            Err(reason) => RowResult::Refused(reason),
            Ok(0) => RowResult::Refused("a trigger ignored the update".to_owned()),
            Ok(_) => RowResult::Written(Some(identity.to_owned())),
        })
    }

    /// The locator of the row with this identity.
    fn locate(&self, identity: &str) -> Result<Option<String>> {
        let Some(index) = self.table.identity.filter(|index| self.table.rowid_column != Some(*index)) else {
            return Ok(Some(identity.to_owned()));
        };
        let Ok(bound) = self.table.columns[index].kind.bind(identity) else { return Ok(None) };
        let address = self.table.address_list();
        let sql = format!(
            "SELECT {} FROM {} WHERE {} = ?1",
            address.join(", "),
            quote(&self.table.name),
            quote(&self.table.columns[index].info.name)
        );
        let rowid = matches!(self.table.address, Address::Rowid(_));
        self.connection()
            .prepare_cached(&sql)
            .and_then(|mut statement| {
                statement.query_row([&bound], |row| locator::encode(row, 0, address.len(), rowid)).optional()
            })
            .map_err(|error| self.fail(&error))
    }

    /// Says which foreign keys a commit broke.
    fn broken_keys(&self) -> rusqlite::Result<String> {
        let mut statement = self.connection().prepare(
            "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 5",
        )?;
        let rows = statement.query_map([], |row| {
            let (child, parent, count): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(format!("{count} rows of {child} without their row of {parent}"))
        })?;
        Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.join("; "))
    }

    /// Writes down, durably, by which rows a commit can be told.
    fn promise(&mut self) -> Result<()> {
        let samples = std::mem::take(&mut self.samples);
        self.promise.samples = samples.settle(self.connection(), &self.table).map_err(|error| self.fail(&error))?;
        self.promise.state = State::Promised;
        intent::write(&self.intent, &self.promise)
    }

    fn commit(&mut self) -> Result<()> {
        let Err(error) = self.connection().execute_batch("COMMIT") else { return Ok(()) };
        let foreign = error.sqlite_error().is_some_and(|code| code.extended_code == CONSTRAINT_FOREIGN_KEY);
        let failure = if foreign {
            let which = self.broken_keys().unwrap_or_default();
            Error::data(format!("the commit would break foreign keys: {which}"))
                .at(self.path.display())
                .advise("map or migrate the parent rows first; nothing was published, the table is as it was")
        } else {
            failed("commit to", &self.path, &error)
        };
        if self.connection().is_autocommit() || self.connection().execute_batch("ROLLBACK").is_ok() {
            self.promise.state = State::Undone;
            let _ = intent::write(&self.intent, &self.promise);
        }
        Err(failure)
    }
}

/// Steps that tests take one by one.
#[cfg(test)]
impl SqliteWriter {
    pub(super) fn limit_pages(&self, more: u32) {
        let now: u32 = self.connection().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap_or(0);
        let _ = self.connection().pragma_update(None, "max_page_count", now + more);
    }
    pub(super) fn promise_only(&mut self) -> Result<()> {
        self.promise()
    }
    pub(super) fn commit_only(&mut self) -> Result<()> {
        self.commit()
    }
}

fn bind<'a>(table: &Table, column: usize, text: Option<&'a str>) -> Result<Bound<'a>, String> {
    let column = &table.columns[column];
    text.map_or(Ok(Bound::Null), |text| {
        column.kind.bind(text).map_err(|reason| format!("{}: {reason}", column.info.name))
    })
}

/// Why SQLite refused this one row; None if the error is about more than the row.
fn refusal(table: &Table, error: &rusqlite::Error) -> Option<String> {
    let code = error.sqlite_error()?;
    match code.code {
        ErrorCode::ConstraintViolation if code.extended_code == CONSTRAINT_TRIGGER => {
            // A trigger may build its message out of values: only one that stands in its text word for word is shown.
            let message = words(error);
            let fixed = table.triggers.iter().find(|trigger| raises(&trigger.sql, &message));
            Some(fixed.map_or("a trigger refused the row".to_owned(), |trigger| {
                format!("trigger {} refused the row: {message}", trigger.name)
            }))
        }
        ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch => Some(words(error)),
        _ => None,
    }
}

/// Whether a trigger raises exactly this text: it stands there as `, 'text')`.
fn raises(sql: &str, message: &str) -> bool {
    let literal = format!("'{}'", message.replace('\'', "''"));
    sql.match_indices(&literal)
        .any(|(at, _)| sql[..at].trim_end().ends_with(',') && sql[at + literal.len()..].trim_start().starts_with(')'))
}

/// The named text columns, each in one piece: cells are then found by index at once.
fn text_columns(frame: &DataFrame, names: &[String]) -> Result<Vec<StringChunked>> {
    names.iter().map(|name| Ok(frame.column(name)?.str()?.rechunk().into_owned())).collect()
}

impl TargetWriter for SqliteWriter {
    fn change(&mut self, batch: &ChangeBatch, monitor: &dyn Monitor) -> Result<Vec<RowResult>> {
        let Some(locators) = &batch.locators else {
            return Err(Error::usage(format!("changes of table {} need locators", self.table.name)));
        };
        self.in_transaction()?;
        let values = text_columns(&batch.values, &self.names)?;
        let mut results = Vec::with_capacity(batch.kinds.len());
        for (at, ((kind, row), expected)) in batch.kinds.iter().zip(locators).zip(&batch.expected).enumerate() {
            if at % CHECK_ROWS == 0 {
                monitor.check()?;
            }
            results.push(self.change_row(*kind, row, *expected, &values, at)?);
        }
        Ok(results)
    }

    fn insert(&mut self, rows: &DataFrame, monitor: &dyn Monitor) -> Result<Vec<RowResult>> {
        self.in_transaction()?;
        let values = text_columns(rows, &self.names)?;
        let mut results = Vec::with_capacity(rows.height());
        for at in 0..rows.height() {
            if at % CHECK_ROWS == 0 {
                monitor.check()?;
            }
            results.push(self.insert_row(&values, at)?);
        }
        Ok(results)
    }

    fn amend(&mut self, identities: &[String], values: &DataFrame) -> Result<Vec<RowResult>> {
        self.in_transaction()?;
        let names: Vec<String> = values.get_column_names().into_iter().map(ToString::to_string).collect();
        let columns = columns_of(&self.table, &names)?;
        let columns: Vec<_> = columns.into_iter().zip(text_columns(values, &names)?).collect();
        if columns.is_empty() {
            return Ok(identities.iter().map(|identity| RowResult::Written(Some(identity.clone()))).collect());
        }
        identities.iter().enumerate().map(|(at, identity)| self.amend_row(identity, &columns, at)).collect()
    }

    fn holds(&self) -> Option<&str> {
        Some(&self.holds)
    }

    fn deletes_last(&self) -> bool {
        self.names_itself
    }

    fn spare_others(&mut self) -> Result<()> {
        self.children = foreign::children(self.connection(), &self.table).map_err(|error| self.fail(&error))?;
        Ok(())
    }

    fn mind_parents(&mut self) -> Result<()> {
        self.parents = foreign::parents(self.connection(), &self.table).map_err(|error| self.fail(&error))?;
        Ok(())
    }

    fn read_back(&mut self, rows: &[WrittenRow<'_>], monitor: &dyn Monitor) -> Result<Vec<Option<u128>>> {
        self.in_transaction()?;
        let width = self.table.columns.len();
        let mut text = std::mem::take(&mut self.row);
        let mut hashes = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            if at % CHECK_ROWS == 0 {
                monitor.check()?;
            }
            let located = row.identity.map(|identity| self.locate(identity)).transpose()?.flatten();
            let Some(address) = located.and_then(|row| locator::decode(&row, &self.table.address)) else {
                hashes.push(None);
                continue;
            };
            let found = self
                .connection()
                .prepare_cached(&self.sql.select)
                .and_then(|mut statement| {
                    statement.query_row(rusqlite::params_from_iter(&address), |row| text.fill(row, width)).optional()
                })
                .map_err(|error| self.fail(&error))?;
            hashes.push(found.map(|()| cells_hash(text.cells(), &mut self.buffer)));
        }
        self.row = text;
        Ok(hashes)
    }

    fn publish(mut self: Box<Self>, monitor: &dyn Monitor) -> Result<Published> {
        monitor.check()?;
        self.in_transaction()?;
        self.promise()?;
        fault::point("before-commit");
        self.commit()?;
        fault::point("after-commit");
        let connection = self.connection.take().expect("the connection was there to commit");
        self.promise.state = State::Done;
        // The commit stands whatever happens to this note; without it, recovery reads the proof off the rows.
        let _ = intent::write(&self.intent, &self.promise);
        let rows = count(&connection, &self.table).map_err(|error| self.fail(&error))?;
        Ok(Published { before: self.before, rows, version: version_of(&self.table) })
    }
}

impl Drop for SqliteWriter {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        // Closing rolls back, too; said aloud so that a failed rollback is not hidden behind the close.
        let _ = connection.execute_batch("ROLLBACK");
        drop(connection);
        if self.promise.created_file {
            let _ = promise::remove_empty(&self.path);
        }
        if self.promise.state == State::Begun {
            let _ = std::fs::remove_file(&self.intent);
        }
    }
}
