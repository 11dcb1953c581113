//! Keys that people sign with.

use ssh_key::{HashAlg, PublicKey};

use crate::principal::{IdentityKey, InvalidIdentity};

/// The account that a key is: provider `ssh`, no tenant, and the SHA-256 fingerprint.
///
/// # Errors
/// [`InvalidIdentity`] never for a key that a people file accepts; its fingerprint is plain text.
pub fn ssh_identity(key: &PublicKey) -> Result<IdentityKey, InvalidIdentity> {
    IdentityKey::new(PROVIDER, "", &key.fingerprint(HashAlg::Sha256).to_string())
}

/// Reads `TYPE BASE64 [COMMENT]`, the line of a `.pub` file, and nothing else.
///
/// The lines of `authorized_keys` and `allowed_signers` may say more: principals with patterns,
/// certificate authorities, options. Each of these lets a key speak for others, so none is taken.
pub(super) fn read(line: &str) -> Result<PublicKey, &'static str> {
    if line.contains(char::is_control) {
        return Err("a key is one line; copy the line of the `.pub` file");
    }
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let (algorithm, base64) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    match algorithm {
        "ssh-ed25519"
        | "ecdsa-sha2-nistp256"
        | "sk-ssh-ed25519@openssh.com"
        | "sk-ecdsa-sha2-nistp256@openssh.com" => {}
        "ssh-rsa" | "rsa-sha2-256" | "rsa-sha2-512" | "ssh-dss" => {
            return Err("RSA and DSA keys are not accepted; make one with `ssh-keygen -t ed25519`");
        }
        "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521" => {
            return Err(
                "of the ECDSA keys only nistp256 is accepted; make one with `ssh-keygen -t ed25519`",
            );
        }
        _ => {
            return Err(
                "write the key as in its `.pub` file, starting with its type, such as `ssh-ed25519`; principals, patterns, certificates and options such as `cert-authority` are not accepted",
            );
        }
    }
    // The comment is left out: it is free text that proves nothing.
    PublicKey::from_openssh(&format!("{algorithm} {base64}"))
        .map_err(|_| "the key is damaged; copy the whole line of its `.pub` file")
}

pub(super) const PROVIDER: &str = "ssh";
