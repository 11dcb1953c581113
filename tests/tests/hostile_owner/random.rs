//! Honest histories at random, and one forged edit at random: what the log says of itself cannot be
//! changed without a trace.

use std::collections::BTreeMap;
use std::time::Duration;

use approvals_core::ledger::{AuditRecord, Entry, StoredRecord};
use approvals_core::lifecycle::Event;
use approvals_core::{ApprovalError, Gate, RequestId, Vote};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use super::super::support::forge::{Forger, Sealed};
use super::super::support::history::{Cast, History, agent, drop_it, query, refund, rules};
use super::super::support::house::origin;
use super::super::{changed, read};

/// What somebody does next.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Asks for a refund, a drop, a read of metrics, or a read of something else.
    Ask(u8),
    /// Somebody signs, or clicks in a chat: yes or no.
    Vote {
        who: u8,
        yes: bool,
        which: u8,
    },
    /// The call is made again: its approval is used, if it has one.
    Use(u8),
    Withdraw(u8),
    /// So many minutes pass.
    Wait(u8),
    /// The process starts again, perhaps under a newer policy.
    Restart {
        newer: bool,
    },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..4_u8).prop_map(Act::Ask),
        6 => (0..6_u8, prop::bool::weighted(0.8), any::<u8>())
            .prop_map(|(who, yes, which)| Act::Vote { who, yes, which }),
        4 => any::<u8>().prop_map(Act::Use),
        1 => any::<u8>().prop_map(Act::Withdraw),
        2 => (1..20_u8).prop_map(Act::Wait),
        1 => any::<bool>().prop_map(|newer| Act::Restart { newer }),
    ]
}

/// What one run asks for: always the same, so that the same call comes back to it.
async fn call(gate: &Gate, kind: u8, run: usize, patience: u64) -> Result<(), ApprovalError> {
    let agent = agent(&format!("run {run}")).wait(Duration::from_millis(patience));
    match kind {
        0 => gate.enter(agent, refund(format!("order {run}"), 1)).await,
        1 => gate.enter(agent, drop_it(format!("table {run}"))).await,
        2 => gate.enter(agent, query("metrics".to_owned())).await,
        _ => gate.enter(agent, query(format!("table {run}"))).await,
    }
}

/// Plays through the real gate; whatever people try, the gate decides.
async fn play(acts: &[Act]) -> History {
    let cast = Cast::new(&rules(1, 1));
    let (mut version, mut house) = (1, cast.house.clone());
    let mut gate = house.open().await;
    let mut runs: Vec<(u8, Option<RequestId>)> = Vec::new();
    for act in acts {
        match *act {
            Act::Ask(kind) => {
                let answer = call(&gate, kind, runs.len(), 1).await;
                runs.push((kind, answer.err().and_then(|error| error.request())));
            }
            Act::Vote { who, yes, which } => {
                let Some(request) = pick(&runs, which).and_then(|run| runs[run].1) else {
                    continue;
                };
                let vote = if yes { Vote::Approve } else { Vote::Deny };
                let card = gate.card(request).await.unwrap();
                let person = ["u_1", "u_2", "u_3", "u_alice", "u_4", "u_5"][usize::from(who)];
                let review = match cast.keys.get(person) {
                    Some(key) => key.review(person, &card, vote, None, gate.now()),
                    None => Cast::click(person, &card, vote),
                };
                // Many of these are refused, and that is on record.
                let _ = gate.review(review).await;
            }
            Act::Use(which) => {
                let Some(run) = pick(&runs, which) else {
                    continue;
                };
                let _ = call(&gate, runs[run].0, run, 1).await;
            }
            Act::Withdraw(which) => {
                let Some(request) = pick(&runs, which).and_then(|run| runs[run].1) else {
                    continue;
                };
                let _ = gate.cancel(request).await;
            }
            Act::Wait(minutes) => {
                tokio::time::sleep(Duration::from_secs(60 * u64::from(minutes))).await
            }
            Act::Restart { newer } => {
                if newer {
                    version += 1;
                    let refunds = 1 + u8::try_from(version % 2).unwrap();
                    house = house.policy(rules(version, refunds));
                }
                drop(gate);
                gate = house.open().await;
            }
        }
    }
    History::of(cast, &gate, BTreeMap::new()).await
}

fn pick(runs: &[(u8, Option<RequestId>)], which: u8) -> Option<usize> {
    (!runs.is_empty()).then(|| usize::from(which) % runs.len())
}

/// One change to a log by its owner.
#[derive(Debug, Clone)]
enum Edit {
    /// One text, number or truth value in one record is another one.
    Bend(Index, Index, u8),
    Remove(Index),
    Double(Index),
    Swap(Index),
    /// What one vote rests on stands behind another.
    Transplant(Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<Index>;
    prop_oneof![
        6 => (index(), index(), any::<u8>()).prop_map(|(record, leaf, how)| Edit::Bend(record, leaf, how)),
        2 => index().prop_map(Edit::Remove),
        1 => index().prop_map(Edit::Double),
        1 => index().prop_map(Edit::Swap),
        1 => (index(), index()).prop_map(|(from, to)| Edit::Transplant(from, to)),
    ]
}

/// Every text, number and truth value in a record, by its path.
fn leaves(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                leaves(member, &format!("{path}/{name}"), out);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}/{place}"), out);
            }
        }
        _ => out.push(path.to_owned()),
    }
}

/// Another value of the same kind, close to what was there.
fn bend(value: &mut Value, how: u8) {
    *value = match value {
        Value::String(text) => {
            let mut chars: Vec<char> = text.chars().collect();
            let place = usize::from(how) % chars.len().max(1);
            match chars.get_mut(place) {
                Some(c @ ('0'..='8' | 'a'..='y')) => *c = char::from(*c as u8 + 1),
                Some(c) => *c = if *c == 'A' { 'B' } else { 'A' },
                None => chars.push('x'),
            }
            Value::String(chars.into_iter().collect())
        }
        Value::Number(number) => {
            let number = number.as_i64().unwrap();
            Value::from(if how.is_multiple_of(2) {
                number + 1
            } else {
                (number - 1).max(0)
            })
        }
        Value::Bool(flag) => Value::Bool(!*flag),
        _ => return,
    };
}

/// Carries an edit out, and says whether anything but the word of the log's owner is against it;
/// none when there is nothing to carry out.
fn forge(forger: &mut Forger, edit: &Edit) -> Option<Word> {
    let count = forger.records.len();
    match edit {
        Edit::Bend(record, leaf, how) => {
            let place = record.index(count);
            let record = &forger.records[place];
            let mut json: Value =
                serde_json::from_slice(&record.encode(&origin()).unwrap()).unwrap();
            let mut paths = Vec::new();
            leaves(&json, "", &mut paths);
            let path = leaf.get(&paths).clone();
            bend(json.pointer_mut(&path).unwrap(), *how);
            let word = Word::of_leaf(record, &path);
            // What cannot be read is no record at all.
            forger.records[place] =
                AuditRecord::decode(json.to_string().as_bytes(), &origin()).ok()?;
            Some(word)
        }
        Edit::Remove(record) => {
            let record = forger.records.remove(record.index(count));
            Some(Word::of_removing(&record))
        }
        Edit::Double(record) => {
            let place = record.index(count);
            let record = forger.records[place].clone();
            let word = Word::of_doubling(&record);
            forger.records.insert(place, record);
            Some(word)
        }
        Edit::Swap(record) => {
            let place = record.index(count - 1);
            let (one, other) = (&forger.records[place], &forger.records[place + 1]);
            let word = Word::of_swapping(one, other);
            forger.records.swap(place, place + 1);
            Some(word)
        }
        Edit::Transplant(from, to) => {
            let votes: Vec<usize> = (0..count)
                .filter(|place| forger.records[*place].kind() == "review.recorded")
                .collect();
            if votes.len() < 2 {
                return None;
            }
            let (from, to) = (*from.get(&votes), *to.get(&votes));
            let Event::Reviewed(vote) = forger.event(from) else {
                unreachable!()
            };
            let evidence = vote.evidence.clone();
            let Event::Reviewed(vote) = forger.event(to) else {
                unreachable!()
            };
            let signed = [&vote.evidence, &evidence]
                .iter()
                .any(|one| one.method != "slack");
            vote.evidence = evidence;
            Some(Word::owners(!signed))
        }
    }
}

/// Whose word stands against a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// The log itself, or whoever signed.
    Proof,
    /// Only the owner's: a history like it could have been. A head kept outside shows it.
    Owner,
}

impl Word {
    fn owners(owners: bool) -> Self {
        if owners { Self::Owner } else { Self::Proof }
    }

    /// What a record says that nothing else in the log speaks of.
    fn of_leaf(record: &AuditRecord, path: &str) -> Self {
        let kind = record.kind();
        let asserted = matches!(&record.entry, Entry::Request(_, Event::Reviewed(vote)) if vote.evidence.method == "slack");
        // The name of a record, when it was written and by which process; what a directory said of
        // groups; what was refused, delivered, and how it ended; how calls, contents and versions are named.
        let told = [
            "/id",
            "/at",
            "/writer/boot",
            "/decision/groups",
            "/outcome",
            "/notice",
            "/version",
            "/key",
            "/content",
            "/recovery_vkey",
        ];
        let refused = ["review.refused", "permit.refused"].contains(&kind);
        Self::owners(
            told.iter().any(|start| path.starts_with(start))
                || refused
                || (asserted && path.starts_with("/evidence")),
        )
    }

    /// Without this record, the rest is what could have happened.
    fn of_removing(record: &AuditRecord) -> Self {
        let loose = [
            "review.refused",
            "permit.refused",
            "notice.sent",
            "notice.failed",
            "log.opened",
            "outcome.succeeded",
            "outcome.failed",
            "outcome.unknown",
            "permit.consumed",
            "request.expired",
            "request.cancelled",
            "review.recorded",
            "identity.linked",
            // Of the last request, or of nothing.
            "request.created",
            "policy.loaded",
        ];
        Self::owners(loose.contains(&record.kind()))
    }

    /// Whether neither of two neighbours says anything of the other.
    fn of_swapping(one: &AuditRecord, other: &AuditRecord) -> Self {
        let leans = |one: &AuditRecord, other: &AuditRecord| match one.kind() {
            "log.genesis" => true,
            "identity.linked" => false,
            "policy.loaded" => ["request.created", "permit.consumed"].contains(&other.kind()),
            // What was refused, or told to people, changes nothing.
            "review.refused" | "permit.refused" | "notice.sent" | "notice.failed" => false,
            kind => {
                let told = kind != other.kind() && Self::of_doubling(other) == Self::Owner;
                one.request().is_some() && one.request() == other.request() && !told
            }
        };
        // A link is for the vote behind it; in front of one that it is not for, it says nothing more.
        let links = one.kind() == "identity.linked" && other.kind() == "review.recorded";
        // Of two approvals either could have been the first: both count, and the owner says when.
        let approves = |record: &AuditRecord| matches!(&record.entry, Entry::Request(_, Event::Reviewed(vote)) if vote.vote == Vote::Approve);
        let alike = approves(one) && approves(other);
        Self::owners(alike || (!links && !leans(one, other) && !leans(other, one)))
    }

    fn of_doubling(record: &AuditRecord) -> Self {
        let loose = [
            "review.refused",
            "permit.refused",
            "notice.sent",
            "notice.failed",
            "log.opened",
            "identity.linked",
        ];
        Self::owners(loose.contains(&record.kind()))
    }
}

/// The first record that is another one, before and after.
fn differing(history: &History, forged: &Sealed) -> String {
    let place = usize::try_from(changed(history, forged)).unwrap();
    let text = |records: &[StoredRecord]| {
        let bytes = records.get(place).map(|record| record.bytes.clone());
        String::from_utf8(bytes.unwrap_or_default()).unwrap()
    };
    format!(
        "{}\nbecame\n{}",
        text(&history.records),
        text(&forged.records)
    )
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 64, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn an_honest_history_passes_and_a_forged_edit_does_not(
        acts in prop::collection::vec(act(), 10..40),
        edits in prop::collection::vec(edit(), 20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let history = runtime.block_on(play(&acts));
        let log = history.sealed();
        for auditor in [history.auditor(), history.auditor().people(&history.cast.people())] {
            let report = read(auditor, &log);
            prop_assert!(report.passed(), "{:#?}", report.findings);
        }
        for edit in edits {
            let mut forger = history.forger();
            let Some(word) = forge(&mut forger, &edit) else { continue };
            let forged = forger.seal();
            if forged.note == log.note {
                // It says the same, byte for byte.
                continue;
            }
            let report = read(history.auditor(), &forged);
            let what = differing(&history, &forged);
            prop_assert!(word == Word::Owner || !report.passed(), "{edit:?} passes: {what}");
            let known = history.auditor().knowing(history.head());
            let report = read(known, &forged);
            let shorter = changed(&history, &forged) == history.records.len() as u64;
            prop_assert!(shorter || !report.passed(), "{edit:?} passes a head kept outside");
        }
    }
}
