//! The derive on token streams.

use super::derive;
use crate::tokens::write;

fn expand(item: &str) -> String {
    write(&derive(item.parse().unwrap()))
}

#[test]
fn fields_are_bound_by_their_treatment() {
    let text = expand(
        "#[action(scope = \"db.drop\", reason = \"drop {table}\", crate = a::b)] \
         struct Drop { table: String, #[action(redact)] token: Token, #[action(skip)] pool: Pool }",
    );
    assert!(
        !text.contains("compile_error") && !text.contains("approvals_core"),
        "{text}"
    );
    for (part, times) in [
        ("binder . shown ( \"table\" , & self . table )", 1),
        ("binder . redacted ( \"token\" , & self . token )", 1),
        ("( \"pool\"", 0),
        (
            "binder . reason ( :: core :: format_args ! ( \"drop {table}\" , table = self . table ) )",
            1,
        ),
        ("Treatment :: NotCovered", 1),
        (
            "\"struct Drop { table : String , token : Token , pool : Pool }\"",
            1,
        ),
        ("impl a :: b :: __private :: v1 :: Action for Drop", 1),
    ] {
        assert_eq!(text.matches(part).count(), times, "{part}: {text}");
    }
}

#[test]
fn generics_are_bound_by_what_is_shown() {
    let text = expand(
        "#[action(scope = \"a.a\")] struct A<'a, T: Clone, const N: usize> where T: 'a { x: &'a [T; N], #[action(skip)] y: T }",
    );
    assert!(
        text.contains("impl < 'a , T : Clone , const N : usize >"),
        "{text}"
    );
    assert!(text.contains("for A < 'a , T , N > where T : 'a , & 'a [ T ; N ] : :: approvals_core :: __private :: v1 :: Shown {"), "{text}");
}

#[test]
fn every_mistake_is_named() {
    for (item, parts) in [
        (
            "#[action(scope = \"a.a\")] enum A { B }",
            &["one struct with named fields"][..],
        ),
        (
            "#[action(scope = \"a.a\")] union A { b: u8 }",
            &["one struct with named fields"],
        ),
        (
            "#[action(scope = \"a.a\")] struct A(u8);",
            &["one struct with named fields"],
        ),
        ("struct A;", &["names its scope"]),
        (
            "#[action] struct A;",
            &["write `#[action(..)]`", "names its scope"],
        ),
        ("#[action(scope = \"A.b\")] struct A;", &["write `a.b`"]),
        (
            "#[action(scope = \"a.a\", scope = \"a.b\")] struct A;",
            &["given twice"],
        ),
        (
            "#[action(scope = \"a.a\")] #[action(scope = \"a.b\")] struct A;",
            &["given twice"],
        ),
        (
            "#[action(scope = \"a.a\", gate = x)] struct A;",
            &["`gate` is no argument of `action`"],
        ),
        (
            "#[action(scope = \"a.a\", redact(b))] struct A { b: u8 }",
            &["`redact` stands on a field"],
        ),
        (
            "#[action(scope = \"a.a\")] struct A { #[action(redact, skip)] b: u8 }",
            &["treated twice"],
        ),
        (
            "#[action(scope = \"a.a\")] struct A { #[action(hide)] b: u8 }",
            &["`hide` says nothing about a field"],
        ),
        (
            "#[action(scope = \"a.a\")] struct A { #[action(redact = 1)] b: u8 }",
            &["takes no value here"],
        ),
        (
            "#[action(scope = \"a.a\", reason = \"{b}\")] struct A { #[action(redact)] b: u8 }",
            &["would show the redacted `b`"],
        ),
        (
            "#[action(scope = \"a.a\", reason = \"{c}\")] struct A { b: u8 }",
            &["`{c}` is no field of this struct"],
        ),
    ] {
        let text = expand(item);
        assert_eq!(
            text.matches("compile_error").count(),
            parts.len(),
            "{item}: {text}"
        );
        for part in parts {
            assert!(text.contains(part), "{item}: {part}: {text}");
        }
    }
}
