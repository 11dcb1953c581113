//! Who calls: bearer tokens of agents and readers, known only by their hashes.

use std::fmt;
use std::str::FromStr;

use approvals_core::digest::{from_hex, hex, sha256};
use approvals_core::id;
use approvals_core::{Agent, AgentId, ApprovalError, Code, PersonId};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::InvalidConfig;
use crate::problem::Problem;
use crate::site::Site;

/// A fresh bearer token: 256 random bits, shown once and kept nowhere.
pub struct Token(String);

impl Token {
    /// A new token from the operating system's random source.
    ///
    /// # Errors
    /// `Misuse` when the operating system has no randomness to give.
    pub fn generate() -> Result<Self, ApprovalError> {
        let bytes = id::random::<32>().map_err(ApprovalError::from)?;
        Ok(Self(format!("apr_{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The token itself: a secret.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is written down of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// What is kept of a token: its SHA-256, from which nobody gets it back.
///
/// Tokens are random, so a plain hash is enough, and finding one by its hash gives no time away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(sha256(&[token.as_bytes()]))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl FromStr for TokenHash {
    type Err = InvalidConfig;

    fn from_str(text: &str) -> Result<Self, InvalidConfig> {
        // The one text of each digest: so that no token is named twice in two spellings.
        from_hex(text)
            .map(Self)
            .ok_or_else(|| InvalidConfig::new("the hash of a token is 64 hex digits in lower case; take it from `approvals token`"))
    }
}

/// The agent that calls, as the configuration says: never as the call says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Caller {
    /// The agent.
    pub id: AgentId,
    /// Who it acts for; may withdraw, and never approve.
    pub sponsor: Option<PersonId>,
    /// Who answers for it.
    pub owner: Option<PersonId>,
}

impl Caller {
    /// An agent with the people that stand behind it.
    #[must_use]
    pub fn new(id: AgentId, sponsor: Option<PersonId>, owner: Option<PersonId>) -> Self {
        Self { id, sponsor, owner }
    }

    /// The agent as the gate takes it.
    #[must_use]
    pub fn agent(&self) -> Agent {
        let mut agent = Agent::new(self.id.as_str());
        if let Some(sponsor) = &self.sponsor {
            agent = agent.on_behalf_of(sponsor.as_str());
        }
        if let Some(owner) = &self.owner {
            agent = agent.owned_by(owner.as_str());
        }
        agent
    }
}

impl FromRequestParts<Site> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Problem> {
        let hash = bearer(parts)?;
        let caller = site.caller(&hash).ok_or_else(unknown)?;
        site.count_call(&caller.id)?;
        Ok(caller)
    }
}

/// A person who may look, by a token of their own. Looking is all it is good for: a decision takes
/// a signature of the person's own key.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reading {
    /// The person.
    pub person: PersonId,
}

impl FromRequestParts<Site> for Reading {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Problem> {
        let hash = bearer(parts)?;
        let person = site.reader(&hash).ok_or_else(unknown)?;
        site.count_look(&person)?;
        // Whoever has left may not look either.
        site.still_here(&person).await?;
        Ok(Self { person })
    }
}

pub(crate) fn bearer(parts: &Parts) -> Result<TokenHash, Problem> {
    bearer_text(parts).map(TokenHash::of)
}

/// The token itself: a secret.
pub(crate) fn bearer_text(parts: &Parts) -> Result<&str, Problem> {
    let missing = || {
        Problem::new(
            Code::Unauthenticated,
            "there is no bearer token; send `Authorization: Bearer ..`",
        )
    };
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(missing());
    };
    let text = value.to_str().map_err(|_| missing())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(missing());
    }
    Ok(token)
}

fn unknown() -> Problem {
    Problem::new(
        Code::Unauthenticated,
        "this token is not known here; make one with `approvals token` and add it to http.toml",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash_alone() -> Result<(), Box<dyn std::error::Error>> {
        let (one, other) = (Token::generate()?, Token::generate()?);
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.hash().to_string().parse::<TokenHash>()?, one.hash());
        assert_eq!(format!("{one:?}"), "Token");
        for wrong in ["", "00", &one.hash().to_string().to_uppercase()] {
            assert!(wrong.parse::<TokenHash>().is_err(), "{wrong}");
        }
        Ok(())
    }
}
