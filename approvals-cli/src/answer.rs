//! What a command says, and how it is printed: text for people, one JSON document for programs.

use std::io::{self, Write as _};
use std::process::ExitCode;

use approvals_core::Untrusted;
use serde_json::Value;

use crate::failure::Failure;

/// What a command has to say, both ways.
#[derive(Debug)]
pub(crate) struct Answer {
    text: String,
    json: Value,
    exit: u8,
}

impl Answer {
    /// An answer of a command that did what was asked.
    pub(crate) fn new(text: impl Into<String>, json: Value) -> Self {
        Self {
            text: text.into(),
            json,
            exit: 0,
        }
    }

    /// The answer of a command that has printed everything itself.
    pub(crate) fn silent() -> Self {
        Self::new("", Value::Null)
    }

    /// The same answer; exit code 1 unless the check it is about passed.
    pub(crate) fn passed(mut self, passed: bool) -> Self {
        self.exit = u8::from(!passed);
        self
    }
}

/// Prints, and lets nothing through that a terminal could act on.
#[derive(Debug)]
pub(crate) struct Printer {
    json: bool,
}

impl Printer {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Shows something before the answer is there; programs find it in the document instead.
    pub(crate) fn show(&self, text: &str) {
        if self.json {
            print_to(io::stderr(), &safe(text));
        } else {
            print_to(io::stdout(), &safe(text));
        }
    }

    /// Prints one of many: a line of text, or a line of JSON. Says whether anybody still reads.
    pub(crate) fn line(&self, text: &str, json: &Value) -> bool {
        let line = if self.json {
            format!("{}\n", ascii(&json.to_string()))
        } else {
            safe(text)
        };
        let mut out = io::stdout();
        out.write_all(line.as_bytes())
            .and_then(|()| out.flush())
            .is_ok()
    }

    /// Prints the answer or the failure, and gives the exit code.
    pub(crate) fn finish(&self, answer: Result<Answer, Failure>) -> ExitCode {
        match answer {
            Ok(answer) if self.json && !answer.json.is_null() => {
                self.document(&answer.json);
                ExitCode::from(answer.exit)
            }
            Ok(answer) => {
                print_to(io::stdout(), &safe(&answer.text));
                ExitCode::from(answer.exit)
            }
            Err(failure) => {
                if self.json {
                    self.document(&failure.to_json());
                }
                print_to(io::stderr(), &safe(&format!("{failure}\n")));
                ExitCode::from(failure.exit())
            }
        }
    }

    fn document(&self, json: &Value) {
        // A document without text is one that holds nothing: `Value` always prints.
        let text = serde_json::to_string_pretty(json).unwrap_or_default();
        print_to(io::stdout(), &format!("{}\n", ascii(&text)));
    }
}

/// Writes out every invisible character but the ends of lines.
///
/// Callers do so where text comes in; here is the last place where it can still be done.
pub(crate) fn safe(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| Untrusted::new(line).to_string())
        .collect();
    lines.join("\n")
}

/// The same JSON in plain ASCII: what is invisible in a string comes as an escape.
pub(crate) fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

fn print_to(mut out: impl io::Write, text: &str) {
    // A reader that went away (`| head`) has seen enough; there is nobody left to tell.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes records to standard output; stops without an error when the reader goes away.
pub(crate) fn stream(lines: impl IntoIterator<Item = Vec<u8>>) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    for line in lines {
        match out.write_all(&line).and_then(|()| out.write_all(b"\n")) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(false),
            written => written?,
        }
    }
    out.flush().map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_10_nothing_invisible_reaches_a_terminal() {
        let evil = "a\x1b[2Jb\r\u{202e}c\u{9b}31m\nsecond line\t";
        let shown = safe(evil);
        assert_eq!(shown.lines().count(), 2);
        assert!(!shown.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')));
        assert_eq!(safe(&shown), shown);
    }

    #[test]
    fn ascii_json_says_the_same() {
        let value = serde_json::json!({ "k": "é\u{202e}\u{9b}\u{7f}😀\n" });
        let text = ascii(&value.to_string());
        assert!(text.is_ascii() && !text.contains('\u{7f}'));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
