//! Fields of an object with sampled values, or of a list of fields.
use super::FieldInfo;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::platform::{Batch, Connector, ReadOptions, RecordReader, Schema, Source};

/// Rows that values are sampled from.
const SAMPLED: u64 = 1_000;

/// The fields of an object: names, declared types, values of its first rows.
pub fn fields_of(connector: &dyn Connector, source: &Source, monitor: &dyn Monitor) -> Result<Vec<FieldInfo>> {
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
    while let Some(batch) = reader.next_batch()? {
        monitor.check()?;
        for field in &mut fields {
            let cells = batch.frame.column(&field.name)?.str()?;
            field.samples.extend(cells.iter().flatten().map(str::to_owned));
        }
    }
    Ok(fields)
}

/// As [`fields_of`]; a table with the columns `field` and `label` or `type` is taken for a list of fields, one a row.
pub fn fields_or_list(connector: &dyn Connector, source: &Source, monitor: &dyn Monitor) -> Result<Vec<FieldInfo>> {
    let mut reader = connector.read(source, &ReadOptions::default())?;
    if is_list(reader.schema()) {
        listed(reader.as_mut(), monitor)
    } else {
        drop(reader);
        fields_of(connector, source, monitor)
    }
}

fn is_list(schema: &Schema) -> bool {
    schema.column("field").is_some() && (schema.column("label").is_some() || schema.column("type").is_some())
}

fn listed(reader: &mut dyn RecordReader, monitor: &dyn Monitor) -> Result<Vec<FieldInfo>> {
    let has = |name: &str, reader: &dyn RecordReader| reader.schema().column(name).is_some();
    let (labels, kinds) = (has("label", reader), has("type", reader));
    let mut fields = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        monitor.check()?;
        let names = cells(&batch, "field")?;
        let labels = if labels { cells(&batch, "label")? } else { vec![None; names.len()] };
        let kinds = if kinds { cells(&batch, "type")? } else { vec![None; names.len()] };
        for ((name, label), kind) in names.into_iter().zip(labels).zip(kinds) {
            if let Some(name) = name.filter(|name| !name.is_empty()) {
                fields.push(FieldInfo { label, kind, ..FieldInfo::named(&name) });
            }
        }
    }
    Ok(fields)
}

fn cells(batch: &Batch, name: &str) -> Result<Vec<Option<String>>> {
    Ok(batch.frame.column(name)?.str()?.iter().map(|cell| cell.map(str::to_owned)).collect())
}
