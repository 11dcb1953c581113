//! Who is calling: the proof that what comes in was signed by the Bot Connector for this app.
//!
//! The rules are the intersection of what the official libraries check, and two that none of them
//! does: an `exp` must be there, and the signing key must be endorsed for Teams by name. Only
//! tokens of the Bot Connector count; those that Entra issues to other programs do not.
//!
//! The token is not bound to the body, so whoever holds one could send another body for an hour.
//! That is why it is never logged, and why a click needs a copy on record, a member of the
//! conversation and the gate's own single-use rules, too.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use approvals_core::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Client;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::cloud::{Cloud, ServiceUrl};
use crate::web::{self, WebError};

/// How far the clocks of Microsoft and of this machine may differ.
const SKEW: u64 = 300;

/// For how long fetched keys are used.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// How often an unknown key makes us look for new ones.
const UNKNOWN: Duration = Duration::from_secs(60 * 60);

/// How often keys are asked for again when they could not be had.
const AGAIN: Duration = Duration::from_secs(10);

/// The channel that a key must be endorsed for, and that an activity must come from.
pub(crate) const TEAMS: &str = "msteams";

/// A token that does not count. What is wrong with it is for our log, not for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub(crate) &'static str);

/// What a verified token says; made by [`verify`] and by nothing else.
///
/// It counts for one connector only: [`Claims::of`] holds an activity against it.
#[derive(Debug)]
pub struct Claims {
    service: String,
}

/// An activity's origin: the token was for exactly this connector, and that is one of the cloud's.
#[derive(Debug, Clone)]
pub struct Verified {
    service: ServiceUrl,
}

impl Claims {
    /// The proof that an activity from this connector and channel is covered by the token.
    ///
    /// # Errors
    /// [`Refused`] when the activity is of another connector or another channel, or the connector
    /// is none of the cloud's.
    pub fn of(self, service: &str, channel: &str, cloud: &Cloud) -> Result<Verified, Refused> {
        let plain = |url: &str| {
            let url = url.strip_suffix('/').unwrap_or(url);
            url.to_ascii_lowercase()
        };
        if plain(&self.service) != plain(service) {
            return Err(Refused("the token is for another service URL"));
        }
        if channel != TEAMS {
            return Err(Refused("the activity is not from Teams"));
        }
        let service = ServiceUrl::parse(service, cloud)
            .ok_or(Refused("the service URL is none of this cloud's"))?;
        Ok(Verified { service })
    }
}

impl Verified {
    /// The connector to answer to.
    #[must_use]
    pub fn service(&self) -> &ServiceUrl {
        &self.service
    }
}

/// Verifies the `Authorization` headers of one call: there is one, a bearer token, signed with RS256
/// by a key that is endorsed for Teams, by the cloud's issuer, for this app, within its time.
///
/// # Errors
/// [`Refused`] when any of that is not so.
pub fn verify(
    headers: &[&[u8]],
    keys: &Keys,
    app: &str,
    cloud: &Cloud,
    now: Timestamp,
) -> Result<Claims, Refused> {
    let parts = split(headers)?;
    let key = keys.find(&parts.kid()?)?;
    key.check(parts.signed, &decode(parts.signature)?)?;
    let claims: Body = read(parts.claims, "the claims cannot be read")?;
    let now = u64::try_from(now.as_micros() / 1_000_000).unwrap_or(u64::MAX);
    if claims.iss != cloud.issuer {
        return Err(Refused("another issuer"));
    }
    if app.is_empty() || claims.aud != app {
        return Err(Refused("for another app"));
    }
    if claims.exp.saturating_add(SKEW) <= now {
        return Err(Refused("expired"));
    }
    if claims.nbf.is_some_and(|nbf| nbf > now.saturating_add(SKEW)) {
        return Err(Refused("not valid yet"));
    }
    Ok(Claims {
        service: claims.serviceurl,
    })
}

/// The key that the one bearer token of these headers names; it is not verified by that.
pub(crate) fn named(headers: &[&[u8]]) -> Result<String, Refused> {
    split(headers)?.kid()
}

struct Parts<'a> {
    signed: &'a str,
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
}

fn split<'a>(headers: &[&'a [u8]]) -> Result<Parts<'a>, Refused> {
    let [header] = headers else {
        return Err(Refused("not exactly one `Authorization` header"));
    };
    let text = std::str::from_utf8(header).map_err(|_| Refused("not a text"))?;
    let token = text
        .strip_prefix("Bearer ")
        .ok_or(Refused("no bearer token"))?;
    let (signed, signature) = token.rsplit_once('.').ok_or(Refused("no token"))?;
    let (header, claims) = signed.split_once('.').ok_or(Refused("no token"))?;
    Ok(Parts {
        signed,
        header,
        claims,
        signature,
    })
}

impl Parts<'_> {
    fn kid(&self) -> Result<String, Refused> {
        let header: Header = read(self.header, "the header cannot be read")?;
        match (header.alg.as_str(), header.crit) {
            ("RS256", None) => Ok(header.kid),
            ("RS256", Some(_)) => Err(Refused("an extension that is not known")),
            _ => Err(Refused("not signed with RS256")),
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    crit: Option<serde_json::Value>,
}

/// A member twice, an audience that is a list, a time that is no number: all of it is refused.
#[derive(Deserialize)]
struct Body {
    iss: String,
    aud: String,
    exp: u64,
    nbf: Option<u64>,
    serviceurl: String,
}

fn read<T: serde::de::DeserializeOwned>(part: &str, what: &'static str) -> Result<T, Refused> {
    serde_json::from_slice(&decode(part)?).map_err(|_| Refused(what))
}

fn decode(part: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Refused("not base64url"))
}

/// The keys that may sign for Teams, by name. Others of the same document are left out.
#[derive(Debug, Clone, Default)]
pub struct Keys(BTreeMap<String, Key>);

#[derive(Debug, Clone)]
struct Key {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
    #[serde(default)]
    endorsements: Vec<String>,
}

impl Keys {
    /// The keys of a JWK set that are RSA keys, have a name, and are endorsed for Teams.
    ///
    /// # Errors
    /// [`Refused`] when it is no JWK set.
    pub fn parse(document: &[u8]) -> Result<Self, Refused> {
        let document: Document =
            serde_json::from_slice(document).map_err(|_| Refused("no JWK set"))?;
        let teams = |jwk: &Jwk| jwk.kty == "RSA" && jwk.endorsements.iter().any(|to| to == TEAMS);
        let keys = document.keys.into_iter().filter(teams);
        let keys = keys.filter_map(|jwk| {
            let key = Key {
                modulus: decode(jwk.n.as_ref()?).ok()?,
                exponent: decode(jwk.e.as_ref()?).ok()?,
            };
            Some((jwk.kid?, key))
        });
        Ok(Self(keys.collect()))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    fn find(&self, kid: &str) -> Result<&Key, Refused> {
        self.0
            .get(kid)
            .ok_or(Refused("signed by a key that is not known for Teams"))
    }
}

impl Key {
    fn check(&self, signed: &str, signature: &[u8]) -> Result<(), Refused> {
        let key = RsaPublicKeyComponents {
            n: &self.modulus,
            e: &self.exponent,
        };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), signature)
            .map_err(|_| Refused("the signature does not verify"))
    }
}

/// The keys as last fetched, and when.
#[derive(Debug, Default)]
pub(crate) struct KeyCache(Mutex<Fetched>);

#[derive(Debug, Default)]
struct Fetched {
    keys: Keys,
    at: Option<Instant>,
    tried: Option<Instant>,
}

impl KeyCache {
    /// The keys, fetched when they are a day old, or when `kid` is not among them and nobody looked
    /// for an hour.
    pub(crate) async fn keys(
        &self,
        kid: &str,
        now: Instant,
        fetch: impl Future<Output = Result<Keys, WebError>>,
    ) -> Result<Keys, WebError> {
        let mut fetched = self.0.lock().await;
        let older = |at: Option<Instant>, than| at.is_none_or(|at| now.duration_since(at) >= than);
        let known = fetched.keys.0.contains_key(kid);
        let stale = older(fetched.at, FRESH);
        let wanted = stale || (!known && older(fetched.at, UNKNOWN));
        if wanted && older(fetched.tried, AGAIN) {
            fetched.tried = Some(now);
            match fetch.await {
                Ok(keys) => {
                    fetched.keys = keys;
                    fetched.at = Some(now);
                }
                // An old key still is no answer after a day; a fresh one is, whatever failed.
                Err(error) if stale => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "the keys of the Bot Connector could not be renewed")
                }
            }
        }
        match older(fetched.at, FRESH) {
            true => Err(WebError::new(
                "the keys of the Bot Connector could not be had a moment ago",
            )),
            false => Ok(fetched.keys.clone()),
        }
    }
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// The keys of the cloud, from where its OpenID document says.
pub(crate) async fn fetch(web: &Client, cloud: &Cloud) -> Result<Keys, WebError> {
    let document: Metadata = web::json(get(web, &cloud.metadata, cloud).await?).await?;
    if document.issuer != cloud.issuer {
        return Err(WebError::new("the OpenID document is of another issuer"));
    }
    let bytes = web::body(get(web, &document.jwks_uri, cloud).await?).await?;
    Keys::parse(&bytes).map_err(|error| WebError::new(error.to_string()))
}

async fn get(web: &Client, url: &str, cloud: &Cloud) -> Result<reqwest::Response, WebError> {
    let refuse = || WebError::new("the OpenID document names a host that is none of this cloud's");
    let url = reqwest::Url::parse(url).map_err(|_| refuse())?;
    if !cloud.covers(&url) {
        return Err(refuse());
    }
    let answer = web.get(url).send().await;
    let answer = answer.map_err(|error| WebError::of(&error))?;
    match answer.status().is_success() {
        true => Ok(answer),
        false => Err(WebError::new(format!(
            "the keys were refused with {}",
            answer.status()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of these names, all of them the same.
    fn named(names: &[&str]) -> Keys {
        let key = |name: &&str| {
            let key = Key {
                modulus: vec![1],
                exponent: vec![3],
            };
            ((*name).to_owned(), key)
        };
        Keys(names.iter().map(key).collect())
    }

    /// At this second somebody comes with this key, when this is published, or nothing can be had:
    /// whether it is fetched then, and whether the key is known after that.
    type Step = (
        u64,
        &'static str,
        Option<&'static [&'static str]>,
        bool,
        Option<bool>,
    );

    const DAY: u64 = 24 * 60 * 60;

    const STEPS: &[Step] = &[
        (0, "a", None, true, None),
        (5, "a", Some(&["a"]), false, None),
        (10, "a", Some(&["a"]), true, Some(true)),
        (20, "a", None, false, Some(true)),
        // A key that nobody knows does not make us ask again and again.
        (30, "b", Some(&["a", "b"]), false, Some(false)),
        (3_609, "b", Some(&["a", "b"]), false, Some(false)),
        (3_610, "b", Some(&["a", "b"]), true, Some(true)),
        (3_620, "c", Some(&["c"]), false, Some(false)),
        // While what we have is fresh, it counts, although more could not be had.
        (7_300, "c", None, true, Some(false)),
        (7_301, "a", None, false, Some(true)),
        // After a day it does not, and a key that was taken back is gone.
        (3_610 + DAY, "a", None, true, None),
        (3_615 + DAY, "a", Some(&["b"]), false, None),
        (3_620 + DAY, "a", Some(&["b"]), true, Some(false)),
        (3_630 + DAY, "b", None, false, Some(true)),
    ];

    #[tokio::test]
    async fn keys_are_fetched_once_a_day_and_for_an_unknown_one_once_an_hour() {
        let (cache, start) = (KeyCache::default(), Instant::now());
        for (second, kid, published, wanted, expected) in STEPS {
            let asked = std::cell::Cell::new(false);
            let fetch = async {
                asked.set(true);
                published.map(named).ok_or(WebError::new("nobody answers"))
            };
            let now = start + Duration::from_secs(*second);
            let keys = cache.keys(kid, now, fetch).await.ok();
            let known = keys.map(|keys| keys.find(kid).is_ok());
            assert_eq!(
                (asked.get(), known),
                (*wanted, *expected),
                "{second}: {kid}"
            );
        }
    }
}
