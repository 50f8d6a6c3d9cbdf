//! Parts of a table as SQL conditions: rows that hold some values, rows that changed since a cursor's value.
use crm_core::platform::{LOCATOR, Part};

use super::catalog::{Address, Table, quote};

/// The condition of a part, with the texts that are bound to it from `?1` on. None: it cannot be told in SQL.
pub(super) fn condition(table: &Table, part: &Part) -> Option<(String, Vec<String>)> {
    match part {
        Part::Columns(_) => Some((String::new(), Vec::new())),
        Part::Holding { column, values } if column == LOCATOR => {
            Some((located(&table.address, 1)?, vec![list(values)?]))
        }
        Part::Holding { column, values } => {
            let column = quote(&table.columns[table.find(column)?].info.name);
            // The column's affinity makes numbers of texts where it has one; where it has none, numbers are asked for too.
            let terms = [
                format!("{column} IN (SELECT value FROM json_each(?1))"),
                format!("{column} IN (SELECT CAST(value AS NUMERIC) FROM json_each(?1) WHERE value GLOB '[-+.0-9]*')"),
            ];
            Some((sought(table, &terms), vec![list(values)?]))
        }
        Part::Since { column, value, number, also } => {
            let column = quote(&table.columns[table.find(column)?].info.name);
            let mut terms = vec![format!("{column} IS NULL")];
            if value.is_empty() {
                // No value was seen before: every one is new.
                terms.push("?1 = ''".to_owned());
            } else if *number {
                terms.push(format!("{column} >= CAST(?1 AS INTEGER)"));
            } else {
                terms.push(format!("{column} >= ?1"));
                // Another form does not sort with it: late or early, it is read.
                terms.push(format!("length({column}) <> length(?1)"));
            }
            let also = (located(&table.address, 2)?, list(also)?);
            Some((format!("{} OR {}", sought(table, &[terms.join(" OR ")]), also.0), vec![value.clone(), also.1]))
        }
    }
}

/// Rows of which one of these conditions holds, so that an index of its column is used where there is one: of a query in the
/// order of its rows SQLite would rather go over all of them.
fn sought(table: &Table, conditions: &[String]) -> String {
    let Address::Rowid(alias) = &table.address else { return conditions.join(" OR ") };
    let (row, table) = (super::catalog::quote_rowid(alias), quote(&table.name));
    let each = conditions.iter().map(|condition| format!("SELECT {row} FROM {table} WHERE {condition}"));
    format!("{row} IN ({})", each.collect::<Vec<_>>().join(" UNION "))
}

/// Rows of some locators.
fn located(address: &Address, parameter: usize) -> Option<String> {
    match address {
        Address::Rowid(alias) => {
            let name = super::catalog::quote_rowid(alias);
            Some(format!("{name} IN (SELECT CAST(value AS INTEGER) FROM json_each(?{parameter}))"))
        }
        // Locators of other tables are lists with typed parts: they are not looked for.
        Address::None | Address::Key(_) => None,
    }
}

fn list(values: &[String]) -> Option<String> {
    serde_json::to_string(values).ok()
}
