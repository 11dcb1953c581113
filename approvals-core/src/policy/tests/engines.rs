//! Engines beside the policy: the strictest answer holds, and never a weaker one.

use proptest::collection::vec;
use proptest::prelude::*;

use super::properties::{any_requirement, asked, policy_of, rule};
use super::*;
use crate::id::EngineName;
use crate::policy::{EngineError, Opinion, Strictness};
use crate::principal::Assurance;

fn engine() -> EngineName {
    "cedar".parse().unwrap()
}

/// What people and counters are like when an answer is acted on: how many of each group approve,
/// each with this proof, and whether every ceiling is reached.
#[derive(Debug)]
struct World {
    approving: Vec<(usize, Assurance)>,
    full: bool,
}

impl World {
    /// Whether an action with this answer runs in this world.
    fn lets_run(&self, answer: &Evaluation) -> bool {
        match answer {
            Evaluation::Deny(_) => false,
            Evaluation::Require(requirement) => self.meets(requirement),
            Evaluation::Allow(allowance) if self.full && !allowance.ceilings.is_empty() => {
                self.meets(&allowance.otherwise)
            }
            Evaluation::Allow(_) => true,
        }
    }

    fn meets(&self, requirement: &Requirement) -> bool {
        requirement.quorums().iter().all(|quorum| {
            let of_group = |(group, have): &&(usize, Assurance)| {
                GROUPS[*group] == quorum.group.as_str() && *have >= quorum.assurance
            };
            self.approving.iter().filter(of_group).count() >= usize::from(quorum.need.get())
        })
    }
}

const GROUPS: [&str; 4] = ["oncall", "sre", "security", "privacy"];

fn worlds() -> impl Strategy<Value = World> {
    let level = prop_oneof![
        Just(Assurance::A1),
        Just(Assurance::A2),
        Just(Assurance::A3)
    ];
    (vec((0..4_usize, level), 0..8), any::<bool>())
        .prop_map(|(approving, full)| World { approving, full })
}

fn answers() -> impl Strategy<Value = Result<Opinion, EngineError>> {
    prop_oneof![
        2 => Just(Ok(Opinion::NoObjection)),
        4 => any_requirement().prop_map(|more| Ok(Opinion::Require(more))),
        1 => Just(Ok(Opinion::Deny(vec!["x".parse().unwrap()]))),
        1 => Just(Ok(Opinion::Deny(Vec::new()))),
        1 => Just(Err(EngineError::new("it is away"))),
    ]
}

fn all_of(alone: &Evaluation, said: &[Result<Opinion, EngineError>]) -> Evaluation {
    let more = |answer: Evaluation, said: &Result<Opinion, EngineError>| {
        answer.tightened(&engine(), said.clone())
    };
    said.iter().fold(alone.clone(), more)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn what_engines_say_never_loosens(
        rules in vec(rule(), 0..6), asked in asked(), said in vec(answers(), 0..4), worlds in vec(worlds(), 16),
    ) {
        let alone = policy_of(&rules).evaluate(&asked, now());
        let all = all_of(&alone, &said);
        prop_assert!(all.covers(&alone), "{alone:?} became {all:?}");
        for world in &worlds {
            prop_assert!(!world.lets_run(&all) || world.lets_run(&alone), "{alone:?} became {all:?} in {world:?}");
        }
        for opinion in &said {
            match opinion {
                Ok(Opinion::NoObjection) => {}
                Ok(Opinion::Deny(_)) | Err(_) => prop_assert!(matches!(all, Evaluation::Deny(_))),
                Ok(Opinion::Require(more)) => prop_assert!(all.covers(&Evaluation::Require(more.clone()))),
            }
        }
        let without: Vec<_> = said.iter().filter(|said| **said != Ok(Opinion::NoObjection)).cloned().collect();
        prop_assert_eq!(all_of(&alone, &without), all);
    }

    #[test]
    fn the_order_of_engines_does_not_count(
        rules in vec(rule(), 0..6), asked in asked(), said in vec(answers(), 0..4), worlds in vec(worlds(), 16),
    ) {
        let alone = policy_of(&rules).evaluate(&asked, now());
        let mut backwards = said.clone();
        backwards.reverse();
        let (one, other) = (all_of(&alone, &said), all_of(&alone, &backwards));
        prop_assert_eq!(one.compared_to(&other), Strictness::Same);
        for world in &worlds {
            prop_assert_eq!(world.lets_run(&one), world.lets_run(&other));
        }
    }

    #[test]
    fn what_covers_lets_nothing_more_run(
        left in vec(rule(), 0..4), right in vec(rule(), 0..4), asked in asked(), worlds in vec(worlds(), 32),
    ) {
        let (left, right) = (policy_of(&left).evaluate(&asked, now()), policy_of(&right).evaluate(&asked, now()));
        prop_assert!(left.covers(&left));
        for world in &worlds {
            if left.covers(&right) {
                prop_assert!(!world.lets_run(&left) || world.lets_run(&right), "{left:?} {right:?} {world:?}");
            }
        }
    }
}

#[test]
fn the_strictest_answer_holds() {
    let policy = policy(
        r#"
        [[rule]]
        id = "two"
        scope = "a.two"
        require = [{ group = "sre", n = 2 }]
        [[rule]]
        id = "free"
        scope = "a.free"
        effect = "auto"
        [[rule]]
        id = "often"
        scope = "a.often"
        effect = "auto"
        rate = "3/h"
        [[rule]]
        id = "never"
        scope = "a.never"
        effect = "deny"
    "#,
    );
    let check = |scope: &str, said: Result<Opinion, EngineError>, want: &str| {
        let alone = policy.evaluate(&proposal(scope, "prod", Vec::new()), now());
        let both = alone.tightened(&engine(), said.clone());
        assert_eq!(in_words(&both), want, "{scope} {said:?}");
    };
    let requirement = |group: &str, n: u8, rules: &[&str]| {
        let quorum = crate::policy::Quorum::new(
            group.parse().unwrap(),
            n.try_into().unwrap(),
            Assurance::A3,
        );
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let month = std::time::Duration::from_secs(30 * 86_400);
        Requirement::new(vec![quorum], month, month, rules).unwrap()
    };
    let ask = || Ok(Opinion::Require(requirement("security", 1, &["pii"])));
    let deny = || Ok(Opinion::Deny(vec!["no".parse().unwrap()]));
    check(
        "a.two",
        ask(),
        "require security:1:A3 sre:2:A1 [cedar/pii, two]",
    );
    check("a.free", ask(), "require security:1:A3 [cedar/pii]");
    // Past the ceiling the policy asks oncall, so that an engine's wish must not replace them.
    check(
        "a.often",
        ask(),
        "require oncall:1:A1 security:1:A3 [cedar/pii]",
    );
    check("a.never", ask(), "deny [never]");
    check("a.two", deny(), "deny [cedar/no]");
    check("a.never", deny(), "deny [never, cedar/no]");
    check("a.free", Ok(Opinion::Deny(Vec::new())), "deny [cedar]");
    check("a.free", Ok(Opinion::NoObjection), "allow [free] ");
    check("a.two", Ok(Opinion::NoObjection), "require sre:2:A1 [two]");
    for scope in ["a.two", "a.free", "a.often", "a.never"] {
        let alone = policy.evaluate(&proposal(scope, "prod", Vec::new()), now());
        let Evaluation::Deny(no) = alone.tightened(&engine(), Err(EngineError::new("it is away")))
        else {
            panic!("{scope}: an engine that cannot tell denies");
        };
        let said = no.to_string();
        assert!(
            said.contains("`cedar` could not judge this (it is away)"),
            "{said}"
        );
        assert_eq!(
            said.contains("`never` forbids"),
            scope == "a.never",
            "{said}"
        );
    }
    // Nobody's times get longer than the policy's own.
    let alone = policy.evaluate(&proposal("a.free", "prod", Vec::new()), now());
    let Evaluation::Require(both) = alone.tightened(&engine(), ask()) else {
        panic!("people are asked");
    };
    let default = policy.default_requirement();
    assert_eq!(both.decide_within(), default.decide_within());
    assert_eq!(both.use_within(), default.use_within());
}

#[test]
fn threat_43_a_policy_names_its_engines_exactly() {
    let digest = crate::digest::PolicyDigest::of(b"x");
    let text = |engines: &str| {
        format!("version = 1\ndefault = {{ require = [{{ group = \"oncall\" }}] }}\n{engines}")
    };
    let one = format!("[[engine]]\nname = \"cedar\"\ndigest = \"{digest}\"\n");
    let policy = load(&text(&one)).unwrap();
    let wanted: Vec<_> = policy
        .engines()
        .iter()
        .map(|wanted| (wanted.name().to_string(), wanted.digest()))
        .collect();
    assert_eq!(wanted, [("cedar".to_owned(), digest)]);
    let check = |engines: &str, want: &str| {
        let error = load(&text(engines))
            .err()
            .unwrap_or_else(|| panic!("accepted: {engines}"));
        assert!(error.to_string().contains(want), "{error}");
    };
    check(&format!("{one}{one}"), "the engine `cedar` stands twice");
    check("[[engine]]\nname = \"cedar\"\n", "`digest` is missing");
    check(&one.replace("sha256:", ""), "sha256");
    check(&one.replace("cedar", "a b"), "`a?b` is not a policy engine");
    check(&format!("{one}path = \"x\"\n"), "`path` is not known here");
    check("engine = 1\n", "`engine` must be a list");
}
