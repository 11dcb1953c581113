//! Which key signed what, and how far its word counts.

use super::findings::{Findings, Place};
use super::heads::Seen;
use super::report::{Range, Signer};
use super::rule::Rule;
use crate::clock::Timestamp;
use crate::ledger::{AuditRecord, Entry, Hash, KeyChain, KeySpan, LogEvent, Origin, VerifierKey};

/// Follows the keys of a log from the one that is pinned.
#[derive(Debug)]
pub(super) struct Keys {
    chain: KeyChain,
    pinned: Option<Hash>,
    genesis: Option<Hash>,
    /// The records in which keys were revoked, and when.
    revocations: Vec<(u64, Timestamp)>,
}

impl Keys {
    pub(super) fn new(genesis: VerifierKey) -> Self {
        Self {
            chain: KeyChain::new(genesis),
            pinned: None,
            genesis: None,
            revocations: Vec::new(),
        }
    }

    /// The log must begin with exactly this record.
    pub(super) fn pin(&mut self, genesis: Hash) {
        self.pinned = Some(genesis);
    }

    pub(super) fn log(&self) -> &Origin {
        self.chain.genesis().name()
    }

    pub(super) fn chain(&self) -> &KeyChain {
        &self.chain
    }

    /// The leaf hash of the first record.
    pub(super) fn genesis(&self) -> Option<Hash> {
        self.genesis
    }

    /// Looks at the bytes of a record, whatever they say.
    pub(super) fn grow(&mut self, seq: u64, leaf: Hash, findings: &mut Findings) {
        if seq > 0 {
            return;
        }
        self.genesis = Some(leaf);
        if self.pinned.is_some_and(|pinned| pinned != leaf) {
            let message = "the log does not begin with the record that is pinned: it is another log, or was begun again";
            findings.add(Rule::KeyGenesis, Place::record(seq), message);
        }
    }

    pub(super) fn look(&mut self, seq: u64, record: &AuditRecord, findings: &mut Findings) {
        let Entry::Log(event) = &record.entry else {
            return;
        };
        let Err(fault) = self.chain.apply(seq, event) else {
            if matches!(event, LogEvent::KeyRevoked(_)) {
                self.revocations.push((seq, record.at));
            }
            return;
        };
        let rule = match event {
            LogEvent::KeyRotated(_) => Rule::KeyRotation,
            LogEvent::KeyRevoked(_) => Rule::KeyRevocation,
            _ => Rule::KeyGenesis,
        };
        findings.add(rule, Place::record(seq), fault.to_string());
    }

    /// Says which records rest on a key that was revoked; `kept` are the heads that others have seen.
    pub(super) fn finish(&self, size: u64, kept: &[Seen], findings: &mut Findings) {
        let mut good = None;
        for span in self.chain.spans() {
            if span.is_recovered() {
                let good = good.take().unwrap_or(span.from());
                let seen = self.seen_before(span.from(), good, kept);
                unkept(seen, good, findings);
            }
            let Some(range) = untrusted(span, size) else {
                continue;
            };
            good = good.or(Some(range.from));
            let message = format!(
                "records {} to {} rest on key {}, which was revoked: not trusted",
                range.from,
                range.to,
                span.vkey().id()
            );
            findings.add(Rule::KeyRevoked, Place::record(range.from), message);
        }
    }

    /// How many records somebody else had seen when the key was revoked. Whoever looked only later saw what the
    /// thief had left.
    fn seen_before(&self, revocation: u64, good: u64, kept: &[Seen]) -> u64 {
        let at = self.revocations.iter().find(|(seq, _)| *seq == revocation);
        let counts = |head: &&Seen| head.size <= good && at.is_none_or(|(_, at)| head.at <= *at);
        let sizes = kept.iter().filter(counts).map(|head| head.size);
        sizes.max().unwrap_or(0)
    }

    pub(super) fn signers(&self, size: u64) -> Vec<Signer> {
        let signer = |span: &KeySpan| {
            let to = span.to().unwrap_or(size).min(size);
            Some(Signer {
                vkey: span.vkey().to_string(),
                records: Range::of(span.from(), to)?,
                end: span.end(),
                untrusted: untrusted(span, size),
            })
        };
        self.chain.spans().filter_map(signer).collect()
    }
}

/// Says which records in front of a revocation nobody has seen but a key that others may have held.
fn unkept(seen: u64, good: u64, findings: &mut Findings) {
    if let Some(range) = Range::of(seen, good) {
        let message = format!(
            "records {} to {} rest on a key that was revoked, and no head kept outside before covers them: pass those you have",
            range.from, range.to
        );
        findings.add(Rule::KeyRevoked, Place::record(range.from), message);
    }
}

fn untrusted(span: &KeySpan, size: u64) -> Option<Range> {
    Range::of(span.untrusted_from()?, span.to().unwrap_or(size).min(size))
}
