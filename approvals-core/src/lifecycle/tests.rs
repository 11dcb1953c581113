use std::collections::BTreeSet;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::action::Action;
use crate::clock::Timestamp;
use crate::digest::{ActionDigest, PolicyDigest, RedactionKey, SchemaDigest};
use crate::error::Code;
use crate::id::{BootId, GroupName, PersonId, RecordId, RequestId};
use crate::policy::{Evaluation, Forbidden, Memory, Policy, Quorum, Requirement};
use crate::principal::{Agent, Assurance, IdentityKey, Standing};
use crate::proposal::Proposal;
use crate::request::{ContentKey, Outcome, PolicyRef, Status};
use crate::review::{Evidence, PostReview, Review, VerifiedApprover, Vote};
use crate::sealed::{AgentClaims, Salts, SealedAction};

const HOUR: Duration = Duration::from_secs(3_600);

fn at(minutes: u64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000).after(Duration::from_secs(60 * minutes))
}

fn policy() -> PolicyDigest {
    PolicyDigest::of(b"policy")
}

fn quorums(list: &[(&str, u8, Assurance)]) -> Requirement {
    let quorums = list.iter().map(|(group, need, assurance)| {
        Quorum::new(
            group.parse().unwrap(),
            NonZeroU8::new(*need).unwrap(),
            *assurance,
        )
    });
    Requirement::new(quorums.collect(), HOUR, HOUR, Vec::new()).unwrap()
}

/// A policy of these rules, with one person of `ops` by default.
fn rules(rules: &str) -> Policy {
    let text = format!("version = 1\ndefault = {{ require = [{{ group = \"ops\" }}] }}\n{rules}");
    let groups = ["ops", "security", "cooks"].map(|name| name.parse().unwrap());
    Policy::parse(&text, &groups.into(), &[]).unwrap()
}

fn agent() -> Agent {
    Agent::new("bot").on_behalf_of("u_alice").owned_by("u_olga")
}

/// What an agent of Alice, owned by Olga, asks.
fn proposal() -> Proposal {
    let action = Action {
        scope: "db.drop".parse().unwrap(),
        function: "f".to_owned(),
        schema: SchemaDigest::of(b""),
        params: Vec::new(),
        not_covered: Vec::new(),
        resource: None,
        environment: None,
        tenant: None,
    };
    Proposal::new(agent().requester().unwrap(), action)
}

fn ask(evaluation: Evaluation) -> Command {
    ask_for(&proposal(), evaluation)
}

/// The same, breaking the glass.
fn glass() -> Proposal {
    let mut proposal = proposal();
    proposal.break_glass = Some("prod is down".to_owned());
    proposal
}

fn ask_for(proposal: &Proposal, evaluation: Evaluation) -> Command {
    let key = RedactionKey::from_bytes(&[0; 32]);
    let sealed = SealedAction::seal(
        proposal,
        AgentClaims::of(&agent()).unwrap(),
        RequestId::from_bytes([1; 16]),
        at(60),
        &mut Salts::fresh().unwrap(),
        &key,
    )
    .unwrap();
    let created = Created {
        action: sealed.record().clone(),
        digest: sealed.digest(),
        policy: PolicyRef::new(1, policy(), Vec::new()),
        requirement: None,
        asked_at: at(0),
        use_within_s: 3_600,
        key: None,
        content: ContentKey::from_bytes([0; 32]),
    };
    Command::Ask(Box::new(Ask::new(created, evaluation, Memory::default())))
}

struct Case(Option<RequestState>, Vec<Event>);

impl Case {
    fn of(requirement: Requirement) -> Self {
        let mut case = Self(None, Vec::new());
        assert_eq!(
            case.run(&ask(Evaluation::Require(requirement)), at(0)),
            None
        );
        case
    }

    fn run(&mut self, command: &Command, now: Timestamp) -> Option<Code> {
        let step = decide(self.0.as_ref(), command, now);
        for event in &step.events {
            match &mut self.0 {
                Some(state) => state.apply(event).unwrap(),
                None => self.0 = Some(RequestState::begin(event, now).unwrap()),
            }
        }
        self.1.extend(step.events);
        step.refusal.map(|refusal| refusal.code)
    }

    fn state(&self) -> &RequestState {
        self.0.as_ref().unwrap()
    }

    fn review(&mut self, who: &str, groups: &[&str], vote: Vote, now: Timestamp) -> Option<Code> {
        let command = review(self.state(), Some(who), groups, vote, Assurance::A2);
        self.run(&command, now)
    }

    fn consume(&mut self, people: &[(&str, &[&str])], now: Timestamp) -> Option<Code> {
        let command = Command::Consume(Box::new(wish(self.state(), people)));
        self.run(&command, now)
    }

    fn ran(&self) -> bool {
        self.1
            .iter()
            .any(|event| matches!(event, Event::Consumed(_)))
    }
}

fn review(
    state: &RequestState,
    who: Option<&str>,
    groups: &[&str],
    vote: Vote,
    assurance: Assurance,
) -> Command {
    let identity = IdentityKey::new("test", "", who.unwrap_or("stranger")).unwrap();
    let approver = VerifiedApprover::assertion(identity, assurance, Evidence::new("test"));
    let review = Review::new(approver, state.id(), state.digest(), policy(), vote);
    let person: Option<PersonId> = who.map(|who| who.parse().unwrap());
    let standing = person.clone().map(|person| standing(person, groups));
    Command::Review(Box::new(ReviewFacts::new(review, person, standing)))
}

fn standing(person: PersonId, groups: &[&str]) -> Standing {
    Standing::active(
        person,
        groups
            .iter()
            .map(|group| group.parse::<GroupName>().unwrap()),
    )
}

fn wish(state: &RequestState, people: &[(&str, &[&str])]) -> Consumption {
    let lets_through = rules("[[rule]]\nid = \"any\"\nscope = \"db.drop\"\neffect = \"auto\"");
    let mut wish = Consumption::new(
        state.id(),
        state.digest(),
        attempt(1),
        lets_through,
        Arc::new(proposal()),
    );
    for (who, groups) in people {
        let person: PersonId = who.parse().unwrap();
        wish.standings
            .insert(person.clone(), standing(person, groups));
    }
    wish
}

fn attempt(number: u8) -> Attempt {
    Attempt {
        boot: BootId::from_bytes([1; 16]),
        record: RecordId::from_bytes([number; 16]),
    }
}

fn one() -> Requirement {
    quorums(&[("ops", 1, Assurance::A1)])
}

#[test]
fn one_yes_one_run_one_outcome() {
    let mut case = Case::of(one());
    assert_eq!(case.review("u_bob", &["ops"], Vote::Approve, at(1)), None);
    assert_eq!(case.state().status(), Status::Approved);
    assert_eq!(case.consume(&[("u_bob", &["ops"])], at(2)), None);
    let finish = Command::Finish {
        request: case.state().id(),
        by: Some(attempt(1)),
        finished: Finished {
            outcome: Outcome::Succeeded,
            code: None,
            duration_us: None,
        },
    };
    assert_eq!(case.run(&finish, at(3)), None);
    assert_eq!(*case.state().phase(), Phase::Finished(Outcome::Succeeded));
}

#[test]
fn what_policy_says_of_tomorrow_or_of_long_ago_says_nothing_of_now() {
    let early = |at: Timestamp| at.before(Duration::from_secs(5));
    for (now, want) in [
        (at(0), None),
        (at(1), None),
        (at(2), Some(Code::Expired)),
        (early(at(0)), None),
        (
            early(at(0)).before(Duration::from_micros(1)),
            Some(Code::ClockRegression),
        ),
    ] {
        let mut case = Case(None, Vec::new());
        assert_eq!(case.run(&ask(Evaluation::Require(one())), now), want);
        assert_eq!(case.0.is_some(), want.is_none(), "nothing is asked");
    }
}

#[test]
fn i4_threat_14_15_whoever_is_behind_the_request_cannot_approve_it_and_can_stop_it() {
    for who in ["u_alice", "u_olga"] {
        let mut case = Case::of(one());
        assert_eq!(
            case.review(who, &["ops"], Vote::Approve, at(1)),
            Some(Code::SelfApproval)
        );
        assert!(
            matches!(case.1.last(), Some(Event::ReviewRefused(_))),
            "the attempt is on record"
        );
        assert_eq!(case.review(who, &[], Vote::Deny, at(1)), None);
        assert_eq!(case.state().status(), Status::Denied);
    }
}

#[test]
fn threat_16_18_a_quorum_counts_people() {
    let mut case = Case::of(quorums(&[("ops", 2, Assurance::A1)]));
    assert_eq!(case.review("u_bob", &["ops"], Vote::Approve, at(1)), None);
    assert_eq!(
        case.review("u_bob", &["ops"], Vote::Approve, at(1)),
        Some(Code::DuplicateVote)
    );
    let stranger = review(case.state(), None, &[], Vote::Approve, Assurance::A3);
    assert_eq!(case.run(&stranger, at(1)), Some(Code::IdentityUnresolved));
    assert_eq!(case.state().status(), Status::Pending);
    assert_eq!(case.review("u_carol", &["ops"], Vote::Approve, at(1)), None);
    assert_eq!(case.state().status(), Status::Approved);
}

#[test]
fn one_person_fills_one_seat_however_many_groups() {
    let both: &[&str] = &["ops", "security"];
    let mut case = Case::of(quorums(&[
        ("ops", 1, Assurance::A1),
        ("security", 1, Assurance::A1),
    ]));
    assert_eq!(case.review("u_bob", both, Vote::Approve, at(1)), None);
    assert_eq!(case.state().status(), Status::Pending);
    // Bob must move to the security seat for Carol, who is in ops only.
    assert_eq!(case.review("u_carol", &["ops"], Vote::Approve, at(1)), None);
    assert_eq!(case.state().status(), Status::Approved);
}

#[test]
fn threat_19_distinct_but_ineligible() {
    let mut case = Case::of(one());
    assert_eq!(
        case.review("u_eve", &["cooks"], Vote::Approve, at(1)),
        Some(Code::NotEligible)
    );
    assert_eq!(
        case.review("u_eve", &["cooks"], Vote::Deny, at(1)),
        Some(Code::NotEligible)
    );
    let mut gone = review(
        case.state(),
        Some("u_bob"),
        &["ops"],
        Vote::Approve,
        Assurance::A2,
    );
    if let Command::Review(facts) = &mut gone {
        facts.standing = Some(Standing::disabled("u_bob".parse().unwrap()));
    }
    assert_eq!(case.run(&gone, at(1)), Some(Code::NotEligible));
}

#[test]
fn a_weak_proof_can_deny_and_not_approve() {
    let mut case = Case::of(quorums(&[("ops", 1, Assurance::A3)]));
    assert_eq!(
        case.review("u_bob", &["ops"], Vote::Approve, at(1)),
        Some(Code::AssuranceTooLow)
    );
    assert_eq!(case.review("u_bob", &["ops"], Vote::Deny, at(1)), None);
    assert_eq!(case.state().status(), Status::Denied);
}

#[test]
fn a_decision_binds_digest_policy_and_person() {
    let mut case = Case::of(one());
    let base = review(
        case.state(),
        Some("u_bob"),
        &["ops"],
        Vote::Approve,
        Assurance::A2,
    );
    let mut check = |change: &dyn Fn(&mut Review), want: Code| {
        let mut command = base.clone();
        if let Command::Review(facts) = &mut command {
            change(&mut facts.review);
        }
        assert_eq!(case.run(&command, at(1)), Some(want));
    };
    check(
        &|review| review.digest = ActionDigest::of(b"other"),
        Code::ActionMismatch,
    );
    check(
        &|review| review.policy = PolicyDigest::of(b"other"),
        Code::PolicyChanged,
    );
    check(
        &|review| review.says = Some("u_carol".parse().unwrap()),
        Code::SignatureInvalid,
    );
    assert_eq!(case.state().status(), Status::Pending);
}

#[test]
fn i9_threat_27_a_late_click_is_too_late() {
    for late in [at(60), at(60 * 25)] {
        let mut case = Case::of(one());
        assert_eq!(
            case.review("u_bob", &["ops"], Vote::Approve, late),
            Some(Code::Expired)
        );
        assert_eq!(case.state().status(), Status::Expired);
        assert!(
            !case
                .1
                .iter()
                .any(|event| matches!(event, Event::Approved(_) | Event::Reviewed(_)))
        );
    }
}

#[test]
fn i9_threat_26_an_approval_is_worth_nothing_after_its_time() {
    let mut case = Case::of(one());
    assert_eq!(case.review("u_bob", &["ops"], Vote::Approve, at(1)), None);
    assert_eq!(
        case.consume(&[("u_bob", &["ops"])], at(61)),
        Some(Code::Expired)
    );
    assert_eq!(case.state().status(), Status::Expired);
    assert!(!case.ran());
}

#[test]
fn threat_29_a_denial_before_use_always_wins() {
    let mut case = Case::of(one());
    assert_eq!(case.review("u_bob", &["ops"], Vote::Approve, at(1)), None);
    assert_eq!(case.review("u_carol", &["ops"], Vote::Deny, at(2)), None);
    assert_eq!(
        case.consume(&[("u_bob", &["ops"])], at(3)),
        Some(Code::Denied)
    );
    assert!(!case.ran());
}

#[test]
fn i3_threat_30_a_second_use_is_refused_and_recorded() {
    let mut case = Case::of(one());
    case.review("u_bob", &["ops"], Vote::Approve, at(1));
    assert_eq!(case.consume(&[("u_bob", &["ops"])], at(2)), None);
    assert_eq!(
        case.consume(&[("u_bob", &["ops"])], at(2)),
        Some(Code::AlreadyConsumed)
    );
    assert!(matches!(case.1.last(), Some(Event::PermitRefused(_))));
    assert_eq!(
        case.review("u_carol", &["ops"], Vote::Deny, at(3)),
        Some(Code::AlreadyConsumed)
    );
}

#[test]
fn threat_32_a_withdrawn_request_stays_withdrawn() {
    let mut case = Case::of(one());
    let id = case.state().id();
    assert_eq!(case.run(&Command::Cancel(id), at(1)), None);
    assert_eq!(
        case.review("u_bob", &["ops"], Vote::Approve, at(2)),
        Some(Code::Cancelled)
    );
    assert_eq!(case.consume(&[], at(2)), Some(Code::Cancelled));
}

#[test]
fn i2_threat_01_another_digest_is_refused() {
    let mut case = Case::of(one());
    case.review("u_bob", &["ops"], Vote::Approve, at(1));
    let mut other = wish(case.state(), &[("u_bob", &["ops"])]);
    other.digest = ActionDigest::of(b"other");
    assert_eq!(
        case.run(&Command::Consume(Box::new(other)), at(2)),
        Some(Code::ActionMismatch)
    );
    assert!(!case.ran());
}

#[test]
fn eligibility_and_policy_are_asked_again_at_use() {
    let check = |groups: &[&str], now: &str, judged: Option<Evaluation>, want: Option<Code>| {
        let mut case = Case::of(one());
        case.review("u_bob", &["ops"], Vote::Approve, at(1));
        let mut wish = wish(case.state(), &[("u_bob", groups)]);
        wish.policy = rules(now);
        wish.judged = judged.clone();
        let got = case.run(&Command::Consume(Box::new(wish)), at(2));
        assert_eq!(got, want, "{now} {judged:?}");
        // An approval that is worth nothing any more is not left lying about.
        assert!(!case.state().is_live());
        assert_eq!(case.ran(), want.is_none());
    };
    let rule = |rest: &str| format!("[[rule]]\nid = \"x\"\nscope = \"db.drop\"\n{rest}");
    check(&["cooks"], "", None, Some(Code::NotEligible));
    check(&[], "", None, Some(Code::NotEligible));
    check(&["ops"], "", None, None);
    let stricter = Some(Code::PolicyChanged);
    check(&["ops"], &rule("effect = \"deny\""), None, stricter);
    let two = "require = [{ group = \"ops\", n = 2 }]";
    check(&["ops"], &rule(two), None, stricter);
    let another = "require = [{ group = \"security\" }]";
    check(&["ops"], &rule(another), None, stricter);
    check(&["ops", "security"], &rule(another), None, None);
    check(&["ops"], &rule("effect = \"auto\""), None, None);
    // What engines said a moment before counts as well.
    let forbidden = Evaluation::Deny(Forbidden::by(Vec::new()));
    check(&["ops"], "", Some(forbidden), stricter);
    let two = Evaluation::Require(quorums(&[("ops", 2, Assurance::A1)]));
    check(&["ops"], "", Some(two), stricter);
    check(&["ops"], "", Some(Evaluation::Require(one())), None);
}

#[test]
fn a_freeze_that_began_in_between_holds_and_ends_the_request() {
    // The clock of these tests starts at 2027-01-15T08:00:00Z.
    let policy = rules(
        "calendar.freeze.windows = [{ from = \"2027-01-15T08:10:00Z\", to = \"2027-01-15T08:20:00Z\" }]\n\
         [[rule]]\nid = \"freeze\"\nscope = \"*\"\nwhen = { calendar = \"freeze\" }\neffect = \"deny\"",
    );
    let micro = Duration::from_micros(1);
    for (now, want) in [
        (at(10).before(micro), None),
        (at(10), Some(Code::Frozen)),
        (at(20).before(micro), Some(Code::Frozen)),
        (at(20), None),
    ] {
        let mut case = Case::of(one());
        case.review("u_bob", &["ops"], Vote::Approve, at(1));
        let mut wish = wish(case.state(), &[("u_bob", &["ops"])]);
        wish.policy = policy.clone();
        // What was said a moment before the lock was had does not decide.
        wish.judged = Some(policy.evaluate(&wish.proposal, at(9)));
        assert_eq!(case.run(&Command::Consume(Box::new(wish)), now), want);
        assert_eq!(case.ran(), want.is_none(), "{now}");
        assert!(!case.state().is_live());
    }
}

#[test]
fn i3_nobody_ends_the_run_of_somebody_else() {
    let mut case = Case::of(one());
    case.review("u_bob", &["ops"], Vote::Approve, at(1));
    assert_eq!(case.consume(&[("u_bob", &["ops"])], at(2)), None);
    let request = case.state().id();
    let finished = Finished {
        outcome: Outcome::Unknown,
        code: None,
        duration_us: None,
    };
    let by = Some(attempt(2));
    case.run(
        &Command::Finish {
            request,
            by,
            finished,
        },
        at(3),
    );
    let got = ActionDigest::of(b"other");
    let burn = Command::Burn {
        request,
        by: attempt(2),
        why: Code::ActionMismatch,
        got: Some(got),
    };
    assert_eq!(case.run(&burn, at(3)), Some(Code::Misuse));
    assert_eq!(*case.state().phase(), Phase::Running(attempt(1)));
}

/// Two of ops, or security after ten minutes, or cooks after twenty; an hour to decide.
fn widening() -> Requirement {
    let quorum = Quorum::new("ops".parse().unwrap(), 2.try_into().unwrap(), Assurance::A2)
        .widened("security".parse().unwrap(), 10 * MINUTE)
        .widened("cooks".parse().unwrap(), 20 * MINUTE);
    Requirement::new(vec![quorum], HOUR, HOUR, Vec::new()).unwrap()
}

const MINUTE: Duration = Duration::from_secs(60);

fn levels(case: &Case) -> Vec<u32> {
    let level = |event: &Event| match event {
        Event::Escalated(escalated) => Some(escalated.level),
        _ => None,
    };
    case.1.iter().filter_map(level).collect()
}

#[test]
fn escalation_lets_more_people_in_and_asks_for_no_fewer() {
    let mut case = Case::of(widening());
    let (security, cooks): (&[&str], &[&str]) = (&["security"], &["cooks"]);
    let early = at(10).before(Duration::from_micros(1));
    assert_eq!(
        case.review("u_sam", security, Vote::Approve, early),
        Some(Code::NotEligible)
    );
    assert_eq!(
        case.review("u_sam", security, Vote::Deny, early),
        Some(Code::NotEligible)
    );
    assert!(levels(&case).is_empty());
    // The moment has come, and nobody has swept: the vote itself brings it on record.
    assert_eq!(case.review("u_sam", security, Vote::Approve, at(10)), None);
    assert_eq!(levels(&case), [1]);
    assert_eq!(case.state().status(), Status::Pending, "two are needed");
    assert_eq!(
        case.review("u_sam", security, Vote::Approve, at(11)),
        Some(Code::DuplicateVote)
    );
    assert_eq!(
        case.review("u_cole", cooks, Vote::Approve, at(11)),
        Some(Code::NotEligible)
    );
    assert_eq!(
        case.review("u_alice", security, Vote::Approve, at(11)),
        Some(Code::SelfApproval)
    );
    let weak = review(
        case.state(),
        Some("u_sue"),
        security,
        Vote::Approve,
        Assurance::A1,
    );
    assert_eq!(case.run(&weak, at(11)), Some(Code::AssuranceTooLow));
    assert_eq!(case.review("u_cole", cooks, Vote::Approve, at(20)), None);
    assert_eq!(case.state().status(), Status::Approved);
    assert_eq!(levels(&case), [1, 2]);
    // And what was given counts at use, by the groups of then.
    let now: &[(&str, &[&str])] = &[("u_sam", security), ("u_cole", cooks)];
    assert_eq!(case.consume(now, at(21)), None);
}

#[test]
fn escalation_counts_by_what_is_on_record() {
    let mut case = Case::of(widening());
    let due = Command::Due(case.state().id());
    for (minute, want) in [(9, 0), (10, 1), (10, 1), (19, 1), (30, 2), (31, 2)] {
        assert_eq!(case.run(&due, at(minute)), None);
        let level = levels(&case).last().copied().unwrap_or_default();
        assert_eq!(level, want, "at minute {minute}");
    }
    assert_eq!(levels(&case), [1, 2], "each once");
    assert_eq!(case.run(&due, at(60)), None);
    assert_eq!(case.state().status(), Status::Expired);

    // A sweep that comes late records the last level at once, and then nothing more.
    let mut late = Case::of(widening());
    let due = Command::Due(late.state().id());
    assert_eq!(late.run(&due, at(45)), None);
    assert_eq!(levels(&late), [2]);
    assert_eq!(late.state().escalates_at(), None);
    assert_eq!(late.state().due_at(), Some(late.state().expires_at()));

    // Levels only rise, exist, and come before a decision.
    let escalated = |level| Event::Escalated(Escalated { level });
    let mut state = Case::of(widening()).0.unwrap();
    for (event, possible) in [
        (escalated(0), false),
        (escalated(3), false),
        (escalated(2), true),
        (escalated(1), false),
        (escalated(2), false),
    ] {
        assert_eq!(state.apply(&event).is_ok(), possible, "{event:?}");
    }
    let mut none = Case::of(one()).0.unwrap();
    assert!(none.apply(&escalated(1)).is_err());
    assert_eq!(none.escalates_at(), None);
}

#[test]
fn an_escalation_under_other_rules_waits_as_long_as_they_say() {
    let rule = |after: &str| {
        rules(&format!(
            "[[rule]]\nid = \"x\"\nscope = \"db.drop\"\nrequire = [{{ group = \"ops\" }}]\nttl = \"1h\"\n\
             escalate = [{{ after = \"{after}\", groups = [\"security\"] }}]"
        ))
    };
    for (after, want) in [("10m", None), ("11m", Some(Code::PolicyChanged))] {
        let quorum = Quorum::new("ops".parse().unwrap(), 1.try_into().unwrap(), Assurance::A1)
            .widened("security".parse().unwrap(), 10 * MINUTE);
        let mut case = Case::of(Requirement::new(vec![quorum], HOUR, HOUR, Vec::new()).unwrap());
        let security: &[&str] = &["security"];
        assert_eq!(case.review("u_sam", security, Vote::Approve, at(10)), None);
        assert_eq!(case.state().status(), Status::Approved);
        let mut wish = wish(case.state(), &[("u_sam", security)]);
        wish.policy = rule(after);
        // However late it is used: the level on record is what the approval was given under.
        let got = case.run(&Command::Consume(Box::new(wish)), at(40));
        assert_eq!(got, want, "{after}");
    }
}

/// A broken glass that bob of ops approved, and that was used.
fn broken() -> Case {
    let mut case = Case(None, Vec::new());
    let signed = quorums(&[("ops", 1, Assurance::A3)]);
    assert_eq!(
        case.run(&ask_for(&glass(), Evaluation::Require(signed)), at(0)),
        None
    );
    let vote = review(
        case.state(),
        Some("u_bob"),
        &["ops"],
        Vote::Approve,
        Assurance::A3,
    );
    assert_eq!(case.run(&vote, at(1)), None);
    assert_eq!(*case.state().glass(), Glass::Whole);
    assert_eq!(case.consume(&[("u_bob", &["ops"])], at(2)), None);
    case
}

fn post(state: &RequestState, who: Option<&str>, assurance: Assurance) -> PostReviewFacts {
    let identity = IdentityKey::new("test", "", who.unwrap_or("stranger")).unwrap();
    let approver = VerifiedApprover::assertion(identity, assurance, Evidence::new("test"));
    let reason = crate::review::commit_reason("it was down").unwrap();
    let review = PostReview::new(approver, state.id(), state.digest(), reason);
    let person: Option<PersonId> = who.map(|who| who.parse().unwrap());
    let standing = person.clone().map(|person| standing(person, &["cooks"]));
    PostReviewFacts::new(review, person, standing)
}

#[test]
fn threat_49_a_broken_glass_is_said_in_the_step_that_breaks_it() {
    let case = broken();
    let kinds: Vec<_> = case.1.iter().map(Event::kind).collect();
    assert_eq!(
        kinds[kinds.len() - 2..],
        ["permit.consumed", "breakglass.used"]
    );
    assert_eq!(*case.state().glass(), Glass::Open);
    // A log that leaves it out makes no sense.
    let consumed = case.1.len() - 2;
    let mut silent = RequestState::begin(&case.1[0], at(0)).unwrap();
    for event in &case.1[1..=consumed] {
        silent.apply(event).unwrap();
    }
    let finished = Event::Finished(Finished {
        outcome: Outcome::Succeeded,
        code: None,
        duration_us: None,
    });
    assert!(silent.clone().apply(&finished).is_err());
    assert!(silent.apply(&Event::BreakGlassUsed).is_ok());
    assert!(
        silent.clone().apply(&Event::BreakGlassUsed).is_err(),
        "once"
    );
    assert!(silent.apply(&finished).is_ok());
    // And it is said of nobody who did not break it.
    let mut other = Case::of(one());
    other.review("u_bob", &["ops"], Vote::Approve, at(1));
    other.consume(&[("u_bob", &["ops"])], at(2));
    assert!(other.0.unwrap().apply(&Event::BreakGlassUsed).is_err());
}

#[test]
fn threat_49_a_review_of_it_is_signed_by_somebody_without_a_part_in_it() {
    let mut case = broken();
    let state = case.state().clone();
    let mut check = |facts: PostReviewFacts, now: Timestamp, want: Code| {
        let command = Command::PostReview(Box::new(facts));
        assert_eq!(case.run(&command, now), Some(want));
        assert_eq!(*case.state().glass(), Glass::Open);
        let Some(Event::ReviewRefused(refused)) = case.1.last() else {
            panic!("the attempt is on record");
        };
        assert_eq!((refused.code, refused.vote), (want, None));
    };
    let by = |who: &str| post(&state, Some(who), Assurance::A3);
    check(by("u_alice"), at(3), Code::SelfApproval);
    check(by("u_olga"), at(3), Code::SelfApproval);
    check(by("u_bob"), at(3), Code::NotEligible);
    check(
        post(&state, None, Assurance::A3),
        at(3),
        Code::IdentityUnresolved,
    );
    check(
        post(&state, Some("u_carol"), Assurance::A2),
        at(3),
        Code::AssuranceTooLow,
    );
    let mut gone = by("u_carol");
    gone.standing = Some(Standing::disabled("u_carol".parse().unwrap()));
    check(gone, at(3), Code::NotEligible);
    let mut other = by("u_carol");
    other.review.digest = ActionDigest::of(b"other");
    check(other, at(3), Code::ActionMismatch);
    let mut claims = by("u_carol");
    claims.review.says = Some("u_dave".parse().unwrap());
    check(claims, at(3), Code::SignatureInvalid);
    let mut old = by("u_carol");
    old.review.valid_until = Some(at(3));
    check(old, at(3), Code::Expired);
    // Bob's account under another name is Bob's account still.
    let mut alias = by("u_bob");
    alias.person = Some("u_carol".parse().unwrap());
    alias.standing = Some(standing("u_carol".parse().unwrap(), &["cooks"]));
    check(alias, at(3), Code::NotEligible);

    let mut case = broken();
    let carol = post(case.state(), Some("u_carol"), Assurance::A3);
    let command = Command::PostReview(Box::new(carol));
    assert_eq!(case.run(&command, at(60 * 24 * 30)), None, "however late");
    assert_eq!(
        *case.state().glass(),
        Glass::Reviewed("u_carol".parse().unwrap())
    );
    assert_eq!(
        case.run(&command, at(60 * 24 * 31)),
        Some(Code::DuplicateVote)
    );

    let mut whole = Case::of(one());
    let command = Command::PostReview(Box::new(post(
        whole.state(),
        Some("u_carol"),
        Assurance::A3,
    )));
    assert_eq!(whole.run(&command, at(1)), Some(Code::NotFound));
}

#[test]
fn threat_49_while_one_waits_for_its_review_no_other_is_broken() {
    let open = RequestId::from_bytes([9; 16]);
    let mut case = Case(None, Vec::new());
    let Command::Ask(mut asked) = ask_for(&glass(), Evaluation::Require(one())) else {
        panic!("an ask");
    };
    asked.unreviewed = Some(open);
    assert_eq!(
        case.run(&Command::Ask(asked), at(0)),
        Some(Code::PolicyDenied)
    );
    assert_eq!(case.state().status(), Status::Denied);

    let mut case = Case(None, Vec::new());
    case.run(&ask_for(&glass(), Evaluation::Require(one())), at(0));
    case.review("u_bob", &["ops"], Vote::Approve, at(1));
    let mut wish = wish(case.state(), &[("u_bob", &["ops"])]);
    wish.unreviewed = Some(open);
    let command = Command::Consume(Box::new(wish));
    let step = decide(case.0.as_ref(), &command, at(2));
    let message = step.refusal.unwrap().message;
    assert!(message.contains(&open.to_string()), "{message}");
    assert_eq!(case.run(&command, at(2)), Some(Code::PolicyDenied));
    assert!(!case.ran());
    assert!(!case.state().is_live(), "asking again asks people again");
}

#[test]
fn a_rule_that_forbids_is_on_record() {
    let mut case = Case(None, Vec::new());
    assert_eq!(
        case.run(
            &ask(Evaluation::Deny(Forbidden::by(vec![
                "never".parse().unwrap()
            ]))),
            at(0)
        ),
        Some(Code::PolicyDenied)
    );
    assert_eq!(case.state().status(), Status::Denied);
    assert_eq!(case.consume(&[], at(1)), Some(Code::Denied));
    // A no that ends by itself is another one, and stands so in the record.
    let mut case = Case(None, Vec::new());
    let frozen = Forbidden::frozen(vec!["freeze".parse().unwrap()], Some(at(5)));
    assert_eq!(
        case.run(&ask(Evaluation::Deny(frozen)), at(0)),
        Some(Code::Frozen)
    );
    let Phase::Denied { by, code, .. } = case.state().phase() else {
        panic!("{:?}", case.state().phase());
    };
    assert_eq!((by, *code), (&None, Code::Frozen));
}

#[test]
fn an_unknown_outcome_can_be_settled_and_nothing_else() {
    let mut case = Case::of(one());
    case.review("u_bob", &["ops"], Vote::Approve, at(1));
    case.consume(&[("u_bob", &["ops"])], at(2));
    let id = case.state().id();
    let finish = |outcome| Command::Finish {
        request: id,
        by: Some(attempt(1)),
        finished: Finished {
            outcome,
            code: None,
            duration_us: None,
        },
    };
    for (outcome, want) in [
        (Outcome::Unknown, Outcome::Unknown),
        (Outcome::Unknown, Outcome::Unknown),
        (Outcome::Failed, Outcome::Failed),
        (Outcome::Succeeded, Outcome::Failed),
    ] {
        case.run(&finish(outcome), at(3));
        assert_eq!(*case.state().phase(), Phase::Finished(want));
    }
}

/// Somebody and something at random; the eligible people are `u_1` and `u_2`, in ops.
fn any_command() -> impl Strategy<Value = (usize, usize, bool, bool, u64)> {
    (
        0..6_usize,
        0..5_usize,
        any::<bool>(),
        any::<bool>(),
        0..90_u64,
    )
}

const CAST: [&str; 5] = ["u_1", "u_2", "u_alice", "u_olga", "u_eve"];

fn play(steps: Vec<(usize, usize, bool, bool, u64)>, eligible: &[&str]) -> (bool, Case) {
    let mut case = Case::of(quorums(&[("ops", 2, Assurance::A2)]));
    for (what, who, yes, weak, minute) in steps {
        let who = CAST[who];
        let groups: &[&str] = if eligible.contains(&who) || who == "u_alice" || who == "u_olga" {
            &["ops"]
        } else {
            &["cooks"]
        };
        let vote = if yes { Vote::Approve } else { Vote::Deny };
        let assurance = if weak { Assurance::A1 } else { Assurance::A2 };
        let id = case.state().id();
        let command = match what {
            0..=2 => review(case.state(), Some(who), groups, vote, assurance),
            3 => Command::Due(id),
            4 => Command::Burn {
                request: id,
                by: attempt(1),
                why: Code::ActionMismatch,
                got: Some(ActionDigest::of(b"x")),
            },
            _ => Command::Consume(Box::new(wish(
                case.state(),
                &[
                    ("u_1", &["ops"]),
                    ("u_2", &["ops"]),
                    ("u_alice", &["ops"]),
                    ("u_eve", &["ops"]),
                ],
            ))),
        };
        case.run(&command, at(minute));
    }
    (case.ran(), case)
}

proptest! {
    /// I1: whatever people without standing do, in whatever order, nothing runs.
    #[test]
    fn i1_no_sequence_by_ineligible_people_ever_runs(steps in prop::collection::vec(any_command(), 0..60)) {
        prop_assert!(!play(steps.clone(), &[]).0);
        prop_assert!(!play(steps, &["u_1"]).0);
    }

    /// With two eligible people it may run, at most once, and never after a denial.
    #[test]
    fn what_runs_ran_once_with_two_distinct_approvals(steps in prop::collection::vec(any_command(), 0..120)) {
        let (ran, case) = play(steps, &["u_1", "u_2"]);
        let count = case.1.iter().filter(|event| matches!(event, Event::Consumed(_))).count();
        prop_assert!(count <= 1);
        if ran {
            let consumed = case.1.iter().position(|event| matches!(event, Event::Consumed(_))).unwrap();
            let yes: BTreeSet<_> = case.1[..consumed].iter().filter_map(|event| match event {
                Event::Reviewed(review) if review.vote == Vote::Approve => Some(review.person.clone()),
                _ => None,
            }).collect();
            prop_assert_eq!(yes.len(), 2);
            prop_assert!(!case.1[..consumed].iter().any(|event| matches!(event, Event::Denied(_))));
        }
    }
}
