//! Reads `#[action(..)]` on the struct and on its fields.

use syn::ext::IdentExt as _;
use syn::{Attribute, DeriveInput, Field, Ident, Meta};

use crate::common::{self, Common, Treatment};
use crate::list::{self, Entry};
use crate::mistakes::{Mistakes, suggest};

/// The arguments of the struct and the treatment of its fields.
pub(crate) struct Args<'a> {
    pub(crate) common: Common,
    pub(crate) fields: Vec<Covered<'a>>,
}

/// One field and how it is treated.
pub(crate) struct Covered<'a> {
    pub(crate) name: String,
    pub(crate) ident: &'a Ident,
    pub(crate) field: &'a Field,
    pub(crate) treatment: Treatment,
}

impl<'a> Args<'a> {
    /// Reads everything, noting each mistake on its token.
    pub(crate) fn parse(
        input: &DeriveInput,
        fields: Vec<&'a Field>,
        mistakes: &mut Mistakes,
    ) -> Self {
        let mut common = Common::default();
        for entry in entries(&input.attrs, mistakes) {
            common.once(&entry.name, mistakes);
            if let Some(entry) = common.take(entry, mistakes) {
                unknown(&entry, mistakes);
            }
        }
        common.require_scope(input.ident.span(), mistakes);
        let fields: Vec<Covered<'a>> = fields
            .into_iter()
            .filter_map(|field| Covered::parse(field, mistakes))
            .collect();
        check_texts(&common, &fields, mistakes);
        Self { common, fields }
    }
}

impl<'a> Covered<'a> {
    fn parse(field: &'a Field, mistakes: &mut Mistakes) -> Option<Self> {
        let ident = field.ident.as_ref()?;
        let mut treatment = Treatment::Shown;
        for entry in entries(&field.attrs, mistakes) {
            let chosen = match entry.name.to_string().as_str() {
                "redact" => Treatment::Redacted,
                "skip" => Treatment::NotCovered,
                other => {
                    let known = suggest(other, ["redact", "skip"]);
                    mistakes.note(
                        entry.name.span(),
                        format!("`{other}` says nothing about a field: {known}"),
                    );
                    continue;
                }
            };
            let Some(name) = entry.bare(mistakes) else {
                continue;
            };
            if treatment != Treatment::Shown {
                let message = format!(
                    "`{ident}` is treated twice: keep one of `redact`, which binds its value, and `skip`, which does not"
                );
                mistakes.note(name.span(), message);
            }
            treatment = chosen;
        }
        Some(Self {
            name: ident.unraw().to_string(),
            ident,
            field,
            treatment,
        })
    }
}

fn entries(attrs: &[Attribute], mistakes: &mut Mistakes) -> Vec<Entry> {
    let mut found = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("action")) {
        match &attr.meta {
            Meta::List(meta) => found.extend(list::parse(meta.tokens.clone(), mistakes)),
            other => {
                let message = "`action` takes a list: write `#[action(..)]`";
                mistakes.absorb(syn::Error::new_spanned(other, message));
            }
        }
    }
    found
}

fn unknown(entry: &Entry, mistakes: &mut Mistakes) {
    let name = entry.name.to_string();
    let message = if matches!(name.as_str(), "redact" | "skip") {
        format!("`{name}` stands on a field: write `#[action({name})]` above the field")
    } else {
        format!(
            "`{name}` is no argument of `action`: {}",
            suggest(&name, common::NAMES)
        )
    };
    mistakes.note(entry.name.span(), message);
}

fn check_texts(common: &Common, fields: &[Covered<'_>], mistakes: &mut Mistakes) {
    for (argument, text) in &common.texts {
        for name in &text.names {
            let message = match fields.iter().find(|field| field.name == *name) {
                Some(field) if field.treatment == Treatment::Redacted => {
                    format!(
                        "`{argument}` would show the redacted `{name}`: leave it out of the text"
                    )
                }
                Some(_) => continue,
                None => {
                    let known = suggest(name, fields.iter().map(|field| field.name.as_str()));
                    format!("`{{{name}}}` is no field of this struct: {known}")
                }
            };
            mistakes.note(text.literal.span(), message);
        }
    }
}
