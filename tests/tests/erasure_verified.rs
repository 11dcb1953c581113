//! An erasure in the hands of the log's owner, who holds the key: what the verifier still finds.

mod support;

use std::collections::HashMap;
use std::time::Duration;

use approvals_core::ledger::{
    AuditRecord, Checkpoint, Disclosures, Entry, Frontier, Kept, Previous, Report, Rule,
    StoredRecord, Verifier, leaf_hash, sign_note,
};
use approvals_core::lifecycle::{Erased, Event};
use approvals_core::ports::Filter;
use approvals_core::sealed::Disclosure;
use approvals_core::{Gate, RequestId, Timestamp, Vote};

use support::house::{House, ledger_key, origin};
use support::people::vote;
use support::{Effects, ask, bot};

/// A log that its owner can change at will: it is numbered, linked and signed anew.
#[derive(Clone)]
struct Owned {
    records: Vec<AuditRecord>,
    values: Values,
    /// The one that was erased, its authority, and two more requests: settled, and open.
    erased: RequestId,
    authority: RequestId,
    settled: RequestId,
    open: RequestId,
}

#[derive(Clone, Default)]
struct Values(HashMap<RequestId, Kept>);

impl Disclosures for Values {
    fn of(&mut self, request: RequestId) -> Option<Kept> {
        Some(self.0.get(&request).cloned().unwrap_or_default())
    }
}

impl Owned {
    async fn honest() -> Self {
        let gate = House::new().open().await;
        let effects = Effects::default();
        let mut requests = Vec::new();
        for run in ["1", "2"] {
            let request = ask(&gate, bot().run(run).rationale("why"), &effects).await;
            vote(&gate, "u_3", request, Vote::Deny).await.unwrap();
            requests.push(request);
        }
        let open = ask(&gate, bot().run("3"), &effects).await;
        let (erased, settled) = (requests[0], requests[1]);
        let authority = erase(&gate, erased).await;
        let mut values = Values::default();
        for row in gate.list(Filter::all()).await.unwrap() {
            values.0.insert(row.id, kept(&gate, row.id).await);
        }
        assert!(values.0[&erased].is_empty() && !values.0[&settled].is_empty());
        Self {
            records: support::records(&gate).await,
            values,
            erased,
            authority,
            settled,
            open,
        }
    }

    fn place(&self, request: RequestId, kind: &str) -> usize {
        let is = |record: &AuditRecord| record.request() == Some(request) && record.kind() == kind;
        self.records.iter().position(is).expect("the record")
    }

    fn take(&mut self, request: RequestId, kind: &str) -> AuditRecord {
        self.records.remove(self.place(request, kind))
    }

    /// Changes what the record of the erasure says.
    fn said(&mut self, change: impl FnOnce(&mut Erased)) {
        let place = self.place(self.erased, "disclosure.erased");
        match &mut self.records[place].entry {
            Entry::Request(_, Event::Erased(erased)) => change(erased),
            other => panic!("{other:?}"),
        }
    }

    /// What was bound in the action of a request, by the name of a parameter.
    fn bound(&self, request: RequestId, name: &str) -> approvals_core::digest::Commitment {
        let place = self.place(request, "request.created");
        let Entry::Request(_, Event::Created(created)) = &self.records[place].entry else {
            panic!("not the making of a request");
        };
        let params = &created.action.params;
        let found = params.iter().find(|param| param.name == name);
        found.expect("the parameter").sd.clone()
    }

    fn report(mut self, as_of: Option<Timestamp>) -> Report {
        let (mut frontier, mut last, mut written) =
            (Frontier::new(), HashMap::new(), HashMap::new());
        let key = ledger_key();
        let mut verifier = Verifier::new(key.vkey(&origin())).trusting_channels();
        if let Some(at) = as_of {
            verifier = verifier.as_of(at);
        }
        let mut at = Timestamp::from_micros(0);
        for record in &mut self.records {
            at = at.max(record.at);
            record.at = at;
            record.seq = frontier.size();
            let n = written.entry(record.writer.boot).or_insert(0);
            record.writer.n = *n;
            *n += 1;
            let request = record.request();
            record.previous = request.and_then(|request| last.get(&request).copied());
            let bytes = record.encode(&origin()).unwrap();
            let leaf = leaf_hash(&bytes);
            if let Some(request) = request {
                last.insert(
                    request,
                    Previous {
                        seq: record.seq,
                        leaf,
                    },
                );
            }
            frontier.push(leaf);
            verifier.push_with(
                &StoredRecord::new(record.seq, leaf, bytes),
                &mut self.values,
            );
        }
        let head = Checkpoint {
            origin: origin(),
            size: frontier.size(),
            root: frontier.root(),
        };
        let (body, vkey) = (head.body(), key.vkey(&origin()));
        let note = sign_note(&body, &origin(), vkey.id(), &key.sign(body.as_bytes()));
        verifier.finish(Some(&note))
    }
}

async fn erase(gate: &Gate, request: RequestId) -> RequestId {
    let asking = gate.erase(bot().wait(Duration::from_secs(60)), request, "case 4711");
    let deciding = async {
        loop {
            let rows = gate.list(Filter::pending()).await.unwrap();
            let erasure = rows
                .iter()
                .find(|row| row.scope.as_str() == "approvals.erase");
            if let Some(row) = erasure {
                for person in ["u_1", "u_2"] {
                    vote(gate, person, row.id, Vote::Approve).await.unwrap();
                }
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::join!(asking, deciding).0.unwrap().authority
}

async fn kept(gate: &Gate, request: RequestId) -> Kept {
    let mut kept = Kept::default();
    kept.open = gate.journal().disclosures(request).await.unwrap();
    kept
}

fn rules(report: &Report) -> Vec<Rule> {
    let mut rules: Vec<Rule> = report.findings.iter().map(|finding| finding.rule).collect();
    rules.sort();
    rules.dedup();
    rules
}

#[tokio::test(start_paused = true)]
async fn an_honest_erasure_passes_and_is_listed() {
    let owned = Owned::honest().await;
    let (erased, authority) = (owned.erased, owned.authority);
    let place = owned.place(erased, "disclosure.erased");
    let before = owned.records[place - 1].at.before(Duration::from_secs(1));
    let report = owned.clone().report(None);
    assert!(report.passed(), "{report:?}");
    let listed = &report.erased[0];
    assert_eq!((listed.request, listed.authority), (erased, authority));
    assert_eq!((report.erased.len(), listed.commitments), (1, 3));
    assert_eq!(usize::try_from(listed.seq).unwrap(), place);
    // Looked at as of a time before it, its values are not there today, and the log says why.
    let report = owned.report(Some(before));
    assert!(report.passed() && report.erased.is_empty(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn every_other_erasure_is_found() {
    let honest = Owned::honest().await;
    type Attack = fn(&mut Owned);
    let attacks: &[(&str, Attack, &[Rule])] = &[
        (
            "values are deleted, and nothing is recorded",
            |log| {
                log.values.0.remove(&log.settled);
            },
            &[Rule::Missing],
        ),
        (
            "one value is deleted",
            |log| {
                let settled = log.settled;
                log.values.0.get_mut(&settled).unwrap().open.pop();
            },
            &[Rule::Missing],
        ),
        (
            "a value is replaced",
            |log| {
                let kept = log.values.0.get_mut(&log.settled).unwrap();
                let other =
                    Disclosure::new("args.table", &approvals_core::canonical::Value::Bool(true));
                kept.open[0].text = other.unwrap().text;
            },
            &[Rule::False],
        ),
        (
            "a value cannot be opened",
            |log| {
                let kept = log.values.0.get_mut(&log.settled).unwrap();
                let one = kept.open.pop().unwrap();
                kept.damaged.push(one.commitment);
            },
            &[Rule::False],
        ),
        (
            "the record of the erasure is taken out",
            |log| {
                log.take(log.erased, "disclosure.erased");
            },
            &[Rule::Missing],
        ),
        (
            "it is recorded, and the values are still there",
            |log| {
                let (erased, settled) = (log.erased, log.settled);
                let values = log.values.0[&settled].clone();
                log.values.0.insert(erased, values);
            },
            &[Rule::NotErased],
        ),
        (
            "it names no commitment",
            |log| log.said(|erased| erased.commitments.clear()),
            &[Rule::Missing],
        ),
        (
            "its authority is a request that was denied",
            |log| {
                let other = log.settled;
                log.said(|erased| erased.authority = other);
            },
            &[Rule::Erasure],
        ),
        (
            "its authority is itself",
            |log| {
                let own = log.erased;
                log.said(|erased| erased.authority = own);
            },
            &[Rule::Erasure],
        ),
        (
            "its authority is nothing",
            |log| {
                log.said(|erased| erased.authority = RequestId::from_bytes([9; 16]));
            },
            &[Rule::Erasure],
        ),
        (
            "it binds another action",
            |log| {
                log.said(|erased| {
                    erased.digest = approvals_core::ActionDigest::from_bytes([1; 32])
                });
            },
            &[Rule::Erasure],
        ),
        (
            "it gives another basis",
            |log| {
                let about = log.bound(log.authority, "about");
                log.said(|erased| erased.basis = about);
            },
            &[Rule::Erasure],
        ),
        (
            "it opens nothing",
            |log| log.said(|erased| erased.opened.clear()),
            &[Rule::Erasure],
        ),
        (
            "it opens another parameter",
            |log| {
                let opened = log.values.0[&log.authority].open[1].text.clone();
                log.said(|erased| erased.opened = opened);
            },
            &[Rule::Erasure],
        ),
        (
            "one of the two approvals is taken out",
            |log| {
                log.take(log.authority, "review.recorded");
            },
            &[Rule::Erasure, Rule::Quorum],
        ),
        (
            "the approval was not yet in use",
            |log| {
                let record = log.take(log.erased, "disclosure.erased");
                let place = log.place(log.authority, "permit.consumed");
                log.records.insert(place, record);
            },
            &[Rule::Erasure],
        ),
        (
            "the approval was in use no more",
            |log| {
                let record = log.take(log.erased, "disclosure.erased");
                let place = log.place(log.authority, "outcome.succeeded");
                log.records.insert(place + 1, record);
            },
            &[Rule::Erasure],
        ),
        (
            "another process did it",
            |log| {
                let place = log.place(log.erased, "disclosure.erased");
                log.records[place].writer.boot = approvals_core::id::BootId::from_bytes([5; 16]);
            },
            &[Rule::Erasure],
        ),
        (
            "it is recorded twice",
            |log| {
                let place = log.place(log.erased, "disclosure.erased");
                let record = log.records[place].clone();
                log.records.insert(place, record);
            },
            &[Rule::Lifecycle],
        ),
        (
            "it is turned on another request",
            |log| {
                let place = log.place(log.erased, "disclosure.erased");
                let settled = log.settled;
                if let Entry::Request(request, _) = &mut log.records[place].entry {
                    *request = settled;
                }
                let (erased, values) = (log.erased, log.values.0.remove(&settled));
                log.values.0.insert(erased, values.unwrap());
            },
            &[Rule::Erasure, Rule::Missing],
        ),
        (
            "it is turned on a request that is open",
            |log| {
                let place = log.place(log.erased, "disclosure.erased");
                let open = log.open;
                if let Entry::Request(request, _) = &mut log.records[place].entry {
                    *request = open;
                }
            },
            &[
                Rule::Lifecycle,
                Rule::Erasure,
                Rule::Missing,
                Rule::NotErased,
            ],
        ),
        (
            "it says that values of somebody else are gone",
            |log| {
                let (erased, settled) = (log.erased, log.settled);
                log.values.0.remove(&settled);
                let place = log.place(settled, "request.created");
                let Entry::Request(_, Event::Created(created)) = log.records[place].entry.clone()
                else {
                    panic!("not the making of a request");
                };
                assert_ne!(erased, settled);
                let more = created.action.disclosed().cloned().collect::<Vec<_>>();
                log.said(|erased| erased.commitments.extend(more));
            },
            &[Rule::Missing],
        ),
    ];
    for (what, attack, expected) in attacks {
        let mut log = honest.clone();
        attack(&mut log);
        let report = log.report(None);
        assert!(!report.passed(), "{what}");
        let found = rules(&report);
        for rule in *expected {
            assert!(found.contains(rule), "{what}: {found:?}\n{report:?}");
        }
    }
}
