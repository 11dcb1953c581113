//! The log's owner lies: whatever they rebuild with the online key, an auditor who has nothing but
//! the verifier key finds it, and finds where.
//!
//! Threats 56 to 59, and what logs of other approval tools let pass. What no log can show alone
//! (a history that could have been, in the place of the one that was) is shown by a head that
//! somebody kept outside.

mod support;

mod hostile_owner {
    mod decisions;
    mod outside;
    mod policies;
    mod random;
    mod replaced;
    mod values;
}

use approvals_core::ledger::{Report, Rule, Verdict, Verifier};

use support::forge::{Forger, Sealed};
use support::history::History;

/// What the verifier says of a log.
fn read(mut verifier: Verifier, log: &Sealed) -> Report {
    for record in &log.records {
        verifier.push(record);
    }
    verifier.finish(Some(&log.note))
}

/// A change by the owner, which is found by this rule at this record, and by nothing but the
/// meaning of the records: all hashes, links, counts and the signature fit.
#[track_caller]
fn check(history: &History, what: &str, forge: impl FnOnce(&mut Forger) -> (Rule, usize)) {
    found(history, history.auditor(), what, forge);
}

#[track_caller]
fn found(
    history: &History,
    auditor: Verifier,
    what: &str,
    forge: impl FnOnce(&mut Forger) -> (Rule, usize),
) {
    let mut forger = history.forger();
    let (rule, place) = forge(&mut forger);
    let log = forger.seal();
    let report = read(auditor, &log);
    let sound = [report.integrity, report.completeness, report.keys];
    assert_eq!(sound, [Verdict::Pass; 3], "{what}: {:#?}", report.findings);
    assert!(!report.passed(), "{what} passes");
    let seq = u64::try_from(place).unwrap();
    let request = forger.records[place].request();
    let named = report
        .findings
        .iter()
        .any(|finding| (finding.rule, finding.seq, finding.request) == (rule, Some(seq), request));
    assert!(
        named,
        "{what}: no {rule} at {seq}, but {:#?}",
        report.findings
    );
    // Nothing in front of the change is blamed, but for a record that asked for one that is gone.
    let first = report.findings.iter().filter_map(|finding| finding.seq);
    let (first, changed) = (first.min(), changed(history, &log));
    assert!(
        first.map(|first| first + 1) >= Some(changed),
        "{what}: {first:?} is blamed, {changed} was changed"
    );
    outside(history, what, &log);
}

/// The first record that is another one; the length of the log when something was only added.
fn changed(history: &History, log: &Sealed) -> u64 {
    let mut pairs = (0..).zip(history.records.iter().zip(&log.records));
    let other = pairs.find(|(_, (old, new))| old.bytes != new.bytes);
    let shorter = history.records.len().min(log.records.len());
    other.map_or(shorter as u64, |(seq, _)| seq)
}

/// A head that was kept outside shows every change below it.
#[track_caller]
fn outside(history: &History, what: &str, log: &Sealed) {
    let report = read(history.auditor().knowing(history.head()), log);
    let shown = |rule| [Rule::Fork, Rule::Cut].contains(&rule);
    let shown = report.findings.iter().any(|finding| shown(finding.rule));
    let below = changed(history, log) < history.records.len() as u64;
    assert_eq!(
        (shown, report.anchored.is_none()),
        (below, below),
        "{what}: the head kept outside says otherwise"
    );
}

#[tokio::test(start_paused = true)]
async fn an_honest_log_passes_whatever_the_auditor_brings_along() {
    let history = History::honest().await;
    let log = history.sealed();
    assert_eq!(
        history.forger().seal().note,
        log.note,
        "the forger's tools work"
    );
    let people = history.cast.people();
    for auditor in [
        history.auditor(),
        history.auditor().people(&people),
        history.auditor().knowing(history.head()),
        history.auditor().trusting_channels(),
    ] {
        let report = read(auditor, &log);
        assert!(report.passed(), "{:#?}", report.findings);
        let (requests, reviews) = (report.requests, report.reviews);
        assert_eq!((requests.asked, requests.open, requests.used), (12, 1, 6));
        assert_eq!((requests.approved, requests.auto_approved), (5, 2));
        assert_eq!(
            (requests.denied, requests.expired, requests.cancelled),
            (2, 2, 1)
        );
        assert_eq!((reviews.signed, reviews.asserted), (7, 2));
        assert_eq!((report.undisclosed, report.links.len()), (2, 5));
    }
}

#[tokio::test(start_paused = true)]
async fn as_of_tells_what_was_known_then() {
    let history = History::honest().await;
    let log = history.sealed();
    let forger = history.forger();
    let asked = forger.at(history.request("denied"), "request.created", 0);
    let report = read(history.auditor().as_of(forger.records[asked].at), &log);
    assert!(report.passed(), "{:#?}", report.findings);
    assert_eq!((report.records, report.requests.asked), (55, 5));
    assert_eq!((report.requests.open, report.requests.denied), (1, 0));
    // Its integrity is that of the whole log all the same.
    let mut cut = log.clone();
    cut.records.pop();
    let report = read(history.auditor().as_of(forger.records[asked].at), &cut);
    assert_eq!(report.completeness, Verdict::Fail);
}
