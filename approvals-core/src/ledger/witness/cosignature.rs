//! One witness's key, and what its signature says.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ring::signature::{ED25519, UnparsedPublicKey};

use crate::clock::Timestamp;
use crate::ledger::note::{key_id, read_key, spell_key};
use crate::ledger::{Checkpoint, KeyId, NoteError, NoteSignature, Origin};

/// The public half of a witness's key, written as `name+id+key`: whoever holds the other half is believed.
///
/// Trusted: who chooses the keys in a witness policy decides whose word counts.
///
/// # Examples
///
/// ```
/// use approvals_core::ledger::WitnessKey;
///
/// let key = WitnessKey::ed25519("witness.example/w1".parse()?, [7; 32]);
/// assert_eq!(key.to_string().parse::<WitnessKey>()?, key);
/// // The key of a log is no key of a witness: the two sign different texts.
/// assert!("example.com/log+d1c8ff5f+AbF2y3i9".parse::<WitnessKey>().is_err());
/// # Ok::<(), approvals_core::ledger::NoteError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WitnessKey {
    name: Origin,
    id: KeyId,
    public: [u8; 32],
}

impl WitnessKey {
    /// Names an Ed25519 public key and computes its id ([tlog-cosignature §Format]).
    ///
    /// [tlog-cosignature §Format]: https://c2sp.org/tlog-cosignature#format
    #[must_use]
    pub fn ed25519(name: Origin, public: [u8; 32]) -> Self {
        let id = key_id(&name, ALGORITHM, &public);
        Self { name, id, public }
    }

    /// Reads the text form, which must be in its one spelling and carry the id that belongs to the key.
    ///
    /// # Errors
    ///
    /// [`NoteError::WitnessKey`] unless it is `name+id+key` of a timestamped Ed25519 key (type 0x04);
    /// [`NoteError::Origin`] for the name.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, id, public) = read_key(text, ALGORITHM)?.ok_or(NoteError::WitnessKey)?;
        Ok(Self { name, id, public })
    }

    /// The witness's name, as it stands in its lines.
    #[must_use]
    pub const fn name(&self) -> &Origin {
        &self.name
    }

    /// The id that stands in front of its signatures.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The 32 bytes of the Ed25519 public key.
    #[must_use]
    pub const fn public_key(&self) -> &[u8; 32] {
        &self.public
    }

    /// Whether a line says that it is from this key; whether it is, only [`WitnessKey::verify`] tells.
    #[must_use]
    pub fn is_named_by(&self, line: &NoteSignature) -> bool {
        *line.name() == self.name && line.id() == self.id
    }

    /// Checks one cosignature line over a head ([tlog-cosignature §Ed25519 signed message]).
    ///
    /// [tlog-cosignature §Ed25519 signed message]: https://c2sp.org/tlog-cosignature#ed25519-signed-message
    ///
    /// # Errors
    ///
    /// - [`NoteError::NotSignedBy`] when the line is from another key.
    /// - [`NoteError::Signature`] when it does not verify, or its time is beyond what a time can be.
    pub fn verify(
        &self,
        head: &Checkpoint,
        line: &NoteSignature,
    ) -> Result<Cosignature, NoteError> {
        let (name, id) = (self.name.clone(), self.id);
        if !self.is_named_by(line) {
            return Err(NoteError::NotSignedBy { name, id });
        }
        let forged = || NoteError::Signature {
            name: self.name.clone(),
            id,
        };
        let (seconds, signature) = line.as_bytes().split_first_chunk().ok_or_else(forged)?;
        let seconds = u64::from_be_bytes(*seconds);
        let at = Timestamp::from_micros(0).after(Duration::from_secs(seconds));
        if at.as_micros() / 1_000_000 != i64::try_from(seconds).unwrap_or(-1) {
            return Err(forged());
        }
        let message = format!("cosignature/v1\ntime {seconds}\n{}", head.body());
        UnparsedPublicKey::new(&ED25519, self.public)
            .verify(message.as_bytes(), signature)
            .map_err(|_| forged())?;
        Ok(Cosignature { name, id, at })
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&spell_key(&self.name, self.id, ALGORITHM, &self.public))
    }
}

impl FromStr for WitnessKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        Self::parse(text)
    }
}

/// A witness's verified word: at that time, this was the largest tree of the log it had seen, and it had only grown.
///
/// Only [`WitnessKey::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    name: Origin,
    id: KeyId,
    at: Timestamp,
}

impl Cosignature {
    /// Whose word it is.
    #[must_use]
    pub const fn witness(&self) -> &Origin {
        &self.name
    }

    /// The id of the key that signed.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// When the witness said so, by its own clock.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }
}

/// Timestamped Ed25519 witness cosignatures ([signed-note §Signature types](https://c2sp.org/signed-note#signature-types)).
const ALGORITHM: u8 = 0x04;

#[cfg(test)]
pub(super) mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;
    use crate::ledger::{VerifierKey, leaf_hash, signature_line};

    /// A witness that signs whatever it is given, whenever it is told to.
    pub(in crate::ledger) struct Signing {
        pair: Ed25519KeyPair,
        pub(in crate::ledger) key: WitnessKey,
    }

    impl Signing {
        pub(in crate::ledger) fn new(seed: u8) -> Self {
            let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
            let public = pair.public_key().as_ref().try_into().unwrap();
            let name = format!("witness.example/w{seed}").parse().unwrap();
            let key = WitnessKey::ed25519(name, public);
            Self { pair, key }
        }

        pub(in crate::ledger) fn line(&self, head: &Checkpoint, seconds: u64) -> String {
            let message = format!("cosignature/v1\ntime {seconds}\n{}", head.body());
            let signature = self.pair.sign(message.as_bytes());
            let bytes = [&seconds.to_be_bytes(), signature.as_ref()].concat();
            signature_line(self.key.name(), self.key.id(), &bytes)
        }
    }

    pub(in crate::ledger) fn head(size: u64) -> Checkpoint {
        Checkpoint {
            origin: "example.com/log".parse().unwrap(),
            size,
            root: leaf_hash(&size.to_be_bytes()),
        }
    }

    pub(in crate::ledger) fn parse(line: &str) -> NoteSignature {
        NoteSignature::parse(line.trim_end_matches('\n')).unwrap()
    }

    #[test]
    fn a_witness_key_has_one_spelling_and_its_own_type() {
        let key = Signing::new(1).key;
        let text = key.to_string();
        assert_eq!(WitnessKey::parse(&text), Ok(key.clone()));
        let log = VerifierKey::ed25519(key.name().clone(), *key.public_key());
        assert_ne!(log.id(), key.id(), "the type is part of the id");
        let id = key.id().to_string();
        for bad in [
            String::new(),
            log.to_string(),
            text.replacen(&id, "00000000", 1),
            text.replacen(&id, &format!("+{id}"), 1),
            text.replacen("w1", "w2", 1),
            format!("{text}\n"),
            text.chars().take(text.len() - 1).collect(),
        ] {
            assert_eq!(
                WitnessKey::parse(&bad),
                Err(NoteError::WitnessKey),
                "`{bad}`"
            );
        }
        assert!(VerifierKey::parse(&text).is_err(), "it signs no log");
    }

    #[test]
    fn a_cosignature_is_for_one_head_one_time_and_one_key() {
        let (w1, w2) = (Signing::new(1), Signing::new(2));
        let line = w1.line(&head(5), 1_679_315_147);
        let verified = w1.key.verify(&head(5), &parse(&line)).unwrap();
        assert_eq!(verified.witness(), w1.key.name());
        assert_eq!(verified.id(), w1.key.id());
        assert_eq!(verified.at().to_string(), "2023-03-20T12:25:47.000000Z");

        let other = NoteError::NotSignedBy {
            name: w2.key.name().clone(),
            id: w2.key.id(),
        };
        assert_eq!(w2.key.verify(&head(5), &parse(&line)), Err(other));
        let forged = NoteError::Signature {
            name: w1.key.name().clone(),
            id: w1.key.id(),
        };
        assert_eq!(
            w1.key.verify(&head(6), &parse(&line)),
            Err(forged.clone()),
            "another head"
        );
        let good = parse(&line);
        for at in 0..good.as_bytes().len() {
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] ^= 1;
            let changed = signature_line(w1.key.name(), w1.key.id(), &bytes);
            let answer = w1.key.verify(&head(5), &parse(&changed));
            assert_eq!(answer, Err(forged.clone()), "byte {at}");
            let cut = signature_line(w1.key.name(), w1.key.id(), &good.as_bytes()[..=at]);
            if at + 1 < good.as_bytes().len() {
                assert_eq!(w1.key.verify(&head(5), &parse(&cut)), Err(forged.clone()));
            }
        }
    }

    #[test]
    fn a_plain_signature_of_the_same_key_is_no_cosignature() {
        let w1 = Signing::new(1);
        let signature = w1.pair.sign(head(5).body().as_bytes());
        for bytes in [
            signature.as_ref().to_vec(),
            [&0_u64.to_be_bytes(), signature.as_ref()].concat(),
        ] {
            let line = signature_line(w1.key.name(), w1.key.id(), &bytes);
            assert!(w1.key.verify(&head(5), &parse(&line)).is_err());
        }
    }

    #[test]
    fn a_time_that_cannot_be_is_no_time() {
        let w1 = Signing::new(1);
        for (seconds, is_time) in [
            (0, true),
            (1, true),
            (253_402_127_999, true),
            (253_402_128_001, false),
            (i64::MAX as u64, false),
            (i64::MAX as u64 + 1, false),
            (u64::MAX, false),
        ] {
            let verified = w1.key.verify(&head(5), &parse(&w1.line(&head(5), seconds)));
            assert_eq!(verified.is_ok(), is_time, "{seconds}");
            if let Ok(verified) = verified {
                assert_eq!(verified.at().as_micros() / 1_000_000, seconds as i64);
            }
        }
    }
}
