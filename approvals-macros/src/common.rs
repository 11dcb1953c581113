//! What the attribute and the derive macro have in common: the scope, the texts, the crate path,
//! the record.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Attribute, Expr, LitStr, Path};

use crate::kind::Kind;
use crate::list::Entry;
use crate::mistakes::Mistakes;
use crate::scope;
use crate::text::{self, Text};

/// The arguments that both macros take.
#[derive(Default)]
pub(crate) struct Common {
    pub(crate) scope: Option<LitStr>,
    pub(crate) texts: Vec<(&'static str, Text)>,
    krate: Option<Path>,
    seen: BTreeSet<String>,
}

impl Common {
    /// Notes an argument that was given before.
    pub(crate) fn once(&mut self, name: &Ident, mistakes: &mut Mistakes) {
        if !self.seen.insert(name.to_string()) {
            mistakes.note(name.span(), format!("`{name}` is given twice: keep one"));
        }
    }

    /// Takes the entry if it is one of the common arguments, and hands it back otherwise.
    pub(crate) fn take(&mut self, entry: Entry, mistakes: &mut Mistakes) -> Option<Entry> {
        let name = entry.name.to_string();
        if name == "scope" {
            if let Some(value) = entry.equals("scope = \"db.export\"", mistakes)
                && let Some(literal) = text::string("scope", "db.export", value, mistakes)
            {
                scope::check(&literal, mistakes);
                self.scope = Some(literal);
            }
        } else if name == "crate" {
            if let Some(value) = entry.equals("crate = path::to::approvals_core", mistakes) {
                self.krate = path(value, mistakes);
            }
        } else if let Some(argument) = TEXTS.into_iter().find(|text| *text == name) {
            if let Some(value) =
                entry.equals(&format!("{argument} = \"export of {{table}}\""), mistakes)
                && let Some(text) = Text::parse(argument, value, mistakes)
            {
                self.texts.push((argument, text));
            }
        } else {
            return Some(entry);
        }
        None
    }

    /// Notes a scope that was never given. A scope of the wrong shape was noted when it was read.
    pub(crate) fn require_scope(&self, at: Span, mistakes: &mut Mistakes) {
        if !self.seen.contains("scope") {
            mistakes.note(at, "a guard names its scope: write `scope = \"db.export\"`");
        }
    }

    /// The path of everything that generated code may name.
    pub(crate) fn private(&self) -> TokenStream {
        match &self.krate {
            Some(path) => quote_spanned!(Span::mixed_site()=> #path::__private::v1),
            None => quote_spanned!(Span::mixed_site()=> ::approvals_core::__private::v1),
        }
    }

    /// The statements that hand the texts to the binder.
    pub(crate) fn bind_texts<'a>(
        &'a self,
        binder: &'a Ident,
        value_of: impl Fn(&str) -> TokenStream + Copy + 'a,
    ) -> impl Iterator<Item = TokenStream> + 'a {
        self.texts.iter().map(move |(argument, text)| {
            let method = Ident::new(argument, Span::mixed_site());
            let arguments = text.expand(value_of);
            quote!(#binder.#method(#arguments);)
        })
    }
}

/// How a parameter is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    Shown,
    Redacted,
    NotCovered,
    InPart,
}

/// One line of the record's table of parameters.
pub(crate) struct Row<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) treatment: Treatment,
    pub(crate) cfg: &'a [Attribute],
}

/// The record of one guarded function or action, as an expression.
pub(crate) fn record(
    private: &TokenStream,
    scope: &LitStr,
    name: &str,
    signature: &str,
    rows: &[Row<'_>],
) -> TokenStream {
    let rows = rows.iter().map(|row| {
        let Row {
            name,
            kind,
            treatment,
            cfg,
        } = row;
        let kind = kind.expand(private);
        let treatment = match treatment {
            Treatment::Shown => quote!(#private::Treatment::Shown),
            Treatment::Redacted => quote!(#private::Treatment::Redacted),
            Treatment::NotCovered => quote!(#private::Treatment::NotCovered),
            Treatment::InPart => quote!(#private::Treatment::InPart),
        };
        quote!(#(#cfg)* #private::Param { name: #name, kind: #kind, treatment: #treatment })
    });
    quote! {
        #private::GuardedFn {
            scope: #scope,
            function: ::core::concat!(::core::module_path!(), "::", #name),
            file: ::core::file!(),
            line: ::core::line!(),
            version: match ::core::option_env!("CARGO_PKG_VERSION") {
                ::core::option::Option::Some(version) => version,
                ::core::option::Option::None => "",
            },
            signature: #signature,
            params: &[#(#rows),*],
        }
    }
}

/// The names of the common arguments, for messages.
pub(crate) const NAMES: [&str; 5] = ["scope", "reason", "resource", "environment", "crate"];

const TEXTS: [&str; 3] = ["reason", "resource", "environment"];

fn path(value: Expr, mistakes: &mut Mistakes) -> Option<Path> {
    match value {
        Expr::Path(path) if path.qself.is_none() => Some(path.path),
        other => {
            let message = "`crate` is a path: write `crate = path::to::approvals_core`";
            mistakes.absorb(syn::Error::new_spanned(other, message));
            None
        }
    }
}
