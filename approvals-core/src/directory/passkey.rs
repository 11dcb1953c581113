//! Passkeys that people sign with.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::digest::sha256;
use crate::principal::{IdentityKey, InvalidIdentity};

/// A passkey somebody signs with: the site it is for, its public key, and how a browser finds it.
///
/// Who may change one in a people file decides with it, as with any key there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    rp_id: RpId,
    credential: Vec<u8>,
    key: PasskeyKey,
}

impl Passkey {
    /// The passkey of a site with this credential id and this key.
    ///
    /// # Errors
    /// [`InvalidPasskey`] when the credential id is shorter than 16 bytes or longer than 1,023.
    pub fn new(rp_id: RpId, credential: Vec<u8>, key: PasskeyKey) -> Result<Self, InvalidPasskey> {
        if !(16..=1_023).contains(&credential.len()) {
            return Err(InvalidPasskey(
                "a credential id has 16 to 1023 bytes; copy the entry that enrolling shows",
            ));
        }
        Ok(Self {
            rp_id,
            credential,
            key,
        })
    }

    /// The site it is for.
    #[must_use]
    pub fn rp_id(&self) -> &RpId {
        &self.rp_id
    }

    /// How a browser finds it; it proves nothing.
    #[must_use]
    pub fn credential(&self) -> &[u8] {
        &self.credential
    }

    /// What its signatures are verified with.
    #[must_use]
    pub fn key(&self) -> &PasskeyKey {
        &self.key
    }

    /// The entry of a people file that makes it somebody's.
    #[must_use]
    pub fn entry(&self) -> String {
        format!(
            "[[person.identity]]\nprovider = \"{PROVIDER}\"\ntenant = \"{}\"\ncredential = \"{}\"\nkey = \"{}\"\n",
            self.rp_id,
            URL_SAFE_NO_PAD.encode(&self.credential),
            self.key
        )
    }

    /// Reads what an entry says.
    pub(super) fn read(rp_id: &str, credential: &str, key: &str) -> Result<Self, InvalidPasskey> {
        const DAMAGED: InvalidPasskey = InvalidPasskey(
            "`credential` and `key` are base64url without padding; copy the entry that enrolling shows",
        );
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| DAMAGED);
        let key = PasskeyKey::from_cose(&decode(key)?)?;
        Self::new(RpId::new(rp_id)?, decode(credential)?, key)
    }
}

/// The name of the site that a passkey is for: a passkey signs for no other one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RpId(String);

impl RpId {
    /// The site with this host name.
    ///
    /// # Errors
    /// [`InvalidPasskey`] when it is not a lower-case host name.
    pub fn new(host: &str) -> Result<Self, InvalidPasskey> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let label = |label: &str| !label.is_empty() && label.bytes().all(plain);
        // An address of four numbers is no name, and browsers make no passkey for it.
        let letters = host.bytes().any(|b| b.is_ascii_lowercase());
        if host.len() > 253 || !letters || !host.split('.').all(label) {
            return Err(InvalidPasskey(
                "a passkey is for a site's host name, such as `approvals.example`; write it without scheme and port",
            ));
        }
        Ok(Self(host.to_owned()))
    }

    /// The host name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The public key of a passkey: Ed25519 or ECDSA P-256, and nothing else.
///
/// Its text is the base64url of its one COSE form ([RFC 9053]), the one that authenticators write
/// (CTAP2 canonical CBOR). There is no other text for the same key.
///
/// [RFC 9053]: https://www.rfc-editor.org/rfc/rfc9053
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PasskeyKey(Kind);

/// The numbers of a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// ES256: an uncompressed point.
    Es256([u8; 65]),
    /// EdDSA with Ed25519.
    Ed25519([u8; 32]),
}

impl PasskeyKey {
    /// Reads a COSE key.
    ///
    /// # Errors
    /// [`InvalidPasskey`] when it is not exactly the canonical form of an ES256 or Ed25519 key.
    pub fn from_cose(cose: &[u8]) -> Result<Self, InvalidPasskey> {
        Self::read(cose).ok_or(InvalidPasskey(
            "the key is not the COSE form of an ES256 or Ed25519 key; enrol a passkey of one of these kinds",
        ))
    }

    fn read(cose: &[u8]) -> Option<Self> {
        if let Some(x) = cose.strip_prefix(ED25519) {
            return Some(Self(Kind::Ed25519(x.try_into().ok()?)));
        }
        let (x, rest) = cose.strip_prefix(P256_X)?.split_at_checked(32)?;
        let y = rest.strip_prefix(P256_Y)?;
        let point = [&[0x04], x, y].concat();
        Some(Self(Kind::Es256(point.try_into().ok()?)))
    }

    /// Its COSE form.
    #[must_use]
    pub fn to_cose(&self) -> Vec<u8> {
        match &self.0 {
            Kind::Ed25519(x) => [ED25519, x].concat(),
            Kind::Es256(point) => {
                let (x, y) = point.split_at(33);
                [P256_X, x.get(1..).unwrap_or_default(), P256_Y, y].concat()
            }
        }
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0
    }
}

impl fmt::Display for PasskeyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.to_cose()))
    }
}

/// The account that a passkey is: provider `passkey`, the site, and the SHA-256 of its key.
///
/// # Errors
/// [`InvalidIdentity`] never for a site that a people file accepts; the digest is plain text.
pub fn passkey_identity(rp_id: &RpId, key: &PasskeyKey) -> Result<IdentityKey, InvalidIdentity> {
    let digest = STANDARD_NO_PAD.encode(sha256(&[&key.to_cose()]));
    IdentityKey::new(PROVIDER, rp_id.as_str(), &format!("SHA256:{digest}"))
}

/// What cannot be a passkey, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPasskey(&'static str);

impl InvalidPasskey {
    pub(super) fn message(self) -> &'static str {
        self.0
    }
}

pub(super) const PROVIDER: &str = "passkey";

/// `{1: 1, 3: -8, -1: 6, -2: x}`: the kind OKP, EdDSA, Ed25519.
const ED25519: &[u8] = &[0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 32];
/// `{1: 2, 3: -7, -1: 1, -2: x, …`: the kind EC2, ES256, P-256.
const P256_X: &[u8] = &[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32];
/// `… -3: y}`.
const P256_Y: &[u8] = &[0x22, 0x58, 32];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_form() {
        let ed = [ED25519, &[7; 32]].concat();
        let p256 = [P256_X, &[1; 32], P256_Y, &[2; 32]].concat();
        for cose in [ed, p256] {
            let key = PasskeyKey::from_cose(&cose).unwrap();
            assert_eq!(key.to_cose(), cose);
            let longer = [&cose[..], &[0]].concat();
            assert!(PasskeyKey::from_cose(&longer).is_err());
            assert!(PasskeyKey::from_cose(&cose[..cose.len() - 1]).is_err());
            for place in 0..10 {
                let mut other = cose.clone();
                other[place] ^= 1;
                assert!(PasskeyKey::from_cose(&other).is_err(), "byte {place}");
            }
        }
    }

    #[test]
    fn a_site_is_a_host_name() {
        for good in ["localhost", "approvals.example", "xn--bcher-kva.example"] {
            assert_eq!(RpId::new(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "Approvals.example",
            "a..b",
            ".a",
            "a.",
            "https://a.example",
            "a.example:443",
            "127.0.0.1",
            "[::1]",
            "*.example",
            "bücher.example",
            "a b",
        ] {
            assert!(RpId::new(bad).is_err(), "{bad}");
        }
        assert!(RpId::new("a.".repeat(127).trim_end_matches('.')).is_ok());
        assert!(RpId::new(&"a".repeat(254)).is_err());
    }
}
