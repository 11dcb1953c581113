//! What published policies answer.

use std::time::Duration;

use super::*;

const SIX: &str = r#"
version = 7
default = { require = [{ group = "oncall", n = 1 }], ttl = "15m" }
[calendar.freeze]
windows = [{ from = "2027-12-20T00:00:00Z", to = "2028-01-03T00:00:00Z" }]
[[rule]]
id = "prod-deploy"
scope = "deploy.*"
when = { env = "prod" }
require = [{ group = "oncall", n = 1 }, { group = "security", n = 1 }]
[[rule]]
id = "big-scale"
scope = "k8s.scale"
when = { "args.replicas" = { gt = 10 } }
require = [{ group = "sre", n = 2 }]
[[rule]]
id = "pii"
scope = "db.query"
when = { "args.table" = { in = ["users", "payments"] } }
require = [{ group = "privacy", n = 1, min_assurance = "A3" }]
[[rule]]
id = "freeze"
scope = "*"
when = { env = "prod", calendar = "freeze", break_glass = false }
effect = "deny"
[[rule]]
id = "ro"
scope = "db.query"
when = { "args.readonly" = true, "args.table" = { in = ["metrics", "events"] } }
effect = "auto"
rate = "30/h/agent"
[[rule]]
id = "never"
scope = "iam.*"
when = { "args.action" = { in = ["DeleteTrail", "StopLogging"] } }
effect = "deny"
"#;

/// A moment of the freeze.
fn frozen() -> Timestamp {
    "2027-12-24T12:00:00.000000Z".parse().unwrap()
}

#[test]
fn six_policies_answer_as_published() {
    let policy = load(SIX).unwrap();
    let check = |scope: &str, env: &str, args: &str, want: &str| {
        let (env, at) = match env {
            "frozen prod" => ("prod", frozen()),
            env => (env, now()),
        };
        let answer = policy.evaluate(&proposal(scope, env, params(args)), at);
        assert_eq!(in_words(&answer), want, "{scope} {env} {args}");
    };
    let default = "require oncall:1:A1 []";
    check(
        "deploy.web",
        "prod",
        "{}",
        "require oncall:1:A1 security:1:A1 [prod-deploy]",
    );
    check("deploy.web", "staging", "{}", default);
    check("deployer.web", "prod", "{}", default);
    check(
        "k8s.scale",
        "prod",
        r#"{"replicas":11}"#,
        "require sre:2:A1 [big-scale]",
    );
    check("k8s.scale", "prod", r#"{"replicas":10}"#, default);
    check(
        "db.query",
        "prod",
        r#"{"table":"users","readonly":true}"#,
        "require privacy:1:A3 [pii]",
    );
    check(
        "db.query",
        "prod",
        r#"{"table":"metrics","readonly":true}"#,
        "allow [ro] 30/3600s as ro/agent:bot",
    );
    check(
        "db.query",
        "prod",
        r#"{"table":"metrics","readonly":false}"#,
        default,
    );
    check(
        "db.query",
        "frozen prod",
        r#"{"table":"metrics","readonly":true}"#,
        "frozen until 2028-01-03T00:00:00.000000Z [freeze]",
    );
    check(
        "iam.put",
        "prod",
        r#"{"action":"DeleteTrail"}"#,
        "deny [never]",
    );
    check(
        "iam.put",
        "frozen prod",
        r#"{"action":"StopLogging"}"#,
        "deny [freeze, never]",
    );
    check("iam.put", "prod", r#"{"action":"CreateUser"}"#, default);
}

#[test]
fn threat_45_a_value_that_is_missing_or_of_another_kind_never_weakens() {
    let policy = load(SIX).unwrap();
    let check = |scope: &str, env: &str, args: Vec<BoundParam>, want: &str| {
        let shown = format!("{args:?}");
        let answer = policy.evaluate(&proposal(scope, env, args), now());
        assert_eq!(in_words(&answer), want, "{scope} {shown}");
    };
    let strict = "require oncall:1:A1 sre:2:A1 [big-scale]";
    for args in [
        "{}",
        r#"{"replicas":"12"}"#,
        r#"{"replicas":"1"}"#,
        r#"{"replicas":null}"#,
        r#"{"replicas":[1]}"#,
        r#"{"replicas":{"n":1}}"#,
        r#"{"replicas":true}"#,
        r#"{"Replicas":1}"#,
    ] {
        check("k8s.scale", "prod", params(args), strict);
    }
    for args in [
        "{}",
        r#"{"action":null}"#,
        r#"{"action":["CreateUser"]}"#,
        r#"{"action":7}"#,
    ] {
        check("iam.put", "prod", params(args), "deny [never]");
    }
    for args in [
        r#"{"readonly":true}"#,
        r#"{"readonly":true,"table":null}"#,
        r#"{"readonly":true,"table":["metrics"]}"#,
    ] {
        let strict = "require oncall:1:A1 privacy:1:A3 [pii]";
        check("db.query", "prod", params(args), strict);
    }
    for args in [
        r#"{"table":"metrics"}"#,
        r#"{"table":"metrics","readonly":"true"}"#,
    ] {
        check("db.query", "prod", params(args), "require oncall:1:A1 []");
    }
    // A redacted value is as good as none, and so is an environment that nobody named.
    let hidden = vec![BoundParam::redacted("replicas", Value::Integer(1))];
    check("k8s.scale", "prod", hidden, strict);
    let nowhere = proposal(
        "db.query",
        "",
        params(r#"{"table":"metrics","readonly":true}"#),
    );
    assert_eq!(
        in_words(&policy.evaluate(&nowhere, frozen())),
        "frozen until 2028-01-03T00:00:00.000000Z [freeze]"
    );
}

#[test]
fn threat_45_leaving_a_value_out_does_not_swap_the_default_for_a_weaker_rule() {
    let text = r#"
        version = 1
        default = { require = [{ group = "security", n = 2, min_assurance = "A3" }], ttl = "5m" }
        [[rule]]
        id = "dev"
        scope = "disk.*"
        when = { "args.target" = "dev" }
        require = [{ group = "oncall" }]
        ttl = "1h"
        [[rule]]
        id = "any"
        scope = "web.ping"
        effect = "auto"
        [[rule]]
        id = "slow"
        scope = "web.ping"
        when = { "args.host" = "db" }
        effect = "auto"
        rate = "1/h/all"
    "#;
    let policy = load(text).unwrap();
    let check = |scope: &str, args: &str, want: &str| {
        let answer = policy.evaluate(&proposal(scope, "prod", params(args)), now());
        assert_eq!(in_words(&answer), want, "{scope} {args}");
    };
    check(
        "disk.wipe",
        r#"{"target":"dev"}"#,
        "require oncall:1:A1 [dev]",
    );
    check(
        "disk.wipe",
        r#"{"target":"prod"}"#,
        "require security:2:A3 []",
    );
    check(
        "disk.wipe",
        r#"{"target":null}"#,
        "require oncall:1:A1 security:2:A3 [dev]",
    );
    check(
        "web.ping",
        r#"{"host":"db"}"#,
        "allow [any, slow] 1/3600s as slow",
    );
    check("web.ping", r#"{"host":"web"}"#, "allow [any] ");
    check("web.ping", "{}", "allow [any] 1/3600s as slow");
}

#[test]
fn threat_47_nothing_close_to_a_listed_value_runs_by_itself() {
    let policy = load(SIX).unwrap();
    for table in [
        "Metrics",
        "METRICS",
        " metrics",
        "metrics ",
        "public.metrics",
        "\\\"metrics\\\"",
        "metrics\\u0000",
        "metr\\u0456cs",
    ] {
        let args = format!(r#"{{"readonly":true,"table":"{table}"}}"#);
        let answer = policy.evaluate(&proposal("db.query", "prod", params(&args)), now());
        assert_eq!(in_words(&answer), "require oncall:1:A1 []", "{table}");
    }
}

#[test]
fn threat_48_a_rule_is_for_its_own_scopes_only() {
    let policy = policy(
        r#"
        [[rule]]
        id = "read"
        scope = "db.read"
        effect = "auto"
        [[rule]]
        id = "deploy"
        scope = "deploy.*"
        effect = "deny"
        [[rule]]
        id = "eu"
        scope = "deploy.web.*"
        effect = "deny"
    "#,
    );
    let check = |scope: &str, want: &str| {
        let answer = policy.evaluate(&proposal(scope, "prod", Vec::new()), now());
        assert_eq!(in_words(&answer), want, "{scope}");
    };
    check("db.read", "allow [read] ");
    check("db.write", "require oncall:1:A1 []");
    check("db.read.all", "require oncall:1:A1 []");
    check("db.reader", "require oncall:1:A1 []");
    check("deploy.web", "deny [deploy]");
    check("deploy.web.eu", "deny [deploy, eu]");
    check("deploy.website.eu", "deny [deploy]");
    check("deployer.web", "require oncall:1:A1 []");
}

#[test]
fn operators_compare_exactly() {
    let check = |condition: &str, value: &str, want: bool| {
        let policy = policy(&format!(
            "[[rule]]\nid = \"x\"\nscope = \"other.scope\"\nwhen = {{ \"args.v\" = {condition} }}\neffect = \"deny\""
        ));
        let args = params(&format!(r#"{{"v":{value}}}"#));
        let denied = matches!(
            policy.evaluate(&proposal("other.scope", "prod", args), now()),
            Evaluation::Deny(_)
        );
        assert_eq!(denied, want, "{condition} on {value}");
    };
    check(r#""a""#, r#""a""#, true);
    check(r#""a""#, r#""A""#, false);
    check("{ ne = \"a\" }", r#""a""#, false);
    check("{ ne = \"a\" }", r#""a ""#, true);
    check("{ not_in = [\"a\", \"b\"] }", r#""b""#, false);
    check("{ not_in = [\"a\", \"b\"] }", r#""c""#, true);
    check("{ gt = 10 }", "11", true);
    check("{ gt = 10 }", "10", false);
    check("{ ge = 10 }", "10", true);
    check("{ lt = 10 }", "9", true);
    check("{ le = 10 }", "11", false);
    check("{ gt = 10 }", "10.5", true);
    check("{ gt = 10.5 }", "11", true);
    check("{ gt = 10.5 }", "10", false);
    check("{ gt = 1_000 }", "1000", false);
    check("0x10", "16", true);
    check("9007199254740993", "9007199254740993", true);
    check("9007199254740993", "9007199254740992", false);
    check("{ gt = 9007199254740992.0 }", "9007199254740993", true);
    check("18446744073709551615", "18446744073709551615", true);
    check("18446744073709551615", "18446744073709551614", false);
    check("{ ge = -5, lt = 5 }", "-6", false);
    check("{ ge = -5, lt = 5 }", "-5", true);
    check("{ ge = -5, lt = 5 }", "5", false);
    check(
        "{ starts_with = \"tmp_\", ends_with = \"_old\" }",
        r#""tmp_x_old""#,
        true,
    );
    check(
        "{ starts_with = \"tmp_\", ends_with = \"_old\" }",
        r#""tmp_x""#,
        false,
    );
    check("{ contains = \"DROP\" }", r#""xDROPy""#, true);
    check("{ contains = \"DROP\" }", r#""drop""#, false);
    check("true", "true", true);
    check("true", "false", false);
    check("{ ne = true }", "false", true);
    // One test that surely fails decides, whatever the others would need.
    check("{ eq = \"a\", starts_with = \"b\" }", r#""b""#, false);
}

#[test]
fn paths_lead_to_members_and_to_the_context() {
    let rules = |when: &str| {
        policy(&format!(
            "[[rule]]\nid = \"x\"\nscope = \"other.scope\"\nwhen = {{ {when} }}\neffect = \"auto\""
        ))
    };
    let mut asked = proposal(
        "other.scope",
        "prod",
        params(r#"{"req":{"table":"t","deep":{"n":3}}}"#),
    );
    asked.action.tenant = Some("acme".to_owned());
    asked.action.resource = Some("db/main".to_owned());
    let check = |when: &str, want: bool| {
        let allowed = matches!(rules(when).evaluate(&asked, now()), Evaluation::Allow(_));
        assert_eq!(allowed, want, "{when}");
    };
    check(r#""args.req.table" = "t""#, true);
    check(r#""args.req.table" = "u""#, false);
    check(r#""args.req.deep.n" = { ge = 3 }"#, true);
    check(r#""args.req.deep.m" = { ge = 3 }"#, false);
    check(r#""args.req.table.x" = "t""#, false);
    check(r#"env = "prod""#, true);
    check(r#"tenant = "acme", env = "prod""#, true);
    check(r#"tenant = "acme", env = "dev""#, false);
    check(r#"resource = { in = ["db/main"] }"#, true);
    check(r#"agent = "bot""#, true);
    check(r#"agent = "bot2""#, false);
}

#[test]
fn all_matching_requirements_are_merged_and_times_are_inherited() {
    let text = r#"
        version = 3
        default = { require = [{ group = "oncall" }], ttl = "20m", use_within = "10m" }
        [[rule]]
        id = "b"
        scope = "db.drop"
        require = [{ group = "sre", n = 2 }, { group = "oncall" }]
        [[rule]]
        id = "a"
        scope = "db.*"
        require = [{ group = "sre", n = 1, min_assurance = "A3" }]
        ttl = "5m"
        use_within = "1d"
    "#;
    let policy = load(text).unwrap();
    let Evaluation::Require(both) =
        policy.evaluate(&proposal("db.drop", "prod", Vec::new()), now())
    else {
        panic!("it takes people");
    };
    assert_eq!(requirement_in_words(&both), "oncall:1:A1 sre:2:A3 [a, b]");
    assert_eq!(both.decide_within(), Duration::from_secs(300));
    assert_eq!(both.use_within(), Duration::from_secs(600));
    assert_eq!(policy.version(), 3);
    assert_eq!(policy.text(), text);
    assert_eq!(
        policy.default_requirement().decide_within(),
        Duration::from_secs(1200)
    );
}

#[test]
fn rates_count_per_agent_requester_or_all() {
    let check = |rate: &str, want: &str| {
        let policy = policy(&format!(
            "[[rule]]\nid = \"ro\"\nscope = \"other.scope\"\neffect = \"auto\"\nrate = \"{rate}\""
        ));
        let answer = policy.evaluate(&proposal("other.scope", "prod", Vec::new()), now());
        assert_eq!(in_words(&answer), format!("allow [ro] {want}"));
    };
    check("30/h", "30/3600s as ro/agent:bot");
    check("30/h/agent", "30/3600s as ro/agent:bot");
    check("5/m/requester", "5/60s as ro/requester:u_alice");
    check("2/d/all", "2/86400s as ro");
    check("9/s/all", "9/1s as ro");
}

#[test]
fn a_policy_can_be_read_out() {
    let policy = load(SIX).unwrap();
    let rows: Vec<String> = policy
        .rules()
        .map(|rule| {
            format!(
                "{} {} {}: {}",
                rule.id, rule.scope, rule.effect, rule.description
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            "prod-deploy deploy.* require: 1 of oncall (A1) and 1 of security (A1) when env = \"prod\"",
            "big-scale k8s.scale require: 2 of sre (A1) when args.replicas > 10",
            "pii db.query require: 1 of privacy (A3) when args.table in [\"users\", \"payments\"]",
            "freeze * deny: never, whoever approves when break_glass = false and calendar = \"freeze\" and env = \"prod\"",
            "ro db.query auto: by itself, at most 30/h/agent when args.readonly = true and args.table in [\"metrics\", \"events\"]",
            "never iam.* deny: never, whoever approves when args.action in [\"DeleteTrail\", \"StopLogging\"]",
        ]
    );
    assert_eq!(
        policy.unchecked(),
        [
            "rule `never`: `args.action` is not checked: no guarded function of this program has a scope that matches `iam.*`"
        ]
    );
    assert_ne!(policy.digest(), load(&format!("{SIX}\n")).unwrap().digest());
}
