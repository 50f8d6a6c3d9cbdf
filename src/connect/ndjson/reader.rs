//! Rows out of JSON records.
use std::collections::HashMap;
use std::path::Path;

use crm_core::error::{Error, Result};
use crm_core::platform::{Batch, LINE, ReadOptions, ReadReject, RecordReader, Schema};
use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, Series, StringChunkedBuilder};

use super::records::Records;
use super::scan::{cell, members};
use crate::csv::unique_names;
use crate::files::{raw, reject_reason, text_schema};

/// A batch ends early when its records hold more than that many bytes.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// More keys than that are values in the wrong place.
const MOST_KEYS: usize = 10_000;

/// The keys of a file in the order in which they first appear, and the columns they become.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    names: Vec<String>,
    by_key: HashMap<String, usize>,
}

impl Keys {
    /// Reads the whole file once.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let mut records = Records::open(path)?;
        let mut keys: Vec<String> = Vec::new();
        let mut by_key = HashMap::new();
        while let Some(record) = records.next()? {
            if record.broken.is_some() {
                continue;
            }
            let Ok(text) = std::str::from_utf8(records.bytes(&record.range)) else { continue };
            let Ok(members) = members(text) else { continue };
            for (key, _) in members {
                if !by_key.contains_key(&key) {
                    by_key.insert(key.clone(), keys.len());
                    keys.push(key);
                }
            }
            if keys.len() > MOST_KEYS {
                return Err(Error::data(format!("{} has more than {MOST_KEYS} different keys", path.display()))
                    .advise("rows must share their keys; here the keys themselves seem to be data"));
            }
        }
        if keys.is_empty() {
            return Err(Error::data(format!("{} holds no JSON object with keys", path.display()))
                .advise("expected one object a line, or an array of objects"));
        }
        Ok(Self { names: unique_names(&keys), by_key })
    }

    pub(super) fn schema(&self) -> Schema {
        text_schema(self.names.clone())
    }
}

/// Streams the rows.
pub(super) struct JsonReader {
    records: Records,
    keys: Keys,
    schema: Schema,
    batch_rows: usize,
    left: u64,
    rejects: Vec<ReadReject>,
}

impl JsonReader {
    pub(super) fn open(path: &Path, keys: Keys, options: &ReadOptions) -> Result<Self> {
        Ok(Self {
            records: Records::open(path)?,
            schema: keys.schema(),
            keys,
            batch_rows: options.batch_rows.max(1),
            left: options.limit.unwrap_or(u64::MAX),
            rejects: Vec::new(),
        })
    }

    /// One cell a column, or why the record is no row.
    fn row(&self, bytes: &[u8]) -> Result<Vec<Option<String>>, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "bytes that are not utf-8 or utf-16")?;
        let mut row = vec![None; self.keys.names.len()];
        let mut filled = vec![false; row.len()];
        for (key, value) in members(text)? {
            let Some(index) = self.keys.by_key.get(&key).copied() else {
                return Err("a key that was not there when the file was opened: it changed meanwhile".to_string());
            };
            if std::mem::replace(&mut filled[index], true) {
                return Err(format!("the key of column {} occurs twice", self.keys.names[index]));
            }
            row[index] = cell(value)?;
        }
        Ok(row)
    }
}

impl RecordReader for JsonReader {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let mut columns: Vec<StringChunkedBuilder> =
            self.schema.names().map(|name| StringChunkedBuilder::new(name.into(), 1024)).collect();
        let mut lines = Vec::new();
        let mut bytes = 0;
        while lines.len() < self.batch_rows && bytes < BATCH_BYTES && self.left > 0 {
            let Some(record) = self.records.next()? else { break };
            let text = self.records.bytes(&record.range);
            bytes += text.len();
            match record.broken.map_or_else(|| self.row(text), Err) {
                Ok(row) => {
                    for (column, cell) in columns.iter_mut().zip(&row) {
                        column.append_option(cell.as_deref());
                    }
                    lines.push(record.line);
                    self.left -= 1;
                }
                Err(reason) => {
                    let reason = reject_reason(&reason, text.len() as u64);
                    self.rejects.push(ReadReject { line: record.line, reason, raw: raw(text) });
                }
            }
        }
        if lines.is_empty() && (self.left == 0 || self.records.ended()) {
            return Ok(None);
        }
        let height = lines.len();
        let mut frame: Vec<Column> = columns.into_iter().map(|column| column.finish().into_column()).collect();
        frame.push(Series::new(LINE.into(), lines).into_column());
        Ok(Some(Batch { frame: DataFrame::new(height, frame)? }))
    }

    fn take_rejects(&mut self) -> Vec<ReadReject> {
        std::mem::take(&mut self.rejects)
    }

    fn position(&self) -> (u64, Option<u64>) {
        self.records.position()
    }
}
