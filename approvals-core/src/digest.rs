//! SHA-256 digests and the commitments built on them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest, hmac};

use crate::error::ApprovalError;
use crate::id::random;

/// A SHA-256 digest over length-free concatenated parts; callers separate domains by a prefix.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident, $domain:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The digest of these bytes, in this digest's own domain.
            #[must_use]
            pub fn of(bytes: &[u8]) -> Self {
                Self(sha256(&[$domain, bytes]))
            }

            /// The digest with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first eight hexadecimal digits, for people to compare at a glance.
            #[must_use]
            pub fn short(&self) -> String {
                hex(&self.0).chars().take(8).collect()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_sha256(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidDigest;
            fn from_str(text: &str) -> Result<Self, InvalidDigest> {
                text.strip_prefix("sha256:").and_then(from_hex).map(Self).ok_or(InvalidDigest)
            }
        }

        crate::id::serde_as_text!($name);
    };
}

digest_type!(
    /// Binds everything that was shown: what was approved is what runs.
    ActionDigest, b"approvals/action/v1\0"
);
digest_type!(
    /// Names one exact policy text.
    PolicyDigest, b"approvals/policy/v1\0"
);
digest_type!(
    /// Names one exact signature of a guarded function: scope, path, version, parameters.
    SchemaDigest, b"approvals/schema/v1\0"
);

/// A text that is not `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a digest; it must be `sha256:` and 64 lower-case hexadecimal digits")]
pub struct InvalidDigest;

/// The 32 bytes that 64 lower-case hexadecimal digits stand for: one text for each value, and no
/// other text for any.
#[must_use]
pub fn from_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    let mut out = [0; 32];
    if pairs.len() != out.len() || !odd.is_empty() {
        return None;
    }
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(out)
}

/// The bytes as lower-case hexadecimal digits, which [`from_hex`] reads.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(2 * bytes.len());
    bytes
        .iter()
        .for_each(|byte| out.extend_from_slice(&digits(*byte)));
    String::from_utf8(out).unwrap_or_default()
}

/// The 64 digits of 32 bytes, where they stand: every record has some.
pub(crate) fn hex32(bytes: &[u8; 32]) -> [u8; 64] {
    let mut out = [0; 64];
    let (pairs, _) = out.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = digits(*byte);
    }
    out
}

/// Writes `sha256:` and the digits.
pub(crate) fn write_sha256(f: &mut fmt::Formatter<'_>, bytes: &[u8; 32]) -> fmt::Result {
    f.write_str("sha256:")?;
    f.write_str(std::str::from_utf8(&hex32(bytes)).unwrap_or_default())
}

fn digits(byte: u8) -> [u8; 2] {
    let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    [digit(byte >> 4), digit(byte & 15)]
}

/// What a lower-case hexadecimal digit stands for.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Binds one value without giving it away: a salted SHA-256, or a keyed one for redacted values.
///
/// Follows the disclosure rule of [RFC 9901]: the digest of the base64url text of
/// `[salt, name, value]`.
///
/// [RFC 9901]: https://www.rfc-editor.org/rfc/rfc9901
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Commitment([u8; Commitment::LEN]);

impl Commitment {
    /// How many characters 32 bytes take.
    const LEN: usize = 43;

    fn of(bytes: &[u8]) -> Self {
        // INVARIANT: 32 bytes fill exactly these characters.
        let mut text = [b'A'; Self::LEN];
        let _ = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        Self(text)
    }

    /// The commitment as base64url text, as it stands in records.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Commitment {
    type Err = InvalidDigest;
    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let text: [u8; Self::LEN] = text.as_bytes().try_into().map_err(|_| InvalidDigest)?;
        let mut decoded = [0; 33];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut decoded) {
            Ok(32) => Ok(Self(text)),
            _ => Err(InvalidDigest),
        }
    }
}

crate::id::serde_as_text!(Commitment);

/// 128 random bits that keep a commitment from being guessed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt([u8; 16]);

impl Salt {
    /// A new salt.
    ///
    /// # Errors
    /// `Misuse` when the operating system has no randomness to give.
    pub fn random() -> Result<Self, ApprovalError> {
        Ok(Self(random()?))
    }

    /// The salt with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The salt as base64url text.
    #[must_use]
    pub fn to_text(self) -> String {
        String::from_utf8_lossy(&self.text()).into_owned()
    }

    fn text(self) -> [u8; 22] {
        // INVARIANT: 16 bytes fill exactly these characters.
        let mut text = [b'A'; 22];
        let _ = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text);
        text
    }

    /// Reads [`Salt::to_text`].
    ///
    /// # Errors
    /// [`InvalidDigest`] when the text is not 128 bits of base64url.
    pub fn parse(text: &str) -> Result<Self, InvalidDigest> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidDigest)?;
        bytes.try_into().map(Self).map_err(|_| InvalidDigest)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// The text whose digest a commitment is: base64url of the canonical `[salt, name, value]`.
///
/// Whoever holds it can open the commitment; destroying it is erasure.
#[must_use]
pub fn disclosure(salt: Salt, name: &str, value: &crate::canonical::Value) -> String {
    disclosure_of(salt, &[name], &value.to_text())
}

/// The same of a value whose canonical text is there already, under a name in parts.
pub(crate) fn disclosure_of(salt: Salt, name: &[&str], value: &str) -> String {
    let length = name.iter().map(|part| part.len()).sum::<usize>() + value.len() + 32;
    let mut text = String::with_capacity(length);
    text.push_str("[\"");
    text.push_str(std::str::from_utf8(&salt.text()).unwrap_or_default());
    text.push_str("\",\"");
    for part in name {
        crate::canonical::escape_onto(&mut text, part);
    }
    text.push_str("\",");
    text.push_str(value);
    text.push(']');
    URL_SAFE_NO_PAD.encode(text)
}

/// The salted commitment that [`disclosure`] opens.
#[must_use]
pub fn commit(disclosure: &str) -> Commitment {
    Commitment::of(&sha256(&[disclosure.as_bytes()]))
}

/// The key that binds redacted values, so that even with the salt they cannot be guessed.
pub struct RedactionKey(hmac::Key);

impl RedactionKey {
    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The keyed commitment of a value that is stored nowhere.
    #[must_use]
    pub fn commit(&self, disclosure: &str) -> Commitment {
        Commitment::of(hmac::sign(&self.0, disclosure.as_bytes()).as_ref())
    }

    /// A keyed fingerprint of any bytes, in a domain of its own.
    #[must_use]
    pub fn fingerprint(&self, bytes: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"approvals/fingerprint/v1\0");
        context.update(bytes);
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }
}

impl fmt::Debug for RedactionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedactionKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::to_value;

    #[test]
    fn digests_have_one_text_and_separate_domains() {
        let digest = ActionDigest::of(b"x");
        assert_eq!(digest.to_string().parse::<ActionDigest>().unwrap(), digest);
        assert!(
            digest
                .to_string()
                .to_uppercase()
                .parse::<ActionDigest>()
                .is_err()
        );
        assert_ne!(digest.as_bytes(), PolicyDigest::of(b"x").as_bytes());
    }

    #[test]
    fn a_commitment_follows_rfc_9901() {
        let salt = Salt::from_bytes([0; 16]);
        let opened = disclosure(salt, "table", &to_value("users").unwrap());
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(&opened).unwrap()).unwrap();
        assert_eq!(text, r#"["AAAAAAAAAAAAAAAAAAAAAA","table","users"]"#);
        assert_eq!(commit(&opened).as_str().len(), 43);
        let other = disclosure(
            Salt::from_bytes([1; 16]),
            "table",
            &to_value("users").unwrap(),
        );
        assert_ne!(commit(&opened), commit(&other));
        let key = RedactionKey::from_bytes(&[3; 32]);
        assert_ne!(key.commit(&opened), commit(&opened));
        assert!(!format!("{key:?}{salt:?}").contains("AAAA"));
    }
}
