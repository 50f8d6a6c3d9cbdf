//! Rows of other tables that a delete would take along or change silently, by the actions of their foreign keys.
use rusqlite::Connection;

use super::catalog::{Table, quote};

/// A foreign key of another table whose action changes its rows when a row here goes.
#[derive(Debug, Clone)]
pub(super) struct Child {
    /// The other table.
    pub(super) table: String,
    /// Answers a row if one points to the row at an address.
    sql: String,
}

impl Child {
    /// A row of the other table points to the row at this address.
    pub(super) fn points_to(
        &self,
        connection: &Connection,
        address: &[rusqlite::types::Value],
    ) -> rusqlite::Result<bool> {
        connection.prepare_cached(&self.sql)?.exists(rusqlite::params_from_iter(address))
    }
}

/// Rows of a table point to others of it by a foreign key.
pub(super) fn names_itself(connection: &Connection, table: &Table) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM pragma_foreign_key_list(?1) WHERE \"table\" = ?1 COLLATE NOCASE";
    connection.prepare(sql)?.exists([&table.name])
}

/// The foreign keys onto a table that do more than refuse. Those that refuse need no help.
pub(super) fn of(connection: &Connection, table: &Table) -> rusqlite::Result<Vec<Child>> {
    let mut statement = connection.prepare(
        "SELECT t.name, f.id, f.\"from\", f.\"to\" FROM pragma_table_list AS t, pragma_foreign_key_list(t.name) AS f \
         WHERE t.schema = 'main' AND t.type = 'table' AND f.\"table\" = ?1 COLLATE NOCASE \
         AND f.on_delete NOT IN ('NO ACTION', 'RESTRICT') ORDER BY t.name, f.id, f.seq",
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
            terms.push(format!("c.{} = p.{}", quote(&from), quote(&to)));
        }
    }
    Ok(keys
        .into_iter()
        .map(|(child, _, terms)| {
            let address: Vec<String> = table
                .address_list()
                .into_iter()
                .enumerate()
                .map(|(index, name)| format!("p.{name} = ?{}", index + 1))
                .collect();
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
