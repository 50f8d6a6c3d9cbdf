//! The rows of one sheet as text.
use std::path::Path;

use calamine::{Data, ExcelDateTime, Range};
use crm_core::error::{Error, Result};
use crm_core::platform::{Batch, LINE, ReadOptions, ReadReject, RecordReader, Schema};
use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, Series, StringChunkedBuilder};

use crate::csv::unique_names;
use crate::files::{raw, reject_reason, text_schema};

/// Reads a sheet that is in memory: workbooks hold at most 1,048,576 rows, and their format cannot be streamed.
pub(super) struct SheetReader {
    range: Range<Data>,
    schema: Schema,
    /// Columns of the range that hold anything.
    used: Vec<usize>,
    /// Next row of the range.
    row: usize,
    batch_rows: usize,
    left: u64,
    rejects: Vec<ReadReject>,
}

impl SheetReader {
    pub(super) fn new(range: Range<Data>, path: &Path, sheet: &str, options: &ReadOptions) -> Result<Self> {
        let head = range.rows().position(|row| row.iter().any(|cell| !blank(cell))).ok_or_else(|| {
            Error::data(format!("sheet {sheet} of {} is empty", path.display())).advise("name another sheet")
        })?;
        let used: Vec<usize> =
            (0..range.width()).filter(|column| range.rows().any(|row| !blank(&row[*column]))).collect();
        let header = range.rows().nth(head).unwrap_or_default();
        // An error as a name is no name.
        let names: Vec<String> =
            used.iter().map(|column| text(&header[*column]).ok().flatten().unwrap_or_default()).collect();
        Ok(Self {
            schema: text_schema(unique_names(&names)),
            used,
            row: head + 1,
            batch_rows: options.batch_rows.max(1),
            left: options.limit.unwrap_or(u64::MAX),
            rejects: Vec::new(),
            range,
        })
    }

    /// The row's number as the spreadsheet program shows it.
    fn line(&self, row: usize) -> u64 {
        u64::from(self.range.start().map_or(0, |(first, _)| first)) + row as u64 + 1
    }

    /// One cell a column, or why not.
    fn cells(&self, row: usize) -> Result<Vec<Option<String>>, String> {
        let left = self.range.start().map_or(0, |(_, column)| column as usize);
        self.used
            .iter()
            .map(|column| {
                let cell = self.range.get((row, *column)).unwrap_or(&Data::Empty);
                text(cell).map_err(|reason| format!("{reason} in cell {}{}", letters(left + column), self.line(row)))
            })
            .collect()
    }

    /// The row as it stands, cells parted by tabs.
    fn shown(&self, row: usize) -> String {
        let show = |column: &usize| {
            let cell = self.range.get((row, *column)).unwrap_or(&Data::Empty);
            text(cell).map_or_else(|error| error, Option::unwrap_or_default)
        };
        self.used.iter().map(show).collect::<Vec<_>>().join("\t")
    }
}

impl RecordReader for SheetReader {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let mut columns: Vec<StringChunkedBuilder> =
            self.schema.names().map(|name| StringChunkedBuilder::new(name.into(), 1024)).collect();
        let mut lines = Vec::new();
        while lines.len() < self.batch_rows && self.left > 0 && self.row < self.range.height() {
            let row = self.row;
            self.row += 1;
            match self.cells(row) {
                Ok(cells) if cells.iter().all(Option::is_none) => {}
                Ok(cells) => {
                    for (column, cell) in columns.iter_mut().zip(&cells) {
                        column.append_option(cell.as_deref());
                    }
                    lines.push(self.line(row));
                    self.left -= 1;
                }
                Err(reason) => {
                    let shown = self.shown(row);
                    let reason = reject_reason(&reason, shown.len() as u64);
                    self.rejects.push(ReadReject { line: self.line(row), reason, raw: raw(shown.as_bytes()) });
                }
            }
        }
        if lines.is_empty() {
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
        // Bytes mean nothing in a packed file: rows stand for them.
        (self.row as u64, Some(self.range.height() as u64))
    }
}

fn blank(cell: &Data) -> bool {
    match cell {
        Data::Empty => true,
        Data::String(text) => text.is_empty(),
        _ => false,
    }
}

/// A cell as text; the error is the formula error as the spreadsheet shows it.
fn text(cell: &Data) -> Result<Option<String>, String> {
    Ok(match cell {
        Data::Empty => None,
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => {
            (!text.is_empty()).then(|| text.clone())
        }
        Data::Int(number) => Some(number.to_string()),
        // Minus zero is zero to everyone who typed it.
        Data::Float(number) => Some(if *number == 0.0 { "0".to_string() } else { number.to_string() }),
        Data::Bool(flag) => Some(flag.to_string()),
        Data::DateTime(when) if when.is_duration() => Some(duration(when.as_f64())),
        Data::DateTime(when) => Some(date(when)),
        Data::Error(error) => return Err(error.to_string()),
    })
}

/// `2024-02-29`, `2024-02-29T13:05:00`, or `13:05:00` where there is no day.
fn date(when: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, milli) = when.to_ymd_hms_milli();
    let fraction = if milli == 0 { String::new() } else { format!(".{milli:03}") };
    let time = format!("{hour:02}:{minute:02}:{second:02}{fraction}");
    let value = when.as_f64();
    if (0.0..1.0).contains(&value) {
        time
    } else if (hour, minute, second, milli) == (0, 0, 0, 0) {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02}T{time}")
    }
}

/// `PT36H30M15S` out of days.
fn duration(days: f64) -> String {
    let millis = (days.abs() * 86_400_000.0).round() as u64;
    let (seconds, milli) = (millis / 1000, millis % 1000);
    let fraction = if milli == 0 { String::new() } else { format!(".{milli:03}") };
    let sign = if days < 0.0 && millis > 0 { "-" } else { "" };
    format!("{sign}PT{}H{}M{}{fraction}S", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A column's letters: 0 is A, 26 is AA.
fn letters(mut column: usize) -> String {
    let mut name = Vec::new();
    loop {
        name.push(char::from(b'A' + (column % 26) as u8));
        if column < 26 {
            break;
        }
        column = column / 26 - 1;
    }
    name.iter().rev().collect()
}
