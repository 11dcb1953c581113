//! What `http.toml` says about the identity provider, under `[oidc]`.

use std::fmt;
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;

use crate::config::InvalidConfig;

/// The provider that is believed, who we are to it, and what a login there must have taken.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    issuer: String,
    client_id: String,
    secret: Secret,
    acr: Vec<String>,
    amr: Vec<String>,
    fresh: Duration,
}

/// What we prove ourselves with to the provider. It is never printed.
#[derive(Clone)]
pub(crate) enum Secret {
    /// Nothing but PKCE: a public client.
    None,
    /// In a file that nobody has read yet.
    In(String),
    /// The secret itself.
    Known(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::In(file) => write!(f, "In({file})"),
            Self::Known(_) => f.write_str("Known(..)"),
        }
    }
}

impl Settings {
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(crate) fn with_secret(mut self, secret: &str) -> Result<Self, InvalidConfig> {
        let secret = secret.trim();
        if secret.is_empty() {
            return Err(InvalidConfig::new(
                "the client secret is empty; put in its file what the identity provider gave you",
            ));
        }
        self.secret = Secret::Known(secret.to_owned());
        Ok(self)
    }

    /// The authentication contexts of which one must be met; any, when there is none.
    pub(super) fn acr(&self) -> &[String] {
        &self.acr
    }

    /// The methods of which one must have been used; any, when there is none.
    pub(super) fn amr(&self) -> &[String] {
        &self.amr
    }

    /// How long a login is `A2`.
    pub(crate) fn fresh(&self) -> Duration {
        self.fresh
    }

    /// Whether the provider is on this machine, where TLS is not asked for.
    pub(super) fn is_local(&self) -> bool {
        self.issuer.starts_with("http://")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OidcText {
    issuer: String,
    client_id: String,
    client_secret: Option<SecretText>,
    #[serde(default)]
    acr: Vec<String>,
    #[serde(default)]
    amr: Vec<String>,
    #[serde(default)]
    second_factor: Option<String>,
    fresh_s: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretText {
    file: Option<String>,
    env: Option<String>,
}

impl OidcText {
    pub(crate) fn read(self) -> Result<Settings, InvalidConfig> {
        let local = is_believable(&self.issuer)?;
        if self.client_id.is_empty() {
            return Err(InvalidConfig::new(
                "`client_id` of [oidc] is empty; take it from the identity provider",
            ));
        }
        let floor = !self.acr.is_empty() || !self.amr.is_empty();
        match (floor, self.second_factor.as_deref()) {
            (true, None) | (false, Some("always")) => {}
            (false, None) => {
                return Err(InvalidConfig::new(
                    "nothing in [oidc] says what proves a second factor; write `amr = [..]` or `acr = [..]` as the provider sends them, or `second_factor = \"always\"` if it lets nobody in without one",
                ));
            }
            (true, Some(_)) => {
                return Err(InvalidConfig::new(
                    "`second_factor` of [oidc] stands beside `acr` or `amr`, which say more; leave it out",
                ));
            }
            (false, Some(_)) => {
                return Err(InvalidConfig::new(
                    "`second_factor` of [oidc] is not known; the one word is \"always\"",
                ));
            }
        }
        let fresh = self.fresh_s.unwrap_or(900);
        if !(60..=86_400).contains(&fresh) {
            return Err(InvalidConfig::new(format!(
                "`fresh_s` of [oidc] is `{fresh}`; a login can be fresh for 60 to 86400 seconds"
            )));
        }
        let secret = self.client_secret.map(SecretText::read).transpose()?;
        if secret.is_none() && !local {
            tracing::info!("[oidc] has no client secret: this is a public client");
        }
        Ok(Settings {
            issuer: self.issuer,
            client_id: self.client_id,
            secret: secret.unwrap_or(Secret::None),
            acr: self.acr,
            amr: self.amr,
            fresh: Duration::from_secs(fresh),
        })
    }
}

impl SecretText {
    fn read(self) -> Result<Secret, InvalidConfig> {
        match (self.file, self.env) {
            (Some(file), None) => Ok(Secret::In(file)),
            (None, Some(name)) => match std::env::var(&name) {
                Ok(secret) if !secret.trim().is_empty() => {
                    Ok(Secret::Known(secret.trim().to_owned()))
                }
                _ => Err(InvalidConfig::new(format!(
                    "the environment has no `{name}`, which holds the client secret; set it"
                ))),
            },
            _ => Err(InvalidConfig::new(
                "say where the client secret is: `{ file = \"NAME\" }` in the state directory or `{ env = \"NAME\" }`, one of them",
            )),
        }
    }
}

/// Whether an issuer is on this machine; any other must be reached by TLS.
fn is_believable(issuer: &str) -> Result<bool, InvalidConfig> {
    let refuse = || {
        InvalidConfig::new(format!(
            "`{issuer}` cannot be an issuer; write the provider's `https://` address exactly as it says it, without query"
        ))
    };
    let url = Url::parse(issuer).map_err(|_| refuse())?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    match (plain, url.scheme(), is_local(&url)) {
        (true, "https", local) => Ok(local),
        (true, "http", true) => Ok(true),
        _ => Err(refuse()),
    }
}

/// Whether an address can be nowhere but on this machine.
pub(super) fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    ["localhost", "127.0.0.1", "[::1]"].contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let read: Result<OidcText, _> = toml::from_str(text);
        let read = read
            .map_err(|error| error.to_string())
            .and_then(|text| text.read().map_err(|error| error.to_string()));
        match (read, expected) {
            (Ok(_), None) => {}
            (Err(error), Some(part)) => assert!(error.contains(part), "{text}: {error}"),
            (read, _) => panic!("{text}: {read:?}"),
        }
    }

    #[test]
    fn a_provider_is_said_exactly() {
        let with =
            |issuer: &str, more: &str| format!("issuer = \"{issuer}\"\nclient_id = \"a\"\n{more}");
        let amr = "amr = [\"mfa\"]";
        check(&with("https://id.example", amr), None);
        check(&with("https://id.example/realms/a", amr), None);
        check(&with("http://localhost:9000", amr), None);
        for issuer in [
            "http://id.example",
            "http://localhost.id.example",
            "id.example",
            "https://id.example?a",
            "https://u@id.example",
            "",
        ] {
            check(&with(issuer, amr), Some("cannot be an issuer"));
        }
        let good = "https://id.example";
        check(&with(good, ""), Some("second factor"));
        check(&with(good, "second_factor = \"always\""), None);
        check(&with(good, "second_factor = \"never\""), Some("always"));
        let both = format!("{amr}\nsecond_factor = \"always\"");
        check(&with(good, &both), Some("stands beside"));
        check(&with(good, &format!("{amr}\nfresh_s = 5")), Some("60 to"));
        check(
            &with(good, &format!("{amr}\nemail = true")),
            Some("unknown"),
        );
        let secret = |of: &str| with(good, &format!("{amr}\nclient_secret = {of}"));
        check(&secret("{ file = \"oidc.secret\" }"), None);
        check(&secret("{ env = \"APPROVALS_NOT_SET\" }"), Some("set it"));
        check(&secret("{}"), Some("one of them"));
        check(&secret("\"hunter2\""), Some("invalid type"));
    }

    #[test]
    fn a_secret_is_never_printed() {
        let text = "issuer = \"https://id.example\"\nclient_id = \"a\"\namr = [\"mfa\"]";
        let settings = toml::from_str::<OidcText>(text).unwrap().read().unwrap();
        let settings = settings.with_secret("s3cr3t-canary\n").unwrap();
        assert!(!format!("{settings:?}").contains("s3cr3t-canary"));
        assert!(settings.with_secret(" \n").is_err());
    }
}
