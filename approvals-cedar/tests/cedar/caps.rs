//! Threat 46: what is too large or too deep is refused, and never ends the process.

use crate::support::{Asked, SCHEMA, judge, load, opinion_in_words};

/// On the stack of a small thread: what the engine does must not depend on its caller's.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(256 << 10);
    thread.spawn(work).unwrap().join().unwrap();
}

#[track_caller]
fn refused(policies: &str, schema: &str, want: &str) {
    let error = load(policies, schema)
        .err()
        .unwrap_or_else(|| panic!("accepted"));
    let text: String = error.to_string().chars().take(400).collect();
    assert!(text.contains(want), "{text}");
}

fn policy(condition: &str) -> String {
    format!(
        "@id(\"any\") permit(principal, action, resource);\n@id(\"x\") forbid(principal, action == Action::\"k8s.scale\", resource) when {{ {condition} }};\n"
    )
}

/// Conditions that nest or go on for `n` steps, in every way that the language has.
fn forms(n: usize) -> Vec<(&'static str, String)> {
    let nested = |open: &str, core: &str, close: &str| {
        format!("{}{core}{}", open.repeat(n), close.repeat(n))
    };
    vec![
        ("(", nested("(", "true", ")")),
        ("[", format!("{} == 1", nested("[", "1", "]"))),
        ("{", format!("{} == 1", nested("{a:", "1", "}"))),
        ("if", nested("if true then ", "true", " else false")),
        ("else", nested("if false then true else ", "true", "")),
        (
            "when",
            format!("true }} {}", "when { true ".repeat(n) + &"}".repeat(n)),
        ),
        (
            "&&",
            format!(
                "context.args.replicas == 1{}",
                " && context.args.replicas == 1".repeat(n)
            ),
        ),
        (
            "||",
            format!(
                "context.args.replicas == 1{}",
                " || context.args.replicas == 1".repeat(n)
            ),
        ),
        ("+", format!("1{} == 2", " + 1".repeat(n))),
        ("-", format!("1{} == 2", " - 1".repeat(n))),
        (".", format!("context{} == 1", ".a".repeat(n))),
        ("[]", format!("context{} == 1", "[\"a\"]".repeat(n))),
        ("()", format!("[1]{}", ".contains(1)".repeat(n))),
        ("like", format!("\"a\" like \"{}\"", "*".repeat(n))),
        ("!", format!("{}true", "!".repeat(n))),
        ("::", format!("principal == {}\"a\"", "A::".repeat(n))),
        ("has", format!("context has {}a", "a.".repeat(n))),
    ]
}

#[test]
fn threat_46_whatever_nests_is_refused_or_read() {
    on_a_small_stack(|| {
        for n in [1, 10, 60, 130, 400, 1_000, 20_000] {
            for (form, condition) in forms(n) {
                let text = policy(&condition);
                if text.len() > 200_000 {
                    continue;
                }
                // Whether Cedar understands it is another question: it must only be answered.
                let read = load(&text, SCHEMA);
                if n > 1_000 && !["like", "::"].contains(&form) {
                    let error = read.err().unwrap_or_else(|| panic!("{form} {n}: accepted"));
                    assert!(
                        error.to_string().contains("split the policy"),
                        "{form} {n}: {error}"
                    );
                }
            }
        }
    });
}

#[test]
fn threat_46_what_is_read_is_also_evaluated() {
    on_a_small_stack(|| {
        // Just within the caps, and with every step looked at.
        let cases = [
            (
                "&&",
                format!(
                    "context.args.replicas >= 1{}",
                    " && context.args.replicas >= 1".repeat(60)
                ),
            ),
            (
                "||",
                format!(
                    "context.args.replicas < 1{} || context.args.replicas == 5",
                    " || context.args.replicas < 1".repeat(60)
                ),
            ),
            (
                "+",
                format!("context.args.replicas{} > 380", " + 1".repeat(380)),
            ),
            (
                "(",
                format!(
                    "{}context.args.replicas == 5{}",
                    "(".repeat(60),
                    ")".repeat(60)
                ),
            ),
            (
                "if",
                format!(
                    "{}context.args.replicas == 5{}",
                    "if context.args.replicas == 5 then ".repeat(55),
                    " else false".repeat(55)
                ),
            ),
        ];
        let asked = Asked::new("k8s.scale", "prod", r#"{"replicas":5}"#);
        for (form, condition) in cases {
            let engine =
                load(&policy(&condition), SCHEMA).unwrap_or_else(|error| panic!("{form}: {error}"));
            assert_eq!(
                opinion_in_words(&judge(&engine, &asked)),
                "deny [x]",
                "{form}"
            );
        }
    });
}

#[test]
fn threat_46_over_the_caps_nothing_loads() {
    let many = |n: usize| -> String {
        (0..n)
            .map(|i| format!("@id(\"r{i}\") forbid(principal, action, resource);\n"))
            .collect()
    };
    refused(
        &many(10_001),
        SCHEMA,
        "there are 10001 policies; at most 10000 are read",
    );
    refused(
        &format!("//{}", "x".repeat(1 << 20)),
        SCHEMA,
        "the text is longer than 1048576 bytes",
    );
    refused(
        "",
        &format!("//{}", "x".repeat(1 << 20)),
        "schema, line 1: the text is longer than 1048576 bytes",
    );
}

#[test]
fn threat_46_ten_thousand_policies_are_looked_at() {
    let mut text = "@id(\"any\") permit(principal, action, resource);\n".to_owned();
    for i in 0..9_999 {
        text += &format!(
            "@id(\"r{i}\") forbid(principal, action == Action::\"deploy.api\", resource) when {{ context.env == \"e{i}\" }};"
        );
    }
    let engine = load(&text, SCHEMA).unwrap_or_else(|error| panic!("{error}"));
    for (env, want) in [("e9998", "deny [r9998]"), ("e10000", "no objection")] {
        let asked = Asked::new("deploy.api", env, "{}");
        assert_eq!(opinion_in_words(&judge(&engine, &asked)), want);
    }
}

#[test]
fn threat_46_types_that_stand_for_too_much_are_refused() {
    let schema = |types: &str, of: &str| {
        format!(
            "entity Agent; entity Resource; entity NoResource;\n{types}\naction \"a.b\" appliesTo {{ principal: [Agent], resource: [NoResource], context: {{ args: {{ v: {of} }} }} }};"
        )
    };
    on_a_small_stack(move || {
        let doubled: String = (0..40)
            .map(|i| format!("type T{i} = {{ a: T{}, b: T{} }};\n", i + 1, i + 1))
            .collect();
        refused(
            "",
            &schema(&format!("{doubled}type T40 = Long;"), "T0"),
            "stand for too many",
        );
        let chain: String = (0..5_000)
            .map(|i| format!("type T{i} = T{};\n", i + 1))
            .collect();
        refused(
            "",
            &schema(&format!("{chain}type T5000 = Long;"), "T0"),
            "nest deeper than 64 levels",
        );
        refused(
            "",
            &schema("type A = { a: B }; type B = { b: A };", "A"),
            "nest deeper than 64 levels",
        );
        refused(
            "",
            &schema("", &format!("{}Long{}", "Set<".repeat(65), ">".repeat(65))),
            "nest deeper than 64 levels",
        );
        for n in [1_000, 20_000] {
            refused(
                "",
                &schema("", &format!("{}Long{}", "Set<".repeat(n), ">".repeat(n))),
                "operators before",
            );
            refused(
                "",
                &schema("", &format!("{}Long{}", "{a:".repeat(n), "}".repeat(n))),
                "brackets nest deeper",
            );
        }
    });
}

#[test]
fn threat_46_deep_and_long_arguments_are_judged() {
    let schema = "entity Agent; entity Resource; entity NoResource;\n\
        action \"a.b\" appliesTo { principal: [Agent], resource: [NoResource], context: { args: { v: Set<Long> } } };";
    let rules = "@id(\"any\") permit(principal, action, resource);\n\
        @id(\"x\") forbid(principal, action, resource) when { context.args.v.contains(99999) };";
    on_a_small_stack(move || {
        let engine = load(rules, schema).unwrap();
        let long = (0..100_000)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(",");
        let asked = Asked::new("a.b", "", &format!("{{\"v\":[{long}]}}"));
        assert_eq!(opinion_in_words(&judge(&engine, &asked)), "deny [x]");
        let deep = format!("{{\"v\":{}1{}}}", "[".repeat(90), "]".repeat(90));
        let said = opinion_in_words(&judge(&engine, &Asked::new("a.b", "", &deep)));
        assert_eq!(
            said,
            "error: `args.v` is declared as a whole number and is of the kind list"
        );
    });
}
