//! Finds what `#[async_trait]` puts at the start of a method's async block.
//!
//! The guard goes after these bindings, because only there do the names of a destructured parameter
//! exist. Only statements that give a parameter its own name again are taken, so nothing that the
//! user wrote stays outside.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::quote;
use syn::parse::Parser as _;
use syn::{FnArg, Pat, Signature};

use crate::tokens::{ident, punct};

/// The bindings before the user's statements.
#[derive(Default)]
pub(crate) struct Rebound {
    /// The statements themselves, unchanged.
    pub(crate) statements: TokenStream,
    /// `__self`, where the receiver was renamed.
    pub(crate) this: Option<Ident>,
    /// Parameters that are destructured here and not in the signature.
    pub(crate) patterns: Vec<(Ident, Pat)>,
    /// Parameters that were written as `_`.
    pub(crate) wild: Vec<Ident>,
}

/// Splits a block into the bindings and the rest.
pub(crate) fn split(block: TokenStream, sig: &Signature) -> (Rebound, TokenStream) {
    let tokens: Vec<TokenTree> = block.into_iter().collect();
    let (edge, mut rest) = tokens.split_at(return_edge(&tokens));
    let mut rebound = Rebound::default();
    while let Some(end) = rest.iter().position(|token| punct(Some(token), ';')) {
        let (statement, after) = rest.split_at(end + 1);
        if !rebound.take(statement, sig) {
            break;
        }
        rest = after;
    }
    (rebound, edge.iter().chain(rest).cloned().collect())
}

impl Rebound {
    fn take(&mut self, statement: &[TokenTree], sig: &Signature) -> bool {
        let Some(Binding { pattern, value }) = Binding::of(statement) else {
            return false;
        };
        let name = match &pattern {
            Pat::Ident(plain) if plain.subpat.is_none() && plain.by_ref.is_none() => {
                Some(&plain.ident)
            }
            _ => None,
        };
        match name {
            Some(name) if value == "self" && name == "__self" => self.this = Some(name.clone()),
            Some(name) if *name == value && is_generated(name) => self.wild.push(name.clone()),
            Some(name) if *name == value && is_parameter(name, sig) => {}
            None if is_generated(&value) && is_parameter(&value, sig) => {
                self.patterns.push((value, pattern))
            }
            _ => return false,
        }
        self.statements.extend(statement.iter().cloned());
        true
    }
}

/// Whether the name is one that `#[async_trait]` makes up for a parameter that has none.
pub(crate) fn is_generated(name: &Ident) -> bool {
    let name = name.to_string();
    name.strip_prefix("__arg")
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()))
}

/// `let pattern = value;` or `let pattern = { let value = value; value };`
struct Binding {
    pattern: Pat,
    value: Ident,
}

impl Binding {
    fn of(statement: &[TokenTree]) -> Option<Self> {
        let statement = skip_cfg(statement);
        let (first, rest) = statement.split_first()?;
        let equals = rest.iter().position(|token| punct(Some(token), '='))?;
        if !ident(Some(first), "let") {
            return None;
        }
        let (pattern, value) = rest.split_at(equals);
        let value = match value {
            [_, TokenTree::Ident(value), _] => value.clone(),
            [_, TokenTree::Group(group), _] if group.delimiter() == Delimiter::Brace => {
                moved(&group.stream())?
            }
            _ => return None,
        };
        let pattern = Pat::parse_single
            .parse2(pattern.iter().cloned().collect())
            .ok()?;
        Some(Self { pattern, value })
    }
}

/// The `x` of `let x = x; x`.
fn moved(inside: &TokenStream) -> Option<Ident> {
    let value = match inside.clone().into_iter().last()? {
        TokenTree::Ident(value) => value,
        _ => return None,
    };
    (quote!(let #value = #value; #value).to_string() == inside.to_string()).then_some(value)
}

fn skip_cfg(mut statement: &[TokenTree]) -> &[TokenTree] {
    while let [TokenTree::Punct(hash), TokenTree::Group(_), rest @ ..] = statement {
        if hash.as_char() != '#' {
            break;
        }
        statement = rest;
    }
    statement
}

/// The length of a leading `if let .. { .. return __ret; }`, which guides type inference and stays
/// with the rest.
fn return_edge(tokens: &[TokenTree]) -> usize {
    if !(ident(tokens.first(), "if") && ident(tokens.get(1), "let")) {
        return 0;
    }
    let block = tokens
        .iter()
        .position(|token| matches!(token, TokenTree::Group(group) if returns_marker(group)));
    block.map_or(0, |at| at + 1)
}

fn returns_marker(group: &Group) -> bool {
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    matches!(skip_cfg(&tokens), [first, second, end]
        if ident(Some(first), "return") && ident(Some(second), "__ret") && punct(Some(end), ';'))
}

fn is_parameter(name: &Ident, sig: &Signature) -> bool {
    sig.inputs.iter().any(|input| match input {
        FnArg::Typed(typed) => matches!(&*typed.pat, Pat::Ident(plain) if plain.ident == *name),
        FnArg::Receiver(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::split;
    use crate::tokens::write;

    fn check(block: &str, statements: usize, rest: &str) {
        let sig =
            syn::parse_str("fn f(&self, table: String, __arg2: (A, B), __arg3: C) -> R").unwrap();
        let (rebound, left) = split(block.parse().unwrap(), &sig);
        assert_eq!(
            write(&rebound.statements).matches(';').count(),
            statements,
            "{block}"
        );
        assert_eq!(
            write(&left),
            write(&rest.parse::<proc_macro2::TokenStream>().unwrap()),
            "{block}"
        );
    }

    #[test]
    fn only_renamings_of_parameters_are_taken() {
        let edge = "if let Some(__ret) = None::<R> { #[allow(unreachable_code)] return __ret; }";
        check(
            &format!(
                "{edge} let __self = self; let mut table = table; let (a, b) = {{ let __arg2 = __arg2; __arg2 }}; let __arg3 = __arg3; work"
            ),
            // The inner block has one more semicolon.
            5,
            &format!("{edge} work"),
        );
        check(
            "#[cfg(x)] let table = table; let __ret: R = { work }; __ret",
            1,
            "let __ret: R = { work }; __ret",
        );
        for user in [
            "let renamed = table; work",
            "let table = load(); work",
            "let table = { drop_all(); table }; work",
            "let x = x; work",
            "let (a, b) = table; work",
            "let this = self; work",
            "drop_all(); let table = table;",
            "if let Some(x) = y { drop_all(); return __ret; } work",
        ] {
            check(user, 0, user);
        }
    }
}
