//! `#[requires_approval(..)]`: arguments, item, checks, expansion, each in a file of its own.

mod args;
mod bind;
mod check;
mod expand;
mod instrument;
mod item;
mod names;
mod params;
mod rebind;
mod returned;
mod shape;
mod stub;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::quote;

use crate::mistakes::Mistakes;
use args::Args;
use item::Item;

/// Expands the attribute: the guarded function, or all mistakes and a stub.
pub(crate) fn guard(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let args = Args::parse(attribute, &mut mistakes);
    let function = match syn::parse2(item) {
        Ok(Item::Function(function)) => function,
        Ok(Item::Other(token)) => {
            mistakes.note(token.span(), "only functions are guarded: put the attribute on an `async fn`, an `fn` or a method");
            return mistakes.to_compile_errors();
        }
        Err(error) => {
            mistakes.absorb(error);
            return mistakes.to_compile_errors();
        }
    };
    let plan = check::check(args, &function, &mut mistakes);
    if mistakes.is_empty() {
        return expand::expand(&plan);
    }
    let (errors, stub) = (mistakes.to_compile_errors(), stub::expand(&function));
    quote!(#errors #stub)
}
