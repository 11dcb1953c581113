//! Reads the arguments of `#[requires_approval(..)]`.

use proc_macro2::{Ident, Span, TokenStream};
use syn::Expr;

use crate::common::{self, Common};
use crate::list::{self, Entry};
use crate::mistakes::{Mistakes, suggest};

/// The arguments as written; whether they fit the function is checked later.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) common: Common,
    pub(crate) parts: Vec<Part>,
    pub(crate) redact: Vec<Ident>,
    pub(crate) skip: Vec<Ident>,
    pub(crate) gate: Option<Expr>,
}

/// One `name = expr` of `args(..)`.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) name: Ident,
    pub(crate) expr: Expr,
}

impl Args {
    /// Reads all arguments, noting each mistake on its token.
    pub(crate) fn parse(tokens: TokenStream, mistakes: &mut Mistakes) -> Self {
        let mut args = Self::default();
        for entry in list::parse(tokens, mistakes) {
            args.common.once(&entry.name, mistakes);
            if let Some(entry) = args.common.take(entry, mistakes) {
                args.take(entry, mistakes);
            }
        }
        args.common.require_scope(Span::call_site(), mistakes);
        args
    }

    fn take(&mut self, entry: Entry, mistakes: &mut Mistakes) {
        match entry.name.to_string().as_str() {
            "gate" => {
                self.gate = entry
                    .equals("gate = &self.gate", mistakes)
                    .or(self.gate.take())
            }
            "redact" => self.redact.extend(names(entry, "redact(token)", mistakes)),
            "skip" => self.skip.extend(names(entry, "skip(pool)", mistakes)),
            "args" => self.parts.extend(parts(entry, mistakes)),
            other => {
                let known = common::NAMES
                    .into_iter()
                    .chain(["args", "redact", "skip", "gate"]);
                let message = format!(
                    "`{other}` is no argument of `requires_approval`: {}",
                    suggest(other, known)
                );
                mistakes.note(entry.name.span(), message);
            }
        }
    }
}

/// The bare names of `redact(..)` or `skip(..)`, each at most once.
fn names(entry: Entry, example: &str, mistakes: &mut Mistakes) -> Vec<Ident> {
    let mut names: Vec<Ident> = Vec::new();
    let Some(tokens) = entry.list(example, mistakes) else {
        return names;
    };
    for entry in list::parse(tokens, mistakes) {
        let Some(name) = entry.bare(mistakes) else {
            continue;
        };
        if names.contains(&name) {
            mistakes.note(name.span(), format!("`{name}` is listed twice: keep one"));
        } else {
            names.push(name);
        }
    }
    names
}

fn parts(entry: Entry, mistakes: &mut Mistakes) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let Some(tokens) = entry.list("args(env = &query.env)", mistakes) else {
        return parts;
    };
    for entry in list::parse(tokens, mistakes) {
        let name = entry.name.clone();
        let Some(expr) = entry.equals(&format!("{name} = &query.{name}"), mistakes) else {
            continue;
        };
        if parts.iter().any(|part| part.name == name) {
            mistakes.note(
                name.span(),
                format!("`{name}` is named twice in `args(..)`: keep one or rename it"),
            );
        } else {
            parts.push(Part { name, expr });
        }
    }
    parts
}
