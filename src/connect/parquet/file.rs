//! A Parquet file, row group by row group, in its own types.
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::{ArrowDataType, Column, DataFrame, DataType, PlSmallStr, Schema as TypedSchema};
use polars_io::SerReader;
use polars_io::parquet::read::{FileMetadata, ParallelStrategy, ParquetReader};

use crm_core::error::{Error, Result};
use crm_core::platform::{ColumnInfo, RESERVED_PREFIX, Schema};

use super::cell;
use crate::files;

/// See the module.
pub(super) struct ParquetFile {
    path: PathBuf,
    file: File,
    footer: Arc<FileMetadata>,
    /// Columns with their types.
    pub(super) types: TypedSchema,
    /// Rows of each row group.
    pub(super) groups: Vec<usize>,
    /// The row group that comes next.
    next: usize,
    bytes: u64,
}

impl ParquetFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (mut file, metadata) = files::open_filled(path)?;
        let wrong = |_| {
            Error::platform(format!("{} is not a Parquet file, or it is damaged", path.display()))
                .advise("check the path and the kind of the platform; write the file again")
        };
        let mut reader = ParquetReader::new(&mut file);
        let arrow = reader.schema().map_err(wrong)?;
        let footer = reader.get_metadata().map_err(wrong)?.clone();
        // The method's path is in a crate that is not ours to name.
        #[allow(clippy::redundant_closure_for_method_calls)]
        let groups = footer.row_groups.iter().map(|group| group.num_rows()).collect();
        let mut types = TypedSchema::default();
        for (name, field) in arrow.iter() {
            let at = |error: Error| error.at(path.display());
            if name.starts_with(RESERVED_PREFIX) {
                return Err(at(Error::usage(format!(
                    "column {name}: names that begin with {RESERVED_PREFIX} are taken"
                ))));
            }
            let dtype = dtype_of(&field.dtype).ok_or_else(|| at(cell::unsupported(name, &field.dtype)))?;
            types.insert(name.clone(), dtype);
        }
        Ok(Self { path: path.to_owned(), file, footer, types, groups, next: 0, bytes: metadata.len() })
    }

    /// Columns as the contract has them.
    pub(super) fn schema(&self) -> Schema {
        let info = |(name, dtype): (&PlSmallStr, &DataType)| ColumnInfo {
            name: name.to_string(),
            declared: dtype.to_string(),
            required: false,
            key: false,
            generated: false,
        };
        Schema { columns: self.types.iter().map(info).collect() }
    }

    /// All rows.
    pub(super) fn rows(&self) -> u64 {
        self.groups.iter().map(|rows| *rows as u64).sum()
    }

    /// Bytes done and in all, by row groups.
    pub(super) fn position(&self) -> (u64, u64) {
        let done: usize = self.groups[..self.next].iter().sum();
        (
            u128::from(self.bytes).saturating_mul(done as u128).checked_div(self.rows().into()).unwrap_or(0) as u64,
            self.bytes,
        )
    }

    /// The next row group, None at the end.
    pub(super) fn next_group(&mut self) -> Result<Option<DataFrame>> {
        while self.groups.get(self.next) == Some(&0) {
            self.next += 1;
        }
        let Some(rows) = self.groups.get(self.next).copied() else { return Ok(None) };
        // The reader goes through all groups that it is told of, whatever rows are asked for: it is told of this one only.
        // Places of bytes count from the file's start.
        let metadata = FileMetadata {
            version: self.footer.version,
            num_rows: rows,
            max_row_group_height: rows,
            created_by: None,
            row_groups: vec![self.footer.row_groups[self.next].clone()],
            key_value_metadata: self.footer.key_value_metadata.clone(),
            schema_descr: self.footer.schema_descr.clone(),
            column_orders: None,
            footer_buf: self.footer.footer_buf.clone(),
        };
        self.next += 1;
        let mut reader = ParquetReader::new(&mut self.file);
        reader.set_metadata(Arc::new(metadata));
        let frame = reader
            .read_parallel(ParallelStrategy::None)
            .finish()
            .map_err(|error| Error::from(error).at(self.path.display()))?;
        if frame.height() != rows {
            return Err(
                Error::platform("a row group has another number of rows than the file says").at(self.path.display())
            );
        }
        Ok(Some(frame))
    }
}

/// The type in the table engine; None for those that are not read.
fn dtype_of(arrow: &ArrowDataType) -> Option<DataType> {
    use ArrowDataType as A;
    let known = matches!(
        arrow,
        A::Null
            | A::Boolean
            | A::Int8
            | A::Int16
            | A::Int32
            | A::Int64
            | A::UInt32
            | A::UInt64
            | A::Float32
            | A::Float64
    ) || matches!(
        arrow,
        A::Timestamp(..) | A::Date32 | A::Date64 | A::Time32(_) | A::Time64(_) | A::Duration(_) | A::Decimal(..)
    ) || matches!(
        arrow,
        A::Utf8 | A::LargeUtf8 | A::Utf8View | A::Binary | A::LargeBinary | A::BinaryView | A::FixedSizeBinary(_)
    );
    known.then(|| DataType::from_arrow_dtype(arrow)).filter(cell::is_supported)
}

/// All columns as text.
pub(super) fn text_frame(frame: &DataFrame) -> Result<DataFrame> {
    let columns: Vec<Column> = frame
        .columns()
        .iter()
        .map(|column| Ok(Column::from(polars::prelude::IntoSeries::into_series(cell::to_text(column)?))))
        .collect::<Result<_>>()?;
    Ok(DataFrame::new(frame.height(), columns)?)
}
