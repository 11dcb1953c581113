//! What no log can show alone, and what a head or a key outside of it shows.

use approvals_core::ledger::{LedgerKey, Report, Rule, SignedCheckpoint, Verdict, Verifier};

use super::super::support::forge::Sealed;
use super::super::support::history::History;
use super::super::{outside, read};
use crate::support::house::origin;

fn rules(report: &Report) -> Vec<Rule> {
    report.findings.iter().map(|finding| finding.rule).collect()
}

/// Whether a finding of this rule stands at this record.
#[track_caller]
fn stands(report: &Report, what: &str, rule: Rule, seq: Option<u64>) {
    let mut findings = report.findings.iter();
    let found = findings.any(|finding| (finding.rule, finding.seq) == (rule, seq));
    assert!(
        found,
        "{what}: no {rule} at {seq:?} in {:#?}",
        report.findings
    );
    assert!(!report.passed(), "{what}");
}

/// The log as it was when it had this many records, with the head of that time.
fn backup(history: &History, size: usize) -> Sealed {
    let mut forger = history.forger();
    forger.records.truncate(size);
    forger.seal()
}

#[tokio::test(start_paused = true)]
async fn threat_56_a_cut_tail_is_found_and_the_first_missing_record_named() {
    let history = History::honest().await;
    let size = history.records.len();
    for cut in [1, 2, 10, size - 1] {
        let mut log = history.sealed();
        log.records.truncate(size - cut);
        let report = read(history.auditor(), &log);
        let missing = u64::try_from(size - cut).unwrap();
        stands(&report, "a cut tail", Rule::Cut, Some(missing));
        // Signed anew, it is a whole log; only who knows better sees that it was longer.
        let log = backup(&history, size - cut);
        let report = read(history.auditor(), &log);
        assert_eq!(report.completeness, Verdict::Pass, "{:?}", rules(&report));
        let report = read(history.auditor().knowing(history.head()), &log);
        stands(&report, "a cut tail, signed anew", Rule::Cut, Some(missing));
    }
}

#[tokio::test(start_paused = true)]
async fn threat_57_what_is_rebuilt_without_the_key_is_not_signed() {
    let history = History::honest().await;
    let mut forger = history.forger();
    let place = forger.at(history.request("one"), "outcome.succeeded", 0);
    forger.records.remove(place);
    // Another key signs.
    let log = forger.clone().with_key([8; 32]).seal();
    let report = read(history.auditor(), &log);
    stands(&report, "another key", Rule::HeadSignature, None);
    // The old signature stays.
    let log = Sealed {
        note: history.note.clone(),
        ..forger.seal()
    };
    let report = read(history.auditor(), &log);
    stands(
        &report,
        "the old head",
        Rule::Cut,
        Some(log.records.len() as u64),
    );
    // The old head is about as many records.
    let mut forger = history.forger();
    let copy = forger.records[place].clone();
    forger.records[place + 1] = copy;
    let log = Sealed {
        note: history.note.clone(),
        ..forger.seal()
    };
    let report = read(history.auditor(), &log);
    stands(&report, "the old head over others", Rule::Root, None);
}

#[tokio::test(start_paused = true)]
async fn threat_57_a_rebuilt_tree_differs_from_a_head_outside() {
    let history = History::honest().await;
    // A history that could have been: a request and everything about it never were.
    let mut forger = history.forger();
    let gone = history.request("denied");
    forger
        .records
        .retain(|record| record.request() != Some(gone));
    let log = forger.seal();
    assert!(
        read(history.auditor(), &log).passed(),
        "no log shows this alone"
    );
    outside(&history, "a request is gone", &log);
    // Two requests in another order.
    let mut forger = history.forger();
    let place = forger.at(history.request("expired"), "request.created", 0);
    forger.records.swap(place, place + 1);
    let log = forger.seal();
    outside(&history, "another order", &log);
    // An older head is enough for what is below it, and for nothing above it.
    let early = backup(&history, 20).head();
    let report = read(history.auditor().knowing(early.clone()), &history.sealed());
    assert_eq!(report.anchored.map(|anchored| anchored.size), Some(20));
    let unanchored = report.unanchored.map(|range| (range.from, range.to));
    assert_eq!(unanchored, Some((20, history.records.len() as u64 - 1)));
    let mut forger = history.forger();
    forger.records.remove(10);
    let report = read(history.auditor().knowing(early), &forger.seal());
    stands(&report, "an early head", Rule::Fork, Some(19));
}

#[tokio::test(start_paused = true)]
async fn threat_58_a_restored_backup_is_found_by_a_head_outside() {
    let history = History::honest().await;
    for size in [1, 20, history.records.len() - 1] {
        let log = backup(&history, size);
        let report = read(history.auditor().knowing(history.head()), &log);
        stands(&report, "a backup", Rule::Cut, Some(size as u64));
        assert!(report.anchored.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn threat_59_two_histories_of_one_length_are_a_fork() {
    let history = History::honest().await;
    let mut forger = history.forger();
    let last = forger.records.len() - 1;
    forger.records[last].at = forger.records[last]
        .at
        .after(std::time::Duration::from_secs(1));
    let log = forger.seal();
    assert!(read(history.auditor(), &log).passed());
    let report = read(history.auditor().knowing(history.head()), &log);
    stands(&report, "a fork", Rule::Fork, Some(last as u64));
}

#[tokio::test(start_paused = true)]
async fn swapped_keys_are_found_by_whoever_pinned_the_first() {
    let history = History::honest().await;
    let mut forger = history.forger();
    let key = LedgerKey::from_seed(&[8; 32]).unwrap().vkey(&origin());
    let approvals_core::ledger::Entry::Log(genesis) = &mut forger.records[0].entry else {
        unreachable!()
    };
    let approvals_core::ledger::LogEvent::Genesis { vkey, .. } = genesis else {
        unreachable!()
    };
    *vkey = key.clone();
    let log = forger.with_key([8; 32]).seal();
    assert!(read(Verifier::new(key), &log).passed(), "it fits itself");
    let report = read(history.auditor(), &log);
    stands(&report, "another key", Rule::KeyGenesis, Some(0));
    stands(&report, "another key", Rule::HeadSignature, None);
    assert_eq!(report.keys, Verdict::Fail);
}

#[tokio::test(start_paused = true)]
async fn nothing_unsigned_empty_or_unreadable_passes() {
    let history = History::honest().await;
    let whole = history.sealed();
    let unsigned = |note: Option<&str>| {
        let mut verifier = history.auditor();
        whole
            .records
            .iter()
            .for_each(|record| verifier.push(record));
        verifier.finish(note)
    };
    stands(&unsigned(None), "no head", Rule::Unsigned, None);
    stands(&unsigned(Some("")), "no note", Rule::HeadSignature, None);
    stands(
        &unsigned(Some("signed, honestly")),
        "words",
        Rule::HeadSignature,
        None,
    );
    let body = whole.note.split("\n\n").next().unwrap();
    stands(
        &unsigned(Some(body)),
        "no signature",
        Rule::HeadSignature,
        None,
    );

    let empty = history.forger().seal_bytes(Vec::new());
    stands(
        &read(history.auditor(), &empty),
        "an empty log",
        Rule::Empty,
        None,
    );
    stands(
        &history.auditor().finish(None),
        "nothing",
        Rule::Empty,
        None,
    );

    // A head over fewer records than there are.
    let mut short = backup(&history, 20);
    short.records = whole.records.clone();
    stands(
        &read(history.auditor(), &short),
        "a short head",
        Rule::Unsigned,
        Some(20),
    );

    let note = |text: &str| SignedCheckpoint::parse(text).is_ok();
    assert!(note(&whole.note) && !note("signed, honestly"));
}

#[tokio::test(start_paused = true)]
async fn records_that_do_not_fit_their_place_are_named() {
    let history = History::honest().await;
    let forger = history.forger();
    let bytes = |edit: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut all: Vec<Vec<u8>> = history
            .records
            .iter()
            .map(|one| one.bytes.clone())
            .collect();
        edit(&mut all);
        read(history.auditor(), &forger.seal_bytes(all))
    };
    let swap = |record: &[u8], from: &str, to: &str| {
        let text = String::from_utf8(record.to_vec()).unwrap();
        assert!(text.contains(from), "{text}");
        text.replacen(from, to, 1).into_bytes()
    };
    let removed = bytes(&|all| drop(all.remove(10)));
    stands(&removed, "removed", Rule::Number, Some(10));
    stands(&removed, "removed", Rule::Writer, Some(10));
    let doubled = bytes(&|all| all.insert(10, all[9].clone()));
    stands(&doubled, "doubled", Rule::Number, Some(10));
    stands(&doubled, "doubled", Rule::Writer, Some(10));
    let swapped = bytes(&|all| all.swap(9, 10));
    stands(&swapped, "swapped", Rule::Number, Some(9));
    let later = bytes(&|all| all[9] = swap(&all[9], "\"at\":\"2026", "\"at\":\"2027"));
    stands(&later, "a later time", Rule::Time, Some(10));
    let genesis = bytes(&|all| drop(all.remove(0)));
    stands(&genesis, "no genesis", Rule::Genesis, Some(0));
    let unknown = bytes(&|all| all[8] = swap(&all[8], "outcome.succeeded", "outcome.glorious"));
    stands(&unknown, "a kind nobody knows", Rule::UnknownKind, Some(8));
    assert_eq!(unknown.unknown_kinds["outcome.glorious"], 1);
    let prose = bytes(&|all| all[8] = b"approved by the CISO".to_vec());
    stands(&prose, "no record", Rule::Format, Some(8));
    let other = bytes(&|all| all[8] = swap(&all[8], "test.invalid/house", "test.invalid/other"));
    stands(&other, "a record of another log", Rule::Format, Some(8));
    // What other readers of the log would see, and this one would not.
    for (what, place, from, to) in [
        (
            "an outcome beside an ask",
            3,
            "\"asked_at\"",
            "\"outcome\":{},\"asked_at\"",
        ),
        (
            "another agent",
            3,
            "\"actor\":{\"id\":\"bot\"",
            "\"actor\":{\"id\":\"root\"",
        ),
        (
            "a proof twice",
            5,
            "\"proof\":{",
            "\"proof\":{\"key\":\"x\",",
        ),
        (
            "a kind twice",
            5,
            "\"kind\":",
            "\"kind\":\"request.denied\",\"kind\":",
        ),
        (
            "a member nobody knows",
            5,
            "\"log\":",
            "\"ciso\":\"approves\",\"log\":",
        ),
        (
            "rules that decided nothing",
            2,
            "\"version\":1}",
            "\"version\":1,\"rules\":[\"two\"]}",
        ),
    ] {
        let edited = bytes(&|all| all[place] = swap(&all[place], from, to));
        stands(&edited, what, Rule::Format, Some(place as u64));
    }
    let unlinked = bytes(&|all| all[8] = swap(&all[8], "\"seq\":7", "\"seq\":6"));
    stands(&unlinked, "a pointer elsewhere", Rule::Previous, Some(8));
    // The store says that it gives another record than it does.
    let mut log = history.sealed();
    log.records[5].seq = 6;
    stands(&read(history.auditor(), &log), "a gap", Rule::Gap, Some(5));
    let mut log = history.sealed();
    log.records[5].leaf = log.records[6].leaf;
    stands(
        &read(history.auditor(), &log),
        "another hash",
        Rule::Leaf,
        Some(5),
    );
}
