//! Reads JSON text that comes from outside, strictly.

use std::fmt;
use std::sync::OnceLock;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::{MAX_BYTES, MAX_DEPTH, NonCanonical, Record, Value};

/// Reads one JSON text; nothing may follow it.
///
/// # Errors
/// [`NonCanonical`] for anything that two readers could understand differently: duplicate names,
/// lone surrogates, numbers that a double would round, nesting deeper than [`MAX_DEPTH`], text
/// longer than [`MAX_BYTES`], and of course for what is not JSON.
///
/// # Examples
/// ```
/// use approvals_core::canonical::parse;
///
/// assert!(parse(br#"{"to":"alice"}"#).is_ok());
/// assert!(parse(br#"{"to":"alice","to":"mallory"}"#).is_err());
/// ```
pub fn parse(text: &[u8]) -> Result<Value, NonCanonical> {
    if text.len() > MAX_BYTES {
        return Err(NonCanonical::new(format!(
            "the text is longer than {MAX_BYTES} bytes"
        )));
    }
    read(text, float_value)
}

/// Reads back what [`Value::to_bytes`] printed, where large floats are known to be exact.
pub(crate) fn parse_own(text: &[u8]) -> Result<Value, NonCanonical> {
    read(text, |float| Ok(Value::Float(float)))
}

type Floats = fn(f64) -> Result<Value, NonCanonical>;

fn read(text: &[u8], floats: Floats) -> Result<Value, NonCanonical> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Seed { depth: 0, floats }
        .deserialize(&mut reader)
        .map_err(|error| NonCanonical::new(error.to_string()))?;
    reader
        .end()
        .map_err(|error| NonCanonical::new(error.to_string()))?;
    Ok(value)
}

/// A number as text, read exactly.
pub(super) fn number(text: &str) -> Result<Value, NonCanonical> {
    if let Ok(whole) = text.parse::<i128>() {
        return super::integer(whole);
    }
    let float: f64 = text
        .parse()
        .map_err(|_| NonCanonical::new("a number cannot be read"))?;
    let is_whole_text = !text.contains(['.', 'e', 'E']);
    float_value(if is_whole_text { f64::INFINITY } else { float })
}

fn float_value(float: f64) -> Result<Value, NonCanonical> {
    // A reader that holds numbers as doubles would merge whole numbers from here on.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if float.is_finite() && (float.abs() < EXACT || float.fract() != 0.0) {
        Ok(Value::Float(float))
    } else {
        Err(NonCanonical::new(
            "a number is too large to be exact; write it as text",
        ))
    }
}

/// How serde_json's own names begin.
pub(super) const PRIVATE: &str = "$serde_json::private::";

/// Whether some crate of this program turned serde_json's `arbitrary_precision` on.
static NUMBERS_ARE_MAPS: OnceLock<bool> = OnceLock::new();

fn numbers_are_maps() -> bool {
    struct Probe;
    impl<'de> Visitor<'de> for Probe {
        type Value = bool;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number")
        }
        fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
            Ok(false)
        }
        fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<bool, A::Error> {
            Ok(true)
        }
    }
    serde::Deserializer::deserialize_any(&mut serde_json::Deserializer::from_str("1"), Probe)
        .unwrap_or(false)
}

struct Seed {
    depth: usize,
    floats: Floats,
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Seed {
    fn deeper<E: serde::de::Error>(&self) -> Result<usize, E> {
        if self.depth >= MAX_DEPTH {
            Err(E::custom(format!(
                "the text nests deeper than {MAX_DEPTH} levels"
            )))
        } else {
            Ok(self.depth + 1)
        }
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number.into()))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Integer(number.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        (self.floats)(number).map_err(E::custom)
    }
    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }
    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let (depth, floats) = (self.deeper()?, self.floats);
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Seed { depth, floats })? {
            items.push(item);
        }
        Ok(Value::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        use serde::de::Error;
        let (depth, floats) = (self.deeper()?, self.floats);
        let mut record = Record::new();
        while let Some(name) = map.next_key::<String>()? {
            if name.starts_with(PRIVATE) {
                // With its feature `arbitrary_precision`, serde_json passes numbers in this form.
                // Whoever writes the form out must not be taken for a number.
                if !*NUMBERS_ARE_MAPS.get_or_init(numbers_are_maps) || !record.is_empty() {
                    return Err(A::Error::custom("a name is reserved by the JSON library"));
                }
                return number(&map.next_value::<String>()?).map_err(A::Error::custom);
            }
            let value = map.next_value_seed(Seed { depth, floats })?;
            record.insert(name, value).map_err(A::Error::custom)?;
        }
        Ok(Value::Record(record))
    }
}
