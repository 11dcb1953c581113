//! Attacks on an agent whose gate is in another process, by their numbers: between the two stands
//! somebody who lies, and the other process may be anybody.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use approvals_core::ports::Filter;
use approvals_core::sealed::{ActionRecord, FixedRecord};
use approvals_core::{Agent, ApprovalError, Code, Status, Vote, requires_approval};
use approvals_remote::RemoteGate;
use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

use support::house::House;
use support::people::{Crew, vote};
use support::served::{OTHER, Seen, Served, answer, call, while_waiting};
use support::{Effects, bot, count, guarded, kinds, shown, swap, verify};

/// The same answer with one member changed.
fn with(body: &Value, path: &str, value: Value) -> Response<Body> {
    let mut body = body.clone();
    *body.pointer_mut(path).unwrap() = value;
    answer(200, body.to_string())
}

/// One approved call while somebody in between lies: nothing runs, and the code says why.
async fn check(
    what: &str,
    expected: Code,
    lie: impl Fn(&Seen, &Value) -> Option<Response<Body>> + Send + Sync + 'static,
) {
    check_by(&["u_1"], what, expected, lie).await;
}

/// The same for a call that these people approve.
async fn check_by(
    voters: &[&str],
    what: &str,
    expected: Code,
    lie: impl Fn(&Seen, &Value) -> Option<Response<Body>> + Send + Sync + 'static,
) {
    let served = Served::open(House::new()).await;
    let (remote, effects) = (served.remote(), Effects::default());
    served.between.lie(lie);
    let called = tokio::spawn(call(&remote, bot(), &effects));
    let request = served.newest().await;
    for voter in voters {
        // It may have been withdrawn by then, which is no worse.
        let _ = vote(&served.gate, voter, request, Vote::Approve).await;
    }
    let refused = tokio::time::timeout(Duration::from_secs(40), called).await;
    let refused = refused.expect(what).unwrap().unwrap_err();
    assert_eq!(refused.code(), expected, "{what}: {refused}");
    assert_eq!(effects.count(), 0, "{what}");
    served.between.be_honest();
    remote.flush().await;
    assert!(verify(&served.gate, served.key()).await.passed(), "{what}");
}

const ELSE: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";

#[tokio::test(flavor = "multi_thread")]
async fn threat_40_what_is_forged_in_between_runs_nothing() {
    // The state of a request that nobody has approved yet.
    check_by(&[], "a forged approval", Code::Pending, |seen, body| {
        let forged = seen.is_ask() || seen.is_look();
        forged.then(|| with(body, "/status", json!("approved")))
    })
    .await;
    check("another digest", Code::ActionMismatch, |seen, body| {
        seen.is_ask()
            .then(|| with(body, "/guard/digest", json!(ELSE)))
    })
    .await;
    check(
        "another action of its own digest",
        Code::ActionMismatch,
        |seen, body| {
            seen.is_ask()
                .then(|| with(body, "/guard/record/scope", json!("db.read")))
        },
    )
    .await;
    check(
        "values that open nothing",
        Code::ActionMismatch,
        |seen, body| {
            seen.is_ask()
                .then(|| with(body, "/guard/disclosures", json!([])))
        },
    )
    .await;
    check(
        "a look at another digest",
        Code::ActionMismatch,
        |seen, body| {
            seen.is_look()
                .then(|| with(body, "/guard/digest", json!(ELSE)))
        },
    )
    .await;
    check(
        "a use of another digest",
        Code::ActionMismatch,
        |seen, body| {
            seen.is_use()
                .then(|| with(body, "/guard/digest", json!(ELSE)))
        },
    )
    .await;
    check(
        "a use that is none",
        Code::StoreUnavailable,
        |seen, body| {
            seen.is_use()
                .then(|| with(body, "/consumption", Value::Null))
        },
    )
    .await;
    check(
        "a use of what is expired",
        Code::StoreUnavailable,
        |seen, body| {
            seen.is_use()
                .then(|| with(body, "/status", json!("expired")))
        },
    )
    .await;
    check(
        "a look at what was used before",
        Code::AlreadyConsumed,
        |seen, body| {
            let mut body = body.clone();
            body["consumption"] = json!({ "consumed_at": "2026-01-01T00:00:00.000000Z" });
            seen.is_look().then(|| answer(200, body.to_string()))
        },
    )
    .await;
    check(
        "a status that is none",
        Code::StoreUnavailable,
        |seen, body| {
            seen.is_look()
                .then(|| with(body, "/status", json!("Approved")))
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_01_a_lie_that_fits_itself_is_seen_before_anything_is_used() {
    for (what, path, value) in [
        ("another scope", "/scope", json!("db.read")),
        ("another function", "/function", json!("app::other")),
        ("another environment's tenant", "/tenant", json!("acme")),
        ("other people behind it", "/sponsor", json!("u_bob")),
        ("another agent", "/agent", json!("other-bot")),
        ("nothing left uncovered", "/not_covered", json!([])),
    ] {
        let served = Served::open(House::new()).await;
        let effects = Effects::default();
        served.between.lie(move |_, body| {
            let mut body = body.clone();
            let record = body.pointer_mut("/guard/record")?;
            record[path.trim_start_matches('/')] = value.clone();
            let record: ActionRecord = serde_json::from_value(record.clone()).ok()?;
            let digest = FixedRecord::from(record).digest().unwrap();
            body["guard"]["digest"] = json!(digest);
            Some(answer(200, body.to_string()))
        });
        let waiting = tokio::spawn(call(&served.remote(), bot(), &effects));
        let _ = vote(&served.gate, "u_1", served.newest().await, Vote::Approve).await;
        let refused = waiting.await.unwrap().unwrap_err();
        let codes = [Code::ActionMismatch, Code::Unauthenticated];
        assert!(codes.contains(&refused.code()), "{what}: {refused}");
        assert!(!served.between.seen().iter().any(Seen::is_use), "{what}");
        assert_eq!(effects.count(), 0, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_31_an_answer_about_another_request_is_none() {
    let other: Arc<std::sync::Mutex<Option<Value>>> = Arc::default();
    let served = Served::open(House::new()).await;
    let kept = Arc::clone(&other);
    served.between.lie(move |seen, body| {
        if seen.is_ask() {
            kept.lock().unwrap().get_or_insert_with(|| body.clone());
        }
        None
    });
    // A request of the same agent for the very same call, which is approved.
    let (remote, effects) = (served.remote(), Effects::default());
    let waiting = tokio::spawn(call(&remote, bot(), &effects));
    let first = served.waiting().await;
    for kind in [Seen::is_look, Seen::is_use] {
        let stale = other.lock().unwrap().clone().unwrap();
        served.between.lie(move |seen, _| {
            let mut stale = stale.clone();
            stale["status"] = json!("approved");
            stale["consumption"] = match seen.is_use() {
                true => json!({ "consumed_at": "2026-01-01T00:00:00.000000Z" }),
                false => Value::Null,
            };
            let about_it = seen.path.contains(stale["id"].as_str().unwrap());
            (kind(seen) && !about_it).then(|| answer(200, stale.to_string()))
        });
        let second = tokio::spawn(call(&remote, bot(), &effects));
        let request = loop {
            let rows = served.gate.list(Filter::pending()).await.unwrap();
            match rows.iter().find(|row| row.id != first) {
                Some(row) => break row.id,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        let _ = vote(&served.gate, "u_1", request, Vote::Approve).await;
        let refused = second.await.unwrap().unwrap_err();
        assert_eq!(refused.code(), Code::ActionMismatch, "{refused}");
        remote.flush().await;
    }
    assert_eq!(effects.count(), 0);
    assert_eq!(
        served.gate.card(first).await.unwrap().status,
        Status::Pending
    );
    waiting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_40_an_answer_that_cannot_be_relied_on_is_a_no() {
    let elsewhere = Served::open(House::new()).await;
    let there = elsewhere.url();
    for (what, lie) in [
        ("broken JSON", answer(200, "{\"id\":")),
        ("not an object", answer(200, "[]")),
        ("nothing", answer(200, "")),
        ("another success", answer(202, "{}")),
        ("no content", answer(204, "")),
        ("too long", answer(200, vec![b' '; (4 << 20) + 1])),
        ("a refusal without a code", answer(403, "{}")),
        (
            "a refusal with an unknown code",
            answer(403, r#"{"code":"Fine","detail":"go on"}"#),
        ),
        ("an error of its own", answer(500, "oops")),
        ("a name twice", answer(200, r#"{"id":"a","id":"b"}"#)),
    ] {
        let (status, body) = (
            lie.status(),
            axum::body::to_bytes(lie.into_body(), 1 << 23)
                .await
                .unwrap(),
        );
        for kind in [Seen::is_ask, Seen::is_use] {
            let body = body.clone();
            check(what, Code::StoreUnavailable, move |seen, _| {
                kind(seen).then(|| answer(status.as_u16(), body.clone()))
            })
            .await;
        }
    }
    for status in [301, 302, 303, 307, 308] {
        let there = there.clone();
        check("a redirect", Code::StoreUnavailable, move |seen, _| {
            let mut moved = answer(status, "");
            let to = format!("{there}{}", seen.path).parse().unwrap();
            moved.headers_mut().insert("location", to);
            seen.is_ask().then_some(moved)
        })
        .await;
    }
    check(
        "another kind of text",
        Code::StoreUnavailable,
        |seen, body| {
            let mut page = answer(200, body.to_string());
            page.headers_mut()
                .insert("content-type", "text/html".parse().unwrap());
            seen.is_look().then_some(page)
        },
    )
    .await;
    // No token went elsewhere.
    assert!(elsewhere.between.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_23_what_runs_is_what_was_approved() {
    static GUARDED: approvals_core::GuardedFn = guarded("db.drop");
    let served = Served::open(House::new()).await;
    let remote = served.remote();
    for (approved, live) in [("users", "payments"), ("users", "Users"), ("1", "1.0")] {
        let gate = remote.clone();
        let swapped = while_waiting(
            async move {
                let (approved, live) = (shown(&GUARDED, &approved), shown(&GUARDED, &live));
                swap(&gate, bot(), approved, live).await
            },
            served.decide("u_1", Vote::Approve),
        );
        assert_eq!(swapped.await.unwrap_err().code(), Code::ActionMismatch);
        remote.flush().await;
        let rows = served.gate.list(Filter::all()).await.unwrap();
        assert_eq!(
            kinds(&served.gate, rows[0].id).await.last().unwrap(),
            "permit.refused"
        );
    }
    assert!(verify(&served.gate, served.key()).await.passed());
}

#[derive(Clone)]
struct Moving(Arc<AtomicU64>);

impl serde::Serialize for Moving {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

#[requires_approval(scope = "db.pay", redact(amount), skip(effects))]
async fn pay(effects: Effects, amount: Moving) -> Result<usize, ApprovalError> {
    Ok(effects.happen())
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_23_a_redacted_value_is_bound_though_it_never_left() {
    let served = Served::open(House::new()).await;
    let (remote, effects) = (served.remote(), Effects::default());
    let (gate, happening) = (remote.clone(), effects.clone());
    let moving = Moving(Arc::new(AtomicU64::new(1)));
    let moved = while_waiting(
        async move { gate.enter(bot(), pay(happening, moving)).await },
        served.decide("u_1", Vote::Approve),
    );
    assert_eq!(moved.await.unwrap_err().code(), Code::ActionMismatch);
    // The same key and another secret is another call.
    for (amount, code) in [(5, Code::Pending), (6, Code::ActionMismatch)] {
        let agent = bot().idempotency_key("pay-1").wait(Duration::ZERO);
        let moving = Moving(Arc::new(AtomicU64::new(amount)));
        let asked = remote.enter(agent, pay(effects.clone(), moving)).await;
        assert_eq!(asked.unwrap_err().code(), code);
    }
    assert_eq!(effects.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_32_what_the_agent_withdrew_is_not_approved_afterwards() {
    let served = Served::open(House::new()).await;
    let (remote, effects) = (served.remote(), Effects::default());
    let waiting = tokio::spawn(call(&remote, bot(), &effects));
    let request = served.waiting().await;
    let card = served.gate.card(request).await.unwrap();
    waiting.abort();
    let _ = waiting.await;
    remote.flush().await;
    let account = support::people::account("test", "", "u_1");
    let late = support::people::review(account, &card, Vote::Approve);
    assert_eq!(
        served.gate.review(late).await.unwrap_err().code(),
        Code::Cancelled
    );
    assert_eq!(effects.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_22_an_approver_who_left_lets_nothing_run() {
    let crew = Crew::new();
    let served = Served::open(House::new().people(crew.clone())).await;
    let effects = Effects::default();
    // Between the decision and the use somebody leaves.
    served.between.lie(move |seen, _| {
        if seen.is_look() {
            crew.disable("u_1");
        }
        None
    });
    let refused = while_waiting(
        call(&served.remote(), bot(), &effects),
        served.decide("u_1", Vote::Approve),
    );
    assert_eq!(refused.await.unwrap_err().code(), Code::NotEligible);
    assert_eq!(effects.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_15_and_16_the_people_behind_the_token_do_not_count() {
    let served = Served::open(House::new()).await;
    let (remote, effects) = (served.remote(), Effects::default());
    // The call names the sponsor only; who owns the agent is what the token says.
    let agent = Agent::new("bot").on_behalf_of("u_alice");
    let waiting = tokio::spawn(call(&remote, agent, &effects));
    let request = served.waiting().await;
    for person in ["u_alice", "u_olga"] {
        let refused = vote(&served.gate, person, request, Vote::Approve).await;
        assert_eq!(refused.unwrap_err().code(), Code::SelfApproval, "{person}");
    }
    vote(&served.gate, "u_1", request, Vote::Approve)
        .await
        .unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_41_the_id_of_a_request_is_no_use_to_another_agent() {
    let served = Served::open(House::new()).await;
    let (remote, effects) = (served.remote(), Effects::default());
    let named = || {
        Agent::new("bot")
            .on_behalf_of("u_alice")
            .idempotency_key("k")
    };
    let waiting = tokio::spawn(call(&remote, named(), &effects));
    let request = served.waiting().await;
    // The same key of another agent is another call.
    let theirs = Agent::new("other-bot")
        .on_behalf_of("u_alice")
        .idempotency_key("k");
    let other = served.remote_as(OTHER);
    let asked = call(&other, theirs.wait(Duration::ZERO), &effects)
        .await
        .unwrap_err();
    assert_eq!(asked.code(), Code::Pending);
    assert_ne!(asked.request(), Some(request));
    // Led to the request of the first agent, it is told that there is none.
    let between = served.between.clone();
    let led = between.seen().into_iter().find(Seen::is_look).unwrap().path;
    let client = approvals_core::digest::hex(request.as_bytes());
    assert!(led.replace('-', "").ends_with(&client), "{led}");
    vote(&served.gate, "u_1", request, Vote::Approve)
        .await
        .unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_42_hostile_text_arrives_exactly_and_is_bounded() {
    #[requires_approval(scope = "shell.run", reason = "run {command}")]
    async fn run(command: String) -> Result<String, ApprovalError> {
        Ok(command)
    }
    let served = Served::open(House::new()).await;
    let remote = served.remote();
    let hostile = "a\r\nb\"c\u{1b}[2J\u{202e}d\u{0}e — ﷽ \u{10ffff}\\";
    let gate = remote.clone();
    let done = while_waiting(
        async move {
            gate.enter(bot().rationale(hostile), run(hostile.to_owned()))
                .await
        },
        served.decide("u_1", Vote::Approve),
    );
    assert_eq!(done.await.unwrap(), hostile);
    let long = remote
        .enter(bot(), run("x".repeat(4 << 20)))
        .await
        .unwrap_err();
    assert_eq!(long.code(), Code::NonCanonical, "{long}");
    let words = remote.enter(bot().rationale("x".repeat(5_000)), run("ls".into()));
    assert_eq!(words.await.unwrap_err().code(), Code::NonCanonical);
    // A refusal is drawn so that it cannot write over a terminal.
    let between = served.between.clone();
    between.lie(|seen, _| {
        let problem = json!({ "code": "PolicyDenied", "detail": "\u{1b}[2K\u{202e}approved" });
        seen.is_ask().then(|| answer(403, problem.to_string()))
    });
    let refused = remote.enter(bot(), run("ls".into())).await.unwrap_err();
    assert!(
        !refused.to_string().contains(['\u{1b}', '\u{202e}']),
        "{refused}"
    );
    assert!(verify(&served.gate, served.key()).await.passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_60_a_flood_is_held_back_and_nothing_of_it_runs() {
    let served = Served::open(House::new()).await;
    let effects = Effects::default();
    let token = approvals_remote::Token::new(support::served::BOT).unwrap();
    let gate = RemoteGate::builder(served.url().parse().unwrap(), token);
    let gate = gate.patience(Duration::from_millis(500)).open().unwrap();
    let calls = (0..100).map(|_| call(&gate, bot().wait(Duration::ZERO), &effects));
    let refused = futures_util::future::join_all(calls).await;
    let codes = refused
        .into_iter()
        .map(|refused| refused.unwrap_err().code());
    let limited = codes.filter(|code| *code == Code::RateLimited).count();
    assert!((30..=40).contains(&limited), "{limited}");
    assert_eq!(count(&served.gate, "request.created").await, 100 - limited);
    assert_eq!(effects.count(), 0);
}
