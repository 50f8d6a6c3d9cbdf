//! Literals, types and casts.
use sqlparser::ast::{
    CeilFloorKind, DataType as SqlDataType, DateTimeField, ExactNumberInfo, Expr as Ast, Spanned, TimezoneInfo,
    Value as Literal,
};
use sqlparser::tokenizer::Span;

use super::cast::{NUMBER_SCALE, Target, parse_decimal};
use super::compile::{Compiled, Compiler, words};
use super::functions::DayPart;
use super::node::Node;
use super::value::{DIGITS, Value, kernel, strict};
use super::{SqlError, SqlType};

pub(super) const TYPES: &str = "INTEGER, DECIMAL(14,2), DOUBLE, TEXT, DATE, TIMESTAMP and BOOLEAN are known";

impl Compiler<'_> {
    pub(super) fn literal(&self, value: &Literal, span: Span) -> Compiled {
        let node = match value {
            Literal::Null => Node::null(),
            Literal::Boolean(truth) => Node::literal(Value::Boolean(*truth), SqlType::Boolean),
            Literal::SingleQuotedString(text) | Literal::EscapedStringLiteral(text) => {
                Node::literal(Value::Text(text.clone().into()), SqlType::Text)
            }
            Literal::Number(digits, _) => self.number_literal(digits, span)?,
            _ => return Err(self.error(span, "is no literal that is known here")),
        };
        Ok(node)
    }

    pub(super) fn number_literal(&self, digits: &str, span: Span) -> Compiled {
        if let Ok(value) = digits.parse() {
            return Ok(Node::literal(Value::Integer(value), SqlType::Integer));
        }
        if digits.contains(['e', 'E']) {
            let value = digits.parse::<f64>().ok().filter(|value| value.is_finite());
            return value
                .map(|value| Node::literal(Value::Double(value), SqlType::Double))
                .ok_or_else(|| self.error(span, "the number is out of range"));
        }
        let scale = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let value = if scale <= DIGITS { parse_decimal(digits, scale, false) } else { None };
        value
            .map(|value| Node::literal(Value::Decimal(value), SqlType::Decimal(scale)))
            .ok_or_else(|| self.error(span, "the number has too many digits"))
    }

    /// The type of a cast; `None` if there is no such type here.
    pub(super) fn target(&self, data_type: &SqlDataType, span: Span) -> Result<Option<Target>, SqlError> {
        use SqlDataType as D;
        use sqlparser::ast::CharacterLength;
        let explicit = |kind| Target { kind, size: None, explicit: true };
        let text = |length: &Option<CharacterLength>| match length {
            Some(CharacterLength::IntegerLength { length, .. }) => {
                Target { size: usize::try_from(*length).ok(), ..explicit(SqlType::Text) }
            }
            _ => explicit(SqlType::Text),
        };
        Ok(Some(match data_type {
            D::Text | D::String(None) => explicit(SqlType::Text),
            D::Varchar(length) | D::CharacterVarying(length) | D::CharVarying(length) | D::Nvarchar(length) => {
                text(length)
            }
            D::Int(None) | D::Integer(None) | D::BigInt(None) | D::SmallInt(None) | D::Int4(None) | D::Int8(None) => {
                explicit(SqlType::Integer)
            }
            D::Double(_) | D::DoublePrecision | D::Real | D::Float(_) | D::Float8 | D::Float4 => {
                explicit(SqlType::Double)
            }
            D::Boolean | D::Bool => explicit(SqlType::Boolean),
            D::Date => explicit(SqlType::Date),
            D::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) | D::Datetime(_) => {
                explicit(SqlType::Timestamp)
            }
            D::Decimal(size) | D::Numeric(size) | D::Dec(size) => {
                let (precision, scale) = match size {
                    ExactNumberInfo::None => return Ok(Some(explicit(SqlType::Number(NUMBER_SCALE)))),
                    ExactNumberInfo::Precision(precision) => (*precision, 0),
                    ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
                };
                match (usize::try_from(precision), usize::try_from(scale)) {
                    (Ok(precision @ 1..=DIGITS), Ok(scale)) if scale <= precision => {
                        Target { kind: SqlType::Decimal(scale), size: Some(precision), explicit: true }
                    }
                    _ => return Err(self.error(span, "a DECIMAL has 1 to 38 digits, at most as many behind the point")),
                }
            }
            _ => return Ok(None),
        }))
    }

    pub(super) fn cast(&self, node: &Node, target: Target, span: Span) -> Compiled {
        match node.cast(target) {
            Some(cast) => self.folded(span, cast),
            None => Err(self.error(span, no_cast(node.kind, target.kind))),
        }
    }

    /// A number of some kind; text is read as an exact one.
    pub(super) fn number(&self, node: &Node, span: Span) -> Compiled {
        match node.kind {
            Some(SqlType::Integer | SqlType::Double | SqlType::Decimal(_) | SqlType::Number(_)) => Ok(node.clone()),
            None | Some(SqlType::Text) => self.become_kind(span, node, SqlType::Number(NUMBER_SCALE)),
            kind => Err(self.error(span, format!("must be a number, and is {}", words(kind)))),
        }
    }

    pub(super) fn extract(&mut self, field: &DateTimeField, expr: &Ast, span: Span) -> Compiled {
        use DateTimeField as F;
        let part = match field {
            F::Year | F::Years => DayPart::Year,
            F::Quarter => DayPart::Quarter,
            F::Month | F::Months => DayPart::Month,
            F::Week(None) | F::Weeks | F::IsoWeek => DayPart::Week,
            F::Day | F::Days => DayPart::Day,
            F::Dow | F::DayOfWeek => DayPart::DayOfWeek,
            F::Isodow => DayPart::IsoDayOfWeek,
            F::Doy | F::DayOfYear => DayPart::DayOfYear,
            F::Isoyear => DayPart::IsoYear,
            F::Hour | F::Hours => DayPart::Hour,
            F::Minute | F::Minutes => DayPart::Minute,
            F::Second | F::Seconds => DayPart::Second,
            F::Epoch => DayPart::Epoch,
            _ => return Err(self.error(span, format!("{field} cannot be extracted; YEAR, MONTH, DAY, HOUR … can"))),
        };
        let node = self.node(expr)?;
        let node = self.become_kind(expr.span(), &node, SqlType::Timestamp)?;
        let run = strict(kernel(move |arguments| {
            let Value::Timestamp(micros) = arguments[0] else { return Ok(Value::Null) };
            Ok(part.of(micros).map_or(Value::Null, Value::Integer))
        }));
        self.folded(span, Node::of_kernel(&run, SqlType::Integer, &[node], false))
    }

    pub(super) fn whole(&mut self, name: &str, expr: &Ast, field: &CeilFloorKind, span: Span) -> Compiled {
        match field {
            CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => self.named(name, &[expr], span),
            _ => Err(self.error(span, format!("{name} takes one number"))),
        }
    }
}

pub(super) fn no_cast(from: Option<SqlType>, to: SqlType) -> String {
    format!("{} cannot be made {}", words(from), words(Some(to)))
}
