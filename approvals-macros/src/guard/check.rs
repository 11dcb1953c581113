//! Holds the arguments against the function and notes every mistake; what passes is a `Plan`.

use proc_macro2::TokenStream;
use syn::spanned::Spanned as _;
use syn::{ReturnType, Signature, Type};

use crate::common::Common;
use crate::guard::args::{Args, Part};
use crate::guard::instrument;
use crate::guard::item::Function;
use crate::guard::names;
use crate::guard::params::Param;
use crate::guard::rebind::Rebound;
use crate::guard::returned;
use crate::guard::shape::Shape;
use crate::mistakes::Mistakes;

/// A guarded function that can be expanded.
pub(crate) struct Plan<'a> {
    pub(crate) function: &'a Function,
    pub(crate) shape: Shape,
    pub(crate) common: Common,
    pub(crate) params: Vec<Param>,
    pub(crate) parts: Vec<PlannedPart>,
    pub(crate) gate: Option<syn::Expr>,
}

/// One `name = expr` of `args(..)` with its treatment decided.
pub(crate) struct PlannedPart {
    pub(crate) part: Part,
    pub(crate) redacted: bool,
}

/// Checks everything. The plan is of use only if no mistake was noted.
pub(crate) fn check<'a>(args: Args, function: &'a Function, mistakes: &mut Mistakes) -> Plan<'a> {
    signature(&function.sig, mistakes);
    once(function, mistakes);
    let empty = TokenStream::new();
    let body = match &function.body {
        Some(body) => &body.tokens,
        None => {
            mistakes.note(function.sig.ident.span(), NO_BODY);
            &empty
        }
    };
    let shape = Shape::of(&function.sig, body, mistakes);
    output(&function.sig, &shape, mistakes);
    let nothing = Rebound::default();
    let rebound = match &shape {
        Shape::Block(block) => &block.rebound,
        Shape::Async | Shape::Blocking => &nothing,
    };
    let mut params = Param::all(&function.sig, rebound, mistakes);
    let parts = names::settle(&args, &mut params, mistakes);
    names::check_texts(&args.common, &params, &parts, mistakes);
    instrument::check(function, &params, &names::hidden(&params, &parts), mistakes);
    Plan {
        function,
        shape,
        common: args.common,
        params,
        parts,
        gate: args.gate,
    }
}

fn signature(sig: &Signature, mistakes: &mut Mistakes) {
    if let Some(token) = sig.constness {
        mistakes.note(
            token.span,
            "a `const fn` can run before any gate exists: remove `const`",
        );
    }
    if let Some(abi) = &sig.abi
        && abi.name.as_ref().is_none_or(|name| name.value() != "Rust")
    {
        mistakes.note(
            abi.span(),
            "foreign code cannot handle a refusal: guard a Rust function and call that from the `extern` one",
        );
    }
}

/// The guard needs a return type that can carry a refusal.
fn output(sig: &Signature, shape: &Shape, mistakes: &mut Mistakes) {
    let ReturnType::Type(_, declared) = &sig.output else {
        mistakes.note(sig.ident.span(), NO_OUTPUT);
        return;
    };
    let ty: &Type = match shape {
        Shape::Block(block) => block.output.as_ref().unwrap_or(declared),
        Shape::Async | Shape::Blocking => declared,
    };
    if returned::hands_out_future(ty) {
        mistakes.note(ty.span(), FUTURE_INSIDE);
    }
    if let Some(what) = returned::not_a_result(ty) {
        mistakes.note(
            ty.span(),
            format!("a refusal needs a way out, and this returns {what}: return `Result<_, E>` with `E: From<ApprovalError>`"),
        );
    }
}

fn once(function: &Function, mistakes: &mut Mistakes) {
    for attr in &function.attrs {
        if attr
            .path()
            .segments
            .last()
            .is_some_and(|last| last.ident == "requires_approval")
        {
            mistakes.note(
                attr.path().span(),
                "this function is already guarded: remove one of the two attributes",
            );
        }
    }
}

const FUTURE_INSIDE: &str = "the work of this future would run after the guard has ended: await it in the body and return \
                             what it resolves to";
const NO_BODY: &str = "a method without a body has nothing to guard: put the attribute on each implementation, or give this one a default body";
const NO_OUTPUT: &str = "a refusal needs a way out, and this returns nothing: return `Result<_, E>` with `E: From<ApprovalError>`";
