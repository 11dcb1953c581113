//! Checkpoints and the notes that carry them: the signed head of the ledger, as text anyone can check.
//!
//! The bytes are those of C2SP [signed-note](https://c2sp.org/signed-note) and
//! [tlog-checkpoint](https://c2sp.org/tlog-checkpoint), read strictly: one checkpoint has one spelling.
//!
//! ```text
//! example.com/approvals                          the origin, which is also the key's name
//! 3                                              the number of records
//! Rcqbt0Bvrf4Q/ZWUzYP1uvoCvQH+EA/FdYsmXjMF8TI=   the root over them
//!
//! — example.com/approvals wKo2zX...              who signed the three lines above
//! ```

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, UnparsedPublicKey};

use super::tree::{Frontier, Hash, empty_root, sha256};

/// The name of one log, which is also the name of its keys: two logs must never share one.
///
/// A schema-less URL such as `example.com/approvals` is best; it need not be reachable.
///
/// # Examples
///
/// ```
/// use approvals_core::ledger::Origin;
///
/// let origin: Origin = "example.com/approvals".parse()?;
/// assert_eq!(origin.as_str(), "example.com/approvals");
/// assert!("two words".parse::<Origin>().is_err());
/// # Ok::<(), approvals_core::ledger::NoteError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

impl Origin {
    /// The longest origin, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Takes a name that can stand in a note without changing its meaning.
    ///
    /// # Errors
    ///
    /// [`NoteError::Origin`] when it is empty, longer than [`Origin::MAX_BYTES`], or has a space, a `+` or a
    /// control character in it.
    pub fn parse(name: &str) -> Result<Self, NoteError> {
        let stray = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if name.is_empty() || name.len() > Self::MAX_BYTES || name.contains(stray) {
            let shown = name.chars().take(Self::MAX_BYTES).collect();
            return Err(NoteError::Origin { name: shown });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as it stands in the note.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = NoteError;

    fn from_str(name: &str) -> Result<Self, NoteError> {
        Self::parse(name)
    }
}

/// The head of a log at one moment: its first `size` records and their order, pinned by one hash.
///
/// On its own it proves nothing; take it from [`SignedCheckpoint::verify`].
///
/// # Examples
///
/// ```
/// use approvals_core::ledger::{Checkpoint, Frontier, leaf_hash};
///
/// let mut frontier = Frontier::new();
/// frontier.push(leaf_hash(b"{}"));
/// let head = Checkpoint { origin: "example.com/log".parse()?, size: 1, root: frontier.root() };
/// assert_eq!(Checkpoint::parse(head.body())?, head);
/// assert!(Checkpoint::parse(head.body().replace("\n1\n", "\n01\n")).is_err());
/// # Ok::<(), approvals_core::ledger::NoteError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log this is the head of.
    pub origin: Origin,
    /// How many records the log has.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The exact text that is signed: three lines, each ended by a newline ([tlog-checkpoint §Note text]).
    ///
    /// [tlog-checkpoint §Note text]: https://c2sp.org/tlog-checkpoint#note-text
    #[must_use]
    pub fn body(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            self.root.to_base64()
        )
    }

    /// Reads exactly what [`Checkpoint::body`] writes.
    ///
    /// # Errors
    ///
    /// - [`NoteError::Encoding`] when it is not UTF-8, or holds a carriage return or another control character.
    /// - [`NoteError::Lines`] unless it is three lines; extension lines are refused.
    /// - [`NoteError::Origin`], [`NoteError::Size`] or [`NoteError::Root`] when that line is not in its one spelling.
    pub fn parse(body: impl AsRef<[u8]>) -> Result<Self, NoteError> {
        let body = decode(body.as_ref())?;
        let lines: Vec<&str> = body.split('\n').take(5).collect();
        let [origin, size, root, ""] = *lines.as_slice() else {
            return Err(NoteError::Lines);
        };
        let (origin, size) = (Origin::parse(origin)?, parse_size(size)?);
        let root = Hash::from_base64(root).map_err(|_| NoteError::Root)?;
        if size == 0 && root != empty_root() {
            return Err(NoteError::Root);
        }
        Ok(Self { origin, size, root })
    }
}

/// The four bytes by which a signature line says which key made it; a hint, not an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// Takes the four bytes, first byte first.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The four bytes, first byte first.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// The public half of a ledger key, written as `name+id+key`: auditors pin this text out of band.
///
/// Trusted: who can change an auditor's copy can make the auditor believe another log.
///
/// # Examples
///
/// ```
/// use approvals_core::ledger::{LedgerKey, VerifierKey};
///
/// let key = LedgerKey::generate()?.vkey(&"example.com/log".parse()?);
/// let pinned = key.to_string();
/// assert_eq!(pinned.parse::<VerifierKey>()?, key);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: Origin,
    id: KeyId,
    public: [u8; 32],
}

impl VerifierKey {
    /// Names an Ed25519 public key and computes its id ([signed-note §Ed25519 signatures]).
    ///
    /// [signed-note §Ed25519 signatures]: https://c2sp.org/signed-note#ed25519-signatures
    #[must_use]
    pub fn ed25519(name: Origin, public: [u8; 32]) -> Self {
        let id = key_id(&name, ALGORITHM, &public);
        Self { name, id, public }
    }

    /// Reads the text form, which must be in its one spelling and carry the id that belongs to the key.
    ///
    /// # Errors
    ///
    /// [`NoteError::VerifierKey`] unless it is `name+id+key` of an Ed25519 key; [`NoteError::Origin`] for the name.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, id, public) = read_key(text, ALGORITHM)?.ok_or(NoteError::VerifierKey)?;
        Ok(Self { name, id, public })
    }

    /// The key's name, equal to the origin of the log it signs for.
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

    /// The key as `-----BEGIN PUBLIC KEY-----`, so that `openssl pkeyutl -verify` can check a body (RFC 8410 §4).
    #[must_use]
    pub fn to_pem(&self) -> String {
        let key = STANDARD.encode([SPKI_PREFIX, self.public.as_slice()].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n")
    }

    /// Checks one Ed25519 signature over `message`.
    ///
    /// # Errors
    ///
    /// [`NoteError::Signature`] when this key did not make this signature over these bytes.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), NoteError> {
        let verified = UnparsedPublicKey::new(&ED25519, self.public).verify(message, signature);
        verified.map_err(|_| NoteError::Signature {
            name: self.name.clone(),
            id: self.id,
        })
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&spell_key(&self.name, self.id, ALGORITHM, &self.public))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        Self::parse(text)
    }
}

crate::id::serde_as_text!(VerifierKey);

/// One signature line of a note; nothing is known about it until its key has verified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    name: Origin,
    id: KeyId,
    bytes: Vec<u8>,
}

impl NoteSignature {
    /// The name of the key that is said to have signed.
    #[must_use]
    pub const fn name(&self) -> &Origin {
        &self.name
    }

    /// The id of the key that is said to have signed.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The signature without the key id.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads one line, without the newline at its end.
    pub(super) fn parse(line: &str) -> Result<Self, NoteError> {
        let (name, text) = line
            .strip_prefix(DASH)
            .and_then(|rest| rest.split_once(' '))
            .ok_or(NoteError::SignatureLine)?;
        let bytes = STANDARD
            .decode(text)
            .map_err(|_| NoteError::SignatureLine)?;
        match bytes.split_first_chunk() {
            Some((id, bytes)) if !bytes.is_empty() => Ok(Self {
                name: Origin::parse(name)?,
                id: KeyId(*id),
                bytes: bytes.to_vec(),
            }),
            _ => Err(NoteError::SignatureLine),
        }
    }
}

/// A checkpoint with its signature lines, well formed but not yet believed.
///
/// The checkpoint comes out only through [`SignedCheckpoint::verify`].
///
/// # Examples
///
/// ```
/// use approvals_core::ledger::{Checkpoint, LedgerKey, SignedCheckpoint, empty_root, sign_note};
///
/// let (key, other) = (LedgerKey::generate()?, LedgerKey::generate()?);
/// let head = Checkpoint { origin: "example.com/log".parse()?, size: 0, root: empty_root() };
/// let vkey = key.vkey(&head.origin);
/// let note = sign_note(&head.body(), vkey.name(), vkey.id(), &key.sign(head.body().as_bytes()));
///
/// let note = SignedCheckpoint::parse(note)?;
/// assert_eq!(note.verify(&vkey)?, head);
/// assert!(note.verify(&other.vkey(&head.origin)).is_err(), "not signed by this key");
/// assert!(SignedCheckpoint::parse(head.body()).is_err(), "not signed at all");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    text: String,
    claim: Checkpoint,
    signatures: Vec<NoteSignature>,
}

impl SignedCheckpoint {
    /// The longest note that is read, in bytes; Go's note package draws the line at the same place.
    pub const MAX_BYTES: usize = 1_000_000;

    /// The most signature lines that are read; [signed-note §Format] asks for at least 16.
    ///
    /// [signed-note §Format]: https://c2sp.org/signed-note#format
    pub const MAX_SIGNATURES: usize = 100;

    /// Reads a note strictly; what it says must not be used before [`SignedCheckpoint::verify`].
    ///
    /// # Errors
    ///
    /// - [`NoteError::TooLong`] beyond [`SignedCheckpoint::MAX_BYTES`] or [`SignedCheckpoint::MAX_SIGNATURES`].
    /// - [`NoteError::Unsigned`] when there is no signature line, [`NoteError::SignatureLine`] when one is malformed.
    /// - Every error of [`Checkpoint::parse`] for the signed text.
    pub fn parse(note: impl AsRef<[u8]>) -> Result<Self, NoteError> {
        let note = note.as_ref();
        if note.len() > Self::MAX_BYTES {
            return Err(NoteError::TooLong);
        }
        let text = decode(note)?;
        let (body, lines) = text.rsplit_once("\n\n").ok_or(NoteError::Unsigned)?;
        if lines.is_empty() {
            return Err(NoteError::Unsigned);
        }
        let claim = Checkpoint::parse(format!("{body}\n"))?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::SignatureLine)?;
        if lines.split('\n').count() > Self::MAX_SIGNATURES {
            return Err(NoteError::TooLong);
        }
        let signatures = lines
            .split('\n')
            .map(NoteSignature::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.to_owned(),
            claim,
            signatures,
        })
    }

    /// The checkpoint, if `key` signed it for its own log.
    ///
    /// Lines of other keys are passed over, also those that only share the name or the id ([signed-note §Signatures]).
    ///
    /// [signed-note §Signatures]: https://c2sp.org/signed-note#signatures
    ///
    /// # Errors
    ///
    /// - [`NoteError::OtherLog`] when the origin is not the key's name.
    /// - [`NoteError::NotSignedBy`] when no line is from this key.
    /// - [`NoteError::Signature`] when a line says it is from this key and does not verify, even beside a good one.
    pub fn verify(&self, key: &VerifierKey) -> Result<Checkpoint, NoteError> {
        if self.claim.origin != key.name {
            return Err(NoteError::OtherLog {
                origin: self.claim.origin.clone(),
                name: key.name.clone(),
            });
        }
        let body = self.claim.body();
        let mut own = self
            .signatures
            .iter()
            .filter(|line| line.name == key.name && line.id == key.id)
            .peekable();
        if own.peek().is_none() {
            return Err(NoteError::NotSignedBy {
                name: key.name.clone(),
                id: key.id,
            });
        }
        own.try_for_each(|line| key.verify(body.as_bytes(), &line.bytes))?;
        Ok(self.claim.clone())
    }

    /// The checkpoint, unverified: for what has its own way of checking it.
    pub(crate) const fn claim(&self) -> &Checkpoint {
        &self.claim
    }

    /// The signature lines, in order, unverified.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// The whole note, as it was read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Joins a body and its signature to a note ([signed-note §Format]).
///
/// Sign the bytes of `body` first. For a further key, push its [`signature_line`] behind the note.
///
/// [signed-note §Format]: https://c2sp.org/signed-note#format
#[must_use]
pub fn sign_note(body: &str, name: &Origin, id: KeyId, signature: &[u8]) -> String {
    format!("{body}\n{}", signature_line(name, id, signature))
}

/// One line of a note: an em dash, the key's name, and base64 of its id and the signature.
#[must_use]
pub fn signature_line(name: &Origin, id: KeyId, signature: &[u8]) -> String {
    format!(
        "{DASH}{name} {}\n",
        STANDARD.encode([&id.0, signature].concat())
    )
}

/// Why a note, or a part of one, must not be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The name cannot stand in a note.
    #[error("`{}` cannot name a log; use 1 to 255 bytes without spaces, `+` or control characters, such as `example.com/log`", .name.escape_debug())]
    Origin {
        /// The name given, shortened if it was too long.
        name: String,
    },
    /// The bytes are not plain UTF-8 text.
    #[error(
        "the note is not plain text; pass the UTF-8 bytes unchanged, with newlines and no other control characters"
    )]
    Encoding,
    /// There are not exactly three lines.
    #[error("a checkpoint has exactly three lines: origin, size and root, without extension lines")]
    Lines,
    /// The size line is malformed.
    #[error("`{}` is not a size; write a decimal number without leading zeros, at most {}", .line.escape_debug(), Frontier::MAX_SIZE)]
    Size {
        /// The line, shortened if it was too long.
        line: String,
    },
    /// The root line is malformed.
    #[error(
        "the root is not the base64 of a tree's root; write 44 characters, and the empty root for size 0"
    )]
    Root,
    /// The text is not a verifier key.
    #[error(
        "not a verifier key; pass `name+id+key` of an ed25519 key exactly as the log's owner published it"
    )]
    VerifierKey,
    /// The text is not the key of a witness.
    #[error(
        "not the key of a witness; pass `name+id+key` of a timestamped ed25519 key (type 0x04) exactly as its \
         operator published it"
    )]
    WitnessKey,
    /// The witness policy lists logs, and this is none of them.
    #[error(
        "the witness policy does not list the log `{name}` with key {id}; add a `log` line for it"
    )]
    UnlistedLog {
        /// The name of the log.
        name: Origin,
        /// The id of its key.
        id: KeyId,
    },
    /// The note exceeds a limit.
    #[error(
        "the note has more than {} bytes or {} signatures; pass the note alone",
        SignedCheckpoint::MAX_BYTES,
        SignedCheckpoint::MAX_SIGNATURES
    )]
    TooLong,
    /// The note has no signature lines.
    #[error("the checkpoint is not signed; pass the whole note, with its signature lines")]
    Unsigned,
    /// A signature line is malformed.
    #[error(
        "a signature line is malformed; each is an em dash, a key name and base64, ended by a newline"
    )]
    SignatureLine,
    /// The key is for another log.
    #[error(
        "the checkpoint is of log `{origin}` and the key of `{name}`; pass the key of that log"
    )]
    OtherLog {
        /// The origin in the checkpoint.
        origin: Origin,
        /// The name of the key.
        name: Origin,
    },
    /// The key did not sign.
    #[error(
        "the checkpoint is not signed by `{name}` with key {id}; pass the key that was in use when it was made"
    )]
    NotSignedBy {
        /// The name of the key.
        name: Origin,
        /// The id of the key.
        id: KeyId,
    },
    /// The signature does not verify.
    #[error(
        "the signature of `{name}` with key {id} does not verify; the text or the signature was changed, keep it as evidence"
    )]
    Signature {
        /// The name of the key.
        name: Origin,
        /// The id of the key.
        id: KeyId,
    },
}

/// The id of a key of this type and name ([signed-note §Signatures]).
///
/// [signed-note §Signatures]: https://c2sp.org/signed-note#signatures
pub(super) fn key_id(name: &Origin, algorithm: u8, public: &[u8; 32]) -> KeyId {
    let named = [name.as_str().as_bytes(), b"\n", &[algorithm], public].concat();
    let [a, b, c, d, ..] = *sha256(&named).as_bytes();
    KeyId([a, b, c, d])
}

/// The one spelling of a public key of this type.
pub(super) fn spell_key(name: &Origin, id: KeyId, algorithm: u8, public: &[u8; 32]) -> String {
    let key = STANDARD.encode([&[algorithm], public.as_slice()].concat());
    format!("{name}+{id}+{key}")
}

/// Reads what [`spell_key`] writes; none when it is anything else.
pub(super) fn read_key(
    text: &str,
    algorithm: u8,
) -> Result<Option<(Origin, KeyId, [u8; 32])>, NoteError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Ok(None);
    };
    let bytes = STANDARD.decode(key).unwrap_or_default();
    let public = match bytes.split_first() {
        Some((first, public)) if *first == algorithm => public.try_into().ok(),
        _ => None,
    };
    let Some(public) = public else {
        return Ok(None);
    };
    let name = Origin::parse(name)?;
    let id = key_id(&name, algorithm, &public);
    let read = spell_key(&name, id, algorithm, &public) == text;
    Ok(read.then_some((name, id, public)))
}

/// The text of a note or of a body: UTF-8 without control characters other than newline.
fn decode(bytes: &[u8]) -> Result<&str, NoteError> {
    let text = str::from_utf8(bytes).map_err(|_| NoteError::Encoding)?;
    if text.contains(|c: char| c.is_control() && c != '\n') {
        Err(NoteError::Encoding)
    } else {
        Ok(text)
    }
}

pub(super) fn parse_size(line: &str) -> Result<u64, NoteError> {
    let size = line
        .parse()
        .ok()
        .filter(|size: &u64| *size <= Frontier::MAX_SIZE && size.to_string() == line);
    size.ok_or_else(|| NoteError::Size {
        line: line.chars().take(40).collect(),
    })
}

const ALGORITHM: u8 = 0x01;
const DASH: &str = "\u{2014} ";
/// `SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING }`, with the 32 bytes of the key still to come.
const SPKI_PREFIX: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::super::tree::leaf_hash;
    use super::*;

    const NAME: &str = "example.com/log";

    fn key(seed: u8, name: &str) -> (Ed25519KeyPair, VerifierKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        (pair, VerifierKey::ed25519(name.parse().unwrap(), public))
    }

    fn head() -> Checkpoint {
        Checkpoint {
            origin: NAME.parse().unwrap(),
            size: 42,
            root: leaf_hash(b"root"),
        }
    }

    fn line(seed: u8, name: &str, body: &str) -> String {
        let (pair, vkey) = key(seed, name);
        signature_line(vkey.name(), vkey.id(), pair.sign(body.as_bytes()).as_ref())
    }

    fn note(lines: &[String]) -> String {
        format!("{}\n{}", head().body(), lines.concat())
    }

    fn verify(note: impl AsRef<[u8]>) -> Result<Checkpoint, NoteError> {
        SignedCheckpoint::parse(note)?.verify(&key(1, NAME).1)
    }

    #[test]
    fn the_exact_bytes() {
        let body = head().body();
        assert_eq!(
            body,
            format!("example.com/log\n42\n{}\n", leaf_hash(b"root").to_base64())
        );
        let (pair, vkey) = key(1, NAME);
        let signature = pair.sign(body.as_bytes());
        let named = [NAME.as_bytes(), &[0x0a, 0x01], vkey.public_key()].concat();
        let hash = sha256(&named);
        let id = &hash.as_bytes()[..4];
        assert_eq!(vkey.id().as_bytes(), id);
        let encoded = STANDARD.encode([id, signature.as_ref()].concat());
        let note = sign_note(&body, vkey.name(), vkey.id(), signature.as_ref());
        assert_eq!(
            note,
            format!("{body}\n\u{2014} example.com/log {encoded}\n")
        );
        let parsed = SignedCheckpoint::parse(&note).unwrap();
        assert_eq!(
            (parsed.as_str(), parsed.signatures().len()),
            (note.as_str(), 1)
        );
        assert_eq!(parsed.signatures()[0].as_bytes(), signature.as_ref());
        assert_eq!(parsed.verify(&vkey), Ok(head()));
    }

    #[test]
    fn a_body_has_one_spelling() {
        let root = head().root.to_base64();
        let (empty, zeros) = (
            empty_root().to_base64(),
            Hash::from_bytes([0; 32]).to_base64(),
        );
        let size = |line: &str| NoteError::Size {
            line: line.to_owned(),
        };
        let origin = |name: &str| NoteError::Origin {
            name: name.to_owned(),
        };
        for (body, expected) in [
            (format!("o\n0\n{empty}\n"), None),
            (format!("o\n1\n{root}\n"), None),
            (format!("\u{fc}ber\u{2014}log\n9\n{root}\n"), None),
            (format!("o\n9223372036854775807\n{root}\n"), None),
            (format!("o\n0\n{root}\n"), Some(NoteError::Root)),
            (String::new(), Some(NoteError::Lines)),
            ("\n\n\n".to_owned(), Some(origin(""))),
            (format!("o\n1\n{root}"), Some(NoteError::Lines)),
            (format!("o\n1\n{root}\n\n"), Some(NoteError::Lines)),
            (format!("o\n1\n{root}\nextension\n"), Some(NoteError::Lines)),
            (format!("o\n\n1\n{root}\n"), Some(NoteError::Lines)),
            (format!("o\n1\n{root}\n\n\n\n"), Some(NoteError::Lines)),
            (format!("o\r\n1\r\n{root}\r\n"), Some(NoteError::Encoding)),
            (format!("o\n1\n{root}\r\n"), Some(NoteError::Encoding)),
            (format!("o\0\n1\n{root}\n"), Some(NoteError::Encoding)),
            (format!("a b\n1\n{root}\n"), Some(origin("a b"))),
            (format!("\u{feff}o\n01\n{root}\n"), Some(size("01"))),
            (format!("o\n\n{root}\n"), Some(size(""))),
            (format!("o\n00\n{empty}\n"), Some(size("00"))),
            (format!("o\n+1\n{root}\n"), Some(size("+1"))),
            (format!("o\n-0\n{empty}\n"), Some(size("-0"))),
            (format!("o\n 1\n{root}\n"), Some(size(" 1"))),
            (format!("o\n1_000\n{root}\n"), Some(size("1_000"))),
            (format!("o\n\u{661}\n{root}\n"), Some(size("\u{661}"))),
            (
                format!("o\n9223372036854775808\n{root}\n"),
                Some(size("9223372036854775808")),
            ),
            (
                format!("o\n18446744073709551617\n{root}\n"),
                Some(size("18446744073709551617")),
            ),
            (
                format!("o\n1\n{}\n", root.trim_end_matches('=')),
                Some(NoteError::Root),
            ),
            (format!("o\n1\n{root} \n"), Some(NoteError::Root)),
            (
                format!("o\n1\n{}\n", zeros.replace("A=", "B=")),
                Some(NoteError::Root),
            ),
            (format!("o\n1\n{}\n", "_".repeat(44)), Some(NoteError::Root)),
            (format!("o\n1\n{root}{root}\n"), Some(NoteError::Root)),
        ] {
            let parsed = Checkpoint::parse(&body);
            assert_eq!(parsed.clone().err(), expected, "`{}`", body.escape_debug());
            assert_eq!(
                parsed.map_or(body.clone(), |read| read.body()),
                body,
                "it is written as it was read"
            );
        }
        assert_eq!(Checkpoint::parse(b"\xff\n1\n"), Err(NoteError::Encoding));
    }

    #[test]
    fn an_origin_cannot_change_what_a_note_says() {
        for good in [
            "o",
            "example.com/log",
            "\u{fc}ber",
            "a\u{2014}b",
            &"x".repeat(255),
        ] {
            assert_eq!(
                Origin::parse(good).map(|origin| origin.to_string()),
                Ok(good.to_owned())
            );
        }
        let long = ["x".repeat(256), "\u{fc}".repeat(128)];
        let bad = [
            "",
            " ",
            "a b",
            "a+b",
            "a\nb",
            "a\r",
            "\ta",
            "a\0",
            "a\u{7f}",
            "a\u{85}",
            "a\u{a0}b",
            "a\u{2003}b",
            "\u{3000}",
        ];
        for bad in bad.into_iter().chain(long.iter().map(String::as_str)) {
            let error = Origin::parse(bad).unwrap_err();
            assert!(matches!(error, NoteError::Origin { .. }), "{error}");
            assert!(
                !error.to_string().contains(|c: char| c.is_control()),
                "{error:?}"
            );
        }
    }

    #[test]
    fn only_the_known_key_counts_and_all_its_lines_must_hold() {
        let body = head().body();
        let (good, witness) = (line(1, NAME, &body), line(2, "witness.example/w", &body));
        let bad = line(1, NAME, "another text\n");
        let (_, vkey) = key(1, NAME);
        let (_, rotated) = key(2, NAME);
        let same_id = signature_line(&"other.example".parse().unwrap(), vkey.id(), &[7; 64]);
        let same_name = signature_line(vkey.name(), rotated.id(), &[7; 3000]);
        let forged = NoteError::Signature {
            name: vkey.name().clone(),
            id: vkey.id(),
        };
        let absent = NoteError::NotSignedBy {
            name: vkey.name().clone(),
            id: vkey.id(),
        };
        for (lines, expected) in [
            (vec![&good], Ok(head())),
            (vec![&witness, &good], Ok(head())),
            (vec![&same_id, &same_name, &good, &witness], Ok(head())),
            (vec![&good, &good], Ok(head())),
            (vec![&witness], Err(absent.clone())),
            (vec![&same_id, &same_name], Err(absent)),
            (vec![&bad], Err(forged.clone())),
            (vec![&good, &bad], Err(forged.clone())),
            (vec![&bad, &witness, &good], Err(forged)),
            (vec![], Err(NoteError::Unsigned)),
        ] {
            let lines: Vec<String> = lines.into_iter().cloned().collect();
            assert_eq!(verify(note(&lines)), expected, "{lines:?}");
        }
        let after_rotation = note(&[line(1, NAME, &body), line(2, NAME, &body)]);
        let after_rotation = SignedCheckpoint::parse(after_rotation).unwrap();
        assert_eq!(
            (
                after_rotation.verify(&vkey),
                after_rotation.verify(&rotated)
            ),
            (Ok(head()), Ok(head()))
        );
    }

    #[test]
    fn a_key_speaks_only_for_the_log_of_its_name() {
        let body = head().body();
        let signed = note(&[line(1, "another.log", &body)]);
        let refused = SignedCheckpoint::parse(signed)
            .unwrap()
            .verify(&key(1, "another.log").1);
        let expected = NoteError::OtherLog {
            origin: head().origin,
            name: "another.log".parse().unwrap(),
        };
        assert_eq!(refused, Err(expected));
    }

    #[test]
    fn malformed_notes_are_refused() {
        let body = head().body();
        let good = line(1, NAME, &body);
        for (text, expected) in [
            (String::new(), NoteError::Unsigned),
            (body.clone(), NoteError::Unsigned),
            (format!("{body}\n"), NoteError::Unsigned),
            (format!("{body}{good}"), NoteError::Unsigned),
            (format!("{body}\n{good}\n"), NoteError::Unsigned),
            (format!("{body}\n\n{good}"), NoteError::Lines),
            (format!("\n{good}"), NoteError::Unsigned),
            (
                format!("{body}\n{}", good.trim_end()),
                NoteError::SignatureLine,
            ),
            (
                format!("{body}\n{}", good.replace('\u{2014}', "-")),
                NoteError::SignatureLine,
            ),
            (
                format!("{body}\n{}", good.replace("\u{2014} ", "\u{2014}")),
                NoteError::SignatureLine,
            ),
            (format!("{body}\n{good} \n"), NoteError::SignatureLine),
            (
                format!("{body}\n{}", good.replace('\n', " \n")),
                NoteError::SignatureLine,
            ),
            (
                format!("{body}\n{}", good.replace("/log ", "/log  ")),
                NoteError::SignatureLine,
            ),
            (format!("{body}\n\u{2014} name\n"), NoteError::SignatureLine),
            (
                format!("{body}\n\u{2014} name \n"),
                NoteError::SignatureLine,
            ),
            (
                format!("{body}\n\u{2014} name AAAA\n"),
                NoteError::SignatureLine,
            ),
            (
                format!("{body}\n\u{2014} name AAAAAA==\n"),
                NoteError::SignatureLine,
            ),
            (
                format!("{body}\n\u{2014} a+b AAAAAAA=\n"),
                NoteError::Origin {
                    name: "a+b".to_owned(),
                },
            ),
            (format!("{body}extension\n\n{good}"), NoteError::Lines),
            (
                format!("{body}\n{good}").replace('\n', "\r\n"),
                NoteError::Encoding,
            ),
            (
                note(&vec![good.clone(); SignedCheckpoint::MAX_SIGNATURES + 1]),
                NoteError::TooLong,
            ),
            (
                "x".repeat(SignedCheckpoint::MAX_BYTES + 1),
                NoteError::TooLong,
            ),
        ] {
            let error = verify(&text).unwrap_err();
            assert_eq!(
                error,
                expected,
                "`{}`",
                text.chars().take(300).collect::<String>()
            );
            let message = error.to_string();
            assert!(
                message.starts_with(|c: char| c.is_lowercase() || c == '`')
                    && !message.ends_with('.'),
                "{message}"
            );
        }
        assert_eq!(
            verify(note(&vec![good.clone(); SignedCheckpoint::MAX_SIGNATURES])),
            Ok(head())
        );
        let large = signature_line(
            &"pq.example".parse().unwrap(),
            KeyId::from_bytes([1; 4]),
            &[0; 5000],
        );
        assert_eq!(
            verify(note(&[vec![large; 16], vec![good]].concat())),
            Ok(head()),
            "16 large ones must fit"
        );
    }

    #[test]
    fn no_change_of_one_byte_goes_unnoticed() {
        let good = note(&[line(1, NAME, &head().body())]).into_bytes();
        assert_eq!(verify(&good), Ok(head()));
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut changed = good.clone();
                changed[at] ^= 1 << bit;
                assert!(verify(&changed).is_err(), "bit {bit} of byte {at} flipped");
            }
            let mut shorter = good.clone();
            shorter.remove(at);
            assert!(verify(&shorter).is_err(), "byte {at} removed");
            assert!(verify(&good[..at]).is_err(), "cut at {at}");
            for byte in *b"\n \r0=A\0" {
                let mut longer = good.clone();
                longer.insert(at, byte);
                assert!(verify(&longer).is_err(), "byte {byte} put in at {at}");
            }
        }
        assert!(
            verify([good.as_slice(), b"\n"].concat()).is_err(),
            "a newline behind it"
        );
    }

    #[test]
    fn a_verifier_key_has_one_spelling_and_its_own_id() {
        let (_, vkey) = key(1, NAME);
        let text = vkey.to_string();
        assert_eq!(VerifierKey::parse(&text), Ok(vkey.clone()));
        let (head, id) = (format!("{NAME}+"), vkey.id().to_string());
        let encoded = text.rsplit('+').next().unwrap().to_owned();
        let base64 = |bytes: &[u8]| format!("{head}{id}+{}", STANDARD.encode(bytes));
        let public = vkey.public_key().as_slice();
        for bad in [
            String::new(),
            NAME.to_owned(),
            format!("{head}{id}"),
            text.replacen(&id, &id.to_uppercase(), 1),
            text.replacen(&id, "00000000", 1),
            text.replacen(&id, &format!("+{id}"), 1),
            text.replacen(NAME, "example.com/lob", 1),
            text.trim_end_matches('=').to_owned() + " ",
            format!("{text}\n"),
            format!("{head}{id}+{encoded}{encoded}"),
            base64(&[&[0x04], public].concat()),
            base64(&[&[ALGORITHM], public, &[0]].concat()),
            base64(&[ALGORITHM]),
            base64(&[]),
        ] {
            assert_eq!(
                VerifierKey::parse(&bad),
                Err(NoteError::VerifierKey),
                "`{bad}`"
            );
        }
        let nameless = text.replacen(NAME, "", 1);
        assert_eq!(
            VerifierKey::parse(&nameless),
            Err(NoteError::Origin {
                name: String::new()
            })
        );
    }

    #[test]
    fn a_signature_holds_for_one_message_and_one_key() {
        let (pair, vkey) = key(1, NAME);
        let signature = pair.sign(b"message");
        let signature = signature.as_ref();
        assert_eq!(vkey.verify(b"message", signature), Ok(()));
        for (key, message, signature) in [
            (&vkey, &b"massage"[..], signature),
            (&vkey, b"", signature),
            (&vkey, b"message", &signature[..63]),
            (&vkey, b"message", &[]),
            (&vkey, b"message", &[0; 64]),
            (&key(2, NAME).1, b"message", signature),
        ] {
            let expected = NoteError::Signature {
                name: key.name().clone(),
                id: key.id(),
            };
            assert_eq!(key.verify(message, signature), Err(expected));
        }
    }
}
