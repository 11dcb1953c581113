//! Decisions signed with a person's own SSH key: SSHSIG over the decision bytes.
//!
//! Works with plain keys, keys in an agent and hardware keys: whatever `ssh-keygen -Y sign` can
//! use. The format is OpenSSH's `PROTOCOL.sshsig`; the namespace keeps a signature made for a file
//! or a commit from being taken for a decision.

mod padded;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh_key::{LineEnding, PrivateKey, PublicKey, SshSig};

use crate::clock::Timestamp;
use crate::directory::ssh_identity;
use crate::error::{ApprovalError, Code};
use crate::principal::{Assurance, IdentityKey};
use crate::review::{
    DOMAIN, Evidence, POST_DOMAIN, PostReview, PostStatement, Review, Statement, VerifiedApprover,
};
use crate::sealed::Disclosure;

/// What evidence of this kind is called in a record.
pub const METHOD: &str = "sshsig";

/// The SSHSIG namespace of decisions.
pub const NAMESPACE: &str = "approvals-decision@v1";

/// Signs a statement with a private key in OpenSSH's format that needs no passphrase.
///
/// Other keys sign through `ssh-keygen -Y sign -n approvals-decision@v1`.
///
/// # Errors
/// `SignatureInvalid` when the key cannot be read, needs a passphrase, or is of another kind than
/// Ed25519 or ECDSA P-256.
pub fn sign(statement: &Statement, private_key: &str) -> Result<String, ApprovalError> {
    sign_bytes(&statement.bytes()?, private_key)
}

/// Signs the statement of a review after the use, as [`sign`] does a decision.
///
/// # Errors
/// As [`sign`].
pub fn sign_post(statement: &PostStatement, private_key: &str) -> Result<String, ApprovalError> {
    sign_bytes(&statement.bytes()?, private_key)
}

fn sign_bytes(statement: &[u8], private_key: &str) -> Result<String, ApprovalError> {
    let refuse = |what: &str| ApprovalError::new(Code::SignatureInvalid, what.to_owned());
    let key =
        read(private_key).ok_or_else(|| refuse("this is not a private key in OpenSSH's format"))?;
    if key.is_encrypted() {
        return Err(refuse(
            "this key needs a passphrase; add it to your agent with `ssh-add` and name its `.pub` file",
        ));
    }
    let signed = key
        .sign(NAMESPACE, ssh_key::HashAlg::Sha512, statement)
        .map_err(|_| refuse("this key cannot sign; use an Ed25519 or ECDSA P-256 key"))?;
    signed
        .to_pem(LineEnding::LF)
        .map_err(|_| refuse("the signature could not be written"))
}

/// Reads a private key, whatever its length.
fn read(private_key: &str) -> Option<PrivateKey> {
    PrivateKey::from_openssh(private_key).ok().or_else(|| {
        let mut padded = padded::padded(private_key)?.into_bytes();
        let key = PrivateKey::from_openssh(&padded).ok();
        crate::id::wipe(&mut padded);
        key
    })
}

/// Verifies a signed statement: the signature, the namespace, and for hardware keys the touch.
///
/// It says which key signed what; whose key that is, and whether that person may decide, is for
/// the gate and the directory. An auditor calls it again with what the record holds.
///
/// # Errors
/// `SignatureInvalid` when anything about the signature or the statement is not right.
pub fn verify(
    statement: &[u8],
    signature: &str,
) -> Result<(Statement, VerifiedApprover), ApprovalError> {
    let parsed = Statement::parse(statement)?;
    Ok((parsed, proven(DOMAIN, statement, signature)?))
}

/// Verifies a signed statement of a review after the use, as [`verify`] does a decision.
///
/// # Errors
/// `SignatureInvalid` when anything about the signature or the statement is not right.
pub fn verify_post(
    statement: &[u8],
    signature: &str,
) -> Result<(PostStatement, VerifiedApprover), ApprovalError> {
    let parsed = PostStatement::parse(statement)?;
    Ok((parsed, proven(POST_DOMAIN, statement, signature)?))
}

/// The account whose key signed these bytes.
fn proven(
    domain: &[u8],
    statement: &[u8],
    signature: &str,
) -> Result<VerifiedApprover, ApprovalError> {
    let refuse = |what: &str| ApprovalError::new(Code::SignatureInvalid, what.to_owned());
    let sshsig = SshSig::from_pem(signature).map_err(|_| refuse("this is not an SSH signature"))?;
    if !is_whole(signature) {
        return Err(refuse("this is not how an SSH signature is written"));
    }
    let key = PublicKey::from(sshsig.public_key().clone());
    key.verify(NAMESPACE, statement, &sshsig).map_err(|_| {
        refuse("the signature does not verify; sign again with `approvals approve`")
    })?;
    let hardware = key.algorithm().as_str().starts_with("sk-");
    if hardware && !was_touched(&sshsig) {
        return Err(refuse(
            "the hardware key was not touched; take a key that asks for it",
        ));
    }
    let identity = ssh_identity(&key).map_err(|error| refuse(&error.to_string()))?;
    let body = statement.strip_prefix(domain).unwrap_or_default();
    let evidence = Evidence::new(METHOD)
        .with("statement", String::from_utf8_lossy(body))
        .with("signature", signature.trim())
        .with("key", key.to_openssh().unwrap_or_default());
    Ok(VerifiedApprover::assertion(
        identity,
        Assurance::A3,
        evidence,
    ))
}

/// Verifies the evidence of a record again: what was signed, and the account of the key.
///
/// # Errors
/// `SignatureInvalid` as [`verify`], or when the evidence is not all of what [`verify`] leaves.
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
    verify: impl Fn(&[u8], &str) -> Result<(T, VerifiedApprover), ApprovalError>,
) -> Result<(T, IdentityKey), ApprovalError> {
    let refuse = |what: &str| ApprovalError::new(Code::SignatureInvalid, what.to_owned());
    let part = |name: &str| {
        let found = evidence.proof.get(name).map(String::as_str);
        found.ok_or_else(|| refuse(&format!("the evidence has no {name}")))
    };
    let statement = [domain, part("statement")?.as_bytes()].concat();
    let (said, approver) = verify(&statement, part("signature")?)?;
    if approver.evidence() == evidence {
        Ok((said, approver.identity().clone()))
    } else {
        Err(refuse(
            "the evidence names another key than the one that signed",
        ))
    }
}

/// The review that a signed statement is, if it is still worth anything.
///
/// # Errors
/// `SignatureInvalid` as [`verify`]; `Expired` when the statement is too old; `ActionMismatch`
/// when the reason is not the one that was signed.
pub fn review(
    statement: &[u8],
    signature: &str,
    reason: Option<Disclosure>,
    now: Timestamp,
) -> Result<Review, ApprovalError> {
    let (said, approver) = verify(statement, signature)?;
    Review::signed(said, approver, reason, now)
}

/// The review after the use that a signed statement is, if it is still worth anything.
///
/// # Errors
/// As [`review`].
pub fn post_review(
    statement: &[u8],
    signature: &str,
    reason: Disclosure,
    now: Timestamp,
) -> Result<PostReview, ApprovalError> {
    let (said, approver) = verify_post(statement, signature)?;
    PostReview::signed(said, approver, reason, now)
}

/// Whether every length in the bytes of a signature is that of what stands there: one that a reader passes
/// over would let a record be changed unseen. What the parts say is looked at elsewhere.
fn is_whole(text: &str) -> bool {
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    let base64: String = lines.map(str::trim).collect();
    let Ok(bytes) = STANDARD.decode(base64) else {
        return false;
    };
    let versioned = bytes.strip_prefix(b"SSHSIG");
    let parts = versioned.and_then(|rest| strings(rest.get(4..)?));
    let Some([key, _, _, _, signature]) = parts.as_deref() else {
        return false;
    };
    // A hardware key says after its signature how often it was used, and whether it was touched.
    let hardware = signature
        .get(4..)
        .is_some_and(|name| name.starts_with(b"sk-"));
    let after = if hardware { 5 } else { 0 };
    let end = signature.len().checked_sub(after);
    let signed = end.and_then(|end| strings(signature.get(..end)?));
    strings(key).is_some() && signed.is_some_and(|parts| parts.len() == 2)
}

/// The length-prefixed strings that bytes are made of, to the last byte.
fn strings(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (part, rest) = rest.split_at_checked(length)?;
        parts.push(part);
        bytes = rest;
    }
    Some(parts)
}

/// Whether the flags of a hardware key's signature say that a person was present.
fn was_touched(sshsig: &SshSig) -> bool {
    const PRESENT: u8 = 0x01;
    // The last five bytes are the flags and a 32-bit counter (PROTOCOL.u2f).
    let flags = sshsig.signature_bytes().iter().rev().nth(4);
    flags.is_some_and(|flags| flags & PRESENT != 0)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::digest::{ActionDigest, PolicyDigest};
    use crate::id::RequestId;
    use crate::review::Vote;

    fn statement(vote: Vote) -> Statement {
        let bound = (
            RequestId::from_bytes([1; 16]),
            ActionDigest::of(b"a"),
            PolicyDigest::of(b"p"),
            vote,
        );
        Statement::new(
            bound,
            "u_dana".parse().unwrap(),
            None,
            "nonce".to_owned(),
            Timestamp::from_micros(1_000),
        )
    }

    fn key_file(dir: &std::path::Path, name: &str, kind: &str) -> std::path::PathBuf {
        let path = dir.join(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", "", "-f"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success());
        path
    }

    fn openssh_signs(key: &std::path::Path, namespace: &str, message: &[u8]) -> String {
        let file = key.with_extension("msg");
        std::fs::write(&file, message).unwrap();
        let mut command = Command::new("ssh-keygen");
        command
            .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
            .arg(key)
            .arg(&file)
            .stderr(Stdio::null());
        assert!(command.status().unwrap().success());
        let signed = key.with_extension("msg.sig");
        let text = std::fs::read_to_string(&signed).unwrap();
        std::fs::remove_file(signed).unwrap();
        text
    }

    #[test]
    fn openssh_and_we_agree() {
        let dir = tempfile::tempdir().unwrap();
        for kind in ["ed25519", "ecdsa"] {
            let key = key_file(dir.path(), kind, kind);
            let statement = statement(Vote::Approve);
            let bytes = statement.bytes().unwrap();
            let ours = sign(&statement, &std::fs::read_to_string(&key).unwrap()).unwrap();
            let theirs = openssh_signs(&key, NAMESPACE, &bytes);
            for signature in [&ours, &theirs] {
                let (said, approver) = verify(&bytes, signature).unwrap();
                assert_eq!(
                    (said, approver.assurance()),
                    (statement.clone(), Assurance::A3)
                );
            }
            std::fs::write(key.with_extension("ours"), &ours).unwrap();
            let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
            std::fs::write(dir.path().join("signers"), format!("u_dana {public}")).unwrap();
            let mut check = Command::new("ssh-keygen");
            check
                .args(["-q", "-Y", "verify", "-I", "u_dana", "-n", NAMESPACE, "-f"])
                .arg(dir.path().join("signers"));
            check
                .arg("-s")
                .arg(key.with_extension("ours"))
                .stdin(std::fs::File::open(key.with_extension("msg")).unwrap());
            assert!(
                check.stdout(Stdio::null()).status().unwrap().success(),
                "OpenSSH accepts our {kind} signature"
            );
        }
    }

    #[test]
    fn what_a_hardware_key_adds_to_its_signature_is_part_of_it() {
        let string = |part: &[u8]| {
            let length = u32::try_from(part.len()).unwrap().to_be_bytes();
            [&length[..], part].concat()
        };
        let text = |algorithm: &[u8], after: &[u8]| {
            let signature = [string(algorithm), string(b"signed"), after.to_vec()].concat();
            let key = string(&[string(algorithm), string(b"key")].concat());
            let rest = [
                string(b"ns"),
                string(b""),
                string(b"sha512"),
                string(&signature),
            ]
            .concat();
            let bytes = [&b"SSHSIG\0\0\0\x01"[..], &key, &rest].concat();
            STANDARD.encode(bytes)
        };
        for (algorithm, after, whole) in [
            (&b"ssh-ed25519"[..], &b""[..], true),
            (b"ssh-ed25519", b"\x01\0\0\0\x07", false),
            (
                b"sk-ecdsa-sha2-nistp256@openssh.com",
                b"\x01\0\0\0\x07",
                true,
            ),
            (b"sk-ssh-ed25519@openssh.com", b"\x01\0\0\0\x07", true),
            (b"sk-ssh-ed25519@openssh.com", b"\x01\0\0\0", false),
            (b"sk-ssh-ed25519@openssh.com", b"", false),
        ] {
            assert_eq!(
                is_whole(&text(algorithm, after)),
                whole,
                "{algorithm:?} {after:?}"
            );
        }
    }

    #[test]
    fn no_byte_of_a_signature_can_be_another_one() {
        let dir = tempfile::tempdir().unwrap();
        for kind in ["ed25519", "ecdsa"] {
            let key = key_file(dir.path(), kind, kind);
            let bytes = statement(Vote::Approve).bytes().unwrap();
            let signature = openssh_signs(&key, NAMESPACE, &bytes);
            assert!(verify(&bytes, &signature).is_ok());
            let begin = signature.find('\n').unwrap();
            let end = signature.rfind("\n-----END").unwrap();
            for place in begin..end {
                let have = signature.as_bytes()[place];
                let other = if have == b'B' { b'C' } else { b'B' };
                if have == b'\n' || have == b'=' {
                    continue;
                }
                let mut changed = signature.clone().into_bytes();
                changed[place] = other;
                let changed = String::from_utf8(changed).unwrap();
                assert!(
                    verify(&bytes, &changed).is_err(),
                    "{kind}: {place} of\n{changed}"
                );
            }
        }
    }

    #[test]
    fn a_signature_is_for_one_verb_one_namespace_one_text() {
        let dir = tempfile::tempdir().unwrap();
        let key = key_file(dir.path(), "k", "ed25519");
        let deny = statement(Vote::Deny).bytes().unwrap();
        let signature = openssh_signs(&key, NAMESPACE, &deny);
        assert!(verify(&deny, &signature).is_ok());
        let refused = [
            (statement(Vote::Approve).bytes().unwrap(), signature.clone()),
            (deny.clone(), openssh_signs(&key, "file", &deny)),
            (deny.clone(), signature.replacen('A', "B", 1)),
            (deny.clone(), String::new()),
            (b"hello".to_vec(), openssh_signs(&key, NAMESPACE, b"hello")),
        ];
        for (bytes, signature) in refused {
            assert_eq!(
                verify(&bytes, &signature).unwrap_err().code(),
                Code::SignatureInvalid
            );
        }
        let late = review(&deny, &signature, None, Timestamp::from_micros(1_000)).unwrap_err();
        assert_eq!(late.code(), Code::Expired);
        assert!(review(&deny, &signature, None, Timestamp::from_micros(999)).is_ok());
        let other = crate::review::commit_reason("another reason").unwrap();
        assert_eq!(
            review(&deny, &signature, Some(other), Timestamp::from_micros(0))
                .unwrap_err()
                .code(),
            Code::ActionMismatch
        );
    }
}
