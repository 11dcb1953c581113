//! Writes the code that hands the arguments to the binder. It occurs twice: before the question,
//! and before the body.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;

use crate::common::Treatment;
use crate::guard::check::{Plan, PlannedPart};
use crate::guard::params::Param;
use crate::guard::shape::Shape;
use crate::tokens;

/// `bind(&RECORD, |binder| ..)`. The closure ends before the statement does, so no borrow outlives
/// it.
pub(crate) fn expand(plan: &Plan<'_>) -> TokenStream {
    let private = plan.common.private();
    let binder = Ident::new("__approvals_binder", Span::mixed_site());
    let params = plan
        .params
        .iter()
        .filter_map(|param| bind_param(param, &binder));
    let parts = plan
        .parts
        .iter()
        .enumerate()
        .map(|(at, planned)| bind_part(planned, part_value(at), &binder));
    let texts = plan.common.bind_texts(&binder, |word| value_of(plan, word));
    let statements = quote!(#(#params)* #(#parts)* #(#texts)*);
    // Each part is evaluated once, and its temporaries live as long as the arm.
    let exprs = plan
        .parts
        .iter()
        .map(|planned| in_place(plan, planned.part.expr.to_token_stream()));
    let values = (0..plan.parts.len()).map(part_value);
    let filled = if plan.parts.is_empty() {
        statements
    } else {
        quote_spanned!(Span::mixed_site()=> match (#(&(#exprs),)*) { (#(#values,)*) => { #statements } })
    };
    quote_spanned!(Span::mixed_site()=> #private::bind(&__APPROVALS_GUARDED, |#binder| { #filled }))
}

/// Reading `_name` to bind it is no use of it in the sense of the lint.
pub(crate) fn allow(plan: &Plan<'_>) -> Option<TokenStream> {
    let hushed = plan
        .params
        .iter()
        .any(|param| param.name.starts_with('_') && method(param.treatment).is_some());
    hushed.then(|| quote!(#[allow(clippy::used_underscore_binding)]))
}

/// A user's expression as it must be written where the guard stands: `self` may have another name
/// there.
pub(crate) fn in_place(plan: &Plan<'_>, expr: TokenStream) -> TokenStream {
    match &plan.shape {
        Shape::Block(block) => match &block.rebound.this {
            Some(this) => tokens::rename_self(expr, this),
            None => expr,
        },
        Shape::Async | Shape::Blocking => expr,
    }
}

/// A name without its `r#`.
pub(crate) fn name(ident: &Ident) -> String {
    ident.unraw().to_string()
}

fn bind_param(param: &Param, binder: &Ident) -> Option<TokenStream> {
    let method = method(param.treatment)?;
    let Param {
        name, value, cfg, ..
    } = param;
    // The reference is spanned on the parameter, because that is where a value that cannot be shown
    // is mended.
    let value = quote_spanned!(param.span=> &#value);
    Some(quote_spanned!(Span::mixed_site()=> #(#cfg)* #binder.#method(#name, #value);))
}

fn bind_part(planned: &PlannedPart, mut value: Ident, binder: &Ident) -> TokenStream {
    let treatment = if planned.redacted {
        Treatment::Redacted
    } else {
        Treatment::Shown
    };
    let method = method(treatment);
    let word = name(&planned.part.name);
    value.set_span(value.span().located_at(planned.part.name.span()));
    quote_spanned!(Span::mixed_site()=> #binder.#method(#word, #value);)
}

fn method(treatment: Treatment) -> Option<Ident> {
    match treatment {
        Treatment::Shown => Some(Ident::new("shown", Span::mixed_site())),
        Treatment::Redacted => Some(Ident::new("redacted", Span::mixed_site())),
        Treatment::NotCovered | Treatment::InPart => None,
    }
}

fn value_of(plan: &Plan<'_>, word: &str) -> TokenStream {
    let param = plan
        .params
        .iter()
        .find(|param| param.name == word)
        .map(|param| param.value.clone());
    let part = || {
        plan.parts
            .iter()
            .position(|planned| name(&planned.part.name) == word)
            .map(part_value)
    };
    param
        .or_else(|| part().map(|value| value.to_token_stream()))
        .unwrap_or_default()
}

fn part_value(at: usize) -> Ident {
    format_ident!("__approvals_part{}", at, span = Span::mixed_site())
}
