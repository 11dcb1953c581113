//! Decides how each parameter is treated, and checks every name that the arguments mention.

use std::collections::BTreeSet;

use proc_macro2::Ident;
use syn::ext::IdentExt as _;

use crate::common::{Common, Treatment};
use crate::guard::args::{Args, Part};
use crate::guard::check::PlannedPart;
use crate::guard::params::Param;
use crate::mistakes::{Mistakes, suggest};
use crate::tokens;

/// Settles the treatment of every parameter and part.
pub(crate) fn settle(
    args: &Args,
    params: &mut [Param],
    mistakes: &mut Mistakes,
) -> Vec<PlannedPart> {
    check_parts(&args.parts, params, mistakes);
    check_lists(args, params, mistakes);
    let used: BTreeSet<String> = args
        .parts
        .iter()
        .flat_map(|part| tokens::variables(&part.expr))
        .collect();
    for param in params.iter_mut() {
        if listed(&args.redact, &param.name) {
            param.treatment = Treatment::Redacted;
        } else if listed(&args.skip, &param.name) {
            param.treatment = Treatment::NotCovered;
        } else if used.contains(&param.name) {
            param.treatment = Treatment::InPart;
        }
    }
    let planned = |part: &Part| PlannedPart {
        part: part.clone(),
        redacted: listed(&args.redact, &name(&part.name)),
    };
    args.parts.iter().map(planned).collect()
}

/// Notes placeholders that name nothing, or something that must not be shown.
pub(crate) fn check_texts(
    common: &Common,
    params: &[Param],
    parts: &[PlannedPart],
    mistakes: &mut Mistakes,
) {
    let hidden = hidden(params, parts);
    let known: Vec<String> = params
        .iter()
        .map(|param| param.name.clone())
        .chain(parts.iter().map(|one| name(&one.part.name)))
        .collect();
    for (argument, text) in &common.texts {
        for placeholder in &text.names {
            if hidden.contains(placeholder) {
                mistakes.note(
                    text.literal.span(),
                    format!("`{argument}` would show the redacted `{placeholder}`: leave it out of the text"),
                );
            } else if !known.contains(placeholder) {
                let suggestion = suggest(
                    placeholder,
                    known
                        .iter()
                        .map(String::as_str)
                        .filter(|one| !hidden.contains(*one)),
                );
                mistakes.note(
                    text.literal.span(),
                    format!("`{{{placeholder}}}` is neither a parameter nor named in `args(..)`: {suggestion}"),
                );
            }
        }
    }
}

fn check_parts(parts: &[Part], params: &[Param], mistakes: &mut Mistakes) {
    for part in parts {
        if params.iter().any(|param| param.name == name(&part.name)) {
            mistakes.note(
                part.name.span(),
                format!(
                    "`{}` is a parameter already: give this part another name",
                    name(&part.name)
                ),
            );
        }
    }
}

fn check_lists(args: &Args, params: &[Param], mistakes: &mut Mistakes) {
    let params: Vec<&str> = params.iter().map(|param| param.name.as_str()).collect();
    let parts: Vec<String> = args.parts.iter().map(|part| name(&part.name)).collect();
    for ident in &args.redact {
        let word = name(ident);
        if word == "self" && params.contains(&"self") {
            mistakes.note(
                ident.span(),
                "`self` is never covered as a whole: name the secret part with `args(name = &self.field)` and `redact(name)`",
            );
        } else if !params.contains(&word.as_str()) && !parts.contains(&word) {
            let known = params
                .iter()
                .copied()
                .chain(parts.iter().map(String::as_str));
            mistakes.note(ident.span(), unknown(&word, "redact", known));
        }
    }
    for ident in &args.skip {
        let word = name(ident);
        if listed(&args.redact, &word) {
            mistakes.note(
                ident.span(),
                format!("`{word}` is both redacted and skipped: keep `redact` to bind its value, or `skip` to leave it out"),
            );
        } else if parts.contains(&word) {
            mistakes.note(
                ident.span(),
                format!("`{word}` is named in `args(..)`, which binds it: remove one of the two"),
            );
        } else if !params.contains(&word.as_str()) {
            mistakes.note(ident.span(), unknown(&word, "skip", params.iter().copied()));
        }
    }
}

fn unknown<'a>(word: &str, list: &str, known: impl Iterator<Item = &'a str>) -> String {
    format!(
        "`{word}` in `{list}(..)` is no parameter of this function: {}",
        suggest(word, known)
    )
}

/// The names whose value must not be drawn or recorded: what is redacted, and what it is a part of.
pub(crate) fn hidden(params: &[Param], parts: &[PlannedPart]) -> BTreeSet<String> {
    let mut hidden: BTreeSet<String> = params
        .iter()
        .filter(|param| param.treatment == Treatment::Redacted)
        .map(|param| param.name.clone())
        .collect();
    for planned in parts.iter().filter(|planned| planned.redacted) {
        hidden.insert(name(&planned.part.name));
        hidden.extend(tokens::variables(&planned.part.expr));
    }
    hidden
}

fn listed(list: &[Ident], word: &str) -> bool {
    list.iter().any(|ident| name(ident) == word)
}

fn name(ident: &Ident) -> String {
    ident.unraw().to_string()
}
