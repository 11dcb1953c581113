//! Who must approve that another policy takes the place of this one.

use super::super::POLICY_CHANGE;
use super::loader::check;
use super::*;
use crate::policy::Strictness;

const KEEPERS: &str = "change = { require = [{ group = \"security\", n = 2 }], ttl = \"4h\" }\n";

fn asked(rules: &str) -> Evaluation {
    let policy = policy(rules);
    policy.evaluate(&proposal(POLICY_CHANGE, "prod", Vec::new()), now())
}

fn requires(rules: &str, expected: &str) {
    match asked(rules) {
        Evaluation::Require(requirement) => {
            assert_eq!(requirement.to_string(), expected, "{rules}");
        }
        other => panic!("{other:?} of {rules}"),
    }
}

#[test]
fn threat_43_the_keepers_of_a_policy_are_always_asked() {
    let rule = |scope: &str, body: &str| {
        format!("{KEEPERS}[[rule]]\nid = \"x\"\nscope = \"{scope}\"\n{body}\n")
    };
    let two = "2 of security (A1)";
    requires(KEEPERS, two);
    // What lets it through, or asks others or fewer, adds nothing or more.
    requires(&rule("approvals.policy.change", "effect = \"auto\""), two);
    requires(
        &rule(
            "approvals.*",
            "when = { env = \"prod\" }\neffect = \"auto\"",
        ),
        two,
    );
    requires(&rule("*", "require = [{ group = \"security\" }]"), two);
    requires(
        &rule("approvals.*", "require = [{ group = \"sre\" }]"),
        "2 of security (A1) and 1 of sre (A1)",
    );
    requires(
        &rule(
            "approvals.*",
            "require = [{ group = \"security\", n = 3, min_assurance = \"A3\" }]",
        ),
        "3 of security (A3)",
    );
    let (decide_within, _) = asked(KEEPERS).times();
    assert_eq!(decide_within.as_secs(), 4 * 3_600);
    // A freeze holds for it, too.
    let frozen = rule("*", "when = { env = \"prod\" }\neffect = \"deny\"");
    assert!(matches!(asked(&frozen), Evaluation::Deny(_)));
    let keepers = Evaluation::Require(policy(KEEPERS).change().unwrap().clone());
    assert_eq!(asked(KEEPERS).compared_to(&keepers), Strictness::Same);
}

#[test]
fn a_policy_that_names_nobody_lets_nobody_ask() {
    for rules in [
        "",
        "[[rule]]\nid = \"x\"\nscope = \"approvals.policy.change\"\neffect = \"auto\"\n",
        "[[rule]]\nid = \"x\"\nscope = \"*\"\nrequire = [{ group = \"sre\" }]\n",
    ] {
        match asked(rules) {
            Evaluation::Deny(forbidden) => {
                assert!(
                    forbidden.to_string().contains("add `change`"),
                    "{forbidden}"
                );
            }
            other => panic!("{other:?} of {rules}"),
        }
    }
}

#[test]
fn threat_43_nobody_is_named_by_halves_or_for_nothing() {
    check("change = {}", "`require` is missing");
    check("change = { require = [] }", "`require` names nobody");
    check(
        "change = { require = [{ group = \"nobody\" }] }",
        "`nobody` is not a group of the directory",
    );
    check(
        "change = { require = [{ group = \"sre\" }], effect = \"auto\" }",
        "`effect` is not known here",
    );
    check("change = true", "`change` must be a table");
    for scope in ["*", "approvals.*", "approvals.policy.change"] {
        check(
            &format!("{KEEPERS}[[rule]]\nid = \"never\"\nscope = \"{scope}\"\neffect = \"deny\""),
            "rule `never` forbids `approvals.policy.change` for good",
        );
    }
    policy(&format!(
        "{KEEPERS}[[rule]]\nid = \"never\"\nscope = \"approvals.erase\"\neffect = \"deny\"\n"
    ));
}
