//! Honest logs of any length, written record by record: what happened in a history happens again
//! and again, to other requests, each decision signed anew.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::time::Duration;

use approvals_core::RequestId;
use approvals_core::digest::ActionDigest;
use approvals_core::id::RecordId;
use approvals_core::ledger::{
    AuditRecord, Checkpoint, Entry, Frontier, Hash, LedgerKey, Previous, StoredRecord, leaf_hash,
    sign_note,
};
use approvals_core::lifecycle::Event;
use approvals_core::review::Statement;

use super::history::History;
use super::house::{SEED, origin};
use super::signing::nonce;

/// How far apart the days of such a log are: no ceiling of one counts in the next.
const DAY: Duration = Duration::from_secs(2 * 60 * 60);

/// Writes a log of at least this many records to a file; the size it has, and its signed head.
pub fn write(history: &History, records: u64, path: &Path) -> (u64, String) {
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    let mut tape = Tape {
        frontier: Frontier::new(),
        written: 0,
        out: &mut file,
    };
    let (start, day) = parts(history);
    for record in &start {
        tape.push(record.clone(), None);
    }
    let mut shift = Duration::ZERO;
    while tape.frontier.size() < records {
        another_day(history, &day, shift, &mut tape);
        shift += DAY;
    }
    let (size, note) = (tape.frontier.size(), sign(&tape.frontier));
    file.flush().expect("written");
    (size, note)
}

/// Reads such a file record by record.
pub fn read(path: &Path) -> impl Iterator<Item = StoredRecord> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).expect("a file"));
    (0..).map_while(move |seq| {
        let mut length = [0; 4];
        file.read_exact(&mut length).ok()?;
        let mut leaf = [0; 32];
        file.read_exact(&mut leaf).expect("a whole record");
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
        file.read_exact(&mut bytes).expect("a whole record");
        Some(StoredRecord::new(seq, Hash::from_bytes(leaf), bytes))
    })
}

struct Tape<'a> {
    frontier: Frontier,
    written: u64,
    out: &'a mut dyn Write,
}

impl Tape<'_> {
    fn push(&mut self, mut record: AuditRecord, previous: Option<Previous>) -> Previous {
        record.seq = self.frontier.size();
        record.previous = previous;
        record.writer.n = self.written;
        self.written += 1;
        let bytes = record.encode(&origin()).expect("bytes");
        let leaf = leaf_hash(&bytes);
        self.frontier.push(leaf);
        let length = u32::try_from(bytes.len()).expect("short").to_be_bytes();
        self.out.write_all(&length).expect("written");
        self.out.write_all(leaf.as_bytes()).expect("written");
        self.out.write_all(&bytes).expect("written");
        Previous {
            seq: record.seq,
            leaf,
        }
    }
}

/// How the log begins, with everybody's account linked, and what happens under its first policy
/// to requests that have ended.
fn parts(history: &History) -> (Vec<AuditRecord>, Vec<AuditRecord>) {
    let records = history.forger().records;
    let second = records
        .iter()
        .rposition(|one| one.kind() == "policy.loaded");
    let first: Vec<_> = records
        .into_iter()
        .take(second.expect("two policies"))
        .collect();
    let (day, mut start): (Vec<_>, Vec<_>) = first
        .into_iter()
        .partition(|record| record.request().is_some());
    // The second process opens the log behind all this.
    start.retain(|record| record.writer.boot == day[0].writer.boot);
    let begin = day[0].at;
    for record in &mut start {
        record.at = begin;
    }
    (start, day)
}

fn another_day(history: &History, day: &[AuditRecord], shift: Duration, tape: &mut Tape<'_>) {
    let mut names: HashMap<RequestId, RequestId> = HashMap::new();
    let mut digests: HashMap<RequestId, ActionDigest> = HashMap::new();
    let mut last: HashMap<RequestId, Previous> = HashMap::new();
    for record in day {
        let mut record = record.clone();
        record.at = record.at.after(shift);
        record.id = RecordId::random().expect("an id");
        let at = record.at;
        let Entry::Request(of, event) = &mut record.entry else {
            unreachable!()
        };
        let request = *names
            .entry(*of)
            .or_insert_with(|| RequestId::random().expect("an id"));
        *of = request;
        match event {
            Event::Created(created) => {
                created.action.request_id = request;
                created.action.expires_at = created.action.expires_at.after(shift);
                created.asked_at = created.asked_at.after(shift);
                created.digest = created.action.digest().expect("a digest");
                digests.insert(request, created.digest);
            }
            Event::Reviewed(vote) => {
                vote.digest = digests[&request];
                if let Some(key) = history.cast.keys.get(vote.person.as_str())
                    && vote.evidence.method != "slack"
                {
                    let decided = (request, vote.digest, history.policy(), vote.vote);
                    let until = at.after(Duration::from_secs(300));
                    let mut said =
                        Statement::new(decided, vote.person.clone(), None, nonce(), until);
                    said.reason.clone_from(&vote.reason);
                    vote.evidence = key.evidence(&said);
                }
            }
            Event::Approved(approved) | Event::AutoApproved(approved) => {
                approved.until = approved.until.after(shift);
            }
            Event::Consumed(used) => used.digest = digests[&request],
            _ => {}
        }
        let here = tape.push(record, last.get(&request).copied());
        last.insert(request, here);
    }
}

fn sign(frontier: &Frontier) -> String {
    let key = LedgerKey::from_seed(&SEED).expect("a key");
    let vkey = key.vkey(&origin());
    let head = Checkpoint {
        origin: origin(),
        size: frontier.size(),
        root: frontier.root(),
    };
    let body = head.body();
    sign_note(&body, vkey.name(), vkey.id(), &key.sign(body.as_bytes()))
}
