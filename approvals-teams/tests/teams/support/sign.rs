//! Keys as Microsoft has them, made by OpenSSL, and tokens as they would sign them, or not.

use std::process::Command;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{self, RsaEncoding, RsaKeyPair};
use serde_json::{Value, json};

use super::{APP, microsoft};

/// A named key, and what it is endorsed for.
pub(crate) struct Key {
    pub(crate) kid: &'static str,
    pub(crate) endorsements: Option<&'static [&'static str]>,
    pair: RsaKeyPair,
    pub(crate) pem: String,
}

/// The key that signs for Teams, one for Skype only, one for nothing, and one that nobody published.
pub(crate) static KEYS: LazyLock<[Key; 4]> = LazyLock::new(|| {
    [
        Key::make("k-teams", Some(&["msteams", "skype"])),
        Key::make("k-skype", Some(&["skype"])),
        Key::make("k-bare", None),
        Key::make("k-rogue", None),
    ]
});

impl Key {
    fn make(kid: &'static str, endorsements: Option<&'static [&'static str]>) -> Self {
        let made = Command::new("openssl")
            .args([
                "genpkey",
                "-quiet",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:2048",
            ])
            .output()
            .expect("openssl runs");
        let pem = match made.stdout.is_empty() {
            // OpenSSL 3.0 does not know `-quiet`.
            true => {
                let words = [
                    "genpkey",
                    "-algorithm",
                    "RSA",
                    "-pkeyopt",
                    "rsa_keygen_bits:2048",
                ];
                Command::new("openssl")
                    .args(words)
                    .output()
                    .expect("openssl runs")
                    .stdout
            }
            false => made.stdout,
        };
        let pem = String::from_utf8(pem).expect("PEM");
        let body: String = pem
            .lines()
            .filter(|line| !line.starts_with("---"))
            .collect();
        let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(body).expect("base64")).expect("a key");
        Self {
            kid,
            endorsements,
            pair,
            pem,
        }
    }

    pub(crate) fn jwk(&self) -> Value {
        let part = |big: &[u8]| URL_SAFE_NO_PAD.encode(big);
        let public = signature::RsaPublicKeyComponents::<Vec<u8>>::from(self.pair.public());
        let (n, e) = (public.n, public.e);
        let mut jwk =
            json!({"kty": "RSA", "use": "sig", "kid": self.kid, "n": part(&n), "e": part(&e)});
        if let Some(endorsements) = self.endorsements {
            jwk["endorsements"] = json!(endorsements);
        }
        jwk
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let encoding: &'static dyn RsaEncoding = match header["alg"].as_str() {
            Some("RS512") => &signature::RSA_PKCS1_SHA512,
            Some("PS256") => &signature::RSA_PSS_SHA256,
            _ => &signature::RSA_PKCS1_SHA256,
        };
        let signed = unsigned(header, claims);
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(
                encoding,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The RS256 signature over any two parts.
    pub(crate) fn signed(&self, signed: &str) -> String {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let random = SystemRandom::new();
        self.pair
            .sign(
                &signature::RSA_PKCS1_SHA256,
                &random,
                signed.as_bytes(),
                &mut signature,
            )
            .expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(
            &json!({"alg": "RS256", "typ": "JWT", "kid": self.kid}),
            claims,
        )
    }
}

pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// What a good token claims, for this connector.
pub(crate) fn claims(service: &str) -> Value {
    let now = microsoft::now();
    json!({"iss": "https://api.botframework.com", "aud": APP, "nbf": now - 60, "exp": now + 3600, "serviceurl": service})
}
