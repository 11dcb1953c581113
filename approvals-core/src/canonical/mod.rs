//! One value, one byte string: the canonical form of everything that is digested or recorded.
//!
//! The form is JSON with members sorted by UTF-16 code units and strings and fractions printed as
//! [RFC 8785] prints them, with two deliberate differences, because an approval must never stretch
//! from one value to another:
//! - integers are printed exactly (RFC 8785 gives 2^53 and 2^53 + 1 the same bytes);
//! - a float is always printed with a fraction or an exponent (`1.0`, `-0.0`), so that it never
//!   equals an integer.
//!
//! NaN, infinities, duplicate names, lone surrogates, nesting deeper than [`MAX_DEPTH`] and forms
//! longer than [`MAX_BYTES`] are errors.
//!
//! [RFC 8785]: https://www.rfc-editor.org/rfc/rfc8785

mod parse;
mod ser;
mod write;

use std::cmp::Ordering;

pub use parse::parse;
pub(crate) use parse::parse_own;

/// How deep lists and records may nest.
pub const MAX_DEPTH: usize = 100;

/// How many bytes one canonical form may take.
pub const MAX_BYTES: usize = 1 << 20;

/// A value that has exactly one canonical form.
///
/// Made by [`to_value`] from anything `Serialize`, or by [`parse()`] from JSON text.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "JSON has no other kinds of value")]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number, exact, within 64 bits.
    Integer(i128),
    /// A finite fraction; never NaN or infinite.
    Float(f64),
    /// A text, unchanged: no trimming, no Unicode normalization.
    Text(String),
    /// Values in order.
    List(Vec<Value>),
    /// Named values, sorted, each name once.
    Record(Record),
}

/// Named values, sorted by the UTF-16 code units of their names, each name once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record(Vec<(String, Value)>);

impl Record {
    /// No members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a member.
    ///
    /// # Errors
    /// [`NonCanonical`] when the name is there already.
    pub fn insert(&mut self, name: impl Into<String>, value: Value) -> Result<(), NonCanonical> {
        let name = name.into();
        match self.0.binary_search_by(|(have, _)| by_utf16(have, &name)) {
            Ok(_) => Err(NonCanonical::new(format!(
                "the name `{}` stands twice",
                clip(&name)
            ))),
            Err(place) => {
                self.0.insert(place, (name, value));
                Ok(())
            }
        }
    }

    /// The member with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let place = self
            .0
            .binary_search_by(|(have, _)| by_utf16(have, name))
            .ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// The members in canonical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Value {
    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_text().into_bytes()
    }

    /// The canonical bytes, which are text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(64);
        write::value(&mut out, self);
        out
    }

    /// The text, when this is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The members, when this is a record.
    #[must_use]
    pub fn as_record(&self) -> Option<&Record> {
        match self {
            Self::Record(record) => Some(record),
            _ => None,
        }
    }

    /// What kind of value this is, in a word, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::Float(_) => "number",
            Self::Text(_) => "text",
            Self::List(_) => "list",
            Self::Record(_) => "record",
        }
    }
}

impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{SerializeMap, SerializeSeq};
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Integer(number) => match i64::try_from(*number) {
                Ok(small) => serializer.serialize_i64(small),
                Err(_) => serializer
                    .serialize_u64(u64::try_from(*number).map_err(serde::ser::Error::custom)?),
            },
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Record(record) => {
                let mut map = serializer.serialize_map(Some(record.len()))?;
                for (name, value) in record.iter() {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// The canonical value of anything serializable.
///
/// # Errors
/// [`NonCanonical`] when the value has no single canonical form, or its `Serialize` fails.
///
/// # Examples
/// ```
/// use approvals_core::canonical::to_value;
///
/// let value = to_value(&9_007_199_254_740_993_u64)?;
/// assert_eq!(value.to_bytes(), b"9007199254740993");
/// assert!(to_value(&f64::NAN).is_err());
/// # Ok::<(), approvals_core::canonical::NonCanonical>(())
/// ```
pub fn to_value<T: serde::Serialize + ?Sized>(value: &T) -> Result<Value, NonCanonical> {
    parse_own(&to_bytes(value)?)
}

/// The canonical bytes of anything serializable: those of its [`to_value`], without the detour.
///
/// # Errors
/// [`NonCanonical`] when the value has no single canonical form, or its `Serialize` fails.
pub fn to_bytes<T: serde::Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, NonCanonical> {
    to_text(value).map(String::into_bytes)
}

/// The canonical bytes of anything serializable, which are text.
///
/// # Errors
/// [`NonCanonical`] when the value has no single canonical form, or its `Serialize` fails.
pub fn to_text<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, NonCanonical> {
    append(String::with_capacity(64), value)
}

/// Prints the canonical bytes of a value behind a text.
pub(crate) fn append<T: serde::Serialize + ?Sized>(
    text: String,
    value: &T,
) -> Result<String, NonCanonical> {
    let mut sheet = ser::Sheet::onto(text);
    value.serialize(ser::Serializer::new(&mut sheet))?;
    Ok(sheet.into_text())
}

/// Prints a part of a text, as it stands between its quotes, behind another.
pub(crate) fn escape_onto(out: &mut String, part: &str) {
    write::escaped(out, part);
}

/// Prints a whole number behind a text.
pub(crate) fn number_onto(out: &mut String, number: u64) {
    write::unsigned(out, number);
}

/// Prints a text in the form that its `Display` gives it behind another.
pub(crate) fn display_onto<T: std::fmt::Display + ?Sized>(out: &mut String, text: &T) {
    // A text in memory takes whatever is written to it, and our own forms never fail.
    let _ = write::displayed(out, text);
}

/// Why a value has no single canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NonCanonical(String);

impl NonCanonical {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl serde::ser::Error for NonCanonical {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

/// A whole number that every JSON reader here can hold.
pub(crate) fn integer(number: i128) -> Result<Value, NonCanonical> {
    let fits = i64::try_from(number).is_ok() || u64::try_from(number).is_ok();
    if fits {
        Ok(Value::Integer(number))
    } else {
        Err(NonCanonical::new(
            "an integer is larger than 64 bits; write it as text",
        ))
    }
}

pub(crate) fn by_utf16(left: &str, right: &str) -> Ordering {
    // The bytes of UTF-8 sort as the units of UTF-16 do, but for characters beyond the first plane
    // (bytes from 0xf0) against the end of the first (from 0xee).
    let mut pairs = left.bytes().zip(right.bytes());
    match pairs.find(|(left, right)| left != right) {
        None => left.len().cmp(&right.len()),
        Some((left, right)) if left < 0xee && right < 0xee => left.cmp(&right),
        Some(_) => left.encode_utf16().cmp(right.encode_utf16()),
    }
}

pub(crate) fn clip(text: &str) -> String {
    text.chars()
        .take(40)
        .flat_map(char::escape_default)
        .collect()
}

#[cfg(test)]
mod tests;
