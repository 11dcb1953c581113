//! Which conditions fit the guarded functions, and which an `auto` rule may rest on.

use super::loader::{accepts, check_rule};
use super::*;

#[test]
fn conditions_are_typed_from_the_guarded_function() {
    let check = |scope: &str, condition: &str, want: &str| {
        let deny = format!("effect = \"deny\"\nwhen = {{ {condition} }}");
        if want.is_empty() {
            accepts(scope, &deny);
        } else {
            check_rule(scope, &deny, want);
        }
    };
    check("k8s.scale", r#""args.replicas" = { gt = 10 }"#, "");
    check("k8s.scale", r#""args.replicas" = { gt = 10.5 }"#, "");
    check(
        "k8s.scale",
        r#""args.replicas" = "12""#,
        "`args.replicas` is a number, but is compared with a text, in `app::guarded`",
    );
    check(
        "k8s.scale",
        r#""args.replicas" = true"#,
        "is a number, but is compared with a boolean",
    );
    check(
        "k8s.scale",
        r#""args.replicas" = { contains = "1" }"#,
        "is a number, but is compared with a text",
    );
    check(
        "k8s.scale",
        r#""args.image" = 1"#,
        "is a text, but is compared with a number",
    );
    check(
        "k8s.scale",
        r#""args.image.tag" = "v1""#,
        "looks for a member, but the parameter is a text",
    );
    check(
        "k8s.scale",
        r#""args.zones" = "eu""#,
        "is a list, which conditions cannot look into",
    );
    check("k8s.scale", r#""args.spec.cpu" = { gt = 4 }"#, "");
    check(
        "k8s.scale",
        r#""args.token" = "x""#,
        "`args.token` is redacted",
    );
    check(
        "k8s.scale",
        r#""args.pool" = "x""#,
        "`args.pool` is left out with `skip(..)`",
    );
    check(
        "k8s.scale",
        r#""args.query" = "x""#,
        "`args.query` is only bound in part",
    );
    check(
        "k8s.scale",
        r#""args.replica" = 1"#,
        "no parameter `replica` in `app::guarded`; did you mean one of `image`, `replicas`, `spec`, `zones`",
    );
    check(
        "db.query",
        r#""args.readonly" = "true""#,
        "is a boolean, but is compared with a text",
    );
    check("db.query", r#""args.ratio" = { gt = 1 }"#, "");
    check("db.query", r#""args.query" = "x""#, "");
    // `table` is a text in one function and a number in another; `ratio` is in one of them.
    check(
        "db.*",
        r#""args.table" = "users""#,
        "`args.table` is a number, but is compared with a text",
    );
    check("db.*", r#""args.ratio" = 0.5"#, "");
    check("*", r#""args.tabel" = 1"#, "no parameter `tabel`");
    check("other.*", r#""args.tabel" = 1"#, "");
}

#[test]
fn threat_47_auto_must_name_what_it_lets_through() {
    let check = |scope: &str, when: &str, want: &str| {
        let auto = format!("effect = \"auto\"\n{when}");
        if want.is_empty() {
            accepts(scope, &auto);
        } else {
            check_rule(scope, &auto, want);
        }
    };
    check("other.scope", "", "");
    check("other.scope", "when = {}", "");
    check(
        "other.*",
        "",
        "`auto` without a condition would let through everything under `other.*`",
    );
    check("*", "when = {}", "would let through everything");
    check("other.*", "when = { env = \"dev\" }", "");
    check(
        "other.scope",
        "when = { \"args.t\" = { in = [\"a\"] } }",
        "",
    );
    check(
        "other.scope",
        "when = { \"args.t\" = { in = [\"a\", \"b\"], ne = \"b\" } }",
        "",
    );
    check("other.scope", "when = { \"args.n\" = { le = 3 } }", "");
    check("other.scope", "when = { \"args.b\" = { ne = true } }", "");
    check(
        "other.scope",
        "when = { env = \"dev\", \"args.t\" = { starts_with = \"tmp_\" } }",
        "",
    );
    check(
        "other.scope",
        "when = { env = \"dev\", \"args.t\" = { not_in = [\"users\"] } }",
        "`auto` must not rest on `ne` or `not_in` for the text `args.t`",
    );
    check(
        "other.scope",
        "when = { \"args.t\" = { starts_with = \"tmp_\" } }",
        "`auto` needs a condition that names what may pass",
    );
    check(
        "other.scope",
        "when = { \"args.t\" = { contains = \"x\", ends_with = \"y\" } }",
        "`auto` needs a condition",
    );
    check(
        "other.scope",
        "when = { \"args.n\" = { ne = 3 } }",
        "`auto` needs a condition",
    );
    let both = load(
        "version = 1\ndefault = { require = [{ group = \"oncall\" }] }\n[[rule]]\nid = \"x\"\nscope = \"db.query\"\neffect = \"auto\"\nwhen = { \"args.table\" = { ne = \"users\" } }",
    );
    let messages = both.unwrap_err().to_string();
    assert!(messages.contains("every other spelling") && messages.contains("names what may pass"));
}
