//! Receipts: the proof of one record, in a file that is checked without the log.
//!
//! The text is a C2SP [tlog-proof], read strictly: one receipt has one spelling. Its `extra` line carries
//! the record itself, so that whoever keeps the file and the log's verifier key needs nothing else, also
//! when the log, its owner, or the network are gone.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra eyJhdCI6IjIwMjYt...                       the exact bytes of the record, in base64
//! index 5                                         its place in the log
//! gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=    the way from the record up to the root, one hash a line
//! B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
//!                                                 an empty line, and the signed head of the log
//! example.com/approvals
//! 7
//! sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=
//!
//! — example.com/approvals hI2DJw...
//! ```
//!
//! [tlog-proof]: https://c2sp.org/tlog-proof

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::keychain::{KeyChain, KeyFault};
use super::note::{Checkpoint, NoteError, SignedCheckpoint, VerifierKey};
use super::record::{AuditRecord, FormatError, MAX_RECORD, StoredRecord};
use super::tree::{Hash, Nodes, ProofError, inclusion_proof, leaf_hash, verify_inclusion};

/// The proof that one record stands in the log, well formed but not yet believed.
///
/// Keep it where the log's owner cannot change it: it shows later not only that the record was there, but
/// also that the log was cut, rewritten or forked below the head it carries. The record and the head come
/// out only through [`Receipt::verify`].
///
/// # Examples
///
/// ```
/// use approvals_core::ledger::Receipt;
/// use approvals_core::testing::TestGate;
/// use approvals_core::{Agent, ApprovalError, requires_approval};
///
/// #[requires_approval(scope = "db.export")]
/// async fn export(table: String) -> Result<usize, ApprovalError> {
///     Ok(table.len())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gate = TestGate::approving();
/// gate.enter(Agent::new("bot").on_behalf_of("u_alice"), export("users".into())).await?;
/// let request = gate.assert_asked("db.export").request;
///
/// // Whoever asked keeps this text ..
/// let text = gate.gate().receipt(request).await?.to_string();
///
/// // .. and anybody with the log's verifier key checks it, years later and without the log.
/// let proven = Receipt::parse(&text)?.verify(gate.gate().journal().vkey())?;
/// assert_eq!(proven.record().kind(), "outcome.succeeded");
///
/// let forged = text.replacen("index ", "index 1", 1);
/// assert!(Receipt::parse(&forged)?.verify(gate.gate().journal().vkey()).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    record: Vec<u8>,
    index: u64,
    proof: Vec<Hash>,
    head: SignedCheckpoint,
}

impl Receipt {
    /// How a file with a receipt should end, after its name.
    pub const EXTENSION: &str = "tlog-proof";

    /// The longest receipt that is read, in bytes: the longest record, the longest proof, the longest note.
    pub const MAX_BYTES: usize = SignedCheckpoint::MAX_BYTES + MAX_RECORD * 4 / 3 + 4_096;

    /// Proves a stored record under a signed head, and checks the proof before handing it out.
    ///
    /// # Errors
    ///
    /// Every error of [`Receipt::verify`]: then the record, the hashes or the head in the store were changed.
    pub fn prove(
        stored: &StoredRecord,
        head: SignedCheckpoint,
        key: &VerifierKey,
        nodes: &dyn Nodes,
    ) -> Result<Self, ReceiptError> {
        let receipt = Self {
            record: stored.bytes.clone(),
            index: stored.seq,
            proof: inclusion_proof(stored.seq, head.claim().size, nodes)?,
            head,
        };
        receipt.verify(key)?;
        Ok(receipt)
    }

    /// Reads a receipt strictly; what it says must not be used before [`Receipt::verify`].
    ///
    /// # Errors
    ///
    /// - [`ReceiptError::TooLong`] beyond [`Receipt::MAX_BYTES`].
    /// - [`ReceiptError::Header`], [`ReceiptError::Extra`], [`ReceiptError::Index`] or [`ReceiptError::Hash`]
    ///   when that line is missing or not in its one spelling.
    /// - [`ReceiptError::Head`] when the checkpoint is missing, not signed or malformed.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, ReceiptError> {
        let text = text.as_ref();
        if text.len() > Self::MAX_BYTES {
            return Err(ReceiptError::TooLong);
        }
        let text = str::from_utf8(text).map_err(|_| ReceiptError::Header)?;
        let rest = text.strip_prefix(HEADER).ok_or(ReceiptError::Header)?;
        let (lines, head) = rest.split_once("\n\n").unwrap_or((rest, ""));
        let mut lines = lines.split('\n');
        let record = lines
            .next()
            .and_then(record_of)
            .ok_or(ReceiptError::Extra)?;
        let index = lines.next().and_then(index_of).ok_or(ReceiptError::Index)?;
        let proof = (FIRST_HASH..)
            .zip(lines)
            .map(|(line, text)| Hash::from_base64(text).map_err(|_| ReceiptError::Hash { line }))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            record,
            index,
            proof,
            head: SignedCheckpoint::parse(head)?,
        })
    }

    /// The record and the head, if `key` signed the head for its own log and the record stands under it.
    ///
    /// Signature lines of other keys, such as those of witnesses, are passed over.
    ///
    /// # Errors
    ///
    /// - [`ReceiptError::Head`] when the key did not sign this head, or signs for another log.
    /// - [`ReceiptError::Proof`] when the record does not stand at its place under this head: the record, its
    ///   place, the proof or the head was changed.
    /// - [`ReceiptError::Record`] when it is not a record of this log, [`ReceiptError::Place`] when it says that
    ///   it stands elsewhere: then the holder of the ledger key signed what no gate writes.
    pub fn verify(&self, key: &VerifierKey) -> Result<VerifiedReceipt, ReceiptError> {
        self.under(self.head.verify(key)?)
    }

    /// The record and the head, if the key that was in force at the head's size signed it and is trusted so far.
    ///
    /// # Errors
    ///
    /// As [`Receipt::verify`], and [`ReceiptError::Keys`] for what [`KeyChain::verify`] refuses.
    pub fn verify_by(&self, keys: &KeyChain) -> Result<VerifiedReceipt, ReceiptError> {
        self.under(keys.verify(&self.head)?)
    }

    fn under(&self, head: Checkpoint) -> Result<VerifiedReceipt, ReceiptError> {
        let leaf = leaf_hash(&self.record);
        verify_inclusion(leaf, self.index, head.size, &self.proof, head.root)?;
        let record = AuditRecord::decode(&self.record, &head.origin)?;
        if record.seq != self.index {
            return Err(ReceiptError::Place {
                index: self.index,
                says: record.seq,
            });
        }
        Ok(VerifiedReceipt {
            record,
            bytes: self.record.clone(),
            leaf,
            head,
        })
    }

    /// The signed head, unverified.
    #[must_use]
    pub const fn head(&self) -> &SignedCheckpoint {
        &self.head
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (record, index) = (STANDARD.encode(&self.record), self.index);
        write!(f, "{HEADER}{EXTRA}{record}\n{INDEX}{index}\n")?;
        for hash in &self.proof {
            writeln!(f, "{}", hash.to_base64())?;
        }
        write!(f, "\n{}", self.head.as_str())
    }
}

impl FromStr for Receipt {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        Self::parse(text)
    }
}

/// One record that certainly stands in the log: its bytes lead to a head that the log's key signed.
///
/// It says that the log holds the record, not that what the record says is true.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedReceipt {
    record: AuditRecord,
    bytes: Vec<u8>,
    leaf: Hash,
    head: Checkpoint,
}

impl VerifiedReceipt {
    /// What the record says.
    #[must_use]
    pub const fn record(&self) -> &AuditRecord {
        &self.record
    }

    /// The exact bytes of the record.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The leaf hash of the record.
    #[must_use]
    pub const fn leaf(&self) -> Hash {
        self.leaf
    }

    /// The head that covers it: the log must begin with exactly this for ever.
    #[must_use]
    pub const fn head(&self) -> &Checkpoint {
        &self.head
    }
}

/// Why a receipt must not be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The first line is another one, or the bytes are not text.
    #[error(
        "not a receipt; it is plain text that begins with the line `c2sp.org/tlog-proof@v1`, pass the file unchanged"
    )]
    Header,
    /// There is no record in it, or it is malformed.
    #[error(
        "the second line does not hold the record; it is `extra`, a space and the base64 of at most {MAX_RECORD} bytes"
    )]
    Extra,
    /// The index is missing or malformed.
    #[error("the third line is not `index`, a space and a decimal number without leading zeros")]
    Index,
    /// A line of the proof is malformed.
    #[error(
        "line {line} is not a hash; between the index and the empty line each line is 44 characters of base64"
    )]
    Hash {
        /// The line, counted from 1.
        line: usize,
    },
    /// The receipt exceeds the limit.
    #[error(
        "the receipt has more than {} bytes; pass one receipt alone",
        Receipt::MAX_BYTES
    )]
    TooLong,
    /// The head must not be believed.
    #[error("the head of the receipt: {0}")]
    Head(#[from] NoteError),
    /// The head is not the word of the log's keys.
    #[error("the head of the receipt: {0}")]
    Keys(#[from] KeyFault),
    /// The record does not stand under the head.
    #[error("the record is not the one that was signed: {0}")]
    Proof(#[from] ProofError),
    /// The bytes are not a record of the log.
    #[error("the record of the receipt: {0}")]
    Record(#[from] FormatError),
    /// The record says that it stands elsewhere.
    #[error(
        "the record stands at number {index} and says that it is number {says}; no gate writes that, keep the receipt as evidence against the holder of the ledger key"
    )]
    Place {
        /// Where it stands.
        index: u64,
        /// Where it says that it stands.
        says: u64,
    },
}

fn record_of(line: &str) -> Option<Vec<u8>> {
    let record = STANDARD.decode(line.strip_prefix(EXTRA)?).ok()?;
    (1..=MAX_RECORD).contains(&record.len()).then_some(record)
}

fn index_of(line: &str) -> Option<u64> {
    let text = line.strip_prefix(INDEX)?;
    let index: u64 = text.parse().ok()?;
    (index.to_string() == text).then_some(index)
}

const HEADER: &str = "c2sp.org/tlog-proof@v1\n";
const EXTRA: &str = "extra ";
const INDEX: &str = "index ";
const FIRST_HASH: usize = 4;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::record::{Entry, LogEvent, Writer};
    use super::super::{Frontier, LedgerKey, Origin, sign_note};
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::{BootId, RecordId};

    const ORIGIN: &str = "example.com/log";

    /// A signed log of real records, each in its place unless a test says otherwise.
    struct Log {
        key: LedgerKey,
        records: Vec<StoredRecord>,
        nodes: BTreeMap<(u8, u64), Hash>,
        heads: Vec<SignedCheckpoint>,
    }

    impl Log {
        fn of(size: u64) -> Self {
            Self::holding((0..size).map(|seq| record(seq, ORIGIN)))
        }

        fn holding(records: impl IntoIterator<Item = Vec<u8>>) -> Self {
            let key = LedgerKey::from_seed(&[7; 32]).unwrap();
            let mut log = Self {
                key,
                records: Vec::new(),
                nodes: BTreeMap::new(),
                heads: Vec::new(),
            };
            let mut frontier = Frontier::new();
            for bytes in records {
                let (seq, leaf) = (frontier.size(), leaf_hash(&bytes));
                log.records.push(StoredRecord::new(seq, leaf, bytes));
                log.nodes.insert((0, seq), leaf);
                frontier.push_with(leaf, |level, index, hash| {
                    log.nodes.insert((level, index), hash);
                });
                log.heads.push(signed(&log.key, &frontier));
            }
            log
        }

        fn vkey(&self) -> VerifierKey {
            self.key.vkey(&origin())
        }

        fn head(&self, size: u64) -> SignedCheckpoint {
            self.heads[size as usize - 1].clone()
        }

        fn receipt(&self, index: u64, size: u64) -> Result<Receipt, ReceiptError> {
            let stored = &self.records[index as usize];
            Receipt::prove(stored, self.head(size), &self.vkey(), &self.nodes)
        }
    }

    fn origin() -> Origin {
        ORIGIN.parse().unwrap()
    }

    fn signed(key: &LedgerKey, frontier: &Frontier) -> SignedCheckpoint {
        let (size, root) = (frontier.size(), frontier.root());
        let (origin, vkey) = (origin(), key.vkey(&origin()));
        let body = Checkpoint { origin, size, root }.body();
        let note = sign_note(&body, vkey.name(), vkey.id(), &key.sign(body.as_bytes()));
        SignedCheckpoint::parse(note).unwrap()
    }

    fn record(seq: u64, origin: &str) -> Vec<u8> {
        let version = format!("0.{seq}");
        let record = AuditRecord {
            seq,
            at: Timestamp::from_micros(1_790_000_000_000_000 + seq as i64),
            id: RecordId::from_bytes([seq as u8; 16]),
            writer: Writer {
                boot: BootId::from_bytes([1; 16]),
                n: seq,
            },
            previous: None,
            entry: Entry::Log(LogEvent::Opened { version }),
        };
        record.encode(&origin.parse().unwrap()).unwrap()
    }

    fn believed(
        text: impl AsRef<[u8]>,
        key: &VerifierKey,
    ) -> Result<VerifiedReceipt, ReceiptError> {
        Receipt::parse(text)?.verify(key)
    }

    #[test]
    fn every_record_is_proven_under_every_head_that_covers_it() {
        let log = Log::of(70);
        for size in 1..=70 {
            for index in 0..size {
                let receipt = log.receipt(index, size).unwrap();
                let text = receipt.to_string();
                let read: Receipt = text.parse().unwrap();
                assert_eq!((&read, read.to_string()), (&receipt, text));
                let proven = read.verify(&log.vkey()).unwrap();
                assert_eq!((proven.record().seq, proven.head().size), (index, size));
                assert_eq!(proven.bytes(), log.records[index as usize].bytes);
                assert_eq!(proven.leaf(), log.records[index as usize].leaf);
            }
        }
    }

    #[test]
    fn threat_56_no_changed_byte_of_a_receipt_is_believed() {
        let log = Log::of(7);
        let good = log.receipt(2, 7).unwrap().to_string().into_bytes();
        assert!(believed(&good, &log.vkey()).is_ok());
        for at in 0..good.len() {
            let edit = |change: &dyn Fn(&mut Vec<u8>)| {
                let mut bytes = good.clone();
                change(&mut bytes);
                bytes
            };
            for (how, bytes) in [
                ("flipped", edit(&|bytes| bytes[at] ^= 1 << (at % 7))),
                ("removed", [&good[..at], &good[at + 1..]].concat()),
                ("doubled", edit(&|bytes| bytes.insert(at, good[at]))),
                ("cut", good[..at].to_vec()),
            ] {
                assert!(believed(&bytes, &log.vkey()).is_err(), "byte {at} {how}");
            }
        }
    }

    #[test]
    fn threat_56_parts_of_honest_receipts_do_not_make_another() {
        let (log, other) = (Log::of(7), LedgerKey::from_seed(&[8; 32]).unwrap());
        let (one, two) = (log.receipt(2, 7).unwrap(), log.receipt(3, 7).unwrap());
        let earlier = log.receipt(2, 6).unwrap();
        let foreign = Log::holding([record(0, "example.com/other")]);
        let unordered = Log::holding([record(0, ORIGIN), record(5, ORIGIN)]);
        let words = Log::holding([b"words".to_vec()]);
        let with = |change: &dyn Fn(&mut Receipt)| {
            let mut receipt = one.clone();
            change(&mut receipt);
            receipt
        };
        let place = "says that it is number 5";
        let taken = |log: &Log, index: u64| Receipt {
            record: log.records[index as usize].bytes.clone(),
            index,
            proof: inclusion_proof(index, log.records.len() as u64, &log.nodes).unwrap(),
            head: log.heads.last().unwrap().clone(),
        };
        for (receipt, part) in [
            (
                with(&|r| r.record = two.record.clone()),
                "not the one that was signed",
            ),
            (
                with(&|r| r.index = two.index),
                "not the one that was signed",
            ),
            (
                with(&|r| r.proof = two.proof.clone()),
                "not the one that was signed",
            ),
            (
                with(&|r| r.head = earlier.head.clone()),
                "not the one that was signed",
            ),
            (with(&|r| r.index = 7), "is not in a tree of 7 leaves"),
            (with(&|r| r.proof.clear()), "expected 3 hashes, found 0"),
            (
                with(&|r| r.proof.push(leaf_hash(b""))),
                "expected 3 hashes, found 4",
            ),
            (with(&|r| r.proof.swap(0, 1)), "not the one that was signed"),
            (
                with(&|r| {
                    let mut forged = Frontier::new();
                    forged.push(leaf_hash(&r.record));
                    (r.index, r.proof) = (0, Vec::new());
                    r.head = signed(&other, &forged);
                }),
                "is not signed by",
            ),
            // What the holder of the key may sign, and no gate writes.
            (taken(&foreign, 0), "the record of the receipt"),
            (taken(&words, 0), "the record of the receipt"),
            (taken(&unordered, 1), place),
        ] {
            let error = believed(receipt.to_string(), &log.vkey())
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "`{error}` does not say `{part}`");
        }
        let elsewhere = log.key.vkey(&"example.com/elsewhere".parse().unwrap());
        let error = one.verify(&elsewhere).unwrap_err().to_string();
        assert!(error.contains("pass the key of that log"), "{error}");
    }

    #[test]
    fn a_receipt_has_one_spelling() {
        let log = Log::of(7);
        let good = log.receipt(2, 7).unwrap().to_string();
        let extra = good.lines().nth(1).unwrap();
        let hash = good.lines().nth(4).unwrap();
        let part = |from: &str, to: &str| good.replacen(from, to, 1);
        for (text, error) in [
            (String::new(), ReceiptError::Header),
            (part("v1\n", "v2\n"), ReceiptError::Header),
            (part("\n", "\r\n"), ReceiptError::Header),
            (part(extra, "extra "), ReceiptError::Extra),
            (
                part(extra, &extra.replace("extra ", "extra  ")),
                ReceiptError::Extra,
            ),
            (part(&format!("{extra}\n"), ""), ReceiptError::Extra),
            (
                part(
                    extra,
                    &format!("extra {}", STANDARD.encode([b' '; MAX_RECORD + 1])),
                ),
                ReceiptError::Extra,
            ),
            (part("index 2", "index 02"), ReceiptError::Index),
            (part("index 2", "index +2"), ReceiptError::Index),
            (part("index 2", "index"), ReceiptError::Index),
            (
                part("index 2", "index 18446744073709551616"),
                ReceiptError::Index,
            ),
            (part("index 2\n", ""), ReceiptError::Index),
            (
                part(hash, &hash.replace('=', "")),
                ReceiptError::Hash { line: 5 },
            ),
            (
                part(hash, &format!(" {hash}")),
                ReceiptError::Hash { line: 5 },
            ),
            (part(hash, "AAAA"), ReceiptError::Hash { line: 5 }),
            (part("\n\n", "\n"), ReceiptError::Hash { line: 7 }),
            (part("\n\n", "\n\n\n"), ReceiptError::Head(NoteError::Lines)),
            (
                good.split_once("\n\n").unwrap().0.to_owned(),
                ReceiptError::Head(NoteError::Unsigned),
            ),
            ("x".repeat(Receipt::MAX_BYTES + 1), ReceiptError::TooLong),
        ] {
            assert_eq!(Receipt::parse(&text), Err(error), "{text}");
        }
        assert_eq!(Receipt::parse([0xff]), Err(ReceiptError::Header));
    }

    #[test]
    fn a_store_that_is_wrong_gets_no_receipt() {
        let mut log = Log::of(7);
        log.nodes.insert((0, 3), leaf_hash(b"another"));
        assert!(matches!(log.receipt(2, 7), Err(ReceiptError::Proof(_))));
        log.nodes.remove(&(0, 3));
        assert!(matches!(
            log.receipt(2, 7),
            Err(ReceiptError::Proof(ProofError::MissingNode { .. }))
        ));
        let mut log = Log::of(7);
        log.records[2].bytes.push(b' ');
        assert!(matches!(log.receipt(2, 7), Err(ReceiptError::Proof(_))));
        assert!(
            matches!(log.receipt(6, 5), Err(ReceiptError::Proof(_))),
            "beyond the head"
        );
    }

    #[test]
    fn messages_read_as_those_of_the_house() {
        for error in [
            ReceiptError::Header,
            ReceiptError::Extra,
            ReceiptError::Index,
            ReceiptError::Hash { line: 4 },
            ReceiptError::TooLong,
            ReceiptError::Head(NoteError::Unsigned),
            ReceiptError::Proof(ProofError::NoSuchLeaf { index: 1, size: 1 }),
            ReceiptError::Place { index: 1, says: 2 },
        ] {
            let text = error.to_string();
            assert!(
                text.starts_with(char::is_lowercase) && !text.ends_with('.'),
                "{text}"
            );
        }
    }
}
