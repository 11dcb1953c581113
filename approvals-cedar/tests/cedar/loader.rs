//! What does not load, and in which words.

use approvals_cedar::{CedarEngine, CedarText};
use approvals_core::action::{GuardedFn, Kind, Param, Treatment};
use approvals_core::policy::PolicyEngine;
use approvals_core::{Code, PolicyDigest};

use crate::support::{SCHEMA, SIX, groups, load};

/// The one finding about these policies, under the schema of the six.
#[track_caller]
fn check(policies: &str, want: &str) {
    one(policies, SCHEMA, want);
}

/// The one finding about this schema, with no policies.
#[track_caller]
fn check_schema(schema: &str, want: &str) {
    one("", schema, want);
}

#[track_caller]
fn one(policies: &str, schema: &str, want: &str) {
    let error = load(policies, schema)
        .err()
        .unwrap_or_else(|| panic!("accepted: {policies}\n{schema}"));
    assert_eq!(error.code(), Code::PolicyInvalid);
    let text = error.to_string();
    assert!(
        text.lines().any(|line| line.contains(want)),
        "{text}\nwants {want}"
    );
    assert!(!error.findings().is_empty());
}

const ANY: &str = "forbid(principal, action, resource)";

#[test]
fn what_validation_finds_is_not_read() {
    let of = |condition: &str| {
        format!(
            "@id(\"x\") forbid(principal, action == Action::\"k8s.scale\", resource)\nwhen {{ {condition} }};"
        )
    };
    check(
        &of("context.args.replica > 10"),
        "policies, line 2: for policy `x`, attribute `args.replica`",
    );
    check(
        &of("context.args.replicas > \"10\""),
        "policies, line 2: for policy `x`, unexpected type",
    );
    check(
        &of("context.args.replicas == \"10\""),
        "types Long and String are not compatible",
    );
    check(&of("context.nothing"), "`nothing`");
    check(
        &of("context.args.replicas > 10 && context.calendar == \"freeze\""),
        "`calendar`",
    );
    // What is only a warning to Cedar: a rule that can never match.
    check(
        &of("context.args.replicas > 10 && false"),
        "policy is impossible",
    );
    check(
        &format!(
            "@id(\"x\") {};",
            ANY.replace("action,", "action == Action::\"k8s.scal\",")
        ),
        "unrecognized action",
    );
    check(
        &format!(
            "@id(\"x\") {};",
            ANY.replace("principal,", "principal == User::\"a\",")
        ),
        "unrecognized entity type `User`",
    );
    check(
        "permit(principal, action",
        "policies, line 1: unexpected end of input",
    );
    check(
        &format!("@id(\"x\") {} when {{ 1 + }};", ANY),
        "unexpected token",
    );
}

#[test]
fn a_policy_is_named_and_understood() {
    check(
        &format!("{ANY};"),
        "a policy has no name; write `@id(\"big-scale\")` before `forbid`",
    );
    check(
        &format!("@id(\"x\") {ANY};\n@id(\"y\") {ANY};\n@id(\"x\") {ANY};"),
        "`x` names two policies",
    );
    check(&format!("@id(\"a b\") {ANY};"), "`a?b` is not a rule id");
    check(
        &format!("@id(\"no-permit\") {ANY};"),
        "is what the engine says when no policy permits",
    );
    check(
        &format!("@id(\"x\") @requires(\"sre:2\") {ANY};"),
        "`@requires` of `x` is not known here; use `@id`",
    );
    check(
        &format!("@id(\"x\") @ttl(\"5m\") {ANY};"),
        "`@ttl` of `x` is only for a `forbid` with `@require`",
    );
    check(
        "@id(\"x\") @require(\"sre:2\") permit(principal, action, resource);",
        "`x` permits, and would ask for people",
    );
    check(
        "@id(\"x\") permit(principal == ?principal, action, resource);",
        "a template is not used by anything here",
    );
    check(
        &format!("@id(\"x\") @id(\"y\") {ANY};"),
        "duplicate annotation",
    );
    // All at once.
    let error = load(&format!("{ANY};\n{ANY};\n@id(\"a b\") {ANY};"), SCHEMA).unwrap_err();
    let lines: Vec<usize> = error
        .findings()
        .iter()
        .map(|finding| finding.line())
        .collect();
    assert_eq!(lines, [1, 2, 3], "{error}");
    assert!(
        error
            .findings()
            .iter()
            .all(|finding| finding.text() == CedarText::Policies)
    );
}

#[test]
fn threat_19_an_ask_names_groups_that_are_there() {
    let ask = |require: &str| format!("@id(\"x\") @require(\"{require}\") {ANY};");
    for good in [
        "sre",
        "sre:2",
        "sre:2:A3",
        "sre:2, security",
        "sre:2,security:1:A2",
    ] {
        assert!(load(&ask(good), SCHEMA).is_ok(), "{good}");
    }
    check(
        &ask("sr"),
        "`sr` is not a group of the directory; it knows `oncall`",
    );
    check(&ask("sre:0"), "`sre:0` is no quorum");
    check(&ask("sre:256"), "`sre:256` is no quorum");
    check(&ask("sre:A3"), "is no quorum");
    check(&ask("sre:2:A4"), "`sre:2:A4` is not a group");
    check(&ask(""), "is no quorum");
    check(&ask("sre:2,"), "is no quorum");
    check(&ask("sre:2, sre:1:A3"), "`sre` stands twice");
    check(&format!("@id(\"x\") @require {ANY};"), "is no quorum");
    check(
        &ask("sre").replace("@require", "@ttl(\"31d\") @require"),
        "`@ttl` of `x` must be a time from \"1s\" to \"30d\"",
    );
    // A group that is called like a quorum could be meant.
    let groups = ["sre", "sre:2"].map(|name| name.parse().unwrap()).into();
    let error = CedarEngine::parse(&ask("sre:2"), SCHEMA, &groups, &[]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("could also be one person of the group `sre:2`"),
        "{error}"
    );
}

const TYPES: &str = "entity Agent; entity Resource; entity NoResource;\n";

fn action(rest: &str) -> String {
    format!(
        "{TYPES}action \"a.b\" appliesTo {{ principal: [Agent], resource: [NoResource], {rest} }};"
    )
}

#[test]
fn the_schema_is_the_engines() {
    check_schema("", "the schema is empty");
    check_schema("entity", "schema, line 1");
    check_schema(
        &format!("{TYPES}entity Team;"),
        "the engine knows no `Team`",
    );
    check_schema(
        "entity Agent in [Resource]; entity Resource;",
        "`Agent` has a name and nothing else",
    );
    check_schema(
        "entity Agent { name: String };",
        "`Agent` has a name and nothing else",
    );
    check_schema(
        "namespace App { entity Agent; }",
        "`namespace App` is not known here",
    );
    check_schema(
        &action("context: { env: String }").replace("[Agent]", "[Resource]"),
        "`a.b` is asked for by `Resource`",
    );
    check_schema(
        &action("context: { env: String }").replace("[NoResource]", "[Agent]"),
        "`a.b` acts upon `Agent`",
    );
    check_schema(
        &action("context: { environment: String }"),
        "the engine knows no `environment` in the context of `a.b`; it has `args`, `env`",
    );
    check_schema(
        &action("context: { env: Long }"),
        "`env` in the context of `a.b` must be `String`",
    );
    check_schema(
        &action("context: { at: String }"),
        "`at` in the context of `a.b` must be `datetime`",
    );
    check_schema(
        &action("context: { args: Long }"),
        "the arguments of `a.b` are a record that is always there",
    );
    check_schema(
        &action("context: { args?: {} }"),
        "the arguments of `a.b` are a record that is always there",
    );
    check_schema(
        &action("context: { args: { who: Agent } }"),
        "cannot hold a `Agent`",
    );
    check_schema(
        &action("context: { args: { who: Nobody } }"),
        "cannot hold a `Nobody`",
    );
    check_schema(
        &action("").replace("a.b", "Export"),
        "`Export` is not a scope",
    );
    assert!(load("", &action("context: { args: {}, env?: String }")).is_ok());
    assert!(load("", &action("")).is_ok());
}

#[test]
fn threat_48_a_group_holds_every_scope_of_its_name() {
    let leaf = |name: &str, of: &str| {
        format!(
            "action \"{name}\"{of} appliesTo {{ principal: [Agent], resource: [NoResource] }};\n"
        )
    };
    let good = format!(
        "{TYPES}action iam;\n{}{}",
        leaf("iam.update", " in [iam]"),
        leaf("iamb.update", "")
    );
    assert!(load("", &good).is_ok());
    let missed = format!("{good}{}", leaf("iam.delete", ""));
    check_schema(
        &missed,
        "line 5: `iam.delete` is not in the group `iam`, so that rules for the group miss it",
    );
    let deeper = format!(
        "{good}{}{}",
        leaf("iam.role", " in [iam]"),
        leaf("iam.role.grant", " in [iam]")
    );
    assert!(load("", &deeper).is_ok(), "`iam.role` is no group");
    let deeper = format!("{deeper}{}", leaf("iam.role.list", " in [\"iam.role\"]"));
    check_schema(&deeper, "`iam.role.grant` is not in the group `iam.role`");
    let through = format!(
        "{good}{}{}",
        leaf("iam.role", " in [iam]"),
        leaf("iam.role.grant", " in [\"iam.role\"]")
    );
    assert!(load("", &through).is_ok());
}

const fn param(name: &'static str, kind: Kind, treatment: Treatment) -> Param {
    Param {
        name,
        kind,
        treatment,
    }
}

const fn guarded(scope: &'static str, params: &'static [Param]) -> GuardedFn {
    GuardedFn {
        scope,
        function: "app::guarded",
        file: "src/lib.rs",
        line: 1,
        version: "0.1.0",
        signature: "()",
        params,
    }
}

static SCALE: GuardedFn = guarded(
    "k8s.scale",
    &[
        param("replicas", Kind::Integer, Treatment::Shown),
        param("token", Kind::Text, Treatment::Redacted),
        param("pool", Kind::Any, Treatment::NotCovered),
    ],
);
static QUERY: GuardedFn = guarded(
    "db.query",
    &[
        param("table", Kind::Integer, Treatment::Shown),
        param("readonly", Kind::Boolean, Treatment::Redacted),
        param("ratio", Kind::Number, Treatment::Shown),
    ],
);
static OTHER: GuardedFn = guarded("other.scope", &[param("x", Kind::Number, Treatment::Shown)]);

#[test]
fn the_schema_agrees_with_the_guarded_functions() {
    let parse =
        |functions: &[&'static GuardedFn]| CedarEngine::parse(SIX, SCHEMA, &groups(), functions);
    assert!(parse(&[&SCALE, &OTHER]).is_ok());
    let error = parse(&[&QUERY]).unwrap_err();
    let text = error.to_string();
    for want in [
        "`args.table` of `db.query` is declared as a text, and the parameter is a whole number, in `app::guarded`",
        "`args.ratio` of `db.query` is not declared, and the function shows it",
        "`args.readonly` of `db.query` must be there, and is no parameter that the function shows",
    ] {
        assert!(text.contains(want), "{text}");
    }
}

#[test]
fn threat_43_the_digest_names_both_texts() {
    let digest = |policies: &str, schema: &str| load(policies, schema).unwrap().digest();
    let one = digest(SIX, SCHEMA);
    assert_eq!(one, digest(SIX, SCHEMA));
    assert_ne!(one, digest(&format!("{SIX}\n"), SCHEMA));
    assert_ne!(one, digest(SIX, &format!("{SCHEMA}\n")));
    // Where the first text ends counts: nothing moves from one to the other.
    assert_ne!(
        digest("// a\n", &format!("// b\n{SCHEMA}")),
        digest("// a\n// b\n", SCHEMA)
    );
    assert_ne!(one, PolicyDigest::of(format!("{SIX}{SCHEMA}").as_bytes()));
}

#[test]
fn threat_42_messages_carry_no_control_characters() {
    for policies in [
        "\u{1b}[2J",
        "@id(\"\u{202e}x\") forbid(principal, action, resource);",
        "@id(\"x\u{7}\") @\u{9b} permit",
    ] {
        let error = load(policies, SCHEMA).unwrap_err().to_string();
        let odd = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!error.contains(odd), "{error:?}");
    }
}

#[test]
fn the_rules_can_be_read_out() {
    let engine = load(SIX, SCHEMA).unwrap();
    let rules: Vec<String> = engine
        .rules()
        .iter()
        .map(|rule| format!("{} {}", rule.effect, rule.id))
        .collect();
    assert_eq!(
        rules,
        [
            "permit known",
            "require prod-deploy",
            "require deploy",
            "require big-scale",
            "require scale",
            "require pii",
            "forbid freeze",
            "require query",
            "forbid never",
            "require iam",
        ]
    );
    assert_eq!(engine.name().as_str(), "cedar");
    assert_eq!(
        engine.named("second".parse().unwrap()).name().as_str(),
        "second"
    );
}
