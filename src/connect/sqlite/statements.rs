//! The SQL that a writer runs, made once a run.
use std::collections::HashMap;

use super::catalog::{Address, Table, quote};

/// Texts of the statements on one table.
pub(super) struct Statements {
    pub(super) select: String,
    pub(super) insert: String,
    /// The same with the rowid before the columns, where no column is the rowid.
    pub(super) restore: Option<String>,
    pub(super) delete: String,
    /// `INSERT … RETURNING` gives the address (and the identity) back.
    pub(super) returning: bool,
    /// ` OR ABORT` where the table's own conflict clauses would replace or skip rows silently.
    conflict: &'static str,
    /// By the columns that change.
    updates: HashMap<Vec<usize>, String>,
}

impl Statements {
    pub(super) fn of(table: &Table, columns: &[usize]) -> Self {
        let name = quote(&table.name);
        let conflict = if table.sql.to_ascii_uppercase().contains("ON CONFLICT") { " OR ABORT" } else { "" };
        let list: Vec<String> = columns.iter().map(|index| quote(&table.columns[*index].info.name)).collect();
        let marks: Vec<String> = (1..=columns.len()).map(|index| format!("?{index}")).collect();
        let identity_given =
            table.identity.is_none_or(|index| table.rowid_column == Some(index) || columns.contains(&index));
        let returning = matches!(table.address, Address::Key(_)) || !identity_given;
        let mut insert = if columns.is_empty() {
            format!("INSERT{conflict} INTO {name} DEFAULT VALUES")
        } else {
            format!("INSERT{conflict} INTO {name} ({}) VALUES ({})", list.join(", "), marks.join(", "))
        };
        let restore = match &table.address {
            Address::Rowid(alias) if table.rowid_column.is_none() => {
                let marks: Vec<String> = (1..=columns.len() + 1).map(|index| format!("?{index}")).collect();
                let list: Vec<&str> = std::iter::once(alias.as_str()).chain(list.iter().map(String::as_str)).collect();
                Some(format!("INSERT{conflict} INTO {name} ({}) VALUES ({})", list.join(", "), marks.join(", ")))
            }
            _ => None,
        };
        if returning {
            let mut back = table.address_list();
            back.extend(table.identity.map(|index| quote(&table.columns[index].info.name)));
            insert = format!("{insert} RETURNING {}", back.join(", "));
        }
        Self {
            select: format!("SELECT {} FROM {name} WHERE {}", table.select_list(), table.address_condition(1)),
            insert,
            restore,
            delete: format!("DELETE FROM {name} WHERE {}", table.address_condition(1)),
            returning,
            conflict,
            updates: HashMap::new(),
        }
    }

    /// `UPDATE` of these columns of the row at an address; parameters: the values, then the address.
    pub(super) fn update(&mut self, table: &Table, changed: &[usize]) -> &str {
        if !self.updates.contains_key(changed) {
            let sets: Vec<String> = changed
                .iter()
                .enumerate()
                .map(|(place, index)| format!("{} = ?{}", quote(&table.columns[*index].info.name), place + 1))
                .collect();
            let sql = format!(
                "UPDATE{} {} SET {} WHERE {}",
                self.conflict,
                quote(&table.name),
                sets.join(", "),
                table.address_condition(changed.len() + 1)
            );
            self.updates.insert(changed.to_vec(), sql);
        }
        &self.updates[changed]
    }
}
