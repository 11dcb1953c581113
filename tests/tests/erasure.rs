//! Erasing what people were shown: two people, exactly one request, for good, and the log holds.

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use approvals_core::action::{Binder, GuardedFn, bind};
use approvals_core::digest::Commitment;
use approvals_core::erasure::Erasure;
use approvals_core::gate::Call;
use approvals_core::ledger::Verdict;
use approvals_core::lifecycle::Event;
use approvals_core::ports::Filter;
use approvals_core::request::Outcome;
use approvals_core::sealed::Disclosure;
use approvals_core::{
    ApprovalError, ApprovalGate, Code, Gate, RequestId, Status, Vote, requires_approval,
};
use approvals_store::sqlite::SqliteStore;

use support::canary::forms;
use support::disk::Disk;
use support::house::House;
use support::people::{Channel, account, review, vote};
use support::{Effects, ask, bot, events, guarded, hasty, kinds, verify};

const CANARY: &str = "c4nary~to-be=erased/7777";
const BASIS: &str = "art. 17, case 4711";

#[requires_approval(
    scope = "show.plain",
    reason = "because of {value}",
    resource = "on {value}",
    redact(token),
    skip(effects)
)]
async fn show(effects: Effects, value: String, token: String) -> Result<usize, ApprovalError> {
    assert!(!token.is_empty());
    Ok(effects.happen())
}

/// A settled request with canaries in everything that people see of it, denied with a reason.
async fn denied(gate: &Gate) -> RequestId {
    let call = show(Effects::default(), CANARY.to_owned(), "t".to_owned());
    let asked = gate.enter(hasty().rationale(CANARY), call).await;
    let request = asked.unwrap_err().request().unwrap();
    let card = gate.card(request).await.unwrap();
    let no = review(account("test", "", "u_3"), &card, Vote::Deny);
    gate.review(no.because(CANARY).unwrap()).await.unwrap();
    request
}

/// The newest request for an erasure.
async fn asked_to_erase(gate: &Gate) -> RequestId {
    loop {
        let rows = gate.list(Filter::pending()).await.unwrap();
        if let Some(row) = rows
            .iter()
            .find(|row| row.scope.as_str() == "approvals.erase")
        {
            return row.id;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Asks for an erasure, and these people approve it.
async fn erase(gate: &Gate, request: RequestId, people: &[&str]) -> Result<Erasure, ApprovalError> {
    let asking = gate.erase(bot().wait(Duration::from_secs(60)), request, BASIS);
    let deciding = async {
        let authority = asked_to_erase(gate).await;
        for person in people {
            vote(gate, person, authority, Vote::Approve).await.unwrap();
        }
    };
    tokio::join!(asking, deciding).0
}

#[tokio::test(start_paused = true)]
async fn two_people_erase_one_request_and_the_log_still_verifies() {
    let house = House::new();
    let gate = house.open().await;
    let (request, other) = (denied(&gate).await, denied(&gate).await);
    let before = gate.card(request).await.unwrap();
    assert!(before.to_text().contains(CANARY) && before.erased.is_none());
    let state = gate.journal().state(request).await.unwrap().unwrap();
    let opened = gate.journal().disclosures(request).await.unwrap();
    let commitments = state.disclosed();
    assert_eq!(commitments.len(), 5, "a value, three words and a reason");
    let opens = |commitment: &Commitment| opened.iter().any(|one| one.commitment == *commitment);
    assert!(opened.len() == 5 && commitments.iter().all(opens));

    let erased = erase(&gate, request, &["u_1", "u_2"]).await.unwrap();
    assert_eq!(erased.request, request);
    assert!(erased.scrubbed);

    // The record: what is gone, why, and who approved exactly this.
    let history = gate.journal().history(request).await.unwrap();
    let record = history.last().unwrap();
    assert_eq!(
        (record.kind(), record.seq),
        ("disclosure.erased", erased.record)
    );
    let authority = gate
        .journal()
        .state(erased.authority)
        .await
        .unwrap()
        .unwrap();
    let Some(Event::Erased(said)) = support::event(record.clone()) else {
        panic!("{record:?}");
    };
    assert_eq!(said.commitments, commitments);
    assert_eq!(
        (said.authority, said.digest),
        (erased.authority, authority.digest())
    );
    let param = |name: &str| {
        let params = &authority.action().params;
        params
            .iter()
            .find(|param| param.name == name)
            .unwrap()
            .sd
            .clone()
    };
    assert_eq!(said.basis, param("basis"));
    let target = Disclosure::from_text(said.opened.clone());
    assert_eq!(target.commitment, param("request"));
    let (_, name, value) = target.open().unwrap();
    assert_eq!(
        (name.as_str(), value.as_text()),
        ("args.request", Some(request.to_string().as_str()))
    );

    // Nothing opens it any more, and the card says so.
    assert_eq!(
        gate.journal().disclosures(request).await.unwrap(),
        Vec::new()
    );
    let card = gate.card(request).await.unwrap();
    assert_eq!(
        (card.status, card.erased),
        (Status::Denied, Some(erased.authority))
    );
    let text = card.to_text();
    assert!(!text.contains(CANARY) && card.denial.is_none(), "{text}");
    let gone = format!("[erased under authority of {}]", erased.authority);
    assert_eq!(
        text.matches(&gone).count(),
        4,
        "value, resource, reason, rationale: {text}"
    );
    assert!(text.contains("token = [redacted]"), "{text}");

    // Its neighbour is as it was, and the log verifies, before and after a restart.
    assert!(gate.card(other).await.unwrap().to_text().contains(CANARY));
    let outcome = events(&gate, erased.authority).await;
    assert!(
        matches!(outcome.last(), Some(Event::Finished(end)) if end.outcome == Outcome::Succeeded)
    );
    for gate in [gate, house.open().await] {
        let report = verify(&gate, house.key()).await;
        assert!(
            report.passed() && report.disclosures == Verdict::Pass,
            "{report:?}"
        );
    }
    // The basis and the values are in no record.
    for stored in support::stored(&house.open().await).await {
        let text = String::from_utf8(stored.bytes).unwrap();
        assert!(!text.contains(CANARY) && !text.contains("4711"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_cannot_go_below_two_people() {
    let one = "[[rule]]\nid = \"one\"\nscope = \"approvals.*\"\nrequire = [{ group = \"security\", n = 1 }]\n";
    let each = "[[rule]]\nid = \"each\"\nscope = \"approvals.erase\"\nrequire = [{ group = \"security\", n = 1 }, { group = \"ops\", n = 1 }]\n";
    let three = "[[rule]]\nid = \"three\"\nscope = \"approvals.erase\"\nrequire = [{ group = \"ops\", n = 3 }]\n";
    for (rules, people, needs) in [
        ("", vec!["u_1", "u_2"], vec![("ops", 2)]),
        (one, vec!["u_6", "u_7"], vec![("security", 2)]),
        (each, vec!["u_6", "u_1"], vec![("ops", 1), ("security", 1)]),
        (three, vec!["u_1", "u_2", "u_3"], vec![("ops", 3)]),
    ] {
        let gate = House::new().rules(rules).open().await;
        let request = denied(&gate).await;
        let short = &people[..people.len() - 1];
        let error = erase(&gate, request, short).await.unwrap_err();
        assert_eq!(error.code(), Code::Pending, "{rules}");
        let authority = error.request().unwrap();
        let card = gate.card(authority).await.unwrap();
        let have: Vec<_> = card
            .progress
            .iter()
            .map(|row| (row.group.as_str(), row.need))
            .collect();
        assert_eq!(have, needs, "{rules}");
        gate.cancel(authority).await.unwrap();
        assert!(gate.card(request).await.unwrap().erased.is_none());
        erase(&gate, request, &people).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_by_itself_never_erases() {
    let auto = "[[rule]]\nid = \"lax\"\nscope = \"approvals.erase\"\neffect = \"auto\"\n";
    let never = "[[rule]]\nid = \"never\"\nscope = \"approvals.erase\"\neffect = \"deny\"\n";
    for (rules, words) in [(auto, "never runs by itself"), (never, "`never` forbids")] {
        let gate = House::new().rules(rules).open().await;
        let request = denied(&gate).await;
        let error = gate.erase(bot(), request, BASIS).await.unwrap_err();
        assert_eq!(error.code(), Code::PolicyDenied, "{error}");
        assert!(error.message().contains(words), "{error}");
        let kinds = kinds(&gate, error.request().unwrap()).await;
        assert_eq!(kinds, ["request.created", "request.denied"]);
        assert!(gate.card(request).await.unwrap().to_text().contains(CANARY));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_stands_behind_the_asking_does_not_count() {
    let gate = House::new().open().await;
    let request = denied(&gate).await;
    let asking = gate.erase(bot().wait(Duration::from_secs(5)), request, BASIS);
    let deciding = async {
        let authority = asked_to_erase(&gate).await;
        vote(&gate, "u_1", authority, Vote::Approve).await.unwrap();
        for (person, code) in [
            ("u_alice", Code::SelfApproval),
            ("u_olga", Code::SelfApproval),
            ("u_1", Code::DuplicateVote),
            ("u_eve", Code::NotEligible),
        ] {
            let error = vote(&gate, person, authority, Vote::Approve)
                .await
                .unwrap_err();
            assert_eq!(error.code(), code, "{person}");
        }
    };
    let (asked, ()) = tokio::join!(asking, deciding);
    assert_eq!(asked.unwrap_err().code(), Code::Pending);
    assert!(gate.card(request).await.unwrap().erased.is_none());
}

#[tokio::test(start_paused = true)]
async fn only_what_is_settled_and_there_can_be_erased() {
    let gate = House::new().open().await;
    let effects = Effects::default();
    let refused = async |request, words: &str| {
        let error = gate.erase(bot(), request, BASIS).await.unwrap_err();
        assert!(error.message().contains(words), "{error}");
        error.code()
    };
    // Pending, and approved but unused.
    let open = ask(&gate, bot().run("1"), &effects).await;
    assert_eq!(
        refused(open, "only what is settled").await,
        Code::NotErasable
    );
    vote(&gate, "u_1", open, Vote::Approve).await.unwrap();
    assert_eq!(
        refused(open, "only what is settled").await,
        Code::NotErasable
    );
    // Running: the body itself asks for the erasure of the request it runs under.
    let permit = gate.authorize(Call::of(shown(), bot().run("2")).unwrap());
    let approve = async {
        loop {
            let rows = gate.list(Filter::pending()).await.unwrap();
            if let Some(row) = rows.iter().find(|row| row.scope.as_str() == "app.run") {
                break vote(&gate, "u_1", row.id, Vote::Approve).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let (permit, _) = tokio::join!(permit, approve);
    let started = permit.unwrap().start().await.unwrap();
    let running = started.check(shown()).unwrap();
    let rows = gate.list(Filter::all()).await.unwrap();
    let used = rows.iter().find(|row| row.running.is_some()).unwrap().id;
    assert_eq!(
        refused(used, "only what is settled").await,
        Code::NotErasable
    );
    running.finish(Outcome::Succeeded).await.unwrap();
    erase(&gate, used, &["u_1", "u_2"]).await.unwrap();
    assert_eq!(refused(used, "erased before").await, Code::NotErasable);
    // What is not there, and a basis that says nothing.
    let nobody = RequestId::random().unwrap();
    assert_eq!(refused(nobody, "no such request").await, Code::NotFound);
    let request = denied(&gate).await;
    for basis in ["", " \n", &"x".repeat(501)] {
        let error = gate.erase(bot(), request, basis).await.unwrap_err();
        assert_eq!(error.code(), Code::NonCanonical);
    }
    // Nobody was bothered with any of it.
    let asked = gate.list(Filter::all()).await.unwrap();
    let asked = asked
        .iter()
        .filter(|row| row.scope.as_str() == "approvals.erase");
    assert_eq!(asked.count(), 1);
}

static RUN: GuardedFn = guarded("app.run");

fn shown() -> approvals_core::action::Bound {
    bind(&RUN, |binder: &mut Binder<'_>| binder.shown("value", "v"))
}

/// Something else under the library's own scope is approved, used, and erases nothing; and while
/// an erasure waits, another one of the same request is done first.
#[tokio::test(start_paused = true)]
async fn an_approval_erases_what_it_was_given_for_and_once() {
    let house = House::new();
    let gate = house.open().await;
    let (one, two) = (denied(&gate).await, denied(&gate).await);
    let first = erase(&gate, one, &["u_1", "u_2"]).await.unwrap();
    // Two erasures of the same request are approved; the second finds nothing to erase.
    let both = async {
        let ask = |run: &str| gate.erase(bot().run(run).wait(Duration::from_secs(60)), two, BASIS);
        tokio::join!(ask("a"), ask("b"))
    };
    let deciding = async {
        loop {
            let rows = gate.list(Filter::pending()).await.unwrap();
            if rows.len() == 2 {
                for person in ["u_1", "u_2"] {
                    for row in &rows {
                        vote(&gate, person, row.id, Vote::Approve).await.unwrap();
                    }
                }
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let ((a, b), ()) = tokio::join!(both, deciding);
    let (done, refused) = match (a, b) {
        (Ok(done), Err(error)) | (Err(error), Ok(done)) => (done, error),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused.code(), Code::NotErasable);
    assert_eq!(gate.card(two).await.unwrap().erased, Some(done.authority));
    assert_eq!(support::count(&gate, "disclosure.erased").await, 2);
    // The authority that found nothing says so.
    let failed = gate.list(Filter::all()).await.unwrap();
    let mut failures = 0;
    for row in failed
        .iter()
        .filter(|row| row.scope.as_str() == "approvals.erase")
    {
        let end = events(&gate, row.id).await.pop();
        failures += usize::from(
            matches!(end, Some(Event::Finished(end)) if end.outcome == Outcome::Failed),
        );
    }
    assert_eq!(failures, 1);
    // An erasure can be erased itself: its basis may be about somebody, too.
    let again = erase(&gate, first.authority, &["u_1", "u_2"])
        .await
        .unwrap();
    let card = gate.card(first.authority).await.unwrap();
    assert_eq!(card.erased, Some(again.authority));
    assert!(!card.to_text().contains("4711"));
    assert!(verify(&gate, house.key()).await.passed());
}

#[tokio::test(start_paused = true)]
async fn copies_are_drawn_again_without_what_was_erased() {
    let channel = Channel::default();
    let gate = House::new().channel(channel.clone()).open().await;
    let request = denied(&gate).await;
    gate.deliver().await.unwrap();
    let before = channel.seen();
    assert!(
        before
            .iter()
            .any(|notice| notice.card.to_text().contains(CANARY))
    );
    erase(&gate, request, &["u_1", "u_2"]).await.unwrap();
    gate.deliver().await.unwrap();
    let seen = channel.seen();
    let after = seen[before.len()..]
        .iter()
        .rfind(|notice| notice.card.request == request);
    let card = &after.expect("the copy was drawn again").card;
    assert!(card.erased.is_some() && !card.to_text().contains(CANARY));
}

#[tokio::test(start_paused = true)]
async fn the_same_call_does_not_come_back_from_an_erased_request() {
    let gate = House::new().open().await;
    let effects = Effects::default();
    let agent = || bot().idempotency_key("once");
    let request = ask(&gate, agent(), &effects).await;
    vote(&gate, "u_1", request, Vote::Deny).await.unwrap();
    let call = || support::drop_table(effects.clone(), "users".to_owned());
    assert_eq!(
        gate.enter(agent(), call()).await.unwrap_err().code(),
        Code::Denied
    );
    erase(&gate, request, &["u_1", "u_2"]).await.unwrap();
    let error = gate.enter(agent(), call()).await.unwrap_err();
    assert_eq!(error.code(), Code::Replay, "{error}");
    assert!(
        error.message().contains("another idempotency key"),
        "{error}"
    );
    assert_eq!(effects.count(), 0);
}

/// A card that is drawn while its request is erased is whole, or says that it was erased.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_card_is_whole_or_erased_and_nothing_in_between() {
    let gate = House::new().disk(&Disk::threaded()).open().await;
    for _ in 0..10 {
        let request = denied(&gate).await;
        let over = Arc::new(AtomicBool::new(false));
        // Nothing is erased before every reader has seen the card whole.
        let seen = Arc::new(tokio::sync::Barrier::new(5));
        let mut readers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (gate, over, seen) = (gate.clone(), Arc::clone(&over), Arc::clone(&seen));
            readers.spawn(async move {
                let (mut whole, mut erased) = (0, 0);
                while !over.load(Ordering::SeqCst) || erased == 0 {
                    let card = gate.card(request).await.expect("a card");
                    let shows = card.to_text().contains(CANARY) && card.denial.is_some();
                    assert_ne!(shows, card.erased.is_some());
                    if shows && whole == 0 {
                        seen.wait().await;
                    }
                    whole += usize::from(shows);
                    erased += usize::from(!shows);
                }
                (whole, erased)
            });
        }
        seen.wait().await;
        erase(&gate, request, &["u_1", "u_2"]).await.unwrap();
        over.store(true, Ordering::SeqCst);
        for (whole, erased) in readers.join_all().await {
            assert!(whole > 0 && erased > 0, "{whole} {erased}");
        }
    }
}

/// Everything that lies in the directory of a store, as it lies there.
fn bytes(directory: &Path) -> Vec<u8> {
    let entries = std::fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_file());
    files
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect()
}

fn holds(bytes: &[u8], piece: &[u8]) -> bool {
    bytes.windows(piece.len()).any(|part| part == piece)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_ciphertext_or_key_is_left_in_the_files() {
    let scratch = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(scratch.path().join("approvals.db")).unwrap();
    let gate = House::new().try_open_on(store).await.unwrap();
    let (request, other) = (denied(&gate).await, denied(&gate).await);
    let read = async |of| {
        gate.journal()
            .read(move |reader| reader.disclosures(of))
            .await
    };
    let (sealed, kept) = (read(request).await.unwrap(), read(other).await.unwrap());
    let key = sealed.key.clone().unwrap().ciphertext;
    assert!(
        holds(&bytes(scratch.path()), &key),
        "the files were not looked at"
    );
    let erased = erase(&gate, request, &["u_1", "u_2"]).await.unwrap();
    assert!(erased.scrubbed);
    let left = bytes(scratch.path());
    for sealed in &sealed.disclosures {
        assert!(!holds(&left, &sealed.ciphertext[..16]), "its beginning");
        assert!(
            !holds(&left, &sealed.ciphertext[sealed.ciphertext.len() - 16..]),
            "its end"
        );
        assert!(
            holds(&left, sealed.commitment.as_str().as_bytes()),
            "the log keeps it"
        );
    }
    assert!(!holds(&left, &key[..16]) && !holds(&left, &key[key.len() - 16..]));
    assert!(holds(&left, &kept.key.unwrap().ciphertext));
    for (form, secret) in forms(CANARY) {
        assert!(!holds(&left, secret.as_bytes()), "{form}");
    }
    assert!(read(request).await.unwrap().is_empty());
}
