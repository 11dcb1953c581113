//! Cases that are kept beside a policy: what they read, and what they tell apart.

use super::*;
use crate::policy::Cases;

const RULES: &str = r#"
[calendar.freeze]
windows = [{ from = "2026-12-20T00:00:00Z", to = "2027-01-03T00:00:00Z" }]
[[rule]]
id = "big"
scope = "k8s.scale"
when = { "args.replicas" = { gt = 10 } }
require = [{ group = "sre", n = 2, min_assurance = "A2" }, { group = "oncall" }]
[[rule]]
id = "freeze"
scope = "*"
when = { env = "prod", calendar = "freeze" }
effect = "deny"
[[rule]]
id = "ro"
scope = "db.query"
when = { "args.table" = { in = ["metrics"] }, tenant = "acme", agent = "bot", resource = "db/main" }
effect = "auto"
[[rule]]
id = "never"
scope = "iam.drop"
effect = "deny"
"#;

const HEAD: &str = "version = 1\nat = \"2027-01-15T08:00:00Z\"\n";

/// What the one case says of the policy; nothing when it is met.
fn check(case: &str, want: Option<&str>) {
    let text = format!("{HEAD}[[case]]\nname = \"x\"\n{case}");
    let cases = Cases::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let case = cases.iter().next().unwrap();
    let answer = policy(RULES).evaluate(case.proposal(), case.at());
    assert_eq!(case.differs(&answer).as_deref(), want, "{text}");
    assert_eq!(case.line(), 3);
}

#[test]
fn a_case_is_met_by_exactly_its_answer() {
    let big = "scope = \"k8s.scale\"\nargs = { replicas = 11 }\n";
    check(&format!("{big}expect = \"require oncall, sre:2:A2\""), None);
    check(
        &format!("{big}expect = \"require sre:2:A2, oncall:1:A1\"\nrules = [\"big\"]"),
        None,
    );
    check(
        &format!("{big}expect = \"require oncall, sre:2\""),
        Some("expected require oncall:1:A1, sre:2:A1, got require oncall:1:A1, sre:2:A2"),
    );
    check(
        &format!("{big}expect = \"require oncall, sre:2:A2\"\nrules = [\"big\", \"ro\"]"),
        Some("expected require oncall:1:A1, sre:2:A2 by `big`, `ro`, got it by `big`"),
    );
    check(
        &format!("{big}expect = \"auto\""),
        Some("expected auto, got require oncall:1:A1, sre:2:A2"),
    );
    check(
        "scope = \"k8s.scale\"\nargs = { replicas = 10 }\nexpect = \"require oncall\"\nrules = []",
        None,
    );
    check(
        "scope = \"k8s.scale\"\nexpect = \"require oncall, sre:2:A2\"",
        None,
    );
    check(
        "scope = \"k8s.scale\"\nredacted = [\"replicas\"]\nexpect = \"require oncall, sre:2:A2\"",
        None,
    );
    check(
        "scope = \"k8s.scale\"\nargs = '{\"replicas\": null}'\nexpect = \"require oncall, sre:2:A2\"",
        None,
    );
    check(
        "scope = \"k8s.scale\"\nargs = '{\"replicas\": 18446744073709551615}'\nexpect = \"require oncall, sre:2:A2\"",
        None,
    );
    check("scope = \"iam.drop\"\nexpect = \"deny\"", None);
    check(
        "scope = \"iam.drop\"\nexpect = \"frozen\"",
        Some("expected frozen, got deny"),
    );
    let frozen = "scope = \"db.drop\"\nenv = \"prod\"\nat = \"2026-12-24T00:00:00Z\"\n";
    check(&format!("{frozen}expect = \"frozen\""), None);
    check(&format!("{frozen}expect = \"deny\""), None);
    check(
        &format!("{frozen}expect = \"require oncall\""),
        Some("expected require oncall:1:A1, got frozen"),
    );
    check(
        "scope = \"db.drop\"\nenv = \"prod\"\nexpect = \"require oncall\"",
        None,
    );
    let read = "scope = \"db.query\"\ntenant = \"acme\"\nagent = \"bot\"\nresource = \"db/main\"\nargs = { table = \"metrics\", more = { a = [1, 1.5, true, \"x\"] } }\n";
    check(&format!("{read}expect = \"auto\""), None);
    check(
        &read
            .replace("acme", "other")
            .replace("args", "expect = \"auto\"\nargs"),
        Some("expected auto, got require oncall:1:A1"),
    );
}

#[test]
fn what_is_wrong_with_cases_comes_at_once() {
    let check = |text: &str, want: &str| {
        let error = Cases::parse(text)
            .err()
            .unwrap_or_else(|| panic!("accepted: {text}"));
        assert!(error.to_string().contains(want), "{error}\n{text}");
    };
    let one = |rest: &str| format!("{HEAD}[[case]]\nname = \"x\"\nscope = \"a.b\"\n{rest}");
    check("", "`version` is missing");
    check(
        "version = 2\ncase = []",
        "`version` must be a whole number from 1 to 1",
    );
    check("version = 1", "`case` is missing");
    check(
        "version = 1\n[[case]]\nname = \"x\"\nscope = \"a.b\"\nexpect = \"deny\"",
        "no time is named",
    );
    check(&one(""), "line 3, case `x`: `expect` is missing");
    for bad in [
        "allow",
        "require",
        "require ",
        "require a, a:2",
        "require a:0",
        "Deny",
        "",
    ] {
        check(
            &one(&format!("expect = \"{bad}\"")),
            "`expect` must be \"auto\", \"deny\", \"frozen\" or whom it asks",
        );
    }
    check(
        &one("expect = \"deny\"\nwhen = 1"),
        "`when` is not known here",
    );
    check(
        &one("expect = \"deny\"\nat = \"yesterday\""),
        "`at` must be a time in UTC",
    );
    check(
        &one("expect = \"deny\"\nargs = 7"),
        "`args` must be a table",
    );
    check(
        &one("expect = \"deny\"\nargs = '[1]'"),
        "`args` must be a table",
    );
    check(
        &one("expect = \"deny\"\nargs = '{\"a\":1,\"a\":2}'"),
        "`args` is a text that is no JSON",
    );
    check(
        &one("expect = \"deny\"\nargs = { a = 1979-05-27 }"),
        "`a` must be a text in quotes",
    );
    check(
        &one("expect = \"deny\"\nargs = { a = nan }"),
        "`a` must be finite",
    );
    check(
        &one("expect = \"deny\"\nargs = { a = 1 }\nredacted = [\"a\"]"),
        "`a` is redacted and in `args`, too",
    );
    check(
        &one("expect = \"deny\"\nsponsor = \"a b\""),
        "is not a person id",
    );
    check(
        &format!(
            "{}\n[[case]]\nname = \"x\"\nscope = \"a.b\"\nexpect = \"deny\"",
            one("expect = \"deny\"")
        ),
        "another case has this `name` already",
    );
    let error = Cases::parse(&format!("{HEAD}[[case]]\n[[case]]\nname = \"y\"")).unwrap_err();
    assert_eq!(error.findings().len(), 5, "{error}");
}
