//! Calls of functions.
use std::sync::Arc;

use polars::prelude::{Expr, when};
use regex::RegexBuilder;
use sqlparser::ast::{BinaryOperator, Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned};
use sqlparser::tokenizer::Span;

use super::compile::Compiler;
use super::functions::{AGGREGATES, FUNCTIONS, IMPURE, SPECIAL, WORDED, functions};
use super::node::{Node, compared, first_failure, first_value, merged, none_is};
use super::number::{Arithmetic, Rounding};
use super::value::{Kernel, Reason, Value, kernel, strict, values};
use super::{SqlError, SqlType, text};

type Compiled = Result<Node, SqlError>;

impl Compiler<'_> {
    pub(super) fn function(&mut self, function: &Function) -> Compiled {
        let (name, span) = (function.name.to_string().to_lowercase(), function.name.span());
        if function.over.is_some() {
            return Err(self.error(span, "window functions look at other rows; an expression sees one row alone"));
        }
        if IMPURE.contains(&name.as_str()) {
            return Err(self.impure(&name, span));
        }
        if AGGREGATES.contains(&name.as_str()) {
            let message = format!("{name} looks at many rows; an expression sees one row alone");
            return Err(self.error(span, message));
        }
        let arguments = match &function.args {
            FunctionArguments::None => Vec::new(),
            FunctionArguments::Subquery(_) => {
                return Err(self.error(span, "a query has no place in an expression over one row"));
            }
            FunctionArguments::List(list) => {
                if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
                    return Err(self.error(span, format!("{name} takes plain arguments here")));
                }
                list.args
                    .iter()
                    .map(|argument| match argument {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
                        _ => Err(self.error(span, format!("{name} takes plain arguments here"))),
                    })
                    .collect::<Result<Vec<_>, _>>()?
            }
        };
        if function.filter.is_some()
            || function.null_treatment.is_some()
            || !function.within_group.is_empty()
            || function.parameters != FunctionArguments::None
        {
            return Err(self.error(span, format!("{name} takes plain arguments here")));
        }
        self.named(&name, &arguments, span)
    }

    /// A function by its name; `span` is what to point at.
    pub(super) fn named(&mut self, name: &str, arguments: &[&Ast], span: Span) -> Compiled {
        if let Some(function) = FUNCTIONS.iter().find(|function| function.names.contains(&name)) {
            if !(function.required..=function.arguments.len()).contains(&arguments.len()) {
                return Err(self.error(span, format!("is written {}", function.usage)));
            }
            let mut nodes = Vec::with_capacity(arguments.len());
            for (argument, kind) in arguments.iter().zip(function.arguments) {
                let node = self.node(argument)?;
                nodes.push(self.become_kind(argument.span(), &node, *kind)?);
            }
            let run = strict(kernel(function.run));
            return self.folded(span, Node::of_kernel(&run, function.gives, &nodes, function.may_fail));
        }
        if let Some((_, usage)) = WORDED.iter().find(|(worded, _)| *worded == name) {
            return Err(self.error(span, format!("is written {usage}")));
        }
        let Some((_, usage)) = SPECIAL.iter().find(|(special, _)| *special == name) else {
            let near = crate::clean::nearest(name, functions().into_iter().map(|(name, _)| name));
            return Err(match near {
                Some(near) => self.error(span, format!("no function {name}: did you mean {near}?")),
                None => self.error(span, format!("no function {name}")),
            });
        };
        let wrong = self.error(span, format!("is written {usage}"));
        let mut nodes = Vec::with_capacity(arguments.len());
        for argument in arguments {
            nodes.push(self.node(argument)?);
        }
        match (name, &nodes[..]) {
            ("coalesce", [_, ..]) => self.coalesce(&nodes, span),
            ("nullif", [value, other]) => {
                let equal = self.comparison(&BinaryOperator::Eq, value, other, span)?;
                let kind = value.kind.unwrap_or(SqlType::Text);
                let null = Value::Null.literal(kind);
                // What cannot be read as the other is not equal to it.
                let expr = when(equal.expr).then(null).otherwise(value.expr.clone());
                Ok(Node::native(expr, kind, &[value, other]))
            }
            ("concat", [_, ..]) => self.over_texts(&kernel(text::concat), &nodes, span),
            ("concat_ws", [_, _, ..]) => self.over_texts(&kernel(text::concat_ws), &nodes, span),
            ("greatest" | "least", [_, ..]) => self.extreme(&nodes, name == "greatest", span),
            ("mod", [value, by]) => self.arithmetic(Arithmetic::Modulo, value, by, span),
            ("abs", [value]) => {
                let node = self.number(value, span)?;
                let kind = node.kind.unwrap_or(SqlType::Integer);
                let run = strict(kernel(|arguments| {
                    Ok(match arguments[0] {
                        Value::Integer(value) => Value::Integer(value.checked_abs().ok_or(OUT_OF_RANGE)?),
                        Value::Decimal(value) => Value::Decimal(value.abs()),
                        Value::Double(value) => Value::Double(value.abs()),
                        _ => Value::Null,
                    })
                }));
                self.folded(span, Node::of_kernel(&run, kind, &[node], true))
            }
            ("floor", [value]) => self.rounded(value, Rounding::Down, 0, span),
            ("ceil" | "ceiling", [value]) => self.rounded(value, Rounding::Up, 0, span),
            ("round", [value]) => self.rounded(value, Rounding::Half, 0, span),
            ("round", [value, places]) => match places.constant {
                Some(Value::Integer(places)) => self.rounded(value, Rounding::Half, places, span),
                _ => Err(self.error(arguments[1].span(), "the number of decimals must be a whole number as written")),
            },
            ("regexp_replace", [value, pattern, replacement, flags @ ..]) if flags.len() <= 1 => {
                let (regex, all) = self.regex(pattern, flags.first(), arguments[1].span())?;
                let Some(Value::Text(replacement)) = &replacement.constant else {
                    return Err(self.error(arguments[2].span(), "the replacement must be a text as written"));
                };
                let replacement = regex_replacement(replacement);
                let value = self.become_kind(span, value, SqlType::Text)?;
                let run = strict(kernel(move |arguments| {
                    let found = regex.replacen(text::argument(arguments, 0), usize::from(!all), replacement.as_str());
                    Ok(match found {
                        std::borrow::Cow::Borrowed(_) => arguments[0].clone(),
                        std::borrow::Cow::Owned(new) => Value::Text(new.into()),
                    })
                }));
                self.folded(span, Node::of_kernel(&run, SqlType::Text, &[value], false))
            }
            ("regexp_like", [value, pattern, flags @ ..]) if flags.len() <= 1 => {
                let (regex, _) = self.regex(pattern, flags.first(), arguments[1].span())?;
                let value = self.become_kind(span, value, SqlType::Text)?;
                let run =
                    strict(kernel(move |arguments| Ok(Value::Boolean(regex.is_match(text::argument(arguments, 0))))));
                self.folded(span, Node::of_kernel(&run, SqlType::Boolean, &[value], false))
            }
            _ => Err(wrong),
        }
    }

    /// The first that is not NULL; those behind it are not asked for.
    fn coalesce(&self, nodes: &[Node], span: Span) -> Compiled {
        let kind = merged(nodes.iter().map(|node| node.kind)).unwrap_or(SqlType::Text);
        let nodes = nodes.iter().map(|node| self.become_kind(span, node, kind)).collect::<Result<Vec<_>, _>>()?;
        let exprs: Vec<Expr> = nodes.iter().map(|node| node.expr.clone()).collect();
        let nulls: Vec<Expr> = exprs.iter().map(|expr| expr.clone().is_null()).collect();
        let failures = nodes.iter().enumerate().map(|(at, node)| node.failed_where(|| none_is(false, &nulls[..at])));
        let failed = first_failure(failures);
        Ok(Node { expr: values(&first_value(), kind, &exprs), kind: Some(kind), failed, constant: None })
    }

    fn over_texts(&self, run: &Arc<dyn Kernel>, nodes: &[Node], span: Span) -> Compiled {
        let texts =
            nodes.iter().map(|node| self.become_kind(span, node, SqlType::Text)).collect::<Result<Vec<_>, _>>()?;
        self.folded(span, Node::of_kernel(run, SqlType::Text, &texts, false))
    }

    /// The greatest or least that is not NULL.
    fn extreme(&self, nodes: &[Node], greatest: bool, span: Span) -> Compiled {
        let Ok(kind) = compared(nodes.iter().map(|node| node.kind)) else {
            return Err(self.error(span, "its arguments cannot be compared with each other"));
        };
        let nodes = nodes.iter().map(|node| self.become_kind(span, node, kind)).collect::<Result<Vec<_>, _>>()?;
        let run = kernel(move |arguments| {
            let wanted = if greatest { std::cmp::Ordering::Greater } else { std::cmp::Ordering::Less };
            let found = arguments
                .iter()
                .filter(|argument| !argument.is_null())
                .reduce(|best, next| if next.compare(best) == Some(wanted) { next } else { best });
            Ok(found.cloned().unwrap_or(Value::Null))
        });
        self.folded(span, Node::of_kernel(&run, kind, &nodes, false))
    }

    /// Exact numbers get as many decimals as they are rounded to.
    fn rounded(&self, value: &Node, rounding: Rounding, places: i64, span: Span) -> Compiled {
        let node = self.number(value, span)?;
        let (from, to) = match node.kind {
            Some(kind @ (SqlType::Decimal(scale) | SqlType::Number(scale))) => {
                (kind, SqlType::Decimal(usize::try_from(places).unwrap_or(0).min(scale.max(18))))
            }
            Some(kind) => (kind, kind),
            None => (SqlType::Integer, SqlType::Integer),
        };
        let run = strict(kernel(move |arguments| {
            Ok(match arguments[0] {
                Value::Decimal(value) => {
                    Value::Decimal(rounding.decimal(value, from.scale(), places, to.scale()).ok_or(OUT_OF_RANGE)?)
                }
                Value::Integer(value) if places >= 0 => Value::Integer(value),
                Value::Integer(value) => {
                    let rounded = rounding.decimal(i128::from(value), 0, places, 0);
                    Value::Integer(rounded.and_then(|value| i64::try_from(value).ok()).ok_or(OUT_OF_RANGE)?)
                }
                Value::Double(value) => {
                    let unit = 10_f64.powi(places.clamp(-300, 300) as i32);
                    let rounded = rounding.double(value * unit) / unit;
                    // Beyond the digits that a double has there is nothing to round.
                    Value::Double(if rounded.is_finite() { rounded } else { value })
                }
                _ => Value::Null,
            })
        }));
        self.folded(span, Node::of_kernel(&run, to, &[node], true))
    }

    /// A pattern as written, and whether all matches are meant.
    fn regex(&self, pattern: &Node, flags: Option<&Node>, span: Span) -> Result<(regex::Regex, bool), SqlError> {
        let Some(Value::Text(pattern)) = &pattern.constant else {
            return Err(self.error(span, "the pattern must be a text as written"));
        };
        let flags = match flags.map(|flags| &flags.constant) {
            None => "",
            Some(Some(Value::Text(flags))) if flags.chars().all(|flag| matches!(flag, 'g' | 'i')) => flags,
            Some(_) => return Err(self.error(span, "its flags may be 'g' (all matches) and 'i' (any case)")),
        };
        RegexBuilder::new(pattern)
            .case_insensitive(flags.contains('i'))
            .build()
            .map(|regex| (regex, flags.contains('g')))
            .map_err(|_| self.error(span, "the pattern is not a regular expression"))
    }
}

const OUT_OF_RANGE: Reason = Reason::Borrowed("the result is out of range");

/// `\1` and `\&` as the regex crate writes them.
fn regex_replacement(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '$' => out.push_str("$$"),
            '\\' => match chars.next() {
                Some('&') => out.push_str("${0}"),
                Some(digit @ '0'..='9') => {
                    out.push_str("${");
                    out.push(digit);
                    out.push('}');
                }
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    out
}
