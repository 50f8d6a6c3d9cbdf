//! Compiled parts of an expression and how they are put together.
use std::sync::Arc;

use polars::prelude::{Expr, lit, when};

use super::SqlType;
use super::cast::{NUMBER_SCALE, Target};
use super::value::{Kernel, Reason, Value, kernel, reasons, strict, values};

/// A part of an expression.
#[derive(Clone)]
pub(super) struct Node {
    /// Its value.
    pub(super) expr: Expr,
    /// `None`: a bare NULL, which fits everywhere.
    pub(super) kind: Option<SqlType>,
    /// Why a row failed, as text, NULL where it did not.
    pub(super) failed: Option<Expr>,
    /// Its value, if it is the same for all rows.
    pub(super) constant: Option<Value<'static>>,
}

impl Node {
    /// A constant.
    pub(super) fn literal(value: Value<'static>, kind: SqlType) -> Self {
        Self { expr: value.clone().literal(kind), kind: Some(kind), failed: None, constant: Some(value) }
    }

    /// NULL without a type.
    pub(super) fn null() -> Self {
        Self { kind: None, ..Self::literal(Value::Null, SqlType::Text) }
    }

    /// A value that polars computes from parts that may fail.
    pub(super) fn native(expr: Expr, kind: SqlType, parts: &[&Node]) -> Self {
        Self {
            expr,
            kind: Some(kind),
            failed: first_failure(parts.iter().map(|part| part.failed.clone())),
            constant: None,
        }
    }

    /// The kernel over these arguments, computed at once if they are constants: a failure is then an error.
    pub(super) fn of_kernel(
        run: &Arc<dyn Kernel>,
        kind: SqlType,
        arguments: &[Node],
        may_fail: bool,
    ) -> Result<Self, Reason> {
        let constants: Option<Vec<Value<'static>>> =
            arguments.iter().map(|argument| argument.constant.clone()).collect();
        if let Some(constants) = constants {
            return Ok(Self::literal(run.run(&constants)?.into_owned(), kind));
        }
        let exprs: Vec<Expr> = arguments.iter().map(|argument| argument.expr.clone()).collect();
        let own = may_fail.then(|| reasons(run, &exprs));
        let failed = first_failure(arguments.iter().map(|argument| argument.failed.clone()).chain([own]));
        Ok(Self { expr: values(run, kind, &exprs), kind: Some(kind), failed, constant: None })
    }

    /// As another kind; `None` if there is no such cast.
    pub(super) fn cast(&self, target: Target) -> Option<Result<Self, Reason>> {
        let Some(from) = self.kind else {
            return Some(Ok(Self::literal(Value::Null, target.kind)));
        };
        if from == target.kind && target.size.is_none() {
            return Some(Ok(self.clone()));
        }
        if !target.exists(from) {
            return None;
        }
        let run = strict(kernel(move |arguments| target.cast(arguments[0].clone(), from)));
        Some(Self::of_kernel(&run, target.kind, std::slice::from_ref(self), target.may_fail(from)))
    }

    /// As this kind, where the operator needs it.
    pub(super) fn become_kind(&self, kind: SqlType) -> Option<Result<Self, Reason>> {
        self.cast(Target::implied(kind))
    }

    /// Its failure, counted only where the guard is true; the guard is made only if it is needed.
    pub(super) fn failed_where(&self, guard: impl FnOnce() -> Option<Expr>) -> Option<Expr> {
        let failed = self.failed.clone()?;
        Some(match guard() {
            Some(guard) => when(guard).then(failed).otherwise(Value::Null.literal(SqlType::Text)),
            None => failed,
        })
    }
}

/// The first failure of several, in the order of evaluation.
pub(super) fn first_failure(failures: impl Iterator<Item = Option<Expr>>) -> Option<Expr> {
    let failures: Vec<Expr> = failures.flatten().collect();
    match failures.len() {
        0 | 1 => failures.into_iter().next(),
        _ => Some(values(&first_value(), SqlType::Text, &failures)),
    }
}

/// The first of its arguments that is not NULL. polars' own way asks for each twice, and for nested ones 2^n times.
pub(super) fn first_value() -> Arc<dyn Kernel> {
    kernel(|arguments| Ok(arguments.iter().find(|argument| !argument.is_null()).cloned().unwrap_or(Value::Null)))
}

/// Whether none of these conditions has this truth: what comes behind them is asked for.
pub(super) fn none_is(truth: bool, conditions: &[Expr]) -> Option<Expr> {
    let run = kernel(move |arguments| Ok(Value::Boolean(!arguments.contains(&Value::Boolean(truth)))));
    (!conditions.is_empty()).then(|| values(&run, SqlType::Boolean, conditions))
}

/// Whether the last of these conditions is true and none before it.
pub(super) fn last_is_first_true(conditions: &[Expr]) -> Expr {
    let run = kernel(|arguments| {
        let first = arguments.iter().position(|argument| *argument == Value::Boolean(true));
        Ok(Value::Boolean(first == arguments.len().checked_sub(1)))
    });
    values(&run, SqlType::Boolean, conditions)
}

/// Combines without depth: a chain of hundreds is a tree of a few levels.
pub(super) fn balanced(exprs: &[Expr], combine: &impl Fn(Expr, Expr) -> Expr) -> Expr {
    match exprs {
        [] => lit(true),
        [one] => one.clone(),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            combine(balanced(left, combine), balanced(right, combine))
        }
    }
}

/// The kind that all of them become as results (CASE, COALESCE): numbers widen, days become times, else text.
pub(super) fn merged(kinds: impl Iterator<Item = Option<SqlType>>) -> Option<SqlType> {
    kinds.flatten().reduce(|a, b| {
        if a == b {
            return a;
        }
        number(a, b).or_else(|| time(a, b)).unwrap_or(SqlType::Text)
    })
}

/// Kinds that have no order between them: a day and a number.
pub(super) struct Incomparable;

/// The kind in which they are compared: text is read as the other kind, nothing but NULLs is text.
pub(super) fn compared(kinds: impl Iterator<Item = Option<SqlType>>) -> Result<SqlType, Incomparable> {
    let mut all: Option<SqlType> = None;
    let mut has_text = false;
    for kind in kinds.flatten() {
        if kind == SqlType::Text {
            has_text = true;
            continue;
        }
        all = Some(match all {
            None => kind,
            Some(other) if other == kind => kind,
            Some(other) => number(other, kind).or_else(|| time(other, kind)).ok_or(Incomparable)?,
        });
    }
    Ok(match (all, has_text) {
        (None, _) => SqlType::Text,
        (Some(SqlType::Integer), true) => SqlType::Number(NUMBER_SCALE),
        (Some(SqlType::Decimal(scale) | SqlType::Number(scale)), true) => SqlType::Number(scale.max(NUMBER_SCALE)),
        (Some(SqlType::Date), true) => SqlType::Timestamp,
        (Some(kind), _) => kind,
    })
}

fn number(a: SqlType, b: SqlType) -> Option<SqlType> {
    use SqlType as T;
    let is_number = |kind| matches!(kind, T::Integer | T::Double | T::Decimal(_) | T::Number(_));
    if !is_number(a) || !is_number(b) {
        return None;
    }
    let scale = a.scale().max(b.scale());
    Some(match (a, b) {
        (T::Double, _) | (_, T::Double) => T::Double,
        (T::Number(_), _) | (_, T::Number(_)) => T::Number(scale),
        (T::Integer, T::Integer) => T::Integer,
        _ => T::Decimal(scale),
    })
}

fn time(a: SqlType, b: SqlType) -> Option<SqlType> {
    match (a, b) {
        (SqlType::Date, SqlType::Timestamp) | (SqlType::Timestamp, SqlType::Date) => Some(SqlType::Timestamp),
        _ => None,
    }
}
