//! Guarded functions whose gate is in another process: the real server on loopback, and all the ways
//! in which it and the way to it can fail.

mod support;

use std::time::Duration;

use approvals_core::{
    Action, Agent, ApprovalError, Approved, Code, RequestId, Status, Vote, approve,
    requires_approval,
};
use approvals_remote::RemoteGate;

use support::house::House;
use support::people::vote;
use support::served::{OTHER, Served, call, lost, while_waiting};
use support::{Effects, bot, drop_table, hasty, kinds, verify};

#[requires_approval(
    scope = "db.export",
    reason = "export {table}",
    resource = "postgres/{table}",
    redact(token),
    skip(effects)
)]
async fn export(
    effects: Effects,
    table: String,
    rows: u64,
    share: f64,
    token: String,
) -> Result<usize, ApprovalError> {
    assert_eq!(token.len(), SECRET.len());
    Ok(effects.happen())
}

const SECRET: &str = "s3cr3t-canary-in-no-place";

#[derive(Action)]
#[action(scope = "db.drop", reason = "drop {table}")]
struct DropTable {
    table: String,
}

#[requires_approval(scope = "db.drop", skip(effects))]
fn drop_now(effects: &Effects, table: &str) -> Result<usize, ApprovalError> {
    Ok(effects.happen())
}

async fn status(served: &Served, request: RequestId) -> Status {
    served.gate.card(request).await.unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_call_runs_once_and_its_log_verifies() {
    let served = Served::open(House::new().environment("prod")).await;
    let (remote, effects) = (served.remote(), Effects::default());
    let agent = bot()
        .model("model-x")
        .software("agent/1")
        .run("r1")
        .rationale("the auditors asked \u{202e}\r\n");
    let (gate, happening) = (remote.clone(), effects.clone());
    let done = while_waiting(
        async move {
            let work = export(happening, "users".into(), u64::MAX, 1.0, SECRET.into());
            gate.enter(agent, work).await
        },
        async {
            let request = served.waiting().await;
            let card = served.gate.card(request).await.unwrap();
            let text = card.to_text();
            for part in [
                "export users",
                "postgres/users",
                "18446744073709551615",
                "1.0",
                "prod",
                "model-x",
                "[redacted]",
                "effects",
            ] {
                assert!(text.contains(part), "{part}\n{text}");
            }
            assert!(!text.contains(SECRET), "{text}");
            let names: Vec<_> = card.params.iter().map(|fact| fact.name.as_str()).collect();
            assert_eq!(names, ["table", "rows", "share", "token"]);
            vote(&served.gate, "u_1", request, Vote::Approve)
                .await
                .unwrap();
        },
    );
    assert_eq!(done.await.unwrap(), 1);
    for seen in served.between.seen() {
        assert!(
            !String::from_utf8_lossy(&seen.body).contains(SECRET),
            "{seen:?}"
        );
    }
    let looked = served.gate.list(approvals_core::ports::Filter::all()).await;
    let kinds = kinds(&served.gate, looked.unwrap()[0].id).await;
    assert!(
        kinds.ends_with(&["permit.consumed".to_owned(), "outcome.succeeded".to_owned()]),
        "{kinds:?}"
    );
    assert!(verify(&served.gate, served.key()).await.passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_no_comes_with_its_code_and_nothing_runs() {
    let rules = r#"
[[rule]]
id = "soon"
scope = "db.export"
require = [{ group = "ops", n = 1 }]
ttl = "1s"
"#;
    let served = Served::open(House::new().rules(rules)).await;
    let (remote, effects) = (served.remote(), Effects::default());
    // A person says no.
    let denied = while_waiting(call(&remote, bot(), &effects), async {
        let card = served.gate.card(served.waiting().await).await.unwrap();
        let review = support::people::review(
            support::people::account("test", "", "u_1"),
            &card,
            Vote::Deny,
        );
        let review = review.because("not on a Friday").unwrap();
        served.gate.review(review).await.unwrap();
    });
    let denied = denied.await.unwrap_err();
    assert_eq!(denied.code(), Code::Denied);
    assert_eq!(denied.reason(), Some("not on a Friday"));
    assert_eq!(denied.person().map(|person| person.as_str()), Some("u_1"));
    // Nobody answers in time.
    let late = export(effects.clone(), "users".into(), 1, 0.5, SECRET.into());
    let late = remote.enter(bot(), late).await.unwrap_err();
    assert_eq!(late.code(), Code::Expired, "{late}");
    // Somebody withdraws it.
    let cancelled = while_waiting(call(&remote, bot(), &effects), async {
        served.gate.cancel(served.waiting().await).await.unwrap();
    });
    assert_eq!(cancelled.await.unwrap_err().code(), Code::Cancelled);
    // The caller does not wait, and the request stays.
    let pending = call(&remote, hasty(), &effects).await.unwrap_err();
    assert_eq!(pending.code(), Code::Pending);
    remote.flush().await;
    assert_eq!(
        status(&served, pending.request().unwrap()).await,
        Status::Pending
    );
    // Not with this token, nor in somebody else's name, nor on behalf of somebody else.
    for (gate, agent) in [
        (served.remote_as("apr_wrong_0123456789"), bot()),
        (served.remote_as(OTHER), bot()),
        (remote.clone(), Agent::new("bot").on_behalf_of("u_bob")),
        (remote.clone(), Agent::new("bot")),
    ] {
        let refused = call(&gate, agent, &effects).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    }
    assert_eq!(effects.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_forbids_is_told_as_such() {
    let rules = "[[rule]]\nid = \"never\"\nscope = \"db.drop\"\neffect = \"deny\"\n";
    let served = Served::open(House::new().rules(rules)).await;
    let effects = Effects::default();
    let refused = call(&served.remote(), bot(), &effects).await.unwrap_err();
    assert_eq!(refused.code(), Code::PolicyDenied, "{refused}");
    assert_eq!(effects.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn typed_actions_and_sync_functions_run_unchanged() {
    let rules = "[[rule]]\nid = \"go\"\nscope = \"db.drop\"\neffect = \"auto\"\n";
    let served = Served::open(House::new().rules(rules)).await;
    let (remote, effects) = (served.remote(), Effects::default());
    let typed = remote.enter(bot(), async {
        let approved: Approved<DropTable> = approve(DropTable {
            table: "old".into(),
        })
        .await?;
        approved
            .run(|DropTable { table }| async move { Ok::<_, ApprovalError>(table.len()) })
            .await
    });
    assert_eq!(typed.await.unwrap(), 3);
    let happening = effects.clone();
    let gate = remote.clone();
    let sync =
        std::thread::spawn(move || gate.enter_blocking(bot(), || drop_now(&happening, "users")));
    let sync = tokio::task::spawn_blocking(move || sync.join().unwrap());
    assert_eq!(sync.await.unwrap().unwrap(), 1);
    let inside = remote.enter_blocking(bot(), || drop_now(&effects, "users"));
    assert_eq!(inside.unwrap(), 2);
    assert!(verify(&served.gate, served.key()).await.passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_are_two_people() {
    let rules =
        "[[rule]]\nid = \"two\"\nscope = \"db.drop\"\nrequire = [{ group = \"ops\", n = 2 }]\n";
    let served = Served::open(House::new().rules(rules)).await;
    let effects = Effects::default();
    let done = while_waiting(call(&served.remote(), bot(), &effects), async {
        let request = served.decide("u_1", Vote::Approve).await;
        assert_eq!(effects.count(), 0);
        vote(&served.gate, "u_2", request, Vote::Approve)
            .await
            .unwrap();
    });
    assert_eq!(done.await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_away_withdraws_and_whoever_detaches_comes_back() {
    let served = Served::open(House::new()).await;
    let (remote, effects) = (served.remote(), Effects::default());
    let waiting = tokio::spawn(call(&remote, bot(), &effects));
    let request = served.waiting().await;
    waiting.abort();
    let _ = waiting.await;
    remote.flush().await;
    assert_eq!(status(&served, request).await, Status::Cancelled);
    // Detached, it stays; another process finds it by its key, and nothing is asked twice.
    let named = || bot().idempotency_key("call-7");
    let (gate, happening) = (remote.clone(), effects.clone());
    let waiting = tokio::spawn(async move {
        let work = drop_table(happening, "users".into());
        gate.detach(named(), work).await
    });
    let request = served.waiting().await;
    waiting.abort();
    let _ = waiting.await;
    remote.flush().await;
    assert_eq!(status(&served, request).await, Status::Pending);
    drop(remote);
    let again = served.remote();
    let words = named().rationale("once more, in other words");
    let done = while_waiting(call(&again, words, &effects), async {
        assert_eq!(served.decide("u_1", Vote::Approve).await, request);
    });
    assert_eq!(done.await.unwrap(), 1);
    // The same key for something else is refused, and the same call has been used.
    let other = again.enter(named(), drop_table(effects.clone(), "payments".into()));
    assert_eq!(other.await.unwrap_err().code(), Code::ActionMismatch);
    let used = call(&again, named(), &effects).await.unwrap_err();
    assert_eq!(used.code(), Code::AlreadyConsumed, "{used}");
    assert_eq!(effects.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_used_by_one_of_two_processes() {
    let served = Served::open(House::new()).await;
    let effects = Effects::default();
    let named = || bot().idempotency_key("call-8");
    let calls = [served.remote(), served.remote()].map(|gate| {
        tokio::spawn(async move {
            (
                gate.clone(),
                call(&gate, named(), &Effects::default()).await,
            )
        })
    });
    // Both wait for the one request.
    while served
        .between
        .seen()
        .iter()
        .filter(|seen| seen.is_look())
        .count()
        < 2
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    served.decide("u_1", Vote::Approve).await;
    let mut ran = 0;
    for waited in calls {
        match waited.await.unwrap().1 {
            Ok(_) => ran += 1,
            Err(error) => assert_eq!(error.code(), Code::AlreadyConsumed, "{error}"),
        }
    }
    assert_eq!((ran, effects.count()), (1, 0));
    assert!(verify(&served.gate, served.key()).await.passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_is_waited_out() {
    let served = Served::open(House::new()).await;
    let (remote, effects) = (served.remote(), Effects::default());
    let waiting = tokio::spawn(call(&remote, bot(), &effects));
    let request = served.waiting().await;
    let stopped = served.stop().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let served = stopped.start().await;
    assert_eq!(served.decide("u_1", Vote::Approve).await, request);
    assert_eq!(waiting.await.unwrap().unwrap(), 1);
    assert!(verify(&served.gate, served.key()).await.passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_are_asked_for_again_and_nothing_runs_twice() {
    let served = Served::open(House::new()).await;
    let effects = Effects::default();
    // The first answer to each kind of call is lost, after it has happened.
    let between = served.between.clone();
    served.between.lie(move |seen, _| {
        let same = |other: &support::served::Seen| {
            (other.is_ask(), other.is_use(), other.is_outcome())
                == (seen.is_ask(), seen.is_use(), seen.is_outcome())
        };
        let first = between.seen().into_iter().filter(same).count() == 1;
        first.then(lost)
    });
    let done = while_waiting(call(&served.remote(), bot(), &effects), async {
        served.decide("u_1", Vote::Approve).await;
    });
    assert_eq!(done.await.unwrap(), 1);
    let seen = served.between.seen();
    for kind in [support::served::Seen::is_ask, support::served::Seen::is_use] {
        let keys: Vec<_> = seen
            .iter()
            .filter(|seen| kind(seen))
            .map(|seen| seen.key.clone())
            .collect();
        assert_eq!(keys.len(), 2, "{keys:?}");
        assert_eq!(keys[0], keys[1]);
    }
    let rows = served
        .gate
        .list(approvals_core::ports::Filter::all())
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    let kinds = kinds(&served.gate, rows[0].id).await;
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| *kind == "permit.consumed")
            .count(),
        1
    );
    assert_eq!(kinds.last().unwrap(), "outcome.succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_whose_caller_went_away_before_its_answer_is_withdrawn() {
    let served = Served::open(House::new()).await;
    let (remote, effects) = (served.remote(), Effects::default());
    served.between.lie(|seen, _| seen.is_ask().then(lost));
    let waiting = tokio::spawn(call(&remote, bot(), &effects));
    let request = served.waiting().await;
    waiting.abort();
    let _ = waiting.await;
    served.between.be_honest();
    remote.flush().await;
    assert_eq!(status(&served, request).await, Status::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_end_cannot_be_told_is_said_to_be_in_doubt() {
    let served = Served::open(House::new()).await;
    let effects = Effects::default();
    served.between.lie(|seen, _| seen.is_outcome().then(lost));
    // The server is told, and its answer never comes: here that is not known.
    let told = while_waiting(call(&served.remote(), bot(), &effects), async {
        served.decide("u_1", Vote::Approve).await;
    });
    let error = told.await.unwrap_err();
    assert_eq!(error.code(), Code::StoreUnavailable, "{error}");
    assert!(error.message().contains("do not run it again"), "{error}");
    assert_eq!(effects.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_dropped_ends_as_unknown_and_one_that_fails_as_failed() {
    #[requires_approval(scope = "db.slow")]
    async fn slow() -> Result<(), ApprovalError> {
        std::future::pending().await
    }
    #[requires_approval(scope = "db.fail")]
    async fn fail() -> Result<(), ApprovalError> {
        Err(ApprovalError::new(Code::Misuse, "on purpose"))
    }
    let served = Served::open(House::new()).await;
    let remote = served.remote();
    let gate = remote.clone();
    let running = tokio::spawn(async move { gate.enter(bot(), slow()).await });
    let request = served.decide("u_1", Vote::Approve).await;
    while !kinds(&served.gate, request)
        .await
        .contains(&"permit.consumed".to_owned())
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    running.abort();
    let _ = running.await;
    remote.flush().await;
    assert_eq!(
        kinds(&served.gate, request).await.last().unwrap(),
        "outcome.unknown"
    );
    let gate = remote.clone();
    let failed = while_waiting(async move { gate.enter(bot(), fail()).await }, async {
        served.decide("u_1", Vote::Approve).await
    });
    assert_eq!(failed.await.unwrap_err().message(), "on purpose");
    let rows = served
        .gate
        .list(approvals_core::ports::Filter::all())
        .await
        .unwrap();
    assert_eq!(
        kinds(&served.gate, rows[0].id).await.last().unwrap(),
        "outcome.failed"
    );
    assert!(verify(&served.gate, served.key()).await.passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_a_no() {
    let token = approvals_remote::Token::new(OTHER).unwrap();
    let nowhere = "http://127.0.0.1:9".parse().unwrap();
    let gate = RemoteGate::builder(nowhere, token).patience(Duration::from_millis(400));
    let effects = Effects::default();
    let refused = call(&gate.open().unwrap(), bot(), &effects)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::StoreUnavailable, "{refused}");
    assert_eq!(effects.count(), 0);
}
