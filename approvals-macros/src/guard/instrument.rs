//! Keeps `#[instrument]` from writing a redacted parameter into a span.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Attribute, Meta};

use crate::guard::item::Function;
use crate::guard::params::Param;
use crate::mistakes::Mistakes;
use crate::tokens::{self, ident, punct};

/// Notes each parameter with a redacted value that a tracing attribute on the same function
/// records.
pub(crate) fn check(
    function: &Function,
    params: &[Param],
    hidden: &BTreeSet<String>,
    mistakes: &mut Mistakes,
) {
    let body = function.body.as_ref().map(|body| &body.tokens);
    for param in params.iter().filter(|param| hidden.contains(&param.name)) {
        let name = &param.name;
        let below = function
            .attrs
            .iter()
            .any(|attr| is_instrument(attr) && records(attr, name));
        let above = body.is_some_and(|body| span_names(body.clone(), name));
        if below || above {
            mistakes.note(
                param.span,
                format!("`#[instrument]` would record what is redacted in `{name}`: write `#[instrument(skip({name}))]` or `skip_all`, and leave it out of `fields(..)`"),
            );
        }
    }
}

fn is_instrument(attr: &Attribute) -> bool {
    attr.path()
        .segments
        .last()
        .is_some_and(|last| last.ident == "instrument")
}

/// An attribute records every parameter unless it skips it, and whatever its fields name.
fn records(attr: &Attribute, name: &str) -> bool {
    let Meta::List(list) = &attr.meta else {
        return true;
    };
    let tokens: Vec<TokenTree> = list.tokens.clone().into_iter().collect();
    let names = |word: &str| {
        tokens.iter().enumerate().any(|(at, token)| {
            let list = match tokens.get(at + 1) {
                Some(TokenTree::Group(group)) => group.stream().to_token_stream(),
                _ => TokenStream::new(),
            };
            ident(Some(token), word) && tokens::variables(&list).contains(name)
        })
    };
    let skips_all = tokens.iter().any(|token| ident(Some(token), "skip_all"));
    names("fields") || !(skips_all || names("skip"))
}

/// The attribute above this one has already become a `span!(..)` at the start of the body.
fn span_names(body: TokenStream, name: &str) -> bool {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    tokens.iter().enumerate().any(|(at, token)| {
        let TokenTree::Group(group) = token else {
            return false;
        };
        let opens = punct(at.checked_sub(1).and_then(|at| tokens.get(at)), '!')
            && ident(at.checked_sub(2).and_then(|at| tokens.get(at)), "span")
            && is_tracing(&tokens);
        if opens {
            tokens::variables(&group.stream()).contains(name)
        } else {
            span_names(group.stream(), name)
        }
    })
}

/// A span that the user opens by hand is the user's own affair.
fn is_tracing(tokens: &[TokenTree]) -> bool {
    tokens
        .iter()
        .any(|token| ident(Some(token), "__tracing_attr_span"))
}

#[cfg(test)]
mod tests {
    use super::{records, span_names};

    #[test]
    fn attribute_below() {
        for (attr, recorded) in [
            ("#[instrument]", true),
            ("#[tracing::instrument(level = \"debug\")]", true),
            ("#[instrument(skip(token, pool))]", false),
            ("#[instrument(skip(pool))]", true),
            ("#[instrument(skip_all, fields(table))]", false),
            ("#[instrument(skip_all, fields(t = %token))]", true),
            (
                "#[instrument(skip(token), fields(len = token.len()))]",
                true,
            ),
        ] {
            let function: syn::ItemFn =
                syn::parse_str(&format!("{attr} fn f(token: T) {{}}")).unwrap();
            assert_eq!(records(&function.attrs[0], "token"), recorded, "{attr}");
        }
    }

    #[test]
    fn attribute_above() {
        for (body, recorded) in [
            (
                "let __tracing_attr_span = ::tracing::span!(a, token = debug(&token)); work",
                true,
            ),
            (
                "let __tracing_attr_span = ::tracing::span!(a, table = debug(&table)); work(token)",
                false,
            ),
            (
                "Box::pin(async move { let __tracing_attr_span = ::tracing::span!(debug(&token)); })",
                true,
            ),
            ("let span = ::tracing::span!(a, debug(&token));", false),
        ] {
            assert_eq!(
                span_names(body.parse().unwrap(), "token"),
                recorded,
                "{body}"
            );
        }
    }
}
