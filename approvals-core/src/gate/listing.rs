//! What a call is named by: one canonical list, printed in one go.

use crate::action::Action;
use crate::canonical;

/// A canonical list in the making.
pub(super) struct Listing(String);

impl Listing {
    pub(super) fn of<const N: usize>(texts: [&str; N]) -> Self {
        let mut list = Self(String::with_capacity(768));
        list.0.push('[');
        texts.into_iter().for_each(|text| list.text(text));
        list
    }

    pub(super) fn text(&mut self, text: &str) {
        self.next();
        self.0.push('"');
        canonical::escape_onto(&mut self.0, text);
        self.0.push('"');
    }

    pub(super) fn text_or_none(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.canonical("null"),
        }
    }

    /// Adds what is canonical already.
    pub(super) fn canonical(&mut self, text: &str) {
        self.next();
        self.0.push_str(text);
    }

    pub(super) fn list(&mut self, fill: impl FnOnce(&mut Self)) {
        self.next();
        self.0.push('[');
        fill(self);
        self.0.push(']');
    }

    /// What is asked: the scope, every parameter with its value, and the circumstances.
    pub(super) fn action(&mut self, action: &Action) {
        self.text(action.scope.as_str());
        self.list(|params| {
            for param in &action.params {
                params.list(|named| {
                    named.text(param.name());
                    named.canonical(param.text());
                });
            }
        });
        for words in [&action.resource, &action.environment, &action.tenant] {
            self.text_or_none(words.as_deref());
        }
    }

    pub(super) fn end(mut self) -> String {
        self.0.push(']');
        self.0
    }

    fn next(&mut self) {
        if !self.0.ends_with('[') {
            self.0.push(',');
        }
    }
}
