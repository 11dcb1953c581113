//! A passkey in software.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

use crate::digest::sha256;
use crate::directory::{Passkey, PasskeyKey, RpId};
use crate::error::{ApprovalError, Code};
use crate::webauthn::{Assertion, challenge};

/// An authenticator for tests: it signs whatever it is asked to, for nobody in particular.
///
/// # Examples
/// ```
/// use approvals_core::directory::RpId;
/// use approvals_core::testing::SoftPasskey;
///
/// let dana = SoftPasskey::p256(RpId::new("approvals.example")?)?;
/// let signed = dana.sign(b"not a decision")?;
/// assert!(dana.passkey().entry().contains("approvals.example"));
/// let (site, key) = (dana.passkey().rp_id(), dana.passkey().key());
/// assert!(approvals_core::webauthn::verify(b"not a decision", &signed, site, key).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SoftPasskey {
    passkey: Passkey,
    pair: Pair,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SoftPasskey {
    /// A new one with an ECDSA P-256 key.
    ///
    /// # Errors
    /// `Misuse` without randomness.
    pub fn p256(rp_id: RpId) -> Result<Self, ApprovalError> {
        let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(no_key)?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).map_err(no_key)?;
        let (x, y) = pair
            .public_key()
            .as_ref()
            .get(1..)
            .unwrap_or_default()
            .split_at(32);
        let p256 = [0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32];
        let cose = [&p256, x, &[0x22, 0x58, 32], y].concat();
        Self::new(rp_id, &cose, Pair::P256(pair))
    }

    /// A new one with an Ed25519 key.
    ///
    /// # Errors
    /// `Misuse` without randomness.
    pub fn ed25519(rp_id: RpId) -> Result<Self, ApprovalError> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(no_key)?;
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).map_err(no_key)?;
        let ed25519 = [0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 32];
        let cose = [&ed25519, pair.public_key().as_ref()].concat();
        Self::new(rp_id, &cose, Pair::Ed25519(pair))
    }

    fn new(rp_id: RpId, cose: &[u8], pair: Pair) -> Result<Self, ApprovalError> {
        let key = PasskeyKey::from_cose(cose).map_err(no_key)?;
        let credential = sha256(&[cose]).to_vec();
        let passkey = Passkey::new(rp_id, credential, key).map_err(no_key)?;
        Ok(Self { passkey, pair })
    }

    /// Its public half.
    #[must_use]
    pub fn passkey(&self) -> &Passkey {
        &self.passkey
    }

    /// Signs these bytes as a browser on its site would have it do.
    ///
    /// # Errors
    /// `Misuse` without randomness.
    pub fn sign(&self, statement: &[u8]) -> Result<Assertion, ApprovalError> {
        let rp_id = self.passkey.rp_id();
        let client_data = format!(
            r#"{{"type":"webauthn.get","challenge":"{}","origin":"https://{rp_id}","crossOrigin":false}}"#,
            URL_SAFE_NO_PAD.encode(challenge(statement)),
        );
        let site = sha256(&[rp_id.as_str().as_bytes()]);
        let seen = [&site[..], &[0b101, 0, 0, 0, 1]].concat();
        self.sign_parts(client_data.into_bytes(), seen)
    }

    /// Signs parts that nobody judges: what an attacker's authenticator would do.
    ///
    /// # Errors
    /// `Misuse` without randomness.
    pub fn sign_parts(
        &self,
        client_data: Vec<u8>,
        authenticator_data: Vec<u8>,
    ) -> Result<Assertion, ApprovalError> {
        let message = [&authenticator_data[..], &sha256(&[&client_data])].concat();
        let signature = match &self.pair {
            Pair::Ed25519(pair) => pair.sign(&message).as_ref().to_vec(),
            Pair::P256(pair) => {
                let signed = pair.sign(&SystemRandom::new(), &message);
                signed.map_err(no_key)?.as_ref().to_vec()
            }
        };
        Ok(Assertion {
            client_data,
            authenticator_data,
            signature,
        })
    }
}

impl fmt::Debug for SoftPasskey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftPasskey({:?})", self.passkey)
    }
}

fn no_key(error: impl fmt::Display) -> ApprovalError {
    let message = format!("the passkey could not be made or used: {error}");
    ApprovalError::new(Code::Misuse, message)
}
