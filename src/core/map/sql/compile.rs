//! The allow-list: what of SQL there is, and which polars expression it becomes. All else is refused with its place.
use polars::prelude::{Expr, lit};
use sqlparser::ast::{
    BinaryOperator, CastKind, Expr as Ast, Spanned, TrimWhereField, TypedString, UnaryOperator, Value as Literal,
    ValueWithSpan,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer};

use super::conditions::{chain, negated};
use super::node::Node;
use super::number::Arithmetic;
use super::text;
use super::types::{TYPES, no_cast};
use super::value::{Reason, Value, kernel, strict};
use super::{SqlError, SqlExpr, SqlType, nearest_column, place};

/// Longest expression in tokens, blanks included, and deepest nesting of its parts.
const MOST_TOKENS: usize = 8000;
const DEEPEST: usize = 40;

/// From so many tokens on an expression gets a stack of its own: a chain of operators is as deep as it is long, and the
/// parser's tree is walked and dropped by recursion.
const LONG: usize = 150;
const STACK: usize = 64 << 20;

/// Compiles an expression over these columns.
pub fn compile(sql: &str, columns: &[String]) -> Result<SqlExpr, SqlError> {
    let whole = |message: &str| SqlError { message: message.into(), span: (0, sql.len()) };
    if sql.trim().is_empty() {
        return Err(whole("the expression is empty"));
    }
    let dialect = GenericDialect {};
    let parser_error = |error: &ParserError| place::parser_error(sql, error);
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize_with_location()
        .map_err(|error| parser_error(&ParserError::TokenizerError(error.to_string())))?;
    if tokens.len() > MOST_TOKENS {
        return Err(whole("the expression is too long"));
    }
    if tokens.len() < LONG {
        return parsed(sql, columns, tokens);
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("expression".into())
            .stack_size(STACK)
            .spawn_scoped(scope, || parsed(sql, columns, tokens));
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(compiled)) => compiled,
            _ => Err(whole("the expression is too long to be looked at now")),
        }
    })
}

fn parsed(sql: &str, columns: &[String], tokens: Vec<TokenWithSpan>) -> Result<SqlExpr, SqlError> {
    let whole = |message: &str| SqlError { message: message.into(), span: (0, sql.len()) };
    let parser_error = |error: &ParserError| place::parser_error(sql, error);
    let mut parser = Parser::new(&GenericDialect {}).with_tokens_with_locations(tokens);
    let ast = parser.parse_expr().map_err(|error| parser_error(&error))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        let message = format!("the expression ends before '{}'", rest.token);
        return Err(SqlError { message, span: place::range(sql, rest.span) });
    }
    let mut compiler = Compiler { sql, columns, used: Vec::new(), depth: 0 };
    let node = compiler.node(&ast)?;
    let text = match node.become_kind(SqlType::Text) {
        Some(Ok(text)) => text.expr,
        _ => return Err(whole("the expression has no value that can be written")),
    };
    let truth = match node.kind {
        Some(SqlType::Boolean) => Some((node.expr.clone(), node.failed.clone())),
        None | Some(SqlType::Text) => {
            node.become_kind(SqlType::Boolean).and_then(Result::ok).map(|truth| (truth.expr, truth.failed))
        }
        _ => None,
    };
    let kind = node.kind.unwrap_or(SqlType::Text);
    Ok(SqlExpr { expr: node.expr, kind, columns: compiler.used, failed: node.failed, text, truth })
}

pub(super) type Compiled = Result<Node, SqlError>;

pub(super) struct Compiler<'s> {
    pub(super) sql: &'s str,
    columns: &'s [String],
    /// Columns read so far.
    used: Vec<String>,
    depth: usize,
}

impl Compiler<'_> {
    pub(super) fn error(&self, span: Span, message: impl Into<String>) -> SqlError {
        SqlError { message: message.into(), span: place::range(self.sql, span) }
    }

    /// A constant that fails is an error of the expression.
    pub(super) fn folded(&self, span: Span, node: Result<Node, Reason>) -> Compiled {
        node.map_err(|reason| self.error(span, reason))
    }

    /// The operand as a kind that its operator needs.
    pub(super) fn become_kind(&self, span: Span, node: &Node, kind: SqlType) -> Compiled {
        match node.become_kind(kind) {
            Some(node) => self.folded(span, node),
            None => Err(self.error(span, format!("must be {}", words(Some(kind))))),
        }
    }

    pub(super) fn node(&mut self, ast: &Ast) -> Compiled {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error(ast.span(), "the expression is nested too deeply; write many comparisons as IN (…)"));
        }
        let node = self.compiled(ast);
        self.depth -= 1;
        node
    }

    fn compiled(&mut self, ast: &Ast) -> Compiled {
        let span = ast.span();
        match ast {
            Ast::Identifier(ident) => self.column(&ident.value, span),
            Ast::CompoundIdentifier(parts) => {
                let name = parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
                if self.columns.contains(&name) {
                    return Err(self.error(span, format!("write the column as \"{name}\", in double quotes")));
                }
                Err(self.error(span, "write the column alone, without the name of its table"))
            }
            Ast::Nested(inner) => self.node(inner),
            Ast::Value(value) => self.literal(&value.value, span),
            Ast::TypedString(TypedString { data_type, value: ValueWithSpan { value, .. }, .. }) => {
                let (Some(target), Literal::SingleQuotedString(text)) = (self.target(data_type, span)?, value) else {
                    return Err(self.error(span, "is no literal that is known here"));
                };
                let literal = Node::literal(Value::Text(text.clone().into()), SqlType::Text);
                self.cast(&literal, target, span)
            }
            Ast::BinaryOp { left, op, right } => self.binary(left, op, right, span),
            Ast::UnaryOp { op, expr } => {
                let node = self.node(expr)?;
                match op {
                    UnaryOperator::Not => Ok(negated(&self.condition(&node, span)?)),
                    UnaryOperator::Plus => self.number(&node, span),
                    UnaryOperator::Minus => {
                        let node = self.number(&node, span)?;
                        let zero = Node::literal(Value::Integer(0), SqlType::Integer);
                        self.arithmetic(Arithmetic::Subtract, &zero, &node, span)
                    }
                    _ => Err(self.error(span, format!("the operator {op} is not known here"))),
                }
            }
            Ast::IsNull(inner) => {
                let node = self.node(inner)?;
                Ok(Node::native(node.expr.clone().is_null(), SqlType::Boolean, &[&node]))
            }
            Ast::IsNotNull(inner) => {
                let node = self.node(inner)?;
                Ok(Node::native(node.expr.clone().is_not_null(), SqlType::Boolean, &[&node]))
            }
            Ast::IsTrue(inner) => self.truth(inner, |truth| truth.eq_missing(lit(true))),
            Ast::IsNotTrue(inner) => self.truth(inner, |truth| truth.neq_missing(lit(true))),
            Ast::IsFalse(inner) => self.truth(inner, |truth| truth.eq_missing(lit(false))),
            Ast::IsNotFalse(inner) => self.truth(inner, |truth| truth.neq_missing(lit(false))),
            Ast::IsUnknown(inner) => self.truth(inner, Expr::is_null),
            Ast::IsNotUnknown(inner) => self.truth(inner, Expr::is_not_null),
            Ast::IsDistinctFrom(left, right) => self.distinct(left, right, true, span),
            Ast::IsNotDistinctFrom(left, right) => self.distinct(left, right, false, span),
            Ast::InList { expr, list, negated: not } => {
                let found = self.in_list(expr, list, span)?;
                Ok(if *not { negated(&found) } else { found })
            }
            Ast::Between { expr, negated: not, low, high } => {
                let (node, from, to) = (self.node(expr)?, self.node(low)?, self.node(high)?);
                let above = self.comparison(&BinaryOperator::GtEq, &node, &from, span)?;
                let below = self.comparison(&BinaryOperator::LtEq, &node, &to, span)?;
                let inside =
                    Node::native(above.expr.clone().and(below.expr.clone()), SqlType::Boolean, &[&above, &below]);
                Ok(if *not { negated(&inside) } else { inside })
            }
            Ast::Like { negated: not, any: false, expr, pattern, escape_char } => {
                self.like(expr, pattern, escape_char.as_deref(), false, *not)
            }
            Ast::ILike { negated: not, any: false, expr, pattern, escape_char } => {
                self.like(expr, pattern, escape_char.as_deref(), true, *not)
            }
            Ast::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), span)
            }
            Ast::Cast { kind, expr, data_type, format: None } => {
                let Some(target) = self.target(data_type, span)? else {
                    return Err(self.error(span, format!("there is no type {data_type} here; {TYPES}")));
                };
                let node = self.node(expr)?;
                match kind {
                    CastKind::Cast | CastKind::DoubleColon => self.cast(&node, target, span),
                    CastKind::TryCast | CastKind::SafeCast => match node.cast(target) {
                        // The failures of its operand stay.
                        Some(Ok(cast)) => Ok(Node { failed: node.failed, ..cast }),
                        Some(Err(_)) => Ok(Node::literal(Value::Null, target.kind)),
                        None => Err(self.error(span, no_cast(node.kind, target.kind))),
                    },
                }
            }
            Ast::Extract { field, expr, .. } => self.extract(field, expr, span),
            Ast::Ceil { expr, field } => self.whole("ceil", expr, field, span),
            Ast::Floor { expr, field } => self.whole("floor", expr, field, span),
            Ast::Position { expr, r#in } => self.named("strpos", &[r#in, expr], span),
            Ast::Substring { expr, substring_from, substring_for, .. } => {
                let one = Ast::Value(Literal::Number("1".into(), false).with_empty_span());
                let mut arguments = vec![&**expr, substring_from.as_deref().unwrap_or(&one)];
                arguments.extend(substring_for.as_deref());
                self.named("substring", &arguments, span)
            }
            Ast::Trim { expr, trim_where, trim_what, trim_characters } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "trim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let mut arguments = vec![&**expr];
                arguments.extend(trim_what.as_deref());
                arguments.extend(trim_characters.iter().flatten());
                self.named(name, &arguments, span)
            }
            Ast::Function(function) => self.function(function),
            Ast::Subquery(_) | Ast::Exists { .. } | Ast::InSubquery { .. } => {
                Err(self.error(span, "a query has no place in an expression over one row"))
            }
            Ast::Interval(_) => {
                Err(self.error(span, "there are no intervals here; add a number of days to a DATE instead"))
            }
            _ => Err(self.error(span, "is not part of the expressions that are known here")),
        }
    }

    fn column(&mut self, name: &str, span: Span) -> Compiled {
        if !self.columns.iter().any(|column| column == name) {
            if super::functions::IMPURE.contains(&name.to_lowercase().as_str()) {
                return Err(self.impure(name, span));
            }
            return Err(match nearest_column(name, self.columns) {
                Some(near) if plain(near) => self.error(span, format!("no column '{name}': did you mean {near}?")),
                Some(near) => self.error(span, format!("no column '{name}': did you mean \"{near}\", in quotes?")),
                None => self.error(span, format!("no column '{name}'; a text is written in single quotes: '{name}'")),
            });
        }
        if !self.used.iter().any(|used| used == name) {
            self.used.push(name.to_owned());
        }
        // Not `col`, which takes * and ^…$ for patterns.
        Ok(Node { expr: Expr::Column(name.into()), kind: Some(SqlType::Text), failed: None, constant: None })
    }

    pub(super) fn impure(&self, name: &str, span: Span) -> SqlError {
        let what = "depends on more than the row: preview and run would differ";
        self.error(
            span,
            format!("{} {what}; write the day itself, DATE '2024-03-31', or use const", name.to_uppercase()),
        )
    }

    fn binary(&mut self, left: &Ast, op: &BinaryOperator, right: &Ast, span: Span) -> Compiled {
        use BinaryOperator as B;
        if *op == B::StringConcat {
            return self.joined(left, right, span);
        }
        if matches!(op, B::And | B::Or) {
            return self.connected(left, op, right);
        }
        let (a, b) = (self.node(left)?, self.node(right)?);
        let arithmetic = match op {
            B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq => return self.comparison(op, &a, &b, span),
            B::Plus => Arithmetic::Add,
            B::Minus => Arithmetic::Subtract,
            B::Multiply => Arithmetic::Multiply,
            B::Divide => Arithmetic::Divide,
            B::Modulo => Arithmetic::Modulo,
            _ => return Err(self.error(span, format!("the operator {op} is not known here"))),
        };
        self.arithmetic(arithmetic, &a, &b, span)
    }

    /// A chain of `||` is one step, however long.
    fn joined(&mut self, left: &Ast, right: &Ast, span: Span) -> Compiled {
        let operands = chain(left, &BinaryOperator::StringConcat, right);
        let texts = operands.into_iter().map(|operand| self.text(operand)).collect::<Result<Vec<_>, _>>()?;
        self.folded(span, Node::of_kernel(&strict(kernel(text::join)), SqlType::Text, &texts, false))
    }

    pub(super) fn text(&mut self, ast: &Ast) -> Compiled {
        let node = self.node(ast)?;
        self.become_kind(ast.span(), &node, SqlType::Text)
    }

    pub(super) fn arithmetic(&self, op: Arithmetic, left: &Node, right: &Node, span: Span) -> Compiled {
        let kind = |node: &Node| node.kind.unwrap_or(SqlType::Integer);
        let Some(kinds) = op.kinds(kind(left), kind(right)) else {
            let (left, right) = (words(left.kind), words(right.kind));
            return Err(self.error(span, format!("there is no such arithmetic between {left} and {right}")));
        };
        let arguments = [self.become_kind(span, left, kinds.1)?, self.become_kind(span, right, kinds.2)?];
        let run = strict(kernel(move |arguments| op.run(kinds, &arguments[0], &arguments[1])));
        self.folded(span, Node::of_kernel(&run, kinds.0, &arguments, true))
    }
}

/// Whether a column can be written without quotes.
fn plain(name: &str) -> bool {
    let Ok(mut parser) = Parser::new(&GenericDialect {}).try_with_sql(name) else { return false };
    matches!(parser.parse_expr(), Ok(Ast::Identifier(ident)) if ident.value == name && ident.quote_style.is_none())
}

/// A kind in a sentence.
pub(super) fn words(kind: Option<SqlType>) -> &'static str {
    match kind {
        None => "NULL",
        Some(SqlType::Text) => "a text",
        Some(SqlType::Integer) => "a whole number",
        Some(SqlType::Double | SqlType::Decimal(_) | SqlType::Number(_)) => "a number",
        Some(SqlType::Boolean) => "a condition",
        Some(SqlType::Date) => "a day",
        Some(SqlType::Timestamp) => "a date and time",
    }
}
