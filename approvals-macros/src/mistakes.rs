//! Collects every mistake of one use of a macro, so that they are all reported at once.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};

/// All mistakes found so far, each on the token that causes it.
#[derive(Default)]
pub(crate) struct Mistakes(Option<syn::Error>);

impl Mistakes {
    /// Adds one mistake. The message is lower case, has no full stop and names the fix.
    pub(crate) fn note(&mut self, span: Span, message: impl Display) {
        self.absorb(syn::Error::new(span, message));
    }

    /// Adds what a parser had to say.
    pub(crate) fn absorb(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// One `compile_error!` for each mistake.
    pub(crate) fn to_compile_errors(&self) -> TokenStream {
        self.0
            .as_ref()
            .map(syn::Error::to_compile_error)
            .unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.0
            .iter()
            .flat_map(|all| all.clone().into_iter())
            .map(|one| one.to_string())
            .collect()
    }
}

/// Ends a message about an unknown name: the nearest known name, or all of them.
pub(crate) fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let near = known.iter().map(|one| (distance(name, one), *one)).min();
    match near {
        Some((steps, one)) if steps <= one.len().max(name.len()).div_ceil(3) => {
            format!("did you mean `{one}`?")
        }
        Some(_) => format!("known here: {}", list(&known)),
        None => "there is none here".to_owned(),
    }
}

/// Writes names as "`a`, `b`".
pub(crate) fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// How many single-character edits lead from one name to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(to.chars()) {
            let above = *cell;
            left = (diagonal + usize::from(a != b))
                .min(above + 1)
                .min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, suggest};

    #[test]
    fn distances() {
        for (from, to, steps) in [
            ("", "", 0),
            ("", "ab", 2),
            ("table", "table", 0),
            ("tabel", "table", 2),
            ("tokn", "token", 1),
            ("a", "b", 1),
        ] {
            assert_eq!(distance(from, to), steps, "{from} to {to}");
        }
    }

    #[test]
    fn suggestions() {
        assert_eq!(suggest("tokn", ["pool", "token"]), "did you mean `token`?");
        assert_eq!(
            suggest("xyzzy", ["pool", "token"]),
            "known here: `pool`, `token`"
        );
        assert_eq!(suggest("xyzzy", []), "there is none here");
    }
}
