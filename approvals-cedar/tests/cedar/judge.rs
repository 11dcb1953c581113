//! What the engine says of one proposal; no doubt ends in a weaker answer.

use approvals_core::Assurance;
use approvals_core::action::BoundParam;
use approvals_core::canonical::Value;

use crate::support::{Asked, engine, judge, load, opinion_in_words};

/// Everything is permitted, and these policies speak against it.
fn check(policies: &str, scope: &str, args: &str, want: &str) {
    check_asked(policies, &Asked::new(scope, "prod", args), want);
}

fn check_asked(policies: &str, asked: &Asked, want: &str) {
    let text = format!("@id(\"any\") permit(principal, action, resource);\n{policies}");
    let said = opinion_in_words(&judge(&engine(&text), asked));
    assert_eq!(said, want, "{asked:?}\n{policies}");
}

const BIG: &str = "@id(\"big\") @require(\"sre:2\")\n\
    forbid(principal, action == Action::\"k8s.scale\", resource) when { context.args.replicas > 10 };";
const HUGE: &str = "@id(\"huge\")\n\
    forbid(principal, action == Action::\"k8s.scale\", resource) when { context.args.replicas > 1000 };";

#[test]
fn permits_forbids_and_asks() {
    let scale = r#"{"replicas":11}"#;
    check("", "k8s.scale", scale, "no objection");
    check(BIG, "k8s.scale", r#"{"replicas":10}"#, "no objection");
    check(BIG, "k8s.scale", scale, "require sre:2:A1 [big]");
    check(HUGE, "k8s.scale", r#"{"replicas":1001}"#, "deny [huge]");
    check(
        &format!("{BIG}{HUGE}"),
        "k8s.scale",
        r#"{"replicas":1001}"#,
        "deny [huge]",
    );
    let more = "@id(\"b\") @require(\"sre:1:A3, security\") @ttl(\"5m\") @use_within(\"1m\")\n\
        forbid(principal, action, resource);";
    check(
        &format!("{BIG}{more}"),
        "k8s.scale",
        scale,
        "require security:1:A1, sre:2:A3 [b, big]",
    );
    // Nobody permits: a forbid that people could lift changes nothing about that.
    let only = |policies: &str| {
        let said = judge(&engine(policies), &Asked::new("k8s.scale", "prod", scale));
        opinion_in_words(&said)
    };
    assert_eq!(only(""), "deny [no-permit]");
    assert_eq!(only(BIG), "deny [no-permit]");
    assert_eq!(only(HUGE), "deny [no-permit]");
    let named = "@id(\"p\") permit(principal == Agent::\"bot\", action, resource);";
    assert_eq!(only(named), "no objection");
    assert_eq!(only(&named.replace("bot", "Bot")), "deny [no-permit]");
}

#[test]
fn times_of_an_ask_are_its_own_and_no_longer() {
    let text = format!(
        "@id(\"any\") permit(principal, action, resource);{}",
        BIG.replace(
            "@require(\"sre:2\")",
            "@require(\"sre:2:A2\") @ttl(\"90s\") @use_within(\"2h\")",
        )
    );
    let asked = Asked::new("k8s.scale", "prod", r#"{"replicas":11}"#);
    let Ok(approvals_core::policy::Opinion::Require(requirement)) = judge(&engine(&text), &asked)
    else {
        panic!("it asks");
    };
    assert_eq!(requirement.decide_within().as_secs(), 90);
    assert_eq!(requirement.use_within().as_secs(), 7_200);
    assert_eq!(requirement.quorums()[0].assurance, Assurance::A2);
}

#[test]
fn groups_of_actions_are_for_their_own_scopes() {
    let rule = "@id(\"d\") forbid(principal, action in Action::\"deploy\", resource);";
    for (scope, want) in [
        ("deploy.web", "deny [d]"),
        ("deploy.web.eu", "deny [d]"),
        ("deploy.api", "deny [d]"),
    ] {
        check(rule, scope, "{}", want);
    }
    check(rule, "iam.update", r#"{"action":"x"}"#, "no objection");
    let exact = rule.replace(
        "action in Action::\"deploy\"",
        "action == Action::\"deploy.web\"",
    );
    check(&exact, "deploy.web", "{}", "deny [d]");
    check(&exact, "deploy.api", "{}", "no objection");
}

#[test]
fn threat_45_what_does_not_fit_the_schema_is_denied() {
    for (args, why) in [
        (
            "{}",
            "`args.replicas` is missing or not shown, and the schema says that it must be there",
        ),
        (
            r#"{"replicas":null}"#,
            "`args.replicas` is null, which Cedar cannot hold",
        ),
        (
            r#"{"replicas":"12"}"#,
            "`args.replicas` is declared as a whole number and is of the kind text",
        ),
        (
            r#"{"replicas":1.5}"#,
            "`args.replicas` is a fraction, which Cedar cannot hold",
        ),
        (
            r#"{"replicas":12.0}"#,
            "`args.replicas` is a fraction, which Cedar cannot hold",
        ),
        (
            r#"{"replicas":[12]}"#,
            "`args.replicas` is declared as a whole number and is of the kind list",
        ),
        (
            r#"{"replicas":{}}"#,
            "`args.replicas` is declared as a whole number and is of the kind record",
        ),
        (
            r#"{"replicas":true}"#,
            "`args.replicas` is declared as a whole number and is of the kind boolean",
        ),
        (
            r#"{"replicas":9223372036854775808}"#,
            "`args.replicas` is a number beyond 2^63 - 1, which Cedar cannot hold",
        ),
        (
            r#"{"replicas":18446744073709551615}"#,
            "`args.replicas` is a number beyond 2^63 - 1, which Cedar cannot hold",
        ),
        (
            r#"{"replicas":1,"Replicas":1}"#,
            "`args.Replicas` is not declared in the schema",
        ),
        (
            r#"{"replicas":1,"a\u001b":1}"#,
            "`args.a\\u{1b}` is not declared in the schema",
        ),
    ] {
        for rules in [BIG, HUGE, ""] {
            check(rules, "k8s.scale", args, &format!("error: {why}"));
        }
    }
    check(
        BIG,
        "k8s.scale",
        r#"{"replicas":9223372036854775807}"#,
        "require sre:2:A1 [big]",
    );
    check(
        BIG,
        "k8s.scale",
        r#"{"replicas":-9223372036854775808}"#,
        "no objection",
    );
    let asked = Asked::new("k8s.scale", "", r#"{"replicas":1}"#);
    check_asked(
        BIG,
        &asked,
        "error: the action has no `env`, and the schema says that it must",
    );
    check(
        BIG,
        "other.scope",
        "{}",
        "error: the schema declares no action `other.scope`",
    );
    check(
        BIG,
        "k8s.scaler",
        "{}",
        "error: the schema declares no action `k8s.scaler`",
    );
    // A group is not a scope that anybody could ask for.
    check(
        BIG,
        "iam.trail.x",
        "{}",
        "error: the schema declares no action `iam.trail.x`",
    );
}

#[test]
fn threat_45_a_redacted_value_is_not_looked_at() {
    let mut asked = Asked::new("k8s.scale", "prod", "{}");
    asked.params = vec![BoundParam::redacted("replicas", Value::Integer(1))];
    let missing =
        "error: `args.replicas` is missing or not shown, and the schema says that it must be there";
    check_asked(BIG, &asked, missing);
    // One that no policy looks at takes nothing away.
    let mut asked = Asked::new("deploy.web", "prod", "{}");
    asked.params = vec![BoundParam::redacted(
        "token",
        Value::Text("s3cr3t".to_owned()),
    )];
    check_asked("", &asked, "no objection");
}

#[test]
fn threat_45_a_policy_that_errs_denies_whatever_it_would_have_said() {
    // Cedar would skip each of these, and let the action through.
    for effect in ["forbid", "permit", "@require(\"sre:2\") forbid"] {
        let policy = format!(
            "@id(\"sum\") {effect}(principal, action == Action::\"k8s.scale\", resource) when {{ context.args.replicas + 1 > 10 }};"
        );
        check(
            &policy,
            "k8s.scale",
            r#"{"replicas":9223372036854775807}"#,
            "error: the policy `sum` failed when it was evaluated",
        );
    }
    // Not even what is hard to lift hides it.
    let both = format!(
        "@id(\"sum\") permit(principal, action == Action::\"k8s.scale\", resource) when {{ context.args.replicas * 2 > 10 }};{HUGE}"
    );
    check(
        &both,
        "k8s.scale",
        r#"{"replicas":9223372036854775807}"#,
        "error: the policy `sum` failed when it was evaluated",
    );
}

#[test]
fn threat_13_no_value_is_in_an_error() {
    let canary = "c4n4ry";
    let asks = [
        format!(r#"{{"replicas":"{canary}"}}"#),
        format!(r#"{{"replicas":1,"extra":"{canary}"}}"#),
        format!(r#"{{"replicas":["{canary}"]}}"#),
        format!(r#"{{"replicas":{{"a":"{canary}"}}}}"#),
    ];
    let engine = engine(&format!(
        "@id(\"any\") permit(principal, action, resource);{BIG}"
    ));
    for args in asks {
        let said = opinion_in_words(&judge(&engine, &Asked::new("k8s.scale", "prod", &args)));
        assert!(
            said.starts_with("error: ") && !said.contains(canary),
            "{said}"
        );
    }
    let schema = TYPED.replace("String", "ipaddr");
    let typed = load("@id(\"any\") permit(principal, action, resource);", &schema).unwrap();
    let args = format!(r#"{{"v":"{canary}"}}"#);
    let said = opinion_in_words(&judge(&typed, &Asked::new("a.b", "prod", &args)));
    assert_eq!(
        said,
        "error: an argument cannot be read as the type that the schema declares"
    );
}

const TYPED: &str = "entity Agent; entity Resource; entity NoResource;\n\
    action \"a.b\" appliesTo { principal: [Agent], resource: [NoResource], context: { args: { v: String } } };";

/// What `condition` says of a value of a declared type.
fn typed(of: &str, condition: &str, value: &str, want: &str) {
    let schema = TYPED.replace("String", of);
    let policies = format!(
        "@id(\"any\") permit(principal, action, resource);\n@id(\"x\") forbid(principal, action, resource) when {{ {condition} }};"
    );
    let engine = load(&policies, &schema).unwrap_or_else(|error| panic!("{error}\n{policies}"));
    let asked = Asked::new("a.b", "", &format!("{{\"v\":{value}}}"));
    assert_eq!(
        opinion_in_words(&judge(&engine, &asked)),
        want,
        "{of} {condition} {value}"
    );
}

#[test]
fn every_declared_type_is_mapped_exactly() {
    let (yes, no) = ("deny [x]", "no objection");
    let v = "context.args.v";
    typed("String", &format!("{v} == \"a\""), r#""a""#, yes);
    typed("String", &format!("{v} == \"a\""), r#""A""#, no);
    typed("String", &format!("{v} like \"a*\""), r#""a \u202e""#, yes);
    typed("Bool", v, "true", yes);
    typed("Bool", v, "false", no);
    typed("Long", &format!("{v} == -5"), "-5", yes);
    typed(
        "Long",
        &format!("{v} == 9007199254740993"),
        "9007199254740993",
        yes,
    );
    typed(
        "Long",
        &format!("{v} == 9007199254740993"),
        "9007199254740992",
        no,
    );
    typed("Set<Long>", &format!("{v}.contains(2)"), "[1,2,2]", yes);
    typed("Set<Long>", &format!("{v}.contains(2)"), "[]", no);
    typed(
        "Set<Long>",
        &format!("{v}.contains(2)"),
        "[1,\"2\"]",
        "error: `args.v` is declared as a whole number and is of the kind text",
    );
    typed(
        "{ a: { b?: Long } }",
        &format!("{v}.a has b && {v}.a.b == 1"),
        r#"{"a":{"b":1}}"#,
        yes,
    );
    typed(
        "{ a: { b?: Long } }",
        &format!("{v}.a has b && {v}.a.b == 1"),
        r#"{"a":{}}"#,
        no,
    );
    typed(
        "{ a: { b?: Long } }",
        &format!("{v}.a has b && {v}.a.b == 1"),
        r#"{"a":{"b":1,"c":1}}"#,
        "error: `args.v.a.c` is not declared in the schema",
    );
    typed(
        "{ a: { b?: Long } }",
        &format!("{v}.a has b && {v}.a.b == 1"),
        "{}",
        "error: `args.v.a` is missing or not shown, and the schema says that it must be there",
    );
    typed(
        "ipaddr",
        &format!("{v}.isInRange(ip(\"10.0.0.0/8\"))"),
        r#""10.1.2.3""#,
        yes,
    );
    typed(
        "ipaddr",
        &format!("{v}.isInRange(ip(\"10.0.0.0/8\"))"),
        r#""11.1.2.3""#,
        no,
    );
    typed(
        "decimal",
        &format!("{v}.greaterThan(decimal(\"1.5\"))"),
        r#""1.51""#,
        yes,
    );
    typed(
        "decimal",
        &format!("{v}.greaterThan(decimal(\"1.5\"))"),
        "1.51",
        "error: `args.v` is a fraction, which Cedar cannot hold",
    );
    typed(
        "datetime",
        &format!("{v} < datetime(\"2027-01-01\")"),
        r#""2026-12-31""#,
        yes,
    );
    typed(
        "duration",
        &format!("{v} > duration(\"1h\")"),
        r#""2h""#,
        yes,
    );
}

#[test]
fn what_is_known_beside_the_arguments() {
    let schema = "entity Agent; entity Resource; entity NoResource;\n\
        action \"a.b\" appliesTo { principal: [Agent], resource: [Resource, NoResource],\n\
        context: { args: {}, env?: String, tenant?: String, sponsor: String, owner?: String, at: datetime } };";
    let says = |condition: &str, asked: &Asked| {
        let policies = format!(
            "@id(\"any\") permit(principal, action, resource);\n@id(\"x\") forbid(principal, action, resource) when {{ {condition} }};"
        );
        let engine = load(&policies, schema).unwrap_or_else(|error| panic!("{error}"));
        opinion_in_words(&judge(&engine, asked)) == "deny [x]"
    };
    let mut asked = Asked::new("a.b", "prod", "{}").at("2026-12-24T23:59:59.999999Z");
    for (condition, want) in [
        ("context has env && context.env == \"prod\"", true),
        ("context has tenant", false),
        ("context.sponsor == \"u_alice\"", true),
        ("context has owner", false),
        ("resource is NoResource", true),
        ("principal == Agent::\"bot\"", true),
        ("context.at >= datetime(\"2026-12-24\")", true),
        ("context.at < datetime(\"2026-12-24T23:59:59.999Z\")", false),
        ("context.at == datetime(\"2026-12-24T23:59:59.999Z\")", true),
        ("context.at.toTime() >= duration(\"9h\")", true),
    ] {
        assert_eq!(says(condition, &asked), want, "{condition}");
    }
    asked.resource = Some("db/main".to_owned());
    assert!(says("resource == Resource::\"db/main\"", &asked));
    assert!(!says("resource == Resource::\"db/other\"", &asked));
}

#[test]
fn a_resource_is_named_exactly_when_the_schema_says_so() {
    let schema = |resources: &str| {
        TYPED
            .replace("v: String", "")
            .replace("[NoResource]", resources)
    };
    let says = |resources: &str, resource: Option<&str>| {
        let engine = load(
            "@id(\"any\") permit(principal, action, resource);",
            &schema(resources),
        )
        .unwrap();
        let mut asked = Asked::new("a.b", "", "{}");
        asked.resource = resource.map(str::to_owned);
        opinion_in_words(&judge(&engine, &asked))
    };
    let (one, none) = (
        "error: the action names no resource, and the schema gives `a.b` one",
        "error: the action names a resource, and the schema gives `a.b` none",
    );
    for (resources, resource, want) in [
        ("[Resource]", Some("x"), "no objection"),
        ("[Resource]", None, one),
        ("[NoResource]", None, "no objection"),
        ("[NoResource]", Some("x"), none),
        ("[Resource, NoResource]", None, "no objection"),
        ("[Resource, NoResource]", Some(""), "no objection"),
    ] {
        assert_eq!(says(resources, resource), want, "{resources} {resource:?}");
    }
}
