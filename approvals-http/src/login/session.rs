//! Sessions, by the hash of their secret.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use approvals_core::directory::local_identity;
use approvals_core::review::Evidence;
use approvals_core::{ApprovalError, Assurance, Code, PersonId, Timestamp, VerifiedApprover};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};

use crate::auth::{Token, TokenHash};
use crate::inbox::{Desk, Refused};

/// One person, signed in.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) person: PersonId,
    /// Stands in every form: what a page of somebody else cannot know.
    pub(crate) csrf: String,
    until: Timestamp,
}

impl Session {
    /// How well it is proven who this is.
    pub(crate) fn assurance(&self) -> Assurance {
        Assurance::A1
    }

    /// How it was proven, in words for people.
    pub(crate) fn how(&self) -> &'static str {
        "one-time link"
    }

    /// The person's account, as the login proved it: an operator of this machine gave them a link.
    pub(crate) fn approver(&self) -> Result<VerifiedApprover, ApprovalError> {
        let identity = local_identity(&self.person)
            .map_err(|error| ApprovalError::new(Code::IdentityUnresolved, error.to_string()))?;
        let evidence = Evidence::new("link");
        Ok(VerifiedApprover::assertion(
            identity,
            self.assurance(),
            evidence,
        ))
    }

    /// Refuses a form that was not on a page of this session.
    pub(crate) fn check(&self, csrf: &str) -> Result<(), Refused> {
        // Of digests, so that comparing gives no time away.
        if TokenHash::of(csrf) == TokenHash::of(&self.csrf) {
            return Ok(());
        }
        let message = "this form is not from a page of your session; open the request again";
        Err(Refused::new(Code::Unauthenticated, message))
    }
}

/// Everybody who is signed in.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<BTreeMap<TokenHash, Session>>);

impl Sessions {
    /// Signs a person in; the answer is the secret of the cookie.
    pub(crate) fn open(&self, person: PersonId, now: Timestamp) -> Result<Token, ApprovalError> {
        let (secret, csrf) = (Token::generate()?, Token::generate()?);
        let session = Session {
            person,
            csrf: csrf.reveal().to_owned(),
            until: now.after(LASTS),
        };
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.until > now);
        if sessions.len() >= MOST {
            let message = "too many people are signed in; try again later";
            return Err(ApprovalError::new(Code::RateLimited, message));
        }
        sessions.insert(secret.hash(), session);
        Ok(secret)
    }

    /// The session of a secret, while it lasts.
    fn of(&self, secret: &TokenHash, now: Timestamp) -> Option<Session> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get(secret)?;
        (session.until > now).then(|| session.clone())
    }

    pub(crate) fn close(&self, secret: &TokenHash) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(secret);
    }
}

/// Somebody with a session, on a page of ours, who does not ask too often.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) session: Session,
    pub(crate) secret: TokenHash,
}

impl FromRequestParts<Desk> for SignedIn {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Refused> {
        let origin = desk.origin(&parts.headers)?;
        if parts.method != Method::GET {
            from_our_pages(&parts.headers, &origin)?;
        }
        let secret = secret(&parts.headers, desk.is_secure()).ok_or_else(Refused::signed_out)?;
        let session = desk.sessions().of(&secret, desk.site().now());
        let session = session.ok_or_else(Refused::signed_out)?;
        desk.site()
            .count_look(&session.person)
            .map_err(Refused::from)?;
        Ok(Self { session, secret })
    }
}

/// Refuses what another site's page sent, as browsers tell.
pub(crate) fn from_our_pages(headers: &HeaderMap, origin: &str) -> Result<(), Refused> {
    let says = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let ours = match (says("origin"), says("sec-fetch-site")) {
        (Some(from), _) => from == origin,
        (None, Some(site)) => site == "same-origin",
        (None, None) => true,
    };
    match ours {
        true => Ok(()),
        false => Err(Refused::new(
            Code::Unauthenticated,
            "another site's page sent this; open the request here and decide again",
        )),
    }
}

/// The one session cookie of a call; two are none.
fn secret(headers: &HeaderMap, secure: bool) -> Option<TokenHash> {
    let lines = headers.get_all(header::COOKIE).iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    let mut found = texts
        .flat_map(|text| text.split("; "))
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, _)| *key == name(secure));
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Some(TokenHash::of(value)),
        _ => None,
    }
}

/// The cookie that holds a session's secret.
pub(crate) fn cookie(secret: &Token, secure: bool) -> String {
    let secrecy = if secure { "; Secure" } else { "" };
    format!(
        "{}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secrecy}",
        name(secure),
        secret.reveal(),
        LASTS.as_secs()
    )
}

/// The cookie that ends it in the browser.
pub(crate) fn gone(secure: bool) -> String {
    let secrecy = if secure { "; Secure" } else { "" };
    format!(
        "{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{secrecy}",
        name(secure)
    )
}

/// With TLS a browser takes the name only from the host itself, and only with `Secure`.
fn name(secure: bool) -> &'static str {
    match secure {
        true => "__Host-approvals",
        false => "approvals",
    }
}

const LASTS: Duration = Duration::from_secs(8 * 3_600);
const MOST: usize = 10_000;
