//! What the loader refuses, and in which words.

use super::*;

/// The one finding of a policy whose rules are these.
pub(super) fn check(rules: &str, want: &str) {
    let text =
        format!("version = 1\ndefault = {{ require = [{{ group = \"oncall\" }}] }}\n{rules}");
    check_text(&text, want);
}

/// The one finding of a policy with these calendars.
pub(super) fn check_calendar(calendars: &str, want: &str) {
    check(calendars, want);
}

fn check_text(text: &str, want: &str) {
    let error = load(text)
        .err()
        .unwrap_or_else(|| panic!("accepted: {text}"));
    assert_eq!(error.findings().len(), 1, "{error}\n{text}");
    assert!(error.to_string().contains(want), "{error}\n{text}");
}

/// The one finding of a rule with this body.
pub(super) fn check_rule(scope: &str, body: &str, want: &str) {
    check(
        &format!("[[rule]]\nid = \"x\"\nscope = \"{scope}\"\n{body}"),
        want,
    );
}

pub(super) fn accepts(scope: &str, body: &str) {
    policy(&format!(
        "[[rule]]\nid = \"x\"\nscope = \"{scope}\"\n{body}"
    ));
}

#[test]
fn threat_43_a_policy_must_be_whole() {
    let default = "default = { require = [{ group = \"oncall\" }] }";
    check_text(
        &format!("version = 1\n{default}\nrule = 7"),
        "`rule` must be a list",
    );
    check_text(
        &format!("version = 1\n{default}\nallow = true"),
        "line 3: `allow` is not known here; use `version`, `default`, `change`, `calendar`, `engine`, `memory`, `rule`",
    );
    check_text(
        "version = 1",
        "`default` is missing; write `default = { require =",
    );
    check_text("version = 1\ndefault = {}", "`require` is missing");
    check_text(
        "version = 1\ndefault = { require = [] }",
        "`require` names nobody",
    );
    check_text(
        "version = 1\ndefault = { effect = \"auto\", require = [{ group = \"oncall\" }] }",
        "`effect` is not known here",
    );
    check_text(
        "version = 1\ndefault = { require = [{ group = \"oncall\", n = 0 }] }",
        "`n` must be a whole number from 1 to 255",
    );
    check_text(default, "`version` is missing");
    for version in ["0", "-1", "1.0", "\"1\"", "9223372036854775808"] {
        check_text(
            &format!("version = {version}\n{default}"),
            "`version` must be a whole number from 1",
        );
    }
    let empty = load("").unwrap_err();
    assert_eq!(empty.findings().len(), 2);
    assert_eq!(empty.code(), crate::error::Code::PolicyInvalid);
    check_text(
        &format!("version = 1\nversion = 2\n{default}"),
        "line 2: not TOML: duplicate key",
    );
    check_text(&format!("version = 1\n{default}\n[[rule]"), "not TOML");
}

#[test]
fn threat_19_a_group_that_the_directory_does_not_know_refuses_to_load() {
    check_rule(
        "db.drop",
        r#"require = [{ group = "oncal" }]"#,
        "line 6, rule `x`: `oncal` is not a group of the directory; it knows `oncall`, `privacy`, `security`, `sre`",
    );
    check_rule(
        "db.drop",
        r#"require = [{ group = "Oncall" }]"#,
        "`Oncall` is not a group",
    );
    check_rule(
        "db.drop",
        r#"require = [{ group = "*" }]"#,
        "`*` is not a group name",
    );
    check_rule("db.drop", r#"require = [{ n = 2 }]"#, "`group` is missing");
    check_rule("db.drop", "require = []", "`require` names nobody");
    let nobody = Policy::parse(
        "version = 1\ndefault = { require = [{ group = \"oncall\" }] }",
        &BTreeSet::new(),
        &[],
    );
    assert!(nobody.unwrap_err().to_string().contains("it knows nothing"));
}

#[test]
fn rules_say_one_thing() {
    check(
        "[[rule]]\nscope = \"db.drop\"\neffect = \"deny\"",
        "rule `#1`: `id` is missing",
    );
    check(
        "[[rule]]\nid = \"x\"\neffect = \"deny\"",
        "`scope` is missing",
    );
    check(
        "[[rule]]\nid = \"a b\"\nscope = \"db.drop\"\neffect = \"deny\"",
        "is not a rule id",
    );
    check(
        "[[rule]]\nid = \"x\"\nscope = \"db.drop\"\neffect = \"deny\"\n[[rule]]\nid = \"x\"\nscope = \"db.*\"\neffect = \"deny\"",
        "line 8, rule `x`: another rule has this `id` already",
    );
    check_rule("db.drop", "", "the rule does nothing");
    check_rule(
        "db.drop",
        "effect = \"allow\"",
        "`effect` must be \"deny\" or \"auto\"",
    );
    check_rule(
        "db.drop",
        "effect = \"require\"",
        "`effect` must be \"deny\" or \"auto\"",
    );
    check_rule(
        "db.drop",
        "effect = \"deny\"\nrequire = [{ group = \"sre\" }]",
        "`require` is only for rules without `effect`",
    );
    check_rule(
        "db.drop",
        "effect = \"deny\"\nttl = \"5m\"",
        "`ttl` is only for `require` rules",
    );
    check_rule(
        "db.drop",
        "effect = \"auto\"\nuse_within = \"5m\"",
        "`use_within` is only for `require` rules",
    );
    check_rule(
        "db.drop",
        "effect = \"deny\"\nrate = \"1/h\"",
        "`rate` is only for `effect = \"auto\"` rules",
    );
    check_rule(
        "db.drop",
        "require = [{ group = \"sre\" }]\nrate = \"1/h\"",
        "`rate` is only for",
    );
    check_rule(
        "db.drop",
        "effect = \"deny\"\nunless = {}",
        "`unless` is not known here; use `id`, `scope`",
    );
    check_rule(
        "db.drop",
        "effect = true",
        "`effect` must be a text in quotes",
    );
    check_rule(
        "db.drop",
        "effect = \"auto\"\nrate = \"0/h\"",
        "`rate` must be a number above zero",
    );
    check_rule(
        "db.drop",
        "effect = \"auto\"\nrate = 30",
        "`rate` must be a text",
    );
}

#[test]
fn requirements_are_bounded() {
    let require = |entry: &str| format!("require = [{{ group = \"sre\", {entry} }}]");
    for n in ["0", "256", "-1", "1.5", "\"2\"", "true"] {
        check_rule(
            "db.drop",
            &require(&format!("n = {n}")),
            "`n` must be a whole number from 1 to 255",
        );
    }
    for level in ["\"A4\"", "\"a3\"", "\"\""] {
        check_rule(
            "db.drop",
            &require(&format!("min_assurance = {level}")),
            "`min_assurance` must be \"A1\"",
        );
    }
    check_rule(
        "db.drop",
        &require("who = \"x\""),
        "`who` is not known here; use `group`, `n`, `min_assurance`",
    );
    check_rule(
        "db.drop",
        "require = { group = \"sre\" }",
        "`require` must be a list",
    );
    check_rule(
        "db.drop",
        "require = [\"sre\"]",
        "`require` must be a table",
    );
    check_rule(
        "db.drop",
        "require = [{ group = \"sre\" }, { group = \"sre\", n = 2 }]",
        "`sre` stands twice",
    );
    for time in ["\"0s\"", "\"31d\"", "\"5\"", "\"5 m\"", "\"\""] {
        check_rule(
            "db.drop",
            &format!("require = [{{ group = \"sre\" }}]\nttl = {time}"),
            "`ttl` must be a time from \"1s\" to \"30d\"",
        );
    }
    check_rule(
        "db.drop",
        "require = [{ group = \"sre\" }]\nuse_within = 15",
        "`use_within` must be a text",
    );
    accepts(
        "db.drop",
        "require = [{ group = \"sre\", n = 255, min_assurance = \"A2\" }]\nttl = \"30d\"\nuse_within = \"1s\"",
    );
}

#[test]
fn threat_48_a_scope_that_could_mean_more_refuses_to_load() {
    for scope in [
        "deploy*", "*.web", "**", "db", "DB.x", "deploy.", "de*.web", "",
    ] {
        check_rule(
            scope,
            "effect = \"deny\"",
            "is not a scope pattern; write lower-case segments",
        );
    }
}

#[test]
fn conditions_are_well_formed() {
    let when = |entries: &str| format!("effect = \"deny\"\nwhen = {{ {entries} }}");
    let check = |entries: &str, want: &str| check_rule("other.scope", &when(entries), want);
    check(
        "environment = \"prod\"",
        "`environment` cannot be tested; use `env`, `tenant`, `resource`, `agent`, `calendar`, `break_glass` or `args.NAME`",
    );
    check("reason = \"x\"", "`reason` cannot be tested");
    check(
        "calendar = \"freeze\"",
        "`freeze` is not a calendar of this policy; it has nothing: write `[calendar.freeze]`",
    );
    check(
        "calendar = true",
        "`calendar` is a text, but is compared with a boolean",
    );
    for test in ["{ starts_with = \"f\" }", "{ contains = \"f\" }"] {
        check(
            &format!("calendar = {test}"),
            "use `eq`, `ne`, `in` or `not_in` with its name",
        );
    }
    check("args.table = \"users\"", "put the whole path in quotes");
    check("\"args.\" = 1", "`args.` cannot be tested");
    check("\"args.a..b\" = 1", "`args.a..b` cannot be tested");
    check("\"args.a\" = {}", "`args.a` is tested for nothing");
    check(
        "\"args.a\" = { matches = \"x\" }",
        "`matches` is not an operator; use `eq`, `ne`",
    );
    check("\"args.a\" = { in = [] }", "`in` is an empty list");
    check("\"args.a\" = { not_in = [] }", "`not_in` is an empty list");
    check("\"args.a\" = { in = \"x\" }", "`in` must be a list");
    check(
        "\"args.a\" = [1, 2]",
        "must be one value; use `in` for several",
    );
    check(
        "\"args.a\" = { eq = { x = 1 } }",
        "the value of `eq` must be a text, a number or a boolean",
    );
    check("\"args.a\" = 2026-01-01", "dates are compared as texts");
    check("\"args.a\" = { gt = \"10\" }", "`gt` must be a number");
    check("\"args.a\" = { le = true }", "`le` must be a number");
    check(
        "\"args.a\" = { starts_with = 1 }",
        "`starts_with` must be a text",
    );
    check(
        "\"args.a\" = { contains = \"\" }",
        "`contains` with an empty text matches everything",
    );
    check("\"args.a\" = nan", "must be finite");
    check("\"args.a\" = { lt = inf }", "must be finite");
    check("\"args.a\" = 1e999", "must be finite");
    check(
        "\"args.a\" = 18446744073709551616",
        "must be within 64 bits",
    );
    check(
        "\"args.a\" = -9223372036854775809",
        "must be within 64 bits",
    );
    check(
        "\"args.a\" = { in = [1, \"1\"] }",
        "`args.a` is compared with a number and with something else",
    );
    check(
        "\"args.a\" = { gt = 1, ne = \"x\" }",
        "and with something else",
    );
    check("env = 1", "`env` is a text, but is compared with a number");
    check(
        "agent = true",
        "`agent` is a text, but is compared with a boolean",
    );
    check_rule(
        "other.scope",
        "effect = \"deny\"\nwhen = \"always\"",
        "`when` must be a table",
    );
}

#[test]
fn all_findings_come_at_once_in_the_order_of_the_file() {
    let text = r#"version = 0
default = { require = [{ group = "oncal", n = 999 }], ttl = "never" }
allow = "*"
[[rule]]
id = "a"
scope = "db*"
when = { "args.x" = { gt = "1", like = 2 }, env = nan, break_glass = "no" }
effect = "maybe"
[[rule]]
id = "b"
scope = "k8s.scale"
when = { "args.replicas" = "1", "args.tokn" = "x", calendar = "y" }
require = [{ group = "sre", n = 0 }, { group = "sres", min_assurance = "A9" }]
rate = "1/h"
"#;
    let error = load(text).unwrap_err();
    let lines: Vec<usize> = error
        .findings()
        .iter()
        .map(|finding| finding.line())
        .collect();
    assert_eq!(
        lines,
        [1, 2, 2, 2, 3, 6, 7, 7, 7, 7, 8, 12, 12, 12, 13, 13, 13, 14],
        "{error}"
    );
    let about = |line: usize| {
        let found = error
            .findings()
            .iter()
            .find(|finding| finding.line() == line);
        found.and_then(|finding| finding.about())
    };
    assert_eq!(about(2), None);
    assert_eq!(about(7), Some("rule `a`"));
    assert_eq!(about(14), Some("rule `b`"));
    assert_eq!(error.to_string().lines().count(), 18);
}

#[test]
fn threat_42_messages_carry_no_control_characters() {
    let error = load(
        "version = 1\ndefault = { require = [{ group = \"\\u001b[31m\\nline 1: all is well\" }] }\n\"\\u202e\" = 1\n[[rule]]\nid = \"\\u001b]0;x\"\nscope = \"a\\rb\"\neffect = \"\\u009b\"\nwhen = { \"args.\\u2066\" = { in = [1, \"\\u001b\"] } }",
    )
    .unwrap_err();
    assert_eq!(error.to_string().lines().count(), error.findings().len());
    for finding in error.findings() {
        assert!(finding.to_string().is_ascii(), "{finding:?}");
        assert!(
            !finding.to_string().contains(char::is_control),
            "{finding:?}"
        );
    }
}
