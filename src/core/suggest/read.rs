//! One side of a mapping: the fields of an object with a look at their values, or a list of fields.
use std::sync::Arc;

use polars::prelude::DataFrame;

use super::values::LookBuilder;
use super::{FieldInfo, Side};
use crate::error::Result;
use crate::monitor::Monitor;
use crate::platform::{Batch, Connector, ReadOptions, RecordReader, Schema, Source};

/// Rows that values are looked at.
const SAMPLED: u64 = 10_000;
/// Rows that are kept whole, to try transforms on.
const KEPT: usize = 1_000;

/// The fields of an object: names, declared types, and a look at the values of its first rows.
pub fn sample(connector: &dyn Connector, source: &Source, monitor: &dyn Monitor) -> Result<Side> {
    let options = ReadOptions { limit: Some(SAMPLED), ..ReadOptions::default() };
    let mut reader = connector.read(source, &options)?;
    let mut fields: Vec<FieldInfo> = reader
        .schema()
        .columns
        .iter()
        .map(|column| FieldInfo {
            kind: Some(column.declared.clone()).filter(|declared| !declared.is_empty()),
            ..FieldInfo::named(&column.name)
        })
        .collect();
    let mut looks: Vec<LookBuilder> = fields.iter().map(|_| LookBuilder::default()).collect();
    let mut rows: Option<DataFrame> = None;
    while let Some(batch) = reader.next_batch()? {
        monitor.check()?;
        look_at(&batch, &fields, &mut looks)?;
        let kept = rows.as_ref().map_or(0, DataFrame::height);
        if kept < KEPT {
            let part = batch.frame.select(fields.iter().map(|field| field.name.as_str()))?.head(Some(KEPT - kept));
            rows = Some(match rows.take() {
                None => part,
                Some(mut rows) => {
                    rows.vstack_mut_owned(part)?;
                    rows
                }
            });
        }
    }
    for (field, look) in fields.iter_mut().zip(looks) {
        field.look = Some(Arc::new(look.finish())).filter(|look| look.rows > 0);
    }
    let object = match source {
        Source::Object(name) => name.clone(),
        Source::Query { .. } => String::new(),
    };
    Ok(Side { object, fields, rows })
}

/// Half of the columns each for two threads.
fn look_at(batch: &Batch, fields: &[FieldInfo], looks: &mut [LookBuilder]) -> Result<()> {
    let columns = fields.iter().map(|field| Ok(batch.frame.column(&field.name)?.str()?)).collect::<Result<Vec<_>>>()?;
    let half = columns.len().div_ceil(2);
    let push = |looks: &mut [LookBuilder], columns: &[&polars::prelude::StringChunked]| {
        for (look, cells) in looks.iter_mut().zip(columns) {
            cells.iter().for_each(|cell| look.push(cell));
        }
    };
    let (one, two) = looks.split_at_mut(half);
    std::thread::scope(|scope| {
        scope.spawn(|| push(two, &columns[half..]));
        push(one, &columns[..half]);
    });
    Ok(())
}

/// As [`sample`]; a table with the columns `field` and `label` or `type` is taken for a list of fields, one a row. A column
/// `options` lists the values a field may have, with `|` between.
pub fn sample_or_list(connector: &dyn Connector, source: &Source, monitor: &dyn Monitor) -> Result<Side> {
    let mut reader = connector.read(source, &ReadOptions::default())?;
    if is_list(reader.schema()) {
        listed(reader.as_mut(), monitor)
    } else {
        drop(reader);
        sample(connector, source, monitor)
    }
}

fn is_list(schema: &Schema) -> bool {
    schema.column("field").is_some() && (schema.column("label").is_some() || schema.column("type").is_some())
}

fn listed(reader: &mut dyn RecordReader, monitor: &dyn Monitor) -> Result<Side> {
    let has = |name: &str, reader: &dyn RecordReader| reader.schema().column(name).is_some();
    let there = ["label", "type", "options"].map(|name| has(name, reader));
    let mut fields = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        monitor.check()?;
        let names = cells(&batch, "field")?;
        let column = |at: usize, name: &str| if there[at] { cells(&batch, name) } else { Ok(vec![None; names.len()]) };
        let (labels, kinds, options) = (column(0, "label")?, column(1, "type")?, column(2, "options")?);
        for (((name, label), kind), options) in names.into_iter().zip(labels).zip(kinds).zip(options) {
            if let Some(name) = name.filter(|name| !name.is_empty()) {
                let options = options.unwrap_or_default();
                let options = options.split('|').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
                fields.push(FieldInfo { label, kind, options: options.collect(), ..FieldInfo::named(&name) });
            }
        }
    }
    Ok(Side::of(fields))
}

fn cells(batch: &Batch, name: &str) -> Result<Vec<Option<String>>> {
    Ok(batch.frame.column(name)?.str()?.iter().map(|cell| cell.map(str::to_owned)).collect())
}
