//! Rows that exist: changed, deleted, and put back as they were.
use polars::prelude::StringChunked;
use rusqlite::OptionalExtension;

use crm_core::error::{Error, Result};
use crm_core::platform::{ChangeKind, RowResult};
use crm_core::table::hash::cells_hash;

use super::super::locator;
use super::super::value::{Bound, RowText};
use super::{SqliteWriter, bind};

impl SqliteWriter {
    pub(super) fn change_row(
        &mut self,
        kind: ChangeKind,
        row: &str,
        expected: u128,
        values: &[StringChunked],
        at: usize,
    ) -> Result<RowResult> {
        let Some(address) = locator::decode(row, &self.table.address) else {
            return Err(Error::data(format!("a locator does not name a row of {}", self.table.name))
                .advise("the snapshot is of another table or version: plan again"));
        };
        if kind == ChangeKind::Restore {
            return self.restore_row(&address, values, at);
        }
        let (width, mut text) = (self.table.columns.len(), std::mem::take(&mut self.row));
        let found = self
            .connection()
            .prepare_cached(&self.sql.select)
            .and_then(|mut statement| {
                statement.query_row(rusqlite::params_from_iter(&address), |row| text.fill(row, width)).optional()
            })
            .map_err(|error| self.fail(&error))?;
        let planned = found.is_some() && cells_hash(text.cells(), &mut self.buffer) == expected;
        let result = match (planned, kind) {
            (false, _) => Ok(RowResult::Moved),
            (true, ChangeKind::Delete) => self.delete_row(row, &address, expected),
            (true, ChangeKind::Update | ChangeKind::Restore) => {
                self.update_row(row, &address, expected, &text, values, at)
            }
        };
        self.row = text;
        result
    }

    pub(super) fn delete_row(
        &mut self,
        row: &str,
        address: &[rusqlite::types::Value],
        before: u128,
    ) -> Result<RowResult> {
        for child in &self.children {
            let points = child.points_to(self.connection(), address).map_err(|error| self.fail(&error))?;
            if points {
                return Ok(RowResult::Refused(format!("rows of {} point to it", child.table)));
            }
        }
        let done = self.attempt(|connection| {
            connection.prepare_cached(&self.sql.delete)?.execute(rusqlite::params_from_iter(address))
        })?;
        Ok(match done {
            Err(reason) => RowResult::Refused(reason),
            Ok(0) => RowResult::Refused("a trigger ignored the delete".to_owned()),
            Ok(_) => {
                self.samples.note(|| row.to_owned(), Some(before));
                RowResult::Written(None)
            }
        })
    }

    pub(super) fn update_row(
        &mut self,
        row: &str,
        address: &[rusqlite::types::Value],
        before: u128,
        current: &RowText,
        values: &[StringChunked],
        at: usize,
    ) -> Result<RowResult> {
        let mut changed: Vec<usize> = Vec::new();
        let mut bounds: Vec<Bound<'_>> = Vec::new();
        for (column, values) in self.columns.iter().zip(values) {
            let (new, old) = (values.get(at), current.cell(*column));
            if new == old {
                continue;
            }
            let bound = match bind(&self.table, *column, new) {
                Ok(bound) => bound,
                Err(reason) => return Ok(RowResult::Refused(reason)),
            };
            // `007` for a 7 in an INTEGER column: other text, the same value.
            if bound.text(self.table.columns[*column].kind.affinity).as_deref() != old {
                changed.push(*column);
                bounds.push(bound);
            }
        }
        let identity = match self.table.identity {
            None => Some(row.to_owned()),
            Some(index) => match changed.iter().position(|column| *column == index) {
                Some(place) => bounds[place].text(self.table.columns[index].kind.affinity),
                None => current.cell(index).map(str::to_owned),
            },
        };
        if changed.is_empty() {
            return Ok(RowResult::Written(identity));
        }
        let place = |column: usize| self.columns.iter().position(|known| *known == column);
        let cell = |column| place(column).map_or_else(|| current.cell(column), |place| values[place].get(at));
        if let Some(parent) = self.missing_parent(cell)? {
            return Ok(RowResult::Refused(parent));
        }
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
            Ok(_) => {
                self.samples.note(|| row.to_owned(), Some(before));
                RowResult::Written(identity)
            }
        })
    }

    /// Why a row with these cells cannot be: a row of another table that it names is not there.
    fn missing_parent<'a>(&self, cell: impl Fn(usize) -> Option<&'a str>) -> Result<Option<String>> {
        for parent in &self.parents {
            let bound = |column| cell(column).and_then(|text| bind(&self.table, column, Some(text)).ok());
            if !parent.is_there(self.connection(), bound).map_err(|error| self.fail(&error))? {
                return Ok(Some(format!("the row of {} that it names is not there", parent.table)));
            }
        }
        Ok(None)
    }

    /// Puts a row back, under its rowid where that is free.
    pub(super) fn restore_row(
        &mut self,
        address: &[rusqlite::types::Value],
        values: &[StringChunked],
        at: usize,
    ) -> Result<RowResult> {
        let place = |column: usize| self.columns.iter().position(|known| *known == column);
        if let Some(parent) = self.missing_parent(|column| values[place(column)?].get(at))? {
            return Ok(RowResult::Refused(parent));
        }
        // Rows that point to each other come back one after the other: what they point to is there at the commit.
        let defer = self.connection().execute_batch("PRAGMA defer_foreign_keys = ON");
        defer.map_err(|error| self.fail(&error))?;
        let (Some(sql), [rowid]) = (&self.sql.restore, address) else { return self.insert_row(values, at) };
        let taken = self
            .connection()
            .prepare_cached(&self.sql.select)
            .and_then(|mut statement| statement.exists([rowid]))
            .map_err(|error| self.fail(&error))?;
        if taken {
            return self.insert_row(values, at);
        }
        let mut bounds: Vec<Bound<'_>> = Vec::with_capacity(values.len());
        for (column, values) in self.columns.iter().zip(values) {
            match bind(&self.table, *column, values.get(at)) {
                Ok(bound) => bounds.push(bound),
                Err(reason) => return Ok(RowResult::Refused(reason)),
            }
        }
        let done = self.attempt(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement.raw_bind_parameter(1, rowid)?;
            for (place, bound) in bounds.iter().enumerate() {
                statement.raw_bind_parameter(place + 2, bound)?;
            }
            statement.raw_execute()
        })?;
        match done {
            Err(reason) => return Ok(RowResult::Refused(reason)),
            Ok(0) => return Ok(RowResult::Refused("a trigger ignored the insert".to_owned())),
            Ok(_) => {}
        }
        let row = self.connection().last_insert_rowid().to_string();
        let identity = match self.table.identity {
            Some(index) => {
                let place = self.columns.iter().position(|column| *column == index);
                place.and_then(|place| bounds[place].text(self.table.columns[index].kind.affinity))
            }
            None => Some(row.clone()),
        };
        self.samples.note(|| row, None);
        Ok(RowResult::Written(identity))
    }
}
