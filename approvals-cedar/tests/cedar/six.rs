//! The six policies in TOML and in Cedar: they agree, and where they differ Cedar is stricter.

use approvals_core::action::BoundParam;
use approvals_core::canonical::Value;
use approvals_core::policy::{Cases, Evaluation, Strictness};
use proptest::prelude::*;

use crate::support::{Asked, SIX, alone, beside, by_cedar, engine, toml};

/// The TOML policy's answer without its rates: Cedar counts nothing, and is asked beside it.
fn by_toml(asked: &Asked) -> Evaluation {
    let mut answer = toml().evaluate(&asked.proposal(), asked.at);
    if let Evaluation::Allow(allowance) = &mut answer {
        allowance.ceilings.clear();
    }
    answer
}

#[test]
fn the_published_cases_have_one_answer_in_both() {
    let (policy, cedar) = (toml(), engine(SIX));
    let cases = Cases::parse(CASES).unwrap();
    assert!(cases.iter().count() >= 12);
    for case in cases.iter() {
        let by_toml = policy.evaluate(case.proposal(), case.at());
        assert_eq!(case.differs(&by_toml), None, "TOML: {}", case.name());
        let by_cedar = alone(&cedar, case.proposal(), case.at());
        assert_eq!(case.differs(&by_cedar), None, "Cedar: {}", case.name());
    }
}

const CASES: &str = include_str!("../../policies/six.cases.toml");

#[test]
fn the_freeze_has_two_edges() {
    let cedar = engine(SIX);
    for (time, env, want) in [
        ("2026-12-19T23:59:59.999999Z", "prod", "auto"),
        ("2026-12-20T00:00:00.000000Z", "prod", "deny"),
        ("2027-01-02T23:59:59.999999Z", "prod", "deny"),
        ("2027-01-03T00:00:00.000000Z", "prod", "auto"),
        (FROZEN, "Prod", "auto"),
    ] {
        let asked = Asked::new("db.query", env, r#"{"table":"metrics","readonly":true}"#).at(time);
        let toml = by_toml(&asked).in_words().replace("frozen", "deny");
        assert_eq!(toml, want, "TOML: {time}");
        assert_eq!(by_cedar(&cedar, &asked).in_words(), want, "Cedar: {time}");
    }
}

const FROZEN: &str = "2026-12-24T18:00:00.000000Z";

#[test]
fn threat_45_where_toml_takes_the_strict_rule_cedar_denies() {
    let cedar = engine(SIX);
    for (name, scope, env, args, toml) in [
        (
            "no number",
            "k8s.scale",
            "prod",
            "{}",
            "require oncall:1:A1, sre:2:A1",
        ),
        (
            "a text for a number",
            "k8s.scale",
            "prod",
            r#"{"replicas":"12"}"#,
            "require oncall:1:A1, sre:2:A1",
        ),
        (
            "null",
            "k8s.scale",
            "prod",
            r#"{"replicas":null}"#,
            "require oncall:1:A1, sre:2:A1",
        ),
        (
            "a fraction",
            "k8s.scale",
            "prod",
            r#"{"replicas":10.5}"#,
            "require sre:2:A1",
        ),
        (
            "a number beyond Cedar's",
            "k8s.scale",
            "prod",
            r#"{"replicas":9223372036854775808}"#,
            "require sre:2:A1",
        ),
        (
            "no table",
            "db.query",
            "prod",
            r#"{"readonly":true}"#,
            "require oncall:1:A1, privacy:1:A3",
        ),
        (
            "no environment",
            "deploy.web",
            "",
            "{}",
            "require oncall:1:A1, security:1:A1",
        ),
        (
            "an argument that nobody declared",
            "k8s.scale",
            "prod",
            r#"{"replicas":1,"force":true}"#,
            "require oncall:1:A1",
        ),
        (
            "a scope that nobody declared",
            "other.scope",
            "prod",
            "{}",
            "require oncall:1:A1",
        ),
    ] {
        let asked = Asked::new(scope, env, args);
        assert_eq!(by_toml(&asked).in_words(), toml, "TOML: {name}");
        assert_eq!(by_cedar(&cedar, &asked).in_words(), "deny", "Cedar: {name}");
    }
}

/// Whether the schema of the six covers the ask: every argument declared, there and of its type.
fn is_declared(asked: &Asked) -> bool {
    let has = |name: &str, fits: fn(&Value) -> bool| {
        let mut found = asked.params.iter().filter(|param| param.name() == name);
        matches!((found.next().and_then(BoundParam::shown), found.next()), (Some(value), None) if fits(value))
    };
    let text = |value: &Value| matches!(value, Value::Text(_));
    // What is redacted is looked at by neither.
    let count = asked
        .params
        .iter()
        .filter(|param| !param.is_redacted())
        .count();
    asked.env.is_some()
        && match asked.scope.as_str() {
            "deploy.web" | "deploy.api" | "deploy.web.eu" => {
                count == 0 || count == 1 && has("version", text)
            }
            "k8s.scale" => {
                count == 1
                    && has(
                        "replicas",
                        |value| matches!(value, Value::Integer(n) if i64::try_from(*n).is_ok()),
                    )
            }
            "db.query" => {
                count == 2
                    && has("table", text)
                    && has("readonly", |value| matches!(value, Value::Bool(_)))
            }
            "iam.update" | "iam.trail" => count == 1 && has("action", text),
            _ => false,
        }
}

#[track_caller]
fn compare(cedar: &approvals_cedar::CedarEngine, asked: &Asked) -> Strictness {
    let (listed, other) = (by_toml(asked), by_cedar(cedar, asked));
    let how = other.compared_to(&listed);
    if is_declared(asked) {
        assert_eq!(how, Strictness::Same, "{asked:?}: {listed:?} and {other:?}");
    } else {
        assert!(matches!(other, Evaluation::Deny(_)), "{asked:?}: {other:?}");
    }
    assert!(other.covers(&listed), "{asked:?}: {listed:?} and {other:?}");
    // Beside each other they are never weaker than the policy alone, rates included.
    let policy = toml_alone(asked);
    let both = beside(&toml(), cedar, &asked.proposal(), asked.at);
    assert!(
        both.covers(&policy),
        "{asked:?}: {policy:?} became {both:?}"
    );
    how
}

fn toml_alone(asked: &Asked) -> Evaluation {
    toml().evaluate(&asked.proposal(), asked.at)
}

#[test]
fn a_grid_of_thousands_agrees() {
    let cedar = engine(SIX);
    let scopes = [
        "deploy.web",
        "deploy.web.eu",
        "deploy.api",
        "k8s.scale",
        "db.query",
        "iam.update",
        "iam.trail",
        "deployer.web",
        "db.read",
    ];
    let environments = ["prod", "staging", "Prod", ""];
    let texts = [
        "users",
        "Users",
        "payments",
        "public.users",
        "metrics",
        "Metrics",
        " metrics",
        "events",
        "DeleteTrail",
        "deletetrail",
        "StopLogging",
        "",
    ];
    let numbers = [
        "0",
        "10",
        "11",
        "12.0",
        "9223372036854775807",
        "9223372036854775808",
        "-1",
    ];
    let mut arguments: Vec<String> = vec!["{}".to_owned()];
    let mut values: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
    values.extend(numbers.map(str::to_owned));
    values.extend(["null", "true", "[11]", "\"12\"", "{\"a\":1}"].map(str::to_owned));
    for value in &values {
        arguments.extend(
            ["replicas", "action", "version", "table", "other"]
                .map(|name| format!("{{\"{name}\":{value}}}")),
        );
        for readonly in ["true", "false", "\"true\"", "null"] {
            arguments.push(format!("{{\"table\":{value},\"readonly\":{readonly}}}"));
        }
    }
    let (mut same, mut stricter) = (0_usize, 0_usize);
    for scope in scopes {
        for env in environments {
            for args in &arguments {
                for asked in [
                    Asked::new(scope, env, args),
                    Asked::new(scope, env, args).at(FROZEN),
                    Asked::new(scope, env, args).at(FROZEN).breaking("down"),
                ] {
                    match compare(&cedar, &asked) {
                        Strictness::Same => same += 1,
                        Strictness::Stricter => stricter += 1,
                        how => panic!("{asked:?}: {how:?}"),
                    }
                }
            }
        }
    }
    println!("{same} the same, {stricter} stricter in Cedar");
    assert!(same > 2_000 && stricter > 2_000, "{same} {stricter}");
}

fn values() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        2 => prop_oneof![Just("users"), Just("metrics"), Just("StopLogging"), Just("Users")].prop_map(|text| Value::Text(text.to_owned())),
        1 => ".{0,12}".prop_map(Value::Text),
        2 => (-2..14_i128).prop_map(Value::Integer),
        1 => any::<u64>().prop_map(|n| Value::Integer(n.into())),
        1 => any::<i64>().prop_map(|n| Value::Integer(n.into())),
        1 => (-1e9..1e9).prop_map(Value::Float),
        2 => any::<bool>().prop_map(Value::Bool),
        1 => Just(Value::Null),
    ];
    scalar.prop_recursive(2, 4, 2, |inner| {
        proptest::collection::vec(inner, 0..3).prop_map(Value::List)
    })
}

fn asks() -> impl Strategy<Value = Asked> {
    let scope = prop_oneof![3 => Just("deploy.web"), 1 => Just("deploy.web.eu"), 3 => Just("k8s.scale"), 4 => Just("db.query"), 2 => Just("iam.trail"), 1 => Just("db.read")];
    let env = prop_oneof![3 => Just("prod"), 1 => Just("staging"), 1 => Just("dev"), 1 => Just("")];
    let names = ["replicas", "table", "readonly", "action", "version", "x"];
    let some = prop_oneof![
        3 => Just(vec!["replicas"]), 4 => Just(vec!["table", "readonly"]), 2 => Just(vec!["action"]),
        2 => proptest::sample::subsequence(names.to_vec(), 0..4),
    ];
    let bound = |name: &'static str| {
        (values(), proptest::bool::weighted(0.05)).prop_map(move |(value, hidden)| {
            if hidden {
                BoundParam::redacted(name, value)
            } else {
                BoundParam::new(name, value)
            }
        })
    };
    let resource = prop_oneof![2 => Just(None), 1 => ".{0,8}".prop_map(Some)];
    let params = some.prop_flat_map(move |names| names.into_iter().map(bound).collect::<Vec<_>>());
    // From two days before the freeze begins to two days after it ended.
    let at = 1_797_552_000_000_000..1_799_107_200_000_000_i64;
    let broken = prop_oneof![4 => Just(None), 1 => Just(Some("down".to_owned())), 1 => Just(Some(" ".to_owned()))];
    (scope, env, params, resource, at, broken).prop_map(
        |(scope, env, params, resource, at, break_glass)| Asked {
            break_glass,
            params,
            resource,
            at: approvals_core::Timestamp::from_micros(at),
            ..Asked::new(scope, env, "{}")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2048) })]

    #[test]
    fn whatever_is_asked_cedar_is_never_weaker(asked in asks()) {
        thread_local!(static CEDAR: approvals_cedar::CedarEngine = engine(SIX));
        CEDAR.with(|cedar| compare(cedar, &asked));
    }
}
