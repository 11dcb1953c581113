//! Reads `#[attrs] vis sig { body }`, leaving the body as raw tokens: a broken body keeps rustc's
//! own errors.

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Signature, Token, Visibility, token};

/// The item under the attribute.
pub(crate) enum Item {
    Function(Box<Function>),
    /// Not a function; the token says what it is.
    Other(TokenTree),
}

/// A function whose signature is parsed and whose body is not.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// `None` for a trait method without a default.
    pub(crate) body: Option<Body>,
}

/// The inside of the function's braces.
pub(crate) struct Body {
    /// Attributes such as `#![allow(..)]`, which are legal only at the start of a function.
    pub(crate) inner: Vec<Attribute>,
    pub(crate) tokens: TokenStream,
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        if let Some(other) = keyword_of_other_item(input)? {
            input.parse::<TokenStream>()?;
            return Ok(Self::Other(other));
        }
        let sig = input.parse()?;
        let body = if input.peek(token::Brace) {
            let content;
            syn::braced!(content in input);
            Some(Body {
                inner: content.call(Attribute::parse_inner)?,
                tokens: content.parse()?,
            })
        } else {
            input.parse::<Token![;]>()?;
            None
        };
        Ok(Self::Function(Box::new(Function {
            attrs,
            vis,
            sig,
            body,
        })))
    }
}

/// Looks past the qualifiers of a function for its `fn`.
fn keyword_of_other_item(input: ParseStream<'_>) -> syn::Result<Option<TokenTree>> {
    let ahead = input.fork();
    let first = ahead.fork().parse()?;
    ahead.parse::<Option<Token![const]>>()?;
    ahead.parse::<Option<Token![async]>>()?;
    ahead.parse::<Option<Token![unsafe]>>()?;
    if ahead.peek(Token![extern]) {
        ahead.parse::<syn::Abi>()?;
    }
    Ok((!ahead.peek(Token![fn])).then_some(first))
}
