//! Threats 28, 43, 44 and 45 for engines beside the policy: whatever one does, it can only tighten.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::clock::Timestamp;
use approvals_core::id::EngineName;
use approvals_core::lifecycle::Event;
use approvals_core::policy::{Answer, EngineError, Judged, Opinion, PolicyEngine};
use approvals_core::{
    Agent, Assurance, Code, Gate, PolicyDigest, Proposal, RequestId, Requirement, Status, Vote,
};
use async_trait::async_trait;

use support::disk::Disk;
use support::house::{House, policy};
use support::people::vote;
use support::{Effects, bot, count, drop_table, events, hasty, kinds, records, verify};

/// An engine that answers as it is told, call by call; the last answer stays.
#[derive(Debug, Clone)]
struct Told {
    name: EngineName,
    text: &'static str,
    answers: Arc<Mutex<Vec<Says>>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Says {
    Nothing,
    Ask(&'static str, u8),
    Deny,
    Fail,
    Hang,
    Panic,
    /// Sees to it that one call takes this long.
    Slow(Duration),
}

impl Told {
    fn new(name: &str, answers: &[Says]) -> Self {
        let mut answers = answers.to_vec();
        answers.reverse();
        Self {
            name: name.parse().unwrap(),
            text: "as it was",
            answers: Arc::new(Mutex::new(answers)),
        }
    }

    fn other_text(mut self) -> Self {
        self.text = "another";
        self
    }

    fn wanted(&self) -> String {
        let digest = self.digest();
        format!(
            "[[engine]]\nname = \"{}\"\ndigest = \"{digest}\"\n",
            self.name
        )
    }
}

#[async_trait]
impl PolicyEngine for Told {
    fn name(&self) -> &EngineName {
        &self.name
    }

    fn digest(&self) -> PolicyDigest {
        PolicyDigest::of(self.text.as_bytes())
    }

    async fn judge(&self, proposal: &Proposal, _: Timestamp) -> Result<Opinion, EngineError> {
        assert_eq!(proposal.action.scope.as_str(), "db.drop");
        let says = {
            let mut answers = self.answers.lock().unwrap();
            let last = *answers.last().unwrap();
            if answers.len() > 1 {
                answers.pop();
            }
            last
        };
        match says {
            Says::Nothing => Ok(Opinion::NoObjection),
            Says::Ask(group, n) => Ok(Opinion::Require(requirement(group, n))),
            Says::Deny => Ok(Opinion::Deny(vec!["no".parse().unwrap()])),
            Says::Fail => Err(EngineError::new("the engine is away")),
            Says::Hang => std::future::pending().await,
            Says::Panic => panic!("the engine panics"),
            Says::Slow(time) => {
                tokio::time::sleep(time).await;
                Ok(Opinion::NoObjection)
            }
        }
    }
}

fn requirement(group: &str, n: u8) -> Requirement {
    let quorum = approvals_core::policy::Quorum::new(
        group.parse().unwrap(),
        n.try_into().unwrap(),
        Assurance::A1,
    );
    let hour = Duration::from_secs(3_600);
    Requirement::new(vec![quorum], hour, hour, vec!["more".parse().unwrap()]).unwrap()
}

const AUTO: &str = "[[rule]]\nid = \"auto\"\nscope = \"db.drop\"\neffect = \"auto\"\n";
const DENY: &str = "[[rule]]\nid = \"never\"\nscope = \"db.drop\"\neffect = \"deny\"\n";

async fn go(gate: &Gate, agent: Agent, effects: &Effects) -> Result<usize, Code> {
    let call = drop_table(effects.clone(), "users".to_owned());
    let call = tokio::time::timeout(Duration::from_secs(86_400), gate.enter(agent, call));
    let answer = call.await.expect("a call ends");
    answer.map_err(|error| error.code())
}

/// What the record of the one request says of the engines that judged it.
async fn judged(gate: &Gate) -> (RequestId, Vec<Judged>) {
    let all = records(gate).await;
    let mut created = all
        .iter()
        .filter(|record| record.kind() == "request.created");
    let request = created.next().expect("a request").request().unwrap();
    assert!(created.next().is_none(), "one request");
    let state = gate.journal().state(request).await.unwrap().unwrap();
    (request, state.policy().engines.clone())
}

#[tokio::test(start_paused = true)]
async fn threat_28_an_engine_that_does_not_answer_denies() {
    for (said, why) in [
        (Says::Fail, "the engine is away"),
        (Says::Hang, "it did not answer in time"),
        (Says::Panic, "it panicked"),
        (
            Says::Slow(Duration::from_secs(11)),
            "it did not answer in time",
        ),
    ] {
        for rules in ["", AUTO, DENY] {
            let house = House::new()
                .rules(rules)
                .engine(Told::new("judge", &[said]));
            let (gate, channel) = house.clone().approving(&["u_1"]).await;
            let effects = Effects::default();
            let call = gate.enter(bot(), drop_table(effects.clone(), "users".to_owned()));
            let error = call.await.unwrap_err();
            assert_eq!(error.code(), Code::PolicyDenied, "{said:?}: {error}");
            assert!(error.to_string().contains(why), "{said:?}: {error}");
            assert_eq!(effects.count(), 0, "{said:?}");
            let (request, engines) = judged(&gate).await;
            assert_eq!(
                kinds(&gate, request).await,
                ["request.created", "request.denied"]
            );
            let answers: Vec<Answer> = engines.iter().map(|judged| judged.answer).collect();
            assert_eq!(answers, [Answer::Failed], "{said:?}");
            assert!(verify(&gate, house.key()).await.passed());
            drop(channel);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn threat_28_slow_engines_share_one_patience() {
    let slow = |name: &str| Told::new(name, &[Says::Slow(Duration::from_secs(6))]);
    let house = House::new().rules(AUTO).engine(slow("one"));
    let effects = Effects::default();
    assert_eq!(go(&house.open().await, bot(), &effects).await, Ok(1));
    let gate = House::new()
        .rules(AUTO)
        .engine(slow("one"))
        .engine(slow("two"))
        .open()
        .await;
    let before = tokio::time::Instant::now();
    assert_eq!(go(&gate, bot(), &effects).await, Err(Code::PolicyDenied));
    assert_eq!(before.elapsed(), Duration::from_secs(10));
    assert_eq!(effects.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn i1_the_strictest_of_policy_and_engines_holds() {
    use Says::{Ask, Deny, Nothing};
    for (rules, said, want) in [
        (AUTO, vec![Nothing], Ok(1)),
        (AUTO, vec![Nothing, Ask("ops", 1)], Err(Code::Pending)),
        (AUTO, vec![Nothing, Deny], Err(Code::PolicyDenied)),
        (AUTO, vec![Deny, Nothing], Err(Code::PolicyDenied)),
        ("", vec![Nothing], Err(Code::Pending)),
        ("", vec![Ask("ops", 1), Deny], Err(Code::PolicyDenied)),
        ("", vec![Says::Fail, Ask("ops", 1)], Err(Code::PolicyDenied)),
        (DENY, vec![Nothing, Nothing], Err(Code::PolicyDenied)),
        (DENY, vec![Ask("ops", 1)], Err(Code::PolicyDenied)),
    ] {
        let mut house = House::new().rules(rules);
        for (place, says) in said.iter().enumerate() {
            house = house.engine(Told::new(&format!("e{place}"), &[*says]));
        }
        let gate = house.open().await;
        let effects = Effects::default();
        assert_eq!(go(&gate, hasty(), &effects).await, want, "{rules} {said:?}");
        assert_eq!(effects.count(), usize::from(want.is_ok()));
        let (_, engines) = judged(&gate).await;
        assert_eq!(engines.len(), said.len(), "everybody is on record");
    }
}

#[tokio::test(start_paused = true)]
async fn i1_what_an_engine_asks_is_asked_beside_the_policy() {
    let engine = Told::new("judge", &[Says::Ask("ops", 2)]);
    let house = House::new().engine(engine.clone());
    let gate = house.open().await;
    let effects = Effects::default();
    assert_eq!(
        go(&gate, hasty().run("r"), &effects).await,
        Err(Code::Pending)
    );
    let (request, engines) = judged(&gate).await;
    let judged = &engines[0];
    assert_eq!(
        (judged.name.as_str(), judged.digest, judged.answer),
        ("judge", engine.digest(), Answer::Require)
    );
    assert_eq!(judged.rules, ["more".parse().unwrap()]);
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    assert_eq!(
        go(&gate, hasty().run("r"), &effects).await,
        Err(Code::Pending)
    );
    vote(&gate, "u_2", request, Vote::Approve).await.unwrap();
    assert_eq!(go(&gate, hasty().run("r"), &effects).await, Ok(1));
    assert!(verify(&gate, house.key()).await.passed());
}

/// Approved by one person; then the engine says this when the approval is about to be used.
async fn at_use(said: Says) -> (Result<usize, Code>, Gate, RequestId, Effects) {
    let engine = Told::new("judge", &[Says::Nothing]);
    let gate = House::new().engine(engine.clone()).open().await;
    let effects = Effects::default();
    assert_eq!(
        go(&gate, hasty().run("r"), &effects).await,
        Err(Code::Pending)
    );
    let (request, _) = judged(&gate).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    // From the end: what it says when the call comes again and attaches, and then before use.
    *engine.answers.lock().unwrap() = vec![said, Says::Nothing];
    (
        go(&gate, hasty().run("r"), &effects).await,
        gate,
        request,
        effects,
    )
}

#[tokio::test(start_paused = true)]
async fn threat_44_an_engine_is_asked_again_before_use() {
    for said in [
        Says::Fail,
        Says::Hang,
        Says::Panic,
        Says::Deny,
        Says::Ask("ops", 2),
    ] {
        let (answer, gate, request, effects) = at_use(said).await;
        let attached = events(&gate, request).await;
        let refused = attached.iter().any(|event| {
            matches!(event, Event::PermitRefused(refused) if refused.code == Code::PolicyChanged)
        });
        assert_eq!(
            (answer, refused),
            (Err(Code::PolicyChanged), true),
            "{said:?}"
        );
        assert_eq!(effects.count(), 0, "{said:?}");
        assert_eq!(gate.card(request).await.unwrap().status, Status::Cancelled);
    }
    for said in [Says::Nothing, Says::Ask("ops", 1)] {
        assert_eq!(at_use(said).await.0, Ok(1), "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn threat_44_an_automatic_approval_is_not_used_once_people_are_asked_for() {
    let engine = Told::new("judge", &[Says::Nothing, Says::Ask("ops", 1)]);
    let gate = House::new().rules(AUTO).engine(engine).open().await;
    let effects = Effects::default();
    assert_eq!(go(&gate, bot(), &effects).await, Err(Code::PolicyChanged));
    assert_eq!(effects.count(), 0);
    assert_eq!(count(&gate, "permit.consumed").await, 0);
}

#[tokio::test(start_paused = true)]
async fn threat_43_an_approval_is_not_used_where_its_engine_is_not() {
    let disk = Disk::new();
    let house = House::new().disk(&disk);
    let judging = house.clone().engine(Told::new("judge", &[Says::Nothing]));
    let effects = Effects::default();
    let gate = judging.open().await;
    assert_eq!(
        go(&gate, hasty().run("r"), &effects).await,
        Err(Code::Pending)
    );
    let (request, _) = judged(&gate).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    // The same approval in a process without the engine, or with one of another name.
    for house in [
        house.clone(),
        house.engine(Told::new("other", &[Says::Nothing])),
    ] {
        let gate = house.open().await;
        let answer = go(&gate, hasty().run("r"), &effects).await;
        // The first try ends the request, and the same run asks anew.
        assert!(
            [Err(Code::PolicyChanged), Err(Code::Pending)].contains(&answer),
            "{answer:?}"
        );
        assert_eq!(effects.count(), 0);
    }
    assert_eq!(count(&gate, "permit.consumed").await, 0);
}

#[tokio::test(start_paused = true)]
async fn threat_43_an_engine_that_the_policy_names_cannot_be_left_out() {
    let engine = Told::new("judge", &[Says::Nothing]);
    let wanted = policy(1, &format!("{}{AUTO}", engine.wanted()));
    let house = House::new().policy(wanted);
    for (engines, want, why) in [
        (vec![engine.clone()], Ok(1), ""),
        (vec![], Err(Code::PolicyDenied), "does not have it"),
        (
            vec![engine.clone().other_text()],
            Err(Code::PolicyDenied),
            "it judges by",
        ),
        (
            vec![Told::new("other", &[Says::Nothing])],
            Err(Code::PolicyDenied),
            "does not have it",
        ),
    ] {
        let mut house = house.clone().disk(&Disk::new());
        for engine in &engines {
            house = house.engine(engine.clone());
        }
        let gate = house.open().await;
        let effects = Effects::default();
        let answer = gate
            .enter(bot(), drop_table(effects.clone(), "users".to_owned()))
            .await;
        assert_eq!(
            answer.as_ref().map(|n| *n).map_err(|e| e.code()),
            want,
            "{engines:?}"
        );
        assert_eq!(effects.count(), usize::from(want.is_ok()));
        if let Err(error) = answer {
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_engines_of_one_name_do_not_open() {
    let twin = || Told::new("judge", &[Says::Nothing]);
    let house = House::new().engine(twin()).engine(twin());
    let error = house.try_open().await.unwrap_err();
    assert_eq!(error.code(), Code::Misuse, "{error}");
    assert!(house.disk.stored().is_empty(), "nothing began");
}
