//! The ID token: who the provider says was there, when, and how they proved it.
//!
//! The rules are those of [OpenID Connect Core §3.1.3.7], and stricter where it leaves a choice:
//! two algorithms, one audience, times that must be there.
//!
//! [OpenID Connect Core §3.1.3.7]: https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation

use std::time::Duration;

use approvals_core::digest::{hex, sha256};
use approvals_core::review::Evidence;
use approvals_core::{ApprovalError, Code, IdentityKey, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::keys::{Algorithm, Keys};
use super::settings::Settings;
use crate::auth::TokenHash;

/// An account whose holder has just signed in; made by [`verify`] and by nothing else.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    identity: IdentityKey,
    at: Timestamp,
    acr: Option<String>,
    amr: Vec<String>,
    /// Names the token to the provider's own log; nobody gets the token back from it.
    token: String,
}

impl Login {
    /// The account: `oidc`, the issuer, the subject.
    pub(crate) fn identity(&self) -> &IdentityKey {
        &self.identity
    }

    /// When its holder proved themselves to the provider.
    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }

    /// What an auditor finds in the record.
    pub(crate) fn evidence(&self) -> Evidence {
        let evidence = Evidence::new("oidc")
            .with("auth_time", self.at.to_string())
            .with("id_token_sha256", &self.token);
        let evidence = match self.amr.is_empty() {
            true => evidence,
            false => evidence.with("amr", self.amr.join(" ")),
        };
        match &self.acr {
            Some(acr) => evidence.with("acr", acr),
            None => evidence,
        }
    }
}

/// Why a token is not believed. It is for our log; a person is told no more than that it is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unbelieved(&'static str);

impl From<Unbelieved> for ApprovalError {
    fn from(_: Unbelieved) -> Self {
        let message = "what the identity provider sent cannot be believed; sign in again, and see the server's log";
        Self::new(Code::Unauthenticated, message)
    }
}

/// What a token must be to count.
pub(super) struct Expected<'a> {
    pub(super) settings: &'a Settings,
    pub(super) nonce: TokenHash,
    /// Who proved themselves before this must do so again.
    pub(super) since: Timestamp,
    pub(super) now: Timestamp,
}

/// The key that a token names; nothing is verified by that.
pub(super) fn named(token: &str) -> Result<Option<String>, Unbelieved> {
    Ok(Parts::split(token)?.header()?.1)
}

/// Verifies that the provider signed this token, for us, for this login, just now, about somebody
/// who proved themselves recently and well enough.
pub(super) fn verify(
    token: &str,
    keys: &Keys,
    expected: &Expected<'_>,
) -> Result<Login, ApprovalError> {
    let claims = signed(token, keys)
        .and_then(|claims| claims.fits(expected).map(|()| claims))
        .map_err(super::not_believed)?;
    claims.strong(expected)?;
    let issuer = expected.settings.issuer();
    let identity = IdentityKey::new("oidc", issuer, &claims.sub)
        .map_err(|error| ApprovalError::new(Code::IdentityUnresolved, error.to_string()))?;
    Ok(Login {
        identity,
        at: second(claims.auth_time.unwrap_or_default()),
        acr: claims.acr,
        amr: claims.amr,
        token: hex(&sha256(&[token.as_bytes()])),
    })
}

fn signed(token: &str, keys: &Keys) -> Result<Claims, Unbelieved> {
    let parts = Parts::split(token)?;
    let (algorithm, kid) = parts.header()?;
    let signature = decode(parts.signature)?;
    if !keys.verify(
        kid.as_deref(),
        algorithm,
        parts.signed.as_bytes(),
        &signature,
    ) {
        return Err(Unbelieved("no key of the provider signed it"));
    }
    read(parts.claims, "the claims cannot be read")
}

struct Parts<'a> {
    signed: &'a str,
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Result<Self, Unbelieved> {
        if token.len() > LARGEST {
            return Err(Unbelieved("it is too long"));
        }
        let split = token.rsplit_once('.');
        let (signed, signature) = split.ok_or(Unbelieved("it is no token"))?;
        let split = signed.split_once('.');
        let (header, claims) = split.ok_or(Unbelieved("it is no token"))?;
        Ok(Self {
            signed,
            header,
            claims,
            signature,
        })
    }

    fn header(&self) -> Result<(Algorithm, Option<String>), Unbelieved> {
        let header: Header = read(self.header, "the header cannot be read")?;
        if header.crit.is_some() {
            return Err(Unbelieved("it has an extension that is not known"));
        }
        let algorithm = Algorithm::parse(&header.alg);
        let algorithm = algorithm.ok_or(Unbelieved("it is not signed with RS256 or ES256"))?;
        Ok((algorithm, header.kid))
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

/// A member twice, or a time that is no whole number: the token cannot be read.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    nonce: Option<String>,
    auth_time: Option<i64>,
    acr: Option<String>,
    #[serde(default)]
    amr: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Some(Vec<String>),
}

impl Audience {
    /// Whether it is for us and for nobody else, who could have passed it on.
    fn is(&self, client: &str) -> bool {
        match self {
            Self::One(one) => one == client,
            Self::Some(all) => matches!(all.as_slice(), [one] if one == client),
        }
    }
}

impl Claims {
    /// Whether it is the provider's, for us, for this login, and of now.
    fn fits(&self, expected: &Expected<'_>) -> Result<(), Unbelieved> {
        let (settings, now) = (expected.settings, expected.now);
        let nonce = self.nonce.as_deref().map(TokenHash::of);
        let rules = [
            (self.iss == settings.issuer(), "it is another issuer's"),
            (self.aud.is(settings.client_id()), "it is not for us alone"),
            (
                self.azp
                    .as_deref()
                    .is_none_or(|azp| azp == settings.client_id()),
                "it was given to somebody else",
            ),
            (second(self.exp).after(SKEW) > now, "it is too old"),
            (second(self.iat) <= now.after(SKEW), "it is of the future"),
            (
                second(self.iat).after(AGE) > now,
                "it was made too long ago",
            ),
            (
                self.nbf.is_none_or(|nbf| second(nbf) <= now.after(SKEW)),
                "it is not valid yet",
            ),
            (nonce == Some(expected.nonce), "it is of another login"),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, why)) => Err(Unbelieved(why)),
            None => Ok(()),
        }
    }

    /// Whether its holder proved themselves recently, and as well as the configuration asks.
    fn strong(&self, expected: &Expected<'_>) -> Result<(), ApprovalError> {
        let weak = |message: &str| Err(ApprovalError::new(Code::AssuranceTooLow, message));
        let Some(at) = self.auth_time.map(second) else {
            return weak(
                "the identity provider does not say when you signed in there; it must send `auth_time`",
            );
        };
        if at > expected.now.after(SKEW) || at.after(SKEW) < expected.since {
            return weak("your sign-in at the identity provider is too long ago; sign in again");
        }
        let settings = expected.settings;
        let acr = settings.acr().is_empty()
            || self
                .acr
                .as_ref()
                .is_some_and(|acr| settings.acr().contains(acr));
        let amr =
            settings.amr().is_empty() || self.amr.iter().any(|amr| settings.amr().contains(amr));
        match acr && amr {
            true => Ok(()),
            false => weak(
                "you signed in with less than is asked for here; sign in again with your second factor",
            ),
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(part: &str, what: &'static str) -> Result<T, Unbelieved> {
    serde_json::from_slice(&decode(part)?).map_err(|_| Unbelieved(what))
}

fn decode(part: &str) -> Result<Vec<u8>, Unbelieved> {
    let decoded = URL_SAFE_NO_PAD.decode(part);
    decoded.map_err(|_| Unbelieved("it is not base64url"))
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds.saturating_mul(1_000_000))
}

/// How far the provider's clock and ours may differ.
const SKEW: Duration = Duration::from_secs(60);

/// How old a token may be: it comes straight from the provider.
const AGE: Duration = Duration::from_secs(10 * 60);
const LARGEST: usize = 16 * 1024;
