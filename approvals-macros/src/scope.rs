//! The grammar of scopes, checked at compile time.

use syn::LitStr;

use crate::mistakes::Mistakes;

/// Notes everything that keeps the literal from being one exact scope.
pub(crate) fn check(literal: &LitStr, mistakes: &mut Mistakes) {
    if let Some(message) = mistake(&literal.value()) {
        mistakes.note(literal.span(), message);
    }
}

fn mistake(scope: &str) -> Option<String> {
    if scope.is_empty() {
        return Some(format!(
            "the scope is empty: name the action, such as `{EXAMPLE}`"
        ));
    }
    if scope.len() > MAX_BYTES {
        return Some(format!(
            "the scope has {} bytes: shorten it to at most {MAX_BYTES}",
            scope.len()
        ));
    }
    if scope.contains('*') {
        return Some(format!(
            "`{scope}` is a pattern: a guard names one exact scope; wildcards belong in the policy"
        ));
    }
    if scope.contains(char::is_whitespace) {
        return Some(format!(
            "`{}` contains a space: separate words by `_` and segments by `.`",
            scope.escape_debug()
        ));
    }
    let mistake = scope
        .split('.')
        .find_map(|segment| segment_mistake(scope, segment));
    mistake.or_else(|| {
        let single = !scope.contains('.');
        single.then(|| {
            format!("`{scope}` is a single word: name the area and the action, such as `{EXAMPLE}`")
        })
    })
}

fn segment_mistake(scope: &str, segment: &str) -> Option<String> {
    let Some(first) = segment.chars().next() else {
        return Some(format!(
            "`{scope}` has an empty segment: write names between single dots, such as `{EXAMPLE}`"
        ));
    };
    if segment.contains(|c: char| c.is_ascii_uppercase()) {
        return Some(format!(
            "`{scope}` has upper case letters: write `{}`",
            scope.to_ascii_lowercase()
        ));
    }
    if let Some(odd) = segment
        .chars()
        .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '_'))
    {
        return Some(format!(
            "`{}` may not stand in a scope: use only `a` to `z`, `0` to `9`, `_`, and `.` between segments",
            odd.escape_debug()
        ));
    }
    if !first.is_ascii_lowercase() {
        return Some(format!(
            "the segment `{segment}` starts with `{first}`: start it with a letter, such as `{EXAMPLE}`"
        ));
    }
    None
}

const EXAMPLE: &str = "db.export";
const MAX_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use super::mistake;

    #[test]
    fn grammar() {
        let longest = "a.".repeat(63) + "aa";
        let long = format!("{longest}a");
        for (scope, part) in [
            ("db.export", None),
            ("db", Some("is a single word")),
            ("a.b.c", None),
            ("a1._b", Some("starts with `_`")),
            ("a1.b_2", None),
            ("k8s.patch_node", None),
            (&longest, None),
            (&long, Some("129 bytes")),
            ("", Some("is empty")),
            ("db.*", Some("wildcards belong in the policy")),
            ("db..export", Some("empty segment")),
            (".db", Some("empty segment")),
            ("db.", Some("empty segment")),
            ("Db.Export", Some("write `db.export`")),
            ("db export", Some("contains a space")),
            ("db.1x", Some("starts with `1`")),
            ("db-export", Some("`-` may not stand")),
            ("dé.export", Some("`é` may not stand")),
        ] {
            match (mistake(scope), part) {
                (None, None) => {}
                (Some(message), Some(part)) => {
                    assert!(message.contains(part), "{scope}: {message}")
                }
                (message, _) => panic!("{scope}: {message:?}"),
            }
        }
    }
}
