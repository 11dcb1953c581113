//! What stands in for a function whose guard has mistakes: its signature, and never its body.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ReturnType;

use crate::guard::item::Function;
use crate::guard::returned;

/// Keeps callers compiling, so that the mistakes are the only errors.
pub(crate) fn expand(function: &Function) -> TokenStream {
    let attrs = function
        .attrs
        .iter()
        .filter(|attr| KEPT.iter().any(|kept| attr.path().is_ident(kept)));
    let (vis, sig) = (&function.vis, &function.sig);
    let diverge = quote!(::core::panic!("the guard of this function has mistakes"));
    let body = match (&function.body, &sig.output) {
        (None, _) => quote!(;),
        (Some(_), ReturnType::Type(_, ty))
            if matches!(**ty, syn::Type::ImplTrait(_)) && returned::future(ty).is_some() =>
        {
            quote!({ async move { #diverge } })
        }
        (Some(_), _) => quote!({ #diverge }),
    };
    quote! {
        #(#attrs)*
        #[allow(unused, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
        #vis #sig #body
    }
}

/// Other attributes could object to the stub, or put something into it.
const KEPT: [&str; 4] = ["cfg", "doc", "must_use", "deprecated"];
