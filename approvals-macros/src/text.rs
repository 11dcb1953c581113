//! The format strings of `reason`, `resource` and `environment`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::{Expr, ExprLit, Lit, LitStr};

use crate::mistakes::Mistakes;

/// A format string whose placeholders are all plain names.
pub(crate) struct Text {
    pub(crate) literal: LitStr,
    pub(crate) names: Vec<String>,
}

impl Text {
    /// Reads the value of `argument = "…"`, noting everything that is not a plain named
    /// placeholder.
    pub(crate) fn parse(argument: &str, value: Expr, mistakes: &mut Mistakes) -> Option<Self> {
        let literal = string(argument, "weekly export of {table}", value, mistakes)?;
        match placeholders(&literal.value()) {
            Ok(names) => Some(Self { literal, names }),
            Err(message) => {
                mistakes.note(literal.span(), message);
                None
            }
        }
    }

    /// `format_args!` with each name passed explicitly, so that no capture depends on hygiene.
    pub(crate) fn expand(&self, value_of: impl Fn(&str) -> TokenStream) -> TokenStream {
        let literal = &self.literal;
        let arguments = self.names.iter().map(|name| {
            let value = value_of(name);
            let name = Ident::new(name, Span::mixed_site());
            quote!(#name = #value)
        });
        quote!(::core::format_args!(#literal #(, #arguments)*))
    }
}

/// The string literal that `argument` must be.
pub(crate) fn string(
    argument: &str,
    example: &str,
    value: Expr,
    mistakes: &mut Mistakes,
) -> Option<LitStr> {
    match ungroup(value) {
        Expr::Lit(ExprLit {
            lit: Lit::Str(literal),
            ..
        }) => Some(literal),
        other => {
            mistakes.absorb(syn::Error::new_spanned(
                other,
                format!("`{argument}` is checked at compile time: write a string literal, such as `{argument} = \"{example}\"`"),
            ));
            None
        }
    }
}

/// The names in a format string, each once and in order, or what is wrong with it.
pub(crate) fn placeholders(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if !matches!(c, '{' | '}') || chars.next_if_eq(&c).is_some() {
            continue;
        }
        if c == '}' {
            return Err("a `}` without its `{`: write `}}` for a literal brace".to_owned());
        }
        let mut inside = String::new();
        loop {
            match chars.next() {
                Some('}') => break,
                Some(c) => inside.push(c),
                None => {
                    return Err("a `{` without its `}`: write `{{` for a literal brace".to_owned());
                }
            }
        }
        let name = placeholder(&inside)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn placeholder(inside: &str) -> Result<String, String> {
    let (name, spec) = inside.split_once(':').unwrap_or((inside, ""));
    let name = name.trim();
    if name.is_empty() {
        return Err(
            "`{}` is positional: name the argument inside the braces, such as `{table}`".to_owned(),
        );
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!(
            "`{{{name}}}` is positional: name the argument inside the braces, such as `{{table}}`"
        ));
    }
    if Ident::parse_any.parse_str(name).is_err() {
        return Err(format!(
            "`{{{name}}}` is no plain name: give the value one with `args(name = {name})` and write `{{name}}`"
        ));
    }
    if filled(spec).contains(['$', '*']) {
        return Err(format!(
            "`{{{inside}}}` takes its width from another argument: write the width as a number"
        ));
    }
    Ok(name.to_owned())
}

/// A format spec without its fill character, which may be anything.
fn filled(spec: &str) -> &str {
    let mut chars = spec.chars();
    match (chars.next(), chars.next()) {
        (Some(_), Some('<' | '^' | '>')) => chars.as_str(),
        _ => spec,
    }
}

/// Looks through the invisible groups that `macro_rules!` leaves around an interpolated value.
fn ungroup(value: Expr) -> Expr {
    match value {
        Expr::Group(group) => ungroup(*group.expr),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::placeholders;

    #[test]
    fn names_are_found() {
        for (text, names) in [
            ("", &[][..]),
            ("plain", &[]),
            ("{{literal}}", &[]),
            ("weekly export of {table}", &["table"]),
            ("{a} {b:?} {a:>8}{c:$>5.2} {{{d}}}", &["a", "b", "c", "d"]),
            ("{type} {self} { spaced }", &["type", "self", "spaced"]),
        ] {
            assert_eq!(placeholders(text).unwrap(), names, "{text}");
        }
    }

    #[test]
    fn mistakes_name_the_fix() {
        for (text, part) in [
            ("{}", "`{}` is positional"),
            ("{:?}", "`{}` is positional"),
            ("{0}", "`{0}` is positional"),
            ("{q.env}", "`args(name = q.env)`"),
            ("{f()}", "`args(name = f())`"),
            ("{x:width$}", "width as a number"),
            ("{x:.*}", "width as a number"),
            ("{x", "a `{` without its `}`"),
            ("x}", "a `}` without its `{`"),
            ("{a}} {b}", "a `}` without its `{`"),
        ] {
            let message = placeholders(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
