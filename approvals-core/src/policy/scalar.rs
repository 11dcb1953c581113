//! Values that conditions compare: exactly, and only with their own kind.

use std::cmp::Ordering;
use std::fmt;

use crate::canonical::Value;

/// A value that a policy compares with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Integer(i128),
    /// Finite.
    Float(f64),
    Bool(bool),
}

/// What can be compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Text,
    Number,
    Boolean,
}

/// A value that can be compared, borrowed from a policy or from an action.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scalar<'a> {
    Text(&'a str),
    Integer(i128),
    Float(f64),
    Bool(bool),
}

impl Literal {
    pub(super) fn family(&self) -> Family {
        match self {
            Self::Text(_) => Family::Text,
            Self::Integer(_) | Self::Float(_) => Family::Number,
            Self::Bool(_) => Family::Boolean,
        }
    }

    pub(super) fn scalar(&self) -> Scalar<'_> {
        match self {
            Self::Text(text) => Scalar::Text(text),
            Self::Integer(number) => Scalar::Integer(*number),
            Self::Float(number) => Scalar::Float(*number),
            Self::Bool(flag) => Scalar::Bool(*flag),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "\"{}\"", text.escape_default()),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Bool(flag) => write!(f, "{flag}"),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
        })
    }
}

impl<'a> Scalar<'a> {
    /// The value of an action, unless it is null, a list or a record.
    pub(super) fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(Self::Text(text)),
            Value::Integer(number) => Some(Self::Integer(*number)),
            Value::Float(number) => Some(Self::Float(*number)),
            Value::Bool(flag) => Some(Self::Bool(*flag)),
            Value::Null | Value::List(_) | Value::Record(_) => None,
        }
    }

    pub(super) fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// How the two compare; `None` when they are not of one family, so that `"12"` is never 12.
    pub(super) fn compare(self, other: Scalar<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(left), Scalar::Text(right)) => Some(left.cmp(right)),
            (Self::Bool(left), Scalar::Bool(right)) => Some(left.cmp(&right)),
            (Self::Integer(left), Scalar::Integer(right)) => Some(left.cmp(&right)),
            (Self::Float(left), Scalar::Float(right)) => left.partial_cmp(&right),
            (Self::Integer(left), Scalar::Float(right)) => integer_with_float(left, right),
            (Self::Float(left), Scalar::Integer(right)) => {
                integer_with_float(right, left).map(Ordering::reverse)
            }
            _ => None,
        }
    }
}

/// Compares without rounding either side: 2^53 + 1 is larger than the float 2^53.
fn integer_with_float(integer: i128, float: f64) -> Option<Ordering> {
    // 2^127, the first float above every i128; its negative is the smallest i128 itself.
    const LIMIT: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    if float.is_nan() {
        None
    } else if float >= LIMIT {
        Some(Ordering::Less)
    } else if float < -LIMIT {
        Some(Ordering::Greater)
    } else {
        // Within the limits the whole part of a float is an i128 exactly.
        let whole = float.trunc() as i128;
        let rest = 0.0_f64.partial_cmp(&float.fract())?;
        Some(integer.cmp(&whole).then(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_exactly() {
        let check = |integer: i128, float: f64, want: Option<Ordering>| {
            let (left, right) = (Scalar::Integer(integer), Scalar::Float(float));
            assert_eq!(left.compare(right), want, "{integer} {float}");
            assert_eq!(
                right.compare(left),
                want.map(Ordering::reverse),
                "{float} {integer}"
            );
        };
        use Ordering::{Equal, Greater, Less};
        let two_53 = 9_007_199_254_740_992_i128;
        check(two_53, 9_007_199_254_740_992.0, Some(Equal));
        check(two_53 + 1, 9_007_199_254_740_992.0, Some(Greater));
        check(two_53 - 1, 9_007_199_254_740_992.0, Some(Less));
        check(
            i128::from(u64::MAX),
            18_446_744_073_709_551_616.0,
            Some(Less),
        );
        check(i128::MAX, f64::MAX, Some(Less));
        check(
            i128::MAX,
            170_141_183_460_469_231_731_687_303_715_884_105_728.0,
            Some(Less),
        );
        check(
            i128::MIN,
            -170_141_183_460_469_231_731_687_303_715_884_105_728.0,
            Some(Equal),
        );
        check(i128::MIN, f64::NEG_INFINITY, Some(Greater));
        check(0, -0.0, Some(Equal));
        check(10, 10.5, Some(Less));
        check(11, 10.5, Some(Greater));
        check(-10, -10.5, Some(Greater));
        check(-11, -10.5, Some(Less));
        check(1, f64::MIN_POSITIVE, Some(Greater));
        check(0, 5e-324, Some(Less));
        check(0, -5e-324, Some(Greater));
        check(0, f64::NAN, None);
    }

    #[test]
    fn families_do_not_mix() {
        let all = [Scalar::Text("12"), Scalar::Integer(12), Scalar::Bool(true)];
        for (i, left) in all.iter().enumerate() {
            for (j, right) in all.iter().enumerate() {
                assert_eq!(left.compare(*right).is_some(), i == j, "{left:?} {right:?}");
            }
        }
    }
}
