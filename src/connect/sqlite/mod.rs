//! SQLite: a database file is the platform, its tables and views are the objects.
//!
//! `path` names the file. Rows come in rowid order (`WITHOUT ROWID`: in primary key order) with a locator beside the data;
//! see `value.rs` for how values read as text and how text is stored, and `locator.rs` for locators.
//! A run is one transaction: it appears whole or not at all, and tables are changed in place, never replaced.
//! A mapped NULL is written as NULL, also where the column has a default; a column that is not mapped gets its default.
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crm_core::error::{Error, Result};
use crm_core::platform::{
    Capabilities, Connector, ObjectInfo, ObjectVersion, Part, ReadOptions, RecordReader, Recovery, Schema, Source,
    TargetWriter, Trigger, WriteContext,
};
use crm_core::project::PlatformConfig;

mod begin;
mod catalog;
mod foreign;
mod locator;
mod observe;
mod part;
mod promise;
mod reader;
mod statements;
#[cfg(test)]
mod tests;
mod value;
mod writer;

use catalog::Table;

/// How long another program's lock is waited for.
const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(20) } else { Duration::from_secs(5) };

/// One database file.
#[derive(Debug, Clone)]
pub struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    /// The database in this file. It need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// From `[platforms.NAME]`.
    pub fn open(config: &PlatformConfig, base: &Path) -> Result<Arc<dyn Connector>> {
        match &config.path {
            Some(path) => Ok(Arc::new(Self::new(base.join(path)))),
            None => Err(Error::usage(format!("platform {} has no path", config.name))
                .advise("add path = \"FILE.db\" to it in project.toml")),
        }
    }

    fn fail<'a>(&'a self, action: &'a str) -> impl Fn(rusqlite::Error) -> Error + 'a {
        move |error| failed(action, &self.path, &error)
    }

    fn table(&self, object: &str) -> Result<Option<(Connection, Table)>> {
        if !self.path.exists() {
            return Ok(None);
        }
        let connection = open_for_reading(&self.path)?;
        let table = Table::load(&connection, object).map_err(self.fail("read"))?;
        Ok(table.map(|table| (connection, table)))
    }
}

impl Connector for Sqlite {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn objects(&self) -> Result<Vec<ObjectInfo>> {
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        let connection = open_for_reading(&self.path)?;
        let names = table_names(&connection).map_err(self.fail("read"))?;
        Ok(names.into_iter().map(|name| ObjectInfo { name, rows: None, bytes: None }).collect())
    }

    fn schema(&self, source: &Source) -> Result<Schema> {
        let connection = open_for_reading(&self.path)?;
        reader::schema(&connection, &self.path, source)
    }

    fn capabilities(&self, object: &str) -> Result<Capabilities> {
        let mut capabilities = Capabilities {
            write: true,
            atomic: true,
            revertible: true,
            null: true,
            // A database file has one writer at a time.
            writers: Some(1),
            ..Capabilities::default()
        };
        if let Some((connection, table)) = self.table(object)? {
            capabilities.write = table.writable;
            capabilities.revertible = table.writable;
            capabilities.side_effects = catalog::side_effects(&connection, &table).map_err(self.fail("read"))?;
            capabilities.identity = table.identity.map(|index| table.columns[index].info.name.clone());
        }
        Ok(capabilities)
    }

    /// Rows are checked one by one when they are written, so the version is only the table's definition.
    fn version(&self, object: &str) -> Result<ObjectVersion> {
        Ok(match self.table(object)? {
            None => ObjectVersion::default(),
            Some((_, table)) => version_of(&table),
        })
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Box<dyn RecordReader>> {
        Ok(Box::new(reader::SqliteReader::open(&self.path, source, options)?))
    }

    fn read_part(&self, object: &str, part: &Part, options: &ReadOptions) -> Result<Option<Box<dyn RecordReader>>> {
        let reader = reader::SqliteReader::open_part(&self.path, object, part, options)?;
        Ok(reader.map(|reader| Box::new(reader) as Box<dyn RecordReader>))
    }

    fn count(&self, object: &str) -> Result<Option<u64>> {
        let Some((connection, table)) = self.table(object)? else { return Ok(Some(0)) };
        let sql = format!("SELECT count(*) FROM {}", catalog::quote(&table.name));
        let rows: i64 = connection.query_row(&sql, [], |row| row.get(0)).map_err(self.fail("count"))?;
        Ok(Some(rows.unsigned_abs()))
    }

    fn observe(&self, _source: &Source) -> Result<Option<Box<dyn Trigger>>> {
        Ok(Some(Box::new(observe::Counter::of(&self.path))))
    }

    fn write(&self, object: &str, context: &WriteContext) -> Result<Box<dyn TargetWriter>> {
        Ok(Box::new(writer::SqliteWriter::open(&self.path, object, context)?))
    }

    fn recover(&self, object: &str, run_dir: &Path) -> Result<Option<Recovery>> {
        promise::recover(&self.path, object, run_dir)
    }

    fn paths(&self, _object: &str) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }
}

fn version_of(table: &Table) -> ObjectVersion {
    let identity = blake3::hash(table.sql.as_bytes()).to_hex()[..16].to_owned();
    ObjectVersion { exists: true, identity, ..ObjectVersion::default() }
}

fn table_names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view', 'virtual') \
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

/// Opens an existing database to read. Not with SQLite's read-only flag: a database whose writer was killed must be rolled
/// back first, and only a connection that may write does that.
fn open_for_reading(path: &Path) -> Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "query_only", true).map_err(|error| failed("open", path, &error))?;
    Ok(connection)
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let creates = flags.contains(OpenFlags::SQLITE_OPEN_CREATE);
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(Error::platform(format!("{} is a folder, not a database", path.display()))
                .advise("name the database file in that folder"));
        }
        Err(error) if !(creates && error.kind() == std::io::ErrorKind::NotFound) => {
            return Err(Error::io("open", path, &error));
        }
        _ => {}
    }
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| failed("open", path, &error))?;
    let check = || {
        connection.busy_timeout(PATIENCE)?;
        // The first look into the file: here a hot journal is rolled back and another kind of file is found out.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
    };
    check().map_err(|error| failed("open", path, &error))?;
    Ok(connection)
}

/// SQLite's own words. They name tables, columns and constraints, and hold no values (but see `writer::refusal` for triggers).
fn words(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(code, None) => code.to_string(),
        rusqlite::Error::MultipleStatement => "more than one statement".to_owned(),
        _ => "the driver refused a value".to_owned(),
    }
}

/// An error of the database, with advice for the usual causes.
fn failed(action: &str, path: &Path, error: &rusqlite::Error) -> Error {
    let what = Error::platform(format!("cannot {action} {}: {}", path.display(), words(error)));
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            what.advise("another program holds the database; close it (or end its transaction) and try again")
        }
        Some(ErrorCode::DiskFull) => {
            what.advise("free space on that disk; nothing was published, the target is as it was")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            what.advise("check who owns the database file and its folder, and their modes (ls -l)")
        }
        Some(ErrorCode::NotADatabase) => {
            what.advise("this is not a SQLite 3 database; check the path and the kind of the platform")
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            what.advise("the database is damaged: check it with `PRAGMA integrity_check`, restore a copy")
        }
        Some(ErrorCode::OperationInterrupted) => Error::new(crm_core::Kind::Stopped, "reading was stopped"),
        _ => what,
    }
}

fn no_table(connection: &Connection, path: &Path, object: &str) -> Error {
    let names = table_names(connection).unwrap_or_default();
    Error::platform(format!("no table or view {object} in {}", path.display())).advise(if names.is_empty() {
        "the database has no tables".to_owned()
    } else {
        format!("it has: {}", names.join(", "))
    })
}
