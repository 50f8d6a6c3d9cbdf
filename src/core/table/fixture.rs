//! Tables for tests of this layer: a connector over rows in memory.
#![allow(clippy::unwrap_used)]
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use polars::prelude::{Column, DataFrame, NamedFrom, Series};

use crate::error::{Error, Result};
use crate::platform::{
    Batch, Capabilities, ColumnInfo, Connector, LINE, LOCATOR, ObjectInfo, ObjectVersion, ReadOptions, ReadReject,
    RecordReader, Recovery, Schema, Source, TargetWriter, WriteContext,
};

pub(crate) type Cells = Vec<Option<String>>;

/// One object named `rows`, whatever name is asked for.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Cells>,
    pub(crate) rejects: Vec<ReadReject>,
    pub(crate) lines: bool,
    pub(crate) locators: bool,
    /// Rows a batch whatever is asked for.
    pub(crate) batch: Option<usize>,
    /// Fails behind that many rows.
    pub(crate) fails_at: Option<usize>,
    /// Cannot hold NULL.
    pub(crate) no_null: bool,
    /// Rows in reverse from the second reading on.
    pub(crate) shuffles: bool,
    /// Another content at each look.
    pub(crate) restless: bool,
    pub(crate) looks: AtomicUsize,
    pub(crate) readings: AtomicUsize,
}

impl Table {
    /// From text: `a,b\n1,2`; an empty cell is NULL.
    pub(crate) fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let split = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        let columns = split(lines.next().unwrap());
        let rows = lines
            .map(|line| split(line).into_iter().map(|cell| Some(cell).filter(|cell| !cell.is_empty())).collect())
            .collect();
        Self { columns, rows, ..Self::default() }
    }

    pub(crate) fn generated(columns: usize, rows: usize, cell: impl Fn(usize, usize) -> Option<String>) -> Self {
        Self {
            columns: (0..columns).map(|column| format!("c{column}")).collect(),
            rows: (0..rows).map(|row| (0..columns).map(|column| cell(row, column)).collect()).collect(),
            ..Self::default()
        }
    }
}

pub(crate) fn source() -> Source {
    Source::Object("rows".into())
}

impl Connector for Table {
    fn kind(&self) -> &'static str {
        "rows"
    }
    fn objects(&self) -> Result<Vec<ObjectInfo>> {
        Ok(Vec::new())
    }
    fn schema(&self, _: &Source) -> Result<Schema> {
        let columns = self.columns.iter().map(|name| ColumnInfo {
            name: name.clone(),
            declared: "text".into(),
            required: false,
            key: false,
            generated: false,
        });
        Ok(Schema { columns: columns.collect() })
    }
    fn capabilities(&self, _: &str) -> Result<Capabilities> {
        Ok(Capabilities { null: !self.no_null, ..Capabilities::default() })
    }
    fn version(&self, _: &str) -> Result<ObjectVersion> {
        let look = self.looks.fetch_add(1, Ordering::Relaxed);
        let hash = if self.restless { look.to_string() } else { "same".into() };
        Ok(ObjectVersion { exists: true, hash, ..ObjectVersion::default() })
    }
    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Box<dyn RecordReader>> {
        let rows = options.limit.map_or(self.rows.len(), |limit| self.rows.len().min(limit as usize));
        let mut rows = self.rows[..rows].to_vec();
        if self.shuffles && self.readings.fetch_add(1, Ordering::Relaxed) > 0 {
            rows.reverse();
        }
        Ok(Box::new(Reader {
            schema: self.schema(source)?,
            rows,
            at: 0,
            batch: self.batch.unwrap_or(options.batch_rows),
            rejects: self.rejects.clone(),
            lines: self.lines,
            locators: self.locators,
            fails_at: self.fails_at,
        }))
    }
    fn write(&self, _: &str, _: &WriteContext) -> Result<Box<dyn TargetWriter>> {
        Err(Error::platform("read only"))
    }
    fn recover(&self, _: &str, _: &Path) -> Result<Option<Recovery>> {
        Ok(None)
    }
}

struct Reader {
    schema: Schema,
    rows: Vec<Cells>,
    at: usize,
    batch: usize,
    rejects: Vec<ReadReject>,
    lines: bool,
    locators: bool,
    fails_at: Option<usize>,
}

impl RecordReader for Reader {
    fn schema(&self) -> &Schema {
        &self.schema
    }
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        if self.fails_at.is_some_and(|row| self.at >= row) {
            return Err(Error::platform("the line went dead"));
        }
        let end = self.rows.len().min(self.at + self.batch);
        if self.at == end {
            return Ok(None);
        }
        let rows = &self.rows[self.at..end];
        let mut columns: Vec<Column> = self
            .schema
            .names()
            .enumerate()
            .map(|(place, name)| {
                let cells: Vec<Option<&str>> = rows.iter().map(|row| row[place].as_deref()).collect();
                Column::from(Series::new(name.into(), cells))
            })
            .collect();
        if self.lines {
            columns.push(Column::from(Series::new(
                LINE.into(),
                (self.at..end).map(|row| row as u64 + 2).collect::<Vec<_>>(),
            )));
        }
        if self.locators {
            let locators: Vec<String> = (self.at..end).map(|row| format!("id{row}")).collect();
            columns.push(Column::from(Series::new(LOCATOR.into(), locators)));
        }
        self.at = end;
        Ok(Some(Batch { frame: DataFrame::new(rows.len(), columns).unwrap() }))
    }
    fn take_rejects(&mut self) -> Vec<ReadReject> {
        std::mem::take(&mut self.rejects)
    }
    fn position(&self) -> (u64, Option<u64>) {
        (self.at as u64, Some(self.rows.len() as u64))
    }
}
