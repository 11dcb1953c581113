//! Break-glass: it lifts what the policy ties to it, and makes the rest stricter.

use super::loader::{accepts, check_rule};
use super::*;
use crate::error::Code;

const POLICY: &str = r#"
[calendar.freeze]
windows = [{ from = "2027-01-15T00:00:00Z", to = "2027-01-16T00:00:00Z" }]
[[rule]]
id = "freeze"
scope = "db.*"
when = { env = "prod", calendar = "freeze", break_glass = false }
effect = "deny"
[[rule]]
id = "never"
scope = "db.drop"
when = { "args.table" = "audit" }
effect = "deny"
[[rule]]
id = "two"
scope = "db.drop"
when = { env = "prod" }
require = [{ group = "sre", n = 2, min_assurance = "A2" }, { group = "security" }]
[[rule]]
id = "ro"
scope = "db.query"
when = { "args.table" = "metrics" }
effect = "auto"
"#;

fn glass(scope: &str, env: &str, args: &str, reason: &str) -> Proposal {
    let mut proposal = proposal(scope, env, params(args));
    proposal.break_glass = Some(reason.to_owned());
    proposal
}

#[test]
fn threat_49_breaking_the_glass_lifts_what_is_tied_to_it_and_nothing_else() {
    let policy = policy(POLICY);
    let check = |scope: &str, args: &str, whole: &str, broken: &str| {
        let asked = proposal(scope, "prod", params(args));
        assert_eq!(in_words(&policy.evaluate(&asked, now())), whole, "{scope}");
        let asked = glass(scope, "prod", args, "prod is down");
        assert_eq!(in_words(&policy.evaluate(&asked, now())), broken, "{scope}");
    };
    let until = "frozen until 2027-01-16T00:00:00.000000Z";
    check(
        "db.drop",
        r#"{"table":"users"}"#,
        &format!("{until} [freeze]"),
        "require security:1:A3 sre:2:A3 [two]",
    );
    check(
        "db.drop",
        r#"{"table":"audit"}"#,
        "deny [freeze, never]",
        "deny [never]",
    );
    // What a rule lets through by itself, and the default, take people who sign.
    check(
        "db.query",
        r#"{"table":"metrics"}"#,
        &format!("{until} [freeze]"),
        "require oncall:1:A3 []",
    );
    check(
        "db.move",
        "{}",
        &format!("{until} [freeze]"),
        "require oncall:1:A3 []",
    );
    // A value that is missing matches the hard deny all the same.
    check("db.drop", "{}", "deny [freeze, never]", "deny [never]");
}

#[test]
fn threat_49_it_takes_a_reason_and_a_rule_that_speaks_of_it() {
    let policy = policy(POLICY);
    let check = |scope: &str, reason: &str, want: &str| {
        let asked = glass(scope, "prod", r#"{"table":"users"}"#, reason);
        let Evaluation::Deny(forbidden) = policy.evaluate(&asked, now()) else {
            panic!("{scope} {reason:?} is not refused");
        };
        assert_eq!(forbidden.code(), Code::PolicyDenied);
        assert!(forbidden.to_string().contains(want), "{forbidden}");
    };
    for reason in ["", " ", "\n\t", "\u{a0}"] {
        check("db.drop", reason, "who breaks the glass must say why");
    }
    check(
        "web.ping",
        "prod is down",
        "no rule of the policy lets anybody break the glass for `web.ping`",
    );
}

#[test]
fn break_glass_is_a_boolean_and_never_automatic() {
    let when = |test: &str, effect: &str| format!("when = {{ break_glass {test} }}\n{effect}");
    let deny = "effect = \"deny\"";
    accepts("db.drop", &when("= false", deny));
    accepts("db.drop", &when("= true", deny));
    accepts("db.drop", &when("= { ne = true }", deny));
    check_rule(
        "db.drop",
        &when("= \"no\"", deny),
        "`break_glass` is a boolean, but is compared with a text",
    );
    check_rule(
        "db.drop",
        &when("= 0", deny),
        "`break_glass` is a boolean, but is compared with a number",
    );
    let auto = "effect = \"auto\"";
    for test in ["= true", "= { ne = false }", "= { in = [true] }"] {
        check_rule(
            "web.ping",
            &when(test, auto),
            "people decide on every broken glass, so that `auto` never lets one through",
        );
    }
    accepts("web.ping", &when("= false", auto));
    // That the glass is whole does not say what may pass.
    check_rule(
        "web.*",
        &when("= false", auto),
        "`auto` without a condition would let through everything under `web.*`",
    );
}
