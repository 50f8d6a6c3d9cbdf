//! Conditions: comparison, AND and OR, IN, LIKE, CASE.
use polars::prelude::Expr;
use sqlparser::ast::{BinaryOperator, CaseWhen, Expr as Ast, Spanned};
use sqlparser::tokenizer::Span;

use super::compile::{Compiled, Compiler, words};
use super::node::{Node, balanced, compared, first_failure, last_is_first_true, merged, none_is};
use super::text::{self, Like};
use super::value::{Value, kernel, strict, values};
use super::{SqlError, SqlType};

impl Compiler<'_> {
    pub(super) fn condition(&self, node: &Node, span: Span) -> Compiled {
        match node.kind {
            None | Some(SqlType::Text | SqlType::Boolean) => self.become_kind(span, node, SqlType::Boolean),
            kind => Err(self.error(span, format!("must be a condition, and is {}", words(kind)))),
        }
    }

    pub(super) fn truth(&mut self, inner: &Ast, make: impl Fn(Expr) -> Expr) -> Compiled {
        let node = self.node(inner)?;
        let node = self.condition(&node, inner.span())?;
        Ok(Node::native(make(node.expr.clone()), SqlType::Boolean, &[&node]))
    }

    /// A chain of AND or of OR. What stands right of a decision is not asked for.
    pub(super) fn connected(&mut self, left: &Ast, op: &BinaryOperator, right: &Ast) -> Compiled {
        let mut nodes = Vec::new();
        for operand in chain(left, op, right) {
            let node = self.node(operand)?;
            nodes.push(self.condition(&node, operand.span())?);
        }
        let exprs: Vec<Expr> = nodes.iter().map(|node| node.expr.clone()).collect();
        let decides = *op == BinaryOperator::Or;
        let expr = balanced(&exprs, &|a: Expr, b: Expr| if decides { a.or(b) } else { a.and(b) });
        let failures = nodes.iter().enumerate().map(|(at, node)| node.failed_where(|| none_is(decides, &exprs[..at])));
        Ok(Node { expr, kind: Some(SqlType::Boolean), failed: first_failure(failures), constant: None })
    }

    /// Both as the kind in which they are compared.
    pub(super) fn comparable(&self, nodes: &[&Node], span: Span) -> Result<(SqlType, Vec<Node>), SqlError> {
        let Ok(kind) = compared(nodes.iter().map(|node| node.kind)) else {
            let kinds: Vec<_> = nodes.iter().map(|node| words(node.kind)).collect();
            return Err(self.error(span, format!("cannot be compared: {}", kinds.join(" and "))));
        };
        let nodes = nodes.iter().map(|node| self.become_kind(span, node, kind)).collect::<Result<_, _>>()?;
        Ok((kind, nodes))
    }

    pub(super) fn comparison(&self, op: &BinaryOperator, left: &Node, right: &Node, span: Span) -> Compiled {
        use std::cmp::Ordering as O;
        let (kind, nodes) = self.comparable(&[left, right], span)?;
        let [a, b] = &nodes[..] else { return Err(self.error(span, "needs two operands")) };
        // polars compares decimals by way of a common scale of its own; theirs is one already.
        if matches!(kind, SqlType::Decimal(_) | SqlType::Number(_)) {
            let op = op.clone();
            let run = strict(kernel(move |arguments| {
                let Some(order) = arguments[0].compare(&arguments[1]) else { return Ok(Value::Null) };
                Ok(Value::Boolean(match op {
                    BinaryOperator::Eq => order == O::Equal,
                    BinaryOperator::NotEq => order != O::Equal,
                    BinaryOperator::Lt => order == O::Less,
                    BinaryOperator::LtEq => order != O::Greater,
                    BinaryOperator::Gt => order == O::Greater,
                    _ => order != O::Less,
                }))
            }));
            return self.folded(span, Node::of_kernel(&run, SqlType::Boolean, &nodes, false));
        }
        let (x, y) = (a.expr.clone(), b.expr.clone());
        let expr = match op {
            BinaryOperator::Eq => x.eq(y),
            BinaryOperator::NotEq => x.neq(y),
            BinaryOperator::Lt => x.lt(y),
            BinaryOperator::LtEq => x.lt_eq(y),
            BinaryOperator::Gt => x.gt(y),
            _ => x.gt_eq(y),
        };
        Ok(Node::native(expr, SqlType::Boolean, &[a, b]))
    }

    pub(super) fn distinct(&mut self, left: &Ast, right: &Ast, wanted: bool, span: Span) -> Compiled {
        let (a, b) = (self.node(left)?, self.node(right)?);
        let (_, nodes) = self.comparable(&[&a, &b], span)?;
        let run = kernel(move |arguments| Ok(Value::Boolean((arguments[0] != arguments[1]) == wanted)));
        self.folded(span, Node::of_kernel(&run, SqlType::Boolean, &nodes, false))
    }

    pub(super) fn in_list(&mut self, expr: &Ast, list: &[Ast], span: Span) -> Compiled {
        let mut nodes = vec![self.node(expr)?];
        for item in list {
            nodes.push(self.node(item)?);
        }
        let (kind, nodes) = self.comparable(&nodes.iter().collect::<Vec<_>>(), span)?;
        let items: Option<Vec<_>> = nodes[1..].iter().map(|node| node.constant.clone()).collect();
        let Some(items) = items else {
            let run = kernel(|arguments| Ok(is_in(&arguments[0], &arguments[1..])));
            return self.folded(span, Node::of_kernel(&run, SqlType::Boolean, &nodes, false));
        };
        if kind == SqlType::Text && !items.iter().any(Value::is_null) {
            let set: hashbrown::HashSet<String> =
                items.iter().map(|item| text::argument(std::slice::from_ref(item), 0).to_owned()).collect();
            let run = strict(kernel(move |arguments| Ok(Value::Boolean(set.contains(text::argument(arguments, 0))))));
            return self.folded(span, Node::of_kernel(&run, SqlType::Boolean, &nodes[..1], false));
        }
        let run = kernel(move |arguments| Ok(is_in(&arguments[0], &items)));
        self.folded(span, Node::of_kernel(&run, SqlType::Boolean, &nodes[..1], false))
    }

    pub(super) fn like(&mut self, expr: &Ast, pattern: &Ast, escape: Option<&Ast>, fold: bool, not: bool) -> Compiled {
        let span = pattern.span();
        let escape = match escape {
            None => Some('\\'),
            Some(escape) => match self.text(escape)?.constant {
                Some(Value::Text(text)) if text.chars().count() <= 1 => text.chars().next(),
                _ => return Err(self.error(escape.span(), "ESCAPE is one character in quotes")),
            },
        };
        let (value, pattern) = (self.text(expr)?, self.text(pattern)?);
        let found = if let Some(Value::Text(text)) = &pattern.constant {
            let like = Like::new(text, escape, fold).map_err(|reason| self.error(span, reason))?;
            let run = strict(kernel(move |arguments| Ok(Value::Boolean(like.fits(text::argument(arguments, 0))))));
            Node::of_kernel(&run, SqlType::Boolean, &[value], false)
        } else {
            let run = strict(kernel(move |arguments| {
                let like = Like::new(text::argument(arguments, 1), escape, fold)?;
                Ok(Value::Boolean(like.fits(text::argument(arguments, 0))))
            }));
            Node::of_kernel(&run, SqlType::Boolean, &[value, pattern], true)
        };
        let found = self.folded(span, found)?;
        Ok(if not { negated(&found) } else { found })
    }

    pub(super) fn case(
        &mut self,
        operand: Option<&Ast>,
        conditions: &[CaseWhen],
        other: Option<&Ast>,
        span: Span,
    ) -> Compiled {
        let operand = operand.map(|operand| self.node(operand)).transpose()?;
        let mut branches = Vec::with_capacity(conditions.len());
        for CaseWhen { condition, result } in conditions {
            let node = self.node(condition)?;
            let condition = match &operand {
                Some(operand) => self.comparison(&BinaryOperator::Eq, operand, &node, condition.span())?,
                None => self.condition(&node, condition.span())?,
            };
            branches.push((condition, self.node(result)?, result.span()));
        }
        let other = other.map(|other| self.node(other)).transpose()?.unwrap_or_else(Node::null);
        let kinds = branches.iter().map(|(_, result, _)| result.kind).chain([other.kind]);
        let kind = merged(kinds).unwrap_or(SqlType::Text);
        let other = self.become_kind(span, &other, kind)?;

        let mut results = Vec::with_capacity(branches.len());
        let mut tests = Vec::with_capacity(branches.len());
        for (condition, result, span) in branches {
            results.push(self.become_kind(span, &result, kind)?);
            tests.push(condition);
        }
        let conditions: Vec<Expr> = tests.iter().map(|test| test.expr.clone()).collect();
        // A failure counts in the branch that is reached.
        let failures = tests
            .iter()
            .zip(&results)
            .enumerate()
            .flat_map(|(at, (test, result))| {
                [
                    test.failed_where(|| none_is(true, &conditions[..at])),
                    result.failed_where(|| Some(last_is_first_true(&conditions[..=at]))),
                ]
            })
            .chain([other.failed_where(|| none_is(true, &conditions))]);
        let failed = first_failure(failures);
        // polars' own way nests one branch in the other.
        let branches = conditions.len();
        let run = kernel(move |arguments| {
            let taken = arguments[..branches].iter().position(|test| *test == Value::Boolean(true));
            Ok(arguments[branches + taken.unwrap_or(branches)].clone())
        });
        let arguments: Vec<Expr> =
            conditions.into_iter().chain(results.into_iter().chain([other]).map(|node| node.expr)).collect();
        Ok(Node { expr: values(&run, kind, &arguments), kind: Some(kind), failed, constant: None })
    }
}

/// Three-valued NOT.
pub(super) fn negated(node: &Node) -> Node {
    Node::native(node.expr.clone().not(), SqlType::Boolean, &[node])
}

/// True if one of the items is equal, NULL if that cannot be told, else false.
pub(super) fn is_in<'a>(value: &Value<'_>, items: &[Value<'_>]) -> Value<'a> {
    if value.is_null() {
        return Value::Null;
    }
    if items.iter().any(|item| item == value) {
        Value::Boolean(true)
    } else if items.iter().any(Value::is_null) {
        Value::Null
    } else {
        Value::Boolean(false)
    }
}

/// The operands of a chain of one operator, from left to right.
pub(super) fn chain<'a>(left: &'a Ast, op: &BinaryOperator, right: &'a Ast) -> Vec<&'a Ast> {
    let mut operands = vec![right];
    let mut rest = left;
    while let Ast::BinaryOp { left, op: inner, right } = rest {
        if inner != op {
            break;
        }
        operands.push(right);
        rest = left;
    }
    operands.push(rest);
    operands.reverse();
    operands
}
