//! Writing operations, row group by row group.
use std::path::Path;

use polars::prelude::{
    Column, DataFrame, DataType, Field, IntoColumn, NamedFrom, PlSmallStr, Schema, Series, StringChunked,
};

use super::{
    BEFORE, CHANGED, EXPECTED, IDENTITY, KEPT, KEY, LOCATOR, OP, ORIGINAL, PENDING, REASON, SOURCE, StoreWriter,
    TARGET, code,
};
use crate::error::Result;
use crate::plan::Operation;

/// What is known of one row beside its cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpRow {
    /// Operation; Rejected if None.
    pub operation: Option<Operation>,
    /// Ordinal of the source row.
    pub source: Option<u32>,
    /// Ordinal of the target row.
    pub target: Option<u32>,
    /// Hash of the whole target row.
    pub expected: Option<u128>,
    /// Old key.
    pub key: Option<String>,
    /// Identity of the target row.
    pub identity: Option<String>,
    /// Locator of the target row.
    pub locator: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Fields kept.
    pub kept: Vec<usize>,
    /// Fields changed.
    pub changed: Vec<usize>,
    /// Reverts: an insert puts a row back before the target row of this ordinal.
    pub before: Option<u32>,
    /// Reverts: the row byte for byte, as text ([`crate::migrate`]).
    pub original: Option<String>,
}

/// Writes `NAME.ops.parquet`.
pub struct OpsWriter {
    store: StoreWriter,
    fields: Vec<String>,
    links: Vec<String>,
    reverts: bool,
    rows: u64,
}

impl OpsWriter {
    /// Creates the file for these target fields, some of which are links.
    pub fn create(path: &Path, fields: &[String], links: &[String]) -> Result<Self> {
        Self::create_for(path, fields, links, false)
    }
    /// Creates the file of a revert of all these fields.
    pub fn create_revert(path: &Path, fields: &[String]) -> Result<Self> {
        Self::create_for(path, fields, &[], true)
    }
    fn create_for(path: &Path, fields: &[String], links: &[String], reverts: bool) -> Result<Self> {
        let text = |name: &str| Field::new(PlSmallStr::from_str(name), DataType::String);
        let number = |name: &str, kind: DataType| Field::new(PlSmallStr::from_str(name), kind);
        let mut schema = vec![
            number(OP, DataType::UInt32),
            number(SOURCE, DataType::UInt32),
            number(TARGET, DataType::UInt32),
            number(EXPECTED[0], DataType::UInt64),
            number(EXPECTED[1], DataType::UInt64),
        ];
        schema.extend([KEY, IDENTITY, LOCATOR, REASON, KEPT, CHANGED].map(text));
        schema.extend(fields.iter().map(|name| text(name)));
        schema.extend(links.iter().map(|name| text(&format!("{PENDING}{name}"))));
        if reverts {
            schema.extend([number(BEFORE, DataType::UInt32), text(ORIGINAL)]);
        }
        let store = StoreWriter::create(path, &Schema::from_iter(schema))?;
        Ok(Self { store, fields: fields.to_vec(), links: links.to_vec(), reverts, rows: 0 })
    }
    /// Adds rows. `cells`: one column per field; `pending`: one per link field; all as long as `rows`.
    pub fn write(&mut self, rows: &[OpRow], cells: &[StringChunked], pending: &[StringChunked]) -> Result<()> {
        debug_assert_eq!((cells.len(), pending.len()), (self.fields.len(), self.links.len()));
        let text = |name: &str, of: &dyn Fn(&OpRow) -> Option<String>| -> Column {
            Series::new(name.into(), rows.iter().map(of).collect::<Vec<Option<String>>>()).into()
        };
        let small = |name: &str, of: &dyn Fn(&OpRow) -> Option<u32>| -> Column {
            Series::new(name.into(), rows.iter().map(of).collect::<Vec<Option<u32>>>()).into()
        };
        let wide = |name: &str, of: &dyn Fn(&OpRow) -> Option<u64>| -> Column {
            Series::new(name.into(), rows.iter().map(of).collect::<Vec<Option<u64>>>()).into()
        };
        let mut columns = vec![
            small(OP, &|row| Some(code(row.operation.unwrap_or(Operation::Rejected)))),
            small(SOURCE, &|row| row.source),
            small(TARGET, &|row| row.target),
            wide(EXPECTED[0], &|row| row.expected.map(|hash| (hash >> 64) as u64)),
            wide(EXPECTED[1], &|row| row.expected.map(|hash| hash as u64)),
            text(KEY, &|row| row.key.clone()),
            text(IDENTITY, &|row| row.identity.clone()),
            text(LOCATOR, &|row| row.locator.clone()),
            text(REASON, &|row| row.reason.clone()),
            text(KEPT, &|row| super::index_list(&row.kept)),
            text(CHANGED, &|row| super::index_list(&row.changed)),
        ];
        for (name, column) in self.fields.iter().zip(cells) {
            columns.push(column.clone().with_name(name.as_str().into()).into_column());
        }
        for (name, column) in self.links.iter().zip(pending) {
            columns.push(column.clone().with_name(format!("{PENDING}{name}").into()).into_column());
        }
        if self.reverts {
            columns.push(small(BEFORE, &|row| row.before));
            columns.push(text(ORIGINAL, &|row| row.original.clone()));
        }
        self.store.write(&mut DataFrame::new(rows.len(), columns)?)?;
        self.rows += rows.len() as u64;
        Ok(())
    }
    /// Completes the file; answers the rows in it.
    pub fn finish(self) -> Result<u64> {
        self.store.finish()?;
        Ok(self.rows)
    }
}
