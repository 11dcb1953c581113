//! Threat 42: whatever stands in a field, one record is one line and reads back as it was.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::action::{Binder, Bound, GuardedFn, bind};
use approvals_core::canonical::{Value, to_value};
use approvals_core::ledger::{AuditRecord, MAX_RECORD};
use approvals_core::lifecycle::{Created, Event};
use approvals_core::ports::{Delivery, Filter, Notice, Notifier, NotifyError};
use approvals_core::review::Evidence;
use approvals_core::sealed::Disclosure;
use approvals_core::{
    Agent, ApprovalError, Assurance, Code, Gate, RequestId, Review, Status, Vote,
};
use async_trait::async_trait;

use support::disk::Disk;
use support::house::House;
use support::people::{account, proven, review, vote};
use support::{Effects, ask, bot, drop_table, event, events, guarded, kinds, stored, swap, verify};

/// Texts that mean something to somebody who reads logs.
const HOSTILE: &[&str] = &[
    "x\r\n{\"kind\":\"permit.consumed\",\"seq\":0}\r\n",
    "x\n2026-01-01 INFO approved by the CISO",
    "\"},{\"kind\":\"request.approved\"",
    "\\\"\\",
    "\\u000a\\n",
    "\x1b[31mred\x1b[0m",
    "a\0b\x01c\x1fd\x7fe",
    "\u{85}\u{2028}\u{2029}",
    "\u{202e}dessap",
    "{}[]:,'`$(id)%s",
    "e\u{301} é 日本語 🦀",
    "",
];

static CALL: GuardedFn = guarded("log.call");

/// A call with this text wherever a guard can put one.
fn call(text: &str) -> Bound {
    bind(&CALL, |binder: &mut Binder<'_>| {
        binder.shown("value", text);
        binder.redacted("secret", text);
        binder.reason(format_args!("{text}"));
        binder.resource(format_args!("{text}"));
        binder.environment(format_args!("{text}"));
    })
}

/// An agent that says this text wherever it can say something.
fn agent(text: &str) -> Agent {
    bot()
        .software(text)
        .model(text)
        .provider(text)
        .run(text)
        .conversation(text)
        .tool_call(text)
        .tenant(text)
        .rationale(text)
        .idempotency_key(text)
}

/// A channel that fails with these words once, and then delivers to a place of this name.
#[derive(Debug, Clone)]
struct Wordy {
    text: String,
    calls: Arc<Mutex<usize>>,
}

impl Wordy {
    fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            calls: Arc::default(),
        }
    }
}

#[async_trait]
impl Notifier for Wordy {
    fn name(&self) -> &str {
        "wordy"
    }

    async fn notify(&self, _: &Notice) -> Result<Vec<Delivery>, NotifyError> {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        if *calls == 1 {
            return Err(NotifyError(self.text.clone()));
        }
        Ok(vec![Delivery::to(self.text.clone())])
    }
}

/// A reason is never empty, and not only blanks.
fn why(text: &str) -> &str {
    if text.trim().is_empty() {
        "no reason"
    } else {
        text
    }
}

/// A vote with this text in its evidence and its reason.
fn wordy_vote(card: &approvals_core::Card, text: &str) -> Review {
    let evidence = Evidence::new(text).with(text, text);
    let approver = proven(account("test", "", "u_1"), Assurance::A3, evidence);
    let review = Review::new(approver, card.request, card.digest, card.policy, Vote::Deny);
    review.because(why(text)).unwrap()
}

/// Asks, is refused, and is denied, with this text in every field there is.
async fn fill(gate: &Gate, text: &str) -> RequestId {
    let waits = agent(text).wait(Duration::from_secs(60));
    let error = swap(gate, waits, call(text), call(text)).await.unwrap_err();
    assert_eq!(error.code(), Code::Pending, "{text:?}: {error}");
    let request = error.request().unwrap();
    let card = gate.card(request).await.unwrap();
    let stranger = account("test", "\"\\{}\u{202e}", "\"}\\u000a");
    gate.review(review(stranger, &card, Vote::Approve))
        .await
        .unwrap_err();
    gate.review(wordy_vote(&card, text)).await.unwrap();
    let error = swap(gate, agent(text), call(text), call(text))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.reason()),
        (Code::Denied, Some(why(text)))
    );
    request
}

#[tokio::test(start_paused = true)]
async fn threat_42_one_record_is_one_line() {
    for text in HOSTILE {
        let house = House::new().channel(Wordy::new(text));
        let gate = house.open().await;
        let request = fill(&gate, text).await;
        let wanted = [
            "request.created",
            "notice.failed",
            "notice.sent",
            "review.refused",
            "review.recorded",
            "request.denied",
        ];
        let kinds = kinds(&gate, request).await;
        assert!(
            wanted
                .iter()
                .all(|kind| kinds.iter().any(|have| have == kind)),
            "{kinds:?}"
        );

        let all = stored(&gate).await;
        let lines: Vec<u8> = all
            .iter()
            .flat_map(|record| [&record.bytes[..], b"\n"].concat())
            .collect();
        let lines = String::from_utf8(lines).unwrap();
        assert_eq!(lines.split(['\n', '\r']).count(), all.len() + 1, "{text:?}");
        assert!(
            !lines
                .chars()
                .any(|c| c.is_ascii_control() && c != '\n' && c != '\x7f'),
            "{text:?}"
        );
        for (line, record) in lines.lines().zip(&all) {
            let read = AuditRecord::decode(line.as_bytes(), gate.journal().log()).unwrap();
            assert_eq!(read.seq, record.seq);
            assert_eq!(
                read.encode(gate.journal().log()).unwrap(),
                record.bytes,
                "{text:?}: byte for byte"
            );
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(json["kind"], read.kind(), "any JSON reader sees the same");
        }
        assert!(verify(&gate, house.key()).await.passed());
    }
}

#[tokio::test(start_paused = true)]
async fn threat_42_every_field_reads_back_as_it_was() {
    for text in HOSTILE {
        let gate = House::new().channel(Wordy::new(text)).open().await;
        let request = fill(&gate, text).await;
        let same = Some((*text).to_owned());
        let mut seen = 0;
        for event in events(&gate, request).await {
            match event {
                Event::Created(created) => {
                    let Created { action, .. } = *created;
                    let action = (*action).clone();
                    let claims = action.claims;
                    for said in [
                        claims.software,
                        claims.model,
                        claims.provider,
                        claims.run,
                        claims.conversation,
                        claims.tool_call,
                    ] {
                        assert_eq!(said, same);
                    }
                    assert_eq!(
                        (action.environment, action.tenant),
                        (same.clone(), same.clone())
                    );
                    seen += 1;
                }
                Event::Reviewed(review) => {
                    assert_eq!(review.evidence, Evidence::new(*text).with(*text, *text));
                    seen += 1;
                }
                Event::ReviewRefused(refused) => {
                    assert_eq!(refused.identity, "test:\"\\{}\u{202e}:\"}\\u000a");
                    seen += 1;
                }
                Event::Notice(notice) => {
                    assert_eq!(notice.error.or(notice.place), same);
                    seen += 1;
                }
                _ => {}
            }
        }
        assert!(seen >= 5, "{seen}");
        let card = gate.card(request).await.unwrap();
        assert_eq!(
            card.denial.as_ref().map(|words| words.raw()),
            Some(why(text))
        );
        for words in [&card.reason, &card.resource, &card.rationale] {
            assert_eq!(words.as_ref().map(|words| words.raw()), Some(*text));
        }
        let value = String::from_utf8(to_value(text).unwrap().to_bytes()).unwrap();
        assert_eq!(
            card.params[0].value.as_ref().map(|value| value.raw()),
            Some(value.as_str())
        );
    }
}

// 4 MB, anywhere.

const HUGE: usize = 4 << 20;

type Place = (
    &'static str,
    fn(Agent, String) -> Agent,
    fn(&mut Binder<'_>, &str),
);

/// Where an agent can put a text that is not a mere claim about itself.
const PLACES: &[Place] = &[
    (
        "value",
        |agent, _| agent,
        |binder, text| binder.shown("value", text),
    ),
    (
        "redacted value",
        |agent, _| agent,
        |binder, text| binder.redacted("secret", text),
    ),
    (
        "reason",
        |agent, _| agent,
        |binder, text| binder.reason(format_args!("{text}")),
    ),
    (
        "resource",
        |agent, _| agent,
        |binder, text| binder.resource(format_args!("{text}")),
    ),
    (
        "environment",
        |agent, _| agent,
        |binder, text| binder.environment(format_args!("{text}")),
    ),
    ("rationale", |agent, text| agent.rationale(text), |_, _| {}),
    ("tenant", |agent, text| agent.tenant(text), |_, _| {}),
];

#[tokio::test(start_paused = true)]
async fn threat_42_what_is_too_long_is_refused_and_leaves_nothing() {
    let mut taken = Vec::new();
    for (place, say, put) in PLACES {
        for text in [
            "x".repeat(HUGE),
            "\x01".repeat(HUGE),
            "\u{1f980}".repeat(HUGE / 4),
        ] {
            let (gate, channel) = House::new().approving(&["u_1"]).await;
            let before = stored(&gate).await.len();
            let bound = || bind(&CALL, |binder: &mut Binder<'_>| put(binder, &text));
            match swap(&gate, say(bot(), text.clone()), bound(), bound()).await {
                Err(error) => {
                    assert_eq!(error.code(), Code::NonCanonical, "{place}: {error}");
                    assert!(
                        error.to_string().len() < 1_000,
                        "{place}: the refusal is short"
                    );
                    assert_eq!(stored(&gate).await.len(), before, "{place}");
                    assert!(channel.seen().is_empty());
                }
                Ok(()) => taken.push(*place),
            }
        }
    }
    taken.dedup();
    assert_eq!(taken, [""; 0], "4 MB were taken, kept and shown");
}

/// Where an agent can say something about itself.
const CLAIMS: &[fn(Agent, String) -> Agent] = &[
    Agent::software,
    Agent::model,
    Agent::provider,
    Agent::run,
    Agent::conversation,
    Agent::tool_call,
];

#[tokio::test(start_paused = true)]
async fn threat_42_a_claim_is_taken_whole_or_not_at_all() {
    let (gate, channel) = House::new().approving(&["u_1"]).await;
    for claim in CLAIMS {
        for length in [201, 300, HUGE] {
            let agent = claim(bot(), "x".repeat(length));
            let error = swap(&gate, agent, call("x"), call("x")).await.unwrap_err();
            assert_eq!(error.code(), Code::NonCanonical);
        }
        assert!(channel.seen().is_empty());
    }
    // Two runs that differ in the last of their characters stay two.
    let (gate, effects) = (House::new().open().await, Effects::default());
    let run = |end: &str| bot().run("r".repeat(199) + end);
    let first = ask(&gate, run("1"), &effects).await;
    vote(&gate, "u_1", first, Vote::Approve).await.unwrap();
    assert_ne!(ask(&gate, run("2"), &effects).await, first);
}

#[tokio::test(start_paused = true)]
async fn threat_42_an_oversize_vote_does_not_count() {
    let (gate, effects) = (House::new().open().await, Effects::default());
    let request = ask(&gate, bot().run("r"), &effects).await;
    let card = gate.card(request).await.unwrap();
    let huge = "x".repeat(HUGE);
    let plain = || review(account("test", "", "u_1"), &card, Vote::Approve);
    assert_eq!(
        plain().because(&huge).unwrap_err().code(),
        Code::NonCanonical
    );
    for evidence in [
        Evidence::new(&huge),
        Evidence::new("x").with("y", &huge),
        Evidence::new("x").with(&huge, "y"),
    ] {
        let approver = proven(account("test", "", "u_1"), Assurance::A3, evidence);
        let review = Review::new(approver, request, card.digest, card.policy, Vote::Approve);
        assert_eq!(
            gate.review(review).await.unwrap_err().code(),
            Code::NonCanonical
        );
    }
    assert_eq!(kinds(&gate, request).await, ["request.created"]);
    assert_eq!(gate.card(request).await.unwrap().status, Status::Pending);
}

#[tokio::test(start_paused = true)]
async fn threat_42_a_reason_has_a_limit_wherever_it_was_committed() {
    let (gate, effects) = (House::new().open().await, Effects::default());
    let request = ask(&gate, bot().run("r"), &effects).await;
    let card = gate.card(request).await.unwrap();
    let reason = Disclosure::new("review.reason", &Value::Text("x".repeat(HUGE))).unwrap();
    let review = review(account("test", "", "u_1"), &card, Vote::Deny).with_reason(Some(reason));
    assert_eq!(
        gate.review(review)
            .await
            .map(|tally| tally.status)
            .map_err(|error| error.code()),
        Err(Code::NonCanonical)
    );
}

#[tokio::test(start_paused = true)]
async fn threat_42_a_wordy_channel_is_still_on_record() {
    for text in ["x".repeat(HUGE), "\x01\n".repeat(HUGE / 2)] {
        let channel = Wordy::new(&text);
        let gate = House::new().channel(channel.clone()).open().await;
        let call = drop_table(Effects::default(), "users".to_owned());
        let error = gate
            .enter(bot().wait(Duration::from_secs(600)), call)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::Pending);
        let kinds = kinds(&gate, error.request().unwrap()).await;
        assert_eq!(
            kinds,
            ["request.created", "notice.failed", "notice.sent"],
            "the loss is on record"
        );
        assert_eq!(
            *channel.calls.lock().unwrap(),
            2,
            "a notice that went out is not sent again"
        );
    }
}

// Growth.

static MANY: GuardedFn = guarded("log.many");

fn many(count: usize, redact: bool) -> Bound {
    bind(&MANY, |binder: &mut Binder<'_>| {
        for number in 0..count {
            let name: &'static str = Box::leak(format!("p{number}").into_boxed_str());
            if redact {
                binder.redacted(name, &number);
            } else {
                binder.shown(name, &number);
            }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn threat_42_redaction_cannot_grow_a_record_over_the_bound() {
    let disk = Disk::new();
    let mut outcomes = Vec::new();
    for (count, redact) in [
        (100, true),
        (700, false),
        (700, true),
        (760, false),
        (760, true),
        (900, true),
        (5_000, false),
    ] {
        let house = House::new()
            .disk(&disk)
            .rules("[[rule]]\nid = \"many\"\nscope = \"log.many\"\neffect = \"auto\"\n");
        let gate = house.open().await;
        let ran = swap(&gate, bot(), many(count, redact), many(count, redact)).await;
        if let Err(error) = &ran {
            assert_eq!(error.code(), Code::NonCanonical, "{error}");
        }
        outcomes.push(ran.is_ok());
        for record in stored(&gate).await {
            assert!(record.bytes.len() <= MAX_RECORD, "{count} {redact}");
        }
        assert!(
            verify(&gate, house.key()).await.passed(),
            "the log goes on after {count} {redact}"
        );
    }
    assert!(
        outcomes.contains(&true) && outcomes.contains(&false),
        "both sides of the bound: {outcomes:?}"
    );
}

/// A redacted value of any size takes as much room as a small one.
#[tokio::test(start_paused = true)]
async fn threat_42_a_redacted_value_has_no_size() {
    let mut sizes = Vec::new();
    for length in [1, 1_000, 1_000_000] {
        let (gate, _) = House::new().approving(&["u_1"]).await;
        let secret = "\x01".repeat(length / 6 + 1);
        let bound = || {
            bind(&CALL, |binder: &mut Binder<'_>| {
                binder.redacted("secret", &secret)
            })
        };
        swap(&gate, bot(), bound(), bound()).await.unwrap();
        let created = stored(&gate).await.into_iter().find(|record| {
            let read = AuditRecord::decode(&record.bytes, gate.journal().log()).unwrap();
            matches!(event(read), Some(Event::Created(_)))
        });
        sizes.push(created.unwrap().bytes.len());
        let request = gate.list(Filter::all()).await.unwrap()[0].id;
        let kept = gate.journal().disclosures(request).await.unwrap();
        assert!(kept.is_empty(), "a redacted value is stored nowhere");
    }
    assert_eq!(sizes[0], sizes[2], "{sizes:?}");
    assert_eq!(sizes[0], sizes[1], "{sizes:?}");
}

/// A refusal in the middle of a batch leaves the others of it alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threat_42_an_oversize_call_takes_no_other_call_along() {
    let house = House::new()
        .disk(&Disk::threaded())
        .rules("[[rule]]\nid = \"many\"\nscope = \"log.many\"\neffect = \"auto\"\n");
    let gate = house.open().await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..40 {
        let gate = gate.clone();
        calls.spawn(async move {
            let count = if number % 2 == 0 { 1 } else { 5_000 };
            let ran: Result<(), ApprovalError> =
                swap(&gate, bot(), many(count, false), many(count, false)).await;
            (count, ran.map_err(|error| error.code()))
        });
    }
    for (count, ran) in calls.join_all().await {
        assert_eq!(
            ran,
            if count == 1 {
                Ok(())
            } else {
                Err(Code::NonCanonical)
            }
        );
    }
    assert!(verify(&gate, house.key()).await.passed());
}
