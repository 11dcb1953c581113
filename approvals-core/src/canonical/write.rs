//! Prints the canonical bytes.

use std::fmt;

use super::Value;

pub(super) fn value(out: &mut String, value_: &Value) {
    match value_ {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Integer(number) => integer(out, *number),
        Value::Float(number) => float(out, *number),
        Value::Text(string) => text(out, string),
        Value::List(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                value(out, item);
            }
            out.push(']');
        }
        Value::Record(record) => {
            out.push('{');
            for (place, (name, member)) in record.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                text(out, name);
                out.push(':');
                value(out, member);
            }
            out.push('}');
        }
    }
}

fn integer(out: &mut String, number: i128) {
    use std::fmt::Write;
    // Nearly all have 64 bits, which are much cheaper to print.
    match u64::try_from(number.unsigned_abs()) {
        Ok(small) => {
            if number < 0 {
                out.push('-');
            }
            unsigned(out, small);
        }
        Err(_) => {
            let _ = write!(out, "{number}");
        }
    }
}

pub(super) fn unsigned(out: &mut String, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(number % 10).unwrap_or_default();
        used += 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let text = digits.get(digits.len() - used..).unwrap_or_default();
    out.push_str(std::str::from_utf8(text).unwrap_or_default());
}

pub(super) fn float(out: &mut String, number: f64) {
    // The shortest text that reads back as the same number, as ECMAScript and RFC 8785 print it.
    let mut buffer = ryu_js::Buffer::new();
    let shortest = buffer.format_finite(number);
    if number == 0.0 && number.is_sign_negative() {
        out.push('-');
    }
    out.push_str(shortest);
    if !shortest.contains(['.', 'e']) {
        out.push_str(".0");
    }
}

pub(super) fn text(out: &mut String, text: &str) {
    out.push('"');
    escaped(out, text);
    out.push('"');
}

/// A text in the form that its `Display` gives it, without a copy of it.
pub(super) fn displayed<T: fmt::Display + ?Sized>(out: &mut String, text: &T) -> fmt::Result {
    struct Escaped<'a>(&'a mut String);
    impl fmt::Write for Escaped<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            escaped(self.0, part);
            Ok(())
        }
    }
    out.push('"');
    fmt::Write::write_fmt(&mut Escaped(out), format_args!("{text}"))?;
    out.push('"');
    Ok(())
}

pub(super) fn escaped(out: &mut String, text: &str) {
    use std::fmt::Write;
    let odd = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    // Most texts have nothing to escape, and looking at many bytes at once is much cheaper.
    let (blocks, rest) = text.as_bytes().as_chunks::<16>();
    let any = |bytes: &[u8]| bytes.iter().fold(false, |any, byte| any | odd(*byte));
    if !blocks.iter().any(|block| any(block)) && !any(rest) {
        out.push_str(text);
        return;
    }
    let mut plain_from = 0;
    for (place, byte) in text.bytes().enumerate() {
        if !odd(byte) {
            continue;
        }
        out.push_str(text.get(plain_from..place).unwrap_or_default());
        plain_from = place + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x09 => out.push_str("\\t"),
            0x0a => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            0x0d => out.push_str("\\r"),
            control => {
                let _ = write!(out, "\\u{control:04x}");
            }
        }
    }
    out.push_str(text.get(plain_from..).unwrap_or_default());
}
