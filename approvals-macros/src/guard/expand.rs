//! Writes the guarded function.
//!
//! INVARIANT: the body occurs once, as an anonymous block behind the started permit. No item,
//! method or variable holds it, so nothing can name it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, ReturnType, Signature, Type};

use crate::common::{self, Row, Treatment};
use crate::guard::bind;
use crate::guard::check::Plan;
use crate::guard::returned;
use crate::guard::shape::{Block, Shape};
use crate::tokens;

/// Expands a plan in which no mistake was found.
pub(crate) fn expand(plan: &Plan<'_>) -> TokenStream {
    let function = plan.function;
    let Some(body) = &function.body else {
        return TokenStream::new();
    };
    let inside = match &plan.shape {
        Shape::Async => waiting(plan, declared(&function.sig), &body.tokens),
        Shape::Blocking => blocking(plan, declared(&function.sig), &body.tokens),
        Shape::Block(block) => in_block(plan, block),
    };
    let (attrs, vis, sig, inner) = (&function.attrs, &function.vis, &function.sig, &body.inner);
    quote!(#(#attrs)* #vis #sig { #(#inner)* #inside })
}

/// The body of an `async fn`, or of an async block.
fn waiting(plan: &Plan<'_>, output: Option<&Type>, body: &TokenStream) -> TokenStream {
    let steps = Steps::awaited(plan, output);
    let (prologue, settle) = (prologue(plan, &steps), steps.settle());
    let edge = output.map(return_edge);
    quote_spanned! {Span::mixed_site()=>
        #prologue
        let __approvals_result = (async move { #edge { #body } }).await;
        #settle
    }
}

/// The body of a plain `fn`. The helper takes it as `FnOnce`, so that it may give away what it
/// borrowed.
fn blocking(plan: &Plan<'_>, output: Option<&Type>, body: &TokenStream) -> TokenStream {
    let steps = Steps::blocking(plan, output);
    let (prologue, settle) = (prologue(plan, &steps), steps.settle());
    let output = output.map(returned::nameable).map(|ty| quote!(-> #ty));
    quote_spanned! {Span::mixed_site()=>
        #prologue
        fn __approvals_run<R>(body: impl ::core::ops::FnOnce() -> R) -> R {
            body()
        }
        let __approvals_result = __approvals_run(move || #output { #body });
        #settle
    }
}

/// The body of a `fn` that returns an async block: everything goes inside, and the wrapper stays.
fn in_block(plan: &Plan<'_>, block: &Block) -> TokenStream {
    let inside = waiting(plan, block.output.as_ref(), &block.rest);
    let edge = block.output.as_ref().map(return_edge);
    let rebinding = &block.rebound.statements;
    let wrapped = quote!(async move { #edge #rebinding #inside });
    match &block.wrapper_group {
        Some(group) => {
            let wrapper = &block.wrapper;
            let group = tokens::regroup(group, wrapped);
            quote!(#wrapper #group)
        }
        None => wrapped,
    }
}

/// Everything that stands before the body: the record, the question, the permit, and the second
/// look at the values.
fn prologue(plan: &Plan<'_>, steps: &Steps) -> TokenStream {
    let Steps {
        private,
        wait,
        authorize,
        start,
        record,
        ..
    } = steps;
    let (item, handle, refuse) = (item(plan), handle(plan), steps.refuse());
    let (allow, bind) = (bind::allow(plan), bind::expand(plan));
    quote_spanned! {Span::mixed_site()=>
        #item
        #allow
        let __approvals_bound = #bind;
        let __approvals_handle = #handle;
        let __approvals_permit = match #private::#authorize(__approvals_handle, __approvals_bound) #wait {
            ::core::result::Result::Ok(permit) => permit,
            ::core::result::Result::Err(error) => return #refuse,
        };
        let __approvals_started = match __approvals_permit.#start() #wait {
            ::core::result::Result::Ok(started) => started,
            ::core::result::Result::Err(error) => return #refuse,
        };
        #allow
        let __approvals_running = match __approvals_started.check(#bind) {
            ::core::result::Result::Ok(running) => running,
            ::core::result::Result::Err(burned) => {
                let error = burned.#record() #wait;
                return #refuse;
            }
        };
    }
}

/// What the awaited and the blocking form call at each step.
struct Steps {
    private: TokenStream,
    wait: TokenStream,
    authorize: Ident,
    start: Ident,
    record: Ident,
    settle: Ident,
    /// Where the return type stands.
    at: Span,
}

impl Steps {
    fn awaited(plan: &Plan<'_>, output: Option<&Type>) -> Self {
        let wait = quote_spanned!(Span::mixed_site()=> .await);
        Self::new(plan, output, wait, "")
    }

    fn blocking(plan: &Plan<'_>, output: Option<&Type>) -> Self {
        Self::new(plan, output, TokenStream::new(), "_blocking")
    }

    fn new(plan: &Plan<'_>, output: Option<&Type>, wait: TokenStream, suffix: &str) -> Self {
        let name = |step: &str| Ident::new(&format!("{step}{suffix}"), Span::mixed_site());
        Self {
            private: plan.common.private(),
            wait,
            authorize: name("authorize"),
            start: name("start"),
            record: name("record"),
            settle: name("settle"),
            at: output.map_or_else(Span::call_site, |ty| ty.span()),
        }
    }

    /// Stands at the return type, because a missing `From<ApprovalError>` is mended there.
    fn refuse(&self) -> TokenStream {
        let private = &self.private;
        let call = quote_spanned!(Span::mixed_site()=> #private::refuse(error));
        tokens::relocate(call, self.at)
    }

    /// Stands at the return type too, so that the compiler reports the same mistake once.
    fn settle(&self) -> TokenStream {
        let Self {
            private,
            wait,
            settle,
            ..
        } = self;
        let call = quote_spanned! {Span::mixed_site()=>
            #private::#settle(__approvals_running, __approvals_result) #wait
        };
        tokens::relocate(call, self.at)
    }
}

/// The record, and its entry in the program's inventory of guarded functions.
fn item(plan: &Plan<'_>) -> TokenStream {
    let private = plan.common.private();
    let Some(scope) = &plan.common.scope else {
        return TokenStream::new();
    };
    let params = plan.params.iter().map(|param| Row {
        name: &param.name,
        kind: param.kind,
        treatment: param.treatment,
        cfg: &param.cfg,
    });
    let names: Vec<String> = plan
        .parts
        .iter()
        .map(|planned| bind::name(&planned.part.name))
        .collect();
    let parts = plan.parts.iter().zip(&names).map(|(planned, name)| Row {
        name,
        kind: crate::kind::Kind::Any,
        treatment: if planned.redacted {
            Treatment::Redacted
        } else {
            Treatment::Shown
        },
        cfg: &[],
    });
    let rows: Vec<Row<'_>> = params.chain(parts).collect();
    let sig = &plan.function.sig;
    let record = common::record(
        &private,
        scope,
        &bind::name(&sig.ident),
        &signature(sig),
        &rows,
    );
    quote_spanned! {Span::mixed_site()=>
        static __APPROVALS_GUARDED: #private::GuardedFn = #record;
        #private::inventory::submit! { #private::Listed(&__APPROVALS_GUARDED) }
    }
}

fn handle(plan: &Plan<'_>) -> TokenStream {
    let private = plan.common.private();
    let Some(gate) = &plan.gate else {
        return quote!(#private::ambient());
    };
    let tokens = bind::in_place(plan, gate.to_token_stream());
    // The reference stands at the expression, where something that is no gate is mended.
    let value = match gate {
        Expr::Reference(_) => tokens,
        _ => quote_spanned!(gate.span().resolved_at(Span::mixed_site())=> &(#tokens)),
    };
    quote!(#private::given(#value))
}

/// Tells type inference what the body returns, without ever running.
fn return_edge(output: &Type) -> TokenStream {
    let ty = returned::nameable(output);
    quote_spanned! {Span::mixed_site()=>
        if let ::core::option::Option::Some(never) = ::core::option::Option::None::<#ty> {
            return never;
        }
    }
}

fn declared(sig: &Signature) -> Option<&Type> {
    match &sig.output {
        ReturnType::Type(_, ty) => Some(ty),
        ReturnType::Default => None,
    }
}

/// The signature as text, without the commas that only layout puts there.
fn signature(sig: &Signature) -> String {
    let mut sig = sig.clone();
    sig.inputs.pop_punct();
    sig.generics.params.pop_punct();
    if let Some(clause) = &mut sig.generics.where_clause {
        clause.predicates.pop_punct();
    }
    tokens::write(&sig)
}
