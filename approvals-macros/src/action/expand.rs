//! Writes the implementation of `Action`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{DeriveInput, Fields, parse_quote};

use crate::action::args::{Args, Covered};
use crate::common::{self, Row, Treatment};
use crate::kind::Kind;
use crate::tokens;

/// The implementation, with the action's entry in the program's inventory.
pub(crate) fn expand(input: &DeriveInput, args: &Args<'_>) -> TokenStream {
    let private = args.common.private();
    let Some(scope) = &args.common.scope else {
        return TokenStream::new();
    };
    let rows: Vec<Row<'_>> = args.fields.iter().map(row).collect();
    let record = common::record(
        &private,
        scope,
        &input.ident.unraw().to_string(),
        &signature(input),
        &rows,
    );
    let binder = Ident::new("binder", Span::mixed_site());
    let fields = args
        .fields
        .iter()
        .filter_map(|field| bind_field(field, &binder));
    let texts = args.common.bind_texts(&binder, |name| value_of(args, name));
    let implementation = implementation(
        input,
        args,
        &quote!(&__APPROVALS_GUARDED),
        &quote_spanned!(Span::mixed_site()=> let _ = &#binder; #(#fields)* #(#texts)*),
    );
    quote_spanned! {Span::mixed_site()=>
        #[doc(hidden)]
        const _: () = {
            static __APPROVALS_GUARDED: #private::GuardedFn = #record;
            #private::inventory::submit! { #private::Listed(&__APPROVALS_GUARDED) }
            #implementation
        };
    }
}

/// An implementation that keeps uses of the type compiling, so that the mistakes are the only
/// errors.
pub(crate) fn stub(input: &DeriveInput, args: &Args<'_>) -> TokenStream {
    let diverge = quote!(::core::panic!("this action has mistakes"));
    implementation(input, args, &diverge, &diverge)
}

fn implementation(
    input: &DeriveInput,
    args: &Args<'_>,
    guarded: &TokenStream,
    bind: &TokenStream,
) -> TokenStream {
    let private = args.common.private();
    let ident = &input.ident;
    let mut generics = input.generics.clone();
    if generics.type_params().next().is_some() {
        let clause = generics.make_where_clause();
        for field in args.fields.iter().filter(|field| is_bound(field)) {
            let ty = &field.field.ty;
            clause.predicates.push(parse_quote!(#ty: #private::Shown));
        }
    }
    let (params, types, clause) = generics.split_for_impl();
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        impl #params #private::Action for #ident #types #clause {
            const GUARDED: &'static #private::GuardedFn = #guarded;

            fn bind(&self, binder: &mut #private::Binder<'_>) {
                #bind
            }
        }
    }
}

fn is_bound(field: &Covered<'_>) -> bool {
    matches!(field.treatment, Treatment::Shown | Treatment::Redacted)
}

fn row<'a>(field: &'a Covered<'_>) -> Row<'a> {
    Row {
        name: &field.name,
        kind: Kind::of(&field.field.ty),
        treatment: field.treatment,
        cfg: &[],
    }
}

fn bind_field(field: &Covered<'_>, binder: &Ident) -> Option<TokenStream> {
    let method = match field.treatment {
        Treatment::Shown => quote!(shown),
        Treatment::Redacted => quote!(redacted),
        Treatment::NotCovered | Treatment::InPart => return None,
    };
    let Covered { name, ident, .. } = field;
    // The reference is spanned on the field's type, because that is where a value that cannot be
    // shown is mended.
    let value =
        quote_spanned!(field.field.ty.span().resolved_at(Span::mixed_site())=> &self.#ident);
    Some(quote_spanned!(Span::mixed_site()=> #binder.#method(#name, #value);))
}

fn value_of(args: &Args<'_>, name: &str) -> TokenStream {
    let field = args
        .fields
        .iter()
        .find(|field| field.name == name)
        .map(|field| field.ident.to_token_stream());
    quote_spanned!(Span::mixed_site()=> self.#field)
}

/// The struct as text: its name, its generics and its fields with their types.
fn signature(input: &DeriveInput) -> String {
    let DeriveInput {
        ident,
        generics,
        data,
        ..
    } = input;
    let fields = match data {
        syn::Data::Struct(data) => match &data.fields {
            Fields::Named(named) => named.named.iter().collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    let fields = fields
        .into_iter()
        .map(|syn::Field { ident, ty, .. }| quote!(#ident: #ty));
    let (params, _, clause) = generics.split_for_impl();
    tokens::write(&quote!(struct #ident #params #clause { #(#fields),* }))
}
