//! A serde serializer that prints the canonical bytes, and refuses what has no single form.

use serde::Serialize;
use serde::ser;

use super::{MAX_BYTES, MAX_DEPTH, NonCanonical, by_utf16, clip, integer, parse, write};

type Result<T> = std::result::Result<T, NonCanonical>;

/// What is printed, and the room in which members are put in order: one of each, however deep the
/// value nests.
#[derive(Default)]
pub(super) struct Sheet {
    text: String,
    /// The members of every record that is still open, innermost last.
    members: Vec<Member>,
    aside: String,
}

struct Member {
    name: Name,
    from: usize,
    to: usize,
}

impl Sheet {
    /// A sheet that goes on behind this text.
    pub(super) fn onto(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// Prints onto the end of one sheet.
pub(super) struct Serializer<'a> {
    sheet: &'a mut Sheet,
    depth: usize,
}

impl<'a> Serializer<'a> {
    pub(super) fn new(sheet: &'a mut Sheet) -> Self {
        Self { sheet, depth: 0 }
    }

    fn out(&mut self) -> &mut String {
        &mut self.sheet.text
    }

    fn printed(self) -> Result<()> {
        // A hostile value ends in an error and not in memory.
        if self.sheet.text.len() > MAX_BYTES {
            let message = format!(
                "the value is longer than {MAX_BYTES} bytes; pass a reference to it and its digest instead"
            );
            return Err(NonCanonical::new(message));
        }
        Ok(())
    }

    fn whole(mut self, number: impl TryInto<i128>) -> Result<()> {
        let number = number.try_into().unwrap_or(i128::MAX);
        write::value(self.out(), &integer(number)?);
        self.printed()
    }

    fn again(&mut self) -> Serializer<'_> {
        Serializer {
            sheet: self.sheet,
            depth: self.depth,
        }
    }

    fn deeper(&mut self) -> Result<Serializer<'_>> {
        if self.depth >= MAX_DEPTH {
            return Err(NonCanonical::new(format!(
                "the value nests deeper than {MAX_DEPTH} levels"
            )));
        }
        Ok(Serializer {
            sheet: self.sheet,
            depth: self.depth + 1,
        })
    }

    /// Opens `{"variant":`, which `end` closes with one brace more.
    fn variant(mut self, variant: &str) -> Result<Self> {
        self.deeper()?;
        self.out().push('{');
        write::text(self.out(), variant);
        self.out().push(':');
        self.depth += 1;
        Ok(self)
    }

    fn list(mut self, end: &'static str) -> Result<List<'a>> {
        self.deeper()?;
        self.out().push('[');
        Ok(List {
            from: self.sheet.text.len(),
            printer: Self {
                depth: self.depth + 1,
                ..self
            },
            end,
        })
    }

    fn fields(mut self, end: &'static str) -> Result<Fields<'a>> {
        self.deeper()?;
        self.out().push('{');
        let (start, first) = (self.sheet.text.len(), self.sheet.members.len());
        Ok(Fields {
            printer: Self {
                depth: self.depth + 1,
                ..self
            },
            start,
            first,
            sorted: true,
            end,
            number: false,
        })
    }
}

impl<'a> ser::Serializer for Serializer<'a> {
    type Ok = ();
    type Error = NonCanonical;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Fields<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    fn serialize_bool(mut self, v: bool) -> Result<()> {
        self.out().push_str(if v { "true" } else { "false" });
        self.printed()
    }
    fn serialize_i8(self, v: i8) -> Result<()> {
        self.whole(v)
    }
    fn serialize_i16(self, v: i16) -> Result<()> {
        self.whole(v)
    }
    fn serialize_i32(self, v: i32) -> Result<()> {
        self.whole(v)
    }
    fn serialize_i64(self, v: i64) -> Result<()> {
        self.whole(v)
    }
    fn serialize_i128(self, v: i128) -> Result<()> {
        self.whole(v)
    }
    fn serialize_u8(self, v: u8) -> Result<()> {
        self.whole(v)
    }
    fn serialize_u16(self, v: u16) -> Result<()> {
        self.whole(v)
    }
    fn serialize_u32(self, v: u32) -> Result<()> {
        self.whole(v)
    }
    fn serialize_u64(self, v: u64) -> Result<()> {
        self.whole(v)
    }
    fn serialize_u128(self, v: u128) -> Result<()> {
        self.whole(v)
    }
    fn serialize_f32(self, v: f32) -> Result<()> {
        // Widening is exact, so what is shown is the number that runs, to the last digit.
        self.serialize_f64(f64::from(v))
    }
    fn serialize_f64(mut self, v: f64) -> Result<()> {
        if !v.is_finite() {
            return Err(NonCanonical::new(
                "NaN and infinities have no canonical form; pass a finite number or an Option",
            ));
        }
        write::float(self.out(), v);
        self.printed()
    }
    fn serialize_char(self, v: char) -> Result<()> {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(mut self, v: &str) -> Result<()> {
        write::text(self.out(), v);
        self.printed()
    }
    fn collect_str<T: std::fmt::Display + ?Sized>(mut self, v: &T) -> Result<()> {
        write::displayed(self.out(), v).map_err(|error| NonCanonical::new(error.to_string()))?;
        self.printed()
    }
    fn serialize_bytes(self, v: &[u8]) -> Result<()> {
        v.serialize(self)
    }
    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, v: &T) -> Result<()> {
        v.serialize(self)
    }
    fn serialize_unit(mut self) -> Result<()> {
        self.out().push_str("null");
        self.printed()
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        self.serialize_str(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, v: &T) -> Result<()> {
        v.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        v: &T,
    ) -> Result<()> {
        let mut inner = self.variant(variant)?;
        v.serialize(inner.again())?;
        inner.out().push('}');
        inner.printed()
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>> {
        self.list("]")
    }
    fn serialize_tuple(self, _: usize) -> Result<List<'a>> {
        self.list("]")
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'a>> {
        self.list("]")
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'a>> {
        self.variant(variant)?.list("]}")
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Fields<'a>> {
        self.fields("}")
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields<'a>> {
        // With its feature `arbitrary_precision`, serde_json passes numbers as a struct of this name.
        let number = name == "$serde_json::private::Number";
        Ok(Fields {
            number,
            ..self.fields("}")?
        })
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields<'a>> {
        self.variant(variant)?.fields("}}")
    }
}

pub(super) struct List<'a> {
    printer: Serializer<'a>,
    from: usize,
    end: &'static str,
}

impl List<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<()> {
        if self.printer.sheet.text.len() > self.from {
            self.printer.out().push(',');
        }
        item.serialize(self.printer.again())
    }

    fn close(mut self) -> Result<()> {
        self.printer.out().push_str(self.end);
        self.printer.printed()
    }
}

macro_rules! list_like {
    ($($trait:ident :: $method:ident),*) => {$(
        impl ser::$trait for List<'_> {
            type Ok = ();
            type Error = NonCanonical;
            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<()> {
                self.push(item)
            }
            fn end(self) -> Result<()> {
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

/// A record in the making: each member is printed where it comes, and put in order at the end.
pub(super) struct Fields<'a> {
    printer: Serializer<'a>,
    start: usize,
    /// Where its members begin among those of the sheet.
    first: usize,
    sorted: bool,
    end: &'static str,
    number: bool,
}

type Name = std::borrow::Cow<'static, str>;

impl Fields<'_> {
    fn name(&mut self, name: Name) {
        let sheet = &mut *self.printer.sheet;
        let before = sheet.members.get(self.first..).and_then(<[_]>::last);
        if let Some(before) = before {
            self.sorted &= by_utf16(&before.name, &name).is_lt();
            sheet.text.push(',');
        }
        let from = sheet.text.len();
        write::text(&mut sheet.text, &name);
        sheet.text.push(':');
        sheet.members.push(Member {
            name,
            from,
            to: from,
        });
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(self.printer.again())?;
        let sheet = &mut *self.printer.sheet;
        if let Some(member) = sheet.members.last_mut() {
            member.to = sheet.text.len();
        }
        Ok(())
    }

    fn close(mut self) -> Result<()> {
        if self.number {
            self.printer.sheet.members.truncate(self.first);
            return self.exact_number();
        }
        if !self.sorted {
            self.sort()?;
        }
        self.printer.sheet.members.truncate(self.first);
        self.printer.out().push_str(self.end);
        self.printer.printed()
    }

    fn sort(&mut self) -> Result<()> {
        let Sheet {
            text,
            members,
            aside,
        } = &mut *self.printer.sheet;
        let members = members.get_mut(self.first..).unwrap_or_default();
        members.sort_unstable_by(|left, right| by_utf16(&left.name, &right.name));
        let twice = members
            .windows(2)
            .find(|pair| matches!(pair, [left, right] if left.name == right.name));
        if let Some([Member { name, .. }, _]) = twice {
            return Err(NonCanonical::new(format!(
                "the name `{}` stands twice",
                clip(name)
            )));
        }
        aside.clear();
        for member in &*members {
            if !aside.is_empty() {
                aside.push(',');
            }
            aside.push_str(text.get(member.from..member.to).unwrap_or_default());
        }
        text.truncate(self.start);
        text.push_str(aside);
        Ok(())
    }

    /// What was printed is `{"…":"123"`: the number is the text inside.
    fn exact_number(mut self) -> Result<()> {
        let refuse = || NonCanonical::new("a number came in an unknown form");
        let printed = self
            .printer
            .out()
            .get(self.start..)
            .and_then(|member| member.split_once(':'));
        let text = printed
            .map(|(_, text)| text.trim_matches('"').to_owned())
            .ok_or_else(refuse)?;
        self.printer.sheet.text.truncate(self.start - 1);
        write::value(self.printer.out(), &parse::number(&text)?);
        self.printer.printed()
    }
}

impl ser::SerializeMap for Fields<'_> {
    type Ok = ();
    type Error = NonCanonical;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        let mut printed = Sheet::default();
        key.serialize(Serializer::new(&mut printed))?;
        let printed = printed.into_text();
        let name = match printed.as_bytes().first() {
            Some(b'"') => serde_json::from_str(&printed)
                .map_err(|error| NonCanonical::new(error.to_string()))?,
            Some(b'{' | b'[' | b'n') | None => {
                return Err(NonCanonical::new(
                    "only texts, whole numbers and booleans can be names of members",
                ));
            }
            // Numbers and booleans are named by their own text, as serde_json names them.
            _ if printed.contains('.') => {
                return Err(NonCanonical::new(
                    "a fraction cannot be the name of a member; use text",
                ));
            }
            _ => printed,
        };
        if name.starts_with(parse::PRIVATE) {
            return Err(NonCanonical::new("a name is reserved by the JSON library"));
        }
        self.name(name.into());
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.value(value)
    }
    fn end(self) -> Result<()> {
        self.close()
    }
}

macro_rules! struct_like {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Fields<'_> {
            type Ok = ();
            type Error = NonCanonical;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
                self.name(name.into());
                self.value(value)
            }
            fn end(self) -> Result<()> {
                self.close()
            }
        }
    )*};
}
struct_like!(SerializeStruct, SerializeStructVariant);
