//! Decisions signed with a passkey: a WebAuthn assertion whose challenge is the SHA-256 of the
//! decision bytes, so that it is worth what an SSH signature over the same bytes is.
//!
//! Everything that the signature covers is kept in the record, and the account is the digest of
//! the key itself: an auditor verifies it again offline, with nothing of ours but this module.
//! It follows "Verifying an Authentication Assertion" ([WebAuthn §7.2]), and is stricter: no
//! extensions, no foreign frames, a person verified and not only present.
//!
//! The count of signatures stays in the record and is not judged: passkeys that a person's devices
//! share count nothing, and a decision cannot be replayed, because it names its request and a
//! person votes once.
//!
//! [WebAuthn §7.2]: https://www.w3.org/TR/webauthn-3/#sctn-verifying-assertion

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use serde::Deserialize;

use crate::clock::Timestamp;
use crate::digest::sha256;
use crate::directory::{Passkey, PasskeyKey, PasskeyKind, RpId, passkey_identity};
use crate::error::{ApprovalError, Code};
use crate::principal::{Assurance, IdentityKey};
use crate::review::{
    DOMAIN, Evidence, POST_DOMAIN, PostReview, PostStatement, Review, Statement, VerifiedApprover,
};
use crate::sealed::Disclosure;

/// What evidence of this kind is called in a record.
pub const METHOD: &str = "webauthn";

/// What a browser gives back when a passkey has signed; nothing in it is believed before
/// [`verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "these are the three parts that WebAuthn signs with"
)]
pub struct Assertion {
    /// What the browser saw: kind, challenge, origin.
    pub client_data: Vec<u8>,
    /// What the authenticator saw: the site, and how it verified the person.
    pub authenticator_data: Vec<u8>,
    /// The signature over both.
    pub signature: Vec<u8>,
}

/// What the passkey has to sign for this statement: the SHA-256 of its bytes.
#[must_use]
pub fn challenge(statement: &[u8]) -> [u8; 32] {
    sha256(&[statement])
}

/// Verifies that this passkey's holder, verified by the authenticator, signed this statement on
/// this site.
///
/// It says which key signed what; whose key that is, and whether that person may decide, is for
/// the gate and the directory. An auditor calls it again with what the record holds.
///
/// # Errors
/// `SignatureInvalid` when anything about the signature, what it covers, or the statement is not
/// right.
pub fn verify(
    statement: &[u8],
    assertion: &Assertion,
    rp_id: &RpId,
    key: &PasskeyKey,
) -> Result<(Statement, VerifiedApprover), ApprovalError> {
    let said = Statement::parse(statement)?;
    Ok((said, proven(DOMAIN, statement, assertion, (rp_id, key))?))
}

/// Verifies a signed statement of a review after the use, as [`verify`] does a decision.
///
/// # Errors
/// `SignatureInvalid` as [`verify`].
pub fn verify_post(
    statement: &[u8],
    assertion: &Assertion,
    rp_id: &RpId,
    key: &PasskeyKey,
) -> Result<(PostStatement, VerifiedApprover), ApprovalError> {
    let said = PostStatement::parse(statement)?;
    Ok((
        said,
        proven(POST_DOMAIN, statement, assertion, (rp_id, key))?,
    ))
}

/// The account whose passkey signed these bytes.
fn proven(
    domain: &[u8],
    statement: &[u8],
    assertion: &Assertion,
    (rp_id, key): (&RpId, &PasskeyKey),
) -> Result<VerifiedApprover, ApprovalError> {
    let client_data = seen_by_browser(&assertion.client_data, GET, &challenge(statement), rp_id)?;
    seen_by_authenticator(&assertion.authenticator_data, rp_id)?;
    signed(assertion, key)?;
    let identity = passkey_identity(rp_id, key).map_err(|error| refuse(&error.to_string()))?;
    let body = statement.strip_prefix(domain).unwrap_or_default();
    let evidence = Evidence::new(METHOD)
        .with("statement", String::from_utf8_lossy(body))
        .with("site", rp_id.as_str())
        .with("key", key.to_string())
        .with("client_data", client_data)
        .with("authenticator_data", base64(&assertion.authenticator_data))
        .with("signature", base64(&assertion.signature));
    Ok(VerifiedApprover::assertion(
        identity,
        Assurance::A3,
        evidence,
    ))
}

/// Verifies the evidence of a record again: what was signed, and the account of the key.
///
/// # Errors
/// `SignatureInvalid` as [`verify`], or when the evidence is not exactly what [`verify`] leaves.
pub fn check(evidence: &Evidence) -> Result<(Statement, IdentityKey), ApprovalError> {
    checked(DOMAIN, evidence, verify)
}

/// Verifies the evidence of a review after the use again, as [`check`] does that of a decision.
///
/// # Errors
/// As [`check`].
pub fn check_post(evidence: &Evidence) -> Result<(PostStatement, IdentityKey), ApprovalError> {
    checked(POST_DOMAIN, evidence, verify_post)
}

fn checked<T>(
    domain: &[u8],
    evidence: &Evidence,
    verify: impl Fn(
        &[u8],
        &Assertion,
        &RpId,
        &PasskeyKey,
    ) -> Result<(T, VerifiedApprover), ApprovalError>,
) -> Result<(T, IdentityKey), ApprovalError> {
    let part = |name: &str| {
        let found = evidence.proof.get(name).map(String::as_str);
        found.ok_or_else(|| refuse(&format!("the evidence has no {name}")))
    };
    let bytes = |name: &str| {
        let decoded = URL_SAFE_NO_PAD.decode(part(name)?);
        decoded.map_err(|_| refuse(&format!("the {name} of the evidence is not base64url")))
    };
    let invalid = |error: crate::directory::InvalidPasskey| refuse(&error.to_string());
    let key = PasskeyKey::from_cose(&bytes("key")?).map_err(invalid)?;
    let rp_id = RpId::new(part("site")?).map_err(invalid)?;
    let assertion = Assertion {
        client_data: part("client_data")?.as_bytes().to_vec(),
        authenticator_data: bytes("authenticator_data")?,
        signature: bytes("signature")?,
    };
    let statement = [domain, part("statement")?.as_bytes()].concat();
    let (said, approver) = verify(&statement, &assertion, &rp_id, &key)?;
    if approver.evidence() == evidence {
        Ok((said, approver.identity().clone()))
    } else {
        Err(refuse("the evidence says more than was signed"))
    }
}

/// The review that a signed statement is, if it is still worth anything.
///
/// # Errors
/// `SignatureInvalid` as [`verify`]; `Expired` when the statement is too old; `ActionMismatch`
/// when the reason is not the one that was signed.
pub fn review(
    statement: &[u8],
    assertion: &Assertion,
    passkey: &Passkey,
    reason: Option<Disclosure>,
    now: Timestamp,
) -> Result<Review, ApprovalError> {
    let (said, approver) = verify(statement, assertion, passkey.rp_id(), passkey.key())?;
    Review::signed(said, approver, reason, now)
}

/// The review after the use that a signed statement is, if it is still worth anything.
///
/// # Errors
/// As [`review`].
pub fn post_review(
    statement: &[u8],
    assertion: &Assertion,
    passkey: &Passkey,
    reason: Disclosure,
    now: Timestamp,
) -> Result<PostReview, ApprovalError> {
    let (said, approver) = verify_post(statement, assertion, passkey.rp_id(), passkey.key())?;
    PostReview::signed(said, approver, reason, now)
}

/// The passkey that an authenticator has just made, ready to be put into a people file by
/// whoever keeps that file.
///
/// It makes nobody anybody: attestation is not asked for, and the entry counts only once an
/// operator has added it to a person.
///
/// # Errors
/// `SignatureInvalid` when it was made for another site or challenge, without verifying the
/// person, or with a key of another kind.
pub fn enrolled(
    client_data: &[u8],
    authenticator_data: &[u8],
    challenge: &[u8; 32],
    rp_id: &RpId,
) -> Result<Passkey, ApprovalError> {
    const DAMAGED: &str = "the browser's answer names no passkey; enrol again";
    seen_by_browser(client_data, CREATE, challenge, rp_id)?;
    let (head, made) = authenticator_data
        .split_at_checked(HEAD)
        .ok_or_else(|| refuse(DAMAGED))?;
    flags(head, rp_id, MADE)?;
    // AAGUID, length of the id, the id, and the key to the end: there are no extensions.
    let (_, made) = made.split_at_checked(16).ok_or_else(|| refuse(DAMAGED))?;
    let (length, made) = made.split_first_chunk().ok_or_else(|| refuse(DAMAGED))?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (credential, key) = made
        .split_at_checked(length)
        .ok_or_else(|| refuse(DAMAGED))?;
    let invalid = |error: crate::directory::InvalidPasskey| refuse(&error.to_string());
    let key = PasskeyKey::from_cose(key).map_err(invalid)?;
    Passkey::new(rp_id.clone(), credential.to_vec(), key).map_err(invalid)
}

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
    #[serde(rename = "topOrigin", default)]
    top_origin: Option<String>,
}

/// Judges what the browser says that it saw; other members are allowed, as the standard demands.
fn seen_by_browser<'a>(
    client_data: &'a [u8],
    kind: &str,
    challenge: &[u8; 32],
    rp_id: &RpId,
) -> Result<&'a str, ApprovalError> {
    const DAMAGED: &str = "the browser's part of the signature cannot be read";
    if client_data.len() > MAX_CLIENT_DATA {
        return Err(refuse("the browser's part of the signature is too long"));
    }
    let text = std::str::from_utf8(client_data).map_err(|_| refuse(DAMAGED))?;
    let seen: ClientData = serde_json::from_str(text).map_err(|_| refuse(DAMAGED))?;
    if seen.kind != kind {
        return Err(refuse("the passkey was used for something else"));
    }
    if seen.challenge != base64(challenge) {
        return Err(refuse(
            "the passkey signed another decision; open the request and decide again",
        ));
    }
    if !is_on(&seen.origin, rp_id) {
        return Err(refuse(
            "the passkey was used on another site than the one it is for",
        ));
    }
    if seen.cross_origin || seen.top_origin.is_some() {
        return Err(refuse("the passkey was used inside another site's page"));
    }
    Ok(text)
}

/// Whether an origin is the site itself: HTTPS, any port, no subdomain. Plain HTTP only on this
/// machine, where browsers allow it, too.
fn is_on(origin: &str, rp_id: &RpId) -> bool {
    let host = match origin.split_once("://") {
        Some(("https", host)) => host,
        Some(("http", host)) if rp_id.as_str() == "localhost" => host,
        _ => return false,
    };
    match host.split_once(':') {
        Some((host, port)) => host == rp_id.as_str() && port.parse::<u16>().is_ok(),
        None => host == rp_id.as_str(),
    }
}

fn seen_by_authenticator(data: &[u8], rp_id: &RpId) -> Result<(), ApprovalError> {
    if data.len() != HEAD {
        return Err(refuse(
            "the passkey signed with extensions, which nothing here asks for",
        ));
    }
    flags(data, rp_id, 0)
}

/// Judges the first part of authenticator data: the digest of the site, flags, and a count.
fn flags(head: &[u8], rp_id: &RpId, made: u8) -> Result<(), ApprovalError> {
    let (site, rest) = head.split_at_checked(32).unwrap_or_default();
    if site != sha256(&[rp_id.as_str().as_bytes()]) {
        return Err(refuse(
            "the passkey was used on another site than the one it is for",
        ));
    }
    let flags = rest.first().copied().unwrap_or_default();
    if flags & PRESENT == 0 || flags & VERIFIED == 0 {
        return Err(refuse(
            "the passkey did not verify who used it; take one that asks for a PIN, a finger or a face",
        ));
    }
    let copied = flags & COPIED != 0 && flags & COPYABLE == 0;
    let others = flags & !(PRESENT | VERIFIED | COPYABLE | COPIED) != made;
    if copied || others {
        return Err(refuse("the passkey signed with flags that do not fit"));
    }
    Ok(())
}

fn signed(assertion: &Assertion, key: &PasskeyKey) -> Result<(), ApprovalError> {
    let client_data = sha256(&[&assertion.client_data]);
    let message = [&assertion.authenticator_data[..], &client_data].concat();
    let verified = match key.kind() {
        PasskeyKind::Es256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
            .verify(&message, &assertion.signature),
        PasskeyKind::Ed25519(x) => {
            UnparsedPublicKey::new(&ED25519, x).verify(&message, &assertion.signature)
        }
    };
    verified.map_err(|_| refuse("the signature of the passkey does not verify; decide again"))
}

fn refuse(what: &str) -> ApprovalError {
    ApprovalError::new(Code::SignatureInvalid, what.to_owned())
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

const GET: &str = "webauthn.get";
const CREATE: &str = "webauthn.create";

/// The digest of the site, the flags, and the count of signatures.
const HEAD: usize = 37;
const MAX_CLIENT_DATA: usize = 4_096;

const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
/// The passkey may be copied to other devices of its holder.
const COPYABLE: u8 = 1 << 3;
/// It has been.
const COPIED: u8 = 1 << 4;
/// A key follows that was just made.
const MADE: u8 = 1 << 6;

#[cfg(test)]
mod tests;
