//! Standard SQL scalar expressions → polars expressions, through `sqlparser` and an allow-list of our own.
//!
//! Columns are text. Where an operator needs something else, the text is read as it: next to a number as an exact number
//! of up to 10 decimals (next to a DOUBLE as a DOUBLE), next to a day or a time as a time, as a condition as a truth
//! value. What cannot be read is NULL, and the cell has *failed*, as with CAST; TRY_CAST does not fail. A failure counts
//! only where the value is asked for: not in a branch of CASE that is not taken, nor behind `false AND`.
//! Where products differ, functions do as PostgreSQL does; `concat` and `concat_ws` of nothing but NULLs are NULL.
use polars::prelude::{ChunkFullNull, DataFrame, Expr, IntoColumn, IntoLazy, NewChunkedArray, StringChunked};

use crate::clean::RuleFailure;
use crate::error::{Error, Result};

mod calls;
mod cast;
mod compile;
mod conditions;
mod functions;
mod node;
mod number;
mod place;
mod text;
mod types;
mod value;

pub use compile::compile;
pub use functions::functions;

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
    /// Fixed point with that scale, up to 38 digits; written with all its decimals.
    Decimal(usize),
    /// An exact number whose scale nobody declared, held with that many decimals; written without zeros at the end.
    Number(usize),
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
    /// Why a row failed (a cast, an overflow), as text, NULL where it did not; absent if it cannot fail.
    pub failed: Option<Expr>,
    /// The value as text.
    text: Expr,
    /// The value as truth, and why that failed.
    truth: Option<(Expr, Option<Expr>)>,
}

/// The column most like `wanted`: the same but for case, else within a typing error.
pub(crate) fn nearest_column<'c>(wanted: &str, columns: &'c [String]) -> Option<&'c str> {
    crate::clean::nearest(wanted, columns.iter().map(String::as_str))
}

impl SqlExpr {
    /// The values as text, and the rows that failed, ascending; what failed is NULL.
    ///
    /// Integers, decimals with their scale, doubles as short as they read back, `true`/`false`, `2024-03-31`,
    /// `2024-03-31T14:05:00`.
    pub fn eval_text(&self, batch: &DataFrame) -> Result<(StringChunked, Vec<RuleFailure>)> {
        let mut one = eval_texts(&[self], batch)?;
        one.pop().ok_or_else(|| Error::data("an expression was not evaluated"))
    }

    /// The truth of each row; `None` where it is unknown or cannot be told.
    pub fn eval_bool(&self, batch: &DataFrame) -> Result<Vec<Option<bool>>> {
        let Some((truth, failed)) = &self.truth else {
            return Err(Error::usage("the expression is no condition: it must be true, false or NULL"));
        };
        let mut exprs = vec![truth.clone()];
        exprs.extend(failed.clone());
        let frame = self::select(exprs, &[self], batch)?;
        let mut truths: Vec<Option<bool>> = frame.columns()[0].bool()?.iter().collect();
        if let Some(failed) = frame.columns().get(1) {
            for (truth, reason) in truths.iter_mut().zip(failed.str()?.iter()) {
                if reason.is_some() {
                    *truth = None;
                }
            }
        }
        Ok(truths)
    }
}

/// Several expressions in one go.
pub(crate) fn eval_texts(exprs: &[&SqlExpr], batch: &DataFrame) -> Result<Vec<(StringChunked, Vec<RuleFailure>)>> {
    let mut selected = Vec::with_capacity(exprs.len() * 2);
    for expr in exprs {
        selected.push(expr.text.clone());
        selected.extend(expr.failed.clone());
    }
    let frame = select(selected, exprs, batch)?;
    let mut columns = frame.columns().iter();
    let mut next = || -> Result<StringChunked> {
        let column = columns.next().ok_or_else(|| Error::data("an expression was not evaluated"))?;
        Ok(column.as_materialized_series().str()?.clone())
    };
    exprs
        .iter()
        .map(|expr| {
            let mut values = next()?;
            let mut failures = Vec::new();
            if expr.failed.is_some() {
                let reasons = next()?;
                if reasons.null_count() < reasons.len() {
                    failures = reasons
                        .iter()
                        .enumerate()
                        .filter_map(|(row, reason)| Some(RuleFailure { row, reason: reason?.to_owned().into() }))
                        .collect();
                    // A failure behind another value (a CASE over a failed cast) still empties the cell.
                    values = StringChunked::from_iter_options(
                        "".into(),
                        values.iter().zip(reasons.iter()).map(|(value, reason)| value.filter(|_| reason.is_none())),
                    );
                }
            }
            Ok((values, failures))
        })
        .collect()
}

/// Evaluates over the columns that are read, as text, and gives every result the batch's height.
fn select(exprs: Vec<Expr>, of: &[&SqlExpr], batch: &DataFrame) -> Result<DataFrame> {
    let height = batch.height();
    if exprs.is_empty() {
        return Ok(DataFrame::empty_with_height(height));
    }
    let mut names: Vec<&str> = of.iter().flat_map(|expr| expr.columns.iter().map(String::as_str)).collect();
    names.sort_unstable();
    names.dedup();
    // A constant has no column to take its rows from.
    let mut columns = vec![StringChunked::full_null(ROWS.into(), height).into_column()];
    for name in names {
        columns.push(super::pipeline::text_column(batch, name)?.with_name(name.into()).into_column());
    }
    let frame = DataFrame::new(height, columns)?;
    let named: Vec<Expr> = exprs.into_iter().enumerate().map(|(at, expr)| expr.alias(format!("{at}"))).collect();
    let results = frame.lazy().select(named).collect()?;
    if results.height() == height {
        return Ok(results);
    }
    // All of them are constants: one row stands for the batch's, however few those are.
    let columns = results
        .columns()
        .iter()
        .map(|column| if height == 0 { column.clear() } else { column.new_from_index(0, height) })
        .collect();
    Ok(DataFrame::new(height, columns)?)
}

/// A name that no source column has: tables have no such control character in theirs.
const ROWS: &str = "\u{1}rows";

#[cfg(test)]
mod tests;
