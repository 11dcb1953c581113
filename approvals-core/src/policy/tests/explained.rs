//! Why a policy answers as it does.

use proptest::collection::vec;
use proptest::prelude::*;

use super::properties::{asked, policy_of, rule};
use super::*;
use crate::digest::RedactionKey;
use crate::id::RequestId;
use crate::policy::{Explanation, Match, Recorded, Seen};
use crate::sealed::{AgentClaims, Salts, SealedAction};

const RULES: &str = r#"
[calendar.freeze]
windows = [{ from = "2027-01-15T08:00:00Z", to = "2027-01-15T09:00:00Z" }]
[[rule]]
id = "big"
scope = "job.*"
when = { "args.replicas" = { gt = 10, le = 100 }, env = "prod" }
require = [{ group = "sre", n = 2 }]
[[rule]]
id = "token"
scope = "job.scale"
when = { "args.token" = "x" }
effect = "deny"
[[rule]]
id = "part"
scope = "*"
when = { "args.spec.image" = "a\u001bb", calendar = { ne = "freeze" } }
effect = "deny"
[[rule]]
id = "elsewhere"
scope = "db.query"
effect = "deny"
"#;

/// Every rule in a line, with what each of its conditions saw.
fn lines(why: &Explanation) -> Vec<String> {
    let seen = |seen: &Seen| match seen {
        Seen::Value(value) => value.to_string(),
        Seen::Missing => "missing".to_owned(),
        Seen::Redacted => "redacted".to_owned(),
        Seen::Undisclosed => "undisclosed".to_owned(),
        Seen::Time(at) => at.to_string(),
    };
    let rule = |rule: &crate::policy::RuleTrace| {
        let conditions: Vec<String> = rule
            .conditions
            .iter()
            .map(|of| {
                format!(
                    "{} {} [{}]",
                    of.condition,
                    of.matches.as_str(),
                    seen(&of.seen)
                )
            })
            .collect();
        format!(
            "{} {} {}: {}",
            rule.id,
            rule.effect,
            rule.matches.as_str(),
            conditions.join("; ")
        )
    };
    why.rules.iter().map(rule).collect()
}

#[test]
fn every_rule_for_the_scope_says_what_it_saw() {
    let policy = policy(RULES);
    let mut asked = proposal(
        "job.scale",
        "prod",
        params(r#"{"replicas":11,"spec":{"image":7}}"#),
    );
    asked.action.params.push(BoundParam::redacted(
        "token",
        Value::Text("s3cr3t".to_owned()),
    ));
    let why = policy.explain(&asked, now());
    assert_eq!(
        lines(&why),
        [
            "big require yes: args.replicas > 10 and args.replicas <= 100 yes [11]; env = \"prod\" yes [\"prod\"]",
            "token deny perhaps: args.token = \"x\" perhaps [redacted]",
            "part deny no: args.spec.image = \"a\\u{1b}b\" perhaps [7]; calendar != \"freeze\" no [2027-01-15T08:00:00.000000Z]",
        ]
    );
    assert_eq!((why.others, why.by_default), (1, false));
    assert_eq!(in_words(&why.answer), "deny [token]");

    let asked = proposal("job.scale", "", Vec::new());
    let why = policy.explain(&asked, now());
    assert_eq!(
        lines(&why),
        [
            "big require perhaps: args.replicas > 10 and args.replicas <= 100 perhaps [missing]; env = \"prod\" perhaps [missing]",
            "token deny perhaps: args.token = \"x\" perhaps [missing]",
            "part deny no: args.spec.image = \"a\\u{1b}b\" perhaps [missing]; calendar != \"freeze\" no [2027-01-15T08:00:00.000000Z]",
        ]
    );
    let why = policy.explain(&proposal("web.ping", "prod", Vec::new()), now());
    assert_eq!((why.rules.len(), why.others, why.by_default), (1, 3, true));
}

#[test]
fn threat_10_a_value_is_safe_to_print() {
    let asked = proposal(
        "job.scale",
        "prod",
        params(r#"{"spec":{"image":"\u001b[2J\u202e"}}"#),
    );
    let shown = lines(&policy(RULES).explain(&asked, now())).join("\n");
    assert!(
        !shown.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')),
        "{shown:?}"
    );
}

/// The action of a proposal as a record holds it, and what opens it.
fn sealed(asked: &Proposal) -> SealedAction {
    let key = RedactionKey::from_bytes(&[7; 32]);
    let id = RequestId::from_bytes([1; 16]);
    let mut salts = Salts::fresh().unwrap();
    SealedAction::seal(asked, AgentClaims::default(), id, now(), &mut salts, &key).unwrap()
}

#[test]
fn what_is_not_disclosed_is_named_and_not_guessed() {
    let policy = policy(RULES);
    let args = params(r#"{"replicas":11,"spec":{"image":7}}"#);
    let mut asked = proposal("job.scale", "prod", args);
    asked.action.resource = Some("db/main".to_owned());
    asked.action.params.push(BoundParam::redacted(
        "token",
        Value::Text("s3cr3t".to_owned()),
    ));
    let sealed = sealed(&asked);
    let whole = Recorded::of(sealed.record(), sealed.disclosures()).unwrap();
    assert!(whole.undisclosed().is_empty());
    let why = policy.explain_recorded(&whole, now());
    assert_eq!(lines(&why), lines(&policy.explain(&asked, now())));
    assert!(!why.undisclosed);
    // Without the number, the rule that looks at it could say either.
    let without = |name: &str| -> Vec<_> {
        let kept = sealed
            .disclosures()
            .iter()
            .filter(|kept| kept.open().unwrap().1 != name);
        kept.cloned().collect()
    };
    let part = Recorded::of(sealed.record(), &without("args.replicas")).unwrap();
    assert_eq!(part.undisclosed(), ["args.replicas"]);
    let why = policy.explain_recorded(&part, now());
    assert!(
        lines(&why)[0].contains("perhaps [undisclosed]"),
        "{:?}",
        lines(&why)
    );
    assert!(why.undisclosed);
    let nothing = Recorded::of(sealed.record(), &[]).unwrap();
    assert_eq!(
        nothing.undisclosed(),
        ["args.replicas", "args.spec", "resource"]
    );
    // A rule that is out of question for another reason needs no value.
    asked.action.environment = Some("staging".to_owned());
    let sealed = self::sealed(&asked);
    let spec = sealed
        .disclosures()
        .iter()
        .filter(|kept| kept.open().unwrap().1 == "args.spec");
    let part = Recorded::of(sealed.record(), &spec.cloned().collect::<Vec<_>>()).unwrap();
    assert!(!policy.explain_recorded(&part, now()).undisclosed);
    // What a store puts in another value's place opens nothing.
    let mut swapped = sealed.disclosures().to_vec();
    let other = swapped[1].commitment.clone();
    swapped[1].commitment = swapped[0].commitment.clone();
    swapped[0].commitment = other;
    let read = Recorded::of(sealed.record(), &swapped).unwrap();
    assert!(
        read.undisclosed().is_empty(),
        "each text opens what it opens"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn an_explanation_is_the_answer_and_its_reasons(rules in vec(rule(), 0..6), asked in asked()) {
        let policy = policy_of(&rules);
        let why = policy.explain(&asked, now());
        prop_assert_eq!(&why.answer, &policy.evaluate(&asked, now()));
        let of = |effect: &str, all: &[Match]| -> Vec<_> {
            let hit = |rule: &&crate::policy::RuleTrace| rule.effect == effect && all.contains(&rule.matches);
            why.rules.iter().filter(hit).map(|rule| rule.id.clone()).collect()
        };
        let any = [Match::Yes, Match::Perhaps];
        match &why.answer {
            Evaluation::Deny(forbidden) => prop_assert_eq!(&forbidden.rules, &of("deny", &any)),
            Evaluation::Require(requirement) => {
                prop_assert!(of("deny", &any).is_empty());
                let named: BTreeSet<_> = requirement.rules().iter().cloned().collect();
                prop_assert_eq!(named, of("require", &any).into_iter().collect::<BTreeSet<_>>());
                prop_assert_eq!(why.by_default, of("require", &[Match::Yes]).is_empty());
            }
            Evaluation::Allow(allowance) => {
                prop_assert!(of("deny", &any).is_empty() && of("require", &any).is_empty());
                prop_assert_eq!(&allowance.rules, &of("auto", &[Match::Yes]));
            }
        }
        for rule in &why.rules {
            let all: Vec<Match> = rule.conditions.iter().map(|condition| condition.matches).collect();
            let want = if all.contains(&Match::No) { Match::No } else if all.contains(&Match::Perhaps) { Match::Perhaps } else { Match::Yes };
            prop_assert_eq!(rule.matches, want);
        }
    }
}
