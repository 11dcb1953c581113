//! Votes, approvals and uses that nobody gave.

use std::time::Duration;

use approvals_core::ledger::{Entry, LogEvent, Rule};
use approvals_core::lifecycle::{Event, Reviewed};
use approvals_core::review::{Evidence, Statement};
use approvals_core::{Assurance, Vote};

use super::super::support::forge::Forger;
use super::super::support::history::History;
use super::super::support::signing::{Signer, nonce};
use super::super::{check, found};

/// The vote that a record holds.
fn vote(forger: &mut Forger, place: usize) -> &mut Reviewed {
    match forger.event(place) {
        Event::Reviewed(vote) => vote,
        other => panic!("{other:?} is no vote"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_forged_vote_is_found_by_its_signature() {
    let history = History::honest().await;
    let (one, two) = (history.request("one"), history.request("two"));
    let recorded = "review.recorded";
    check(&history, "a signature that was changed", |forger| {
        let place = forger.at(one, recorded, 0);
        let proof = &mut vote(forger, place).evidence.proof;
        let signature = proof["signature"].replacen("AAAAQ", "AAAAR", 1);
        proof.insert("signature".to_owned(), signature);
        (Rule::Signature, place)
    });
    check(&history, "no signature", |forger| {
        let place = forger.at(one, recorded, 0);
        vote(forger, place).evidence.proof.remove("signature");
        (Rule::Signature, place)
    });
    check(
        &history,
        "the right signature of another decision",
        |forger| {
            let (from, to) = (forger.at(two, recorded, 0), forger.at(one, recorded, 0));
            let evidence = vote(forger, from).evidence.clone();
            vote(forger, to).evidence = evidence;
            (Rule::Statement, to)
        },
    );
    check(&history, "a denial turned into an approval", |forger| {
        let place = forger.at(history.request("denied"), recorded, 0);
        vote(forger, place).vote = Vote::Approve;
        (Rule::Statement, place)
    });
    check(&history, "another reason", |forger| {
        let place = forger.at(history.request("denied"), recorded, 0);
        vote(forger, place).reason = None;
        (Rule::Statement, place)
    });
    check(&history, "somebody else's vote", |forger| {
        let place = forger.at(one, recorded, 0);
        vote(forger, place).person = "u_2".parse().unwrap();
        (Rule::Statement, place)
    });
    check(
        &history,
        "the evidence says more than was signed",
        |forger| {
            let place = forger.at(one, recorded, 0);
            let proof = &mut vote(forger, place).evidence.proof;
            proof.insert("extra".to_owned(), "seen by the CISO".to_owned());
            (Rule::Signature, place)
        },
    );
    check(
        &history,
        "a channel's word in the place of a signature",
        |forger| {
            let place = forger.at(one, recorded, 0);
            vote(forger, place).evidence = Evidence::new("slack");
            (Rule::Assurance, place)
        },
    );
    check(&history, "a word that nobody can repeat", |forger| {
        let place = forger.at(history.request("chat"), recorded, 0);
        vote(forger, place).assurance = Assurance::A2;
        (Rule::Assurance, place)
    });
}

#[tokio::test(start_paused = true)]
async fn a_forged_vote_by_passkey_is_found_part_by_part() {
    let history = History::honest().await;
    let denied = history.request("denied");
    let place = |forger: &Forger| forger.at(denied, "review.recorded", 0);
    let parts = [
        ("client_data", "approvals.example", "approvals.exampl3"),
        ("client_data", "webauthn.get", "webauthn.create"),
        ("client_data", "\"challenge\":\"", "\"challenge\":\"A"),
        ("statement", "\"deny\"", "\"approve\""),
        ("site", "approvals", "appr0vals"),
        ("key", "pQECAyYgASFYI", "pQECAyYgASFYJ"),
        ("authenticator_data", "FAAAAAQ", "EAAAAAQ"),
        ("authenticator_data", "FAAAAAQ", "FAAAAAg"),
        ("signature", "ME", "MF"),
    ];
    for (part, from, to) in parts {
        check(&history, part, |forger| {
            let place = place(forger);
            let proof = &mut vote(forger, place).evidence.proof;
            let changed = proof[part].replacen(from, to, 1);
            assert_ne!(changed, proof[part], "{part} has no `{from}`");
            proof.insert(part.to_owned(), changed);
            (Rule::Signature, place)
        });
    }
    check(&history, "an approval by a signed denial", |forger| {
        let place = place(forger);
        vote(forger, place).vote = Vote::Approve;
        (Rule::Statement, place)
    });
    check(&history, "the passkey of somebody else", |forger| {
        let place = place(forger);
        let account = history.cast.keys["u_2"].identity().to_string();
        vote(forger, place).identity = account;
        (Rule::Identity, place)
    });
}

/// The owner signs with a key of their own, as if it were `u_1`'s.
fn sign_as(forger: &mut Forger, place: usize, key: &Signer) {
    let request = forger.records[place].request().unwrap();
    let at = forger.records[place].at;
    let vote = vote(forger, place);
    let parse =
        |name: &str| vote.evidence.proof["statement"].split(name).nth(1).unwrap()[3..74].to_owned();
    let policy = parse("\"policy").parse().unwrap();
    let decided = (request, vote.digest, policy, vote.vote);
    let until = at.after(Duration::from_secs(60));
    let statement = Statement::new(decided, vote.person.clone(), None, nonce(), until);
    vote.evidence = key.evidence(&statement);
}

#[tokio::test(start_paused = true)]
async fn another_key_is_found_by_its_link_and_a_forged_link_by_the_auditors_own_people() {
    let history = History::honest().await;
    let one = history.request("one");
    let key = Signer::new();
    check(&history, "another key behind the same account", |forger| {
        let place = forger.at(one, "review.recorded", 0);
        sign_as(forger, place, &key);
        (Rule::Identity, place)
    });
    check(
        &history,
        "another account that is linked to nobody",
        |forger| {
            let place = forger.at(one, "review.recorded", 0);
            sign_as(forger, place, &key);
            vote(forger, place).identity = key.identity().to_string();
            (Rule::Identity, place)
        },
    );
    check(&history, "a link behind the vote", |forger| {
        let link = forger.log_at("identity.linked", 0);
        let link = forger.records.remove(link);
        let place = forger.at(one, "review.recorded", 0);
        forger.records.insert(place + 1, link);
        (Rule::Identity, place)
    });
    // Whoever holds the key can write a link, too; the log alone cannot tell. An auditor who knows
    // whose keys are whose can.
    let linked = |forger: &mut Forger| {
        let place = forger.at(one, "review.recorded", 0);
        sign_as(forger, place, &key);
        vote(forger, place).identity = key.identity().to_string();
        let link = LogEvent::IdentityLinked {
            person: "u_1".parse().unwrap(),
            identity: key.identity().to_string(),
        };
        forger.insert(place, Entry::Log(link));
        place
    };
    let mut forger = history.forger();
    linked(&mut forger);
    let report = super::super::read(history.auditor(), &forger.seal());
    assert!(
        report.passed(),
        "it is a lie at the time of writing: {:#?}",
        report.findings
    );
    assert!(
        report
            .links
            .iter()
            .any(|link| link.identity == key.identity().to_string())
    );
    let people = history.cast.people();
    found(
        &history,
        history.auditor().people(&people),
        "a forged link",
        |forger| (Rule::People, linked(forger)),
    );
}

/// Puts the vote of somebody who sits in a chat behind another vote.
fn add_vote(forger: &mut Forger, place: usize, person: &str, account: &str) -> usize {
    let mut new = vote(forger, place).clone();
    new.person = person.parse().unwrap();
    new.identity = format!("slack:T1:{account}");
    new.assurance = Assurance::A1;
    new.evidence = Evidence::new("slack");
    new.vote = Vote::Approve;
    new.reason = None;
    let request = forger.records[place].request().unwrap();
    let link = LogEvent::IdentityLinked {
        person: new.person.clone(),
        identity: new.identity.clone(),
    };
    forger.insert(place + 1, Entry::Log(link));
    forger.insert(
        place + 2,
        Entry::Request(request, Event::Reviewed(Box::new(new))),
    );
    // Behind a vote nothing but its own consequences may stand.
    let at = forger.records[place].at;
    for added in &mut forger.records[place + 1..=place + 2] {
        added.at = at;
    }
    place + 2
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_vote_is_found() {
    let history = History::honest().await;
    let open = history.request("open");
    check(&history, "the sponsor approves", |forger| {
        let place = forger.at(open, "review.recorded", 0);
        (
            Rule::SelfApproval,
            add_vote(forger, place, "u_alice", "u_alice"),
        )
    });
    check(&history, "the owner approves", |forger| {
        let place = forger.at(open, "review.recorded", 0);
        (
            Rule::SelfApproval,
            add_vote(forger, place, "u_olga", "u_olga"),
        )
    });
    check(&history, "the same person by a second account", |forger| {
        let place = forger.at(open, "review.recorded", 0);
        (Rule::Duplicate, add_vote(forger, place, "u_1", "u_1"))
    });
    check(&history, "two people by one account", |forger| {
        let place = forger.at(history.request("chat"), "review.recorded", 0);
        // The quorum is one: take the approval away, so that a second vote can come.
        forger.records.drain(place + 1..place + 4);
        (Rule::Duplicate, add_vote(forger, place, "u_5", "u_4"))
    });
    check(&history, "somebody of no group", |forger| {
        let place = forger.at(open, "review.recorded", 0);
        let place = add_vote(forger, place, "u_eve", "u_eve");
        vote(forger, place).groups.clear();
        (Rule::Eligibility, place)
    });
    check(&history, "too weak a proof", |forger| {
        let place = forger.at(history.request("two"), "review.recorded", 0);
        (Rule::Assurance, add_vote(forger, place, "u_4", "u_4"))
    });
    check(&history, "a vote on another action", |forger| {
        let place = forger.at(open, "review.recorded", 0);
        let place = add_vote(forger, place, "u_4", "u_4");
        let one = forger.at(history.request("one"), "review.recorded", 0);
        let digest = vote(forger, one).digest;
        vote(forger, place).digest = digest;
        (Rule::Digest, place)
    });
    check(
        &history,
        "a vote after the request was withdrawn",
        |forger| {
            let from = forger.at(open, "review.recorded", 0);
            let mut late = forger.records[from].clone();
            let place = forger.at(history.request("withdrawn"), "request.cancelled", 0);
            let Entry::Request(request, _) = &mut late.entry else {
                unreachable!()
            };
            *request = history.request("withdrawn");
            late.at = forger.records[place].at;
            forger.records.insert(place + 1, late);
            (Rule::Lifecycle, place + 1)
        },
    );
}

#[tokio::test(start_paused = true)]
async fn a_quorum_that_was_not_met_is_found() {
    let history = History::honest().await;
    let (one, two) = (history.request("one"), history.request("two"));
    check(&history, "one vote of two is gone", |forger| {
        let place = forger.at(two, "review.recorded", 1);
        forger.records.remove(place);
        (Rule::Quorum, place)
    });
    check(&history, "no vote at all", |forger| {
        let place = forger.at(one, "review.recorded", 0);
        forger.records.remove(place);
        (Rule::Quorum, place)
    });
    check(&history, "approved by somebody else", |forger| {
        let place = forger.at(one, "request.approved", 0);
        let Event::Approved(approved) = forger.event(place) else {
            unreachable!()
        };
        approved.by = vec!["u_2".parse().unwrap()];
        (Rule::Quorum, place)
    });
    check(&history, "the approval itself is gone", |forger| {
        let place = forger.at(one, "request.approved", 0);
        forger.records.remove(place);
        (Rule::Quorum, place)
    });
    check(&history, "used without an approval", |forger| {
        let used = forger.at(history.request("later"), "permit.consumed", 0);
        let mut used = forger.records[used].clone();
        let open = history.request("open");
        let digest = forger.event(forger.at(open, "review.recorded", 0)).clone();
        let Event::Reviewed(digest) = digest else {
            unreachable!()
        };
        let Entry::Request(request, Event::Consumed(consumed)) = &mut used.entry else {
            unreachable!()
        };
        (*request, consumed.digest) = (open, digest.digest);
        forger.records.push(used);
        (Rule::Quorum, forger.records.len() - 1)
    });
    check(&history, "a denial that ends nothing", |forger| {
        let place = forger.at(history.request("denied"), "request.denied", 0);
        forger.records.remove(place);
        (Rule::Denial, place - 1)
    });
    check(&history, "a denial that nobody gave", |forger| {
        let denied = forger.at(history.request("denied"), "request.denied", 0);
        let mut denied = forger.records[denied].clone();
        let place = forger.at(one, "permit.consumed", 0);
        let Entry::Request(request, _) = &mut denied.entry else {
            unreachable!()
        };
        *request = one;
        denied.at = forger.records[place].at;
        forger.records.insert(place, denied);
        (Rule::Denial, place)
    });
}

#[tokio::test(start_paused = true)]
async fn one_approval_runs_once_in_the_log_too() {
    let history = History::honest().await;
    let one = history.request("one");
    let again = |forger: &mut Forger, kind: &str, behind: &str| {
        let (from, to) = (forger.at(one, kind, 0), forger.at(one, behind, 0));
        let copy = forger.records[from].clone();
        forger.records.insert(to + 1, copy);
        to + 1
    };
    check(&history, "used twice at once", |forger| {
        (
            Rule::SingleUse,
            again(forger, "permit.consumed", "permit.consumed"),
        )
    });
    check(&history, "used again when it had ended", |forger| {
        (
            Rule::SingleUse,
            again(forger, "permit.consumed", "outcome.succeeded"),
        )
    });
    check(&history, "asked twice", |forger| {
        (
            Rule::SingleUse,
            again(forger, "request.created", "request.created"),
        )
    });
    check(&history, "asked again when it had ended", |forger| {
        (
            Rule::SingleUse,
            again(forger, "request.created", "outcome.succeeded"),
        )
    });
    check(&history, "ended twice", |forger| {
        (
            Rule::Lifecycle,
            again(forger, "outcome.succeeded", "outcome.succeeded"),
        )
    });
    check(&history, "another action ran", |forger| {
        let other = forger.at(history.request("later"), "permit.consumed", 0);
        let Event::Consumed(other) = forger.event(other).clone() else {
            unreachable!()
        };
        let place = forger.at(one, "permit.consumed", 0);
        let Event::Consumed(consumed) = forger.event(place) else {
            unreachable!()
        };
        consumed.digest = other.digest;
        (Rule::Digest, place)
    });
    check(&history, "used after it was withdrawn", |forger| {
        let from = forger.at(one, "permit.consumed", 0);
        let mut used = forger.records[from].clone();
        let withdrawn = history.request("withdrawn");
        let place = forger.at(withdrawn, "request.cancelled", 0) + 1;
        let Entry::Request(request, _) = &mut used.entry else {
            unreachable!()
        };
        *request = withdrawn;
        used.at = forger.records[place].at;
        forger.records.insert(place, used);
        (Rule::Lifecycle, place)
    });
}

#[tokio::test(start_paused = true)]
async fn what_came_too_late_is_found() {
    let history = History::honest().await;
    let minutes = |forger: &Forger, place: usize, minutes: u64| {
        forger.records[place]
            .at
            .after(Duration::from_secs(60 * minutes))
    };
    check(&history, "a vote after the deadline", |forger| {
        // The request never expires; instead, somebody approves it at the end of the log.
        let open = history.request("open");
        let asked = forger.at(open, "request.created", 0);
        let place = forger.at(open, "review.recorded", 0);
        forger.records[place].at = minutes(forger, asked, 15);
        (Rule::Late, place)
    });
    check(
        &history,
        "a vote after what was signed had run out",
        |forger| {
            let place = forger.at(history.request("open"), "review.recorded", 0);
            forger.records[place].at = minutes(forger, place, 6);
            (Rule::Late, place)
        },
    );
    check(&history, "an approval used after its time", |forger| {
        let unused = history.request("unused");
        let expired = forger.at(unused, "request.expired", 0);
        let used = forger.at(history.request("one"), "permit.consumed", 0);
        let Event::Consumed(mut consumed) = forger.event(used).clone() else {
            unreachable!()
        };
        let vote = forger.at(unused, "review.recorded", 0);
        consumed.digest = self::vote(forger, vote).digest;
        forger.records[expired].entry = Entry::Request(unused, Event::Consumed(consumed));
        (Rule::Late, expired)
    });
    check(&history, "more time to use it", |forger| {
        let place = forger.at(history.request("unused"), "request.approved", 0);
        let until = minutes(forger, place, 60);
        let Event::Approved(approved) = forger.event(place) else {
            unreachable!()
        };
        approved.until = until;
        (Rule::Deadline, place)
    });
    check(&history, "an end before its time", |forger| {
        let place = forger.at(history.request("expired"), "request.expired", 0);
        let before = forger.at(history.request("unused"), "request.created", 0);
        let mut expired = forger.records.remove(place);
        expired.at = forger.records[before].at;
        forger.records.insert(before, expired);
        (Rule::Deadline, before)
    });
    check(&history, "withdrawn after its time", |forger| {
        let place = forger.at(history.request("expired"), "request.expired", 0);
        *forger.event(place) = Event::Cancelled;
        (Rule::Deadline, place)
    });
}
