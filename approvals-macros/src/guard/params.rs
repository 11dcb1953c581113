//! Every name that a parameter binds, `self` included.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, FnArg, Pat, PatType, Signature};

use crate::common::Treatment;
use crate::guard::rebind::{self, Rebound};
use crate::kind::Kind;
use crate::mistakes::Mistakes;

/// One bound name. What is not named cannot be used by the body, and so needs no account.
pub(crate) struct Param {
    pub(crate) name: String,
    /// The expression that reads the value where the guard stands.
    pub(crate) value: TokenStream,
    pub(crate) span: Span,
    pub(crate) kind: Kind,
    pub(crate) cfg: Vec<Attribute>,
    pub(crate) treatment: Treatment,
}

impl Param {
    /// All names bound by the signature, or by the bindings that replace it inside an async block.
    pub(crate) fn all(sig: &Signature, rebound: &Rebound, mistakes: &mut Mistakes) -> Vec<Self> {
        let mut params = Vec::new();
        for input in &sig.inputs {
            match input {
                FnArg::Receiver(receiver) => {
                    let token = receiver.self_token.into_token_stream();
                    let value = rebound
                        .this
                        .as_ref()
                        .map_or(token, |this| this.to_token_stream());
                    let span = receiver.self_token.span;
                    let treatment = Treatment::NotCovered;
                    params.push(Self {
                        name: "self".to_owned(),
                        value,
                        span,
                        kind: Kind::Any,
                        cfg: cfg(&receiver.attrs),
                        treatment,
                    });
                }
                FnArg::Typed(typed) => typed_param(typed, rebound, &mut params, mistakes),
            }
        }
        if let Some(variadic) = &sig.variadic {
            mistakes.note(
                variadic.dots.span(),
                "variadic arguments cannot be shown to a person: take a list instead",
            );
        }
        params
    }

    fn bound(ident: &Ident, kind: Kind, cfg: Vec<Attribute>) -> Self {
        Self {
            name: ident.unraw().to_string(),
            value: ident.to_token_stream(),
            span: ident.span(),
            kind,
            cfg,
            treatment: Treatment::Shown,
        }
    }
}

fn typed_param(
    typed: &PatType,
    rebound: &Rebound,
    params: &mut Vec<Param>,
    mistakes: &mut Mistakes,
) {
    let cfg = cfg(&typed.attrs);
    match plain(&typed.pat) {
        Some(ident) if rebound.wild.contains(ident) => mistakes.note(typed.ty.span(), WILD),
        Some(ident) => match rebound.patterns.iter().find(|(name, _)| name == ident) {
            Some((_, pattern)) => destructured(pattern, cfg, params, mistakes),
            None if rebind::is_generated(ident) => mistakes.note(typed.ty.span(), HIDDEN),
            None => params.push(Param::bound(ident, Kind::of(&typed.ty), cfg)),
        },
        None if matches!(*typed.pat, Pat::Wild(_)) => mistakes.note(typed.pat.span(), WILD),
        None => destructured(&typed.pat, cfg, params, mistakes),
    }
}

/// The name of a parameter that is not destructured.
fn plain(pattern: &Pat) -> Option<&Ident> {
    match pattern {
        Pat::Ident(plain) if plain.subpat.is_none() => Some(&plain.ident),
        _ => None,
    }
}

fn destructured(
    pattern: &Pat,
    cfg: Vec<Attribute>,
    params: &mut Vec<Param>,
    mistakes: &mut Mistakes,
) {
    let mut names = Vec::new();
    bindings(pattern, &mut names, mistakes);
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    params.extend(
        names
            .iter()
            .map(|name| Param::bound(name, Kind::Any, cfg.clone())),
    );
}

fn bindings(pattern: &Pat, names: &mut Vec<Ident>, mistakes: &mut Mistakes) {
    match pattern {
        Pat::Ident(bound) => {
            names.push(bound.ident.clone());
            if let Some((_, below)) = &bound.subpat {
                bindings(below, names, mistakes);
            }
        }
        Pat::Or(or) => or
            .cases
            .iter()
            .for_each(|case| bindings(case, names, mistakes)),
        Pat::Paren(paren) => bindings(&paren.pat, names, mistakes),
        Pat::Reference(reference) => bindings(&reference.pat, names, mistakes),
        Pat::Slice(slice) => slice
            .elems
            .iter()
            .for_each(|below| bindings(below, names, mistakes)),
        Pat::Struct(fields) => fields
            .fields
            .iter()
            .for_each(|field| bindings(&field.pat, names, mistakes)),
        Pat::Tuple(tuple) => tuple
            .elems
            .iter()
            .for_each(|below| bindings(below, names, mistakes)),
        Pat::TupleStruct(tuple) => tuple
            .elems
            .iter()
            .for_each(|below| bindings(below, names, mistakes)),
        Pat::Type(typed) => bindings(&typed.pat, names, mistakes),
        Pat::Const(_)
        | Pat::Lit(_)
        | Pat::Path(_)
        | Pat::Range(_)
        | Pat::Rest(_)
        | Pat::Wild(_) => {}
        other => mistakes.note(other.span(), OPAQUE),
    }
}

fn cfg(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg"))
        .cloned()
        .collect()
}

const WILD: &str =
    "`_` hides an argument from the approver: name the parameter and list it in `skip(..)`";
const HIDDEN: &str = "another attribute hides the names of this parameter: put `#[requires_approval]` above that attribute, or \
                      destructure inside the body";
const OPAQUE: &str = "the guard cannot see which names this pattern binds: give the parameter a plain name and destructure inside the body";

#[cfg(test)]
mod tests {
    use super::Param;
    use crate::guard::rebind::Rebound;
    use crate::mistakes::Mistakes;

    fn check(signature: &str, names: &str, messages: &[&str]) {
        let mut mistakes = Mistakes::default();
        let sig = syn::parse_str(signature).unwrap();
        let params = Param::all(&sig, &Rebound::default(), &mut mistakes);
        let found: Vec<&str> = params.iter().map(|param| param.name.as_str()).collect();
        assert_eq!(found.join(" "), names, "{signature}");
        let found = mistakes.messages();
        assert_eq!(found.len(), messages.len(), "{signature}: {found:?}");
        for (message, part) in found.iter().zip(messages) {
            assert!(message.contains(part), "{signature}: {message}");
        }
    }

    #[test]
    fn names() {
        check("fn f()", "", &[]);
        check("fn f(&mut self, mut a: u8, r#type: u8)", "self a type", &[]);
        check("fn f(self: Arc<Self>, x: &mut u8)", "self x", &[]);
        check("fn f(Parameters(q): Parameters<Req>)", "q", &[]);
        check(
            "fn f((a, (b, _)): P, Req { c, d: Some(e), .. }: Req, [g, rest @ ..]: [u8; 3])",
            "a b c e g rest",
            &[],
        );
        check(
            "fn f(whole @ (a, b): (u8, u8), &k: &u8)",
            "whole a b k",
            &[],
        );
        check("fn f((A(x) | B(x)): AB)", "x", &[]);
        check("fn f(_: Pool)", "", &["`_` hides an argument"]);
        check(
            "fn f(__arg1: Parameters<Req>)",
            "",
            &["above that attribute"],
        );
        check(
            "fn f(shape!(x): Shape)",
            "",
            &["which names this pattern binds"],
        );
    }
}
