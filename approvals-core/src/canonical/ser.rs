//! A serde serializer that builds a [`Value`] and refuses what has no single form.

use std::cell::Cell;

use serde::Serialize;
use serde::ser;

use super::{MAX_BYTES, MAX_DEPTH, NonCanonical, Record, Value, by_utf16, clip};

type Result<T> = std::result::Result<T, NonCanonical>;

/// How much a value may still take, so that a hostile one ends in an error and not in memory.
pub(super) struct Budget(Cell<usize>);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Cell::new(MAX_BYTES))
    }

    pub(super) fn take(&self, bytes: usize) -> Result<()> {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.ok_or_else(|| NonCanonical::new(format!("the value is longer than {MAX_BYTES} bytes; pass a reference to it and its digest instead")))?);
        Ok(())
    }
}

#[derive(Clone, Copy)]
pub(super) struct Serializer<'a> {
    budget: &'a Budget,
    depth: usize,
}

impl<'a> Serializer<'a> {
    pub(super) fn new(budget: &'a Budget) -> Self {
        Self { budget, depth: 0 }
    }

    fn deeper(self) -> Result<Self> {
        if self.depth >= MAX_DEPTH {
            return Err(NonCanonical::new(format!(
                "the value nests deeper than {MAX_DEPTH} levels"
            )));
        }
        self.budget.take(2)?;
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }

    fn integer(self, number: impl TryInto<i128>) -> Result<Value> {
        self.budget.take(2)?;
        super::integer(number.try_into().unwrap_or(i128::MAX))
    }

    fn list(self, len: Option<usize>) -> Result<List<'a>> {
        let inner = self.deeper()?;
        Ok(List {
            inner,
            items: Vec::with_capacity(len.unwrap_or(0).min(1024)),
            wrap: None,
        })
    }

    fn fields(self, number: bool) -> Result<Fields<'a>> {
        let inner = self.deeper()?;
        Ok(Fields {
            inner,
            members: Vec::new(),
            key: None,
            wrap: None,
            number,
        })
    }
}

impl<'a> ser::Serializer for Serializer<'a> {
    type Ok = Value;
    type Error = NonCanonical;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Fields<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    fn serialize_bool(self, v: bool) -> Result<Value> {
        self.budget.take(4)?;
        Ok(Value::Bool(v))
    }
    fn serialize_i8(self, v: i8) -> Result<Value> {
        self.integer(v)
    }
    fn serialize_i16(self, v: i16) -> Result<Value> {
        self.integer(v)
    }
    fn serialize_i32(self, v: i32) -> Result<Value> {
        self.integer(v)
    }
    fn serialize_i64(self, v: i64) -> Result<Value> {
        self.integer(v)
    }
    fn serialize_i128(self, v: i128) -> Result<Value> {
        self.integer(v)
    }
    fn serialize_u8(self, v: u8) -> Result<Value> {
        self.integer(v)
    }
    fn serialize_u16(self, v: u16) -> Result<Value> {
        self.integer(v)
    }
    fn serialize_u32(self, v: u32) -> Result<Value> {
        self.integer(v)
    }
    fn serialize_u64(self, v: u64) -> Result<Value> {
        self.integer(v)
    }
    fn serialize_u128(self, v: u128) -> Result<Value> {
        self.integer(v)
    }
    fn serialize_f32(self, v: f32) -> Result<Value> {
        // Widening is exact, so what is shown is the number that runs, to the last digit.
        self.serialize_f64(f64::from(v))
    }
    fn serialize_f64(self, v: f64) -> Result<Value> {
        self.budget.take(8)?;
        if v.is_finite() {
            Ok(Value::Float(v))
        } else {
            Err(NonCanonical::new(
                "NaN and infinities have no canonical form; pass a finite number or an Option",
            ))
        }
    }
    fn serialize_char(self, v: char) -> Result<Value> {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, v: &str) -> Result<Value> {
        self.budget.take(v.len() + 2)?;
        Ok(Value::Text(v.to_owned()))
    }
    fn serialize_bytes(self, v: &[u8]) -> Result<Value> {
        self.budget.take(v.len().saturating_mul(2))?;
        Ok(Value::List(
            v.iter().map(|&byte| Value::Integer(byte.into())).collect(),
        ))
    }
    fn serialize_none(self) -> Result<Value> {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, v: &T) -> Result<Value> {
        v.serialize(self)
    }
    fn serialize_unit(self) -> Result<Value> {
        self.budget.take(4)?;
        Ok(Value::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Value> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value> {
        self.serialize_str(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        v: &T,
    ) -> Result<Value> {
        v.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        v: &T,
    ) -> Result<Value> {
        let inner = v.serialize(self.deeper()?)?;
        one(variant, inner)
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<List<'a>> {
        self.list(len)
    }
    fn serialize_tuple(self, len: usize) -> Result<List<'a>> {
        self.list(Some(len))
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<List<'a>> {
        self.list(Some(len))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<List<'a>> {
        Ok(List {
            wrap: Some(variant),
            ..self.deeper()?.list(Some(len))?
        })
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Fields<'a>> {
        self.fields(false)
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields<'a>> {
        // With its feature `arbitrary_precision`, serde_json passes numbers as a struct of this name.
        self.fields(name == "$serde_json::private::Number")
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields<'a>> {
        Ok(Fields {
            wrap: Some(variant),
            ..self.deeper()?.fields(false)?
        })
    }
}

pub(super) struct List<'a> {
    inner: Serializer<'a>,
    items: Vec<Value>,
    wrap: Option<&'static str>,
}

impl List<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<()> {
        self.items.push(item.serialize(self.inner)?);
        Ok(())
    }

    fn close(self) -> Result<Value> {
        let list = Value::List(self.items);
        self.wrap
            .map_or(Ok(list.clone()), |variant| one(variant, list))
    }
}

macro_rules! list_like {
    ($($trait:ident :: $method:ident),*) => {$(
        impl ser::$trait for List<'_> {
            type Ok = Value;
            type Error = NonCanonical;
            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<()> {
                self.push(item)
            }
            fn end(self) -> Result<Value> {
                self.close()
            }
        }
    )*};
}
list_like!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

pub(super) struct Fields<'a> {
    inner: Serializer<'a>,
    members: Vec<(String, Value)>,
    key: Option<String>,
    wrap: Option<&'static str>,
    number: bool,
}

impl Fields<'_> {
    fn push(&mut self, name: String, value: Value) -> Result<()> {
        self.inner.budget.take(name.len() + 4)?;
        self.members.push((name, value));
        Ok(())
    }

    fn close(mut self) -> Result<Value> {
        if self.number {
            return exact_number(&self.members);
        }
        self.members
            .sort_unstable_by(|left, right| by_utf16(&left.0, &right.0));
        if let Some(name) = twice(&self.members) {
            return Err(NonCanonical::new(format!(
                "the name `{}` stands twice",
                clip(name)
            )));
        }
        let record = Value::Record(Record(self.members));
        match self.wrap {
            Some(variant) => one(variant, record),
            None => Ok(record),
        }
    }
}

impl ser::SerializeMap for Fields<'_> {
    type Ok = Value;
    type Error = NonCanonical;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key = Some(match key.serialize(self.inner)? {
            Value::Text(text) => text,
            Value::Integer(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            other => {
                return Err(NonCanonical::new(format!(
                    "a {} cannot be the name of a member; use text",
                    other.kind()
                )));
            }
        });
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let key = self
            .key
            .take()
            .ok_or_else(|| NonCanonical::new("a map gave a value before its key"))?;
        let value = value.serialize(self.inner)?;
        self.push(key, value)
    }
    fn end(self) -> Result<Value> {
        self.close()
    }
}

macro_rules! struct_like {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Fields<'_> {
            type Ok = Value;
            type Error = NonCanonical;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
                let value = value.serialize(self.inner)?;
                self.push(name.to_owned(), value)
            }
            fn end(self) -> Result<Value> {
                self.close()
            }
        }
    )*};
}
struct_like!(SerializeStruct, SerializeStructVariant);

fn one(name: &str, value: Value) -> Result<Value> {
    let mut record = Record::new();
    record.insert(name, value)?;
    Ok(Value::Record(record))
}

fn twice(members: &[(String, Value)]) -> Option<&str> {
    members.windows(2).find_map(|pair| match pair {
        [left, right] if left.0 == right.0 => Some(left.0.as_str()),
        _ => None,
    })
}

fn exact_number(members: &[(String, Value)]) -> Result<Value> {
    match members {
        [(_, Value::Text(text))] => super::parse::number(text),
        _ => Err(NonCanonical::new("a number came in an unknown form")),
    }
}
