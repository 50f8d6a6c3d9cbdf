//! One value of an expression, and kernels: functions of values that polars runs over columns.
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use polars::prelude::{
    AnyValue, BooleanChunked, Column, DataType, Expr, Field, Float64Chunked, Int32Chunked, Int64Chunked, Int128Chunked,
    IntoSeries, NewChunkedArray, PolarsResult, Scalar, Series, StringChunked, StringChunkedBuilder, TimeUnit, lit,
    map_multiple,
};

use super::SqlType;

/// Why a cell failed, without its value.
pub(super) type Reason = Cow<'static, str>;

/// Most digits of an exact number.
pub(super) const DIGITS: usize = 38;

/// One value. Its kind is the column's: a decimal does not carry its scale.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    Integer(i64),
    Double(f64),
    /// Units of the last decimal.
    Decimal(i128),
    Boolean(bool),
    /// Days since 1970.
    Date(i32),
    /// Microseconds since 1970.
    Timestamp(i64),
}

impl Value<'_> {
    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
    pub(super) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Null => Value::Null,
            Self::Integer(value) => Value::Integer(value),
            Self::Double(value) => Value::Double(value),
            Self::Decimal(value) => Value::Decimal(value),
            Self::Boolean(value) => Value::Boolean(value),
            Self::Date(value) => Value::Date(value),
            Self::Timestamp(value) => Value::Timestamp(value),
        }
    }
    /// Order within one kind; `None` if one is NULL.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Integer(a), Self::Integer(b)) | (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            (Self::Decimal(a), Self::Decimal(b)) => Some(a.cmp(b)),
            (Self::Boolean(a), Self::Boolean(b)) => Some(a.cmp(b)),
            (Self::Date(a), Self::Date(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
    /// As a polars literal of this kind.
    pub(super) fn literal(self, kind: SqlType) -> Expr {
        let dtype = kind.dtype();
        let value = match self {
            Self::Null => return lit(Scalar::null(dtype)),
            Self::Text(text) => return lit(text.into_owned()),
            Self::Integer(value) => AnyValue::Int64(value),
            Self::Double(value) => AnyValue::Float64(value),
            Self::Decimal(value) => AnyValue::Decimal(value, DIGITS, kind.scale()),
            Self::Boolean(value) => AnyValue::Boolean(value),
            Self::Date(value) => AnyValue::Date(value),
            Self::Timestamp(value) => AnyValue::Datetime(value, TimeUnit::Microseconds, None),
        };
        lit(Scalar::new(dtype, value))
    }
}

impl SqlType {
    /// The column type that holds it.
    pub(super) fn dtype(self) -> DataType {
        match self {
            Self::Text => DataType::String,
            Self::Integer => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Decimal(scale) | Self::Number(scale) => DataType::Decimal(DIGITS, scale),
            Self::Boolean => DataType::Boolean,
            Self::Date => DataType::Date,
            Self::Timestamp => DataType::Datetime(TimeUnit::Microseconds, None),
        }
    }
    /// Decimals of an exact number.
    pub(super) fn scale(self) -> usize {
        match self {
            Self::Decimal(scale) | Self::Number(scale) => scale,
            _ => 0,
        }
    }
}

/// A function of values, the same for every row.
pub(super) trait Kernel: Send + Sync {
    fn run<'a>(&self, arguments: &[Value<'a>]) -> Result<Value<'a>, Reason>;
}

impl<F> Kernel for F
where
    F: for<'a> Fn(&[Value<'a>]) -> Result<Value<'a>, Reason> + Send + Sync,
{
    fn run<'a>(&self, arguments: &[Value<'a>]) -> Result<Value<'a>, Reason> {
        self(arguments)
    }
}

/// Lets the compiler see a closure as a kernel.
pub(super) fn kernel<F>(function: F) -> Arc<dyn Kernel>
where
    F: for<'a> Fn(&[Value<'a>]) -> Result<Value<'a>, Reason> + Send + Sync + 'static,
{
    Arc::new(function)
}

/// A kernel that is NULL where one of its arguments is.
pub(super) fn strict(inner: Arc<dyn Kernel>) -> Arc<dyn Kernel> {
    struct Strict(Arc<dyn Kernel>);
    impl Kernel for Strict {
        fn run<'a>(&self, arguments: &[Value<'a>]) -> Result<Value<'a>, Reason> {
            if arguments.iter().any(Value::is_null) { Ok(Value::Null) } else { self.0.run(arguments) }
        }
    }
    Arc::new(Strict(inner))
}

/// The kernel's values over the arguments' rows; NULL where it fails.
pub(super) fn values(kernel: &Arc<dyn Kernel>, kind: SqlType, arguments: &[Expr]) -> Expr {
    let kernel = kernel.clone();
    mapped(arguments, kind.dtype(), move |rows, readers| {
        let mut writer = Writer::new(kind, rows);
        each_row(rows, readers, |arguments| writer.push(kernel.run(arguments).unwrap_or(Value::Null)));
        Ok(writer.finish(kind))
    })
}

/// Why the kernel fails, as text, over the arguments' rows; NULL where it does not.
pub(super) fn reasons(kernel: &Arc<dyn Kernel>, arguments: &[Expr]) -> Expr {
    let kernel = kernel.clone();
    mapped(arguments, DataType::String, move |rows, readers| {
        let mut builder = StringChunkedBuilder::new("".into(), rows);
        each_row(rows, readers, |arguments| builder.append_option(kernel.run(arguments).err()));
        Ok(builder.finish().into_series())
    })
}

fn mapped(
    arguments: &[Expr],
    dtype: DataType,
    run: impl Fn(usize, &[Reader]) -> PolarsResult<Series> + Send + Sync + 'static,
) -> Expr {
    map_multiple(
        move |columns: &mut [Column]| {
            let readers = columns.iter().map(Reader::new).collect::<PolarsResult<Vec<_>>>()?;
            // A literal comes as one row and stands for all.
            let rows = columns.iter().map(Column::len).find(|len| *len != 1).unwrap_or(1);
            let name = columns.first().map(|column| column.name().clone()).unwrap_or_default();
            Ok(run(rows, &readers)?.with_name(name).into())
        },
        arguments,
        move |_, fields| Ok(Field::new(fields[0].name().clone(), dtype.clone())),
    )
}

fn each_row<'r>(rows: usize, readers: &'r [Reader], mut run: impl FnMut(&[Value<'r>])) {
    let mut arguments = vec![Value::Null; readers.len()];
    for row in 0..rows {
        for (argument, reader) in arguments.iter_mut().zip(readers) {
            *argument = reader.get(row);
        }
        run(&arguments);
    }
}

/// A column whose values are read one by one.
struct Reader {
    cells: Cells,
    /// A literal: its one row stands for all.
    single: bool,
}

enum Cells {
    Text(StringChunked),
    Integer(Int64Chunked),
    Double(Float64Chunked),
    Decimal(Int128Chunked),
    Boolean(BooleanChunked),
    Date(Int32Chunked),
    Timestamp(Int64Chunked),
}

impl Reader {
    fn new(column: &Column) -> PolarsResult<Self> {
        let series = column.as_materialized_series().rechunk();
        let cells = match series.dtype() {
            DataType::Int64 => Cells::Integer(series.i64()?.clone()),
            DataType::Float64 => Cells::Double(series.f64()?.clone()),
            DataType::Decimal(..) => Cells::Decimal(series.decimal()?.physical().clone()),
            DataType::Boolean => Cells::Boolean(series.bool()?.clone()),
            DataType::Date => Cells::Date(series.date()?.physical().clone()),
            DataType::Datetime(..) => Cells::Timestamp(series.datetime()?.physical().clone()),
            _ => Cells::Text(series.str()?.clone()),
        };
        Ok(Self { cells, single: series.len() == 1 })
    }
    #[inline]
    fn get(&self, row: usize) -> Value<'_> {
        let row = if self.single { 0 } else { row };
        match &self.cells {
            Cells::Text(cells) => cells.get(row).map(|text| Value::Text(Cow::Borrowed(text))),
            Cells::Integer(cells) => cells.get(row).map(Value::Integer),
            Cells::Double(cells) => cells.get(row).map(Value::Double),
            Cells::Decimal(cells) => cells.get(row).map(Value::Decimal),
            Cells::Boolean(cells) => cells.get(row).map(Value::Boolean),
            Cells::Date(cells) => cells.get(row).map(Value::Date),
            Cells::Timestamp(cells) => cells.get(row).map(Value::Timestamp),
        }
        .unwrap_or(Value::Null)
    }
}

/// A column as it grows.
enum Writer {
    Text(StringChunkedBuilder),
    Integer(Vec<Option<i64>>),
    Double(Vec<Option<f64>>),
    Decimal(Vec<Option<i128>>),
    Boolean(Vec<Option<bool>>),
    Date(Vec<Option<i32>>),
}

impl Writer {
    fn new(kind: SqlType, rows: usize) -> Self {
        match kind {
            SqlType::Text => Self::Text(StringChunkedBuilder::new("".into(), rows)),
            SqlType::Integer | SqlType::Timestamp => Self::Integer(Vec::with_capacity(rows)),
            SqlType::Double => Self::Double(Vec::with_capacity(rows)),
            SqlType::Decimal(_) | SqlType::Number(_) => Self::Decimal(Vec::with_capacity(rows)),
            SqlType::Boolean => Self::Boolean(Vec::with_capacity(rows)),
            SqlType::Date => Self::Date(Vec::with_capacity(rows)),
        }
    }
    #[inline]
    fn push(&mut self, value: Value<'_>) {
        match (self, value) {
            (Self::Text(cells), Value::Text(text)) => cells.append_value(text),
            (Self::Integer(cells), Value::Integer(value) | Value::Timestamp(value)) => cells.push(Some(value)),
            (Self::Double(cells), Value::Double(value)) => cells.push(Some(value)),
            (Self::Decimal(cells), Value::Decimal(value)) => cells.push(Some(value)),
            (Self::Boolean(cells), Value::Boolean(value)) => cells.push(Some(value)),
            (Self::Date(cells), Value::Date(value)) => cells.push(Some(value)),
            // NULL; a kernel never answers with another kind than its own.
            (Self::Text(cells), _) => cells.append_null(),
            (Self::Integer(cells), _) => cells.push(None),
            (Self::Double(cells), _) => cells.push(None),
            (Self::Decimal(cells), _) => cells.push(None),
            (Self::Boolean(cells), _) => cells.push(None),
            (Self::Date(cells), _) => cells.push(None),
        }
    }
    fn finish(self, kind: SqlType) -> Series {
        let name = || "".into();
        match self {
            Self::Text(cells) => cells.finish().into_series(),
            Self::Integer(cells) => {
                let cells = Int64Chunked::from_iter_options(name(), cells.into_iter());
                if kind == SqlType::Timestamp {
                    cells.into_datetime(TimeUnit::Microseconds, None).into_series()
                } else {
                    cells.into_series()
                }
            }
            Self::Double(cells) => Float64Chunked::from_iter_options(name(), cells.into_iter()).into_series(),
            Self::Decimal(cells) => Int128Chunked::from_iter_options(name(), cells.into_iter())
                .into_decimal_unchecked(DIGITS, kind.scale())
                .into_series(),
            Self::Boolean(cells) => BooleanChunked::from_iter_options(name(), cells.into_iter()).into_series(),
            Self::Date(cells) => Int32Chunked::from_iter_options(name(), cells.into_iter()).into_date().into_series(),
        }
    }
}
