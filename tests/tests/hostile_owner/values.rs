//! Values behind commitments: with them, policies are asked again; without, the record is believed
//! about what looks at them, and that is counted.

use std::collections::BTreeMap;

use approvals_core::ledger::{Disclosures, Kept, Report, Rule, Verdict};
use approvals_core::lifecycle::Event;
use approvals_core::sealed::Disclosure;
use approvals_core::{RequestId, Vote};

use super::super::read;
use super::super::support::forge::{Forger, Sealed};
use super::super::support::history::{Cast, History, asks, query, rules, uses};

/// Values that somebody keeps, open or not.
#[derive(Default)]
struct Shelf {
    open: BTreeMap<RequestId, Vec<Disclosure>>,
    has_key: bool,
}

impl Shelf {
    fn of(history: &History) -> Self {
        Self {
            open: history.values(),
            has_key: true,
        }
    }
}

impl Disclosures for Shelf {
    fn of(&mut self, request: RequestId) -> Option<Kept> {
        let values = self.open.get(&request).cloned().unwrap_or_default();
        let mut kept = Kept::default();
        if self.has_key {
            kept.open = values;
        } else {
            kept.closed = values.into_iter().map(|value| value.commitment).collect();
        }
        Some(kept)
    }
}

fn read_with(history: &History, log: &Sealed, mut shelf: Shelf) -> Report {
    let mut verifier = history.auditor();
    for record in &log.records {
        verifier.push_with(record, &mut shelf);
    }
    verifier.finish(Some(&log.note))
}

#[track_caller]
fn stands(report: &Report, what: &str, rule: Rule, place: usize) {
    let seq = Some(place as u64);
    let mut findings = report.findings.iter();
    let found = findings.any(|finding| (finding.rule, finding.seq) == (rule, seq));
    assert!(
        found,
        "{what}: no {rule} at {seq:?} in {:#?}",
        report.findings
    );
    assert!(!report.passed(), "{what}");
}

#[tokio::test(start_paused = true)]
async fn with_values_nothing_rests_on_the_record() {
    let history = History::honest().await;
    let log = history.sealed();
    let report = read_with(&history, &log, Shelf::of(&history));
    assert!(report.passed(), "{:#?}", report.findings);
    assert_eq!(report.undisclosed, 0);
    let mut closed = Shelf::of(&history);
    closed.has_key = false;
    let report = read_with(&history, &log, closed);
    assert!(report.passed(), "{:#?}", report.findings);
    assert_eq!(
        report.undisclosed, 2,
        "both reads are let through by what they read"
    );
}

/// An honest log with a read of a table that people must allow, and how its owner says that a rule
/// let it through.
async fn read_of_users() -> (History, impl Fn(&mut Forger) -> usize) {
    let cast = Cast::new(&rules(1, 1));
    let gate = cast.house.open().await;
    let table = || query("users".to_owned());
    let request = asks(&gate, "users", table()).await;
    cast.signs(&gate, "u_1", request, Vote::Approve).await;
    uses(&gate, "users", table()).await;
    let history = History::of(cast, &gate, [("users", request)].into()).await;
    let forge = move |forger: &mut Forger| {
        let place = forger.at(request, "request.created", 0);
        let Event::Created(created) = forger.event(place) else {
            unreachable!()
        };
        created.requirement = None;
        created.policy.rules = vec!["reads".parse().unwrap()];
        let vote = forger.at(request, "review.recorded", 0);
        forger.records.remove(vote);
        let approved = forger.at(request, "request.approved", 0);
        let asked_at = forger.records[place].at;
        let Event::Approved(mut approval) = forger.event(approved).clone() else {
            unreachable!()
        };
        approval.by.clear();
        approval.until = asked_at.after(std::time::Duration::from_secs(900));
        *forger.event(approved) = Event::AutoApproved(approval);
        for record in &mut forger.records[place..] {
            record.at = asked_at;
        }
        place
    };
    (history, forge)
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_did_not_hold_is_found_by_whoever_has_the_value() {
    let (history, forge) = read_of_users().await;
    let mut forger = history.forger();
    let place = forge(&mut forger);
    let log = forger.seal();
    let report = read_with(&history, &log, Shelf::of(&history));
    stands(&report, "a read of another table", Rule::Policy, place);
    // Without the value the record is believed about this one rule, and it is said so.
    let report = read(history.auditor(), &log);
    assert!(report.passed(), "{:#?}", report.findings);
    assert_eq!(report.undisclosed, 1);
    // It is not believed about any other: no rule of this name, no such policy.
    let Event::Created(created) = forger.event(place) else {
        unreachable!()
    };
    created.policy.rules = vec!["two".parse().unwrap()];
    let report = read(history.auditor(), &forger.seal());
    stands(&report, "another rule", Rule::Policy, place);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_gone_or_another_one_is_found() {
    let history = History::honest().await;
    let (log, forger) = (history.sealed(), history.forger());
    let one = history.request("one");
    let asked = forger.at(one, "request.created", 0);
    let check = |what: &str, rule: Rule, place: usize, edit: &dyn Fn(&mut Vec<Disclosure>)| {
        let mut shelf = Shelf::of(&history);
        edit(shelf.open.get_mut(&one).unwrap());
        let report = read_with(&history, &log, shelf);
        assert_eq!(report.disclosures, Verdict::Fail, "{what}");
        stands(&report, what, rule, place);
    };
    check("one value", Rule::Missing, asked, &|values| {
        drop(values.remove(0))
    });
    check("every value", Rule::Missing, asked, &Vec::clear);
    check("another text", Rule::False, asked, &|values| {
        values[0].text = values[1].text.clone();
    });
    check("no disclosure", Rule::False, asked, &|values| {
        values[0].text = "approved by the CISO".to_owned();
    });
    // The reason of a decision is missed where the decision stands.
    let denied = history.request("denied");
    let place = forger.at(denied, "review.recorded", 0);
    let mut shelf = Shelf::of(&history);
    shelf.open.get_mut(&denied).unwrap().pop();
    let report = read_with(&history, &log, shelf);
    stands(&report, "a reason", Rule::Missing, place);
    // And a value that was bound under another name opens nothing.
    let mut shelf = Shelf::of(&history);
    let values = shelf.open.get_mut(&one).unwrap();
    let (first, second) = (values[0].clone(), values[1].clone());
    let mut forger = history.forger();
    let Event::Created(created) = forger.event(asked) else {
        unreachable!()
    };
    for param in &mut created.action.params {
        param.sd = match param.sd == first.commitment {
            true => second.commitment.clone(),
            false => first.commitment.clone(),
        };
    }
    let report = read_with(&history, &forger.seal(), shelf);
    stands(&report, "another name", Rule::False, asked);
}
