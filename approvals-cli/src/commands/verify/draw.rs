//! A report for people: one line for each thing there is to say.

use approvals_core::Untrusted;
use approvals_core::ledger::{Anchored, Erased, KeyEnd, Recovered, Report, Signer, Verdict};
use approvals_core::text::minute;

/// What it is about, and what is said of it.
pub(super) type Line = (&'static str, String);

pub(super) fn text(
    report: &Report,
    more: impl Iterator<Item = Line>,
    key_from_outside: bool,
    cannot: &str,
    passed: bool,
) -> String {
    let mut lines = checks(report);
    lines.extend(signers(report));
    lines.extend(reach(report));
    lines.extend(counts(report));
    lines.extend(details(report));
    lines.extend(more);
    lines.extend(key(key_from_outside));
    lines.push(("cannot show", cannot.to_owned()));
    lines.push(result(passed));
    page(&lines)
}

/// A report about receipts, when no log was read.
pub(super) fn receipts(
    log: &str,
    receipts: Vec<Line>,
    key_from_outside: bool,
    passed: bool,
) -> String {
    let mut lines = vec![("log", log.to_owned())];
    lines.extend(receipts);
    lines.extend(key(key_from_outside));
    let unread = "that the log still has these records; name it with --store or --tiles";
    lines.push(("cannot show", unread.to_owned()));
    lines.push(result(passed));
    page(&lines)
}

fn key(from_outside: bool) -> Option<Line> {
    let advice = "from the state directory; pass your own copy with --vkey to prove more";
    (!from_outside).then(|| ("key", advice.to_owned()))
}

fn result(passed: bool) -> Line {
    let result = match passed {
        true => "PASS",
        false => "FAIL (AuditTampered)",
    };
    ("result", result.to_owned())
}

fn page(lines: &[Line]) -> String {
    lines
        .iter()
        .map(|(name, value)| format!("{name:<14} {}\n", Untrusted::new(value)))
        .collect()
}

fn checks(report: &Report) -> Vec<Line> {
    let verdict = |verdict| match verdict {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Fail => "FAIL".to_owned(),
    };
    let (records, asked) = (report.records, report.requests.asked);
    vec![
        ("log", report.log.clone()),
        ("records", format!("{records} about {asked} requests")),
        ("genesis", report.genesis.clone().unwrap_or_default()),
        ("head", format!("{records}:{}", report.root)),
        ("integrity", verdict(report.integrity)),
        ("completeness", verdict(report.completeness)),
        ("authority", verdict(report.authority)),
        ("keys", verdict(report.keys)),
        ("disclosures", verdict(report.disclosures)),
    ]
}

/// Which keys signed which records, once there is more than one.
fn signers(report: &Report) -> Vec<Line> {
    if report.signers.len() < 2 {
        return Vec::new();
    }
    let line = |signer: &Signer| {
        let (from, to) = (signer.records.from, signer.records.to);
        let ended = match signer.end {
            Some(KeyEnd::Rotated { at }) => format!(", handed over in record {at}"),
            Some(KeyEnd::Revoked { at, last_good_size }) => {
                format!(", revoked in record {at}: counts up to size {last_good_size}")
            }
            Some(KeyEnd::Void { at }) => format!(", never counted, by record {at}"),
            _ => ", in force".to_owned(),
        };
        (
            "signed by",
            format!("{}: records {from} to {to}{ended}", signer.vkey),
        )
    };
    report.signers.iter().map(line).collect()
}

/// How far heads known outside reach.
fn reach(report: &Report) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(anchored) = &report.anchored {
        lines.push(("anchored", reached(anchored)));
    }
    let less = |witnessed: &&Anchored| report.anchored.as_ref() != Some(*witnessed);
    if let Some(witnessed) = report.witnessed.as_ref().filter(less) {
        lines.push(("witnessed", reached(witnessed)));
    }
    if let Some(range) = report.unanchored {
        let message = format!(
            "records {} to {}: these rest on the log's own key",
            range.from, range.to
        );
        lines.push(("unanchored", message));
    }
    lines
}

fn reached(head: &Anchored) -> String {
    let (size, at) = (head.size, minute(head.at));
    match head.by.as_slice() {
        [] => format!("to size {size}, of {at} UTC: a head kept outside covers these"),
        by => format!("to size {size} at {at} UTC: cosigned by {}", by.join(", ")),
    }
}

/// Where somebody set the head pin by hand, and what that says.
fn recovered(recovered: &Recovered) -> Line {
    let (seq, at) = (recovered.seq, minute(recovered.at));
    let says = match recovered.pinned {
        None => "it held no head of this log before".to_owned(),
        Some(pinned) if pinned > seq => format!(
            "it covered {pinned} records before and {seq} were here: the last {} were lost",
            pinned - seq
        ),
        Some(pinned) => format!("it covered {pinned} records of another history before"),
    };
    (
        "recovered",
        format!("record {seq}, {at} UTC: the head pin was set by hand; {says}"),
    )
}

/// How many requests and votes there are, and what they rest on.
fn counts(report: &Report) -> Vec<Line> {
    let (requests, reviews) = (report.requests, report.reviews);
    let mut lines = Vec::new();
    if let Some(at) = report.as_of {
        lines.push(("as of", format!("{at}: what was known then")));
    }
    let approved = format!(
        "{} by people, {} by a rule; {} used",
        requests.approved, requests.auto_approved, requests.used
    );
    lines.push(("approved", approved));
    let ended = format!(
        "{} denied, {} expired, {} withdrawn; {} open",
        requests.denied, requests.expired, requests.cancelled, requests.open
    );
    lines.push(("others", ended));
    let votes = format!(
        "{} signed by the person's own key, {} asserted by a channel",
        reviews.signed, reviews.asserted
    );
    lines.push(("votes", votes));
    if report.undisclosed > 0 {
        let message = format!(
            "{} requests: the rules on record were believed, because they look at values that are not here",
            report.undisclosed
        );
        lines.push(("undisclosed", message));
    }
    lines
}

fn details(report: &Report) -> Vec<Line> {
    let erased = |erased: &Erased| {
        let message = format!(
            "record {}: {} values of {}, under authority of {}",
            erased.seq, erased.commitments, erased.request, erased.authority
        );
        ("erased", message)
    };
    let mut lines: Vec<Line> = report.recovered.iter().map(recovered).collect();
    if report.unjudged > 0 {
        let message = format!(
            "{} heads on record: name whose word counts with --require-witness",
            report.unjudged
        );
        lines.push(("not judged", message));
    }
    lines.extend(report.erased.iter().map(erased));
    for request in &report.in_doubt {
        let message = format!("{request} may have run; no outcome is on record");
        lines.push(("in doubt", message));
    }
    for request in &report.unreviewed {
        let message = format!("{request} broke the glass; nobody has reviewed it");
        lines.push(("open", message));
    }
    for (kind, count) in &report.unknown_kinds {
        lines.push(("unknown kind", format!("{kind} ({count} records)")));
    }
    lines.extend(report.findings.iter().map(|f| ("found", f.to_string())));
    if report.more_findings > 0 {
        lines.push(("found", format!("{} more", report.more_findings)));
    }
    lines
}
