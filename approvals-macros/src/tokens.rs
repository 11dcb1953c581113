//! Walks over raw tokens: which names an expression uses, how `self` is renamed, how code is
//! written as text.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::LitStr;
use syn::ext::IdentExt as _;

use crate::text;

/// The variables that an expression may read, `self` included.
///
/// Fields, methods, paths, macros and the parameters of closures are not variables. What a macro
/// inside the expression does is unknown, so names in its tokens and in its format string count.
pub(crate) fn variables(expr: &impl ToTokens) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(expr.to_token_stream(), Inside::Expression, &mut found);
    found
}

/// Replaces the variable `self` by `to`, as `#[async_trait]` does in the body.
pub(crate) fn rename_self(tokens: TokenStream, to: &Ident) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let renamed = tokens.iter().enumerate().map(|(at, token)| match token {
        TokenTree::Ident(ident) if ident == "self" && !punct(tokens.get(at + 1), ':') => {
            let mut to = to.clone();
            to.set_span(to.span().located_at(ident.span()));
            TokenTree::Ident(to)
        }
        TokenTree::Group(group) => regroup(group, rename_self(group.stream(), to)).into(),
        other => other.clone(),
    });
    renamed.collect()
}

/// Writes tokens as text. What was parsed and printed again gives the same text in every layout,
/// whatever the version of the compiler.
pub(crate) fn write(tokens: &impl ToTokens) -> String {
    let mut out = String::new();
    write_into(tokens.to_token_stream(), &mut out);
    out.trim_end().to_owned()
}

/// The same tokens, for the compiler's messages at another place. What they mean does not change.
pub(crate) fn relocate(tokens: TokenStream, at: Span) -> TokenStream {
    let moved = tokens.into_iter().map(|token| {
        let mut token = match token {
            TokenTree::Group(group) => {
                Group::new(group.delimiter(), relocate(group.stream(), at)).into()
            }
            other => other,
        };
        token.set_span(token.span().located_at(at));
        token
    });
    moved.collect()
}

/// The same group around other tokens.
pub(crate) fn regroup(group: &Group, stream: TokenStream) -> Group {
    let mut new = Group::new(group.delimiter(), stream);
    new.set_span(group.span());
    new
}

/// Whether the token is this punctuation mark.
pub(crate) fn punct(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

/// Whether the token is this identifier or keyword.
pub(crate) fn ident(token: Option<&TokenTree>, name: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == name)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Expression,
    Macro,
}

fn collect(tokens: TokenStream, inside: Inside, found: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut own = BTreeSet::new();
    let mut bound = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(name) if is_variable(&tokens, at) => {
                own.insert(name.unraw().to_string());
            }
            TokenTree::Group(group) => {
                let called = at
                    .checked_sub(1)
                    .is_some_and(|before| punct(tokens.get(before), '!'));
                let inside = if called { Inside::Macro } else { inside };
                collect(group.stream(), inside, &mut own);
            }
            TokenTree::Punct(mark) if mark.as_char() == '|' && opens_closure(&tokens, at) => {
                bound.extend(closure_parameters(&tokens, at));
            }
            TokenTree::Literal(_) if inside == Inside::Macro => own.extend(captured(token)),
            _ => {}
        }
    }
    found.extend(own.difference(&bound).cloned());
}

fn is_variable(tokens: &[TokenTree], at: usize) -> bool {
    let before = |steps: usize| at.checked_sub(steps).and_then(|index| tokens.get(index));
    let field = punct(before(1), '.') && !punct(before(2), '.');
    let path = punct(before(1), ':') && punct(before(2), ':') || punct(tokens.get(at + 1), ':');
    let call = punct(tokens.get(at + 1), '!') && !punct(tokens.get(at + 2), '=');
    !field && !path && !call
}

/// A `|` opens a closure where no operand stands before it.
fn opens_closure(tokens: &[TokenTree], at: usize) -> bool {
    match at.checked_sub(1).and_then(|before| tokens.get(before)) {
        None => true,
        Some(TokenTree::Punct(mark)) => !matches!(mark.as_char(), '?' | '|'),
        Some(TokenTree::Ident(word)) => word == "move" || word == "async" || word == "return",
        Some(_) => false,
    }
}

fn closure_parameters(tokens: &[TokenTree], at: usize) -> BTreeSet<String> {
    let inside = tokens
        .iter()
        .skip(at + 1)
        .take_while(|token| !punct(Some(token), '|'));
    let mut names = BTreeSet::new();
    names_in(inside.cloned().collect(), &mut names);
    names
}

fn names_in(tokens: TokenStream, names: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                names.insert(name.unraw().to_string());
            }
            TokenTree::Group(group) => names_in(group.stream(), names),
            _ => {}
        }
    }
}

/// The names that a string literal captures if a macro formats it.
fn captured(token: &TokenTree) -> Vec<String> {
    syn::parse2::<LitStr>(token.to_token_stream())
        .ok()
        .and_then(|literal| text::placeholders(&literal.value()).ok())
        .unwrap_or_default()
}

fn write_into(tokens: TokenStream, out: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("( ", ") "),
                    Delimiter::Brace => ("{ ", "} "),
                    Delimiter::Bracket => ("[ ", "] "),
                    Delimiter::None => ("", ""),
                };
                out.push_str(open);
                write_into(group.stream(), out);
                out.push_str(close);
            }
            TokenTree::Punct(mark) => {
                out.push(mark.as_char());
                if mark.spacing() == Spacing::Alone {
                    out.push(' ');
                }
            }
            other => {
                out.push_str(&other.to_string());
                out.push(' ');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proc_macro2::{Ident, Span, TokenStream};

    use super::{rename_self, variables, write};

    fn tokens(source: &str) -> TokenStream {
        source.parse().unwrap()
    }

    #[test]
    fn variables_of_expressions() {
        for (source, names) in [
            ("&q.env", "q"),
            ("q.env.table(x)", "q x"),
            ("self.name.clone()", "self"),
            ("Self::name(&self::x, a)", "a"),
            ("table::rows(0..n)", "n"),
            ("Shape { table: q }", "Shape q"),
            ("xs.iter().map(|table| table.id + k).max()", "k xs"),
            ("xs.fold(0, |(a, b), c| a + b + c)", "xs"),
            ("xs.fold(0, move |a, b| a + b + k)", "k move xs"),
            ("a | b | c", "a b c"),
            ("r#type", "type"),
            (
                "format!(\"{table}-{env:?} {{no}}\", env = q.env)",
                "env q table",
            ),
            ("\"{table}\"", ""),
            ("a != b", "a b"),
        ] {
            let found = variables(&tokens(source))
                .into_iter()
                .filter(|one| one != "Shape" || source.contains("Shape"));
            assert_eq!(found.collect::<Vec<_>>().join(" "), names, "{source}");
        }
    }

    #[test]
    fn self_is_renamed_in_groups_but_not_in_paths() {
        let to = Ident::new("__self", Span::call_site());
        let renamed = rename_self(
            tokens("f(&self.a, [self::b, Self::c], format!(\"{}\", self))"),
            &to,
        );
        assert_eq!(
            write(&renamed),
            write(&tokens(
                "f(&__self.a, [self::b, Self::c], format!(\"{}\", __self))"
            ))
        );
    }

    #[test]
    fn text_ignores_layout() {
        let text = |source: &str| write(&syn::parse_str::<syn::Signature>(source).unwrap());
        let tight = text("fn f<'a>(x:&'a str)->Result<(),E>");
        assert_eq!(
            text("fn f < 'a > ( x : & 'a str ) -> Result < ( ) , E >"),
            tight
        );
        assert_eq!(tight, "fn f < 'a > ( x : & 'a str ) -> Result < ( ) , E >");
    }
}
