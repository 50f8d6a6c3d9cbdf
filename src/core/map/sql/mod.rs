//! Standard SQL scalar expressions → polars expressions, through `sqlparser` and an allow-list of our own.
use polars::prelude::{DataFrame, Expr, StringChunked};

use crate::clean::RuleFailure;
use crate::error::{Error, Result};

/// An error in an expression, with the place to point at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// What is wrong and what is meant, perhaps.
    pub message: String,
    /// Byte range within the expression.
    pub span: (usize, usize),
}

/// What an expression's value is, before it is made text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlType {
    /// String.
    Text,
    /// i64.
    Integer,
    /// f64.
    Double,
    /// Fixed point with that scale.
    Decimal(usize),
    /// Three-valued truth.
    Boolean,
    /// Day.
    Date,
    /// Date and time, microseconds, no zone.
    Timestamp,
}

/// An expression ready to be evaluated over text columns.
#[derive(Debug, Clone)]
pub struct SqlExpr {
    /// Over the source's String columns.
    pub expr: Expr,
    /// Type of its value.
    pub kind: SqlType,
    /// Columns it reads, in order of appearance.
    pub columns: Vec<String>,
}

/// Compiles an expression over these columns.
pub fn compile(sql: &str, columns: &[String]) -> std::result::Result<SqlExpr, SqlError> {
    let _ = columns;
    Err(SqlError { message: "not an expression".into(), span: (0, sql.len()) })
}

/// The column most like `wanted`.
pub(crate) fn nearest_column<'c>(wanted: &str, columns: &'c [String]) -> Option<&'c str> {
    crate::clean::nearest(wanted, columns.iter().map(String::as_str))
}

impl SqlExpr {
    /// The values as text, and the rows that failed, ascending.
    pub fn eval_text(&self, batch: &DataFrame) -> Result<(StringChunked, Vec<RuleFailure>)> {
        let _ = batch;
        Err(Error::data("expressions cannot be evaluated yet"))
    }
    /// The truth of each row; NULL where it is unknown or cannot be told.
    pub fn eval_bool(&self, batch: &DataFrame) -> Result<Vec<Option<bool>>> {
        let _ = batch;
        Err(Error::data("expressions cannot be evaluated yet"))
    }
}

/// Several expressions in one go.
pub(crate) fn eval_texts(exprs: &[&SqlExpr], batch: &DataFrame) -> Result<Vec<(StringChunked, Vec<RuleFailure>)>> {
    exprs.iter().map(|expr| expr.eval_text(batch)).collect()
}
