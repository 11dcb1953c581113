//! Prints the bytes of one record, member by member, in the order in which they must stand.

use std::fmt::Display;

use serde::Serialize;

use crate::canonical::{self, NonCanonical};

/// A record in the making, or a record inside of it.
pub(super) struct Line {
    text: String,
    /// The member in front: names stand in order.
    last: &'static str,
    failed: Option<NonCanonical>,
}

impl Line {
    /// Prints a whole record into a text, in place of what was there.
    pub(super) fn print(
        room: &mut String,
        fill: impl FnOnce(&mut Self),
    ) -> Result<(), NonCanonical> {
        let mut line = Self {
            text: std::mem::take(room),
            last: "",
            failed: None,
        };
        line.text.clear();
        line.text.push('{');
        fill(&mut line);
        line.text.push('}');
        *room = line.text;
        line.failed.map_or(Ok(()), Err)
    }

    fn name(&mut self, name: &'static str) {
        debug_assert!(self.last < name, "`{name}` stands behind `{}`", self.last);
        self.last = name;
        self.text.push_str(if self.text.ends_with('{') {
            "\""
        } else {
            ",\""
        });
        self.text.push_str(name);
        self.text.push_str("\":");
    }

    pub(super) fn text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        self.item(text);
    }

    fn item(&mut self, text: &str) {
        self.text.push('"');
        canonical::escape_onto(&mut self.text, text);
        self.text.push('"');
    }

    pub(super) fn number(&mut self, name: &'static str, number: u64) {
        self.name(name);
        canonical::number_onto(&mut self.text, number);
    }

    /// A value in the form that its `Display` gives it.
    pub(super) fn shown<T: Display>(&mut self, name: &'static str, value: &T) {
        self.name(name);
        canonical::display_onto(&mut self.text, value);
    }

    pub(super) fn sha256(&mut self, name: &'static str, bytes: &[u8; 32]) {
        self.name(name);
        self.text.push_str("\"sha256:");
        let digits = crate::digest::hex32(bytes);
        self.text
            .push_str(std::str::from_utf8(&digits).unwrap_or_default());
        self.text.push('"');
    }

    pub(super) fn value<T: Serialize>(&mut self, name: &'static str, value: &T) {
        self.onto(name, |text| canonical::append(text, value));
    }

    /// A member that is printed behind what is there.
    pub(super) fn onto(
        &mut self,
        name: &'static str,
        print: impl FnOnce(String) -> Result<String, NonCanonical>,
    ) {
        self.name(name);
        match print(std::mem::take(&mut self.text)) {
            Ok(text) => self.text = text,
            Err(error) => {
                self.failed.get_or_insert(error);
            }
        }
    }

    pub(super) fn texts<'t>(
        &mut self,
        name: &'static str,
        texts: impl IntoIterator<Item = &'t str>,
    ) {
        self.name(name);
        self.text.push('[');
        for text in texts {
            if !self.text.ends_with('[') {
                self.text.push(',');
            }
            self.item(text);
        }
        self.text.push(']');
    }

    pub(super) fn record(&mut self, name: &'static str, fill: impl FnOnce(&mut Self)) {
        self.name(name);
        let last = std::mem::take(&mut self.last);
        self.text.push('{');
        fill(self);
        self.text.push('}');
        self.last = last;
    }
}
