//! Who may make instances, and what they may be.

use approvals_core::digest::{hex, sha256};
use approvals_core::{AgentId, Code, PersonId};
use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::Deserialize;

use crate::auth::{Caller, TokenHash, bearer, bearer_text};
use crate::config::InvalidConfig;
use crate::problem::Problem;
use crate::site::Site;
use crate::webhook::Network;

/// One `[[provisioner]]` of http.toml.
#[derive(Debug, Clone)]
pub(crate) struct Provisioner {
    /// Begins the name of every agent that it makes.
    pub(crate) agents: String,
    sponsor: Option<PersonId>,
    owner: Option<PersonId>,
    receivers: Vec<String>,
    pub(crate) network: Network,
    pub(crate) most: usize,
}

impl Provisioner {
    pub(super) fn caller(&self, agent: AgentId) -> Caller {
        Caller::new(agent, self.sponsor.clone(), self.owner.clone())
    }

    /// Reads the address of a receiver, if its instances may have one there.
    pub(crate) fn receiver(&self, url: &str) -> Option<Uri> {
        let listed = self
            .receivers
            .iter()
            .any(|prefix| match prefix.ends_with('/') {
                true => url.starts_with(prefix.as_str()),
                false => url == prefix,
            });
        // Nothing that a receiver's server could take for a way out of its prefix.
        let plain = !url.contains("..") && !url.contains('%') && !url.contains('\\');
        (listed && plain)
            .then(|| self.network.address(url).ok())
            .flatten()
    }
}

/// The provisioner that calls, and the token it called with, to derive those of its instances from.
pub(crate) struct Provisioning {
    pub(crate) by: Provisioner,
    token: String,
}

impl Provisioning {
    /// The token of an instance: whoever repeats the call gets the same, though nothing but its hash is
    /// kept; whoever lacks the provisioner's token gets nothing.
    pub(crate) fn token(&self, id: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.token.as_bytes());
        let tag = hmac::sign(&key, format!("approvals/http/instance/v1\0{id}").as_bytes());
        format!("apr_{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// Names one call of this provisioner.
    pub(crate) fn call(&self, key: &str) -> String {
        hex(&sha256(&[
            b"approvals/http/provision/v1\0",
            self.by.agents.as_bytes(),
            b"\0",
            key.as_bytes(),
        ]))
    }
}

impl FromRequestParts<Site> for Provisioning {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Problem> {
        let by = site.config().provisioners.get(&bearer(parts)?).cloned();
        let by = by.ok_or_else(|| {
            Problem::new(
                Code::Unauthenticated,
                "this token is no provisioner's; make one and add it to http.toml under `[[provisioner]]`",
            )
        })?;
        let token = bearer_text(parts)?.to_owned();
        Ok(Self { by, token })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProvisionerText {
    agents: String,
    sponsor: Option<String>,
    owner: Option<String>,
    token_sha256: String,
    #[serde(default)]
    receivers: Vec<String>,
    #[serde(default)]
    network: Network,
    most: Option<usize>,
}

impl ProvisionerText {
    pub(crate) fn read(self) -> Result<(TokenHash, Provisioner), InvalidConfig> {
        let wrong =
            |error: &dyn std::fmt::Display| InvalidConfig::new(format!("http.toml: {error}"));
        let person = |text: Option<String>| text.map(|text| text.parse::<PersonId>()).transpose();
        let sponsor = person(self.sponsor).map_err(|error| wrong(&error))?;
        let owner = person(self.owner).map_err(|error| wrong(&error))?;
        let agents: AgentId = self.agents.parse().map_err(|error| wrong(&error))?;
        if agents.as_str().len() > 40 || agents.as_str().contains('/') {
            return Err(InvalidConfig::new(format!(
                "`agents` of a provisioner begins the names of its agents, and `{agents}` is longer than 40 characters or has a `/` in it"
            )));
        }
        if sponsor.is_none() && owner.is_none() {
            return Err(InvalidConfig::new(format!(
                "nobody stands behind the agents of the provisioner `{agents}`; name a `sponsor` or an `owner`, who then cannot approve what they ask"
            )));
        }
        for receiver in &self.receivers {
            self.network.address(receiver)?;
        }
        let provisioner = Provisioner {
            agents: agents.as_str().to_owned(),
            sponsor,
            owner,
            receivers: self.receivers,
            network: self.network,
            most: self.most.unwrap_or(100),
        };
        Ok((self.token_sha256.parse()?, provisioner))
    }
}
