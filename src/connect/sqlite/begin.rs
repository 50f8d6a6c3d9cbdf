//! The start of a writer's transaction: the table is the planned one, or is made.
use std::path::Path;

use rusqlite::Connection;

use crm_core::error::{Error, Result};
use crm_core::platform::WriteContext;

use super::catalog::{Table, quote};
use super::promise::Promise;
use super::{failed, version_of};

/// Checks that the table is as planned (or makes it), inside the transaction that it begins.
pub(super) fn begin(
    connection: &Connection,
    path: &Path,
    object: &str,
    context: &WriteContext,
    promise: &mut Promise,
) -> Result<Table> {
    let fail = |error: rusqlite::Error| failed("write", path, &error);
    connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA cache_size = -32768; BEGIN IMMEDIATE").map_err(fail)?;
    let planned = &context.planned;
    let place = format!("{}, table {object}", path.display());
    if let Some(table) = Table::load(connection, object).map_err(fail)? {
        if !table.writable {
            return Err(Error::refused(format!("{object} is no table that can be written"))
                .at(path.display())
                .advise("a view or virtual table is filled through its own tables: map to those"));
        }
        let same = planned.identity.is_empty() || planned.identity == version_of(&table).identity;
        if !planned.exists || !same {
            return Err(Error::refused("the target changed since the plan: the table was created or altered")
                .at(place)
                .advise("plan again; nothing was written"));
        }
        return Ok(table);
    }
    if planned.exists {
        return Err(Error::refused("the target changed since the plan: the table is gone")
            .at(place)
            .advise("plan again; nothing was written"));
    }
    if context.columns.is_empty() {
        return Err(Error::usage("a table without columns cannot be made").at(place));
    }
    let columns: Vec<String> = context.columns.iter().map(|name| format!("{} TEXT", quote(name))).collect();
    connection.execute_batch(&format!("CREATE TABLE {} ({})", quote(object), columns.join(", "))).map_err(fail)?;
    promise.created_table = true;
    Table::load(connection, object)
        .map_err(fail)?
        .ok_or_else(|| Error::platform("the table that was just made is not there").at(place))
}

/// Rows of the table.
pub(super) fn count(connection: &Connection, table: &Table) -> rusqlite::Result<u64> {
    let sql = format!("SELECT count(*) FROM {}", quote(&table.name));
    connection.query_row(&sql, [], |row| row.get(0)).map(i64::unsigned_abs)
}

/// Columns by name, as indexes into the table's; those that can be written.
pub(super) fn columns_of(table: &Table, names: &[String]) -> Result<Vec<usize>> {
    names
        .iter()
        .map(|name| {
            let index = table.find(name).ok_or_else(|| {
                let known: Vec<_> = table.columns.iter().map(|column| column.info.name.as_str()).collect();
                Error::usage(format!("table {} has no column {name}", table.name))
                    .advise(format!("its columns: {}", known.join(", ")))
            })?;
            if table.columns[index].computed {
                return Err(Error::usage(format!("column {name} of {} is computed by SQLite", table.name))
                    .advise("take it out of the mapping's fields"));
            }
            Ok(index)
        })
        .collect()
}
