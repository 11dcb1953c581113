//! Threats 15, 22, 43, 44, 47 and 48, where what is attacked is the policy: nobody replaces one alone that
//! says who must approve that, and what was in flight is judged by the new one.

mod support;

use std::time::Duration;

use approvals_core::ledger::Verdict;
use approvals_core::policy::POLICY_CHANGE;
use approvals_core::policy_change::Replaced;
use approvals_core::{
    Agent, ApprovalError, Code, Gate, Policy, RequestId, Status, Vote, requires_approval,
};

use support::house::{House, policy};
use support::people::{Crew, vote};
use support::{Effects, ask, bot, count, drop_table, hasty, kinds, records, verify};

const KEEPERS: &str = "change = { require = [{ group = \"ops\", n = 2 }], ttl = \"4h\" }\n";
const DENY: &str = "[[rule]]\nid = \"never\"\nscope = \"db.drop\"\neffect = \"deny\"\n";
const AUTO: &str = "[[rule]]\nid = \"auto\"\nscope = \"db.drop\"\neffect = \"auto\"\n";

fn text(version: u32, rules: &str) -> String {
    policy(version, &format!("{KEEPERS}{rules}"))
}

fn parsed(text: &str) -> Policy {
    Policy::parse(text, &Crew::groups().into(), &[]).unwrap()
}

async fn propose(gate: &Gate, agent: Agent, text: &str) -> Result<Replaced, ApprovalError> {
    gate.propose_policy(agent, parsed(text)).await
}

/// Proposes it and goes away.
async fn proposed(gate: &Gate, text: &str) -> RequestId {
    let error = propose(gate, hasty(), text).await.unwrap_err();
    assert_eq!(error.code(), Code::Pending, "{error}");
    error.request().unwrap()
}

async fn approved_by(gate: &Gate, request: RequestId, people: &[&str]) {
    for person in people {
        vote(gate, person, request, Vote::Approve).await.unwrap();
    }
}

async fn drops(gate: &Gate, agent: Agent, effects: &Effects) -> Result<usize, Code> {
    let call = drop_table(effects.clone(), "users".to_owned());
    gate.enter(agent, call).await.map_err(|error| error.code())
}

#[tokio::test(start_paused = true)]
async fn threat_43_a_policy_with_keepers_is_not_replaced_by_a_file() {
    let house = House::new().policy(text(1, DENY));
    let gate = house.open().await;
    let before = house.disk.stored().len();
    for other in [
        text(2, ""),
        text(2, DENY) + "# a comment\n",
        policy(2, AUTO),
        policy(9, DENY),
    ] {
        for refused in [
            house
                .clone()
                .policy(other.clone())
                .try_open()
                .await
                .map(drop),
            gate.reload(parsed(&other)).await,
        ] {
            let error = refused.unwrap_err();
            assert_eq!(error.code(), Code::PolicyInvalid, "{other}");
            assert!(
                error.message().contains("`approvals policy propose FILE`"),
                "{error}"
            );
        }
    }
    assert_eq!(house.disk.stored().len(), before, "the log is as it was");
    // The policy in force goes on, here and after a restart.
    assert_eq!(
        drops(&gate, bot(), &Effects::default()).await,
        Err(Code::PolicyDenied)
    );
    house.open().await;
    assert_eq!(count(&gate, "policy.loaded").await, 1);
}

#[tokio::test(start_paused = true)]
async fn threat_43_keepers_come_and_go_with_the_policy_in_force() {
    // Without keepers, a higher version is enough, and from then on there are some.
    let house = House::new().policy(policy(1, ""));
    let gate = house.open().await;
    let denied = propose(&gate, bot(), &text(2, "")).await.unwrap_err();
    assert_eq!(denied.code(), Code::PolicyDenied);
    assert!(denied.message().contains("add `change`"), "{denied}");
    gate.reload(parsed(&text(2, ""))).await.unwrap();
    let request = proposed(&gate, &policy(3, DENY)).await;
    approved_by(&gate, request, &["u_1", "u_2"]).await;
    let replaced = propose(&gate, bot(), &policy(3, DENY)).await.unwrap();
    assert_eq!((replaced.authority, replaced.new.version), (request, 3));
    // The new one has none: that, too, was approved by those of the old one.
    gate.reload(parsed(&policy(4, ""))).await.unwrap();
    let report = verify(&gate, house.key()).await;
    assert!(report.passed(), "{:?}", report.findings);
}

#[tokio::test(start_paused = true)]
async fn threat_43_two_approve_what_they_saw_and_it_is_recorded() {
    let house = House::new().policy(text(1, ""));
    let gate = house.open().await;
    let request = proposed(&gate, &text(2, DENY)).await;
    let card = gate.card(request).await.unwrap().to_text();
    for shown in [
        "+[[rule]]",
        "-version = 1",
        "+version = 2",
        "effect = \\\"deny\\\"",
    ] {
        assert!(card.contains(shown), "{shown} is not in {card}");
    }
    approved_by(&gate, request, &["u_1"]).await;
    let still = propose(&gate, hasty(), &text(2, DENY)).await.unwrap_err();
    assert_eq!(
        (still.code(), still.request()),
        (Code::Pending, Some(request))
    );
    approved_by(&gate, request, &["u_2"]).await;

    let replaced = propose(&gate, bot(), &text(2, DENY)).await.unwrap();
    assert_eq!(replaced.authority, request);
    let kinds: Vec<String> = records(&gate)
        .await
        .iter()
        .map(|record| record.kind().to_owned())
        .collect();
    let at = usize::try_from(replaced.record).unwrap();
    assert_eq!(kinds[at..=at + 1], ["policy.changed", "policy.loaded"]);
    assert_eq!(gate.policy().text(), text(2, DENY));
    assert_eq!(
        drops(&gate, bot(), &Effects::default()).await,
        Err(Code::PolicyDenied)
    );
    let report = verify(&gate, house.key()).await;
    assert!(report.passed(), "{:?}", report.findings);
    // A restart needs the new file.
    assert!(house.try_open().await.is_err());
    house.policy(text(2, DENY)).open().await;
}

#[tokio::test(start_paused = true)]
async fn threat_15_the_proposer_does_not_count() {
    let gate = House::new().policy(text(1, "")).open().await;
    let request = proposed(&gate, &text(2, "")).await;
    for person in ["u_alice", "u_olga"] {
        let error = vote(&gate, person, request, Vote::Approve)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::SelfApproval);
    }
    approved_by(&gate, request, &["u_1"]).await;
    let waits = propose(&gate, hasty(), &text(2, "")).await.unwrap_err();
    assert_eq!(waits.code(), Code::Pending);
    assert_eq!(gate.policy().version(), 1);
}

#[tokio::test(start_paused = true)]
async fn threat_22_who_may_no_longer_approve_replaces_nothing() {
    let crew = Crew::new();
    let gate = House::new()
        .policy(text(1, ""))
        .people(crew.clone())
        .open()
        .await;
    let request = proposed(&gate, &text(2, "")).await;
    approved_by(&gate, request, &["u_1", "u_2"]).await;
    crew.disable("u_2");
    let error = propose(&gate, bot(), &text(2, "")).await.unwrap_err();
    assert_eq!(error.code(), Code::NotEligible);
    assert_eq!(count(&gate, "policy.changed").await, 0);
    assert_eq!(gate.policy().version(), 1);
}

#[tokio::test(start_paused = true)]
async fn threat_43_an_approval_of_one_replacement_is_none_of_another() {
    let house = House::new().policy(text(1, ""));
    let gate = house.open().await;
    let one = proposed(&gate, &text(2, DENY)).await;
    let other = proposed(&gate, &text(2, AUTO)).await;
    assert_ne!(one, other);
    approved_by(&gate, one, &["u_1", "u_2"]).await;
    // What was not approved still waits.
    let error = propose(&gate, hasty(), &text(2, AUTO)).await.unwrap_err();
    assert_eq!(
        (error.code(), error.request()),
        (Code::Pending, Some(other))
    );
    approved_by(&gate, other, &["u_1", "u_2"]).await;
    propose(&gate, bot(), &text(2, DENY)).await.unwrap();
    // The policy that people saw it replace is gone.
    let error = propose(&gate, bot(), &text(2, AUTO)).await.unwrap_err();
    assert_eq!(error.code(), Code::PolicyInvalid);
    assert_eq!(count(&gate, "policy.changed").await, 1);
}

/// Another function of the same scope: what it asks for is not what the library asks.
#[requires_approval(scope = "approvals.policy.change")]
async fn looks_alike(old: String, new: String, diff: String) -> Result<(), ApprovalError> {
    drop((old, new, diff));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn threat_48_an_action_that_looks_alike_replaces_nothing() {
    let gate = House::new().policy(text(1, "")).open().await;
    let call = || looks_alike("a".to_owned(), "b".to_owned(), "c".to_owned());
    let error = gate.enter(hasty().run("r"), call()).await.unwrap_err();
    let request = error.request().unwrap();
    approved_by(&gate, request, &["u_1", "u_2"]).await;
    gate.enter(bot().run("r"), call()).await.unwrap();
    assert_eq!(count(&gate, "policy.changed").await, 0);
    assert_eq!(
        gate.reload(parsed(&text(2, ""))).await.unwrap_err().code(),
        Code::PolicyInvalid
    );
}

#[tokio::test(start_paused = true)]
async fn threat_47_no_rule_lets_a_replacement_through_by_itself() {
    let auto = format!("[[rule]]\nid = \"auto\"\nscope = \"{POLICY_CHANGE}\"\neffect = \"auto\"\n");
    let gate = House::new().policy(text(1, &auto)).open().await;
    let request = proposed(&gate, &text(2, "")).await;
    assert_eq!(gate.card(request).await.unwrap().status, Status::Pending);
    assert_eq!(kinds(&gate, request).await, ["request.created"]);
}

#[tokio::test(start_paused = true)]
async fn threat_43_a_downgrade_is_not_even_asked() {
    let gate = House::new().policy(text(3, "")).open().await;
    for version in [1, 2, 3] {
        let error = propose(&gate, bot(), &text(version, DENY))
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::PolicyInvalid, "version {version}");
    }
    assert_eq!(count(&gate, "request.created").await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_could_read_is_not_asked() {
    let gate = House::new().policy(text(1, "")).open().await;
    let long = format!("{}# {}\n", text(2, ""), "x".repeat(20_000));
    let error = propose(&gate, bot(), &long).await.unwrap_err();
    assert_eq!(error.code(), Code::Unrenderable);
    assert!(error.message().contains("smaller steps"), "{error}");
    assert_eq!(count(&gate, "request.created").await, 0);
}

#[tokio::test(start_paused = true)]
async fn threat_44_a_change_in_flight_is_judged_anew_and_only_tightens() {
    const TWO: &str =
        "[[rule]]\nid = \"two\"\nscope = \"db.drop\"\nrequire = [{ group = \"ops\", n = 2 }]\n";
    for (rules, given) in [
        ("", Ok(1)),
        (AUTO, Ok(1)),
        (TWO, Err(Code::PolicyChanged)),
        (DENY, Err(Code::PolicyChanged)),
    ] {
        let house = House::new().policy(policy(1, ""));
        let gate = house.open().await;
        let effects = Effects::default();
        let waiting = ask(&gate, bot().run("waiting"), &effects).await;
        let approved = ask(&gate, bot().run("approved"), &effects).await;
        vote(&gate, "u_1", approved, Vote::Approve).await.unwrap();
        gate.reload(parsed(&policy(2, rules))).await.unwrap();
        // What became free still waits for the people who were asked.
        assert_eq!(
            gate.card(waiting).await.unwrap().status,
            Status::Pending,
            "{rules}"
        );
        assert_eq!(
            drops(&gate, bot().run("approved"), &effects).await,
            given,
            "{rules}"
        );
        assert_eq!(effects.count(), usize::from(given.is_ok()), "{rules}");
        let report = verify(&gate, house.key()).await;
        assert!(report.passed(), "{rules}: {:?}", report.findings);
    }
}

#[tokio::test(start_paused = true)]
async fn threat_44_another_process_is_out_until_it_has_the_new_policy() {
    let house = House::new().policy(text(1, ""));
    let (gate, other) = (house.open().await, house.open().await);
    let request = proposed(&gate, &text(2, "")).await;
    approved_by(&gate, request, &["u_1", "u_2"]).await;
    propose(&gate, bot(), &text(2, "")).await.unwrap();
    let effects = Effects::default();
    assert_eq!(
        drops(&other, bot(), &effects).await,
        Err(Code::PolicyChanged)
    );
    // It cannot take a policy of its own choice, and can take the one on record.
    assert!(other.reload(parsed(&policy(3, AUTO))).await.is_err());
    assert_eq!(
        drops(&other, bot(), &effects).await,
        Err(Code::PolicyChanged)
    );
    other.reload(parsed(&text(2, ""))).await.unwrap();
    ask(&other, bot(), &effects).await;
    assert_eq!(count(&gate, "policy.loaded").await, 2);
    assert_eq!(effects.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn threat_44_reloading_ends_no_call_of_the_same_gate() {
    let house = House::new().policy(policy(1, AUTO));
    let gate = house.open().await;
    let effects = Effects::default();
    let mut calls = tokio::task::JoinSet::new();
    for version in 2..40 {
        let (calling, effects) = (gate.clone(), effects.clone());
        calls.spawn(async move { drops(&calling, bot(), &effects).await });
        let reloading = gate.clone();
        calls.spawn(async move {
            // Another one may have been faster: then this one is older.
            let reloaded = reloading.reload(parsed(&policy(version, AUTO))).await;
            reloaded.map_or_else(|error| Err(error.code()), |()| Ok(0))
        });
    }
    while let Some(done) = calls.join_next().await {
        let done = done.unwrap();
        assert!(done.is_ok() || done == Err(Code::PolicyInvalid), "{done:?}");
    }
    assert_eq!(effects.count(), 38);
    assert_eq!(verify(&gate, house.key()).await.authority, Verdict::Pass);
}

#[tokio::test(start_paused = true)]
async fn a_refused_policy_leaves_the_gate_as_it_was() {
    let house = House::new().policy(policy(2, AUTO));
    let gate = house.open().await;
    for older in [policy(1, ""), policy(2, "")] {
        gate.reload(parsed(&older)).await.unwrap_err();
        assert_eq!(drops(&gate, bot(), &Effects::default()).await, Ok(1));
        assert_eq!(gate.policy().text(), policy(2, AUTO));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(verify(&gate, house.key()).await.passed());
}
