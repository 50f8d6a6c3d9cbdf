//! What SQLite's own catalog says of a table: columns, keys, how a row is found again, side effects.
use rusqlite::{Connection, OptionalExtension};

use crm_core::platform::{ColumnInfo, Schema};

use super::value::ColumnKind;

/// How a row of a table is found again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// By this name of the rowid (one that no column took).
    Rowid(String),
    /// By these columns (`WITHOUT ROWID`): the primary key, in key order.
    Key(Vec<usize>),
    /// Not at all: a view, a virtual table.
    None,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) info: ColumnInfo,
    pub(super) kind: ColumnKind,
    /// A GENERATED column: SQLite refuses to write it.
    pub(super) computed: bool,
}

/// A table or view.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Name as the catalog spells it.
    pub(super) name: String,
    /// In SQLite's order, generated columns included.
    pub(super) columns: Vec<Column>,
    pub(super) address: Address,
    /// The column of a one-column primary key.
    pub(super) identity: Option<usize>,
    /// The column that is another name of the rowid (`INTEGER PRIMARY KEY`).
    pub(super) rowid_column: Option<usize>,
    /// A plain table: it can be written.
    pub(super) writable: bool,
    /// Names, words and text of the triggers.
    pub(super) triggers: Vec<Trigger>,
    /// `CREATE …` as stored.
    pub(super) sql: String,
}

/// A trigger.
#[derive(Debug, Clone)]
pub(super) struct Trigger {
    pub(super) name: String,
    /// `insert`, `update`, `delete`.
    pub(super) event: &'static str,
    pub(super) sql: String,
}

/// A name as SQL quotes it.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Table {
    /// Reads the catalog; None if there is no such table or view.
    pub(super) fn load(connection: &Connection, object: &str) -> rusqlite::Result<Option<Self>> {
        let found = connection
            .query_row(
                "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE",
                [object],
                |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?)),
            )
            .optional()?;
        let Some((name, kind, without_rowid, strict)) = found else { return Ok(None) };
        let without_rowid: bool = without_rowid;
        let strict: bool = strict;
        let sql: Option<String> = connection
            .query_row("SELECT sql FROM sqlite_schema WHERE name = ?1 AND type IN ('table', 'view')", [&name], |row| {
                row.get(0)
            })
            .optional()?
            .flatten();
        // An INTEGER PRIMARY KEY is the rowid itself and has no index of its own; `… DESC` has one and is not.
        let key_index: bool =
            connection.query_row("SELECT count(*) FROM pragma_index_list(?1) WHERE origin = 'pk'", [&name], |row| {
                row.get(0)
            })?;
        let mut columns = Vec::new();
        let mut key: Vec<(i64, usize)> = Vec::new();
        let mut statement = connection.prepare(
            "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden FROM pragma_table_xinfo(?1)",
        )?;
        let mut rows = statement.query([&name])?;
        while let Some(row) = rows.next()? {
            let (declared, not_null, default): (String, bool, bool) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let (position, hidden): (i64, i64) = (row.get(4)?, row.get(5)?);
            if hidden == 1 {
                continue;
            }
            if position > 0 {
                key.push((position, columns.len()));
            }
            let kind = ColumnKind::of(&declared, strict);
            let generated = hidden > 1;
            let required = (not_null || (without_rowid && position > 0)) && !default && !generated;
            let info = ColumnInfo { name: row.get(0)?, declared, required, key: position > 0, generated };
            columns.push(Column { info, kind, computed: generated });
        }
        key.sort_unstable();
        let key: Vec<usize> = key.into_iter().map(|(_, index)| index).collect();
        let identity = if let [only] = key[..] { Some(only) } else { None };
        let writable = kind == "table";
        let rowid_column = identity.filter(|index| {
            writable && !without_rowid && !key_index && columns[*index].info.declared.eq_ignore_ascii_case("INTEGER")
        });
        if let Some(index) = rowid_column {
            columns[index].info.generated = true;
            columns[index].info.required = false;
        }
        let address = if !writable {
            Address::None
        } else if without_rowid {
            Address::Key(key)
        } else if let Some(index) = rowid_column {
            Address::Rowid(columns[index].info.name.clone())
        } else {
            ["rowid", "_rowid_", "oid"]
                .into_iter()
                .find(|alias| !columns.iter().any(|column| column.info.name.eq_ignore_ascii_case(alias)))
                .map_or(Address::None, |alias| Address::Rowid(alias.to_owned()))
        };
        let triggers = triggers(connection, &name)?;
        let writable = writable && address != Address::None;
        Ok(Some(Self {
            name,
            columns,
            address,
            identity,
            rowid_column,
            writable,
            triggers,
            sql: sql.unwrap_or_default(),
        }))
    }

    /// Columns as the contract has them.
    pub(super) fn schema(&self) -> Schema {
        Schema { columns: self.columns.iter().map(|column| column.info.clone()).collect() }
    }

    /// Index of a column, spelled so, or else spelled so but for ASCII case (as SQLite takes it).
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let position = |same: &dyn Fn(&str) -> bool| self.columns.iter().position(|column| same(&column.info.name));
        position(&|other| other == name).or_else(|| position(&|other| other.eq_ignore_ascii_case(name)))
    }

    /// All columns as a select list, in schema order.
    pub(super) fn select_list(&self) -> String {
        self.columns.iter().map(|column| quote(&column.info.name)).collect::<Vec<_>>().join(", ")
    }

    /// Expressions that make the locator, empty where there is none.
    pub(super) fn address_list(&self) -> Vec<String> {
        match &self.address {
            Address::Rowid(alias) => vec![quote_rowid(alias)],
            Address::Key(key) => key.iter().map(|index| quote(&self.columns[*index].info.name)).collect(),
            Address::None => Vec::new(),
        }
    }

    /// `"a" = ?1 AND "b" = ?2`: the row of a locator, parameters from `first` on.
    pub(super) fn address_condition(&self, first: usize) -> String {
        let terms = self.address_list();
        let terms = terms.iter().enumerate().map(|(index, name)| format!("{name} = ?{}", first + index));
        terms.collect::<Vec<_>>().join(" AND ")
    }
}

/// The three names of the rowid are not quoted: a quoted name that is no column becomes a string in SQLite.
pub(super) fn quote_rowid(alias: &str) -> String {
    if matches!(alias, "rowid" | "_rowid_" | "oid") { alias.to_owned() } else { quote(alias) }
}

fn triggers(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Trigger>> {
    let mut statement = connection.prepare(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE ORDER BY name",
    )?;
    let rows = statement.query_map([table], |row| {
        let (name, sql): (String, String) = (row.get(0)?, row.get(1)?);
        let event = trigger_event(&sql, &name);
        Ok(Trigger { name, event, sql })
    })?;
    rows.collect()
}

/// The first of the three words after the trigger's name.
fn trigger_event(sql: &str, name: &str) -> &'static str {
    let after = sql.find(name).map_or(sql, |start| &sql[start + name.len()..]);
    after
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .find_map(|word| ["insert", "update", "delete"].into_iter().find(|event| word.eq_ignore_ascii_case(event)))
        .unwrap_or("change")
}

/// Side effects of writing to a table, in words.
pub(super) fn side_effects(connection: &Connection, table: &Table) -> rusqlite::Result<Vec<String>> {
    let mut effects: Vec<String> =
        table.triggers.iter().map(|trigger| format!("trigger {} fires on {}", trigger.name, trigger.event)).collect();
    let mut statement = connection.prepare(
        "SELECT t.name, f.\"from\", f.on_update \
         FROM pragma_table_list AS t, pragma_foreign_key_list(t.name) AS f \
         WHERE t.schema = 'main' AND t.type = 'table' AND f.\"table\" = ?1 COLLATE NOCASE ORDER BY t.name, f.id, f.seq",
    )?;
    let mut rows = statement.query([&table.name])?;
    while let Some(row) = rows.next()? {
        let (child, column): (String, String) = (row.get(0)?, row.get(1)?);
        effects.push(format!("a delete waits for rows of {child} ({column}) that point to it, and takes none along"));
        let action: String = row.get(2)?;
        if !matches!(action.as_str(), "NO ACTION" | "RESTRICT") {
            effects.push(format!("foreign key {child}.{column}: {} on key change", action.to_lowercase()));
        }
    }
    Ok(effects)
}
