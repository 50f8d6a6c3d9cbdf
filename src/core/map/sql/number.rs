//! Arithmetic: exact where the operands are, checked everywhere.
use super::SqlType;
use super::cast::{NUMBER_SCALE, date_of};
use super::value::{DIGITS, Reason, Value};

/// An arithmetic operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

const OUT_OF_RANGE: Reason = Reason::Borrowed("the result is out of range");
const BY_ZERO: Reason = Reason::Borrowed("division by zero");

/// Most decimals that a product may grow to.
const PRODUCT_SCALE: usize = 18;

pub(super) fn pow10(exponent: usize) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(exponent).ok()?)
}

/// From one scale to another, rounded half away from zero.
pub(super) fn rescale(value: i128, from: usize, to: usize) -> Option<i128> {
    if to >= from { value.checked_mul(pow10(to - from)?) } else { Some(divide_rounded(value, pow10(from - to)?)) }
}

fn divide_rounded(value: i128, by: i128) -> i128 {
    let (quotient, rest) = (value / by, value % by);
    // Compared by halves, since twice the rest might overflow.
    let up = rest.unsigned_abs() >= by.unsigned_abs().div_ceil(2);
    if up && rest != 0 { quotient + if (value < 0) == (by < 0) { 1 } else { -1 } } else { quotient }
}

impl Arithmetic {
    /// The kind of the result, and the kinds that the operands must become. `None`: no such operation.
    pub(super) fn kinds(self, left: SqlType, right: SqlType) -> Option<(SqlType, SqlType, SqlType)> {
        use SqlType as T;
        let day = |kind| matches!(kind, T::Date | T::Timestamp);
        match (self, left, right) {
            (Self::Subtract, T::Date, T::Date) => return Some((T::Integer, T::Date, T::Date)),
            (Self::Add | Self::Subtract, T::Date, T::Integer) => return Some((T::Date, T::Date, T::Integer)),
            _ if day(left) || day(right) || left == T::Boolean || right == T::Boolean => return None,
            _ => {}
        }
        if left == T::Integer && right == T::Integer {
            return Some((T::Integer, T::Integer, T::Integer));
        }
        if left == T::Double || right == T::Double {
            return Some((T::Double, T::Double, T::Double));
        }
        let operand = |kind| match kind {
            T::Text => T::Number(NUMBER_SCALE),
            T::Integer => T::Decimal(0),
            kind => kind,
        };
        let (left, right) = (operand(left), operand(right));
        let (a, b) = (left.scale(), right.scale());
        let scale = match self {
            Self::Add | Self::Subtract | Self::Modulo => a.max(b),
            Self::Multiply => (a + b).min(PRODUCT_SCALE.max(a).max(b)),
            Self::Divide => a.max(b).max(NUMBER_SCALE),
        };
        let loose = self == Self::Divide || matches!(left, T::Number(_)) || matches!(right, T::Number(_));
        Some((if loose { T::Number(scale) } else { T::Decimal(scale) }, left, right))
    }

    /// Of two values of the kinds that [`Self::kinds`] named.
    pub(super) fn run(
        self,
        kinds: (SqlType, SqlType, SqlType),
        left: &Value<'_>,
        right: &Value<'_>,
    ) -> Result<Value<'static>, Reason> {
        match (left, right) {
            (Value::Integer(a), Value::Integer(b)) => {
                if *b == 0 && matches!(self, Self::Divide | Self::Modulo) {
                    return Err(BY_ZERO);
                }
                let result = match self {
                    Self::Add => a.checked_add(*b),
                    Self::Subtract => a.checked_sub(*b),
                    Self::Multiply => a.checked_mul(*b),
                    Self::Divide => a.checked_div(*b),
                    Self::Modulo => a.checked_rem(*b),
                };
                result.map(Value::Integer).ok_or(OUT_OF_RANGE)
            }
            (Value::Double(a), Value::Double(b)) => {
                if *b == 0.0 && matches!(self, Self::Divide | Self::Modulo) {
                    return Err(BY_ZERO);
                }
                let result = match self {
                    Self::Add => a + b,
                    Self::Subtract => a - b,
                    Self::Multiply => a * b,
                    Self::Divide => a / b,
                    Self::Modulo => a % b,
                };
                if result.is_finite() { Ok(Value::Double(result)) } else { Err(OUT_OF_RANGE) }
            }
            (Value::Decimal(a), Value::Decimal(b)) => {
                if *b == 0 && matches!(self, Self::Divide | Self::Modulo) {
                    return Err(BY_ZERO);
                }
                let limit = pow10(DIGITS).unwrap_or(i128::MAX);
                self.decimal(*a, kinds.1.scale(), *b, kinds.2.scale(), kinds.0.scale())
                    .filter(|result| result.unsigned_abs() < limit.unsigned_abs())
                    .map(Value::Decimal)
                    .ok_or(OUT_OF_RANGE)
            }
            (Value::Date(a), Value::Date(b)) => Ok(Value::Integer(i64::from(*a) - i64::from(*b))),
            (Value::Date(day), Value::Integer(days)) => {
                let days = if self == Self::Add { Some(*days) } else { days.checked_neg() };
                days.and_then(|days| i32::try_from(i64::from(*day).checked_add(days)?).ok())
                    .filter(|day| date_of(*day).is_some())
                    .map(Value::Date)
                    .ok_or(OUT_OF_RANGE)
            }
            _ => Ok(Value::Null),
        }
    }

    fn decimal(self, a: i128, a_scale: usize, b: i128, b_scale: usize, scale: usize) -> Option<i128> {
        match self {
            Self::Add => rescale(a, a_scale, scale)?.checked_add(rescale(b, b_scale, scale)?),
            Self::Subtract => rescale(a, a_scale, scale)?.checked_sub(rescale(b, b_scale, scale)?),
            Self::Modulo => rescale(a, a_scale, scale)?.checked_rem(rescale(b, b_scale, scale)?),
            Self::Multiply => {
                if let Some(product) = a.checked_mul(b) {
                    return rescale(product, a_scale + b_scale, scale);
                }
                // Most long numbers are short ones with zeros behind.
                let ((a, a_scale), (b, b_scale)) = (without_zeros(a, a_scale), without_zeros(b, b_scale));
                rescale(a.checked_mul(b)?, a_scale + b_scale, scale)
            }
            Self::Divide => {
                let ((a, a_scale), (b, b_scale)) = (without_zeros(a, a_scale), without_zeros(b, b_scale));
                let up = scale + b_scale;
                match up.checked_sub(a_scale) {
                    Some(up) => Some(divide_rounded(a.checked_mul(pow10(up)?)?, b)),
                    None => Some(divide_rounded(a, b.checked_mul(pow10(a_scale - up)?)?)),
                }
            }
        }
    }
}

fn without_zeros(mut value: i128, mut scale: usize) -> (i128, usize) {
    while scale > 0 && value % 10 == 0 {
        value /= 10;
        scale -= 1;
    }
    (value, scale)
}

/// Which way to the next whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    Half,
    Down,
    Up,
}

impl Rounding {
    /// To so many decimals; a negative count rounds before the point. Exact numbers come in units of `scale` and go out
    /// in units of `to`.
    pub(super) fn decimal(self, value: i128, scale: usize, places: i64, to: usize) -> Option<i128> {
        let places = places.clamp(-(DIGITS as i64), DIGITS as i64);
        let drop = usize::try_from(scale as i64 - places).unwrap_or(0);
        let Some(unit) = pow10(drop) else { return Some(0) };
        let rounded = match self {
            Self::Half => divide_rounded(value, unit),
            Self::Down => value.div_euclid(unit),
            Self::Up => value.div_euclid(unit) + i128::from(value.rem_euclid(unit) != 0),
        };
        rescale(rounded.checked_mul(unit)?, scale, to)
    }
    pub(super) fn double(self, value: f64) -> f64 {
        match self {
            Self::Half => value.round(),
            Self::Down => value.floor(),
            Self::Up => value.ceil(),
        }
    }
}
