//! What holds for every policy and every proposal.

use std::num::NonZeroU8;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::canonical::Record;
use crate::policy::Quorum;
use crate::principal::Assurance;

/// One rule, as TOML; the id is added with its place.
pub(super) fn rule() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (scopes(), conditions(), requirements()).prop_map(rule_text),
        1 => (scopes(), conditions(), Just("effect = \"deny\"".to_owned())).prop_map(rule_text),
        2 => (exact(), names(), prop_oneof![Just(""), Just("rate = \"3/h\""), Just("rate = \"1/d/all\""), Just("budget = { arg = \"args.a\", max = 9, per = \"h\" }"), Just("budget = { arg = \"args.b.c\", max = 9, per = \"h\", by = \"all\" }\nrate = \"5/m\"")])
            .prop_map(|(scope, when, rate)| rule_text((scope, when, format!("effect = \"auto\"\n{rate}")))),
    ]
}

/// A rule that tightens when it matches.
fn tightening() -> impl Strategy<Value = String> {
    let deny = Just("effect = \"deny\"".to_owned());
    (scopes(), conditions(), prop_oneof![requirements(), deny]).prop_map(rule_text)
}

fn rule_text((scope, when, effect): (&'static str, String, String)) -> String {
    format!("scope = \"{scope}\"\nwhen = {{ {when} }}\n{effect}")
}

fn exact() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a.b"), Just("a.c")]
}

fn scopes() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => exact(), 1 => Just("a.*"), 1 => Just("*")]
}

fn requirements() -> impl Strategy<Value = String> {
    let group = prop_oneof![Just("oncall"), Just("sre"), Just("security")];
    let stands_in = prop_oneof![Just("oncall"), Just("sre"), Just("privacy")];
    let escalate = proptest::option::of((stands_in, 1..60_u8)).prop_map(|step| {
        step.map(|(group, after)| {
            format!("\nescalate = [{{ after = \"{after}s\", groups = [\"{group}\"] }}]")
        })
    });
    (group, 1..4_u8, 1..4_u8, 1..5_u8, escalate).prop_map(|(group, n, level, ttl, escalate)| {
        let escalate = escalate.unwrap_or_default();
        format!("require = [{{ group = \"{group}\", n = {n}, min_assurance = \"A{level}\" }}]\nttl = \"{ttl}m\"{escalate}")
    })
}

fn conditions() -> impl Strategy<Value = String> {
    let test = prop_oneof![
        Just("= 1"),
        Just("= \"x\""),
        Just("= true"),
        Just("= { ne = 1 }"),
        Just("= { gt = 0 }"),
        Just("= { not_in = [\"x\", \"y\"] }"),
        Just("= { starts_with = \"x\" }"),
        Just("= { le = 1.5, ne = 0 }"),
    ];
    entries(test.boxed())
}

fn names() -> impl Strategy<Value = String> {
    let test = prop_oneof![
        Just("= 1"),
        Just("= \"x\""),
        Just("= { in = [\"x\", \"y\"] }")
    ];
    entries(test.boxed())
}

fn entries(test: BoxedStrategy<&'static str>) -> impl Strategy<Value = String> {
    let calendar = prop_oneof![
        Just("= \"today\""),
        Just("= \"never\""),
        Just("= { ne = \"today\" }"),
        Just("= { in = [\"never\", \"today\"] }"),
        Just("= { not_in = [\"never\"] }"),
    ];
    (
        proptest::option::of(test.clone()),
        proptest::option::of(test),
        proptest::option::weighted(0.2, calendar),
    )
        .prop_map(|(a, b, calendar)| {
            let path =
                |path: &str, test: Option<&str>| test.map(|test| format!("\"{path}\" {test}"));
            let all = [
                path("args.a", a),
                path("args.b.c", b),
                path("calendar", calendar),
            ];
            all.into_iter().flatten().collect::<Vec<_>>().join(", ")
        })
}

/// One that covers [`now`], and one that does not.
const CALENDARS: &str = "calendar.today.weekly = [{ days = [\"fri\"], from = \"00:00\", to = \"24:00\", utc_offset = \"+00:00\" }]\n\
    calendar.never.windows = [{ from = \"2000-01-01T00:00:00Z\", to = \"2000-01-02T00:00:00Z\" }]";

pub(super) fn policy_of(rules: &[String]) -> Policy {
    let rule = |(place, rule): (usize, &String)| format!("[[rule]]\nid = \"r{place}\"\n{rule}\n");
    let rules: String = rules.iter().enumerate().map(rule).collect();
    let text = format!(
        "version = 1\ndefault = {{ require = [{{ group = \"oncall\" }}] }}\n{CALENDARS}\n{rules}"
    );
    // Without guarded functions nothing types the conditions, so that values of any kind meet them.
    Policy::parse(&text, &groups(), &[]).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn values() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-2..3_i128).prop_map(Value::Integer),
        any::<i64>().prop_map(|n| Value::Integer(n.into())),
        any::<f64>().prop_map(Value::Float),
        "[xyX]{0,2}".prop_map(Value::Text),
        ".*".prop_map(Value::Text),
    ];
    scalar.prop_recursive(3, 8, 3, |inner| {
        let record = inner.clone().prop_map(|value| {
            let mut record = Record::new();
            record.insert("c", value).unwrap();
            Value::Record(record)
        });
        prop_oneof![vec(inner, 0..3).prop_map(Value::List), record]
    })
}

fn ask(scope: &str, a: Option<Value>, b: Option<Value>) -> Proposal {
    let param = |name: &str, value: Option<Value>| value.map(|value| BoundParam::new(name, value));
    let params = [param("a", a), param("b", b)]
        .into_iter()
        .flatten()
        .collect();
    proposal(scope, "prod", params)
}

pub(super) fn asked() -> impl Strategy<Value = Proposal> {
    let value = || proptest::option::weighted(0.9, values());
    (exact(), value(), value()).prop_map(|(scope, a, b)| ask(scope, a, b))
}

/// Whether everything that `weaker` asks for is asked for by `stricter` too.
fn covers(stricter: &Requirement, weaker: &Requirement) -> bool {
    let has = |quorum: &Quorum| {
        stricter.quorums().iter().any(|have| {
            have.group == quorum.group
                && have.need >= quorum.need
                && have.assurance >= quorum.assurance
                && have.others().all(|(group, after)| {
                    let mut theirs = quorum.others();
                    theirs.any(|(other, theirs)| other == group && theirs <= after)
                })
        })
    };
    weaker.quorums().iter().all(has)
        && stricter.decide_within() <= weaker.decide_within()
        && stricter.use_within() <= weaker.use_within()
}

fn at_least_as_strict(after: &Evaluation, before: &Evaluation) -> bool {
    match (after, before) {
        (Evaluation::Deny(_), _) => true,
        (_, Evaluation::Deny(_)) | (Evaluation::Allow(_), Evaluation::Require(_)) => false,
        (Evaluation::Require(_), Evaluation::Allow(_)) => true,
        (Evaluation::Require(after), Evaluation::Require(before)) => covers(after, before),
        (Evaluation::Allow(after), Evaluation::Allow(before)) => {
            let kept = |ceiling| after.ceilings.contains(ceiling);
            before.ceilings.iter().all(kept)
        }
    }
}

pub(super) fn any_requirement() -> impl Strategy<Value = Requirement> {
    let quorum = (0..4_usize, 1..=255_u8, 0..3_usize);
    (
        vec(quorum, 1..5),
        1..100_u64,
        1..100_u64,
        vec(0..5_u8, 0..4),
        vec((0..4_usize, 1..50_u64), 0..3),
    )
        .prop_map(|(quorums, decide, usable, rules, others)| {
            let mut seen = BTreeSet::new();
            let quorums = quorums
                .into_iter()
                .filter(|(group, ..)| seen.insert(*group))
                .map(|(group, need, level)| {
                    let group = ["oncall", "sre", "security", "privacy"][group]
                        .parse()
                        .unwrap();
                    let level = [Assurance::A1, Assurance::A2, Assurance::A3][level];
                    let quorum = Quorum::new(group, NonZeroU8::new(need).unwrap(), level);
                    others.iter().fold(quorum, |quorum, (group, after)| {
                        let group = ["oncall", "sre", "security", "privacy"][*group];
                        quorum.widened(group.parse().unwrap(), Duration::from_secs(*after))
                    })
                });
            let rules: BTreeSet<_> = rules
                .into_iter()
                .map(|n| format!("r{n}").parse().unwrap())
                .collect();
            let seconds = Duration::from_secs;
            Requirement::new(
                quorums.collect(),
                seconds(decide),
                seconds(usable),
                rules.into_iter().collect(),
            )
            .unwrap()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn more_tightening_rules_never_loosen(
        rules in vec(rule(), 0..6), more in tightening(), place in 0..7_usize, asked in asked(),
    ) {
        // With a rule that surely asks people, the default is out of the way on both sides.
        let mut rules = rules;
        rules.push(rule_text(("*", String::new(), "require = [{ group = \"oncall\" }]".to_owned())));
        let before = policy_of(&rules).evaluate(&asked, now());
        rules.insert(place.min(rules.len()), more);
        let after = policy_of(&rules).evaluate(&asked, now());
        prop_assert!(at_least_as_strict(&after, &before), "{before:?} became {after:?}");
    }

    #[test]
    fn a_tightening_rule_never_lets_more_through(
        rules in vec(rule(), 0..6), more in tightening(), place in 0..7_usize, asked in asked(),
    ) {
        // The default alone steps aside for a rule; whether people are asked at all does not.
        let mut rules = rules;
        let before = policy_of(&rules).evaluate(&asked, now());
        rules.insert(place.min(rules.len()), more);
        let after = policy_of(&rules).evaluate(&asked, now());
        let rank = |answer: &Evaluation| match answer {
            Evaluation::Allow(_) => 0,
            Evaluation::Require(_) => 1,
            Evaluation::Deny(_) => 2,
        };
        prop_assert!(rank(&after) >= rank(&before), "{before:?} became {after:?}");
    }

    #[test]
    fn threat_45_no_value_is_stricter_than_a_missing_one(
        rules in vec(rule(), 0..8), scope in exact(), a in values(), b in values(),
    ) {
        let policy = policy_of(&rules);
        let with = policy.evaluate(&ask(scope, Some(a.clone()), Some(b.clone())), now());
        let mut hidden = ask(scope, None, Some(b.clone()));
        hidden.action.params.push(BoundParam::redacted("a", a));
        for without in [ask(scope, None, Some(b.clone())), ask(scope, Some(Value::Null), Some(b.clone())), hidden, ask(scope, None, None)] {
            let without = policy.evaluate(&without, now());
            prop_assert!(at_least_as_strict(&without, &with), "{with:?} became {without:?}");
        }
    }

    #[test]
    fn evaluation_is_deterministic_and_independent_of_the_order_of_rules(
        rules in vec(rule(), 0..6), asked in asked(),
    ) {
        let forward = policy_of(&rules).evaluate(&asked, now());
        prop_assert_eq!(&forward, &policy_of(&rules).evaluate(&asked, now()));
        let reversed: Vec<String> = rules.into_iter().rev().collect();
        let backward = policy_of(&reversed).evaluate(&asked, now());
        // The ids go by place, so only the content is compared.
        let same = at_least_as_strict(&strip(&backward), &strip(&forward))
            && at_least_as_strict(&strip(&forward), &strip(&backward));
        prop_assert!(same, "{forward:?} became {backward:?}");
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}", cut in 0..400_usize, insert in ".{0,4}") {
        let _ = load(&text);
        let whole = "version = 1\ndefault = { require = [{ group = \"oncall\", n = 1 }], ttl = \"15m\" }\n[[rule]]\nid = \"x\"\nscope = \"db.query\"\nwhen = { \"args.table\" = { in = [\"users\"], ne = \"y\" }, env = \"prod\" }\neffect = \"auto\"\nrate = \"30/h/agent\"\n";
        let at = whole.floor_char_boundary(cut.min(whole.len()));
        let (head, tail) = whole.split_at(at);
        let _ = load(head);
        let _ = load(&format!("{head}{insert}{tail}"));
    }

    #[test]
    fn merge_takes_the_strictest(a in any_requirement(), b in any_requirement(), c in any_requirement()) {
        let ab = a.merge(&b);
        prop_assert_eq!(&ab, &b.merge(&a));
        prop_assert_eq!(ab.merge(&c), a.merge(&b.merge(&c)));
        prop_assert_eq!(&a.merge(&a), &a);
        prop_assert_eq!(ab.merge(&b), ab.clone());
        prop_assert!(covers(&ab, &a) && covers(&ab, &b));
        let rules: BTreeSet<_> = a.rules().iter().chain(b.rules()).collect();
        prop_assert_eq!(ab.rules().iter().collect::<BTreeSet<_>>(), rules);
    }
}

/// Without the counters, which hold the ids of rules.
fn strip(answer: &Evaluation) -> Evaluation {
    let mut answer = answer.clone();
    if let Evaluation::Allow(allowance) = &mut answer {
        for ceiling in &mut allowance.ceilings {
            ceiling.counter.clear();
        }
    }
    answer
}
