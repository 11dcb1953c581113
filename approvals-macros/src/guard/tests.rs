//! The whole pipeline on token streams: what every expansion and every stub must satisfy.

use proc_macro2::{TokenStream, TokenTree};

use super::guard;
use crate::tokens::write;

/// A word that stands for the user's statements.
const BODY: &str = "the_privileged_effect";

fn expand(attribute: &str, item: &str) -> TokenStream {
    guard(
        attribute.parse().unwrap(),
        item.replace("BODY", &format!("{BODY}()")).parse().unwrap(),
    )
}

fn count(text: &str, word: &str) -> usize {
    text.split_whitespace().filter(|one| *one == word).count()
}

/// The expansion has no mistake, and holds the body once, behind everything that must come before
/// it.
fn accepts(attribute: &str, item: &str) -> String {
    let text = write(&expand(attribute, item));
    assert_eq!(count(&text, "compile_error"), 0, "{item}: {text}");
    assert_eq!(count(&text, BODY), 1, "{item}: {text}");
    let mut rest = text.as_str();
    for step in [
        "__approvals_bound",
        "__approvals_permit",
        "__approvals_started",
        "__approvals_running",
        BODY,
        "settle",
    ] {
        rest = rest
            .split_once(step)
            .unwrap_or_else(|| panic!("{item}: no {step} in its place: {text}"))
            .1;
    }
    assert_eq!(
        count(rest, "return"),
        0,
        "{item}: leaves after the body without settling"
    );
    syn::parse_str::<syn::ItemFn>(&text).unwrap();
    text
}

/// Every mistake is reported, in order, and the stub has the signature but not the body.
fn refuses(attribute: &str, item: &str, parts: &[&str]) {
    let tokens = expand(attribute, item);
    let text = write(&tokens);
    assert_eq!(
        count(&text, BODY),
        0,
        "{item}: the stub holds the body: {text}"
    );
    let messages = messages(tokens);
    assert_eq!(
        messages.len(),
        parts.len(),
        "{attribute} {item}: {messages:#?}"
    );
    for (message, part) in messages.iter().zip(parts) {
        assert!(message.contains(part), "{attribute} {item}: {message}");
        let ends = message.ends_with(['.', '!']);
        assert!(
            !ends && message.starts_with(|c: char| !c.is_uppercase()),
            "style: {message}"
        );
    }
}

fn messages(tokens: TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let groups = tokens.windows(3).filter_map(|window| match window {
        [
            TokenTree::Ident(name),
            TokenTree::Punct(_),
            TokenTree::Group(group),
        ] if name == "compile_error" => Some(group),
        _ => None,
    });
    groups
        .map(|group| syn::parse2::<syn::LitStr>(group.stream()).unwrap().value())
        .collect()
}

const OK: &str = r#"scope = "db.export""#;

#[test]
fn every_shape_keeps_the_body_behind_the_guard() {
    for item in [
        "async fn f() -> R { BODY }",
        "pub(crate) async unsafe fn f<'a, T: Send, const N: usize>(&'a self, x: T) -> R where T: Sync { BODY }",
        "fn f(self: Arc<Self>) -> R { BODY }",
        "fn f() -> Result<impl Sized, E> { BODY }",
        "extern \"Rust\" fn f() -> R { BODY }",
        "fn f() -> impl Future<Output = R> + Send { async move { BODY } }",
        "fn f<'a>() -> Pin<Box<dyn Future<Output = R> + 'a>> { Box::pin(async move { BODY }) }",
        "fn f<'async_trait>(x: u8) -> Pin<Box<dyn Future<Output = R> + 'async_trait>> { ::std::boxed::Box::pin(async move { \
         if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<R> { #[allow(x)] return __ret; } \
         let x = x; let __ret: R = { BODY }; #[allow(unreachable_code)] __ret }) }",
    ] {
        accepts(OK, item);
    }
}

#[test]
fn a_body_that_does_not_parse_is_left_to_the_compiler() {
    let text = write(&expand(
        OK,
        "async fn f() -> R { let x = ; the_privileged_effect }",
    ));
    assert!(text.contains("let x = ; the_privileged_effect"), "{text}");
}

#[test]
fn inner_attributes_stay_first() {
    let text = accepts(OK, "async fn f() -> R { #![allow(unused)] BODY }");
    assert!(
        text.contains("-> R { # ! [ allow ( unused ) ] static"),
        "{text}"
    );
}

#[test]
fn the_record_names_every_parameter() {
    let text = accepts(
        r#"scope = "a.b", redact(token, key), skip(pool), args(env = &q.env, key = self.key())"#,
        "async fn f(&self, pool: &Pool, table: &str, n: u64, token: String, Parameters(q): P) -> R { BODY }",
    );
    for (name, kind, treatment) in [
        ("self", "Any", "InPart"),
        ("pool", "Any", "NotCovered"),
        ("table", "Text", "Shown"),
        ("n", "Integer", "Shown"),
        ("token", "Text", "Redacted"),
        ("q", "Any", "InPart"),
        ("env", "Any", "Shown"),
        ("key", "Any", "Redacted"),
    ] {
        let row = format!(
            "name : \"{name}\" , kind : :: approvals_core :: __private :: v1 :: Kind :: {kind} , treatment : :: approvals_core :: __private :: v1 :: Treatment :: {treatment} "
        );
        assert!(text.contains(&row), "{name}: {text}");
    }
    for (call, times) in [
        ("shown ( \"table\"", 2),
        ("redacted ( \"token\"", 2),
        ("shown ( \"env\"", 2),
        ("redacted ( \"key\"", 2),
        ("( \"pool\"", 0),
    ] {
        assert_eq!(text.matches(call).count(), times, "{call}: {text}");
    }
}

#[test]
fn the_signature_does_not_depend_on_layout() {
    let signature = |item: &str| {
        let text = accepts(OK, item);
        text.split_once("signature : ")
            .unwrap()
            .1
            .split_once(", params")
            .unwrap()
            .0
            .to_owned()
    };
    assert_eq!(
        signature("async fn f<T,>(\n  a: u8,\n  b: T,\n) -> R where T: Send, { BODY }"),
        signature("pub async fn f<T>(a: u8, b: T) -> R where T: Send { BODY }"),
    );
    assert_ne!(
        signature("async fn f(a: u8) -> R { BODY }"),
        signature("async fn f(a: u16) -> R { BODY }")
    );
}

#[test]
fn the_async_trait_receiver_is_renamed_in_every_expression() {
    let text = accepts(
        r#"scope = "a.b", reason = "{self} {name}", args(name = &self.name), gate = self.gate"#,
        "fn f<'life0, 'async_trait>(&'life0 mut self) -> Pin<Box<dyn Future<Output = R> + 'async_trait>> { Box::pin(async move { \
         let __self = self; let __ret: R = { BODY }; __ret }) }",
    );
    assert_eq!(text.matches("& __self . name").count(), 2, "{text}");
    assert_eq!(text.matches("self = __self").count(), 2, "{text}");
    assert_eq!(text.matches("__self . gate").count(), 1, "{text}");
    assert!(
        text.find("let __self = self").unwrap() < text.find("__approvals_bound").unwrap(),
        "{text}"
    );
}

#[test]
fn another_crate_path_and_gate() {
    let text = accepts(
        r#"scope = "a.b", crate = crate::vendor::gate, gate = &self.gate"#,
        "async fn f(&self) -> R { BODY }",
    );
    assert!(!text.contains("approvals_core"), "{text}");
    assert!(
        text.contains("crate :: vendor :: gate :: __private :: v1 :: given ( & self . gate )"),
        "{text}"
    );
    let text = accepts(
        r#"scope = "a.b", gate = gate"#,
        "async fn f() -> R { BODY }",
    );
    assert!(text.contains("given ( & ( gate ) )"), "{text}");
}

#[test]
fn every_mistake_in_the_arguments_is_named() {
    let f = "async fn export(pool: &Pool, table: String, token: Token) -> R { BODY }";
    for (attribute, parts) in [
        ("", &["names its scope"][..]),
        ("scope", &["`scope` takes one value"]),
        ("scope = NAME", &["`scope` is checked at compile time"]),
        ("scope = 7", &["`scope` is checked at compile time"]),
        ("scope = \"db.*\"", &["wildcards belong in the policy"]),
        (
            "scope = \"a.a\", scope = \"a.b\"",
            &["`scope` is given twice"],
        ),
        (
            "scope = \"a.a\", resaon = \"x\"",
            &["did you mean `reason`?"],
        ),
        (
            "scope = \"a.a\", quorum = 2",
            &["known here: `scope`, `reason`"],
        ),
        (
            "scope = \"a.a\", reason(\"x\")",
            &["`reason` takes one value"],
        ),
        (
            "scope = \"a.a\", reason = concat!(\"x\")",
            &["`reason` is checked at compile time"],
        ),
        ("scope = \"a.a\", reason = \"{}\"", &["`{}` is positional"]),
        (
            "scope = \"a.a\", reason = \"{tabel}\"",
            &["did you mean `table`?"],
        ),
        (
            "scope = \"a.a\", resource = \"{table.name}\"",
            &["`args(name = table.name)`"],
        ),
        (
            "scope = \"a.a\", environment = \"{\"",
            &["a `{` without its `}`"],
        ),
        (
            "scope = \"a.a\", reason = \"{token}\", redact(token)",
            &["would show the redacted `token`"],
        ),
        (
            "scope = \"a.a\", reason = \"{token:?}\", args(id = token.id), redact(id)",
            &["would show the redacted `token`"],
        ),
        (
            "scope = \"a.a\", redact = token",
            &["`redact` takes a list"],
        ),
        ("scope = \"a.a\", redact(tokn)", &["did you mean `token`?"]),
        (
            "scope = \"a.a\", redact(token, token)",
            &["`token` is listed twice"],
        ),
        (
            "scope = \"a.a\", redact(token = 1)",
            &["`token` takes no value here"],
        ),
        ("scope = \"a.a\", skip(pol)", &["did you mean `pool`?"]),
        (
            "scope = \"a.a\", redact(token), skip(token)",
            &["both redacted and skipped"],
        ),
        (
            "scope = \"a.a\", args(table = 1)",
            &["`table` is a parameter already"],
        ),
        ("scope = \"a.a\", args(x)", &["`x` takes one value"]),
        (
            "scope = \"a.a\", args(x = 1, x = 2)",
            &["`x` is named twice"],
        ),
        ("scope = \"a.a\", args(x = 1), skip(x)", &["which binds it"]),
        (
            "scope = \"a.a\", args(x = 1) gate = 1",
            &["separated by commas"],
        ),
        ("scope = \"a.a\", gate", &["`gate` takes one value"]),
        ("scope = \"a.a\", crate = \"x\"", &["`crate` is a path"]),
        (
            "scope = \"DB.x\", skip(pol), redact(x y), nope",
            &[
                "write `db.x`",
                "separated by commas",
                "`nope` is no argument",
                "`x` in `redact(..)`",
                "did you mean `pool`?",
            ],
        ),
    ] {
        refuses(attribute, f, parts);
    }
}

#[test]
fn every_item_that_cannot_be_guarded_is_refused() {
    for (item, part) in [
        ("const fn f() -> R { BODY }", "remove `const`"),
        (
            "extern \"C\" fn f() -> R { BODY }",
            "foreign code cannot handle a refusal",
        ),
        (
            "extern fn f() -> R { BODY }",
            "foreign code cannot handle a refusal",
        ),
        (
            "unsafe fn f(x: u8, ...) -> R { BODY }",
            "take a list instead",
        ),
        ("async fn f() { BODY }", "this returns nothing"),
        ("async fn f() -> () { BODY }", "this returns nothing"),
        ("fn f() -> bool { BODY }", "this returns a plain value"),
        (
            "async fn f() -> Option<u8> { BODY }",
            "this returns a plain value",
        ),
        (
            "fn f() -> impl Future<Output = u8> { async move { BODY } }",
            "this returns a plain value",
        ),
        (
            "async fn f(&self) -> R;",
            "put the attribute on each implementation",
        ),
        (
            "#[approvals_core::requires_approval(scope = \"a.b\")] async fn f() -> R { BODY }",
            "already guarded",
        ),
        ("async fn f(_: u8) -> R { BODY }", "`_` hides an argument"),
        (
            "async fn f(__arg1: P) -> R { BODY }",
            "above that attribute",
        ),
        (
            "async fn f() -> Result<impl Future<Output = u8>, E> { BODY }",
            "after the guard has ended",
        ),
        (
            "fn f() -> BoxFuture<'static, R> { start().boxed() }",
            "cannot see where its work begins",
        ),
        (
            "fn f() -> impl Future<Output = R> { BODY; async move { x } }",
            "without an approval",
        ),
        (
            "fn f() -> impl Future<Output = R> { async { BODY } }",
            "write `async move`",
        ),
        ("struct S { x: BODY }", "only functions are guarded"),
        ("impl S { fn f() { BODY } }", "only functions are guarded"),
        ("const F: fn() = || { BODY };", "only functions are guarded"),
        ("trait T { fn f() { BODY } }", "only functions are guarded"),
        ("mod m { fn f() { BODY } }", "only functions are guarded"),
    ] {
        refuses(OK, item, &[part]);
    }
}

#[test]
fn redaction_is_kept_by_instrument() {
    let refused = &["would record what is redacted in `token`"];
    let redact = r#"scope = "a.a", redact(token)"#;
    refuses(
        redact,
        "#[tracing::instrument] async fn f(token: T) -> R { BODY }",
        refused,
    );
    refuses(
        redact,
        "async fn f(token: T) -> R { let __tracing_attr_span = span!(token = debug(&token)); BODY }",
        refused,
    );
    accepts(
        redact,
        "#[tracing::instrument(skip(token))] async fn f(token: T) -> R { BODY }",
    );
    let part = r#"scope = "a.a", args(key = &self.key), redact(key)"#;
    refuses(
        part,
        "#[instrument] async fn f(&self) -> R { BODY }",
        &["would record what is redacted in `self`"],
    );
    accepts(
        part,
        "#[instrument(skip(self))] async fn f(&self) -> R { BODY }",
    );
}

#[test]
fn a_receiver_is_not_covered_as_a_whole() {
    refuses(
        r#"scope = "a.a", redact(self)"#,
        "async fn f(&self) -> R { BODY }",
        &["name the secret part"],
    );
    refuses(
        r#"scope = "a.a", skip(self)"#,
        "async fn f() -> R { BODY }",
        &["is no parameter of this function"],
    );
    accepts(
        r#"scope = "a.a", skip(self)"#,
        "async fn f(&self) -> R { BODY }",
    );
}
