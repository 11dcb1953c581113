//! The shape that all argument lists share: `name`, `name = value`, `name(..)`, separated by
//! commas.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Expr, Token, token};

use crate::mistakes::Mistakes;

/// One argument as it was written.
pub(crate) struct Entry {
    pub(crate) name: Ident,
    pub(crate) value: Value,
}

/// What follows the name of an argument.
pub(crate) enum Value {
    Absent,
    Equals(Expr),
    List(TokenStream),
}

impl Entry {
    /// Takes the value of `name = value`; any other shape is a mistake that shows the right one.
    pub(crate) fn equals(self, example: &str, mistakes: &mut Mistakes) -> Option<Expr> {
        match self.value {
            Value::Equals(expr) => Some(expr),
            Value::Absent | Value::List(_) => {
                mistakes.note(
                    self.name.span(),
                    format!("`{}` takes one value: write `{example}`", self.name),
                );
                None
            }
        }
    }

    /// Takes the tokens of `name(..)`; any other shape is a mistake that shows the right one.
    pub(crate) fn list(self, example: &str, mistakes: &mut Mistakes) -> Option<TokenStream> {
        match self.value {
            Value::List(tokens) => Some(tokens),
            Value::Absent | Value::Equals(_) => {
                mistakes.note(
                    self.name.span(),
                    format!("`{}` takes a list: write `{example}`", self.name),
                );
                None
            }
        }
    }

    /// Takes a bare `name`; any other shape is a mistake.
    pub(crate) fn bare(self, mistakes: &mut Mistakes) -> Option<Ident> {
        if matches!(self.value, Value::Absent) {
            return Some(self.name);
        }
        mistakes.note(
            self.name.span(),
            format!("`{0}` takes no value here: write only `{0}`", self.name),
        );
        None
    }
}

/// Reads a whole list. A broken argument is noted and the next one is read all the same.
pub(crate) fn parse(tokens: TokenStream, mistakes: &mut Mistakes) -> Vec<Entry> {
    let read = |input: ParseStream<'_>| {
        let mut found = Vec::new();
        while !input.is_empty() {
            match entry(input) {
                Ok(one) => found.push(one),
                Err(error) => {
                    mistakes.absorb(error);
                    skip_to_comma(input)?;
                }
            }
            if input.parse::<Option<Token![,]>>()?.is_none() && !input.is_empty() {
                mistakes.note(
                    input.span(),
                    "arguments are separated by commas: put a `,` before this",
                );
                skip_to_comma(input)?;
                input.parse::<Option<Token![,]>>()?;
            }
        }
        Ok(found)
    };
    // The reader consumes all input and notes its own mistakes, so an error is not expected here.
    read.parse2(tokens).unwrap_or_default()
}

fn entry(input: ParseStream<'_>) -> syn::Result<Entry> {
    let name = input.call(Ident::parse_any).map_err(|error| {
        syn::Error::new(
            error.span(),
            "expected the name of an argument, such as `scope = \"db.export\"`",
        )
    })?;
    let value = if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(syn::Error::new(
                name.span(),
                format!("`{name} =` has no value: write one after the `=`"),
            ));
        }
        Value::Equals(input.parse()?)
    } else if input.peek(token::Paren) {
        let content;
        syn::parenthesized!(content in input);
        Value::List(content.parse()?)
    } else {
        Value::Absent
    };
    Ok(Entry { name, value })
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Value, parse};
    use crate::mistakes::Mistakes;

    fn check(source: &str, names: &[&str], messages: &[&str]) {
        let mut mistakes = Mistakes::default();
        let entries = parse(source.parse().unwrap(), &mut mistakes);
        let shapes: Vec<String> = entries
            .iter()
            .map(|one| match one.value {
                Value::Absent => one.name.to_string(),
                Value::Equals(_) => format!("{}=", one.name),
                Value::List(_) => format!("{}()", one.name),
            })
            .collect();
        assert_eq!(shapes, names, "{source}");
        assert_eq!(mistakes.messages(), messages, "{source}");
    }

    #[test]
    fn lists() {
        check("", &[], &[]);
        check("a, b = 1, c(x, y),", &["a", "b=", "c()"], &[]);
        check(
            "crate = a::b, gate = f::<A, B>(1, 2), self",
            &["crate=", "gate=", "self"],
            &[],
        );
        check(
            "a b, c",
            &["a", "c"],
            &["arguments are separated by commas: put a `,` before this"],
        );
        check(
            "a =, c",
            &["c"],
            &["`a =` has no value: write one after the `=`"],
        );
        check(
            "\"x\", c, 7",
            &["c"],
            &["expected the name of an argument, such as `scope = \"db.export\"`"; 2],
        );
    }
}
