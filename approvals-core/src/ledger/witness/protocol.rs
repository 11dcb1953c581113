//! What is said to a witness, and what its answer means.

use crate::ledger::note::parse_size;
use crate::ledger::{
    Checkpoint, Hash, NoteError, NoteSignature, ProofError, SignedCheckpoint, VerifierKey,
    signature_line,
};

use super::{Cosignature, WitnessKey};

/// Asks a witness to cosign a head, with the proof that it extends what the witness has seen.
///
/// Only the log's own signature lines are sent: other witnesses' words are nothing to this one.
///
/// # Examples
///
/// ```
/// use approvals_core::ledger::{AddCheckpoint, Checkpoint, LedgerKey, SignedCheckpoint, leaf_hash, sign_note};
///
/// let key = LedgerKey::generate()?;
/// let head = Checkpoint { origin: "example.com/log".parse()?, size: 1, root: leaf_hash(b"{}") };
/// let vkey = key.vkey(&head.origin);
/// let note = sign_note(&head.body(), vkey.name(), vkey.id(), &key.sign(head.body().as_bytes()));
///
/// let request = AddCheckpoint::new(&SignedCheckpoint::parse(&note)?, &vkey, 0, &[])?;
/// assert_eq!(request.body(), format!("old 0\n\n{note}"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    head: Checkpoint,
    old: u64,
    body: String,
}

impl AddCheckpoint {
    /// A request for a head that the log signed, from the size `old` that the witness is believed to have seen.
    ///
    /// # Errors
    ///
    /// - [`AskError::Note`] when the log did not sign the note.
    /// - [`AskError::Proof`] when `old` is larger than the head, or the proof has more than
    ///   63 hashes, or any for `old` 0.
    pub fn new(
        note: &SignedCheckpoint,
        log: &VerifierKey,
        old: u64,
        proof: &[Hash],
    ) -> Result<Self, AskError> {
        let head = note.verify(log)?;
        if old > head.size {
            let new = head.size;
            return Err(ProofError::Shrunk { old, new }.into());
        }
        let most = if old == 0 { 0 } else { MAX_PROOF };
        if proof.len() > most as usize {
            let found = proof.len();
            return Err(ProofError::Length {
                expected: most,
                found,
            }
            .into());
        }
        let mut body = format!("old {old}\n");
        for hash in proof {
            body += &hash.to_base64();
            body.push('\n');
        }
        body.push('\n');
        body += &head.body();
        body.push('\n');
        // The log's keys, also the one before a rotation, have the log's name.
        for line in note
            .signatures()
            .iter()
            .filter(|line| *line.name() == head.origin)
        {
            body += &signature_line(line.name(), line.id(), line.as_bytes());
        }
        Ok(Self { head, old, body })
    }

    /// The head that is to be cosigned.
    #[must_use]
    pub const fn head(&self) -> &Checkpoint {
        &self.head
    }

    /// The exact bytes to send.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// What an answer means; nothing in it is believed before the witness's signature over this head verifies.
    ///
    /// Never fails: an answer that makes no sense is [`WitnessAnswer::Nonsense`].
    #[must_use]
    pub fn read(&self, key: &WitnessKey, status: u16, answer: &[u8]) -> WitnessAnswer {
        if answer.len() > WitnessAnswer::MAX_BYTES {
            return WitnessAnswer::Nonsense("it is too long".to_owned());
        }
        match status {
            200 => self.cosigned(key, answer),
            409 => self.conflict(answer),
            422 => WitnessAnswer::Fork,
            400 => WitnessAnswer::Refused("it calls the request malformed (400)".to_owned()),
            403 => WitnessAnswer::Refused(
                "it does not know the log's key (403); give its operator `log.vkey`".to_owned(),
            ),
            404 => WitnessAnswer::Refused(
                "it does not know the log (404); give its operator the log's name and `log.vkey`"
                    .to_owned(),
            ),
            other => WitnessAnswer::Refused(format!("it answered with status {other}")),
        }
    }

    fn cosigned(&self, key: &WitnessKey, answer: &[u8]) -> WitnessAnswer {
        match self.own_lines(key, answer) {
            Ok(Some((cosignature, line))) => WitnessAnswer::Cosigned(cosignature, line),
            Ok(None) => {
                WitnessAnswer::Nonsense(format!("no line in it is signed by `{}`", key.name()))
            }
            Err(error) => WitnessAnswer::Nonsense(error.to_string()),
        }
    }

    /// The first line of this witness; every one of its lines must hold, and those of others are passed over.
    fn own_lines(
        &self,
        key: &WitnessKey,
        answer: &[u8],
    ) -> Result<Option<(Cosignature, String)>, NoteError> {
        let text = str::from_utf8(answer).map_err(|_| NoteError::Encoding)?;
        let text = text.strip_suffix('\n').ok_or(NoteError::SignatureLine)?;
        let mut first = None;
        for (count, line) in text.split('\n').enumerate() {
            if count >= SignedCheckpoint::MAX_SIGNATURES {
                return Err(NoteError::TooLong);
            }
            let line = NoteSignature::parse(line)?;
            if key.is_named_by(&line) {
                let cosignature = key.verify(&self.head, &line)?;
                let text = signature_line(line.name(), line.id(), line.as_bytes());
                first.get_or_insert((cosignature, text));
            }
        }
        Ok(first)
    }

    fn conflict(&self, answer: &[u8]) -> WitnessAnswer {
        let size = str::from_utf8(answer).ok().and_then(|text| {
            let line = text.strip_suffix('\n')?;
            parse_size(line).ok()
        });
        match size {
            // It has seen just this size, and takes the root for another one.
            _ if self.old == self.head.size && size.is_none_or(|size| size == self.old) => {
                WitnessAnswer::Fork
            }
            Some(size) if size > self.head.size => WitnessAnswer::Ahead(size),
            Some(size) if size != self.old => WitnessAnswer::Other(size),
            _ => WitnessAnswer::Nonsense(
                "it names no other size than the one it was told".to_owned(),
            ),
        }
    }
}

/// What a witness said of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WitnessAnswer {
    /// It cosigned: its verified word, and the line to add to the note.
    Cosigned(Cosignature, String),
    /// It has seen this size instead of the one it was told; ask again from there.
    Other(u64),
    /// It has cosigned a larger tree of this log: what is here was rolled back, or the witness lies.
    Ahead(u64),
    /// What it has cosigned is no part of this tree: the log was forked or rewritten, or the witness lies.
    Fork,
    /// It refused for another reason.
    Refused(String),
    /// The answer makes no sense; what is wrong with it.
    Nonsense(String),
}

impl WitnessAnswer {
    /// The longest answer that is read, in bytes.
    pub const MAX_BYTES: usize = 64 * 1024;
}

/// Why a witness cannot be asked about a head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The note is not one of the log.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The proof cannot be one between these sizes.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// The most hashes of a proof ([tlog-witness §add-checkpoint](https://c2sp.org/tlog-witness#add-checkpoint)).
const MAX_PROOF: u32 = 63;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cosignature::tests::{Signing, head};
    use super::*;
    use crate::ledger::{LedgerKey, leaf_hash, sign_note};

    fn log_key() -> LedgerKey {
        LedgerKey::from_seed(&[9; 32]).unwrap()
    }

    fn log() -> VerifierKey {
        log_key().vkey(&head(0).origin)
    }

    fn signed(size: u64) -> String {
        let (body, vkey) = (head(size).body(), log());
        sign_note(
            &body,
            vkey.name(),
            vkey.id(),
            &log_key().sign(body.as_bytes()),
        )
    }

    fn ask(size: u64, old: u64, proof: &[Hash]) -> Result<AddCheckpoint, AskError> {
        let note = SignedCheckpoint::parse(signed(size)).unwrap();
        AddCheckpoint::new(&note, &log(), old, proof)
    }

    #[test]
    fn the_exact_bytes() {
        let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let request = ask(7, 3, &[a, b]).unwrap();
        let expected = format!(
            "old 3\n{}\n{}\n\n{}",
            a.to_base64(),
            b.to_base64(),
            signed(7)
        );
        assert_eq!(request.body(), expected);
        assert_eq!(*request.head(), head(7));
    }

    #[test]
    fn only_the_logs_own_lines_are_sent() {
        let before = LedgerKey::from_seed(&[8; 32]).unwrap();
        let rotated = before.vkey(&head(0).origin);
        let own = signature_line(
            rotated.name(),
            rotated.id(),
            &before.sign(head(7).body().as_bytes()),
        );
        let text = signed(7) + &Signing::new(1).line(&head(7), 5) + &own;
        let note = SignedCheckpoint::parse(text).unwrap();
        let request = AddCheckpoint::new(&note, &log(), 0, &[]).unwrap();
        assert_eq!(request.body(), format!("old 0\n\n{}{own}", signed(7)));
    }

    #[test]
    fn what_cannot_be_asked() {
        let hash = leaf_hash(b"a");
        let shrunk = ProofError::Shrunk { old: 8, new: 7 };
        assert_eq!(ask(7, 8, &[]), Err(shrunk.into()));
        for (old, proof, most) in [(0, vec![hash], 0), (3, vec![hash; 64], 63)] {
            let found = proof.len();
            let expected = ProofError::Length {
                expected: most,
                found,
            };
            assert_eq!(ask(7, old, &proof), Err(expected.into()));
        }
        assert!(ask(7, 3, &[hash; 63]).is_ok());
        let note = SignedCheckpoint::parse(signed(7)).unwrap();
        let stranger = LedgerKey::from_seed(&[1; 32])
            .unwrap()
            .vkey(&head(0).origin);
        let refused = AddCheckpoint::new(&note, &stranger, 0, &[]);
        assert!(matches!(refused, Err(AskError::Note(_))), "{refused:?}");
    }

    #[test]
    fn what_answers_mean() {
        use WitnessAnswer::{Ahead, Cosigned, Fork, Nonsense, Other, Refused};
        let (w1, w2) = (Signing::new(1), Signing::new(2));
        let good = w1.line(&head(7), 5);
        let word = w1
            .key
            .verify(&head(7), &super::super::cosignature::tests::parse(&good));
        let cosigned = Cosigned(word.unwrap(), good.clone());
        let nonsense = Nonsense(String::new());
        let refused = Refused(String::new());
        for (old, status, answer, expected) in [
            (3, 200, good.clone(), &cosigned),
            (3, 200, w2.line(&head(7), 5) + &good, &cosigned),
            (3, 200, good.clone() + &w1.line(&head(7), 9), &cosigned),
            (3, 200, w2.line(&head(7), 5), &nonsense),
            (3, 200, w1.line(&head(6), 5), &nonsense),
            (3, 200, good.clone() + &w1.line(&head(6), 5), &nonsense),
            (3, 200, good.trim_end().to_owned(), &nonsense),
            (3, 200, format!("{good}\n"), &nonsense),
            (3, 200, format!("\n{good}"), &nonsense),
            (3, 200, good.replace('\n', "\r\n"), &nonsense),
            (3, 200, good.repeat(101), &nonsense),
            (3, 200, String::new(), &nonsense),
            (3, 200, "<html></html>\n".to_owned(), &nonsense),
            (3, 200, "x".repeat(WitnessAnswer::MAX_BYTES + 1), &nonsense),
            (3, 409, "5\n".to_owned(), &Other(5)),
            (3, 409, "0\n".to_owned(), &Other(0)),
            (3, 409, "7\n".to_owned(), &Other(7)),
            (3, 409, "8\n".to_owned(), &Ahead(8)),
            (3, 409, "3\n".to_owned(), &nonsense),
            (3, 409, "5".to_owned(), &nonsense),
            (3, 409, "05\n".to_owned(), &nonsense),
            (3, 409, "-1\n".to_owned(), &nonsense),
            (3, 409, "18446744073709551616\n".to_owned(), &nonsense),
            (3, 409, String::new(), &nonsense),
            (7, 409, "7\n".to_owned(), &Fork),
            (7, 409, String::new(), &Fork),
            (7, 409, "9\n".to_owned(), &Ahead(9)),
            (7, 409, "5\n".to_owned(), &Other(5)),
            (3, 422, String::new(), &Fork),
            (3, 400, good.clone(), &refused),
            (3, 403, good.clone(), &refused),
            (3, 404, good.clone(), &refused),
            (3, 500, good.clone(), &refused),
            (3, 302, good.clone(), &refused),
            (3, 201, good.clone(), &refused),
            (3, 0, good.clone(), &refused),
        ] {
            let got = ask(7, old, &[])
                .unwrap()
                .read(&w1.key, status, answer.as_bytes());
            let same = match (&got, expected) {
                (Nonsense(what), Nonsense(_)) | (Refused(what), Refused(_)) => !what.is_empty(),
                (got, expected) => got == expected,
            };
            assert!(same, "{status} {answer:?} from {old}: {got:?}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(
            old in 0_u64..8,
            status in any::<u16>(),
            answer in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let request = ask(7, old, &[]).unwrap();
            let read = request.read(&Signing::new(1).key, status, &answer);
            prop_assert!(!matches!(read, WitnessAnswer::Cosigned(..)));
        }

        /// Whatever single byte of a good answer is changed, it is not taken for a cosignature.
        #[test]
        fn no_changed_answer_is_taken(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let w1 = Signing::new(1);
            let mut answer = w1.line(&head(7), 5).into_bytes();
            let at = at.index(answer.len());
            answer[at] ^= 1_u8 << bit;
            let read = ask(7, 3, &[]).unwrap().read(&w1.key, 200, &answer);
            prop_assert!(!matches!(read, WitnessAnswer::Cosigned(..)), "{read:?}");
        }
    }
}
