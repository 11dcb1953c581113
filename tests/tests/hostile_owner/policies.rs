//! Policies, and what they are said to have asked.

use std::collections::BTreeMap;
use std::time::Duration;

use approvals_core::ledger::{Entry, LogEvent, Rule};
use approvals_core::lifecycle::{Created, Escalated, Event};
use approvals_core::policy::{EngineError, Opinion, PolicyEngine, Quorum, Requirement};
use approvals_core::{Assurance, PolicyDigest, Proposal, RequestId, Timestamp, Vote};
use async_trait::async_trait;

use super::super::support::forge::Forger;
use super::super::support::history::{Cast, History, asks, drop_it, refund, rules, uses};
use super::super::support::people::account;
use super::super::{check, read};

fn created(forger: &mut Forger, request: RequestId) -> (usize, &mut Created) {
    let place = forger.at(request, "request.created", 0);
    match forger.event(place) {
        Event::Created(created) => (place, created),
        other => panic!("{other:?} is no ask"),
    }
}

/// Gives a request, whose action was changed, its new digest wherever it stands.
fn digest_anew(forger: &mut Forger, request: RequestId) {
    let (_, created) = created(forger, request);
    let digest = created.action.digest().unwrap();
    created.digest = digest;
    for record in &mut forger.records {
        match &mut record.entry {
            Entry::Request(of, Event::Reviewed(vote)) if *of == request => vote.digest = digest,
            Entry::Request(of, Event::Consumed(used)) if *of == request => used.digest = digest,
            _ => {}
        }
    }
}

fn of_ops(need: u8, assurance: Assurance, rule: &[&str]) -> Requirement {
    let quorum = Quorum::new("ops".parse().unwrap(), need.try_into().unwrap(), assurance);
    let time = Duration::from_secs(900);
    let rules = rule.iter().map(|rule| rule.parse().unwrap()).collect();
    Requirement::new(vec![quorum], time, time, rules).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_it_takes_is_what_the_policy_asks() {
    let history = History::honest().await;
    let (one, two, chat) = (
        history.request("one"),
        history.request("two"),
        history.request("chat"),
    );
    check(&history, "one person instead of two", |forger| {
        let (place, created) = created(forger, two);
        created.requirement = Some(of_ops(1, Assurance::A3, &["two"]));
        let second = forger.at(two, "review.recorded", 1);
        forger.records.remove(second);
        let approved = forger.at(two, "request.approved", 0);
        let Event::Approved(approved) = forger.event(approved) else {
            unreachable!()
        };
        approved.by.truncate(1);
        (Rule::Requirement, place)
    });
    check(&history, "a weaker proof", |forger| {
        let (place, created) = created(forger, two);
        created.requirement = Some(of_ops(2, Assurance::A1, &["two"]));
        (Rule::Requirement, place)
    });
    check(&history, "another rule", |forger| {
        let (place, created) = created(forger, one);
        created.policy.rules = vec!["two".parse().unwrap()];
        (Rule::Policy, place)
    });
    check(&history, "nobody is asked", |forger| {
        let (place, created) = created(forger, chat);
        created.requirement = None;
        (Rule::Requirement, place)
    });
    check(&history, "what is forbidden is asked", |forger| {
        let forbidden = history.request("forbidden");
        let (place, created) = created(forger, forbidden);
        created.requirement = Some(of_ops(1, Assurance::A1, &["never"]));
        (Rule::Requirement, place)
    });
    check(&history, "and the no of the policy is gone", |forger| {
        let forbidden = history.request("forbidden");
        let place = forger.at(forbidden, "request.denied", 0);
        forger.records.remove(place);
        (Rule::Denial, place - 1)
    });
    check(&history, "another action under the same digest", |forger| {
        let (place, created) = created(forger, chat);
        created.action.environment = Some("staging".to_owned());
        (Rule::Digest, place)
    });
    check(&history, "another digest", |forger| {
        let place = forger.at(history.request("open"), "request.created", 0);
        let (_, other) = created(forger, one);
        let digest = other.digest;
        created(forger, history.request("open")).1.digest = digest;
        (Rule::Digest, place)
    });
    check(&history, "another action, signed for by nobody", |forger| {
        let (_, created) = created(forger, one);
        created.action.environment = Some("staging".to_owned());
        digest_anew(forger, one);
        (Rule::Statement, forger.at(one, "review.recorded", 0))
    });
}

#[tokio::test(start_paused = true)]
async fn what_runs_by_itself_is_what_a_rule_lets_through() {
    let history = History::honest().await;
    let (chat, auto) = (history.request("chat"), history.request("auto"));
    check(&history, "a refund by no rule", |forger| {
        let (_, created) = created(forger, chat);
        created.requirement = None;
        let vote = forger.at(chat, "review.recorded", 0);
        forger.records.remove(vote);
        let place = forger.at(chat, "request.approved", 0);
        let Event::Approved(mut approved) = forger.event(place).clone() else {
            unreachable!()
        };
        approved.by.clear();
        *forger.event(place) = Event::AutoApproved(approved);
        (Rule::Auto, place)
    });
    check(&history, "more than the ceiling allows", |forger| {
        // The same read again and again, as other requests.
        let records: Vec<_> = forger
            .records
            .iter()
            .filter(|one| one.request() == Some(auto))
            .cloned()
            .collect();
        let mut place = forger.at(history.request("auto again"), "outcome.succeeded", 0) + 1;
        let mut fourth = 0;
        for number in 1..=2 {
            fourth = place;
            let request = RequestId::from_bytes([number; 16]);
            for record in &records {
                let mut record = record.clone();
                let Entry::Request(of, _) = &mut record.entry else {
                    unreachable!()
                };
                *of = request;
                forger.records.insert(place, record);
                place += 1;
            }
            created(forger, request).1.action.request_id = request;
            digest_anew(forger, request);
        }
        (Rule::Ceiling, fourth)
    });
    check(&history, "the yes of the rule is gone", |forger| {
        let place = forger.at(auto, "request.auto_approved", 0);
        forger.records.remove(place);
        (Rule::Auto, place)
    });
    check(&history, "more time to use it", |forger| {
        let place = forger.at(auto, "request.auto_approved", 0);
        let at = forger.records[place].at;
        let Event::AutoApproved(approved) = forger.event(place) else {
            unreachable!()
        };
        approved.until = at.after(Duration::from_secs(3_600));
        (Rule::Deadline, place)
    });
}

#[tokio::test(start_paused = true)]
async fn deadlines_are_those_of_the_policy() {
    let history = History::honest().await;
    let chat = history.request("chat");
    let hour = Duration::from_secs(3_600);
    check(&history, "more time to decide", |forger| {
        let (place, created) = created(forger, chat);
        created.action.expires_at = created.action.expires_at.after(hour);
        digest_anew(forger, chat);
        (Rule::Deadline, place)
    });
    check(&history, "more time to use", |forger| {
        let (place, created) = created(forger, chat);
        created.use_within_s = 3_600;
        (Rule::Deadline, place)
    });
    check(&history, "asked for another time", |forger| {
        let (place, created) = created(forger, chat);
        created.asked_at = created.asked_at.after(Duration::from_micros(1));
        (Rule::Deadline, place)
    });
    for (what, shift) in [("long before", -120), ("long after", 120)] {
        check(&history, what, |forger| {
            let (place, created) = created(forger, chat);
            let micros = created.asked_at.as_micros() + shift * 1_000_000;
            created.asked_at = Timestamp::from_micros(micros);
            created.action.expires_at = created.asked_at.after(Duration::from_secs(900));
            digest_anew(forger, chat);
            (Rule::AskedAt, place)
        });
    }
}

/// The text that a policy record holds.
fn text(forger: &mut Forger, place: usize) -> (&mut PolicyDigest, &mut String) {
    match &mut forger.records[place].entry {
        Entry::Log(LogEvent::PolicyLoaded { digest, text, .. }) => (digest, text),
        other => panic!("{other:?} is no policy"),
    }
}

#[tokio::test(start_paused = true)]
async fn policies_are_on_record_whole_and_in_order() {
    let history = History::honest().await;
    check(&history, "another text under the same digest", |forger| {
        let place = forger.log_at("policy.loaded", 0);
        let text = text(forger, place).1;
        *text = text.replace("n = 2", "n = 1");
        (Rule::PolicyText, place)
    });
    check(&history, "another text and its digest", |forger| {
        let place = forger.log_at("policy.loaded", 0);
        let (digest, text) = text(forger, place);
        *text = text.replace("n = 2", "n = 1");
        *digest = PolicyDigest::of(text.as_bytes());
        (
            Rule::Policy,
            forger.at(history.request("one"), "request.created", 0),
        )
    });
    check(
        &history,
        "another text, and everything that names it",
        |forger| {
            let place = forger.log_at("policy.loaded", 0);
            let (digest, text) = text(forger, place);
            let old = *digest;
            *text = text.replace("n = 2", "n = 1");
            *digest = PolicyDigest::of(text.as_bytes());
            let new = *digest;
            for record in &mut forger.records {
                if let Entry::Request(_, Event::Created(created)) = &mut record.entry
                    && created.policy.digest == old
                {
                    created.policy.digest = new;
                }
            }
            // What people signed names the policy they saw.
            (
                Rule::Statement,
                forger.at(history.request("one"), "review.recorded", 0),
            )
        },
    );
    check(&history, "no policy at all", |forger| {
        let place = forger.log_at("policy.loaded", 0);
        text(forger, place).1.clear();
        (Rule::PolicyText, place)
    });
    check(&history, "a policy that is none", |forger| {
        let place = forger.log_at("policy.loaded", 0);
        let (digest, text) = text(forger, place);
        *text = "version = 1\n".to_owned();
        *digest = PolicyDigest::of(text.as_bytes());
        (Rule::PolicyText, place)
    });
    check(&history, "another version than the text says", |forger| {
        let place = forger.log_at("policy.loaded", 0);
        let Entry::Log(LogEvent::PolicyLoaded { version, .. }) = &mut forger.records[place].entry
        else {
            unreachable!()
        };
        *version = 3;
        (Rule::PolicyText, place)
    });
    check(&history, "an older version after a newer one", |forger| {
        let old = forger.log_at("policy.loaded", 0);
        let old = forger.records[old].clone();
        let place = forger.log_at("policy.loaded", 1) + 1;
        forger.records.insert(place, old);
        (Rule::PolicyVersion, place)
    });
    check(&history, "asked under an older policy", |forger| {
        let policy = created(forger, history.request("one")).1.policy.clone();
        let (place, created) = created(forger, history.request("open"));
        created.policy = policy;
        (Rule::Policy, place)
    });
    check(
        &history,
        "used under a policy that asks for more",
        |forger| {
            let chat = history.request("chat");
            let used = forger.at(chat, "permit.consumed", 0);
            let moved: Vec<_> = forger.records.drain(used..used + 2).collect();
            let place = forger.log_at("policy.loaded", 1) + 1;
            for (offset, record) in moved.into_iter().enumerate() {
                forger.records.insert(place + offset, record);
            }
            (Rule::PolicyAtUse, place)
        },
    );
}

#[tokio::test(start_paused = true)]
async fn a_policy_in_parts_lacks_none() {
    let long: String = (0..1_000)
        .map(|number| {
            format!("[[rule]]\nid = \"r{number}\"\nscope = \"x.y{number}\"\neffect = \"deny\"\n")
        })
        .collect();
    let cast = Cast::new(&(rules(1, 1) + &long));
    let gate = cast.house.open().await;
    let request = asks(&gate, "one", refund("one".to_owned(), 1)).await;
    let history = History::of(cast, &gate, [("one", request)].into()).await;
    assert!(read(history.auditor(), &history.sealed()).passed());
    check(&history, "a part is gone", |forger| {
        let part = forger.log_at("policy.part", 0);
        forger.records.remove(part);
        (Rule::PolicyText, forger.log_at("policy.loaded", 0))
    });
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_before_their_time() {
    let widening = "version = 1\ndefault = { require = [{ group = \"ops\", n = 1 }], ttl = \"15m\", \
        use_within = \"15m\", escalate = [{ after = \"5m\", groups = [\"security\"] }] }\n";
    let cast = Cast::new(widening);
    cast.crew.link(account("slack", "T1", "u_6"), "u_6");
    let gate = cast.house.open().await;
    let order = || refund("one".to_owned(), 1);
    let one = asks(&gate, "one", order()).await;
    let waits = asks(&gate, "waits", refund("waits".to_owned(), 1)).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    cast.clicks(&gate, "u_6", one, Vote::Approve).await;
    uses(&gate, "one", order()).await;
    let history = History::of(cast, &gate, [("one", one), ("waits", waits)].into()).await;
    assert!(read(history.auditor(), &history.sealed()).passed());
    check(&history, "more people before it had waited", |forger| {
        let escalated = forger.at(one, "request.escalated", 0);
        let place = forger.at(waits, "request.created", 0);
        let mut early = forger.records[escalated].clone();
        early.at = forger.records[place].at;
        early.entry = Entry::Request(waits, forger.event(escalated).clone());
        forger.records.insert(place + 1, early);
        (Rule::Deadline, place + 1)
    });
    check(&history, "their vote without an escalation", |forger| {
        let place = forger.at(one, "request.escalated", 0);
        forger.records.remove(place);
        (Rule::Eligibility, forger.at(one, "review.recorded", 0))
    });
    check(&history, "a level that there is not", |forger| {
        let place = forger.at(one, "request.escalated", 0);
        let Event::Escalated(Escalated { level, .. }) = forger.event(place) else {
            unreachable!()
        };
        *level = 2;
        (Rule::Deadline, place)
    });
}

/// An engine that says the same of everything.
#[derive(Debug, Clone)]
struct Says(Result<Opinion, EngineError>);

#[async_trait]
impl PolicyEngine for Says {
    fn name(&self) -> &approvals_core::id::EngineName {
        static NAME: std::sync::OnceLock<approvals_core::id::EngineName> =
            std::sync::OnceLock::new();
        NAME.get_or_init(|| "says".parse().unwrap())
    }
    fn digest(&self) -> PolicyDigest {
        PolicyDigest::of(b"says")
    }
    async fn judge(&self, _: &Proposal, _: Timestamp) -> Result<Opinion, EngineError> {
        self.0.clone()
    }
}

async fn beside(said: Result<Opinion, EngineError>) -> History {
    let mut cast = Cast::new(&rules(1, 1));
    cast.house = cast.house.engine(Says(said.clone()));
    let gate = cast.house.open().await;
    let mut named = BTreeMap::new();
    let call = || drop_it("users".to_owned());
    let error = gate
        .enter(
            super::super::support::history::agent("one").wait(Duration::from_millis(1)),
            call(),
        )
        .await
        .unwrap_err();
    let one = error.request().unwrap();
    named.insert("one", one);
    if !matches!(said, Ok(Opinion::Deny(_)) | Err(_)) {
        cast.signs(&gate, "u_1", one, Vote::Approve).await;
        cast.signs(&gate, "u_2", one, Vote::Approve).await;
        if !matches!(said, Ok(Opinion::Require(_))) {
            uses(&gate, "one", call()).await;
        }
    }
    History::of(cast, &gate, named).await
}

#[tokio::test(start_paused = true)]
async fn what_engines_said_can_only_have_tightened() {
    let three = of_ops(3, Assurance::A1, &["more"]);
    let history = beside(Ok(Opinion::Require(three))).await;
    assert!(read(history.auditor(), &history.sealed()).passed());
    check(&history, "less than the policy asks", |forger| {
        let (place, created) = created(forger, history.request("one"));
        created.requirement = Some(of_ops(1, Assurance::A3, &["two"]));
        (Rule::Requirement, place)
    });
    check(&history, "the engine is left out", |forger| {
        let (place, created) = created(forger, history.request("one"));
        created.policy.engines.clear();
        (Rule::Requirement, place)
    });
    for said in [Ok(Opinion::Deny(Vec::new())), Err(EngineError::new("away"))] {
        let history = beside(said).await;
        assert!(read(history.auditor(), &history.sealed()).passed());
        check(&history, "its no is gone", |forger| {
            let place = forger.at(history.request("one"), "request.denied", 0);
            forger.records.remove(place);
            (Rule::Denial, place - 1)
        });
        check(&history, "people are asked all the same", |forger| {
            let (place, created) = created(forger, history.request("one"));
            created.requirement = Some(of_ops(2, Assurance::A3, &["two"]));
            (Rule::Requirement, place)
        });
    }
    let history = beside(Ok(Opinion::NoObjection)).await;
    assert!(read(history.auditor(), &history.sealed()).passed());
}
