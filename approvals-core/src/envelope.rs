//! Envelopes: what opens a commitment leaves this process only as ciphertext.
//!
//! Each request has a random data key of its own. Everything that opens a commitment of the
//! request is sealed under it with AES-256-GCM, and the data key is stored beside it, wrapped by
//! the disclosure key, which lies in no store. A store therefore holds nothing that can be read,
//! and erasing a request is deleting its ciphertexts and its one wrapped key.
//!
//! Nonces are 96 random bits. A data key seals a few dozen texts and a disclosure key wraps one
//! data key per request, far below the 2^32 messages at which [NIST SP 800-38D] §8.3 ends the use
//! of one key with random nonces; rotation begins a new count.
//!
//! Trusted: who holds the disclosure key and can read the store can read every value in it.
//!
//! [NIST SP 800-38D]: https://csrc.nist.gov/pubs/sp/800/38/d/final

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

use crate::digest::Commitment;
use crate::error::{ApprovalError, Code};
use crate::id::{Draw, RequestId, wipe};
use crate::sealed::Disclosure;

/// What a store keeps to open the commitments of one request: useless without the disclosure key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// The data key of the request, wrapped; none when nothing was ever sealed, or it was erased.
    pub key: Option<WrappedKey>,
    /// The sealed values and words, in the order they were written.
    pub disclosures: Vec<SealedDisclosure>,
}

impl Envelope {
    /// What a store found.
    #[must_use]
    pub fn new(key: Option<WrappedKey>, disclosures: Vec<SealedDisclosure>) -> Self {
        Self { key, disclosures }
    }

    /// Whether nothing is left that could be opened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.key.is_none() && self.disclosures.is_empty()
    }
}

/// What opens one commitment, as ciphertext.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SealedDisclosure {
    /// The commitment that it opens; bound by the ciphertext.
    pub commitment: Commitment,
    /// Nonce, ciphertext and tag.
    pub ciphertext: Vec<u8>,
}

impl SealedDisclosure {
    /// A ciphertext as it was stored.
    #[must_use]
    pub fn new(commitment: Commitment, ciphertext: Vec<u8>) -> Self {
        Self {
            commitment,
            ciphertext,
        }
    }
}

/// The data key of one request, wrapped by a disclosure key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrappedKey {
    /// The disclosure key that unwraps it.
    pub by: DisclosureKeyId,
    /// Nonce, wrapped key and tag.
    pub ciphertext: Vec<u8>,
}

impl WrappedKey {
    /// A wrapped key as it was stored.
    #[must_use]
    pub fn new(by: DisclosureKeyId, ciphertext: Vec<u8>) -> Self {
        Self { by, ciphertext }
    }
}

/// The key that wraps data keys. It lies in no store, and is never printed, compared or copied.
///
/// # Examples
/// ```
/// use approvals_core::envelope::DisclosureKey;
///
/// let key = DisclosureKey::from_bytes(&[7; 32]);
/// assert_eq!(format!("{key:?}"), format!("DisclosureKey({})", key.id()));
/// ```
///
/// ```compile_fail,E0369
/// # use approvals_core::envelope::DisclosureKey;
/// let (a, b) = (DisclosureKey::from_bytes(&[1; 32]), DisclosureKey::from_bytes(&[1; 32]));
/// assert!(a == b);
/// ```
pub struct DisclosureKey {
    bytes: Box<[u8; KEY_LEN]>,
    id: DisclosureKeyId,
}

impl DisclosureKey {
    /// Takes 32 secret random bytes as the key; the caller wipes its own copy.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; KEY_LEN]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let tag = hmac::sign(&key, b"approvals/disclosure-key-id/v1");
        let mut id = [0; 8];
        for (slot, byte) in id.iter_mut().zip(tag.as_ref()) {
            *slot = *byte;
        }
        Self {
            bytes: Box::new(*bytes),
            id: DisclosureKeyId(id),
        }
    }

    /// Names the key and says nothing about it.
    #[must_use]
    pub fn id(&self) -> DisclosureKeyId {
        self.id
    }
}

impl Drop for DisclosureKey {
    fn drop(&mut self) {
        wipe(self.bytes.as_mut_slice());
    }
}

impl fmt::Debug for DisclosureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DisclosureKey({})", self.id)
    }
}

/// Names a disclosure key: 64 bits that only the key gives, and that give nothing of it away.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DisclosureKeyId([u8; 8]);

impl DisclosureKeyId {
    /// The name with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The bytes of the name.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for DisclosureKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::digest::hex(&self.0))
    }
}

impl fmt::Debug for DisclosureKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why something sealed cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It was sealed under a disclosure key that is not here.
    #[error(
        "it is sealed under disclosure key `{0}`, which is not here; restore the secrets that belong to this store"
    )]
    UnknownKey(DisclosureKeyId),
    /// It is not what was sealed, or was sealed for another request, log or commitment.
    #[error("it is not what was sealed here; restore the store from a backup that verifies")]
    Damaged,
    /// The disclosure keys could not be looked at.
    #[error("the disclosure key cannot be had: {0}")]
    Unreadable(String),
}

/// Where the disclosure key is kept, and its successor while one takes its place.
///
/// A store that is sealed under another key than this process holds makes it look here: that is
/// how processes notice that the key was replaced. Destroying what this gives makes every copy of
/// the store, backups included, worth nothing.
pub trait DisclosureKeys: fmt::Debug + Send + Sync + 'static {
    /// The key that seals a store which is sealed under none yet.
    ///
    /// # Errors
    /// [`EnvelopeError::Unreadable`] when it cannot be had; nothing is sealed then.
    fn first(&self) -> Result<DisclosureKey, EnvelopeError>;

    /// The key with this name, in place or about to be; none when it is not here.
    ///
    /// # Errors
    /// [`EnvelopeError::Unreadable`] when that cannot be told.
    fn find(&self, id: DisclosureKeyId) -> Result<Option<DisclosureKey>, EnvelopeError>;
}

/// Seals and opens the envelopes of one log; what is cloned from it follows its keys.
#[derive(Debug, Clone)]
pub struct Vault {
    log: Arc<str>,
    keys: Option<Arc<dyn DisclosureKeys>>,
    held: Arc<RwLock<Held>>,
}

/// The keys in this process's memory.
#[derive(Debug)]
struct Held {
    seals: Arc<DisclosureKey>,
    /// The one before or after it, for what is not wrapped anew yet.
    beside: Option<Arc<DisclosureKey>>,
}

impl Vault {
    /// The vault of the log with this name, with one key for good.
    #[must_use]
    pub fn new(log: &str, key: DisclosureKey) -> Self {
        Self::holding(log, key, None)
    }

    /// The vault of the log with this name, whose key can be replaced.
    ///
    /// # Errors
    /// [`EnvelopeError::Unreadable`] when there is no key to seal with.
    pub fn with_keys(log: &str, keys: Arc<dyn DisclosureKeys>) -> Result<Self, EnvelopeError> {
        let first = keys.first()?;
        Ok(Self::holding(log, first, Some(keys)))
    }

    fn holding(log: &str, key: DisclosureKey, keys: Option<Arc<dyn DisclosureKeys>>) -> Self {
        let seals = Arc::new(key);
        let held = Held {
            seals,
            beside: None,
        };
        Self {
            log: log.into(),
            keys,
            held: Arc::new(RwLock::new(held)),
        }
    }

    /// The name of the key that seals.
    #[must_use]
    pub fn seals_with(&self) -> DisclosureKeyId {
        self.seals().id()
    }

    /// Whether the key can be replaced at all.
    pub(crate) fn is_fixed(&self) -> bool {
        self.keys.is_none()
    }

    /// Seals with this key from here on, once it is found.
    ///
    /// # Errors
    /// [`EnvelopeError::UnknownKey`] when it is not here; the key of before stays.
    pub(crate) fn seal_with(&self, id: DisclosureKeyId) -> Result<(), EnvelopeError> {
        let key = self.key(id)?;
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.seals.id() != id {
            held.beside = Some(std::mem::replace(&mut held.seals, key));
        }
        Ok(())
    }

    fn seals(&self) -> Arc<DisclosureKey> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&held.seals)
    }

    /// The key with this name, from memory or from where the keys are kept.
    fn key(&self, id: DisclosureKeyId) -> Result<Arc<DisclosureKey>, EnvelopeError> {
        {
            let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
            let mut here = [Some(&held.seals), held.beside.as_ref()]
                .into_iter()
                .flatten();
            if let Some(key) = here.find(|key| key.id() == id) {
                return Ok(Arc::clone(key));
            }
        }
        let found = self.keys.as_ref().map(|keys| keys.find(id)).transpose()?;
        let found = found.flatten().filter(|key| key.id() == id);
        let key = Arc::new(found.ok_or(EnvelopeError::UnknownKey(id))?);
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.beside = Some(Arc::clone(&key));
        Ok(key)
    }

    /// The same data key under the key that seals, for a store to keep in place of this wrapping.
    pub(crate) fn rewrap(
        &self,
        request: RequestId,
        wrapped: &WrappedKey,
    ) -> Result<WrappedKey, EnvelopeError> {
        let data = self.unwrap(request, wrapped)?;
        self.wrap(request, &data, &mut Draw::default())
            .map_err(|error| EnvelopeError::Unreadable(error.to_string()))
    }

    fn wrap(
        &self,
        request: RequestId,
        data: &DataKey,
        draw: &mut Draw,
    ) -> Result<WrappedKey, ApprovalError> {
        let key = self.seals();
        let aad = self.bound(KEY_DOMAIN, request, b"");
        let cipher = cipher(&key.bytes).ok_or_else(cannot_seal)?;
        let ciphertext = encrypt(&cipher, &aad, data.0.as_slice(), draw)?;
        Ok(WrappedKey::new(key.id(), ciphertext))
    }

    /// Makes a data key for a request, and wraps it.
    pub(crate) fn new_key(
        &self,
        request: RequestId,
        draw: &mut Draw,
    ) -> Result<(DataKey, WrappedKey), ApprovalError> {
        let data = DataKey(Box::new(draw.take()?));
        let wrapped = self.wrap(request, &data, draw)?;
        Ok((data, wrapped))
    }

    /// The data key of a request.
    pub(crate) fn unwrap(
        &self,
        request: RequestId,
        wrapped: &WrappedKey,
    ) -> Result<DataKey, EnvelopeError> {
        let key = self.key(wrapped.by)?;
        let aad = self.bound(KEY_DOMAIN, request, b"");
        let mut plain = decrypt(&key.bytes, &aad, &wrapped.ciphertext)?;
        let data = plain.as_slice().try_into().map(Box::new);
        wipe(&mut plain);
        data.map(DataKey).map_err(|_| EnvelopeError::Damaged)
    }

    /// Seals what opens commitments, each by itself.
    pub(crate) fn seal(
        &self,
        request: RequestId,
        key: &DataKey,
        disclosures: &[Disclosure],
        draw: &mut Draw,
    ) -> Result<Vec<SealedDisclosure>, ApprovalError> {
        let cipher = cipher(&key.0).ok_or_else(cannot_seal)?;
        let mut aad = self.bound(VALUE_DOMAIN, request, b"");
        let request_alone = aad.len();
        let seal = |disclosure: &Disclosure| {
            let commitment = disclosure.commitment.clone();
            aad.truncate(request_alone);
            aad.extend_from_slice(commitment.as_str().as_bytes());
            let ciphertext = encrypt(&cipher, &aad, disclosure.text.as_bytes(), draw)?;
            Ok(SealedDisclosure::new(commitment, ciphertext))
        };
        disclosures.iter().map(seal).collect()
    }

    /// Opens everything in the envelope of a request that can be opened.
    ///
    /// What was tampered with is left out: whoever needs it then finds it missing.
    ///
    /// # Errors
    /// [`EnvelopeError`] when the data key itself cannot be unwrapped.
    pub fn open(
        &self,
        request: RequestId,
        envelope: &Envelope,
    ) -> Result<Vec<Disclosure>, EnvelopeError> {
        let Some(wrapped) = &envelope.key else {
            return Ok(Vec::new());
        };
        let key = self.unwrap(request, wrapped)?;
        let sealed = envelope.disclosures.iter();
        Ok(sealed
            .filter_map(|sealed| self.open_one(request, &key, sealed).ok())
            .collect())
    }

    fn open_one(
        &self,
        request: RequestId,
        key: &DataKey,
        sealed: &SealedDisclosure,
    ) -> Result<Disclosure, EnvelopeError> {
        let aad = self.bound(VALUE_DOMAIN, request, sealed.commitment.as_str().as_bytes());
        let plain = decrypt(&key.0, &aad, &sealed.ciphertext)?;
        let text = String::from_utf8(plain).map_err(|_| EnvelopeError::Damaged)?;
        let opened = Disclosure::from_text(text);
        if opened.commitment == sealed.commitment {
            Ok(opened)
        } else {
            Err(EnvelopeError::Damaged)
        }
    }

    /// What a ciphertext is bound to: it opens for this log, this request and this purpose only.
    fn bound(&self, domain: &[u8], request: RequestId, more: &[u8]) -> Vec<u8> {
        // The name of a log holds no NUL, and the id has one length: no two bindings are equal.
        [
            domain,
            b"\0",
            self.log.as_bytes(),
            b"\0",
            request.as_bytes(),
            more,
        ]
        .concat()
    }
}

/// The key of one request, in memory for as long as it takes to seal or open.
pub(crate) struct DataKey(Box<[u8; KEY_LEN]>);

impl Drop for DataKey {
    fn drop(&mut self) {
        wipe(self.0.as_mut_slice());
    }
}

fn encrypt(
    cipher: &LessSafeKey,
    aad: &[u8],
    plain: &[u8],
    draw: &mut Draw,
) -> Result<Vec<u8>, ApprovalError> {
    let nonce: [u8; NONCE_LEN] = draw.take()?;
    let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let (_, body) = sealed.split_at_mut(NONCE_LEN);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(aad), body);
    // What could not be sealed goes nowhere.
    let tag = tag.map_err(|_| cannot_seal())?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

fn decrypt(key: &[u8; KEY_LEN], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let opened = sealed.split_first_chunk().and_then(|(nonce, body)| {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut body = body.to_vec();
        let plain = cipher(key)?.open_in_place(nonce, Aad::from(aad), &mut body);
        let length = plain.ok()?.len();
        body.truncate(length);
        Some(body)
    });
    opened.ok_or(EnvelopeError::Damaged)
}

fn cipher(key: &[u8; KEY_LEN]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key)
        .ok()
        .map(LessSafeKey::new)
}

fn cannot_seal() -> ApprovalError {
    ApprovalError::new(
        Code::AuditUnavailable,
        "what people are shown could not be encrypted, so it is not stored and nothing may be asked; give the gate a disclosure key",
    )
}

const KEY_LEN: usize = 32;
const KEY_DOMAIN: &[u8] = b"approvals/data-key/v1";
const VALUE_DOMAIN: &[u8] = b"approvals/disclosure/v1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Value;

    fn vault(log: &str, key: u8) -> Vault {
        Vault::new(log, DisclosureKey::from_bytes(&[key; 32]))
    }

    fn request(number: u8) -> RequestId {
        RequestId::from_bytes([number; 16])
    }

    fn value(text: &str) -> Disclosure {
        Disclosure::new("args.table", &Value::Text(text.to_owned())).unwrap()
    }

    fn sealed(vault: &Vault, of: RequestId, values: &[Disclosure]) -> Envelope {
        let draw = &mut Draw::default();
        let (key, wrapped) = vault.new_key(of, draw).unwrap();
        Envelope::new(Some(wrapped), vault.seal(of, &key, values, draw).unwrap())
    }

    #[test]
    fn an_envelope_opens_for_its_log_request_and_key_only() {
        let (home, values) = (vault("a", 1), [value("users"), value("")]);
        let envelope = sealed(&home, request(1), &values);
        assert_eq!(home.open(request(1), &envelope).unwrap(), values);
        let damaged = Err(EnvelopeError::Damaged);
        assert_eq!(home.open(request(2), &envelope), damaged);
        assert_eq!(vault("b", 1).open(request(1), &envelope), damaged);
        let other = vault("a", 2).open(request(1), &envelope).unwrap_err();
        assert_eq!(other, EnvelopeError::UnknownKey(home.seals_with()));
        assert_eq!(home.open(request(1), &Envelope::default()), Ok(Vec::new()));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let vault = vault("a", 1);
        let envelope = sealed(&vault, request(1), &[value("users")]);
        let wrapped = envelope.key.clone().unwrap();
        for place in 0..wrapped.ciphertext.len() {
            let mut other = envelope.clone();
            other.key.as_mut().unwrap().ciphertext[place] ^= 1;
            assert_eq!(
                vault.open(request(1), &other),
                Err(EnvelopeError::Damaged),
                "byte {place} of the key"
            );
        }
        let text = &envelope.disclosures[0].ciphertext;
        for place in 0..text.len() {
            let mut flipped = envelope.clone();
            flipped.disclosures[0].ciphertext[place] ^= 1;
            let mut cut = envelope.clone();
            cut.disclosures[0].ciphertext.truncate(place);
            for other in [flipped, cut] {
                assert_eq!(
                    vault.open(request(1), &other),
                    Ok(Vec::new()),
                    "byte {place}"
                );
            }
        }
    }

    #[test]
    fn a_ciphertext_cannot_be_moved_to_another_commitment() {
        let vault = vault("a", 1);
        let mut envelope = sealed(&vault, request(1), &[value("users"), value("logs")]);
        let (one, two) = (
            envelope.disclosures[0].clone(),
            envelope.disclosures[1].clone(),
        );
        envelope.disclosures[0].ciphertext = two.ciphertext;
        envelope.disclosures[1].ciphertext = one.ciphertext;
        assert_eq!(vault.open(request(1), &envelope), Ok(Vec::new()));
    }

    #[test]
    fn equal_values_look_different_and_nothing_looks_like_itself() {
        let vault = vault("a", 1);
        let same = value("users");
        let envelope = sealed(&vault, request(1), &[same.clone(), same.clone()]);
        let again = sealed(&vault, request(1), std::slice::from_ref(&same));
        let texts = [
            &envelope.disclosures[0],
            &envelope.disclosures[1],
            &again.disclosures[0],
        ]
        .map(|sealed| sealed.ciphertext.clone());
        assert_ne!(texts[0], texts[1]);
        assert_ne!(texts[0], texts[2]);
        assert_ne!(envelope.key, again.key);
        for text in texts {
            assert!(
                !text
                    .windows(8)
                    .any(|part| same.text.as_bytes().starts_with(part))
            );
        }
    }
}
