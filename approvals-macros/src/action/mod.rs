//! `#[derive(Action)]`: arguments, checks and expansion of the typed form.

mod args;
mod expand;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, spanned::Spanned as _};

use crate::mistakes::Mistakes;

/// Expands the derive: the implementation, or all mistakes and a stub of it.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let input: DeriveInput = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let args = args::Args::parse(&input, fields(&input, &mut mistakes), &mut mistakes);
    if mistakes.is_empty() {
        return expand::expand(&input, &args);
    }
    let (errors, stub) = (mistakes.to_compile_errors(), expand::stub(&input, &args));
    quote!(#errors #stub)
}

fn fields<'a>(input: &'a DeriveInput, mistakes: &mut Mistakes) -> Vec<&'a syn::Field> {
    let (span, what) = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => return named.named.iter().collect(),
            Fields::Unit => return Vec::new(),
            Fields::Unnamed(fields) => (
                fields.span(),
                "fields without names cannot be drawn on a card",
            ),
        },
        Data::Enum(data) => (data.enum_token.span, "an enum stands for several actions"),
        Data::Union(data) => (data.union_token.span, "a union cannot be drawn on a card"),
    };
    mistakes.note(
        span,
        format!("{what}: write one struct with named fields for each action"),
    );
    Vec::new()
}
