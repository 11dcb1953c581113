//! What the app proves itself with: a secret or a certificate. Neither is ever printed.

use std::fmt;
use std::path::{Path, PathBuf};

use approvals_core::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PSS_SHA256, RsaKeyPair};
use serde::Deserialize;

use crate::config::InvalidConfig;

/// Where a secret is; it is never in `teams.toml` itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(crate) struct Kept {
    env: Option<String>,
    file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptText {
    env: Option<String>,
    file: Option<PathBuf>,
}

impl TryFrom<toml::Value> for Kept {
    type Error = String;

    /// Whoever writes the secret itself there is told so, without a word of it.
    fn try_from(value: toml::Value) -> Result<Self, String> {
        let place = "write where the secret is, `{ env = \"NAME\" }` or `{ file = \"PATH\" }`, and not the secret";
        if !value.is_table() {
            return Err(place.to_owned());
        }
        let KeptText { env, file } = value.try_into().map_err(|_| place.to_owned())?;
        Ok(Self { env, file })
    }
}

impl Kept {
    pub(crate) fn read(&self, what: &str, folder: &Path) -> Result<Secret, InvalidConfig> {
        let text = match (&self.env, &self.file) {
            (Some(name), None) => std::env::var(name).map_err(|_| {
                InvalidConfig::new(format!(
                    "the environment has no `{name}`, which holds {what}; set it"
                ))
            })?,
            (None, Some(file)) => return read_private(&folder.join(file), what),
            _ => {
                let message = format!(
                    "say where {what} is: `{{ env = \"NAME\" }}` or `{{ file = \"PATH\" }}`, one of them"
                );
                return Err(InvalidConfig::new(message));
            }
        };
        let text = text.trim();
        match text.is_empty() {
            true => Err(InvalidConfig::new(format!(
                "{what} is empty; put it where `teams.toml` says"
            ))),
            false => Ok(Secret::new(text)),
        }
    }
}

/// Reads a file that nobody but its owner may open.
pub(crate) fn read_private(path: &Path, what: &str) -> Result<Secret, InvalidConfig> {
    Secret::read_file(path, what).map_err(|error| InvalidConfig::new(error.message()))
}

/// What the app proves itself with to the login service.
#[derive(Clone)]
pub enum Credential {
    /// A client secret.
    Secret(Secret),
    /// A certificate and its private key, of which only a signature leaves this process.
    Certificate(Certificate),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Credential::Secret(..)",
            Self::Certificate(_) => "Credential::Certificate(..)",
        })
    }
}

/// A certificate's thumbprint and its RSA key.
#[derive(Clone)]
pub struct Certificate {
    key: std::sync::Arc<RsaKeyPair>,
    thumbprint: String,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads a certificate and its unencrypted PKCS#8 key, both PEM.
    ///
    /// # Errors
    /// [`InvalidConfig`] when one of them cannot be read, the key is no RSA key, or it is
    /// not the key of the certificate.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, InvalidConfig> {
        let broken =
            |what: &str| InvalidConfig::new(format!("{what} cannot be read; give it as PEM"));
        let der = pem(certificate, "CERTIFICATE").ok_or_else(|| broken("the certificate"))?;
        let pkcs8 = pem(key, "PRIVATE KEY").ok_or_else(|| broken("the certificate's key"))?;
        let key = RsaKeyPair::from_pkcs8(&pkcs8).map_err(|error| {
            InvalidConfig::new(format!("the certificate's key is no RSA key of 2048 bits or more ({error}); make one with `openssl req -x509 -newkey rsa:2048 -nodes`"))
        })?;
        // The public key stands in a certificate byte for byte.
        let public = key.public().as_ref();
        if !der.windows(public.len()).any(|part| part == public) {
            let message =
                "the certificate is not that of its key; give the two that belong together";
            return Err(InvalidConfig::new(message));
        }
        let thumbprint = ring::digest::digest(&ring::digest::SHA256, &der);
        Ok(Self {
            key: std::sync::Arc::new(key),
            thumbprint: URL_SAFE_NO_PAD.encode(thumbprint),
        })
    }

    /// A signed statement that this app asks now, good for five minutes.
    pub(crate) fn assertion_for(&self, app: &str, audience: &str, now: u64) -> Option<Secret> {
        let id: [u8; 16] = approvals_core::id::random().ok()?;
        let header = serde_json::json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = serde_json::json!({
            "aud": audience, "iss": app, "sub": app, "jti": URL_SAFE_NO_PAD.encode(id),
            "nbf": now, "iat": now, "exp": now + 300,
        });
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        let random = SystemRandom::new();
        let done = self
            .key
            .sign(&RSA_PSS_SHA256, &random, signed.as_bytes(), &mut signature);
        done.ok()?;
        Some(Secret::new(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(signature)
        )))
    }
}

fn pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(body).ok()
}
