//! Cedar in a gate: what it says is on record, and what it cannot judge does not run.

use std::time::Duration;

use approvals_core::ledger::LedgerKey;
use approvals_core::policy::{Answer, PolicyEngine};
use approvals_core::ports::Filter;
use approvals_core::testing::TokioClock;
use approvals_core::{
    Agent, ApprovalError, Code, ForgetfulStore, Gate, People, Policy, RequestId, requires_approval,
};

use crate::support::{SCHEMA, SIX, groups, load};

const PEOPLE: &str = include_str!("../../policies/people.toml");

/// Lets everything of two scopes through by itself, but for what Cedar says.
const AUTO: &str = "version = 1\ndefault = { require = [{ group = \"oncall\" }] }\n\
    [[rule]]\nid = \"scale\"\nscope = \"k8s.scale\"\neffect = \"auto\"\n\
    [[rule]]\nid = \"query\"\nscope = \"db.query\"\neffect = \"auto\"\n";

#[requires_approval(scope = "k8s.scale", environment = "staging")]
async fn scale(replicas: u64) -> Result<u64, ApprovalError> {
    Ok(replicas)
}

#[requires_approval(scope = "db.query", environment = "staging")]
async fn query(table: Option<String>, readonly: bool) -> Result<bool, ApprovalError> {
    Ok(table.is_some() && readonly)
}

async fn gate(policy: &str) -> Gate {
    let engine = load(SIX, SCHEMA).unwrap();
    Gate::builder()
        .policy(Policy::parse(policy, &groups(), &[]).unwrap())
        .policy_engine(engine)
        .people(People::parse(PEOPLE).unwrap())
        .store(ForgetfulStore::new())
        .ledger_key(
            LedgerKey::generate().unwrap(),
            &"test.invalid/cedar".parse().unwrap(),
        )
        .clock(TokioClock::default())
        .open()
        .await
        .unwrap()
}

fn bot() -> Agent {
    Agent::new("bot")
        .on_behalf_of("u_alice")
        .wait(Duration::from_millis(1))
}

/// What Cedar answered, as it is on record.
async fn judged(gate: &Gate, request: RequestId) -> (Answer, Vec<String>) {
    let state = gate.journal().state(request).await.unwrap().unwrap();
    let judged = &state.policy().engines[0];
    assert_eq!(judged.digest, load(SIX, SCHEMA).unwrap().digest());
    let rules = judged.rules.iter().map(ToString::to_string).collect();
    (judged.answer, rules)
}

#[tokio::test(start_paused = true)]
async fn threat_45_what_cedar_cannot_judge_does_not_run() {
    let gate = gate(AUTO).await;
    for (call, why) in [
        (
            gate.enter(bot(), query(None, true)).await.map(|_| ()),
            "`args.table` is null",
        ),
        (
            gate.enter(bot(), scale(u64::MAX)).await.map(|_| ()),
            "`args.replicas` is a number beyond 2^63 - 1",
        ),
    ] {
        let error = call.unwrap_err();
        assert_eq!(error.code(), Code::PolicyDenied, "{error}");
        assert!(error.to_string().contains(why), "{error}");
        let (answer, _) = judged(&gate, error.request().unwrap()).await;
        assert_eq!(answer, Answer::Failed);
    }
}

#[tokio::test(start_paused = true)]
async fn people_are_asked_whom_cedar_names() {
    let gate = gate(AUTO).await;
    let metrics = || query(Some("metrics".to_owned()), true);
    assert!(gate.enter(bot(), metrics()).await.unwrap());
    let only = gate.list(Filter::all()).await.unwrap().remove(0).id;
    assert_eq!(judged(&gate, only).await.0, Answer::NoObjection);
    let error = gate.enter(bot(), scale(40)).await.unwrap_err();
    assert_eq!(error.code(), Code::Pending);
    let request = error.request().unwrap();
    let (answer, rules) = judged(&gate, request).await;
    assert_eq!(
        (answer, rules.as_slice()),
        (Answer::Require, ["big-scale".to_owned()].as_slice())
    );
    let needs: Vec<(String, u8)> = gate
        .card(request)
        .await
        .unwrap()
        .progress
        .iter()
        .map(|of| (of.group.to_string(), of.need))
        .collect();
    assert_eq!(needs, [("sre".to_owned(), 2)]);
}

#[tokio::test(start_paused = true)]
async fn threat_43_other_texts_than_the_policy_names_let_nothing_run() {
    let digest = load(SIX, SCHEMA).unwrap().digest().to_string();
    let wanting =
        |digest: &str| format!("{AUTO}[[engine]]\nname = \"cedar\"\ndigest = \"{digest}\"\n");
    let metrics = || query(Some("metrics".to_owned()), true);
    let right = gate(&wanting(&digest)).await;
    assert!(right.enter(bot(), metrics()).await.is_ok());
    let other = load(&format!("{SIX}\n// changed"), SCHEMA)
        .unwrap()
        .digest()
        .to_string();
    let wrong = gate(&wanting(&other)).await;
    let error = wrong.enter(bot(), metrics()).await.unwrap_err();
    assert_eq!(error.code(), Code::PolicyDenied);
    assert!(error.to_string().contains("it judges by"), "{error}");
}
