//! The invariants of the architecture, each with a test that fails when it is broken. The attacks
//! on them stand in `threats_*`.

mod support;

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use approvals_core::action::{Binder, GuardedFn, bind};
use approvals_core::card::Card;
use approvals_core::ledger::{AuditRecord, Entry, LedgerKey, Report, StoredRecord, leaf_hash};
use approvals_core::lifecycle::{Event, Phase, RequestState};
use approvals_core::ports::Filter;
use approvals_core::request::Outcome;
use approvals_core::sealed::Disclosure;
use approvals_core::testing::TestGate;
use approvals_core::{
    Agent, ApprovalError, Assurance, Code, Gate, RequestId, Review, Status, Vote, requires_approval,
};

use support::disk::Disk;
use support::house::{House, policy};
use support::people::{account, decide, review, verified, vote};
use support::trap::Lasting;
use support::{
    Effects, ask, bot, check, drop_table, events, guarded, hasty, is_hidden, kinds, stored, swap,
    verify,
};

const MINUTE: Duration = Duration::from_secs(60);

async fn call(gate: &Gate, agent: Agent, effects: &Effects) -> Result<usize, Code> {
    let call = drop_table(effects.clone(), "users".to_owned());
    gate.enter(agent, call).await.map_err(|error| error.code())
}

// I1: nothing runs unapproved.

#[tokio::test(start_paused = true)]
async fn i1_nothing_runs_unapproved() {
    let effects = Effects::default();
    let outside = drop_table(effects.clone(), "users".to_owned()).await;
    assert_eq!(outside.unwrap_err().code(), Code::Misuse);
    let deny = "[[rule]]\nid = \"no\"\nscope = \"db.drop\"\neffect = \"deny\"\n";
    let other = "[[rule]]\nid = \"other\"\nscope = \"db.read\"\neffect = \"auto\"\n";
    let two = policy(1, "").replace("n = 1", "n = 2");
    let nobody: &[&str] = &[];
    for (what, house, voters, agent, want) in [
        (
            "nobody behind the agent",
            House::new(),
            &["u_1"][..],
            Agent::new("bot"),
            Code::Unauthenticated,
        ),
        (
            "somebody unknown",
            House::new(),
            &["u_1"],
            Agent::new("bot").on_behalf_of("u_x"),
            Code::IdentityUnresolved,
        ),
        (
            "a rule that forbids",
            House::new().rules(deny),
            &["u_1"],
            bot(),
            Code::PolicyDenied,
        ),
        ("nobody decides", House::new(), nobody, bot(), Code::Expired),
        (
            "nobody decides yet",
            House::new(),
            nobody,
            hasty(),
            Code::Pending,
        ),
        (
            "no rule for the scope",
            House::new().rules(other),
            nobody,
            hasty(),
            Code::Pending,
        ),
        (
            "half of a quorum",
            House::new().policy(two),
            &["u_1"],
            bot(),
            Code::Expired,
        ),
        (
            "the sponsor alone",
            House::new(),
            &["u_alice"],
            bot(),
            Code::Expired,
        ),
        (
            "somebody else's group",
            House::new(),
            &["u_6"],
            bot(),
            Code::Expired,
        ),
        (
            "something is not covered",
            House::new().full_binding(),
            &["u_1"],
            bot(),
            Code::NotBound,
        ),
    ] {
        let (gate, _) = house.approving(Box::leak(voters.into())).await;
        assert_eq!(call(&gate, agent, &effects).await, Err(want), "{what}");
        assert_eq!(effects.count(), 0, "{what}");
    }
    let house = House::new();
    let (gate, _) = house.clone().approving(&["u_1"]).await;
    house.disk.trap().arm("begin", 0, Lasting::Forever);
    let answer = call(&gate, bot(), &effects).await;
    assert_eq!(answer, Err(Code::StoreUnavailable), "the store is away");
    house.disk.trap().disarm();
    assert_eq!(
        call(&gate, bot(), &effects).await,
        Ok(1),
        "approved, it runs"
    );
}

// I2: what was shown is what was approved is what runs.

static PAY: GuardedFn = guarded("bank.pay");

fn payment(amount: i64) -> approvals_core::action::Bound {
    bind(&PAY, |binder: &mut Binder<'_>| {
        binder.shown("amount", &amount);
        binder.redacted("pin", "0000");
        binder.reason(format_args!("the invoice"));
    })
}

#[tokio::test(start_paused = true)]
async fn i2_what_was_shown_is_what_was_approved_is_what_runs() {
    let (gate, channel) = House::new().approving(&["u_1"]).await;
    swap(&gate, bot(), payment(82_000), payment(82_000))
        .await
        .unwrap();
    let shown = channel.seen().remove(0).card;
    assert_eq!(
        shown.digest,
        shown.action.digest().unwrap(),
        "the digest is that of what is shown"
    );
    let mut seen = 0;
    for event in events(&gate, shown.request).await {
        let digest = match event {
            Event::Created(created) => created.digest,
            Event::Reviewed(review) => review.digest,
            Event::Consumed(consumed) => consumed.digest,
            _ => continue,
        };
        assert_eq!(digest, shown.digest);
        seen += 1;
    }
    assert_eq!(seen, 3, "asked, reviewed and used");

    let error = swap(&gate, bot(), payment(82_000), payment(820_000))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::ActionMismatch);
    let history = kinds(&gate, error.request().unwrap()).await;
    assert!(
        !history.iter().any(|kind| kind.starts_with("outcome")),
        "{history:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn i2_a_card_shows_what_is_bound_or_nothing() {
    let (gate, channel) = House::new().approving(&["u_1"]).await;
    swap(&gate, bot(), payment(82_000), payment(82_000))
        .await
        .unwrap();
    let request = channel.seen()[0].card.request;
    let state = gate.journal().state(request).await.unwrap().unwrap();
    let kept = gate.journal().disclosures(request).await.unwrap();
    assert!(Card::of(&state, &kept).is_ok());
    for place in 0..kept.len() {
        // Whoever holds the store changes what people would see.
        let mut missing = kept.clone();
        let lost = missing.remove(place);
        assert_eq!(
            Card::of(&state, &missing).unwrap_err().code(),
            Code::Unrenderable
        );
        let (_, name, _) = lost.open().unwrap();
        let other =
            Disclosure::new(&name, &approvals_core::canonical::to_value(&1).unwrap()).unwrap();
        for mut forged in [Disclosure::from_text(other.text.clone()), other] {
            missing.push(forged.clone());
            assert_eq!(
                Card::of(&state, &missing).unwrap_err().code(),
                Code::Unrenderable
            );
            missing.pop();
            // The name of the right commitment, with another text under it.
            forged.commitment = lost.commitment.clone();
            missing.push(forged);
            let shown = Card::of(&state, &missing).map(|card| card.to_text());
            assert_eq!(
                shown.map_err(|error| error.code()),
                Err(Code::Unrenderable),
                "{name}"
            );
            missing.pop();
        }
    }
}

// I3: one approval, one run.

/// Has its effect, and never ends.
#[requires_approval(scope = "db.hang", skip(effects))]
async fn hang(effects: Effects) -> Result<usize, ApprovalError> {
    effects.happen();
    pending().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i3_one_approval_one_run_over_tasks_and_processes() {
    let house = House::new().disk(&Disk::threaded());
    let gates = [house.open().await, house.open().await];
    let effects = Effects::default();
    let keyed = || bot().idempotency_key("k").wait(10 * MINUTE);
    let request = ask(&gates[0], keyed(), &effects).await;
    vote(&gates[1], "u_1", request, Vote::Approve)
        .await
        .unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for task in 0..20 {
        let (gate, effects) = (gates[task % 2].clone(), effects.clone());
        calls.spawn(async move { call(&gate, keyed(), &effects).await });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(
        answers
            .iter()
            .filter(|answer| **answer == Err(Code::AlreadyConsumed))
            .count(),
        19
    );
    assert_eq!(effects.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn i3_a_crash_in_the_body_is_unknown_and_never_run_again() {
    let house = House::new();
    let (gate, _) = house.clone().approving(&["u_1"]).await;
    let effects = Effects::default();
    let keyed = || bot().idempotency_key("k");
    let mut running = Box::pin(gate.enter(keyed(), hang(effects.clone())));
    while effects.count() == 0 {
        let _ = poll_fn(|context| Poll::Ready(running.as_mut().poll(context))).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The process is gone, and says nothing any more.
    std::mem::forget((running, gate.clone()));
    house.disk.power_cut();

    let gate = house.open().await;
    let request = gate.list(Filter::all()).await.unwrap()[0].id;
    let state = gate.journal().state(request).await.unwrap().unwrap();
    assert_eq!(*state.phase(), Phase::Finished(Outcome::Unknown));
    assert_eq!(
        verify(&gate, house.key()).await.in_doubt,
        [request],
        "an auditor is told"
    );
    let again = gate.enter(keyed(), hang(effects.clone())).await;
    assert_eq!(again.unwrap_err().code(), Code::AlreadyConsumed);
    assert_eq!(effects.count(), 1);
}

// I4: decisions come from verified people.

#[tokio::test(start_paused = true)]
async fn i4_decisions_come_from_distinct_verified_people() {
    let crew = support::people::Crew::new();
    crew.link(account("slack", "T1", "U1"), "u_1");
    let signed = "[[rule]]\nid = \"two\"\nscope = \"db.drop\"\nrequire = [{ group = \"ops\", n = 2, min_assurance = \"A2\" }]\n";
    let gate = House::new().rules(signed).people(crew).open().await;
    let effects = Effects::default();
    let request = ask(&gate, bot().run("r"), &effects).await;
    let card = gate.card(request).await.unwrap();
    let weak = || {
        let approver = verified(account("test", "", "u_2"), Assurance::A1);
        Review::new(approver, request, card.digest, card.policy, Vote::Approve)
    };
    let approve = |identity| decide(&gate, identity, request, Vote::Approve);
    approve(account("test", "", "u_1")).await.unwrap();
    for (who, code) in [
        (account("slack", "T1", "U1"), Code::DuplicateVote),
        (account("test", "", "u_1"), Code::DuplicateVote),
        (account("slack", "T1", "U2"), Code::IdentityUnresolved),
        (account("test", "", "u_alice"), Code::SelfApproval),
        (account("test", "", "u_olga"), Code::SelfApproval),
        (account("test", "", "u_eve"), Code::NotEligible),
        (account("test", "", "u_6"), Code::NotEligible),
        (account("test", "", "u_gone"), Code::NotEligible),
    ] {
        assert_eq!(
            approve(who.clone()).await.unwrap_err().code(),
            code,
            "{who}"
        );
    }
    assert_eq!(
        gate.review(weak()).await.unwrap_err().code(),
        Code::AssuranceTooLow
    );
    let forged =
        review(account("test", "", "u_3"), &card, Vote::Approve).claiming("u_2".parse().unwrap());
    assert_eq!(
        gate.review(forged).await.unwrap_err().code(),
        Code::SignatureInvalid
    );
    assert_eq!(
        call(&gate, hasty().run("r"), &effects).await,
        Err(Code::Pending)
    );

    let tally = approve(account("test", "", "u_2")).await.unwrap();
    assert_eq!(tally.status, Status::Approved);
    assert_eq!(call(&gate, hasty().run("r"), &effects).await, Ok(1));
}

// I5: no state change without its record, in the same transaction.

/// What the store holds: its records and its rows, in one text.
async fn snapshot(gate: &Gate) -> String {
    let mut rows = gate
        .journal()
        .read(|reader| reader.requests(&Filter::all()))
        .await
        .unwrap();
    rows.sort_by_key(|row| row.id);
    format!("{} {rows:?}", stored(gate).await.len())
}

#[tokio::test(start_paused = true)]
async fn i5_what_cannot_be_recorded_does_not_happen() {
    let house = House::new();
    let gate = house.open().await;
    let (effects, trap) = (Effects::default(), house.disk.trap());
    let keyed = || hasty().idempotency_key("k");
    let fails = || trap.arm("commit refused", 0, Lasting::Forever);

    let before = snapshot(&gate).await;
    fails();
    assert_eq!(
        call(&gate, keyed(), &effects).await,
        Err(Code::StoreUnavailable)
    );
    assert_eq!(snapshot(&gate).await, before, "asking");
    trap.disarm();
    let request = ask(&gate, keyed(), &effects).await;

    for (who, cast) in [
        ("u_1", Vote::Approve),
        ("u_alice", Vote::Approve),
        ("u_2", Vote::Deny),
    ] {
        let before = snapshot(&gate).await;
        fails();
        let error = vote(&gate, who, request, cast).await.unwrap_err();
        assert_eq!(
            error.code(),
            Code::StoreUnavailable,
            "{who} is told that it does not count"
        );
        assert_eq!(snapshot(&gate).await, before, "{who}");
        trap.disarm();
    }
    assert_eq!(gate.card(request).await.unwrap().status, Status::Pending);

    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    let before = snapshot(&gate).await;
    fails();
    assert_eq!(
        call(&gate, keyed(), &effects).await,
        Err(Code::StoreUnavailable)
    );
    assert_eq!(
        (snapshot(&gate).await, effects.count()),
        (before, 0),
        "using"
    );
    trap.disarm();
    // The permit that could not be used is withdrawn as soon as that can be recorded.
    let answer = call(&gate, keyed(), &effects).await;
    assert_eq!((answer, effects.count()), (Err(Code::Cancelled), 0));
    assert_eq!(
        kinds(&gate, request).await.last().unwrap(),
        "request.cancelled"
    );

    let request = ask(&gate, hasty().run("again"), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    assert_eq!(call(&gate, bot().run("again"), &effects).await, Ok(1));
    assert!(verify(&gate, house.key()).await.passed());
}

/// A house whose requests ended in every way there is.
async fn lived_in(house: &House) -> Gate {
    let (gate, _) = house.clone().approving(&[]).await;
    let effects = Effects::default();
    let ask = async |run: &str| ask(&gate, bot().idempotency_key(run), &effects).await;
    let go_on = async |run: &str| call(&gate, bot().idempotency_key(run), &effects).await;
    for (run, cast) in [("done", Vote::Approve), ("denied", Vote::Deny)] {
        let request = ask(run).await;
        vote(&gate, "u_alice", request, Vote::Approve)
            .await
            .unwrap_err();
        vote(&gate, "u_1", request, cast).await.unwrap();
        let _ = go_on(run).await;
    }
    let approved = ask("approved").await;
    gate.cancel(ask("cancelled").await).await.unwrap();
    ask("expired").await;
    tokio::time::sleep(14 * MINUTE).await;
    ask("pending").await;
    vote(&gate, "u_1", approved, Vote::Approve).await.unwrap();
    tokio::time::sleep(2 * MINUTE).await;
    gate.sweep().await.unwrap();
    swap(&gate, bot(), payment(1), payment(1))
        .await
        .unwrap_err();
    gate
}

#[tokio::test(start_paused = true)]
async fn i5_state_is_a_fold_over_records() {
    let house = House::new();
    let gate = lived_in(&house).await;
    let log = gate.journal().log().clone();
    let mut folded: Vec<(RequestId, RequestState)> = Vec::new();
    for stored in stored(&gate).await {
        let record = AuditRecord::decode(&stored.bytes, &log).unwrap();
        let Entry::Request(request, event) = record.entry else {
            continue;
        };
        match folded.iter_mut().find(|(have, _)| *have == request) {
            Some((_, state)) => state.apply(&event).unwrap(),
            None => folded.push((request, RequestState::begin(&event, record.at).unwrap())),
        }
    }
    let rows = gate
        .journal()
        .read(|reader| reader.requests(&Filter::all()))
        .await
        .unwrap();
    assert_eq!(rows.len(), folded.len());
    let mut statuses = Vec::new();
    for row in rows {
        let (_, state) = folded.iter().find(|(have, _)| *have == row.id).unwrap();
        assert_eq!(
            (row.status, row.created_at),
            (state.status(), state.created_at())
        );
        statuses.push(row.status.as_str());
    }
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(
        statuses,
        ["approved", "cancelled", "denied", "expired", "pending"]
    );
}

// I6: the log proves it.

fn names(report: &Report, seq: usize) -> bool {
    let seq = u64::try_from(seq).unwrap();
    report
        .findings
        .iter()
        .any(|finding| finding.seq == Some(seq))
}

/// The records, numbered anew, as somebody would who covers a trace.
fn renumbered(records: Vec<StoredRecord>) -> Vec<StoredRecord> {
    (0..)
        .zip(records)
        .map(|(seq, record)| StoredRecord::new(seq, record.leaf, record.bytes))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn i6_every_edit_is_found_and_its_place_named() {
    let house = House::new();
    let gate = lived_in(&house).await;
    let (records, note) = (
        stored(&gate).await,
        gate.journal().checkpoint().await.unwrap(),
    );
    let verdict = |records: &[StoredRecord]| check(house.key(), records, note.as_deref());
    let untouched = verdict(&records);
    assert!(untouched.passed(), "{:?}", untouched.findings);
    assert!(records.len() > 20, "{}", records.len());
    for place in 0..records.len() {
        let length = records[place].bytes.len();
        for byte in [0, length / 3, length / 2, length - 2, length - 1] {
            let mut edited = records.clone();
            edited[place].bytes[byte] ^= 1;
            let report = verdict(&edited);
            assert!(
                !report.passed() && names(&report, place),
                "byte {byte} of record {place}: {:?}",
                report.findings
            );
            // With the hash beside it mended, the root still tells.
            edited[place].leaf = leaf_hash(&edited[place].bytes);
            assert!(
                !verdict(&edited).passed(),
                "byte {byte} of record {place}, hashed again"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn i6_every_deletion_swap_and_insertion_is_found_and_its_place_named() {
    let house = House::new();
    let gate = lived_in(&house).await;
    let (records, note) = (
        stored(&gate).await,
        gate.journal().checkpoint().await.unwrap(),
    );
    let caught = |what: &str, records: Vec<StoredRecord>, place: usize| {
        for records in [records.clone(), renumbered(records)] {
            let report = check(house.key(), &records, note.as_deref());
            assert!(
                !report.passed() && names(&report, place),
                "{what} {place}: {:?}",
                report.findings
            );
        }
    };
    for place in 0..records.len() {
        let mut deleted = records.clone();
        deleted.remove(place);
        caught("deleted", deleted, place);
        let mut doubled = records.clone();
        doubled.insert(place, records[place].clone());
        caught("doubled", doubled, place + 1);
        caught("cut from", records[..place].to_vec(), place);
        if place + 1 < records.len() {
            let mut swapped = records.clone();
            swapped.swap(place, place + 1);
            caught("swapped", swapped, place);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn i6_only_the_key_and_the_whole_log_prove_anything() {
    let house = House::new();
    let gate = lived_in(&house).await;
    let old = gate.journal().checkpoint().await.unwrap().unwrap();
    ask(&gate, bot().run("one more"), &Effects::default()).await;
    let (records, note) = (
        stored(&gate).await,
        gate.journal().checkpoint().await.unwrap().unwrap(),
    );
    let fails = |what: &str, records: &[StoredRecord], note: Option<&str>| {
        assert!(!check(house.key(), records, note).passed(), "{what}");
    };
    assert!(check(house.key(), &records, Some(&note)).passed());
    fails("no head", &records, None);
    fails("no log", &[], Some(&note));
    fails("nothing at all", &[], None);
    fails("an old head over a longer log", &records, Some(&old));
    for (from, to) in [
        ("test.invalid/house", "test.invalid/horse"),
        ("\u{2014} ", "\u{2014}"),
        ("\n", "\n\n"),
    ] {
        fails(to, &records, Some(&note.replacen(from, to, 1)));
    }
    for line in 0..3 {
        let mut forged: Vec<String> = note.lines().map(str::to_owned).collect();
        forged[line] = forged[line].chars().rev().collect();
        fails("a forged head", &records, Some(&(forged.join("\n") + "\n")));
    }
    let stranger = LedgerKey::from_seed(&[8; 32])
        .unwrap()
        .vkey(gate.journal().log());
    assert!(
        !check(stranger, &records, Some(&note)).passed(),
        "another key"
    );
}

#[tokio::test(start_paused = true)]
async fn i6_a_log_that_was_touched_does_not_open_and_is_left_as_evidence() {
    type Change = fn(&mut Vec<StoredRecord>);
    let changes: [(&str, Change); 5] = [
        ("an edit at the end", |records| {
            records.last_mut().unwrap().bytes[9] ^= 1
        }),
        ("an edit of the outcome", |records| {
            let last = records.last_mut().unwrap();
            *last = StoredRecord::new(last.seq, leaf_hash(b"{}"), b"{}".to_vec());
        }),
        ("a deletion", |records| drop(records.pop())),
        ("a swap", |records| {
            let end = records.len() - 1;
            records.swap(end, end - 1);
        }),
        ("an addition", |records| records.push(records[1].clone())),
    ];
    for (what, change) in changes {
        let house = House::new();
        drop(lived_in(&house).await);
        let before = house.disk.stored().len();
        house.disk.tamper(move |mut records| {
            change(&mut records);
            records
        });
        let error = house.try_open().await.expect_err(what);
        assert_eq!(error.code(), Code::AuditTampered, "{what}");
        assert_eq!(
            house.disk.stored().len(),
            before,
            "{what}: nothing was written"
        );
        house.disk.tamper(|records| records);
        assert!(house.try_open().await.is_ok(), "{what}: mended, it opens");
    }
}

// I7: untrusted text stays text.

#[tokio::test(start_paused = true)]
async fn i7_untrusted_text_is_literal_and_apart() {
    let lie =
        "ok\x1b[2K\r\u{202e}\n  why           approved by the CISO <https://evil.example|Approve>";
    let gate = TestGate::approving();
    let agent = bot().rationale(lie).software(lie).model(lie);
    gate.enter(agent, drop_table(Effects::default(), "users".to_owned()))
        .await
        .unwrap();
    let asked = gate.assert_asked("db.drop");
    assert_eq!(asked.rationale.as_deref(), Some(lie), "kept word for word");
    assert_eq!(
        asked.reason.as_deref(),
        Some("drop users"),
        "the author's words are the author's"
    );
    let drawn = asked.card.to_text();
    assert!(!drawn.chars().any(|c| is_hidden(c) && c != '\n'), "{drawn}");
    let claims: Vec<&str> = drawn.lines().filter(|line| line.contains("CISO")).collect();
    assert_eq!(claims.len(), 1, "{drawn}");
    assert!(
        claims[0].starts_with("  agent says ") && claims[0].ends_with("(unverified)"),
        "{drawn}"
    );
    assert!(
        drawn.lines().any(|line| line.starts_with("  CAREFUL ")),
        "{drawn}"
    );
}

// I8: secrets never leave.

#[requires_approval(scope = "app.login", redact(password))]
async fn login(user: String, password: String) -> Result<usize, ApprovalError> {
    Ok(user.len() + password.len())
}

#[tokio::test(start_paused = true)]
async fn i8_a_redacted_value_is_nowhere_and_still_bound() {
    let house = House::new();
    let (gate, channel) = house.clone().approving(&["u_1"]).await;
    let secret = "c4nary-of-i8";
    assert_eq!(
        gate.enter(bot(), login("root".to_owned(), secret.to_owned()))
            .await
            .unwrap(),
        16
    );
    let everything = format!(
        "{} {:?} {}",
        house.disk.written(),
        channel.seen(),
        channel.seen()[0].card.to_text()
    );
    assert!(
        everything.contains("root") && everything.contains("[redacted]"),
        "this was looked at"
    );
    assert!(!everything.contains(secret));

    let state = gate
        .journal()
        .state(channel.seen()[0].card.request)
        .await
        .unwrap()
        .unwrap();
    let sealed = &state.action().params[1];
    assert!(
        sealed.redacted && sealed.name == "password",
        "bound by a keyed commitment"
    );
    static LOGIN: GuardedFn = guarded("app.login");
    let with = |secret: &str| {
        bind(&LOGIN, |binder: &mut Binder<'_>| {
            binder.redacted("password", secret)
        })
    };
    let error = swap(&gate, bot(), with("one"), with("two"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::ActionMismatch);
}

// I9: three clocks.

#[tokio::test(start_paused = true)]
async fn i9_three_clocks_each_end_in_a_refusal() {
    let text = "version = 1\ndefault = { require = [{ group = \"ops\" }], ttl = \"10m\", use_within = \"2m\" }\n";
    let gate = House::new().policy(text).open().await;
    let effects = Effects::default();
    let keyed = |key: &str| bot().idempotency_key(key);

    // How long the caller waits: the request outlives it.
    let begun = tokio::time::Instant::now();
    assert_eq!(
        call(&gate, keyed("a").wait(MINUTE), &effects).await,
        Err(Code::Pending)
    );
    assert_eq!(begun.elapsed().as_secs(), 60);
    let request = gate.list(Filter::pending()).await.unwrap()[0].id;

    // Until when an approval may be used: less long than people may decide.
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(call(&gate, keyed("a"), &effects).await, Err(Code::Expired));

    // Until when people may decide: whoever waits hears of it then.
    let begun = tokio::time::Instant::now();
    assert_eq!(
        call(&gate, keyed("b").wait(60 * MINUTE), &effects).await,
        Err(Code::Expired)
    );
    assert_eq!(begun.elapsed().as_secs(), 600);
    let late = gate
        .list(Filter::all())
        .await
        .unwrap()
        .into_iter()
        .find(|row| row.id != request)
        .unwrap();
    assert_eq!(
        vote(&gate, "u_1", late.id, Vote::Approve)
            .await
            .unwrap_err()
            .code(),
        Code::Expired
    );
    assert_eq!(effects.count(), 0);
}

/// The order of effects: the use is on record before the body begins.
#[tokio::test(start_paused = true)]
async fn i3_the_use_is_on_record_before_the_body_begins() {
    let house = House::new();
    let (gate, _) = house.clone().approving(&["u_1"]).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let look = Look(house.disk.clone(), Arc::clone(&seen));
    gate.enter(bot(), body(look)).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen[0].contains("\"kind\":\"permit.consumed\""), "{seen:?}");
    assert!(!seen[0].contains("outcome."), "{seen:?}");
}

struct Look(Disk, Arc<Mutex<Vec<String>>>);

#[requires_approval(scope = "app.look", skip(look))]
async fn body(look: Look) -> Result<(), ApprovalError> {
    let records = look
        .0
        .stored()
        .into_iter()
        .map(|record| String::from_utf8(record.bytes).unwrap());
    look.1.lock().unwrap().push(records.collect());
    Ok(())
}
