//! Foreign keys onto a table and out of it.
//!
//! Onto it: rows that point to one that is to go, by the foreign keys onto its table: a delete would take them along or change them
//! silently, be refused, or break the publish (keys that are checked at its end). Out of it: the rows that one names.
use rusqlite::Connection;

use super::catalog::{Table, quote};
use super::value::Bound;

/// A foreign key onto a table.
#[derive(Debug, Clone)]
pub(super) struct Child {
    /// The table whose rows point; may be the same one.
    pub(super) table: String,
    /// Answers a row if one points to the row at an address.
    sql: String,
}

impl Child {
    /// A row points to the row at this address; one that points to itself does not count.
    pub(super) fn points_to(
        &self,
        connection: &Connection,
        address: &[rusqlite::types::Value],
    ) -> rusqlite::Result<bool> {
        connection.prepare_cached(&self.sql)?.exists(rusqlite::params_from_iter(address))
    }
}

/// A foreign key of a table onto another one.
#[derive(Debug, Clone)]
pub(super) struct Parent {
    /// The other table.
    pub(super) table: String,
    /// Columns of the table, in the order of the parameters.
    columns: Vec<usize>,
    /// Answers a row if the parameters name one.
    sql: String,
}

impl Parent {
    /// The row that these cells of the table name is there, or they name none.
    pub(super) fn is_there<'a>(
        &self,
        connection: &Connection,
        cell: impl Fn(usize) -> Option<Bound<'a>>,
    ) -> rusqlite::Result<bool> {
        let cells: Option<Vec<Bound<'_>>> = self.columns.iter().map(|column| cell(*column)).collect();
        let Some(cells) = cells else { return Ok(true) };
        connection.prepare_cached(&self.sql)?.exists(rusqlite::params_from_iter(&cells))
    }
}

/// The foreign keys of a table onto others.
pub(super) fn parents(connection: &Connection, table: &Table) -> rusqlite::Result<Vec<Parent>> {
    let mut statement = connection.prepare(
        "SELECT id, seq, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1) \
         WHERE \"table\" <> ?1 COLLATE NOCASE ORDER BY id, seq",
    )?;
    let rows = statement.query_map([&table.name], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get::<_, Option<String>>(4)?))
    })?;
    let mut keys: Vec<(i64, String, Vec<usize>, Vec<String>)> = Vec::new();
    for row in rows {
        let (id, seq, parent, from, to): (i64, i64, String, String, _) = row?;
        let primary = || {
            let sql = "SELECT name FROM pragma_table_info(?1) WHERE pk = ?2";
            connection.query_row(sql, rusqlite::params![parent, seq + 1], |row| row.get::<_, String>(0))
        };
        let to = to.map_or_else(primary, Ok)?;
        let Some(column) = table.find(&from) else { continue };
        if keys.last().is_none_or(|(last, ..)| *last != id) {
            keys.push((id, parent, Vec::new(), Vec::new()));
        }
        let Some((_, _, columns, terms)) = keys.last_mut() else { continue };
        columns.push(column);
        terms.push(format!("{} = ?{}", quote(&to), columns.len()));
    }
    Ok(keys
        .into_iter()
        .map(|(_, table, columns, terms)| {
            let sql = format!("SELECT 1 FROM {} WHERE {} LIMIT 1", quote(&table), terms.join(" AND "));
            Parent { table, columns, sql }
        })
        .collect())
}

/// Rows of a table point to others of it by a foreign key.
pub(super) fn names_itself(connection: &Connection, table: &Table) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM pragma_foreign_key_list(?1) WHERE \"table\" = ?1 COLLATE NOCASE";
    connection.prepare(sql)?.exists([&table.name])
}

/// The foreign keys onto a table.
pub(super) fn children(connection: &Connection, table: &Table) -> rusqlite::Result<Vec<Child>> {
    let mut statement = connection.prepare(
        "SELECT t.name, f.id, f.\"from\", f.\"to\" FROM pragma_table_list AS t, pragma_foreign_key_list(t.name) AS f \
         WHERE t.schema = 'main' AND t.type = 'table' AND f.\"table\" = ?1 COLLATE NOCASE \
         ORDER BY t.name, f.id, f.seq",
    )?;
    let rows = statement.query_map([&table.name], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, Option<String>>(3)?,
        ))
    })?;
    let mut keys: Vec<(String, i64, Vec<String>)> = Vec::new();
    let primary: Vec<&str> =
        table.columns.iter().filter(|column| column.info.key).map(|column| column.info.name.as_str()).collect();
    for row in rows {
        let (child, id, from, to) = row?;
        let same = keys.last().is_some_and(|(last, number, _)| (last, *number) == (&child, id));
        if !same {
            keys.push((child, id, Vec::new()));
        }
        let Some((_, _, terms)) = keys.last_mut() else { continue };
        // Without a column named, the key points to the primary key.
        let to = to.or_else(|| primary.get(terms.len()).map(|name| (*name).to_owned()));
        if let Some(to) = to {
            // The pointed-to column on the left: its collation decides, as for the key itself.
            terms.push(format!("p.{} = c.{}", quote(&to), quote(&from)));
        }
    }
    Ok(keys
        .into_iter()
        .map(|(child, _, mut terms)| {
            let names = table.address_list();
            let address: Vec<String> =
                names.iter().enumerate().map(|(index, name)| format!("p.{name} = ?{}", index + 1)).collect();
            if child.eq_ignore_ascii_case(&table.name) {
                let same: Vec<String> = names.iter().map(|name| format!("c.{name} IS p.{name}")).collect();
                terms.push(format!("NOT ({})", same.join(" AND ")));
            }
            let sql = format!(
                "SELECT 1 FROM {} AS c, {} AS p WHERE {} AND {} LIMIT 1",
                quote(&child),
                quote(&table.name),
                address.join(" AND "),
                terms.join(" AND ")
            );
            Child { table: child, sql }
        })
        .collect())
}
